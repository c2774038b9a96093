//! A development gateway for clawnode nodes: many nodes, an HTTP API to submit work.
