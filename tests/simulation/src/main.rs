//! x
use clawnode_simulation::*;
fn main() {
    let mix: Mix = std::env::args().nth(1).unwrap().parse().unwrap();
    let from: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let to: u64 = std::env::args().nth(3).unwrap().parse().unwrap();
    let rec = std::env::args().nth(4).is_some();
    let mut f = Figures::default();
    let t = std::time::Instant::now();
    for seed in from..to {
        let mut s = Simulation::new(mix, seed);
        if rec {
            s = s.record();
        }
        let r = s.run();
        f.add(&r.figures);
        if rec {
            println!("{}", transcript(&r.records));
        }
        for v in &r.violations {
            println!("{v}");
        }
    }
    println!("{f:?} {:?}", t.elapsed());
}
