//! The program, and the SQLite file that it writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use old_database::{Expected, Layout, OldDatabase, Plan};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, SqliteConnection};

/// A place for a file, removed at the end of the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("old-database-{}-{n}.db", std::process::id())))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_old-database")).args(arguments).output().unwrap()
}

async fn written(place: &Place, more: &[&str]) -> SqliteConnection {
    let out = place.path().to_str().unwrap();
    let output = program(&[&["--out", out], more].concat());
    assert!(output.status.success(), "{output:?}");
    SqliteConnectOptions::new().filename(place.path()).read_only(true).connect().await.unwrap()
}

async fn number(connection: &mut SqliteConnection, sql: String) -> usize {
    let number: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap();
    usize::try_from(number).unwrap()
}

async fn has_the_rows(connection: &mut SqliteConnection, expected: &Expected) {
    for (table, rows) in &expected.rows_by_table {
        assert_eq!(number(connection, format!("SELECT count(*) FROM {table}")).await, *rows, "{table}");
    }
}

async fn columns(connection: &mut SqliteConnection, table: &str) -> Vec<String> {
    let sql = format!("SELECT name FROM pragma_table_info('{table}')");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap()
}

const CLIENTS: [&str; 3] = ["dcr_clients", "dcr_clients_mail", "dcr_clients_calendar"];

#[tokio::test]
async fn the_file_holds_what_is_expected() {
    let place = Place::new();
    let connection = &mut written(&place, &[]).await;
    let plan = Plan::default();
    let old = OldDatabase::generate(&plan);
    let expected = old.expected();
    has_the_rows(connection, expected).await;

    // What plain SQL can count as well.
    let all = CLIENTS.map(|table| format!("SELECT * FROM {table}")).join(" UNION ALL ");
    let no_user = "trim(coalesce(azure_object_id, ''), char(32, 9, 10)) = ''";
    let orphans = format!("SELECT count(*) FROM ({all}) WHERE {no_user}");
    assert_eq!(number(connection, orphans).await, expected.orphans);
    for (at, person) in plan.people.iter().enumerate() {
        let email = &person.email;
        let orphans = format!("SELECT count(*) FROM ({all}) WHERE {no_user} AND user_email = '{email}'");
        assert_eq!(number(connection, orphans).await, expected.orphans_by_email[email], "{email}");
        let theirs = format!("lower(trim(azure_object_id, char(32, 9, 10))) = '{}'", person.object_id);
        let ids = format!("SELECT count(DISTINCT dcr_client_id) FROM ({all}) WHERE {theirs}");
        let kept = expected.people[at].ids().len();
        let all_ids = number(connection, ids).await;
        assert!(kept > 300 && kept <= all_ids && all_ids < kept + kept / 10, "{kept} of {all_ids}");
    }
}

#[tokio::test]
async fn an_older_file_lacks_columns() {
    let place = Place::new();
    let connection = &mut written(&place, &["--older", "--rows", "2000", "--seed", "5"]).await;
    let plan = Plan { rows: 2_000, seed: 5, layout: Layout::Older, ..Plan::default() };
    has_the_rows(connection, OldDatabase::generate(&plan).expected()).await;
    for table in CLIENTS {
        let columns = columns(connection, table).await;
        let has = |name: &str| columns.iter().any(|column| column == name);
        assert!(has("dcr_client_id") && has("issued_at") && has("updated_at"), "{columns:?}");
        assert!(!has("created_at") && !has("user_email") && !has("mcp_session_id"), "{columns:?}");
        assert_eq!(has("azure_object_id"), table != "dcr_clients");
    }
    assert!(columns(connection, "dcr_azure_users").await.is_empty());
    assert!(!columns(connection, "dcr_azure_tokens").await.is_empty());
}

#[test]
fn an_existing_file_is_left_as_it_is() {
    let place = Place::new();
    fs::write(place.path(), "precious").unwrap();
    let output = program(&["--out", place.path().to_str().unwrap(), "--rows", "10"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("exists already"));
    assert_eq!(fs::read(place.path()).unwrap(), b"precious");
}

#[test]
fn a_script_ends_each_statement() {
    let output = program(&["--script", "mysql", "--rows", "600", "--people", "50"]);
    assert!(output.status.success());
    let script = String::from_utf8(output.stdout).unwrap();
    assert!(script.starts_with("SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES"));
    assert!(script.ends_with(";\n"));
    assert!(script.contains("'colleague.50@contoso.example'"));
}

#[test]
fn it_wants_one_output_and_a_sane_number_of_people() {
    for wrong in [&[][..], &["--out", "a.db", "--script", "sqlite"], &["--script", "sqlite", "--people", "51"]] {
        assert_eq!(program(wrong).status.code(), Some(2), "{wrong:?}");
    }
}
