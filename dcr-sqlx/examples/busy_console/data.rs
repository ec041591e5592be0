//! The rows of a busy server: 2,000 people, 5,000 connections, 20,000 sessions, and 30 days of events and funnel counts.
//! If more people are wanted, each of the others has one sign-in. All of it is written through the store, as a server would.

use std::time::Duration;

use dcr_core::record::{Actor, Event, EventKind, FunnelCount, Step};
use dcr_core::session::{
    CodeChallenge, Connection, ConnectionId, EventId, Generation, Session, SessionId, User, UserId,
};
use dcr_core::store::{Ending, SignIn, SignedIn, Store, StoreError, Target};
use dcr_core::testing::SeededRandom;
use dcr_core::upstream::{Groups, Roles};
use dcr_core::{AuthMethod, ClientId, Platform, Provenance, ScopeSet, SecureRandom as _, SoftwareKey, Timestamp};

const PEOPLE: u64 = 2_000;
const CONNECTIONS: u64 = 5_000;
const SESSIONS: u64 = 20_000;
const REFUSED: u64 = 3_000;
const ENDED: u64 = 1_500;
const DAYS: u64 = 30;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const FIRST: [&str; 16] = [
    "Grace", "Alan", "Edsger", "Barbara", "Donald", "Margaret", "Tim", "Radia", "Leslie", "Frances", "지우", "서연",
    "민준", "하은", "도윤", "예린",
];
const LAST: [&str; 16] = [
    "Hopper",
    "Turing",
    "Dijkstra",
    "Liskov",
    "Knuth",
    "Hamilton",
    "Berners-Lee",
    "Perlman",
    "Lamport",
    "Allen",
    "김",
    "이",
    "박",
    "최",
    "정",
    "강",
];
/// A platform, how much of the traffic it has, and of 1,000 of its sign-ins how many are refused at each step.
const PLATFORMS: [(&str, u64, [u64; 4]); 6] = [
    ("claude-web", 34, [4, 12, 9, 3]),
    ("cursor", 22, [60, 10, 8, 5]),
    ("vscode", 18, [6, 9, 7, 4]),
    ("chatgpt", 14, [8, 14, 120, 6]),
    ("loopback", 9, [20, 25, 10, 90]),
    ("other", 3, [300, 40, 15, 10]),
];
const REASONS: [[&str; 2]; 4] = [
    ["redirect_not_allowed", "client_not_accepted"],
    ["consent_denied", "form_expired"],
    ["not_admitted", "login_failed"],
    ["code_mismatch", "code_replayed"],
];

/// Numbers that are the same in every run.
pub(crate) struct Dice(std::sync::Arc<SeededRandom>);

impl Dice {
    pub(crate) fn new() -> Self {
        Self::seeded(2_026)
    }

    fn seeded(seed: u64) -> Self {
        Self(SeededRandom::new(seed))
    }

    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes).expect("it never runs out");
        bytes
    }

    fn below(&self, end: u64) -> u64 {
        u64::from_be_bytes(self.bytes()) % end
    }

    /// An id that begins with its time.
    fn id(&self, at: Timestamp) -> [u8; 16] {
        let mut id = self.bytes::<16>();
        let millis = u64::try_from(at.unix_micros() / 1_000).unwrap_or(0);
        id[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        id
    }

    /// Where in the list it is.
    fn platform(&self) -> usize {
        let mut place = self.below(100);
        for (at, (_, share, _)) in PLATFORMS.iter().enumerate() {
            if place < *share {
                return at;
            }
            place -= share;
        }
        0
    }
}

fn person(n: u64) -> User {
    let (first, last) = (FIRST[(n % 16) as usize], LAST[(n / 16 % 16) as usize]);
    let object_id = format!("{n:08x}-6d1e-4f7a-9c55-{:012x}", n * 7_919);
    let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47".to_owned();
    let issuer = format!("https://login.microsoftonline.com/{tenant}/v2.0");
    User {
        id: UserId::derive(&issuer, &tenant, &object_id),
        issuer,
        tenant,
        object_id,
        name: Some(if n % 16 < 10 { format!("{first} {last}") } else { format!("{last} {first}") }),
        email: Some(format!("person{n}@corp.example")),
        groups: Groups::Listed(vec!["mcp-users".to_owned(), format!("team-{}", n % 40)]),
        roles: Roles::new([if n.is_multiple_of(50) { "Mcp.Admin" } else { "Mcp.User" }.to_owned()]),
    }
}

fn redirect(platform: &str) -> &'static str {
    match platform {
        "claude-web" => "https://claude.ai/api/mcp/auth_callback",
        "cursor" => "cursor://anysphere.cursor-mcp/oauth/callback",
        "vscode" => "https://vscode.dev/redirect",
        "chatgpt" => "https://chatgpt.com/connector_platform_oauth_redirect",
        "loopback" => "http://localhost:3118/callback",
        _ => "https://tool.corp.example/callback",
    }
}

fn event(dice: &Dice, at: Timestamp, kind: EventKind, actor: Actor) -> Event {
    Event { actor, ..Event::new(EventId::from_bytes(dice.id(at)), at, kind) }
}

/// Writes all of it; `now` is when it ends.
pub(crate) async fn write(store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
    let dice = Dice::new();
    let begin = now - Duration::from_secs(DAYS * DAY);
    // Who uses what: everybody something, some a lot.
    let first: Vec<usize> = (0..PEOPLE).map(|_| dice.platform()).collect();
    let uses: Vec<(u64, &str)> = (0..CONNECTIONS)
        .map(|n| {
            let (who, more) = (n % PEOPLE, (n / PEOPLE) as usize);
            (who, PLATFORMS[(first[who as usize] + more) % PLATFORMS.len()].0)
        })
        .collect();
    let mut times: Vec<u64> = (0..SESSIONS).map(|_| dice.below(DAYS * DAY)).collect();
    times.sort_unstable();
    let mut sessions = Vec::new();
    for (n, after) in times.into_iter().enumerate() {
        let at = begin + Duration::from_secs(after);
        let (who, platform) = match n as u64 {
            n if n < CONNECTIONS => uses[n as usize],
            _ => uses[dice.below(CONNECTIONS) as usize],
        };
        let session = sign_in(store, &dice, now, at, who, platform).await?;
        sessions.push(session);
    }
    for _ in 0..ENDED {
        let (session, at) = sessions[dice.below(SESSIONS) as usize];
        let at = at + Duration::from_secs(dice.below(DAY));
        let (kind, reason) = [(EventKind::Anomaly, "refresh_replayed"), (EventKind::Revoked, "revoked_by_client")]
            [dice.below(2) as usize];
        let event = Event { session: Some(session), ..event(&dice, at.min(now), kind, Actor::Client) };
        store.revoke(Ending::of(Target::Session(session), reason, at.min(now), event)).await?;
    }
    for _ in 0..REFUSED {
        let at = begin + Duration::from_secs(dice.below(DAYS * DAY));
        let mut event = event(&dice, at, EventKind::Refused, Actor::Person);
        event.user = Some(person(dice.below(PEOPLE)).id);
        event.platform = Some(Platform::named(PLATFORMS[dice.platform()].0));
        "not_admitted".clone_into(&mut event.reason);
        store.record(event).await?;
    }
    funnel(store, &dice, now).await
}

/// More people, up to so many, each with one sign-in.
pub(crate) async fn crowd(store: &dyn Store, now: Timestamp, people: u64) -> Result<(), StoreError> {
    let dice = Dice::seeded(2_027);
    for who in PEOPLE..people {
        let at = now - Duration::from_secs(dice.below(DAYS * DAY));
        let platform = PLATFORMS[dice.platform()].0;
        sign_in(store, &dice, now, at, who, platform).await?;
    }
    Ok(())
}

async fn sign_in(
    store: &dyn Store,
    dice: &Dice,
    now: Timestamp,
    at: Timestamp,
    who: u64,
    platform: &str,
) -> Result<(SessionId, Timestamp), StoreError> {
    let user = person(who);
    let used = dice.below(12) as u32;
    let last = (at + Duration::from_secs(u64::from(used) * 5 * HOUR)).min(now);
    let (id, connection) = (SessionId::from_bytes(dice.id(at)), ConnectionId::from_bytes(dice.id(at)));
    let client_id = match platform {
        "chatgpt" => format!("https://chatgpt.com/oauth/client-{}.json", who % 3),
        name => format!("dcr1_{name}{:04}AQEAAAEEVGVzdAEGAICUYWmHTAcqrjCtq0DiXaNcZxSIew", who % 200),
    };
    let client_id = ClientId::new(client_id).map_err(|error| StoreError::Inconsistent(error.to_string()))?;
    let session = Session {
        id,
        user: user.id.clone(),
        connection,
        client_id: client_id.clone(),
        provenance: Provenance::Sealed,
        platform: Platform::named(platform),
        auth_method: AuthMethod::None,
        adopted_secret: None,
        redirect_uri: redirect(platform).to_owned(),
        code_challenge: CodeChallenge::from_bytes([0x13; 32]),
        resource: "http://127.0.0.1:8080/mcp".to_owned(),
        scope: ScopeSet::parse_lossy("mcp"),
        refreshable: true,
        generation: Generation::new(1 + used),
        created_at: at,
        redeemed_at: Some(at),
        advanced_at: last,
        expires_at: last + Duration::from_secs(14 * DAY),
        absolute_expires_at: at + Duration::from_secs(90 * DAY),
        ended: None,
    };
    let mut signed_in = event(dice, at, EventKind::SignedIn, Actor::Person);
    signed_in.user = Some(user.id.clone());
    signed_in.session = Some(id);
    signed_in.client_id = Some(client_id);
    signed_in.platform = Some(Platform::named(platform));
    let evictions = (0..4).map(|_| event(dice, at, EventKind::Evicted, Actor::Engine)).collect();
    let sign_in = SignIn {
        user,
        software: SoftwareKey::from_stored(platform),
        new_connection: connection,
        session,
        max_sessions: 20,
        max_aliases: 50,
        event: signed_in,
        evictions,
        upstream_token: None,
        now: at,
    };
    match store.sign_in(sign_in).await? {
        SignedIn::Done { .. } => Ok((id, at)),
        other => Err(StoreError::Inconsistent(format!("{other:?}"))),
    }
}

/// More by day than by night, and less at the weekend.
async fn funnel(store: &dyn Store, dice: &Dice, now: Timestamp) -> Result<(), StoreError> {
    let last = u64::try_from(now.unix_seconds()).unwrap_or(0) / HOUR;
    for hour in last - DAYS * 24..=last {
        let (of_day, of_week) = (hour % 24, hour / 24 % 7);
        let load = [1, 1, 1, 1, 1, 2, 4, 8, 12, 14, 14, 12, 10, 12, 14, 13, 11, 8, 5, 4, 3, 2, 2, 1][of_day as usize];
        let load = if of_week == 2 || of_week == 3 { load / 3 + 1 } else { load };
        let at = Timestamp::from_unix_seconds(i64::try_from(hour * HOUR).unwrap_or(0));
        let mut counts = Vec::new();
        for (platform, share, losses) in PLATFORMS {
            let mut left = load * share / 4 + dice.below(3);
            let mut add = |step, outcome: &str, count| {
                if count > 0 {
                    let platform = Platform::named(platform);
                    counts.push(FunnelCount { hour: at, platform, step, outcome: outcome.to_owned(), count });
                }
            };
            for (place, step) in [Step::Authorize, Step::Consent, Step::SignIn, Step::Code].into_iter().enumerate() {
                let refused = (left * losses[place] + dice.below(1_000)) / 1_000;
                let most = refused - refused / 3;
                add(step, REASONS[place][0], most.min(left));
                add(step, REASONS[place][1], (refused - most).min(left - most.min(left)));
                left -= refused.min(left);
                add(step, FunnelCount::OK, left);
                left -= (left + dice.below(20)) / 20;
            }
            add(Step::Refresh, FunnelCount::OK, load * share);
            add(Step::Refresh, "refresh_stale", load * share / 200);
        }
        counts.sort_unstable();
        store.add_counts(&counts).await?;
    }
    Ok(())
}

/// Somebody with several connections, to look at.
pub(crate) async fn busiest(store: &dyn Store) -> Result<(UserId, Vec<Connection>), StoreError> {
    let mut found = (person(0).id, Vec::new());
    for n in 0..200 {
        let id = person(n).id;
        let connections = store.connections_of(&id).await?;
        if connections.len() > found.1.len() {
            found = (id, connections);
        }
    }
    Ok(found)
}
