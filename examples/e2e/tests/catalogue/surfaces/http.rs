//! HTTP itself, and what compares equal.

use dcr_core::store::Counts;
use dcr_e2e::raw::{Raw, exchange};
use dcr_e2e::{Browser, Client, Http};
use serde_json::json;

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{Asking, L, P, U, bearer, introspect, is_alive, is_error, is_page, signed_in, under};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "HTTP-03" "OP-8" => nothing_is_nearly_equal, "ids and tokens that differ by case, space, form or zeros are never equal";
        "OP-4" => no_operators_endpoint, "there is no operators' endpoint for a stranger to find";
        "RUSTSEC-2024-0363" => long_values, "long values are refused before any store sees them";
        "RUSTSEC-2026-0258" => other_protocols, "HTTP/2 frames and floods of headers end the connection, and not the server";
    }
}

async fn nothing_is_nearly_equal(ground: &Ground) {
    let world = ground.world().await;
    let id = "Id-of-a-Client-0012";
    let client = Client::unregistered(&world, id, P);
    let tokens = client.sign_in(&mut Browser::of("ada")).await;
    let nearly = [
        "id-of-a-client-0012",
        "ID-OF-A-CLIENT-0012",
        "Id-of-a-Client-12",
        "Id-of-a-Client-0012 ",
        " Id-of-a-Client-0012",
        "Id-of-a-Client-0012\u{0}",
        "Id-of-a-Client-0012\n",
        "\u{ff29}d-of-a-Client-0012",
        "I\u{301}d-of-a-Client-0012",
        "Id_of_a_Client_0012",
        "Id-of-a-Client-0012.",
        "Id-of-a-Client-00120",
    ];
    for other in nearly {
        let refused = under(&client, other).refresh(&tokens.refresh).await;
        assert_eq!(refused.status, 400, "{other:?}: {refused:?}");
        let error = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(["invalid_grant", "invalid_request"].contains(&error.as_str()), "{other:?}: {refused:?}");
    }
    // Ids that some database would fold into one are different aliases, and each has its own session.
    let before = world.counts().await;
    let mut all = vec![(client.clone(), tokens.clone())];
    for other in [
        "id-of-a-client-0012",
        "Id-of-a-Client-12",
        "Id-of-a-Client-0012.",
        "0000000012",
        "12.00000000",
        "1e3-1e3-1e3",
        "1000-1000-1000",
    ] {
        let other = under(&client, other);
        all.push((other.clone(), other.sign_in(&mut Browser::of("ada")).await));
    }
    let after = world.counts().await;
    assert_eq!((after.aliases - before.aliases, after.connections), (7, before.connections));
    for (client, tokens) in &all {
        assert_eq!(introspect(&world, &tokens.access).await["client_id"], client.id.as_str());
        for (other, _) in all.iter().filter(|(other, _)| other.id != client.id) {
            is_error(&other.refresh(&tokens.refresh).await, 400, "invalid_grant");
        }
        is_alive(&world, client, tokens).await;
    }
    // Blocking one blocks that one.
    let target = dcr_core::store::Target::ClientId(dcr_core::ClientId::new("id-of-a-client-0012").unwrap());
    world.engine().block(&target, "test").await.unwrap();
    assert_eq!(Asking::of("id-of-a-client-0012", P).get(&world).await.status, 403);
    Asking::of(id, P).get(&world).await.expect(200);
    // Access tokens, too: byte for byte.
    let access = &tokens.access;
    for other in [
        access.to_ascii_uppercase(),
        access.to_ascii_lowercase(),
        format!("0{access}"),
        format!("{access}%20"),
        format!("\u{ff45}{}", &access[1..]),
    ] {
        if other != *access {
            let status = bearer(&world, &other).await;
            assert!([400, 401].contains(&status), "{other}: {status}");
        }
    }
}

async fn no_operators_endpoint(ground: &Ground) {
    let world = ground.world().await;
    let (_, tokens) = signed_in(&world, L).await;
    let bearer = format!("Bearer {}", tokens.access);
    for path in [
        "/oauth/admin",
        "/oauth/admin/",
        "/oauth/admin/users",
        "/oauth/admin/clients?sort=id;DROP%20TABLE%20users",
        "/admin",
        "/oauth/clients",
        "/oauth/sessions",
        "/oauth/events",
        "/oauth/users",
        "/metrics",
        "/debug",
        "/oauth/register/x",
        "/oauth/introspect/x",
        "/.env",
        "/dcr.db",
        "/oauth/../dcr.db",
        "/oauth",
        "/",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let request = Raw::new(method, path).header("Authorization", &bearer);
            assert_eq!(Http::default().send_raw(&world, &request).await.status(), 404, "{method} {path}");
        }
    }
}

async fn long_values(ground: &Ground) {
    let world = ground.world().await;
    let (client, tokens) = signed_in(&world, P).await;
    let before = world.counts().await;
    let long = "x".repeat(60 * 1024);
    is_error(&client.refresh(&long).await, 400, "invalid_grant");
    is_error(&client.redeem(&long, &"v".repeat(43)).await, 400, "invalid_grant");
    let named = under(&client, &"x".repeat(1_025)).refresh(&tokens.refresh).await;
    is_error(&named, 400, "invalid_request");
    client.revoke(&long).await.expect(200);
    for (name, value) in
        [("client_id", "x".repeat(1_025)), ("redirect_uri", format!("https://a.example/{}", "x".repeat(2_000)))]
    {
        is_page(&Asking::of(U, P).with(name, &value).get(&world).await);
    }
    for length in [100 * 1024, 1024 * 1024] {
        let body = "x".repeat(length);
        for path in ["/oauth/token", "/oauth/register", "/oauth/revoke", "/oauth/introspect", "/oauth/consent"] {
            let answer = Http::default().send_raw(&world, &Raw::form(path, body.as_str())).await;
            assert_eq!(answer.status(), 413, "{path}");
        }
    }
    // Announced, and never sent: nobody waits for four gibibytes, and nothing is set aside for them.
    let announced = Raw::new("POST", "/oauth/token").header("Content-Type", "application/x-www-form-urlencoded");
    let announced = announced.header("Content-Length", "4294967297").unframed(vec![b'x'; 70 * 1024]);
    assert_eq!(Http::default().send_raw(&world, &announced).await.status(), 413);
    assert_eq!(world.counts().await, before);
    is_alive(&world, &client, &tokens).await;
}

async fn other_protocols(ground: &Ground) {
    let world = ground.world().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    let mut frames = preface.to_vec();
    // HEADERS that never end, one CONTINUATION after another.
    for _ in 0..1_000 {
        frames.extend_from_slice(&[0, 0, 4, 9, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    }
    for bytes in [&preface[..], &frames, b"\x16\x03\x01\x02\x00\x01\x00", b"\x00\x00\x00\x00", b"GET / HTTP/3\r\n\r\n"]
    {
        let answer = exchange(world.address(), bytes, true).await;
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    let many = (0..500).fold(Raw::get("/oauth/authorize"), |request, n| request.header(&format!("X-{n}"), "x"));
    let long = Raw::get("/oauth/authorize").header("X-Long", "x".repeat(2 * 1024 * 1024));
    for request in [many, long] {
        let answer = Http::default().send_raw(&world, &request).await;
        assert!([0, 400, 413, 431].contains(&answer.status()), "{answer:?}");
    }
    // Upgrades are not taken, and nothing of this hurt.
    let upgrade =
        Raw::get("/.well-known/jwks.json").header("Connection", "Upgrade, HTTP2-Settings").header("Upgrade", "h2c");
    assert_eq!(
        Http::default().send_raw(&world, &upgrade.header("HTTP2-Settings", "AAMAAABkAAQAAP__")).await.status(),
        200
    );
    assert_eq!(world.counts().await, Counts::default());
    let ping = json!({});
    Http::default().post_json(&world.url("/mcp"), &[], &ping).await.expect(401);
}
