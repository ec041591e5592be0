//! Signing keys, the key set, and the JWS around a set of claims.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::random;

/// How ID tokens are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA 2048 with SHA-256, as Entra ID does.
    #[default]
    Rs256,
    /// P-256 with SHA-256; its keys are made in no time.
    Es256,
}

impl Algorithm {
    /// The value of `alg` in a JOSE header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

enum Private {
    Rsa(rsa::KeyPair),
    Ec(EcdsaKeyPair),
}

/// A key pair with the id that it has in the key set.
pub(crate) struct SigningKey {
    kid: String,
    private: Private,
}

impl SigningKey {
    fn generate(algorithm: Algorithm) -> Result<Self, Unspecified> {
        let private = match algorithm {
            Algorithm::Rs256 => Private::Rsa(rsa::KeyPair::generate(KeySize::Rsa2048)?),
            Algorithm::Es256 => Private::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?),
        };
        let public = match &private {
            Private::Rsa(pair) => pair.public_key().as_ref(),
            Private::Ec(pair) => pair.public_key().as_ref(),
        };
        Ok(Self { kid: random::sha256_base64url(public), private })
    }

    fn algorithm(&self) -> Algorithm {
        match self.private {
            Private::Rsa(_) => Algorithm::Rs256,
            Private::Ec(_) => Algorithm::Es256,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match &self.private {
            Private::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
            Private::Ec(pair) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
        }
    }

    /// The public key as a JWK. Like Entra ID's keys, it has no `alg`.
    pub(crate) fn jwk(&self) -> Result<Value, Unspecified> {
        match &self.private {
            Private::Rsa(pair) => {
                let (n, e) = rsa_components(pair.public_key().as_ref()).ok_or(Unspecified)?;
                let (n, e) = (random::base64url(n), random::base64url(e));
                Ok(json!({ "kty": "RSA", "use": "sig", "kid": self.kid, "n": n, "e": e }))
            }
            Private::Ec(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = point.get(1..65).ok_or(Unspecified)?.split_at(32);
                let (x, y) = (random::base64url(x), random::base64url(y));
                Ok(json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": x, "y": y }))
            }
        }
    }

    /// The public key in PEM: what a naive verifier would feed to HMAC.
    fn public_pem(&self) -> Result<String, Unspecified> {
        let der: PublicKeyX509Der<'_> = match &self.private {
            Private::Rsa(pair) => pair.public_key().as_der()?,
            Private::Ec(pair) => pair.public_key().as_der()?,
        };
        let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
        for (at, character) in STANDARD.encode(der.as_ref()).chars().enumerate() {
            if at > 0 && at % 64 == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push_str("\n-----END PUBLIC KEY-----\n");
        Ok(pem)
    }
}

/// The keys of a provider. The first one is made when it is first needed, so that tests which never reach a token do
/// not wait for it.
pub(crate) struct KeyRing {
    algorithm: Algorithm,
    /// In order of their making; the last one signs.
    keys: Mutex<Vec<Arc<SigningKey>>>,
}

impl KeyRing {
    pub(crate) const fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, keys: Mutex::new(Vec::new()) }
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The keys of the key set, the signing one last.
    pub(crate) fn published(&self) -> Result<Vec<Arc<SigningKey>>, Unspecified> {
        self.current()?;
        Ok(self.lock().clone())
    }

    /// Makes a new signing key; the key set keeps the others or drops them.
    pub(crate) fn rotate(&self, keep_old: bool) -> Result<(), Unspecified> {
        if keep_old {
            self.current()?; // so that there is an old key to keep
        }
        let key = Arc::new(SigningKey::generate(self.algorithm)?);
        let mut keys = self.lock();
        if !keep_old {
            keys.clear();
        }
        keys.push(key);
        Ok(())
    }

    /// The claims as a signed JWT, or as what `fault` makes of it.
    pub(crate) fn jwt(&self, claims: &Value, fault: Option<Fault>) -> Result<String, Unspecified> {
        match fault {
            Some(Fault::RotatedKey) => self.rotate(true)?,
            Some(Fault::RotatedKeyOnly) => self.rotate(false)?,
            _ => {}
        }
        let key = self.current()?;
        let alg = match fault {
            Some(Fault::AlgNone) => "none",
            Some(Fault::Hs256WithPublicKey) => "HS256",
            _ => key.algorithm().name(),
        };
        let kid = if fault == Some(Fault::UnknownKid) { random::text::<32>() } else { key.kid.clone() };
        let header = json!({ "typ": "JWT", "alg": alg, "kid": kid });
        let message = format!(
            "{}.{}",
            random::base64url(header.to_string().as_bytes()),
            random::base64url(claims.to_string().as_bytes())
        );
        let signature = match fault {
            Some(Fault::AlgNone) => Vec::new(),
            Some(Fault::Hs256WithPublicKey) => {
                let secret = hmac::Key::new(hmac::HMAC_SHA256, key.public_pem()?.as_bytes());
                hmac::sign(&secret, message.as_bytes()).as_ref().to_vec()
            }
            Some(Fault::WrongSignature) => {
                let mut signature = key.sign(message.as_bytes())?;
                if let Some(byte) = signature.get_mut(20) {
                    *byte ^= 1;
                }
                signature
            }
            _ => key.sign(message.as_bytes())?,
        };
        Ok(format!("{message}.{}", random::base64url(&signature)))
    }

    fn current(&self) -> Result<Arc<SigningKey>, Unspecified> {
        let mut keys = self.lock();
        if let Some(key) = keys.last() {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(SigningKey::generate(self.algorithm)?);
        keys.push(Arc::clone(&key));
        Ok(key)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<SigningKey>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Modulus and exponent out of `RSAPublicKey ::= SEQUENCE { INTEGER, INTEGER }`, without leading zeros.
fn rsa_components(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = der_element(0x30, der)?;
    let (n, rest) = der_element(0x02, sequence)?;
    let (e, _) = der_element(0x02, rest)?;
    Some((n.strip_prefix(&[0]).unwrap_or(n), e.strip_prefix(&[0]).unwrap_or(e)))
}

/// The content of the DER element that `input` starts with, and what follows it.
fn der_element(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = input.split_first()?;
    let (&length, rest) = rest.split_first()?;
    if first != tag {
        return None;
    }
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
        (bytes.iter().try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add(usize::from(*byte)))?, rest)
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_is_made_once_and_rotation_adds_or_replaces() {
        let ring = KeyRing::new(Algorithm::Es256);
        let kid = |at: usize| ring.published().expect("keys")[at].kid.clone();
        let first = kid(0);
        assert_eq!(first, kid(0));
        ring.rotate(true).expect("a second key");
        assert_eq!(first, kid(0));
        assert_ne!(first, kid(1));
        ring.rotate(false).expect("a third key");
        assert_eq!(ring.published().expect("keys").len(), 1);
        assert_ne!(first, kid(0));
    }

    #[test]
    fn rsa_keys_have_2048_bits_and_the_usual_exponent() {
        let ring = KeyRing::new(Algorithm::Rs256);
        let jwk = ring.published().expect("keys")[0].jwk().expect("a JWK");
        assert_eq!(jwk["e"], "AQAB");
        assert_eq!(jwk["n"].as_str().map(str::len), Some(342)); // 256 bytes
    }

    #[test]
    fn truncated_der_is_refused() {
        assert_eq!(der_element(0x30, &[]), None);
        assert_eq!(der_element(0x30, &[0x30, 0x82, 0x01]), None);
        assert_eq!(der_element(0x30, &[0x30, 0x03, 0x02, 0x01]), None);
        assert_eq!(der_element(0x02, &[0x02, 0x01, 0x05, 0x09]), Some((&[0x05][..], &[0x09][..])));
    }
}
