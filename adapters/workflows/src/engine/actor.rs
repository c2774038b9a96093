//! How one node runs.
//!
//! # When a node runs
//!
//! A node without connected inputs runs once. A node with connected inputs first waits until
//! each of them has delivered its first value or has ended without one. If all ended without,
//! the node does not run: that is how an unused branch dies out. Otherwise it runs with those
//! first values, and properties whose input ended without a value have their default. Then
//!
//! - `on_any`: it runs again for each further value, in the order of arrival, with the latest
//!   of the others;
//! - `zip_all`: it runs again for each further complete set: one value of each input that
//!   streams, with the one value of each input that does not; the first stream to end ends it.
//!
//! So a node runs exactly once when nothing before it streams, whatever the shape of the graph.
//! Values that arrive while a first value is still missing are not merged away: they wait in
//! their buffer, and the node runs for each of them afterwards. (The original overwrites them,
//! so that how often it runs depends on timing.)
//!
//! A list property that gets single elements, or has several edges, gathers: it waits for the
//! end of all of them and counts as one value.
//!
//! A node that reads some of its inputs itself runs once; its other inputs are settled first,
//! each with its first value.
//!
//! After a failure the edges of the failed node never end, so nothing downstream can mistake
//! a part for the whole.
//!
//! # Failures that are caught
//!
//! A failure is caught if every way on from the failed node leads to the `value` of a `TryCatch`
//! (previews aside). Then the run goes on: the nodes in between fail with it, each after the values
//! that were on their way to it, and the `TryCatch` reads the error. If the failure could reach
//! anything else, for example an `Output`, the run fails.
//!
//! # Loops
//!
//! An edge to `next` or `condition` of a `Loop` may lead back. The nodes between the outputs of a
//! loop and these inputs are its body; they run as with `zip_all`, so that each pass gives one value
//! back also when several edges lead from the loop through the body; what comes in from outside is
//! the same in every pass. The loop starts a pass when the one before has come back; what is on its
//! way back when the loop ends is dropped. When all nodes wait and nothing can come any more, a loop
//! that waits reads the end instead: its body gave nothing back, and it goes on with its next
//! initial value.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    context::{Inputs, NodeContext, pause, unshared},
    event::{RunEvent, shown},
    plan::{InputHandle, PlannedNode},
    state::Shared,
};
use crate::{
    bounds::built,
    graph::SyncMode,
    limits::MAX_COLLECTED,
    node::{Behaviour, NodeError, Role},
};

/// One value per input, in the order of the node's handles; `None` where none came.
type Set = Vec<Option<Arc<Value>>>;

/// Runs one node from its first input to the end of its outputs.
pub(super) async fn drive(shared: Arc<Shared>, node: usize) -> Result<(), NodeError> {
    let actor = Actor { context: NodeContext::new(shared, node) };
    let starts_at_once = {
        let planned = actor.context.planned();
        planned.node_type.is_streaming_input() || planned.inputs.is_empty()
    };
    if starts_at_once {
        actor.report_running(Map::new()).await;
    }
    // All nodes that start at once say so before the first value moves.
    pause().await;
    actor.run().await?;
    actor.context.shared().close(node);
    actor.context.end().await;
    Ok(())
}

struct Actor {
    context: NodeContext,
}

impl Actor {
    async fn run(&self) -> Result<(), NodeError> {
        let planned = self.context.planned();
        if let Behaviour::Stream(stream) = &planned.node_type.behaviour {
            let mut settled: Set = Vec::with_capacity(planned.inputs.len());
            for (input, handle) in planned.inputs.iter().enumerate() {
                settled.push(if handle.live { None } else { self.first(input).await? });
            }
            let properties = complete_properties(planned, settled)?;
            let inputs = Inputs::new(self.context.clone());
            stream(properties, inputs, self.context.clone()).await?;
            self.report_completed(self.context.take_emitted()).await;
            return Ok(());
        }
        if planned.inputs.is_empty() {
            return self.run_with(Vec::new()).await;
        }
        let zips = planned.sync_mode == SyncMode::ZipAll;
        if zips && planned.inputs.iter().any(|input| input.streams) {
            self.run_zipped().await
        } else {
            self.run_on_any().await
        }
    }

    async fn run_on_any(&self) -> Result<(), NodeError> {
        let inputs = &self.context.planned().inputs;
        let live: Vec<usize> = (0..inputs.len()).filter(|&i| !inputs[i].gathers).collect();
        let mut current: Set = Vec::with_capacity(inputs.len());
        for input in 0..inputs.len() {
            current.push(self.first(input).await?);
        }
        if current.iter().all(Option::is_none) {
            return Ok(());
        }
        loop {
            let is_last = self.context.shared().is_finished(self.context.node(), &live);
            if is_last {
                return self.run_with(current).await;
            }
            // Nothing is the latest of the others if there are no others: no copy is kept.
            let set = if inputs.len() == 1 { vec![current[0].take()] } else { current.clone() };
            self.run_with(set).await?;
            pause().await;
            match self.context.receive_any(&live).await? {
                Some((input, arrived)) => current[input] = Some(arrived.value),
                None => return Ok(()),
            }
        }
    }

    async fn run_zipped(&self) -> Result<(), NodeError> {
        let inputs = &self.context.planned().inputs;
        let mut current: Set = vec![None; inputs.len()];
        for input in (0..inputs.len()).filter(|&input| !inputs[input].streams) {
            current[input] = self.first(input).await?;
        }
        loop {
            for input in (0..inputs.len()).filter(|&input| inputs[input].streams) {
                match self.context.receive(input).await? {
                    Some(arrived) => current[input] = Some(arrived.value),
                    None => return Ok(()),
                }
            }
            let take = |(value, input): (&mut Option<_>, &InputHandle)| {
                if input.streams { value.take() } else { value.clone() }
            };
            let set = current.iter_mut().zip(inputs).map(take).collect();
            self.run_with(set).await?;
            pause().await;
        }
    }

    /// The first value of an input, or all of them as a list if it gathers.
    async fn first(&self, input: usize) -> Result<Option<Arc<Value>>, NodeError> {
        let handle = &self.context.planned().inputs[input];
        if !handle.gathers {
            return Ok(self.context.receive(input).await?.map(|arrived| arrived.value));
        }
        let mut all = Vec::new();
        let mut came = false;
        while let Some(arrived) = self.context.receive(input).await? {
            came = true;
            match unshared(arrived.value) {
                Value::Array(items) if arrived.spreads => all.extend(items),
                item => all.push(item),
            }
            check_collected(all.len())?;
        }
        if came { Ok(Some(Arc::new(collected_list(all)?))) } else { Ok(None) }
    }

    /// Runs the node's behaviour for one set of inputs.
    async fn run_with(&self, set: Set) -> Result<(), NodeError> {
        let planned = self.context.planned();
        if !planned.inputs.is_empty() {
            self.report_running(arrived_properties(planned, &set)).await;
        }
        let properties = complete_properties(planned, set)?;
        let outputs = match &planned.node_type.behaviour {
            Behaviour::Compute(function) => function(properties)?,
            Behaviour::Process(function) => function(properties, self.context.clone()).await?,
            Behaviour::Generate(function) => {
                function(properties, self.context.clone()).await?;
                self.report_completed(self.context.take_emitted()).await;
                return Ok(());
            }
            Behaviour::Nothing | Behaviour::Stream(_) => return Ok(()),
        };
        let shown = outputs.values.iter().map(|(name, v)| (name.clone().into_owned(), shown(v)));
        self.report_completed(self.context.take_emitted().into_iter().chain(shown)).await;
        for (name, value) in outputs.values {
            self.context.send(&name, &value).await;
        }
        Ok(())
    }

    async fn report_running(&self, properties: Map<String, Value>) {
        let planned = self.context.planned();
        if planned.node_type.role != Role::Input {
            let event = RunEvent::node(&self.context.shared().plan, planned, "running");
            self.context.event(event.with("properties", properties)).await;
        }
    }

    async fn report_completed(&self, values: impl IntoIterator<Item = (String, Value)>) {
        let planned = self.context.planned();
        if planned.node_type.role != Role::Input {
            let result: Map<String, Value> = values.into_iter().collect();
            let event = RunEvent::node(&self.context.shared().plan, planned, "completed");
            self.context.event(event.with("result", result)).await;
        }
    }
}

/// Stops an endless stream before it fills the memory.
pub(crate) fn check_collected(items: usize) -> Result<(), NodeError> {
    if items > MAX_COLLECTED {
        return Err(format!("the stream has more than {MAX_COLLECTED} items for one list").into());
    }
    Ok(())
}

/// A list of collected items, unless it would be nested too deeply or too large.
pub(crate) fn collected_list(items: Vec<Value>) -> Result<Value, NodeError> {
    built(Value::Array(items))
}

fn arrived_properties(planned: &PlannedNode, set: &Set) -> Map<String, Value> {
    let arrived = planned
        .inputs
        .iter()
        .zip(set)
        .filter_map(|(input, value)| Some((input.name.clone(), shown(value.as_ref()?))));
    arrived.collect()
}

fn complete_properties(planned: &PlannedNode, set: Set) -> Result<Map<String, Value>, NodeError> {
    let mut properties = planned.properties.clone();
    for (input, value) in planned.inputs.iter().zip(set) {
        let Some(value) = value else { continue };
        let value = match &input.kind {
            Some(kind) if value.is_null() && kind.null_is_unset() => continue,
            Some(kind) => kind
                .coerce(unshared(value))
                .map_err(|reason| format!("property {} {reason}", input.name))?,
            None => unshared(value),
        };
        properties.insert(input.name.clone(), value);
    }
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_DEPTH;

    #[test]
    fn a_list_is_nested_to_a_limit() {
        let mut value = Value::Array(Vec::new());
        for _ in 1..MAX_DEPTH {
            value = collected_list(vec![value]).unwrap();
        }
        assert!(collected_list(vec![value]).is_err());
    }

    #[test]
    fn a_list_is_bounded() {
        assert!(check_collected(MAX_COLLECTED).is_ok());
        assert!(check_collected(MAX_COLLECTED + 1).is_err());
    }
}
