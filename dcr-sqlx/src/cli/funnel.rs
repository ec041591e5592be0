//! `dcr funnel`: which platform fails at which step.

use std::collections::BTreeMap;

use clap::Args;
use dcr_core::Timestamp;
use dcr_core::record::{FunnelCount, Step};
use dcr_core::store::FunnelQuery;
use serde::Serialize;

use super::terminal::{JsonList, Out, Table};
use super::who::PAGE;
use super::{Database, Failure};

#[derive(Args)]
pub(super) struct Funnel {
    /// Only hours from this time on, such as 2026-11-24T09:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,

    /// Only hours before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,

    /// As a JSON array, each hour by itself
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    hour: String,
    platform: String,
    step: &'static str,
    outcome: String,
    count: u64,
}

impl Funnel {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        let mut list = JsonList::default();
        let mut sums: BTreeMap<(String, Step, String), u64> = BTreeMap::new();
        let mut query = FunnelQuery { since: self.since, until: self.until, after: None, limit: PAGE };
        loop {
            let page = database.store.funnel(&query).await?;
            let last = page.last().cloned();
            for FunnelCount { hour, platform, step, outcome, count } in page {
                if self.json {
                    let (hour, platform) = (hour.to_string(), platform.to_string());
                    list.item(out, &Row { hour, platform, step: step.as_str(), outcome, count })?;
                } else {
                    let sum = sums.entry((platform.to_string(), step, outcome)).or_default();
                    *sum = sum.saturating_add(count);
                }
            }
            let Some(last) = last else { break };
            query.after = Some((last.hour, last.platform, last.step, last.outcome));
        }
        if self.json {
            return Ok(list.end(out)?);
        }
        let mut table = Table::new(["PLATFORM", "STEP", "OUTCOME", "COUNT"]);
        for ((platform, step, outcome), count) in sums {
            table.row(out, [platform, step.as_str().to_owned(), outcome, count.to_string()])?;
        }
        if !table.end(out)? {
            out.line(format_args!("nothing was counted"))?;
        }
        Ok(())
    }
}
