//! Upstream tokens for the server's own tools, the recheck, and credentials upstream that are no secret, over real HTTP.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dcr_dev_idp::DevIdp;
use dcr_e2e::{Browser, Client, Directory, Framework, Tokens, World};
use dcr_examples_common::Options;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use serde_json::Value;

const LOOPBACK: &str = "http://127.0.0.1:49152/callback";

/// The tools may ask the provider's interface who somebody is.
fn with_graph(options: &mut Options) {
    options.upstream_scopes = Some("User.Read".to_owned());
    options.graph_url = options.azure_authority.as_ref().map(|base| format!("{base}/graph/v1.0/me"));
}

async fn profile(world: &World, access: &str) -> Value {
    let session = world.mcp_session(access).await;
    world.call_in(access, &session, "profile").await
}

#[tokio::test]
async fn a_tool_asks_the_provider_in_a_persons_name_after_the_token_lapsed_and_after_a_restart() {
    for framework in Framework::ALL {
        let world = World::with(*framework, with_graph).await;
        world.idp().set_access_lifetime(Some(Duration::from_secs(2)));
        // Each refresh token is good once: then only the newest may be used.
        world.idp().set_strict_rotation(true);
        let client = Client::register(&world, &[LOOPBACK]).await;
        let tokens = client.sign_in(&mut Browser::of("ada")).await;
        let said = profile(&world, &tokens.access).await;
        assert_eq!(said["result"]["structuredContent"]["displayName"], "Ada Example", "{said}");
        let asked = world.idp().counters();
        assert_eq!(asked.authorize_param("scope"), Some("openid profile email offline_access User.Read"));
        let world = world.restart().await;
        let began = Instant::now();
        while world.idp().counters().refreshes < 3 {
            let said = profile(&world, &tokens.access).await;
            assert_eq!(said["result"]["structuredContent"]["mail"], "ada@dev.example", "{said}");
            assert!(began.elapsed() < Duration::from_secs(30), "it lapses, and is refreshed");
        }
        assert_eq!(world.counts().await.upstream_tokens, 1);
        client.revoke(&tokens.refresh).await.expect(200);
        assert_eq!(world.counts().await.upstream_tokens, 0, "the last session took it along");
    }
}

#[tokio::test]
async fn i_9_an_upstream_token_is_no_token_of_this_server_and_a_tool_says_what_is_missing() {
    for framework in Framework::ALL {
        let world = World::with(*framework, with_graph).await;
        world.idp().keep_secrets();
        let client = Client::register(&world, &[LOOPBACK]).await;
        let tokens = client.sign_in(&mut Browser::of("ada")).await;
        let upstream = world.idp().kept_secrets();
        let long: Vec<&String> = upstream.iter().filter(|secret| secret.len() > 1_000).collect();
        assert!(long.len() >= 3, "a code, an access token, a refresh token");
        for secret in long {
            assert_eq!(world.mcp(secret, None, &dcr_e2e::call("whoami")).await.status, 401);
            assert!(client.refresh(secret).await.status.is_client_error());
        }
        world.idp().set_access_lifetime(Some(Duration::from_secs(1)));
        let other = client.sign_in(&mut Browser::of("bob")).await;
        assert!(world.idp().update_user("bob", |user| user.disabled = true));
        // UP-7: the tool meets the provider's refusal, and the session is over.
        let session = world.mcp_session(&other.access).await;
        let began = Instant::now();
        loop {
            let answer = world.mcp(&other.access, Some(&session), &dcr_e2e::call("profile")).await;
            if answer.status == 401 {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{answer:?}");
        }
        assert_eq!(world.whoami(&tokens.access).await["name"], "Ada Example", "nobody else's is");
    }
}

#[tokio::test]
async fn without_upstream_scopes_a_login_asks_for_nothing_and_the_tool_says_so() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let tokens = Client::register(&world, &[LOOPBACK]).await.sign_in(&mut Browser::of("ada")).await;
        assert_eq!(world.idp().counters().authorize_param("scope"), Some("openid profile email"));
        let said = profile(&world, &tokens.access).await;
        assert!(said["error"]["message"].as_str().is_some_and(|text| text.contains("upstream scopes")), "{said}");
        assert_eq!(world.counts().await.upstream_tokens, 0);
    }
}

#[tokio::test]
async fn up_07_whoever_is_disabled_is_out_at_the_next_refresh_and_a_provider_that_is_down_is_not_their_fault() {
    for framework in Framework::ALL {
        let world = World::with(*framework, |options| options.recheck = Some("refresh".to_owned())).await;
        let client = Client::register(&world, &[LOOPBACK]).await;
        let tokens = client.sign_in(&mut Browser::of("ada")).await;
        world.idp().faults().set(dcr_dev_idp::Fault::Error503);
        let tokens = Tokens::from(client.refresh(&tokens.refresh).await);
        world.idp().faults().clear();
        assert!(world.idp().update_user("ada", |user| user.disabled = true));
        assert_eq!(client.refresh(&tokens.refresh).await.oauth_error(), (400, "invalid_grant".to_owned()));
        assert_eq!(world.mcp(&tokens.access, None, &dcr_e2e::call("whoami")).await.status, 401);
        assert_eq!(world.counts().await.upstream_tokens, 0);
    }
}

/// A certificate, its RSA public key, and both parts as a PEM text.
fn certificate() -> (Vec<u8>, Vec<u8>, String) {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key");
    let params = CertificateParams::new(vec!["dcr.example".to_owned()]).expect("names");
    let certificate = params.self_signed(&key).expect("a certificate");
    let pem =
        |label: &str, der: &[u8]| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der));
    let text = pem("CERTIFICATE", certificate.der()) + &pem("PRIVATE KEY", &key.serialize_der());
    (certificate.der().to_vec(), key.public_key_raw().to_vec(), text)
}

#[tokio::test]
async fn up_08_a_server_with_a_certificate_sends_no_secret() {
    let (der, public, pem) = certificate();
    let directory = Directory::new();
    let file = directory.path().join("app.pem");
    std::fs::write(&file, pem).expect("a file");
    for framework in Framework::ALL {
        let idp = DevIdp::builder().certificate(der.clone(), public.clone());
        let world = World::behind(*framework, idp, |options| {
            with_graph(options);
            options.azure_client_secret = None;
            options.azure_certificate = file.to_str().map(str::to_owned);
            options.recheck = Some("refresh".to_owned());
        })
        .await;
        let client = Client::register(&world, &[LOOPBACK]).await;
        let tokens = client.sign_in(&mut Browser::of("ada")).await;
        let tokens = Tokens::from(client.refresh(&tokens.refresh).await);
        let asked = world.idp().counters();
        assert_eq!((asked.refreshes, asked.token_param("client_secret")), (1, None));
        assert!(asked.token_param("client_assertion").is_some() && !asked.last_token_basic);
        assert_eq!(world.whoami(&tokens.access).await["name"], "Ada Example");
    }
}
