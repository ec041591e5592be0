//! The company login behind the server: what it is told, and what of it is believed.

use dcr_dev_idp::Fault;
use dcr_e2e::{Browser, Client, Http, Landing};

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{HTML, L, P, U, bearer, claims, is_error, one, parameters};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "UPS-01" "UP-9" "CVE-2026-56425" => what_the_login_is_told, "the login is told nothing of the client, and a state that means nothing else";
        "UPS-03" "UP-3" => answers_that_do_not_hold, "an answer of the login that does not hold signs nobody in";
        "UPS-06" "ME-8" => people_are_not_addresses, "people are told apart by object id, and never by address";
        "UP-5" "RS-2" => no_token_is_passed_through, "the login's tokens are neither given to clients nor taken by the MCP server";
        "UP-6" => another_tenant, "people of another tenant do not come in";
        "UP-10" "GO-2026-4861" => what_the_login_says_is_not_repeated, "what comes back as the login's error is not repeated";
    }
}

async fn what_the_login_is_told(ground: &Ground) {
    let world = ground.world_like_entra(|_| {}).await;
    let mut seen = std::collections::BTreeSet::new();
    for client in [Client::unregistered(&world, U, P), Client::register(&world, &[L]).await] {
        for _ in 0..2 {
            let flow = client.authorize();
            let landed = Browser::of("ada").sign_in(&flow.url).await.client();
            let code = client.code(&flow, &landed);
            let asked = world.idp().counters();
            let of = |name: &str| asked.authorize_param(name).unwrap_or_default().to_owned();
            assert_eq!(of("client_id"), world.idp().client_id());
            assert_eq!(of("redirect_uri"), world.url("/oauth/callback"));
            assert_eq!((of("response_type"), of("code_challenge_method")), ("code".to_owned(), "S256".to_owned()));
            assert_eq!((of("nonce").len(), of("code_challenge").len()), (43, 43));
            let everything = format!("{:?} {:?}", asked.last_authorize, asked.last_token);
            for theirs in [client.id.as_str(), &flow.state, &client.redirect, &flow.verifier, &code, "\"resource\""] {
                assert!(!everything.contains(theirs), "{theirs} went upstream: {everything}");
            }
            // Random, and of no use as anything else here.
            let state = of("state");
            for value in [state.clone(), of("nonce"), of("code_challenge")] {
                assert!(seen.insert(value));
            }
            let refused = client.redeem(&state, &flow.verifier).await;
            assert!([400, 401].contains(&refused.status.as_u16()), "{refused:?}");
            assert_eq!(bearer(&world, &state).await, 401);
            let cookie = format!("session={state}; sid={state}; dcr-csrf-1-x={state}");
            let page = Http::default().get(&client.authorize().url, &[HTML, ("cookie", &cookie)]).await;
            assert!(page.expect(200).body.contains("name=\"decision\""));
            assert_eq!(world.idp().counters().token_param("code_verifier").map(str::len), Some(43));
        }
    }
}

async fn answers_that_do_not_hold(ground: &Ground) {
    let world = ground.world_like_entra(|_| {}).await;
    let client = Client::register(&world, &[L]).await;
    for fault in [
        Fault::WrongNonce,
        Fault::MissingNonce,
        Fault::WrongAudience,
        Fault::WrongIssuer,
        Fault::Expired,
        Fault::FutureNbf,
        Fault::FutureIat,
        Fault::AlgNone,
        Fault::Hs256WithPublicKey,
        Fault::UnknownKid,
        Fault::WrongSignature,
        Fault::WrongTenant,
        Fault::MissingOid,
        Fault::NoIdToken,
        Fault::TokenGarbage,
        Fault::HugeBody,
        Fault::DuplicateState,
        Fault::NoState,
    ] {
        world.idp().faults().set(fault);
        let page = Browser::of("ada").sign_in(&client.authorize().url).await.page();
        assert!(page.answer.status.as_u16() >= 400, "{fault}: {page:?}");
        assert_eq!((page.url.path(), page.answer.header("location")), ("/oauth/callback", None), "{fault}");
        assert!(!page.answer.body.contains("eyJ"), "{fault}: {}", page.answer.body);
    }
    assert_eq!(world.counts().await.sessions, 0);
    world.idp().faults().clear();
    client.sign_in(&mut Browser::of("ada")).await;
}

async fn people_are_not_addresses(ground: &Ground) {
    let world = ground.world_like_entra(|_| {}).await;
    let client = Client::unregistered(&world, U, P);
    // Bob and Carol share an address.
    let mut people = Vec::new();
    for person in ["bob", "carol"] {
        people.push(world.whoami(&client.sign_in(&mut Browser::of(person)).await.access).await);
    }
    assert_eq!(people[0]["email"], people[1]["email"]);
    assert_ne!(people[0]["connection"], people[1]["connection"]);
    assert_ne!(people[0]["oid"], people[1]["oid"]);
    // Carol leaves, and Bob gets a new address, a new name and her old login name.
    let before = claims(&client.sign_in(&mut Browser::of("bob")).await.access);
    world.idp().update_user("bob", |bob| {
        bob.email = Some("ada@dev.example".to_owned());
        "carol@dev.example".clone_into(&mut bob.preferred_username);
        "Ada Example".clone_into(&mut bob.name);
    });
    let after = client.sign_in(&mut Browser::of("bob")).await;
    assert_eq!(claims(&after.access)["sub"], before["sub"], "the same person");
    let ada = client.sign_in(&mut Browser::of("ada")).await;
    assert_ne!(claims(&ada.access)["sub"], before["sub"], "another one with the same address");
    assert_eq!(world.counts().await.users, 3);
}

async fn no_token_is_passed_through(ground: &Ground) {
    let world = ground.world_like_entra(|_| {}).await;
    let client = Client::register(&world, &[L]).await;
    let tokens = client.sign_in(&mut Browser::of("ada")).await;
    let idp = world.idp();
    // A login of the attacker's own at the provider, with the bridge's application: he has all that it gives out.
    let challenge = crate::support::CHALLENGE;
    let query = dcr_e2e::encode(&[
        ("client_id", idp.client_id()),
        ("response_type", "code"),
        ("redirect_uri", &world.url("/oauth/callback")),
        ("scope", "openid profile email offline_access"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
        ("nonce", "n"),
        ("state", "s"),
    ]);
    idp.set_auto_login(Some("ada"));
    let base = format!("{}/{}/oauth2/v2.0", idp.issuer(), idp.tenant_id());
    let sent = Http::default().get(&format!("{base}/authorize?{query}"), &[]).await;
    let back = sent.header("location").unwrap().to_owned();
    let code = one(&parameters(&back, &world.url("/oauth/callback")), "code").to_owned();
    let callback = world.url("/oauth/callback");
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", callback.as_str()),
        ("code_verifier", crate::support::VERIFIER),
        ("client_id", idp.client_id()),
        ("client_secret", idp.client_secret()),
    ];
    let upstream = Http::default().post_form(&format!("{base}/token"), &[], &form).await.expect(200).json();
    for name in ["id_token", "access_token", "refresh_token"] {
        let token = upstream[name].as_str().unwrap();
        assert_eq!(bearer(&world, token).await, 401, "{name}");
        is_error(&client.refresh(token).await, 400, "invalid_grant");
        is_error(&client.redeem(token, &"v".repeat(43)).await, 400, "invalid_grant");
        let introspected = crate::support::introspect(&world, token).await;
        assert_eq!(introspected, serde_json::json!({"active": false}), "{name}");
    }
    // And what the client was given is this server's own.
    assert_eq!(claims(&tokens.access)["iss"], world.base());
    let names: Vec<&String> = tokens.answer.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "expires_in", "refresh_token", "scope", "token_type"]);
}

async fn another_tenant(ground: &Ground) {
    // By the tenant's own authority a guest comes in as the guest that he is there; by one for all tenants his home counts.
    let world = ground
        .world_like_entra(|options| {
            options.allowed_tenants = options.azure_tenant_id.clone();
            options.azure_tenant_id = Some("common".to_owned());
        })
        .await;
    let client = Client::register(&world, &[L]).await;
    client.sign_in(&mut Browser::of("ada")).await;
    let before = world.counts().await.sessions;
    let page = Browser::of("dan").sign_in(&client.authorize().url).await.page();
    assert_eq!((page.answer.status.as_u16(), page.url.path()), (403, "/oauth/callback"));
    for fault in [Fault::WrongTenant, Fault::WrongIssuer] {
        world.idp().faults().set_once(fault);
        let Landing::Page(page) = Browser::of("ada").sign_in(&client.authorize().url).await else { panic!("{fault}") };
        assert!(page.answer.status.as_u16() >= 400, "{fault}");
    }
    assert_eq!(world.counts().await.sessions, before);
}

async fn what_the_login_says_is_not_repeated(ground: &Ground) {
    let world = ground.world_like_entra(|_| {}).await;
    let client = Client::register(&world, &["https://app.example/cb"]).await;
    let script = "<script>alert(1)</script>";
    for error in ["access_denied", "server_error", "made_up\"><script>", "interaction_required"] {
        let mut browser = Browser::of("ada");
        let consent = browser.open(&client.authorize().url).await.page();
        browser.decide(&consent, "approve").await.page();
        let state = world.idp().counters().authorize_param("state").unwrap().to_owned();
        let query = dcr_e2e::encode(&[
            ("state", &state),
            ("error", error),
            ("error_description", script),
            ("error_uri", "https://evil.example/"),
            ("error_hint", script),
        ]);
        let url = format!("{}?{query}", world.url("/oauth/callback"));
        match browser.open(&url).await {
            Landing::Page(page) => {
                for theirs in [script, "alert(1)", "<script", "evil.example", "made_up"] {
                    assert!(!page.answer.body.contains(theirs), "{error}: {}", page.answer.body);
                }
            }
            Landing::Client(back) => {
                assert!(!back.as_str().contains("alert"), "{back}");
                assert_eq!(one(&parameters(back.as_str(), &client.redirect), "error"), "access_denied");
            }
        }
    }
}
