//! `dcr import`: the way out of the old system.

use std::collections::BTreeMap;

use clap::Args;
use dcr_core::upstream::EntraConfig;
use dcr_core::{ImportedUse, Operator};

use super::terminal::{Out, Progress, Table, count, shown};
use super::{Database, Failure};
use crate::old::{self, PersonReport, RefusedRedirect, Report, Source, Written};

/// So many client ids are written in one transaction, which has seconds to end.
const BATCH: usize = 100;
/// So many redirect URIs that were left out are printed for each reason.
const EXAMPLES: usize = 2;

#[derive(Args)]
pub(super) struct Import {
    /// The old system: an SQLite file, or the URL of a database (for another schema of PostgreSQL with
    /// ?options[search_path]=NAME)
    #[arg(value_name = "FILE|URL")]
    source: String,

    /// The tenant of its people: the id that tokens have in `tid`, not a domain
    #[arg(long, env = "DCR_AZURE_TENANT_ID", value_name = "ID")]
    tenant: String,

    /// Base of the authority that signs them in [default: https://login.microsoftonline.com]
    #[arg(long, env = "DCR_AZURE_AUTHORITY", value_name = "URL")]
    authority: Option<String>,

    /// Only read, and report
    #[arg(long)]
    dry_run: bool,

    /// The report as one JSON object
    #[arg(long)]
    json: bool,
}

impl Import {
    pub(super) async fn run(&self, url: &str, out: &mut Out) -> Result<(), Failure> {
        let tenant = uuid::Uuid::try_parse(self.tenant.trim()).map_err(|_| {
            Failure::Usage(
                "the tenant (--tenant, DCR_AZURE_TENANT_ID) is named by its id, a GUID, not by a domain".to_owned(),
            )
        })?;
        let tenant = tenant.hyphenated().to_string();
        let issuer = EntraConfig::issuer(self.authority()?, &tenant);
        // Before the old system is read: it may be long.
        let database = if self.dry_run { None } else { Some(Database::open(url).await?) };

        let mut source = Source::open(&self.source).await?;
        let mut progress = Progress::new();
        let now = dcr_core::Clock::now(&dcr_core::SystemClock);
        let fold = old::read(&mut source, now, |table, rows| {
            progress.at(format_args!("{}: {rows} rows read", shown(table)));
        })
        .await?;
        let (people, mut report) = fold.end(&issuer, &tenant);
        if let Some(database) = &database {
            let total = people.len();
            let mut written = Written::default();
            for (n, person) in people.into_iter().enumerate() {
                for imported in person.uses {
                    progress.at(format_args!("{n} of {total} people brought in"));
                    bring_in(&database.operator, imported, &mut written).await?;
                }
            }
            report.written = Some(written);
        }
        drop(progress);
        if self.json { Ok(out.json(&report)?) } else { print(&report, out) }
    }
}

impl Import {
    /// A part of who people are: with a wrong one the import would be of people who never sign in.
    fn authority(&self) -> Result<&str, Failure> {
        // As the servers read it: an empty variable is one that is not set.
        let given = self.authority.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let authority = given.unwrap_or("https://login.microsoftonline.com");
        if authority.starts_with("https://") || authority.starts_with("http://") {
            return Ok(authority);
        }
        Err(Failure::Usage(format!(
            "the authority (--authority, DCR_AZURE_AUTHORITY) is a URL such as https://login.microsoftonline.us, not `{}`",
            shown(authority)
        )))
    }
}

/// One person's use of one app, a batch of client ids after the other.
async fn bring_in(operator: &Operator, imported: ImportedUse, written: &mut Written) -> Result<(), Failure> {
    for clients in imported.clients.chunks(BATCH) {
        let done = operator.import(ImportedUse { clients: clients.to_vec(), ..imported.clone() }).await?;
        written.users += u64::from(done.new_user);
        written.connections += u64::from(done.new_connection);
        written.client_ids += done.new_clients;
        written.aliases += done.new_aliases;
    }
    Ok(())
}

fn print(report: &Report, out: &mut Out) -> Result<(), Failure> {
    let mut tables = Table::new(["TABLE", "ROWS"]);
    for table in &report.tables {
        tables.row(out, [shown(&table.name), table.rows.to_string()])?;
    }
    tables.end(out)?;
    out.line(format_args!(""))?;

    let mut people =
        Table::new(["ROWS BEFORE", "CONNECTIONS AFTER", "IDS KEPT", "ORPHANS DROPPED", "NOT READ", "PERSON"]);
    for person in &report.people {
        people.row(
            out,
            [
                person.rows.to_string(),
                person.connections.to_string(),
                person.ids.to_string(),
                person.orphans.to_string(),
                not_read(person),
                format!("{}  {}", shown(person.email.as_deref().unwrap_or("-")), person.object_id),
            ],
        )?;
    }
    let sum = |of: fn(&PersonReport) -> usize| report.people.iter().map(of).sum::<usize>().to_string();
    let not_read: u64 = report.unreadable.iter().map(|unreadable| unreadable.rows).sum();
    let total = [
        report.rows.to_string(),
        sum(|person| person.connections),
        sum(|person| person.ids),
        report.orphans.to_string(),
        not_read.to_string(),
        format!("all: {} people", report.people.len()),
    ];
    people.row(out, total)?;
    people.end(out)?;

    out.line(format_args!(""))?;
    out.line(format_args!("{} rows had no user and were dropped.", report.orphans))?;
    for unreadable in &report.unreadable {
        let examples: Vec<String> = unreadable.examples.iter().map(|id| shown(id)).collect();
        let such_as = if examples.is_empty() { String::new() } else { format!(" (such as {})", examples.join(", ")) };
        out.line(format_args!("{} rows were not read: {}{such_as}", unreadable.rows, unreadable.explanation))?;
    }
    let mut refused: BTreeMap<&str, Vec<&RefusedRedirect>> = BTreeMap::new();
    for one in &report.refused_redirects {
        refused.entry(&one.explanation).or_default().push(one);
    }
    for (explanation, all) in refused {
        let examples = all.iter().take(EXAMPLES);
        let examples = examples.map(|one| format!("`{}` of {}", shown(&one.redirect_uri), shown(&one.client_id)));
        let examples = examples.collect::<Vec<_>>().join(", ");
        out.line(format_args!(
            "{} left out, of clients that have others: each {explanation} (such as {examples})",
            count(all.len(), "redirect URI")
        ))?;
    }
    if report.odd_dates > 0 {
        out.line(format_args!("{} dates could not be read; their rows were", report.odd_dates))?;
    }
    if report.people_without_clients > 0 {
        let people = usize::try_from(report.people_without_clients).unwrap_or(usize::MAX);
        out.line(format_args!("{} had no client; they appear when they sign in", count(people, "known user")))?;
    }
    match report.written {
        None => out.line(format_args!("Nothing was written: a dry run."))?,
        Some(written) if written == Written::default() => out.line(format_args!("All of it was there: nothing was written."))?,
        Some(Written { users, connections, client_ids, aliases }) => out.line(format_args!(
            "Written: {users} users, {connections} connections, {client_ids} client ids, {aliases} aliases. Nothing in the \
             old system was changed."
        ))?,
    }
    Ok(())
}

fn not_read(person: &PersonReport) -> String {
    person.unreadable.values().sum::<u64>().to_string()
}
