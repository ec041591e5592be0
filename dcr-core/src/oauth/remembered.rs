//! An approval that is remembered: only for clients that the operator pinned and said so for, only for https redirect URIs,
//! and only for the person who gave it (CO-5, spec rows 77 and 79).
//!
//! It is a sealed cookie of this browser. It names the client as it was pinned then, redirect URI, resource, scopes and
//! user; anything else asks again. Who signs in is only known after the login: another person than the one who approved gets
//! no code but a page, and is asked the next time.

use std::time::Duration;

use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::ScopeSet;
use super::transaction::AuthorizeRequest;
use crate::client::PreRegistered;
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::random::{RandomUnavailable, SecureRandom};
use crate::seal::{KeyRing, Purpose, b64, digest, sha256};
use crate::session::UserId;

/// An approval as the cookie has it.
#[derive(Serialize, Deserialize)]
struct Approval<'a> {
    /// The client id and all that the operator said of the client: a change asks again (CI-8).
    client: [u8; 32],
    redirect: &'a str,
    resource: &'a str,
    scope: &'a str,
    user: &'a str,
    until: i64,
}

/// A cookie to set: the end of its name, its value, and how long it is kept.
pub(crate) struct RememberedCookie {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) max_age: Duration,
}

impl RememberedCookie {
    /// One that takes an approval back.
    pub(crate) const fn forget(name: String) -> Self {
        Self { name, value: String::new(), max_age: Duration::ZERO }
    }
}

/// The end of the name of the cookie of this client, redirect URI and resource.
pub(crate) fn cookie_name(request: &AuthorizeRequest) -> String {
    let parts = [request.client_id.as_str(), request.redirect_uri(), request.resource.as_str()];
    b64(&digest("dcr/v1/remembered", &parts.map(str::as_bytes))[..12])
}

fn of_client(client: &PreRegistered) -> [u8; 32] {
    sha256(&serde_json::to_vec(client).unwrap_or_default())
}

fn seal(
    request: &AuthorizeRequest,
    client: &PreRegistered,
    user: &UserId,
    until: Timestamp,
    ring: &KeyRing,
    random: &dyn SecureRandom,
) -> Result<String, RandomUnavailable> {
    let approval = Approval {
        client: of_client(client),
        redirect: request.redirect_uri(),
        resource: &request.resource,
        scope: &request.scope,
        user: user.as_str(),
        until: until.unix_micros(),
    };
    let plain = postcard::to_allocvec(&approval).map_err(|_| RandomUnavailable)?;
    ring.seal(Purpose::Remembered, b"", &plain, random)
}

/// Who approved exactly this before, in this browser, and not too long ago.
fn approver(
    sealed: &str,
    request: &AuthorizeRequest,
    client: &PreRegistered,
    now: Timestamp,
    ring: &KeyRing,
) -> Option<UserId> {
    let plain = ring.open(Purpose::Remembered, b"", sealed.as_bytes())?;
    let approval: Approval<'_> = postcard::from_bytes(&plain).ok()?;
    let is_same = approval.client == of_client(client)
        && approval.redirect == request.redirect_uri()
        && approval.resource == request.resource
        && ScopeSet::parse_lossy(approval.scope).includes(&ScopeSet::parse_lossy(&request.scope));
    let until = Timestamp::from_unix_micros(approval.until);
    (is_same && now < until).then(|| approval.user.parse().ok()).flatten()
}

/// Whether a person is looking: a top-level navigation that they began (Fetch Metadata). What browsers do not say so of is
/// asked as if nothing were remembered.
pub(crate) fn is_fresh_navigation(headers: &HeaderMap) -> bool {
    let is = |name: &str, wanted: &str| {
        let mut all = headers.get_all(name).iter();
        all.next().is_some_and(|value| value == wanted) && all.next().is_none()
    };
    is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document") && is("sec-fetch-user", "?1")
}

impl Inner {
    /// The person who approved this request before, by the cookies of this browser.
    pub(super) async fn remembered_approver(
        &self,
        request: &AuthorizeRequest,
        cookies: impl Fn(&str) -> Vec<String>,
    ) -> Option<UserId> {
        let client = self.pinned(&request.client_id).await.ok().flatten()?;
        let now = self.clock.now();
        cookies(&cookie_name(request)).iter().find_map(|sealed| approver(sealed, request, &client, now, &self.ring))
    }

    /// The cookie by which this approval is remembered, if the operator wants that.
    pub(super) async fn remember(&self, request: &AuthorizeRequest, user: &UserId) -> Option<RememberedCookie> {
        if !request.may_be_remembered() {
            return None;
        }
        let client = self.pinned(&request.client_id).await.ok().flatten()?;
        let max_age = client.remember?;
        let until = self.clock.now() + max_age;
        let value = seal(request, &client, user, until, &self.ring, self.random.as_ref()).ok()?;
        Some(RememberedCookie { name: cookie_name(request), value, max_age })
    }
}
