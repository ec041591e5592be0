//! What every part of the suite has: programs, a directory, and how long to measure.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dcr_bench::{Failure, Load, Measured, Phase, Plan, Scenario, Server, Signing, Upstream, drive};

static NEXT: AtomicU32 = AtomicU32::new(0);
const WARM_UP: Duration = Duration::from_millis(500);
/// Tokens that were not seen, and codes, for each connection.
const TOKENS: usize = 600;
const CODES: usize = 250;

/// See the module.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) programs: PathBuf,
    pub(crate) directory: Directory,
    pub(crate) rounds: usize,
    pub(crate) time: Duration,
}

/// A server, and whoever logs people in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Under<'a> {
    pub(crate) servers: &'a [&'a Server],
    pub(crate) upstream: Option<&'a Upstream>,
}

impl Setting {
    /// A login.
    pub(crate) fn upstream(&self, signing: Signing) -> Result<Upstream, Failure> {
        Upstream::start(([127, 0, 0, 1], 0).into(), signing)
    }

    /// The URL of a new SQLite database.
    pub(crate) fn new_database(&self) -> String {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        format!("sqlite://{}", self.directory.0.join(format!("{n}.db")).display())
    }

    /// Starts an example server with its default settings, but for the limits, which a load would run into, and for metadata
    /// documents, for which it would ask the internet.
    pub(crate) fn start(
        &self,
        program: &str,
        database: &str,
        upstream: &Upstream,
        more: &[(&'static str, String)],
    ) -> Result<Server, Failure> {
        let own = [
            ("DCR_BIND", "127.0.0.1:0".to_owned()),
            ("DCR_DATABASE_URL", database.to_owned()),
            ("DCR_CIMD", "off".to_owned()),
            ("DCR_LIMITS", "off".to_owned()),
        ];
        self.program(program, &[&own, upstream.variables(), more].concat())
    }

    /// Starts the server of the limits.
    pub(crate) fn limits(&self) -> Result<Server, Failure> {
        self.program("limits", &[])
    }

    fn program(&self, program: &str, variables: &[(&'static str, String)]) -> Result<Server, Failure> {
        let log = self.directory.0.join(format!("{program}-{}.log", NEXT.fetch_add(1, Ordering::Relaxed)));
        Server::start(&self.programs.join(program), variables, &log)
    }

    /// Measures one load, closed.
    pub(crate) fn measure(&self, under: Under<'_>, scenario: Scenario) -> Result<Measured, Failure> {
        let supply = if scenario == Scenario::Exchange { CODES } else { TOKENS };
        let (warm_up, measured) = match scenario.is_finite() {
            true => (Phase::Each(supply / 10), Phase::Each(usize::MAX)),
            false => (Phase::For(WARM_UP), Phase::For(self.time)),
        };
        under.drive(scenario, 1, supply, &Load { warm_up, measured, ..Load::default() })
    }
}

impl Under<'_> {
    /// Drives a load; every answer must be what it must be.
    pub(crate) fn drive(
        &self,
        scenario: Scenario,
        sessions: usize,
        supply: usize,
        load: &Load,
    ) -> Result<Measured, Failure> {
        let plan = Plan {
            scenario,
            addresses: self.servers.iter().map(|server| server.address()).collect(),
            upstream: self.upstream.map(Upstream::address),
            sessions,
            supply,
        };
        let load = Load { processes: self.servers.iter().map(|server| server.id()).collect(), ..load.clone() };
        let measured = drive(&plan, &load).and_then(Measured::sound);
        let measured = measured.map_err(|failure| Failure::at(scenario, failure))?;
        eprintln!(
            "{scenario}: {:.0} a second, p99 {:.2} ms, {:.1} us of the server's CPU",
            measured.rate(),
            measured.millis(0.99),
            measured.server_micros()
        );
        Ok(measured)
    }
}

/// A directory of its own, removed in the end.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("dcr-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| Failure::at(path.display(), error))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A leftover in the system's temporary directory is no reason to fail a run.
        let _: std::io::Result<()> = std::fs::remove_dir_all(&self.0);
    }
}

/// What blocks, for what is asynchronous.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| Failure::at("a runtime", error))?.block_on(future)
}
