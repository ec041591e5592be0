//! The operator's console: pages below `/oauth/admin` for somebody who signed in there.
//!
//! What they read and do goes through the same calls as the admin API and [`Operator`](crate::Operator), so each change is
//! an event with `admin:` and the person as its actor. A change is a POST that passed the checks of the caller (same origin,
//! form token); a GET follows it, with a code and no text in its query (nobody is shown words that a link brought). The
//! pages work without the one small script; everything that strangers chose is escaped by the templates and bounded (I-10).
//!
//! Questions to the store, for each page: overview 1 sum of funnel counts, 1 census, 1 for each of the ten people with the
//! most sessions; people 1 (2 if nothing has the text in it); a person 5 and 1 for each connection; clients 4, one client id
//! 5; blocks 1; events 1; requests 1; health see there.

mod act;
mod blocks;
mod chart;
mod clients;
mod events;
mod frame;
mod health;
mod overview;
mod people;
mod person;
mod query;
mod requests;
mod series;
mod texts;

use ::http::header::{
    CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, HeaderName, LOCATION, REFERRER_POLICY, RETRY_AFTER, VARY,
    X_FRAME_OPTIONS,
};
use ::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use askama::Template;
use bytes::Bytes;

use self::frame::{Frame, SCRIPT, Section};
use crate::admin::Problem;
use crate::engine::Inner;
use crate::error::Reason;
use crate::http::{Params, plain_response};
use crate::pages::hash_source;
use crate::web::WebPerson;

/// The path below the prefix of the engine.
const PATH: &str = "/admin";

/// One request to the console, by somebody who may use it.
pub(crate) struct ConsoleRequest<'a> {
    pub(crate) person: &'a WebPerson,
    /// GET, or a POST that passed the checks against forgery: same origin, and the form token in the field `token`.
    pub(crate) method: &'a Method,
    /// Below the console's own, without the slash that begins it; empty for that itself.
    pub(crate) path: &'a str,
    pub(crate) query: &'a [u8],
    /// Of a POST.
    pub(crate) form: Option<&'a Params>,
    /// For the language.
    pub(crate) headers: &'a HeaderMap,
}

/// What a request leads to.
enum Answer {
    Page(String),
    /// Another page of the console, below its base: `people?done=erased`.
    See(String),
}

impl Answer {
    fn page(page: &impl Template) -> Result<Self, Problem> {
        page.render().map(Self::Page).map_err(|error| {
            tracing::error!(target: "dcr", %error, "a page of the console could not be made");
            Problem::from(Reason::Internal)
        })
    }
}

/// A page that says why there is no other.
#[derive(Template)]
#[template(path = "console/fault.html")]
struct Fault<'a> {
    f: &'a Frame,
    title: &'static str,
    advice: &'static str,
    detail: &'a str,
}

impl Inner {
    /// Answers one request to the console. Never fails: whatever goes wrong is a page.
    pub(crate) async fn console(&self, request: ConsoleRequest<'_>) -> Response<Bytes> {
        let frame = Frame::new(self, &request);
        match self.console_answer(&frame, &request).await {
            Ok(Answer::Page(html)) => frame.response(StatusCode::OK, html),
            Ok(Answer::See(place)) => frame.see_other(&place),
            Err(problem) => frame.fault(&problem),
        }
    }

    async fn console_answer(&self, f: &Frame, request: &ConsoleRequest<'_>) -> Result<Answer, Problem> {
        let query = query::Given::read(request.query)?;
        let parts: Vec<&str> = request.path.split('/').collect();
        if let Some(form) = request.form.filter(|_| *request.method == Method::POST) {
            let act = act::Act { f, user: request.person.user(), form };
            return match *parts.as_slice() {
                ["people", id] => self.act_on_person(&act, id).await,
                ["people", id, "erase"] => self.act_erase(&act, id).await,
                ["clients"] => self.act_on_clients(&act).await,
                ["clients", "pin"] => self.act_pin(&act).await,
                ["blocks"] => self.act_on_blocks(&act).await,
                _ => Err(Problem::not_found()),
            };
        }
        if *request.method != Method::GET {
            return Err(Problem::not_found());
        }
        match *parts.as_slice() {
            [""] => self.overview_page(f, &query).await,
            ["people"] => self.people_page(f, &query).await,
            ["people", id] => self.person_page(f, id, &query).await,
            ["people", id, "requests"] => self.requests_of_person(f, id, &query).await,
            ["connections", id] => self.owner_of_connection(id).await,
            ["sessions", id] => self.owner_of_session(id).await,
            ["sessions", id, "requests"] => self.requests_of_session(f, id, &query).await,
            ["clients"] => self.clients_page(f, &query).await,
            ["blocks"] => self.blocks_page(f, &query).await,
            ["events"] => self.events_page(f, &query).await,
            ["references"] => self.reference_page(f, &query).await,
            ["health"] => self.health_page(f).await,
            _ => Err(Problem::not_found()),
        }
    }
}

impl Frame {
    fn response(&self, status: StatusCode, html: String) -> Response<Bytes> {
        let mut response = plain_response(status, "text/html; charset=utf-8", html.into());
        let policy = format!(
            "default-src 'none'; style-src {}; script-src {}; img-src 'self'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'",
            hash_source(&self.style),
            hash_source(SCRIPT),
        );
        let headers = response.headers_mut();
        if let Ok(policy) = HeaderValue::try_from(policy) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(self.language.tag()));
        headers.insert(VARY, HeaderValue::from_static("accept-language, cookie"));
        // With `no-referrer` a browser says `Origin: null` of its own forms, and those are checked (Fetch section 3.2).
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("same-origin"));
        }
        response
    }

    fn see_other(&self, place: &str) -> Response<Bytes> {
        let mut response = plain_response(StatusCode::SEE_OTHER, "text/html; charset=utf-8", Bytes::new());
        match HeaderValue::try_from(self.link(place)) {
            Ok(location) => {
                response.headers_mut().insert(LOCATION, location);
                response
            }
            Err(_) => self.fault(&Problem::from(Reason::Internal)),
        }
    }

    fn fault(&self, problem: &Problem) -> Response<Bytes> {
        let status = problem.status();
        let (title, advice) = match status.as_u16() {
            404 => (self.t.missing, self.t.missing_advice),
            400..=499 => (self.t.wrong_input, self.t.wrong_input_advice),
            _ => (self.t.unavailable, self.t.unavailable_advice),
        };
        let page = Fault { f: self, title, advice, detail: problem.detail() };
        let mut response = self.response(status, page.render().unwrap_or_else(|_| title.to_owned()));
        if let Some(seconds) = problem.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }

    /// The page of a section, as the navigation has it.
    fn section(path: &str) -> Option<Section> {
        match path.split('/').next()? {
            "" => Some(Section::Overview),
            "people" => Some(Section::People),
            "clients" => Some(Section::Clients),
            "blocks" => Some(Section::Blocks),
            "events" | "references" => Some(Section::Events),
            "health" => Some(Section::Health),
            _ => None,
        }
    }
}
