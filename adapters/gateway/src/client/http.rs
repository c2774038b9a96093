use std::time::Duration;

use bytes::Bytes;
use clawnode_protocol::Secret;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::error::ClientError;

/// HTTP/1.1 to one gateway, a connection for each call.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    host: String,
    port: u16,
    authority: String,
    prefix: String,
    authorization: Option<HeaderValue>,
}

/// The body of an answer, and the task that drives its connection.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) body: Incoming,
    _connection: AbortOnDropHandle<()>,
}

impl Transport {
    pub(super) fn new(url: &str, token: Option<Secret>) -> Result<Self, ClientError> {
        let parsed = Url::parse(url).map_err(|error| {
            ClientError::Url(format!("{url:?} is not a URL like http://127.0.0.1:8080: {error}"))
        })?;
        match parsed.scheme() {
            "http" => {}
            "https" => {
                let message = "this client does not speak https: use http, or connect through a local proxy that adds TLS";
                return Err(ClientError::Url(message.to_owned()));
            }
            other => {
                return Err(ClientError::Url(format!(
                    "{other}: is not possible here, the URL of a gateway begins with http://"
                )));
            }
        }
        let Some(host) = parsed.host() else {
            return Err(ClientError::Url("the URL of the gateway names no host".to_owned()));
        };
        let port = parsed.port().unwrap_or(80);
        let authority = match parsed.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let host = match host {
            url::Host::Ipv6(address) => address.to_string(),
            other => other.to_string(),
        };
        let prefix = parsed.path().trim_end_matches('/').to_owned();
        let authorization = token
            .map(|token| {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                    .map_err(|_| ClientError::Token)?;
                value.set_sensitive(true);
                Ok(value)
            })
            .transpose()?;
        Ok(Self { host, port, authority, prefix, authorization })
    }

    /// A call whose answer is JSON.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
        wait: Duration,
    ) -> Result<T, ClientError> {
        let call = async {
            let (response, _connection) = self.call(method, path, body, &[]).await?;
            let body = response.into_body().collect().await.map_err(broken)?;
            Ok(body.to_bytes())
        };
        let body = timeout(ANSWER.saturating_add(wait), call).await.map_err(|_| silent())??;
        serde_json::from_slice(&body).map_err(|error| ClientError::NotAGateway(error.to_string()))
    }

    /// A call whose answer is a stream of events.
    pub(super) async fn stream(
        &self,
        path: &str,
        after: Option<u64>,
    ) -> Result<Option<Stream>, ClientError> {
        let last_event_id = after.map(|id| ("last-event-id", id.to_string()));
        let headers = last_event_id.as_slice();
        let call = self.call("GET", path, None, headers);
        let (response, _connection) = timeout(ANSWER, call).await.map_err(|_| silent())??;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        match response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) {
            Some(kind) if kind.starts_with("text/event-stream") => {
                Ok(Some(Stream { body: response.into_body(), _connection }))
            }
            _ => Err(ClientError::NotAGateway("it is no event stream".to_owned())),
        }
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
        headers: &[(&str, String)],
    ) -> Result<(Response<Incoming>, AbortOnDropHandle<()>), ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.prefix))
            .header(HOST, &self.authority)
            .header(ACCEPT, "application/json, text/event-stream");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| ClientError::Url(error.to_string()))?;

        let (mut sender, connection) = self.connect().await?;
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status().is_success() {
            return Ok((response, connection));
        }
        Err(refused(response).await)
    }

    async fn connect(
        &self,
    ) -> Result<(http1::SendRequest<Full<Bytes>>, AbortOnDropHandle<()>), ClientError> {
        let unreachable =
            |why: String| ClientError::Connect { authority: self.authority.clone(), why };
        let connect = TcpStream::connect((self.host.as_str(), self.port));
        let stream = timeout(CONNECT, connect)
            .await
            .map_err(|_| unreachable(format!("no answer within {} s", CONNECT.as_secs())))?
            .map_err(|error| unreachable(error.to_string()))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let connection = tokio::spawn(async move {
            // The call itself reports how the connection ended.
            let _ = connection.await;
        });
        Ok((sender, AbortOnDropHandle::new(connection)))
    }
}

async fn refused(response: Response<Incoming>) -> ClientError {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let status = response.status();
    let retry_after =
        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = http_body_util::Limited::new(response.into_body(), LARGEST_REFUSAL);
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let error = match serde_json::from_slice(&body) {
        Ok(Refusal { error }) => error,
        Err(_) => status.canonical_reason().unwrap_or("no explanation").to_owned(),
    };
    ClientError::Refused { status: status.as_u16(), error, retry_after }
}

pub(super) fn silent() -> ClientError {
    ClientError::Broken("the gateway is silent".to_owned())
}

pub(super) fn broken(error: hyper::Error) -> ClientError {
    ClientError::Broken(error.to_string())
}

const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take that does not wait for anything: 25 MiB over 4 Mbit/s, and back.
const ANSWER: Duration = Duration::from_secs(120);
/// A gateway explains itself in a sentence; whatever else answers is not worth more.
const LARGEST_REFUSAL: usize = 64 << 10;
