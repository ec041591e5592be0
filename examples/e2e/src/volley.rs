//! Requests that arrive at the same moment. Each is sent on a connection of its own up to its last byte; when all are that
//! far, the last bytes follow together, so that what the servers race about is their work and not the network's.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use url::{Position, Url};

use crate::browser::Approved;
use crate::http::{Answer, encode};
use crate::site::Site;

/// Longer than a server waits for its database.
const PATIENCE: Duration = Duration::from_secs(30);
/// A store that is too busy says 503, and the same request may come again (the engine's own words): so often.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// One request, in the bytes that are sent.
#[derive(Debug, Clone)]
pub struct Shot {
    address: String,
    bytes: Vec<u8>,
}

/// What became of a [`Shot`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fired {
    /// Its answer.
    pub answer: Answer,
    /// When its last byte was sent, the last time.
    pub began: Instant,
    /// How often it was answered 503 before and sent again.
    pub busy: u32,
}

/// Shots that are fired together, in the order in which they were added.
#[derive(Debug)]
pub struct Volley {
    shots: Vec<Shot>,
    go: watch::Sender<bool>,
}

impl Shot {
    /// GET.
    pub fn get(url: &str, headers: &[(&str, &str)]) -> Self {
        Self::request("GET", url, headers, "")
    }

    /// POST of a form.
    pub fn post_form(url: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Self {
        let headers = [&[("content-type", "application/x-www-form-urlencoded")], headers].concat();
        Self::request("POST", url, &headers, &encode(form))
    }

    /// The callback of a sign-in, in the browser that approved it, at this replica.
    pub fn callback(approved: &Approved, site: &Site) -> Self {
        Self::callback_with(approved, site, &[("cookie", &approved.cookie)])
    }

    /// The callback of a sign-in with these headers.
    pub fn callback_with(approved: &Approved, site: &Site, headers: &[(&str, &str)]) -> Self {
        let headers = [&[("accept", "text/html")], headers].concat();
        Self::get(&site.url(&approved.callback[Position::BeforePath..]), &headers)
    }

    /// Any request.
    pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let url = Url::parse(url).expect("a URL");
        let address = url.authority().to_owned();
        let mut head =
            format!("{method} {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n", &url[Position::BeforePath..]);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        Self { address, bytes: head.into_bytes() }
    }

    /// Up to the last byte.
    async fn aim(&self) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.expect("a server that listens");
        stream.set_nodelay(true).expect("a socket option");
        stream.write_all(&self.bytes[..self.bytes.len() - 1]).await.expect("a server that reads");
        stream
    }

    async fn fire(&self, mut stream: TcpStream) -> (Answer, Instant) {
        let began = Instant::now();
        stream.write_all(&self.bytes[self.bytes.len() - 1..]).await.expect("a server that reads");
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer in time");
        read.expect("a whole answer");
        (parsed(&answer), began)
    }
}

impl Default for Volley {
    fn default() -> Self {
        Self { shots: Vec::new(), go: watch::Sender::new(false) }
    }
}

impl Extend<Shot> for Volley {
    fn extend<T: IntoIterator<Item = Shot>>(&mut self, shots: T) {
        self.shots.extend(shots);
    }
}

impl FromIterator<Shot> for Volley {
    fn from_iter<T: IntoIterator<Item = Shot>>(shots: T) -> Self {
        Self { shots: shots.into_iter().collect(), ..Self::default() }
    }
}

impl Volley {
    /// Waits for the moment. For what races with the shots and is none.
    pub fn moment(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut go = self.go.subscribe();
        async move {
            // The volley is gone only when it was fired.
            let _: Result<_, watch::error::RecvError> = go.wait_for(|go| *go).await.map(|_| ());
        }
    }

    /// Fires. The answers are in the order of the shots.
    ///
    /// # Panics
    /// If a server is down, or still answers 503 after some seconds.
    pub async fn fire(self) -> Vec<Fired> {
        let (aimed, mut all_aimed) = mpsc::channel::<()>(1);
        let mut tasks = JoinSet::new();
        for (n, shot) in self.shots.into_iter().enumerate() {
            let (aimed, mut go) = (aimed.clone(), self.go.subscribe());
            tasks.spawn(async move {
                let stream = shot.aim().await;
                drop(aimed);
                go.wait_for(|go| *go).await.expect("the moment comes");
                let (mut answer, mut began) = shot.fire(stream).await;
                let mut busy = 0;
                while answer.status == StatusCode::SERVICE_UNAVAILABLE {
                    busy += 1;
                    assert!(busy < TRIES, "it stays busy: {answer:?}");
                    sleep(PAUSE).await;
                    (answer, began) = shot.fire(shot.aim().await).await;
                }
                (n, Fired { answer, began, busy })
            });
        }
        drop(aimed);
        // Nothing is ever sent on it: it ends when the last shot has been aimed.
        let _: Option<()> = all_aimed.recv().await;
        self.go.send_replace(true);
        let mut fired = tasks.join_all().await;
        fired.sort_by_key(|(n, _)| *n);
        fired.into_iter().map(|(_, fired)| fired).collect()
    }
}

/// An answer of which the length is known, read to its end.
fn parsed(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status: {text}"));
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    Answer { status, headers, body: body.to_owned() }
}
