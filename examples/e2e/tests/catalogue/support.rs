//! What the cases share: requests in the making, and what is expected of an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dcr_e2e::{Answer, Browser, Client, Http, Site, Tokens, encode};
use serde_json::Value;
use tokio::net::TcpListener;

/// Claude.ai's callback: a platform.
pub(crate) const P: &str = "https://claude.ai/api/mcp/auth_callback";
/// A program on this person's computer.
pub(crate) const L: &str = "http://localhost:3118/callback";
/// Who should never be sent anything.
pub(crate) const E: &str = "https://evil.example/cb";
/// An id that was never seen here.
pub(crate) const U: &str = "f8e0b7c2-3d94-4a07-9c55-0f2b8ad1c3aa";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
/// The resource server's credentials.
pub(crate) const RS: (&str, &str) = ("authorization", "Basic cnM6cnMtc2VjcmV0");

/// An authorize request in the making.
#[derive(Debug, Clone)]
pub(crate) struct Asking(Vec<(String, String)>);

impl Asking {
    /// A good one.
    pub(crate) fn of(id: &str, redirect: &str) -> Self {
        let fields = [
            ("response_type", "code"),
            ("client_id", id),
            ("redirect_uri", redirect),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "the-client's state"),
        ];
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    pub(crate) fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(known, _)| known != name).cloned().collect())
    }

    /// With this value instead of another, or beside all others.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut asking = self.without(name);
        asking.0.push((name.to_owned(), value.to_owned()));
        asking
    }

    /// With a parameter a second time.
    pub(crate) fn and(&self, name: &str, value: &str) -> Self {
        let mut asking = self.clone();
        asking.0.push((name.to_owned(), value.to_owned()));
        asking
    }

    pub(crate) fn url(&self, site: &Site) -> String {
        let fields: Vec<(&str, &str)> = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        format!("{}?{}", site.url("/oauth/authorize"), encode(&fields))
    }

    /// As a browser asks.
    pub(crate) async fn get(&self, site: &Site) -> Answer {
        Http::default().get(&self.url(site), &[HTML]).await
    }
}

/// PAGE: 400, a page or JSON, no redirect, no cookie, not kept by anybody.
#[track_caller]
pub(crate) fn is_page(answer: &Answer) {
    is_refusal(answer, 400);
}

/// PAGE with another status.
#[track_caller]
pub(crate) fn is_refusal(answer: &Answer, status: u16) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.header("location"), None, "{answer:?}");
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 0, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(["text/html; charset=utf-8", "application/json"].contains(&kind), "{answer:?}");
}

/// The parameters of the address that an answer sends the browser to, if that is `redirect`.
#[track_caller]
pub(crate) fn sent_to(answer: &Answer, redirect: &str) -> Vec<(String, String)> {
    assert_eq!(answer.status.as_u16(), 303, "{answer:?}");
    parameters(answer.header("location").unwrap_or_default(), redirect)
}

/// The parameters that were added to `redirect`.
#[track_caller]
pub(crate) fn parameters(location: &str, redirect: &str) -> Vec<(String, String)> {
    let added = location.strip_prefix(redirect).unwrap_or_else(|| panic!("sent to {location}, not to {redirect}"));
    let query = added.strip_prefix(['?', '&']).unwrap_or_else(|| panic!("sent to {location}, not to {redirect}"));
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

#[track_caller]
pub(crate) fn one<'a>(parameters: &'a [(String, String)], name: &str) -> &'a str {
    let mut all = parameters.iter().filter(|(known, _)| known == name);
    match (all.next(), all.next()) {
        (Some((_, value)), None) => value,
        _ => panic!("{name} is not there exactly once: {parameters:?}"),
    }
}

/// BACK: to the redirect that passed, with this error, the state of [`Asking::of`] and one issuer.
#[track_caller]
pub(crate) fn is_back(answer: &Answer, site: &Site, redirect: &str, error: &str) {
    let parameters = sent_to(answer, redirect);
    assert_eq!(one(&parameters, "error"), error);
    assert_eq!(one(&parameters, "state"), "the-client's state");
    assert_eq!(one(&parameters, "iss"), site.base(), "CB-12");
    assert!(parameters.iter().all(|(name, _)| name != "code"), "{parameters:?}");
}

/// BACK where the parameter at fault is `state`, or there is none.
#[track_caller]
pub(crate) fn is_back_without_state(answer: &Answer, site: &Site, redirect: &str, error: &str) {
    let parameters = sent_to(answer, redirect);
    assert_eq!(one(&parameters, "error"), error);
    assert_eq!(one(&parameters, "iss"), site.base(), "CB-12");
    assert!(parameters.iter().all(|(name, _)| name != "code" && name != "state"), "{parameters:?}");
}

/// ERR: a JSON error.
#[track_caller]
pub(crate) fn is_error(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    let body = answer.json();
    assert_eq!(body["error"], error, "{answer:?}");
    for secret in ["access_token", "refresh_token", "code"] {
        assert_eq!(body[secret], Value::Null, "{answer:?}");
    }
}

/// A client with the id `id`, and whatever else `client` has.
pub(crate) fn under(client: &Client, id: &str) -> Client {
    let mut other = client.clone();
    id.clone_into(&mut other.id);
    other
}

/// The same client at another redirect.
pub(crate) fn at(client: &Client, redirect: &str) -> Client {
    let mut other = client.clone();
    redirect.clone_into(&mut other.redirect);
    other
}

/// A sign-in up to its code, and the verifier for it.
pub(crate) async fn code_of(client: &Client, browser: &mut Browser) -> (String, String) {
    let flow = client.authorize();
    let landed = browser.sign_in(&flow.url).await.client();
    (client.code(&flow, &landed), flow.verifier)
}

/// A public client that registered with this redirect, and Ada's tokens.
pub(crate) async fn signed_in(site: &Site, redirect: &str) -> (Client, Tokens) {
    let client = Client::register(site, &[redirect]).await;
    let tokens = client.sign_in(&mut Browser::of("ada")).await;
    (client, tokens)
}

/// A registration.
pub(crate) async fn register(site: &Site, metadata: &Value) -> Answer {
    Http::default().post_json(&site.url("/oauth/register"), &[], metadata).await
}

/// What the resource server is told of a token.
pub(crate) async fn introspect(site: &Site, token: &str) -> Value {
    Http::default().post_form(&site.url("/oauth/introspect"), &[RS], &[("token", token)]).await.expect(200).json()
}

/// What the guard says of an access token.
pub(crate) async fn bearer(site: &Site, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    Http::default().get(&site.url("/protected"), &[("authorization", &bearer)]).await.status.as_u16()
}

/// Both tokens of a session are dead.
pub(crate) async fn is_dead(site: &Site, client: &Client, tokens: &Tokens) {
    is_error(&client.refresh(&tokens.refresh).await, 400, "invalid_grant");
    assert_eq!(bearer(site, &tokens.access).await, 401);
    assert_eq!(introspect(site, &tokens.access).await, serde_json::json!({"active": false}));
}

/// Both tokens of a session are good; its successors.
pub(crate) async fn is_alive(site: &Site, client: &Client, tokens: &Tokens) -> Tokens {
    assert_eq!(bearer(site, &tokens.access).await, 200);
    Tokens::from(client.refresh(&tokens.refresh).await)
}

/// The claims of an access token, unverified.
pub(crate) fn claims(access: &str) -> Value {
    let payload = access.split('.').nth(1).unwrap_or_default();
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("a JWT");
    serde_json::from_slice(&payload).expect("claims")
}

/// A port of this machine that counts who comes.
pub(crate) async fn canary() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let (port, visits) = (listener.local_addr().unwrap().port(), Arc::<AtomicUsize>::default());
    let counted = Arc::clone(&visits);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, visits)
}
