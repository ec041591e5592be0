//! Opening a PostgreSQL database.

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use crate::PostgresStore;
use crate::batch::Batches;
use crate::dialect::Dialect as _;
use crate::loans::Loans;
use crate::migrate::{OpenError, Seen, Tables, migrations, pending, table};
use crate::opening::{Address, Refusal, first, pool, warn_unless_verified};
use crate::sql::postgres::BEGIN_SERIALIZABLE;

/// What sqlx understands.
const PARAMETERS: &[&str] = &[
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// What every connection is told, once, for the statements that run outside a transaction. One that still waits when its
/// caller has been answered must not go through a minute later, with a time that has passed: a client that tried again
/// would look like a thief of its own token.
const SESSION: &str = "SET lock_timeout = '4s'; SET statement_timeout = '5s'";
/// The same, and their isolation, whatever the database's default. SERIALIZABLE as the default is left as it is.
const SESSION_READ_COMMITTED: &str =
    "SET lock_timeout = '4s'; SET statement_timeout = '5s'; SET default_transaction_isolation = 'read committed'";

/// Any number that nobody else locks: replicas that start at once make the tables one after the other.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(7236270102498103)";

impl PostgresStore {
    /// Opens the database that a URL such as `postgres://user:password@host/dcr` names, and brings its tables up to date.
    /// The database itself must be there; the tables are made in the schema that comes first in its `search_path`.
    ///
    /// Beside the parameters of a `libpq` URL there are `max-connections` (10) and `statement-cache-capacity`: 0 behind a
    /// proxy that hands out connections for one transaction at a time.
    ///
    /// # Errors
    /// [`OpenError`] says what an operator has to do. No text of it has the password.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_with(url, Tables::UpToDate).await
    }

    pub(crate) async fn open_with(url: &str, tables: Tables) -> Result<Self, OpenError> {
        let (options, place, address) = read(url)?;
        let mut connection = first(&options, &place, refusal).await?;
        migrate(&mut connection, tables).await?;
        let begin = begin(&mut connection).await?;
        // Whether it says good-bye properly does not matter any more.
        let _ = connection.close().await;
        let mut writer: PgPoolOptions = pool(address.max_connections);
        // Behind a proxy nothing runs outside a transaction, and the next one's connection may be another.
        let serializable = begin == BEGIN_SERIALIZABLE;
        if !address.unprepared {
            let session = if serializable { SESSION } else { SESSION_READ_COMMITTED };
            writer = writer.after_connect(move |connection, _| {
                Box::pin(async move { sqlx::raw_sql(session).execute(connection).await.map(drop) })
            });
        }
        let writer = Loans::of(writer.connect_lazy_with(options));
        // There, one of two sign-ins of a person fails when the other commits, and has to begin anew: of 64 at once the last
        // would have to too often. So they queue up before they see anything.
        let sql = sqlx::Postgres::SQL;
        let sign_in_lock = if serializable { sql.change_blocks } else { sql.hold_blocks };
        let by_transaction = address.unprepared;
        Ok(Self {
            reader: writer.clone(),
            writer,
            file: None,
            advances: Batches::new(),
            sign_ins: Batches::new(),
            begin,
            sign_in_lock,
            by_transaction,
        })
    }

    /// One connection to any database, whatever is in it.
    #[cfg(feature = "cli")]
    pub(crate) async fn first_connection(url: &str) -> Result<PgConnection, OpenError> {
        let (options, place, _) = read(url)?;
        first(&options, &place, refusal).await
    }
}

/// What a URL says: how to connect, where to, and what is ours.
fn read(url: &str) -> Result<(PgConnectOptions, String, Address), OpenError> {
    let address = Address::parse(url, PARAMETERS)?;
    let options = PgConnectOptions::from_url(&address.url).map_err(OpenError::Url)?;
    if options.get_database().is_none() {
        return Err(OpenError::NoDatabase("postgres"));
    }
    // Proxies refuse what they do not know when a connection begins. There are no floats here.
    let mut options = options.extra_float_digits(None);
    if options.get_application_name().is_none() {
        options = options.application_name("dcr-sqlx");
    }
    let place = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let verified = matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
    warn_unless_verified(options.get_host(), options.get_socket().is_some(), verified);
    Ok((options, place, address))
}

fn refusal(error: &dyn sqlx::error::DatabaseError) -> Refusal {
    match &*error.code().unwrap_or_default() {
        "57P03" | "53300" => Refusal::Passing,
        "28000" | "28P01" => Refusal::Credentials,
        "3D000" => Refusal::UnknownDatabase,
        _ => Refusal::Other,
    }
}

/// How transactions begin. Where SERIALIZABLE is the default somebody wants it.
async fn begin(connection: &mut PgConnection) -> Result<&'static str, OpenError> {
    let show = sqlx::raw_sql("SHOW default_transaction_isolation").fetch_one(connection).await;
    let isolation: String = show.and_then(|row| row.try_get(0)).map_err(OpenError::Database)?;
    Ok(if isolation.eq_ignore_ascii_case("serializable") { BEGIN_SERIALIZABLE } else { sqlx::Postgres::SQL.begin })
}

/// In one transaction behind a lock, if there is anything to do: a user who may not make tables may use them.
async fn migrate(connection: &mut PgConnection, tables: Tables) -> Result<(), OpenError> {
    let ours = || {
        migrations!(
            "postgres": 1 "0001_initial", 2 "0002_operators", 3 "0003_clients", 4 "0004_upstream_tokens", 5 "0005_record",
            6 "0006_membership", 7 "0007_requests", 8 "0008_listing", 9 "0009_terms"
        )
    };
    match tables {
        #[cfg(feature = "cli")]
        Tables::AsTheyAre => return crate::migrate::expect(ours(), seen(connection).await),
        Tables::UpToDate => {}
    }
    if let Ok(seen) = seen(connection).await
        && pending(ours(), &seen)?.is_empty()
    {
        return Ok(());
    }
    // READ COMMITTED, to see after the wait what another process did meanwhile.
    let begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0";
    let mut transaction = connection.begin_with(begin).await.map_err(refused)?;
    sqlx::raw_sql(MIGRATION_LOCK).execute(&mut *transaction).await.map_err(refused)?;
    let table = concat!(
        "CREATE TABLE IF NOT EXISTS ",
        table!(),
        " (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), \
         success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL)"
    );
    sqlx::raw_sql(table).execute(&mut *transaction).await.map_err(refused)?;
    let seen = seen(&mut transaction).await.map_err(refused)?;
    for migration in pending(ours(), &seen)? {
        sqlx::raw_sql(migration.sql.clone()).execute(&mut *transaction).await.map_err(refused)?;
        let done = concat!(
            "INSERT INTO ",
            table!(),
            " (version, description, success, checksum, execution_time) VALUES ($1, $2, TRUE, $3, 0)"
        );
        let done = sqlx::query(done).bind(migration.version).bind(&*migration.description).bind(&*migration.checksum);
        done.persistent(false).execute(&mut *transaction).await.map_err(refused)?;
    }
    transaction.commit().await.map_err(refused)
}

/// Versions and checksums of the migrations that the tables have seen.
async fn seen(connection: &mut PgConnection) -> Result<Seen, sqlx::Error> {
    let rows = sqlx::raw_sql(concat!("SELECT version, checksum FROM ", table!())).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

fn refused(error: sqlx::Error) -> OpenError {
    match error.as_database_error().and_then(|error| error.code()).as_deref() {
        Some("42501") => OpenError::Privilege(error),
        Some("55P03") => OpenError::Locked,
        _ => OpenError::Database(error),
    }
}
