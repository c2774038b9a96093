//! The row of a job, from its start to an end that is written down whatever happens.

use std::fmt;

use async_channel::{Receiver, Sender};
use clawnode_store::{JobStatus, NewJob, Store, StoreError};
use clawnode_workflows::InvalidGraph;
use serde_json::{Map, Value};

use super::{Jobs, Live, Stage, Start};
use crate::{error::CommandError, records::Recorder};

/// The row of a job that has not ended.
pub(super) struct Row {
    pub(super) jobs: Jobs,
    pub(super) job_id: String,
    pub(super) recorder: Recorder,
    /// Closed when the job is to be cancelled.
    pub(super) cancelled: Receiver<()>,
    /// Dropped when the row has a final status.
    ended: Option<Sender<()>>,
    /// Held only so that nothing but a request closes `cancelled`.
    _cancel: Sender<()>,
}

impl Row {
    pub(super) fn create(jobs: &Jobs, job: NewJob, start: Start) -> Result<Self, CommandError> {
        let (create, latest): (fn(&Store, NewJob) -> _, _) = match start {
            Start::AtOnce => (Store::begin_job, Stage::Draining),
            Start::InBackground => (Store::create_job, Stage::Open),
        };
        let (cancel, cancelled) = async_channel::bounded(1);
        let (end, ended) = async_channel::bounded(1);
        let job_id = job.id.clone();
        let waiting = start == Start::InBackground;
        let live =
            Live { start, waiting, cancel_requested: false, cancel: cancelled.clone(), ended };
        {
            let mut state = jobs.0.state();
            if state.stage > latest {
                return Err(CommandError::Stopped);
            }
            if state.live.contains_key(&job_id) {
                return Err(CommandError::JobExists { id: job_id });
            }
            state.live.insert(job_id.clone(), live);
        }
        let store = jobs.store();
        if let Err(error) = create(store, job) {
            jobs.0.state().live.remove(&job_id);
            return Err(match error {
                StoreError::Exists { .. } => CommandError::JobExists { id: job_id },
                error => error.into(),
            });
        }
        let recorder = Recorder::new(store.clone(), &job_id);
        let jobs = jobs.clone();
        Ok(Self { jobs, job_id, recorder, cancelled, ended: Some(end), _cancel: cancel })
    }

    /// Ends the job as failed, as its graph cannot run. Blocks.
    pub(super) fn refuse(mut self, invalid: InvalidGraph) -> CommandError {
        let text = invalid.to_string();
        self.recorder.failed(&text);
        let end = self.ended.take();
        end_row(&self.jobs, &self.job_id, JobStatus::Failed, Some(&text), None, end)
            .err()
            .unwrap_or(CommandError::InvalidGraph(invalid))
    }

    pub(super) async fn finish(
        mut self,
        status: JobStatus,
        error: Option<String>,
        result: Map<String, Value>,
    ) -> Result<(), CommandError> {
        let end = self.ended.take();
        let job_id = self.job_id.clone();
        let ended = self.jobs.blocking(move |jobs| {
            let error = error.as_deref();
            // One that did not complete has the result so far, if any.
            let result = (status == JobStatus::Completed || !result.is_empty()).then_some(&result);
            end_row(jobs, &job_id, status, error, result, end)
        });
        ended.await?
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        let Some(end) = self.ended.take() else { return };
        let (status, error) = match std::thread::panicking() {
            true => (JobStatus::Failed, Some(PANICKED)),
            false => (JobStatus::Cancelled, self.jobs.0.cancel_reason(&self.job_id)),
        };
        match (status, error) {
            (JobStatus::Failed, Some(error)) => self.recorder.failed(error),
            _ => self.recorder.cancelled(),
        }
        let (jobs, job_id) = (self.jobs.clone(), self.job_id.clone());
        self.jobs.0.spawn.spawn_blocking(Box::new(move || {
            // Nobody is left to be told; the next start of the node finds the row as it is.
            let _ = end_row(&jobs, &job_id, status, error, None, Some(end));
        }));
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("job_id", &self.job_id).finish_non_exhaustive()
    }
}

/// Writes the end of a job down; then those who wait for it go on.
fn end_row(
    jobs: &Jobs,
    job_id: &str,
    status: JobStatus,
    error: Option<&str>,
    result: Option<&Map<String, Value>>,
    end: Option<Sender<()>>,
) -> Result<(), CommandError> {
    let written = match result {
        Some(result) => jobs.store().finish_job_with_result(job_id, status, error, result),
        None => jobs.store().finish_job(job_id, status, error),
    };
    jobs.0.leave_live(job_id, status, error);
    drop(end);
    written?;
    Ok(())
}

const PANICKED: &str = "the job stopped unexpectedly";
