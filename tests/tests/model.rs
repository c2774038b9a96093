//! Random search for a step after which the real thing and its model differ.

use std::time::Duration;

use clawnode_protocol::node::{Action, Deadline, Input, Misuse};
use clawnode_protocol::{Node, Now, peer};
use clawnode_tests::model::{
    NodeModel, NodePlay, NodeStep, NodeUnderTest, PeerModel, PeerPlay, PeerStep, Variant,
    node_config, script,
};
use proptest::prelude::*;
use proptest::strategy::Union;
use proptest::test_runner::{TestCaseError, TestError, TestRunner};
use proptest_state_machine::ReferenceStateMachine;

/// What may happen to a node next, likelier when it does something.
impl ReferenceStateMachine for Nodes {
    type State = NodeModel;
    type Transition = NodeStep;

    fn init_state() -> BoxedStrategy<NodeModel> {
        let chunk = prop_oneof![Just(0_usize), 1..40_usize];
        (any::<bool>(), chunk)
            .prop_map(|(small, chunk)| NodeModel::new(Variant { small, chunk }))
            .boxed()
    }

    fn transitions(state: &NodeModel) -> BoxedStrategy<NodeStep> {
        let mut steps = Vec::new();
        for name in ["a", "b", "c", "d", "e", "f"] {
            steps.extend([
                (3, NodeStep::Ask(name, 0)),
                (1, NodeStep::Ask(name, 1)),
                (1, NodeStep::Acknowledge(name)),
                (8, NodeStep::Admit(name)),
                (1, NodeStep::Refuse(name)),
                (3, NodeStep::Update(name, 0)),
                (3, NodeStep::Update(name, 1)),
                (3, NodeStep::Update(name, 2)),
                (6, NodeStep::Answer(name, 7)),
                (1, NodeStep::Fail(name, 8)),
                (8, NodeStep::Record(name)),
                (1, NodeStep::Cancel(name)),
            ]);
        }
        steps.extend([
            (2, NodeStep::Garble),
            (1, NodeStep::Custom),
            (6, NodeStep::Hold),
            (3, NodeStep::Carry(0)),
            (3, NodeStep::Carry(1)),
            (3, NodeStep::Carry(2)),
            (6, NodeStep::Release),
            (5, NodeStep::Cut),
            (2, NodeStep::Close),
            (1, NodeStep::Die),
            (1, NodeStep::Unreachable),
            (6, NodeStep::Reachable),
            (6, NodeStep::Moment),
            (8, NodeStep::Long),
            (1, NodeStep::Beat),
            (1, NodeStep::Stop),
            (1, NodeStep::StopNow),
        ]);
        steps.retain(|(_, step)| state.allows(*step));
        let weighed = steps.into_iter().map(|(weight, step)| {
            let weight = if state.suits(step) { weight * 4 } else { 1 };
            (weight, Just(step))
        });
        Union::new_weighted(weighed.collect()).boxed()
    }

    fn preconditions(state: &NodeModel, step: &NodeStep) -> bool {
        state.allows(*step)
    }

    fn apply(mut state: NodeModel, step: &NodeStep) -> NodeModel {
        state.step(*step);
        state
    }
}

#[derive(Debug)]
struct Nodes;

type MakeNode = fn(Variant) -> Box<dyn NodeUnderTest>;

fn real(variant: Variant) -> Box<dyn NodeUnderTest> {
    Box::new(Node::new(node_config(variant), [3; 32]))
}

fn node_fails(make: MakeNode, variant: Variant, steps: &[NodeStep]) -> Option<String> {
    failure(|| {
        let mut play = NodePlay::on(make(variant), variant);
        steps.iter().try_for_each(|step| play.step(*step))
    })
}

/// The shortest script found that a node fails, and how it does.
fn search_nodes(make: MakeNode) -> Option<(Variant, Vec<NodeStep>, String)> {
    let (model, steps) = search::<Nodes>(
        |model, steps| node_fails(make, model.variant(), steps),
        |model| NodeModel::new(model.variant()),
    )?;
    let text = node_fails(make, model.variant(), &steps).expect("it fails");
    Some((model.variant(), steps, text))
}

/// What may happen to a gateway's side of a connection next.
#[derive(Debug)]
struct Peers;

impl ReferenceStateMachine for Peers {
    type State = PeerModel;
    type Transition = PeerStep;

    fn init_state() -> BoxedStrategy<PeerModel> {
        let chunk = prop_oneof![Just(0_usize), 1..40_usize];
        (any::<bool>(), chunk)
            .prop_map(|(small, chunk)| PeerModel::new(Variant { small, chunk }))
            .boxed()
    }

    fn transitions(state: &PeerModel) -> BoxedStrategy<PeerStep> {
        let mut steps = vec![
            (40, PeerStep::Connect),
            (1, PeerStep::Nonsense),
            (9, PeerStep::Accept),
            (1, PeerStep::Reject(401)),
            (9, PeerStep::Register),
            (2, PeerStep::Heartbeat),
            (1, PeerStep::Error),
            (1, PeerStep::Weather),
            (2, PeerStep::Garble),
            (2, PeerStep::Custom),
            (1, PeerStep::Reserved),
            (6, PeerStep::Hold),
            (6, PeerStep::Release),
            (1, PeerStep::Close),
            (1, PeerStep::Leave),
            (1, PeerStep::Cut),
            (1, PeerStep::Goodbye),
            (1, PeerStep::Die),
            (10, PeerStep::Pause),
        ];
        for name in ["a", "b"] {
            steps.extend([
                (3, PeerStep::Request(name, 1)),
                (2, PeerStep::Acknowledge(name)),
                (2, PeerStep::Ack(name)),
                (2, PeerStep::Update(name, 2)),
                (2, PeerStep::Answer(name, 3)),
                (1, PeerStep::Fail(name, 4)),
            ]);
        }
        steps.retain(|(_, step)| state.allows(*step));
        let weighed = steps.into_iter().map(|(weight, step)| (weight, Just(step)));
        Union::new_weighted(weighed.collect()).boxed()
    }

    fn preconditions(state: &PeerModel, step: &PeerStep) -> bool {
        state.allows(*step)
    }

    fn apply(mut state: PeerModel, step: &PeerStep) -> PeerModel {
        state.step(*step);
        state
    }
}

type ConfigurePeer = fn(Variant) -> peer::Config;

fn peer_fails(configure: ConfigurePeer, variant: Variant, steps: &[PeerStep]) -> Option<String> {
    failure(|| {
        let mut play = PeerPlay::on(configure(variant), variant);
        steps.iter().try_for_each(|step| play.step(*step))
    })
}

fn search_peers(configure: ConfigurePeer) -> Option<(Variant, Vec<PeerStep>, String)> {
    let (model, steps) = search::<Peers>(
        |model, steps| peer_fails(configure, model.variant(), steps),
        |model| PeerModel::new(model.variant()),
    )?;
    let text = peer_fails(configure, model.variant(), &steps).expect("it fails");
    Some((model.variant(), steps, text))
}

/// A sequence of steps that fails, of which each is needed, and the state before it.
fn search<R: ReferenceStateMachine>(
    fails: impl Fn(&R::State, &[R::Transition]) -> Option<String>,
    start: impl Fn(&R::State) -> R::State,
) -> Option<(R::State, Vec<R::Transition>)> {
    let mut runner = TestRunner::new(config());
    let failed = runner.run(&R::sequential_strategy(1..60), |(state, steps, seen)| {
        // How many of the steps were done is not told: all count as seen.
        if let Some(seen) = seen {
            seen.store(steps.len(), std::sync::atomic::Ordering::SeqCst);
        }
        fails(&state, &steps).map_or(Ok(()), |text| Err(TestCaseError::fail(text)))
    });
    let (state, steps) = match failed {
        Ok(()) => return None,
        Err(TestError::Fail(_, (state, steps, _))) => (state, steps),
        Err(TestError::Abort(why)) => panic!("the search gave up: {why}"),
    };
    let steps = shortest(steps, |steps| {
        let mut model = start(&state);
        let possible = steps.iter().all(|step| {
            let allowed = R::preconditions(&model, step);
            if allowed {
                model = R::apply(model.clone(), step);
            }
            allowed
        });
        possible && fails(&state, steps).is_some()
    });
    Some((state, steps))
}

/// How a play failed, by a difference or by a panic.
fn failure(play: impl FnOnce() -> Result<(), String> + std::panic::UnwindSafe) -> Option<String> {
    match std::panic::catch_unwind(play) {
        Ok(result) => result.err(),
        Err(panic) => Some(match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(_) => "a panic, as printed above".to_owned(),
        }),
    }
}

/// Leaves out one step or two, such as a hold and its release, as long as it still fails: what is left needs each of its steps.
fn shortest<S: Clone>(mut steps: Vec<S>, fails: impl Fn(&[S]) -> bool) -> Vec<S> {
    let without = |steps: &[S], first: usize, second: usize| -> Vec<S> {
        let kept = steps.iter().enumerate().filter(|(index, _)| ![first, second].contains(index));
        kept.map(|(_, step)| step.clone()).collect()
    };
    'shorter: loop {
        // Single steps come first: the script is short when it comes to pairs.
        for distance in 0..steps.len() {
            for first in 0..steps.len() - distance {
                let fewer = without(&steps, first, first + distance);
                if fails(&fewer) {
                    steps = fewer;
                    continue 'shorter;
                }
            }
        }
        return steps;
    }
}

/// 256 cases, or as many as `PROPTEST_CASES` says. A failure is a test to paste, so nothing else is kept of it.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn node_script(variant: Variant, steps: &[NodeStep]) -> String {
    let Variant { small, chunk } = variant;
    script(&format!("let mut play = NodePlay::new({small}, {chunk});"), steps)
}

#[test]
fn a_node_keeps_its_promises() {
    if let Some((variant, steps, text)) = search_nodes(real) {
        panic!("paste this as a test:\n\n{}\n{text}", node_script(variant, &steps));
    }
}

fn peer_script(variant: Variant, steps: &[PeerStep]) -> String {
    let Variant { small, chunk } = variant;
    script(&format!("let mut play = PeerPlay::new({small}, {chunk});"), steps)
}

#[test]
fn a_peer_keeps_its_promises() {
    if let Some((variant, steps, text)) = search_peers(PeerPlay::config) {
        panic!("paste this as a test:\n\n{}\n{text}", peer_script(variant, &steps));
    }
}

#[test]
fn a_peer_that_passes_over_faults_in_silence_is_found() {
    let silent: ConfigurePeer = |variant| {
        let mut config = PeerPlay::config(variant);
        config.limits.fault_replies = 0;
        config
    };
    let (variant, steps, _) = search_peers(silent).expect("what is broken is found");
    // connect, accept, and anything but a registration
    assert!(steps.len() <= 6, "{}", peer_script(variant, &steps));
    assert_eq!(peer_fails(PeerPlay::config, variant, &steps), None);
}

/// A node of which one thing is broken.
struct Broken {
    node: Node,
    connected: bool,
    loses_answers: bool,
    unheard_pongs: bool,
}

impl Broken {
    fn new(variant: Variant) -> Self {
        let node = Node::new(node_config(variant), [3; 32]);
        Self { node, connected: true, loses_answers: false, unheard_pongs: false }
    }
}

impl NodeUnderTest for Broken {
    fn handle(&mut self, now: Now, input: Input<'_>) -> Result<(), Misuse> {
        match input {
            Input::Connected => self.connected = true,
            Input::Disconnected(_) => self.connected = false,
            Input::Recorded(_) if self.loses_answers && !self.connected => return Ok(()),
            Input::Received([0x8a, ..]) if self.unheard_pongs => return Ok(()),
            _ => {}
        }
        self.node.handle(now, input)
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.node.poll_action()
    }

    fn transmit(&self) -> &[u8] {
        self.node.transmit()
    }

    fn deadline(&self) -> Option<(Duration, Deadline)> {
        self.node.deadline()
    }
}

/// The shortest scripts that show what is broken here have four to six steps; a hold that is let out in two parts adds three.
const MOST: usize = 9;

/// A search finds the broken node with a short script, which breaks it every time and the real one never.
fn is_found(make: MakeNode) {
    let (variant, steps, text) = search_nodes(make).expect("what is broken is found");
    let script = node_script(variant, &steps);
    assert!(steps.len() <= MOST, "{} steps where {MOST} would do:\n{script}{text}", steps.len());
    assert_eq!(script.lines().count(), steps.len() + 1);
    assert_eq!(node_fails(make, variant, &steps), Some(text));
    assert_eq!(node_fails(real, variant, &steps), None);
}

#[test]
fn an_answer_lost_while_there_is_no_connection_is_found() {
    // ask, admit, answer, cut, record, long
    is_found(|variant| Box::new(Broken { loses_answers: true, ..Broken::new(variant) }));
}

#[test]
fn an_answer_given_twice_is_found() {
    // ask, admit, answer, record, moment
    is_found(|variant| Box::new(Broken { unheard_pongs: true, ..Broken::new(variant) }));
}

#[test]
fn work_run_twice_is_found() {
    let forgetful: MakeNode = |variant| {
        let mut config = node_config(variant);
        config.limits.remembered = 0;
        Box::new(Node::new(config, [3; 32]))
    };
    // ask, admit, answer, record, acknowledge or moment, ask
    is_found(forgetful);
}

#[test]
fn one_too_many_running_is_found() {
    let eager: MakeNode = |variant| {
        let mut config = node_config(variant);
        config.limits.running += 1;
        Box::new(Node::new(config, [3; 32]))
    };
    // ask and admit three
    is_found(eager);
}

/// Tests as the search printed them.
mod pasted {
    use clawnode_tests::model::NodePlay;

    /// What waited was begun by the end of what was cancelled before it, only to be cancelled in its turn.
    #[test]
    fn work_that_waits_is_not_begun_when_the_time_to_stop_is_over() {
        let mut play = NodePlay::new(false, 0);
        play.ask("c", 0);
        play.ask("f", 0);
        play.admit("f");
        play.admit("c");
        play.ask("e", 0);
        play.admit("e");
        play.stop_now();
    }

    /// Each further stop gave the answers of cancelled work another five seconds.
    #[test]
    fn a_second_stop_shortens_the_time() {
        let mut play = NodePlay::new(false, 0);
        play.ask("d", 0);
        play.stop_now();
        play.stop_now();
    }
}
