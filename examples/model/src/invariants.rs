//! The promises of the design, I-1 to I-16, as far as they can be seen from outside, after each move. The model predicts
//! each answer and each row; this is a second look that believes neither.
//!
//! Not to be seen here, and where they are shown: I-10 (what a stranger named, on pages: `dcr-core/tests/pages.rs`), I-11
//! (the guarded fetcher: `dcr-core/src/guarded`), I-14 (redaction: `dcr-core/tests/properties.rs`); of I-15 the adapters
//! (`examples/e2e/tests/adapters`), while the stores are compared by [`digest`](crate::Played).

use std::collections::BTreeMap;

use dcr_core::record::{Event, EventKind};
use dcr_core::store::{Counts, EventQuery};

use crate::model::{Model, Verdict};
use crate::moves::{Ask, Client, Login, Move, Redirect, Token};
use crate::world::{Seen, UPSTREAM, World};

/// What was before a move.
pub(crate) struct Before<'a> {
    pub(crate) model: &'a Model,
    pub(crate) counts: Counts,
}

/// What is remembered of a run: which codes were redeemed in this database.
#[derive(Debug, Default)]
pub(crate) struct Redeemed(BTreeMap<u32, u32>);

/// Checks what a move that was answered did, by promise.
pub(crate) async fn check(
    before: &Before<'_>,
    m: &Move,
    said: &Verdict,
    seen: &Seen,
    world: &World,
    redeemed: &mut Redeemed,
) -> Result<(), String> {
    let broken = |promise: &str, what: &str| Err(format!("{promise} is broken: {what} ({seen:?})"));
    let after = world.counts;

    // I-1: nobody who has not logged in writes a row, not even on the record.
    let without_login = matches!(
        m,
        Move::Register(_) | Move::RegisterCrooked | Move::Authorize { .. } | Move::Deny { .. } | Move::Approve { .. }
    ) || matches!(m, Move::Callback { login: Login::Denied | Login::Busy | Login::Invalid, .. })
        || matches!(m, Move::Use { .. } | Move::Introspect { .. });
    if without_login && after != before.counts {
        return broken("I-1", &format!("rows were {:?}, are {after:?}", before.counts));
    }

    // I-2: a browser is sent to the login, or to the redirect URI of its own request; never where nobody may go.
    if let Seen::Sent(to) = seen {
        let of_request = match m {
            Move::Authorize { redirect, .. } => Some(*redirect),
            Move::Deny { page, .. } | Move::Approve { page, .. } => Some(before.model.known.pages[page].redirect),
            Move::Callback { sign_in, .. } => Some(before.model.known.sign_ins[sign_in].page.redirect),
            _ => None,
        };
        let there = of_request.is_some_and(|redirect| to.starts_with(&format!("{}?", redirect.uri())));
        let nowhere = [Redirect::Evil, Redirect::NearlyClaude].iter().any(|bad| to.starts_with(bad.uri()));
        if nowhere || !(there || to.starts_with(UPSTREAM)) {
            return broken("I-2", &format!("a browser was sent to {to}"));
        }
        // I-3: a code only at the end of a login, in the browser that approved.
        let has_code = !to.starts_with(UPSTREAM) && to.contains("code=");
        let approved_here = match m {
            Move::Callback { sign_in, browser, .. } => before.model.known.sign_ins[sign_in].page.browser == *browser,
            _ => false,
        };
        if has_code && !approved_here {
            return broken("I-3", "a code outside of the browser that approved");
        }
        // I-6: an id by itself never gets past the consent page.
        if to.starts_with(UPSTREAM) && !matches!(m, Move::Approve { .. }) {
            return broken("I-6", "sent upstream without an approval");
        }
    }

    // I-4, I-12: a code works once, for the id that asked for it, with everything right.
    if let (Move::Redeem { code, client, detail, .. }, Seen::Tokens { .. }) = (m, seen) {
        let times = redeemed.0.entry(code.sign_in).or_default();
        *times += 1;
        let own = world.id(before.model.known.sign_ins[&code.sign_in].page.client);
        if *times > 1 || own != world.id(*client) || *detail != crate::moves::Detail::Plain {
            return broken("I-4", &format!("{code} gave tokens to {client}"));
        }
    }
    // I-5: a refresh token works for the id that asked for it, byte for byte.
    if let (Move::Refresh { token, client, .. }, Seen::Tokens { .. }) = (m, seen) {
        let own = world.id(before.model.known.sign_ins[&token.sign_in].page.client);
        if own != world.id(*client) {
            return broken("I-5", &format!("{token} gave tokens to {client}"));
        }
    }
    // I-7: what looks like a user id is no client id. I-13: what is malformed gets no page to approve.
    if let (Move::Authorize { client, ask, .. }, Seen::Consent(_)) = (m, seen) {
        let is_none = match client {
            Client::Unadoptable(_) => true,
            Client::Forged(_, key) => before.model.ring.knows(*key),
            _ => false,
        };
        if is_none {
            return broken("I-7", "an id that is none was accepted");
        }
        if !matches!(ask, Ask::Default | Ask::Wide | Ask::Notes) {
            return broken("I-13", "a malformed request got a consent page");
        }
    }
    // I-9: a resource accepts access tokens and nothing else.
    if let (Move::Use { token: Token::Grant(grant), .. }, Seen::Active { .. }) = (m, seen) {
        return broken("I-9", &format!("{grant} was accepted as an access token"));
    }
    // I-16: no connection without a user (and one for each software: the rows were compared).
    if after.connections > 0 && after.users == 0 {
        return broken("I-16", "a connection without a user");
    }
    if matches!(m, Move::LoseDatabase) {
        redeemed.0.clear();
    }
    on_the_record(m, said, world).await
}

/// Every sign-in, and every end that the bridge brought about, is an event with user, connection, session and presented id.
async fn on_the_record(m: &Move, said: &Verdict, world: &World) -> Result<(), String> {
    let (sign_in, kinds) = match (m, said.outcome) {
        (Move::Callback { sign_in, .. }, outcome) if outcome.starts_with("signed in") => {
            (sign_in, [EventKind::SignedIn, EventKind::Adopted])
        }
        (Move::Redeem { code: grant, .. } | Move::Refresh { token: grant, .. }, outcome)
            if outcome.ends_with("ended") =>
        {
            (&grant.sign_in, [EventKind::Anomaly, EventKind::Anomaly])
        }
        _ => return Ok(()),
    };
    let Some(session) = world.sessions.get(sign_in).copied() else { return Ok(()) };
    let query = EventQuery { session: Some(session), limit: 1_000, ..EventQuery::default() };
    let events = world.store.0.real().events(&query).await.map_err(|error| error.to_string())?;
    let whole = |event: &&Event| {
        kinds.contains(&event.kind) && event.user.is_some() && event.connection.is_some() && event.client_id.is_some()
    };
    let found = events.iter().filter(whole).count();
    if found == 0 || (kinds[0] == EventKind::SignedIn && found > 1) {
        return Err(format!("the record has {found} events of {:?} of sign-in {sign_in}: {events:?}", kinds[0]));
    }
    Ok(())
}
