use std::time::Duration;

use clawnode_runtime::openclaw::{Identity, Openclaw};
use clawnode_runtime::{BuildError, Connection, Event, LostReason, StopReason};
use clawnode_runtimes::{Gateway, Proxy, soon};
use macro_rules_attribute::apply;
use serde_json::json;

use super::{Node, Running, builder, describe, echo, tls};

#[apply(async_test)]
async fn a_proxy_opens_the_way_to_the_gateway() {
    let gateway = Gateway::bind().await;
    let proxy = Proxy::bind(None).await;
    let url = format!("http://{}", proxy.address());
    let node = Running::start(builder(&gateway).proxy(&url).unwrap().command("echo", echo));
    for attempt in 1..=2 {
        let mut connection = gateway.accept_node().await;
        connection.command("1", "echo", json!({ "attempt": attempt }));
        connection.answer("1").await.result();
        drop(connection);
    }
    assert_eq!(proxy.asked()[..2], vec![format!("CONNECT {} HTTP/1.1", gateway.address()); 2]);
    node.abort();
}

/// The proxy looks the name up, and sees nothing of what is said.
#[apply(async_test)]
async fn tls_goes_through_the_tunnel_and_the_login_is_shown() {
    let (gateway, file) = tls::gateway("localhost", "tunnel-ca").await;
    let proxy = Proxy::bind(Some("Basic YWRhOnMzY3JldA==")).await;
    let url = format!("http://ada:s3cret@{}", proxy.address());
    let gate = format!("localhost:{}", gateway.address().port());
    let node = describe(&format!("wss://{gate}")).tls_ca(&file.0).proxy(&url).unwrap();
    let node = node.heartbeat_interval(Duration::from_secs(5)).command("echo", echo);
    assert!(!format!("{node:?}").contains("s3cret"));
    let _node = Running::start(node);
    let mut connection = gateway.accept_node().await;
    let text = "z".repeat(3 << 20);
    connection.command("1", "echo", json!({ "text": text }));
    let result = connection.answer("1").await.result();
    assert_eq!(result["echo"]["text"].as_str().map(str::len), Some(3 << 20));
    assert_eq!(proxy.asked(), [format!("CONNECT {gate} HTTP/1.1")]);
}

#[apply(async_test)]
async fn a_proxy_that_wants_another_login_ends_the_node() {
    let gateway = Gateway::bind().await;
    let proxy = Proxy::bind(Some("Basic YWRhOnMzY3JldA==")).await;
    for login in ["", "ada:wrong@"] {
        let url = format!("http://{login}{}", proxy.address());
        let reason = Running::start(builder(&gateway).proxy(&url).unwrap()).stopped().await;
        assert!(matches!(reason, StopReason::ProxyRefused { status: 407, .. }), "{reason:?}");
        let text = "the proxy refused the connection: 407 Proxy Authentication Required";
        assert_eq!(reason.to_string(), text);
    }
}

#[apply(async_test)]
async fn a_way_that_is_not_there_now_is_tried_again() {
    let mut gateway = Gateway::bind().await;
    gateway.close();
    let proxy = Proxy::bind(None).await;
    let url = format!("http://{}", proxy.address());
    let node = builder(&gateway).proxy(&url).unwrap().build().unwrap();
    let mut events = node.handle().events();
    let _node = Running::run(node);
    loop {
        if let Some(Event::Connection(Connection::Lost { reason, .. })) = soon(events.next()).await
        {
            assert!(matches!(reason, LostReason::ProxyRefused { status: 502, .. }), "{reason:?}");
            break;
        }
    }
    gateway.reopen().await;
    gateway.accept_node().await;
}

#[apply(async_test)]
async fn what_is_no_proxy_is_named() {
    let other = Gateway::bind().await;
    let mut nobody = Gateway::bind().await;
    nobody.close();
    let answers = Gateway::bind().await;
    for (proxy, expected) in [
        (&nobody, "the proxy cannot be reached: "),
        (&answers, "the proxy's answer is not HTTP; is it an HTTP proxy?"),
    ] {
        let url = format!("http://{}", proxy.address());
        let node = builder(&other).proxy(&url).unwrap().build().unwrap();
        let mut events = node.handle().events();
        let _node = Running::run(node);
        if std::ptr::eq(proxy, &answers) {
            let mut stream = answers.accept_stream().await;
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"SSH-2.0-x\r\n").await.unwrap();
        }
        loop {
            if let Some(Event::Connection(Connection::Lost { reason, .. })) =
                soon(events.next()).await
            {
                let LostReason::ConnectFailed(why) = reason else { panic!("{reason:?}") };
                assert!(why.contains(expected), "{why}");
                break;
            }
        }
    }
}

/// Whoever runs the proxy could read along without TLS, and its `localhost` is another machine.
#[apply(async_test)]
async fn behind_a_proxy_a_gateway_is_as_private_as_the_proxy() {
    let node = |url: &str, proxy: Option<&str>| {
        let openclaw = Openclaw::node(Identity::from_seed([7; 32]), "1");
        let node = Node::builder(url).unwrap().openclaw(openclaw);
        match proxy {
            Some(proxy) => node.proxy(proxy).unwrap(),
            None => node,
        }
    };
    assert!(node("ws://127.0.0.1:1", None).is_loopback());
    assert!(!node("ws://127.0.0.1:1", Some("http://127.0.0.1:2")).is_loopback());
    for (url, proxy, refused) in [
        ("ws://10.0.0.1", None, false),
        ("ws://10.0.0.1", Some("http://10.0.0.2:3128"), false),
        ("ws://10.0.0.1", Some("http://proxy.example:3128"), true),
        ("wss://gate.example", Some("http://proxy.example:3128"), false),
    ] {
        let built = node(url, proxy).build();
        assert_eq!(built.err() == Some(BuildError::PublicWithoutTls), refused, "{url} {proxy:?}");
    }
}
