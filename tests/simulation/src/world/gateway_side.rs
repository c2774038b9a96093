//! What happens at the gateway.

use clawnode_protocol::dialect::RepeatedId;
use clawnode_protocol::peer::{Action, Applicant, Decision, FromNode, Input, LostReason, Misuse};
use clawnode_protocol::{Now, Outcome, Peer, Task};

use super::links::{Direction, GatewayEnd, LinkId};
use super::{Event, World};
use crate::handlers::json;
use crate::host::wall_clock;
use crate::record::{Kind, Lane};
use crate::rules::Rule;
use crate::ticket::{TicketKind, digest_update};

impl World {
    pub(super) fn gateway_clock(&self) -> Now {
        Now::new(self.now, wall_clock(self.now, self.gateway.utc_ahead))
    }

    pub(super) fn new_peer(&self) -> Box<Peer> {
        // Another one for each connection, and drawn from nothing that decides what happens.
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&self.link_number.to_le_bytes());
        Box::new(Peer::new(self.gateway.config.clone(), self.gateway_clock(), seed))
    }

    /// Something that answers HTTP as a gateway should not.
    pub(super) fn impostor(&mut self, index: usize) -> GatewayEnd {
        const ANSWERS: [&str; 12] = [
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 60\r\n\r\nBad token %TOKEN%",
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\nnope\n",
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 90\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 503 Busy\r\nRetry-After: Fri, 02 Jan 2026 03:10:00 GMT\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 500 Internal Server Error\r\nTransfer-Encoding: chunked\r\n\r\n3\r\noh!\r\n0\r\n\r\n",
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 1000\r\n\r\nshort",
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>welcome</html>",
            "HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
            "SSH-2.0-OpenSSH_9.6\r\n",
            "",
        ];
        let answer = match self.network.chance(100) {
            true => "HTTP/1.1 200 OK\r\nX: ".to_owned() + &"x".repeat(20_000),
            // In the openclaw dialect nobody has seen a token yet.
            false if self.is_openclaw() => self.network.pick(&ANSWERS).replace("%TOKEN%", ""),
            false => self.network.pick(&ANSWERS).replace("%TOKEN%", &self.hosts[index].token),
        };
        let first_line: String =
            answer.lines().next().unwrap_or("silence").chars().take(60).collect();
        self.note(Lane::Node(index), Kind::Fault, || format!("an impostor will say: {first_line}"));
        let ends = self.network.chance(500);
        GatewayEnd::Impostor { answer: answer.into_bytes(), seen: Vec::new(), ends }
    }

    pub(super) fn peer_timer(&mut self, id: LinkId) {
        let now = self.now;
        let clock = self.gateway_clock();
        let Some(link) = self.link(id) else { return };
        link.wakes_at = link.wakes_at.filter(|at| *at > now);
        let GatewayEnd::Peer(peer) = &mut link.gateway_end else { return };
        let index = link.node;
        let before = peer.deadline();
        if before.is_some_and(|(due, _)| due <= now) {
            let refused = peer.handle(clock, Input::Timeout).is_err();
            let after = peer.deadline();
            self.figures.timeouts += 1;
            self.accepted_input(Some(index), "a timeout", refused);
            if after.is_some_and(|(due, _)| due <= now) {
                let text = format!("the gateway's {before:?} was served, and {after:?} is next");
                self.breach(Some(index), Some((Rule::DeadlineMoves, text)));
            }
        }
        self.turn_peer(id);
    }

    /// Drains a peer, writes what it lends, and plans its next wake.
    pub(super) fn turn_peer(&mut self, id: LinkId) {
        loop {
            let Some(link) = self.link(id) else { return };
            let GatewayEnd::Peer(peer) = &mut link.gateway_end else { break };
            if let Some(action) = peer.poll_action() {
                self.act_for_gateway(id, action);
            } else if !self.write_to_node(id) {
                break;
            }
        }
        let most = self.gateway.config.limits.transmit_bytes;
        let Some(link) = self.link(id) else { return };
        let (GatewayEnd::Peer(peer), wakes_at) = (&link.gateway_end, link.wakes_at) else {
            return self.release(id);
        };
        // Requests are refused past the limit; what is one message more, answers to pings and the end of a connection, is not.
        let waiting = peer.transmit().len();
        if waiting > most + MOST_REQUEST {
            let text = format!("{waiting} bytes wait for the node, and {most} is the most");
            let index = link.node;
            return self.breach(Some(index), Some((Rule::WithinLimits, text)));
        }
        if let Some((due, _)) = peer.deadline() {
            if wakes_at.is_none_or(|at| due < at) {
                link.wakes_at = Some(due);
                self.schedule.plan(due.max(self.now), Event::PeerTimer(id));
            }
        }
    }

    /// Writes what a peer lends, now that there may be room.
    pub(super) fn flush_peer(&mut self, id: LinkId) {
        let waits = match self.link(id) {
            Some(link) => {
                matches!(&link.gateway_end, GatewayEnd::Peer(peer) if !peer.transmit().is_empty())
            }
            None => false,
        };
        if waits {
            self.turn_peer(id);
        }
    }

    fn write_to_node(&mut self, id: LinkId) -> bool {
        let clock = self.gateway_clock();
        let link = &mut self.links[id.slot as usize];
        let GatewayEnd::Peer(peer) = &mut link.gateway_end else { return false };
        if peer.transmit().is_empty() {
            return false;
        }
        let count = link.to_node.write(self.now, peer.transmit(), &mut self.network);
        if count == 0 {
            return false;
        }
        let refused = peer.handle(clock, Input::Sent(count)).is_err();
        let index = link.node;
        self.accepted_input(Some(index), "sent bytes of the gateway", refused);
        self.plan_arrival(id, Direction::ToNode);
        true
    }

    fn act_for_gateway(&mut self, id: LinkId, action: Action) {
        let index = self.links[id.slot as usize].node;
        self.figures.actions += 1;
        match action {
            Action::Authorize(Applicant::Upgrade(request)) => {
                self.check_secret(index, "the upgrade request", format_args!("{request:?}"));
                let token = self.hosts[index].token.as_str();
                let shown = (!self.is_openclaw()).then_some(token);
                let decision = if request.bearer_token() != shown {
                    let text = "the token arrived changed, or not at all".to_owned();
                    self.breach(Some(index), Some((Rule::KnownRequest, text)));
                    Decision::Reject { status: 401, message: "", retry_after: None }
                } else if self.random.chance(self.faults.impostors / 4) {
                    let status = self.random.pick(&[401, 403, 429, 500, 503]);
                    let retry_after = self.random.pick(&[None, Some(0), Some(45)]);
                    Decision::Reject { status, message: "not now", retry_after }
                } else {
                    Decision::Accept
                };
                let clock = self.gateway_clock();
                let GatewayEnd::Peer(peer) = &mut self.links[id.slot as usize].gateway_end else {
                    return;
                };
                let refused = peer.handle(clock, Input::Authorize(decision)).is_err();
                self.accepted_input(Some(index), "a decision", refused);
            }
            Action::Authorize(Applicant::Connect(request)) => self.judge(id, index, &request),
            Action::Message(message) => self.hear(id, index, message),
            Action::Disconnect => self.hang_up(id),
            Action::Closed(reason) => self.peer_closed(id, index, reason),
            _ => {}
        }
    }

    fn peer_closed(&mut self, id: LinkId, index: usize, reason: LostReason) {
        // What it refused it with are its own words, which may quote what it was shown.
        if !matches!(reason, LostReason::Refused { .. }) {
            self.check_secret(index, "a reason", format_args!("{reason} {reason:?}"));
        }
        self.note(Lane::Gateway, Kind::Connection, || format!("node-{index} is gone: {reason}"));
        self.leave(id, index);
    }

    /// A connection with a node is over for the gateway.
    pub(super) fn leave(&mut self, id: LinkId, index: usize) {
        if self.gateway.seats[index].link == Some(id) {
            self.gateway.seats[index].link = None;
        }
        self.end_requests_of(id, index);
    }

    /// The gateway's end of a connection is closed, at once.
    pub(super) fn hang_up(&mut self, id: LinkId) {
        let now = self.now;
        let Some(link) = self.link(id) else { return };
        if let GatewayEnd::Peer(peer) = &mut link.gateway_end {
            // What is left to say, such as why it was closed, is still taken out.
            let last = peer.poll_action();
            let index = link.node;
            link.gateway_end = GatewayEnd::Gone;
            link.to_node.finish(now);
            match last {
                Some(Action::Closed(reason)) => self.peer_closed(id, index, reason),
                _ => self.leave(id, index),
            }
        }
        self.plan_arrival(id, Direction::ToNode);
        self.release(id);
    }

    fn hear(&mut self, id: LinkId, index: usize, message: FromNode) {
        self.figures.messages += 1;
        let link = &self.links[id.slot as usize];
        let sent = link.to_gateway.departed();
        if self.records.is_some() {
            let text = describe(&message);
            let kind = Kind::Message { sent, from: Lane::Node(index) };
            self.note(Lane::Gateway, kind, || text);
        }
        match message {
            FromNode::Alive { .. } => self.hear_heartbeat(id, index, sent),
            FromNode::Registered(registration) => {
                self.check_secret(index, "a registration", format_args!("{registration:?}"));
                self.seat(id, index);
            }
            FromNode::Accepted { request_id, .. } => {
                self.book(index, &request_id, |ticket| ticket.accepted(id.number));
            }
            FromNode::Progress { request_id, data, .. } if self.is_openclaw() => {
                let text: String = serde_json::from_str(data.get()).unwrap_or_default();
                let digest = digest_update("", &text);
                self.expect_silence(id, index, &request_id);
                self.book(index, &request_id, |ticket| ticket.progressed(id.number, digest));
            }
            FromNode::Ignored { request_id } => {
                self.expect_silence(id, index, &request_id);
                self.book(index, &request_id, |_| None);
            }
            FromNode::Progress { request_id, kind, data, .. } => {
                let digest = digest_update(&kind, data.get());
                self.book(index, &request_id, |ticket| ticket.progressed(id.number, digest));
            }
            FromNode::Answered { request_id, outcome, .. } => {
                self.check_secret(index, "an answer", format_args!("{outcome:?}"));
                self.figures.answers += 1;
                self.expect_silence(id, index, &request_id);
                if matches!(&outcome, Outcome::Failed(failure) if failure.code.as_deref() == Some("NODE_NOT_READY"))
                {
                    self.plan_to_ask_again(&request_id);
                }
                self.book(index, &request_id, |ticket| ticket.answered(id.number, &outcome));
                self.answered(id, index, &request_id);
            }
            FromNode::Faulty { problem } if self.is_excused(&problem) => {}
            FromNode::Faulty { problem } => {
                let text = format!("the node sent something invalid: {problem}");
                self.breach(Some(index), Some((Rule::KnownRequest, text)));
            }
            FromNode::Error { error, .. } => {
                self.check_secret(index, "an error", format_args!("{error}"));
            }
            _ => {}
        }
    }

    fn hear_heartbeat(&mut self, id: LinkId, index: usize, sent: std::time::Duration) {
        self.gateway.seats[index].last_alive = Some(self.now);
        self.figures.heartbeats += 1;
        let host = &self.hosts[index];
        let interval = host.node.config().timing.heartbeat_interval;
        let link = &mut self.links[id.slot as usize];
        link.beats += 1;
        let beats = link.beats;
        // Only the connection in use tells when it became ready.
        let Some(ready) = host.past.ready_since.filter(|_| host.link == Some(id)) else { return };
        let time = (sent + host.ahead).saturating_sub(ready);
        let most = time.as_nanos() / interval.as_nanos().max(1);
        if u128::from(beats) > most {
            let text = format!("{beats} heartbeats in {time:?} with an interval of {interval:?}");
            self.breach(Some(index), Some((Rule::OneHeartbeat, text)));
        }
    }

    /// A node registers: its former connection is over, and it hears what it has not answered.
    fn seat(&mut self, id: LinkId, index: usize) {
        let former = self.gateway.seats[index].link.replace(id);
        self.gateway.seats[index].last_alive = Some(self.now);
        if let Some(former) = former.filter(|former| *former != id) {
            self.note(Lane::Gateway, Kind::Connection, || format!("node-{index} has come again"));
            self.hang_up(former);
        }
        // Where a connection ends its requests, there is nothing to be asked again.
        let all = self.faults.asks_all_again && !self.is_openclaw();
        let tickets = &self.gateway.tickets;
        let seat = &mut self.gateway.seats[index];
        seat.unsent = seat
            .open
            .iter()
            .copied()
            .filter(|number| all || !tickets[*number as usize].acknowledged)
            .collect();
        self.offer(index);
    }

    fn book(
        &mut self,
        index: usize,
        request_id: &str,
        book: impl FnOnce(&mut crate::ticket::Ticket) -> Option<crate::ticket::Breach>,
    ) {
        let ticket = number(request_id)
            .and_then(|number| self.gateway.tickets.get_mut(number as usize))
            .filter(|ticket| ticket.node == index && ticket.sends > 0);
        let breach = match ticket {
            Some(ticket) => book(ticket),
            None => Some((Rule::KnownRequest, format!("`{request_id}` was never asked"))),
        };
        self.breach(Some(index), breach);
    }

    /// Closes the books on a request, and may tell the node so.
    fn answered(&mut self, id: LinkId, index: usize, request_id: &str) {
        let Some(number) = number(request_id) else { return };
        let Some(ticket) = self.gateway.tickets.get(number as usize) else { return };
        if !ticket.is_answered() {
            return;
        }
        let received = ticket.received.is_some();
        self.gateway.seats[index].open.remove(&number);
        if received && self.rules.acknowledge && self.random.chance(self.faults.acknowledges) {
            let clock = self.gateway_clock();
            let link = &mut self.links[id.slot as usize];
            if let GatewayEnd::Peer(peer) = &mut link.gateway_end {
                // A peer that is closing or full takes none, which is no harm: pongs do as well.
                let _ = peer.handle(clock, Input::Acknowledge(request_id));
                self.letter(id, || format!("ack {request_id}"));
            }
        }
    }

    /// Notes, for pictures, that something was said to the node.
    pub(super) fn letter(&mut self, id: LinkId, text: impl FnOnce() -> String) {
        if self.records.is_some() {
            let link = &mut self.links[id.slot as usize];
            let waiting = match &link.gateway_end {
                GatewayEnd::Peer(peer) => peer.transmit().len(),
                _ => 0,
            };
            let end = link.to_node.written() + waiting as u64;
            link.letters.push_back((end, self.now, text()));
        }
    }

    /// Sends the node what it has not been sent, for as long as there is room.
    pub(super) fn offer(&mut self, index: usize) {
        let seat = &self.gateway.seats[index];
        let usable = !self.is_openclaw() || seat.device.surface;
        let Some(id) = seat.link.filter(|_| usable && !seat.unsent.is_empty()) else { return };
        let clock = self.gateway_clock();
        while let Some(&number) = self.gateway.seats[index].unsent.front() {
            let ticket = &mut self.gateway.tickets[number as usize];
            // What is over meanwhile is not asked again where that would be a new request.
            let over = self.rules.repeated_id == RepeatedId::Supersede && ticket.is_answered();
            let once = over || (ticket.kind != TicketKind::Valid && ticket.sends > 0);
            if !once {
                let link = &mut self.links[id.slot as usize];
                let GatewayEnd::Peer(peer) = &mut link.gateway_end else { break };
                if link.id != id || peer.transmit().len() > MOST_WAITING {
                    break;
                }
                match peer.handle(clock, Input::Request(&ticket.request)) {
                    Ok(()) => {
                        ticket.sent(id.number);
                        self.plan_end_of_request(number);
                    }
                    Err(Misuse::NotReady | Misuse::Full) => break,
                    // What the dialect has no words for is never asked.
                    Err(Misuse::Unsayable) => self.end_request(number),
                    Err(other) => {
                        let text = format!("a request was not taken: {other}");
                        self.breach(Some(index), Some((Rule::AcceptsInput, text)));
                        break;
                    }
                }
                if self.records.is_some() {
                    let ticket = &self.gateway.tickets[number as usize];
                    let text = format!("{} {:?}", ticket.request.request_id, ticket.request.task);
                    self.letter(id, || text);
                }
            }
            self.gateway.seats[index].unsent.pop_front();
        }
        // Not a whole turn: `offer` is called in the middle of one.
        while self.link(id).is_some() && self.write_to_node(id) {}
    }

    /// The gateway says the same again.
    pub(super) fn repeat(&mut self, number: u32) {
        let ticket = &self.gateway.tickets[number as usize];
        if ticket.kind == TicketKind::Valid
            && self.may_repeat(ticket)
            && ticket.life == self.gateway.life
            && self.now < self.faults.span
        {
            let node = ticket.node;
            self.gateway.seats[node].unsent.push_back(number);
            self.offer(node);
        }
    }

    /// The gateway says something else under the same name.
    pub(super) fn contradict(&mut self, number: u32) {
        if !self.may_repeat(&self.gateway.tickets[number as usize]) {
            return;
        }
        let ticket = &mut self.gateway.tickets[number as usize];
        let seat = &self.gateway.seats[ticket.node];
        let over = self.now >= self.faults.span;
        let (Some(id), true, false) = (seat.link, ticket.sends > 0, over) else { return };
        let mut request = ticket.request.clone();
        request.task =
            Task::Command { name: "work".to_owned(), args: json(r#"{"other":true}"#.to_owned()) };
        let clock = Now::new(self.now, wall_clock(self.now, self.gateway.utc_ahead));
        let Some(link) = self.links.get_mut(id.slot as usize).filter(|link| link.id == id) else {
            return;
        };
        let GatewayEnd::Peer(peer) = &mut link.gateway_end else { return };
        if peer.handle(clock, Input::Request(&request)).is_ok() {
            ticket.sent(id.number);
            self.letter(id, || format!("{} with other content", request.request_id));
        }
        self.turn_peer(id);
    }
}

/// The number of a request out of its id.
pub(super) fn number(request_id: &str) -> Option<u32> {
    request_id.strip_prefix('r')?.parse().ok()
}

fn describe(message: &FromNode) -> String {
    match message {
        FromNode::Registered(registration) => format!("registration of {}", registration.node_id),
        FromNode::Alive { .. } => "heartbeat".to_owned(),
        FromNode::Accepted { request_id, .. } => format!("ack {request_id}"),
        FromNode::Progress { request_id, kind, .. } => format!("update {request_id} {kind}"),
        FromNode::Answered { request_id, outcome, .. } => {
            format!("answer {request_id} {outcome:?}")
        }
        FromNode::Error { error, .. } => format!("error {error}"),
        FromNode::Custom { kind, .. } => format!("custom {kind}"),
        other => format!("{other:?}"),
    }
}

/// The largest request that is ever made, and some small change.
const MOST_REQUEST: usize = 64 << 10;
/// How much the gateway lets wait for one node.
const MOST_WAITING: usize = 256 << 10;
