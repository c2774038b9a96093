use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::{HeaderMap, StatusCode};
use tokio::sync::watch;
use tokio::time::timeout;

use super::error::ApiError;
use super::requests::path_id;
use crate::book::{Data, Logged};
use crate::shared::Shared;

pub(super) async fn events(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = path_id(id)?;
    let seen = match headers.get("last-event-id") {
        None => 0,
        Some(value) => {
            value.to_str().ok().and_then(|text| text.trim().parse().ok()).ok_or_else(|| {
                ApiError::bad_request("`Last-Event-ID` must be the id of an event, a number")
            })?
        }
    };
    let reader = {
        let book = shared.book();
        let unknown = || ApiError::unknown_request(&id);
        let (last, complete) = book.last_event(&id).ok_or_else(unknown)?;
        if complete && seen == last {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        // An id from the future is one of a former process: its events are others.
        let next = if seen > last { 1 } else { seen + 1 };
        let changed = book.watch(&id).ok_or_else(unknown)?;
        Reader { shared: shared.clone(), id, next, changed, over: false }
    };
    let frames = stream::unfold(reader, |mut reader| async {
        let frame = reader.next_frame().await?;
        Some((Ok::<_, Infallible>(frame), reader))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    Ok((headers, Body::from_stream(frames)).into_response())
}

/// One reader of a request's events. It holds nothing between two frames but its place: a slow one costs no memory, and
/// finds later how many events it has missed.
struct Reader {
    shared: Arc<Shared>,
    id: String,
    next: u64,
    changed: watch::Receiver<()>,
    over: bool,
}

impl Reader {
    async fn next_frame(&mut self) -> Option<Bytes> {
        loop {
            if self.over {
                return None;
            }
            self.changed.mark_unchanged();
            let Some(read) = self.shared.book().read(&self.id, self.next, FRAME) else {
                self.over = true;
                return Some(Bytes::from_static(b": the request was forgotten\n\n"));
            };
            self.over = read.complete;
            let mut text = String::new();
            if read.dropped > 0 {
                self.next += read.dropped;
                let data = format!(r#"{{"dropped":{}}}"#, read.dropped);
                write_event(&mut text, self.next - 1, "dropped", &data);
            }
            for event in read.events {
                self.next = event.id + 1;
                write_logged(&mut text, &event);
            }
            if !text.is_empty() {
                return Some(text.into());
            }
            let news = async {
                tokio::select! {
                    // An error tells that the request is forgotten, which the next look shows.
                    _ = self.changed.changed() => {}
                    () = self.shared.stopping.cancelled() => self.over = true,
                }
            };
            if timeout(self.shared.config.timing.keep_alive, news).await.is_err() {
                return Some(Bytes::from_static(b": still here\n\n"));
            }
        }
    }
}

fn write_logged(text: &mut String, event: &Logged) {
    match &event.data {
        Data::Json(json) => write_event(text, event.id, event.name, json),
        Data::Answer(answer) => {
            let json =
                serde_json::to_string(&**answer).expect("a struct of strings and JSON is JSON");
            write_event(text, event.id, event.name, &json);
        }
    }
}

/// JSON from a node may have line breaks between its values, of any kind; each line becomes one of the event's data.
fn write_event(text: &mut String, id: u64, name: &str, data: &str) {
    let _ = writeln!(text, "id: {id}\nevent: {name}");
    for line in data.split(['\n', '\r']).filter(|line| !line.is_empty()) {
        let _ = writeln!(text, "data: {line}");
    }
    text.push('\n');
}

/// Bytes of events in one frame, roughly.
const FRAME: usize = 64 << 10;
