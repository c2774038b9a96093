use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clawnode_protocol::peer::FromNode;
use clawnode_runtime::openclaw::{Fingerprint, Identity, Openclaw};
use clawnode_runtime::{BuildError, Event, NodeEvent, Phase, SendError, StopReason};
use clawnode_runtimes::{Gateway, Said, soon};
use macro_rules_attribute::apply;
use serde_json::json;

use super::{Node, NodeBuilder, Running, builder, describe, echo};

#[apply(async_test)]
async fn announces_what_it_serves_and_sends_heartbeats() {
    let gateway = Gateway::bind().await;
    let node = Running::start(
        builder(&gateway)
            .command("b", echo)
            .command("a", echo)
            .workflows(|_, _| async { Ok::<_, clawnode_runtime::Failed>(json!({})) }),
    );
    assert_eq!(node.handle.node_id(), "node-A");
    let (mut connection, registration) = gateway.accept_registered().await;
    assert_eq!(registration.node_id, "node-A");
    assert_eq!(registration.commands, ["a", "b"]);
    assert!(registration.workflows);
    for _ in 0..2 {
        let said = connection.next().await;
        assert!(matches!(said, Said::Message(FromNode::Alive { .. })), "{said:?}");
    }
    let status = node.handle.status();
    assert_eq!((status.phase, status.tally.running), (Phase::Ready, 0));
}

#[apply(async_test)]
async fn announces_nothing_it_does_not_serve() {
    let gateway = Gateway::bind().await;
    let _node = Running::start(builder(&gateway));
    let (connection, registration) = gateway.accept_registered().await;
    assert!(registration.commands.is_empty() && !registration.workflows);
    connection.command("1", "x", json!({}));
    connection.workflow("2", "w", json!({}));
    let mut connection = connection;
    let error = connection.answer("1").await;
    assert_eq!(error.error(), "unknown command `x`; this node serves no commands");
    assert_eq!(connection.answer("2").await.error(), "this node runs no workflows");
}

#[apply(async_test)]
async fn custom_messages_go_both_ways() {
    let gateway = Gateway::bind().await;
    let node = Running::start(builder(&gateway));
    let mut events = node.handle.events();
    assert_eq!(node.handle.send_custom(r#"{"type":"hi"}"#).await, Err(SendError::NotReady));
    let mut connection = gateway.accept_node().await;
    loop {
        if let Some(Event::Node(NodeEvent::Ready)) = soon(events.next()).await {
            break;
        }
    }
    for invalid in ["[]", "{}", r#"{"type":1}"#, r#"{"type":"heartbeat"}"#, "nonsense"] {
        assert_eq!(node.handle.send_custom(invalid).await, Err(SendError::Invalid), "{invalid}");
    }
    soon(node.handle.send_custom(r#"{"type":"hi","x":1}"#)).await.unwrap();
    loop {
        if let Said::Message(FromNode::Custom { kind, text }) = connection.next().await {
            assert_eq!((kind.as_str(), text.as_str()), ("hi", r#"{"type":"hi","x":1}"#));
            break;
        }
    }
    connection.custom(r#"{"type":"hello","y":2}"#);
    loop {
        if let Some(Event::Node(NodeEvent::Custom { kind, text })) = soon(events.next()).await {
            assert_eq!((kind.as_str(), text.as_str()), ("hello", r#"{"type":"hello","y":2}"#));
            break;
        }
    }
    let handle = node.handle.clone();
    handle.stop(Duration::ZERO);
    assert_eq!(node.stopped().await, StopReason::Requested);
    assert_eq!(handle.send_custom(r#"{"type":"hi"}"#).await, Err(SendError::Stopped));
    loop {
        match soon(events.next()).await {
            Some(Event::Stopped(reason)) => assert_eq!(reason, StopReason::Requested),
            None => break,
            Some(_) => {}
        }
    }
    assert!(handle.events().next().await.is_none());
    assert_eq!(handle.status().phase, Phase::Stopped);
}

#[apply(async_test)]
async fn metadata_of_256_kib_is_said_and_not_a_byte_more() {
    let build = |bytes: usize| {
        let text = "x".repeat(bytes - r#"key"""#.len());
        Node::builder("ws://127.0.0.1:1").unwrap().metadata("key", &text).build()
    };
    assert!(build(256 << 10).is_ok());
    let most = (256 << 10) + 1;
    assert_eq!(build(most).unwrap_err(), BuildError::TooMuchMetadata(most));
}

#[apply(async_test)]
async fn mistakes_in_the_description_are_named() {
    let build = |change: fn(NodeBuilder) -> NodeBuilder| {
        change(Node::builder("ws://127.0.0.1:1").unwrap()).build().unwrap_err()
    };
    let twice = build(|node| {
        node.command("a", echo).blocking_command("a", |_, args: serde_json::Value| {
            Ok::<_, clawnode_runtime::Failed>(args)
        })
    });
    assert_eq!(twice, BuildError::DuplicateCommand("a".into()));
    assert_eq!(build(|node| node.command("", echo)), BuildError::EmptyCommand);
    assert_eq!(build(|node| node.node_id("")), BuildError::EmptyNodeId);
    let own = build(|node| node.metadata("user_id", "me"));
    assert_eq!(own, BuildError::OwnMetadata("user_id".into()));
    let problem = build(|node| node.metadata("map", &BTreeMap::from([(vec![1], 1)])));
    assert!(matches!(problem, BuildError::Metadata(key, _) if key == "map"));
    assert_eq!(build(|node| node.token("a").token_file("b")), BuildError::TwoCredentials);
    assert_eq!(build(|node| node.tls_ca("ca.pem")), BuildError::AuthoritiesWithoutTls);
    let zero = build(|node| node.heartbeat_interval(Duration::ZERO));
    assert_eq!(zero, BuildError::ZeroDuration("heartbeat interval"));
    let header = build(|node| node.header("CF-Access-Client-Id", "me"));
    assert_eq!(header, BuildError::HeaderWithoutTls("CF-Access-Client-Id".into()));
    let pin = Fingerprint::of(b"x");
    assert_eq!(
        Node::builder("ws://127.0.0.1:1").unwrap().tls_fingerprint(pin).build().unwrap_err(),
        BuildError::FingerprintWithoutTls
    );
    let device = || Openclaw::node(Identity::from_seed([7; 32]), "1");
    let plain = |url: &str| Node::builder(url).unwrap().openclaw(device());
    assert!(plain("ws://10.0.0.1").build().is_ok());
    assert_eq!(plain("ws://gate.example").build().unwrap_err(), BuildError::PublicWithoutTls);
    assert!(plain("ws://gate.example").allow_insecure_private_ws().build().is_ok());
    let public = plain("ws://8.8.8.8").allow_insecure_private_ws().build();
    assert_eq!(public.unwrap_err(), BuildError::PublicWithoutTls);
    for header in [("Host", "x"), ("X-A", "a\nb"), ("X A", "b")] {
        let invalid = Node::builder("wss://localhost").unwrap().header(header.0, header.1).build();
        assert_eq!(invalid.unwrap_err(), BuildError::InvalidHeader(header.0.into()));
    }
    let no_file = Node::builder("wss://localhost").unwrap().tls_ca("/nowhere/ca.pem").build();
    let no_file = no_file.unwrap_err().to_string();
    assert!(
        no_file.starts_with("the file of certificate authorities /nowhere/ca.pem cannot be used: "),
        "{no_file}"
    );
    let node = Node::builder("ws://127.0.0.1:1?token=s3cret").unwrap().token("s3cret");
    assert!(!format!("{node:?}").contains("s3cret"));
    let node = node.build().unwrap();
    assert!(!format!("{node:?} {:?}", node.handle()).contains("s3cret"));
    let id = node.node_id().strip_prefix("node-").unwrap();
    assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'));
}

#[apply(async_test)]
async fn a_stop_before_the_run_ends_it_at_once() {
    let gateway = Gateway::bind().await;
    let node = builder(&gateway).build().unwrap();
    node.handle().stop(Duration::from_secs(60));
    assert_eq!(soon(node.run()).await, StopReason::Requested);
}

#[apply(async_test)]
async fn a_custom_message_before_the_run_is_refused_at_once() {
    let gateway = Gateway::bind().await;
    let node = builder(&gateway).build().unwrap();
    let sent = soon(node.handle().send_custom(r#"{"type":"hi"}"#)).await;
    assert_eq!(sent, Err(SendError::NotReady));
}

#[apply(async_test)]
async fn a_run_is_a_small_future() {
    let gateway = Gateway::bind().await;
    let run = builder(&gateway).build().unwrap().run();
    let size = std::mem::size_of_val(&run);
    assert!(size <= 4 << 10, "{size} bytes");
}

#[apply(async_test)]
async fn the_path_and_the_query_reach_the_gateway() {
    let gateway = Gateway::bind().await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let paths = Arc::clone(&asked);
    gateway.guard(move |request| {
        let target = (request.path().to_owned(), request.query().map(str::to_owned));
        paths.lock().unwrap().push(target);
        None
    });
    for target in ["", "/", "/node/7?tenant=a%20b&v=1", "?v=2"] {
        let _node = Running::start(describe(&format!("{}{target}", gateway.url())));
        gateway.accept_node().await;
    }
    let asked = asked.lock().unwrap();
    let asked: Vec<_> =
        asked.iter().map(|(path, query)| (path.as_str(), query.as_deref())).collect();
    let query = Some("tenant=a%20b&v=1");
    assert_eq!(asked, [("/", None), ("/", None), ("/node/7", query), ("/", Some("v=2"))]);
}

#[apply(async_test)]
async fn an_ipv6_literal_is_connected_to() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return; // This machine has no IPv6.
    }
    let gateway = Gateway::bind_to("[::1]:0").await;
    let host = gateway.address().to_string();
    gateway.guard(move |request| (request.header("host") != Some(&host)).then_some(400));
    let _node = Running::start(builder(&gateway).command("echo", echo));
    let mut connection = gateway.accept_node().await;
    connection.command("1", "echo", json!({}));
    connection.answer("1").await.result();
}

/// `localhost` is `::1` and `127.0.0.1` on most machines, and the gateway listens at the second only.
#[apply(async_test)]
async fn a_name_is_looked_up_and_its_addresses_are_tried() {
    let gateway = Gateway::bind().await;
    let url = format!("ws://localhost:{}", gateway.address().port());
    let _node = Running::start(describe(&url));
    gateway.accept_node().await;

    let node = describe("ws://no-such-host.invalid").build().unwrap();
    let mut events = node.handle().events();
    let _node = Running::run(node);
    loop {
        if let Some(Event::Node(NodeEvent::Lost { reason, .. })) = soon(events.next()).await {
            let reason = reason.to_string();
            assert!(reason.contains("no-such-host.invalid cannot be resolved"), "{reason}");
            break;
        }
    }
}
