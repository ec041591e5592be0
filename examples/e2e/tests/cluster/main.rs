//! Several server processes on one database behind a load balancer: every step of a flow on another replica, SIGKILL in
//! the middle of anything, races over all of them, the bound of revocations, keys rotated under load, a database that went
//! back in time, and the old system brought in.
//!
//! Always on a SQLite file that the processes share; on PostgreSQL and MariaDB if `DCR_TEST_POSTGRES_URL` and
//! `DCR_TEST_MYSQL_URL` name servers.
//!
//! `DCR_RACE_ROUNDS` is how many rounds each race has (20), see `races`.
//!
//! `DCR_CLUSTER_SECONDS` is how long the random tests go on (a few seconds), `DCR_CLUSTER_SEED` what decides their choices
//! (which is printed when a test fails).

mod databases;
mod flow;
mod import;
mod kills;
mod operator;
mod races;
mod restore;
mod revocation;
mod rotation;
mod support;

use std::pin::Pin;
use std::process::ExitCode;

use databases::{Database, Kind};

fn main() -> ExitCode {
    let mut arguments = libtest_mimic::Arguments::from_args();
    // Each test is several processes, and measures times.
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let mut trials = Vec::new();
    for kind in Kind::ALL {
        for (group, tests) in [
            ("flow", flow::tests()),
            ("import", import::tests()),
            ("kills", kills::tests()),
            ("races", races::tests()),
            ("restore", restore::tests()),
            ("revocation", revocation::tests()),
            ("rotation", rotation::tests()),
        ] {
            trials.extend(tests.into_iter().map(|(name, test)| trial(kind, group, name, test)));
        }
    }
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_missing() && !arguments.list) {
        let (name, variable) = (kind.name(), kind.variable().unwrap_or_default());
        eprintln!("NOT TESTED: {name}, for {variable} is not set; its tests are ignored");
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test on a fresh database.
type Test = fn(Database) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tests by name.
macro_rules! tests {
    ($($test:ident)*) => { vec![$((stringify!($test), (|database| Box::pin($test(database))) as $crate::Test)),*] };
}
use tests;

fn trial(kind: Kind, group: &str, name: &str, test: Test) -> libtest_mimic::Trial {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async { test(Database::fresh(kind).await).await });
        Ok(())
    };
    libtest_mimic::Trial::test(format!("{}::{group}::{name}", kind.name()), run).with_ignored_flag(kind.is_missing())
}
