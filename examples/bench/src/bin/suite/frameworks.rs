//! The example servers on SQLite, each load beside its limit in the same minute.

use std::thread::sleep;
use std::time::Duration;

use dcr_bench::{Failure, Load, Phase, Scenario, Server, Signing, process, storage};
use dcr_core::store::Counts;

use crate::setting::{Setting, Under, block_on};
use crate::table::{Report, Series, middle};

const REGISTRATIONS: usize = 100_000;
const STARTS: usize = 5;
/// The kernel gives memory back, and the database settles.
const SETTLE: Duration = Duration::from_secs(1);

/// One server's series, and those of the limits that were measured beside them.
#[derive(Debug, Default)]
struct Measurements {
    open: Series,
    open_with_token: Series,
    protected: Series,
    verify: Series,
    first: Series,
    echo: Series,
    register: Series,
    refresh: Series,
    exchange: Series,
    flow: Series,
}

/// Measures these programs in turn, in as many rounds as are set.
pub(crate) fn measure(setting: &Setting, programs: &[&str], report: &mut Report) -> Result<(), Failure> {
    let upstream = setting.upstream(Signing::Es256)?;
    let limits = setting.limits()?;
    let mut databases = Vec::new();
    let mut servers = Vec::new();
    for program in programs {
        let database = setting.new_database();
        servers.push((setting.start(program, &database, &upstream, &[])?, Measurements::default()));
        databases.push(database);
    }
    let mut hello = Series::default();
    let mut group_commit = Vec::new();
    let mut single_update = Vec::new();
    for round in 0..setting.rounds {
        let limits = Under { servers: &[&limits], upstream: None };
        hello.push(setting.measure(limits, Scenario::Hello)?);
        for (server, all) in &mut servers {
            eprintln!("round {}, {}", round + 1, server.address());
            let under = Under { servers: &[server], upstream: Some(&upstream) };
            all.open.push(setting.measure(under, Scenario::Open)?);
            all.open_with_token.push(setting.measure(under, Scenario::OpenWithToken)?);
            all.protected.push(setting.measure(under, Scenario::Protected)?);
            all.verify.push(setting.measure(limits, Scenario::Verify)?);
            all.first.push(setting.measure(under, Scenario::ProtectedFirst)?);
            all.echo.push(setting.measure(limits, Scenario::Echo)?);
            all.register.push(setting.measure(under, Scenario::Register)?);
            all.refresh.push(setting.measure(under, Scenario::Refresh)?);
            all.exchange.push(setting.measure(under, Scenario::Exchange)?);
            all.flow.push(setting.measure(under, Scenario::Flow)?);
        }
        let directory = setting.directory.path().join(format!("round-{round}"));
        std::fs::create_dir_all(&directory).map_err(|error| Failure::at(directory.display(), error))?;
        let storage = block_on(storage::sqlite(&directory, setting.time))?;
        group_commit.push(storage.four_statements_in_groups);
        single_update.push(storage.single_update);
    }
    let group_commit = middle(group_commit);
    report.figure("limits", "hello", &hello);
    if let Some((_, all)) = servers.first() {
        report.figure("limits", "verify", &all.verify);
        report.figure("limits", "echo", &all.echo);
    }
    for (program, (_, all)) in programs.iter().zip(&servers) {
        all.tell(program, report);
        all.judge(program, group_commit, report);
    }
    if let [(_, first), (_, second)] = &servers[..] {
        compare(first, second, report);
    }
    report.note(format!(
        "SQLite by itself, through the same library: {:.0} updates of a row a second, each in a transaction of its own; {group_commit:.0} \
         operations of four statements, 32 in a transaction.",
        middle(single_update)
    ));
    drop(servers);
    if let (Some(program), Some(database)) = (programs.first(), databases.first()) {
        registrations(setting, program, report)?;
        starts(setting, program, database, report)?;
        signatures(setting, program, report)?;
    }
    Ok(())
}

impl Measurements {
    fn loads(&self) -> [(Scenario, &Series); 8] {
        [
            (Scenario::Open, &self.open),
            (Scenario::OpenWithToken, &self.open_with_token),
            (Scenario::Protected, &self.protected),
            (Scenario::ProtectedFirst, &self.first),
            (Scenario::Register, &self.register),
            (Scenario::Refresh, &self.refresh),
            (Scenario::Exchange, &self.exchange),
            (Scenario::Flow, &self.flow),
        ]
    }

    fn tell(&self, program: &str, report: &mut Report) {
        for (scenario, series) in self.loads() {
            report.figure(program, scenario, series);
        }
    }

    fn judge(&self, program: &str, group_commit: f64, report: &mut Report) {
        let mut ratio = |what: &str, found: f64, at_least: f64| {
            report.target(program, what, &format!("at least {at_least}"), &format!("{found:.2}"), found >= at_least);
        };
        ratio("register / JSON echo", self.register.to(&self.echo), 0.6);
        ratio("protected, seen before / open", self.protected.to(&self.open), 0.8);
        ratio("protected, first seen / bare verification", self.first.to(&self.verify), 0.8);
        let mut micros = |what: &str, found: f64, at_most: f64| {
            report.target(program, what, &format!("at most {at_most} us"), &format!("{found:.1} us"), found <= at_most);
        };
        micros("CPU: protected over open", self.protected.over(&self.open), 2.0);
        micros("CPU: register over JSON echo", self.register.over(&self.echo), 25.0);
        micros("CPU: refresh", self.refresh.micros(), 60.0);
        micros("CPU: code exchange", self.exchange.micros(), 80.0);
        report.note(format!(
            "{program}: `protected` answers {:.2} times as many as `open` with the same request, and costs {:.1} us more. The token in the \
             request, at which nobody looks, costs `open` {:.1} us.",
            self.protected.to(&self.open_with_token),
            self.protected.over(&self.open_with_token),
            self.open_with_token.over(&self.open),
        ));
        let (rate, p99) = (self.refresh.rate(), self.refresh.millis(0.99));
        let wanted = (1.5 * group_commit).min(12_000.0);
        report.target(
            program,
            "refresh on SQLite",
            &format!("12,000 a second, or 1.5 times the group commit: {wanted:.0}"),
            &format!("{rate:.0}"),
            rate >= wanted,
        );
        report.target(program, "p99 of refresh, 32 connections", "below 20 ms", &format!("{p99:.1} ms"), p99 < 20.0);
        let rate = self.flow.rate();
        report.target(program, "whole sign-in on SQLite", "2,500 a second", &format!("{rate:.0}"), rate >= 2_500.0);
    }
}

/// warp is measured by axum.
fn compare(axum: &Measurements, warp: &Measurements, report: &mut Report) {
    for ((scenario, axum), (_, warp)) in axum.loads().into_iter().zip(warp.loads()) {
        let ratio = warp.to(axum);
        report.target(
            "warp-server",
            &format!("{scenario} / axum"),
            "at least 0.85",
            &format!("{ratio:.2}"),
            ratio >= 0.85,
        );
    }
}

/// What a flood of registrations leaves: no memory, no rows.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn registrations(setting: &Setting, program: &str, report: &mut Report) -> Result<(), Failure> {
    let (upstream, database) = (setting.upstream(Signing::Es256)?, setting.new_database());
    let server = setting.start(program, &database, &upstream, &[])?;
    let under = Under { servers: &[&server], upstream: None };
    let connections = Load::default().connections;
    // The first thousands give each connection and each thread what it needs.
    let load = |operations: usize| Load {
        warm_up: Phase::Each(0),
        measured: Phase::Each(operations / connections),
        ..Load::default()
    };
    under.drive(Scenario::Register, 1, 0, &load(REGISTRATIONS / 20))?;
    sleep(SETTLE);
    let before = process::resident(server.id());
    under.drive(Scenario::Register, 1, 0, &load(REGISTRATIONS))?;
    sleep(SETTLE);
    let more = process::resident(server.id()).saturating_sub(before);
    server.stop()?;
    let counts = block_on(counts(&database))?;
    let more = more as f64 / 1_024.0;
    report.target(
        program,
        "memory after 100,000 registrations",
        "at most 5 MiB more",
        &format!("{more:.1} MiB"),
        more <= 5.0,
    );
    let rows = counts.users + counts.connections + counts.aliases + counts.sessions + counts.clients + counts.events;
    report.target(program, "rows after them", "0", &rows.to_string(), counts == Counts::default());
    Ok(())
}

/// The rows of a database.
pub(crate) async fn counts(database: &str) -> Result<Counts, Failure> {
    let store = dcr_sqlx::connect(database).await.map_err(|error| Failure::at("a database", error))?;
    store.counts().await.map_err(|error| Failure::at("a database", error))
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn starts(setting: &Setting, program: &str, database: &str, report: &mut Report) -> Result<(), Failure> {
    let upstream = setting.upstream(Signing::Es256)?;
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let server: Server = setting.start(program, database, &upstream, &[])?;
        times.push(server.started_in().as_secs_f64() * 1e3);
        sleep(SETTLE);
        memory.push(process::resident(server.id()) as f64 / 1_024.0);
        server.stop()?;
    }
    let (time, memory) = (middle(times), middle(memory));
    report.target(program, "start on an existing database", "below 50 ms", &format!("{time:.0} ms"), time < 50.0);
    report.target(program, "memory when idle", "below 20 MiB", &format!("{memory:.1} MiB"), memory < 20.0);
    Ok(())
}

/// The whole sign-in when the login signs as Entra ID does, for comparison.
fn signatures(setting: &Setting, program: &str, report: &mut Report) -> Result<(), Failure> {
    let (upstream, database) = (setting.upstream(Signing::Rs256)?, setting.new_database());
    let server = setting.start(program, &database, &upstream, &[])?;
    let measured = setting.measure(Under { servers: &[&server], upstream: Some(&upstream) }, Scenario::Flow)?;
    let operations = f64::from(u32::try_from(measured.latencies.len()).unwrap_or(u32::MAX)).max(1.0);
    report.note(format!(
        "The login signs with P-256, which costs it little. With RSA, as Entra ID, {:.0} sign-ins a second, {:.0} us of the server's CPU \
         each, and {:.0} us of the load's, the login's signature in it.",
        measured.rate(),
        measured.server_micros(),
        measured.load_cpu.as_secs_f64() * 1e6 / operations
    ));
    let mut series = Series::default();
    series.push(measured);
    report.figure(program, "flow, login with RS256", &series);
    Ok(())
}
