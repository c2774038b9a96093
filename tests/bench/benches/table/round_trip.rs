//! One command in memory: the gateway's bytes in, the work, the bytes of an acknowledgement and an answer out.

use std::time::{Duration, Instant};

use clawnode_bench::{BenchNode, Handler, Requests, Shape, echo, echo_value};
use tokio::runtime::Runtime;

use crate::table::{Table, time};
use crate::tungstenite::TungsteniteNode;

/// Enough requests for every table of a node to be as large as it gets, or so many bytes that its kept answers are.
const WARM_UP: (usize, usize) = (12_000, 128 << 20);

/// How often each side has its turn. Odd, so that the median is one of them. Many turns, of a millisecond or two for the
/// slowest side, so that on a busy machine most of them are not interrupted.
const ROUNDS: usize = 301;

/// One way to do the job, and how long a request took in each round.
struct Side {
    name: &'static str,
    way: Way,
    rounds: Vec<Duration>,
}

enum Way {
    Core(Box<BenchNode>),
    Tungstenite(Box<TungsteniteNode>),
}

impl Side {
    fn core(name: &'static str, handler: Handler) -> Self {
        let way = Way::Core(Box::new(BenchNode::ready(handler)));
        Self { name, way, rounds: Vec::new() }
    }

    fn tungstenite(name: &'static str, runtime: &Runtime, read_buffer: usize) -> Self {
        let node = runtime.block_on(TungsteniteNode::new(read_buffer));
        Self { name, way: Way::Tungstenite(Box::new(node)), rounds: Vec::new() }
    }

    fn serve(&mut self, runtime: &Runtime, requests: &[Vec<u8>]) {
        match &mut self.way {
            Way::Core(node) => {
                for request in requests {
                    assert_eq!(node.receive(request), 2, "an acknowledgement and an answer");
                }
            }
            // Without tokio's forced pauses, which this side does not need.
            Way::Tungstenite(node) => runtime.block_on(tokio::task::unconstrained(async {
                for request in requests {
                    node.serve(request).await;
                }
            })),
        }
    }

    fn median(&self) -> Duration {
        let mut rounds = self.rounds.clone();
        rounds.sort_unstable();
        rounds[rounds.len() / 2]
    }
}

/// Measures one size and adds its rows.
pub(crate) fn measure(table: &mut Table, runtime: &Runtime, shape: Shape, size: usize) {
    let mut sides = [
        Side::core("core", echo),
        Side::core("core, Value in the handler", echo_value),
        Side::tungstenite("tokio-tungstenite + Value", runtime, 8 << 10),
        Side::tungstenite("the same, default read buffer", runtime, 128 << 10),
    ];
    let batch = (80_000 / size).clamp(1, 200);
    let mut requests = Requests::new(shape, size);
    for side in &mut sides {
        let warm_up = match side.way {
            Way::Core(_) => WARM_UP.0.min(WARM_UP.1 / size),
            Way::Tungstenite(_) => batch,
        };
        // In batches, so that the requests themselves take little room.
        for _ in 0..warm_up.div_ceil(batch) {
            side.serve(runtime, &requests.take(batch));
        }
    }
    for _ in 0..ROUNDS {
        for side in &mut sides {
            let requests = requests.take(batch);
            let start = Instant::now();
            side.serve(runtime, &requests);
            side.rounds.push(start.elapsed() / batch as u32);
        }
    }
    let rival = sides[2].median();
    let shape = match shape {
        Shape::Records => "records",
        Shape::Text => "one text",
    };
    for side in &sides {
        let each = side.median();
        table.row(
            &format!("{} {shape}, {}", bytes(size), side.name),
            &format!("{}, {:.0}/s", time(each), 1.0 / each.as_secs_f64()),
            &format!("{:.2}x", rival.as_secs_f64() / each.as_secs_f64()),
        );
    }
}

fn bytes(size: usize) -> String {
    if size >= 1024 { format!("{} KiB", size / 1024) } else { format!("{size} B") }
}
