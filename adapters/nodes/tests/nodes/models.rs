use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::time::Duration;

use clawnode_nodes::{Access, ModelService, list_models};
use clawnode_protocol::Secret;
use clawnode_workflows::RunStatus;
use futures_lite::future::block_on;
use serde_json::{Value, json};

use crate::common::{
    Received, Server, all, answer, error_of, finish, last, limits, run_until, server, start,
};

const AGENT: &str = "nodetool.agents.Agent";

fn access(server: &Server) -> Access {
    let service = ModelService::new(server.url("/v1"))
        .key(Secret::new("sk-s3cret"))
        .default_model("small".to_owned());
    Access::default().models(service)
}

fn stream(stream: &mut TcpStream, events: &[&str]) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n");
    for event in events {
        let _ = stream.write_all(event.as_bytes());
        let _ = stream.flush();
    }
}

fn delta(content: &str) -> String {
    format!("data: {}\n\n", json!({"choices": [{"delta": {"content": content}}]}))
}

fn says(pieces: &'static [&'static str]) -> Server {
    server(move |_, to| {
        let mut events: Vec<String> = pieces.iter().map(|piece| delta(piece)).collect();
        events
            .push("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n".to_owned());
        events.push("data: [DONE]\n\n".to_owned());
        stream(to, &events.iter().map(String::as_str).collect::<Vec<_>>());
    })
}

fn asked(server: &Server) -> (Received, Value) {
    let received = server.received.recv_timeout(Duration::from_secs(20)).expect("it was asked");
    let body = serde_json::from_str(&received.body).unwrap();
    (received, body)
}

#[test]
fn an_agent_passes_an_answer_on() {
    let server = says(&["grü", "ße", "!"]);
    let data = json!({
        "model": {"type": "language_model", "provider": "openai", "id": "large"},
        "system": "Be short", "prompt": "Say hello", "max_tokens": 7,
        "history": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "type": "message"}],
    });
    let (events, outcome) = finish(start(&access(&server), AGENT, data, &["text", "chunk"]));
    assert_eq!((outcome.status, outcome.error), (RunStatus::Completed, None));
    assert_eq!(outcome.outputs["text"], [json!("grüße!")]);
    assert_eq!(outcome.outputs["chunk"].len(), 3);
    let chunks = events.iter().filter(|event| event.update_type == "chunk");
    let chunks: Vec<_> =
        chunks.map(|event| (event.data["content"].clone(), event.data["done"].clone())).collect();
    assert_eq!(json!(chunks), json!([["grü", false], ["ße", false], ["!", false], ["", true]]));
    let (received, body) = asked(&server);
    assert_eq!(received.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(received.headers["authorization"], "Bearer sk-s3cret");
    let expected = json!({
        "model": "large", "stream": true, "max_tokens": 7,
        "messages": [
            {"role": "system", "content": "Be short"}, {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"}, {"role": "user", "content": "Say hello"},
        ],
    });
    assert_eq!(body, expected);
}

#[test]
fn a_summarizer_asks_for_a_summary() {
    let server = says(&["short"]);
    let data = json!({"text": "a long text"});
    assert_eq!(
        last(&access(&server), "nodetool.agents.Summarizer", data, &["text"]),
        Ok(json!("short"))
    );
    let (_, body) = asked(&server);
    assert_eq!((&body["model"], &body["max_tokens"]), (&json!("small"), &Value::Null));
    assert_eq!(body["messages"][1], json!({"role": "user", "content": "a long text"}));
    assert_eq!(
        error_of(&access(&server), "nodetool.agents.Summarizer", json!({})),
        "there is no text to summarize"
    );
}

#[test]
fn a_list_generator_gives_items_as_they_come() {
    let server = says(&["<item>o", "ne</item><it", "em>two</item>"]);
    let data = json!({"prompt": "two numbers", "input_text": "of these"});
    let kind = "nodetool.generators.ListGenerator";
    let given = all(&access(&server), kind, data, &["item", "index", "output"]).unwrap();
    assert_eq!(given, json!({"item": ["one", "two"], "index": [0, 1], "output": [["one", "two"]]}));
    let (_, body) = asked(&server);
    assert_eq!(body["messages"][1]["content"], "two numbers\n\nof these");
    assert_eq!(error_of(&access(&server), kind, json!({})), "the prompt is empty");
}

#[test]
fn what_a_model_thinks_is_told_apart() {
    let server = server(|_, to| {
        stream(
            to,
            &[
                ": a comment\n\n",
                "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n",
                "data: {\"choices\":[]}\n\n",
                "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"yes\"},\"finish_reason\":\"length\"}]}\n\n",
            ],
        );
    });
    let (events, outcome) =
        finish(start(&access(&server), AGENT, json!({"prompt": "?"}), &["text", "thinking"]));
    assert_eq!(outcome.outputs["text"], [json!("yes")]);
    assert_eq!(outcome.outputs["thinking"][0]["content"], "hm");
    let warned = events.iter().any(|event| {
        event.data["content"] == "the model stopped at max_tokens, so its answer is not all"
    });
    assert!(warned);
}

#[test]
fn a_service_that_does_not_stream_is_understood() {
    let server = server(|_, to| {
        let body = json!({"choices": [{"message": {"role": "assistant", "content": "whole"}, "finish_reason": "stop"}]});
        answer(to, "200 OK", "Content-Type: application/json\r\n", body.to_string());
    });
    assert_eq!(
        last(&access(&server), AGENT, json!({"prompt": "?"}), &["text"]),
        Ok(json!("whole"))
    );
}

#[test]
fn errors_say_what_to_do_and_never_the_key() {
    for (status, body, said) in [
        (
            "401 Unauthorized",
            r#"{"error":{"message":"Incorrect key sk-s3cret"}}"#,
            "Incorrect key (key); give its key with --models-key-file",
        ),
        (
            "404 Not Found",
            r#"{"error":"model \"x\" not found"}"#,
            "model \"x\" not found; check the model's name",
        ),
        ("429 Too Many Requests", "", "429 Too Many Requests; try later"),
        (
            "500 Internal Server Error",
            "<h1>oops sk-s3cret</h1>",
            "500 Internal Server Error: <h1>oops (key)</h1>",
        ),
        ("400 Bad Request", r#"{"detail":"no"}"#, "400 Bad Request: no"),
        ("302 Found", "", "302 Found"),
    ] {
        let server = server(move |_, to| {
            answer(to, status, "Location: http://127.0.0.1:1/sk-s3cret\r\n", body)
        });
        let error = error_of(&access(&server), AGENT, json!({"prompt": "?"}));
        assert!(error.contains(said) || status.starts_with("302"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    let refused = Access::default()
        .models(ModelService::new("http://127.0.0.1:1/v1").default_model("m".to_owned()));
    assert!(
        error_of(&refused, AGENT, json!({"prompt": "?"}))
            .contains("the model service cannot be reached")
    );
    assert!(error_of(&Access::default(), AGENT, json!({"prompt": "?"})).contains("--models-url"));
    let nameless = Access::default().models(ModelService::new("http://127.0.0.1:1"));
    assert!(error_of(&nameless, AGENT, json!({"prompt": "?"})).contains("names no model"));
}

#[test]
fn a_redirect_does_not_get_the_key() {
    let other = says(&["no"]);
    let target = format!("Location: {}\r\n", other.url("/v1/chat/completions"));
    let server = server(move |_, to| answer(to, "307 Temporary Redirect", &target, ""));
    assert!(error_of(&access(&server), AGENT, json!({"prompt": "?"})).contains("redirect"));
    assert!(other.received.try_recv().is_err());
}

#[test]
fn an_answer_that_breaks_off_is_an_error() {
    for (events, said) in [
        (vec![delta("half")], "broke off after 4 letters"),
        (vec![], "broke off after 0 letters"),
        (
            vec![
                delta("half"),
                "data: {\"error\":{\"message\":\"overloaded sk-s3cret\"}}\n\n".to_owned(),
            ],
            "reports an error: overloaded (key)",
        ),
        (vec!["data: nonsense\n\n".to_owned()], "no part of an answer"),
    ] {
        let server =
            server(move |_, to| stream(to, &events.iter().map(String::as_str).collect::<Vec<_>>()));
        let error = error_of(&access(&server), AGENT, json!({"prompt": "?"}));
        assert!(error.contains(said) && !error.contains("s3cret"), "{error}");
    }
    // In the middle of an announced body.
    let server = server(|_, to| {
        let _ = to.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 1000\r\n\r\n",
        );
        let _ = to.write_all(delta("half").as_bytes());
    });
    let error = error_of(&access(&server), AGENT, json!({"prompt": "?"}));
    assert!(error.contains("broke off after 4 letters"), "{error}");
}

#[test]
fn what_an_agent_cannot_do_it_says() {
    let server = says(&["x"]);
    for (data, said) in [
        (json!({"prompt": "?", "tools": ["search"]}), "does not support tools"),
        (json!({"prompt": "?", "mode": "plan"}), "a mode other than loop"),
        (
            json!({"prompt": "?", "image": [{"type": "image", "uri": "file:///x"}]}),
            "does not support images",
        ),
        (json!({"prompt": "?", "thread_id": "t"}), "does not support a thread_id"),
        (json!({"prompt": "?", "history": ["x"]}), "role and content"),
        (json!({}), "the prompt is empty"),
    ] {
        let error = error_of(&access(&server), AGENT, data);
        assert!(error.contains(said), "{error}");
    }
    let empty = json!({"prompt": "?", "image": [{"type": "image", "uri": "", "asset_id": null}]});
    assert_eq!(last(&access(&server), AGENT, empty, &["text"]), Ok(json!("x")));
}

#[test]
fn an_answer_at_the_bound_is_taken_and_a_larger_one_is_not() {
    let whole = delta("0123456789") + "data: [DONE]\n\n";
    let size = whole.len();
    let server = server(move |_, to| stream(to, &[&whole]));
    let ask = |most: usize| {
        last(
            &access(&server).limits(limits(|limits| limits.model_bytes = most)),
            AGENT,
            json!({"prompt": "?"}),
            &["text"],
        )
    };
    assert_eq!(ask(size), Ok(json!("0123456789")));
    assert!(ask(size - 1).unwrap_err().contains("larger than"));
}

#[test]
fn a_model_that_falls_silent_is_given_up() {
    let server = server(|_, to| {
        stream(to, &[&delta("a")]);
        std::thread::sleep(Duration::from_secs(20));
    });
    let short = |change: fn(&mut clawnode_nodes::Limits)| access(&server).limits(limits(change));
    for access in [
        short(|limits| limits.model_silence = Duration::from_secs(2)),
        short(|limits| limits.model_time = Duration::from_secs(2)),
    ] {
        let error = error_of(&access, AGENT, json!({"prompt": "?"}));
        assert!(
            error.contains("broke off after 1 letters") && error.contains("in time"),
            "{error}"
        );
    }
}

#[test]
fn a_run_that_is_dropped_ends_its_request() {
    let (sender, ended) = channel();
    let (begun, arrived) = channel();
    let server = server(move |_, to| {
        stream(to, &[&delta("a")]);
        let _ = begun.send(());
        let _ = std::io::Read::read(to, &mut [0; 1]);
        let _ = sender.send(());
    });
    let mut run = start(&access(&server), AGENT, json!({"prompt": "?"}), &[]);
    run_until(&mut run, &arrived);
    drop(run);
    ended.recv_timeout(Duration::from_secs(20)).expect("the connection is closed");
}

#[test]
fn models_are_listed() {
    let server = server(|request, to| {
        assert_eq!(request.line, "GET /v1/models HTTP/1.1");
        assert_eq!(request.headers["authorization"], "Bearer sk-s3cret");
        let body = json!({"object": "list", "data": [{"id": "b", "owned_by": "me"}, {"id": "a"}]});
        answer(to, "200 OK", "", body.to_string());
    });
    let listed = block_on(list_models(&access(&server))).unwrap();
    let listed: Vec<_> =
        listed.iter().map(|model| (model.id.as_str(), model.owner.as_deref())).collect();
    assert_eq!(listed, [("b", Some("me")), ("a", None)]);
    assert_eq!(block_on(list_models(&Access::default())), Ok(vec![]));
    let refused = Access::default().models(ModelService::new("http://127.0.0.1:1/v1"));
    assert!(block_on(list_models(&refused)).unwrap_err().to_string().contains("cannot be reached"));
}

#[test]
fn a_list_of_as_many_models_as_the_bound_is_given_and_no_more() {
    for (count, expected) in [(10_000, 10_000), (10_001, 10_000)] {
        let server = server(move |_, to| {
            let data: Vec<Value> = (0..count).map(|id| json!({"id": id.to_string()})).collect();
            answer(to, "200 OK", "", json!({"data": data}).to_string());
        });
        assert_eq!(block_on(list_models(&access(&server))).unwrap().len(), expected);
    }
}

#[test]
fn an_agent_takes_variables_and_no_more_than_a_request_holds() {
    let server = says(&["x"]);
    let data = json!({"prompt": "Classify {{subject}}", "system": "Speak {language}", "subject": "a cat", "language": "Latin"});
    assert_eq!(last(&access(&server), AGENT, data, &["text"]), Ok(json!("x")));
    let (_, body) = asked(&server);
    assert_eq!(body["messages"][0]["content"], "Speak Latin");
    assert_eq!(body["messages"][1]["content"], "Classify a cat");
    let size = body.to_string().len();
    let ask = |most: usize| {
        let access = access(&server).limits(limits(|limits| limits.request_bytes = most));
        let data = json!({"prompt": "Classify a cat", "system": "Speak Latin"});
        last(&access, AGENT, data, &["text"])
    };
    assert_eq!(ask(size), Ok(json!("x")));
    assert!(ask(size - 1).unwrap_err().contains("what the model is asked is larger than"));
}
