//! One connection for a person and a software: a label, which opens nothing.

use dcr_core::store::{EventQuery, Target};
use dcr_core::{ClientId, Platform};
use dcr_e2e::{Browser, Client, Site, Tokens};
use serde_json::{Value, json};

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{Asking, E, L, P, U, bearer, claims, is_alive, is_error, is_page, is_refusal, register};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "MERGE-01" => siblings_do_not_share_tokens, "two ids of one platform are one connection, and neither refreshes the other's token";
        "MERGE-05" "ME-3" "ME-7" => a_look_alike_is_not_merged, "a client that looks like another, with a redirect more, is another";
        "MERGE-09" "ME-9" => a_second_device_signs_nobody_out, "a second device signs nobody out";
        "MERGE-11" => two_people_do_not_meet, "two people with one platform and one id do not meet";
        "ME-5" => scopes_are_not_united, "what one id was granted is not granted to its sibling";
        "ME-6" => a_secret_is_not_inherited, "a public sibling inherits nothing of one with a secret";
        "ME-10" => one_row_for_one_software, "however many ids and devices: one person, one connection";
        "ME-12" => a_block_reaches_every_alias, "a block of a platform reaches every id of it, and one of an id only that id";
        "ME-13" => the_record_says_the_presented_id, "tokens and the record say the id that was presented";
    }
}

async fn sibling(site: &Site, name: &str, redirects: &[&str]) -> Client {
    let metadata = json!({"client_name": name, "redirect_uris": redirects});
    Client::registered(site, &register(site, &metadata).await.expect(201).json())
}

fn connection(tokens: &Tokens) -> Value {
    claims(&tokens.access)["con"].clone()
}

async fn siblings_do_not_share_tokens(ground: &Ground) {
    let world = ground.world().await;
    let (a, b) = (sibling(&world, "A", &[P]).await, sibling(&world, "B", &[P]).await);
    assert_ne!(a.id, b.id);
    let (of_a, of_b) = (a.sign_in(&mut Browser::of("ada")).await, b.sign_in(&mut Browser::of("ada")).await);
    assert_eq!(connection(&of_a), connection(&of_b));
    is_error(&b.refresh(&of_a.refresh).await, 400, "invalid_grant");
    is_error(&a.refresh(&of_b.refresh).await, 400, "invalid_grant");
    // Nor does one revoke the other's (and it is not told so).
    b.revoke(&of_a.refresh).await.expect(200);
    is_alive(&world, &a, &of_a).await;
    is_alive(&world, &b, &of_b).await;
}

async fn a_look_alike_is_not_merged(ground: &Ground) {
    let world = ground.world().await;
    let honest = sibling(&world, "Claude", &[P]).await;
    let victims = honest.sign_in(&mut Browser::of("ada")).await;
    let greedy = json!({
        "client_name": "Claude", "redirect_uris": [P, E], "software_id": "claude", "client_uri": "https://claude.ai",
    });
    let attackers = Client::registered(&world, &register(&world, &greedy).await.expect(201).json());
    assert_ne!(attackers.id, honest.id);
    let hers = attackers.sign_in(&mut Browser::of("ada")).await;
    assert_ne!(connection(&hers), connection(&victims), "all redirects must be the platform's");
    let elsewhere = crate::support::at(&attackers, E).sign_in(&mut Browser::of("ada")).await;
    assert_ne!(connection(&elsewhere), connection(&victims));
    for _ in 0..2 {
        is_page(&Asking::of(&honest.id, E).get(&world).await);
        is_page(&Asking::of(U, E).get(&world).await);
        honest.sign_in(&mut Browser::of("ada")).await;
    }
    is_error(&attackers.refresh(&victims.refresh).await, 400, "invalid_grant");
    is_alive(&world, &honest, &victims).await;
}

async fn a_second_device_signs_nobody_out(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::register(&world, &[L]).await;
    let first = client.sign_in(&mut Browser::of("ada")).await;
    let mut others = Vec::new();
    for port in 4_000..4_004 {
        let client = Client::register(&world, &[&format!("http://localhost:{port}/callback")]).await;
        others.push((client.sign_in(&mut Browser::of("ada")).await, client));
    }
    for (tokens, client) in &others {
        assert_eq!(connection(tokens), connection(&first));
        is_alive(&world, client, tokens).await;
    }
    is_alive(&world, &client, &first).await;
}

async fn two_people_do_not_meet(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::unregistered(&world, U, P);
    let (ada, bob) = (client.sign_in(&mut Browser::of("ada")).await, client.sign_in(&mut Browser::of("bob")).await);
    for different in ["sub", "con", "sid"] {
        assert_ne!(claims(&ada.access)[different], claims(&bob.access)[different], "{different}");
    }
    assert_eq!(world.counts().await.connections, 2);
    // One signs out, the other stays.
    client.revoke(&ada.refresh).await.expect(200);
    assert_eq!(bearer(&world, &ada.access).await, 401);
    let bobs = is_alive(&world, &client, &bob).await;
    assert_eq!(world.whoami(&bobs.access).await["name"], "Bob Example");
}

async fn scopes_are_not_united(ground: &Ground) {
    let world = ground.world().await;
    let (mut wide, narrow) = (sibling(&world, "A", &[P]).await, sibling(&world, "B", &[P]).await);
    "mcp mcp:erase".clone_into(&mut wide.scope);
    let of_wide = wide.sign_in(&mut Browser::of("ada")).await;
    let of_narrow = narrow.sign_in(&mut Browser::of("ada")).await;
    assert_eq!(connection(&of_wide), connection(&of_narrow));
    assert_eq!(claims(&of_narrow.access)["scope"], "mcp");
    let form = [("grant_type", "refresh_token"), ("refresh_token", of_narrow.refresh.as_str()), ("scope", "mcp:erase")];
    is_error(&narrow.token(&form).await, 400, "invalid_scope");
    assert_eq!(claims(&is_alive(&world, &narrow, &of_narrow).await.access)["scope"], "mcp");
    assert_eq!(claims(&is_alive(&world, &wide, &of_wide).await.access)["scope"], "mcp mcp:erase");
}

async fn a_secret_is_not_inherited(ground: &Ground) {
    let world = ground.world().await;
    let confidential = Client::register_as(&world, &[P], "client_secret_post").await;
    let theirs = confidential.sign_in(&mut Browser::of("ada")).await;
    let public = sibling(&world, "Test client", &[P]).await;
    let own = public.sign_in(&mut Browser::of("ada")).await;
    // The platform's redirect proves the platform: one label.
    assert_eq!(connection(&theirs), connection(&own));
    is_error(&public.refresh(&theirs.refresh).await, 400, "invalid_grant");
    let introspect = async |form: &[(&str, &str)]| {
        dcr_e2e::Http::default().post_form(&world.url("/oauth/introspect"), &[], form).await
    };
    let asking = [("token", theirs.access.as_str()), ("client_id", public.id.as_str())];
    is_error(&introspect(&asking).await, 401, "invalid_client");
    // Off the platforms a client with a secret is alone.
    let other = "https://app.example/cb";
    let (one, two) = (
        Client::register_as(&world, &[other], "client_secret_post").await,
        sibling(&world, "Test client", &[other]).await,
    );
    let (one, two) = (one.sign_in(&mut Browser::of("ada")).await, two.sign_in(&mut Browser::of("ada")).await);
    assert_ne!(connection(&one), connection(&two));
}

async fn one_row_for_one_software(ground: &Ground) {
    let world = ground.world().await;
    for client in [
        sibling(&world, "A", &[P]).await,
        sibling(&world, "B", &[P]).await,
        Client::register_as(&world, &[P], "client_secret_basic").await,
        Client::unregistered(&world, U, P),
        Client::unregistered(&world, "another-id-from-long-ago", "https://claude.com/api/mcp/auth_callback"),
    ] {
        client.sign_in(&mut Browser::of("ada")).await;
    }
    let counts = world.counts().await;
    assert_eq!((counts.users, counts.connections, counts.aliases, counts.sessions), (1, 1, 5, 5));
}

async fn a_block_reaches_every_alias(ground: &Ground) {
    let world = ground.world().await;
    let (sealed, adopted, local) =
        (sibling(&world, "A", &[P]).await, Client::unregistered(&world, U, P), Client::unregistered(&world, U, L));
    let of_sealed = sealed.sign_in(&mut Browser::of("ada")).await;
    let of_adopted = adopted.sign_in(&mut Browser::of("ada")).await;
    let of_local = local.sign_in(&mut Browser::of("ada")).await;
    let engine = world.engine();
    engine.block(&Target::ClientId(ClientId::new(sealed.id.clone()).unwrap()), "test").await.unwrap();
    is_error(&sealed.refresh(&of_sealed.refresh).await, 400, "invalid_grant");
    is_refusal(&Asking::of(&sealed.id, P).get(&world).await, 403);
    is_alive(&world, &adopted, &of_adopted).await;
    engine.block(&Target::Platform(Platform::named("claude-web")), "test").await.unwrap();
    assert_eq!(bearer(&world, &of_adopted.access).await, 401);
    is_error(&adopted.refresh(&of_adopted.refresh).await, 400, "invalid_grant");
    for id in [U, "a-brand-new-id", &sibling(&world, "C", &[P]).await.id] {
        is_refusal(&Asking::of(id, P).get(&world).await, 403);
    }
    let next = is_alive(&world, &local, &of_local).await;
    engine.unblock(&Target::Platform(Platform::named("claude-web")), "test").await.unwrap();
    adopted.sign_in(&mut Browser::of("ada")).await;
    is_error(&adopted.refresh(&of_adopted.refresh).await, 400, "invalid_grant");
    is_alive(&world, &local, &next).await;
}

async fn the_record_says_the_presented_id(ground: &Ground) {
    let world = ground.world().await;
    let clients = [sibling(&world, "A", &[P]).await, Client::unregistered(&world, U, P)];
    for client in &clients {
        let tokens = client.sign_in(&mut Browser::of("ada")).await;
        assert_eq!(claims(&tokens.access)["client_id"], client.id.as_str());
        client.revoke(&tokens.refresh).await.expect(200);
    }
    let query = EventQuery { limit: 100, ..EventQuery::default() };
    let events = world.engine().store().events(&query).await.unwrap();
    for client in &clients {
        let of = events.iter().filter(|event| event.client_id.as_ref().is_some_and(|id| id.as_str() == client.id));
        assert_eq!(of.count(), 2, "signed in, and revoked: {events:?}");
    }
    let connections: std::collections::BTreeSet<_> =
        events.iter().filter_map(|event| event.connection.map(|id| id.to_string())).collect();
    assert_eq!(connections.len(), 1, "the label beside it: {events:?}");
}
