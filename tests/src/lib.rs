//! Scenario transcripts, property tests and end-to-end tests of clawnode.
