//! How we prove to the provider who we are: a secret, a certificate, or an assertion that somebody else makes.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::certificate::ClientCertificate;
use super::oidc::OidcSecret;
use super::{UpstreamError, UpstreamFault, UpstreamSecret};
use crate::clock::Timestamp;
use crate::random::{SecureRandom, bytes};

/// Makes assertions for our application at the provider (RFC 7523 section 2.2): a managed identity, a workload identity, a
/// vault that signs. Asked for each request to the token endpoint: it keeps what it may use again.
#[async_trait]
pub trait AssertionSource: fmt::Debug + Send + Sync + 'static {
    /// A JWT that the provider takes for our application's credential.
    ///
    /// # Errors
    /// [`UpstreamError`]: [`UpstreamFault::Busy`] if the same may work later, [`UpstreamFault::Configuration`] if an operator
    /// has to do something.
    async fn assertion(&self) -> Result<UpstreamSecret, UpstreamError>;
}

/// How our application authenticates to the provider's token endpoint. A certificate or an assertion is better than a secret
/// (UP-8): neither the key nor anything that lasts is ever sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum UpstreamCredential {
    /// A shared secret. At Entra ID it expires after months: then nobody signs in.
    Secret(OidcSecret),
    /// A certificate with an RSA key: `private_key_jwt` with PS256.
    Certificate(Arc<ClientCertificate>),
    /// Assertions of somebody else's making.
    Assertion(Arc<dyn AssertionSource>),
}

impl UpstreamCredential {
    /// When it lapses, as far as that is known.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        match self {
            Self::Certificate(certificate) => Some(certificate.not_after()),
            Self::Secret(_) | Self::Assertion(_) => None,
        }
    }

    /// The assertion for one request of `client_id` to the token endpoint `audience`; a secret has none.
    pub(super) async fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        random: &dyn SecureRandom,
        now: Timestamp,
    ) -> Result<Option<UpstreamSecret>, UpstreamError> {
        match self {
            Self::Secret(_) => Ok(None),
            Self::Assertion(source) => source.assertion().await.map(Some),
            Self::Certificate(certificate) => {
                let id = bytes(random).map_err(|error| UpstreamError::new(UpstreamFault::Busy, error.to_string()))?;
                let assertion = certificate.assertion(client_id, audience, &id, now);
                let failed = || UpstreamError::new(UpstreamFault::Configuration, "the certificate's key does not sign");
                assertion.map(UpstreamSecret::new).map(Some).ok_or_else(failed)
            }
        }
    }
}
