//! Bodies of the fuzz targets: **not part of the API**, and free to change at any time.
//!
//! Each function takes the bytes of one fuzz input, plays what they say, and panics when a law is broken. The targets of
//! the `fuzz` folder call them, and so does a plain test for every input that is kept, so that a find stays found on a stable
//! toolchain.
//!
//! Inputs are read from front to back, byte by byte, and reading past the end gives zeros: a kept input can be made by hand,
//! and one that is cut short is still an input.

mod dialect_messages;
mod frames;
mod gateway_session;
mod http_head;
mod node_session;
mod openclaw_messages;
mod proxy_head;
mod script;
mod stream;
mod wire;

pub use dialect_messages::dialect_messages;
pub use frames::frames;
pub use gateway_session::{gateway_session, openclaw_gateway_session};
pub use http_head::http_head;
pub use node_session::{node_session, openclaw_node_session};
pub use openclaw_messages::openclaw_messages;
pub use proxy_head::proxy_head;

/// A credential that no input holds by chance, so that it can be looked for in everything that is shown.
const SECRET: &str = "s3cret-Zq9!vWx7~Kp2";

/// A fuzzer that watches comparisons may learn the secret all the same; what such an input says is no leak.
fn quotes_the_secret(input: &[u8]) -> bool {
    input.windows(SECRET.len()).any(|part| part == SECRET.as_bytes())
}

/// Nothing that people may see shows the secret.
fn assert_hides_the_secret(shown: &str) {
    assert!(!shown.contains(SECRET), "a secret is shown: {shown}");
}
