//! The URL of a service with a queue: a POST is a task. It answers with where the task is, or with its result to
//! those who prefer to wait.

use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, HeaderName, LOCATION};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use eai_core::access::Thing;
use eai_core::command::Context;
use eai_core::envelope::Actor;
use eai_core::ids::ServiceId;
use serde::Deserialize;
use time::OffsetDateTime;

use super::{MOST_BODY, MOST_WAIT, NewTask, SCHEMA, ended, queue_of, row, submit};
use crate::api::{self, ApiError, Shared, command};
use crate::auth::{Caller, Needs};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The service whose URL was asked.
#[derive(Clone, Copy, Debug)]
pub struct QueueService(pub ServiceId);

/// What the URLs of services with a queue serve; requests carry a [`QueueService`].
pub fn router(platform: Shared) -> Router {
    Router::new()
        .fallback(take)
        .layer(Extension(Needs::new("task", "new", "service")))
        .with_state(platform)
}

async fn take(
    State(state): State<Shared>,
    Extension(QueueService(id)): Extension<QueueService>,
    caller: Result<Caller, ApiError>,
    key: Result<api::Key, ApiError>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    if request.method() != Method::POST {
        api::drain(request.into_body()).await;
        let text = "the URL of a service with a queue takes tasks: POST a JSON object";
        let mut answer = ApiError::method_not_allowed(text).into_response();
        answer
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    let taken = async {
        let service = queue_of(&state, id)?;
        let context = match caller {
            Ok(caller) if service.public => command::context(&caller, key?.0, &headers),
            Ok(caller) => {
                let name = &service.name;
                caller.may_use(&name.account)?;
                caller.may_make(&Thing::named(&name.account, id.0, name.name.as_str()))?;
                command::context(&caller, key?.0, &headers)
            }
            // Nobody in particular: the service takes anyone.
            Err(_) if service.public => {
                Context::user(key?.0, Actor::Platform, OffsetDateTime::now_utc())
            }
            Err(error) => return Err(error),
        };
        let text = api::text(request, MOST_BODY).await?;
        let task = read(&text)?;
        let wait = wait_of(&headers);
        let tasks = submit(&state, &context, &service, vec![task]).await?;
        let task = tasks.into_iter().next();
        let task = task.ok_or_else(|| ApiError::internal(&"a submit made no task"))?;
        let task = ended(&state, task, wait.unwrap_or_default()).await;
        if task.phase.is_ended() && wait.is_some() {
            let mut answer = api::result_of(&state, &task).await?;
            if let Ok(applied) =
                HeaderValue::try_from(format!("wait={}", wait.unwrap_or_default().as_secs()))
            {
                answer.headers_mut().insert(APPLIED, applied);
            }
            return Ok(answer);
        }
        let place = format!("{}/v1/task/{}", state.urls.platform(), task.id);
        let taken = state.tasks.claim_of(task.id);
        let document = axum::Json(row(&task, taken.as_ref()));
        let mut answer = (StatusCode::ACCEPTED, document).into_response();
        if let Ok(place) = HeaderValue::try_from(place) {
            answer.headers_mut().insert(LOCATION, place);
        }
        Ok(answer)
    };
    taken.await.unwrap_or_else(ApiError::into_response)
}

/// A whole task where it says so, else its arguments.
fn read(text: &str) -> Result<NewTask, ApiError> {
    #[derive(Deserialize)]
    struct Says {
        schema: Option<String>,
    }
    let says = serde_json::from_str::<Says>(text)
        .ok()
        .and_then(|says| says.schema);
    match says.as_deref() {
        Some(SCHEMA) => NewTask::one(text),
        _ => NewTask::with_args(text),
    }
}

/// `Prefer: wait=30` (RFC 7240).
fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    let all = headers.get_all(PREFER).iter();
    let mut preferences = all
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','));
    let seconds: u64 = preferences.find_map(|text| {
        let (name, value) = text.split_once('=')?;
        let wait = name.trim().eq_ignore_ascii_case("wait");
        wait.then(|| value.trim().trim_matches('"').parse().ok())?
    })?;
    Some(Duration::from_secs(seconds.min(MOST_WAIT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read() {
        let wait = |text: &'static str| {
            let headers = HeaderMap::from_iter([(PREFER, HeaderValue::from_static(text))]);
            wait_of(&headers).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("wait=30"), Some(30));
        assert_eq!(wait("respond-async, WAIT = \"5\""), Some(5));
        assert_eq!(wait("wait=100000"), Some(MOST_WAIT));
        for none in ["respond-async", "wait", "wait=x", "wait=-1"] {
            assert_eq!(wait(none), None, "{none}");
        }
    }

    #[test]
    fn a_body_is_arguments_unless_it_says_that_it_is_a_task() {
        assert_eq!(read(r#"{"retries":7}"#).unwrap().retries, 3);
        let whole = read(r#"{"schema":"agi.service.task.v1","retries":7}"#);
        assert_eq!(whole.unwrap().retries, 7);
        assert!(read("[1]").is_err() && read("").is_err());
    }
}
