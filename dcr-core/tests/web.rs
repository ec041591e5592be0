//! The sign-in to pages of this server, and the console behind it, as an adapter would hand their requests in.

mod support;

use std::sync::Arc;
use std::time::Duration;

use dcr_core::record::{Actor, EventKind};
use dcr_core::store::{Store as _, Target};
use dcr_core::upstream::Admission;
use dcr_core::{AdminAccess, ConfigError, DcrEngine, Limits, Rate};
use http::StatusCode;

use crate::support::people::*;
use crate::support::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn an_administrator_signs_in_is_on_the_record_and_signs_out() {
    let world = world().await;
    let mut browser = sign_in(&world, CONSOLE, "Ada").await;
    let page = browser.visit(&world, CONSOLE).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(text(&page).contains("ada@test.example"), "{}", text(&page));
    let recorded = events(&world, EventKind::AdminSignedIn).await;
    assert_eq!(recorded.len(), 1);
    assert_eq!((&recorded[0].actor, &recorded[0].user), (&Actor::Admin(user("ada")), &Some(user("ada"))));
    // Nothing else was written: no user, connection or session, and no upstream token.
    let counts = world.test.memory().counts().await.unwrap();
    assert_eq!((counts.users, counts.connections, counts.sessions), (0, 0, 0));
    let out = browser.post(&world, "/oauth/admin/sign-out", &[("token", &token(&page))]).await;
    assert_eq!((out.status(), location(&out)), (StatusCode::SEE_OTHER, CONSOLE.to_owned()));
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
    assert!(is_sign_in_page(&browser.visit(&world, CONSOLE).await));
}

#[tokio::test]
async fn cb_09_the_session_is_a_strict_cookie_of_an_hour_set_on_a_page_that_is_no_redirect() {
    let world = world().await;
    let mut browser = Browser::default();
    let state = begin(&world, &mut browser, CONSOLE).await;
    let back = world.callback(&mut browser, &state, "Ada").await;
    assert_eq!(back.status(), StatusCode::OK);
    assert!(!back.headers().contains_key("location"));
    let set: Vec<_> = back.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    let session = set.iter().find(|cookie| cookie.starts_with("__Host-dcr-console=")).unwrap();
    assert!(session.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict; Secure"), "{session}");
    assert!(set.iter().any(|cookie| cookie.starts_with("__Host-dcr-console-in-") && cookie.contains("Max-Age=0")));
    assert!(text(&back).contains("href=\"/oauth/admin\""));
    for response in [&back, &browser.visit(&world, CONSOLE).await] {
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-frame-options"], "DENY");
        assert_eq!(response.headers()["cross-origin-opener-policy"], "same-origin");
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{policy}");
    }
    // An hour later it is over, whatever the browser still holds.
    world.test.clock().advance(Duration::from_secs(3_600));
    assert!(is_sign_in_page(&browser.visit(&world, CONSOLE).await));
}

#[tokio::test]
async fn who_is_no_administrator_gets_a_page_and_is_on_the_record() {
    let world = world().await;
    let mut browser = Browser::default();
    let state = begin(&world, &mut browser, CONSOLE).await;
    let refused = world.callback(&mut browser, &state, "Bob").await;
    assert_refused(&refused, 403, "admin_not_admitted");
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
    let recorded = events(&world, EventKind::Refused).await;
    assert_eq!(recorded.len(), 1);
    assert_eq!((recorded[0].reason.as_str(), &recorded[0].user), ("admin_not_admitted", &Some(user("bob"))));
    assert_eq!(recorded[0].actor, Actor::Person);
    let reference = recorded[0].reference.unwrap().to_string();
    assert!(text(&refused).contains(&reference), "{}", text(&refused));
    assert!(events(&world, EventKind::AdminSignedIn).await.is_empty());
}

#[tokio::test]
async fn a_blocked_administrator_is_out_at_once() {
    let world = world().await;
    let mut browser = sign_in(&world, CONSOLE, "Ada").await;
    let page = browser.visit(&world, CONSOLE).await;
    world.engine.block(&Target::User(user("ada")), "left").await.unwrap();
    assert_refused(&browser.visit(&world, CONSOLE).await, 403, "sign_in_blocked");
    let posted = browser.post(&world, &format!("{CONSOLE}/people"), &[("token", &token(&page))]).await;
    assert_refused(&posted, 403, "sign_in_blocked");
    let mut other = Browser::default();
    let state = begin(&world, &mut other, CONSOLE).await;
    assert_refused(&world.callback(&mut other, &state, "Ada").await, 403, "sign_in_blocked");
    world.engine.unblock(&Target::User(user("ada")), "back").await.unwrap();
    assert_eq!(browser.visit(&world, CONSOLE).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn cb_02_a_callback_counts_in_the_browser_that_began_once_and_for_ten_minutes() {
    for area in [CONSOLE, CONNECTIONS] {
        let world = world().await;
        let mut browser = Browser::default();
        let state = begin(&world, &mut browser, area).await;
        let before = browser.clone();
        // CB-04: in another browser, and in one that began another sign-in.
        let mut victim = Browser::default();
        assert_eq!(world.callback(&mut victim, &state, "Ada").await.status(), StatusCode::FORBIDDEN);
        begin(&world, &mut victim, area).await;
        assert_eq!(world.callback(&mut victim, &state, "Ada").await.status(), StatusCode::FORBIDDEN);
        assert!(!victim.cookies.keys().any(|name| [CONSOLE_COOKIE, CONNECTIONS_COOKIE].contains(&name.as_str())));
        // Without a code, with two, with an error.
        for query in ["", "&code=Ada&code=Bob", "&error=access_denied"] {
            let refused = before.clone().visit(&world, &format!("/oauth/callback?state={state}{query}")).await;
            assert_refused(&refused, 403, "web_sign_in_again");
            assert!(text(&refused).contains(&format!("href=\"{area}\"")));
        }
        assert_eq!(world.callback(&mut browser, &state, "Ada").await.status(), StatusCode::OK);
        // The same once more: the cookie is gone; and with a cookie that was kept.
        assert_eq!(world.callback(&mut browser, &state, "Ada").await.status(), StatusCode::FORBIDDEN);
        let mut kept = before.clone();
        assert_refused(&world.callback(&mut kept, &state, "Ada").await, 403, "web_sign_in_again");
        // Too late.
        let mut late = Browser::default();
        let state = begin(&world, &mut late, area).await;
        world.test.clock().advance(Duration::from_secs(601));
        assert_refused(&world.callback(&mut late, &state, "Ada").await, 403, "web_sign_in_again");
    }
}

#[tokio::test]
async fn nothing_of_one_area_opens_the_other_or_the_mcp_flow() {
    let world = world().await;
    let mut console = sign_in(&world, CONSOLE, "Ada").await;
    let mut own = sign_in(&world, CONNECTIONS, "Ada").await;
    let (of_console, of_own) = (console.cookies[CONSOLE_COOKIE].clone(), own.cookies[CONNECTIONS_COOKIE].clone());
    assert!(is_sign_in_page(&console.visit(&world, CONNECTIONS).await));
    assert!(is_sign_in_page(&own.visit(&world, CONSOLE).await));
    // The values under each other's names.
    console.cookies.insert(CONNECTIONS_COOKIE.to_owned(), of_console.clone());
    own.cookies.insert(CONSOLE_COOKIE.to_owned(), of_own);
    assert!(is_sign_in_page(&console.visit(&world, CONNECTIONS).await));
    assert!(is_sign_in_page(&own.visit(&world, CONSOLE).await));
    // A sign-in under way, and an approved transaction, are nobody who is signed in.
    let mut browser = Browser::default();
    let state = begin(&world, &mut browser, CONSOLE).await;
    let under_way = browser.cookies.values().next().unwrap().clone();
    let id = world.public_client(&[P]).await;
    let mut mcp = Browser::default();
    let of_client = world.approve(&mut mcp, &request_for(&id, P)).await;
    let approved = mcp.cookies.iter().find(|(name, _)| name.contains("-tx-")).unwrap().1.clone();
    for value in [under_way.clone(), approved.clone()] {
        let mut forged = Browser::default();
        forged.cookies.insert(CONSOLE_COOKIE.to_owned(), value);
        assert!(is_sign_in_page(&forged.visit(&world, CONSOLE).await));
    }
    // And neither is the other's way back.
    for (state, name, value) in [
        (&state, format!("__Host-dcr-tx-{}", &state[..16]), &under_way),
        (&of_client, format!("__Host-dcr-console-in-{}", &of_client[..16]), &approved),
        (&state, format!("__Host-dcr-connections-in-{}", &state[..16]), &under_way),
    ] {
        let mut forged = Browser::default();
        forged.cookies.insert(name, value.clone());
        let refused = world.callback(&mut forged, state, "Ada").await;
        assert_refused(&refused, 403, "callback_other_browser");
    }
    // Being signed in opens no session of a client: the flow asks and logs in as ever.
    let page = console.visit(&world, &format!("/oauth/authorize?{}", encode(&request_for(&id, P)))).await;
    assert!(text(&page).contains("name=\"decision\""));
}

#[tokio::test]
async fn rs_mcp_access_tokens_and_the_admin_token_are_refused_at_pages() {
    let access = AdminAccess::token(TOKEN).unwrap().and_people(ada()).unwrap();
    let world = World::with(|builder| builder.admin(access)).await;
    let id = world.public_client(&[P]).await;
    let tokens = world.sign_in(&id, P, "Ada").await;
    let mut browser = sign_in(&world, CONSOLE, "Ada").await;
    let cookie = browser.header();
    for token in [tokens.access.as_str(), tokens.refresh.as_str(), TOKEN] {
        let bearer = format!("Bearer {token}");
        for area in [CONSOLE, CONNECTIONS] {
            for cookie in ["", cookie.as_str()] {
                let refused = world.get(area, &[("authorization", &bearer), ("cookie", cookie)]).await;
                assert_error(&refused, 401, "invalid_token");
            }
        }
        for cookie_name in [CONSOLE_COOKIE, CONNECTIONS_COOKIE] {
            browser.cookies.clear();
            browser.cookies.insert(cookie_name.to_owned(), token.to_owned());
            let area = if cookie_name == CONSOLE_COOKIE { CONSOLE } else { CONNECTIONS };
            assert!(is_sign_in_page(&browser.visit(&world, area).await));
        }
    }
    // At the API an access token is as good as a wrong token.
    let bearer = format!("Bearer {}", tokens.access);
    let refused = world.get("/oauth/admin/api/v1/users", &[("authorization", &bearer), ("cookie", &cookie)]).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn both_pages_speak_korean_and_are_switched_off() {
    let world = world().await;
    let korean = [("accept", "text/html"), ("accept-language", "ko")];
    for area in [CONSOLE, CONNECTIONS] {
        let page = world.get(area, &korean).await;
        assert!(text(&page).contains("lang=\"ko\"") && text(&page).contains("계정으로 로그인"), "{}", text(&page));
    }
    let off = World::with(|builder| builder.connections_page(false)).await;
    for path in [CONNECTIONS, "/oauth/connections/sign-in", CONSOLE, "/oauth/admin/sign-in"] {
        assert_eq!(off.get(path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert!(!off.engine.paths().iter().any(|path| path.starts_with(CONNECTIONS)));
    let id = off.public_client(&[P]).await;
    let consent = off.authorize(&mut Browser::default(), &request_for(&id, P)).await;
    assert!(!text(&consent).contains(CONNECTIONS));
    // Where there is one, the consent page leads to it, and so does a refusal after which one wants to look.
    let id = world.public_client(&[P]).await;
    let consent = world.authorize(&mut Browser::default(), &request_for(&id, P)).await;
    assert!(text(&consent).contains("<a href=\"/oauth/connections\">"), "{}", text(&consent));
}

#[tokio::test]
async fn a_person_comes_back_to_the_page_that_they_wanted() {
    let world = world().await;
    let mut browser = Browser::default();
    let wanted = "/oauth/admin/people?q=ada%40test.example&limit=5";
    let page = browser.visit(&world, wanted).await;
    assert!(text(&page).contains("name=\"next\" value=\"/oauth/admin/people?q="), "{}", text(&page));
    for (next, expected) in [(wanted, wanted), ("https://evil.example/", CONSOLE), ("/oauth/admin/..//x", CONSOLE)] {
        let sent = browser.post(&world, "/oauth/admin/sign-in", &[("next", next)]).await;
        let state = query_of(&location(&sent))["state"].clone();
        let back = world.callback(&mut browser.clone(), &state, "Ada").await;
        assert_eq!(back.headers()["refresh"], format!("0; url={expected}"));
    }
}

#[tokio::test]
async fn a_link_in_a_mail_finds_the_session_at_the_press_of_a_button() {
    let world = world().await;
    let mut browser = sign_in(&world, CONSOLE, "Ada").await;
    // The navigation itself comes without the Strict cookie; the form that is posted from the page comes with it.
    assert!(is_sign_in_page(&Browser::default().visit(&world, "/oauth/admin/people").await));
    let sent = browser.post(&world, "/oauth/admin/sign-in", &[("next", "/oauth/admin/people")]).await;
    assert_eq!(location(&sent), "/oauth/admin/people");
}

#[tokio::test]
async fn cb_5_at_most_four_sign_ins_are_under_way_in_a_browser() {
    let world = world().await;
    let mut browser = Browser::default();
    let mut states = Vec::new();
    for _ in 0..7 {
        world.test.clock().advance(Duration::from_secs(1));
        states.push(begin(&world, &mut browser, CONSOLE).await);
    }
    assert_eq!(browser.cookies.len(), 4);
    // Two tabs do not end each other's.
    assert_eq!(world.callback(&mut browser.clone(), &states[3], "Ada").await.status(), StatusCode::OK);
    assert_eq!(world.callback(&mut browser, &states[6], "Ada").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_admin_api_takes_the_session_of_the_console_from_its_own_pages_alone() {
    let world = world().await;
    let id = world.public_client(&[P]).await;
    let tokens = world.sign_in(&id, P, "Bob").await;
    let cookie = sign_in(&world, CONSOLE, "Ada").await.header();
    let users = "/oauth/admin/api/v1/users";
    let read = async |headers: &[(&str, &str)]| {
        let mut all = vec![("cookie", cookie.as_str())];
        all.extend_from_slice(headers);
        world.get(users, &all).await.status().as_u16()
    };
    for (headers, status) in [
        (&[("sec-fetch-site", "same-origin")][..], 200),
        (&[("sec-fetch-site", "same-origin"), ("origin", ISSUER)], 200),
        (&[("sec-fetch-site", "none")], 200),
        (&[], 401),
        (&[("origin", ISSUER)], 401),
        (&[("sec-fetch-site", "same-site")], 401),
        (&[("sec-fetch-site", "cross-site")], 401),
        (&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")], 401),
        (&[("sec-fetch-site", "same-origin"), ("origin", "null")], 401),
    ] {
        assert_eq!(read(headers).await, status, "{headers:?}");
    }
    let path = format!("{users}/{}/revoke", user("bob"));
    let change = async |site: &str, kind: &str| {
        let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", site), ("content-type", kind)];
        world.send(request("POST", &path, &headers, r#"{"reason":"lost laptop"}"#)).await.status().as_u16()
    };
    for (site, kind, status) in [
        ("", "application/json", 401),
        ("none", "application/json", 401),
        ("cross-site", "application/json", 401),
        ("same-origin", "text/plain", 415),
        ("same-origin", "application/json", 200),
    ] {
        assert_eq!(change(site, kind).await, status, "{site} {kind}");
    }
    assert!(!world.accepts(&tokens.access).await);
    assert_eq!(events(&world, EventKind::Revoked).await[0].actor, Actor::Admin(user("ada")));
    // The page of one's own connections opens nothing there; and who is blocked is out here, too.
    let own = sign_in(&world, CONNECTIONS, "Ada").await.header();
    let headers = [("cookie", own.as_str()), ("sec-fetch-site", "same-origin")];
    assert_eq!(world.get(users, &headers).await.status(), StatusCode::UNAUTHORIZED);
    world.engine.block(&Target::User(user("ada")), "left").await.unwrap();
    assert_eq!(read(&[("sec-fetch-site", "same-origin")]).await, 401);
}

#[tokio::test]
async fn a_console_at_an_origin_of_its_own_has_its_own_callback_cookies_and_origin() {
    let access = AdminAccess::people(ada()).unwrap().apart_at("https://admin.example");
    let world = World::with(|builder| builder.admin(access)).await;
    assert_eq!(world.get(CONSOLE, &[]).await.status(), StatusCode::NOT_FOUND);
    let console = world.engine.console();
    let post = async |origin: &str| {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", origin),
            ("sec-fetch-site", "same-origin"),
            ("accept", "text/html"),
        ];
        console.handle(request("POST", "/oauth/admin/sign-in", &headers, "next=/oauth/admin")).await
    };
    assert_eq!(post(ISSUER).await.status(), StatusCode::FORBIDDEN);
    let sent = post("https://admin.example").await;
    assert_eq!(sent.status(), StatusCode::SEE_OTHER, "{}", text(&sent));
    let state = query_of(&location(&sent))["state"].clone();
    let mut browser = Browser::default();
    browser.keep(&sent);
    // The public origin's callback takes it as well: what fits is the cookie, which browsers send to one host alone.
    let callback = format!("/oauth/admin/callback?{}", encode(&[("state", &state), ("code", "Ada")]));
    let back = console.handle(request("GET", &callback, &[("cookie", &browser.header())], "")).await;
    assert_eq!(back.status(), StatusCode::OK, "{}", text(&back));
    browser.keep(&back);
    let page = console.handle(request("GET", CONSOLE, &[("cookie", &browser.header())], "")).await;
    assert!(text(&page).contains("ada@test.example"), "{}", text(&page));

    for wrong in ["http://admin.example", "https://admin.example/base", "admin.example"] {
        let access = AdminAccess::people(ada()).unwrap().apart_at(wrong);
        let builder = DcrEngine::builder(ISSUER).admin(access);
        let built = builder
            .resource(dcr_core::Resource::new("/mcp", "Test").scope("mcp", "Use it"))
            .store(Arc::new(dcr_core::store::MemoryStore::new()))
            .provider(Arc::new(dcr_core::testing::StubProvider))
            .secret_from_store()
            .build()
            .await;
        assert!(matches!(built, Err(ConfigError::AdminOrigin { .. })), "{wrong}");
    }
}

#[tokio::test]
async fn who_may_use_a_resource_is_another_list_than_who_administers() {
    let staff = Admission::default().users(["bob".to_owned()]);
    let world = World::with(|builder| builder.admission(staff).admin(AdminAccess::people(ada()).unwrap())).await;
    sign_in(&world, CONSOLE, "Ada").await;
    // And whoever may not open new ones may still look at their own connections.
    sign_in(&world, CONNECTIONS, "Carol").await;
}

#[tokio::test]
async fn adopt_14_who_is_signed_in_gets_in_while_others_use_up_the_limits() {
    let limits = Limits { sign_in: Rate::new(20, 1), ..Limits::default() };
    let world = World::with(|builder| builder.limits(limits).admin(AdminAccess::people(ada()).unwrap())).await;
    let from = |path: &str, cookie: &str| {
        let mut asked = request("GET", path, &[("cookie", cookie)], "");
        asked.extensions_mut().insert(std::net::SocketAddr::from(([192, 0, 2, 1], 4_000)));
        asked
    };
    let cookie = sign_in(&world, CONSOLE, "Ada").await.header();
    let mut last = StatusCode::OK;
    for _ in 0..21 {
        last = world.send(from(CONSOLE, "")).await.status();
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(world.send(from(CONSOLE, &cookie)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_store_that_is_down_signs_nobody_in_and_nobody_out() {
    let world = world().await;
    let mut browser = sign_in(&world, CONSOLE, "Ada").await;
    world.test.memory().fail(true);
    assert_refused(&browser.visit(&world, CONSOLE).await, 503, "store_unavailable");
    let mut other = Browser::default();
    let state = begin(&world, &mut other, CONSOLE).await;
    assert_refused(&world.callback(&mut other, &state, "Ada").await, 503, "store_unavailable");
    assert!(!other.cookies.contains_key(CONSOLE_COOKIE));
    world.test.memory().fail(false);
    assert_eq!(browser.visit(&world, CONSOLE).await.status(), StatusCode::OK);
    assert_eq!(world.callback(&mut other, &state, "Ada").await.status(), StatusCode::OK);
}
