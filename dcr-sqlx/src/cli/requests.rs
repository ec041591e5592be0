//! `dcr requests`: which tools were called in whose name, where a history of requests is kept.

use clap::Args;
use dcr_core::record::RequestRecord;
use dcr_core::store::{RequestQuery, RequestsOf};
use serde::Serialize;

use super::terminal::{JsonList, Out, Table, short, shown};
use super::who::{PAGE, Who};
use super::{Database, Failure};

#[derive(Args)]
pub(super) struct Requests {
    #[arg(help = "An e-mail address, an object id, a client id, or the id of a user (usr_…) or session (ses_…)")]
    who: Who,

    /// At most so many
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// As a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    request_id: String,
    user_id: String,
    session_id: String,
    at: String,
    method: &'a str,
    tool: Option<&'a str>,
    status: u16,
    address: Option<String>,
}

impl Requests {
    pub(super) async fn run(&self, database: &Database, out: &mut Out) -> Result<(), Failure> {
        let store = &*database.store;
        let of = match &self.who {
            // Also those that are gone: a history outlives its session.
            Who::Session(id) => RequestsOf::Session(*id),
            Who::User(id) => RequestsOf::User(id.clone()),
            who => RequestsOf::User(who.person(store).await?.id),
        };
        let mut list = JsonList::default();
        let mut table = Table::new(["AT", "TOOL", "METHOD", "STATUS", "ADDRESS", "SESSION"]);
        let mut rest = self.limit.unwrap_or(u32::MAX);
        let mut query = RequestQuery { of, before: None, limit: PAGE };
        while rest > 0 {
            query.limit = rest.min(PAGE);
            let page = store.requests(&query).await?;
            let Some(last) = page.last() else { break };
            query.before = Some(last.id);
            rest = rest.saturating_sub(u32::try_from(page.len()).unwrap_or(rest));
            for request in &page {
                if self.json {
                    list.item(out, &json_row(request))?;
                } else {
                    table.row(out, text_row(request))?;
                }
            }
        }
        if self.json {
            return Ok(list.end(out)?);
        }
        if !table.end(out)? {
            out.line(format_args!("no request found: a history is kept only where DCR_REQUEST_HISTORY says so"))?;
        }
        Ok(())
    }
}

fn json_row(request: &RequestRecord) -> Row<'_> {
    Row {
        request_id: request.id.to_string(),
        user_id: request.user.to_string(),
        session_id: request.session.to_string(),
        at: request.at.to_string(),
        method: &request.method,
        tool: request.tool.as_deref(),
        status: request.status,
        address: request.address.map(|address| address.to_string()),
    }
}

fn text_row(request: &RequestRecord) -> [String; 6] {
    [
        short(request.at),
        shown(request.tool.as_deref().unwrap_or("-")),
        shown(&request.method),
        request.status.to_string(),
        request.address.map_or_else(|| "-".to_owned(), |address| address.to_string()),
        request.session.to_string(),
    ]
}
