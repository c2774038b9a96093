//! What a node serves: handlers by name, with their types erased.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::context::{Context, Workflow};
use crate::failed::Failed;
use crate::json::{read_args, to_object};

/// The parameters of a command that has none.
///
/// ```
/// # use clawnode_runtime::{Context, Failed, NoArgs};
/// async fn ping(_: Context, _: NoArgs) -> Result<serde_json::Value, Failed> {
///     Ok(serde_json::json!({ "pong": true }))
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct NoArgs {}

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How a handler ended: a JSON object, or what went wrong.
pub(crate) type Ran = Result<Box<RawValue>, Problem>;

pub(crate) enum Problem {
    /// The arguments do not fit the parameters. The text may repeat them, so it is no text for logs.
    Arguments(String),
    /// The handler says so.
    Failed(Failed),
    /// The handler's result is not what the protocol allows.
    Result(String),
    /// The handler panicked.
    Panicked(String),
}

/// A handler for input of type `I`.
pub(crate) enum Handler<I> {
    Async(Arc<dyn Fn(Context, I) -> BoxFuture<Ran> + Send + Sync>),
    Blocking(Arc<dyn Fn(Context, I) -> Ran + Send + Sync>),
}

/// All handlers of a node.
#[derive(Default)]
pub(crate) struct Served {
    pub(crate) commands: BTreeMap<String, Handler<Box<RawValue>>>,
    pub(crate) workflows: Option<Handler<Workflow>>,
}

impl Handler<Box<RawValue>> {
    pub(crate) fn command<A, T, E, F, Fut>(handler: F) -> Self
    where
        A: DeserializeOwned + Send + 'static,
        T: Serialize,
        E: Into<Failed>,
        F: Fn(Context, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Self::Async(Arc::new(move |context, args| {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let args = read_args(&args).map_err(Problem::Arguments)?;
                result(handler(context, args).await)
            })
        }))
    }

    pub(crate) fn blocking_command<A, T, E, F>(handler: F) -> Self
    where
        A: DeserializeOwned,
        T: Serialize,
        E: Into<Failed>,
        F: Fn(Context, A) -> Result<T, E> + Send + Sync + 'static,
    {
        Self::Blocking(Arc::new(move |context, args| {
            let args = read_args(&args).map_err(Problem::Arguments)?;
            result(handler(context, args))
        }))
    }
}

impl Handler<Workflow> {
    pub(crate) fn workflows<T, E, F, Fut>(handler: F) -> Self
    where
        T: Serialize,
        E: Into<Failed>,
        F: Fn(Context, Workflow) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Self::Async(Arc::new(move |context, workflow| {
            let handler = Arc::clone(&handler);
            Box::pin(async move { result(handler(context, workflow).await) })
        }))
    }
}

impl Served {
    /// What to tell who asks for a command that does not exist.
    pub(crate) fn unknown(&self, name: &str) -> String {
        if self.commands.is_empty() {
            return format!("unknown command `{name}`; this node serves no commands");
        }
        let known: Vec<&str> = self.commands.keys().map(String::as_str).collect();
        format!("unknown command `{name}`; this node serves: {}", known.join(", "))
    }
}

fn result<T: Serialize, E: Into<Failed>>(result: Result<T, E>) -> Ran {
    match result {
        Ok(value) => to_object(&value).map_err(|error| Problem::Result(error.to_string())),
        Err(error) => Err(Problem::Failed(error.into())),
    }
}
