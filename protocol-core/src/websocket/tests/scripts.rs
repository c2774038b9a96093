//! Random sessions, as the peer of the end under test sends them.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A frame to send: its first byte and its payload.
pub(super) type RawFrame = (u8, Vec<u8>);

/// How a session ends.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// It just stops.
    Stops,
    Close(Vec<u8>),
    /// One frame that breaks a rule.
    Bad(RawFrame),
}

/// Valid frames: messages in one or more fragments, with control frames between.
pub(super) fn valid_frames() -> impl Strategy<Value = Vec<RawFrame>> {
    let control = prop_oneof![Just(0x89_u8), Just(0x8a)];
    let control = (control, vec(any::<u8>(), 0..20));
    let message = (
        any::<bool>(),
        ".{0,40}",
        vec((any::<prop::sample::Index>(), prop::option::of(control)), 0..4),
    );
    let message = message.prop_map(|(is_text, text, cuts)| {
        let payload = if is_text {
            text.into_bytes()
        } else {
            text.bytes().map(|byte| byte ^ 0xff).collect()
        };
        let mut cuts: Vec<_> = cuts
            .into_iter()
            .map(|(cut, control)| (cut.index(payload.len() + 1), control))
            .collect();
        cuts.sort_by_key(|(cut, _)| *cut);
        let mut opcode = if is_text { 1 } else { 2 };
        let mut frames = Vec::new();
        let mut from = 0;
        for (cut, control) in cuts {
            frames.push((opcode, payload[from..cut].to_vec()));
            frames.extend(control);
            (opcode, from) = (0, cut);
        }
        frames.push((0x80 | opcode, payload[from..].to_vec()));
        frames
    });
    vec(message, 0..6).prop_map(|messages| messages.concat())
}

pub(super) fn any_end() -> impl Strategy<Value = End> {
    let close = (prop_oneof![1000..1016_u16, 2999..5001_u16, any::<u16>()], ".{0,20}");
    let close = close.prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat());
    let bad = prop_oneof![
        (0x30..0x40_u8, vec(any::<u8>(), 0..10))
            .prop_map(|(first, payload)| (first << 1 | 0x80, payload)),
        (
            prop::sample::select(vec![
                0x83_u8, 0x84, 0x87, 0x8b, 0x8f, 0x08, 0x09, 0x0a, 0x80, 0x00
            ]),
            vec(any::<u8>(), 0..10)
        ),
        (0x89..0x8b_u8, vec(any::<u8>(), 126..130)),
        Just((0x88, vec![3])),
        Just((0x88, b"\x03\xe8\xff".to_vec())),
        Just((0x81, b"a\xff".to_vec())),
        Just((0x81, b"a\xe2\x82".to_vec())),
        (0x81..0x83_u8, vec(Just(b'x'), 1001..1010)),
    ];
    prop_oneof![
        Just(End::Stops),
        Just(End::Close(Vec::new())),
        close.prop_map(End::Close),
        bad.prop_map(End::Bad),
    ]
}

/// The bytes of a session, for a reader of this role.
pub(super) fn session(reader: Role, frames: &[RawFrame], end: &End) -> Vec<u8> {
    let end = match end {
        End::Stops => None,
        End::Close(payload) => Some((0x88, payload)),
        End::Bad((first, payload)) => Some((*first, payload)),
    };
    let frames = frames.iter().map(|(first, payload)| (*first, payload)).chain(end);
    frames.flat_map(|(first, payload)| frame_for(reader, first, payload)).collect()
}

/// The events of a session cut into pieces at these places, and the bytes sent in answer.
pub(super) fn run(
    mut connection: Connection,
    bytes: &[u8],
    cuts: &[usize],
) -> (Vec<String>, Vec<u8>) {
    let mut seen = events(&mut connection);
    let mut from = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        connection.receive(&bytes[from..cut]);
        while let Some(event) = connection.poll() {
            let is_request = matches!(event, Event::Request(_));
            seen.push(format!("{event:?}"));
            if is_request {
                connection.accept().unwrap();
            }
        }
        from = cut;
    }
    (seen, connection.transmit().to_vec())
}

/// Places to cut `length` bytes at.
pub(super) fn sorted_cuts(cuts: &[prop::sample::Index], length: usize) -> Vec<usize> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
    cuts.sort_unstable();
    cuts
}
