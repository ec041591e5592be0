//! A server as a process: how it is started, and what it takes of the machine. Linux: all of it is read from `/proc`.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;

/// What the kernel calls a second in `/proc/PID/stat`, on every architecture that this runs on.
const TICKS: u64 = 100;
/// A server that was told to stop is given so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    started_in: Duration,
    /// Kept open, for a server may print more.
    _out: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a program with these variables and no others of ours, and waits until it prints its URL. What it says goes to
    /// `log`.
    ///
    /// # Errors
    /// [`Failure`] if it does not start.
    pub fn start(program: &Path, variables: &[(&str, String)], log: &Path) -> Result<Self, Failure> {
        let name = program.display();
        let mut command = Command::new(program);
        for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DCR_")) {
            command.env_remove(variable);
        }
        let file = File::create(log).map_err(|error| Failure::at(log.display(), error))?;
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let began = Instant::now();
        let mut child = command.spawn().map_err(|error| Failure::at(&name, error))?;
        let out = child.stdout.take().ok_or_else(|| Failure::new(format!("{name}: no output")))?;
        let mut out = BufReader::new(out);
        let address = loop {
            let mut line = String::new();
            match out.read_line(&mut line) {
                Ok(0) | Err(_) => {
                    let said = std::fs::read_to_string(log).unwrap_or_default();
                    return Err(Failure::new(format!("{name} does not start: {said}")));
                }
                Ok(_) => {}
            }
            if let Some(authority) = line.trim().strip_prefix("http://") {
                break authority.split('/').next().unwrap_or_default().parse();
            }
        };
        let address = address.map_err(|error| Failure::at(&name, error))?;
        Ok(Self { child, address, started_in: began.elapsed(), _out: out })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How long it took until it said that it is ready: it listens then, and its database is open.
    #[must_use]
    pub const fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Stops it as an orchestrator does, and waits for its end.
    ///
    /// # Errors
    /// [`Failure`] if it does not end, or not well.
    pub fn stop(mut self) -> Result<(), Failure> {
        let told = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        told.map_err(|error| Failure::at("kill", error))?;
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(Failure::new(format!("a server ended with {status}"))),
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Err(error) => return Err(Failure::at("a server that was told to stop", error)),
            }
        }
        Err(Failure::new("a server that does not stop"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _: std::io::Result<()> = self.child.kill();
        let _: std::io::Result<_> = self.child.wait();
    }
}

/// The CPU time of processes so far, in user mode and in the kernel. None of one that is gone.
#[must_use]
pub fn cpu_of(processes: &[u32]) -> Duration {
    processes.iter().map(|id| cpu(&id.to_string())).sum()
}

/// The CPU time of this process so far.
#[must_use]
pub fn own_cpu() -> Duration {
    cpu("self")
}

fn cpu(id: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // Behind the name, which may have anything in it: the third field is the first, user and system the 14th and 15th.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1_000 / TICKS)
}

/// The memory of a process that is in use, in KiB.
#[must_use]
pub fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// What this machine is, in a line.
#[must_use]
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("?", |(_, value)| value).trim().to_owned()
    };
    let cpu = after(&read("/proc/cpuinfo"), "model name");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = after(&read("/proc/meminfo"), "MemTotal");
    let memory = memory.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / (1 << 20);
    let kernel = read("/proc/sys/kernel/osrelease");
    let rustc = Command::new("rustc").arg("--version").output().ok();
    let rustc = rustc.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    format!("{cpu}, {cores} cores, {memory} GiB, Linux {}, {}", kernel.trim(), rustc.trim())
}
