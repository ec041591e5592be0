//! The history of requests, of a person or of one session.

use askama::Template;

use super::Answer;
use super::frame::{Frame, When, long};
use super::query::{Given, encoded};
use crate::admin::{Problem, named};
use crate::engine::Inner;
use crate::record::RequestRecord;
use crate::session::UserId;
use crate::store::{RequestQuery, RequestsOf};

/// So many are on a page.
const PAGE: u32 = 100;

#[derive(Template)]
#[template(path = "console/requests.html")]
struct RequestsPage<'a> {
    f: &'a Frame,
    /// The page of the person, if it is known who that is.
    person: Option<String>,
    /// Of whom or what: an id.
    of: String,
    is_kept: bool,
    requests: Vec<RequestRow>,
    next: Option<String>,
}

struct RequestRow {
    at: When,
    tool: String,
    method: String,
    status: u16,
    address: String,
    session: String,
    session_href: String,
}

impl Inner {
    /// All sessions of a person.
    pub(super) async fn requests_of_person(&self, f: &Frame, id: &str, query: &Given) -> Result<Answer, Problem> {
        let id: UserId = named(id)?;
        let place = format!("people/{id}/requests");
        self.requests_page(f, RequestsOf::User(id), &place, query).await
    }

    /// One session, which may be gone already.
    pub(super) async fn requests_of_session(&self, f: &Frame, id: &str, query: &Given) -> Result<Answer, Problem> {
        let id = named(id)?;
        self.requests_page(f, RequestsOf::Session(id), &format!("sessions/{id}/requests"), query).await
    }

    async fn requests_page(&self, f: &Frame, of: RequestsOf, place: &str, query: &Given) -> Result<Answer, Problem> {
        let before = query.get("before").map(|id| id.parse().map_err(|_| Problem::cursor())).transpose()?;
        let asked = RequestQuery { of: of.clone(), before, limit: PAGE + 1 };
        let mut found = self.store.requests(&asked).await?;
        let more = found.len() > PAGE as usize;
        found.truncate(PAGE as usize);
        let next = found.last().filter(|_| more);
        let next = next.map(|last| f.link(&format!("{place}?{}", encoded([("before", &*last.id.to_string())]))));
        let (of, person) = match &of {
            RequestsOf::User(id) => (id.to_string(), Some(id.clone())),
            RequestsOf::Session(id) => (id.to_string(), found.first().map(|request| request.user.clone())),
        };
        Answer::page(&RequestsPage {
            f,
            person: person.map(|id| f.link(&format!("people/{id}"))),
            of,
            is_kept: self.history.keep().is_some(),
            requests: found.iter().map(|request| row(f, request)).collect(),
            next,
        })
    }
}

fn row(f: &Frame, request: &RequestRecord) -> RequestRow {
    RequestRow {
        at: When(request.at),
        tool: long(request.tool.as_deref().unwrap_or_default()),
        method: long(&request.method),
        status: request.status,
        address: request.address.map(|address| address.to_string()).unwrap_or_default(),
        session: request.session.to_string(),
        session_href: f.link(&format!("sessions/{}/requests", request.session)),
    }
}
