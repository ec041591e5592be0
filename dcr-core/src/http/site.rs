//! What is where: every path of the engine, and the documents and headers that are made once.

use ::http::{Method, Response};
use bytes::Bytes;
use serde_json::Value;

use super::cookies::CookieNames;
use super::respond::document_response;
use crate::client::ClientRules;
use crate::config::Issuer;
use crate::limits::Endpoint;
use crate::oauth::metadata;
use crate::pages::LogoFile;
use crate::record::Step;
use crate::resource::{ValidResource, WELL_KNOWN};
use crate::seal::KeyRing;
use crate::session::jwks;
use crate::upstream::IdentityProvider;

/// The number of the authorization server's document; the one after it says that clients may be documents.
const SERVER: usize = 0;

/// A step, or a document by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Document(usize),
    Register,
    /// The same where registrations manage themselves (RFC 7592).
    Registrations,
    Authorize,
    Consent,
    Callback,
    Token,
    Revoke,
    Introspect,
    /// The picture of the theme.
    Logo,
}

impl Route {
    /// What metrics and spans call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Document(_) => "metadata",
            Self::Register | Self::Registrations => "register",
            Self::Authorize => "authorize",
            Self::Consent => "consent",
            Self::Callback => "callback",
            Self::Token => "token",
            Self::Revoke => "revoke",
            Self::Introspect => "introspect",
            Self::Logo => "logo",
        }
    }

    pub(crate) const fn methods(self) -> &'static str {
        match self {
            Self::Document(_) => "GET, HEAD, OPTIONS",
            Self::Logo => "GET, HEAD",
            Self::Authorize | Self::Callback => "GET",
            Self::Consent => "POST",
            Self::Register | Self::Token | Self::Revoke | Self::Introspect => "POST, OPTIONS",
            Self::Registrations => "GET, PUT, DELETE, POST, OPTIONS",
        }
    }

    pub(crate) fn takes(self, method: &Method) -> bool {
        // OPTIONS was answered before, where it is allowed.
        self.methods().split(", ").any(|m| m == method.as_str() && m != "OPTIONS")
    }

    /// What its requests count as (ADOPT-14); nothing for documents, which cost nothing.
    pub(crate) const fn limited_as(self) -> Option<Endpoint> {
        match self {
            Self::Document(_) | Self::Logo => None,
            Self::Register | Self::Registrations => Some(Endpoint::Register),
            Self::Authorize => Some(Endpoint::Authorize),
            Self::Consent | Self::Callback => Some(Endpoint::SignIn),
            Self::Token | Self::Revoke | Self::Introspect => Some(Endpoint::Token),
        }
    }

    /// The step that its requests are, where one path is one step.
    pub(crate) const fn counts_as(self) -> Option<Step> {
        match self {
            Self::Register => Some(Step::Register),
            Self::Authorize => Some(Step::Authorize),
            Self::Consent => Some(Step::Consent),
            Self::Callback => Some(Step::SignIn),
            _ => None,
        }
    }

    /// Endpoints that a browser opens, so that a refusal may be a page.
    pub(crate) const fn is_for_people(self) -> bool {
        matches!(self, Self::Authorize | Self::Consent | Self::Callback)
    }

    /// Endpoints that browser-based clients call from a script. Never those that a person visits.
    pub(crate) const fn is_for_scripts(self) -> bool {
        matches!(self, Self::Document(_) | Self::Register | Self::Registrations | Self::Token | Self::Revoke)
    }
}

/// Paths, documents and names: made from configuration, once.
#[derive(Debug)]
pub(crate) struct Site {
    routes: Vec<(String, Route)>,
    documents: Vec<Bytes>,
    pub(crate) cookie_names: CookieNames,
    /// Origins that are not https, for the content security policy of the consent page.
    pub(crate) insecure_origins: Vec<String>,
}

impl Site {
    pub(crate) fn new(
        issuer: &Issuer,
        prefix: &str,
        resources: &[ValidResource],
        rules: &ClientRules,
        documents: bool,
        ring: &KeyRing,
        provider: &dyn IdentityProvider,
    ) -> Self {
        let mut site = Self {
            routes: Vec::new(),
            documents: Vec::new(),
            cookie_names: CookieNames::new(issuer),
            insecure_origins: provider.insecure_origins(),
        };
        let server = |client_documents| {
            metadata::authorization_server(issuer, prefix, resources, rules, documents, client_documents)
        };
        // Beside each other: which of the two it is may change while the server runs.
        let (plain, advertising) = (server(false), server(true));
        let server = site.add_document(&plain);
        site.add_document(&advertising);
        let keys = site.add_document(&jwks(ring));
        site.at("/.well-known/jwks.json".to_owned(), keys);
        for name in ["oauth-authorization-server", "openid-configuration"] {
            site.at(format!("/.well-known/{name}"), server);
        }
        let here: Vec<_> =
            resources.iter().filter_map(|resource| Some((resource, resource.path.as_deref()?))).collect();
        // The document without a path is that of the resource without one; where there is none, clients that know no path
        // get the first.
        let root = here.iter().position(|(_, path)| path.is_empty()).unwrap_or(0);
        for (index, (resource, path)) in here.into_iter().enumerate() {
            let document = site.add_document(&metadata::protected_resource(
                issuer.as_str(),
                &resource.uri,
                &resource.name,
                &resource.defaults,
            ));
            if index == root {
                site.at(WELL_KNOWN.to_owned(), document);
            }
            if path.is_empty() {
                continue;
            }
            // Path inserted (RFC 8414 section 3.1, RFC 9728 section 3.1) and appended (OpenID Connect): clients probe both.
            for name in ["oauth-authorization-server", "openid-configuration"] {
                site.at(format!("/.well-known/{name}{path}"), server);
                site.at(format!("{path}/.well-known/{name}"), server);
            }
            site.at(format!("{WELL_KNOWN}{path}"), document);
            site.at(format!("{path}{WELL_KNOWN}"), document);
        }
        for (name, route) in [
            ("register", Route::Register),
            ("authorize", Route::Authorize),
            ("consent", Route::Consent),
            ("callback", Route::Callback),
            // The old system's callback, which is registered at the provider.
            ("azure_callback", Route::Callback),
            ("token", Route::Token),
            ("revoke", Route::Revoke),
            ("introspect", Route::Introspect),
        ] {
            site.at(format!("{prefix}/{name}"), route);
        }
        // Where clients without metadata fall back to (2025-03-26, spec row 11).
        for (path, route) in
            [("/register", Route::Register), ("/authorize", Route::Authorize), ("/token", Route::Token)]
        {
            site.at(path.to_owned(), route);
        }
        site
    }

    /// From now on registrations manage themselves.
    pub(crate) fn manage_registrations(&mut self) {
        for (_, route) in self.routes.iter_mut().filter(|(_, route)| *route == Route::Register) {
            *route = Route::Registrations;
        }
    }

    /// Serves the theme's logo, if it has one that is not the host's to serve.
    pub(crate) fn with_logo(mut self, logo: Option<&LogoFile>) -> Self {
        if let Some(logo) = logo {
            self.at(logo.path.clone(), Route::Logo);
        }
        self
    }

    fn add_document(&mut self, document: &Value) -> Route {
        self.documents.push(Bytes::from(document.to_string()));
        Route::Document(self.documents.len() - 1)
    }

    fn at(&mut self, path: String, route: Route) {
        if self.route(&path).is_none() {
            self.routes.push((path, route));
        }
    }

    pub(crate) fn route(&self, path: &str) -> Option<Route> {
        self.routes.iter().find(|(known, _)| known == path).map(|(_, route)| *route)
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.routes.iter().map(|(path, _)| path.clone()).collect()
    }

    /// Whether this is the authorization server's own document, which says if metadata documents of clients are supported.
    pub(crate) const fn is_servers(index: usize) -> bool {
        index == SERVER
    }

    /// A document; the server's own in the form that says that metadata documents are supported, or in the other one.
    pub(crate) fn document(&self, index: usize, client_documents: bool) -> Response<Bytes> {
        let index = if client_documents && Self::is_servers(index) { SERVER + 1 } else { index };
        document_response(self.documents.get(index).cloned().unwrap_or_default())
    }
}
