//! HTTP to allowed places only.

mod address;
mod client;

pub(crate) use client::{Allowed, Client, Failed, read_body, send};
