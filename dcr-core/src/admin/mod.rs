//! The admin API: what an operator's own programs and consoles ask and do, as JSON under `/oauth/admin/api/v1/`.
//!
//! It is off unless [`DcrEngineBuilder::admin`](crate::DcrEngineBuilder::admin) gives somebody access, and knows no cookies
//! and no other origins. `openapi.json` beside this file describes it, and is served. Everything that changes something
//! goes through [`Operator`](crate::Operator), as `dcr` does, and is an event with its actor.
//!
//! Refusals are problem documents (RFC 9457) with a `code` of their own. What is not in the description is refused: an
//! unknown parameter or member, another method, another media type (I-13).

mod change;
mod input;
mod problem;
mod read;
mod route;
mod view;

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ::http::request::Parts;
use ::http::{HeaderMap, Request, Response};
use bytes::Bytes;

pub(crate) use self::change::{Applied, pin_as_in_a_file};
pub(crate) use self::input::checked as checked_reason;
pub(crate) use self::problem::Problem;
pub(crate) use self::read::{WhatWas, named};
pub(crate) use self::route::Verb;
use self::route::{Found, Operation};
use crate::engine::{DcrEngine, Inner};
use crate::error::Reason;
use crate::limits::{Caller, Endpoint};
use crate::oauth::challenge::bearer_token;
use crate::record::{Actor, EventKind};
use crate::seal::{same_bytes, sha256};

/// The path below the prefix of the engine.
const PATH: &str = "/admin/api/v1";
/// Tokens are at least so long: nobody guesses them, whatever else limits the guesses.
const SHORTEST: usize = 32;
/// That somebody came with a wrong token is on the record at most so often in each process.
const RECORD_EVERY: Duration = Duration::from_secs(10 * 60);

/// Who may use the admin API.
///
/// ```
/// use dcr_core::AdminAccess;
///
/// let access = AdminAccess::token("4d2f0c9e-1b7a-4c55-9f0e-6a1d3c8b7e20")?;
/// # let _ = access;
/// assert!(AdminAccess::token("secret").is_err());
/// # Ok::<(), dcr_core::AdminAccessError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AdminAccess {
    token: [u8; 32],
    apart: bool,
}

/// A token that cannot give access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an admin token has at least 32 visible ASCII characters: make one with `openssl rand -base64 32`")]
pub struct AdminAccessError;

impl AdminAccess {
    /// Whoever has this bearer token (`DCR_ADMIN_TOKEN`). Only its hash is kept.
    ///
    /// # Errors
    /// [`AdminAccessError`] if it is too short, or cannot be sent in a header.
    pub fn token(token: &str) -> Result<Self, AdminAccessError> {
        let fits = (SHORTEST..=1_024).contains(&token.len()) && token.bytes().all(|b| (0x21..=0x7e).contains(&b));
        if fits { Ok(Self { token: sha256(token.as_bytes()), apart: false }) } else { Err(AdminAccessError) }
    }

    /// Only where [`DcrEngine::admin`] is served, such as at an address that is not public; not among the other endpoints.
    #[must_use]
    pub const fn apart(mut self) -> Self {
        self.apart = true;
        self
    }
}

impl fmt::Debug for AdminAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminAccess").field("apart", &self.apart).finish_non_exhaustive()
    }
}

/// The admin API of an engine, by itself: for another address than that of the other endpoints. An adapter's `router` or
/// `routes` takes it in the place of an engine. Without access it answers 404 to everything.
#[derive(Debug, Clone)]
pub struct AdminApi {
    engine: DcrEngine,
}

/// The API as the engine holds it.
pub(crate) struct Admin {
    access: AdminAccess,
    base: String,
    recorded_at: AtomicI64,
}

impl Admin {
    pub(crate) fn new(access: AdminAccess, prefix: &str) -> Self {
        Self { access, base: format!("{prefix}{PATH}"), recorded_at: AtomicI64::new(i64::MIN) }
    }

    /// Whether the other endpoints' address serves it, at this path.
    pub(crate) fn is_here(&self, path: &str) -> bool {
        !self.access.apart && self.below(path).is_some()
    }

    /// The path below the API's own; empty for that itself.
    fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&self.base)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }
}

impl DcrEngine {
    /// The admin API by itself, for an address of its own. See [`AdminAccess::apart`].
    #[must_use]
    pub fn admin(&self) -> AdminApi {
        AdminApi { engine: self.clone() }
    }

    /// Where the admin API is among the other endpoints, if it is.
    #[cfg(feature = "tower")]
    pub(crate) fn admin_prefix(&self) -> Option<String> {
        self.inner.admin.as_ref().filter(|admin| !admin.access.apart).map(|admin| admin.base.clone())
    }
}

impl AdminApi {
    /// Answers one request. Never fails: whatever goes wrong is an answer.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        self.engine.inner.answer_admin(&parts, std::future::ready(Ok(body))).await
    }
}

#[cfg(feature = "tower")]
impl crate::http::Endpoints for AdminApi {
    fn paths(&self) -> Vec<String> {
        Vec::new()
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}{PATH}", self.engine.inner.prefix)]
    }

    async fn answer<B>(&self, request: Request<B>) -> Response<Bytes>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        self.engine.inner.answer_admin(&parts, crate::http::read_whole(body)).await
    }
}

impl Inner {
    /// One request to the admin API. `body` is read only for those who have access.
    pub(crate) async fn answer_admin(
        &self,
        parts: &Parts,
        body: impl Future<Output = Result<Bytes, Reason>>,
    ) -> Response<Bytes> {
        let answered = match &self.admin {
            Some(admin) => self.admitted_admin(admin, parts, body).await,
            None => Err(Problem::not_found()),
        };
        answered.unwrap_or_else(|problem| problem.response())
    }

    async fn admitted_admin(
        &self,
        admin: &Admin,
        parts: &Parts,
        body: impl Future<Output = Result<Bytes, Reason>>,
    ) -> Result<Response<Bytes>, Problem> {
        let actor = self.who_administers(admin, parts).await?;
        let path = admin.below(parts.uri.path()).ok_or_else(Problem::not_found)?;
        let Found { operation, named } = route::find(&parts.method, path)?;
        let query = parts.uri.query().unwrap_or("");
        let body = body.await.map_err(Problem::from)?;
        match operation {
            Operation::Read(read) => self.admin_read(read, &named, query).await,
            Operation::Change(change) => {
                input::no_parameters(query)?;
                let body = input::json_body(&parts.headers, &body)?;
                self.admin_change(change, &named, body, actor).await
            }
        }
    }

    /// Who asks, if they may. Limits are for those who may not: whoever has the token must get in while others use up what
    /// is left for them.
    async fn who_administers(&self, admin: &Admin, parts: &Parts) -> Result<Actor, Problem> {
        match presented(&parts.headers) {
            Ok(hash) if same_bytes(&hash, &admin.access.token) => return Ok(Actor::Token),
            presented => {
                let caller = self.proxies.caller(parts);
                let now = self.clock.now();
                self.meters.admit(Endpoint::Token, &caller, now)?;
                self.meters.failed(Endpoint::Token, &caller, now);
                if let Ok(_wrong) = presented {
                    self.record_wrong_token(admin, &caller).await;
                    return Err(Problem::unauthorized("token_invalid", "This is not the admin token."));
                }
            }
        }
        Err(Problem::unauthorized("token_missing", "Send the admin token: Authorization: Bearer …"))
    }

    /// In the log and, now and then, on the record: a guesser fills neither.
    async fn record_wrong_token(&self, admin: &Admin, caller: &Caller) {
        let now = self.clock.now();
        let address = caller.address.map(|address| address.to_string()).unwrap_or_default();
        if self.meters.may_log(now) {
            tracing::warn!(target: "dcr", step = "admin", address, "wrong admin token");
        }
        let last = admin.recorded_at.load(Ordering::Relaxed);
        let due = now.unix_micros().saturating_sub(last) >= i64::try_from(RECORD_EVERY.as_micros()).unwrap_or(i64::MAX);
        let mine = due
            && admin
                .recorded_at
                .compare_exchange(last, now.unix_micros(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !mine {
            return;
        }
        let Ok(mut event) = self.event(EventKind::Refused, "admin_token") else { return };
        event.actor = Actor::Unknown;
        if let Err(error) = self.store.record(event).await {
            tracing::error!(target: "dcr", %error, "a wrong admin token could not be recorded");
        }
    }
}

/// The hash of the token that was presented.
fn presented(headers: &HeaderMap) -> Result<[u8; 32], ()> {
    bearer_token(headers).map(|token| sha256(token.as_bytes())).map_err(|_| ())
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("access", &self.access).finish_non_exhaustive()
    }
}
