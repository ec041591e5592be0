//! `dcr users`, `connections`, `sessions`, `events`: who has access, and what happened.

use clap::Args;
use dcr_core::record::{Actor, EventKind, Reference};
use dcr_core::session::{Connection, Session, User};
use dcr_core::store::EventQuery;
use dcr_core::upstream::{Groups, Roles};
use dcr_core::{ClientId, Platform, Timestamp};
use serde::Serialize;

use super::terminal::{JsonList, Out, Table, count, short, shown};
use super::who::{PAGE, People, Who};
use super::{Database, Failure};

const WHO: &str = "An e-mail address, an object id, a user id (usr_…) or a client id";

#[derive(Args)]
pub(super) struct Users {
    #[arg(help = WHO)]
    who: Option<Who>,

    /// As a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Connections {
    #[arg(help = WHO)]
    who: Option<Who>,

    /// As a JSON array, with every client id
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Sessions {
    #[arg(
        help = "An e-mail address, an object id, a client id, or the id of a user (usr_…), connection (con_…) or session (ses_…)"
    )]
    who: Option<Who>,

    /// Also those that ended or lapsed, until they are swept
    #[arg(long)]
    all: bool,

    /// As a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Events {
    #[arg(help = WHO)]
    who: Option<Who>,

    /// Only from this time on, such as 2026-11-24T09:30:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,

    /// Only from before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,

    /// Only of this kind, such as refused, revoked or signed_in
    #[arg(long, value_parser = kind)]
    kind: Option<EventKind>,

    /// Only with exactly this reason
    #[arg(long)]
    reason: Option<String>,

    /// Only what they did: admin:usr_… (somebody in the console), admin_token, command (this one), host, engine, person, client
    #[arg(long, value_name = "WHO", value_parser = actor)]
    actor: Option<Actor>,

    /// Only of this platform
    #[arg(long)]
    platform: Option<String>,

    /// Only with exactly this client id
    #[arg(long, value_name = "ID", value_parser = client_id)]
    client_id: Option<ClientId>,

    /// Only the one with this reference, which a page showed
    #[arg(long)]
    reference: Option<Reference>,

    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
}

fn client_id(text: &str) -> Result<ClientId, dcr_core::ClientIdError> {
    ClientId::new(text)
}

fn actor(text: &str) -> Result<Actor, &'static str> {
    text.parse().map_err(
        |_| "nobody does anything by that name: admin:usr_…, admin_token, command, host, engine, person, client",
    )
}

fn kind(name: &str) -> Result<EventKind, &'static str> {
    EventKind::from_name(name).ok_or("no kind of event; `dcr events --limit 5` shows some")
}

#[derive(Serialize)]
struct UserRow {
    user_id: String,
    object_id: String,
    tenant: String,
    issuer: String,
    email: Option<String>,
    name: Option<String>,
    groups: Groups,
    roles: Roles,
}

impl Users {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        let store = &*database.store;
        let mut list = JsonList::default();
        let mut table = Table::new(["USER", "OBJECT ID", "E-MAIL", "NAME"]);
        let mut people = People::of(self.who.as_ref(), store).await?;
        while let Some(user) = people.next(store).await? {
            if self.json {
                let User { id, issuer, tenant, object_id, name, email, groups, roles } = user;
                let user_id = id.to_string();
                list.item(out, &UserRow { user_id, object_id, tenant, issuer, email, name, groups, roles })?;
            } else {
                let text = |text: &Option<String>| text.as_deref().map(shown).unwrap_or_default();
                let (email, name) = (text(&user.email), text(&user.name));
                table.row(out, [user.id.to_string(), shown(&user.object_id), email, name])?;
            }
        }
        if self.json { Ok(list.end(out)?) } else { ended(table, out, "nobody") }
    }
}

#[derive(Serialize)]
struct ConnectionRow<'a> {
    connection_id: String,
    user_id: String,
    email: Option<&'a str>,
    platform: String,
    software: String,
    created_at: String,
    last_sign_in_at: String,
    live_sessions: usize,
    client_ids: Vec<String>,
}

impl Connections {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        let store = &*database.store;
        let now = database.operator.now();
        let mut list = JsonList::default();
        let mut table = Table::new(["CONNECTION", "PLATFORM", "FIRST", "LAST SIGN-IN", "SESSIONS", "IDS", "PERSON"]);
        let mut people = People::of(self.who.as_ref(), store).await?;
        while let Some(user) = people.next(store).await? {
            let connections = store.connections_of(&user.id).await?;
            let only = self.who.as_ref().and_then(|who| who.client_id_of(&user));
            let meant = |connection: &Connection| only.as_ref().is_none_or(|id| connection.aliases.contains(id));
            for connection in connections.into_iter().filter(meant) {
                let sessions = store.sessions_of(connection.id).await?;
                let live = sessions.iter().filter(|session| session.is_alive(now)).count();
                if self.json {
                    list.item(out, &connection_row(&user, &connection, live))?;
                } else {
                    let row = [
                        connection.id.to_string(),
                        connection.platform.to_string(),
                        short(connection.created_at),
                        short(connection.last_sign_in_at),
                        live.to_string(),
                        connection.aliases.len().to_string(),
                        person(&user),
                    ];
                    table.row(out, row)?;
                }
            }
        }
        if self.json { Ok(list.end(out)?) } else { ended(table, out, "no connection") }
    }
}

fn connection_row<'a>(user: &'a User, connection: &Connection, live_sessions: usize) -> ConnectionRow<'a> {
    ConnectionRow {
        connection_id: connection.id.to_string(),
        user_id: user.id.to_string(),
        email: user.email.as_deref(),
        platform: connection.platform.to_string(),
        software: connection.software.to_string(),
        created_at: connection.created_at.to_string(),
        last_sign_in_at: connection.last_sign_in_at.to_string(),
        live_sessions,
        client_ids: connection.aliases.iter().map(ToString::to_string).collect(),
    }
}

#[derive(Serialize)]
struct SessionRow<'a> {
    session_id: String,
    connection_id: String,
    user_id: String,
    email: Option<&'a str>,
    client_id: &'a str,
    provenance: &'static str,
    platform: String,
    redirect_uri: &'a str,
    resource: &'a str,
    scope: String,
    state: &'static str,
    created_at: String,
    last_used_at: String,
    expires_at: String,
    refreshes: u32,
    ended_at: Option<String>,
    end_reason: Option<&'a str>,
}

impl Sessions {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        let store = &*database.store;
        let now = database.operator.now();
        let mut left_out = 0;
        let mut list = JsonList::default();
        let mut table = Table::new(["SESSION", "STATE", "PLATFORM", "BEGAN", "LAST USED", "PERSON", "CLIENT ID"]);
        let mut people = People::of(self.who.as_ref(), store).await?;
        while let Some(user) = people.next(store).await? {
            let only = self.who.as_ref().and_then(|who| who.client_id_of(&user));
            for session in self.of_person(database, &user).await? {
                if only.as_ref().is_some_and(|id| *id != session.client_id) {
                    continue;
                }
                if !self.all && !session.is_alive(now) {
                    left_out += 1;
                    continue;
                }
                if self.json {
                    list.item(out, &session_row(&user, &session, now))?;
                } else {
                    let row = [
                        session.id.to_string(),
                        state_and_reason(&session, now),
                        session.platform.to_string(),
                        short(session.created_at),
                        short(session.advanced_at),
                        person(&user),
                        session.client_id.to_string(),
                    ];
                    table.row(out, row)?;
                }
            }
        }
        if self.json {
            return Ok(list.end(out)?);
        }
        ended(table, out, "no live session")?;
        if left_out > 0 {
            out.line(format_args!("{} ended or lapsed: --all shows them", count(left_out, "session")))?;
        }
        Ok(())
    }

    /// A person's sessions, as far as they were asked for.
    async fn of_person(&self, database: &Database, user: &User) -> Result<Vec<Session>, Failure> {
        let store = &*database.store;
        Ok(match &self.who {
            Some(Who::Session(id)) => store.session(*id).await?.map(|view| view.session).into_iter().collect(),
            Some(Who::Connection(id)) => store.sessions_of(*id).await?,
            _ => {
                let mut sessions = Vec::new();
                for connection in store.connections_of(&user.id).await? {
                    sessions.extend(store.sessions_of(connection.id).await?);
                }
                sessions
            }
        })
    }
}

fn session_row<'a>(user: &'a User, session: &'a Session, now: Timestamp) -> SessionRow<'a> {
    SessionRow {
        session_id: session.id.to_string(),
        connection_id: session.connection.to_string(),
        user_id: session.user.to_string(),
        email: user.email.as_deref(),
        client_id: session.client_id.as_str(),
        provenance: session.provenance.as_str(),
        platform: session.platform.to_string(),
        redirect_uri: &session.redirect_uri,
        resource: &session.resource,
        scope: session.scope.to_string(),
        state: state(session, now),
        created_at: session.created_at.to_string(),
        last_used_at: session.advanced_at.to_string(),
        expires_at: session.expires_at.to_string(),
        refreshes: session.generation.get().saturating_sub(1),
        ended_at: session.ended.as_ref().map(|end| end.at.to_string()),
        end_reason: session.ended.as_ref().map(|end| end.reason.as_str()),
    }
}

fn state(session: &Session, now: Timestamp) -> &'static str {
    match &session.ended {
        Some(_) => "ended",
        None if session.is_alive(now) => "live",
        None => "lapsed",
    }
}

fn state_and_reason(session: &Session, now: Timestamp) -> String {
    match &session.ended {
        Some(end) => format!("ended ({})", shown(&end.reason)),
        None => state(session, now).to_owned(),
    }
}

impl Events {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        let store = &*database.store;
        let user = match &self.who {
            Some(Who::Session(_) | Who::Connection(_)) | None => None,
            // Also somebody who was only ever refused, or erased: no row is of them.
            Some(Who::User(id)) => Some(id.clone()),
            Some(who) => Some(who.person(store).await?.id),
        };
        let connection = match &self.who {
            Some(Who::Connection(id)) => Some(*id),
            _ => None,
        };
        let session = match &self.who {
            Some(Who::Session(id)) => Some(*id),
            _ => None,
        };
        let mut rest = self.limit.unwrap_or(u32::MAX);
        let mut query = EventQuery {
            user,
            session,
            connection,
            client_id: self.client_id.clone(),
            platform: self.platform.as_deref().map(Platform::named),
            kind: self.kind,
            reason: self.reason.clone(),
            actor: self.actor.clone(),
            reference: self.reference,
            since: self.since,
            until: self.until,
            before: None,
            limit: PAGE,
        };
        while rest > 0 {
            let page = store.events(&query).await?;
            for event in page.iter().take(rest as usize) {
                out.line(format_args!("{}", event.to_json()))?;
            }
            rest = rest.saturating_sub(PAGE);
            match page.last() {
                Some(last) if page.len() == PAGE as usize => query.before = Some((last.at, last.id)),
                _ => break,
            }
        }
        Ok(())
    }
}

/// A person in one cell.
fn person(user: &User) -> String {
    shown(user.email.as_deref().or(user.name.as_deref()).unwrap_or(user.id.as_str()))
}

fn ended<const N: usize>(table: Table<N>, out: &mut Out, nothing: &str) -> Result<(), Failure> {
    if !table.end(out)? {
        out.line(format_args!("{nothing} found"))?;
    }
    Ok(())
}
