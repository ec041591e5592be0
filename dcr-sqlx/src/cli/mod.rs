//! The `dcr` command: what an operator does to a database, whether or not a server runs on it.
//!
//! `cargo install dcr-sqlx --features cli` installs it, with `postgres` and `mysql` for those databases. A host
//! application can have it in a program of its own, with the same features as its server:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     dcr_sqlx::cli::main()
//! }
//! ```
//!
//! Only `dcr migrate` makes or changes tables; everything else refuses a database that is not there or not up to date.
//! Whatever ends, blocks or brings in something is one transaction of the store with an event of its own on the record,
//! and running servers notice within the bound of the revocation feed (5 s).
//!
//! Exit codes: 0 done; 1 it could not be done, or `dcr doctor` found something wrong; 2 it was asked wrongly, or not
//! confirmed.

mod blocks;
mod doctor;
mod end;
mod erase;
mod funnel;
mod import;
mod pin;
mod recover;
mod requests;
mod secret;
mod show;
mod terminal;
mod uses;
mod who;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use dcr_core::record::Actor;
use dcr_core::store::StoreError;
use dcr_core::{Operator, OperatorError, SystemClock, SystemRandom};

use self::terminal::Out;
use crate::inspect::Inspect;
use crate::migrate::Tables;
use crate::{OpenError, open};

/// Looks after the database of a dcr authorization server: who has access, from which apps, and how to end it.
///
/// Times are in UTC. Passwords in a database URL belong into DCR_DATABASE_URL and not onto the command line, which other
/// users of the machine can read.
#[derive(Parser)]
#[command(name = "dcr", version, arg_required_else_help = true)]
struct Arguments {
    /// Where the data is: sqlite://FILE, postgres://USER:PASSWORD@HOST/DATABASE, mysql://USER:PASSWORD@HOST/DATABASE
    #[arg(
        long,
        global = true,
        env = "DCR_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "sqlite://dcr.db"
    )]
    database: String,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes the tables, or brings them up to date
    Migrate(Migrate),
    /// Checks tables, keys, clock and rows, and says what to do
    Doctor(doctor::Doctor),
    /// Lists people
    Users(show::Users),
    /// Lists which apps people use
    Connections(show::Connections),
    /// Lists sign-ins that are alive, or all of them
    Sessions(show::Sessions),
    /// Prints the record as JSON lines, newest first: for a log elsewhere, and for `dcr recover`
    Events(show::Events),
    /// Lists which tools were called, newest first, where a history of requests is kept
    Requests(requests::Requests),
    /// Ends sessions; whoever had them may sign in again
    Revoke(end::Revoke),
    /// Ends sessions and lets no new ones begin
    Block(end::Block),
    /// Lifts a block
    Unblock(end::Unblock),
    /// Lists what is blocked
    Blocks(blocks::Blocks),
    /// Registers a client under an id of your choice, or changes it; an app, or a program without a person
    Pin(pin::Pin),
    /// Takes a pin away and ends its sessions
    Unpin(pin::Unpin),
    /// Lists clients that are pinned here, and those that changed or deleted their registration; or those that people use
    Clients(pin::Clients),
    /// Lists platforms, with how many people use each and how many sessions are live
    Platforms(uses::Platforms),
    /// Says which platform comes how far: requests by platform, step and outcome
    Funnel(funnel::Funnel),
    /// Erases a person: rows go, and the record no longer says whose events they were
    ///
    /// Prints a receipt. A block stays, words that were given as a reason stay, and backups and exported events are yours to
    /// delete. Who signs in again is known again: block them first to end both.
    Erase(erase::Erase),
    /// Deletes sessions that ended or lapsed long ago, and events that need not be kept
    Sweep(end::Sweep),
    /// After a backup was restored or a failover lost writes: ends again what had been ended, then lets sessions go on
    ///
    /// Run it before any server starts. First everything that the lost part of the record had ended or blocked is ended and
    /// blocked again: otherwise a session that was killed in it would come back to life. Then, until TIME, clients whose
    /// tokens are newer than the database go on.
    Recover(recover::Recover),
    /// Makes or shows secrets
    #[command(subcommand)]
    Secret(secret::Secrets),
    /// Brings in the tables of the old system
    ///
    /// They are dcr_clients and dcr_clients_…, dcr_azure_users (or dcr_azure_tokens), dcr_tokens and dcr_tokens_…. Rows with
    /// a user become that person's connections, one for each app, with every old client id as an alias: the ids sign in
    /// again under the redirect URIs that were recorded for them. Rows without a user are counted and dropped. Nothing in
    /// the old system is changed, and a second run changes nothing here either.
    Import(import::Import),
}

#[derive(clap::Args)]
struct Migrate {
    /// Only says whether there is something to do
    #[arg(long)]
    dry_run: bool,
}

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// It was asked wrongly, or not confirmed. Nothing was changed.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    /// What was found is printed already.
    #[error("")]
    Findings,
    #[error("the output cannot be written: {0}")]
    Output(#[from] std::io::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Operator(#[from] OperatorError),
    #[error(transparent)]
    Old(#[from] crate::old::OldError),
}

/// A database that is open, and what is done to it.
struct Database {
    store: Arc<dyn Inspect>,
    operator: Operator,
}

impl Database {
    async fn open(url: &str) -> Result<Self, Failure> {
        Self::with(url, Tables::AsTheyAre).await
    }

    async fn with(url: &str, tables: Tables) -> Result<Self, Failure> {
        let store = open(url, tables).await?;
        let operator = Operator::new(store.clone(), Arc::new(SystemClock), Arc::new(SystemRandom));
        let operator = operator.acting_as(Actor::Command);
        Ok(Self { store, operator })
    }
}

/// The whole command, with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let warnings = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr);
    // A program that has this command may have a subscriber of its own.
    let _ = warnings.with_target(false).without_time().try_init();
    let mut out = Out::new();
    let ended = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(arguments, &mut out)),
        Err(error) => Err(Failure::Failed(format!("this system gives no runtime: {error}"))),
    };
    let ended = out.flush().map_err(Failure::from).and(ended);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read it has enough: `dcr users | head`.
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Findings) => ExitCode::FAILURE,
        Err(failure) => {
            terminal::say(format_args!("error: {failure}"));
            ExitCode::from(if matches!(failure, Failure::Usage(_)) { 2 } else { 1 })
        }
    }
}

async fn run(arguments: Arguments, out: &mut Out) -> Result<(), Failure> {
    let url = arguments.database.as_str();
    match arguments.command {
        Command::Migrate(migrate) => migrate.run(url, out).await,
        Command::Doctor(doctor) => doctor.run(url, out).await,
        Command::Users(users) => users.run(&Database::open(url).await?, out).await,
        Command::Connections(connections) => connections.run(&Database::open(url).await?, out).await,
        Command::Sessions(sessions) => sessions.run(&Database::open(url).await?, out).await,
        Command::Requests(requests) => requests.run(&Database::open(url).await?, out).await,
        Command::Events(events) => events.run(&Database::open(url).await?, out).await,
        Command::Revoke(revoke) => revoke.run(&Database::open(url).await?, out).await,
        Command::Block(block) => block.run(&Database::open(url).await?, out).await,
        Command::Unblock(unblock) => unblock.run(&Database::open(url).await?, out).await,
        Command::Blocks(blocks) => blocks.run(&Database::open(url).await?, out).await,
        Command::Platforms(platforms) => platforms.run(&Database::open(url).await?, out).await,
        Command::Pin(pin) => pin.run(url, out).await,
        Command::Unpin(unpin) => unpin.run(&Database::open(url).await?, out).await,
        Command::Clients(clients) => clients.run(&Database::open(url).await?, out).await,
        Command::Funnel(funnel) => funnel.run(&Database::open(url).await?, out).await,
        Command::Erase(erase) => erase.run(&Database::open(url).await?, out).await,
        Command::Sweep(sweep) => sweep.run(&Database::open(url).await?, out).await,
        Command::Recover(recover) => recover.run(url, out).await,
        Command::Secret(secrets) => secrets.run(url, out).await,
        Command::Import(import) => import.run(url, out).await,
    }
}

impl Migrate {
    async fn run(&self, url: &str, out: &mut Out) -> Result<(), Failure> {
        let before = match Database::open(url).await {
            Ok(_) => {
                out.line(format_args!("The tables are up to date."))?;
                return Ok(());
            }
            Err(Failure::Open(error)) => error,
            Err(other) => return Err(other),
        };
        let what = match &before {
            OpenError::NoSuchFile(path) => format!("make {} and its tables", path.display()),
            OpenError::NoTables(_) => "make the tables".to_owned(),
            OpenError::Outdated(1) => "bring the tables up to date (1 step)".to_owned(),
            OpenError::Outdated(steps) => format!("bring the tables up to date ({steps} steps)"),
            _ => return Err(before.into()),
        };
        if self.dry_run {
            out.line(format_args!("Would {what}."))?;
            return Ok(());
        }
        Database::with(url, Tables::UpToDate).await?;
        out.line(format_args!("Done: {what}."))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
