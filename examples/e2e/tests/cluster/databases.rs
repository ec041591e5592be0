//! The databases that clusters run on.
//!
//! PostgreSQL and MariaDB are those of `DCR_TEST_POSTGRES_URL` and `DCR_TEST_MYSQL_URL`, whose users may make databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dcr_core::store::Store;
use dcr_e2e::Directory;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use url::Url;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// What the tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One file that all processes share.
    Sqlite,
    Postgres,
    MySql,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::MySql];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
        }
    }

    /// The variable that says where its server is; SQLite has none.
    pub(crate) const fn variable(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("DCR_TEST_POSTGRES_URL"),
            Self::MySql => Some("DCR_TEST_MYSQL_URL"),
        }
    }

    pub(crate) fn is_missing(self) -> bool {
        self.variable().is_some() && self.server().is_none()
    }

    fn server(self) -> Option<Url> {
        let url = std::env::var(self.variable()?).ok().filter(|url| !url.is_empty())?;
        Some(url.parse().expect("a URL"))
    }
}

/// A database of one test, gone after it.
pub(crate) enum Database {
    File(Directory),
    Server { server: Url, name: String },
}

impl Database {
    pub(crate) async fn fresh(kind: Kind) -> Self {
        let Some(variable) = kind.variable() else { return Self::File(Directory::new()) };
        // Also a test that is ignored can be asked for.
        let server = kind.server().unwrap_or_else(|| panic!("{variable} names no server to test {} on", kind.name()));
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dcr_cluster_{}_{n}", std::process::id());
        run(&server, &format!("CREATE DATABASE {name}")).await;
        Self::Server { server, name }
    }

    /// What it is.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::File(_) => Kind::Sqlite,
            Self::Server { server, .. } if is_mysql(server) => Kind::MySql,
            Self::Server { .. } => Kind::Postgres,
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::File(directory) => format!("sqlite://{}", directory.path().join("dcr.db").display()),
            Self::Server { server, name } => at(server, name).into(),
        }
    }

    /// The store, opened by one process more: this one.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        dcr_sqlx::connect(&self.url()).await.expect("the database of the cluster")
    }

    /// Keeps a copy of everything, while no server runs.
    pub(crate) async fn save(&self) {
        match self {
            Self::File(directory) => copy_files(directory, "dcr.db", "copy.db"),
            Self::Server { server, name } if is_mysql(server) => {
                run(server, &format!("CREATE DATABASE {name}_copy")).await;
                for table in tables(server, name).await {
                    run(server, &format!("CREATE TABLE {name}_copy.{table} LIKE {name}.{table}")).await;
                    run(server, &format!("INSERT INTO {name}_copy.{table} SELECT * FROM {name}.{table}")).await;
                }
            }
            Self::Server { server, name } => {
                leave(server, name).await;
                run(server, &format!("CREATE DATABASE {name}_copy TEMPLATE {name}")).await;
            }
        }
    }

    /// Puts the copy in its place, while no server runs.
    pub(crate) async fn restore(&self) {
        match self {
            Self::File(directory) => copy_files(directory, "copy.db", "dcr.db"),
            Self::Server { server, name } if is_mysql(server) => {
                let mut statements = "SET FOREIGN_KEY_CHECKS = 0".to_owned();
                for table in tables(server, name).await {
                    let (here, there) = (format!("{name}.{table}"), format!("{name}_copy.{table}"));
                    statements.push_str(&format!("; DELETE FROM {here}; INSERT INTO {here} SELECT * FROM {there}"));
                }
                run(server, &statements).await;
            }
            Self::Server { server, name } => {
                run(server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
                run(server, &format!("CREATE DATABASE {name} TEMPLATE {name}_copy")).await;
            }
        }
    }
}

/// With the write-ahead log, which may hold the latest of it also when all processes have ended.
fn copy_files(directory: &Directory, from: &str, to: &str) {
    let at = |name: &str, suffix: &str| directory.path().join(format!("{name}{suffix}"));
    for suffix in ["", "-wal"] {
        let (from, to) = (at(from, suffix), at(to, suffix));
        if from.exists() {
            std::fs::copy(from, to).expect("a copy");
        } else if to.exists() {
            std::fs::remove_file(to).expect("an old log that goes");
        }
    }
    // An index of the log, which SQLite makes anew.
    if at("dcr.db", "-shm").exists() {
        std::fs::remove_file(at("dcr.db", "-shm")).expect("an old index that goes");
    }
}

fn is_mysql(server: &Url) -> bool {
    server.scheme() != "postgres" && server.scheme() != "postgresql"
}

fn at(server: &Url, name: &str) -> Url {
    let mut url = server.clone();
    url.set_path(name);
    url
}

/// Ends the connections that are left of this process.
async fn leave(server: &Url, name: &str) {
    run(server, &format!("SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE datname = '{name}'"))
        .await;
}

async fn tables(server: &Url, name: &str) -> Vec<String> {
    run(server, &format!("SELECT table_name FROM information_schema.tables WHERE table_schema = '{name}'")).await
}

/// Runs statements as the one who may make databases. The first column of the last rows, as text.
async fn run(server: &Url, sql: &str) -> Vec<String> {
    try_run(server, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

async fn try_run(server: &Url, sql: &str) -> Result<Vec<String>, sqlx::Error> {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    if is_mysql(server) {
        let mut connection = sqlx::MySqlConnection::connect(server.as_str()).await?;
        let rows = sql.fetch_all(&mut connection).await?;
        connection.close().await?;
        // Names from the information schema come as bytes where a collation says so.
        rows.iter()
            .map(|row| Ok(String::from_utf8_lossy(&row.try_get_unchecked::<Vec<u8>, _>(0)?).into_owned()))
            .collect()
    } else {
        let mut connection = sqlx::PgConnection::connect(server.as_str()).await?;
        let rows = sql.fetch_all(&mut connection).await?;
        connection.close().await?;
        rows.iter().map(|row| row.try_get_unchecked(0)).collect()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::Server { server, name } = self else { return };
        let force = if is_mysql(server) { "" } else { " WITH (FORCE)" };
        let drops = ["", "_copy"].map(|suffix| format!("DROP DATABASE IF EXISTS {name}{suffix}{force}"));
        let server = server.clone();
        // Nothing is awaited where a guard is dropped, and a runtime does not run in another.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                for sql in drops {
                    let gone = tokio::time::timeout(Duration::from_secs(10), try_run(&server, &sql)).await;
                    if !matches!(gone, Ok(Ok(_))) {
                        eprintln!("a database of a test is left over: {sql}");
                    }
                }
            });
        });
        if dropping.join().is_err() {
            eprintln!("a database of a test is left over");
        }
    }
}
