//! Introspection (RFC 7662): a resource server that the operator named sees every token, a confidential client its own.
//! Nobody else sees anything, and an inactive token is one member (TK-14).

use std::collections::HashMap;
use std::fmt;

use http::HeaderMap;
use serde_json::{Value, json};

use super::authenticate_client::{Authenticated, expected_of_pin};
use super::token::{check_form, required};
use crate::client::{ClientCredentials, ClientId, Expected, Presented, Provenance, basic_credentials};
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::http::Params;
use crate::limits::Asker;
use crate::seal::{same_bytes, sha256};
use crate::session::{AccessToken, Generation, GrantKind, GrantToken, Session, SessionId, UserId};
use crate::store::Target;

/// Resource servers that may introspect: id to hash of the secret.
#[derive(Default)]
pub(crate) struct ResourceServers(HashMap<String, [u8; 32]>);

impl ResourceServers {
    pub(crate) fn add(&mut self, id: String, secret: &str) {
        self.0.insert(id, sha256(secret.as_bytes()));
    }

    fn has(&self, headers: &HeaderMap) -> bool {
        basic_credentials(headers).is_some_and(|(id, secret)| {
            self.0.get(&id).is_some_and(|hash| same_bytes(hash, &sha256(secret.as_bytes())))
        })
    }
}

impl fmt::Debug for ResourceServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// Whose a token is.
struct Holder {
    user: UserId,
    client_id: ClientId,
    session: Option<SessionId>,
}

impl Holder {
    fn of(session: &Session) -> Self {
        Self { user: session.user.clone(), client_id: session.client_id.clone(), session: Some(session.id) }
    }
}

/// Whose tokens the caller may see.
enum Sight {
    Every,
    Of(ClientId),
}

impl Inner {
    /// `POST /oauth/introspect`.
    pub(crate) async fn introspect(
        &self,
        headers: &HeaderMap,
        form: &Params,
        asker: Asker<'_>,
    ) -> Result<Value, Refusal> {
        check_form(form)?;
        let (sight, authenticated) = self.sight(headers, form, asker).await?;
        let token = required(form, "token")?;
        let now = self.clock.now();
        let active = match AccessToken::verify(token, self.issuer.as_str(), None, now, &self.ring) {
            Ok(claims) => {
                let more = json!({
                    "aud": claims.resource, "jti": claims.token_id, "scope": claims.scope.to_string(),
                    "token_type": "Bearer", "iat": claims.issued_at.unix_seconds(), "exp": claims.expires_at.unix_seconds(),
                });
                let holder = match claims.subject.session() {
                    Some(session) => self
                        .live_session(session, now)
                        .await?
                        // Not another sign-in that a database knows by this id which was lost since.
                        .filter(|s| s.user == claims.user && Some(s.connection) == claims.subject.connection())
                        .map(|session| Holder::of(&session)),
                    None => self.live_machine(&claims.client_id).await?,
                };
                holder.map(|holder| (holder, more))
            }
            Err(_) => match GrantToken::open(token, GrantKind::Refresh, &self.ring) {
                Some(grant) => self
                    .live_session(grant.session, now)
                    .await?
                    .filter(|session| session.is_alive(now) && is_current(session, grant.generation))
                    .map(|session| {
                        let more = json!({
                            "aud": session.resource, "scope": session.scope.to_string(),
                            "iat": session.advanced_at.unix_seconds(), "exp": session.expires_at.unix_seconds(),
                        });
                        (Holder::of(&session), more)
                    }),
                None => None,
            },
        };
        let visible = active.filter(|(holder, _)| match &sight {
            Sight::Every => true,
            Sight::Of(client) => holder.client_id == *client,
        });
        match visible {
            None => Ok(json!({ "active": false })),
            Some((holder, more)) => {
                // Only where something is told for it: whoever has no token of ours makes no row (I-1).
                if let Some(authenticated) = &authenticated {
                    self.use_up(authenticated).await?;
                }
                Ok(self.describe(&holder, more))
            }
        }
    }

    async fn sight(
        &self,
        headers: &HeaderMap,
        form: &Params,
        asker: Asker<'_>,
    ) -> Result<(Sight, Option<Authenticated>), Refusal> {
        if self.resource_servers.has(headers) {
            return Ok((Sight::Every, None));
        }
        let client = ClientCredentials::read(headers, form)
            .map_err(|fault| Refusal::new(Reason::ClientAuthentication, fault.to_string()))?;
        let expected = match self.pinned(&client.id).await? {
            Some(pinned) => Some(expected_of_pin(&pinned)),
            None => self.expected_of(&client.id).await?,
        };
        let expected = match expected {
            Some(expected) if expected.provenance == Provenance::MetadataDocument => {
                self.described(&client, asker).await?
            }
            Some(expected) => expected,
            None => return Err(Reason::ClientAuthentication.into()),
        };
        if !expected.auth_method.is_confidential() {
            return Err(Reason::ClientAuthentication.into());
        }
        let authenticated = self.authenticate_client(&client, &expected).await?;
        self.meters.client(&client.id, self.clock.now())?;
        Ok((Sight::Of(client.id), Some(authenticated)))
    }

    /// A client whose keys its document names. Its host is asked only for one that signs, and is not blocked.
    async fn described(&self, client: &ClientCredentials, asker: Asker<'_>) -> Result<Expected, Refusal> {
        let signs = matches!(client.presented, Presented::Assertion(_));
        if !signs || self.store.blocked(&[Target::ClientId(client.id.clone())]).await?.is_some() {
            return Err(Reason::ClientAuthentication.into());
        }
        let document = self.documents.find(&client.id, None, self.clock.as_ref(), asker).await.map_err(|fault| {
            if fault.may_pass() { Reason::ClientKeysWithheld } else { Reason::ClientAuthentication }
        })?;
        Ok(Expected {
            provenance: Provenance::MetadataDocument,
            auth_method: document.auth_method,
            adopted_secret: None,
        })
    }

    async fn live_machine(&self, id: &ClientId) -> Result<Option<Holder>, Refusal> {
        match self.machine(id).await {
            Ok(user) => Ok(Some(Holder { user: user.id.clone(), client_id: id.clone(), session: None })),
            Err(refusal) if refusal.reason() == Reason::TokenRevoked => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    async fn live_session(&self, id: SessionId, now: Timestamp) -> Result<Option<Session>, Refusal> {
        let view = self.store.session(id).await?;
        Ok(view.map(|view| view.session).filter(|session| session.ended.is_none() && now < session.absolute_expires_at))
    }

    fn describe(&self, holder: &Holder, more: Value) -> Value {
        let mut answer = json!({
            "active": true,
            "iss": self.issuer.as_str(),
            "sub": holder.user.as_str(),
            "client_id": holder.client_id.as_str(),
        });
        if let Some(session) = holder.session {
            answer["sid"] = json!(session.to_string());
        }
        if let (Some(answer), Value::Object(more)) = (answer.as_object_mut(), more) {
            answer.extend(more);
        }
        answer
    }
}

fn is_current(session: &Session, generation: Generation) -> bool {
    session.generation == generation && session.generation != Generation::CODE
}
