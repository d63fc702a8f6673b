//! What black-box tests stand on: the real binary, in a home of its own, with the real NATS.
//!
//! Tests wait on conditions with deadlines; nothing here sleeps to let something happen.

pub mod activation;
mod api;
mod backend;
mod browser;
mod certificate;
pub mod chaos;
mod engine;
mod executors;
mod following;
pub mod holders;
pub mod hostile;
pub mod idle;
pub mod jobs;
mod leftovers;
pub mod life;
pub mod monitor;
mod nats;
mod other;
mod platform;
mod port;
pub mod queue;
mod raw;
mod refused;
pub mod rollout;
mod service;
pub mod soak;
mod stored;
mod story;
pub mod tasks;
mod wait;
mod websocket;

pub use api::{Answer, Api, stock, text};
pub use backend::{Backend, memory};
pub use browser::Browser;
pub use certificate::Certificate;
pub use engine::Engine;
pub use executors::{executors, is, until_executor};
pub use following::Following;
pub use leftovers::Leftovers;
pub use nats::{Event, Monitor};
pub use other::Other;
pub use platform::{Output, Platform, Setup};
pub use port::Port;
pub use raw::{Raw, RawAnswer};
pub use refused::{Refused, bearer, check_refused, get, post, refused};
pub use service::{Service, app};
pub use stored::{Stored, StoredEvent};
pub use story::{count, story};
pub use wait::{until, until_async, within};
pub use websocket::WebSocket;
