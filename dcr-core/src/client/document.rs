//! Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document): a client id that is an https URL, and what
//! is valid of the document that it leads to.

use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url};

use super::keys::{ClientKeys, KeysFault};
use super::{AuthMethod, CanonicalRedirect, ClientId, has_uri_characters};
use crate::text::bounded;

/// More redirect URIs than any client has.
const MAX_REDIRECTS: usize = 32;
/// Longest client name that is kept, in characters.
const MAX_NAME: usize = 64;
/// Longer than any `jwks_uri`.
const MAX_URL: usize = 1_024;

/// A client id that is the URL of a document, in the one form that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DocumentUrl<'a> {
    text: &'a str,
    host: (usize, usize),
}

/// Why an id that is a URL leads to no client. The person sees the same page for all of them (AD-14).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DocumentFault {
    #[error("client id metadata documents are not supported here")]
    Off,
    #[error("the URL is not in the one form that a client id may have")]
    Url,
    #[error("{0}")]
    Fetch(String),
    #[error("{0}")]
    Unreachable(String),
    #[error("the document is a copy, and the keys are withheld with it")]
    Copy,
    #[error("too many documents are asked for at this moment")]
    Busy,
    #[error("the document's host answered {0}")]
    Status(u16),
    #[error("the document is invalid: {0}")]
    Invalid(&'static str),
    #[error("the document has no way to authenticate that is supported here: {0}")]
    AuthMethod(String),
}

impl DocumentFault {
    /// Whether the same request may work later.
    pub(crate) const fn may_pass(&self) -> bool {
        matches!(self, Self::Busy | Self::Copy | Self::Unreachable(_) | Self::Status(403 | 408 | 429 | 500..))
    }
}

impl<'a> DocumentUrl<'a> {
    /// The URL, if it is canonical already: parsing changes nothing, and nothing is in it that could make a second name
    /// for the same document (CI-9, section 3 of the draft). Ports other than 443 are refused where the document is
    /// fetched.
    pub(crate) fn parse(id: &'a ClientId) -> Result<Self, DocumentFault> {
        let text = id.as_str();
        let url = Url::parse(text).map_err(|_| DocumentFault::Url)?;
        let plain = url.as_str() == text
            && has_uri_characters(text)
            && url.scheme() == "https"
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let named = matches!(url.host(), Some(Host::Domain(name)) if !name.ends_with('.'));
        // The root is no path of a document; dots that were encoded would become segments at some other parser.
        let path = url.path();
        let somewhere = path != "/" && !path.to_ascii_lowercase().contains("%2e");
        if !(plain && named && somewhere) {
            return Err(DocumentFault::Url);
        }
        let from = "https://".len();
        let to = from + url.host_str().map_or(0, str::len);
        Ok(Self { text, host: (from, to) })
    }

    pub(crate) const fn as_str(&self) -> &'a str {
        self.text
    }

    /// Who vouches for the document. Without the port.
    pub(crate) fn host(&self) -> &'a str {
        self.text.get(self.host.0..self.host.1).unwrap_or_default()
    }
}

/// The members of a document that are read; all others are ignored.
#[derive(Deserialize)]
struct RawDocument {
    client_id: Option<Value>,
    client_name: Option<Value>,
    redirect_uris: Option<Vec<Value>>,
    grant_types: Option<Vec<Value>>,
    response_types: Option<Vec<Value>>,
    token_endpoint_auth_method: Option<Value>,
    token_endpoint_auth_methods_supported: Option<Vec<Value>>,
    jwks: Option<Value>,
    jwks_uri: Option<Value>,
    client_secret: Option<Value>,
    client_secret_expires_at: Option<Value>,
    /// Read only so that what is ignored is JSON, too, and not deeper than the parser goes.
    #[serde(flatten)]
    _ignored: std::collections::BTreeMap<String, Value>,
}

/// A document that is valid for its URL. The client is public, or signs assertions: everybody reads its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientDocument {
    pub(crate) name: String,
    /// `none` or `private_key_jwt`.
    pub(crate) auth_method: AuthMethod,
    /// Where its keys are, if it signs.
    pub(crate) keys: Option<DocumentKeys>,
    /// Whether it would do without authenticating.
    may_be_public: bool,
    /// Whether it was not its host that gave it to us.
    pub(crate) is_copy: bool,
    /// Loopback ports removed; those that the gate refuses are left out.
    pub(crate) redirects: Vec<CanonicalRedirect>,
    pub(crate) refresh: bool,
}

/// Where the keys of a client are that signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DocumentKeys {
    /// In the document.
    Here(ClientKeys),
    /// At an https URL.
    At(String),
}

impl ClientDocument {
    /// The client that the document at `url` describes. `custom` are the custom-scheme redirect URIs that are allowed.
    pub(crate) fn parse(url: DocumentUrl<'_>, body: &[u8], custom: &[String]) -> Result<Self, DocumentFault> {
        let raw: RawDocument =
            serde_json::from_slice(body).map_err(|_| DocumentFault::Invalid("it is no JSON of the expected form"))?;
        // Byte for byte: the URL must be what the document calls itself (CI-6).
        if raw.client_id.as_ref().and_then(Value::as_str) != Some(url.as_str()) {
            return Err(DocumentFault::Invalid("its client_id is not its URL"));
        }
        if raw.client_secret.is_some() || raw.client_secret_expires_at.is_some() {
            return Err(DocumentFault::Invalid("it has a client_secret"));
        }
        let name = raw.client_name.as_ref().and_then(Value::as_str).map(|name| bounded(name, MAX_NAME));
        let name = name.filter(|name| !name.is_empty()).ok_or(DocumentFault::Invalid("it has no client_name"))?;
        let names = |list: &Option<Vec<Value>>, wanted: &str| {
            list.as_ref().map(|list| list.iter().any(|entry| entry.as_str() == Some(wanted)))
        };
        if names(&raw.grant_types, "authorization_code") == Some(false) {
            return Err(DocumentFault::Invalid("its grant_types lack authorization_code"));
        }
        if names(&raw.response_types, "code") == Some(false) {
            return Err(DocumentFault::Invalid("its response_types lack code"));
        }
        let keys = raw.keys()?;
        let (auth_method, may_be_public) = raw.auth_method(keys.is_some())?;
        let redirects = raw.redirects(custom)?;
        let refresh = names(&raw.grant_types, "refresh_token").unwrap_or(true);
        Ok(Self { name, auth_method, keys, may_be_public, is_copy: false, redirects, refresh })
    }

    /// The same as a copy that serves while its host withholds it. The host would withhold the keys, too: a client that
    /// would do without authenticating does.
    pub(crate) fn into_copy(mut self) -> Self {
        self.is_copy = true;
        if self.may_be_public {
            self.auth_method = AuthMethod::None;
        }
        self
    }

    /// Whether `redirect` is one of its own.
    pub(crate) fn has(&self, redirect: &CanonicalRedirect) -> bool {
        self.redirects.iter().any(|own| redirect.is(own))
    }
}

impl RawDocument {
    /// How the client authenticates, and whether it would do without. The methods that the document offers are its array
    /// and its single, preferred one together; none named means `none`. What authenticates wins over `none` where both
    /// sides know it (SEP-3149). A document that everybody reads can hold no secret (CI-7).
    fn auth_method(&self, has_keys: bool) -> Result<(AuthMethod, bool), DocumentFault> {
        let single = self.token_endpoint_auth_method.iter();
        let methods: Vec<&Value> = single.chain(self.token_endpoint_auth_methods_supported.iter().flatten()).collect();
        if methods.iter().any(|method| method.as_str().is_none_or(|name| name.starts_with("client_secret"))) {
            return Err(DocumentFault::Invalid("it offers a shared secret"));
        }
        let offers = |wanted: AuthMethod| methods.iter().any(|method| method.as_str() == Some(wanted.as_str()));
        let may_be_public = methods.is_empty() || offers(AuthMethod::None);
        match (offers(AuthMethod::PrivateKeyJwt) && has_keys, may_be_public) {
            (true, may_be_public) => Ok((AuthMethod::PrivateKeyJwt, may_be_public)),
            (false, true) => Ok((AuthMethod::None, true)),
            (false, false) => {
                let names: Vec<&str> = methods.into_iter().filter_map(Value::as_str).collect();
                Err(DocumentFault::AuthMethod(bounded(&names.join(", "), 80)))
            }
        }
    }

    fn keys(&self) -> Result<Option<DocumentKeys>, DocumentFault> {
        match (&self.jwks, &self.jwks_uri) {
            (None, None) => Ok(None),
            // RFC 7591 section 2: not both.
            (Some(_), Some(_)) => Err(DocumentFault::Invalid("it has both jwks and jwks_uri")),
            (Some(jwks), None) => match ClientKeys::parse(jwks.to_string().as_bytes()) {
                Ok(keys) => Ok(Some(DocumentKeys::Here(keys))),
                Err(KeysFault::Private) => Err(DocumentFault::Invalid("its jwks holds a private key")),
                Err(_) => Ok(None),
            },
            (None, Some(uri)) => {
                let uri = uri.as_str().filter(|uri| uri.len() <= MAX_URL && uri.starts_with("https://"));
                let uri = uri.filter(|uri| Url::parse(uri).is_ok_and(|url| url.as_str() == *uri));
                let uri = uri.ok_or(DocumentFault::Invalid("its jwks_uri is no canonical https URL"))?;
                Ok(Some(DocumentKeys::At(uri.to_owned())))
            }
        }
    }

    fn redirects(&self, custom: &[String]) -> Result<Vec<CanonicalRedirect>, DocumentFault> {
        let list = self.redirect_uris.as_deref().unwrap_or_default();
        if list.is_empty() || list.len() > MAX_REDIRECTS {
            return Err(DocumentFault::Invalid("it has no redirect_uris, or more than 32"));
        }
        let mut redirects: Vec<CanonicalRedirect> = Vec::with_capacity(list.len());
        for entry in list {
            let text = entry.as_str().ok_or(DocumentFault::Invalid("a redirect URI is no text"))?;
            // As with registrations: one that is not allowed leaves the others.
            if let Ok(redirect) = CanonicalRedirect::parse(text, custom) {
                redirects.push(redirect.with_port_removed());
            }
        }
        redirects.sort_unstable();
        redirects.dedup();
        if redirects.is_empty() {
            return Err(DocumentFault::Invalid("none of its redirect_uris is acceptable"));
        }
        Ok(redirects)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URL: &str = "https://claude.ai/oauth/claude-code-client-metadata";

    fn parse(document: &Value) -> Result<ClientDocument, DocumentFault> {
        let id = ClientId::new(URL).unwrap();
        ClientDocument::parse(DocumentUrl::parse(&id).unwrap(), document.to_string().as_bytes(), &[])
    }

    fn document() -> Value {
        json!({
            "client_id": URL,
            "client_name": "Claude Code",
            "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut document = document();
        document[name] = value;
        document
    }

    #[test]
    fn ci_09_a_url_has_one_form_and_no_variants() {
        for url in [URL, "https://a.example/x", "https://a.example:8443/x/", "https://xn--bcher-kva.example/c"] {
            let id = ClientId::new(url).unwrap();
            assert_eq!(DocumentUrl::parse(&id).unwrap().as_str(), url);
        }
        let id = ClientId::new("https://a.example:8443/x").unwrap();
        assert_eq!(DocumentUrl::parse(&id).unwrap().host(), "a.example");
        for url in [
            "https://Claude.ai/x",
            "HTTPS://claude.ai/x",
            "https://claude.ai:443/x",
            "https://claude.ai./x",
            "https://claude.ai",
            "https://claude.ai/",
            "https://claude.ai/x?y=1",
            "https://claude.ai/x?",
            "https://claude.ai/x#y",
            "https://claude.ai/x#",
            "https://user@claude.ai/x",
            "https://:pw@claude.ai/x",
            "https://claude.ai/a/../x",
            "https://claude.ai/./x",
            "https://claude.ai/%2e%2E/x",
            "https://claude.ai\\x",
            "https://claude.ai/x^y",
            "https://claude.ai/x|y",
            "https://claude.ai/x%y",
            "https:/claude.ai/x",
            "https://b\u{fc}cher.example/x",
            "https://127.0.0.1/x",
            "https://2130706433/x",
            "https://[::1]/x",
            "http://claude.ai/x",
            "ftp://claude.ai/x",
        ] {
            let fault = ClientId::new(url).map_or(Err(DocumentFault::Url), |id| DocumentUrl::parse(&id).map(|_| ()));
            assert_eq!(fault, Err(DocumentFault::Url), "{url}");
        }
    }

    #[test]
    fn cimd_01_a_valid_document_is_a_public_client() {
        let client = parse(&document()).unwrap();
        assert_eq!((client.name.as_str(), client.refresh), ("Claude Code", true));
        let redirect = |text: &str| CanonicalRedirect::parse(text, &[]).unwrap();
        assert!(client.has(&redirect("http://localhost:53127/callback")), "any port of a loopback address");
        assert!(!client.has(&redirect("http://localhost:53127/other")));
        assert!(!client.has(&redirect("https://claude.ai/api/mcp/auth_callback")));
        assert!(!parse(&with("grant_types", json!(["authorization_code"]))).unwrap().refresh);
    }

    #[test]
    fn cimd_03_the_document_calls_itself_by_its_url_byte_for_byte() {
        for id in [
            "https://claude.ai/oauth/claude-code-client-metadata/",
            "https://CLAUDE.ai/oauth/claude-code-client-metadata",
            "",
        ] {
            assert!(parse(&with("client_id", json!(id))).is_err(), "{id}");
        }
        for odd in [json!(null), json!([URL]), json!(7)] {
            assert!(parse(&with("client_id", odd)).is_err());
        }
    }

    #[test]
    fn ci_07_no_document_holds_or_offers_a_secret() {
        for document in [
            with("client_secret", json!("s")),
            with("client_secret_expires_at", json!(0)),
            with("token_endpoint_auth_method", json!("client_secret_basic")),
            with("token_endpoint_auth_methods_supported", json!(["none", "client_secret_post"])),
            with("token_endpoint_auth_methods_supported", json!(["none", "client_secret_jwt"])),
        ] {
            assert!(matches!(parse(&document), Err(DocumentFault::Invalid(_))), "{document}");
        }
    }

    #[test]
    fn sep_3149_what_authenticates_wins_where_both_sides_know_it() {
        let parsed = |single: Value, array: Value, keys: bool| {
            let mut document = with("token_endpoint_auth_method", single);
            document["token_endpoint_auth_methods_supported"] = array;
            if keys {
                document["jwks_uri"] = json!("https://claude.ai/keys");
            }
            parse(&document).map(|client| (client.auth_method, client.into_copy().auth_method))
        };
        let (jwt, both) = (json!("private_key_jwt"), json!(["none", "private_key_jwt"]));
        let (signs, public) = (AuthMethod::PrivateKeyJwt, AuthMethod::None);
        assert_eq!(parsed(jwt.clone(), both.clone(), true), Ok((signs, public)));
        assert_eq!(parsed(json!("none"), json!(["private_key_jwt"]), true), Ok((signs, public)));
        assert_eq!(parsed(jwt.clone(), json!(["private_key_jwt"]), true), Ok((signs, signs)));
        assert_eq!(parsed(json!("none"), json!(["none", "tls_client_auth"]), true), Ok((public, public)));
        // Without keys there is nothing to verify an assertion with.
        assert_eq!(parsed(jwt.clone(), both, false), Ok((public, public)));
        let only = parsed(jwt.clone(), json!([jwt]), false);
        assert!(matches!(only, Err(DocumentFault::AuthMethod(_))), "{only:?}");
        let mut silent = document();
        silent.as_object_mut().unwrap().remove("token_endpoint_auth_method");
        assert_eq!(parse(&silent).unwrap().auth_method, public);
    }

    #[test]
    fn keys_are_in_the_document_or_at_one_https_url() {
        let jwks: Value = serde_json::from_str(&crate::testing::AssertionKey::seeded(1).jwks()).unwrap();
        let mut here = with("jwks", jwks.clone());
        here["token_endpoint_auth_method"] = json!("private_key_jwt");
        assert!(matches!(parse(&here).unwrap().keys, Some(DocumentKeys::Here(_))));
        let mut both = here.clone();
        both["jwks_uri"] = json!("https://claude.ai/keys");
        assert!(parse(&both).is_err());
        for uri in [json!("http://claude.ai/keys"), json!("https://claude.ai/a/../keys"), json!(7), json!("file:///x")]
        {
            assert!(parse(&with("jwks_uri", uri.clone())).is_err(), "{uri}");
        }
        let mut private = jwks;
        private["keys"][0]["d"] = json!("x");
        assert!(parse(&with("jwks", private)).is_err());
    }

    #[test]
    fn what_lacks_a_part_or_is_odd_is_invalid() {
        for document in [
            json!([]),
            json!("x"),
            with("client_name", json!(null)),
            with("client_name", json!("\u{202e}")),
            with("redirect_uris", json!([])),
            with("redirect_uris", json!("http://localhost/callback")),
            with("redirect_uris", json!([1])),
            with("redirect_uris", json!(["javascript:alert(1)", "http://evil.example/cb"])),
            with("redirect_uris", json!(vec!["https://a.example/cb"; 33])),
            with("grant_types", json!(["client_credentials"])),
            with("response_types", json!(["token"])),
        ] {
            assert!(parse(&document).is_err(), "{document}");
        }
        assert!(parse(&with("redirect_uris", json!(vec!["https://a.example/cb"; 32]))).is_ok());
        let id = ClientId::new(URL).unwrap();
        let odd = [br#"{"x":"\xff","#.as_slice(), &document().to_string().as_bytes()[1..]].concat();
        assert!(ClientDocument::parse(DocumentUrl::parse(&id).unwrap(), &odd, &[]).is_err(), "no UTF-8, no JSON");
        let kept = parse(&with("redirect_uris", json!(["claude://x/cb", "https://a.example/cb"]))).unwrap();
        assert_eq!(kept.redirects.len(), 1);
    }
}
