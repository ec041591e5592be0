//! Client ids of an older system, through whole flows.

mod support;

use dcr_core::record::EventKind;
use dcr_core::store::{EventQuery, Imported, Store as _, Target};
use dcr_core::upstream::{Groups, Roles};
use dcr_core::{
    AdoptionPolicy, ClientId, ImportedClient, ImportedUse, PlatformList, RegistrationPolicy, Timestamp,
    session::{User, UserId},
};
use http::StatusCode;
use support::*;

const OLD: &str = "dcr_4F1c2A-old.id";
const APP: &str = "https://app.example/cb";

/// What the older system knew: this person used one client with these redirect URIs.
fn knew(person: &str, id: &str, name: &str, redirects: &[&str]) -> ImportedUse {
    let (client, refused) =
        ImportedClient::new(ClientId::new(id).unwrap(), Some(name), redirects.iter().copied()).unwrap();
    assert_eq!(refused, []);
    let platforms = PlatformList::shipped();
    let object_id = person.to_lowercase();
    ImportedUse {
        user: User {
            // As the test provider logs them in.
            id: UserId::derive("https://idp.example", "test-tenant", &object_id),
            issuer: "https://idp.example".to_owned(),
            tenant: "test-tenant".to_owned(),
            object_id,
            name: None,
            email: None,
            groups: Groups::Unsaid,
            roles: Roles::default(),
        },
        software: client.software(&platforms),
        platform: client.platform(&platforms),
        clients: vec![client],
        first_used_at: Timestamp::from_unix_seconds(1_600_000_000),
        last_used_at: Timestamp::from_unix_seconds(1_700_000_000),
    }
}

async fn import(world: &World, known: ImportedUse) -> Imported {
    world.engine.operator().import(known).await.unwrap()
}

async fn with_import(redirects: &[&str]) -> (World, Imported) {
    let world = World::new().await;
    let imported = import(&world, knew("Ada", OLD, "Old app", redirects)).await;
    (world, imported)
}

#[tokio::test]
async fn an_old_id_signs_in_under_its_recorded_redirect_as_itself_and_joins_its_connection() {
    for redirect in [P, L, APP] {
        let (world, imported) = with_import(&[redirect]).await;
        let held = world.sign_in(OLD, redirect, "Ada").await;
        assert_eq!(claims(&held.access)["client_id"], OLD, "byte for byte");
        assert_eq!(claims(&held.access)["con"], imported.connection.to_string(), "{redirect}: the imported connection");
        let next = tokens(&world.refresh(OLD, &held.refresh).await);
        assert_eq!(claims(&next.access)["client_id"], OLD);
        assert!(world.accepts(&next.access).await);
        let counts = world.test.memory().counts().await.unwrap();
        assert_eq!((counts.users, counts.connections, counts.aliases, counts.sessions), (1, 1, 1, 1));
        let fields = [("client_id", OLD), ("token", next.refresh.as_str())];
        assert_eq!(world.form("/oauth/revoke", &fields, &[]).await.status(), StatusCode::OK);
        assert!(!world.accepts(&next.access).await);
    }
}

/// REDIR-13: any unprivileged port of the loopback host that was recorded, and nothing else of it.
#[tokio::test]
async fn a_recorded_loopback_redirect_is_good_on_any_port() {
    let (world, imported) = with_import(&["http://localhost:33418/callback"]).await;
    for redirect in ["http://localhost:1024/callback", "http://localhost:65535/callback", "http://localhost/callback"] {
        let held = world.sign_in(OLD, redirect, "Ada").await;
        assert_eq!(claims(&held.access)["con"], imported.connection.to_string());
    }
    for other in ["http://127.0.0.1:33418/callback", "http://localhost:33418/other", "http://localhost:80/callback"] {
        assert_page(&world.authorize(&mut Browser::default(), &request_for(OLD, other)).await);
    }
}

/// The same software under a newly registered id, and under an id that is adopted: one connection (MERGE-11).
#[tokio::test]
async fn new_ids_of_the_same_software_join_the_imported_connection_and_lend_it_nothing() {
    let (world, imported) = with_import(&[P]).await;
    let registered = world.public_client(&[P]).await;
    let mut all = Vec::new();
    for id in [OLD, registered.as_str(), U] {
        let held = world.sign_in(id, P, "Ada").await;
        assert_eq!(claims(&held.access)["con"], imported.connection.to_string(), "{id}");
        all.push((id, held));
    }
    // ME-1: nobody refreshes another one's token, however much they are one software.
    assert_error(&world.refresh(&registered, &all[0].1.refresh).await, 400, "invalid_grant");
    assert_error(&world.refresh(OLD, &all[1].1.refresh).await, 400, "invalid_grant");
    for (id, held) in &all {
        tokens(&world.refresh(id, &held.refresh).await);
    }
    // Another person gets a connection of their own, and the import knows nothing of them.
    let bob = world.sign_in(OLD, P, "Bob").await;
    assert_ne!(claims(&bob.access)["con"], imported.connection.to_string());
}

/// AD-1, AD-3: the id is known, so it is never adopted, also where an unknown one would be.
#[tokio::test]
async fn another_redirect_is_refused_even_where_any_unknown_id_would_be_adopted() {
    let (world, _) = with_import(&[APP]).await;
    for redirect in [P, L, E, "https://app.example/cb/", "https://app.example/CB"] {
        assert_page(&world.authorize(&mut Browser::default(), &request_for(OLD, redirect)).await);
    }
    assert_eq!(world.authorize(&mut Browser::default(), &request_for(U, P)).await.status(), StatusCode::OK);
    // HTTP-03: its lookalikes are other ids. Unknown ones, so they are adopted, and as themselves.
    let upper = OLD.to_uppercase();
    assert_page(&world.authorize(&mut Browser::default(), &request_for(&upper, APP)).await);
    let lookalike = world.sign_in(&upper, P, "Ada").await;
    assert_eq!(claims(&lookalike.access)["client_id"], upper.as_str());
}

#[tokio::test]
async fn it_works_where_adoption_is_off() {
    let world = World::with(|builder| builder.adoption(AdoptionPolicy::Off)).await;
    import(&world, knew("Ada", OLD, "Old app", &[P])).await;
    assert_page(&world.authorize(&mut Browser::default(), &request_for(U, P)).await);
    world.sign_in(OLD, P, "Ada").await;
}

#[tokio::test]
async fn the_consent_page_does_not_call_it_unregistered_and_shows_its_name_as_its_own_words() {
    let (world, _) = with_import(&[P]).await;
    let page = text(&world.authorize(&mut Browser::default(), &request_for(OLD, P)).await);
    assert!(!page.contains("not registered") && page.contains("Old app") && page.contains("its own words"), "{page}");
    assert!(page.contains("Taken over from an earlier system"), "{page}");
    let unknown = text(&world.authorize(&mut Browser::default(), &request_for(U, P)).await);
    assert!(unknown.contains("not registered"));
    // SR-12: protections follow the redirect. A local program is warned of as ever, and upstream asks for the account.
    let (world, _) = with_import(&[L]).await;
    let mut browser = Browser::default();
    let page = world.authorize(&mut browser, &request_for(OLD, L)).await;
    assert!(text(&page).contains("only if you started this"));
    assert!(location(&world.decide(&mut browser, &page, "approve").await).contains("prompt=select_account"));
}

/// I-10: what an older system kept as a name is a stranger's text here too.
#[tokio::test]
async fn its_name_is_escaped_and_bounded() {
    let world = World::new().await;
    let name = format!("<img src=x onerror=alert(1)>\u{202E}{}", "x".repeat(10_000));
    import(&world, knew("Ada", OLD, &name, &[P])).await;
    let page = text(&world.authorize(&mut Browser::default(), &request_for(OLD, P)).await);
    assert!(!page.contains("<img") && !page.contains('\u{202E}') && page.len() < 20_000);
}

/// SR-16, ADOPT-20: the secret that it had is not known here.
#[tokio::test]
async fn a_secret_that_comes_along_is_remembered_and_then_required() {
    let (world, _) = with_import(&[P]).await;
    let code = world.code(OLD, P, "Ada").await;
    let mut fields = redemption(OLD, P, &code);
    fields.push(("client_secret", "s1"));
    let held = tokens(&world.token(&fields).await);
    let refresh = async |secret: &str| {
        let fields = [("grant_type", "refresh_token"), ("client_id", OLD), ("refresh_token", held.refresh.as_str())];
        world.token(&change(&fields, "client_secret", secret)).await
    };
    assert_error(&refresh("").await, 401, "invalid_client");
    assert_error(&refresh("s2").await, 401, "invalid_client");
    assert!(world.accepts(&held.access).await, "the session is unharmed");
    tokens(&refresh("s1").await);
    // Each session remembers for itself.
    let other = world.sign_in(OLD, P, "Ada").await;
    tokens(&world.refresh(OLD, &other.refresh).await);
}

/// TK-12: `invalid_client` makes clients throw their id away; an imported one is to be kept.
#[tokio::test]
async fn its_dead_grants_are_invalid_grant_and_never_invalid_client() {
    let (world, _) = with_import(&[P]).await;
    assert_error(&world.token(&redemption(OLD, P, "a code of the older system")).await, 400, "invalid_grant");
    assert_error(&world.refresh(OLD, "a refresh token of the older system").await, 400, "invalid_grant");
    let fields = redemption(OLD, P, "a code of the older system");
    let with_secret = [&fields[..], &[("client_secret", "its old secret")]].concat();
    assert_error(&world.token(&with_secret).await, 400, "invalid_grant");
    assert_eq!(
        world.form("/oauth/revoke", &[("client_id", OLD), ("token", "old")], &[]).await.status(),
        StatusCode::OK
    );
    assert_error(&world.refresh(U, "a refresh token of the older system").await, 401, "invalid_client");
}

/// Trusted like a registered client, and no more.
#[tokio::test]
async fn the_registration_policy_applies_to_it_by_class() {
    for (policy, accepted) in [
        (RegistrationPolicy::Open, [true, true, true]),
        (RegistrationPolicy::PlatformsAndLoopback, [true, true, false]),
        (RegistrationPolicy::Off, [false, false, false]),
    ] {
        let world = World::with(|builder| builder.registration(policy).adoption(AdoptionPolicy::Off)).await;
        import(&world, knew("Ada", OLD, "Old app", &[P, L, APP])).await;
        for (redirect, accepted) in [P, L, APP].into_iter().zip(accepted) {
            let page = world.authorize(&mut Browser::default(), &request_for(OLD, redirect)).await;
            assert_eq!(page.status() == StatusCode::OK, accepted, "{policy:?} {redirect}");
        }
    }
}

/// AD-8: a block that was there before, and one that comes later.
#[tokio::test]
async fn a_blocked_id_stays_blocked() {
    let world = World::new().await;
    let target = Target::ClientId(ClientId::new(OLD).unwrap());
    world.engine.block(&target, "incident").await.unwrap();
    import(&world, knew("Ada", OLD, "Old app", &[P])).await;
    let refused = world.authorize(&mut Browser::default(), &request_for(OLD, P)).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{}", text(&refused));
    world.engine.unblock(&target, "over").await.unwrap();
    let held = world.sign_in(OLD, P, "Ada").await;
    world.engine.block(&target, "again").await.unwrap();
    assert!(!world.accepts(&held.access).await);
    assert_error(&world.refresh(OLD, &held.refresh).await, 400, "invalid_grant");
    import(&world, knew("Ada", OLD, "Old app", &[P])).await;
    assert_eq!(world.authorize(&mut Browser::default(), &request_for(OLD, P)).await.status(), StatusCode::FORBIDDEN);
}

/// TK-12: never an unknown client where nobody could look. Ids that need no look are not held up here.
#[tokio::test]
async fn a_store_that_is_down_at_authorize_is_a_503_page_and_the_same_request_works_later() {
    let (world, _) = with_import(&[P]).await;
    let mut browser = Browser::default();
    world.test.memory().fail(true);
    let page = browser.visit(&world, &format!("/oauth/authorize?{}", encode(&request_for(OLD, P)))).await;
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(&page).starts_with("<!doctype html>") && page.headers().contains_key("retry-after"));
    assert!(!page.headers().contains_key("location"));
    let refused = world.refresh(OLD, "a refresh token of the older system").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    world.test.memory().fail(false);
    world.sign_in(OLD, P, "Ada").await;
}

#[test]
fn an_import_changed_something_if_any_row_is_new() {
    let connection = dcr_core::session::ConnectionId::from_bytes([1; 16]);
    let nothing = Imported { connection, new_user: false, new_connection: false, new_aliases: 0, new_clients: 0 };
    assert!(!nothing.changed());
    for something in [
        Imported { new_user: true, ..nothing },
        Imported { new_connection: true, ..nothing },
        Imported { new_aliases: 1, ..nothing },
        Imported { new_clients: 1, ..nothing },
    ] {
        assert!(something.changed(), "{something:?}");
    }
}

/// I-1: an import is one event; nothing of it is a session, and nobody is signed in by it.
#[tokio::test]
async fn an_import_signs_nobody_in_and_is_on_the_record_once() {
    let (world, first) = with_import(&[P]).await;
    assert!(first.changed());
    assert!(!import(&world, knew("Ada", OLD, "Old app", &[P])).await.changed());
    let events = world.test.memory().events(&EventQuery { limit: 10, ..EventQuery::default() }).await.unwrap();
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Imported]);
    assert_eq!(world.test.memory().counts().await.unwrap().sessions, 0);
}
