//! Races over the server's real HTTP stack: 64 tasks, 20 rounds, on memory and on SQLite.

use std::collections::BTreeSet;

use dcr_e2e::{Answer, Browser, Client, Framework, Tokens, World};
use tokio::task::JoinSet;

const TASKS: usize = 64;
const ROUNDS: usize = 20;
const PLATFORM: &str = "https://claude.ai/api/mcp/auth_callback";

/// A world on memory, and one on a SQLite file.
async fn worlds(framework: Framework) -> [World; 2] {
    let memory = World::with(framework, |options| options.database_url = Some("memory:".to_owned())).await;
    [memory, World::start(framework).await]
}

/// The answers of 64 token requests that are sent at once.
async fn at_once(client: &Client, form: Vec<(&'static str, String)>) -> Vec<Answer> {
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (client, form) = (client.clone(), form.clone());
        tasks.spawn(async move {
            let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            client.token(&form).await
        });
    }
    tasks.join_all().await
}

fn redemption(client: &Client, code: &str, verifier: &str) -> Vec<(&'static str, String)> {
    vec![
        ("grant_type", "authorization_code".to_owned()),
        ("code", code.to_owned()),
        ("redirect_uri", client.redirect.clone()),
        ("code_verifier", verifier.to_owned()),
    ]
}

fn refresh(token: &str) -> Vec<(&'static str, String)> {
    vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", token.to_owned())]
}

/// RACE-01: of 64 redemptions of one code one succeeds, and its session lives.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_redemptions_of_a_code_succeeds() {
    for framework in Framework::ALL {
        for world in worlds(*framework).await {
            let client = Client::register(&world, &["http://127.0.0.1/callback"]).await;
            let mut browser = Browser::of("ada");
            for round in 0..ROUNDS {
                let flow = client.authorize();
                let landed = browser.sign_in(&flow.url).await.client();
                let code = client.code(&flow, &landed);
                let answers = at_once(&client, redemption(&client, &code, &flow.verifier)).await;
                let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
                assert_eq!((won.len(), lost.len()), (1, TASKS - 1), "round {round}");
                for answer in lost {
                    assert_eq!(answer.oauth_error(), (400, "invalid_grant".to_owned()));
                }
                let tokens = Tokens::from(won.into_iter().next().unwrap());
                assert_eq!(world.whoami(&tokens.access).await["client_id"], client.id.as_str());
                client.refresh(&tokens.refresh).await.expect(200);
            }
        }
    }
}

/// RACE-02: 64 refreshes of one token inside the grace get one and the same successor, which works.
#[tokio::test(flavor = "multi_thread")]
async fn many_refreshes_of_one_token_get_one_successor() {
    for framework in Framework::ALL {
        for world in worlds(*framework).await {
            let client = Client::register(&world, &["http://127.0.0.1/callback"]).await;
            let mut tokens = client.sign_in(&mut Browser::of("ada")).await;
            for round in 0..ROUNDS {
                let answers = at_once(&client, refresh(&tokens.refresh)).await;
                let answers: Vec<Tokens> = answers.into_iter().map(Tokens::from).collect();
                let successors: BTreeSet<&str> = answers.iter().map(|answer| answer.refresh.as_str()).collect();
                assert_eq!((answers.len(), successors.len()), (TASKS, 1), "round {round}");
                let accesses: BTreeSet<&str> = answers.iter().map(|answer| answer.access.as_str()).collect();
                assert_eq!(accesses.len(), TASKS, "each gets a fresh access token");
                tokens = answers.into_iter().next().unwrap();
                assert_eq!(world.whoami(&tokens.access).await["client_id"], client.id.as_str());
            }
        }
    }
}

/// RT-03: with a grace of one second, a replay after it ends the session, once and for all 64.
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_after_the_grace_ends_the_session_for_everybody() {
    for framework in Framework::ALL {
        let world = World::with(*framework, |options| options.refresh_grace = Some("1".to_owned())).await;
        let client = Client::register(&world, &["http://127.0.0.1/callback"]).await;
        let first = client.sign_in(&mut Browser::of("ada")).await;
        let other = client.sign_in(&mut Browser::of("ada")).await;
        let second = Tokens::from(client.refresh(&first.refresh).await);
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        for answer in at_once(&client, refresh(&first.refresh)).await {
            assert_eq!(answer.oauth_error(), (400, "invalid_grant".to_owned()));
        }
        assert_eq!(client.refresh(&second.refresh).await.oauth_error(), (400, "invalid_grant".to_owned()));
        let ping = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
        assert_eq!(world.mcp(&second.access, None, &ping).await.status, 401);
        // The other device goes on (MERGE-09).
        assert_eq!(world.whoami(&other.access).await["name"], "Ada Example");
    }
}

/// RACE-06, I-16: failure 3. Eight devices of one person at once, a second platform, a second person: ten sessions, and
/// one connection for each person and software.
#[tokio::test(flavor = "multi_thread")]
async fn devices_that_sign_in_at_once_share_a_connection() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let mut connections = BTreeSet::new();
        for round in 0..ROUNDS {
            let mut everybody: Vec<(&str, Client)> = Vec::new();
            for device in 0..8_u16 {
                let redirect = format!("http://localhost:{}/callback", 40_000 + device);
                everybody.push(("ada", Client::register(&world, &[&redirect]).await));
            }
            everybody.push(("ada", Client::unregistered(&world, "11111111-2222-3333-4444-555555555555", PLATFORM)));
            everybody.push(("bob", everybody[0].1.clone()));
            let mut sign_ins = JoinSet::new();
            for (person, client) in everybody {
                sign_ins.spawn(async move { (client.sign_in(&mut Browser::of(person)).await, client, person) });
            }
            let mut here = BTreeSet::new();
            for (tokens, client, person) in sign_ins.join_all().await {
                let tokens = Tokens::from(client.refresh(&tokens.refresh).await);
                let who = world.whoami(&tokens.access).await;
                assert_eq!(who["client_id"], client.id.as_str());
                let software = if client.redirect == PLATFORM { "claude-web" } else { "loopback" };
                assert_eq!(who["platform"], software);
                here.insert((person, software, who["connection"].as_str().unwrap().to_owned()));
            }
            assert_eq!(here.len(), 3, "round {round}: {here:?}");
            connections.extend(here);
        }
        assert_eq!(connections.len(), 3, "the same connections in every round");
    }
}
