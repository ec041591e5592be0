//! What the server publishes of itself.

use dcr_e2e::raw::Raw;
use dcr_e2e::{Client, Http, Site};
use serde_json::{Value, json};

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{L, P, is_error, register};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "META-01" "MD-3" "MD-5" => documents, "both documents under every path, with one issuer and S256";
        "META-02" "MD-1" => nothing_of_the_request, "no header, no host and no target of a request changes what is published";
        "MD-2" => nothing_that_is_not_enforced, "what is advertised is what is enforced, under every setting";
        "MD-4" => caches_are_not_poisoned, "what may be kept holds nothing of whoever asked first";
    }
}

const SERVER: [&str; 6] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/mcp",
    "/mcp/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/mcp",
    "/mcp/.well-known/openid-configuration",
];
const RESOURCE: [&str; 3] = [
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/mcp/.well-known/oauth-protected-resource",
];

/// The document that all of these paths serve.
async fn same(site: &Site, paths: &[&str]) -> Value {
    let first = Http::default().get(&site.url(paths[0]), &[]).await.expect(200);
    for path in paths {
        let answer = Http::default().get(&site.url(path), &[]).await.expect(200);
        assert_eq!((&answer.body, answer.header("content-type")), (&first.body, Some("application/json")), "{path}");
    }
    first.json()
}

async fn documents(ground: &Ground) {
    let loopback = ground.world().await;
    let public = ground.world_with(|options| options.public_url = Some("https://mcp.example".to_owned())).await;
    for (site, base) in [(&*loopback, loopback.base()), (public.listening(), "https://mcp.example")] {
        let (server, resource) = (same(site, &SERVER).await, same(site, &RESOURCE).await);
        assert_eq!(server["issuer"], base);
        assert_eq!(
            (&resource["resource"], &resource["authorization_servers"]),
            (&json!(format!("{base}/mcp")), &json!([base]))
        );
        for (name, value) in server.as_object().unwrap() {
            if name.ends_with("_endpoint") || name.ends_with("_uri") {
                assert!(value.as_str().unwrap().starts_with(&format!("{base}/")), "{name}: {value}");
            }
        }
        for endpoint in ["authorize", "token", "register", "revoke", "introspect"] {
            assert!(server.to_string().contains(&format!("\"{base}/oauth/{endpoint}\"")), "{endpoint}: {server}");
        }
        assert_eq!(resource["scopes_supported"], json!(["mcp"]));
        // RFC 8414 section 2, with what MCP asks for.
        for (name, value) in [
            ("response_types_supported", json!(["code"])),
            ("code_challenge_methods_supported", json!(["S256"])),
            ("grant_types_supported", json!(["authorization_code", "refresh_token"])),
            ("authorization_response_iss_parameter_supported", json!(true)),
        ] {
            assert_eq!(server[name], value, "{name}");
        }
        let methods = server["token_endpoint_auth_methods_supported"].as_array().unwrap();
        assert!(methods.contains(&json!("none")) && methods.contains(&json!("client_secret_post")), "{methods:?}");
        assert_eq!(resource["bearer_methods_supported"], json!(["header"]));
        let keys = Http::default().get(&site.url("/.well-known/jwks.json"), &[]).await.expect(200).json();
        for key in keys["keys"].as_array().unwrap() {
            assert_eq!((&key["crv"], &key["alg"], key.get("d")), (&json!("Ed25519"), &json!("EdDSA"), None));
        }
    }
}

async fn nothing_of_the_request(ground: &Ground) {
    let world = ground.world().await;
    let own = world.address().to_string();
    for path in [SERVER[0], SERVER[4], RESOURCE[0], RESOURCE[1], "/.well-known/jwks.json"] {
        let plain =
            Http::default().send_raw(&world, &Raw::bare(&format!("GET {path} HTTP/1.1")).header("Host", &own)).await;
        assert_eq!(plain.status(), 200);
        let get = Raw::bare(&format!("GET {path} HTTP/1.1"));
        let with = |name: &str, value: &str| get.clone().header("Host", &own).header(name, value);
        for request in [
            get.clone().header("Host", "evil.example"),
            get.clone().header("Host", "evil.example:443"),
            with("X-Forwarded-Host", "evil.example"),
            with("X-Forwarded-Proto", "https"),
            with("X-Forwarded-Port", "443"),
            with("X-Forwarded-Prefix", "/evil"),
            with("X-Original-URL", "/oauth/token"),
            with("X-Rewrite-URL", "/oauth/token"),
            with("Forwarded", "host=evil.example;proto=https"),
            with("Origin", "https://evil.example"),
            with("Referer", "https://evil.example/"),
            Raw::bare(&format!("GET http://evil.example{path} HTTP/1.1")).header("Host", "evil.example"),
            Raw::bare(&format!("GET {path}?issuer=https://evil.example&resource=x HTTP/1.1")).header("Host", &own),
        ] {
            let answer = Http::default().send_raw(&world, &request).await;
            assert_eq!((&answer.head, answer.text()), (&plain.head, plain.text()), "{}", request.describe());
        }
    }
    // The challenge is made of the same.
    let headers = [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example")];
    let refused = Http::default().post_json(&world.url("/mcp"), &headers, &json!({})).await.expect(401);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains(&world.url(RESOURCE[1])) && !challenge.contains("evil"), "{challenge}");
    let registered =
        Http::default().post_json(&world.url("/oauth/register"), &headers, &json!({"redirect_uris": [P]})).await;
    assert!(!registered.expect(201).body.contains("evil"));
}

async fn nothing_that_is_not_enforced(ground: &Ground) {
    let set = |text: &str| Some(text.to_owned());
    let off = ground.world_with(|options| options.registration = set("off")).await;
    let on = ground
        .world_with(|options| {
            options.client_configuration = set("on");
            options.adoption = set("off");
        })
        .await;
    let server = same(&off, &SERVER).await;
    assert_eq!(
        (server.get("registration_endpoint"), server.get("client_id_metadata_document_supported")),
        (None, None)
    );
    is_error(&register(&off, &json!({"redirect_uris": [P]})).await, 403, "access_denied");
    let server = same(&on, &SERVER).await;
    let methods = server["token_endpoint_auth_methods_supported"].as_array().unwrap();
    for method in methods.iter().filter_map(Value::as_str).filter(|method| *method != "private_key_jwt") {
        let client = Client::register_as(&on, &[P], method).await;
        assert_eq!(client.secret.is_some(), method != "none");
    }
    for refused in ["client_secret_jwt", "tls_client_auth"] {
        assert!(!methods.contains(&json!(refused)));
        let metadata = json!({"redirect_uris": [P], "token_endpoint_auth_method": refused});
        is_error(&register(&on, &metadata).await, 400, "invalid_client_metadata");
    }
    // SR-20: nothing of adoption is advertised, whatever the policy; registered clients are preferred.
    for site in [&off, &on] {
        let text = same(site, &SERVER).await.to_string();
        for word in
            ["adopt", "plain", "implicit", "password", "pushed_authorization", "request_parameter_supported\":true"]
        {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
    let manages =
        register(&on, &json!({"redirect_uris": [P], "token_endpoint_auth_method": "client_secret_post"})).await.json();
    assert!(manages["registration_client_uri"].is_string() && manages["registration_access_token"].is_string());
    let plain = ground.world().await;
    let manages = register(&plain, &json!({"redirect_uris": [P], "token_endpoint_auth_method": "client_secret_post"}))
        .await
        .json();
    assert_eq!((manages.get("registration_client_uri"), manages.get("registration_access_token")), (None, None));
    let get = Http::default().get(&plain.url("/oauth/register"), &[("authorization", "Bearer x")]).await;
    assert_eq!(get.status, 405);
}

async fn caches_are_not_poisoned(ground: &Ground) {
    let world = ground.world().await;
    for path in SERVER.iter().chain(&RESOURCE).chain(&["/.well-known/jwks.json"]) {
        let answer = Http::default().get(&world.url(path), &[]).await.expect(200);
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"), "{path}");
        assert_eq!((answer.header("set-cookie"), answer.header("access-control-allow-origin")), (None, Some("*")));
        let odd = Http::default()
            .get(&format!("{}?x=%22%3E%3Cscript%3E", world.url(path)), &[("x-evil", "<script>"), ("cookie", "a=b")])
            .await;
        assert_eq!(odd.body, answer.body, "{path}");
    }
    // Everything else is not to be kept at all.
    for path in
        ["/oauth/authorize", "/oauth/callback", "/oauth/token", "/oauth/register", "/oauth/consent", "/protected"]
    {
        let answer = Http::default().get(&format!("{}?redirect_uri={L}", world.url(path)), &[]).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
}
