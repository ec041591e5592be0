//! `dcr blocks`: what is blocked.

use clap::Args;
use dcr_core::store::{BlockKind, BlockQuery, Target};
use serde::Serialize;

use super::terminal::{JsonList, Out, Table, shown};
use super::who::PAGE;
use super::{Database, Failure};

#[derive(Args)]
pub(super) struct Blocks {
    /// Only of this kind: user, connection, client-id or platform
    #[arg(long, value_parser = kind)]
    kind: Option<BlockKind>,

    /// As a JSON array
    #[arg(long)]
    json: bool,
}

/// As `dcr block` takes them, and as they are named elsewhere.
fn kind(name: &str) -> Result<BlockKind, &'static str> {
    BlockKind::from_name(&name.replace('-', "_")).ok_or("what is blocked is a user, connection, client-id or platform")
}

#[derive(Serialize)]
struct Row {
    kind: &'static str,
    target: String,
}

impl Row {
    fn of(target: &Target) -> Option<Self> {
        let (kind, _) = target.block_key()?;
        let target = match target {
            Target::User(id) => id.to_string(),
            Target::Connection(id) => id.to_string(),
            Target::ClientId(id) => id.to_string(),
            Target::Platform(name) => name.to_string(),
            _ => return None,
        };
        Some(Self { kind: kind.as_str(), target })
    }
}

impl Blocks {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        let mut list = JsonList::default();
        let mut table = Table::new(["KIND", "WHAT"]);
        let mut query = BlockQuery { kind: self.kind, after: None, limit: PAGE };
        loop {
            let page = database.store.blocks(&query).await?;
            for row in page.iter().filter_map(Row::of) {
                if self.json {
                    list.item(out, &row)?;
                } else {
                    // As `dcr unblock` takes it.
                    table.row(out, [row.kind.replace('_', "-"), shown(&row.target)])?;
                }
            }
            let Some(last) = page.into_iter().next_back() else { break };
            query.after = Some(last);
        }
        if self.json {
            return Ok(list.end(out)?);
        }
        if !table.end(out)? {
            out.line(format_args!("nothing is blocked"))?;
        }
        Ok(())
    }
}
