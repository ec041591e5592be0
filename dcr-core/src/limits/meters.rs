//! The buckets of a running engine: a bounded number of them, whoever asks (ADOPT-14).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use super::bucket::Bucket;
use super::caller::Network;
use super::{Caller, Limits, Rate};
use crate::client::ClientId;
use crate::clock::Timestamp;
use crate::error::{Reason, Refusal};
use crate::session::SessionId;

/// So many addresses, sessions and clients are counted; of more, those that ask most. About 60 MiB when full (measured).
const CAPACITY: u64 = 100_000;
/// So many addresses are remembered from which somebody signed in, for so long.
const KNOWN: u64 = 20_000;
const KNOWN_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// What was refused is logged at most so often, for each kind of limit.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// The endpoints that are limited, by what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    /// Registration, and its management.
    Register,
    /// Where a sign-in begins.
    Authorize,
    /// Where one goes on that this server let begin.
    SignIn,
    /// Token, revocation, introspection.
    Token,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Register,
    SignIn,
    Token,
    Fetch,
    Session,
    Client,
    AllRegister,
    AllAuthorize,
    AllToken,
    Upstream,
    Log,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Register,
        Self::SignIn,
        Self::Token,
        Self::Fetch,
        Self::Session,
        Self::Client,
        Self::AllRegister,
        Self::AllAuthorize,
        Self::AllToken,
        Self::Upstream,
        Self::Log,
    ];

    /// The name of the setting, and of the limit in the log.
    const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::SignIn => "sign_in",
            Self::Token => "token",
            Self::Fetch => "fetch",
            Self::Session => "session",
            Self::Client => "client",
            Self::AllRegister => "all_register",
            Self::AllAuthorize => "all_authorize",
            Self::AllToken => "all_token",
            Self::Upstream => "upstream",
            Self::Log => "log",
        }
    }

    const fn rate(self, limits: &Limits) -> Rate {
        match self {
            Self::Register => limits.register,
            Self::SignIn => limits.sign_in,
            Self::Token => limits.token,
            Self::Fetch => limits.fetch,
            Self::Session => limits.session,
            Self::Client => limits.client,
            Self::AllRegister => limits.all_register,
            Self::AllAuthorize => limits.all_authorize,
            Self::AllToken => limits.all_token,
            Self::Upstream => limits.upstream,
            Self::Log => limits.log,
        }
    }

    /// Whether everybody pours into one bucket: who is refused for it is not at fault.
    const fn is_everybodys(self) -> bool {
        matches!(self, Self::AllRegister | Self::AllAuthorize | Self::AllToken | Self::Upstream | Self::Log)
    }
}

impl Endpoint {
    /// What counts for one address.
    const fn by_address(self) -> Kind {
        match self {
            Self::Register => Kind::Register,
            Self::Authorize | Self::SignIn => Kind::SignIn,
            Self::Token => Kind::Token,
        }
    }

    /// What counts for all together. Nothing where a sign-in goes on: who was let in may finish.
    const fn by_all(self) -> Option<Kind> {
        match self {
            Self::Register => Some(Kind::AllRegister),
            Self::Authorize => Some(Kind::AllAuthorize),
            Self::SignIn => None,
            Self::Token => Some(Kind::AllToken),
        }
    }
}

/// Whose bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    Everybody(Kind),
    Network(Kind, Network),
    Session(SessionId),
    Client(ClientId),
}

/// How much of a kind was refused since that was last said.
#[derive(Debug, Default)]
struct Refused {
    count: AtomicU64,
    said_at: AtomicI64,
}

/// The limits, and how far each is used.
pub(crate) struct Meters {
    /// Absent: no limits.
    limits: Option<Limits>,
    buckets: Cache<Whose, Arc<Bucket>>,
    /// From where somebody last proved who they are.
    known: Cache<Network, Timestamp>,
    everybodys: [Bucket; Kind::ALL.len()],
    refused: [Refused; Kind::ALL.len()],
}

impl Meters {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits: limits.enabled.then_some(limits),
            buckets: Cache::new(CAPACITY),
            known: Cache::new(KNOWN),
            everybodys: Kind::ALL.map(|_| Bucket::empty()),
            refused: Kind::ALL.map(|_| Refused::default()),
        }
    }

    /// A request to one of the limited endpoints, before anything is done for it. What an address is refused costs the
    /// others nothing; and the ceilings over all are not for addresses from which somebody signed in lately.
    pub(crate) fn admit(&self, endpoint: Endpoint, caller: &Caller, now: Timestamp) -> Result<(), Refusal> {
        if let Some(network) = caller.network() {
            let kind = endpoint.by_address();
            self.take(kind, Whose::Network(kind, network), now).map_err(|wait| {
                self.say(kind, &network, caller.unheard_proxy, now);
                too_many(kind, wait)
            })?;
            if self.known.get(&network).is_some_and(|at| now.since(at) < KNOWN_FOR) {
                return Ok(());
            }
        }
        endpoint.by_all().map_or(Ok(()), |kind| self.admit_among_all(kind, now))
    }

    /// Somebody proved who they are: was signed in by the provider, or brought a valid code, token or credential.
    pub(crate) fn proved(&self, caller: &Caller, now: Timestamp) {
        if let (Some(_), Some(network)) = (&self.limits, caller.network()) {
            self.known.insert(network, now);
        }
    }

    /// The request was refused, and the client is to blame.
    pub(crate) fn failed(&self, endpoint: Endpoint, caller: &Caller, now: Timestamp) {
        let (Some(limits), Some(network)) = (&self.limits, caller.network()) else { return };
        let kind = endpoint.by_address();
        let bucket = self.bucket(Whose::Network(kind, network));
        bucket.charge(limits.refused_costs.saturating_sub(1), kind.rate(limits), now);
    }

    /// Somebody who holds a valid token of `session`.
    pub(crate) fn session(&self, session: SessionId, now: Timestamp) -> Result<(), Refusal> {
        self.take(Kind::Session, Whose::Session(session), now).map_err(|wait| {
            self.say(Kind::Session, &session, false, now);
            too_many(Kind::Session, wait)
        })
    }

    /// A client that authenticated as itself. Never one that only says who it is: client ids are public, and whoever knows
    /// one could use up what its owner may.
    pub(crate) fn client(&self, client: &ClientId, now: Timestamp) -> Result<(), Refusal> {
        self.take(Kind::Client, Whose::Client(client.clone()), now).map_err(|wait| {
            self.say(Kind::Client, client, false, now);
            too_many(Kind::Client, wait)
        })
    }

    /// One more exchange at the provider.
    pub(crate) fn upstream(&self, now: Timestamp) -> Result<(), Refusal> {
        self.admit_among_all(Kind::Upstream, now)
    }

    /// Whether one more line may be logged of what strangers can cause: so that a flood does not fill the operator's disk.
    pub(crate) fn may_log(&self, now: Timestamp) -> bool {
        let taken = self.take(Kind::Log, Whose::Everybody(Kind::Log), now);
        if taken.is_err()
            && let Some(not_logged) = self.sum(Kind::Log, now)
        {
            tracing::warn!(target: "dcr", not_logged, "more refusals than are logged one by one");
        }
        taken.is_ok()
    }

    fn admit_among_all(&self, kind: Kind, now: Timestamp) -> Result<(), Refusal> {
        self.take(kind, Whose::Everybody(kind), now).map_err(|wait| {
            self.say(kind, &"all", false, now);
            too_many(kind, wait)
        })
    }

    fn take(&self, kind: Kind, whose: Whose, now: Timestamp) -> Result<(), Duration> {
        let Some(limits) = &self.limits else { return Ok(()) };
        let rate = kind.rate(limits);
        match whose {
            Whose::Everybody(kind) => match self.everybodys.get(kind as usize) {
                Some(bucket) => bucket.take(rate, now),
                None => Ok(()),
            },
            whose => self.bucket(whose).take(rate, now),
        }
    }

    fn bucket(&self, whose: Whose) -> Arc<Bucket> {
        self.buckets.get_with(whose, || Arc::new(Bucket::empty()))
    }

    /// One more was refused: how many since that was last said, if it is time to say it.
    fn sum(&self, kind: Kind, now: Timestamp) -> Option<u64> {
        let refused = self.refused.get(kind as usize)?;
        let count = refused.count.fetch_add(1, Ordering::Relaxed) + 1;
        let last = refused.said_at.load(Ordering::Relaxed);
        let due = now.since(Timestamp::from_unix_micros(last)) >= SAY_EVERY || now.unix_micros() < last;
        let mine = due
            && refused.said_at.compare_exchange(last, now.unix_micros(), Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !mine {
            return None;
        }
        refused.count.fetch_sub(count, Ordering::Relaxed);
        Some(count)
    }

    /// In the operator's log, at a rate that a flood does not set.
    fn say(&self, kind: Kind, whose: &dyn fmt::Display, unheard_proxy: bool, now: Timestamp) {
        let Some(count) = self.sum(kind, now) else { return };
        let limit = kind.name();
        if unheard_proxy {
            tracing::warn!(
                target: "dcr", limit, refused = count, last = %whose,
                "too many requests from one address, which says that it is a proxy: if it is yours, all who come through it \
                 share one limit until it is among the trusted proxies (DCR_TRUSTED_PROXIES)"
            );
        } else {
            tracing::warn!(target: "dcr", limit, refused = count, last = %whose, "too many requests");
        }
    }
}

fn too_many(kind: Kind, wait: Duration) -> Refusal {
    let reason = if kind.is_everybodys() { Reason::ServerBusy } else { Reason::TooManyRequests };
    Refusal::from(reason).after(wait)
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").field("limits", &self.limits).field("buckets", &self.buckets.entry_count()).finish()
    }
}

/// On whose behalf something is fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    stranger: Option<(&'a Meters, &'a Caller)>,
}

impl<'a> Asker<'a> {
    /// Somebody who holds a valid token, or nobody outside.
    pub(crate) const KNOWN: Self = Self { stranger: None };

    /// Anybody.
    pub(crate) const fn stranger(meters: &'a Meters, caller: &'a Caller) -> Self {
        Self { stranger: Some((meters, caller)) }
    }

    /// They proved who they are: a flood from everywhere does not keep them out.
    pub(crate) fn proved(&self, now: Timestamp) {
        if let Some((meters, caller)) = self.stranger {
            meters.proved(caller, now);
        }
    }

    /// Whether one more fetch may be done for them (CI-11).
    pub(crate) fn may_fetch(&self, now: Timestamp) -> bool {
        let Some((meters, caller)) = self.stranger else { return true };
        let Some(network) = caller.network() else { return true };
        let taken = meters.take(Kind::Fetch, Whose::Network(Kind::Fetch, network), now);
        if taken.is_err() {
            meters.say(Kind::Fetch, &network, caller.unheard_proxy, now);
        }
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn from(address: u32) -> Caller {
        Caller { address: Some(IpAddr::V4(Ipv4Addr::from(address))), unheard_proxy: false }
    }

    fn passed(meters: &Meters, endpoint: Endpoint, caller: &Caller, tries: usize) -> usize {
        (0..tries).filter(|_| meters.admit(endpoint, caller, NOW).is_ok()).count()
    }

    #[test]
    fn an_address_that_uses_up_its_own_takes_nothing_from_others() {
        let meters =
            Meters::new(Limits { sign_in: Rate::new(5, 1), all_authorize: Rate::new(12, 1), ..Limits::default() });
        assert_eq!(passed(&meters, Endpoint::Authorize, &from(1), 1_000), 5);
        assert_eq!(passed(&meters, Endpoint::Authorize, &from(2), 1_000), 5);
        // The ceiling over all is used up by what passed only.
        assert_eq!(passed(&meters, Endpoint::Authorize, &from(3), 1_000), 2);
        // And who was let in may finish.
        assert_eq!(passed(&meters, Endpoint::SignIn, &from(4), 5), 5);
    }

    #[test]
    fn a_flood_from_everywhere_does_not_keep_out_where_people_signed_in_lately() {
        let meters = Meters::new(Limits { all_token: Rate::new(1, 1), token: Rate::new(3, 1), ..Limits::default() });
        meters.proved(&from(1), NOW);
        assert_eq!(passed(&meters, Endpoint::Token, &from(2), 9), 1);
        assert_eq!(passed(&meters, Endpoint::Token, &from(3), 9), 0);
        // Its own limit it has all the same.
        assert_eq!(passed(&meters, Endpoint::Token, &from(1), 9), 3);
        let tomorrow = NOW + KNOWN_FOR;
        assert!(meters.admit(Endpoint::Token, &from(2), tomorrow).is_ok());
        assert!(meters.admit(Endpoint::Token, &from(1), tomorrow).is_err());
    }

    #[test]
    fn the_refusal_says_whose_fault_it_is_and_when_to_come_again() {
        let meters = Meters::new(Limits { token: Rate::new(1, 2), all_token: Rate::new(1, 6), ..Limits::default() });
        meters.admit(Endpoint::Token, &from(1), NOW).unwrap();
        let own = meters.admit(Endpoint::Token, &from(1), NOW).unwrap_err();
        assert_eq!((own.reason(), own.retry_after()), (Reason::TooManyRequests, Some(30)));
        let all = meters.admit(Endpoint::Token, &from(2), NOW).unwrap_err();
        assert_eq!((all.reason(), all.retry_after()), (Reason::ServerBusy, Some(10)));
    }

    #[test]
    fn what_is_refused_costs_as_much_as_many_that_are_not() {
        let meters = Meters::new(Limits { token: Rate::new(100, 1), ..Limits::default() });
        for _ in 0..9 {
            meters.admit(Endpoint::Token, &from(1), NOW).unwrap();
            meters.failed(Endpoint::Token, &from(1), NOW);
        }
        assert_eq!(passed(&meters, Endpoint::Token, &from(1), 100), 10);
    }

    #[test]
    fn adopt_14_a_flood_from_ever_new_addresses_is_counted_in_bounded_memory() {
        let meters = Meters::new(Limits { sign_in: Rate::new(3, 1), ..Limits::default() });
        for address in 0..300_000 {
            meters.failed(Endpoint::Authorize, &from(address), NOW);
        }
        meters.buckets.run_pending_tasks();
        assert!(meters.buckets.entry_count() <= CAPACITY, "{}", meters.buckets.entry_count());
        // Who asks most is still counted.
        assert!(passed(&meters, Endpoint::SignIn, &from(7), 50) < 50);
    }

    #[test]
    fn a_flood_of_refusals_does_not_fill_the_log() {
        let meters = Meters::new(Limits { log: Rate::new(10, 60), ..Limits::default() });
        assert_eq!((0..1_000).filter(|_| meters.may_log(NOW)).count(), 10);
        assert!(meters.may_log(NOW + Duration::from_secs(1)));
        assert!((0..1_000).all(|_| Meters::new(Limits::off()).may_log(NOW)));
    }

    #[test]
    fn how_many_were_refused_is_said_once_in_a_while_and_adds_up() {
        let meters = Meters::new(Limits::default());
        let said = |after: Duration| meters.sum(Kind::Token, NOW + after);
        assert_eq!(said(Duration::ZERO), Some(1), "the first at once");
        assert_eq!((0..99).filter_map(|_| said(SAY_EVERY - Duration::from_micros(1))).count(), 0);
        assert_eq!(meters.sum(Kind::Register, NOW), Some(1), "each kind for itself");
        assert_eq!(said(SAY_EVERY), Some(100));
        // A clock that was set back does not silence it until it has caught up.
        assert_eq!(said(Duration::from_secs(1)), Some(1));
    }

    /// The log calls a limit what the settings call it.
    #[test]
    fn a_limit_has_the_name_of_its_setting() {
        let settings = format!("{:?}", Limits::default());
        for kind in Kind::ALL {
            assert!(settings.contains(&format!(" {}: Rate", kind.name())), "{}", kind.name());
        }
    }

    #[test]
    fn without_limits_or_an_address_nothing_is_counted() {
        assert_eq!(passed(&Meters::new(Limits::off()), Endpoint::Register, &from(1), 10_000), 10_000);
        let meters =
            Meters::new(Limits { register: Rate::new(1, 1), all_register: Rate::new(7, 1), ..Limits::default() });
        let unknown = Caller { address: None, unheard_proxy: false };
        assert_eq!(passed(&meters, Endpoint::Register, &unknown, 100), 7);
    }
}
