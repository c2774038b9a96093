//! The loop that carries a node's state machine: it supplies bytes, time and answers, and does what it is told.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use clawnode_protocol::dialect::openclaw::{DeviceToken, RefusalCode};
use clawnode_protocol::node::{
    Action, Event as NodeEvent, Input, LostReason, Misuse, Phase, StopReason,
};
use clawnode_protocol::proxy::Refusal;
use clawnode_protocol::recording::{End, Recorder};
use clawnode_protocol::{
    Answer, Call, CallId, Credentials as Shown, Outcome, Secret, Task, Work, WorkId,
};
use futures_core::Stream;
use tracing::{debug, error, info, trace, warn};

use crate::connect::connect;
use crate::context::{Context, Inner, Workflow};
use crate::credentials::Credentials;
use crate::events::Event;
use crate::handle::{Approval, Ask, CallFailed, Replied, Status};
use crate::handler::{BoxFuture, Served};
use crate::job::{self, FromJob, Job};
use crate::node::Node;
use crate::openclaw::Openclaw;
use crate::proxy::{Proxy, Unconnected};
use crate::recording::{ENOUGH, GATHER, Record, Recording};
use crate::runtime::{ByteStream, Runtime};
use crate::shared::EndOnDrop;
use crate::tls::Tls;
use crate::transport::Transport;
use crate::url::GatewayUrl;

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
    jobs: BTreeMap<WorkId, Job>,
    inbox: Pin<Box<Receiver<FromJob>>>,
    to_inbox: Sender<FromJob>,
    asks: Pin<Box<Receiver<Ask>>>,
    buffer: Box<[u8]>,
    status: Status,
    awaits: Option<Approval>,
    shared: EndOnDrop,
}

enum Link<S> {
    Down,
    Connecting(BoxFuture<Result<Transport<S>, Unconnected>>),
    Up(Up<S>),
}

struct Up<S> {
    transport: Transport<S>,
    /// The gateway may still send something.
    readable: bool,
    /// The stream may hold back something that was written.
    flush: bool,
    /// Writing failed. What can still be read may say why, so that comes first.
    broken: Option<io::Error>,
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
            ..
        } = node;
        let (to_inbox, inbox) = async_channel::bounded(INBOX);
        let seed = runtime.seed();
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
            jobs: BTreeMap::new(),
            inbox: Box::pin(inbox),
            to_inbox,
            asks: Box::pin(asks),
            buffer: vec![0; READ_BUFFER].into(),
            status: shared.0.status(),
            awaits: None,
            shared,
        }
    }

    /// Goes on until there is nothing to do, or for a number of steps, so that others on the same thread have their
    /// turn.
    pub(crate) fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<StopReason> {
        for _ in 0..STEPS {
            let busy = self.step(cx);
            if let Some(reason) = self.stopped.take() {
                self.shared.0.end(Some(reason.clone()));
                return Poll::Ready(reason);
            }
            if !busy && self.sleep(cx) {
                self.publish();
                self.keep_recording(cx);
                return Poll::Pending;
            }
        }
        self.publish();
        self.keep_recording(cx);
        cx.waker().wake_by_ref();
        Poll::Pending
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

    /// One round, a little of everything in a fixed order: time, the application, writing, handlers, connecting,
    /// reading. False when nothing was to be done.
    fn step(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let timed = self.pass_time(cx);
        let told = self.obey(cx);
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

    // The application.

    /// What handles want.
    fn obey(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let mut told = false;
        if let Some(grace) = self.shared.0.look(cx.waker()) {
            info!(grace_ms = grace.as_millis(), "stopping");
            self.feed(Input::Stop(grace));
            self.started = true;
            told = true;
        }
        if !self.started {
            self.start();
            told = true;
        }
        if let Poll::Ready(Some(ask)) = self.asks.as_mut().poll_next(cx) {
            self.asked(ask);
            told = true;
        }
        told
    }

    fn asked(&mut self, ask: Ask) {
        let now = self.runtime.now();
        match ask {
            Ask::Custom { text, sent } => {
                let result = self.core.handle(now, Input::Custom(&text));
                debug!(bytes = text.len(), sent = result.is_ok(), "custom message");
                let _ = sent.try_send(result);
            }
            Ask::Call { method, params, timeout, reply } => {
                let id = CallId(self.next_call);
                self.next_call += 1;
                let call = Call { id, method: &method, params: &params, timeout };
                match self.core.handle(now, Input::Call(call)) {
                    Ok(()) => {
                        debug!(method, "call");
                        self.calls.insert(id, reply);
                    }
                    Err(misuse) => {
                        let _ = reply.try_send(Err(match misuse {
                            Misuse::NoCalls => CallFailed::NoCalls,
                            Misuse::TooLarge => CallFailed::TooLarge,
                            _ => CallFailed::NotReady,
                        }));
                    }
                }
            }
            Ask::Publish(publication) => {
                // Other dialects have no such thing, and that is no mistake of whoever serves both.
                let _ = self.core.handle(now, Input::Publish(publication));
            }
        }
        self.drain();
    }

    fn start(&mut self) {
        let url = &self.gateway.url;
        let here = url.is_loopback() && self.gateway.proxy.is_none();
        if !url.tls && !self.credentials.is_none() && !here {
            warn!(
                gateway = url.shown(),
                "the token travels unencrypted to another machine; use wss:// if the gateway offers it"
            );
        }
        self.started = true;
        self.feed(Input::Start);
    }

    fn publish(&mut self) {
        let status = Status {
            phase: self.core.phase(),
            tally: self.core.tally(),
            dialect: self.core.dialect(),
            awaits: self.awaits,
        };
        if status != self.status {
            self.status = status;
            self.shared.0.publish(status);
        }
    }

    // Handlers.

    fn hear_handlers(&mut self, cx: &mut TaskContext<'_>) -> bool {
        // A gateway that reads slowly makes handlers wait, rather than lose updates. Without a connection they go on.
        let most = self.core.config().limits.transmit_bytes.max(1);
        if self.core.phase() == Phase::Ready && self.core.transmit().len() >= most {
            return false;
        }
        match self.inbox.as_mut().poll_next(cx) {
            Poll::Ready(Some(FromJob::Progress(work, update))) => {
                if let Some(job) = self.jobs.get(&work) {
                    debug!(request_id = ?job.context.request_id(), ?update, "update");
                    self.feed(Input::Progress(work, update));
                }
                true
            }
            Poll::Ready(Some(FromJob::Ended(work, outcome))) => {
                // Without a job it was cancelled, and the core has answered.
                if let Some(job) = self.jobs.remove(&work) {
                    let result = match outcome {
                        Outcome::Completed(_) => "completed",
                        Outcome::Failed(_) => "failed",
                    };
                    self.log_end(&job, result);
                    self.feed(Input::Answer(work, outcome));
                }
                true
            }
            Poll::Ready(None) | Poll::Pending => false,
        }
    }

    fn start_job(&mut self, work: Arc<Work>) {
        let work = Arc::unwrap_or_clone(work);
        let id = work.id;
        let command = match &work.task {
            Task::Command { name, .. } => Some(name.clone()),
            _ => None,
        };
        info!(request_id = ?work.request_id, job_id = %work.job_id, ?command, "request");
        let (cancel, ended) = async_channel::bounded(1);
        let context = Context::new(Inner {
            work: id,
            request_id: work.request_id,
            job_id: work.job_id,
            user_id: work.user_id,
            command,
            deadline: work
                .deadline
                .map(|at| Instant::now() + at.saturating_sub(self.runtime.now().monotonic)),
            inbox: self.to_inbox.clone(),
            ended,
            shared: Arc::clone(&self.shared.0),
        });
        let started = self.runtime.now().monotonic;
        let job = Job { context: context.clone(), started, _cancel: cancel };
        let refusal = match work.task {
            Task::Command { name, args } => match self.served.commands.get(&name) {
                Some(handler) => {
                    job::start(&self.runtime, handler, context, args);
                    None
                }
                None => Some(self.served.unknown(&name)),
            },
            Task::Workflow { source, params } => match &self.served.workflows {
                Some(handler) => {
                    let workflow = Workflow::new(source, params);
                    job::start(&self.runtime, handler, context, workflow);
                    None
                }
                None => Some("this node runs no workflows".to_owned()),
            },
            _ => Some("this node does not know this kind of work".to_owned()),
        };
        match refusal {
            None => {
                self.jobs.insert(id, job);
            }
            Some(refusal) => {
                self.log_end(&job, "refused");
                self.replies.push_back(Reply::Answer(id, Outcome::failed(refusal)));
            }
        }
    }

    fn cancel_job(&mut self, work: WorkId) {
        if let Some(job) = self.jobs.remove(&work) {
            self.log_end(&job, "cancelled");
        }
    }

    fn log_end(&self, job: &Job, outcome: &str) {
        let duration_ms = self.runtime.now().monotonic.saturating_sub(job.started).as_millis();
        let (request_id, command) = (job.context.request_id(), job.context.command());
        info!(?request_id, command, outcome, duration_ms, "answered");
    }

    // The connection.

    fn connect(&mut self, cx: &mut TaskContext<'_>) -> bool {
        if let Some(keeping) = &mut self.keeping {
            if let Poll::Ready(kept) = keeping.as_mut().poll(cx) {
                self.keeping = None;
                match kept {
                    Ok(()) => self.feed(Input::DeviceTokenKept),
                    Err(why) => self.feed(Input::DeviceTokenNotKept(&why)),
                }
                return true;
            }
        }
        if let Some(asking) = &mut self.asking {
            let Poll::Ready(answer) = asking.as_mut().poll(cx) else { return false };
            self.asking = None;
            match answer {
                Ok(shown) => self.feed(Input::Credentials(shown)),
                Err(why) => self.feed(Input::CredentialsFailed(&why)),
            }
            return true;
        }
        let Link::Connecting(connecting) = &mut self.link else { return false };
        match connecting.as_mut().poll(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(transport)) => {
                self.link = Link::Up(Up { transport, readable: true, flush: false, broken: None });
                self.feed(Input::Connected);
            }
            Poll::Ready(Err(Unconnected::Failed(error))) => {
                self.link = Link::Down;
                self.feed(Input::ConnectFailed(&error.to_string()));
            }
            Poll::Ready(Err(Unconnected::Refused(refusal))) => {
                self.link = Link::Down;
                let Refusal { status, reason: why, retry_after, .. } = &refusal;
                let retry_after = retry_after.map(|time| time.wait(self.runtime.now().utc));
                self.feed(Input::ProxyRefused { status: *status, why, retry_after });
            }
        }
        true
    }

    fn open(&mut self) {
        let Gateway { url, tls, proxy } = &self.gateway;
        info!(gateway = url.shown(), through_proxy = proxy.is_some(), "connecting");
        let (runtime, tls) = (self.runtime.clone(), tls.clone());
        let (url, proxy) = (url.clone(), proxy.clone());
        self.link = Link::Connecting(Box::pin(async move {
            let stream = match proxy {
                Some(proxy) => proxy.connect(&runtime, &url).await?,
                None => connect(&runtime, &url.host, url.port).await?,
            };
            match tls {
                Some(tls) => Ok(Transport::Tls(tls.connect(stream).await?)),
                None => Ok(Transport::Plain(stream)),
            }
        }));
    }

    fn write(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let Link::Up(up) = &mut self.link else { return false };
        if up.broken.is_some() {
            return false;
        }
        let bytes = self.core.transmit();
        if bytes.is_empty() {
            if up.flush {
                match up.transport.poll_flush(cx) {
                    Poll::Ready(Ok(())) => up.flush = false,
                    Poll::Ready(Err(error)) => up.broken = Some(error),
                    Poll::Pending => {}
                }
            }
            return false;
        }
        match up.transport.poll_write(cx, bytes) {
            Poll::Ready(Ok(count)) if count > 0 => {
                up.flush = true;
                trace!(bytes = count, "sent");
                self.feed(Input::Sent(count));
                true
            }
            Poll::Ready(Ok(_)) => {
                up.broken = Some(io::ErrorKind::WriteZero.into());
                false
            }
            Poll::Ready(Err(error)) => {
                up.broken = Some(error);
                false
            }
            Poll::Pending => false,
        }
    }

    fn read(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let Link::Up(up) = &mut self.link else { return false };
        let read =
            if up.readable { up.transport.poll_read(cx, &mut self.buffer) } else { Poll::Pending };
        match read {
            Poll::Ready(Ok(0)) => {
                up.readable = false;
                self.feed(Input::ReceivedEof);
            }
            Poll::Ready(Ok(count)) => {
                trace!(bytes = count, "received");
                let now = self.runtime.now();
                let fed = self.core.handle(now, Input::Received(&self.buffer[..count]));
                debug_assert!(fed.is_ok(), "there is a connection");
                self.drain();
            }
            Poll::Ready(Err(error)) => self.feed(Input::Disconnected(&error.to_string())),
            Poll::Pending => match up.broken.take() {
                Some(error) => self.feed(Input::Disconnected(&error.to_string())),
                None => return false,
            },
        }
        true
    }

    /// Lets go of the stream, or of the attempt to have one.
    fn disconnect(&mut self) {
        self.asking = None;
        // What was given is still kept, but nobody waits for it.
        if let Some(keeping) = self.keeping.take() {
            self.runtime.spawn(async move {
                let _ = keeping.await;
            });
        }
        if let Link::Up(mut up) = std::mem::replace(&mut self.link, Link::Down) {
            // TLS says goodbye if the socket takes it at once; nothing is worth waiting for now.
            let _ = up.transport.poll_close(&mut TaskContext::from_waker(std::task::Waker::noop()));
        }
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
            Action::Authenticate => self.asking = Some(self.authenticate()),
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

    /// All credentials there are: the shared ones, and what the device keeps.
    fn authenticate(&self) -> BoxFuture<Result<Shown, String>> {
        let shared = self.credentials.fetch(&self.runtime);
        let headers = self.headers.clone();
        let Some(openclaw) = &self.openclaw else {
            return Box::pin(async move {
                let mut shown = Shown::token(shared.await?);
                shown.headers = headers;
                Ok(shown)
            });
        };
        let tokens = Arc::clone(&openclaw.tokens);
        let kept = self.on_thread(move || tokens.load());
        let (password, bootstrap) = (openclaw.password.clone(), openclaw.bootstrap_token.clone());
        Box::pin(async move {
            let mut shown = Shown::token(shared.await?);
            shown.device_token = match kept.await {
                Ok(kept) => kept,
                Err(why) => {
                    warn!(why, "the device token that is kept cannot be read");
                    None
                }
            };
            shown.password = password;
            shown.bootstrap_token = bootstrap;
            shown.headers = headers;
            Ok(shown)
        })
    }

    fn sign(&mut self, text: &Secret) {
        let signer = self.openclaw.as_ref().and_then(|openclaw| openclaw.signer.as_ref());
        let signed = signer.map_or_else(|| Err("there is no key".to_owned()), |key| key.sign(text));
        self.replies.push_back(Reply::Signature(signed));
    }

    fn keep_device_token(&mut self, token: DeviceToken) {
        let Some(openclaw) = &self.openclaw else { return };
        let tokens = Arc::clone(&openclaw.tokens);
        self.keeping = Some(self.on_thread(move || tokens.keep(&token)));
    }

    fn forget_device_token(&self) {
        let Some(openclaw) = &self.openclaw else { return };
        let tokens = Arc::clone(&openclaw.tokens);
        let forgotten = self.on_thread(move || tokens.forget());
        self.runtime.spawn(async move {
            if let Err(why) = forgotten.await {
                warn!(
                    why,
                    "the device token, which the gateway takes no more, cannot be forgotten"
                );
            }
        });
    }

    /// Work that may block, on a thread of its own.
    fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> BoxFuture<Result<T, String>> {
        let (done, answer) = async_channel::bounded(1);
        self.runtime.spawn_blocking(move || {
            let _ = done.try_send(work());
        });
        Box::pin(
            async move { answer.recv().await.unwrap_or_else(|_| Err("it panicked".to_owned())) },
        )
    }

    /// Where a journal would keep the work, and answer when it has. Without one, memory is all the keeping there is.
    fn admit(&mut self, work: &Work) {
        debug!(?work, "admitted");
        self.replies.push_back(Reply::Admitted(work.id));
    }

    /// Where a journal would keep the answer, and reply when it has.
    fn record(&mut self, answer: &Answer) {
        debug!(request_id = ?answer.request_id, bytes = answer.outcome.size(), "answer");
        self.replies.push_back(Reply::Recorded(answer.work));
    }

    fn notify(&mut self, event: NodeEvent) {
        match &event {
            NodeEvent::Connected => debug!("the WebSocket is open"),
            NodeEvent::Ready => {
                self.awaits = None;
                info!(gateway = self.gateway.url.shown(), "registered and ready");
            }
            NodeEvent::Lost { reason, retry_in } => {
                let retry_in_ms = retry_in.map(|delay| delay.as_millis());
                self.awaits = awaited(reason);
                match self.awaits {
                    Some(_) => warn!(
                        %reason,
                        retry_in_ms,
                        "waiting until the gateway's operator approves this device; asking again"
                    ),
                    None => warn!(%reason, retry_in_ms, "not connected"),
                }
            }
            NodeEvent::AwaitingApproval => {
                self.awaits = Some(Approval::Surface);
                warn!(
                    "connected, but waiting until the gateway's operator approves what this node may do; it gets no work before. On the gateway: openclaw nodes pending, then openclaw nodes approve REQUEST_ID (or: clawnode openclaw nodes, then clawnode openclaw approve REQUEST_ID)"
                );
            }
            NodeEvent::Approved => {
                self.awaits = None;
                info!("what this node may do is approved: it gets work from now on");
            }
            NodeEvent::GoingAway { reason, back_in } => {
                let back_in_ms = back_in.map(|time| time.as_millis());
                info!(?reason, back_in_ms, "the gateway goes away");
            }
            NodeEvent::DeviceTokenLost(why) => {
                error!(
                    ?why,
                    "the device token could not be kept; the next start of this node needs another credential"
                );
            }
            NodeEvent::GatewayError { error, details } => {
                warn!(?error, ?details, "the gateway reports an error");
            }
            NodeEvent::Custom { kind, text } => debug!(?kind, bytes = text.len(), "custom message"),
            NodeEvent::Faulty { problem } => warn!(?problem, "the gateway sent a faulty message"),
            NodeEvent::UpdatesDropped { work, dropped } => {
                let job = self.jobs.get(work);
                let request_id = job.map(|job| job.context.request_id());
                warn!(?request_id, dropped, "updates were dropped");
            }
            other => debug!(?other, "news"),
        }
        self.publish();
        self.shared.0.notify(&Event::Node(event));
    }
}

/// Whose approval is missing, if that is why there is no connection.
fn awaited(reason: &LostReason) -> Option<Approval> {
    let LostReason::Denied(refusal) = reason else { return None };
    (refusal.code() == &RefusalCode::PairingRequired).then_some(Approval::Device)
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
