//! Clients that the operator registered.

use std::fmt;

use super::{AuthMethod, CanonicalRedirect, ClientId, RedirectFault};
use crate::seal::{same_bytes, sha256};

/// A client that the operator registered (pinned) under an id of their choice. It wins over every other way of resolving
/// that id.
///
/// ```
/// use dcr_core::{ClientId, PreRegistered};
///
/// let client = PreRegistered::public(ClientId::new("inspector").unwrap())
///     .name("MCP Inspector")
///     .redirect("http://127.0.0.1:6274/oauth/callback");
/// # let _ = client;
/// ```
#[derive(Clone)]
pub struct PreRegistered {
    pub(crate) id: ClientId,
    pub(crate) name: Option<String>,
    pub(crate) redirects: Vec<String>,
    pub(crate) auth_method: AuthMethod,
    secret_hash: Option<[u8; 32]>,
}

impl PreRegistered {
    /// A public client.
    #[must_use]
    pub const fn public(id: ClientId) -> Self {
        Self { id, name: None, redirects: Vec::new(), auth_method: AuthMethod::None, secret_hash: None }
    }

    /// A confidential client; only a hash of `secret` is kept. `auth_method` says how it must present it.
    #[must_use]
    pub fn confidential(id: ClientId, auth_method: AuthMethod, secret: &str) -> Self {
        Self { id, name: None, redirects: Vec::new(), auth_method, secret_hash: Some(sha256(secret.as_bytes())) }
    }

    /// Its name on the consent page.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds a redirect URI: https, loopback http, or a custom scheme that the engine lists.
    #[must_use]
    pub fn redirect(mut self, uri: impl Into<String>) -> Self {
        self.redirects.push(uri.into());
        self
    }

    /// The redirects, through the gate.
    pub(crate) fn gated(&self, custom: &[String]) -> Result<Vec<CanonicalRedirect>, RedirectFault> {
        self.redirects.iter().map(|text| CanonicalRedirect::parse(text, custom)).collect()
    }

    pub(crate) fn secret_is(&self, presented: &str) -> bool {
        self.secret_hash.is_some_and(|hash| same_bytes(&hash, &sha256(presented.as_bytes())))
    }
}

impl fmt::Debug for PreRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreRegistered")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("redirects", &self.redirects)
            .field("auth_method", &self.auth_method)
            .finish_non_exhaustive()
    }
}
