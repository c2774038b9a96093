//! The beginning of a recording: who was recorded, and everything the node was told once.

use super::secrets::stand_in_target;
use super::wire::{Cursor, Malformed, put_bytes, put_duration, put_number, put_size};
use super::{FORMAT, MAGIC, Unreadable};
use crate::dialect::{Dialect, nodetool};
use crate::node::{Config, Endpoint, Limits, Timing};
use crate::websocket;

/// What the beginning of a recording says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Header {
    /// The version of this crate that recorded.
    pub version: String,
    /// What the node was told. Values in the query of the endpoint are stand-ins.
    pub config: Config,
    /// The node's seed.
    pub seed: [u8; 32],
}

impl Header {
    pub(super) fn write(out: &mut Vec<u8>, config: &Config, seed: [u8; 32]) {
        out.extend_from_slice(MAGIC);
        put_number(out, FORMAT);
        put_bytes(out, env!("CARGO_PKG_VERSION").as_bytes());
        out.extend_from_slice(&seed);
        put_config(out, config);
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
            let seed = cursor.take(32)?.try_into().map_err(|_| Malformed::Short)?;
            Ok((seed, read_config(cursor)?))
        };
        let (seed, config) = rest(cursor).map_err(|_: Malformed| Unreadable::Header)?;
        Ok(Self { version, config, seed })
    }
}

// Without `..` in the patterns, so that a new field cannot be forgotten.

fn put_config(out: &mut Vec<u8>, config: &Config) {
    let Config { endpoint, dialect, commands, workflows, timing, limits } = config;
    let Endpoint { authority, target } = endpoint;
    put_bytes(out, authority.as_bytes());
    put_bytes(out, stand_in_target(target).as_bytes());
    match dialect {
        Dialect::Nodetool(nodetool::Config { node_id, user_id, allowed_users, token_in }) => {
            out.push(0);
            put_bytes(out, node_id.as_bytes());
            put_bytes(out, user_id.as_bytes());
            put_texts(out, allowed_users);
            out.push(match token_in {
                nodetool::TokenIn::Header => 0,
                nodetool::TokenIn::Query => 1,
                nodetool::TokenIn::Both => 2,
            });
        }
        Dialect::Openclaw(_) | Dialect::Either(_) => unreachable!("such a node is not recorded"),
    }
    put_texts(out, commands);
    out.push((*workflows).into());
    let Timing {
        heartbeat_interval,
        connect,
        open,
        register,
        close,
        reconnect_delay,
        max_reconnect_delay,
        approval_delay,
        max_approval_delay,
        confirm,
    } = timing;
    for period in [
        heartbeat_interval,
        connect,
        open,
        register,
        close,
        reconnect_delay,
        max_reconnect_delay,
        approval_delay,
        max_approval_delay,
        confirm,
    ] {
        put_duration(out, *period);
    }
    let Limits {
        websocket,
        running,
        owed,
        waiting_bytes,
        result_bytes,
        kept_bytes,
        remembered,
        remembered_for,
        updates,
        update_bytes,
        calls,
        transmit_bytes,
        fault_replies,
    } = limits;
    let websocket::Limits {
        max_message,
        max_head,
        max_refusal_body,
        max_interim_answers,
        max_pending_pongs,
    } = websocket;
    for bound in [
        max_message,
        max_head,
        max_refusal_body,
        max_interim_answers,
        max_pending_pongs,
        running,
        owed,
        waiting_bytes,
        result_bytes,
        kept_bytes,
        remembered,
        updates,
        update_bytes,
        calls,
        transmit_bytes,
    ] {
        put_size(out, *bound);
    }
    put_duration(out, *remembered_for);
    put_number(out, (*fault_replies).into());
}

fn read_config(cursor: &mut Cursor<'_>) -> Result<Config, Malformed> {
    let endpoint = Endpoint::new(cursor.text()?, cursor.text()?);
    let dialect = match cursor.byte()? {
        0 => {
            let mut config = nodetool::Config::new(cursor.text()?);
            config.user_id = cursor.text()?.to_owned();
            config.allowed_users = read_texts(cursor)?;
            config.token_in = match cursor.byte()? {
                0 => nodetool::TokenIn::Header,
                1 => nodetool::TokenIn::Query,
                2 => nodetool::TokenIn::Both,
                _ => return Err(Malformed::Value),
            };
            Dialect::Nodetool(config)
        }
        _ => return Err(Malformed::Value),
    };
    let commands = read_texts(cursor)?;
    let workflows = cursor.flag()?;
    let timing = Timing {
        heartbeat_interval: cursor.duration()?,
        connect: cursor.duration()?,
        open: cursor.duration()?,
        register: cursor.duration()?,
        close: cursor.duration()?,
        reconnect_delay: cursor.duration()?,
        max_reconnect_delay: cursor.duration()?,
        approval_delay: cursor.duration()?,
        max_approval_delay: cursor.duration()?,
        confirm: cursor.duration()?,
    };
    let websocket = websocket::Limits {
        max_message: cursor.size()?,
        max_head: cursor.size()?,
        max_refusal_body: cursor.size()?,
        max_interim_answers: cursor.size()?,
        max_pending_pongs: cursor.size()?,
    };
    let limits = Limits {
        websocket,
        running: cursor.size()?,
        owed: cursor.size()?,
        waiting_bytes: cursor.size()?,
        result_bytes: cursor.size()?,
        kept_bytes: cursor.size()?,
        remembered: cursor.size()?,
        updates: cursor.size()?,
        update_bytes: cursor.size()?,
        calls: cursor.size()?,
        transmit_bytes: cursor.size()?,
        remembered_for: cursor.duration()?,
        fault_replies: cursor.number()?.try_into().map_err(|_| Malformed::Value)?,
    };
    Ok(Config { endpoint, dialect, commands, workflows, timing, limits })
}

fn put_texts(out: &mut Vec<u8>, texts: &[String]) {
    put_size(out, texts.len());
    for text in texts {
        put_bytes(out, text.as_bytes());
    }
}

fn read_texts(cursor: &mut Cursor<'_>) -> Result<Vec<String>, Malformed> {
    // The count is only a word: nothing is reserved for it.
    (0..cursor.size()?).map(|_| cursor.text().map(str::to_owned)).collect()
}
