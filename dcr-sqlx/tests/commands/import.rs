//! `dcr import` from a generated old system, whose oracle says what is right. From any database into any database.

use std::collections::{BTreeMap, BTreeSet};

use dcr_core::session::{Connection, UserId};
use dcr_core::store::{UserMatch, UserQuery};
use dcr_core::{ClientId, Platform};
use old_database::{Flavour, Layout, OldDatabase, Plan, Software, Unreadable};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _};

use super::dcr::{Dcr, ISSUER, TENANT};

/// Fewer rows than the generator's default, in tests that run on several databases.
const ROWS: usize = 3_000;

pub(crate) fn plan(layout: Layout) -> Plan {
    Plan { rows: ROWS, layout, ..Plan::default() }
}

/// Makes an old system in an empty database.
pub(crate) async fn make(old: &OldDatabase, url: &str) {
    macro_rules! run {
        ($connection:ty, $flavour:ident) => {{
            let mut connection = <$connection>::connect(url).await.unwrap();
            for sql in old.script(Flavour::$flavour) {
                let short = sql[..sql.len().min(80)].to_owned();
                let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
                done.unwrap_or_else(|error| panic!("{short}: {error}"));
            }
            connection.close().await.unwrap();
        }};
    }
    match url.split_once(':').unwrap().0 {
        "sqlite" => run!(sqlx::SqliteConnection, Sqlite),
        #[cfg(feature = "postgres")]
        "postgres" => run!(sqlx::PgConnection, Postgres),
        #[cfg(feature = "mysql")]
        "mysql" => run!(sqlx::MySqlConnection, MySql),
        other => panic!("{other}"),
    }
}

fn reason(unreadable: Unreadable) -> &'static str {
    match unreadable {
        Unreadable::ObjectId => "object_id",
        Unreadable::ClientId => "client_id",
        Unreadable::Redirects => "redirect_uris",
        Unreadable::NoRedirect => "no_redirect",
    }
}

/// Loopback redirect URIs are kept without their ports.
fn without_port(uri: &str) -> String {
    let mut url: url::Url = uri.parse().unwrap();
    if url.scheme() == "http" {
        url.set_port(None).unwrap();
    }
    url.into()
}

fn by_reason(counts: &BTreeMap<Unreadable, usize>) -> Value {
    counts.iter().map(|(what, rows)| (reason(*what).to_owned(), json!(rows))).collect::<serde_json::Map<_, _>>().into()
}

/// Everything that the report and the store say, against what the generator counted.
pub(crate) async fn an_old_system_becomes_people_and_their_apps(dcr: &Dcr, source: &str, layout: Layout) {
    let plan = plan(layout);
    let old = OldDatabase::generate(&plan);
    make(&old, source).await;
    let expected = old.expected();
    let store = dcr.store().await;
    let before = store.counts().await.unwrap();

    let import = ["import", source, "--tenant", TENANT, "--json"];
    let dry = dcr.json(&["import", source, "--tenant", TENANT, "--json", "--dry-run"]);
    assert_eq!(store.counts().await.unwrap(), before, "a dry run writes nothing");
    assert_eq!(dry["written"], Value::Null);

    let report = dcr.json(&import);
    assert_eq!(report["people"], dry["people"]);
    assert_eq!((&report["rows"], &report["orphans"]), (&json!(expected.rows), &json!(expected.orphans)));
    for table in report["tables"].as_array().unwrap() {
        let name = table["name"].as_str().unwrap();
        assert_eq!(table["rows"], json!(expected.rows_by_table[name]), "{name}");
    }
    assert_eq!(report["tables"].as_array().unwrap().len(), expected.rows_by_table.len());
    let unreadable: BTreeMap<&str, u64> = report["unreadable"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["reason"].as_str().unwrap(), one["rows"].as_u64().unwrap()))
        .collect();
    let counted: BTreeMap<&str, u64> =
        expected.unreadable.iter().map(|(what, rows)| (reason(*what), *rows as u64)).collect();
    assert_eq!(unreadable, counted);

    let written = &report["written"];
    assert_eq!(written["users"], json!(expected.people.len()));
    assert_eq!(written["connections"], json!(expected.connections()));
    assert_eq!(written["client_ids"], json!(expected.ids().len()));
    let aliases: usize = expected.people.iter().map(|person| person.ids().len()).sum();
    assert_eq!(written["aliases"], json!(aliases));

    for (person, counted) in plan.people.iter().zip(&expected.people) {
        let object_id = person.object_id.to_ascii_lowercase();
        let user = UserId::derive(ISSUER, TENANT, &object_id);
        let said =
            report["people"].as_array().unwrap().iter().find(|said| said["object_id"] == json!(object_id)).unwrap();
        let faults: usize = counted.unreadable.values().sum();
        let told = json!({
            "user_id": user.to_string(), "rows": counted.rows + faults, "connections": counted.connections.len(),
            "ids": counted.ids().len(), "unreadable": by_reason(&counted.unreadable),
            "orphans": expected.orphans_by_email.get(&person.email).copied().unwrap_or(0),
        });
        for (name, value) in told.as_object().unwrap() {
            assert_eq!(said[name], *value, "{name} of {}", person.email);
        }
        let connections = store.connections_of(&user).await.unwrap();
        let ids = |connection: &Connection| connection.aliases.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let kept: BTreeSet<BTreeSet<String>> = connections.iter().map(ids).collect();
        assert_eq!(kept, counted.connections.values().cloned().collect(), "an app is a connection: {}", person.email);
        assert!(connections.iter().all(|connection| connection.created_at <= connection.last_sign_in_at));
    }
    assert_eq!(store.counts().await.unwrap().imported_clients, expected.ids().len() as u64, "OP-8: bytes");
    assert_eq!(store.counts().await.unwrap().users, expected.people.len() as u64, "no row without a person");

    for software in [Software::ClaudeWeb, Software::ClaudeCode, Software::ContosoTools] {
        let one = old.registrations(0, software).next().unwrap();
        let client = store.imported_client(&ClientId::new(one.client_id.as_str()).unwrap()).await.unwrap().unwrap();
        let kept: BTreeSet<&str> = client.redirects().collect();
        let recorded: BTreeSet<String> = one.redirect_uris.iter().map(|uri| without_port(uri)).collect();
        assert!(recorded.iter().all(|uri| kept.contains(uri.as_str())), "its own redirect URIs: {kept:?} {recorded:?}");
    }
    let matching = Some(UserMatch::ObjectId(plan.people[0].object_id.to_ascii_lowercase()));
    let zero = store.users(&UserQuery { matching, after: None, limit: 10 }).await.unwrap().remove(0);
    assert_eq!(zero.name.as_deref(), Some(plan.people[0].name.as_str()));
    let platforms: BTreeSet<Platform> =
        store.connections_of(&zero.id).await.unwrap().into_iter().map(|connection| connection.platform).collect();
    for name in ["claude-web", "chatgpt", "vscode", "cursor", "loopback", "other"] {
        assert!(platforms.contains(&Platform::named(name)), "{name} in {platforms:?}");
    }

    // A second run, also by people who read: nothing changes.
    let counts = store.counts().await.unwrap();
    let again = dcr.json(&import);
    assert_eq!(again["written"], json!({"users": 0, "connections": 0, "client_ids": 0, "aliases": 0}));
    assert_eq!(again["people"], report["people"]);
    let text = dcr.prints(&["import", source, "--tenant", TENANT]);
    assert!(text.contains("nothing was written") && text.contains(&plan.people[0].email), "{text}");
    assert!(text.contains(&format!("{} rows had no user and were dropped", expected.orphans)), "{text}");
    assert_eq!(store.counts().await.unwrap(), counts, "not even an event");
}
