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
//! same classes of characters, and so are the values in the query of the gateway's address. What the gateway or the
//! application says is searched for them too, raw, percent-encoded and as JSON writes them, also where a secret lies
//! across two reads or across the frames of one message. Secrets of fewer than four characters are not searched for.
//! What quotes a secret in yet another form, such as base64, is not recognised.
//!
//! A replay with the stand-ins does the same to the byte: the digests are those of a node that only knew them.
//!
//! # Form
//!
//! All numbers are varints of seven bits a byte, the low ones first; differences are zigzag-coded; texts and bytes
//! follow their length; digests are XXH3 of 64 bits, little-endian.
//!
//! ```text
//! recording  "clawrec\0" format version seed(32) config record* check ... end?
//! record     kind times content          an input; times: nanoseconds since the last, and by how many
//!                                        microseconds the wall clock went otherwise
//!            kind digest                 an action that was taken
//!            0x60                        there was no further action
//!            0x61 count digest           bytes were queued for the socket
//!            0x62 reason                 the input before was refused
//!            0x70 digest                 a check of all bytes since the last one, or the beginning
//!            0x71 reason                 the end
//! ```
//!
//! A recording that ends without the last record was cut off; it is played as far as it goes. One of another format is
//! refused, with the version of this crate that wrote it: that version plays it.
//!
//! # Bounds
//!
//! A recording has a limit in bytes. When it is reached the recording ends, and the node goes on: a replay must begin
//! where the node began, so the beginning is what is worth keeping.

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

/// Counts the forms of recordings, which change with the configuration as well. Version 2 has the delays of an approval
/// and the bound of calls.
const FORMAT: u64 = 3;
