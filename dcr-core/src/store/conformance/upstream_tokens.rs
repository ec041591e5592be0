//! Cases of upstream tokens: written by a sign-in, leased and replaced by one, gone with the user's last session.

use super::fixtures::*;
use crate::clock::Timestamp;
use crate::record::EventKind;
use crate::session::UserId;
use crate::store::{Ending, PutUpstreamToken, SignIn, SignedIn, StoredUpstreamToken, Target, UpstreamLease};

const KEY: [u8; 32] = [0x6b; 32];

/// Bytes in which everything may be, and longer than any index takes.
fn sealed(n: u32) -> Vec<u8> {
    let first = n.to_be_bytes();
    first.into_iter().chain((0..=255).cycle().take(20_000)).collect()
}

fn version(n: u32) -> [u8; 16] {
    let mut version = [0xfe; 16];
    version[..4].copy_from_slice(&n.to_be_bytes());
    version
}

/// The n-th state of a token, given at `at(n)`.
fn token(n: u32) -> PutUpstreamToken {
    PutUpstreamToken { key: KEY, sealed: sealed(n), version: version(n), refreshed_at: at(i64::from(n)) }
}

fn with_token(n: u32, sign_in: SignIn) -> SignIn {
    SignIn { upstream_token: Some(token(n)), ..sign_in }
}

fn ada() -> UserId {
    person("ada").id
}

async fn found(store: &AnyStore, user: &UserId) -> Option<StoredUpstreamToken> {
    store.upstream_token(user, &KEY).await.unwrap()
}

/// The number of the state that is there.
async fn state(store: &AnyStore, user: &UserId) -> Option<u32> {
    let row = found(store, user).await?;
    Some(u32::from_be_bytes(row.version[..4].try_into().unwrap()))
}

fn lease(n: u32, now: i64, until: i64) -> UpstreamLease {
    UpstreamLease { version: version(n), now: at(now), until: at(until) }
}

/// Byte for byte, without a lease; one that is refused brings none, and the next puts its own in the place of the first.
pub async fn a_sign_in_brings_an_upstream_token(store: AnyStore) {
    open(&store, sign_in(1)).await;
    assert_eq!(found(&store, &ada()).await, None);
    open(&store, with_token(2, sign_in(2))).await;
    let row = found(&store, &ada()).await.unwrap();
    assert_eq!((row.sealed, row.version, row.refreshed_at), (sealed(2), version(2), at(2)));
    assert!(row.leased_until <= at(0));

    assert!(store.lease_upstream_token(&ada(), &KEY, lease(2, 3, 60)).await.unwrap());
    open(&store, with_token(3, sign_in(3))).await;
    let row = found(&store, &ada()).await.unwrap();
    assert_eq!((row.version, row.refreshed_at), (version(3), at(3)));
    assert!(row.leased_until <= at(0), "whoever holds the lease of the old one has none of the new one");

    let used = SignIn { event: event(4, EventKind::SignedIn), ..with_token(4, sign_in(3)) };
    assert_eq!(store.sign_in(used).await.unwrap(), SignedIn::Used);
    assert_eq!(state(&store, &ada()).await, Some(3));
    open(&store, sign_in(5)).await;
    assert_eq!(state(&store, &ada()).await, Some(3), "one without a token leaves it alone");
    assert_eq!(counts(&store).await.upstream_tokens, 1);
}

/// Another user's, or one under another key by its last byte, is another.
pub async fn an_upstream_token_is_of_one_user_and_one_key(store: AnyStore) {
    let mut other = KEY;
    other[31] = 0;
    let bob = person("bob").id;
    open(&store, with_token(1, sign_in(1))).await;
    open(&store, with_token(2, sign_in_of(2, "bob"))).await;
    let elsewhere = PutUpstreamToken { key: other, ..token(3) };
    open(&store, SignIn { upstream_token: Some(elsewhere), ..sign_in(3) }).await;
    assert_eq!((state(&store, &ada()).await, state(&store, &bob).await), (Some(1), Some(2)));
    assert_eq!(store.upstream_token(&ada(), &other).await.unwrap().unwrap().version, version(3));
    assert_eq!(store.upstream_token(&bob, &other).await.unwrap(), None);
    assert!(!store.lease_upstream_token(&bob, &KEY, lease(1, 3, 60)).await.unwrap());
    assert!(!store.replace_upstream_token(&bob, &version(1), token(4)).await.unwrap());
    assert!(!store.drop_upstream_token(&bob, &KEY, &version(1)).await.unwrap());
    assert!(store.drop_upstream_token(&ada(), &KEY, &version(1)).await.unwrap());
    assert!(!store.drop_upstream_token(&ada(), &KEY, &version(1)).await.unwrap());
    assert_eq!(counts(&store).await.upstream_tokens, 2);
}

/// A holder that died holds it no longer than it said.
pub async fn an_upstream_token_is_leased_to_one_until_it_lapses(store: AnyStore) {
    assert!(!store.lease_upstream_token(&ada(), &KEY, lease(1, 2, 32)).await.unwrap(), "there is none");
    open(&store, with_token(1, sign_in(1))).await;
    assert!(!store.lease_upstream_token(&ada(), &KEY, lease(9, 2, 32)).await.unwrap(), "it is in another state");
    assert!(store.lease_upstream_token(&ada(), &KEY, lease(1, 2, 32)).await.unwrap());
    assert_eq!(found(&store, &ada()).await.unwrap().leased_until, at(32));
    assert!(!store.lease_upstream_token(&ada(), &KEY, lease(1, 31, 61)).await.unwrap());
    assert!(store.lease_upstream_token(&ada(), &KEY, lease(1, 32, 62)).await.unwrap(), "it lapsed");
    assert_eq!(state(&store, &ada()).await, Some(1));
}

/// Which ends the lease.
pub async fn an_upstream_token_is_replaced_only_in_the_state_that_was_read(store: AnyStore) {
    assert!(!store.replace_upstream_token(&ada(), &version(1), token(2)).await.unwrap(), "there is none");
    open(&store, with_token(1, sign_in(1))).await;
    assert!(store.lease_upstream_token(&ada(), &KEY, lease(1, 2, 32)).await.unwrap());
    assert!(store.replace_upstream_token(&ada(), &version(1), token(2)).await.unwrap());
    assert!(!store.replace_upstream_token(&ada(), &version(1), token(3)).await.unwrap());
    assert!(!store.drop_upstream_token(&ada(), &KEY, &version(1)).await.unwrap());
    let row = found(&store, &ada()).await.unwrap();
    assert_eq!((row.sealed, row.version, row.refreshed_at), (sealed(2), version(2), at(2)));
    assert!(store.lease_upstream_token(&ada(), &KEY, lease(2, 3, 33)).await.unwrap());
}

/// However it ends: one by one, all at once, by a block. A session that lapsed is none that is left.
pub async fn the_last_session_takes_the_upstream_tokens_along(store: AnyStore) {
    let bob = person("bob").id;
    open(&store, with_token(1, sign_in(1))).await;
    open(&store, with_token(2, sign_in_with(2, "other"))).await;
    open(&store, with_token(3, sign_in_of(3, "bob"))).await;
    revoke(&store, &Target::Session(session_id(1)), 10).await;
    assert_eq!(state(&store, &ada()).await, Some(2), "another session is left");
    revoke(&store, &Target::Session(session_id(2)), 11).await;
    assert_eq!((state(&store, &ada()).await, state(&store, &bob).await), (None, Some(3)));

    open(&store, with_token(4, sign_in(4))).await;
    revoke(&store, &Target::User(ada()), 12).await;
    assert_eq!((state(&store, &ada()).await, state(&store, &bob).await), (None, Some(3)));

    let mut lapses = with_token(5, sign_in(5));
    lapses.session.expires_at = at(6);
    open(&store, lapses).await;
    open(&store, sign_in(6)).await;
    revoke(&store, &Target::Session(session_id(6)), 13).await;
    assert_eq!(state(&store, &ada()).await, None, "the other one had lapsed");

    block(&store, &Target::User(bob.clone()), 14).await;
    assert_eq!(state(&store, &bob).await, None);
    let refused = store.sign_in(with_token(7, sign_in_of(7, "bob"))).await.unwrap();
    assert!(matches!(refused, SignedIn::Blocked(_)));
    assert_eq!(counts(&store).await.upstream_tokens, 0);
}

/// Not of a user with a session, however old the token is.
pub async fn a_sweep_takes_the_upstream_tokens_of_who_lapsed(store: AnyStore) {
    let mut lapses = with_token(1, sign_in(1));
    lapses.session.expires_at = at(100);
    open(&store, lapses).await;
    open(&store, with_token(2, sign_in_of(2, "bob"))).await;
    store.sweep(at(99), 100).await.unwrap();
    assert_eq!(counts(&store).await.upstream_tokens, 2);
    assert_eq!(store.sweep(at(101), 100).await.unwrap(), 1);
    assert_eq!(found(&store, &ada()).await, None);
    assert_eq!(state(&store, &person("bob").id).await, Some(2));
}

/// I-12: of 64 who ask at the same moment one may refresh.
pub async fn race_one_of_many_leases_is_given(store: AnyStore) {
    open(&store, with_token(1, sign_in(1))).await;
    for round in 0..20 {
        let now = 1_000 * (round + 1);
        let answers = together(64, |_| {
            let store = AnyStore::clone(&store);
            async move { store.lease_upstream_token(&ada(), &KEY, lease(1, now, now + 30)).await.unwrap() }
        })
        .await;
        assert_eq!(answers.into_iter().filter(|given| *given).count(), 1, "round {round}");
    }
}

/// I-12: of 64 who bring another in the place of the same one counts.
pub async fn race_one_of_many_replacements_counts(store: AnyStore) {
    open(&store, with_token(1, sign_in(1))).await;
    let mut last = 1;
    for round in 1..=20 {
        let answers = together(64, |n| {
            let store = AnyStore::clone(&store);
            let next = round * 100 + n;
            async move {
                let done = store.replace_upstream_token(&ada(), &version(last), token(next)).await.unwrap();
                done.then_some(next)
            }
        })
        .await;
        let won: Vec<u32> = answers.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "round {round}");
        last = won[0];
        assert_eq!(state(&store, &ada()).await, Some(last));
    }
}

/// While one session of a user ends and another begins, the user is left with both, a session and what it brought: never
/// with a session whose token went along with the one that ended.
pub async fn race_a_sign_in_keeps_its_upstream_token_while_others_end(store: AnyStore) {
    open(&store, with_token(1, sign_in(1))).await;
    for round in 1..=40_u32 {
        together(2, |n| {
            let store = AnyStore::clone(&store);
            async move {
                if n == 0 {
                    open(&store, with_token(round + 1, sign_in(round + 1))).await;
                } else {
                    let now = Timestamp::from_unix_micros(at(1_000).unix_micros() + i64::from(round));
                    let target = Target::Session(session_id(round));
                    store.revoke(Ending::of(target, "test", now, event(round, EventKind::Revoked))).await.unwrap();
                }
            }
        })
        .await;
        assert_eq!(state(&store, &ada()).await, Some(round + 1), "round {round}");
    }
}
