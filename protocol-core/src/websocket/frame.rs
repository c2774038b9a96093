use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::Role;
use super::fault::Fault;
use super::masking;

/// The longest payload of a control frame (RFC 6455 section 5.5).
pub(super) const MAX_CONTROL: usize = 125;

/// The longest header of a frame: two bytes, eight of length, four of mask.
pub(crate) const MAX_HEADER: usize = 14;

/// What a frame is, as its opcode says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// The header of a frame that keeps the rules a frame can keep by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) is_final: bool,
    pub(super) mask: Option<[u8; 4]>,
    /// The length of the payload.
    pub(super) length: u64,
    /// The length of the header itself.
    pub(super) size: usize,
}

impl Header {
    /// Reads the header at the start of `bytes`, `None` while it has not all arrived.
    pub(super) fn read(bytes: &[u8], reader: Role) -> Result<Option<Self>, Fault> {
        let mut cursor = Cursor::new(bytes);
        let (header, length) = match FrameHeader::parse(&mut cursor) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Ok(None),
            // The only thing the parser itself objects to.
            Err(_) => return Err(Fault::ReservedOpcode(bytes[0] & 0x0f)),
        };
        let size = usize::try_from(cursor.position()).expect("a header is short");
        let (kind, is_control) = match header.opcode {
            OpCode::Data(Data::Continue) => (Kind::Continuation, false),
            OpCode::Data(Data::Text) => (Kind::Text, false),
            OpCode::Data(Data::Binary) => (Kind::Binary, false),
            OpCode::Control(Control::Close) => (Kind::Close, true),
            OpCode::Control(Control::Ping) => (Kind::Ping, true),
            OpCode::Control(Control::Pong) => (Kind::Pong, true),
            OpCode::Data(Data::Reserved(code)) | OpCode::Control(Control::Reserved(code)) => {
                return Err(Fault::ReservedOpcode(code));
            }
        };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Fault::ReservedBit);
        }
        match (reader, header.mask) {
            (Role::Server, None) => return Err(Fault::NotMasked),
            (Role::Client, Some(_)) => return Err(Fault::Masked),
            _ => {}
        }
        if is_control && !header.is_final {
            return Err(Fault::FragmentedControl);
        }
        if length >> 63 != 0 || size != header.len(length) {
            return Err(Fault::InvalidLength);
        }
        if is_control && length > MAX_CONTROL as u64 {
            return Err(Fault::OversizedControl);
        }
        Ok(Some(Self { kind, is_final: header.is_final, mask: header.mask, length, size }))
    }
}

impl Header {
    /// Appends the header as it came.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Self { kind, is_final, mask, length, size: _ } = *self;
        let header =
            FrameHeader { is_final, opcode: kind.opcode(), mask, ..FrameHeader::default() };
        header.format(length, out).expect("writing to a Vec does not fail");
    }
}

impl Kind {
    fn opcode(self) -> OpCode {
        match self {
            Self::Continuation => OpCode::Data(Data::Continue),
            Self::Text => OpCode::Data(Data::Text),
            Self::Binary => OpCode::Data(Data::Binary),
            Self::Close => OpCode::Control(Control::Close),
            Self::Ping => OpCode::Control(Control::Ping),
            Self::Pong => OpCode::Control(Control::Pong),
        }
    }
}

/// Appends an unfragmented frame, masked when there is a mask.
pub(super) fn write(out: &mut Vec<u8>, kind: Kind, payload: &[u8], mask: Option<[u8; 4]>) {
    let header =
        FrameHeader { is_final: true, opcode: kind.opcode(), mask, ..FrameHeader::default() };
    header.format(payload.len() as u64, out).expect("writing to a Vec does not fail");
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        masking::apply(&mut out[start..], mask, 0);
    }
}
