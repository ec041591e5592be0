//! `dcr platforms`, `dcr clients --used`: how many people use what.

use clap::Args;
use dcr_core::store::{ClientUseQuery, PlatformUse};
use serde::Serialize;

use super::terminal::{JsonList, Out, Table, shown};
use super::who::PAGE;
use super::{Database, Failure};

#[derive(Args)]
pub(super) struct Platforms {
    /// As a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct PlatformRow {
    platform: String,
    people: u64,
    connections: u64,
    live_sessions: u64,
}

impl Platforms {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        let mut list = JsonList::default();
        let mut table = Table::new(["PLATFORM", "PEOPLE", "CONNECTIONS", "LIVE SESSIONS"]);
        for used in database.store.platform_uses(database.operator.now()).await? {
            let PlatformUse { platform, people, connections, live_sessions } = used;
            let platform = platform.to_string();
            if self.json {
                list.item(out, &PlatformRow { platform, people, connections, live_sessions })?;
            } else {
                let numbers = [people, connections, live_sessions].map(|number| number.to_string());
                let [people, connections, live_sessions] = numbers;
                table.row(out, [shown(&platform), people, connections, live_sessions])?;
            }
        }
        if self.json {
            return Ok(list.end(out)?);
        }
        if !table.end(out)? {
            out.line(format_args!("nobody uses anything"))?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct ClientRow {
    client_id: String,
    people: u64,
    live_sessions: u64,
    imported: bool,
}

/// Client ids that people use.
pub(super) async fn clients(database: &Database, json: bool, out: &mut Out) -> Result<(), Failure> {
    let mut list = JsonList::default();
    let mut table = Table::new(["PEOPLE", "LIVE SESSIONS", "CLIENT ID"]);
    let mut query = ClientUseQuery { now: database.operator.now(), only: None, after: None, limit: PAGE };
    loop {
        let page = database.store.client_uses(&query).await?;
        let Some(last) = page.last().map(|last| last.client_id.clone()) else { break };
        for used in page {
            let (client_id, people, live_sessions) = (used.client_id.to_string(), used.people, used.live_sessions);
            if json {
                list.item(out, &ClientRow { client_id, people, live_sessions, imported: used.imported })?;
            } else {
                table.row(out, [people.to_string(), live_sessions.to_string(), shown(&client_id)])?;
            }
        }
        query.after = Some(last);
    }
    if json {
        return Ok(list.end(out)?);
    }
    if !table.end(out)? {
        out.line(format_args!("nobody uses a client"))?;
    }
    Ok(())
}
