//! What a real OpenClaw gateway and the nodes that it ships with said to each other, played to this node.
//!
//! The recordings and where they are from: `tests/recordings/openclaw/README.md`.

mod difference;
mod recording;
mod refused;
mod replay;
mod replayed;
mod stage;
