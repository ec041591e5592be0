//! What the micro benchmarks (`benches/engine.rs`) see of this crate's inside: with the feature `testing` only, no part of the
//! API, and without logic of its own.

use crate::client::{CanonicalRedirect, ClientId, RegistrationRequest, SealedClient, SealedId};
use crate::clock::Timestamp;
use crate::engine::DcrEngine;
use crate::random::bytes;
use crate::seal::b64;
use crate::session::{AccessToken, AccessTokenClaims};

/// A registration that was checked, ready to be sealed.
pub struct Registration(SealedClient);

impl Registration {
    /// Seals it into a client id.
    #[must_use]
    pub fn seal(&self, engine: &DcrEngine) -> Option<String> {
        self.0.seal(&engine.inner.ring, engine.inner.random.as_ref()).ok()
    }

    /// Opens a client id.
    #[must_use]
    pub fn open(engine: &DcrEngine, id: &str) -> Option<Self> {
        match SealedId::open(&ClientId::new(id).ok()?, &engine.inner.ring) {
            SealedId::Genuine(client) => Some(Self(client)),
            SealedId::Broken | SealedId::Foreign => None,
        }
    }
}

/// The claims of an access token.
pub struct Claims(AccessTokenClaims);

impl Claims {
    /// Signs them under another token id: a token of the same session that nobody has seen.
    #[must_use]
    pub fn sign_anew(&self, engine: &DcrEngine) -> Option<String> {
        let token_id = b64(&bytes::<16>(engine.inner.random.as_ref()).ok()?);
        Self(AccessTokenClaims { token_id, ..self.0.clone() }).sign(engine)
    }

    /// Signs them.
    #[must_use]
    pub fn sign(&self, engine: &DcrEngine) -> Option<String> {
        AccessToken::sign(&self.0, engine.inner.issuer.as_str(), &engine.inner.ring)
            .map(|token| token.as_str().to_owned())
    }

    /// Verifies a token: signature, header and claims.
    #[must_use]
    pub fn verify(engine: &DcrEngine, token: &str, now: Timestamp) -> Option<Self> {
        AccessToken::verify(token, engine.inner.issuer.as_str(), None, now, &engine.inner.ring).ok().map(Self)
    }
}

/// Whether a redirect URI passes the gate.
#[must_use]
pub fn redirect_is_canonical(text: &str) -> bool {
    CanonicalRedirect::parse(text, &[]).is_ok()
}

/// Whether this is client metadata that can be registered.
#[must_use]
pub fn metadata_is_valid(body: &[u8]) -> bool {
    let request = serde_json::from_slice::<RegistrationRequest>(body);
    request.is_ok_and(|request| request.validate(|text| CanonicalRedirect::parse(text, &[])).is_ok())
}
