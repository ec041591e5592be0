//! Client ids that are URLs of metadata documents (draft-ietf-oauth-client-id-metadata-document).

use std::sync::atomic::Ordering;

use dcr_core::testing::AssertionKey;
use dcr_core::{Clock as _, SystemClock};
use dcr_e2e::{Answer, Browser, Client, Directory, DocumentHost, Http, Tokens, World};
use serde_json::{Value, json};

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{Asking, E, L, P, canary, claims, code_of, is_error, is_page};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "CIMD-01" => happy_path, "a public document signs in, and the page names its host";
        "CIMD-03" "CI-6" => the_document_calls_itself_by_its_url, "a document that calls itself otherwise by one byte is none";
        "CIMD-05" "CI-1" => private_addresses, "hosts that lead to private addresses are not connected to";
        "CIMD-07" "CI-2" => embedded_addresses, "nor those that hide one in another form";
        "CI-4" => redirects_are_not_followed, "a redirect is not followed, and only 200 is an answer";
        "CI-5" => long_slow_and_packed, "a document that is long, slow or packed is given up";
        "CI-7" => no_shared_secrets, "a document with a shared secret is refused";
        "CI-8" => errors_are_not_kept, "an error is not kept, and what was good is not replaced by it";
        "CI-9" => one_form_of_a_url, "a URL that is written in another way is another id, and refused";
        "CI-10" => local_programs_are_warned_of, "a document for local programs vouches for nobody who listens there";
        "CI-11" => a_burst_asks_once, "a burst of requests asks the document's host once";
        "CI-12" => pictures_are_not_fetched, "pictures and keys that a document names are not fetched for a page";
        "RUSTSEC-2026-0009" => dates_of_hosts, "a date that a host sends is read within bounds, or not at all";
        "TK-8" => assertions_count_once, "an assertion is for this server, signed by the client's key, short-lived, and counts once";
    }
}

/// A server that fetches documents, from this host too.
pub(crate) async fn world(ground: &Ground, host: &DocumentHost) -> World {
    ground
        .world_with(|options| {
            options.cimd = Some("on".to_owned());
            options.cimd_test_ca_file = Some(host.ca().display().to_string());
            options.cimd_dangerously_allow_private_hosts = Some(DocumentHost::HOST.to_owned());
        })
        .await
}

fn document(id: &str, redirects: &[&str]) -> Value {
    json!({"client_id": id, "client_name": "Command line", "redirect_uris": redirects})
}

/// A server, a host, and the URL of a good document for local programs.
struct Scene {
    world: World,
    host: DocumentHost,
    id: String,
    _directory: Directory,
}

impl Scene {
    async fn new(ground: &Ground) -> Self {
        let directory = Directory::new();
        let host = DocumentHost::start(directory.path()).await;
        let id = host.url("/oauth/client.json");
        host.serve("/oauth/client.json", &document(&id, &[L, "http://127.0.0.1/callback"]));
        Self { world: world(ground, &host).await, host, id, _directory: directory }
    }

    async fn ask(&self, id: &str) -> Answer {
        Asking::of(id, L).get(&self.world).await
    }
}

async fn happy_path(ground: &Ground) {
    let scene = Scene::new(ground).await;
    let page = scene.ask(&scene.id).await.expect(200).body;
    assert!(page.contains("Command line") && page.contains(DocumentHost::HOST), "{page}");
    let client = Client::unregistered(&scene.world, &scene.id, L);
    let tokens = client.sign_in(&mut Browser::of("ada")).await;
    assert_eq!(claims(&tokens.access)["client_id"], scene.id.as_str());
    client.refresh(&tokens.refresh).await.expect(200);
    for redirect in [P, E, "http://localhost:3118/other", "https://localhost/callback"] {
        is_page(&Asking::of(&scene.id, redirect).get(&scene.world).await);
    }
}

async fn the_document_calls_itself_by_its_url(ground: &Ground) {
    let scene = Scene::new(ground).await;
    for (n, change) in ["/", "x", "?", "#", " ", "%20"].into_iter().enumerate() {
        let path = format!("/after-{n}");
        let id = scene.host.url(&path);
        scene.host.serve(&path, &document(&format!("{id}{change}"), &[L]));
        is_page(&scene.ask(&id).await);
    }
    let path = "/Case";
    let id = scene.host.url(path);
    let swapped = |from: &str, to: &str| json!(id.replace(from, to));
    for (n, client_id) in [
        swapped("/Case", "/case"),
        swapped("https", "HTTPS"),
        swapped("localhost", "LOCALHOST"),
        swapped("localhost", "127.0.0.1"),
        json!([id]),
        json!({"id": id}),
        json!(7),
        Value::Null,
        json!(""),
    ]
    .into_iter()
    .enumerate()
    {
        // Under a path of its own each time, since a failure is remembered for some seconds.
        let path = format!("/Case{n}");
        let url = scene.host.url(&path);
        let mut document = document(&url, &[L]);
        document["client_id"] = match &client_id {
            Value::String(text) => json!(text.replace("ase", &format!("ase{n}"))),
            other => other.clone(),
        };
        scene.host.serve(&path, &document);
        is_page(&scene.ask(&url).await);
    }
    scene.host.serve(path, &document(&id, &[L]));
    scene.ask(&id).await.expect(200);
}

/// What names resolve to is up to the system here: that every address of a name is looked at is shown where the resolver
/// can be chosen, in `dcr-core/src/guarded/client/tests.rs`.
async fn not_connected_to(ground: &Ground, hosts: &[&str]) {
    let (port, visits) = canary().await;
    let world = ground.world_with(|options| options.cimd = Some("on".to_owned())).await;
    for host in hosts {
        for id in [format!("https://{host}:{port}/client.json"), format!("https://{host}/client.json")] {
            is_page(&Asking::of(&id, L).get(&world).await);
            let refused = Client::unregistered(&world, &id, L).refresh("x").await;
            assert!([400, 401].contains(&refused.status.as_u16()), "{refused:?}");
        }
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

async fn private_addresses(ground: &Ground) {
    let hosts = [
        "localhost",
        "127.0.0.1",
        "127.8.9.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
    ];
    not_connected_to(ground, &hosts).await;
}

async fn embedded_addresses(ground: &Ground) {
    let hosts = [
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:10.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a00:1]",
        "[2002:7f00:1::]",
        "[2002:a00:1::]",
        "[2001:0:7f00:1::]",
        "[fe80::5efe:7f00:1]",
        "[2001:db8::200:5efe:10.0.0.1]",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.1.",
        "localhost.",
        "LOCALHOST",
        "l\u{1d5fc}calhost",
        "%6cocalhost",
        "user@localhost",
        "localhost\\@a.example",
    ];
    not_connected_to(ground, &hosts).await;
}

async fn redirects_are_not_followed(ground: &Ground) {
    let scene = Scene::new(ground).await;
    let good = scene.id.clone();
    let body = document(&good, &[L]).to_string();
    for (n, status) in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Moved",
        "308 Moved",
        "204 Empty",
        "206 Part",
        "404 No",
        "410 Gone",
        "500 No",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/status-{n}");
        let id = scene.host.url(&path);
        let own = document(&id, &[L]).to_string();
        let headers = [("Location", good.as_str()), ("Content-Type", "application/json")];
        let body = if status.starts_with('3') { body.clone() } else { own };
        scene.host.serve_answer(&path, status, &headers, body);
        let before = scene.host.asked();
        is_page(&scene.ask(&id).await);
        assert_eq!(scene.host.asked(), before + 1, "{status}: its target is left alone");
    }
}

async fn long_slow_and_packed(ground: &Ground) {
    let scene = Scene::new(ground).await;
    let json = ("Content-Type", "application/json");
    let of = |path: &str, padding: usize| {
        let mut document = document(&scene.host.url(path), &[L]);
        document["x"] = json!("x".repeat(padding));
        document.to_string()
    };
    scene.host.serve_answer("/long", "200 OK", &[json], of("/long", 6 * 1024));
    scene.host.serve_answer("/huge", "200 OK", &[json], of("/huge", 8 * 1024 * 1024));
    scene.host.serve_answer("/packed", "200 OK", &[json, ("Content-Encoding", "gzip")], of("/packed", 0));
    scene.host.serve_answer("/deep", "200 OK", &[json], format!("{}{}", "[".repeat(2_000), "]".repeat(2_000)));
    scene.host.serve_answer("/html", "200 OK", &[("Content-Type", "text/html")], of("/html", 0));
    scene.host.serve_answer("/fits", "200 OK", &[json], of("/fits", 4 * 1024));
    scene.host.drip("/slow");
    let slow = scene.host.url("/slow");
    let asked = std::time::Instant::now();
    for path in ["/long", "/huge", "/packed", "/deep", "/html"] {
        is_page(&scene.ask(&scene.host.url(path)).await);
    }
    scene.ask(&scene.host.url("/fits")).await.expect(200);
    is_page(&scene.ask(&slow).await);
    assert!(asked.elapsed().as_secs() < 18, "a slow host is given up");
}

async fn no_shared_secrets(ground: &Ground) {
    let scene = Scene::new(ground).await;
    for (n, (name, value)) in [
        ("client_secret", json!("s")),
        ("client_secret", json!("")),
        ("client_secret_expires_at", json!(0)),
        ("token_endpoint_auth_method", json!("client_secret_post")),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("token_endpoint_auth_method", json!("client_secret_jwt")),
        ("token_endpoint_auth_methods_supported", json!(["none", "client_secret_post"])),
        ("token_endpoint_auth_method", json!(7)),
        ("token_endpoint_auth_method", json!("tls_client_auth")),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/secret-{n}");
        let id = scene.host.url(&path);
        let mut document = document(&id, &[L]);
        document[name] = value;
        scene.host.serve(&path, &document);
        is_page(&scene.ask(&id).await);
    }
}

async fn errors_are_not_kept(ground: &Ground) {
    let scene = Scene::new(ground).await;
    let (path, id) = ("/later", scene.host.url("/later"));
    scene.host.serve_answer(path, "500 No", &[("Cache-Control", "max-age=86400")], "");
    is_page(&scene.ask(&id).await);
    scene.host.serve(path, &document(&id, &[L]));
    // A failure is remembered for five seconds, whatever the host says of it.
    tokio::time::sleep(std::time::Duration::from_millis(5_200)).await;
    scene.ask(&id).await.expect(200);
    scene.host.serve_answer(path, "500 No", &[], "");
    scene.ask(&id).await.expect(200);
    // A redirect that is new in the document is not there before it is fetched again, and the old one goes on.
    is_page(&Asking::of(&id, P).get(&scene.world).await);
    scene.ask(&id).await.expect(200);
}

async fn one_form_of_a_url(ground: &Ground) {
    let scene = Scene::new(ground).await;
    let id = &scene.id;
    let path = id.splitn(4, '/').nth(3).unwrap();
    let origin = id.strip_suffix(path).unwrap().trim_end_matches('/');
    for other in [
        id.replace("https", "HTTPS"),
        id.replace("localhost", "LOCALHOST"),
        id.replace("localhost", "localhost."),
        id.replace("https://", "https://user@"),
        id.replace("https://", "https://:@"),
        id.replace("https://", "https:/"),
        format!("{id}?x=1"),
        format!("{id}?"),
        format!("{id}#x"),
        format!("{id}#"),
        format!("{origin}/x/../{path}"),
        format!("{origin}/./{path}"),
        format!("{origin}/%6fauth/client.json"),
        format!("{origin}/%2e%2e/{path}"),
        format!("{origin}\\{path}"),
        format!("{origin}/"),
        origin.to_owned(),
        format!(" {id}"),
        format!("{id} "),
    ] {
        is_page(&scene.ask(&other).await);
    }
    assert!(scene.host.asked() <= 1, "what is not written as it should be is not asked for");
    scene.ask(id).await.expect(200);
}

async fn local_programs_are_warned_of(ground: &Ground) {
    let scene = Scene::new(ground).await;
    for redirect in [L, "http://127.0.0.1:4000/callback"] {
        let page = Asking::of(&scene.id, redirect).get(&scene.world).await.expect(200).body;
        assert!(page.contains("only if you started this"), "{page}");
        assert!(page.contains(redirect.split('/').nth(2).unwrap()), "{page}");
    }
    let mut browser = Browser::of("ada");
    let client = Client::unregistered(&scene.world, &scene.id, L);
    client.sign_in(&mut browser).await;
    assert_eq!(scene.world.idp().counters().authorize_param("prompt"), Some("select_account"));
    let again = browser.open(&client.authorize().url).await.page();
    assert!(again.answer.body.contains("name=\"decision\""), "asked every time");
}

async fn a_burst_asks_once(ground: &Ground) {
    let scene = Scene::new(ground).await;
    let ask = async || scene.ask(&scene.id).await.expect(200);
    tokio::join!(ask(), ask(), ask(), ask(), ask(), ask(), ask(), ask());
    assert_eq!(scene.host.asked(), 1);
    // Also of what is not there, for as long as a burst takes.
    let gone = scene.host.url("/gone");
    for _ in 0..10 {
        is_page(&scene.ask(&gone).await);
    }
    assert_eq!(scene.host.asked(), 2);
    // Whatever the number of its URLs, a host is asked a bounded number of times a minute.
    for n in 0..60 {
        is_page(&scene.ask(&scene.host.url(&format!("/gone-{n}"))).await);
    }
    assert!(scene.host.asked() <= 30, "{}", scene.host.asked());
}

async fn pictures_are_not_fetched(ground: &Ground) {
    let scene = Scene::new(ground).await;
    let (path, id) = ("/pictures", scene.host.url("/pictures"));
    let mut document = document(&id, &[L]);
    for name in ["logo_uri", "client_uri", "tos_uri", "policy_uri"] {
        document[name] = json!(scene.host.url("/picture.svg"));
    }
    document["jwks_uri"] = json!(scene.host.url("/keys.json"));
    scene.host.serve(path, &document);
    let page = scene.ask(&id).await.expect(200);
    assert!(!page.body.contains("picture.svg") && !page.body.contains("<img"), "{}", page.body);
    Client::unregistered(&scene.world, &id, L).sign_in(&mut Browser::of("ada")).await;
    assert_eq!(scene.host.asked(), 1, "the document and nothing else");
}

/// The parser of dates that HTTP writes once used up the stack on nested comments.
async fn dates_of_hosts(ground: &Ground) {
    let scene = Scene::new(ground).await;
    for (n, date) in [
        format!("{}{}", "(".repeat(4_000), ")".repeat(4_000)),
        format!("Thu, 26 Nov 2026 05:00:00 {}", "(".repeat(8_000)),
        "Thu, 99 Nov 99999999999 99:99:99 +9999".to_owned(),
        "-1".to_owned(),
        "0".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/date-{n}");
        let id = scene.host.url(&path);
        let headers = [("Content-Type", "application/json"), ("Expires", date.as_str())];
        scene.host.serve_answer(&path, "200 OK", &headers, document(&id, &[L]).to_string());
        let answer = scene.ask(&id).await;
        assert!([200, 400].contains(&answer.status.as_u16()), "{answer:?}");
    }
    scene.ask(&scene.id).await.expect(200);
}

async fn assertions_count_once(ground: &Ground) {
    const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let scene = Scene::new(ground).await;
    let (path, id) = ("/signing", scene.host.url("/signing"));
    let mut document = document(&id, &[L]);
    document["token_endpoint_auth_method"] = json!("private_key_jwt");
    document["jwks"] = serde_json::from_str(&AssertionKey::seeded(1).jwks()).unwrap();
    scene.host.serve(path, &document);
    let client = Client::unregistered(&scene.world, &id, L);
    let (code, verifier) = code_of(&client, &mut Browser::of("ada")).await;
    let issuer = scene.world.base().to_owned();
    let url = scene.world.url("/oauth/token");
    let redeem = async |kind: &str, assertion: &str| {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", L),
            ("code_verifier", verifier.as_str()),
            ("client_id", id.as_str()),
            ("client_assertion_type", kind),
            ("client_assertion", assertion),
        ];
        Http::default().post_form(&url, &[], &form).await
    };
    let now = SystemClock.now();
    let (own, other) = (AssertionKey::seeded(1), AssertionKey::seeded(2));
    let ago = now - std::time::Duration::from_secs(3_600);
    is_error(&client.redeem(&code, &verifier).await, 401, "invalid_client");
    let other_client = own.assertion("https://localhost/other", &issuer, now, "4");
    for (kind, assertion) in [
        (TYPE, other.assertion(&id, &issuer, now, "1")),
        (TYPE, own.assertion(&id, "https://other.example", now, "2")),
        (TYPE, own.assertion(&id, &scene.world.url("/mcp"), now, "3")),
        (TYPE, other_client.clone()),
        (TYPE, own.assertion(&id, &issuer, ago, "5")),
        (TYPE, "eyJhbGciOiJub25lIn0.e30.".to_owned()),
        (TYPE, "x".to_owned()),
        ("urn:ietf:params:oauth:client-assertion-type:saml2-bearer", own.assertion(&id, &issuer, now, "6")),
    ] {
        let refused = redeem(kind, &assertion).await;
        // An assertion of another client, beside this one's id, is a malformed request.
        let is_of_another = assertion.starts_with(&other_client);
        let expected = if is_of_another { (400, "invalid_request") } else { (401, "invalid_client") };
        is_error(&refused, expected.0, expected.1);
    }
    let good = own.assertion(&id, &issuer, now, "7");
    let tokens = Tokens::from(redeem(TYPE, &good).await);
    let refresh = |assertion: String| {
        let client = client.clone();
        let token = tokens.refresh.clone();
        async move {
            let form =
                [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("client_assertion_type", TYPE)];
            client.token(&[&form[..], &[("client_assertion", assertion.as_str())]].concat()).await
        }
    };
    is_error(&refresh(good).await, 401, "invalid_client");
    refresh(own.assertion(&id, &issuer, now, "8")).await.expect(200);
}
