//! The worker side: one process, one attempt at one task. It reads its [`Order`] from stdin, tells
//! its progress on stdout, logs to stderr, puts the outputs among the objects and, last of all, the
//! receipt into the inbox. Elsewhere than on the coordinator's machine these three are files.

use std::any::Any;
use std::error::Error;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use signal_hook::consts::{SIGTERM, SIGUSR2};
use signal_hook::flag;

use crate::exec::attempts::{Submission, drop_kept, inherit};
use crate::exec::protocol::{Cause, Commit, Message, Order, STOPPED};
use crate::exec::spent::{Meter, Spent};
use crate::exec::{log, machine};
use crate::plan::Job;
use crate::plan::Progress;
use crate::regular;
use crate::store::{
    Artifact, Attempt, Cost, Inbox, Objects, Origin, Receipt, StoreError, host_name,
};
use crate::wording::causes;

/// Named outputs of a step.
pub type Outputs = Vec<(String, Vec<u8>)>;

/// Why a step failed. A [`StoreError`] anywhere in its chain of sources is recognised.
pub type StepError = Box<dyn Error + Send + Sync>;

/// The code that runs the task of any kind: reads inputs, reports progress, returns the outputs.
pub type Run = fn(&Job, &Objects, &mut dyn FnMut(Progress)) -> Result<Outputs, StepError>;

/// Progress is told at most this often, but for the last of a step.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// And so often where it goes to a file that other machines read.
const PROGRESS_ELSEWHERE_EVERY: Duration = Duration::from_secs(5);
/// How often a worker elsewhere looks whether there is somebody to work for.
const LOOK_UP_EVERY: Duration = Duration::from_secs(1);

/// Runs the task ordered on stdin with the store at `root`. The exit code is 0, that of its cause,
/// or 75 for an attempt that ended on request.
pub fn serve(root: &Path, run: Run) -> ExitCode {
    note_panics();
    let failure = match read_order().and_then(|order| attempt(&order, root, run)) {
        Ok(Ending::Done) => {
            tell(&Message::Done);
            return ExitCode::SUCCESS;
        }
        Ok(Ending::Stopped) => {
            let _ =
                writeln!(io::stderr(), "the attempt was asked to end; what it has so far is kept");
            tell(&Message::Stopped);
            return ExitCode::from(STOPPED);
        }
        Err(failure) => failure,
    };
    let cause = cause_of(&*failure);
    let _ = writeln!(io::stderr(), "error: {}", causes(&*failure));
    tell(&Message::Failed { cause, error: causes(&*failure) });
    ExitCode::from(cause.exit_code())
}

/// How an attempt ends that does not fail.
enum Ending {
    Done,
    Stopped,
}

fn read_order() -> Result<Order, StepError> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let order: Order =
        serde_json::from_str(&text).map_err(|error| format!("no order on stdin: {error}"))?;
    match order.coordinator {
        Some(coordinator) => end_with_parent(coordinator)?,
        None => live_alone(&order.job)?,
    }
    Ok(order)
}

/// Makes this process die with its coordinator, however that ends.
fn end_with_parent(coordinator: u32) -> Result<(), StepError> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // The coordinator may have ended before the line above took effect.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    match parent == i32::try_from(coordinator).ok() {
        true => Ok(()),
        false => Err("the coordinator is gone".into()),
    }
}

/// Makes this process, which no coordinator watches, end early when it is asked to, and when there
/// is nobody to work for.
fn live_alone(job: &Job) -> Result<(), StepError> {
    // Ahead of a time limit or of being preempted. The second time SIGTERM means it.
    flag::register_conditional_shutdown(SIGTERM, 128 + SIGTERM, job.halt.asked.clone())?;
    for signal in [SIGUSR2, SIGTERM] {
        flag::register(signal, job.halt.asked.clone())?;
    }
    let folder = job.work.parent().ok_or("the attempt's folder is in no other")?;
    let submission = Submission::at(folder.to_owned());
    std::thread::spawn(move || {
        while !submission.is_over() {
            std::thread::sleep(LOOK_UP_EVERY);
        }
        let _ = writeln!(io::stderr(), "the task was cancelled, or another attempt has done it");
        std::process::exit(i32::from(Cause::Step.exit_code()));
    });
    tell(&Message::Began { attempt: job.attempt, host: host_name() });
    Ok(())
}

fn attempt(order: &Order, root: &Path, run: Run) -> Result<Ending, StepError> {
    let (job, is_child) = (&order.job, order.coordinator.is_some());
    let claim = if is_child {
        claim(|| Attempt::claim(root, &job.key))
    } else {
        claim(|| Attempt::claim_folder(job.work.clone(), &job.key))
    }?;
    inherit(&root.join("work").join(job.key.to_string()), &job.work);
    let objects = Objects::open(root)?;
    let (started_unix_ms, meter) = (unix_ms(), Meter::start(claim.folder(), job.key));
    let mut last = None::<Instant>;
    let every = if is_child { PROGRESS_EVERY } else { PROGRESS_ELSEWHERE_EVERY };
    let mut progress = |progress: Progress| {
        let ended = progress.total > 0 && progress.done >= progress.total;
        if ended || last.is_none_or(|last| last.elapsed() >= every) {
            last = Some(Instant::now());
            tell(&Message::Progress(progress));
        }
    };
    // On one of the threads that share its work: from any other, each parallel loop would begin
    // with waking one and end with waiting.
    let in_pool = || rayon::scope(|_| run(job, &objects, &mut progress));
    let outputs =
        catch_unwind(AssertUnwindSafe(in_pool)).unwrap_or_else(|panic| Err(panicked(&*panic)));
    let outputs = match outputs {
        Err(_) if job.halt.was_heeded() => return Ok(Ending::Stopped),
        outputs => outputs?,
    };
    let output = objects.put_artifact(outputs)?;
    let log = regular::read(&job.work.join(log::NAME)).ok().filter(|log| !log.is_empty());
    let log = log.map(|log| objects.put(&log)).transpose()?;
    let Spent { wall_s, cpu_s, peak_memory, .. } = meter.stop();
    let cost = Cost { started_unix_ms, wall_s, cpu_s, peak_memory };
    let receipt = Receipt { log, ..receipt(order, output, cost) };
    Inbox::at(root).publish(&objects, &receipt)?;
    if is_child {
        // What can't be removed goes when the coordinator takes in the result, which is there.
        let _ = claim.clear();
    } else {
        // The coordinator is still to read what this worker tells. It may have taken in the result
        // already, and removed all of this.
        drop_kept(claim.folder());
    }
    Ok(Ending::Done)
}

/// The receipt of an attempt, without its log.
fn receipt(order: &Order, output: Artifact, cost: Cost) -> Receipt {
    let job = &order.job;
    let artifacts = job.inputs.iter().map(|(role, artifact)| (role.clone(), artifact.digest()));
    let files = job.files.iter().flat_map(|(role, files)| {
        files.iter().map(move |file| (format!("{role}/{}", file.name), file.digest))
    });
    Receipt {
        titrate_receipt: Receipt::FORMAT,
        key: job.key,
        manifest: job.manifest.clone(),
        kind: job.kind.clone(),
        version: job.version,
        label: job.label.clone(),
        inputs: artifacts.chain(files).collect(),
        output,
        cost,
        origin: origin(order.commit.as_ref(), &job.device),
        attempt: job.attempt,
        log: None,
    }
}

/// An earlier attempt whose coordinator was killed is dying: it is waited for.
fn claim(claim: impl Fn() -> Result<Attempt, StoreError>) -> Result<Attempt, StoreError> {
    for _ in 0..100 {
        match claim() {
            Err(StoreError::AttemptRunning { .. }) => std::thread::sleep(Duration::from_millis(50)),
            claimed => return claimed,
        }
    }
    claim()
}

fn origin(commit: Option<&Commit>, device: &str) -> Origin {
    Origin {
        host: host_name(),
        cpu: machine::cpu_model(),
        gpu: if device == "cpu" { None } else { machine::gpu_models() },
        toolchain: env!("TITRATE_TOOLCHAIN").into(),
        titrate: env!("CARGO_PKG_VERSION").into(),
        git_commit: commit.map(|commit| commit.name.clone()),
        git_dirty: commit.is_some_and(|commit| commit.dirty),
    }
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Without a coordinator there is nobody to work for; a file that cannot be written is no such sign,
/// but then neither the result can be.
fn tell(message: &Message) {
    let mut line = serde_json::to_vec(message).expect("a message is plain JSON");
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    if stdout.write_all(&line).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(1);
    }
}

/// Where the first panic of this process happened, on whichever thread.
static PANIC_PLACE: OnceLock<String> = OnceLock::new();

/// Keeps the place of a panic, which its payload does not have.
fn note_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(place) = panic.location() {
            let _ = PANIC_PLACE.set(place.to_string());
        }
        print(panic);
    }));
}

fn panicked(panic: &(dyn Any + Send)) -> StepError {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    let place = PANIC_PLACE.get().map_or("an unknown place", String::as_str);
    format!("panicked at {place}: {}", text.unwrap_or("without a message")).into()
}

/// Looks through the error and its sources for what the coordinator can act on.
fn cause_of(error: &(dyn Error + 'static)) -> Cause {
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref::<StoreError>() {
            Some(
                StoreError::Corrupt { digest, .. }
                | StoreError::Missing { digest, .. }
                | StoreError::Unreadable { digest, .. },
            ) => {
                return Cause::Object(*digest);
            }
            Some(StoreError::NoSpace { .. }) => return Cause::Storage,
            _ => {}
        }
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            return Cause::Storage;
        }
        next = error.source();
    }
    Cause::Step
}
