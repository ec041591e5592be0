//! Sessions of MCP belong to who opened them.

use dcr_e2e::{Browser, Client, Framework, Tokens, World};
use serde_json::json;

const LOOPBACK: &str = "http://127.0.0.1:49152/callback";

#[tokio::test]
async fn rs_11_a_session_of_mcp_does_not_exist_for_anybody_but_who_opened_it() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let client = Client::register(&world, &[LOOPBACK]).await;
        let ada = client.sign_in(&mut Browser::of("ada")).await;
        let bob = client.sign_in(&mut Browser::of("bob")).await;
        let session = world.mcp_session(&ada.access).await;
        let ping = json!({"jsonrpc": "2.0", "id": 7, "method": "ping"});

        world.mcp(&ada.access, Some(&session), &ping).await.expect(200);
        world.mcp(&bob.access, Some(&session), &ping).await.expect(404);
        let other = Client::unregistered(&world, "another-client", LOOPBACK).sign_in(&mut Browser::of("ada")).await;
        world.mcp(&other.access, Some(&session), &ping).await.expect(404);
        world.mcp(&ada.access, Some("made-up"), &ping).await.expect(404);
        world.mcp(&ada.access, Some(&session), &ping).await.expect(200);
    }
}

#[tokio::test]
async fn rs_09_a_session_of_mcp_outlives_the_access_token_it_was_opened_with() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let client = Client::register(&world, &[LOOPBACK]).await;
        let tokens = client.sign_in(&mut Browser::of("ada")).await;
        let session = world.mcp_session(&tokens.access).await;
        let refreshed = Tokens::from(client.refresh(&tokens.refresh).await);
        assert_ne!(refreshed.access, tokens.access);
        assert_eq!(world.whoami_in(&refreshed.access, &session).await["name"], "Ada Example");
    }
}
