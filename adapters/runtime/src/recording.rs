//! The way of a recording to its file: a thread that writes, so that no disk makes the node wait.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use clawnode_protocol::recording::{End, Piece, Recorder};
use tracing::warn;

use crate::runtime::Runtime;

/// Where a recording is to go, and how large it may become.
pub(crate) struct Record {
    pub(crate) next_file: NextFile,
    /// Of one file, in bytes.
    pub(crate) limit: u64,
    /// Whether it goes on in another file.
    pub(crate) in_parts: bool,
}

/// Gives the file that the next part goes to.
pub(crate) type NextFile = Box<dyn FnMut() -> io::Result<Box<dyn Write + Send>> + Send>;

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
    pieces: VecDeque<Piece>,
    /// Bytes in them, and in what is being written, but for the beginnings of parts.
    waiting: usize,
    /// Blocks that were written, to be filled again: their memory is warm.
    spare: Vec<Vec<u8>>,
    /// Nothing more comes.
    closed: bool,
    /// The file does not take any more.
    failed: bool,
}

impl Recording {
    /// Starts to write. Without a thread there is no recording.
    pub(crate) fn start(next_file: NextFile) -> Option<Self> {
        let spool = Arc::new(Spool::default());
        let (writing, done) = async_channel::bounded(1);
        let theirs = Arc::clone(&spool);
        let thread = thread::Builder::new().name("clawnode-recording".to_owned());
        match thread.spawn(move || theirs.write(next_file, writing)) {
            Ok(_) => Some(Self { spool, done }),
            Err(error) => {
                warn!(%error, "there is no recording: no thread to write it");
                None
            }
        }
    }

    /// Takes what `recorder` has, and ends it when the file cannot follow. Worth its while for [`ENOUGH`] bytes.
    pub(crate) fn push(&self, recorder: &mut Recorder) {
        let mut state = self.spool.lock();
        if state.failed {
            return recorder.abandon();
        }
        if state.waiting > MOST_WAITING && recorder.is_recording() {
            warn!("the recording ends here: the disk is slower than the node");
            recorder.end(End::Behind);
        }
        while recorder.waiting() > 0 {
            let memory = state.spare.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK));
            let Some(piece) = recorder.take_piece(memory) else { return };
            state.waiting += counted(&piece);
            state.pieces.push_back(piece);
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
    fn write(&self, mut next_file: NextFile, writing: Sender<()>) {
        let mut file = None;
        while let Some(piece) = self.next() {
            let counted = counted(&piece);
            if piece.begins_part() {
                // Closed first: some systems do not rename what is open.
                drop(file.take());
            }
            let mut block = piece.seal();
            if let Err(error) = write_to(&mut file, &mut next_file, &block) {
                self.fail(&error);
                break;
            }
            let mut state = self.lock();
            state.waiting -= counted;
            if state.spare.len() < MOST_SPARE && block.capacity() <= 2 * BLOCK {
                block.clear();
                state.spare.push(block);
            }
        }
        // Closes the file before anyone hears of the end.
        drop(file);
        drop(writing);
    }

    /// Waits for something to write. `None` at the end.
    fn next(&self) -> Option<Piece> {
        let idle = |state: &mut State| state.pieces.is_empty() && !state.closed;
        let state = self.changed.wait_while(self.lock(), idle);
        state.unwrap_or_else(PoisonError::into_inner).pieces.pop_front()
    }

    fn fail(&self, error: &io::Error) {
        warn!(%error, "the recording ends here: the file cannot be written");
        let mut state = self.lock();
        state.failed = true;
        state.pieces.clear();
        state.spare.clear();
    }

    /// Nothing under this lock can panic halfway, so a poisoned lock is as good as a sound one.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_to(
    file: &mut Option<Box<dyn Write + Send>>,
    next_file: &mut NextFile,
    block: &[u8],
) -> io::Result<()> {
    let file = match file {
        Some(file) => file,
        None => file.insert(next_file()?),
    };
    file.write_all(block)?;
    file.flush()
}

/// What a piece counts among those that wait. The beginning of a part has a checkpoint in it, as large as the node's state, and
/// comes seldom.
fn counted(piece: &Piece) -> usize {
    if piece.begins_part() { 0 } else { piece.len() }
}

/// How long a recording is gathered at most before it is written: what is lost when the machine ends at once.
pub(crate) const GATHER: Duration = Duration::from_millis(200);

/// So many bytes are written at once. In smaller portions the system takes the memory for the file from where the socket gets its own,
/// which then is never warm; in larger ones the thread keeps a processor for itself for too long at a time. A node with one thread
/// was slowed down least by a MiB, a program with many by a quarter of that.
pub(crate) const ENOUGH: usize = 512 << 10;

/// The size of a block: one drain of the node may go past [`ENOUGH`].
const BLOCK: usize = ENOUGH + (64 << 10);

/// Blocks that are kept to be filled again.
const MOST_SPARE: usize = 2;

/// Bytes that may wait for a slow disk; the recording ends rather than take more memory. One large message and one
/// checkpoint may come on top.
const MOST_WAITING: usize = 16 << 20;

/// How long a stopped node waits for the end of its recording.
const PATIENCE: Duration = Duration::from_secs(5);
