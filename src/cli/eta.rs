//! How long a run has yet to go: for each kind of task, what is left at the rate at which tasks of
//! that kind went.

use std::collections::HashMap;

use crate::cli::units::duration;
use crate::exec::Event;

/// A running task tells its own pace once this part of it is done.
const TELLING: f64 = 0.05;

/// Follows a run's events. Times are seconds since any moment, the same for all.
#[derive(Debug, Default)]
pub(super) struct Eta {
    /// Tasks that may run at once.
    jobs: usize,
    /// Tasks that are neither done nor failed.
    tasks: usize,
    kinds: HashMap<String, Pace>,
    running: HashMap<String, Running>,
}

/// What is known of the tasks of a kind. A cost is what the plan expected, in seconds of one core.
#[derive(Debug, Default)]
struct Pace {
    /// Cost of the tasks that have not started and are not done.
    left: f64,
    /// Cost and seconds of those that went to their end, now or in an earlier run.
    cost: f64,
    seconds: f64,
}

#[derive(Debug)]
struct Running {
    kind: String,
    cost: f64,
    since: f64,
    /// The part that is done, and when that was told.
    part: f64,
    told: f64,
}

impl Eta {
    pub fn note(&mut self, event: &Event, now: f64) {
        match event {
            Event::Opened { tasks, kinds, jobs, .. } => {
                (self.tasks, self.jobs) = (*tasks, *jobs);
                for (kind, cost) in kinds {
                    self.kinds.entry(kind.clone()).or_default().left += cost;
                }
            }
            Event::Cached { kind, cost, seconds, .. } => {
                self.tasks -= self.tasks.min(1);
                let pace = self.kinds.entry(kind.clone()).or_default();
                pace.left -= cost;
                if let Some(seconds) = seconds {
                    pace.learn(*cost, *seconds);
                }
            }
            Event::Started { label, kind, cost, .. } => {
                self.kinds.entry(kind.clone()).or_default().left -= cost;
                let (kind, cost) = (kind.clone(), *cost);
                let running = Running { kind, cost, since: now, part: 0.0, told: now };
                self.running.insert(label.clone(), running);
            }
            Event::Progress { label, progress } if progress.total > 0 => {
                if let Some(running) = self.running.get_mut(label) {
                    running.part = (progress.done as f64 / progress.total as f64).min(1.0);
                    running.told = now;
                }
            }
            Event::Finished { label, kind, cost, seconds, .. } => {
                self.tasks -= self.tasks.min(1);
                self.running.remove(label);
                self.kinds.entry(kind.clone()).or_default().learn(*cost, *seconds);
            }
            Event::Failed { label, .. } => {
                self.tasks -= self.tasks.min(1);
                self.running.remove(label);
            }
            Event::Repairing { label, .. } => {
                if let Some(Running { kind, cost, .. }) = self.running.remove(label) {
                    self.kinds.entry(kind).or_default().left += cost;
                }
            }
            _ => {}
        }
    }

    /// Seconds to go; `None` while no task has told how fast anything goes.
    fn seconds(&self, now: f64) -> Option<f64> {
        let all = self.rate_of(None, now)?;
        // A kind of which nothing has gone takes what the plan expected; where all others take less, the
        // mean of that and their pace. Tasks of fixed cost are no slower because small trainings are.
        let rate = |kind: &str| self.rate_of(Some(kind), now).unwrap_or((all.min(1.0) + 1.0) / 2.0);
        let waiting = self.kinds.iter().map(|(kind, pace)| pace.left.max(0.0) * rate(kind));
        let running = self.running.values().map(|it| {
            let whole = match it.part > TELLING {
                true => (it.told - it.since) / it.part,
                false => it.cost * rate(&it.kind),
            };
            (whole - (now - it.since)).max(0.0)
        });
        let longest = running.clone().fold(0.0, f64::max);
        let at_once = self.jobs.min(self.tasks).max(1) as f64;
        Some(((waiting.sum::<f64>() + running.sum::<f64>()) / at_once).max(longest))
    }

    /// Seconds that tasks of a kind, or of all, took for their cost; of running ones only where none
    /// has ended. None where nothing is known.
    fn rate_of(&self, kind: Option<&str>, now: f64) -> Option<f64> {
        let asked = |of: &str| kind.is_none_or(|kind| kind == of);
        let add = |(cost, seconds): (f64, f64), it: (f64, f64)| (cost + it.0, seconds + it.1);
        let ended = self.kinds.iter().filter(|(of, _)| asked(of));
        let ended = ended.map(|(_, pace)| (pace.cost, pace.seconds)).fold((0.0, 0.0), add);
        let told = self.running.values().filter(|it| it.part > TELLING && asked(&it.kind));
        let told = told.map(|it| (it.cost * it.part, (it.told - it.since).min(now - it.since)));
        let (cost, seconds) = if ended.0 > 0.0 { ended } else { told.fold((0.0, 0.0), add) };
        (cost > 0.0).then_some(seconds / cost)
    }

    /// As words; empty while there is nothing to tell it from.
    pub fn text(&self, now: f64) -> String {
        self.seconds(now)
            .map_or(String::new(), |seconds| format!("about {} left", duration(seconds)))
    }
}

impl Pace {
    fn learn(&mut self, cost: f64, seconds: f64) {
        self.cost += cost;
        self.seconds += seconds;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::id::{Digest, Key};
    use crate::plan::Progress;
    use crate::plan::Reason;

    fn started(label: &str, kind: &str, cost: f64) -> Event {
        let (label, kind, key) = (label.into(), kind.into(), Key::of(b""));
        Event::Started { label, kind, key, reason: Reason::NeverRan, attempt: 1, threads: 1, cost }
    }

    fn finished(label: &str, kind: &str, cost: f64, seconds: f64) -> Event {
        let (label, kind, key) = (label.into(), kind.into(), Key::of(b""));
        Event::Finished { label, kind, key, artifact: Digest::of(b""), seconds, cost }
    }

    /// Plans expect 1 s of each task; those of the first kind take 1 s and of the second 10 s.
    #[test]
    fn each_kind_goes_at_its_own_rate() {
        let mut eta = Eta::default();
        let kinds = BTreeMap::from([("quick".into(), 20.0), ("slow".into(), 20.0)]);
        eta.note(&Event::Opened { tasks: 40, cost: 40.0, kinds, jobs: 2 }, 0.0);
        assert_eq!(eta.seconds(0.0), None);
        let cached = |label: &str, seconds| Event::Cached {
            label: label.into(),
            kind: "slow".into(),
            key: Key::of(b""),
            cost: 1.0,
            seconds,
        };
        eta.note(&cached("a", Some(10.0)), 0.0);
        eta.note(&cached("b", None), 0.0);
        eta.note(&started("c", "quick", 1.0), 0.0);
        eta.note(&finished("c", "quick", 1.0, 1.0), 1.0);
        // 18 tasks of 10 s and 19 of 1 s, two at once.
        assert_eq!(eta.seconds(1.0), Some(99.5));
    }

    /// A kind of which nothing has gone is expected to take what the plan says, although another takes
    /// ten times of it.
    #[test]
    fn what_has_not_gone_is_no_slower_than_planned() {
        let mut eta = Eta::default();
        let kinds = BTreeMap::from([("first".into(), 2.0), ("last".into(), 5.0)]);
        eta.note(&Event::Opened { tasks: 3, cost: 7.0, kinds, jobs: 1 }, 0.0);
        eta.note(&started("a", "first", 1.0), 0.0);
        eta.note(&finished("a", "first", 1.0, 10.0), 10.0);
        assert_eq!(eta.seconds(10.0), Some(15.0));
    }

    #[test]
    fn a_running_task_tells_its_own_pace() {
        let mut eta = Eta::default();
        let kinds = BTreeMap::from([("slow".into(), 30.0)]);
        eta.note(&Event::Opened { tasks: 2, cost: 30.0, kinds, jobs: 2 }, 0.0);
        eta.note(&started("a", "slow", 10.0), 0.0);
        let progress = Progress { done: 1, total: 4, ..Progress::default() };
        eta.note(&Event::Progress { label: "a".into(), progress }, 5.0);
        // 15 s of it are left, and a task of twice the cost takes 40 s.
        assert_eq!(eta.seconds(5.0), Some(27.5));
        eta.note(&started("b", "slow", 20.0), 5.0);
        eta.note(&finished("a", "slow", 10.0, 20.0), 20.0);
        assert_eq!(eta.seconds(20.0), Some(25.0));
        assert_eq!(eta.text(20.0), "about 25 s left");
    }
}
