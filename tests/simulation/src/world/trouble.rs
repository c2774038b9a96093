//! The world at its worst.

use std::time::Duration;

use clawnode_protocol::peer::Input;
use clawnode_protocol::websocket::CloseCode;

use super::links::{Direction, GatewayEnd, LinkId};
use super::{Event, World};
use crate::mix::Trouble;
use crate::record::{Kind, Lane};

impl World {
    /// Plans the next trouble of a node.
    pub(super) fn plan_trouble(&mut self, index: usize) {
        if let Some(mean) = self.faults.trouble {
            let later = self.now + self.random.around(mean);
            self.schedule.plan(later, Event::Trouble(index));
        }
    }

    pub(super) fn trouble(&mut self, index: usize) {
        if self.now >= self.faults.span {
            return;
        }
        self.plan_trouble(index);
        let kinds = std::mem::take(&mut self.faults.kinds);
        let kind = self.random.pick(&kinds);
        self.faults.kinds = kinds;
        // What concerns everybody comes once for all nodes together.
        let shared = matches!(
            kind,
            Trouble::Restart
                | Trouble::Amnesia
                | Trouble::AnnouncedRestart
                | Trouble::SecretChanged
        );
        if shared && index != self.random.size(0, self.hosts.len() - 1) {
            return;
        }
        let link = self.hosts[index].link;
        let clocks = matches!(kind, Trouble::UtcJump | Trouble::TimeJump);
        if link.is_none() && !shared && !clocks {
            return;
        }
        self.figures.faults += 1;
        let lane = if shared { Lane::Gateway } else { Lane::Node(index) };
        self.note(lane, Kind::Fault, || format!("{kind:?}"));
        match kind {
            Trouble::UtcJump => {
                let days = self.random.between(0, 20_000) as i64 - 10_000;
                self.hosts[index].utc_ahead += days * 86_400_000_000;
                self.gateway.utc_ahead -= days * 43_200_000_000;
                if self.is_openclaw() {
                    // Its challenges have no words for the time before 1970.
                    self.gateway.utc_ahead = self.gateway.utc_ahead.max(-FORTY_YEARS);
                }
            }
            Trouble::TimeJump => {
                let jump = self.random.time(Duration::ZERO, Duration::from_secs(120));
                self.hosts[index].ahead += jump;
                self.turn(index);
            }
            Trouble::Restart => self.restart(false),
            Trouble::Amnesia => self.restart(true),
            Trouble::AnnouncedRestart => self.restart_announced(),
            Trouble::SecretChanged => self.change_secret(),
            Trouble::TokenRotated => self.rotate_token(index),
            Trouble::DeviceRemoved => self.remove_device(index),
            _ => {
                if let Some(id) = link {
                    self.trouble_link(id, kind);
                }
            }
        }
    }

    fn trouble_link(&mut self, id: LinkId, kind: Trouble) {
        let now = self.now;
        let mut random = self.random.child();
        let clock = self.gateway_clock();
        let Some(link) = self.link(id) else { return };
        match kind {
            Trouble::Reset => {
                link.to_node.reset_after(0);
                link.to_gateway.reset_after(0);
            }
            Trouble::CutInFrame => {
                let bytes = random.between(1, 300);
                link.to_node.reset_after(bytes);
                link.to_gateway.reset_after(random.between(1, 300));
            }
            Trouble::Stall => {
                let until = now + random.around(Duration::from_secs(20));
                if random.chance(700) {
                    link.to_node.stall(until);
                }
                if random.chance(700) {
                    link.to_gateway.stall(until);
                }
            }
            Trouble::HalfOpen => {
                // The way to the gateway never dies alone: without acknowledgements TCP soon sends nothing the other way.
                link.to_node.freeze();
                if random.chance(750) {
                    link.to_gateway.freeze();
                }
            }
            Trouble::GatewayCloses => {
                let code = random.pick(&[1000, 1001, 1008, 1011, 1012, 3000]);
                if let (GatewayEnd::Peer(peer), Some(code)) =
                    (&mut link.gateway_end, CloseCode::new(code))
                {
                    // A peer that is closing already refuses.
                    let _ = peer.handle(clock, Input::Close(code, "go away"));
                    self.turn_peer(id);
                }
            }
            Trouble::Nonsense => {
                let times = random.pick(&[1, 1, 40]);
                let nonsense = if self.is_openclaw() { OPENCLAW_NONSENSE } else { NONSENSE };
                self.say_frames(id, &nonsense[random.size(0, nonsense.len() - 1)..], times)
            }
            Trouble::PingFlood => self.say_frames(id, &["\u{9}flood"], random.size(1, 300)),
            Trouble::BrokenFrames => {
                const BROKEN: [&[u8]; 5] = [
                    b"\xff\x00",
                    b"\x81\x81mask?",
                    b"\x80\x01c",
                    b"\x89\x7e\x00\x80",
                    b"\x88\x02\x03\xe7",
                ];
                let bytes = random.pick(&BROKEN);
                self.inject(id, bytes);
            }
            // A message in three parts, cut in the middle of a letter, with a ping in between.
            Trouble::Fragments => self.inject(
                id,
                b"\x01\x14{\"type\":\"weather\",\"\xc3\x89\x04ping\x00\x06\xbc\":\"gr\x80\x03y\"}",
            ),
            Trouble::UtcJump
            | Trouble::TimeJump
            | Trouble::Restart
            | Trouble::Amnesia
            | Trouble::AnnouncedRestart
            | Trouble::SecretChanged
            | Trouble::TokenRotated
            | Trouble::DeviceRemoved => {}
        }
        self.plan_arrival(id, Direction::ToNode);
        self.plan_arrival(id, Direction::ToGateway);
    }

    /// Sends messages past the peer, which would not say such things: text, or a ping when it begins with a tab.
    fn say_frames(&mut self, id: LinkId, texts: &[&str], times: usize) {
        for _ in 0..times {
            let Some(text) = texts.first() else { return };
            let (opcode, payload) = match text.strip_prefix('\u{9}') {
                Some(payload) => (0x89, payload),
                None => (0x81, *text),
            };
            let mut frame = vec![opcode, payload.len() as u8];
            frame.extend_from_slice(payload.as_bytes());
            self.inject(id, &frame);
        }
    }

    /// Puts bytes between two frames of a registered node's connection, if there is such a place now.
    fn inject(&mut self, id: LinkId, bytes: &[u8]) {
        let now = self.now;
        let Some(link) = self.links.get_mut(id.slot as usize).filter(|link| link.id == id) else {
            return;
        };
        let GatewayEnd::Peer(peer) = &link.gateway_end else { return };
        if peer.is_ready() && peer.transmit().is_empty() && link.to_node.room() >= bytes.len() {
            link.to_node.write(now, bytes, &mut self.network);
        }
    }

    /// The gateway goes down, with or without its books, and comes back later.
    fn restart(&mut self, forgets: bool) {
        if forgets {
            self.gateway.life += 1;
            for seat in &mut self.gateway.seats {
                seat.open.clear();
                seat.unsent.clear();
            }
        }
        self.gateway.up = false;
        let down = self.random.around(Duration::from_secs(20));
        self.schedule.plan(self.now + down, Event::GatewayBack);
        let silent = self.random.chance(300);
        for slot in 0..self.links.len() {
            let link = &mut self.links[slot];
            if link.id.number == 0 || !matches!(link.gateway_end, GatewayEnd::Peer(_)) {
                continue;
            }
            let id = link.id;
            link.gateway_end = GatewayEnd::Gone;
            // A machine that loses its power says nothing.
            if silent {
                link.to_node.freeze()
            } else {
                link.to_node.reset_after(0)
            }
            let index = link.node;
            self.leave(id, index);
            self.plan_arrival(id, Direction::ToNode);
            self.release(id);
        }
    }

    /// Everything that was bad is good from now on.
    pub(super) fn end_faults(&mut self) {
        self.note(Lane::Gateway, Kind::Fault, || "faults are over".to_owned());
        self.faults.end();
        self.gateway.up = true;
        self.gateway.secret_changed = false;
        self.upgrade_gateway();
        self.approve_all();
        for slot in 0..self.links.len() {
            let link = &mut self.links[slot];
            if link.id.number != 0 {
                let id = link.id;
                link.to_gateway.heal();
                link.to_node.heal();
                self.plan_arrival(id, Direction::ToGateway);
                self.plan_arrival(id, Direction::ToNode);
            }
        }
    }
}

/// In microseconds.
const FORTY_YEARS: i64 = 40 * 365 * 86_400_000_000;

const OPENCLAW_NONSENSE: &[&str] = &[
    "not json",
    "[1,2]",
    "{}",
    r#"{"type":"req","id":"1","method":"connect"}"#,
    r#"{"type":"event","event":"node.invoke.request"}"#,
    r#"{"type":"event","event":"weather","payload":null}"#,
    r#"{"type":"res","id":"i1","ok":false}"#,
    r#"{"type":"res","id":"connect","ok":true}"#,
    r#"{"type":"event","event":"connect.challenge"}"#,
    r#"{"type":"event","event":"node.invoke.cancel","payload":{"invokeId":"unknown"}}"#,
];
const NONSENSE: &[&str] = &[
    "not json",
    "[1,2]",
    "{}",
    r#"{"type":"heartbeat","node_id":"x"}"#,
    r#"{"type":"command_request"}"#,
    r#"{"type":"weather","sky":"blue"}"#,
    r#"{"type":"error","error":"you are odd"}"#,
    r#"{"type":"ack","request_id":"unknown"}"#,
    r#"{"type":"node_registration","x":1}"#,
];
