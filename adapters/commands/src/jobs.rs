//! The commands about jobs that only look: `list_jobs`, `get_job` and `get_job_logs`.

use clawnode_store::{Job, JobStatus, LogRow, Query};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Commands,
    error::{CommandError, job_error},
    limits::MAX_LIST_LIMIT,
    params::{bounded, check_user},
};

impl Commands {
    /// `list_jobs`: the user's jobs, the newest first.
    ///
    /// # Errors
    ///
    /// For a limit out of range or a `start_key` that is none, and when the store fails.
    pub fn list_jobs(&self, user: &str, params: &ListJobs) -> Result<JobList, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        bounded(params.limit, MAX_LIST_LIMIT)?;
        let query =
            Query { limit: params.limit, start: params.start_key.clone(), ..Query::default() };
        let page = self.store().jobs(user, params.workflow_id.as_deref(), &query)?;
        Ok(JobList {
            jobs: page.rows.into_iter().map(JobRow::new).collect(),
            next_start_key: page.next.unwrap_or_default(),
        })
    }

    /// `get_job`: one of the user's jobs, with its result once it has ended.
    ///
    /// # Errors
    ///
    /// When the user has no such job, and when the store fails.
    pub fn get_job(&self, user: &str, params: &GetJob) -> Result<JobInfo, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        let found = self.store().job(user, &params.job_id)?;
        let found = found.ok_or_else(|| CommandError::JobNotFound { id: params.job_id.clone() })?;
        let result = self.store().job_result(user, &params.job_id)?;
        Ok(JobInfo { job: JobRow::new(found), result })
    }

    /// `get_job_logs`: the newest rows of a job's log, oldest first; of a job that runs, up to now.
    ///
    /// # Errors
    ///
    /// For a limit out of range, when the user has no such job, and when the store fails.
    pub fn get_job_logs(&self, user: &str, params: &GetJobLogs) -> Result<JobLogs, CommandError> {
        check_user(user, params.user_id.as_deref())?;
        bounded(params.limit, MAX_LIST_LIMIT)?;
        let logs = self.store().job_logs(user, &params.job_id, params.limit);
        let logs = logs.map_err(|error| job_error(error, &params.job_id))?;
        Ok(JobLogs { job_id: params.job_id.clone(), logs })
    }
}

/// Arguments of `list_jobs`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListJobs {
    /// Only the runs of this workflow.
    pub workflow_id: Option<String>,
    /// Rows at most.
    #[schemars(range(min = 1, max = MAX_LIST_LIMIT))]
    pub limit: u32,
    /// The `next_start_key` of the page before: where to go on.
    pub start_key: Option<String>,
    /// On whose behalf; nobody but the request's own user.
    pub user_id: Option<String>,
}

impl Default for ListJobs {
    fn default() -> Self {
        Self { workflow_id: None, limit: 100, start_key: None, user_id: None }
    }
}

/// Result of `list_jobs`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JobList {
    /// The rows, the newest first.
    pub jobs: Vec<JobRow>,
    /// The `start_key` of the next page; empty after the last.
    pub next_start_key: String,
}

/// One row of [`JobList`]: a run of a workflow or of a graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JobRow {
    /// Its id, the `job_id` of its updates.
    pub id: String,
    /// Whose it is.
    pub user_id: String,
    /// What kind; `workflow` for a run.
    pub job_type: String,
    /// Where it is.
    pub status: JobStatus,
    /// The workflow that runs; null for a graph that came along.
    pub workflow_id: Option<String>,
    /// When it began, RFC 3339 in UTC; null while it is scheduled.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// What it cost, if that is known.
    pub cost: Option<f64>,
}

impl JobRow {
    fn new(job: Job) -> Self {
        Self {
            id: job.id,
            user_id: job.user_id,
            job_type: job.job_type,
            status: job.status,
            workflow_id: job.workflow_id,
            started_at: job.started_at,
            finished_at: job.finished_at,
            error: job.error,
            cost: job.cost,
        }
    }
}

/// Arguments of `get_job`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetJob {
    /// Which.
    pub job_id: String,
    /// On whose behalf; nobody but the request's own user.
    #[serde(default)]
    pub user_id: Option<String>,
}

/// Result of `get_job`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JobInfo {
    /// What lists say of it.
    #[serde(flatten)]
    pub job: JobRow,
    /// What it gave: the list of the values of each output, by the output's name, as the field of this name in
    /// the result of `run_workflow`. Null while it has not ended, and when it gave nothing. Of more than
    /// [`MOST_RESULT_BYTES`](clawnode_store::limits::MOST_RESULT_BYTES) there is `{"too_large": BYTES}` instead.
    pub result: Option<Value>,
}

/// Arguments of `get_job_logs`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetJobLogs {
    /// Of which job.
    pub job_id: String,
    /// Rows at most; the newest 1,000 are kept.
    #[serde(default = "two_hundred")]
    #[schemars(range(min = 1, max = MAX_LIST_LIMIT))]
    pub limit: u32,
    /// On whose behalf; nobody but the request's own user.
    #[serde(default)]
    pub user_id: Option<String>,
}

/// Result of `get_job_logs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JobLogs {
    /// Of which job.
    pub job_id: String,
    /// The rows, oldest first.
    pub logs: Vec<LogRow>,
}

fn two_hundred() -> u32 {
    200
}
