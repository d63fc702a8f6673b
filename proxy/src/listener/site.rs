//! What a listener serves: the platform's own pages, and beside them services and jobs by their host.

use axum::Router;
use axum::body::Body as PlatformBody;
use hyper::body::Body;
use hyper::{Request, Response};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt;

use crate::door::OWN_PATHS;
use crate::ingress::{
    Backends, Client, Connector, Failure, Ingress, RequestBody, ResponseBody, Target,
};
use crate::task::QueueService;

/// The platform, and services and jobs by their host.
#[derive(Debug)]
pub struct Sites<B, C> {
    platform: Router,
    queues: Router,
    doors: Router,
    ingress: Ingress<B, C>,
    /// Where the platform's pages are made, so that they hold up nobody's requests to services.
    home: Handle,
}

// === impl Sites ===

impl<B, C> Sites<B, C> {
    /// `platform` on its own domain and every host that is not below it, `ingress` on the others.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, which is the one that makes the platform's pages.
    pub fn new(platform: Router, ingress: Ingress<B, C>) -> Self {
        Self {
            platform,
            queues: Router::new(),
            doors: Router::new(),
            ingress,
            home: Handle::current(),
        }
    }

    /// The same, with what the URLs of services with a queue serve.
    #[must_use]
    pub fn with_queues(self, queues: Router) -> Self {
        Self { queues, ..self }
    }

    /// The same, with the paths that are the platform's own on the hosts of services and jobs.
    #[must_use]
    pub fn with_doors(self, doors: Router) -> Self {
        Self { doors, ..self }
    }

    /// The same, with connections to applications of its own.
    pub(super) fn beside(&self) -> Self {
        Self {
            platform: self.platform.clone(),
            queues: self.queues.clone(),
            doors: self.doors.clone(),
            ingress: self.ingress.beside(),
            home: self.home.clone(),
        }
    }
}

impl<B: Backends, C: Connector> Sites<B, C> {
    /// The answer, whatever happens.
    pub(super) async fn answer(
        &self,
        client: &Client,
        request: Request<RequestBody>,
    ) -> Response<ResponseBody> {
        let (mut parts, body) = request.into_parts();
        match self.ingress.target(&parts) {
            Ok(Target::Platform) => {
                let request = Request::from_parts(parts, body);
                Box::pin(self.page(self.platform.clone(), request)).await
            }
            Ok(_) if parts.uri.path().starts_with(OWN_PATHS) => {
                let request = Request::from_parts(parts, body);
                Box::pin(self.page(self.doors.clone(), request)).await
            }
            Ok(target) if let Some(id) = self.ingress.backends().queue(&target) => {
                let mut request = Request::from_parts(parts, body);
                request.extensions_mut().insert(QueueService(id));
                Box::pin(self.page(self.queues.clone(), request)).await
            }
            Ok(target) => {
                let body = &mut Some(body);
                self.ingress.serve(client, &target, &mut parts, body).await
            }
            Err(error) => {
                let failure = Failure::from(error);
                Box::pin(self.ingress.refuse(failure, &parts, body)).await
            }
        }
    }

    /// What a router answers, made where it holds up nobody.
    async fn page(&self, router: Router, request: Request<RequestBody>) -> Response<ResponseBody> {
        let request = request.map(|body| {
            if body.is_end_stream() {
                PlatformBody::empty()
            } else {
                PlatformBody::new(body)
            }
        });
        let answer = router.oneshot(request);
        match AbortOnDropHandle::new(self.home.spawn(answer)).await {
            Ok(Ok(response)) => response.map(ResponseBody::platform),
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The process is about to end.
                Err(_) => std::future::pending().await,
            },
        }
    }
}
