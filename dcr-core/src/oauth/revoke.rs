//! Revocation (RFC 7009), for public and confidential clients. Any token of a session ends the session.

use http::HeaderMap;

use super::token::{about, check_form, required};
use crate::client::{ClientCredentials, Expected};
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::http::Params;
use crate::record::EventKind;
use crate::session::{AccessToken, GrantKind, GrantToken, SessionId};
use crate::store::Target;

/// The reason that is kept on the session.
const REASON: &str = "revoked_by_client";

impl Inner {
    /// `POST /oauth/revoke`. An unknown token, and one of another client, is answered like a revoked one (TK-13).
    pub(crate) async fn revoke(&self, headers: &HeaderMap, form: &Params) -> Result<(), Refusal> {
        check_form(form)?;
        let client = ClientCredentials::read(headers, form)?;
        let token = required(form, "token")?;
        let session = match self.session_of(token) {
            Some(id) => self.store.session(id).await?.map(|view| view.session),
            None => None,
        };
        let Some(session) = session.filter(|session| session.client_id == client.id) else {
            return if self.rules.is_known(&self.ring, &client.id) {
                Ok(())
            } else {
                Err(Reason::ClientUnknown.into())
            };
        };
        let expected = Expected {
            provenance: session.provenance,
            auth_method: session.auth_method,
            adopted_secret: Some(session.adopted_secret),
        };
        if !self.rules.authenticates(&self.ring, &client, &expected) {
            return Err(Reason::ClientAuthentication.into());
        }
        let now = self.clock.now();
        let event = about(self.event(EventKind::Revoked, REASON)?, &session);
        let ended = self.store.revoke(&Target::Session(session.id), REASON, now, event).await?;
        self.liveness.note(&ended, now);
        Ok(())
    }

    /// The session that a token of any kind names, if its MAC or signature is good.
    fn session_of(&self, token: &str) -> Option<SessionId> {
        let grant = |kind| GrantToken::open(token, kind, &self.ring).map(|grant| grant.session);
        grant(GrantKind::Refresh).or_else(|| grant(GrantKind::Code)).or_else(|| {
            let now = self.clock.now();
            AccessToken::verify(token, self.issuer.as_str(), None, now, &self.ring).ok().map(|claims| claims.session)
        })
    }
}
