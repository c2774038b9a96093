//! The command about models: `list_models`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Commands,
    error::CommandError,
    limits::MAX_MODELS_LIMIT,
    params::{bounded, check_user},
};

/// Where [`Commands`] learns which models the node can reach, such as the `/v1/models` of an
/// OpenAI-compatible server.
pub trait ModelSource: Send + Sync + 'static {
    /// The models, now. May block: it is asked where the command runs, each time anew.
    ///
    /// # Errors
    ///
    /// [`ModelsError`], when nobody can say.
    fn models(&self) -> Result<Vec<Model>, ModelsError>;
}

/// The models cannot be listed; the text says why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the models cannot be listed: {0}")]
pub struct ModelsError(String);

impl ModelsError {
    /// An error with its reason.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl Commands {
    /// `list_models`: the models that the node can reach; none without a [`ModelSource`].
    ///
    /// # Errors
    ///
    /// For a limit out of range, and when the source cannot say.
    pub fn list_models(&self, user: &str, params: &ListModels) -> Result<ModelList, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        let limit = bounded(params.limit, MAX_MODELS_LIMIT)?;
        let Some(source) = self.model_source() else { return Ok(ModelList::default()) };
        let found = source.models()?.into_iter().filter(|model| params.takes(model));
        let models: Vec<Model> = found.take(limit).collect();
        Ok(ModelList { count: models.len(), models })
    }
}

/// Arguments of `list_models`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListModels {
    /// `all`, the name of a provider, or a part of a model's id.
    pub provider: String,
    /// Only models of this type, such as `language_model`.
    pub model_type: Option<String>,
    /// Only models whose files are on this machine. Those of a server elsewhere are not.
    pub downloaded_only: bool,
    /// Only models that a node type recommends. So far none does.
    pub recommended_only: bool,
    /// Rows at most.
    #[schemars(range(min = 1, max = MAX_MODELS_LIMIT))]
    pub limit: u32,
    /// On whose behalf; nobody but the request's own user.
    pub user_id: Option<String>,
}

impl Default for ListModels {
    fn default() -> Self {
        Self {
            provider: ALL.to_owned(),
            model_type: None,
            downloaded_only: false,
            recommended_only: false,
            limit: 50,
            user_id: None,
        }
    }
}

impl ListModels {
    fn takes(&self, model: &Model) -> bool {
        let named = |text: &Option<String>| {
            text.as_deref().is_some_and(|text| text.contains(&self.provider))
        };
        let provided = self.provider == ALL
            || model.provider.as_deref() == Some(&*self.provider)
            || model.id.contains(&self.provider)
            || named(&model.repo_id);
        let typed =
            self.model_type.as_ref().is_none_or(|kind| model.model_type.as_ref() == Some(kind));
        let downloaded = !self.downloaded_only || model.downloaded == Some(true);
        provided && typed && downloaded && !self.recommended_only
    }
}

/// Result of `list_models`. (The original returns a bare list, which its own protocol cannot
/// carry.)
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ModelList {
    /// The rows, in the order of the source.
    pub models: Vec<Model>,
    /// How many rows there are.
    pub count: usize,
}

/// One row of [`ModelList`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Model {
    /// What it is asked for by.
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// The repository it comes from, if it is known.
    pub repo_id: Option<String>,
    /// Its file within the repository, if it is known.
    pub path: Option<String>,
    /// What it is, such as `language_model`, if it is known.
    #[serde(rename = "type")]
    pub model_type: Option<String>,
    /// Whether its files are on this machine, if it is known.
    pub downloaded: Option<bool>,
    /// Bytes of its files, if they are known.
    pub size_on_disk: Option<u64>,
    /// Who serves it.
    pub provider: Option<String>,
}

impl Model {
    /// A model of which nothing but the id is known.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            name: id.clone(),
            id,
            repo_id: None,
            path: None,
            model_type: None,
            downloaded: None,
            size_on_disk: None,
            provider: None,
        }
    }
}

const ALL: &str = "all";
