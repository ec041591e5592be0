//! What a login or a refresh brings from the provider, beside who the person is.

use std::fmt;
use std::time::Duration;

use super::Identity;

/// A token of the provider. `Debug` shows nothing of it; there is no `Display` and no `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamSecret(String);

impl UpstreamSecret {
    /// Wraps it.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The token. Named so that a reader stumbles: it may reach the provider's own interfaces, nothing else (I-9).
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UpstreamSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamSecret(redacted)")
    }
}

/// What the provider gave for one person: an access token for its interfaces, and the means to get the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "providers outside this crate build it")]
pub struct UpstreamGrant {
    /// Opaque (entra.md): not even its form is looked at.
    pub access_token: UpstreamSecret,
    /// Of a refresh: the one that takes the place of the old one; none if the old one goes on.
    pub refresh_token: Option<UpstreamSecret>,
    /// How long the access token lives, as the provider says.
    pub expires_in: Option<Duration>,
}

/// A person, as the provider identified them, and what it gave for them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "providers outside this crate build it")]
pub struct Identified {
    /// The person.
    pub identity: Identity,
    /// The tokens. They are kept only where a resource has upstream scopes, or people are checked again at refresh.
    pub grant: Option<UpstreamGrant>,
}

impl From<Identity> for Identified {
    /// Without tokens.
    fn from(identity: Identity) -> Self {
        Self { identity, grant: None }
    }
}

/// Asks the provider for a fresh access token of a person who signed in before (RFC 6749 section 6).
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "providers outside this crate read every field; tests build it")]
pub struct RefreshRequest<'a> {
    /// The newest refresh token that we have.
    pub refresh_token: &'a UpstreamSecret,
    /// What the login asked for beside who the person is: `offline_access`, and the upstream scopes of one resource.
    pub upstream_scopes: &'a [String],
}

impl fmt::Debug for RefreshRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshRequest").field("upstream_scopes", &self.upstream_scopes).finish_non_exhaustive()
    }
}
