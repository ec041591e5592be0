//! Codes, refresh tokens and access tokens: one counter for each session.

use super::{
    ACCESS, Access, Answer, DOUBLE_SUBMIT, FEED, GRACE, IDLE, Model, Provenance, SECOND, Scope, Session, Verdict,
    refused, verdict,
};
use crate::moves::{Caller, Client, Detail, Grant, Resource, Shown, Token};

impl Model {
    /// Whether a client proves what its session expects of it; `first` before anything is known of a secret.
    pub(super) fn proves(&self, session: &Session, shown: Shown, first: bool) -> bool {
        match (session.page.provenance, session.page.client, session.secret) {
            (Provenance::Adopted, ..) if first => true,
            (Provenance::Adopted, _, None) => shown == Shown::Nothing,
            (Provenance::Adopted, _, Some((secret, key))) => shown == secret && self.ring.knows(key),
            (Provenance::Sealed, Client::Sealed(app, key, _), _) if app.has_secret() => {
                shown == Shown::Own && self.ring.knows(key)
            }
            _ => shown == Shown::Nothing,
        }
    }

    /// Whether a client proves what is expected of it outside of any session; `None` if only adoption could know it.
    pub(super) fn could_be(&self, client: Client, shown: Shown) -> Option<bool> {
        match client {
            Client::Pinned => Some(shown == Shown::Nothing),
            Client::Sealed(app, key, _) if self.ring.knows(key) => {
                Some(shown == if app.has_secret() { Shown::Own } else { Shown::Nothing })
            }
            _ => None,
        }
    }

    pub(super) fn no_such_grant(&self, client: Client, shown: Shown) -> Verdict {
        match self.could_be(client, shown) {
            Some(true) => refused("token: of no key, known client", 400, "invalid_grant"),
            _ => refused("token: of no key, register anew", 401, "invalid_client"),
        }
    }

    pub(super) fn redeem(&mut self, code: Grant, client: Client, shown: Shown, detail: Detail) -> Verdict {
        if !self.ring.opens(code.key) {
            return self.no_such_grant(client, shown);
        }
        let Some(session) = self.rows.sessions.get(&code.sign_in).cloned() else {
            return refused("redeem: no session", 400, "invalid_grant");
        };
        if client != session.page.client {
            return refused("redeem: another client", 400, "invalid_grant");
        }
        if !self.proves(&session, shown, true) {
            return refused("redeem: another secret", 401, "invalid_client");
        }
        match detail {
            Detail::OtherRedirect | Detail::OtherVerifier => return refused("redeem: wrong", 400, "invalid_grant"),
            Detail::OtherResource => return refused("redeem: another resource", 400, "invalid_target"),
            _ => {}
        }
        let Some(redeemed) = session.redeemed else {
            return match session.is_alive(self.now) {
                true => {
                    let secret = (shown != Shown::Nothing && session.page.provenance == Provenance::Adopted)
                        .then(|| (shown, self.ring.seals()));
                    let session = Session { redeemed: Some(self.now), secret, ..session };
                    self.advance("redeemed", code.sign_in, session, None)
                }
                false => refused("redeem: too late", 400, "invalid_grant"),
            };
        };
        if session.ended.is_none() && self.now - redeemed > DOUBLE_SUBMIT {
            self.end("code_replayed", true, |id, _| id == code.sign_in);
            return refused("redeem: replayed, ended", 400, "invalid_grant");
        }
        refused("redeem: again", 400, "invalid_grant")
    }

    pub(super) fn refresh(&mut self, token: Grant, client: Client, shown: Shown, detail: Detail) -> Verdict {
        if !self.ring.opens(token.key) {
            return self.no_such_grant(client, shown);
        }
        let Some(session) = self.rows.sessions.get(&token.sign_in).cloned() else {
            return refused("refresh: no session", 400, "invalid_grant");
        };
        if client != session.page.client {
            return refused("refresh: another client", 400, "invalid_grant");
        }
        let ahead = token.generation > session.generation;
        if !self.proves(&session, shown, ahead && session.generation == 0) {
            return refused("refresh: another secret", 401, "invalid_client");
        }
        let granted = session.page.scope();
        let asked: Option<Scope> = match detail {
            Detail::OtherResource => return refused("refresh: another resource", 400, "invalid_target"),
            Detail::Narrower => Some(&granted[..1]),
            Detail::Wider if granted == ["mcp"] => return refused("refresh: wider", 400, "invalid_scope"),
            Detail::Wider if granted.len() == 2 => Some(&granted[1..]),
            _ => None,
        };
        if ahead {
            return refused("refresh: ahead of its row", 400, "invalid_grant");
        }
        if !session.is_alive(self.now) {
            return refused("refresh: over", 400, "invalid_grant");
        }
        if token.generation == session.generation {
            return self.advance("refreshed", token.sign_in, session, asked);
        }
        if self.now - session.advanced > GRACE {
            self.end("refresh_replayed", true, |id, _| id == token.sign_in);
            return refused("refresh: replayed, ended", 400, "invalid_grant");
        }
        match token.generation + 1 == session.generation {
            true => self.issue("refreshed within the grace", token.sign_in, &session, asked),
            false => refused("refresh: superseded", 400, "invalid_grant"),
        }
    }

    /// The one step that a session makes.
    pub(super) fn advance(
        &mut self,
        outcome: &'static str,
        sign_in: u32,
        session: Session,
        asked: Option<Scope>,
    ) -> Verdict {
        let (generation, advanced) = (session.generation + 1, self.now);
        let expires = (self.now + IDLE).min(session.absolute);
        let session = Session { generation, advanced, expires, ..session };
        self.rows.sessions.insert(sign_in, session.clone());
        self.issue(outcome, sign_in, &session, asked)
    }

    pub(super) fn issue(
        &mut self,
        outcome: &'static str,
        sign_in: u32,
        session: &Session,
        asked: Option<Scope>,
    ) -> Verdict {
        let key = self.ring.seals();
        let refresh = Grant { sign_in, generation: session.generation, key };
        let (scope, access) = (asked.unwrap_or_else(|| session.page.scope()), self.known.access.len() as u32);
        let until = (self.now + ACCESS).min(session.absolute);
        self.known.grants.insert(refresh);
        self.known.access.push(Access {
            sign_in,
            person: session.person,
            client: session.page.client,
            resource: session.page.resource(),
            scope,
            opened: session.created,
            key,
            expires: until / SECOND * SECOND,
        });
        verdict(outcome, Answer::Tokens { refresh, access, scope, seconds: (until - self.now) / SECOND })
    }

    /// The access token, if it has not lapsed, and its session, unless that is one of the same id in a fresh database.
    pub(super) fn access(&self, token: Token) -> Option<(Access, &Session)> {
        let Token::Access(n) = token else { return None };
        let access = self.known.access[n as usize];
        let session = self.rows.sessions.get(&access.sign_in)?;
        let good = self.ring.opens(access.key) && self.now < access.expires && session.created == access.opened;
        good.then_some((access, session))
    }

    pub(super) fn bearer(&self, token: Token, at: Resource) -> Verdict {
        let no = |outcome| refused(outcome, 401, "invalid_token");
        let Some((Access { sign_in, person, client, scope, resource, .. }, session)) = self.access(token) else {
            return no("use: no good");
        };
        if resource != at {
            return no("use: another resource");
        }
        let yes = Answer::Active { person, client, sign_in, scope };
        let mut answer = match session.ended {
            None => verdict("used", yes),
            // In this process at once, in others within the bound of the feed.
            Some((at, _, false)) if self.now - at <= FEED => Verdict {
                outcome: "use: just ended elsewhere",
                answers: vec![Answer::Refused(401, "invalid_token"), yes],
            },
            // While the store did not answer, the feed may be late.
            Some((at, ..)) if self.shaken.is_some_and(|shaken| at <= shaken && self.now - shaken <= FEED) => Verdict {
                outcome: "use: just ended elsewhere",
                answers: vec![Answer::Refused(401, "invalid_token"), yes],
            },
            Some(_) => no("use: ended"),
        };
        if self.shaken.is_some_and(|shaken| self.now - shaken <= FEED) {
            answer.answers.push(Answer::Refused(503, "temporarily_unavailable"));
        }
        answer
    }

    pub(super) fn introspect(&self, token: Token, by: Caller) -> Verdict {
        let sees = |client| match by {
            Caller::Server => true,
            Caller::Client(own) => own == client,
            Caller::Nobody => false,
        };
        let may = match by {
            Caller::Server => true,
            Caller::Client(client @ Client::Sealed(app, ..)) => {
                app.has_secret() && self.could_be(client, Shown::Own) == Some(true)
            }
            Caller::Client(_) | Caller::Nobody => false,
        };
        if !may {
            return refused("introspect: not allowed", 401, "invalid_client");
        }
        let active = match token {
            Token::Access(_) => self
                .access(token)
                .filter(|(_, s)| s.ended.is_none() && self.now < s.absolute)
                .map(|(access, session)| (access.sign_in, session, access.scope)),
            Token::Grant(grant) => {
                let session = self.rows.sessions.get(&grant.sign_in).filter(|s| s.is_alive(self.now));
                let current = |s: &&Session| grant.generation > 0 && s.generation == grant.generation;
                let session = session.filter(current).filter(|_| self.ring.opens(grant.key));
                session.map(|session| (grant.sign_in, session, session.page.scope()))
            }
        };
        match active.filter(|(_, session, _)| sees(session.page.client)) {
            None => verdict("introspect: inactive", Answer::Inactive),
            Some((sign_in, session, scope)) => {
                let (person, client) = (session.person, session.page.client);
                verdict("introspect: active", Answer::Active { person, client, sign_in, scope })
            }
        }
    }

    /// Any token of a session ends it; of another client it is answered like one that is dead.
    pub(super) fn revoke(&mut self, token: Token, client: Client, shown: Shown) -> Verdict {
        let (sign_in, key) = match token {
            Token::Grant(grant) => (grant.sign_in, grant.key),
            Token::Access(n) => (self.known.access[n as usize].sign_in, self.known.access[n as usize].key),
        };
        let ours = self.ring.opens(key);
        let session = self.rows.sessions.get(&sign_in).filter(|session| ours && session.page.client == client);
        let ends = session.map(|session| self.proves(session, shown, session.generation == 0));
        match (ends, self.could_be(client, shown)) {
            (Some(true), _) => {
                self.end("revoked_by_client", true, |id, _| id == sign_in);
                verdict("revoked", Answer::Done)
            }
            (None, Some(true)) => verdict("revoke: nothing", Answer::Done),
            (None, None) if ours => verdict("revoke: nothing", Answer::Done),
            _ => refused("revoke: not allowed", 401, "invalid_client"),
        }
    }
}
