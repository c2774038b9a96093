//! Every example does what it says, against the development gateway.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use clawnode_gateway::client::{Client, Submission};
use clawnode_gateway::{Config, Gateway};
use clawnode_protocol::peer::FromNode;
use clawnode_runtimes::{Connection, Said};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
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

#[tokio::test]
async fn minimal() {
    for program in [
        env!("CARGO_BIN_EXE_minimal_tokio"),
        env!("CARGO_BIN_EXE_minimal_smol"),
        env!("CARGO_BIN_EXE_minimal_async_std"),
    ] {
        let gateway = gateway().await;
        let _example = start(Command::new(program).arg(format!("ws://{gateway}")));
        let add = Submission::command("add")
            .input(to_raw_value(&json!({ "numbers": [1, 2.5] })).unwrap());
        assert_eq!(ask(&client(gateway), &add).await, json!({ "sum": 3.5 }));
    }
}

/// The development gateway has no messages of its own, so a scripted one plays its part.
#[tokio::test]
async fn custom_message() {
    let gateway = clawnode_runtimes::Gateway::bind().await;
    let example = start(Command::new(env!("CARGO_BIN_EXE_custom_message")).arg(gateway.url()));
    let mut connection = gateway.accept_node().await;
    assert_eq!(custom(&mut connection).await, json!({ "type": "hello", "from": "me" }));
    for (question, answer) in [
        (json!({ "type": "question", "text": "Why" }), "Why? I do not know."),
        (json!({ "type": "question" }), "I do not understand: missing field `text`"),
    ] {
        connection.custom(&question.to_string());
        let said = custom(&mut connection).await;
        assert_eq!(said["type"], "answer");
        assert!(said["text"].as_str().unwrap().starts_with(answer), "{said}");
    }
    connection.custom(r#"{"type":"bye"}"#);
    connection.closed().await;
    let said = ended(example).await;
    assert!(said.starts_with("said: Hello { from: \"me\" }\n"), "{said}");
    assert!(said.ends_with("stopped as asked\n"), "{said}");
}

async fn custom(connection: &mut Connection) -> Value {
    loop {
        if let Said::Message(FromNode::Custom { text, .. }) = connection.next().await {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

#[tokio::test]
async fn two_gateways() {
    let gateways = [gateway().await, gateway().await];
    let urls = gateways.map(|gateway| format!("ws://{gateway}"));
    let _example = start(Command::new(env!("CARGO_BIN_EXE_two_gateways")).args(urls));
    let clients = gateways.map(client);
    for (count, index) in [(1, 0), (2, 1), (3, 1), (4, 0)] {
        let counted = ask(&clients[index], &Submission::command("count")).await;
        assert_eq!(counted, json!({ "count": count }));
    }
}

#[tokio::test]
async fn supervised() {
    let program = env!("CARGO_BIN_EXE_supervised");
    // Nobody is there.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gave_up = soon(Command::new(program).arg(format!("ws://{nobody}")).output()).await.unwrap();
    assert!(!gave_up.status.success());
    let said = String::from_utf8(gave_up.stdout).unwrap();
    assert_eq!(said.lines().filter(|line| line.starts_with("attempt")).count(), 3, "{said}");

    // The first token is wrong, and put right before the second life.
    let mut config = Config::new(([127, 0, 0, 1], 0).into());
    config.auth_token = Some("right".to_owned().into());
    let gateway = serve(config).await;
    let token = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("supervised-token");
    std::fs::write(&token, "wrong").unwrap();
    let mut example =
        start(Command::new(program).arg(format!("ws://{gateway}")).env("TOKEN_FILE", &token));
    let mut lines = BufReader::new(example.stdout.take().unwrap()).lines();
    let line = soon(lines.next_line()).await.unwrap().unwrap();
    assert!(line.starts_with("life 1: the token is refused"), "{line}");
    std::fs::write(&token, "right").unwrap();
    let url = format!("http://{gateway}");
    let client = Client::new(&url, Some("right".to_owned().into())).unwrap();
    let life = ask(&client, &Submission::command("life")).await["life"].as_u64().unwrap();
    assert!((2..=3).contains(&life), "{life}");
}

#[tokio::test]
async fn workflows() {
    let gateway = gateway().await;
    let _example =
        start(Command::new(env!("CARGO_BIN_EXE_workflows")).arg(format!("ws://{gateway}")));
    let graph = json!({
        "nodes": [
            { "id": "who", "type": "nodetool.input.StringInput", "data": { "name": "who" } },
            { "id": "join", "type": "nodetool.text.Concat", "data": { "a": "hello " } },
            { "id": "out", "type": "nodetool.output.Output", "data": { "name": "greeting" } },
        ],
        "edges": [
            { "source": "who", "sourceHandle": "output", "target": "join", "targetHandle": "b" },
            { "source": "join", "sourceHandle": "output", "target": "out", "targetHandle": "value" },
        ],
    });
    let params = to_raw_value(&json!({ "who": "world" })).unwrap();
    let submission = Submission::graph(to_raw_value(&graph).unwrap()).input(params);
    let result = ask(&client(gateway), &submission).await;
    assert_eq!(result["result"]["greeting"][0], "hello world");
}

#[tokio::test]
async fn axum_app() {
    let gateway = gateway().await;
    let mut example = start(
        Command::new(env!("CARGO_BIN_EXE_axum_app"))
            .args([&format!("ws://{gateway}"), "127.0.0.1:0"]),
    );
    let mut lines = BufReader::new(example.stdout.take().unwrap()).lines();
    let page = soon(lines.next_line()).await.unwrap().unwrap();
    let note = to_raw_value(&json!({ "text": "buy milk" })).unwrap();
    let kept = ask(&client(gateway), &Submission::command("note").input(note)).await;
    assert_eq!(kept, json!({ "notes": 1 }));
    let mut stream = TcpStream::connect(page.strip_prefix("http://").unwrap()).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    let shown: Value = serde_json::from_str(body).unwrap();
    assert_eq!(shown, json!({ "gateway": "ready", "running": 0, "notes": ["buy milk"] }));
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
    serve(Config::new(([127, 0, 0, 1], 0).into())).await
}

async fn serve(config: Config) -> SocketAddr {
    let gateway = Gateway::bind(config).await.unwrap();
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
