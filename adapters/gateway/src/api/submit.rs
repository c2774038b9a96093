use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use clawnode_protocol::peer;
use clawnode_protocol::{Task, WorkflowSource, websocket};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Body as _;
use hyper::header::EXPECT;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::timeout;
use uuid::Uuid;

use super::error::ApiError;
use super::json_response;
use crate::book::{LONGEST_ID, SubmitError, Submitted};
use crate::shared::{Clock, Shared};

pub(super) async fn submit(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, ApiError> {
    if shared.stopping.is_cancelled() {
        return Err(ApiError::stopping());
    }
    let body = read_body(&shared, request).await?;
    let (request, node_id) = Submission::parse(&body)?.into_request()?;
    drop(body);
    let submitted = shared.book().submit(request, node_id.as_deref(), Clock::utc());
    match submitted {
        Ok(Submitted::New(view)) => {
            let view = json!({
                "request_id": view.request_id, "node_id": view.node_id, "status": view.status,
            });
            Ok(json_response(StatusCode::ACCEPTED, &view))
        }
        Ok(Submitted::Known(view)) => Ok(json_response(StatusCode::OK, &view)),
        Err(error) => {
            let status = match error {
                SubmitError::UnknownNode(_) => StatusCode::NOT_FOUND,
                SubmitError::OtherContent(_) | SubmitError::Unable(..) => StatusCode::CONFLICT,
                SubmitError::NotConnected(_)
                | SubmitError::NoneAble(_)
                | SubmitError::TooMany(_)
                | SubmitError::TooManyBytes => StatusCode::SERVICE_UNAVAILABLE,
            };
            Err(ApiError::new(status, error.to_string()))
        }
    }
}

/// The fields of a body, as they came.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Submission<'a> {
    workflow_id: Option<String>,
    #[serde(borrow)]
    graph: Option<&'a RawValue>,
    command: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    node_id: Option<String>,
    user_id: Option<String>,
    request_id: Option<String>,
}

impl<'a> Submission<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, ApiError> {
        if body.trim_ascii_start().first() != Some(&b'{') {
            let message =
                r#"the body must be a JSON object, such as {"workflow_id": "...", "params": {}}"#;
            return Err(ApiError::bad_request(message));
        }
        serde_json::from_slice(body).map_err(|error| {
            ApiError::bad_request(format!("the body is not as it should be: {error}"))
        })
    }

    fn into_request(self) -> Result<(peer::Request, Option<String>), ApiError> {
        let task = match (self.workflow_id, self.graph, self.command) {
            (Some(id), None, None) => {
                misplaced(self.args, "args", "a workflow takes `params`")?;
                let id = identifier("workflow_id", id)?;
                let params = object("params", self.params)?;
                Task::Workflow { source: WorkflowSource::Id(id), params }
            }
            (None, Some(graph), None) => {
                misplaced(self.args, "args", "a workflow takes `params`")?;
                let graph = object("graph", Some(graph))?;
                let params = object("params", self.params)?;
                Task::Workflow { source: WorkflowSource::Graph(graph), params }
            }
            (None, None, Some(name)) => {
                misplaced(self.params, "params", "a command takes `args`")?;
                let name = identifier("command", name)?;
                Task::Command { name, args: object("args", self.args)? }
            }
            (None, None, None) => {
                let message = "nothing to do: `workflow_id`, `graph` or `command` is missing";
                return Err(ApiError::bad_request(message));
            }
            _ => {
                let message =
                    "only one of `workflow_id`, `graph` and `command` can be done at once";
                return Err(ApiError::bad_request(message));
            }
        };
        if task.size() + ENVELOPE > websocket::Limits::default().max_message {
            let message =
                "this does not fit a message to a node, which has at most 25 MiB: send less";
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        let node_id = self.node_id.map(|id| identifier("node_id", id)).transpose()?;
        let user_id = self.user_id.map(|id| identifier("user_id", id)).transpose()?;
        let request_id = match self.request_id {
            Some(id) => identifier("request_id", id)?,
            None => Uuid::new_v4().to_string(),
        };
        Ok((peer::Request::new(request_id, task).for_user(user_id), node_id))
    }
}

fn identifier(field: &str, text: String) -> Result<String, ApiError> {
    if text.is_empty() || text.len() > LONGEST_ID || text.chars().any(char::is_control) {
        let message =
            format!("`{field}` must have 1 to {LONGEST_ID} bytes and no control characters");
        return Err(ApiError::bad_request(message));
    }
    Ok(text)
}

fn object(field: &str, json: Option<&RawValue>) -> Result<Box<RawValue>, ApiError> {
    match json {
        Some(json) if json.get().starts_with('{') => Ok(json.to_owned()),
        Some(_) => Err(ApiError::bad_request(format!("`{field}` must be an object"))),
        None => Ok(RawValue::from_string("{}".to_owned()).expect("`{}` is JSON")),
    }
}

fn misplaced(json: Option<&RawValue>, field: &str, instead: &str) -> Result<(), ApiError> {
    match json {
        Some(_) => Err(ApiError::bad_request(format!("`{field}` does not belong here: {instead}"))),
        None => Ok(()),
    }
}

async fn read_body(shared: &Shared, request: Request) -> Result<Bytes, ApiError> {
    let limit = shared.config.limits.body_bytes;
    let too_large = || {
        let message = format!("the body is larger than {limit} bytes, the most this gateway takes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    let expects = request.headers().contains_key(EXPECT);
    let mut body = request.into_body();
    if body.size_hint().lower() > limit as u64 {
        // Someone who waits for leave to send hears this instead.
        if !expects {
            discard(body, limit).await;
        }
        return Err(too_large());
    }
    let collect = async {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            bytes.extend_from_slice(frame?.data_ref().map_or(&[][..], |data| data));
            if bytes.len() > limit {
                return Ok(None);
            }
        }
        Ok::<_, axum::Error>(Some(Bytes::from(bytes)))
    };
    match timeout(shared.config.timing.body, collect).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => {
            discard(body, limit).await;
            Err(too_large())
        }
        Ok(Err(_)) => Err(ApiError::bad_request("the body broke off")),
        Err(_) => Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long to arrive: try again on a better connection",
        )),
    }
}

/// Reads a body that is too large, within reason: most clients look for an answer only after they have sent all, and
/// would find a broken connection instead.
async fn discard(mut body: Body, limit: usize) {
    let mut left = limit.saturating_mul(4);
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    let _ = timeout(DISCARD, read).await;
}

/// What a message to a node needs besides the work itself, ids and names with escapes included.
const ENVELOPE: usize = 8 << 10;
const DISCARD: Duration = Duration::from_secs(5);
