//! What operators look over, of the store in memory.

use std::collections::{BTreeMap, BTreeSet};

use super::Tables;
use crate::client::{ClientId, Platform};
use crate::clock::Timestamp;
use crate::record::{FunnelCount, Step};
use crate::session::UserId;
use crate::store::{BlockQuery, ClientUse, ClientUseQuery, FunnelSumQuery, PlatformUse, StoreError, Target};

fn at_most(limit: u32) -> usize {
    usize::try_from(limit.clamp(1, 1_000)).unwrap_or(1)
}

impl Tables {
    pub(super) fn blocks(&self, query: &BlockQuery) -> Result<Vec<Target>, StoreError> {
        let after = query.after.as_ref().and_then(Target::block_key).map(|(kind, key)| (kind.as_str(), key));
        let mut found: Vec<_> = self
            .blocks
            .iter()
            .filter(|(kind, _)| query.kind.is_none_or(|wanted| wanted == *kind))
            .filter(|(kind, key)| after.as_ref().is_none_or(|after| (kind.as_str(), key) > (after.0, &after.1)))
            .collect();
        found.sort_by_key(|(kind, key)| (kind.as_str(), key));
        found.truncate(at_most(query.limit));
        let unreadable = || StoreError::Inconsistent("a block does not decode".to_owned());
        found.into_iter().map(|(kind, key)| Target::of_block(*kind, key).ok_or_else(unreadable)).collect()
    }

    pub(super) fn client_uses(&self, query: &ClientUseQuery) -> Vec<ClientUse> {
        let mut people: BTreeMap<&ClientId, BTreeSet<&UserId>> = BTreeMap::new();
        for (connection, alias) in self.alias_used_at.keys() {
            let wanted = query.only.as_ref().is_none_or(|only| only == alias)
                && query.after.as_ref().is_none_or(|after| alias > after);
            if let Some(connection) = self.connections.get(connection).filter(|_| wanted) {
                people.entry(alias).or_default().insert(&connection.user);
            }
        }
        let live =
            |id: &ClientId| self.sessions.values().filter(|s| s.client_id == *id && s.is_alive(query.now)).count();
        let of_one = |(id, people): (&ClientId, BTreeSet<&UserId>)| ClientUse {
            client_id: id.clone(),
            people: people.len() as u64,
            live_sessions: live(id) as u64,
            imported: self.imported.contains_key(id),
        };
        people.into_iter().take(at_most(query.limit)).map(of_one).collect()
    }

    pub(super) fn platform_uses(&self, now: Timestamp) -> Vec<PlatformUse> {
        let mut uses: BTreeMap<Platform, PlatformUse> = BTreeMap::new();
        let mut people: BTreeSet<(&Platform, &UserId)> = BTreeSet::new();
        for connection in self.connections.values() {
            let new = || PlatformUse::none(connection.platform.clone());
            let of_one = uses.entry(connection.platform.clone()).or_insert_with(new);
            of_one.connections += 1;
            of_one.people += u64::from(people.insert((&connection.platform, &connection.user)));
        }
        for session in self.sessions.values().filter(|session| session.is_alive(now)) {
            let new = || PlatformUse::none(session.platform.clone());
            uses.entry(session.platform.clone()).or_insert_with(new).live_sessions += 1;
        }
        uses.into_values().collect()
    }

    pub(super) fn funnel_sums(&self, query: &FunnelSumQuery) -> Vec<FunnelCount> {
        // By the names of the steps, as databases sort them.
        let mut sums: BTreeMap<(Timestamp, &Platform, &str, &str), (Step, u64)> = BTreeMap::new();
        for ((hour, platform, step, outcome), count) in &self.funnel {
            let Some(piece) = query.piece_of(*hour) else { continue };
            let (_, sum) = sums.entry((piece, platform, step.as_str(), outcome)).or_insert((*step, 0));
            *sum = sum.saturating_add(*count);
        }
        let count =
            |((hour, platform, _, outcome), (step, count)): ((Timestamp, &Platform, &str, &str), (Step, u64))| {
                FunnelCount { hour, platform: platform.clone(), step, outcome: outcome.to_owned(), count }
            };
        sums.into_iter().map(count).collect()
    }
}
