//! `clawnode jobs`: the runs of the data folder, those of a node that runs included.

use std::time::Duration;

use clawnode_store::{Job, JobStatus, Query, Store};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::error::{FAILED, Failure};
use crate::kept::{failed, note_empty, note_next, to_read_jobs};
use crate::operator::text;
use crate::options::kept::{Jobs, JobsCommand, Part};
use crate::output::{note, print, print_json};
use crate::table::{Table, fields};

pub(crate) async fn run(options: &Jobs) -> Result<(), Failure> {
    let Jobs { kept, command } = options;
    let store = to_read_jobs(kept)?;
    let user = &kept.user_id;
    match command {
        JobsCommand::List { workflow_id, part: Part { limit, start } } => {
            let query = Query { limit: *limit, start: start.clone(), ..Query::default() };
            let page = store.jobs(user, workflow_id.as_deref(), &query).map_err(failed)?;
            if kept.json {
                return print_json(&json!({ "jobs": page.rows, "next": page.next }));
            }
            print(|out| list(&page.rows).write(out))?;
            if page.rows.is_empty() {
                note_empty(&store, kept);
            }
            note_next(page.next.as_deref());
            Ok(())
        }
        JobsCommand::Show { id } => {
            let job = find(&store, user, id)?;
            let params = store.job_params(user, id).map_err(failed)?.unwrap_or_default();
            let result = store.job_result(user, id).map_err(failed)?;
            if kept.json {
                let mut shown = serde_json::to_value(&job)?;
                shown["params"] = params.into();
                shown["result"] = result.into();
                return print_json(&shown);
            }
            let params = serde_json::to_string(&params)?;
            let result = result.map(|result| result.to_string());
            print(|out| {
                fields(
                    out,
                    &[
                        ("id", Some(&job.id)),
                        ("status", Some(job.status.as_str())),
                        ("workflow", job.workflow_id.as_deref()),
                        ("params", Some(&params)),
                        ("created", Some(&job.created_at)),
                        ("started", job.started_at.as_deref()),
                        ("finished", job.finished_at.as_deref()),
                        ("result", result.as_deref()),
                        ("error", job.error.as_deref()),
                    ],
                )
            })
        }
        JobsCommand::Logs { id, limit } => {
            find(&store, user, id)?;
            let logs = store.job_logs(user, id, *limit).map_err(failed)?;
            if kept.json {
                return print_json(&json!({ "job_id": id, "logs": logs }));
            }
            print(|out| {
                logs.iter().try_for_each(|row| {
                    let (level, message) = (row.level.as_str(), text(&row.message));
                    writeln!(out, "{}  {level:7}  {message}", row.timestamp)
                })
            })
        }
        JobsCommand::Cancel { id } => {
            let job = cancel(&store, user, id).await?;
            if kept.json {
                print_json(&job)?;
            } else {
                note(&format!("job {id} is {}", job.status));
            }
            match job.status {
                JobStatus::Cancelled => Ok(()),
                status if status.is_final() => {
                    Err(Failure::new(FAILED, format!("job {id} had ended already")))
                }
                _ => Err(Failure::new(
                    FAILED,
                    format!(
                        "job {id} was asked to end and has not ended yet; `clawnode jobs show {id}` tells when it has"
                    ),
                )),
            }
        }
    }
}

/// Asks for the end of a job, and waits for it as long as [`PATIENCE`].
async fn cancel(store: &Store, user: &str, id: &str) -> Result<Job, Failure> {
    find(store, user, id)?;
    let mut job = store.request_cancel(user, id).map_err(failed)?;
    let patience = Instant::now() + PATIENCE;
    while !job.status.is_final() && Instant::now() < patience {
        sleep(PAUSE).await;
        job = find(store, user, id)?;
    }
    Ok(job)
}

fn find(store: &Store, user: &str, id: &str) -> Result<Job, Failure> {
    let found = store.job(user, id).map_err(failed)?;
    found.ok_or_else(|| {
        Failure::usage(format!("user {user} has no job {id}; `clawnode jobs list` lists them"))
    })
}

fn list(jobs: &[Job]) -> Table<5> {
    let mut table = Table::new(["ID", "STATUS", "WORKFLOW", "STARTED", "ERROR"]);
    for job in jobs {
        table.row([
            &job.id,
            job.status.as_str(),
            job.workflow_id.as_deref().unwrap_or("-"),
            job.started_at.as_deref().unwrap_or("-"),
            job.error.as_deref().unwrap_or_default(),
        ]);
    }
    table
}

/// How long `cancel` waits for the node, which looks every second.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
