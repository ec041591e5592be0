//! Refresh tokens: one counter, one successor, one client.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dcr_core::store::EventQuery;
use dcr_e2e::{Browser, Client, Tokens};

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{L, P, U, bearer, claims, is_alive, is_dead, is_error, signed_in, under};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "RT-01" => a_refresh_rotates, "a refresh gives a new refresh token, and a new access token beside the old one";
        "RT-03" "RT-1" => a_replay_after_the_grace, "an old refresh token after the grace ends the session";
        "RT-05" "RT-4" "ME-1" "CVE-2026-53512" => a_token_of_another_client, "a refresh token is for the client id that it was given to, and the attempt is on the record";
        "RT-2" "RT-3" "CVE-2026-53517" "CVE-2026-50631" "CVE-2026-1035" => parallel_refreshes once, "parallel refreshes of one token have one successor";
        "RT-5" => no_wider_scope, "a refresh widens neither scope nor resource, and the attempt changes nothing";
        "RT-6" => sessions_end, "a session ends, idle or not";
        "RT-7" => forged_tokens, "a refresh token cannot be guessed, nor another session's made of it";
        "RT-8" => many_generations_back, "a token of many generations back is known for what it is";
    }
}

async fn a_refresh_rotates(ground: &Ground) {
    let world = ground.world().await;
    let (client, first) = signed_in(&world, L).await;
    let second = Tokens::from(client.refresh(&first.refresh).await);
    assert_ne!((&second.refresh, &second.access), (&first.refresh, &first.access));
    // An access token is good for as long as it says, also when the next one is there.
    for tokens in [&first, &second] {
        assert_eq!(bearer(&world, &tokens.access).await, 200);
    }
    let names = ["sub", "sid", "con", "client_id", "aud", "scope", "iss"];
    let (was, is) = (claims(&first.access), claims(&second.access));
    for same in names {
        assert_eq!(was[same], is[same], "{same}");
    }
    assert_ne!(was["jti"], is["jti"]);
    is_alive(&world, &client, &second).await;
}

async fn a_replay_after_the_grace(ground: &Ground) {
    let world = ground.world_with(|options| options.refresh_grace = Some("2".to_owned())).await;
    let (client, first) = signed_in(&world, L).await;
    let other = client.sign_in(&mut Browser::of("ada")).await;
    let second = Tokens::from(client.refresh(&first.refresh).await);
    // Inside the grace: the same successor.
    assert_eq!(Tokens::from(client.refresh(&first.refresh).await).refresh, second.refresh);
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    is_error(&client.refresh(&first.refresh).await, 400, "invalid_grant");
    is_dead(&world, &client, &second).await;
    assert_eq!(bearer(&world, &first.access).await, 401);
    is_alive(&world, &client, &other).await;
}

async fn a_token_of_another_client(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::register(&world, &[P]).await;
    let tokens = client.sign_in(&mut Browser::of("ada")).await;
    let adopted = Client::unregistered(&world, U, P);
    adopted.sign_in(&mut Browser::of("ada")).await;
    let confidential = Client::register_as(&world, &[P], "client_secret_post").await;
    confidential.sign_in(&mut Browser::of("ada")).await;
    let others = [
        Client::register(&world, &[L]).await,
        adopted,
        confidential.clone(),
        under(&client, "never-seen-before"),
        under(&client, &client.id.to_ascii_uppercase()),
        under(&client, &format!("{}x", client.id)),
    ];
    for other in &others {
        is_error(&other.refresh(&tokens.refresh).await, 400, "invalid_grant");
    }
    let query = EventQuery { limit: 100, ..EventQuery::default() };
    let events = world.engine().store().events(&query).await.unwrap();
    assert!(events.iter().any(|event| event.reason == "refresh_other_client"), "{events:?}");
    is_alive(&world, &client, &tokens).await;
    // And the reverse: what a confidential client was given is of no use without its secret.
    let theirs = confidential.sign_in(&mut Browser::of("ada")).await;
    let mut public = confidential.clone();
    "none".clone_into(&mut public.auth_method);
    is_error(&public.refresh(&theirs.refresh).await, 401, "invalid_client");
    is_error(&client.refresh(&theirs.refresh).await, 400, "invalid_grant");
    is_alive(&world, &confidential, &theirs).await;
}

async fn parallel_refreshes(ground: &Ground) {
    let world = ground.world().await;
    let (client, tokens) = signed_in(&world, L).await;
    let refresh = async || Tokens::from(client.refresh(&tokens.refresh).await);
    let (a, b, c, d) = tokio::join!(refresh(), refresh(), refresh(), refresh());
    let (e, f, g, h) = tokio::join!(refresh(), refresh(), refresh(), refresh());
    let all = [a, b, c, d, e, f, g, h];
    let successors: BTreeSet<&str> = all.iter().map(|tokens| tokens.refresh.as_str()).collect();
    let accesses: BTreeSet<&str> = all.iter().map(|tokens| tokens.access.as_str()).collect();
    assert_eq!((successors.len(), accesses.len()), (1, 8));
    assert_eq!(world.counts().await.sessions, 1, "one lineage");
    is_alive(&world, &client, &all[0]).await;
}

async fn no_wider_scope(ground: &Ground) {
    let world = ground.world().await;
    let (client, tokens) = signed_in(&world, L).await;
    let refresh = async |name: &str, value: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str()), (name, value)];
        client.token(&form).await
    };
    for scope in ["mcp:erase", "mcp mcp:erase"] {
        is_error(&refresh("scope", scope).await, 400, "invalid_scope");
    }
    for resource in ["https://other.example/mcp", "mcp", &world.url("/other")] {
        is_error(&refresh("resource", resource).await, 400, "invalid_target");
    }
    // Nothing of this advanced the counter. What does not exist is dropped, as at authorize.
    for scope in ["mcp", "root mcp", "root"] {
        assert_eq!(refresh("scope", scope).await.expect(200).json()["scope"], "mcp", "{scope}");
    }
    // A narrower one is for this access token, and not for the session.
    let mut wide = Client::register(&world, &[L]).await;
    "mcp mcp:erase".clone_into(&mut wide.scope);
    let tokens = wide.sign_in(&mut Browser::of("ada")).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str()), ("scope", "mcp")];
    let narrow = Tokens::from(wide.token(&form).await);
    assert_eq!(claims(&narrow.access)["scope"], "mcp");
    assert_eq!(wide.refresh(&narrow.refresh).await.expect(200).json()["scope"], "mcp mcp:erase");
}

async fn sessions_end(ground: &Ground) {
    let seconds = |text: &str| Some(text.to_owned());
    let idle = ground
        .world_with(|options| {
            (options.access_token_ttl, options.refresh_idle_ttl) = (seconds("60"), seconds("2"));
            options.refresh_absolute_ttl = seconds("3600");
        })
        .await;
    let absolute = ground
        .world_with(|options| {
            (options.access_token_ttl, options.refresh_idle_ttl) = (seconds("60"), seconds("6"));
            options.refresh_absolute_ttl = seconds("6");
        })
        .await;
    let (idler, left_alone) = signed_in(&idle, L).await;
    let (busy, mut used) = signed_in(&absolute, L).await;
    let end = tokio::time::Instant::now() + Duration::from_secs(7);
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        used = Tokens::from(busy.refresh(&used.refresh).await);
        assert!(used.answer["expires_in"].as_u64().unwrap() <= 6, "an access token never outlives its session");
    }
    tokio::time::sleep_until(end).await;
    is_error(&idler.refresh(&left_alone.refresh).await, 400, "invalid_grant");
    is_error(&busy.refresh(&used.refresh).await, 400, "invalid_grant");
    assert_eq!(bearer(&absolute, &used.access).await, 401);
}

async fn forged_tokens(ground: &Ground) {
    let world = ground.world().await;
    let (client, tokens) = signed_in(&world, L).await;
    let other = client.sign_in(&mut Browser::of("bob")).await;
    let bytes = |token: &str| URL_SAFE_NO_PAD.decode(token.strip_prefix("dcrr1_").unwrap()).unwrap();
    let text = |bytes: &[u8]| format!("dcrr1_{}", URL_SAFE_NO_PAD.encode(bytes));
    let (own, others) = (bytes(&tokens.refresh), bytes(&other.refresh));
    for bit in 0..own.len() * 8 {
        let mut changed = own.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        is_error(&client.refresh(&text(&changed)).await, 400, "invalid_grant");
    }
    // Parts of two real ones, put together; the next generation; cut, extended, and in other words.
    for cut in [12, 20, 24] {
        is_error(&client.refresh(&text(&[&own[..cut], &others[cut..]].concat())).await, 400, "invalid_grant");
        is_error(&client.refresh(&text(&own[..cut])).await, 400, "invalid_grant");
    }
    let token = &tokens.refresh;
    for other in [
        format!("{token}="),
        format!("{token}A"),
        token.to_ascii_uppercase(),
        token[1..].to_owned(),
        format!("{token} "),
    ] {
        is_error(&client.refresh(&other).await, 400, "invalid_grant");
    }
    is_alive(&world, &client, &tokens).await;
    is_alive(&world, &client, &other).await;
}

async fn many_generations_back(ground: &Ground) {
    let world = ground.world_with(|options| options.refresh_grace = Some("2".to_owned())).await;
    let (client, first) = signed_in(&world, P).await;
    let mut tokens = first.clone();
    for _ in 0..12 {
        tokens = Tokens::from(client.refresh(&tokens.refresh).await);
    }
    // Inside the window in which a slow answer explains it, it is refused and no more.
    let refused = client.refresh(&first.refresh).await;
    is_error(&refused, 400, "invalid_grant");
    assert_eq!(bearer(&world, &tokens.access).await, 200);
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    is_error(&client.refresh(&first.refresh).await, 400, "invalid_grant");
    is_dead(&world, &client, &tokens).await;
}
