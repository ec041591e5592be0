//! What operators look over: funnel counts in sums, who uses what, and what is blocked.

use std::time::Duration;

use super::{BlockKind, Target};
use crate::client::{ClientId, Platform};
use crate::clock::Timestamp;
use crate::session::ConnectionId;

const HOUR_MICROS: i64 = 3_600 * 1_000_000;
/// The longest piece: a leap year.
const MAX_HOURS: u32 = 366 * 24;
/// The most pieces.
const MAX_PIECES: u32 = 100;

/// Which sums of funnel counts to read: those of pieces of time, one after the other. There are so many sums at most as
/// pieces times platforms, steps and outcomes, which all are bounded.
///
/// ```
/// use dcr_core::Timestamp;
/// use dcr_core::store::FunnelSumQuery;
///
/// let since = Timestamp::from_unix_seconds(1_790_000_000 / 86_400 * 86_400);
/// let month = FunnelSumQuery { since, hours: 24, pieces: 30 };
/// assert_eq!(month.until().since(since).as_secs(), 30 * 24 * 3_600);
/// assert_eq!(month.piece_of(since + std::time::Duration::from_secs(5 * 3_600)), Some(since));
/// assert_eq!(month.piece_of(month.until()), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain query")]
pub struct FunnelSumQuery {
    /// When the first piece begins.
    pub since: Timestamp,
    /// How many hours a piece has; stores clamp it to 1 to 8,784, a year ([`FunnelSumQuery::width`]).
    pub hours: u32,
    /// How many pieces there are; stores clamp it to 1 to 100 ([`FunnelSumQuery::until`]).
    pub pieces: u32,
}

impl FunnelSumQuery {
    /// How long a piece is.
    #[must_use]
    pub fn width(&self) -> Duration {
        Duration::from_micros(self.width_micros().unsigned_abs())
    }

    /// When the last piece is over.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        let pieces = i64::from(self.pieces.clamp(1, MAX_PIECES));
        Timestamp::from_unix_micros(self.since.unix_micros().saturating_add(pieces * self.width_micros()))
    }

    /// When the piece begins in which `hour` does; `None` outside of all of them.
    #[must_use]
    pub fn piece_of(&self, hour: Timestamp) -> Option<Timestamp> {
        let is_inside = hour >= self.since && hour < self.until();
        let into = hour.unix_micros().saturating_sub(self.since.unix_micros()) % self.width_micros();
        is_inside.then(|| Timestamp::from_unix_micros(hour.unix_micros() - into))
    }

    fn width_micros(&self) -> i64 {
        i64::from(self.hours.clamp(1, MAX_HOURS)) * HOUR_MICROS
    }
}

/// How a client id is used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it from their rows")]
pub struct ClientUse {
    /// The client id.
    pub client_id: ClientId,
    /// How many people have a connection that was seen with it.
    pub people: u64,
    /// How many live sessions present it.
    pub live_sessions: u64,
    /// Whether it was imported from an older system.
    pub imported: bool,
}

/// Which client ids to read that people use, in the order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain query")]
pub struct ClientUseQuery {
    /// When sessions must be live.
    pub now: Timestamp,
    /// Only this one.
    pub only: Option<ClientId>,
    /// Only those that come after this one: where the page before ended.
    pub after: Option<ClientId>,
    /// At most so many; stores clamp it to 1 to 1,000 (OP-3).
    pub limit: u32,
}

/// How a platform is used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it from their rows")]
pub struct PlatformUse {
    /// The platform.
    pub platform: Platform,
    /// How many people have a connection with it.
    pub people: u64,
    /// How many connections there are with it.
    pub connections: u64,
    /// How many live sessions are of it.
    pub live_sessions: u64,
}

impl PlatformUse {
    /// Of a platform that nobody uses.
    #[must_use]
    pub const fn none(platform: Platform) -> Self {
        Self { platform, people: 0, connections: 0, live_sessions: 0 }
    }
}

/// Which blocks to read: in the order of the names of their kinds and then of the bytes that are blocked
/// ([`Target::block_key`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain query")]
pub struct BlockQuery {
    /// Only of this kind.
    pub kind: Option<BlockKind>,
    /// Only those that come after this one: where the page before ended.
    pub after: Option<Target>,
    /// At most so many; stores clamp it to 1 to 1,000 (OP-3).
    pub limit: u32,
}

impl BlockKind {
    /// Every kind, in the order of their names.
    pub const ALL: [Self; 4] = [Self::ClientId, Self::Connection, Self::Platform, Self::User];

    /// The kind with this stable name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl Target {
    /// The other way from [`Target::block_key`]. `None` if no target has this key.
    ///
    /// ```
    /// use dcr_core::Platform;
    /// use dcr_core::store::Target;
    ///
    /// let target = Target::Platform(Platform::named("cursor"));
    /// let (kind, key) = target.block_key().ok_or("it can be blocked")?;
    /// assert_eq!(Target::of_block(kind, &key), Some(target));
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn of_block(kind: BlockKind, key: &[u8]) -> Option<Self> {
        let text = || std::str::from_utf8(key).ok();
        Some(match kind {
            BlockKind::Connection => Self::Connection(ConnectionId::from_bytes(key.try_into().ok()?)),
            BlockKind::User => Self::User(text()?.parse().ok()?),
            BlockKind::ClientId => Self::ClientId(ClientId::new(text()?).ok()?),
            BlockKind::Platform => Self::Platform(Platform::named(text()?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{SessionId, UserId};

    #[test]
    fn what_is_blocked_reads_back_from_its_key() {
        let targets = [
            Target::ClientId(ClientId::new("client-one").unwrap()),
            Target::Connection(ConnectionId::from_bytes([7; 16])),
            Target::Platform(Platform::named("cursor ")),
            Target::User(UserId::derive("i", "t", "o")),
        ];
        for (target, kind) in targets.into_iter().zip(BlockKind::ALL) {
            let (own, key) = target.block_key().unwrap();
            assert_eq!((own, BlockKind::from_name(kind.as_str())), (kind, Some(kind)));
            assert_eq!(Target::of_block(own, &key), Some(target));
        }
        assert!(BlockKind::ALL.is_sorted_by_key(|kind| kind.as_str()));
        assert_eq!(Target::Session(SessionId::from_bytes([1; 16])).block_key(), None);
        for (kind, key) in
            [(BlockKind::Connection, &b"short"[..]), (BlockKind::User, b"ada"), (BlockKind::ClientId, b"")]
        {
            assert_eq!(Target::of_block(kind, key), None);
        }
    }

    #[test]
    fn op_03_pieces_are_clamped() {
        let since = Timestamp::from_unix_seconds(-3_600);
        let query = FunnelSumQuery { since, hours: 0, pieces: 0 };
        assert_eq!((query.width().as_secs(), query.until()), (3_600, Timestamp::from_unix_seconds(0)));
        assert_eq!(query.piece_of(since), Some(since));
        assert_eq!(query.piece_of(since - Duration::from_secs(1)), None);
        let query = FunnelSumQuery { since, hours: u32::MAX, pieces: u32::MAX };
        assert_eq!(query.until().since(since), query.width() * MAX_PIECES);
        let latest = FunnelSumQuery { since: Timestamp::from_unix_micros(i64::MAX), ..query };
        assert_eq!(latest.piece_of(latest.since), None, "nothing overflows");
    }
}
