//! Plays a recording back.

mod page;
mod story;

use std::fs;
use std::io::{self, Write};
use std::time::Duration;

use clawnode_protocol::recording::{Difference, Replay, Unreadable, What};

use crate::error::{FAILED, Failure};
use crate::options;
use crate::output::stdout;
use story::Story;

pub(crate) fn replay(options: &options::Replay) -> Result<(), Failure> {
    let shown = options.file.display();
    let bytes =
        fs::read(&options.file).map_err(|error| Failure::usage(format!("{shown}: {error}")))?;
    let unreadable = |problem: Unreadable| Failure::usage(format!("{shown}: {problem}"));
    let mut replay = Replay::new(&bytes).map_err(unreadable)?;
    let mut story = Story::new(&replay);
    let mut out = stdout();
    let mut difference = None;
    let mut damage = None;
    let mut to_the_end = true;
    for step in replay.by_ref() {
        let step = match step {
            Ok(step) => step,
            Err(problem) => {
                damage = Some(problem);
                break;
            }
        };
        if options.until.is_some_and(|until| step.at > until) {
            to_the_end = false;
            break;
        }
        if let What::Differs(found) = &step.what {
            difference = Some(found.clone());
        }
        let known = story.lines.len();
        story.tell(&step);
        if options.transcript {
            for line in &story.lines[known..] {
                writeln!(out, "{line}")?;
            }
        }
        if options.html.is_none() {
            story.lines.clear();
        }
    }
    if options.transcript {
        writeln!(out)?;
    }
    let ending = match &difference {
        _ if !to_the_end => "played as far as asked".to_owned(),
        Some(_) => "played up to the first difference".to_owned(),
        None => match (replay.end(), replay.cut_off()) {
            (Some(end), _) => format!("complete: {end}"),
            (None, 0) => "cut off: the program ended at once, or still runs".to_owned(),
            (None, rest) => {
                format!("cut off in the middle of a record, {rest} bytes before its end")
            }
        },
    };
    summarise(&mut out, &replay, &story, &ending)?;
    verdict(&mut out, &replay, difference.as_ref(), damage.is_some())?;
    if let Some(path) = &options.html {
        let title = options.file.file_name().unwrap_or_default().to_string_lossy();
        let covered = story.covered.map(|(from, to)| format!(": {from} to {to}"));
        let title = format!("{title}{}", covered.unwrap_or_default());
        fs::write(path, page::page(&title, &story.lines))
            .map_err(|error| Failure::usage(format!("--html: {}: {error}", path.display())))?;
    }
    match (damage, difference) {
        (Some(problem), _) => Err(unreadable(problem)),
        (None, Some(_)) => Err(Failure::new(FAILED, "")),
        (None, None) => Ok(()),
    }
}

fn summarise(
    out: &mut impl Write,
    replay: &Replay<'_>,
    story: &Story,
    ending: &str,
) -> io::Result<()> {
    let Story { inputs, connections, requests, answers, received, queued, last, .. } = story;
    let header = replay.header();
    writeln!(out, "recorded by   version {}", header.version)?;
    writeln!(out, "replayed by   version {}", env!("CARGO_PKG_VERSION"))?;
    let beginning = match header.part {
        0 => "with the node's life".to_owned(),
        part => format!("with checkpoint {part} of the node; what was before is in older files"),
    };
    writeln!(out, "begins        {beginning}")?;
    if let Some((from, to)) = story.covered {
        writeln!(out, "covers        {from} to {to}")?;
    }
    writeln!(out, "lasts         {}", seconds(*last))?;
    writeln!(out, "recording     {ending}")?;
    writeln!(out, "inputs        {inputs}, in {} records", replay.records())?;
    writeln!(out, "connections   {connections}")?;
    writeln!(out, "requests      {requests} admitted, {answers} answered")?;
    writeln!(out, "bytes         {received} received, {queued} sent or to be sent")
}

fn verdict(
    out: &mut impl Write,
    replay: &Replay<'_>,
    difference: Option<&Difference>,
    damaged: bool,
) -> io::Result<()> {
    match difference {
        Some(difference) => writeln!(out, "result        DIFFERENT {difference}"),
        None if damaged => writeln!(out, "result        identical up to the damage"),
        None if replay.records() == 0 => writeln!(out, "result        nothing was recorded"),
        None => writeln!(out, "result        identical, to the byte"),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}
