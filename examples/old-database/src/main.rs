//! `old-database`: a generated database as a file or as a script.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Parser, ValueEnum};
use old_database::{Flavour, Layout, OldDatabase, Person, Plan};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

/// A database as a first-generation system left it in production. The same options give the same rows.
#[derive(Parser)]
#[command(name = "old-database", version, group(ArgGroup::new("output").required(true).args(["out", "script"])))]
struct Options {
    /// Write an SQLite database to this file, which must not exist yet.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the SQL that makes it in an empty database.
    #[arg(long, value_enum, value_name = "DATABASE")]
    script: Option<Dialect>,
    /// Rows in all client tables together [default: 10000]
    #[arg(long)]
    rows: Option<usize>,
    /// People whom they belong to.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=50))]
    people: u8,
    /// Another seed gives other rows [default: 1]
    #[arg(long)]
    seed: Option<u64>,
    /// The tables of an older version, with fewer columns.
    #[arg(long)]
    older: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Dialect {
    Sqlite,
    Postgres,
    Mysql,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do if standard error is closed.
            let _: io::Result<()> = writeln!(io::stderr(), "old-database: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let mut plan = Plan { people: Person::crowd(usize::from(options.people)), ..Plan::default() };
    plan.rows = options.rows.unwrap_or(plan.rows);
    plan.seed = options.seed.unwrap_or(plan.seed);
    plan.layout = if options.older { Layout::Older } else { Layout::Latest };
    let old = OldDatabase::generate(&plan);
    if let Some(dialect) = options.script {
        print(&old, dialect)?;
    }
    if let Some(path) = options.out {
        // Opening it this way refuses whatever is there, and nobody can put something there in between.
        File::create_new(&path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => format!("{} exists already and is left as it is", path.display()),
            _ => format!("{}: {error}", path.display()),
        })?;
        if let Err(error) = write(&old, &path).await {
            // Half a database helps nobody; that it cannot be removed either is not the news.
            let _: io::Result<()> = fs::remove_file(&path);
            return Err(format!("{}: {error}", path.display()).into());
        }
    }
    Ok(())
}

fn print(old: &OldDatabase, dialect: Dialect) -> io::Result<()> {
    let flavour = match dialect {
        Dialect::Sqlite => Flavour::Sqlite,
        Dialect::Postgres => Flavour::Postgres,
        Dialect::Mysql => Flavour::MySql,
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    for statement in old.script(flavour) {
        writeln!(out, "{statement};")?;
    }
    out.flush()
}

async fn write(old: &OldDatabase, path: &Path) -> sqlx::Result<()> {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
    let mut transaction = connection.begin().await?;
    for statement in old.script(Flavour::Sqlite) {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    connection.close().await
}
