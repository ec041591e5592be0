//! Who logs people in: the provider trait, a generic OpenID Connect implementation, and the Entra ID preset.
//!
//! The upstream never sees anything of the client: not its `resource`, scopes, `state`, redirect or `prompt` (UPS-01,
//! UP-9). What it knows is one static application and one callback.

mod admission;
mod certificate;
mod credential;
mod discovery;
mod entra;
mod error;
mod fetch;
mod grant;
mod id_token;
mod managed_identity;
mod membership;
mod oidc;
mod recheck;
mod sealed;
mod tokens;

use std::fmt;

use async_trait::async_trait;

pub use self::admission::{Admission, AdmissionPolicy, Applicant, NotAdmitted};
pub(crate) use self::admission::{Doors, Rejected, VerifiedIdentity};
pub use self::certificate::{CertificateError, ClientCertificate};
pub use self::credential::{AssertionSource, UpstreamCredential};
pub use self::entra::EntraConfig;
pub use self::error::{UpstreamError, UpstreamFault};
#[cfg(feature = "http-client")]
pub use self::fetch::ReqwestFetch;
pub use self::fetch::{FetchError, HttpFetch};
pub use self::grant::{Identified, RefreshRequest, UpstreamGrant, UpstreamSecret};
pub use self::managed_identity::ManagedIdentity;
pub use self::membership::{Groups, Roles};
pub use self::oidc::{OidcConfig, OidcProvider, OidcSecret, ProviderConfigError};
pub use self::recheck::Recheck;
pub(crate) use self::tokens::Turns;
pub use self::tokens::{UpstreamToken, UpstreamTokenError};

use crate::clock::Timestamp;

/// One login, as it goes out.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "providers outside this crate read every field; tests build it")]
pub struct LoginRequest<'a> {
    /// Where the provider sends the browser back to: one fixed address.
    pub callback: &'a str,
    /// Opaque; comes back unchanged.
    pub state: &'a str,
    /// Must come back in the ID token.
    pub nonce: &'a str,
    /// Our own PKCE verifier; its S256 challenge goes out.
    pub verifier: &'a str,
    /// Whether the provider must show its account chooser (SR-12).
    pub select_account: bool,
    /// What to ask for beside who the person is: `offline_access` and the operator's upstream scopes of one resource. Empty
    /// where nothing of theirs is needed. Never a scope that a client named (UPS-01).
    pub upstream_scopes: &'a [String],
}

/// The provider's answer at the callback, together with what the login sent out.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "providers outside this crate read every field; tests build it")]
pub struct LoginAnswer<'a> {
    /// The code.
    pub code: &'a str,
    /// `iss` of the response (RFC 9207), if the provider sends one.
    pub issuer: Option<&'a str>,
    /// As sent out.
    pub callback: &'a str,
    /// As sent out.
    pub nonce: &'a str,
    /// As sent out.
    pub verifier: &'a str,
}

/// An error that the provider sent to the callback instead of a code.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "providers outside this crate read every field; tests build it")]
pub struct LoginError<'a> {
    /// `error`.
    pub error: &'a str,
    /// `error_description`; never shown to anybody (UP-10).
    pub description: &'a str,
}

/// A person, as the provider identified them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "providers outside this crate build it")]
pub struct Identity {
    /// The issuer.
    pub issuer: String,
    /// The tenant; empty where the provider has none.
    pub tenant: String,
    /// The immutable id inside the tenant. Never an e-mail address (ME-8).
    pub object_id: String,
    /// For people to read.
    pub name: Option<String>,
    /// For people to read.
    pub email: Option<String>,
    /// The address, only if the provider vouches for it: what admission by domain or address looks at.
    pub verified_email: Option<String>,
    /// The groups that the person is in.
    pub groups: Groups,
    /// The roles that the person has in the application upstream (Entra ID's app roles).
    pub roles: Roles,
}

/// An upstream identity provider.
#[async_trait]
pub trait IdentityProvider: fmt::Debug + Send + Sync + 'static {
    /// How people call it: "Entra ID". Shown on the consent page.
    fn name(&self) -> &str;

    /// Where to send the browser.
    ///
    /// # Errors
    /// [`UpstreamError`], for example when its configuration cannot be fetched.
    async fn login_url(&self, request: LoginRequest<'_>) -> Result<String, UpstreamError>;

    /// Exchanges the code and verifies who the person is.
    ///
    /// # Errors
    /// [`UpstreamError`]; nobody is signed in then.
    async fn identify(&self, answer: LoginAnswer<'_>) -> Result<Identified, UpstreamError>;

    /// A fresh access token of a person who signed in with `offline_access`. It also says that their account is still good.
    ///
    /// # Errors
    /// [`UpstreamError`]. [`UpstreamFault::Busy`] where the same may work later; that the grant is dead, the person gone, or
    /// must meet the provider itself, only if the provider said so. A provider that cannot refresh answers
    /// [`UpstreamFault::Configuration`], as this does by default.
    async fn refresh(&self, request: RefreshRequest<'_>) -> Result<UpstreamGrant, UpstreamError> {
        let _ = request;
        Err(UpstreamError::new(UpstreamFault::Configuration, "this provider does not refresh tokens"))
    }

    /// What its tokens belong to, for ever the same: the issuer and our application there. What was kept under another name
    /// is not used any more.
    fn upstream(&self) -> String {
        self.name().to_owned()
    }

    /// When our credential there lapses, as far as that is known: from then on nobody signs in. For a health check.
    fn credential_not_after(&self) -> Option<Timestamp> {
        None
    }

    /// Whether people can be signed in, as far as that is known without anybody: whether its documents could be had when they
    /// were last needed. For a health check; asks no more often than sign-ins would. By default all is well.
    ///
    /// # Errors
    /// [`UpstreamError`] says what is wrong.
    async fn check(&self) -> Result<(), UpstreamError> {
        Ok(())
    }

    /// How many seconds our clock is ahead of the provider's (behind: negative), as of its last answer. For a health check.
    fn clock_ahead(&self) -> Option<i64> {
        None
    }

    /// What an error at the callback means.
    fn explain(&self, error: LoginError<'_>) -> UpstreamError;

    /// Origins other than https ones that the login passes through, for the content security policy: `http` ones of a
    /// development provider. Empty for everything real.
    fn insecure_origins(&self) -> Vec<String> {
        Vec::new()
    }
}

// Codes, nonces and verifiers never reach a log (I-14).
impl fmt::Debug for LoginRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginRequest").field("select_account", &self.select_account).finish_non_exhaustive()
    }
}

impl fmt::Debug for LoginAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginAnswer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl fmt::Debug for LoginError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginError").field("error", &self.error).finish_non_exhaustive()
    }
}
