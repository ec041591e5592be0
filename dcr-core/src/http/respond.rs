//! Outcomes to responses. Every answer but the metadata is `no-store`; every refusal is logged with its reason and the
//! reference that it shows.

use ::http::header::{
    ACCEPT_LANGUAGE, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_LANGUAGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use ::http::{HeaderMap, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{cookies, pages, wants_html};
use crate::config::RegistrationPolicy;
use crate::engine::Inner;
use crate::error::{Blame, Reason, Refusal};
use crate::oauth::authorize::ConsentPrompt;
use crate::pages::Language;
use crate::record::Reference;

/// Makes the responses to one request.
pub(crate) struct Responder<'a> {
    engine: &'a Inner,
    html: bool,
    language: Language,
}

impl<'a> Responder<'a> {
    /// The language of this request's pages.
    pub(crate) const fn language(&self) -> Language {
        self.language
    }

    pub(crate) fn new(engine: &'a Inner, headers: &HeaderMap) -> Self {
        // A line that is not text prefers nothing.
        let preferences = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
        Self { engine, html: wants_html(headers), language: Language::preferred(preferences) }
    }

    pub(crate) fn json(&self, status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
        let body = serde_json::to_vec(body).unwrap_or_default();
        plain_response(status, "application/json", body.into())
    }

    pub(crate) fn empty(&self, status: StatusCode) -> Response<Bytes> {
        let mut response = plain_response(status, "application/json", Bytes::new());
        response.headers_mut().remove(CONTENT_TYPE);
        response
    }

    /// 303: a GET follows, whatever the method was (CB-8).
    pub(crate) fn see_other(&self, location: String) -> Response<Bytes> {
        let mut response = self.empty(StatusCode::SEE_OTHER);
        match HeaderValue::try_from(location) {
            Ok(mut location) => {
                // It has a code, or a `state` and a nonce: a host's log of headers does not show it (OP-5).
                location.set_sensitive(true);
                response.headers_mut().insert(LOCATION, location);
                response
            }
            // Redirects are visible ASCII and their parameters encoded: not reachable, and no reason to panic.
            Err(_) => self.refusal("redirect", &Reason::RequestMalformed.into()),
        }
    }

    /// To the client, with an error in its redirect.
    pub(crate) fn back(&self, step: &str, location: String, refusal: &Refusal) -> Response<Bytes> {
        self.log(step, refusal, "-");
        self.see_other(location)
    }

    pub(crate) fn consent(&self, prompt: &ConsentPrompt) -> Response<Bytes> {
        let site = &self.engine.site;
        let Some(page) = self.engine.look.consent(&prompt.view.page(self.language)) else {
            return self.refusal("authorize", &Reason::Internal.into());
        };
        let mut response = self.page(StatusCode::OK, page, &prompt.view.form_targets(&site.insecure_origins));
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept-language"));
        cookies::add(&mut response, &site.cookie_names.set_csrf(&prompt.csrf));
        response
    }

    /// A page for a browser, JSON for everything else.
    pub(crate) fn refusal(&self, step: &str, refusal: &Refusal) -> Response<Bytes> {
        self.refusal_with_way_back(step, refusal, None)
    }

    /// The same, with a link by which the person can take the error back to the app.
    pub(crate) fn refusal_with_way_back(
        &self,
        step: &str,
        refusal: &Refusal,
        way_back: Option<String>,
    ) -> Response<Bytes> {
        let reference = match refusal.reference() {
            Some(recorded) => recorded.to_string(),
            None => self.noted(step, refusal),
        };
        self.log(step, refusal, &reference);
        let status = status(refusal);
        let page = || pages::refusal(self.engine, self.language, refusal, &reference, way_back);
        let mut response = match self.html.then(page).flatten() {
            Some(page) => {
                let mut response = self.page(status, page, "'none'");
                response.headers_mut().insert(VARY, HeaderValue::from_static("accept, accept-language"));
                response
            }
            None => {
                let mut body = error_body(refusal);
                body.insert("reference".to_owned(), json!(reference));
                if refusal.reason() == Reason::ClientNotAccepted
                    && self.engine.rules.registration != RegistrationPolicy::Off
                {
                    // SR-19: where a program can register anew.
                    body.insert("registration_endpoint".to_owned(), json!(self.engine.endpoint("register")));
                }
                self.json(status, &Value::Object(body))
            }
        };
        retry_after(&mut response, refusal);
        response
    }

    /// JSON, whatever is accepted.
    pub(crate) fn refusal_json(&self, refusal: &Refusal) -> Response<Bytes> {
        self.log("request", refusal, "-");
        refusal_json(refusal)
    }

    fn log(&self, step: &str, refusal: &Refusal, reference: &str) {
        log(step, refusal, reference, || self.engine.meters.may_log(self.engine.clock.now()));
    }

    /// The token endpoint's form: 401 with a challenge if the client tried Basic (RFC 6749 section 5.2).
    pub(crate) fn refusal_oauth(&self, refusal: &Refusal, headers: &HeaderMap) -> Response<Bytes> {
        let mut response = self.refusal_json(refusal);
        if response.status() == StatusCode::UNAUTHORIZED && headers.contains_key(AUTHORIZATION) {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
        }
        response
    }

    /// The form of RFC 6750 section 3, for a token that is no access token.
    pub(crate) fn refusal_bearer(&self, refusal: &Refusal) -> Response<Bytes> {
        let mut response = self.refusal_json(refusal);
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
        }
        response
    }

    pub(crate) fn method_not_allowed(&self, methods: &'static str) -> Response<Bytes> {
        let mut response = self.refusal("request", &Reason::MethodNotAllowed.into());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
        response
    }

    pub(crate) fn preflight(&self, methods: &'static str) -> Response<Bytes> {
        let mut response = self.empty(StatusCode::NO_CONTENT);
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type, mcp-protocol-version"),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        response
    }

    /// A page, with headers that let it do nothing but be read and, if it has a form, be sent (CO-1, CO-3, CONS-03).
    /// They are the same whoever made the page.
    pub(crate) fn page(&self, status: StatusCode, page: String, form_targets: &str) -> Response<Bytes> {
        let mut response = plain_response(status, "text/html; charset=utf-8", page.into());
        let sources = self.engine.look.sources();
        let policy = format!(
            "default-src 'none'; {sources}; form-action {form_targets}; base-uri 'none'; frame-ancestors 'none'"
        );
        let headers = response.headers_mut();
        if let Ok(policy) = HeaderValue::try_from(policy) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(self.language.tag()));
        // No Cross-Origin-Opener-Policy: clients that open the sign-in in a popup would see it as closed at once.
        response
    }

    /// A reference for what is not on the record, which is kept in memory for a while.
    fn noted(&self, step: &str, refusal: &Refusal) -> String {
        let Ok(reference) = Reference::mint(self.engine.random.as_ref()) else { return "-".to_owned() };
        self.engine.recent.note(reference, self.engine.clock.now(), step, refusal);
        reference.to_string()
    }
}

/// A metadata document: the same for everybody, and for a while.
pub(crate) fn document_response(document: Bytes) -> Response<Bytes> {
    let mut response = Response::new(document);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

/// JSON, for answers that need no engine.
pub(crate) fn refusal_json(refusal: &Refusal) -> Response<Bytes> {
    let body = serde_json::to_vec(&Value::Object(error_body(refusal))).unwrap_or_default();
    let mut response = plain_response(status(refusal), "application/json", body.into());
    retry_after(&mut response, refusal);
    response
}

/// Metadata, registration, token and revocation may be called by scripts of any origin: none of them reads a cookie.
pub(crate) fn with_cors(mut response: Response<Bytes>) -> Response<Bytes> {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After, WWW-Authenticate"));
    response
}

/// About as many headers as an answer has.
const HEADERS: usize = 12;

/// An answer that is nobody's to keep.
pub(crate) fn plain_response(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // Room for what is added later: the map does not grow twice for every answer.
    headers.reserve(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("pragma"), HeaderValue::from_static("no-cache"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn status(refusal: &Refusal) -> StatusCode {
    StatusCode::from_u16(refusal.reason().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn error_body(refusal: &Refusal) -> Map<String, Value> {
    let mut body = Map::new();
    // Without a token there is no error to name (RFC 6750 section 3.1).
    if !refusal.reason().error().is_empty() {
        body.insert("error".to_owned(), json!(refusal.reason().error()));
    }
    body.insert("error_description".to_owned(), json!(refusal.description()));
    body
}

fn retry_after(response: &mut Response<Bytes>, refusal: &Refusal) {
    if let Some(seconds) = refusal.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
}

/// Refusals before login are not stored (I-1); this line is their record. `may` is asked whether there may be one more of
/// what strangers can cause, of which the meters say the sum.
pub(crate) fn log(step: &str, refusal: &Refusal, reference: &str, may: impl Fn() -> bool) {
    let reason = refusal.reason();
    let (name, detail) = (reason.as_str(), refusal.detail());
    if reason == Reason::TokenMissing {
        // Every client's first contact.
        tracing::debug!(target: "dcr", step, reason = name, "refused");
        return;
    }
    if matches!(reason, Reason::TooManyRequests | Reason::ServerBusy) {
        // One line each would be a flood of its own; `limits` sums them up.
        tracing::debug!(target: "dcr", step, reason = name, reference, "refused");
        return;
    }
    match reason.blame() {
        Blame::Client if !may() => tracing::debug!(target: "dcr", step, reason = name, reference, detail, "refused"),
        Blame::Client => tracing::info!(target: "dcr", step, reason = name, reference, detail, "refused"),
        Blame::Upstream => tracing::warn!(target: "dcr", step, reason = name, reference, detail, "refused"),
        Blame::Store | Blame::Operator => {
            tracing::error!(target: "dcr", step, reason = name, reference, detail, "refused");
        }
    }
}
