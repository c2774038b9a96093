//! Checks in tests that what clawnode sends to an OpenClaw gateway is what such a gateway takes.
//!
//! A gateway refuses an object with one field too many, and whoever waits for an answer in it then waits in vain. So every
//! message of a test that has an openclaw connection goes through [`check`]. It holds the message against two things:
//!
//! - the fields that are written down here, always: these objects, and no others;
//! - the JSON schema that is published with the protocol, when it is at hand. It is not part of this project. The environment
//!   variable `CLAWNODE_OPENCLAW_SCHEMA` names its file; `tests/interop/openclaw_schema.sh` fetches it from npm.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::{env, fs};

use jsonschema::Validator;
use serde_json::Value;

/// Holds one message that was sent to a gateway against what gateways take.
///
/// # Panics
///
/// If a gateway would refuse it, or if it is a message that nobody wrote down here.
pub fn check(message: &Value) {
    if let Err(problem) = problem_of(message) {
        panic!("a gateway would not take this: {problem}\n{message}");
    }
}

/// Says why a gateway would not take a message.
///
/// # Errors
///
/// The problem, and where in the message it is.
pub fn problem_of(message: &Value) -> Result<(), String> {
    fields("the frame", message, &["type", "id", "method", "params"], &["traceparent"])?;
    if let Some(traceparent) = message.get("traceparent") {
        traceparent
            .as_str()
            .filter(|text| text.len() <= 128)
            .ok_or("the traceparent must be a string of at most 128 characters")?;
    }
    if message["type"] != "req" {
        return Err("only requests are sent to a gateway".to_owned());
    }
    let method = message["method"].as_str().ok_or("the method must be a string")?;
    let (_, definition, check) = METHODS
        .iter()
        .find(|(known, ..)| *known == method)
        .ok_or_else(|| format!("the fields of `{method}` are not written down"))?;
    check(&message["params"])?;
    match published() {
        Some(published) => {
            published.validate("RequestFrame", message)?;
            published.validate(definition, &message["params"])
        }
        None => Ok(()),
    }
}

/// Whether the published schema is at hand.
pub fn is_published_schema_at_hand() -> bool {
    published().is_some()
}

type Check = fn(&Value) -> Result<(), String>;

/// Each method that is called, the published name of its parameters, and their fields.
const METHODS: &[(&str, &str, Check)] = &[
    ("connect", "ConnectParams", connect),
    ("node.invoke.result", "NodeInvokeResultParams", invoke_result),
    ("node.invoke.progress", "NodeInvokeProgressParams", |params| {
        fields("params", params, &["invokeId", "nodeId", "seq", "chunk"], &[])
    }),
    ("node.event", "NodeEventParams", node_event),
    ("skills.bins", "SkillsBinsParams", nothing),
    ("node.list", "NodeListParams", nothing),
    ("node.describe", "NodeDescribeParams", |params| fields("params", params, &["nodeId"], &[])),
    ("node.invoke", "NodeInvokeParams", |params| {
        let required = ["nodeId", "command", "timeoutMs", "idempotencyKey"];
        fields("params", params, &required, &["params"])
    }),
    ("node.pair.list", "NodePairListParams", nothing),
    ("node.pair.approve", "NodePairApproveParams", request_id),
    ("node.pair.reject", "NodePairRejectParams", request_id),
    ("node.pair.remove", "NodePairRemoveParams", |params| {
        fields("params", params, &["nodeId"], &[])
    }),
    ("device.pair.list", "DevicePairListParams", nothing),
    ("device.pair.approve", "DevicePairApproveParams", request_id),
    ("device.pair.reject", "DevicePairRejectParams", request_id),
    ("device.pair.remove", "DevicePairRemoveParams", |params| {
        fields("params", params, &["deviceId"], &[])
    }),
    ("device.pair.setupCode", "DevicePairSetupCodeParams", |params| {
        fields("params", params, &["bootstrapProfile"], &["publicUrl", "joinUrl"])
    }),
    ("device.token.rotate", "DeviceTokenRotateParams", device_and_role),
    ("device.token.revoke", "DeviceTokenRevokeParams", device_and_role),
];

fn connect(params: &Value) -> Result<(), String> {
    let required = ["minProtocol", "maxProtocol", "client", "caps", "role", "scopes"];
    let optional = ["commands", "permissions", "pathEnv", "auth", "device"];
    fields("params", params, &required, &optional)?;
    let required = ["id", "version", "platform", "mode"];
    let optional = ["deviceFamily", "displayName", "instanceId"];
    fields("params.client", &params["client"], &required, &optional)?;
    if let Some(auth) = params.get("auth") {
        let known = ["token", "deviceToken", "bootstrapToken", "password"];
        fields("params.auth", auth, &[], &known)?;
    }
    if let Some(device) = params.get("device") {
        let required = ["id", "publicKey", "signature", "signedAt", "nonce"];
        fields("params.device", device, &required, &[])?;
    }
    Ok(())
}

fn invoke_result(params: &Value) -> Result<(), String> {
    let required = ["id", "nodeId", "ok"];
    fields("params", params, &required, &["payload", "payloadJSON", "error"])?;
    match params.get("error") {
        Some(error) => fields("params.error", error, &["code"], &["message"]),
        None => Ok(()),
    }
}

fn node_event(params: &Value) -> Result<(), String> {
    fields("params", params, &["event", "payload"], &[])?;
    if params["event"] != "node.host.stats" {
        return Err("the fields of this event are not written down".to_owned());
    }
    let stats = [
        "cpuCount",
        "loadAverage",
        "memoryTotalBytes",
        "memoryFreeBytes",
        "diskTotalBytes",
        "diskAvailableBytes",
    ];
    fields("params.payload", &params["payload"], &stats, &[])
}

fn nothing(params: &Value) -> Result<(), String> {
    fields("params", params, &[], &[])
}

fn request_id(params: &Value) -> Result<(), String> {
    fields("params", params, &["requestId"], &[])
}

fn device_and_role(params: &Value) -> Result<(), String> {
    fields("params", params, &["deviceId", "role"], &[])
}

/// All the required fields, none but those and the optional ones, and none that is null: a gateway refuses that too.
fn fields(at: &str, object: &Value, required: &[&str], optional: &[&str]) -> Result<(), String> {
    let object = object.as_object().ok_or_else(|| format!("{at} must be an object"))?;
    if let Some(missing) = required.iter().find(|name| !object.contains_key(**name)) {
        return Err(format!("{at} lacks `{missing}`"));
    }
    for (name, value) in object {
        if !required.contains(&name.as_str()) && !optional.contains(&name.as_str()) {
            return Err(format!("{at} has `{name}`"));
        }
        // A result may be null, as any JSON may.
        if value.is_null() && name != "payload" && name != "params" {
            return Err(format!("{at} has a null in `{name}`"));
        }
    }
    Ok(())
}

/// The definitions of the published schema that are looked at.
struct Published(BTreeMap<&'static str, Validator>);

impl Published {
    fn read(json: &str) -> Self {
        let schema: Value = serde_json::from_str(json).expect("the published schema is JSON");
        let names = METHODS.iter().map(|(_, definition, _)| *definition).chain(["RequestFrame"]);
        let validators = names.map(|name| {
            let definition = schema["definitions"].get(name);
            let definition =
                definition.unwrap_or_else(|| panic!("the published schema has no {name}"));
            let validator = jsonschema::draft7::new(definition).expect("it is a schema");
            (name, validator)
        });
        Self(validators.collect())
    }

    fn validate(&self, definition: &str, value: &Value) -> Result<(), String> {
        let validator = &self.0[definition];
        validator
            .validate(value)
            .map_err(|error| format!("{definition}: at `{}`: {error}", error.instance_path))
    }
}

fn published() -> Option<&'static Published> {
    static PUBLISHED: OnceLock<Option<Published>> = OnceLock::new();
    let read = || {
        let path = place()?;
        let json = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("the schema {}: {error}", path.display()));
        Some(Published::read(&json))
    };
    PUBLISHED.get_or_init(read).as_ref()
}

/// Where the published schema is: where one says, or where `tests/interop/openclaw_schema.sh` puts it, if it is there.
fn place() -> Option<PathBuf> {
    if let Some(named) = env::var_os("CLAWNODE_OPENCLAW_SCHEMA") {
        return Some(named.into());
    }
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
    let fetched = cache.join("clawnode").join(PACKAGE).join("protocol.schema.json");
    fetched.is_file().then_some(fetched)
}

/// The folder that `tests/interop/openclaw_schema.sh` fetches the schema into.
const PACKAGE: &str = "openclaw-gateway-protocol-2026.9.1";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result() -> Value {
        json!({
            "type": "req", "id": "i1", "method": "node.invoke.result",
            "params": { "id": "i", "nodeId": "n", "ok": false, "error": { "code": "LAB", "message": "no" } },
        })
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "it says why less was checked than could be")]
    fn the_published_schema_is_used_when_it_is_at_hand() {
        if !is_published_schema_at_hand() {
            eprintln!(
                "the published schema is not at hand, so only the fields that are written down were checked; tests/interop/openclaw_schema.sh fetches it"
            );
            return;
        }
        let published = published().unwrap();
        assert_eq!(published.validate("RequestFrame", &result()), Ok(()));
        // The fields here would do; that the id must not be empty only the schema says.
        let mut empty = result();
        empty["params"]["id"] = json!("");
        let problem = problem_of(&empty).unwrap_err();
        assert!(problem.starts_with("NodeInvokeResultParams: at `/id`"), "{problem}");
    }

    #[test]
    fn one_field_too_many_one_too_few_and_a_null_are_found_without_it() {
        assert_eq!(problem_of(&result()), Ok(()));
        for (at, value, problem) in [
            ("/x", json!(1), "the frame has `x`"),
            ("/params/x", json!(1), "params has `x`"),
            ("/params/error/details", json!({}), "params.error has `details`"),
            ("/params/payloadJSON", json!(null), "params has a null in `payloadJSON`"),
        ] {
            let mut wrong = result();
            let (parent, name) = at.rsplit_once('/').unwrap();
            wrong.pointer_mut(parent).unwrap()[name] = value;
            assert_eq!(problem_of(&wrong).unwrap_err(), problem);
        }
        let mut wrong = result();
        wrong["params"].as_object_mut().unwrap().remove("nodeId");
        assert_eq!(problem_of(&wrong).unwrap_err(), "params lacks `nodeId`");
        let unknown = json!({ "type": "req", "id": "1", "method": "x", "params": {} });
        assert_eq!(problem_of(&unknown).unwrap_err(), "the fields of `x` are not written down");
    }
}
