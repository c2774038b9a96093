//! What happens at the nodes.

use std::sync::Arc;
use std::time::Duration;

use clawnode_protocol::dialect::openclaw::Reaction;
use clawnode_protocol::node::{Action, Event as News, Input, Phase, StopReason};
use clawnode_protocol::{Node, Outcome, Work, WorkId};

use super::links::{Direction, GatewayEnd};
use super::{Event, Reached, World};
use crate::handlers::{Effect, Job};
use crate::host::{self, Entry, Past};
use crate::record::{Kind, Lane};
use crate::rules::Rule;
use crate::ticket::{Ticket, TicketKind, digest_update};

impl World {
    pub(super) fn start(&mut self, index: usize) {
        self.give(index, Input::Start);
    }

    /// Gives a node an input and does all that follows from it.
    pub(super) fn give(&mut self, index: usize, input: Input<'_>) {
        self.tell(index, input);
        self.turn(index);
    }

    /// Gives a node an input while it is being drained.
    pub(super) fn tell(&mut self, index: usize, input: Input<'_>) {
        let host = &mut self.hosts[index];
        host.past.steps += 1;
        let refused = host.node.handle(host.now(self.now), input).is_err();
        self.accepted_input(Some(index), "an input", refused);
    }

    pub(super) fn node_timer(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        if host.wakes_at.is_some_and(|at| at <= self.now) {
            host.wakes_at = None;
        }
        let before = host.node.deadline();
        if host.due().is_none_or(|due| due > self.now) {
            return self.plan_wake(index);
        }
        if let (Some((_, deadline)), true) = (before, self.records.is_some()) {
            let text = format!("{deadline:?}").to_lowercase();
            self.note(Lane::Node(index), Kind::Timer, || text);
        }
        self.figures.timeouts += 1;
        self.give(index, Input::Timeout);
        let breach = self.hosts[index].check_served(self.now, before);
        self.breach(Some(index), breach);
    }

    /// Drains a node, writes what it lends, checks it and plans its next wake: the contract.
    pub(super) fn turn(&mut self, index: usize) {
        loop {
            while let Some(action) = self.hosts[index].node.poll_action() {
                self.act(index, action);
            }
            if !self.write(index) {
                break;
            }
        }
        let breach = self.hosts[index].check(self.now);
        self.breach(Some(index), breach);
        self.plan_wake(index);
    }

    fn plan_wake(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        let Some(due) = host.due().map(|due| due.max(self.now)) else { return };
        if host.wakes_at.is_none_or(|at| due < at) {
            host.wakes_at = Some(due);
            self.schedule.plan(due, Event::NodeTimer(index));
        }
    }

    fn write(&mut self, index: usize) -> bool {
        let host = &mut self.hosts[index];
        let Some(id) = host.link else { return false };
        let bytes = host.node.transmit();
        if bytes.is_empty() {
            return false;
        }
        let link = &mut self.links[id.slot as usize];
        let count = link.to_gateway.write(self.now, bytes, &mut self.network);
        if count == 0 {
            return false;
        }
        let refused = host.node.handle(host.now(self.now), Input::Sent(count)).is_err();
        self.accepted_input(Some(index), "sent bytes", refused);
        self.plan_arrival(id, Direction::ToGateway);
        true
    }

    fn act(&mut self, index: usize, action: Action) {
        self.figures.actions += 1;
        self.check_secret(index, "an action", format_args!("{action:?}"));
        if self.records.is_some() {
            let kind = match action {
                Action::Admit(_) | Action::Start(_) | Action::Cancel(_) => Kind::Work,
                Action::Record(_) | Action::Settled(_) => Kind::Work,
                _ => Kind::Connection,
            };
            let text = host::describe(&action);
            self.note(Lane::Node(index), kind, || text);
        }
        match action {
            Action::Authenticate => {
                self.hosts[index].attempt += 1;
                self.check_debug(index);
                let attempt = self.hosts[index].attempt;
                match self.lateness(index, "credential") {
                    Duration::ZERO => self.credential(index, attempt),
                    late => self.schedule.plan(self.now + late, Event::Credential(index, attempt)),
                }
            }
            Action::Connect => self.connect(index),
            Action::Sign(text) => self.begin_signing(index, text),
            Action::KeepDeviceToken(token) => self.begin_keeping(index, token.token),
            Action::ForgetDeviceToken => {
                if let Some(device) = &mut self.hosts[index].device {
                    device.kept = None;
                }
            }
            Action::Disconnect => self.drop_node_end(index),
            Action::Admit(work) => self.admit(index, &work),
            Action::Start(work) => self.start_work(index, work),
            Action::Cancel(work) => {
                if let Some(ticket) = self.ticket_of(index, work) {
                    ticket.stopped();
                }
                if let Some(work) = self.hosts[index].jobs.remove(&work) {
                    self.hosts[index].handlers.cancelled(&work);
                }
            }
            Action::Record(answer) => {
                if let Some(ticket) = self.ticket_of(index, answer.work) {
                    let breach = ticket.recorded(&answer.outcome);
                    self.breach(Some(index), breach);
                }
                self.write_journal(index, Entry::Answer(answer.work));
            }
            Action::Settled(work) => {
                let (now, count) = (self.now, self.hosts[index].past.settled);
                if let Some(ticket) = self.ticket_of(index, work) {
                    let breach = ticket.settled(now, count);
                    self.breach(Some(index), breach);
                }
                self.hosts[index].past.settled += 1;
                self.hosts[index].tickets.remove(&work);
            }
            Action::Notify(news) => self.hear_news(index, news),
            Action::Stopped(reason) => self.node_stopped(index, reason),
            _ => {}
        }
    }

    fn hear_news(&mut self, index: usize, news: News) {
        match news {
            News::Ready => {
                self.figures.connections += 1;
                self.hosts[index].past.ever_ready = true;
                // The count of heartbeats begins here, so the phase must be known now.
                let breach = self.hosts[index].check(self.now);
                self.breach(Some(index), breach);
                self.check_debug(index);
            }
            News::GoingAway { back_in, .. } => self.hosts[index].past.back_in = back_in,
            News::Lost { reason, retry_in } => {
                self.hosts[index].past.tells_loss = true;
                let breach = self.hosts[index].check_lost();
                self.breach(Some(index), breach);
                self.check_secret(index, "a reason", format_args!("{reason} {reason:?}"));
                let breach = self.hosts[index].check(self.now);
                self.breach(Some(index), breach);
                if let Some(delay) = retry_in {
                    let breach = self.hosts[index].check_retry(&reason, delay);
                    self.breach(Some(index), breach);
                }
                self.check_debug(index);
            }
            _ => {}
        }
    }

    /// Asks the machines of a node for their debug text, for secrets.
    fn check_debug(&mut self, index: usize) {
        let host = &self.hosts[index];
        let node = format!("{:?}", host.node);
        self.check_secret(index, "the node's debug text", format_args!("{node}"));
        let peer = match self.hosts[index].link {
            Some(id) => match &self.links[id.slot as usize].gateway_end {
                GatewayEnd::Peer(peer) => format!("{peer:?}"),
                _ => return,
            },
            None => return,
        };
        self.check_secret(index, "the peer's debug text", format_args!("{peer}"));
    }

    // Connecting.

    pub(super) fn lateness(&mut self, index: usize, what: &str) -> Duration {
        let random = &mut self.hosts[index].random;
        if random.chance(self.faults.late) {
            let late = random.around(self.faults.late_by);
            self.note(Lane::Node(index), Kind::Fault, || format!("the {what} takes {late:.1?}"));
            late
        } else {
            Duration::ZERO
        }
    }

    pub(super) fn credential(&mut self, index: usize, attempt: u32) {
        let host = &mut self.hosts[index];
        if host.attempt != attempt || host.node.phase() != Phase::Authenticating {
            return;
        }
        if host.random.chance(self.faults.credential_fails) {
            self.note(Lane::Node(index), Kind::Fault, || "no credential".to_owned());
            return self.tell(index, Input::CredentialsFailed("the vault is closed"));
        }
        let credentials = host.credentials(&self.faults);
        self.tell(index, Input::Credentials(credentials));
    }

    fn connect(&mut self, index: usize) {
        let attempt = self.hosts[index].attempt;
        let (faults, random) = (&self.faults, &mut self.network);
        if random.chance(faults.unanswered) {
            let text = || "nobody will answer this attempt".to_owned();
            return self.note(Lane::Node(index), Kind::Fault, text);
        }
        let mut takes = faults.latency * 2 + random.time(Duration::ZERO, faults.jitter);
        let slow = random.chance(faults.slow_connects);
        if slow {
            takes += random.around(faults.timing.connect);
        }
        let reached = if random.chance(faults.refused) {
            Reached::Nobody
        } else if random.chance(faults.impostors) {
            Reached::Impostor
        } else {
            Reached::Gateway
        };
        if slow {
            self.note(Lane::Node(index), Kind::Fault, || format!("connecting takes {takes:.1?}"));
        }
        self.schedule.plan(self.now + takes, Event::Connected(index, attempt, reached));
    }

    pub(super) fn reached(&mut self, index: usize, attempt: u32, reached: Reached) {
        let host = &self.hosts[index];
        if host.attempt != attempt || host.node.phase() != Phase::Connecting {
            return;
        }
        let over = self.now >= self.faults.span;
        let end = match reached {
            Reached::Impostor if !over => self.impostor(index),
            Reached::Gateway | Reached::Impostor if self.gateway.up => {
                GatewayEnd::Peer(self.new_peer())
            }
            _ => return self.give(index, Input::ConnectFailed("connection refused")),
        };
        let id = self.open_link(index, end);
        self.give(index, Input::Connected);
        self.turn_peer(id);
    }

    fn drop_node_end(&mut self, index: usize) {
        if let Some(device) = &mut self.hosts[index].device {
            // What is being kept is kept still, but nobody waits for it.
            device.signing = None;
        }
        let Some(id) = self.hosts[index].link.take() else { return };
        let now = self.now;
        if let Some(link) = self.link(id) {
            link.node_end = false;
            link.to_gateway.finish(now);
        }
        self.plan_arrival(id, Direction::ToGateway);
        self.release(id);
    }

    fn node_stopped(&mut self, index: usize, reason: StopReason) {
        self.check_secret(index, "a reason", format_args!("{reason} {reason:?}"));
        let past = &mut self.hosts[index].past;
        past.stopped = true;
        if past.stop_asked {
            return;
        }
        // Whoever shows but its own token has nothing left to show when that is taken away.
        let bereft = self.faults.pairing.prefers_device_token
            && matches!(&reason, StopReason::Denied(denial) if denial.reaction() == Reaction::ForgetDeviceToken);
        if !bereft && (past.ever_ready || !self.faulty) {
            let text = format!("the node stopped by itself: {reason}");
            return self.breach(Some(index), Some((Rule::StopsOnlyWhenAsked, text)));
        }
        // Whoever runs it looks into the matter, and starts it anew.
        let host = &mut self.hosts[index];
        let config = host::config(&self.faults, index, host.device.as_ref());
        host.node = Node::new(config, host.random.seed());
        host.past = Past::new();
        host.jobs.clear();
        host.tickets.clear();
        host.journal.clear();
        let later = self.now + host.random.around(Duration::from_secs(30));
        self.schedule.plan(later, Event::Start(index));
        self.replace_setup_code(index);
    }

    // Working.

    pub(super) fn ticket_of(&mut self, index: usize, work: WorkId) -> Option<&mut Ticket> {
        let number = *self.hosts[index].tickets.get(&work)?;
        self.gateway.tickets.get_mut(number as usize)
    }

    fn admit(&mut self, index: usize, work: &Work) {
        let number = super::gateway_side::number(&work.request_id);
        let known = number
            .and_then(|number| self.gateway.tickets.get(number as usize))
            .is_some_and(|ticket| ticket.node == index && ticket.kind != TicketKind::Invalid);
        let Some(number) = number.filter(|_| known) else {
            let text = format!("{} was never asked for", work.request_id);
            return self.breach(Some(index), Some((Rule::KnownRequest, text)));
        };
        self.hosts[index].tickets.insert(work.id, number);
        self.write_journal(index, Entry::Admission(work.id));
    }

    fn write_journal(&mut self, index: usize, entry: Entry) {
        let late = self.lateness(index, "journal");
        let host = &mut self.hosts[index];
        host.journal.push_back(entry);
        // A journal writes in order.
        if late == Duration::ZERO && host.journal.len() == 1 {
            self.journal(index);
        } else {
            self.schedule.plan(self.now + late, Event::Journal(index));
        }
    }

    pub(super) fn journal(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        let Some(entry) = host.journal.pop_front() else { return };
        let fails = host.random.chance(self.faults.journal_fails);
        let input = match entry {
            Entry::Admission(work) if fails => {
                self.note(Lane::Node(index), Kind::Fault, || "the journal refuses".to_owned());
                Input::NotAdmitted(work, "the journal is full")
            }
            Entry::Admission(work) => {
                let limits = &host.node.config().limits;
                // Its clock may have jumped, and with it the time that the node remembers.
                let forgets = (limits.remembered_for.saturating_sub(host.ahead), limits.remembered);
                let (now, settled) = (self.now, host.past.settled);
                if let Some(ticket) = self.ticket_of(index, work) {
                    let breach = ticket.admitted(work, now, settled, forgets);
                    self.breach(Some(index), breach);
                }
                Input::Admitted(work)
            }
            Entry::Answer(work) => Input::Recorded(work),
        };
        self.tell(index, input);
        if let (Entry::Admission(work), false) = (entry, fails) {
            let random = &mut self.hosts[index].random;
            if random.chance(self.faults.cancels) {
                let later = self.now + random.around(Duration::from_secs(5));
                self.schedule.plan(later, Event::Cancel(index, work));
            }
        }
    }

    pub(super) fn cancel(&mut self, index: usize, work: WorkId) {
        if self.hosts[index].tickets.contains_key(&work) {
            self.give(index, Input::Cancel(work, "nobody wants it any more"));
        }
    }

    fn start_work(&mut self, index: usize, work: Arc<Work>) {
        if let Some(ticket) = self.ticket_of(index, work.id) {
            let breach = ticket.started(work.id);
            self.breach(Some(index), breach);
        }
        self.figures.runs += 1;
        self.hosts[index].jobs.insert(work.id, Arc::clone(&work));
        self.run(index, &work, true);
    }

    pub(super) fn wake(&mut self, index: usize, work: WorkId) {
        self.wakes -= 1;
        if let Some(work) = self.hosts[index].jobs.get(&work).cloned() {
            self.run(index, &work, false);
            self.turn(index);
        }
    }

    fn run(&mut self, index: usize, work: &Arc<Work>, begins: bool) {
        let mut effects = std::mem::take(&mut self.effects);
        let host = &mut self.hosts[index];
        let mut job = Job { now: self.now, random: &mut host.random, effects: &mut effects };
        match begins {
            true => host.handlers.start(work, &mut job),
            false => host.handlers.wake(work, &mut job),
        }
        for effect in effects.drain(..) {
            self.apply(index, work, effect);
        }
        self.effects = effects;
    }

    fn apply(&mut self, index: usize, work: &Arc<Work>, effect: Effect) {
        if !self.hosts[index].jobs.contains_key(&work.id) {
            return;
        }
        let input = match effect {
            Effect::WakeIn(time) => {
                self.wakes += 1;
                return self.schedule.plan(self.now + time, Event::Wake(index, work.id));
            }
            Effect::Update(update) => {
                let digest = match self.is_openclaw() {
                    false => digest_update(&update.kind, update.data.get()),
                    // There it is text without a kind.
                    true => digest_update("", update.data.get()),
                };
                if let Some(ticket) = self.ticket_of(index, work.id) {
                    ticket.updated(digest);
                }
                Input::Progress(work.id, update)
            }
            Effect::Answer(outcome) => {
                self.hosts[index].jobs.remove(&work.id);
                self.note(Lane::Node(index), Kind::Work, || {
                    let how =
                        if matches!(outcome, Outcome::Completed(_)) { "done" } else { "failed" };
                    format!("{} is {how}", work.id)
                });
                Input::Answer(work.id, outcome)
            }
        };
        self.tell(index, input);
    }
}
