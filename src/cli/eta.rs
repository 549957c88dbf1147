//! How long a run has yet to go, from the costs of what is done and of what is left.

use std::collections::HashMap;
use std::time::Instant;

use crate::cli::units::duration;
use crate::exec::Event;

/// The part of a run's cost that must be done before anything is said: the first steps of a long
/// training, which loads and encodes its images before them, would promise weeks.
const ENOUGH: f64 = 0.01;

/// Follows a run's events. Assumes that what is left goes as fast, by cost, as what this run has
/// done so far.
#[derive(Debug, Default)]
pub(super) struct Eta {
    /// When the first task started.
    started: Option<Instant>,
    /// Cost of all tasks that are neither done nor failed nor cached.
    left: f64,
    /// Cost of what this run executed to the end.
    done: f64,
    /// Running tasks: cost, and the part of it that is done.
    running: HashMap<String, (f64, f64)>,
}

impl Eta {
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Opened { cost, .. } => self.left = *cost,
            Event::Cached { cost, .. } => self.left -= cost,
            Event::Started { label, cost, .. } => {
                self.started.get_or_insert_with(Instant::now);
                self.running.insert(label.clone(), (*cost, 0.0));
            }
            Event::Progress { label, progress } if progress.total > 0 => {
                if let Some((_, part)) = self.running.get_mut(label) {
                    *part = (progress.done as f64 / progress.total as f64).min(1.0);
                }
            }
            Event::Finished { label, cost, .. } => {
                self.running.remove(label);
                self.left -= cost;
                self.done += cost;
            }
            Event::Failed { label, .. } => {
                self.left -= self.running.remove(label).map_or(0.0, |(cost, _)| cost);
            }
            Event::Repairing { label, .. } => drop(self.running.remove(label)),
            _ => {}
        }
    }

    /// Seconds to go, `elapsed` seconds after the first start; `None` while too little is done to
    /// tell.
    fn seconds(&self, elapsed: f64) -> Option<f64> {
        let underway: f64 = self.running.values().map(|(cost, part)| cost * part).sum();
        let (done, all) = (self.done + underway, self.done + self.left);
        (done > all * ENOUGH).then(|| (self.left - underway).max(0.0) * elapsed / done)
    }

    /// As words; empty while too little is done to tell.
    pub fn text(&self) -> String {
        let elapsed = self.started.map_or(0.0, |started| started.elapsed().as_secs_f64());
        self.seconds(elapsed)
            .map_or(String::new(), |seconds| format!("about {} left", duration(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Digest, Key};
    use crate::plan::Progress;
    use crate::plan::Reason;

    #[test]
    fn what_is_left_takes_as_long_by_cost_as_what_is_done() {
        let (key, kind) = (Key::of(b""), String::from("toy"));
        let start = |label: &str, cost| Event::Started {
            label: label.into(),
            kind: kind.clone(),
            key,
            reason: Reason::NeverRan,
            attempt: 1,
            threads: 1,
            cost,
        };
        let mut eta = Eta::default();
        eta.note(&Event::Opened { tasks: 4, cost: 100.0 });
        eta.note(&Event::Cached { label: "c".into(), key, cost: 20.0 });
        eta.note(&start("a", 10.0));
        assert_eq!(eta.seconds(5.0), None);
        let artifact = Digest::of(b"");
        eta.note(&Event::Finished {
            label: "a".into(),
            kind: kind.clone(),
            key,
            artifact,
            seconds: 5.0,
            cost: 10.0,
        });
        assert_eq!(eta.seconds(5.0), Some(35.0));
        eta.note(&start("b", 20.0));
        let progress = Progress { done: 1, total: 2, ..Progress::default() };
        eta.note(&Event::Progress { label: "b".into(), progress });
        assert_eq!(eta.seconds(10.0), Some(30.0));
    }
}
