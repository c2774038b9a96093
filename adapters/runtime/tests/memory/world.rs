//! A runtime without sockets, threads or clocks: pipes in memory, time that stands until told, and one hand that polls.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use clawnode_protocol::peer::{Action, Config, Decision, Dialect, FromNode, Input};
use clawnode_protocol::{Now, Peer, Timestamp};
use clawnode_runtime::{ByteStream, Runtime};

#[derive(Clone)]
pub(crate) struct Memory {
    pub(crate) world: Arc<World>,
}

pub(crate) struct World {
    /// Bytes one direction of a pipe holds.
    capacity: usize,
    now: Mutex<Duration>,
    pub(crate) sleeps: AtomicUsize,
    pub(crate) reads: AtomicUsize,
    sleepers: Mutex<BTreeMap<Duration, Vec<Waker>>>,
    tasks: Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    pipe: Mutex<Pipe>,
}

#[derive(Default)]
struct Pipe {
    connected: bool,
    closed: bool,
    to_node: VecDeque<u8>,
    to_gateway: VecDeque<u8>,
    node: Option<Waker>,
}

impl Memory {
    pub(crate) fn new(capacity: usize) -> Self {
        let world = World {
            capacity,
            now: Mutex::default(),
            sleeps: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            sleepers: Mutex::default(),
            tasks: Mutex::default(),
            pipe: Mutex::default(),
        };
        Self { world: Arc::new(world) }
    }
}

impl Runtime for Memory {
    type Stream = End;

    async fn connect(&self, _: SocketAddr) -> io::Result<End> {
        *self.world.pipe.lock().unwrap() = Pipe { connected: true, ..Pipe::default() };
        Ok(End(Arc::clone(&self.world)))
    }

    async fn resolve(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        self.world.sleeps.fetch_add(1, Ordering::SeqCst);
        let until = self.world.now() + duration;
        let world = Arc::clone(&self.world);
        std::future::poll_fn(move |cx| {
            if world.now() >= until {
                return Poll::Ready(());
            }
            world.sleepers.lock().unwrap().entry(until).or_default().push(cx.waker().clone());
            Poll::Pending
        })
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.world.tasks.lock().unwrap().push(Box::pin(task));
    }

    fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        self.spawn(async { work() });
    }

    fn now(&self) -> Now {
        Now::new(self.world.now(), Timestamp::default())
    }

    fn seed(&self) -> [u8; 32] {
        [7; 32]
    }
}

impl World {
    pub(crate) fn now(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    pub(crate) fn advance(&self, by: Duration) {
        let now = self.now() + by;
        *self.now.lock().unwrap() = now;
        let mut sleepers = self.sleepers.lock().unwrap();
        let later = sleepers.split_off(&(now + Duration::from_nanos(1)));
        for waker in std::mem::replace(&mut *sleepers, later).into_values().flatten() {
            waker.wake();
        }
    }

    /// Polls every task once; the ended ones go.
    pub(crate) fn poll_tasks(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        let mut cx = Context::from_waker(Waker::noop());
        tasks.retain_mut(|task| task.as_mut().poll(&mut cx).is_pending());
        self.tasks.lock().unwrap().append(&mut tasks);
    }

    pub(crate) fn is_connected(&self) -> bool {
        let pipe = self.pipe.lock().unwrap();
        pipe.connected && !pipe.closed
    }

    pub(crate) fn has_tasks(&self) -> bool {
        !self.tasks.lock().unwrap().is_empty()
    }
}

/// The node's end of the pipe.
pub(crate) struct End(Arc<World>);

impl ByteStream for End {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.reads.fetch_add(1, Ordering::SeqCst);
        let mut pipe = self.0.pipe.lock().unwrap();
        pipe.node = Some(cx.waker().clone());
        if pipe.to_node.is_empty() {
            return Poll::Pending;
        }
        let count = buffer.len().min(pipe.to_node.len());
        for (to, from) in buffer.iter_mut().zip(pipe.to_node.drain(..count)) {
            *to = from;
        }
        Poll::Ready(Ok(count))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.0.pipe.lock().unwrap();
        pipe.node = Some(cx.waker().clone());
        let count = bytes.len().min(self.0.capacity - pipe.to_gateway.len());
        if count == 0 {
            return Poll::Pending;
        }
        pipe.to_gateway.extend(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.pipe.lock().unwrap().closed = true;
    }
}

/// The gateway's end, moved by hand.
pub(crate) struct Gateway {
    world: Arc<World>,
    pub(crate) peer: Peer,
    pub(crate) heard: Vec<FromNode>,
}

impl Gateway {
    pub(crate) fn new(memory: &Memory) -> Self {
        let peer = Peer::new(Config::new(Dialect::Nodetool), memory.now(), [1; 32]);
        Self { world: Arc::clone(&memory.world), peer, heard: Vec::new() }
    }

    fn now(&self) -> Now {
        Now::new(self.world.now(), Timestamp::default())
    }

    /// Reads what there is and writes what fits. False if there was nothing of either.
    pub(crate) fn turn(&mut self) -> bool {
        let now = self.now();
        let mut bytes: Vec<u8> = Vec::new();
        bytes.extend(self.world.pipe.lock().unwrap().to_gateway.drain(..));
        if !bytes.is_empty() {
            self.peer.handle(now, Input::Received(&bytes)).unwrap();
        }
        self.drain();
        let written = {
            let mut pipe = self.world.pipe.lock().unwrap();
            let waiting = self.peer.transmit();
            let count = waiting.len().min(self.world.capacity - pipe.to_node.len());
            pipe.to_node.extend(&waiting[..count]);
            if count > 0 || !bytes.is_empty() {
                pipe.node.take().into_iter().for_each(Waker::wake);
            }
            count
        };
        if written > 0 {
            self.peer.handle(now, Input::Sent(written)).unwrap();
            self.drain();
        }
        written > 0 || !bytes.is_empty()
    }

    fn drain(&mut self) {
        while let Some(action) = self.peer.poll_action() {
            match action {
                Action::Authorize(_) => {
                    let now = self.now();
                    self.peer.handle(now, Input::Authorize(Decision::Accept)).unwrap();
                }
                Action::Message(message) => self.heard.push(message),
                _ => {}
            }
        }
    }

    pub(crate) fn say(&mut self, input: Input<'_>) {
        let now = self.now();
        self.peer.handle(now, input).unwrap();
        self.drain();
    }
}

/// Counts how often it is woken.
#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Wakes {
    pub(crate) fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}
