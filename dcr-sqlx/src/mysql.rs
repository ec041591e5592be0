//! Opening a MySQL or MariaDB database.

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlPoolOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use crate::MySqlStore;
use crate::batch::Batches;
use crate::dialect::Dialect as _;
use crate::loans::Loans;
use crate::migrate::{OpenError, Seen, Tables, migrations, pending, table};
use crate::opening::{Address, Refusal, first, pool, warn_unless_verified};

/// What sqlx understands, but for what the store decides: it writes UTF-8 and no local times.
const PARAMETERS: &[&str] = &[
    "sslmode",
    "ssl-mode",
    "sslca",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "socket",
    "charset",
];

/// What every connection is told, once.
///
/// A statement commits by itself if no transaction is open, whatever the server's default; nothing is cut off to fit;
/// waits are short; a connection that we left without a word frees its locks. The comments with a letter or a number in
/// front are read by one of the two servers each.
const SESSION: [&str; 2] = [
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION autocommit = 1, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', \
     innodb_lock_wait_timeout = 4, lock_wait_timeout = 4, wait_timeout = 150 \
     /*M!100600 , max_statement_time = 5, idle_transaction_timeout = 10 */ /*!80000 , max_execution_time = 5000 */",
];

/// Replicas that start at once make the tables one after the other. Such locks belong to the server, not to a database.
const LOCK: &str = "SELECT GET_LOCK(CONCAT('dcr ', SHA1(DATABASE())), 60)";
const UNLOCK: &str = "SELECT RELEASE_LOCK(CONCAT('dcr ', SHA1(DATABASE())))";

impl MySqlStore {
    /// Opens the database that a URL such as `mysql://user:password@host/dcr` names, and brings its tables up to date. The
    /// database itself must be there.
    ///
    /// Parameters are `ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key`, `socket`, `max-connections` (10) and
    /// `statement-cache-capacity` (100).
    ///
    /// # Errors
    /// [`OpenError`] says what an operator has to do. No text of it has the password.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_with(url, Tables::UpToDate).await
    }

    pub(crate) async fn open_with(url: &str, tables: Tables) -> Result<Self, OpenError> {
        let (options, place, address) = read(url)?;
        let mut connection = first(&options, &place, refusal).await?;
        configure(&mut connection).await.map_err(OpenError::Database)?;
        migrate(&mut connection, tables).await?;
        // Whether it says good-bye properly does not matter any more.
        let _ = connection.close().await;
        let writer: MySqlPoolOptions = pool(address.max_connections);
        let writer = writer.after_connect(|connection, _| Box::pin(configure(connection)));
        let writer = Loans::of(writer.connect_lazy_with(options));
        let (begin, sign_in_lock) = (sqlx::MySql::SQL.begin, sqlx::MySql::SQL.hold_blocks);
        Ok(Self {
            reader: writer.clone(),
            writer,
            file: None,
            advances: Batches::new(),
            sign_ins: Batches::new(),
            begin,
            sign_in_lock,
            by_transaction: false,
        })
    }

    /// One connection to any database, whatever is in it.
    #[cfg(feature = "cli")]
    pub(crate) async fn first_connection(url: &str) -> Result<MySqlConnection, OpenError> {
        let (options, place, _) = read(url)?;
        first(&options, &place, refusal).await
    }
}

/// What a URL says: how to connect, where to, and what is ours.
fn read(url: &str) -> Result<(MySqlConnectOptions, String, Address), OpenError> {
    let address = Address::parse(url, PARAMETERS)?;
    let options = MySqlConnectOptions::from_url(&address.url).map_err(OpenError::Url)?.charset("utf8mb4");
    if options.get_database().is_none() {
        return Err(OpenError::NoDatabase("mysql"));
    }
    let place = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let verified = matches!(options.get_ssl_mode(), MySqlSslMode::VerifyCa | MySqlSslMode::VerifyIdentity);
    warn_unless_verified(options.get_host(), options.get_socket().is_some(), verified);
    Ok((options, place, address))
}

async fn configure(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    for sql in SESSION {
        sqlx::raw_sql(sql).execute(&mut *connection).await?;
    }
    Ok(())
}

fn number(error: &dyn sqlx::error::DatabaseError) -> Option<u16> {
    error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

fn refusal(error: &dyn sqlx::error::DatabaseError) -> Refusal {
    match number(error) {
        Some(1040 | 1053 | 1203) => Refusal::Passing,
        Some(1044 | 1045 | 1698) => Refusal::Credentials,
        Some(1049) => Refusal::UnknownDatabase,
        _ => Refusal::Other,
    }
}

/// Behind a lock, if there is anything to do: a user who may not make tables may use them.
///
/// Definitions cannot be rolled back, so a migration is noted when all of it was done, and one that was cut off is run
/// again from its beginning.
async fn migrate(connection: &mut MySqlConnection, tables: Tables) -> Result<(), OpenError> {
    let ours = || {
        migrations!(
            "mysql": 1 "0001_initial", 2 "0002_operators", 3 "0003_clients", 4 "0004_upstream_tokens", 5 "0005_record",
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
    // An index of a large table takes its time, and so does a lock that somebody else holds.
    let patient = "SET SESSION lock_wait_timeout = 60 /*M!100600 , max_statement_time = 0 */ /*!80000 , max_execution_time = 0 */";
    sqlx::raw_sql(patient).execute(&mut *connection).await.map_err(refused)?;
    let locked = sqlx::raw_sql(LOCK).fetch_one(&mut *connection).await.map_err(refused)?;
    if locked.try_get::<Option<i64>, _>(0).map_err(refused)? != Some(1) {
        return Err(OpenError::Locked);
    }
    let table = concat!(
        "CREATE TABLE IF NOT EXISTS ",
        table!(),
        " (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
         installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, \
         execution_time BIGINT NOT NULL) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    );
    sqlx::raw_sql(table).execute(&mut *connection).await.map_err(refused)?;
    let seen = seen(connection).await.map_err(refused)?;
    for migration in pending(ours(), &seen)? {
        for statement in statements(migration.sql.as_str()) {
            match sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await {
                Err(error) if !is_done_already(&error) => return Err(refused(error)),
                _ => {}
            }
        }
        let done = concat!(
            "INSERT INTO ",
            table!(),
            " (version, description, success, checksum, execution_time) VALUES (?, ?, TRUE, ?, 0)"
        );
        let done = sqlx::query(done).bind(migration.version).bind(&*migration.description).bind(&*migration.checksum);
        done.execute(&mut *connection).await.map_err(refused)?;
    }
    sqlx::raw_sql(UNLOCK).execute(&mut *connection).await.map_err(refused)?;
    Ok(())
}

/// Versions and checksums of the migrations that the tables have seen.
async fn seen(connection: &mut MySqlConnection) -> Result<Seen, sqlx::Error> {
    let rows = sqlx::raw_sql(concat!("SELECT version, checksum FROM ", table!())).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// The statements of a migration: each ends with a semicolon at the end of a line.
fn statements(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("--") && !line.trim().is_empty());
    let mut statements = vec![String::new()];
    for line in lines {
        if let Some(last) = statements.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
        if line.ends_with(';') {
            statements.push(String::new());
        }
    }
    statements.retain(|statement| !statement.is_empty());
    statements
}

/// A table, a column, a key or a constraint exists already, or exists no more: what it dropped itself, or a later migration.
fn is_done_already(error: &sqlx::Error) -> bool {
    let number = error.as_database_error().and_then(number);
    number.is_some_and(|n| matches!(n, 1050 | 1054 | 1060 | 1061 | 1072 | 1091 | 1826))
}

fn refused(error: sqlx::Error) -> OpenError {
    match error.as_database_error().and_then(number) {
        Some(1044 | 1142 | 1227 | 1370) => OpenError::Privilege(error),
        Some(1205) => OpenError::Locked,
        _ => OpenError::Database(error),
    }
}
