//! What the operator of a server elsewhere decides.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::introspection::Introspection;
use super::issuer::IssuerDocuments;
use super::{Inner, RemoteGuard};
use crate::clock::{Clock, SystemClock};
use crate::config::Issuer;
use crate::limits::{Limits, Meters};
use crate::oauth::metadata::protected_resource;
use crate::random::{RandomUnavailable, SecureRandom, SystemRandom};
use crate::resource::{ResourceUri, WELL_KNOWN, check_scopes};
use crate::seal::{KeyRing, KeyRingError, Secret};
use crate::upstream::HttpFetch;

/// The longest time for which an introspection answer is used.
const MAX_KEEP: Duration = Duration::from_secs(5);

/// Builds a [`RemoteGuard`]. Required: the issuer, the resource, a scope; and what fetches, without the feature
/// `http-client`.
#[must_use]
pub struct RemoteGuardBuilder {
    issuer: String,
    resource: String,
    name: String,
    scopes: Vec<String>,
    implied: Vec<(String, String)>,
    introspection: Option<(String, String)>,
    keep: Duration,
    session_secret: Option<Secret>,
    root_metadata: bool,
    fetch: Option<Arc<dyn HttpFetch>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SecureRandom>,
}

/// Why a guard cannot be built. The operator's fault; the text says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteConfigError {
    /// The issuer.
    #[error(
        "the issuer {0:?} cannot be used: write the authorization server's public URL as it has it, https or loopback"
    )]
    Issuer(String),
    /// The resource or its scopes.
    #[error("the resource {uri:?} cannot be used: {why}")]
    Resource {
        /// As given.
        uri: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// How long introspection answers are used.
    #[error("an introspection answer can be used for at most 5 s, and not for {0:?}")]
    IntrospectionCache(Duration),
    /// Nothing that fetches.
    #[error("nothing fetches the issuer's documents: use the feature `http-client`, or `fetch(..)`")]
    NoFetch,
    /// The HTTP client cannot be set up.
    #[error("{0}")]
    Fetch(String),
    /// The secret of MCP sessions.
    #[error("the session secret cannot be used: {0}")]
    Session(#[from] KeyRingError),
    /// No randomness.
    #[error("{0}")]
    Random(#[from] RandomUnavailable),
}

impl RemoteGuardBuilder {
    pub(super) fn new(issuer: String, resource: String) -> Self {
        Self {
            name: resource.clone(),
            issuer,
            resource,
            scopes: Vec::new(),
            implied: Vec::new(),
            introspection: None,
            keep: Duration::from_secs(2),
            session_secret: None,
            root_metadata: true,
            fetch: None,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        }
    }

    /// What the server is called in its metadata. Default: its URI.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Adds a default scope: what the metadata and a 401 tell clients to ask for. At least one; the same as in
    /// [`Resource::scope`](crate::Resource::scope) of the authorization server.
    pub fn scope(mut self, name: impl Into<String>) -> Self {
        self.scopes.push(name.into());
        self
    }

    /// Whoever has the scope `broad` may do what `narrow` allows: the same as in
    /// [`Resource::implies`](crate::Resource::implies).
    pub fn implies(mut self, broad: impl Into<String>, narrow: impl Into<String>) -> Self {
        self.implied.push((broad.into(), narrow.into()));
        self
    }

    /// Asks the issuer whether each token is still active, with the credentials of its
    /// [`resource_server`](crate::DcrEngineBuilder::resource_server). While it does not answer, the guard answers 503.
    pub fn introspection(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.introspection = Some((id.into(), secret.into()));
        self
    }

    /// How long an introspection answer is used. Default: 2 s. At most 5 s; zero asks at every request.
    pub const fn introspection_cache(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// What MCP session ids are bound to their principal with, if several processes serve the same sessions. Default: a
    /// secret of this process.
    pub fn session_secret(mut self, secret: Secret) -> Self {
        self.session_secret = Some(secret);
        self
    }

    /// Does not answer for the origin as a whole (`/.well-known/oauth-protected-resource`): another guard does.
    pub const fn without_root_metadata(mut self) -> Self {
        self.root_metadata = false;
        self
    }

    /// What fetches the issuer's documents; it must follow no redirects and read bounded bodies. Default:
    /// [`ReqwestFetch`](crate::upstream::ReqwestFetch), with the feature `http-client`.
    pub fn fetch(mut self, fetch: Arc<dyn HttpFetch>) -> Self {
        self.fetch = Some(fetch);
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

    /// Checks everything and builds the guard. Asks nobody yet.
    ///
    /// # Errors
    /// [`RemoteConfigError`] says what to change.
    pub fn build(self) -> Result<RemoteGuard, RemoteConfigError> {
        if Issuer::parse(&self.issuer).ok().is_none_or(|issuer| issuer.as_str() != self.issuer) {
            return Err(RemoteConfigError::Issuer(self.issuer));
        }
        let wrong = |why| RemoteConfigError::Resource { uri: self.resource.clone(), why };
        let uri = ResourceUri::parse(&self.resource).map_err(wrong)?;
        // Which other scopes there are is the issuer's business.
        let all: BTreeSet<&str> = self
            .implied
            .iter()
            .flat_map(|(broad, narrow)| [broad, narrow])
            .chain(&self.scopes)
            .map(String::as_str)
            .collect();
        let all: Vec<&str> = all.into_iter().collect();
        let defaults: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        let (_, defaults, hierarchy) = check_scopes(&all, &defaults, &self.implied).map_err(wrong)?;
        if self.keep > MAX_KEEP {
            return Err(RemoteConfigError::IntrospectionCache(self.keep));
        }
        let fetch = match self.fetch {
            Some(fetch) => fetch,
            None => default_fetch()?,
        };
        let secret = match self.session_secret {
            Some(secret) => secret,
            None => Secret::generate(self.random.as_ref())?,
        };
        let introspection = self.introspection.map(|(id, secret)| {
            Introspection::new(&id, &secret, self.keep, Arc::clone(&fetch), Arc::clone(&self.clock))
        });
        let metadata = protected_resource(&self.issuer, &self.resource, &self.name, &defaults);
        Ok(RemoteGuard {
            inner: Arc::new(Inner {
                documents: IssuerDocuments::new(
                    self.issuer.clone(),
                    self.resource.clone(),
                    fetch,
                    Arc::clone(&self.clock),
                ),
                issuer: self.issuer,
                metadata_url: uri.metadata_url(),
                paths: paths(&uri.path, self.root_metadata),
                resource: self.resource,
                defaults,
                hierarchy,
                introspection,
                clock: self.clock,
                meters: Meters::new(Limits::default()),
                sessions: KeyRing::new(&[secret], &[])?,
                metadata: Bytes::from(metadata.to_string()),
            }),
        })
    }
}

/// The forms that clients probe, as the engine has them: inserted, appended, and the root.
fn paths(path: &str, root: bool) -> Vec<String> {
    let inserted = format!("{WELL_KNOWN}{path}");
    if path.is_empty() {
        return vec![inserted];
    }
    let mut paths = vec![inserted, format!("{path}{WELL_KNOWN}")];
    if root {
        paths.push(WELL_KNOWN.to_owned());
    }
    paths
}

#[cfg(feature = "http-client")]
fn default_fetch() -> Result<Arc<dyn HttpFetch>, RemoteConfigError> {
    match crate::upstream::ReqwestFetch::new() {
        Ok(fetch) => Ok(Arc::new(fetch)),
        Err(error) => Err(RemoteConfigError::Fetch(error.to_string())),
    }
}

#[cfg(not(feature = "http-client"))]
fn default_fetch() -> Result<Arc<dyn HttpFetch>, RemoteConfigError> {
    Err(RemoteConfigError::NoFetch)
}

impl fmt::Debug for RemoteGuardBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteGuardBuilder")
            .field("issuer", &self.issuer)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}
