//! What a peer may hold, added up.

use super::{Action, Limits};
use crate::dialect::{MOST_NAME_BYTES, nodetool::MOST_CAPABILITIES_BYTES, openclaw};
use crate::text::MOST_REASON_BYTES;
use crate::websocket::MAX_HEADER;

impl Limits {
    /// Bytes of memory a peer with these limits uses at most, whatever the node does.
    ///
    /// Counted as in [`node::Limits::memory_bound`](crate::node::Limits::memory_bound), with the same exceptions: what the allocator
    /// adds, what the application has taken as [`Action`] or not handed over yet, the text of a rejection, and bytes received beyond 64 KiB between
    /// two drains. Arithmetic saturates.
    pub fn memory_bound(&self) -> usize {
        let message = self.websocket.max_message;
        // A message or an error, with what was taken before it.
        let reply = 6 * (MOST_NAME_BYTES + MOST_REASON_BYTES) + 1024;
        let sending = [
            self.transmit_bytes.saturating_mul(2),
            message.max(reply),
            MAX_HEADER,
            self.websocket.most_control(),
        ]
        .into_iter()
        .fold(0, usize::saturating_add);
        let moving = self.websocket.most_received().max(sending);
        // A registration's names are 24 bytes each, and `""` with its comma three; the list doubles as it grows.
        let registration = message.min(MOST_CAPABILITIES_BYTES).saturating_mul(25);
        let at_work = message.saturating_mul(4).saturating_add(registration);
        let replies = (self.fault_replies as usize).saturating_mul(
            MOST_NAME_BYTES + MOST_REASON_BYTES + 3 * size_of::<(String, Option<String>)>(),
        );
        [
            FIXED + 16 * size_of::<Action>(),
            self.websocket.receive_bound(),
            sending.saturating_mul(2),
            self.websocket.max_pending_pongs.saturating_mul(24),
            moving,
            at_work,
            replies,
            openclaw::memory_bound(self.open_requests),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }
}

/// The peer itself, and what it keeps of empty buffers.
const FIXED: usize = 160 * 1024;
