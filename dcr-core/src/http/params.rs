//! Queries and forms, parsed once and by hand, so that duplicates, order and raw bytes stay visible (security.md 6).

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// What RFC 3986 leaves unencoded.
pub(crate) const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// More parameters than any request of the protocol has.
const MAX_PARAMETERS: usize = 64;

/// The parameters of a query or form. Those without a value are as good as absent (RFC 6749 section 3.1).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Params(Vec<(String, Vec<u8>)>);

/// Not a query or form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MalformedParams;

impl Params {
    /// Parses `application/x-www-form-urlencoded`. Names must be UTF-8 without NUL, and not too many.
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, MalformedParams> {
        let mut out = Vec::new();
        for pair in encoded.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |b| *b == b'=');
            let name = String::from_utf8(decode(halves.next().unwrap_or(b""))).map_err(|_| MalformedParams)?;
            let value = decode(halves.next().unwrap_or(b""));
            if name.contains('\0') || out.len() == MAX_PARAMETERS {
                return Err(MalformedParams);
            }
            if !value.is_empty() {
                out.push((name, value));
            }
        }
        Ok(Self(out))
    }

    /// The value, if there is exactly one and it is UTF-8 without NUL.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let text = std::str::from_utf8(self.bytes(name)?).ok()?;
        (!text.contains('\0')).then_some(text)
    }

    /// The value as bytes, if there is exactly one.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.0.iter().filter(|(n, _)| n == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// How often it came.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|(n, _)| n == name).count()
    }

    /// Whether it came and cannot be read: more than once, or not UTF-8, or with a NUL (I-13).
    pub(crate) fn is_unreadable(&self, name: &str) -> bool {
        self.count(name) > 0 && self.get(name).is_none()
    }

    /// The first name whose value cannot be read.
    pub(crate) fn unreadable(&self) -> Option<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).find(|name| self.is_unreadable(name))
    }

    /// The first name that came more than once.
    pub(crate) fn repeated(&self) -> Option<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).find(|name| self.count(name) > 1)
    }
}

fn decode(encoded: &[u8]) -> Vec<u8> {
    let mut spaced = encoded.to_vec();
    for byte in &mut spaced {
        if *byte == b'+' {
            *byte = b' ';
        }
    }
    // Tokens and ids, which are long, have nothing that is encoded.
    match Cow::from(percent_encoding::percent_decode(&spaced)) {
        Cow::Owned(decoded) => decoded,
        Cow::Borrowed(_) => spaced,
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are codes, verifiers and secrets; names are enough to see what happened.
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_empties_and_raw_bytes_stay_visible() {
        let params = Params::parse(b"a=1&b=2&b=3&c=&d=%ff&e=x+y%2Bz&&f=%00").unwrap();
        assert_eq!(params.get("a"), Some("1"));
        assert_eq!(params.get("b"), None);
        assert!(params.is_unreadable("b"));
        assert_eq!(params.repeated(), Some("b"));
        assert_eq!(params.count("c"), 0);
        assert_eq!(params.bytes("d"), Some(b"\xff".as_slice()));
        assert!(params.is_unreadable("d"));
        assert_eq!(params.get("e"), Some("x y+z"));
        assert!(params.is_unreadable("f"));
        assert_eq!(format!("{params:?}"), r#"["a", "b", "b", "d", "e", "f"]"#);
    }

    #[test]
    fn odd_input_is_an_error_or_harmless() {
        assert!(Params::parse(b"%ff=1").is_err());
        assert!(Params::parse("a=1&".repeat(65).as_bytes()).is_err());
        assert_eq!(Params::parse(b"%zz=%4&=x").unwrap().get("%zz"), Some("%4"));
        assert_eq!(Params::parse(b"").unwrap().repeated(), None);
    }
}
