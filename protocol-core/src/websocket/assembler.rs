use std::ops::Range;

use super::Role;
use super::buffer::{Buffer, append, shrink};
use super::fault::Fault;
use super::frame::{Header, Kind};
use super::masking;
use super::utf8::{InvalidUtf8, Utf8Check};

/// Turns received bytes into whole messages and control frames.
#[derive(Default)]
pub(super) struct Assembler {
    /// The frame whose header was read and whose payload is arriving.
    frame: Option<Frame>,
    /// The kind of the fragmented message that is arriving.
    fragmented: Option<MessageKind>,
    /// The payload of that message so far; afterwards, until the next call, of the message lent.
    assembled: Vec<u8>,
    /// Between messages it has nothing unfinished: text that ends so is a fault.
    utf8: Utf8Check,
}

/// A payload to lend: what it is, and where it stands.
pub(super) struct Delivery {
    pub(super) kind: DeliveryKind,
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeliveryKind {
    /// Whether it is UTF-8 is for the one who lends it to see.
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

#[derive(Clone)]
pub(super) enum Place {
    /// In the receive buffer, as it came.
    Received(Range<usize>),
    /// In [`Assembler::assembled`].
    Assembled,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum MessageKind {
    Text,
    Binary,
}

struct Frame {
    header: Header,
    length: usize,
    /// How much of the payload was unmasked, and checked if it is text.
    seen: usize,
}

impl Assembler {
    /// The next whole message or control frame, `None` until more bytes arrive.
    pub(super) fn next(
        &mut self,
        received: &mut Buffer,
        reader: Role,
        max_message: usize,
    ) -> Result<Option<Delivery>, Fault> {
        if self.fragmented.is_none() && !self.assembled.is_empty() {
            self.assembled.clear();
            shrink(&mut self.assembled);
        }
        loop {
            let frame = match self.frame.take() {
                Some(frame) => Some(frame),
                None => self.start_frame(received, reader, max_message)?,
            };
            let Some(mut frame) = frame else {
                return Ok(None);
            };
            let waiting = received.waiting_mut();
            let arrived = waiting.len().min(frame.length);
            let new = &mut waiting[frame.seen..arrived];
            if let Some(mask) = frame.header.mask {
                masking::apply(new, mask, frame.seen);
            }
            // A text that is here in one piece is checked when it is lent, and only then.
            let in_one_piece = frame.seen == 0 && arrived == frame.length && frame.header.is_final;
            if self.is_text(frame.header.kind) && !(in_one_piece && frame.header.kind == Kind::Text)
            {
                self.utf8.feed(new).map_err(|InvalidUtf8| Fault::InvalidUtf8)?;
            }
            frame.seen = arrived;
            if arrived < frame.length {
                self.frame = Some(frame);
                return Ok(None);
            }
            let place = received.take(frame.length);
            let delivery = self.finish_frame(frame.header, place, received, max_message);
            if let Some(delivery) = delivery {
                return Ok(Some(delivery));
            }
        }
    }

    /// The payload of a delivery, until the next call of [`next`](Self::next).
    pub(super) fn payload<'a>(&'a self, received: &'a Buffer, place: Place) -> &'a [u8] {
        match place {
            Place::Received(range) => received.taken(range),
            Place::Assembled => &self.assembled,
        }
    }

    /// The header of the frame whose payload is arriving. An error: a message in fragments is.
    pub(super) fn unfinished(&self) -> Result<Option<Header>, ()> {
        let Self { frame, fragmented, assembled: _, utf8: _ } = self;
        match fragmented {
            Some(_) => Err(()),
            // What was seen of it is seen again.
            None => Ok(frame.as_ref().map(|Frame { header, length: _, seen: _ }| *header)),
        }
    }

    /// Forgets everything and gives the memory back.
    pub(super) fn release(&mut self) {
        *self = Self::default();
    }

    #[cfg(any(test, feature = "__fuzzing"))]
    pub(super) fn capacity(&self) -> usize {
        self.assembled.capacity()
    }

    /// Reads the next header and checks what it promises before any of its payload is taken in.
    fn start_frame(
        &mut self,
        received: &mut Buffer,
        reader: Role,
        max_message: usize,
    ) -> Result<Option<Frame>, Fault> {
        let Some(header) = Header::read(received.waiting(), reader)? else {
            return Ok(None);
        };
        match (header.kind, self.fragmented) {
            (Kind::Continuation, None) => return Err(Fault::UnexpectedContinuation),
            (Kind::Text | Kind::Binary, Some(_)) => return Err(Fault::UnfinishedMessage),
            _ => {}
        }
        if matches!(header.kind, Kind::Continuation | Kind::Text | Kind::Binary) {
            let room = max_message.saturating_sub(self.assembled.len());
            if header.length > room as u64 {
                return Err(Fault::MessageTooBig);
            }
        }
        received.take(header.size);
        let length =
            usize::try_from(header.length).expect("a length within its limit fits in memory");
        Ok(Some(Frame { header, length, seen: 0 }))
    }

    fn finish_frame(
        &mut self,
        header: Header,
        place: Range<usize>,
        received: &Buffer,
        max_message: usize,
    ) -> Option<Delivery> {
        let fragment = match header.kind {
            Kind::Close => {
                return Some(Delivery { kind: DeliveryKind::Close, place: Place::Received(place) });
            }
            Kind::Ping => {
                return Some(Delivery { kind: DeliveryKind::Ping, place: Place::Received(place) });
            }
            Kind::Pong => {
                return Some(Delivery { kind: DeliveryKind::Pong, place: Place::Received(place) });
            }
            Kind::Text => MessageKind::Text,
            Kind::Binary => MessageKind::Binary,
            Kind::Continuation => self.fragmented.expect("checked when the header was read"),
        };
        let kind = match fragment {
            MessageKind::Text => DeliveryKind::Text,
            MessageKind::Binary => DeliveryKind::Binary,
        };
        if self.fragmented.is_none() && header.is_final {
            return Some(Delivery { kind, place: Place::Received(place) });
        }
        append(&mut self.assembled, received.taken(place), max_message);
        self.fragmented = (!header.is_final).then_some(fragment);
        header.is_final.then_some(Delivery { kind, place: Place::Assembled })
    }

    fn is_text(&self, kind: Kind) -> bool {
        match kind {
            Kind::Text => true,
            Kind::Continuation => self.fragmented == Some(MessageKind::Text),
            _ => false,
        }
    }
}
