//! Running one handler: what it does ends in exactly one message, whatever happens to it.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use async_channel::Sender;
use clawnode_protocol::{Failure, Outcome, Update, WorkId};
use tracing::{debug, error};

use crate::context::Context;
use crate::handler::{BoxFuture, Handler, Problem, Ran};
use crate::runtime::Runtime;

/// What handlers tell the driver.
pub(crate) enum FromJob {
    /// An authorisation: an error is the reason of a refusal.
    Authorized(WorkId, Result<(), String>),
    Progress(WorkId, Update),
    Ended(WorkId, Outcome),
}

/// A handler that runs. Dropping this cancels it.
pub(crate) struct Job {
    pub(crate) context: Context,
    pub(crate) started: Duration,
    /// The other end of [`Context::is_cancelled`].
    pub(crate) _cancel: Sender<()>,
}

/// Runs a handler on a task or a thread of its own.
pub(crate) fn start<R: Runtime, I: Send + 'static>(
    runtime: &R,
    handler: &Handler<I>,
    context: Context,
    input: I,
) {
    match handler {
        Handler::Async(handler) => {
            let handler = Arc::clone(handler);
            runtime.spawn(async move {
                let call = context.clone();
                let begin = move || handler(call, input);
                if let Some(ran) = run_unless_cancelled(&context, begin).await {
                    let (work, outcome) = ended(&context, ran);
                    let _ = context.inner().inbox.send(FromJob::Ended(work, outcome)).await;
                }
            });
        }
        Handler::Blocking(handler) => {
            let handler = Arc::clone(handler);
            runtime.spawn_blocking(move || {
                if context.is_cancelled() {
                    return;
                }
                let call = context.clone();
                let span = &context.inner().span;
                let ran = catch_unwind(AssertUnwindSafe(|| span.in_scope(|| handler(call, input))))
                    .unwrap_or_else(|panic| Err(Problem::Panicked(text_of(&*panic))));
                let (work, outcome) = ended(&context, ran);
                let _ = context.inner().inbox.send_blocking(FromJob::Ended(work, outcome));
            });
        }
    }
}

/// Drives the handler's future. `None`: it was cancelled, and nobody waits for an answer.
async fn run_unless_cancelled(
    context: &Context,
    begin: impl FnOnce() -> BoxFuture<Ran>,
) -> Option<Ran> {
    let mut begin = Some(begin);
    let mut future = None;
    let mut cancelled = pin!(context.cancelled());
    let ran = poll_fn(|cx| {
        if cancelled.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        // Whatever a handler leaves behind when it panics is its own; the future is not polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let _span = context.inner().span.enter();
            if let Some(begin) = begin.take() {
                future = Some(begin());
            }
            let Some(running) = &mut future else { return Poll::Pending };
            let ran = ready!(running.as_mut().poll(cx));
            future = None;
            Poll::Ready(ran)
        }));
        match polled {
            Ok(polled) => polled.map(Some),
            Err(panic) => Poll::Ready(Some(Err(Problem::Panicked(text_of(&*panic))))),
        }
    })
    .await;
    // What it drops may panic too.
    let drop_it = move || context.inner().span.in_scope(|| drop(future));
    if catch_unwind(AssertUnwindSafe(drop_it)).is_err() {
        error!(request_id = ?context.request_id(), command = context.command(), "a handler panicked while it was dropped");
    }
    ran
}

/// The end of a handler: nothing it left behind can send updates any more.
fn ended(context: &Context, ran: Ran) -> (WorkId, Outcome) {
    context.inner().ended.close();
    let request_id = context.request_id();
    let command = context.command();
    let name = match command {
        Some(command) => format!("command `{command}`"),
        None => "workflow".to_owned(),
    };
    let outcome = match ran {
        Ok(result) => Outcome::Completed(result),
        Err(Problem::Arguments(text)) => {
            debug!(?request_id, command, "the arguments are invalid");
            let failure = Failure::new(format!("invalid arguments for {name}: {text}"));
            Outcome::Failed(failure.with_code("INVALID_REQUEST"))
        }
        Err(Problem::Failed(failed)) => {
            error!(?request_id, command, error = failed.message(), "a handler failed");
            Outcome::Failed(failed.into_failure())
        }
        Err(Problem::Result(error)) => {
            error!(?request_id, command, error, "a handler returned something that cannot be sent");
            Outcome::failed(format!("the result of the {name} cannot be sent: {error}"))
        }
        Err(Problem::Panicked(text)) => {
            error!(?request_id, command, panic = text, "a handler panicked");
            Outcome::failed(format!("the {name} panicked: {text}"))
        }
    };
    (context.inner().work, outcome)
}

pub(crate) fn text_of(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "no reason given".to_owned()
    }
}
