//! The eai binary.

mod server;

fn main() {}
