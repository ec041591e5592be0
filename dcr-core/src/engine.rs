//! The engine: it holds policy, keys, store and provider. The steps are in [`crate::oauth`], one method each.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use crate::admin::{Admin, AdminAccess};
use crate::client::{ClientId, ClientRules, Documents, PlatformList, PreRegistered, custom_redirect_is_sane};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::{AdoptionPolicy, DocumentPolicy, Issuer, Lifetimes, RegistrationPolicy, Resource};
use crate::erase::Receipt;
use crate::error::{ConfigError, Reason, Refusal};
use crate::guarded::GuardedFetch;
use crate::http::Site;
use crate::limits::{Limits, Meters, TrustedProxies};
use crate::metrics::{self, Counted};
use crate::oauth::ScopeSet;
use crate::oauth::bearer::Liveness;
use crate::oauth::introspect::ResourceServers;
use crate::oauth::machine::MachineSeen;
use crate::oauth::stored::StoredClients;
use crate::operator::{Operator, OperatorError};
use crate::pages::{Look, Pages, StandardPages, Theme};
use crate::random::{SecureRandom, SystemRandom};
use crate::record::{Event, EventKind, Funnel, History, Recent, Retention};
use crate::resource::ValidResource;
use crate::seal::{KeyRing, Secret};
use crate::session::{EventId, SessionId, UserId};
use crate::store::{Store, Target};
use crate::upstream::{Admission, AdmissionPolicy, IdentityProvider, Recheck, Turns};
use crate::web::Place;

/// A sign-in sweeps what has lapsed, at most this often and this much, so that nobody has to run a job for it.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const SWEEP_BATCH: u32 = 500;
/// But not in a server that has only just started. Its database may be an older copy, whose rows look older than they are:
/// this is the time to open the recovery window, in which nothing is swept.
const SWEEP_AFTER: Duration = Duration::from_secs(10 * 60);

/// An OAuth 2.1 authorization server to embed. Cheap to clone; every clone is the same engine.
///
/// Made by [`DcrEngine::builder`]. Adapters hand requests to [`DcrEngine::handle`](crate::http) and guard the host's
/// routes with [`DcrEngine::authenticate`].
#[derive(Clone)]
pub struct DcrEngine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) issuer: Issuer,
    pub(crate) prefix: String,
    pub(crate) resources: Vec<ValidResource>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) rules: ClientRules,
    pub(crate) ring: KeyRing,
    pub(crate) documents: Documents,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) operator: Operator,
    pub(crate) provider: Arc<dyn IdentityProvider>,
    /// What the provider's tokens belong to.
    pub(crate) upstream: String,
    pub(crate) turns: Turns,
    pub(crate) recheck: Recheck,
    pub(crate) admission: Admission,
    pub(crate) admission_policy: Option<Arc<dyn AdmissionPolicy>>,
    pub(crate) resource_servers: ResourceServers,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn SecureRandom>,
    pub(crate) liveness: Liveness,
    pub(crate) stored: StoredClients,
    pub(crate) machines: Cache<ClientId, MachineSeen>,
    pub(crate) site: Site,
    pub(crate) look: Look,
    pub(crate) proxies: TrustedProxies,
    pub(crate) meters: Meters,
    /// The ceiling for adopted ids, if it is lower than for others (AD-15).
    pub(crate) adoption_scopes: Option<ScopeSet>,
    /// Whether confidential registrations read, change and delete themselves (RFC 7592).
    pub(crate) manages_registrations: bool,
    /// How many of them changed since when.
    pub(crate) changes: std::sync::Mutex<(Timestamp, u32)>,
    /// When an anomaly of a session was last written to the record, so that its holder cannot fill it.
    pub(crate) anomalies: Cache<(SessionId, Reason), Timestamp>,
    pub(crate) admin: Option<Admin>,
    /// Where people see their own connections, if they do.
    pub(crate) connections: Option<Place>,
    pub(crate) funnel: Funnel,
    pub(crate) history: History,
    pub(crate) recent: Recent,
    max_sessions: usize,
    max_aliases: usize,
    pub(crate) started_at: Timestamp,
    pub(crate) counted: Counted,
    last_sweep: AtomicI64,
}

/// Where the key ring's secrets come from.
#[derive(Debug)]
enum SecretSource {
    /// Loopback: the store keeps one. A public URL: an error.
    Unsaid,
    Store,
    Given {
        active: Vec<Secret>,
        retired: Vec<Secret>,
    },
}

/// Builds a [`DcrEngine`]. Required: a public URL, at least one resource, a store, a provider; and a secret unless the URL
/// is a loopback one.
#[derive(Debug)]
#[must_use]
pub struct DcrEngineBuilder {
    public_url: String,
    prefix: String,
    resources: Vec<Resource>,
    lifetimes: Lifetimes,
    registration: RegistrationPolicy,
    adoption: AdoptionPolicy,
    documents: DocumentPolicy,
    fetch: Option<Arc<dyn GuardedFetch>>,
    platforms: PlatformList,
    custom_redirects: Vec<String>,
    pre_registered: Vec<PreRegistered>,
    secrets: SecretSource,
    store: Option<Arc<dyn Store>>,
    provider: Option<Arc<dyn IdentityProvider>>,
    recheck: Recheck,
    admission: Admission,
    admission_policy: Option<Arc<dyn AdmissionPolicy>>,
    resource_servers: ResourceServers,
    adoption_scopes: Option<ScopeSet>,
    manages_registrations: bool,
    limits: Limits,
    proxies: TrustedProxies,
    theme: Theme,
    pages: Arc<dyn Pages>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SecureRandom>,
    max_sessions: usize,
    max_aliases: usize,
    retention: Retention,
    history: Option<Retention>,
    admin: Option<AdminAccess>,
    connections: bool,
}

impl DcrEngine {
    /// Begins an engine with this public URL: the issuer and the base of every endpoint. Scheme and host only; https
    /// unless it is loopback. Clients compare it byte for byte and key their credentials by it: never change it casually.
    pub fn builder(public_url: impl Into<String>) -> DcrEngineBuilder {
        DcrEngineBuilder {
            public_url: public_url.into(),
            prefix: "/oauth".to_owned(),
            resources: Vec::new(),
            lifetimes: Lifetimes::default(),
            registration: RegistrationPolicy::default(),
            adoption: AdoptionPolicy::default(),
            documents: DocumentPolicy::default(),
            fetch: None,
            platforms: PlatformList::shipped(),
            custom_redirects: Vec::new(),
            pre_registered: Vec::new(),
            secrets: SecretSource::Unsaid,
            store: None,
            provider: None,
            recheck: Recheck::default(),
            admission: Admission::default(),
            admission_policy: None,
            resource_servers: ResourceServers::default(),
            adoption_scopes: None,
            manages_registrations: false,
            limits: Limits::default(),
            proxies: TrustedProxies::default(),
            theme: Theme::new(),
            pages: Arc::new(StandardPages),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            max_sessions: 20,
            max_aliases: 50,
            retention: Retention::default(),
            history: None,
            admin: None,
            connections: true,
        }
    }

    /// The issuer: the public URL without a trailing slash.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.inner.issuer.as_str()
    }

    /// The identifiers of the resources, in the order in which they were added; the first is the default.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.inner.resources.iter().map(|resource| resource.uri.as_str())
    }

    /// Ends every session of `target`. In this process at once, in others within the bound of the revocation feed.
    /// `reason` is kept on the record. Answers how many ended.
    ///
    /// # Errors
    /// [`Refusal`] if the store does not answer; then none ended.
    pub async fn revoke_sessions(&self, target: &Target, reason: &str) -> Result<usize, Refusal> {
        let ended = self.inner.operator.revoke(target, reason).await?;
        Ok(self.note_ended(&ended))
    }

    /// Blocks `target`: ends its sessions and lets it open no new ones until [`DcrEngine::unblock`].
    ///
    /// # Errors
    /// [`Refusal`] if the store does not answer; then nothing changed.
    pub async fn block(&self, target: &Target, reason: &str) -> Result<usize, Refusal> {
        let ended = self.inner.operator.block(target, reason).await?;
        Ok(self.note_ended(&ended))
    }

    /// Lifts a block. Answers whether there was one.
    ///
    /// # Errors
    /// [`Refusal`] if the store does not answer; then nothing changed.
    pub async fn unblock(&self, target: &Target, reason: &str) -> Result<bool, Refusal> {
        Ok(self.inner.operator.unblock(target, reason).await?)
    }

    /// Deletes at most `limit` sessions that lapsed or ended more than a day ago, and as many events that need not be kept;
    /// none while a recovery window is open. And as many requests of the history, if one is kept, that are too old. Answers how
    /// many sessions. Sign-ins do a little of this by themselves, once a server has run for ten minutes.
    ///
    /// # Errors
    /// [`Refusal`] if the store does not answer.
    pub async fn sweep(&self, limit: u32) -> Result<u32, Refusal> {
        self.inner.operator.sweep_record(limit).await?;
        self.inner.operator.sweep_requests(self.inner.history.keep(), limit).await?;
        Ok(self.inner.operator.sweep(limit).await?)
    }

    /// Erases a person: see [`Operator::erase`]. In this process their sessions are over at once.
    ///
    /// # Errors
    /// [`Refusal`] if the store does not answer; then nothing changed.
    pub async fn erase(&self, user: &UserId, reason: &str) -> Result<Option<Receipt>, Refusal> {
        let (receipt, gone) = self.inner.operator.erase_telling(user, reason).await?;
        self.note_ended(&gone);
        Ok(receipt)
    }

    /// What an operator does to the store, without a server: recovery windows, imports. Ends of sessions through it reach
    /// this process by the revocation feed, like those of other processes.
    #[must_use]
    pub fn operator(&self) -> &Operator {
        &self.inner.operator
    }

    /// The store, for an operator's own reports.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    fn note_ended(&self, ended: &[SessionId]) -> usize {
        self.inner.liveness.note(ended, self.inner.clock.now());
        ended.len()
    }
}

impl Inner {
    /// The resource that `named` names; the first if nothing is named (RFC 8707, design "exactly").
    pub(crate) fn resource(&self, named: Option<&str>) -> Option<&ValidResource> {
        match named {
            Some(named) => self.resources.iter().find(|resource| resource.is_named_by(named)),
            None => self.resources.first(),
        }
    }

    /// The absolute address of an endpoint.
    pub(crate) fn endpoint(&self, name: &str) -> String {
        format!("{}{}/{name}", self.issuer.as_str(), self.prefix)
    }

    /// An event of now.
    pub(crate) fn event(&self, kind: EventKind, reason: &str) -> Result<Event, Refusal> {
        let now = self.clock.now();
        let mut event = Event::new(EventId::mint(now, self.random.as_ref())?, now, kind);
        reason.clone_into(&mut event.reason);
        event.actor = kind.usual_actor();
        Ok(event)
    }

    pub(crate) const fn caps(&self) -> (usize, usize) {
        (self.max_sessions, self.max_aliases)
    }

    /// The little sweeping that a sign-in does. Failing at it is no reason to fail the sign-in.
    pub(crate) async fn sweep_a_little(&self) {
        let now = self.clock.now();
        let last = self.last_sweep.load(Ordering::Relaxed);
        let due = now >= self.started_at + SWEEP_AFTER && now.since(Timestamp::from_unix_micros(last)) >= SWEEP_EVERY;
        let mine = due
            && self.last_sweep.compare_exchange(last, now.unix_micros(), Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !mine {
            return;
        }
        if let Err(error) = self.sweep_once().await {
            tracing::warn!(target: "dcr", %error, "sweeping failed");
        }
    }

    async fn sweep_once(&self) -> Result<(), OperatorError> {
        self.operator.sweep(SWEEP_BATCH).await?;
        self.operator.sweep_record(SWEEP_BATCH).await?;
        // There are more of them than of anything else.
        self.operator.sweep_requests(self.history.keep(), SWEEP_BATCH * 4).await?;
        Ok(())
    }
}

impl DcrEngineBuilder {
    /// Adds an MCP server. The first is the default for clients that name none.
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    /// Where to keep users, connections and sessions.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Who logs people in.
    pub fn provider(mut self, provider: Arc<dyn IdentityProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// The secrets: the first of `active` seals, all of them open; `retired` ones verify client ids and client secrets
    /// (derived from an id, or remembered in a session), nothing else.
    pub fn secrets(mut self, active: Vec<Secret>, retired: Vec<Secret>) -> Self {
        self.secrets = SecretSource::Given { active, retired };
        self
    }

    /// Lets the store make and keep the secret, whatever the URL. Whoever reads the database can then forge tokens, and
    /// whoever loses it loses the client ids with it.
    pub fn secret_from_store(mut self) -> Self {
        self.secrets = SecretSource::Store;
        self
    }

    /// How long things live.
    pub const fn lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }

    /// Which redirect URIs may be registered. Default: [`RegistrationPolicy::Open`].
    pub const fn registration(mut self, policy: RegistrationPolicy) -> Self {
        self.registration = policy;
        self
    }

    /// Which unknown client ids are adopted. Default: [`AdoptionPolicy::PlatformsAndLoopback`].
    pub const fn adoption(mut self, policy: AdoptionPolicy) -> Self {
        self.adoption = policy;
        self
    }

    /// Whether a client id may be the URL of a metadata document, and how documents are fetched. Default:
    /// [`DocumentPolicy::Off`].
    pub fn metadata_documents(mut self, policy: DocumentPolicy, fetch: Arc<dyn GuardedFetch>) -> Self {
        (self.documents, self.fetch) = (policy, Some(fetch));
        self
    }

    /// The scopes that an adopted id may get at most. Default: those of the resource, as for registered clients.
    pub fn adoption_scopes(mut self, scopes: ScopeSet) -> Self {
        self.adoption_scopes = Some(scopes);
        self
    }

    /// Lets confidential registrations read, change and delete themselves (RFC 7592). Default: they do not. Only what was
    /// changed or deleted becomes a row, at most 60 a minute at each server: since registering needs no login, this is the one
    /// way in which somebody without one can cause rows that stay.
    pub const fn manage_registrations(mut self, whether: bool) -> Self {
        self.manages_registrations = whether;
        self
    }

    /// Another list of platforms than the shipped one.
    pub fn platforms(mut self, platforms: PlatformList) -> Self {
        self.platforms = platforms;
        self
    }

    /// Lists a custom-scheme redirect URI, as an exact string.
    pub fn custom_redirect(mut self, uri: impl Into<String>) -> Self {
        self.custom_redirects.push(uri.into());
        self
    }

    /// Registers (pins) a client; one with [`PreRegistered::client_credentials`] may have tokens of its own.
    pub fn client(mut self, client: PreRegistered) -> Self {
        self.pre_registered.push(client);
        self
    }

    /// Whether the provider is asked again, when a client refreshes, if the person is still there. Default:
    /// [`Recheck::Never`].
    pub const fn recheck(mut self, recheck: Recheck) -> Self {
        self.recheck = recheck;
        self
    }

    /// Who may come in. Default: everyone whom the provider lets in.
    pub fn admission(mut self, admission: Admission) -> Self {
        self.admission = admission;
        self
    }

    /// A decision of the host application's own about who may come in, after the lists have let a person in. Asked once
    /// for each sign-in. Default: none.
    pub fn admission_policy(mut self, policy: impl AdmissionPolicy) -> Self {
        self.admission_policy = Some(Arc::new(policy));
        self
    }

    /// Lets a resource server introspect every token (RFC 7662) with these Basic credentials.
    pub fn resource_server(mut self, id: impl Into<String>, secret: &str) -> Self {
        self.resource_servers.add(id.into(), secret);
        self
    }

    /// How often what costs something may be asked for. Default: [`Limits::default`]. Those by address need to know the
    /// peer: a request's extension of type [`SocketAddr`](std::net::SocketAddr), which the adapters see to.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The proxies in front of this server, whose `X-Forwarded-For` is believed. Default: none; then all who come through a
    /// proxy share the limits of its one address.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// A name, a logo and a colour for the pages.
    pub fn theme(mut self, theme: Theme) -> Self {
        self.theme = theme;
        self
    }

    /// Other pages than the shipped ones. They are tried when the engine is built.
    pub fn pages(mut self, pages: Arc<dyn Pages>) -> Self {
        self.pages = pages;
        self
    }

    /// Another path prefix than `/oauth`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// At most so many live sessions a connection; the one idle longest goes first. Default: 20.
    pub const fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }

    /// At most so many client ids are remembered of a connection; the one unused longest goes first. Default: 50.
    pub const fn max_aliases(mut self, aliases: usize) -> Self {
        self.max_aliases = aliases;
        self
    }

    /// How long the record is kept. Default: [`Retention::default`], 400 days.
    pub const fn event_retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Keeps, for so long, which tools each session called: when, from where, and with which status. Never what was said.
    /// Default: nothing is kept.
    ///
    /// It is what guards of this engine see ([`BearerLayer`](crate::BearerLayer) as a layer): of a POST they read the body as
    /// they do for [`BearerLayer::tool`](crate::BearerLayer::tool), with what that refuses. What they refuse is in the log
    /// and not here. Call [`DcrEngine::flush`] every few seconds: what is not written when a process dies is lost. What was
    /// kept stays when this is taken away again: `dcr sweep --request-history off` deletes it.
    pub const fn request_history(mut self, keep: Retention) -> Self {
        self.history = Some(keep);
        self
    }

    /// Whether people see at `/oauth/connections` which apps have access in their name, and disconnect them there. They sign
    /// in by the provider as everybody does. Default: they do.
    pub const fn connections_page(mut self, whether: bool) -> Self {
        self.connections = whether;
        self
    }

    /// Switches the admin API on, and for people the console, for whoever `access` lets in. Default: there is none.
    pub fn admin(mut self, access: AdminAccess) -> Self {
        self.admin = Some(access);
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Another random source, for tests.
    pub fn random(mut self, random: Arc<dyn SecureRandom>) -> Self {
        self.random = random;
        self
    }

    /// Checks everything and builds the engine.
    ///
    /// # Errors
    /// [`ConfigError`] says what to change.
    pub async fn build(self) -> Result<DcrEngine, ConfigError> {
        let issuer = Issuer::parse(&self.public_url)?;
        let store = metrics::timed_store(self.store.ok_or(ConfigError::NoStore)?, Arc::clone(&self.clock));
        let provider = self.provider.ok_or(ConfigError::NoProvider)?;
        let provider = metrics::timed_provider(provider, Arc::clone(&self.clock));
        self.lifetimes.check()?;
        let resources = ValidResource::all_of(self.resources, &issuer)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_');
        if !self.prefix.starts_with('/') || self.prefix.ends_with('/') || !self.prefix.bytes().all(plain) {
            return Err(ConfigError::Prefix(self.prefix));
        }
        if let Some(uri) = self.custom_redirects.iter().find(|uri| !custom_redirect_is_sane(uri)) {
            return Err(ConfigError::CustomRedirect(uri.clone()));
        }
        let mut pre_registered = HashMap::new();
        for client in self.pre_registered {
            let id = client.id().clone();
            client
                .check(&self.custom_redirects)
                .map_err(|fault| ConfigError::PreRegistered { client: id.clone(), fault })?;
            if pre_registered.insert(id.clone(), Arc::new(client)).is_some() {
                return Err(ConfigError::PreRegisteredTwice(id));
            }
        }
        let ring = match self.secrets {
            SecretSource::Given { active, retired } => KeyRing::new(&active, &retired)?,
            SecretSource::Unsaid if !issuer.is_loopback() => return Err(ConfigError::NoSecret),
            SecretSource::Unsaid | SecretSource::Store => {
                let secret = match store.kept_secret().await? {
                    Some(kept) => kept,
                    None => store.keep_secret(Secret::generate(self.random.as_ref())?).await?,
                };
                KeyRing::new(&[secret], &[])?
            }
        };
        // A policy that lets no client register lets none describe itself.
        let documents = match self.registration {
            RegistrationPolicy::Off => DocumentPolicy::Off,
            _ => self.documents,
        };
        let documents = Documents::new(documents, self.fetch, self.custom_redirects.clone());
        documents.probe(self.clock.as_ref()).await;
        let rules = ClientRules {
            registration: self.registration,
            adoption: self.adoption,
            platforms: self.platforms,
            custom_redirects: self.custom_redirects,
            pre_registered,
        };
        let started_at = self.clock.now();
        let look = Look::new(&self.theme, self.pages, &issuer, &self.prefix)?;
        let can_sign = documents.are_supported();
        let site = Site::new(&issuer, &self.prefix, &resources, &rules, can_sign, &ring, provider.as_ref());
        let mut site = site.with_logo(look.logo());
        if self.manages_registrations {
            site.manage_registrations();
        }
        let admin = self.admin.map(|access| Admin::new(access, &issuer, &self.prefix)).transpose()?;
        Ok(DcrEngine {
            inner: Arc::new(Inner {
                liveness: Liveness::new(),
                stored: StoredClients::new(),
                machines: Cache::new(10_000),
                admin,
                connections: self.connections.then(|| Place::connections(&issuer, &self.prefix)),
                issuer,
                prefix: self.prefix,
                resources,
                lifetimes: self.lifetimes,
                ring,
                documents,
                operator: Operator::new(Arc::clone(&store), Arc::clone(&self.clock), Arc::clone(&self.random))
                    .keep_events(self.retention),
                store,
                upstream: provider.upstream(),
                turns: Turns::new(),
                recheck: self.recheck,
                provider,
                admission: self.admission,
                admission_policy: self.admission_policy,
                resource_servers: self.resource_servers,
                adoption_scopes: self.adoption_scopes,
                manages_registrations: self.manages_registrations,
                changes: std::sync::Mutex::new((Timestamp::from_unix_seconds(0), 0)),
                anomalies: Cache::new(10_000),
                funnel: Funnel::new(&rules.platforms, self.clock.now()),
                history: History::new(self.history),
                recent: Recent::default(),
                rules,
                clock: self.clock,
                random: self.random,
                site,
                look,
                proxies: self.proxies,
                meters: Meters::new(self.limits),
                max_sessions: self.max_sessions.max(1),
                max_aliases: self.max_aliases,
                started_at,
                counted: Counted::never(),
                last_sweep: AtomicI64::new(0),
            }),
        })
    }
}

impl fmt::Debug for DcrEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DcrEngine")
            .field("issuer", &self.inner.issuer.as_str())
            .field("store", &self.inner.store)
            .field("provider", &self.inner.provider)
            .finish_non_exhaustive()
    }
}
