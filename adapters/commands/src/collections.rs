//! The commands about collections of documents: `list_collections` and `get_collection`.

use clawnode_store::{Collection, Query};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Commands,
    error::CommandError,
    limits::MAX_COLLECTIONS_LIMIT,
    params::{bounded, check_user},
};

impl Commands {
    /// `list_collections`: the user's collections, the newest first.
    ///
    /// # Errors
    ///
    /// For a limit out of range, and when the store fails.
    pub fn list_collections(
        &self,
        user: &str,
        params: &ListCollections,
    ) -> Result<CollectionList, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        bounded(params.limit, MAX_COLLECTIONS_LIMIT)?;
        let query = Query { limit: params.limit, ..Query::default() };
        let page = self.store().collections(user, &query)?;
        let mut collections = Vec::with_capacity(page.rows.len());
        for collection in page.rows {
            let workflow_name = self.workflow_name(user, &collection)?;
            let Collection { name, metadata, count, .. } = collection;
            collections.push(CollectionRow { name, metadata, workflow_name, count });
        }
        Ok(CollectionList { count: collections.len(), collections })
    }

    /// `get_collection`: one of the user's collections.
    ///
    /// # Errors
    ///
    /// When the user has no such collection, and when the store fails.
    pub fn get_collection(
        &self,
        user: &str,
        params: &GetCollection,
    ) -> Result<CollectionDetails, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        let found = self.store().collection(user, &params.name)?;
        let Some(Collection { name, metadata, count, .. }) = found else {
            return Err(CommandError::CollectionNotFound { name: params.name.clone() });
        };
        Ok(CollectionDetails { name, metadata, count })
    }

    /// The name of the workflow that a collection's metadata names.
    fn workflow_name(
        &self,
        user: &str,
        collection: &Collection,
    ) -> Result<Option<String>, CommandError> {
        let Some(id) = collection.metadata.get("workflow").and_then(Value::as_str) else {
            return Ok(None);
        };
        match self.workflow(user, id) {
            Ok(workflow) => Ok(Some(workflow.name.clone())),
            Err(CommandError::WorkflowNotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Arguments of `list_collections`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListCollections {
    /// Rows at most.
    #[schemars(range(min = 1, max = MAX_COLLECTIONS_LIMIT))]
    pub limit: u32,
    /// On whose behalf; nobody but the request's own user.
    pub user_id: Option<String>,
}

impl Default for ListCollections {
    fn default() -> Self {
        Self { limit: 50, user_id: None }
    }
}

/// Result of `list_collections`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CollectionList {
    /// The rows, the newest first.
    pub collections: Vec<CollectionRow>,
    /// How many rows there are.
    pub count: usize,
}

/// One row of [`CollectionList`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CollectionRow {
    /// What it is called.
    pub name: String,
    /// What else there is to say.
    pub metadata: Map<String, Value>,
    /// The name of the workflow whose id the metadata has as `workflow`.
    pub workflow_name: Option<String>,
    /// Documents in it.
    pub count: u64,
}

/// Arguments of `get_collection`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetCollection {
    /// Which.
    pub name: String,
    /// On whose behalf; nobody but the request's own user.
    #[serde(default)]
    pub user_id: Option<String>,
}

/// Result of `get_collection`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CollectionDetails {
    /// What it is called.
    pub name: String,
    /// What else there is to say.
    pub metadata: Map<String, Value>,
    /// Documents in it.
    pub count: u64,
}
