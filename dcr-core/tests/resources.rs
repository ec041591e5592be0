//! Several resources under one issuer (RFC 8707, RFC 9728).

mod support;

use dcr_core::testing::{Person, StubProvider};
use dcr_core::{DcrEngine, Reason, Resource, ScopeSet};
use http::HeaderMap;
use serde_json::json;
use support::*;

const NOTES: &str = "https://mcp.example/notes";
const ROOT: &str = "https://mcp.example";
const REMOTE: &str = "https://tools.example/mcp";

/// `/mcp` as always, then `/notes`, the whole origin, and one that runs elsewhere.
async fn world() -> World {
    World::with(|builder| {
        builder
            .resource(
                Resource::new("/notes", "Notes")
                    .scope("notes:read", "Read your notes")
                    .optional_scope("notes:write", "Change your notes"),
            )
            .resource(Resource::new("", "Everything").scope("all", "Use everything"))
            .resource(Resource::elsewhere(REMOTE, "Remote tools").scope("tools", "Use the remote tools"))
            .resource_server("rs", "rs-secret")
    })
    .await
}

/// A sign-in for this resource (none named if it is empty); the answer of the token endpoint, unnamed there.
async fn sign_in_for(world: &World, resource: &str) -> Tokens {
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &change(&request_for(U, P), "resource", resource)).await;
    let back = world.callback(&mut browser, &state, "Ada").await;
    let code = query_of(&location(&back))["code"].clone();
    tokens(&world.token(&change(&redemption(U, P, &code), "resource", "")).await)
}

fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    headers
}

#[tokio::test]
async fn rs_01_a_token_is_good_at_its_own_resource_and_at_no_other() {
    let world = world().await;
    let all = [RESOURCE, NOTES, ROOT, REMOTE];
    for (named, scope) in [(RESOURCE, "mcp mcp:admin"), (NOTES, "notes:read"), (ROOT, "all"), (REMOTE, "tools")] {
        let tokens = sign_in_for(&world, named).await;
        assert_eq!(claims(&tokens.access)["aud"], named);
        assert_eq!(tokens.body["scope"], scope);
        for at in all {
            let answer = world.engine.authenticate(&bearer(&tokens.access), Some(at)).await;
            assert_eq!(
                answer.as_ref().err().map(|refusal| refusal.reason()),
                (at != named).then_some(Reason::TokenInvalid)
            );
            // A second time: what is remembered of a token is for its audience only.
            assert_eq!(world.engine.authenticate(&bearer(&tokens.access), Some(at)).await.is_ok(), at == named);
        }
    }
    assert_eq!(world.engine.resources().collect::<Vec<_>>(), all);
}

#[tokio::test]
async fn no_resource_means_the_first_and_an_unknown_one_is_refused() {
    let world = world().await;
    assert_eq!(claims(&sign_in_for(&world, "").await.access)["aud"], RESOURCE);
    // One trailing slash, and any case of scheme and host (spec row 42).
    for (spelled, meant) in [("https://mcp.example/", ROOT), ("HTTPS://MCP.example/notes/", NOTES)] {
        assert_eq!(claims(&sign_in_for(&world, spelled).await.access)["aud"], meant, "{spelled}");
    }
    for unknown in ["https://mcp.example/other", "https://tools.example", "https://mcp.example/mcp/notes", "mcp"] {
        let fields = change(&request_for(U, P), "resource", unknown);
        assert_back(&world.authorize(&mut Browser::default(), &fields).await, P, "invalid_target");
    }
    let mut twice = request_for(U, P);
    twice.push(("resource", NOTES));
    assert_back(&world.authorize(&mut Browser::default(), &twice).await, P, "invalid_request");
}

#[tokio::test]
async fn tk_03_another_resource_is_refused_for_the_code_and_at_refresh_and_changes_nothing() {
    let world = world().await;
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &change(&request_for(U, P), "resource", NOTES)).await;
    let back = world.callback(&mut browser, &state, "Ada").await;
    let code = query_of(&location(&back))["code"].clone();
    for other in [RESOURCE, ROOT, REMOTE, "https://mcp.example/other"] {
        let fields = change(&redemption(U, P, &code), "resource", other);
        assert_error(&world.token(&fields).await, 400, "invalid_target");
    }
    let tokens = tokens(&world.token(&change(&redemption(U, P, &code), "resource", NOTES)).await);
    let refresh = |resource| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", U),
            ("refresh_token", &tokens.refresh),
            ("resource", resource),
        ];
        let fields = fields.map(|(name, value)| (name, value.to_owned()));
        let world = &world;
        async move {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            world.token(&fields).await
        }
    };
    for other in [RESOURCE, ROOT, REMOTE] {
        assert_error(&refresh(other).await, 400, "invalid_target");
    }
    let refreshed = support::tokens(&refresh(NOTES).await);
    assert_eq!(claims(&refreshed.access)["aud"], NOTES);
}

#[tokio::test]
async fn scopes_of_one_resource_are_unknown_at_another() {
    let world = world().await;
    let mut browser = Browser::default();
    let fields = change(&request_for(U, P), "resource", NOTES);
    let page = world.authorize(&mut browser, &change(&fields, "scope", "mcp:admin all tools notes:write")).await;
    assert!(text(&page).contains("Change your notes"), "{}", text(&page));
    for others in ["Use everything", "Use the remote tools", "Change settings", "Read your notes"] {
        assert!(!text(&page).contains(others), "{others}");
    }
}

#[tokio::test]
async fn each_resource_has_its_own_metadata_and_challenge_and_the_root_form_is_the_origins() {
    let world = world().await;
    for (paths, resource, name, scopes) in [
        (
            vec!["/.well-known/oauth-protected-resource/mcp", "/mcp/.well-known/oauth-protected-resource"],
            RESOURCE,
            "Test server",
            json!(["mcp", "mcp:admin"]),
        ),
        (
            vec!["/.well-known/oauth-protected-resource/notes", "/notes/.well-known/oauth-protected-resource"],
            NOTES,
            "Notes",
            json!(["notes:read"]),
        ),
        (vec!["/.well-known/oauth-protected-resource"], ROOT, "Everything", json!(["all"])),
    ] {
        for path in &paths {
            let document = body(&world.get(path, &[]).await);
            assert_eq!(document["resource"], resource, "{path}");
            assert_eq!(document["resource_name"], name);
            assert_eq!(document["authorization_servers"], json!([ISSUER]));
            assert_eq!(document["scopes_supported"], scopes, "the minimal base set (spec row 27)");
        }
        let refusal = world.engine.authenticate(&HeaderMap::new(), Some(resource)).await.unwrap_err();
        let challenge = world.engine.challenge(&refusal, Some(resource), &ScopeSet::default()).unwrap();
        assert!(challenge.contains(&format!("resource_metadata=\"https://mcp.example{}\"", paths[0])), "{challenge}");
        let scope: Vec<&str> = scopes.as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect();
        assert!(challenge.ends_with(&format!("scope=\"{}\"", scope.join(" "))), "{challenge}");
    }
    // Elsewhere its own server publishes it.
    assert!(!world.engine.paths().iter().any(|path| path.contains("tools")));
    let refusal = world.engine.authenticate(&HeaderMap::new(), Some(REMOTE)).await.unwrap_err();
    let challenge = world.engine.challenge(&refusal, Some(REMOTE), &ScopeSet::default()).unwrap();
    assert!(challenge.contains("\"https://tools.example/.well-known/oauth-protected-resource/mcp\""), "{challenge}");

    let server = body(&world.get("/.well-known/oauth-authorization-server", &[]).await);
    assert_eq!(server["protected_resources"], json!([RESOURCE, NOTES, ROOT, REMOTE]));
    assert_eq!(
        server["scopes_supported"],
        json!(["all", "mcp", "mcp:admin", "notes:read", "notes:write", "tools", "offline_access"])
    );
}

#[tokio::test]
async fn without_a_resource_for_the_origin_the_root_form_is_the_first_one_served_here() {
    let build = |first: Resource, second: Resource| async move {
        let builder = DcrEngine::builder(ISSUER).resource(first).resource(second);
        let store = std::sync::Arc::new(dcr_core::store::MemoryStore::new());
        let builder = builder.store(store).provider(std::sync::Arc::new(StubProvider)).secret_from_store();
        builder.build().await.unwrap()
    };
    let remote = || Resource::elsewhere(REMOTE, "x").scope("tools", "x");
    let engine = build(remote(), Resource::new("/notes", "x").scope("notes", "x")).await;
    let answer = engine.handle(request("GET", "/.well-known/oauth-protected-resource", &[], "")).await;
    assert_eq!(body(&answer)["resource"], NOTES);
    // Only elsewhere: then there is nothing to say here.
    let engine = build(remote(), Resource::elsewhere("https://b.example", "x").scope("b", "x")).await;
    let answer = engine.handle(request("GET", "/.well-known/oauth-protected-resource", &[], "")).await;
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn a_hosts_own_tests_sign_in_at_any_resource() {
    let world = world().await;
    let ada = Person::named("Ada");
    for resource in [RESOURCE, NOTES, ROOT, REMOTE] {
        let signed_in = world.engine.sign_in_for_tests_at(Some(resource), &ada, None).await.unwrap();
        assert_eq!(signed_in.principal().resource(), resource);
        assert!(world.engine.authenticate(&bearer(signed_in.token()), Some(resource)).await.is_ok());
    }
    let unknown = world.engine.sign_in_for_tests_at(Some("https://mcp.example/other"), &ada, None).await;
    assert_eq!(unknown.unwrap_err().reason(), Reason::ResourceUnknown);
}

#[tokio::test]
async fn a_resource_server_sees_whom_a_token_is_for() {
    let world = world().await;
    let tokens = sign_in_for(&world, REMOTE).await;
    let basic = [("authorization", "Basic cnM6cnMtc2VjcmV0")];
    let answer = body(&world.form("/oauth/introspect", &[("token", &tokens.access)], &basic).await);
    assert_eq!((&answer["active"], &answer["aud"]), (&json!(true), &json!(REMOTE)));
}
