//! A few hundred worlds of every mix, and the promises of the simulation itself.

use std::time::Duration;

use clawnode_protocol::dialect::Name;
use clawnode_protocol::{Outcome, Work};
use clawnode_simulation::{
    Handlers, Job, Kind, Mix, Report, Rule, Simulation, sequence_diagram, transcript,
};

/// Runs these seeds on two threads.
fn explore(mix: Mix, dialect: Name, seeds: u64, minutes: u64) {
    let span = Duration::from_secs(60 * minutes);
    let run = |seed| Simulation::new(mix, seed).dialect(dialect).nodes(3).faults_for(span).run();
    let check = |report: Report| {
        assert!(report.violations.is_empty(), "{mix}: {:#?}", report.violations);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| (0..seeds).step_by(2).map(run).for_each(check));
        scope.spawn(|| (1..seeds).step_by(2).map(run).for_each(check));
    });
}

#[test]
fn calm_worlds_break_no_rule() {
    explore(Mix::Calm, Name::Nodetool, 100, 10);
}

#[test]
fn lossy_worlds_break_no_rule() {
    explore(Mix::Lossy, Name::Nodetool, 100, 5);
}

#[test]
fn hostile_worlds_break_no_rule() {
    explore(Mix::Hostile, Name::Nodetool, 25, 2);
}

#[test]
fn crowded_worlds_break_no_rule() {
    explore(Mix::Crowded, Name::Nodetool, 40, 3);
}

#[test]
fn calm_openclaw_worlds_break_no_rule() {
    explore(Mix::Calm, Name::Openclaw, 100, 10);
}

#[test]
fn lossy_openclaw_worlds_break_no_rule() {
    explore(Mix::Lossy, Name::Openclaw, 50, 4);
}

#[test]
fn hostile_openclaw_worlds_break_no_rule() {
    explore(Mix::Hostile, Name::Openclaw, 60, 3);
}

#[test]
fn crowded_openclaw_worlds_break_no_rule() {
    explore(Mix::Crowded, Name::Openclaw, 12, 2);
}

/// Worlds that once were judged too soon: a gateway that asks one request a second has thousands to ask again.
#[test]
fn a_gateway_that_asks_slowly_has_the_time_to_ask_for_all_that_was_dropped() {
    let world = Simulation::new(Mix::Crowded, 1694).nodes(1);
    let report = world.faults_for(Duration::from_secs(300)).run();
    assert_eq!(report.violations, []);
}

#[test]
fn a_seed_replays_to_the_byte_and_another_seed_does_not() {
    let record = |seed| {
        let simulation = Simulation::new(Mix::Hostile, seed).faults_for(Duration::from_secs(120));
        transcript(&simulation.record().run().records)
    };
    let first = record(5);
    assert!(first.len() > 1000);
    assert_eq!(first, record(5));
    assert_ne!(first, record(6));
}

#[test]
fn recording_changes_nothing() {
    let run = |record: bool| {
        let simulation = Simulation::new(Mix::Lossy, 3);
        let simulation = if record { simulation.record() } else { simulation };
        simulation.run().figures
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn every_kind_of_work_and_fault_occurs() {
    let mut figures = clawnode_simulation::Figures::default();
    let mut told = String::new();
    for seed in 0..16 {
        for mix in [Mix::Lossy, Mix::Hostile, Mix::Crowded] {
            let simulation = Simulation::new(mix, seed).nodes(2).record();
            let report = simulation.faults_for(Duration::from_secs(120)).run();
            figures.add(&report.figures);
            told += &transcript(&report.records);
        }
    }
    assert!(figures.runs > 100 && figures.answers > 100 && figures.faults > 20, "{figures:?}");
    assert!(figures.heartbeats > 100 && figures.connections > 80, "{figures:?}");
    let faults = [
        "Reset",
        "CutInFrame",
        "Stall",
        "HalfOpen",
        "UtcJump",
        "TimeJump",
        "Nonsense",
        "BrokenFrames",
        "Fragments",
        "PingFlood",
        "GatewayCloses",
        "Restart",
        "Amnesia",
        "an impostor will say",
        "connecting takes",
        "nobody will answer this attempt",
        "no credential",
        "the credential takes",
        "the journal takes",
        "the journal refuses",
    ];
    for fault in faults {
        assert!(told.contains(&format!("FAULT     {fault}")), "`{fault}` never happened");
    }
    // What follows from them, at the nodes.
    let effects = [
        "connection refused",
        "connection reset by peer",
        "Faulty {",
        "UpdatesDropped {",
        "with other content",
        "cancels work-",
        "run 1 failed",
        "this node sends at most",
        "\u{fc}",
    ];
    for effect in effects {
        assert!(told.contains(effect), "`{effect}` never happened");
    }
}

#[test]
fn everything_that_only_openclaw_gateways_do_occurs() {
    let mut told = String::new();
    for (mix, seeds, minutes) in [(Mix::Hostile, 0..60, 3), (Mix::Crowded, 0..2, 1)] {
        for seed in seeds {
            let simulation = Simulation::new(mix, seed).dialect(Name::Openclaw).nodes(2).record();
            let report = simulation.faults_for(Duration::from_secs(60 * minutes)).run();
            told += &transcript(&report.records);
        }
    }
    let occurrences = [
        "AnnouncedRestart",
        "TokenRotated",
        "DeviceRemoved",
        "SecretChanged",
        "the signature takes",
        "no signature",
        "the device token takes",
        "somebody approves of node-",
        "can do is approved",
        "PAIRING_REQUIRED",
        "AUTH_TOKEN_MISMATCH",
        "AUTH_DEVICE_TOKEN_MISMATCH",
        "PROTOCOL_MISMATCH",
        "GoingAway {",
        "WaitingForApproval",
        "Approved",
        "cancel r",
        "its time is over",
        "nobody wants it any more",
        "requests to answer already",
        "Ignored {",
        "service restart",
        "device removed",
        "gateway auth changed",
    ];
    for occurrence in occurrences {
        assert!(told.contains(occurrence), "`{occurrence}` never happened");
    }
}

#[test]
fn a_picture_stands_alone_and_shows_every_record() {
    let report =
        Simulation::new(Mix::Hostile, 3).faults_for(Duration::from_secs(60)).record().run();
    let page = sequence_diagram(&report);
    for outside in ["src=", "href=", "@import", "fetch("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("%DATA%").count(), 0);
    assert!(report.records.iter().any(|record| matches!(record.kind, Kind::Message { .. })));
    assert!(page.lines().count() > report.records.len());
}

/// Handlers that think for a while and then answer.
struct Slow(Duration);

impl Handlers for Slow {
    fn start(&mut self, _: &Work, job: &mut Job<'_>) {
        job.wake_in(self.0);
    }

    fn wake(&mut self, _: &Work, job: &mut Job<'_>) {
        job.answer(Outcome::failed("thought about it"));
    }
}

/// A calm minute of faults, with handlers that take so long, and requests at these times.
fn asked(at: &[u64], takes: Duration) -> Report {
    let mut simulation = Simulation::new(Mix::Calm, 4)
        .nodes(2)
        .faults_for(Duration::from_secs(60))
        .handlers(move |_| Box::new(Slow(takes)));
    for (number, at) in at.iter().enumerate() {
        simulation = simulation.command(Duration::from_secs(*at), number % 2, "work", "{}");
    }
    simulation.run()
}

#[test]
fn a_request_asked_after_the_faults_is_made_and_has_all_its_time() {
    // The first comes while the world looks settled; the last long after all others are answered.
    let report = asked(&[90, 170, 200, 7200], Duration::from_secs(120));
    assert_eq!(report.violations, []);
    assert_eq!(report.answers.len(), 4);
    assert!(report.answers.iter().all(|answered| answered.outcome.is_some()), "{report:#?}");
}

#[test]
fn handlers_may_take_longer_than_the_node_may() {
    let report = asked(&[10, 70], Duration::from_secs(3 * 3600));
    assert_eq!(report.violations, []);
    assert!(report.answers.iter().all(|answered| answered.outcome.is_some()), "{report:#?}");
}

#[test]
fn a_handler_that_never_answers_is_found() {
    struct Silent;
    impl Handlers for Silent {
        fn start(&mut self, _: &Work, _: &mut Job<'_>) {}
    }
    let simulation = Simulation::new(Mix::Calm, 1).handlers(|_| Box::new(Silent)).command(
        Duration::from_secs(1200),
        0,
        "work",
        "{}",
    );
    let report = simulation.run();
    assert_eq!(report.violations[0].rule, Rule::EverythingAnswered);
}

#[test]
fn no_text_ends_the_script_of_a_picture() {
    let name = "</script><!--<script>";
    let simulation = Simulation::new(Mix::Calm, 1).handlers(|_| Box::new(Slow(Duration::ZERO)));
    let report = simulation.command(Duration::from_secs(30), 0, name, "{}").record().run();
    let page = sequence_diagram(&report);
    assert!(page.contains("script>"), "the picture does not show the name");
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("</script").count(), 1);
    assert!(!page.contains("<!--"));
}

#[test]
fn a_request_that_was_forgotten_and_came_again_may_fail_in_the_same_words() {
    for seed in [884, 1652] {
        let report =
            Simulation::new(Mix::Crowded, seed).nodes(5).faults_for(Duration::from_secs(600)).run();
        assert!(report.violations.is_empty(), "{:?}", report.violations);
    }
}
