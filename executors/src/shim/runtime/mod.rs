//! A worker's shim: the AWS Lambda Runtime API for its command, and a conversation with whatever platform there is.
//!
//! It outlives platforms: who waits for a task goes on waiting, and an answer is kept until it is acknowledged. It
//! must not know tasks: only events, answers and what was written in between.

mod answer;
mod desk;
mod frame;
mod http;
mod link;
mod logs;
mod still;

pub(crate) use frame::{Frames, say};
pub(super) use http::serve;
pub(super) use link::{Output, Worker, converse};
pub(super) use logs::Pipes;

/// Where a worker in a sandbox finds its shim.
pub(crate) const PORT: u16 = 9001;
