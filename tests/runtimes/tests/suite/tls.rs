use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clawnode_protocol::dialect::openclaw::Fingerprint;
use clawnode_runtime::tls::{Tls, TlsError, TlsFault};
use clawnode_runtime::{Connection, Event, LostReason, Runtime};
use clawnode_runtimes::{Gateway, beside, soon};
use macro_rules_attribute::apply;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tokio_rustls::TlsAcceptor;

use super::credentials::TestFile;
use super::{Node, NodeBuilder, Running, builder, echo};
use crate::Tested;

/// A certificate authority of the test's own, and a gateway for `name` certified by it.
pub(super) async fn gateway(name: &str, file: &str) -> (Gateway, TestFile) {
    let (config, file, _) = certified(name, file, rustls::ALL_VERSIONS);
    (Gateway::with_tls(TlsAcceptor::from(Arc::new(config))).await, file)
}

/// What a gateway for `name` needs, the file of the authority that vouches for it, and its certificate's fingerprint.
fn certified(
    name: &str,
    file: &str,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> (rustls::ServerConfig, TestFile, Fingerprint) {
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
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    (config, file, Fingerprint::of(certificate.der()))
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
        if let Some(Event::Connection(Connection::Lost { reason, .. })) = soon(events.next()).await
        {
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

/// Takes one connection, and gives all that is said on it.
fn serve_once(config: Arc<rustls::ServerConfig>) -> (SocketAddr, impl Future<Output = Vec<u8>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let acceptor = TlsAcceptor::from(config);
    let heard = beside(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        // In TLS 1.3 a server may be done before it hears that its certificate is not the one.
        if let Ok(mut stream) = acceptor.accept(stream).await {
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut heard).await;
        }
        heard
    });
    (address, heard)
}

#[apply(async_test)]
async fn a_pinned_certificate_needs_no_authority_and_no_name() {
    let (config, _file, fingerprint) = certified("gate.example", "pinned-ca", rustls::ALL_VERSIONS);
    let gateway = Gateway::with_tls(TlsAcceptor::from(Arc::new(config))).await;
    let node = Running::start(builder(&gateway).tls_fingerprint(fingerprint));
    let mut connection = gateway.accept_node().await;
    node.handle.stop(Duration::ZERO);
    connection.closed().await;
    node.stopped().await;
}

#[apply(async_test)]
async fn nothing_is_said_to_a_gateway_with_another_certificate_than_the_pinned_one() {
    for version in rustls::ALL_VERSIONS {
        let (config, _file, presented) = certified("127.0.0.1", "unpinned-ca", &[version]);
        let (address, server) = serve_once(Arc::new(config));
        let pinned = Fingerprint::of(b"another certificate");
        let node = Node::builder(&format!("wss://{address}")).unwrap().token("s3cret");
        let node = Running::start(node.tls_fingerprint(pinned));
        let mut events = node.handle.events();
        let why = loop {
            if let Some(Event::Connection(Connection::Lost { reason, .. })) =
                soon(events.next()).await
            {
                break reason.to_string();
            }
        };
        assert!(why.contains(&presented.to_string()) && why.contains(&pinned.to_string()), "{why}");
        assert_eq!(soon(server).await, b"", "{version:?}");
    }
}

#[apply(async_test)]
async fn a_look_at_tls_shows_the_certificate_and_what_is_wrong_with_it() {
    let (trusted, file, fingerprint) = certified("127.0.0.1", "look-ca", rustls::ALL_VERSIONS);
    let (misnamed, wrong_name_file, _) =
        certified("gate.example", "look-name-ca", rustls::ALL_VERSIONS);
    let tls = |file: &TestFile| Tls::new("127.0.0.1", Some(&file.0)).unwrap();
    let pinned = |pin| Tls::pinned("127.0.0.1", pin).unwrap();
    let (trusted, misnamed) = (Arc::new(trusted), Arc::new(misnamed));
    for (config, tls, expected) in [
        (&trusted, tls(&file), None),
        (&trusted, pinned(fingerprint), None),
        (&trusted, tls(&wrong_name_file), Some(TlsFault::UnknownAuthority)),
        (&trusted, pinned(Fingerprint::of(b"x")), Some(TlsFault::WrongFingerprint)),
        (&misnamed, tls(&wrong_name_file), Some(TlsFault::WrongName)),
    ] {
        let (address, server) = serve_once(Arc::clone(config));
        let stream = Tested.connect(address).await.unwrap();
        let seen = soon(tls.inspect(stream)).await;
        let fault = seen.stream.err().map(|error| {
            let inner = error.into_inner().expect("TLS says why");
            inner.downcast_ref::<TlsError>().expect("it is TLS that says so").fault()
        });
        assert_eq!(fault, expected);
        assert_eq!(seen.certificates.len(), 1);
        soon(server).await;
    }
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
        if let Some(Event::Connection(Connection::Lost { reason, .. })) = soon(events.next()).await
        {
            assert!(reason.to_string().contains("does the gateway speak TLS"), "{reason}");
            break;
        }
    }
}
