//! The library that lets calls go wrong, and the ways in which they do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A way for calls to go wrong.
pub struct Fault {
    pub name: &'static str,
    pub deed: &'static str,
    /// Its number, and how an error is written.
    pub error: Option<(i32, &'static str)>,
    /// The kinds of calls that it can happen to.
    pub calls: &'static [&'static str],
}

pub const FAULTS: [Fault; 9] = [
    Fault {
        name: "EIO",
        deed: "fail",
        error: Some((5, "Input/output error")),
        calls: &[
            "open", "create", "read", "write", "sync", "rename", "unlink", "mkdir", "link",
            "truncate", "stat", "list", "lock",
        ],
    },
    // From that call on: a full disk stays full.
    Fault {
        name: "ENOSPC",
        deed: "fail",
        error: Some((28, "o space left on ")),
        calls: &["create", "write", "sync", "rename", "mkdir", "link", "truncate"],
    },
    Fault {
        name: "ESTALE",
        deed: "fail",
        error: Some((116, "Stale file handle")),
        calls: &["open", "create", "read", "write", "sync", "rename", "unlink", "stat", "list"],
    },
    // Those that POSIX lets be interrupted, and Linux does.
    Fault {
        name: "EINTR",
        deed: "fail",
        error: Some((4, "Interrupted")),
        calls: &["open", "create", "read", "write", "sync", "truncate"],
    },
    Fault { name: "short read", deed: "short", error: None, calls: &["read"] },
    Fault { name: "short write", deed: "short", error: None, calls: &["write"] },
    Fault {
        name: "power cut",
        deed: "cut",
        error: None,
        calls: &["create", "write", "sync", "rename", "unlink", "mkdir", "truncate"],
    },
    Fault { name: "lying sync", deed: "lie", error: None, calls: &["sync"] },
    Fault { name: "lost rename", deed: "lose", error: None, calls: &["rename"] },
];

impl Fault {
    /// Lets the `number`th of a role's calls on such paths go wrong.
    pub fn ask(&self, command: &mut Command, role: &str, call: &str, path: &str, number: usize) {
        let error = self.error.map_or(0, |(error, _)| error).to_string();
        command.env("FAULTS_DEED", self.deed).env("FAULTS_ERRNO", error);
        command.env("FAULTS_STAYS", if self.name == "ENOSPC" { "yes" } else { "" });
        command.env("FAULTS_ROLE", role).env("FAULTS_CALLS", call).env("FAULTS_PATH", path);
        command.env("FAULTS_AT", number.to_string());
    }

    /// Whether what no sync has made durable is lost.
    pub fn loses(&self) -> bool {
        matches!(self.deed, "cut" | "lie" | "lose")
    }
}

/// Compiles `preload.c` into a folder, by the C compiler that building titrate needs as well.
pub fn library(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("preload.c"), folder.join("preload.so"));
    fs::write(&source, include_str!("preload.c")).unwrap();
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut compile = Command::new(compiler);
    compile.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source);
    assert!(compile.status().unwrap().success(), "{compile:?}");
    library
}

/// Has a command's reading and writing in `folder` watched; `state` is made anew for what is noted.
pub fn watch(command: &mut Command, library: &Path, folder: &Path, state: &Path) {
    let _ = fs::remove_dir_all(state);
    fs::create_dir(state).unwrap();
    command.env("LD_PRELOAD", library).env("FAULTS_STATE", state);
    command.env("FAULTS_FOLDER", folder.canonicalize().unwrap());
}

/// The lines of the log that begin so, without that.
pub fn noted(state: &Path, kind: &str) -> Vec<String> {
    let log = fs::read_to_string(state.join("log")).unwrap();
    let lines = log.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix('\t'));
    lines.map(str::to_owned).collect()
}
