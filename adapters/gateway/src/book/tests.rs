use clawnode_protocol::peer::Request;
use clawnode_protocol::{Task, WorkflowSource};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Register { node: u8 },
    Disconnect { node: u8 },
    Submit { request: u8, node: Option<u8>, size: usize },
    Accept { node: u8, request: u8 },
    Progress { node: u8, request: u8, size: usize },
    Answer { node: u8, request: u8, size: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (node, request, size) = (0..4_u8, 0..12_u8, 0..400_usize);
    prop_oneof![
        node.clone().prop_map(|node| Step::Register { node }),
        node.clone().prop_map(|node| Step::Disconnect { node }),
        (request.clone(), prop_oneof![Just(None), node.clone().prop_map(Some)], size.clone())
            .prop_map(|(request, node, size)| Step::Submit { request, node, size }),
        (node.clone(), request.clone()).prop_map(|(node, request)| Step::Accept { node, request }),
        (node.clone(), request.clone(), size.clone())
            .prop_map(|(node, request, size)| Step::Progress { node, request, size }),
        (node, request, size).prop_map(|(node, request, size)| Step::Answer {
            node,
            request,
            size
        }),
    ]
}

/// A book, and the connections it was told of.
pub(super) struct World {
    pub(super) book: Book,
    links: HashMap<u8, (Link, mpsc::UnboundedReceiver<Arc<Request>>)>,
    next_link: u64,
}

impl World {
    pub(super) fn new() -> Self {
        let limits = Limits {
            nodes: 3,
            in_flight: 5,
            unaccepted_bytes: 1000,
            finished: 4,
            events: 6,
            event_bytes: 1500,
            kept_bytes: 3000,
            ..Limits::default()
        };
        Self { book: Book::new(limits), links: HashMap::new(), next_link: 1 }
    }

    pub(super) fn take(&mut self, step: Step) {
        let now = Timestamp::default();
        let id = |request: u8| format!("r{request}");
        match step {
            Step::Register { node } => {
                let (requests, receiver) = mpsc::unbounded_channel();
                let replaced = CancellationToken::new();
                let link = Link { number: self.next_link, requests, replaced };
                self.next_link += 1;
                let address = "127.0.0.1:1".parse().expect("an address");
                if self.book.register(registration(node), link.clone(), address, now).is_ok() {
                    let former = self.links.insert(node, (link, receiver));
                    assert!(former.is_none_or(|(former, _)| former.replaced.is_cancelled()));
                }
            }
            Step::Disconnect { node } => {
                if let Some((link, _)) = self.links.remove(&node) {
                    self.book.disconnected(&node.to_string(), link.number, "gone", now);
                }
            }
            Step::Submit { request, node, size } => {
                let request = Request::new(id(request), task(size));
                let node = node.map(|node| node.to_string());
                let _ = self.book.submit(request, node.as_deref(), now);
            }
            Step::Accept { node, request } => {
                let news = News::Accepted { message: None };
                self.book.news(&node.to_string(), &id(request), news, now);
            }
            Step::Progress { node, request, size } => {
                let news = News::Progress { job_id: None, kind: "k".into(), data: json(size) };
                self.book.news(&node.to_string(), &id(request), news, now);
            }
            Step::Answer { node, request, size } => {
                let outcome = Outcome::Completed(json(size));
                let news = News::Answered { job_id: None, outcome };
                self.book.news(&node.to_string(), &id(request), news, now);
            }
        }
    }

    /// What must hold after every step.
    fn check(&self) {
        let Book { limits, nodes, requests, by_number, settled, .. } = &self.book;
        let sum = |size: fn(&Entry) -> usize| requests.values().map(size).sum::<usize>();
        assert_eq!(self.book.kept_bytes, sum(Entry::kept_bytes));
        assert_eq!(self.book.unaccepted_bytes, sum(Entry::unaccepted_bytes));
        assert!(self.book.unaccepted_bytes <= limits.unaccepted_bytes);
        assert!(settled.len() <= limits.finished);
        assert!(nodes.len() <= limits.nodes);
        assert_eq!(by_number.len(), requests.len());
        for (id, entry) in requests {
            assert_eq!(by_number.get(&entry.number), Some(id));
            let over = entry.status.is_final() || entry.status == Status::Lost;
            assert_eq!(entry.settled.is_some(), over, "{entry:?}");
            assert_eq!(entry.settled.map(|place| &settled[&place]), over.then_some(id));
            assert_eq!(entry.answer.is_some(), entry.status.is_final());
            assert_eq!(entry.lost_reason.is_some(), entry.status == Status::Lost);
            assert!(entry.log.len() <= limits.events);
            assert!(entry.log.bytes() <= limits.event_bytes);
            let kept = entry.log.from(1, usize::MAX);
            assert!(
                kept.iter().map(|event| event.id).eq(entry.log.dropped() + 1..=entry.log.last_id())
            );
        }
        for node in nodes.values() {
            let in_flight = requests
                .values()
                .filter(|entry| entry.settled.is_none() && entry.node_id == node.id);
            assert_eq!(node.in_flight, in_flight.count());
            assert!(node.link.is_some() || node.in_flight == 0, "nobody works on it: {node:?}");
        }
    }
}

pub(super) fn registration(node: u8) -> Registration {
    use clawnode_protocol::Now;
    use clawnode_protocol::peer::{Action, Config, Dialect, FromNode, Input, Peer};
    use clawnode_protocol::websocket::{Connection, Limits, Role};

    // Only a peer makes registrations.
    let now = Now::new(std::time::Duration::ZERO, Timestamp::default());
    let mut peer = Peer::upgraded(Config::new(Dialect::Nodetool), now, [0; 32]);
    let mut client = Connection::upgraded(Role::Client, Limits::default(), [0; 32]);
    let text = format!(
        r#"{{"type":"node_registration","node_id":"{node}","capabilities":{{"workflow_execution":true,"commands":[]}}}}"#
    );
    client.send_text(&text).expect("open");
    assert!(peer.poll_action().is_none());
    peer.handle(now, Input::Received(client.transmit())).expect("open");
    match peer.poll_action() {
        Some(Action::Message(FromNode::Registered(registration))) => registration,
        other => panic!("{other:?}"),
    }
}

pub(super) fn task(size: usize) -> Task {
    Task::Workflow { source: WorkflowSource::Id("w".into()), params: json(size) }
}

pub(super) fn json(size: usize) -> Box<RawValue> {
    RawValue::from_string(format!(r#"{{"x":"{}"}}"#, "y".repeat(size))).expect("JSON")
}

proptest! {
    #[test]
    fn the_book_keeps_its_bounds_and_counts(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
            world.check();
        }
    }

    #[test]
    fn an_answer_stands(steps in proptest::collection::vec(step(), 1..60), size in any::<u8>()) {
        let mut world = World::new();
        world.book.limits.finished = 1000;
        world.book.limits.kept_bytes = usize::MAX;
        world.take(Step::Answer { node: 0, request: 0, size: size.into() });
        let view = |world: &World| serde_json::to_string(&world.book.request("r0")).expect("JSON");
        let first = view(&world);
        for step in steps {
            world.take(step);
            assert_eq!(view(&world), first);
        }
    }
}

#[test]
fn readers_are_told_what_is_dropped_and_when_it_is_complete() {
    let mut world = World::new();
    world.take(Step::Register { node: 0 });
    for size in 0..9 {
        world.take(Step::Progress { node: 0, request: 0, size });
    }
    let read = world.book.read("r0", 1, usize::MAX).expect("known");
    assert_eq!((read.dropped, read.events.len(), read.complete), (3, 6, false));
    let read = world.book.read("r0", 8, 1).expect("known");
    assert_eq!((read.dropped, read.events[0].id, read.events.len()), (0, 8, 1));
    let read = world.book.read("r0", 10, 1).expect("known");
    assert!(read.events.is_empty() && !read.complete);
    world.take(Step::Answer { node: 0, request: 0, size: 0 });
    assert!(!world.book.read("r0", 8, 1).expect("known").complete);
    assert!(world.book.read("r0", 10, 1).expect("known").complete);
    assert!(world.book.read("r0", 11, 1).expect("known").complete);
}
