//! Bringing the tables up to date, and what can go wrong when a database is opened.
//!
//! Our tables begin with `dcr_`, and `_dcr_migrations` says which migrations they have seen: a host application that
//! keeps its own tables in the same database, with sqlx's migrations or others, does not notice them.

use std::path::PathBuf;

use sqlx::migrate::MigrateError;
#[cfg(feature = "sqlite")]
use sqlx::{
    Pool, SqlSafeStr as _, Sqlite,
    migrate::{Migration, MigrationType, Migrator},
};

/// Why a database cannot be opened. The operator's to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL begins with no scheme that any version of this crate knows.
    #[error("a database URL begins with `sqlite:`, `postgres:` or `mysql:`; this one does not")]
    UnknownScheme,
    /// The URL is of a database that this build does not speak.
    #[error("this build does not speak {scheme}: build dcr-sqlx with its feature `{feature}`")]
    MissingFeature {
        /// How the URL begins.
        scheme: &'static str,
        /// What is missing.
        feature: &'static str,
    },
    /// The URL is malformed.
    #[error("the database URL is malformed: {0}")]
    Url(#[source] sqlx::Error),
    /// The URL names no file.
    #[error("the database URL names no file; write `sqlite://dcr.db` or `sqlite:///var/lib/dcr/dcr.db`")]
    NoFile,
    /// The file cannot be opened or made.
    #[error("the database file {path} cannot be opened or made: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database refuses.
    #[error("the database cannot be opened: {0}")]
    Database(#[source] sqlx::Error),
    /// The tables have seen a migration that this version does not have.
    #[error(
        "the database was used by a newer version of dcr-sqlx (it has migration {0}, which this version does not know): \
         run that version or a later one"
    )]
    Newer(i64),
    /// The tables have seen a migration whose text was another.
    #[error("migration {0} of the database is not the one of this version of dcr-sqlx: it was made by another build")]
    Altered(i64),
    /// A migration failed.
    #[error("the database's tables cannot be brought up to date: {0}")]
    Migration(#[source] MigrateError),
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer(version),
            MigrateError::VersionMismatch(version) => Self::Altered(version),
            MigrateError::Execute(error) => Self::Database(error),
            other => Self::Migration(other),
        }
    }
}

/// In one transaction that holds the lock from its beginning, since sqlx itself locks nothing here: of two processes that
/// open a new database at once the second finds the tables made.
#[cfg(feature = "sqlite")]
pub(crate) async fn sqlite(pool: &Pool<Sqlite>) -> Result<(), OpenError> {
    let migration = |version, name: &'static str, sql: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let migrations = vec![
        migration(1, "initial", include_str!("../migrations/sqlite/0001_initial.sql")),
        migration(2, "operators", include_str!("../migrations/sqlite/0002_operators.sql")),
    ];
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.dangerous_set_table_name("_dcr_migrations");
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(OpenError::Database)?;
    // `run` on a connection is not `Send` for the compiler; this is what it calls.
    migrator.run_direct(None, &mut *transaction, false).await?;
    transaction.commit().await.map_err(OpenError::Database)
}
