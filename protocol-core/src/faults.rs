use std::collections::VecDeque;
use std::time::Duration;

use crate::dialect::FaultReply;
use crate::state::{Cursor, Malformed, Saver, State};
use crate::text::{MOST_REASON_BYTES, fitting};

/// Replies to faulty messages: a bucket that fills by one a second, so that two peers cannot keep each other busy with errors.
#[derive(Debug)]
pub(crate) struct FaultReplies {
    most: u32,
    left: u32,
    since: Duration,
    waiting: VecDeque<(String, Option<String>)>,
}

impl FaultReplies {
    pub(crate) fn new(most: u32) -> Self {
        Self { most, left: most, since: Duration::ZERO, waiting: VecDeque::new() }
    }

    /// Queues a reply unless too many were sent of late, or the message must not be answered.
    pub(crate) fn push(&mut self, now: Duration, problem: &str, reply: FaultReply) {
        let request_id = match reply {
            FaultReply::Silence => return,
            FaultReply::Error { request_id } => request_id,
            FaultReply::Answer { request_id, .. } => Some(request_id),
        };
        let earned = now.saturating_sub(self.since).as_secs();
        if earned > 0 {
            self.left =
                u32::try_from(earned).unwrap_or(u32::MAX).saturating_add(self.left).min(self.most);
            self.since = now;
        }
        if self.left > 0 && self.waiting.len() < self.most as usize {
            self.left -= 1;
            let problem = fitting(problem, MOST_REASON_BYTES).to_owned();
            self.waiting.push_back((problem, request_id));
        }
    }

    pub(crate) fn next(&mut self) -> Option<(String, Option<String>)> {
        self.waiting.pop_front()
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    pub(crate) fn save(&self, to: &mut Saver<'_>) {
        let Self { most: _, left, since, waiting } = self;
        left.save(to);
        since.save(to);
        waiting.save(to);
    }

    pub(crate) fn load(most: u32, from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            most,
            left: State::load(from)?,
            since: State::load(from)?,
            waiting: State::load(from)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(id: &str) -> FaultReply {
        FaultReply::Error { request_id: Some(id.to_owned()) }
    }

    #[test]
    fn a_burst_is_cut_off_and_time_earns_more() {
        let mut replies = FaultReplies::new(2);
        for id in ["a", "b", "c"] {
            replies.push(Duration::ZERO, "no", error(id));
        }
        assert_eq!(replies.next(), Some(("no".to_owned(), Some("a".to_owned()))));
        assert_eq!(replies.next(), Some(("no".to_owned(), Some("b".to_owned()))));
        assert_eq!(replies.next(), None);
        replies.push(Duration::from_millis(999), "no", error("d"));
        assert_eq!(replies.next(), None);
        replies.push(Duration::from_secs(1), "no", error("e"));
        assert_eq!(replies.next(), Some(("no".to_owned(), Some("e".to_owned()))));
        replies.push(Duration::from_secs(9), "no", FaultReply::Silence);
        assert_eq!(replies.next(), None);
    }
}
