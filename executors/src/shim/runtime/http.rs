//! The four calls of the AWS Lambda Runtime API, 2018-06-01.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::answer;
use super::desk::{Desk, Refused};
use super::link::Worker;
use crate::backend::{Answer, Invocation, PAYLOAD_MAX};
use crate::shim::now_micros;

/// How many connections a worker may have.
const CONNECTIONS: usize = 64;

/// The most bytes of a request's head.
const HEAD_MAX: usize = 64 * 1024;

const BASE: &str = "/2018-06-01/runtime/";
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";

/// Answers the worker until the task is dropped.
pub(in crate::shim) async fn serve(listener: TcpListener, worker: Arc<Worker>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
        match listener.accept().await {
            Ok((_, from)) if worker.client.is_some_and(|client| client != from.ip()) => {}
            Ok((stream, _)) => {
                let worker = Arc::clone(&worker);
                tokio::spawn(async move {
                    answer_all(stream, worker).await;
                    drop(permit);
                });
            }
            // Out of files, most likely: some are given back soon.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn answer_all(stream: TcpStream, worker: Arc<Worker>) {
    // Small words, each waited for.
    stream.set_nodelay(true).ok();
    let service = service_fn(|request| {
        let worker = Arc::clone(&worker);
        async move { Ok::<_, Infallible>(answer(request, &worker).await) }
    });
    // Nothing is timed: a worker keeps its connection for as long as its task takes.
    let served = http1::Builder::new()
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // A worker that went away needs no answer.
    drop(served);
}

async fn answer(request: Request<Incoming>, worker: &Worker) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let Some(call) = path.strip_prefix(BASE) else {
        return no_such_call();
    };
    let wanted = if call == "invocation/next" {
        Method::GET
    } else {
        Method::POST
    };
    let called = match call.split('/').collect::<Vec<_>>().as_slice() {
        ["invocation", "next"] | ["init", "error"] | ["invocation", _, "response" | "error"]
            if *request.method() != wanted =>
        {
            return refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                &format!("this call is a {wanted}"),
            );
        }
        ["invocation", "next"] => next(worker).await,
        ["init", "error"] => init_error(request, worker).await,
        ["invocation", id, "response"] => respond(request, worker, id, false).await,
        ["invocation", id, "error"] => respond(request, worker, id, true).await,
        _ => return no_such_call(),
    };
    called.unwrap_or_else(|refused| refused)
}

type Called = Result<Response<Full<Bytes>>, Response<Full<Bytes>>>;

/// Somebody who waits for a task, for as long as the connection is there.
struct Waiting<'a>(&'a Worker);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.desk.send_modify(Desk::stop_waiting);
    }
}

async fn next(worker: &Worker) -> Called {
    let mut waits = Ok(());
    worker.desk.send_modify(|desk| waits = desk.wait());
    waits.map_err(refused)?;
    let waiting = Waiting(worker);
    let mut desk = worker.desk.subscribe();
    loop {
        // The other end is in this process.
        drop(desk.wait_for(Desk::is_given).await);
        let output = worker.output_end().await;
        let mut fetched = None;
        worker
            .desk
            .send_modify(|desk| fetched = desk.fetch(now_micros(), output));
        if let Some(invocation) = fetched {
            worker.note();
            drop(waiting);
            return Ok(invoked(invocation, worker));
        }
    }
}

fn invoked(invocation: Invocation, worker: &Worker) -> Response<Full<Bytes>> {
    let deadline = invocation.deadline.to_string();
    let headers = [
        ("lambda-runtime-aws-request-id", Some(invocation.id)),
        ("lambda-runtime-deadline-ms", Some(deadline)),
        (
            "lambda-runtime-invoked-function-arn",
            Some(worker.runtime.function_arn.clone()),
        ),
        ("lambda-runtime-trace-id", invocation.trace_id),
        ("lambda-runtime-client-context", invocation.client_context),
        (
            "lambda-runtime-cognito-identity",
            invocation.cognito_identity,
        ),
    ];
    let event: Box<str> = invocation.event.into();
    let mut response = json(StatusCode::OK, String::from(event));
    for (name, value) in headers {
        let value = value.and_then(|value| HeaderValue::from_str(&value).ok());
        if let Some(value) = value {
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn respond(request: Request<Incoming>, worker: &Worker, id: &str, is_error: bool) -> Called {
    let output = worker.desk.borrow().output_since(id).map_err(refused)?;
    let kind = error_type(request.headers());
    let body = Limited::new(request.into_body(), PAYLOAD_MAX);
    let (answer, is_large) = match body.collect().await {
        Ok(body) => {
            // A stream that broke off says so behind its body.
            let broke = body.trailers().and_then(error_type);
            let bytes = body.to_bytes();
            let answer = if is_error || broke.is_some() {
                let kind = broke.or(kind);
                Answer::Error(answer::failure(&bytes, kind.as_deref()))
            } else {
                answer::response(&bytes)
            };
            (answer, false)
        }
        Err(error) if error.is::<LengthLimitError>() => {
            (Answer::Error(answer::too_large(PAYLOAD_MAX)), true)
        }
        // Only half of it came: it may be said again.
        Err(_) => {
            return Err(refusal(
                StatusCode::BAD_REQUEST,
                "InvalidRequest",
                "the body could not be read to its end",
            ));
        }
    };
    let logs = worker.logs_since(output).await;
    let mut answered = Ok(());
    worker
        .desk
        .send_modify(|desk| answered = desk.answer(id, answer, logs, now_micros()));
    answered.map_err(refused)?;
    if is_large {
        return Err(refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            &format!("an answer has at most {PAYLOAD_MAX} bytes"),
        ));
    }
    Ok(accepted())
}

async fn init_error(request: Request<Incoming>, worker: &Worker) -> Called {
    let kind = error_type(request.headers());
    let body = Limited::new(request.into_body(), PAYLOAD_MAX)
        .collect()
        .await;
    let Ok(body) = body else {
        return Err(refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            &format!("an error has at most {PAYLOAD_MAX} bytes"),
        ));
    };
    let failure = answer::failure(&body.to_bytes(), kind.as_deref());
    let mut failed = Ok(());
    worker.desk.send_modify(|desk| failed = desk.fail(failure));
    failed.map_err(refused)?;
    Ok(accepted())
}

fn error_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(ERROR_TYPE)?.to_str().ok()?;
    Some(value.to_owned())
}

fn accepted() -> Response<Full<Bytes>> {
    json(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}

fn refused(refused: Refused) -> Response<Full<Bytes>> {
    let (status, kind) = match refused {
        Refused::Unknown => (StatusCode::BAD_REQUEST, "InvalidRequestID"),
        Refused::Waiting | Refused::Unanswered | Refused::Answered | Refused::Began => {
            (StatusCode::FORBIDDEN, "InvalidStateTransition")
        }
    };
    refusal(status, kind, &refused.to_string())
}

fn no_such_call() -> Response<Full<Bytes>> {
    let message = "there is no such call: this is the AWS Lambda Runtime API, 2018-06-01";
    refusal(StatusCode::NOT_FOUND, "NotFound", message)
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "errorMessage": message, "errorType": kind });
    json(status, body.to_string())
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
