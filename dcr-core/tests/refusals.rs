//! The catalogue's cases on authorize, consent, callback and registration, by their ids (security.md section 7).

mod support;

use dcr_core::store::{Counts, Store as _, Target};
use dcr_core::testing::StubProvider;
use dcr_core::upstream::IdentityProvider as _;
use dcr_core::{AdoptionPolicy, ClientId, RegistrationPolicy};
use http::StatusCode;
use serde_json::json;
use support::*;

async fn authorize(world: &World, fields: &[(&str, &str)]) -> http::Response<bytes::Bytes> {
    world.authorize(&mut Browser::default(), fields).await
}

#[tokio::test]
async fn adopt_04_05_17_sealed_and_url_ids_never_fall_through_to_adoption() {
    let world = World::new().await;
    let id = world.public_client(&[L]).await;
    assert_page(&authorize(&world, &request_for(&id, P)).await);
    let mut broken = id.clone();
    let last = broken.pop().unwrap();
    broken.push(if last == 'A' { 'B' } else { 'A' });
    assert_page(&authorize(&world, &request_for(&broken, L)).await);
    for uri_like in ["https://claude.ai/oauth/mcp-oauth-client-metadata", "http://x", "urn:x:y", "javascript:alert(1)"]
    {
        assert_page(&authorize(&world, &request_for(uri_like, P)).await);
    }
}

#[tokio::test]
async fn sr_3_malformed_ids_and_user_ids_are_refused() {
    let world = World::new().await;
    let long = "a".repeat(1_025);
    for id in
        ["short", "with space", "tab\there", "usr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "quo\"te-quote", &long]
    {
        assert_page(&authorize(&world, &request_for(id, P)).await);
    }
}

#[tokio::test]
async fn ad_14_a_refused_id_and_a_refused_redirect_look_alike() {
    let world = World::new().await;
    let id = world.public_client(&[L]).await;
    let page = |text: String| text.split("Reference").next().unwrap().to_owned();
    let unknown = authorize(&world, &request_for(U, E)).await;
    let known = authorize(&world, &request_for(&id, E)).await;
    assert_eq!(page(text(&unknown)), page(text(&known)));
    assert!(!text(&known).contains("evil.example"));
}

#[tokio::test]
async fn adopt_26_and_policies_by_class() {
    let off = World::with(|b| b.adoption(AdoptionPolicy::Off)).await;
    assert_page(&authorize(&off, &request_for(U, P)).await);
    let id = off.public_client(&[L]).await;
    assert_eq!(authorize(&off, &request_for(&id, L)).await.status(), StatusCode::OK);

    let platforms = World::with(|b| b.adoption(AdoptionPolicy::Platforms)).await;
    assert_page(&authorize(&platforms, &request_for(U, L)).await);
    assert_page(&authorize(&platforms, &request_for(U, "https://vscode.dev/redirect")).await);
    assert_eq!(authorize(&platforms, &request_for(U, P)).await.status(), StatusCode::OK);

    let listed = World::with(|b| b.registration(RegistrationPolicy::PlatformsAndLoopback)).await;
    assert_error(&listed.register(&json!({"redirect_uris": [E]})).await, 400, "invalid_redirect_uri");
    let partly = body(&listed.register(&json!({"redirect_uris": [E, P]})).await);
    assert_eq!(partly["redirect_uris"], json!([P]));

    // A policy that is tightened later binds ids that were sealed before (the secret is the same).
    let open = World::new().await;
    let elsewhere = open.public_client(&[E]).await;
    assert_eq!(authorize(&open, &request_for(&elsewhere, E)).await.status(), StatusCode::OK);
    let closed = World::with(|b| b.registration(RegistrationPolicy::Off)).await;
    assert_page(&authorize(&closed, &request_for(&elsewhere, E)).await);
    assert_error(&closed.register(&json!({"redirect_uris": [P]})).await, 403, "access_denied");
    let metadata = body(&closed.get("/.well-known/oauth-authorization-server", &[]).await);
    assert!(metadata.get("registration_endpoint").is_none());
}

#[tokio::test]
async fn authz_02_repeated_parameters() {
    let world = World::new().await;
    for (name, value) in request_for(U, P) {
        let mut twice = request_for(U, P);
        twice.push((name, value));
        let answer = authorize(&world, &twice).await;
        if ["client_id", "redirect_uri"].contains(&name) {
            assert_page(&answer);
        } else {
            assert_back(&answer, P, "invalid_request");
        }
    }
}

#[tokio::test]
async fn pkce_01_to_05_only_s256_and_stated() {
    let world = World::new().await;
    let good = request_for(U, P);
    for (name, value) in [
        ("code_challenge", ""),
        ("code_challenge", "short"),
        ("code_challenge", &CHALLENGE[..42]),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"),
        ("code_challenge_method", ""),
        ("code_challenge_method", "plain"),
        ("code_challenge_method", "s256"),
        ("code_challenge_method", "S512"),
        ("response_type", ""),
        ("response_mode", "fragment"),
        ("response_mode", "form_post"),
        ("claims", "{}"),
    ] {
        assert_back(&authorize(&world, &change(&good, name, value)).await, P, "invalid_request");
    }
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("request", "ey", "request_not_supported"),
        ("request_uri", "https://x", "request_uri_not_supported"),
        ("prompt", "none", "interaction_required"),
        ("resource", "https://other.example/mcp", "invalid_target"),
    ] {
        assert_back(&authorize(&world, &change(&good, name, value)).await, P, error);
    }
    let long = "s".repeat(10_000);
    assert_back(&authorize(&world, &change(&good, "state", &long)).await, P, "invalid_request");
    // What is no text is refused, not read as absent (I-13).
    for name in ["resource", "scope"] {
        let query = format!("{}&{name}=%ff", encode(&change(&good, name, "")));
        let answer = world.get(&format!("/oauth/authorize?{query}"), &[]).await;
        assert_back(&answer, P, "invalid_target");
    }
    // `prompt=consent`, as SDK clients send it, and the resource with a slash or in capitals.
    for (name, value) in [("prompt", "consent"), ("resource", "HTTPS://MCP.example/mcp/"), ("resource", "")] {
        assert_eq!(authorize(&world, &change(&good, name, value)).await.status(), StatusCode::OK);
    }
}

/// DC-12: a broken request does not make an open redirector of this domain.
#[tokio::test]
async fn errors_go_back_only_where_the_redirect_is_trusted() {
    let world = World::new().await;
    let elsewhere = world.public_client(&[E]).await;
    assert_page(&authorize(&world, &change(&request_for(&elsewhere, E), "code_challenge", "")).await);
    let mut browser = Browser::default();
    let page = world.authorize(&mut browser, &request_for(&elsewhere, E)).await;
    let denied = world.decide(&mut browser, &page, "deny").await;
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    assert!(!denied.headers().contains_key("location"));
    // Trusted: a no is told.
    let page = world.authorize(&mut browser, &request_for(U, P)).await;
    assert_back(&world.decide(&mut browser, &page, "deny").await, P, "access_denied");
    // After approval the client may know, wherever it is.
    let state = world.approve(&mut browser, &request_for(&elsewhere, E)).await;
    let path = format!("/oauth/callback?{}", encode(&[("state", &state), ("error", "access_denied")]));
    assert_back(&browser.visit(&world, &path).await, E, "access_denied");
}

#[tokio::test]
async fn redir_01_05_13_registered_redirects_are_exact() {
    let world = World::new().await;
    let id = world.public_client(&["https://a.example/cb", L]).await;
    for redirect in [
        E,
        "https://a.example/cb.evil.example",
        "https://a.example.evil.example/cb",
        "https://a.example/cb/",
        "https://a.example/CB",
        "https://a.example/cb?x=1",
        "https://a.example/cb/../steal",
        "https://a.example@evil.example/cb",
        "http://127.0.0.1:3118/callback",
        "http://localhost:3118/other",
        "https://localhost:3118/callback",
        "h",
    ] {
        assert_page(&authorize(&world, &request_for(&id, redirect)).await);
    }
    assert_eq!(authorize(&world, &request_for(&id, "http://localhost:65000/callback")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn cons_03_headers_of_the_consent_page() {
    let world = World::new().await;
    let page = authorize(&world, &request_for(U, L)).await;
    let header = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
    let policy = header("content-security-policy");
    for part in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self' https: http://localhost:3118",
    ] {
        assert!(policy.split("; ").any(|directive| directive == part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    assert!(StubProvider.insecure_origins().is_empty(), "a provider on https adds nothing to it");
    assert_eq!(header("x-frame-options"), "DENY");
    assert!(!page.headers().contains_key("cross-origin-opener-policy"), "a popup must keep its opener");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-content-type-options"), "nosniff");
    let html = text(&page);
    assert!(
        html.contains("not registered") && html.contains("only if you started this") && html.contains("localhost:3118")
    );
    assert!(!html.contains(U), "the id is not shown as a name (AD-6)");
    assert!(!html.contains("<script"));
}

#[tokio::test]
async fn cons_09_what_a_stranger_named_is_inert() {
    let world = World::new().await;
    let name = "<img src=x onerror=alert(1)>\"{{7*7}}</title>\u{202e}evil\n";
    let registered = body(
        &world
            .register(&json!({"client_name": name, "redirect_uris": [L], "logo_uri": "https://evil.example/x.svg"}))
            .await,
    );
    let page = text(&authorize(&world, &request_for(registered["client_id"].as_str().unwrap(), L)).await);
    assert!(page.contains("&#60;img src=x onerror=alert(1)&#62;"), "{page}");
    assert!(!page.contains('\u{202e}') && !page.contains("evil.example") && !page.contains("<img"));
}

#[tokio::test]
async fn cons_01_04_05_only_the_browser_that_was_asked_approves() {
    let world = World::new().await;
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let page = world.authorize(&mut attacker, &request_for(U, P)).await;
    let sealed = sealed_request(&page);
    // No cookie at all: cookies are blocked.
    let blocked =
        Browser::default().post(&world, "/oauth/consent", &[("request", &sealed), ("decision", "approve")]).await;
    assert_eq!(blocked.status(), StatusCode::FORBIDDEN);
    assert!(text(&blocked).contains("cookies"));
    // Another browser's cookie.
    world.authorize(&mut victim, &request_for(U, P)).await;
    let foreign = victim.post(&world, "/oauth/consent", &[("request", &sealed), ("decision", "approve")]).await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    assert!(!foreign.headers().contains_key("set-cookie"));
    // CO-2: from another site, with the right cookie.
    let cookies = attacker.header();
    for headers in [
        [("cookie", cookies.as_str()), ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        [("cookie", cookies.as_str()), ("sec-fetch-site", ""), ("origin", "null")],
        [("cookie", cookies.as_str()), ("sec-fetch-site", "same-site"), ("origin", "https://mcp.example")],
    ] {
        let fields = [("request", sealed.as_str()), ("decision", "approve")];
        assert_eq!(world.form("/oauth/consent", &fields, &headers).await.status(), StatusCode::FORBIDDEN);
    }
    // From its own page, as browsers may also say it; and no other combination of the two headers.
    for (site, origin, good) in [
        ("same-origin", "https://mcp.example", true),
        ("", "https://mcp.example", true),
        ("same-origin", "https://evil.example", false),
        ("", "https://evil.example", false),
    ] {
        let headers = [("cookie", cookies.as_str()), ("origin", origin), ("sec-fetch-site", site)];
        let headers = if site.is_empty() { &headers[..2] } else { &headers[..] };
        let fields = [("request", sealed.as_str()), ("decision", "approve")];
        let status = world.form("/oauth/consent", &fields, headers).await.status();
        assert_eq!(status == StatusCode::SEE_OTHER, good, "{site} {origin}: {status}");
    }
    // CO-6: GET does nothing.
    let get = attacker
        .visit(&world, &format!("/oauth/consent?{}", encode(&[("request", &sealed), ("decision", "approve")])))
        .await;
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
}

/// CO-2, CB-4: a cookie that we would not have set binds nothing.
#[tokio::test]
async fn a_csrf_cookie_of_another_form_is_replaced_and_our_own_is_kept() {
    let world = World::new().await;
    let mut browser = Browser::default();
    world.authorize(&mut browser, &request_for(U, P)).await;
    let (name, ours) = browser.cookies.iter().find(|(name, _)| name.contains("csrf")).unwrap();
    let (name, ours) = (name.clone(), ours.clone());
    world.authorize(&mut browser, &request_for(U, P)).await;
    assert_eq!(browser.cookies[&name], ours);
    for planted in ["x", &ours[1..], &format!("{ours}AAAA")] {
        let mut browser = Browser::default();
        browser.cookies.insert(name.clone(), planted.to_owned());
        world.authorize(&mut browser, &request_for(U, P)).await;
        let mut csrf = browser.cookies.iter().filter(|(name, _)| name.contains("csrf"));
        assert!(csrf.any(|(_, value)| value != planted), "{planted}");
    }
}

/// CONS-06, CB-9: the form carries a decision, nothing else counts.
#[tokio::test]
async fn extra_fields_of_the_approval_are_ignored() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let page = world.authorize(&mut browser, &request_for(U, P)).await;
    let sealed = sealed_request(&page);
    let fields = [
        ("request", sealed.as_str()),
        ("decision", "approve"),
        ("redirect_uri", E),
        ("client_id", "x"),
        ("scope", "root"),
    ];
    let sent = browser.post(&world, "/oauth/consent", &fields).await;
    let state = query_of(&location(&sent))["state"].clone();
    let back = world.callback(&mut browser, &state, "Ada").await;
    assert!(location(&back).starts_with(P));
}

/// CB-01 to CB-04, CB-2: absent is a mismatch, and the browser that approves is the browser that finishes.
#[tokio::test]
async fn a_callback_needs_the_cookie_of_its_own_transaction() {
    let world = World::new().await;
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let state = world.approve(&mut attacker, &request_for(U, P)).await;
    let other = world.approve(&mut victim, &request_for(U, P)).await;
    for (mut browser, path, status) in [
        (Browser::default(), "/oauth/callback?code=Ada".to_owned(), 400),
        (Browser::default(), "/oauth/callback?state=&code=Ada".to_owned(), 400),
        (Browser::default(), format!("/oauth/callback?state={state}&state={state}&code=Ada"), 400),
        (Browser::default(), format!("/oauth/callback?state={state}&code=Ada"), 403),
        (victim.clone(), format!("/oauth/callback?state={state}&code=Ada"), 403),
        (victim.clone(), "/oauth/callback?state=AAAA&code=Ada".to_owned(), 403),
        (victim.clone(), format!("/oauth/callback?state={other}"), 400),
    ] {
        let answer = browser.visit(&world, &path).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert!(!answer.headers().contains_key("location"));
    }
    assert_eq!(world.test.memory().counts().await.unwrap(), Counts::default());
}

#[tokio::test]
async fn a_transaction_opens_one_session_and_then_is_over() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &request_for(U, P)).await;
    let kept = browser.clone();
    assert_eq!(world.callback(&mut browser, &state, "Ada").await.status(), StatusCode::SEE_OTHER);
    assert!(browser.cookies.keys().all(|name| !name.contains("-tx-")), "{:?}", browser.cookies.keys());
    // The same callback again, with the cookie that a copy of the browser kept.
    let again = world.callback(&mut kept.clone(), &state, "Ada").await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
    assert!(text(&again).contains("finished already"));
    assert_eq!(world.test.memory().counts().await.unwrap().sessions, 1);
}

#[tokio::test]
async fn transactions_lapse_and_at_most_four_are_open() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let mut states = Vec::new();
    for _ in 0..6 {
        states.push(world.approve(&mut browser, &request_for(U, P)).await);
        world.test.clock().advance(std::time::Duration::from_secs(1));
    }
    let open = browser.cookies.keys().filter(|name| name.contains("-tx-")).count();
    assert_eq!(open, 4);
    let size: usize = browser.cookies.iter().filter(|(n, _)| n.contains("-tx-")).map(|(_, v)| v.len()).sum();
    assert!(size <= 6 * 1024, "{size}");
    // Large ones are fewer.
    let (mut large, state) = (Browser::default(), "s".repeat(1_024));
    for _ in 0..4 {
        world.approve(&mut large, &change(&request_for(U, P), "state", &state)).await;
        let sizes: Vec<_> = large.cookies.iter().filter(|(n, _)| n.contains("-tx-")).map(|(_, v)| v.len()).collect();
        assert!(sizes.iter().sum::<usize>() <= 6 * 1024, "{sizes:?}");
    }
    let of_large = large.cookies.keys().filter(|name| name.contains("-tx-")).count();
    assert!((2..4).contains(&of_large), "{of_large}");
    // CB-5: each of them finishes by itself, the newest first.
    assert_eq!(world.callback(&mut browser, &states[0], "Ada").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(world.callback(&mut browser, &states[5], "Ada").await.status(), StatusCode::SEE_OTHER);
    assert_eq!(world.callback(&mut browser, &states[3], "Bob").await.status(), StatusCode::SEE_OTHER);
    world.test.clock().advance(std::time::Duration::from_secs(601));
    assert_eq!(world.callback(&mut browser, &states[4], "Ada").await.status(), StatusCode::BAD_REQUEST);
    // Ten minutes are ten minutes, on the page and on the way.
    let page = world.authorize(&mut browser, &request_for(U, P)).await;
    world.test.clock().advance(std::time::Duration::from_secs(600));
    let upstream = location(&world.decide(&mut browser, &page, "approve").await);
    world.test.clock().advance(std::time::Duration::from_secs(600));
    let last = world.callback(&mut browser, &query_of(&upstream)["state"], "Ada").await;
    assert_eq!(last.status(), StatusCode::SEE_OTHER);
    let page = world.authorize(&mut browser, &request_for(U, P)).await;
    world.test.clock().advance(std::time::Duration::from_secs(601));
    assert_eq!(world.decide(&mut browser, &page, "approve").await.status(), StatusCode::BAD_REQUEST);
}

/// CB-2, CB-5: a cookie counts for the state that its transaction was given, whatever the name that it comes under.
#[tokio::test]
async fn cb_02_a_transaction_answers_to_its_own_state_only() {
    let world = World::new().await;
    let (mut mine, mut other) = (Browser::default(), Browser::default());
    let state = world.approve(&mut mine, &request_for(U, P)).await;
    let other_state = world.approve(&mut other, &request_for(U, P)).await;
    let cookie = |browser: &Browser| {
        let (name, value) = browser.cookies.iter().find(|(name, _)| name.contains("-tx-")).unwrap();
        (name.clone(), value.clone())
    };
    let mut renamed = Browser { cookies: [(cookie(&other).0, cookie(&mine).1)].into() };
    assert_eq!(world.callback(&mut renamed, &other_state, "Ada").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(world.callback(&mut mine, &state, "Ada").await.status(), StatusCode::SEE_OTHER);
}

/// UP-1, SR-12, UPS-01: nothing goes upstream before approval, and nothing of the client goes there at all.
#[tokio::test]
async fn the_upstream_sees_nothing_of_the_client() {
    let world = World::new().await;
    for (redirect, select) in [(L, true), (P, false)] {
        let id = world.public_client(&[redirect]).await;
        let mut browser = Browser::default();
        let mut fields = change(&request_for(&id, redirect), "prompt", "consent");
        fields.push(("scope", "mcp"));
        let page = world.authorize(&mut browser, &fields).await;
        assert!(browser.cookies.keys().all(|name| !name.contains("-tx-")), "CB-3");
        let target = location(&world.decide(&mut browser, &page, "approve").await);
        assert_eq!(target.contains("prompt=select_account"), select, "{target}");
        for part in ["prompt=consent", "client-state", id.as_str(), "resource", "mcp.example"] {
            assert!(!target.contains(part), "{part} in {target}");
        }
    }
    let mut browser = Browser::default();
    let page = world.authorize(&mut browser, &request_for(U, P)).await;
    assert!(location(&world.decide(&mut browser, &page, "approve").await).contains("select_account"), "adopted");
}

#[tokio::test]
async fn upstream_trouble_is_a_page_and_never_a_code() {
    let world = World::new().await;
    for (code, status) in [("busy", 503), ("invalid", 502)] {
        let mut browser = Browser::default();
        let state = world.approve(&mut browser, &request_for(U, P)).await;
        let answer = world.callback(&mut browser, &state, code).await;
        assert_eq!(answer.status().as_u16(), status);
        assert!(!answer.headers().contains_key("location"));
        assert!(text(&answer).contains("Reference"));
        // What may heal can be reloaded.
        let again = world.callback(&mut browser, &state, "Ada").await;
        assert_eq!(again.status() == StatusCode::SEE_OTHER, code == "busy");
    }
}

/// Reloading brings nothing, and neither would going back with an error for a sign-in that worked.
#[tokio::test]
async fn a_callback_that_is_over_or_malformed_offers_no_way_back() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &request_for(U, P)).await;
    let mut reloading = browser.clone();
    let codeless = reloading.visit(&world, &format!("/oauth/callback?{}", encode(&[("state", &state)]))).await;
    let mut reloading = browser.clone();
    assert_eq!(world.callback(&mut browser, &state, "Ada").await.status(), StatusCode::SEE_OTHER);
    let used = world.callback(&mut reloading, &state, "Ada").await;
    for page in [codeless, used] {
        assert_eq!(page.status(), StatusCode::BAD_REQUEST);
        assert!(!text(&page).contains("error="), "{}", text(&page));
    }
}

#[tokio::test]
async fn who_is_not_admitted_gets_a_page_a_way_back_and_is_on_the_record() {
    use dcr_core::upstream::Admission;
    let world = World::with(|b| b.admission(Admission::default().users(["ada".to_owned()]))).await;
    world.sign_in(U, P, "Ada").await;
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &request_for(U, P)).await;
    let answer = world.callback(&mut browser, &state, "Bob").await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(text(&answer).contains("error=access_denied"), "a way back to the app");
    let counts = world.test.memory().counts().await.unwrap();
    assert_eq!((counts.users, counts.sessions, counts.events), (1, 1, 2));
}

/// ME-12, MG-11: blocks are checked at authorize, at the callback, and end what is alive.
#[tokio::test]
async fn a_block_holds_at_every_step() {
    let world = World::new().await;
    let tokens = world.sign_in(U, P, "Ada").await;
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &request_for(U, P)).await;
    let target = Target::ClientId(ClientId::new(U).unwrap());
    assert_eq!(world.engine.block(&target, "test").await.unwrap(), 1);
    assert!(!world.accepts(&tokens.access).await);
    assert_error(&world.refresh(U, &tokens.refresh).await, 400, "invalid_grant");
    assert_eq!(world.callback(&mut browser, &state, "Ada").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(authorize(&world, &request_for(U, P)).await.status(), StatusCode::FORBIDDEN);
    assert!(world.engine.unblock(&target, "test").await.unwrap());
    world.sign_in(U, P, "Ada").await;
}

#[tokio::test]
async fn dcr_02_bodies_that_are_no_metadata_are_never_500() {
    let world = World::new().await;
    let json = "application/json";
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_member = format!(r#"{{"redirect_uris":["{P}"],"x":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    for (content_type, body, status) in [
        (json, "not json", 400),
        (json, "[]", 400),
        (json, "", 400),
        (json, "\u{0}", 400),
        (json, deep.as_str(), 413),
        (json, &deep[5_000..15_000], 400),
        (json, deep_member.as_str(), 400),
        (json, &" ".repeat(17 * 1024), 413),
        ("text/plain", "{}", 415),
        ("application/x-www-form-urlencoded", "a=b", 415),
    ] {
        let answer = world.send(request("POST", "/oauth/register", &[("content-type", content_type)], body)).await;
        assert_eq!(answer.status().as_u16(), status, "{}", &body[..body.len().min(40)]);
        assert!(support::body(&answer)["error"].is_string());
    }
    let gzip = [("content-type", json), ("content-encoding", "gzip")];
    assert_eq!(
        world.send(request("POST", "/oauth/register", &gzip, "x")).await.status(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    assert_eq!(world.test.memory().counts().await.unwrap(), Counts::default());
}

/// META-01, META-02, MD-1, MD-5
#[tokio::test]
async fn every_metadata_path_has_one_issuer_and_nothing_of_the_request() {
    let world = World::new().await;
    let evil = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.example"),
    ];
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/openid-configuration",
        "/mcp/.well-known/oauth-authorization-server",
    ] {
        let answer = world.get(path, &evil).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        let document = body(&answer);
        assert_eq!(document["issuer"], ISSUER);
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
        assert_eq!(document["token_endpoint"], "https://mcp.example/oauth/token");
        assert!(document["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&json!("none")));
        assert!(!text(&answer).contains("evil"));
    }
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/mcp/.well-known/oauth-protected-resource",
    ] {
        let document = body(&world.get(path, &evil).await);
        assert_eq!(document["resource"], RESOURCE);
        assert_eq!(document["authorization_servers"], json!([ISSUER]));
        assert_eq!(document["scopes_supported"], json!(["mcp", "mcp:admin"]));
    }
    let keys = body(&world.get("/.well-known/jwks.json", &[]).await);
    assert_eq!(keys["keys"][0]["crv"], "Ed25519");
    assert!(keys["keys"][0].get("d").is_none());
    assert_eq!(world.get("/.well-known/other", &[]).await.status(), StatusCode::NOT_FOUND);
}

/// Row 11: clients without metadata fall back to the root.
#[tokio::test]
async fn the_root_fallbacks_answer_like_the_endpoints() {
    let world = World::new().await;
    let headers = [("content-type", "application/json")];
    let metadata = json!({"client_name": "Test", "redirect_uris": [L]}).to_string();
    let at_root = world.send(request("POST", "/register", &headers, &metadata)).await;
    assert_eq!(body(&at_root)["client_id"], world.public_client(&[L]).await);
    let path = format!("/authorize?{}", encode(&request_for(U, P)));
    assert_eq!(Browser::default().visit(&world, &path).await.status(), StatusCode::OK);
    let token = world.form("/token", &redemption(U, P, "x"), &[]).await;
    assert_error(&token, 401, "invalid_client");
}

#[tokio::test]
async fn scripts_may_call_what_reads_no_cookie_and_nothing_else() {
    let world = World::new().await;
    for path in ["/oauth/token", "/oauth/register", "/oauth/revoke", "/.well-known/jwks.json"] {
        let answer = world.send(request("OPTIONS", path, &[("origin", "https://x.example")], "")).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{path}");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    }
    for path in ["/oauth/authorize", "/oauth/consent", "/oauth/callback"] {
        let answer = world.send(request("OPTIONS", path, &[("origin", "https://x.example")], "")).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
    }
}

/// CB-5: two first tabs of one browser do not overwrite each other, and both finish.
#[tokio::test]
async fn two_tabs_that_begin_at_once_both_finish() {
    let world = World::new().await;
    let id = world.public_client(&[L]).await;
    // Both requests leave before either answer has set a cookie.
    let (mut one, mut two) = (Browser::default(), Browser::default());
    let first = world.authorize(&mut one, &request_for(U, P)).await;
    let second = world.authorize(&mut two, &request_for(&id, L)).await;
    let mut browser = one;
    browser.cookies.extend(two.cookies);
    for page in [first, second] {
        let sent = world.decide(&mut browser, &page, "approve").await;
        let state = query_of(&location(&sent))["state"].clone();
        assert_eq!(world.callback(&mut browser, &state, "Ada").await.status(), StatusCode::SEE_OTHER);
    }
    // A browser that has a value keeps it.
    let before = browser.cookies.len();
    world.authorize(&mut browser, &request_for(U, P)).await;
    assert_eq!(browser.cookies.len(), before);
}

/// AD-15: a ceiling for ids that were never registered.
#[tokio::test]
async fn adopted_ids_get_no_more_scope_than_the_operator_says() {
    let ceiling = dcr_core::ScopeSet::from_names(["mcp"]).unwrap();
    let world = World::with(|b| b.adoption_scopes(ceiling)).await;
    assert_eq!(world.sign_in(U, P, "Ada").await.body["scope"], "mcp");
    let id = world.public_client(&[P]).await;
    assert_eq!(world.sign_in(&id, P, "Ada").await.body["scope"], "mcp mcp:admin");
}

/// The record says what an operator revoked and blocked.
#[tokio::test]
async fn an_operators_act_is_on_the_record_with_its_target() {
    use dcr_core::store::EventQuery;
    let world = World::new().await;
    world.sign_in(U, P, "Ada").await;
    let target = ClientId::new(U).unwrap();
    world.engine.block(&Target::ClientId(target.clone()), "abuse").await.unwrap();
    let events = world.test.memory().events(&EventQuery { limit: 1, ..EventQuery::default() }).await.unwrap();
    assert_eq!((events[0].reason.as_str(), events[0].client_id.as_ref()), ("abuse", Some(&target)));
}
