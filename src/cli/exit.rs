//! Exit codes, and which error means which.

use std::io;
use std::process::ExitCode;

use crate::archive::ArchiveError;
use crate::exec::{ExecError, Stop};
use crate::hub::HubError;
use crate::remote::{ExchangeError, RemoteError};
use crate::store::{StoreError, is_of_the_disk};

/// How the program ends; the table is in `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    Done = 0,
    TaskFailed = 1,
    Study = 2,
    Store = 3,
    Io = 4,
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// The code of a run that ended so, `failed` tasks having failed.
    pub fn of_run(stop: Stop, failed: usize) -> Self {
        match stop {
            Stop::Interrupted => Self::Interrupted,
            Stop::NoSpace => Self::Io,
            Stop::LostInput => Self::Store,
            Stop::Finished if failed > 0 => Self::TaskFailed,
            Stop::Finished => Self::Done,
        }
    }

    /// The code of an error by the first cause that has one; a study's or the user's fault where
    /// none has.
    pub fn of_error(error: &anyhow::Error) -> Self {
        error.chain().find_map(of_cause).unwrap_or(Self::Study)
    }
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if let Some(ExecError::Store(error)) = cause.downcast_ref() {
        return Some(of_store_error(error));
    }
    if let Some(error) = cause.downcast_ref::<StoreError>() {
        return Some(of_store_error(error));
    }
    if let Some(error) = cause.downcast_ref::<HubError>() {
        let moved = matches!(
            error,
            HubError::Transfer { .. }
                | HubError::Digest { .. }
                | HubError::Listing { .. }
                | HubError::Refused { .. }
                | HubError::Io { .. }
        );
        return Some(if moved { Exit::Io } else { Exit::Study });
    }
    if let Some(error) = cause.downcast_ref::<RemoteError>() {
        return Some(of_remote_error(error));
    }
    if let Some(ExchangeError::Store(error)) = cause.downcast_ref() {
        return Some(of_store_error(error));
    }
    if let Some(ExchangeError::Remote(error)) = cause.downcast_ref() {
        return Some(of_remote_error(error));
    }
    if let Some(error) = cause.downcast_ref::<ArchiveError>() {
        return Some(match error {
            ArchiveError::Refused { .. } => Exit::Store,
            ArchiveError::Io { source, .. } => of_io_error(source),
            ArchiveError::Store(error) => of_store_error(error),
            _ => Exit::Study,
        });
    }
    if let Some(crate::study::StudyError::Read { source, .. }) = cause.downcast_ref() {
        // What is no file, or none that may be read, is one that should not have been named.
        return Some(if is_of_the_disk(source) { Exit::Io } else { Exit::Study });
    }
    cause.downcast_ref().map(of_io_error)
}

/// A file that is not there is one that the study should not have named.
fn of_io_error(error: &io::Error) -> Exit {
    if error.kind() == io::ErrorKind::NotFound { Exit::Study } else { Exit::Io }
}

fn of_remote_error(error: &RemoteError) -> Exit {
    match error {
        RemoteError::Transfer { .. } => Exit::Io,
        RemoteError::Io { source, .. } => of_io_error(source),
        RemoteError::Receipt { .. } | RemoteError::Object { .. } => Exit::Store,
        _ => Exit::Study,
    }
}

fn of_store_error(error: &StoreError) -> Exit {
    match error {
        StoreError::Io { source, .. } => of_io_error(source),
        StoreError::NoSpace { .. } | StoreError::Disk { .. } => Exit::Io,
        _ => Exit::Store,
    }
}
