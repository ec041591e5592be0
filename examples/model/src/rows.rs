//! Every row against the model: who has which connections, with which ids and sessions, and in which state each is.

use std::collections::BTreeMap;

use dcr_core::store::{Store, StoreError, Target as Real, UserQuery};
use dcr_core::{AuthMethod, Timestamp};

use crate::model::{self, Model, Provenance};
use crate::moves::{Client, Person, Target};
use crate::world::{World, platform, resource_uri, user_id};

/// What does not agree, in words.
pub(crate) type Difference = String;

macro_rules! same {
    ($what:expr, $row:expr, $model:expr) => {
        match (&$row, &$model) {
            (row, model) if row != model => {
                return Err(format!("{}: the row says {row:?}, the model {model:?}", $what));
            }
            _ => {}
        }
    };
}

impl World {
    /// Compares every row with the model, and learns which ids the new ones have; or only how many rows there are.
    pub(crate) async fn compare(&mut self, model: &Model, all: bool) -> Result<(), Difference> {
        let store = std::sync::Arc::clone(self.store.0.real());
        let fault = |error: StoreError| format!("the store: {error}");
        let counts = store.counts().await.map_err(fault)?;
        let rows = &model.rows;
        same!("users", counts.users as usize, rows.people.len());
        same!("connections", counts.connections as usize, rows.connections.len());
        same!("aliases", counts.aliases as usize, rows.connections.values().map(Vec::len).sum::<usize>());
        same!("blocks", counts.blocks as usize, rows.blocks.len());
        same!("other rows", (counts.imported_clients, counts.clients, counts.used_up), (0, 0, 0));
        same!("upstream tokens", counts.upstream_tokens, 0);
        if !all {
            self.counts = counts;
            return Ok(());
        }
        for block in &rows.blocks {
            let target = match *block {
                Target::Person(person) => Real::User(user_id(person)),
                Target::Connection(person, software) => Real::Connection(self.connections[&(person, software)]),
                Target::Client(client) => match dcr_core::ClientId::new(self.id(client)) {
                    Ok(id) => Real::ClientId(id),
                    Err(_) => continue,
                },
                Target::Platform(name) => Real::Platform(platform(name)),
            };
            same!(format!("the block of {block:?}"), store.blocked(&[target]).await.map_err(fault)?.is_some(), true);
        }
        let users = store.users(&UserQuery { limit: 1_000, ..UserQuery::default() }).await.map_err(fault)?;
        for person in &rows.people {
            same!(format!("{person:?}"), users.iter().filter(|user| user.id == user_id(*person)).count(), 1);
        }
        let mut long_over = 0;
        for person in &rows.people {
            long_over += self.compare_person(store.as_ref(), model, *person).await?;
        }
        let kept = rows.sessions.values().filter(|session| !session.is_long_over(model.now)).count();
        same!("sessions", counts.sessions as usize, kept + long_over);
        self.counts = counts;
        Ok(())
    }

    /// Answers how many sessions are there that might have been swept.
    async fn compare_person(&mut self, store: &dyn Store, model: &Model, person: Person) -> Result<usize, Difference> {
        let fault = |error: StoreError| format!("the store: {error}");
        let by_time: BTreeMap<Timestamp, u32> =
            model.rows.sessions.iter().map(|(id, session)| (Self::at(session.created), *id)).collect();
        let mut long_over = 0;
        let mut softwares = std::collections::BTreeSet::new();
        for connection in store.connections_of(&user_id(person)).await.map_err(fault)? {
            let sessions = store.sessions_of(connection.id).await.map_err(fault)?;
            let known = self.connections.iter().find(|(_, id)| **id == connection.id).map(|(key, _)| *key);
            let first = sessions.iter().find_map(|session| by_time.get(&session.created_at));
            let of_session = first.map(|id| (person, model.rows.sessions[id].software));
            let Some(key) = known.or(of_session) else {
                return Err(format!("a connection of {person:?} that nobody opened: {connection:?}"));
            };
            self.connections.insert(key, connection.id);
            same!("one connection for each software (I-16)", softwares.insert(key), true);
            let Some(aliases) = model.rows.connections.get(&key) else {
                return Err(format!("{key:?} has a row and should not"));
            };
            let aliases: Vec<_> = aliases.iter().map(|(client, _)| self.id(*client)).collect();
            same!(
                format!("aliases of {key:?}"),
                connection.aliases.iter().map(|a| a.to_string()).collect::<Vec<_>>(),
                aliases
            );
            for row in &sessions {
                let Some((id, session)) =
                    by_time.get(&row.created_at).and_then(|id| Some((*id, model.rows.sessions.get(id)?)))
                else {
                    // It is gone in the model: an operator swept.
                    return Err(format!("a session of {person:?} that should not be there: {row:?}"));
                };
                same!(format!("the software of session {id}"), key, (session.person, session.software));
                if session.is_long_over(model.now) {
                    long_over += 1;
                    continue;
                }
                self.compare_session(id, row, session)?;
            }
        }
        Ok(long_over)
    }

    fn compare_session(
        &mut self,
        id: u32,
        row: &dcr_core::session::Session,
        session: &model::Session,
    ) -> Result<(), Difference> {
        let of = |what: &str| format!("{what} of session {id}");
        same!(of("the id"), *self.sessions.entry(id).or_insert(row.id), row.id);
        same!(of("the user"), row.user, user_id(session.person));
        same!(of("the client id"), row.client_id.as_str(), self.id(session.page.client).as_str());
        same!(of("the redirect URI"), row.redirect_uri.as_str(), session.page.redirect.uri());
        same!(of("the platform"), row.platform, platform(session.page.redirect.platform()));
        same!(of("the resource"), row.resource.as_str(), resource_uri(session.page.resource()));
        same!(of("the scope"), row.scope.to_string(), session.page.scope().join(" "));
        same!(of("the generation"), row.generation.get(), session.generation);
        let provenance = match session.page.provenance {
            Provenance::Pinned => dcr_core::Provenance::PreRegistered,
            Provenance::Sealed => dcr_core::Provenance::Sealed,
            Provenance::Adopted => dcr_core::Provenance::Adopted,
        };
        same!(of("the provenance"), row.provenance, provenance);
        let method = match (session.page.provenance, session.page.client) {
            (Provenance::Sealed, Client::Sealed(app, ..)) if app.has_secret() => AuthMethod::ClientSecretPost,
            _ => AuthMethod::None,
        };
        same!(of("the authentication method"), row.auth_method, method);
        same!(of("whether a secret is remembered"), row.adopted_secret.is_some(), session.secret.is_some());
        same!(of("the time of the redemption"), row.redeemed_at, session.redeemed.map(Self::at));
        same!(of("the time of the last step"), row.advanced_at, Self::at(session.advanced));
        same!(of("the expiry"), row.expires_at, Self::at(session.expires));
        same!(of("the absolute expiry"), row.absolute_expires_at, Self::at(session.absolute));
        let ended = row.ended.as_ref().map(|end| (end.at, end.reason.as_str()));
        same!(of("the end"), ended, session.ended.map(|(at, why, _)| (Self::at(at), why)));
        Ok(())
    }
}
