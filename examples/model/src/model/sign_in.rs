//! From the authorize request to the session: who may ask for what, which browser may go on, who signs in.

use super::{
    ABSOLUTE, ALIASES, Answer, CODE, Model, OPEN, Page, Provenance, SESSIONS, Session, TRANSACTION, Transaction,
    Verdict, refused, verdict,
};
use crate::moves::{Ask, Browser, Client, Grant, Login, Person, Platform, Redirect, Target};

impl Model {
    /// Design, "Resolving a client id".
    pub(super) fn resolve(&self, client: Client, redirect: Redirect) -> Option<Provenance> {
        match client {
            Client::Pinned => (redirect == Redirect::Portal).then_some(Provenance::Pinned),
            Client::Sealed(app, key, _) if self.ring.knows(key) => {
                (redirect.but_for_port() == app.home()).then_some(Provenance::Sealed)
            }
            Client::Forged(_, key) if self.ring.knows(key) => None,
            Client::Unadoptable(_) => None,
            Client::Sealed(..) | Client::Forged(..) | Client::Unknown(_) => {
                (redirect.platform() != Platform::Other).then_some(Provenance::Adopted)
            }
        }
    }

    pub(super) fn authorize(
        &mut self,
        page: u32,
        browser: Browser,
        client: Client,
        redirect: Redirect,
        ask: Ask,
    ) -> Verdict {
        if ask == Ask::TwoClients {
            return refused("authorize: malformed", 400, "invalid_request");
        }
        let Some(provenance) = self.resolve(client, redirect) else {
            return refused("authorize: not accepted", 400, "invalid_client");
        };
        if [Target::Client(client), Target::Platform(redirect.platform())].iter().any(|t| self.rows.blocks.contains(t))
        {
            return refused("authorize: blocked", 403, "access_denied");
        }
        let error = match ask {
            Ask::UnknownResource => "invalid_target",
            Ask::NoChallenge | Ask::PlainChallenge | Ask::TwoStates => "invalid_request",
            _ => {
                let (key, begun) = (self.ring.seals(), self.now);
                self.known
                    .pages
                    .insert(page, Page { number: page, browser, client, redirect, provenance, ask, key, begun });
                self.known.jars.entry(browser).or_default();
                return verdict("a consent page", Answer::Consent);
            }
        };
        match redirect.platform() {
            Platform::Other => refused("authorize: wrong, a page", 400, error),
            _ => verdict("authorize: wrong, back", Answer::Back(redirect, error)),
        }
    }

    pub(super) fn decides(&self, page: u32, browser: Browser) -> Result<Page, Verdict> {
        let page = &self.known.pages[&page];
        if !self.known.jars.contains_key(&browser) {
            return Err(refused("consent: no cookie", 403, "access_denied"));
        }
        if page.browser != browser || !self.ring.opens(page.key) {
            return Err(refused("consent: not yours", 403, "access_denied"));
        }
        if self.now - page.begun > TRANSACTION {
            return Err(refused("consent: expired", 400, "access_denied"));
        }
        Ok(page.clone())
    }

    pub(super) fn approve(&mut self, page: Page, browser: Browser, sign_in: u32) -> Verdict {
        let (now, ring, sign_ins) = (self.now, &self.ring, &mut self.known.sign_ins);
        let select_account = page.redirect.platform() == Platform::Loopback
            || page.redirect.platform() == Platform::Other
            || page.provenance == Provenance::Adopted;
        let held = self.known.jars.entry(browser).or_default();
        held.retain(|id| ring.opens(sign_ins[id].key) && now - sign_ins[id].approved <= TRANSACTION);
        while held.len() >= OPEN {
            let oldest = held.iter().copied().min_by_key(|id| sign_ins[id].approved);
            held.remove(&oldest.unwrap_or(0));
        }
        held.insert(sign_in);
        sign_ins.insert(sign_in, Transaction { page, key: ring.seals(), approved: now });
        verdict("approved", Answer::Login { select_account })
    }

    pub(super) fn callback(&mut self, sign_in: u32, browser: Browser, login: Login, again: bool) -> Verdict {
        let transaction = self.known.sign_ins[&sign_in].clone();
        let held = self.known.jars.get(&browser).is_some_and(|held| held.contains(&sign_in));
        if !(held || again) || !self.ring.opens(transaction.key) {
            return refused("callback: other browser", 403, "access_denied");
        }
        if self.now - transaction.approved > TRANSACTION {
            return refused("callback: expired", 400, "access_denied");
        }
        if login == Login::Busy && !self.rows.sessions.contains_key(&sign_in) {
            return refused("callback: upstream busy", 503, "temporarily_unavailable");
        }
        // The transaction is over, however this ends.
        self.known.jars.entry(browser).or_default().remove(&sign_in);
        if self.rows.sessions.contains_key(&sign_in) {
            return refused("callback: used", 400, "access_denied");
        }
        match login {
            Login::Denied => verdict("callback: denied", Answer::Back(transaction.page.redirect, "access_denied")),
            Login::Busy | Login::Invalid => refused("callback: invalid", 502, "server_error"),
            Login::Of(Person::Mallory) => refused("callback: not admitted", 403, "access_denied"),
            Login::Of(person) => self.sign_in(sign_in, person, transaction.page),
        }
    }

    /// User, connection, alias and session in one transaction, or nothing.
    pub(super) fn sign_in(&mut self, sign_in: u32, person: Person, page: Page) -> Verdict {
        let (now, software, redirect) = (self.now, page.software(), page.redirect);
        let connection = (person, software);
        let (client, platform) = (Target::Client(page.client), Target::Platform(redirect.platform()));
        let targets = [Target::Person(person), Target::Connection(person, software), client, platform];
        if targets.iter().any(|target| self.rows.blocks.contains(target)) {
            return refused("callback: blocked", 403, "access_denied");
        }
        let of_it = |session: &Session| (session.person, session.software) == connection;
        let live = |(_, session): &(&u32, &Session)| of_it(session) && session.is_alive(now);
        let mut live: Vec<_> = self.rows.sessions.iter().filter(live).map(|(id, s)| (s.advanced, *id)).collect();
        live.sort_unstable();
        live.truncate((live.len() + 1).saturating_sub(SESSIONS));
        let evicted = self.end("evicted", true, |id, _| live.iter().any(|(_, idle)| *idle == id)) > 0;
        self.rows.people.insert(person);
        let aliases = self.rows.connections.entry(connection).or_default();
        match aliases.iter_mut().find(|(alias, _)| *alias == page.client) {
            Some(alias) => alias.1 = now,
            None => aliases.push((page.client, now)),
        }
        if aliases.len() > ALIASES {
            let oldest = aliases.iter().map(|(_, used)| *used).min();
            aliases.retain(|(_, used)| Some(*used) != oldest);
        }
        let adopted = page.provenance == Provenance::Adopted;
        let session = Session {
            person,
            software,
            page,
            generation: 0,
            created: now,
            redeemed: None,
            advanced: now,
            expires: now + CODE,
            absolute: now + ABSOLUTE,
            ended: None,
            secret: None,
        };
        self.rows.sessions.insert(sign_in, session);
        let code = Grant { sign_in, generation: 0, key: self.ring.seals() };
        self.known.grants.insert(code);
        let outcome = match (evicted, adopted) {
            (true, _) => "signed in, one evicted",
            (false, true) => "signed in, adopted",
            (false, false) => "signed in",
        };
        verdict(outcome, Answer::Code(redirect, code))
    }
}
