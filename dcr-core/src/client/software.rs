//! The software key: what makes two client ids "the same software" for one user. A label: it groups, caps and lets an
//! operator revoke; nothing that is checked ever reads it.

use std::fmt;

use super::platform::{KnownPlatform, Platform};
use super::{CanonicalRedirect, ClientId};
use crate::seal::{b64, digest};

/// See the [design's rules](crate::manual::decisions#the-software-key).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SoftwareKey(String);

impl SoftwareKey {
    /// From the text that a store kept.
    #[must_use]
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of a client: its platform if every redirect belongs to it, whatever the provenance or auth method; else a
    /// digest of name and redirects; a confidential client of this last kind is alone.
    pub(crate) fn of(
        platform: Option<&KnownPlatform>,
        name: Option<&str>,
        redirects: &[CanonicalRedirect],
        confidential: Option<&ClientId>,
    ) -> Self {
        if let Some(known) = platform {
            return Self::of_platform(&known.platform);
        }
        let mut places: Vec<String> = redirects.iter().map(neutral).collect();
        places.sort_unstable();
        places.dedup();
        let name = name.map_or("", without_alias);
        let mut parts: Vec<&[u8]> = vec![name.as_bytes(), confidential.map_or(b"", |id| id.as_str().as_bytes())];
        parts.extend(places.iter().map(|place| place.as_bytes()));
        Self(format!("digest:{}", b64(&digest("dcr/v1/software", &parts))))
    }

    /// The key of a client that a document describes: its platform if every redirect belongs to it, else the document's URL,
    /// which is its id.
    pub(crate) fn of_document(platform: Option<&KnownPlatform>, id: &ClientId) -> Self {
        platform.map_or_else(|| Self(format!("document:{id}")), |known| Self::of_platform(&known.platform))
    }

    fn of_platform(platform: &Platform) -> Self {
        Self(format!("platform:{platform}"))
    }
}

/// The redirect with its port removed and the loopback names alike.
fn neutral(redirect: &CanonicalRedirect) -> String {
    let text = redirect.without_port();
    if !redirect.is_loopback() {
        return text;
    }
    let path = text.find("://").and_then(|i| text[i + 3..].find('/').map(|j| &text[i + 3 + j..])).unwrap_or("");
    format!("http://loopback{path}")
}

/// Claude Code and mcporter put the user's own alias for the server at the end of the name, in brackets.
fn without_alias(name: &str) -> &str {
    match name.rfind(" (") {
        Some(at) if at > 0 && name.ends_with(')') => &name[..at],
        _ => name,
    }
}

impl fmt::Display for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, redirects: &[&str]) -> SoftwareKey {
        let redirects: Vec<_> = redirects.iter().map(|r| CanonicalRedirect::parse(r, &[]).unwrap()).collect();
        SoftwareKey::of(None, Some(name), &redirects, None)
    }

    #[test]
    fn alias_port_loopback_name_and_order_do_not_matter() {
        let one = key("Claude Code (work)", &["http://localhost:1234/callback"]);
        assert_eq!(one, key("Claude Code (home)", &["http://127.0.0.1:50000/callback"]));
        assert_eq!(one, key("Claude Code", &["http://[::1]/callback"]));
        assert_ne!(one, key("Claude Code", &["http://localhost/other"]));
        assert_ne!(one, key("Codex", &["http://localhost/callback"]));
        // An alias is in brackets at the end, and of something.
        let of = |name: &str| key(name, &["http://localhost/callback"]);
        for name in ["Claude Code (work", "Claude Code (work) 2", "Claude Code work)"] {
            assert_ne!(one, of(name), "{name}");
        }
        assert_ne!(of(" (work)"), of(" (home)"));
        assert_eq!(one.to_string(), one.as_str());
        assert_eq!(
            key("X", &["https://a.example/1", "https://a.example/2"]),
            key("X", &["https://a.example/2", "https://a.example/1"])
        );
        assert_ne!(key("X", &["https://a.example/"]), key("X", &["http://localhost/"]));
    }

    #[test]
    fn me_06_a_confidential_client_without_a_platform_is_alone() {
        let id = |s: &str| ClientId::new(s).unwrap();
        let (a, b) = (id("aaaaaaaa"), id("bbbbbbbb"));
        assert_ne!(SoftwareKey::of(None, None, &[], Some(&a)), SoftwareKey::of(None, None, &[], Some(&b)));
        assert_ne!(SoftwareKey::of(None, None, &[], Some(&a)), SoftwareKey::of(None, None, &[], None));
    }
}
