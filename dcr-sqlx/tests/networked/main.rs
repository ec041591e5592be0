//! PostgreSQL and MySQL: the contract of `dcr_core::store`, and the database around the store.
//!
//! The servers are those of `DCR_TEST_POSTGRES_URL` and `DCR_TEST_MYSQL_URL`, whose users may make databases;
//! `.ci/databases` starts two. A test without its server is reported as ignored, which the standard runner could not say.

#[path = "../common/before.rs"]
mod before;
#[cfg(feature = "cli")]
mod commands;
mod contract;
mod database;
mod failures;
mod opening;
mod proxy;
#[path = "../common/rows.rs"]
mod rows;
mod servers;

use self::servers::{Database, Kind};

fn main() -> std::process::ExitCode {
    let mut arguments = libtest_mimic::Arguments::from_args();
    // They wait more than they compute.
    arguments.test_threads.get_or_insert(6);
    let mut trials = Vec::new();
    for kind in Kind::ALL {
        let mut add = |group: &str, tests: Vec<Test>| {
            trials.extend(tests.into_iter().map(|test| trial(kind, group, test)));
        };
        add("contract", contract::of_one_process());
        if matches!(kind, Kind::Postgres | Kind::MySql) {
            add("contract_of_two_processes", contract::of_two_processes());
            #[cfg(feature = "cli")]
            add("commands", commands::tests());
            add("database", database::tests());
            add("opening", opening::tests(kind));
            add("failures", failures::tests(kind));
        }
    }
    for kind in [Kind::Postgres, Kind::MySql] {
        if servers::Server::of(kind).is_none() && !arguments.list {
            let (name, variable) = (kind.name(), kind.variable());
            eprintln!("NOT TESTED: {name}, for {variable} is not set (see `.ci/databases`); its tests are ignored");
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    servers::clean_up();
    conclusion.exit_code()
}

/// A test on a database.
#[derive(Debug)]
struct Test {
    name: &'static str,
    run: fn(Database) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Whether it can tell anything here; otherwise it is reported as ignored.
    here: bool,
}

impl Test {
    const fn of(name: &'static str, run: fn(Database) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) -> Self {
        Self { name, run, here: true }
    }
}

/// Tests by name.
macro_rules! tests {
    ($($test:ident)*) => { vec![$($crate::Test::of(stringify!($test), |database| Box::pin($test(database)))),*] };
}
pub(crate) use tests;

/// Tests of some servers only.
fn on(here: bool, tests: Vec<Test>) -> impl Iterator<Item = Test> {
    tests.into_iter().map(move |test| Test { here, ..test })
}

fn trial(kind: Kind, group: &str, test: Test) -> libtest_mimic::Trial {
    let server = servers::Server::of(kind);
    let (ignored, of_its_own) = (server.is_none() || !test.here, !group.starts_with("contract"));
    let name = format!("{}::{group}::{}", kind.name(), test.name);
    let run = move || {
        let server = server.ok_or_else(|| format!("{} is not set", kind.variable()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
        runtime.block_on(async {
            let database = if of_its_own { Database::fresh(server).await } else { Database::tables(server).await };
            (test.run)(database).await;
        });
        Ok(())
    };
    libtest_mimic::Trial::test(name, run).with_ignored_flag(ignored)
}
