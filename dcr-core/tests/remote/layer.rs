//! The guard elsewhere as a layer.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use dcr_core::remote::RemotePrincipal;
use dcr_core::{BearerLayer, InspectedBody};
use http_body_util::Full;
use tower_layer::Layer as _;
use tower_service::Service;

use crate::*;

/// Opens an MCP session called `inner`, and says in a header what session it was asked in.
#[derive(Clone)]
struct Mcp;

impl Service<Request<InspectedBody<Full<Bytes>>>> for Mcp {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<InspectedBody<Full<Bytes>>>) -> Self::Future {
        assert!(request.extensions().get::<RemotePrincipal>().is_some());
        assert!(!request.headers().contains_key("authorization"));
        let seen = request.headers().get("mcp-session-id").cloned();
        let mut response = Response::builder().header("mcp-session-id", "inner");
        if let Some(seen) = seen {
            response = response.header("x-seen", seen);
        }
        ready(Ok(response.body(Full::default()).unwrap()))
    }
}

async fn ask(
    layer: &BearerLayer<RemoteGuard>,
    token: &str,
    session: Option<&str>,
) -> (u16, Option<String>, Option<String>) {
    let mut request = Request::get("/mcp").header("authorization", format!("Bearer {token}"));
    if let Some(session) = session {
        request = request.header("mcp-session-id", session);
    }
    let response = layer.layer(Mcp).call(request.body(Full::default()).unwrap()).await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), header("mcp-session-id"), header("x-seen"))
}

#[tokio::test]
async fn rs_09_a_session_of_mcp_elsewhere_belongs_to_who_opened_it_and_to_servers_of_one_secret() {
    let place = Elsewhere::with(|builder| builder.session_secret(secret(7))).await;
    let ada = place.sign_in(TOOLS, "").await;
    let again = place.sign_in(TOOLS, "").await;
    let layer = place.guard.guard();
    let (status, session, seen) = ask(&layer, &ada.access, None).await;
    let session = session.unwrap();
    assert_eq!((status, seen), (200, None));
    assert!(session.starts_with("inner.") && session.len() > 20, "{session}");
    // Another token of the same person and client, as after a refresh.
    assert_eq!(ask(&layer, &again.access, Some(&session)).await.2.as_deref(), Some("inner"));
    for forged in ["inner", "inner.", "inner.AAAAAAAAAAAAAAAAAAAAAA", &format!("x{session}")] {
        assert_eq!(ask(&layer, &ada.access, Some(forged)).await.0, 404, "{forged}");
    }
    let beside = |secret| {
        let builder = RemoteGuard::builder(ISSUER, TOOLS).scope("tools").fetch(place.wire.clone());
        builder.clock(place.clock.clone()).session_secret(secret).build().unwrap().guard()
    };
    assert_eq!(ask(&beside(secret(7)), &ada.access, Some(&session)).await.0, 200);
    assert_eq!(ask(&beside(secret(8)), &ada.access, Some(&session)).await.0, 404);
}

#[tokio::test]
async fn routes_demand_scopes_and_the_challenge_is_the_remote_resources() {
    let place = Elsewhere::new().await;
    let admin = ScopeSet::from_names(["tools:admin"]).unwrap();
    let layer = place.guard.guard().scopes(admin);
    let (narrow, broad) = (place.sign_in(TOOLS, "").await, place.sign_in(TOOLS, "tools:admin").await);
    assert_eq!(ask(&layer, &broad.access, None).await.0, 200);
    let refused = layer.check(&bearer(&narrow.access)).await.unwrap_err();
    assert_eq!(refused.status(), 403);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains("https://tools.example/.well-known/oauth-protected-resource/mcp"), "{challenge}");
    assert!(challenge.ends_with("scope=\"tools:admin\""), "{challenge}");
    place.cut(true);
    let blind = Elsewhere::new().await;
    blind.cut(true);
    let silent = blind.guard.guard().check(&bearer(&narrow.access)).await.unwrap_err();
    assert_eq!(silent.status(), 503);
    assert!(!silent.headers().contains_key("www-authenticate") && silent.headers().contains_key("retry-after"));
}
