//! The recordings of the reference node: this node says the same, but for what is named.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use crate::difference::Difference::{
    self, AsksForApproval, ClosesWithTheSameCode, ComesBackWhenTold, Jitter, NoCompression,
    NoExecEvents, NoStreams, NothingElsePublished, OwnNodeId, ResultAsText, SaysThatItStops,
    StatsAsJson, StatsSaidAgain,
};
use crate::recording::{Recording, What};
use crate::replay::{Left, Report, replay, replay_serving_nothing};
use crate::stage::Stage;

macro_rules! replayed {
    ($($(#[$doc:meta])* $name:ident: [$($file:expr),+], $left:expr, $compared:literal, [$($difference:expr),*];)*) => {
        $($(#[$doc])*
        #[test]
        fn $name() {
            let recording = read(&[$($file),+]);
            let report = replay(&recording);
            let differences: Vec<_> = report.differences.iter().copied().collect();
            assert_eq!(differences, sorted(&[$($difference),*]));
            assert_eq!((report.left, report.compared), ($left, $compared));
            serves_nothing_and_survives(&recording, &report);
        })*
    };
}

replayed! {
    the_first_connect_of_an_unknown_device: [whole("01-first-connect-pairing-required.jsonl")],
        Left::Waiting, 1, [NoCompression, ClosesWithTheSameCode, AsksForApproval];
    /// The second file goes on 17,031 ms after the beginning of the first, by the gateway's clock.
    an_approval_that_comes_while_the_node_is_connected: [
            whole("02-connect-after-device-approval-surface-pending.jsonl"),
            ("03-surface-approved-live.jsonl", 17_031, ALL)
        ],
        Left::Stopped, 11, [NoCompression, StatsAsJson, NothingElsePublished, StatsSaidAgain, SaysThatItStops];
    a_node_that_can_do_more_than_was_approved: [whole("04-reconnect-shared-token-surface-expansion.jsonl")],
        Left::Stopped, 3, [NoCompression, StatsAsJson, NothingElsePublished, StatsSaidAgain, SaysThatItStops];
    a_reconnect_with_the_device_token: [whole("05-reconnect-device-token.jsonl")],
        Left::Connected, 4, [NoCompression, StatsAsJson, NothingElsePublished];
    system_which: [OPENING, after_it("30-system-which.jsonl")],
        Left::Connected, 7, [NoCompression, StatsAsJson, NothingElsePublished];
    system_run: [OPENING, after_it("31-system-run-prepare-and-run.jsonl")],
        Left::Connected, 39, [NoCompression, StatsAsJson, NothingElsePublished, NoExecEvents];
    exec_approvals: [OPENING, after_it("33-exec-approvals-get-set.jsonl")],
        Left::Connected, 7, [NoCompression, StatsAsJson, NothingElsePublished];
    folders_listed: [OPENING, after_it("35-fs-listDir.jsonl")],
        Left::Connected, 8, [NoCompression, StatsAsJson, NothingElsePublished];
    files_and_folders: [OPENING, after_it("36-file-and-dir-commands.jsonl")],
        Left::Connected, 31, [NoCompression, StatsAsJson, NothingElsePublished, NoStreams];
    mcp_tools: [OPENING, after_it("37-mcp-and-terminal-upload.jsonl")],
        Left::Connected, 14, [NoCompression, StatsAsJson, NothingElsePublished, ResultAsText];
    deadlines_and_cancels: [OPENING, after_it("38-invoke-timeout-cancel.jsonl")],
        Left::Connected, 13, [NoCompression, StatsAsJson, NothingElsePublished, NoExecEvents, ResultAsText];
    a_gateway_that_restarts: [OPENING, after_it("40-gateway-restart-request.jsonl")],
        Left::Connected, 5,
        [NoCompression, StatsAsJson, NothingElsePublished, NoExecEvents, ClosesWithTheSameCode, Jitter, ComesBackWhenTold];
    a_gateway_that_is_stopped_and_started: [OPENING, after_it("41-gateway-sigterm-stop-and-start.jsonl")],
        Left::Connected, 6, [NoCompression, StatsAsJson, NothingElsePublished, ClosesWithTheSameCode, Jitter];
    a_gateway_that_falls_silent: [OPENING, after_it("43-tick-timeout.jsonl")],
        Left::Connected, 5, [NoCompression, StatsAsJson, NothingElsePublished, Jitter];
    a_wrong_token_beside_a_kept_one: [whole("51-refnode-wrong-shared-token-with-stored-device-token.jsonl")],
        Left::Stopped, 3, [NoCompression, StatsAsJson, NothingElsePublished, SaysThatItStops, ClosesWithTheSameCode];
    a_removed_device: [whole("52-refnode-device-removed-stale-device-token.jsonl")],
        Left::Stopped, 1, [NoCompression, ClosesWithTheSameCode];
    a_wrong_token: [whole("53-refnode-wrong-token-no-stored.jsonl")],
        Left::Stopped, 1, [NoCompression, ClosesWithTheSameCode];
    /// The rest of the file is another client's.
    a_setup_code: [("64-setup-code-pairing.jsonl", 0, 52_000)],
        Left::Stopped, 2, [NoCompression, StatsAsJson, NothingElsePublished, SaysThatItStops];
    odd_messages_of_a_scripted_gateway: [whole("80-refnode-against-scripted-gateway-duplex.jsonl")],
        Left::Waiting, 13,
        [NoCompression, StatsAsJson, NothingElsePublished, NoExecEvents, NoStreams, OwnNodeId, Jitter];
    an_older_gateway_that_is_updated: [whole("81-refnode-v3-fallback.jsonl")],
        Left::Waiting, 5, [NoCompression, StatsAsJson, NothingElsePublished, Jitter];
    a_gateway_of_short_ticks_that_falls_silent: [whole("82-refnode-tick-watch-short-interval.jsonl")],
        Left::Waiting, 4, [NoCompression, StatsAsJson, NothingElsePublished, Jitter];
}

#[test]
fn what_the_gateway_cancels_or_asks_again_under_the_same_id_is_stopped() {
    let report = replay(&read(&[OPENING, after_it("38-invoke-timeout-cancel.jsonl")]));
    // Past its time; an MCP tool past its time; an operator who went away.
    assert_eq!(
        report.cancelled,
        [report.started[0].as_str(), &report.started[1], &report.started[4]]
    );
    let report = replay(&read(&[whole("80-refnode-against-scripted-gateway-duplex.jsonl")]));
    assert_eq!(report.started.iter().filter(|id| *id == "dup-id").count(), 2);
    assert_eq!(report.cancelled.iter().filter(|id| *id == "dup-id").count(), 1);
    assert_eq!(report.cancelled.last(), report.started.last(), "the last one was cut off");
}

#[test]
fn a_token_that_the_gateway_does_not_know_any_more_is_forgotten() {
    assert!(
        replay(&read(&[whole("52-refnode-device-removed-stale-device-token.jsonl")]))
            .forgot_device_token
    );
    assert!(!replay(&read(&[whole("53-refnode-wrong-token-no-stored.jsonl")])).forgot_device_token);
}

/// The comparison finds what it is there for: in each of these the recorded node says something else than it did.
#[test]
fn a_recording_that_was_changed_is_noticed() {
    let which = || read(&[OPENING, after_it("30-system-which.jsonl")]);
    let said = |recording: &mut Recording, method: &str, change: &dyn Fn(&mut Value)| {
        let messages = recording.lines.iter_mut().filter_map(|line| match &mut line.what {
            What::FromNode(message) if message["method"] == method => Some(message),
            _ => None,
        });
        change(messages.last().expect("it says so"));
    };
    let mut changed = Vec::new();
    for (method, at, value) in [
        ("connect", "/params/client/mode", "ui"),
        ("connect", "/params/device/nonce", "another"),
        ("node.event", "/params/payloadJSON", "{}"),
        ("node.invoke.result", "/params/id", "unknown"),
        ("node.invoke.result", "/params/more", "x"),
    ] {
        let mut recording = which();
        said(&mut recording, method, &|message| {
            let (parent, name) = at.rsplit_once('/').expect("it is a path");
            message.pointer_mut(parent).expect("it is there")[name] = value.into();
        });
        changed.push((at, recording));
    }
    let mut silent = read(&[whole("05-reconnect-device-token.jsonl")]);
    silent.lines.retain(|line| !matches!(line.what, What::Pong));
    changed.push(("pongs", silent));
    let mut closed = read(&[OPENING, after_it("43-tick-timeout.jsonl")]);
    for line in &mut closed.lines {
        if let What::NodeClosed(code, _) = &mut line.what {
            *code = Some(4001);
        }
    }
    changed.push(("close code", closed));
    for (what, recording) in changed {
        let outcome = catch_unwind(AssertUnwindSafe(|| replay(&recording)));
        assert!(outcome.is_err(), "{what}");
    }
}

/// Whatever a gateway asks, a node that serves nothing says so once for each request, and is otherwise the same.
fn serves_nothing_and_survives(recording: &Recording, served: &Report) {
    let report = replay_serving_nothing(recording);
    assert_eq!((report.left, report.compared), (served.left, served.compared));
    assert_eq!(report.started, served.started);
    assert_eq!(report.cancelled, [""; 0], "there was nothing to stop");
}

fn read(files: &[(&str, u64, u64)]) -> Recording {
    Recording::read(files, &Stage::identity())
}

fn sorted(differences: &[Difference]) -> Vec<Difference> {
    let mut differences = differences.to_vec();
    differences.sort();
    differences
}

const fn whole(file: &str) -> (&str, u64, u64) {
    (file, 0, ALL)
}

/// A recording that begins in the middle of a connection, behind an opening of the same node.
const fn after_it(file: &str) -> (&str, u64, u64) {
    (file, OPENING.2 + 35, ALL)
}

/// A connection of the same node up to where nothing more waits for an answer.
const OPENING: (&str, u64, u64) = ("05-reconnect-device-token.jsonl", 0, 265);

const ALL: u64 = u64::MAX;
