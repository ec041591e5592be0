//! What operators look over: the values of its statements, and what becomes of their rows.

use std::collections::BTreeMap;

use dcr_core::Platform;
use dcr_core::store::{BlockQuery, ClientUse, ClientUseQuery, FunnelSumQuery, PlatformUse, Target};

use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::rows::{Columns, Value, Word, values};

/// The values of `funnel_sums`.
pub(crate) fn of_sums(query: &FunnelSumQuery) -> Vec<Value> {
    let width = i64::try_from(query.width().as_micros()).unwrap_or(i64::MAX);
    let mut values = values![query.since];
    values.push(Value::Integer(Some(width)));
    values.extend(values![query.since, query.until()]);
    values
}

/// The values of `blocks`. No name of a kind is empty.
pub(crate) fn of_block_query(query: &BlockQuery) -> Vec<Value> {
    let BlockQuery { kind, after, limit } = query;
    let after = after.as_ref().and_then(Target::block_key);
    let (after_kind, after_key) = after.as_ref().map_or(("", &[][..]), |(kind, key)| (kind.as_str(), key.as_slice()));
    values![kind.map(|kind| Word(kind.as_str())), Word(after_kind), after_key, (*limit).clamp(1, 1_000)]
}

/// The statement that lists how client ids are used, or how one is, and its values. No id is empty.
pub(crate) fn of_uses<DB: Dialect>(query: &ClientUseQuery) -> (&'static str, Vec<Value>) {
    let ClientUseQuery { now, only, after, limit } = query;
    let after = after.as_ref().map_or(&b""[..], |after| after.as_str().as_bytes());
    let limit = (*limit).clamp(1, 1_000);
    match only {
        Some(id) => (DB::SQL.client_use, values![*now, id, after, limit]),
        None => (DB::SQL.client_uses, values![*now, after, limit]),
    }
}

/// Of which there are two rows for each platform at most: of its connections, and of its sessions.
pub(crate) fn by_platform(rows: Vec<PlatformUse>) -> Vec<PlatformUse> {
    let mut uses: BTreeMap<Platform, PlatformUse> = BTreeMap::new();
    for PlatformUse { platform, people, connections, live_sessions } in rows {
        let used = uses.entry(platform).or_insert_with_key(|platform| PlatformUse::none(platform.clone()));
        used.people += people;
        used.connections += connections;
        used.live_sessions += live_sessions;
    }
    uses.into_values().collect()
}

impl<DB: Dialect> Columns<DB> {
    pub(crate) fn client_use(&mut self) -> Result<ClientUse, Failure> {
        Ok(ClientUse {
            client_id: self.client_id()?,
            people: self.count()?,
            live_sessions: self.count()?,
            imported: self.count()? > 0,
        })
    }

    pub(crate) fn platform_use(&mut self) -> Result<PlatformUse, Failure> {
        Ok(PlatformUse {
            platform: self.platform()?,
            people: self.count()?,
            connections: self.count()?,
            live_sessions: self.count()?,
        })
    }
}
