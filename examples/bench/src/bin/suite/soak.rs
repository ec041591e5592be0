//! Mixed load for a long time. In the end the servers' counters, the load's and the rows of the database must agree.

use std::time::{Duration, Instant};

use dcr_bench::flow::{Done, done};
use dcr_bench::{Failure, Load, Phase, Scenario, Server, Signing};
use dcr_core::record::{FunnelCount, Step};
use dcr_core::store::{Counts, FunnelQuery};

use crate::postgres::Database;
use crate::setting::{Setting, Under, block_on};
use crate::table::{Report, Series};

const PROGRAM: &str = "axum-server";
/// One line of the table.
const SLICE: Duration = Duration::from_secs(60);
/// The slice in which pools are open.
const SETTLED: usize = 2;

/// One process on SQLite.
pub(crate) fn sqlite(setting: &Setting, time: Duration, rate: Option<f64>, report: &mut Report) -> Result<(), Failure> {
    soak(setting, &setting.new_database(), 1, time, rate, report)
}

/// Two on PostgreSQL.
pub(crate) fn postgres(
    setting: &Setting,
    server: &str,
    time: Duration,
    rate: Option<f64>,
    report: &mut Report,
) -> Result<(), Failure> {
    let database = Database::make(server, "soak")?;
    soak(setting, &database.url, 2, time, rate, report)
}

fn soak(
    setting: &Setting,
    database: &str,
    processes: usize,
    time: Duration,
    rate: Option<f64>,
    report: &mut Report,
) -> Result<(), Failure> {
    let upstream = setting.upstream(Signing::Es256)?;
    let mut servers: Vec<Server> = Vec::new();
    for _ in 0..processes {
        let issuer: Vec<_> = servers
            .first()
            .map(|first| ("DCR_PUBLIC_URL", format!("http://{}", first.address())))
            .into_iter()
            .collect();
        servers.push(setting.start(PROGRAM, database, &upstream, &issuer)?);
    }
    let before = done();
    let refs: Vec<&Server> = servers.iter().collect();
    let under = Under { servers: &refs, upstream: Some(&upstream) };
    let slice = SLICE.min(time);
    let load = Load { warm_up: Phase::Each(0), measured: Phase::For(slice), rate, ..Load::default() };
    let name = if processes == 1 { "axum-server, SQLite" } else { "2 × axum-server, PostgreSQL" };
    let (began, mut slices) = (Instant::now(), Vec::new());
    while began.elapsed() < time {
        let measured = under.drive(Scenario::Mix, 1, 0, &load)?;
        let mut series = Series::default();
        series.push(measured.clone());
        report.figure(name, format!("mix, minute {}", slices.len() + 1), &series);
        slices.push(measured);
    }
    for server in servers {
        server.stop()?;
    }
    judge(name, &slices, report);
    consistent(name, database, before, report)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn judge(name: &str, slices: &[dcr_bench::Measured], report: &mut Report) {
    // After three minutes pools are open; by half-time the caches, which have a bound, are full as well.
    for (n, when) in [(SETTLED, "third"), (slices.len() / 2, "middle")] {
        let (Some(early), Some(last)) = (slices.get(n.min(slices.len().saturating_sub(1))), slices.last()) else {
            return;
        };
        let grown = (last.resident as f64 - early.resident as f64) / 1_024.0;
        let what = format!("memory, last minute over the {when} one");
        report.target(name, &what, "at most 10 MiB", &format!("{grown:.1} MiB"), grown <= 10.0);
        let slower = last.millis(0.99) / early.millis(0.99);
        let what = format!("p99, last minute / the {when} one");
        report.target(name, &what, "at most 1.25", &format!("{slower:.2}"), slower <= 1.25);
    }
}

/// What the load did is what the database has, and what the funnel counted.
fn consistent(name: &str, database: &str, before: Done, report: &mut Report) -> Result<(), Failure> {
    let did = done().since(before);
    let (counts, funnel) = block_on(read(database))?;
    let steps = |step: Step| funnel.iter().filter(move |count| count.step == step && count.outcome == FunnelCount::OK);
    let counted = |step: Step| steps(step).map(|count| count.count).sum::<u64>();
    for (what, load, there) in [
        ("sessions", did.sign_ins, counts.sessions),
        ("events of sign-ins", did.sign_ins, counts.events),
        ("funnel: registrations", did.registrations, counted(Step::Register)),
        ("funnel: sign-ins", did.sign_ins, counted(Step::SignIn)),
        ("funnel: codes", did.exchanges, counted(Step::Code)),
        ("funnel: refreshes", did.refreshes, counted(Step::Refresh)),
    ] {
        report.target(name, what, &load.to_string(), &there.to_string(), load == there);
    }
    Ok(())
}

async fn read(database: &str) -> Result<(Counts, Vec<FunnelCount>), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::at("a database", error);
    let store = dcr_sqlx::connect(database).await.map_err(|error| failed(&error))?;
    let counts = store.counts().await.map_err(|error| failed(&error))?;
    let funnel =
        store.funnel(&FunnelQuery { limit: 1_000, ..FunnelQuery::default() }).await.map_err(|error| failed(&error))?;
    Ok((counts, funnel))
}
