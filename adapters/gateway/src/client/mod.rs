//! A client of the gateway's HTTP API.
//!
//! ```no_run
//! use clawnode_gateway::client::{Client, News, Submission};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("http://127.0.0.1:8080", Some("s3cret".to_owned().into()))?;
//! let submitted = client.submit(&Submission::command("list_workflows")).await?;
//! let mut events = client.events(&submitted.request_id, None).await?;
//! while let Some(event) = events.next().await? {
//!     match event.news {
//!         News::Update { update_type, data, .. } => println!("{update_type}: {data}"),
//!         News::Answer { status, result, error, .. } => println!("{status}: {result:?} {error:?}"),
//!         other => println!("{other:?}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod error;
mod events;
mod http;
mod types;

use std::time::Duration;

use clawnode_protocol::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

pub use error::ClientError;
pub use events::Events;
pub use types::{Event, News, NodeInfo, RequestInfo, Submission, Submitted};

/// A client of one gateway. Each call opens a connection of its own, so a client is cheap to keep and to clone, and a
/// dropped future leaves nothing half done on this side. A call that gets no answer for two minutes longer than it was
/// to wait fails as [`ClientError::Broken`].
#[derive(Debug, Clone)]
pub struct Client {
    transport: http::Transport,
}

impl Client {
    /// A client of the gateway at `url`, such as `http://127.0.0.1:8080`. A path in it is put before `/api`.
    ///
    /// # Errors
    ///
    /// [`ClientError::Url`] when it is not an `http://` URL, [`ClientError::Token`] when the token cannot be sent.
    pub fn new(url: &str, token: Option<Secret>) -> Result<Self, ClientError> {
        Ok(Self { transport: http::Transport::new(url, token)? })
    }

    /// Submits work.
    ///
    /// When the call fails or its future is dropped the gateway may have it all the same; repeat it with the same
    /// [request id](Submission::request_id) to be safe.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] when the gateway does not take it, others when it cannot be reached.
    pub async fn submit(&self, submission: &Submission) -> Result<Submitted, ClientError> {
        let body = submission.to_json();
        self.transport.json("POST", "/api/requests", Some(body), Duration::ZERO).await
    }

    /// What is known of a request, its answer included. With `wait`, the gateway keeps the call until there is an answer
    /// or that time has passed.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with status 404 when the gateway does not know it, others when it cannot be reached.
    pub async fn result(
        &self,
        request_id: &str,
        wait: Option<Duration>,
    ) -> Result<RequestInfo, ClientError> {
        let mut path = request_path(request_id);
        if let Some(wait) = wait {
            path.push_str(&format!("?wait={}", wait.as_secs_f64()));
        }
        self.transport.json("GET", &path, None, wait.unwrap_or_default()).await
    }

    /// The events of a request, from the first or from the one after the id `after`.
    ///
    /// # Errors
    ///
    /// As [`result`](Self::result).
    pub async fn events(
        &self,
        request_id: &str,
        after: Option<u64>,
    ) -> Result<Events, ClientError> {
        let path = format!("{}/events", request_path(request_id));
        Ok(Events::new(self.transport.stream(&path, after).await?))
    }

    /// The nodes that are connected, or were and are still remembered.
    ///
    /// # Errors
    ///
    /// When the gateway refuses or cannot be reached.
    pub async fn nodes(&self) -> Result<Vec<NodeInfo>, ClientError> {
        #[derive(serde::Deserialize)]
        struct Nodes {
            nodes: Vec<NodeInfo>,
        }
        let Nodes { nodes } =
            self.transport.json("GET", "/api/nodes", None, Duration::ZERO).await?;
        Ok(nodes)
    }
}

fn request_path(request_id: &str) -> String {
    format!("/api/requests/{}", utf8_percent_encode(request_id, NON_ALPHANUMERIC))
}
