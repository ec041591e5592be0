//! The ID token (OpenID Connect Core 1.0 section 3.1.3.7): signature by jsonwebtoken, claims by us, with our clock.

use std::collections::BTreeMap;
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::discovery::SigningKey;
use super::{UpstreamError, UpstreamFault};
use crate::clock::{Timestamp, numeric_date};
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
    #[serde(default, deserialize_with = "numeric_date")]
    nbf: Option<i64>,
    nonce: String,
    pub(super) email_verified: Option<Value>,
    /// Claims that mean something at one provider and something else, of another type, at the next (Okta's `ver` is a
    /// number): read by name, under the rules of the provider at hand.
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

impl Claims {
    /// A claim that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.more.get(name)?.as_str()
    }

    /// A claim of any type.
    pub(super) fn claim(&self, name: &str) -> Option<&Value> {
        self.more.get(name)
    }
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
    if header.crit.is_some() {
        // RFC 7515 section 4.1.11: whoever does not know an extension refuses what depends on it. We know none.
        return Err(invalid("the ID token has critical extensions"));
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

/// Whether anything that we accept can be signed with `key`.
pub(super) fn is_usable(key: &SigningKey) -> bool {
    ALGORITHMS.iter().any(|algorithm| fits(key, *algorithm))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(change: Value) -> Result<Claims, serde_json::Error> {
        let mut claims = json!({"iss": "i", "sub": "s", "aud": "c", "exp": 2_000, "iat": 1_000, "nonce": "n"});
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value(claims)
    }

    fn check(change: Value) -> bool {
        claims(change).is_ok_and(|claims| claims.check("c", "n", Timestamp::from_unix_seconds(1_500)).is_ok())
    }

    #[test]
    fn a_private_claim_of_another_type_is_another_providers_business() {
        // Okta's `ver` is a number; an `oid` that is no text is no object id.
        let okta = claims(json!({"ver": 1, "oid": 5, "name": "Ada"})).unwrap();
        assert_eq!((okta.text("ver"), okta.text("oid"), okta.text("name")), (None, None, Some("Ada")));
        assert!(check(json!({"ver": 1})));
    }

    #[test]
    fn rs_03_critical_extensions_that_nobody_knows_are_refused() {
        let with = |header: Value| header_of(&header.to_string());
        assert!(with(json!({"alg": "ES256", "kid": "k"})).is_ok());
        for crit in [json!(["b64"]), json!([])] {
            assert!(with(json!({"alg": "ES256", "kid": "k", "b64": false, "crit": crit})).is_err());
        }
    }

    fn header_of(json: &str) -> Result<(Algorithm, Option<String>), UpstreamError> {
        let text = crate::seal::b64(json.as_bytes());
        header(&format!("{text}.e30.c2ln"))
    }

    /// RFC 8725 section 3.1: by its kind, its curve and the algorithm that it names, if it names one.
    #[test]
    fn rs_03_a_key_is_for_the_algorithms_of_its_kind() {
        use Algorithm as A;
        let (x, rsa) = ("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}));
        let ec = |curve: &str| json!({"kty": "EC", "crv": curve, "x": x, "y": x});
        let mut named = rsa.clone();
        named["alg"] = json!("RS256");
        for (key, fitting) in [
            (rsa, [A::RS256, A::RS384, A::RS512, A::PS256, A::PS384, A::PS512].as_slice()),
            (named, &[A::RS256]),
            (ec("P-256"), &[A::ES256]),
            (ec("P-384"), &[A::ES384]),
        ] {
            let key = SigningKey { jwk: serde_json::from_value(key).unwrap(), issuer: None };
            for algorithm in ALGORITHMS.into_iter().chain([A::HS256, A::EdDSA]) {
                assert_eq!(fits(&key, algorithm), fitting.contains(&algorithm), "{key:?} {algorithm:?}");
            }
        }
    }

    #[test]
    fn rs_04_times_audience_and_nonce_hold_or_the_token_does_not() {
        assert!(check(json!({})));
        assert!(check(json!({"aud": ["c"]})));
        // A minute either way for the provider's clock.
        assert!(check(json!({"exp": 1_441})) && check(json!({"iat": 1_560})) && check(json!({"nbf": 1_560})));
        assert!(check(json!({"aud": ["c", "d"], "azp": "c"})));
        for change in [
            json!({"aud": "d"}),
            json!({"aud": []}),
            json!({"aud": ["c", "d"]}),
            json!({"aud": ["c", "d"], "azp": "d"}),
            json!({"exp": 1_440}),
            json!({"exp": 1_439}),
            json!({"exp": "2000"}),
            json!({"exp": null}),
            json!({"iat": 1_561}),
            json!({"nbf": 1_561}),
            json!({"nbf": "1000"}),
            json!({"nbf": null}),
            json!({"nonce": "N"}),
            json!({"nonce": null}),
        ] {
            assert!(!check(change.clone()), "{change}");
        }
    }
}
