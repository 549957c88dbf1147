//! Hands the compiler's version to the code, for receipts.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let target = std::env::var("TARGET").unwrap_or_default();
    println!(
        "cargo::rustc-env=TITRATE_TOOLCHAIN={} {target}",
        version.as_deref().map_or("unknown rustc", str::trim)
    );
}
