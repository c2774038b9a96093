//! Random search for a step after which the real thing and its model differ.

use std::time::Duration;

use clawnode_protocol::node::{Action, Deadline, Input, Misuse};
use clawnode_protocol::{Node, Now};
use clawnode_tests::model::{
    NodeModel, NodePlay, NodeStep, NodeUnderTest, Variant, node_config, script,
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
    let played = std::panic::catch_unwind(|| {
        let mut play = NodePlay::on(make(variant), variant);
        steps.iter().try_for_each(|step| play.step(*step))
    });
    match played {
        Ok(result) => result.err(),
        Err(panic) => Some(match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(_) => "a panic, as printed above".to_owned(),
        }),
    }
}

/// The shortest script found that a node fails, and how it does.
fn search_nodes(make: MakeNode) -> Option<(Variant, Vec<NodeStep>, String)> {
    let mut runner = TestRunner::new(config());
    let strategy = Nodes::sequential_strategy(1..60);
    let failed = runner.run(&strategy, |(model, steps, seen)| {
        let failed = node_fails(make, model.variant(), &steps);
        // How many of the steps were done is not told: all count as seen.
        if let Some(seen) = seen {
            seen.store(steps.len(), std::sync::atomic::Ordering::SeqCst);
        }
        failed.map_or(Ok(()), |text| Err(TestCaseError::fail(text)))
    });
    match failed {
        Ok(()) => None,
        Err(TestError::Fail(_, (model, steps, _))) => {
            let variant = model.variant();
            let steps = shortest(steps, |steps| {
                let mut model = NodeModel::new(variant);
                let possible = steps.iter().all(|step| {
                    let allowed = model.allows(*step);
                    if allowed {
                        model.step(*step);
                    }
                    allowed
                });
                possible && node_fails(make, variant, steps).is_some()
            });
            let text = node_fails(make, variant, &steps).expect("it fails");
            Some((variant, steps, text))
        }
        Err(TestError::Abort(why)) => panic!("the search gave up: {why}"),
    }
}

/// Leaves out step after step as long as it still fails: what is left needs each of its steps.
fn shortest<S: Clone>(mut steps: Vec<S>, fails: impl Fn(&[S]) -> bool) -> Vec<S> {
    let mut index = steps.len();
    while index > 0 {
        index -= 1;
        let mut fewer = steps.clone();
        fewer.remove(index);
        if fails(&fewer) {
            steps = fewer;
            index = steps.len();
        }
    }
    steps
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

/// A search finds the broken node with a script of at most `most` steps, which breaks it every time and the real one never.
fn is_found(make: MakeNode, most: usize) {
    let (variant, steps, text) = search_nodes(make).expect("what is broken is found");
    let script = node_script(variant, &steps);
    assert!(steps.len() <= most, "{} steps where {most} would do:\n{script}{text}", steps.len());
    assert_eq!(script.lines().count(), steps.len() + 1);
    assert_eq!(node_fails(make, variant, &steps), Some(text));
    assert_eq!(node_fails(real, variant, &steps), None);
}

#[test]
fn an_answer_lost_while_there_is_no_connection_is_found() {
    // ask, admit, answer, cut, record, long
    is_found(|variant| Box::new(Broken { loses_answers: true, ..Broken::new(variant) }), 6);
}

#[test]
fn an_answer_given_twice_is_found() {
    // ask, admit, answer, record, moment
    is_found(|variant| Box::new(Broken { unheard_pongs: true, ..Broken::new(variant) }), 5);
}

#[test]
fn work_run_twice_is_found() {
    let forgetful: MakeNode = |variant| {
        let mut config = node_config(variant);
        config.limits.remembered = 0;
        Box::new(Node::new(config, [3; 32]))
    };
    // ask, admit, answer, record, acknowledge or moment, ask
    is_found(forgetful, 6);
}

#[test]
fn one_too_many_running_is_found() {
    let eager: MakeNode = |variant| {
        let mut config = node_config(variant);
        config.limits.running += 1;
        Box::new(Node::new(config, [3; 32]))
    };
    // ask and admit three
    is_found(eager, 6);
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
