//! The way of a recording to its file: a thread that writes, so that no disk makes the node wait.

use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use clawnode_protocol::recording::{End, Recorder};
use tracing::warn;

use crate::runtime::Runtime;

/// Where a recording is to go, and how large it may become.
pub(crate) type Record = (Box<dyn Write + Send>, u64);

/// A recording that is being written. Dropping it ends the thread once everything is written.
pub(crate) struct Recording {
    spool: Arc<Spool>,
    /// Closed when the thread is done.
    done: Receiver<()>,
}

/// What waits to be written.
#[derive(Default)]
struct Spool {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    /// The thread knows that there is something to write.
    told: bool,
    /// Nothing more comes.
    closed: bool,
    /// The file does not take any more.
    failed: bool,
}

impl Recording {
    /// Starts to write. Without a thread there is no recording.
    pub(crate) fn start(file: Box<dyn Write + Send>) -> Option<Self> {
        let spool = Arc::new(Spool::default());
        let (writing, done) = async_channel::bounded(1);
        let theirs = Arc::clone(&spool);
        let thread = thread::Builder::new().name("clawnode-recording".to_owned());
        match thread.spawn(move || theirs.write(file, writing)) {
            Ok(_) => Some(Self { spool, done }),
            Err(error) => {
                warn!(%error, "there is no recording: no thread to write it");
                None
            }
        }
    }

    /// Takes what `recorder` has, and ends it when the file cannot follow.
    pub(crate) fn push(&self, recorder: &mut Recorder) {
        let mut state = self.spool.lock();
        if state.failed {
            return recorder.abandon();
        }
        if state.bytes.len() > MOST_WAITING && recorder.is_recording() {
            warn!("the recording ends here: the disk is slower than the node");
            recorder.end(End::Behind);
        }
        recorder.take(&mut state.bytes);
        let enough = state.bytes.len() > ENOUGH;
        if !std::mem::replace(&mut state.told, true) || enough {
            self.spool.changed.notify_one();
        }
    }

    /// Waits until everything is written, for a few seconds at most.
    pub(crate) async fn finish<R: Runtime>(self, runtime: &R) {
        self.spool.close();
        let mut written = pin!(self.done.recv());
        let mut patience = pin!(runtime.sleep(PATIENCE));
        poll_fn(|cx| match written.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => patience.as_mut().poll(cx).map(|()| {
                warn!("the end of the recording is not written yet: the disk is too slow");
            }),
        })
        .await;
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.spool.close();
    }
}

impl Spool {
    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// The life of the thread.
    fn write(&self, mut file: Box<dyn Write + Send>, writing: Sender<()>) {
        let mut batch = Vec::new();
        while self.next(&mut batch) {
            if let Err(error) = file.write_all(&batch).and_then(|()| file.flush()) {
                self.fail(&error);
                break;
            }
            batch.clear();
            batch.shrink_to(ENOUGH);
        }
        // Closes the file before anyone hears of the end.
        drop(file);
        drop(writing);
    }

    /// Waits for something to write and, since more tends to follow, a little longer. False at the end.
    fn next(&self, batch: &mut Vec<u8>) -> bool {
        let idle = |state: &mut State| state.bytes.is_empty() && !state.closed;
        let mut state = self.lock();
        if state.bytes.is_empty() {
            state.told = false;
            state = self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        }
        let gathering = |state: &mut State| state.bytes.len() <= ENOUGH && !state.closed;
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, GATHER, gathering)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.bytes, batch);
        !batch.is_empty()
    }

    fn fail(&self, error: &io::Error) {
        warn!(%error, "the recording ends here: the file cannot be written");
        let mut state = self.lock();
        state.failed = true;
        state.bytes = Vec::new();
    }

    /// Nothing under this lock can panic halfway, so a poisoned lock is as good as a sound one.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a recording is gathered before it is written.
const GATHER: Duration = Duration::from_millis(200);

/// So many bytes are worth a write at once.
const ENOUGH: usize = 1 << 20;

/// Bytes that may wait for a slow disk; the recording ends rather than take more memory. One large message may come on
/// top.
const MOST_WAITING: usize = 16 << 20;

/// How long a stopped node waits for the end of its recording.
const PATIENCE: Duration = Duration::from_secs(5);
