//! Several server processes on one database, behind one address.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use dcr_dev_idp::{DevIdp, RunningIdp};
use reqwest::Method;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::balancer::Balancer;
use crate::http::{Answer, Http};
use crate::random::Random;
use crate::site::Site;
use crate::world::{Directory, Framework};

/// The variable that tells the program on which framework to serve: a place in [`Framework::ALL`].
pub const FRAMEWORK: &str = "E2E_FRAMEWORK";
/// Secrets of tests: the first is the one that a cluster begins with.
pub const SECRETS: [&str; 2] =
    ["w06o91SHpq0Gi2EnOwnYuTc5TGPqDQwoN8iDyEQUpqs=", "Nm/mILLBbQSxLEMgRVZV0cLi8ks0YlXkzhc6pYtUi4o="];
/// Far more than a server needs to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);
/// Below the ports that systems give to outgoing connections: one of those must not take the port of a dead replica.
const PORTS: std::ops::Range<u16> = 12_000..30_000;
/// As much of each log as a failure shows.
const TAIL: usize = 15;

static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// Settings of the servers, by the names of their environment variables.
pub type Variables = BTreeMap<String, String>;

/// Replicas behind a load balancer. They share a database, a secret and a provider, and nothing else. The frameworks take
/// turns, so that each answers what another began (I-15).
///
/// When a test fails, the end of each server's output is printed.
pub struct Cluster {
    program: PathBuf,
    balancer: Balancer,
    site: Site,
    idp: RunningIdp,
    variables: StdMutex<Variables>,
    replicas: Vec<Mutex<Replica>>,
    seed: u64,
    diagnosed: AtomicBool,
    directory: Directory,
}

#[derive(Debug)]
struct Replica {
    framework: usize,
    address: Option<SocketAddr>,
    log: PathBuf,
    child: Option<Child>,
}

impl Cluster {
    /// Starts so many replicas of `program` on a database, all at once. `seed` decides what is left to chance.
    pub async fn start(program: &str, replicas: usize, database: &str, seed: u64) -> Self {
        Self::with(program, replicas, database, seed, &[]).await
    }

    /// The same with further variables.
    pub async fn with(program: &str, replicas: usize, database: &str, seed: u64, more: &[(&str, &str)]) -> Self {
        let directory = Directory::new();
        let idp = DevIdp::builder().start().await.expect("a provider");
        let balancer = Balancer::start(replicas, Random::new(seed)).await;
        let (authority, graph) = (idp.issuer(), idp.graph_url());
        let variables = [
            ("DCR_PUBLIC_URL", balancer.base()),
            ("DCR_DATABASE_URL", database),
            ("DCR_SECRET", SECRETS[0]),
            ("DCR_AZURE_TENANT_ID", idp.tenant_id()),
            ("DCR_AZURE_CLIENT_ID", idp.client_id()),
            ("DCR_AZURE_CLIENT_SECRET", idp.client_secret()),
            ("DCR_AZURE_AUTHORITY", &authority),
            ("DCR_GRAPH_URL", &graph),
            // Tests ask nobody on the internet.
            ("DCR_CIMD", "off"),
            // Every request comes from the load balancer.
            ("DCR_LIMITS", "off"),
        ];
        let variables = variables.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let all = (0..replicas).map(|n| {
            Mutex::new(Replica {
                framework: n % Framework::ALL.len(),
                address: None,
                log: directory.path().join(format!("replica-{n}.log")),
                child: None,
            })
        });
        let cluster = Self {
            program: PathBuf::from(program),
            site: Site::at(balancer.base()),
            variables: StdMutex::new(variables.collect()),
            replicas: all.collect(),
            balancer,
            idp,
            seed,
            diagnosed: AtomicBool::new(false),
            directory,
        };
        cluster.start_all().await;
        cluster
    }

    /// The cluster from outside: the address of the load balancer.
    pub const fn site(&self) -> &Site {
        &self.site
    }

    /// One replica, past the load balancer.
    pub fn replica(&self, replica: usize) -> Site {
        Site::at(&format!("http://{}", self.balancer.address(replica)))
    }

    /// How many replicas there are.
    pub const fn size(&self) -> usize {
        self.replicas.len()
    }

    /// The load balancer.
    pub const fn balancer(&self) -> &Balancer {
        &self.balancer
    }

    /// The provider.
    pub const fn idp(&self) -> &RunningIdp {
        &self.idp
    }

    /// A directory for what a test keeps.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Changes a variable of the replicas that are started from now on.
    pub fn set(&self, name: &str, value: &str) {
        let mut variables = self.variables.lock().expect("no panic holds this");
        variables.insert(name.to_owned(), value.to_owned());
    }

    /// Starts every replica, all at once, and waits until they serve.
    pub async fn start_all(&self) {
        for replica in 0..self.size() {
            self.launch(replica).await;
        }
        for replica in 0..self.size() {
            self.until_ready(replica).await;
        }
    }

    /// Starts a replica that is not running, and waits until it serves.
    pub async fn start_again(&self, replica: usize) {
        self.launch(replica).await;
        self.until_ready(replica).await;
    }

    /// Ends a replica as SIGKILL does: in the middle of whatever it is at.
    pub async fn kill(&self, replica: usize) {
        let mut of = self.replicas[replica].lock().await;
        let mut child = of.child.take().expect("it runs");
        child.start_kill().expect("a signal");
        child.wait().await.expect("an end");
    }

    /// Ends a replica as an orchestrator does: no more requests, then SIGTERM. Answers how it ended.
    pub async fn stop(&self, replica: usize) -> ExitStatus {
        self.balancer.set_in_rotation(replica, false);
        let drained = async {
            while self.balancer.open(replica) > 0 {
                sleep(POLL).await;
            }
        };
        timeout(PATIENCE, drained).await.expect("requests that end");
        let mut of = self.replicas[replica].lock().await;
        let mut child = of.child.take().expect("it runs");
        let id = child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.expect("kill").success());
        timeout(PATIENCE, child.wait()).await.expect("an end in time").expect("an end")
    }

    /// Ends every replica well.
    pub async fn stop_all(&self) {
        for replica in 0..self.size() {
            assert!(self.stop(replica).await.success());
        }
    }

    /// Stops a replica and starts it again with the variables of now, without a request that fails.
    pub async fn roll(&self, replica: usize) {
        assert!(self.stop(replica).await.success());
        self.start_again(replica).await;
    }

    async fn launch(&self, replica: usize) {
        let mut of = self.replicas[replica].lock().await;
        assert!(of.child.is_none(), "replica {replica} runs already");
        let address = of.address.filter(|address| is_free(*address)).unwrap_or_else(free_address);
        of.address = Some(address);
        of.child = Some(self.spawn(&of, address));
        self.balancer.set_address(replica, address);
    }

    fn spawn(&self, replica: &Replica, address: SocketAddr) -> Child {
        let log = || -> File { OpenOptions::new().create(true).append(true).open(&replica.log).expect("a log file") };
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DCR_")) {
            command.env_remove(name);
        }
        command.envs(self.variables.lock().expect("no panic holds this").iter());
        command.env("DCR_BIND", address.to_string()).env(FRAMEWORK, replica.framework.to_string());
        command.current_dir(self.directory()).stdin(Stdio::null()).stdout(log()).stderr(log()).kill_on_drop(true);
        command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.program.display()))
    }

    /// Waits until it serves. If another program was faster at its port, it gets another one.
    async fn until_ready(&self, replica: usize) {
        let ready = async {
            loop {
                if self.get(replica, "/open", &[]).await.is_some_and(|answer| answer.status == 200) {
                    break;
                }
                let mut of = self.replicas[replica].lock().await;
                let child = of.child.as_mut().expect("it was started");
                if let Some(status) = child.try_wait().expect("its state") {
                    let said = tail(&of.log);
                    assert!(said.contains("cannot listen on"), "replica {replica} ended with {status}:\n{said}");
                    let address = free_address();
                    of.address = Some(address);
                    of.child = Some(self.spawn(&of, address));
                    self.balancer.set_address(replica, address);
                }
                drop(of);
                sleep(POLL).await;
            }
        };
        if timeout(PATIENCE, ready).await.is_err() {
            panic!("replica {replica} does not serve:\n{}", tail(&self.replicas[replica].lock().await.log));
        }
        self.balancer.set_in_rotation(replica, true);
    }

    /// A request to one replica; nothing if it is down.
    pub async fn get(&self, replica: usize, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        let url = self.replica(replica).url(path);
        Http::default().try_send(Method::GET, &url, headers, String::new()).await.ok()
    }

    /// What a replica says of an access token: the status of a page behind the guard. Nothing if it is down.
    pub async fn bearer(&self, replica: usize, access: &str) -> Option<u16> {
        let bearer = format!("Bearer {access}");
        let answer = self.get(replica, "/protected", &[("authorization", &bearer)]).await?;
        Some(answer.status.as_u16())
    }

    /// The process of a replica that runs.
    pub async fn process(&self, replica: usize) -> u32 {
        let of = self.replicas[replica].lock().await;
        of.child.as_ref().and_then(Child::id).expect("it runs")
    }

    /// The whole output of a replica.
    pub fn output(&self, replica: usize) -> String {
        let log = self.directory().join(format!("replica-{replica}.log"));
        std::fs::read_to_string(log).unwrap_or_default()
    }
}

/// Prints what a cluster did when the test that holds this fails. Where tasks share a cluster it is not dropped by the
/// test itself.
#[must_use]
pub struct Diagnosis<'a>(&'a Cluster);

impl Cluster {
    /// See [`Diagnosis`].
    pub const fn diagnosis(&self) -> Diagnosis<'_> {
        Diagnosis(self)
    }
}

impl Drop for Diagnosis<'_> {
    fn drop(&mut self) {
        let Self(cluster) = self;
        if !std::thread::panicking() || cluster.diagnosed.swap(true, Ordering::SeqCst) {
            return;
        }
        eprintln!("the seed was {}; the last requests:", cluster.seed);
        for forwarded in cluster.balancer.log(TAIL) {
            eprintln!("  {} by {:?}: {}", forwarded.what, forwarded.tried, forwarded.status);
        }
        for replica in 0..cluster.size() {
            eprintln!("replica {replica} said at the end:");
            eprintln!("{}", tail(&cluster.directory().join(format!("replica-{replica}.log"))));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.diagnosis());
    }
}

/// What went wrong, and the end.
fn tail(log: &Path) -> String {
    let all = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = all.lines().collect();
    let (before, end) = lines.split_at(lines.len().saturating_sub(TAIL));
    let wrong = before.iter().filter(|line| line.contains("WARN") || line.contains("ERROR") || line.contains("panick"));
    let wrong: Vec<_> = wrong.rev().take(TAIL).collect();
    wrong.into_iter().rev().chain(end).map(|line| format!("  {line}\n")).collect()
}

fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

/// An address that nobody listens on. A server cannot take a free port by itself here: the load balancer must know it.
fn free_address() -> SocketAddr {
    let ports = PORTS.end - PORTS.start;
    // Test programs that run at the same time begin at different places.
    let first = u16::try_from(std::process::id() % u32::from(ports)).unwrap_or(0);
    for _ in 0..ports {
        let port = PORTS.start + first.wrapping_add(NEXT_PORT.fetch_add(1, Ordering::Relaxed)) % ports;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if is_free(address) {
            return address;
        }
    }
    panic!("no free port");
}
