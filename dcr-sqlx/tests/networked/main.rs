//! PostgreSQL and MySQL: the contract of `dcr_core::store`, and the database around the store.
//!
//! The servers are those of `DCR_TEST_POSTGRES_URL` and `DCR_TEST_MYSQL_URL`, whose users may make databases;
//! `.ci/databases` starts two. A test without its server is reported as ignored, which the standard runner could not say.

#[cfg(all(feature = "postgres", feature = "mysql", feature = "cli"))]
mod commands;
#[cfg(all(feature = "postgres", feature = "mysql"))]
mod contract;
#[cfg(all(feature = "postgres", feature = "mysql"))]
mod database;
#[cfg(all(feature = "postgres", feature = "mysql"))]
mod failures;
#[cfg(all(feature = "postgres", feature = "mysql"))]
mod opening;
#[cfg(all(feature = "postgres", feature = "mysql"))]
mod proxy;
#[cfg(all(feature = "postgres", feature = "mysql"))]
#[path = "../common/rows.rs"]
mod rows;
#[cfg(all(feature = "postgres", feature = "mysql"))]
mod servers;
#[cfg(all(feature = "postgres", feature = "mysql"))]
#[cfg(all(feature = "postgres", feature = "mysql"))]
use self::servers::Database;

#[cfg(not(all(feature = "postgres", feature = "mysql")))]
fn main() {
    eprintln!("nothing runs here without the features `postgres` and `mysql` of dcr-sqlx");
}

#[cfg(all(feature = "postgres", feature = "mysql"))]
fn main() -> std::process::ExitCode {
    let mut arguments = libtest_mimic::Arguments::from_args();
    // They wait more than they compute.
    arguments.test_threads.get_or_insert(6);
    let mut trials = Vec::new();
    for kind in servers::Kind::ALL {
        let mut add = |group: &str, tests: Vec<(&'static str, Test)>| {
            trials.extend(tests.into_iter().map(|(name, test)| trial(kind, group, name, test)));
        };
        add("contract", contract::of_one_process());
        if matches!(kind, servers::Kind::Postgres | servers::Kind::MySql) {
            add("contract_of_two_processes", contract::of_two_processes());
            #[cfg(feature = "cli")]
            add("commands", commands::tests());
            add("database", database::tests());
            add("opening", opening::tests());
            add("failures", failures::tests());
        }
    }
    for kind in [servers::Kind::Postgres, servers::Kind::MySql] {
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
#[cfg(all(feature = "postgres", feature = "mysql"))]
type Test = fn(Database) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tests by name.
#[cfg(all(feature = "postgres", feature = "mysql"))]
macro_rules! tests {
    ($($test:ident)*) => { vec![$((stringify!($test), (|database| Box::pin($test(database))) as $crate::Test)),*] };
}
#[cfg(all(feature = "postgres", feature = "mysql"))]
pub(crate) use tests;

#[cfg(all(feature = "postgres", feature = "mysql"))]
fn trial(kind: servers::Kind, group: &str, name: &str, test: Test) -> libtest_mimic::Trial {
    let server = servers::Server::of(kind);
    let (ignored, of_its_own) = (server.is_none(), !group.starts_with("contract"));
    let run = move || {
        let server = server.ok_or_else(|| format!("{} is not set", kind.variable()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
        runtime.block_on(async {
            let database = if of_its_own { Database::fresh(server).await } else { Database::tables(server).await };
            test(database).await;
        });
        Ok(())
    };
    libtest_mimic::Trial::test(format!("{}::{group}::{name}", kind.name()), run).with_ignored_flag(ignored)
}
