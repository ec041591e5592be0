//! Cookies (CB-2, CB-3, CB-4, CB-5, CB-09, CONS-04): a browser may hold anything, in any order. Only the form that this browser
//! was given opens; only a transaction that it approved finishes; after an approval it holds at most four, of at most 6 KiB.

#![no_main]

use std::cell::OnceCell;

use arbitrary::Arbitrary;
use dcr_fuzz::answer::{self, Answer};
use dcr_fuzz::world::{self, Browser, World};
use dcr_fuzz::{bounds, query};
use http::{HeaderValue, Request};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    cookies: Vec<Cookie>,
    lines: bool,
    /// Which form is sent.
    form: u8,
    /// Which login comes back.
    login: u8,
}

#[derive(Debug, Arbitrary)]
enum Cookie {
    /// Of the browser with this number: against forged forms.
    Csrf(u8),
    /// Of the browser with this number: an approved transaction.
    Approved(u8, u8),
    /// The same, changed.
    Broken(u8, u8, u16),
    /// One of ours under another name, or another one's value under ours.
    Renamed(u8, String),
    Swapped(u8, u8),
    Raw(Vec<u8>),
    Named(u8, String, String),
}

const BROWSERS: usize = 3;

/// Browsers that each hold four approved transactions, and a form.
struct Prepared {
    world: World,
    browsers: Vec<Holder>,
}

struct Holder {
    csrf: (String, String),
    form: String,
    approved: Vec<(String, String)>,
    states: Vec<String>,
}

impl Prepared {
    fn new() -> Self {
        let world = World::new();
        let browsers = (0..BROWSERS).map(|_| Holder::new(&world)).collect();
        Self { world, browsers }
    }
}

impl Holder {
    fn new(world: &World) -> Self {
        let mut browser = Browser::default();
        let mut states = Vec::new();
        let mut form = String::new();
        // A long `state`, so that four are near to the limit together.
        let state = "s".repeat(700);
        for nth in 0..5 {
            let mut asked = world::asking(world::UNKNOWN, world::LOCAL);
            asked.retain(|(name, _)| *name != "state");
            asked.push(("state", &state));
            let page = browser.visit(world, &format!("/oauth/authorize?{}", query::write(&asked))).expect("a request");
            form = world::sealed_request(&page).expect("a form");
            if nth == 4 {
                break;
            }
            let sent = [("request", form.as_str()), ("decision", "approve")];
            let answer = browser.post(world, "/oauth/consent", &query::write(&sent)).expect("a request");
            let location = answer.headers().get("location").and_then(|l| l.to_str().ok()).expect("to the login");
            let all = query::read(location.split_once('?').expect("a query").1.as_bytes());
            states.push(String::from_utf8_lossy(query::values(&all, "state")[0]).into_owned());
        }
        let (csrf, approved): (Vec<_>, Vec<_>) =
            browser.cookies.into_iter().partition(|(name, _)| name.contains("csrf"));
        Self { csrf: csrf[0].clone(), form, approved, states }
    }
}

impl Cookie {
    fn pair(&self, browsers: &[Holder]) -> Vec<u8> {
        let of = |which: u8| &browsers[usize::from(which) % BROWSERS];
        let approved = |which: u8, nth: u8| &of(which).approved[usize::from(nth) % of(which).approved.len()];
        let text = |name: &str, value: &str| format!("{name}={value}").into_bytes();
        match self {
            Self::Csrf(which) => text(&of(*which).csrf.0, &of(*which).csrf.1),
            Self::Approved(which, nth) => text(&approved(*which, *nth).0, &approved(*which, *nth).1),
            Self::Broken(which, nth, at) => {
                let (name, value) = approved(*which, *nth);
                let mut value = value.clone().into_bytes();
                let at = usize::from(*at) % value.len();
                value[at] = if value[at] == b'A' { b'B' } else { b'A' };
                text(name, &String::from_utf8_lossy(&value))
            }
            Self::Renamed(which, name) => text(&format!("__Host-dcr-tx-{name}"), &approved(*which, 0).1),
            Self::Swapped(one, other) => text(&approved(*one, 0).0, &approved(*other, 1).1),
            Self::Raw(raw) => raw.clone(),
            Self::Named(kind, name, value) => {
                let kind = ["csrf", "tx", "ok"][usize::from(*kind) % 3];
                text(&format!("__Host-dcr-{kind}-{name}"), value)
            }
        }
    }
}

fn check(Prepared { world, browsers }: &Prepared, input: &Input) {
    let pairs: Vec<Vec<u8>> = input.cookies.iter().take(24).map(|cookie| cookie.pair(browsers)).collect();
    let lines: Vec<Vec<u8>> = if input.lines { pairs } else { vec![pairs.join(&b"; "[..])] };
    let lines: Vec<HeaderValue> = lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let with = |request: http::request::Builder, body: String| {
        let mut request: Request<bytes::Bytes> =
            request.header("accept", "text/html").body(body.into()).expect("a request");
        lines.iter().for_each(|line| _ = request.headers_mut().append("cookie", line.clone()));
        request
    };
    // What the browser sends, by a reader of its own.
    let held: Vec<(Vec<u8>, Vec<u8>)> = lines
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=')?;
            Some((pair[..at].trim_ascii().to_vec(), pair[at + 1..].trim_ascii().to_vec()))
        })
        .collect();
    let holds =
        |(name, value): &(String, String)| held.iter().any(|(n, v)| n == name.as_bytes() && v == value.as_bytes());
    let rows = world.rows();

    // The form of one browser, approved in this one.
    let holder = &browsers[usize::from(input.form) % BROWSERS];
    let sent = query::write(&[("request", holder.form.as_str()), ("decision", "approve")]);
    let post = Request::post("/oauth/consent").header("content-type", "application/x-www-form-urlencoded");
    let request = with(post.header("sec-fetch-site", "same-origin").header("origin", "null"), sent);
    let answer = bounds::within(1024 * 1024, || world.send(request));
    match answer::judge(&answer, false) {
        Answer::Sent(location) => {
            assert!(holds(&holder.csrf), "another browser's form, or none");
            assert!(location.starts_with("https://idp.example/authorize?"));
            let mut browser = Browser::default();
            for (name, value) in &held {
                let (name, value) =
                    (String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned());
                browser.cookies.insert(name, value);
            }
            browser.keep(&answer);
            // Names that we never give are not ours: they do not count.
            let sane = |name: &str| {
                name.len() <= 30 && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            };
            let open: Vec<_> =
                browser.cookies.iter().filter(|(name, _)| name.starts_with("__Host-dcr-tx-") && sane(name)).collect();
            assert!(open.len() <= 4, "{} transactions", open.len());
            assert!(open.iter().map(|(_, value)| value.len()).sum::<usize>() <= 6 * 1024);
        }
        Answer::Page(_) => {
            assert_eq!(answer.status(), 403);
            // Eight are tried.
            let many = held.iter().filter(|(name, _)| name.starts_with(b"__Host-dcr-csrf-")).count() > 8;
            assert!(!holds(&holder.csrf) || many, "its own form");
        }
        other => panic!("{other:?}"),
    }

    // A login that one browser began, finished in this one; refused, so that nothing is spent.
    let holder = &browsers[usize::from(input.login) % BROWSERS];
    let nth = usize::from(input.login >> 4) % holder.states.len();
    let path = format!(
        "/oauth/callback?{}",
        query::write(&[("state", holder.states[nth].as_str()), ("error", "access_denied")])
    );
    let answer = world.send(with(Request::get(path), String::new()));
    let own: Vec<_> = holder.approved.iter().filter(|pair| holds(pair)).collect();
    match answer::judge(&answer, false) {
        Answer::Sent(location) => {
            assert!(!own.is_empty(), "in another browser");
            assert!(location.starts_with(world::LOCAL) && location.contains("error=access_denied"));
        }
        Answer::Page(_) => assert_eq!(answer.status(), 403),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.rows(), rows, "I-1");
}

thread_local! {
    static PREPARED: OnceCell<Prepared> = const { OnceCell::new() };
}

fuzz_target!(|input: Input| PREPARED.with(|prepared| check(prepared.get_or_init(Prepared::new), &input)));
