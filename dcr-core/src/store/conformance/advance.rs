//! Cases of `advance`: one counter, moved by compare-and-swap.

use super::fixtures::*;
use crate::session::{Generation, Session};
use crate::store::{Advance, Advanced, SignIn, Target};

/// From generation 0: `redeemed_at` and `adopted_secret` are kept, once.
pub async fn redeeming_a_code_advances_the_session(store: AnyStore) {
    open(&store, sign_in(1)).await;
    let before = view(&store, 1).await.session;
    let redeem = Advance { adopted_secret: Some([9; 32]), ..advance(0, 10) };
    let expected = Session {
        generation: Generation::new(1),
        redeemed_at: Some(at(10)),
        advanced_at: at(10),
        expires_at: at(3_610),
        adopted_secret: Some([9; 32]),
        ..before
    };
    assert_eq!(advanced(&store, 1, redeem).await, Advanced::Won(expected.clone()));
    assert_eq!(view(&store, 1).await.session, expected);
    assert_eq!(counts(&store).await.events, 1, "an ordinary redemption is no event");
}

/// From a later generation: what was kept at the redemption stays.
pub async fn refreshing_advances_the_session(store: AnyStore) {
    open(&store, sign_in(1)).await;
    advanced(&store, 1, Advance { adopted_secret: Some([9; 32]), ..advance(0, 10) }).await;
    for from in 1..=5_u32 {
        let refresh = Advance { adopted_secret: Some([1; 32]), ..advance(from, 10 + i64::from(from)) };
        let Advanced::Won(session) = advanced(&store, 1, refresh).await else { panic!("generation {from} lost") };
        assert_eq!(session.generation, Generation::new(from + 1));
        assert_eq!(session.advanced_at, at(10 + i64::from(from)));
        assert_eq!(session.redeemed_at, Some(at(10)));
        assert_eq!(session.adopted_secret, Some([9; 32]));
        assert_eq!(view(&store, 1).await.session, session);
    }
    open(&store, sign_in(2)).await;
    let Advanced::Won(without) = advanced(&store, 2, advance(0, 20)).await else { panic!("lost") };
    assert_eq!(without.adopted_secret, None);
}

/// `expires_at` is the earlier of what was asked for and the absolute end.
pub async fn a_session_never_outlives_its_absolute_end(store: AnyStore) {
    let mut short = sign_in(1);
    short.session.absolute_expires_at = at(1_000);
    open(&store, short).await;
    for (from, asked, kept) in [(0, 999, 999), (1, 1_001, 1_000), (2, 5_000_000, 1_000)] {
        let answer = advanced(&store, 1, Advance { expires_at: at(asked), ..advance(from, 10) }).await;
        let Advanced::Won(session) = answer else { panic!("{answer:?}") };
        assert_eq!(session.expires_at, at(kept));
    }
    assert!(matches!(advanced(&store, 1, advance(3, 1_000)).await, Advanced::Gone(Some(_))));
}

/// Older and ahead alike: the loser learns where the counter stands.
pub async fn another_generation_loses_and_changes_nothing(store: AnyStore) {
    open(&store, sign_in(1)).await;
    advanced(&store, 1, advance(0, 10)).await;
    advanced(&store, 1, advance(1, 11)).await;
    let session = view(&store, 1).await.session;
    for from in [0, 1, 3, 4, u32::MAX] {
        let stray = Advance { adopted_secret: Some([7; 32]), ..advance(from, 500) };
        assert_eq!(advanced(&store, 1, stray).await, Advanced::Lost(session.clone()), "{from}");
    }
    assert_eq!(view(&store, 1).await.session, session);
}

/// Missing, ended, lapsed (at the very microsecond), and at the end of the counter.
pub async fn what_is_gone_does_not_advance(store: AnyStore) {
    assert_eq!(advanced(&store, 1, advance(0, 10)).await, Advanced::Gone(None));

    let mut lapsing = sign_in(1);
    lapsing.session.expires_at = at(100);
    open(&store, lapsing).await;
    let session = view(&store, 1).await.session;
    for now in [100, 101] {
        assert_eq!(advanced(&store, 1, advance(0, now)).await, Advanced::Gone(Some(session.clone())));
        assert_eq!(advanced(&store, 1, advance(5, now)).await, Advanced::Gone(Some(session.clone())));
    }
    assert!(matches!(advanced(&store, 1, advance(0, 99)).await, Advanced::Won(_)), "a microsecond earlier it is alive");

    open(&store, sign_in(2)).await;
    revoke(&store, &Target::Session(session_id(2)), 3).await;
    let ended = view(&store, 2).await.session;
    assert_eq!(advanced(&store, 2, advance(0, 10)).await, Advanced::Gone(Some(ended.clone())));
    assert_eq!(view(&store, 2).await.session, ended);

    open(&store, sign_in(3)).await;
    advanced(&store, 3, advance(0, 10)).await;
    revoke(&store, &Target::Session(session_id(3)), 11).await;
    let ended = view(&store, 3).await.session;
    assert_eq!(advanced(&store, 3, advance(1, 12)).await, Advanced::Gone(Some(ended.clone())));
    assert_eq!(view(&store, 3).await.session, ended);

    let mut last = sign_in(4);
    last.session.generation = Generation::new(u32::MAX);
    open(&store, last).await;
    let last = view(&store, 4).await.session;
    assert_eq!(advanced(&store, 4, advance(u32::MAX, 10)).await, Advanced::Gone(Some(last.clone())));
    assert_eq!(view(&store, 4).await.session, last);
}

/// A generation is one session's.
pub async fn advancing_one_session_leaves_the_others(store: AnyStore) {
    open(&store, sign_in(1)).await;
    open(&store, sign_in(2)).await;
    open(&store, SignIn { max_sessions: 20, ..sign_in_of(3, "bob") }).await;
    let others = (view(&store, 2).await, view(&store, 3).await);
    assert!(matches!(advanced(&store, 1, advance(0, 10)).await, Advanced::Won(_)));
    assert_eq!((view(&store, 2).await, view(&store, 3).await), others);
}
