//! Where a code may go: redirect URIs, byte for byte.

use dcr_e2e::{Browser, Client, DocumentHost, World};
use serde_json::json;

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{Asking, E, L, P, U, at, code_of, is_error, is_page, register};
use crate::surfaces::redirect_corpus::two_other_parsers;

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "REDIR-01" => another_redirect, "a registered client's other redirect gets a page, and is not first refused with its code";
        "REDIR-05" => prefixes_and_substrings, "prefixes and substrings of a redirect are none";
        "REDIR-06" => paths_that_walk, "paths that walk away, in every encoding, are another path";
        "REDIR-07" => user_info_and_backslashes, "user names and backslashes before a host are refused";
        "REDIR-12" "LO-3" "CVE-2026-18211" "CVE-2024-8883" "GHSA-46c8-635v-68r2" "CVE-2026-18206" => names_that_look_like_loopback, "names and numbers that look like loopback are not loopback";
        "REDIR-13" "LO-2" "CVE-2020-15233" => only_the_port_may_differ, "of a loopback redirect only the port may differ";
        "REDIR-16" "DC-2" "CVE-2026-67333" => schemes_that_do_something, "schemes that browsers execute or open are refused on every way in";
        "REDIR-20" => two_other_parsers once, "2,000 mutated URIs: two other parsers agree on scheme and host of all that are allowed";
        "DC-3" => plain_http_elsewhere, "http to another machine, fragments, user names and wildcards are not registered";
        "DC-9" => hosts_are_compared_by_label, "a host that ends like a known one is another host";
        "LO-4" => https_on_loopback_is_no_program, "https://localhost and privileged ports get no trust of a local program";
        "LO-5" => custom_schemes_are_listed, "a custom scheme is accepted as the exact string that the operator listed";
        "RUSTSEC-2024-0421" => hosts_in_punycode, "a host that only punycode could make equal is another one";
    }
}

async fn another_redirect(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::register(&world, &[L]).await;
    is_page(&Asking::of(&client.id, E).get(&world).await);
    is_page(&Asking::of(&client.id, P).get(&world).await);
    // And a code that went to its own redirect is not redeemed under another.
    let (code, verifier) = code_of(&client, &mut Browser::of("ada")).await;
    for redirect in [E, "http://localhost:3119/callback", "http://localhost/callback", ""] {
        let refused = at(&client, redirect).redeem(&code, &verifier).await;
        is_error(&refused, 400, if redirect.is_empty() { "invalid_request" } else { "invalid_grant" });
    }
    client.redeem(&code, &verifier).await.expect(200);
}

/// None of these is the redirect of a client that registered `https://a.example/cb`, nor of one that registered nothing.
async fn not_its_own(world: &World, redirects: &[&str]) {
    let client = Client::register(world, &["https://a.example/cb"]).await;
    for redirect in redirects {
        is_page(&Asking::of(&client.id, redirect).get(world).await);
        is_page(&Asking::of(U, redirect).get(world).await);
    }
    Asking::of(&client.id, "https://a.example/cb").get(world).await.expect(200);
}

async fn prefixes_and_substrings(ground: &Ground) {
    let world = ground.world().await;
    let redirects = [
        "https://a.example/cb.evil.example",
        "https://a.example.evil.example/cb",
        "https://a.example/cb/",
        "https://a.example/cbx",
        "https://a.example/cb?x=1",
        "https://a.example/cb?",
        "https://a.example/cb#",
        "https://a.example/cb#x",
        "https://a.example/CB",
        "https://A.example/cb",
        "HTTPS://a.example/cb",
        "https://a.example:443/cb",
        "https://a.example:8443/cb",
        "http://a.example/cb",
        "https://a.example/c",
        "https://a.example",
        "https://a.example/cb https://evil.example",
        " https://a.example/cb",
        "https://a.example/cb\n",
        "//a.example/cb",
        "h",
        "*",
        "https://*.example/cb",
    ];
    not_its_own(&world, &redirects).await;
}

async fn paths_that_walk(ground: &Ground) {
    let world = ground.world().await;
    let redirects = [
        "https://a.example/cb/../steal",
        "https://a.example/cb/../cb",
        "https://a.example/x/../cb",
        "https://a.example/./cb",
        "https://a.example/cb/.",
        "https://a.example/%2e%2e/cb",
        "https://a.example/cb/%2e%2e/steal",
        "https://a.example/cb/..%2fsteal",
        "https://a.example/cb/..%252fsteal",
        "https://a.example/cb/..;/steal",
        "https://a.example/cb/..%5csteal",
        "https://a.example/cb%00",
        "https://a.example//cb",
        "https://a.example/c%62",
    ];
    not_its_own(&world, &redirects).await;
    for redirect in &redirects[..8] {
        is_error(&register(&world, &json!({"redirect_uris": [redirect]})).await, 400, "invalid_redirect_uri");
    }
}

async fn user_info_and_backslashes(ground: &Ground) {
    let world = ground.world().await;
    let redirects = [
        "https://a.example@evil.example/cb",
        "https://a.example:pw@evil.example/cb",
        "https://evil.example@a.example/cb",
        "https://@a.example/cb",
        "https://:@a.example/cb",
        "https://evil.example\\@a.example/cb",
        "https://evil.example\\.a.example/cb",
        "https:\\\\a.example\\cb",
        "https://a.example\\cb",
        "https://a.example%40evil.example/",
        "https://a.example%2f@evil.example/cb",
        "https://a.example%00.evil.example/cb",
        "https:a.example/cb",
        "https:/a.example/cb",
        "https:///a.example/cb",
        "https://a.example./cb",
        "https://a\u{3002}example/cb",
        "https://\u{ff41}.example/cb",
    ];
    not_its_own(&world, &redirects).await;
    for redirect in redirects {
        is_error(&register(&world, &json!({"redirect_uris": [redirect]})).await, 400, "invalid_redirect_uri");
    }
}

const NOT_LOOPBACK: [&str; 16] = [
    "http://localhost.evil.example:3118/callback",
    "http://evil.localhost:3118/callback",
    "http://localhost.:3118/callback",
    "http://LOCALHOST:3118/callback",
    "http://127.0.0.1.nip.io:3118/callback",
    "http://127.0.0.1.:3118/callback",
    "http://127.1:3118/callback",
    "http://127.0.0.2:3118/callback",
    "http://0x7f.1:3118/callback",
    "http://0177.0.0.1:3118/callback",
    "http://2130706433:3118/callback",
    "http://[::ffff:127.0.0.1]:3118/callback",
    "http://[0:0:0:0:0:0:0:1]:3118/callback",
    "http://[::]:3118/callback",
    "http://0.0.0.0:3118/callback",
    "http://127.0.0.1@evil.example:3118/callback",
];

async fn names_that_look_like_loopback(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::register(&world, &[L, "http://127.0.0.1:3118/callback", "http://[::1]:3118/callback"]).await;
    for redirect in NOT_LOOPBACK {
        is_page(&Asking::of(&client.id, redirect).get(&world).await);
        is_page(&Asking::of(U, redirect).get(&world).await);
        is_error(&register(&world, &json!({"redirect_uris": [redirect]})).await, 400, "invalid_redirect_uri");
    }
    for redirect in [L, "http://127.0.0.1:3118/callback", "http://[::1]:3118/callback"] {
        Asking::of(&client.id, redirect).get(&world).await.expect(200);
    }
}

async fn only_the_port_may_differ(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::register(&world, &[L]).await;
    for redirect in ["http://localhost:65000/callback", "http://localhost:1024/callback", "http://localhost/callback"] {
        Asking::of(&client.id, redirect).get(&world).await.expect(200);
    }
    for redirect in [
        "http://localhost:3118/other",
        "http://localhost:3118/callback/",
        "http://localhost:3118/callback?x=1",
        "http://localhost:3118/",
        "http://localhost:3118",
        "https://localhost:3118/callback",
        "http://127.0.0.1:3118/callback",
        "http://[::1]:3118/callback",
        "http://localhost:0/callback",
        "http://localhost:80/callback",
        "http://localhost:1023/callback",
        "http://localhost:65536/callback",
        "http://localhost:03118/callback",
        "http://localhost:/callback",
        "http://localhost:3118@evil.example/callback",
        "http://localhost:3118.evil.example/callback",
    ] {
        is_page(&Asking::of(&client.id, redirect).get(&world).await);
    }
    // The port that was asked for is where the code goes, and is part of what the code is bound to.
    let elsewhere = at(&client, "http://localhost:65000/callback");
    let (code, verifier) = code_of(&elsewhere, &mut Browser::of("ada")).await;
    is_error(&client.redeem(&code, &verifier).await, 400, "invalid_grant");
    elsewhere.redeem(&code, &verifier).await.expect(200);
}

const EXECUTED: [&str; 15] = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "java\tscript:alert(1)",
    "javascript://claude.ai/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "blob:https://claude.ai/x",
    "about:blank",
    "view-source:https://claude.ai/",
    "filesystem:https://claude.ai/x",
    "ftp://a.example/cb",
    "ws://a.example/cb",
    "mailto:a@a.example",
    "urn:ietf:wg:oauth:2.0:oob",
];

/// No operator can list one of them either: a server that is told to does not start.
async fn schemes_that_do_something(ground: &Ground) {
    let directory = dcr_e2e::Directory::new();
    let host = DocumentHost::start(directory.path()).await;
    let world = crate::surfaces::documents::world(ground, &host).await;
    for (n, redirect) in EXECUTED.into_iter().enumerate() {
        is_page(&Asking::of(U, redirect).get(&world).await);
        is_error(&register(&world, &json!({"redirect_uris": [redirect]})).await, 400, "invalid_redirect_uri");
        let path = format!("/client-{n}.json");
        host.serve(&path, &json!({"client_id": host.url(&path), "client_name": "X", "redirect_uris": [redirect]}));
        is_page(&Asking::of(&host.url(&path), redirect).get(&world).await);
        // Beside a good one it is left out, and not honoured.
        let kept = register(&world, &json!({"redirect_uris": [redirect, L]})).await.expect(201).json();
        assert_eq!(kept["redirect_uris"], json!([L]));
        is_page(&Asking::of(kept["client_id"].as_str().unwrap(), redirect).get(&world).await);
    }
}

async fn plain_http_elsewhere(ground: &Ground) {
    let world = ground.world().await;
    for redirect in [
        "http://a.example/cb",
        "http://192.168.1.1/cb",
        "https://a.example/cb#",
        "https://a.example/cb#fragment",
        "http://localhost:3118/cb#x",
        "https://user@a.example/cb",
        "https://user:pw@a.example/cb",
        "https://*.a.example/cb",
        "https://a.example/cb?code=x",
        "https://a.example/cb?x=1&state=y",
        "https://a.example/cb?%69ss=z",
        "/relative",
        "",
    ] {
        is_error(&register(&world, &json!({"redirect_uris": [redirect]})).await, 400, "invalid_redirect_uri");
    }
}

async fn hosts_are_compared_by_label(ground: &Ground) {
    let world = ground.world_with(|options| options.registration = Some("platforms+loopback".to_owned())).await;
    for redirect in [
        "https://evilclaude.ai/api/mcp/auth_callback",
        "https://claude.ai.evil.example/api/mcp/auth_callback",
        "https://sub.claude.ai/api/mcp/auth_callback",
        "https://claude-ai/api/mcp/auth_callback",
        "https://claudexai/api/mcp/auth_callback",
        "https://chatgpt.com/connector/oauth/a/b",
        "https://chatgpt.com/connector/oauth/",
        "https://chatgpt.com/connector/oauth/a%2fb",
        "https://chatgpt.com/connector/oauth/a?b=c",
        "https://localhost.evil.example/cb",
    ] {
        is_page(&Asking::of(U, redirect).get(&world).await);
        is_error(&register(&world, &json!({"redirect_uris": [redirect]})).await, 400, "invalid_redirect_uri");
    }
    Asking::of(U, "https://chatgpt.com/connector/oauth/aB_9-").get(&world).await.expect(200);
}

async fn https_on_loopback_is_no_program(ground: &Ground) {
    let world = ground.world().await;
    for redirect in
        ["https://localhost:3118/cb", "https://127.0.0.1/cb", "http://localhost:443/cb", "http://127.0.0.1:22/"]
    {
        is_page(&Asking::of(U, redirect).get(&world).await);
    }
    is_error(
        &register(&world, &json!({"redirect_uris": ["http://localhost:22/cb"]})).await,
        400,
        "invalid_redirect_uri",
    );
    // https is an address like any other: registered, and not trusted with errors.
    let client = Client::register(&world, &["https://localhost:3118/cb"]).await;
    is_page(&Asking::of(&client.id, &client.redirect).with("prompt", "none").get(&world).await);
}

async fn custom_schemes_are_listed(ground: &Ground) {
    const LISTED: &str = "com.example.app:/oauth";
    let world = ground.world_with(|options| options.custom_redirects = Some(LISTED.to_owned())).await;
    let client = Client::register(&world, &[LISTED]).await;
    client.sign_in(&mut Browser::of("ada")).await;
    for redirect in [
        "com.example.app:/oauth/",
        "com.example.app:/oauth?x=1",
        "com.example.app://oauth",
        "com.example.app:/oauth\"><script>",
        "com.example.app:/oauth;calc",
        "COM.example.app:/oauth",
        "com.example.other:/oauth",
    ] {
        is_page(&Asking::of(&client.id, redirect).get(&world).await);
        is_error(&register(&world, &json!({"redirect_uris": [redirect]})).await, 400, "invalid_redirect_uri");
    }
    is_page(&Asking::of(U, LISTED).get(&world).await);
}

async fn hosts_in_punycode(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::register(&world, &["https://example.org/cb", "https://xn--bcher-kva.example/cb"]).await;
    for redirect in [
        "https://example.org.xn--/cb",
        "https://xn--example-.org/cb",
        "https://xn--example.org-/cb",
        "https://exa\u{ad}mple.org/cb",
        "https://xn--exmple-jta.org/cb",
        "https://b\u{fc}cher.example/cb",
        "https://XN--BCHER-KVA.example/cb",
        "https://xn--bcher-kva.xn--example-/cb",
        "https://b%C3%BCcher.example/cb",
    ] {
        is_page(&Asking::of(&client.id, redirect).get(&world).await);
    }
    for masked in [
        "https://xn--example-.org/cb",
        "https://xn--/cb",
        "https://exa\u{ad}mple.org/cb",
        "https://b\u{fc}cher.example/cb",
    ] {
        is_error(&register(&world, &json!({"redirect_uris": [masked]})).await, 400, "invalid_redirect_uri");
    }
}
