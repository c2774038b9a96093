use std::cell::RefCell;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use clawnode_runtime::Failed;
use clawnode_runtimes::{Gateway, yield_now};
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::{Node, Running, echo};

/// Keeps every log line as text, with the spans it stands in before it.
#[derive(Clone, Default)]
struct Lines {
    text: Arc<Mutex<String>>,
    /// What each span says of itself.
    spans: Arc<Mutex<Vec<String>>>,
}

thread_local! {
    static ENTERED: RefCell<Vec<Id>> = const { RefCell::new(Vec::new()) };
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut span = attributes.metadata().name().to_owned();
        attributes.record(&mut Fields(&mut span));
        let mut spans = self.spans.lock().unwrap();
        spans.push(span);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let spans = self.spans.lock().unwrap();
        let mut text = self.text.lock().unwrap();
        ENTERED.with_borrow(|entered| {
            for id in entered {
                write!(text, "[{}] ", spans[id.into_u64() as usize - 1]).unwrap();
            }
        });
        write!(text, "{}", event.metadata().level()).unwrap();
        event.record(&mut Fields(&mut text));
        text.push('\n');
    }

    fn enter(&self, id: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(id.clone()));
    }

    fn exit(&self, _: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.pop());
    }
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

#[apply(async_test)]
async fn requests_are_logged_and_secrets_are_not() {
    let lines = Lines::default();
    // For all threads: with a default of one thread only, another thread that meets a log line first silences it for good.
    tracing::subscriber::set_global_default(lines.clone()).unwrap();
    let gateway = Gateway::bind().await;
    gateway.guard(|request| (request.bearer_token() != Some("secret-token")).then_some(401));
    let url = format!("{}/?key=secret-query", gateway.url());
    let description = Node::builder(&url).unwrap();
    let node = Running::start(
        description
            .token("secret-token")
            .command("echo", echo)
            .command("typed", |_, _: clawnode_runtime::NoArgs| async {
                Ok::<Value, Failed>(json!({}))
            })
            .command("broken", |_, _: Value| async { Err::<Value, _>(Failed::new("out of order")) })
            .command("chatty", |_, _: Value| async {
                tracing::info!("before");
                yield_now().await;
                tracing::info!("after");
                Ok::<_, Failed>(json!({}))
            })
            .blocking_command("blocking", |_, _: Value| {
                tracing::info!("while blocking");
                Ok::<_, Failed>(json!({}))
            })
            .authorize(|_| async {
                yield_now().await;
                tracing::info!("deciding");
                Ok::<_, Failed>(())
            }),
    );
    let mut connection = gateway.accept_node().await;
    for name in ["echo", "typed", "broken", "none", "chatty", "blocking"] {
        connection.command(name, name, json!({ "secret-name": "secret-value" }));
        connection.answer(name).await;
    }
    node.handle.send_custom(r#"{"type":"t","text":"secret-custom"}"#).await.unwrap();
    connection.custom(r#"{"type":"t","text":"secret-custom"}"#);
    connection.command("last", "echo", json!({}));
    connection.answer("last").await;
    node.handle.stop(std::time::Duration::ZERO);
    node.stopped().await;

    let text = lines.text.lock().unwrap().clone();
    assert!(!text.contains("secret"), "{text}");
    for line in [
        "INFO message=connecting gateway=\"ws://",
        "INFO message=registered and ready",
        "INFO message=request request_id=\"echo\"",
        "INFO message=answered request_id=\"echo\" command=\"echo\" outcome=\"completed\" duration_ms=",
        "ERROR message=a handler failed request_id=\"broken\" command=\"broken\" error=\"out of order\"",
        "INFO message=answered request_id=\"none\" command=\"none\" outcome=\"refused\"",
        "INFO message=stopped",
        "command=\"chatty\" user=\"1\"] INFO message=before\n",
        "command=\"chatty\" user=\"1\"] INFO message=after\n",
        "command=\"blocking\" user=\"1\"] INFO message=while blocking\n",
        "command=\"echo\" user=\"1\"] INFO message=deciding\n",
        "[request request_id=\"echo\" job_id=",
    ] {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
    assert!(!text.contains("unencrypted"), "a gateway on this machine needs no warning");
}
