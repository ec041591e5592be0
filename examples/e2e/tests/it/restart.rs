//! A server that is stopped and started again.

use dcr_e2e::{Browser, Client, Framework, Tokens, World};

const LOOPBACK: &str = "http://127.0.0.1:49152/callback";

#[tokio::test]
async fn a_restart_loses_neither_tokens_nor_client_ids_nor_secrets() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let public = Client::register(&world, &[LOOPBACK]).await;
        let confidential =
            Client::register_as(&world, &["https://claude.ai/api/mcp/auth_callback"], "client_secret_post").await;
        let mut browser = Browser::of("ada");
        let before = public.sign_in(&mut browser).await;
        let who = world.whoami(&before.access).await;

        let world = world.restart().await;
        assert_eq!(world.whoami(&before.access).await, who, "the access token");
        let after = Tokens::from(public.refresh(&before.refresh).await);
        assert_eq!(world.whoami(&after.access).await, who, "the refresh token");
        let again = public.sign_in(&mut browser).await;
        let who_again = world.whoami(&again.access).await;
        assert_eq!(who_again["connection"], who["connection"], "the sealed id, and one connection");
        assert_ne!(who_again["session"], who["session"]);
        confidential.sign_in(&mut browser).await;
        assert_eq!(Client::register(&world, &[LOOPBACK]).await.id, public.id, "the same software, the same id");
    }
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_sign_in_does_not_disturb_it() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let client = Client::register(&world, &[LOOPBACK]).await;
        let mut browser = Browser::of("ada");
        let flow = client.authorize();
        let consent = browser.open(&flow.url).await.page();
        let world = world.restart().await;
        let login = browser.decide(&consent, "approve").await.page();
        let world = world.restart().await;
        let landed = browser.pick(&login).await.client();
        let world = world.restart().await;
        let tokens = Tokens::from(client.redeem(&client.code(&flow, &landed), &flow.verifier).await);
        assert_eq!(world.whoami(&tokens.access).await["name"], "Ada Example");
    }
}

#[tokio::test]
async fn a_deleted_database_with_its_secret_locks_nobody_out() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let client = Client::register(&world, &[LOOPBACK]).await;
        let before = client.sign_in(&mut Browser::of("ada")).await;
        for file in std::fs::read_dir(world.directory()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }

        let world = world.restart().await;
        assert_eq!(client.refresh(&before.refresh).await.oauth_error(), (401, "invalid_client".to_owned()));
        let tokens = client.sign_in(&mut Browser::of("ada")).await;
        assert_eq!(world.whoami(&tokens.access).await["client_id"], client.id.as_str(), "the old id, unchanged");
    }
}
