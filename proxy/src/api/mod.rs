//! REST under `/v1`: requests become commands, views become answers.

mod account;
mod at;
pub(crate) mod command;
mod content;
mod data;
mod error;
mod event;
mod event_filter;
mod executor;
mod extract;
mod follow;
mod health;
mod hygiene;
mod image;
mod job;
mod job_filter;
mod job_log;
mod list;
mod log;
mod metrics;
mod monitor;
mod openapi;
mod operations;
mod position;
mod push;
mod queue;
mod resolve;
mod revision;
mod role;
mod role_holders;
mod server;
mod service;
mod story;
mod task;
mod things;
mod token;
mod update;
mod urls;
mod usage;
mod user;
mod verbs;

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use axum::{Extension, Router};
use eai_core::log::live::Live;
use eai_core::log::output::Output;
use eai_core::log::tasks::{Purger, Tasks};
use eai_core::log::{Beats, Log, Queues};
use eai_core::names::AccountName;
use eai_projections::{Store, Views};
use tokio::sync::{Semaphore, watch};

pub use error::ApiError;
pub(crate) use extract::{Key, drain, text};
pub(crate) use follow::stopping;
pub use health::Readiness;
pub use image::{Images, ImagesError, Imports, StoredImage, Tar};
pub use monitor::{Monitors, NotTold};
pub(crate) use position::PATIENCE;
pub use server::Facts;
pub(crate) use service::shown;
pub(crate) use task::result_of;
pub(crate) use things::IsThing;
pub use urls::{BadUrl, Urls};
pub use usage::Place;

use operations::Operations;

use crate::auth::{Gate, Needs, Rates, Tokens};
use crate::content::Contents;
use crate::door::{self, Codes};
use crate::metrics::Meters;

/// How many clients may follow the log at a time.
pub const MOST_FOLLOWERS: usize = 256;

/// What every handler may use.
#[derive(Debug)]
pub struct Platform {
    /// The event log.
    pub log: Log,
    /// The event log on a connection of its own, so that slow readers cost commands nothing.
    pub followers: Log,
    /// What is alive, in memory.
    pub live: Live,
    /// When executors were last heard.
    pub beats: Beats,
    /// How the workers of queues are.
    pub queues: Queues,
    /// The tasks of all services, in memory.
    pub tasks: Tasks,
    /// Removes tasks that ended.
    pub purger: Purger,
    /// What jobs print.
    pub output: Output,
    /// What was pushed, by digest.
    pub contents: Contents,
    /// The images of this machine.
    pub images: Imports,
    /// A permit for each client that may follow the log.
    pub follower_slots: Arc<Semaphore>,
    /// The read side, for rebuilding it.
    pub store: Store,
    /// The read side, for reading.
    pub views: Views,
    /// Signs and verifies tokens.
    pub tokens: Tokens,
    /// Tells the NATS server who may watch.
    pub monitors: Arc<dyn Monitors>,
    /// Knows who was let in.
    pub gate: Gate,
    /// How often callers may ask.
    pub rates: Rates,
    /// What browsers are on their way with.
    pub codes: Codes,
    /// The account that the platform itself belongs to.
    pub account: AccountName,
    /// What is counted as it happens.
    pub meters: Meters,
    /// Where things are on the web.
    pub urls: Urls,
    /// What is kept where, for who asks how much that is.
    pub places: Vec<Place>,
    /// What `server info` tells.
    pub facts: Facts,
    /// Whether the platform serves.
    pub readiness: watch::Receiver<Readiness>,
}

/// The platform as handlers share it.
pub type Shared = Arc<Platform>;

/// Everything that is served on the platform's own domain.
pub fn router(platform: Shared) -> Router {
    let with = |state: &Shared| Arc::clone(state);
    let Operations {
        views,
        platform: own,
        ..
    } = operations::all();
    let views = views.layer(from_fn_with_state(with(&platform), position::follow));
    // A platform whose views are halted still says what it is, and lets them be rebuilt.
    let v1 = views
        .merge(own)
        .layer(from_fn_with_state(with(&platform), health::gate))
        .route("/token", post(token::refresh))
        .route("/version", get(server::version))
        .route("/openapi.json", get(openapi::document));
    let metrics = Needs::new("server", "get", "metrics");
    Router::new()
        .nest("/v1", v1)
        .route(
            "/metrics",
            get(metrics::metrics).route_layer(Extension(metrics)),
        )
        .merge(door::login())
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(hygiene::check))
        .with_state(platform)
}

async fn no_route(uri: Uri, request: Request) -> ApiError {
    drain(request.into_body()).await;
    let path: String = uri.path().chars().take(100).collect();
    ApiError::not_found(format!("there is nothing at `{path}`"))
}

async fn wrong_method(method: Method, uri: Uri, request: Request) -> ApiError {
    drain(request.into_body()).await;
    let path: String = uri.path().chars().take(100).collect();
    ApiError::method_not_allowed(format!("`{path}` does not take {method}"))
}
