//! Every command of `dcr`, at its loudest.

use std::process::Stdio;

use dcr_dev_idp::User;
use dcr_e2e::{Browser, Client, LOUD};
use old_database::{Flavour, OldDatabase, Person, Plan, Software};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tokio::process::Command;

use crate::databases::Database;
use crate::stage::Stage;

/// Runs it, keeps what it logged, and answers what it printed.
async fn dcr(stage: &Stage, database: &Database, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_operator"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DCR_")) {
        command.env_remove(name);
    }
    command.env("DCR_DATABASE_URL", database.url()).env(LOUD, "1").env("RUST_LOG", "trace");
    command.env("DCR_AZURE_TENANT_ID", stage.cluster.idp().tenant_id());
    command.env("DCR_AZURE_AUTHORITY", stage.cluster.idp().issuer());
    let output = command.args(arguments).stdin(Stdio::null()).output().await.expect("the command");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let logged = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}{}", &logged[logged.len().saturating_sub(2_000)..]);
    let mut printed = stage.printed.lock().expect("no panic holds this");
    printed.extend_from_slice(&output.stderr);
    // The one place where a new secret is handed out.
    if !arguments.contains(&"--secret") && arguments.first() != Some(&"secret") {
        printed.extend_from_slice(&output.stdout);
    }
    said
}

/// See the module.
pub(crate) async fn every_command(stage: &Stage, database: &Database) {
    let directory = dcr_e2e::Directory::new();
    let old = imported(stage, database, &directory).await;
    let ada = User::defaults().swap_remove(0).oid;
    for arguments in [
        &["doctor"][..],
        &["migrate"],
        &["users"],
        &["users", "--json"],
        &["connections", &ada, "--json"],
        &["sessions", &ada, "--all"],
        &["clients", "--json"],
        &["sweep"],
    ] {
        dcr(stage, database, arguments).await;
    }

    // A pin with a secret that is printed once, and used.
    let redirect = "https://portal.example/second";
    let printed = dcr(stage, database, &["pin", "second-portal", "--redirect", redirect, "--secret"]).await;
    let secret = printed.trim().to_owned();
    stage.learn("client_secret", &secret);
    stage.learn("made by dcr secret", dcr(stage, database, &["secret", "new"]).await.trim());
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let mut client = Client::unregistered(stage.site(), "second-portal", redirect);
    (client.auth_method, client.secret) = ("client_secret_basic".to_owned(), Some(secret));
    let tokens = client.sign_in(&mut Browser::of("ada")).await;
    client.refresh(&tokens.refresh).await.expect(200);
    dcr(stage, database, &["unpin", "second-portal", "--yes"]).await;

    let tokens = old.sign_in(&mut Browser::of("ada")).await;
    old.refresh(&tokens.refresh).await.expect(200);
    dcr(stage, database, &["revoke", "user", &ada, "--yes"]).await;
    dcr(stage, database, &["block", "user", &ada, "--yes"]).await;
    Browser::of("ada").sign_in(&old.authorize().url).await.page();
    dcr(stage, database, &["unblock", "user", &ada]).await;
    let record = dcr(stage, database, &["events"]).await;
    let file = directory.path().join("record.jsonl");
    std::fs::write(&file, record).expect("a file");
    dcr(stage, database, &["recover", "--until", "1h", "--events", file.to_str().expect("text"), "--yes"]).await;
    dcr(stage, database, &["recover", "--close", "--yes"]).await;
}

/// A small old database is brought in; one of its clients.
async fn imported(stage: &Stage, database: &Database, directory: &dcr_e2e::Directory) -> Client {
    let person = |user: User| Person {
        object_id: user.oid.clone(),
        email: user.email.unwrap_or(user.preferred_username),
        name: user.name,
    };
    let people = User::defaults().into_iter().map(person).collect();
    let old = OldDatabase::generate(&Plan { people, rows: 300, ..Plan::default() });
    let file = directory.path().join("old.db");
    std::fs::File::create(&file).expect("a file");
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.expect("a database");
    for sql in old.script(Flavour::Sqlite) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("rows");
    }
    // What the old system kept in the open.
    for (kind, table, column) in
        [("old client_secret", "dcr_clients", "client_secret"), ("old token", "dcr_tokens", "access_token")]
    {
        let sql = format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL");
        let values: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap_or_default();
        values.iter().for_each(|value| stage.learn(kind, value));
    }
    connection.close().await.expect("an end");
    dcr(stage, database, &["import", file.to_str().expect("text"), "--json"]).await;
    let one = old.registrations(0, Software::ContosoTools).next().expect("Ada has every software");
    Client::unregistered(stage.site(), &one.client_id, &one.redirect_uris[0])
}
