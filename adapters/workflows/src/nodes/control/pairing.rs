use crate::{node::NodeError, nodes::prelude::*};

/// A value that decides and one that is forwarded, paired in their order.
///
/// The side that ends first lends its last item to the rest of the other, so one decision can
/// rule a whole stream. A side without an edge, or a decision that never came, uses the node's
/// own property; a connected value that never came gives no pair.
pub(super) struct Pairing {
    names: [&'static str; 2],
    decision: Arc<Value>,
    value: Option<Arc<Value>>,
    came: bool,
}

impl Pairing {
    pub(super) fn new(
        context: &NodeContext,
        decision: (&'static str, Value),
        value: (&'static str, Value),
    ) -> Self {
        let own = (!context.is_connected(value.0)).then(|| Arc::new(value.1));
        Self {
            names: [decision.0, value.0],
            decision: Arc::new(decision.1),
            value: own,
            came: false,
        }
    }

    /// The next decision and the value it is about.
    pub(super) async fn next(
        &mut self,
        inputs: &mut Inputs,
    ) -> Result<Option<(Arc<Value>, Arc<Value>)>, NodeError> {
        let decision = inputs.next(self.names[0]).await?;
        let value = inputs.next(self.names[1]).await?;
        if self.came && decision.is_none() && value.is_none() {
            return Ok(None);
        }
        self.came = true;
        self.decision = decision.unwrap_or_else(|| Arc::clone(&self.decision));
        self.value = value.or(self.value.take());
        Ok(self.value.as_ref().map(|value| (Arc::clone(&self.decision), Arc::clone(value))))
    }
}
