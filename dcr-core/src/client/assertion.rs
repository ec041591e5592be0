//! Signed client assertions: `private_key_jwt` (RFC 7523 sections 2.2 and 3).

use std::fmt;
use std::time::Duration;

use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;

use super::keys::{ASSERTION_ALGORITHMS, ClientKeys};
use super::{ClientId, CredentialFault};
use crate::clock::{Timestamp, numeric_date};
use crate::seal::{digest, unb64};

/// What `client_assertion_type` must be (RFC 7523 section 2.2).
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Longer than any assertion.
const MAX_ASSERTION: usize = 8 * 1024;
/// Longer than any `jti`.
const MAX_JTI: usize = 512;
/// How far the client's clock may be off.
const SKEW: Duration = Duration::from_secs(60);
/// An assertion that lapses later than this is refused (RFC 7523 section 3, item 4): what was used is remembered as long.
const MAX_LIFE: Duration = Duration::from_secs(60 * 60);

/// An assertion as it was presented: its form is good, nothing of it is proven.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ClientAssertion {
    token: String,
    algorithm: Algorithm,
    kid: Option<String>,
    client: ClientId,
}

/// What identifies one assertion, and until when it could come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OneTimeUse {
    pub(crate) id: [u8; 32],
    pub(crate) until: Timestamp,
}

/// Why an assertion proves nothing. The client's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AssertionFault {
    #[error("the client assertion is signed by no key of this client")]
    Signature,
    #[error("the client assertion's iss and sub must be the client_id")]
    Client,
    #[error("the client assertion's aud must be this server's issuer, and nothing else")]
    Audience,
    #[error("the client assertion has expired, is from the future, or is valid for more than an hour")]
    Time,
    #[error("the client assertion needs a jti")]
    Id,
}

/// The claims. A claim of another JSON type is an error, never an absence (RS-4).
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    #[serde(default, deserialize_with = "numeric_date")]
    iat: Option<i64>,
    #[serde(default, deserialize_with = "numeric_date")]
    nbf: Option<i64>,
    jti: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Subject {
    sub: String,
}

impl ClientAssertion {
    /// Reads an assertion; whose it says it is decides where its keys are looked for.
    pub(crate) fn read(kind: Option<&str>, token: &str) -> Result<Self, CredentialFault> {
        let malformed = CredentialFault::Assertion;
        if kind != Some(ASSERTION_TYPE) || token.len() > MAX_ASSERTION {
            return Err(malformed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| malformed)?;
        let known = ASSERTION_ALGORITHMS.iter().any(|(algorithm, _)| *algorithm == header.alg);
        // Critical extensions: we know none (RFC 7515 section 4.1.11).
        if !known || header.crit.is_some() {
            return Err(malformed);
        }
        let payload = token.split('.').nth(1).and_then(|payload| unb64(payload.as_bytes())).ok_or(malformed)?;
        let subject: Subject = serde_json::from_slice(&payload).map_err(|_| malformed)?;
        Ok(Self {
            token: token.to_owned(),
            algorithm: header.alg,
            kid: header.kid,
            client: ClientId::new(subject.sub).map_err(|_| malformed)?,
        })
    }

    /// Who it says it is of.
    pub(crate) const fn client(&self) -> &ClientId {
        &self.client
    }

    /// The key that it names.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Verifies it with `keys` for `issuer` at `now`. It counts once: whoever gives something for it must see to that.
    pub(crate) fn verify(&self, keys: &ClientKeys, issuer: &str, now: Timestamp) -> Result<OneTimeUse, AssertionFault> {
        let claims = keys
            .candidates(self.algorithm, self.kid())
            .find_map(|key| {
                // Times and audience are checked below, with our clock; the library's checks read the system's.
                let mut validation = Validation::new(self.algorithm);
                validation.required_spec_claims.clear();
                validation.validate_exp = false;
                validation.validate_nbf = false;
                validation.validate_aud = false;
                jsonwebtoken::decode::<Claims>(&self.token, &key, &validation).ok()
            })
            .ok_or(AssertionFault::Signature)?
            .claims;
        self.check(&claims, issuer, now)
    }

    fn check(&self, claims: &Claims, issuer: &str, now: Timestamp) -> Result<OneTimeUse, AssertionFault> {
        if claims.iss != self.client.as_str() || claims.sub != self.client.as_str() {
            return Err(AssertionFault::Client);
        }
        // The issuer alone: an assertion for several servers could be brought here by one of the others.
        let for_us = match &claims.aud {
            Audience::One(audience) => audience == issuer,
            Audience::Several(audiences) => matches!(audiences.as_slice(), [only] if only == issuer),
        };
        if !for_us {
            return Err(AssertionFault::Audience);
        }
        let (early, late) = ((now - SKEW).unix_seconds(), (now + SKEW).unix_seconds());
        let begins = claims.iat.into_iter().chain(claims.nbf).max();
        if claims.exp <= early
            || begins.is_some_and(|at| at > late)
            || claims.exp > (now + MAX_LIFE + SKEW).unix_seconds()
        {
            return Err(AssertionFault::Time);
        }
        let jti = claims.jti.as_deref().filter(|jti| !jti.is_empty() && jti.len() <= MAX_JTI);
        let jti = jti.ok_or(AssertionFault::Id)?;
        Ok(OneTimeUse {
            id: digest("dcr/v1/assertion", &[self.client.as_str().as_bytes(), jti.as_bytes()]),
            until: Timestamp::from_unix_seconds(claims.exp) + SKEW,
        })
    }
}

impl fmt::Debug for ClientAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientAssertion({:?}, {:?})", self.client, self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::AssertionKey;

    const ISSUER: &str = "https://mcp.example";
    const CLIENT: &str = "https://app.example/client.json";
    const NOW: i64 = 1_790_000_000;

    fn claims() -> Value {
        json!({"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": NOW + 60, "iat": NOW, "jti": "one"})
    }

    fn verify(claims: &Value) -> Result<OneTimeUse, AssertionFault> {
        verify_with(claims, &AssertionKey::seeded(1))
    }

    /// The client's key is the one of seed 1; `key` signs.
    fn verify_with(claims: &Value, key: &AssertionKey) -> Result<OneTimeUse, AssertionFault> {
        let keys = ClientKeys::parse(AssertionKey::seeded(1).jwks().as_bytes()).unwrap();
        let assertion = ClientAssertion::read(Some(ASSERTION_TYPE), &key.sign(&claims.to_string())).unwrap();
        assertion.verify(&keys, ISSUER, Timestamp::from_unix_seconds(NOW))
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    #[test]
    fn a_good_assertion_is_one_use_of_its_client_and_jti() {
        let first = verify(&claims()).unwrap();
        assert_eq!(verify(&claims()).unwrap(), first);
        assert_ne!(verify(&with("jti", json!("two"))).unwrap().id, first.id);
        assert_eq!(first.until, Timestamp::from_unix_seconds(NOW + 120));
        assert!(verify(&with("aud", json!([ISSUER]))).is_ok());
    }

    #[test]
    fn an_hour_and_a_minute_of_skew_is_the_longest_life() {
        for (exp, good) in [(NOW + 3_660, true), (NOW + 3_661, false), (NOW - 59, true), (NOW - 60, false)] {
            assert_eq!(verify(&with("exp", json!(exp))).is_ok(), good, "{exp}");
        }
        assert!(verify(&with("iat", json!(NOW + 60))).is_ok());
    }

    #[test]
    fn tk_06_an_assertion_for_somebody_else_of_another_time_or_without_an_id_proves_nothing() {
        for (claims, fault) in [
            (with("iss", json!("x")), AssertionFault::Client),
            (with("aud", json!("https://other.example")), AssertionFault::Audience),
            (with("aud", json!("https://mcp.example/oauth/token")), AssertionFault::Audience),
            (with("aud", json!([ISSUER, "https://other.example"])), AssertionFault::Audience),
            (with("aud", json!([])), AssertionFault::Audience),
            (with("exp", json!(NOW - 60)), AssertionFault::Time),
            (with("exp", json!(NOW + 3_661)), AssertionFault::Time),
            (with("iat", json!(NOW + 61)), AssertionFault::Time),
            (with("nbf", json!(NOW + 61)), AssertionFault::Time),
            (with("jti", json!(null)), AssertionFault::Id),
            (with("jti", json!("")), AssertionFault::Id),
            // A claim of another type is no absence.
            (with("exp", json!("soon")), AssertionFault::Signature),
            (with("nbf", json!("x")), AssertionFault::Signature),
            (with("nbf", json!(null)), AssertionFault::Signature),
            (with("iat", json!(null)), AssertionFault::Signature),
        ] {
            assert_eq!(verify(&claims), Err(fault), "{claims}");
        }
        assert_eq!(verify_with(&claims(), &AssertionKey::seeded(2)), Err(AssertionFault::Signature));
    }

    #[test]
    fn the_longest_assertion_that_is_read_has_8_kib() {
        // Reading looks at no signature: that may be as long as it likes.
        let token = AssertionKey::seeded(1).sign(&claims().to_string());
        let of = |length: usize| format!("{token}{}", "A".repeat(length - token.len()));
        assert!(ClientAssertion::read(Some(ASSERTION_TYPE), &of(8 * 1024)).is_ok());
        let over = ClientAssertion::read(Some(ASSERTION_TYPE), &of(8 * 1024 + 1));
        assert_eq!(over, Err(CredentialFault::Assertion));
    }

    #[test]
    fn what_is_no_assertion_is_refused_as_one() {
        let token = AssertionKey::seeded(1).sign(&claims().to_string());
        let mac = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(b"x"));
        let none = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap());
        for (kind, token) in [
            (Some(ASSERTION_TYPE), "x"),
            (Some(ASSERTION_TYPE), "a.b.c"),
            (Some(ASSERTION_TYPE), mac.unwrap().as_str()),
            (Some(ASSERTION_TYPE), none.as_str()),
            (Some("urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), token.as_str()),
            (None, token.as_str()),
        ] {
            assert_eq!(ClientAssertion::read(kind, token), Err(CredentialFault::Assertion), "{token}");
        }
    }
}
