//! The servers, and a database on one of them for each test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dcr_core::store::Store;
use sqlx::{AssertSqlSafe, Connection as _};
use url::Url;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// What the tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    /// With SERIALIZABLE as the database's default.
    Serializable,
    /// As behind a proxy that hands out connections for one transaction at a time.
    Unprepared,
    MySql,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Postgres, Self::Serializable, Self::Unprepared, Self::MySql];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Serializable => "postgres_serializable",
            Self::Unprepared => "postgres_unprepared",
            Self::MySql => "mysql",
        }
    }

    pub(crate) const fn variable(self) -> &'static str {
        match self {
            Self::MySql => "DCR_TEST_MYSQL_URL",
            _ => "DCR_TEST_POSTGRES_URL",
        }
    }

    pub(crate) const fn is_mysql(self) -> bool {
        matches!(self, Self::MySql)
    }
}

/// A server, by a URL with the right to make databases.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) kind: Kind,
    url: Url,
}

impl Server {
    pub(crate) fn of(kind: Kind) -> Option<Self> {
        let url = std::env::var(kind.variable()).ok().filter(|url| !url.is_empty())?;
        Some(Self { kind, url: url.parse().expect("a URL") })
    }

    /// Runs statements as the one who may make databases.
    pub(crate) async fn run(&self, sql: &str) {
        run(&self.url, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// Runs statements at a URL; the first column of the last rows, as text.
pub(crate) async fn run(url: &Url, sql: &str) -> Result<Vec<String>, sqlx::Error> {
    use sqlx::Row as _;
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    if url.scheme() == "mysql" {
        let mut connection = sqlx::MySqlConnection::connect(url.as_str()).await?;
        let rows = sql.fetch_all(&mut connection).await?;
        connection.close().await?;
        // Names from the information schema come as bytes where a collation says so.
        rows.iter()
            .map(|row| Ok(String::from_utf8_lossy(&row.try_get_unchecked::<Vec<u8>, _>(0)?).into_owned()))
            .collect()
    } else {
        let mut connection = sqlx::PgConnection::connect(url.as_str()).await?;
        let rows = sql.fetch_all(&mut connection).await?;
        connection.close().await?;
        rows.iter().map(|row| row.try_get_unchecked(0)).collect()
    }
}

/// A database of one test, gone after it.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) server: Server,
    pub(crate) name: String,
    /// A schema of its own in a database that several tests share; quicker to make.
    schema: Option<String>,
}

/// The databases that tests share, for those who clean up.
static SHARED: tokio::sync::Mutex<Vec<(Kind, Arc<Database>)>> = tokio::sync::Mutex::const_new(Vec::new());

/// Drops the databases that tests shared.
pub(crate) fn clean_up() {
    SHARED.blocking_lock().clear();
}

impl Database {
    pub(crate) async fn fresh(server: Server) -> Self {
        Self::with(server, "").await
    }

    /// Tables of its own: in a database on MySQL, in a schema on PostgreSQL, where databases take long to make.
    pub(crate) async fn tables(server: Server) -> Self {
        // A proxy does not pass on the option that chooses a schema.
        if matches!(server.kind, Kind::MySql | Kind::Unprepared) {
            return Self::fresh(server).await;
        }
        let mut shared = SHARED.lock().await;
        let database = match shared.iter().find(|(kind, _)| *kind == server.kind) {
            Some((_, database)) => Arc::clone(database),
            None => {
                let database = Arc::new(Self::fresh(server.clone()).await);
                shared.push((server.kind, Arc::clone(&database)));
                database
            }
        };
        drop(shared);
        let schema = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        database.run(&format!("CREATE SCHEMA {schema}")).await;
        Self { server, name: database.name.clone(), schema: Some(schema) }
    }

    /// With options of CREATE DATABASE.
    pub(crate) async fn with(server: Server, options: &str) -> Self {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dcr_test_{}_{n}", std::process::id());
        server.run(&format!("CREATE DATABASE {name} {options}")).await;
        if server.kind == Kind::Serializable {
            server.run(&format!("ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")).await;
        }
        Self { server, name, schema: None }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.server.kind
    }

    /// Its URL, for a change.
    pub(crate) fn address(&self) -> Url {
        let mut url = self.server.url.clone();
        url.set_path(&self.name);
        if self.kind() == Kind::Unprepared {
            url.query_pairs_mut().append_pair("statement-cache-capacity", "0");
        }
        if let Some(schema) = &self.schema {
            url.query_pairs_mut().append_pair("options[search_path]", schema);
        }
        url
    }

    pub(crate) fn url(&self) -> String {
        self.address().into()
    }

    /// Its URL, with one more parameter.
    pub(crate) fn url_with(&self, name: &str, value: &str) -> String {
        let mut url = self.address();
        url.query_pairs_mut().append_pair(name, value);
        url.into()
    }

    pub(crate) fn password(&self) -> &str {
        self.server.url.password().unwrap_or("no password")
    }

    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        dcr_sqlx::connect(&self.url()).await.unwrap()
    }

    /// Runs statements in it.
    pub(crate) async fn run(&self, sql: &str) -> Vec<String> {
        let mut url = self.server.url.clone();
        url.set_path(&self.name);
        run(&url, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Asks until there are rows, or until there are none. What never comes is a failure.
    pub(crate) async fn until(&self, rows: bool, sql: &str) {
        let asking = async { while self.run(sql).await.is_empty() == rows {} };
        tokio::time::timeout(Duration::from_secs(20), asking).await.unwrap_or_else(|_| panic!("waited for {sql}"));
    }

    /// Ends every connection to it but the one that asks.
    pub(crate) async fn kill_connections(&self) {
        if self.kind().is_mysql() {
            let of_it =
                format!("SELECT CAST(id AS CHAR) FROM information_schema.processlist WHERE db = '{}'", self.name);
            for id in run(&self.server.url, &of_it).await.unwrap() {
                // One may be gone by itself.
                let _ = run(&self.server.url, &format!("KILL {id}")).await;
            }
        } else {
            let sql = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE datname = ";
            run(&self.server.url, &format!("{sql}'{}'", self.name)).await.unwrap();
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let mut url = self.server.url.clone();
        let sql = match &self.schema {
            Some(schema) => {
                url.set_path(&self.name);
                format!("DROP SCHEMA {schema} CASCADE")
            }
            None if self.kind().is_mysql() => format!("DROP DATABASE {}", self.name),
            None => format!("DROP DATABASE {} WITH (FORCE)", self.name),
        };
        // Nothing is awaited where a guard is dropped, and a runtime does not run in another.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), run(&url, &sql)).await })
        });
        let _ = dropping.join();
    }
}
