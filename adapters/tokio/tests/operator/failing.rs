use std::collections::BTreeMap;
use std::time::Duration;

use clawnode_tokio::openclaw::operator::{NotConnected, OperatorError};
use clawnode_tokio::{LostReason, StopReason};
use serde_json::{Value, json};

use crate::gateway::{self, Reply};
use crate::{connected, operator, soon};

#[tokio::test]
async fn a_refusal_says_whether_it_was_the_node_and_whether_to_try_again() {
    let url = gateway::start(Vec::new(), |method, _| {
        Reply::Refused(match method {
            "node.invoke" => json!({
                "code": "UNAVAILABLE", "message": "LAB_FAILED: no", "retryable": true, "retryAfterMs": 250,
                "details": { "nodeError": { "code": "LAB_FAILED", "message": "no" }, "nodeCommandDispatched": true },
            }),
            "node.describe" => {
                json!({ "code": "INVALID_REQUEST", "message": "unknown node", "details": { "nodeError": 7 } })
            }
            _ => json!({}),
        })
    });
    let operator = connected(&url).await;
    let invoked: Result<Value, _> =
        soon(operator.invoke("n1", "x", &json!({}), Duration::from_secs(5))).await;
    let error = invoked.unwrap_err();
    assert_eq!(error.to_string(), "UNAVAILABLE: LAB_FAILED: no");
    let OperatorError::Refused(refused) = error else { panic!("{error:?}") };
    let node_error = refused.node_error.as_ref().unwrap();
    assert_eq!((node_error.code.as_str(), node_error.message.as_str()), ("LAB_FAILED", "no"));
    assert!(refused.retryable);
    assert_eq!(refused.retry_after, Some(Duration::from_millis(250)));
    assert!(refused.details.as_ref().unwrap().get().contains("nodeCommandDispatched"));

    let OperatorError::Refused(refused) = soon(operator.node("n1")).await.unwrap_err() else {
        panic!("it is refused")
    };
    assert_eq!(
        (refused.code.as_str(), refused.message.as_str()),
        ("INVALID_REQUEST", "unknown node")
    );
    assert!(refused.node_error.is_none() && !refused.retryable && refused.retry_after.is_none());
    let OperatorError::Refused(refused) = soon(operator.nodes()).await.unwrap_err() else {
        panic!("it is refused")
    };
    assert_eq!(refused.code, "UNAVAILABLE", "a refusal that says nothing");
}

#[tokio::test]
async fn a_call_may_come_to_nothing_be_cut_off_or_not_be_made_at_all() {
    let url = gateway::start(Vec::new(), |method, _| match method {
        "node.list" => Reply::Done(json!({ "nodes": 7 })),
        "node.describe" => Reply::Gone,
        _ => Reply::Silence,
    });
    let (operator, run) = operator(&url);
    let early = soon(operator.nodes()).await.unwrap_err();
    assert!(matches!(early, OperatorError::NotConnected), "{early:?}");
    soon(operator.connected()).await.unwrap();
    soon(operator.connected()).await.expect("it is still so");

    let shapeless = soon(operator.nodes()).await.unwrap_err();
    assert!(matches!(shapeless, OperatorError::UnexpectedResult(_)), "{shapeless:?}");
    let nothing = json!({});
    let silent =
        operator.call_within::<_, Value>("skills.bins", &nothing, Duration::from_millis(20));
    let silent = soon(silent).await.unwrap_err();
    assert!(matches!(silent, OperatorError::TimedOut), "{silent:?}");
    // Keys of an object are strings.
    let no_object = BTreeMap::from([(vec![1], 1)]);
    let unsendable = operator.call::<_, Value>("skills.bins", &no_object);
    let unsendable = soon(unsendable).await.unwrap_err();
    assert!(matches!(unsendable, OperatorError::Unsendable(_)), "{unsendable:?}");
    let cut = soon(operator.node("n1")).await.unwrap_err();
    assert!(matches!(cut, OperatorError::Disconnected), "{cut:?}");

    operator.handle().stop(Duration::ZERO);
    assert_eq!(soon(run).await.unwrap(), StopReason::Requested);
    let late = soon(operator.nodes()).await.unwrap_err();
    assert!(matches!(late, OperatorError::Stopped), "{late:?}");
    let late = soon(operator.connected()).await.unwrap_err();
    assert!(matches!(late, NotConnected::Stopped), "{late:?}");
}

#[tokio::test]
async fn whoever_waits_to_be_connected_hears_why_it_is_not() {
    let url = gateway::refusing(json!({
        "code": "INVALID_REQUEST", "message": "unauthorized", "details": { "code": "AUTH_TOKEN_MISMATCH" },
    }));
    let (refused, _run) = operator(&url);
    let error = soon(refused.connected()).await.unwrap_err();
    assert!(matches!(error, NotConnected::Refused(StopReason::Denied(_))), "{error:?}");

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (away, _run) = operator(&format!("ws://{nobody}"));
    let error = soon(away.connected()).await.unwrap_err();
    assert!(matches!(error, NotConnected::Lost(LostReason::ConnectFailed(_))), "{error:?}");
}
