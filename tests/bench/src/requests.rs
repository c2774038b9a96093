use std::fmt::Write as _;

use crate::wire::text_frame;

/// What the arguments of a request look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A list of small records, as readings and tables are.
    Records,
    /// One long text.
    Text,
}

impl Shape {
    /// A JSON object of about `size` bytes: exactly so for a text, and up to a record more or less for records.
    pub fn args(self, size: usize) -> String {
        match self {
            Self::Records => {
                let mut args = r#"{"rows":["#.to_owned();
                for id in 0.. {
                    let comma = if id == 0 { "" } else { "," };
                    write!(
                        args,
                        r#"{comma}{{"id":{id},"name":"sensor-{id}","value":21.5,"ok":true}}"#
                    )
                    .expect("strings take text");
                    if args.len() + 20 >= size {
                        break;
                    }
                }
                args + "]}"
            }
            Self::Text => {
                let frame = r#"{"text":""}"#;
                format!(r#"{{"text":"{}"}}"#, "x".repeat(size - frame.len()))
            }
        }
    }
}

/// Requests for one command, each with an id of its own, as a gateway writes them to the wire.
#[derive(Debug)]
pub struct Requests {
    args: String,
    next: u64,
}

impl Requests {
    /// Requests with arguments of this shape and size.
    pub fn new(shape: Shape, size: usize) -> Self {
        Self { args: shape.args(size), next: 0 }
    }

    /// The next requests, one frame each.
    pub fn take(&mut self, count: usize) -> Vec<Vec<u8>> {
        (0..count)
            .map(|_| {
                let (id, args) = (self.next, &self.args);
                self.next += 1;
                text_frame(&format!(
                    "{{\"type\":\"command_request\",\"timestamp\":\"2026-01-02T03:04:05.123456Z\",\
                     \"request_id\":\"0d9f8e7c-6b5a-4f3e-8d2c-{id:012x}\",\"command\":\"echo\",\
                     \"args\":{args}}}"
                ))
            })
            .collect()
    }
}
