//! The three ways in which the first generation failed in production, against a server with a database file.

use std::path::Path;

use dcr_e2e::{Browser, Client, Framework, Http, World};
use serde_json::json;

const PLATFORM: &str = "https://claude.ai/api/mcp/auth_callback";
const LOCAL: &str = "http://localhost:3118/callback";

/// Removes the database, as somebody who resets the server would.
fn lose_database(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
}

/// The size of the database file and its log: what rows would change.
fn written(directory: &Path) -> Vec<(String, u64)> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.metadata().unwrap().len()))
        .collect();
    files.sort();
    files
}

/// Failure 1: 1,000 registrations and 1,000 authorize requests that nobody finishes change no byte of the database, and
/// the ids still work: at once, after a restart, and after the database is gone, if the secret is kept.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_finishes_is_not_kept_and_still_works() {
    for framework in Framework::ALL {
        let secret = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=".to_owned();
        let world = World::with(*framework, |options| options.secret = Some(secret)).await;
        let before = written(world.directory());
        let http = Http::default();
        let mut clients = Vec::new();
        for n in 0..1_000_u16 {
            let redirect = format!("http://127.0.0.1:{}/callback/{n}", 2_000 + n);
            let client = Client::register(&world, &[&redirect]).await;
            http.get(&client.authorize().url, &[("accept", "text/html")]).await.expect(200);
            clients.push(client);
        }
        assert_eq!(written(world.directory()), before);
        clients[1].sign_in(&mut Browser::of("ada")).await;
        let world = world.restart().await;
        clients[500].sign_in(&mut Browser::of("ada")).await;
        lose_database(world.directory());
        let world = world.restart().await;
        let tokens = clients[999].sign_in(&mut Browser::of("ada")).await;
        assert_eq!(world.whoami(&tokens.access).await["client_id"], clients[999].id.as_str());
    }
}

/// Failure 2: an id that the server never saw, the upstream application's id among them, finishes as itself (ADOPT-01,
/// AD-16); introspection says the same id, byte for byte.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_was_never_seen_finishes_as_itself() {
    for framework in Framework::ALL {
        let world = World::with(*framework, |options| options.resource_server = Some("rs:rs-secret".to_owned())).await;
        let upstream_id = world.idp().client_id().to_owned();
        for id in ["F8E0b7c2-3d94-4a07-9c55-0f2b8ad1c3aa", upstream_id.as_str()] {
            let client = Client::unregistered(&world, id, PLATFORM);
            let tokens = client.sign_in(&mut Browser::of("ada")).await;
            assert_eq!(world.whoami(&tokens.access).await["client_id"], id);
            let basic = [("authorization", "Basic cnM6cnMtc2VjcmV0")];
            let form = [("token", tokens.access.as_str())];
            let said =
                Http::default().post_form(&world.url("/oauth/introspect"), &basic, &form).await.expect(200).json();
            assert_eq!((&said["active"], &said["client_id"]), (&json!(true), &json!(id)));
            // The same id with a foreign redirect: a page and no redirect (ADOPT-03).
            let foreign = Client::unregistered(&world, id, "https://evil.example/cb");
            let page = Http::default().get(&foreign.authorize().url, &[("accept", "text/html")]).await.expect(400);
            assert_eq!(page.header("location"), None);
        }
        // Two people with one adopted id do not meet (ADOPT-10).
        let client = Client::unregistered(&world, "one-id-for-two-people", PLATFORM);
        let (ada, bob) = (client.sign_in(&mut Browser::of("ada")).await, client.sign_in(&mut Browser::of("bob")).await);
        let (ada, bob) = (world.whoami(&ada.access).await, world.whoami(&bob.access).await);
        assert_ne!(ada["connection"], bob["connection"]);
        assert_ne!(ada["oid"], bob["oid"]);
    }
}

/// Failure 2, the commonest cause: the database is deleted with the secret that it kept. The platform's and the local
/// client's old ids finish a new sign-in unchanged.
#[tokio::test(flavor = "multi_thread")]
async fn ids_outlive_the_database_and_its_secret() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let platform = Client::register(&world, &[PLATFORM]).await;
        let local = Client::register(&world, &[LOCAL]).await;
        let old = platform.sign_in(&mut Browser::of("ada")).await;
        local.sign_in(&mut Browser::of("ada")).await;
        lose_database(world.directory());
        let world = world.restart().await;
        // Nothing of the old tokens can be known: the client is told to register again (TK-12).
        assert_eq!(platform.refresh(&old.refresh).await.oauth_error(), (401, "invalid_client".to_owned()));
        for client in [platform, local] {
            let tokens = client.sign_in(&mut Browser::of("ada")).await;
            assert_eq!(world.whoami(&tokens.access).await["client_id"], client.id.as_str());
            client.refresh(&tokens.refresh).await.expect(200);
        }
    }
}

/// Failure 3: Claude.ai registered with a secret, and Claude.ai with an id that was adopted, are one connection.
#[tokio::test(flavor = "multi_thread")]
async fn one_platform_is_one_connection_whatever_its_ids() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let registered = Client::register_as(&world, &[PLATFORM], "client_secret_post").await;
        let adopted = Client::unregistered(&world, "an-id-from-long-ago", PLATFORM);
        let first = registered.sign_in(&mut Browser::of("ada")).await;
        let second = adopted.sign_in(&mut Browser::of("ada")).await;
        let (a, b) = (world.whoami(&first.access).await, world.whoami(&second.access).await);
        assert_eq!(a["connection"], b["connection"]);
        assert_ne!(a["client_id"], b["client_id"]);
        assert_eq!((&a["platform"], &b["platform"]), (&json!("claude-web"), &json!("claude-web")));
        // MERGE-01: the label opens nothing. MERGE-09: nobody is signed out.
        assert_eq!(adopted.refresh(&first.refresh).await.oauth_error(), (400, "invalid_grant".to_owned()));
        registered.refresh(&first.refresh).await.expect(200);
        adopted.refresh(&second.refresh).await.expect(200);
    }
}
