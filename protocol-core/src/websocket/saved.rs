//! A connection in a checkpoint.

use super::Role;
use super::assembler::Assembler;
use super::buffer::Buffer;
use super::connection::{Connection, Phase, State as Now};
use super::limits::Limits;
use super::outbox::Outbox;
use crate::state::{Cursor, Malformed, Saver, State};

impl Connection {
    /// Whether it is open in both directions, with no message half received that comes in fragments and not too much to send.
    pub(crate) fn is_at_rest(&self) -> bool {
        let Now { phase, outbox: _, eof, close_sent, shutdown } = &self.state;
        let open =
            matches!(phase, Phase::Open { announced: true }) && !eof && !close_sent && !shutdown;
        open && self.assembler.unfinished().is_ok() && self.transmit().len() <= MOST_WAITING
    }

    /// About how many bytes of a frame were received that is not whole.
    pub(crate) fn unfinished_size(&self) -> usize {
        self.received.waiting().len()
    }

    /// What was received of a frame that is not whole, as it came.
    pub(crate) fn unfinished(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Ok(Some(header)) = self.assembler.unfinished() {
            header.write(&mut bytes);
        }
        bytes.extend_from_slice(self.received.waiting());
        bytes
    }

    /// Saves a client [at rest](Self::is_at_rest), without the limits and the bytes that wait for the transport.
    pub(crate) fn save(&self, to: &mut Saver<'_>) {
        let Self { role: _, limits: _, received: _, assembler: _, state } = self;
        self.unfinished().save(to);
        state.outbox.save(to);
    }

    pub(crate) fn load(limits: Limits, from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let unfinished: Vec<u8> = State::load(from)?;
        let mut received = Buffer::default();
        received.append(&unfinished, limits.most_received());
        let outbox = Outbox::load(limits.max_pending_pongs, MOST_WAITING, from)?;
        let phase = Phase::Open { announced: true };
        let state = Now { phase, outbox, eof: false, close_sent: false, shutdown: false };
        Ok(Self { role: Role::Client, limits, received, assembler: Assembler::default(), state })
    }
}

/// Bytes that may wait for the transport: more than a node queues but for one large message.
const MOST_WAITING: usize = 1 << 20;
