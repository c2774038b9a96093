use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use clawnode_protocol::websocket;
use hyper::header::{
    ALLOW, CONNECTION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, StatusCode, Version};
use tracing::{debug, info};

use crate::access;
use crate::gateway::Origin;
use crate::link;
use crate::shared::Shared;

/// Whether a request asks for a WebSocket.
pub(crate) fn is_asked(headers: &HeaderMap) -> bool {
    has_token(headers, &UPGRADE, "websocket")
}

/// Answers a node's opening handshake (RFC 6455 section 4.2), and serves it from then on.
pub(crate) fn answer(shared: &Arc<Shared>, mut request: Request<Body>) -> Response {
    let accept = match examine(shared, &request) {
        Ok(accept) => accept,
        Err(refusal) => return refusal.into_response(),
    };
    let Some(origin) = request.extensions_mut().remove::<Origin>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let upgraded = hyper::upgrade::on(&mut request);
    let task_shared = shared.clone();
    shared.links.spawn(async move {
        let Origin { address, cut, permit } = origin;
        let serve = async {
            match upgraded.await {
                Ok(stream) => link::serve(task_shared, stream, address).await,
                Err(error) => debug!(%address, %error, "connection ended before it was upgraded"),
            }
        };
        cut.run_until_cancelled(serve).await;
        drop(permit);
    });
    let headers = [
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// The value of `Sec-WebSocket-Accept`, or why there is none.
fn examine(shared: &Shared, request: &Request<Body>) -> Result<HeaderValue, Refusal> {
    let headers = request.headers();
    if request.method() != Method::GET {
        let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket begins with GET");
        return Err(refusal.header(ALLOW, "GET"));
    }
    if request.version() != Version::HTTP_11 || !has_token(headers, &CONNECTION, "upgrade") {
        let message = "a WebSocket begins with HTTP/1.1 and Connection: Upgrade; a proxy between may have changed that";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
    }
    if only(headers, &SEC_WEBSOCKET_VERSION) != Some("13") {
        let message = "this gateway speaks version 13 of WebSocket (RFC 6455)";
        let refusal = Refusal::new(StatusCode::UPGRADE_REQUIRED, message);
        return Err(refusal.header(SEC_WEBSOCKET_VERSION, "13").header(UPGRADE, "websocket"));
    }
    let accept = only(headers, &SEC_WEBSOCKET_KEY).and_then(accept_value).ok_or_else(|| {
        let message = "Sec-WebSocket-Key must be 16 bytes in base64";
        Refusal::new(StatusCode::BAD_REQUEST, message)
    })?;
    access::check_node(&shared.config, request).map_err(|denied| {
        let address = request.extensions().get::<Origin>().map(|origin| origin.address);
        info!(?address, "node turned away: {}", denied.message);
        let refusal = Refusal::new(denied.status, denied.message);
        match denied.status {
            StatusCode::UNAUTHORIZED => refusal.header(WWW_AUTHENTICATE, "Bearer"),
            _ => refusal,
        }
    })?;
    if shared.stopping.is_cancelled() {
        let message = "the gateway is stopping: try again later";
        let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message);
        return Err(refusal.header(RETRY_AFTER, "5"));
    }
    Ok(accept)
}

/// Why a node may not connect, as text, which nodes show to their operators.
struct Refusal {
    status: StatusCode,
    message: &'static str,
    headers: Vec<(HeaderName, &'static str)>,
}

impl Refusal {
    fn new(status: StatusCode, message: &'static str) -> Self {
        Self { status, message, headers: Vec::new() }
    }

    fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.message).into_response();
        for (name, value) in self.headers {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

fn accept_value(key: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&websocket::accept_value(key.as_bytes())?).ok()
}

/// Whether a comma-separated header lists `token`, in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// The value of a header that must occur once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?.trim();
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_value_is_that_of_the_standard() {
        let accept = accept_value("dGhlIHNhbXBsZSBub25jZQ==").expect("a valid key");
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for key in ["", "dGhlIHNhbXBsZSBub25jZQ", "c2hvcnQ=", "!"] {
            assert_eq!(accept_value(key), None, "{key}");
        }
    }
}
