//! What the operator decides: policies, lifetimes, resources. The handlers obey these objects and the metadata documents
//! are generated from them, so nothing is advertised that does not hold (MD-2).

use std::str::FromStr;
use std::time::Duration;

use url::Url;

use crate::client::RedirectClass;
use crate::error::ConfigError;
use crate::pages::{Language, Translations};
use crate::upstream::Admission;

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

impl UnknownPolicy {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.to_owned(), expected }
    }
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
/// let resource = Resource::new("/mcp", "Weather tools")
///     .scope("weather:read", "Look up the weather")
///     .optional_scope("weather:admin", "Change the settings of the weather station")
///     .implies("weather:admin", "weather:read");
/// # let _ = resource;
/// ```
#[derive(Debug, Clone)]
pub struct Resource {
    /// A path of the public URL, or an absolute URI.
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) scopes: Vec<ScopeText>,
    pub(crate) translations: Translations,
    /// Those of the scopes that are granted when none is asked for.
    pub(crate) defaults: Vec<String>,
    /// The broad scope, and the narrow one that it satisfies.
    pub(crate) implied: Vec<(String, String)>,
    /// Who may use it, of those who may come in at all.
    pub(crate) admission: Admission,
    /// Scopes at the provider.
    pub(crate) upstream_scopes: Vec<String>,
}

/// Where a resource is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Here { path: String },
    Elsewhere { uri: String },
}

impl Resource {
    /// A resource at `path` of the public URL, called `name` on the consent page. The path may be empty: the whole origin.
    #[must_use]
    pub fn new(path: impl Into<String>, name: impl Into<String>) -> Self {
        Self::at(Place::Here { path: path.into() }, name.into())
    }

    /// A resource that another process serves, at this URI: https, or loopback http, without query and trailing slash. It
    /// is its tokens' audience, byte for byte. Whoever serves it guards it with a [`RemoteGuard`](crate::remote::RemoteGuard)
    /// and publishes its metadata (RFC 9728) there; here it is a place to sign in for like any other.
    #[must_use]
    pub fn elsewhere(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self::at(Place::Elsewhere { uri: uri.into() }, name.into())
    }

    fn at(place: Place, name: String) -> Self {
        Self {
            place,
            name,
            scopes: Vec::new(),
            translations: Translations::default(),
            defaults: Vec::new(),
            implied: Vec::new(),
            admission: Admission::default(),
            upstream_scopes: Vec::new(),
        }
    }

    /// Adds a default scope, with what it allows in words. The defaults are what a client gets that asks for no scope, what
    /// the resource's metadata and a 401 name, and so what almost every client has. A resource needs at least one.
    #[must_use]
    pub fn scope(mut self, name: impl Into<String>, words: impl Into<String>) -> Self {
        let name = name.into();
        self.defaults.push(name.clone());
        self.scopes.push(ScopeText { name, words: words.into() });
        self
    }

    /// Adds a scope that is granted only when a client asks for it, as it does when a guard answers 403
    /// `insufficient_scope` (step-up). What it allows, in words, is shown to the person then.
    #[must_use]
    pub fn optional_scope(mut self, name: impl Into<String>, words: impl Into<String>) -> Self {
        self.scopes.push(ScopeText { name: name.into(), words: words.into() });
        self
    }

    /// Whoever has the scope `broad` may do what `narrow` allows; and so on along a chain. Both must be scopes of this
    /// resource, and no scope may imply itself.
    #[must_use]
    pub fn implies(mut self, broad: impl Into<String>, narrow: impl Into<String>) -> Self {
        self.implied.push((broad.into(), narrow.into()));
        self
    }

    /// Who may use this resource, of those whom the engine's own lists let in
    /// ([`DcrEngineBuilder::admission`](crate::DcrEngineBuilder::admission)). Default: all of them.
    #[must_use]
    pub fn admission(mut self, admission: Admission) -> Self {
        self.admission = admission;
        self
    }

    /// What the resource's own tools may do at the provider in a person's name: a login for this resource asks for these
    /// scopes and `offline_access`, and [`DcrEngine::upstream_token`](crate::DcrEngine::upstream_token) hands out access
    /// tokens that have them. Entra ID wants them to be of one interface, such as `User.Read` and `Mail.Read` of Microsoft
    /// Graph. Default: none; then nothing of the provider's is kept.
    ///
    /// ```
    /// use dcr_core::Resource;
    ///
    /// let mail = Resource::new("/mail", "Mail tools").scope("mail", "Read your mail").upstream_scopes(["Mail.Read"]);
    /// # let _ = mail;
    /// ```
    #[must_use]
    pub fn upstream_scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.upstream_scopes = scopes.into_iter().map(Into::into).collect();
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

    /// Settings and command lines give policies by these words.
    #[test]
    fn every_policy_is_read_by_its_name() {
        for (text, registration, adoption, documents) in [
            ("open", Some(RegistrationPolicy::Open), None, None),
            ("on", None, None, Some(DocumentPolicy::On)),
            ("auto", None, None, Some(DocumentPolicy::Auto)),
            ("platforms", None, Some(AdoptionPolicy::Platforms), None),
            (
                "platforms+loopback",
                Some(RegistrationPolicy::PlatformsAndLoopback),
                Some(AdoptionPolicy::PlatformsAndLoopback),
                None,
            ),
            ("off", Some(RegistrationPolicy::Off), Some(AdoptionPolicy::Off), Some(DocumentPolicy::Off)),
            ("Off", None, None, None),
        ] {
            assert_eq!(text.parse().ok(), registration, "{text}");
            assert_eq!(text.parse().ok(), adoption, "{text}");
            assert_eq!(text.parse().ok(), documents, "{text}");
        }
    }

    #[test]
    fn odd_lifetimes_are_refused() {
        assert!(Lifetimes::default().check().is_ok());
        assert!(Lifetimes { code: Duration::ZERO, ..Lifetimes::default() }.check().is_err());
    }
}
