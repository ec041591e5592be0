//! The token endpoint (RFC 6749 sections 4.1.3 and 6): a code or a refresh token for the next generation, by one
//! compare-and-swap. Everything is compared before anything moves. See the design's "exactly" section.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use serde::Serialize;

use super::{ScopeHierarchy, ScopeSet, scope};
use crate::client::{ClientCredentials, CredentialFault, Expected, Platform};
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::http::Params;
use crate::metrics;
use crate::record::{Event, EventKind, Step};
use crate::seal::b64;
use crate::session::{AccessToken, AccessTokenClaims, Generation, GrantKind, GrantToken, Session, SessionId, Subject};
use crate::store::{Advance, Advanced, CatchUp, Ending, EventQuery, Target};

/// A complete and correct redemption that comes again is a double submit for this long, and a replay after it.
const DOUBLE_SUBMIT: Duration = Duration::from_secs(10);

/// How often an anomaly of one kind and session is written to the record.
const ANOMALY_EVERY: Duration = Duration::from_secs(60);

/// The reason of a recovery whose row had not seen the redemption of the code, nor a secret that came along with it.
const AHEAD_OF_THE_CODE: &str = "refresh_ahead_of_the_code";

/// The body of a successful answer (RFC 6749 section 5.1).
#[derive(Serialize)]
pub(crate) struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    scope: String,
}

impl From<CredentialFault> for Refusal {
    fn from(fault: CredentialFault) -> Self {
        let reason = match fault {
            CredentialFault::Basic | CredentialFault::Assertion => Reason::ClientAuthentication,
            CredentialFault::NoClientId | CredentialFault::ClientId | CredentialFault::TwoMethods => {
                Reason::TokenRequestMalformed
            }
        };
        Self::new(reason, fault.to_string())
    }
}

impl Inner {
    /// `POST /oauth/token`.
    pub(crate) async fn token(&self, headers: &HeaderMap, form: &Params) -> Result<TokenResponse, Refusal> {
        check_form(form)?;
        let step = match required(form, "grant_type")? {
            "authorization_code" => Step::Code,
            "refresh_token" => Step::Refresh,
            "client_credentials" if self.may_have_machines().await? => Step::Machine,
            _ => return Err(Reason::GrantTypeUnsupported.into()),
        };
        let client = ClientCredentials::read(headers, form)?;
        let mut platform = None;
        let answered = match step {
            Step::Code => self.redeem(&client, form, &mut platform).await,
            Step::Refresh => self.refresh(&client, form, &mut platform).await,
            _ => self.machine_token(&client, form).await,
        };
        self.count(step, platform.as_ref(), answered.as_ref().err().map(Refusal::reason));
        answered
    }

    /// Generation 0: the authorization code. `seen` becomes the platform, once it is known.
    async fn redeem(
        &self,
        client: &ClientCredentials,
        form: &Params,
        seen: &mut Option<Platform>,
    ) -> Result<TokenResponse, Refusal> {
        let code = required(form, "code")?;
        let Some(grant) = GrantToken::open(code, GrantKind::Code, &self.ring) else {
            return Err(self.no_such_grant(client, Reason::CodeInvalid).await?);
        };
        let session = self.session_at(grant.session, grant.generation).await?;
        *seen = Some(session.platform.clone());
        metrics::about(session.id);
        if client.id != session.client_id {
            return Err(of_another("client_id"));
        }
        let expected =
            Expected { provenance: session.provenance, auth_method: session.auth_method, adopted_secret: None };
        let authenticated = self.authenticate_client(client, &expected).await?;
        self.code_is_bound(&session, form)?;
        let now = self.clock.now();
        self.meters.session(session.id, now)?;
        if session.is_alive(now) {
            // Nothing is given for a dead one, so that it makes no row either (I-1).
            self.use_up(&authenticated).await?;
        }
        let secret = self.secret_to_remember(&session, client);
        let advance = Advance {
            from: Generation::CODE,
            now,
            expires_at: self.next_expiry(&session, now),
            adopted_secret: secret,
        };
        match self.advance(session.id, advance).await? {
            Advanced::Won(session) => self.issue(&session, session.scope.clone(), now),
            Advanced::Lost(session) => Err(self.code_came_again(&session, now).await?),
            Advanced::Gone(Some(session)) if session.redeemed_at.is_some() => {
                Err(self.code_came_again(&session, now).await?)
            }
            Advanced::Gone(Some(session)) if session.ended.is_none() => Err(Reason::CodeExpired.into()),
            Advanced::Gone(_) => Err(Reason::SessionOver.into()),
        }
    }

    /// I-4, after the presented id and the client's own credentials: exact redirect, verifier, resource. Nothing has moved
    /// yet.
    fn code_is_bound(&self, session: &Session, form: &Params) -> Result<(), Refusal> {
        if required(form, "redirect_uri")? != session.redirect_uri {
            return Err(of_another("redirect_uri"));
        }
        let verifier = required(form, "code_verifier")?;
        if !session.code_challenge.is_answered_by(verifier) {
            return Err(of_another("code_verifier"));
        }
        self.resource_is_the_sessions(session, form)
    }

    /// The same complete and correct request again: refused; later than a double submit, it also ends the session.
    async fn code_came_again(&self, session: &Session, now: Timestamp) -> Result<Refusal, Refusal> {
        let late = session.redeemed_at.is_some_and(|at| now.since(at) > DOUBLE_SUBMIT);
        if !late || session.ended.is_some() {
            return Ok(Reason::CodeUsed.into());
        }
        self.end(session, Reason::CodeReplayed, now).await?;
        Ok(Reason::CodeReplayed.into())
    }

    /// Generation n: a refresh token. `seen` becomes the platform, once it is known.
    async fn refresh(
        &self,
        client: &ClientCredentials,
        form: &Params,
        seen: &mut Option<Platform>,
    ) -> Result<TokenResponse, Refusal> {
        let token = required(form, "refresh_token")?;
        let Some(grant) = GrantToken::open(token, GrantKind::Refresh, &self.ring) else {
            return Err(self.no_such_grant(client, Reason::RefreshInvalid).await?);
        };
        let session = self.session_at(grant.session, grant.generation).await?;
        *seen = Some(session.platform.clone());
        metrics::about(session.id);
        if client.id != session.client_id {
            self.anomaly(&session, Reason::RefreshOtherClient).await;
            return Err(Reason::RefreshOtherClient.into());
        }
        let ahead = grant.generation > session.generation;
        let expected = Expected {
            provenance: session.provenance,
            auth_method: session.auth_method,
            // A row that is behind at the code does not know of the secret yet.
            adopted_secret: (!ahead || session.generation != Generation::CODE).then_some(session.adopted_secret),
        };
        let now = self.clock.now();
        let authenticated = match self.authenticate_client(client, &expected).await {
            Ok(authenticated) => authenticated,
            Err(refusal) => {
                if refusal.reason() == Reason::ClientAuthentication {
                    self.another_secret(&session, grant.generation, now).await?;
                }
                return Err(refusal);
            }
        };
        self.meters.session(session.id, now)?;
        self.resource_is_the_sessions(&session, form)?;
        let scope = self.refreshed_scope(&session, form)?;
        if ahead || session.is_alive(now) {
            self.use_up(&authenticated).await?;
        }
        if ahead || (session.is_alive(now) && grant.generation == session.generation) {
            // Not for one that is superseded: who holds such a token does not cause requests to the provider.
            self.recheck(&session).await?;
        }
        if ahead {
            return self.ahead_of_its_row(&session, grant.generation, client, scope, now).await;
        }
        match self.rotate(&session, grant.generation, now).await? {
            // The row is older than what was known of it here.
            Advanced::Lost(session) if grant.generation > session.generation => {
                self.ahead_of_its_row(&session, grant.generation, client, scope, now).await
            }
            rotated => self.rotated(rotated, grant.generation, scope, now).await,
        }
    }

    /// The session, to be advanced from this generation next: as it was seen here last, if it stood there and was alive;
    /// else its row.
    async fn session_at(&self, id: SessionId, generation: Generation) -> Result<Arc<Session>, Refusal> {
        if let Some(known) = self.liveness.known.at(id, generation, self.clock.now()) {
            return Ok(known);
        }
        Ok(Arc::new(self.store.session(id).await?.ok_or(Reason::SessionOver)?.session))
    }

    /// The compare-and-swap.
    async fn advance(&self, id: SessionId, advance: Advance) -> Result<Advanced, Refusal> {
        let advanced = self.store.advance(id, advance).await;
        match &advanced {
            Ok(Advanced::Won(session)) => self.liveness.known.written(session),
            _ => self.liveness.known.forget(id),
        }
        Ok(advanced?)
    }

    /// The swap of one generation for the next.
    async fn rotate(&self, session: &Session, presented: Generation, now: Timestamp) -> Result<Advanced, Refusal> {
        let expires_at = self.next_expiry(session, now);
        self.advance(session.id, Advance { from: presented, now, expires_at, adopted_secret: None }).await
    }

    /// The answer after it.
    async fn rotated(
        &self,
        rotated: Advanced,
        presented: Generation,
        scope: ScopeSet,
        now: Timestamp,
    ) -> Result<TokenResponse, Refusal> {
        match rotated {
            Advanced::Won(session) => self.issue(&session, scope, now),
            Advanced::Lost(session) => self.superseded(&session, presented, scope, now).await,
            Advanced::Gone(_) => Err(Reason::SessionOver.into()),
        }
    }

    /// A token that this server issued for a generation that the row has not reached: the database went back in time.
    /// Refused with an alarm, unless the operator has opened the recovery window.
    async fn ahead_of_its_row(
        &self,
        session: &Session,
        presented: Generation,
        client: &ClientCredentials,
        scope: ScopeSet,
        now: Timestamp,
    ) -> Result<TokenResponse, Refusal> {
        let is_open = self.store.recovery_until().await?.is_some_and(|until| now < until);
        if !is_open {
            self.anomaly(session, Reason::RefreshAhead).await;
            return Err(Reason::RefreshAhead.into());
        }
        let from =
            if session.generation == Generation::CODE { AHEAD_OF_THE_CODE } else { Reason::RefreshAhead.as_str() };
        let catch_up = CatchUp {
            presented,
            now,
            expires_at: self.next_expiry(session, now),
            adopted_secret: self.secret_to_remember(session, client),
            event: about(self.event(EventKind::Recovered, from)?, session),
        };
        match self.store.catch_up(session.id, catch_up).await? {
            Advanced::Won(session) => {
                tracing::warn!(target: "dcr", session = %session.id, "a session was brought level in the recovery window");
                self.issue(&session, scope, now)
            }
            // Another request of this session brought it level meanwhile, or further.
            Advanced::Lost(session) => {
                let rotated = self.rotate(&session, presented, now).await?;
                self.rotated(rotated, presented, scope, now).await
            }
            Advanced::Gone(_) => Err(Reason::SessionOver.into()),
        }
    }

    /// Two who hold tokens of one session do not agree on the secret that came along with it (SR-16). As a rule the one
    /// without it is refused and harms nobody. But where the session was recovered from the code, whoever came first said
    /// which secret to remember, and nobody knows whether that was the rightful client: then a token that is as new as the
    /// row, or newer, or older and after the grace, ends the session for both.
    async fn another_secret(&self, session: &Session, presented: Generation, now: Timestamp) -> Result<(), Refusal> {
        let is_recent = now.since(session.advanced_at) <= self.lifetimes.refresh_grace;
        let is_harmless = presented < session.generation && is_recent;
        if is_harmless || !session.provenance.has_unproven_secret() || !session.is_alive(now) {
            return Ok(());
        }
        let query = EventQuery { session: Some(session.id), limit: 1_000, ..EventQuery::default() };
        let recovered = |event: &Event| event.kind == EventKind::Recovered && event.reason == AHEAD_OF_THE_CODE;
        if self.store.events(&query).await?.iter().any(recovered) {
            self.end(session, Reason::RefreshReplayed, now).await?;
        }
        Ok(())
    }

    /// The counter stands elsewhere. The predecessor inside the grace gets the same successor and a fresh access token;
    /// an older one inside that window is refused; anything older after it ends the session.
    async fn superseded(
        &self,
        session: &Session,
        presented: Generation,
        scope: ScopeSet,
        now: Timestamp,
    ) -> Result<TokenResponse, Refusal> {
        if presented > session.generation {
            // The row went back between two reads: a failover, and no replay.
            return Err(Reason::RefreshAhead.into());
        }
        if now.since(session.advanced_at) > self.lifetimes.refresh_grace {
            self.end(session, Reason::RefreshReplayed, now).await?;
            return Err(Reason::RefreshReplayed.into());
        }
        if presented.next() == Some(session.generation) {
            return self.issue(session, scope, now);
        }
        Err(Reason::RefreshSuperseded.into())
    }

    /// The answer for `session` at its present generation.
    fn issue(&self, session: &Session, scope: ScopeSet, now: Timestamp) -> Result<TokenResponse, Refusal> {
        // An access token never outlives its session.
        let expires_at = (now + self.lifetimes.access_token).min(session.absolute_expires_at);
        let claims = AccessTokenClaims {
            user: session.user.clone(),
            subject: Subject::Person { connection: session.connection, session: session.id },
            client_id: session.client_id.clone(),
            resource: session.resource.clone(),
            scope,
            issued_at: now,
            expires_at,
            token_id: b64(&crate::random::bytes::<16>(self.random.as_ref())?),
        };
        let refresh = session.refreshable.then(|| GrantToken::seal(session.id, session.generation, &self.ring));
        self.signed(&claims, refresh)
    }

    /// The answer with these claims in an access token.
    pub(super) fn signed(
        &self,
        claims: &AccessTokenClaims,
        refresh_token: Option<String>,
    ) -> Result<TokenResponse, Refusal> {
        let token = AccessToken::sign(claims, self.issuer.as_str(), &self.ring).ok_or(Reason::Internal)?;
        Ok(TokenResponse {
            access_token: token.as_str().to_owned(),
            token_type: "Bearer",
            expires_in: claims.expires_at.since(claims.issued_at).as_secs(),
            refresh_token,
            scope: claims.scope.to_string(),
        })
    }

    /// No valid MAC: `invalid_client` if nothing but adoption could resolve the id, so that the client registers anew;
    /// else its credentials decide, else the grant is dead.
    async fn no_such_grant(&self, client: &ClientCredentials, dead: Reason) -> Result<Refusal, Refusal> {
        Ok(match self.expected_of(&client.id).await? {
            Some(expected) if self.could_be(client, &expected).await? => dead.into(),
            Some(_) => Reason::ClientAuthentication.into(),
            // Whatever secret it brings: what an imported client had is not known here.
            None if self.is_imported(&client.id).await? => dead.into(),
            None => Reason::ClientUnknown.into(),
        })
    }

    /// The hash of a secret that proves nothing but is required from now on (SR-16).
    fn secret_to_remember(&self, session: &Session, client: &ClientCredentials) -> Option<[u8; 32]> {
        let secret = client.secret().filter(|_| session.provenance.has_unproven_secret())?;
        Some(secret.adopted_hash(&self.ring, &client.id))
    }

    fn resource_is_the_sessions(&self, session: &Session, form: &Params) -> Result<(), Refusal> {
        match form.get("resource") {
            None => Ok(()),
            Some(named) if self.resource(Some(named)).is_some_and(|r| r.uri == session.resource) => Ok(()),
            Some(_) => Err(Reason::ResourceMismatch.into()),
        }
    }

    fn refreshed_scope(&self, session: &Session, form: &Params) -> Result<ScopeSet, Refusal> {
        let requested = form.get("scope");
        match self.resource(Some(&session.resource)) {
            Some(resource) => scope::narrowed(requested, &session.scope, &resource.all, &resource.hierarchy),
            // A resource that was taken out of the configuration: its sessions keep what they have.
            None => scope::narrowed(requested, &session.scope, &session.scope, &ScopeHierarchy::default()),
        }
        .ok_or_else(|| Reason::ScopeTooWide.into())
    }

    fn next_expiry(&self, session: &Session, now: Timestamp) -> Timestamp {
        // Without a refresh token the session is as long as its access token.
        let idle = if session.refreshable { self.lifetimes.refresh_idle } else { self.lifetimes.access_token };
        (now + idle).min(session.absolute_expires_at)
    }

    /// Ends a session because of a proven replay. In this process at once.
    pub(crate) async fn end(&self, session: &Session, reason: Reason, now: Timestamp) -> Result<(), Refusal> {
        let event = about(self.event(EventKind::Anomaly, reason.as_str())?, session);
        let ended = self.store.revoke(Ending::of(Target::Session(session.id), reason.as_str(), now, event)).await?;
        self.liveness.note(&ended, now);
        tracing::warn!(target: "dcr", session = %session.id, reason = reason.as_str(), "session ended");
        Ok(())
    }

    /// Something that should not happen, of a session that goes on. On the record at most once a minute for each session:
    /// whoever holds a token of it must not be able to fill the record.
    async fn anomaly(&self, session: &Session, reason: Reason) {
        tracing::warn!(target: "dcr", session = %session.id, reason = reason.as_str(), "anomaly");
        let now = self.clock.now();
        let known = self.anomalies.get(&(session.id, reason)).is_some_and(|at| now.since(at) < ANOMALY_EVERY);
        if known || session.ended.is_some() || now >= session.absolute_expires_at {
            return;
        }
        self.anomalies.insert((session.id, reason), now);
        let Ok(event) = self.event(EventKind::Anomaly, reason.as_str()) else { return };
        if let Err(error) = self.store.record(about(event, session)).await {
            tracing::error!(target: "dcr", %error, reason = reason.as_str(), "an anomaly could not be recorded");
        }
    }
}

fn of_another(what: &str) -> Refusal {
    Refusal::new(Reason::CodeMismatch, format!("the code was issued for another {what}"))
}

pub(crate) fn about(event: Event, session: &Session) -> Event {
    Event {
        user: Some(session.user.clone()),
        connection: Some(session.connection),
        session: Some(session.id),
        client_id: Some(session.client_id.clone()),
        platform: Some(session.platform.clone()),
        ..event
    }
}

/// Every parameter once and as text (RFC 6749 section 3.2, TK-9, I-13).
pub(crate) fn check_form(form: &Params) -> Result<(), Refusal> {
    match form.unreadable() {
        Some(name) => {
            let name = crate::text::bounded(name, 40);
            Err(Refusal::new(Reason::TokenRequestMalformed, format!("{name} must be sent once, as text")))
        }
        None => Ok(()),
    }
}

pub(crate) fn required<'a>(form: &'a Params, name: &str) -> Result<&'a str, Refusal> {
    form.get(name).ok_or_else(|| Refusal::new(Reason::TokenRequestMalformed, format!("{name} is missing or malformed")))
}
