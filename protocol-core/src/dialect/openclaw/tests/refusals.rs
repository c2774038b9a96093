//! How a node is not let in, and what it does then.

use super::*;

#[test]
fn each_refusal_has_its_reaction() {
    for (code, details, expected) in [
        ("PAIRING_REQUIRED", json!({ "requestId": "r1" }), Some(7000..=7875)),
        ("DEVICE_IDENTITY_REQUIRED", json!({}), None),
        ("AUTH_TOKEN_MISSING", json!({}), None),
        ("AUTH_TOKEN_MISMATCH", json!({}), None),
        ("AUTH_REQUIRED", json!({}), Some(500..=1000)),
        ("AUTH_PASSWORD_MISSING", json!({}), None),
        ("AUTH_BOOTSTRAP_TOKEN_INVALID", json!({}), None),
        ("AUTH_SCOPE_MISMATCH", json!({}), None),
        ("AUTH_RATE_LIMITED", json!({ "retryAfterMs": 20_000 }), Some(20_000..=20_000)),
        ("AUTH_RATE_LIMITED", json!({}), Some(300_000..=300_000)),
        ("DEVICE_AUTH_SIGNATURE_EXPIRED", json!({}), Some(500..=1000)),
        ("PROTOCOL_MISMATCH", json!({ "expectedProtocol": 3 }), Some(250..=282)),
        ("PROTOCOL_MISMATCH", json!({ "expectedProtocol": 9 }), None),
        ("CLIENT_VERSION_MISMATCH", json!({}), None),
        ("SOMETHING_NEW", json!({}), Some(500..=1000)),
    ] {
        let mut stage = Stage::new(Credentials::token(Secret::new("shared")), |_| {});
        stage.deny(code, details);
        match expected {
            Some(delays) => {
                assert!(delays.contains(&stage.retry_in()), "{code}: {}", stage.retry_in());
                let Some(Event::Lost { reason: LostReason::Denied(denial), .. }) =
                    stage.events.last()
                else {
                    panic!("{code}: {:?}", stage.events)
                };
                assert_eq!(denial.code().as_str(), code);
                assert_eq!(denial.message(), "no, [hidden]", "{code}");
            }
            None => match &stage.stopped {
                Some(StopReason::Denied(denial)) => assert_eq!(denial.code().as_str(), code),
                other => panic!("{code}: {other:?} {:?}", stage.events),
            },
        }
    }
}

#[test]
fn a_node_that_waits_for_approval_asks_less_and_less_often() {
    let mut stage = Stage::new(Credentials::token(Secret::new("shared")), |_| {});
    let mut delays = Vec::new();
    for _ in 0..4 {
        stage.deny("PAIRING_REQUIRED", json!({ "requestId": "r1" }));
        delays.push(stage.retry_in() / 1000);
        assert_eq!(stage.wait(), Deadline::Reconnect);
    }
    assert!(delays[0] == 7 && (14..=15).contains(&delays[1]), "{delays:?}");
    assert!((28..=30).contains(&delays[2]) && delays[3] == 30, "{delays:?}");
    stage.hello(json!({}));
    assert_eq!(stage.node.phase(), Phase::Ready);
}

#[test]
fn a_kept_token_is_shown_once_beside_a_wrong_shared_one_where_the_gateway_can_be_trusted() {
    for trusted in [true, false] {
        let credentials = Credentials { token: Some(Secret::new("shared")), ..kept() };
        let mut stage = Stage::new(credentials, |config| {
            if let crate::dialect::Dialect::Openclaw(openclaw) = &mut config.dialect {
                openclaw.trusted_endpoint = trusted;
            }
        });
        let mismatch = json!({ "canRetryWithDeviceToken": true });
        stage.deny("AUTH_TOKEN_MISMATCH", mismatch.clone());
        assert_eq!(stage.heard[0]["params"]["auth"], json!({ "token": "shared" }));
        if !trusted {
            assert!(matches!(stage.stopped, Some(StopReason::Denied(_))));
            continue;
        }
        assert!(stage.retry_in() <= 282);
        stage.wait();
        stage.deny("AUTH_TOKEN_MISMATCH", mismatch);
        let both = json!({ "token": "shared", "deviceToken": "kept-token" });
        assert_eq!(stage.heard[1]["params"]["auth"], both);
        assert!(matches!(stage.stopped, Some(StopReason::Denied(_))), "once is enough");
    }
}

#[test]
fn a_kept_token_that_is_not_good_any_more_is_forgotten() {
    let mut stage = Stage::new(kept(), |_| {});
    stage.deny("AUTH_DEVICE_TOKEN_MISMATCH", json!({}));
    assert_eq!(stage.forgotten, 1);
    assert!(matches!(stage.stopped, Some(StopReason::Denied(_))), "there is nothing else to show");

    let mut stage =
        Stage::new(Credentials { bootstrap_token: Some(Secret::new("once")), ..kept() }, |_| {});
    stage.deny("AUTH_DEVICE_TOKEN_MISMATCH", json!({}));
    assert_eq!((stage.forgotten, stage.stopped.is_some()), (1, false));
}

#[test]
fn a_used_up_setup_code_is_no_obstacle_to_a_device_that_was_paired_with_it() {
    let mut stage =
        Stage::new(Credentials { bootstrap_token: Some(Secret::new("once")), ..kept() }, |_| {});
    stage.deny("AUTH_BOOTSTRAP_TOKEN_INVALID", json!({}));
    assert!(stage.retry_in() <= 282);
    stage.wait();
    stage.hello(json!({}));
    assert_eq!(stage.heard[1]["params"]["auth"], json!({ "deviceToken": "kept-token" }));
    assert_eq!(stage.node.phase(), Phase::Ready);
}

#[test]
fn a_node_that_was_let_in_before_is_patient_with_a_refusal() {
    let mut stage = Stage::ready();
    stage.close(4001, "gateway auth changed");
    stage.wait();
    stage.deny("AUTH_TOKEN_MISMATCH", json!({}));
    assert!((15_000..=30_000).contains(&stage.retry_in()), "{}", stage.retry_in());
}

#[test]
fn an_older_gateway_is_spoken_to_in_its_version_and_a_newer_one_again_in_its() {
    let mut stage = Stage::new(Credentials::token(Secret::new("shared")), |config| {
        if let crate::dialect::Dialect::Openclaw(openclaw) = &mut config.dialect {
            openclaw.client.platform = "macos".to_owned();
        }
    });
    stage.deny("PROTOCOL_MISMATCH", json!({ "expectedProtocol": 3 }));
    stage.wait();
    stage.hello(json!({ "protocol": 3 }));
    let params = &stage.heard[1]["params"];
    assert_eq!((&params["minProtocol"], &params["maxProtocol"]), (&json!(3), &json!(3)));
    assert_eq!(params["client"]["platform"], "darwin");
    assert_eq!(params["client"]["deviceFamily"], Value::Null);
    assert_eq!(stage.node.phase(), Phase::Ready);
    // It stays with that version, until the gateway is newer.
    stage.close(1012, "service restart");
    stage.wait();
    stage.hello(json!({ "protocol": 4 }));
    assert!(
        format!("{:?}", stage.closed).contains("gateway protocol upgraded"),
        "{:?}",
        stage.closed
    );
    stage.wait();
    stage.hello(json!({ "protocol": 4 }));
    assert_eq!(stage.heard.last().unwrap()["params"]["maxProtocol"], 4);
    assert_eq!(stage.node.phase(), Phase::Ready);
}
