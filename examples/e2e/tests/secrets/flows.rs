//! Every flow, at the replica that the task is bound to. Each ends as it should, so that it is known to have happened.

use std::time::Duration;

use axum::Extension;
use axum::routing::post;
use dcr_core::remote::{RemoteGuard, RemotePrincipal};
use dcr_core::{Clock as _, SystemClock};
use dcr_dev_idp::Fault;
use dcr_e2e::{Answer, Browser, Client, Http, Landing, Tokens, call};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::stage::{MACHINE_SECRET, PORTAL, PUBLIC, RESOURCE_SERVER, SIGNING, SIGNING_REDIRECT, Stage};

const LOOPBACK: &str = "http://127.0.0.1:49152/callback";
const PLATFORM: &str = "https://claude.ai/api/mcp/auth_callback";
const ADOPTED: &str = "11111111-2222-3333-4444-555555555555";
const ASSERTION: (&str, &str) = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

pub(crate) async fn every_flow(stage: &Stage, replica: usize) {
    registered(stage).await;
    adopted(stage).await;
    documents(stage, replica).await;
    pinned(stage).await;
    machine(stage).await;
    managed(stage).await;
    denied_and_lost(stage).await;
    upstream_failures(stage).await;
    several_resources(stage).await;
    upstream_tokens(stage).await;
    if replica == 0 {
        elsewhere(stage).await;
    }
    refused_requests(stage).await;
    pages(stage).await;
}

async fn introspect(stage: &Stage, token: &str) -> Answer {
    let (id, secret) = RESOURCE_SERVER;
    let mut caller = Client::unregistered(stage.site(), id, LOOPBACK);
    (caller.auth_method, caller.secret) = ("client_secret_basic".to_owned(), Some(secret.to_owned()));
    let (authorization, _) = caller.credentials();
    let headers = [("authorization", authorization.as_str())];
    Http::default().post_form(&stage.site().url("/oauth/introspect"), &headers, &[("token", token)]).await
}

/// The life of a session: used, refreshed, refreshed again inside the grace, introspected, revoked; another one replayed.
async fn a_life(stage: &Stage, client: &Client, browser: &mut Browser) {
    let flow = client.authorize();
    let landed = browser.sign_in(&flow.url).await.client();
    let code = client.code(&flow, &landed);
    let first = Tokens::from(client.redeem(&code, &flow.verifier).await);
    assert_eq!(client.redeem(&code, &flow.verifier).await.status, 400);
    stage.site().whoami(&first.access).await;
    let second = Tokens::from(client.refresh(&first.refresh).await);
    let again = Tokens::from(client.refresh(&first.refresh).await);
    assert_eq!(again.refresh, second.refresh);
    for token in [&second.access, &second.refresh] {
        assert_eq!(introspect(stage, token).await.expect(200).json()["active"], true);
    }
    client.revoke(&second.refresh).await.expect(200);
    stage.site().mcp(&second.access, None, &call("whoami")).await.expect(401);
    assert_eq!(introspect(stage, &second.access).await.expect(200).json()["active"], false);
}

async fn registered(stage: &Stage) {
    let mut browser = Browser::of("ada");
    for (method, redirect) in [("none", LOOPBACK), ("client_secret_basic", PLATFORM), ("client_secret_post", PLATFORM)]
    {
        let client = Client::register_as(stage.site(), &[redirect], method).await;
        a_life(stage, &client, &mut browser).await;
        // A replay after the grace, which ends the session.
        let first = client.sign_in(&mut browser).await;
        let second = Tokens::from(client.refresh(&first.refresh).await);
        sleep(Duration::from_millis(1_100)).await;
        assert_eq!(client.refresh(&first.refresh).await.status, 400);
        assert_eq!(client.refresh(&second.refresh).await.status, 400);
        // Another secret, and none.
        let mut wrong = client.clone();
        wrong.secret = wrong.secret.map(|secret| format!("{}x", secret.chars().rev().collect::<String>()));
        if client.secret.is_some() {
            assert_eq!(wrong.refresh(&second.refresh).await.status, 401);
        }
    }
}

async fn adopted(stage: &Stage) {
    let mut client = Client::unregistered(stage.site(), ADOPTED, PLATFORM);
    a_life(stage, &client, &mut Browser::of("bob")).await;
    client.auth_method = "client_secret_post".to_owned();
    client.secret = Some("a-secret-that-an-old-client-remembers-77c1".to_owned());
    a_life(stage, &client, &mut Browser::of("bob")).await;
    let tokens = client.sign_in(&mut Browser::of("bob")).await;
    client.secret = Some("another-secret-that-it-never-had-3b9e".to_owned());
    assert_eq!(client.refresh(&tokens.refresh).await.status, 401, "SR-16");
}

async fn documents(stage: &Stage, replica: usize) {
    let public = Client::unregistered(stage.site(), &stage.documents.url(PUBLIC), LOOPBACK);
    a_life(stage, &public, &mut Browser::of("carol")).await;

    let id = stage.documents.url(SIGNING);
    let client = Client::unregistered(stage.site(), &id, SIGNING_REDIRECT);
    let flow = client.authorize();
    let landed = Browser::of("carol").sign_in(&flow.url).await.client();
    let code = client.code(&flow, &landed);
    let signed = async |form: &[(&str, &str)], jti: &str| {
        let jti = format!("{replica}-{jti}");
        let assertion = stage.key.assertion(&id, stage.site().base(), SystemClock.now(), &jti);
        client.token(&[form, &[ASSERTION, ("client_assertion", &assertion)]].concat()).await
    };
    let tokens = Tokens::from(signed(&client.redemption(&code, &flow.verifier), "1").await);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    signed(&refresh, "2").await.expect(200);
    signed(&refresh, "2").await.expect(401);
    let wrong = stage.key.assertion(&id, "https://elsewhere.example", SystemClock.now(), "3");
    client.token(&[&refresh[..], &[ASSERTION, ("client_assertion", &wrong)]].concat()).await.expect(401);
    client
        .token(&[&refresh[..], &[ASSERTION, ("client_assertion", "not-an-assertion-at-all")]].concat())
        .await
        .expect(401);
}

async fn pinned(stage: &Stage) {
    let client = Client::unregistered(stage.site(), "portal", PORTAL);
    let mut browser = Browser::of("dan");
    a_life(stage, &client, &mut browser).await;
    // Remembered now: straight to the provider.
    let login = browser.click(&client.authorize().url).await.page();
    browser.pick(&login).await.client();
}

async fn machine(stage: &Stage) {
    let mut client = Client::unregistered(stage.site(), "nightly-report", LOOPBACK);
    client.auth_method = "client_secret_basic".to_owned();
    client.secret = Some(MACHINE_SECRET.to_owned());
    let form = [("grant_type", "client_credentials"), ("scope", "mcp")];
    let token = client.token(&form).await.expect(200).json();
    let token = token["access_token"].as_str().expect("a token").to_owned();
    let session = stage.site().mcp_session(&token).await;
    stage.site().whoami_in(&token, &session).await;
    assert_eq!(introspect(stage, &token).await.expect(200).json()["active"], true);
    client.revoke(&token).await;
    client.secret = Some("not-the-secret-of-this-machine-5e21".to_owned());
    client.token(&form).await.expect(401);
}

async fn managed(stage: &Stage) {
    let metadata = json!({
        "client_name": "App", "redirect_uris": ["https://app.example/callback"], "token_endpoint_auth_method": "client_secret_post",
    });
    let http = Http::default();
    let answer = http.post_json(&stage.site().url("/oauth/register"), &[], &metadata).await.expect(201).json();
    let client = Client::registered(stage.site(), &answer);
    a_life(stage, &client, &mut Browser::of("ada")).await;
    let text =
        |answer: &Value, name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{name}: {answer}")).to_owned();
    let (uri, token) = (text(&answer, "registration_client_uri"), text(&answer, "registration_access_token"));
    let send = async |method: Method, token: &str, body: &Value| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        http.send(method, &uri, &headers, body).await
    };
    send(Method::GET, &token, &Value::Null).await.expect(200);
    send(Method::GET, &answer["client_secret"].to_string(), &Value::Null).await.expect(401);
    let mut change = metadata.clone();
    change["client_id"] = answer["client_id"].clone();
    change["client_secret"] = json!("a-secret-that-the-client-would-like-0c4d");
    send(Method::PUT, &token, &change).await.expect(400);
    change["client_secret"] = answer["client_secret"].clone();
    let changed = send(Method::PUT, &token, &change).await.expect(200).json();
    send(Method::GET, &token, &Value::Null).await.expect(401);
    send(Method::DELETE, &text(&changed, "registration_access_token"), &Value::Null).await.expect(204);
}

async fn denied_and_lost(stage: &Stage) {
    let client = Client::register(stage.site(), &[LOOPBACK]).await;
    let mut browser = Browser::of("ada");
    let page = browser.open(&client.authorize().url).await.page();
    browser.decide(&page, "deny").await.client();
    // The form from another browser; the callback in another browser, twice, and without anything.
    Browser::of("bob").decide(&page, "approve").await.page();
    let page = browser.open(&client.authorize().url).await.page();
    let approval = [browser.approval(&page, stage.site())].into_iter().collect::<dcr_e2e::Volley>().fire().await;
    let login = approval[0].answer.header("location").expect("to the provider").to_owned();
    let choice = Http::default().post_form(&login, &[], &[("user", "ada")]).await;
    let approved = dcr_e2e::Approved::of(&approval[0].answer, &choice);
    for value in approved.cookie.split("; ").filter_map(|pair| pair.split_once('=')) {
        stage.learn("cookie", value.1);
    }
    let callback = async |cookie: &str| {
        let headers = [("accept", "text/html"), ("cookie", cookie)];
        Http::default().get(approved.callback.as_str(), &headers).await.status.as_u16()
    };
    assert_eq!(callback("").await, 403);
    assert_eq!(callback(&approved.cookie.replace('=', "=x")).await, 403);
    assert_eq!(callback(&approved.cookie).await, 303);
    assert_eq!(callback(&approved.cookie).await, 400);
}

/// Every way in which a provider can fail, and what it says stays where it is.
async fn upstream_failures(stage: &Stage) {
    let idp = stage.cluster.idp();
    idp.faults().set_delay(Duration::from_millis(20));
    for fault in Fault::ALL {
        let client = Client::register(stage.site(), &[LOOPBACK]).await;
        idp.faults().set_once(*fault);
        let landed = Browser::of("ada").sign_in(&client.authorize().url).await;
        if let Landing::Client(url) = &landed
            && let Some((_, code)) = url.query_pairs().find(|(name, _)| name == "code")
        {
            stage.learn("code", code.as_bytes());
        }
        idp.faults().clear();
    }
    // Faults leave another key behind, which a server asks for once in some seconds.
    let client = Client::register(stage.site(), &[LOOPBACK]).await;
    for _ in 0..200 {
        if let Landing::Client(_) = Browser::of("ada").sign_in(&client.authorize().url).await {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(idp.update_user("ada", |user| user.disabled = true));
    let client = Client::register(stage.site(), &[LOOPBACK]).await;
    Browser::of("ada").sign_in(&client.authorize().url).await;
    assert!(idp.update_user("ada", |user| user.disabled = false));
}

async fn several_resources(stage: &Stage) {
    let mut client = Client::register(stage.site(), &[LOOPBACK]).await;
    let mut browser = Browser::of("ada");
    let narrow = client.sign_in(&mut browser).await;
    let session = stage.site().mcp_session(&narrow.access).await;
    stage.site().mcp(&narrow.access, Some(&session), &call("erase")).await.expect(403);
    // The session of one person with the token of another.
    let other = client.sign_in(&mut Browser::of("bob")).await;
    let foreign = stage.site().mcp(&other.access, Some(&session), &call("whoami")).await;
    assert!(matches!(foreign.status.as_u16(), 403 | 404), "{foreign:?}");
    client.scope = "mcp mcp:erase".to_owned();
    let wide = client.sign_in(&mut browser).await;
    let session = stage.site().mcp_session(&wide.access).await;
    stage.site().mcp(&wide.access, Some(&session), &call("erase")).await.expect(200);
    (client.resource, client.scope) = (stage.site().url("/notes"), "notes".to_owned());
    let notes = client.sign_in(&mut browser).await;
    stage.site().mcp_session_at("/notes", &notes.access).await;
    stage.site().mcp(&notes.access, None, &call("whoami")).await.expect(401);
}

/// A tool that asks the provider in a person's name: with a token of the login, of a refresh, and of one that is refused (I-9).
async fn upstream_tokens(stage: &Stage) {
    let idp = stage.cluster.idp();
    let client = Client::register(stage.site(), &[LOOPBACK]).await;
    idp.set_access_lifetime(Some(Duration::from_secs(1)));
    let tokens = client.sign_in(&mut Browser::of("bob")).await;
    let session = stage.site().mcp_session(&tokens.access).await;
    let before = idp.counters().refreshes;
    for _ in 0..200 {
        let said = stage.site().call_in(&tokens.access, &session, "profile").await;
        assert_eq!(said["result"]["structuredContent"]["displayName"], "Bob Example", "{said}");
        if idp.counters().refreshes > before {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert!(idp.counters().refreshes > before);
    sleep(Duration::from_secs(1)).await;
    idp.faults().set_once(Fault::Error503);
    let said = stage.site().call_in(&tokens.access, &session, "profile").await;
    assert!(said["error"]["message"].is_string(), "{said}");
    idp.faults().set_once(Fault::InteractionRequired);
    stage.site().call_in(&tokens.access, &session, "profile").await;
    let said = stage.site().call_in(&tokens.access, &session, "profile").await;
    assert!(said["error"]["message"].as_str().is_some_and(|text| text.contains("sign in again")), "{said}");
    idp.faults().clear();
    idp.set_access_lifetime(None);
}

/// A server elsewhere, in this process, which asks the issuer about every token.
async fn elsewhere(stage: &Stage) {
    let listener = stage.elsewhere.lock().expect("no panic holds this").pop().expect("once");
    let guard = RemoteGuard::builder(stage.site().base(), &stage.elsewhere_url).name("Remote tools").scope("tools");
    let guard = guard.introspection(RESOURCE_SERVER.0, RESOURCE_SERVER.1).build().expect("a guard");
    let says = async |Extension(who): Extension<RemotePrincipal>| who.user_id().to_string();
    let app = axum::Router::new().route("/mcp", post(says)).route_layer(guard.guard()).merge(dcr_axum::router(guard));
    let running = tokio::spawn(async move { axum::serve(listener, app).await.expect("a server") });
    let mut client = Client::register(stage.site(), &[LOOPBACK]).await;
    (client.resource, client.scope) = (stage.elsewhere_url.clone(), "tools".to_owned());
    let tokens = client.sign_in(&mut Browser::of("ada")).await;
    let ask = async |token: &str| {
        let bearer = format!("Bearer {token}");
        Http::default().post_json(&stage.elsewhere_url, &[("authorization", &bearer)], &json!({})).await
    };
    ask(&tokens.access).await.expect(200);
    ask("not-a-token-that-anybody-gave").await.expect(401);
    client.revoke(&tokens.refresh).await.expect(200);
    running.abort();
}

/// Secrets where they do not belong, and broken.
async fn refused_requests(stage: &Stage) {
    let client = Client::register_as(stage.site(), &[PLATFORM], "client_secret_post").await;
    let mut browser = Browser::of("ada");
    let tokens = client.sign_in(&mut browser).await;
    let secret = client.secret.clone().unwrap_or_default();
    let (site, http) = (stage.site(), Http::default());
    let flow = client.authorize();
    let landed = browser.sign_in(&flow.url).await.client();
    let code = client.code(&flow, &landed);
    for form in [
        vec![("grant_type", "refresh_token"), ("refresh_token", code.as_str())],
        vec![("grant_type", "authorization_code"), ("code", tokens.refresh.as_str())],
        vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", PLATFORM),
            ("code_verifier", tokens.refresh.as_str()),
        ],
        vec![("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", tokens.access.as_str())],
        vec![("grant_type", code.as_str())],
        vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens.refresh.as_str()),
            ("refresh_token", tokens.access.as_str()),
        ],
        vec![("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str()), ("scope", secret.as_str())],
        vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens.refresh.as_str()),
            ("resource", secret.as_str()),
        ],
    ] {
        assert!(client.token(&form).await.status.as_u16() < 500);
    }
    // In queries; in headers that are none; in bodies of another type.
    http.get(&site.url(&format!("/mcp?access_token={}", tokens.access)), &[]).await.expect(401);
    let query = format!("/oauth/token?client_id=x&client_secret={secret}&code={code}&grant_type=authorization_code");
    http.post_form(&site.url(&query), &[], &[]).await;
    for authorization in [
        format!("Basic {secret}"),
        format!("Basic {}:{secret}", client.id),
        format!("Bearer {secret}"),
        format!("Digest {}", tokens.access),
        format!("Bearer {} {}", tokens.access, tokens.refresh),
        format!("Bearer {}x", &tokens.access[1..]),
    ] {
        let headers = [("authorization", authorization.as_str())];
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
            let form = [("token", tokens.access.as_str()), ("grant_type", "refresh_token"), ("refresh_token", "x")];
            assert!(http.post_form(&site.url(path), &headers, &form).await.status.as_u16() < 500);
        }
        assert!(http.post_json(&site.url("/mcp"), &headers, &call("whoami")).await.status.is_client_error());
    }
    let body = json!({"code": code, "client_secret": secret, "refresh_token": tokens.refresh});
    http.post_json(&site.url("/oauth/token"), &[], &body).await;
    // What a client says of itself (name, redirect URIs, its id) is public, and repeated where it is wrong.
    http.post_json(&site.url("/oauth/register"), &[], &json!({"software_statement": secret, "client_name": 7})).await;
    let headers = [("cookie", "__Host-dcr=broken-cookie-value-of-somebody"), ("origin", "https://evil.example")];
    http.post_form(
        &site.url("/oauth/consent"),
        &headers,
        &[("request", "broken-request-of-somebody"), ("decision", "approve")],
    )
    .await;
    let long = "x".repeat(70_000);
    http.post_form(&site.url("/oauth/token"), &[], &[("client_secret", &secret), ("padding", &long)]).await;
}

/// Pages in both languages, with secrets in the address.
async fn pages(stage: &Stage) {
    let client = Client::register(stage.site(), &[LOOPBACK]).await;
    for language in ["en", "ko"] {
        let flow = client.authorize();
        let unknown = Client::unregistered(stage.site(), "nobody-knows-this", "https://nobody.example/cb").authorize();
        let stale = stage.site().url(&format!("/oauth/callback?code={}&state={}", flow.verifier, flow.state));
        let failed = stage.site().url(&format!("/oauth/callback?error=access_denied&state={}", flow.state));
        for url in [flow.url.as_str(), &unknown.url, &stale, &failed] {
            for accept in ["text/html", "application/json"] {
                let headers = [("accept", accept), ("accept-language", language)];
                let answer = Http::default().get(url, &headers).await;
                assert!(answer.status.as_u16() < 500, "{answer:?}");
            }
        }
    }
}
