//! A run as people see it: bars on a terminal, throttled lines elsewhere, JSON lines for programs,
//! or nothing.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::cli::common::say;
use crate::cli::eta::Eta;
use crate::cli::units::{duration, speed};
use crate::data::catalogue::value::visible;
use crate::exec::Event;
use crate::plan::Progress;
use crate::wording::quoted;

/// Lines of what goes well come at most this often.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// What to show of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// Bars where stderr is a terminal, else lines.
    People,
    Json,
    Nothing,
}

/// Shows events on stderr; with [`Show::Json`] on stdout.
pub(super) struct Terminal {
    show: Show,
    bars: Option<Bars>,
    eta: Eta,
    begun: Instant,
    tasks: u64,
    settled: u64,
    last_line: Option<Instant>,
    /// The command line that runs one task alone, but for its label.
    rerun: String,
    /// Why events could not be written to stdout.
    lost: Option<io::Error>,
}

struct Bars {
    all: MultiProgress,
    overall: ProgressBar,
    tasks: HashMap<String, ProgressBar>,
}

impl Terminal {
    /// `rerun` is completed by a quoted label to the command that runs one task alone.
    pub fn new(show: Show, rerun: String) -> Self {
        let bars = (show == Show::People && io::stderr().is_terminal()).then(Bars::new);
        Self {
            show,
            bars,
            eta: Eta::default(),
            begun: Instant::now(),
            tasks: 0,
            settled: 0,
            last_line: None,
            rerun,
            lost: None,
        }
    }

    /// Shows an event.
    pub fn tell(&mut self, event: &Event) {
        if self.show == Show::Json {
            let line = serde_json::to_string(event).expect("an event is plain JSON");
            // A closed pipe ends no run, and is no error.
            let written = writeln!(io::stdout(), "{line}");
            let lost = written.err().filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
            self.lost = self.lost.take().or(lost);
            return;
        }
        self.eta.note(event, self.begun.elapsed().as_secs_f64());
        match event {
            Event::Opened { tasks, .. } => self.tasks = *tasks as u64,
            Event::Cached { .. } => self.settled += 1,
            Event::Finished { label, seconds, .. } => {
                self.settled += 1;
                let line = format!(
                    "[{}/{}] {label}: {}{}",
                    self.settled,
                    self.tasks,
                    duration(*seconds),
                    self.left()
                );
                self.chat(&line);
            }
            Event::Progress { label, progress }
                if self.bars.is_none() && self.show == Show::People =>
            {
                self.chat(&format!(
                    "[{}/{}] {label}: {}{}",
                    self.settled,
                    self.tasks,
                    words(progress),
                    self.left()
                ));
            }
            _ => self.tell_trouble(event),
        }
        if let Some(bars) = &mut self.bars {
            let eta = self.eta.text(self.begun.elapsed().as_secs_f64());
            bars.update(event, self.settled, self.tasks, &eta);
        }
    }

    /// Shows what went wrong, which no option hides.
    fn tell_trouble(&self, event: &Event) {
        match event {
            Event::Failed { label, key, error, log, log_tail, .. } => {
                let mut lines =
                    vec![format!("error: task {label} ({}) failed: {error}", key.short())];
                lines.extend(log_tail.iter().map(|line| format!("  | {line}")));
                lines.push(format!("  log: {}", log.display()));
                lines.push(format!("  this task alone: {} {}", self.rerun, quoted(label)));
                self.say(&lines.join("\n"));
            }
            Event::Repairing { label, object, producers } => {
                let again = if producers.is_empty() {
                    label.clone()
                } else {
                    format!("{}, then {label}", producers.join(", "))
                };
                self.say(&format!(
                    "repair: object {} was damaged; running again: {again}",
                    object.short()
                ));
            }
            Event::Diverged { label, key, kept, other } => self.say(&format!(
                "warning: {label} ({}) ran again and gave other bytes: {} stays, {} is on record",
                key.short(),
                kept.short(),
                other.short()
            )),
            Event::Remark { text } => self.say(&format!("note: {text}")),
            Event::Interrupted => self.say("interrupted: the running tasks are stopped"),
            _ => {}
        }
    }

    fn left(&self) -> String {
        let eta = self.eta.text(self.begun.elapsed().as_secs_f64());
        if eta.is_empty() { eta } else { format!("; {eta}") }
    }

    /// Shows a line that may be left out: bars tell it anyway, and more than one in two seconds are
    /// not read.
    fn chat(&mut self, line: &str) {
        let rare = self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY);
        if self.show == Show::People && self.bars.is_none() && rare {
            self.last_line = Some(Instant::now());
            self.say(line);
        }
    }

    /// Whether all events that were to be printed were.
    ///
    /// # Errors
    /// If one could not be written to stdout.
    pub fn check_output(&mut self) -> anyhow::Result<()> {
        match self.lost.take() {
            Some(error) => Err(error).context("write events to stdout"),
            None => Ok(()),
        }
    }

    /// Shows what must be seen.
    pub fn say(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.all.suspend(|| say(text)),
            None => say(text),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(bars) = &self.bars {
            let _ = bars.all.clear();
        }
    }
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} tasks  {elapsed}  {msg}")
            .expect("a literal template");
        let overall = all.add(ProgressBar::new(0).with_style(style));
        Self { all, overall, tasks: HashMap::new() }
    }

    fn update(&mut self, event: &Event, settled: u64, tasks: u64, eta: &str) {
        match event {
            Event::Opened { .. } => self.overall.set_length(tasks),
            Event::Started { label, .. } => {
                let style = ProgressStyle::with_template("  {prefix}  {msg}  {elapsed}")
                    .expect("a literal template");
                let bar =
                    self.all.add(ProgressBar::new(0).with_style(style).with_prefix(visible(label)));
                bar.enable_steady_tick(Duration::from_secs(1));
                self.tasks.insert(label.clone(), bar);
                self.overall.enable_steady_tick(Duration::from_secs(1));
            }
            Event::Progress { label, progress } => {
                if let Some(bar) = self.tasks.get(label) {
                    bar.set_message(words(progress));
                }
            }
            Event::Finished { label, .. }
            | Event::Failed { label, .. }
            | Event::Repairing { label, .. } => {
                if let Some(bar) = self.tasks.remove(label) {
                    bar.finish_and_clear();
                    self.all.remove(&bar);
                }
            }
            _ => {}
        }
        self.overall.set_position(settled);
        self.overall.set_message(eta.to_owned());
    }
}

fn words(progress: &Progress) -> String {
    let Progress { done, total, unit, rate, message } = progress;
    let mut words =
        if *total > 0 { format!("{done}/{total} {unit}") } else { format!("{done} {unit}") };
    if *rate > 0.0 {
        words.push_str(&format!(", {}", speed(*rate, unit)));
    }
    if !message.is_empty() {
        words.push_str(&format!(", {message}"));
    }
    words
}
