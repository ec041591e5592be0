//! The whole HTTP surface, by sequences of requests (I-1 to I-5, I-9, I-12, I-13): people who sign in, clients that real ones
//! are modelled on, strangers, a store that fails. Every answer has one of the allowed shapes; browsers are sent to redirect URIs
//! of the client that asked; rows come to be at a callback and nowhere else; a code or token works for its own client only.

#![no_main]

mod moves;

use std::cell::RefCell;

use dcr_core::store::Counts;
use dcr_fuzz::answer::{self, Answer};
use dcr_fuzz::world::{self, Browser, World};
use dcr_fuzz::{bounds, query};
use libfuzzer_sys::fuzz_target;

use self::moves::{Client, Move, Odd, Raw};

/// More than any sequence needs to reach a state.
const MOVES: usize = 24;
/// What one request may hold in memory, the answer included.
const MEMORY: usize = 2 * 1024 * 1024;

/// A request that a person was asked about.
#[derive(Clone)]
struct Asked {
    browser: usize,
    form: String,
    client: String,
    redirect: String,
    state: Vec<u8>,
}

/// A login that was begun.
#[derive(Clone)]
struct Begun {
    asked: Asked,
    upstream: String,
}

/// A code, and what a client got for it.
#[derive(Clone)]
struct Granted {
    client: String,
    redirect: String,
    code: String,
    tokens: Vec<(String, String)>,
}

struct Surface {
    world: World,
    browsers: [Browser; 3],
    /// Id, redirect URIs, secret.
    registered: Vec<Client>,
    asked: Vec<Asked>,
    begun: Vec<Begun>,
    granted: Vec<Granted>,
    failing: bool,
    /// Whether time passed.
    waited: bool,
}

thread_local! {
    /// A world in which nothing happened yet: it takes longer to make one than to use it.
    static UNUSED: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// The n-th from the end.
fn latest<T>(all: &[T], back: u8) -> Option<&T> {
    all.len().checked_sub(1 + usize::from(back) % all.len().max(1)).and_then(|at| all.get(at))
}

impl Surface {
    fn new() -> Self {
        Self {
            world: UNUSED.take().unwrap_or_default(),
            browsers: Default::default(),
            registered: moves::known(),
            asked: Vec::new(),
            begun: Vec::new(),
            granted: Vec::new(),
            failing: false,
            waited: false,
        }
    }

    /// If nothing was written, the next sequence may have the same world.
    fn leave(mut self) {
        self.failing = false;
        if !self.waited && self.rows() == Counts::default() {
            UNUSED.set(Some(self.world));
        }
    }

    fn rows(&self) -> Counts {
        self.world.test.memory().fail(false);
        let rows = self.world.rows();
        self.world.test.memory().fail(self.failing);
        rows
    }

    fn make(&mut self, one: &Move) {
        let before = self.rows();
        let answer = bounds::within(MEMORY, || self.ask(one));
        let after = self.rows();
        let people = |rows: &Counts| (rows.users, rows.connections, rows.aliases, rows.sessions, rows.blocks);
        match answer {
            // I-3: what a callback delivers is a code, and that alone makes rows.
            Some(Answer::Sent(location))
                if matches!(one, Move::Callback { .. }) && location.contains("code=dcrc1_") =>
            {
                // Lapsed ones may be swept meanwhile.
                assert!(after.sessions <= before.sessions + 1);
                assert!(after.users <= before.users + 1 && after.connections <= before.connections + 1);
            }
            // A registration that deletes itself is blocked (AD-8); nobody else is.
            _ if matches!(one, Move::Manage { .. }) && after.blocks == before.blocks + 1 => {
                assert_eq!(people(&Counts { blocks: before.blocks, ..after }), people(&before), "{one:?}");
            }
            _ => assert_eq!(people(&after), people(&before), "{one:?}"),
        }
        if matches!(one, Move::Register { .. } | Move::Authorize { .. } | Move::Decide { .. } | Move::Raw(_)) {
            assert_eq!(after, before, "I-1: {one:?}");
        }
    }

    fn ask(&mut self, one: &Move) -> Option<Answer> {
        match one {
            Move::Register { metadata } => self.register(&metadata.json()),
            Move::Authorize { browser, client, redirect, odd } => {
                self.authorize(*browser, *client, *redirect, odd.as_ref())
            }
            Move::Decide { browser, page, deny, odd } => self.decide(*browser, *page, *deny, odd.as_ref()),
            Move::Callback { browser, login, person, odd } => self.callback(*browser, *login, *person, odd.as_ref()),
            Move::Redeem { grant, client, odd } => self.redeem(*grant, *client, odd.as_ref()),
            Move::Refresh { grant, back, client, odd } => self.refresh(*grant, *back, *client, odd.as_ref()),
            Move::Use { grant, back } => self.bearer(*grant, *back),
            Move::Revoke { grant, back, client } => self.revoke(*grant, *back, *client),
            Move::Introspect { grant, back, right } => self.introspect(*grant, *back, *right),
            Move::Manage { client, method, metadata } => self.manage(*client, *method, &metadata.json()),
            Move::Raw(raw) => self.raw(raw),
            Move::Wait { seconds } => {
                self.waited = true;
                self.world.test.clock().advance(std::time::Duration::from_secs(u64::from(*seconds)));
                None
            }
            Move::Store { fails } => {
                self.failing = *fails;
                self.world.test.memory().fail(*fails);
                None
            }
        }
    }

    fn judged(&self, response: Option<http::Response<bytes::Bytes>>) -> Option<(Answer, http::Response<bytes::Bytes>)> {
        let response = response?;
        Some((answer::judge(&response, self.failing), response))
    }

    fn form(&self, path: &str, fields: &[(&str, &str)], odd: Option<&Odd>) -> Option<Answer> {
        let mut form = query::write(fields);
        if let Some(odd) = odd {
            form = odd.apply(form);
        }
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let response = self.world.send(world::request("POST", path, &headers, form.as_bytes())?);
        self.judged(Some(response)).map(|(answer, _)| answer)
    }

    fn client(&self, which: u8) -> &Client {
        &self.registered[usize::from(which) % self.registered.len()]
    }

    fn register(&mut self, metadata: &str) -> Option<Answer> {
        let headers = [("content-type", "application/json")];
        let request = world::request("POST", "/oauth/register", &headers, metadata.as_bytes())?;
        let (answer, _) = self.judged(Some(self.world.send(request)))?;
        if let Answer::Good(registered) = &answer
            && self.registered.len() < 16
        {
            self.registered.push(Client::of(registered));
        }
        Some(answer)
    }

    fn authorize(&mut self, browser: u8, client: u8, redirect: u8, odd: Option<&Odd>) -> Option<Answer> {
        let at = usize::from(browser) % self.browsers.len();
        let client = self.client(client).clone();
        let redirect = client.redirect(redirect);
        let mut asking = query::write(&world::asking(&client.id, &redirect));
        if let Some(odd) = odd {
            asking = odd.apply(asking);
        }
        let path = format!("/oauth/authorize?{asking}");
        let response = self.browsers[at].visit(&self.world, &path);
        let (answer, response) = self.judged(response)?;
        // What arrived, by a reader of its own: the odd things may have changed it.
        let sent = query::read(asking.as_bytes());
        let text = |name: &str| match query::values(&sent, name).as_slice() {
            [one] => Some(String::from_utf8_lossy(one).into_owned()),
            _ => None,
        };
        match &answer {
            Answer::Page(_) if response.status() == 200 => {
                let (id, redirect) = (text("client_id")?, text("redirect_uri")?);
                assert!(self.may_go(&id, &redirect), "{id} to {redirect}");
                let form = world::sealed_request(&response).expect("a form");
                let state = query::values(&sent, "state").first().map(|state| state.to_vec()).unwrap_or_default();
                self.asked.push(Asked { browser: at, form, client: id, redirect, state });
            }
            // Remembered: straight to the login, for a client that the operator pinned so.
            Answer::Sent(location) if location.starts_with("https://idp.example/authorize?") => {
                assert_eq!(text("client_id").as_deref(), Some(world::PINNED));
            }
            Answer::Sent(location) => {
                let (id, redirect) =
                    (text("client_id").expect("one id"), text("redirect_uri").expect("one redirect URI"));
                assert!(self.may_go(&id, &redirect) && location.starts_with(&redirect), "{id} to {location}");
                assert!(!location.contains("code="));
            }
            _ => {}
        }
        Some(answer)
    }

    /// Whether this client may have its answers there, by a rule of thumb of its own (I-2).
    fn may_go(&self, id: &str, redirect: &str) -> bool {
        let portless = |uri: &str| {
            let loopback = uri.starts_with("http://localhost")
                || uri.starts_with("http://127.0.0.1")
                || uri.starts_with("http://[::1]");
            let (scheme, rest) = uri.split_once("://").unwrap_or(("", uri));
            let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            let bare = authority
                .rfind(':')
                .filter(|at| !authority[*at..].contains(']'))
                .map_or(authority, |at| &authority[..at]);
            if loopback { format!("{scheme}://{bare}{path}") } else { uri.to_owned() }
        };
        let known = self
            .registered
            .iter()
            .filter(|client| client.id == id)
            .any(|client| client.redirects.iter().any(|own| portless(own) == portless(redirect)));
        // Adopted: a platform, or this computer.
        let is_adopted = !id.starts_with("dcr1_")
            && !id.contains(':')
            && ![world::PINNED, world::PINNED_CONFIDENTIAL, world::MACHINE].contains(&id);
        let platforms = [
            "https://claude.ai/",
            "https://claude.com/",
            "https://chatgpt.com/",
            "https://vscode.dev/",
            "https://insiders.vscode.dev/",
            "https://www.cursor.com/",
        ];
        let fits = platforms.iter().any(|platform| redirect.starts_with(platform))
            || redirect.starts_with("http://")
            || redirect == world::CUSTOM;
        // A deleted or changed registration is judged by the engine's own tests.
        known || (is_adopted && fits) || self.registered.iter().any(|client| client.id == id && client.changed)
    }

    fn decide(&mut self, browser: u8, page: u8, deny: bool, odd: Option<&Odd>) -> Option<Answer> {
        let at = usize::from(browser) % self.browsers.len();
        let asked = latest(&self.asked, page)?.clone();
        let mut form =
            query::write(&[("request", asked.form.as_str()), ("decision", if deny { "deny" } else { "approve" })]);
        if let Some(odd) = odd {
            form = odd.apply(form);
        }
        let response = self.browsers[at].post(&self.world, "/oauth/consent", &form);
        let (answer, _) = self.judged(response)?;
        if let Answer::Sent(location) = &answer {
            assert_eq!(at, asked.browser, "CONS-04");
            if let Some(sent) = location.strip_prefix("https://idp.example/authorize?") {
                let all = query::read(sent.as_bytes());
                let upstream = String::from_utf8_lossy(query::values(&all, "state")[0]).into_owned();
                // UPS-01: nothing of the client's is in there.
                assert!(asked.state.is_empty() || upstream.as_bytes() != asked.state);
                self.begun.push(Begun { asked, upstream });
            } else {
                assert!(location.starts_with(&asked.redirect) && location.contains("error=access_denied"));
                assert!(deny || odd.is_some());
            }
        }
        Some(answer)
    }

    fn callback(&mut self, browser: u8, login: u8, person: u8, odd: Option<&Odd>) -> Option<Answer> {
        let at = usize::from(browser) % self.browsers.len();
        let begun = latest(&self.begun, login)?.clone();
        let person = ["Ada", "Bob", "busy", "invalid"][usize::from(person) % 4];
        let mut sent = query::write(&[("state", begun.upstream.as_str()), ("code", person)]);
        if let Some(odd) = odd {
            sent = odd.apply(sent);
        }
        let response = self.browsers[at].visit(&self.world, &format!("/oauth/callback?{sent}"))?;
        let answer = answer::judge(&response, self.failing || ["busy", "invalid"].contains(&person) || odd.is_some());
        if let Answer::Sent(location) = &answer {
            assert_eq!(at, begun.asked.browser, "I-3, CB-03");
            let rest = location.strip_prefix(&begun.asked.redirect).expect("it begins with the redirect URI");
            let all = query::read(&rest.as_bytes()[1..]);
            assert_eq!(query::values(&all, "iss"), [world::ISSUER.as_bytes()], "CB-12");
            let state = Some(begun.asked.state.as_slice()).filter(|state| !state.is_empty());
            assert_eq!(query::values(&all, "state"), state.into_iter().collect::<Vec<_>>());
            if let [code] = query::values(&all, "code").as_slice() {
                let code = String::from_utf8_lossy(code).into_owned();
                self.granted.push(Granted {
                    client: begun.asked.client,
                    redirect: begun.asked.redirect,
                    code,
                    tokens: Vec::new(),
                });
            }
        }
        Some(answer)
    }

    /// The fields by which a client says who it is.
    fn credentials(client: &Client) -> Vec<(&'static str, String)> {
        let secret = client.secret.clone().map(|secret| ("client_secret", secret));
        [("client_id", client.id.clone())].into_iter().chain(secret).collect()
    }

    fn redeem(&mut self, grant: u8, other: Option<u8>, odd: Option<&Odd>) -> Option<Answer> {
        let at = self.granted.len().checked_sub(1 + usize::from(grant) % self.granted.len().max(1))?;
        let granted = self.granted[at].clone();
        let client = match other {
            Some(other) => self.client(other).clone(),
            None => self
                .registered
                .iter()
                .find(|client| client.id == granted.client)
                .cloned()
                .unwrap_or_else(|| Client::named(&granted.client)),
        };
        let credentials = Self::credentials(&client);
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("redirect_uri", granted.redirect.as_str()),
            ("code", granted.code.as_str()),
            ("code_verifier", world::VERIFIER),
        ];
        fields.extend(credentials.iter().map(|(name, value)| (*name, value.as_str())));
        let answer = self.form("/oauth/token", &fields, odd)?;
        if let Answer::Good(tokens) = &answer {
            assert!(client.id == granted.client || odd.is_some(), "I-4");
            assert!(granted.tokens.is_empty(), "a code works once");
            self.granted[at].keep(tokens);
        }
        Some(answer)
    }

    fn refresh(&mut self, grant: u8, back: u8, other: Option<u8>, odd: Option<&Odd>) -> Option<Answer> {
        let at = self.granted.len().checked_sub(1 + usize::from(grant) % self.granted.len().max(1))?;
        let granted = self.granted[at].clone();
        let (_, refresh) = latest(&granted.tokens, back)?;
        let client = match other {
            Some(other) => self.client(other).clone(),
            None => self
                .registered
                .iter()
                .find(|client| client.id == granted.client)
                .cloned()
                .unwrap_or_else(|| Client::named(&granted.client)),
        };
        let credentials = Self::credentials(&client);
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        fields.extend(credentials.iter().map(|(name, value)| (*name, value.as_str())));
        let answer = self.form("/oauth/token", &fields, odd)?;
        if let Answer::Good(tokens) = &answer {
            assert!(client.id == granted.client || odd.is_some(), "I-5");
            self.granted[at].keep(tokens);
        }
        Some(answer)
    }

    fn bearer(&self, grant: u8, back: u8) -> Option<Answer> {
        let granted = latest(&self.granted, grant)?;
        let (access, refresh) = latest(&granted.tokens, back)?;
        let with = |token: &str| {
            let mut headers = http::HeaderMap::new();
            headers.insert("authorization", format!("Bearer {token}").parse().ok()?);
            dcr_fuzz::now(self.world.test.authenticate(&headers, None)).ok()
        };
        if let Some(who) = with(access) {
            assert_eq!(who.client_id().as_str(), granted.client);
        }
        assert!(with(refresh).is_none() && with(&granted.code).is_none(), "I-9");
        None
    }

    fn revoke(&self, grant: u8, back: u8, other: Option<u8>) -> Option<Answer> {
        let granted = latest(&self.granted, grant)?;
        let (_, refresh) = latest(&granted.tokens, back)?;
        let client = other.map_or_else(|| Client::named(&granted.client), |other| self.client(other).clone());
        let credentials = Self::credentials(&client);
        let mut fields = vec![("token", refresh.as_str())];
        fields.extend(credentials.iter().map(|(name, value)| (*name, value.as_str())));
        self.form("/oauth/revoke", &fields, None)
    }

    fn introspect(&self, grant: u8, back: u8, right: bool) -> Option<Answer> {
        let granted = latest(&self.granted, grant)?;
        let (access, _) = latest(&granted.tokens, back)?;
        let basic = moves::basic("resource-server", if right { world::PINNED_SECRET } else { "wrong" });
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", basic.as_str())];
        let form = query::write(&[("token", access.as_str())]);
        let request = world::request("POST", "/oauth/introspect", &headers, form.as_bytes())?;
        let (answer, _) = self.judged(Some(self.world.send(request)))?;
        assert!(right || !matches!(answer, Answer::Good(_)), "INT-01");
        Some(answer)
    }

    fn manage(&mut self, which: u8, method: u8, metadata: &str) -> Option<Answer> {
        let at = usize::from(which) % self.registered.len();
        let client = self.registered[at].clone();
        let (path, token) = client.management.clone()?;
        let method = ["GET", "PUT", "DELETE"][usize::from(method) % 3];
        let bearer = format!("Bearer {token}");
        let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
        let body = if method == "PUT" { metadata } else { "" };
        let body = body.replacen('{', &format!("{{\"client_id\":{},", serde_json::json!(client.id)), 1);
        let request = world::request(method, &path, &headers, body.as_bytes())?;
        let (answer, response) = self.judged(Some(self.world.send(request)))?;
        if method != "GET" && response.status().is_success() {
            self.registered[at].changed = true;
        }
        Some(answer)
    }

    fn raw(&self, raw: &Raw) -> Option<Answer> {
        let (answer, _) = self.judged(Some(self.world.send(raw.request()?)))?;
        assert!(!matches!(&answer, Answer::Sent(location) if location.contains("code=")), "a code for a stranger");
        Some(answer)
    }
}

impl Granted {
    fn keep(&mut self, tokens: &serde_json::Value) {
        let text = |name: &str| tokens.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        assert_eq!(tokens["token_type"], "Bearer");
        self.tokens.push((text("access_token"), text("refresh_token")));
    }
}

fuzz_target!(|moves: Vec<Move>| {
    let mut surface = Surface::new();
    for one in moves.iter().take(MOVES) {
        surface.make(one);
    }
    surface.leave();
});
