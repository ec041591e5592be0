//! The way out of the old system: its tables are brought in while servers run, and its ids sign in again on both
//! frameworks.

use dcr_dev_idp::User;
use dcr_e2e::{Browser, Client, Tokens, at};
use old_database::{Flavour, OldDatabase, Person, Plan, Software};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use crate::databases::Database;
use crate::operator::{dcr, dcr_json, text};
use crate::support::{PLATFORM, claims, cluster};

/// One of each framework.
const REPLICAS: usize = 2;
const ROWS: usize = 1_500;

pub(crate) fn tests() -> Vec<(&'static str, crate::Test)> {
    crate::tests! {
        old_ids_sign_in_again_under_their_own_redirect_uris_and_end_in_the_connection_that_was_imported
    }
}

/// The people of the provider, as the old system knew them.
fn people() -> Vec<Person> {
    let person = |user: User| Person {
        object_id: user.oid.clone(),
        email: user.email.unwrap_or(user.preferred_username),
        name: user.name,
    };
    User::defaults().into_iter().map(person).collect()
}

async fn old_ids_sign_in_again_under_their_own_redirect_uris_and_end_in_the_connection_that_was_imported(
    database: Database,
) {
    let cluster = cluster(&database, REPLICAS).await;
    let old = OldDatabase::generate(&Plan { people: people(), rows: ROWS, ..Plan::default() });
    let file = cluster.directory().join("old.db");
    std::fs::File::create(&file).expect("a file");
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    for sql in old.script(Flavour::Sqlite) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();

    // Before it, an id of the old system that no rule would adopt is unknown, on every replica.
    let of_contoso = old.registrations(0, Software::ContosoTools).next().expect("Ada has every software");
    let early = Client::unregistered(cluster.site(), &of_contoso.client_id, &of_contoso.redirect_uris[0]);
    for replica in 0..REPLICAS {
        let page = at(replica, Browser::of("ada").open(&early.authorize().url)).await.page();
        assert_eq!(page.answer.status, 400);
    }

    let report = dcr_json(&cluster, &database, &["import", text(&file), "--json"]).await;
    let expected = old.expected();
    assert_eq!(report["orphans"], json!(expected.orphans));
    assert_eq!(report["written"]["connections"], json!(expected.connections()));
    assert_eq!(report["written"]["client_ids"], json!(expected.ids().len()));

    let who = User::defaults().swap_remove(0).oid;
    let before = dcr_json(&cluster, &database, &["connections", &who, "--json"]).await;
    let mut browser = Browser::of("ada");
    for software in [Software::ContosoTools, Software::ClaudeWeb, Software::ClaudeCode] {
        // Two ids of one software, each on the other framework.
        for (n, registration) in old.registrations(0, software).take(2).enumerate() {
            let client = Client::unregistered(cluster.site(), &registration.client_id, &registration.redirect_uris[0]);
            let flow = client.authorize();
            let landed = at(n, browser.sign_in(&flow.url)).await.client();
            let tokens =
                Tokens::from(at((n + 1) % REPLICAS, client.redeem(&client.code(&flow, &landed), &flow.verifier)).await);
            let tokens = Tokens::from(at(n, client.refresh(&tokens.refresh)).await);
            for replica in 0..REPLICAS {
                assert_eq!(cluster.bearer(replica, &tokens.access).await, Some(200));
            }
            let claims = claims(&tokens.access);
            assert_eq!(claims["client_id"], json!(registration.client_id), "the old id, byte for byte");
            let holds = |connection: &&Value| {
                let ids = connection["client_ids"].as_array().expect("ids");
                ids.contains(&json!(registration.client_id))
            };
            let imported = before.as_array().expect("connections").iter().find(holds).expect("it was imported");
            assert_eq!(claims["con"], imported["connection_id"], "I-16: the connection that was imported");

            let sessions = dcr_json(&cluster, &database, &["sessions", &registration.client_id, "--json"]).await;
            assert_eq!(sessions[0]["provenance"], "imported");

            // Never by adoption: a platform's redirect URI that was not recorded for this id is none of its own.
            let elsewhere = if software == Software::ClaudeWeb { "http://127.0.0.1:49152/callback" } else { PLATFORM };
            let stray = Client::unregistered(cluster.site(), &registration.client_id, elsewhere);
            let refused = at(n, browser.open(&stray.authorize().url)).await.page();
            assert_eq!(refused.answer.status, 400, "I-2");
        }
    }
    let after = dcr_json(&cluster, &database, &["connections", &who, "--json"]).await;
    let ids = |list: &Value| -> Vec<String> {
        list.as_array().expect("connections").iter().map(|one| one["connection_id"].to_string()).collect()
    };
    assert_eq!(ids(&after), ids(&before), "no connection came to be");

    // The old id of one person opens nothing of another: whoever signs in with it gets a connection of their own.
    let registration = old.registrations(0, Software::ContosoTools).next().expect("Ada has every software");
    let client = Client::unregistered(cluster.site(), &registration.client_id, &registration.redirect_uris[0]);
    let of_bob = client.sign_in(&mut Browser::of("bob")).await;
    assert!(!ids(&before).contains(&claims(&of_bob.access)["con"].to_string()), "I-6");

    let again = dcr(&cluster, &database, &["import", text(&file)]).await;
    assert!(again.contains("nothing was written"), "{again}");
    assert!(cluster.balancer().server_errors().is_empty(), "{:?}", cluster.balancer().server_errors());
}
