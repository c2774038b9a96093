#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| clawnode_protocol::fuzzing::openclaw_node_session(input));
