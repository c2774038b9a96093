//! How a node is let in.

use super::*;

#[test]
fn a_node_says_who_it_is_once_it_is_asked() {
    let mut stage = Stage::new(Credentials::token(Secret::new("shared")), |_| {});
    assert_eq!((stage.node.phase(), stage.heard.len()), (Phase::Registering, 0));
    stage.challenge();
    let device = Device::from(&Identity::from_seed([1; 32]));
    assert_eq!(
        stage.heard,
        [json!({
            "type": "req", "id": "connect", "method": "connect",
            "params": {
                "minProtocol": 4, "maxProtocol": 4,
                "client": {
                    "id": "node-host", "version": "1.0", "platform": "linux", "deviceFamily": "Linux", "mode": "node",
                },
                "caps": [], "commands": ["system.which"],
                "auth": { "token": "shared" },
                "role": "node", "scopes": [],
                "device": {
                    "id": device.id(), "publicKey": device.public_key(), "signature": "signature",
                    "signedAt": 1_795_347_600_000_u64, "nonce": "n",
                },
            },
        })]
    );
    assert_eq!(stage.node.phase(), Phase::Registering);
}

#[test]
fn what_the_gateway_gives_is_kept_before_the_node_is_ready() {
    let mut stage = Stage::new(Credentials::token(Secret::new("shared")), |_| {});
    stage
        .hello(json!({ "auth": { "deviceToken": "kept-token", "role": "node", "scopes": ["a"] } }));
    assert_eq!(stage.kept[0].token, Secret::new("kept-token"));
    assert_eq!(
        (stage.kept[0].role.as_str(), &*stage.kept[0].scopes),
        ("node", &["a".to_owned()][..])
    );
    assert!(!format!("{:?}", stage.kept).contains("kept-token"));
    assert!(matches!(stage.events.last(), Some(Event::Ready)));
}

#[test]
fn a_token_that_is_kept_already_is_not_kept_again() {
    let mut stage = Stage::new(kept(), |_| {});
    stage.hello(json!({ "auth": { "deviceToken": "kept-token" } }));
    assert_eq!(stage.heard[0]["params"]["auth"], json!({ "deviceToken": "kept-token" }));
    assert_eq!((stage.kept.len(), stage.node.phase()), (0, Phase::Ready));
}

#[test]
fn a_token_that_is_not_kept_yet_is_shown_all_the_same() {
    let mut credentials = Credentials::none();
    credentials.bootstrap_token = Some(Secret::new("once"));
    let mut stage = Stage::new(credentials, |_| {});
    // The setup code is used up, and the connection ends before the disk has the token.
    stage.keeps_tokens = false;
    stage.hello(json!({ "auth": { "deviceToken": "given" } }));
    stage.give(Input::Disconnected("cut"));
    stage.heard.clear();
    stage.keeps_tokens = true;
    assert_eq!(stage.wait(), Deadline::Reconnect);
    stage.hello(json!({ "auth": { "deviceToken": "given" } }));
    assert_eq!(stage.heard[0]["params"]["auth"], json!({ "deviceToken": "given" }));
    assert_eq!((stage.kept.len(), stage.node.phase()), (2, Phase::Ready), "asked for once more");

    stage.credentials.device_token = Some(Secret::new("given"));
    stage.give(Input::Disconnected("cut"));
    assert_eq!(stage.wait(), Deadline::Reconnect);
    stage.hello(json!({ "auth": { "deviceToken": "given" } }));
    assert_eq!(stage.kept.len(), 2, "it is kept");
}

#[test]
fn a_password_goes_with_every_other_credential_and_a_setup_code_before_a_kept_token() {
    let mut credentials = kept();
    credentials.password = Some(Secret::new("word"));
    credentials.bootstrap_token = Some(Secret::new("once"));
    let mut stage = Stage::new(credentials, |_| {});
    stage.challenge();
    let auth = json!({ "bootstrapToken": "once", "password": "word" });
    assert_eq!(stage.heard[0]["params"]["auth"], auth);
}

#[test]
fn a_gateway_that_asks_nothing_or_answers_nothing_is_given_up_with_a_word() {
    let mut stage = Stage::new(Credentials::none(), |_| {});
    assert_eq!(stage.wait(), Deadline::Register);
    assert_eq!(stage.millis, 15_000);
    assert!(
        format!("{:?}", stage.closed).contains("connect challenge timeout"),
        "{:?}",
        stage.closed
    );

    let mut stage = Stage::new(Credentials::none(), |_| {});
    stage.challenge();
    assert_eq!(stage.wait(), Deadline::Register);
    let closed = format!("{:?}", stage.closed);
    assert!(closed.contains("4000") && closed.contains("connect timeout"), "{closed}");
}

#[test]
fn nothing_is_done_for_a_gateway_that_has_not_let_the_node_in() {
    let mut stage = Stage::new(Credentials::none(), |_| {});
    stage.invoke("i1", Value::Null, 0);
    stage.challenge();
    stage.invoke("i2", Value::Null, 0);
    assert_eq!(stage.started, []);
}

#[test]
fn the_path_gives_way_to_the_commands_and_then_there_is_no_more_room() {
    let size = |commands: usize, path: usize| {
        let mut stage = Stage::new(Credentials::none(), |config| {
            config.commands = vec!["x".repeat(commands)];
            if let crate::dialect::Dialect::Openclaw(openclaw) = &mut config.dialect {
                openclaw.path_env = Some("p".repeat(path));
            }
        });
        stage.challenge();
        let path = stage.heard.first().map(|frame| frame["params"]["pathEnv"].is_string());
        (path, stage.heard.first().map_or(0, |frame| frame.to_string().len()), stage.stopped)
    };
    let (_, small, _) = size(1, 1);
    let room = MOST_CONNECT_BYTES - small;
    assert!(matches!(size(1, room + 1), (Some(true), MOST_CONNECT_BYTES, None)));
    assert!(matches!(size(1, room + 2), (Some(false), _, None)));
    let without = r#""pathEnv":"","#.len();
    assert!(matches!(size(room + 2 + without, 1), (Some(false), MOST_CONNECT_BYTES, None)));
    let (sent, _, stopped) = size(room + 3 + without, 1);
    assert_eq!(sent, None);
    assert!(matches!(stopped, Some(StopReason::TooLargeToRegister(_))), "{stopped:?}");
}
