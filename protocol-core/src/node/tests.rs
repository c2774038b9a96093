use std::time::Duration;

use serde_json::value::RawValue;

use super::{Action, Config, Endpoint, Event, Input, Misuse, Node, Phase, Timing};
use crate::dialect::nodetool;
use crate::secret::{Credentials, Secret};
use crate::time::{Now, Timestamp};
use crate::websocket::{self, Connection};
use crate::work::Outcome;

/// A node and the end of a connection that reads at once, later, or reads without ever sending a pong.
struct Pair {
    node: Node,
    gateway: Connection,
    now: Duration,
    settled: usize,
    answers: usize,
    failures: usize,
    /// Whether the node's socket takes bytes.
    writable: bool,
    /// What the node has written and the network still holds back.
    under_way: Vec<u8>,
}

impl Pair {
    fn ready(heartbeat: Duration) -> Self {
        Self::configured(|config| config.timing.heartbeat_interval = heartbeat)
    }

    fn configured(configure: impl FnOnce(&mut Config)) -> Self {
        let mut config =
            Config::new(Endpoint::new("gateway.test", "/"), nodetool::Config::new("node-A"));
        configure(&mut config);
        let mut pair = Self {
            node: Node::new(config, [7; 32]),
            gateway: Connection::server(websocket::Limits::default()),
            now: Duration::ZERO,
            settled: 0,
            answers: 0,
            failures: 0,
            writable: true,
            under_way: Vec::new(),
        };
        pair.input(Input::Start);
        pair.network_delivers();
        pair
    }

    fn clock(&self) -> Now {
        Now::new(self.now, Timestamp::default())
    }

    fn input(&mut self, input: Input<'_>) {
        self.node.handle(self.clock(), input).unwrap();
        let clock = self.clock();
        loop {
            while let Some(action) = self.node.poll_action() {
                let answer = match action {
                    Action::Authenticate => Input::Credentials(Credentials::none()),
                    Action::Connect => Input::Connected,
                    Action::Admit(work) => Input::Admitted(work.id),
                    Action::Start(work) => {
                        let result = RawValue::from_string("{}".to_owned()).unwrap();
                        Input::Answer(work.id, Outcome::Completed(result))
                    }
                    Action::Record(answer) => Input::Recorded(answer.work),
                    Action::Settled(_) => {
                        self.settled += 1;
                        continue;
                    }
                    _ => continue,
                };
                self.node.handle(clock, answer).unwrap();
            }
            let bytes = self.node.transmit();
            if bytes.is_empty() || !self.writable {
                return;
            }
            self.under_way.extend_from_slice(bytes);
            let count = bytes.len();
            self.node.handle(clock, Input::Sent(count)).unwrap();
        }
    }

    /// The gateway reads what was held back.
    fn network_delivers(&mut self) {
        while !self.under_way.is_empty() {
            self.gateway.receive(&std::mem::take(&mut self.under_way));
            let mut asked = false;
            while let Some(event) = self.gateway.poll() {
                match event {
                    websocket::Event::Request(_) => asked = true,
                    websocket::Event::Text(text) if text.contains("command_response") => {
                        self.answers += 1;
                        self.failures += usize::from(text.contains("\"status\":\"error\""));
                    }
                    _ => {}
                }
                if std::mem::take(&mut asked) {
                    self.gateway.accept().unwrap();
                }
            }
            self.gateway_transmits();
        }
    }

    fn gateway_says(&mut self, text: &str) {
        self.gateway.send_text(text).unwrap();
        self.gateway_transmits();
    }

    fn gateway_transmits(&mut self) {
        let bytes = self.gateway.transmit().to_vec();
        self.gateway.sent(bytes.len()).unwrap();
        self.input(Input::Received(&bytes));
    }

    /// Time passes; the gateway says something each second, and reads nothing.
    fn talk_without_reading(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            while self.node.deadline().is_some_and(|(due, _)| due <= self.now) {
                self.input(Input::Timeout);
            }
            self.gateway_says(r#"{"type":"weather"}"#);
        }
    }
}

const COMMAND: &str = r#"{"type":"command_request","request_id":"c1","command":"echo","args":{}}"#;

#[test]
fn life_is_no_proof_from_a_gateway_that_sends_pongs() {
    let mut pair = Pair::ready(Duration::from_secs(30));
    pair.now += Duration::from_secs(30);
    pair.input(Input::Timeout);
    pair.network_delivers();
    pair.gateway_says(COMMAND);
    // The way to the gateway stalls for ten minutes, and then breaks. The way from it does not.
    pair.talk_without_reading(600);
    assert_eq!(pair.settled, 0, "the answer has not arrived, so it must be kept");
    pair.network_delivers();
    assert_eq!((pair.answers, pair.settled), (1, 1));
}

#[test]
fn a_short_interval_does_not_make_life_a_proof_within_the_time_of_a_stall() {
    let mut pair = Pair::ready(Duration::from_millis(500));
    pair.gateway_says(COMMAND);
    pair.talk_without_reading(50);
    assert_eq!(pair.settled, 0);
}

#[test]
fn a_heartbeat_just_after_the_answer_does_not_count_as_a_whole_interval() {
    let mut pair = Pair::ready(Duration::from_secs(20));
    pair.talk_without_reading(18);
    pair.gateway_says(COMMAND);
    pair.talk_without_reading(59);
    assert_eq!(pair.settled, 0);
    pair.talk_without_reading(30);
    assert_eq!(pair.settled, 1);
}

#[test]
fn life_is_the_proof_from_a_gateway_that_never_sends_a_pong() {
    let mut pair = Pair::ready(Duration::from_secs(30));
    pair.gateway_says(COMMAND);
    pair.talk_without_reading(120);
    assert_eq!(pair.settled, 1);
}

#[test]
fn life_proves_nothing_while_the_answer_waits_to_be_written() {
    let mut pair = Pair::ready(Duration::from_secs(30));
    pair.writable = false;
    pair.gateway_says(COMMAND);
    pair.talk_without_reading(125);
    // Now the socket takes it; the next heartbeat comes before it can have arrived anywhere.
    pair.writable = true;
    pair.talk_without_reading(60);
    assert_eq!(pair.settled, 0, "the answer was written a minute ago, and counts as arrived");
    pair.talk_without_reading(60);
    assert_eq!(pair.settled, 1);
}

#[test]
fn what_time_has_overtaken_is_not_asked_for() {
    let mut pair = Pair::ready(Duration::from_secs(30));
    pair.gateway_says(COMMAND);
    pair.input(Input::Disconnected("reset"));
    pair.input(Input::Stop(Duration::from_secs(20)));
    // The machine slept: the next attempt and the end of the node's time are due together.
    pair.now += Duration::from_secs(3600);
    pair.input(Input::Timeout);
    assert_eq!(pair.node.phase(), Phase::Stopped);
}

#[test]
fn no_time_for_anything_is_no_endless_loop() {
    let mut config =
        Config::new(Endpoint::new("gateway.test", "/"), nodetool::Config::new("node-A"));
    let zero = Duration::ZERO;
    config.timing = Timing {
        heartbeat_interval: zero,
        connect: zero,
        open: zero,
        register: zero,
        close: zero,
        reconnect_delay: zero,
        max_reconnect_delay: zero,
        approval_delay: zero,
        max_approval_delay: zero,
        confirm: zero,
    };
    let mut node = Node::new(config, [7; 32]);
    let now = |millis| Now::new(Duration::from_millis(millis), Timestamp::default());
    node.handle(now(0), Input::Start).unwrap();
    for millis in 0..10 {
        node.handle(now(millis), Input::Timeout).unwrap();
        let actions = std::iter::from_fn(|| node.poll_action()).count();
        assert!(actions <= 4, "{actions}");
    }
}

#[test]
fn many_answers_are_confirmed_before_they_fill_the_node() {
    let limits: [fn(&mut Config); 2] =
        [|config| config.limits.owed = 8, |config| config.limits.kept_bytes = 8];
    for limit in limits {
        let mut pair = Pair::configured(limit);
        // No time passes, so no timer helps.
        for number in 0..100 {
            pair.gateway_says(&COMMAND.replace("c1", &format!("c{number}")));
            pair.network_delivers();
        }
        assert_eq!((pair.answers, pair.failures), (100, 0));
    }
}

#[test]
fn a_custom_message_is_no_larger_than_a_result() {
    let mut pair = Pair::configured(|config| config.limits.result_bytes = 100);
    let clock = pair.clock();
    let mut send = |length: usize| {
        let text = format!(r#"{{"type":"x","a":"{}"}}"#, "x".repeat(length - 19));
        pair.node.handle(clock, Input::Custom(&text))
    };
    assert_eq!(send(100), Ok(()));
    assert_eq!(send(101), Err(Misuse::TooLarge));
}

#[test]
fn updates_and_answers_wait_in_the_node_once_enough_waits_for_the_socket() {
    // What is written once at least so much waits is the bound's message and nothing after it.
    let queued = |transmit_bytes: usize| {
        let mut pair = Pair::configured(|config| config.limits.transmit_bytes = transmit_bytes);
        let clock = pair.clock();
        let mut gateway =
            Connection::upgraded(websocket::Role::Server, websocket::Limits::default(), [0; 32]);
        while gateway.poll().is_some() {}
        for number in 0..10 {
            gateway.send_text(&COMMAND.replace("c1", &format!("c{number}"))).unwrap();
        }
        pair.node.handle(clock, Input::Received(gateway.transmit())).unwrap();
        while let Some(action) = pair.node.poll_action() {
            if let Action::Admit(work) = action {
                pair.node.handle(clock, Input::Admitted(work.id)).unwrap();
            }
        }
        pair.node.transmit().len()
    };
    let one = queued(1);
    assert!(one > 100);
    assert_eq!(queued(one), one, "at the bound nothing more is written");
    assert_eq!(queued(one + 1), 2 * one, "one below it there is room for one more message");
}

#[test]
fn the_text_of_a_gateways_error_is_cut_and_details_out_of_all_proportion_are_left_out() {
    let told = |error: usize, details: usize| {
        let mut pair = Pair::ready(Duration::from_secs(30));
        let clock = pair.clock();
        let (error, details) = ("e".repeat(error), "d".repeat(details - 2));
        pair.gateway
            .send_text(&format!(r#"{{"type":"error","error":"{error}","details":"{details}"}}"#))
            .unwrap();
        let bytes = pair.gateway.transmit().to_vec();
        pair.node.handle(clock, Input::Received(&bytes)).unwrap();
        std::iter::from_fn(|| pair.node.poll_action())
            .find_map(|action| match action {
                Action::Notify(Event::GatewayError { error, details }) => {
                    Some((error.len(), details.map(|details| details.len())))
                }
                _ => None,
            })
            .unwrap()
    };
    assert_eq!(told(65536, 65536), (65536, Some(65536)));
    assert_eq!(told(65537, 65537), (65536, None));
}

#[test]
fn a_node_told_to_stop_while_the_gateway_closes_speaks_of_no_other_attempt() {
    let mut pair = Pair::configured(|_| {});
    pair.gateway.close(websocket::CloseCode::SERVICE_RESTART, "bye").unwrap();
    let bytes = pair.gateway.transmit().to_vec();
    let clock = pair.clock();
    pair.node.handle(clock, Input::Received(&bytes)).unwrap();
    while pair.node.poll_action().is_some() {}
    // The answer to the close goes out and the node is told to stop before anyone looks what follows.
    let count = pair.node.transmit().len();
    pair.node.handle(clock, Input::Sent(count)).unwrap();
    pair.node.handle(clock, Input::Stop(Duration::from_secs(9))).unwrap();
    let mut actions = Vec::new();
    actions.extend(std::iter::from_fn(|| pair.node.poll_action()));
    assert!(matches!(&*actions, [Action::Disconnect, Action::Stopped(_)]), "{actions:?}");
}

#[test]
fn headers_for_what_stands_in_front_of_the_gateway_are_in_the_upgrade_request_and_hidden_in_what_it_says()
 {
    let config = Config::new(Endpoint::new("gateway.test", "/"), nodetool::Config::new("node-A"));
    let mut node = Node::new(config, [7; 32]);
    let now = Now::new(Duration::ZERO, Timestamp::default());
    let mut credentials = Credentials::none();
    credentials.headers = vec![("CF-Access-Client-Secret".to_owned(), Secret::new("s3cret"))];
    node.handle(now, Input::Start).unwrap();
    assert!(matches!(node.poll_action(), Some(Action::Authenticate)));
    node.handle(now, Input::Credentials(credentials)).unwrap();
    assert!(matches!(node.poll_action(), Some(Action::Connect)));
    node.handle(now, Input::Connected).unwrap();
    assert!(node.poll_action().is_none());
    let request = String::from_utf8(node.transmit().to_vec()).unwrap();
    assert!(request.contains("\r\nCF-Access-Client-Secret: s3cret\r\n"), "{request}");

    node.handle(now, Input::Sent(request.len())).unwrap();
    let answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nno s3cret";
    node.handle(now, Input::Received(answer)).unwrap();
    let reason = std::iter::from_fn(|| node.poll_action()).find_map(|action| match action {
        Action::Stopped(reason) => Some(reason),
        _ => None,
    });
    let shown = format!("{reason:?}");
    assert!(shown.contains("403") && !shown.contains("s3cret"), "{shown}");
}

/// What becomes of a node whose proxy answers the attempts with these statuses, one after the other.
fn refused_by_proxy(answers: &[Result<(), (u16, Option<u64>)>]) -> Vec<String> {
    let config = Config::new(Endpoint::new("gateway.test", "/"), nodetool::Config::new("node-A"));
    let mut node = Node::new(config, [7; 32]);
    let mut now = Now::new(Duration::ZERO, Timestamp::default());
    let mut answers = answers.iter();
    let mut gateway: Option<Connection> = None;
    let mut told = Vec::new();
    node.handle(now, Input::Start).unwrap();
    loop {
        let Some(action) = node.poll_action() else {
            if let Some(open) = &mut gateway {
                open.receive(node.transmit());
                let written = node.transmit().len();
                node.handle(now, Input::Sent(written)).unwrap();
                if let Some(websocket::Event::Request(_)) = open.poll() {
                    open.accept().unwrap();
                    node.handle(now, Input::Received(open.transmit())).unwrap();
                } else if node.phase() == Phase::Ready {
                    node.handle(now, Input::Disconnected("cut")).unwrap();
                    gateway = None;
                }
                continue;
            }
            let Some((at, _)) = node.deadline().filter(|_| answers.len() > 0) else { break };
            now.monotonic = at;
            node.handle(now, Input::Timeout).unwrap();
            continue;
        };
        match action {
            Action::Authenticate => {
                node.handle(now, Input::Credentials(Credentials::none())).unwrap();
            }
            Action::Connect => match answers.next() {
                Some(Ok(())) => {
                    node.handle(now, Input::Connected).unwrap();
                    gateway = Some(Connection::server(websocket::Limits::default()));
                }
                Some(Err((status, seconds))) => {
                    let retry_after = seconds.map(Duration::from_secs);
                    let refused = Input::ProxyRefused { status: *status, why: "no", retry_after };
                    node.handle(now, refused).unwrap();
                }
                None => break,
            },
            Action::Notify(Event::Lost { reason, retry_in }) => {
                let seconds = retry_in.map(|time| time.as_secs());
                told.push(format!("{reason}; {seconds:?}"));
            }
            Action::Stopped(reason) => {
                told.push(format!("stopped: {reason}"));
                break;
            }
            _ => {}
        }
    }
    told
}

#[test]
fn a_proxy_that_refuses_is_tried_again_when_that_may_help() {
    let refused = |status| refused_by_proxy(&[Err((status, None))]);
    for status in [401, 403, 404, 407] {
        let why = format!("stopped: the proxy refused the connection: {status} no");
        assert_eq!(refused(status), [why]);
    }
    for status in [408, 429, 500, 502, 503, 504] {
        let [told] = refused(status).try_into().unwrap();
        let start = format!("the proxy refused the connection: {status} no; Some(");
        assert!(told.starts_with(&start), "{told}");
    }
    let [told] = refused_by_proxy(&[Err((503, Some(100)))]).try_into().unwrap();
    assert_eq!(told, "the proxy refused the connection: 503 no; Some(100)");
    // It was good once, so it may be again; but not soon.
    let told = refused_by_proxy(&[Ok(()), Err((407, None))]);
    assert_eq!(told.len(), 2, "{told:?}");
    let longest = Timing::default().max_reconnect_delay.as_secs();
    let seconds = told[1].split("Some(").nth(1).unwrap().trim_end_matches(')');
    assert!(seconds.parse::<u64>().unwrap() >= longest / 2, "{told:?}");
}

#[test]
fn a_proxy_can_refuse_only_while_a_connection_is_asked_for() {
    let mut pair = Pair::ready(Duration::from_secs(30));
    let refused = Input::ProxyRefused { status: 407, why: "no", retry_after: None };
    assert_eq!(pair.node.handle(pair.clock(), refused), Err(Misuse::WrongState));
}
