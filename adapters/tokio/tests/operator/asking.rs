use std::sync::{Arc, Mutex};
use std::time::Duration;

use clawnode_tokio::openclaw::operator::{Access, Operator, OperatorError, SetupCodeRequest};
use serde_json::{Value, json};

use crate::gateway::{self, Reply};
use crate::{connected, soon};

/// What a gateway heard, and always gives.
type Heard = Arc<Mutex<Vec<(String, Value)>>>;

async fn asking(result: Value) -> (clawnode_tokio::openclaw::operator::Operator, Heard) {
    let heard = Heard::default();
    let told = Arc::clone(&heard);
    let url = gateway::start(Vec::new(), move |method, params| {
        told.lock().unwrap().push((method.to_owned(), params.clone()));
        Reply::Done(result.clone())
    });
    (connected(&url).await, heard)
}

fn last(heard: &Heard) -> (String, Value) {
    heard.lock().unwrap().last().expect("it heard something").clone()
}

#[tokio::test]
async fn nodes_are_read_leniently_and_what_is_not_known_here_is_kept() {
    let (operator, heard) = asking(json!({ "ts": 1, "nodes": [
        {
            "nodeId": "n1", "displayName": "kitchen", "connected": true, "paired": true,
            "approvalState": "pending-reapproval", "caps": ["system"], "commands": ["system.which"],
            "pendingDeclaredCommands": ["system.run"], "pendingRequestId": "r1", "connectedAtMs": 5,
            "hostStats": { "cpuCount": 2, "loadAverage": [0.5, 1, 2], "memoryTotalBytes": 9 },
            "sessionHost": false, "new": { "in": "2027" },
        },
        { "nodeId": "n2" },
        { "displayName": "nobody" },
        { "nodeId": "n3", "displayName": 7, "connected": "yes", "commands": null, "hostStats": 7, "connectedAtMs": -1 },
    ] }))
    .await;
    let nodes = soon(operator.nodes()).await.unwrap();
    assert_eq!(last(&heard), ("node.list".to_owned(), json!({})));
    let kitchen = &nodes[0];
    assert_eq!(
        (kitchen.node_id.as_str(), kitchen.display_name.as_deref()),
        ("n1", Some("kitchen"))
    );
    assert!(kitchen.connected && kitchen.paired);
    assert_eq!(kitchen.approval_state.as_deref(), Some("pending-reapproval"));
    assert_eq!(
        (&*kitchen.caps, &*kitchen.commands),
        (&["system".to_owned()][..], &["system.which".to_owned()][..])
    );
    assert_eq!(kitchen.pending_declared_commands, ["system.run"]);
    assert_eq!(
        (kitchen.pending_request_id.as_deref(), kitchen.connected_at_ms),
        (Some("r1"), Some(5))
    );
    let stats = kitchen.host_stats.unwrap();
    assert_eq!(
        (stats.cpu_count, stats.load_average, stats.memory_total_bytes),
        (2, [0.5, 1.0, 2.0], 9)
    );
    assert_eq!(
        (&kitchen.more["sessionHost"], &kitchen.more["new"]["in"]),
        (&json!(false), &json!("2027"))
    );
    for node in &nodes[1..] {
        assert!(
            !node.connected && node.display_name.is_none() && node.commands.is_empty(),
            "{node:?}"
        );
        assert_eq!(node.connected_at_ms, None);
    }
    assert_eq!(nodes[2].host_stats, None);
}

#[tokio::test]
async fn one_node_is_described() {
    let (operator, heard) = asking(json!({ "ts": 1, "nodeId": "n1", "version": "2" })).await;
    let node = soon(operator.node("n1")).await.unwrap();
    assert_eq!(last(&heard), ("node.describe".to_owned(), json!({ "nodeId": "n1" })));
    assert_eq!((node.node_id.as_str(), node.version.as_deref()), ("n1", Some("2")));
    assert_eq!(node.more["ts"], 1);
}

#[tokio::test]
async fn an_invoke_gives_the_nodes_result_and_never_the_same_key_twice() {
    let (operator, heard) = asking(json!({
        "ok": true, "nodeId": "n1", "command": "system.which",
        "payload": { "bins": { "ls": "/usr/bin/ls" } }, "payloadJSON": "{\"bins\":{\"ls\":\"/usr/bin/ls\"}}",
    }))
    .await;
    let mut keys = Vec::new();
    for (timeout, sent) in [
        (Duration::from_secs(5), 5000),
        (Duration::ZERO, 0),
        (Duration::from_micros(1), 1),
        (Duration::MAX, u64::MAX),
    ] {
        let params = json!({ "bins": ["ls"] });
        let result: Value =
            soon(operator.invoke("n1", "system.which", &params, timeout)).await.unwrap();
        assert_eq!(result, json!({ "bins": { "ls": "/usr/bin/ls" } }));
        let (method, mut params) = last(&heard);
        keys.push(params["idempotencyKey"].take().as_str().unwrap().to_owned());
        assert_eq!(method, "node.invoke");
        assert_eq!(
            params,
            json!({
                "nodeId": "n1", "command": "system.which", "params": { "bins": ["ls"] }, "timeoutMs": sent, "idempotencyKey": null,
            })
        );
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 4);
    let wrong: Result<Vec<u8>, _> =
        soon(operator.invoke("n1", "x", &json!({}), Duration::ZERO)).await;
    assert!(matches!(wrong, Err(OperatorError::UnexpectedResult(_))), "{wrong:?}");
}

#[tokio::test]
async fn a_node_may_answer_without_a_result() {
    for answer in
        [json!({ "ok": true }), json!({ "ok": true, "payload": null, "payloadJSON": null })]
    {
        let (operator, _) = asking(answer).await;
        let result: Option<Value> =
            soon(operator.invoke("n1", "x", &json!({}), Duration::ZERO)).await.unwrap();
        assert_eq!(result, None);
    }
}

/// A node's answer of 25 MiB comes twice in one message, as text, where it may grow, and as it is.
#[tokio::test]
async fn a_message_of_100_mib_is_read_and_one_byte_more_is_not() {
    let most = 100 << 20;
    // Each request asks for a message of so many bytes.
    let url = gateway::start(Vec::new(), move |_, params| {
        let bytes = params["params"]["bytes"].as_u64().unwrap();
        let around = r#"{"id":"c0","ok":true,"payload":{"ok":true,"payload":""},"type":"res"}"#;
        let text = "x".repeat(usize::try_from(bytes).unwrap() - around.len());
        Reply::Done(json!({ "ok": true, "payload": text }))
    });
    let operator = connected(&url).await;
    let ask = async |bytes: u64| -> Result<Value, OperatorError> {
        operator.invoke("n1", "x", &json!({ "bytes": bytes }), Duration::ZERO).await
    };
    let text = soon(ask(most)).await.unwrap();
    assert!(text.as_str().is_some_and(|text| text.len() > (100 << 20) - 100));
    let cut = soon(ask(most + 1)).await.unwrap_err();
    assert!(matches!(cut, OperatorError::Disconnected), "{cut:?}");
}

#[tokio::test]
async fn devices_and_nodes_are_approved_rejected_and_removed() {
    let (operator, heard) = asking(json!({
        "requestId": "r1",
        "device": { "deviceId": "d1", "roles": ["node"], "tokens": [{ "role": "node", "createdAtMs": 3 }, 7], "approvedVia": "owner" },
        "node": { "nodeId": "n1", "commands": ["system.which"], "version": "2" },
    }))
    .await;
    let device = soon(operator.approve_device("r1")).await.unwrap();
    assert_eq!(last(&heard), ("device.pair.approve".to_owned(), json!({ "requestId": "r1" })));
    assert_eq!((device.device_id.as_str(), &*device.roles), ("d1", &["node".to_owned()][..]));
    assert_eq!((device.tokens.len(), device.tokens[0].created_at_ms), (1, Some(3)));
    assert_eq!(device.more["approvedVia"], "owner");

    let node = soon(operator.approve_node("r2")).await.unwrap();
    assert_eq!(last(&heard), ("node.pair.approve".to_owned(), json!({ "requestId": "r2" })));
    assert_eq!((node.node_id.as_str(), &*node.commands), ("n1", &["system.which".to_owned()][..]));

    soon(operator.reject_device("r3")).await.unwrap();
    assert_eq!(last(&heard), ("device.pair.reject".to_owned(), json!({ "requestId": "r3" })));
    soon(operator.reject_node("r4")).await.unwrap();
    assert_eq!(last(&heard), ("node.pair.reject".to_owned(), json!({ "requestId": "r4" })));
    soon(operator.remove_device("d1")).await.unwrap();
    assert_eq!(last(&heard), ("device.pair.remove".to_owned(), json!({ "deviceId": "d1" })));
    soon(operator.remove_node("n1")).await.unwrap();
    assert_eq!(last(&heard), ("node.pair.remove".to_owned(), json!({ "nodeId": "n1" })));
    soon(operator.revoke_token("d1", "node")).await.unwrap();
    let of = json!({ "deviceId": "d1", "role": "node" });
    assert_eq!(last(&heard), ("device.token.revoke".to_owned(), of));
}

#[tokio::test]
async fn lists_of_pairings_leave_out_what_cannot_be_read() {
    let (operator, heard) = asking(json!({
        "pending": [{ "requestId": "r1", "deviceId": "d1", "nodeId": "n1", "role": "node", "requiredApproveScopes": ["operator.admin"] }, {}],
        "paired": "none",
    }))
    .await;
    let devices = soon(operator.devices()).await.unwrap();
    assert_eq!(last(&heard), ("device.pair.list".to_owned(), json!({})));
    assert_eq!((devices.pending.len(), devices.paired.len()), (1, 0));
    assert_eq!(devices.pending[0].role.as_deref(), Some("node"));
    let nodes = soon(operator.node_pairings()).await.unwrap();
    assert_eq!(last(&heard), ("node.pair.list".to_owned(), json!({})));
    assert_eq!(nodes.pending[0].required_approve_scopes, ["operator.admin"]);
}

#[tokio::test]
async fn codes_and_tokens_are_not_shown_by_accident() {
    let (operator, heard) = asking(json!({
        "setupId": "s1", "setupCode": "c0de", "gatewayUrl": "ws://10.0.0.1:18789", "expiresAtMs": 7, "access": "node",
        "joinUrl": "https://gateway.test/j/c0de", "auth": "token", "urlSource": "publicUrl",
        "token": "t0ken", "role": "node", "scopes": [], "rotatedAtMs": 8, "tokenDelivery": "in-band",
    }))
    .await;
    let mut request = SetupCodeRequest::new(Access::Node);
    let made = soon(operator.setup_code(&request)).await.unwrap();
    assert_eq!(
        last(&heard),
        ("device.pair.setupCode".to_owned(), json!({ "bootstrapProfile": "node" }))
    );
    assert_eq!((made.setup_code.expose(), made.expires_at_ms), ("c0de", Some(7)));
    assert!(!format!("{made:?}").contains("c0de"), "{made:?}");

    request = SetupCodeRequest::new(Access::Limited);
    request.public_url = Some("wss://gateway.test".to_owned());
    request.join_link = true;
    let made = soon(operator.setup_code(&request)).await.unwrap();
    assert_eq!(made.join_link.unwrap().expose(), "https://gateway.test/j/c0de");
    let asked = json!({ "bootstrapProfile": "limited", "publicUrl": "wss://gateway.test", "joinUrl": true });
    assert_eq!(last(&heard).1, asked);

    let rotated = soon(operator.rotate_token("d1", "node")).await.unwrap();
    assert_eq!(
        last(&heard),
        ("device.token.rotate".to_owned(), json!({ "deviceId": "d1", "role": "node" }))
    );
    assert_eq!(rotated.token.as_ref().unwrap().expose(), "t0ken");
    assert!(!format!("{rotated:?}").contains("t0ken"), "{rotated:?}");
}

#[tokio::test]
async fn an_operator_asks_as_part_of_a_trace() {
    let url = gateway::start_on_frames(Vec::new(), |request| {
        Reply::Done(json!({ "traceparent": request.get("traceparent") }))
    });
    let operator = connected(&url).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traced = Operator::new(operator.handle().with_traceparent(trace.parse().unwrap()));
    for (asks, traceparent) in [(&traced, json!(trace)), (&operator, Value::Null)] {
        let answer: Value = soon(asks.call("skills.bins", &json!({}))).await.unwrap();
        assert_eq!(answer, json!({ "traceparent": traceparent }));
    }
}
