//! The public keys of a client that signs assertions (RFC 7517): from its `jwks_uri`, its metadata document, or the
//! operator.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// More keys than any client publishes at a time.
const MAX_KEYS: usize = 32;

/// The algorithms of assertions that are accepted: asymmetric, and one for each kind of key that clients have.
pub(crate) const ASSERTION_ALGORITHMS: [(Algorithm, &str); 6] = [
    (Algorithm::RS256, "RS256"),
    (Algorithm::PS256, "PS256"),
    (Algorithm::ES256, "ES256"),
    (Algorithm::ES384, "ES384"),
    (Algorithm::EdDSA, "EdDSA"),
    (Algorithm::RS512, "RS512"),
];

/// A set of public keys that verify, at least one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ClientKeys(Vec<Jwk>);

/// Why a key set is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeysFault {
    #[error("is no JSON Web Key Set")]
    Form,
    #[error("holds a private or a symmetric key: publish public keys only")]
    Private,
    #[error("has no public key for RS256, PS256, ES256, ES384, EdDSA or RS512")]
    Empty,
}

#[derive(Deserialize)]
struct RawKeys {
    keys: Vec<Value>,
}

impl ClientKeys {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, KeysFault> {
        let raw: RawKeys = serde_json::from_slice(body).map_err(|_| KeysFault::Form)?;
        if raw.keys.len() > MAX_KEYS {
            return Err(KeysFault::Form);
        }
        // A set that holds a private key is no secret any more, and no proof.
        if raw.keys.iter().any(|key| key.get("d").is_some() || key.get("k").is_some()) {
            return Err(KeysFault::Private);
        }
        // Keys of kinds that we do not know are left out; they do not spoil the others.
        let keys: Vec<Jwk> = raw
            .keys
            .into_iter()
            .filter_map(|key| serde_json::from_value::<Jwk>(key).ok())
            .filter(|key| matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature)))
            .filter(|key| ASSERTION_ALGORITHMS.iter().any(|(algorithm, _)| fits(key, *algorithm)))
            .collect();
        if keys.is_empty() { Err(KeysFault::Empty) } else { Ok(Self(keys)) }
    }

    /// Whether a key has this id, or there is a key at all that may be meant without one.
    pub(crate) fn has(&self, kid: Option<&str>) -> bool {
        kid.is_none() || self.0.iter().any(|key| key.common.key_id.as_deref() == kid)
    }

    /// The keys that may have signed with `algorithm` under `kid`; without one, every key that fits.
    pub(crate) fn candidates(&self, algorithm: Algorithm, kid: Option<&str>) -> impl Iterator<Item = DecodingKey> {
        self.0
            .iter()
            .filter(move |key| fits(key, algorithm))
            .filter(move |key| kid.is_none() || key.common.key_id.as_deref() == kid)
            .filter_map(|key| DecodingKey::from_jwk(key).ok())
    }

    /// As JSON, to be kept.
    pub(crate) fn to_json(&self) -> Value {
        serde_json::json!({ "keys": self.0 })
    }
}

/// Whether `key` is for `algorithm`: by what it says, and by what it is.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    use Algorithm as A;
    let named = key.common.key_algorithm.is_none_or(|named| Algorithm::try_from(named).is_ok_and(|a| a == algorithm));
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), A::RS256 | A::RS512 | A::PS256) => true,
        (AlgorithmParameters::EllipticCurve(ec), A::ES256) => ec.curve == EllipticCurve::P256,
        (AlgorithmParameters::EllipticCurve(ec), A::ES384) => ec.curve == EllipticCurve::P384,
        (AlgorithmParameters::OctetKeyPair(okp), A::EdDSA) => okp.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    named && kind
}

impl fmt::Debug for ClientKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| key.common.key_id.as_deref().unwrap_or("-"))).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(keys: &Value) -> Result<ClientKeys, KeysFault> {
        ClientKeys::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn only_public_keys_that_can_verify_are_kept() {
        let ed =
            json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "a"});
        let keys = parse(&json!([ed, {"kty": "unknown"}, 7])).unwrap();
        assert!(keys.has(Some("a")) && keys.has(None) && !keys.has(Some("b")));
        assert_eq!(keys.candidates(Algorithm::EdDSA, Some("a")).count(), 1);
        assert_eq!(keys.candidates(Algorithm::RS256, None).count(), 0);
        assert_eq!(ClientKeys::parse(keys.to_json().to_string().as_bytes()).unwrap(), keys);
        let with = |name: &str, value: Value| {
            let mut key = ed.clone();
            key[name] = value;
            parse(&json!([key]))
        };
        assert_eq!(with("d", json!("x")), Err(KeysFault::Private));
        assert_eq!(with("use", json!("enc")), Err(KeysFault::Empty));
        assert_eq!(with("alg", json!("RS256")), Err(KeysFault::Empty));
        assert_eq!(parse(&json!([{"kty": "oct", "k": "AA"}])), Err(KeysFault::Private));
        assert_eq!(parse(&json!([])), Err(KeysFault::Empty));
        assert!(parse(&json!(vec![ed.clone(); 32])).is_ok());
        assert_eq!(parse(&json!(vec![ed; 33])), Err(KeysFault::Form));
        assert_eq!(ClientKeys::parse(b"[]"), Err(KeysFault::Form));
    }

    /// RFC 8725 section 3.1: a key is for the algorithms of its kind and curve, whatever the header of an assertion says.
    #[test]
    fn tk_06_a_key_verifies_what_its_kind_and_curve_can_have_signed() {
        use Algorithm as A;
        let (x, y) = ("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
        for (key, algorithms) in [
            (json!({"kty": "RSA", "n": x, "e": "AQAB"}), [A::RS256, A::RS512, A::PS256].as_slice()),
            (json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}), &[A::ES256]),
            (json!({"kty": "EC", "crv": "P-384", "x": x, "y": y}), &[A::ES384]),
            (json!({"kty": "OKP", "crv": "Ed25519", "x": x}), &[A::EdDSA]),
        ] {
            let keys = parse(&json!([key])).unwrap();
            for (algorithm, _) in ASSERTION_ALGORITHMS {
                let fits = usize::from(algorithms.contains(&algorithm));
                assert_eq!(keys.candidates(algorithm, None).count(), fits, "{key} {algorithm:?}");
            }
        }
        assert_eq!(parse(&json!([{"kty": "EC", "crv": "P-521", "x": x, "y": y}])), Err(KeysFault::Empty));
    }
}
