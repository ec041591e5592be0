//! Logins as they should be, and requests that must be refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::party::{
    Party, REDIRECT, Result, SCOPE, VERIFIER, basic, body_json, browser, callback, form, get_json, param, post,
};
use dcr_dev_idp::{Algorithm, DevIdp, OTHER_TENANT_ID};
use reqwest::header;

const NOW: i64 = 1_790_000_000;

#[tokio::test]
async fn pick_code_token_with_rs256() -> Result {
    let idp = DevIdp::builder().clock(Arc::new(|| NOW)).start().await?;
    let party = Party::at_root(&idp).await?;
    assert_eq!(party.document["issuer"], idp.issuer());

    let page = party.authorize(&party.request()).await?;
    assert_eq!(page.status(), 200);
    let html = page.text().await?;
    assert!(["Ada Example", "Bob Example", "Carol Example", "Dan Guest"].iter().all(|name| html.contains(name)));

    let back = party.pick("ada", "none").await?;
    assert_eq!(param(&back, "state").as_deref(), Some("the-state"));
    let code = param(&back, "code").ok_or("no code")?;
    assert!(code.len() > 1_024);
    let tokens = body_json(party.redeem(&code).await?).await?;
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["scope"], "openid profile email");
    let claims = party.verify(tokens["id_token"].as_str().ok_or("no ID token")?).await?;
    let ada = &idp.users()[0];
    assert_eq!(claims["iss"], idp.issuer());
    assert_eq!(claims["aud"], idp.client_id());
    assert_eq!(claims["oid"], ada.oid.as_str());
    assert_eq!(claims["tid"], idp.tenant_id());
    assert_eq!(claims["email"], "ada@dev.example");
    assert_eq!(claims["nonce"], "the-nonce");
    assert_eq!((claims["iat"].as_i64(), claims["nbf"].as_i64()), (Some(NOW - 300), Some(NOW - 300)));
    assert_eq!(claims["exp"].as_i64(), Some(NOW + 3_600));

    let counters = idp.counters();
    assert_eq!((counters.discovery, counters.authorize, counters.picks), (1, 1, 1));
    assert_eq!((counters.token, counters.jwks), (1, 1));
    assert_eq!(counters.authorize_param("scope"), Some(SCOPE));
    assert_eq!(counters.token_param("code_verifier"), Some(VERIFIER));
    idp.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn es256_basic_authentication_and_refresh() -> Result {
    let idp = DevIdp::builder().algorithm(Algorithm::Es256).start().await?;
    let party = Party::at_root(&idp).await?;
    let code = party.code("bob", "none").await?;
    let redeem = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let send = |authorization: String, body: String| async {
        let request = browser()?.post(party.endpoint("token_endpoint"));
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        Result::Ok(request.header(header::AUTHORIZATION, authorization).body(body).send().await?)
    };
    let wrong = send(basic(idp.client_id(), "guess"), form(&redeem)).await?;
    assert_eq!(wrong.status(), 401);
    assert_eq!(body_json(wrong).await?["error_codes"][0], 7000215);

    let right = basic(idp.client_id(), idp.client_secret());
    let tokens = body_json(send(right.clone(), form(&redeem)).await?).await?;
    party.verify(tokens["id_token"].as_str().ok_or("no ID token")?).await?;
    assert!(idp.counters().last_token_basic);

    let token = tokens["refresh_token"].as_str().ok_or("no refresh token")?;
    let refresh = form(&[("grant_type", "refresh_token"), ("refresh_token", token)]);
    for _ in 0..2 {
        let renewed = body_json(send(right.clone(), refresh.clone()).await?).await?;
        let claims = party.verify(renewed["id_token"].as_str().ok_or("no ID token")?).await?;
        assert!(claims.get("nonce").is_none());
        assert_ne!(renewed["refresh_token"], tokens["refresh_token"]);
    }
    assert!(idp.update_user("bob", |bob| bob.disabled = true));
    let refused = send(right, refresh).await?;
    assert_eq!(refused.status(), 400);
    assert_eq!(body_json(refused).await?["error_codes"][0], 50057);
    Ok(())
}

#[tokio::test]
async fn a_code_is_good_once_in_time_and_only_for_its_own_request() -> Result {
    let time = Arc::new(AtomicI64::new(NOW));
    let clock = Arc::clone(&time);
    let idp = DevIdp::builder()
        .algorithm(Algorithm::Es256)
        .code_lifetime(Duration::from_secs(60))
        .clock(Arc::new(move || clock.load(Ordering::Relaxed)))
        .start()
        .await?;
    let party = Party::at_root(&idp).await?;

    let code = party.code("ada", "none").await?;
    let cases = [
        (REDIRECT, "wrong-verifier-wrong-verifier-wrong-verifier", 501481),
        (REDIRECT, "", 501481),
        ("http://127.0.0.1:3001/oauth/callback", VERIFIER, 500112),
    ];
    for (redirect_uri, verifier, number) in cases {
        let refused = party.redeem_with(&code, redirect_uri, verifier).await?;
        assert_eq!(refused.status(), 400);
        let body = body_json(refused).await?;
        assert_eq!(body["error"], "invalid_grant");
        assert_eq!(body["error_codes"][0], number);
        assert!(body["trace_id"].is_string() && body["correlation_id"].is_string());
    }
    assert_eq!(party.redeem(&code).await?.status(), 200);
    assert_eq!(body_json(party.redeem(&code).await?).await?["error_codes"][0], 54005);

    let code = party.code("ada", "none").await?;
    time.fetch_add(60, Ordering::Relaxed);
    assert_eq!(body_json(party.redeem(&code).await?).await?["error_codes"][0], 70008);

    let code = party.code("ada", "none").await?;
    let common = Party::at(&idp, &idp.entra_authority("common")).await?;
    assert_eq!(body_json(common.redeem(&code).await?).await?["error_codes"][0], 700005);
    Ok(())
}

#[tokio::test]
async fn the_ways_of_entra() -> Result {
    let idp = DevIdp::builder().algorithm(Algorithm::Es256).start().await?;
    let common = Party::at(&idp, &idp.entra_authority("common")).await?;
    assert_eq!(common.document["issuer"], format!("{}/{{tenantid}}/v2.0", idp.issuer()));
    let claims = common.claims("ada", "none").await?;
    assert_eq!(claims["iss"], idp.entra_issuer());
    assert_eq!(claims["ver"], "2.0");
    let keys = get_json(common.endpoint("jwks_uri")).await?;
    assert_eq!(keys["keys"][0]["issuer"], common.document["issuer"]);
    assert!(keys["keys"][0].get("alg").is_none());

    let at_home = common.claims("dan", "none").await?;
    assert_eq!(at_home["tid"], OTHER_TENANT_ID);
    assert_eq!(at_home["iss"], idp.entra_authority(OTHER_TENANT_ID));
    for tenant in [idp.tenant_id(), "dev.example"] {
        let own = Party::at(&idp, &idp.entra_authority(tenant)).await?;
        assert_eq!(own.document["issuer"], idp.entra_issuer());
        let as_guest = own.claims("dan", "none").await?;
        assert_eq!(as_guest["tid"], idp.tenant_id());
        assert_ne!(as_guest["oid"], at_home["oid"]);
        assert_eq!(as_guest["acct"], 1);
    }
    let unknown = format!("{}/.well-known/openid-configuration", idp.entra_authority("nobody.example"));
    assert_eq!(get_json(&unknown).await?["error_codes"][0], 90002);
    Ok(())
}

#[tokio::test]
async fn authorization_requests_that_end_on_a_page() -> Result {
    let idp = DevIdp::builder().auto_login("ada").start().await?;
    let party = Party::at_root(&idp).await?;
    let cases = [
        ("client_id", "00000000-0000-0000-0000-000000000000", "AADSTS700016"),
        ("redirect_uri", "http://evil.example/oauth/callback", "AADSTS50011"),
        ("redirect_uri", "https://127.0.0.1/oauth/callback", "AADSTS50011"),
        ("redirect_uri", "http://127.0.0.1@evil.example/oauth/callback", "AADSTS50011"),
        ("redirect_uri", "http://127.0.0.1:3000/elsewhere", "AADSTS50011"),
        ("resource", "https://mcp.example/", "AADSTS901002"),
        ("prompt", "consent", "AADSTS90094"),
        ("prompt", "<script>", "AADSTS90023"),
    ];
    for (name, value, number) in cases {
        let mut request = party.request();
        request.retain(|(key, _)| *key != name);
        request.push((name, value.to_owned()));
        let response = party.authorize(&request).await?;
        assert_eq!(response.status(), 400, "{name}={value}");
        assert!(response.headers().get(header::LOCATION).is_none());
        let html = response.text().await?;
        assert!(html.contains(number), "{name}={value}: {html}");
        assert!(!html.contains("<script>"));
        assert_eq!(idp.counters().authorize_param(name), Some(value));
    }
    let mut twice = party.request();
    twice.push(("state", "another".to_owned()));
    assert_eq!(party.authorize(&twice).await?.status(), 400);
    Ok(())
}

#[tokio::test]
async fn authorization_requests_that_end_in_a_redirect() -> Result {
    let idp = DevIdp::builder().start().await?;
    let party = Party::at_root(&idp).await?;
    let cases = [
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "form_post", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("prompt", "none", "login_required"),
    ];
    for (name, value, error) in cases {
        let mut request = party.request();
        request.retain(|(key, _)| *key != name);
        request.push((name, value.to_owned()));
        let back = callback(&party.authorize(&request).await?)?;
        assert_eq!(param(&back, "error").as_deref(), Some(error), "{name}={value}");
        assert_eq!(param(&back, "state").as_deref(), Some("the-state"));
    }
    let cancelled = callback(&post(&party.url(&party.request()), &[("cancel", "1")]).await?)?;
    assert_eq!(param(&cancelled, "error").as_deref(), Some("access_denied"));
    Ok(())
}

#[tokio::test]
async fn token_requests_that_are_refused_before_any_grant() -> Result {
    let idp = DevIdp::builder().start().await?;
    let url = format!("{}/token", idp.issuer());
    let (id, secret) = (("client_id", idp.client_id()), ("client_secret", idp.client_secret()));
    let grant = ("grant_type", "authorization_code");
    let cases = [
        (vec![grant, id, secret, ("resource", "https://mcp.example/")], 400, "invalid_target"),
        (vec![grant, id], 401, "invalid_client"),
        (vec![grant, id, ("client_secret", "guess")], 401, "invalid_client"),
        (vec![grant, ("client_id", "another"), secret], 400, "unauthorized_client"),
        (vec![grant, grant, id, secret], 400, "invalid_request"),
        (vec![("grant_type", "password"), id, secret], 400, "unsupported_grant_type"),
        (vec![grant, id, secret], 400, "invalid_request"),
        (vec![grant, id, secret, ("code", "made-up")], 400, "invalid_grant"),
    ];
    for (pairs, status, error) in cases {
        let response = post(&url, &pairs).await?;
        assert_eq!(response.status(), status, "{pairs:?}");
        assert_eq!(body_json(response).await?["error"], error, "{pairs:?}");
    }
    Ok(())
}

#[tokio::test]
async fn builder_switches() -> Result {
    let exact = "https://bridge.example/cb";
    let idp = DevIdp::builder().auto_login("carol").allow_missing_pkce().redirect_uri(exact).start().await?;
    let party = Party::at_root(&idp).await?;
    let mut request = party.request();
    assert_eq!(party.authorize(&request).await?.status(), 400); // no longer any loopback callback
    request.retain(|(key, _)| !key.starts_with("code_challenge") && *key != "redirect_uri");
    request.push(("redirect_uri", exact.to_owned()));
    request.push(("prompt", "select_account".to_owned()));
    let response = party.authorize(&request).await?;
    assert_eq!(response.status(), 303);
    let location = response.headers()[header::LOCATION].to_str()?;
    assert!(location.starts_with("https://bridge.example/cb?code="));
    assert_eq!(idp.counters().authorize_param("prompt"), Some("select_account"));
    idp.set_auto_login(None);
    assert_eq!(party.authorize(&request).await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn refuses_to_start_where_it_should_not() -> Result {
    for address in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        let error = DevIdp::builder().bind(address.parse()?).start().await.err().ok_or("it started")?;
        assert!(error.to_string().contains("loopback"), "{error}");
    }
    assert!(DevIdp::builder().auto_login("nobody").start().await.is_err());
    assert!(DevIdp::builder().tenant_id("common").start().await.is_err());
    assert!(DevIdp::builder().code_lifetime(Duration::from_secs(601)).start().await.is_err());
    assert!(DevIdp::builder().redirect_uri("https://a.example/#b").start().await.is_err());
    Ok(())
}

#[tokio::test]
async fn other_host_names_are_refused_and_dropping_stops() -> Result {
    let idp = DevIdp::builder().start().await?;
    let url = format!("{}/jwks", idp.issuer());
    let rebound = browser()?.get(&url).header(header::HOST, "rebound.example").send().await?;
    assert_eq!(rebound.status(), 400);
    assert_eq!(idp.counters().jwks, 0);
    drop(idp);
    for _ in 0..50 {
        if browser()?.get(&url).send().await.is_err() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("still serving".into())
}
