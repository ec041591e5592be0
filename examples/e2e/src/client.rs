//! An OAuth client in plain HTTP, as a platform would be: every parameter in sight, none added by a library.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use url::Url;

use crate::browser::Browser;
use crate::http::{Answer, Http, encode};
use crate::site::Site;
use crate::volley::Shot;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A client, registered or not.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its secret, if it has one.
    pub secret: Option<String>,
    /// How it shows the secret.
    pub auth_method: String,
    /// Its redirect URI.
    pub redirect: String,
    /// The resource that it asks for.
    pub resource: String,
    /// The scopes that it asks for, in alphabetical order.
    pub scope: String,
    base: String,
    issuer: String,
    http: Http,
}

/// One authorize request: its URL and what must be kept until the code comes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Flow {
    /// What to open in a browser.
    pub url: String,
    /// `state`, to be found again.
    pub state: String,
    /// The PKCE verifier.
    pub verifier: String,
}

/// What a token request brought.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    /// The whole answer.
    pub answer: Value,
}

impl Client {
    /// Registers a public client.
    pub async fn register(site: &Site, redirects: &[&str]) -> Self {
        Self::register_as(site, redirects, "none").await
    }

    /// Registers a client that authenticates in this way.
    pub async fn register_as(site: &Site, redirects: &[&str], auth_method: &str) -> Self {
        let metadata = json!({
            "client_name": "Test client",
            "redirect_uris": redirects,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": auth_method,
        });
        let answer = Http::default().post_json(&site.url("/oauth/register"), &[], &metadata).await.expect(201).json();
        assert_eq!(answer["token_endpoint_auth_method"], auth_method);
        assert_eq!(answer["redirect_uris"], json!(redirects));
        Self::registered(site, &answer)
    }

    /// The client that an answer to a registration describes.
    pub fn registered(site: &Site, answer: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        Self {
            id: text(&answer["client_id"]),
            secret: answer["client_secret"].as_str().map(str::to_owned),
            auth_method: text(&answer["token_endpoint_auth_method"]),
            redirect: text(&answer["redirect_uris"][0]),
            resource: site.url("/mcp"),
            scope: "mcp".to_owned(),
            base: site.base().to_owned(),
            issuer: site.base().to_owned(),
            http: Http::default(),
        }
    }

    /// A client that never registered here.
    pub fn unregistered(site: &Site, id: &str, redirect: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: None,
            auth_method: "none".to_owned(),
            redirect: redirect.to_owned(),
            resource: site.url("/mcp"),
            scope: "mcp".to_owned(),
            base: site.base().to_owned(),
            issuer: site.base().to_owned(),
            http: Http::default(),
        }
    }

    /// The same client, which asks at this address: a replica of its server, past the load balancer.
    #[must_use]
    pub fn asking(&self, site: &Site) -> Self {
        Self { base: site.base().to_owned(), ..self.clone() }
    }

    /// The same client, from another address.
    #[must_use]
    pub fn by(&self, http: &Http) -> Self {
        Self { http: http.clone(), ..self.clone() }
    }

    /// Begins a sign-in.
    pub fn authorize(&self) -> Flow {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let made = |what: &str| URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("{what}-{n}").as_bytes()));
        let verifier = made("verifier");
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let state = made("state");
        let query = encode(&[
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.redirect),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("scope", &self.scope),
            ("state", &state),
            ("resource", &self.resource),
        ]);
        Flow { url: format!("{}/oauth/authorize?{query}", self.base), state, verifier }
    }

    /// The code of the address to which the browser was sent; panics unless that address is right in every part.
    pub fn code(&self, flow: &Flow, landed: &Url) -> String {
        let mut address = landed.clone();
        address.set_query(None);
        assert_eq!(address.as_str(), self.redirect);
        let pairs: Vec<(String, String)> = landed.query_pairs().into_owned().collect();
        let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["code", "state", "iss"], "{landed}");
        assert_eq!(pairs[1].1, flow.state);
        assert_eq!(pairs[2].1, self.issuer, "CB-12: the issuer, byte for byte");
        pairs[0].1.clone()
    }

    /// The whole sign-in, to the tokens.
    pub async fn sign_in(&self, browser: &mut Browser) -> Tokens {
        let flow = self.authorize();
        let landed = browser.sign_in(&flow.url).await.client();
        let code = self.code(&flow, &landed);
        let tokens = Tokens::from(self.redeem(&code, &flow.verifier).await);
        assert_eq!(tokens.answer["scope"], self.scope.as_str(), "what was granted is what was asked for");
        tokens
    }

    /// Redeems a code.
    pub async fn redeem(&self, code: &str, verifier: &str) -> Answer {
        self.token(&self.redemption(code, verifier)).await
    }

    /// The form of [`Client::redeem`].
    pub fn redemption<'a>(&'a self, code: &'a str, verifier: &'a str) -> [(&'static str, &'a str); 4] {
        [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect),
            ("code_verifier", verifier),
        ]
    }

    /// Uses a refresh token.
    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// Revokes a token and its session.
    pub async fn revoke(&self, token: &str) -> Answer {
        self.post("revoke", &[("token", token)]).await
    }

    /// A token request with this client's credentials.
    pub async fn token(&self, form: &[(&str, &str)]) -> Answer {
        self.post("token", form).await
    }

    /// A request to an endpoint with this client's credentials.
    async fn post(&self, endpoint: &str, form: &[(&str, &str)]) -> Answer {
        let (authorization, form) = self.with_credentials(form);
        let headers: Vec<_> = authorization.iter().map(|basic| ("authorization", basic.as_str())).collect();
        self.http.post_form(&format!("{}/oauth/{endpoint}", self.base), &headers, &form).await
    }

    /// The same request, to be sent in a [`Volley`](crate::Volley).
    pub fn shot(&self, endpoint: &str, form: &[(&str, &str)]) -> Shot {
        let (authorization, form) = self.with_credentials(form);
        let headers: Vec<_> = authorization.iter().map(|basic| ("authorization", basic.as_str())).collect();
        Shot::post_form(&format!("{}/oauth/{endpoint}", self.base), &headers, &form)
    }

    /// Its `Authorization` header, if it uses one, or an empty one; and what it adds to a form.
    pub fn credentials(&self) -> (String, Vec<(&str, &str)>) {
        let (authorization, form) = self.with_credentials(&[]);
        (authorization.unwrap_or_default(), form)
    }

    /// The `Authorization` header, if there is one, and the form.
    fn with_credentials<'a>(&'a self, form: &[(&'a str, &'a str)]) -> (Option<String>, Vec<(&'a str, &'a str)>) {
        let mut form = form.to_vec();
        let secret = self.secret.as_deref().unwrap_or_default();
        let mut authorization = None;
        match self.auth_method.as_str() {
            "client_secret_basic" => {
                // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
                let encoded = |text: &str| encode(&[("", text)])[1..].to_owned();
                let pair = STANDARD.encode(format!("{}:{}", encoded(&self.id), encoded(secret)));
                authorization = Some(format!("Basic {pair}"));
            }
            "client_secret_post" => form.extend([("client_id", self.id.as_str()), ("client_secret", secret)]),
            _ => form.push(("client_id", &self.id)),
        }
        (authorization, form)
    }
}

impl From<Answer> for Tokens {
    fn from(answer: Answer) -> Self {
        let answer = answer.expect(200);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "TOK-01");
        let answer = answer.json();
        assert_eq!(answer["token_type"], "Bearer");
        assert!(answer["scope"].is_string(), "{answer}");
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{name}: {answer}")).to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token"), answer }
    }
}
