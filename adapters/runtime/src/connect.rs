//! From a host to a byte stream: all its addresses, in an order and at a pace that let no dead one delay the others (RFC 8305).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::handler::BoxFuture;
use crate::runtime::Runtime;

/// Connects to the first address of `host` that answers. `host` is a name, or an IP address without brackets.
pub(crate) async fn connect<R: Runtime>(
    runtime: &R,
    host: &str,
    port: u16,
) -> io::Result<R::Stream> {
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => runtime.resolve(host, port).await.map_err(|error| {
            let text = format!("the host name {host} cannot be resolved: {error}");
            io::Error::new(error.kind(), text)
        })?,
    };
    if addresses.is_empty() {
        let text = format!("the host name {host} has no address");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    let mut race = Race {
        runtime: runtime.clone(),
        waiting: in_turn(addresses),
        attempts: Vec::new(),
        pause: None,
        errors: Errors::default(),
    };
    poll_fn(|cx| race.poll(cx)).await
}

/// The families take turns, beginning with that of the first address (RFC 8305 section 4); within a family the order stays.
fn in_turn(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_ipv6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = VecDeque::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            break;
        }
        ordered.extend(pair.into_iter().flatten());
    }
    ordered.truncate(MOST_ADDRESSES);
    ordered
}

/// Attempts that overlap. Dropping it drops them.
struct Race<R: Runtime> {
    runtime: R,
    waiting: VecDeque<SocketAddr>,
    attempts: Vec<(SocketAddr, BoxFuture<io::Result<R::Stream>>)>,
    /// Until the next attempt begins even though the others go on.
    pause: Option<BoxFuture<()>>,
    errors: Errors,
}

impl<R: Runtime> Race<R> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<R::Stream>> {
        loop {
            let mut index = 0;
            while let Some((address, attempt)) = self.attempts.get_mut(index) {
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        self.errors.add(*address, &error);
                        drop(self.attempts.remove(index));
                        // The next one need not wait for this one any more.
                        self.pause = None;
                    }
                    Poll::Pending => index += 1,
                }
            }
            if let Some(pause) = &mut self.pause {
                if pause.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.pause = None;
            }
            let Some(address) = self.waiting.pop_front() else {
                return match self.attempts.is_empty() {
                    true => Poll::Ready(Err(self.errors.take())),
                    false => Poll::Pending,
                };
            };
            let runtime = self.runtime.clone();
            self.attempts.push((address, Box::pin(async move { runtime.connect(address).await })));
            if !self.waiting.is_empty() {
                let runtime = self.runtime.clone();
                self.pause = Some(Box::pin(async move { runtime.sleep(ATTEMPT_DELAY).await }));
            }
        }
    }
}

/// What went wrong at each address; the kind is that of the first.
#[derive(Default)]
struct Errors {
    kind: Option<io::ErrorKind>,
    text: String,
}

impl Errors {
    fn add(&mut self, address: SocketAddr, error: &io::Error) {
        self.kind.get_or_insert(error.kind());
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        self.text.push_str(&format!("{address}: {error}"));
    }

    fn take(&mut self) -> io::Error {
        let kind = self.kind.unwrap_or(io::ErrorKind::Other);
        io::Error::new(kind, std::mem::take(&mut self.text))
    }
}

/// RFC 8305 section 5: the recommended delay between two attempts.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Addresses of one name that are tried: with the delay between them, what an attempt to connect has time for, and few enough
/// sockets at once.
const MOST_ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::{Arc, Mutex};
    use std::task::Waker;

    use super::*;
    use crate::runtime::ByteStream;

    /// What becomes of an attempt, by address, and time that stands until it is advanced.
    #[derive(Clone, Default)]
    struct Network(Arc<Mutex<Inside>>);

    #[derive(Default)]
    struct Inside {
        now: Duration,
        addresses: Vec<SocketAddr>,
        /// When an attempt ends, since it began, and how; others never end.
        ends: Vec<(SocketAddr, Duration, Result<(), io::ErrorKind>)>,
        log: Vec<String>,
    }

    impl Network {
        fn of(addresses: &[&str]) -> Self {
            let network = Self::default();
            network.0.lock().unwrap().addresses = addresses.iter().map(|text| at(text)).collect();
            network
        }

        fn ends(self, address: &str, after: u64, how: Result<(), io::ErrorKind>) -> Self {
            let after = Duration::from_millis(after);
            self.0.lock().unwrap().ends.push((at(address), after, how));
            self
        }

        fn wait(&self, duration: Duration) -> impl Future<Output = ()> + Send + use<> {
            let network = self.clone();
            let until = network.0.lock().unwrap().now + duration;
            poll_fn(move |_| match network.0.lock().unwrap().now >= until {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
        }

        /// Connects while time passes in steps of 10 ms, for 10 s at most; what happened, and when.
        fn connect(&self, host: &str) -> (io::Result<SocketAddr>, Vec<String>) {
            let mut connecting = pin!(connect(self, host, 7));
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..1000 {
                if let Poll::Ready(connected) = connecting.as_mut().poll(&mut cx) {
                    let connected = connected.map(|Stream(address)| address);
                    return (connected, self.0.lock().unwrap().log.clone());
                }
                self.0.lock().unwrap().now += Duration::from_millis(10);
            }
            panic!("it hangs: {:?}", self.0.lock().unwrap().log);
        }
    }

    impl Runtime for Network {
        type Stream = Stream;

        async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
            let end = {
                let mut inside = self.0.lock().unwrap();
                let line = format!("{:>4} {}", inside.now.as_millis(), address.ip());
                inside.log.push(line);
                inside.ends.iter().find(|(known, ..)| *known == address).copied()
            };
            let Some((_, after, how)) = end else { return std::future::pending().await };
            self.wait(after).await;
            how.map(|()| Stream(address)).map_err(io::Error::from)
        }

        async fn resolve(&self, host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
            match host {
                "nowhere" => Err(io::Error::new(io::ErrorKind::NotFound, "no such name")),
                _ => Ok(self.0.lock().unwrap().addresses.clone()),
            }
        }

        fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
            self.wait(duration)
        }

        fn spawn(&self, _: impl Future<Output = ()> + Send + 'static) {}

        fn spawn_blocking(&self, _: impl FnOnce() + Send + 'static) {}
    }

    struct Stream(SocketAddr);

    impl ByteStream for Stream {
        fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    fn at(ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), 7)
    }

    #[test]
    fn families_take_turns_and_begin_with_the_first() {
        let network = Network::of(&["::1", "::2", "::3", "10.0.0.1", "10.0.0.2"]).ends(
            "::3",
            0,
            Err(io::ErrorKind::ConnectionRefused),
        );
        let network = network.ends("10.0.0.2", 700, Ok(()));
        let (connected, log) = network.connect("gate");
        assert_eq!(connected.unwrap(), at("10.0.0.2"));
        assert_eq!(log, ["   0 ::1", " 250 10.0.0.1", " 500 ::2", " 750 10.0.0.2", "1000 ::3"]);
        let (_, log) = Network::of(&["10.0.0.1", "::1", "10.0.0.2"])
            .ends("10.0.0.2", 0, Ok(()))
            .connect("gate");
        assert_eq!(log, ["   0 10.0.0.1", " 250 ::1", " 500 10.0.0.2"]);
    }

    #[test]
    fn the_next_begins_at_once_when_one_fails() {
        let refused = Err(io::ErrorKind::ConnectionRefused);
        let network = Network::of(&["::1", "10.0.0.1", "::2"]);
        let network = network.ends("::1", 40, refused).ends("10.0.0.1", 100, refused);
        let (connected, log) = network.ends("::2", 10, Ok(())).connect("gate");
        assert_eq!(connected.unwrap(), at("::2"));
        assert_eq!(log, ["   0 ::1", "  40 10.0.0.1", " 140 ::2"]);
    }

    #[test]
    fn the_first_that_answers_wins_however_late_it_began() {
        let network = Network::of(&["::1", "10.0.0.1"]).ends("::1", 300, Ok(()));
        assert_eq!(network.ends("10.0.0.1", 40, Ok(())).connect("gate").0.unwrap(), at("10.0.0.1"));
        let network = Network::of(&["::1", "10.0.0.1"]).ends("::1", 280, Ok(()));
        assert_eq!(network.ends("10.0.0.1", 40, Ok(())).connect("gate").0.unwrap(), at("::1"));
    }

    #[test]
    fn as_many_addresses_as_the_bound_are_tried_and_one_more_is_not() {
        let refused = Err(io::ErrorKind::ConnectionRefused);
        let ips: Vec<String> = (0..=MOST_ADDRESSES).map(|last| format!("10.0.0.{last}")).collect();
        let network = Network::of(&ips.iter().map(String::as_str).collect::<Vec<_>>());
        let network = ips.iter().fold(network, |network, ip| network.ends(ip, 0, refused));
        let (connected, log) = network.connect("gate");
        assert_eq!(log.len(), MOST_ADDRESSES);
        assert_eq!(connected.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn failures_name_every_address_and_what_cannot_be_resolved() {
        let network = Network::of(&["::1", "10.0.0.1"])
            .ends("::1", 0, Err(io::ErrorKind::ConnectionRefused))
            .ends("10.0.0.1", 0, Err(io::ErrorKind::HostUnreachable));
        let why = network.connect("gate").0.unwrap_err().to_string();
        assert_eq!(why, "[::1]:7: connection refused; 10.0.0.1:7: host unreachable");
        let why = network.connect("nowhere").0.unwrap_err().to_string();
        assert_eq!(why, "the host name nowhere cannot be resolved: no such name");
        let why = Network::of(&[]).connect("gate").0.unwrap_err().to_string();
        assert_eq!(why, "the host name gate has no address");
    }

    #[test]
    fn an_ip_address_is_not_resolved() {
        for host in ["::1", "10.0.0.1"] {
            let network = Network::of(&[]).ends(host, 0, Ok(()));
            assert_eq!(network.connect(host).0.unwrap(), at(host));
        }
    }
}
