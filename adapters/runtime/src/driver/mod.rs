//! The loop that carries a node's state machine: it supplies bytes, time and answers, and does what it is told.

mod application;
mod link;
mod news;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use clawnode_protocol::node::{Action, Input, StopReason, Tally};
use clawnode_protocol::recording::{End, Recorder};
use clawnode_protocol::{CallId, Credentials as Shown, Outcome, Secret, WorkId, dialect};
use tracing::{debug, error, info, warn};

use crate::connection::Connection;
use crate::credentials::Credentials;
use crate::handle::{Ask, CallFailed, Replied};
use crate::handler::{BoxFuture, Served};
use crate::job::{FromJob, Job};
use crate::node::Node;
use crate::openclaw::Openclaw;
use crate::proxy::Proxy;
use crate::recording::{ENOUGH, GATHER, Record, Recording};
use crate::request::{Authorize, Observer};
use crate::runtime::Runtime;
use crate::shared::EndOnDrop;
use crate::tls::Tls;
use crate::url::GatewayUrl;
use link::Link;
use work::Unstarted;

/// Where to connect to.
pub(crate) struct Gateway {
    pub(crate) url: GatewayUrl,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) proxy: Option<Proxy>,
}

/// A running node. Dropping it drops the byte stream, and with it the connection, and cancels every handler.
pub(crate) struct Driver<R: Runtime> {
    core: Recorder,
    /// Where the recording goes, if there is one.
    recording: Option<Recording>,
    /// When what was recorded so far is handed on, if it is not enough for that before.
    gather: Option<BoxFuture<()>>,
    runtime: R,
    gateway: Gateway,
    credentials: Credentials,
    headers: Vec<(String, Secret)>,
    openclaw: Option<Openclaw>,
    served: Served,
    started: bool,
    stopped: Option<StopReason>,
    link: Link<R::Stream>,
    /// The credentials that the next attempt waits for.
    asking: Option<BoxFuture<Result<Shown, String>>>,
    /// A device token that is being kept.
    keeping: Option<BoxFuture<Result<(), String>>>,
    calls: BTreeMap<CallId, Sender<Replied>>,
    next_call: u64,
    timer: Option<Timer>,
    /// Inputs that actions gave rise to; they must wait until all actions are out.
    replies: VecDeque<Reply>,
    authorize: Option<Authorize>,
    authorization_timeout: Duration,
    unstarted: BTreeMap<WorkId, Unstarted>,
    observer: Option<Observer>,
    jobs: BTreeMap<WorkId, Job>,
    inbox: Pin<Box<Receiver<FromJob>>>,
    to_inbox: Sender<FromJob>,
    asks: Pin<Box<Receiver<Ask>>>,
    buffer: Box<[u8]>,
    connection: Connection,
    /// What handles see of the core.
    published: (Tally, Option<dialect::Name>),
    shared: EndOnDrop,
}

struct Timer {
    at: Duration,
    sleep: BoxFuture<()>,
}

enum Reply {
    Admitted(WorkId),
    Recorded(WorkId),
    Answer(WorkId, Outcome),
    Signature(Result<String, String>),
}

impl<R: Runtime> Driver<R> {
    pub(crate) fn new(node: Node<R>) -> Self {
        let Node {
            runtime,
            gateway,
            config,
            credentials,
            headers,
            openclaw,
            served,
            shared,
            asks,
            recording,
            hooks,
            ..
        } = node;
        let (to_inbox, inbox) = async_channel::bounded(INBOX);
        let seed = runtime.seed();
        let observer = hooks.observe.map(|observe| Observer::start(&runtime, observe));
        let recording = recording.and_then(|Record { next_file, limit, in_parts }| {
            Some((Recording::start(next_file)?, limit, in_parts))
        });
        let (core, recording) = match recording {
            None => (Recorder::off(config, seed), None),
            Some((recording, limit, true)) => {
                (Recorder::in_parts(config, seed, limit), Some(recording))
            }
            Some((recording, limit, false)) => (Recorder::on(config, seed, limit), Some(recording)),
        };
        Self {
            core,
            recording,
            gather: None,
            runtime,
            gateway,
            credentials,
            headers,
            openclaw,
            served,
            started: false,
            stopped: None,
            link: Link::Down,
            asking: None,
            keeping: None,
            calls: BTreeMap::new(),
            next_call: 0,
            timer: None,
            replies: VecDeque::new(),
            authorize: hooks.authorize,
            authorization_timeout: hooks.authorization_timeout,
            unstarted: BTreeMap::new(),
            observer,
            jobs: BTreeMap::new(),
            inbox: Box::pin(inbox),
            to_inbox,
            asks: Box::pin(asks),
            buffer: vec![0; READ_BUFFER].into(),
            connection: Connection::Idle,
            published: (Tally::default(), None),
            shared,
        }
    }

    /// Goes on until there is nothing to do, or for a number of steps, so that others on the same thread have their
    /// turn.
    pub(crate) fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<StopReason> {
        for _ in 0..STEPS {
            let busy = self.step(cx);
            if let Some(reason) = self.stopped.take() {
                self.forget_withdrawn();
                self.shared.0.end(Some(reason.clone()));
                return Poll::Ready(reason);
            }
            if !busy && self.sleep(cx) {
                self.look_back(cx);
                return Poll::Pending;
            }
        }
        self.look_back(cx);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// What is due once after many rounds.
    fn look_back(&mut self, cx: &mut TaskContext<'_>) {
        self.forget_withdrawn();
        self.follow();
        self.publish();
        self.keep_recording(cx);
    }

    /// Hands on what was recorded when it is enough, is old enough, or is all there will be.
    fn keep_recording(&mut self, cx: &mut TaskContext<'_>) {
        let Some(recording) = self.recording.as_ref().filter(|_| self.core.waiting() > 0) else {
            return;
        };
        if self.core.is_recording() && self.core.waiting() < ENOUGH {
            let runtime = &self.runtime;
            let gather = self.gather.get_or_insert_with(|| {
                let runtime = runtime.clone();
                Box::pin(async move { runtime.sleep(GATHER).await })
            });
            if gather.as_mut().poll(cx).is_pending() {
                return;
            }
        }
        self.gather = None;
        if let Some(end) = self.core.ended() {
            warn!(%end, "the recording ends here");
        }
        recording.push(&mut self.core);
    }

    /// Waits until the recording is where it goes, for as long as is decent.
    pub(crate) async fn finish_recording(&mut self) {
        if let Some(recording) = self.recording.take() {
            self.core.end(End::Closed);
            recording.push(&mut self.core);
            recording.finish(&self.runtime).await;
        }
    }

    /// Waits until the observer has heard everything, for as long as is decent.
    pub(crate) async fn finish_observing(&mut self) {
        if let Some(observer) = self.observer.take() {
            observer.finish(&self.runtime).await;
        }
    }

    /// One round, a little of everything in a fixed order: time, the application, writing, handlers, connecting,
    /// reading. False when nothing was to be done.
    fn step(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let timed = self.pass_time(cx);
        let told = self.obey(cx);
        // Before, so that the gateway never knows of more than handles do.
        self.publish();
        let wrote = self.write(cx);
        let heard = self.hear_handlers(cx);
        let connected = self.connect(cx);
        let read = self.read(cx);
        timed | told | wrote | heard | connected | read
    }

    // Time.

    fn pass_time(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let due = self.is_due();
        if due {
            // After a pause of the whole process the deadline and the sign of life it waits for are there at once: the
            // gateway is not to blame for what was not read in time. One read, so that no flood keeps a deadline off.
            self.read(cx);
            if self.is_due() {
                debug!(reason = ?self.core.deadline().map(|(_, reason)| reason), "deadline");
                self.feed(Input::Timeout);
            }
        }
        due
    }

    fn is_due(&self) -> bool {
        self.core.deadline().is_some_and(|(at, _)| self.runtime.now().monotonic >= at)
    }

    /// Arms the timer for the core's deadline, unless it is armed for it already. False when it is time to look again.
    fn sleep(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let deadline = self.core.deadline().map(|(at, _)| at);
        if self.timer.as_ref().map(|timer| timer.at) != deadline {
            self.timer = deadline.map(|at| {
                let runtime = self.runtime.clone();
                let left = at.saturating_sub(runtime.now().monotonic);
                Timer { at, sleep: Box::pin(async move { runtime.sleep(left).await }) }
            });
        }
        let woken =
            self.timer.as_mut().is_some_and(|timer| timer.sleep.as_mut().poll(cx).is_ready());
        if woken {
            self.timer = None;
        }
        !woken
    }

    // The core.

    fn feed(&mut self, input: Input<'_>) {
        if let Err(misuse) = self.core.handle(self.runtime.now(), input) {
            error!(%misuse, "the driver gave the node an input that does not fit; this is a bug");
        }
        self.drain();
    }

    /// The drain contract: all actions first, then what they gave rise to.
    fn drain(&mut self) {
        loop {
            while let Some(action) = self.core.poll_action() {
                self.act(action);
            }
            let Some(reply) = self.replies.pop_front() else { return };
            let now = self.runtime.now();
            let fed = match reply {
                Reply::Admitted(work) => self.core.handle(now, Input::Admitted(work)),
                Reply::Recorded(work) => self.core.handle(now, Input::Recorded(work)),
                Reply::Answer(work, outcome) => self.core.handle(now, Input::Answer(work, outcome)),
                Reply::Signature(Ok(signature)) => {
                    self.core.handle(now, Input::Signature(&signature))
                }
                Reply::Signature(Err(why)) => self.core.handle(now, Input::SigningFailed(&why)),
            };
            debug_assert!(fed.is_ok(), "the core asked for it: {fed:?}");
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Authenticate => {
                self.enter(Connection::Connecting);
                self.asking = Some(self.authenticate());
            }
            Action::Sign(text) => self.sign(&text),
            Action::KeepDeviceToken(token) => self.keep_device_token(token),
            Action::ForgetDeviceToken => self.forget_device_token(),
            Action::Reply { id, result } => {
                if let Some(reply) = self.calls.remove(&id) {
                    let _ = reply.try_send(result.map_err(CallFailed::Gateway));
                }
            }
            Action::Connect => self.open(),
            Action::Disconnect => self.disconnect(),
            Action::Admit(work) => self.admit(&work),
            Action::Start(work) => self.start_job(work),
            Action::Cancel(work) => self.cancel_job(work),
            Action::Record(answer) => self.record(&answer),
            Action::Settled(work) => debug!(%work, "the gateway has the answer"),
            Action::Notify(event) => self.notify(event),
            Action::Stopped(reason) => {
                match &reason {
                    StopReason::Requested => info!("stopped"),
                    reason => error!(%reason, "stopped for good"),
                }
                self.stopped = Some(reason);
            }
            other => error!(?other, "the driver does not know this action; this is a bug"),
        }
    }
}

/// A node whose run is dropped, or panics, leaves a recording up to there.
impl<R: Runtime> Drop for Driver<R> {
    fn drop(&mut self) {
        if let Some(recording) = &self.recording {
            recording.push(&mut self.core);
        }
    }
}

/// Rounds of the loop before it lets others run. A round reads at most [`READ_BUFFER`], so this is at most a MiB.
const STEPS: usize = 64;

/// The most a read takes: enough for nearly every message, and little for a connection that is idle.
const READ_BUFFER: usize = 16 << 10;

/// Messages of all handlers that wait for the driver; a handler with more to say waits.
const INBOX: usize = 64;
