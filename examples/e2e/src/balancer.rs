//! A load balancer, as small as one can be and as careful as one must be: it never sends a request twice that a server may
//! have begun to answer, unless the method allows that.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use reqwest::Method;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::random::Random;

/// Who answered: the number of the replica, or [`BALANCER`].
const REPLICA: HeaderName = HeaderName::from_static("x-replica");
const BALANCER: &str = "balancer";
/// In an answer to a request that another replica had already, and may have done: how many.
const RESENT: HeaderName = HeaderName::from_static("x-resent");
const ONLY_HEADER: HeaderName = HeaderName::from_static("x-only-replica");
/// Longer than a server waits for its database.
const PATIENCE: Duration = Duration::from_secs(20);
const MAX_BODY: usize = 1024 * 1024;
/// What is said of the connection and not of the message (RFC 9110 section 7.6.1), and what is computed anew.
const OF_THE_CONNECTION: [HeaderName; 4] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH, HeaderName::from_static("keep-alive")];

tokio::task_local! {
    /// The replica that this test wants to ask.
    static ONLY: usize;
}

/// Requests of this future go to this replica and no other; all others go on being spread by chance.
pub async fn at<T>(replica: usize, requests: impl Future<Output = T>) -> T {
    ONLY.scope(replica, requests).await
}

/// The header that tells the load balancer.
pub(crate) fn only() -> Option<(HeaderName, HeaderValue)> {
    ONLY.try_with(|replica| (ONLY_HEADER, HeaderValue::from(*replica))).ok()
}

/// A request that was forwarded, for the diagnosis of a failure.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Forwarded {
    /// Method and path.
    pub what: String,
    /// The replicas that it was offered to, in their order.
    pub tried: Vec<usize>,
    /// The answer; 502 if there was none.
    pub status: StatusCode,
}

/// What went through so far.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Traffic {
    /// Requests.
    pub requests: u64,
    /// Offers that found nobody listening.
    pub refused: u64,
    /// Requests whose replica died, or broke off, while it answered.
    pub broken: u64,
    /// Those of them that were sent to another replica, as their method allows it.
    pub resent: u64,
}

/// A load balancer in front of the replicas of a cluster, on a port of its own.
#[derive(Debug)]
pub struct Balancer {
    base: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    table: Mutex<Table>,
    requests: watch::Sender<u64>,
}

#[derive(Debug)]
struct Table {
    replicas: Vec<Backend>,
    random: Random,
    traffic: Traffic,
    log: Vec<Forwarded>,
    server_errors: Vec<Forwarded>,
}

#[derive(Debug, Clone)]
struct Backend {
    address: SocketAddr,
    in_rotation: bool,
    open: usize,
}

/// Why a replica gave no answer.
enum Failure {
    /// Nobody listens: it has not seen the request.
    Refused,
    /// It may have done what was asked.
    Broken,
}

impl Balancer {
    /// Starts one for so many replicas.
    pub async fn start(replicas: usize, random: Random) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let nowhere = Backend { address: SocketAddr::from(([127, 0, 0, 1], 1)), in_rotation: true, open: 0 };
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            // A connection for each request: one that is kept might be closed while a request is on its way.
            .pool_max_idle_per_host(0)
            .build();
        let shared = Arc::new(Shared {
            http: http.expect("an HTTP client"),
            table: Mutex::new(Table {
                replicas: vec![nowhere; replicas],
                random,
                traffic: Traffic::default(),
                log: Vec::new(),
                server_errors: Vec::new(),
            }),
            requests: watch::Sender::new(0),
        });
        let app = Router::new().fallback(forward).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("a balancer that serves") });
        Self { base, shared, server }
    }

    /// Its base URL, which is the one that clients know.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What went through so far.
    pub fn traffic(&self) -> Traffic {
        self.shared.table().traffic
    }

    /// The last requests, the latest last.
    pub fn log(&self, last: usize) -> Vec<Forwarded> {
        let table = self.shared.table();
        table.log[table.log.len().saturating_sub(last)..].to_vec()
    }

    /// The requests that a replica, and not the load balancer, answered with 500 or more.
    pub fn server_errors(&self) -> Vec<Forwarded> {
        self.shared.table().server_errors.clone()
    }

    /// Waits until so many more requests have come in.
    pub async fn requests(&self, more: u64) {
        let mut requests = self.shared.requests.subscribe();
        let wanted = *requests.borrow() + more;
        // The sender lives as long as this balancer.
        let _: Result<_, watch::error::RecvError> = requests.wait_for(|count| *count >= wanted).await.map(|_| ());
    }

    pub(crate) fn set_address(&self, replica: usize, address: SocketAddr) {
        self.shared.table().replicas[replica].address = address;
    }

    pub(crate) fn address(&self, replica: usize) -> SocketAddr {
        self.shared.table().replicas[replica].address
    }

    /// Takes a replica out of the rotation, or puts it in.
    pub(crate) fn set_in_rotation(&self, replica: usize, in_rotation: bool) {
        self.shared.table().replicas[replica].in_rotation = in_rotation;
    }

    /// How many requests a replica has at the moment.
    pub(crate) fn open(&self, replica: usize) -> usize {
        self.shared.table().replicas[replica].open
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The replicas to try, in their order: those in rotation, by chance.
    fn order(&self, only: Option<usize>) -> Vec<usize> {
        if let Some(only) = only {
            return vec![only];
        }
        let mut table = self.table();
        let all = table.replicas.len();
        let order = table.random.order(all);
        order.into_iter().filter(|replica| table.replicas[*replica].in_rotation).collect()
    }

    async fn offer(
        &self,
        replica: usize,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Response<Body>, Failure> {
        let address = {
            let mut table = self.table();
            table.replicas[replica].open += 1;
            table.replicas[replica].address
        };
        let request = self.http.request(method.clone(), format!("http://{address}{path}"));
        let request = request.headers(headers.clone()).body(body.to_vec());
        // Read whole before it is passed on: an answer that breaks off must not look like one that is complete.
        let answer = async {
            let response = request.send().await?;
            Ok::<_, reqwest::Error>((response.status(), response.headers().clone(), response.bytes().await?))
        };
        let answer = answer.await;
        self.table().replicas[replica].open -= 1;
        let (status, headers, body) =
            answer.map_err(|error| if error.is_connect() { Failure::Refused } else { Failure::Broken })?;
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = without_connection(headers);
        response.headers_mut().insert(REPLICA, HeaderValue::from(replica));
        Ok(response)
    }
}

/// One request: to the first replica that listens. When one breaks off, only a request that changes nothing by its method
/// (RFC 9110 section 9.2.1) goes to another, which is what nginx does.
async fn forward(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let Ok(body) = to_bytes(body, MAX_BODY).await else { return no_answer(StatusCode::BAD_REQUEST) };
    let mut headers = without_connection(parts.headers);
    let only = headers.remove(ONLY_HEADER).and_then(|only| only.to_str().ok()?.parse().ok());
    shared.requests.send_modify(|count| *count += 1);

    let (mut tried, mut refused, mut broken) = (Vec::new(), 0, 0);
    let mut response = no_answer(StatusCode::BAD_GATEWAY);
    for replica in shared.order(only) {
        tried.push(replica);
        match shared.offer(replica, &parts.method, path, &headers, &body).await {
            Ok(answer) => {
                response = answer;
                break;
            }
            Err(Failure::Refused) => refused += 1,
            Err(Failure::Broken) => {
                broken += 1;
                if !parts.method.is_safe() {
                    break;
                }
            }
        }
    }

    let mut table = shared.table();
    let answered = response.headers()[REPLICA] != BALANCER;
    if answered && broken > 0 {
        response.headers_mut().insert(RESENT, HeaderValue::from(broken));
    }
    table.traffic.requests += 1;
    table.traffic.refused += refused;
    table.traffic.broken += broken;
    table.traffic.resent += if answered { broken } else { 0 };
    let what = format!("{} {}", parts.method, parts.uri.path());
    let forwarded = Forwarded { what, tried, status: response.status() };
    if answered && response.status().is_server_error() {
        table.server_errors.push(forwarded.clone());
    }
    table.log.push(forwarded);
    drop(table);
    response
}

fn no_answer(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from("No replica has answered.\n"));
    *response.status_mut() = status;
    response.headers_mut().insert(REPLICA, HeaderValue::from_static(BALANCER));
    response
}

fn without_connection(mut headers: HeaderMap) -> HeaderMap {
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
    headers
}
