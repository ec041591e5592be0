//! The real thing: an engine on a store, browsers, clients, an operator; and what they were given. Moves are played on the
//! whole HTTP surface, as an adapter would hand it in.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dcr_core::session::{ConnectionId, SessionId, UserId};
use dcr_core::store::{Counts, Store};
use dcr_core::testing::{ManualClock, SeededRandom, StubProvider};
use dcr_core::upstream::Admission;
use dcr_core::{ClientId, DcrEngine, Lifetimes, Operator, PreRegistered, Resource as Server, Secret, Timestamp};
use http::{HeaderMap, Request, Response};
use serde_json::Value;

use crate::faults::{FaultyStore, Switch};
use crate::model::{ABSOLUTE, ALIASES, IDLE, Ring, SESSIONS};
use crate::moves::{Browser, Client, Grant, Key, Person, Platform, Redirect, Resource, Software, Token};

/// Makes a fresh, empty store.
pub type Fresh = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Arc<dyn Store>>>>>;

pub(crate) const ISSUER: &str = "https://mcp.example";
pub(crate) const UPSTREAM: &str = "https://idp.example/authorize?";
const START: i64 = 1_790_000_000;

/// What a client or a browser saw.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    Registered { id: String, secret: Option<String> },
    Refused(u16, String),
    Consent(String),
    Sent(String),
    Tokens { refresh: String, access: String, scope: String, seconds: u64 },
    Active { user: String, client: String, session: String, scope: String },
    Inactive,
    Ended(usize),
    Unblocked(bool),
    Done,
}

/// An approved transaction, as its browser holds it.
#[derive(Debug, Clone)]
pub(crate) struct Approved {
    pub(crate) state: String,
    pub(crate) cookie: (String, String),
}

/// The system, and what everybody holds.
pub(crate) struct World {
    fresh: Fresh,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) engine: DcrEngine,
    pub(crate) clock: Arc<ManualClock>,
    random: Arc<SeededRandom>,
    pub(crate) clients: BTreeMap<Client, String>,
    pub(crate) secrets: BTreeMap<Client, String>,
    pub(crate) forms: BTreeMap<u32, String>,
    pub(crate) approved: BTreeMap<u32, Approved>,
    pub(crate) jars: BTreeMap<Browser, BTreeMap<String, String>>,
    pub(crate) grants: BTreeMap<Grant, String>,
    pub(crate) access: BTreeMap<u32, String>,
    pub(crate) connections: BTreeMap<(Person, Software), ConnectionId>,
    pub(crate) sessions: BTreeMap<u32, SessionId>,
    pub(crate) counts: Counts,
    transcript: DefaultHasher,
}

async fn engine(
    store: &Arc<FaultyStore>,
    ring: &Ring,
    clock: &Arc<ManualClock>,
    random: &Arc<SeededRandom>,
) -> DcrEngine {
    let secrets = |keys: &[Key]| keys.iter().map(|key| Secret::from_bytes([key.wrapping_add(65); 32])).collect();
    let portal = PreRegistered::public(ClientId::new(PINNED).expect("an id")).redirect(Redirect::Portal.uri());
    let lifetimes = Lifetimes {
        refresh_idle: Duration::from_millis(IDLE),
        refresh_absolute: Duration::from_millis(ABSOLUTE),
        ..Lifetimes::default()
    };
    let tools =
        Server::new("/mcp", "Tools").scope("mcp", "Use the tools").optional_scope("mcp:admin", "Change settings");
    DcrEngine::builder(ISSUER)
        .resource(tools)
        .resource(Server::new("/notes", "Notes").scope("notes", "Read your notes"))
        .store(Arc::clone(store) as Arc<dyn Store>)
        .provider(Arc::new(StubProvider))
        .admission(Admission::default().users([Person::Ada, Person::Bob].map(object_id)))
        .client(portal.name("Portal"))
        .resource_server(SERVER.0, SERVER.1)
        .secrets(secrets(&ring.active), secrets(&ring.retired))
        .lifetimes(lifetimes)
        .max_sessions(SESSIONS)
        .max_aliases(ALIASES)
        .clock(Arc::clone(clock) as _)
        .random(Arc::clone(random) as _)
        .build()
        .await
        .expect("the model's configuration")
}

pub(crate) const SERVER: (&str, &str) = ("resource-server", "its-secret");
const PINNED: &str = "portal";

fn object_id(person: Person) -> String {
    format!("{person:?}").to_lowercase()
}

/// The `sub` of a person.
pub(crate) fn user_id(person: Person) -> UserId {
    UserId::derive("https://idp.example", "test-tenant", &object_id(person))
}

pub(crate) fn resource_uri(resource: Resource) -> &'static str {
    match resource {
        Resource::Tools => "https://mcp.example/mcp",
        Resource::Notes => "https://mcp.example/notes",
    }
}

pub(crate) fn platform(platform: Platform) -> dcr_core::Platform {
    dcr_core::Platform::named(match platform {
        Platform::Claude => "claude-web",
        Platform::ChatGpt => "chatgpt",
        Platform::Loopback => "loopback",
        Platform::Other => "other",
    })
}

impl World {
    pub(crate) async fn new(fresh: &Fresh, seed: u64) -> Self {
        let (clock, random) = (ManualClock::at(START), SeededRandom::new(seed));
        let store = Switch::in_front_of(fresh().await);
        let engine = engine(&store, &crate::model::Model::default().ring, &clock, &random).await;
        Self {
            fresh: Arc::clone(fresh),
            store,
            engine,
            clock,
            random,
            clients: BTreeMap::new(),
            secrets: BTreeMap::new(),
            forms: BTreeMap::new(),
            approved: BTreeMap::new(),
            jars: BTreeMap::new(),
            grants: BTreeMap::new(),
            access: BTreeMap::new(),
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            counts: Counts::default(),
            transcript: DefaultHasher::new(),
        }
    }

    /// The moment that the model calls `milliseconds`.
    pub(crate) fn at(milliseconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(START) + Duration::from_millis(milliseconds)
    }

    pub(crate) async fn restart(&mut self, ring: &Ring) {
        self.engine = engine(&self.store, ring, &self.clock, &self.random).await;
    }

    pub(crate) async fn lose_database(&mut self, ring: &Ring) {
        self.store = Switch::in_front_of((self.fresh)().await);
        self.connections.clear();
        self.sessions.clear();
        self.counts = Counts::default();
        self.restart(ring).await;
    }

    /// An operator's command beside the server.
    pub(crate) fn command(&self) -> Operator {
        Operator::new(Arc::clone(&self.store) as _, Arc::clone(&self.clock) as _, Arc::clone(&self.random) as _)
    }

    /// Everything that was answered, in one number: two runs that answer the same bytes have the same.
    pub(crate) fn digest(&self) -> u64 {
        self.transcript.finish()
    }

    /// The bytes of a client id.
    pub(crate) fn id(&self, client: Client) -> String {
        match client {
            Client::Sealed(..) => self.clients.get(&client).cloned().unwrap_or_default(),
            Client::Forged(app, key) => {
                let mut id = self.id(Client::Sealed(app, key, 0)).into_bytes();
                // Not the last one, of which not every bit counts.
                let at = id.len() - 9;
                id[at] = if id[at] == b'A' { b'B' } else { b'A' };
                String::from_utf8(id).unwrap_or_default()
            }
            Client::Unknown(n) => ["connector-4711", "Connector-4711", "f8e0b7c2-3d94-4a07-9c55-0f2b8ad1c3aa"]
                [usize::from(n % 3)]
            .to_owned(),
            Client::Unadoptable(0) => "short".to_owned(),
            Client::Unadoptable(1) => "urn:uuid:f8e0b7c2-3d94-4a07-9c55-0f2b8ad1c3aa".to_owned(),
            Client::Unadoptable(2) => "https://claude.ai/oauth/client.json".to_owned(),
            Client::Unadoptable(_) => user_id(Person::Ada).to_string(),
            Client::Pinned => PINNED.to_owned(),
        }
    }

    pub(crate) fn text(&self, token: Token) -> String {
        match token {
            Token::Grant(grant) => self.grants.get(&grant).cloned(),
            Token::Access(n) => self.access.get(&n).cloned(),
        }
        .unwrap_or_default()
    }

    pub(crate) async fn send(&mut self, request: Request<Bytes>) -> Response<Bytes> {
        let answer = self.engine.handle(request).await;
        self.note(&(answer.status().as_u16(), answer.body()));
        for (name, value) in answer.headers() {
            self.note(&(name.as_str(), value.as_bytes()));
        }
        answer
    }

    pub(crate) fn note(&mut self, what: &impl std::hash::Hash) {
        what.hash(&mut self.transcript);
    }

    /// A request of a browser, with its cookies and `more` of them; it keeps those that it is given.
    pub(crate) async fn browse(
        &mut self,
        browser: Browser,
        more: Option<(String, String)>,
        path: &str,
        form: Option<&[(&str, &str)]>,
    ) -> Response<Bytes> {
        let mut jar = self.jars.get(&browser).cloned().unwrap_or_default();
        jar.extend(more);
        let cookies = jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let mut request = Request::builder().uri(path).method(if form.is_some() { "POST" } else { "GET" });
        if !cookies.is_empty() {
            request = request.header("cookie", cookies);
        }
        if form.is_some() {
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .header("origin", "null")
                .header("sec-fetch-site", "same-origin");
        }
        let body = form.map(encode).unwrap_or_default();
        let answer = self.send(request.body(body.into()).expect("a request")).await;
        let jar = self.jars.entry(browser).or_default();
        for cookie in answer.headers().get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().ok().and_then(|c| c.split_once("; ")).unwrap_or_default();
            let (name, value) = pair.split_once('=').unwrap_or_default();
            if attributes.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// A form that a program sends.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
    ) -> Response<Bytes> {
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        if let Some((id, secret)) = basic {
            request = request.header("authorization", format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))));
        }
        self.send(request.body(encode(form).into()).expect("a request")).await
    }

    /// The bearer check of a resource.
    pub(crate) async fn bearer(&mut self, token: &str, at: Resource) -> Seen {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse().expect("a token"));
        let seen = match self.engine.authenticate(&headers, Some(resource_uri(at))).await {
            Ok(principal) => Seen::Active {
                user: principal.user().id.to_string(),
                client: principal.client_id().to_string(),
                session: principal.session().map(|id| id.to_string()).unwrap_or_default(),
                scope: principal.scope().to_string(),
            },
            Err(refusal) => Seen::Refused(refusal.reason().status(), refusal.reason().error().to_owned()),
        };
        self.note(&format!("{seen:?}"));
        seen
    }
}

pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The query of a URL; nothing if a name comes twice.
pub(crate) fn query_of(url: &str) -> Option<BTreeMap<String, String>> {
    let mut query = BTreeMap::new();
    for (name, value) in url::Url::parse(url).ok()?.query_pairs() {
        if query.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    Some(query)
}

/// What an answer says, whatever it is an answer to.
pub(crate) fn seen(answer: &Response<Bytes>) -> Seen {
    let status = answer.status().as_u16();
    if let Some(location) = answer.headers().get("location") {
        return Seen::Sent(location.to_str().unwrap_or_default().to_owned());
    }
    let text = String::from_utf8_lossy(answer.body());
    let form = "name=\"request\" value=\"";
    if let Some(at) = text.find(form) {
        return Seen::Consent(text[at + form.len()..].split('"').next().unwrap_or_default().to_owned());
    }
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
    let of = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    match status {
        200 if body["active"] == true => {
            Seen::Active { user: of("sub"), client: of("client_id"), session: of("sid"), scope: of("scope") }
        }
        200 if body["active"] == false => Seen::Inactive,
        200 if body["access_token"].is_string() => Seen::Tokens {
            refresh: of("refresh_token"),
            access: of("access_token"),
            scope: of("scope"),
            seconds: body["expires_in"].as_u64().unwrap_or_default(),
        },
        200 if answer.body().is_empty() => Seen::Done,
        201 => Seen::Registered { id: of("client_id"), secret: body["client_secret"].as_str().map(str::to_owned) },
        _ => Seen::Refused(status, of("error")),
    }
}
