//! What is asked: people, their connections and sessions, the record. What software there is, and what is blocked, is in
//! `lists`.

use std::str::FromStr;

use ::http::{HeaderValue, Response, StatusCode};
use bytes::Bytes;
use serde::Serialize;

use super::input::{Query, cursor, no_parameters};
use super::problem::Problem;
use super::route::Read;
use super::view::{ConnectionView, FunnelView, Page, ReferenceView, RequestView, SessionView, UserView, event};
use crate::client::Platform;
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::error::Refusal;
use crate::http::plain_response;
use crate::record::{Event, EventKind, RecentRefusal, Reference, Step};
use crate::session::{ConnectionId, EventId, SessionId, User, UserId};
use crate::store::{EventQuery, FunnelQuery, RequestQuery, RequestsOf, Target, UserMatch, UserQuery};

/// The description of the API (OpenAPI 3.1).
pub(super) const DESCRIPTION: &str = include_str!("openapi.json");

/// Where a page of a list that is ordered by time and id begins.
type AfterTimed = (i64, String);

pub(super) fn json(body: &impl Serialize) -> Result<Response<Bytes>, Problem> {
    let body = serde_json::to_vec(body).map_err(|_| Problem::from(crate::error::Reason::Internal))?;
    Ok(plain_response(StatusCode::OK, "application/json", body.into()))
}

/// The id in a path. One of another form is as good as unknown (OP-1).
pub(crate) fn named<T: FromStr>(id: &str) -> Result<T, Problem> {
    id.parse().map_err(|_| Problem::not_found())
}

/// A page of those of `all`, which are in order, that come after what the cursor says.
fn paged<T, K: Ord>(all: Vec<T>, after: Option<K>, limit: u32, key: impl Fn(&T) -> K) -> (Vec<T>, bool) {
    let mut rest: Vec<T> = all.into_iter().filter(|one| after.as_ref().is_none_or(|after| key(one) > *after)).collect();
    let more = rest.len() > limit as usize;
    rest.truncate(limit as usize);
    (rest, more)
}

/// What a reference was about.
pub(crate) enum WhatWas {
    /// On the record: refused after login.
    Event(Event),
    /// In memory: refused before login, by this process.
    Recent(RecentRefusal),
}

/// The same of what a store answered when it was asked for one more than fits.
pub(super) fn cut<T>(mut found: Vec<T>, limit: u32) -> (Vec<T>, bool) {
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    (found, more)
}

impl Inner {
    pub(super) async fn admin_read(&self, read: Read, id: &str, query: &str) -> Result<Response<Bytes>, Problem> {
        match read {
            Read::Description => {
                no_parameters(query)?;
                Ok(plain_response(StatusCode::OK, "application/json", Bytes::from_static(DESCRIPTION.as_bytes())))
            }
            Read::Users => {
                let (found, next) = self.find_users(query).await?;
                json(&Page { items: found.into_iter().map(|user| UserView::of(user, None)).collect(), next })
            }
            Read::User => {
                no_parameters(query)?;
                let user = self.user_of(&named(id)?).await?;
                let blocked = self.is_blocked(Target::User(user.id.clone())).await?;
                json(&UserView::of(user, Some(blocked)))
            }
            Read::ConnectionsOfUser => self.list_connections(&named(id)?, query).await,
            Read::Timeline => self.timeline(&named(id)?, query).await,
            Read::Connection => {
                no_parameters(query)?;
                let id: ConnectionId = named(id)?;
                let connection = self.store.connection(id).await?.ok_or_else(Problem::not_found)?;
                json(&ConnectionView::of(&connection, Some(self.is_blocked(Target::Connection(id)).await?)))
            }
            Read::SessionsOfConnection => self.list_sessions(named(id)?, query).await,
            Read::Session => {
                no_parameters(query)?;
                let id: SessionId = named(id)?;
                let view = self.store.session(id).await?.ok_or_else(Problem::not_found)?;
                json(&SessionView::of(&view.session, self.clock.now()))
            }
            Read::RequestsOfUser => self.list_requests(RequestsOf::User(named(id)?), query).await,
            Read::RequestsOfSession => self.list_requests(RequestsOf::Session(named(id)?), query).await,
            Read::ClientIds => self.list_client_ids(query).await,
            Read::Platforms => self.list_platforms(query).await,
            Read::Blocks => self.list_blocks(query).await,
            Read::Events => {
                let (found, next) = self.find_events(query, None).await?;
                json(&Page { items: found.iter().map(event).collect(), next })
            }
            Read::EventLines => self.event_lines(query).await,
            Read::Reference => self.what_was(&named(id)?, query).await,
            Read::Funnel => self.list_funnel(query).await,
        }
    }

    pub(crate) async fn is_blocked(&self, target: Target) -> Result<bool, Problem> {
        Ok(self.store.blocked(&[target]).await?.is_some())
    }

    pub(crate) async fn user_of(&self, id: &UserId) -> Result<User, Problem> {
        let query = UserQuery { matching: Some(UserMatch::Id(id.clone())), after: None, limit: 1 };
        self.store.users(&query).await?.pop().ok_or_else(Problem::not_found)
    }

    /// Everything that is asked for must fit. The store is asked for what finds the fewest.
    pub(crate) async fn find_users(&self, query: &str) -> Result<(Vec<User>, Option<String>), Problem> {
        let query = Query::read(query, &["q", "email", "object_id", "client_id", "cursor", "limit"])?;
        let mut wanted: Vec<UserMatch> = [
            query.client_id("client_id")?.map(UserMatch::ClientId),
            query.text("object_id")?.map(UserMatch::ObjectId),
            query.text("email")?.map(UserMatch::Email),
            query.text("q")?.map(UserMatch::Text),
        ]
        .into_iter()
        .flatten()
        .collect();
        let limit = query.limit()?;
        let after: Option<String> = query.cursor("users")?;
        let mut after = after.map(|id| id.parse::<UserId>().map_err(|_| Problem::cursor())).transpose()?;
        let matching = (!wanted.is_empty()).then(|| wanted.remove(0));
        let mut found = Vec::new();
        loop {
            let page = UserQuery { matching: matching.clone(), after: after.clone(), limit: limit + 1 };
            let page = self.store.users(&page).await?;
            let is_last = page.len() <= limit as usize;
            after = page.last().map(|user| user.id.clone());
            found.extend(page.into_iter().filter(|user| wanted.iter().all(|matching| matching.fits(user))));
            if is_last || found.len() > limit as usize {
                break;
            }
        }
        let (found, more) = cut(found, limit);
        let next = found.last().filter(|_| more).map(|user| cursor("users", &user.id.as_str()));
        Ok((found, next))
    }

    async fn list_connections(&self, user: &UserId, query: &str) -> Result<Response<Bytes>, Problem> {
        let query = Query::read(query, &["cursor", "limit"])?;
        let (limit, after): (u32, Option<AfterTimed>) = (query.limit()?, query.cursor("connections")?);
        self.user_of(user).await?;
        let key = |one: &crate::session::Connection| (one.created_at.unix_micros(), one.id.to_string());
        let (found, more) = paged(self.store.connections_of(user).await?, after, limit, key);
        let next = found.last().filter(|_| more).map(|last| cursor("connections", &key(last)));
        json(&Page { items: found.iter().map(|one| ConnectionView::of(one, None)).collect(), next })
    }

    async fn list_sessions(&self, connection: ConnectionId, query: &str) -> Result<Response<Bytes>, Problem> {
        let query = Query::read(query, &["cursor", "limit"])?;
        let (limit, after): (u32, Option<AfterTimed>) = (query.limit()?, query.cursor("sessions")?);
        self.store.connection(connection).await?.ok_or_else(Problem::not_found)?;
        let key = |one: &crate::session::Session| (one.created_at.unix_micros(), one.id.to_string());
        let (found, more) = paged(self.store.sessions_of(connection).await?, after, limit, key);
        let next = found.last().filter(|_| more).map(|last| cursor("sessions", &key(last)));
        let now = self.clock.now();
        json(&Page { items: found.iter().map(|one| SessionView::of(one, now)).collect(), next })
    }

    /// A person's events. Also of somebody who has no row: they were only ever refused, or are erased.
    async fn timeline(&self, user: &UserId, query: &str) -> Result<Response<Bytes>, Problem> {
        let (found, next) = self.find_events(query, Some(user)).await?;
        if found.is_empty() {
            self.user_of(user).await?;
        }
        json(&Page { items: found.iter().map(event).collect(), next })
    }

    /// Newest first. Of a session that is long gone, too, and of one that never was: nothing.
    async fn list_requests(&self, of: RequestsOf, query: &str) -> Result<Response<Bytes>, Problem> {
        let query = Query::read(query, &["cursor", "limit"])?;
        let (limit, before): (u32, Option<String>) = (query.limit()?, query.cursor("requests")?);
        let before = before.map(|id| id.parse().map_err(|_| Problem::cursor())).transpose()?;
        let found = self.store.requests(&RequestQuery { of, before, limit: limit + 1 }).await?;
        let (found, more) = cut(found, limit);
        let next = found.last().filter(|_| more).map(|last| cursor("requests", &last.id.to_string()));
        json(&Page { items: found.iter().map(RequestView::of).collect(), next })
    }

    /// Newest first.
    pub(crate) async fn find_events(
        &self,
        query: &str,
        of: Option<&UserId>,
    ) -> Result<(Vec<Event>, Option<String>), Problem> {
        const OF_ONE: &[&str] = &["kind", "since", "until", "cursor", "limit"];
        const ALL: &[&str] = &[
            "user_id",
            "session_id",
            "connection_id",
            "client_id",
            "platform",
            "kind",
            "reason",
            "actor",
            "reference",
            "since",
            "until",
            "cursor",
            "limit",
        ];
        let query = Query::read(query, if of.is_some() { OF_ONE } else { ALL })?;
        let limit = query.limit()?;
        let before = match query.cursor::<AfterTimed>("events")? {
            Some((at, id)) => {
                let id: EventId = id.parse().map_err(|_| Problem::cursor())?;
                Some((Timestamp::from_unix_micros(at), id))
            }
            None => None,
        };
        let found = EventQuery {
            user: of.cloned().or(query.parsed("user_id")?),
            session: query.parsed("session_id")?,
            connection: query.parsed("connection_id")?,
            client_id: query.client_id("client_id")?,
            platform: query.platform("platform")?,
            kind: query.named("kind", EventKind::from_name)?,
            reason: query.text("reason")?,
            actor: query.parsed("actor")?,
            reference: query.parsed("reference")?,
            since: query.since()?,
            until: query.until()?,
            before,
            limit: limit + 1,
        };
        let (found, more) = cut(self.store.events(&found).await?, limit);
        let next = found.last().filter(|_| more);
        let next = next.map(|last| cursor("events", &(last.at.unix_micros(), last.id.to_string())));
        Ok((found, next))
    }

    /// The same as JSON lines, as `dcr events` prints them; where the next page is says a header (RFC 8288).
    async fn event_lines(&self, query: &str) -> Result<Response<Bytes>, Problem> {
        let (found, next) = self.find_events(query, None).await?;
        let lines: String = found.iter().map(|event| event.to_json() + "\n").collect();
        let mut response = plain_response(StatusCode::OK, "application/jsonl", lines.into());
        if let Some(next) = next {
            let others = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
            let query: Vec<&str> = others.collect();
            let link = format!("<?{}>; rel=\"next\"", [query, vec![&format!("cursor={next}")]].concat().join("&"));
            // A query that was read is visible ASCII, or it has no next page to offer.
            if let Ok(link) = HeaderValue::try_from(link) {
                response.headers_mut().insert(::http::header::LINK, link);
            }
        }
        Ok(response)
    }

    /// What a page meant that showed this reference.
    async fn what_was(&self, reference: &Reference, query: &str) -> Result<Response<Bytes>, Problem> {
        no_parameters(query)?;
        match self.find_reference(*reference).await? {
            WhatWas::Event(found) => json(&ReferenceView::of_event(reference.to_string(), &found)),
            WhatWas::Recent(recent) => json(&ReferenceView::of_recent(recent)),
        }
    }

    pub(crate) async fn find_reference(&self, reference: Reference) -> Result<WhatWas, Problem> {
        let asked = EventQuery { reference: Some(reference), limit: 1, ..EventQuery::default() };
        match self.store.events(&asked).await?.pop() {
            Some(found) => Ok(WhatWas::Event(found)),
            None => self.recent.find(reference).map(WhatWas::Recent).ok_or_else(Problem::not_found),
        }
    }

    async fn list_funnel(&self, query: &str) -> Result<Response<Bytes>, Problem> {
        let query = Query::read(query, &["since", "until", "cursor", "limit"])?;
        let limit = query.limit()?;
        let after = match query.cursor::<(i64, String, String, String)>("funnel")? {
            Some((hour, platform, step, outcome)) => {
                let step = Step::from_name(&step).ok_or_else(Problem::cursor)?;
                Some((Timestamp::from_unix_micros(hour), Platform::named(&platform), step, outcome))
            }
            None => None,
        };
        // What this process has counted is among it; what others have, within a minute.
        self.flush_counts().await.map_err(|error| Problem::from(Refusal::from(error)))?;
        let asked = FunnelQuery { since: query.since()?, until: query.until()?, after, limit: limit + 1 };
        let (found, more) = cut(self.store.funnel(&asked).await?, limit);
        let next = found.last().filter(|_| more).map(|last| {
            let at = (last.hour.unix_micros(), last.platform.as_str(), last.step.as_str(), last.outcome.as_str());
            cursor("funnel", &at)
        });
        json(&Page { items: found.into_iter().map(FunnelView::of).collect(), next })
    }
}
