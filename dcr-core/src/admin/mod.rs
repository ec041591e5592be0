//! The admin API: what an operator's own programs and consoles ask and do, as JSON under `/oauth/admin/api/v1/`.
//!
//! It is off unless [`DcrEngineBuilder::admin`](crate::DcrEngineBuilder::admin) gives somebody access: whoever has the
//! bearer token, and the people who may use the console ([`AdminPeople`]), who are known by its cookie. That cookie is Strict,
//! and counts here only in requests of which the browser itself says that a page of the same origin makes them (or, to read,
//! that a person typed the address): `Sec-Fetch-Site`, which no script can set. A change needs a JSON body besides, which no
//! form of another site can send. So no other origin asks or does anything here. `openapi.json` beside this file describes it, and is served. Everything that changes something
//! goes through [`Operator`](crate::Operator), as `dcr` does, and is an event with its actor.
//!
//! Refusals are problem documents (RFC 9457) with a `code` of their own. What is not in the description is refused: an
//! unknown parameter or member, another method, another media type (I-13).

mod change;
mod console;
mod input;
mod lists;
mod people;
mod problem;
mod read;
mod route;
mod view;

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ::http::header::AUTHORIZATION;
use ::http::request::Parts;
use ::http::{HeaderMap, Response};
use bytes::Bytes;

pub(crate) use self::change::{Applied, pin_as_in_a_file};
pub use self::console::AdminConsole;
pub(crate) use self::input::checked as checked_reason;
pub(crate) use self::lists::{ListedPlatform, target_of, target_text};
pub use self::people::AdminPeople;
pub(crate) use self::problem::Problem;
pub(crate) use self::read::{WhatWas, named};
pub(crate) use self::route::Verb;
use self::route::{Found, Operation};
pub(crate) use self::view::without_secret;
use crate::config::Issuer;
use crate::engine::{DcrEngine, Inner};
use crate::error::{ConfigError, Reason};
use crate::limits::{Caller, Endpoint};
use crate::oauth::challenge::bearer_token;
use crate::record::{Actor, EventKind};
use crate::seal::{same_bytes, sha256};
use crate::web::Place;

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
    token: Option<[u8; 32]>,
    people: AdminPeople,
    apart: bool,
    /// The console's own origin.
    origin: Option<String>,
}

/// What cannot give access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdminAccessError {
    /// The token is too short, or cannot be sent in a header.
    #[error("an admin token has at least 32 visible ASCII characters: make one with `openssl rand -base64 32`")]
    Token,
    /// The lists name nobody.
    #[error("the lists of people who administer this server name nobody")]
    Nobody,
}

impl AdminAccess {
    /// Whoever has this bearer token (`DCR_ADMIN_TOKEN`). Only its hash is kept.
    ///
    /// # Errors
    /// [`AdminAccessError`] if it is too short, or cannot be sent in a header.
    pub fn token(token: &str) -> Result<Self, AdminAccessError> {
        let fits = (SHORTEST..=1_024).contains(&token.len()) && token.bytes().all(|b| (0x21..=0x7e).contains(&b));
        if !fits {
            return Err(AdminAccessError::Token);
        }
        Ok(Self { token: Some(sha256(token.as_bytes())), people: AdminPeople::new(), apart: false, origin: None })
    }

    /// These people, once they have signed in. They get the console under `/oauth/admin`, and the API.
    ///
    /// # Errors
    /// [`AdminAccessError::Nobody`] if the lists are empty.
    pub fn people(people: AdminPeople) -> Result<Self, AdminAccessError> {
        Ok(Self { token: None, people: people.checked()?, apart: false, origin: None })
    }

    /// These people, too.
    ///
    /// # Errors
    /// [`AdminAccessError::Nobody`] if the lists are empty.
    pub fn and_people(self, people: AdminPeople) -> Result<Self, AdminAccessError> {
        Ok(Self { people: people.checked()?, ..self })
    }

    /// Only where [`DcrEngine::console`] is served, such as at an address that is not public; not
    /// among the other endpoints. Browsers still see it under the public URL, as behind a proxy that lets only some through.
    #[must_use]
    pub const fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// The same, and browsers see it at an origin of its own, such as `https://admin.example`: https, or loopback. Sign-ins to
    /// the console come back there, to `/oauth/admin/callback`, which the provider must know as a redirect URI. A logo that the
    /// host serves ([`Theme::logo_path`](crate::Theme::logo_path)) must be there as well.
    #[must_use]
    pub fn apart_at(mut self, origin: impl Into<String>) -> Self {
        (self.apart, self.origin) = (true, Some(origin.into()));
        self
    }
}

impl fmt::Debug for AdminAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminAccess")
            .field("people", &self.people)
            .field("apart", &self.apart)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// The API as the engine holds it.
pub(crate) struct Admin {
    access: AdminAccess,
    base: String,
    /// Where people sign in, if there are any who may.
    console: Option<Place>,
    recorded_at: AtomicI64,
}

impl Admin {
    pub(crate) fn new(access: AdminAccess, issuer: &Issuer, prefix: &str) -> Result<Self, ConfigError> {
        let own = access.origin.as_deref().map(Issuer::parse).transpose().map_err(|error| match error {
            ConfigError::PublicUrl { url, why } => ConfigError::AdminOrigin { url, why },
            other => other,
        })?;
        // The same origin as the public one has one callback, which is registered already.
        let own = own.filter(|own| own != issuer);
        let console =
            (!access.people.is_nobody()).then(|| Place::console(issuer, own.as_ref(), prefix, access.people.rules()));
        Ok(Self { access, base: format!("{prefix}{PATH}"), console, recorded_at: AtomicI64::new(i64::MIN) })
    }

    /// Who may use the console.
    pub(crate) const fn people(&self) -> &AdminPeople {
        &self.access.people
    }

    /// Whether the other endpoints' address serves this path.
    pub(crate) fn is_here(&self, path: &str) -> bool {
        let is_console = || self.console.as_ref().is_some_and(|place| place.below(path).is_some());
        !self.access.apart && (self.below(path).is_some() || is_console())
    }

    /// The path below the API's own; empty for that itself.
    fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&self.base)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }
}

impl DcrEngine {
    /// Where the console and the admin API are among the other endpoints, if they are: the API is below the console.
    #[cfg(feature = "tower")]
    pub(crate) fn admin_prefix(&self) -> Option<String> {
        let admin = self.inner.admin.as_ref().filter(|admin| !admin.access.apart)?;
        Some(admin.console.as_ref().map_or_else(|| admin.base.clone(), |place| place.path("")))
    }
}

impl Inner {
    /// One request to the admin API. `body` is read only for those who have access.
    pub(crate) async fn answer_admin(
        &self,
        parts: &Parts,
        body: impl Future<Output = Result<Bytes, Reason>>,
    ) -> Response<Bytes> {
        let answered = async {
            let answered = match &self.admin {
                Some(admin) => self.admitted_admin(admin, parts, body).await,
                None => Err(Problem::not_found()),
            };
            answered.unwrap_or_else(|problem| problem.response())
        };
        self.observed("admin_api", answered).await
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
        if let Some(place) = admin.console.as_ref().filter(|_| !parts.headers.contains_key(AUTHORIZATION)) {
            match self.web_caller(place, parts).await {
                Ok(Some(person)) => return Ok(Actor::Admin(person.user().clone())),
                Ok(None) => {}
                Err(refusal) if refusal.reason() == Reason::SignInBlocked => {
                    return Err(Problem::unauthorized("person_blocked", "Whoever is signed in here is blocked."));
                }
                Err(refusal) => return Err(refusal.into()),
            }
        }
        match presented(&parts.headers) {
            Ok(hash) if admin.access.token.is_some_and(|token| same_bytes(&hash, &token)) => return Ok(Actor::Token),
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
