//! Client ID Metadata Documents through whole flows: an https URL as a client id.

mod support;

use std::sync::Arc;
use std::time::Duration;

use dcr_core::guarded::GuardedFetchError;
use dcr_core::{AdoptionPolicy, DocumentPolicy, RegistrationPolicy};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::web::{Web, document};
use crate::support::*;

const CODE: &str = "https://claude.ai/oauth/claude-code-client-metadata";
const CLAUDE: &str = "https://claude.ai/oauth/mcp-oauth-client-metadata";
const TOOLS: &str = "https://tools.example/oauth/client.json";
const TOOLS_REDIRECT: &str = "https://tools.example/callback";

fn known_web() -> Arc<Web> {
    Web::with(&[
        document(CODE, "Claude Code", &["http://localhost/callback", "http://127.0.0.1/callback"]),
        document(TOOLS, "Contoso Tools", &[TOOLS_REDIRECT]),
    ])
}

fn unreachable() -> GuardedFetchError {
    GuardedFetchError::Unreachable("timed out".to_owned())
}

async fn world(web: &Arc<Web>) -> World {
    with(web, DocumentPolicy::On).await
}

async fn with(web: &Arc<Web>, policy: DocumentPolicy) -> World {
    World::with(|builder| builder.metadata_documents(policy, web.clone())).await
}

/// The status of an authorize request of a client.
async fn authorize(world: &World, id: &str, redirect: &str) -> StatusCode {
    world.authorize(&mut Browser::default(), &request_for(id, redirect)).await.status()
}

async fn advertised(world: &World) -> Value {
    let documents = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration/mcp"];
    let mut said = Vec::new();
    for path in documents {
        said.push(body(&world.get(path, &[]).await)["client_id_metadata_document_supported"].clone());
    }
    assert_eq!(said[0], said[1]);
    said.remove(0)
}

#[tokio::test]
async fn cimd_01_a_client_that_is_a_document_signs_in_and_refreshes_with_its_url_as_id() {
    let web = known_web();
    let world = world(&web).await;
    // Loopback ports are free, whatever the document says.
    for redirect in ["http://localhost:53127/callback", "http://127.0.0.1:40000/callback"] {
        let tokens = world.sign_in(CODE, redirect, "Ada").await;
        assert!(world.accepts(&tokens.access).await);
        let again = support::tokens(&world.refresh(CODE, &tokens.refresh).await);
        assert!(world.accepts(&again.access).await);
    }
    world.sign_in(TOOLS, TOOLS_REDIRECT, "Ada").await;
    assert_eq!(web.asked(), 2, "once for each document: it is fresh");
    let users =
        world.engine.store().users(&dcr_core::store::UserQuery { limit: 10, ..Default::default() }).await.unwrap();
    let connections = world.engine.store().connections_of(&users[0].id).await.unwrap();
    let mut software: Vec<&str> = connections.iter().map(|connection| connection.software.as_str()).collect();
    software.sort_unstable();
    assert_eq!(software, [format!("document:{CODE}"), format!("document:{TOOLS}")], "MG-3");
}

#[tokio::test]
async fn the_software_of_a_platform_is_one_whatever_way_it_came_in() {
    let web = known_web();
    web.serve(CLAUDE, &document(CLAUDE, "Claude", &[P]));
    let world = world(&web).await;
    let registered = world.public_client(&[P]).await;
    for id in [CLAUDE, registered.as_str(), U] {
        world.sign_in(id, P, "Ada").await;
    }
    let counts = world.engine.store().counts().await.unwrap();
    assert_eq!((counts.connections, counts.aliases), (1, 3), "I-16");
}

#[tokio::test]
async fn the_page_names_the_host_that_vouches_and_warns_of_local_programs() {
    let web = known_web();
    let world = world(&web).await;
    let page = world.authorize(&mut Browser::default(), &request_for(CODE, "http://localhost:1234/callback")).await;
    let page = text(&page);
    let words = [
        "<strong>claude.ai</strong>",
        "any program on a computer can say so",
        "Continue only if you started this yourself",
        "Claude Code",
        "localhost:1234",
    ];
    for words in words {
        assert!(page.contains(words), "CI-10: {words}");
    }
    let page = text(&world.authorize(&mut Browser::default(), &request_for(TOOLS, TOOLS_REDIRECT)).await);
    assert!(page.contains("<strong>tools.example</strong>") && !page.contains("any program on a computer"), "row 64");
}

#[tokio::test]
async fn i_02_a_redirect_that_is_not_in_the_document_gets_a_page() {
    let web = known_web();
    let world = world(&web).await;
    for redirect in [P, "http://localhost:1/other", "https://tools.example/callback/", "https://evil.example/cb"] {
        assert_eq!(authorize(&world, CODE, redirect).await, StatusCode::BAD_REQUEST, "{redirect}");
    }
}

#[tokio::test]
async fn adopt_17_a_url_never_falls_through_to_adoption() {
    let web = known_web();
    let off = World::new().await;
    assert_eq!(authorize(&off, "https://claude.ai/x", P).await, StatusCode::BAD_REQUEST, "with documents off");
    let world = world(&web).await;
    assert_eq!(authorize(&world, "https://claude.ai/x", P).await, StatusCode::BAD_REQUEST, "with a fetch that fails");
    for id in [
        "https://Tools.example/oauth/client.json",
        "https://tools.example/oauth/client.json?x=1",
        "https://127.0.0.1/x",
    ] {
        let asked = web.asked();
        assert_eq!(authorize(&world, id, P).await, StatusCode::BAD_REQUEST, "CI-9: {id}");
        assert_eq!(web.asked(), asked, "and nobody was asked");
    }
}

#[tokio::test]
async fn a_document_that_is_not_valid_or_gone_is_refused_also_where_a_copy_is_shipped() {
    for (status, kind, content) in [
        (404, "application/json", "{}"),
        (410, "application/json", "{}"),
        (302, "application/json", ""),
        (200, "text/html", "<html>are you human?</html>"),
        (200, "application/json", "{"),
        (
            200,
            "application/json",
            r#"{"client_id":"https://claude.ai/other","client_name":"x","redirect_uris":["http://localhost/callback"]}"#,
        ),
    ] {
        let web = known_web();
        web.answer(CODE, status, kind, content);
        let world = world(&web).await;
        assert_eq!(
            authorize(&world, CODE, "http://localhost:1234/callback").await,
            StatusCode::BAD_REQUEST,
            "{status} {content}"
        );
        // Nor while the failure is remembered, or when the host withholds it afterwards.
        web.answer(CODE, 403, "text/html", "");
        world.test.clock().advance(Duration::from_secs(6));
        assert_eq!(
            authorize(&world, CODE, "http://localhost:1234/callback").await,
            StatusCode::BAD_REQUEST,
            "{status}"
        );
        web.serve(CODE, &document(CODE, "Claude Code", &["http://localhost/callback"]));
        world.test.clock().advance(Duration::from_secs(6));
        assert_eq!(authorize(&world, CODE, "http://localhost:1234/callback").await, StatusCode::OK, "{status}");
    }
}

#[tokio::test]
async fn a_shipped_copy_serves_while_the_vendors_host_withholds_its_document() {
    for trouble in [403, 429, 500, 503] {
        let web = known_web();
        web.answer(CODE, trouble, "text/html", "<html>no robots</html>");
        let world = world(&web).await;
        assert_eq!(authorize(&world, CODE, "http://localhost:1234/callback").await, StatusCode::OK, "{trouble}");
        assert_eq!(authorize(&world, CODE, P).await, StatusCode::BAD_REQUEST, "its own redirect URIs only");
    }
    let web = known_web();
    web.fail(CODE, unreachable());
    assert_eq!(authorize(&world(&web).await, CODE, "http://localhost:1234/callback").await, StatusCode::OK);
    web.fail(TOOLS, unreachable());
    assert_eq!(
        authorize(&world(&web).await, TOOLS, TOOLS_REDIRECT).await,
        StatusCode::BAD_REQUEST,
        "no copy of a stranger"
    );
    web.fail(CODE, GuardedFetchError::NotPublic);
    assert_eq!(
        authorize(&world(&web).await, CODE, "http://localhost:1234/callback").await,
        StatusCode::BAD_REQUEST,
        "CI-1"
    );
}

#[tokio::test]
async fn ci_08_a_document_is_kept_while_fresh_and_our_last_copy_serves_for_a_day_of_trouble() {
    let web = known_web();
    let world = world(&web).await;
    let ok = || authorize(&world, TOOLS, TOOLS_REDIRECT);
    assert_eq!(ok().await, StatusCode::OK);
    world.test.clock().advance(Duration::from_secs(599));
    assert_eq!((ok().await, web.asked()), (StatusCode::OK, 1));
    world.test.clock().advance(Duration::from_secs(1));
    assert_eq!((ok().await, web.asked()), (StatusCode::OK, 2), "no longer fresh");

    web.fail(TOOLS, unreachable());
    world.test.clock().advance(Duration::from_secs(23 * 3_600));
    assert_eq!(ok().await, StatusCode::OK, "what we have is younger than a day");
    world.test.clock().advance(Duration::from_secs(3_600));
    assert_eq!(ok().await, StatusCode::BAD_REQUEST);
    web.serve(TOOLS, &document(TOOLS, "Contoso Tools", &[TOOLS_REDIRECT]));
    assert_eq!(ok().await, StatusCode::BAD_REQUEST, "the failure is remembered, for 5 s");
    world.test.clock().advance(Duration::from_secs(5));
    assert_eq!(ok().await, StatusCode::OK);
}

#[tokio::test]
async fn ci_08_a_redirect_that_is_new_in_the_document_is_found_within_a_minute() {
    let web = known_web();
    let world = world(&web).await;
    let new = "https://tools.example/new-callback";
    assert_eq!(authorize(&world, TOOLS, new).await, StatusCode::BAD_REQUEST);
    web.serve(TOOLS, &document(TOOLS, "Contoso Tools", &[new]));
    assert_eq!((authorize(&world, TOOLS, new).await, web.asked()), (StatusCode::BAD_REQUEST, 1), "just fetched");
    world.test.clock().advance(Duration::from_secs(60));
    assert_eq!(authorize(&world, TOOLS, new).await, StatusCode::OK);
    assert_eq!(authorize(&world, TOOLS, TOOLS_REDIRECT).await, StatusCode::BAD_REQUEST, "and the old one is gone");
}

#[tokio::test]
async fn ci_11_many_requests_cause_one_fetch_and_a_host_is_asked_a_bounded_number_of_times() {
    let web = Arc::new(Web { slow: true, ..Web::default() });
    web.serve(TOOLS, &document(TOOLS, "Contoso Tools", &[TOOLS_REDIRECT]));
    let world = Arc::new(world(&web).await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let world = world.clone();
        tasks.spawn(async move { authorize(&world, TOOLS, TOOLS_REDIRECT).await });
    }
    while let Some(status) = tasks.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
    assert_eq!(web.asked(), 1);

    for n in 0..100 {
        authorize(&world, &format!("https://victim.example/{n}"), P).await;
        world.test.clock().advance(Duration::from_millis(590));
    }
    assert_eq!(web.asked(), 1 + 30, "thirty a minute, whatever the number of documents");
    authorize(&world, "https://other.example/x", P).await;
    assert_eq!(web.asked(), 1 + 30 + 1, "another host is asked all the same");
    world.test.clock().advance(Duration::from_secs(1));
    authorize(&world, "https://victim.example/0", P).await;
    assert_eq!(web.asked(), 1 + 30 + 2);
    assert_eq!(world.engine.store().counts().await.unwrap(), Default::default(), "I-1");
}

#[tokio::test]
async fn the_token_endpoint_asks_nobody_and_lets_a_client_recover() {
    let web = known_web();
    let world = world(&web).await;
    let tokens = world.sign_in(TOOLS, TOOLS_REDIRECT, "Ada").await;
    let asked = web.asked();
    web.fail(TOOLS, unreachable());
    world.test.clock().advance(Duration::from_secs(48 * 3_600));
    assert!(world.refresh(TOOLS, &tokens.refresh).await.status().is_success(), "a session outlives its client's host");
    let dead = world.refresh(TOOLS, "dcrr1_forged").await;
    assert_eq!((dead.status(), &body(&dead)["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    let foreign = world.refresh(CODE, &tokens.refresh).await;
    assert_eq!((foreign.status(), &body(&foreign)["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")), "I-5");
    assert_eq!(web.asked(), asked);
    let with_secret = world
        .token(&[
            ("grant_type", "refresh_token"),
            ("client_id", TOOLS),
            ("client_secret", "s"),
            ("refresh_token", "dcrr1_forged"),
        ])
        .await;
    assert_eq!(with_secret.status(), StatusCode::UNAUTHORIZED, "CI-7");
}

#[tokio::test]
async fn a_policy_limits_documents_like_registrations() {
    let web = known_web();
    let policy = |registration| {
        let web = web.clone();
        World::with(move |builder| {
            builder
                .metadata_documents(DocumentPolicy::On, web)
                .registration(registration)
                .adoption(AdoptionPolicy::PlatformsAndLoopback)
        })
    };
    let narrow = policy(RegistrationPolicy::PlatformsAndLoopback).await;
    assert_eq!(authorize(&narrow, CODE, "http://localhost:1234/callback").await, StatusCode::OK);
    assert_eq!(authorize(&narrow, TOOLS, TOOLS_REDIRECT).await, StatusCode::BAD_REQUEST);
    let off = policy(RegistrationPolicy::Off).await;
    assert_eq!(authorize(&off, CODE, "http://localhost:1234/callback").await, StatusCode::BAD_REQUEST);
    assert_eq!(advertised(&off).await, Value::Null);
}

#[tokio::test]
async fn support_is_advertised_only_while_it_works() {
    let web = known_web();
    assert_eq!(advertised(&with(&web, DocumentPolicy::Off).await).await, Value::Null);
    assert_eq!(advertised(&with(&web, DocumentPolicy::On).await).await, json!(true));

    let dark = Arc::new(Web::default());
    let world = with(&dark, DocumentPolicy::Auto).await;
    assert_eq!(advertised(&world).await, Value::Null, "nobody answers");
    let probes = dark.asked();
    advertised(&world).await;
    assert_eq!(dark.asked(), probes, "asked now and then, not by each request");
    // A bot filter is an answer: the vendor's copy is shipped, everybody else's host is reached. The one that was asked
    // first has trouble of its own, and another is asked.
    dark.answer(CODE, 403, "text/html", "");
    for url in ["https://chatgpt.com/oauth/client.json", "https://chatgpt.com/oauth/codex/client.json"] {
        dark.answer(url, 403, "text/html", "");
    }
    dark.answer("https://vscode.dev/oauth/client-metadata.json", 403, "text/html", "");
    world.test.clock().advance(Duration::from_secs(5 * 60));
    assert_eq!(advertised(&world).await, json!(true));
    let probes = dark.asked();
    world.test.clock().advance(Duration::from_secs(14 * 60));
    assert_eq!(advertised(&world).await, json!(true));
    assert_eq!(dark.asked(), probes, "an answer is believed for a quarter of an hour");
    // Ids that are in use stay accepted, whatever the probe says; and no stranger's id says that nothing works.
    authorize(&world, "https://made-up.example/x", P).await;
    assert_eq!(advertised(&world).await, json!(true));
    world.test.clock().advance(Duration::from_secs(2 * 60));
    dark.answers.lock().unwrap().clear();
    assert_eq!(advertised(&world).await, Value::Null);
    dark.serve(TOOLS, &document(TOOLS, "Contoso Tools", &[TOOLS_REDIRECT]));
    assert_eq!(authorize(&world, TOOLS, TOOLS_REDIRECT).await, StatusCode::OK);
    assert_eq!(advertised(&world).await, json!(true), "and an answer is an answer");
}
