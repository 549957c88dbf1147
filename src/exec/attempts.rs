//! Attempts at a task: how many there were, what one leaves to the next, and those made elsewhere
//! than on the coordinator's machine, which order, tell and are cancelled through files.
//!
//! ```text
//! work/<key>/                       the task's; attempts on the coordinator's machine use it itself
//! work/<key>/<submission>/          what was handed to a cluster or a command once
//!   order.json                      frozen
//!   cancelled                       made by the coordinator: a worker that sees it ends
//!   <n>/                            an attempt: whoever makes the folder owns the number, so that a
//!                                   worker back from the dead meets no other one
//!     messages                      JSON lines, the worker's
//!     log, lock, checkpoint, spent  as in the task's own folder
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::exec::protocol::{Message, Order};
use crate::exec::{ExecError, log};
use crate::id::Key;
use crate::regular;
use crate::replace::replace;

const ORDER: &str = "order.json";
const CANCELLED: &str = "cancelled";
const MESSAGES: &str = "messages";
/// What an attempt leaves to the next one at the same key.
const KEPT: [&str; 2] = ["checkpoint", "spent"];

/// One more than the attempts at this key that did not finish; notes it beside the log, with the
/// key, so that another task's note counts as none.
pub(super) fn count_attempt(work: &Path, key: Key) -> Result<u32, ExecError> {
    let path = work.join("attempt");
    let noted = regular::read_text(&path, 1 << 16).unwrap_or_default();
    let earlier = noted
        .strip_prefix(&format!("{key} "))
        .and_then(|count| count.trim().parse::<u32>().ok())
        .unwrap_or(0);
    let count = earlier.saturating_add(1);
    replace(&path, format!("{key} {count}\n").as_bytes())
        .map_err(|source| ExecError::io("count attempts in", &path, source))?;
    Ok(count)
}

/// Moves what the last attempt of any submission kept into `own`, where it is newer than what is
/// there. What older ones kept goes. An attempt that goes on meanwhile keeps anew.
pub(super) fn inherit(task: &Path, own: &Path) {
    let attempts: Vec<PathBuf> =
        submissions(task).iter().flat_map(|submission| submission.attempts()).collect();
    for name in KEPT {
        let age = |folder: &Path| {
            fs::metadata(folder.join(name)).and_then(|metadata| metadata.modified()).ok()
        };
        let all = attempts.iter().map(PathBuf::as_path).chain([task]).filter(|path| *path != own);
        let mut found: Vec<(SystemTime, &Path)> =
            all.filter_map(|path| Some((age(path)?, path))).collect();
        found.sort();
        let newest = found.pop();
        for (_, older) in found {
            let _ = fs::remove_file(older.join(name));
        }
        if let Some((time, folder)) = newest
            && age(own).is_none_or(|held| held < time)
        {
            // Without it the attempt starts from nothing, which costs time and no result.
            let _ = fs::rename(folder.join(name), own.join(name));
        }
    }
}

/// Removes what only an unfinished attempt needs.
pub(super) fn drop_kept(own: &Path) {
    for name in KEPT {
        let _ = fs::remove_file(own.join(name));
    }
}

/// The submissions in a task's folder, oldest first.
pub(super) fn submissions(task: &Path) -> Vec<Submission> {
    let mut found: Vec<(SystemTime, Submission)> = fs::read_dir(task)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let submission = Submission::at(entry.ok()?.path());
            let made = fs::metadata(submission.order_file()).ok()?.modified().ok()?;
            Some((made, submission))
        })
        .collect();
    found.sort_by(|one, other| (one.0, &one.1.folder).cmp(&(other.0, &other.1.folder)));
    found.into_iter().map(|(_, submission)| submission).collect()
}

/// A task handed over once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Submission {
    folder: PathBuf,
}

impl Submission {
    /// Freezes `order`, whose job has the task's folder, as a submission called `name`.
    pub fn create(order: &Order, name: &str) -> Result<Self, ExecError> {
        let submission = Self::at(order.job.work.join(name));
        let folder = &submission.folder;
        fs::create_dir(folder)
            .map_err(|source| ExecError::io("make the folder", folder, source))?;
        let path = submission.order_file();
        let bytes = serde_json::to_vec(order).expect("an order is plain JSON");
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o444)
            .open(&path)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
        written.map_err(|source| ExecError::io("write the order", &path, source))?;
        Ok(submission)
    }

    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn order_file(&self) -> PathBuf {
        self.folder.join(ORDER)
    }

    pub fn order(&self) -> Result<Order, ExecError> {
        let path = self.order_file();
        let bytes = regular::read(&path)
            .map_err(|source| ExecError::io("read the order", &path, source))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| ExecError::io("read the order", &path, io::Error::other(error)))
    }

    /// Tells every worker of it to end, and none to begin.
    pub fn cancel(&self) {
        // Where this fails the worker goes on, which costs time and no result.
        let _ = File::create(self.folder.join(CANCELLED));
    }

    /// Whether there is nobody to work for any more: it was cancelled, or the task is done and its
    /// folder gone.
    pub fn is_over(&self) -> bool {
        let gone =
            fs::metadata(&self.folder).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        gone || self.folder.join(CANCELLED).exists()
    }

    /// Makes the folder of one more attempt, which is this caller's alone.
    pub fn begin(&self) -> Result<PathBuf, ExecError> {
        for number in 0_u32.. {
            let folder = self.folder.join(number.to_string());
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(ExecError::io("make the folder", &folder, error)),
            }
        }
        unreachable!("numbers do not run out")
    }

    /// The folders of its attempts, in their order.
    pub fn attempts(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(&self.folder).into_iter().flatten();
        let numbers = folders.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.sort();
        numbers.into_iter().map(|number| self.folder.join(number.to_string())).collect()
    }
}

/// The file of an attempt that its worker tells in, to be added to.
pub(super) fn open_messages(attempt: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(attempt.join(MESSAGES))
}

/// Reads what the attempts of a submission tell.
#[derive(Debug)]
pub(super) struct Listener {
    pub submission: Submission,
    heard: BTreeMap<PathBuf, Heard>,
    /// The attempt that is listened to.
    last: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Heard {
    bytes: u64,
    end: Option<Message>,
}

impl Listener {
    pub fn new(submission: Submission) -> Self {
        Self { submission, heard: BTreeMap::new(), last: None }
    }

    /// What the last attempt has told since, but for its end. What others told is only taken note
    /// of.
    pub fn listen(&mut self) -> Vec<Message> {
        let attempts = self.submission.attempts();
        self.last = attempts.last().cloned();
        let mut told = Vec::new();
        for attempt in attempts {
            let heard = self.heard.entry(attempt.clone()).or_default();
            for message in read_from(&attempt.join(MESSAGES), &mut heard.bytes).unwrap_or_default()
            {
                match message {
                    Message::Began { .. } | Message::Progress(_) => {
                        if self.last.as_ref() == Some(&attempt) {
                            told.push(message);
                        }
                    }
                    end => heard.end = Some(end),
                }
            }
        }
        told
    }

    /// How its last attempt ended, as far as was heard; or that an earlier one is done.
    pub fn end(&self) -> Option<&Message> {
        let done = self.heard.values().filter_map(|heard| heard.end.as_ref());
        let done = done.into_iter().find(|end| **end == Message::Done);
        done.or_else(|| self.heard.get(self.last.as_ref()?)?.end.as_ref())
    }

    /// The last attempt's folder.
    pub fn attempt(&self) -> Option<&Path> {
        self.last.as_deref()
    }

    /// Whether the last attempt has left something to go on from.
    pub fn has_kept(&self) -> bool {
        self.last.as_ref().is_some_and(|folder| folder.join(KEPT[0]).exists())
    }

    /// The last attempt's log.
    pub fn log(&self) -> Option<PathBuf> {
        self.last.as_ref().map(|folder| folder.join(log::NAME))
    }
}

/// The messages in a file after the first `read` bytes, which grow by the whole lines there are.
fn read_from(path: &Path, read: &mut u64) -> io::Result<Vec<Message>> {
    let mut file = regular::open(path)?;
    file.seek(SeekFrom::Start(*read))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    *read += whole as u64;
    // A line that is no message is a step's stray print.
    let lines = bytes[..whole].split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_for_their_own_key() {
        let folder = tempfile::tempdir().unwrap();
        let [key, other] = [Key::of(b"task"), Key::of(b"another")];
        let counts = [key, key, other, key].map(|key| count_attempt(folder.path(), key).unwrap());
        assert_eq!(counts, [1, 2, 1, 1]);
    }

    /// A submission with attempts that told this.
    fn submission(attempts: &[&[Message]]) -> (tempfile::TempDir, Submission) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("s")).unwrap();
        let submission = Submission::at(folder.path().join("s"));
        fs::write(submission.order_file(), "{}").unwrap();
        for messages in attempts {
            let attempt = submission.begin().unwrap();
            for message in *messages {
                tell(&attempt, message);
            }
        }
        (folder, submission)
    }

    fn tell(attempt: &Path, message: &Message) {
        let mut line = serde_json::to_vec(message).unwrap();
        line.push(b'\n');
        open_messages(attempt).unwrap().write_all(&line).unwrap();
    }

    fn began(attempt: u32) -> Message {
        Message::Began { attempt, host: "n1".into() }
    }

    #[test]
    fn the_last_attempt_is_heard_and_any_that_is_done() {
        use Message::{Done, Stopped};
        for (attempts, end) in [
            (&[][..], None),
            (&[&[began(1)][..]], None),
            (&[&[began(1), Stopped]], Some(Stopped)),
            (&[&[began(1), Stopped], &[began(2)]], None),
            // The first came back from the dead.
            (&[&[began(1), Done], &[began(2)]], Some(Done)),
            (&[&[began(1)], &[began(2), Done]], Some(Done)),
        ] {
            let (_folder, submission) = submission(attempts);
            let mut listener = Listener::new(submission);
            let told = listener.listen();
            assert_eq!(listener.end(), end.as_ref(), "{attempts:?}");
            let last = attempts.len().checked_sub(1).map(|last| began(last as u32 + 1));
            assert_eq!(told, Vec::from_iter(last), "{attempts:?}");
            assert_eq!(listener.listen(), [], "nothing is told twice");
        }
    }

    #[test]
    fn half_a_line_waits_for_its_end() {
        let (_folder, submission) = submission(&[&[]]);
        let attempt = submission.attempts().pop().unwrap();
        let mut listener = Listener::new(submission);
        open_messages(&attempt).unwrap().write_all(b"stray print\n\"do").unwrap();
        listener.listen();
        assert_eq!(listener.end(), None);
        open_messages(&attempt).unwrap().write_all(b"ne\"\n").unwrap();
        listener.listen();
        assert_eq!(listener.end(), Some(&Message::Done));
    }

    #[test]
    fn the_newest_of_what_was_kept_is_inherited_and_the_rest_goes() {
        let (folder, submission) = submission(&[&[], &[]]);
        let attempts = submission.attempts();
        let keep = |folder: &Path, text: &str, age: u64| {
            let path = folder.join("checkpoint");
            fs::write(&path, text).unwrap();
            let time = SystemTime::now() - std::time::Duration::from_secs(age);
            File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
        };
        keep(&attempts[0], "newest", 5);
        keep(&attempts[1], "older", 10);
        keep(folder.path(), "oldest", 20);
        let own = submission.begin().unwrap();
        inherit(folder.path(), &own);
        assert_eq!(fs::read_to_string(own.join("checkpoint")).unwrap(), "newest");
        for old in [attempts[0].as_path(), &attempts[1], folder.path()] {
            assert!(!old.join("checkpoint").exists(), "{}", old.display());
        }
        // An attempt here, in the task's own folder, goes on from one elsewhere.
        inherit(folder.path(), folder.path());
        assert_eq!(fs::read_to_string(folder.path().join("checkpoint")).unwrap(), "newest");
    }

    #[test]
    fn a_submission_is_over_when_it_is_cancelled_or_its_folder_is_gone() {
        let (folder, submission) = submission(&[]);
        assert!(!submission.is_over());
        submission.cancel();
        assert!(submission.is_over());
        drop(folder);
        assert!(submission.is_over());
    }
}
