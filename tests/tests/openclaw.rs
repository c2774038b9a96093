//! Transcripts of a node and a gateway of the openclaw dialect.

use std::time::Duration;

use clawnode_protocol::dialect::openclaw::{
    self, DeviceToken, Hello, Reaction, Refusal, RefusalCode,
};
use clawnode_protocol::node::{self, Deadline};
use clawnode_protocol::peer::{Input, Surface};
use clawnode_protocol::{Credentials, Failure, Outcome, Secret, dialect};
use clawnode_tests::{Answer, Meeting, json};
use insta::assert_snapshot;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn hello(method: &str) -> Hello {
    let mut hello = Hello::new(method);
    hello.device_token = Some(DeviceToken::new("kept-secret", "node"));
    hello
}

fn pairing() -> Refusal {
    let message = "pairing required: device is not approved yet";
    Refusal::new(RefusalCode::PairingRequired, message)
        .with_reason("not-paired")
        .with_request_id("req-1")
}

/// A node of an endpoint that is known to be the gateway.
fn trusting(config: &mut node::Config) {
    if let dialect::Dialect::Openclaw(openclaw) = &mut config.dialect {
        openclaw.trusted_endpoint = true;
    }
}

#[test]
fn a_new_device_asks_until_it_is_approved() {
    let mut meeting = Meeting::new(|_| {});
    meeting.answer = Answer::Refuse(pairing());
    meeting.start();
    let (due, deadline) = meeting.node.deadline().unwrap();
    assert_eq!(deadline, Deadline::Reconnect);
    meeting.run_for(due);
    meeting.answer = Answer::Welcome(hello("token"));
    let (due, _) = meeting.node.deadline().unwrap();
    meeting.run_for(due);
    assert_snapshot!(meeting.take_transcript());
}

#[test]
fn a_surface_is_approved_while_the_node_is_connected() {
    let mut meeting = Meeting::new(|_| {});
    let mut pending = hello("token");
    pending.approved = false;
    meeting.answer = Answer::Welcome(pending);
    meeting.start();
    let stats = node::HostStats {
        cpu_count: 2,
        load_average: [0.5, 0.25, 0.125],
        memory_total_bytes: 1000,
        memory_free_bytes: 500,
        disk_total_bytes: 1000,
        disk_available_bytes: 400,
    };
    meeting.input(node::Input::Publish(node::Publication::HostStats(stats)));
    meeting.run_for(secs(3));
    meeting.gateway(Input::Surface(Surface::Approved { request_id: Some("req-2") }));
    meeting.run_for(secs(6));
    assert_snapshot!(meeting.take_transcript());
}

#[test]
fn a_setup_code_pairs_and_the_device_token_does_from_then_on() {
    let mut meeting = Meeting::new(|_| {});
    let mut credentials = Credentials::none();
    credentials.bootstrap_token = Some(Secret::new("once-secret"));
    meeting.credentials = credentials;
    meeting.answer = Answer::Welcome(hello("bootstrap-token"));
    meeting.start();
    meeting.answer = Answer::Welcome(hello("device-token"));
    meeting.close(1012, "service restart");
    meeting.run_for(secs(2));
    assert_snapshot!(meeting.take_transcript());
}

#[test]
fn a_wrong_shared_token_is_tried_once_with_the_device_token_beside_it() {
    let mut meeting = Meeting::new(trusting);
    meeting.credentials.device_token = Some(Secret::new("kept-secret"));
    let mismatch = Refusal::new(
        RefusalCode::AuthTokenMismatch,
        "unauthorized: gateway token mismatch (provide gateway auth token)",
    );
    meeting.answer = Answer::Refuse(mismatch.clone().retriable_with_device_token());
    meeting.start();
    meeting.answer = Answer::Welcome(hello("device-token"));
    meeting.run_for(secs(1));
    assert_snapshot!(meeting.take_transcript());
}

#[test]
fn an_older_gateway_is_spoken_to_in_its_own_version_until_it_is_replaced() {
    let mut meeting = Meeting::new(|_| {});
    meeting.protocol = openclaw::OLDER_PROTOCOL;
    meeting.start();
    meeting.run_for(secs(1));
    meeting.title("the gateway is replaced by a newer one");
    meeting.protocol = openclaw::PROTOCOL;
    meeting.close(1012, "service restart");
    meeting.run_for(secs(3));
    assert_snapshot!(meeting.take_transcript());
}

#[test]
fn every_refusal_and_what_a_node_does_about_it() {
    use RefusalCode::*;
    let mut table = String::new();
    for code in [
        PairingRequired,
        DeviceIdentityRequired,
        AuthTokenMissing,
        AuthTokenMismatch,
        AuthTokenNotConfigured,
        AuthPasswordNotConfigured,
        AuthRequired,
        AuthUnauthorized,
        AuthTailscaleIdentityMissing,
        AuthPasswordMissing,
        AuthPasswordMismatch,
        AuthBootstrapTokenInvalid,
        AuthDeviceTokenMismatch,
        AuthScopeMismatch,
        AuthRateLimited,
        AuthIdentityHeaderRequired,
        AuthVerifiedUserRequired,
        AuthenticatedProfileUnavailable,
        DeviceAuthDeviceIdMismatch,
        DeviceAuthSignatureExpired,
        DeviceAuthNonceRequired,
        DeviceAuthNonceMismatch,
        DeviceAuthSignatureInvalid,
        DeviceAuthPublicKeyInvalid,
        ProtocolMismatch,
        ClientVersionMismatch,
        Starting,
        Draining,
        Other("SOMETHING_NEW".to_owned()),
    ] {
        let refusal = Refusal::new(code.clone(), "no");
        let mut meeting = Meeting::new(|_| {});
        meeting.answer = Answer::Refuse(refusal);
        meeting.start();
        table += &format!("{code:?}\n");
        for line in meeting.take_transcript().lines() {
            let wanted = ["\"res\"", "gateway > ", "lost", "stopped"];
            if wanted.iter().any(|word| line.contains(word)) && !line.contains("connect.challenge")
            {
                table += &format!("    {}\n", line.trim_start().trim_start_matches("0.000 "));
            }
        }
    }
    assert_snapshot!(table);
}

#[test]
fn a_device_token_that_is_good_no_more_is_forgotten() {
    let mut meeting = Meeting::new(|_| {});
    let mut credentials = Credentials::none();
    credentials.device_token = Some(Secret::new("kept-secret"));
    meeting.credentials = credentials;
    let refusal = Refusal::new(RefusalCode::AuthDeviceTokenMismatch, "unauthorized");
    assert_eq!(refusal.reaction(), Reaction::ForgetDeviceToken);
    meeting.answer = Answer::Refuse(refusal);
    meeting.start();
    assert_snapshot!(meeting.take_transcript());
}

#[test]
fn every_close_and_what_a_node_does_about_it() {
    let mut table = String::new();
    let codes = [
        (1000, ""),
        (1008, "slow consumer"),
        (1008, "repeated unauthorized calls"),
        (1009, ""),
        (1012, "service restart"),
        (1013, "gateway starting"),
        (4001, "device removed"),
        (4001, "gateway auth changed"),
    ];
    for (code, why) in codes {
        for before_hello in [true, false] {
            let mut meeting = Meeting::new(|_| {});
            if before_hello {
                meeting.answer = Answer::Close(code, why);
            }
            meeting.start();
            if !before_hello {
                meeting.take_transcript();
                meeting.close(code, why);
            }
            let when = if before_hello { "before" } else { "after" };
            table += &format!("{code} {why:?} {when} hello-ok\n");
            let transcript = meeting.take_transcript();
            let lines = transcript.lines().filter(|line| {
                ["lost", "stopped", "the end"].iter().any(|word| line.contains(word))
            });
            let before = table.len();
            lines.for_each(|line| {
                table += &format!("    {}\n", line.trim_start().trim_start_matches("0.000 "));
            });
            if table.len() == before {
                table += "    nothing is told\n";
            }
        }
    }
    assert_snapshot!(table);
}

#[test]
fn a_gateway_that_does_not_decide_is_left() {
    let mut meeting = Meeting::new(|_| {});
    meeting.answer = Answer::Silence;
    meeting.start();
    meeting.run_for(secs(15));
    assert_snapshot!(meeting.take_transcript());
}

#[test]
fn commands_are_done_fail_or_are_too_slow() {
    let mut meeting = Meeting::ready();
    meeting.title("done");
    meeting.ask("r1", Some(secs(30)));
    meeting.finish("r1", Outcome::Completed(json(r#"{"git":"/usr/bin/git"}"#)));
    meeting.title("failed");
    meeting.ask("r2", None);
    let failure = Failure::new("no such directory").with_code("INVALID_REQUEST");
    meeting.finish("r2", Outcome::Failed(failure));
    meeting.title("too slow: the node stops the work, and the gateway says so too");
    meeting.ask("r3", Some(secs(2)));
    meeting.run_for(secs(2));
    meeting.gateway(Input::Cancel("r3"));
    meeting.title("not wanted any more");
    meeting.ask("r4", None);
    meeting.gateway(Input::Cancel("r4"));
    meeting.title("asked again under the same name");
    meeting.ask("r5", None);
    meeting.ask("r5", None);
    meeting.finish("r5", Outcome::Completed(json("{}")));
    assert_snapshot!(meeting.take_transcript());
}

#[test]
fn news_comes_in_order_before_the_answer() {
    let mut meeting = Meeting::ready();
    meeting.ask("r1", None);
    meeting.progress("r1", r#"{"line":1}"#);
    meeting.progress("r1", r#"{"line":2}"#);
    meeting.finish("r1", Outcome::Completed(json("{}")));
    assert_snapshot!(meeting.take_transcript());
}

#[test]
fn a_node_that_stops_is_not_ready_for_more() {
    let mut meeting = Meeting::ready();
    meeting.ask("r1", None);
    meeting.input(node::Input::Stop(secs(5)));
    meeting.ask("r2", None);
    meeting.finish("r1", Outcome::Completed(json("{}")));
    meeting.run_for(secs(10));
    assert_snapshot!(meeting.take_transcript());
}

#[test]
fn work_ends_with_its_connection() {
    let mut meeting = Meeting::ready();
    meeting.ask("r1", None);
    meeting.cut();
    meeting.run_for(secs(2));
    assert_snapshot!(meeting.take_transcript());
}

#[test]
fn a_gateway_whose_ticks_stay_away_is_left() {
    let mut meeting = Meeting::ready();
    meeting.run_for(secs(31));
    meeting.title("the network carries nothing from here on");
    meeting.connected = false;
    meeting.run_for(secs(100));
    assert_snapshot!(meeting.take_transcript());
}

#[test]
fn a_restart_is_announced() {
    let mut meeting = Meeting::ready();
    meeting.ask("r1", None);
    meeting.gateway(Input::GoingAway {
        reason: "gateway restarting",
        back_in: Some(Duration::from_millis(1500)),
    });
    meeting.answer = Answer::Unreachable;
    meeting.close(1012, "service restart");
    meeting.run_for(secs(3));
    meeting.answer = Answer::Welcome(hello("device-token"));
    meeting.run_for(secs(8));
    assert_snapshot!(meeting.take_transcript());
}
