//! The driver loop, TLS and command handlers of a clawnode node, for any async runtime.
