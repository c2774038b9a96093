use clawnode_runtime::{Context, Failed, NoArgs, Workflow, WorkflowSource};
use clawnode_runtimes::Gateway;
use macro_rules_attribute::apply;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Running, builder};

#[derive(Deserialize)]
struct Repeat {
    text: String,
    #[serde(default = "once")]
    times: usize,
}

fn once() -> usize {
    1
}

#[derive(Serialize)]
struct Repeated {
    text: String,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("the disk is unusable")]
    Disk(#[source] Cause),
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write")]
struct Cause(#[source] std::io::Error);

async fn repeat(_: Context, args: Repeat) -> Result<Repeated, std::convert::Infallible> {
    Ok(Repeated { text: args.text.repeat(args.times) })
}

#[apply(async_test)]
async fn typed_arguments_and_results() {
    let gateway = Gateway::bind().await;
    let _node = Running::start(builder(&gateway).command("repeat", repeat));
    let mut connection = gateway.accept_node().await;
    connection.command("1", "repeat", json!({ "text": "ab", "times": 2, "user_id": "1" }));
    let answer = connection.answer("1").await;
    assert!(answer.accepted);
    assert_eq!(answer.result(), json!({ "text": "abab" }));
    for (index, (args, error)) in [
        (json!({}), "missing argument `text`"),
        (json!({ "text": 1 }), "argument `text`: invalid type: integer `1`, expected a string"),
        (
            json!({ "text": "a", "times": -1 }),
            "argument `times`: invalid value: integer `-1`, expected usize",
        ),
        (json!({ "text": "a", "tims": 3 }), "unknown argument `tims`"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("bad-{index}");
        connection.command(&id, "repeat", args);
        let answer = connection.answer(&id).await;
        assert_eq!(answer.error(), format!("invalid arguments for command `repeat`: {error}"));
    }
    connection.command("x", "reapeat", json!({}));
    let answer = connection.answer("x").await;
    assert_eq!(answer.error(), "unknown command `reapeat`; this node serves: repeat");
}

#[apply(async_test)]
async fn failures_are_answered_whatever_they_are() {
    let gateway = Gateway::bind().await;
    let _node = Running::start(
        builder(&gateway)
            .command("chain", |_, _: NoArgs| async {
                let cause = Cause(std::io::Error::other("no space left"));
                Err::<Value, _>(Problem::Disk(cause))
            })
            .command("partial", |_, _: NoArgs| async {
                Err::<Value, _>(Failed::new("half done").with_partial(&json!({ "done": 1 })))
            })
            .command("panic", |_, _: NoArgs| async {
                if true {
                    panic!("broken at {}", 7);
                }
                Ok::<Value, Failed>(json!({}))
            })
            .command("early-panic", |_, _: NoArgs| {
                if true {
                    panic!("too early");
                }
                std::future::ready(Ok::<Value, Failed>(json!({})))
            })
            .blocking_command("blocking-panic", |_, _: NoArgs| -> Result<Value, Failed> {
                panic!("blocked and broken")
            })
            .command("array", |_, _: NoArgs| async { Ok::<_, Failed>([1, 2]) })
            .command("nan", |_, _: NoArgs| async {
                Ok::<_, Failed>(std::collections::BTreeMap::from([("x", f64::NAN)]))
            }),
    );
    let mut connection = gateway.accept_node().await;
    for (name, error) in [
        ("chain", "the disk is unusable: cannot write: no space left"),
        ("partial", "half done"),
        ("panic", "the command `panic` panicked: broken at 7"),
        ("early-panic", "the command `early-panic` panicked: too early"),
        ("blocking-panic", "the command `blocking-panic` panicked: blocked and broken"),
        (
            "array",
            "the result of the command `array` cannot be sent: it must be a JSON object, not an array",
        ),
        (
            "nan",
            "the result of the command `nan` cannot be sent: it holds a number that JSON cannot express (NaN or infinity)",
        ),
    ] {
        connection.command(name, name, json!({}));
        let answer = connection.answer(name).await;
        assert_eq!(answer.error(), error);
        if let ("partial", clawnode_protocol::Outcome::Failed(failure)) = (name, &answer.outcome) {
            assert_eq!(failure.partial.as_ref().unwrap().get(), r#"{"done":1}"#);
        }
    }
}

#[apply(async_test)]
async fn handlers_know_their_request() {
    let gateway = Gateway::bind().await;
    let about = |context: Context| {
        json!({
            "request": context.request_id(),
            "job_length": context.job_id().to_string().len(),
            "user": context.user_id(),
            "command": context.command(),
            "deadline": context.deadline().is_some(),
            "cancelled": context.is_cancelled(),
        })
    };
    let _node = Running::start(
        builder(&gateway)
            .user_id("owner")
            .command(
                "about",
                move |context, _: NoArgs| async move { Ok::<_, Failed>(about(context)) },
            )
            .workflows(move |context, workflow: Workflow| async move {
                let WorkflowSource::Id(id) = workflow.source else {
                    return Err(Failed::new("an id was expected"));
                };
                let params: Value = serde_json::from_str(workflow.params.get())?;
                Ok(json!({ "id": id, "params": params, "about": about(context) }))
            }),
    );
    let mut connection = gateway.accept_node().await;
    let expected = |request: &str, command: Option<&str>| {
        json!({
            "request": request, "job_length": 36, "user": "owner", "command": command,
            "deadline": false, "cancelled": false,
        })
    };
    connection.command("1", "about", json!({}));
    assert_eq!(connection.answer("1").await.result(), expected("1", Some("about")));
    connection.workflow("2", "w", json!({ "a": [1] }));
    let result = connection.answer("2").await.result();
    assert_eq!(result, json!({ "id": "w", "params": { "a": [1] }, "about": expected("2", None) }));
}
