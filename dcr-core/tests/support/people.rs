//! A person who signs in to pages of this server.

use bytes::Bytes;
use dcr_core::record::{Event, EventKind};
use dcr_core::session::UserId;
use dcr_core::store::{EventQuery, Store as _};
use dcr_core::{AdminAccess, AdminPeople};
use http::{Response, StatusCode};

use super::{Browser, World, location, query_of, text};

pub const CONSOLE: &str = "/oauth/admin";
pub const CONNECTIONS: &str = "/oauth/connections";
pub const CONSOLE_COOKIE: &str = "__Host-dcr-console";
pub const CONNECTIONS_COOKIE: &str = "__Host-dcr-connections";

pub fn ada() -> AdminPeople {
    AdminPeople::new().users(["ada@test.example".to_owned()])
}

pub async fn world() -> World {
    World::with(|builder| builder.admin(AdminAccess::people(ada()).unwrap())).await
}

pub fn user(name: &str) -> UserId {
    UserId::derive("https://idp.example", "test-tenant", name)
}

/// Presses the button of the sign-in page of `area`; answers the upstream `state`.
pub async fn begin(world: &World, browser: &mut Browser, area: &str) -> String {
    let page = browser.visit(world, area).await;
    assert_eq!(page.status(), StatusCode::OK, "{}", text(&page));
    assert!(text(&page).contains(&format!("action=\"{area}/sign-in\"")), "{}", text(&page));
    let sent = browser.post(world, &format!("{area}/sign-in"), &[("next", area)]).await;
    assert_eq!(sent.status(), StatusCode::SEE_OTHER, "{}", text(&sent));
    assert!(location(&sent).contains("prompt=select_account"));
    query_of(&location(&sent))["state"].clone()
}

/// Signs `person` in to `area`.
pub async fn sign_in(world: &World, area: &str, person: &str) -> Browser {
    let mut browser = Browser::default();
    let state = begin(world, &mut browser, area).await;
    let back = world.callback(&mut browser, &state, person).await;
    assert_eq!(back.status(), StatusCode::OK, "{}", text(&back));
    assert_eq!(back.headers()["refresh"], format!("0; url={area}"));
    browser
}

/// The token in the forms of a page.
pub fn token(page: &Response<Bytes>) -> String {
    let page = text(page);
    let at = page.find("name=\"token\" value=\"").unwrap_or_else(|| panic!("no form: {page}")) + 20;
    page[at..].split('"').next().unwrap().to_owned()
}

pub async fn events(world: &World, kind: EventKind) -> Vec<Event> {
    let query = EventQuery { kind: Some(kind), limit: 100, ..EventQuery::default() };
    world.test.memory().events(&query).await.unwrap()
}

#[track_caller]
pub fn assert_refused(response: &Response<Bytes>, status: u16, reason: &str) {
    assert_eq!(response.status().as_u16(), status, "{}", text(response));
    assert!(text(response).contains(reason), "{reason}: {}", text(response));
    assert_eq!(response.headers()["cache-control"], "no-store");
}

pub fn is_sign_in_page(response: &Response<Bytes>) -> bool {
    response.status() == StatusCode::OK && text(response).contains("/sign-in\"")
}
