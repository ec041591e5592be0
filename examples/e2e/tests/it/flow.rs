//! The flow in plain HTTP, for every way in which a client may come by its id.

use dcr_e2e::{Browser, Client, Framework, Http, Tokens, World};
use serde_json::Value;

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
async fn merge_11_two_people_with_one_adopted_id_do_not_meet() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let client = Client::unregistered(&world, ADOPTED, CLAUDE);
        let mut people: Vec<Value> = Vec::new();
        for person in ["ada", "bob"] {
            let tokens = client.sign_in(&mut Browser::of(person)).await;
            people.push(world.whoami(&tokens.access).await);
        }
        for different in ["oid", "connection", "session"] {
            assert_ne!(people[0][different], people[1][different], "{different}");
        }
        assert_eq!(people[0]["client_id"], people[1]["client_id"]);
    }
}

#[tokio::test]
async fn i_02_a_redirect_that_is_not_the_clients_gets_a_page_and_no_location() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let registered = Client::register(&world, &[CLAUDE]).await;
        let adopted = Client::unregistered(&world, ADOPTED, CLAUDE);
        for client in [registered, adopted] {
            for foreign in ["https://evil.example/callback", "https://claude.ai/api/mcp/auth_callback/", "javascript:0"]
            {
                let mut client = client.clone();
                client.redirect = foreign.to_owned();
                let page = Browser::of("ada").open(&client.authorize().url).await.page();
                assert_eq!(page.answer.status, 400, "{foreign}");
                assert_eq!(page.answer.header("location"), None);
                assert!(page.answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
            }
        }
        assert_eq!(world.idp().counters().authorize, 0, "nobody was sent to the provider");
    }
}

#[tokio::test]
async fn cons_01_nothing_goes_upstream_before_the_person_approves_and_a_no_goes_back_to_the_app() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        world.idp().set_auto_login(Some("ada"));
        let client = Client::register(&world, &[CLAUDE]).await;
        let flow = client.authorize();
        let mut browser = Browser::of("ada");
        let consent = browser.open(&flow.url).await.page();
        assert_eq!(world.idp().counters().authorize, 0);

        let back = browser.decide(&consent, "deny").await.client();
        assert!(back.as_str().starts_with(CLAUDE), "{back}");
        let value = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        assert_eq!(value("error").as_deref(), Some("access_denied"));
        assert_eq!(value("state"), Some(flow.state));
        assert_eq!(value("iss").as_deref(), Some(world.base()), "CB-12");
        assert_eq!(value("code"), None);
        assert_eq!(world.idp().counters().authorize, 0);
    }
}

#[tokio::test]
async fn cb_03_a_sign_in_that_one_browser_approved_cannot_be_finished_in_another() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let client = Client::register(&world, &[CLAUDE]).await;
        let mut attacker = Browser::of("bob");
        let consent = attacker.open(&client.authorize().url).await.page();
        let login = attacker.decide(&consent, "approve").await.page();

        let mut victim = Browser::of("ada");
        let page = victim.sign_in(login.url.as_str()).await.page();
        assert_eq!(page.answer.status, 403);
        assert_eq!(page.url.path(), "/oauth/callback");
    }
}

#[tokio::test]
async fn ups_01_the_provider_learns_nothing_of_the_client() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let client = Client::register(&world, &[CLAUDE]).await;
        let flow = client.authorize();
        browser_to_the_client(&client, &flow.url).await;
        let asked = world.idp().counters();
        assert_eq!(asked.authorize_param("client_id"), Some(world.idp().client_id()));
        assert_eq!(asked.authorize_param("redirect_uri"), Some(world.url("/oauth/callback").as_str()));
        assert_eq!(asked.authorize_param("resource"), None, "UP-9");
        let everything = format!("{:?}", asked.last_authorize);
        for theirs in [client.id.as_str(), &flow.state, "claude.ai", "mcp\""] {
            assert!(!everything.contains(theirs), "{theirs} went upstream: {everything}");
        }
    }
}

async fn browser_to_the_client(client: &Client, url: &str) {
    let landed = Browser::of("ada").sign_in(url).await.client();
    assert!(landed.as_str().starts_with(&client.redirect));
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
