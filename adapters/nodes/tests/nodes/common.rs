//! Shared by the tests: running one node, and a server that says what it is told.
#![allow(dead_code, reason = "not every feature uses everything")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use clawnode_nodes::{Access, Limits};
use clawnode_workflows::{
    Edge, Engine, Graph, Node, NodeLibrary, Run, RunEvent, RunOutcome, RunRequest, RunStatus,
};
use futures_lite::future::{block_on, or, yield_now};
use serde_json::{Map, Value, json};

pub fn engine(access: &Access) -> Engine {
    let mut library = NodeLibrary::standard();
    clawnode_nodes::register(&mut library, access);
    Engine::new(Arc::new(library))
}

/// A run of one node, whose outputs `outputs` are results of the run.
pub fn start(access: &Access, kind: &str, data: Value, outputs: &[&str]) -> Run {
    let mut node = Node::new("n", kind);
    let Value::Object(data) = data else { panic!("data is an object") };
    let known = engine(access);
    let known = known.library().get(kind).expect("the type is there");
    for (name, value) in data {
        let own = known.find_property(&name).is_some();
        if own { &mut node.data } else { &mut node.dynamic_properties }.insert(name, value);
    }
    let mut graph = Graph { nodes: vec![node], edges: Vec::new(), extra: Map::new() };
    for output in outputs {
        if known.find_output(output).is_none() {
            graph.nodes[0].dynamic_outputs.insert((*output).to_owned(), json!({"type": "any"}));
        }
        let mut out = Node::new(format!("out-{output}"), "nodetool.output.Output");
        out.data.insert("name".to_owned(), (*output).into());
        graph.nodes.push(out);
        graph.edges.push(Edge::new("n", output, &format!("out-{output}"), "value"));
    }
    engine(access).run(RunRequest::new("job", graph)).unwrap_or_else(|error| panic!("{error}"))
}

pub fn finish(mut run: Run) -> (Vec<RunEvent>, RunOutcome) {
    block_on(async {
        let mut events = Vec::new();
        while let Some(event) = run.next_event().await {
            events.push(event);
        }
        (events, run.into_outcome().expect("a run has an outcome"))
    })
}

/// All values of each output.
pub fn all(access: &Access, kind: &str, data: Value, outputs: &[&str]) -> Result<Value, String> {
    let (_, outcome) = finish(start(access, kind, data, outputs));
    match outcome.status {
        RunStatus::Completed => Ok(json!(outcome.outputs)),
        _ => {
            let error = outcome.error.expect("a failed run has an error");
            let place = format!(" (node n, {kind})");
            Err(error.strip_suffix(&place).expect("the error names the node").to_owned())
        }
    }
}

/// The last value of each output; of a single output just that.
pub fn last(access: &Access, kind: &str, data: Value, outputs: &[&str]) -> Result<Value, String> {
    let mut lasts: BTreeMap<String, Value> = BTreeMap::new();
    for (name, values) in all(access, kind, data, outputs)?.as_object().unwrap() {
        lasts.insert(name.clone(), values.as_array().unwrap().last().unwrap().clone());
    }
    match outputs {
        [single] => Ok(lasts.remove(*single).unwrap_or_default()),
        _ => Ok(json!(lasts)),
    }
}

pub fn of(access: &Access, kind: &str, data: Value) -> Result<Value, String> {
    last(access, kind, data, &["output"])
}

#[track_caller]
pub fn error_of(access: &Access, kind: &str, data: Value) -> String {
    match all(access, kind, data, &[]) {
        Ok(_) => panic!("{kind} does not fail"),
        Err(error) => error,
    }
}

pub fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

/// A request as it came.
#[derive(Debug)]
pub struct Received {
    pub line: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

pub struct Server {
    pub port: u16,
    pub received: Receiver<Received>,
}

impl Server {
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

/// Answers each request with what `answer` makes of it, then closes the connection.
pub fn server(answer: impl Fn(&Received, &mut TcpStream) + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, received) = channel();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (answer, sender) = (Arc::clone(&answer), sender.clone());
            thread::spawn(move || {
                let mut stream = stream;
                let Some(request) = receive(&stream) else { return };
                answer(&request, &mut stream);
                let _ = sender.send(request);
            });
        }
    });
    Server { port, received }
}

fn receive(stream: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received {
        line: line.trim_end().to_owned(),
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}

/// A whole HTTP answer.
pub fn answer(stream: &mut TcpStream, status: &str, headers: &str, body: impl AsRef<[u8]>) {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    );
    // Whoever asked may have gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

pub async fn sleep(time: Duration) {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        thread::sleep(time);
        let _ = sender.send(());
    });
    while receiver.try_recv().is_err() {
        yield_now().await;
    }
}

/// Lets a run work until `arrived` has something.
pub fn run_until<T>(run: &mut Run, arrived: &Receiver<T>) {
    let ends = async {
        while run.next_event().await.is_some() {}
        panic!("the run ended");
    };
    let arrives = async {
        while arrived.try_recv().is_err() {
            yield_now().await;
        }
    };
    block_on(or(ends, arrives));
}
