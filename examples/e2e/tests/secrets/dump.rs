//! All bytes of a database.

use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use crate::databases::Database;

/// Every byte that is in it: of SQLite the file and its log, of a server every column of every row, as it is and not as a
/// server would print it.
pub(crate) async fn bytes_of(database: &Database) -> Vec<u8> {
    let url = database.url();
    if let Some(file) = url.strip_prefix("sqlite://") {
        let log = std::fs::read(format!("{file}-wal")).unwrap_or_default();
        return [std::fs::read(file).expect("the database"), log].concat();
    }
    if url.starts_with("mysql") { mysql(&url).await } else { postgres(&url).await }
}

async fn postgres(url: &str) -> Vec<u8> {
    let mut connection = sqlx::PgConnection::connect(url).await.expect("the server");
    let columns =
        "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'";
    let mut all = Vec::new();
    for row in sqlx::raw_sql(columns).fetch_all(&mut connection).await.expect("columns") {
        let (table, column): (String, String) = (row.get(0), row.get(1));
        // In the binary form, which of bytes and text is the bytes.
        let sql = format!("SELECT \"{column}\" FROM \"{table}\"");
        for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.expect("rows") {
            let value = row.try_get_raw(0).expect("a column");
            all.extend_from_slice(value.as_bytes().unwrap_or_default());
            all.push(b'\n');
        }
    }
    all
}

async fn mysql(url: &str) -> Vec<u8> {
    let mut connection = sqlx::MySqlConnection::connect(url).await.expect("the server");
    let columns = "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR) FROM information_schema.columns \
                   WHERE table_schema = DATABASE()";
    let mut all = Vec::new();
    for row in sqlx::raw_sql(columns).fetch_all(&mut connection).await.expect("columns") {
        let name = |n: usize| String::from_utf8(row.get_unchecked::<Vec<u8>, _>(n)).expect("a name");
        let sql = format!("SELECT CAST(`{}` AS BINARY) FROM `{}`", name(1), name(0));
        for row in sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await.expect("rows") {
            all.extend(row.get_unchecked::<Option<Vec<u8>>, _>(0).unwrap_or_default());
            all.push(b'\n');
        }
    }
    all
}
