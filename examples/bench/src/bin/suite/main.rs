//! `suite`: starts the example servers, measures them beside the limits of this machine, and prints tables in Markdown.
//! `examples/bench/run` builds what it needs and calls it.

#![expect(clippy::print_stdout, reason = "the tables are what it is for")]

mod big;
mod frameworks;
mod postgres;
mod setting;
mod soak;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use dcr_bench::{Failure, process};

use crate::setting::Setting;
use crate::table::Report;

/// Measures the example servers beside what this machine gives to anybody.
#[derive(Debug, Parser)]
#[command(name = "suite", version)]
struct Options {
    /// How much of it
    #[arg(value_enum, default_value_t)]
    part: Part,
    /// Where the programs are that it starts: axum-server, warp-server, dcr, limits
    #[arg(long, default_value = "target/release")]
    programs: PathBuf,
    /// A PostgreSQL server where databases may be made
    #[arg(long, env = "DCR_TEST_POSTGRES_URL", hide_env_values = true)]
    postgres: Option<String>,
    /// How often each load is measured; the middle one counts
    #[arg(long)]
    rounds: Option<usize>,
    /// How long each measurement is
    #[arg(long)]
    seconds: Option<f64>,
    /// Sessions of the big database; five for each person
    #[arg(long, default_value_t = 1_000_000)]
    sessions: u32,
    /// How long a soak is
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// A soak on this database alone
    #[arg(long, value_enum)]
    on: Option<Backend>,
    /// Operations a second of a soak, at appointed times [default: as many as are answered]
    #[arg(long)]
    rate: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    Sqlite,
    Postgres,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Everything but the soak
    #[default]
    All,
    /// axum on SQLite, one round
    Quick,
    /// A database of a million sessions, and the sweep of a tenth of it
    Big,
    /// Mixed load for a long time: on one process with SQLite, and on two with PostgreSQL if there is one
    Soak,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let began = Instant::now();
    let mut report = Report::default();
    let done = run(&options, &mut report);
    println!("Machine: {}. It took {:.0} s.\n", process::machine(), began.elapsed().as_secs_f64());
    println!("{report}");
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("suite: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options, report: &mut Report) -> Result<(), Failure> {
    let quick = options.part == Part::Quick;
    let setting = Setting {
        programs: options.programs.clone(),
        directory: setting::Directory::new()?,
        rounds: options.rounds.unwrap_or(if quick { 1 } else { 3 }),
        time: Duration::try_from_secs_f64(options.seconds.unwrap_or(if quick { 1.5 } else { 3.0 }))
            .map_err(|error| Failure::at("--seconds", error))?,
    };
    let postgres = options.postgres.as_deref();
    match options.part {
        Part::Quick => frameworks::measure(&setting, &["axum-server"], report),
        Part::Big => big::measure(&setting, options.sessions, report),
        Part::Soak => {
            let time = Duration::try_from_secs_f64(options.minutes * 60.0);
            let time = time.map_err(|error| Failure::at("--minutes", error))?;
            let missing = "no PostgreSQL (DCR_TEST_POSTGRES_URL)";
            match (options.on, postgres) {
                (Some(Backend::Postgres), None) => return Err(Failure::new(missing)),
                (Some(Backend::Postgres), _) => {}
                (Some(Backend::Sqlite) | None, _) => soak::sqlite(&setting, time, options.rate, report)?,
            }
            match (options.on, postgres) {
                (Some(Backend::Sqlite), _) => {}
                (_, Some(url)) => soak::postgres(&setting, url, time, options.rate, report)?,
                (_, None) => report.note(format!("{missing}: two processes were not soaked.")),
            }
            Ok(())
        }
        Part::All => {
            frameworks::measure(&setting, &["axum-server", "warp-server"], report)?;
            match postgres {
                Some(url) => postgres::measure(&setting, url, report)?,
                None => eprintln!("no PostgreSQL (DCR_TEST_POSTGRES_URL): its part is left out"),
            }
            big::measure(&setting, options.sessions, report)
        }
    }
}
