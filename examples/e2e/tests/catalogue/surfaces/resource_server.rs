//! The MCP server behind its guard: which tokens it takes.

use std::sync::atomic::Ordering;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use dcr_e2e::raw::Raw;
use dcr_e2e::{Browser, Client, Directory, Http, SECRETS, Site, Tokens, call};
use serde_json::{Value, json};

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{L, P, U, bearer, canary, claims, introspect, signed_in};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "RS-01" "RS-1" "CVE-2026-116684" "GHSA-rvq5-wwqv-78pq" "CVE-2026-50627" "CVE-2025-69196" => another_resources_token, "a token for another server of the same issuer is refused";
        "RS-03" "RS-3" "CVE-2026-67336" => other_algorithms, "no algorithm and no key but ours, whatever the token says of itself";
        "RS-04" "RS-4" "CVE-2026-25537" => claims_of_other_types, "claims of another type, missing, or out of time, under our own signature";
        "RS-5" => no_other_kind_of_token, "nothing else that this server seals or signs is an access token";
        "RS-6" "CVE-2026-54560" => no_scope_is_no_scope, "a token without a scope may do nothing that needs one";
        "RS-8" => one_header, "a token comes in one header, once, and nowhere else";
        "RS-10" "CVE-2026-42559" "RUSTSEC-2026-0189" => dns_rebinding, "a request for another host name does not reach the MCP server";
        "RS-11" "RS-9" "CVE-2026-52869" => sessions_of_mcp, "a session of MCP is for the person and client who opened it";
        "RS-12" => no_user_confusion, "the sub of a token is a person or a program, and never a client's choice";
    }
}

const FILE: &str = r#"
[[resource]]
path = "/mcp"
name = "Tools"
scope = [{ name = "mcp", words = "Use the tools" }]

[[resource]]
path = "/mcp/notes"
name = "Notes"
scope = [{ name = "notes", words = "Read your notes" }]

[[resource]]
path = "/mcpx"
name = "Other tools"
scope = [{ name = "mcp", words = "Use the tools" }]
"#;

async fn another_resources_token(ground: &Ground) {
    let directory = Directory::new();
    let file = directory.path().join("dcr.toml");
    std::fs::write(&file, FILE).unwrap();
    let world = ground.world_with(|options| options.config = Some(file.display().to_string())).await;
    let servers = [("/mcp", "mcp"), ("/mcp/notes", "notes"), ("/mcpx", "mcp")];
    for (own, scope) in servers {
        let mut client = Client::register(&world, &[L]).await;
        (client.resource, client.scope) = (world.url(own), scope.to_owned());
        let tokens = client.sign_in(&mut Browser::of("ada")).await;
        assert_eq!(claims(&tokens.access)["aud"], world.url(own));
        for (at, _) in servers {
            let answer = world.mcp_at(at, &tokens.access, None, &call("whoami")).await;
            if at == own {
                assert_ne!(answer.status, 401, "{answer:?}");
            } else {
                let challenge = answer.expect(401).header("www-authenticate").unwrap().to_owned();
                assert!(
                    challenge.contains("error=\"invalid_token\"")
                        && challenge.contains(&world.url("/.well-known/oauth-protected-resource"))
                );
            }
        }
        // Nor does a refresh, or a code, lead to another server.
        let other = world.url(if own == "/mcp" { "/mcpx" } else { "/mcp" });
        let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str()), ("resource", &other)];
        crate::support::is_error(&client.token(&form).await, 400, "invalid_target");
    }
}

/// The key that signs access tokens, as the server derives it from its secret. Tokens of other forms under our own
/// signature show that it is not the signature alone that is looked at.
struct Signing {
    key: Ed25519KeyPair,
    kid: String,
    public: Vec<u8>,
}

struct Thirty2;

impl KeyType for Thirty2 {
    fn len(&self) -> usize {
        32
    }
}

impl Signing {
    async fn of(site: &Site) -> Self {
        let secret = STANDARD.decode(SECRETS[0]).unwrap();
        let mut seed = [0; 32];
        let prk = Salt::new(HKDF_SHA256, b"dcr/v1").extract(&secret);
        prk.expand(&[b"dcr/v1/access-token"], Thirty2).and_then(|okm| okm.fill(&mut seed)).unwrap();
        let key = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let public = key.public_key().as_ref().to_vec();
        let keys = Http::default().get(&site.url("/.well-known/jwks.json"), &[]).await.json();
        let published = keys["keys"].as_array().unwrap();
        let own =
            published.iter().find(|jwk| jwk["x"] == URL_SAFE_NO_PAD.encode(&public)).expect("the server's own key");
        Self { key, kid: own["kid"].as_str().unwrap().to_owned(), public }
    }

    fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": "EdDSA", "kid": self.kid})
    }

    /// In the order in which the server writes it.
    fn usual(&self) -> String {
        format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{}"}}"#, self.kid)
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// 401 from the guard, the MCP server and introspection alike.
async fn is_refused(site: &Site, token: &str) {
    assert_eq!(bearer(site, token).await, 401, "{token}");
    site.mcp(token, None, &call("whoami")).await.expect(401);
    assert_eq!(introspect(site, token).await, json!({"active": false}), "{token}");
}

async fn other_algorithms(ground: &Ground) {
    let world = ground.world().await;
    let (_, tokens) = signed_in(&world, L).await;
    let signing = Signing::of(&world).await;
    let payload = claims(&tokens.access).to_string();
    // What a naive check would take.
    assert_eq!(
        bearer(&world, &signing.sign(&signing.usual(), &payload)).await,
        200,
        "the test signs as the server does"
    );
    let encoded =
        |header: &Value| format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(&payload));
    let kid = &signing.kid;
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned = encoded(&json!({"typ": "at+jwt", "alg": algorithm, "kid": kid}));
        for token in [
            format!("{unsigned}."),
            unsigned.clone(),
            format!("{unsigned}.AA"),
            signing.sign(&json!({"typ": "at+jwt", "alg": algorithm, "kid": kid}).to_string(), &payload),
        ] {
            is_refused(&world, &token).await;
        }
    }
    // The public key as a MAC key, in three spellings of it.
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&signing.public));
    for key in [signing.public.clone(), pem.into_bytes(), URL_SAFE_NO_PAD.encode(&signing.public).into_bytes()] {
        let unsigned = encoded(&json!({"typ": "at+jwt", "alg": "HS256", "kid": kid}));
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), unsigned.as_bytes());
        is_refused(&world, &format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(mac))).await;
    }
    // A key of the attacker's own, named in every way there is; and ours, under a header that is not ours.
    let own = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(own.public_key().as_ref())});
    let (port, visits) = canary().await;
    let url = format!("http://127.0.0.1:{port}/keys.json");
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("x5c", json!(["AAAA"])),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("' UNION SELECT 'x")),
        ("kid", json!(url)),
        ("kid", json!("")),
        ("kid", json!(7)),
        ("kid", Value::Null),
        ("alg", json!("ES256")),
        ("alg", json!("RS256")),
        ("alg", json!("Ed25519")),
        ("typ", json!("JWT")),
        ("typ", json!("dpop+jwt")),
        ("crit", json!(["exp"])),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ] {
        let mut header = signing.header();
        header[name] = value;
        let unsigned = encoded(&header);
        let signature = URL_SAFE_NO_PAD.encode(own.sign(unsigned.as_bytes()));
        is_refused(&world, &format!("{unsigned}.{signature}")).await;
        is_refused(&world, &signing.sign(&header.to_string(), &payload)).await;
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0, "nobody was asked for keys");
    // The right signature over something else, none, one byte less, and other encodings of the same.
    let token = &tokens.access;
    let (signed, signature) = token.rsplit_once('.').unwrap();
    for other in [
        format!("{signed}."),
        format!("{signed}.{}", &signature[..signature.len() - 2]),
        format!("{signed}.{signature}="),
        format!("{signed}.{signature}AA"),
        format!("{}.{signature}", signed.replacen('.', "=.", 1)),
        format!("{token}.x"),
        format!("x.{token}"),
        signed.to_owned(),
        token.replacen('.', "..", 1),
        format!("{signed}.{}", signing.sign("x", "y").rsplit_once('.').unwrap().1),
    ] {
        is_refused(&world, &other).await;
    }
    assert_eq!(bearer(&world, token).await, 200);
}

async fn claims_of_other_types(ground: &Ground) {
    let world = ground.world().await;
    let (_, tokens) = signed_in(&world, L).await;
    let signing = Signing::of(&world).await;
    let good = claims(&tokens.access);
    let sign = |payload: &str| signing.sign(&signing.usual(), payload);
    assert_eq!(bearer(&world, &sign(&good.to_string())).await, 200, "the test signs as the server does");
    let (iat, exp) = (good["iat"].as_i64().unwrap(), good["exp"].as_i64().unwrap());
    for (name, value) in [
        ("exp", json!(exp.to_string())),
        ("exp", json!(-1)),
        ("exp", json!(0)),
        ("exp", Value::Null),
        ("exp", json!(true)),
        ("exp", json!([exp])),
        ("exp", json!({"$gt": 0})),
        ("exp", json!(exp as f64 + 0.5)),
        ("exp", json!(iat)),
        ("exp", json!(iat - 10)),
        ("iat", json!(exp + 1_000)),
        ("iat", json!(iat.to_string())),
        ("nbf", json!(exp - 1)),
        ("nbf", json!(iat.to_string())),
        ("nbf", Value::Null),
        ("aud", json!([good["aud"]])),
        ("aud", json!([good["aud"], "https://other.example"])),
        ("aud", json!("")),
        ("aud", json!("*")),
        ("iss", json!([good["iss"]])),
        ("iss", json!("https://evil.example")),
        ("iss", json!(format!("{}/", good["iss"].as_str().unwrap()))),
        ("sub", json!("ada")),
        ("sub", json!(good["client_id"])),
        ("sub", json!(7)),
        ("client_id", json!(good["sub"])),
        ("client_id", json!("")),
        ("scope", json!(["mcp"])),
        ("sid", json!("x")),
        ("sid", Value::Null),
        ("con", json!("")),
    ] {
        let mut changed = good.clone();
        changed[name] = value;
        if changed["aud"] != good["aud"] && changed["aud"].is_string() {
            // Another audience: introspection may know it, the guard does not.
            assert_eq!(bearer(&world, &sign(&changed.to_string())).await, 401, "{changed}");
        } else {
            is_refused(&world, &sign(&changed.to_string())).await;
        }
    }
    for name in ["iss", "aud", "sub", "client_id", "scope", "sid", "con", "iat", "exp", "jti"] {
        let mut changed = good.clone();
        changed.as_object_mut().unwrap().remove(name);
        is_refused(&world, &sign(&changed.to_string())).await;
    }
    let text = good.to_string();
    let twice = text.replacen('{', "{\"exp\":99999999999,", 1);
    let huge = text.replace(&format!("\"exp\":{exp}"), "\"exp\":1e400");
    let float = text.replace(&format!("\"exp\":{exp}"), &format!("\"exp\":{exp}.0"));
    for odd in [
        twice,
        huge,
        float,
        format!("[{text}]"),
        format!("\"{}\"", "x"),
        "null".to_owned(),
        "{}".to_owned(),
        format!("{text}x"),
        text.replace("\"exp\"", "\"EXP\""),
    ] {
        is_refused(&world, &sign(&odd)).await;
    }
    // `nbf` is never in a token of ours, so that one that has it is none; whichever way, it does not open anything early.
    let mut early = good.clone();
    early["nbf"] = json!(exp + 1_000);
    let early = bearer(&world, &sign(&early.to_string())).await;
    assert!([200, 401].contains(&early), "{early}");
}

async fn no_other_kind_of_token(ground: &Ground) {
    let world = ground.world().await;
    let (client, tokens) = signed_in(&world, L).await;
    let mut browser = Browser::of("ada");
    let page = browser.open(&client.authorize().url).await.page();
    let request = page.hidden("request");
    browser.decide(&page, "approve").await.page();
    let state = world.idp().counters().authorize_param("state").unwrap().to_owned();
    let nonce = world.idp().counters().authorize_param("nonce").unwrap().to_owned();
    let mut others = vec![tokens.refresh, request, state, nonce, client.id.clone()];
    others.extend(
        browser.cookies(&world.url("/")).split("; ").map(|cookie| cookie.split_once('=').unwrap().1.to_owned()),
    );
    others.extend(Client::register_as(&world, &[P], "client_secret_post").await.secret);
    for other in others {
        assert_eq!(bearer(&world, &other).await, 401, "{other}");
        world.mcp(&other, None, &call("whoami")).await.expect(401);
    }
}

async fn no_scope_is_no_scope(ground: &Ground) {
    let world = ground.world().await;
    let (_, tokens) = signed_in(&world, L).await;
    let signing = Signing::of(&world).await;
    let good = claims(&tokens.access);
    let with = |scope: &str| {
        let mut changed = good.clone();
        changed["scope"] = json!(scope);
        signing.sign(&signing.usual(), &changed.to_string())
    };
    // This server never signs such tokens; whoever could, would get nothing that needs a scope.
    for scope in ["", " ", "root", "*", "mcp:*", "MCP:ERASE"] {
        let token = with(scope);
        let refused = world.mcp(&token, None, &call("erase")).await.expect(403);
        assert!(refused.header("www-authenticate").unwrap().contains("scope=\"mcp:erase\""));
    }
    let session = world.mcp_session(&tokens.access).await;
    world.mcp(&tokens.access, Some(&session), &call("erase")).await.expect(403);
    let broad = with("mcp:erase");
    let session = world.mcp_session(&broad).await;
    world.mcp(&broad, Some(&session), &call("erase")).await.expect(200);
    // Missing is refused, and not read as everything: RS-04.
}

async fn one_header(ground: &Ground) {
    let world = ground.world().await;
    let (_, tokens) = signed_in(&world, L).await;
    let (access, good) = (&tokens.access, format!("Bearer {}", tokens.access));
    let get = |target: &str| Raw::new("GET", target);
    for route in ["/protected", "/mcp"] {
        for (request, expected) in [
            (get(&format!("{route}?access_token={access}")), 401),
            (Raw::form("/mcp", format!("access_token={access}")), 401),
            (get(route).header("Cookie", format!("access_token={access}; Authorization={good}")), 401),
            (get(route).header("X-Authorization", &good), 401),
            (get(route).header("Proxy-Authorization", &good), 401),
            (get(route).header("Authorization", &good).header("Authorization", &good), 400),
            (get(route).header("Authorization", &good).header("Authorization", "Basic x"), 400),
            (get(route).header("Authorization", "Basic x").header("Authorization", &good), 400),
            (get(route).header("Authorization", format!("{good}, {good}")), 400),
            (get(route).header("Authorization", format!("{good} x")), 400),
            (get(route).header("Authorization", "Bearer"), 400),
            (get(route).header("Authorization", "Bearer "), 400),
            (get(route).header("Authorization", format!("Token {access}")), 401),
            (get(route).header("Authorization", format!("DPoP {access}")), 401),
            (get(route).header("Authorization", access), 401),
            (get(route).header("Authorization", [&b"Bearer \xff"[..], access.as_bytes()].concat()), 400),
            (get(route).header("Authorization", format!("Bearer\t{access}")), 401),
        ] {
            let answer = Http::default().send_raw(&world, &request).await;
            assert_eq!(answer.status(), expected, "{}: {answer:?}", request.describe());
        }
    }
    let lower = get("/protected").header("authorization", format!("bearer {access}"));
    assert_eq!(Http::default().send_raw(&world, &lower).await.status(), 200, "the scheme has no case (RFC 9110)");
    let smuggled = Raw::new("POST", "/mcp")
        .header("Authorization", &good)
        .header("Content-Length", "5")
        .header("Transfer-Encoding", "chunked");
    let answer = Http::default()
        .send_raw(&world, &smuggled.unframed("0\r\n\r\nGET /protected HTTP/1.1\r\n\r\n").breaking_off())
        .await;
    assert_ne!(answer.status(), 200, "{answer:?}");
}

async fn dns_rebinding(ground: &Ground) {
    let world = ground.world().await;
    let (_, tokens) = signed_in(&world, L).await;
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "page", "version": "0"}
    }});
    let post = |host: &str| {
        let request = Raw::bare("POST /mcp HTTP/1.1").header("Host", host).header("Content-Type", "application/json");
        let request = request.header("Accept", "application/json, text/event-stream");
        request.header("Authorization", format!("Bearer {}", tokens.access)).body(hello.to_string())
    };
    let own = world.address();
    for host in [
        "evil.example",
        "evil.example:80",
        &format!("evil.example:{}", own.port()),
        "localhost.evil.example",
        "192.168.0.1",
    ] {
        let answer = Http::default().send_raw(&world, &post(host)).await;
        assert_eq!(answer.status(), 403, "{host}: {answer:?}");
    }
    assert_eq!(Http::default().send_raw(&world, &post(&own.to_string())).await.status(), 200);
    // And a page cannot read or send what a person's browser would add: there is no cookie that opens anything here.
    let mut browser = Browser::of("ada");
    Client::unregistered(&world, U, P).sign_in(&mut browser).await;
    let cookies = browser.cookies(&world.url("/mcp"));
    let answer = Http::default()
        .post_json(&world.url("/mcp"), &[("cookie", &cookies), ("origin", "https://evil.example")], &hello)
        .await;
    answer.expect(401);
}

async fn sessions_of_mcp(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::register(&world, &[L]).await;
    let (ada, bob) = (client.sign_in(&mut Browser::of("ada")).await, client.sign_in(&mut Browser::of("bob")).await);
    let other = Client::unregistered(&world, "another-client", L).sign_in(&mut Browser::of("ada")).await;
    let session = world.mcp_session(&ada.access).await;
    let ping = json!({"jsonrpc": "2.0", "id": 7, "method": "ping"});
    let lower = session.to_ascii_lowercase();
    for (tokens, session, status) in [
        (&ada, session.as_str(), 200),
        (&bob, &session, 404),
        (&other, &session, 404),
        (&ada, "made-up", 404),
        (&ada, &session[1..], 404),
        (&ada, if lower == session { "x" } else { &lower }, 404),
        (&ada, &session, 200),
    ] {
        world.mcp(&tokens.access, Some(session), &ping).await.expect(status);
    }
    // It cannot be listened to, nor ended, by anybody else.
    for method in ["GET", "DELETE"] {
        let request = Raw::bare(&format!("{method} /mcp HTTP/1.1")).header("Host", world.address().to_string());
        let request = request.header("Accept", "text/event-stream").header("Mcp-Session-Id", &session);
        let answer =
            Http::default().send_raw(&world, &request.header("Authorization", format!("Bearer {}", bob.access))).await;
        assert_eq!(answer.status(), 404, "{method}: {answer:?}");
    }
    let next = Tokens::from(client.refresh(&ada.refresh).await);
    assert_eq!(world.whoami_in(&next.access, &session).await["name"], "Ada Example");
}

async fn no_user_confusion(ground: &Ground) {
    use dcr_core::{AuthMethod, ClientId, PreRegistered};

    let world = ground.world().await;
    let job = PreRegistered::confidential(ClientId::new("nightly-report").unwrap(), AuthMethod::ClientSecretPost, "s");
    world.engine().operator().pin(job.client_credentials(), "test").await.unwrap();
    let (_, tokens) = signed_in(&world, L).await;
    let user = claims(&tokens.access)["sub"].as_str().unwrap().to_owned();
    for id in [user.as_str(), "usr_x"] {
        assert!(ClientId::new(id).is_err(), "not even an operator can name a client so");
    }
    let mut machine = Client::unregistered(&world, "nightly-report", L);
    (machine.auth_method, machine.secret) = ("client_secret_post".to_owned(), Some("s".to_owned()));
    let answer = machine.token(&[("grant_type", "client_credentials")]).await.expect(200).json();
    let token = claims(answer["access_token"].as_str().unwrap());
    let sub = token["sub"].as_str().unwrap();
    assert!(!sub.starts_with("usr_") && sub != user && sub != "nightly-report", "{sub}");
    assert_eq!((token.get("sid"), answer.get("refresh_token")), (None, None));
    let signing = Signing::of(&world).await;
    // A person's sub without a session, and a program's with one.
    let (mut person, mut program) = (token.clone(), claims(&tokens.access));
    (person["sub"], program["sub"]) = (json!(user), json!(sub));
    for mixed in [person, program] {
        is_refused(&world, &signing.sign(&signing.usual(), &mixed.to_string())).await;
    }
}
