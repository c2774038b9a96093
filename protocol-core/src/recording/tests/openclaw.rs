//! An openclaw gateway says secrets, and none of them is in a recording.

use serde_json::{Value, json};

use super::parts::{Stage, ends, openclaw_node};
use super::{End, Replay, What, contains};
use crate::dialect::{Dialect, either, nodetool};
use crate::node::{Action, Input, Phase};
use crate::secret::{Credentials, Secret};

const SHARED: &str = "sh4red/Tok\"en";
const PASSWORD: &str = "p4ss Word/é";
const BOOTSTRAP: &str = "b00tstrap-once";
const FIRST: &str = "dev1ce-T0ken-first";
const SECOND: &str = "dev1ce-T0ken-other";
const ANOTHER: &str = "op3rator-T0ken";

fn secret(text: &str) -> Option<Secret> {
    Some(Secret::new(text))
}

fn credentials(token: Option<&str>, password: Option<&str>) -> Credentials {
    Credentials {
        token: token.map(Secret::new),
        password: password.map(Secret::new),
        ..Credentials::none()
    }
}

fn dialects() -> [Dialect; 2] {
    let either = either::Config::new(nodetool::Config::new("node-A"), openclaw_node());
    [openclaw_node().into(), either.into()]
}

fn hello(token: &str) -> Value {
    json!({
        "method": "token", "role": "node", "scopes": [], "deviceToken": token,
        "deviceTokens": [{ "role": "operator", "deviceToken": ANOTHER, "scopes": ["operator.read"] }],
    })
}

/// What is recorded of a session, after it is made sure that it is replayed and holds none of the secrets in any form.
fn recorded(dialect: Dialect, size: usize, play: impl Fn(&mut Stage, usize)) -> Vec<u8> {
    let mut stage = Stage::new(dialect, 1 << 20);
    play(&mut stage, size);
    let parts = stage.end();
    assert_eq!(ends(&parts), [Some(End::Closed)], "pieces of {size}");
    for text in [SHARED, PASSWORD, BOOTSTRAP, FIRST, SECOND, ANOTHER] {
        let json = Value::from(text).to_string();
        let forms = [text, json.trim_matches('"'), &json.trim_matches('"').replace('/', "\\/")];
        for form in forms {
            assert!(!contains(&parts[0], form), "{form} with pieces of {size}");
        }
    }
    parts.into_iter().next().expect("there is one")
}

fn in_all_pieces(play: impl Fn(&mut Stage, usize)) {
    for dialect in dialects() {
        for size in [1, 2, 3, 7, 19, 64, 100_000] {
            recorded(dialect.clone(), size, &play);
        }
    }
}

/// How often the node was given a token to keep, as the recording has it.
fn kept(recording: &[u8]) -> usize {
    let replay = Replay::new(recording).expect("it has a beginning");
    let kept = |what: &What<'_>| matches!(what, What::Action(Action::KeepDeviceToken(_)));
    replay.filter(|step| kept(&step.as_ref().expect("it is whole").what)).count()
}

#[test]
fn a_token_that_the_gateway_gives_is_not_recorded_however_it_comes() {
    in_all_pieces(|stage, size| {
        stage.credentials = credentials(Some(SHARED), None);
        stage.hello = hello(FIRST);
        stage.lose();
        stage.wait();
        stage.carry(size);
        assert_eq!(stage.node.phase(), Phase::Ready);
        assert_eq!(stage.credentials.device_token, secret(FIRST));
        // It is given again, and another time as another.
        stage.lose();
        stage.wait();
        stage.carry(size);
        stage.hello = hello(SECOND);
        stage.lose();
        stage.wait();
        stage.carry(size);
        assert_eq!(stage.credentials.device_token, secret(SECOND));
        stage.say(&json!({ "type": "event", "event": "news", "payload": { "of": [FIRST, SECOND, SHARED] } }));
        stage.carry(size);
    });
}

#[test]
fn a_token_is_told_from_another_of_the_same_form() {
    let recording = recorded(openclaw_node().into(), 100, |stage, size| {
        stage.hello = json!({ "deviceToken": "dev1ce-T0ken-first" });
        stage.carry(size);
        for token in ["dev2ce-T1ken-other", "dev2ce-T1ken-other", "dev1ce-T0ken-first"] {
            stage.hello = json!({ "deviceToken": token });
            stage.lose();
            stage.wait();
            stage.carry(size);
        }
    });
    assert_eq!(kept(&recording), 3);
}

#[test]
fn a_device_is_paired_with_a_setup_code_or_by_somebody() {
    in_all_pieces(|stage, size| {
        stage.credentials =
            Credentials { bootstrap_token: secret(BOOTSTRAP), ..credentials(None, Some(PASSWORD)) };
        stage.denial = Some(json!({
            "code": "NOT_PAIRED", "message": format!("{BOOTSTRAP} and {PASSWORD} are not enough"),
            "details": { "code": "PAIRING_REQUIRED", "requestId": "q1" },
        }));
        stage.lose();
        stage.wait();
        stage.carry(size);
        assert_eq!(stage.node.phase(), Phase::Waiting);
        stage.denial = None;
        stage.hello = hello(FIRST);
        stage.wait();
        stage.carry(size);
        assert_eq!(stage.node.phase(), Phase::Ready);
    });
}

#[test]
fn a_refusal_may_quote_what_it_was_shown() {
    in_all_pieces(|stage, size| {
        stage.credentials = Credentials {
            device_token: secret(FIRST),
            ..credentials(Some(SHARED), Some(PASSWORD))
        };
        stage.lose();
        stage.wait();
        for code in ["AUTH_TOKEN_MISMATCH", "AUTH_DEVICE_TOKEN_MISMATCH", "AUTH_RATE_LIMITED"] {
            stage.denial = Some(json!({
                "code": "INVALID_REQUEST", "message": format!("{SHARED}, {FIRST}, {PASSWORD}"),
                "details": { "code": code, "canRetryWithDeviceToken": true, "reason": FIRST },
            }));
            stage.carry(size);
            stage.wait();
        }
    });
}

#[test]
fn a_greeting_that_is_never_read_to_its_end_leaves_nothing_readable() {
    for size in [1, 3, 50, 1000] {
        for cut in (0..700).step_by(size.max(23)) {
            recorded(openclaw_node().into(), size, |stage, size| {
                stage.hello = hello(FIRST);
                // So many bytes of what the gateway says arrive.
                let mut left = cut;
                for _ in 0..1000 {
                    stage.step((7, 255));
                    let piece = size.min(left).min(250);
                    if piece > 0 {
                        stage.step((5, u8::try_from(piece - 1).expect("it is small")));
                        left -= piece;
                    }
                }
                stage.lose();
            });
        }
    }
}

#[test]
fn a_secret_that_is_short_or_a_usual_word_is_no_hindrance() {
    for word in ["x", "no", "abc", "s3cretary", "1.0", "node-host"] {
        for both in [false, true] {
            let mut stage = Stage::new(openclaw_node(), 1 << 20);
            stage.credentials = credentials(both.then_some(word), Some(word));
            stage.lose();
            stage.wait();
            stage.carry(1000);
            assert_eq!(stage.node.phase(), Phase::Ready);
            let parts = stage.end();
            assert_eq!(ends(&parts), [Some(End::Closed)], "{word}");
        }
    }
}

#[test]
fn a_signature_is_a_stand_in_too() {
    let recording = recorded(openclaw_node().into(), 100, |stage, size| stage.carry(size));
    let signatures: Vec<String> = Replay::new(&recording)
        .expect("it has a beginning")
        .filter_map(|step| match step.expect("it is whole").what {
            What::Input(Input::Signature(signature)) => Some(signature.to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(signatures.len(), 1);
    assert_eq!(signatures[0].len(), 86);
    assert!(signatures[0].bytes().all(|byte| b"aA1-_".contains(&byte)), "{}", signatures[0]);
}

#[test]
fn a_greeting_past_what_can_be_withheld_ends_the_recording_without_it() {
    for (more, end) in [(4 << 20, End::Withheld), ((4 << 20) - 2000, End::Closed)] {
        let mut stage = Stage::new(openclaw_node(), 64 << 20);
        stage.hello = json!({ "deviceToken": FIRST, "snapshot": "x".repeat(more) });
        stage.carry(1 << 16);
        assert_eq!(stage.node.phase(), Phase::Ready);
        let parts = stage.end();
        assert!(!contains(&parts[0], FIRST));
        assert_eq!(ends(&parts), [Some(end)]);
    }
}
