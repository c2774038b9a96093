use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use async_channel::{Sender, TrySendError};
use clawnode_workflows::{NodeError, Severity};
use rquickjs::function::Func;
use rquickjs::promise::PromiseState;
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Exception, Function, Promise, Runtime};
use serde_json::{Map, Value};

use super::running::{Deadline, Given};
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

/// How a script ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) result: Result<(), NodeError>,
    pub(super) lost_lines: u64,
}

/// Hands over what a script gives, within its bounds.
struct Gives {
    to: Sender<Given>,
    deadline: Deadline,
    /// The fault of a script that gives when its time is over.
    too_long: String,
    values: usize,
    bytes: usize,
    /// Why the script fails, whatever it does about the exception.
    fault: Option<String>,
    lines: usize,
    log_bytes: usize,
    lost_lines: u64,
}

impl Script {
    /// Runs until it ends or has to, on a thread that may block.
    pub(super) fn run(
        self,
        cancelled: &Cancelled,
        deadline: &Deadline,
        to: Sender<Given>,
    ) -> Ended {
        let gives = Gives::new(to, deadline.clone(), self.too_long().to_string());
        let gives = Rc::new(RefCell::new(gives));
        let result = self.evaluate(cancelled, deadline, &gives);
        let mut gives = gives.borrow_mut();
        let result = gives.fault.take().map_or(result, |fault| Err(fault.into()));
        Ended { result, lost_lines: gives.lost_lines }
    }

    pub(super) fn too_long(&self) -> NodeError {
        let most = self.time.as_secs_f64();
        format!("the code took longer than {most} s; a longer timeout may help").into()
    }

    fn evaluate(
        &self,
        cancelled: &Cancelled,
        deadline: &Deadline,
        gives: &Rc<RefCell<Gives>>,
    ) -> Result<(), NodeError> {
        let (cancelled, deadline) = (cancelled.clone(), deadline.clone());
        let is_over = move || cancelled.is_set() || deadline.is_over();
        let runtime = Runtime::new().map_err(NodeError::new)?;
        runtime.set_memory_limit(self.limits.code_memory_bytes);
        runtime.set_max_stack_size(MAX_STACK);
        runtime.set_interrupt_handler(Some(Box::new(is_over.clone())));
        let context = Context::full(&runtime).map_err(NodeError::new)?;
        context.with(|ctx| {
            let result = self.start(&ctx, gives).catch(&ctx);
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
        gives: &Rc<RefCell<Gives>>,
    ) -> rquickjs::Result<Promise<'js>> {
        let (by, most) = (Rc::clone(gives), self.limits.code_output_bytes);
        let deliver = move |ctx: Ctx<'js>, name: String, json: Option<String>| {
            let mut gives = by.borrow_mut();
            let delivered = gives.deliver(name, json, most);
            delivered.map_err(|fault| gives.fail(&ctx, fault))
        };
        let (by, most_lines) = (Rc::clone(gives), self.limits.code_log_lines);
        let log = move |ctx: Ctx<'js>, level: String, line: String| {
            let mut gives = by.borrow_mut();
            let logged = gives.log(&level, line, most_lines);
            logged.map_err(|fault| gives.fail(&ctx, fault))
        };
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

impl Gives {
    fn new(to: Sender<Given>, deadline: Deadline, too_long: String) -> Self {
        Self {
            to,
            deadline,
            too_long,
            values: 0,
            bytes: 0,
            fault: None,
            lines: 0,
            log_bytes: 0,
            lost_lines: 0,
        }
    }

    fn fail(&mut self, ctx: &Ctx<'_>, fault: String) -> rquickjs::Error {
        let error = Exception::throw_message(ctx, &fault);
        self.fault.get_or_insert(fault);
        error
    }

    fn deliver(&mut self, name: String, json: Option<String>, most: usize) -> Result<(), String> {
        // What JSON has no word for, such as undefined, is null.
        let json = json.unwrap_or_else(|| "null".to_owned());
        // Each value takes some room in memory, however short it is.
        self.bytes = self.bytes.saturating_add(name.len() + json.len());
        if self.bytes > most || self.values >= MOST_OUTPUTS {
            let most = shown_bytes(most);
            return Err(format!("the code gives more than {most} or {MOST_OUTPUTS} values"));
        }
        let value = serde_json::from_str(&json)
            .map_err(|error| format!("the output {name:?} cannot be used: {error}"))?;
        self.values += 1;
        self.hand_over(Given::Value(name, value))
    }

    fn log(&mut self, level: &str, mut line: String, most_lines: usize) -> Result<(), String> {
        if self.lines >= most_lines || self.log_bytes >= MOST_LOG_BYTES {
            self.lost_lines += 1;
            return Ok(());
        }
        if line.len() > MOST_LINE_BYTES {
            line.truncate(boundary(&line, MOST_LINE_BYTES));
            line.push_str("...");
        }
        self.lines += 1;
        self.log_bytes += line.len();
        let severity = match level {
            "error" => Severity::Error,
            "warn" => Severity::Warning,
            _ => Severity::Info,
        };
        self.hand_over(Given::Line(severity, line))
    }

    /// Waits for room. Whoever takes it goes only when the script is to end.
    fn hand_over(&mut self, given: Given) -> Result<(), String> {
        let sent = self.to.try_send(given).or_else(|error| match error {
            TrySendError::Full(given) => {
                self.deadline.pause(|| self.to.send_blocking(given).ok()).ok_or(())
            }
            TrySendError::Closed(_) => Err(()),
        });
        sent.map_err(|()| self.too_long.clone())
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
