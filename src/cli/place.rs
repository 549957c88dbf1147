//! The command line's types for where a command works: a study, a store, a device.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// A study and a store.
#[derive(Clone, Debug, Args)]
pub(super) struct Which {
    /// A name under experiments/, or a path to a study file
    #[arg(default_value = "quick")]
    pub study: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Place {
    #[command(flatten)]
    pub folder: Folder,
    /// Where models are tuned and images generated; its results are not the other's
    #[arg(long, value_enum, default_value_t = Device::Cpu, env = "TITRATE_DEVICE")]
    pub device: Device,
    /// Set a parameter of the study, such as classifier.epochs=3; may come often
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Folder {
    /// The store's folder
    #[arg(long, value_name = "DIR", env = "TITRATE_STORE", default_value = ".titrate")]
    pub store: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Device {
    Cpu,
    /// An NVIDIA GPU, the first that CUDA_VISIBLE_DEVICES leaves; running tasks on it takes a
    /// titrate built with the feature `cuda`
    Cuda,
}

impl Device {
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}
