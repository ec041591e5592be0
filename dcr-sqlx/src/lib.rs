//! SQL persistence for [`dcr_core`]: a [`Store`] in SQLite, PostgreSQL, MySQL or MariaDB.
//!
//! ```no_run
//! # async fn example() -> Result<(), dcr_sqlx::OpenError> {
//! let store = dcr_sqlx::connect("sqlite://dcr.db").await?;
//! # Ok(())
//! # }
//! ```
//!
//! | database | URL | feature | tested on |
//! | --- | --- | --- | --- |
//! | SQLite | `sqlite://dcr.db` | `sqlite` (default) | the one that is compiled in |
//! | PostgreSQL | `postgres://user:password@host/dcr` | `postgres` | 15 |
//! | MySQL, MariaDB | `mysql://user:password@host/dcr` | `mysql` | MariaDB 10.11; written for MySQL 8 and MariaDB 10.6 on |
//!
//! The tables are made on first use and brought up to date at each start; a server needs no step before it. They begin with
//! `dcr_`, and their migrations are counted in `_dcr_migrations`, so the database may be one in which the host application
//! keeps tables of its own, with sqlx's migrations or others. Replicas may start at once.
//!
//! The store is written once, generic over the database: [`SqlStore`] holds the transactions, a dialect the SQL texts. On
//! every database it passes the conformance suite of `dcr_core::store` (its feature `conformance`), races included.
//!
//! # SQLite
//!
//! The file is made readable by its owner only, for the store may keep the server's secret. It is switched to write-ahead
//! logging (`dcr.db-wal` and `dcr.db-shm` appear beside it and belong to it). Several processes on one machine may share it.
//! A process notices when its file was deleted or replaced and answers
//! [`StoreError::Unavailable`](dcr_core::store::StoreError::Unavailable) until it is restarted; then it makes a new one.
//! What was answered survives the death of the process; a power cut may take the last moments (`synchronous = NORMAL`).
//!
//! # PostgreSQL, MySQL, MariaDB: several replicas
//!
//! **One primary.** Every replica talks to the one server that takes writes, directly or through a proxy that leads there.
//! Not to a standby, which would miss revocations; and several primaries at once (multi-primary, a Galera cluster written
//! to at several nodes) are not supported. After a fail-over that lost commits, revocations may be among them.
//!
//! **Isolation.** The store needs READ COMMITTED, and takes care of it itself: on PostgreSQL each transaction says so, and
//! each connection for the statements that run alone; on MySQL each connection. Defaults of the server do not matter. What
//! READ COMMITTED leaves open is closed by locks, always taken in this order: `dcr_lock`, which sign-ins share and a block
//! or a revocation of more than one session has to itself, so that neither misses what the other writes; the user; the
//! connection; sessions by id. (Of `dcr_lock` it is the one row on MySQL, and the table on PostgreSQL, where those who share
//! a row would keep out who wants it for itself as long as they come one after the other.) Client ids and terms, which sessions
//! share, are read and written under it too, and deleted by whoever has it to itself. Redeeming and refreshing are one
//! `UPDATE` with the expected generation in its condition, and lock nothing else; on PostgreSQL those that come at the same
//! time share it, and a session that somebody else has locked is passed over and asked for by itself. Serialisation of
//! everything was the alternative: 64 sign-ins of one person would refuse each other in turn instead of queueing. Where
//! SERIALIZABLE is the default of a PostgreSQL database (asked once, at the start) everything stays so, and sign-ins, of
//! whomever, come one after the other; the whole conformance suite runs that way too. REPEATABLE READ is never used: it
//! reads what was before a lock was waited for. A census is two queries, and sessions may come or go between them.
//!
//! **Time-outs.** A method answers within 8 seconds, repeats included. What the server is told, so that nothing goes on for
//! long when nobody waits for it any more:
//!
//! | | waits for a lock | a statement takes | a transaction waits for us |
//! | --- | --- | --- | --- |
//! | PostgreSQL | 4 s | 5 s | 10 s |
//! | MariaDB | 4 s | 5 s | 10 s |
//! | MySQL | 4 s | a query 5 s; one that writes: no limit | 150 s |
//!
//! So nothing is committed much more than 8 s after its time was taken, well below the 30 s of overlap with which the
//! revocation feed is read. (A primary that waits for a synchronous standby may hold a commit back for longer; so may a
//! MySQL server that is slow at writing, not one that waits for a lock.) Conflicts are tried again for 4 s with random
//! pauses. All that a later request may find mended is `StoreError::Unavailable`, `503` on the wire.
//!
//! **Lost connections.** A connection that was idle for a fifth of a second is asked whether it lives before it is used; without
//! an answer within a second or two it is given up. One that somebody used a moment ago is taken to be alive: should the network
//! have gone silent just then, its request waits until it is `Unavailable`. A transaction whose connection is lost before its
//! commit begins anew on another one. If the connection is lost *during* a commit, whether it
//! happened is unknown, and the answer is `Unavailable`: a repeated sign-in would be told that its own session id was used.
//! The person begins anew; the session that may be there is one whose code nobody has, and it lapses with the code.
//!
//! **Connections.** At most 10 for each process; `?max-connections=` in the URL says otherwise. Keep the sum over all
//! replicas below what the server allows, with room for a rolling restart. They are closed after a minute of idling and
//! after half an hour in any case.
//!
//! **TLS** is rustls on aws-lc-rs with the Mozilla roots and needs no process-wide provider. By default it is used if the
//! server offers it and checks nothing. Over a network say `?sslmode=verify-full` (PostgreSQL) or
//! `?ssl-mode=VERIFY_IDENTITY` (MySQL), with `sslrootcert=` or `ssl-ca=` for an authority of your own. MySQL's
//! `caching_sha2_password` works over TLS only.
//!
//! **Proxies.** Through one that hands out connections for one transaction at a time (PgBouncer with `pool_mode =
//! transaction`) add `?statement-cache-capacity=0`: no statement stays prepared, and each query runs in a transaction.
//!
//! **Databases that speak PostgreSQL's protocol** and spread over several machines: none was tested. Beside SERIALIZABLE or
//! READ COMMITTED, which must mean what they mean on PostgreSQL, the store needs `LOCK TABLE` in the modes ROW SHARE and
//! EXCLUSIVE (for sign-ins, blocks and revocations; where row locks are all there is, somebody else's sign-ins can hold up a
//! revocation), `FOR UPDATE SKIP LOCKED` (for sweeping) and `pg_advisory_xact_lock` (for making the tables). With a database
//! that has these, run the conformance suite first: it takes a minute.
//!
//! **Permissions.** To make the tables: CREATE on the schema (PostgreSQL); CREATE, ALTER, INDEX and REFERENCES on the
//! database (MySQL). To use them SELECT, INSERT, UPDATE and DELETE are enough, so the tables may be made once by somebody
//! else. MySQL's binary log has to be `ROW` or `MIXED`, as it is by default.
//!
//! **Bytes.** Whatever is compared (ids, client ids, platforms, software) is kept in types that compare bytes, never in text
//! with a collation. What others wrote (names, addresses) may hold anything: on PostgreSQL it is `bytea`, which
//! `SET bytea_output = 'escape'` makes readable in `psql`.
//!
//! **Backups.** One that is consistent (`pg_dump`, `mariadb-dump --single-transaction`, snapshots) is enough. When it is
//! restored, tokens that were refreshed after it was taken are refused, and sessions that were ended after it are alive
//! again. So keep the record elsewhere as well (`dcr events`, as often as what may be lost is worth); after a restore,
//! before any server starts, `dcr recover` ends and blocks again what the record says, and then opens the window in which
//! the newer tokens are accepted. The secret, if the store keeps it, is in the backup too.

mod advance;
mod batch;
#[cfg(feature = "cli")]
pub mod cli;
mod clients;
mod dialect;
mod end;
mod erase;
mod failure;
mod file;
mod held;
mod import;
#[cfg(feature = "cli")]
mod inspect;
mod json;
mod listing;
mod loans;
mod migrate;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "cli")]
mod old;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod opening;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod retry;
mod rows;
mod sign_in;
mod sign_ins;
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod terms;

use std::sync::Arc;

use dcr_core::store::Store;

#[cfg(feature = "cli")]
use self::inspect::Inspect as Opened;
use self::migrate::Tables;
#[cfg(not(feature = "cli"))]
use dcr_core::store::Store as Opened;

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
    let opened: Arc<dyn Store> = open(url, Tables::UpToDate).await?;
    Ok(opened)
}

#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres", feature = "mysql")),
    expect(unused_variables, reason = "there is no database to open")
)]
async fn open(url: &str, tables: Tables) -> Result<Arc<dyn Opened>, OpenError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        #[cfg(feature = "sqlite")]
        Some("sqlite") => Ok(Arc::new(SqliteStore::open_with(url, tables).await?)),
        #[cfg(not(feature = "sqlite"))]
        Some("sqlite") => Err(OpenError::MissingFeature { scheme: "sqlite", feature: "sqlite" }),
        #[cfg(feature = "postgres")]
        Some("postgres" | "postgresql") => Ok(Arc::new(PostgresStore::open_with(url, tables).await?)),
        #[cfg(not(feature = "postgres"))]
        Some("postgres" | "postgresql") => Err(OpenError::MissingFeature { scheme: "postgres", feature: "postgres" }),
        #[cfg(feature = "mysql")]
        Some("mysql" | "mariadb") => Ok(Arc::new(MySqlStore::open_with(url, tables).await?)),
        #[cfg(not(feature = "mysql"))]
        Some("mysql" | "mariadb") => Err(OpenError::MissingFeature { scheme: "mysql", feature: "mysql" }),
        _ => Err(OpenError::UnknownScheme),
    }
}
