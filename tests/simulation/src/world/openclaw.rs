//! What only an OpenClaw gateway does: it lets in devices that somebody has approved of, gives them tokens, and waits for no answer
//! longer than its callers do.

use std::time::Duration;

use clawnode_protocol::dialect::OnDisconnect;
use clawnode_protocol::dialect::openclaw::{
    ConnectRequest, DeviceToken, GatewayConfig, Hello, Refusal, RefusalCode,
};
use clawnode_protocol::node::{Input as NodeInput, Phase};
use clawnode_protocol::peer::{self, Decision, Input, Misuse, Surface};
use clawnode_protocol::websocket::CloseCode;
use clawnode_protocol::{Credentials, Secret};

use super::gateway_side::number;
use super::links::{GatewayEnd, LinkId, Silence};
use super::{Event, SECRET, World};
use crate::record::{Kind, Lane};
use crate::rules::Rule;
use crate::ticket::{Ticket, TicketKind};

/// What the gateway knows of a node's device.
#[derive(Debug, Default)]
pub(super) struct Device {
    approved: bool,
    /// Whether what it can do may be used.
    pub(super) surface: bool,
    token: Option<Secret>,
    setup_code: Option<Secret>,
    /// How many secrets were made for it.
    secrets: u32,
    asked: bool,
    surface_asked: bool,
}

// Who is let in.
impl World {
    pub(super) fn is_openclaw(&self) -> bool {
        matches!(self.gateway.config.dialect, peer::Dialect::Openclaw(_))
    }

    pub(super) fn judge(&mut self, id: LinkId, index: usize, request: &ConnectRequest) {
        self.check_secret(index, "a connect", format_args!("{request:?}"));
        let sent = self.links[id.slot as usize].to_gateway.departed();
        self.note(Lane::Gateway, Kind::Message { sent, from: Lane::Node(index) }, || {
            "connect".to_owned()
        });
        let own = self.hosts[index].device.as_ref().map(|device| device.identity.device_id());
        if request.device_id.as_deref() != own {
            let text = format!("the device is {:?}, and not its own", request.device_id);
            return self.breach(Some(index), Some((Rule::KnownRequest, text)));
        }
        let clock = self.gateway_clock();
        match self.verdict(index, &request.credentials) {
            Ok(method) => {
                let device = &mut self.gateway.seats[index].device;
                if device.token.is_none() {
                    device.token = Some(device.secret("token", index));
                }
                let mut hello = Hello::new(method);
                hello.approved = device.surface;
                hello.device_token =
                    device.token.clone().map(|token| DeviceToken::new(token.expose(), "node"));
                self.decide(id, index, Decision::Welcome(&hello));
                self.letter(id, || format!("hello-ok, let in by its {method}"));
                let device = &mut self.gateway.seats[index].device;
                if !device.surface && !std::mem::replace(&mut device.surface_asked, true) {
                    let later = self.random.around(self.faults.pairing.approval);
                    self.schedule.plan(clock.monotonic + later, Event::ApproveSurface(index));
                }
            }
            Err(refusal) => {
                self.note(Lane::Gateway, Kind::Connection, || {
                    format!("refuses node-{index}: {}", refusal.code().as_str())
                });
                self.decide(id, index, Decision::Refuse(&refusal));
                self.letter(id, || format!("refused: {}", refusal.code().as_str()));
            }
        }
    }

    fn decide(&mut self, id: LinkId, index: usize, decision: Decision<'_>) {
        let clock = self.gateway_clock();
        let Some(link) = self.link(id) else { return };
        let GatewayEnd::Peer(peer) = &mut link.gateway_end else { return };
        let refused = peer.handle(clock, Input::Authorize(decision)).is_err();
        self.accepted_input(Some(index), "a decision", refused);
    }

    /// How it was let in, or why not.
    fn verdict(&mut self, index: usize, shown: &Credentials) -> Result<&'static str, Box<Refusal>> {
        if self.now < self.gateway.starts_until {
            let refusal = Refusal::new(RefusalCode::Starting, "gateway starting");
            return Err(refusal.with_retry_after(Duration::from_millis(500)).into());
        }
        let shared = self.hosts[index].token.as_str();
        let device = &mut self.gateway.seats[index].device;
        let kept = shown.device_token.is_some() && shown.device_token == device.token;
        let method = if let Some(token) = &shown.token {
            if token.expose() == shared && !self.gateway.secret_changed {
                "token"
            } else if kept {
                "device-token"
            } else {
                let quoting = format!("unauthorized: {} is not the token", token.expose());
                let refusal = Refusal::new(RefusalCode::AuthTokenMismatch, quoting);
                let refusal = match device.token {
                    Some(_) => refusal.retriable_with_device_token(),
                    None => refusal,
                };
                return Err(refusal.into());
            }
        } else if shown.bootstrap_token.is_some() {
            if shown.bootstrap_token != device.setup_code {
                let why = "unauthorized: the setup code is not good any more";
                return Err(Refusal::new(RefusalCode::AuthBootstrapTokenInvalid, why).into());
            }
            device.setup_code = None;
            (device.approved, device.surface) = (true, true);
            "bootstrap-token"
        } else if shown.device_token.is_some() {
            if !kept {
                let why = "unauthorized: the device token is another";
                return Err(Refusal::new(RefusalCode::AuthDeviceTokenMismatch, why).into());
            }
            "device-token"
        } else {
            let why = "unauthorized: no token";
            return Err(Refusal::new(RefusalCode::AuthTokenMissing, why).into());
        };
        if device.approved {
            return Ok(method);
        }
        if !std::mem::replace(&mut device.asked, true) {
            let later = self.random.around(self.faults.pairing.approval);
            self.schedule.plan(self.now + later, Event::Approve(index));
        }
        let why = "pairing required: device is not approved yet";
        Err(Refusal::new(RefusalCode::PairingRequired, why)
            .with_reason("not-paired")
            .with_request_id(format!("device-{index}"))
            .into())
    }

    /// Somebody approves of a device.
    pub(super) fn approve(&mut self, index: usize) {
        let device = &mut self.gateway.seats[index].device;
        if std::mem::take(&mut device.asked) {
            device.approved = true;
            self.note(Lane::Gateway, Kind::Work, || format!("somebody approves of node-{index}"));
        }
    }

    /// Somebody approves of what a node can do.
    pub(super) fn approve_surface(&mut self, index: usize) {
        let clock = self.gateway_clock();
        let seat = &mut self.gateway.seats[index];
        if !seat.device.surface_asked {
            return;
        }
        if let Some(id) = seat.link {
            let GatewayEnd::Peer(peer) = &mut self.links[id.slot as usize].gateway_end else {
                return;
            };
            let request_id = format!("surface-{index}");
            let approved = Surface::Approved { request_id: Some(&request_id) };
            if peer.handle(clock, Input::Surface(approved)).is_err() {
                // It is closing, or reads too slowly to be told now.
                let later = self.now + Duration::from_secs(1);
                return self.schedule.plan(later, Event::ApproveSurface(index));
            }
            self.letter(id, || format!("{request_id} is approved"));
        }
        let device = &mut self.gateway.seats[index].device;
        (device.surface, device.surface_asked) = (true, false);
        self.note(Lane::Gateway, Kind::Work, || format!("what node-{index} can do is approved"));
        if let Some(id) = self.gateway.seats[index].link {
            self.turn_peer(id);
            self.offer(index);
        }
    }

    /// Whoever has had to wait for an approval has it now.
    pub(super) fn approve_all(&mut self) {
        for index in 0..self.hosts.len() {
            self.approve(index);
            self.approve_surface(index);
        }
    }

    pub(super) fn make_setup_code(&mut self, index: usize) -> Secret {
        let device = &mut self.gateway.seats[index].device;
        let code = device.secret("code", index);
        device.setup_code = Some(code.clone());
        code
    }

    /// A setup code that was used up in vain is replaced.
    pub(super) fn replace_setup_code(&mut self, index: usize) {
        if self.faults.pairing.setup_codes && self.is_openclaw() {
            let code = self.make_setup_code(index);
            if let Some(device) = &mut self.hosts[index].device {
                device.setup_code = Some(code);
            }
        }
    }

    pub(super) fn upgrade_gateway(&mut self) {
        if let peer::Dialect::Openclaw(config) = &mut self.gateway.config.dialect {
            *config = GatewayConfig::default();
        }
    }

    /// Whether the node need not be blamed for what the gateway does not take.
    pub(super) fn is_excused(&self, problem: &str) -> bool {
        let pairing = &self.faults.pairing;
        self.is_openclaw()
            && match problem {
                // The gateway's clock has jumped since it asked.
                "device signature expired" => pairing.clocks_jump,
                // The node has to hear of it before it can switch.
                "protocol mismatch" => pairing.older,
                // News of what was superseded meanwhile.
                _ => pairing.supersedes && problem.contains("node.invoke.progress params: at /seq"),
            }
    }
}

impl Device {
    fn secret(&mut self, what: &str, index: usize) -> Secret {
        self.secrets += 1;
        Secret::new(format!("{SECRET}-{what}-{index}-{}", self.secrets))
    }
}

// What befalls it.
impl World {
    pub(super) fn rotate_token(&mut self, index: usize) {
        let device = &mut self.gateway.seats[index].device;
        if device.token.is_some() {
            device.token = Some(device.secret("token", index));
        }
        self.revoke(index, "device removed");
    }

    pub(super) fn remove_device(&mut self, index: usize) {
        let device = &mut self.gateway.seats[index].device;
        *device = Device { secrets: device.secrets, ..Device::default() };
        self.revoke(index, "device removed");
    }

    pub(super) fn change_secret(&mut self) {
        self.gateway.secret_changed = !self.gateway.secret_changed;
        for index in 0..self.hosts.len() {
            self.revoke(index, "gateway auth changed");
        }
    }

    fn revoke(&mut self, index: usize, why: &str) {
        if let Some(id) = self.gateway.seats[index].link {
            self.close(id, 4001, why);
        }
    }

    /// The gateway says goodbye, and when it expects to be back.
    pub(super) fn restart_announced(&mut self) {
        let clock = self.gateway_clock();
        self.gateway.up = false;
        let down = self.random.around(Duration::from_secs(5));
        self.schedule.plan(self.now + down, Event::GatewayBack);
        for index in 0..self.hosts.len() {
            let Some(id) = self.gateway.seats[index].link else { continue };
            let Some(link) = self.link(id) else { continue };
            if let GatewayEnd::Peer(peer) = &mut link.gateway_end {
                let back_in = Some(Duration::from_millis(1500));
                let goodbye = Input::GoingAway { reason: "gateway restarting", back_in };
                // One that is closing already, or does not read, hears it by the close alone.
                if peer.handle(clock, goodbye).is_ok() {
                    self.letter(id, || "shutdown".to_owned());
                }
            }
            self.close(id, 1012, "service restart");
        }
    }

    fn close(&mut self, id: LinkId, code: u16, why: &str) {
        let clock = self.gateway_clock();
        let Some(link) = self.link(id) else { return };
        if let (GatewayEnd::Peer(peer), Some(code)) = (&mut link.gateway_end, CloseCode::new(code))
        {
            // A peer that is closing already refuses.
            let _ = peer.handle(clock, Input::Close(code, why));
            self.turn_peer(id);
        }
    }
}

// What becomes of requests.
impl World {
    /// How long whoever asks waits.
    pub(super) fn patience(&mut self) -> Option<Duration> {
        if !self.is_openclaw() {
            return None;
        }
        // A node of few places may have to drop what it refuses, and then nothing but time ends the wait.
        let may_wait_for_ever = self.faults.limits.owed >= 1000;
        let for_ever = self.random.chance(200) && may_wait_for_ever;
        let time = self.random.around(self.faults.pairing.patience);
        (!for_ever).then(|| time.max(Duration::from_millis(100)))
    }

    pub(super) fn plan_end_of_request(&mut self, number: u32) {
        if !self.is_openclaw() {
            return;
        }
        let time = self.gateway.tickets[number as usize].request.time;
        if let Some(time) = time {
            self.schedule.plan(self.now + time, Event::GiveUp(number));
        }
        if self.random.chance(self.faults.pairing.withdrawn) {
            let later = self.random.around(time.unwrap_or(Duration::from_secs(10)) / 2);
            self.schedule.plan(self.now + later, Event::Withdraw(number));
        }
    }

    /// The gateway tells whoever asked that there will be no answer, and the node to stop.
    pub(super) fn give_up(&mut self, number: u32, why: &str) {
        let clock = self.gateway_clock();
        let ticket = &self.gateway.tickets[number as usize];
        if ticket.is_answered() || ticket.life != self.gateway.life {
            return;
        }
        let index = ticket.node;
        let link = self.gateway.seats[index].link.filter(|id| ticket.was_sent_on(id.number));
        let request_id = ticket.request.request_id.clone();
        if let Some(id) = link {
            let link = &mut self.links[id.slot as usize];
            let GatewayEnd::Peer(peer) = &mut link.gateway_end else { return };
            match peer.handle(clock, Input::Cancel(&request_id)) {
                Ok(()) => {
                    let told_at = link.to_node.written() + peer.transmit().len() as u64;
                    link.silences.push(Silence { number, told_at, from: None });
                    self.letter(id, || format!("cancel {request_id}: {why}"));
                }
                Err(Misuse::Full) => {
                    let later = self.now + Duration::from_secs(1);
                    return self.schedule.plan(later, Event::GiveUp(number));
                }
                // It is closing.
                Err(Misuse::NotReady) => {}
                Err(other) => {
                    let text = format!("a cancellation was not taken: {other}");
                    self.breach(Some(index), Some((Rule::AcceptsInput, text)));
                }
            }
        }
        self.end_request(number);
        if let Some(id) = link {
            self.turn_peer(id);
        }
    }

    /// Where the dialect has it so, the end of a connection is the end of what was asked on it.
    pub(super) fn end_requests_of(&mut self, id: LinkId, index: usize) {
        if self.rules.disconnect == OnDisconnect::Keep {
            return;
        }
        let tickets = &self.gateway.tickets;
        let open = self.gateway.seats[index].open.iter().copied();
        let ended: Vec<u32> =
            open.filter(|number| tickets[*number as usize].was_sent_on(id.number)).collect();
        for number in ended {
            self.end_request(number);
        }
    }

    pub(super) fn end_request(&mut self, number: u32) {
        let ticket = &mut self.gateway.tickets[number as usize];
        ticket.closed = true;
        self.gateway.seats[ticket.node].open.remove(&number);
    }

    /// A node that is not ready is asked again a little later, under another id (openclaw page 11.5).
    pub(super) fn plan_to_ask_again(&mut self, request_id: &str) {
        const DELAYS_MS: [u64; 4] = [100, 250, 500, 1000];
        let Some(number) = number(request_id) else { return };
        let Some(ticket) = self.gateway.tickets.get(number as usize) else { return };
        let delay = DELAYS_MS.get(ticket.attempts as usize);
        if let (Some(delay), TicketKind::Valid) = (delay, ticket.kind) {
            let later = self.now + Duration::from_millis(*delay);
            self.repetitions += 1;
            self.schedule.plan(later, Event::AskAgain(number));
        }
    }

    pub(super) fn ask_again(&mut self, number: u32) {
        self.repetitions -= 1;
        let ticket = &self.gateway.tickets[number as usize];
        if ticket.life != self.gateway.life {
            return;
        }
        let (node, attempts) = (ticket.node, ticket.attempts + 1);
        let task = ticket.request.task.clone();
        let number = self.request(node, task, None, TicketKind::Valid);
        self.gateway.tickets[number as usize].attempts = attempts;
        self.offer(node);
    }

    /// Whether a request may be sent once more. Where a repeated id is a new request, it must not be one that is over.
    pub(super) fn may_repeat(&self, ticket: &Ticket) -> bool {
        let link = self.gateway.seats[ticket.node].link;
        !self.is_openclaw()
            || (!ticket.is_answered() && link.is_some_and(|id| ticket.was_sent_on(id.number)))
    }

    /// The node has read so much: what was cancelled before that is silent from now on.
    pub(super) fn begin_silences(&mut self, id: LinkId, read: u64) {
        let Some(link) = self.links.get_mut(id.slot as usize).filter(|link| link.id == id) else {
            return;
        };
        let host = &self.hosts[link.node];
        if host.link == Some(id) {
            let queued = link.to_gateway.written() + host.node.transmit().len() as u64;
            let heard = link.silences.iter_mut().filter(|silence| silence.told_at <= read);
            for silence in heard {
                silence.from.get_or_insert(queued);
            }
        }
    }

    pub(super) fn expect_silence(&mut self, id: LinkId, index: usize, request_id: &str) {
        let link = &self.links[id.slot as usize];
        let number = number(request_id);
        let broken = link.silences.iter().any(|silence| {
            Some(silence.number) == number && silence.from.is_some_and(|at| link.read_before >= at)
        });
        if broken {
            let text = format!("{request_id} was cancelled, and the node still speaks of it");
            self.breach(Some(index), Some((Rule::SilentOnceCancelled, text)));
        }
    }
}

// What a node does as a device.
impl World {
    pub(super) fn begin_signing(&mut self, index: usize, text: Secret) {
        let attempt = self.hosts[index].attempt;
        if let Some(device) = &mut self.hosts[index].device {
            device.signing = Some(text);
        }
        match self.lateness(index, "signature") {
            Duration::ZERO => self.sign(index, attempt),
            late => self.schedule.plan(self.now + late, Event::Sign(index, attempt)),
        }
    }

    pub(super) fn sign(&mut self, index: usize, attempt: u32) {
        let host = &mut self.hosts[index];
        let Some(device) = host.device.as_mut().filter(|_| host.attempt == attempt) else { return };
        let Some(text) = device.signing.take() else { return };
        if host.node.phase() != Phase::Registering {
            return;
        }
        if host.random.chance(self.faults.credential_fails) {
            self.note(Lane::Node(index), Kind::Fault, || "no signature".to_owned());
            return self.tell(index, NodeInput::SigningFailed("the key is not at hand"));
        }
        let signature = device.identity.sign(text.expose());
        self.tell(index, NodeInput::Signature(&signature));
    }

    pub(super) fn begin_keeping(&mut self, index: usize, token: Secret) {
        let attempt = self.hosts[index].attempt;
        if let Some(device) = &mut self.hosts[index].device {
            device.keeping = Some((attempt, token));
        }
        match self.lateness(index, "device token") {
            Duration::ZERO => self.device_token_kept(index, attempt),
            late => self.schedule.plan(self.now + late, Event::Kept(index, attempt)),
        }
    }

    pub(super) fn device_token_kept(&mut self, index: usize, attempt: u32) {
        let host = &mut self.hosts[index];
        let Some(device) = &mut host.device else { return };
        let Some((_, token)) = device.keeping.take_if(|(of, _)| *of == attempt) else { return };
        // Whoever has nothing else must not lose it.
        let may_fail = !self.faults.pairing.setup_codes;
        let fails = may_fail && host.random.chance(self.faults.journal_fails);
        if !fails {
            device.kept = Some(token);
        }
        // The connection may be over meanwhile.
        if host.attempt == attempt && host.node.phase() == Phase::Registering {
            self.tell(
                index,
                match fails {
                    true => NodeInput::DeviceTokenNotKept("the disk is full"),
                    false => NodeInput::DeviceTokenKept,
                },
            );
        }
    }
}
