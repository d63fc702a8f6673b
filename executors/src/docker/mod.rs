//! Runs commands in containers of a Docker engine on this machine.
//!
//! It must not know jobs or events: a run has a name of three parts, `JOB.RUN.CLAIM`, and what they mean is for
//! who names it. The engine may restart, hang or go away: what it does not say is not known, and asked again.

mod archive;
mod container;
mod early;
mod engine;
mod error;
mod found;
mod gateway;
mod image;
mod import;
mod label;
mod marks;
mod network;
mod output;
mod piece;
mod python;
mod running;
mod start;
mod state;
mod watch;
mod worker;

pub use archive::{BadArchive, ImageBytes};
pub use engine::Error;
pub use error::{ImageError, StartError, Unusable};
pub use found::There;
pub use image::Notes;
pub use import::{Image, ImportError};
pub use label::Owner;
pub use output::Output;
pub use running::Running;
pub use start::{Docker, Settings, sweep};

/// What holds a container to its limits, for rows.
pub const LIMITS: &str = "docker";
