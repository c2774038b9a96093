use std::fmt;
use std::time::Duration;

use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::error::ClientError;
use super::http::{Stream, broken, silent};
use super::types::{Event, News};
use crate::status::Status;

/// The events of a request as they come.
pub struct Events {
    stream: Option<Stream>,
    /// Bytes that came, of which those before `searched` hold no end of a line.
    buffer: Vec<u8>,
    searched: usize,
    lines: Lines,
    last_id: Option<u64>,
}

#[derive(Default)]
struct Lines {
    id: Option<u64>,
    event: String,
    data: String,
}

impl Events {
    /// Bytes of one event, at most: room for the largest answer of a node. 32 MiB.
    pub const MAX_EVENT: usize = 32 << 20;

    pub(super) fn new(stream: Option<Stream>) -> Self {
        let lines = Lines::default();
        Self { stream, buffer: Vec::new(), searched: 0, lines, last_id: None }
    }

    /// The next event, `None` after the answer. Cancel safe: a dropped call loses no event.
    ///
    /// # Errors
    ///
    /// [`ClientError::Broken`] when the stream ended before the answer, because the connection broke or the gateway
    /// stopped, or when nothing came for 90 s, not even a sign of life: ask for the events after [`last_id`](Self::last_id) again. Others when the gateway is none.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if let Some(event) = self.parse()? {
                self.last_id = Some(event.id);
                if matches!(event.news, News::Answer { .. }) {
                    self.stream = None;
                    self.buffer.clear();
                    self.searched = 0;
                }
                return Ok(Some(event));
            }
            let Some(stream) = &mut self.stream else { return Ok(None) };
            match timeout(SILENCE, stream.body.frame()).await.map_err(|_| silent())? {
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.buffer.extend_from_slice(bytes);
                    }
                }
                Some(Err(error)) => return Err(broken(error)),
                None => {
                    return Err(ClientError::Broken(
                        "the events ended before the answer".to_owned(),
                    ));
                }
            }
            if self.buffer.len() + self.lines.data.len() > Self::MAX_EVENT {
                return Err(ClientError::EventTooLarge);
            }
        }
    }

    /// The id of the latest event given, to go on from with [`Client::events`](super::Client::events).
    pub fn last_id(&self) -> Option<u64> {
        self.last_id
    }

    /// Takes whole lines from the buffer until they make an event.
    fn parse(&mut self) -> Result<Option<Event>, ClientError> {
        let mut consumed = 0;
        let mut event = None;
        while let Some(length) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n')
        {
            let end = self.searched + length;
            let line = std::str::from_utf8(&self.buffer[consumed..end])
                .map_err(|_| ClientError::NotAGateway("an event is not UTF-8".to_owned()))?;
            event = self.lines.push(line.trim_end_matches('\r'))?;
            consumed = end + 1;
            self.searched = consumed;
            if event.is_some() {
                break;
            }
        }
        self.buffer.drain(..consumed);
        self.searched = if event.is_some() { 0 } else { self.buffer.len() };
        Ok(event)
    }
}

impl Lines {
    fn push(&mut self, line: &str) -> Result<Option<Event>, ClientError> {
        if line.is_empty() {
            let Self { id, event, data } = std::mem::take(self);
            let Some(id) = id.filter(|_| !event.is_empty()) else { return Ok(None) };
            return Ok(Some(Event { id, news: news(event, data)? }));
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.id = value.parse().ok(),
            "event" => value.clone_into(&mut self.event),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
        Ok(None)
    }
}

fn news(event: String, data: String) -> Result<News, ClientError> {
    #[derive(Deserialize)]
    struct Accepted {
        message: Option<String>,
    }
    #[derive(Deserialize)]
    struct Update {
        job_id: Option<String>,
        update_type: String,
        data: Box<RawValue>,
    }
    #[derive(Deserialize)]
    struct Answer {
        status: Status,
        job_id: Option<String>,
        result: Option<Box<RawValue>>,
        error: Option<String>,
    }
    #[derive(Deserialize)]
    struct Lost {
        reason: String,
    }
    #[derive(Deserialize)]
    struct Dropped {
        dropped: u64,
    }
    let news = match event.as_str() {
        "accepted" => {
            serde_json::from_str(&data).map(|Accepted { message }| News::Accepted { message })
        }
        "update" => serde_json::from_str(&data)
            .map(|Update { job_id, update_type, data }| News::Update { job_id, update_type, data }),
        "answer" => serde_json::from_str(&data).map(|Answer { status, job_id, result, error }| {
            News::Answer { status, job_id, result, error }
        }),
        "lost" => serde_json::from_str(&data).map(|Lost { reason }| News::Lost { reason }),
        "resent" => Ok(News::Resent),
        "dropped" => {
            serde_json::from_str(&data).map(|Dropped { dropped }| News::Dropped { dropped })
        }
        _ => return Ok(News::Other { event, data }),
    };
    news.map_err(|error| ClientError::NotAGateway(format!("event {event}: {error}")))
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("last_id", &self.last_id).finish_non_exhaustive()
    }
}

/// Six times the period of a gateway's comments.
const SILENCE: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_whole_however_they_are_cut() {
        let text = "id: 1\nevent: accepted\ndata: {\"message\":\"é\"}\n\n: alive\n\nid: 2\r\nevent: update\r\n\
                    data: {\"job_id\":null,\"update_type\":\"chunk\",\ndata: \"data\":{}}\r\n\r\nid: 3\nevent: new\ndata: x\n\n";
        for size in 1..text.len() {
            let mut events = Events::new(None);
            let mut seen = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                events.buffer.extend_from_slice(piece);
                while let Some(event) = events.parse().expect("valid") {
                    seen.push(format!("{} {:?}", event.id, event.news));
                }
            }
            assert_eq!(
                seen,
                [
                    "1 Accepted { message: Some(\"é\") }",
                    "2 Update { job_id: None, update_type: \"chunk\", data: RawValue({}) }",
                    "3 Other { event: \"new\", data: \"x\" }",
                ],
                "pieces of {size}"
            );
        }
    }
}
