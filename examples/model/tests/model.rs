//! The model against the engine: on memory, on SQLite in a file, and on PostgreSQL if `DCR_TEST_POSTGRES_URL` names a server
//! whose user may make databases (`.ci/databases` starts one).
//!
//! `DCR_MODEL_SECONDS` or `DCR_MODEL_MOVES` make a longer run, `DCR_MODEL_SEED` decides every choice:
//!
//! ```sh
//! DCR_MODEL_SECONDS=3600 DCR_MODEL_SEED=$RANDOM cargo test -p dcr-model --release --test model -- memory --nocapture
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dcr_core::store::MemoryStore;
use dcr_model::{Fresh, Plan, run};
use libtest_mimic::{Failed, Trial};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use url::Url;

/// What every CI run plays.
const ON_MEMORY: u64 = 20_000;
const ON_A_DATABASE: u64 = 2_000;
const POSTGRES: &str = "DCR_TEST_POSTGRES_URL";

fn main() -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let server = std::env::var(POSTGRES).ok().filter(|url| !url.is_empty());
    if server.is_none() && !arguments.list {
        eprintln!("NOT TESTED: postgres, for {POSTGRES} is not set (see `.ci/databases`); its test is ignored");
    }
    let is_missing = server.is_none();
    let trials = vec![
        Trial::test("memory", || on("memory", ON_MEMORY, &memory(), None)),
        Trial::test("sqlite", || {
            let directory = Directory::new()?;
            on("sqlite", ON_A_DATABASE, &sqlite(&directory.0), Some(&memory()))
        }),
        Trial::test("postgres", || {
            let database = Database::new(&server.ok_or(POSTGRES)?)?;
            on("postgres", ON_A_DATABASE, &postgres(&database.at), Some(&memory()))
        })
        .with_ignored_flag(is_missing),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Plays on one store, and on another beside it that must answer the same bytes.
#[expect(clippy::print_stdout, reason = "how often each outcome came up belongs to the result")]
fn on(name: &str, moves: u64, fresh: &Fresh, other: Option<&Fresh>) -> Result<(), Failed> {
    let plan = Plan::from_environment(moves);
    let coverage = run(plan, fresh, other).map_err(|found| found.in_words(plan.seed))?;
    println!("on {name}, DCR_MODEL_SEED={}: {}", plan.seed, coverage.table());
    let unseen = coverage.unseen();
    if moves == ON_MEMORY && coverage.moves >= moves && !unseen.is_empty() {
        return Err(format!("outcomes that the model knows and that never came up: {unseen:?}").into());
    }
    Ok(())
}

fn memory() -> Fresh {
    Arc::new(|| Box::pin(async { Arc::new(MemoryStore::new()) as _ }))
}

static NEXT: AtomicU32 = AtomicU32::new(0);

fn next() -> u32 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A file for each store.
fn sqlite(directory: &std::path::Path) -> Fresh {
    let directory = directory.to_owned();
    Arc::new(move || {
        let url = format!("sqlite://{}", directory.join(format!("{}.db", next())).display());
        Box::pin(async move { dcr_sqlx::connect(&url).await.expect("a fresh file") })
    })
}

/// A schema for each store: on PostgreSQL databases take long to make.
fn postgres(database: &Url) -> Fresh {
    let database = database.clone();
    Arc::new(move || {
        let (database, schema) = (database.clone(), format!("model_{}", next()));
        Box::pin(async move {
            execute(&database, &format!("CREATE SCHEMA {schema}")).await.expect("a fresh schema");
            let mut url = database;
            url.query_pairs_mut().append_pair("options[search_path]", &schema).append_pair("max-connections", "2");
            dcr_sqlx::connect(url.as_str()).await.expect("a fresh schema's tables")
        })
    })
}

async fn execute(at: &Url, sql: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(at.as_str()).await?;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
    connection.close().await
}

fn now(future: impl Future<Output = Result<(), sqlx::Error>>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), future).await })??;
    Ok(())
}

/// A database of this run, gone after it.
struct Database {
    server: Url,
    at: Url,
    name: String,
}

impl Database {
    fn new(server: &str) -> Result<Self, Failed> {
        let server: Url = server.parse()?;
        let name = format!("dcr_model_{}", std::process::id());
        now(execute(&server, &format!("CREATE DATABASE {name}")))?;
        let mut at = server.clone();
        at.set_path(&name);
        Ok(Self { server, at, name })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if now(execute(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name))).is_err() {
            eprintln!("a database of a test is left over: {}", self.name);
        }
    }
}

struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self, Failed> {
        let path = std::env::temp_dir().join(format!("dcr-model-{}-{}", std::process::id(), next()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
