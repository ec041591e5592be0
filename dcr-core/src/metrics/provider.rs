//! A provider whose calls are timed, each in a span of its own.

use std::fmt;
use std::sync::Arc;

use ::metrics::histogram;
use async_trait::async_trait;
use tracing::Instrument as _;

use super::UPSTREAM;
use crate::clock::{Clock, Timestamp};
use crate::upstream::{
    Identified, IdentityProvider, LoginAnswer, LoginError, LoginRequest, RefreshRequest, UpstreamError, UpstreamGrant,
};

/// See [`super::timed_provider`].
pub(super) struct Timed {
    pub(super) provider: Arc<dyn IdentityProvider>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Timed {
    async fn timed<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        let span = tracing::debug_span!(target: "dcr", "dcr.upstream", operation);
        let began = self.clock.now();
        let answer = call.instrument(span).await;
        let outcome = answer.as_ref().map_or_else(|error| error.reason().as_str(), |_| "ok");
        let took = self.clock.now().since(began);
        histogram!(UPSTREAM, "operation" => operation, "outcome" => outcome).record(took);
        answer
    }
}

#[async_trait]
impl IdentityProvider for Timed {
    fn name(&self) -> &str {
        self.provider.name()
    }

    async fn login_url(&self, request: LoginRequest<'_>) -> Result<String, UpstreamError> {
        self.timed("login_url", self.provider.login_url(request)).await
    }

    async fn identify(&self, answer: LoginAnswer<'_>) -> Result<Identified, UpstreamError> {
        self.timed("identify", self.provider.identify(answer)).await
    }

    async fn refresh(&self, request: RefreshRequest<'_>) -> Result<UpstreamGrant, UpstreamError> {
        self.timed("refresh", self.provider.refresh(request)).await
    }

    async fn check(&self) -> Result<(), UpstreamError> {
        self.timed("check", self.provider.check()).await
    }

    fn upstream(&self) -> String {
        self.provider.upstream()
    }

    fn credential_not_after(&self) -> Option<Timestamp> {
        self.provider.credential_not_after()
    }

    fn clock_ahead(&self) -> Option<i64> {
        self.provider.clock_ahead()
    }

    fn explain(&self, error: LoginError<'_>) -> UpstreamError {
        self.provider.explain(error)
    }

    fn insecure_origins(&self) -> Vec<String> {
        self.provider.insecure_origins()
    }
}

/// As the provider itself: nobody needs to know that it is timed.
impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.provider.fmt(f)
    }
}
