//! Which move comes next: what the state makes interesting. Uniformly random moves die in dead ends.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::{BoxedStrategy, Union};
use proptest_state_machine::ReferenceStateMachine;

use crate::model::{Model, Page, TRANSACTION};
use crate::moves::{
    Act, App, Ask, Caller, Client, Detail, Grant, Login, Move, Person, Platform, Redirect, Rekey, Resource, Shown,
    Target, Token,
};

const BROWSERS: u8 = 3;
/// Around every lifetime of the model, in milliseconds: a move takes one more.
const WAITS: [u64; 9] = [1_000, 4_998, 9_998, 9_999, 10_000, 29_998, 29_999, 30_000, 59_999];
const LONG_WAITS: [u64; 6] = [120_000, 600_000, 900_000, 7_200_000, 93_600_000, 176_400_000];

/// The sequences of moves, for `proptest_state_machine`.
#[derive(Debug)]
pub struct Moves;

impl ReferenceStateMachine for Moves {
    type State = Model;
    type Transition = Move;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::default()).boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Move> {
        let plain = plain(model);
        let sound = Union::new_weighted(plain.clone());
        let faulty =
            (0_u8..3, any::<bool>(), Union::new_weighted(plain)).prop_map(|(call, after, inner)| match inner {
                Move::Wait { .. } | Move::Restart(_) | Move::LoseDatabase => inner,
                inner => Move::Faulty { call, after, inner: Box::new(inner) },
            });
        prop_oneof![14 => sound, 1 => faulty].boxed()
    }

    fn apply(mut model: Model, m: &Move) -> Model {
        model.apply(m);
        model
    }

    fn preconditions(model: &Model, m: &Move) -> bool {
        is_possible(model, m)
    }
}

/// Whether a move speaks of things that are there, under names that are not taken.
#[must_use]
pub fn is_possible(model: &Model, m: &Move) -> bool {
    let known = &model.known;
    let grant = |grant: &Grant| known.grants.contains(grant);
    let token = |token: &Token| match token {
        Token::Grant(g) => grant(g),
        Token::Access(n) => (*n as usize) < known.access.len(),
    };
    let client = |client: &Client| match *client {
        Client::Forged(app, key) => known.registered.contains(&Client::Sealed(app, key, 0)),
        sealed @ Client::Sealed(..) => known.registered.contains(&sealed),
        _ => true,
    };
    match m {
        Move::Authorize { page, client: id, .. } => !known.pages.contains_key(page) && client(id),
        Move::Deny { page, .. } => known.pages.contains_key(page),
        Move::Approve { page, sign_in, .. } => known.pages.contains_key(page) && !known.sign_ins.contains_key(sign_in),
        Move::Callback { sign_in, browser, again, .. } => {
            known.sign_ins.get(sign_in).is_some_and(|t| !again || t.page.browser == *browser)
        }
        Move::Redeem { code, client: id, .. } => grant(code) && code.generation == 0 && client(id),
        Move::Refresh { token, client: id, .. } => grant(token) && token.generation > 0 && client(id),
        Move::Use { token: t, .. } => token(t),
        Move::Introspect { token: t, by } => token(t) && !matches!(by, Caller::Client(id) if !client(id)),
        Move::Revoke { token: t, client: id, .. } => token(t) && client(id),
        Move::Operate { target: Target::Connection(person, software), .. } => {
            model.rows.connections.contains_key(&(*person, *software))
        }
        Move::Operate { target: Target::Client(id), .. } => client(id),
        Move::Restart(Rekey::Add) => model.ring.active.len() < 3,
        Move::Restart(Rekey::Promote | Rekey::Retire) => model.ring.active.len() > 1,
        Move::Restart(Rekey::Drop) => !model.ring.retired.is_empty(),
        Move::Faulty { inner, .. } => is_possible(model, inner),
        _ => true,
    }
}

/// One of `likely` mostly, or of `others`; shrinks to the first of the likely ones.
fn mostly<T: Clone + std::fmt::Debug + 'static>(likely: Vec<T>, others: Vec<T>) -> BoxedStrategy<T> {
    match (likely.is_empty(), others.is_empty()) {
        (_, true) => select(likely).boxed(),
        (true, false) => select(others).boxed(),
        (false, false) => prop_oneof![9 => select(likely), 1 => select(others)].boxed(),
    }
}

fn plain(model: &Model) -> Vec<(u32, BoxedStrategy<Move>)> {
    let mut all = beginnings(model);
    all.extend(sign_ins(model));
    all.extend(tokens(model));
    all.extend(operations(model));
    all
}

/// Whether the newest page waits for its decision, and can still have it.
fn is_undecided(model: &Model) -> bool {
    let waits = |(n, page): (&u32, &Page)| {
        let decided = model.known.sign_ins.values().any(|t| t.page.number == *n);
        !decided && model.ring.opens(page.key) && model.now - page.begun < TRANSACTION
    };
    model.known.pages.last_key_value().is_some_and(waits)
}

fn beginnings(model: &Model) -> Vec<(u32, BoxedStrategy<Move>)> {
    let known = &model.known;
    let few = if known.registered.len() < 4 { 4 } else { 1 };
    let page = known.pages.keys().last().map_or(1, |page| page + 1);
    let mut usual =
        vec![Client::Unknown(0), Client::Unknown(0), Client::Unknown(1), Client::Unknown(2), Client::Pinned];
    usual.extend(known.registered.iter().rev().flat_map(|id| [*id, *id]));
    let mut odd: Vec<_> = (0..4).map(Client::Unadoptable).collect();
    odd.extend(known.registered.iter().filter_map(|id| match id {
        Client::Sealed(app, key, 0) => Some(Client::Forged(*app, *key)),
        _ => None,
    }));
    let authorize = mostly(usual, odd).prop_flat_map(move |client| {
        let homes = match client {
            Client::Sealed(app, ..) if app.home() == Redirect::Local => vec![Redirect::Local, Redirect::LocalOtherPort],
            Client::Sealed(app, ..) => vec![app.home()],
            Client::Pinned => vec![Redirect::Portal],
            _ => vec![Redirect::Claude, Redirect::Local, Redirect::ChatGpt, Redirect::LocalOtherPort],
        };
        let wrong = vec![Ask::UnknownResource, Ask::NoChallenge, Ask::PlainChallenge, Ask::TwoStates, Ask::TwoClients];
        let ask = mostly(vec![Ask::Default, Ask::Default, Ask::Wide, Ask::Notes], wrong);
        (0..BROWSERS, mostly(homes, Redirect::ALL.to_vec()), ask)
            .prop_map(move |(browser, redirect, ask)| Move::Authorize { page, browser, client, redirect, ask })
    });
    let register = (select(App::ALL.to_vec()), 0_u8..12).prop_map(|(app, odd)| match odd {
        11 => Move::RegisterCrooked,
        _ => Move::Register(app),
    });
    // What was begun goes on first.
    let begun = if is_undecided(model) { 2 } else { 9 };
    vec![(few, register.boxed()), (begun, authorize.boxed())]
}

fn sign_ins(model: &Model) -> Vec<(u32, BoxedStrategy<Move>)> {
    let known = &model.known;
    let mut all = Vec::new();
    let browsers = || (0..BROWSERS).collect::<Vec<_>>();
    let next = known.sign_ins.keys().last().map_or(1, |id| id + 1);
    // The newest pages and sign-ins first: that is where something is to happen.
    let pages: Vec<(u32, Page)> = known.pages.iter().rev().take(4).map(|(n, page)| (*n, page.clone())).collect();
    if !pages.is_empty() {
        let decide = mostly(pages[..1].to_vec(), pages).prop_flat_map(move |(page, shown)| {
            (mostly(vec![shown.browser], browsers()), any::<bool>(), 0_u8..8).prop_map(
                move |(browser, meddles, denies)| match denies {
                    7 => Move::Deny { page, browser },
                    _ => Move::Approve { page, browser, sign_in: next, meddles },
                },
            )
        });
        all.push((if is_undecided(model) { 14 } else { 1 }, decide.boxed()));
    }
    let is_open = |id: &u32| {
        let transaction = &known.sign_ins[id];
        model.ring.opens(transaction.key) && model.now - transaction.approved < TRANSACTION
    };
    let held = known.jars.iter().flat_map(|(browser, held)| held.iter().map(|id| (*id, *browser)));
    let open: Vec<_> = held.filter(|(id, _)| is_open(id)).collect();
    let past: Vec<_> = known.sign_ins.iter().rev().take(5).map(|(id, t)| (*id, t.page.browser)).collect();
    if !past.is_empty() {
        // In a fresh database an old cookie opens a session anew.
        let lost = model.rows.people.is_empty() && !known.grants.is_empty();
        let weight = if open.is_empty() && !lost { 2 } else { 14 };
        let login = mostly(
            vec![Login::Of(Person::Ada), Login::Of(Person::Ada), Login::Of(Person::Bob)],
            vec![Login::Of(Person::Mallory), Login::Denied, Login::Busy, Login::Invalid],
        );
        let newest: Vec<_> = if lost { Vec::new() } else { open.into_iter().rev().collect() };
        let callback = (mostly(newest, past), login).prop_flat_map(move |((sign_in, home), login)| {
            (mostly(vec![home], browsers()), prop::bool::weighted(if lost { 0.7 } else { 0.15 })).prop_map(
                move |(browser, again)| Move::Callback { sign_in, browser, login, again: again && browser == home },
            )
        });
        all.push((weight, callback.boxed()));
    }
    all
}

/// The client of a token, and others that might come with it.
fn clients(model: &Model, sign_in: u32) -> BoxedStrategy<Client> {
    let own = model.known.sign_ins.get(&sign_in).map(|t| t.page.client);
    let mut others = vec![Client::Unknown(0), Client::Unknown(1), Client::Unknown(2), Client::Pinned];
    others.extend(&model.known.registered);
    // Above all what the same person is known by in the same connection.
    if let Some(session) = model.rows.sessions.get(&sign_in) {
        let aliases = model.rows.connections.get(&(session.person, session.software));
        let aliases: Vec<_> = aliases.into_iter().flatten().map(|(alias, _)| *alias).collect();
        others.extend(aliases.iter().cycle().take(aliases.len() * 6));
    }
    match own {
        Some(own) => prop_oneof![4 => Just(own), 1 => select(others)].boxed(),
        None => select(others).boxed(),
    }
}

fn shown(model: &Model, sign_in: u32) -> BoxedStrategy<Shown> {
    let of_session = model.rows.sessions.get(&sign_in).and_then(|session| session.secret).map(|(secret, _)| secret);
    let likely = match model.known.sign_ins.get(&sign_in).map(|t| t.page.client) {
        Some(Client::Sealed(app, ..)) if app.has_secret() => Shown::Own,
        _ => of_session.unwrap_or(Shown::Nothing),
    };
    mostly(vec![likely], vec![Shown::Nothing, Shown::Own, Shown::Wrong])
}

fn tokens(model: &Model) -> Vec<(u32, BoxedStrategy<Move>)> {
    let known = &model.known;
    let mut all = Vec::new();
    let newest: Vec<Grant> = known.grants.iter().rev().take(14).copied().collect();
    let is_open = |grant: &Grant| {
        model
            .rows
            .sessions
            .get(&grant.sign_in)
            .is_some_and(|s| s.is_alive(model.now) && s.generation == grant.generation)
    };
    for redeems in [true, false] {
        let of_kind: Vec<_> = newest.iter().filter(|g| (g.generation == 0) == redeems).copied().collect();
        if of_kind.is_empty() {
            continue;
        }
        let open: Vec<_> = of_kind.iter().filter(|grant| is_open(grant)).copied().collect();
        let weight = match (redeems, open.is_empty()) {
            (true, false) => 18,
            (true, true) => 4,
            (false, false) => 22,
            (false, true) => 6,
        };
        // Not only what is open: replays are what is interesting of a refresh token.
        let which = if redeems { mostly(open, of_kind) } else { select(of_kind).boxed() };
        let here = model.clone();
        let details = match redeems {
            true => vec![Detail::OtherVerifier, Detail::OtherRedirect, Detail::OtherResource],
            false => vec![Detail::Narrower, Detail::Wider, Detail::OtherResource],
        };
        let presented = which.prop_flat_map(move |grant| {
            (clients(&here, grant.sign_in), shown(&here, grant.sign_in), mostly(vec![Detail::Plain], details.clone()))
                .prop_map(move |(client, shown, detail)| match redeems {
                    true => Move::Redeem { code: grant, client, shown, detail },
                    false => Move::Refresh { token: grant, client, shown, detail },
                })
        });
        all.push((weight, presented.boxed()));
    }
    let count = known.access.len();
    let access: Vec<_> = (count.saturating_sub(6)..count).rev().map(|n| Token::Access(n as u32)).collect();
    let grants: Vec<_> = newest.into_iter().map(Token::Grant).collect();
    if !access.is_empty() {
        let resources = select(vec![Resource::Tools, Resource::Notes]);
        let homes = known.access.clone();
        let used = (mostly(access.clone(), grants.clone()), resources, 0_u8..4).prop_map(move |(token, at, odd)| {
            let home = match token {
                Token::Access(n) if odd > 0 => homes[n as usize].resource,
                _ => at,
            };
            Move::Use { token, at: home }
        });
        all.push((7, used.boxed()));
    }
    if !grants.is_empty() {
        let mut callers = vec![Caller::Nobody];
        callers.extend(known.registered.iter().map(|id| Caller::Client(*id)));
        let tokens = || select([access.clone(), grants.clone()].concat());
        let seen = (tokens(), mostly(vec![Caller::Server], callers));
        all.push((3, seen.prop_map(|(token, by)| Move::Introspect { token, by }).boxed()));
        let here = model.clone();
        let revoked = tokens().prop_flat_map(move |token| {
            let sign_in = match token {
                Token::Grant(grant) => grant.sign_in,
                Token::Access(n) => here.known.access[n as usize].sign_in,
            };
            (clients(&here, sign_in), shown(&here, sign_in)).prop_map(move |(client, shown)| Move::Revoke {
                token,
                client,
                shown,
            })
        });
        all.push((2, revoked.boxed()));
    }
    all
}

fn operations(model: &Model) -> Vec<(u32, BoxedStrategy<Move>)> {
    let mut targets: Vec<_> = [Person::Ada, Person::Bob].into_iter().map(Target::Person).collect();
    targets.extend(model.rows.connections.keys().map(|(person, software)| Target::Connection(*person, *software)));
    let clients = model.known.sign_ins.values().rev().take(4).map(|t| t.page.client);
    targets.extend(clients.map(Target::Client));
    targets.extend([Platform::Claude, Platform::Loopback, Platform::Other].map(Target::Platform));
    let operate = |acts: Vec<Act>, targets: Vec<Target>| {
        (select(acts), select(targets), any::<bool>())
            .prop_map(|(act, target, beside)| Move::Operate { act, target, beside })
            .boxed()
    };
    let mut all = vec![
        (2, operate(vec![Act::End, Act::Block, Act::Unblock], targets)),
        (1, Just(Move::Sweep).boxed()),
        (5, mostly(WAITS.to_vec(), LONG_WAITS.to_vec()).prop_map(|milliseconds| Move::Wait { milliseconds }).boxed()),
        (2, select(possible_rekeys(model)).prop_map(Move::Restart).boxed()),
    ];
    if !model.rows.blocks.is_empty() {
        all.push((4, operate(vec![Act::Unblock], model.rows.blocks.iter().copied().collect())));
    }
    if !model.rows.sessions.is_empty() {
        all.push((1, Just(Move::LoseDatabase).boxed()));
    }
    all
}

fn possible_rekeys(model: &Model) -> Vec<Rekey> {
    let rotation = [Rekey::Same, Rekey::Add, Rekey::Promote, Rekey::Promote, Rekey::Retire, Rekey::Retire];
    let all = [rotation, rotation, [Rekey::Same, Rekey::Same, Rekey::Add, Rekey::Add, Rekey::Drop, Rekey::Lose]];
    all.into_iter().flatten().filter(|rekey| is_possible(model, &Move::Restart(*rekey))).collect()
}
