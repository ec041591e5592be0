//! The flow in plain HTTP, for every way in which a client may come by its id.

use dcr_e2e::{Browser, Client, Framework, Http, Tokens, World};

const CLAUDE: &str = "https://claude.ai/api/mcp/auth_callback";
const LOOPBACK: &str = "http://127.0.0.1:49152/callback";
/// What a platform keeps from before a reset.
const ADOPTED: &str = "8f14e45f-ceea-467f-9a3b-52c1d7e0ab64";

async fn works(world: &World, client: &Client, platform: &str) -> Tokens {
    let tokens = client.sign_in(&mut Browser::of("ada")).await;
    assert_eq!(tokens.answer["expires_in"], 900);
    let who = world.whoami(&tokens.access).await;
    assert_eq!(who["name"], "Ada Example");
    assert_eq!(who["platform"], platform);
    assert_eq!(who["client_id"], client.id.as_str(), "the presented id, byte for byte");
    let refreshed = Tokens::from(client.refresh(&tokens.refresh).await);
    assert_ne!(refreshed.refresh, tokens.refresh, "RT-01");
    assert_eq!(world.whoami(&refreshed.access).await["session"], who["session"]);
    refreshed
}

#[tokio::test]
async fn dcr_01_a_registered_public_client_signs_in_for_a_platform() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let client = Client::register(&world, &[CLAUDE]).await;
        assert_eq!(client.secret, None);
        works(&world, &client, "claude-web").await;
    }
}

#[tokio::test]
async fn dcr_01_a_confidential_client_signs_in_with_its_secret_in_the_form_or_the_header() {
    for framework in Framework::ALL {
        for method in ["client_secret_post", "client_secret_basic"] {
            let world = World::start(*framework).await;
            let client = Client::register_as(&world, &[CLAUDE], method).await;
            let tokens = works(&world, &client, "claude-web").await;

            let mut thief = client.clone();
            thief.secret = Some("guessed".to_owned());
            assert_eq!(thief.refresh(&tokens.refresh).await.oauth_error(), (401, "invalid_client".to_owned()));
            client.refresh(&tokens.refresh).await.expect(200);
        }
    }
}

#[tokio::test]
async fn i_08_an_id_that_was_never_registered_here_signs_in_unchanged() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        for (redirect, platform) in [(CLAUDE, "claude-web"), (LOOPBACK, "loopback")] {
            works(&world, &Client::unregistered(&world, ADOPTED, redirect), platform).await;
        }
    }
}

#[tokio::test]
async fn the_upstream_application_id_pasted_into_a_connector_form_signs_in_unchanged() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let id = world.idp().client_id().to_owned();
        works(&world, &Client::unregistered(&world, &id, CLAUDE), "claude-web").await;
    }
}

#[tokio::test]
async fn the_open_route_needs_nothing_and_the_protected_one_a_token_for_the_same_answer() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let http = Http::default();
        let open = http.get(&world.url("/open"), &[]).await.expect(200);
        http.get(&world.url("/protected"), &[]).await.expect(401);
        http.get(&world.url("/protected"), &[("authorization", "Bearer nonsense")]).await.expect(401);
        http.get(&world.url("/nothing"), &[]).await.expect(404);
        let tokens = Client::register(&world, &[LOOPBACK]).await.sign_in(&mut Browser::of("ada")).await;
        let bearer = format!("Bearer {}", tokens.access);
        let protected = http.get(&world.url("/protected"), &[("authorization", &bearer)]).await.expect(200);
        assert_eq!(open.body, protected.body);
    }
}
