//! The HTTP API.

mod error;
mod events;
mod requests;
mod submit;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::header::CONTENT_TYPE;
use hyper::{StatusCode, Uri};
use serde::Serialize;
use serde_json::json;

use crate::access;
use crate::shared::Shared;
use crate::upgrade;
use error::ApiError;

/// Everything that is served: nodes' WebSockets at any path, and the HTTP API.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/api/nodes", get(nodes))
        .route("/api/requests", post(submit::submit).get(requests::list))
        .route("/api/requests/{id}", get(requests::one))
        .route("/api/requests/{id}/events", get(events::events))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(shared.clone(), let_in))
        .with_state(shared)
}

async fn let_in(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if upgrade::is_asked(request.headers()) {
        return upgrade::answer(&shared, request);
    }
    if request.uri().path() != "/health" {
        if let Err(denied) = access::check_user(&shared.config, request.headers()) {
            return ApiError::new(denied.status, denied.message).into_response();
        }
    }
    next.run(request).await
}

async fn health() -> Response {
    json_response(StatusCode::OK, &json!({ "status": "ok" }))
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let nodes = shared.book().connected();
    if shared.stopping.is_cancelled() {
        let stopping = json!({ "status": "stopping", "nodes": nodes });
        return json_response(StatusCode::SERVICE_UNAVAILABLE, &stopping);
    }
    json_response(StatusCode::OK, &json!({ "status": "ready", "nodes": nodes }))
}

async fn nodes(State(shared): State<Arc<Shared>>) -> Response {
    #[derive(Serialize)]
    struct Nodes<T> {
        nodes: T,
    }
    let nodes = shared.book().nodes();
    json_response(StatusCode::OK, &Nodes { nodes })
}

async fn not_found(uri: Uri) -> ApiError {
    let message =
        format!("nothing is at {}: the API is at /api/requests and /api/nodes", uri.path());
    ApiError::new(StatusCode::NOT_FOUND, message)
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method")
}

fn json_response(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            (status, [(CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
