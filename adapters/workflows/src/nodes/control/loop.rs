use crate::{engine::Severity, limits::MAX_ITERATIONS, node::NodeError, nodes::prelude::*};

#[derive(Deserialize)]
struct Loop {
    initial: Value,
    max_iterations: i64,
}

/// Edges to `next` and `condition` lead back; what is between is the body, see the engine's
/// actors. Several initial values are looped over one after the other.
pub(in crate::nodes) fn node() -> NodeType {
    NodeType::new(
        "nodetool.control.Loop",
        "Loop",
        "Repeats the nodes between its output value and its input next, with each result as the \
         next value. Goes on while condition is true, at least once and at most max_iterations \
         times, then gives the last result as done. Without an edge to condition it makes all \
         iterations.",
    )
    .property(Property::any("initial").describe("The value of the first iteration."))
    .property(Property::any("next").describe("What leads back: the value of the next iteration."))
    .property(Property::bool("condition", true).describe("What leads back: whether to go on."))
    .property(
        Property::int("max_iterations", 10)
            .range(1.0, MAX_ITERATIONS as f64)
            .describe("The most iterations for one initial value; less than 1 means 1."),
    )
    .output("value", TypeDescriptor::any())
    .output("index", TypeDescriptor::int())
    .output("done", TypeDescriptor::any())
    .stream(
        &["initial", "next", "condition"],
        |p: Loop, mut inputs: Inputs, context: NodeContext| async move {
            if !context.is_connected("next") {
                return Err("nothing leads back; connect the result of the body to next".into());
            }
            let most = u64::try_from(p.max_iterations).unwrap_or(1).max(1);
            if most > MAX_ITERATIONS {
                return Err(format!(
                    "max_iterations is {most}; the most is {MAX_ITERATIONS}, do more than that \
                     inside of a node"
                )
                .into());
            }
            if !context.is_connected("initial") {
                return repeat(Arc::new(p.initial), most, &mut inputs, &context).await;
            }
            while let Some(initial) = inputs.next("initial").await? {
                repeat(initial, most, &mut inputs, &context).await?;
            }
            Ok(())
        },
    )
    .feedback(&["next", "condition"])
}

/// Runs the body until it is done with one initial value.
async fn repeat(
    initial: Arc<Value>,
    most: u64,
    inputs: &mut Inputs,
    context: &NodeContext,
) -> Result<(), NodeError> {
    // What a pass for the value before gave back too late or in part.
    inputs.discard("next");
    inputs.discard("condition");
    let has_condition = context.is_connected("condition");
    let mut value = initial;
    for index in 0..most {
        context.emit("value", value).await;
        context.emit("index", Value::from(index)).await;
        let Some(next) = inputs.next("next").await? else {
            gave_nothing(context, "next", index).await;
            return Ok(());
        };
        value = next;
        if has_condition {
            let Some(condition) = inputs.next("condition").await? else {
                gave_nothing(context, "condition", index).await;
                return Ok(());
            };
            if !python::truthy(&condition) {
                context.emit("done", value).await;
                return Ok(());
            }
        }
    }
    if has_condition {
        let text = format!("the loop ends after {most} iterations, with its condition still true");
        context.log(Severity::Warning, text).await;
    }
    context.emit("done", value).await;
    Ok(())
}

async fn gave_nothing(context: &NodeContext, input: &str, index: u64) {
    let text = format!(
        "the loop ends without a result: nothing came back to {input} in iteration {index}, \
         because a branch ended or a node waits for the end of the stream"
    );
    context.log(Severity::Warning, text).await;
}
