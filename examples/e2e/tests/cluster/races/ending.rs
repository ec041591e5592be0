//! What an operator ends against what people do at the same moment: a block, and a pin that is taken away.

use std::sync::Arc;
use std::time::Instant;

use dcr_core::store::Target;
use dcr_core::{ClientId, Platform, PreRegistered};
use dcr_e2e::{Browser, Client, Landing, Tokens, Volley, at};
use tokio::task::JoinSet;

use super::{Chain, Newest, REPLICAS, Race, code_in, is_invalid_grant, rounds};
use crate::databases::Database;
use crate::support::{LOOPBACK, claims, generation};

const SESSIONS: usize = 4;
const CHAINS: usize = 40;
/// With the chains, 64.
const CALLBACKS: usize = 24;
const PORTAL: &str = "https://portal.example/callback";

pub(super) fn tests() -> Vec<(&'static str, crate::Test)> {
    crate::tests! {
        me_12_mg_11_a_block_ends_what_is_refreshed_and_signed_in_meanwhile
        ad_08_what_a_pin_let_in_is_over_when_it_is_taken_away
    }
}

/// What people do all the time: refresh, and come back from the provider.
struct Crowd {
    volley: Volley,
    chains: JoinSet<Chain>,
    approved: Vec<(Client, dcr_e2e::Flow, dcr_e2e::Approved)>,
    tokens: Vec<Tokens>,
}

/// What became of it.
struct After {
    /// When the last refresh began that brought tokens.
    last_won: Option<Instant>,
    access: Vec<String>,
    refresh: Vec<String>,
    /// Codes that callbacks brought.
    codes: Vec<(dcr_e2e::Flow, String)>,
}

impl Crowd {
    async fn gather(race: &mut Race, client: &Client, person: &str) -> Self {
        let before = race.approved(SESSIONS, &[person], &[client]).await;
        let fired = race.fire(race.callbacks(&before).into_iter().collect::<Volley>()).await;
        let tokens: Vec<Tokens> = race.redeemed(&fired, &before).await.into_iter().map(Tokens::from).collect();
        let approved = race.approved(CALLBACKS, &[person], &[client]).await;
        race.cluster.idp().gather(CALLBACKS);
        let volley: Volley = race.callbacks(&approved).into_iter().collect();
        let newest: Vec<Newest> = tokens.iter().map(|tokens| Newest::of(&tokens.refresh)).collect();
        let mut chains = JoinSet::new();
        for n in 0..CHAINS {
            let newest = newest[n / REPLICAS % SESSIONS].clone();
            chains.spawn(Chain::run(race.at(client, n), newest, volley.moment()));
        }
        Self { volley, chains, approved, tokens }
    }

    async fn act(self, race: &mut Race, client: &Client) -> After {
        let fired = race.fire(self.volley).await;
        let chain = Chain::join(self.chains.join_all().await);
        race.requests += chain.requests;
        race.busy += chain.busy;
        let codes = fired.iter().zip(&self.approved).filter_map(|(fired, (_, flow, _))| {
            let code = code_in(&fired.answer, client, flow);
            assert!(code.is_some() || fired.answer.header("location").is_none(), "a page, or a code");
            Some((flow.clone(), code?))
        });
        let codes: Vec<_> = codes.collect();
        let late = chain.access.iter().rev().take(2).cloned();
        After {
            last_won: chain.last_won,
            access: self.tokens.iter().map(|tokens| tokens.access.clone()).chain(late).collect(),
            refresh: self.tokens.iter().map(|tokens| tokens.refresh.clone()).chain(chain.refresh).collect(),
            codes,
        }
    }
}

impl After {
    /// Nothing is left of it, nowhere.
    async fn is_over(&self, race: &mut Race, client: &Client, confirmed: Instant) {
        if let Some(last) = self.last_won {
            assert!(last <= confirmed, "a refresh that began {:?} after it succeeded", last - confirmed);
        }
        for (n, (flow, code)) in self.codes.iter().enumerate() {
            is_invalid_grant(&race.at(client, n).redeem(code, &flow.verifier).await);
        }
        for (n, token) in self.refresh.iter().rev().take(6).enumerate() {
            is_invalid_grant(&race.at(client, n).refresh(token).await);
        }
        let user = race.session(generation(&self.refresh[0]).0).await.user;
        let id = ClientId::new(client.id.clone()).unwrap();
        for connection in race.store.connections_of(&user).await.unwrap() {
            for session in race.store.sessions_of(connection.id).await.unwrap() {
                assert!(session.client_id != id || session.ended.is_some(), "{session:?} lives on");
            }
        }
        race.is_dead(&self.access, confirmed, &[]).await;
    }
}

/// ME-12, MG-11, RS-7: a person, a connection, a client id or a platform is blocked while 40 programs refresh and 24
/// callbacks arrive. Nothing that begins after the block was answered succeeds, and nothing that came to be beside it lives.
async fn me_12_mg_11_a_block_ends_what_is_refreshed_and_signed_in_meanwhile(database: Database) {
    let mut race = Race::new("block against refresh", &database, &[]).await;
    let client = Client::register(race.site(), &[LOOPBACK]).await;
    let mut got_codes = 0;
    for round in 0..rounds() {
        let person = ["ada", "bob", "carol", "dan"][round % 4];
        let crowd = Crowd::gather(&mut race, &client, person).await;
        let session = race.session(generation(&crowd.tokens[0].refresh).0).await;
        let target = match round % 4 {
            0 => Target::User(session.user),
            1 => Target::Connection(session.connection),
            2 => Target::ClientId(session.client_id),
            _ => Target::Platform(Platform::loopback()),
        };
        let (operator, moment, what) = (race.operator(), crowd.volley.moment(), target.clone());
        let strike = race.strike(round / 4).await;
        let blocked = tokio::spawn(async move {
            moment.await;
            strike.await;
            let ended = operator.block(&what, "race").await.expect("a block");
            (ended, Instant::now())
        });
        let after = crowd.act(&mut race, &client).await;
        let (ended, confirmed) = blocked.await.unwrap();
        assert!(!ended.is_empty(), "there were sessions");
        got_codes += after.codes.len();
        after.is_over(&mut race, &client, confirmed).await;
        // Nor does anybody come in, at either process.
        let flow = client.authorize();
        let landed = at(round % REPLICAS, Browser::of(person).sign_in(&flow.url)).await;
        let Landing::Page(page) = landed else { panic!("signed in while blocked: {landed:?}") };
        assert!(page.answer.status.is_client_error(), "{page:?}");
        assert!(race.operator().unblock(&target, "race").await.unwrap());
        client.sign_in(&mut Browser::of(person)).await;
        race.rounds += 1;
    }
    assert_eq!(race.store.counts().await.unwrap().blocks, 0);
    race.over(&format!(", {got_codes} callbacks were before the block")).await;
}

/// AD-8, MG-11: an operator takes a pin away while its app refreshes and people come back from the provider. The callback
/// looks whether the pin is still there before it writes; one that looked just before and wrote just after must not stay.
async fn ad_08_what_a_pin_let_in_is_over_when_it_is_taken_away(database: Database) {
    let mut race = Race::new("pin taken away", &database, &[]).await;
    let operator = Arc::new(race.operator());
    let id = ClientId::new("portal").unwrap();
    let pin = |id: &str| PreRegistered::public(ClientId::new(id).unwrap()).name("Portal").redirect(PORTAL);
    race.look_for_rows().await;
    let client = Client::unregistered(race.site(), "portal", PORTAL);
    let mut got_codes = 0;
    for round in 0..rounds() {
        let person = ["ada", "bob", "carol", "dan"][round % 4];
        assert!(!operator.pin(pin("portal"), "race").await.unwrap());
        let crowd = Crowd::gather(&mut race, &client, person).await;
        assert_eq!(claims(&crowd.tokens[0].access)["client_id"], "portal");
        let (moment, unpinning, id) = (crowd.volley.moment(), Arc::clone(&operator), id.clone());
        let strike = race.strike(round / 4).await;
        let unpinned = tokio::spawn(async move {
            moment.await;
            strike.await;
            let ended = unpinning.unpin(&id, "race").await.expect("an end").expect("a pin");
            (ended, Instant::now())
        });
        let after = crowd.act(&mut race, &client).await;
        let (ended, confirmed) = unpinned.await.unwrap();
        assert!(!ended.is_empty(), "there were sessions");
        got_codes += after.codes.len();
        after.is_over(&mut race, &client, confirmed).await;
        for replica in 0..REPLICAS {
            let page = at(replica, Browser::of(person).open(&client.authorize().url)).await.page();
            assert_eq!(page.answer.status, 400, "AD-8: nobody knows it any more");
        }
        race.rounds += 1;
    }
    let counts = race.store.counts().await.unwrap();
    assert_eq!((counts.clients, counts.blocks), (1, 0), "the keeper");
    race.over(&format!(", {got_codes} callbacks were before its end")).await;
}
