use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use async_lock::SemaphoreGuardArc;
use clawnode_workflows::{NodeError, Severity};
use rquickjs::function::Func;
use rquickjs::promise::PromiseState;
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Exception, Function, Promise, Runtime};
use serde_json::{Map, Value};

use crate::blocking::Cancelled;
use crate::limits::{Limits, shown_bytes};
use crate::text::{boundary, cut};

/// One run of one script.
pub(super) struct Script {
    pub(super) source: String,
    pub(super) inputs: Map<String, Value>,
    pub(super) time: Duration,
    pub(super) limits: Limits,
}

/// What a script leaves behind.
pub(super) struct Ended {
    pub(super) outputs: Result<Vec<(String, Value)>, NodeError>,
    pub(super) log: Vec<(Severity, String)>,
    pub(super) lost_lines: u64,
}

/// What a script has given so far.
#[derive(Default)]
struct Given {
    outputs: Vec<(String, Value)>,
    bytes: usize,
    /// Why the script fails, whatever it does about the exception.
    fault: Option<String>,
    log: Vec<(Severity, String)>,
    log_bytes: usize,
    lost_lines: u64,
}

impl Script {
    /// Runs on a thread of its own and waits for it. A few functions of the engine loop without looking whether they should end; a
    /// script that is in one of those is left behind, and keeps its turn until it ends, so that there are never more of them than
    /// scripts at once.
    pub(super) fn run_apart(
        self,
        cancelled: &Cancelled,
        turn: SemaphoreGuardArc,
    ) -> Result<Ended, NodeError> {
        let too_long = self.too_long();
        let over = Instant::now() + self.time + GRACE;
        let (sender, receiver) = channel();
        let still_wanted = cancelled.clone();
        let thread = thread::Builder::new().name("clawnode-script".to_owned());
        let thread = thread.stack_size(THREAD_STACK).spawn(move || {
            // Nobody waits any more if this fails.
            let _ = sender.send(self.run(&still_wanted));
            drop(turn);
        });
        thread.map_err(|error| format!("there is no thread for the code: {error}"))?;
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok(ended) => return Ok(ended),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err("the code ended unexpectedly".into());
                }
                Err(RecvTimeoutError::Timeout) if cancelled.is_set() || Instant::now() > over => {
                    return Err(too_long);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn run(self, cancelled: &Cancelled) -> Ended {
        let given = Rc::new(RefCell::new(Given::default()));
        let result = self.evaluate(cancelled, &given);
        let Given { outputs, fault, log, lost_lines, .. } =
            std::mem::take(&mut *given.borrow_mut());
        let outputs = match (fault, result) {
            (Some(fault), _) => Err(fault.into()),
            (None, result) => result.map(|()| outputs),
        };
        Ended { outputs, log, lost_lines }
    }

    fn too_long(&self) -> NodeError {
        let most = self.time.as_secs_f64();
        format!("the code took longer than {most} s; a longer timeout may help").into()
    }

    fn evaluate(&self, cancelled: &Cancelled, given: &Rc<RefCell<Given>>) -> Result<(), NodeError> {
        let started = Instant::now();
        let (time, cancelled) = (self.time, cancelled.clone());
        let is_over = move || cancelled.is_set() || started.elapsed() > time;
        let runtime = Runtime::new().map_err(NodeError::new)?;
        runtime.set_memory_limit(self.limits.code_memory_bytes);
        runtime.set_max_stack_size(MAX_STACK);
        runtime.set_interrupt_handler(Some(Box::new(is_over.clone())));
        let context = Context::full(&runtime).map_err(NodeError::new)?;
        context.with(|ctx| {
            let result = self.start(&ctx, given).catch(&ctx);
            let result = result.map_err(|error| explain(&error)).and_then(|promise| {
                // Each job is counted as well: a script may chain jobs that are too short to be interrupted.
                while promise.state() == PromiseState::Pending
                    && !is_over()
                    && ctx.execute_pending_job()
                {}
                match promise.result::<()>() {
                    Some(result) => result.catch(&ctx).map_err(|error| explain(&error)),
                    None => Err("the code waits for something that never comes".to_owned()),
                }
            });
            match result {
                // What an interrupt left is not worth telling.
                Err(_) if is_over() => Err(self.too_long()),
                Err(error) if error.contains("out of memory") || error == THREW_NULL => {
                    let most = shown_bytes(self.limits.code_memory_bytes);
                    Err(format!("the code needs more memory than {most}, or threw null").into())
                }
                result => result.map_err(NodeError::from),
            }
        })
    }

    fn start<'js>(
        &self,
        ctx: &Ctx<'js>,
        given: &Rc<RefCell<Given>>,
    ) -> rquickjs::Result<Promise<'js>> {
        let (to, most) = (Rc::clone(given), self.limits.code_output_bytes);
        let deliver = move |ctx: Ctx<'js>, name: String, json: Option<String>| {
            let mut given = to.borrow_mut();
            given.deliver(name, json, most).map_err(|fault| {
                let error = Exception::throw_message(&ctx, &fault);
                given.fault.get_or_insert(fault);
                error
            })
        };
        let (to, most_lines) = (Rc::clone(given), self.limits.code_log_lines);
        let log = move |level: String, line: String| to.borrow_mut().log(&level, line, most_lines);
        let inputs = Value::Object(self.inputs.clone()).to_string();
        let prelude: Function<'js> = ctx.eval(PRELUDE)?;
        prelude.call((
            Func::from(deliver),
            Func::from(log),
            ctx.json_parse(inputs)?,
            self.source.as_str(),
        ))
    }
}

impl Given {
    fn deliver(&mut self, name: String, json: Option<String>, most: usize) -> Result<(), String> {
        // What JSON has no word for, such as undefined, is null.
        let json = json.unwrap_or_else(|| "null".to_owned());
        // Each value takes some room in memory, however short it is.
        self.bytes = self.bytes.saturating_add(name.len() + json.len());
        if self.bytes > most || self.outputs.len() >= MOST_OUTPUTS {
            let most = shown_bytes(most);
            return Err(format!("the code gives more than {most} or {MOST_OUTPUTS} values"));
        }
        let value = serde_json::from_str(&json)
            .map_err(|error| format!("the output {name:?} cannot be used: {error}"))?;
        self.outputs.push((name, value));
        Ok(())
    }

    fn log(&mut self, level: &str, mut line: String, most_lines: usize) {
        if self.log.len() >= most_lines || self.log_bytes >= MOST_LOG_BYTES {
            self.lost_lines += 1;
            return;
        }
        if line.len() > MOST_LINE_BYTES {
            line.truncate(boundary(&line, MOST_LINE_BYTES));
            line.push_str("...");
        }
        self.log_bytes += line.len();
        let severity = match level {
            "error" => Severity::Error,
            "warn" => Severity::Warning,
            _ => Severity::Info,
        };
        self.log.push((severity, line));
    }
}

/// An exception as a person reads it, with the line of the code.
fn explain(error: &CaughtError<'_>) -> String {
    match error {
        CaughtError::Exception(exception) => {
            let name = exception.as_object().get::<_, String>("name").unwrap_or_default();
            let message = exception.message().unwrap_or_default();
            let stack = exception.stack().unwrap_or_default();
            let line = stack.lines().find_map(line_of).or_else(|| line_of(&message));
            let place = line.map(|line| format!(" (line {line} of the code)")).unwrap_or_default();
            cut(&format!("{name}: {message}"), MOST_ERROR) + &place
        }
        CaughtError::Value(value) => {
            let text = value.as_string().and_then(|text| text.to_string().ok());
            let text = text.or_else(|| {
                let json = value.ctx().json_stringify(value.clone()).ok()??;
                json.to_string().ok()
            });
            let text = text.unwrap_or_else(|| "something that is no error".to_owned());
            format!("the code threw {}", cut(&text, MOST_ERROR))
        }
        CaughtError::Error(error) => error.to_string(),
    }
}

/// The line that an entry of a stack names: `at f (<input>:3:5)`.
fn line_of(entry: &str) -> Option<u64> {
    let (_, place) = entry.split_once("<input>:")?;
    let line: u64 = place.split([':', ')']).next()?.parse().ok()?;
    line.checked_sub(LINES_BEFORE).filter(|line| *line > 0)
}

/// Gives the script what it may use, and hands over what it returns.
const PRELUDE: &str = r#"(function (deliver, log, inputs, source) {
    const stringify = JSON.stringify;
    const show = (value) => {
        if (typeof value === "string") return value;
        if (value instanceof Error) return String(value);
        try { return stringify(value) ?? String(value); } catch { return String(value); }
    };
    const output = (name, value) => { deliver(String(name), stringify(value)); };
    const write = (level) => (...values) => { log(level, values.map(show).join(" ")); };
    const console = {};
    for (const level of ["log", "info", "debug", "warn", "error"]) console[level] = write(level);
    globalThis.console = console;
    const AsyncFunction = (async () => {}).constructor;
    const body = new AsyncFunction("inputs", "output", "emit", source);
    return body(inputs, output, output).then((returned) => {
        if (returned === undefined || returned === null) return;
        if (typeof returned !== "object" || Array.isArray(returned)) return output("output", returned);
        for (const name of Object.keys(returned)) output(name, returned[name]);
    });
})"#;

/// Lines that the engine puts before the body of a function.
const LINES_BEFORE: u64 = 2;
/// Bytes of stack that a script may use.
const MAX_STACK: usize = 2 * 1024 * 1024;
/// Bytes of stack of its thread: some functions of the engine look at how much is left only now and then.
const THREAD_STACK: usize = 8 * 1024 * 1024;
/// How often the thread that waits looks whether it still should.
const LOOK: Duration = Duration::from_millis(50);
/// What a script has to notice that its time is over.
const GRACE: Duration = Duration::from_millis(500);
/// What the engine throws when there is no memory for anything else.
const THREW_NULL: &str = "the code threw null";
/// Values that one script gives.
const MOST_OUTPUTS: usize = 100_000;
/// Bytes of one line of the log; what is longer is cut.
const MOST_LINE_BYTES: usize = 8 * 1024;
/// Bytes of all lines together, after which none is kept.
const MOST_LOG_BYTES: usize = 1024 * 1024;
/// Letters of an exception that are told.
const MOST_ERROR: usize = 2_000;
