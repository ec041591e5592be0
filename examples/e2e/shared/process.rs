//! What every example server's program must do. Each server's `tests/process.rs` names its program and includes this.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use dcr_dev_idp::DevIdp;
use dcr_e2e::{Browser, Client, Directory, Http, Landing, Site, Tokens};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::PROGRAM;

const LOOPBACK: &str = "http://127.0.0.1:49152/callback";
/// Far more than any of these steps takes, so that a hang ends in a message.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program with these variables and no others of ours.
fn program(directory: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(directory).kill_on_drop(true).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DCR_")) {
        command.env_remove(name);
    }
    // Tests ask nobody on the internet.
    command.env("DCR_CIMD", "off").envs(variables.iter().copied());
    command
}

/// The program, running, and what it printed.
struct Server {
    child: Child,
    banner: String,
    site: Site,
}

impl Server {
    async fn start(directory: &Path, variables: &[(&str, &str)]) -> Self {
        let mut child = program(directory, variables).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut banner = String::new();
        while !banner.contains("Stop:") {
            let line = timeout(PATIENCE, lines.next_line()).await.expect("a banner in time").unwrap();
            banner.push_str(&line.unwrap_or_else(|| panic!("it ended after: {banner}")));
            banner.push('\n');
        }
        let url = banner.lines().map(str::trim).find(|line| line.starts_with("http://")).unwrap();
        let site = Site::at(url.strip_suffix("/mcp").unwrap());
        Self { child, banner, site }
    }

    /// Where it listens.
    fn address(&self) -> String {
        self.site.base().trim_start_matches("http://").to_owned()
    }

    /// Sends a signal to this very process.
    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args([name, &id]).status().await.unwrap().success());
    }

    /// Stops it and answers the exit code.
    async fn terminate(mut self) -> Option<i32> {
        self.signal("-TERM").await;
        timeout(PATIENCE, self.child.wait()).await.expect("an end in time").unwrap().code()
    }
}

async fn run(variables: &[(&str, &str)]) -> Output {
    let directory = Directory::new();
    timeout(PATIENCE, program(directory.path(), variables).output()).await.expect("an end in time").unwrap()
}

#[tokio::test]
async fn without_any_configuration_it_says_what_to_do_next_serves_a_sign_in_and_stops_when_told() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[("DCR_BIND", "127.0.0.1:0")]).await;
    let mcp = server.site.url("/mcp");
    for expected in [
        format!("claude mcp add --transport http example {mcp}"),
        format!("npx @modelcontextprotocol/inspector --cli {mcp} --transport http --method tools/list"),
        format!("npx @modelcontextprotocol/inspector --server-url {mcp}"),
        "DEVELOPMENT ONLY".to_owned(),
        "dcr.db (SQLite)".to_owned(),
    ] {
        assert!(server.banner.contains(&expected), "{expected} is not in: {}", server.banner);
    }
    let metadata = Http::default().get(&server.site.url("/.well-known/oauth-authorization-server"), &[]).await;
    assert_eq!(metadata.expect(200).json()["issuer"], server.site.base());
    let tokens = Client::register(&server.site, &[LOOPBACK]).await.sign_in(&mut Browser::of("ada")).await;
    assert_eq!(server.site.whoami(&tokens.access).await["name"], "Ada Example");
    assert!(directory.path().join("dcr.db").exists());
    assert_eq!(server.terminate().await, Some(0));
}

#[tokio::test]
async fn probes_are_answered_and_metrics_are_shown_at_an_address_of_their_own() {
    let directory = Directory::new();
    let variables = [("DCR_BIND", "127.0.0.1:0"), ("DCR_METRICS_BIND", "127.0.0.1:0")];
    let server = Server::start(directory.path(), &variables).await;
    let line = server.banner.lines().find_map(|line| line.strip_prefix("Metrics:")).expect("where metrics are");
    let watch = Site::at(line.trim().strip_suffix("/metrics").unwrap());
    let tokens = Client::register(&server.site, &[LOOPBACK]).await.sign_in(&mut Browser::of("ada")).await;
    server.site.whoami(&tokens.access).await;
    for site in [&server.site, &watch] {
        let alive = Http::default().get(&site.url("/healthz"), &[]).await.expect(200);
        let ready = Http::default().get(&site.url("/readyz"), &[]).await.expect(200);
        assert_eq!((alive.body.as_str(), ready.body.as_str()), ("ok\n", "ready\n"));
    }
    let metrics = Http::default().get(&watch.url("/metrics"), &[]).await.expect(200);
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for series in [
        r#"dcr_steps_total{step="sign_in",platform="loopback",outcome="ok"} 1"#,
        r#"dcr_sessions{state="live"} 1"#,
        r#"dcr_bearer_checks_total{outcome="ok"}"#,
        r#"dcr_upstream_duration_seconds_bucket{operation="identify",outcome="ok",le="+Inf"} 1"#,
        "dcr_clock_ahead_seconds 0",
    ] {
        assert!(metrics.body.contains(series), "{series} in {}", metrics.body);
    }
    // Nobody but who can reach that address sees them.
    Http::default().get(&server.site.url("/metrics"), &[]).await.expect(404);
    Http::default().get(&watch.url("/oauth/authorize"), &[]).await.expect(404);
    assert_eq!(server.terminate().await, Some(0));
}

#[tokio::test]
async fn an_open_event_stream_ends_well_and_does_not_hold_up_the_stop() {
    let directory = Directory::new();
    let server = Server::start(directory.path(), &[("DCR_BIND", "127.0.0.1:0")]).await;
    let tokens = Client::register(&server.site, &[LOOPBACK]).await.sign_in(&mut Browser::of("ada")).await;
    let session = server.site.mcp_session(&tokens.access).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut stream = client
        .get(server.site.url("/mcp"))
        .bearer_auth(&tokens.access)
        .header("accept", "text/event-stream")
        .header("mcp-session-id", session)
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), 200);

    server.signal("-TERM").await;
    let read_to_its_end = async { while stream.chunk().await.expect("an end, and no reset").is_some() {} };
    timeout(PATIENCE, read_to_its_end).await.expect("an end in time");
    let mut child = server.child;
    assert_eq!(timeout(PATIENCE, child.wait()).await.expect("an end in time").unwrap().code(), Some(0));
}

#[tokio::test]
async fn kill_9_between_any_two_steps_and_a_restart_lose_nothing() {
    let directory = Directory::new();
    let idp = DevIdp::builder().start().await.unwrap();
    let authority = idp.issuer();
    let entra = [
        ("DCR_AZURE_TENANT_ID", idp.tenant_id()),
        ("DCR_AZURE_CLIENT_ID", idp.client_id()),
        ("DCR_AZURE_CLIENT_SECRET", idp.client_secret()),
        ("DCR_AZURE_AUTHORITY", authority.as_str()),
    ];
    let server = Server::start(directory.path(), &[&entra[..], &[("DCR_BIND", "127.0.0.1:0")]].concat()).await;
    let address = server.address();
    let variables = [&entra[..], &[("DCR_BIND", address.as_str())]].concat();
    let site = server.site.clone();
    let mut running = server;
    // Waits for the dead process, so that its port is free.
    macro_rules! killed_and_started_again {
        () => {
            running.signal("-KILL").await;
            running.child.wait().await.unwrap();
            running = Server::start(directory.path(), &variables).await;
        };
    }

    let client = Client::register(&site, &[LOOPBACK]).await;
    killed_and_started_again!();
    let mut browser = Browser::of("ada");
    let flow = client.authorize();
    let consent = browser.open(&flow.url).await.page();
    killed_and_started_again!();
    let login = browser.decide(&consent, "approve").await.page();
    killed_and_started_again!();
    let Landing::Client(landed) = browser.pick(&login).await else { panic!("a code for the client") };
    killed_and_started_again!();
    let tokens = Tokens::from(client.redeem(&client.code(&flow, &landed), &flow.verifier).await);
    killed_and_started_again!();
    let who = site.whoami(&tokens.access).await;
    assert_eq!(who["client_id"], client.id.as_str());
    killed_and_started_again!();
    let refreshed = Tokens::from(client.refresh(&tokens.refresh).await);
    killed_and_started_again!();
    assert_eq!(site.whoami(&refreshed.access).await, who);
    let again = client.sign_in(&mut browser).await;
    let who_again = site.whoami(&again.access).await;
    assert_eq!(who_again["connection"], who["connection"], "one person, one software, one connection");
    assert_ne!(who_again["session"], who["session"]);
    assert_eq!(running.terminate().await, Some(0));
}

#[tokio::test]
async fn a_configuration_that_cannot_work_ends_with_exit_code_2_and_one_line_that_says_what_to_change() {
    const PUBLIC: (&str, &str) = ("DCR_PUBLIC_URL", "https://mcp.example");
    const TENANT: (&str, &str) = ("DCR_AZURE_TENANT_ID", "3f2a9c1e-5b7d-4e8f-9a60-1c2d3e4f5a6b");
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);
    let cases: [Case; 8] = [
        (&[PUBLIC], &["DCR_SECRET", "openssl rand -base64 32", "DCR_SECRET=store"]),
        (&[PUBLIC, ("DCR_SECRET", "store")], &["DCR_AZURE_TENANT_ID", "DCR_OIDC_ISSUER"]),
        (&[("DCR_BIND", "0.0.0.0:0")], &["DCR_PUBLIC_URL"]),
        (&[TENANT], &["DCR_AZURE_CLIENT_ID is missing", "with DCR_AZURE_CLIENT_SECRET, or DCR_AZURE_CERTIFICATE"]),
        (&[TENANT, ("DCR_OIDC_ISSUER", "https://idp.example")], &["DCR_AZURE_", "DCR_OIDC_", "unset"]),
        (&[("DCR_DATABASE_URL", "oracle://db")], &["DCR_DATABASE_URL", "sqlite:"]),
        (&[("DCR_DATABASE_URL", "postgres://db/dcr?sslmod=verify-full")], &["DCR_DATABASE_URL", "`sslmod`"]),
        (&[("DCR_PUBLIC_URL", "http://127.0.0.1:1/base")], &["DCR_PUBLIC_URL", "without path"]),
    ];
    for (variables, expected) in cases {
        // A port of its own, unless the case is about that; the development provider likewise.
        let ports = [("DCR_BIND", "127.0.0.1:0"), ("DCR_DEV_IDP_BIND", "127.0.0.1:0")];
        let output = run(&[&ports[..], variables].concat()).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{variables:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(output.stdout.is_empty(), "{variables:?}");
        for text in expected {
            assert!(said.contains(text), "{variables:?}: {text} is not in: {said}");
        }
    }
}

#[tokio::test]
async fn a_port_that_is_taken_ends_with_exit_code_1_and_says_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&[("DCR_BIND", &address)]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("DCR_BIND") && said.contains(&address), "{said}");
}

#[tokio::test]
async fn i_14_no_secret_is_ever_printed_neither_by_help_nor_by_an_error() {
    let secrets = [
        ("DCR_SECRET", "c2VudGluZWwtb25l"),
        ("DCR_SECRET_RETIRED", "c2VudGluZWwtdHdv"),
        ("DCR_AZURE_CLIENT_SECRET", "sentinel-three"),
        ("DCR_OIDC_CLIENT_SECRET", "sentinel-four"),
        ("DCR_RESOURCE_SERVER", "id:sentinel-five"),
        ("DCR_DATABASE_URL", "postgres://u:sentinel-six@db.example/x"),
    ];
    for flag in ["--help", "-h", "--log=info"] {
        let directory = Directory::new();
        let output = program(directory.path(), &secrets).arg(flag).output().await.unwrap();
        assert_eq!(output.status.code(), Some(if flag == "--log=info" { 2 } else { 0 }));
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("DCR_SECRET"), "{said}");
        for (_, secret) in secrets {
            let secret = secret.rsplit_once(':').map_or(secret, |(_, secret)| secret);
            assert!(!said.contains(secret), "{secret}: {said}");
        }
        assert!(!said.contains("sentinel"), "{said}");
    }
}
