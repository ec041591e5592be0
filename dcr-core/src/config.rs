//! What the operator decides: policies, lifetimes, resources. The handlers obey these objects and the metadata documents
//! are generated from them, so nothing is advertised that does not hold (MD-2).

use std::str::FromStr;
use std::time::Duration;

use url::Url;

use crate::client::RedirectClass;
use crate::error::ConfigError;
use crate::oauth::ScopeSet;
use crate::pages::{Language, Translations};

/// Which redirect URIs a client may register, or name in its metadata document (`DCR_REGISTRATION`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RegistrationPolicy {
    /// Any https redirect, loopback, listed custom schemes.
    #[default]
    Open,
    /// Listed platforms and loopback.
    PlatformsAndLoopback,
    /// Nobody registers.
    Off,
}

impl RegistrationPolicy {
    pub(crate) const fn allows(self, class: RedirectClass) -> bool {
        match self {
            Self::Open => true,
            Self::PlatformsAndLoopback => !matches!(class, RedirectClass::Other),
            Self::Off => false,
        }
    }
}

/// Which unknown client ids are adopted (`DCR_ADOPTION`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AdoptionPolicy {
    /// None.
    Off,
    /// With a listed platform's redirect.
    Platforms,
    /// With a listed platform's redirect, or a loopback one.
    #[default]
    PlatformsAndLoopback,
}

impl AdoptionPolicy {
    pub(crate) const fn allows(self, class: RedirectClass) -> bool {
        match self {
            Self::Off => false,
            Self::Platforms => matches!(class, RedirectClass::Platform),
            Self::PlatformsAndLoopback => !matches!(class, RedirectClass::Other),
        }
    }
}

/// Whether a client id may be the URL of a metadata document (`DCR_CIMD`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DocumentPolicy {
    /// No: ids that are URLs are refused.
    #[default]
    Off,
    /// Yes, and clients are told so.
    On,
    /// Yes; clients are told so while the internet can be reached, which is probed at start and kept up to date. A client
    /// that was told and whose document cannot be fetched has no other way in.
    Auto,
}

impl FromStr for DocumentPolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        match text {
            "off" => Ok(Self::Off),
            "on" => Ok(Self::On),
            "auto" => Ok(Self::Auto),
            _ => Err(UnknownPolicy { text: text.to_owned(), expected: "on, off, auto" }),
        }
    }
}

/// A text names no policy of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is none of {expected}")]
pub struct UnknownPolicy {
    text: String,
    expected: &'static str,
}

impl FromStr for RegistrationPolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        match text {
            "open" => Ok(Self::Open),
            "platforms+loopback" => Ok(Self::PlatformsAndLoopback),
            "off" => Ok(Self::Off),
            _ => Err(UnknownPolicy { text: text.to_owned(), expected: "open, platforms+loopback, off" }),
        }
    }
}

impl FromStr for AdoptionPolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        match text {
            "off" => Ok(Self::Off),
            "platforms" => Ok(Self::Platforms),
            "platforms+loopback" => Ok(Self::PlatformsAndLoopback),
            _ => Err(UnknownPolicy { text: text.to_owned(), expected: "off, platforms, platforms+loopback" }),
        }
    }
}

/// The longest life of an access token.
pub(crate) const MAX_ACCESS_TOKEN: Duration = Duration::from_secs(3_600);

/// How long things live. The defaults are the design's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain settings, filled in with `..Lifetimes::default()`")]
pub struct Lifetimes {
    /// An authorization code: 60 s. At most 10 minutes (RFC 6749 section 4.1.2).
    pub code: Duration,
    /// An access token: 15 minutes. At most an hour: revocation entries are kept that long.
    pub access_token: Duration,
    /// A refresh token that is not used: 30 days.
    pub refresh_idle: Duration,
    /// A session, however often it is refreshed: 90 days. Shorter than the idle life, it is what counts.
    pub refresh_absolute: Duration,
    /// How long the refresh token before the current one still answers, with the same successor: 30 s.
    pub refresh_grace: Duration,
    /// A transaction, from the consent page to the callback: 10 minutes.
    pub transaction: Duration,
    /// How long bearer checks go on while the store is silent, before they answer 503: 60 s.
    pub store_silence: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            code: Duration::from_secs(60),
            access_token: Duration::from_secs(15 * 60),
            refresh_idle: Duration::from_secs(30 * DAY),
            refresh_absolute: Duration::from_secs(90 * DAY),
            refresh_grace: Duration::from_secs(30),
            transaction: Duration::from_secs(600),
            store_silence: Duration::from_secs(60),
        }
    }
}

impl Lifetimes {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |what: &'static str| Err(ConfigError::Lifetime(what));
        let second = Duration::from_secs(1);
        if self.code < second || self.code > Duration::from_secs(600) {
            return wrong("the code lifetime must be between 1 s and 10 minutes");
        }
        if self.access_token < second || self.access_token > MAX_ACCESS_TOKEN {
            return wrong("the access token lifetime must be between 1 s and 1 hour");
        }
        if self.refresh_grace > Duration::from_secs(600) {
            return wrong("the refresh grace must be at most 10 minutes");
        }
        if self.refresh_idle < second || self.refresh_absolute < second {
            return wrong("the refresh lifetimes must be at least 1 s");
        }
        if self.store_silence < Duration::from_secs(5) {
            return wrong("the silence of the store that is borne must be at least 5 s");
        }
        if self.transaction < Duration::from_secs(30) || self.transaction > Duration::from_secs(600) {
            return wrong("the transaction lifetime must be between 30 s and 10 minutes");
        }
        Ok(())
    }
}

/// One scope and what it means, in words for the consent page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScopeText {
    pub(crate) name: String,
    pub(crate) words: String,
}

/// An MCP server behind this authorization server (an RFC 9728 protected resource).
///
/// ```
/// use dcr_core::Resource;
///
/// let resource = Resource::new("/mcp", "Weather tools").scope("mcp", "Use the tools of this server");
/// # let _ = resource;
/// ```
#[derive(Debug, Clone)]
pub struct Resource {
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) scopes: Vec<ScopeText>,
    pub(crate) translations: Translations,
}

impl Resource {
    /// A resource at `path` of the public URL, called `name` on the consent page.
    #[must_use]
    pub fn new(path: impl Into<String>, name: impl Into<String>) -> Self {
        Self { path: path.into(), name: name.into(), scopes: Vec::new(), translations: Translations::default() }
    }

    /// Adds a scope, with what it allows in words. All of a resource's scopes are its defaults.
    #[must_use]
    pub fn scope(mut self, name: impl Into<String>, words: impl Into<String>) -> Self {
        self.scopes.push(ScopeText { name: name.into(), words: words.into() });
        self
    }

    /// What a scope allows in the words of one language; those of [`Resource::scope`] are for all others.
    ///
    /// ```
    /// use dcr_core::{Language, Resource};
    ///
    /// let resource = Resource::new("/mcp", "Weather tools")
    ///     .name_in(Language::Korean, "날씨 도구")
    ///     .scope("mcp", "Use the tools of this server")
    ///     .scope_words(Language::Korean, "mcp", "이 서버의 도구 사용");
    /// # let _ = resource;
    /// ```
    #[must_use]
    pub fn scope_words(mut self, language: Language, name: impl Into<String>, words: impl Into<String>) -> Self {
        self.translations.add_scope(language, name.into(), words.into());
        self
    }

    /// What the resource is called on the pages in one language; the name it was made with is for all others.
    #[must_use]
    pub fn name_in(mut self, language: Language, name: impl Into<String>) -> Self {
        self.translations.add_name(language, name.into());
        self
    }
}

/// A resource, checked, with its identifier.
#[derive(Debug, Clone)]
pub(crate) struct ValidResource {
    /// The identifier: public URL and path, no trailing slash. The audience of its access tokens.
    pub(crate) uri: String,
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) scopes: Vec<ScopeText>,
    pub(crate) translations: Translations,
    pub(crate) scope_set: ScopeSet,
}

/// The issuer and base URL: scheme and authority, no path, no trailing slash. An identity that clients compare byte for
/// byte: never change it casually.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issuer {
    text: String,
    loopback: bool,
    port: Option<u16>,
}

impl Issuer {
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let wrong = |why: &'static str| ConfigError::PublicUrl { url: text.to_owned(), why };
        let url = Url::parse(text).map_err(|_| wrong("it is not a URL"))?;
        let origin = url.origin().ascii_serialization();
        if text.strip_suffix('/').unwrap_or(text) != origin {
            return Err(wrong("it must be a scheme and a host, in lower case, without path, query or default port"));
        }
        let loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => return Err(wrong("plain http is for loopback only; use https")),
            _ => return Err(wrong("it must be https")),
        }
        Ok(Self { text: origin, loopback, port: url.port() })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the server is reached on this machine only.
    pub(crate) const fn is_loopback(&self) -> bool {
        self.loopback
    }

    pub(crate) fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    pub(crate) const fn port(&self) -> Option<u16> {
        self.port
    }
}

impl ValidResource {
    pub(crate) fn new(resource: Resource, issuer: &Issuer) -> Result<Self, ConfigError> {
        let wrong = |why: &'static str| ConfigError::Resource { path: resource.path.clone(), why };
        let path = &resource.path;
        let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~'));
        let whole = path.is_empty() || (path.starts_with('/') && !path.ends_with('/') && !path.contains("//"));
        if !plain || !whole || path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err(wrong("a path begins with a slash, does not end in one, and has plain characters only"));
        }
        if resource.scopes.is_empty() {
            return Err(wrong("a resource needs at least one scope"));
        }
        let names = resource.scopes.iter().map(|scope| scope.name.as_str());
        let scope_set =
            ScopeSet::from_names(names).ok_or_else(|| wrong("a scope name has characters that RFC 6749 forbids"))?;
        if scope_set.contains("openid") || scope_set.contains("offline_access") {
            return Err(wrong("openid and offline_access are not scopes of a resource"));
        }
        if !resource.translations.scope_names().all(|name| scope_set.contains(name)) {
            return Err(wrong("it has words for a scope that it does not have; add the scope with `scope(..)`"));
        }
        Ok(Self {
            uri: format!("{}{path}", issuer.as_str()),
            path: resource.path,
            name: resource.name,
            scopes: resource.scopes,
            translations: resource.translations,
            scope_set,
        })
    }

    /// Whether `text` names this resource: scheme and host in any case, one trailing slash ignored (spec rows 38 and 42).
    pub(crate) fn is_named_by(&self, text: &str) -> bool {
        let text = text.strip_suffix('/').unwrap_or(text);
        if text == self.uri {
            return true;
        }
        let split = |uri: &str| {
            let authority = uri.find("://").map_or(0, |i| i + 3);
            uri.get(authority..).and_then(|rest| rest.find('/')).map_or(uri.len(), |i| authority + i)
        };
        let (at, own) = (split(text), split(&self.uri));
        text[..at].eq_ignore_ascii_case(&self.uri[..own]) && text[at..] == self.uri[own..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_origin_and_plain_http_is_for_loopback() {
        for good in ["https://mcp.example", "https://mcp.example:8443", "http://127.0.0.1:8080", "http://localhost:1"] {
            assert_eq!(Issuer::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(Issuer::parse("https://mcp.example/").unwrap().as_str(), "https://mcp.example");
        for bad in [
            "http://mcp.example",
            "http://10.0.0.1",
            "https://mcp.example/base",
            "https://MCP.example",
            "https://mcp.example:443",
            "https://u@mcp.example",
            "ftp://mcp.example",
            "mcp.example",
        ] {
            assert!(Issuer::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_resource_is_named_with_or_without_a_slash_and_with_any_case_of_the_host() {
        let issuer = Issuer::parse("https://mcp.example").unwrap();
        let resource = ValidResource::new(Resource::new("/mcp", "x").scope("mcp", "x"), &issuer).unwrap();
        for good in ["https://mcp.example/mcp", "https://mcp.example/mcp/", "HTTPS://MCP.example/mcp"] {
            assert!(resource.is_named_by(good), "{good}");
        }
        for bad in [
            "https://mcp.example/MCP",
            "https://mcp.example/mcp//",
            "https://mcp.example",
            "https://mcp.example.evil/mcp",
            "",
        ] {
            assert!(!resource.is_named_by(bad), "{bad}");
        }
    }

    #[test]
    fn odd_resources_and_lifetimes_are_refused() {
        let issuer = Issuer::parse("https://mcp.example").unwrap();
        for path in ["mcp", "/mcp/", "/a//b", "/../x", "/m p"] {
            assert!(ValidResource::new(Resource::new(path, "x").scope("mcp", "x"), &issuer).is_err(), "{path}");
        }
        assert!(ValidResource::new(Resource::new("/mcp", "x"), &issuer).is_err());
        assert!(ValidResource::new(Resource::new("/mcp", "x").scope("openid", "x"), &issuer).is_err());
        let unsaid = Resource::new("/mcp", "x").scope("mcp", "x").scope_words(Language::Korean, "mpc", "x");
        assert!(ValidResource::new(unsaid, &issuer).is_err());
        assert!(Lifetimes::default().check().is_ok());
        assert!(Lifetimes { code: Duration::ZERO, ..Lifetimes::default() }.check().is_err());
    }
}
