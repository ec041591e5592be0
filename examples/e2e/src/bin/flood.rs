//! A flood of anonymous requests against one server process, while two people sign in every few seconds: one who signed in
//! from the same address before, and one from an address that is new each time. Prints the curve: rate, answers, memory and
//! disk of the server, and how long they needed.
//!
//! `flood PROGRAM [MINUTES] [one|everywhere]`, built with `--release` like the program. From `one` address, or from ever new
//! ones (`X-Forwarded-For` of a trusted proxy); both in turn if nothing is said. Linux: memory is read from `/proc`.

#![expect(clippy::print_stdout, reason = "the curve is what it is for")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dcr_dev_idp::{DevIdp, RunningIdp};
use dcr_e2e::{Browser, Client, Directory, Http, Landing, Random, Site, Tokens};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

const CONNECTIONS: u64 = 64;
const SAMPLE: Duration = Duration::from_secs(15);
const REDIRECT: &str = "http://127.0.0.1/callback";
/// How often somebody new tries again who was told to come later.
const TRIES: u32 = 20;

/// From where the flood comes.
#[derive(Debug, Clone, Copy)]
enum From {
    One,
    Everywhere,
}

/// How many answers there were, by status.
#[derive(Debug, Default)]
struct Tally([AtomicU64; 6]);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(program) = arguments.first() else {
        println!("flood PROGRAM [MINUTES] [one|everywhere]");
        return ExitCode::FAILURE;
    };
    let minutes = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(10);
    let from = match arguments.get(2).map(String::as_str) {
        Some("one") => vec![From::One],
        Some("everywhere") => vec![From::Everywhere],
        _ => vec![From::One, From::Everywhere],
    };
    for from in from {
        flood(Path::new(program), from, Duration::from_secs(60 * minutes)).await;
    }
    ExitCode::SUCCESS
}

async fn flood(program: &Path, from: From, time: Duration) {
    let (directory, idp) = (Directory::new(), DevIdp::builder().start().await.expect("a provider"));
    let (child, site) = serve(program, directory.path(), &idp).await;
    let id = child.id().expect("it runs");
    let address = site.base().trim_start_matches("http://").to_owned();
    let client = Client::register(&site, &[REDIRECT]).await;
    signed_in(&client, &Http::default()).await.expect("a sign-in before the flood");
    println!("\n{from:?}: {CONNECTIONS} connections for {} s", time.as_secs());
    println!(
        "    s     req/s   2xx+3xx       4xx       429       5xx  RSS KiB  disk KiB  sign-in, from an address that is known and a new one"
    );
    let tally = Arc::new(Tally::default());
    let mut strangers = JoinSet::new();
    for n in 0..CONNECTIONS {
        strangers.spawn(stranger(address.clone(), from, n, Arc::clone(&tally)));
    }
    let (start, mut ticks, mut before, mut sample) = (Instant::now(), interval(SAMPLE), 0, 1);
    let mut counted = start;
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    while start.elapsed() < time {
        ticks.tick().await;
        let known = timed(&client, Http::default()).await;
        // Not the trusted proxy's.
        let new = timed(&client, Http::from_address(Ipv4Addr::from(0x7f01_0000 + sample).into())).await;
        sample += 1;
        let counts: Vec<u64> = tally.0.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        let seconds = counted.elapsed().as_secs().max(1);
        counted = Instant::now();
        println!(
            "{:5} {:9} {:9} {:9} {:9} {:9} {:8} {:9}  {known}; {new}",
            start.elapsed().as_secs(),
            (all - before) / seconds,
            counts[2] + counts[3],
            counts[4],
            counts[0],
            counts[5],
            resident(id),
            size(directory.path()),
        );
        before = all;
    }
    drop(strangers);
    drop(child);
}

async fn serve(program: &Path, directory: &Path, idp: &RunningIdp) -> (Child, Site) {
    let variables = BTreeMap::from([
        ("DCR_BIND", "127.0.0.1:0".to_owned()),
        ("DCR_DATABASE_URL", format!("sqlite://{}", directory.join("dcr.db").display())),
        ("DCR_AZURE_TENANT_ID", idp.tenant_id().to_owned()),
        ("DCR_AZURE_CLIENT_ID", idp.client_id().to_owned()),
        ("DCR_AZURE_CLIENT_SECRET", idp.client_secret().to_owned()),
        ("DCR_AZURE_AUTHORITY", idp.issuer()),
        ("DCR_CIMD", "off".to_owned()),
        ("DCR_TRUSTED_PROXIES", "127.0.0.1".to_owned()),
    ]);
    let log = std::fs::File::create(directory.join("server.log")).expect("a log");
    let mut command = Command::new(program);
    command.kill_on_drop(true).envs(variables).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().expect("the server program");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    loop {
        let line = lines.next_line().await.expect("its output").expect("a banner with its address");
        if let Some(url) = line.trim().strip_suffix("/mcp").filter(|url| url.starts_with("http://")) {
            return (child, Site::at(url));
        }
    }
}

/// A person signs in, and tries again when told to: how long it took, and how often.
async fn timed(client: &Client, http: Http) -> String {
    let asked = Instant::now();
    match signed_in(client, &http).await {
        Some(tries) => format!("{} ms in {tries}", asked.elapsed().as_millis()),
        None => format!("not in {TRIES}"),
    }
}

/// Answers how often they tried.
async fn signed_in(client: &Client, http: &Http) -> Option<u32> {
    let client = client.by(http);
    for tries in 1..=TRIES {
        let flow = client.authorize();
        let mut browser = Browser::of("ada").by(http);
        match browser.sign_in(&flow.url).await {
            Landing::Client(landed) => {
                let answer = client.redeem(&client.code(&flow, &landed), &flow.verifier).await;
                if answer.status == 200 {
                    drop(Tokens::from(answer));
                    return Some(tries);
                }
                assert_eq!(answer.status, 429, "{answer:?}");
            }
            Landing::Page(page) => assert_eq!(page.answer.status, 429, "{page:?}"),
        }
        sleep(Duration::from_secs(1)).await;
    }
    None
}

/// One connection that asks as fast as it is answered.
async fn stranger(address: String, from: From, seed: u64, tally: Arc<Tally>) {
    let mut random = Random::new(seed);
    loop {
        let Ok(stream) = TcpStream::connect(&address).await else { continue };
        let mut stream = BufReader::new(stream);
        loop {
            let request = request(&address, from, &mut random);
            if stream.write_all(request.as_bytes()).await.is_err() {
                break;
            }
            let Some(status) = answer(&mut stream).await else { break };
            let slot = if status == 429 { 0 } else { usize::from(status / 100).min(5) };
            tally.0[slot].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What strangers can ask for: registrations, sign-ins under ever new ids, and forged forms, callbacks and tokens.
fn request(host: &str, from: From, random: &mut Random) -> String {
    let mut number = || random.below(1 << 30);
    let forwarded = match from {
        From::One => "203.0.113.66".to_owned(),
        From::Everywhere => format!("{}.{}.{}.{}", 11 + number() % 80, number() % 256, number() % 256, number() % 256),
    };
    let id = format!("{:08x}-{:08x}-{:08x}", number(), number(), number());
    let head = format!("Host: {host}\r\nX-Forwarded-For: {forwarded}\r\n");
    let post = |path: &str, kind: &str, body: String| {
        format!("POST {path} HTTP/1.1\r\n{head}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let form = "application/x-www-form-urlencoded";
    match number() % 5 {
        0 => post(
            "/oauth/register",
            "application/json",
            format!(r#"{{"client_name":"{id}","redirect_uris":["https://{id}.example/cb"]}}"#),
        ),
        1 => format!(
            "GET /oauth/authorize?response_type=code&client_id={id}&redirect_uri=http://127.0.0.1/callback&code_challenge=\
             E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&state=s HTTP/1.1\r\n{head}\r\n"
        ),
        2 => post("/oauth/consent", form, format!("request={id}&decision=approve")),
        3 => format!("GET /oauth/callback?code={id}&state={id} HTTP/1.1\r\n{head}\r\n"),
        _ => post("/oauth/token", form, format!("grant_type=refresh_token&client_id={id}&refresh_token={id}")),
    }
}

/// Reads one answer to its end; its status.
async fn answer(stream: &mut BufReader<TcpStream>) -> Option<u16> {
    let (mut line, mut status, mut length) = (String::new(), None, 0);
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let text = line.trim_end();
        match (status, text) {
            (None, text) => status = Some(text.split(' ').nth(1)?.parse().ok()?),
            (_, "") => break,
            (_, text) => {
                let (name, value) = text.split_once(':')?;
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.trim().parse().ok()?;
                }
            }
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    status
}

/// The memory of a process that is in use, in KiB.
fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// What is in a directory, in KiB: the database and the log.
fn size(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum::<u64>() / 1024
}
