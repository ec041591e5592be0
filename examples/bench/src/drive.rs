//! The load itself: connections on a thread for each core, a warm-up, and a part that is measured.
//!
//! Closed: each connection asks again as soon as it was answered. That shows what a server can do, and its latencies are
//! those of a server that is always busy. Open (`rate`): each connection asks at its appointed times, whether or not the one
//! before was quick; a request that had to wait for the one before it counts from its appointed time, so a server that
//! stalls cannot hide it by being asked less.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::scenario::Worker;
use crate::{Failure, Plan, Site, process};

/// A latency of more is counted as this.
const LONGEST_MICROS: u64 = 60_000_000;

/// How long a part of a run lasts.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Phase {
    /// So long. What is being asked then is still answered, and counted.
    For(Duration),
    /// So many operations of each connection.
    Each(usize),
}

/// How to ask.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the programs fill it in")]
pub struct Load {
    /// How many connections.
    pub connections: usize,
    /// On how many threads.
    pub threads: usize,
    /// What comes first and is not measured.
    pub warm_up: Phase,
    /// What is measured.
    pub measured: Phase,
    /// Operations a second over all connections; as many as are answered if there is none.
    pub rate: Option<f64>,
    /// The processes of the server.
    pub processes: Vec<u32>,
}

/// What came of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Measured {
    /// How long the measured part took.
    pub elapsed: Duration,
    /// Operations that were answered as they must be, in microseconds.
    pub latencies: Histogram<u64>,
    /// Operations that were not.
    pub failed: u64,
    /// The first of those.
    pub failure: Option<Failure>,
    /// CPU time of the server's processes.
    pub server_cpu: Duration,
    /// CPU time of this process: the load, and the login.
    pub load_cpu: Duration,
    /// Memory of the server's processes in the end, in KiB.
    pub resident: u64,
}

impl Default for Load {
    /// 32 connections on a thread for each core, a second of warm-up, five that are measured.
    fn default() -> Self {
        Self {
            connections: 32,
            threads: thread::available_parallelism().map_or(1, usize::from),
            warm_up: Phase::For(Duration::from_secs(1)),
            measured: Phase::For(Duration::from_secs(5)),
            rate: None,
            processes: Vec::new(),
        }
    }
}

impl Measured {
    /// Operations a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// CPU time of the server for one operation, in microseconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn server_micros(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / (self.latencies.len().max(1) as f64)
    }

    /// So much of all latencies is below this, in milliseconds; `quantile` is up to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn millis(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64 / 1e3
    }

    /// The figures, if every answer was what it must be.
    ///
    /// # Errors
    /// [`Failure`], the first there was.
    pub fn sound(self) -> Result<Self, Failure> {
        match &self.failure {
            None => Ok(self),
            Some(failure) => Err(Failure::new(format!("{} answers were wrong, the first: {failure}", self.failed))),
        }
    }
}

/// What one connection, or all of a thread, had.
#[derive(Debug)]
struct Tally {
    latencies: Histogram<u64>,
    failed: u64,
    failure: Option<Failure>,
}

impl Tally {
    fn new() -> Result<Self, Failure> {
        let latencies = Histogram::new_with_bounds(1, LONGEST_MICROS, 3);
        Ok(Self { latencies: latencies.map_err(|error| Failure::at("a histogram", error))?, failed: 0, failure: None })
    }

    fn answered(&mut self, after: Duration) {
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(micros.clamp(1, LONGEST_MICROS));
    }

    fn wrong(&mut self, failure: Failure) {
        self.failed += 1;
        self.failure.get_or_insert(failure);
    }

    fn add(&mut self, other: Self) {
        // Both have the same bounds.
        let _: Result<(), hdrhistogram::AdditionError> = self.latencies.add(other.latencies);
        self.failed += other.failed;
        self.failure = self.failure.take().or(other.failure);
    }
}

/// When the operations of one connection begin.
#[derive(Debug, Clone, Copy)]
struct Pace {
    first: Duration,
    every: Duration,
}

/// What the threads share.
struct Run<'a> {
    plan: &'a Plan,
    load: &'a Load,
    site: Option<Arc<Site>>,
    /// They and the one that measures.
    barrier: Barrier,
    broken: AtomicBool,
}

/// Drives the load of a plan, and measures. It blocks, for as long as that takes.
///
/// # Errors
/// [`Failure`] if it could not begin. What goes wrong later is in [`Measured::failure`].
pub fn drive(plan: &Plan, load: &Load) -> Result<Measured, Failure> {
    let site = if plan.scenario.is_limit() { None } else { Some(Arc::new(discover(&plan.addresses)?)) };
    let threads = load.threads.clamp(1, load.connections.max(1));
    let run = Run { plan, load, site, barrier: Barrier::new(threads + 1), broken: AtomicBool::new(false) };
    thread::scope(|scope| {
        let run = &run;
        let spawned: Vec<_> = (0..threads).map(|at| scope.spawn(move || run.thread(at, threads))).collect();
        run.barrier.wait(); // everybody is warm
        let (server_before, load_before) = (process::cpu_of(&load.processes), process::own_cpu());
        let began = Instant::now();
        run.barrier.wait(); // go
        run.barrier.wait(); // done
        let elapsed = began.elapsed();
        let (server_after, load_after) = (process::cpu_of(&load.processes), process::own_cpu());
        let mut all = Tally::new()?;
        for thread in spawned {
            all.add(thread.join().map_err(|_| Failure::new("a thread of the load panicked"))??);
        }
        Ok(Measured {
            elapsed,
            latencies: all.latencies,
            failed: all.failed,
            failure: all.failure,
            server_cpu: server_after.saturating_sub(server_before),
            load_cpu: load_after.saturating_sub(load_before),
            resident: load.processes.iter().map(|id| process::resident(*id)).sum(),
        })
    })
}

fn discover(addresses: &[SocketAddr]) -> Result<Site, Failure> {
    runtime()?.block_on(Site::discover(addresses))
}

fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::at("a runtime", error))
}

impl Run<'_> {
    /// The connections of one thread. Whatever goes wrong, it comes to all three barriers.
    fn thread(&self, at: usize, threads: usize) -> Result<Tally, Failure> {
        let runtime = runtime();
        let mine = || (at..self.load.connections).step_by(threads);
        let warm = runtime.as_ref().map_err(Clone::clone).and_then(|runtime| {
            runtime.block_on(async {
                let workers = self.ready(mine()).await?;
                self.phase(workers, self.load.warm_up).await
            })
        });
        if warm.as_ref().map_or(true, |(_, tally)| tally.failed > 0) {
            self.broken.store(true, Ordering::SeqCst);
        }
        self.barrier.wait();
        self.barrier.wait();
        let measured = match (&runtime, warm) {
            (Ok(runtime), Ok((workers, _))) if !self.broken.load(Ordering::SeqCst) => {
                runtime.block_on(self.phase(workers, self.load.measured)).map(|(_, tally)| tally)
            }
            (_, warm) => warm.map(|(_, tally)| tally),
        };
        self.barrier.wait();
        measured
    }

    async fn ready(&self, connections: impl Iterator<Item = usize>) -> Result<Vec<(usize, Worker)>, Failure> {
        let mut tasks = JoinSet::new();
        for n in connections {
            let (plan, site) = (self.plan.clone(), self.site.clone());
            tasks.spawn(async move { Ok((n, plan.worker(site, n).await?)) });
        }
        let mut ready = Vec::new();
        while let Some(done) = tasks.join_next().await {
            ready.push(done.map_err(|error| Failure::at("a connection of the load", error))??);
        }
        Ok(ready)
    }

    async fn phase(
        &self,
        workers: Vec<(usize, Worker)>,
        phase: Phase,
    ) -> Result<(Vec<(usize, Worker)>, Tally), Failure> {
        let mut tasks = JoinSet::new();
        for (n, worker) in workers {
            let pace = self.load.rate.map(|rate| self.pace(n, rate));
            let tally = Tally::new()?;
            tasks.spawn(async move {
                let (worker, tally) = work(worker, phase, pace, tally).await;
                ((n, worker), tally)
            });
        }
        let (mut workers, mut all) = (Vec::new(), Tally::new()?);
        while let Some(done) = tasks.join_next().await {
            let (worker, tally) = done.map_err(|error| Failure::at("a connection of the load", error))?;
            workers.push(worker);
            all.add(tally);
        }
        Ok((workers, all))
    }

    /// The connections take turns.
    #[expect(clippy::cast_precision_loss, reason = "there are not so many connections")]
    fn pace(&self, connection: usize, rate: f64) -> Pace {
        let between = 1.0 / rate.max(f64::MIN_POSITIVE);
        let seconds = |count: usize| Duration::try_from_secs_f64(between * count as f64).unwrap_or(Duration::MAX);
        Pace { first: seconds(connection), every: seconds(self.load.connections) }
    }
}

async fn work(mut worker: Worker, phase: Phase, pace: Option<Pace>, mut tally: Tally) -> (Worker, Tally) {
    let began = Instant::now();
    let mut appointed = pace.map(|pace| began + pace.first);
    let mut asked = 0;
    loop {
        let next = appointed.unwrap_or_else(Instant::now);
        let over = match phase {
            Phase::For(time) => next.duration_since(began) >= time,
            Phase::Each(operations) => asked >= operations,
        };
        if over {
            return (worker, tally);
        }
        let mut from = next;
        if let (Some(at), Some(pace)) = (&mut appointed, pace) {
            if Instant::now() < *at {
                // Timers come up to a millisecond late, which is not the server's doing.
                tokio::time::sleep_until((*at).into()).await;
                from = Instant::now();
            }
            *at += pace.every;
        }
        match worker.step().await {
            Ok(true) => tally.answered(from.elapsed()),
            Ok(false) => return (worker, tally),
            Err(failure) => {
                tally.wrong(failure);
                // Its connection, or its session, may be gone; and one wrong answer is one too many.
                return (worker, tally);
            }
        }
        asked += 1;
    }
}
