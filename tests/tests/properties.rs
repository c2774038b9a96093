//! Laws that hold for any input.

use std::time::Duration;

use clawnode_protocol::dialect::nodetool;
use clawnode_protocol::node::{Action, Config, Endpoint, Input, Phase};
use clawnode_protocol::peer::{self, Decision, Peer};
use clawnode_protocol::websocket::CloseCode;
use clawnode_protocol::{Credentials, Node, Now, Outcome, Timestamp, Update};
use clawnode_tests::{Scene, json};
use proptest::prelude::*;

fn config() -> Config {
    let mut config =
        Config::new(Endpoint::new("gateway.test", "/"), nodetool::Config::new("node-A"));
    config.commands = vec!["echo".to_owned()];
    config
}

const fn now() -> Now {
    Now::new(Duration::ZERO, Timestamp::from_micros(0))
}

/// A session with a bit of everything.
fn session(chunks: Vec<usize>, payload: &str) -> String {
    let mut scene = Scene::new(config());
    scene.chunks = chunks;
    scene.start();
    for request in 0..3 {
        let text = serde_json::json!({
            "type": "command_request", "request_id": format!("r{request}"), "command": "echo", "args": {"text": payload},
        });
        scene.gateway_says(&text.to_string());
    }
    scene.gateway_says(r#"{"type":"news"}"#);
    scene.gateway_says("not json");
    scene.progress("r1", Update::new("note", json("{}")));
    scene.answer("r1", Outcome::Completed(json(&serde_json::json!({"text": payload}).to_string())));
    scene.run_for(Duration::from_secs(31));
    scene.answer("r0", Outcome::failed(payload));
    scene.gateway_closes(CloseCode::NORMAL, "bye");
    scene.run_for(Duration::from_secs(40));
    scene.answer("r2", Outcome::Completed(json("{}")));
    scene.input(Input::Stop(Duration::from_secs(1)));
    scene.take_transcript()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_chunking_of_a_session_gives_the_same_transcript(
        chunks in prop::collection::vec(1..200_usize, 1..8),
        payload in "\\PC{0,300}",
    ) {
        prop_assert_eq!(session(chunks, &payload), session(vec![0], &payload));
    }
}

proptest! {
    /// Bytes that are no HTTP at all, or HTTP and then no WebSocket, end in an orderly way.
    #[test]
    fn any_bytes_from_a_gateway_are_survived(
        opened: bool,
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20),
    ) {
        let mut scene = Scene::new(config());
        if opened {
            scene.start();
        } else {
            scene.answering = clawnode_tests::Answering::Silence;
            scene.start();
        }
        for piece in pieces {
            if scene.node.handle(now(), Input::Received(&piece)).is_ok() {
                scene.play();
            }
        }
        scene.run_for(Duration::from_secs(30));
        prop_assert!(matches!(
            scene.node.phase(),
            Phase::Ready | Phase::Waiting | Phase::Opening | Phase::Closing | Phase::Stopped
        ));
    }

    #[test]
    fn any_bytes_from_a_node_are_survived(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
        let mut peer = Peer::new(peer::Config::new(peer::Dialect::Nodetool), now(), [1; 32]);
        for piece in pieces {
            let _ = peer.handle(now(), peer::Input::Received(&piece));
            while let Some(action) = peer.poll_action() {
                if let peer::Action::Authorize(_) = action {
                    peer.handle(now(), peer::Input::Authorize(Decision::Accept)).unwrap();
                }
            }
        }
    }

    /// Inputs in any order: those that do not fit are refused and change nothing, deadlines always move, and nothing panics.
    #[test]
    fn any_order_of_inputs_is_survived(steps in prop::collection::vec((0..16_u8, any::<u16>()), 0..80)) {
        let mut node = Node::new(config(), [9; 32]);
        let mut time = Duration::ZERO;
        let mut started = Vec::new();
        for (kind, amount) in steps {
            time += Duration::from_millis(u64::from(amount));
            let at = Now::new(time, Timestamp::from_micros(0));
            let work = started.get(usize::from(amount) % (started.len() + 1)).copied();
            let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
            let lent = node.transmit().len();
            let input = match (kind, work) {
                (0, _) => Input::Start,
                (1, _) => Input::Credentials(Credentials::none()),
                (2, _) => Input::Connected,
                (3, _) => Input::ConnectFailed("no"),
                (4, _) => Input::Received(&head[..usize::from(amount) % head.len()]),
                (5, _) => Input::ReceivedEof,
                (6, _) => Input::Disconnected("reset"),
                (7, _) => Input::Sent(usize::from(amount) % (lent + 2)),
                (8, Some(work)) => Input::Admitted(work),
                (9, Some(work)) => Input::Answer(work, Outcome::failed("x")),
                (10, Some(work)) => Input::Recorded(work),
                (11, Some(work)) => Input::Cancel(work, "x"),
                (12, _) => Input::Custom(r#"{"type":"x"}"#),
                (13, _) if amount < 2000 => Input::Stop(Duration::from_millis(u64::from(amount))),
                _ => Input::Timeout,
            };
            let _ = node.handle(at, input);
            while let Some(action) = node.poll_action() {
                if let Action::Admit(work) = action {
                    started.push(work.id);
                }
            }
            if let before @ Some((due, _)) = node.deadline() {
                let at = Now::new(time.max(due), Timestamp::from_micros(0));
                time = at.monotonic;
                node.handle(at, Input::Timeout).unwrap();
                while node.poll_action().is_some() {}
                prop_assert_ne!(node.deadline(), before);
            }
        }
    }
}
