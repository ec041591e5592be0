//! Introspection (RFC 7662): a resource server that the operator named sees every token, a confidential client its own.
//! Nobody else sees anything, and an inactive token is one member (TK-14).

use std::collections::HashMap;
use std::fmt;

use http::HeaderMap;
use serde_json::{Value, json};

use super::token::{check_form, required};
use crate::client::{ClientCredentials, ClientId, basic_credentials};
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::http::Params;
use crate::seal::{same_bytes, sha256};
use crate::session::{AccessToken, Generation, GrantKind, GrantToken, Session};

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

/// Whose tokens the caller may see.
enum Sight {
    Every,
    Of(ClientId),
}

impl Inner {
    /// `POST /oauth/introspect`.
    pub(crate) async fn introspect(&self, headers: &HeaderMap, form: &Params) -> Result<Value, Refusal> {
        check_form(form)?;
        let sight = self.sight(headers, form)?;
        let token = required(form, "token")?;
        let now = self.clock.now();
        let active = match AccessToken::verify(token, self.issuer.as_str(), None, now, &self.ring) {
            Ok(claims) => self.live_session(claims.session, now).await?.map(|session| {
                let more = json!({
                    "aud": claims.resource, "jti": claims.token_id, "scope": claims.scope.to_string(),
                    "token_type": "Bearer", "iat": claims.issued_at.unix_seconds(), "exp": claims.expires_at.unix_seconds(),
                });
                (session, more)
            }),
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
                        (session, more)
                    }),
                None => None,
            },
        };
        let visible = active.filter(|(session, _)| match &sight {
            Sight::Every => true,
            Sight::Of(client) => session.client_id == *client,
        });
        Ok(visible.map_or_else(|| json!({ "active": false }), |(session, more)| self.describe(&session, more)))
    }

    fn sight(&self, headers: &HeaderMap, form: &Params) -> Result<Sight, Refusal> {
        if self.resource_servers.has(headers) {
            return Ok(Sight::Every);
        }
        let client = ClientCredentials::read(headers, form)
            .map_err(|fault| Refusal::new(Reason::ClientAuthentication, fault.to_string()))?;
        if self.rules.authenticates_confidential(&self.ring, &client) {
            Ok(Sight::Of(client.id))
        } else {
            Err(Reason::ClientAuthentication.into())
        }
    }

    async fn live_session(&self, id: crate::session::SessionId, now: Timestamp) -> Result<Option<Session>, Refusal> {
        let view = self.store.session(id).await?;
        Ok(view.map(|view| view.session).filter(|session| session.ended.is_none() && now < session.absolute_expires_at))
    }

    fn describe(&self, session: &Session, more: Value) -> Value {
        let mut answer = json!({
            "active": true,
            "iss": self.issuer.as_str(),
            "sub": session.user.as_str(),
            "client_id": session.client_id.as_str(),
            "sid": session.id.to_string(),
        });
        if let (Some(answer), Value::Object(more)) = (answer.as_object_mut(), more) {
            answer.extend(more);
        }
        answer
    }
}

fn is_current(session: &Session, generation: Generation) -> bool {
    session.generation == generation && session.generation != Generation::CODE
}
