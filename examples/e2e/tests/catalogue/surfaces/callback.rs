//! The login's answer, and the cookie that says whose browser it came to.

use dcr_core::store::Counts;
use dcr_e2e::{Answer, Browser, Client, Http, Landing, Site, World, encode};

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{Asking, E, HTML, L, P, U, is_page, is_refusal, one, parameters};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "CB-01" => no_state, "a code without a state is refused";
        "CB-02" "CB-2" "CVE-2026-81888" "GHSA-j577-w94j-8p3p" "GHSA-xc49-mgwh-9pjv" => absent_is_a_mismatch, "no cookie, no state, neither, and both empty: each is a mismatch";
        "CB-03" "UP-2" "CVE-2026-27124" => the_browser_that_approves_finishes, "what one browser approved cannot be finished in another";
        "CB-04" "CB-1" => another_persons_callback, "another person's whole callback URL signs nobody in";
        "CB-09" "CB-3" "CB-4" => cookies, "cookies with the prefix, the attributes and the life that they should have, and only after approval";
        "CB-12" "AD-12" => one_issuer, "every answer to a client has one issuer, byte for byte that of the metadata";
        "CB-5" "CVE-2021-27582" => two_tabs, "two sign-ins in one browser do not touch each other";
        "CB-6" => the_answer_comes_in_the_query, "the login answers in the query, so that Lax cookies are enough";
        "CB-7" => errors_are_bound, "an error of the login is bound to its browser like a code";
        "CB-8" => no_page_at_a_code, "nothing is shown at a URL with a code, and no page has a referrer";
        "CB-10" => a_sealed_value_has_one_use, "a sealed value is of no use in another place";
    }
}

/// Approves in this browser: the login's URL and its state.
async fn approve(world: &World, browser: &mut Browser, asking: &Asking) -> (String, String) {
    let consent = browser.open(&asking.url(world)).await.page();
    let login = browser.decide(&consent, "approve").await.page();
    let state = world.idp().counters().authorize_param("state").unwrap().to_owned();
    (login.url.to_string(), state)
}

fn callback(site: &Site, query: &[(&str, &str)]) -> String {
    format!("{}?{}", site.url("/oauth/callback"), encode(query))
}

async fn visit(url: &str, cookies: &str) -> Answer {
    let headers: &[_] = if cookies.is_empty() { &[HTML] } else { &[HTML, ("cookie", cookies)] };
    Http::default().get(url, headers).await
}

async fn no_state(ground: &Ground) {
    let world = ground.world().await;
    let mut browser = Browser::of("ada");
    let (_, state) = approve(&world, &mut browser, &Asking::of(U, P)).await;
    let long = "s".repeat(1_000);
    for query in [
        &[("code", "x")][..],
        &[("code", "x"), ("state", "")],
        &[("code", "x"), ("state", &state), ("state", &state)],
        &[("code", "x"), ("state", &long)],
        &[],
    ] {
        let url = callback(&world, query);
        is_page(&visit(&url, &browser.cookies(&url)).await);
    }
    let url = world.url("/oauth/callback?code=x&state=%ff%fe");
    is_page(&visit(&url, &browser.cookies(&url)).await);
    assert_eq!(world.idp().counters().token, 0);
}

async fn absent_is_a_mismatch(ground: &Ground) {
    let world = ground.world().await;
    let mut browser = Browser::of("ada");
    let (_, state) = approve(&world, &mut browser, &Asking::of(U, P)).await;
    let url = |state: &str| callback(&world, &[("code", "x"), ("state", state)]);
    let named = browser.cookies(&url("")).split("; ").find(|cookie| cookie.contains("-tx-")).unwrap().to_owned();
    let (name, value) = named.split_once('=').unwrap();
    is_refusal(&visit(&url(&state), "").await, 403);
    is_refusal(&visit(&callback(&world, &[("code", "x")]), "").await, 400);
    let port = world.address().port();
    for (state, cookies) in [
        ("", format!("{name}=; dcr-tx-{port}-=; dcr-tx-{port}=")),
        ("", named.clone()),
        (state.as_str(), format!("{name}=")),
        (&state, name.to_owned()),
        (&state, format!("{name}={}", &value[..value.len() - 1])),
        (&state, format!("{name}={state}")),
        (&state, format!("other-{named}")),
        ("undefined", format!("dcr-tx-{port}-undefined=undefined")),
        ("null", format!("dcr-tx-{port}-null=null")),
        // Long enough to be seen as drawn where the two frameworks are compared: sixteen characters may lack a digit.
        (&state[..20], named.clone()),
        (&state[1..], named.clone()),
    ] {
        let answer = visit(&url(state), &cookies).await;
        assert!([400, 403].contains(&answer.status.as_u16()), "{state} {cookies}: {answer:?}");
        assert_eq!((answer.header("location"), answer.header("set-cookie")), (None, None));
    }
    assert_eq!((world.idp().counters().token, world.counts().await), (0, Counts::default()));
}

async fn the_browser_that_approves_finishes(ground: &Ground) {
    let world = ground.world().await;
    world.idp().set_auto_login(Some("ada"));
    let client = Client::register(&world, &[P]).await;
    let mut attacker = Browser::of("bob");
    let consent = attacker.open(&client.authorize().url).await.page();
    // He stops before the login, and sends its URL to the victim, whose login is silent.
    let url = world.url("/oauth/consent");
    let cookies = attacker.cookies(&url);
    let sealed = consent.hidden("request");
    let form = [("request", sealed.as_str()), ("decision", "approve")];
    let sent = Http::default().post_form(&url, &[HTML, ("cookie", &cookies)], &form).await.expect(303);
    let login = sent.header("location").unwrap().to_owned();
    for mut victim in [Browser::of("ada"), {
        // Also one that is in the middle of a sign-in of her own.
        let mut busy = Browser::of("ada");
        busy.open(&client.authorize().url).await.page();
        busy
    }] {
        let page = victim.open(&login).await.page();
        is_refusal(&page.answer, 403);
        assert_eq!(page.url.path(), "/oauth/callback");
    }
    assert_eq!(world.counts().await, Counts::default());
}

/// The victim is to work in the attacker's account.
async fn another_persons_callback(ground: &Ground) {
    let world = ground.world().await;
    world.idp().set_auto_login(Some("bob"));
    let mut attacker = Browser::of("bob");
    let (mut victim, asking) = (Browser::of("ada"), Asking::of(U, P));
    let consent = attacker.open(&asking.url(&world)).await.page();
    let url = world.url("/oauth/consent");
    let sealed = consent.hidden("request");
    let form = [("request", sealed.as_str()), ("decision", "approve")];
    let headers = [HTML, ("cookie", &attacker.cookies(&url))];
    let sent = Http::default().post_form(&url, &headers, &form).await.expect(303);
    let whole = Http::default().get(sent.header("location").unwrap(), &[]).await;
    let whole = whole.header("location").unwrap();
    assert!(whole.contains("code=") && whole.contains("state="));
    // She approved one of her own, so that she has a cookie, but not this one.
    world.idp().set_auto_login(None);
    approve(&world, &mut victim, &asking).await;
    is_refusal(&victim.open(whole).await.page().answer, 403);
    is_refusal(&Browser::of("ada").open(whole).await.page().answer, 403);
    assert_eq!(world.counts().await, Counts::default());
}

/// Behind something that speaks TLS: the issuer is https, and the server is asked over http.
async fn cookies(ground: &Ground) {
    let world = ground.world_with(|options| options.public_url = Some("https://mcp.example".to_owned())).await;
    let site = world.listening();
    let check = |answer: &Answer, kind: &str| -> Vec<String> {
        let all = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap().to_owned());
        all.inspect(|cookie| {
            let mut parts: Vec<&str> = cookie.split("; ").collect();
            assert!(parts.remove(0).starts_with(&format!("__Host-dcr-{kind}-")), "{cookie}");
            let age = parts.iter().position(|part| part.starts_with("Max-Age=")).expect("a life");
            let age: u32 = parts.remove(age)["Max-Age=".len()..].parse().unwrap();
            assert!(age <= 600, "{cookie}");
            parts.sort_unstable();
            assert_eq!(parts, ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"], "{cookie}");
        })
        .collect()
    };
    let asked = Asking::of(U, P).get(site).await.expect(200);
    let csrf = check(&asked, "csrf");
    assert_eq!(csrf.len(), 1, "before approval only that one");
    let sealed = asked.body.split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let cookie = csrf[0].split(';').next().unwrap().to_owned();
    let form = [("request", sealed.as_str()), ("decision", "approve")];
    let url = site.url("/oauth/consent");
    let approved = Http::default().post_form(&url, &[HTML, ("cookie", &cookie)], &form).await;
    if approved.status == 303 {
        let transaction = check(&approved, "tx");
        assert_eq!(transaction.len(), 1);
        let state = parameters(
            approved.header("location").unwrap(),
            approved.header("location").unwrap().split('?').next().unwrap(),
        );
        let state = one(&state, "state").to_owned();
        let pair = transaction[0].split(';').next().unwrap();
        // A name without the prefix is not ours there: a sibling domain could have set it (CB-4).
        let tossed = pair.trim_start_matches("__Host-");
        let url = callback(site, &[("state", &state), ("error", "access_denied")]);
        is_refusal(&visit(&url, tossed).await, 403);
        let over = visit(&url, pair).await;
        assert_eq!(over.status.as_u16(), 303, "{over:?}");
        assert!(check(&over, "tx")[0].contains("Max-Age=0"), "{over:?}");
    } else {
        panic!("{approved:?}");
    }
    let tossed = cookie.trim_start_matches("__Host-").to_owned();
    is_refusal(&Http::default().post_form(&url, &[HTML, ("cookie", &tossed)], &form).await, 403);
    // Refusals set none.
    is_page(&Asking::of(U, E).get(site).await);
    // On loopback browsers refuse the prefix, and the port takes its place.
    let world = ground.world().await;
    let cookie = Asking::of(U, P).get(&world).await;
    let cookie = cookie.header("set-cookie").unwrap();
    assert!(cookie.starts_with(&format!("dcr-csrf-{}-", world.address().port())), "{cookie}");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax") && !cookie.contains("Secure") && !cookie.contains("Domain"));
}

async fn one_issuer(ground: &Ground) {
    let world = ground.world().await;
    let metadata = Http::default().get(&world.url("/.well-known/oauth-authorization-server"), &[]).await.json();
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    let issuer = metadata["issuer"].as_str().unwrap();
    let other = "https://app.example/cb?tenant=1&x=%20y";
    let client = Client::register(&world, &[other]).await;
    for (asking, redirect) in [(Asking::of(U, P), P), (Asking::of(U, L), L), (Asking::of(&client.id, other), other)] {
        let landed = Browser::of("ada").sign_in(&asking.url(&world)).await.client();
        let back = parameters(landed.as_str(), redirect);
        assert_eq!(one(&back, "iss"), issuer);
        one(&back, "code");
        let mut browser = Browser::of("ada");
        let (_, state) = approve(&world, &mut browser, &asking).await;
        let denied = browser.open(&callback(&world, &[("state", &state), ("error", "access_denied")])).await.client();
        let back = parameters(denied.as_str(), redirect);
        assert_eq!((one(&back, "iss"), one(&back, "error")), (issuer, "access_denied"));
        // A client that asks for another issuer's, or brings it along, gets this one.
        let asking = asking.with("iss", "https://evil.example");
        let landed = Browser::of("ada").sign_in(&asking.url(&world)).await.client();
        assert_eq!(one(&parameters(landed.as_str(), redirect), "iss"), issuer);
    }
}

async fn two_tabs(ground: &Ground) {
    let world = ground.world().await;
    let (first, second) = (Client::unregistered(&world, U, P), Client::register(&world, &[L]).await);
    let mut browser = Browser::of("ada");
    let (one_flow, other_flow) = (first.authorize(), second.authorize());
    let one_page = browser.open(&one_flow.url).await.page();
    let other_page = browser.open(&other_flow.url).await.page();
    let one_login = browser.decide(&one_page, "approve").await.page();
    let other_login = browser.decide(&other_page, "approve").await.page();
    // The later one first: each goes where it belongs, with what was approved for it.
    let landed = browser.pick(&other_login).await.client();
    second.redeem(&second.code(&other_flow, &landed), &other_flow.verifier).await.expect(200);
    let landed = browser.pick(&one_login).await.client();
    let code = first.code(&one_flow, &landed);
    crate::support::is_error(&second.redeem(&code, &one_flow.verifier).await, 400, "invalid_grant");
    first.redeem(&code, &one_flow.verifier).await.expect(200);
    // A malformed or stray request in between leaves both alone, and nobody can open more than a few.
    for _ in 0..6 {
        approve(&world, &mut browser, &Asking::of(U, P)).await;
    }
    assert!(browser.cookie_names().iter().filter(|name| name.contains("-tx-")).count() <= 4);
}

async fn the_answer_comes_in_the_query(ground: &Ground) {
    let world = ground.world().await;
    let mut browser = Browser::of("ada");
    let (_, state) = approve(&world, &mut browser, &Asking::of(U, P)).await;
    assert_eq!(world.idp().counters().authorize_param("response_mode"), Some("query"));
    let url = world.url("/oauth/callback");
    let form = [("state", state.as_str()), ("code", "x")];
    let posted = Http::default().post_form(&url, &[HTML, ("cookie", &browser.cookies(&url))], &form).await;
    is_refusal(&posted, 405);
    assert_eq!(world.idp().counters().token, 0);
}

async fn errors_are_bound(ground: &Ground) {
    let world = ground.world().await;
    let mut browser = Browser::of("ada");
    let (_, state) = approve(&world, &mut browser, &Asking::of(U, P)).await;
    for query in [
        &[("error", "access_denied")][..],
        &[("error", "access_denied"), ("state", "")],
        &[("error", "access_denied"), ("state", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")],
    ] {
        let url = callback(&world, query);
        for cookies in [browser.cookies(&url), String::new()] {
            let answer = visit(&url, &cookies).await;
            assert!([400, 403].contains(&answer.status.as_u16()) && answer.header("location").is_none(), "{answer:?}");
        }
    }
    let url = callback(&world, &[("error", "access_denied"), ("state", &state)]);
    is_refusal(&Browser::of("bob").open(&url).await.page().answer, 403);
    let Landing::Client(back) = browser.open(&url).await else { panic!("in its own browser the app is told") };
    assert_eq!(one(&parameters(back.as_str(), P), "error"), "access_denied");
}

async fn no_page_at_a_code(ground: &Ground) {
    let world = ground.world().await;
    let mut browser = Browser::of("ada");
    let consent = browser.open(&Asking::of(U, P).url(&world)).await.page();
    assert_eq!(consent.answer.header("referrer-policy"), Some("no-referrer"));
    for loaded in ["src=", "url(", "<link", "@import", "http-equiv"] {
        assert!(!consent.answer.body.contains(loaded), "{loaded}: {}", consent.answer.body);
    }
    let login = browser.decide(&consent, "approve").await.page();
    let before = browser.cookies(&world.url("/"));
    browser.pick(&login).await.client();
    // The same by hand: a redirect, with nothing in it.
    let (_, state) = approve(&world, &mut browser, &Asking::of(U, P)).await;
    let url = callback(&world, &[("state", &state), ("code", "spent-or-made-up")]);
    let page = visit(&url, &browser.cookies(&url)).await;
    assert!(page.status.as_u16() >= 400);
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert!(!page.body.contains("spent-or-made-up"), "{}", page.body);
    assert_ne!(before, browser.cookies(&url));
}

/// CVE-2026-4282: values of one kind that open as another. See also TOK-13.
async fn a_sealed_value_has_one_use(ground: &Ground) {
    let world = ground.world().await;
    let mut browser = Browser::of("ada");
    let consent = browser.open(&Asking::of(U, P).url(&world)).await.page();
    let request = consent.hidden("request");
    browser.decide(&consent, "approve").await.page();
    let state = world.idp().counters().authorize_param("state").unwrap().to_owned();
    let url = world.url("/oauth/consent");
    let cookies = browser.cookies(&url);
    let of = |kind: &str| {
        let cookie = cookies.split("; ").find(|cookie| cookie.contains(kind)).unwrap();
        cookie.split_once('=').unwrap()
    };
    let (tx_name, tx) = of("-tx-");
    let (_, csrf) = of("-csrf-");
    // The approved transaction as a form, the form as a transaction, and the rest crosswise.
    for value in [tx, csrf, state.as_str()] {
        let refused = browser.post(&url, &[("request", value), ("decision", "approve")]).await.page();
        is_refusal(&refused.answer, 403);
    }
    for value in [request.as_str(), csrf, state.as_str()] {
        let url = callback(&world, &[("code", "x"), ("state", &state)]);
        is_refusal(&visit(&url, &format!("{tx_name}={value}")).await, 403);
    }
    for value in [tx, csrf, request.as_str()] {
        let url = callback(&world, &[("code", "x"), ("state", value)]);
        let answer = visit(&url, &cookies).await;
        assert!([400, 403].contains(&answer.status.as_u16()), "{answer:?}");
    }
    assert_eq!(world.idp().counters().token, 0);
}
