//! Platforms: known pieces of software and their redirect URIs. Dated data (`platforms.json`), not code; an operator may
//! replace it.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use super::redirect_uri::CanonicalRedirect;

/// A platform's stable name, or one of the two classes `loopback` and `other` for what belongs to none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform(Arc<str>);

impl Platform {
    /// From a name that a store kept or an operator typed.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// What runs on the person's own computer and belongs to no listed platform.
    #[must_use]
    pub fn loopback() -> Self {
        Self::named("loopback")
    }

    /// Everything else.
    #[must_use]
    pub fn other() -> Self {
        Self::named("other")
    }

    /// The stable name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The list of platforms.
#[derive(Debug, Clone)]
pub struct PlatformList {
    entries: Vec<Entry>,
}

/// Why a list is not accepted. The operator's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformListError {
    /// Not the JSON that is expected.
    #[error("the platform list is malformed: {0}")]
    Malformed(String),
    /// A redirect that no gate would let through.
    #[error("platform {platform}: redirect {redirect} is not canonical or not https, loopback or a custom scheme")]
    Redirect {
        /// Whose.
        platform: String,
        /// Which.
        redirect: String,
    },
    /// Two entries of one name, or a reserved name.
    #[error("platform name {0} is taken")]
    Name(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawList {
    #[serde(rename = "dated")]
    _dated: String,
    platforms: Vec<RawEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    name: String,
    label: String,
    redirects: Vec<String>,
    #[serde(default)]
    companions: Vec<String>,
    #[serde(default)]
    always_ask: bool,
    #[serde(rename = "seen")]
    _seen: String,
    #[serde(rename = "source")]
    _source: String,
}

#[derive(Debug, Clone)]
struct Entry {
    platform: Platform,
    label: String,
    /// Redirects that prove the platform.
    redirects: Vec<Pattern>,
    /// Redirects that it registers beside those, and that prove nothing by themselves.
    companions: Vec<String>,
    always_ask: bool,
}

#[derive(Debug, Clone)]
enum Pattern {
    Exact(String),
    /// A prefix and then one path segment of `[A-Za-z0-9_-]{1,128}`.
    Segment(String),
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let (pattern, probe) = match text.strip_suffix("{segment}") {
            Some(prefix) if prefix.ends_with('/') => (Self::Segment(prefix.to_owned()), format!("{prefix}x")),
            Some(_) => return None,
            None => (Self::Exact(text.to_owned()), text.to_owned()),
        };
        let custom = [probe.clone()];
        CanonicalRedirect::parse(&probe, &custom).ok().map(|_| pattern)
    }

    fn matches(&self, redirect: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == redirect,
            Self::Segment(prefix) => redirect.strip_prefix(prefix.as_str()).is_some_and(|rest| {
                (1..=128).contains(&rest.len())
                    && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            }),
        }
    }
}

/// The platform that a redirect URI proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownPlatform {
    pub(crate) platform: Platform,
    /// How people call it.
    pub(crate) label: String,
    /// Whether its redirects are treated like those of a local program.
    pub(crate) always_ask: bool,
}

impl PlatformList {
    /// The list that this release ships. A test reads the same text, so that it is never the empty one.
    #[must_use]
    pub fn shipped() -> Self {
        Self::from_json(include_str!("platforms.json")).unwrap_or(Self { entries: Vec::new() })
    }

    /// The names of its platforms, in the order of the list.
    pub fn names(&self) -> impl Iterator<Item = &Platform> {
        self.entries.iter().map(|entry| &entry.platform)
    }

    /// How people call the platform of this name.
    pub(crate) fn label(&self, platform: &Platform) -> Option<&str> {
        self.entries.iter().find(|entry| entry.platform == *platform).map(|entry| entry.label.as_str())
    }

    /// An operator's own list, in the format of the shipped `platforms.json`.
    ///
    /// # Errors
    /// [`PlatformListError`] says which entry is wrong.
    pub fn from_json(json: &str) -> Result<Self, PlatformListError> {
        let raw: RawList = serde_json::from_str(json).map_err(|e| PlatformListError::Malformed(e.to_string()))?;
        let mut entries: Vec<Entry> = Vec::with_capacity(raw.platforms.len());
        for entry in raw.platforms {
            let taken = ["loopback", "other"].contains(&entry.name.as_str())
                || entries.iter().any(|e| e.platform.as_str() == entry.name);
            if taken {
                return Err(PlatformListError::Name(entry.name));
            }
            let refused = |redirect: &String| PlatformListError::Redirect {
                platform: entry.name.clone(),
                redirect: redirect.clone(),
            };
            let redirects = entry
                .redirects
                .iter()
                .map(|text| Pattern::parse(text).ok_or_else(|| refused(text)))
                .collect::<Result<_, _>>()?;
            let companions = entry
                .companions
                .iter()
                .map(|text| match CanonicalRedirect::parse(text, &[]) {
                    Ok(redirect) if redirect.is_loopback() => Ok(redirect.without_port()),
                    _ => Err(refused(text)),
                })
                .collect::<Result<_, _>>()?;
            entries.push(Entry {
                platform: Platform::named(&entry.name),
                label: entry.label,
                redirects,
                companions,
                always_ask: entry.always_ask,
            });
        }
        Ok(Self { entries })
    }

    /// How people call the platform that a redirect URI proves which passed before.
    pub(crate) fn label_of(&self, redirect: &str) -> Option<&str> {
        self.entries.iter().find(|entry| entry.proves(redirect)).map(|entry| entry.label.as_str())
    }

    /// The platform that this redirect proves, if any.
    pub(crate) fn of(&self, redirect: &CanonicalRedirect) -> Option<KnownPlatform> {
        self.entries.iter().find(|entry| entry.proves(redirect.as_str())).map(Entry::known)
    }

    /// The platform to which *every* one of these redirects belongs, at least one of them proving it.
    pub(crate) fn of_all(&self, redirects: &[CanonicalRedirect]) -> Option<KnownPlatform> {
        self.entries
            .iter()
            .find(|entry| {
                redirects.iter().any(|r| entry.proves(r.as_str()))
                    && redirects
                        .iter()
                        .all(|r| entry.proves(r.as_str()) || entry.companions.contains(&r.without_port()))
            })
            .map(Entry::known)
    }
}

impl Entry {
    fn proves(&self, redirect: &str) -> bool {
        self.redirects.iter().any(|pattern| pattern.matches(redirect))
    }

    fn known(&self) -> KnownPlatform {
        KnownPlatform { platform: self.platform.clone(), label: self.label.clone(), always_ask: self.always_ask }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(text: &str) -> CanonicalRedirect {
        CanonicalRedirect::parse(text, &["cursor://anysphere.cursor-mcp/oauth/callback".to_owned()]).unwrap()
    }

    fn of_all(texts: &[&str]) -> Option<String> {
        let redirects: Vec<_> = texts.iter().map(|t| redirect(t)).collect();
        PlatformList::shipped().of_all(&redirects).map(|k| k.platform.to_string())
    }

    #[test]
    fn the_shipped_list_is_well_formed() {
        assert!(!PlatformList::from_json(include_str!("platforms.json")).unwrap().entries.is_empty());
    }

    #[test]
    fn a_redirect_proves_its_platform_byte_for_byte() {
        let list = PlatformList::shipped();
        let of = |text: &str| list.of(&redirect(text)).map(|k| k.platform.to_string());
        assert_eq!(of("https://claude.ai/api/mcp/auth_callback").as_deref(), Some("claude-web"));
        assert_eq!(of("https://claude.ai/api/mcp/auth_callback/"), None);
        assert_eq!(of("https://claude.ai/api/mcp/auth_callbacK"), None);
        assert_eq!(of("https://chatgpt.com/connector/oauth/aB_9-").as_deref(), Some("chatgpt"));
        assert_eq!(of("https://chatgpt.com/connector/oauth/"), None);
        assert_eq!(of("https://chatgpt.com/connector/oauth/a/b"), None);
        assert_eq!(of("https://chatgpt.com/connector/oauth/a?b"), None);
    }

    #[test]
    fn a_client_belongs_to_a_platform_only_with_all_its_redirects() {
        assert_eq!(
            of_all(&[
                "cursor://anysphere.cursor-mcp/oauth/callback",
                "https://www.cursor.com/agents/mcp/oauth/callback",
                "http://localhost:8787/callback",
            ])
            .as_deref(),
            Some("cursor")
        );
        // ME-3, MERGE-05: a foreign redirect beside the platform's own is not that platform.
        assert_eq!(of_all(&["https://claude.ai/api/mcp/auth_callback", "https://evil.example/cb"]), None);
        // A companion alone proves nothing: any local program may listen there.
        assert_eq!(of_all(&["http://localhost:8787/callback"]), None);
        assert_eq!(of_all(&[]), None);
    }

    #[test]
    fn an_operators_list_is_checked() {
        let list = |redirect: &str, name: &str| {
            PlatformList::from_json(&format!(
                r#"{{"dated":"2026-01-01","platforms":[{{"name":"{name}","label":"X","redirects":["{redirect}"],"seen":"2026","source":"test"}}]}}"#
            ))
        };
        assert!(list("https://x.example/cb", "x").is_ok());
        assert!(matches!(list("http://x.example/cb", "x"), Err(PlatformListError::Redirect { .. })));
        assert!(matches!(list("javascript:alert(1)", "x"), Err(PlatformListError::Redirect { .. })));
        assert!(list("https://x.example/cb/{segment}", "x").is_ok());
        // A segment is a whole one: "cb{segment}" would match "cb-evil".
        assert!(matches!(list("https://x.example/cb{segment}", "x"), Err(PlatformListError::Redirect { .. })));
        assert!(matches!(list("https://x.example/cb", "loopback"), Err(PlatformListError::Name(_))));
        let with_companion = |companion: &str| {
            PlatformList::from_json(&format!(
                r#"{{"dated":"2026-01-01","platforms":[{{"name":"x","label":"X","redirects":["https://x.example/cb"],"companions":["{companion}"],"seen":"2026","source":"test"}}]}}"#
            ))
        };
        assert!(with_companion("http://localhost:8787/callback").is_ok());
        // What a companion says of a client is nothing; one on the internet would be a platform of its own.
        assert!(matches!(with_companion("https://y.example/cb"), Err(PlatformListError::Redirect { .. })));
        assert!(matches!(PlatformList::from_json("{}"), Err(PlatformListError::Malformed(_))));
    }
}
