//! What the gateway says, and what it is told.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::life::{Life, Stopping};
use super::{Action, Deadline, Event, Link, Misuse, Node};
use crate::dialect::{FaultReply, FromGateway, Message, ToGateway};
use crate::text::fitting;
use crate::websocket;

impl Node {
    /// Decodes at most one message; false when there is none.
    pub(super) fn listen(&mut self) -> bool {
        let Some(Link { websocket, session, credential, .. }) = &mut self.link else {
            return false;
        };
        let Some(event) = websocket.poll() else { return false };
        match event {
            websocket::Event::Text(text) => {
                let heard = session.read(Message::Text(text));
                self.hear(heard);
            }
            websocket::Event::Binary(bytes) => {
                let heard = session.read(Message::Binary(bytes));
                self.hear(heard);
            }
            websocket::Event::Pong(payload) => {
                let number = payload.try_into().map(u64::from_be_bytes).ok();
                self.pong(number);
            }
            websocket::Event::Open => self.opened(),
            websocket::Event::Refused(refusal) => {
                let refusal = match credential {
                    Some(secret) => refusal.hiding(secret),
                    None => refusal,
                };
                self.refused(refusal);
            }
            websocket::Event::Closed(closed) => {
                let closed = match credential {
                    Some(secret) => closed.hiding(secret),
                    None => closed,
                };
                self.closed(closed);
            }
            websocket::Event::Ping(_) | websocket::Event::Request(_) => {}
        }
        true
    }

    pub(super) fn hear(&mut self, heard: FromGateway) {
        if !matches!(self.life, Life::Registering { .. } | Life::Ready { .. }) {
            return;
        }
        let event = match heard {
            FromGateway::Work { request_id, user_id, task } => {
                return self.ledger.request(self.now, request_id, user_id, task, &mut self.actions);
            }
            FromGateway::Settled { request_id } => {
                return self.ledger.settled(self.now, &request_id, &mut self.actions);
            }
            FromGateway::Error { error, details } => {
                let details = details.filter(|details| details.len() <= MOST_ERROR_BYTES);
                Event::GatewayError {
                    error: self.hiding_credential(fitting(&error, MOST_ERROR_BYTES).to_owned()),
                    details: details.map(|details| self.hiding_credential(details)),
                }
            }
            FromGateway::Custom { kind, text } => Event::Custom { kind, text },
            FromGateway::Fault { problem, reply } => {
                match reply {
                    FaultReply::Answer { request_id, kind } => {
                        self.ledger.refuse(request_id, kind, problem.clone());
                    }
                    other => self.fault_replies.push(self.now, &problem, other),
                }
                Event::Faulty { problem }
            }
        };
        self.actions.push_back(Action::Notify(event));
    }

    fn hiding_credential(&self, text: String) -> String {
        let credential = self.link.as_ref().and_then(|link| link.credential.as_ref());
        credential.and_then(|secret| secret.hidden_in(&text)).unwrap_or(text)
    }

    /// Hands the connection as much as it should hold.
    pub(super) fn pump(&mut self) {
        let (Life::Ready { .. }, Some(link)) = (&self.life, &mut self.link) else { return };
        let Link { websocket, session, .. } = link;
        if !websocket.is_open() {
            return;
        }
        let most = self.config.limits.transmit_bytes;
        while websocket.transmit().len() < most {
            let Some((error, request_id)) = self.fault_replies.next() else { break };
            let (error, request_id) = (error.as_str(), request_id.as_deref());
            session.write(self.utc, ToGateway::Error { error, request_id }, websocket);
        }
        if websocket.transmit().len() < most {
            self.ledger.transmit(|words| {
                session.write(self.utc, words, websocket);
                websocket.transmit().len() < most
            });
        }
        let unconfirmed = self.ledger.unconfirmed();
        if unconfirmed > 0 && link.awaited.is_none() {
            let bytes = link.websocket.bytes_queued_total() - link.asked_at;
            let limits = &self.config.limits;
            // What is unconfirmed takes room, and a busy gateway could fill it before the time to ask comes.
            let much = unconfirmed >= limits.owed / 4 || bytes >= limits.kept_bytes as u64 / 4;
            if much || self.stopping != Stopping::No {
                self.ping();
            } else if !self.timers.is_set(Deadline::Confirm) {
                self.timers
                    .set(Deadline::Confirm, self.now.saturating_add(self.config.timing.confirm));
            }
        }
    }

    pub(super) fn custom(&mut self, text: &str) -> Result<(), Misuse> {
        let (Life::Ready { .. }, Some(link)) = (&self.life, &mut self.link) else {
            return Err(Misuse::NotSendable);
        };
        match custom_kind(text) {
            Some(kind) if !link.session.reserves(&kind) => {}
            _ => return Err(Misuse::NotACustomMessage),
        }
        if text.len() > self.config.limits.result_bytes {
            return Err(Misuse::TooLarge);
        }
        let waiting = link.websocket.transmit().len();
        if !link.websocket.is_open() || waiting >= self.config.limits.transmit_bytes {
            return Err(Misuse::NotSendable);
        }
        link.session.write(self.utc, ToGateway::Custom(text), &mut link.websocket);
        Ok(())
    }
}

/// Bytes of an error's text or details that the application hears of: an error is a sentence for people, not a download.
const MOST_ERROR_BYTES: usize = 64 << 10;

/// The `type` of a message, if it is a JSON object that has one.
pub(crate) fn custom_kind(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(rename = "type", borrow)]
        kind: &'a RawValue,
    }
    let typed: Typed<'_> =
        text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok())??;
    serde_json::from_str(typed.kind.get()).ok()
}
