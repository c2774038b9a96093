//! News of the node, for logs and for whoever listens.

use std::sync::Arc;
use std::time::Instant;

use clawnode_protocol::dialect;
use clawnode_protocol::dialect::openclaw::Role;
use clawnode_protocol::node::{Event as NodeEvent, Phase};
use tracing::{debug, error, info, warn};

use super::Driver;
use crate::connection::{Approval, Connection};
use crate::events::Event;
use crate::runtime::Runtime;

impl<R: Runtime> Driver<R> {
    pub(super) fn notify(&mut self, news: NodeEvent) {
        self.publish();
        let event = match news {
            NodeEvent::Connected => {
                debug!("the WebSocket is open");
                return self.enter(Connection::Registering);
            }
            NodeEvent::Ready => {
                let gateway = self.gateway.url.shown();
                let is_operator = self
                    .openclaw
                    .as_ref()
                    .is_some_and(|openclaw| matches!(openclaw.config.role, Role::Operator { .. }));
                match self.core.dialect() {
                    // Whether anything is approved it says later, if at all.
                    Some(dialect::Name::Openclaw) if !is_operator => info!(
                        gateway,
                        "registered; it gets the work that the gateway's operator has approved"
                    ),
                    _ => info!(gateway, "registered and ready"),
                }
                return self.enter(Connection::Ready);
            }
            NodeEvent::Lost { reason, retry_in } => {
                let delay = retry_in.unwrap_or_default();
                let retry_in_ms = delay.as_millis();
                let text = reason.to_string();
                let lost = Connection::lost(reason, Instant::now() + delay);
                match lost {
                    Connection::WaitingForApproval(_) => warn!(
                        reason = text,
                        retry_in_ms,
                        "waiting until the gateway's operator approves this device; asking again"
                    ),
                    _ => warn!(reason = text, retry_in_ms, "not connected"),
                }
                return self.enter(lost);
            }
            NodeEvent::WaitingForApproval => {
                warn!(
                    "connected, but waiting until the gateway's operator approves what this node may do; it gets no work before. On the gateway: openclaw nodes pending, then openclaw nodes approve REQUEST_ID (or: clawnode openclaw nodes, then clawnode openclaw approve REQUEST_ID)"
                );
                return self.enter(Connection::WaitingForApproval(Approval::Surface));
            }
            NodeEvent::Approved => {
                info!("what this node may do is approved: it gets work from now on");
                self.enter(Connection::Ready);
                Event::Approved
            }
            NodeEvent::GoingAway { reason, back_in } => {
                let back_in_ms = back_in.map(|time| time.as_millis());
                info!(?reason, back_in_ms, "the gateway goes away");
                Event::GoingAway { reason, back_in }
            }
            NodeEvent::DeviceTokenLost(why) => {
                error!(
                    ?why,
                    "the device token could not be kept; the next start of this node needs another credential"
                );
                Event::DeviceTokenLost(why)
            }
            NodeEvent::GatewayError { error, details } => {
                warn!(?error, ?details, "the gateway reports an error");
                Event::GatewayError { error, details }
            }
            NodeEvent::Custom { kind, text } => {
                debug!(?kind, bytes = text.len(), "custom message");
                Event::Custom { kind, text }
            }
            NodeEvent::Faulty { problem } => {
                warn!(?problem, "the gateway sent a faulty message");
                Event::Faulty { problem }
            }
            NodeEvent::UpdatesDropped { work, dropped } => {
                let Some(job) = self.jobs.get(&work) else { return };
                let request = Arc::clone(&job.context.inner().request);
                warn!(request_id = ?request.request_id, dropped, "updates were dropped");
                Event::UpdatesDropped { request, dropped }
            }
            other => return debug!(?other, "news"),
        };
        self.shared.0.notify(&event);
    }

    /// The connection is in this state from here on, and whoever listens is told.
    pub(super) fn enter(&mut self, connection: Connection) {
        if self.connection != connection {
            self.connection = connection.clone();
            self.shared.0.enter(connection);
        }
    }

    /// Enters what the core tells by its phase alone.
    pub(super) fn follow(&mut self) {
        match (self.core.phase(), &self.connection) {
            (Phase::Closing, _) => self.enter(Connection::Closing),
            // A connection whose end is no news: the next attempt follows.
            (Phase::Waiting, Connection::Registering | Connection::Closing) => {
                self.enter(Connection::Connecting);
            }
            _ => {}
        }
    }
}
