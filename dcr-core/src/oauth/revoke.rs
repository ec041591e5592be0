//! Revocation (RFC 7009), for public and confidential clients. Any token of a session ends the session.

use http::HeaderMap;

use super::token::{about, check_form, required};
use crate::client::{ClientCredentials, Expected};
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::http::Params;
use crate::record::{Actor, Event, EventKind};
use crate::session::{AccessToken, Generation, GrantKind, GrantToken, SessionId};
use crate::store::{Ending, Target};

/// The reason that is kept on the session.
const REASON: &str = "revoked_by_client";

impl Inner {
    /// `POST /oauth/revoke`. An unknown token, and one of another client, is answered like a revoked one (TK-13).
    pub(crate) async fn revoke(&self, headers: &HeaderMap, form: &Params) -> Result<(), Refusal> {
        check_form(form)?;
        let client = ClientCredentials::read(headers, form)?;
        let token = required(form, "token")?;
        if self.is_machine_token(token) {
            return Err(Reason::RevocationUnsupported.into());
        }
        let named = self.session_of(token);
        let session = match named {
            Some(id) => self.store.session(id).await?.map(|view| view.session),
            None => None,
        };
        let Some(session) = session.filter(|session| session.client_id == client.id) else {
            return self.nothing_to_revoke(&client, named.is_some()).await;
        };
        let expected = Expected {
            provenance: session.provenance,
            auth_method: session.auth_method,
            // Before the code is redeemed, and in a row that went back in time to there, none is known.
            adopted_secret: (session.generation != Generation::CODE).then_some(session.adopted_secret),
        };
        let authenticated = self.authenticate_client(&client, &expected).await?;
        if session.ended.is_none() {
            self.use_up(&authenticated).await?;
        }
        let now = self.clock.now();
        let event = about(self.event(EventKind::Revoked, REASON)?, &session);
        let event = Event { actor: Actor::Client, ..event };
        let ended = self.store.revoke(Ending::of(Target::Session(session.id), REASON, now, event)).await?;
        self.liveness.note(&ended, now);
        Ok(())
    }

    /// A token that is dead, unknown or another client's. A client that can authenticate must; one that nothing but
    /// adoption could resolve is told so only if the token is not one of ours either.
    async fn nothing_to_revoke(&self, client: &ClientCredentials, ours: bool) -> Result<(), Refusal> {
        match self.expected_of(&client.id).await? {
            Some(expected) if self.could_be(client, &expected).await? => Ok(()),
            Some(_) => Err(Reason::ClientAuthentication.into()),
            None if ours || self.is_imported(&client.id).await? => Ok(()),
            None => Err(Reason::ClientUnknown.into()),
        }
    }

    /// The session that a token of any kind names, if its MAC or signature is good; an access token may have lapsed.
    fn session_of(&self, token: &str) -> Option<SessionId> {
        let grant = |kind| GrantToken::open(token, kind, &self.ring).map(|grant| grant.session);
        grant(GrantKind::Refresh)
            .or_else(|| grant(GrantKind::Code))
            .or_else(|| AccessToken::session_of(token, self.issuer.as_str(), &self.ring))
    }
}
