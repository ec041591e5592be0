//! A small OpenID Connect provider that behaves like Entra ID, for development and tests only.
//!
//! It checks no password, keeps everything in memory and listens on the loopback interface alone. Who starts it in a
//! test gets a random port, can make it misbehave ([`Faults`]) and can look at what it was asked ([`Counters`]):
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use dcr_dev_idp::{DevIdp, Fault};
//!
//! let idp = DevIdp::builder().auto_login("ada").start().await?;
//! println!("discovery at {}/.well-known/openid-configuration", idp.issuer());
//! idp.faults().set_once(Fault::WrongNonce);
//! assert_eq!(idp.counters().authorize, 0);
//! idp.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! One process serves two kinds of authority at once:
//!
//! * at the root a plain issuer, `http://127.0.0.1:PORT`, with `/authorize`, `/token` and `/jwks`;
//! * below `/{tenant}/v2.0` the ways of Entra ID, where the tenant is the GUID, the domain `dev.example`, `common` or
//!   `organizations`. The latter two advertise the literal issuer `.../{tenantid}/v2.0`, while tokens name the tenant.
//!
//! In both, the scope `profile` brings `oid`, `name` and `preferred_username`, the scope `email` brings `email`, and
//! `offline_access` brings a refresh token. ID tokens are dated back by five minutes and live one hour.
//!
//! Access tokens are good for something, too: at `/graph/v1.0/me`, with the scope `User.Read`, for who their bearer is.

mod assertion;
mod authorize;
mod claims;
mod control;
mod counters;
mod discovery;
mod faults;
mod grants;
mod graph;
mod keys;
mod meeting;
mod pages;
mod params;
mod random;
mod realm;
mod refusal;
mod running;
mod shared;
mod token;
mod users;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

pub use crate::counters::Counters;
pub use crate::faults::{Armed, Fault, Faults, UnknownFault};
pub use crate::keys::Algorithm;
pub use crate::running::RunningIdp;
pub use crate::users::{DEFAULT_TENANT_ID, HomeAccount, MAX_GROUPS, OTHER_TENANT_ID, User};

use crate::shared::{Settings, Shared};

/// The client id unless the builder names another.
pub const DEFAULT_CLIENT_ID: &str = "6d1f0b52-8c3e-4a97-b2d4-e95a7f10c368";

/// The client secret unless the builder names another. Its characters need encoding, as those of Entra ID do.
pub const DEFAULT_CLIENT_SECRET: &str = "dev~idp_secret.not+for/production";

/// The domain name of the provider's tenant unless the builder names another.
pub const DEFAULT_DOMAIN: &str = "dev.example";

/// Tells the time in seconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A provider that is being put together. [`DevIdp::start`] brings it up.
#[must_use = "a provider does nothing until it is started"]
pub struct DevIdp {
    bind: SocketAddr,
    settings: Settings,
    users: Vec<User>,
    auto_login: Option<String>,
}

impl DevIdp {
    /// A provider with all defaults: a random port of 127.0.0.1, [`User::defaults`], RS256, PKCE required.
    pub fn builder() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            settings: Settings {
                client_id: DEFAULT_CLIENT_ID.to_owned(),
                client_secret: DEFAULT_CLIENT_SECRET.to_owned(),
                tenant_id: DEFAULT_TENANT_ID.to_owned(),
                domain: DEFAULT_DOMAIN.to_owned(),
                redirect_uris: Vec::new(),
                pkce_required: true,
                code_lifetime: 600,
                algorithm: Algorithm::default(),
                clock: Arc::new(system_now),
                registered: assertion::Registered::default(),
            },
            users: User::defaults(),
            auto_login: None,
        }
    }

    /// Listens on `address`, which must be a loopback address. Port 0 takes a free port.
    pub const fn bind(mut self, address: SocketAddr) -> Self {
        self.bind = address;
        self
    }

    /// Sets id and secret of the one client.
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.settings.client_id = id.into();
        self.settings.client_secret = secret.into();
        self
    }

    /// Lets the one client authenticate by the key of a certificate, too: its DER, and its RSA public key (PKCS#1).
    pub fn certificate(mut self, der: impl Into<Vec<u8>>, public_key: impl Into<Vec<u8>>) -> Self {
        self.settings.registered.certificate = Some((der.into(), public_key.into()));
        self
    }

    /// Lets the one client authenticate by this assertion, too: what a managed identity would bring.
    pub fn federated_assertion(mut self, assertion: impl Into<String>) -> Self {
        self.settings.registered.federated = Some(assertion.into());
        self
    }

    /// Sets the tenant: a GUID in lower case.
    pub fn tenant_id(mut self, tenant_id: impl Into<String>) -> Self {
        self.settings.tenant_id = tenant_id.into();
        self
    }

    /// Sets the domain name under which the tenant's authority answers, too.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.settings.domain = domain.into().to_ascii_lowercase();
        self
    }

    /// Replaces the users.
    pub fn users(mut self, users: impl IntoIterator<Item = User>) -> Self {
        self.users = users.into_iter().collect();
        self
    }

    /// Answers every sound authorization request at once as the user of that id, whatever `prompt` says: a provider
    /// with a session.
    pub fn auto_login(mut self, user_id: impl Into<String>) -> Self {
        self.auto_login = Some(user_id.into());
        self
    }

    /// Registers a redirect URI, to be matched exactly. Without any, every `http` URI with a loopback host is good
    /// whose path ends in `/oauth/callback`, `/oauth/azure_callback` or `/oauth/admin/callback`.
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.settings.redirect_uris.push(uri.into());
        self
    }

    /// Takes authorization requests without PKCE, too.
    pub const fn allow_missing_pkce(mut self) -> Self {
        self.settings.pkce_required = false;
        self
    }

    /// Sets how long codes live: 60 to 600 seconds (the default).
    pub fn code_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.code_lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        self
    }

    /// Sets the algorithm of ID tokens.
    pub const fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.settings.algorithm = algorithm;
        self
    }

    /// Replaces the system clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.settings.clock = clock;
        self
    }

    /// Binds the address and serves in a task of its own.
    ///
    /// # Errors
    ///
    /// When the address is not a loopback address, a setting makes no sense, or the address cannot be bound.
    pub async fn start(self) -> io::Result<RunningIdp> {
        if !self.bind.ip().is_loopback() {
            let text = format!(
                "this provider checks no password: it listens on a loopback address such as 127.0.0.1 or [::1], \
                 and {} is none",
                self.bind.ip()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.settings.check()?;
        if let Some(user) = self.auto_login.as_ref().filter(|id| self.users.iter().all(|user| user.id != **id)) {
            let text = format!("the user to sign in automatically does not exist: {user}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let listener = TcpListener::bind(self.bind).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared::new(base, self.settings, self.users, self.auto_login));
        Ok(RunningIdp::serve(listener, shared))
    }
}

/// The system clock; everything else asks the clock of the builder.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
fn system_now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}
