//! The `titrate` command.

fn main() {}
