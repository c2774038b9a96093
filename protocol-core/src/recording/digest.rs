//! Digests of what a node does: equal for equal content, in every version that means the same by it.

use twox_hash::XxHash3_64;

use super::record::{ActionKind, Mark};
use super::secrets::Secrets;
use super::wire::{put_duration, put_number};
use crate::call::CallId;
use crate::dialect::openclaw::{self, DeviceToken};
use crate::node::{Action, Event, LostReason, StopReason};
use crate::websocket::{Closed, Refusal, RetryAfter};
use crate::work::{Failure, Outcome, Work, WorkId};

/// XXH3: with the widest vectors that the processor has, and the same everywhere.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// Makes digests. `Some` secrets are replaced first, so that the digest is that of a node that only ever knew the
/// stand-ins.
#[derive(Debug)]
pub(super) struct Digester<'a> {
    scratch: &'a mut Vec<u8>,
    secrets: Option<&'a Secrets>,
}

impl<'a> Digester<'a> {
    pub(super) fn new(scratch: &'a mut Vec<u8>, secrets: Option<&'a Secrets>) -> Self {
        scratch.clear();
        Self { scratch, secrets }
    }

    /// `request` gives the digest by which the node tells an admitted request from others.
    pub(super) fn action(mut self, action: &Action, request: impl FnOnce(&Work) -> u128) -> Mark {
        let kind = ActionKind::of(action);
        match action {
            Action::Authenticate
            | Action::Connect
            | Action::Disconnect
            | Action::ForgetDeviceToken => return Mark { kind, digest: 0 },
            // A number says itself.
            Action::Cancel(WorkId(work)) | Action::Settled(WorkId(work)) => {
                return Mark { kind, digest: *work };
            }
            // It is the work that was admitted, down to the memory it is in.
            Action::Start(work) => {
                let digest = work.id.0.rotate_left(32) ^ work.task.size() as u64;
                return Mark { kind, digest };
            }
            Action::Sign(text) => self.text(text.expose()),
            Action::KeepDeviceToken(DeviceToken { token, role, scopes }) => {
                self.text(token.expose());
                self.text(role);
                scopes.iter().for_each(|scope| self.text(scope));
            }
            Action::Reply { id: CallId(id), result } => {
                put_number(self.scratch, *id);
                match result {
                    Ok(result) => self.reason(0, result.get()),
                    Err(error) => self.reason(1, &error.to_string()),
                }
            }
            Action::Admit(work) => {
                let Work { id, request_id, job_id, user_id: _, task: _, deadline: _ } = &**work;
                put_number(self.scratch, id.0);
                self.text(request_id);
                self.scratch.extend_from_slice(&job_id.0.to_le_bytes());
                self.scratch.extend_from_slice(&request(work).to_le_bytes());
            }
            Action::Record(answer) => {
                put_number(self.scratch, answer.work.0);
                self.text(&answer.request_id);
                match &answer.outcome {
                    // What it says was given with the input before, and goes out in frames that are digested.
                    Outcome::Completed(result) => {
                        put_number(self.scratch, result.get().len() as u64);
                    }
                    Outcome::Failed(Failure { code, message, partial }) => {
                        self.option(code.as_deref());
                        self.text(message);
                        self.option(partial.as_ref().map(|partial| partial.get()));
                    }
                }
            }
            Action::Notify(event) => self.event(event),
            Action::Stopped(reason) => match reason {
                StopReason::Requested => self.scratch.push(0),
                StopReason::Refused(refusal) => self.refusal(1, refusal),
                StopReason::NotAGateway(closed) => self.closed(2, closed),
                StopReason::UnusableCredential(why) => self.reason(3, why),
                StopReason::Denied(denial) => self.reason(4, &denial.to_string()),
                StopReason::TooLargeToRegister(why) => self.reason(5, why),
                StopReason::ProxyRefused { status, why } => self.proxy(6, *status, why),
            },
        }
        Mark { kind, digest: hash(self.scratch) }
    }

    /// What follows is digested as it is.
    pub(super) fn forget_secrets(&mut self) {
        self.secrets = None;
    }

    /// Of whole frames of a client. `connect` gives the openclaw request of that name as it reads with the stand-ins.
    pub(super) fn frames(self, frames: &[u8], connect: impl Fn() -> Option<Vec<u8>>) -> u64 {
        let Some(secrets) = self.secrets else { return hash(frames) };
        self.scratch.extend_from_slice(frames);
        replace_in_frames(self.scratch, secrets, connect);
        hash(self.scratch)
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Connected | Event::Ready | Event::WaitingForApproval | Event::Approved => {}
            Event::GoingAway { reason, back_in } => {
                self.text(reason);
                if let Some(time) = back_in {
                    put_duration(self.scratch, *time);
                }
            }
            Event::DeviceTokenLost(why) => self.text(why),
            Event::Lost { reason, retry_in } => {
                match reason {
                    LostReason::NoCredential(why) => self.reason(0, why),
                    LostReason::ConnectFailed(why) => self.reason(1, why),
                    LostReason::Refused(refusal) => self.refusal(2, refusal),
                    LostReason::Closed(closed) => self.closed(3, closed),
                    LostReason::Disconnected(why) => self.reason(4, why),
                    // The names of plain variants change less often than sentences.
                    LostReason::TimedOut(deadline) => self.reason(5, &format!("{deadline:?}")),
                    LostReason::UnusableCredential(why) => self.reason(6, why),
                    LostReason::Denied(denial) => self.reason(7, &denial.to_string()),
                    LostReason::ProtocolChanged => self.scratch.push(8),
                    LostReason::ProxyRefused { status, why } => self.proxy(9, *status, why),
                }
                if let Some(delay) = retry_in {
                    put_duration(self.scratch, *delay);
                }
            }
            Event::GatewayError { error, details } => {
                self.text(error);
                self.option(details.as_deref());
            }
            Event::Custom { kind, text } => {
                self.text(kind);
                self.text(text);
            }
            Event::Faulty { problem } => self.text(problem),
            Event::UpdatesDropped { work, dropped } => {
                put_number(self.scratch, work.0);
                put_number(self.scratch, *dropped);
            }
        }
    }

    fn proxy(&mut self, which: u8, status: u16, why: &str) {
        self.reason(which, why);
        put_number(self.scratch, status.into());
    }

    fn refusal(&mut self, which: u8, refusal: &Refusal) {
        self.reason(which, refusal.reason());
        put_number(self.scratch, refusal.status().into());
        match refusal.retry_after() {
            None => self.scratch.push(0),
            Some(RetryAfter::Seconds(seconds)) => {
                self.scratch.push(1);
                put_number(self.scratch, seconds);
            }
            Some(RetryAfter::UnixTime(time)) => {
                self.scratch.push(2);
                self.scratch.extend_from_slice(&time.to_le_bytes());
            }
        }
        self.bytes(refusal.body());
    }

    fn closed(&mut self, which: u8, closed: &Closed) {
        self.scratch.push(which);
        match closed {
            Closed::Clean { initiated_by, code, reason } => {
                self.reason(0, &format!("{initiated_by:?}"));
                put_number(self.scratch, code.map_or(0, |code| code.get().into()));
                self.text(reason);
            }
            Closed::Fault(fault) => self.reason(1, &format!("{fault:?}")),
            Closed::Handshake(fault) => self.reason(2, &format!("{fault:?}")),
            Closed::Rejected { status } => {
                self.scratch.push(3);
                put_number(self.scratch, (*status).into());
            }
            Closed::Lost => self.scratch.push(4),
            Closed::OpeningTimedOut => self.scratch.push(5),
        }
    }

    fn reason(&mut self, which: u8, text: &str) {
        self.scratch.push(which);
        self.text(text);
    }

    fn option(&mut self, text: Option<&str>) {
        self.scratch.push(text.is_some().into());
        self.text(text.unwrap_or_default());
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        put_number(self.scratch, bytes.len() as u64);
        let start = self.scratch.len();
        match self.secrets {
            None if bytes.len() > SHORT => {
                self.scratch.extend_from_slice(&hash(bytes).to_le_bytes());
            }
            None => self.scratch.extend_from_slice(bytes),
            Some(secrets) => {
                self.scratch.extend_from_slice(bytes);
                secrets.replace(&mut self.scratch[start..]);
                if bytes.len() > SHORT {
                    let digest = hash(&self.scratch[start..]);
                    self.scratch.truncate(start);
                    self.scratch.extend_from_slice(&digest.to_le_bytes());
                }
            }
        }
    }
}

/// Bytes that are no longer to copy than to digest.
const SHORT: usize = 64;

/// Replaces secrets in the payloads of a client's frames, which it masks.
fn replace_in_frames(frames: &mut [u8], secrets: &Secrets, connect: impl Fn() -> Option<Vec<u8>>) {
    let mut rest = frames;
    while let Some([_, second]) = rest.first_chunk::<2>().copied() {
        let (more, length): (usize, u64) = match (second & 0x7f, &*rest) {
            (126, [_, _, a, b, ..]) => (2, u64::from(u16::from_be_bytes([*a, *b]))),
            (127, long) => match long.get(2..10).and_then(|bytes| bytes.try_into().ok()) {
                Some(bytes) => (8, u64::from_be_bytes(bytes)),
                None => return,
            },
            (short, _) => (0, short.into()),
        };
        let start = 2 + more + 4;
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        let Some(end) = end.filter(|end| *end <= rest.len()) else { return };
        let (frame, after) = rest.split_at_mut(end);
        let (header, payload) = frame.split_at_mut(start);
        let mut mask = [0; 4];
        mask.copy_from_slice(&header[2 + more..]);
        flip(payload, mask);
        let connect = Some(()).filter(|()| openclaw::is_connect(payload)).and_then(|()| connect());
        match connect.filter(|connect| connect.len() == payload.len()) {
            Some(connect) => payload.copy_from_slice(&connect),
            None => drop(secrets.replace(payload)),
        }
        flip(payload, mask);
        rest = after;
    }
}

fn flip(payload: &mut [u8], mask: [u8; 4]) {
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}
