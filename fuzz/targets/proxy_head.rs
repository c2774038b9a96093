#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| clawnode_protocol::fuzzing::proxy_head(input));
