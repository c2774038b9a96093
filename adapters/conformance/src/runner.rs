use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};

use crate::check::{Check, Ended, Entry, failed, skipped};
use crate::report::{CheckResult, Report, Status};
use crate::settings::Pace;

/// Which checks to run.
#[derive(Debug, Clone, Default)]
pub struct Selection(Option<Vec<&'static str>>);

/// No check has this id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no check {0:?}; the list of checks shows their ids")]
pub struct UnknownCheck(pub String);

impl Selection {
    /// All of them. The first, which asks whether there is anything to check at all, decides about the others: if it fails, they
    /// are skipped.
    pub fn all() -> Self {
        Self(None)
    }

    /// Only those with these ids, of either list.
    ///
    /// # Errors
    ///
    /// [`UnknownCheck`] for the first id that is in neither.
    pub fn only<S: AsRef<str>>(ids: impl IntoIterator<Item = S>) -> Result<Self, UnknownCheck> {
        let known = || crate::node_checks().chain(crate::gateway_checks());
        let find = |id: S| {
            let check = known().find(|check| check.id == id.as_ref());
            check.map(|check| check.id).ok_or_else(|| UnknownCheck(id.as_ref().to_owned()))
        };
        Ok(Self(Some(ids.into_iter().map(find).collect::<Result<_, _>>()?)))
    }

    fn has(&self, check: &Check) -> bool {
        self.0.as_ref().is_none_or(|ids| ids.contains(&check.id))
    }
}

/// Runs checks, each on a stage of its own that `set` makes.
pub(crate) async fn run<S, F>(
    subject: &'static str,
    entries: &'static [Entry<S>],
    selection: &Selection,
    pace: Pace,
    set: impl Fn() -> F,
) -> Report
where
    F: Future<Output = Result<S, Ended>>,
{
    let mut chosen = entries.iter().filter(|entry| selection.has(&entry.check));
    let mut results = Vec::new();
    let mut hopeless = None;
    if selection.0.is_none() {
        if let Some(first) = chosen.next() {
            let result = run_one(first, &set, pace).await;
            if result.status == Status::Failed {
                hopeless = Some(format!("not tried, because {} failed", first.check.id));
            }
            results.push(result);
        }
    }
    let rest = chosen.enumerate().map(|(place, entry)| {
        let (hopeless, set) = (&hopeless, &set);
        async move {
            let result = match hopeless {
                None => run_one(entry, set, pace).await,
                Some(reason) => {
                    CheckResult::new(entry.check, skipped(reason.clone()), Duration::ZERO)
                }
            };
            (place, result)
        }
    });
    let at_once = pace.jobs.max(1);
    let mut rest: Vec<_> = stream::iter(rest).buffer_unordered(at_once).collect().await;
    rest.sort_by_key(|(place, _)| *place);
    results.extend(rest.into_iter().map(|(_, result)| result));
    Report::new(subject, results)
}

async fn run_one<S, F>(entry: &Entry<S>, set: &impl Fn() -> F, pace: Pace) -> CheckResult
where
    F: Future<Output = Result<S, Ended>>,
{
    let began = Instant::now();
    let check = async {
        let mut stage = set().await?;
        (entry.run)(&mut stage).await
    };
    // Each wait has its own end; this is for a sum of them that has none.
    let most = pace.patience.saturating_mul(10) + pace.settle.saturating_mul(10);
    let outcome = match tokio::time::timeout(most, check).await {
        Ok(outcome) => outcome,
        Err(_) => failed(format!("no end within {most:?}")),
    };
    CheckResult::new(entry.check, outcome, began.elapsed())
}
