//! The flight recorder: a node's life as a compact file that can be played back.
//!
//! A [`Node`](crate::Node) is a function of its configuration, its seed and its inputs with their times. A [`Recorder`]
//! writes these down while the node runs, with a digest of each action and of all bytes that the node queues for the
//! socket. [`Replay`] gives them to a fresh node and says whether it does the same, and if not, where it first differs:
//! in another version of this crate, that is a change of behaviour. There is no IO here; bytes come out and go in.
//!
//! # What a recording holds
//!
//! Everything the gateway said and everything the application answered, as it was: parameters, results, updates. **Treat
//! it like the data itself.** Not in it are the credentials: each is replaced by a stand-in, equally long and of the
//! same classes of characters, and so are the values in the query of the gateway's address, the signatures of a device, and
//! what an openclaw gateway calls a token when it lets the node in. What the gateway or the
//! application says is searched for them too, raw, percent-encoded and as JSON writes them, also where a secret lies
//! across two reads or across the frames of one message. Secrets of fewer than four characters are not searched for.
//! What quotes a secret in yet another form, such as base64, is not recognised, nor is a new secret that the gateway says
//! elsewhere, such as in the reply to a call. A secret that is also a word of the protocol, such as `payload`, is replaced
//! there too, and its recording is not replayed.
//!
//! Until an openclaw gateway has let the node in, what it says is held back, up to 4 MiB: only when the node has read it is it
//! known what in it is secret. What the node never reads to the end loses its letters and digits.
//!
//! A replay with the stand-ins does the same to the byte: the digests are those of a node that only knew them.
//!
//! # Parts
//!
//! A recording [in parts](Recorder::in_parts) goes on when a part is full: the next begins with a checkpoint, the whole state of
//! the node, and is a recording of its own. A checkpoint is taken while the node is at rest: drained, and either ready, with no
//! message half received that comes in fragments and at most a MiB to send, or waiting for its next attempt. It holds the
//! work that is not done and the answers that the gateway does not have. Answers that it has, which may be megabytes, are left
//! out: should one be sent again, it is recorded then. With 10,000 remembered answers a checkpoint has about a MB. Of bytes that wait for the socket only the number is in it; they are in
//! the part before.
//!
//! # Form
//!
//! All numbers are varints of seven bits a byte, the low ones first; differences are zigzag-coded; texts and bytes
//! follow their length; digests are XXH3 of 64 bits, little-endian, but for actions with nothing but numbers, which say
//! themselves.
//!
//! ```text
//! recording  "clawrec\0" format version part config beginning record* check ... end?
//! beginning  seed(32)                    of part 0
//!            checkpoint                  of a later part
//! record     kind times content          an input; times: nanoseconds since the last, and by how many
//!                                        microseconds the wall clock went otherwise. With 0x80 in the
//!                                        kind they have 4 bytes, little-endian, and 1
//!            kind digest                 an action that was taken
//!            0x60                        there was no further action
//!            0x61 count digest           bytes were queued for the socket
//!            0x62 reason                 the input before was refused
//!            0x63 work answer            an answer that the checkpoint left out, before it is sent again
//!            0x70 digest                 a check of all bytes since the last one, or the beginning
//!            0x71 reason                 the end
//! ```
//!
//! A recording that ends without the last record was cut off; it is played as far as it goes. One of another format is
//! refused, with the version of this crate that wrote it: that version plays it.
//!
//! # Bounds
//!
//! A part has a limit in bytes. When it is reached another begins, or the recording ends, and the node goes on.

mod digest;
mod header;
mod record;
mod recorder;
mod replay;
mod secrets;
mod stream;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

pub use header::Header;
pub use record::End;
pub use recorder::{Piece, Recorder};
pub use replay::{Difference, Found, Replay, Step, Unreadable, What};

const MAGIC: &[u8] = b"clawrec\0";

/// Counts the forms of recordings, which change with the configuration as well. Version 6 has times of a
/// fixed size, and numbers in place of their digest.
const FORMAT: u64 = 6;
