//! What the gateway says, and what it is told.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::life::{Life, Stopping};
use super::{Action, Deadline, Event, Link, Misuse, Node};
use crate::dialect::{CallName, FaultReply, FromGateway, Message, ToGateway};
use crate::text::fitting;
use crate::websocket::{self, Closed, Refusal};
use crate::work::Failure;

impl Node {
    /// Decodes at most one message; false when there is none.
    pub(super) fn listen(&mut self) -> bool {
        let Some(Link { websocket, credentials, .. }) = &mut self.link else { return false };
        let session = &mut self.session;
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
                let refusal = credentials.iter().fold(refusal, Refusal::hiding);
                self.refused(refusal);
            }
            websocket::Event::Closed(closed) => {
                let closed = credentials.iter().fold(closed, Closed::hiding);
                self.closed(closed);
            }
            websocket::Event::Ping(_) | websocket::Event::Request(_) => {}
        }
        true
    }

    pub(super) fn hear(&mut self, heard: FromGateway) {
        if matches!(self.life, Life::Closing { .. }) {
            return;
        }
        let event = match heard {
            FromGateway::Nothing => return,
            FromGateway::Challenge { sign } => return self.challenged(sign),
            FromGateway::Welcome(welcome) => return self.welcomed(welcome),
            FromGateway::Denied { refusal, next, forget_device_token } => {
                let credentials = self.link.as_ref().map(|link| &link.credentials);
                let refusal = match credentials {
                    Some(credentials) => credentials
                        .iter()
                        .fold(refusal, |refusal, secret| Box::new(refusal.hiding(secret))),
                    None => refusal,
                };
                return self.denied(refusal, next, forget_device_token);
            }
            FromGateway::Leave { code, why } => return self.leave(code, why),
            FromGateway::Approved => return self.approved(),
            FromGateway::GoingAway { reason, back_in } => {
                let reason = self.hiding_credentials(reason);
                return self.going_away(reason, back_in);
            }
            FromGateway::Reply { call: CallName::Application(id), result } => {
                return self.replied(id, result);
            }
            FromGateway::Reply { call: CallName::Publication(_), result } => {
                return self.published(result);
            }
            FromGateway::Work { request_id, user_id, task, time } => {
                let (now, actions) = (self.now, &mut self.actions);
                return self.ledger.request(now, request_id, user_id, task, time, actions);
            }
            FromGateway::Cancel { request_id } => {
                return self.ledger.cancel_request(&request_id, &mut self.actions);
            }
            FromGateway::Settled { request_id } => {
                return self.ledger.settled(self.now, &request_id, &mut self.actions);
            }
            FromGateway::Error { error, details } => {
                let details = details.filter(|details| details.len() <= MOST_ERROR_BYTES);
                Event::GatewayError {
                    error: self.hiding_credentials(fitting(&error, MOST_ERROR_BYTES).to_owned()),
                    details: details.map(|details| self.hiding_credentials(details)),
                }
            }
            FromGateway::Custom { kind, text } => Event::Custom { kind, text },
            FromGateway::Fault { problem, reply } => {
                match reply {
                    FaultReply::Answer { request_id, kind, code } => {
                        let failure = Failure::new(problem.clone());
                        let failure = match code {
                            Some(code) => failure.with_code(code),
                            None => failure,
                        };
                        self.ledger.refuse(request_id, kind, failure);
                    }
                    other => self.fault_replies.push(self.now, &problem, other),
                }
                Event::Faulty { problem }
            }
        };
        self.actions.push_back(Action::Notify(event));
    }

    fn hiding_credentials(&self, text: String) -> String {
        match &self.link {
            Some(link) => link.credentials.hide_in(text),
            None => text,
        }
    }

    /// Hands the connection as much as it should hold.
    pub(super) fn pump(&mut self) {
        let (Life::Ready { .. }, Some(link)) = (&self.life, &mut self.link) else { return };
        let Link { websocket, .. } = link;
        let session = &mut self.session;
        if !websocket.is_open() {
            return;
        }
        let most = self.config.limits.transmit_bytes;
        while websocket.transmit().len() < most {
            let Some((error, request_id)) = self.fault_replies.next() else { break };
            let (error, request_id) = (error.as_str(), request_id.as_deref());
            let _ = session.write(self.utc, ToGateway::Error { error, request_id }, websocket);
        }
        if websocket.transmit().len() < most {
            self.ledger.transmit(self.now, &mut self.actions, |words| {
                let _ = session.write(self.utc, words, websocket);
                websocket.transmit().len() < most
            });
        }
        self.send_publications();
        let Some(link) = &mut self.link else { return };
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
        if !self.session.takes_custom(text) {
            return Err(Misuse::NotACustomMessage);
        }
        if text.len() > self.config.limits.result_bytes {
            return Err(Misuse::TooLarge);
        }
        let waiting = link.websocket.transmit().len();
        if !link.websocket.is_open() || waiting >= self.config.limits.transmit_bytes {
            return Err(Misuse::NotSendable);
        }
        let _ = self.session.write(self.utc, ToGateway::Custom(text), &mut link.websocket);
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
