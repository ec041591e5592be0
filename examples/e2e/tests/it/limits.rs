//! Limits against abuse where a request comes in over a socket: the adapters say who the peer is.

use dcr_e2e::{Answer, Browser, Client, Framework, Http, World};
use serde_json::json;

const REDIRECT: &str = "http://127.0.0.1/callback";
/// The standard limit of registrations at once.
const AT_ONCE: usize = 300;

async fn register(world: &World, headers: &[(&str, &str)]) -> Answer {
    Http::default().post_json(&world.url("/oauth/register"), headers, &json!({ "redirect_uris": [REDIRECT] })).await
}

/// Whether a flood of registrations is stopped within what it may have, and a second's more.
async fn is_stopped(world: &World, headers: &[(&str, &str)]) -> bool {
    for _ in 0..AT_ONCE + 50 {
        let answer = register(world, headers).await;
        if answer.status != 201 {
            assert_eq!(answer.oauth_error(), (429, "temporarily_unavailable".to_owned()));
            assert!(answer.header("retry-after").is_some());
            return true;
        }
    }
    false
}

#[tokio::test]
async fn adopt_14_a_flood_from_one_address_is_stopped_and_elsewhere_a_sign_in_works() {
    for framework in Framework::ALL {
        let world = World::with(*framework, |options| {
            options.limits = Some("on".to_owned());
            options.trusted_proxies = Some("127.0.0.1".to_owned());
        })
        .await;
        assert!(is_stopped(&world, &[("x-forwarded-for", "203.0.113.66")]).await);
        // What the flood writes itself is left of what the proxy appends.
        let forged = register(&world, &[("x-forwarded-for", "192.0.2.1, 203.0.113.66")]).await;
        assert_eq!(forged.status, 429);
        // This test's own address is the proxy's.
        let client = Client::register(&world, &[REDIRECT]).await;
        let tokens = client.sign_in(&mut Browser::of("ada")).await;
        assert_eq!(world.whoami(&tokens.access).await["name"], "Ada Example");
    }
}

#[tokio::test]
async fn md_01_an_address_that_a_stranger_claims_is_not_believed() {
    for framework in Framework::ALL {
        let world = World::with(*framework, |options| options.limits = Some("on".to_owned())).await;
        let mut stopped = false;
        for n in 0..AT_ONCE + 50 {
            stopped |= register(&world, &[("x-forwarded-for", &format!("192.0.2.{}", n % 250))]).await.status == 429;
        }
        assert!(stopped);
    }
}
