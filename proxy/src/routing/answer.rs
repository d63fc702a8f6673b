//! Why there is no route, in words for the one who asked.

use std::time::Duration;

use eai_core::executor::Standing;
use eai_core::ids::JobId;
use eai_core::job::{Ended, Outcome, Phase};
use eai_core::log::live::{Live, LiveJob, LiveService};
use eai_core::log::output::{Output, Start};
use eai_core::names::AccountName;
use eai_core::service::Status;

use crate::api::ApiError;
use crate::ingress::Failure;

/// How many lines of output an answer carries.
const LINES: u64 = 20;
/// How long they may take.
const LINES_TIME: Duration = Duration::from_secs(2);

pub(super) fn no_service() -> Failure {
    Failure::not_found("there is no such service: `eai service ls` lists what there is")
}

/// A queue has no job that could take a request.
pub(super) fn takes_tasks(service: &LiveService) -> Failure {
    let name = &service.name.name;
    Failure::new(
        axum::http::StatusCode::CONFLICT,
        "takes-tasks",
        format!(
            "service `{name}` takes tasks and no requests: `eai task submit {name}` gives it one"
        ),
    )
}

/// Nothing here runs jobs, so there is nothing to wait for.
pub(super) fn no_backend(reason: &str) -> Failure {
    Failure::new(
        axum::http::StatusCode::SERVICE_UNAVAILABLE,
        "no-backend",
        format!("jobs cannot run on this platform: {reason}. Mend that, and start it again"),
    )
}

pub(super) fn no_job() -> Failure {
    Failure::not_found(
        "there is no such job, or it ended long ago: `eai job ls` lists what there is",
    )
}

pub(super) fn must_be_on(service: &LiveService) -> Result<(), Failure> {
    let name = &service.name.name;
    match service.status {
        Status::On => Ok(()),
        Status::Off => Err(Failure::off(format!(
            "service `{name}` is off: `eai service start {name}` turns it on"
        ))),
        Status::Deactivated => Err(Failure::off(format!(
            "service `{name}` is deactivated: `eai service reactivate {name}` brings it back"
        ))),
        Status::Deleted => Err(no_service()),
    }
}

/// Whether a run ended through no fault of its own.
pub(super) fn is_no_fault(ended: &Ended) -> bool {
    matches!(ended.state, Outcome::Cancelled | Outcome::Interrupted)
}

/// Why, for those who may know it.
pub(super) fn start_failed(ended: &Ended, known: bool) -> Failure {
    if !known {
        return Failure::start_failed("the service's job could not be started");
    }
    let why = why(ended);
    Failure::start_failed(format!("the service's job could not be started: {why}"))
}

/// Why a run ended, for people.
pub(super) fn why(ended: &Ended) -> &str {
    match ended.message.as_str() {
        "" => &ended.reason,
        message => message,
    }
}

/// Its job failed, and is not tried again as soon as the request can wait.
pub(super) fn backing_off(service: &LiveService, left: Duration) -> Failure {
    let (name, seconds) = (&service.name.name, left.as_secs().max(1));
    Failure::new(
        axum::http::StatusCode::SERVICE_UNAVAILABLE,
        "backing-off",
        format!(
            "the job of service `{name}` failed, and is tried again in {seconds} s: `eai job ls --service {name}` tells more"
        ),
    )
    .retry_after(left)
}

pub(super) fn too_long(live: &Live, job: Option<&LiveJob>, waited: Duration) -> Failure {
    let nobody = nobody_claims(live);
    let state = match job {
        None => "its job was not begun",
        Some(job) => match (&job.unready, job.phase) {
            (Some(reason), _) => reason,
            (None, Phase::Queuing) if nobody.is_some() => nobody.as_deref().unwrap_or_default(),
            (None, Phase::Queuing) => "its job waits for room on this machine",
            (None, Phase::Queued) => "its image and data are being prepared",
            (None, _) => "its job does not answer yet",
        },
    };
    let seconds = waited.as_secs();
    Failure::starting(format!(
        "the service was not ready within {seconds} s: {state}"
    ))
}

/// Why no executor takes jobs, if none does.
fn nobody_claims(live: &Live) -> Option<String> {
    let executors = live.executors();
    let counted = |wanted| {
        let standing = executors.iter().map(|executor| executor.standing());
        standing.filter(|standing| *standing == wanted).count()
    };
    if executors.is_empty() || counted(Standing::Active) > 0 {
        return None;
    }
    let all = [Standing::Draining, Standing::Lost, Standing::Stopped];
    let found = all.map(|standing| (standing, counted(standing)));
    let found = found.into_iter().filter(|(_, count)| *count > 0);
    let found: Vec<_> = found
        .map(|(standing, count)| format!("{count} {standing}"))
        .collect();
    Some(format!(
        "no executor takes jobs ({}): `eai executor ls` tells more, `eai executor undrain ID` lets one take jobs again",
        found.join(", ")
    ))
}

pub(super) fn job_over(job: &LiveJob) -> Failure {
    let (id, phase) = (job.id, job.phase);
    Failure::new(
        axum::http::StatusCode::SERVICE_UNAVAILABLE,
        "job-ended",
        format!("job {id} takes no requests, it is {phase}: `eai job get {id}` tells more"),
    )
}

/// A command that could not be given.
pub(super) fn not_activated(error: &ApiError) -> Failure {
    // Stopped between the look at its status and the command.
    if matches!(error.code(), "service-off" | "service-deactivated") {
        return Failure::off(error.message());
    }
    if error.code() == "service-failed" {
        let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
        return Failure::new(status, "service-failed", error.message());
    }
    let failure = Failure::new(error.status(), error.code(), error.message());
    match error.status().as_u16() {
        503 => failure.retry_after(Duration::from_secs(1)),
        _ => failure,
    }
}

/// The last lines of a run's output, if they come in time.
pub(super) async fn last_lines(
    output: &Output,
    account: &AccountName,
    job: JobId,
    run: u32,
) -> Vec<String> {
    let read = async {
        let mut reader = output
            .read(account, job, run, Start::Lines(LINES))
            .await
            .ok()?;
        let mut bytes = Vec::new();
        while let Some(chunk) = reader.next().await.ok()? {
            bytes.extend_from_slice(&chunk.bytes);
        }
        Some(bytes)
    };
    let bytes = tokio::time::timeout(LINES_TIME, read).await.ok().flatten();
    let text = bytes.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(str::to_owned).collect()
}
