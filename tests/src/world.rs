use std::collections::BTreeMap;
use std::time::Duration;

use clawnode_protocol::dialect::Name;
use clawnode_protocol::{Outcome, Task, Update, Work, WorkId, WorkflowSource};
use clawnode_simulation::{Handlers, Job, Mix, Simulation};

use crate::json;

/// The body of the fuzz target `world`: a simulated world whose faults, requests and handlers the input chooses. Whatever it
/// chooses, no rule is broken.
///
/// | Bytes | Meaning |
/// | --- | --- |
/// | 0 | bits 0 and 1: the mix; bits 2 and 3: nodes, less one; bit 4: the requests and handlers are the world's own; bit 5: the openclaw dialect |
/// | 1 to 4 | the seed |
/// | 5 | how long faults last, in steps of four seconds, at most 32: an input should not take long |
/// | 6 | own requests: seconds between them, from 5 to 68 |
/// | 6.. | requests: when (in seconds, which may be after the faults), for which node, what, and how many bytes of its handler's script follow |
///
/// # Panics
///
/// When a rule is broken; the text says which, and which seed.
pub fn world(input: &[u8]) {
    let mut bytes = input.iter().copied();
    let mut number = || bytes.next().unwrap_or_default();
    let flags = number();
    let mix = Mix::ALL[usize::from(flags & 3)];
    let nodes = usize::from(flags >> 2 & 3) + 1;
    let seed = u32::from_le_bytes([number(), number(), number(), number()]);
    let span = Duration::from_secs(4 * u64::from(number() % 32) + 4);
    let dialect = if flags & 32 == 0 { Name::Nodetool } else { Name::Openclaw };
    let mut simulation =
        Simulation::new(mix, seed.into()).dialect(dialect).nodes(nodes).faults_for(span);
    if flags & 16 != 0 {
        simulation = simulation.ask_every(Duration::from_secs(u64::from(number() % 64) + 5));
    } else {
        simulation = simulation.handlers(|_| Box::new(Scripted::default()));
        while let (Some(at), Some(node), Some(what), Some(length)) =
            (bytes.next(), bytes.next(), bytes.next(), bytes.next())
        {
            let script: Vec<u8> = bytes.by_ref().take(usize::from(length % 16)).collect();
            let task = task(what, &script);
            // Some are asked long after the faults have ended.
            simulation = simulation.request(Duration::from_secs(at.into()), node.into(), task);
        }
    }
    let report = simulation.run();
    if let Some(violation) = report.violations.first() {
        panic!("{mix}, {dialect:?}, {nodes} nodes: {violation}");
    }
}

fn task(what: u8, script: &[u8]) -> Task {
    let padding = "p".repeat(usize::from(what >> 2) * 8);
    let args = json(&format!(r#"{{"script":{script:?},"padding":"{padding}"}}"#));
    match what & 3 {
        0 => Task::Workflow { source: WorkflowSource::Id("w1".to_owned()), params: args },
        1 => Task::Workflow { source: WorkflowSource::Graph(args.clone()), params: args },
        _ => Task::Command { name: "script".to_owned(), args },
    }
}

/// Handlers that do what the script in their parameters says, and end with an answer when it does.
#[derive(Debug, Default)]
struct Scripted {
    left: BTreeMap<WorkId, Vec<u8>>,
}

impl Handlers for Scripted {
    fn start(&mut self, work: &Work, job: &mut Job<'_>) {
        let (Task::Workflow { params: args, .. } | Task::Command { args, .. }) = &work.task else {
            return job.answer(Outcome::failed("nothing that was asked for"));
        };
        let args: serde_json::Value = serde_json::from_str(args.get()).unwrap_or_default();
        let mut script: Vec<u8> =
            serde_json::from_value(args["script"].clone()).unwrap_or_default();
        script.reverse();
        self.left.insert(work.id, script);
        self.wake(work, job);
    }

    fn wake(&mut self, work: &Work, job: &mut Job<'_>) {
        while let Some(step) = self.left.get_mut(&work.id).map(Vec::pop) {
            let size = usize::from(step.unwrap_or_default() >> 2);
            let data = json(&format!(r#"{{"of":"{}","a":"{}"}}"#, work.id, "x".repeat(size * 4)));
            match step.map(|step| step & 3) {
                Some(0) => return job.wake_in(Duration::from_secs(size as u64)),
                Some(1) => {
                    let mut update = Update::new("step", data);
                    update.key = (size & 1 != 0).then(|| "key".to_owned());
                    job.update(update);
                }
                Some(2) => {
                    self.left.remove(&work.id);
                    job.answer(Outcome::failed("as the script has it"));
                }
                Some(_) | None => {
                    self.left.remove(&work.id);
                    job.answer(Outcome::Completed(data));
                }
            }
        }
    }

    fn cancelled(&mut self, work: &Work) {
        self.left.remove(&work.id);
    }
}
