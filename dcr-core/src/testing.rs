//! For tests, of this crate and of host applications: a clock that tests move, and sign-in as a given person.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use dcr_core::testing::{Person, TestEngine};
//!
//! let engine = TestEngine::new().await;
//! let signed_in = engine.sign_in(&Person::named("Ada")).await;
//! let mut headers = http::HeaderMap::new();
//! headers.insert("authorization", signed_in.authorization());
//! let principal = engine.authenticate(&headers, None).await.unwrap();
//! assert_eq!(principal.user().name.as_deref(), Some("Ada"));
//! # });
//! ```

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;

use crate::client::{AuthMethod, ClientId, Platform, Provenance, SoftwareKey};
use crate::clock::{Clock, Timestamp};
use crate::config::Resource;
use crate::engine::{DcrEngine, DcrEngineBuilder};
use crate::error::Refusal;
use crate::limits::Limits;
use crate::oauth::ScopeSet;
use crate::random::{RandomUnavailable, SecureRandom};
use crate::record::EventKind;
use crate::seal::{b64, sha256};
use crate::session::{
    AccessToken, AccessTokenClaims, CodeChallenge, ConnectionId, Generation, Principal, Session, SessionId, Subject,
    User, UserId,
};
use crate::store::{MemoryStore, SignIn, SignedIn};
use crate::upstream::{
    Groups, Identified, Identity, IdentityProvider, LoginAnswer, LoginError, LoginRequest, RefreshRequest, Roles,
    UpstreamError, UpstreamFault, UpstreamGrant, UpstreamSecret,
};

/// A clock that stands until a test moves it.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `seconds` since the Unix epoch.
    #[must_use]
    pub fn at(seconds: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(Timestamp::from_unix_seconds(seconds).unix_micros())))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Sets the clock back, as a time service may do.
    pub fn set_back(&self, by: Duration) {
        self.0.fetch_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.load(Ordering::SeqCst))
    }
}

/// A key with which a test's client signs its assertions (`private_key_jwt`).
pub struct AssertionKey {
    kid: String,
    key: aws_lc_rs::signature::Ed25519KeyPair,
}

impl AssertionKey {
    /// A key that is the same in every run.
    ///
    /// # Panics
    /// Never: every 32 bytes are a seed.
    #[must_use]
    pub fn seeded(seed: u8) -> Self {
        let key = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("32 bytes");
        Self { kid: format!("key-{seed}"), key }
    }

    /// The public key set, for a `jwks_uri` or a registration.
    #[must_use]
    pub fn jwks(&self) -> String {
        use aws_lc_rs::signature::KeyPair as _;
        let x = b64(self.key.public_key().as_ref());
        format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"{}","x":"{x}"}}]}}"#, self.kid)
    }

    /// Signs claims, given as JSON.
    #[must_use]
    pub fn sign(&self, claims: &str) -> String {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, self.kid);
        let signed = format!("{}.{}", b64(header.as_bytes()), b64(claims.as_bytes()));
        format!("{signed}.{}", b64(self.key.sign(signed.as_bytes()).as_ref()))
    }

    /// The assertion of `client` for `issuer`, good for a minute from `now`.
    #[must_use]
    pub fn assertion(&self, client: &str, issuer: &str, now: Timestamp, jti: &str) -> String {
        let (iat, exp) = (now.unix_seconds(), now.unix_seconds() + 60);
        self.sign(&format!(
            r#"{{"iss":"{client}","sub":"{client}","aud":"{issuer}","iat":{iat},"exp":{exp},"jti":"{jti}"}}"#
        ))
    }
}

impl fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AssertionKey({})", self.kid)
    }
}

/// Randomness that is none: SHA-256 of a seed and a counter. Every run is the same.
#[derive(Debug)]
pub struct SeededRandom {
    seed: u64,
    counter: AtomicU64,
}

impl SeededRandom {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { seed, counter: AtomicU64::new(0) })
    }
}

impl SecureRandom for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        for chunk in bytes.chunks_mut(32) {
            let n = self.counter.fetch_add(1, Ordering::SeqCst);
            let block = sha256(&[self.seed.to_be_bytes(), n.to_be_bytes()].concat());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

/// A provider that logs in whoever the test says: the `code` of the callback is the person's name, `deny` is refused. Its
/// access tokens are called `upstream-access-0` at the login, and one more at each refresh.
#[derive(Debug, Default)]
pub struct StubProvider;

#[async_trait]
impl IdentityProvider for StubProvider {
    fn name(&self) -> &'static str {
        "Test login"
    }

    async fn login_url(&self, request: LoginRequest<'_>) -> Result<String, UpstreamError> {
        let prompt = if request.select_account { "&prompt=select_account" } else { "" };
        Ok(format!("https://idp.example/authorize?state={}{prompt}", request.state))
    }

    async fn identify(&self, answer: LoginAnswer<'_>) -> Result<Identified, UpstreamError> {
        match answer.code {
            "busy" => Err(UpstreamError::new(UpstreamFault::Busy, "the test said so")),
            "invalid" => Err(UpstreamError::new(UpstreamFault::Invalid, "the test said so")),
            name => Ok(Identified { identity: Person::named(name).identity(), grant: Some(stub_grant(0)) }),
        }
    }

    async fn refresh(&self, request: RefreshRequest<'_>) -> Result<UpstreamGrant, UpstreamError> {
        let n = request.refresh_token.expose().strip_prefix("upstream-refresh-").and_then(|n| n.parse::<u32>().ok());
        let dead = || UpstreamError::new(UpstreamFault::GrantDead, "not a refresh token of the test login");
        n.map(|n| stub_grant(n + 1)).ok_or_else(dead)
    }

    fn explain(&self, error: LoginError<'_>) -> UpstreamError {
        let fault = if error.error == "access_denied" { UpstreamFault::Denied } else { UpstreamFault::Busy };
        UpstreamError::new(fault, "the test said so")
    }
}

/// What the test login gives: for an hour.
fn stub_grant(n: u32) -> UpstreamGrant {
    UpstreamGrant {
        access_token: UpstreamSecret::new(format!("upstream-access-{n}")),
        refresh_token: Some(UpstreamSecret::new(format!("upstream-refresh-{n}"))),
        expires_in: Some(Duration::from_secs(3_600)),
    }
}

/// A person to sign in as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    name: String,
    tenant: String,
    object_id: String,
    email: Option<String>,
    groups: Groups,
    roles: Roles,
}

impl Person {
    /// A person whose object id is their name in lower case.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            tenant: "test-tenant".to_owned(),
            object_id: name.to_lowercase(),
            email: Some(format!("{}@test.example", name.to_lowercase())),
            groups: Groups::Unsaid,
            roles: Roles::default(),
        }
    }

    /// In these groups.
    #[must_use]
    pub fn groups(mut self, groups: Groups) -> Self {
        self.groups = groups;
        self
    }

    /// With these roles.
    #[must_use]
    pub fn roles(mut self, roles: impl IntoIterator<Item = String>) -> Self {
        self.roles = Roles::new(roles);
        self
    }

    /// With another object id.
    #[must_use]
    pub fn object_id(mut self, object_id: impl Into<String>) -> Self {
        self.object_id = object_id.into();
        self
    }

    /// With another e-mail address.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    fn identity(&self) -> Identity {
        Identity {
            issuer: "https://idp.example".to_owned(),
            tenant: self.tenant.clone(),
            object_id: self.object_id.clone(),
            name: Some(self.name.clone()),
            verified_email: self.email.clone(),
            email: self.email.clone(),
            groups: self.groups.clone(),
            roles: self.roles.clone(),
        }
    }

    fn user(&self) -> User {
        let identity = self.identity();
        User {
            id: UserId::derive(&identity.issuer, &identity.tenant, &identity.object_id),
            issuer: identity.issuer,
            tenant: identity.tenant,
            object_id: identity.object_id,
            name: identity.name,
            email: identity.email,
            groups: identity.groups,
            roles: identity.roles,
        }
    }
}

/// A person who is signed in: a real session in the engine's store, and its access token.
#[derive(Clone)]
pub struct SignedInPerson {
    token: String,
    principal: Principal,
}

impl SignedInPerson {
    /// The access token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The value of an `Authorization` header.
    ///
    /// # Panics
    /// Never: a JWT is visible ASCII.
    #[must_use]
    pub fn authorization(&self) -> HeaderValue {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.token)).expect("a JWT is visible ASCII");
        value.set_sensitive(true);
        value
    }

    /// The principal that a guarded handler will see.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl fmt::Debug for SignedInPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedInPerson").field("principal", &self.principal).finish_non_exhaustive()
    }
}

impl DcrEngine {
    /// Signs `person` in without a browser, for a host application's own tests: a real session, and an access token that
    /// passes the real guard. With every scope of the first resource, or with `scope`. Where the resource has upstream scopes,
    /// also with what [`StubProvider`] gives at a login.
    ///
    /// # Errors
    /// [`Refusal`] if the store does not answer.
    pub async fn sign_in_for_tests(
        &self,
        person: &Person,
        scope: Option<&ScopeSet>,
    ) -> Result<SignedInPerson, Refusal> {
        self.sign_in_for_tests_at(None, person, scope).await
    }

    /// [`DcrEngine::sign_in_for_tests`] at another resource, by its identifier.
    ///
    /// # Errors
    /// [`Refusal`] if there is no such resource, or the store does not answer.
    pub async fn sign_in_for_tests_at(
        &self,
        resource: Option<&str>,
        person: &Person,
        scope: Option<&ScopeSet>,
    ) -> Result<SignedInPerson, Refusal> {
        let now = self.inner.clock.now();
        let resource = self.inner.resource(resource).ok_or(crate::error::Reason::ResourceUnknown)?;
        let user = person.user();
        let random = self.inner.random.as_ref();
        let session = Session {
            id: SessionId::mint(now, random)?,
            user: user.id.clone(),
            connection: ConnectionId::mint(now, random)?,
            client_id: ClientId::new("test-client").map_err(|_| crate::error::Reason::ClientNotAccepted)?,
            provenance: Provenance::PreRegistered,
            platform: Platform::other(),
            auth_method: AuthMethod::None,
            adopted_secret: None,
            redirect_uri: "https://app.example/callback".to_owned(),
            code_challenge: CodeChallenge::from_bytes([0; 32]),
            resource: resource.uri.clone(),
            scope: scope.unwrap_or(&resource.all).clone(),
            refreshable: true,
            generation: Generation::CODE,
            created_at: now,
            redeemed_at: None,
            advanced_at: now,
            expires_at: now + self.inner.lifetimes.refresh_idle,
            absolute_expires_at: now + self.inner.lifetimes.refresh_absolute,
            ended: None,
        };
        let sign_in = SignIn {
            user: user.clone(),
            software: SoftwareKey::from_stored("test"),
            new_connection: session.connection,
            session: session.clone(),
            max_sessions: usize::MAX,
            max_aliases: usize::MAX,
            event: self.inner.event(EventKind::SignedIn, "test")?,
            evictions: Vec::new(),
            upstream_token: self.inner.sealed_grant(&user.id, &resource.uri, Some(stub_grant(0)))?,
            now,
        };
        let connection = match self.inner.store.sign_in(sign_in).await? {
            SignedIn::Done { connection, .. } => connection,
            SignedIn::Used => return Err(crate::error::Reason::CallbackUsed.into()),
            SignedIn::Blocked(_) => return Err(crate::error::Reason::SignInBlocked.into()),
        };
        let claims = AccessTokenClaims {
            user: user.id,
            subject: Subject::Person { connection, session: session.id },
            client_id: session.client_id,
            resource: session.resource,
            scope: session.scope,
            issued_at: now,
            expires_at: now + self.inner.lifetimes.access_token,
            token_id: b64(&crate::random::bytes::<16>(random)?),
        };
        let token = AccessToken::sign(&claims, self.inner.issuer.as_str(), &self.inner.ring)
            .ok_or(crate::error::Reason::Internal)?
            .as_str()
            .to_owned();
        let principal = self.inner.principal(&token, Some(&resource.uri)).await?;
        Ok(SignedInPerson { token, principal })
    }
}

/// An engine on memory with a clock that stands and a provider that logs in whoever the test says.
#[derive(Debug, Clone)]
pub struct TestEngine {
    engine: DcrEngine,
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
}

impl std::ops::Deref for TestEngine {
    type Target = DcrEngine;

    fn deref(&self) -> &DcrEngine {
        &self.engine
    }
}

impl TestEngine {
    /// With one resource at `/mcp` of `https://mcp.example`, with the scopes `mcp` and `mcp:admin`.
    ///
    /// # Panics
    /// Never: its configuration is right.
    pub async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// The same, with the builder changed.
    ///
    /// # Panics
    /// If the changed configuration is not accepted.
    pub async fn with(change: impl FnOnce(DcrEngineBuilder) -> DcrEngineBuilder) -> Self {
        let clock = ManualClock::at(1_790_000_000);
        let store = Arc::new(MemoryStore::new());
        let builder = DcrEngine::builder("https://mcp.example")
            .resource(
                Resource::new("/mcp", "Test server")
                    .scope("mcp", "Use the tools of this server")
                    .scope("mcp:admin", "Change settings of this server"),
            )
            .store(store.clone())
            .provider(Arc::new(StubProvider))
            .secret_from_store()
            // Its clock stands, so that no bucket would ever leak.
            .limits(Limits::off())
            .random(SeededRandom::new(7))
            .clock(clock.clone());
        let engine = change(builder).build().await.expect("the test engine's configuration");
        Self { engine, clock, store }
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Its store, with the switch that makes it fail.
    #[must_use]
    pub fn memory(&self) -> &MemoryStore {
        &self.store
    }

    /// The engine, to hand to an adapter.
    #[must_use]
    pub fn engine(&self) -> DcrEngine {
        self.engine.clone()
    }

    /// Signs `person` in with every scope.
    ///
    /// # Panics
    /// If the store was told to fail.
    pub async fn sign_in(&self, person: &Person) -> SignedInPerson {
        self.engine.sign_in_for_tests(person, None).await.expect("the memory store answers")
    }
}
