//! What a client and a browser do, request by request, on connections that are kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, LOCATION, ORIGIN, SET_COOKIE,
};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde::Deserialize;
use url::form_urlencoded;

use crate::http::{Answer, Connection, path, path_of};
use crate::upstream::person;
use crate::{Failure, Site};

/// RFC 7636 appendix B: the load proves possession, it hides nothing.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT: &str = "http://127.0.0.1/callback";
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// No two registrations of a process are the same.
static NEXT: AtomicU64 = AtomicU64::new(0);
/// People take turns.
static PERSON: AtomicUsize = AtomicUsize::new(0);

/// What this process has done so far, and was answered as it must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Done {
    /// Registrations.
    pub registrations: u64,
    /// Sign-ins, to the code.
    pub sign_ins: u64,
    /// Codes that were redeemed.
    pub exchanges: u64,
    /// Refreshes.
    pub refreshes: u64,
}

static REGISTRATIONS: AtomicU64 = AtomicU64::new(0);
static SIGN_INS: AtomicU64 = AtomicU64::new(0);
static EXCHANGES: AtomicU64 = AtomicU64::new(0);
static REFRESHES: AtomicU64 = AtomicU64::new(0);

/// See [`Done`].
#[must_use]
pub fn done() -> Done {
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    Done {
        registrations: read(&REGISTRATIONS),
        sign_ins: read(&SIGN_INS),
        exchanges: read(&EXCHANGES),
        refreshes: read(&REFRESHES),
    }
}

impl Done {
    /// What was done since an earlier time.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            registrations: self.registrations - earlier.registrations,
            sign_ins: self.sign_ins - earlier.sign_ins,
            exchanges: self.exchanges - earlier.exchanges,
            refreshes: self.refreshes - earlier.refreshes,
        }
    }
}

/// A client that is registered.
#[derive(Debug, Clone)]
pub struct Client {
    id: String,
}

/// A code that was not redeemed.
#[derive(Debug)]
pub struct Code {
    client: Arc<Client>,
    code: String,
}

/// A session, by its tokens.
#[derive(Debug)]
pub struct Session {
    client: Arc<Client>,
    refresh_token: String,
    bearer: HeaderValue,
}

/// What the token endpoint answers.
#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    refresh_token: String,
}

/// One connection to the server and, for sign-ins, one to the login.
#[derive(Debug)]
pub struct Hands {
    site: Arc<Site>,
    server: Connection,
    upstream: Option<Connection>,
}

impl Session {
    /// The value of the `Authorization` header, with its latest access token.
    #[must_use]
    pub const fn bearer(&self) -> &HeaderValue {
        &self.bearer
    }
}

impl Hands {
    /// Opens the connection of this number.
    ///
    /// # Errors
    /// [`Failure`] if nobody listens there.
    pub async fn open(site: Arc<Site>, connection: usize, upstream: Option<SocketAddr>) -> Result<Self, Failure> {
        let server = Connection::open(site.address(connection)).await?;
        let upstream = match upstream {
            Some(upstream) => Some(Connection::open(upstream).await?),
            None => None,
        };
        Ok(Self { site, server, upstream })
    }

    /// Registers a client that nobody registered before.
    ///
    /// # Errors
    /// [`Failure`] if the answer is not what it must be.
    pub async fn register(&mut self) -> Result<Client, Failure> {
        let Self { site, server, .. } = self;
        let answer = server.send(Method::POST, &site.register, &[(CONTENT_TYPE, JSON)], registration()).await?;
        let answer = answer.expect(StatusCode::CREATED, "register")?;
        let id = json::<Registered>(&answer)?.client_id;
        REGISTRATIONS.fetch_add(1, Ordering::Relaxed);
        Ok(Client { id })
    }

    /// Signs somebody in: authorize, consent, login, callback.
    ///
    /// # Errors
    /// [`Failure`] if an answer is not what it must be.
    pub async fn code(&mut self, client: Arc<Client>) -> Result<Code, Failure> {
        let Self { site, server, upstream } = self;
        let upstream = upstream.as_mut().ok_or_else(|| Failure::new("a sign-in needs the login"))?;
        let html = (ACCEPT, HeaderValue::from_static("text/html"));
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &client.id),
            ("redirect_uri", REDIRECT),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "bench"),
            ("resource", &site.resource),
        ]);
        let authorize = path(&format!("{}?{query}", site.authorize.path()))?;
        let answer = server.send(Method::GET, &authorize, std::slice::from_ref(&html), "").await?;
        let page = answer.expect(StatusCode::OK, "authorize")?;
        let mut cookies = cookies_of(&page.headers);

        let (action, request) = consent(&page, &authorize)?;
        let headers = [
            html.clone(),
            (CONTENT_TYPE, FORM),
            (ORIGIN, value(&site.issuer)?),
            (FETCH_SITE, HeaderValue::from_static("same-origin")),
            (COOKIE, value(&cookies)?),
        ];
        let body = form(&[("request", &request), ("decision", "approve")]);
        let answer = server.send(Method::POST, &action, &headers, body).await?;
        let approved = answer.expect(StatusCode::SEE_OTHER, "consent")?;
        cookies = [cookies, cookies_of(&approved.headers)].join("; ");

        // The choice on the provider's page, which needs not be seen for it.
        let login = path_of(approved.header(LOCATION)?)?;
        let who = person(PERSON.fetch_add(1, Ordering::Relaxed));
        let answer = upstream.send(Method::POST, &login, &[(CONTENT_TYPE, FORM)], form(&[("user", &who)])).await?;
        let callback = path_of(answer.expect(StatusCode::SEE_OTHER, "login")?.header(LOCATION)?)?;

        let answer = server.send(Method::GET, &callback, &[html, (COOKIE, value(&cookies)?)], "").await?;
        let back = answer.expect(StatusCode::SEE_OTHER, "callback")?;
        let back: Uri = path(back.header(LOCATION)?)?;
        let pairs = form_urlencoded::parse(back.query().unwrap_or_default().as_bytes());
        let code = pairs.into_iter().find_map(|(name, code)| (name == "code").then(|| code.into_owned()));
        let code = code.ok_or_else(|| Failure::new(format!("callback: no code in {back}")))?;
        SIGN_INS.fetch_add(1, Ordering::Relaxed);
        Ok(Code { client, code })
    }

    /// Redeems a code.
    ///
    /// # Errors
    /// [`Failure`] if the answer is not what it must be.
    pub async fn redeem(&mut self, code: Code) -> Result<Session, Failure> {
        let Code { client, code } = code;
        let request = form(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
            ("client_id", &client.id),
        ]);
        let tokens = self.token(request, "exchange").await?;
        let bearer = bearer(&tokens.access_token)?;
        EXCHANGES.fetch_add(1, Ordering::Relaxed);
        Ok(Session { client, refresh_token: tokens.refresh_token, bearer })
    }

    /// Uses the refresh token of a session, which has the next one then.
    ///
    /// # Errors
    /// [`Failure`] if the answer is not what it must be.
    pub async fn refresh(&mut self, session: &mut Session) -> Result<(), Failure> {
        let request = form(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", &session.refresh_token),
            ("client_id", &session.client.id),
        ]);
        let tokens = self.token(request, "refresh").await?;
        session.bearer = bearer(&tokens.access_token)?;
        session.refresh_token = tokens.refresh_token;
        REFRESHES.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The whole of it: register, authorize, consent, login, callback, token.
    ///
    /// # Errors
    /// [`Failure`] if an answer is not what it must be.
    pub async fn sign_in(&mut self) -> Result<Session, Failure> {
        let client = Arc::new(self.register().await?);
        let code = self.code(client).await?;
        self.redeem(code).await
    }

    /// A request that is answered 200.
    ///
    /// # Errors
    /// [`Failure`] if it is not.
    pub async fn get(&mut self, path: &Uri, bearer: Option<&HeaderValue>) -> Result<(), Failure> {
        get(&mut self.server, path, bearer).await
    }

    async fn token(&mut self, form: String, what: &str) -> Result<Tokens, Failure> {
        let answer = self.server.send(Method::POST, &self.site.token, &[(CONTENT_TYPE, FORM)], form).await?;
        json(&answer.expect(StatusCode::OK, what)?)
    }
}

/// A request that is answered 200.
///
/// # Errors
/// [`Failure`] if it is not.
pub async fn get(server: &mut Connection, path: &Uri, bearer: Option<&HeaderValue>) -> Result<(), Failure> {
    let headers: Vec<_> = bearer.into_iter().map(|bearer| (AUTHORIZATION, bearer.clone())).collect();
    server.send(Method::GET, path, &headers, "").await?.expect(StatusCode::OK, path.path()).map(drop)
}

/// Sends a registration to somebody who only repeats it, with 201.
///
/// # Errors
/// [`Failure`] if the answer is another one.
pub async fn echo(server: &mut Connection, path: &Uri) -> Result<(), Failure> {
    let answer = server.send(Method::POST, path, &[(CONTENT_TYPE, JSON)], registration()).await?;
    answer.expect(StatusCode::CREATED, path.path()).map(drop)
}

#[derive(Deserialize)]
struct Registered {
    client_id: String,
}

/// The metadata of a client, as clients send it (RFC 7591), that no one sent before.
fn registration() -> Bytes {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let text = format!(
        r#"{{"client_name":"Bench client {n}","redirect_uris":["{REDIRECT}"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}}"#
    );
    Bytes::from(text)
}

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn value(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::try_from(text).map_err(|error| Failure::at("a header", error))
}

fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    value(&format!("Bearer {token}"))
}

fn json<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, Failure> {
    serde_json::from_slice(&answer.body).map_err(|error| Failure::at("an answer in JSON", error))
}

/// The cookies that an answer sets, as a request sends them.
fn cookies_of(headers: &HeaderMap) -> String {
    let cookies = headers.get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    cookies.collect::<Vec<_>>().join("; ")
}

/// Where the form of the consent page goes, and its sealed request.
fn consent(page: &Answer, at: &Uri) -> Result<(Uri, String), Failure> {
    let html = std::str::from_utf8(&page.body).map_err(|error| Failure::at("the consent page", error))?;
    let between = |before: &str| html.split_once(before).and_then(|(_, rest)| rest.split('"').next());
    let request = between("name=\"request\" value=\"").ok_or_else(|| Failure::new("no consent page"))?;
    let action = between(" action=\"").ok_or_else(|| Failure::new("a consent page without an action"))?;
    let action = if action.starts_with('/') {
        path(action)?
    } else if action.contains("://") {
        path_of(action)?
    } else {
        // Beside the page.
        let directory = at.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        path(&format!("{directory}/{action}"))?
    };
    Ok((action, request.to_owned()))
}
