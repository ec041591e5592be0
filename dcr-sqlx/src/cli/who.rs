//! How a command is told whom it is about.

use std::convert::Infallible;
use std::str::FromStr;

use dcr_core::ClientId;
use dcr_core::session::{ConnectionId, SessionId, User, UserId};
use dcr_core::store::{Store, UserMatch, UserQuery};

use super::Failure;
use super::terminal::shown;

/// The page of a listing: the largest that stores give.
pub(super) const PAGE: u32 = 1_000;

/// An e-mail address, a user id, a connection id, a session id; else an object id or a client id, whichever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    Email(String),
    User(UserId),
    Connection(ConnectionId),
    Session(SessionId),
    ObjectOrClient(String),
}

impl FromStr for Who {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        if let Ok(id) = text.parse() {
            return Ok(Self::User(id));
        }
        if let Ok(id) = text.parse() {
            return Ok(Self::Connection(id));
        }
        if let Ok(id) = text.parse() {
            return Ok(Self::Session(id));
        }
        // The URL of a metadata document is a client id, whatever is in it.
        let email = text.contains('@') && !text.contains(':');
        Ok(if email { Self::Email(text.to_owned()) } else { Self::ObjectOrClient(text.to_owned()) })
    }
}

impl Who {
    /// The client id that it may be.
    fn client_id(&self) -> Option<ClientId> {
        match self {
            Self::ObjectOrClient(text) => ClientId::new(text.as_str()).ok(),
            _ => None,
        }
    }

    /// The people that it may mean, each once.
    pub(super) async fn people<S: Store + ?Sized>(&self, store: &S) -> Result<Vec<User>, Failure> {
        let matches = match self {
            Self::Email(email) => vec![UserMatch::Email(email.clone())],
            Self::User(id) => vec![UserMatch::Id(id.clone())],
            Self::Connection(id) => {
                let session = store.sessions_of(*id).await?.into_iter().next();
                session.map(|session| UserMatch::Id(session.user)).into_iter().collect()
            }
            Self::Session(id) => {
                let session = store.session(*id).await?;
                session.map(|view| UserMatch::Id(view.user.id)).into_iter().collect()
            }
            Self::ObjectOrClient(text) => {
                let client = self.client_id().map(UserMatch::ClientId);
                // Entra ID writes object ids in lower case; people copy them as they come.
                let lower = text.to_ascii_lowercase();
                let other = (lower != *text).then_some(UserMatch::ObjectId(lower));
                [Some(UserMatch::ObjectId(text.clone())), other, client].into_iter().flatten().collect()
            }
        };
        let mut people: Vec<User> = Vec::new();
        for matching in matches {
            let mut pages = People::matching(Some(matching));
            while let Some(user) = pages.next(store).await? {
                if people.iter().all(|known| known.id != user.id) {
                    people.push(user);
                }
            }
        }
        Ok(people)
    }

    /// The client id by which a person was found, if it was not by something else: other apps of theirs are not meant.
    pub(super) fn client_id_of(&self, user: &User) -> Option<ClientId> {
        self.client_id().filter(|id| !user.object_id.eq_ignore_ascii_case(id.as_str()))
    }

    /// The one person that it means.
    pub(super) async fn person<S: Store + ?Sized>(&self, store: &S) -> Result<User, Failure> {
        let mut people = self.people(store).await?;
        match (people.pop(), people.is_empty()) {
            (None, _) => Err(Failure::Failed("nobody here is known by that".to_owned())),
            (Some(user), true) => Ok(user),
            (Some(last), false) => {
                people.push(last);
                let names: Vec<String> = people.iter().take(10).map(|user| format!("\n  {}", named(user))).collect();
                Err(Failure::Usage(format!("that may be {} people; name one by id:{}", people.len(), names.concat())))
            }
        }
    }
}

/// A person as a line shows them.
pub(super) fn named(user: &User) -> String {
    let parts = [Some(user.id.to_string()), user.email.as_deref().map(shown), user.name.as_deref().map(shown)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// People, read page by page.
pub(super) struct People {
    page: std::vec::IntoIter<User>,
    /// How the next page is asked for, if there may be one.
    next: Option<UserQuery>,
}

impl People {
    /// Those who are meant; everybody, if nobody is named.
    pub(super) async fn of<S: Store + ?Sized>(who: Option<&Who>, store: &S) -> Result<Self, Failure> {
        Ok(match who {
            Some(who) => Self { page: who.people(store).await?.into_iter(), next: None },
            None => Self::matching(None),
        })
    }

    fn matching(matching: Option<UserMatch>) -> Self {
        Self { page: Vec::new().into_iter(), next: Some(UserQuery { matching, after: None, limit: PAGE }) }
    }

    pub(super) async fn next<S: Store + ?Sized>(&mut self, store: &S) -> Result<Option<User>, Failure> {
        loop {
            if let Some(user) = self.page.next() {
                return Ok(Some(user));
            }
            let Some(query) = self.next.take() else { return Ok(None) };
            let page = store.users(&query).await?;
            if page.len() == PAGE as usize {
                self.next = Some(UserQuery { after: page.last().map(|user| user.id.clone()), ..query });
            }
            self.page = page.into_iter();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_told_by_its_form() {
        let parse = |text: &str| text.parse::<Who>().unwrap();
        assert_eq!(parse("ada@dev.example"), Who::Email("ada@dev.example".to_owned()));
        let user = UserId::derive("i", "t", "o");
        assert_eq!(parse(user.as_str()), Who::User(user.clone()));
        let connection = ConnectionId::from_bytes([1; 16]);
        assert_eq!(parse(&connection.to_string()), Who::Connection(connection));
        let session = SessionId::from_bytes([1; 16]);
        assert_eq!(parse(&session.to_string()), Who::Session(session));
        for text in ["0c4f7a52-91d3-4b6e-a8f0-2d5e7c9b1a34", "dcr_4f1c", "https://a@b.example/client"] {
            assert_eq!(parse(text), Who::ObjectOrClient(text.to_owned()));
        }
    }
}
