//! Connections: two pipes, and what stands at their ends.

use clawnode_protocol::Peer;
use clawnode_protocol::node::Input;
use clawnode_protocol::peer;

use super::{Event, World};
use crate::network::{Found, Pipe};
use crate::record::{Kind, Lane};
use crate::rules::Rule;

/// A connection, by its place and its number, so that what is planned for a former one in the same place finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkId {
    pub(super) slot: u32,
    pub(super) number: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToGateway,
    ToNode,
}

pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) node: usize,
    /// Whether the node's end still uses it.
    pub(super) node_end: bool,
    pub(super) gateway_end: GatewayEnd,
    pub(super) to_gateway: Pipe,
    pub(super) to_node: Pipe,
    /// Whether an arrival is planned already, in each direction.
    pub(super) planned: [bool; 2],
    pub(super) wakes_at: Option<std::time::Duration>,
    pub(super) beats: u64,
    /// How much the gateway had read before what it reads now.
    pub(super) read_before: u64,
    /// What was cancelled on it.
    pub(super) silences: Vec<Silence>,
    /// Messages under way to the node, for pictures: where they end in the stream, when they were sent, what they say.
    pub(super) letters: std::collections::VecDeque<(u64, std::time::Duration, String)>,
}

/// A request of which nothing more may be said once its cancellation is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silence {
    pub(super) number: u32,
    /// Where the cancellation ends in the stream to the node.
    pub(super) told_at: u64,
    /// From where on in the stream to the gateway there is silence.
    pub(super) from: Option<u64>,
}

pub(super) enum GatewayEnd {
    Peer(Box<Peer>),
    /// Something that is no gateway, and what it says to an HTTP request.
    Impostor {
        answer: Vec<u8>,
        seen: Vec<u8>,
        ends: bool,
    },
    Gone,
}

impl World {
    pub(super) fn link(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(id.slot as usize).filter(|link| link.id == id)
    }

    /// Opens a connection whose gateway end is this.
    pub(super) fn open_link(&mut self, node: usize, gateway_end: GatewayEnd) -> LinkId {
        self.link_number += 1;
        let slot = self.free.pop().unwrap_or(self.links.len() as u32);
        let id = LinkId { slot, number: self.link_number };
        let link = Link {
            id,
            node,
            node_end: true,
            gateway_end,
            to_gateway: Pipe::new(self.faults.conditions(&mut self.network)),
            to_node: Pipe::new(self.faults.conditions(&mut self.network)),
            planned: [false; 2],
            wakes_at: None,
            beats: 0,
            read_before: 0,
            silences: Vec::new(),
            letters: Default::default(),
        };
        match self.links.get_mut(slot as usize) {
            Some(place) => *place = link,
            None => self.links.push(link),
        }
        self.hosts[node].link = Some(id);
        id
    }

    /// Plans the next arrival of a direction, unless one is planned.
    pub(super) fn plan_arrival(&mut self, id: LinkId, direction: Direction) {
        let now = self.now;
        let Some(link) = self.links.get_mut(id.slot as usize).filter(|link| link.id == id) else {
            return;
        };
        let (pipe, listens, planned) = match direction {
            Direction::ToGateway => {
                let listens = !matches!(link.gateway_end, GatewayEnd::Gone);
                (&link.to_gateway, listens, &mut link.planned[0])
            }
            Direction::ToNode => (&link.to_node, link.node_end, &mut link.planned[1]),
        };
        if let (true, false, Some(due)) = (listens, *planned, pipe.due()) {
            *planned = true;
            self.schedule.plan(due.max(now), Event::Arrive(id, direction));
        }
    }

    pub(super) fn arrive(&mut self, id: LinkId, direction: Direction) {
        let Some(link) = self.link(id) else { return };
        match direction {
            Direction::ToGateway => {
                link.planned[0] = false;
                self.arrive_at_gateway(id);
            }
            Direction::ToNode => {
                link.planned[1] = false;
                self.arrive_at_node(id);
            }
        }
        self.plan_arrival(id, direction);
    }

    fn arrive_at_node(&mut self, id: LinkId) {
        let now = self.now;
        let link = &mut self.links[id.slot as usize];
        if !link.node_end {
            return;
        }
        let index = link.node;
        let host = &mut self.hosts[index];
        let clock = host.now(now);
        let result = match link.to_node.read(now, &mut self.network) {
            Found::Nothing => return,
            Found::Bytes(bytes) => {
                self.figures.bytes += bytes.len() as u64;
                host.node.handle(clock, Input::Received(bytes))
            }
            Found::End => {
                link.to_node.freeze();
                host.node.handle(clock, Input::ReceivedEof)
            }
            Found::Reset => {
                link.node_end = false;
                host.link = None;
                host.node.handle(clock, Input::Disconnected("connection reset by peer"))
            }
        };
        let read = link.to_node.read_so_far();
        self.deliver_letters(id, read);
        self.accepted_input(Some(index), "bytes", result.is_err());
        self.turn(index);
        self.begin_silences(id, read);
        self.flush_peer(id);
        self.offer(index);
        self.release(id);
    }

    /// Notes, for pictures, the messages of which the last byte has arrived.
    fn deliver_letters(&mut self, id: LinkId, read: u64) {
        while let Some(link) = self.link(id) {
            let index = link.node;
            if link.letters.front().is_none_or(|(end, ..)| *end > read) {
                return;
            }
            let Some((_, sent, text)) = link.letters.pop_front() else { return };
            let kind = Kind::Message { sent, from: Lane::Gateway };
            self.note(Lane::Node(index), kind, || text);
        }
    }

    fn arrive_at_gateway(&mut self, id: LinkId) {
        let now = self.now;
        let clock = self.gateway_clock();
        let link = &mut self.links[id.slot as usize];
        let index = link.node;
        let mut refused = false;
        let mut hang_up = false;
        link.read_before = link.to_gateway.read_so_far();
        match (link.to_gateway.read(now, &mut self.network), &mut link.gateway_end) {
            (Found::Nothing, _) | (_, GatewayEnd::Gone) => return,
            (Found::Bytes(bytes), GatewayEnd::Peer(peer)) => {
                self.figures.bytes += bytes.len() as u64;
                refused = peer.handle(clock, peer::Input::Received(bytes)).is_err();
            }
            (Found::End, GatewayEnd::Peer(peer)) => {
                refused = peer.handle(clock, peer::Input::ReceivedEof).is_err();
                link.to_gateway.freeze();
            }
            (Found::Reset, GatewayEnd::Peer(peer)) => {
                refused = peer.handle(clock, peer::Input::Disconnected).is_err();
                link.to_gateway.freeze();
            }
            (Found::Bytes(bytes), GatewayEnd::Impostor { answer, seen, ends }) => {
                seen.extend_from_slice(bytes);
                if seen.windows(4).any(|four| four == b"\r\n\r\n") {
                    link.to_node.write(now, answer, &mut self.network);
                    answer.clear();
                    seen.clear();
                    if *ends {
                        link.to_node.finish(now);
                    }
                }
            }
            (Found::End | Found::Reset, GatewayEnd::Impostor { .. }) => hang_up = true,
        }
        if hang_up {
            self.links[id.slot as usize].gateway_end = GatewayEnd::Gone;
        }
        self.accepted_input(Some(index), "the node's bytes", refused);
        self.turn_peer(id);
        self.plan_arrival(id, Direction::ToNode);
        // There is room again for what the node could not write.
        let host = &self.hosts[index];
        if host.link == Some(id) && !host.node.transmit().is_empty() {
            self.turn(index);
        }
        self.release(id);
    }

    /// Gives the place of a connection back that nobody uses.
    pub(super) fn release(&mut self, id: LinkId) {
        let Some(link) = self.link(id) else { return };
        if !link.node_end && matches!(link.gateway_end, GatewayEnd::Gone) {
            let letters = std::mem::take(&mut link.letters);
            link.id.number = 0;
            self.free.push(id.slot);
            for (_, _, text) in letters {
                self.note(Lane::Gateway, Kind::Lost, || text);
            }
        }
    }

    pub(super) fn accepted_input(&mut self, node: Option<usize>, what: &str, refused: bool) {
        if refused {
            let text = format!("{what} were taken as a mistake of the caller");
            self.breach(node, Some((Rule::AcceptsInput, text)));
        }
    }
}
