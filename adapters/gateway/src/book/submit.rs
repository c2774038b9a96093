use std::sync::Arc;

use clawnode_protocol::Timestamp;
use clawnode_protocol::peer::Request;
use serde_json::json;
use thiserror::Error;
use tracing::{info, warn};

use super::log::Data;
use super::node::Node;
use super::request::{Entry, describe, digest};
use super::{Book, RequestView};
use crate::status::Status;

/// A request is on its way, or was before.
#[derive(Debug)]
pub(crate) enum Submitted {
    New(RequestView),
    Known(RequestView),
}

/// A request cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SubmitError {
    #[error("request_id {0:?} was used for other content: use another, or leave it out")]
    OtherContent(String),
    #[error("no node {0:?} has connected: see GET /api/nodes for those that have")]
    UnknownNode(String),
    #[error("node {0:?} does not serve {1}: see GET /api/nodes for what nodes serve")]
    Unable(String, String),
    #[error("node {0:?} is not connected: try again later, or leave node_id out")]
    NotConnected(String),
    #[error("no connected node serves {0}: try again when one is, see GET /api/nodes")]
    NoneAble(String),
    #[error(
        "{0} requests are in flight, as many as this gateway takes: try again when some are answered"
    )]
    TooMany(usize),
    #[error("too many bytes of requests wait for their nodes: try again when some are accepted")]
    TooManyBytes,
}

impl Book {
    /// Sends a request to the node named, or to the able one with the least to do.
    pub(crate) fn submit(
        &mut self,
        request: Request,
        node_id: Option<&str>,
        now: Timestamp,
    ) -> Result<Submitted, SubmitError> {
        let id: Arc<str> = request.request_id.as_str().into();
        if let Some(entry) = self.requests.get(&id) {
            return match entry.digest {
                Some(known) if known != digest(&request) => {
                    Err(SubmitError::OtherContent(request.request_id))
                }
                _ => Ok(Submitted::Known(entry.view(&id, true))),
            };
        }
        let node = self.choose(&request, node_id)?.id.clone();
        if self.in_flight() >= self.limits.in_flight {
            return Err(SubmitError::TooMany(self.limits.in_flight));
        }
        self.make_room(request.task.size())?;

        let (kind, _) = describe(&request.task);
        info!(request_id = &*id, node_id = &*node, kind, "request submitted");
        let request = Arc::new(request);
        let number = self.number();
        self.insert(id.clone(), Entry::of(request, number, node, now));
        self.send(&id);
        let view = self.requests.get(&id).map(|entry| entry.view(&id, true));
        Ok(Submitted::New(view.expect("it was inserted just now")))
    }

    /// A node is back: what it never accepted is sent again, in the old order. It knows by the id what it has seen before.
    pub(super) fn resend(&mut self, node_id: &str, now: Timestamp) {
        let mut unaccepted: Vec<_> = self
            .settled
            .values()
            .filter_map(|id| self.requests.get(id).map(|entry| (entry, id)))
            .filter(|(entry, _)| *entry.node_id == *node_id && entry.unaccepted.is_some())
            .map(|(entry, id)| (entry.number, entry.sends, id.clone()))
            .collect();
        unaccepted.sort_unstable();
        for (_, sends, id) in unaccepted {
            if sends < MOST_SENDS {
                info!(request_id = &*id, node_id, "request sent again");
                self.change(&id, now, Status::Sent, "resent", Data::Json("{}".into()), |_| {});
                self.send(&id);
            } else {
                warn!(
                    request_id = &*id,
                    node_id, sends, "request not sent again: it was never accepted"
                );
                let reason =
                    format!("the node did not accept it, though it was sent {sends} times");
                let data = json!({ "reason": reason }).to_string();
                self.change(&id, now, Status::Lost, "lost", Data::Json(data.into()), |entry| {
                    entry.unaccepted = None;
                    entry.lost_reason = Some(reason);
                });
            }
        }
    }

    fn send(&mut self, id: &str) {
        let Some(entry) = self.requests.get_mut(id) else { return };
        let link = self.nodes.get(&entry.node_id).and_then(|node| node.link.as_ref());
        if let (Some(link), Some(request)) = (link, &entry.unaccepted) {
            entry.sends += 1;
            // Should the connection be over already, its end will mark the request as lost.
            let _ = link.requests.send(request.clone());
        }
    }

    fn choose(&self, request: &Request, node_id: Option<&str>) -> Result<&Node, SubmitError> {
        let what = || match describe(&request.task) {
            (_, Some(name))
                if !matches!(request.task, clawnode_protocol::Task::Workflow { .. }) =>
            {
                format!("command {name:?}")
            }
            (kind, _) => format!("{kind}s"),
        };
        let Some(node_id) = node_id else {
            let able = |node: &&Node| node.link.is_some() && node.serves(&request.task);
            let least = self.nodes.values().filter(able).min_by_key(|node| node.in_flight);
            return least.ok_or_else(|| SubmitError::NoneAble(what()));
        };
        let node = self.nodes.get(node_id);
        let node = node.ok_or_else(|| SubmitError::UnknownNode(node_id.to_owned()))?;
        if node.link.is_none() {
            return Err(SubmitError::NotConnected(node_id.to_owned()));
        }
        if !node.serves(&request.task) {
            return Err(SubmitError::Unable(node_id.to_owned(), what()));
        }
        Ok(node)
    }

    /// Makes room for the bytes of one more request: those kept for lost nodes give way, the oldest first.
    fn make_room(&mut self, size: usize) -> Result<(), SubmitError> {
        let limit = self.limits.unaccepted_bytes;
        for id in self.settled.values() {
            if self.unaccepted_bytes + size <= limit {
                break;
            }
            if let Some(entry) = self.requests.get_mut(id) {
                self.unaccepted_bytes -= entry.unaccepted_bytes();
                entry.unaccepted = None;
            }
        }
        let fits = self.unaccepted_bytes + size <= limit;
        fits.then_some(()).ok_or(SubmitError::TooManyBytes)
    }
}

/// A request that a node does not accept this often may be what makes it fall over.
const MOST_SENDS: u32 = 3;
