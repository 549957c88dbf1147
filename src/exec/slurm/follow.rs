//! What becomes of tasks in the queue: asking it, and what is concluded.

use std::sync::mpsc::{TryRecvError, channel};
use std::time::{Duration, Instant};

use super::array::Array;
use super::client::{self, Row};
use super::state::{State, is_held, is_stuck, word};
use super::{End, ExecError, Member, Note, Slurm, Submitted, TaskId};
use crate::exec::protocol::{Cause, Message};

/// How many answers of the queue have to leave a task out until it is lost: finished elements go one
/// by one some minutes after their end.
const MISSING: u32 = 2;

/// What is to be done with a task.
enum Verdict {
    Wait,
    End(End),
    /// Submit it again. The words say why, where that counts against it.
    Again(Option<String>),
}

impl Slurm {
    /// Asks the queue when it is time to, in the background: a controller that is away answers after
    /// a minute. Whether an answer came.
    pub(super) fn ask(&mut self) -> bool {
        let names: Vec<String> = self.names();
        let Some((began, answer)) = &self.poll.asked else {
            if !names.is_empty() && Instant::now() >= self.poll.next {
                let (sender, receiver) = channel();
                std::thread::spawn(move || sender.send(client::query(&names)));
                self.poll.asked = Some((Instant::now(), receiver));
            }
            return false;
        };
        let (began, answer) = match answer.try_recv() {
            Ok(answer) => (*began, answer),
            Err(TryRecvError::Empty) => return false,
            Err(TryRecvError::Disconnected) => (*began, Err("squeue was not run".to_owned())),
        };
        self.poll.asked = None;
        let changed = match answer {
            Ok(rows) => self.heed(began, rows),
            Err(words) => {
                self.remark_once(format!("the queue cannot be asked, and is asked again: {words}"));
                false
            }
        };
        let (least, most) = (self.poll_least(), self.poll_most());
        self.poll.pause = if changed { least } else { longer(self.poll.pause, most) };
        self.poll.next = Instant::now() + self.poll.pause;
        true
    }

    /// Takes in an answer to a question asked at `began`. Whether anything has changed.
    fn heed(&mut self, began: Instant, rows: Vec<Row>) -> bool {
        let mut changed = false;
        let mut found: std::collections::HashMap<(String, u32), Row> =
            rows.into_iter().map(|row| ((row.name.clone(), row.element), row)).collect();
        self.settle_doubts(began, |name| found.keys().any(|(found, _)| found == name));
        let mut stuck = Vec::new();
        for member in self.members.values_mut() {
            let doubtful = self
                .arrays
                .get(&member.array)
                .is_some_and(|entry| matches!(entry.submission, Submitted::Doubtful(..)));
            // The question may have been asked before it was in the queue.
            if doubtful || member.since >= began {
                continue;
            }
            let row = found.remove(&(member.array.clone(), member.element));
            member.missing = if row.is_some() { 0 } else { member.missing + 1 };
            let state = |row: &Option<Row>| row.as_ref().map(|row| row.state.clone());
            changed |= state(&row) != state(&member.row);
            stuck.extend(
                row.as_ref().filter(|row| row.state == "PENDING" && is_stuck(&row.reason)).cloned(),
            );
            if let Some(row) = &row
                && State::of(&row.state) == State::Unknown
            {
                let text = format!("the queue says {}, which is taken for active", row.state);
                if self.said.insert(text.clone()) {
                    self.remarks.push(text);
                }
            }
            // What was said last is of use where a job isn't listed any more.
            member.row = row.or(member.row.take());
        }
        for Row { job, name, reason, .. } in stuck {
            self.remark_once(format!("the queue lets tasks of job {job} ({name}) wait: {reason}"));
        }
        changed
    }

    /// Decides about arrays whose submission failed: the queue has them all the same, or they are
    /// submitted again, or refused.
    fn settle_doubts(&mut self, began: Instant, is_there: impl Fn(&str) -> bool) {
        let live = self.arrays.values().filter(|entry| matches!(entry.submission, Submitted::Yes));
        let others = live.count() > 0;
        let mut again: Vec<(Array, String)> = Vec::new();
        for (name, entry) in &mut self.arrays {
            let Submitted::Doubtful(since, words) = &entry.submission else { continue };
            if is_there(name) {
                entry.submission = Submitted::Yes;
            } else if *since < began && may_pass(words, others) {
                again.push((entry.array.clone(), words.clone()));
            } else if *since < began {
                entry.submission = Submitted::Refused(words.clone());
            }
        }
        for (array, words) in again {
            self.remark_once(format!("an array is submitted again: {words}"));
            let submission = self.sbatch(&array);
            for member in
                self.members.values_mut().filter(|member| member.array == array.record.name)
            {
                member.since = Instant::now();
            }
            if let Some(entry) = self.arrays.get_mut(&array.record.name) {
                entry.submission = submission;
            }
        }
    }

    /// Tells of a task what there is to tell, and does what is to be done.
    pub(super) fn follow(&mut self, id: TaskId, notes: &mut Vec<Note>) -> Result<(), ExecError> {
        let Some(member) = self.members.get_mut(&id) else { return Ok(()) };
        // Of tasks that wait there is nothing to be heard, and they are many.
        let waits = member.row.as_ref().is_none_or(|row| row.state == "PENDING");
        let told = match waits && member.missing == 0 && member.listener.attempt().is_none() {
            true => Vec::new(),
            false => member.listener.listen(),
        };
        for message in told {
            notes.extend(match message {
                Message::Began { attempt, .. } => Some(Note::Began { id, attempt }),
                Message::Progress(progress) => Some(Note::Told(id, progress)),
                _ => None,
            });
        }
        let ended = member.listener.end().is_some();
        let news = ended && !std::mem::replace(&mut member.heard_end, ended);
        if news {
            self.hurry();
        }
        match self.verdict(id) {
            Verdict::Wait => Ok(()),
            Verdict::End(end) => {
                let log = self.log(id, matches!(end, End::Failed(..)));
                self.leave(id);
                notes.push(Note::Ended { id, end, log });
                Ok(())
            }
            Verdict::Again(why) => self.again(id, why, notes),
        }
    }

    fn again(
        &mut self,
        id: TaskId,
        why: Option<String>,
        notes: &mut Vec<Note>,
    ) -> Result<(), ExecError> {
        let log = self.log(id, true);
        let Some(member) = self.leave(id) else { return Ok(()) };
        if let Some(row) = member.row.as_ref().filter(|row| is_held(&row.state, &row.reason))
            && let Err(words) = client::cancel_element(row)
        {
            self.remark_once(format!("a job that is held cannot be cancelled: {words}"));
        }
        let order = member.listener.submission.order()?;
        // Should its worker come back from the dead, it ends; what it has published counts.
        member.listener.submission.cancel();
        let mut end = None;
        if self.withdrawn {
            end = Some(End::Withdrawn);
        } else if let Some(why) = why {
            let lost = self.lost.entry(id).or_default();
            *lost += 1;
            if *lost > self.profile.retries {
                let error = format!("{why}; it was submitted {lost} times");
                end = Some(End::Failed(Cause::Step, error));
            } else {
                let (label, most) = (&order.job.label, self.profile.retries);
                let text = format!("{label}: {why}; it is submitted again ({lost} of {most})");
                notes.push(Note::Remark(text));
            }
        }
        match end {
            Some(end) => notes.push(Note::Ended { id, end, log }),
            None => self.waiting.entry(order.job.kind.clone()).or_default().push((id, order)),
        }
        Ok(())
    }

    fn verdict(&mut self, id: TaskId) -> Verdict {
        let grace = Duration::from_secs_f64(self.profile.grace_seconds);
        let member = self.members.get_mut(&id).expect("asked about what is in the queue");
        let told = member.listener.end();
        if told == Some(&Message::Done) {
            return Verdict::End(End::Done);
        }
        let entry = self.arrays.get(&member.array);
        if let Some(Submitted::Refused(words)) = entry.map(|entry| &entry.submission) {
            return failed(format!("it was not submitted: {words}"));
        }
        let state = member.state();
        let over = match state {
            None | Some(State::Active | State::Unknown) => member.is_gone(),
            Some(_) => member.missing == 0 || member.is_gone(),
        };
        if !over {
            member.over = None;
            return Verdict::Wait;
        }
        let since = *member.over.get_or_insert_with(Instant::now);
        match told {
            Some(Message::Failed { cause, error }) => {
                Verdict::End(End::Failed(*cause, error.clone()))
            }
            // The script's own way back into the queue was barred.
            Some(Message::Stopped) => Verdict::Again(None),
            _ if self.withdrawn && (member.is_gone() || state == Some(State::Cancelled)) => {
                Verdict::End(End::Withdrawn)
            }
            _ if state == Some(State::Lost) => {
                let row = member.row.as_ref().filter(|row| is_held(&row.state, &row.reason));
                let why = row.map_or(member.word(), |row| &row.reason);
                Verdict::Again(Some(format!("its job was lost ({why})")))
            }
            // Files of other machines may take a while to be seen here.
            _ if since.elapsed() < grace => Verdict::Wait,
            _ => member.ended_silently(),
        }
    }
}

impl Member {
    fn state(&self) -> Option<State> {
        self.row.as_ref().map(|row| match is_held(&row.state, &row.reason) {
            true => State::Lost,
            false => State::of(&row.state),
        })
    }

    /// The word of the queue for its state.
    fn word(&self) -> &str {
        self.row.as_ref().map_or("", |row| word(&row.state))
    }

    /// Whether the queue does not list it any more.
    fn is_gone(&self) -> bool {
        self.missing >= MISSING
    }

    /// Of a task whose job is over while no worker has said how it ended.
    fn ended_silently(&self) -> Verdict {
        let (said, has_kept) = (self.word(), self.listener.has_kept());
        match self.state() {
            // Where it ended before this run, that is to try anew.
            _ if self.adopted => Verdict::Again(None),
            None | Some(State::Active | State::Unknown | State::Lost) => {
                Verdict::Again(Some("the queue does not know its job any more".to_owned()))
            }
            Some(State::Completed) => {
                failed("its job ended well, but the worker said nothing of a result".to_owned())
            }
            Some(State::Cancelled) => failed("its job was cancelled in the queue".to_owned()),
            Some(State::Failed) if said == "TIMEOUT" && has_kept => {
                Verdict::Again(Some("its time was over (TIMEOUT)".to_owned()))
            }
            Some(State::Failed) if said == "TIMEOUT" => failed(
                "its time was over (TIMEOUT) before it kept anything: it needs more `time`".into(),
            ),
            Some(State::Failed) if self.listener.attempt().is_some() => {
                failed(format!("its job ended ({said}) without a word of its worker"))
            }
            Some(State::Failed) => {
                let reason = self.row.as_ref().map_or("", |row| &row.reason);
                failed(format!("its job ended ({said}, {reason}) before a worker began"))
            }
        }
    }
}

/// The pause after one in which nothing has changed.
fn longer(pause: Duration, most: Duration) -> Duration {
    pause.mul_f64(1.5).min(most)
}

fn failed(error: String) -> Verdict {
    Verdict::End(End::Failed(Cause::Step, error))
}

/// Whether what kept an array from being submitted may pass: the controller is away, or there are
/// limits to how much may be in the queue and `others` are.
fn may_pass(words: &str, others: bool) -> bool {
    const AWAY: [&str; 9] = [
        "Unable to contact",
        "timed out",
        "onnection refused",
        "onnection failure",
        "onnection reset",
        "emporarily",
        "ry again",
        "Zero Bytes",
        "currently disabled",
    ];
    const LIMITS: [&str; 4] = ["QOS", "Assoc", "ubmit limit", "accounting"];
    AWAY.iter().any(|part| words.contains(part))
        || others && LIMITS.iter().any(|part| words.contains(part))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{longer, may_pass};

    /// A day of waiting is some thousand questions, and not 86,400.
    #[test]
    fn a_queue_that_does_not_change_is_asked_less_and_less_often() {
        let most = Duration::from_secs(30);
        let (mut pause, mut time, mut questions) = (Duration::from_secs(1), Duration::ZERO, 0);
        while time < Duration::from_secs(86_400) {
            time += pause;
            questions += 1;
            pause = longer(pause, most);
        }
        assert!(pause == most && questions < 3_000, "{questions}");
    }

    #[test]
    fn a_refusal_is_told_from_a_controller_that_is_away() {
        for (words, others, passes) in [
            ("Unable to contact slurm controller (connect failure)", false, true),
            ("Batch job submission failed: Socket timed out on send/recv operation", false, true),
            ("invalid partition specified: gpu", true, false),
            (
                "Batch job submission failed: Requested node configuration is not available",
                true,
                false,
            ),
            ("Batch job submission failed: Job violates accounting/QOS policy", true, true),
            ("Batch job submission failed: Job violates accounting/QOS policy", false, false),
        ] {
            assert_eq!(may_pass(words, others), passes, "{words}, {others}");
        }
    }
}
