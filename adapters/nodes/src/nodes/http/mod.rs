//! `lib.http.*`

mod get_json;
mod get_request;
mod get_text;
mod json_get_request;
mod json_post_request;
mod post;
mod post_request;

use std::sync::Arc;
use std::time::Duration;

use async_lock::Semaphore;
use clawnode_workflows::{NodeError, NodeType, Property, TypeDescriptor};
use encoding_rs::Encoding;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value};

use crate::access::Access;
use crate::limits::shown_bytes;
use crate::runtime;
use crate::text::cut;
use crate::web::{Allowed, Client, read_body, send};

/// The node types of the group.
pub(crate) fn all(access: &Access, turns: &Arc<Semaphore>) -> Vec<NodeType> {
    let web = Web::new(access, turns);
    vec![
        get_json::node(&web),
        get_request::node(&web),
        get_text::node(&web),
        json_get_request::node(&web),
        json_post_request::node(&web),
        post::node(&web),
        post_request::node(&web),
    ]
}

/// What HTTP nodes ask through.
#[derive(Clone)]
struct Web {
    client: Client,
    whole: Duration,
    request_bytes: usize,
    response_bytes: usize,
}

/// What a node wants to ask.
struct Request {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl Request {
    fn get(url: String) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), body: None }
    }

    fn post(url: String, body: Vec<u8>) -> Self {
        Self { method: Method::POST, url, headers: HeaderMap::new(), body: Some(body) }
    }

    /// With the headers that the user gives.
    fn headers(mut self, headers: &Value) -> Result<Self, NodeError> {
        self.headers = parse_headers(headers)?;
        Ok(self)
    }

    /// With a header, unless the user gives another.
    fn or_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.entry(name).or_insert(HeaderValue::from_static(value));
        self
    }

    fn accept_json(self) -> Self {
        self.or_header(ACCEPT, "application/json")
    }

    fn json_body(self) -> Self {
        self.or_header(CONTENT_TYPE, "application/json")
    }
}

/// What came back.
struct Answer {
    host: String,
    status: StatusCode,
    content_type: Option<String>,
    body: Vec<u8>,
}

impl Web {
    fn new(access: &Access, turns: &Arc<Semaphore>) -> Self {
        let limits = access.bounds();
        let whole = limits.request_time;
        Self {
            client: Client::new(Allowed::of(access), whole, whole, turns),
            whole,
            request_bytes: limits.request_bytes,
            response_bytes: limits.response_bytes,
        }
    }

    async fn ask(&self, request: Request) -> Result<Answer, NodeError> {
        let Self { client, whole, request_bytes, response_bytes } = self.clone();
        if request.url.trim().is_empty() {
            return Err("the URL is empty".into());
        }
        if request.body.as_ref().is_some_and(|body| body.len() > request_bytes) {
            return Err(format!("the body is larger than {}", shown_bytes(request_bytes)).into());
        }
        runtime::run(async move {
            let Request { method, url, headers, body } = request;
            client
                .request(&url, |client, url| async move {
                    let host = url.host_str().unwrap_or_default().to_owned();
                    let mut request = client.request(method, url).headers(headers);
                    if let Some(body) = body {
                        request = request.body(body);
                    }
                    let response = send(request).await.map_err(|failed| failed.of(&host, whole))?;
                    let status = response.status();
                    let content_type = response.headers().get(CONTENT_TYPE);
                    let content_type =
                        content_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
                    let failed = |failed: crate::web::Failed| failed.of(&host, whole);
                    let body = read_body(response, response_bytes, failed).await?;
                    Ok(Answer { host, status, content_type, body })
                })
                .await
        })
        .await
    }
}

impl Answer {
    /// The same, if it is no error.
    fn success(self) -> Result<Self, NodeError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let Self { host, status, .. } = &self;
        let said = cut(self.text().trim(), 300);
        let colon = if said.is_empty() { "" } else { ": " };
        Err(format!("{host} answers {status}{colon}{said}").into())
    }

    fn text(&self) -> String {
        let charset = self.content_type.as_deref().and_then(charset);
        let encoding = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
        encoding.unwrap_or(encoding_rs::UTF_8).decode(&self.body).0.into_owned()
    }

    fn json(&self) -> Result<Value, NodeError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let Self { host, status, .. } = self;
            let start = cut(self.text().trim(), 100);
            format!("{host} answers {status}, but not with JSON ({error}): {start}").into()
        })
    }

    fn status(&self) -> u16 {
        self.status.as_u16()
    }
}

fn charset(content_type: &str) -> Option<&str> {
    let parameters = content_type.split(';').skip(1);
    let charset = parameters.filter_map(|parameter| parameter.split_once('='));
    let mut charset = charset.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charset.next().map(|(_, value)| value.trim().trim_matches('"'))
}

fn parse_headers(given: &Value) -> Result<HeaderMap, NodeError> {
    let parsed;
    let given: &Map<String, Value> = match given {
        Value::Null => return Ok(HeaderMap::new()),
        Value::String(text) if text.trim().is_empty() => return Ok(HeaderMap::new()),
        Value::String(text) => {
            parsed = serde_json::from_str(text).map_err(|error| {
                format!("headers is no JSON object such as {{\"Accept\": \"text/html\"}}: {error}")
            })?;
            &parsed
        }
        Value::Object(map) => map,
        _ => return Err("headers is no object".into()),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => continue,
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return Err(format!("the header {name:?} is no text").into()),
        };
        let key =
            HeaderName::try_from(name).map_err(|_| format!("{name:?} is no name of a header"))?;
        if FRAMING.contains(&key.as_str()) {
            return Err(format!("the header {name} cannot be set").into());
        }
        // The value may be a secret.
        let value = HeaderValue::try_from(text).map_err(|_| {
            format!("the value of the header {name} has letters that no header has")
        })?;
        headers.insert(key, value);
    }
    Ok(headers)
}

fn url() -> Property {
    Property::str("url", "").describe("What to ask, http:// or https://.")
}

fn headers() -> Property {
    let kinds = TypeDescriptor::union(vec![TypeDescriptor::str(), TypeDescriptor::dict()]);
    Property::new("headers", kinds, "").describe("Headers of the request, a JSON object.")
}

/// Headers that say where a message ends, or to whom it goes.
const FRAMING: [&str; 6] =
    ["connection", "content-length", "host", "te", "transfer-encoding", "upgrade"];
