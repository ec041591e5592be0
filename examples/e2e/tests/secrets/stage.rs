//! Two servers at their loudest, with everything switched on that has secrets, and what they share with the test.

use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dcr_core::testing::AssertionKey;
use dcr_e2e::{Cluster, DocumentHost, LOUD, SECRETS, Site};
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;

use crate::databases::Database;
use crate::known::Known;
use crate::scan::Needle;

/// Its name and secret as a resource server.
pub(crate) const RESOURCE_SERVER: (&str, &str) = ("tools", "resource-server-secret-4f1c2a9be07d");
/// Of clients in the file.
pub(crate) const MACHINE_SECRET: &str = "machine-client-secret-91d0e6c2ab47";
pub(crate) const PORTAL: &str = "https://portal.example/oauth/callback";
pub(crate) const SIGNING: &str = "/signing.json";
pub(crate) const PUBLIC: &str = "/public.json";
pub(crate) const SIGNING_REDIRECT: &str = "https://tools.example/callback";
const REPLICAS: usize = 2;

/// What this process logs: the guard of a server elsewhere runs here.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        log().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn log() -> MutexGuard<'static, Vec<u8>> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the log of this process, too.
pub(crate) fn log_of_this_process() {
    dcr_e2e::log_loudly(|| Log);
}

pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) documents: DocumentHost,
    /// With which clients sign.
    pub(crate) key: AssertionKey,
    /// What the operator's command has printed.
    pub(crate) printed: Mutex<Vec<u8>>,
    /// Secrets that the test itself has made or read.
    pub(crate) more: Mutex<Known>,
    /// Where a server elsewhere listens.
    pub(crate) elsewhere: Mutex<Vec<TcpListener>>,
    pub(crate) elsewhere_url: String,
    _directory: dcr_e2e::Directory,
}

impl Stage {
    pub(crate) async fn set(database: &Database) -> Self {
        log().clear();
        dcr_e2e::tap();
        let directory = dcr_e2e::Directory::new();
        let documents = DocumentHost::start(directory.path()).await;
        let elsewhere = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let elsewhere_url = format!("http://{}/mcp", elsewhere.local_addr().expect("an address"));
        let config = directory.path().join("dcr.toml");
        std::fs::write(&config, file(&elsewhere_url)).expect("a file");
        let resource_server = format!("{}:{}", RESOURCE_SERVER.0, RESOURCE_SERVER.1);
        let variables = [
            (LOUD, "1"),
            ("DCR_LOG", "trace"),
            ("DCR_METRICS_BIND", "127.0.0.1:0"),
            ("DCR_CONFIG", config.to_str().expect("text")),
            ("DCR_RESOURCE_SERVER", &resource_server),
            ("DCR_CLIENT_CONFIGURATION", "on"),
            ("DCR_CIMD", "on"),
            ("DCR_CIMD_TEST_CA_FILE", documents.ca().to_str().expect("text")),
            ("DCR_CIMD_DANGEROUSLY_ALLOW_PRIVATE_HOSTS", DocumentHost::HOST),
            ("DCR_REFRESH_GRACE", "1"),
            // Every refresh of a client is one upstream, too.
            ("DCR_RECHECK", "refresh"),
        ];
        let cluster = Cluster::with(env!("CARGO_BIN_EXE_replica"), REPLICAS, &database.url(), 1, &variables).await;
        cluster.idp().keep_secrets();
        let key = AssertionKey::seeded(9);
        let id = documents.url(SIGNING);
        documents.serve("/jwks.json", &serde_json::from_str(&key.jwks()).expect("JSON"));
        documents.serve(
            SIGNING,
            &json!({
                "client_id": id, "client_name": "Signing tools", "redirect_uris": [SIGNING_REDIRECT],
                "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": documents.url("/jwks.json"),
            }),
        );
        documents.serve(
            PUBLIC,
            &json!({
                "client_id": documents.url(PUBLIC), "client_name": "Command line",
                "redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_methods_supported": ["none"],
            }),
        );
        let mut more = Known::default();
        for secret in SECRETS {
            more.add("DCR_SECRET", secret);
            more.add(
                "DCR_SECRET in bytes",
                secret.parse::<dcr_core::Secret>().map(|_| decoded(secret)).expect("a secret"),
            );
        }
        more.add("DCR_RESOURCE_SERVER", RESOURCE_SERVER.1);
        more.add("machine client_secret", MACHINE_SECRET);
        more.add("upstream client_secret", cluster.idp().client_secret());
        Self {
            cluster,
            documents,
            key,
            printed: Mutex::default(),
            more: Mutex::new(more),
            elsewhere: Mutex::new(vec![elsewhere]),
            elsewhere_url,
            _directory: directory,
        }
    }

    pub(crate) fn site(&self) -> &Site {
        self.cluster.site()
    }

    /// A secret that is nowhere in what was exchanged.
    pub(crate) fn learn(&self, kind: &str, secret: impl AsRef<[u8]>) {
        self.more.lock().expect("no panic holds this").add(kind, secret);
    }

    /// Everything that was used.
    pub(crate) fn known(&self, database: &Database, exchanges: &[dcr_e2e::Exchange]) -> Known {
        let mut known = std::mem::take(&mut *self.more.lock().expect("no panic holds this"));
        for exchange in exchanges {
            known.learn(exchange);
        }
        for secret in self.cluster.idp().kept_secrets() {
            let shown = ["Bearer", "authorization_code", "client_credentials", "openid profile email"]
                .contains(&secret.as_str());
            let public = secret == self.cluster.idp().client_id() || secret.starts_with("http://");
            if !shown && !public && !secret.starts_with("openid") {
                known.add("upstream", secret);
            }
        }
        if let Ok(url) = Url::parse(&database.url())
            && let Some(password) = url.password()
        {
            known.add_short("database password", password);
        }
        known
    }

    /// What is shown to Prometheus, by name.
    pub(crate) async fn metrics(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        for (replica, framework) in ["axum", "warp"].iter().enumerate() {
            let log = self.cluster.output(replica);
            let after = log.split_once("metrics url=\"").expect("where metrics are").1;
            let url = after.split('"').next().unwrap_or_default();
            let shown = dcr_e2e::Http::default().get(url, &[]).await.expect(200);
            assert!(shown.body.contains("dcr_steps_total{"), "{}", shown.body);
            all.push((format!("metrics on {framework}"), shown.body.into_bytes()));
        }
        all
    }

    /// What was written, by name.
    pub(crate) fn logs(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        for (replica, framework) in ["axum", "warp"].iter().enumerate() {
            all.push((format!("log of the server on {framework}"), self.cluster.output(replica).into_bytes()));
        }
        all.push(("log of the server elsewhere".to_owned(), log().clone()));
        all.push(("output of dcr".to_owned(), self.printed.lock().expect("no panic holds this").clone()));
        all
    }

    /// Writes the canary into the log of the first server, in each of its forms.
    pub(crate) fn plant(&self, canary: &Needle) {
        let path = self.cluster.directory().join("replica-0.log");
        let mut file = std::fs::OpenOptions::new().append(true).open(path).expect("the log");
        for (_, form) in canary.forms() {
            file.write_all(&form).and_then(|()| file.write_all(b"\n")).expect("the log");
        }
    }
}

fn decoded(secret: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(secret).expect("base64")
}

/// Several resources, and clients of the operator.
fn file(elsewhere: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, MACHINE_SECRET.as_bytes());
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        r#"
        [[resource]]
        path = "/mcp"
        name = "Tools"
        upstream_scopes = ["User.Read"]
        name_in = {{ ko = "도구" }}
        scope = [
            {{ name = "mcp", words = "Use the tools" }},
            {{ name = "mcp:erase", words = "Erase", default = false }},
        ]
        [resource.tools]
        erase = ["mcp:erase"]

        [[resource]]
        path = "/notes"
        name = "Notes"
        scope = [{{ name = "notes", words = "Read notes" }}]

        [[resource]]
        uri = "{elsewhere}"
        name = "Remote tools"
        scope = [{{ name = "tools", words = "Use the remote tools" }}]

        [[client]]
        client_id = "portal"
        client_name = "Operations portal"
        redirect_uris = ["{PORTAL}"]
        remember_consent_days = 30

        [[client]]
        client_id = "nightly-report"
        grant_types = ["client_credentials"]
        client_secret_sha256 = "{hash}"
        scope = "mcp"
        "#
    )
}
