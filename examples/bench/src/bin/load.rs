//! `load`: drives one server in one scenario and prints what came of it. It fails if any answer was not what it must be.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use dcr_bench::{Failure, Load, Measured, Phase, Plan, Scenario, Signing, Upstream, drive};

/// Asks a server the same thing over and over, on connections that are kept, and prints how often and how quickly it was
/// answered.
///
/// For what signs people in, start the server with the four DCR_AZURE_… variables that are printed, or give `--wait`.
#[derive(Parser)]
#[command(name = "load", version)]
struct Options {
    /// What to ask
    #[arg(value_enum)]
    scenario: Scenario,
    /// The server; repeated for several replicas, which the connections take in turn
    #[arg(long = "url", required = true)]
    urls: Vec<String>,
    /// The server's process, for its CPU time and memory; repeated for several
    #[arg(long = "pid")]
    processes: Vec<u32>,
    /// Connections
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Threads [default: one for each core]
    #[arg(long)]
    threads: Option<usize>,
    /// How long to measure
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How long to warm up before
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Operations a second, at appointed times, in place of as many as are answered
    #[arg(long)]
    rate: Option<f64>,
    /// Sessions of each connection, which it takes in turn
    #[arg(long, default_value_t = 1)]
    sessions: usize,
    /// Operations of each connection where each uses something up: tokens that were not seen, codes
    #[arg(long, default_value_t = 300)]
    supply: usize,
    /// Where the login listens, in this process; the server must know it
    #[arg(long, default_value = "127.0.0.1:8081")]
    upstream: SocketAddr,
    /// How the login signs
    #[arg(long, value_enum, default_value_t)]
    signing: Signing,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(measured) => {
            print(&measured);
            ExitCode::from(u8::from(measured.failed > 0))
        }
        Err(failure) => {
            eprintln!("load: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<Measured, Failure> {
    let address = |url: &String| {
        let authority = url.strip_prefix("http://").unwrap_or(url).split('/').next().unwrap_or_default();
        authority.parse::<SocketAddr>().map_err(|error| Failure::at(url, error))
    };
    let addresses = options.urls.iter().map(address).collect::<Result<Vec<_>, _>>()?;
    let upstream = match options.scenario.signs_in() {
        true => Some(Upstream::start(options.upstream, options.signing)?),
        false => None,
    };
    for (name, value) in upstream.iter().flat_map(Upstream::variables) {
        eprintln!("{name}={value}");
    }
    let plan = Plan {
        scenario: options.scenario,
        addresses,
        upstream: upstream.as_ref().map(Upstream::address),
        sessions: options.sessions,
        supply: options.supply,
    };
    let for_seconds = |seconds| Duration::try_from_secs_f64(seconds).map(Phase::For);
    let seconds = |seconds| for_seconds(seconds).map_err(|error| Failure::at("seconds", error));
    let standard = Load::default();
    let (warm_up, measured) = match options.scenario.is_finite() {
        true => (Phase::Each(options.supply / 10), Phase::Each(usize::MAX)),
        false => (seconds(options.warm_up)?, seconds(options.seconds)?),
    };
    let load = Load {
        connections: options.connections,
        threads: options.threads.unwrap_or(standard.threads),
        warm_up,
        measured,
        rate: options.rate,
        processes: options.processes.clone(),
    };
    drive(&plan, &load)
}

fn print(measured: &Measured) {
    println!("operations     {} in {:.2} s", measured.latencies.len(), measured.elapsed.as_secs_f64());
    println!("rate           {:.0} a second", measured.rate());
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("longest", 1.0)] {
        println!("{name:<14} {:.3} ms", measured.millis(quantile));
    }
    println!("server CPU     {:.1} us an operation", measured.server_micros());
    println!("load CPU       {:.2} s", measured.load_cpu.as_secs_f64());
    println!("server memory  {:.1} MiB", f64::from(u32::try_from(measured.resident).unwrap_or(u32::MAX)) / 1024.0);
    if let Some(failure) = &measured.failure {
        println!("wrong          {}, the first: {failure}", measured.failed);
    }
}
