//! I-15: both adapters answer the same request with the same bytes. Two engines that are made alike, one behind each
//! adapter, get the same raw requests on real sockets; status line, headers (their names, values and order) and body must
//! be equal. Four things are not compared: the `date`; where among the headers `connection` stands, which the HTTP library
//! adds for itself; where a chunked body is cut, which is a matter of timing; and the MCP session id, which the MCP library
//! draws at random. What a carried service sees is compared too, with two differences of the frameworks evened out: a host
//! that is in the target only, and how a body that broke off is worded (both in `pair::mirror`).

mod pages;
mod pair;
mod tools;

use dcr_core::MAX_BODY;
use dcr_e2e::raw::{Answer, Raw};
use serde_json::{Value, json};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::pair::{Pair, SESSION};

const METHODS: [&str; 11] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "X-ODD"];
const PAGE: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
const POSTED: [&str; 5] = ["/oauth/register", "/oauth/consent", "/oauth/token", "/oauth/revoke", "/oauth/introspect"];
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const RESOURCE: &str = "https://mcp.example/mcp";
const PLATFORM: &str = "https://claude.ai/api/mcp/auth_callback";
const LOOPBACK: &str = "http://localhost:3118/callback";

fn encode(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Says how many were compared, and that they were not fewer than there should be.
#[expect(clippy::print_stdout, reason = "the figure is the point")]
fn report(pair: Pair, at_least: usize) {
    let (compared, silent) = pair.finish();
    println!("{compared} requests were answered alike by both adapters, {silent} of them with nothing");
    assert!(compared - silent >= at_least, "only {compared}, {silent} of them with nothing");
}

#[tokio::test]
async fn every_path_and_method() {
    let mut pair = Pair::start().await;
    for path in pair.paths() {
        for method in METHODS {
            let request = Raw::new(method, &path);
            pair.ask(request.clone().header(PAGE.0, PAGE.1)).await;
            pair.ask(request.clone().header("Origin", "https://app.example")).await;
            pair.ask(Raw::new(method, &format!("{path}?a=1&b")).body("{}")).await;
        }
        for asked in ["POST", "GET", "DELETE"] {
            let preflight = Raw::new("OPTIONS", &path).header("Origin", "https://app.example");
            let preflight = preflight.header("Access-Control-Request-Method", asked);
            pair.ask(preflight.header("Access-Control-Request-Headers", "authorization, content-type")).await;
        }
    }
    report(pair, 600);
}

/// The 404 of an unknown path is the framework's. It happens to be the same one, and nothing of ours is in it.
#[tokio::test]
async fn paths_that_only_look_like_ours() {
    let mut pair = Pair::start().await;
    for path in pair.paths() {
        let last = path.rsplit('/').next().unwrap_or_default();
        let encoded = format!("{}%{:02x}{}", &path[..path.len() - last.len()], last.as_bytes()[0], &last[1..]);
        for other in [
            format!("{path}/"),
            format!("{path}/x"),
            format!("{path}x"),
            format!("/{path}"),
            format!("{path}//"),
            format!("/x/..{path}"),
            format!("{path};v=1"),
            format!("{path}%00"),
            format!("{path}%2f"),
            path.to_uppercase(),
            encoded,
        ] {
            for method in ["GET", "POST", "OPTIONS"] {
                let answer = pair.ask(Raw::new(method, &other).header(PAGE.0, PAGE.1)).await;
                // Below the MCP server's path it is the guard that answers.
                let expected = if other.starts_with("/mcp/") { 401 } else { 404 };
                assert_eq!(answer.status(), expected, "{method} {other}");
            }
        }
    }
    for other in ["/", "/oauth", "/oauth/", "/.well-known", "/.well-known/", "/mcpx", "/x", "/{path}", "/*"] {
        pair.ask(Raw::get(other)).await;
    }
    report(pair, 600);
}

#[tokio::test]
async fn bodies_of_every_kind() {
    let mut pair = Pair::start().await;
    let form = "application/x-www-form-urlencoded";
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"{}".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"{\"redirect_uris\":[\"https://app.example/cb\"]}".to_vec(),
        b"{\"redirect_uris\":[\"https://app.example/cb\"]".to_vec(),
        b"{\"redirect_uris\":[\"javascript:0\"]}".to_vec(),
        b"\xff\xfe".to_vec(),
        b"grant_type=authorization_code&code=x&client_id=y".to_vec(),
        b"grant_type=refresh_token&refresh_token=x&client_id=y".to_vec(),
        b"grant_type=a&grant_type=a".to_vec(),
        b"grant_type=%zz&a=%ff&=&&b".to_vec(),
        b"token=x&token_type_hint=refresh_token".to_vec(),
        b"request=x&decision=approve".to_vec(),
        vec![b'a'; 16 * 1024],
        vec![b'a'; 16 * 1024 + 1],
        vec![b'a'; MAX_BODY],
        vec![b'a'; MAX_BODY + 1],
    ];
    for path in POSTED {
        for body in &bodies {
            for kind in [form, "application/json", "text/plain", "Application/JSON; charset=utf-8", "nonsense"] {
                let request = Raw::new("POST", path).header("Content-Type", kind);
                pair.ask(request.clone().body(body.clone())).await;
                if kind == form {
                    pair.ask(request.clone().chunked(body, 1000)).await;
                    pair.ask(request.clone().header("Content-Encoding", "gzip").body(body.clone())).await;
                    let basic = request.header("Authorization", "Basic cnM6cnMtc2VjcmV0");
                    pair.ask(basic.header(PAGE.0, PAGE.1).body(body.clone())).await;
                }
            }
        }
        pair.ask(Raw::new("POST", path)).await;
        pair.ask(Raw::new("POST", path).header("Content-Type", form).header("Content-Type", form).body("a=b")).await;
        pair.ask(Raw::new("POST", path).header("Content-Type", [0xff]).body("a=b")).await;
        pair.ask(Raw::form(path, "a=b").header("Content-Encoding", "identity")).await;
        pair.ask(Raw::form(&format!("{path}?client_id=x"), "client_id=x")).await;
    }
    report(pair, 700);
}

/// Bodies that lie about themselves or do not end. What the HTTP library refuses is in here as well: it is the same one,
/// but a framework could set it up otherwise.
#[tokio::test]
async fn bodies_that_break_off() {
    let mut pair = Pair::start().await;
    let registration = b"{\"redirect_uris\":[\"https://app.example/cb\"]}";
    for path in ["/oauth/register", "/oauth/token", "/open/x"] {
        let post = || Raw::new("POST", path).header("Content-Type", "application/json");
        let whole = registration.len();
        // Everything that was announced has to come: what came so far would be a registration.
        let more = (whole + 1).to_string();
        let answer = pair.ask(post().header("Content-Length", &more).unframed(*registration).breaking_off()).await;
        assert_ne!(answer.status(), 201, "{answer:?}");
        let chunk = [format!("{whole:x}\r\n").as_bytes(), registration, b"\r\n"].concat();
        for end in [&b""[..], b"zz\r\n", b"5\r\nab", b"0\r\nX: ", b"-1\r\n\r\n", b"ffffffffffffffffff\r\n"] {
            let body = [&chunk, end].concat();
            let answer = pair.ask(post().header("Transfer-Encoding", "chunked").unframed(body).breaking_off()).await;
            assert_ne!(answer.status(), 201, "{answer:?}");
        }
        let trailers = [&chunk, &b"0\r\nX-Trailer: 1\r\n\r\n"[..]].concat();
        pair.ask(post().header("Transfer-Encoding", "chunked").unframed(trailers)).await;
        let extended = [format!("{whole:x};name=value\r\n").as_bytes(), registration, b"\r\n0\r\n\r\n"].concat();
        pair.ask(post().header("Transfer-Encoding", "chunked").unframed(extended)).await;
        // Announced as endless, and refused once it is too long: nobody waits for the rest.
        let flood = vec![b'a'; MAX_BODY + 1];
        if path != "/open/x" {
            pair.ask(post().header("Content-Length", "1000000000").unframed(flood)).await;
        }
        pair.ask(post().header("Expect", "100-continue").body(*registration)).await;
        for length in ["-1", "x", "1, 1", "1, 2", "99999999999999999999999", "+1", ""] {
            pair.ask(post().header("Content-Length", length).unframed("a").breaking_off()).await;
        }
        pair.ask(post().header("Content-Length", "1").header("Content-Length", "2").unframed("ab")).await;
        pair.ask(post().header("Content-Length", "2").header("Content-Length", "2").unframed("ab")).await;
        pair.ask(post().header("Transfer-Encoding", "gzip").unframed("ab").breaking_off()).await;
        let smuggled = post().header("Content-Length", "5").header("Transfer-Encoding", "chunked");
        pair.ask(smuggled.unframed("0\r\n\r\nGET /oauth/token HTTP/1.1\r\n\r\n").breaking_off()).await;
        pair.ask(Raw::get(path).header("Content-Length", "2").unframed("ab")).await;
    }
    report(pair, 60);
}

#[tokio::test]
async fn targets_and_heads_of_every_kind() {
    let mut pair = Pair::start().await;
    let long = "a".repeat(20_000);
    for (method, path) in
        [("GET", "/oauth/authorize"), ("GET", "/oauth/callback"), ("POST", "/oauth/token"), ("GET", "/open/%2e%2E/%2F")]
    {
        for query in [
            "?",
            "??",
            "?a=%zz",
            "?state=%ff%fe",
            "?state=%00",
            "?state=a+b%20c",
            "?client_id=a&client_id=a",
            "?=&&=",
            "?a[]=1;b",
            "?\"<>`{}|",
            "?a=b#fragment",
            "?client_id=https://app.example/client.json",
            "?client_id=%F0%9F%98%80&redirect_uri=https%3A%2F%2Fevil.example%2Fcb",
        ] {
            for accept in ["text/html", "application/json", "*/*", "text/html;q=0, application/json", "\u{e9}"] {
                pair.ask(Raw::new(method, &format!("{path}{query}")).header("Accept", accept)).await;
            }
        }
        pair.ask(Raw::new(method, &format!("{path}?state={long}"))).await;
        pair.ask(Raw::new(method, &format!("{path}?state={}", "a".repeat(70_000)))).await;
        pair.ask(Raw::new(method, &format!("{path}?\u{e9}=\u{e9}"))).await;
        pair.ask(Raw::bare(&format!("{method} http://mcp.example{path}?a HTTP/1.1")).header("Host", "mcp.example"))
            .await;
        pair.ask(Raw::bare(&format!("{method} https://other.example{path} HTTP/1.1")).header("Host", "x.example"))
            .await;
        pair.ask(Raw::bare(&format!("{method} http://mcp.example{path} HTTP/1.1"))).await;
        for line in ["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", ""] {
            pair.ask(Raw::bare(&format!("{method} {path} {line}"))).await;
        }
        pair.ask(Raw::bare(&format!("{method} {path} HTTP/1.0")).header("Host", "mcp.example")).await;
        pair.ask(Raw::bare(&format!("{method}  {path} HTTP/1.1"))).await;
        for (name, value) in [
            ("Host", "second.example"),
            ("Host", ""),
            ("X-Forwarded-Host", "evil.example"),
            ("Forwarded", "host=evil.example;proto=http"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("Cookie", "__Host-dcr-csrf-x=y; __Host-dcr-tx-x=y; a"),
            ("Cookie", "\u{e9}=\u{e9}"),
            ("Origin", "null"),
            ("Range", "bytes=0-1"),
            ("If-None-Match", "*"),
            ("Accept-Encoding", "gzip, br"),
            ("Upgrade", "websocket"),
            ("TE", "trailers"),
            ("X-Empty", ""),
            ("X-Long", long.as_str()),
            ("Bad Name", "x"),
            ("Accept ", "text/html"),
            ("X-Bare", "a\rb"),
            ("X-Null", "a\0b"),
        ] {
            pair.ask(Raw::new(method, path).header(name, value)).await;
        }
        let many = (0..90).fold(Raw::new(method, path), |request, n| request.header(&format!("X-{n}"), "x"));
        pair.ask(many.clone()).await;
        pair.ask((0..20).fold(many, |request, n| request.header(&format!("Y-{n}"), "y"))).await;
    }
    for line in ["OPTIONS * HTTP/1.1", "CONNECT mcp.example:443 HTTP/1.1", "GET oauth/token HTTP/1.1", "nonsense"] {
        pair.ask(Raw::bare(line).header("Host", "mcp.example")).await;
    }
    let document = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: mcp.example\r\n\r\n";
    let token = "POST /oauth/token HTTP/1.1\r\nHost: mcp.example\r\nContent-Length: 2\r\n\r\n{}";
    let head = "HEAD /oauth/authorize HTTP/1.1\r\nHost: mcp.example\r\n\r\n";
    let service = "GET /open HTTP/1.1\r\nHost: mcp.example\r\n\r\n";
    let last = "GET /oauth/callback HTTP/1.1\r\nHost: mcp.example\r\nConnection: close\r\n\r\n";
    pair.pipeline([document, token, head, service, last].concat().as_bytes()).await;
    report(pair, 300);
}

#[tokio::test]
async fn refusals_and_answers_of_guarded_routes() {
    let mut pair = Pair::start().await;
    let ada = pair.sign_in("Ada", &["mcp", "mcp:admin"]).await;
    let narrow = pair.sign_in("Ada", &["mcp"]).await;
    let (good, few) = (format!("Bearer {}", ada.token()), format!("Bearer {}", narrow.token()));
    let forged = format!("{}x", &good[..good.len() - 1]);
    let lower = good.replace("Bearer", "bearer");
    let spaced = good.replace("Bearer ", "Bearer   ");
    let both = format!("{good}, {good}");
    let in_query = format!("?access_token={}", ada.token());
    let tokens: [&[u8]; 13] = [
        good.as_bytes(),
        few.as_bytes(),
        forged.as_bytes(),
        lower.as_bytes(),
        spaced.as_bytes(),
        both.as_bytes(),
        b"Bearer",
        b"Bearer ",
        b"Bearer a b",
        b"Bearer \xff",
        b"Basic cnM6cnMtc2VjcmV0",
        b"",
        b"nonsense",
    ];
    for route in ["/protected", "/admin", "/mirror", "/mirror/deep/%2F?q=%ff&q", "/mcp"] {
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PROPFIND"] {
            pair.ask(Raw::new(method, route)).await;
            pair.ask(Raw::new(method, &format!("{route}{in_query}"))).await;
            for token in tokens {
                pair.ask(Raw::new(method, route).header("Authorization", token)).await;
            }
            let twice = Raw::new(method, route).header("Authorization", &good).header("Authorization", &good);
            pair.ask(twice).await;
            let foreign = Raw::new(method, route).header("Authorization", &good);
            pair.ask(foreign.clone().header("Mcp-Session-Id", "made-up")).await;
            pair.ask(foreign.clone().header("Mcp-Session-Id", "a").header("Mcp-Session-Id", "b")).await;
            pair.ask(foreign.header("Mcp-Session-Id", [0xff])).await;
        }
        // A body that nobody asked for.
        pair.ask(Raw::json(route, "{}")).await;
        pair.ask(Raw::json(route, vec![b'a'; MAX_BODY * 2]).header("Authorization", &good)).await;
        pair.ask(Raw::new("POST", route).header("Authorization", &good).chunked(&[b'a'; 5000], 7)).await;
    }
    // Expired, and then revoked.
    pair.each(|test| test.clock().advance(std::time::Duration::from_secs(24 * 60 * 60)));
    for route in ["/protected", "/admin", "/mirror", "/mcp"] {
        pair.ask(Raw::get(route).header("Authorization", &good)).await;
    }
    // The store is gone: 503, never a challenge.
    let again = format!("Bearer {}", pair.sign_in("Ada", &["mcp", "mcp:admin"]).await.token());
    pair.each(|test| test.clock().advance(std::time::Duration::from_secs(120)));
    pair.each(|test| test.memory().fail(true));
    for route in ["/protected", "/admin", "/mirror", "/mcp"] {
        let answer = pair.ask(Raw::get(route).header("Authorization", &again)).await;
        assert_eq!((answer.status(), answer.header("www-authenticate")), (503, None));
    }
    report(pair, 500);
}

/// rmcp under the same guard: what it refuses, and a session from its beginning to its end.
#[tokio::test]
async fn an_mcp_server_behind_the_guard() {
    let mut pair = Pair::start().await;
    let ada = format!("Bearer {}", pair.sign_in("Ada", &["mcp"]).await.token());
    let bob = format!("Bearer {}", pair.sign_in("Bob", &["mcp"]).await.token());
    let accept = ("Accept", "application/json, text/event-stream");
    let post = |body: Value| {
        let request = Raw::json("/mcp", body.to_string()).header(accept.0, accept.1).header("Authorization", &ada);
        request.header("Mcp-Protocol-Version", "2025-06-18")
    };
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}
    }});
    let ping = json!({"jsonrpc": "2.0", "id": 7, "method": "ping"});

    pair.ask(Raw::json("/mcp", hello.to_string()).header("Authorization", &ada)).await; // no Accept
    pair.ask(Raw::form("/mcp", "a=b").header(accept.0, accept.1).header("Authorization", &ada)).await;
    pair.ask(Raw::json("/mcp", "{").header(accept.0, accept.1).header("Authorization", &ada)).await;
    // One byte more than rmcp reads.
    let long = vec![b' '; 4 * 1024 * 1024 + 1];
    let too_long = pair.ask(Raw::json("/mcp", long).header(accept.0, accept.1).header("Authorization", &ada)).await;
    assert_eq!(too_long.status(), 413);
    pair.ask(post(ping.clone())).await; // no session
    pair.ask(Raw::bare("POST /mcp HTTP/1.1").header("Authorization", &ada)).await; // no Host
    for method in ["GET", "DELETE", "PUT", "HEAD"] {
        pair.ask(Raw::new(method, "/mcp").header("Authorization", &ada)).await;
        pair.ask(Raw::new(method, "/mcp/").header("Authorization", &ada).header("Host", "evil.example")).await;
    }
    let opened = pair.ask(post(hello)).await;
    assert_eq!((opened.status(), opened.header("mcp-session-id")), (200, Some(SESSION)));
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(pair.ask(post(ready).header("Mcp-Session-Id", SESSION)).await.status(), 202);
    for _ in 0..3 {
        let pong = pair.ask(post(ping.clone()).header("Mcp-Session-Id", SESSION)).await;
        assert_eq!(pong.status(), 200);
        assert!(pong.text().contains("\"id\":7"), "{pong:?}");
    }
    let theirs = Raw::json("/mcp", ping.to_string()).header(accept.0, accept.1).header("Authorization", &bob);
    assert_eq!(pair.ask(theirs.header("Mcp-Session-Id", SESSION)).await.status(), 404, "RS-11");
    let end = Raw::new("DELETE", "/mcp").header("Authorization", &ada).header("Mcp-Session-Id", SESSION);
    pair.ask(end).await;
    assert_eq!(pair.ask(post(ping).header("Mcp-Session-Id", SESSION)).await.status(), 404);
    report(pair, 20);
}

/// A browser's cookies, and what a client keeps.
struct Flow {
    cookies: Vec<(String, String)>,
}

impl Flow {
    async fn visit(&mut self, pair: &mut Pair, target: &str) -> Answer {
        self.send(pair, Raw::get(target)).await
    }

    async fn send(&mut self, pair: &mut Pair, request: Raw) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header(PAGE.0, PAGE.1);
        let answer =
            pair.ask(if cookies.is_empty() { request } else { request.header("Cookie", cookies.join("; ")) }).await;
        for line in answer.head.iter().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !line.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    async fn decide(&mut self, pair: &mut Pair, page: &Answer, decision: &str) -> Answer {
        let html = page.text();
        let sealed = html.split("name=\"request\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let form = Raw::form("/oauth/consent", encode(&[("request", sealed), ("decision", decision)]));
        self.send(pair, form.header("Origin", "https://mcp.example").header("Sec-Fetch-Site", "same-origin")).await
    }
}

fn parameter(answer: &Answer, name: &str) -> String {
    let location = Url::parse(answer.header("location").unwrap_or_else(|| panic!("{answer:?}"))).unwrap();
    let value = location.query_pairs().find(|(this, _)| this == name).map(|(_, value)| value.into_owned());
    value.unwrap_or_else(|| panic!("no {name}: {answer:?}"))
}

fn authorize(client: &str, redirect: &str) -> String {
    let query = encode(&[
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", redirect),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "client-state \u{e9}"),
        ("resource", RESOURCE),
    ]);
    format!("/oauth/authorize?{query}")
}

#[tokio::test]
async fn whole_sign_ins_and_what_goes_wrong_in_them() {
    let mut pair = Pair::start().await;
    for (redirect, method) in [
        (PLATFORM, Some("none")),
        (LOOPBACK, Some("none")),
        ("https://app.example/cb", Some("client_secret_post")),
        ("https://app.example/cb", Some("client_secret_basic")),
        (PLATFORM, None), // adopted
        (LOOPBACK, None),
    ] {
        let (client, secret) = match method {
            Some(method) => {
                let metadata = json!({
                    "client_name": "Na\u{ef}ve <client>", "redirect_uris": [redirect], "token_endpoint_auth_method": method
                });
                let answer = pair.ask(Raw::json("/oauth/register", metadata.to_string())).await;
                assert_eq!(answer.status(), 201, "{answer:?}");
                let answer: Value = serde_json::from_slice(&answer.body).unwrap();
                (answer["client_id"].as_str().unwrap().to_owned(), answer["client_secret"].as_str().map(str::to_owned))
            }
            None => ("an-id-from-long-ago".to_owned(), None),
        };
        let mut flow = Flow { cookies: Vec::new() };

        // No, then trouble upstream, then yes.
        let page = flow.visit(&mut pair, &authorize(&client, redirect)).await;
        assert_eq!(page.status(), 200, "{page:?}");
        flow.decide(&mut pair, &page, "deny").await;
        flow.decide(&mut pair, &page, "maybe").await;
        for trouble in
            ["error=access_denied", "error=server_error&error_description=%ff", "code=busy", "code=invalid", ""]
        {
            let page = flow.visit(&mut pair, &authorize(&client, redirect)).await;
            let upstream = flow.decide(&mut pair, &page, "approve").await;
            let state = parameter(&upstream, "state");
            flow.visit(&mut pair, &format!("/oauth/callback?state={state}&{trouble}")).await;
        }
        let page = flow.visit(&mut pair, &authorize(&client, redirect)).await;
        Flow { cookies: Vec::new() }.decide(&mut pair, &page, "approve").await; // cookies blocked
        let state = parameter(&flow.decide(&mut pair, &page, "approve").await, "state");
        let back = format!("/oauth/callback?state={state}&code=Ada");
        Flow { cookies: Vec::new() }.visit(&mut pair, &back).await; // another browser
        let landed = flow.visit(&mut pair, &back).await;
        assert_eq!(landed.status(), 303, "{landed:?}");
        let code = parameter(&landed, "code");
        flow.visit(&mut pair, &back).await; // reloaded

        let token = |fields: &[(&str, &str)]| {
            let secret = secret.as_deref().unwrap_or_default();
            let mut fields = fields.to_vec();
            match method {
                Some("client_secret_basic") => {
                    use base64::Engine as _;
                    let pair = format!("{}:{}", &encode(&[("", &client)])[1..], &encode(&[("", secret)])[1..]);
                    let basic = base64::engine::general_purpose::STANDARD.encode(pair);
                    Raw::form("/oauth/token", encode(&fields)).header("Authorization", format!("Basic {basic}"))
                }
                Some("client_secret_post") => {
                    fields.extend([("client_id", client.as_str()), ("client_secret", secret)]);
                    Raw::form("/oauth/token", encode(&fields))
                }
                _ => {
                    fields.push(("client_id", &client));
                    Raw::form("/oauth/token", encode(&fields))
                }
            }
        };
        let redeem = |code: &str, verifier: &str| {
            token(&[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", redirect),
                ("code_verifier", verifier),
            ])
        };
        let refresh = |token_: &str| token(&[("grant_type", "refresh_token"), ("refresh_token", token_)]);
        pair.ask(redeem(&code, &VERIFIER.replace('d', "e"))).await;
        pair.ask(redeem(&code[1..], VERIFIER)).await;
        let first = tokens(&pair.ask(redeem(&code, VERIFIER)).await);
        pair.ask(redeem(&code, VERIFIER)).await; // used
        let second = tokens(&pair.ask(refresh(&first.1)).await);
        pair.ask(refresh(&first.1)).await; // inside the grace
        pair.ask(refresh("nonsense")).await;
        pair.ask(token(&[("grant_type", "password"), ("username", "a"), ("password", "b")])).await;
        for route in ["/protected", "/mirror", "/admin", "/mcp"] {
            pair.ask(Raw::new("PUT", route).header("Authorization", format!("Bearer {}", second.0))).await;
        }
        for (path, value) in [
            ("/oauth/introspect", &second.0),
            ("/oauth/introspect", &second.1),
            ("/oauth/revoke", &second.1),
            ("/oauth/introspect", &second.0),
            ("/oauth/revoke", &second.1),
        ] {
            let body = encode(&[("token", value.as_str()), ("client_id", client.as_str())]);
            pair.ask(Raw::form(path, body)).await;
            let body = encode(&[("token", value.as_str())]);
            pair.ask(Raw::form(path, body).header("Authorization", "Basic cnM6cnMtc2VjcmV0")).await;
        }
        pair.ask(refresh(&second.1)).await;
        pair.ask(Raw::get("/protected").header("Authorization", format!("Bearer {}", second.0))).await;
    }
    // With the store gone every step says so, in the same words.
    pair.each(|test| test.memory().fail(true));
    let mut flow = Flow { cookies: Vec::new() };
    let page = flow.visit(&mut pair, &authorize("an-id-from-long-ago", LOOPBACK)).await;
    if page.status() == 200 {
        let state = parameter(&flow.decide(&mut pair, &page, "approve").await, "state");
        let answer = flow.visit(&mut pair, &format!("/oauth/callback?state={state}&code=Ada")).await;
        assert_eq!(answer.status(), 503, "{answer:?}");
    }
    for path in POSTED {
        pair.ask(Raw::form(path, "grant_type=refresh_token&refresh_token=x&client_id=y&token=x")).await;
    }
    report(pair, 200);
}

fn tokens(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status(), 200, "{answer:?}");
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

/// RFC 7592, on both: a registration reads, changes and deletes itself.
#[tokio::test]
async fn a_registration_that_manages_itself() {
    let mut pair = Pair::start().await;
    let metadata = json!({"redirect_uris": [PLATFORM], "token_endpoint_auth_method": "client_secret_post"});
    let registered = pair.ask(Raw::json("/oauth/register", metadata.to_string())).await;
    assert_eq!(registered.status(), 201);
    let registered: Value = serde_json::from_str(&registered.text()).unwrap();
    let target = registered["registration_client_uri"].as_str().unwrap().strip_prefix("https://mcp.example").unwrap();
    let bearer = |answer: &Value| format!("Bearer {}", answer["registration_access_token"].as_str().unwrap());
    let own = |method: &str, token: &str| Raw::new(method, target).header("Authorization", token);
    let token = bearer(&registered);
    assert_eq!(pair.ask(own("GET", &token)).await.status(), 200);
    assert_eq!(pair.ask(own("HEAD", &token)).await.status(), 405);
    assert_eq!(pair.ask(own("GET", "Bearer wrong")).await.status(), 401);
    assert_eq!(pair.ask(Raw::get(target)).await.status(), 401);
    let mut change = metadata;
    change["client_id"] = registered["client_id"].clone();
    change["client_name"] = json!("Renamed");
    let put =
        |token: &str, body: &Value| own("PUT", token).header("Content-Type", "application/json").body(body.to_string());
    assert_eq!(pair.ask(put(&token, &json!({}))).await.status(), 400);
    assert_eq!(pair.ask(own("PUT", &token).body("{}")).await.status(), 415);
    let changed = pair.ask(put(&token, &change)).await;
    assert_eq!(changed.status(), 200);
    let next = bearer(&serde_json::from_str(&changed.text()).unwrap());
    assert_eq!(pair.ask(own("GET", &token)).await.status(), 401, "OP-1");
    assert_eq!(pair.ask(own("DELETE", &next)).await.status(), 204);
    assert_eq!(pair.ask(own("DELETE", &next)).await.status(), 401, "AD-8");
    let id = registered["client_id"].as_str().unwrap();
    let page = pair.ask(Raw::get(&authorize(id, PLATFORM)).header(PAGE.0, PAGE.1)).await;
    assert_eq!(page.status(), 400);
    report(pair, 12);
}

/// RFC 6749 section 4.4, on both: a program without a person.
#[tokio::test]
async fn a_machine_with_a_token_of_its_own() {
    let mut pair = Pair::start().await;
    let ask = |more: &[(&str, &str)]| {
        let fields = [("grant_type", "client_credentials"), ("client_id", "job")];
        Raw::form("/oauth/token", encode(&[&fields[..], more].concat()))
    };
    assert_eq!(pair.ask(ask(&[])).await.status(), 401);
    assert_eq!(pair.ask(ask(&[("client_secret", "wrong")])).await.status(), 401);
    assert_eq!(pair.ask(ask(&[("client_secret", "job-secret"), ("scope", "x")])).await.status(), 400);
    let answer = pair.ask(ask(&[("client_secret", "job-secret"), ("scope", "mcp")])).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    let answer: Value = serde_json::from_str(&answer.text()).unwrap();
    let token = answer["access_token"].as_str().unwrap();
    let authorization = format!("Bearer {token}");
    for (target, status) in [("/protected", 200), ("/mirror/x", 203), ("/admin", 403)] {
        assert_eq!(
            pair.ask(Raw::get(target).header("Authorization", &authorization)).await.status(),
            status,
            "{target}"
        );
    }
    let own = |endpoint: &str| {
        let fields = [("client_id", "job"), ("client_secret", "job-secret"), ("token", token)];
        Raw::form(endpoint, encode(&fields))
    };
    assert_eq!(pair.ask(own("/oauth/introspect")).await.status(), 200);
    assert_eq!(pair.ask(own("/oauth/revoke")).await.status(), 400);
    report(pair, 9);
}

/// A client in a web page asks beforehand, without its token, and reads what it needs of the answers.
#[tokio::test]
async fn clients_in_web_pages_reach_the_mcp_server() {
    let mut pair = Pair::start().await;
    let ada = format!("Bearer {}", pair.sign_in("Ada", &["mcp"]).await.token());
    let preflight = |target: &str| {
        let asked = Raw::new("OPTIONS", target).header("Origin", "https://app.example");
        asked.header("Access-Control-Request-Method", "POST").header("Access-Control-Request-Headers", "authorization")
    };
    let allowed = pair.ask(preflight("/mcp")).await;
    assert_eq!((allowed.status(), allowed.header("access-control-allow-origin")), (204, Some("*")));
    assert!(allowed.header("access-control-allow-headers").unwrap().contains("mcp-session-id"));
    assert!(allowed.header("access-control-allow-credentials").is_none());
    // No preflight without both of its headers; and only where the host wants it.
    assert_eq!(pair.ask(Raw::new("OPTIONS", "/mcp").header("Origin", "https://app.example")).await.status(), 401);
    assert_eq!(pair.ask(preflight("/mirror/x")).await.status(), 401);
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "page", "version": "0"}
    }});
    let posted = Raw::json("/mcp", hello.to_string()).header("Accept", "application/json, text/event-stream");
    let opened = pair.ask(posted.header("Authorization", &ada).header("Origin", "https://app.example")).await;
    assert_eq!((opened.status(), opened.header("access-control-allow-origin")), (200, Some("*")));
    assert!(opened.header("access-control-expose-headers").unwrap().contains("Mcp-Session-Id"));
    report(pair, 4);
}

/// The console and one's own connections, on both: below the console's path everything is answered.
#[tokio::test]
async fn pages_that_people_sign_in_to() {
    let mut pair = Pair::start().await;
    let paths = [
        "",
        "/",
        "//",
        "/sign-in",
        "/sign-out",
        "/callback?state=a&code=b",
        "/people/%ff?q=%ff",
        "/disconnect",
        "/../x",
    ];
    for area in ["/oauth/admin", "/oauth/connections"] {
        for path in paths {
            for method in METHODS {
                let raw = |kind: &str| Raw::new(method, &format!("{area}{path}")).header("Accept", kind);
                pair.ask(raw("text/html")).await;
                pair.ask(raw("text/html").header("Origin", "https://app.example")).await;
                let form = raw("text/html").header("Content-Type", "application/x-www-form-urlencoded");
                pair.ask(form.header("Sec-Fetch-Site", "same-origin").body("token=x&next=/oauth/admin/y")).await;
            }
        }
        let cookie = sign_in_to(&mut pair, area).await;
        let page = pair.ask(Raw::get(area).header("Cookie", &cookie).header("Accept", "text/html")).await;
        assert_eq!(page.status(), 200);
        assert!(String::from_utf8_lossy(&page.body).contains("ada@test.example"));
    }
    report(pair, 300);
}

/// Presses the button, and comes back as Ada; the `Cookie` header of who is signed in.
async fn sign_in_to(pair: &mut Pair, area: &str) -> String {
    let pressed = Raw::new("POST", &format!("{area}/sign-in")).header("Sec-Fetch-Site", "same-origin");
    let sent = pair.ask(pressed.header("Content-Type", "application/x-www-form-urlencoded").body("next=")).await;
    let of = |answer: &Answer| answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let (_, state) = sent.header("location").unwrap().split_once("state=").unwrap();
    let state = state.split('&').next().unwrap();
    let back = Raw::get(&format!("/oauth/callback?state={state}&code=Ada")).header("Accept", "text/html");
    of(&pair.ask(back.header("Cookie", of(&sent))).await)
}

/// The admin API, on both: below its path everything is answered, by the bytes of the path as they came.
#[tokio::test]
async fn the_admin_api() {
    let mut pair = Pair::start().await;
    let ada = pair.sign_in("Ada", &["mcp"]).await;
    let base = "/oauth/admin/api/v1";
    let bearer = format!("Bearer {}", pair::ADMIN_TOKEN);
    let user = ada.principal().user_id().to_string();
    let own = |method: &str, path: &str| Raw::new(method, &format!("{base}{path}")).header("Authorization", &bearer);
    let paths = [
        "".to_owned(),
        "/".to_owned(),
        "//".to_owned(),
        "/openapi.json".to_owned(),
        "/users".to_owned(),
        "/users/".to_owned(),
        "/users?q=ada&limit=1".to_owned(),
        "/users?q=%ff".to_owned(),
        "/users?colour=red".to_owned(),
        "/%75sers".to_owned(),
        "/users/%2e%2e/users".to_owned(),
        format!("/users/{user}"),
        format!("/users/{user}/connections"),
        format!("/users/{user}/timeline"),
        format!("/users/{user}/block"),
        "/events?kind=signed_in".to_owned(),
        "/events.jsonl".to_owned(),
        "/funnel".to_owned(),
        "/platforms".to_owned(),
        "/blocks?kind=user".to_owned(),
        "/events?actor=admin_token&reason=x".to_owned(),
        "/client-ids".to_owned(),
        "/client-ids?client_id=https%3A%2F%2Fa.example%2Fb".to_owned(),
        "/references/0000-0000".to_owned(),
    ];
    for path in &paths {
        for method in METHODS {
            pair.ask(own(method, path)).await;
            pair.ask(own(method, path).header("Content-Type", "application/json").body(r#"{"reason":"a test"}"#)).await;
            pair.ask(Raw::new(method, &format!("{base}{path}")).header("Origin", "https://app.example")).await;
        }
    }
    assert_eq!(pair.ask(own("GET", "/users")).await.status(), 200);
    assert_eq!(pair.ask(Raw::get("/oauth/adminx")).await.status(), 404, "the framework's");
    let block = format!("/users/{user}/revoke");
    for body in ["", "{}", r#"{"reason":"a test"}"#, r#"{"reason":"a","b":1}"#] {
        pair.ask(own("POST", &block).body(body)).await;
        pair.ask(own("POST", &block).header("Content-Type", "application/json").body(body)).await;
        pair.ask(own("POST", &block).header("Content-Type", "application/json; charset=utf-8").body(body)).await;
    }
    let large = "x".repeat(100_000);
    pair.ask(own("POST", &block).header("Content-Type", "application/json").body(large)).await;
    report(pair, 300);
}
