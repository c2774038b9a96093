//! What the gateway knows: its nodes, and every request by its id. No IO and no clock.

#[cfg(test)]
mod bounds;
mod log;
mod node;
mod request;
mod submit;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use clawnode_protocol::peer::Registration;
use clawnode_protocol::{Outcome, Timestamp};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::Limits;
use crate::status::Status;
use node::{Node, is_another_instance};
use request::Entry;

pub(crate) use log::{Data, Logged};
pub(crate) use node::{Link, NodeView};
pub(crate) use request::{Answered, RequestView};
pub(crate) use submit::{SubmitError, Submitted};

#[derive(Debug)]
pub(crate) struct Book {
    limits: Limits,
    nodes: BTreeMap<Arc<str>, Node>,
    requests: HashMap<Arc<str>, Entry>,
    /// All requests in the order of creation.
    by_number: BTreeMap<u64, Arc<str>>,
    /// Those answered or lost, in the order of that.
    settled: BTreeMap<u64, Arc<str>>,
    next_number: u64,
    next_settled: u64,
    kept_bytes: usize,
    unaccepted_bytes: usize,
}

/// News of a request from a node.
#[derive(Debug)]
pub(crate) enum News {
    Accepted { message: Option<String> },
    Progress { job_id: Option<String>, kind: String, data: Box<RawValue> },
    Answered { job_id: Option<String>, outcome: Outcome },
}

/// A node cannot be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyNodes;

/// What a reader of events gets.
#[derive(Debug)]
pub(crate) struct Read {
    /// How many events before these are not kept any more.
    pub(crate) dropped: u64,
    pub(crate) events: Vec<Arc<Logged>>,
    /// Whether no event can follow these.
    pub(crate) complete: bool,
}

impl Book {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            nodes: BTreeMap::new(),
            requests: HashMap::new(),
            by_number: BTreeMap::new(),
            settled: BTreeMap::new(),
            next_number: 1,
            next_settled: 1,
            kept_bytes: 0,
            unaccepted_bytes: 0,
        }
    }

    /// A node registers on a connection, or registers again on it.
    pub(crate) fn register(
        &mut self,
        registration: Registration,
        link: Link,
        address: SocketAddr,
        now: Timestamp,
    ) -> Result<(), TooManyNodes> {
        let id: Arc<str> = registration.node_id.as_str().into();
        let mut connected_at = now;
        if let Some(node) = self.nodes.get(&id) {
            match &node.link {
                Some(older) if older.number == link.number => connected_at = node.connected_at,
                Some(older) => {
                    older.replaced.cancel();
                    let number = older.number;
                    self.disconnected(&id, number, "a newer connection replaced it", now);
                }
                None => {}
            }
        } else if self.nodes.len() >= self.limits.nodes {
            let lost = |node: &&Node| node.link.is_none();
            let oldest = self.nodes.values().filter(lost).min_by_key(|node| node.last_seen_at);
            let oldest = oldest.map(|node| node.id.clone()).ok_or(TooManyNodes)?;
            self.nodes.remove(&oldest);
        }
        let former = self.nodes.get(&id).map(|node| node.registration.clone());
        if former.is_some_and(|former| is_another_instance(&former, &registration)) {
            self.fail_forgotten(&id, now);
        }
        let in_flight = self.nodes.get(&id).map_or(0, |node| node.in_flight);
        let node = Node {
            id: id.clone(),
            link: Some(link),
            registration,
            address,
            says: None,
            in_flight,
            connected_at,
            last_seen_at: now,
            last_heartbeat_at: None,
            lost: None,
        };
        self.nodes.insert(id.clone(), node);
        self.resend(&id, now);
        Ok(())
    }

    /// A node came back as another process: what the former one had accepted will never be answered.
    fn fail_forgotten(&mut self, node_id: &str, now: Timestamp) {
        let forgotten = |id: &&Arc<str>| {
            let entry = self.requests.get(*id);
            entry.is_some_and(|entry| {
                !entry.status.is_final() && entry.was_accepted() && *entry.node_id == *node_id
            })
        };
        let ids: Vec<_> = self.by_number.values().filter(forgotten).cloned().collect();
        for id in ids {
            let why = "the node was restarted, and its work is gone with it; submit the request again under a new id";
            let outcome = Outcome::failed(why);
            self.news(node_id, &id, News::Answered { job_id: None, outcome }, now);
        }
    }

    /// The connection of a node ended: what it has not answered is lost for now.
    pub(crate) fn disconnected(&mut self, node_id: &str, link: u64, reason: &str, now: Timestamp) {
        let Some(node) = self.nodes.get_mut(node_id) else { return };
        if node.link.as_ref().map(|link| link.number) != Some(link) {
            return;
        }
        node.link = None;
        node.lost = Some((now, reason.to_owned()));
        let in_flight = |id: &&Arc<str>| {
            let entry = self.requests.get(*id);
            entry.is_some_and(|entry| entry.settled.is_none() && *entry.node_id == *node_id)
        };
        let lost: Vec<_> = self.by_number.values().filter(in_flight).cloned().collect();
        for id in lost {
            info!(request_id = &*id, node_id, "request lost with its node");
            let data = json!({ "reason": reason }).to_string();
            self.change(&id, now, Status::Lost, "lost", Data::Json(data.into()), |entry| {
                entry.lost_reason = Some(reason.to_owned());
            });
        }
    }

    /// A node said something on a connection; `says` if it was a heartbeat.
    pub(crate) fn heard(&mut self, node_id: &str, says: Option<String>, now: Timestamp) {
        let Some(node) = self.nodes.get_mut(node_id) else { return };
        node.last_seen_at = now;
        if says.is_some() {
            node.last_heartbeat_at = Some(now);
            node.says = says;
        }
    }

    /// A node has news of a request, known or not.
    pub(crate) fn news(&mut self, from: &str, request_id: &str, news: News, now: Timestamp) {
        let Some(id) = self.subject(from, request_id, &news, now) else { return };
        let sensible = |job_id: Option<String>| job_id.filter(|id| id.len() <= LONGEST_ID);
        match news {
            News::Accepted { message } => {
                let data = json!({ "message": message }).to_string();
                let status = match self.requests.get(&id).map(|entry| entry.status) {
                    Some(Status::Running) => Status::Running,
                    _ => Status::Accepted,
                };
                self.change(&id, now, status, "accepted", Data::Json(data.into()), |_| {});
            }
            News::Progress { job_id, kind, data } => {
                let job_id = sensible(job_id);
                let data = format!(
                    r#"{{"job_id":{},"update_type":{},"data":{data}}}"#,
                    json!(job_id),
                    json!(kind)
                );
                self.change(
                    &id,
                    now,
                    Status::Running,
                    "update",
                    Data::Json(data.into()),
                    |entry| {
                        entry.job_id = job_id.or(entry.job_id.take());
                    },
                );
            }
            News::Answered { job_id, outcome } => {
                let known = self.requests.get(&id).and_then(|entry| entry.job_id.clone());
                let answer = Arc::new(Answered::new(sensible(job_id).or(known), outcome));
                let (status, data) = (answer.status(), Data::Answer(answer.clone()));
                info!(request_id, node_id = from, %status, "request answered");
                self.change(&id, now, status, "answer", data, |entry| {
                    entry.job_id = answer.job_id().map(str::to_owned);
                    entry.answer = Some(answer);
                });
            }
        }
    }

    pub(crate) fn request(&self, id: &str) -> Option<RequestView> {
        self.requests.get(id).map(|entry| entry.view(id, true))
    }

    /// Tells when a request changes, and by its end that it is forgotten.
    pub(crate) fn watch(&self, id: &str) -> Option<watch::Receiver<()>> {
        self.requests.get(id).map(|entry| entry.changed.subscribe())
    }

    /// Events of a request from the id `from` on.
    pub(crate) fn read(&self, id: &str, from: u64, bytes: usize) -> Option<Read> {
        let entry = self.requests.get(id)?;
        let events = entry.log.from(from, bytes);
        let dropped = (entry.log.dropped() + 1).saturating_sub(from);
        let read_to = events.last().map_or(from.saturating_sub(1), |event| event.id);
        let complete = entry.status.is_final() && read_to >= entry.log.last_id();
        Some(Read { dropped, events, complete })
    }

    /// The id of the latest event of a request, and whether it is the last.
    pub(crate) fn last_event(&self, id: &str) -> Option<(u64, bool)> {
        let entry = self.requests.get(id)?;
        Some((entry.log.last_id(), entry.status.is_final()))
    }

    /// Requests created before the number `before`, the latest first, and where the next page begins.
    pub(crate) fn list(
        &self,
        status: Option<Status>,
        node_id: Option<&str>,
        before: u64,
        limit: usize,
    ) -> (Vec<RequestView>, Option<u64>) {
        let mut matching = self.by_number.range(..before).rev().filter_map(|(number, id)| {
            let entry = self.requests.get(id)?;
            let matches = status.is_none_or(|status| entry.status == status)
                && node_id.is_none_or(|node_id| *entry.node_id == *node_id);
            matches.then_some((*number, id, entry))
        });
        let mut page = Vec::new();
        let mut last = 0;
        for (number, id, entry) in matching.by_ref().take(limit) {
            page.push(entry.view(id, false));
            last = number;
        }
        (page, matching.next().map(|_| last))
    }

    pub(crate) fn nodes(&self) -> Vec<NodeView> {
        self.nodes.values().map(Node::view).collect()
    }

    pub(crate) fn connected(&self) -> usize {
        self.nodes.values().filter(|node| node.link.is_some()).count()
    }

    /// The id of the request that news from a node are about, if they change anything.
    fn subject(
        &mut self,
        from: &str,
        request_id: &str,
        news: &News,
        now: Timestamp,
    ) -> Option<Arc<str>> {
        let connected = self.nodes.get(from).is_some_and(|node| node.link.is_some());
        if !connected && !matches!(news, News::Answered { .. }) {
            // The last words of a connection that is over already. Nothing would ever end what they begin.
            return None;
        }
        let Some((id, entry)) = self.requests.get_key_value(request_id) else {
            return self.adopt(from, request_id, news, now);
        };
        if entry.status.is_final() {
            return None;
        }
        let id = id.clone();
        if *entry.node_id != *from {
            // A node that came back under another name may deliver what it did under the old one.
            if entry.status != Status::Lost {
                warn!(request_id, node_id = from, "ignored news of another node's request");
                return None;
            }
            let entry = self.requests.get_mut(&id)?;
            entry.node_id = from.into();
        }
        Some(id)
    }

    /// Takes in a request this process never sent: a former one did, and the node still has it.
    fn adopt(
        &mut self,
        from: &str,
        request_id: &str,
        news: &News,
        now: Timestamp,
    ) -> Option<Arc<str>> {
        if request_id.is_empty() || request_id.len() > LONGEST_ID {
            warn!(node_id = from, "ignored news of a request whose id is empty or too long");
            return None;
        }
        if self.in_flight() >= self.limits.in_flight && !matches!(news, News::Answered { .. }) {
            return None;
        }
        info!(request_id, node_id = from, "news of a request that this process did not send");
        let id: Arc<str> = request_id.into();
        let entry = Entry::new(self.number(), from.into(), now);
        self.insert(id.clone(), entry);
        Some(id)
    }

    fn insert(&mut self, id: Arc<str>, entry: Entry) {
        self.unaccepted_bytes += entry.unaccepted_bytes();
        self.work_on(&entry.node_id.clone(), 1);
        self.by_number.insert(entry.number, id.clone());
        self.requests.insert(id, entry);
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number - 1
    }

    fn in_flight(&self) -> usize {
        self.requests.len() - self.settled.len()
    }

    fn work_on(&mut self, node_id: &str, change: isize) {
        if let Some(node) = self.nodes.get_mut(node_id) {
            node.in_flight = node.in_flight.saturating_add_signed(change);
        }
    }

    /// Brings a request that is not answered to a status, logs why, tells those who wait, and keeps the bounds.
    fn change(
        &mut self,
        id: &Arc<str>,
        now: Timestamp,
        status: Status,
        event: &'static str,
        data: Data,
        apply: impl FnOnce(&mut Entry),
    ) {
        let Some(entry) = self.requests.get_mut(id) else { return };
        let (kept_before, unaccepted_before) = (entry.kept_bytes(), entry.unaccepted_bytes());
        let was_settled = entry.settled.take();
        let is_settled = status.is_final() || status == Status::Lost;
        entry.status = status;
        entry.updated_at = now;
        entry.lost_reason = None;
        if !matches!(status, Status::Sent | Status::Lost) {
            entry.unaccepted = None;
        }
        if is_settled {
            entry.settled = Some(self.next_settled);
        }
        entry.log.push(event, data);
        apply(entry);
        let over = |entry: &Entry, limits: &Limits| {
            entry.log.len() > limits.events || entry.log.bytes() > limits.event_bytes
        };
        while over(entry, &self.limits) && entry.log.drop_oldest() {}
        entry.changed.send_replace(());

        self.kept_bytes = self.kept_bytes + entry.kept_bytes() - kept_before;
        self.unaccepted_bytes =
            self.unaccepted_bytes + entry.unaccepted_bytes() - unaccepted_before;
        let node_id = entry.node_id.clone();
        if let Some(place) = was_settled {
            self.settled.remove(&place);
        }
        if is_settled {
            self.settled.insert(self.next_settled, id.clone());
            self.next_settled += 1;
        }
        match (was_settled.is_some(), is_settled) {
            (true, false) => self.work_on(&node_id, 1),
            (false, true) => self.work_on(&node_id, -1),
            _ => {}
        }
        self.trim(id);
    }

    /// Forgets what is too much, but not the request `id`.
    fn trim(&mut self, id: &Arc<str>) {
        while self.kept_bytes > self.limits.kept_bytes || self.settled.len() > self.limits.finished
        {
            match self.settled.values().find(|settled| *settled != id).cloned() {
                Some(oldest) => self.forget(&oldest),
                None => break,
            }
        }
        let Some(entry) = self.requests.get_mut(id) else { return };
        while self.kept_bytes > self.limits.kept_bytes {
            let before = entry.log.bytes();
            if !entry.log.drop_oldest() {
                break;
            }
            self.kept_bytes -= before - entry.log.bytes();
        }
    }

    /// Forgets a settled request.
    fn forget(&mut self, id: &str) {
        let Some(entry) = self.requests.remove(id) else { return };
        self.by_number.remove(&entry.number);
        if let Some(place) = entry.settled {
            self.settled.remove(&place);
        }
        self.kept_bytes -= entry.kept_bytes();
        self.unaccepted_bytes -= entry.unaccepted_bytes();
    }
}

/// Bytes of a node's, a request's or a job's id, at most.
pub(crate) const LONGEST_ID: usize = 256;
