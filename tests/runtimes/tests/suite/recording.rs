//! What a node leaves in the files of its recording.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clawnode_protocol::node::Limits;
use clawnode_protocol::peer::FromNode;
use clawnode_protocol::recording::{End, Replay};
use clawnode_runtime::{Context, Failed, StopReason};
use clawnode_runtimes::{Gateway, Said, sleep, soon};
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{NodeBuilder, builder};

/// A file to look into.
#[derive(Clone, Default)]
pub(crate) struct File(pub(crate) Arc<Mutex<Vec<u8>>>);

impl io::Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A node that takes twenty commands of 4 KB and is stopped.
async fn work(gateway: &Gateway, builder: NodeBuilder) {
    let mut limits = Limits::default();
    limits.remembered = 2;
    let take = |_: Context, _: Value| async move { Ok::<_, Failed>(json!({})) };
    let node = builder.limits(limits).command("take", take).build().unwrap();
    let handle = node.handle();
    let serve = async {
        let mut connection = gateway.accept_node().await;
        for request in 0..20 {
            let id = request.to_string();
            connection.command(&id, "take", json!({ "text": "x".repeat(4000) }));
            connection.answer(&id).await;
        }
        handle.stop(Duration::ZERO);
        connection.closed().await;
    };
    let (reason, ()) = soon(async { tokio::join!(node.run(), serve) }).await;
    assert_eq!(reason, StopReason::Requested);
}

/// Each part as it ends, after it is replayed.
fn ends(parts: &[File]) -> Vec<Option<End>> {
    let replayed = parts.iter().enumerate().map(|(index, part)| {
        let bytes = part.0.lock().unwrap();
        let mut replay = Replay::new(&bytes).unwrap();
        assert_eq!(replay.header().part, index as u64);
        let steps: Vec<_> =
            replay.by_ref().map(|step| step.map(|step| format!("{step:?}"))).collect();
        assert!(replay.is_identical(), "part {index}: {steps:#?}");
        replay.end()
    });
    replayed.collect()
}

#[apply(async_test)]
async fn a_full_file_is_followed_by_another_from_which_a_replay_goes_on() {
    const LIMIT: u64 = 24 << 10;
    let gateway = Gateway::bind().await;
    let files = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&files);
    let next_file = move || {
        let file = File::default();
        theirs.lock().unwrap().push(file.clone());
        Ok(file)
    };
    work(&gateway, builder(&gateway).record_in_parts(next_file, LIMIT)).await;
    let files = files.lock().unwrap();
    let ends = ends(&files);
    let (last, others) = ends.split_last().unwrap();
    assert_eq!(*last, Some(End::Closed));
    assert!(others.len() >= 2, "{ends:?}");
    assert!(others.iter().all(|end| *end == Some(End::Continued)), "{ends:?}");
    for file in files.iter().take(others.len()) {
        let size = file.0.lock().unwrap().len() as u64;
        assert!((LIMIT * 3 / 4..=LIMIT).contains(&size), "{size}");
    }
}

#[apply(async_test)]
async fn a_full_file_without_another_ends_the_recording_and_not_the_node() {
    let gateway = Gateway::bind().await;
    let file = File::default();
    work(&gateway, builder(&gateway).record(file.clone(), 24 << 10)).await;
    assert_eq!(ends(&[file]), [Some(End::Full)]);
    // The same when there should be another, and cannot.
    let first = File::default();
    let mut rest = Some(first.clone());
    let next_file = move || rest.take().ok_or_else(|| io::Error::other("the disk is gone"));
    work(&gateway, builder(&gateway).record_in_parts(next_file, 24 << 10)).await;
    assert_eq!(ends(&[first]), [Some(End::Continued)]);
}

#[apply(async_test)]
async fn a_run_that_is_dropped_leaves_a_recording_up_to_there() {
    let gateway = Gateway::bind().await;
    let file = File::default();
    let node = builder(&gateway).record(file.clone(), 1 << 20).build().unwrap();
    let served = async {
        let mut connection = gateway.accept().await;
        assert!(matches!(connection.next().await, Said::Message(FromNode::Registered(_))));
    };
    tokio::select! {
        _ = node.run() => panic!("nothing stops it"),
        () = served => {}
    }
    // The thread that writes goes when all is written, and drops its file.
    let whole = async {
        while Arc::strong_count(&file.0) > 1 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    soon(whole).await;
    let recording = file.0.lock().unwrap();
    let mut replay = Replay::new(&recording).unwrap();
    let steps: Vec<_> = replay.by_ref().map(|step| format!("{:?}", step.unwrap().what)).collect();
    assert!(replay.is_identical() && replay.end().is_none(), "{steps:?}");
    assert!(steps.iter().any(|step| step.contains("Ready")), "{steps:?}");
}
