//! The decision of a person: `POST /oauth/consent`. Approved: the transaction is sealed into this browser's cookie, and
//! only then does anything go upstream (UP-1, CB-3). Writes nothing.

use super::transaction::{ApprovedTransaction, AuthorizeRequest};
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::http::Params;
use crate::record::Step;
use crate::session::UserId;
use crate::upstream::LoginRequest;

/// At most so many transactions are open in one browser, and together at most so many bytes of cookies.
const MAX_OPEN: usize = 4;
const MAX_OPEN_BYTES: usize = 6 * 1024;

/// What the browser sent along.
pub(crate) struct ConsentForm<'a> {
    pub(crate) form: &'a Params,
    /// The values against forged forms that this browser holds.
    pub(crate) csrf: &'a [String],
    /// The transaction cookies that this browser holds: name and value.
    pub(crate) open: &'a [(String, String)],
    /// `Origin` and `Sec-Fetch-Site`; what came more than once, or is no text, is an empty text and matches nothing.
    pub(crate) origin: Option<&'a str>,
    pub(crate) fetch_site: Option<&'a str>,
}

/// What comes after an approval: set the cookie, drop the ones that are too many, and go upstream.
pub(crate) struct Login {
    pub(crate) location: String,
    pub(crate) state: String,
    pub(crate) cookie: String,
    pub(crate) drop: Vec<String>,
}

/// How a decision ends.
pub(crate) enum Consent {
    /// Approved.
    Login(Login),
    /// Denied, and the client may be told.
    Back { location: String, refusal: Refusal },
    /// The person is told.
    Refuse(Refusal),
}

/// Whether a form was posted by a page of `ours`. Under `Referrer-Policy: no-referrer` browsers send `Origin: null` with
/// `Sec-Fetch-Site: same-origin`: that pair is ours. Clients that send neither header are no browsers and have no cookie to
/// abuse.
pub(crate) fn is_same_origin(fetch_site: Option<&str>, origin: Option<&str>, ours: &str) -> bool {
    match (fetch_site, origin) {
        (Some("same-origin"), None | Some("null")) | (None, None) => true,
        (Some("same-origin") | None, Some(origin)) => origin == ours,
        _ => false,
    }
}

impl Inner {
    /// `POST /oauth/consent`.
    pub(crate) async fn consent(&self, posted: ConsentForm<'_>) -> Consent {
        let request = match self.whose_form(&posted) {
            Ok(request) => request,
            Err(refusal) => {
                self.count(Step::Consent, None, Some(refusal.reason()));
                return Consent::Refuse(refusal);
            }
        };
        let platform = request.platform.clone();
        let decided = match posted.form.get("decision") {
            Some("approve") => {
                self.go_upstream(request, None, posted.open).await.map_or_else(Consent::Refuse, Consent::Login)
            }
            Some("deny") => self.denied(&request),
            _ => Consent::Refuse(Refusal::new(Reason::RequestMalformed, "decision must be approve or deny")),
        };
        let refused = match &decided {
            Consent::Login(_) => None,
            Consent::Back { refusal, .. } | Consent::Refuse(refusal) => Some(refusal.reason()),
        };
        self.count(Step::Consent, Some(&platform), refused);
        decided
    }

    /// The request that the form carries, if this browser was given it. Nothing else of the form counts (CB-9, CONS-06).
    fn whose_form(&self, posted: &ConsentForm<'_>) -> Result<AuthorizeRequest, Refusal> {
        if !self.is_same_site(posted) {
            return Err(Reason::CrossSitePost.into());
        }
        if posted.csrf.is_empty() {
            return Err(Reason::CookiesBlocked.into());
        }
        let sealed = posted.form.get("request").ok_or(Reason::ConsentNotYours)?;
        let opened = posted.csrf.iter().find_map(|csrf| AuthorizeRequest::open(sealed, csrf, &self.ring));
        let request = opened.ok_or(Reason::ConsentNotYours)?;
        if self.clock.now().since(request.begun_at) > self.lifetimes.transaction {
            return Err(Reason::ConsentExpired.into());
        }
        Ok(request)
    }

    fn is_same_site(&self, posted: &ConsentForm<'_>) -> bool {
        is_same_origin(posted.fetch_site, posted.origin, self.issuer.as_str())
    }

    /// An approved request goes upstream; `open` are the transaction cookies that this browser holds.
    pub(super) async fn go_upstream(
        &self,
        request: AuthorizeRequest,
        approved_before_by: Option<UserId>,
        open: &[(String, String)],
    ) -> Result<Login, Refusal> {
        let transaction = request.approve(approved_before_by, self.clock.now(), self.random.as_ref())?;
        let state = transaction.state(&self.ring);
        let upstream = self.grant_name(&transaction.request.resource);
        let location = self
            .provider
            .login_url(LoginRequest {
                callback: &self.endpoint("callback"),
                state: &state,
                nonce: &transaction.nonce,
                verifier: &transaction.verifier,
                select_account: transaction.request.must_select_account(),
                upstream_scopes: upstream.as_ref().map_or(&[][..], |name| &name.asked),
            })
            .await?;
        let cookie = transaction.seal(&self.ring, self.random.as_ref())?;
        let drop = self.too_many(open, cookie.len());
        Ok(Login { location, state, cookie, drop })
    }

    /// The names of open transactions that have to go for one more: the oldest, and what does not open.
    fn too_many(&self, open: &[(String, String)], added: usize) -> Vec<String> {
        let now = self.clock.now();
        let approved_at = |sealed: &str| {
            let at = ApprovedTransaction::open(sealed, &self.ring).map(|transaction| transaction.approved_at);
            at.filter(|at| now.since(*at) <= self.lifetimes.transaction)
        };
        let mut kept: Vec<(Timestamp, &(String, String))> = Vec::new();
        let mut drop = Vec::new();
        for cookie in open {
            match approved_at(&cookie.1) {
                Some(at) => kept.push((at, cookie)),
                None => drop.push(cookie.0.clone()),
            }
        }
        kept.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let mut bytes = added;
        for (nth, (_, cookie)) in kept.into_iter().enumerate() {
            bytes += cookie.1.len();
            if nth + 1 >= MAX_OPEN || bytes > MAX_OPEN_BYTES {
                drop.push(cookie.0.clone());
            }
        }
        drop
    }

    /// No is an answer; it goes to the client only where errors may (CO-8).
    fn denied(&self, request: &AuthorizeRequest) -> Consent {
        let refusal = Refusal::from(Reason::ConsentDenied);
        let back = request.return_address();
        if !back.is_trusted() {
            return Consent::Refuse(refusal);
        }
        let parameters =
            [("error", "access_denied"), ("error_description", "The person did not allow the app to connect.")];
        Consent::Back { location: back.with(&parameters, self.issuer.as_str()), refusal }
    }
}
