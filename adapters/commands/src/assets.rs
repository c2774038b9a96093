//! The commands about assets: `list_assets` and `get_asset`.

use clawnode_store::{Asset, AssetFolder, AssetQuery};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Commands,
    error::CommandError,
    limits::MAX_LIST_LIMIT,
    params::{bounded, check_user},
};

impl Commands {
    /// `list_assets`: the user's assets, the newest first.
    ///
    /// Without a folder, a type and a query these are those at the top; a type and a query are
    /// looked for in all folders. The source `package` has none, as this program comes without assets.
    ///
    /// # Errors
    ///
    /// For a query of less than two characters, a limit out of range or a `start_key` that is none,
    /// and when the store fails.
    pub fn list_assets(&self, user: &str, params: &ListAssets) -> Result<AssetList, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        bounded(params.limit, MAX_LIST_LIMIT)?;
        if params.query.as_ref().is_some_and(|query| query.trim().chars().count() < 2) {
            let text = "Search query must be at least 2 characters long";
            return Err(CommandError::Arguments(text.to_owned()));
        }
        if params.source == PACKAGE {
            return Ok(AssetList::default());
        }
        let anywhere = params.query.is_some() || params.content_type.is_some();
        let page = self.store().assets(
            user,
            &AssetQuery {
                parent_id: match &params.parent_id {
                    None if !anywhere => Some(user.to_owned()),
                    // Whoever does not know the user's id calls it so.
                    Some(id) if id == crate::DEFAULT_USER_ID => Some(user.to_owned()),
                    parent_id => parent_id.clone(),
                },
                content_type: params.content_type.clone(),
                text: params.query.as_ref().map(|query| query.trim().to_owned()),
                limit: params.limit,
                start: params.start_key.clone(),
            },
        )?;
        let mut assets = Vec::with_capacity(page.rows.len());
        for asset in page.rows {
            let folder = match params.query {
                Some(_) => self.store().asset_folder(user, &asset.id)?,
                None => None,
            };
            assets.push(AssetRow { asset, source: USER, folder });
        }
        Ok(AssetList { total: assets.len(), assets, next: page.next.unwrap_or_default() })
    }

    /// `get_asset`: one of the user's assets.
    ///
    /// # Errors
    ///
    /// When the user has no such asset, and when the store fails.
    pub fn get_asset(&self, user: &str, params: &GetAsset) -> Result<Asset, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        let found = self.store().asset(user, &params.asset_id)?;
        found.ok_or_else(|| CommandError::AssetNotFound { id: params.asset_id.clone() })
    }
}

/// Arguments of `list_assets`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListAssets {
    /// `package` for those that come with the program, which are none; any other word for the user's.
    pub source: String,
    /// Only those in this folder; the user's id for those at the top.
    pub parent_id: Option<String>,
    /// Text to look for in the names, without regard to case; at least two characters.
    pub query: Option<String>,
    /// Only those whose media type begins so, such as `image/`.
    pub content_type: Option<String>,
    /// Only those of this package, where the source is `package`.
    pub package_name: Option<String>,
    /// Rows at most.
    #[schemars(range(min = 1, max = MAX_LIST_LIMIT))]
    pub limit: u32,
    /// The `next` of the page before: where to go on.
    pub start_key: Option<String>,
    /// On whose behalf; nobody but the request's own user.
    pub user_id: Option<String>,
}

impl Default for ListAssets {
    fn default() -> Self {
        Self {
            source: USER.to_owned(),
            parent_id: None,
            query: None,
            content_type: None,
            package_name: None,
            limit: 100,
            start_key: None,
            user_id: None,
        }
    }
}

/// Result of `list_assets`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AssetList {
    /// The rows, the newest first.
    pub assets: Vec<AssetRow>,
    /// The `start_key` of the next page; empty after the last.
    pub next: String,
    /// How many rows there are.
    pub total: usize,
}

/// One row of [`AssetList`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AssetRow {
    /// The same as of `get_asset`.
    #[serde(flatten)]
    pub asset: Asset,
    /// Always `user`.
    pub source: &'static str,
    /// The folder it is in, where a query was given.
    #[serde(flatten)]
    pub folder: Option<AssetFolder>,
}

/// Arguments of `get_asset`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetAsset {
    /// Which.
    pub asset_id: String,
    /// On whose behalf; nobody but the request's own user.
    #[serde(default)]
    pub user_id: Option<String>,
}

const USER: &str = "user";
const PACKAGE: &str = "package";
