//! The operator's console as a whole: its pages, and the API below them.

use ::http::request::Parts;
use ::http::{Request, Response};
use bytes::Bytes;

use crate::engine::{DcrEngine, Inner};
use crate::error::{Reason, Refusal};
use crate::http::Responder;
use crate::web::Place;

/// The console of an engine, by itself: pages under `/oauth/admin` for the people of [`AdminPeople`](crate::AdminPeople), and
/// the admin API below them. For another address than that of the other endpoints; an adapter's `router` or `routes` takes it
/// in the place of an engine. Without people it is the API alone, and without access it answers 404 to everything.
#[derive(Debug, Clone)]
pub struct AdminConsole {
    engine: DcrEngine,
}

impl DcrEngine {
    /// The console by itself, for an address of its own. See [`AdminAccess::apart`](crate::AdminAccess::apart) and
    /// [`AdminAccess::apart_at`](crate::AdminAccess::apart_at).
    #[must_use]
    pub fn console(&self) -> AdminConsole {
        AdminConsole { engine: self.clone() }
    }
}

impl AdminConsole {
    /// Where browsers find its pages, such as `https://mcp.example/oauth/admin`; at its own origin if it has one. `None` if
    /// there is no console: nobody may sign in to it.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        self.engine.inner.console_place().map(Place::url)
    }

    /// Answers one request. Never fails: whatever goes wrong is an answer.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        self.engine.inner.answer_console(&parts, std::future::ready(Ok(body))).await
    }
}

#[cfg(feature = "tower")]
impl crate::http::Endpoints for AdminConsole {
    /// The logo of its pages, if the engine serves one.
    fn paths(&self) -> Vec<String> {
        let inner = &self.engine.inner;
        let logo = inner.look.logo().filter(|_| inner.console_place().is_some());
        logo.map(|logo| logo.path.clone()).into_iter().collect()
    }

    fn prefixes(&self) -> Vec<String> {
        let inner = &self.engine.inner;
        vec![inner.console_place().map_or_else(|| format!("{}{}", inner.prefix, super::PATH), |place| place.path(""))]
    }

    async fn answer<B>(&self, request: Request<B>) -> Response<Bytes>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        self.engine.inner.answer_console(&parts, crate::http::read_whole(body)).await
    }
}

impl Inner {
    /// Where the console is, if there is one.
    pub(crate) fn console_place(&self) -> Option<&Place> {
        self.admin.as_ref().and_then(|admin| admin.console.as_ref())
    }

    /// One request to the console or to the API below it.
    pub(crate) async fn answer_console(
        &self,
        parts: &Parts,
        body: impl Future<Output = Result<Bytes, Reason>>,
    ) -> Response<Bytes> {
        let path = parts.uri.path();
        let is_api = self.admin.as_ref().is_none_or(|admin| admin.below(path).is_some());
        let Some(place) = self.console_place().filter(|_| !is_api) else {
            return self.answer_admin(parts, body).await;
        };
        if let Some(logo) = self.look.logo().filter(|logo| logo.path == path) {
            return logo.response();
        }
        match place.below(path) {
            Some(page) => self.observed("console", self.answer_web(place, page, parts, body)).await,
            None => Responder::new(self, &parts.headers).refusal("request", &Refusal::from(Reason::NotFound)),
        }
    }
}
