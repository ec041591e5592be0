//! A world in one process: the engine on memory, a clock that stands, a browser with a cookie jar, and MCP clients.
//! Everything goes through `DcrEngine::handle`, as an adapter would hand it in.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::allow_attributes,
    reason = "each test file uses its own part of this"
)]

pub mod people;
pub mod web;

use std::collections::BTreeMap;

use bytes::Bytes;
use dcr_core::testing::TestEngine;
use dcr_core::{DcrEngine, DcrEngineBuilder};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

pub const ISSUER: &str = "https://mcp.example";
pub const RESOURCE: &str = "https://mcp.example/mcp";
/// Claude.ai's callback: a platform.
pub const P: &str = "https://claude.ai/api/mcp/auth_callback";
/// A local program.
pub const L: &str = "http://localhost:3118/callback";
/// Somewhere else.
pub const E: &str = "https://evil.example/cb";
/// An id that this server never saw.
pub const U: &str = "f8e0b7c2-3d94-4a07-9c55-0f2b8ad1c3aa";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub struct World {
    pub test: TestEngine,
    pub engine: DcrEngine,
}

/// A browser: cookies by name, as the engine sees them.
#[derive(Default, Clone)]
pub struct Browser {
    pub cookies: BTreeMap<String, String>,
}

/// What a client gets for a code or refresh token.
#[derive(Debug, Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub body: Value,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub async fn with(change: impl FnOnce(DcrEngineBuilder) -> DcrEngineBuilder) -> Self {
        let test = TestEngine::with(change).await;
        Self { engine: test.engine(), test }
    }

    pub async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.engine.handle(request).await
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        self.send(request("GET", path, headers, "")).await
    }

    pub async fn register(&self, metadata: &Value) -> Response<Bytes> {
        let headers = [("content-type", "application/json")];
        self.send(request("POST", "/oauth/register", &headers, &metadata.to_string())).await
    }

    /// Registers a public client and answers its id.
    pub async fn public_client(&self, redirects: &[&str]) -> String {
        let answer = self.register(&json!({ "client_name": "Test", "redirect_uris": redirects })).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "{answer:?}");
        body(&answer)["client_id"].as_str().unwrap().to_owned()
    }

    pub async fn form(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Response<Bytes> {
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        self.send(request("POST", path, &all, &encode(fields))).await
    }

    pub async fn token(&self, fields: &[(&str, &str)]) -> Response<Bytes> {
        self.form("/oauth/token", fields, &[]).await
    }

    /// `GET /oauth/authorize` in a browser.
    pub async fn authorize(&self, browser: &mut Browser, fields: &[(&str, &str)]) -> Response<Bytes> {
        browser.visit(self, &format!("/oauth/authorize?{}", encode(fields))).await
    }

    /// Authorize and approve; answers the upstream `state`.
    pub async fn approve(&self, browser: &mut Browser, fields: &[(&str, &str)]) -> String {
        let page = self.authorize(browser, fields).await;
        assert_eq!(page.status(), StatusCode::OK, "{}", text(&page));
        let sent = self.decide(browser, &page, "approve").await;
        assert_eq!(sent.status(), StatusCode::SEE_OTHER, "{}", text(&sent));
        query_of(&location(&sent))["state"].clone()
    }

    pub async fn decide(&self, browser: &mut Browser, page: &Response<Bytes>, decision: &str) -> Response<Bytes> {
        let sealed = sealed_request(page);
        browser.post(self, "/oauth/consent", &[("request", &sealed), ("decision", decision)]).await
    }

    /// The provider sends the browser back, having logged `person` in.
    pub async fn callback(&self, browser: &mut Browser, state: &str, person: &str) -> Response<Bytes> {
        browser.visit(self, &format!("/oauth/callback?{}", encode(&[("state", state), ("code", person)]))).await
    }

    /// From authorize to the client's redirect; answers the code.
    pub async fn code(&self, id: &str, redirect: &str, person: &str) -> String {
        let mut browser = Browser::default();
        let state = self.approve(&mut browser, &request_for(id, redirect)).await;
        let back = self.callback(&mut browser, &state, person).await;
        assert_eq!(back.status(), StatusCode::SEE_OTHER, "{}", text(&back));
        let target = location(&back);
        assert!(target.starts_with(redirect), "{target}");
        let query = query_of(&target);
        assert_eq!(query["iss"], ISSUER);
        assert_eq!(query["state"], "client-state");
        query["code"].clone()
    }

    /// The whole sign-in of a public client.
    pub async fn sign_in(&self, id: &str, redirect: &str, person: &str) -> Tokens {
        let code = self.code(id, redirect, person).await;
        tokens(&self.token(&redemption(id, redirect, &code)).await)
    }

    pub async fn refresh(&self, id: &str, refresh: &str) -> Response<Bytes> {
        self.token(&[("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", refresh)]).await
    }

    /// Whether the resource accepts this access token.
    pub async fn accepts(&self, access: &str) -> bool {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", format!("Bearer {access}").parse().unwrap());
        self.engine.authenticate(&headers, None).await.is_ok()
    }
}

impl Browser {
    pub async fn visit(&mut self, world: &World, path: &str) -> Response<Bytes> {
        let cookies = self.header();
        let response = world.get(path, &[("accept", "text/html"), ("cookie", &cookies)]).await;
        self.keep(&response);
        response
    }

    pub async fn post(&mut self, world: &World, path: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
        let cookies = self.header();
        let headers =
            [("accept", "text/html"), ("cookie", &cookies), ("origin", "null"), ("sec-fetch-site", "same-origin")];
        let response = world.form(path, fields, &headers).await;
        self.keep(&response);
        response
    }

    pub fn header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub fn keep(&mut self, response: &Response<Bytes>) {
        for cookie in response.headers().get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().unwrap().split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Bytes> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

/// The fields of a good authorize request.
pub fn request_for<'a>(id: &'a str, redirect: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("response_type", "code"),
        ("client_id", id),
        ("redirect_uri", redirect),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "client-state"),
        ("resource", RESOURCE),
    ]
}

/// The fields of a good redemption by a public client.
pub fn redemption<'a>(id: &'a str, redirect: &'a str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", id),
        ("redirect_uri", redirect),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("resource", RESOURCE),
    ]
}

/// `fields` with one of them changed (removed if the value is empty).
pub fn change<'a>(fields: &[(&'a str, &'a str)], name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut out: Vec<_> = fields.iter().copied().filter(|(n, _)| *n != name).collect();
    if !value.is_empty() {
        out.push((name, value));
    }
    out
}

pub fn encode(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

pub fn text(response: &Response<Bytes>) -> String {
    String::from_utf8_lossy(response.body()).into_owned()
}

pub fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or_else(|_| panic!("not JSON: {}", text(response)))
}

pub fn location(response: &Response<Bytes>) -> String {
    response.headers()["location"].to_str().unwrap().to_owned()
}

pub fn query_of(url: &str) -> BTreeMap<String, String> {
    let url = url::Url::parse(url).unwrap();
    let mut query = BTreeMap::new();
    for (name, value) in url.query_pairs() {
        assert!(query.insert(name.to_string(), value.to_string()).is_none(), "{name} twice in {url}");
    }
    query
}

pub fn sealed_request(page: &Response<Bytes>) -> String {
    let page = text(page);
    let at = page.find("name=\"request\" value=\"").unwrap_or_else(|| panic!("no consent form: {page}")) + 22;
    page[at..].split('"').next().unwrap().to_owned()
}

pub fn tokens(response: &Response<Bytes>) -> Tokens {
    assert_eq!(response.status(), StatusCode::OK, "{}", text(response));
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body = body(response);
    assert_eq!(body["token_type"], "Bearer");
    Tokens {
        access: body["access_token"].as_str().unwrap().to_owned(),
        refresh: body["refresh_token"].as_str().unwrap().to_owned(),
        body,
    }
}

/// The claims of an access token, unverified.
pub fn claims(access: &str) -> Value {
    use base64::Engine as _;
    let payload = access.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Asserts an OAuth error answer.
pub fn assert_error(response: &Response<Bytes>, status: u16, error: &str) {
    assert_eq!(
        (response.status().as_u16(), body(response)["error"].as_str().unwrap()),
        (status, error),
        "{}",
        text(response)
    );
}

/// Asserts the catalogue's PAGE: for a browser, no `Location`, no cookie, `no-store`.
pub fn assert_page(response: &Response<Bytes>) {
    assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{}", text(response));
    assert!(!response.headers().contains_key("location"));
    assert!(!response.headers().contains_key("set-cookie"));
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(text(response).starts_with("<!doctype html>"));
}

/// Asserts the catalogue's BACK: to this redirect with this error, `state` and one `iss`.
pub fn assert_back(response: &Response<Bytes>, redirect: &str, error: &str) {
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", text(response));
    let target = location(response);
    assert!(target.starts_with(redirect), "{target}");
    let query = query_of(&target);
    assert_eq!(query["error"], error, "{target}");
    assert_eq!(query["iss"], ISSUER);
    assert!(!query.contains_key("code"));
}
