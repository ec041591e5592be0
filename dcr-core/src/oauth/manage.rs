//! Client configuration (RFC 7592), if the operator wants it: a registration with an id of its own, which is a confidential
//! one, reads, changes and deletes itself. Public registrations that are alike share one id, so that none may change it.
//!
//! Rows come to be for what was changed or deleted only, and a bounded number of them in a minute: registering needs no
//! login, so that here, and nowhere else, somebody without one can cause a row (an exception to I-1, for who switches it
//! on). What was deleted stays dead (AD-8).

use std::sync::PoisonError;
use std::time::Duration;

use http::{HeaderMap, Method};
use serde::Deserialize;
use serde_json::Value;

use super::challenge::bearer_token;
use super::register::{ClientInformation, sealed};
use crate::client::{
    ClientId, RegistrationRequest, SealedClient, SealedId, StoredClient, StoredState, derive_client_secret,
    derive_registration_token,
};
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::http::Params;
use crate::record::{Actor, Event, EventKind};
use crate::seal::same_bytes;
use crate::store::{Ending, PutClient, Target};

/// The reason that is kept on sessions of a client that deleted itself.
const DELETED: &str = "client_deleted";
/// So many registrations change or delete themselves in a minute, at each server.
const CHANGES_A_MINUTE: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);
/// So often a deletion tries again when the row changes under it.
const TRIES: usize = 8;

/// How a request ends.
pub(crate) enum Managed {
    /// The registration as it is now.
    Registration(Box<ClientInformation>),
    /// It is deleted.
    Gone,
}

/// A registration whose token was presented.
struct Owned {
    id: ClientId,
    /// Of its row; 0 without one.
    version: u32,
    client: SealedClient,
}

/// What a change says beside the metadata (RFC 7592 section 2.2).
#[derive(Deserialize)]
struct Change {
    client_id: Option<Value>,
    client_secret: Option<Value>,
    registration_access_token: Option<Value>,
    registration_client_uri: Option<Value>,
    client_secret_expires_at: Option<Value>,
    client_id_issued_at: Option<Value>,
}

impl Inner {
    /// `GET`, `PUT` and `DELETE` of the registration that the query names.
    pub(crate) async fn manage(
        &self,
        method: &Method,
        headers: &HeaderMap,
        query: &Params,
        body: &[u8],
    ) -> Result<Managed, Refusal> {
        let owned = self.whose_registration(headers, query).await?;
        match *method {
            Method::PUT => self.change(owned, body).await,
            Method::DELETE => {
                self.may_write()?;
                self.delete(owned).await.map(|()| Managed::Gone)
            }
            _ => Ok(self.describe_registration(&owned.id, owned.version, &owned.client)),
        }
    }

    /// OP-1: an unknown client, a deleted one and a wrong token are answered alike. The token is bound to the id and to the
    /// version of its row, so that each change makes the one before it useless.
    async fn whose_registration(&self, headers: &HeaderMap, query: &Params) -> Result<Owned, Refusal> {
        let refused = || Refusal::from(Reason::RegistrationToken);
        let id = query.get("client_id").and_then(|id| ClientId::new(id).ok()).ok_or_else(refused)?;
        let token = bearer_token(headers).map_err(|_| refused())?;
        let SealedId::Genuine(client) = SealedId::open(&id, &self.ring) else { return Err(refused()) };
        if !client.auth_method.is_confidential() {
            return Err(refused());
        }
        // As of now: a token of some seconds ago may have been made useless since.
        let stored = self.store.client(&id).await?;
        let (version, client) = match stored.as_ref().map(|stored| (stored.version(), stored.state())) {
            None => (0, client),
            Some((version, StoredState::Changed(now))) => (version, now.clone()),
            Some((_, StoredState::Pinned(_) | StoredState::Deleted)) => return Err(refused()),
        };
        let want = derive_registration_token(&id, version, &self.ring).ok_or_else(refused)?;
        if !same_bytes(want.as_bytes(), token.as_bytes()) {
            return Err(refused());
        }
        Ok(Owned { id, version, client })
    }

    async fn change(&self, owned: Owned, body: &[u8]) -> Result<Managed, Refusal> {
        let wrong = |text: &str| Refusal::new(Reason::ClientMetadata, text);
        let malformed = |error: serde_json::Error| {
            wrong(&crate::text::bounded(&format!("the body is not client metadata: {error}"), 200))
        };
        let change: Change = serde_json::from_slice(body).map_err(malformed)?;
        if change.client_id.as_ref().and_then(Value::as_str) != Some(owned.id.as_str()) {
            return Err(wrong("client_id must be in the body, and the one of this registration"));
        }
        let ours = [
            &change.registration_access_token,
            &change.registration_client_uri,
            &change.client_secret_expires_at,
            &change.client_id_issued_at,
        ];
        if ours.iter().any(|member| member.is_some()) {
            return Err(wrong(
                "leave out what only this server says: registration_*, client_secret_expires_at, client_id_issued_at",
            ));
        }
        let secret = derive_client_secret(&owned.id, &self.ring);
        if let Some(presented) = &change.client_secret {
            let same = presented.as_str().zip(secret.as_ref());
            if !same.is_some_and(|(presented, secret)| same_bytes(presented.as_bytes(), secret.as_bytes())) {
                return Err(wrong("client_secret cannot be chosen"));
            }
        }
        let request: RegistrationRequest = serde_json::from_slice(body).map_err(malformed)?;
        let method = request.auth_method().map(str::to_owned);
        let mut registration = request
            .validate(|text| self.rules.registrable(text))
            .map_err(|(reason, detail)| Refusal::new(reason, detail))?;
        if method.is_some_and(|method| method != owned.client.auth_method.as_str()) {
            return Err(wrong("token_endpoint_auth_method cannot be changed: register anew"));
        }
        registration.auth_method = owned.client.auth_method;
        let now = sealed(&registration);
        self.may_write()?;
        let version = owned.version.checked_add(1).ok_or(Reason::Internal)?;
        let client = StoredClient::changed(owned.id.clone(), version, now.clone());
        if !self.put_registration(&client, owned.version, "changed").await? {
            // Somebody else has changed it meanwhile, and with that this token.
            return Err(Reason::RegistrationToken.into());
        }
        self.note_stored(&client);
        Ok(self.describe_registration(&owned.id, version, &now))
    }

    /// A block ends what is signed in and lets no callback through that is on its way; the row is what stays for ever.
    async fn delete(&self, owned: Owned) -> Result<(), Refusal> {
        let now = self.clock.now();
        let event = self.event(EventKind::Blocked, DELETED)?;
        let event = Event { client_id: Some(owned.id.clone()), actor: Actor::Client, ..event };
        let ended = self.store.block(Ending::of(Target::ClientId(owned.id.clone()), DELETED, now, event)).await?;
        self.liveness.note(&ended, now);
        let mut version = owned.version;
        for _ in 0..TRIES {
            let next = version.checked_add(1).ok_or(Reason::Internal)?;
            let client = StoredClient::deleted(owned.id.clone(), next);
            if self.put_registration(&client, version, "deleted").await? {
                self.note_stored(&client);
                return Ok(());
            }
            match self.store.client(&owned.id).await? {
                Some(row) if matches!(row.state(), StoredState::Deleted) => return Ok(()),
                // The operator pinned the id meanwhile.
                Some(row) if row.as_pinned().is_some() => return Err(Reason::RegistrationToken.into()),
                row => version = row.map_or(0, |row| row.version()),
            }
        }
        Err(Reason::StoreUnavailable.into())
    }

    /// Rows of changed and deleted registrations are the one thing that somebody can cause here without a login, where the
    /// operator switched this on; so there is a bound to how many come to be in a minute.
    fn may_write(&self) -> Result<(), Refusal> {
        let now = self.clock.now();
        let mut window = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, so_many) = *window;
        *window = if since <= now && now.since(since) < MINUTE { (since, so_many.saturating_add(1)) } else { (now, 1) };
        if window.1 > CHANGES_A_MINUTE { Err(Reason::RegistrationBusy.into()) } else { Ok(()) }
    }

    async fn put_registration(&self, client: &StoredClient, from: u32, reason: &str) -> Result<bool, Refusal> {
        let event = Event { client_id: Some(client.id().clone()), ..self.event(EventKind::ClientChanged, reason)? };
        let change = PutClient { client: client.clone(), instead_of: (from > 0).then_some(from), event };
        Ok(self.store.put_client(change).await?)
    }

    fn describe_registration(&self, id: &ClientId, version: u32, client: &SealedClient) -> Managed {
        let mut answer = self.registered(id, client, client.redirects.iter().map(|redirect| redirect.as_str()));
        self.add_management(&mut answer, id, version);
        Managed::Registration(Box::new(answer))
    }

    /// Where and with what a registration manages itself, if it may.
    pub(super) fn add_management(&self, answer: &mut ClientInformation, id: &ClientId, version: u32) {
        if let Some(token) = derive_registration_token(id, version, &self.ring).filter(|_| self.manages_registrations) {
            let query: String =
                url::form_urlencoded::Serializer::new(String::new()).append_pair("client_id", id.as_str()).finish();
            answer.registration_access_token = Some(token);
            answer.registration_client_uri = Some(format!("{}?{query}", self.endpoint("register")));
        }
    }
}
