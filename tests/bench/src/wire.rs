/// The gateway's end of a connection: it counts the messages of a node, notes its ping, and looks no further.
#[derive(Debug, Default)]
pub struct GatewayEnd {
    waiting: Vec<u8>,
    messages: usize,
    ping: Option<[u8; 8]>,
}

impl GatewayEnd {
    /// Takes bytes of the node, in pieces of any size.
    pub fn take(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        let mut start = 0;
        while let Some((head, length)) = frame(&self.waiting[start..]) {
            let end = start + head + length;
            if end > self.waiting.len() {
                break;
            }
            match self.waiting[start] & 0x0f {
                0x1 => self.messages += 1,
                0x9 => self.ping = Some(unmasked(&self.waiting[start..end], head)),
                other => panic!("a node sends no frame of kind {other} here"),
            }
            start = end;
        }
        self.waiting.drain(..start);
    }

    /// How many messages came since the last call.
    pub fn messages(&mut self) -> usize {
        std::mem::take(&mut self.messages)
    }

    /// The answer to the ping that came since the last call, if one did.
    pub fn pong(&mut self) -> Option<[u8; 10]> {
        let mut pong = [0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        pong[2..].copy_from_slice(&self.ping.take()?);
        Some(pong)
    }
}

/// The lengths of the head and the payload of a masked frame, once the head is there.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let mask = 4;
    match bytes.get(1)? & 0x7f {
        126 => Some((4 + mask, usize::from(u16::from_be_bytes(*bytes[2..].first_chunk()?)))),
        127 => {
            let length = u64::from_be_bytes(*bytes[2..].first_chunk()?);
            Some((10 + mask, usize::try_from(length).ok()?))
        }
        short => Some((2 + mask, usize::from(short))),
    }
}

/// The payload of a ping of a node, which is a number of eight bytes.
fn unmasked(frame: &[u8], head: usize) -> [u8; 8] {
    let (mask, payload) = (&frame[head - 4..head], &frame[head..]);
    std::array::from_fn(|index| payload[index] ^ mask[index % 4])
}

/// The frame in which a gateway sends `text`.
pub(crate) fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        length @ ..126 => frame.push(length as u8),
        length @ 126..0x1_0000 => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(text.as_bytes());
    frame
}
