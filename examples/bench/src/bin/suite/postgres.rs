//! The example server on PostgreSQL: beside `pgbench` on the same server, and with a second process.

use std::process::Command;

use dcr_bench::{Failure, Scenario, Signing};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use url::Url;

use crate::setting::{Setting, Under, block_on};
use crate::table::{Report, Series, middle};

/// As many connections as a server of ours takes by default.
const CONNECTIONS: &str = "10";
const PROGRAM: &str = "axum-server";
/// The update of a refresh, on a table that is the store's own in everything but its name.
const SCRIPT: &str = "\\set n random(1, 100000)\n\
    UPDATE bench_sessions SET generation = generation + 1, advanced_at = advanced_at + 1, \
    expires_at = LEAST(expires_at + 1, absolute_expires_at) \
    WHERE session_id = decode(lpad(to_hex(CAST(:n AS int)), 32, '0'), 'hex') AND ended_at IS NULL AND expires_at > 0;\n";
const ROWS: &str = "CREATE TABLE bench_sessions (LIKE dcr_sessions INCLUDING ALL);
    INSERT INTO bench_sessions (session_id, connection_id, terms, redirect_uri, code_challenge, refreshable, generation,
        created_at, redeemed_at, advanced_at, expires_at, absolute_expires_at)
        SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), decode(lpad(to_hex(n), 32, '0'), 'hex'), n % 200,
        'http://127.0.0.1/callback', decode(repeat('61', 32), 'hex'), 1, 1, n, n, n, n, 9000000000000000
        FROM generate_series(1, 100000) AS n;
    ANALYZE bench_sessions;";

/// A database that is gone in the end.
pub(crate) struct Database {
    server: String,
    name: String,
    /// Its URL.
    pub(crate) url: String,
}

impl Database {
    /// Makes one on the server that a URL names.
    pub(crate) fn make(server: &str, name: &str) -> Result<Self, Failure> {
        let name = format!("dcr_bench_{name}_{}", std::process::id());
        let mut url: Url = server.parse().map_err(|error| Failure::at("the URL of PostgreSQL", error))?;
        url.set_path(&name);
        block_on(execute(server, format!("CREATE DATABASE {name}")))?;
        Ok(Self { server: server.to_owned(), name, url: url.into() })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let dropped = block_on(execute(&self.server, format!("DROP DATABASE {} WITH (FORCE)", self.name)));
        if let Err(failure) = dropped {
            eprintln!("{} stays: {failure}", self.name);
        }
    }
}

async fn execute(url: &str, sql: String) -> Result<(), Failure> {
    let failed = |error: sqlx::Error| Failure::at("PostgreSQL", error);
    let mut connection = PgConnection::connect(url).await.map_err(failed)?;
    connection.execute(AssertSqlSafe(sql)).await.map_err(failed)?;
    connection.close().await.map_err(failed)
}

/// One process, `pgbench`, and two processes, in as many rounds as are set.
pub(crate) fn measure(setting: &Setting, server: &str, report: &mut Report) -> Result<(), Failure> {
    let upstream = setting.upstream(Signing::Es256)?;
    let database = Database::make(server, "load")?;
    let first = setting.start(PROGRAM, &database.url, &upstream, &[])?;
    let issuer = format!("http://{}", first.address());
    let second = setting.start(PROGRAM, &database.url, &upstream, &[("DCR_PUBLIC_URL", issuer)])?;
    block_on(execute(&database.url, ROWS.to_owned()))?;
    let one = Under { servers: &[&first], upstream: Some(&upstream) };
    let two = Under { servers: &[&first, &second], upstream: Some(&upstream) };
    let (mut refresh, mut pgbench_rates, mut ratios) = (Series::default(), Vec::new(), Vec::new());
    let (mut flow, mut flow_of_two, mut refresh_of_two) = (Series::default(), Series::default(), Series::default());
    for _ in 0..setting.rounds {
        let measured = setting.measure(one, Scenario::Refresh)?;
        let tps = pgbench(setting, &database.url)?;
        ratios.push(measured.rate() / tps);
        pgbench_rates.push(tps);
        refresh.push(measured);
        refresh_of_two.push(setting.measure(two, Scenario::Refresh)?);
        flow.push(setting.measure(one, Scenario::Flow)?);
        flow_of_two.push(setting.measure(two, Scenario::Flow)?);
    }
    report.figure("axum-server, PostgreSQL", "refresh", &refresh);
    report.figure("the same, 2 processes", "refresh", &refresh_of_two);
    report.figure("axum-server, PostgreSQL", "flow", &flow);
    report.figure("the same, 2 processes", "flow", &flow_of_two);
    let ratio = middle(ratios);
    report.note(format!(
        "pgbench with the update of a refresh, prepared, {CONNECTIONS} connections: {:.0} a second.",
        middle(pgbench_rates)
    ));
    report.target(PROGRAM, "refresh on PostgreSQL / pgbench", "at least 0.5", &format!("{ratio:.2}"), ratio >= 0.5);
    let ratio = flow_of_two.to(&flow);
    report.target(PROGRAM, "sign-in, two processes / one", "at least 1.6", &format!("{ratio:.2}"), ratio >= 1.6);
    let ratio = refresh_of_two.to(&refresh);
    report.note(format!("Refreshes of two processes: {ratio:.2} times those of one."));
    first.stop()?;
    second.stop()
}

/// Transactions a second.
fn pgbench(setting: &Setting, url: &str) -> Result<f64, Failure> {
    let script = setting.directory.path().join("update.sql");
    std::fs::write(&script, SCRIPT).map_err(|error| Failure::at(script.display(), error))?;
    let seconds = setting.time.as_secs().max(1).to_string();
    let output = Command::new("pgbench")
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--client", CONNECTIONS, "--time", &seconds, "--file"])
        .arg(&script)
        .arg(url)
        .output()
        .map_err(|error| Failure::at("pgbench", error))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let tps = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    tps.ok_or_else(|| Failure::at("pgbench", String::from_utf8_lossy(&output.stderr)))
}
