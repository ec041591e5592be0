//! How long the pages of the console take on the database of a busy server.
//!
//! ```text
//! cargo run --release -p dcr-sqlx --example busy_console -- busy.db
//! ```
//!
//! Fills the file if it is new, which takes a minute, and prints what each page takes and how large it is. A number after the
//! file's name is how many people there are to be, such as 200000. A server can be started on the file afterwards, to look at
//! the pages.

mod data;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Write as _, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dcr_core::testing::StubProvider;
use dcr_core::{AdminAccess, AdminPeople, Clock as _, DcrEngine, Resource, SystemClock};
use http::{Request, Response};

/// The best of so many counts: the rest is what else the machine does.
const TRIES: usize = 9;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("name a file")?;
    let people: u64 = std::env::args().nth(2).map_or(Ok(0), |people| people.parse())?;
    let is_new = !std::path::Path::new(&file).exists();
    let store = dcr_sqlx::connect(&format!("sqlite://{file}?mode=rwc")).await?;
    if is_new {
        let began = Instant::now();
        data::write(store.as_ref(), SystemClock.now()).await?;
        data::crowd(store.as_ref(), SystemClock.now(), people).await?;
        writeln!(stdout(), "written in {:.1} s", began.elapsed().as_secs_f64())?;
    }
    let counts = store.counts().await?;
    writeln!(
        stdout(),
        "{} people, {} connections, {} sessions, {} events",
        counts.users,
        counts.connections,
        counts.sessions,
        counts.events
    )?;
    let (person, connections) = data::busiest(store.as_ref()).await?;
    let engine = DcrEngine::builder("http://127.0.0.1:8080")
        .resource(Resource::new("/mcp", "Busy server").scope("mcp", "Use the tools"))
        .provider(Arc::new(StubProvider))
        .admin(AdminAccess::people(AdminPeople::new().users(["ada@test.example".to_owned()]))?)
        .store(Arc::clone(&store))
        .build()
        .await?;
    let mut browser = Browser { engine, cookies: BTreeMap::new() };
    browser.sign_in().await?;
    let alias = connections.first().and_then(|connection| connection.aliases.first()).map(ToString::to_string);
    let places = [
        String::new(),
        "?range=24h".to_owned(),
        "?range=30d".to_owned(),
        "/people".to_owned(),
        "/people?q=hopper".to_owned(),
        "/people?q=nobody-at-all".to_owned(),
        format!("/people?q=person{}%40", people.max(2_000) - 1),
        format!("/people/{person}"),
        "/clients".to_owned(),
        "/blocks".to_owned(),
        format!("/clients?client_id={}", alias.unwrap_or_default()),
        "/events".to_owned(),
        "/events?kind=refused&platform=cursor".to_owned(),
        "/events?reason=refresh_replayed".to_owned(),
        "/events?reason=nothing-of-the-kind".to_owned(),
        "/events?actor=command".to_owned(),
        "/events?actor=client".to_owned(),
        "/events?actor=person".to_owned(),
        "/health".to_owned(),
    ];
    for place in places {
        let mut times = Vec::new();
        let mut size = 0;
        for _ in 0..TRIES {
            let began = Instant::now();
            let page = browser.send("GET", &format!("/oauth/admin{place}"), "").await?;
            times.push(began.elapsed());
            if page.status() != 200 {
                return Err(format!("{place}: {}", page.status()).into());
            }
            size = page.body().len();
        }
        times.sort_unstable();
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        let (median, worst) = (millis(times[TRIES / 2]), millis(times[TRIES - 1]));
        let place = place.get(..40).unwrap_or(&place);
        writeln!(stdout(), "{median:8.1} ms, at most {worst:8.1} ms {:6} KiB  {place}", size / 1_024)?;
    }
    writeln!(stdout(), "a person to look at: {person}")?;
    Ok(())
}

struct Browser {
    engine: DcrEngine,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    async fn sign_in(&mut self) -> Result<(), Box<dyn Error>> {
        let sent = self.send("POST", "/oauth/admin/sign-in", "").await?;
        let location = sent.headers().get("location").ok_or("no way to the login")?.to_str()?.to_owned();
        let state =
            location.split("state=").nth(1).and_then(|rest| rest.split('&').next()).ok_or("no state")?.to_owned();
        self.send("GET", &format!("/oauth/callback?state={state}&code=Ada"), "").await?;
        Ok(())
    }

    async fn send(&mut self, method: &str, path: &str, body: &str) -> Result<Response<Bytes>, Box<dyn Error>> {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder().method(method).uri(path).header("accept", "text/html");
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if method == "POST" {
            request = request.header("content-type", "application/x-www-form-urlencoded");
            request = request.header("sec-fetch-site", "same-origin");
        }
        let response = self.engine.handle(request.body(Bytes::copy_from_slice(body.as_bytes()))?).await;
        for cookie in response.headers().get_all("set-cookie") {
            let Some((name, rest)) = cookie.to_str()?.split_once('=') else { continue };
            let value = rest.split(';').next().unwrap_or_default();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(response)
    }
}
