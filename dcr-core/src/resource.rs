//! Protected resources, checked: what an operator said of an MCP server ([`Resource`]), with its identifier, its metadata's
//! address and its scopes in the forms that the steps need.

use url::Url;

use crate::config::{Issuer, Place, Resource, ScopeText};
use crate::error::ConfigError;
use crate::oauth::{ScopeHierarchy, ScopeSet};
use crate::pages::Translations;
use crate::upstream::Admission;

/// Where the documents of RFC 9728 are (section 3).
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// A resource, checked, with its identifier.
#[derive(Debug, Clone)]
pub(crate) struct ValidResource {
    /// The identifier, no trailing slash. The audience of its access tokens.
    pub(crate) uri: String,
    /// Where this server serves it and its metadata; nothing if another one does.
    pub(crate) path: Option<String>,
    pub(crate) name: String,
    pub(crate) scopes: Vec<ScopeText>,
    pub(crate) translations: Translations,
    /// Every scope.
    pub(crate) all: ScopeSet,
    /// What is granted when nothing is asked for.
    pub(crate) defaults: ScopeSet,
    pub(crate) hierarchy: ScopeHierarchy,
    pub(crate) admission: Admission,
    /// Scopes at the provider, in order, each once: two resources that list the same share what a person has.
    pub(crate) upstream_scopes: Vec<String>,
}

/// The identifier of a resource in its two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourceUri {
    pub(crate) origin: String,
    pub(crate) path: String,
}

impl ResourceUri {
    /// Of an absolute URI. Clients and guards compare it byte for byte, so it must be in its one canonical form.
    pub(crate) fn parse(uri: &str) -> Result<Self, &'static str> {
        const FORM: &str = "its URI must be a scheme and a host, in lower case, without default port, and a path";
        let url =
            Url::parse(uri).map_err(|_| "its URI is not absolute: write one such as https://tools.example/mcp")?;
        let origin = url.origin().ascii_serialization();
        Issuer::parse(&origin).map_err(|_| "its URI must be https, or http on loopback")?;
        let path = uri.strip_prefix(&origin).ok_or(FORM)?;
        check_path(path)?;
        Ok(Self { origin, path: path.to_owned() })
    }

    /// Where its metadata is: the path is inserted after the well-known segment (RFC 9728 section 3.1).
    pub(crate) fn metadata_url(&self) -> String {
        format!("{}{WELL_KNOWN}{}", self.origin, self.path)
    }
}

/// A path that every framework, proxy and client reads alike.
fn check_path(path: &str) -> Result<(), &'static str> {
    let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~'));
    let whole = path.is_empty() || (path.starts_with('/') && !path.ends_with('/') && !path.contains("//"));
    if !plain || !whole || path.split('/').any(|segment| segment == "." || segment == "..") {
        return Err("a path begins with a slash, does not end in one, and has plain characters only");
    }
    Ok(())
}

/// The scopes of a resource, checked: all, the defaults, the hierarchy.
pub(crate) fn check_scopes(
    all: &[&str],
    defaults: &[&str],
    implied: &[(String, String)],
) -> Result<(ScopeSet, ScopeSet, ScopeHierarchy), &'static str> {
    const NAME: &str = "a scope name has characters that RFC 6749 forbids";
    let set = ScopeSet::from_names(all.iter().copied()).ok_or(NAME)?;
    let defaults = ScopeSet::from_names(defaults.iter().copied()).ok_or(NAME)?;
    if set.contains("openid") || set.contains("offline_access") {
        return Err("openid and offline_access are not scopes of a resource");
    }
    if set.iter().count() != all.len() {
        return Err("a scope is listed twice");
    }
    if defaults.is_empty() {
        return Err("a resource needs at least one scope that is granted by default");
    }
    if implied.iter().any(|(broad, narrow)| !set.contains(broad) || !set.contains(narrow)) {
        return Err("a scope implies only scopes of the same resource, and both must be listed");
    }
    let hierarchy = ScopeHierarchy::new(implied).map_err(|_| "a scope implies itself, along a chain of others")?;
    Ok((set, defaults, hierarchy))
}

/// The scopes at the provider, in their one order.
fn check_upstream_scopes(mut scopes: Vec<String>) -> Result<Vec<String>, &'static str> {
    if ScopeSet::from_names(scopes.iter().map(String::as_str)).is_none() {
        return Err("an upstream scope has characters that RFC 6749 forbids");
    }
    if scopes.iter().any(|scope| matches!(scope.as_str(), "openid" | "profile" | "email" | "offline_access")) {
        return Err(
            "openid, profile, email and offline_access are asked for anyway: leave them out of the upstream scopes",
        );
    }
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

impl ValidResource {
    pub(crate) fn new(resource: Resource, issuer: &Issuer) -> Result<Self, ConfigError> {
        let shown = match &resource.place {
            Place::Here { path } => path.clone(),
            Place::Elsewhere { uri } => uri.clone(),
        };
        let wrong = |why: &'static str| ConfigError::Resource { path: shown.clone(), why };
        let (uri, path) = match resource.place {
            Place::Here { path } => {
                check_path(&path).map_err(wrong)?;
                (format!("{}{path}", issuer.as_str()), Some(path))
            }
            Place::Elsewhere { uri } => {
                let parts = ResourceUri::parse(&uri).map_err(wrong)?;
                if parts.origin == issuer.as_str() {
                    return Err(wrong("it is of this server's own origin: give its path to `Resource::new`"));
                }
                (uri, None)
            }
        };
        let names: Vec<&str> = resource.scopes.iter().map(|scope| scope.name.as_str()).collect();
        let defaults: Vec<&str> = resource.defaults.iter().map(String::as_str).collect();
        let (all, defaults, hierarchy) = check_scopes(&names, &defaults, &resource.implied).map_err(wrong)?;
        if !resource.translations.scope_names().all(|name| all.contains(name)) {
            return Err(wrong("it has words for a scope that it does not have; add the scope with `scope(..)`"));
        }
        let upstream_scopes = check_upstream_scopes(resource.upstream_scopes).map_err(wrong)?;
        if path.is_none() && !upstream_scopes.is_empty() {
            return Err(wrong(
                "it runs elsewhere, where nobody could ask for its upstream tokens: leave its upstream scopes out",
            ));
        }
        Ok(Self {
            upstream_scopes,
            uri,
            path,
            name: resource.name,
            scopes: resource.scopes,
            translations: resource.translations,
            all,
            defaults,
            hierarchy,
            admission: resource.admission,
        })
    }

    /// All of an engine, in the order in which they were added.
    pub(crate) fn all_of(resources: Vec<Resource>, issuer: &Issuer) -> Result<Vec<Self>, ConfigError> {
        let valid: Vec<Self> =
            resources.into_iter().map(|resource| Self::new(resource, issuer)).collect::<Result<_, _>>()?;
        if valid.is_empty() {
            return Err(ConfigError::NoResource);
        }
        let twice =
            valid.iter().enumerate().find(|(n, one)| valid[..*n].iter().any(|other| other.is_named_by(&one.uri)));
        match twice {
            Some((_, one)) => {
                Err(ConfigError::Resource { path: one.uri.clone(), why: "there is another one of that name" })
            }
            None => Ok(valid),
        }
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

    /// Where its RFC 9728 document is, here or elsewhere.
    pub(crate) fn metadata_url(&self) -> String {
        // Checked when it was made: the identifier parses.
        ResourceUri::parse(&self.uri).map_or_else(|_| self.uri.clone(), |parts| parts.metadata_url())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::Language;

    fn issuer() -> Issuer {
        Issuer::parse("https://mcp.example").unwrap()
    }

    fn valid(resource: Resource) -> Result<ValidResource, String> {
        ValidResource::new(resource, &issuer()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_resource_is_named_with_or_without_a_slash_and_with_any_case_of_the_host() {
        let resource = valid(Resource::new("/mcp", "x").scope("mcp", "x")).unwrap();
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
        let root = valid(Resource::new("", "x").scope("mcp", "x")).unwrap();
        assert_eq!(root.uri, "https://mcp.example");
        assert!(root.is_named_by("https://mcp.example/") && !root.is_named_by("https://mcp.example/mcp"));
    }

    #[test]
    fn odd_resources_are_refused() {
        for path in ["mcp", "/mcp/", "/a//b", "/../x", "/m p"] {
            assert!(valid(Resource::new(path, "x").scope("mcp", "x")).is_err(), "{path}");
        }
        assert!(valid(Resource::new("/mcp", "x")).is_err());
        let unsaid = Resource::new("/mcp", "x").scope("mcp", "x").scope_words(Language::Korean, "mpc", "x");
        assert!(valid(unsaid).is_err());
        assert!(valid(Resource::new("/mcp", "x").scope("openid", "x")).is_err());
        assert!(valid(Resource::new("/mcp", "x").scope("mcp", "x").optional_scope("offline_access", "x")).is_err());
        assert!(
            valid(Resource::new("/mcp", "x").scope("a", "x").optional_scope("a", "x")).unwrap_err().contains("twice")
        );
        assert!(valid(Resource::new("/mcp", "x").optional_scope("mcp", "x")).unwrap_err().contains("by default"));
    }

    #[test]
    fn a_hierarchy_is_of_this_resources_scopes_and_has_no_circle() {
        let base = || Resource::new("/mcp", "x").scope("read", "x").optional_scope("admin", "x");
        let resource = valid(base().implies("admin", "read")).unwrap();
        assert_eq!(resource.all.to_string(), "admin read");
        assert_eq!(resource.defaults.to_string(), "read");
        assert_eq!(resource.hierarchy.effective(&ScopeSet::parse_lossy("admin")).to_string(), "admin read");
        assert!(valid(base().implies("admin", "write")).unwrap_err().contains("same resource"));
        assert!(valid(base().implies("admin", "read").implies("read", "admin")).unwrap_err().contains("itself"));
    }

    #[test]
    fn upstream_scopes_are_a_set_and_leave_out_what_is_asked_for_anyway() {
        let with = |scopes: &[&str]| {
            valid(Resource::new("/mcp", "x").scope("mcp", "x").upstream_scopes(scopes.iter().copied()))
        };
        assert_eq!(with(&["User.Read", "Mail.Read", "User.Read"]).unwrap().upstream_scopes, ["Mail.Read", "User.Read"]);
        assert!(with(&[]).unwrap().upstream_scopes.is_empty());
        assert!(with(&["offline_access"]).unwrap_err().contains("anyway"));
        assert!(with(&["two words"]).unwrap_err().contains("RFC 6749"));
        let elsewhere = Resource::elsewhere("https://tools.example/mcp", "x").scope("mcp", "x");
        assert!(valid(elsewhere.upstream_scopes(["User.Read"])).unwrap_err().contains("elsewhere"));
    }

    #[test]
    fn a_resource_elsewhere_is_an_absolute_uri_in_its_one_form() {
        let elsewhere = |uri: &str| valid(Resource::elsewhere(uri, "x").scope("mcp", "x"));
        for good in [
            "https://tools.example/mcp",
            "https://tools.example",
            "http://127.0.0.1:9000/mcp",
            "https://t.example:8443/a/b",
        ] {
            let resource = elsewhere(good).unwrap();
            assert_eq!((resource.uri.as_str(), resource.path), (good, None));
        }
        assert_eq!(
            elsewhere("https://tools.example/mcp").unwrap().metadata_url(),
            "https://tools.example/.well-known/oauth-protected-resource/mcp"
        );
        for bad in [
            "/mcp",
            "http://tools.example/mcp",
            "https://TOOLS.example/mcp",
            "https://tools.example:443/mcp",
            "https://tools.example/mcp/",
            "https://tools.example/",
            "https://tools.example/mcp?x=1",
            "https://tools.example/mcp#x",
            "https://u@tools.example/mcp",
            "https://mcp.example/mcp",
            "ftp://tools.example/mcp",
        ] {
            assert!(elsewhere(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_resources_of_one_name_are_refused() {
        let two = |a: &str, b: &str| {
            ValidResource::all_of(
                vec![Resource::new(a, "x").scope("a", "x"), Resource::new(b, "x").scope("b", "x")],
                &issuer(),
            )
        };
        assert!(two("/a", "/b").is_ok() && two("/a", "").is_ok() && two("/a", "/a/b").is_ok());
        assert!(two("/a", "/a").is_err());
        assert!(ValidResource::all_of(Vec::new(), &issuer()).is_err());
    }
}
