//! Recordings are read as they were written, whatever becomes of their bytes.

mod openclaw;
mod parts;

use std::time::Duration;

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::record::{Clocks, Record, put_input};
use super::wire::Cursor;
use super::{End, Found, Recorder, Replay, Unreadable, What};
use crate::dialect::nodetool;
use crate::node::{Action, Config, Endpoint, Input};
use crate::secret::{Credentials, Secret};
use crate::time::{Now, Timestamp};
use crate::websocket::{Connection, Limits};
use crate::work::{Failure, Outcome, Update, WorkId};

const TOKEN: &str = "s3cret/t0ken";

fn config() -> Config {
    let mut dialect = nodetool::Config::new("node-A");
    dialect.token_in = nodetool::TokenIn::Both;
    let endpoint = Endpoint::new("gateway.test", "/nodes?tenant=acme-7&api_key=Zx81/b");
    let mut config = Config::new(endpoint, dialect);
    config.commands = vec!["echo".to_owned()];
    config
}

/// A node and a gateway that says `says` once the node is ready, in pieces of `size`.
fn session(limit: u64, says: &[&str], size: usize) -> Vec<u8> {
    let mut node = Recorder::on(config(), [7; 32], limit);
    let mut gateway = Connection::server(Limits::default());
    let mut clock = Duration::from_secs(5);
    let mut recording = Vec::new();
    let mut said = false;
    node.handle(now(clock), Input::Start).expect("it has not started");
    loop {
        while let Some(action) = node.poll_action() {
            let answer = match action {
                Action::Authenticate => Input::Credentials(Credentials::token(Secret::new(TOKEN))),
                Action::Connect => Input::Connected,
                Action::Admit(work) => Input::Admitted(work.id),
                Action::Start(work) => {
                    Input::Answer(work.id, Outcome::Completed(json(r#"{"done":true}"#)))
                }
                Action::Record(answer) => Input::Recorded(answer.work),
                _ => continue,
            };
            node.handle(now(clock), answer).expect("it was asked for");
        }
        let bytes = node.transmit().to_vec();
        gateway.receive(&bytes);
        if !bytes.is_empty() {
            node.handle(now(clock), Input::Sent(bytes.len())).expect("it was lent");
        }
        while let Some(event) = gateway.poll() {
            if let crate::websocket::Event::Request(_) = event {
                gateway.accept().expect("it asked");
            }
        }
        if gateway.is_open() && !said && node.phase() == crate::node::Phase::Ready {
            said = true;
            for text in says {
                gateway.send_text(text).expect("it is open");
            }
        }
        let answer = gateway.transmit().to_vec();
        gateway.sent(answer.len()).expect("it was lent");
        for piece in answer.chunks(size) {
            clock += Duration::from_micros(1500);
            node.handle(now(clock), Input::Received(piece)).expect("it is connected");
            while let Some(action) = node.poll_action() {
                match action {
                    Action::Admit(work) => node.handle(now(clock), Input::Admitted(work.id)),
                    Action::Start(work) => {
                        let failure = Failure::new("no");
                        node.handle(now(clock), Input::Answer(work.id, Outcome::Failed(failure)))
                    }
                    Action::Record(answer) => node.handle(now(clock), Input::Recorded(answer.work)),
                    _ => Ok(()),
                }
                .expect("it was asked for");
            }
            node.take(&mut recording);
        }
        if bytes.is_empty() && answer.is_empty() {
            break;
        }
    }
    assert!(node.handle(now(clock), Input::Start).is_err(), "a mistake is recorded too");
    node.end(End::Closed);
    node.take(&mut recording);
    let length = recording.len();
    node.take(&mut recording);
    assert_eq!((recording.len(), node.waiting(), node.is_recording()), (length, 0, false));
    recording
}

fn now(clock: Duration) -> Now {
    Now::new(clock, Timestamp::from_micros(1_767_323_045_000_000 + clock.as_micros() as i64))
}

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("it is JSON")
}

fn replay(recording: &[u8]) -> Result<(Vec<String>, bool, Option<End>), Unreadable> {
    let mut replay = Replay::new(recording)?;
    let steps = replay.by_ref().map(|step| step.map(|step| format!("{:?}", step.what)));
    let steps = steps.collect::<Result<_, _>>()?;
    Ok((steps, replay.is_identical(), replay.end()))
}

fn difference(recording: &[u8]) -> Option<super::Difference> {
    Replay::new(recording).expect("it has a beginning").find_map(|step| match step.ok()?.what {
        What::Differs(difference) => Some(difference),
        _ => None,
    })
}

fn contains(recording: &[u8], text: &str) -> bool {
    memchr::memmem::find(recording, text.as_bytes()).is_some()
}

const REQUEST: &str =
    r#"{"type":"command_request","request_id":"c1","command":"echo","args":{"text":"hi"}}"#;

#[test]
fn a_recording_is_replayed_to_the_byte() {
    let recording = session(1 << 20, &[REQUEST, r#"{"type":"news"}"#, "nonsense"], 1000);
    let (steps, identical, end) = replay(&recording).expect("it is whole");
    assert!(identical, "{steps:#?}");
    assert_eq!(end, Some(End::Closed));
    let expected = ["Refused(WrongState)", "Action(Start", "Action(Record", "Queued(", "Custom {"];
    for part in expected {
        assert!(steps.iter().any(|step| step.contains(part)), "{part} is missing: {steps:#?}");
    }
}

#[test]
fn secrets_are_not_in_it_and_the_replay_is_the_same_all_the_same() {
    let says = [
        r#"{"type":"error","error":"who is s3cret/t0ken?"}"#,
        r#"{"type":"command_request","request_id":"s3cret/t0ken","command":"echo","args":{"a":"s3cret\/t0ken","b":"s3cret%2ft0ken"}}"#,
        r#"{"type":"command_request","request_id":"key Zx81/b","command":"no such"}"#,
    ];
    for size in [1, 2, 3, 7, 50, 100_000] {
        let recording = session(1 << 20, &says, size);
        for secret in [TOKEN, "s3cret%2Ft0ken", "s3cret%2ft0ken", r"s3cret\/t0ken", "Zx81", "acme"]
        {
            assert!(!contains(&recording, secret), "{secret} with pieces of {size}");
        }
        assert!(contains(&recording, "a1aaaa/a1aaa"), "pieces of {size}");
        assert_eq!(difference(&recording), None, "pieces of {size}");
        assert_eq!(replay(&recording).expect("it is whole").2, Some(End::Closed));
    }
}

#[test]
fn a_changed_node_is_noticed_where_it_differs() {
    let recording = session(1 << 20, &[REQUEST], 1000);
    let change = |from: &str, to: &str| {
        let at = memchr::memmem::find(&recording, from.as_bytes()).expect("it is there");
        let mut changed = recording.clone();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        without_checks(&changed)
    };
    // Another name: the registration differs.
    let other = difference(&change("node-A", "node-B")).expect("it differs");
    assert!(matches!(other.recorded, Found::Bytes(_)), "{other}");
    assert_eq!(other.now, Found::OtherContent);
    // Another request: the work that is admitted.
    let other = difference(&change("\"hi\"", "\"ho\"")).expect("it differs");
    assert_eq!((other.recorded, other.now), (Found::Action("Admit"), Found::OtherContent));
    let other = difference(&change("command_request", "command_ReQuest")).expect("it differs");
    assert_eq!(other.recorded, Found::Action("Admit"));
    assert_eq!(other.now, Found::Action("Notify(Custom)"));
    assert!(other.at > Duration::ZERO && other.record > 5, "{other}");
    assert!(other.to_string().contains("recorded: the action Admit; now: the action Notify"));
}

/// The recording of a version that does otherwise is not damaged: its checks fit.
fn without_checks(recording: &[u8]) -> Vec<u8> {
    let mut cursor = Cursor::new(recording);
    super::Header::read(&mut cursor).expect("it has a beginning");
    let mut out = recording[..cursor.at()].to_vec();
    let mut clocks = Clocks::default();
    while !cursor.is_at_end() {
        let start = cursor.at();
        match Record::read(&mut cursor, &mut clocks).expect("it is whole") {
            Record::Check(_) => {}
            _ => out.extend_from_slice(&recording[start..cursor.at()]),
        }
    }
    out
}

#[test]
fn a_damaged_recording_is_told_from_a_changed_node() {
    let recording = session(1 << 20, &[REQUEST], 1000);
    let mut noticed = 0;
    for at in 0..recording.len() {
        let mut damaged = recording.clone();
        damaged[at] ^= 0x10;
        match replay(&damaged) {
            Err(_) => noticed += 1,
            // A length that leads past the end looks like a recording that was cut off.
            Ok((_, _, end)) => assert_eq!(end, None, "byte {at}"),
        }
    }
    assert!(noticed * 10 > recording.len() * 9, "{noticed} of {}", recording.len());
}

#[test]
fn a_recording_that_was_cut_off_is_played_as_far_as_it_goes() {
    let recording = session(1 << 20, &[REQUEST], 1000);
    let whole = replay(&recording).expect("it is whole").0;
    let mut played = 0;
    for length in 0..recording.len() {
        match Replay::new(&recording[..length]) {
            Err(Unreadable::NotARecording | Unreadable::Header) => {}
            Err(other) => panic!("{other}"),
            Ok(mut replay) => {
                let steps = replay.by_ref().collect::<Result<Vec<_>, _>>();
                let steps = steps.expect("nothing is damaged").len();
                assert!(replay.is_identical() && steps >= played);
                // Behind the end there is only the last check.
                assert_eq!(replay.end().is_some(), length + 9 >= recording.len());
                played = steps;
            }
        }
    }
    assert_eq!(played, whole.len());
}

#[test]
fn a_full_recording_says_so_and_stays_within_its_limit() {
    let says = vec![r#"{"type":"news","of":"the day, which takes a while to tell"}"#; 100];
    for limit in [0, 100, 700, 1000, 2000, 5000, 8000] {
        let recording = session(limit, &says, 100);
        // The beginning is written in any case.
        assert!(recording.len() as u64 <= limit.max(400), "{} of {limit}", recording.len());
        let (_, identical, end) = replay(&recording).expect("it is whole");
        assert!(identical);
        assert_eq!(end, Some(End::Full), "{limit}");
    }
}

#[test]
fn what_is_no_recording_is_refused_in_words() {
    let recording = session(1 << 20, &[], 1000);
    assert_eq!(Replay::new(b"{}").err(), Some(Unreadable::NotARecording));
    for format in [1, 2, 3, 9] {
        let mut other = recording.clone();
        other[8] = format;
        let problem = Replay::new(&other).err().map(|problem| problem.to_string());
        let expected = format!("format {format}, written by version 0.");
        assert!(problem.as_ref().is_some_and(|text| text.contains(&expected)), "{problem:?}");
    }
}

#[test]
fn a_beginning_of_another_form_has_another_number() {
    let mut beginning = Vec::new();
    super::Header::write(&mut beginning, &config(), [7; 32]);
    let mut cursor = Cursor::new(&beginning[super::MAGIC.len()..]);
    let format = cursor.number().expect("the format");
    cursor.text().expect("the version of this crate, which may change");
    let rest = &beginning[super::MAGIC.len() + cursor.at()..];
    // When this fails, the form or a default has changed: count FORMAT up if it is the form.
    assert_eq!((format, rest.len()), (6, 165));
}

#[test]
fn pieces_in_order_make_the_same_recording() {
    let mut node = Recorder::on(config(), [7; 32], 1 << 20);
    let mut file = Vec::new();
    let mut memory = Vec::with_capacity(1 << 10);
    node.handle(now(Duration::ZERO), Input::Start).expect("it has not started");
    for _ in 0..3 {
        while node.poll_action().is_some() {}
        let waiting = node.waiting();
        let piece = node.take_piece(memory).expect("there is something");
        assert_eq!((piece.len(), node.waiting()), (waiting, 0));
        memory = piece.seal();
        file.extend_from_slice(&memory);
        assert!(node.take_piece(Vec::new()).is_none(), "everything was taken");
        assert!(node.handle(now(Duration::ZERO), Input::Start).is_err());
    }
    node.end(End::Closed);
    // What the memory held before is not in the recording again.
    file.extend(node.take_piece(memory).expect("the end").seal());
    let (steps, identical, end) = replay(&file).expect("it is whole");
    assert_eq!((identical, end), (true, Some(End::Closed)), "{steps:?}");
    assert_eq!(steps.iter().filter(|step| step.contains("Refused")).count(), 3);
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z\"\\\\ ]{0,20}", any::<String>()]
}

fn jsons() -> impl Strategy<Value = Box<RawValue>> {
    texts().prop_map(|text| json(&serde_json::json!({ "text": text }).to_string()))
}

/// An input for each number, out of parts.
fn input<'a>(kind: u8, work: u64, text: &'a str, parts: &(Box<RawValue>, bool, u64)) -> Input<'a> {
    let (data, some, number) = parts;
    let work = WorkId(work);
    match kind {
        0 => Input::Start,
        1 => Input::Credentials(Credentials::token(some.then(|| Secret::new(text)))),
        2 => Input::CredentialsFailed(text),
        3 => Input::Connected,
        4 => Input::ConnectFailed(text),
        5 => Input::Received(text.as_bytes()),
        6 => Input::ReceivedEof,
        7 => Input::Disconnected(text),
        8 => Input::Sent(*number as usize),
        9 => Input::Timeout,
        10 => Input::Admitted(work),
        11 => Input::NotAdmitted(work, text),
        12 => {
            let key = some.then(|| text.to_owned());
            Input::Progress(work, Update { kind: text.to_owned(), data: data.clone(), key })
        }
        13 => Input::Answer(work, Outcome::Completed(data.clone())),
        14 => {
            let partial = some.then(|| data.clone());
            Input::Answer(work, Outcome::Failed(Failure { partial, ..Failure::new(text) }))
        }
        15 => Input::Recorded(work),
        16 => Input::Cancel(work, text),
        17 => Input::Custom(text),
        18 => {
            let retry_after = some.then(|| Duration::from_nanos(*number));
            Input::ProxyRefused { status: *number as u16, why: text, retry_after }
        }
        _ => Input::Stop(Duration::from_nanos(*number)),
    }
}

/// Everything that an input holds, as text.
fn shown(input: &Input<'_>) -> String {
    let json = match input {
        Input::Progress(_, update) => format!("{} {:?}", update.data, update.key),
        Input::Answer(_, Outcome::Completed(result)) => result.to_string(),
        Input::Answer(_, Outcome::Failed(failure)) => format!("{:?}", failure.partial),
        Input::Credentials(Credentials { token: Some(secret), .. }) => secret.expose().to_owned(),
        _ => String::new(),
    };
    format!("{input:?} {json}")
}

#[test]
fn times_have_a_fixed_size_as_long_as_they_fit() {
    let start = Now::new(Duration::from_secs(7), Timestamp::from_micros(1_000_000));
    let size = |monotonic: Duration, utc: i64| {
        let later = Now::new(monotonic, Timestamp::from_micros(utc));
        let (mut out, mut clocks) = (Vec::new(), Clocks::default());
        put_input(&mut out, &mut clocks, start, &Input::Timeout);
        let first = out.len();
        put_input(&mut out, &mut clocks, later, &Input::Timeout);
        let (mut cursor, mut clocks) = (Cursor::new(&out), Clocks::default());
        for now in [start, later] {
            let record = Record::read(&mut cursor, &mut clocks);
            assert!(matches!(record, Ok(Record::Input(read, Input::Timeout)) if read == now));
        }
        out.len() - first
    };
    let brief = 1 + 4 + 1;
    let (nearly, whole) = (Duration::from_nanos(10_999_999_999), Duration::from_secs(11));
    assert_eq!(size(start.monotonic, 1_000_000), brief, "no time");
    assert_eq!(size(nearly, 4_999_999), brief, "at the bound");
    assert_ne!(size(whole, 5_000_000), brief, "one past it");
    assert_eq!(size(nearly, 4_999_999 + 127), brief, "the wall clock went ahead");
    assert_ne!(size(nearly, 4_999_999 + 128), brief);
    assert_eq!(size(nearly, 4_999_999 - 128), brief, "the wall clock went back");
    assert_ne!(size(nearly, 4_999_999 - 129), brief);
    assert_ne!(size(Duration::from_nanos(6_999_999_999), 1_000_000), brief, "time went back");
    assert_ne!(size(nearly, i64::MIN), brief);
}

proptest! {
    #[test]
    fn inputs_come_back(
        inputs in prop::collection::vec(
            (0..20_u8, any::<u64>(), texts(), (jsons(), any::<bool>(), any::<u64>()), any::<Duration>(), any::<i64>()),
            0..8,
        ),
    ) {
        let mut out = Vec::new();
        let mut clocks = Clocks::default();
        for (kind, work, text, parts, monotonic, utc) in &inputs {
            let now = Now::new(*monotonic, Timestamp::from_micros(*utc));
            put_input(&mut out, &mut clocks, now, &input(*kind, *work, text, parts));
        }
        let (mut cursor, mut clocks) = (Cursor::new(&out), Clocks::default());
        for (kind, work, text, parts, monotonic, utc) in &inputs {
            let record = Record::read(&mut cursor, &mut clocks);
            let Ok(Record::Input(now, read)) = record else { panic!("{record:?}") };
            prop_assert_eq!(shown(&read), shown(&input(*kind, *work, text, parts)));
            prop_assert_eq!(now, Now::new(*monotonic, Timestamp::from_micros(*utc)));
        }
        prop_assert!(cursor.is_at_end());
    }

    #[test]
    fn any_bytes_are_played_without_panic(noise in prop::collection::vec(any::<u8>(), 0..300), keep in 0_usize..2000) {
        let _ = replay(&noise);
        let mut recording = session(1 << 20, &[REQUEST], 50);
        recording.truncate(keep);
        recording.extend(noise);
        let _ = replay(&recording);
    }
}
