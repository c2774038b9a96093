use crate::nodes::prelude::*;

#[derive(Deserialize)]
struct TryCatch {
    value: Value,
    fallback: Value,
}

/// Three things count as an error: a value that is null, a connected value that never came, and
/// the failure of a node before this one. For what a failure means to the rest of the run, see
/// the engine's actors.
pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.TryCatch",
        "Try Catch",
        "Passes its value on. If a node before it fails, or no value comes, or it is null, gives \
         the fallback instead and says why. A failure is caught if all that the failed node leads \
         to comes through here; else the run fails.",
    )
    .property(Property::any("value").describe("What is passed on."))
    .property(Property::any("fallback").describe("What is given instead after an error."))
    .output("output", TypeDescriptor::any())
    .output("error", TypeDescriptor::str())
    .output("has_error", TypeDescriptor::bool())
    .stream(&["value"], |p: TryCatch, mut inputs: Inputs, context: NodeContext| async move {
        let fallback = Arc::new(p.fallback);
        let give = async |value: Result<Arc<Value>, String>| {
            let error = value.as_ref().err().cloned().unwrap_or_default();
            let has_error = value.is_err();
            context.emit("output", value.unwrap_or_else(|_| Arc::clone(&fallback))).await;
            context.emit("error", Value::from(error)).await;
            context.emit("has_error", Value::from(has_error)).await;
        };
        let tried = |value: Arc<Value>| match *value {
            Value::Null => Err("the value is null".to_owned()),
            _ => Ok(value),
        };
        if !context.is_connected("value") {
            give(tried(Arc::new(p.value))).await;
            return Ok(());
        }
        let mut came = false;
        loop {
            let why = match inputs.next("value").await {
                Ok(Some(value)) => {
                    give(tried(value)).await;
                    came = true;
                    continue;
                }
                Ok(None) if came => return Ok(()),
                Ok(None) => "no value came".to_owned(),
                Err(failure) => failure.to_string(),
            };
            give(Err(why)).await;
            return Ok(());
        }
    })
    .forwards()
    .catches("value")
}
