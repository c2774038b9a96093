use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clawnode_protocol::websocket::CloseCode;
use clawnode_runtime::{Connection, Event, LostReason, StopReason, TokenIn};
use clawnode_runtimes::{Gateway, soon};
use macro_rules_attribute::apply;

use super::{Running, builder};

/// A file that goes with the test.
pub(super) struct TestFile(pub(super) PathBuf);

impl TestFile {
    pub(super) fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("clawnode-{}-{name}", std::process::id())))
    }

    pub(super) fn write(&self, text: &str) {
        std::fs::File::create(&self.0).unwrap().write_all(text.as_bytes()).unwrap();
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn demand(gateway: &Gateway, token: &'static str) {
    gateway.guard(move |request| (request.bearer_token() != Some(token)).then_some(401));
}

#[apply(async_test)]
async fn a_token_opens_the_door_and_a_wrong_one_ends_the_node() {
    let gateway = Gateway::bind().await;
    demand(&gateway, "s3cret");
    let node = Running::start(builder(&gateway).token("s3cret"));
    let connection = gateway.accept_node().await;
    node.abort();
    drop(connection);

    let node = Running::start(builder(&gateway).token("wrong"));
    let _connection = gateway.accept().await;
    let reason = node.stopped().await;
    let StopReason::Refused(refusal) = &reason else { panic!("{reason:?}") };
    assert_eq!(refusal.status(), 401);
    assert!(!reason.to_string().contains("wrong"), "{reason}");
}

#[apply(async_test)]
async fn the_query_can_carry_the_token() {
    let gateway = Gateway::bind().await;
    gateway.guard(|request| (request.query() != Some("token=a%20b%26c")).then_some(401));
    let _node = Running::start(builder(&gateway).token("a b&c").token_in(TokenIn::Query));
    gateway.accept_node().await;
}

#[apply(async_test)]
async fn a_token_file_is_read_again_at_each_attempt() {
    let gateway = Gateway::bind().await;
    let file = TestFile::new("token");
    demand(&gateway, "first");
    let node = Running::start(builder(&gateway).token_file(&file.0));
    let mut events = node.handle.events();
    let mut expect = async |text: &str| loop {
        if let Some(Event::Connection(Connection::Lost { reason, .. })) = soon(events.next()).await
        {
            if matches!(&reason, LostReason::NoCredential(why) if why.contains(text)) {
                break;
            }
        }
    };
    expect("cannot be read (No such file").await;
    file.write(" \n");
    expect("is empty; write the token into it").await;
    file.write(&"x".repeat(65 << 10));
    expect("has more than 65536 bytes; is it the right file?").await;
    file.write("  first\n");
    let mut connection = gateway.accept_node().await;
    demand(&gateway, "second");
    file.write("second\n");
    connection.close(CloseCode::SERVICE_RESTART);
    connection.closed().await;
    gateway.accept_node().await;
}

#[apply(async_test)]
async fn a_provider_is_asked_at_each_attempt() {
    let gateway = Gateway::bind().await;
    gateway.guard(|request| (request.bearer_token() != Some("token-2")).then_some(503));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let node = builder(&gateway).credentials(move || {
        let attempt = count.fetch_add(1, Ordering::SeqCst);
        async move {
            match attempt {
                0 => Err("the vault is locked"),
                1 => panic!("no vault"),
                attempt => Ok(format!("token-{attempt}")),
            }
        }
    });
    let node = node.build().unwrap();
    let mut events = node.handle().events();
    let _node = Running::run(node);
    let _connection = gateway.accept_node().await;
    let mut why = Vec::new();
    while why.len() < 2 {
        if let Some(Event::Connection(Connection::Lost { reason, .. })) = soon(events.next()).await
        {
            why.push(reason.to_string());
        }
    }
    assert_eq!(
        why,
        [
            "cannot connect without a credential: the credentials provider gave no token: the vault is locked",
            "cannot connect without a credential: the credentials provider gave no token: it panicked",
        ]
    );
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}
