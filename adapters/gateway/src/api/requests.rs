use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use super::error::ApiError;
use super::json_response;
use crate::book::RequestView;
use crate::shared::Shared;
use crate::status::Status;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    wait: Option<f64>,
}

pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<Wait>, QueryRejection>,
) -> Result<Response, ApiError> {
    let id = path_id(id)?;
    let Query(Wait { wait }) = query.map_err(bad_query)?;
    let longest = shared.config.timing.longest_wait;
    let wait = match wait {
        None => Duration::ZERO,
        Some(seconds) if seconds >= 0.0 => {
            Duration::try_from_secs_f64(seconds).unwrap_or(longest).min(longest)
        }
        Some(_) => return Err(ApiError::bad_request("`wait` must be a number of seconds")),
    };
    let deadline = Instant::now() + wait;
    let unknown = || ApiError::unknown_request(&id);
    let mut changed = shared.book().watch(&id).ok_or_else(unknown)?;
    loop {
        let view = shared.book().request(&id).ok_or_else(unknown)?;
        if view.status.is_final() || shared.stopping.is_cancelled() {
            return Ok(json_response(StatusCode::OK, &view));
        }
        let news = async {
            tokio::select! {
                // An error tells that the request is forgotten, which the next look shows.
                _ = changed.changed() => {}
                () = shared.stopping.cancelled() => {}
            }
        };
        if timeout_at(deadline, news).await.is_err() {
            return Ok(json_response(StatusCode::OK, &view));
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    status: Option<Status>,
    node_id: Option<String>,
    limit: Option<usize>,
    before: Option<u64>,
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Page {
        requests: Vec<RequestView>,
        next: Option<String>,
    }
    let Query(Filter { status, node_id, limit, before }) = query.map_err(bad_query)?;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(ApiError::bad_request(format!("`limit` must be 1 to {LARGEST_PAGE}")));
    }
    let before = before.unwrap_or(u64::MAX);
    let (requests, next) = shared.book().list(status, node_id.as_deref(), before, limit);
    let next = next.map(|number| number.to_string());
    Ok(json_response(StatusCode::OK, &Page { requests, next }))
}

pub(super) fn path_id(id: Result<Path<String>, PathRejection>) -> Result<String, ApiError> {
    let message = "the request id in the path must be percent-encoded UTF-8";
    id.map(|Path(id)| id).map_err(|_| ApiError::bad_request(message))
}

fn bad_query(rejection: QueryRejection) -> ApiError {
    ApiError::bad_request(rejection.body_text())
}

const PAGE: usize = 50;
const LARGEST_PAGE: usize = 500;
