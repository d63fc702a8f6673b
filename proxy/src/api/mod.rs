//! REST under `/v1`: requests become commands, views become answers.

mod account;
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
mod position;
mod push;
mod queue;
mod resolve;
mod revision;
mod role;
mod server;
mod service;
mod task;
mod token;
mod update;
mod urls;
mod verbs;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use eai_core::log::live::Live;
use eai_core::log::output::Output;
use eai_core::log::tasks::{Purger, Tasks};
use eai_core::log::{Beats, Log, Queues};
use eai_projections::{Store, Views};
use tokio::sync::{Semaphore, watch};

pub use error::ApiError;
pub(crate) use extract::{Key, drain, text};
pub(crate) use follow::stopping;
pub use health::Readiness;
pub use image::{Images, ImagesError, Imports, StoredImage, Tar};
pub(crate) use position::PATIENCE;
pub use server::Facts;
pub(crate) use service::shown;
pub(crate) use task::result_of;
pub use urls::{BadUrl, Urls};

use crate::auth::Tokens;
use crate::content::Contents;

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
    /// Where things are on the web.
    pub urls: Urls,
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
    let views = Router::new()
        .route("/service", get(service::list).post(service::create))
        .route(
            "/service/{reference}",
            get(service::get)
                .patch(update::update)
                .delete(service::delete),
        )
        .route("/service/{reference}/restart", post(revision::restart))
        .route("/service/{reference}/revision", get(revision::list))
        .route("/service/{reference}/rollback", post(revision::rollback))
        .route("/service/{reference}/start", post(queue::start))
        .route("/service/{reference}/stop", post(queue::stop))
        .route("/service/{reference}/scale", post(queue::scale))
        .route("/service/{reference}/status", get(queue::status))
        .route("/service/{reference}/health", get(queue::health))
        .route("/service/{reference}/deactivate", post(service::deactivate))
        .route("/service/{reference}/reactivate", post(service::reactivate))
        .route(
            "/service/{reference}/task",
            get(task::list).post(task::submit).delete(task::purge),
        )
        .route("/service/{reference}/dead", get(task::dead))
        .route("/service/{reference}/dead/requeue", post(task::requeue))
        .route("/task/{reference}", get(task::get))
        .route("/task/{reference}/result", get(task::result))
        .route("/task/{reference}/logs", get(task::logs))
        .route("/task/{reference}/cancel", post(task::cancel))
        .route("/task/{reference}/retry", post(task::retry))
        .route("/job", get(job::list))
        .route("/job/{reference}", get(job::get).delete(job::kill))
        .route("/job/{reference}/kill", post(job::kill))
        .route("/job/{reference}/freeze", post(job::freeze))
        .route("/job/{reference}/thaw", post(job::thaw))
        .route("/job/{reference}/logs", get(job_log::get))
        .route("/data", get(data::list).post(data::create))
        .route("/data/{reference}", get(data::get))
        .route("/data/{reference}/missing", post(push::missing))
        .route("/data/{reference}/objects", post(push::send))
        .route(
            "/data/{reference}/version",
            get(content::versions).post(push::commit),
        )
        .route("/data/{reference}/content", get(content::list))
        .route("/data/{reference}/file", get(content::file))
        .route("/data/{reference}/files", post(content::read))
        .route("/role", get(role::list))
        .route("/role/{reference}", get(role::get))
        .route("/account", get(account::list))
        .route("/account/{reference}", get(account::get))
        .route("/organization", get(account::organizations))
        .route("/organization/{reference}", get(account::organization))
        .route("/me", get(account::me))
        .route("/executor", get(executor::list))
        .route("/executor/{reference}", get(executor::get))
        .route("/executor/{reference}/drain", post(executor::drain))
        .route("/executor/{reference}/undrain", post(executor::undrain))
        .route("/event", get(event::list))
        .route("/event/{reference}", get(event::get))
        .layer(from_fn_with_state(with(&platform), position::follow));
    // A platform whose views are halted still says what it is, and lets them be rebuilt.
    let v1 = views
        .route("/server", get(server::info))
        .route("/server/rebuild", post(server::rebuild))
        .route("/image", get(image::list).post(image::import))
        .layer(from_fn_with_state(with(&platform), health::gate))
        .route("/token", post(token::refresh))
        .route("/version", get(server::version));
    Router::new()
        .nest("/v1", v1)
        .route("/metrics", get(queue::metrics))
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
