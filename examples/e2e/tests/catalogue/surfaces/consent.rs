//! The consent page: what it shows, and who may answer it.

use std::time::Duration;

use dcr_core::{ClientId, PreRegistered};
use dcr_e2e::{Browser, Client, Http, encode};
use serde_json::json;

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{Asking, E, HTML, L, P, U, claims, is_page, is_refusal, one, parameters, register};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "CONS-01" "UP-1" "GHSA-c2jp-c369-7pvx" => nothing_before_a_click, "nothing goes upstream and no code is made before a click";
        "CONS-03" "CO-1" => headers_of_the_page, "headers that let the page be read and sent, and nothing else";
        "CONS-04" => another_browsers_page, "another browser's consent page is one's own, or nothing";
        "CONS-05" "CO-2" => another_browsers_form, "another browser's form, and one from another site, approve nothing";
        "CONS-06" "CB-9" => what_a_form_adds, "what a form adds to the decision is ignored";
        "CONS-09" "CO-3" "CO-4" "DC-4" "CVE-2026-32112" "CVE-2026-42235" => what_strangers_say, "what a stranger says of itself is text, bounded, and nothing else";
        "ME-4" => consent_is_for_one_request, "an approval is for this request: another redirect, scope or id asks again";
    }
}

async fn nothing_before_a_click(ground: &Ground) {
    let world = ground.world().await;
    world.idp().set_auto_login(Some("ada"));
    for client in [
        Client::unregistered(&world, U, P),
        Client::unregistered(&world, U, L),
        Client::register(&world, &[P]).await,
        Client::register(&world, &[L]).await,
        Client::register(&world, &["https://app.example/cb"]).await,
        Client::register_as(&world, &["https://app.example/cb"], "client_secret_basic").await,
    ] {
        let mut browser = Browser::of("ada");
        // A person who signed in a moment ago, with the same app.
        client.sign_in(&mut browser).await;
        let before = (world.idp().counters().authorize, world.counts().await);
        for _ in 0..2 {
            let consent = browser.open(&client.authorize().url).await.page();
            assert!(consent.answer.body.contains("name=\"decision\""), "{}", client.redirect);
        }
        assert_eq!((world.idp().counters().authorize, world.counts().await), before);
    }
}

async fn headers_of_the_page(ground: &Ground) {
    let world = ground.world().await;
    for redirect in [P, L, E] {
        let page = Asking::of(if redirect == E { "x" } else { U }, redirect).get(&world).await;
        let policy = page.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        for open in ["unsafe", "script-src", "*", "data:"] {
            assert!(!policy.contains(open), "{policy}");
        }
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("content-type", "text/html; charset=utf-8"),
        ] {
            assert_eq!(page.header(name), Some(value));
        }
        assert!(!page.body.contains("<script") && !page.body.contains(" onclick"));
    }
}

async fn another_browsers_page(ground: &Ground) {
    let world = ground.world().await;
    world.idp().set_auto_login(Some("ada"));
    let (mut attacker, mut victim) = (Browser::of("bob"), Browser::of("ada"));
    let asking = Asking::of(U, P).with("state", "attackers");
    let theirs = attacker.open(&asking.url(&world)).await.page();
    // The victim opens the same URL: a page of her own, which finishes in her browser only.
    let hers = victim.open(&asking.url(&world)).await.page();
    assert_ne!(theirs.hidden("request"), hers.hidden("request"));
    let done = victim.decide(&hers, "approve").await.client();
    one(&parameters(done.as_str(), P), "code");
    // The attacker's own was not finished by that.
    assert!(attacker.cookie_names().iter().all(|name| !name.contains("-tx-")));
    let refused = victim.decide(&theirs, "approve").await.page();
    is_refusal(&refused.answer, 403);
}

async fn another_browsers_form(ground: &Ground) {
    let world = ground.world().await;
    let url = world.url("/oauth/consent");
    let (mut attacker, mut victim) = (Browser::of("bob"), Browser::of("ada"));
    let page = attacker.open(&Asking::of(U, P).url(&world)).await.page();
    let sealed = page.hidden("request");
    let own = victim.open(&Asking::of(U, P).url(&world)).await.page();
    let form = [("request", sealed.as_str()), ("decision", "approve")];
    is_refusal(&victim.post(&url, &form).await.page().answer, 403);
    is_refusal(&Browser::of("eve").post(&url, &form).await.page().answer, 403);
    // Hers, but sent by another site, or by something that hides where it comes from.
    let own = own.hidden("request");
    let form = [("request", own.as_str()), ("decision", "approve")];
    let cookies = victim.cookies(&url);
    for (site, origin) in [
        (Some("cross-site"), Some("https://evil.example")),
        (Some("cross-site"), Some(world.base())),
        (Some("same-site"), Some("http://127.0.0.1:1")),
        (Some("none"), None),
        (None, Some("https://evil.example")),
        (None, Some("null")),
        (Some("same-origin"), Some("https://evil.example")),
        (Some("cross-site"), Some("null")),
        (Some(""), None),
    ] {
        let mut headers = vec![HTML, ("cookie", cookies.as_str())];
        headers.extend(site.map(|site| ("sec-fetch-site", site)));
        headers.extend(origin.map(|origin| ("origin", origin)));
        is_refusal(&Http::default().post_form(&url, &headers, &form).await, 403);
    }
    for wrong in ["", "x", &own[..own.len() - 1], &format!("{own}A"), &own.to_ascii_lowercase()] {
        let refused = victim.post(&url, &[("request", wrong), ("decision", "approve")]).await.page();
        is_refusal(&refused.answer, 403);
    }
    assert_eq!(world.idp().counters().authorize, 0);
    // Under `Referrer-Policy: no-referrer` this is what a browser says.
    let headers = [HTML, ("cookie", cookies.as_str()), ("sec-fetch-site", "same-origin"), ("origin", "null")];
    Http::default().post_form(&url, &headers, &form).await.expect(303);
}

async fn what_a_form_adds(ground: &Ground) {
    let world = ground.world().await;
    let mut browser = Browser::of("ada");
    let page = browser.open(&Asking::of(U, P).url(&world)).await.page();
    let sealed = page.hidden("request");
    let form = [
        ("request", sealed.as_str()),
        ("decision", "approve"),
        ("redirect_uri", E),
        ("client_id", "another-client"),
        ("scope", "mcp mcp:erase root"),
        ("resource", "https://other.example/mcp"),
        ("state", "another"),
        ("code_challenge", "another"),
    ];
    let login = browser.post(&world.url("/oauth/consent"), &form).await.page();
    let landed = browser.pick(&login).await.client();
    let back = parameters(landed.as_str(), P);
    assert_eq!(one(&back, "state"), "the-client's state");
    let client = Client::unregistered(&world, U, P);
    let answer = client.redeem(one(&back, "code"), crate::support::VERIFIER).await.expect(200).json();
    assert_eq!(answer["scope"], "mcp");
    let token = claims(answer["access_token"].as_str().unwrap());
    assert_eq!((&token["client_id"], &token["aud"]), (&json!(U), &json!(world.url("/mcp"))));
    // A decision that is none, or two.
    for decision in [&["maybe"][..], &["approve", "deny"], &[""]] {
        let mut form = vec![("request", sealed.as_str())];
        form.extend(decision.iter().map(|decision| ("decision", *decision)));
        let refused = browser.post(&world.url("/oauth/consent"), &form).await.page();
        is_page(&refused.answer);
    }
}

async fn what_strangers_say(ground: &Ground) {
    let world = ground.world().await;
    let svg = "data:image/svg+xml,<svg onload=alert(1)>";
    let long = "x".repeat(10_000);
    for name in [
        "<img src=x onerror=alert(1)>",
        "\"><script>alert(1)</script>",
        "'; alert(1); '",
        "{{7*7}} ${7*7} <%= 7*7 %>",
        "</title></head><body>",
        "\u{202e}edualC\u{202c}\u{200b}\u{feff}",
        "line\nbreak\r\n<b>",
        svg,
        &long,
    ] {
        // The longest in one place only: a registration has 16 KiB.
        let short = if name.len() > 100 { "x" } else { name };
        let metadata = json!({
            "client_name": name, "client_name#ko": short, "client_uri": "https://evil.example/", "logo_uri": svg,
            "logo_uri#ko": "https://evil.example/logo.svg", "policy_uri": "https://evil.example/p",
            "tos_uri": "javascript:alert(1)", "contacts": [short], "redirect_uris": [L],
        });
        let answer = register(&world, &metadata).await;
        let id = answer.expect(201).json()["client_id"].as_str().unwrap().to_owned();
        for language in ["en", "ko"] {
            let url = Asking::of(&id, L).url(&world);
            let page = Http::default().get(&url, &[HTML, ("accept-language", language)]).await.expect(200).body;
            for active in [
                "<img",
                "<script",
                "<svg onload",
                "</title></head><body>",
                "evil.example",
                "data:image",
                "javascript:",
                "href=\"http",
            ] {
                let expected = usize::from(active == "data:image" && name == svg);
                assert_eq!(page.matches(active).count(), expected, "{active} of {name:?}: {page}");
            }
            assert!(!page.contains(['\u{202e}', '\u{202c}', '\u{200b}', '\u{feff}']), "{page}");
            assert!(!page.contains("49 ") && !page.contains(&"x".repeat(100)), "{page}");
        }
    }
    // The same of what comes with the request itself.
    let script = "\"><script>alert(1)</script>";
    for name in ["scope", "state", "resource", "client_id", "redirect_uri", "error", "error_description", "ui_locales"]
    {
        let answer = Asking::of(U, P).with(name, script).get(&world).await;
        assert!(!answer.body.contains("<script"), "{name}: {}", answer.body);
        let json = Http::default().get(&Asking::of(U, P).with(name, script).url(&world), &[]).await;
        assert!(json.header("location").is_some() || !json.body.contains("<script"), "{name}: {}", json.body);
    }
    let odd =
        format!("{}?{}", world.url("/oauth/authorize"), encode(&[(script, "x"), (script, "y"), ("client_id", U)]));
    assert!(!Http::default().get(&odd, &[HTML]).await.body.contains("<script"));
}

/// MG-5: also where the operator lets an approval be remembered.
async fn consent_is_for_one_request(ground: &Ground) {
    const NAVIGATED: [(&str, &str); 4] =
        [HTML, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-fetch-user", "?1")];
    let world = ground.world().await;
    let redirects = ["https://portal.example/cb", "https://portal.example/other"];
    let portal = PreRegistered::public(ClientId::new("portal-app").unwrap());
    let portal = redirects.iter().fold(portal, |portal, redirect| portal.redirect(*redirect));
    let portal = portal.remember_consent(Duration::from_secs(86_400));
    world.engine().operator().pin(portal, "test").await.unwrap();
    let mut browser = Browser::of("ada");
    Client::unregistered(&world, "portal-app", redirects[0]).sign_in(&mut browser).await;
    let asks = async |browser: &Browser, asking: &Asking, headers: &[(&str, &str)]| {
        let url = asking.url(&world);
        let cookies = browser.cookies(&url);
        let answer = Http::default().get(&url, &[headers, &[("cookie", &cookies)]].concat()).await;
        match answer.status.as_u16() {
            200 => true,
            303 => answer.header("location").unwrap().contains("/oauth2/v2.0/authorize").then_some(false).unwrap(),
            _ => panic!("{answer:?}"),
        }
    };
    let same = Asking::of("portal-app", redirects[0]).with("scope", "mcp").with("resource", &world.url("/mcp"));
    assert!(!asks(&browser, &same, &NAVIGATED).await, "the operator wanted it remembered");
    assert!(asks(&browser, &same, &NAVIGATED[..1]).await, "unless something else than a click led there");
    for other in [
        same.with("redirect_uri", redirects[1]),
        same.with("scope", "mcp mcp:erase"),
        same.with("prompt", "consent"),
        Asking::of(U, P),
        Asking::of(U, L),
    ] {
        assert!(asks(&browser, &other, &NAVIGATED).await, "{other:?}");
    }
    assert!(asks(&Browser::of("ada"), &same, &NAVIGATED).await, "another browser");
}
