//! One's own connections: what a person sees of them, and what a form of theirs does.

mod support;

use std::time::Duration;

use dcr_core::record::{Actor, EventKind};
use dcr_core::store::Store as _;
use http::StatusCode;

use crate::support::people::*;
use crate::support::*;

#[tokio::test]
async fn co_2_a_form_counts_from_our_own_origin_with_this_sign_ins_token() {
    let world = world().await;
    let mut ada = sign_in(&world, CONNECTIONS, "Ada").await;
    let mut again = sign_in(&world, CONNECTIONS, "Ada").await;
    let (own, other) = (token(&ada.visit(&world, CONNECTIONS).await), token(&again.visit(&world, CONNECTIONS).await));
    assert_ne!(own, other);
    let cookie = ada.header();
    let post = async |origin: &str, site: &str, token: &str| {
        let headers = [("cookie", cookie.as_str()), ("origin", origin), ("sec-fetch-site", site)];
        world.form("/oauth/connections/disconnect", &[("token", token), ("connection", "all")], &headers).await
    };
    for (origin, site) in
        [("null", "same-origin"), ("", "same-origin"), (ISSUER, "same-origin"), (ISSUER, ""), ("", "")]
    {
        assert_eq!(post(origin, site, &own).await.status(), StatusCode::SEE_OTHER, "{origin} {site}");
        for wrong in ["", "x", &other, &own[1..], &format!("{own}x")] {
            let refused = post(origin, site, wrong).await;
            assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{wrong}");
        }
    }
    for (origin, site) in [
        ("https://evil.example", "cross-site"),
        ("https://evil.example", ""),
        ("https://evil.example", "same-origin"),
        ("null", ""),
        ("null", "cross-site"),
        (ISSUER, "cross-site"),
        (ISSUER, "same-site"),
        ("", "cross-site"),
        ("", "same-site"),
        ("", "none"),
    ] {
        assert_eq!(post(origin, site, &own).await.status(), StatusCode::FORBIDDEN, "{origin} {site}");
    }
    // Twice the token is none; and signing in is begun by no other site either (CB-1).
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let twice = [("token", own.as_str()), ("token", own.as_str()), ("connection", "all")];
    assert_eq!(world.form("/oauth/connections/disconnect", &twice, &headers).await.status(), StatusCode::FORBIDDEN);
    let cross = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    let begun = world.form("/oauth/connections/sign-in", &[("next", CONNECTIONS)], &cross).await;
    assert_eq!(begun.status(), StatusCode::FORBIDDEN);
    assert!(!begun.headers().contains_key("set-cookie"));
    // Nothing is changed by GET, and signing out is none.
    assert_eq!(location(&ada.visit(&world, "/oauth/connections/disconnect").await), CONNECTIONS);
    assert_eq!(location(&ada.visit(&world, "/oauth/connections/sign-out").await), CONNECTIONS);
    assert!(ada.cookies.contains_key(CONNECTIONS_COOKIE));
    for method in ["PUT", "DELETE", "HEAD", "OPTIONS"] {
        let answer = world.send(request(method, CONNECTIONS, &[("cookie", &cookie)], "")).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn a_form_of_nobody_leads_to_a_sign_in_and_does_nothing() {
    let world = world().await;
    let id = world.public_client(&[P]).await;
    let tokens = world.sign_in(&id, P, "Ada").await;
    let mut browser = Browser::default();
    let refused = browser.post(&world, "/oauth/connections/disconnect", &[("connection", "all")]).await;
    assert_refused(&refused, 403, "web_sign_in_again");
    assert!(world.accepts(&tokens.access).await);
}

#[tokio::test]
async fn a_person_sees_their_apps_and_disconnects_one() {
    let world = world().await;
    let (claude, local) = (world.public_client(&[P]).await, world.public_client(&[L]).await);
    let of_claude = world.sign_in(&claude, P, "Ada").await;
    let of_local = world.sign_in(&local, L, "Ada").await;
    let of_bob = world.sign_in(&claude, P, "Bob").await;
    let mut browser = sign_in(&world, CONNECTIONS, "Ada").await;
    let page = browser.visit(&world, CONNECTIONS).await;
    let html = text(&page);
    assert!(html.contains("<bdi>Claude</bdi>") && html.contains("A program on one of your computers"), "{html}");
    assert!(html.contains("ada@test.example") && html.contains("Disconnect all"), "{html}");
    let connections = world.test.memory().connections_of(&user("ada")).await.unwrap();
    let one = connections.iter().find(|connection| connection.platform.as_str() == "claude-web").unwrap();
    let fields = [("token", &*token(&page)), ("connection", &*one.id.to_string())].map(|(n, v)| (n, v.to_owned()));
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let done = browser.post(&world, "/oauth/connections/disconnect", &fields).await;
    assert_eq!((done.status(), location(&done)), (StatusCode::SEE_OTHER, CONNECTIONS.to_owned()));
    // At once, and only that one.
    assert!(!world.accepts(&of_claude.access).await);
    assert_error(&world.refresh(&claude, &of_claude.refresh).await, 400, "invalid_grant");
    assert!(world.accepts(&of_local.access).await && world.accepts(&of_bob.access).await);
    let html = text(&browser.visit(&world, CONNECTIONS).await);
    assert!(html.contains("Claude is disconnected: 1 sign-in ended."), "{html}");
    assert!(!html.contains("<bdi>Claude</bdi>"), "{html}");
    let recorded = events(&world, EventKind::Revoked).await;
    assert_eq!(recorded.len(), 1);
    let event = &recorded[0];
    assert_eq!((event.reason.as_str(), &event.actor), ("disconnected_by_person", &Actor::Person));
    assert_eq!((&event.user, &event.connection), (&Some(user("ada")), &Some(one.id)));
    // The page says so for some minutes, and not for ever.
    world.test.clock().advance(Duration::from_secs(301));
    assert!(!text(&browser.visit(&world, CONNECTIONS).await).contains("is disconnected"));
}

#[tokio::test]
async fn all_are_disconnected_at_once_and_nobody_elses() {
    let world = world().await;
    let (claude, local) = (world.public_client(&[P]).await, world.public_client(&[L]).await);
    let of_claude = world.sign_in(&claude, P, "Ada").await;
    let of_local = world.sign_in(&local, L, "Ada").await;
    let of_bob = world.sign_in(&claude, P, "Bob").await;
    let mut browser = sign_in(&world, CONNECTIONS, "Ada").await;
    let token = token(&browser.visit(&world, CONNECTIONS).await);
    browser.post(&world, "/oauth/connections/disconnect", &[("token", &token), ("connection", "all")]).await;
    assert!(!world.accepts(&of_claude.access).await && !world.accepts(&of_local.access).await);
    assert!(world.accepts(&of_bob.access).await);
    let html = text(&browser.visit(&world, CONNECTIONS).await);
    assert!(html.contains("No app has access in your name."), "{html}");
    assert!(
        html.contains("Claude is disconnected") && html.contains("A program on one of your computers is disconnected")
    );
}

#[tokio::test]
async fn op_1_another_persons_connection_is_as_good_as_unknown() {
    let world = world().await;
    let id = world.public_client(&[P]).await;
    let of_bob = world.sign_in(&id, P, "Bob").await;
    let bobs = world.test.memory().connections_of(&user("bob")).await.unwrap()[0].id.to_string();
    let mut browser = sign_in(&world, CONNECTIONS, "Ada").await;
    let page = browser.visit(&world, CONNECTIONS).await;
    assert!(text(&page).contains("No app has access"), "{}", text(&page));
    let token = token(&page);
    let unknown = format!("{}0", &bobs[..bobs.len() - 1]);
    let mut answers = Vec::new();
    for connection in [bobs.as_str(), &unknown, "x", ""] {
        let fields = [("token", token.as_str()), ("connection", connection)];
        let answer = browser.post(&world, "/oauth/connections/disconnect", &fields).await;
        assert_refused(&answer, 404, "not_found");
        answers.push(answer.status());
    }
    assert!(world.accepts(&of_bob.access).await);
    assert!(events(&world, EventKind::Revoked).await.is_empty());
}

#[tokio::test]
async fn i_10_hostile_names_are_escaped_or_not_shown() {
    let world = world().await;
    let metadata = serde_json::json!({ "client_name": "<script>alert(1)</script>", "redirect_uris": [E] });
    let id = body(&world.register(&metadata).await)["client_id"].as_str().unwrap().to_owned();
    let hostile = "<img src=x onerror=alert(1)>";
    world.sign_in(&id, E, hostile).await;
    let mut browser = Browser::default();
    let state = begin(&world, &mut browser, CONNECTIONS).await;
    let back = world.callback(&mut browser, &state, hostile).await;
    assert_eq!(back.status(), StatusCode::OK, "{}", text(&back));
    let html = text(&browser.visit(&world, CONNECTIONS).await);
    assert!(html.contains("An app at evil.example"), "{html}");
    assert!(!html.contains("<img") && !html.contains("<script") && !html.contains("alert(1)</"), "{html}");
    // What it calls itself is there, as text of its own and with a remark.
    assert!(html.contains("<dt>Calls itself</dt><dd><bdi>&#60;script&#62;alert(1)&#60;/script&#62;</bdi>"), "{html}");
    assert!(html.contains("its own words, not checked"), "{html}");
}
