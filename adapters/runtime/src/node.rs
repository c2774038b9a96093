use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use async_channel::{Receiver, Sender};
use clawnode_protocol::Secret;
use clawnode_protocol::node::{Config, StopReason};

use crate::builder::NodeBuilder;
use crate::credentials::Credentials;
use crate::driver::{Driver, Gateway};
use crate::handle::{Ask, Handle};
use crate::handler::Served;
use crate::openclaw::Openclaw;
use crate::recording::Record;
use crate::request::Hooks;
use crate::runtime::Runtime;
use crate::shared::{EndOnDrop, Shared};
use crate::tls::Tls;
use crate::url::{GatewayUrl, InvalidUrl};

/// A node of a gateway, ready to run. Made by a [`NodeBuilder`].
pub struct Node<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) gateway: Gateway,
    pub(crate) config: Config,
    pub(crate) credentials: Credentials,
    /// Shown to what stands in front of the gateway.
    pub(crate) headers: Vec<(String, Secret)>,
    /// Set if the gateway speaks openclaw.
    pub(crate) openclaw: Option<Openclaw>,
    pub(crate) served: Served,
    pub(crate) shared: EndOnDrop,
    pub(crate) asks: Receiver<Ask>,
    pub(crate) recording: Option<Record>,
    pub(crate) hooks: Hooks,
    node_id: Arc<str>,
    /// For further handles. Weak in effect: the receiver goes with the node.
    to_asks: Sender<Ask>,
}

impl<R: Runtime + Default> Node<R> {
    /// Describes a node of the gateway at `url`, on the default of the runtime. See [`NodeBuilder::new`].
    ///
    /// # Errors
    ///
    /// [`InvalidUrl`], which says what is wrong.
    pub fn builder(url: &str) -> Result<NodeBuilder<R>, InvalidUrl> {
        NodeBuilder::new(R::default(), url)
    }
}

impl<R: Runtime> Node<R> {
    pub(crate) fn new(
        runtime: R,
        url: GatewayUrl,
        tls: Option<Tls>,
        node_id: Arc<str>,
        config: Config,
        credentials: Credentials,
        served: Served,
    ) -> Self {
        let (to_asks, asks) = async_channel::bounded(ASKS);
        Self {
            runtime,
            gateway: Gateway { url, tls: tls.map(Arc::new), proxy: None },
            config,
            credentials,
            headers: Vec::new(),
            openclaw: None,
            served,
            shared: EndOnDrop(Shared::new()),
            asks,
            recording: None,
            hooks: Hooks::default(),
            node_id,
            to_asks,
        }
    }

    /// A way to speak to the node while it runs.
    pub fn handle(&self) -> Handle {
        Handle {
            node_id: Arc::clone(&self.node_id),
            shared: Arc::clone(&self.shared.0),
            asks: self.to_asks.clone(),
            traceparent: None,
        }
    }

    /// The node's name.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }

    /// The commands that it declares, in order.
    pub fn commands(&self) -> &[String] {
        &self.config.commands
    }

    /// Connects, serves, and connects again whenever the connection is lost, until [`Handle::stop`] or until the
    /// gateway refuses for good; that is the result.
    ///
    /// Cancel safe in so far as nothing is left behind: dropping the future closes the connection without ceremony and
    /// cancels all handlers. What they would have answered is lost; [`Handle::stop`] is the polite way.
    pub async fn run(self) -> StopReason {
        // Boxed, since what contains this future should not become large, and some runtimes move it a dozen times.
        let mut driver = Box::new(Driver::new(self));
        let reason = poll_fn(|cx| driver.poll(cx)).await;
        driver.finish_recording().await;
        driver.finish_observing().await;
        reason
    }
}

impl<R: Runtime> fmt::Debug for Node<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("node_id", &self.node_id)
            .field("gateway", &self.gateway.url)
            .field("commands", &self.config.commands)
            .field("workflows", &self.config.workflows)
            .finish_non_exhaustive()
    }
}

/// What handles ask for and the driver has not seen; more makes them wait.
const ASKS: usize = 16;
