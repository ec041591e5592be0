//! The key ring and what it seals.
//!
//! One 32-byte [`Secret`] gives every key by HKDF-SHA-256 with a purpose label (CB-10: key separation), so a value that
//! was made for one purpose never opens as another. The ring holds several secrets: the first seals, all of it opens, and
//! retired ones go on verifying client ids and client secrets (derived and remembered ones), nothing else.

mod keys;
mod secret;

pub(crate) use self::keys::{KeyRing, KeySet, MAC_LEN, Purpose, same_bytes};
pub use self::keys::{KeyRingError, check_secrets};
pub use self::secret::{Secret, SecretError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Base64url without padding: how every sealed value is written.
pub(crate) fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The strict inverse of [`b64`]: no padding, no stray bits, so that a value has exactly one text (HTTP-03).
pub(crate) fn unb64(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// SHA-256 over length-prefixed parts, so that no two part lists share an input.
pub(crate) fn digest(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    to_32(context.finish().as_ref())
}

/// SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    to_32(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

/// The first 16 bytes.
pub(crate) fn to_16(bytes: &[u8; 32]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&bytes[..16]);
    out
}

pub(crate) fn to_32(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let n = bytes.len().min(32);
    out[..n].copy_from_slice(&bytes[..n]);
    out
}
