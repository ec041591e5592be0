//! What happens: moves of whole requests, with values that real clients send, and odd ones strewn in.

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dcr_fuzz::{query, world};
use http::{HeaderValue, Method, Request};
use serde_json::Value;

/// One thing that happens.
#[derive(Debug, Arbitrary)]
pub enum Move {
    Register { metadata: Metadata },
    Authorize { browser: u8, client: u8, redirect: u8, odd: Option<Odd> },
    Decide { browser: u8, page: u8, deny: bool, odd: Option<Odd> },
    Callback { browser: u8, login: u8, person: u8, odd: Option<Odd> },
    Redeem { grant: u8, client: Option<u8>, odd: Option<Odd> },
    Refresh { grant: u8, back: u8, client: Option<u8>, odd: Option<Odd> },
    Use { grant: u8, back: u8 },
    Revoke { grant: u8, back: u8, client: Option<u8> },
    Introspect { grant: u8, back: u8, right: bool },
    Manage { client: u8, method: u8, metadata: Metadata },
    Wait { seconds: u16 },
    Store { fails: bool },
    Raw(Raw),
}

/// Redirect URIs that clients have, and some that none may have.
const REDIRECTS: [&str; 16] = [
    world::PLATFORM,
    world::LOCAL,
    world::ELSEWHERE,
    "https://chatgpt.com/connector_platform_oauth_redirect",
    "https://chatgpt.com/connector/oauth/abc",
    "https://vscode.dev/redirect",
    "http://127.0.0.1:33418/",
    "http://127.0.0.1/",
    world::CUSTOM,
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "http://[::1]:8765/cb",
    "https://evil.example/cb",
    "http://evil.example/cb",
    "javascript:alert(1)",
    "https://claude.ai@evil.example/cb",
    "https://claude.ai/api/mcp/auth_callback/../x",
];
const NAMES: [&str; 6] = [
    "Claude",
    "Claude Code (work)",
    "Cursor",
    "MCP Inspector",
    "<img src=x onerror=alert(1)>",
    "\u{202e}x\u{0}\n{{7*7}}",
];

/// What a client says of itself.
#[derive(Debug, Arbitrary)]
pub struct Metadata {
    name: Option<u8>,
    redirects: Vec<u8>,
    method: u8,
    grants: Option<u8>,
    /// A member of any name and content.
    more: Option<(String, String)>,
}

impl Metadata {
    pub fn json(&self) -> String {
        let mut object = serde_json::Map::new();
        if let Some((name, text)) = &self.more {
            object.insert(name.clone(), serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())));
        }
        let redirects: Vec<&str> =
            self.redirects.iter().take(4).map(|at| REDIRECTS[usize::from(*at) % REDIRECTS.len()]).collect();
        object.insert("redirect_uris".to_owned(), redirects.into());
        let method =
            ["none", "client_secret_post", "client_secret_basic", "private_key_jwt", ""][usize::from(self.method) % 5];
        if !method.is_empty() {
            object.insert("token_endpoint_auth_method".to_owned(), method.into());
        }
        if let Some(name) = self.name {
            object.insert("client_name".to_owned(), NAMES[usize::from(name) % NAMES.len()].into());
        }
        let grants: Option<&[&str]> = self.grants.map(|grants| match grants % 3 {
            0 => ["authorization_code", "refresh_token"].as_slice(),
            1 => ["authorization_code"].as_slice(),
            _ => ["client_credentials"].as_slice(),
        });
        if let Some(grants) = grants {
            object.insert("grant_types".to_owned(), serde_json::json!(grants));
        }
        Value::Object(object).to_string()
    }
}

/// A client, as far as whoever runs it knows.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: String,
    pub redirects: Vec<String>,
    pub secret: Option<String>,
    /// Where it manages its registration, and its token for that.
    pub management: Option<(String, String)>,
    /// Whether it changed or deleted it.
    pub changed: bool,
}

impl Client {
    pub fn named(id: &str) -> Self {
        Self { id: id.to_owned(), redirects: Vec::new(), secret: None, management: None, changed: false }
    }

    /// From the answer to a registration.
    pub fn of(answer: &Value) -> Self {
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        let redirects = answer["redirect_uris"].as_array().into_iter().flatten();
        let uri = text("registration_client_uri").and_then(|uri| uri.strip_prefix(world::ISSUER).map(str::to_owned));
        Self {
            id: text("client_id").expect("an id"),
            redirects: redirects.filter_map(Value::as_str).map(str::to_owned).collect(),
            secret: text("client_secret"),
            management: uri.zip(text("registration_access_token")),
            changed: false,
        }
    }

    /// One of its own, or any other.
    pub fn redirect(&self, which: u8) -> String {
        let which = usize::from(which);
        match self.redirects.len() {
            own if which < 128 && own > 0 => self.redirects[which % own].clone(),
            _ => REDIRECTS[which % REDIRECTS.len()].to_owned(),
        }
    }
}

/// Clients that did not register here.
pub fn known() -> Vec<Client> {
    let with = |id: &str, redirects: &[&str], secret: Option<&str>| Client {
        redirects: redirects.iter().map(|redirect| (*redirect).to_owned()).collect(),
        secret: secret.map(str::to_owned),
        ..Client::named(id)
    };
    vec![
        with(world::UNKNOWN, &[], None),
        with(world::PINNED, &["https://portal.example/cb"], None),
        with(world::PINNED_CONFIDENTIAL, &["https://backend.example/cb"], Some(world::PINNED_SECRET)),
        with(world::MACHINE, &[], None),
        with(world::DOCUMENT, &["http://127.0.0.1/callback", world::ELSEWHERE], None),
        with("https://claude.ai/oauth/nothing-here", &[], None),
        with("F8E0B7C2-3D94-4A07-9C55-0F2B8AD1C3AA", &[], None),
        with("dcr1_AAAAAAAA", &[], None),
        with("usr_AAAAAAAA", &[], None),
    ]
}

pub fn basic(id: &str, secret: &str) -> String {
    format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", query::encode(id.as_bytes()), query::encode(secret.as_bytes())))
    )
}

/// What is odd about a query or form.
#[derive(Debug, Arbitrary)]
pub enum Odd {
    /// A parameter more, or one of these names twice.
    More(u8, String),
    /// One that has another value.
    Other(u8, String),
    /// One that is missing.
    Without(u8),
    /// Anything behind it.
    Tail(Vec<u8>),
    /// Cut short.
    Cut(u16),
}

const PARAMETERS: [&str; 24] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "code_challenge",
    "code_challenge_method",
    "state",
    "scope",
    "resource",
    "prompt",
    "request",
    "request_uri",
    "registration",
    "claims",
    "decision",
    "code",
    "code_verifier",
    "grant_type",
    "refresh_token",
    "token",
    "client_secret",
    "error",
    "iss",
    "client_assertion",
];

impl Odd {
    /// The same with that oddity. ASCII, so that it can stand in a request line.
    pub fn apply(&self, encoded: String) -> String {
        let named = |which: &u8| PARAMETERS[usize::from(*which) % PARAMETERS.len()];
        let without = |name: &str| {
            let is_it = |pair: &&str| pair.split('=').next() != Some(name);
            encoded.split('&').filter(is_it).collect::<Vec<_>>().join("&")
        };
        match self {
            Self::More(which, value) => format!("{encoded}&{}={}", named(which), query::encode(value.as_bytes())),
            Self::Other(which, value) => {
                format!("{}&{}={}", without(named(which)), named(which), query::encode(value.as_bytes()))
            }
            Self::Without(which) => without(named(which)),
            Self::Tail(tail) => {
                let legal = |byte: &&u8| byte.is_ascii_graphic() && **byte != b'#';
                encoded + &tail.iter().filter(legal).map(|byte| char::from(*byte)).collect::<String>()
            }
            Self::Cut(at) => encoded[..usize::from(*at) % (encoded.len() + 1)].to_owned(),
        }
    }
}

/// A request of anything to anywhere.
#[derive(Debug, Arbitrary)]
pub struct Raw {
    method: u8,
    path: u8,
    query: String,
    headers: Vec<(u8, Vec<u8>)>,
    body: Vec<u8>,
}

const PATHS: [&str; 20] = [
    "/oauth/authorize",
    "/oauth/consent",
    "/oauth/callback",
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/introspect",
    "/oauth/register",
    "/oauth/register?client_id=portal",
    "/authorize",
    "/token",
    "/register",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/jwks.json",
    "/oauth/azure_callback",
    "/nowhere",
    "/",
];
const HEADERS: [&str; 14] = [
    "content-type",
    "accept",
    "cookie",
    "authorization",
    "origin",
    "sec-fetch-site",
    "accept-language",
    "host",
    "x-forwarded-host",
    "x-forwarded-proto",
    "forwarded",
    "content-encoding",
    "content-length",
    "sec-fetch-mode",
];
/// Values that lead further than any bytes do.
const VALUES: [&str; 6] =
    ["application/x-www-form-urlencoded", "application/json", "text/html", "same-origin", "ko;q=0.9, en", "null"];

impl Raw {
    pub fn request(&self) -> Option<Request<Bytes>> {
        let methods =
            [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::TRACE];
        let path = PATHS[usize::from(self.path) % PATHS.len()];
        let glue = if path.contains('?') { '&' } else { '?' };
        let uri = if self.query.is_empty() { path.to_owned() } else { format!("{path}{glue}{}", self.query) };
        let method = methods[usize::from(self.method) % methods.len()].clone();
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in self.headers.iter().take(6) {
            let known = VALUES.get(usize::from(value.first().copied().unwrap_or(u8::MAX)));
            let value =
                known.map_or_else(|| HeaderValue::from_bytes(value), |known| Ok(HeaderValue::from_static(known)));
            request = request.header(HEADERS[usize::from(*name) % HEADERS.len()], value.ok()?);
        }
        request.body(self.body.clone().into()).ok()
    }
}
