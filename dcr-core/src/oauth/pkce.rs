//! PKCE (RFC 7636), S256 only (TK-1).

use std::fmt;

use crate::seal::{same_bytes, sha256, unb64};

/// A challenge of the method `S256` (RFC 7636 section 4.2): the digest that 43 characters of base64url stand for. Its
/// `Debug` does not show it (I-14).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CodeChallenge([u8; 32]);

impl CodeChallenge {
    /// From the bytes that [`as_bytes`](Self::as_bytes) gave.
    #[must_use]
    pub const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// For a store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `None` unless the text is the one base64url of 32 bytes: no verifier belongs to any other.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        unb64(text.as_bytes())?.try_into().ok().map(Self)
    }

    /// The challenge that belongs to `verifier`.
    pub(crate) fn of(verifier: &str) -> Self {
        Self(sha256(verifier.as_bytes()))
    }

    /// Whether `verifier` (43 to 128 unreserved characters) belongs to this challenge; constant time.
    pub(crate) fn is_answered_by(&self, verifier: &str) -> bool {
        let shaped = (43..=128).contains(&verifier.len())
            && verifier.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
        shaped && same_bytes(&self.0, &Self::of(verifier).0)
    }
}

impl fmt::Debug for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeChallenge(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_7636_appendix_b() {
        let challenge = CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert!(challenge.is_answered_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.is_answered_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"));
        assert!(!challenge.is_answered_by("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        assert!(!challenge.is_answered_by(""));
    }

    /// RFC 7636 section 4.1: a verifier that is too short or long, or of other characters, answers nothing.
    #[test]
    fn only_43_to_128_unreserved_characters_are_a_verifier() {
        for good in ["a".repeat(43), "-._~".repeat(32)] {
            assert!(CodeChallenge::of(&good).is_answered_by(&good), "{good}");
        }
        for bad in ["a".repeat(42), "a".repeat(129), "a b".repeat(20), "\u{e9}".repeat(40)] {
            assert!(!CodeChallenge::of(&bad).is_answered_by(&bad), "{bad}");
        }
    }

    #[test]
    fn pkce_05_only_43_base64url_characters_are_a_challenge() {
        let good = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(CodeChallenge::parse(good).is_some());
        for bad in [
            "",
            &good[..42],
            &format!("{good}A"),
            &format!("{good}="),
            &"A".repeat(129),
            &good.replace('-', "+"),
            &"a".repeat(43),
        ] {
            assert!(CodeChallenge::parse(bad).is_none(), "{bad}");
        }
    }
}
