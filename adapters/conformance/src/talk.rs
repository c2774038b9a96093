//! Messages over a [`Link`]: one side of a conversation, and what a check does with it.

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tokio::time::timeout;

use crate::check::{Ended, failed};
use crate::wire::frame::PING;
use crate::wire::{Heard, Link, random};

/// A command that no node serves.
pub(crate) const NO_SUCH_COMMAND: &str = "conformance.no_such_command";

/// What came about one request.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) messages: Vec<Value>,
}

impl Exchange {
    /// The answer: a response, or an error that names the request.
    pub(crate) fn answer(&self) -> Option<&Value> {
        self.messages.iter().find(|message| is_answer(message))
    }

    pub(crate) fn answers(&self) -> usize {
        self.messages.iter().filter(|message| is_answer(message)).count()
    }

    pub(crate) fn acks(&self) -> usize {
        self.messages.iter().filter(|message| message["type"] == "ack").count()
    }

    /// The types in the order they came.
    pub(crate) fn story(&self) -> String {
        if self.messages.is_empty() {
            return "nothing about the request".to_owned();
        }
        let kinds: Vec<_> = self.messages.iter().map(kind).collect();
        kinds.join(", ")
    }
}

/// The type of a message, or what it is instead.
pub(crate) fn kind(message: &Value) -> &str {
    message["type"].as_str().unwrap_or("a message without a type")
}

pub(crate) fn is_about(message: &Value, request_id: &str) -> bool {
    message["request_id"] == request_id || message["details"]["request_id"] == request_id
}

pub(crate) fn is_answer(message: &Value) -> bool {
    matches!(kind(message), "command_response" | "workflow_response" | "error")
}

/// A name that was not used before.
pub(crate) fn fresh_id(what: &str) -> String {
    format!("conformance-{what}-{:016x}", random())
}

impl Link {
    /// Sends a message.
    pub(crate) async fn say(&mut self, message: &Value) {
        self.text(&message.to_string()).await;
    }

    /// The next JSON message. Pings and pongs are passed over.
    pub(crate) async fn message(&mut self, within: Duration) -> Result<Option<Value>, Ended> {
        let deadline = Instant::now() + within;
        loop {
            let text = match self.hear(deadline.saturating_duration_since(Instant::now())).await {
                None => return Ok(None),
                Some(Heard::Text(text)) => text,
                Some(Heard::Ping(_) | Heard::Pong(_)) => continue,
                Some(Heard::Binary(bytes)) => {
                    return failed(format!("a binary message of {} bytes", bytes.len()));
                }
                Some(Heard::Closed(end)) => return failed(end.to_string()),
            };
            return match serde_json::from_str::<Value>(&text) {
                Ok(message @ Value::Object(_)) => Ok(Some(message)),
                _ => failed(format!("a message that is no JSON object: {text}")),
            };
        }
    }

    /// The next message of a type, passing over others.
    pub(crate) async fn message_of(
        &mut self,
        kinds: &[&str],
        within: Duration,
    ) -> Result<Value, Ended> {
        let deadline = Instant::now() + within;
        let mut others = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.message(left).await? {
                Some(message) if kinds.contains(&kind(&message)) => return Ok(message),
                Some(other) => others.push(kind(&other).to_owned()),
                None if others.is_empty() => return failed(format!("nothing within {within:?}")),
                None => return failed(format!("only {} within {within:?}", others.join(", "))),
            }
        }
    }

    /// Sends a request and hears all about it up to its answer.
    pub(crate) async fn ask(
        &mut self,
        request: &Value,
        within: Duration,
    ) -> Result<Exchange, Ended> {
        let mut exchange = Exchange::default();
        self.say(request).await;
        let id = request["request_id"].as_str().unwrap_or_default().to_owned();
        self.follow(&id, &mut exchange, within).await?;
        Ok(exchange)
    }

    /// Hears on about a request up to its answer.
    pub(crate) async fn follow(
        &mut self,
        id: &str,
        exchange: &mut Exchange,
        within: Duration,
    ) -> Result<(), Ended> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.message(left).await {
                Ok(Some(message)) if is_about(&message, id) => {
                    exchange.messages.push(message);
                    if exchange.answer().is_some() {
                        return Ok(());
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => {
                    return failed(format!("no answer within {within:?}; {}", exchange.story()));
                }
                Err(Ended::Failed(came)) => {
                    return failed(format!("{came}, and before it {}", exchange.story()));
                }
                Err(other) => return Err(other),
            }
        }
    }

    /// Everything about a request that still comes while the suite looks on.
    pub(crate) async fn settle(
        &mut self,
        id: &str,
        exchange: &mut Exchange,
        look: Duration,
    ) -> Result<(), Ended> {
        let deadline = Instant::now() + look;
        while let Some(message) =
            self.message(deadline.saturating_duration_since(Instant::now())).await?
        {
            if is_about(&message, id) {
                exchange.messages.push(message);
            }
        }
        Ok(())
    }

    /// Pings with `payload` and waits for its pong. Other messages are passed over.
    pub(crate) async fn pong(&mut self, payload: &[u8], within: Duration) -> Result<(), Ended> {
        self.frame(true, PING, payload).await;
        let mut other = None;
        let wait = async {
            loop {
                match self.hear(within).await {
                    Some(Heard::Pong(came)) if came == payload => return Ok(()),
                    // It may be one that nobody asked for (RFC 6455 section 5.5.3).
                    Some(Heard::Pong(came)) => other = Some(came.len()),
                    Some(Heard::Closed(end)) => return failed(end.to_string()),
                    Some(_) => {}
                    None => return failed(format!("no pong within {within:?}")),
                }
            }
        };
        match timeout(within, wait).await {
            Ok(done) => done,
            Err(_) => match other {
                Some(bytes) => failed(format!("only a pong with another payload of {bytes} bytes")),
                None => failed(format!("no pong within {within:?}")),
            },
        }
    }

    /// How the other end ends the connection; `None` if it does not.
    pub(crate) async fn end(&mut self, within: Duration) -> Option<crate::wire::End> {
        let wait = async {
            loop {
                if let Some(Heard::Closed(end)) = self.hear(within).await {
                    return end;
                }
            }
        };
        timeout(within, wait).await.ok()
    }
}

/// The time, in UTC.
pub(crate) fn utc() -> jiff::Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX)
}

/// The time as messages have it.
pub(crate) fn now() -> String {
    utc().to_string()
}

/// Reads a timestamp as the protocol allows: ISO 8601, with a zone or in UTC without one.
pub(crate) fn instant(timestamp: &str) -> Option<jiff::Timestamp> {
    timestamp.parse().ok().or_else(|| {
        let naive: jiff::civil::DateTime = timestamp.parse().ok()?;
        Some(naive.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })
}

/// Whether a timestamp says which zone it is in.
pub(crate) fn has_zone(timestamp: &str) -> bool {
    timestamp.parse::<jiff::Timestamp>().is_ok()
}
