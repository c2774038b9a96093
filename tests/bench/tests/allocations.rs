//! A node that does the same all day must not ask for memory all day.

use std::collections::BTreeMap;
use std::process::Command;

/// In the steady state, for a request that is acknowledged and answered: its id three times, its command twice, its user, its
/// arguments, the work, the answer, and a share of the tables.
const PER_REQUEST: u64 = 11;

#[test]
fn a_heartbeat_allocates_nothing_and_a_request_no_more_than_its_bound() {
    let program = Command::new(env!("CARGO_BIN_EXE_clawnode-allocations")).output().unwrap();
    assert!(program.status.success(), "{}", String::from_utf8_lossy(&program.stderr));
    let counted: BTreeMap<&str, u64> = std::str::from_utf8(&program.stdout)
        .unwrap()
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(name, number)| (name, number.parse().unwrap()))
        .collect();
    assert_eq!(counted["allocations of 1000 heartbeats"], 0);
    let per_request = counted["allocations of 1000 requests of 1 KiB"];
    assert!(per_request <= PER_REQUEST * 1000, "{per_request} for 1000 requests");
    let idle = counted["bytes of an idle ready node"];
    assert!(idle <= 8 << 10, "{idle} bytes");
}
