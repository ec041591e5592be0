//! What software there is, how many use it, and what is blocked: for the API and for the console.

use std::collections::{BTreeMap, BTreeSet};

use ::http::Response;
use bytes::Bytes;

use super::input::{Query, cursor, no_parameters};
use super::problem::Problem;
use super::read::{cut, json};
use super::view::{BlockView, ClientView, Page, PlatformView};
use crate::client::{ClientId, Platform, PreRegistered, StoredClient};
use crate::engine::Inner;
use crate::store::{BlockKind, BlockQuery, ClientUse, ClientUseQuery, PlatformUse, Target};

/// So many blocks are read at once.
const AT_ONCE: u32 = 1_000;

/// A client id that somebody uses, or that is a row, or that was asked for.
pub(crate) struct ListedClient {
    pub(crate) row: Option<StoredClient>,
    pub(crate) used: ClientUse,
}

impl ListedClient {
    fn new(id: &ClientId) -> Self {
        let used = ClientUse { client_id: id.clone(), people: 0, live_sessions: 0, imported: false };
        Self { row: None, used }
    }

    pub(crate) const fn id(&self) -> &ClientId {
        &self.used.client_id
    }

    /// The pin, if it is pinned.
    pub(crate) fn pinned(&self) -> Option<&PreRegistered> {
        self.row.as_ref().and_then(|row| row.as_pinned())
    }

    /// `pinned`, `changed` or `deleted` for one that is a row; `imported`; else `none`, which says nothing of whether it
    /// resolves: sealed ids, documents and adopted ones are no rows.
    pub(crate) fn kept_as(&self) -> &'static str {
        match &self.row {
            Some(row) => row.kind(),
            None if self.used.imported => "imported",
            None => "none",
        }
    }
}

/// A platform, and how it is used.
pub(crate) struct ListedPlatform {
    pub(crate) used: PlatformUse,
    pub(crate) blocked: bool,
}

/// How an operator names what is blocked.
pub(crate) fn target_text(target: &Target) -> String {
    match target {
        Target::Session(id) => id.to_string(),
        Target::Connection(id) => id.to_string(),
        Target::User(id) => id.to_string(),
        Target::ClientId(id) => id.to_string(),
        Target::Platform(name) => name.to_string(),
    }
}

/// The other way. `None` if it is not of the form of its kind.
pub(crate) fn target_of(kind: BlockKind, text: &str) -> Option<Target> {
    match kind {
        BlockKind::Connection => text.parse().ok().map(Target::Connection),
        kind => Target::of_block(kind, text.as_bytes()),
    }
}

impl Inner {
    /// A page of what people use and of what is a row, in the order of the bytes of the ids: two questions. Whatever is
    /// among the first of both together is among the first of each that has it, so nothing is missed.
    pub(crate) async fn find_client_ids(
        &self,
        after: Option<&ClientId>,
        limit: u32,
    ) -> Result<(Vec<ListedClient>, bool), Problem> {
        let asked = ClientUseQuery { now: self.clock.now(), only: None, after: after.cloned(), limit: limit + 1 };
        let mut all: BTreeMap<ClientId, ListedClient> = BTreeMap::new();
        for used in self.store.client_uses(&asked).await? {
            all.insert(used.client_id.clone(), ListedClient { row: None, used });
        }
        for row in self.store.clients(after, limit + 1).await? {
            let id = row.id().clone();
            let listed = all.entry(id).or_insert_with_key(ListedClient::new);
            listed.row = Some(row);
        }
        Ok(cut(all.into_values().collect(), limit))
    }

    /// One of which there need be none.
    pub(crate) async fn find_client_id(&self, id: &ClientId) -> Result<ListedClient, Problem> {
        let asked = ClientUseQuery { now: self.clock.now(), only: Some(id.clone()), after: None, limit: 1 };
        let row = self.store.client(id).await?;
        let used = self.store.client_uses(&asked).await?.pop();
        let mut listed = used.map_or_else(|| ListedClient::new(id), |used| ListedClient { row: None, used });
        // All of its connections may have forgotten it, and it resolves nevertheless.
        if row.is_none() && !listed.used.imported {
            listed.used.imported = self.store.imported_client(id).await?.is_some();
        }
        listed.row = row;
        Ok(listed)
    }

    /// Those that are listed, and the classes of what is not; in two questions.
    pub(crate) async fn find_platforms(&self) -> Result<Vec<ListedPlatform>, Problem> {
        let uses = self.store.platform_uses(self.clock.now()).await?;
        let mut uses: BTreeMap<Platform, PlatformUse> =
            uses.into_iter().map(|used| (used.platform.clone(), used)).collect();
        let blocked = self.blocked_platforms().await?;
        let classes = [Platform::loopback(), Platform::other()];
        let all = self.rules.platforms.names().cloned().chain(classes);
        Ok(all
            .map(|platform| ListedPlatform {
                blocked: blocked.contains(&platform),
                used: uses.remove(&platform).unwrap_or_else(|| PlatformUse::none(platform)),
            })
            .collect())
    }

    async fn blocked_platforms(&self) -> Result<BTreeSet<Platform>, Problem> {
        let mut blocked = BTreeSet::new();
        let mut asked = BlockQuery { kind: Some(BlockKind::Platform), after: None, limit: AT_ONCE };
        loop {
            let page = self.store.blocks(&asked).await?;
            let is_last = page.len() < AT_ONCE as usize;
            asked.after = page.last().cloned();
            blocked.extend(page.into_iter().filter_map(|target| match target {
                Target::Platform(platform) => Some(platform),
                _ => None,
            }));
            if is_last {
                return Ok(blocked);
            }
        }
    }

    /// A page of what is blocked, and where the next one begins.
    pub(crate) async fn find_blocks(&self, query: &str) -> Result<(Vec<Target>, Option<String>), Problem> {
        let query = Query::read(query, &["kind", "cursor", "limit"])?;
        let limit = query.limit()?;
        let kind = query.named("kind", BlockKind::from_name)?;
        let after = match query.cursor::<(String, String)>("blocks")? {
            Some((kind, text)) => {
                let target = BlockKind::from_name(&kind).and_then(|kind| target_of(kind, &text));
                Some(target.ok_or_else(Problem::cursor)?)
            }
            None => None,
        };
        let (found, more) = cut(self.store.blocks(&BlockQuery { kind, after, limit: limit + 1 }).await?, limit);
        let last = found.last().filter(|_| more);
        let next = last.and_then(|last| Some((last.block_key()?.0.as_str(), target_text(last))));
        Ok((found, next.map(|next| cursor("blocks", &next))))
    }

    /// All that people use or that are rows; or one id, of which there need be none.
    pub(super) async fn list_client_ids(&self, query: &str) -> Result<Response<Bytes>, Problem> {
        let query = Query::read(query, &["client_id", "cursor", "limit"])?;
        let limit = query.limit()?;
        let after: Option<String> = query.cursor("client-ids")?;
        let after = after.map(|id| ClientId::new(id).map_err(|_| Problem::cursor())).transpose()?;
        if let Some(id) = query.client_id("client_id")? {
            let blocked = self.is_blocked(Target::ClientId(id.clone())).await?;
            let view = ClientView::of(&self.find_client_id(&id).await?, Some(blocked));
            // The one page of it.
            let items = if after.is_none_or(|after| id > after) { vec![view] } else { Vec::new() };
            return json(&Page { items, next: None });
        }
        let (found, more) = self.find_client_ids(after.as_ref(), limit).await?;
        let next = found.last().filter(|_| more).map(|last| cursor("client-ids", &last.id().as_str()));
        json(&Page { items: found.iter().map(|one| ClientView::of(one, None)).collect(), next })
    }

    pub(super) async fn list_platforms(&self, query: &str) -> Result<Response<Bytes>, Problem> {
        no_parameters(query)?;
        let items = self.find_platforms().await?.into_iter().map(PlatformView::of).collect();
        json(&Page { items, next: None })
    }

    pub(super) async fn list_blocks(&self, query: &str) -> Result<Response<Bytes>, Problem> {
        let (found, next) = self.find_blocks(query).await?;
        json(&Page { items: found.iter().filter_map(BlockView::of).collect(), next })
    }
}
