use std::sync::Arc;
use std::time::Duration;

use clawnode_protocol::dialect::openclaw::Fingerprint;
use clawnode_runtime::{Event, LostReason, NodeEvent};
use clawnode_runtimes::{Gateway, soon};
use macro_rules_attribute::apply;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tokio_rustls::TlsAcceptor;

use super::credentials::TestFile;
use super::{Node, NodeBuilder, Running, builder, echo};

/// A certificate authority of the test's own, and a gateway for `name` certified by it.
pub(super) async fn gateway(name: &str, file: &str) -> (Gateway, TestFile) {
    let (gateway, file, _) = certified(name, file).await;
    (gateway, file)
}

/// The same, and the fingerprint of the gateway's certificate.
async fn certified(name: &str, file: &str) -> (Gateway, TestFile, Fingerprint) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let file = TestFile::new(file);
    file.write(&authority.pem());

    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let gateway = Gateway::with_tls(TlsAcceptor::from(Arc::new(config))).await;
    (gateway, file, Fingerprint::of(certificate.der()))
}

#[apply(async_test)]
async fn a_private_authority_is_trusted_when_its_file_is_given() {
    let (gateway, file) = gateway("127.0.0.1", "good-ca").await;
    let patient = builder(&gateway).heartbeat_interval(Duration::from_secs(5));
    let node = Running::start(patient.tls_ca(&file.0).command("echo", echo));
    let mut connection = gateway.accept_node().await;
    let text = "z".repeat(3 << 20);
    for request in ["1", "2"] {
        connection.command(request, "echo", json!({ "text": text }));
    }
    for request in ["1", "2"] {
        let result = connection.answer(request).await.result();
        assert_eq!(result["echo"]["text"].as_str().map(str::len), Some(3 << 20));
    }
    node.handle.stop(Duration::ZERO);
    connection.closed().await;
    node.stopped().await;
}

async fn reason(gateway: Gateway, change: impl FnOnce(NodeBuilder) -> NodeBuilder) -> String {
    let node = Running::start(change(builder(&gateway)));
    let mut events = node.handle.events();
    let _connection = gateway.accept().await;
    loop {
        if let Some(Event::Node(NodeEvent::Lost { reason, .. })) = soon(events.next()).await {
            let LostReason::ConnectFailed(why) = reason else { panic!("{reason:?}") };
            return why;
        }
    }
}

#[apply(async_test)]
async fn other_authorities_are_not_trusted() {
    let (one, _file) = gateway("127.0.0.1", "one-ca").await;
    let (_, other) = gateway("127.0.0.1", "other-ca").await;
    let why = reason(one, |node| node.tls_ca(&other.0)).await;
    assert!(why.contains("invalid peer certificate"), "{why}");
}

#[apply(async_test)]
async fn other_names_are_not_trusted() {
    let (gateway, file) = gateway("gate.example", "name-ca").await;
    let why = reason(gateway, |node| node.tls_ca(&file.0)).await;
    assert!(why.contains("not valid for name"), "{why}");
}

/// Neither its name nor who vouches for it matters then.
#[apply(async_test)]
async fn the_pinned_certificate_is_taken_and_no_other() {
    let (named, _file, fingerprint) = certified("gate.example", "pinned-ca").await;
    let node = Running::start(builder(&named).tls_fingerprint(fingerprint).command("echo", echo));
    let mut connection = named.accept_node().await;
    connection.command("1", "echo", json!({}));
    connection.answer("1").await.result();
    node.abort();

    let (other, _file, other_fingerprint) = certified("gate.example", "unpinned-ca").await;
    let why = reason(other, |node| node.tls_fingerprint(fingerprint)).await;
    assert!(why.contains("is not the pinned one"), "{why}");
    assert!(why.contains(&other_fingerprint.to_string()), "{why}");
}

#[apply(async_test)]
async fn a_gateway_without_tls_is_named_as_such() {
    let (tls, file) = gateway("127.0.0.1", "plain-ca").await;
    let plain = Gateway::bind().await;
    let url = format!("wss://{}", plain.address());
    let node = Running::start(Node::builder(&url).unwrap().tls_ca(&file.0));
    drop(tls);
    let mut events = node.handle.events();
    let mut stream = plain.accept_stream().await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .unwrap();
    loop {
        if let Some(Event::Node(NodeEvent::Lost { reason, .. })) = soon(events.next()).await {
            assert!(reason.to_string().contains("does the gateway speak TLS"), "{reason}");
            break;
        }
    }
}
