//! The store: content-addressed artifacts with their receipts, found through an index that can be
//! rebuilt at any time.
//!
//! May import `id`, `regular`, `replace` and `wording`. Knows no machine learning. The coordinator alone opens [`Store`];
//! workers use [`Objects`] and [`Inbox`]. Layout of the folder:
//!
//! ```text
//! format          name and version
//! lock            held by the process that has the index open
//! objects/ab/...  blobs named by digest that anyone may have made: outputs, artifact lists, logs
//! receipts/ab/... receipts and records of divergences, named by digest; the coordinator alone writes here
//! index/          sled; derived from receipts/
//! inbox/          receipts that workers published
//! work/<key>/     running attempts
//! slurm/          arrays of jobs that `exec` has submitted
//! runs/           a small JSON a run
//! tmp/            files on their way into objects/ or inbox/
//! quarantine/     what did not match its digest
//! elsewhere/      notes: the output of a receipt here that lies in a shared store or an archive
//! ```

mod artifact;
mod elsewhere;
mod error;
mod files;
mod format;
mod gc;
mod holder;
mod inbox;
mod index;
mod integrity;
mod lock;
mod objects;
mod open;
mod opening;
mod published;
mod receipt;
mod results;
mod runs;
mod scratch;
#[cfg(test)]
pub(crate) mod tests;
mod transfer;
mod work;

use std::sync::Mutex;

pub use artifact::{Artifact, Entry};
pub(crate) use error::is_of_the_disk;
pub use error::{Result, StoreError};
pub use gc::{Dropped, GcReport};
pub use holder::{Holder, host_name};
pub use inbox::Inbox;
pub use integrity::{BlobState, Damage, Integrity, VerifyReport};
pub use objects::{Objects, Stamp};
pub use opening::{Collected, IndexState, Opening};
pub use published::{Divergence, Finished, Published};
pub use receipt::{Cost, Origin, Receipt, Refusal};
pub use runs::Runs;
pub use transfer::Exported;
pub use work::Attempt;

/// A store opened for reading and writing by the one process that may.
pub struct Store {
    objects: Objects,
    receipts: Objects,
    inbox: Inbox,
    index: index::Index,
    opening: Opening,
    /// Publishing reads before it writes.
    publishing: Mutex<()>,
    /// The folder that was opened, by device and inode.
    identity: (u64, u64),
    _lock: lock::Lock,
    /// The folder of a store that lasts as long as a command; removed with it.
    _aside: Option<Aside>,
}

/// A folder for a store that lasts as long as a command.
enum Aside {
    /// In the system's folder for temporary files.
    Temporary { _folder: tempfile::TempDir },
    /// Among the temporary files of another store.
    Within { _folder: scratch::Scratch },
}
