//! A database that went back in time under real servers: everything is stopped, an older copy takes its place, and what
//! the record of the lost part says is replayed. All of it as an operator does it, with the `dcr` command.

use std::path::PathBuf;

use dcr_core::record::Event;
use dcr_core::{Clock as _, SystemClock, Timestamp};
use dcr_e2e::{Browser, Client, Cluster, Tokens, at};

use crate::databases::Database;
use crate::operator::{dcr, text};
use crate::support::{LOOPBACK, PLATFORM, claims, cluster, generation};

const REPLICAS: usize = 2;

pub(crate) fn tests() -> Vec<(&'static str, crate::Test)> {
    crate::tests! {
        after_a_restore_sessions_go_on_in_the_window_and_what_was_killed_stays_dead
        after_a_restore_who_was_blocked_stays_blocked
    }
}

/// A client and what it holds.
struct Held {
    client: Client,
    tokens: Tokens,
}

impl Held {
    async fn refresh(&mut self, times: usize) {
        for _ in 0..times {
            self.tokens = Tokens::from(self.client.refresh(&self.tokens.refresh).await);
        }
    }

    /// Every replica refuses the refresh token.
    async fn is_refused(&self, cluster: &Cluster) {
        for replica in 0..cluster.size() {
            let refused = at(replica, self.client.refresh(&self.tokens.refresh)).await;
            assert_eq!(refused.oauth_error(), (400, "invalid_grant".to_owned()));
        }
    }
}

/// The record from then on, as it was kept elsewhere before the loss.
async fn exported(cluster: &Cluster, database: &Database, since: Timestamp) -> PathBuf {
    let file = cluster.directory().join("events.jsonl");
    let record = dcr(cluster, database, &["events", "--since", &since.to_string()]).await;
    assert!(record.lines().count() >= 2, "{record}");
    std::fs::write(&file, record).expect("a file");
    file
}

async fn after_a_restore_sessions_go_on_in_the_window_and_what_was_killed_stays_dead(database: Database) {
    let cluster = cluster(&database, REPLICAS).await;
    let site = cluster.site();
    let mut browser = Browser::of("ada");
    let public = Client::register(site, &[LOOPBACK]).await;
    let mut adopted = Client::unregistered(site, "never-registered", PLATFORM);
    adopted.auth_method = "client_secret_post".to_owned();
    adopted.secret = Some("a-secret-that-came-along".to_owned());

    // The copy has: two sessions in use, one that will be ended, and two codes that are on their way.
    let mut alive = Held { tokens: public.sign_in(&mut browser).await, client: public.clone() };
    let mut late = Held { tokens: public.sign_in(&mut browser).await, client: public.clone() };
    let mut killed = Held { tokens: public.sign_in(&mut browser).await, client: public.clone() };
    let mut codes = Vec::new();
    for client in [&public, &adopted] {
        let flow = client.authorize();
        let landed = browser.sign_in(&flow.url).await.client();
        codes.push((client.clone(), client.code(&flow, &landed), flow));
    }
    cluster.stop_all().await;
    database.save().await;
    cluster.start_all().await;

    // The part that will be lost.
    let since = SystemClock.now();
    alive.refresh(2).await;
    late.refresh(2).await;
    killed.refresh(2).await;
    let mut redeemed = Vec::new();
    for (client, code, flow) in codes {
        let tokens = Tokens::from(client.redeem(&code, &flow.verifier).await);
        redeemed.push(Held { client, tokens });
    }
    killed.client.revoke(&killed.tokens.refresh).await.expect(200);
    let opened = Held { tokens: public.sign_in(&mut browser).await, client: public.clone() };
    let file = exported(&cluster, &database, since).await;
    let events = text(&file);
    cluster.stop_all().await;
    database.restore().await;

    // Before any server runs: otherwise a session that was killed would be alive again for a moment.
    let said = dcr(&cluster, &database, &["recover", "--replay-only", "--events", events, "--yes"]).await;
    assert!(said.contains("1 session ended"), "{said}");
    cluster.start_all().await;

    // Strict, with an alarm for each.
    alive.is_refused(&cluster).await;
    for held in &redeemed {
        held.is_refused(&cluster).await;
    }
    let record = dcr(&cluster, &database, &["events"]).await;
    let ahead = record.lines().filter(|line| Event::from_json(line).unwrap().reason == "refresh_ahead");
    assert_eq!(ahead.count(), 3 * REPLICAS, "an alarm, once for each session and process");
    killed.is_refused(&cluster).await;

    let said = dcr(&cluster, &database, &["recover", "--until", "10m", "--events", events, "--yes"]).await;
    assert!(said.contains("0 sessions ended") && said.contains("are accepted until"), "{said}");
    for held in redeemed.iter_mut().chain([&mut alive]) {
        let (session, before) = generation(&held.tokens.refresh);
        let sent = held.tokens.refresh.clone();
        held.refresh(1).await;
        assert_eq!(generation(&held.tokens.refresh), (session, before + 1));
        for replica in 0..REPLICAS {
            let again = Tokens::from(at(replica, held.client.refresh(&sent)).await);
            assert_eq!(again.refresh, held.tokens.refresh, "RT-2: one successor, in the window too");
            assert_eq!(cluster.bearer(replica, &held.tokens.access).await, Some(200));
        }
    }
    let first_of_adopted = redeemed[1].tokens.refresh.clone();
    let mut secretless = redeemed[1].client.clone();
    secretless.auth_method = "none".to_owned();
    redeemed[1].refresh(1).await;
    let refused = secretless.refresh(&first_of_adopted).await;
    assert_eq!(refused.oauth_error(), (401, "invalid_client".to_owned()), "SR-16: remembered again");
    redeemed[1].refresh(1).await;
    killed.is_refused(&cluster).await;
    opened.is_refused(&cluster).await;

    dcr(&cluster, &database, &["recover", "--close"]).await;
    late.is_refused(&cluster).await;
    alive.refresh(1).await;
    let again = public.sign_in(&mut browser).await;
    assert_eq!(claims(&again.access)["con"], claims(&alive.tokens.access)["con"], "no id and no connection is lost");
    for replica in 0..REPLICAS {
        assert_eq!(cluster.bearer(replica, &killed.tokens.access).await, Some(401));
    }
    assert!(cluster.balancer().server_errors().is_empty(), "{:?}", cluster.balancer().server_errors());
}

/// The block itself is in the lost part, with the end of the sessions. So is another one, which was lifted there.
async fn after_a_restore_who_was_blocked_stays_blocked(database: Database) {
    let cluster = cluster(&database, REPLICAS).await;
    let client = Client::register(cluster.site(), &[LOOPBACK]).await;
    let mut people = [Browser::of("ada"), Browser::of("bob")];
    let mut held = Vec::new();
    for browser in &mut people {
        held.push(Held { tokens: client.sign_in(browser).await, client: client.clone() });
    }
    let user = |held: &Held| claims(&held.tokens.access)["sub"].as_str().unwrap().to_owned();
    let (blocked, pardoned) = (user(&held[0]), user(&held[1]));
    cluster.stop_all().await;
    database.save().await;
    cluster.start_all().await;

    let since = SystemClock.now();
    for held in &mut held {
        held.refresh(2).await;
    }
    for arguments in [
        &["block", "user", &blocked, "--yes", "--reason", "incident"][..],
        &["block", "user", &pardoned, "--yes"],
        &["unblock", "user", &pardoned],
    ] {
        dcr(&cluster, &database, arguments).await;
    }
    let file = exported(&cluster, &database, since).await;
    cluster.stop_all().await;
    database.restore().await;

    let said = dcr(&cluster, &database, &["recover", "--until", "10m", "--events", text(&file), "--yes"]).await;
    assert!(said.contains("2 sessions ended, 2 blocks set, 1 lifted"), "{said}");
    cluster.start_all().await;

    let [ada, bob] = &mut people;
    for held in &held {
        held.is_refused(&cluster).await;
    }
    for replica in 0..REPLICAS {
        assert_eq!(cluster.bearer(replica, &held[0].tokens.access).await, Some(401));
        let refused = at(replica, ada.sign_in(&client.authorize().url)).await.page();
        assert_eq!(refused.answer.status, 403, "blocked: {refused:?}");
        at(replica, client.sign_in(bob)).await;
    }
    dcr(&cluster, &database, &["unblock", "user", &blocked]).await;
    client.sign_in(ada).await;
    held[0].is_refused(&cluster).await;
    assert!(cluster.balancer().server_errors().is_empty(), "{:?}", cluster.balancer().server_errors());
}
