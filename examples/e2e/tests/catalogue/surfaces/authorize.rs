//! The authorization endpoint: its parameters, and what of them goes back.

use dcr_e2e::raw::Raw;
use dcr_e2e::{Browser, Client, Http};

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{
    Asking, CHALLENGE, E, HTML, L, P, U, is_back, is_back_without_state, is_page, is_refusal, one, parameters, sent_to,
};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "AUTHZ-02" => every_parameter_once, "each security parameter that comes twice is refused";
        "AUTHZ-04" => a_state_of_any_bytes, "a state of any bytes comes back byte for byte, or is refused";
        "DC-12" "CO-8" => no_open_redirector, "a broken request, or a no, does not make this domain an open redirector";
        "CO-6" => a_get_decides_nothing, "a GET decides nothing, whatever its query says";
    }
}

async fn every_parameter_once(ground: &Ground) {
    let world = ground.world().await;
    let good = Asking::of(U, P).with("scope", "mcp").with("resource", &world.url("/mcp"));
    for (name, value) in [("client_id", U), ("client_id", "another-id"), ("redirect_uri", P), ("redirect_uri", E)] {
        is_page(&good.and(name, value).get(&world).await);
    }
    let resource = world.url("/mcp");
    for (name, value) in [
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("code_challenge_method", "plain"),
        ("scope", "mcp"),
        ("resource", &resource),
        ("response_type", "code"),
        ("made_up", "a"),
    ] {
        let asking = if name == "made_up" { good.and(name, "b") } else { good.clone() };
        is_back(&asking.and(name, value).get(&world).await, &world, P, "invalid_request");
    }
    // Which of two states is the client's is not known, so that none goes back.
    for state in ["the-client's state", "another"] {
        is_back_without_state(&good.and("state", state).get(&world).await, &world, P, "invalid_request");
    }
    assert_eq!(world.idp().counters().authorize, 0);
}

async fn a_state_of_any_bytes(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::unregistered(&world, U, P);
    for state in
        ["\"><script>alert(1)</script>", "a\r\nSet-Cookie: x=y\r\n\r\nbody", "%0d%0a&code=x&iss=y", "\u{2028}ü"]
    {
        // In an error, and at the end of a whole sign-in.
        let refused = Asking::of(U, P).with("state", state).with("prompt", "none").get(&world).await;
        assert_eq!(refused.header("set-cookie"), None);
        let back = sent_to(&refused, P);
        assert_eq!((one(&back, "state"), one(&back, "iss")), (state, world.base()));
        let asking = Asking::of(U, P).with("state", state);
        let page = asking.get(&world).await.expect(200);
        assert!(!page.body.contains(state) && !page.body.contains("<script"), "not on the page");
        let landed = Browser::of("ada").sign_in(&asking.url(&world)).await.client();
        let back = parameters(landed.as_str(), &client.redirect);
        assert_eq!((one(&back, "state"), one(&back, "iss")), (state, world.base()));
        one(&back, "code");
    }
    // Bytes that are no text.
    let query = |state: &str| format!("{}&state={state}", Asking::of(U, P).without("state").url(&world));
    let answer = Http::default().get(&format!("{}&prompt=none", query("%ff%fe%00")), &[HTML]).await;
    let location = answer.header("location").unwrap();
    assert!(location.contains("&state=%FF%FE%00&"), "{location}");
    // Longer than any.
    let longest = "s".repeat(1_024);
    Http::default().get(&query(&longest), &[HTML]).await.expect(200);
    let too_long = Http::default().get(&query(&"s".repeat(10_000)), &[HTML]).await;
    is_back_without_state(&too_long, &world, P, "invalid_request");
    is_refusal(&Http::default().get(&query(&"s".repeat(20_000)), &[HTML]).await, 413);
    // As bytes that no URL may have: the HTTP library or the server refuses them.
    for raw in ["a b", "\"><script>", "\u{fc}", "a\tb"] {
        let target = format!("/oauth/authorize?client_id={U}&redirect_uri={E}&state={raw}");
        let answer = Http::default().send_raw(&world, &Raw::get(&target)).await;
        assert!([0, 400].contains(&answer.status()), "{answer:?}");
        assert!(!answer.text().contains("<script") && answer.header("location").is_none(), "{answer:?}");
    }
}

async fn no_open_redirector(ground: &Ground) {
    let world = ground.world().await;
    let phishing = Client::register(&world, &[E]).await;
    let good = Asking::of(&phishing.id, E);
    for broken in [
        good.without("code_challenge"),
        good.with("response_type", "token"),
        good.with("prompt", "none"),
        good.with("resource", "https://other.example"),
        good.with("request", "x"),
        good.and("state", "x"),
        good.with("state", &"s".repeat(2_000)),
    ] {
        is_page(&broken.get(&world).await);
    }
    let mut browser = Browser::of("ada");
    let consent = browser.open(&good.url(&world)).await.page();
    let denied = browser.decide(&consent, "deny").await.page();
    is_refusal(&denied.answer, 403);
    assert!(!denied.answer.body.contains("evil.example"), "{}", denied.answer.body);
    // Where the redirect is trusted, a no is told.
    for redirect in [P, L] {
        let consent = browser.open(&Asking::of(U, redirect).url(&world)).await.page();
        let back = parameters(browser.decide(&consent, "deny").await.client().as_str(), redirect);
        assert_eq!((one(&back, "error"), one(&back, "iss")), ("access_denied", world.base()));
    }
    assert_eq!(world.idp().counters().authorize, 0);
}

async fn a_get_decides_nothing(ground: &Ground) {
    let world = ground.world().await;
    let mut browser = Browser::of("ada");
    let consent = browser.open(&Asking::of(U, P).url(&world)).await.page();
    let sealed = consent.hidden("request");
    let query = dcr_e2e::encode(&[("request", &sealed), ("decision", "approve")]);
    for url in [
        format!("{}?{query}", world.url("/oauth/consent")),
        format!("{}&{query}", Asking::of(U, P).url(&world)),
        Asking::of(U, P).and("decision", "approve").and("approve", "1").url(&world),
    ] {
        let answer = Http::default().get(&url, &[HTML, ("cookie", &browser.cookies(&url))]).await;
        // A parameter `request` is refused where it is not the form's; nothing else moves.
        assert!(
            answer.header("location").is_none_or(|to| to.starts_with(P) && to.contains("request_not_supported")),
            "{url}"
        );
        assert!(answer.headers.get_all("set-cookie").iter().all(|cookie| !cookie.to_str().unwrap().contains("-tx-")));
    }
    assert_eq!(world.idp().counters().authorize, 0);
    assert_eq!(world.counts().await, dcr_core::store::Counts::default());
}
