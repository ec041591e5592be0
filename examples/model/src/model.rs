//! The reference model: what the bridge promises, in plain rules over plain maps. It is to be read as the specification
//! (the words are those of the design); it calls nothing of what it judges. Ids are names, keys are numbers, there is no
//! sealing, no store and no URL. Time is milliseconds since the beginning; every move takes one.

use std::collections::{BTreeMap, BTreeSet};

use crate::moves::{
    Act, App, Ask, Browser, Caller, Client, Detail, Grant, Key, Login, Move, Person, Platform, Redirect, Rekey,
    Resource, Shown, Software, Target, Token,
};

const SECOND: u64 = 1_000;
const CODE: u64 = 60 * SECOND;
/// From the page to the approval, and from there to the callback.
pub const TRANSACTION: u64 = 600 * SECOND;
const ACCESS: u64 = 900 * SECOND;
const GRACE: u64 = 30 * SECOND;
const DOUBLE_SUBMIT: u64 = 10 * SECOND;
const FEED: u64 = 5 * SECOND;
const DAY: u64 = 86_400 * SECOND;
/// Of a refresh token that is not used, in the model's server.
pub const IDLE: u64 = 2 * DAY;
/// Of a session, in the model's server.
pub const ABSOLUTE: u64 = 3 * DAY;
/// Rows stay for so long when they are over.
const KEPT: u64 = DAY + 3_600 * SECOND;
/// Live sessions, and remembered ids, of a connection in the model's server; approved transactions of a browser.
pub const SESSIONS: usize = 2;
/// See [`SESSIONS`].
pub const ALIASES: usize = 2;
const OPEN: usize = 4;

pub type Scope = &'static [&'static str];

/// An answer, as far as it is predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Registered(Client),
    Refused(u16, &'static str),
    Consent,
    Back(Redirect, &'static str),
    Login { select_account: bool },
    Code(Redirect, Grant),
    Tokens { refresh: Grant, access: u32, scope: Scope, seconds: u64 },
    Active { person: Person, client: Client, sign_in: u32, scope: Scope },
    Inactive,
    Ended(usize),
    Unblocked(bool),
    Done,
}

/// What the model says of a move: a name for what happened, and the answers that are right.
#[derive(Debug, Clone)]
pub struct Verdict {
    pub outcome: &'static str,
    pub answers: Vec<Answer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    Pinned,
    Sealed,
    Adopted,
}

#[derive(Debug, Clone)]
pub struct Page {
    pub number: u32,
    pub browser: Browser,
    pub client: Client,
    pub redirect: Redirect,
    pub provenance: Provenance,
    pub ask: Ask,
    pub key: Key,
    pub begun: u64,
}

#[derive(Debug, Clone)]
pub struct Transaction {
    pub page: Page,
    pub key: Key,
    pub approved: u64,
}

#[derive(Debug, Clone)]
pub struct Session {
    pub person: Person,
    pub software: Software,
    pub page: Page,
    pub generation: u32,
    pub created: u64,
    pub redeemed: Option<u64>,
    pub advanced: u64,
    pub expires: u64,
    pub absolute: u64,
    /// When, why, and whether the server itself did it, so that it knows at once.
    pub ended: Option<(u64, &'static str, bool)>,
    /// That an adopted client brought along, under the key of that time.
    pub secret: Option<(Shown, Key)>,
}

#[derive(Debug, Clone, Copy)]
pub struct Access {
    pub sign_in: u32,
    pub person: Person,
    pub client: Client,
    pub resource: Resource,
    pub scope: Scope,
    /// When its session was opened.
    opened: u64,
    key: Key,
    expires: u64,
}

/// The key ring: the first active secret seals, all of them open; retired ones know client ids and nothing else.
#[derive(Debug, Clone)]
pub struct Ring {
    pub active: Vec<Key>,
    pub retired: Vec<Key>,
    next: Key,
}

/// What the database holds.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    pub people: BTreeSet<Person>,
    /// With the ids that it was seen with, and when.
    pub connections: BTreeMap<(Person, Software), Vec<(Client, u64)>>,
    pub sessions: BTreeMap<u32, Session>,
    pub blocks: BTreeSet<Target>,
}

/// What clients and browsers hold.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub registered: Vec<Client>,
    pub pages: BTreeMap<u32, Page>,
    pub sign_ins: BTreeMap<u32, Transaction>,
    /// Browsers with a cookie against forged forms, and the transactions whose cookie they hold.
    pub jars: BTreeMap<Browser, BTreeSet<u32>>,
    pub grants: BTreeSet<Grant>,
    pub access: Vec<Access>,
}

/// The whole system.
#[derive(Debug, Clone)]
pub struct Model {
    pub now: u64,
    pub ring: Ring,
    pub rows: Rows,
    pub known: Known,
    /// When a call of the store last failed.
    pub shaken: Option<u64>,
}

fn verdict(outcome: &'static str, answer: Answer) -> Verdict {
    Verdict { outcome, answers: vec![answer] }
}

fn refused(outcome: &'static str, status: u16, error: &'static str) -> Verdict {
    verdict(outcome, Answer::Refused(status, error))
}

impl Default for Model {
    fn default() -> Self {
        let ring = Ring { active: vec![0], retired: Vec::new(), next: 1 };
        Self { now: 0, ring, rows: Rows::default(), known: Known::default(), shaken: None }
    }
}

impl Ring {
    fn seals(&self) -> Key {
        self.active[0]
    }
    pub fn opens(&self, key: Key) -> bool {
        self.active.contains(&key)
    }
    pub fn knows(&self, key: Key) -> bool {
        self.opens(key) || self.retired.contains(&key)
    }
}

impl Page {
    pub fn resource(&self) -> Resource {
        if self.ask == Ask::Notes { Resource::Notes } else { Resource::Tools }
    }
    pub fn scope(&self) -> Scope {
        match self.ask {
            Ask::Notes => &["notes"],
            Ask::Wide => &["mcp", "mcp:admin"],
            _ => &["mcp"],
        }
    }
    /// What makes two ids the same software for a person: the redirect URI proves a platform; else name and place; with a
    /// secret alone.
    fn software(&self) -> Software {
        match (self.provenance, self.client, self.redirect.platform()) {
            (_, _, platform @ (Platform::Claude | Platform::ChatGpt)) => Software::Of(platform),
            (Provenance::Pinned, ..) => Software::Pinned,
            (Provenance::Sealed, Client::Sealed(App::Editor | App::EditorAtWork, ..), _) => {
                Software::Named(App::Editor)
            }
            (Provenance::Sealed, Client::Sealed(app, ..), _) if !app.has_secret() => Software::Named(app),
            (Provenance::Sealed, client, _) => Software::Alone(client),
            (Provenance::Adopted, ..) => Software::Unnamed(self.redirect.but_for_port()),
        }
    }
}

impl Session {
    pub fn is_alive(&self, now: u64) -> bool {
        self.ended.is_none() && now < self.expires
    }
    /// Whether it may be swept, by an operator or along with somebody's sign-in.
    pub fn is_long_over(&self, now: u64) -> bool {
        self.expires + KEPT < now || self.ended.is_some_and(|(at, ..)| at + KEPT < now)
    }
}

impl Model {
    /// What happens, and what is answered.
    pub fn apply(&mut self, m: &Move) -> Verdict {
        self.now += 1;
        let swept = self
            .sign_in_of(m)
            .filter(|id| self.rows.sessions.get(id).is_some_and(|session| session.is_long_over(self.now)));
        let without = swept.map(|id| {
            let mut other = self.clone();
            other.rows.sessions.remove(&id);
            other.step(m).answers
        });
        let mut verdict = self.step(m);
        verdict.answers.extend(without.unwrap_or_default());
        verdict
    }

    fn step(&mut self, m: &Move) -> Verdict {
        match *m {
            // Registration writes nothing, and the same public software gets the same id.
            Move::Register(app) => {
                let n = if app.has_secret() { self.known.registered.len() as u32 + 1 } else { 0 };
                let client = Client::Sealed(app, self.ring.seals(), n);
                if !self.known.registered.contains(&client) {
                    self.known.registered.push(client);
                }
                verdict("registered", Answer::Registered(client))
            }
            Move::RegisterCrooked => refused("register: no such redirect", 400, "invalid_redirect_uri"),
            Move::Authorize { page, browser, client, redirect, ask } => {
                self.authorize(page, browser, client, redirect, ask)
            }
            Move::Deny { page, browser } => match self.decides(page, browser) {
                Err(verdict) => verdict,
                Ok(page) if page.redirect.platform() == Platform::Other => {
                    refused("denied: a page", 403, "access_denied")
                }
                Ok(page) => verdict("denied: back", Answer::Back(page.redirect, "access_denied")),
            },
            Move::Approve { page, browser, sign_in, .. } => match self.decides(page, browser) {
                Err(verdict) => verdict,
                Ok(page) => self.approve(page, browser, sign_in),
            },
            Move::Callback { sign_in, browser, login, again } => self.callback(sign_in, browser, login, again),
            Move::Redeem { code, client, shown, detail } => self.redeem(code, client, shown, detail),
            Move::Refresh { token, client, shown, detail } => self.refresh(token, client, shown, detail),
            Move::Use { token, at } => self.bearer(token, at),
            Move::Introspect { token, by } => self.introspect(token, by),
            Move::Revoke { token, client, shown } => self.revoke(token, client, shown),
            Move::Operate { act, target, beside } => self.operate(act, target, !beside),
            Move::Sweep => {
                let now = self.now;
                self.rows.sessions.retain(|_, session| !session.is_long_over(now));
                verdict("swept", Answer::Done)
            }
            Move::Wait { milliseconds } => {
                self.now += milliseconds;
                verdict("time passes", Answer::Done)
            }
            Move::Restart(rekey) => self.restart(rekey),
            Move::LoseDatabase => {
                self.rows = Rows::default();
                verdict("a fresh database", Answer::Done)
            }
            // Whether it happened shows in the rows; see `lost_answer`.
            Move::Faulty { .. } => verdict("the store failed", Answer::Refused(503, "temporarily_unavailable")),
        }
    }

    /// Design, "Resolving a client id".
    fn resolve(&self, client: Client, redirect: Redirect) -> Option<Provenance> {
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

    fn authorize(&mut self, page: u32, browser: Browser, client: Client, redirect: Redirect, ask: Ask) -> Verdict {
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

    fn decides(&self, page: u32, browser: Browser) -> Result<Page, Verdict> {
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

    fn approve(&mut self, page: Page, browser: Browser, sign_in: u32) -> Verdict {
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

    fn callback(&mut self, sign_in: u32, browser: Browser, login: Login, again: bool) -> Verdict {
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
    fn sign_in(&mut self, sign_in: u32, person: Person, page: Page) -> Verdict {
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

    /// Whether a client proves what its session expects of it; `first` before anything is known of a secret.
    fn proves(&self, session: &Session, shown: Shown, first: bool) -> bool {
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
    fn could_be(&self, client: Client, shown: Shown) -> Option<bool> {
        match client {
            Client::Pinned => Some(shown == Shown::Nothing),
            Client::Sealed(app, key, _) if self.ring.knows(key) => {
                Some(shown == if app.has_secret() { Shown::Own } else { Shown::Nothing })
            }
            _ => None,
        }
    }

    fn no_such_grant(&self, client: Client, shown: Shown) -> Verdict {
        match self.could_be(client, shown) {
            Some(true) => refused("token: of no key, known client", 400, "invalid_grant"),
            _ => refused("token: of no key, register anew", 401, "invalid_client"),
        }
    }

    fn redeem(&mut self, code: Grant, client: Client, shown: Shown, detail: Detail) -> Verdict {
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

    fn refresh(&mut self, token: Grant, client: Client, shown: Shown, detail: Detail) -> Verdict {
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
    fn advance(&mut self, outcome: &'static str, sign_in: u32, session: Session, asked: Option<Scope>) -> Verdict {
        let (generation, advanced) = (session.generation + 1, self.now);
        let expires = (self.now + IDLE).min(session.absolute);
        let session = Session { generation, advanced, expires, ..session };
        self.rows.sessions.insert(sign_in, session.clone());
        self.issue(outcome, sign_in, &session, asked)
    }

    fn issue(&mut self, outcome: &'static str, sign_in: u32, session: &Session, asked: Option<Scope>) -> Verdict {
        let key = self.ring.seals();
        let refresh = Grant { sign_in, generation: session.generation, key };
        let (scope, access) = (asked.unwrap_or(session.page.scope()), self.known.access.len() as u32);
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
    fn access(&self, token: Token) -> Option<(Access, &Session)> {
        let Token::Access(n) = token else { return None };
        let access = self.known.access[n as usize];
        let session = self.rows.sessions.get(&access.sign_in)?;
        let good = self.ring.opens(access.key) && self.now < access.expires && session.created == access.opened;
        good.then_some((access, session))
    }

    fn bearer(&self, token: Token, at: Resource) -> Verdict {
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

    fn introspect(&self, token: Token, by: Caller) -> Verdict {
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
    fn revoke(&mut self, token: Token, client: Client, shown: Shown) -> Verdict {
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

    fn operate(&mut self, act: Act, target: Target, noted: bool) -> Verdict {
        if act == Act::Unblock {
            return match self.rows.blocks.remove(&target) {
                true => verdict("unblocked", Answer::Unblocked(true)),
                false => verdict("unblock: nothing", Answer::Unblocked(false)),
            };
        }
        let hit = move |session: &Session| match target {
            Target::Person(person) => session.person == person,
            Target::Connection(person, software) => (session.person, session.software) == (person, software),
            Target::Client(client) => session.page.client == client,
            Target::Platform(platform) => session.page.redirect.platform() == platform,
        };
        if act == Act::Block {
            self.rows.blocks.insert(target);
        }
        let now = self.now;
        let maybe_swept = |s: &&Session| hit(s) && s.ended.is_none() && s.is_long_over(now);
        let maybe_swept = self.rows.sessions.values().filter(maybe_swept).count();
        let ended = self.end("operator", noted, |_, session| hit(session));
        let answers = (ended - maybe_swept..=ended).map(Answer::Ended).collect();
        Verdict { outcome: if act == Act::Block { "blocked" } else { "ended" }, answers }
    }

    fn restart(&mut self, rekey: Rekey) -> Verdict {
        let ring = &mut self.ring;
        match rekey {
            Rekey::Same => {}
            Rekey::Add => ring.active.push(ring.next),
            Rekey::Promote => ring.active.rotate_right(1),
            Rekey::Retire => ring.retired.extend(ring.active.pop()),
            Rekey::Drop => ring.retired.clear(),
            Rekey::Lose => (ring.active, ring.retired) = (vec![ring.next], Vec::new()),
        }
        ring.next += Key::from(matches!(rekey, Rekey::Add | Rekey::Lose));
        verdict("restarted", Answer::Done)
    }

    fn end(&mut self, why: &'static str, noted: bool, which: impl Fn(u32, &Session) -> bool) -> usize {
        let now = self.now;
        let goes = |(id, session): &(&u32, &mut Session)| session.ended.is_none() && which(**id, session);
        self.rows.sessions.iter_mut().filter(goes).map(|(_, session)| session.ended = Some((now, why, noted))).count()
    }

    fn sign_in_of(&self, m: &Move) -> Option<u32> {
        match m {
            Move::Redeem { code: grant, .. } | Move::Refresh { token: grant, .. } => Some(grant.sign_in),
            Move::Use { token, .. } | Move::Introspect { token, .. } | Move::Revoke { token, .. } => match token {
                Token::Grant(grant) => Some(grant.sign_in),
                Token::Access(n) => self.known.access.get(*n as usize).map(|access| access.sign_in),
            },
            _ => None,
        }
    }

    /// It happened, and whoever asked for it was told that the store does not answer: nobody holds anything new, and the
    /// server did not notice what ended.
    #[must_use]
    pub fn lost_answer(&self, applied: &Self) -> Self {
        let mut lost = Self { known: self.known.clone(), ..applied.clone() };
        for session in lost.rows.sessions.values_mut() {
            session.ended = session.ended.map(|(at, why, _)| (at, why, false));
        }
        lost
    }
}
