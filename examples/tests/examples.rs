//! Every example does what it says, against the development gateway.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use clawnode_gateway::client::{Client, Submission};
use clawnode_gateway::{Config, Gateway};
use serde_json::Value;
use tokio::process::{Child, Command};

#[tokio::test]
async fn in_memory() {
    let said = soon(Command::new(env!("CARGO_BIN_EXE_in_memory")).output()).await.unwrap();
    assert!(said.status.success(), "{said:?}");
    let said = String::from_utf8(said.stdout).unwrap();
    let lines: Vec<&str> = said.lines().map(|line| line.split_once(": ").unwrap().1).collect();
    assert_eq!(
        lines,
        [
            "ready",
            "the connection broke: somebody pulled the cable",
            "ready",
            r#"{"text":"hello Ada"}"#,
            "stopped as asked"
        ]
    );
}

#[tokio::test]
async fn blocking() {
    greets_three_times("blocking", env!("CARGO_BIN_EXE_blocking")).await;
}

#[tokio::test]
async fn readiness() {
    greets_three_times("readiness", env!("CARGO_BIN_EXE_readiness")).await;
}

async fn greets_three_times(node: &str, program: &str) {
    let gateway = gateway().await;
    let example = start(Command::new(program).arg(gateway.to_string()));
    let client = client(gateway);
    for _ in 0..3 {
        let answer = ask(&client, &Submission::command("greet").node_id(node)).await;
        assert!(answer["text"].as_str().unwrap().starts_with("hello from"), "{answer}");
    }
    let said = ended(example).await;
    assert!(said.contains("Notify(Ready)"), "{said}");
    assert!(said.ends_with("stopped as asked\n"), "{said}");
}

/// A gateway that lives as long as the test's runtime.
async fn gateway() -> SocketAddr {
    let gateway = Gateway::bind(Config::new(([127, 0, 0, 1], 0).into())).await.unwrap();
    let address = gateway.local_addr();
    tokio::spawn(gateway.run(std::future::pending()));
    address
}

fn client(gateway: SocketAddr) -> Client {
    Client::new(&format!("http://{gateway}"), None).unwrap()
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
}

/// Waits until the program has ended as it should; what it said.
async fn ended(program: Child) -> String {
    let output = soon(program.wait_with_output()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The result of a request, which a node must be there to take within the time a test has.
async fn ask(client: &Client, submission: &Submission) -> Value {
    let submitted = soon(async {
        loop {
            match client.submit(submission).await {
                Ok(submitted) => break submitted,
                // Not there yet.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    });
    let id = submitted.await.request_id;
    let info = client.result(&id, Some(Duration::from_secs(20))).await.unwrap();
    let result = info.result.unwrap_or_else(|| panic!("{:?} {:?}", info.status, info.error));
    serde_json::from_str(result.get()).unwrap()
}

/// Whatever a test waits for should be there well before this.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it should not take so long")
}
