//! SQL persistence for [`dcr_core`]: a [`Store`] in SQLite.
//!
//! ```no_run
//! # async fn example() -> Result<(), dcr_sqlx::OpenError> {
//! let store = dcr_sqlx::connect("sqlite://dcr.db").await?;
//! # Ok(())
//! # }
//! ```
//!
//! The database and its tables are made on first use; a server needs no step before it starts. The file is readable by
//! its owner only, for the store may keep the server's secret. The tables begin with `dcr_` and their migrations are
//! counted in `_dcr_migrations`, so the file may be one in which the host application keeps tables of its own. It is
//! switched to write-ahead logging (`dcr.db-wal` and `dcr.db-shm` appear beside it and belong to it).
//!
//! Several processes on one machine may share the file. A process notices when its file was deleted or replaced and
//! answers [`StoreError::Unavailable`](dcr_core::store::StoreError::Unavailable) until it is restarted; then it makes a
//! new one.
//!
//! The store is written once, generic over the database: [`SqlStore`] holds the transactions, a dialect the SQL texts.
//! Every dialect passes the conformance suite of `dcr_core::store` (its feature `conformance`).

mod dialect;
mod end;
mod failure;
mod file;
mod held;
mod migrate;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod opening;
#[cfg(feature = "postgres")]
mod postgres;
mod retry;
mod rows;
mod sign_in;
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;

use std::sync::Arc;

use dcr_core::store::Store;

pub use self::dialect::Dialect;
pub use self::migrate::OpenError;
pub use self::store::SqlStore;

/// A store in SQLite.
#[cfg(feature = "sqlite")]
pub type SqliteStore = SqlStore<sqlx::Sqlite>;

/// A store in PostgreSQL.
#[cfg(feature = "postgres")]
pub type PostgresStore = SqlStore<sqlx::Postgres>;

/// A store in MySQL or MariaDB.
#[cfg(feature = "mysql")]
pub type MySqlStore = SqlStore<sqlx::MySql>;

/// Opens the database that `url` names, by its scheme, and brings its tables up to date.
///
/// # Errors
/// [`OpenError`] says what an operator has to do.
pub async fn connect(url: &str) -> Result<Arc<dyn Store>, OpenError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        #[cfg(feature = "sqlite")]
        Some("sqlite") => Ok(Arc::new(SqliteStore::open(url).await?)),
        #[cfg(not(feature = "sqlite"))]
        Some("sqlite") => Err(OpenError::MissingFeature { scheme: "sqlite", feature: "sqlite" }),
        #[cfg(feature = "postgres")]
        Some("postgres" | "postgresql") => Ok(Arc::new(PostgresStore::open(url).await?)),
        #[cfg(not(feature = "postgres"))]
        Some("postgres" | "postgresql") => Err(OpenError::MissingFeature { scheme: "postgres", feature: "postgres" }),
        #[cfg(feature = "mysql")]
        Some("mysql" | "mariadb") => Ok(Arc::new(MySqlStore::open(url).await?)),
        #[cfg(not(feature = "mysql"))]
        Some("mysql" | "mariadb") => Err(OpenError::MissingFeature { scheme: "mysql", feature: "mysql" }),
        _ => Err(OpenError::UnknownScheme),
    }
}
