//! Against real TLS servers on loopback. `localhost` is an allowed private host where the rules after the connection are
//! tested; a [`Guard`] of the test stands in for the network where the rules before it are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{LazyLock, Mutex};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

use super::*;
use crate::upstream::{HttpFetch, ReqwestFetch};

struct Pki {
    root_pem: String,
    acceptor: TlsAcceptor,
}

/// An authority that no system trusts, and a server it vouches for.
static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let mut authority = rcgen::CertificateParams::new([]).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let root = authority.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);
    let names = ["localhost", "127.0.0.1", "client.example"].map(str::to_owned);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let root_pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(root.der()));
    Pki { root_pem, acceptor: TlsAcceptor::from(Arc::new(config)) }
});

/// A listener on loopback, and how many connections came.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Hands each connection to `serve`.
    async fn tcp<S, F>(serve: S) -> Self
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { port: listener.local_addr().unwrap().port(), connections: Arc::default() };
        let connections = Arc::clone(&server.connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, SeqCst);
                tokio::spawn(serve(stream));
            }
        });
        server
    }

    /// Hands the head of each request, and its connection, to `serve`.
    async fn https<S, F>(serve: S) -> Self
    where
        S: Fn(String, TlsStream<TcpStream>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::tcp(move |stream| {
            let serve = serve.clone();
            async move {
                let Ok(mut stream) = PKI.acceptor.accept(stream).await else { return };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                serve(String::from_utf8(head).unwrap(), stream).await;
            }
        })
        .await
    }

    /// Gives each request the same answer and leaves the connection open.
    async fn answering(head: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = [format!("{}\r\n\r\n", head.into()).into_bytes(), body.into()].concat().into();
        Self::https(move |_, mut stream| {
            let answer = Arc::clone(&answer);
            async move {
                let _ = stream.write_all(&answer).await;
                let _ = stream.flush().await;
                let _ = stream.read_u8().await;
            }
        })
        .await
    }

    /// To which no connection may come.
    async fn canary() -> Self {
        Self::tcp(|_| async {}).await
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/client.json", self.port)
    }

    fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

fn trusting() -> PublicFetchBuilder {
    PublicFetch::builder().extra_root_certificate_pem(PKI.root_pem.as_str())
}

fn local() -> PublicFetch {
    trusting().dangerously_allow_private_host("localhost").build().unwrap()
}

/// A client for which `port` is what 443 is, loopback is public (the test's server is there), and names resolve to one of
/// `answers` after the other; the last one stays. With it the number of look-ups.
fn staged(port: u16, answers: &[&[&str]]) -> (PublicFetch, Arc<AtomicUsize>) {
    let lookups = Arc::new(AtomicUsize::new(0));
    let answers: Vec<Vec<IpAddr>> =
        answers.iter().map(|answer| answer.iter().map(|a| a.parse().unwrap()).collect()).collect();
    let count = Arc::clone(&lookups);
    let lookup = move |_| -> Answer {
        let answer = answers[count.fetch_add(1, SeqCst).min(answers.len() - 1)].clone();
        Box::pin(async { Ok(answer) })
    };
    let is_public = |address: IpAddr| address.is_loopback() || is_public(address);
    let guard = Guard { private_hosts: BTreeSet::new(), is_public, port, lookup: Box::new(lookup) };
    (trusting().build_on(guard).unwrap(), lookups)
}

async fn refusal(fetch: &PublicFetch, url: &str) -> GuardedFetchError {
    match fetch.get(url).await {
        Ok(answer) => panic!("{url}: {answer:?}"),
        Err(error) => error,
    }
}

fn unreachable(error: &GuardedFetchError) -> &str {
    match error {
        GuardedFetchError::Unreachable(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn cimd_01_a_document_comes_back_byte_for_byte() {
    let document = "{\"client_id\": \"https://client.example/\",\r\n\t\"name\": \"\u{fc}\u{0}\"}\n";
    let seen = Arc::new(Mutex::new(String::new()));
    let keep = Arc::clone(&seen);
    let server = Server::https(move |head, mut stream| {
        *keep.lock().unwrap() = head;
        async move {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: max-age=60\r\ncontent-length: {}\r\n\r\n",
                document.len()
            );
            stream.write_all(&[head.as_bytes(), document.as_bytes()].concat()).await.unwrap();
            stream.flush().await.unwrap();
        }
    })
    .await;
    let answer = local().get(&server.url()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "max-age=60");
    assert_eq!(answer.body(), document.as_bytes());

    let head = seen.lock().unwrap().to_lowercase();
    assert!(head.starts_with("get /client.json http/1.1\r\n"), "{head}");
    let mut fields: Vec<&str> = head.lines().skip(1).filter(|line| !line.is_empty()).collect();
    fields.sort_unstable();
    let expected = [
        "accept-encoding: identity".to_owned(),
        "accept: application/json".to_owned(),
        format!("host: localhost:{}", server.port),
        format!("user-agent: dcr/{}", env!("CARGO_PKG_VERSION")),
    ];
    assert_eq!(fields, expected, "nothing else is told to a stranger");
}

#[tokio::test]
async fn an_error_status_is_an_answer() {
    let server = Server::answering("HTTP/1.1 404 Not Found\r\ncontent-length: 2", "no").await;
    let answer = local().get(&server.url()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().as_slice()), (404, b"no".as_slice()));
}

#[tokio::test]
async fn ci_4_a_redirect_is_returned_and_its_target_left_alone() {
    let (fetch, target) = (local(), Server::canary().await);
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let head = format!("HTTP/1.1 {status}\r\nlocation: {}\r\ncontent-length: 0", target.url());
        let server = Server::answering(head, "").await;
        let answer = fetch.get(&server.url()).await.unwrap();
        assert!(answer.status().is_redirection());
        assert_eq!(answer.headers()["location"], target.url());
        assert_eq!(server.connections(), 1);
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn ci_5_the_limit_is_5120_bytes_however_the_body_is_framed() {
    let fetch = local();
    let chunked = |length: usize| [b"x".repeat(length).as_slice(), b"\r\n0\r\n\r\n"].concat();
    for (length, fits) in [(5_120, true), (5_121, false)] {
        let framings = [
            (format!("content-length: {length}"), b"x".repeat(length)),
            (format!("transfer-encoding: chunked\r\n\r\n{length:x}"), chunked(length)),
        ];
        for (field, body) in framings {
            // In the chunked one the blank line and the chunk's size are in `field`.
            let separator = if field.contains("chunked") { "\r\n" } else { "\r\n\r\n" };
            let answer = [format!("HTTP/1.1 200 OK\r\n{field}{separator}").as_bytes(), &body].concat();
            let server = Server::https(move |_, mut stream| {
                let answer = answer.clone();
                async move {
                    let _ = stream.write_all(&answer).await;
                    let _ = stream.flush().await;
                    let _ = stream.read_u8().await;
                }
            })
            .await;
            let answer = fetch.get(&server.url()).await;
            let expected = if fits { Ok(length) } else { Err(GuardedFetchError::TooLarge) };
            assert_eq!(answer.map(|a| a.body().len()), expected, "{length} bytes, {field}");
        }
    }
}

#[tokio::test]
async fn ci_5_a_larger_answer_is_dropped_as_soon_as_it_is_known_to_be() {
    let (dropped, is_dropped) = oneshot::channel();
    let dropped = Arc::new(Mutex::new(Some(dropped)));
    let server = Server::https(move |_, mut stream| {
        let dropped = dropped.lock().unwrap().take().unwrap();
        async move {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
            stream.write_all(&[head.as_slice(), &b"x".repeat(5_121)].concat()).await.unwrap();
            stream.flush().await.unwrap();
            let _ = dropped.send(stream.read_u8().await.is_err());
        }
    })
    .await;
    assert_eq!(refusal(&local(), &server.url()).await, GuardedFetchError::TooLarge);
    assert!(is_dropped.await.unwrap(), "the client closes the connection instead of reading on");
}

/// The head is not counted; hyper bounds it, at some 400 KiB and 100 fields.
#[tokio::test]
async fn ci_5_a_head_without_end_is_dropped() {
    for line in ["", "\r\nx: "] {
        let (sent, is_sent) = oneshot::channel();
        let sent = Arc::new(Mutex::new(Some(sent)));
        let server = Server::https(move |_, mut stream| {
            let sent = sent.lock().unwrap().take().unwrap();
            let piece = format!("{line}{}", "x".repeat(1_000));
            async move {
                let mut count = 0;
                stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await.unwrap();
                while count < 16_000_000 && stream.write_all(piece.as_bytes()).await.is_ok() {
                    count += piece.len();
                }
                let _ = sent.send(count);
            }
        })
        .await;
        let error = refusal(&local(), &server.url()).await;
        assert!(!unreachable(&error).contains("in time"), "{error}");
        let count = is_sent.await.unwrap();
        assert!(count < 16_000_000, "{count} bytes");
    }
}

/// The one test of time, black-box: it takes as long as the limits are.
#[tokio::test]
async fn ci_5_a_slow_answer_ends_after_5_s() {
    async fn drip(mut stream: TlsStream<TcpStream>, head: &'static [u8]) {
        stream.write_all(head).await.unwrap();
        while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
    let body = Server::https(|_, stream| drip(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n")).await;
    let head = Server::https(|_, stream| drip(stream, b"HTTP/1.1 200 OK\r\nx-slow: ")).await;
    let silent = Server::tcp(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let fetch = local();
    let timed = async |server: &Server| {
        let start = Instant::now();
        let error = refusal(&fetch, &server.url()).await;
        assert_eq!(unreachable(&error), "it did not answer in time");
        start.elapsed().as_secs_f32()
    };
    let (body, head, silent) = tokio::join!(timed(&body), timed(&head), timed(&silent));
    // Generous at the upper end: the machine may be busy.
    assert!((4.5..9.0).contains(&body), "a body in drips: {body} s");
    assert!((4.5..9.0).contains(&head), "a head in drips: {head} s");
    assert!(2.5 < silent && silent + 1.0 < body.min(head), "no TLS: {silent} s");
}

#[tokio::test]
async fn ci_5_a_content_encoding_is_refused() {
    let fetch = local();
    for encoding in ["gzip", "br", "zstd", "deflate", "identity", ""] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: 2");
        let server = Server::answering(head, "{}").await;
        let error = refusal(&fetch, &server.url()).await;
        assert!(unreachable(&error).contains("encoded"), "{encoding}: {error}");
    }
}

#[tokio::test]
async fn cimd_05_cimd_07_what_is_not_public_is_not_connected_to() {
    let canary = Server::canary().await;
    // The real resolver and the real rule; only the port is the canary's.
    let guard = Guard { private_hosts: BTreeSet::new(), is_public, port: canary.port, lookup: Box::new(system_lookup) };
    let fetch = trusting().build_on(guard).unwrap();
    for host in [
        "localhost",
        "LOCALHOST",
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "0",
        "0.0.0.0",
        "%31%32%37.0.0.1",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[2606:4700::5efe:127.0.0.1]",
        "[fe80::1]",
        "[fd00:ec2::254]",
    ] {
        let error = refusal(&fetch, &format!("https://{host}:{}/", canary.port)).await;
        assert_eq!(error, GuardedFetchError::NotPublic, "{host}");
    }
    assert_eq!(canary.connections(), 0);
    // As everybody gets it.
    let public = PublicFetch::new().unwrap();
    for url in ["https://localhost/", "https://127.0.0.1/", "https://[::1]:8443/", "https://2130706433/"] {
        assert_eq!(refusal(&public, url).await, GuardedFetchError::NotPublic, "{url}");
    }
}

#[tokio::test]
async fn cimd_05_cimd_07_one_address_that_is_not_public_refuses_the_name() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2", "{}").await;
    let url = format!("https://client.example:{}/client.json", server.port);
    let (fetch, _) = staged(server.port, &[&["127.0.0.1"]]);
    assert_eq!(fetch.get(&url).await.unwrap().body(), b"{}", "the stage lets the server through");
    for other in ["10.0.0.1", "169.254.169.254", "100.64.0.1", "fd00::1", "64:ff9b::a00:1", "2002:a00:1::"] {
        for answer in [["127.0.0.1", other], [other, "127.0.0.1"]] {
            let (fetch, lookups) = staged(server.port, &[&answer]);
            assert_eq!(refusal(&fetch, &url).await, GuardedFetchError::NotPublic, "{answer:?}");
            assert_eq!(lookups.load(SeqCst), 1);
        }
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn ci_3_a_fetch_resolves_once_and_the_next_one_again() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2", "{}").await;
    let url = format!("https://client.example:{}/client.json", server.port);
    let (fetch, lookups) = staged(server.port, &[&["127.0.0.1"], &["10.0.0.1"]]);
    assert_eq!(fetch.get(&url).await.unwrap().body(), b"{}");
    assert_eq!((lookups.load(SeqCst), server.connections()), (1, 1));
    // The server left its connection open; nevertheless the name is checked anew.
    assert_eq!(refusal(&fetch, &url).await, GuardedFetchError::NotPublic);
    assert_eq!((lookups.load(SeqCst), server.connections()), (2, 1));

    let (fetch, lookups) = staged(server.port, &[&["127.0.0.1"]]);
    for _ in 0..3 {
        fetch.get(&url).await.unwrap();
    }
    assert_eq!((lookups.load(SeqCst), server.connections()), (3, 4), "no connection is used twice");
}

#[tokio::test]
async fn a_connection_that_breaks_is_not_made_again() {
    let server = Server::https(|_, _| async {}).await;
    let (fetch, lookups) = staged(server.port, &[&["127.0.0.1"]]);
    let error = refusal(&fetch, &format!("https://client.example:{}/", server.port)).await;
    unreachable(&error);
    assert_eq!((lookups.load(SeqCst), server.connections()), (1, 1));
}

/// Runs itself in child processes, because a process has one environment.
#[tokio::test]
async fn ci_13_proxies_of_the_environment_are_ignored() {
    const ROLE: &str = "DCR_TEST_PROXY_ROLE";
    if let Ok(role) = std::env::var(ROLE) {
        let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2", "{}").await;
        if role == "public" {
            assert_eq!(local().get(&server.url()).await.unwrap().body(), b"{}");
        } else {
            // The upstream's client obeys: the proxy of this test is one.
            let request = http::Request::get(server.url()).body(Vec::new()).unwrap();
            ReqwestFetch::new().unwrap().fetch(request).await.unwrap_err();
        }
        return;
    }
    let test = format!("{}::ci_13_proxies_of_the_environment_are_ignored", module_path!());
    let (_, test) = test.split_once("::").unwrap();
    for (role, reaches_proxy) in [("public", false), ("upstream", true)] {
        let proxy = Server::canary().await;
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", test]).env(ROLE, role);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            let address = format!("http://127.0.0.1:{}", proxy.port);
            child.env(name, &address).env(name.to_lowercase(), address);
        }
        child.env_remove("NO_PROXY").env_remove("no_proxy");
        let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{role}: {text}");
        assert_eq!(proxy.connections() > 0, reaches_proxy, "{role}");
    }
}

#[tokio::test]
async fn ci_1_only_https_on_port_443_without_credentials_is_fetched() {
    let canary = Server::canary().await;
    let public = PublicFetch::new().unwrap();
    for (url, why) in [
        (format!("http://localhost:{}/", canary.port), "only https"),
        ("http://client.example/".to_owned(), "only https"),
        ("file:///etc/passwd".to_owned(), "only https"),
        ("gopher://client.example/".to_owned(), "only https"),
        ("https://client.example:8443/".to_owned(), "port 443"),
        ("https://client.example:80/".to_owned(), "port 443"),
        (canary.url(), "port 443"),
        ("https://8.8.8.8/".to_owned(), "not a name"),
        ("https://[2606:4700:4700::1111]/".to_owned(), "not a name"),
        ("https://user@client.example/".to_owned(), "credentials"),
        ("https://user:secret@client.example/".to_owned(), "credentials"),
        ("https://".to_owned(), "not a URL"),
        ("client.example".to_owned(), "not a URL"),
    ] {
        let error = refusal(&public, &url).await;
        assert!(unreachable(&error).contains(why), "{url}: {error}");
        assert!(!error.to_string().contains("secret"));
    }
    // An allowed host is free in its port only.
    let local = local();
    for url in [format!("http://localhost:{}/", canary.port), format!("https://me@localhost:{}/", canary.port)] {
        unreachable(&refusal(&local, &url).await);
    }
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn an_allowance_is_for_one_exact_host() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2", "{}").await;
    let on = |host: &str| format!("https://{host}:{}/", server.port);
    let fetch = trusting().dangerously_allow_private_host("LocalHost").build().unwrap();
    assert_eq!(fetch.get(&on("localhost")).await.unwrap().body(), b"{}");
    assert_eq!(refusal(&fetch, &on("127.0.0.1")).await, GuardedFetchError::NotPublic);
    for other in ["a.localhost", "localhost."] {
        assert!(unreachable(&refusal(&fetch, &on(other)).await).contains("port 443"));
    }
    let fetch = trusting().dangerously_allow_private_host("127.0.0.1").build().unwrap();
    assert_eq!(fetch.get(&on("127.1")).await.unwrap().body(), b"{}");
    assert_eq!(refusal(&fetch, &on("127.0.0.2")).await, GuardedFetchError::NotPublic);
    assert_eq!(refusal(&fetch, "https://localhost/").await, GuardedFetchError::NotPublic);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_certificate_must_be_trusted_and_of_the_host() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2", "{}").await;
    let distrusting = PublicFetch::builder().dangerously_allow_private_host("localhost").build().unwrap();
    let error = refusal(&distrusting, &server.url()).await;
    assert!(unreachable(&error).contains("no good certificate"), "{error}");
    let (other_name, _) = staged(server.port, &[&["127.0.0.1"]]);
    let error = refusal(&other_name, &format!("https://other.example:{}/", server.port)).await;
    assert!(unreachable(&error).contains("no good certificate"), "{error}");
}

#[tokio::test]
async fn an_error_names_neither_the_url_nor_an_address() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let garbage = Server::https(|_, mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-secret\r\n\r\n").await;
        let _ = stream.flush().await;
        let _ = stream.read_u8().await;
    })
    .await;
    for port in [closed, garbage.port] {
        for answer in [&["127.0.0.1"][..], &[]] {
            let (fetch, _) = staged(port, &[answer]);
            let error = refusal(&fetch, &format!("https://client.example:{port}/secret")).await;
            unreachable(&error);
            let text = format!("{error} {error:?}");
            for part in ["client.example", "secret", "127.0.0.1", &port.to_string()] {
                assert!(!text.contains(part), "{text}");
            }
        }
    }
}

#[test]
fn a_builder_says_what_is_wrong() {
    for pem in ["", "no PEM", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        let built = PublicFetch::builder().extra_root_certificate_pem(pem).build();
        assert_eq!(built.unwrap_err(), PublicFetchError::Certificate, "{pem}");
    }
    for host in ["", "https://localhost", "localhost:8443", "*.example", "local host", "::1", "a/b"] {
        let built = PublicFetch::builder().dangerously_allow_private_host(host).build();
        match built {
            Err(PublicFetchError::PrivateHost(named)) => assert_eq!(named, host),
            other => panic!("{host}: {other:?}"),
        }
    }
    let built = trusting().dangerously_allow_private_host("[::1]").build().unwrap();
    assert_eq!(format!("{built:?}"), "PublicFetch { private_hosts: {\"[::1]\"}, .. }");
}

/// I-11: what could open a connection is in two files, the upstream's client and this one.
#[test]
fn no_other_module_opens_a_connection() {
    fn scan(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                scan(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let opens =
                    ["reqwest::", "use reqwest", "hyper", "TcpStream", "UdpSocket", "tokio::net", "lookup_host"];
                if opens.iter().any(|word| text.contains(word)) {
                    found.push(path);
                }
            }
        }
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    scan(&source, &mut found);
    found.sort();
    let expected = ["guarded/client/tests.rs", "guarded/client.rs", "upstream/fetch.rs"].map(|path| source.join(path));
    assert_eq!(found, expected);
}
