//! The command line's types for shared stores and archives.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::place::{Folder, Place, Which};
use crate::remote::{Location, PublicKey};

/// Where a shared store is, and whose results are believed.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Shared {
    /// The shared store: file:///folder, s3://bucket/prefix, or https://host/path to read from
    /// [default: the url in titrate.toml]
    #[arg(long, value_name = "URL", env = "TITRATE_REMOTE")]
    pub remote: Option<Location>,
    /// A public key whose results are believed, beside those in titrate.toml; may come often
    #[arg(long = "trust", value_name = "KEY", env = "TITRATE_TRUST", value_delimiter = ',')]
    pub trust: Vec<PublicKey>,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Push {
    #[command(flatten)]
    pub which: Which,
    #[command(flatten)]
    pub shared: Shared,
    /// The file with the key that signs the results [default: the key in titrate.toml]
    #[arg(long, value_name = "FILE", env = "TITRATE_SIGNING_KEY")]
    pub key: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Pull {
    #[command(flatten)]
    pub which: Which,
    #[command(flatten)]
    pub shared: Shared,
    /// Fetch every output, not only what the report and the tasks that would run read
    #[arg(long)]
    pub all: bool,
    /// Fetch the output of this task too; may come often
    #[arg(long, value_name = "LABEL")]
    pub output: Vec<String>,
}

#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Remote {
    #[command(subcommand)]
    pub command: Option<RemoteCommand>,
    #[command(flatten)]
    pub which: Which,
    #[command(flatten)]
    pub shared: Shared,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum RemoteCommand {
    /// Make a key that signs results, in a file that nobody else can read, and print its public
    /// half
    Keygen {
        /// The file to write; must not exist
        file: PathBuf,
    },
    /// Print the public half of a key
    PublicKey {
        /// The file that keygen wrote
        file: PathBuf,
    },
}

#[derive(Clone, Debug, Args)]
pub(super) struct ExportRun {
    /// A name under experiments/, or a path to a study file
    pub study: String,
    /// The archive to write; must not exist
    pub file: PathBuf,
    #[command(flatten)]
    pub place: Place,
    /// With weights, latents and features (safetensors)
    #[arg(long)]
    pub weights: bool,
    /// With images, and shards of them
    #[arg(long)]
    pub images: bool,
    /// The license of the results, by its address or in words
    #[arg(long, value_name = "TEXT")]
    pub license: Option<String>,
    /// Whose results they are
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// The file with the key that signs the receipts [default: the key in titrate.toml; without
    /// one they are not signed]
    #[arg(long, value_name = "FILE", env = "TITRATE_SIGNING_KEY")]
    pub key: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Import {
    /// The archive
    pub file: PathBuf,
    #[command(flatten)]
    pub folder: Folder,
    /// A public key whose results are believed, beside those in titrate.toml; may come often
    #[arg(long = "trust", value_name = "KEY", env = "TITRATE_TRUST", value_delimiter = ',')]
    pub trust: Vec<PublicKey>,
    /// Believe the archive whoever made it: its results count as done
    #[arg(long)]
    pub unsigned: bool,
}
