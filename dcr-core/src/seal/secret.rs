//! The operator's secret.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::random::{RandomUnavailable, SecureRandom};

/// 32 random bytes from which every key is derived. `Debug` shows nothing of it; there is no `Display` and no
/// `Serialize`.
///
/// ```
/// use dcr_core::Secret;
///
/// let secret: Secret = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=".parse().unwrap();
/// assert_eq!(format!("{secret:?}"), "Secret(redacted)");
/// assert!("c2hvcnQ=".parse::<Secret>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

/// Why a text is no [`Secret`]. The operator's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The text is not base64.
    #[error("a secret is written in base64; make one with `openssl rand -base64 32`")]
    NotBase64,
    /// Not 32 bytes.
    #[error("a secret has exactly 32 bytes, this one has {0}; make one with `openssl rand -base64 32`")]
    Length(usize),
    /// All bytes alike: an example or a placeholder (OP-7).
    #[error("this secret is a placeholder, not random; make one with `openssl rand -base64 32`")]
    Placeholder,
}

impl Secret {
    /// From 32 bytes that the caller vouches for.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A fresh secret.
    ///
    /// # Errors
    /// [`RandomUnavailable`] when there is no randomness.
    pub fn generate(random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        crate::random::bytes(random).map(Self)
    }

    /// The text that [`str::parse`] reads: standard base64. For an operator who asks for it, nothing else.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// The bytes. Named so that a reader stumbles: they must reach a key derivation or a store, nothing else.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        let bytes = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
            .iter()
            .find_map(|alphabet| alphabet.decode(text).ok())
            .ok_or(SecretError::NotBase64)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|b: Vec<u8>| SecretError::Length(b.len()))?;
        if bytes.iter().all(|b| *b == bytes[0]) {
            return Err(SecretError::Placeholder);
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_32_bytes_in_any_base64_and_no_placeholder() {
        let bytes: [u8; 32] = std::array::from_fn(|i| 0xf8 | u8::try_from(i % 8).unwrap());
        for alphabet in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            let read: Secret = format!(" {}\n", alphabet.encode(bytes)).parse().unwrap();
            assert_eq!(read.expose(), &bytes);
        }
        let fault = |bytes: &[u8]| STANDARD.encode(bytes).parse::<Secret>().unwrap_err();
        assert_eq!(fault(&[0; 32]), SecretError::Placeholder);
        assert_eq!(fault(&[0x41; 32]), SecretError::Placeholder);
        assert_eq!(fault(&bytes[..31]), SecretError::Length(31));
        assert_eq!("not base64!".parse::<Secret>().unwrap_err(), SecretError::NotBase64);
    }
}
