//! Asking models through an API like OpenAI's.

use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender, bounded};
use async_lock::Semaphore;
use clawnode_protocol::Secret;
use clawnode_workflows::NodeError;
use eventsource_stream::{EventStreamError, Eventsource};
use futures_util::{Stream, StreamExt};
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use crate::access::{Access, ModelService};
use crate::limits::{Limits, shown_bytes};
use crate::runtime::{self, Working};
use crate::text::cut;
use crate::web::{Allowed, Client, Failed, read_body, send};

/// A model that can be asked. See [`list_models`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Model {
    /// What nodes name it by.
    pub id: String,
    /// Whose it is, if the service says so.
    pub owner: Option<String>,
}

/// The service does not say which models it has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct UnlistedModels(String);

/// The models of the service that `access` allows, in its order; none if it allows none. At most 10,000 are given.
///
/// # Errors
///
/// When the service cannot be reached, refuses, or answers something else; the text says which, and never has its key.
pub async fn list_models(access: &Access) -> Result<Vec<Model>, UnlistedModels> {
    let Some(service) = access.model_service() else { return Ok(Vec::new()) };
    let mut limits = access.bounds().clone();
    limits.model_time = limits.model_time.min(LIST_TIME);
    let models = Models::new(&access.clone().limits(limits), &Arc::new(Semaphore::new(1)));
    let listed = models.list(service.clone()).await;
    listed.map_err(|error| UnlistedModels(error.to_string()))
}

/// What nodes ask models through.
#[derive(Clone)]
pub(crate) struct Models {
    service: Option<ModelService>,
    client: Client,
    limits: Limits,
}

/// What a model is asked.
pub(crate) struct Question {
    /// The node's own choice of a model.
    pub(crate) model: Value,
    /// Roles and texts.
    pub(crate) messages: Vec<Value>,
    /// None or fewer than one for as many as the service gives.
    pub(crate) max_tokens: Option<i64>,
}

/// A piece of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Thinking(String),
}

/// An answer that comes piece by piece. Dropping it ends the request.
pub(crate) struct Answer {
    pieces: Receiver<Piece>,
    end: Working<End>,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    /// The most tokens were reached.
    Cut,
}

impl Answer {
    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Piece> {
        self.pieces.recv().await.ok()
    }

    /// How it ended, once there are no more pieces.
    pub(crate) async fn end(self) -> Result<End, NodeError> {
        self.end.await
    }
}

impl Models {
    pub(crate) fn new(access: &Access, turns: &Arc<Semaphore>) -> Self {
        let limits = access.bounds().clone();
        let (whole, silence) = (limits.model_time, limits.model_silence);
        let client = Client::new(Allowed::trusted(), whole, silence, turns);
        Self { service: access.model_service().cloned(), client, limits }
    }

    /// Asks, without waiting for the answer.
    pub(crate) fn ask(&self, question: Question) -> Result<Answer, NodeError> {
        let Some(service) = self.service.clone() else {
            return Err("no model can be asked; give the URL of an API like OpenAI's with --models-url, such as http://127.0.0.1:11434/v1".into());
        };
        let model = model_id(&question.model).or(service.default_model.as_deref());
        let Some(model) = model else {
            return Err("the node names no model; set its model to one that the service has, or a default with --model".into());
        };
        let mut body = json!({"model": model, "messages": question.messages, "stream": true});
        if let Some(most) = question.max_tokens.filter(|most| *most > 0) {
            body["max_tokens"] = most.into();
        }
        let body = body.to_string();
        if body.len() > self.limits.request_bytes {
            let most = shown_bytes(self.limits.request_bytes);
            return Err(format!("what the model is asked is larger than {most}").into());
        }
        let (sender, pieces) = bounded(MOST_WAITING_PIECES);
        let models = self.clone();
        let end = runtime::spawn(async move {
            let answered =
                models.exchange(&service, "/chat/completions", Some(body), async |response| {
                    models.read_answer(response, &sender).await
                });
            hiding(answered.await, service.key.as_ref())
        })?;
        Ok(Answer { pieces, end })
    }

    async fn list(&self, service: ModelService) -> Result<Vec<Model>, NodeError> {
        let models = self.clone();
        runtime::run(async move {
            let listed = models.exchange(&service, "/models", None, async |response| {
                let body = models.read_whole(response).await?;
                let list: ModelList = serde_json::from_slice(&body).map_err(|error| {
                    format!("the model service gives no list of models, so its API is not like OpenAI's: {error}")
                })?;
                Ok(list.models())
            });
            hiding(listed.await, service.key.as_ref())
        })
        .await
    }

    /// Sends one request and hands over a good answer to it.
    async fn exchange<T>(
        &self,
        service: &ModelService,
        path: &str,
        body: Option<String>,
        read: impl AsyncFnOnce(Response) -> Result<T, NodeError>,
    ) -> Result<T, NodeError> {
        let url = format!("{}{path}", service.url.trim_end_matches('/'));
        self.client
            .request(&url, async |client, url| {
                let mut request: RequestBuilder = match &body {
                    Some(body) => {
                        client.post(url).header(CONTENT_TYPE, "application/json").body(body.clone())
                    }
                    None => client.get(url),
                };
                if let Some(key) = &service.key {
                    request = request.bearer_auth(key.expose());
                }
                let response = send(request).await.map_err(|failed| self.failed(failed))?;
                if !response.status().is_success() {
                    return Err(self.refusal(response).await);
                }
                read(response).await
            })
            .await
    }

    async fn read_answer(&self, response: Response, to: &Sender<Piece>) -> Result<End, NodeError> {
        let content_type = response.headers().get(CONTENT_TYPE);
        let is_stream = content_type
            .and_then(|value| value.to_str().ok())
            .is_none_or(|value| value.trim_start().starts_with("text/event-stream"));
        if !is_stream {
            // Some services do not stream, whatever they are asked.
            let body = self.read_whole(response).await?;
            return Whole::parse(&body)?.hand_over(to).await;
        }
        let (mut left, mut over) = (self.limits.model_bytes, false);
        let bytes = response.bytes_stream().map(move |chunk| {
            let chunk = chunk.map_err(Broken::Transport)?;
            over |= chunk.len() > left;
            left = left.saturating_sub(chunk.len());
            if over { Err(Broken::TooLarge) } else { Ok(chunk) }
        });
        self.read_events(bytes, to).await
    }

    async fn read_events(
        &self,
        bytes: impl Stream<Item = Result<impl AsRef<[u8]>, Broken>>,
        to: &Sender<Piece>,
    ) -> Result<End, NodeError> {
        let mut events = std::pin::pin!(bytes.eventsource());
        let (mut end, mut letters) = (None, 0);
        while let Some(event) = events.next().await {
            let data = match event {
                Ok(event) => event.data,
                Err(EventStreamError::Transport(Broken::TooLarge)) => {
                    let most = shown_bytes(self.limits.model_bytes);
                    return Err(format!("the answer of the model is larger than {most}").into());
                }
                Err(EventStreamError::Transport(Broken::Transport(error))) => {
                    let why = self.failed(error.into());
                    return Err(format!(
                        "the answer of the model broke off after {letters} letters: {why}"
                    )
                    .into());
                }
                Err(_) => return Err("the answer of the model is no stream of events".into()),
            };
            if data.trim() == "[DONE]" {
                return Ok(end.unwrap_or(End::Whole));
            }
            let part: Part = serde_json::from_str(&data).map_err(|error| {
                format!(
                    "the model service says what is no part of an answer ({error}): {}",
                    cut(&data, 200)
                )
            })?;
            if let Some(error) = part.error {
                return Err(format!("the model service reports an error: {}", said(&error)).into());
            }
            let Some(choice) = part.choices.into_iter().next() else { continue };
            for piece in choice.delta.unwrap_or_default().pieces() {
                if let Piece::Text(text) = &piece {
                    letters += text.chars().count();
                }
                if to.send(piece).await.is_err() {
                    return Err("cancelled".into());
                }
            }
            end = end.or(choice.finish_reason.as_deref().map(End::of));
        }
        // Some services end without a last word, but none without a reason.
        end.ok_or_else(|| {
            format!("the answer of the model broke off after {letters} letters").into()
        })
    }

    async fn read_whole(&self, response: Response) -> Result<Vec<u8>, NodeError> {
        read_body(response, self.limits.model_bytes, |failed| self.failed(failed)).await
    }

    async fn refusal(&self, response: Response) -> NodeError {
        let status = response.status();
        let body = read_body(response, MOST_ERROR_BYTES, |failed| self.failed(failed)).await;
        let body = body.unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        let value = serde_json::from_str::<Value>(&text).unwrap_or_default();
        let said = match said(value.get("error").unwrap_or(&value)) {
            said if said.is_empty() || said == "null" => cut(text.trim(), MOST_ERROR),
            said => said,
        };
        let advice = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "; give its key with --models-key-file or CLAWNODE_MODELS_KEY"
            }
            StatusCode::NOT_FOUND => {
                "; check the model's name, and the URL, which often ends with /v1"
            }
            StatusCode::TOO_MANY_REQUESTS => "; try later",
            _ => "",
        };
        let colon = if said.is_empty() { "" } else { ": " };
        format!("the model service answers {status}{colon}{said}{advice}").into()
    }

    fn failed(&self, failed: Failed) -> NodeError {
        failed.of("the model service", self.limits.model_time)
    }
}

/// The id of a model as nodes hold it: an object with an id, or just the id.
fn model_id(model: &Value) -> Option<&str> {
    let id = model.as_str().or_else(|| model["id"].as_str());
    id.map(str::trim).filter(|id| !id.is_empty())
}

/// What an error of the service says, in the forms that services have.
fn said(error: &Value) -> String {
    let text =
        error.as_str().or_else(|| error["message"].as_str()).or_else(|| error["detail"].as_str());
    cut(text.map_or_else(|| error.to_string(), str::to_owned).trim(), MOST_ERROR)
}

/// A service may quote the key it was shown.
fn hiding<T>(result: Result<T, NodeError>, key: Option<&Secret>) -> Result<T, NodeError> {
    result.map_err(|error| {
        let text = error.to_string();
        match key.map(Secret::expose).filter(|key| !key.is_empty()) {
            Some(key) if text.contains(key) => text.replace(key, "(key)").into(),
            _ => error,
        }
    })
}

/// Why bytes of an answer do not come.
#[derive(Debug)]
enum Broken {
    TooLarge,
    Transport(reqwest::Error),
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    choices: Vec<Choice>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
    #[serde(alias = "reasoning_content")]
    reasoning: Option<String>,
}

impl Delta {
    fn pieces(self) -> impl Iterator<Item = Piece> {
        let thinking = self.reasoning.filter(|text| !text.is_empty()).map(Piece::Thinking);
        let text = self.content.filter(|text| !text.is_empty()).map(Piece::Text);
        thinking.into_iter().chain(text)
    }
}

impl End {
    fn of(finish_reason: &str) -> Self {
        if finish_reason == "length" { Self::Cut } else { Self::Whole }
    }
}

/// An answer that did not stream.
#[derive(Deserialize)]
struct Whole {
    choices: Vec<WholeChoice>,
}

#[derive(Deserialize)]
struct WholeChoice {
    message: Delta,
    finish_reason: Option<String>,
}

impl Whole {
    fn parse(body: &[u8]) -> Result<WholeChoice, NodeError> {
        let whole: Self = serde_json::from_slice(body).map_err(|error| {
            let start = cut(String::from_utf8_lossy(body).trim(), 200);
            format!("the model service says what is no answer ({error}): {start}")
        })?;
        whole.choices.into_iter().next().ok_or_else(|| "the model gave no answer".into())
    }
}

impl WholeChoice {
    async fn hand_over(self, to: &Sender<Piece>) -> Result<End, NodeError> {
        for piece in self.message.pieces() {
            if to.send(piece).await.is_err() {
                return Err("cancelled".into());
            }
        }
        Ok(self.finish_reason.as_deref().map_or(End::Whole, End::of))
    }
}

#[derive(Deserialize)]
struct ModelList {
    data: Vec<ListedModel>,
}

#[derive(Deserialize)]
struct ListedModel {
    id: String,
    owned_by: Option<String>,
}

impl ModelList {
    fn models(self) -> Vec<Model> {
        let listed = self.data.into_iter().take(MOST_MODELS);
        listed.map(|model| Model { id: model.id, owner: model.owned_by }).collect()
    }
}

/// Pieces of an answer that wait for their node; then the service has to wait.
const MOST_WAITING_PIECES: usize = 16;

/// How long a list of models may take: a person waits for it.
const LIST_TIME: Duration = Duration::from_secs(15);

/// Models of one list; later ones are left out.
const MOST_MODELS: usize = 10_000;

/// Bytes of an error of the service that are read.
const MOST_ERROR_BYTES: usize = 64 * 1024;

/// Letters of an error of the service that are told.
const MOST_ERROR: usize = 500;
