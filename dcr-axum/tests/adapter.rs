//! What the adapter itself does: mount, limit bodies, guard, extract.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use axum::routing::get;
use dcr_axum::CurrentPrincipal;
use dcr_core::testing::{Person, TestEngine};
use dcr_core::{AdminAccess, MAX_BODY, ScopeSet};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

async fn whoami(CurrentPrincipal(principal): CurrentPrincipal) -> String {
    principal.user().name.clone().unwrap_or_default()
}

async fn app() -> (TestEngine, Router) {
    let test = TestEngine::new().await;
    let admin = test.guard().scopes(ScopeSet::from_names(["mcp:admin"]).unwrap());
    let app = Router::new()
        .route("/mcp", get(whoami))
        .layer(test.guard())
        .merge(Router::new().route("/admin", get(whoami)).layer(admin))
        .route("/forgotten", get(whoami))
        .merge(dcr_axum::router(test.engine()));
    (test, app)
}

async fn send(app: &Router, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

fn get_with(path: &str, authorization: Option<HeaderValue>) -> Request<Body> {
    let mut request = Request::get(path);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_host_application_tests_itself_as_a_given_person() {
    let (test, app) = app().await;
    let ada = test.sign_in(&Person::named("Ada")).await;
    let (status, _, body) = send(&app, get_with("/mcp", Some(ada.authorization()))).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "Ada"));
}

#[tokio::test]
async fn without_a_token_there_is_a_challenge_and_without_a_scope_a_403() {
    let (test, app) = app().await;
    let (status, headers, _) = send(&app, get_with("/mcp", None)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let challenge = headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer resource_metadata=\"https://mcp.example/.well-known/"), "{challenge}");
    let few = ScopeSet::from_names(["mcp"]).unwrap();
    let narrow = test.sign_in_for_tests(&Person::named("Ada"), Some(&few)).await.unwrap();
    let (status, headers, _) = send(&app, get_with("/admin", Some(narrow.authorization()))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let challenge = headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("insufficient_scope") && challenge.contains("scope=\"mcp:admin\""), "{challenge}");
}

#[tokio::test]
async fn a_forgotten_guard_does_not_look_like_a_visitor() {
    let (test, app) = app().await;
    let ada = test.sign_in(&Person::named("Ada")).await;
    let (status, ..) = send(&app, get_with("/forgotten", Some(ada.authorization()))).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn every_path_of_the_engine_is_mounted_and_long_bodies_are_413() {
    let (test, app) = app().await;
    for path in test.paths() {
        let (status, ..) = send(&app, get_with(&path, None)).await;
        assert_ne!(status, StatusCode::NOT_FOUND, "{path}");
    }
    let request = Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(vec![b'a'; MAX_BODY + 1]))
        .unwrap();
    assert_eq!(send(&app, request).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn the_admin_api_is_served_where_it_is_mounted_and_nowhere_else() {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    for (apart, here) in [(false, StatusCode::OK), (true, StatusCode::NOT_FOUND)] {
        let access = AdminAccess::token(TOKEN).unwrap();
        let access = if apart { access.apart() } else { access };
        let test = TestEngine::with(|builder| builder.admin(access)).await;
        let (public, wall): (Router, Router) = (dcr_axum::router(test.engine()), dcr_axum::admin_router(&test));
        let ask = |path| get_with(path, Some(HeaderValue::from_static("Bearer 0123456789abcdef0123456789abcdef")));
        assert_eq!(send(&public, ask("/oauth/admin/api/v1/users")).await.0, here);
        let (status, headers, _) = send(&wall, ask("/oauth/admin/api/v1/users?limit=1")).await;
        assert_eq!((status, headers["content-type"].to_str().unwrap()), (StatusCode::OK, "application/json"));
        for path in ["/oauth/admin/api/v1", "/oauth/admin/api/v1/", "/oauth/admin/api/v1/users/a/b/c"] {
            let (status, headers, _) = send(&wall, ask(path)).await;
            let problem = headers["content-type"].to_str().unwrap();
            assert_eq!((status, problem), (StatusCode::NOT_FOUND, "application/problem+json"), "{path}");
        }
        assert_eq!(send(&wall, ask("/oauth/token")).await.0, StatusCode::NOT_FOUND);
    }
}
