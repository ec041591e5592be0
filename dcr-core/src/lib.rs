//! An OAuth 2.1 authorization server to embed in an MCP server.
//!
//! To MCP clients it speaks Dynamic Client Registration (RFC 7591) and Client ID Metadata Documents; login is delegated to
//! an upstream identity provider that knows neither, Entra ID above all. One [`DcrEngine`] is the whole server. `dcr-axum` and `dcr-warp` mount
//! it, `dcr-sqlx` persists it.
//!
//! ```text
//! client                     DcrEngine                                  provider
//!  POST /oauth/register  ->  validate, seal                  (0 writes)
//!  GET  /oauth/authorize ->  resolve id, gate redirect,
//!                            PKCE, resource, scope -> page   (0 writes)
//!  POST /oauth/consent   ->  approved: seal the transaction
//!                            into this browser's cookie      (0 writes)  -> login
//!  GET  /oauth/callback  <-  cookie fits state, exchange,
//!                            verify ID token, admit;
//!                            ONE transaction: user,
//!                            connection, alias, session                  <- code
//!  POST /oauth/token     ->  unseal, generation 0 -> 1       (1 write)
//!  POST /mcp + Bearer    ->  verify, session alive?          (0 writes)
//!  POST /oauth/token     ->  refresh: generation n -> n+1    (1 write)
//! ```
//!
//! Four ideas make the usual failures unrepresentable; [`manual::decisions`] tells why:
//!
//! 1. Registration writes nothing: a client id is its own registration, sealed.
//! 2. The presented client id is never replaced, from authorize to token.
//! 3. A connection is one user's use of one software; rows begin with a person.
//! 4. A session is one row and one counter: codes and refresh tokens are its generations.
//!
//! # An engine
//!
//! ```
//! use std::sync::Arc;
//! use dcr_core::store::MemoryStore;
//! use dcr_core::upstream::{EntraConfig, OidcProvider, ReqwestFetch};
//! use dcr_core::{DcrEngine, Resource, Secret, SystemClock};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let entra = EntraConfig::new("72f988bf-86f1-41af-91ab-2d7cd011db47", "application id", "application secret");
//! let provider = OidcProvider::entra(entra, Arc::new(ReqwestFetch::new()?), Arc::new(SystemClock))?;
//! let engine = DcrEngine::builder("https://mcp.example")
//!     .resource(Resource::new("/mcp", "Weather tools").scope("mcp", "Use the tools of this server"))
//!     .provider(Arc::new(provider))
//!     .store(Arc::new(MemoryStore::new())) // dcr-sqlx has the durable ones
//!     .secrets(vec![std::env::var("DCR_SECRET")?.parse::<Secret>()?], vec![])
//!     .build()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! The host hands requests to [`DcrEngine::handle`] and guards its own routes with [`DcrEngine::authenticate`]; the
//! adapters do both. Where to read on: [`oauth`] has the steps in the order of a flow, [`client::ClientId`] and its
//! neighbours say who asks, [`store::Store`] is what a database must do, [`pages`] is what people see, [`manual`] says
//! why things are as they are.

mod admin;
mod client;
mod clock;
mod config;
mod console;
mod engine;
mod erase;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod guarded;
mod health;
mod http;
mod limits;
pub mod manual;
pub mod metrics;
mod oauth;
mod operator;
pub mod pages;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod parts;
mod random;
pub mod record;
pub mod remote;
mod resource;
mod seal;
pub mod session;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
pub mod upstream;
mod web;

pub use self::admin::{AdminAccess, AdminAccessError, AdminConsole, AdminPeople};
pub use self::client::{
    AuthMethod, ClientId, ClientIdError, ImportFault, ImportedClient, PinFault, Platform, PlatformList,
    PlatformListError, PreRegistered, Provenance, RedirectClass, RedirectFault, SoftwareKey, StoredClient,
};
pub use self::clock::{Clock, NotATime, SystemClock, Timestamp};
pub use self::config::{AdoptionPolicy, DocumentPolicy, Lifetimes, RegistrationPolicy, Resource, UnknownPolicy};
pub use self::engine::{DcrEngine, DcrEngineBuilder};
pub use self::erase::Receipt;
pub use self::error::{Blame, ConfigError, Reason, Refusal};
pub use self::health::Health;
#[cfg(feature = "tower")]
pub use self::http::Endpoints;
pub use self::http::MAX_BODY;
#[cfg(feature = "tower")]
pub use self::http::guard::{BearerGuard, BearerLayer, GuardBody, InspectedBody, OwnResource, Verifier};
pub use self::limits::{Limits, LimitsError, Rate, TrustedProxies, TrustedProxiesError};
pub use self::oauth::ScopeSet;
pub use self::operator::{ImportedUse, Operator, OperatorError, Replayed};
pub use self::pages::{Language, Theme};
pub use self::random::{RandomUnavailable, SecureRandom, SystemRandom};
pub use self::seal::{KeyRingError, Secret, SecretError, check_secrets};
pub use self::session::Principal;
