//! Bringing the tables up to date, and what can go wrong when a database is opened.
//!
//! Our tables begin with `dcr_`, and `_dcr_migrations` says which migrations they have seen: a host application that
//! keeps its own tables in the same database, with sqlx's migrations or others, does not notice them.

use std::path::PathBuf;

use sqlx::migrate::MigrateError;

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
    /// The URL has a parameter that means nothing: a misspelt `sslmode` must not go unnoticed.
    #[error("the database URL has a parameter that means nothing here: {0}")]
    Parameter(String),
    /// The URL names no file.
    #[error("the database URL names no file; write `sqlite://dcr.db` or `sqlite:///var/lib/dcr/dcr.db`")]
    NoFile,
    /// The URL names no database.
    #[error("the database URL names no database; write for example `{0}://user:password@host/dcr`")]
    NoDatabase(&'static str),
    /// The file cannot be opened or made.
    #[error("the database file {path} cannot be opened or made: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody answers, or not with a protocol that the URL asks for.
    #[error("no connection to the database at {place}: {source}; is it running, and is the URL right?")]
    Unreachable {
        /// Host and port, or the socket.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// The server does not let this user in.
    #[error("the database at {place} refuses the user or the password of the URL: {source}")]
    Credentials {
        /// Host and port, or the socket.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// The server has no database of this name.
    #[error("there is no such database at {place}; make it first (CREATE DATABASE): {source}")]
    UnknownDatabase {
        /// Host and port, or the socket.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// The user may not make or change the tables.
    #[error(
        "the tables have to be made or brought up to date, which this database user may not: open the database once as \
         one who may, or grant CREATE, ALTER, INDEX and REFERENCES: {0}"
    )]
    Privilege(#[source] sqlx::Error),
    /// The file is not there, and was not to be made.
    #[error("there is no database file {0}: is the path right? `dcr migrate`, or starting the server, makes a new one")]
    NoSuchFile(PathBuf),
    /// The tables are not there, and were not to be made.
    #[error(
        "the database has none of our tables: is it the right one? `dcr migrate`, or starting the server, makes them ({0})"
    )]
    NoTables(#[source] sqlx::Error),
    /// The tables lack migrations, and were not to be changed.
    #[error("the database's tables lack {0} of this version's migrations: run `dcr migrate` first")]
    Outdated(usize),
    /// Another process is bringing the tables up to date, and takes long.
    #[error("another process has been bringing the database's tables up to date for a minute; try again later")]
    Locked,
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

/// What opening a database does about its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tables {
    /// Makes them, or brings them up to date.
    UpToDate,
    /// Changes nothing, and refuses if they are not up to date.
    #[cfg(feature = "cli")]
    AsTheyAre,
}

/// The table that says which migrations the tables have seen.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! table {
    () => {
        "_dcr_migrations"
    };
}
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) use table;

/// The migrations of one folder, in order.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! migrations {
    ($folder:literal: $($version:literal $name:literal),+ $(,)?) => {
        vec![$({
            let text = include_str!(concat!("../migrations/", $folder, "/", $name, ".sql"));
            let text = sqlx::SqlSafeStr::into_sql_str(text);
            sqlx::migrate::Migration::new($version, $name.into(), sqlx::migrate::MigrationType::Simple, text, false)
        }),+]
    };
}
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) use migrations;

/// Versions and checksums of the migrations that the tables have seen.
#[cfg(any(feature = "cli", feature = "postgres", feature = "mysql"))]
pub(crate) type Seen = Vec<(i64, Vec<u8>)>;

/// Refuses unless the tables have seen all of our migrations.
#[cfg(feature = "cli")]
pub(crate) fn expect(ours: Vec<sqlx::migrate::Migration>, seen: Result<Seen, sqlx::Error>) -> Result<(), OpenError> {
    let seen = seen.map_err(|error| match error {
        sqlx::Error::Database(_) => OpenError::NoTables(error),
        error => OpenError::Database(error),
    })?;
    match pending(ours, &seen)?.len() {
        0 => Ok(()),
        lacking => Err(OpenError::Outdated(lacking)),
    }
}

/// Those of our migrations that the tables have not seen, given those that they have.
#[cfg(any(feature = "cli", feature = "postgres", feature = "mysql"))]
pub(crate) fn pending(
    mut ours: Vec<sqlx::migrate::Migration>,
    seen: &[(i64, Vec<u8>)],
) -> Result<Vec<sqlx::migrate::Migration>, OpenError> {
    for (version, checksum) in seen {
        match ours.iter().find(|migration| migration.version == *version) {
            None => return Err(OpenError::Newer(*version)),
            Some(migration) if *migration.checksum != **checksum => return Err(OpenError::Altered(*version)),
            Some(_) => {}
        }
    }
    ours.retain(|migration| seen.iter().all(|(version, _)| *version != migration.version));
    Ok(ours)
}

/// In one transaction that holds the lock from its beginning, since sqlx itself locks nothing here: of two processes that
/// open a new database at once the second finds the tables made.
#[cfg(feature = "sqlite")]
pub(crate) async fn sqlite(pool: &sqlx::Pool<sqlx::Sqlite>, tables: Tables) -> Result<(), OpenError> {
    let ours = migrations!(
        "sqlite": 1 "0001_initial", 2 "0002_operators", 3 "0003_clients", 4 "0004_upstream_tokens", 5 "0005_record",
        6 "0006_membership", 7 "0007_requests", 8 "0008_listing", 9 "0009_terms"
    );
    match tables {
        #[cfg(feature = "cli")]
        Tables::AsTheyAre => {
            let rows = sqlx::raw_sql(concat!("SELECT version, checksum FROM ", table!())).fetch_all(pool).await;
            let row = |row: &sqlx::sqlite::SqliteRow| Ok((sqlx::Row::try_get(row, 0)?, sqlx::Row::try_get(row, 1)?));
            return expect(ours, rows.and_then(|rows| rows.iter().map(row).collect()));
        }
        Tables::UpToDate => {}
    }
    let mut migrator = sqlx::migrate::Migrator::with_migrations(ours);
    migrator.dangerous_set_table_name(table!());
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(OpenError::Database)?;
    // `run` on a connection is not `Send` for the compiler; this is what it calls.
    migrator.run_direct(None, &mut *transaction, false).await?;
    transaction.commit().await.map_err(OpenError::Database)
}
