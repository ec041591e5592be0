//! The admin API, as an adapter would hand its requests in.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use dcr_core::record::{Actor, EventKind, RequestRecord};
use dcr_core::session::{RequestId, SessionId, UserId};
use dcr_core::store::{EventQuery, Store as _};
use dcr_core::{AdminAccess, Limits, Rate, Timestamp};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const BASE: &str = "/oauth/admin/api/v1";

async fn world() -> World {
    World::with(|builder| builder.admin(AdminAccess::token(TOKEN).unwrap())).await
}

fn asking(method: &str, path: &str, body: &str) -> Request<Bytes> {
    let authorization = format!("Bearer {TOKEN}");
    let headers: &[(&str, &str)] = match method {
        "POST" => &[("authorization", &authorization), ("content-type", "application/json")],
        _ => &[("authorization", &authorization)],
    };
    request(method, &format!("{BASE}/{path}"), headers, body)
}

async fn get(world: &World, path: &str) -> Response<Bytes> {
    world.send(asking("GET", path, "")).await
}

async fn read(world: &World, path: &str) -> Value {
    let response = get(world, path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}: {}", text(&response));
    body(&response)
}

async fn post(world: &World, path: &str, body: &Value) -> Response<Bytes> {
    world.send(asking("POST", path, &body.to_string())).await
}

async fn done(world: &World, path: &str, sent: &Value) -> Value {
    let response = post(world, path, sent).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}: {}", text(&response));
    body(&response)
}

#[track_caller]
fn assert_problem(response: &Response<Bytes>, status: u16, code: &str) {
    assert_eq!(
        (response.status().as_u16(), body(response)["code"].as_str()),
        (status, Some(code)),
        "{}",
        text(response)
    );
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(
        !response.headers().contains_key("set-cookie")
            && !response.headers().contains_key("access-control-allow-origin")
    );
}

/// Ada on two platforms, Bob on one; the user ids.
async fn people(world: &World) -> (String, String) {
    let id = world.public_client(&[P]).await;
    let other = world.public_client(&[L]).await;
    let ada = world.sign_in(&id, P, "Ada").await;
    world.sign_in(&other, L, "Ada").await;
    let bob = world.sign_in(&id, P, "Bob").await;
    let subject = |access: &str| claims(access)["sub"].as_str().unwrap().to_owned();
    (subject(&ada.access), subject(&bob.access))
}

#[tokio::test]
async fn op_01_without_access_nothing_is_told_not_even_what_is_there() {
    let world = world().await;
    for path in ["users", "users/nobody", "nothing", "", "openapi.json"] {
        let plain = world.send(request("GET", &format!("{BASE}/{path}"), &[], "")).await;
        assert_problem(&plain, 401, "token_missing");
        assert_eq!(plain.headers()["www-authenticate"], "Bearer realm=\"admin\"");
        for wrong in ["Bearer wrong", &format!("Bearer {TOKEN}x"), &format!("Bearer {}", &TOKEN[1..])] {
            let refused = world.send(request("GET", &format!("{BASE}/{path}"), &[("authorization", wrong)], "")).await;
            assert_problem(&refused, 401, "token_invalid");
        }
    }
    let twice = request("GET", &format!("{BASE}/users"), &[], "");
    let (mut parts, body) = twice.into_parts();
    for _ in 0..2 {
        parts.headers.append("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    }
    assert_problem(&world.send(Request::from_parts(parts, body)).await, 401, "token_missing");
}

#[tokio::test]
async fn it_is_off_unless_somebody_is_given_access_and_apart_if_that_is_said() {
    let world = World::new().await;
    assert_eq!(get(&world, "users").await.status(), StatusCode::NOT_FOUND);
    assert_problem(&world.engine.console().handle(asking("GET", "users", "")).await, 404, "not_found");

    let access = AdminAccess::token(TOKEN).unwrap().apart();
    let world = World::with(|builder| builder.admin(access)).await;
    let public = get(&world, "users").await;
    assert_eq!((public.status(), body(&public)["error"].as_str()), (StatusCode::NOT_FOUND, Some("invalid_request")));
    let apart = world.engine.console().handle(asking("GET", "users", "")).await;
    assert_eq!(apart.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_wrong_token_is_limited_and_the_right_one_is_not() {
    let limits = Limits { token: Rate::new(30, 1), all_token: Rate::new(50, 1), ..Limits::default() };
    let world = World::with(|builder| builder.limits(limits).admin(AdminAccess::token(TOKEN).unwrap())).await;
    let from = |address: &str, token: &str| {
        let header = format!("Bearer {token}");
        let mut request = request("GET", &format!("{BASE}/users"), &[("authorization", &header)], "");
        request.extensions_mut().insert(SocketAddr::new(address.parse().unwrap(), 1));
        world.send(request)
    };
    let mut refused = Vec::new();
    for _ in 0..5 {
        refused.push(from("192.0.2.1", "guess").await.status().as_u16());
    }
    assert_eq!(refused, [401, 401, 401, 429, 429]);
    for n in 0..100 {
        from(&format!("198.51.100.{n}"), "guess").await;
    }
    // Others use up what is left for them.
    assert_eq!(from("198.51.100.200", "guess").await.status(), StatusCode::TOO_MANY_REQUESTS);
    for _ in 0..100 {
        assert_eq!(from("192.0.2.1", TOKEN).await.status(), StatusCode::OK);
    }
}

/// Once in ten minutes: a guesser does not fill the record.
#[tokio::test]
async fn i_01_a_wrong_token_is_on_the_record_now_and_then() {
    let world = world().await;
    let guess = || world.send(request("GET", &format!("{BASE}/users"), &[("authorization", "Bearer guess")], ""));
    for _ in 0..100 {
        guess().await;
    }
    world.test.clock().advance(Duration::from_secs(601));
    guess().await;
    let query = EventQuery { kind: Some(EventKind::Refused), limit: 10, ..EventQuery::default() };
    let events = world.engine.store().events(&query).await.unwrap();
    assert_eq!(events.iter().map(|event| event.reason.as_str()).collect::<Vec<_>>(), ["admin_token", "admin_token"]);
}

#[tokio::test]
async fn people_are_found_by_name_address_object_id_and_client_id() {
    let world = world().await;
    let (ada, bob) = people(&world).await;
    let ids = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["user_id"].as_str().unwrap().to_owned()).collect()
    };
    let everybody = read(&world, "users").await;
    assert_eq!(ids(&everybody).len(), 2);
    let client = read(&world, &format!("users/{bob}/connections")).await["items"][0]["client_ids"][0].clone();
    let client = encode(&[("client_id", client.as_str().unwrap())]);
    for (query, found) in [
        ("q=aD", vec![&ada]),
        ("q=test.example", vec![&ada, &bob]),
        ("q=nobody", vec![]),
        ("email=ADA@test.example", vec![&ada]),
        ("email=ada@test.exampl", vec![]),
        ("object_id=bob", vec![&bob]),
        ("object_id=Bob", vec![]),
        (client.as_str(), vec![&ada, &bob]),
        (&format!("{client}&q=bob"), vec![&bob]),
        ("q=ada&email=bob@test.example", vec![]),
    ] {
        let mut expected: Vec<String> = found.into_iter().cloned().collect();
        expected.sort_unstable();
        assert_eq!(ids(&read(&world, &format!("users?{query}")).await), expected, "{query}");
    }
    let one = read(&world, &format!("users/{ada}")).await;
    assert_eq!((one["name"].as_str(), one["blocked"].as_bool()), (Some("Ada"), Some(false)));
}

#[tokio::test]
async fn from_a_person_to_connections_sessions_and_events() {
    let world = world().await;
    let (ada, _) = people(&world).await;
    let connections = read(&world, &format!("users/{ada}/connections")).await;
    assert_eq!(connections["items"].as_array().unwrap().len(), 2);
    let connection = connections["items"][0]["connection_id"].as_str().unwrap();
    assert_eq!(read(&world, &format!("connections/{connection}")).await["user_id"], ada);
    let sessions = read(&world, &format!("connections/{connection}/sessions")).await;
    let session = sessions["items"][0]["session_id"].as_str().unwrap();
    let one = read(&world, &format!("sessions/{session}")).await;
    assert_eq!((one["state"].as_str(), one["user_id"].as_str()), (Some("live"), Some(ada.as_str())));
    assert!(!one.to_string().contains("challenge"), "nothing that helps to redeem");
    let timeline = read(&world, &format!("users/{ada}/timeline?kind=signed_in")).await;
    assert_eq!(timeline["items"].as_array().unwrap().len(), 2);
    let of_session = read(&world, &format!("events?session_id={session}&user_id={ada}")).await;
    assert_eq!(of_session["items"][0]["session"], session);
    assert_eq!(read(&world, "events?reason=never").await["items"], json!([]));
}

#[tokio::test]
async fn events_are_found_by_who_did_it_and_why() {
    let world = world().await;
    let (ada, bob) = people(&world).await;
    for (user, reason) in [(&ada, "left"), (&bob, "left"), (&bob, "again")] {
        done(&world, &format!("users/{user}/revoke"), &json!({ "reason": reason })).await;
    }
    let count = |page: &Value| page["items"].as_array().unwrap().len();
    assert_eq!(count(&read(&world, "events?actor=admin_token").await), 2, "the third had nothing to end");
    assert_eq!(count(&read(&world, &format!("events?actor=admin_token&user_id={ada}")).await), 1);
    assert_eq!(count(&read(&world, "events?actor=person").await), 3);
    assert_eq!(count(&read(&world, "events?reason=left").await), 2);
    assert_eq!(count(&read(&world, &format!("events?actor=admin%3A{ada}")).await), 0);
    let lines = text(&get(&world, "events.jsonl?actor=admin_token&limit=1").await);
    assert!(lines.contains("\"actor\":\"admin_token\""), "{lines}");
    for wrong in ["events?actor=ada", "events?actor=Person", "events?actor=admin", "events?actor="] {
        assert_problem(&get(&world, wrong).await, 400, "parameter");
    }
    assert_problem(&get(&world, &format!("users/{ada}/timeline?actor=person")).await, 400, "parameter");
}

#[tokio::test]
async fn client_ids_and_platforms_say_how_many_people_and_sessions_they_have() {
    let world = world().await;
    let (ada, bob) = people(&world).await;
    let pin = json!({ "client_id": "portal", "redirect_uris": ["https://portal.example/cb"] });
    done(&world, "client-ids/pin", &json!({ "client": pin, "reason": "wanted" })).await;
    let shared = read(&world, &format!("users/{bob}/connections")).await["items"][0]["client_ids"][0].clone();
    let all = read(&world, "client-ids").await["items"].clone();
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 3, "two that people use, and one that is pinned");
    let of = |id: &str| {
        let one = all.iter().find(|one| one["client_id"] == id).unwrap();
        (
            one["people"].as_u64().unwrap(),
            one["live_sessions"].as_u64().unwrap(),
            one["row"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(of(shared.as_str().unwrap()), (2, 2, "none".to_owned()));
    assert_eq!(of("portal"), (0, 0, "pinned".to_owned()));
    done(&world, &format!("users/{ada}/revoke"), &json!({ "reason": "left" })).await;
    let query = encode(&[("client_id", shared.as_str().unwrap())]);
    let one = read(&world, &format!("client-ids?{query}")).await["items"][0].clone();
    assert_eq!((&one["people"], &one["live_sessions"], &one["blocked"]), (&json!(2), &json!(1), &json!(false)));
    let none = read(&world, "client-ids?client_id=nobodys").await["items"][0].clone();
    assert_eq!((&none["people"], &none["row"]), (&json!(0), &json!("none")));

    let platforms = read(&world, "platforms").await;
    let of = |name: &str| platforms["items"].as_array().unwrap().iter().find(|one| one["platform"] == name).cloned();
    let expected = json!({
        "platform": "claude-web", "people": 2, "connections": 2, "live_sessions": 1, "blocked": false,
    });
    assert_eq!(of("claude-web"), Some(expected));
    assert_eq!(of("loopback").unwrap()["live_sessions"], 0);
    assert_eq!(of("other").unwrap()["people"], 0);
}

#[tokio::test]
async fn what_is_blocked_is_listed() {
    let world = world().await;
    let (ada, _) = people(&world).await;
    assert_eq!(read(&world, "blocks").await, json!({ "items": [] }));
    let connection = read(&world, &format!("users/{ada}/connections")).await["items"][0]["connection_id"].clone();
    let why = json!({ "reason": "incident" });
    done(&world, &format!("users/{ada}/block"), &why).await;
    done(&world, &format!("connections/{}/block", connection.as_str().unwrap()), &why).await;
    done(&world, "client-ids/block", &json!({ "client_id": "a/b+c", "reason": "incident" })).await;
    for platform in ["cursor", "listed-no-longer"] {
        done(&world, "platforms/block", &json!({ "platform": platform, "reason": "incident" })).await;
    }
    let all = json!([
        { "kind": "client_id", "target": "a/b+c" },
        { "kind": "connection", "target": connection },
        { "kind": "platform", "target": "cursor" },
        { "kind": "platform", "target": "listed-no-longer" },
        { "kind": "user", "target": ada },
    ]);
    assert_eq!(read(&world, "blocks").await["items"], all);
    assert_eq!(read(&world, "blocks?kind=user").await["items"], json!([{ "kind": "user", "target": ada }]));
    for wrong in ["blocks?kind=session", "blocks?kind=", "blocks?q=a"] {
        assert_problem(&get(&world, wrong).await, 400, "parameter");
    }
    let platforms = read(&world, "platforms").await["items"].clone();
    let blocked: Vec<_> = platforms.as_array().unwrap().iter().filter(|one| one["blocked"] == true).collect();
    assert_eq!((blocked.len(), &blocked[0]["platform"]), (1, &json!("cursor")));
    done(&world, "client-ids/unblock", &json!({ "client_id": "a/b+c", "reason": "over" })).await;
    assert_eq!(read(&world, "blocks?kind=client_id").await["items"], json!([]));
}

/// Seven requests of a person, and one of somebody else.
async fn keep_requests(world: &World, user: &str) {
    let request = |n: u8, user: &str| RequestRecord {
        id: RequestId::from_bytes([n; 16]),
        user: user.parse().unwrap(),
        session: SessionId::from_bytes([n % 2; 16]),
        at: Timestamp::from_unix_seconds(1_790_000_000 + i64::from(n)),
        method: "POST".to_owned(),
        tool: (n > 1).then(|| format!("<b>tool {n}")),
        status: 200,
        address: (n > 2).then(|| [192, 0, 2, n].into()),
    };
    let other = UserId::derive("https://idp.example", "", "somebody else");
    let all: Vec<_> = (1..8).map(|n| request(n, user)).chain([request(9, other.as_str())]).collect();
    world.test.memory().add_requests(&all).await.unwrap();
}

#[tokio::test]
async fn the_history_of_requests_is_read_by_person_and_by_session() {
    let world = world().await;
    let (ada, _) = people(&world).await;
    keep_requests(&world, &ada).await;
    let found = read(&world, &format!("users/{ada}/requests?limit=2")).await;
    assert_eq!(
        found["items"][0],
        json!({
            "request_id": RequestId::from_bytes([7; 16]).to_string(), "user_id": ada,
            "session_id": SessionId::from_bytes([1; 16]).to_string(), "at": "2026-09-21T14:13:27Z",
            "method": "POST", "tool": "<b>tool 7", "status": 200, "address": "192.0.2.7",
        })
    );
    let session = SessionId::from_bytes([0; 16]);
    let of_session = read(&world, &format!("sessions/{session}/requests")).await;
    let tools: Vec<_> = of_session["items"].as_array().unwrap().iter().map(|one| one["tool"].clone()).collect();
    assert_eq!(tools, ["<b>tool 6", "<b>tool 4", "<b>tool 2"]);
    let nothing = read(&world, &format!("sessions/{}/requests", SessionId::from_bytes([8; 16]))).await;
    assert_eq!(nothing["items"], json!([]), "of what is not there, as of what has none");
    assert_problem(&get(&world, "sessions/nonsense/requests").await, 404, "not_found");
}

/// Of every list: none twice, none left out, in one order.
#[tokio::test]
async fn op_03_pages_are_clamped_and_cursors_lead_through_all_of_a_list() {
    let world = world().await;
    let id = world.public_client(&[P]).await;
    for n in 0..7 {
        world.sign_in(&id, P, &format!("Person {n}")).await;
        world.sign_in(&id, P, "Ada").await;
    }
    for n in 0..5 {
        let client = json!({ "client_id": format!("portal-{n}"), "redirect_uris": ["https://portal.example/cb"] });
        done(&world, "client-ids/pin", &json!({ "client": client, "reason": "a test" })).await;
    }
    let ada = read(&world, "users?q=ada").await["items"][0]["user_id"].as_str().unwrap().to_owned();
    let connection = read(&world, &format!("users/{ada}/connections")).await["items"][0]["connection_id"].clone();
    let sessions = format!("connections/{}/sessions", connection.as_str().unwrap());
    let timeline = format!("users/{ada}/timeline");
    let requests = format!("users/{ada}/requests");
    keep_requests(&world, &ada).await;
    for n in 0..4 {
        let platform = json!({ "platform": format!("platform-{n}"), "reason": "a test" });
        done(&world, "platforms/block", &platform).await;
        done(&world, "client-ids/block", &json!({ "client_id": format!("client-{n}"), "reason": "a test" })).await;
    }
    let lists =
        ["users", "users?q=person", "events", "client-ids", "blocks", "funnel", &sessions, &timeline, &requests];
    for list in lists {
        let joint = if list.contains('?') { '&' } else { '?' };
        let all = read(&world, &format!("{list}{joint}limit=9999")).await["items"].clone();
        assert!(all.as_array().unwrap().len() >= 5, "{list}: {all}");
        for limit in [0, 1, 3] {
            let (mut seen, mut next) = (Vec::new(), String::new());
            loop {
                let page = read(&world, &format!("{list}{joint}limit={limit}{next}")).await;
                let items = page["items"].as_array().unwrap();
                assert!(items.len() <= limit.max(1) && !items.is_empty(), "{list}");
                seen.extend(items.clone());
                let Some(cursor) = page["next"].as_str() else { break };
                next = format!("&cursor={cursor}");
            }
            assert_eq!(Value::Array(seen), all, "{list} {limit}");
        }
    }
    let cursor = read(&world, "users?limit=1").await["next"].as_str().unwrap().to_owned();
    for wrong in [format!("events?cursor={cursor}"), "users?cursor=x".to_owned(), format!("users?cursor={cursor}A")] {
        assert_problem(&get(&world, &wrong).await, 404, "cursor");
    }
}

#[tokio::test]
async fn the_record_is_exported_as_lines_that_read_back() {
    let world = world().await;
    people(&world).await;
    let first = get(&world, "events.jsonl?limit=2&kind=signed_in").await;
    assert_eq!(first.headers()["content-type"], "application/jsonl");
    let link = first.headers()["link"].to_str().unwrap().to_owned();
    let query = link.strip_prefix("<?").and_then(|rest| rest.strip_suffix(">; rel=\"next\"")).unwrap();
    let second = get(&world, &format!("events.jsonl?{query}")).await;
    assert!(!second.headers().contains_key("link"));
    let lines = text(&first) + &text(&second);
    let events: Vec<_> = lines.lines().map(|line| dcr_core::record::Event::from_json(line).unwrap()).collect();
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event.actor == Actor::Person));
}

/// At every level, at once in this process, and on the record with who did it.
#[tokio::test]
async fn what_is_revoked_or_blocked_is_over_at_once_and_on_the_record() {
    let world = world().await;
    let id = world.public_client(&[P]).await;
    let why = json!({ "reason": "incident 4711" });
    let levels = ["session", "connection", "user", "client_id", "platform"];
    for level in levels {
        world.test.clock().advance(Duration::from_secs(60));
        let ada = world.sign_in(&id, P, "Ada").await;
        assert!(world.accepts(&ada.access).await);
        let claims = claims(&ada.access);
        let user = claims["sub"].as_str().unwrap();
        let connection = read(&world, &format!("users/{user}/connections")).await["items"][0]["connection_id"].clone();
        let connection = connection.as_str().unwrap();
        let sessions = read(&world, &format!("connections/{connection}/sessions?limit=200")).await;
        let session = sessions["items"].as_array().unwrap().last().unwrap()["session_id"].as_str().unwrap().to_owned();
        let (path, sent) = match level {
            "session" => (format!("sessions/{session}"), why.clone()),
            "connection" => (format!("connections/{connection}"), why.clone()),
            "user" => (format!("users/{user}"), why.clone()),
            "client_id" => ("client-ids".to_owned(), json!({ "client_id": id, "reason": "incident 4711" })),
            _ => ("platforms".to_owned(), json!({ "platform": "claude-web", "reason": "incident 4711" })),
        };
        world.test.clock().advance(Duration::from_secs(1));
        assert_eq!(done(&world, &format!("{path}/revoke"), &sent).await, json!({ "ended_sessions": 1 }), "{level}");
        assert!(!world.accepts(&ada.access).await, "{level}");
        let event = read(&world, "events?limit=1").await["items"][0].clone();
        assert_eq!((event["kind"].as_str(), event["actor"].as_str()), (Some("revoked"), Some("admin_token")));
        assert_eq!(event["reason"], "incident 4711");
        if level == "session" {
            assert_problem(&post(&world, &format!("{path}/block"), &why).await, 404, "not_found");
            continue;
        }
        world.test.clock().advance(Duration::from_secs(1));
        assert_eq!(done(&world, &format!("{path}/block"), &sent).await, json!({ "ended_sessions": 0 }));
        let kind = read(&world, "events?limit=1").await["items"][0]["kind"].clone();
        assert_eq!(kind, "blocked");
        assert_eq!(done(&world, &format!("{path}/unblock"), &sent).await, json!({ "unblocked": true }), "{level}");
        assert_eq!(done(&world, &format!("{path}/unblock"), &sent).await, json!({ "unblocked": false }), "{level}");
    }
    let platforms = read(&world, "platforms").await;
    assert!(platforms["items"].as_array().unwrap().iter().all(|platform| platform["blocked"] == false));
}

#[tokio::test]
async fn a_person_is_erased_and_a_receipt_is_given() {
    let world = world().await;
    let (ada, bob) = people(&world).await;
    let receipt = done(&world, &format!("users/{ada}/erase"), &json!({ "reason": "asked for it" })).await;
    assert_eq!(
        (&receipt["user_id"], &receipt["sessions"], &receipt["connections"]),
        (&json!(ada), &json!(2), &json!(2))
    );
    assert_eq!(receipt["actor"], "admin_token");
    let why = json!({ "reason": "again" });
    for gone in [format!("users/{ada}"), format!("users/{ada}/connections"), format!("users/{ada}/timeline")] {
        assert_problem(&get(&world, &gone).await, 404, "not_found");
    }
    assert_problem(&post(&world, &format!("users/{ada}/erase"), &why).await, 404, "not_found");
    let marker = receipt["marker"].as_str().unwrap();
    assert_eq!(read(&world, &format!("users/{marker}/timeline")).await["items"].as_array().unwrap().len(), 3);
    assert!(!read(&world, "events").await.to_string().contains(&ada));
    assert_eq!(read(&world, &format!("users/{bob}")).await["name"], "Bob");
}

#[tokio::test]
async fn clients_are_pinned_and_unpinned() {
    let world = world().await;
    let client = json!({
        "client_id": "portal",
        "client_name": "Portal",
        "redirect_uris": ["https://portal.example/cb"],
        "client_secret_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    });
    let pin = json!({ "client": client, "reason": "wanted" });
    assert_eq!(done(&world, "client-ids/pin", &pin).await, json!({ "replaced": false }));
    assert_eq!(done(&world, "client-ids/pin", &pin).await, json!({ "replaced": true }));
    let found = read(&world, "client-ids?client_id=portal").await["items"][0].clone();
    assert_eq!((&found["row"], &found["pinned"]["client_name"]), (&json!("pinned"), &json!("Portal")));
    assert!(!found.to_string().contains("e3b0c442"), "no hash of a secret");
    let unpin = json!({ "client_id": "portal", "reason": "over" });
    assert_eq!(done(&world, "client-ids/unpin", &unpin).await, json!({ "ended_sessions": 0 }));
    assert_problem(&post(&world, "client-ids/unpin", &unpin).await, 404, "not_found");
    assert_eq!(read(&world, "client-ids?client_id=portal").await["items"][0]["row"], "none");
    for wrong in [
        json!({ "client_id": "portal" }),
        json!({ "client_id": "portal", "redirect_uris": ["http://portal.example/cb"] }),
        json!({ "client_id": "usr_portal", "redirect_uris": ["https://portal.example/cb"] }),
        json!({ "client_id": "portal", "redirect_uris": ["https://portal.example/cb"], "colour": "red" }),
    ] {
        assert_problem(
            &post(&world, "client-ids/pin", &json!({ "client": wrong, "reason": "a test" })).await,
            422,
            "pin",
        );
    }
}

#[tokio::test]
async fn a_reference_says_what_happened_in_a_failed_sign_in() {
    let world = world().await;
    let id = world.public_client(&[P]).await;
    world.sign_in(&id, P, "Ada").await;
    let user = read(&world, "users").await["items"][0]["user_id"].as_str().unwrap().to_owned();
    done(&world, &format!("users/{user}/block"), &json!({ "reason": "abuse" })).await;
    let mut browser = Browser::default();
    let json = [("accept", "application/json")];
    let state = world.approve(&mut browser, &request_for(&id, P)).await;
    let query = encode(&[("code", "Ada"), ("state", &state)]);
    let cookie = browser.header();
    let refused = world.get(&format!("/oauth/callback?{query}"), &[json[0], ("cookie", &cookie)]).await;
    let reference = body(&refused)["reference"].as_str().unwrap().to_lowercase();
    let found = read(&world, &format!("references/{reference}")).await;
    assert_eq!(
        (&found["event"]["reason"], &found["event"]["user"]),
        (&json!("sign_in_blocked"), &json!(user)),
        "{found}"
    );

    let refused = world.get(&format!("/oauth/authorize?{}", encode(&request_for("unknown", E))), &json).await;
    let reference = body(&refused)["reference"].as_str().unwrap().to_owned();
    let found = read(&world, &format!("references/{reference}")).await;
    assert_eq!(
        (&found["recent"]["reason"], &found["recent"]["step"]),
        (&json!("client_not_accepted"), &json!("authorize"))
    );
    for unknown in ["references/0000-0000", "references/x"] {
        assert_problem(&get(&world, unknown).await, 404, "not_found");
    }
}

#[tokio::test]
async fn i_13_what_is_not_described_is_refused() {
    let world = world().await;
    let (ada, _) = people(&world).await;
    let user = format!("users/{ada}");
    for path in ["users?limit=x", "users?colour=red", "users?q=a&q=b", "users?q=", "users?q=%00", "events?since=now"] {
        assert_problem(&get(&world, path).await, 400, "parameter");
    }
    assert_problem(&get(&world, &format!("{user}?q=a")).await, 400, "parameter");
    assert_problem(&get(&world, "events?kind=Revoked").await, 400, "parameter");
    assert_problem(&get(&world, "users?q=%ff").await, 400, "query");
    for path in ["", "nothing", "users/", "users/ada", "users/usr_1", "sessions/ses_1", "users/usr_1/timeline"] {
        assert_problem(&get(&world, path).await, 404, "not_found");
    }
    let unknown = format!("users/usr_{}", "A".repeat(43));
    assert_eq!(text(&get(&world, &unknown).await), text(&get(&world, "users/ada").await), "OP-1");

    for (method, path, allow) in [("POST", "users", "GET"), ("HEAD", "users", "GET"), ("DELETE", user.as_str(), "GET")]
    {
        let refused = world.send(asking(method, path, "{}")).await;
        assert_problem(&refused, 405, "method_not_allowed");
        assert_eq!(refused.headers()["allow"], allow);
    }
    let block = format!("{user}/block");
    assert_problem(&world.send(asking("GET", &block, "")).await, 405, "method_not_allowed");
    assert_problem(&world.send(asking("OPTIONS", &block, "")).await, 405, "method_not_allowed");
    for body in ["", "{}", "[]", r#"{"reason":"a","force":true}"#, r#"{"reason":""}"#, "\u{1}"] {
        assert_problem(&world.send(asking("POST", &block, body)).await, 400, "body");
    }
    assert_problem(
        &world.send(asking("POST", &format!("{block}?force=1"), r#"{"reason":"a"}"#)).await,
        400,
        "parameter",
    );
    let authorization = format!("Bearer {TOKEN}");
    let form = [("authorization", authorization.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let refused = world.send(request("POST", &format!("{BASE}/{block}"), &form, "reason=a")).await;
    assert_problem(&refused, 415, "media_type");
    let large = format!(r#"{{"reason":"{}"}}"#, "x".repeat(100_000));
    assert_problem(&world.send(asking("POST", &block, &large)).await, 400, "body");
    assert_eq!(read(&world, &user).await["blocked"], false, "nothing of it was done");
}

#[tokio::test]
async fn a_store_that_is_away_is_a_503_that_says_when_to_come_again() {
    let world = world().await;
    world.test.memory().fail(true);
    let why = json!({ "platform": "cursor", "reason": "a test" });
    for response in
        [get(&world, "users").await, get(&world, "funnel").await, post(&world, "platforms/block", &why).await]
    {
        assert_problem(&response, 503, "store_unavailable");
        assert!(response.headers().contains_key("retry-after"));
    }
}

#[tokio::test]
async fn the_description_is_served() {
    let world = world().await;
    let description = read(&world, "openapi.json").await;
    assert_eq!((&description["openapi"], &description["servers"][0]["url"]), (&json!("3.1.0"), &json!(BASE)));
}
