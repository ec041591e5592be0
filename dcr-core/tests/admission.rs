//! Admission: who may come in, by groups, roles, resource and the host's own policy. A refusal is a page with a way back
//! that says `access_denied`, and is on the record.

mod support;

use std::sync::Arc;

use dcr_core::record::EventKind;
use dcr_core::store::{EventQuery, UserQuery};
use dcr_core::upstream::{
    Admission, AdmissionPolicy, Applicant, Groups, Identified, Identity, IdentityProvider, LoginAnswer, LoginError,
    LoginRequest, NotAdmitted, Roles, UpstreamError,
};
use dcr_core::{DcrEngineBuilder, Resource};
use http::StatusCode;

use crate::support::*;

/// Logs in who the test says: `name group,group role,role`, where the groups `*` are too many.
#[derive(Debug)]
struct Login(dcr_core::testing::StubProvider);

#[async_trait::async_trait]
impl IdentityProvider for Login {
    fn name(&self) -> &'static str {
        "Test login"
    }

    async fn login_url(&self, request: LoginRequest<'_>) -> Result<String, UpstreamError> {
        self.0.login_url(request).await
    }

    async fn identify(&self, answer: LoginAnswer<'_>) -> Result<Identified, UpstreamError> {
        let mut words = answer.code.split(' ');
        let name = words.next().unwrap_or_default();
        let mut list = || list(&words.next().unwrap_or_default().split(',').collect::<Vec<_>>());
        let groups = match list() {
            groups if groups == ["*"] => Groups::TooMany,
            groups => Groups::Listed(groups),
        };
        let roles = Roles::new(list());
        let identified = self.0.identify(LoginAnswer { code: name, ..answer }).await?;
        Ok(Identified { identity: Identity { groups, roles, ..identified.identity }, ..identified })
    }

    fn explain(&self, error: LoginError<'_>) -> UpstreamError {
        self.0.explain(error)
    }
}

fn list(entries: &[&str]) -> Vec<String> {
    entries.iter().map(|entry| (*entry).to_owned()).collect()
}

async fn world(change: impl FnOnce(DcrEngineBuilder) -> DcrEngineBuilder) -> World {
    World::with(|builder| change(builder.provider(Arc::new(Login(dcr_core::testing::StubProvider))))).await
}

/// Signs somebody in at a resource: the client's answer, or the page's words.
async fn sign_in(world: &World, resource: Option<&str>, person: &str) -> Result<Tokens, (StatusCode, String)> {
    let id = world.public_client(&[P]).await;
    let mut browser = Browser::default();
    let mut fields = request_for(&id, P);
    fields.retain(|(name, _)| *name != "resource");
    fields.extend(resource.map(|resource| ("resource", resource)));
    let state = world.approve(&mut browser, &fields).await;
    let answer = world.callback(&mut browser, &state, person).await;
    if answer.status() != StatusCode::SEE_OTHER {
        return Err((answer.status(), text(&answer)));
    }
    let code = query_of(&location(&answer))["code"].clone();
    let mut redemption = redemption(&id, P, &code);
    redemption.retain(|(name, _)| *name != "resource");
    Ok(tokens(&world.token(&redemption).await))
}

async fn reasons(world: &World) -> Vec<(EventKind, String, bool)> {
    let query = EventQuery { limit: 10, ..EventQuery::default() };
    let events = world.engine.store().events(&query).await.unwrap();
    events.into_iter().map(|event| (event.kind, event.reason, event.user.is_some())).collect()
}

#[tokio::test]
async fn a_group_or_a_role_lets_in_and_both_reach_the_principal() {
    let world =
        world(|builder| builder.admission(Admission::default().groups(list(&["staff"])).roles(list(&["Guest"])))).await;
    for person in ["Ada staff,board", "Bob other Guest"] {
        let tokens = sign_in(&world, None, person).await.unwrap();
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", format!("Bearer {}", tokens.access).parse().unwrap());
        let principal = world.engine.authenticate(&headers, None).await.unwrap();
        assert_eq!(principal.groups().contain("board"), person.contains("board"));
        assert_eq!(principal.has_role("Guest"), person.contains("Guest"));
        assert!(!principal.has_role("guest") && !principal.groups().contain("Board"));
    }
    assert_eq!(sign_in(&world, None, "Eve other User").await.unwrap_err().0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn groups_that_the_provider_does_not_list_are_neither_enough_nor_none() {
    let world = world(|builder| builder.admission(Admission::default().groups(list(&["staff"])))).await;
    let (status, page) = sign_in(&world, None, "Ada *").await.unwrap_err();
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(page.contains("they are too many") && page.contains("error=access_denied"), "{page}");
    assert_eq!(reasons(&world).await, [(EventKind::Refused, "groups_unknown".to_owned(), true)]);
    let counts = world.engine.store().counts().await.unwrap();
    assert_eq!((counts.users, counts.sessions), (0, 0));
}

#[tokio::test]
async fn a_resource_may_be_for_fewer_people_than_the_others() {
    let world = world(|builder| {
        let board = Admission::default().groups(list(&["board"]));
        let minutes = Resource::new("/minutes", "Minutes of the board").scope("minutes", "Read them").admission(board);
        builder.resource(minutes).admission(Admission::default().tenants(list(&["test-tenant"])))
    })
    .await;
    let minutes = world.engine.resources().find(|uri| uri.ends_with("/minutes")).unwrap().to_owned();
    sign_in(&world, Some(&minutes), "Ada staff,board").await.unwrap();
    sign_in(&world, None, "Bob staff").await.unwrap();
    let (status, page) = sign_in(&world, Some(&minutes), "Bob staff").await.unwrap_err();
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(page.contains("may not use this server") && page.contains("error=access_denied"), "{page}");
    assert!(reasons(&world).await.contains(&(EventKind::Refused, "not_admitted".to_owned(), true)));
}

/// The host application's own: asks a list of its own, which may be out of order.
#[derive(Debug)]
struct Duty;

#[async_trait::async_trait]
impl AdmissionPolicy for Duty {
    async fn admit(&self, applicant: Applicant<'_>) -> Result<(), NotAdmitted> {
        assert!(applicant.resource.ends_with("/mcp") && applicant.client_id.as_str().starts_with("dcr"));
        match applicant.identity.object_id.as_str() {
            "ada" => Ok(()),
            "bob" => Err(NotAdmitted::Refused("not on duty".to_owned())),
            _ => Err(NotAdmitted::Unavailable("no answer".to_owned())),
        }
    }
}

#[tokio::test]
async fn the_hosts_own_policy_decides_after_the_lists() {
    let world = world(|builder| {
        builder.admission(Admission::default().users(list(&["ada", "bob", "carol"]))).admission_policy(Duty)
    })
    .await;
    sign_in(&world, None, "Ada").await.unwrap();
    assert_eq!(sign_in(&world, None, "Bob").await.unwrap_err().0, StatusCode::FORBIDDEN);
    // What cannot be found out is no refusal: it says when to try again, and lets nobody in.
    let (status, page) = sign_in(&world, None, "Carol").await.unwrap_err();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.contains("error=temporarily_unavailable"), "{page}");
    // Who is on no list is not asked about: the policy would not answer.
    assert_eq!(sign_in(&world, None, "Dan").await.unwrap_err().0, StatusCode::FORBIDDEN);
    let refused: Vec<_> = reasons(&world).await.into_iter().filter(|(kind, ..)| *kind == EventKind::Refused).collect();
    assert_eq!(
        refused.iter().map(|(_, reason, _)| reason.as_str()).collect::<Vec<_>>(),
        ["not_admitted", "admission_unavailable", "not_admitted"]
    );
    let users = world.engine.store().users(&UserQuery { limit: 10, ..UserQuery::default() }).await.unwrap();
    assert_eq!(users.len(), 1);
}

#[tokio::test]
async fn what_somebody_was_in_is_forgotten_at_the_next_sign_in() {
    let world = world(|builder| builder).await;
    let first = sign_in(&world, None, "Ada staff,board Mcp.Admin").await.unwrap();
    sign_in(&world, None, "Ada staff").await.unwrap();
    // Also by a session that was there before.
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {}", first.access).parse().unwrap());
    let principal = world.engine.authenticate(&headers, None).await.unwrap();
    assert!(principal.groups().contain("staff") && !principal.groups().contain("board"));
    assert!(!principal.has_role("Mcp.Admin"));
}
