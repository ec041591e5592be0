//! The ID token (OpenID Connect Core 1.0 section 3.1.3.7): signature by jsonwebtoken, claims by us, with our clock.

use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::discovery::SigningKey;
use super::{UpstreamError, UpstreamFault};
use crate::clock::Timestamp;
use crate::seal::same_bytes;

/// Asymmetric algorithms only: a symmetric one would make our client secret a signing key.
const ALGORITHMS: [Algorithm; 8] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
];
/// How far the provider's clock may be off.
const SKEW: Duration = Duration::from_secs(60);

/// The claims that are read. A claim of another JSON type is an error, never an absence (RS-4).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    nonce: String,
    pub(super) tid: Option<String>,
    pub(super) oid: Option<String>,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) email_verified: Option<serde_json::Value>,
    pub(super) preferred_username: Option<String>,
    pub(super) xms_edov: Option<serde_json::Value>,
    pub(super) acct: Option<i64>,
    pub(super) idp: Option<String>,
    pub(super) ver: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

pub(super) fn invalid(detail: impl Into<String>) -> UpstreamError {
    UpstreamError::new(UpstreamFault::Invalid, detail)
}

/// The algorithm and key id that the header names: the first is checked against our list, the second is a look-up.
pub(super) fn header(token: &str) -> Result<(Algorithm, Option<String>), UpstreamError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| invalid("the ID token has no readable header"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(invalid("the ID token's algorithm is not accepted"));
    }
    Ok((header.alg, header.kid))
}

/// Verifies the signature with `key`, whose type must fit `algorithm`.
pub(super) fn verify(token: &str, algorithm: Algorithm, key: &SigningKey) -> Result<Claims, UpstreamError> {
    if !fits(key, algorithm) {
        return Err(invalid("the key is not for the ID token's algorithm"));
    }
    let decoding = DecodingKey::from_jwk(&key.jwk).map_err(|_| invalid("the provider's key is not usable"))?;
    let mut validation = Validation::new(algorithm);
    // Times, audience and issuer are checked below, with our clock; the library's checks read the system's.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<Claims>(token, &decoding, &validation)
        .map(|data| data.claims)
        .map_err(|e| invalid(format!("the ID token does not verify: {e}")))
}

fn fits(key: &SigningKey, algorithm: Algorithm) -> bool {
    use Algorithm as A;
    let named = key.jwk.common.key_algorithm.is_none_or(|alg| alg.to_string() == format!("{algorithm:?}"));
    let kind = match (&key.jwk.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), A::RS256 | A::RS384 | A::RS512 | A::PS256 | A::PS384 | A::PS512) => true,
        (AlgorithmParameters::EllipticCurve(ec), A::ES256) => ec.curve == EllipticCurve::P256,
        (AlgorithmParameters::EllipticCurve(ec), A::ES384) => ec.curve == EllipticCurve::P384,
        _ => false,
    };
    named && kind
}

impl Claims {
    /// Everything that holds for any provider: audience, times, nonce. The issuer is the provider's own rule.
    pub(super) fn check(&self, client_id: &str, nonce: &str, now: Timestamp) -> Result<(), UpstreamError> {
        let for_us = match &self.aud {
            Audience::One(aud) => aud == client_id,
            Audience::Several(list) => {
                list.iter().any(|aud| aud == client_id) && (list.len() == 1 || self.azp.as_deref() == Some(client_id))
            }
        };
        if !for_us {
            return Err(invalid("the ID token is for another application"));
        }
        let (early, late) = ((now - SKEW).unix_seconds(), (now + SKEW).unix_seconds());
        if self.exp <= early {
            return Err(invalid("the ID token has expired"));
        }
        if self.iat > late || self.nbf.is_some_and(|nbf| nbf > late) {
            return Err(invalid("the ID token is from the future"));
        }
        if !same_bytes(self.nonce.as_bytes(), nonce.as_bytes()) {
            return Err(invalid("the ID token answers another sign-in (nonce)"));
        }
        Ok(())
    }
}
