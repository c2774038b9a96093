//! The command about models: `list_models`.

use std::fmt;

use clawnode_store::{Model, Query, limits::MOST_PAGE_ROWS};
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
    /// Which service it is: what it offers is kept under this name. Mostly its URL, without user,
    /// password and query, as the name is shown.
    fn name(&self) -> &str;

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
    /// `list_models`: the models that the node can reach, as their [`ModelSource`] names them now;
    /// none without a source. The store keeps them.
    ///
    /// What the source named before is no answer to that question, so a source that cannot say is
    /// an error. Only who asks for it by [`ListModels::stale_if_error`] gets the rows of the last
    /// time, which then say that they are not [reachable](ModelList::reachable).
    ///
    /// # Errors
    ///
    /// For a limit out of range, when the source cannot say, and when the store cannot be read.
    pub fn list_models(&self, user: &str, params: &ListModels) -> Result<ModelList, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        let limit = bounded(params.limit, MAX_MODELS_LIMIT)?;
        let Some(source) = self.model_source() else { return Ok(ModelList::default()) };
        let mut listed = match source.models() {
            Ok(models) => self.reachable(user, source.name(), models),
            Err(error) => self.remembered(user, source.name(), params.stale_if_error, error)?,
        };
        listed.models.retain(|model| params.takes(model));
        listed.models.truncate(limit);
        listed.count = listed.models.len();
        Ok(listed)
    }

    /// What the source has just named. It is true whether or not it can be kept.
    fn reachable(&self, user: &str, source: &str, models: Vec<Model>) -> ModelList {
        let (seen_at, warning) = match self.store().replace_models(user, source, models.clone()) {
            Ok(seen_at) => (Some(seen_at), None),
            Err(error) => (None, Some(format!("the models are not remembered: {error}"))),
        };
        ModelList { models, reachable: true, seen_at, warning, ..ModelList::default() }
    }

    /// What the source named the last time that it could, if that is wanted and there is anything.
    fn remembered(
        &self,
        user: &str,
        source: &str,
        wanted: bool,
        error: ModelsError,
    ) -> Result<ModelList, CommandError> {
        let limit = if wanted { MOST_PAGE_ROWS } else { 1 };
        let query = Query { limit, ..Query::default() };
        let rows = match self.store().models(user, Some(source), &query) {
            Ok(page) => page.rows,
            // All that it would add is a hint.
            Err(_) if !wanted => return Err(error.into()),
            Err(unreadable) => return Err(unreadable.into()),
        };
        let Some(seen_at) = rows.first().map(|row| row.seen_at.clone()) else {
            return Err(error.into());
        };
        if !wanted {
            let ModelsError(reason) = error;
            let hint = format!("{reason} (argument `stale_if_error` lists those of {seen_at})");
            return Err(ModelsError(hint).into());
        }
        Ok(ModelList {
            models: rows.into_iter().map(|row| row.model).collect(),
            seen_at: Some(seen_at),
            warning: Some(error.to_string()),
            ..ModelList::default()
        })
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
    /// When the models cannot be listed: those of the last time that they could, marked with
    /// `reachable` false. Without it that is an error.
    pub stale_if_error: bool,
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
            stale_if_error: false,
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
    /// The rows, in the order of the source; those of an earlier time the newest first.
    pub models: Vec<Model>,
    /// How many rows there are.
    pub count: usize,
    /// Whether the source has just named these models. False only for those of an earlier time,
    /// which must be asked for, and where there is no source and so no model.
    pub reachable: bool,
    /// When the source named them, RFC 3339 in UTC; null where there is no source, and when that
    /// could not be kept.
    pub seen_at: Option<String>,
    /// Why the models cannot be reached, or why they could not be kept for another time.
    pub warning: Option<String>,
}

const ALL: &str = "all";
