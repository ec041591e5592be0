//! The token endpoint: codes, credentials, and what is none of either.

use std::time::Duration;

use dcr_e2e::raw::Raw;
use dcr_e2e::{Browser, Client, Http, Tokens, encode};
use serde_json::json;

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{
    Asking, L, P, U, at, bearer, claims, code_of, introspect, is_alive, is_dead, is_error, register, signed_in, under,
};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "TOK-01" => happy_path, "a code gives tokens for our resource, with the scope that was granted";
        "TOK-03" => every_parameter_once, "each parameter that comes twice is refused";
        "TOK-04" "TK-12" => unknown_clients, "an unknown client is told so, and a bad grant is told otherwise";
        "TOK-09" "TK-3" "ME-2" "CVE-2026-55672" => a_code_of_another_client, "a code is for the client id that was presented, and for no sibling of it";
        "TOK-11" "TK-4" => a_code_again, "a code again is refused, and later ends what it gave";
        "TOK-12" "TK-5" => a_forged_code, "a forged code, or a real one of another, harms no honest grant";
        "TOK-13" "CVE-2026-4282" => another_kind_of_token, "no other token of ours passes for a code, and a code for none of them";
        "TK-6" => one_way_to_authenticate, "a client authenticates in its own way, once, and never in the query";
        "TK-9" => bodies_that_are_no_form, "bodies that are no form are refused, and never a 500";
        "TK-10" "CVE-2026-75866" => other_grants, "grants that this server does not support are refused to everybody";
        "TK-11" => nothing_is_cached, "no answer of the token endpoint is kept by anybody";
    }
}

async fn happy_path(ground: &Ground) {
    let world = ground.world().await;
    for client in [
        Client::register(&world, &[L]).await,
        Client::register_as(&world, &[P], "client_secret_basic").await,
        Client::register_as(&world, &["https://app.example/cb"], "client_secret_post").await,
    ] {
        let (code, verifier) = code_of(&client, &mut Browser::of("ada")).await;
        let answer = client.redeem(&code, &verifier).await.expect(200);
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let tokens = Tokens::from(answer);
        assert_eq!((&tokens.answer["token_type"], &tokens.answer["scope"]), (&json!("Bearer"), &json!("mcp")));
        let token = claims(&tokens.access);
        assert_eq!((&token["aud"], &token["iss"]), (&json!(world.url("/mcp")), &json!(world.base())));
        assert_eq!((&token["client_id"], &token["scope"]), (&json!(client.id), &json!("mcp")));
        assert_eq!(token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap(), 900);
        assert_eq!(bearer(&world, &tokens.access).await, 200);
    }
}

async fn every_parameter_once(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::register_as(&world, &[P], "client_secret_post").await;
    let (code, verifier) = code_of(&client, &mut Browser::of("ada")).await;
    let resource = world.url("/mcp");
    let secret = client.secret.clone().unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", P),
        ("code_verifier", verifier.as_str()),
        ("client_id", client.id.as_str()),
        ("client_secret", secret.as_str()),
        ("resource", resource.as_str()),
        ("scope", "mcp"),
        ("made_up", "x"),
    ];
    let url = world.url("/oauth/token");
    for twice in form {
        for value in [twice.1, "another"] {
            let form = [&form[..], &[(twice.0, value)]].concat();
            is_error(&Http::default().post_form(&url, &[], &form).await, 400, "invalid_request");
        }
    }
    let form = &form[..8];
    let tokens = Tokens::from(Http::default().post_form(&url, &[], form).await);
    for twice in ["grant_type", "refresh_token", "client_id"] {
        let refresh = [
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens.refresh.as_str()),
            ("client_id", client.id.as_str()),
            ("client_secret", secret.as_str()),
        ];
        let value = refresh.iter().find(|(name, _)| *name == twice).unwrap().1;
        let form = [&refresh[..], &[(twice, value)]].concat();
        is_error(&Http::default().post_form(&url, &[], &form).await, 400, "invalid_request");
    }
    is_alive(&world, &client, &tokens).await;
}

async fn unknown_clients(ground: &Ground) {
    let world = ground.world().await;
    let registered = Client::register(&world, &[L]).await;
    for (id, status, error) in [
        (U, 401, "invalid_client"),
        ("usr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 400, "invalid_request"),
        (registered.id.as_str(), 400, "invalid_grant"),
    ] {
        let client = under(&registered, id);
        is_error(&client.redeem("made-up", &"v".repeat(43)).await, status, error);
        is_error(&client.refresh("made-up").await, status, error);
    }
    is_error(
        &Http::default()
            .post_form(&world.url("/oauth/token"), &[], &[("grant_type", "refresh_token"), ("refresh_token", "x")])
            .await,
        400,
        "invalid_request",
    );
    // Wrong credentials are the client's fault, and a dead grant is the grant's.
    let confidential = Client::register_as(&world, &[P], "client_secret_basic").await;
    is_error(&confidential.refresh("made-up").await, 400, "invalid_grant");
    let mut wrong = confidential.clone();
    wrong.secret = Some("wrong".to_owned());
    let refused = wrong.refresh("made-up").await;
    is_error(&refused, 401, "invalid_client");
    assert!(refused.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Basic ")));
}

async fn a_code_of_another_client(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::register(&world, &[P]).await;
    // Another app on the same platform, of the same person: one connection, and no more than that in common.
    let sibling = register(&world, &json!({"redirect_uris": [P], "client_name": "Sibling"})).await.expect(201).json();
    let sibling = Client::registered(&world, &sibling);
    let adopted = Client::unregistered(&world, U, P);
    let confidential = Client::register_as(&world, &[P], "client_secret_post").await;
    for other in [&sibling, &adopted, &confidential] {
        other.sign_in(&mut Browser::of("ada")).await;
    }
    let (code, verifier) = code_of(&client, &mut Browser::of("ada")).await;
    let upper = under(&client, &client.id.to_ascii_uppercase());
    for other in [&sibling, &adopted, &confidential, &upper] {
        is_error(&other.redeem(&code, &verifier).await, 400, "invalid_grant");
    }
    is_error(&at(&client, L).redeem(&code, &verifier).await, 400, "invalid_grant");
    let form = |resource: &'static str| {
        let fields = [("grant_type", "authorization_code"), ("redirect_uri", P), ("resource", resource)];
        fields.to_vec()
    };
    let mut elsewhere = form("https://other.example/mcp");
    elsewhere.extend([("code", code.as_str()), ("code_verifier", verifier.as_str())]);
    is_error(&client.token(&elsewhere).await, 400, "invalid_target");
    // As documented: what was compared before the swap changed nothing.
    let tokens = Tokens::from(client.redeem(&code, &verifier).await);
    is_alive(&world, &client, &tokens).await;
}

async fn a_code_again(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::unregistered(&world, U, P);
    let (code, verifier) = code_of(&client, &mut Browser::of("ada")).await;
    let tokens = Tokens::from(client.redeem(&code, &verifier).await);
    is_error(&client.redeem(&code, &verifier).await, 400, "invalid_grant");
    let next = is_alive(&world, &client, &tokens).await;
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    is_error(&client.redeem(&code, &verifier).await, 400, "invalid_grant");
    is_dead(&world, &client, &tokens).await;
    is_dead(&world, &client, &next).await;
}

async fn a_forged_code(ground: &Ground) {
    let world = ground.world().await;
    let (client, tokens) = signed_in(&world, L).await;
    let other = Client::register(&world, &[P]).await;
    let (code, verifier) = code_of(&client, &mut Browser::of("ada")).await;
    let (prefix, rest) = code.split_at(code.len() / 2);
    for forged in [
        format!("{prefix}{}", "A".repeat(rest.len())),
        format!("{}{}", &code[..code.len() - 1], if code.ends_with('A') { 'B' } else { 'A' }),
        code[..code.len() - 1].to_owned(),
        format!("{code}A"),
        code.to_ascii_uppercase(),
        format!(" {code}"),
        format!("{code}\u{0}"),
        tokens.refresh.replace("dcrr1_", "dcrc1_"),
    ] {
        let refused = client.redeem(&forged, &verifier).await;
        let error = if forged.contains('\u{0}') { "invalid_request" } else { "invalid_grant" };
        is_error(&refused, 400, error);
    }
    is_error(&other.redeem(&code, &verifier).await, 400, "invalid_grant");
    let next = Tokens::from(client.redeem(&code, &verifier).await);
    // A used one of another, in full: it is not his to replay.
    is_error(&other.redeem(&code, &verifier).await, 400, "invalid_grant");
    is_alive(&world, &client, &next).await;
    is_alive(&world, &client, &tokens).await;
}

async fn another_kind_of_token(ground: &Ground) {
    let world = ground.world_with(|options| options.client_configuration = Some("on".to_owned())).await;
    let metadata = json!({"redirect_uris": [P], "token_endpoint_auth_method": "client_secret_post"});
    let registered = register(&world, &metadata).await.json();
    let client = Client::registered(&world, &registered);
    let mut browser = Browser::of("ada");
    let tokens = client.sign_in(&mut browser).await;
    let page = browser.open(&client.authorize().url).await.page();
    let request = page.hidden("request");
    browser.decide(&page, "approve").await.page();
    let state = world.idp().counters().authorize_param("state").unwrap().to_owned();
    let cookies = browser.cookies(&world.url("/"));
    let mut others: Vec<String> =
        cookies.split("; ").map(|cookie| cookie.split_once('=').unwrap().1.to_owned()).collect();
    let (code, verifier) = code_of(&client, &mut Browser::of("ada")).await;
    others.extend([request, state, tokens.access.clone(), tokens.refresh.clone(), client.id.clone()]);
    others.extend(client.secret.clone());
    others.push(registered["registration_access_token"].as_str().unwrap().to_owned());
    for other in &others {
        is_error(&client.redeem(other, &verifier).await, 400, "invalid_grant");
        if *other != tokens.refresh {
            is_error(&client.refresh(other).await, 400, "invalid_grant");
        }
        if *other != tokens.access {
            assert_eq!(bearer(&world, other).await, 401, "{other}");
        }
    }
    is_error(&client.refresh(&code).await, 400, "invalid_grant");
    assert_eq!(bearer(&world, &code).await, 401);
    assert_eq!(introspect(&world, &code).await, json!({"active": false}));
    for disguised in [code.replace("dcrc1_", "dcrr1_"), tokens.refresh.replace("dcrr1_", "dcrc1_")] {
        is_error(&client.refresh(&disguised).await, 400, "invalid_grant");
        is_error(&client.redeem(&disguised, &verifier).await, 400, "invalid_grant");
    }
    client.redeem(&code, &verifier).await.expect(200);
    is_alive(&world, &client, &tokens).await;
}

async fn one_way_to_authenticate(ground: &Ground) {
    let world = ground.world().await;
    let url = world.url("/oauth/token");
    for method in ["client_secret_post", "client_secret_basic"] {
        let client = Client::register_as(&world, &[P], method).await;
        let tokens = client.sign_in(&mut Browser::of("ada")).await;
        let secret = client.secret.clone().unwrap();
        let basic = {
            use base64::Engine as _;
            let pair = format!("{}:{}", &encode(&[("", &client.id)])[1..], &encode(&[("", &secret)])[1..]);
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
        };
        let grant = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
        let posted = [("client_id", client.id.as_str()), ("client_secret", secret.as_str())];
        let with_basic = [("authorization", basic.as_str())];
        // The other way; both at once; in the query; two of one.
        let other = if method == "client_secret_post" {
            Http::default().post_form(&url, &with_basic, &grant).await
        } else {
            Http::default().post_form(&url, &[], &[&grant[..], &posted].concat()).await
        };
        is_error(&other, 401, "invalid_client");
        let both = Http::default().post_form(&url, &with_basic, &[&grant[..], &posted].concat()).await;
        is_error(&both, 400, "invalid_request");
        let in_query = format!("{url}?{}", encode(&posted));
        is_error(&Http::default().post_form(&in_query, &[], &grant).await, 400, "invalid_request");
        let form = encode(&grant);
        let twice =
            Raw::form("/oauth/token", form.as_str()).header("Authorization", &basic).header("Authorization", &basic);
        let answer = Http::default().send_raw(&world, &twice).await;
        assert!([400, 401].contains(&answer.status()), "{answer:?}");
        for broken in ["Basic", "Basic ", "Basic !!!", "Basic bm9jb2xvbg==", "Bearer x", &basic[..basic.len() - 6]] {
            let refused = Http::default().post_form(&url, &[("authorization", broken)], &grant).await;
            assert!([400, 401].contains(&refused.status.as_u16()), "{broken}: {refused:?}");
        }
        is_alive(&world, &client, &tokens).await;
    }
    // Nothing where a secret is asked for, and a secret where nothing is: DC-8.
}

async fn bodies_that_are_no_form(ground: &Ground) {
    let world = ground.world().await;
    let good = encode(&[("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", U)]);
    let json = json!({"grant_type": "refresh_token", "refresh_token": "x", "client_id": U}).to_string();
    let form = "application/x-www-form-urlencoded";
    let large = format!("{good}&x={}", "x".repeat(64 * 1024));
    let many = "a=b&".repeat(100);
    let cases: [(&str, &str, &[u8], u16); 14] = [
        ("application/json", "", json.as_bytes(), 415),
        ("text/plain", "", good.as_bytes(), 415),
        ("multipart/form-data; boundary=x", "", b"--x--", 415),
        (form, "gzip", good.as_bytes(), 415),
        (form, "identity", good.as_bytes(), 401),
        ("Application/X-WWW-Form-URLEncoded; charset=UTF-8", "", good.as_bytes(), 401),
        (form, "", large.as_bytes(), 413),
        (form, "", many.as_bytes(), 400),
        (form, "", b"", 400),
        (form, "", b"\xff\xfe\x00", 400),
        (form, "", b"grant_type=refresh_token&refresh_token=%ff%fe&client_id=x", 400),
        (form, "", b"grant_type=refresh_token&refresh_token=%00&client_id=x", 400),
        (form, "", b"grant_type=refresh_token&%00=x&client_id=x", 400),
        (form, "", b"grant_type=authorization_code&code[]=x&client_id=x", 400),
    ];
    for endpoint in ["token", "revoke", "introspect"] {
        for (kind, encoding, body, status) in cases {
            let mut request = Raw::new("POST", &format!("/oauth/{endpoint}")).header("Content-Type", kind);
            if !encoding.is_empty() {
                request = request.header("Content-Encoding", encoding);
            }
            let answer = Http::default().send_raw(&world, &request.body(body)).await;
            let expected: &[u16] = if endpoint == "token" { &[status] } else { &[status, 400, 401] };
            assert!(expected.contains(&answer.status()), "{endpoint} {kind} {encoding}: {answer:?}");
        }
    }
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
        let answer = Http::default().send_raw(&world, &Raw::new(method, &format!("/oauth/token?{good}"))).await;
        assert_eq!(answer.status(), 405, "{method}");
    }
    assert_eq!(world.counts().await, dcr_core::store::Counts::default());
}

async fn other_grants(ground: &Ground) {
    let world = ground.world().await;
    let (client, tokens) = signed_in(&world, L).await;
    let confidential = Client::register_as(&world, &[P], "client_secret_post").await;
    for grant in [
        "password",
        "client_credentials",
        "implicit",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "Refresh_Token",
        "refresh_token ",
        "x",
    ] {
        for client in [&client, &confidential] {
            let refused = client
                .token(&[
                    ("grant_type", grant),
                    ("username", "ada"),
                    ("password", "x"),
                    ("scope", "mcp"),
                    ("subject_token", &tokens.access),
                    ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
                    ("assertion", &tokens.access),
                    ("refresh_token", &tokens.refresh),
                ])
                .await;
            is_error(&refused, 400, "unsupported_grant_type");
        }
    }
    is_error(&client.token(&[("refresh_token", &tokens.refresh)]).await, 400, "invalid_request");
    let metadata = Http::default().get(&world.url("/.well-known/oauth-authorization-server"), &[]).await.json();
    assert_eq!(metadata["grant_types_supported"], json!(["authorization_code", "refresh_token"]));
    is_alive(&world, &client, &tokens).await;
}

async fn nothing_is_cached(ground: &Ground) {
    let world = ground.world().await;
    let (client, tokens) = signed_in(&world, L).await;
    let url = world.url("/oauth/token");
    for answer in [
        client.refresh(&tokens.refresh).await,
        client.refresh("x").await,
        under(&client, U).refresh("x").await,
        Http::default().post_form(&url, &[], &[]).await,
        Http::default().post_json(&url, &[], &json!({})).await,
        Http::default().get(&url, &[]).await,
        Http::default()
            .post_form(&world.url("/oauth/introspect"), &[crate::support::RS], &[("token", &tokens.access)])
            .await,
        client.revoke(&tokens.refresh).await,
        Asking::of(U, P).get(&world).await,
    ] {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    }
}
