//! Where the old system is: opened so that nothing in it changes, and read as texts, whatever the types of its columns.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use super::OldError;
use crate::OpenError;

/// A database of the old system, in a transaction that only reads.
#[derive(Debug)]
pub(crate) enum Source {
    Sqlite(SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgConnection),
    #[cfg(feature = "mysql")]
    MySql(sqlx::MySqlConnection),
}

/// A table and the columns that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
}

impl Table {
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|name| name == column)
    }
}

/// What is in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    /// Nothing, or the table has no such column.
    Null,
    Text(String),
    /// Bytes that are no UTF-8.
    NotText,
}

impl Field {
    /// The text without white space around it; nothing if none is left.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            Self::Null | Self::NotText => None,
        }
    }
}

impl Source {
    /// Opens the database that a URL names; what has no scheme is the path of an SQLite file.
    pub(crate) async fn open(url: &str) -> Result<Self, OldError> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => {
                let options: SqliteConnectOptions = url.parse().map_err(OpenError::Url)?;
                Self::sqlite(options.get_filename().to_path_buf()).await
            }
            #[cfg(feature = "postgres")]
            Some("postgres" | "postgresql") => Self::postgres(url).await,
            #[cfg(not(feature = "postgres"))]
            Some("postgres" | "postgresql") => {
                Err(OpenError::MissingFeature { scheme: "postgres", feature: "postgres" }.into())
            }
            #[cfg(feature = "mysql")]
            Some("mysql" | "mariadb") => Self::mysql(url).await,
            #[cfg(not(feature = "mysql"))]
            Some("mysql" | "mariadb") => Err(OpenError::MissingFeature { scheme: "mysql", feature: "mysql" }.into()),
            Some(scheme) if url[scheme.len()..].starts_with("://") => Err(OpenError::UnknownScheme.into()),
            _ => Self::sqlite(PathBuf::from(url)).await,
        }
    }

    async fn sqlite(path: PathBuf) -> Result<Self, OldError> {
        if !path.is_file() {
            return Err(OldError::NoFile(path));
        }
        let at_rest = is_at_rest(&path).map_err(|error| OldError::File(path.clone(), error))?;
        let options = SqliteConnectOptions::new().filename(&path).read_only(true).immutable(at_rest);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        sqlx::raw_sql("BEGIN").execute(&mut connection).await?;
        Ok(Self::Sqlite(connection))
    }

    #[cfg(feature = "postgres")]
    async fn postgres(url: &str) -> Result<Self, OldError> {
        let mut connection = crate::PostgresStore::first_connection(url).await?;
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut connection).await?;
        Ok(Self::Postgres(connection))
    }

    #[cfg(feature = "mysql")]
    async fn mysql(url: &str) -> Result<Self, OldError> {
        let mut connection = crate::MySqlStore::first_connection(url).await?;
        for sql in [
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        ] {
            sqlx::raw_sql(sql).execute(&mut connection).await?;
        }
        Ok(Self::MySql(connection))
    }

    /// The tables, in the order of their names.
    pub(super) async fn tables(&mut self) -> Result<Vec<Table>, sqlx::Error> {
        let sql = match self {
            Self::Sqlite(_) => {
                "SELECT CAST(t.name AS BLOB), CAST(c.name AS BLOB) FROM sqlite_schema AS t \
                 JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table' ORDER BY t.name, c.cid"
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => {
                "SELECT table_name::text, column_name::text FROM information_schema.columns \
                 WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
            }
            #[cfg(feature = "mysql")]
            Self::MySql(_) => {
                "SELECT CAST(table_name AS CHAR CHARACTER SET utf8mb4), CAST(column_name AS CHAR CHARACTER SET utf8mb4) \
                 FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"
            }
        };
        let mut tables: Vec<Table> = Vec::new();
        self.query(sql.to_owned(), 2, |fields| {
            let [Field::Text(table), Field::Text(column)] = fields else { return };
            if tables.last().is_none_or(|last| last.name != *table) {
                tables.push(Table { name: table.clone(), columns: Vec::new() });
            }
            if let Some(last) = tables.last_mut() {
                last.columns.push(column.clone());
            }
        })
        .await?;
        Ok(tables)
    }

    /// Each row of a table: these columns of it, as texts.
    pub(super) async fn each(
        &mut self,
        table: &Table,
        columns: &[&str],
        take: impl FnMut(&[Field]),
    ) -> Result<(), sqlx::Error> {
        let (quote, from, to) = match self {
            Self::Sqlite(_) => ('"', "CAST(", " AS BLOB)"),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => ('"', "CAST(", " AS TEXT)"),
            #[cfg(feature = "mysql")]
            Self::MySql(_) => ('`', "CAST(", " AS CHAR CHARACTER SET utf8mb4)"),
        };
        // Its name is read from the schema, and a module may be called anything.
        let quoted = |name: &str| format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")));
        let columns: Vec<String> = columns
            .iter()
            .map(|column| if table.has(column) { format!("{from}{}{to}", quoted(column)) } else { "NULL".to_owned() })
            .collect();
        let sql = format!("SELECT {} FROM {}", columns.join(", "), quoted(&table.name));
        self.query(sql, columns.len(), take).await
    }

    async fn query(&mut self, sql: String, columns: usize, mut take: impl FnMut(&[Field])) -> Result<(), sqlx::Error> {
        macro_rules! each_row {
            ($connection:ident, $read:ident) => {{
                let mut rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch($connection);
                while let Some(row) = rows.try_next().await? {
                    let fields: Result<Vec<Field>, _> =
                        (0..columns).map(|at| row.try_get_unchecked(at).map($read)).collect();
                    take(&fields?);
                }
                Ok(())
            }};
        }
        match self {
            Self::Sqlite(connection) => each_row!(connection, from_bytes),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => each_row!(connection, from_text),
            #[cfg(feature = "mysql")]
            Self::MySql(connection) => each_row!(connection, from_bytes),
        }
    }
}

fn from_bytes(bytes: Option<Vec<u8>>) -> Field {
    match bytes.map(String::from_utf8) {
        None => Field::Null,
        Some(Ok(text)) => Field::Text(text),
        Some(Err(_)) => Field::NotText,
    }
}

#[cfg(feature = "postgres")]
fn from_text(text: Option<String>) -> Field {
    text.map_or(Field::Null, Field::Text)
}

/// Whether nobody has this SQLite file open for writing and nothing waits beside it to be carried over: then it is read
/// without touching anything. A file with write-ahead logging would otherwise get an index file beside it even from a
/// reader. One that is in use is read with the locks that its writers know.
fn is_at_rest(path: &Path) -> std::io::Result<bool> {
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        Path::new(&name).exists()
    };
    let mut header = [0; 20];
    let whole = std::fs::File::open(path)?.read(&mut header)? == header.len();
    // https://www.sqlite.org/fileformat.html, "File format version numbers".
    let write_ahead = whole && header[18] == 2;
    Ok(write_ahead && !beside("-wal") && !beside("-shm"))
}
