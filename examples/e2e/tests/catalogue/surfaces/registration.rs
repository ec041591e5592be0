//! Dynamic client registration (RFC 7591), open to everybody, and its management (RFC 7592) where that is on.

use std::sync::atomic::Ordering;

use dcr_core::store::Counts;
use dcr_e2e::raw::Raw;
use dcr_e2e::{Answer, Browser, Client, Http, Site};
use reqwest::Method;
use serde_json::{Value, json};

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{Asking, E, L, P, canary, code_of, is_error, is_page, register};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "DCR-01" => happy_paths, "a public client and one with a secret get exactly what they registered";
        "DCR-02" => bodies_that_are_no_metadata, "bodies that are no metadata are refused, and never a 500";
        "DCR-03" => redirects_of_every_form, "no redirects, too many, too long, or of another type";
        "DC-1" => a_flood_is_not_kept, "registrations cost no row, and the same software gets the same id";
        "DC-5" "CVE-2026-1180" "CVE-2021-26715" => nothing_is_fetched, "no URL of a registration is fetched";
        "DC-6" "CVE-2026-65635" "CVE-2026-61466" "CVE-2026-70665" => privileges_are_not_taken, "what a client may not decide for itself is ignored";
        "DC-7" "CVE-2026-41427" => the_policy_is_on_every_way_in, "the operator's policy holds on every way to register";
        "DC-8" "CVE-2026-44476" => a_secret_is_checked, "a secret is given only where it is checked, and checked wherever it was given";
        "DC-10" => ids_are_not_chosen, "a client does not choose its id";
        "DC-11" => software_statements, "a software statement is refused, not ignored";
        "OP-1" "ME-11" => a_registration_manages_itself_only, "a registration's token is for that registration, as it is now";
    }
}

async fn happy_paths(ground: &Ground) {
    let world = ground.world().await;
    let public = json!({
        "client_name": "Claude Code", "redirect_uris": [L], "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"], "token_endpoint_auth_method": "none",
    });
    let mut answer = register(&world, &public).await.expect(201);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    let mut expected = public.clone();
    expected["client_id"] = body["client_id"].clone();
    assert_eq!(body, expected, "exactly the registered values, and nothing that is null");
    // As claude.ai sends it.
    let confidential = json!({
        "client_name": "Claude", "redirect_uris": [P], "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"], "token_endpoint_auth_method": "client_secret_post", "scope": "mcp",
    });
    answer = register(&world, &confidential).await.expect(201);
    let body = answer.json();
    let mut expected = confidential.clone();
    for name in ["client_id", "client_secret", "client_secret_expires_at"] {
        expected[name] = body[name].clone();
    }
    assert_eq!(body, expected);
    assert!(body["client_secret"].as_str().unwrap().len() >= 40);
    assert_eq!(body["client_secret_expires_at"], 0);
    Client::registered(&world, &body).sign_in(&mut Browser::of("ada")).await;
}

async fn bodies_that_are_no_metadata(ground: &Ground) {
    let world = ground.world().await;
    let (opened, closed) = ("[".repeat(10_000), "]".repeat(10_000));
    let deep = format!("{{\"redirect_uris\":[\"{P}\"],\"x\":{}{}}}", &opened[..5_000], &closed[..5_000]);
    let objects = format!("{{\"redirect_uris\":[\"{P}\"],\"x\":{}1{}}}", "{\"a\":".repeat(2_000), "}".repeat(2_000));
    let large = format!("{{\"redirect_uris\":[\"{P}\"],\"x\":\"{}\"}}", "x".repeat(17 * 1_024));
    let metadata = "invalid_client_metadata";
    for (body, status, error) in [
        ("", 400, metadata),
        ("not json", 400, metadata),
        ("[]", 400, metadata),
        ("null", 400, metadata),
        ("\"text\"", 400, metadata),
        ("{\"redirect_uris\":", 400, metadata),
        ("{\"redirect_uris\":[\"https://a.example/cb\"]} trailing", 400, metadata),
        ("\u{0}", 400, metadata),
        ("\u{feff}{}", 400, metadata),
        (&format!("{opened}{closed}"), 413, "invalid_request"),
        (&format!("{}{}", &opened[..5_000], &closed[..5_000]), 400, metadata),
        (&deep, 400, metadata),
        (&objects, 400, metadata),
        ("{\"redirect_uris\":[\"https://a.example/cb\"],\"client_name\":\"a\",\"client_name\":\"b\"}", 400, metadata),
        ("{\"redirect_uris\":[\"https://a.example/cb\"],\"redirect_uris\":[\"https://b.example/cb\"]}", 400, metadata),
        ("{\"redirect_uris\":[\"https://a.example/cb\"],\"grant_types\":\"authorization_code\"}", 400, metadata),
        ("{\"redirect_uris\":[\"https://a.example/cb\"],\"client_name\":1e400}", 400, metadata),
        (&large, 413, "invalid_request"),
    ] {
        let answer = Http::default().send_raw(&world, &Raw::json("/oauth/register", body)).await;
        assert_eq!(answer.status(), status, "{}: {answer:?}", &body.chars().take(80).collect::<String>());
        let said: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(said["error"], error);
    }
    let good = json!({"redirect_uris": [P]}).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data", ""] {
        let answer = Http::default()
            .send_raw(&world, &Raw::new("POST", "/oauth/register").header("Content-Type", kind).body(good.as_str()))
            .await;
        assert_eq!(answer.status(), 415, "{kind}");
    }
    // A gzip bomb: what is compressed is not unpacked, whatever it says of itself.
    for encoding in ["gzip", "deflate", "br", "gzip, gzip", "x"] {
        let bomb = Raw::json("/oauth/register", vec![0x1f; 1_000]).header("Content-Encoding", encoding);
        assert_eq!(Http::default().send_raw(&world, &bomb).await.status(), 415, "{encoding}");
    }
    // In chunks there is no length to believe.
    let chunked = Raw::new("POST", "/oauth/register").header("Content-Type", "application/json");
    let answer = Http::default().send_raw(&world, &chunked.chunked(&vec![b' '; 100_000], 1_000)).await;
    assert_eq!(answer.status(), 413);
    assert_eq!(world.counts().await, Counts::default());
}

async fn redirects_of_every_form(ground: &Ground) {
    let world = ground.world().await;
    let many: Vec<String> = (0..101).map(|n| format!("https://a.example/{n}")).collect();
    let long = format!("https://a.example/{}", "x".repeat(3_000));
    for redirects in [
        Value::Null,
        json!([]),
        json!(many),
        json!([long]),
        json!([7]),
        json!([null]),
        json!([P, {}]),
        json!([[P]]),
        json!(P),
        json!({"0": P}),
        json!([""]),
    ] {
        is_error(&register(&world, &json!({"redirect_uris": redirects})).await, 400, "invalid_redirect_uri");
    }
    is_error(&register(&world, &json!({})).await, 400, "invalid_redirect_uri");
    // As many as fit by number, too long for an id.
    let wide: Vec<String> = (0..32).map(|n| format!("https://a.example/{n}/{}", "x".repeat(60))).collect();
    is_error(&register(&world, &json!({"redirect_uris": wide})).await, 400, "invalid_client_metadata");
}

async fn a_flood_is_not_kept(ground: &Ground) {
    let world = ground.world().await;
    let before = world.counts().await;
    let mut ids = std::collections::BTreeSet::new();
    for n in 0..100 {
        let redirect = format!("http://localhost:{}/callback", 2_000 + n);
        ids.insert(Client::register(&world, &[&redirect]).await.id);
        let different = register(&world, &json!({"redirect_uris": [P], "client_name": format!("App {n}")})).await;
        different.expect(201);
        register(&world, &json!({"redirect_uris": [P], "token_endpoint_auth_method": "client_secret_post"}))
            .await
            .expect(201);
    }
    assert_eq!(ids.len(), 1, "the same software on any port");
    assert_eq!(world.counts().await, before);
}

async fn nothing_is_fetched(ground: &Ground) {
    let (port, visits) = canary().await;
    let world = ground.world().await;
    let url = |scheme: &str, name: &str| format!("{scheme}://127.0.0.1:{port}/{name}");
    let mut metadata =
        json!({"client_name": "X", "redirect_uris": [L], "request_uris": [], "contacts": ["a@a.example"]});
    for name in [
        "logo_uri",
        "client_uri",
        "policy_uri",
        "tos_uri",
        "jwks_uri",
        "sector_identifier_uri",
        "initiate_login_uri",
        "backchannel_logout_uri",
    ] {
        metadata[name] = json!(url("https", name));
        metadata[format!("{name}#en")] = json!(url("http", name));
    }
    metadata["request_uris"] = json!([url("http", "r"), url("https", "r")]);
    metadata["redirect_uris"] = json!([L, url("http", "cb")]);
    let client = Client::registered(&world, &register(&world, &metadata).await.expect(201).json());
    let asking = Asking::of(&client.id, L);
    asking.get(&world).await.expect(200);
    asking.with("request_uri", &url("https", "r")).get(&world).await;
    client.sign_in(&mut Browser::of("ada")).await;
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

async fn privileges_are_not_taken(ground: &Ground) {
    let world = ground.world().await;
    let plain = register(&world, &json!({"redirect_uris": [P]})).await.expect(201).json();
    let greedy = json!({
        "redirect_uris": [P], "scope": "mcp root admin mcp:erase", "pkce": false, "require_pkce": false,
        "allowed_scopes": ["*"], "trusted": true, "skip_consent": true, "first_party": true, "is_admin": true,
        "access_token_lifetime": 1_000_000, "refresh_token_ttl": 0, "token_endpoint_auth_signing_alg": "none",
        "grant_types": ["authorization_code", "refresh_token", "client_credentials", "password", "implicit"],
        "response_types": ["code", "token"], "resource": ["https://other.example"], "sub": "usr_x", "owner": "ada",
        "client_id_issued_at": 0, "registration_access_token": "x", "default_max_age": 1, "confidential": true,
    });
    let taken = register(&world, &greedy).await.expect(201).json();
    assert_eq!(taken["client_id"], plain["client_id"], "none of it is in the registration");
    assert_eq!(taken["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!(taken["response_types"], json!(["code"]));
    for ignored in
        ["pkce", "trusted", "skip_consent", "is_admin", "access_token_lifetime", "owner", "registration_access_token"]
    {
        assert_eq!(taken.get(ignored), None, "{ignored}");
    }
    let client = Client::registered(&world, &taken);
    assert!(Asking::of(&client.id, P).get(&world).await.expect(200).body.contains("name=\"decision\""));
    let refused = Asking::of(&client.id, P).without("code_challenge").get(&world).await;
    crate::support::is_back(&refused, &world, P, "invalid_request");
    let tokens = client.sign_in(&mut Browser::of("ada")).await;
    assert_eq!((&tokens.answer["expires_in"], &tokens.answer["scope"]), (&json!(900), &json!("mcp")));
    is_error(&client.token(&[("grant_type", "client_credentials")]).await, 400, "unsupported_grant_type");
    let machine = json!({"redirect_uris": [P], "grant_types": ["client_credentials"]});
    is_error(&register(&world, &machine).await, 400, "invalid_client_metadata");
}

async fn the_policy_is_on_every_way_in(ground: &Ground) {
    let listed = ground
        .world_with(|options| {
            options.registration = Some("platforms+loopback".to_owned());
            options.client_configuration = Some("on".to_owned());
        })
        .await;
    let at = async |site: &Site, path: &str, body: &Value| Http::default().post_json(&site.url(path), &[], body).await;
    for path in ["/oauth/register", "/register"] {
        is_error(&at(&listed, path, &json!({"redirect_uris": [E]})).await, 400, "invalid_redirect_uri");
        assert_eq!(
            at(&listed, path, &json!({"redirect_uris": [E, P]})).await.expect(201).json()["redirect_uris"],
            json!([P])
        );
    }
    // Nor by a change later.
    let metadata = json!({"redirect_uris": [P], "token_endpoint_auth_method": "client_secret_post"});
    let registered = register(&listed, &metadata).await.expect(201).json();
    let mut change = json!({"client_id": registered["client_id"], "redirect_uris": [E]});
    is_error(&manage(&registered, Method::PUT, &change).await, 400, "invalid_redirect_uri");
    change["redirect_uris"] = json!([E, P]);
    assert_eq!(manage(&registered, Method::PUT, &change).await.expect(200).json()["redirect_uris"], json!([P]));
    let off = ground.world_with(|options| options.registration = Some("off".to_owned())).await;
    for path in ["/oauth/register", "/register"] {
        is_error(&at(&off, path, &json!({"redirect_uris": [P]})).await, 403, "access_denied");
    }
    let metadata = Http::default().get(&off.url("/.well-known/oauth-authorization-server"), &[]).await.json();
    assert_eq!(metadata.get("registration_endpoint"), None);
}

async fn a_secret_is_checked(ground: &Ground) {
    let world = ground.world().await;
    for method in [json!("none"), Value::Null] {
        let metadata = json!({"redirect_uris": [P], "token_endpoint_auth_method": method});
        let answer = register(&world, &metadata).await.expect(201).json();
        assert_eq!((answer.get("client_secret"), &answer["token_endpoint_auth_method"]), (None, &json!("none")));
        // A secret of one's own makes a public client no more than it is, and is refused.
        let public = Client::registered(&world, &answer);
        let (code, verifier) = code_of(&public, &mut Browser::of("ada")).await;
        let mut decorated = public.clone();
        "client_secret_post".clone_into(&mut decorated.auth_method);
        decorated.secret = Some("decorative".to_owned());
        is_error(&decorated.redeem(&code, &verifier).await, 401, "invalid_client");
        public.redeem(&code, &verifier).await.expect(200);
    }
    for method in ["client_secret_post", "client_secret_basic"] {
        let client = Client::register_as(&world, &[P], method).await;
        let (code, verifier) = code_of(&client, &mut Browser::of("ada")).await;
        let (mut public, mut wrong) = (client.clone(), client.clone());
        "none".clone_into(&mut public.auth_method);
        wrong.secret = Some("wrong".to_owned());
        for other in [&public, &wrong] {
            is_error(&other.redeem(&code, &verifier).await, 401, "invalid_client");
        }
        let tokens = dcr_e2e::Tokens::from(client.redeem(&code, &verifier).await);
        for other in [&public, &wrong] {
            is_error(&other.refresh(&tokens.refresh).await, 401, "invalid_client");
        }
        client.refresh(&tokens.refresh).await.expect(200);
    }
    for unsupported in ["private_key_jwt", "client_secret_jwt", "tls_client_auth", "", "NONE"] {
        let metadata = json!({"redirect_uris": [P], "token_endpoint_auth_method": unsupported});
        is_error(&register(&world, &metadata).await, 400, "invalid_client_metadata");
    }
}

async fn ids_are_not_chosen(ground: &Ground) {
    let world = ground.world().await;
    let plain = register(&world, &json!({"redirect_uris": [P]})).await.expect(201).json();
    for id in [
        json!("chosen-by-me"),
        json!("portal"),
        plain["client_id"].clone(),
        json!("usr_x"),
        json!("https://claude.ai/x"),
    ] {
        let metadata = json!({"redirect_uris": [L], "client_id": id, "client_secret": "chosen", "software_id": id});
        let answer = register(&world, &metadata).await.expect(201).json();
        assert_ne!(answer["client_id"], id);
        assert_eq!(answer.get("client_secret"), None);
        is_page(&Asking::of(plain["client_id"].as_str().unwrap(), L).get(&world).await);
    }
    let metadata =
        json!({"redirect_uris": [P], "token_endpoint_auth_method": "client_secret_post", "client_secret": "chosen"});
    let (one, two) = (register(&world, &metadata).await.json(), register(&world, &metadata).await.json());
    assert_ne!(one["client_secret"], "chosen");
    assert_ne!(one["client_id"], two["client_id"], "a secret is shared with nobody");
}

async fn software_statements(ground: &Ground) {
    let world = ground.world().await;
    for statement in [json!("eyJhbGciOiJub25lIn0.e30."), json!("x"), json!(7), json!({})] {
        let metadata = json!({"redirect_uris": [P], "software_statement": statement});
        is_error(&register(&world, &metadata).await, 400, "invalid_software_statement");
    }
}

/// A request of a registration about itself.
async fn manage(registered: &Value, method: Method, body: &Value) -> Answer {
    let text = |name: &str| registered[name].as_str().unwrap().to_owned();
    let token = format!("Bearer {}", text("registration_access_token"));
    let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
    Http::default().send(method, &text("registration_client_uri"), &headers, body.to_string()).await
}

async fn a_registration_manages_itself_only(ground: &Ground) {
    let world = ground.world_with(|options| options.client_configuration = Some("on".to_owned())).await;
    let metadata = json!({"redirect_uris": [P], "token_endpoint_auth_method": "client_secret_post"});
    let (own, other) = (register(&world, &metadata).await.json(), register(&world, &metadata).await.json());
    let public = register(&world, &json!({"redirect_uris": [P]})).await.json();
    assert_eq!(public.get("registration_access_token"), None, "an id that is shared manages nobody");
    manage(&own, Method::GET, &Value::Null).await.expect(200);
    let crossed = |token: Value, id: &Value| {
        let uri = own["registration_client_uri"].as_str().unwrap();
        let encoded = dcr_e2e::encode(&[("client_id", id.as_str().unwrap())]);
        let uri = format!("{}?{encoded}", uri.split('?').next().unwrap());
        json!({"registration_access_token": token, "registration_client_uri": uri})
    };
    let token = own["registration_access_token"].clone();
    let short = json!(token.as_str().unwrap()[1..]);
    for (token, id) in [
        (token.clone(), &other["client_id"]),
        (token, &public["client_id"]),
        (short, &own["client_id"]),
        (other["registration_access_token"].clone(), &own["client_id"]),
        (own["client_secret"].clone(), &own["client_id"]),
        (own["client_id"].clone(), &own["client_id"]),
        (own["registration_access_token"].clone(), &json!("never-seen-here")),
    ] {
        let crossed = crossed(token, id);
        for method in [Method::GET, Method::DELETE, Method::PUT] {
            let refused = manage(&crossed, method, &json!({"client_id": id, "redirect_uris": [P]})).await;
            is_error(&refused, 401, "invalid_token");
        }
    }
    // A change makes the token before it useless, and takes nobody else's id.
    let mut change = json!({"client_id": other["client_id"], "redirect_uris": [P]});
    is_error(&manage(&own, Method::PUT, &change).await, 400, "invalid_client_metadata");
    change["client_id"] = own["client_id"].clone();
    let changed = manage(&own, Method::PUT, &change).await.expect(200).json();
    assert_ne!(changed["registration_access_token"], own["registration_access_token"]);
    is_error(&manage(&own, Method::GET, &Value::Null).await, 401, "invalid_token");
    let mut now = own.clone();
    now["registration_access_token"] = changed["registration_access_token"].clone();
    manage(&now, Method::DELETE, &Value::Null).await.expect(204);
    for dead in [&own, &now] {
        is_error(&manage(dead, Method::GET, &Value::Null).await, 401, "invalid_token");
    }
    manage(&other, Method::GET, &Value::Null).await.expect(200);
}
