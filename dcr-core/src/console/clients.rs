//! Software: platforms, client ids that people use or that are rows, and one client id.

use askama::Template;

use super::Answer;
use super::frame::{Frame, count, long, name};
use super::people::called;
use super::query::{Given, encoded};
use crate::admin::{ListedPlatform, Problem};
use crate::client::ClientId;
use crate::engine::Inner;
use crate::store::{Target, UserMatch, UserQuery};

/// So many rows on a page.
const ROWS: u32 = 50;
/// So many people are named who use one client id.
const PEOPLE: u32 = 20;

#[derive(Template)]
#[template(path = "console/clients.html")]
struct ClientsPage<'a> {
    f: &'a Frame,
    notice: &'static str,
    action: String,
    client_id: String,
    one: Option<OneClient>,
    platforms: Vec<PlatformRow>,
    rows: Vec<ClientRow>,
    next: Option<String>,
    example: &'static str,
}

struct PlatformRow {
    name: String,
    label: String,
    people: String,
    live: String,
    blocked: bool,
    events: String,
}

struct ClientRow {
    href: String,
    id: String,
    name: String,
    row: &'static str,
    people: String,
    live: String,
}

struct OneClient {
    id: String,
    row: &'static str,
    people_count: String,
    live: String,
    pinned: String,
    is_pinned: bool,
    blocked: bool,
    people: Vec<(String, String)>,
    more: String,
    events: String,
}

/// What a pin looks like, to begin with.
const EXAMPLE: &str = "{\n  \"client_id\": \"my-app\",\n  \"client_name\": \"My app\",\n  \"redirect_uris\": [\"https://app.example/callback\"]\n}";

impl Inner {
    pub(super) async fn clients_page(&self, f: &Frame, query: &Given) -> Result<Answer, Problem> {
        let asked = query.get("client_id");
        let client = match asked {
            None => None,
            Some(id) => Some(ClientId::new(id).map_err(|error| Problem::parameter("client_id", &error.to_string()))?),
        };
        let one = match &client {
            None => None,
            Some(id) => Some(self.one_client(f, id).await?),
        };
        let mut platforms = Vec::new();
        let mut rows = Vec::new();
        let mut next = None;
        if one.is_none() {
            for ListedPlatform { used, blocked } in self.find_platforms().await? {
                platforms.push(PlatformRow {
                    label: self.platform_label(f.t, &used.platform),
                    people: count(used.people),
                    live: count(used.live_sessions),
                    blocked,
                    events: f.link(&format!("events?{}", encoded([("platform", used.platform.as_str())]))),
                    name: used.platform.to_string(),
                });
            }
            let after = match query.get("after") {
                None => None,
                Some(id) => Some(ClientId::new(id).map_err(|_| Problem::parameter("after", "it is no client id"))?),
            };
            let (found, more) = self.find_client_ids(after.as_ref(), ROWS).await?;
            let last = found.last().filter(|_| more);
            let after = last.map(|last| encoded([("after", last.id().as_str())]));
            next = after.map(|after| f.link(&format!("clients?{after}")));
            rows = found
                .iter()
                .map(|one| ClientRow {
                    href: f.link(&format!("clients?{}", encoded([("client_id", one.id().as_str())]))),
                    id: long(one.id().as_str()),
                    name: one.pinned().and_then(|pin| pin.client_name()).map(name).unwrap_or_default(),
                    row: one.kept_as(),
                    people: count(one.used.people),
                    live: count(one.used.live_sessions),
                })
                .collect();
        }
        let page = ClientsPage {
            f,
            notice: notice(f, query.get("done")),
            action: f.link("clients"),
            client_id: client.map(|id| long(id.as_str())).unwrap_or_default(),
            one,
            platforms,
            rows,
            next,
            example: EXAMPLE,
        };
        Answer::page(&page)
    }

    async fn one_client(&self, f: &Frame, id: &ClientId) -> Result<OneClient, Problem> {
        let listed = self.find_client_id(id).await?;
        let matching = Some(UserMatch::ClientId(id.clone()));
        let mut users = self.store.users(&UserQuery { matching, after: None, limit: PEOPLE + 1 }).await?;
        let is_more = users.len() > PEOPLE as usize;
        users.truncate(PEOPLE as usize);
        let of_id = encoded([("client_id", id.as_str())]);
        let pinned = listed.pinned().map(crate::admin::without_secret);
        Ok(OneClient {
            id: id.to_string(),
            row: listed.kept_as(),
            people_count: count(listed.used.people),
            live: count(listed.used.live_sessions),
            is_pinned: pinned.is_some(),
            pinned: pinned.and_then(|pin| serde_json::to_string_pretty(&pin).ok()).unwrap_or_default(),
            blocked: self.is_blocked(Target::ClientId(id.clone())).await?,
            people: users.iter().map(|user| (f.link(&format!("people/{}", user.id)), called(user))).collect(),
            more: if is_more { f.link(&format!("people?{of_id}")) } else { String::new() },
            events: f.link(&format!("events?{of_id}")),
        })
    }
}

fn notice(f: &Frame, done: Option<&str>) -> &'static str {
    match done {
        Some("ended") => f.t.end_requested,
        Some("blocked") => f.t.block_requested,
        Some("unblocked") => f.t.unblock_requested,
        Some("pinned") => f.t.pin_requested,
        Some("unpinned") => f.t.unpin_requested,
        _ => "",
    }
}
