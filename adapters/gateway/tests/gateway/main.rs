//! The gateway over real sockets, with scripted nodes.

mod events;
mod limits;
mod logs;
mod nodes;
mod recovery;
mod requests;
mod stopping;
mod support;
