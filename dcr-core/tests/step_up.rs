//! Scopes at work: defaults, optional ones, the hierarchy, step-up; and the rules of `offline_access`.

mod support;

use dcr_core::{Reason, Refusal, Resource, ScopeSet};
use http::HeaderMap;
use serde_json::json;
use support::*;

/// `read` by default; `write` and `admin` on demand, and whoever may administer may read and write.
async fn world() -> World {
    World::with(|builder| {
        builder.resource(
            Resource::new("/files", "Files")
                .scope("read", "Read your files")
                .optional_scope("write", "Change your files")
                .optional_scope("admin", "Administer all files")
                .implies("admin", "write")
                .implies("write", "read"),
        )
    })
    .await
}

const FILES: &str = "https://mcp.example/files";

fn scopes(text: &str) -> ScopeSet {
    ScopeSet::from_names(text.split(' ')).unwrap()
}

async fn sign_in(world: &World, scope: &str) -> Tokens {
    let mut browser = Browser::default();
    let fields = change(&change(&request_for(U, P), "resource", FILES), "scope", scope);
    let state = world.approve(&mut browser, &fields).await;
    let back = world.callback(&mut browser, &state, "Ada").await;
    let code = query_of(&location(&back))["code"].clone();
    tokens(&world.token(&change(&redemption(U, P, &code), "resource", FILES)).await)
}

async fn allowed(world: &World, tokens: &Tokens, needed: &str) -> Result<(), Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {}", tokens.access).parse().unwrap());
    let needed = if needed.is_empty() { ScopeSet::default() } else { scopes(needed) };
    world.engine.authorize_request(&headers, Some(FILES), &needed).await.map(drop)
}

async fn refresh(world: &World, tokens: &Tokens, scope: &str) -> http::Response<bytes::Bytes> {
    let fields =
        [("grant_type", "refresh_token"), ("client_id", U), ("refresh_token", &tokens.refresh), ("scope", scope)];
    world.token(&change(&fields, if scope.is_empty() { "scope" } else { "" }, "")).await
}

#[tokio::test]
async fn ad_15_an_optional_scope_is_granted_only_when_it_is_asked_for() {
    let world = world().await;
    for (asked, granted) in [
        ("", "read"),
        ("nonsense", "read"),
        ("openid profile", "read"),
        ("write", "write"),
        ("read write", "read write"),
        ("admin read nonsense", "admin read"),
        ("openid admin", "admin"),
    ] {
        let tokens = sign_in(&world, asked).await;
        assert_eq!(tokens.body["scope"], granted, "{asked:?}");
        assert_eq!(claims(&tokens.access)["scope"], granted, "{asked:?}");
    }
}

#[tokio::test]
async fn row_35_a_broad_scope_satisfies_a_narrow_demand_and_never_the_other_way_round() {
    let world = world().await;
    let admin = sign_in(&world, "admin").await;
    for needed in ["", "read", "write", "admin", "read write admin"] {
        assert!(allowed(&world, &admin, needed).await.is_ok(), "{needed}");
    }
    let read = sign_in(&world, "read").await;
    assert!(allowed(&world, &read, "read").await.is_ok());
    for needed in ["write", "admin", "read write"] {
        let refusal = allowed(&world, &read, needed).await.unwrap_err();
        assert_eq!(refusal.reason(), Reason::ScopeInsufficient, "{needed}");
    }
    // A handler that checks by itself sees the same.
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {}", admin.access).parse().unwrap());
    let principal = world.engine.authenticate(&headers, Some(FILES)).await.unwrap();
    assert!(principal.has_scope("read") && principal.has_scope("admin") && !principal.has_scope("mcp"));
    assert_eq!(principal.scope().to_string(), "admin", "what was granted is said by its name");
    assert!(principal.require(&scopes("read write")).is_ok());
    assert_eq!(principal.require(&scopes("read other")).unwrap_err().reason(), Reason::ScopeInsufficient);
}

#[tokio::test]
async fn row_34_one_challenge_names_everything_that_is_needed() {
    let world = world().await;
    let read = sign_in(&world, "").await;
    let needed = scopes("admin write offline_access");
    let refusal = allowed(&world, &read, "admin write").await.unwrap_err();
    let challenge = world.engine.challenge(&refusal, Some(FILES), &needed).unwrap();
    assert_eq!(
        challenge,
        "Bearer error=\"insufficient_scope\", error_description=\"this operation needs the scope admin write\", \
         resource_metadata=\"https://mcp.example/.well-known/oauth-protected-resource/files\", scope=\"admin write\""
    );
}

#[tokio::test]
async fn a_step_up_opens_a_second_session_and_leaves_the_first_as_it_was() {
    let world = world().await;
    let first = sign_in(&world, "").await;
    let refusal = allowed(&world, &first, "write").await.unwrap_err();
    let challenge = world.engine.challenge(&refusal, Some(FILES), &scopes("write")).unwrap();
    assert!(challenge.contains("scope=\"write\""), "{challenge}");

    // SEP-2350: the client asks for what it has and what it was told.
    let mut browser = Browser::default();
    let fields = change(&change(&request_for(U, P), "resource", FILES), "scope", "read write");
    let page = world.authorize(&mut browser, &fields).await;
    for words in ["Read your files", "Change your files"] {
        assert!(text(&page).contains(words), "consent shows all: {words}");
    }
    assert!(!text(&page).contains("Administer all files"));

    let second = sign_in(&world, "read write").await;
    assert_eq!(second.body["scope"], "read write", "the union that was asked for");
    assert!(allowed(&world, &second, "read write").await.is_ok());
    assert_ne!(claims(&first.access)["sid"], claims(&second.access)["sid"]);
    assert_eq!(claims(&first.access)["con"], claims(&second.access)["con"], "the same use of the same software");

    // ME-9: signing in again ends nothing; ME-5: and lends nothing.
    assert!(allowed(&world, &first, "read").await.is_ok());
    assert!(allowed(&world, &first, "write").await.is_err());
    let refreshed = tokens(&refresh(&world, &first, "").await);
    assert_eq!(refreshed.body["scope"], "read");
    assert_error(&refresh(&world, &refreshed, "read write").await, 400, "invalid_scope");
    assert_error(&refresh(&world, &refreshed, "admin").await, 400, "invalid_scope");
    let again = tokens(&refresh(&world, &refreshed, "").await);
    assert_eq!(again.body["scope"], "read", "a refusal changed nothing");
}

#[tokio::test]
async fn rt_05_a_refresh_narrows_along_the_hierarchy_and_the_session_keeps_what_it_has() {
    let world = world().await;
    let admin = sign_in(&world, "admin").await;
    let narrow = tokens(&refresh(&world, &admin, "read").await);
    assert_eq!(narrow.body["scope"], "read");
    assert!(allowed(&world, &narrow, "read").await.is_ok());
    assert!(allowed(&world, &narrow, "write").await.is_err());
    let wide = tokens(&refresh(&world, &narrow, "").await);
    assert_eq!(wide.body["scope"], "admin", "only that access token was narrower");
}

#[tokio::test]
async fn sr_06_the_ceiling_of_adopted_ids_holds_for_optional_scopes_and_knows_the_hierarchy() {
    let world = World::with(|builder| {
        let files = Resource::new("/files", "Files")
            .scope("read", "Read your files")
            .optional_scope("write", "Change your files")
            .optional_scope("admin", "Administer all files")
            .implies("write", "read");
        builder.resource(files).adoption_scopes(scopes("write"))
    })
    .await;
    assert_eq!(sign_in(&world, "admin write").await.body["scope"], "write");
    assert_eq!(sign_in(&world, "admin").await.body["scope"], "read");
    assert_eq!(sign_in(&world, "").await.body["scope"], "read");
    // A resource of which they may get nothing.
    let fields = change(&request_for(U, P), "resource", RESOURCE);
    assert_back(&world.authorize(&mut Browser::default(), &fields).await, P, "invalid_scope");
    let fields = change(&fields, "scope", "offline_access");
    assert_back(&world.authorize(&mut Browser::default(), &fields).await, P, "invalid_scope");
}

#[tokio::test]
async fn rows_21_28_and_46_offline_access_is_a_signal_of_the_server_and_no_scope_of_a_resource() {
    let world = world().await;
    let server = body(&world.get("/.well-known/oauth-authorization-server", &[]).await);
    assert!(server["scopes_supported"].as_array().unwrap().contains(&json!("offline_access")));
    assert!(!server["scopes_supported"].as_array().unwrap().contains(&json!("openid")));
    for path in ["/mcp", "/files"] {
        let document = body(&world.get(&format!("/.well-known/oauth-protected-resource{path}"), &[]).await);
        assert!(!document["scopes_supported"].to_string().contains("offline_access"), "{document}");
    }
    let refusal = world.engine.authenticate(&HeaderMap::new(), None).await.unwrap_err();
    for needed in [ScopeSet::default(), scopes("offline_access"), scopes("mcp offline_access")] {
        let challenge = world.engine.challenge(&refusal, None, &needed).unwrap();
        assert!(!challenge.contains("offline_access"), "{challenge}");
    }

    // It is echoed when asked for, alone or not, and stays with the session.
    let tokens = sign_in(&world, "offline_access").await;
    assert_eq!(tokens.body["scope"], "offline_access read");
    let narrow = support::tokens(&refresh(&world, &tokens, "read").await);
    assert_eq!(narrow.body["scope"], "offline_access read");
    // Refresh tokens do not depend on it: the helper found one here, too.
    let without = sign_in(&world, "read").await;
    assert_eq!(without.body["scope"], "read");
    assert_error(&refresh(&world, &without, "read openid write").await, 400, "invalid_scope");
    let same = support::tokens(&refresh(&world, &without, "read openid offline_access").await);
    assert_eq!(same.body["scope"], "read", "and neither comes in by a refresh");
}

#[tokio::test]
async fn row_46_refresh_tokens_go_by_the_grant_types_of_the_registration_and_not_by_offline_access() {
    let world = world().await;
    for (grants, has_refresh) in
        [(json!(["authorization_code"]), false), (json!(["authorization_code", "refresh_token"]), true)]
    {
        let metadata = json!({"client_name": "Test", "redirect_uris": [L], "grant_types": grants, "scope": "read offline_access openid"});
        let registered = body(&world.register(&metadata).await);
        assert_eq!(registered["scope"], "offline_access read");
        let id = registered["client_id"].as_str().unwrap();
        for scope in ["read", "read offline_access"] {
            let mut browser = Browser::default();
            let fields = change(&change(&request_for(id, L), "resource", FILES), "scope", scope);
            let state = world.approve(&mut browser, &fields).await;
            let back = world.callback(&mut browser, &state, "Ada").await;
            let code = query_of(&location(&back))["code"].clone();
            let answer = body(&world.token(&change(&redemption(id, L, &code), "resource", FILES)).await);
            assert_eq!(answer.get("refresh_token").is_some(), has_refresh, "{grants} {scope}: {answer}");
        }
    }
}
