//! Looking for a person: one field for whatever an operator has of them.

use askama::Template;

use super::Answer;
use super::frame::{Frame, long, name};
use super::query::{Given, encoded};
use crate::admin::{Problem, named};
use crate::client::ClientId;
use crate::engine::Inner;
use crate::session::{ConnectionId, SessionId, User, UserId};

#[derive(Template)]
#[template(path = "console/people.html")]
struct PeoplePage<'a> {
    f: &'a Frame,
    notice: &'static str,
    q: String,
    client_id: String,
    people: Vec<PersonRow>,
    next: Option<String>,
    is_first: bool,
}

struct PersonRow {
    href: String,
    name: String,
    email: String,
    tenant: String,
    object_id: String,
}

impl PersonRow {
    fn of(f: &Frame, user: &User) -> Self {
        Self {
            href: f.link(&format!("people/{}", user.id)),
            name: called(user),
            email: name(user.email.as_deref().unwrap_or_default()),
            tenant: long(&user.tenant),
            object_id: long(&user.object_id),
        }
    }
}

/// How a person is called: by name, else by address, else by id. Never nothing, since it is a link.
pub(super) fn called(user: &User) -> String {
    let words = [user.name.as_deref(), user.email.as_deref(), Some(user.object_id.as_str())];
    let mut shown = words.into_iter().flatten().map(name).filter(|shown| !shown.is_empty());
    shown.next().unwrap_or_else(|| user.id.to_string())
}

impl Inner {
    /// Ids go straight to their person; whatever else is text in names, addresses and object ids, or a client id.
    pub(super) async fn people_page(&self, f: &Frame, query: &Given) -> Result<Answer, Problem> {
        let (q, client_id) = (query.text("q"), query.text("client_id"));
        if let Ok(id) = q.parse::<UserId>() {
            return Ok(Answer::See(format!("people/{id}")));
        }
        if q.parse::<SessionId>().is_ok() {
            return self.owner_of_session(&q).await;
        }
        if q.parse::<ConnectionId>().is_ok() {
            return self.owner_of_connection(&q).await;
        }
        let mut asked = query.only(&["q", "client_id", "cursor"]);
        let is_first = query.get("cursor").is_none();
        let (mut found, mut next) = self.find_users(&asked).await?;
        let (mut q_left, mut client_left) = (q.clone(), client_id.clone());
        if found.is_empty() && is_first && client_id.is_empty() && ClientId::new(&q).is_ok() {
            asked = encoded([("client_id", q.as_str())]);
            (found, next) = self.find_users(&asked).await?;
            if !found.is_empty() {
                (q_left, client_left) = (String::new(), q.clone());
            }
        }
        let pairs = [("q", q_left.as_str()), ("client_id", client_left.as_str())];
        let kept = encoded(pairs.into_iter().filter(|(_, value)| !value.is_empty()));
        let page = PeoplePage {
            f,
            notice: if query.get("done") == Some("unknown") { f.t.nothing_known } else { "" },
            people: found.iter().map(|user| PersonRow::of(f, user)).collect(),
            next: next.map(|next| f.link(&format!("people?{kept}&{}", encoded([("cursor", next.as_str())])))),
            q: long(&q_left),
            client_id: long(&client_left),
            is_first,
        };
        Answer::page(&page)
    }

    pub(super) async fn owner_of_connection(&self, id: &str) -> Result<Answer, Problem> {
        let id: ConnectionId = named(id)?;
        let connection = self.store.connection(id).await?.ok_or_else(Problem::not_found)?;
        Ok(Answer::See(format!("people/{}#{id}", connection.user)))
    }

    pub(super) async fn owner_of_session(&self, id: &str) -> Result<Answer, Problem> {
        let id: SessionId = named(id)?;
        let view = self.store.session(id).await?.ok_or_else(Problem::not_found)?;
        Ok(Answer::See(format!("people/{}#{id}", view.user.id)))
    }
}
