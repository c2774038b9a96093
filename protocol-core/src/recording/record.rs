//! The records: what happened to the node, and marks of what it did about it.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::value::RawValue;

use super::wire::{
    Cursor, Malformed, put_bytes, put_difference, put_duration, put_number, put_size,
};
use crate::call::{Call, CallId};
use crate::node::{Action, Event, HostStats, Input, Misuse, Publication};
use crate::secret::{Credentials, Secret};
use crate::state::{Saver, State};
use crate::time::{Now, Timestamp};
use crate::work::{Failure, Outcome, Update, WorkId};

/// One record.
#[derive(Debug)]
pub(super) enum Record<'a> {
    Input(Now, Input<'a>),
    /// The input before was refused.
    Refused(Misuse),
    /// An action was taken.
    Action(Mark),
    /// There was no further action.
    Drained,
    /// Bytes were queued for the socket.
    Queued {
        count: u64,
        digest: u64,
    },
    /// An answer that the checkpoint left out, and that is sent again now.
    Supplied(WorkId, Outcome),
    /// The digest of everything since the last one.
    Check(u64),
    End(End),
}

/// What is kept of an action: which it was, and a digest of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) kind: ActionKind,
    pub(super) digest: u64,
}

/// Why a recording goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The node ran no longer.
    Closed,
    /// It had reached its bound; another part follows, which begins with a checkpoint.
    Continued,
    /// It had reached its bound. No other part follows, because none was wanted, or because the node did not come to rest for
    /// long enough to take a checkpoint that fits.
    Full,
    /// Whoever keeps the recording was slower than the node.
    Behind,
    /// What the gateway said before it let the node in was so much that it could not be searched for secrets as a whole.
    Withheld,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "the node ran no longer",
            Self::Continued => "the part was full; the recording goes on in the next",
            Self::Full => "the recording was full; the node went on",
            Self::Behind => "the disk was slower than the node; the node went on",
            Self::Withheld => {
                "the gateway said too much before it let the node in; the node went on"
            }
        })
    }
}

macro_rules! action_kinds {
    ($($kind:ident = $number:literal: $pattern:pat, $name:literal;)*) => {
        /// Which action it was.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum ActionKind { $($kind = $number,)* }

        impl ActionKind {
            pub(super) fn of(action: &Action) -> Self {
                match action { $($pattern => Self::$kind,)* }
            }

            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            fn from_number(number: u8) -> Result<Self, Malformed> {
                match number { $($number => Ok(Self::$kind),)* _ => Err(Malformed::Value) }
            }
        }
    };
}

action_kinds! {
    Authenticate = 0x40: Action::Authenticate, "Authenticate";
    Connect = 0x41: Action::Connect, "Connect";
    Disconnect = 0x42: Action::Disconnect, "Disconnect";
    Admit = 0x43: Action::Admit(_), "Admit";
    Start = 0x44: Action::Start(_), "Start";
    Cancel = 0x45: Action::Cancel(_), "Cancel";
    Record = 0x46: Action::Record(_), "Record";
    Settled = 0x47: Action::Settled(_), "Settled";
    Stopped = 0x48: Action::Stopped(_), "Stopped";
    Connected = 0x49: Action::Notify(Event::Connected), "Notify(Connected)";
    Ready = 0x4a: Action::Notify(Event::Ready), "Notify(Ready)";
    Lost = 0x4b: Action::Notify(Event::Lost { .. }), "Notify(Lost)";
    GatewayError = 0x4c: Action::Notify(Event::GatewayError { .. }), "Notify(GatewayError)";
    Custom = 0x4d: Action::Notify(Event::Custom { .. }), "Notify(Custom)";
    Faulty = 0x4e: Action::Notify(Event::Faulty { .. }), "Notify(Faulty)";
    UpdatesDropped = 0x4f: Action::Notify(Event::UpdatesDropped { .. }), "Notify(UpdatesDropped)";
    Sign = 0x50: Action::Sign(_), "Sign";
    KeepDeviceToken = 0x51: Action::KeepDeviceToken(_), "KeepDeviceToken";
    ForgetDeviceToken = 0x52: Action::ForgetDeviceToken, "ForgetDeviceToken";
    Reply = 0x53: Action::Reply { .. }, "Reply";
    WaitingForApproval = 0x54: Action::Notify(Event::WaitingForApproval), "Notify(WaitingForApproval)";
    Approved = 0x55: Action::Notify(Event::Approved), "Notify(Approved)";
    GoingAway = 0x56: Action::Notify(Event::GoingAway { .. }), "Notify(GoingAway)";
    DeviceTokenLost = 0x57: Action::Notify(Event::DeviceTokenLost(_)), "Notify(DeviceTokenLost)";
}

/// The clocks, of which a record holds how far they went on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clocks {
    monotonic: Duration,
    utc: i64,
}

impl Clocks {
    /// Writes the kind of an input and how far the clocks went on: nearly always so little that it has a fixed size, which costs
    /// next to nothing.
    #[inline]
    fn put(&mut self, out: &mut Vec<u8>, kind: u8, now: Now) {
        let before =
            std::mem::replace(self, Self { monotonic: now.monotonic, utc: now.utc.as_micros() });
        if let Some((passed, off)) = before.briefly(*self) {
            let [a, b, c, d] = passed.to_le_bytes();
            return out.extend_from_slice(&[kind | BRIEFLY, a, b, c, d, off as u8]);
        }
        out.push(kind);
        let passed = nanos(self.monotonic) - nanos(before.monotonic);
        put_difference(out, passed);
        // The wall clock nearly always went as far.
        put_difference(out, i128::from(self.utc) - i128::from(before.utc) - passed / 1000);
    }

    /// Nanoseconds until `later`, and by how many microseconds the wall clock went otherwise, if both are small.
    fn briefly(self, later: Self) -> Option<(u32, i8)> {
        let passed =
            later.monotonic.checked_sub(self.monotonic).filter(|passed| passed.as_secs() < 4)?;
        let passed = passed.as_secs() as u32 * 1_000_000_000 + passed.subsec_nanos();
        let off = later.utc.checked_sub(self.utc)?.checked_sub((passed / 1000).into())?;
        Some((passed, i8::try_from(off).ok()?))
    }

    fn read(&mut self, briefly: bool, cursor: &mut Cursor<'_>) -> Result<Now, Malformed> {
        let (passed, off) = if briefly {
            let [a, b, c, d, off] = cursor.array()?;
            (u32::from_le_bytes([a, b, c, d]).into(), i128::from(off as i8))
        } else {
            (cursor.difference()?, cursor.difference()?)
        };
        let monotonic = nanos(self.monotonic).checked_add(passed).ok_or(Malformed::Value)?;
        let monotonic = u128::try_from(monotonic).map_err(|_| Malformed::Value)?;
        let secs = u64::try_from(monotonic / 1_000_000_000).map_err(|_| Malformed::Value)?;
        self.monotonic = Duration::new(secs, (monotonic % 1_000_000_000) as u32);
        let utc = i128::from(self.utc).checked_add(passed / 1000);
        let utc = utc.and_then(|utc| utc.checked_add(off)).ok_or(Malformed::Value)?;
        self.utc = i64::try_from(utc).map_err(|_| Malformed::Value)?;
        Ok(Now::new(self.monotonic, Timestamp::from_micros(self.utc)))
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::from(duration.as_secs()) * 1_000_000_000 + i128::from(duration.subsec_nanos())
}

/// Writes an input as it is; a credential must be a stand-in already. Returns where its content begins.
pub(super) fn put_input(
    out: &mut Vec<u8>,
    clocks: &mut Clocks,
    now: Now,
    input: &Input<'_>,
) -> usize {
    let kind = match input {
        Input::Start => 0,
        Input::Credentials(_) => 1,
        Input::CredentialsFailed(_) => 3,
        Input::Connected => 4,
        Input::ConnectFailed(_) => 5,
        Input::Received(_) => 6,
        Input::ReceivedEof => 7,
        Input::Disconnected(_) => 8,
        Input::Sent(_) => 9,
        Input::Timeout => 10,
        Input::Admitted(_) => 11,
        Input::NotAdmitted(..) => 12,
        Input::Progress(..) => 13,
        Input::Answer(_, Outcome::Completed(_)) => 14,
        Input::Answer(_, Outcome::Failed(_)) => 15,
        Input::Recorded(_) => 16,
        Input::Cancel(..) => 17,
        Input::Custom(_) => 18,
        Input::Stop(_) => 19,
        Input::Signature(_) => 20,
        Input::SigningFailed(_) => 21,
        Input::DeviceTokenKept => 22,
        Input::DeviceTokenNotKept(_) => 23,
        Input::Call(Call { traceparent: None, .. }) => 24,
        Input::Publish(Publication::HostStats(_)) => 25,
        Input::ProxyRefused { .. } => 26,
        Input::Call(Call { traceparent: Some(_), .. }) => 27,
    };
    clocks.put(out, kind, now);
    let content = out.len();
    match input {
        Input::Start
        | Input::DeviceTokenKept
        | Input::Connected
        | Input::ReceivedEof
        | Input::Timeout => {}
        Input::Credentials(credentials) => {
            let Credentials { token, password, device_token, bootstrap_token, headers } =
                credentials;
            for secret in [token, password, device_token, bootstrap_token] {
                put_option(out, secret.as_ref().map(Secret::expose));
            }
            put_size(out, headers.len());
            for (name, value) in headers {
                put_bytes(out, name.as_bytes());
                put_bytes(out, value.expose().as_bytes());
            }
        }
        Input::Received(bytes) => {
            put_size(out, bytes.len());
            let content = out.len();
            out.extend_from_slice(bytes);
            return content;
        }
        Input::CredentialsFailed(text)
        | Input::ConnectFailed(text)
        | Input::Disconnected(text)
        | Input::Signature(text)
        | Input::SigningFailed(text)
        | Input::DeviceTokenNotKept(text)
        | Input::Custom(text) => put_bytes(out, text.as_bytes()),
        Input::Sent(count) => put_size(out, *count),
        Input::Admitted(WorkId(work)) | Input::Recorded(WorkId(work)) => put_number(out, *work),
        Input::NotAdmitted(WorkId(work), text) | Input::Cancel(WorkId(work), text) => {
            put_number(out, *work);
            put_bytes(out, text.as_bytes());
        }
        Input::Progress(WorkId(work), Update { kind, data, key }) => {
            put_number(out, *work);
            put_bytes(out, kind.as_bytes());
            put_bytes(out, data.get().as_bytes());
            put_option(out, key.as_deref());
        }
        Input::Answer(WorkId(work), Outcome::Completed(result)) => {
            put_number(out, *work);
            put_bytes(out, result.get().as_bytes());
        }
        Input::Answer(WorkId(work), Outcome::Failed(Failure { code, message, partial })) => {
            put_number(out, *work);
            put_option(out, code.as_deref());
            put_bytes(out, message.as_bytes());
            put_option(out, partial.as_ref().map(|partial| partial.get()));
        }
        Input::Stop(grace) => put_duration(out, *grace),
        Input::ProxyRefused { status, why, retry_after } => {
            put_number(out, (*status).into());
            put_bytes(out, why.as_bytes());
            out.push(retry_after.is_some().into());
            if let Some(time) = retry_after {
                put_duration(out, *time);
            }
        }
        Input::Call(Call { id: CallId(id), method, params, timeout, traceparent }) => {
            put_number(out, *id);
            put_bytes(out, method.as_bytes());
            put_bytes(out, params.get().as_bytes());
            put_duration(out, *timeout);
            if let Some(traceparent) = traceparent {
                put_bytes(out, traceparent.to_string().as_bytes());
            }
        }
        Input::Publish(Publication::HostStats(stats)) => {
            put_number(out, stats.cpu_count.into());
            for load in stats.load_average {
                out.extend_from_slice(&load.to_le_bytes());
            }
            put_number(out, stats.memory_total_bytes);
            put_number(out, stats.memory_free_bytes);
            put_number(out, stats.disk_total_bytes);
            put_number(out, stats.disk_available_bytes);
        }
    }
    content
}

/// The bytes of content that an input has, the measure of how much its record needs.
pub(super) fn size(input: &Input<'_>) -> usize {
    match input {
        Input::Received(bytes) => bytes.len(),
        Input::Credentials(credentials) => {
            credentials.iter().map(|secret| secret.expose().len()).sum()
        }
        Input::CredentialsFailed(text)
        | Input::ConnectFailed(text)
        | Input::Disconnected(text)
        | Input::Custom(text)
        | Input::Signature(text)
        | Input::SigningFailed(text)
        | Input::DeviceTokenNotKept(text)
        | Input::NotAdmitted(_, text)
        | Input::Cancel(_, text)
        | Input::ProxyRefused { why: text, .. } => text.len(),
        Input::Call(call) => call.method.len() + call.params.get().len(),
        Input::Publish(_) => 64,
        Input::Progress(_, update) => update.size(),
        Input::Answer(_, outcome) => outcome.size(),
        Input::DeviceTokenKept
        | Input::Start
        | Input::Connected
        | Input::ReceivedEof
        | Input::Sent(_)
        | Input::Timeout
        | Input::Admitted(_)
        | Input::Recorded(_)
        | Input::Stop(_) => 0,
    }
}

pub(super) fn put_action(out: &mut Vec<u8>, mark: Mark) {
    let mut bytes = [mark.kind as u8; 1 + size_of::<u64>()];
    bytes[1..].copy_from_slice(&mark.digest.to_le_bytes());
    out.extend_from_slice(&bytes);
}

pub(super) fn put_drained(out: &mut Vec<u8>) {
    out.push(DRAINED);
}

pub(super) fn put_queued(out: &mut Vec<u8>, count: u64, digest: u64) {
    out.push(QUEUED);
    put_number(out, count);
    out.extend_from_slice(&digest.to_le_bytes());
}

pub(super) fn put_refused(out: &mut Vec<u8>, misuse: Misuse) {
    out.push(REFUSED);
    out.push(match misuse {
        Misuse::WrongState => 0,
        Misuse::SentTooMuch => 1,
        Misuse::UnknownWork => 2,
        Misuse::NotACustomMessage => 3,
        Misuse::NotSendable => 4,
        Misuse::TooLarge => 5,
        Misuse::NoCalls => 6,
        Misuse::RepeatedCall => 7,
    });
}

/// Writes an answer that a checkpoint left out. Returns where its content begins.
pub(super) fn put_supplied(out: &mut Vec<u8>, work: WorkId, outcome: &Outcome) -> usize {
    out.push(SUPPLIED);
    let content = out.len();
    let mut saver = Saver::plain(std::mem::take(out));
    work.save(&mut saver);
    outcome.save(&mut saver);
    *out = saver.out;
    content
}

/// The bytes that a check takes.
pub(super) const CHECK_SIZE: usize = 9;

pub(super) fn put_check(out: &mut Vec<u8>, digest: u64) {
    out.push(CHECK);
    out.extend_from_slice(&digest.to_le_bytes());
}

pub(super) fn put_end(out: &mut Vec<u8>, end: End) {
    out.push(END);
    out.push(match end {
        End::Closed => 0,
        End::Full => 1,
        End::Behind => 2,
        End::Continued => 3,
        End::Withheld => 4,
    });
}

impl<'a> Record<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>, clocks: &mut Clocks) -> Result<Self, Malformed> {
        Ok(match cursor.byte()? {
            kind if kind & !BRIEFLY <= INPUTS => {
                let now = clocks.read(kind & BRIEFLY != 0, cursor)?;
                Self::Input(now, read_input(kind & !BRIEFLY, cursor)?)
            }
            DRAINED => Self::Drained,
            QUEUED => Self::Queued { count: cursor.number()?, digest: cursor.digest()? },
            REFUSED => Self::Refused(match cursor.byte()? {
                0 => Misuse::WrongState,
                1 => Misuse::SentTooMuch,
                2 => Misuse::UnknownWork,
                3 => Misuse::NotACustomMessage,
                4 => Misuse::NotSendable,
                5 => Misuse::TooLarge,
                6 => Misuse::NoCalls,
                7 => Misuse::RepeatedCall,
                _ => return Err(Malformed::Value),
            }),
            SUPPLIED => Self::Supplied(State::load(cursor)?, State::load(cursor)?),
            CHECK => Self::Check(cursor.digest()?),
            END => Self::End(match cursor.byte()? {
                0 => End::Closed,
                1 => End::Full,
                2 => End::Behind,
                3 => End::Continued,
                4 => End::Withheld,
                _ => return Err(Malformed::Value),
            }),
            other => {
                let kind = ActionKind::from_number(other)?;
                Self::Action(Mark { kind, digest: cursor.digest()? })
            }
        })
    }
}

fn read_headers(cursor: &mut Cursor<'_>) -> Result<Vec<(String, Secret)>, Malformed> {
    // The count is only a word: nothing is reserved for it.
    (0..cursor.size()?)
        .map(|_| Ok((cursor.text()?.to_owned(), Secret::new(cursor.text()?))))
        .collect()
}

fn read_input<'a>(kind: u8, cursor: &mut Cursor<'a>) -> Result<Input<'a>, Malformed> {
    Ok(match kind {
        0 => Input::Start,
        1 => Input::Credentials(Credentials {
            token: read_secret(cursor)?,
            password: read_secret(cursor)?,
            device_token: read_secret(cursor)?,
            bootstrap_token: read_secret(cursor)?,
            headers: read_headers(cursor)?,
        }),
        3 => Input::CredentialsFailed(cursor.text()?),
        4 => Input::Connected,
        5 => Input::ConnectFailed(cursor.text()?),
        6 => Input::Received(cursor.bytes()?),
        7 => Input::ReceivedEof,
        8 => Input::Disconnected(cursor.text()?),
        9 => Input::Sent(cursor.size()?),
        10 => Input::Timeout,
        11 => Input::Admitted(WorkId(cursor.number()?)),
        12 => Input::NotAdmitted(WorkId(cursor.number()?), cursor.text()?),
        13 => {
            let work = WorkId(cursor.number()?);
            let kind = cursor.text()?.to_owned();
            let data = read_json(cursor)?;
            Input::Progress(work, Update { kind, data, key: read_option(cursor)? })
        }
        14 => Input::Answer(WorkId(cursor.number()?), Outcome::Completed(read_json(cursor)?)),
        15 => {
            let work = WorkId(cursor.number()?);
            let code = read_option(cursor)?.map(Cow::Owned);
            let message = cursor.text()?.to_owned();
            let partial = if cursor.flag()? { Some(read_json(cursor)?) } else { None };
            Input::Answer(work, Outcome::Failed(Failure { code, message, partial }))
        }
        16 => Input::Recorded(WorkId(cursor.number()?)),
        17 => Input::Cancel(WorkId(cursor.number()?), cursor.text()?),
        18 => Input::Custom(cursor.text()?),
        19 => Input::Stop(cursor.duration()?),
        20 => Input::Signature(cursor.text()?),
        21 => Input::SigningFailed(cursor.text()?),
        22 => Input::DeviceTokenKept,
        23 => Input::DeviceTokenNotKept(cursor.text()?),
        24 | 27 => Input::Call(Call {
            id: CallId(cursor.number()?),
            method: cursor.text()?,
            params: serde_json::from_str(cursor.text()?).map_err(|_| Malformed::Value)?,
            timeout: cursor.duration()?,
            traceparent: match kind {
                27 => Some(cursor.text()?.parse().map_err(|_| Malformed::Value)?),
                _ => None,
            },
        }),
        25 => Input::Publish(Publication::HostStats(HostStats {
            cpu_count: u32::try_from(cursor.number()?).map_err(|_| Malformed::Value)?,
            load_average: [read_float(cursor)?, read_float(cursor)?, read_float(cursor)?],
            memory_total_bytes: cursor.number()?,
            memory_free_bytes: cursor.number()?,
            disk_total_bytes: cursor.number()?,
            disk_available_bytes: cursor.number()?,
        })),
        26 => Input::ProxyRefused {
            status: u16::try_from(cursor.number()?).map_err(|_| Malformed::Value)?,
            why: cursor.text()?,
            retry_after: if cursor.flag()? { Some(cursor.duration()?) } else { None },
        },
        _ => return Err(Malformed::Value),
    })
}

fn read_float(cursor: &mut Cursor<'_>) -> Result<f64, Malformed> {
    let bytes = cursor.take(8)?;
    Ok(f64::from_le_bytes(bytes.try_into().map_err(|_| Malformed::Value)?))
}

fn put_option(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(text.is_some().into());
    if let Some(text) = text {
        put_bytes(out, text.as_bytes());
    }
}

fn read_option(cursor: &mut Cursor<'_>) -> Result<Option<String>, Malformed> {
    Ok(if cursor.flag()? { Some(cursor.text()?.to_owned()) } else { None })
}

fn read_secret(cursor: &mut Cursor<'_>) -> Result<Option<Secret>, Malformed> {
    Ok(read_option(cursor)?.map(Secret::new))
}

fn read_json(cursor: &mut Cursor<'_>) -> Result<Box<RawValue>, Malformed> {
    RawValue::from_string(cursor.text()?.to_owned()).map_err(|_| Malformed::Value)
}

/// The largest number of an input.
const INPUTS: u8 = 27;

/// In the kind of an input: its times have a fixed size.
const BRIEFLY: u8 = 0x80;

const DRAINED: u8 = 0x60;
const QUEUED: u8 = 0x61;
const REFUSED: u8 = 0x62;
const SUPPLIED: u8 = 0x63;
const CHECK: u8 = 0x70;
const END: u8 = 0x71;
