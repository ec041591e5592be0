//! What all handlers share, and the routes to them.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use url::{Host, Url};

use crate::assertion::Registered;
use crate::counters::Counters;
use crate::faults::Faults;
use crate::grants::Grants;
use crate::keys::{Algorithm, KeyRing};
use crate::meeting::Meeting;
use crate::realm::Realm;
use crate::refusal::Refusal;
use crate::users::User;
use crate::{Clock, authorize, control, discovery, graph, pages, token};

/// The paths that a redirect URI may end in unless the builder lists redirect URIs.
const CALLBACK_PATHS: [&str; 3] = ["/oauth/callback", "/oauth/azure_callback", "/oauth/admin/callback"];

/// What the builder fixed.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) tenant_id: String,
    pub(crate) domain: String,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) pkce_required: bool,
    pub(crate) code_lifetime: i64,
    pub(crate) algorithm: Algorithm,
    pub(crate) clock: Clock,
    pub(crate) registered: Registered,
}

impl Settings {
    pub(crate) fn check(&self) -> io::Result<()> {
        let bad = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if self.client_id.is_empty() || self.client_secret.is_empty() {
            return bad("the client id and the client secret must not be empty".to_owned());
        }
        if !is_guid(&self.tenant_id) {
            return bad(format!("the tenant id is not a GUID in lower case: {}", self.tenant_id));
        }
        if !(60..=600).contains(&self.code_lifetime) {
            return bad(format!("codes live 60 to 600 seconds, not {}", self.code_lifetime));
        }
        for uri in &self.redirect_uris {
            if !Url::parse(uri).is_ok_and(|url| url.as_str() == uri && url.fragment().is_none()) {
                return bad(format!("not a redirect URI in canonical form: {uri}"));
            }
        }
        Ok(())
    }

    /// Whether answers may be sent to `uri`.
    pub(crate) fn allows_redirect(&self, uri: &str) -> bool {
        if !self.redirect_uris.is_empty() {
            return self.redirect_uris.iter().any(|allowed| allowed == uri);
        }
        let Ok(url) = Url::parse(uri) else { return false };
        url.as_str() == uri
            && url.scheme() == "http"
            && is_loopback(url.host())
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && CALLBACK_PATHS.iter().any(|path| url.path().ends_with(path))
    }
}

/// The state of a running provider.
pub(crate) struct Shared {
    /// `http://127.0.0.1:PORT`.
    pub(crate) base: String,
    pub(crate) settings: Settings,
    pub(crate) faults: Faults,
    pub(crate) keys: KeyRing,
    users: Mutex<Vec<User>>,
    auto_login: Mutex<Option<String>>,
    counters: Mutex<Counters>,
    grants: Mutex<Grants>,
    meeting: Mutex<Option<Arc<Meeting>>>,
    told: Mutex<Option<Vec<String>>>,
    tokens: Mutex<Tokens>,
}

/// How access and refresh tokens live.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tokens {
    /// The life of access tokens in seconds, if it is not left to chance.
    pub(crate) access_seconds: Option<u32>,
    /// Whether a refresh token is good once; with Entra ID it is good again.
    pub(crate) strict: bool,
}

impl Shared {
    pub(crate) fn new(base: String, settings: Settings, users: Vec<User>, auto_login: Option<String>) -> Self {
        Self {
            base,
            keys: KeyRing::new(settings.algorithm),
            settings,
            faults: Faults::new(),
            users: Mutex::new(users),
            auto_login: Mutex::new(auto_login),
            counters: Mutex::default(),
            grants: Mutex::default(),
            meeting: Mutex::default(),
            told: Mutex::default(),
            tokens: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        (self.settings.clock)()
    }

    pub(crate) fn users(&self) -> MutexGuard<'_, Vec<User>> {
        lock(&self.users)
    }

    pub(crate) fn auto_login(&self) -> MutexGuard<'_, Option<String>> {
        lock(&self.auto_login)
    }

    pub(crate) fn counters(&self) -> MutexGuard<'_, Counters> {
        lock(&self.counters)
    }

    pub(crate) fn grants(&self) -> MutexGuard<'_, Grants> {
        lock(&self.grants)
    }

    pub(crate) fn meeting(&self) -> MutexGuard<'_, Option<Arc<Meeting>>> {
        lock(&self.meeting)
    }

    pub(crate) fn tokens(&self) -> MutexGuard<'_, Tokens> {
        lock(&self.tokens)
    }

    /// What was said at the token endpoint, if somebody wants to know.
    pub(crate) fn told(&self) -> MutexGuard<'_, Option<Vec<String>>> {
        lock(&self.told)
    }

    /// The user of that id, if it may sign in.
    pub(crate) fn user(&self, id: &str) -> Result<User, Refusal> {
        match self.users().iter().find(|user| user.id == id) {
            Some(user) if !user.disabled => Ok(user.clone()),
            Some(_) => Err(Refusal::new(50057, "invalid_grant", "The user account is disabled.")),
            None => Err(Refusal::new(50034, "invalid_grant", "The user account does not exist in the directory.")),
        }
    }

    /// The authority that the path names.
    pub(crate) fn realm(&self, tenant: Option<Path<String>>) -> Result<Realm, Refusal> {
        let segment = tenant.as_ref().map(|Path(segment)| segment.as_str());
        Realm::of(segment, &self.settings.tenant_id, &self.settings.domain)
    }
}

/// All routes.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::to("/dev/faults") }))
        .route("/dev/faults", get(control::show).post(control::set))
        .route("/dev/tokens", get(control::tokens).post(control::set_tokens))
        .route("/graph/v1.0/me", get(graph::me))
        .route("/.well-known/openid-configuration", get(discovery::document))
        .route("/authorize", get(authorize::show).post(authorize::pick))
        .route("/token", axum::routing::post(token::handle))
        .route("/jwks", get(discovery::keys))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(discovery::document))
        .route("/{tenant}/oauth2/v2.0/authorize", get(authorize::show).post(authorize::pick))
        .route("/{tenant}/oauth2/v2.0/token", axum::routing::post(token::handle))
        .route("/{tenant}/discovery/v2.0/keys", get(discovery::keys))
        .layer(middleware::from_fn(loopback_host))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .with_state(shared)
}

/// Refuses requests that a browser sends under a name that merely resolves to this machine.
async fn loopback_host(request: Request, next: Next) -> Response {
    if !host_is_loopback(request.headers()) {
        let body = "<p class=error>This provider answers only under a loopback host.</p>\n";
        return pages::page(StatusCode::BAD_REQUEST, "Wrong host", body).into_response();
    }
    next.run(request).await
}

fn host_is_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let url = host.and_then(|host| Url::parse(&format!("http://{host}/")).ok());
    url.is_some_and(|url| is_loopback(url.host()))
}

fn is_loopback(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether `text` is a GUID in lower case.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// No lock here guards an invariant that a panic could break half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
