//! One's own connections: which apps have access in a person's name, since when, used when last; and their end.

use std::time::Duration;

use ::http::{Response, StatusCode};
use bytes::Bytes;

use super::{Place, WebPerson};
use crate::client::{ClientId, DocumentUrl, Provenance, RedirectClass, SealedId};
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::http::{Params, RedirectPlace, Responder};
use crate::pages::{ConnectedApp, ConnectionsPage};
use crate::record::{Actor, Event, EventKind};
use crate::session::{Connection, ConnectionId, Session};
use crate::store::{Ending, Target};

/// The reason on the record.
const DISCONNECTED: &str = "disconnected_by_person";
/// For so long the page says what was disconnected.
const SAID_FOR: Duration = Duration::from_secs(5 * 60);
/// The longest name of a pinned client that is shown.
const MAX_NAME: usize = 64;

impl Inner {
    /// The page itself, or what a form of it asks for.
    pub(super) async fn own_connections(
        &self,
        place: &Place,
        page: &str,
        person: &WebPerson,
        form: Option<&Params>,
        respond: &Responder<'_>,
    ) -> Result<Response<Bytes>, Refusal> {
        match (page, form) {
            ("", None) => self.connections_page(place, person, respond).await,
            ("disconnect", None) => Ok(respond.see_other(place.path(""))),
            ("disconnect", Some(form)) => {
                self.disconnect(person, form.get("connection").unwrap_or("")).await?;
                Ok(respond.see_other(place.path("")))
            }
            ("", Some(_)) => Err(Reason::MethodNotAllowed.into()),
            _ => Err(Reason::NotFound.into()),
        }
    }

    /// What it says that was disconnected is what the store says ended, not what an address claims.
    async fn connections_page(
        &self,
        place: &Place,
        person: &WebPerson,
        respond: &Responder<'_>,
    ) -> Result<Response<Bytes>, Refusal> {
        let now = self.clock.now();
        let (mut apps, mut disconnected) = (Vec::new(), Vec::new());
        for connection in self.store.connections_of(person.user()).await? {
            let sessions = self.store.sessions_of(connection.id).await?;
            let live = || sessions.iter().filter(|session| session.is_alive(now));
            let ended = || sessions.iter().filter(|session| was_just_disconnected(session, now));
            if live().next().is_some() {
                apps.push(self.connected_app(&connection, live()).await);
            }
            if ended().next().is_some() {
                disconnected.push(self.connected_app(&connection, ended()).await);
            }
        }
        apps.sort_by_key(|app| std::cmp::Reverse(app.last_used));
        let (brand, style) = self.look.shared();
        let page = ConnectionsPage {
            language: respond.language(),
            brand,
            style,
            person: person.shown().to_owned(),
            apps,
            disconnected,
            token: person.form_token().to_owned(),
            disconnect: place.path("disconnect"),
            sign_out: place.path("sign-out"),
        };
        let html = self.look.connections(&page).ok_or(Reason::Internal)?;
        Ok(respond.page(StatusCode::OK, html, "'self'"))
    }

    /// A connection by some of its sessions, of which there is at least one. Named as the consent page names it: by the
    /// redirect that the latest one had.
    async fn connected_app<'a>(
        &self,
        connection: &Connection,
        sessions: impl Iterator<Item = &'a Session> + Clone,
    ) -> ConnectedApp {
        let latest = sessions.clone().max_by_key(|session| session.created_at);
        let redirect = latest.map_or("", |session| session.redirect_uri.as_str());
        let platform = self.rules.platforms.label_of(redirect);
        let place = RedirectPlace::of(redirect);
        let class = match platform {
            Some(_) => RedirectClass::Platform,
            None if redirect.starts_with("http:") => RedirectClass::Loopback,
            None => RedirectClass::Other,
        };
        let name = match latest.filter(|session| session.provenance == Provenance::PreRegistered) {
            Some(session) => {
                self.pinned(&session.client_id).await.ok().flatten().and_then(|client| client.name.clone())
            }
            None => None,
        };
        let described = latest.filter(|session| session.provenance == Provenance::MetadataDocument);
        ConnectedApp {
            id: connection.id.to_string(),
            platform: platform.map(str::to_owned),
            class,
            scheme: place.scheme,
            redirect_host: place.host,
            calls_itself: latest.and_then(|session| self.claimed_name(&session.client_id)),
            document_host: described.and_then(|session| document_host(&session.client_id)),
            name: name.map(|name| crate::text::bounded(&name, MAX_NAME)).filter(|name| !name.is_empty()),
            since: connection.created_at,
            last_used: sessions.clone().map(|session| session.advanced_at).max().unwrap_or(connection.last_sign_in_at),
            sign_ins: sessions.count(),
        }
    }

    /// What a client that registered itself said of its name, without a look at the store.
    fn claimed_name(&self, id: &ClientId) -> Option<String> {
        let SealedId::Genuine(client) = SealedId::open(id, &self.ring) else { return None };
        client.name.map(|name| crate::text::bounded(&name, MAX_NAME)).filter(|name| !name.is_empty())
    }

    /// Ends one connection of this person, or all. Another's is as good as unknown (OP-1), and changes nothing.
    async fn disconnect(&self, person: &WebPerson, which: &str) -> Result<(), Refusal> {
        let user = person.user().clone();
        let event =
            Event { user: Some(user.clone()), actor: Actor::Person, ..self.event(EventKind::Revoked, DISCONNECTED)? };
        let (target, event) = match which {
            "all" => (Target::User(user), event),
            one => {
                let Ok(id) = one.parse::<ConnectionId>() else { return Err(Reason::NotFound.into()) };
                let own = self.store.connection(id).await?.filter(|connection| connection.user == user);
                let connection = own.ok_or(Reason::NotFound)?;
                let event = Event { connection: Some(id), platform: Some(connection.platform), ..event };
                (Target::Connection(id), event)
            }
        };
        let ended = self.store.revoke(Ending::of(target, DISCONNECTED, event.at, event)).await?;
        self.liveness.note(&ended, self.clock.now());
        tracing::info!(target: "dcr", step = "web", user = %person.user(), sessions = ended.len(), "disconnected");
        Ok(())
    }
}

/// Of an id that is the URL of a document.
fn document_host(id: &ClientId) -> Option<String> {
    DocumentUrl::parse(id).ok().map(|url| url.host().to_owned())
}

fn was_just_disconnected(session: &Session, now: Timestamp) -> bool {
    session.ended.as_ref().is_some_and(|end| end.reason == DISCONNECTED && now.since(end.at) < SAID_FOR)
}
