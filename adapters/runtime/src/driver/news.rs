//! News of the node, for logs and for whoever listens.

use clawnode_protocol::dialect;
use clawnode_protocol::dialect::openclaw::{RefusalCode, Role};
use clawnode_protocol::node::{Event as NodeEvent, LostReason};
use tracing::{debug, error, info, warn};

use super::Driver;
use crate::events::Event;
use crate::handle::Approval;
use crate::runtime::Runtime;

impl<R: Runtime> Driver<R> {
    pub(super) fn notify(&mut self, event: NodeEvent) {
        match &event {
            NodeEvent::Connected => debug!("the WebSocket is open"),
            NodeEvent::Ready => {
                self.awaits = None;
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
            }
            NodeEvent::Lost { reason, retry_in } => {
                let retry_in_ms = retry_in.map(|delay| delay.as_millis());
                self.awaits = awaited(reason);
                match self.awaits {
                    Some(_) => warn!(
                        %reason,
                        retry_in_ms,
                        "waiting until the gateway's operator approves this device; asking again"
                    ),
                    None => warn!(%reason, retry_in_ms, "not connected"),
                }
            }
            NodeEvent::AwaitingApproval => {
                self.awaits = Some(Approval::Surface);
                warn!(
                    "connected, but waiting until the gateway's operator approves what this node may do; it gets no work before. On the gateway: openclaw nodes pending, then openclaw nodes approve REQUEST_ID (or: clawnode openclaw nodes, then clawnode openclaw approve REQUEST_ID)"
                );
            }
            NodeEvent::Approved => {
                self.awaits = None;
                info!("what this node may do is approved: it gets work from now on");
            }
            NodeEvent::GoingAway { reason, back_in } => {
                let back_in_ms = back_in.map(|time| time.as_millis());
                info!(?reason, back_in_ms, "the gateway goes away");
            }
            NodeEvent::DeviceTokenLost(why) => {
                error!(
                    ?why,
                    "the device token could not be kept; the next start of this node needs another credential"
                );
            }
            NodeEvent::GatewayError { error, details } => {
                warn!(?error, ?details, "the gateway reports an error");
            }
            NodeEvent::Custom { kind, text } => debug!(?kind, bytes = text.len(), "custom message"),
            NodeEvent::Faulty { problem } => warn!(?problem, "the gateway sent a faulty message"),
            NodeEvent::UpdatesDropped { work, dropped } => {
                let job = self.jobs.get(work);
                let request_id = job.map(|job| job.context.request_id());
                warn!(?request_id, dropped, "updates were dropped");
            }
            other => debug!(?other, "news"),
        }
        self.publish();
        self.shared.0.notify(&Event::Node(event));
    }
}

/// Whose approval is missing, if that is why there is no connection.
fn awaited(reason: &LostReason) -> Option<Approval> {
    let LostReason::Denied(refusal) = reason else { return None };
    (refusal.code() == &RefusalCode::PairingRequired).then_some(Approval::Device)
}
