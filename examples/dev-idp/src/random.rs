//! Random values and digests.

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `N` random bytes.
///
/// # Panics
///
/// When the operating system has no randomness to give, which leaves nothing sensible to do.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut buffer = [0; N];
    rand::fill(&mut buffer).expect("the system's random source works");
    buffer
}

/// `N` random bytes in base64url.
pub(crate) fn text<const N: usize>() -> String {
    base64url(&bytes::<N>())
}

/// A random UUID of version 4.
pub(crate) fn uuid() -> String {
    let value = u128::from_be_bytes(bytes());
    let value = (value & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{value:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Base64url without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// SHA-256 in base64url without padding.
pub(crate) fn sha256_base64url(bytes: &[u8]) -> String {
    base64url(digest::digest(&digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_of_version_4() {
        let id = uuid();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }

    #[test]
    fn challenge_of_rfc_7636_appendix_b() {
        let challenge = sha256_base64url(b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
