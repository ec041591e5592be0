//! The upstream's answer: `GET /oauth/callback`. The cookie must be there, open, and fit `state`; the code is exchanged,
//! the ID token verified, the person admitted; then one store transaction writes user, connection, alias and session.

use super::ScopeSet;
use super::remembered::{self, RememberedCookie};
use super::scope::OFFLINE_ACCESS;
use super::token;
use super::transaction::ApprovedTransaction;
use crate::client::Provenance;
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::http::Params;
use crate::metrics;
use crate::record::{Event, EventKind, Reference, Step};
use crate::session::{ConnectionId, Generation, GrantToken, Session, User};
use crate::store::{Ending, SignIn, SignedIn, Target};
use crate::upstream::{Doors, Identity, LoginAnswer, LoginError, UpstreamGrant, VerifiedIdentity};

/// At most so many sessions make room for a new one.
const MAX_EVICTIONS: usize = 4;

/// How a callback ends. The cookie of a transaction that is over is dropped.
pub(crate) enum Callback {
    /// To the client, with a code; and the approval is remembered, or not.
    Deliver { location: String, state: String, remember: Option<RememberedCookie> },
    /// To the client, with an error: approval has been given, so it may know.
    Back { location: String, state: String, refusal: Refusal },
    /// The person is told. With a way back to the app where there is one.
    Refuse { refusal: Refusal, over: Option<String>, way_back: Option<String>, forget: Option<RememberedCookie> },
}

impl Inner {
    /// `GET /oauth/callback`. `cookies` finds the transaction cookies that may belong to a `state`.
    pub(crate) async fn callback(&self, params: &Params, cookies: impl Fn(&str) -> Vec<String>) -> Callback {
        let refuse = |refusal: Refusal| {
            self.count(Step::SignIn, None, Some(refusal.reason()));
            Callback::Refuse { refusal, over: None, way_back: None, forget: None }
        };
        let Some(state) = params.get("state").filter(|state| state.len() <= 64) else {
            return refuse(Reason::CallbackMalformed.into());
        };
        let transaction = match self.whose_login(state, &cookies(state)) {
            Ok(transaction) => transaction,
            Err(refusal) => return refuse(refusal),
        };
        metrics::about(transaction.session);
        let finished = self.finish(params, &transaction).await;
        let platform = &transaction.request.platform;
        self.count(Step::SignIn, Some(platform), finished.as_ref().err().map(Refusal::reason));
        match finished {
            Ok((location, remember)) => Callback::Deliver { location, state: state.to_owned(), remember },
            Err(refusal) => {
                let refusal =
                    refusal.noting(format!("platform {platform}, client {:?}", transaction.request.client_id));
                self.failed(refusal, state, &transaction)
            }
        }
    }

    /// The transaction of this `state` in this browser. Absent is a mismatch (CB-2).
    fn whose_login(&self, state: &str, cookies: &[String]) -> Result<ApprovedTransaction, Refusal> {
        let transaction = cookies
            .iter()
            .filter_map(|cookie| ApprovedTransaction::open(cookie, &self.ring))
            .find(|transaction| transaction.has_state(state, &self.ring))
            .ok_or(Reason::CallbackOtherBrowser)?;
        if self.clock.now().since(transaction.approved_at) > self.lifetimes.transaction {
            return Err(Reason::CallbackExpired.into());
        }
        Ok(transaction)
    }

    async fn finish(
        &self,
        params: &Params,
        transaction: &ApprovedTransaction,
    ) -> Result<(String, Option<RememberedCookie>), Refusal> {
        // Also tells that the store is there before the upstream code is spent: then the same request works later.
        if self.store.session(transaction.session).await?.is_some() {
            return Err(Reason::CallbackUsed.into());
        }
        let (identity, grant) = self.who(params, transaction).await?;
        let session = self.open_session(identity, grant, transaction).await?;
        let code = GrantToken::seal(session.id, Generation::CODE, &self.ring);
        // Not anew after one that was remembered: it is asked for again once in so many days.
        let remember = match transaction.approved_before_by {
            None => self.remember(&transaction.request, &session.user).await,
            Some(_) => None,
        };
        Ok((transaction.request.return_address().with(&[("code", &code)], self.issuer.as_str()), remember))
    }

    /// The person, verified upstream and admitted by the operator; and what the provider gave for them.
    async fn who(
        &self,
        params: &Params,
        transaction: &ApprovedTransaction,
    ) -> Result<(VerifiedIdentity, Option<UpstreamGrant>), Refusal> {
        if let Some(name) = params.repeated() {
            let name = crate::text::bounded(name, 40);
            return Err(Refusal::new(Reason::CallbackMalformed, format!("{name} was sent more than once")));
        }
        if let Some(error) = params.get("error") {
            let description = params.get("error_description").unwrap_or("");
            let refusal = Refusal::from(self.provider.explain(LoginError { error, description }));
            // Reloading would only bring the same error again.
            return Err(if refusal.reason() == Reason::UpstreamBusy { Reason::UpstreamFailed.into() } else { refusal });
        }
        let code = params.get("code").ok_or(Reason::CallbackMalformed)?;
        self.meters.upstream(self.clock.now())?;
        let identified = self
            .provider
            .identify(LoginAnswer {
                code,
                issuer: params.get("iss"),
                callback: &self.endpoint("callback"),
                nonce: &transaction.nonce,
                verifier: &transaction.verifier,
            })
            .await?;
        Ok((self.admit(identified.identity, transaction).await?, identified.grant))
    }

    /// The engine's lists, the resource's, and the operator's own policy, in this order.
    async fn admit(&self, identity: Identity, transaction: &ApprovedTransaction) -> Result<VerifiedIdentity, Refusal> {
        let request = &transaction.request;
        // A resource that is gone since the transaction began lets nobody in.
        let resource = self.resource(Some(&request.resource)).ok_or(Reason::ResourceUnknown)?;
        let doors = Doors {
            lists: [&self.admission, &resource.admission],
            policy: self.admission_policy.as_deref(),
            resource: &request.resource,
            client_id: &request.client_id,
            platform: &request.platform,
        };
        match doors.admit(identity).await {
            Ok(identity) => Ok(identity),
            Err(rejected) => Err(self.record_refusal(&rejected.user, transaction, rejected.reason).await),
        }
    }

    /// One transaction: user, connection, alias, session, events.
    async fn open_session(
        &self,
        identity: VerifiedIdentity,
        grant: Option<UpstreamGrant>,
        transaction: &ApprovedTransaction,
    ) -> Result<Session, Refusal> {
        let user = identity.into_user();
        if transaction.approved_before_by.as_ref().is_some_and(|approver| *approver != user.id) {
            return Err(self.record_refusal(&user, transaction, Reason::ConsentOtherUser).await);
        }
        if !self.is_pinned_still(transaction).await? {
            // The operator took the pin away meanwhile.
            return Err(self.record_refusal(&user, transaction, Reason::ClientNotAccepted).await);
        }
        let sign_in = self.sign_in(user.clone(), grant, transaction)?;
        let mut session = sign_in.session.clone();
        let now = sign_in.now;
        match self.store.sign_in(sign_in).await? {
            SignedIn::Done { connection, first, evicted } => {
                self.liveness.note(&evicted, now);
                self.sweep_a_little().await;
                session.connection = connection;
                if !self.is_pinned_still(transaction).await? {
                    return Err(self.came_too_late(&session).await?);
                }
                self.liveness.known.written(&session);
                tracing::info!(
                    target: "dcr", step = "callback", user = %session.user, %connection, session = %session.id,
                    platform = %session.platform, provenance = session.provenance.as_str(), first, "signed in"
                );
                Ok(session)
            }
            SignedIn::Used => Err(Reason::CallbackUsed.into()),
            SignedIn::Blocked(kind) => {
                tracing::warn!(target: "dcr", step = "callback", user = %session.user, kind = kind.as_str(), "blocked");
                Err(self.record_refusal(&user, transaction, Reason::SignInBlocked).await)
            }
        }
    }

    /// Whether the client of this transaction is pinned now, if it was at authorize. Asked before the write, so that a pin
    /// that is gone makes no row; and after it, since taking a pin away is two steps (the row goes, then sessions end) and a
    /// write may come after both (AD-8). Either the second step sees the session, or this sees that the row is gone.
    async fn is_pinned_still(&self, transaction: &ApprovedTransaction) -> Result<bool, Refusal> {
        let request = &transaction.request;
        Ok(request.provenance != Provenance::PreRegistered || self.pinned_now(&request.client_id).await?.is_some())
    }

    /// Ends a session that was written when its pin was gone. Nobody has its code yet.
    async fn came_too_late(&self, session: &Session) -> Result<Refusal, Refusal> {
        let (reason, now) = (Reason::ClientNotAccepted.as_str(), self.clock.now());
        let reference = Some(Reference::mint(self.random.as_ref())?);
        let event = Event { reference, ..token::about(self.event(EventKind::Revoked, reason)?, session) };
        let ended = self.store.revoke(Ending::of(Target::Session(session.id), reason, now, event)).await?;
        self.liveness.note(&ended, now);
        Ok(Refusal::from(Reason::ClientNotAccepted).recorded(reference))
    }

    fn sign_in(
        &self,
        user: User,
        grant: Option<UpstreamGrant>,
        transaction: &ApprovedTransaction,
    ) -> Result<SignIn, Refusal> {
        let now = self.clock.now();
        let request = &transaction.request;
        let new_connection = ConnectionId::mint(now, self.random.as_ref())?;
        let absolute_expires_at = now + self.lifetimes.refresh_absolute;
        let scope = ScopeSet::parse_lossy(&request.scope);
        let session = Session {
            id: transaction.session,
            user: user.id.clone(),
            connection: new_connection,
            client_id: request.client_id.clone(),
            provenance: request.provenance,
            platform: request.platform.clone(),
            auth_method: request.auth_method,
            adopted_secret: None,
            redirect_uri: request.redirect_uri().to_owned(),
            code_challenge: request.code_challenge,
            resource: request.resource.clone(),
            scope: if request.refresh { scope } else { scope.without(OFFLINE_ACCESS) },
            refreshable: request.refresh,
            generation: Generation::CODE,
            created_at: now,
            redeemed_at: None,
            advanced_at: now,
            expires_at: now + self.lifetimes.code,
            absolute_expires_at,
            ended: None,
        };
        let kind = if request.provenance == Provenance::Adopted { EventKind::Adopted } else { EventKind::SignedIn };
        let event = self.about(self.event(kind, "")?, &user, transaction);
        let (max_sessions, max_aliases) = self.caps();
        let evictions = (0..MAX_EVICTIONS)
            .map(|_| Ok(self.about(self.event(EventKind::Evicted, "too_many_sessions")?, &user, transaction)))
            .collect::<Result<_, Refusal>>()?;
        Ok(SignIn {
            upstream_token: self.sealed_grant(&user.id, &session.resource, grant)?,
            software: request.software.clone(),
            user,
            new_connection,
            session,
            max_sessions,
            max_aliases,
            event,
            evictions,
            now,
        })
    }

    fn about(&self, event: Event, user: &User, transaction: &ApprovedTransaction) -> Event {
        Event {
            user: Some(user.id.clone()),
            session: Some(transaction.session),
            client_id: Some(transaction.request.client_id.clone()),
            platform: Some(transaction.request.platform.clone()),
            ..event
        }
    }

    /// A refusal after login is on the record, under the reference that the page will show. If the record cannot be written,
    /// the refusal stands all the same.
    async fn record_refusal(&self, user: &User, transaction: &ApprovedTransaction, reason: Reason) -> Refusal {
        let refusal = Refusal::from(reason);
        let Ok(event) = self.event(EventKind::Refused, reason.as_str()) else { return refusal };
        let reference = Reference::mint(self.random.as_ref()).ok();
        let event = Event { session: None, reference, ..self.about(event, user, transaction) };
        match self.store.record(event).await {
            Ok(()) => refusal.recorded(reference),
            Err(error) => {
                tracing::error!(target: "dcr", %error, reason = reason.as_str(), "a refusal could not be recorded");
                refusal
            }
        }
    }

    /// Where a failure goes: what the provider or the person decided, back to the client; what may heal, a page that
    /// can be reloaded; what is wrong, or needs words, a page with a way back.
    fn failed(&self, refusal: Refusal, state: &str, transaction: &ApprovedTransaction) -> Callback {
        let reason = refusal.reason();
        let back = transaction.request.return_address();
        let parameters = [("error", reason.error()), ("error_description", refusal.description())];
        let location = back.with(&parameters, self.issuer.as_str());
        match reason {
            Reason::UpstreamDenied => Callback::Back { location, state: state.to_owned(), refusal },
            Reason::UpstreamBusy | Reason::StoreUnavailable | Reason::ServerBusy => {
                Callback::Refuse { refusal, over: None, way_back: Some(location), forget: None }
            }
            Reason::CallbackUsed | Reason::CallbackMalformed => {
                Callback::Refuse { refusal, over: Some(state.to_owned()), way_back: None, forget: None }
            }
            _ => {
                let forget = (reason == Reason::ConsentOtherUser)
                    .then(|| RememberedCookie::forget(remembered::cookie_name(&transaction.request)));
                Callback::Refuse { refusal, over: Some(state.to_owned()), way_back: Some(location), forget }
            }
        }
    }
}
