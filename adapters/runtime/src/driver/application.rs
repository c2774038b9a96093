//! What handles want of a node, and what they see of it.

use std::task::{Context as TaskContext, Poll};

use clawnode_protocol::node::{Input, Misuse};
use clawnode_protocol::{Call, CallId};
use futures_core::Stream;
use tracing::{debug, info, warn};

use super::Driver;
use crate::handle::{Ask, CallFailed};
use crate::runtime::Runtime;

impl<R: Runtime> Driver<R> {
    /// What handles want.
    pub(super) fn obey(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let mut told = false;
        if let Some(grace) = self.shared.0.look(cx.waker()) {
            info!(grace_ms = grace.as_millis(), "stopping");
            self.feed(Input::Stop(grace));
            self.started = true;
            told = true;
        }
        if !self.started {
            self.start();
            told = true;
        }
        if let Poll::Ready(Some(ask)) = self.asks.as_mut().poll_next(cx) {
            self.asked(ask);
            told = true;
        }
        told
    }

    fn asked(&mut self, ask: Ask) {
        let now = self.runtime.now();
        match ask {
            Ask::Custom { text, sent } => {
                let result = self.core.handle(now, Input::Custom(&text));
                debug!(bytes = text.len(), sent = result.is_ok(), "custom message");
                let _ = sent.try_send(result);
            }
            Ask::Call { method, params, timeout, traceparent, reply } => {
                let id = CallId(self.next_call);
                self.next_call += 1;
                let call = Call { id, method: &method, params: &params, timeout, traceparent };
                match self.core.handle(now, Input::Call(call)) {
                    Ok(()) => {
                        debug!(method, "call");
                        self.calls.insert(id, reply);
                    }
                    Err(misuse) => {
                        let _ = reply.try_send(Err(match misuse {
                            Misuse::NoCalls => CallFailed::NoCalls,
                            Misuse::TooLarge => CallFailed::TooLarge,
                            _ => CallFailed::NotReady,
                        }));
                    }
                }
            }
            Ask::Publish(publication) => {
                // Other dialects have no such thing, and that is no mistake of whoever serves both.
                let _ = self.core.handle(now, Input::Publish(publication));
            }
        }
        self.drain();
    }

    fn start(&mut self) {
        let url = &self.gateway.url;
        let here = url.is_loopback() && self.gateway.proxy.is_none();
        if !url.tls && !self.credentials.is_none() && !here {
            warn!(
                gateway = url.shown(),
                "the token travels unencrypted to another machine; use wss:// if the gateway offers it"
            );
        }
        self.started = true;
        self.feed(Input::Start);
    }

    pub(super) fn publish(&mut self) {
        let (tally, dialect) = (self.core.tally(), self.core.dialect());
        if (tally, dialect) != self.published {
            self.published = (tally, dialect);
            self.shared.0.publish(tally, dialect);
        }
    }
}
