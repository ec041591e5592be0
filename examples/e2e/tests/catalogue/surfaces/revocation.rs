//! Revocation (RFC 7009) and introspection (RFC 7662).

use dcr_e2e::{Browser, Client, Http, Tokens};
use serde_json::{Value, json};

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{L, P, RS, U, bearer, code_of, introspect, is_alive, is_dead, is_error, signed_in, under};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "REV-01" => a_session_ends_with_any_token, "any token of a session ends it, and all its other tokens";
        "TK-13" => other_peoples_tokens, "nobody revokes other people's tokens, nor learns whether there are any";
        "INT-01" "TK-14" "CVE-2026-18208" => who_may_ask, "only a resource server and a confidential client may ask, the latter of its own";
        "RS-7" => an_operators_end, "an operator's revocation ends what is alive, at once";
    }
}

async fn a_session_ends_with_any_token(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::register(&world, &[L]).await;
    let other = client.sign_in(&mut Browser::of("ada")).await;
    for which in ["refresh", "access", "old refresh", "code"] {
        let (code, verifier) = code_of(&client, &mut Browser::of("ada")).await;
        let first = Tokens::from(client.redeem(&code, &verifier).await);
        let second = Tokens::from(client.refresh(&first.refresh).await);
        let token = match which {
            "refresh" => &second.refresh,
            "access" => &second.access,
            "old refresh" => &first.refresh,
            _ => &code,
        };
        let revoked = client.revoke(token).await.expect(200);
        assert_eq!(revoked.body, "");
        is_dead(&world, &client, &second).await;
        assert_eq!(
            (bearer(&world, &first.access).await, introspect(&world, &first.access).await),
            (401, json!({"active": false}))
        );
        client.revoke(token).await.expect(200);
    }
    // A code that nobody has redeemed yet.
    let (code, verifier) = code_of(&client, &mut Browser::of("ada")).await;
    client.revoke(&code).await.expect(200);
    is_error(&client.redeem(&code, &verifier).await, 400, "invalid_grant");
    is_alive(&world, &client, &other).await;
}

async fn other_peoples_tokens(ground: &Ground) {
    let world = ground.world().await;
    let (client, tokens) = signed_in(&world, L).await;
    let other = Client::register(&world, &[P]).await;
    let confidential = Client::register_as(&world, &[P], "client_secret_post").await;
    for who in [&other, &confidential, &under(&client, U)] {
        let mut answers = Vec::new();
        for token in [tokens.refresh.as_str(), tokens.access.as_str()] {
            let answer = who.revoke(token).await.expect(200);
            answers.push(answer.body);
        }
        assert_eq!(answers, ["", ""]);
    }
    // What is no token of ours is answered alike, to who is known here.
    for who in [&client, &other, &confidential] {
        for token in ["x", "dcrr1_AAAA", "eyJhbGciOiJub25lIn0.e30."] {
            assert_eq!(who.revoke(token).await.expect(200).body, "");
        }
    }
    is_error(&under(&client, U).revoke("x").await, 401, "invalid_client");
    let mut wrong = confidential.clone();
    wrong.secret = Some("wrong".to_owned());
    is_error(&wrong.revoke("x").await, 401, "invalid_client");
    let theirs = confidential.sign_in(&mut Browser::of("ada")).await;
    is_error(&wrong.revoke(&theirs.refresh).await, 401, "invalid_client");
    is_alive(&world, &confidential, &theirs).await;
    is_alive(&world, &client, &tokens).await;
}

async fn who_may_ask(ground: &Ground) {
    let world = ground.world().await;
    let url = world.url("/oauth/introspect");
    let (public, tokens) = signed_in(&world, L).await;
    let confidential = Client::register_as(&world, &[P], "client_secret_post").await;
    let own = confidential.sign_in(&mut Browser::of("ada")).await;
    let ask =
        async |headers: &[(&str, &str)], form: &[(&str, &str)]| Http::default().post_form(&url, headers, form).await;
    let token = ("token", tokens.access.as_str());
    is_error(&ask(&[], &[token]).await, 401, "invalid_client");
    is_error(&ask(&[], &[token, ("client_id", &public.id)]).await, 401, "invalid_client");
    is_error(&ask(&[], &[token, ("client_id", U)]).await, 401, "invalid_client");
    let users = format!("Bearer {}", tokens.access);
    is_error(&ask(&[("authorization", &users)], &[token]).await, 401, "invalid_client");
    for wrong in ["Basic cnM6d3Jvbmc=", "Basic cnM6", "Basic OnJzLXNlY3JldA==", "Basic x"] {
        is_error(&ask(&[("authorization", wrong)], &[token]).await, 401, "invalid_client");
    }
    // A confidential client sees its own, and of others not even that they are.
    let secret = confidential.secret.clone().unwrap();
    let by_itself = [("client_id", confidential.id.as_str()), ("client_secret", secret.as_str())];
    let said = ask(&[], &[&by_itself[..], &[("token", &own.access)]].concat()).await.expect(200).json();
    assert_eq!((&said["active"], &said["client_id"]), (&json!(true), &json!(confidential.id)));
    for others in [&tokens.access, &tokens.refresh] {
        let said = ask(&[], &[&by_itself[..], &[("token", others)]].concat()).await.expect(200).json();
        assert_eq!(said, json!({"active": false}));
    }
    // The resource server sees all, and of what is not alive one member.
    let said = ask(&[RS], &[token]).await.expect(200).json();
    let names: Vec<&String> = said.as_object().unwrap().keys().collect();
    assert_eq!(names, ["active", "aud", "client_id", "exp", "iat", "iss", "jti", "scope", "sid", "sub", "token_type"]);
    let next = is_alive(&world, &public, &tokens).await;
    for dead in ["x", "", &tokens.refresh, &tokens.access[1..], &format!("{}x", tokens.access)] {
        let answer = ask(&[RS], &[("token", dead)]).await;
        if dead.is_empty() {
            is_error(&answer, 400, "invalid_request");
        } else {
            assert_eq!(answer.expect(200).json(), json!({"active": false}), "{dead}");
        }
    }
    assert_eq!(introspect(&world, &next.refresh).await["active"], true);
    public.revoke(&next.refresh).await.expect(200);
    for dead in [&next.refresh, &next.access, &tokens.access] {
        assert_eq!(introspect(&world, dead).await, json!({"active": false}));
    }
    assert_eq!(introspect(&world, &own.access).await["active"], Value::Bool(true));
}

async fn an_operators_end(ground: &Ground) {
    use dcr_core::store::Target;

    let world = ground.world().await;
    let (client, tokens) = signed_in(&world, L).await;
    let bobs = client.sign_in(&mut Browser::of("bob")).await;
    let session = world.mcp_session(&tokens.access).await;
    let user = introspect(&world, &tokens.access).await["sub"].as_str().unwrap().parse().unwrap();
    assert_eq!(world.engine().revoke_sessions(&Target::User(user), "test").await.unwrap(), 1);
    is_dead(&world, &client, &tokens).await;
    let ping = json!({"jsonrpc": "2.0", "id": 7, "method": "ping"});
    world.mcp(&tokens.access, Some(&session), &ping).await.expect(401);
    is_alive(&world, &client, &bobs).await;
}
