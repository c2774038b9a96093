//! What an operator asks of an OpenClaw gateway, and what it hears, as types.
//!
//! An operator is a [`Node`](crate::Node) with the role of one: [`Openclaw::operator`](super::Openclaw::operator) describes it,
//! its [`Handle`] is what an [`Operator`] asks through. So it reconnects, keeps its device token and is stopped as a node does.
//!
//! What is read is read leniently: a field that is missing or of another type than expected is none, and fields that are not
//! known here are in `more`. Only the ids that everything else hangs on must be there. What is sent holds the fields of the
//! protocol and no others.

mod error;
mod events;
mod read;
mod types;

use std::time::Duration;

use clawnode_protocol::dialect::openclaw::Refusal;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::builder::random_uuid;
use crate::handle::Handle;
use crate::runtime::random_bytes;
use crate::{Approval, Connection, Event, LostReason, StopReason};

use read::required_list;

pub use error::{NodeError, OperatorError, Refused};
pub use events::{HostStatsReport, NodePresence, OperatorEvent, OperatorEvents, PairResolved};
pub use types::{
    Access, DeviceRequest, Devices, HostStatsOf, IssuedToken, NodeInfo, NodePairings, NodeRequest,
    PairedDevice, PairedNode, RotatedToken, SetupCode, SetupCodeRequest,
};

/// Asks an OpenClaw gateway in an operator's name. Clones ask through the same connection.
///
/// Every method may be called at any time. While there is no connection it fails with [`OperatorError::NotConnected`], so wait
/// for [`connected`](Self::connected) first. Replies are waited for 30 s at most, unless a method says otherwise. Dropping a
/// future forgets the reply; the gateway may do it all the same, as after [`OperatorError::TimedOut`] and
/// [`OperatorError::Disconnected`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use clawnode_runtime::openclaw::operator::{Operator, OperatorError};
/// use serde::Deserialize;
/// use serde_json::json;
///
/// #[derive(Deserialize)]
/// struct Found {
///     bins: std::collections::BTreeMap<String, String>,
/// }
///
/// async fn where_is_git(operator: &Operator) -> Result<(), OperatorError> {
///     for node in operator.nodes().await?.iter().filter(|node| node.connected) {
///         let params = json!({ "bins": ["git"] });
///         let found: Found = operator.invoke(&node.node_id, "system.which", &params, Duration::from_secs(10)).await?;
///         println!("{}: {:?}", node.display_name.as_deref().unwrap_or(&node.node_id), found.bins.get("git"));
///     }
///     Ok(())
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Operator {
    handle: Handle,
}

/// An operator was not let in.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NotConnected {
    /// An attempt came to nothing. The next one follows.
    #[error("{0}")]
    Lost(LostReason),
    /// Somebody has to approve of the operator's device first. It asks again now and then.
    #[error("{0}")]
    WaitingForApproval(Box<Refusal>),
    /// There will be no other attempt.
    #[error("{0}")]
    Refused(StopReason),
    /// It has stopped as it was asked to, or was dropped.
    #[error("the operator has stopped")]
    Stopped,
}

impl Operator {
    /// Asks through the handle of a node that has the role of an operator.
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// The handle it asks through: to stop it, or to look at it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits until the gateway has let this operator in. The node must be running, or be started elsewhere.
    ///
    /// # Errors
    ///
    /// [`NotConnected`] at the first attempt that comes to nothing. Call it again to wait for the next.
    pub async fn connected(&self) -> Result<(), NotConnected> {
        let mut events = self.handle.events();
        let mut was_asked_for = false;
        loop {
            let Some(event) = events.next().await else { return Err(NotConnected::Stopped) };
            let Event::Connection(connection) = event else { continue };
            // What came to nothing before is no news.
            let news = std::mem::replace(&mut was_asked_for, true);
            match connection {
                connection if connection.is_registered() => return Ok(()),
                Connection::Lost { reason, .. } if news => return Err(NotConnected::Lost(reason)),
                Connection::WaitingForApproval(Approval::Device { refusal, .. }) if news => {
                    return Err(NotConnected::WaitingForApproval(refusal));
                }
                Connection::Refused(reason) => return Err(NotConnected::Refused(reason)),
                Connection::Stopped => return Err(NotConnected::Stopped),
                _ => {}
            }
        }
    }

    /// What the gateway tells from now on, after the connection as it is. As many as [`Events`](crate::Events) hold wait to be read.
    pub fn events(&self) -> OperatorEvents {
        OperatorEvents::new(self.handle.events())
    }

    // Nodes.

    /// The nodes that the gateway knows: `node.list`, scope `operator.read`.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn nodes(&self) -> Result<Vec<NodeInfo>, OperatorError> {
        #[derive(Deserialize)]
        struct List {
            #[serde(deserialize_with = "required_list")]
            nodes: Vec<NodeInfo>,
        }
        let List { nodes } = self.call("node.list", &Nothing {}).await?;
        Ok(nodes)
    }

    /// One node, by its id: `node.describe`, scope `operator.read`.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn node(&self, node_id: &str) -> Result<NodeInfo, OperatorError> {
        self.call("node.describe", &NodeId { node_id }).await
    }

    /// Asks a node, by its id, to run a command, and waits for the result: `node.invoke`, scope `operator.write`, for some
    /// commands `operator.admin`.
    ///
    /// The node has `timeout`; [`Duration::ZERO`] is as long as it takes. The reply is waited for 10 s longer, as the gateway
    /// says itself that the time is over. Each call is new work, whatever was asked before.
    ///
    /// # Errors
    ///
    /// [`OperatorError`]; [`Refused::node_error`] is what the node said if it was the node that failed.
    pub async fn invoke<P, T>(
        &self,
        node_id: &str,
        command: &str,
        params: &P,
        timeout: Duration,
    ) -> Result<T, OperatorError>
    where
        P: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Invoke<'a, P: ?Sized> {
            node_id: &'a str,
            command: &'a str,
            params: &'a P,
            timeout_ms: u64,
            idempotency_key: String,
        }
        #[derive(Deserialize)]
        struct Invoked {
            // What is not there is null, as a node may answer without a result.
            payload: Option<Box<RawValue>>,
        }
        let invoke = Invoke {
            node_id,
            command,
            params,
            // Rounded up, so that a short time does not become none.
            timeout_ms: u64::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(u64::MAX),
            idempotency_key: random_uuid(random_bytes()),
        };
        let patience =
            if timeout.is_zero() { Duration::MAX } else { timeout.saturating_add(GRACE) };
        let Invoked { payload } = self.call_within("node.invoke", &invoke, patience).await?;
        let payload = payload.as_ref().map_or("null", |payload| payload.get());
        serde_json::from_str(payload)
            .map_err(|error| OperatorError::UnexpectedResult(error.to_string()))
    }

    /// The nodes that wait for somebody to approve what they may do, and those that were approved: `node.pair.list`, scope
    /// `operator.pairing`.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn node_pairings(&self) -> Result<NodePairings, OperatorError> {
        self.call("node.pair.list", &Nothing {}).await
    }

    /// Approves what a node may do: `node.pair.approve`, scope `operator.pairing` and those of
    /// [`NodeRequest::required_approve_scopes`].
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn approve_node(&self, request_id: &str) -> Result<PairedNode, OperatorError> {
        #[derive(Deserialize)]
        struct Approved {
            node: PairedNode,
        }
        let Approved { node } = self.call("node.pair.approve", &RequestId { request_id }).await?;
        Ok(node)
    }

    /// Rejects what a node wants to do: `node.pair.reject`, scope `operator.pairing`. The node is not told; it asks again when it
    /// connects.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn reject_node(&self, request_id: &str) -> Result<(), OperatorError> {
        self.tell("node.pair.reject", &RequestId { request_id }).await
    }

    /// Takes back what a node may do, by its id, and closes its connections: `node.pair.remove`, scope `operator.pairing`.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn remove_node(&self, node_id: &str) -> Result<(), OperatorError> {
        self.tell("node.pair.remove", &NodeId { node_id }).await
    }

    // Devices.

    /// The devices that wait to be approved, and those that are paired: `device.pair.list`, scope `operator.pairing`.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn devices(&self) -> Result<Devices, OperatorError> {
        self.call("device.pair.list", &Nothing {}).await
    }

    /// Lets a device connect: `device.pair.approve`, scope `operator.pairing`. The device is not told; it may connect the next
    /// time it tries.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn approve_device(&self, request_id: &str) -> Result<PairedDevice, OperatorError> {
        #[derive(Deserialize)]
        struct Approved {
            device: PairedDevice,
        }
        let request = RequestId { request_id };
        let Approved { device } = self.call("device.pair.approve", &request).await?;
        Ok(device)
    }

    /// Rejects a device's request: `device.pair.reject`, scope `operator.pairing`.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn reject_device(&self, request_id: &str) -> Result<(), OperatorError> {
        self.tell("device.pair.reject", &RequestId { request_id }).await
    }

    /// Forgets a device, by its id, and closes its connections: `device.pair.remove`, scope `operator.pairing`.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn remove_device(&self, device_id: &str) -> Result<(), OperatorError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct DeviceId<'a> {
            device_id: &'a str,
        }
        self.tell("device.pair.remove", &DeviceId { device_id }).await
    }

    /// Makes a setup code, good for pairing one device: `device.pair.setupCode`, scopes `operator.pairing` and
    /// `operator.admin`. A gateway that listens on its own machine only needs [`SetupCodeRequest::public_url`].
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn setup_code(&self, request: &SetupCodeRequest) -> Result<SetupCode, OperatorError> {
        self.call("device.pair.setupCode", request).await
    }

    /// Gives a device another token for a role, and closes its connections: `device.token.rotate`, scope `operator.pairing`.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn rotate_token(
        &self,
        device_id: &str,
        role: &str,
    ) -> Result<RotatedToken, OperatorError> {
        self.call("device.token.rotate", &TokenOf { device_id, role }).await
    }

    /// Takes a device's token for a role away, and closes its connections: `device.token.revoke`, scope `operator.pairing`.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn revoke_token(&self, device_id: &str, role: &str) -> Result<(), OperatorError> {
        self.tell("device.token.revoke", &TokenOf { device_id, role }).await
    }

    // Everything else.

    /// Calls any method of the gateway, with parameters of its own. They must have the fields that the method knows, and no
    /// others.
    ///
    /// # Errors
    ///
    /// [`OperatorError`].
    pub async fn call<P, T>(&self, method: &str, params: &P) -> Result<T, OperatorError>
    where
        P: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        self.handle.call(method, params).await.map_err(OperatorError::from)
    }

    /// The same with a time of one's own.
    ///
    /// # Errors
    ///
    /// As with [`call`](Self::call).
    pub async fn call_within<P, T>(
        &self,
        method: &str,
        params: &P,
        timeout: Duration,
    ) -> Result<T, OperatorError>
    where
        P: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        self.handle.call_within(method, params, timeout).await.map_err(OperatorError::from)
    }

    /// A call whose result says nothing that the caller does not know.
    async fn tell(&self, method: &str, params: &impl Serialize) -> Result<(), OperatorError> {
        let _: IgnoredAny = self.call(method, params).await?;
        Ok(())
    }
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeId<'a> {
    node_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestId<'a> {
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenOf<'a> {
    device_id: &'a str,
    role: &'a str,
}

/// What a gateway may take to say that a node's time is over, on a slow machine.
const GRACE: Duration = Duration::from_secs(10);
