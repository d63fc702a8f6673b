//! What a listener serves: the platform's own pages, and beside them services and jobs by their host.

use std::sync::Arc;

use axum::Router;
use axum::body::Body as PlatformBody;
use hyper::body::Body;
use hyper::{Request, Response};
use tower::ServiceExt;

use crate::ingress::{
    Backends, Client, Connector, Failure, Ingress, RequestBody, ResponseBody, Target,
};

/// The platform, and services and jobs by their host.
#[derive(Debug)]
pub struct Sites<B, C> {
    platform: Router,
    ingress: Arc<Ingress<B, C>>,
}

// === impl Sites ===

impl<B, C> Sites<B, C> {
    /// `platform` on its own domain and every host that is not below it, `ingress` on the others.
    pub fn new(platform: Router, ingress: Arc<Ingress<B, C>>) -> Self {
        Self { platform, ingress }
    }
}

impl<B, C> Clone for Sites<B, C> {
    fn clone(&self) -> Self {
        Self {
            platform: self.platform.clone(),
            ingress: Arc::clone(&self.ingress),
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
        let (parts, body) = request.into_parts();
        match self.ingress.target(&parts) {
            Ok(Target::Platform) => {
                let request = Request::from_parts(parts, body);
                Box::pin(self.platform(request)).await
            }
            Ok(target) => self.ingress.serve(client, &target, parts, body).await,
            Err(error) => {
                let failure = Failure::from(error);
                Box::pin(self.ingress.refuse(failure, &parts, body)).await
            }
        }
    }

    async fn platform(&self, request: Request<RequestBody>) -> Response<ResponseBody> {
        let request = request.map(|body| {
            if body.is_end_stream() {
                PlatformBody::empty()
            } else {
                PlatformBody::new(body)
            }
        });
        let Ok(response) = self.platform.clone().oneshot(request).await;
        response.map(ResponseBody::platform)
    }
}
