//! The beginning of a recording: who was recorded, everything the node was told once, and where it begins.

use super::secrets::stand_in_target;
use super::wire::{Cursor, Malformed, put_bytes, put_number};
use super::{FORMAT, MAGIC, Unreadable};
use crate::node::{Config, Endpoint, Limits, Timing};
use crate::state::{Saver, State, state};
use crate::websocket::Limits as WebSocketLimits;

/// What the beginning of a recording says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Header {
    /// The version of this crate that recorded.
    pub version: String,
    /// What the node was told. Values in the query of the endpoint are stand-ins.
    pub config: Config,
    /// The number of this part. Part 0 begins with the node's life, each later one with a checkpoint of it.
    pub part: u64,
    /// The node's seed, which part 0 begins with.
    pub seed: Option<[u8; 32]>,
}

impl Header {
    /// The beginning of part 0.
    pub(super) fn write(out: &mut Vec<u8>, config: &Config, seed: [u8; 32]) {
        put_beginning(out, config, 0);
        out.extend_from_slice(&seed);
    }

    /// The beginning of a later part. The checkpoint follows.
    pub(super) fn write_later(out: &mut Vec<u8>, config: &Config, part: u64) {
        put_beginning(out, config, part);
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Unreadable> {
        match cursor.take(MAGIC.len()) {
            Ok(magic) if magic == MAGIC => {}
            _ => return Err(Unreadable::NotARecording),
        }
        let format = cursor.number().map_err(|_| Unreadable::NotARecording)?;
        let version = cursor.text().map_err(|_| Unreadable::Header)?.to_owned();
        if format != FORMAT {
            return Err(Unreadable::OtherFormat { format, version });
        }
        let rest = |cursor: &mut Cursor<'_>| {
            let part = cursor.number()?;
            let config = Config::load(cursor)?;
            let seed = if part == 0 { Some(cursor.array()?) } else { None };
            Ok((part, config, seed))
        };
        let (part, config, seed) = rest(cursor).map_err(|_: Malformed| Unreadable::Header)?;
        Ok(Self { version, config, part, seed })
    }
}

fn put_beginning(out: &mut Vec<u8>, config: &Config, part: u64) {
    out.extend_from_slice(MAGIC);
    put_number(out, FORMAT);
    put_bytes(out, env!("CARGO_PKG_VERSION").as_bytes());
    put_number(out, part);
    let mut saver = Saver::plain(std::mem::take(out));
    config.save(&mut saver);
    *out = saver.out;
}

state!(struct Config { endpoint, dialect, commands, workflows, timing, limits });
state!(struct Timing {
    heartbeat_interval, connect, open, register, close, reconnect_delay, max_reconnect_delay, approval_delay,
    max_approval_delay, confirm,
});
state!(struct Limits {
    websocket, running, owed, waiting_bytes, result_bytes, kept_bytes, remembered, remembered_for, updates, update_bytes,
    calls, transmit_bytes, fault_replies,
});
state!(struct WebSocketLimits {
    max_message, max_head, max_refusal_body, max_interim_answers, max_pending_pongs,
});

impl State for Endpoint {
    fn save(&self, to: &mut Saver<'_>) {
        let Self { authority, target } = self;
        authority.save(to);
        stand_in_target(target).save(to);
    }

    fn load(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Ok(Self { authority: State::load(from)?, target: State::load(from)? })
    }
}
