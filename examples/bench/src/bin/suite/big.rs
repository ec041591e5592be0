//! A database of a million sessions beside one of a thousand: what it takes, and what a sweep does to those who are served.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dcr_bench::{Failure, Load, Measured, Phase, Scenario, Server, Signing, Upstream};
use dcr_core::record::{Event, EventKind};
use dcr_core::session::{CodeChallenge, ConnectionId, EventId, Generation, Session, SessionId, User, UserId};
use dcr_core::store::{SignIn, SignedIn, Store};
use dcr_core::upstream::{Groups, Roles};
use dcr_core::{AuthMethod, ClientId, Clock as _, Platform, Provenance, ScopeSet, SoftwareKey, SystemClock, Timestamp};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _};
use tokio::task::JoinSet;

use crate::setting::{Setting, Under, block_on};
use crate::table::{Report, Series};

const PROGRAM: &str = "axum-server";
/// Sessions of each person.
const EACH: u32 = 5;
/// Sessions of each connection of the load, which it takes in turn.
const SESSIONS: usize = 32;
/// Far below what any machine that runs this can do.
const BEARER_RATE: f64 = 2_000.0;
const REFRESH_RATE: f64 = 500.0;
const WRITERS: u32 = 32;
const DAY: u64 = 86_400;

/// Measures both databases, sweeps a tenth of the bigger one, and says how big it is.
pub(crate) fn measure(setting: &Setting, sessions: u32, report: &mut Report) -> Result<(), Failure> {
    let upstream = setting.upstream(Signing::Es256)?;
    let database = setting.new_database();
    let small = both(setting, &database, &upstream)?;
    let began = Instant::now();
    block_on(fill(&database, sessions))?;
    report.note(format!(
        "{sessions} sessions of {} people were written through the store, {:.0} a second.",
        sessions / EACH,
        f64::from(sessions) / began.elapsed().as_secs_f64()
    ));
    let server = setting.start(PROGRAM, &database, &upstream, &[])?;
    let big = loads(setting, &server, &upstream)?;
    for (what, small, big) in [("bearer check", &small.0, &big.0), ("refresh", &small.1, &big.1)] {
        let (before, after) = (small.millis(0.5), big.millis(0.5));
        report.target(
            PROGRAM,
            &format!("p50 of a {what}, {sessions} sessions / 1,000"),
            "at most 1.15",
            &format!("{:.2} ({after:.2} ms / {before:.2} ms)", after / before),
            after / before <= 1.15,
        );
    }
    sizes(&database, report)?;
    sweep(setting, &server, &upstream, &database, report)?;
    server.stop()?;
    for (load, of) in [("bearer, 2,000 a second", [small.0, big.0]), ("refresh, 500 a second", [small.1, big.1])] {
        for (size, measured) in ["1,000 sessions", "the big database"].into_iter().zip(of) {
            let mut series = Series::default();
            series.push(measured);
            report.figure(PROGRAM, format!("{load}, {size}"), &series);
        }
    }
    Ok(())
}

fn both(setting: &Setting, database: &str, upstream: &Upstream) -> Result<(Measured, Measured), Failure> {
    let server = setting.start(PROGRAM, database, upstream, &[])?;
    let measured = loads(setting, &server, upstream)?;
    server.stop()?;
    Ok(measured)
}

/// Bearer checks and refreshes at a fixed rate.
fn loads(setting: &Setting, server: &Server, upstream: &Upstream) -> Result<(Measured, Measured), Failure> {
    let under = Under { servers: &[server], upstream: Some(upstream) };
    let load = |rate| Load {
        warm_up: Phase::For(Duration::from_secs(1)),
        measured: Phase::For(setting.time * 3),
        rate: Some(rate),
        ..Load::default()
    };
    let bearer = under.drive(Scenario::Protected, SESSIONS, 0, &load(BEARER_RATE))?;
    Ok((bearer, under.drive(Scenario::Refresh, SESSIONS, 0, &load(REFRESH_RATE))?))
}

/// `dcr sweep` while others are served.
fn sweep(
    setting: &Setting,
    server: &Server,
    upstream: &Upstream,
    database: &str,
    report: &mut Report,
) -> Result<(), Failure> {
    let under = Under { servers: &[server], upstream: Some(upstream) };
    let load = Load {
        warm_up: Phase::For(Duration::from_secs(1)),
        measured: Phase::For(setting.time * 5),
        rate: Some(REFRESH_RATE),
        ..Load::default()
    };
    let (measured, swept) = std::thread::scope(|scope| {
        let sweeping = scope.spawn(|| {
            // The load signs in first, and warms up.
            std::thread::sleep(Duration::from_secs(2));
            swept(setting, database)
        });
        let measured = under.drive(Scenario::Refresh, 1, 0, &load);
        (measured, sweeping.join().map_err(|_| Failure::new("the sweep panicked")))
    });
    let (measured, (rows, time)) = (measured?, swept??);
    let p99 = measured.millis(0.99);
    report.target(
        PROGRAM,
        &format!("p99 of refreshes while {rows} rows are swept in {:.1} s", time.as_secs_f64()),
        "at most 50 ms",
        &format!("{p99:.1} ms"),
        p99 <= 50.0,
    );
    Ok(())
}

fn swept(setting: &Setting, database: &str) -> Result<(u32, Duration), Failure> {
    let mut command = Command::new(setting.programs.join("dcr"));
    command.arg("sweep").env("DCR_DATABASE_URL", database).stderr(Stdio::inherit());
    let began = Instant::now();
    let output = command.output().map_err(|error| Failure::at("dcr sweep", error))?;
    let (time, said) = (began.elapsed(), String::from_utf8_lossy(&output.stdout));
    let rows =
        said.strip_prefix("deleted ").and_then(|rest| rest.split_once(' ')).and_then(|(rows, _)| rows.parse().ok());
    match rows.filter(|_| output.status.success()) {
        Some(rows) => Ok((rows, time)),
        None => Err(Failure::new(format!("dcr sweep, {}: {said}", output.status))),
    }
}

/// Sign-ins of the last thirty days; a tenth of the sessions lapsed long ago.
async fn fill(database: &str, sessions: u32) -> Result<(), Failure> {
    let store = dcr_sqlx::connect(database).await.map_err(|error| Failure::at("a database", error))?;
    let (store, now): (Arc<dyn Store>, _) = (store, SystemClock.now());
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for n in (writer..sessions).step_by(WRITERS as usize) {
                let sign_in = sign_in(n, sessions, now)?;
                match store.sign_in(sign_in).await.map_err(|error| Failure::at("a sign-in", error))? {
                    SignedIn::Done { .. } => {}
                    other => return Err(Failure::new(format!("a sign-in: {other:?}"))),
                }
            }
            Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(|error| Failure::at("a writer", error))??;
    }
    Ok(())
}

fn sign_in(n: u32, sessions: u32, now: Timestamp) -> Result<SignIn, Failure> {
    let people = (sessions / EACH).max(1);
    let who = n % people;
    let lapsed = n % 10 == 9;
    let days = if lapsed { 200 } else { 30 };
    let at = now - Duration::from_secs(days * DAY)
        + Duration::from_secs(u64::from(n) * 29 * DAY / u64::from(sessions.max(1)));
    let user = user(who);
    // Ids that begin with their time, as ours do; what is random in ours is a hash here.
    let id = |what: u32| {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&(at.unix_micros() / 1_000).to_be_bytes()[2..]);
        let hash = (u64::from(n) * 8 + u64::from(what)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        id[6..14].copy_from_slice(&hash.to_be_bytes());
        id
    };
    let (session_id, connection) = (SessionId::from_bytes(id(0)), ConnectionId::from_bytes(id(1)));
    // As long as the id of a public client with one redirect URI.
    let client_id =
        ClientId::new(format!("dcr1_{:0>110}", who % 200)).map_err(|error| Failure::at("a client id", error))?;
    let life = Duration::from_secs(30 * DAY);
    let session = Session {
        id: session_id,
        user: user.id.clone(),
        connection,
        client_id: client_id.clone(),
        provenance: Provenance::Sealed,
        platform: Platform::named("loopback"),
        auth_method: AuthMethod::None,
        adopted_secret: None,
        redirect_uri: "http://127.0.0.1/callback".to_owned(),
        code_challenge: CodeChallenge::from_bytes([0x13; 32]),
        resource: "http://127.0.0.1:8080/mcp".to_owned(),
        scope: ScopeSet::parse_lossy("mcp"),
        refreshable: true,
        generation: Generation::new(3),
        created_at: at,
        redeemed_at: Some(at),
        advanced_at: at,
        expires_at: at + life,
        absolute_expires_at: at + life * 3,
        ended: None,
    };
    let mut event = Event::new(EventId::from_bytes(id(2)), at, EventKind::SignedIn);
    event.user = Some(user.id.clone());
    event.session = Some(session_id);
    event.client_id = Some(client_id);
    Ok(SignIn {
        user,
        software: SoftwareKey::from_stored("loopback"),
        new_connection: connection,
        session,
        max_sessions: 20,
        max_aliases: 50,
        event,
        evictions: Vec::new(),
        upstream_token: None,
        now: at,
    })
}

fn user(n: u32) -> User {
    let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47".to_owned();
    let issuer = format!("https://login.microsoftonline.com/{tenant}/v2.0");
    let object_id = format!("{n:08x}-6d1e-4f7a-9c55-{:012x}", u64::from(n) * 7_919);
    User {
        id: UserId::derive(&issuer, &tenant, &object_id),
        issuer,
        tenant,
        object_id,
        name: Some(format!("Person {n}")),
        email: Some(format!("person{n}@corp.example")),
        groups: Groups::Unsaid,
        roles: Roles::default(),
    }
}

/// Bytes a session, table by table with its indexes.
fn sizes(database: &str, report: &mut Report) -> Result<(), Failure> {
    let path = database.trim_start_matches("sqlite://");
    let (sessions, tables) =
        block_on(async { bytes(Path::new(path)).await.map_err(|error| Failure::at(path, error)) })?;
    let of =
        |name: &str| tables.iter().filter(|(table, _)| table == name).map(|(_, bytes)| bytes / sessions).sum::<f64>();
    let all: f64 = tables.iter().map(|(_, bytes)| bytes / sessions).sum();
    let ours = all - of("dcr_events") - of("dcr_upstream_tokens");
    report.target(
        PROGRAM,
        "database, without upstream tokens and events",
        "below 400 bytes a session",
        &format!("{ours:.0}"),
        ours < 400.0,
    );
    report.note(format!(
        "Bytes a session with all indexes: sessions {:.0}, connections {:.0}, aliases {:.0}, users {:.0}; events {:.0} more.",
        of("dcr_sessions"),
        of("dcr_connections"),
        of("dcr_aliases"),
        of("dcr_users"),
        of("dcr_events"),
    ));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
async fn bytes(path: &Path) -> Result<(f64, Vec<(String, f64)>), sqlx::Error> {
    let mut database = SqliteConnectOptions::new().filename(path).connect().await?;
    let sessions: i64 = sqlx::query("SELECT count(*) FROM dcr_sessions").fetch_one(&mut database).await?.try_get(0)?;
    let sql = "SELECT coalesce(s.tbl_name, d.name), CAST(sum(d.pgsize) AS INTEGER) FROM dbstat AS d LEFT JOIN sqlite_schema AS s \
               ON s.name = d.name GROUP BY 1";
    let mut tables = Vec::new();
    for row in sqlx::query(sql).fetch_all(&mut database).await? {
        tables.push((row.try_get(0)?, row.try_get::<i64, _>(1)? as f64));
    }
    Ok((sessions as f64, tables))
}
