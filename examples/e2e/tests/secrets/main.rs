//! Secrets stay secret (LEAK-01, I-14, OP-5, OP-6). Every flow runs on both frameworks with every crate's log at its loudest;
//! then the output of both servers and of the `dcr` command, all that was answered, and the bytes of the database are
//! searched for every code, token, verifier, secret, cookie and ID token that was used.
//!
//! On a SQLite file always; on PostgreSQL and MariaDB if `DCR_TEST_POSTGRES_URL` and `DCR_TEST_MYSQL_URL` name servers.
//!
//! There are no metrics yet that could be searched; spans are in the log, with their fields.

#[path = "../cluster/databases.rs"]
#[expect(dead_code, reason = "clusters also save and restore them")]
mod databases;
mod dump;
mod flows;
mod known;
mod operator;
mod scan;
mod stage;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use dcr_core::store::Target;
use dcr_core::{Operator, Platform, SystemClock, SystemRandom};

use crate::databases::{Database, Kind};
use crate::scan::{Needle, Scanner};
use crate::stage::Stage;

/// What must have spoken in which log for it to be the loudest: ours, the database's, HTTP clients, MCP, the framework. (hyper
/// and rustls say nothing in a build as it is released: that they may is a feature that nobody here turns on.)
const LOUD: [(&str, &str, &str); 9] = [
    ("server on", "DEBUG", "dcr"),
    ("server on", "DEBUG", "sqlx::query"),
    ("server on", "TRACE", "hyper_util::client::legacy::pool"),
    ("server on", "TRACE", "reqwest::retry"),
    ("server on", "", "rmcp::service"),
    ("server on warp", "TRACE", "warp::filters::path"),
    ("server elsewhere", "TRACE", "hyper_util::client::legacy::client"),
    ("server elsewhere", "DEBUG", "rustls_platform_verifier"),
    ("output of dcr", "DEBUG", "sqlx::query"),
];

fn main() -> ExitCode {
    let mut arguments = libtest_mimic::Arguments::from_args();
    // What is recorded, and what this process logs, is of one test.
    arguments.test_threads = Some(1);
    stage::log_of_this_process();
    let trials = Kind::ALL.into_iter().map(|kind| {
        let run = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(leak_01_nothing_that_was_used_is_found(kind));
            Ok(())
        };
        let name = format!("{}::leak_01_nothing_that_was_used_is_found", kind.name());
        libtest_mimic::Trial::test(name, run).with_ignored_flag(kind.is_missing())
    });
    let trials = trials.collect();
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_missing() && !arguments.list) {
        let (name, variable) = (kind.name(), kind.variable().unwrap_or_default());
        eprintln!("NOT TESTED: {name}, for {variable} is not set; its test is ignored");
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// See the module.
async fn leak_01_nothing_that_was_used_is_found(kind: Kind) {
    let began = Instant::now();
    let database = Database::fresh(kind).await;
    let stage = Stage::set(&database).await;
    for replica in 0..stage.cluster.size() {
        dcr_e2e::at(replica, flows::every_flow(&stage, replica)).await;
    }
    operator::every_command(&stage, &database).await;
    let exchanges = dcr_e2e::untap();
    let metrics = stage.metrics().await;
    let known = stage.known(&database, &exchanges);

    // Planted where the search must find it: in the log in every form, and by an operator's hand in the database.
    let canary = Needle::new("canary", "canary:d29Yb/x+7mrze8BI0VniavN7wEjRWeJq83vA");
    stage.plant(&canary);
    let operator = Operator::new(database.store().await, Arc::new(SystemClock), Arc::new(SystemRandom));
    let text = String::from_utf8(canary.bytes.clone()).expect("text");
    operator.block(&Target::Platform(Platform::named("nobody")), &text).await.expect("a block");

    let scanner = Scanner::new(known.needles().iter().chain([&canary]));
    let mut found = Vec::new();
    let mut bytes = 0;
    for (name, log) in stage.logs() {
        assert!(!log.is_empty(), "{name} says nothing");
        let text = String::from_utf8_lossy(&log);
        assert!(!text.contains("panicked at"), "{name}: a panic");
        for (server, level, target) in LOUD.into_iter().filter(|(server, ..)| name.contains(server)) {
            // Spans come between the level and the target.
            let (level, target) = (format!(" {level}"), format!(" {target}"));
            let spoke = text.lines().any(|line| line.contains(&level) && line.contains(&target));
            assert!(spoke, "{name} is not as loud as it can be: no{level}{target} on {server}");
        }
        bytes += log.len();
        found.extend(scanner.find(&log).into_iter().map(|found| (name.clone(), found)));
    }
    let logged = found.iter().filter(|(_, found)| found.kind == "canary").map(|(_, found)| found.form);
    let logged: BTreeSet<&str> = logged.collect();
    let forms: BTreeSet<&str> = canary.forms().into_iter().map(|(form, _)| form).collect();
    assert_eq!(logged, forms, "the canary in the log is found in every form");
    found.retain(|(_, found)| found.kind != "canary");
    for (name, shown) in metrics {
        bytes += shown.len();
        found.extend(scanner.find(&shown).into_iter().map(|found| (name.clone(), found)));
    }

    for when in ["database while servers run", "database after they stopped"] {
        let dump = dump::bytes_of(&database).await;
        bytes += dump.len();
        let here = scanner.find(&dump);
        assert!(here.iter().any(|found| found.kind == "canary"), "the canary in the {when} is found");
        found.extend(here.into_iter().filter(|found| found.kind != "canary").map(|found| (when.to_owned(), found)));
        if when.contains("while") {
            stage.cluster.stop_all().await;
        }
    }

    let ours = exchanges.iter().filter(|exchange| exchange.url.starts_with(stage.site().base()));
    let mut answers = 0;
    for exchange in ours {
        answers += 1;
        let answer = known::without_what_is_handed_out(exchange);
        bytes += answer.len();
        let path = exchange.url.split('?').next().unwrap_or_default().trim_start_matches(stage.site().base());
        let name = format!("answer {} of {} {path}", exchange.answer.status.as_u16(), exchange.method);
        found.extend(scanner.find(&answer).into_iter().map(|found| (name.clone(), found)));
    }
    eprintln!(
        "  {} secrets in {} forms, {answers} answers, {:.1} MiB searched, {:.1?}: {:?}",
        known.needles().len(),
        scanner.patterns(),
        bytes as f64 / f64::from(1 << 20),
        began.elapsed(),
        known.kinds(),
    );
    if let Some(keep) = std::env::var_os("DCR_SECRETS_KEEP") {
        for (name, log) in stage.logs() {
            std::fs::write(std::path::Path::new(&keep).join(name.replace(' ', "-")), log).expect("a file");
        }
    }
    assert!(found.is_empty(), "{}", scan::report(&found));
}
