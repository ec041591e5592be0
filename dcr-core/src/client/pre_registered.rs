//! Clients that the operator registered (pinned): by the builder, in a file, or with a command.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::keys::{ClientKeys, KeysFault};
use super::redirect_uri::custom_redirect_is_sane;
use super::{AuthMethod, CanonicalRedirect, ClientId, ClientIdError, RedirectFault};
use crate::oauth::ScopeSet;
use crate::seal::{same_bytes, sha256};

/// The longest that an approval may be remembered.
const MAX_REMEMBERED: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const DAY: u64 = 24 * 60 * 60;

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
///
/// In a file it is written with the names of RFC 7591 (and, in a file, a secret by its SHA-256, which `dcr pin` prints):
///
/// ```
/// let client: dcr_core::PreRegistered = serde_json::from_str(r#"{
///     "client_id": "portal",
///     "client_name": "Operations portal",
///     "redirect_uris": ["https://portal.example/oauth/callback"],
///     "scope": "mcp",
///     "remember_consent_days": 30
/// }"#).unwrap();
/// # let _ = client;
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Entry", into = "Entry")]
pub struct PreRegistered {
    pub(crate) id: ClientId,
    pub(crate) name: Option<String>,
    pub(crate) redirects: Vec<String>,
    pub(crate) credential: Credential,
    /// The scopes that it may get at most; those of the resource if nothing is said.
    pub(crate) scopes: Option<ScopeSet>,
    /// For how long a person's approval is remembered.
    pub(crate) remember: Option<Duration>,
    /// Whether it may have tokens of its own, without a person (RFC 6749 section 4.4).
    pub(crate) machine: bool,
}

/// How a pinned client proves that it is the one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// It does not.
    None,
    /// By a secret, of which a hash is kept.
    Secret { method: AuthMethod, hash: [u8; 32] },
    /// By signing.
    Keys(ClientKeys),
}

/// Why a client cannot be pinned. The operator's fault; the text says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PinFault {
    /// The id.
    #[error("client_id: {0}")]
    Id(#[from] ClientIdError),
    /// A redirect URI.
    #[error("the redirect URI {uri:?} {fault}")]
    Redirect {
        /// As given.
        uri: String,
        /// What is wrong with it.
        fault: RedirectFault,
    },
    /// It can do nothing.
    #[error("it needs redirect_uris, or grant_types with \"client_credentials\" for a program without a person")]
    NoUse,
    /// An unknown authentication method.
    #[error("token_endpoint_auth_method must be none, client_secret_basic, client_secret_post or private_key_jwt")]
    Method,
    /// The credential does not fit the method.
    #[error("{0}")]
    Credential(&'static str),
    /// Its keys.
    #[error("jwks {0}")]
    Keys(String),
    /// The scope.
    #[error("scope has characters that RFC 6749 forbids, or names nothing")]
    Scope,
    /// How long approvals are remembered.
    #[error("remember_consent_days must be between 1 and 365")]
    Remember,
    /// A grant that it cannot have.
    #[error(
        "grant_types may hold authorization_code, refresh_token and client_credentials; the last one needs a secret or jwks"
    )]
    Grant,
}

impl From<KeysFault> for PinFault {
    fn from(fault: KeysFault) -> Self {
        Self::Keys(fault.to_string())
    }
}

impl PreRegistered {
    const fn with(id: ClientId, credential: Credential) -> Self {
        Self { id, name: None, redirects: Vec::new(), credential, scopes: None, remember: None, machine: false }
    }

    /// A public client.
    #[must_use]
    pub const fn public(id: ClientId) -> Self {
        Self::with(id, Credential::None)
    }

    /// A confidential client; only a hash of `secret` is kept. `auth_method` says how it must present it: in the form or
    /// by HTTP Basic; any other counts as Basic.
    #[must_use]
    pub fn confidential(id: ClientId, auth_method: AuthMethod, secret: &str) -> Self {
        let method = if auth_method.has_secret() { auth_method } else { AuthMethod::ClientSecretBasic };
        Self::with(id, Credential::Secret { method, hash: sha256(secret.as_bytes()) })
    }

    /// A confidential client that signs assertions (`private_key_jwt`) with one of these public keys, a JSON Web Key Set.
    ///
    /// # Errors
    /// [`PinFault::Keys`]
    pub fn with_keys(id: ClientId, jwks: &str) -> Result<Self, PinFault> {
        Ok(Self::with(id, Credential::Keys(ClientKeys::parse(jwks.as_bytes())?)))
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

    /// The scopes that it may get at most. Default: those of the resource.
    #[must_use]
    pub fn scopes(mut self, scopes: ScopeSet) -> Self {
        self.scopes = Some(scopes);
        self
    }

    /// Remembers a person's approval in their browser for so many whole days, at most a year: the same person, the same redirect URI,
    /// resource and scopes are not asked again. Only for https redirect URIs; on loopback and custom schemes anything may
    /// listen, so that the person is asked every time (CO-5).
    #[must_use]
    pub const fn remember_consent(mut self, how_long: Duration) -> Self {
        self.remember = Some(how_long);
        self
    }

    /// Lets it have access tokens of its own, without a person and without a refresh token (`client_credentials`, RFC 6749
    /// section 4.4). Only a confidential client can use it.
    #[must_use]
    pub const fn client_credentials(mut self) -> Self {
        self.machine = true;
        self
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &ClientId {
        &self.id
    }

    /// How it authenticates at the token endpoint.
    #[must_use]
    pub const fn auth_method(&self) -> AuthMethod {
        match &self.credential {
            Credential::None => AuthMethod::None,
            Credential::Secret { method, .. } => *method,
            Credential::Keys(_) => AuthMethod::PrivateKeyJwt,
        }
    }

    /// The redirects, through the gate.
    pub(crate) fn gated(&self, custom: &[String]) -> Result<Vec<CanonicalRedirect>, RedirectFault> {
        self.redirects.iter().map(|text| CanonicalRedirect::parse(text, custom)).collect()
    }

    /// Its name.
    #[must_use]
    pub fn client_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Its redirect URIs, as they were given.
    pub fn redirects(&self) -> impl Iterator<Item = &str> {
        self.redirects.iter().map(String::as_str)
    }

    /// Whether it may have tokens of its own, without a person.
    #[must_use]
    pub const fn is_machine(&self) -> bool {
        self.machine
    }

    /// Whether it can be used as it is. Which custom schemes are listed is the engine's business, and not asked here.
    ///
    /// # Errors
    /// [`PinFault`] says what to write instead.
    pub fn validate(&self) -> Result<(), PinFault> {
        let custom: Vec<String> = self.redirects.iter().filter(|uri| custom_redirect_is_sane(uri)).cloned().collect();
        self.check(&custom)
    }

    /// The same, where `custom` are the custom-scheme redirect URIs that are listed.
    pub(crate) fn check(&self, custom: &[String]) -> Result<(), PinFault> {
        for uri in &self.redirects {
            CanonicalRedirect::parse(uri, custom).map_err(|fault| PinFault::Redirect { uri: uri.clone(), fault })?;
        }
        if self.redirects.is_empty() && !self.machine {
            return Err(PinFault::NoUse);
        }
        if self.machine && self.credential == Credential::None {
            return Err(PinFault::Grant);
        }
        if self.scopes.as_ref().is_some_and(ScopeSet::is_empty) {
            return Err(PinFault::Scope);
        }
        let is_odd = |long: Duration| long.is_zero() || !long.as_secs().is_multiple_of(DAY) || long > MAX_REMEMBERED;
        if self.remember.is_some_and(is_odd) {
            return Err(PinFault::Remember);
        }
        Ok(())
    }

    pub(crate) fn secret_is(&self, presented: &str) -> bool {
        match &self.credential {
            Credential::Secret { hash, .. } => same_bytes(hash, &sha256(presented.as_bytes())),
            Credential::None | Credential::Keys(_) => false,
        }
    }
}

/// How it is written in files and kept in databases.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    redirect_uris: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_endpoint_auth_method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwks: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grant_types: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remember_consent_days: Option<u32>,
}

impl Entry {
    fn credential(&self) -> Result<Credential, PinFault> {
        let method = match self.token_endpoint_auth_method.as_deref() {
            Some(name) => AuthMethod::from_name(name).ok_or(PinFault::Method)?,
            None if self.jwks.is_some() => AuthMethod::PrivateKeyJwt,
            None if self.client_secret_sha256.is_some() => AuthMethod::ClientSecretBasic,
            None => AuthMethod::None,
        };
        match (method, &self.client_secret_sha256, &self.jwks) {
            (AuthMethod::None, None, None) => Ok(Credential::None),
            (AuthMethod::PrivateKeyJwt, None, Some(jwks)) => {
                Ok(Credential::Keys(ClientKeys::parse(jwks.to_string().as_bytes())?))
            }
            (method, Some(hex), None) if method.has_secret() => {
                let hash = from_hex(hex).ok_or(PinFault::Credential("client_secret_sha256 must be 64 hex digits"))?;
                Ok(Credential::Secret { method, hash })
            }
            (AuthMethod::None, ..) => {
                Err(PinFault::Credential("a client of the method none has neither secret nor jwks"))
            }
            (AuthMethod::PrivateKeyJwt, ..) => Err(PinFault::Credential("private_key_jwt needs jwks, and no secret")),
            _ => Err(PinFault::Credential("a secret method needs client_secret_sha256, and no jwks")),
        }
    }
}

impl TryFrom<Entry> for PreRegistered {
    type Error = PinFault;

    fn try_from(entry: Entry) -> Result<Self, PinFault> {
        let credential = entry.credential()?;
        let known =
            |grant: &String| matches!(grant.as_str(), "authorization_code" | "refresh_token" | "client_credentials");
        let grants = entry.grant_types.unwrap_or_default();
        if !grants.iter().all(known) {
            return Err(PinFault::Grant);
        }
        let scopes = match entry.scope.as_deref() {
            None => None,
            Some(text) => Some(ScopeSet::from_names(text.split_ascii_whitespace()).ok_or(PinFault::Scope)?),
        };
        let client = Self {
            id: ClientId::new(entry.client_id)?,
            name: entry.client_name,
            redirects: entry.redirect_uris,
            credential,
            scopes,
            remember: entry.remember_consent_days.map(|days| Duration::from_secs(u64::from(days) * DAY)),
            machine: grants.iter().any(|grant| grant == "client_credentials"),
        };
        client.validate()?;
        Ok(client)
    }
}

impl From<PreRegistered> for Entry {
    fn from(client: PreRegistered) -> Self {
        let method = client.auth_method();
        let (hash, jwks) = match client.credential {
            Credential::None => (None, None),
            Credential::Secret { hash, .. } => (Some(to_hex(&hash)), None),
            Credential::Keys(keys) => (None, Some(keys.to_json())),
        };
        Self {
            client_id: client.id.as_str().to_owned(),
            client_name: client.name,
            redirect_uris: client.redirects,
            token_endpoint_auth_method: Some(method.as_str().to_owned()),
            client_secret_sha256: hash,
            jwks,
            scope: client.scopes.map(|scopes| scopes.to_string()),
            grant_types: client.machine.then(|| vec!["client_credentials".to_owned()]),
            remember_consent_days: client
                .remember
                .map(|how_long| u32::try_from(how_long.as_secs() / DAY).unwrap_or(u32::MAX)),
        }
    }
}

fn to_hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(out)
}

impl fmt::Debug for PreRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreRegistered")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("redirects", &self.redirects)
            .field("auth_method", &self.auth_method())
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(entry: Value) -> Result<PreRegistered, String> {
        serde_json::from_value(entry).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let id = |text: &str| ClientId::new(text).unwrap();
        let keys = crate::testing::AssertionKey::seeded(1).jwks();
        for client in [
            PreRegistered::public(id("portal")).name("Portal").redirect("https://portal.example/cb"),
            PreRegistered::confidential(id("app"), AuthMethod::ClientSecretPost, "s3cret")
                .redirect("http://127.0.0.1/cb")
                .redirect("app://x/cb")
                .scopes(ScopeSet::parse_lossy("a b"))
                .remember_consent(Duration::from_secs(30 * DAY)),
            PreRegistered::with_keys(id("job"), &keys).unwrap().client_credentials(),
        ] {
            let json = serde_json::to_value(&client).unwrap();
            assert_eq!(read(json.clone()).unwrap(), client, "{json}");
            assert_eq!(json["client_name"].as_str(), client.client_name());
            assert_eq!(json["grant_types"][0] == "client_credentials", client.is_machine());
        }
        // Keys say the method, a hash says that there is a secret, neither is a public client.
        let keys: Value = serde_json::from_str(&keys).unwrap();
        for (entry, method) in [
            (json!({"client_id": "a", "redirect_uris": ["app://x/cb"], "jwks": keys}), AuthMethod::PrivateKeyJwt),
            (
                json!({"client_id": "a", "redirect_uris": ["app://x/cb"], "client_secret_sha256": "0f".repeat(32)}),
                AuthMethod::ClientSecretBasic,
            ),
            (
                json!({"client_id": "a", "redirect_uris": ["app://x/cb"], "remember_consent_days": 365}),
                AuthMethod::None,
            ),
        ] {
            assert_eq!(read(entry.clone()).unwrap().auth_method(), method, "{entry}");
        }
        let json = serde_json::to_string(
            &PreRegistered::confidential(id("a"), AuthMethod::None, "s3cret").redirect("https://a.example/"),
        )
        .unwrap();
        assert!(json.contains("client_secret_basic") && !json.contains("s3cret"), "{json}");
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_to_write() {
        let uris = json!(["https://a.example/cb"]);
        let hash = "0".repeat(64);
        for (entry, word) in [
            (json!({"client_id": "a"}), "redirect_uris"),
            (json!({"client_id": "a b", "redirect_uris": uris}), "visible ASCII"),
            (json!({"client_id": "a", "redirect_uris": ["http://a.example/cb"]}), "http://a.example/cb"),
            (json!({"client_id": "a", "redirect_uris": uris, "redirect_uri": "x"}), "redirect_uri"),
            (json!({"client_id": "a", "redirect_uris": uris, "token_endpoint_auth_method": "tls"}), "private_key_jwt"),
            (
                json!({"client_id": "a", "redirect_uris": uris, "token_endpoint_auth_method": "client_secret_post"}),
                "client_secret_sha256",
            ),
            (
                json!({"client_id": "a", "redirect_uris": uris, "token_endpoint_auth_method": "private_key_jwt"}),
                "private_key_jwt needs jwks",
            ),
            (
                json!({"client_id": "a", "redirect_uris": uris, "token_endpoint_auth_method": "none", "client_secret_sha256": hash}),
                "none",
            ),
            (json!({"client_id": "a", "redirect_uris": uris, "client_secret_sha256": "xyz"}), "64 hex"),
            (json!({"client_id": "a", "redirect_uris": uris, "client_secret_sha256": "0f".repeat(33)}), "64 hex"),
            (json!({"client_id": "a", "redirect_uris": uris, "client_secret_sha256": "+f".repeat(32)}), "64 hex"),
            (json!({"client_id": "a", "redirect_uris": uris, "jwks": {"keys": []}}), "jwks"),
            (json!({"client_id": "a", "redirect_uris": uris, "scope": "a\"b"}), "scope"),
            (json!({"client_id": "a", "redirect_uris": uris, "remember_consent_days": 0}), "between 1 and 365"),
            (json!({"client_id": "a", "redirect_uris": uris, "remember_consent_days": 366}), "between 1 and 365"),
            (json!({"client_id": "a", "grant_types": ["client_credentials"]}), "client_credentials"),
            (json!({"client_id": "a", "redirect_uris": uris, "grant_types": ["password"]}), "grant_types"),
        ] {
            let error = read(entry.clone()).unwrap_err();
            assert!(error.contains(word), "{entry}: {error}");
        }
    }
}
