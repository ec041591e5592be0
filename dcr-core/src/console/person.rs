//! One person: what has access for them, what ended it, and what happened.

use askama::Template;

use super::Answer;
use super::events::EventRow;
use super::frame::{Frame, When, count, long, name};
use super::people::called;
use super::query::{Given, encoded};
use crate::admin::{Problem, named};
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::record::{Event, EventKind};
use crate::session::{Connection, Session, User, UserId};
use crate::store::{EventQuery, Target};
use crate::upstream::Groups;

/// Of each connection so many sessions are shown that are over; those that live are all shown.
const OVER: usize = 5;
/// So many events are shown; the rest is one link away.
const EVENTS: u32 = 30;
/// So many groups and roles are shown.
const LABELS: usize = 40;

#[derive(Template)]
#[template(path = "console/person.html")]
struct PersonPage<'a> {
    f: &'a Frame,
    notice: &'static str,
    called: String,
    action: String,
    user_id: String,
    email: String,
    issuer: String,
    tenant: String,
    object_id: String,
    groups: Vec<String>,
    roles: Vec<String>,
    blocked: bool,
    live: usize,
    access: String,
    proof: Option<Proof>,
    connections: Vec<ConnectionPart>,
    events: Vec<EventRow>,
    /// Where the history of requests is, if one is kept.
    requests: Option<String>,
    all_events: String,
    confirm: String,
}

/// That an operator ended this person's sessions: from the record and the rows, not from what a link says.
struct Proof {
    words: String,
    at: When,
    by: String,
    reason: String,
    event: String,
    sessions: Vec<String>,
}

struct ConnectionPart {
    id: String,
    platform: String,
    software: String,
    since: When,
    last: When,
    blocked: bool,
    live: usize,
    client_ids: Vec<(String, String)>,
    sessions: Vec<SessionRow>,
    older: usize,
}

struct SessionRow {
    id: String,
    state: &'static str,
    is_live: bool,
    client_id: String,
    resource: String,
    scope: String,
    refreshes: String,
    created: When,
    last: When,
    ends: When,
    reason: String,
}

impl SessionRow {
    fn of(f: &Frame, session: &Session) -> Self {
        let is_live = session.is_alive(f.now.0);
        Self {
            id: session.id.to_string(),
            state: match &session.ended {
                Some(_) => f.t.ended,
                None if is_live => f.t.live,
                None => f.t.lapsed,
            },
            is_live,
            client_id: long(session.client_id.as_str()),
            resource: long(&session.resource),
            scope: name(&session.scope.to_string()),
            refreshes: count(session.generation.get().saturating_sub(1).into()),
            created: When(session.created_at),
            last: When(session.advanced_at),
            ends: When(session.ended.as_ref().map_or(session.expires_at, |end| end.at)),
            reason: session.ended.as_ref().map(|end| name(&end.reason)).unwrap_or_default(),
        }
    }
}

/// What a person must be typed as to be erased: the address, else the object id.
pub(super) fn confirmation(user: &User) -> String {
    user.email.as_deref().map(name).filter(|email| !email.is_empty()).unwrap_or_else(|| long(&user.object_id))
}

impl Inner {
    pub(super) async fn person_page(&self, f: &Frame, id: &str, query: &Given) -> Result<Answer, Problem> {
        let id: UserId = named(id)?;
        let user = self.user_of(&id).await?;
        let blocked = self.is_blocked(Target::User(id.clone())).await?;
        let connections = self.store.connections_of(&id).await?;
        let targets: Vec<Target> = connections.iter().map(|connection| Target::Connection(connection.id)).collect();
        // One question for most people: that none of them is blocked.
        let any_blocked = !targets.is_empty() && self.store.blocked(&targets).await?.is_some();
        let mut parts = Vec::with_capacity(connections.len());
        let mut sessions = Vec::new();
        for connection in connections.iter().rev() {
            let own = self.store.sessions_of(connection.id).await?;
            let blocked = any_blocked && self.is_blocked(Target::Connection(connection.id)).await?;
            parts.push(self.connection_part(f, connection, &own, blocked));
            sessions.extend(own);
        }
        let asked = EventQuery { user: Some(id.clone()), limit: EVENTS, ..EventQuery::default() };
        let events = self.store.events(&asked).await?;
        let live = sessions.iter().filter(|session| session.is_alive(f.now.0)).count();
        let page = PersonPage {
            f,
            notice: notice(f, query.get("done"), live),
            called: called(&user),
            action: f.link(&format!("people/{id}")),
            user_id: id.to_string(),
            email: name(user.email.as_deref().unwrap_or_default()),
            issuer: long(&user.issuer),
            tenant: long(&user.tenant),
            object_id: long(&user.object_id),
            groups: groups(f, &user.groups),
            roles: user.roles.iter().take(LABELS).map(name).collect(),
            blocked,
            live,
            access: if live == 0 {
                f.t.no_live_session.to_owned()
            } else {
                let with_some = parts.iter().filter(|part| part.live > 0).count();
                (f.t.live_sessions)(&count(live as u64), &count(with_some as u64))
            },
            proof: proof(f, &events, &sessions),
            connections: parts,
            events: events.iter().map(|event| self.event_row(f, event).without_user()).collect(),
            requests: self.history.keep().map(|_| f.link(&format!("people/{id}/requests"))),
            all_events: f.link(&format!("events?{}", encoded([("user_id", id.as_str())]))),
            confirm: confirmation(&user),
        };
        Answer::page(&page)
    }

    fn connection_part(
        &self,
        f: &Frame,
        connection: &Connection,
        sessions: &[Session],
        blocked: bool,
    ) -> ConnectionPart {
        let (mut live, mut over): (Vec<&Session>, Vec<&Session>) =
            sessions.iter().partition(|session| session.is_alive(f.now.0));
        live.sort_by_key(|session| std::cmp::Reverse(session.advanced_at));
        over.sort_by_key(|session| std::cmp::Reverse(session.ended.as_ref().map_or(session.expires_at, |end| end.at)));
        let client_id = |id: &crate::client::ClientId| {
            let query = encoded([("client_id", id.as_str())]);
            (f.link(&format!("clients?{query}")), long(id.as_str()))
        };
        ConnectionPart {
            id: connection.id.to_string(),
            platform: self.platform_label(f.t, &connection.platform),
            software: long(&connection.software.to_string()),
            since: When(connection.created_at),
            last: When(last_use(connection, sessions)),
            blocked,
            live: live.len(),
            client_ids: connection.aliases.iter().map(client_id).collect(),
            older: over.len().saturating_sub(OVER),
            sessions: live.iter().chain(over.iter().take(OVER)).map(|session| SessionRow::of(f, session)).collect(),
        }
    }
}

/// None where the provider said nothing of them.
fn groups(f: &Frame, groups: &Groups) -> Vec<String> {
    match groups {
        Groups::Unsaid => Vec::new(),
        Groups::Listed(names) => names.iter().take(LABELS).map(|group| name(group)).collect(),
        Groups::TooMany => vec![f.t.too_many_groups.to_owned()],
    }
}

/// When a connection was last seen to be used: a sign-in, or a token.
fn last_use(connection: &Connection, sessions: &[Session]) -> Timestamp {
    sessions.iter().map(|session| session.advanced_at).fold(connection.last_sign_in_at, Timestamp::max)
}

/// What was done, by a code: a link can bring no other words, and none of these says what is not so.
fn notice(f: &Frame, done: Option<&str>, live: usize) -> &'static str {
    match done {
        Some("ended") if live == 0 => f.t.all_ended,
        Some("ended") => f.t.some_ended,
        Some("blocked") => f.t.block_requested,
        Some("unblocked") => f.t.unblock_requested,
        Some("confirm") => f.t.not_confirmed,
        _ => "",
    }
}

/// The last time that an operator ended all that this person had, and which of the sessions that are here ended then.
fn proof(f: &Frame, events: &[Event], sessions: &[Session]) -> Option<Proof> {
    let of_all = |event: &&Event| {
        matches!(event.kind, EventKind::Revoked | EventKind::Blocked)
            && event.session.is_none()
            && event.connection.is_none()
            && event.client_id.is_none()
    };
    let event = events.iter().find(of_all)?;
    let ended: Vec<&Session> =
        sessions.iter().filter(|session| session.ended.as_ref().is_some_and(|end| end.at == event.at)).collect();
    // What had lapsed by itself ends too, so that nothing brings it back; it had no access before.
    let live = ended.iter().filter(|session| event.at < session.expires_at).count();
    Some(Proof {
        words: (f.t.proof)(&count(ended.len() as u64), &count(live as u64)),
        at: When(event.at),
        by: event.actor.to_string(),
        reason: name(&event.reason),
        event: event.id.to_string(),
        sessions: ended.iter().map(|session| session.id.to_string()).collect(),
    })
}
