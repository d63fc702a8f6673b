//! Who answers a request: access, the routes in memory, and a job brought to life where there is none.
//!
//! It gives the reverse proxy its routes. It moves no byte and knows no header but the caller's credential.

mod access;
mod activate;
mod answer;
mod drain;
mod wait;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::request::Parts;
use eai_core::access::Thing;
use eai_core::flights::Flight;
use eai_core::ids::{JobId, ServiceId};
use eai_core::job;
use eai_core::log::live::{Live, LiveJob, LiveService};
use eai_core::service::{Activated, Status};
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::api::{Shared, command};
use crate::ingress::{Backends, ColdStart, Endpoint, Failure, Routed, Target, Unreachable};
use crate::traffic::{Open, Traffic};
use access::{Admitted, admit};
use activate::{Activator, Next};

pub use drain::drain;

/// How many requests may wait for jobs at a time.
const MOST_WAITING: usize = 10_000;
/// How long after a refused connection news of the job are waited for.
const NEWS: Duration = Duration::from_secs(2);

/// How long after a broken connection news of the job's end are waited for.
const LAST_NEWS: Duration = Duration::from_secs(1);

/// What may be chosen about waiting.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a request waits for a job to be ready.
    pub wait: Duration,
}

/// Routes for the reverse proxy.
#[derive(Debug)]
pub struct Routing {
    platform: Shared,
    live: Live,
    activator: Activator,
    traffic: Traffic,
    waiting: Arc<Semaphore>,
    /// Where the search among several jobs begins.
    turn: AtomicUsize,
    settings: Settings,
}

// === impl Routing ===

impl Routing {
    /// Routes over what is alive on a platform.
    pub fn new(platform: Shared, settings: Settings, traffic: Traffic) -> Self {
        Self {
            live: platform.live.clone(),
            activator: Activator::new(Arc::clone(&platform)),
            traffic,
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
            turn: AtomicUsize::new(0),
            platform,
            settings,
        }
    }

    async fn to_service(
        &self,
        id: ServiceId,
        port: Option<u16>,
        request: &Parts,
    ) -> Result<Routed, Failure> {
        // Counted before the route is looked up: nobody goes by one that is gone and is not seen to.
        let open = self.traffic.enter(id);
        let service = self.live.service(id).ok_or_else(answer::no_service)?;
        let name = &service.name;
        let thing = Thing::named(&name.account, service.id.0, name.name.as_str());
        let admitted = admit(&self.platform, request, "service", &thing, service.public)?;
        if service.queue.is_some() {
            return Err(answer::takes_tasks(&service));
        }
        answer::must_be_on(&service)?;
        let Some(open) = open else {
            return Box::pin(self.to_new_service((id, port), request, admitted)).await;
        };
        self.to_known_service((&service, port), request, admitted, open)
            .await
    }

    /// The same for one that was just made.
    async fn to_new_service(
        &self,
        (id, port): (ServiceId, Option<u16>),
        request: &Parts,
        admitted: Admitted,
    ) -> Result<Routed, Failure> {
        let open = self.traffic.enter_new(id);
        let service = self.live.service(id).ok_or_else(answer::no_service)?;
        self.to_known_service((&service, port), request, admitted, open)
            .await
    }

    async fn to_known_service(
        &self,
        (service, port): (&LiveService, Option<u16>),
        request: &Parts,
        admitted: Admitted,
        open: Open,
    ) -> Result<Routed, Failure> {
        if let Some(job) = self.job_of(service)
            && let Some(flight) = job.flights.enter()
        {
            return routed((job, flight), port, admitted, (None, Some(open)));
        }
        let arrived = Instant::now();
        let frozen = self.frozen(service);
        let meters = &self.platform.meters;
        let reached = Box::pin(self.until_ready(service, request, &admitted)).await;
        let (job, flight) = reached.inspect_err(|_| meters.failed())?;
        let waited = arrived.elapsed();
        let start = match frozen {
            Some(frozen) if frozen == (job.id, job.run) => thaw(waited),
            _ => cold_start(&job, waited),
        };
        meters.started(&start, waited);
        routed((&job, flight), port, admitted, (Some(start), Some(open)))
    }

    /// Where a request of a service goes now.
    fn job_of<'a>(&self, service: &'a LiveService) -> Option<&'a Arc<LiveJob>> {
        if service.routes.is_empty() {
            return service.route.as_ref();
        }
        service.least_loaded(self.turn.fetch_add(1, Ordering::Relaxed))
    }

    /// The run of a service that a request would thaw.
    fn frozen(&self, service: &LiveService) -> Option<(JobId, u32)> {
        let mut jobs = service.jobs.iter().filter_map(|id| self.live.job(*id));
        let frozen = jobs.find(|job| job.frozen)?;
        Some((frozen.id, frozen.run))
    }

    async fn to_job(
        &self,
        id: JobId,
        port: Option<u16>,
        request: &Parts,
    ) -> Result<Routed, Failure> {
        let job = self.live.job(id).ok_or_else(answer::no_job)?;
        let service = job.service.and_then(|id| self.live.service(id));
        let name = service.as_ref().map(|service| service.name.to_string());
        let of = job.service.map(|id| id.0).zip(name.as_deref());
        let thing = Thing::by_id(&job.account, job.id.0).of(of);
        let admitted = admit(&self.platform, request, "job", &thing, false)?;
        // Who asks for a service's job asks for the service.
        let enter = |service| {
            self.traffic
                .enter(service)
                .unwrap_or_else(|| self.traffic.enter_new(service))
        };
        let open = job.service.map(enter);
        let job = self.live.job(id).ok_or_else(answer::no_job)?;
        let arrived = Instant::now();
        let frozen = job.frozen;
        let job = Box::pin(self.until_job_ready(job, request)).await?;
        let start = frozen.then(|| thaw(arrived.elapsed()));
        if let Some(start) = &start {
            self.platform.meters.started(start, start.thaw);
        }
        // Who asks for this very run has it as long as it is there.
        let flight = job.flights.join();
        routed((&job, flight), port, admitted, (start, open))
    }

    /// Waits for the service's job, bringing one to life; the request is held meanwhile.
    async fn until_ready(
        &self,
        service: &LiveService,
        request: &Parts,
        admitted: &Admitted,
    ) -> Result<(Arc<LiveJob>, Flight), Failure> {
        let facts = &self.platform.facts;
        if facts.backend == "none" {
            return Err(answer::no_backend(&facts.backend_reason));
        }
        let _held = self.platform.meters.hold();
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return Err(Failure::overloaded(
                "too many requests wait for jobs to start: try again",
            ));
        };
        let deadline = Instant::now() + self.settings.wait;
        let trace = command::traceparent(&request.headers);
        loop {
            eai_core::fail_point::reach("proxy.asked");
            let run = match self.activator.activate(service, trace, deadline).await? {
                Next::Run(run) => run,
                Next::Later(at) => {
                    let left = Duration::try_from(at - OffsetDateTime::now_utc());
                    let left = left.unwrap_or(Duration::ZERO);
                    if Instant::now() + left > deadline {
                        return Err(answer::backing_off(service, left));
                    }
                    wait::until_retry(&self.live, service, left).await;
                    let now = self.live.service(service.id);
                    answer::must_be_on(now.as_deref().unwrap_or(service))?;
                    continue;
                }
            };
            eai_core::fail_point::reach("proxy.activated");
            match wait::until_ready(&self.live, service, &run, deadline).await {
                // Where it leaves just now, another one is on its way or there.
                wait::Waited::Ready(job) => {
                    if let Some(flight) = job.flights.enter() {
                        return Ok((job, flight));
                    }
                }
                wait::Waited::Off => {
                    let now = self.live.service(service.id);
                    answer::must_be_on(now.as_deref().unwrap_or(service))?;
                }
                // It was taken away, not at fault: the next activation runs it again.
                wait::Waited::Ended(ended) if answer::is_no_fault(&ended) => {}
                // It was to bring in a revision, and the one before is what serves.
                wait::Waited::Ended(_) if self.leads_elsewhere(service.id, &run) => {}
                wait::Waited::Ended(ended) => {
                    let lines = self.last_lines(service, run.job, run.run, admitted).await;
                    let known = admitted.identity.is_some();
                    return Err(answer::start_failed(&ended, known).lines(lines));
                }
                wait::Waited::TooLong(job) => {
                    let lines = self.last_lines(service, run.job, run.run, admitted).await;
                    let waited = self.settings.wait;
                    return Err(answer::too_long(&self.live, job.as_deref(), waited).lines(lines));
                }
            }
        }
    }

    /// Whether requests lead to another configuration by now than a run's.
    fn leads_elsewhere(&self, id: ServiceId, run: &Activated) -> bool {
        let now = self.live.service(id);
        now.is_some_and(|now| now.key.is_some_and(|key| key != run.key))
    }

    async fn until_job_ready(
        &self,
        job: Arc<LiveJob>,
        request: &Parts,
    ) -> Result<Arc<LiveJob>, Failure> {
        if self.live.is_routable(&job) {
            return Ok(job);
        }
        if !job.phase.is_alive() {
            return Err(answer::job_over(&job));
        }
        let _held = self.platform.meters.hold();
        let deadline = Instant::now() + self.settings.wait;
        if job.frozen {
            let trace = command::traceparent(&request.headers);
            self.activator.thaw(&job, trace, deadline).await?;
        }
        match wait::until_job_ready(&self.live, &job, deadline).await {
            wait::Waited::Ready(job) => Ok(job),
            wait::Waited::Ended(_) | wait::Waited::Off => {
                Err(answer::job_over(&self.live.job(job.id).unwrap_or(job)))
            }
            wait::Waited::TooLong(job) => Err(answer::too_long(
                &self.live,
                job.as_deref(),
                self.settings.wait,
            )),
        }
    }

    /// The job's last output, for those who may see it.
    async fn last_lines(
        &self,
        service: &LiveService,
        job: JobId,
        run: u32,
        admitted: &Admitted,
    ) -> Vec<String> {
        if admitted.identity.is_none() {
            return Vec::new();
        }
        let account = &service.name.account;
        answer::last_lines(&self.platform.output, account, job, run).await
    }
}

impl Routing {
    /// The job that was reached at an endpoint, also if it ended just now.
    fn at(&self, target: &Target, endpoint: &Endpoint) -> Option<Arc<LiveJob>> {
        let service = match target {
            Target::Job { id, .. } => return self.live.job(JobId(*id)),
            Target::Service { id, .. } => *id,
            Target::ServiceName { name, .. } => self.live.service_named(name)?,
            Target::Platform | Target::Unknown => return None,
        };
        let alive = self.live.service(service)?;
        let mut alive = alive.jobs.iter().filter_map(|id| self.live.job(*id));
        if let Some(job) = alive.find(|job| to(job).as_ref() == Some(endpoint)) {
            return Some(job);
        }
        let jobs = self.live.jobs().into_iter();
        let over = jobs.filter(|job| job.service == Some(service) && job.ended.is_some());
        over.max_by_key(|job| job.version)
    }
}

impl Backends for Routing {
    async fn route(&self, target: &Target, request: &Parts) -> Result<Routed, Failure> {
        match target {
            Target::Service { id, port } => self.to_service(*id, *port, request).await,
            Target::ServiceName { name, port } => {
                let id = self
                    .live
                    .service_named(name)
                    .ok_or_else(answer::no_service)?;
                self.to_service(id, *port, request).await
            }
            Target::Job { id, port } => self.to_job(JobId(*id), *port, request).await,
            Target::Platform | Target::Unknown => Err(answer::no_service()),
        }
    }

    fn queue(&self, target: &Target) -> Option<ServiceId> {
        let id = match target {
            // Another port is its workers' own.
            Target::Service { id, port: None } => *id,
            Target::ServiceName { name, port: None } => self.live.service_named(name)?,
            _ => return None,
        };
        let service = self.live.service(id)?;
        service.queue.as_ref().map(|_| id)
    }

    /// Nobody took the connection: the job may just have ended, and the log is about to say so.
    async fn unreachable(
        &self,
        target: &Target,
        endpoint: &Endpoint,
        port: u16,
        error: &io::Error,
        again: bool,
    ) -> Unreachable {
        let at_endpoint = |job: &Arc<LiveJob>| {
            let own = job.port == port && to(job).as_ref() == Some(endpoint);
            own && self.live.is_routable(job)
        };
        let of_service = |id| {
            let now = self.live.service(id)?;
            let mut routes = now.routes.iter().chain(&now.route);
            routes.find(|job| at_endpoint(job)).cloned()
        };
        let job = match target {
            Target::Job { id, .. } => self.live.job(JobId(*id)).filter(at_endpoint),
            Target::Service { id, .. } => of_service(*id),
            Target::ServiceName { name, .. } => self.live.service_named(name).and_then(of_service),
            Target::Platform | Target::Unknown => None,
        };
        if again {
            let Some(job) = job else {
                return Unreachable::RouteAgain;
            };
            if wait::until_news(&self.live, &job, Instant::now() + NEWS).await {
                return Unreachable::RouteAgain;
            }
        }
        Unreachable::Fail(Box::new(Failure::connect(endpoint, port, error)))
    }

    /// The job may just have ended under the request, and the log is about to say so.
    async fn broken(
        &self,
        target: &Target,
        endpoint: &Endpoint,
        failure: Failure,
        known: bool,
    ) -> Failure {
        let Some(job) = self.at(target, endpoint) else {
            return failure;
        };
        let Some(ended) = wait::until_end(&self.live, &job, Instant::now() + LAST_NEWS).await
        else {
            return failure;
        };
        if !known {
            return Failure::ended("it is started again");
        }
        let output = &self.platform.output;
        let lines = answer::last_lines(output, &job.account, job.id, ended.run).await;
        Failure::ended(answer::why(&ended)).lines(lines)
    }
}

fn routed(
    (job, flight): (&LiveJob, Flight),
    port: Option<u16>,
    admitted: Admitted,
    (start, open): (Option<ColdStart>, Option<Open>),
) -> Result<Routed, Failure> {
    let endpoint = to(job).ok_or_else(|| answer::job_over(job))?;
    Ok(Routed {
        endpoint,
        port: port.unwrap_or(job.port),
        identity: admitted.identity,
        ours: admitted.ours,
        start,
        flight: Some(flight),
        guard: Box::new(open),
    })
}

fn to(job: &LiveJob) -> Option<Endpoint> {
    job.endpoint.as_ref().map(|endpoint| match endpoint {
        job::Endpoint::Tcp(address) => Endpoint::Tcp(address.ip()),
        job::Endpoint::Unix(path) => Endpoint::Shim(Arc::clone(path)),
    })
}

/// The phases of a start as one request waited for it: what the others do not account for is the queue's.
fn cold_start(job: &LiveJob, waited: Duration) -> ColdStart {
    let phases = job.phases.unwrap_or_default();
    let [image, data, create, start, ready] = [
        phases.image,
        phases.data,
        phases.create,
        phases.start,
        phases.ready,
    ]
    .map(Duration::from_micros);
    ColdStart {
        queue: waited.saturating_sub(image + data + create + start + ready),
        image,
        data,
        create,
        start,
        ready,
        thaw: Duration::ZERO,
    }
}

/// The one phase of a request that a frozen run was let go on for.
fn thaw(waited: Duration) -> ColdStart {
    ColdStart {
        thaw: waited,
        ..ColdStart::default()
    }
}

/// Whether a service may take traffic at all.
fn is_on(service: &LiveService) -> bool {
    service.status == Status::On
}
