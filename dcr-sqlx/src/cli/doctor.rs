//! `dcr doctor`: what an operator should know, and what to do about it.

use std::time::Duration;

use clap::Args;
use dcr_core::store::{Census, Counts, UserMatch, UserQuery};
use dcr_core::{Secret, Timestamp, check_secrets};
use serde::Serialize;

use super::terminal::{Out, count, short};
use super::who::named;
use super::{Database, Failure};

/// Replicas and their database may differ by this much without harm.
const SKEW: Duration = Duration::from_secs(5);
/// Of one person. Each app keeps at most 20.
const MANY_SESSIONS: u64 = 40;
/// More than a sweep now and then leaves.
const MANY_SWEEPABLE: u64 = 10_000;

#[derive(Args)]
pub(super) struct Doctor {
    /// The secrets of the servers, as they have them
    #[arg(long, env = "DCR_SECRET", hide_env_values = true, value_name = "SECRETS")]
    secret: Option<String>,

    /// Their retired secrets
    #[arg(long, env = "DCR_SECRET_RETIRED", hide_env_values = true, value_name = "SECRETS")]
    secret_retired: Option<String>,

    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Something that a person should do.
#[derive(Serialize)]
struct Finding {
    /// Whether something is wrong, rather than worth knowing.
    problem: bool,
    text: String,
}

#[derive(Serialize)]
struct Busy {
    user: String,
    live_sessions: u64,
}

#[derive(Default, Serialize)]
struct Health {
    tables: &'static str,
    keys: String,
    clock_seconds_ahead: Option<f64>,
    users: u64,
    connections: u64,
    client_ids: u64,
    imported_client_ids: u64,
    client_rows: u64,
    blocks: u64,
    events: u64,
    live_sessions: u64,
    lapsed_sessions: u64,
    ended_sessions: u64,
    sweepable_sessions: u64,
    recovery_until: Option<String>,
    busiest: Vec<Busy>,
    findings: Vec<Finding>,
}

impl Health {
    fn problem(&mut self, text: impl Into<String>) {
        self.findings.push(Finding { problem: true, text: text.into() });
    }

    fn advice(&mut self, text: impl Into<String>) {
        self.findings.push(Finding { problem: false, text: text.into() });
    }

    fn rows(&mut self, counts: Counts, census: &Census) {
        (self.users, self.connections, self.client_ids) = (counts.users, counts.connections, counts.aliases);
        (self.imported_client_ids, self.blocks, self.events) = (counts.imported_clients, counts.blocks, counts.events);
        self.client_rows = counts.clients;
        (self.live_sessions, self.lapsed_sessions, self.ended_sessions) = (census.live, census.lapsed, census.ended);
    }
}

impl Doctor {
    pub(super) async fn run(&self, url: &str, out: &mut Out) -> Result<(), Failure> {
        let mut health = Health { tables: "up to date", ..Health::default() };
        match Database::open(url).await {
            Ok(database) => self.examine(&database, &mut health).await?,
            Err(Failure::Open(error)) => {
                health.tables = "not usable";
                health.problem(error.to_string());
                self.keys(None, &mut health);
            }
            Err(other) => return Err(other),
        }
        if self.json {
            out.json(&health)?;
        } else {
            print(&health, out)?;
        }
        if health.findings.iter().any(|finding| finding.problem) { Err(Failure::Findings) } else { Ok(()) }
    }

    async fn examine(&self, database: &Database, health: &mut Health) -> Result<(), Failure> {
        let (store, operator) = (&*database.store, &database.operator);
        self.keys(store.kept_secret().await?.as_ref(), health);

        let before = operator.now();
        let theirs = store.server_time().await?;
        let after = operator.now();
        clock(before, theirs, after, health);

        let now = operator.now();
        let census = store.census(now).await?;
        health.rows(store.counts().await?, &census);
        health.sweepable_sessions = store.sweepable(operator.sweepable_before()).await?;
        if health.sweepable_sessions > MANY_SWEEPABLE {
            let n = health.sweepable_sessions;
            health.advice(format!("{n} sessions ended or lapsed long ago: delete them with `dcr sweep`, once a day"));
        }

        for (id, live_sessions) in census.busiest {
            let query = UserQuery { matching: Some(UserMatch::Id(id.clone())), after: None, limit: 1 };
            let user = store.users(&query).await?.pop().map_or_else(|| id.to_string(), |user| named(&user));
            if live_sessions >= MANY_SESSIONS {
                health
                    .advice(format!("{user} has {live_sessions} live sessions: look at them with `dcr sessions {id}`"));
            }
            health.busiest.push(Busy { user, live_sessions });
        }

        if let Some(until) = store.recovery_until().await?.filter(|until| now < *until) {
            health.recovery_until = Some(until.to_string());
            health.advice(format!(
                "the recovery window is open until {until}: a token that was stolen before the loss may work once more; \
                 close it with `dcr recover --close` as soon as clients have come by"
            ));
        }
        // Events are stamped by the servers: one from the future was written by a clock that is ahead.
        let newest = dcr_core::store::EventQuery { limit: 1, ..Default::default() };
        if let Some(event) = store.events(&newest).await?.pop().filter(|event| event.at > now + SKEW) {
            let ahead = event.at.since(now).as_secs();
            health.problem(format!(
                "the newest event is {ahead} s in the future: the clock of a server was or is ahead; check NTP on each"
            ));
        }
        Ok(())
    }

    /// Whether a server could start with these secrets, and opens what was sealed before.
    fn keys(&self, kept: Option<&Secret>, health: &mut Health) {
        let given = self.secret.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let Some(given) = given.filter(|text| *text != "store") else {
            if kept.is_some() {
                health.keys = "the database keeps the secret".to_owned();
                health.advice(
                    "the database keeps the secret, and so does every backup of it: in production move it out (`dcr secret \
                     kept`, then DCR_SECRET)",
                );
            } else {
                health.keys = "no DCR_SECRET, and none in the database yet".to_owned();
            }
            return;
        };
        let parse = |variable: &str, list: &str, health: &mut Health| {
            let mut secrets = Vec::new();
            for (n, text) in list.split(',').map(str::trim).filter(|text| !text.is_empty()).enumerate() {
                match text.parse::<Secret>() {
                    Ok(secret) => secrets.push(secret),
                    Err(error) => health.problem(format!("{variable}, number {}: {error}", n + 1)),
                }
            }
            secrets
        };
        let active = parse("DCR_SECRET", given, health);
        let retired = parse("DCR_SECRET_RETIRED", self.secret_retired.as_deref().unwrap_or_default(), health);
        health.keys = format!("{} active, {} retired", active.len(), retired.len());
        if health.findings.is_empty()
            && let Err(error) = check_secrets(&active, &retired)
        {
            health.problem(format!("DCR_SECRET and DCR_SECRET_RETIRED: {error}"));
        }
        if kept.is_some_and(|kept| !active.contains(kept) && !retired.contains(kept)) {
            health.advice(
                "the database keeps a secret that is not among DCR_SECRET and DCR_SECRET_RETIRED: client ids from the time \
                 when servers used it are unknown now; add it to DCR_SECRET_RETIRED (`dcr secret kept`)",
            );
        }
    }
}

/// How far the database's clock is from ours, the time of asking evened out.
fn clock(before: Timestamp, theirs: Timestamp, after: Timestamp, health: &mut Health) {
    let ours = before + after.since(before) / 2;
    let ahead = micros(theirs) - micros(ours);
    // To the tenth, and no negative zero.
    health.clock_seconds_ahead = Some((ahead / 1e5).round() / 10.0 + 0.0);
    let off = if theirs > ours { theirs.since(ours) } else { ours.since(theirs) };
    if off > SKEW + after.since(before) {
        let (seconds, direction) = (off.as_secs(), if theirs > ours { "ahead of" } else { "behind" });
        health.problem(format!(
            "the database's clock is {seconds} s {direction} this machine's: more than the 5 s that do no harm; check NTP"
        ));
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
fn micros(time: Timestamp) -> f64 {
    time.unix_micros() as f64
}

fn print(health: &Health, out: &mut Out) -> Result<(), Failure> {
    let mut row = |name: &str, text: String| out.line(format_args!("{name:<10}  {text}"));
    row("tables", health.tables.to_owned())?;
    row("keys", health.keys.clone())?;
    if let Some(ahead) = health.clock_seconds_ahead {
        row("clock", format!("the database's is {ahead:+.1} s from this machine's"))?;
        row(
            "rows",
            format!(
                "{} users, {} connections, {} client ids ({} imported), {} pinned or changed clients, {} blocks, {} events",
                health.users,
                health.connections,
                health.client_ids,
                health.imported_client_ids,
                health.client_rows,
                health.blocks,
                health.events
            ),
        )?;
        row(
            "sessions",
            format!(
                "{} live, {} lapsed, {} ended; {} of them can be swept",
                health.live_sessions, health.lapsed_sessions, health.ended_sessions, health.sweepable_sessions
            ),
        )?;
        let window = health.recovery_until.as_ref().and_then(|until| until.parse().ok()).map(short);
        row("recovery", window.map_or_else(|| "closed".to_owned(), |until| format!("open until {until}")))?;
        for (n, Busy { user, live_sessions }) in health.busiest.iter().enumerate() {
            let sessions = usize::try_from(*live_sessions).unwrap_or(usize::MAX);
            row(if n == 0 { "busiest" } else { "" }, format!("{:<12}  {user}", count(sessions, "session")))?;
        }
    }
    if health.findings.is_empty() {
        out.line(format_args!("\nNothing to do."))?;
        return Ok(());
    }
    out.line(format_args!("\nTo do:"))?;
    for Finding { problem, text } in &health.findings {
        out.line(format_args!("  {} {text}", if *problem { "PROBLEM" } else { "-" }))?;
    }
    Ok(())
}
