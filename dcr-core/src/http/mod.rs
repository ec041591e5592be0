//! Requests to steps to responses. `http` 1 types are the currency: [`DcrEngine::handle`] takes a whole request and
//! answers a whole response, so an adapter only mounts it, and both adapters answer the same bytes (I-15).

pub(crate) mod cookies;
#[cfg(feature = "tower")]
pub(crate) mod guard;
#[cfg(feature = "tower")]
pub(crate) mod mcp_session;
mod pages;
mod params;
mod respond;
mod site;

use std::future::ready;

use ::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, ORIGIN};
use ::http::request::Parts;
use ::http::{HeaderMap, Method, Request, Response, StatusCode};
use bytes::Bytes;
#[cfg(feature = "tower")]
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tracing::Instrument as _;
use tracing::field::Empty;

use self::cookies::Cookies;
pub(crate) use self::pages::{ConsentView, RedirectPlace};
pub(crate) use self::params::{Params, UNRESERVED};
pub(crate) use self::respond::{Responder, document_response, plain_response, refusal_json as refusal_response};
use self::site::Route;
pub(crate) use self::site::Site;
use crate::engine::{DcrEngine, Inner};
use crate::error::{Reason, Refusal};
use crate::limits::{Asker, Caller};
use crate::metrics;
use crate::oauth::authorize::{Authorize, AuthorizingBrowser};
use crate::oauth::callback::Callback;
use crate::oauth::consent::{Consent, ConsentForm, Login};
use crate::oauth::manage::Managed;
use crate::oauth::remembered::is_fresh_navigation;

/// The largest body that any endpoint reads, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// The largest registration (DC-1).
const MAX_REGISTRATION: usize = 16 * 1024;
/// The longest query.
pub(crate) const MAX_QUERY: usize = 16 * 1024;

impl DcrEngine {
    /// Every path that [`DcrEngine::handle`] answers, for an adapter to mount. All are literal: no wildcards.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let connections = self.inner.connections_paths();
        self.inner.site.paths().into_iter().chain(connections).collect()
    }

    /// Answers one request. Never fails: whatever goes wrong is an answer.
    ///
    /// The body must have been read whole; one that is longer than [`MAX_BODY`] gets `413`. Whoever has a body that is
    /// still to be read calls [`DcrEngine::handle_unread`], which reads no more than that.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        self.inner.handle(&parts, ready(Ok(body))).await
    }

    /// [`DcrEngine::handle`] of a request whose body is still to be read: at most [`MAX_BODY`] of it, chunked or not.
    /// A longer one gets `413`; one that breaks off gets `400` and is never taken for a whole one (I-13).
    #[cfg(feature = "tower")]
    pub async fn handle_unread<B>(&self, request: Request<B>) -> Response<Bytes>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        self.inner.handle(&parts, read_whole(body)).await
    }
}

/// A body, as far as it may be read.
#[cfg(feature = "tower")]
pub(crate) async fn read_whole<B>(body: B) -> Result<Bytes, Reason>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Reason::BodyTooLarge),
        Err(_) => Err(Reason::BodyIncomplete),
    }
}

/// What an adapter mounts at the root of an application: [`DcrEngine`], or a [`RemoteGuard`](crate::remote::RemoteGuard)
/// for its metadata.
#[cfg(feature = "tower")]
pub trait Endpoints: Clone + Send + Sync + 'static {
    /// Every path that is answered. All are literal: no wildcards.
    fn paths(&self) -> Vec<String>;

    /// Every path below which everything is answered, as well as itself: without a slash at its end. Most have none.
    fn prefixes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Answers one request whose body is still to be read. Never fails.
    fn answer<B>(&self, request: Request<B>) -> impl Future<Output = Response<Bytes>> + Send
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>;
}

#[cfg(feature = "tower")]
impl Endpoints for DcrEngine {
    fn paths(&self) -> Vec<String> {
        Self::paths(self)
    }

    fn prefixes(&self) -> Vec<String> {
        self.admin_prefix().into_iter().collect()
    }

    async fn answer<B>(&self, request: Request<B>) -> Response<Bytes>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.handle_unread(request).await
    }
}

// The future of a request is moved into the framework's own box, whole: it must not have room for every step there is. So
// the steps are boxes of their own, and a test says how large it may be.
impl Inner {
    /// `body` is read only of a request that the limits let in: what was read of it, or why it was not.
    async fn handle(&self, parts: &Parts, body: impl Future<Output = Result<Bytes, Reason>>) -> Response<Bytes> {
        if self.admin.as_ref().is_some_and(|admin| admin.is_here(parts.uri.path())) {
            return Box::pin(self.answer_console(parts, body)).await;
        }
        if let Some((place, page)) = self.connections_at(parts.uri.path()) {
            return Box::pin(self.observed("connections", self.answer_web(place, page, parts, body))).await;
        }
        let respond = Responder::new(self, &parts.headers);
        let Some(route) = self.site.route(parts.uri.path()) else {
            return respond.refusal("request", &Reason::NotFound.into());
        };
        self.observed(route.name(), self.limited(route, parts, body, &respond)).await
    }

    /// One request, in its span and timed. `endpoint` is a name of ours.
    pub(crate) async fn observed(
        &self,
        endpoint: &'static str,
        answer: impl Future<Output = Response<Bytes>>,
    ) -> Response<Bytes> {
        let span = tracing::info_span!(target: "dcr", "dcr.request", endpoint, session = Empty);
        let began = self.clock.now();
        let response = answer.instrument(span).await;
        metrics::request(endpoint, response.status(), self.clock.now().since(began));
        response
    }

    async fn limited(
        &self,
        route: Route,
        parts: &Parts,
        body: impl Future<Output = Result<Bytes, Reason>>,
        respond: &Responder<'_>,
    ) -> Response<Bytes> {
        let caller = self.proxies.caller(parts);
        let response = match route.limited_as().filter(|_| parts.method != Method::OPTIONS) {
            None => self.admitted(route, parts, &caller, body.await, respond).await,
            Some(endpoint) => match self.meters.admit(endpoint, &caller, self.clock.now()) {
                Ok(()) => {
                    let response = self.admitted(route, parts, &caller, body.await, respond).await;
                    if response.status().is_client_error() && response.status() != StatusCode::TOO_MANY_REQUESTS {
                        self.meters.failed(endpoint, &caller, self.clock.now());
                    }
                    response
                }
                Err(refusal) => {
                    if let Some(step) = route.counts_as() {
                        self.count(step, None, Some(refusal.reason()));
                    }
                    if route.is_for_people() {
                        respond.refusal("limits", &refusal)
                    } else {
                        respond.refusal_json(&refusal)
                    }
                }
            },
        };
        // Of those that ask the store for something of their own, and were answered.
        let asked_the_store = matches!(route, Route::Authorize | Route::Callback | Route::Token);
        if asked_the_store && !response.status().is_server_error() && response.status() != StatusCode::TOO_MANY_REQUESTS
        {
            Box::pin(self.flush_a_little()).await;
        }
        if route.is_for_scripts() { respond::with_cors(response) } else { response }
    }

    async fn admitted(
        &self,
        route: Route,
        parts: &Parts,
        caller: &Caller,
        body: Result<Bytes, Reason>,
        respond: &Responder<'_>,
    ) -> Response<Bytes> {
        let query = parts.uri.query().unwrap_or("").as_bytes();
        let max_body =
            if matches!(route, Route::Register | Route::Registrations) { MAX_REGISTRATION } else { MAX_BODY };
        let body = match body {
            Ok(body) if body.len() > max_body || query.len() > MAX_QUERY => Err(Reason::BodyTooLarge),
            body => body,
        };
        match body {
            Err(reason) => respond.refusal_json(&reason.into()),
            Ok(_) if route.is_for_scripts() && parts.method == Method::OPTIONS => respond.preflight(route.methods()),
            Ok(_) if !route.takes(&parts.method) => respond.method_not_allowed(route.methods()),
            Ok(body) => self.step(route, parts, caller, &body, respond).await,
        }
    }

    async fn step(
        &self,
        route: Route,
        parts: &Parts,
        caller: &Caller,
        body: &[u8],
        respond: &Responder<'_>,
    ) -> Response<Bytes> {
        let (method, headers) = (&parts.method, &parts.headers);
        let query = parts.uri.query().unwrap_or("").as_bytes();
        let asker = Asker::stranger(&self.meters, caller);
        match route {
            Route::Registrations if *method != Method::POST => {
                Box::pin(self.answer_management(method, headers, query, body, respond)).await
            }
            Route::Document(index) => {
                if Site::is_servers(index) {
                    Box::pin(self.documents.probe(self.clock.as_ref())).await;
                }
                self.site.document(index, self.documents.is_advertised())
            }
            Route::Logo => match self.look.logo() {
                Some(logo) => logo.response(),
                None => respond.refusal("request", &Reason::NotFound.into()),
            },
            Route::Register | Route::Registrations => match json_body(headers).and_then(|()| self.register(body)) {
                Ok(answer) => respond.json(StatusCode::CREATED, &answer),
                Err(refusal) => respond.refusal_json(&refusal),
            },
            Route::Authorize => Box::pin(self.answer_authorize(headers, query, asker, respond)).await,
            Route::Consent => Box::pin(self.answer_consent(headers, body, respond)).await,
            Route::Callback => Box::pin(self.answer_callback(headers, query, caller, respond)).await,
            Route::Token => match form_body(headers, query, body) {
                Ok(form) => match Box::pin(self.token(headers, &form)).await {
                    Ok(answer) => {
                        asker.proved(self.clock.now());
                        respond.json(StatusCode::OK, &answer)
                    }
                    Err(refusal) => respond.refusal_oauth(&refusal, headers),
                },
                Err(refusal) => respond.refusal_oauth(&refusal, headers),
            },
            Route::Revoke => match form_body(headers, query, body) {
                Ok(form) => match Box::pin(self.revoke(headers, &form)).await {
                    Ok(()) => respond.empty(StatusCode::OK),
                    Err(refusal) => respond.refusal_oauth(&refusal, headers),
                },
                Err(refusal) => respond.refusal_oauth(&refusal, headers),
            },
            Route::Introspect => match form_body(headers, query, body) {
                Ok(form) => match Box::pin(self.introspect(headers, &form, asker)).await {
                    Ok(answer) => respond.json(StatusCode::OK, &answer),
                    Err(refusal) => respond.refusal_oauth(&refusal, headers),
                },
                Err(refusal) => respond.refusal_oauth(&refusal, headers),
            },
        }
    }

    async fn answer_management(
        &self,
        method: &Method,
        headers: &HeaderMap,
        query: &[u8],
        body: &[u8],
        respond: &Responder<'_>,
    ) -> Response<Bytes> {
        if *method == Method::PUT
            && let Err(refusal) = json_body(headers)
        {
            return respond.refusal_json(&refusal);
        }
        let Ok(query) = Params::parse(query) else {
            return respond.refusal_bearer(&Reason::RegistrationToken.into());
        };
        match self.manage(method, headers, &query, body).await {
            Ok(Managed::Registration(registration)) => respond.json(StatusCode::OK, &registration),
            Ok(Managed::Gone) => respond.empty(StatusCode::NO_CONTENT),
            Err(refusal) => respond.refusal_bearer(&refusal),
        }
    }

    async fn answer_authorize(
        &self,
        headers: &HeaderMap,
        query: &[u8],
        asker: Asker<'_>,
        respond: &Responder<'_>,
    ) -> Response<Bytes> {
        let cookies = Cookies::read(headers, &self.site.cookie_names);
        let Ok(params) = Params::parse(query) else {
            return respond.refusal("authorize", &Reason::RequestMalformed.into());
        };
        let remembered = |name: &str| cookies.remembered(&self.site.cookie_names, name);
        let browser = AuthorizingBrowser {
            csrf: cookies.csrf(),
            open: cookies.open(),
            remembered: &remembered,
            is_fresh_navigation: is_fresh_navigation(headers),
            asker,
        };
        match self.authorize(&params, browser).await {
            Authorize::Ask(prompt) => respond.consent(&prompt),
            Authorize::Login(login) => self.to_login(login, respond),
            Authorize::Back { location, refusal } => respond.back("authorize", location, &refusal),
            Authorize::Refuse(refusal) => respond.refusal("authorize", &refusal),
        }
    }

    fn to_login(&self, login: Login, respond: &Responder<'_>) -> Response<Bytes> {
        let names = &self.site.cookie_names;
        let mut response = respond.see_other(login.location);
        cookies::add(&mut response, &names.set_transaction(&login.state, &login.cookie));
        for name in login.drop {
            cookies::add(&mut response, &names.drop_named(&name));
        }
        response
    }

    async fn answer_consent(&self, headers: &HeaderMap, body: &[u8], respond: &Responder<'_>) -> Response<Bytes> {
        let cookies = Cookies::read(headers, &self.site.cookie_names);
        let form = match form_body(headers, b"", body) {
            Ok(form) => form,
            Err(refusal) => return respond.refusal("consent", &refusal),
        };
        let posted = ConsentForm {
            form: &form,
            csrf: cookies.csrf(),
            open: cookies.open(),
            origin: claimed(headers, ORIGIN.as_str()),
            fetch_site: claimed(headers, "sec-fetch-site"),
        };
        match self.consent(posted).await {
            Consent::Login(login) => self.to_login(login, respond),
            Consent::Back { location, refusal } => respond.back("consent", location, &refusal),
            Consent::Refuse(refusal) => respond.refusal("consent", &refusal),
        }
    }

    async fn answer_callback(
        &self,
        headers: &HeaderMap,
        query: &[u8],
        caller: &Caller,
        respond: &Responder<'_>,
    ) -> Response<Bytes> {
        let names = &self.site.cookie_names;
        let cookies = Cookies::read(headers, names);
        let Ok(params) = Params::parse(query) else {
            return respond.refusal("callback", &Reason::CallbackMalformed.into());
        };
        if let Some((place, login)) = self.web_login_of(&params, headers) {
            return self.web_came_back(place, &login, &params, caller, respond).await;
        }
        let (mut response, over, remembered) =
            match self.callback(&params, |state| cookies.of_state(names, state)).await {
                Callback::Deliver { location, state, remember } => {
                    self.meters.proved(caller, self.clock.now());
                    (respond.see_other(location), Some(state), remember)
                }
                Callback::Back { location, state, refusal } => {
                    (respond.back("callback", location, &refusal), Some(state), None)
                }
                Callback::Refuse { refusal, over, way_back, forget } => {
                    (respond.refusal_with_way_back("callback", &refusal, way_back), over, forget)
                }
            };
        if let Some(remembered) = remembered {
            cookies::add(&mut response, &names.set_remembered(&remembered));
        }
        if let Some(state) = over {
            cookies::add(&mut response, &names.drop_transaction(&state));
        }
        response
    }
}

/// A header's value, if there is exactly one and it is text.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// The same; there but unreadable is an empty text and not an absence (I-13).
pub(crate) fn claimed<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.contains_key(name).then(|| header(headers, name).unwrap_or(""))
}

fn media_type_is(headers: &HeaderMap, wanted: &str) -> bool {
    let plain = headers.get(CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity");
    let named = header(headers, CONTENT_TYPE.as_str())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted));
    plain && named
}

/// Whether a body says that it is JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    media_type_is(headers, "application/json")
}

fn json_body(headers: &HeaderMap) -> Result<(), Refusal> {
    if is_json(headers) {
        Ok(())
    } else {
        Err(Refusal::new(Reason::MediaType, "send application/json, not compressed"))
    }
}

/// A form in the body. Nothing in the query: credentials there would end up in logs (TK-6).
pub(crate) fn form_body(headers: &HeaderMap, query: &[u8], body: &[u8]) -> Result<Params, Refusal> {
    if !media_type_is(headers, "application/x-www-form-urlencoded") {
        return Err(Refusal::new(Reason::MediaType, "send application/x-www-form-urlencoded, not compressed"));
    }
    let malformed = |text: &str| Refusal::new(Reason::TokenRequestMalformed, text);
    if !query.is_empty() {
        return Err(malformed("parameters belong in the body, not in the query"));
    }
    Params::parse(body).map_err(|_| malformed("the body is not a well-formed form"))
}

/// Whether the caller wants a page: browsers say so; everything else gets JSON.
fn wants_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| range.split(';').next().is_some_and(|r| r.trim().eq_ignore_ascii_case("text/html")))
}
