//! A clawnode node on tokio.
