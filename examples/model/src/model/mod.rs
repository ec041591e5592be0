//! The reference model: what the bridge promises, in plain rules over plain maps. It is to be read as the specification
//! (the words are those of the design); it calls nothing of what it judges. Ids are names, keys are numbers, there is no
//! sealing, no store and no URL. Time is milliseconds since the beginning; every move takes one.

mod sign_in;
mod token;

use std::collections::{BTreeMap, BTreeSet};

use crate::moves::{
    Act, App, Ask, Browser, Client, Grant, Key, Move, Person, Platform, Redirect, Rekey, Resource, Shown, Software,
    Target, Token,
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
