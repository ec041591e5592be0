//! A client id that is the URL of a document, over real TLS, on both frameworks.

use dcr_e2e::{Browser, Client, Directory, DocumentHost, Framework, Http, Tokens, World};
use reqwest::Method;
use serde_json::{Value, json};

const PATH: &str = "/oauth/client.json";

async fn world(framework: Framework, host: &DocumentHost, policy: &str) -> World {
    World::with(framework, |options| {
        options.cimd = Some(policy.to_owned());
        options.cimd_test_ca_file = Some(host.ca().display().to_string());
        options.cimd_dangerously_allow_private_hosts = Some(DocumentHost::HOST.to_owned());
    })
    .await
}

async fn metadata(world: &World) -> Value {
    let url = world.url("/.well-known/oauth-authorization-server");
    Http::default().try_send(Method::GET, &url, &[], String::new()).await.unwrap().expect(200).json()
}

#[tokio::test]
async fn a_client_that_never_registered_signs_in_by_its_document() {
    for framework in Framework::ALL {
        let directory = Directory::new();
        let host = DocumentHost::start(directory.path()).await;
        let id = host.url(PATH);
        let document = json!({
            "client_id": id,
            "client_name": "Command line",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "token_endpoint_auth_methods_supported": ["none"],
        });
        host.serve(PATH, &document);
        let world = world(*framework, &host, "on").await;
        assert_eq!(metadata(&world).await["client_id_metadata_document_supported"], true);

        let client = Client::unregistered(&world, &id, "http://127.0.0.1:49152/callback");
        let mut browser = Browser::of("ada");
        let consent = browser.open(&client.authorize().url).await.page();
        assert!(consent.answer.body.contains("Command line") && consent.answer.body.contains("localhost"));
        let tokens = client.sign_in(&mut browser).await;
        assert_eq!(world.whoami(&tokens.access).await["client_id"], id.as_str(), "byte for byte");
        // From another port, as the next time that it runs.
        let again = Client::unregistered(&world, &id, "http://127.0.0.1:50000/callback").sign_in(&mut browser).await;
        let connection = |who: Value| who["connection"].clone();
        let one = connection(world.whoami(&tokens.access).await);
        assert_eq!(connection(world.whoami(&again.access).await), one, "I-16");
        assert_eq!(host.asked(), 1, "one fetch for all of it");

        // Its sessions outlive its host; a new sign-in does not.
        host.remove(PATH);
        let world = world.restart().await;
        let refreshed = Tokens::from(client.refresh(&tokens.refresh).await);
        assert_eq!(connection(world.whoami(&refreshed.access).await), one);
        let refused = browser.open(&client.authorize().url).await.page();
        assert_eq!(refused.answer.status, 400);
    }
}

#[tokio::test]
async fn documents_are_not_spoken_of_where_they_are_off() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        assert_eq!(metadata(&world).await["client_id_metadata_document_supported"], Value::Null);
    }
}
