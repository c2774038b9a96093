//! One direction of a byte stream between two hosts, as a pure machine.
//!
//! A [`Pipe`] keeps the promise of TCP and none beyond it: bytes arrive in order and whole, or the connection breaks. When, in
//! what portions and whether at all is up to its [`Conditions`] and to what is done to it: [`stall`](Pipe::stall),
//! [`freeze`](Pipe::freeze), [`reset_after`](Pipe::reset_after).

use std::collections::VecDeque;
use std::time::Duration;

use crate::random::Random;

/// How one direction of a connection behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conditions {
    /// How long a byte travels at least.
    pub latency: Duration,
    /// How much longer it may take.
    pub jitter: Duration,
    /// Bytes a second; 0 stands for no limit.
    pub bandwidth: u64,
    /// How many bytes may be under way before the writer has to wait: the buffers of both hosts together.
    pub window: usize,
    /// The portions in which the reader finds the bytes.
    pub portions: Portions,
    /// How long the reader rests after each portion.
    pub rest: Duration,
}

/// The portions in which a reader finds bytes. None of them respects the portions in which they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portions {
    /// Everything that has arrived, up to 64 KiB.
    Whole,
    /// Always this many, or fewer when no more have arrived.
    Fixed(usize),
    /// Any number up to this one.
    UpTo(usize),
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(20),
            jitter: Duration::ZERO,
            bandwidth: 0,
            window: 256 << 10,
            portions: Portions::Whole,
            rest: Duration::ZERO,
        }
    }
}

/// One direction of a connection.
#[derive(Debug)]
pub struct Pipe {
    conditions: Conditions,
    bytes: Vec<u8>,
    start: usize,
    segments: VecDeque<Segment>,
    /// Until when the line is busy with what was written before.
    busy_until: Duration,
    last_arrival: Duration,
    stalled_until: Duration,
    rests_until: Duration,
    written: u64,
    read: u64,
    reset_at: Option<u64>,
    frozen: bool,
    end: Option<Duration>,
    departed: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    departed: Duration,
    arrives: Duration,
    length: usize,
}

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// Nothing yet.
    Nothing,
    /// These bytes.
    Bytes(&'a [u8]),
    /// The writer will send no more. Given again each time.
    End,
    /// The connection is broken.
    Reset,
}

impl Pipe {
    /// An empty pipe.
    pub fn new(conditions: Conditions) -> Self {
        Self {
            conditions,
            bytes: Vec::new(),
            start: 0,
            segments: VecDeque::new(),
            busy_until: Duration::ZERO,
            last_arrival: Duration::ZERO,
            stalled_until: Duration::ZERO,
            rests_until: Duration::ZERO,
            written: 0,
            read: 0,
            reset_at: None,
            frozen: false,
            end: None,
            departed: Duration::ZERO,
        }
    }

    /// Writes as much of `bytes` as there is room for, and says how much that was.
    pub fn write(&mut self, now: Duration, bytes: &[u8], random: &mut Random) -> usize {
        let length = bytes.len().min(self.room());
        if length == 0 || self.end.is_some() {
            return 0;
        }
        // What was read goes when it is the larger part, so that a byte is moved but a few times.
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(&bytes[..length]);
        self.written += length as u64;
        let occupied = (length as u64 * 1_000_000_000)
            .checked_div(self.conditions.bandwidth)
            .map_or(Duration::ZERO, Duration::from_nanos);
        self.busy_until = self.busy_until.max(now) + occupied;
        let jitter = match self.conditions.jitter {
            Duration::ZERO => Duration::ZERO,
            most => random.time(Duration::ZERO, most),
        };
        let arrives = (self.busy_until + self.conditions.latency + jitter).max(self.last_arrival);
        self.last_arrival = arrives;
        self.segments.push_back(Segment { departed: now, arrives, length });
        length
    }

    /// The writer is done; the reader hears of it behind the bytes.
    pub fn finish(&mut self, now: Duration) {
        if self.end.is_none() {
            self.end = Some(self.last_arrival.max(now + self.conditions.latency));
        }
    }

    /// Nothing arrives before `until`.
    pub fn stall(&mut self, until: Duration) {
        self.stalled_until = self.stalled_until.max(until);
    }

    /// Nothing arrives ever again, and nobody is told: the line of a half-open connection.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Breaks the connection for its reader once it has read so many bytes more, be that in the middle of a frame.
    pub fn reset_after(&mut self, bytes: u64) {
        let at = self.read + bytes;
        self.reset_at = Some(self.reset_at.map_or(at, |before| before.min(at)));
    }

    /// When the reader should look again; `None` while nothing is on its way.
    pub fn due(&self) -> Option<Duration> {
        if self.frozen {
            return None;
        }
        let arrives = if self.reset_at.is_some_and(|at| at <= self.read) {
            Duration::ZERO
        } else {
            self.segments.front().map(|segment| segment.arrives).or(self.end)?
        };
        Some(arrives.max(self.stalled_until).max(self.rests_until))
    }

    /// What the reader finds now.
    pub fn read(&mut self, now: Duration, random: &mut Random) -> Found<'_> {
        if self.due().is_none_or(|due| due > now) {
            return Found::Nothing;
        }
        let until_reset = self.reset_at.map_or(u64::MAX, |at| at.saturating_sub(self.read));
        if until_reset == 0 {
            return Found::Reset;
        }
        let most = match self.conditions.portions {
            Portions::Whole => MOST,
            Portions::Fixed(size) => size.max(1),
            Portions::UpTo(size) => random.size(1, size.max(1)),
        };
        let most = most.min(usize::try_from(until_reset).unwrap_or(usize::MAX));
        let mut taken = 0;
        while let Some(segment) = self.segments.front_mut().filter(|next| next.arrives <= now) {
            let part = segment.length.min(most - taken);
            taken += part;
            segment.length -= part;
            self.departed = segment.departed;
            if segment.length > 0 {
                break;
            }
            self.segments.pop_front();
        }
        if taken == 0 {
            return Found::End;
        }
        self.read += taken as u64;
        self.rests_until = now + self.conditions.rest;
        let from = self.start;
        self.start += taken;
        Found::Bytes(&self.bytes[from..self.start])
    }

    /// How many bytes can be written now.
    pub fn room(&self) -> usize {
        self.conditions.window.saturating_sub(self.under_way())
    }

    /// When the byte read last was written.
    pub fn departed(&self) -> Duration {
        self.departed
    }

    /// How many bytes were ever written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// How many bytes were ever read.
    pub fn read_so_far(&self) -> u64 {
        self.read
    }

    /// Ends what bad conditions there are: faults are over.
    pub fn heal(&mut self) {
        self.stalled_until = Duration::ZERO;
        let Conditions { latency, window, .. } = Conditions::default();
        self.conditions.rest = Duration::ZERO;
        self.conditions.bandwidth = 0;
        self.conditions.latency = latency;
        self.conditions.jitter = Duration::ZERO;
        self.conditions.window = window;
    }

    fn under_way(&self) -> usize {
        self.bytes.len() - self.start
    }
}

/// The most a reader takes at once.
const MOST: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn pipe(change: impl FnOnce(&mut Conditions)) -> (Pipe, Random) {
        let mut conditions = Conditions::default();
        change(&mut conditions);
        (Pipe::new(conditions), Random::new(1))
    }

    #[test]
    fn bytes_arrive_after_the_latency_and_join() {
        let (mut pipe, mut random) = pipe(|_| {});
        assert_eq!(pipe.write(ms(0), b"ab", &mut random), 2);
        assert_eq!(pipe.write(ms(5), b"cd", &mut random), 2);
        assert_eq!(pipe.due(), Some(ms(20)));
        assert_eq!(pipe.read(ms(19), &mut random), Found::Nothing);
        assert_eq!(pipe.read(ms(25), &mut random), Found::Bytes(b"abcd"));
        assert_eq!(pipe.departed(), ms(5));
        assert_eq!(pipe.due(), None);
    }

    #[test]
    fn bytes_split_down_to_one() {
        let (mut pipe, mut random) = pipe(|conditions| conditions.portions = Portions::Fixed(1));
        pipe.write(ms(0), b"abc", &mut random);
        for byte in [b"a", b"b", b"c"] {
            assert_eq!(pipe.read(ms(20), &mut random), Found::Bytes(byte));
        }
        assert_eq!(pipe.read(ms(20), &mut random), Found::Nothing);
    }

    #[test]
    fn jitter_never_reorders() {
        let (mut pipe, mut random) = pipe(|conditions| {
            conditions.jitter = ms(500);
            conditions.portions = Portions::UpTo(7);
        });
        let mut expected = 0_u8;
        let mut written = 0_u8;
        for time in 0..3000 {
            if time % 10 == 0 && written < 200 {
                pipe.write(ms(time), &[written], &mut random);
                written += 1;
            }
            while let Found::Bytes(bytes) = pipe.read(ms(time), &mut random) {
                for byte in bytes {
                    assert_eq!(*byte, expected);
                    expected += 1;
                }
            }
        }
        assert_eq!(expected, 200);
    }

    #[test]
    fn bandwidth_spreads_writes_and_a_slow_reader_rests() {
        let (mut pipe, mut random) = pipe(|conditions| {
            conditions.bandwidth = 1000;
            conditions.rest = ms(50);
        });
        pipe.write(ms(0), &[1; 100], &mut random);
        pipe.write(ms(0), &[2; 100], &mut random);
        assert_eq!(pipe.due(), Some(ms(120)));
        assert_eq!(pipe.read(ms(120), &mut random), Found::Bytes(&[1; 100]));
        assert_eq!(pipe.due(), Some(ms(220)));
        assert_eq!(pipe.read(ms(230), &mut random), Found::Bytes(&[2; 100]));
    }

    #[test]
    fn a_full_window_takes_no_more_until_the_reader_reads() {
        let (mut pipe, mut random) = pipe(|conditions| conditions.window = 3);
        assert_eq!(pipe.write(ms(0), b"abcd", &mut random), 3);
        assert_eq!(pipe.write(ms(0), b"d", &mut random), 0);
        assert_eq!(pipe.read(ms(20), &mut random), Found::Bytes(b"abc"));
        assert_eq!(pipe.write(ms(20), b"d", &mut random), 1);
    }

    #[test]
    fn the_end_comes_behind_the_bytes() {
        let (mut pipe, mut random) = pipe(|_| {});
        pipe.write(ms(0), b"a", &mut random);
        pipe.finish(ms(0));
        assert_eq!(pipe.write(ms(0), b"b", &mut random), 0);
        assert_eq!(pipe.read(ms(20), &mut random), Found::Bytes(b"a"));
        assert_eq!(pipe.read(ms(20), &mut random), Found::End);
    }

    #[test]
    fn stalls_freezes_and_resets() {
        let (mut pipe, mut random) = pipe(|_| {});
        pipe.write(ms(0), b"abcd", &mut random);
        pipe.stall(ms(100));
        assert_eq!(pipe.due(), Some(ms(100)));
        pipe.reset_after(2);
        assert_eq!(pipe.read(ms(100), &mut random), Found::Bytes(b"ab"));
        assert_eq!(pipe.read(ms(100), &mut random), Found::Reset);
        pipe.freeze();
        assert_eq!(pipe.due(), None);
        assert_eq!(pipe.read(ms(1000), &mut random), Found::Nothing);
    }
}
