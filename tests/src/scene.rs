use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clawnode_protocol::node::{Action, Config, Deadline, Event, Input, Misuse};
use clawnode_protocol::recording::{End, Recorder, Replay, What};
use clawnode_protocol::websocket::{self, CloseCode, Connection};
use clawnode_protocol::{Credentials, Now, Outcome, Secret, Timestamp, Update, Work};

/// How the gateway answers the HTTP upgrade.
#[derive(Debug, Clone)]
pub enum Answering {
    /// With 101.
    Accept,
    /// With another status, these headers and this body.
    Reject(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// Not at all.
    Silence,
    /// There is nobody to connect to.
    Unreachable,
}

/// One node on a stage.
///
/// It is recorded, and at the end the recording must replay to the byte and hold no token.
#[derive(Debug)]
pub struct Scene {
    /// The node itself.
    pub node: Recorder,
    /// How the gateway answers the next attempt.
    pub answering: Answering,
    /// The credential the application has.
    pub token: Option<&'static str>,
    /// How many bytes the network carries at a time, one after the other and then over again; 0 stands for all there are.
    pub chunks: Vec<usize>,
    /// Whether the gateway takes bytes off the network.
    pub gateway_reads: bool,
    /// Whether the application keeps admissions and answers at once.
    pub journal: bool,
    recording: Vec<u8>,
    carried: usize,
    now: Duration,
    gateway: Option<Connection>,
    running: Vec<Arc<Work>>,
    admitting: Vec<Arc<Work>>,
    transcript: String,
}

impl Scene {
    /// A node that has not started, and a gateway that will accept it.
    pub fn new(config: Config) -> Self {
        Self {
            node: Recorder::on(config, [42; 32], 256 << 20),
            recording: Vec::new(),
            answering: Answering::Accept,
            token: None,
            chunks: vec![0],
            carried: 0,
            gateway_reads: true,
            journal: true,
            now: Duration::ZERO,
            gateway: None,
            running: Vec::new(),
            admitting: Vec::new(),
            transcript: String::new(),
        }
    }

    /// Everything that happened, one line an event, each with its time in seconds.
    pub fn transcript(&self) -> &str {
        &self.transcript
    }

    /// Forgets the transcript so far.
    pub fn skip(&mut self) {
        self.transcript.clear();
    }

    /// What happened since the last call.
    pub fn take_transcript(&mut self) -> String {
        std::mem::take(&mut self.transcript)
    }

    /// The virtual time.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Starts the node and plays until it is ready, or waits.
    pub fn start(&mut self) {
        self.input(Input::Start);
    }

    /// Gives the node one input and plays what follows.
    pub fn input(&mut self, input: Input<'_>) {
        self.try_input(input).expect("the test uses the node as it should");
    }

    /// Gives the node one input that may not fit.
    pub fn try_input(&mut self, input: Input<'_>) -> Result<(), Misuse> {
        let result = self.node.handle(self.clock(), input);
        self.play();
        result
    }

    /// Lets time pass: every deadline on the way is served.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some((due, deadline)) = self.node.deadline().filter(|(due, _)| *due <= end) {
            self.now = self.now.max(due);
            self.note(&format!("time: {}", name(deadline)));
            let before = self.node.deadline();
            self.input(Input::Timeout);
            assert_ne!(self.node.deadline(), before, "a served deadline must go or move");
        }
        self.now = end;
    }

    /// The gateway sends a text message.
    pub fn gateway_says(&mut self, text: &str) {
        self.note(&format!("gateway: {text}"));
        self.gateway().send_text(text).expect("the gateway's connection is open");
        self.play();
    }

    /// The gateway sends a text message that the transcript shows as `shown`.
    pub fn gateway_says_quietly(&mut self, text: &str) {
        self.gateway().send_text(text).expect("the gateway's connection is open");
        self.play();
    }

    /// The gateway starts the closing handshake.
    pub fn gateway_closes(&mut self, code: CloseCode, reason: &str) {
        self.note(&format!("gateway: close {code} {reason:?}"));
        self.gateway().close(code, reason).expect("the gateway's connection is open");
        self.play();
    }

    /// The network fails.
    pub fn cut(&mut self) {
        self.note("network: cut");
        self.gateway = None;
        self.input(Input::Disconnected("connection reset"));
    }

    /// The application sends news of running work.
    pub fn progress(&mut self, request_id: &str, update: Update) {
        let id = self.work(request_id).id;
        self.input(Input::Progress(id, update));
    }

    /// The application finishes running work.
    pub fn answer(&mut self, request_id: &str, outcome: Outcome) {
        let id = self.work(request_id).id;
        self.running.retain(|work| work.id != id);
        self.note(&format!("application: {request_id} ends"));
        self.input(Input::Answer(id, outcome));
    }

    /// The application keeps what it was asked to keep.
    pub fn admit(&mut self, request_id: &str) {
        let index = self.admitting.iter().position(|work| work.request_id == request_id);
        let work = self.admitting.remove(index.expect("the node asked to admit it"));
        self.input(Input::Admitted(work.id));
    }

    /// The running work with this request id.
    pub fn work(&self, request_id: &str) -> Arc<Work> {
        let mut running = self.running.iter();
        Arc::clone(running.find(|work| work.request_id == request_id).expect("the work runs"))
    }

    /// The request ids of running work.
    pub fn running(&self) -> Vec<&str> {
        self.running.iter().map(|work| work.request_id.as_str()).collect()
    }

    /// The gateway's end of the connection.
    pub fn gateway(&mut self) -> &mut Connection {
        self.gateway.as_mut().expect("there is a connection")
    }

    /// Plays until nothing moves.
    pub fn play(&mut self) {
        loop {
            let acted = self.act();
            let carried = self.carry_to_gateway() | self.carry_to_node();
            self.node.take(&mut self.recording);
            if !acted && !carried {
                return;
            }
        }
    }

    fn act(&mut self) -> bool {
        let mut acted = false;
        while let Some(action) = self.node.poll_action() {
            acted = true;
            self.note(&format!("node: {}", describe(&action)));
            match action {
                Action::Authenticate => {
                    let token = self.token.map(Secret::new);
                    self.tell(Input::Credentials(Credentials::token(token)));
                }
                Action::Connect => match self.answering {
                    Answering::Unreachable => self.tell(Input::ConnectFailed("connection refused")),
                    _ => {
                        self.gateway = Some(Connection::server(websocket::Limits::default()));
                        self.tell(Input::Connected);
                    }
                },
                Action::Disconnect => self.gateway = None,
                Action::Admit(work) if self.journal => self.tell(Input::Admitted(work.id)),
                Action::Admit(work) => self.admitting.push(work),
                Action::Start(work) => self.running.push(work),
                Action::Cancel(id) => self.running.retain(|work| work.id != id),
                Action::Record(answer) => self.tell(Input::Recorded(answer.work)),
                _ => {}
            }
        }
        acted
    }

    fn carry_to_gateway(&mut self) -> bool {
        let chunk = self.chunk();
        let Some(gateway) = self.gateway.as_mut().filter(|_| self.gateway_reads) else {
            return false;
        };
        let bytes = portion(self.node.transmit(), chunk).to_vec();
        if bytes.is_empty() {
            return self.listen();
        }
        gateway.receive(&bytes);
        self.node.handle(self.clock(), Input::Sent(bytes.len())).expect("the bytes were lent");
        self.listen();
        true
    }

    fn listen(&mut self) -> bool {
        let mut heard = false;
        let mut lines = Vec::new();
        let Some(gateway) = &mut self.gateway else { return false };
        let mut asked = false;
        while let Some(event) = gateway.poll() {
            heard = true;
            match event {
                websocket::Event::Request(request) => {
                    let token =
                        request.bearer_token().map(|_| " with a bearer token").unwrap_or_default();
                    let query =
                        request.query().map(|query| format!("?{query}")).unwrap_or_default();
                    lines.push(format!("wire: GET {}{query}{token}", request.path()));
                    asked = true;
                }
                websocket::Event::Text(text) => lines.push(format!("wire: {text}")),
                websocket::Event::Closed(closed) => lines.push(format!("wire: {closed}")),
                websocket::Event::Ping(_) => lines.push("wire: ping".to_owned()),
                websocket::Event::Pong(_) => lines.push("wire: pong".to_owned()),
                _ => {}
            }
            if asked {
                asked = false;
                match &self.answering {
                    Answering::Accept => gateway.accept().expect("a request came"),
                    Answering::Reject(status, headers, body) => {
                        gateway.reject(*status, headers, body).expect("a request came");
                    }
                    Answering::Silence | Answering::Unreachable => {}
                }
            }
        }
        for line in lines {
            self.note(&line);
        }
        heard
    }

    fn carry_to_node(&mut self) -> bool {
        let chunk = self.chunk();
        let Some(gateway) = &mut self.gateway else { return false };
        let bytes = portion(gateway.transmit(), chunk).to_vec();
        if bytes.is_empty() {
            let over = gateway.wants_shutdown();
            if over {
                self.gateway = None;
                self.tell(Input::ReceivedEof);
            }
            return over;
        }
        gateway.sent(bytes.len()).expect("the bytes were lent");
        self.tell(Input::Received(&bytes));
        true
    }

    fn chunk(&mut self) -> usize {
        self.carried += 1;
        self.chunks[self.carried % self.chunks.len()]
    }

    fn tell(&mut self, input: Input<'_>) {
        self.node.handle(self.clock(), input).expect("the stage plays by the rules");
    }

    fn clock(&self) -> Now {
        // 2026-01-02T03:04:05Z
        let start = 1_767_323_045_000_000;
        let passed = i64::try_from(self.now.as_micros()).expect("tests are short");
        Now::new(self.now, Timestamp::from_micros(start + passed))
    }

    fn note(&mut self, line: &str) {
        writeln!(self.transcript, "{:>9.3} {line}", self.now.as_secs_f64())
            .expect("strings take text");
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.node.end(End::Closed);
        self.node.take(&mut self.recording);
        if let Some(token) = self.token {
            let quoted = self.recording.windows(token.len()).any(|bytes| bytes == token.as_bytes());
            assert!(!quoted, "the recording holds the token");
        }
        let mut replay = Replay::new(&self.recording).expect("it is a recording");
        for step in replay.by_ref() {
            if let What::Differs(difference) = step.expect("the recording is whole").what {
                panic!("the replay differs {difference}");
            }
        }
        assert_eq!(replay.end(), Some(End::Closed));
    }
}

fn portion(bytes: &[u8], most: usize) -> &[u8] {
    if most == 0 { bytes } else { &bytes[..bytes.len().min(most)] }
}

fn describe(action: &Action) -> String {
    match action {
        Action::Authenticate => "authenticate".to_owned(),
        Action::Connect => "connect".to_owned(),
        Action::Disconnect => "disconnect".to_owned(),
        Action::Admit(work) => format!("admit {}", work.request_id),
        Action::Start(work) => {
            format!("start {} for {}: {:?}", work.request_id, work.user_id, work.task)
        }
        Action::Cancel(id) => format!("cancel {id}"),
        Action::Record(answer) => format!("record {} {:?}", answer.request_id, answer.outcome),
        Action::Settled(id) => format!("settled {id}"),
        Action::Notify(Event::Lost { reason, retry_in }) => match retry_in {
            Some(delay) => format!("lost: {reason}; again in {:.3} s", delay.as_secs_f64()),
            None => format!("lost: {reason}"),
        },
        Action::Notify(event) => format!("{event:?}"),
        Action::Stopped(reason) => format!("stopped: {reason}"),
        other => format!("{other:?}"),
    }
}

fn name(deadline: Deadline) -> String {
    format!("{deadline:?}").to_lowercase()
}
