//! Questions to the gateway that wait for their replies.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::value::RawValue;

use super::life::Life;
use super::{Action, Misuse, Node};
use crate::call::{Call, CallError, CallId};
use crate::dialect::{CallName, ToGateway, Unsayable};
use crate::state::{Cursor, Malformed, Saver, State};

/// The calls without a reply, and when each is given up.
#[derive(Debug, Default)]
pub(super) struct Calls {
    outstanding: BTreeMap<CallId, Duration>,
    expiring: BTreeSet<(Duration, CallId)>,
}

impl Calls {
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.expiring.first().map(|(due, _)| *due)
    }

    pub(super) fn save(&self, to: &mut Saver<'_>) {
        let Self { outstanding, expiring: _ } = self;
        outstanding.save(to);
    }

    pub(super) fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let outstanding: BTreeMap<CallId, Duration> = State::load(from)?;
        let expiring = outstanding.iter().map(|(id, due)| (*due, *id)).collect();
        Ok(Self { outstanding, expiring })
    }

    fn insert(&mut self, id: CallId, due: Duration) {
        self.outstanding.insert(id, due);
        self.expiring.insert((due, id));
    }

    fn take(&mut self, id: CallId) -> bool {
        let Some(due) = self.outstanding.remove(&id) else { return false };
        self.expiring.remove(&(due, id));
        true
    }

    fn take_expired(&mut self, now: Duration) -> Option<CallId> {
        let &(due, id) = self.expiring.first()?;
        (due <= now).then(|| {
            self.take(id);
            id
        })
    }
}

impl Node {
    pub(super) fn call(&mut self, call: Call<'_>) -> Result<(), Misuse> {
        let (Life::Ready { .. }, Some(link)) = (&self.life, &mut self.link) else {
            return Err(Misuse::NotSendable);
        };
        if !self.session.has_calls() {
            return Err(Misuse::NoCalls);
        }
        if self.calls.outstanding.contains_key(&call.id) {
            return Err(Misuse::RepeatedCall);
        }
        let limits = &self.config.limits;
        let full = self.calls.outstanding.len() >= limits.calls
            || link.websocket.transmit().len() >= limits.transmit_bytes;
        if full || !link.websocket.is_open() {
            return Err(Misuse::NotSendable);
        }
        let Call { id, method, params, timeout, traceparent } = call;
        if params.get().len() + method.len() > limits.result_bytes {
            return Err(Misuse::TooLarge);
        }
        let call = CallName::Application(id.0);
        let words = ToGateway::Call { call, method, params, traceparent };
        match self.session.write(self.utc, words, &mut link.websocket) {
            Ok(()) => self.calls.insert(id, self.now.saturating_add(timeout)),
            Err(Unsayable(why)) => {
                let result = Err(CallError::TooLarge(why));
                self.actions.push_back(Action::Reply { id, result });
            }
        }
        Ok(())
    }

    pub(super) fn replied(&mut self, id: u64, result: Result<Box<RawValue>, CallError>) {
        let id = CallId(id);
        if self.calls.take(id) {
            self.actions.push_back(Action::Reply { id, result });
        }
    }

    pub(super) fn expire_calls(&mut self) {
        while let Some(id) = self.calls.take_expired(self.now) {
            self.actions.push_back(Action::Reply { id, result: Err(CallError::TimedOut) });
        }
    }

    pub(super) fn fail_calls(&mut self) {
        for id in std::mem::take(&mut self.calls).outstanding.into_keys() {
            self.actions.push_back(Action::Reply { id, result: Err(CallError::Disconnected) });
        }
    }
}
