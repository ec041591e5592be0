//! The guard and the MCP server behind it read the same tool out of the same bytes. The server's side is the official SDK's
//! own parser.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use dcr_core::testing::{Person, TestEngine};
use dcr_core::{InspectedBody, ScopeSet};
use dcr_e2e::Random;
use http_body_util::BodyExt as _;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage};
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;

const ROUNDS: usize = 20_000;

/// One of several, more often the first.
fn mostly<'a>(random: &mut Random, all: &[&'a str]) -> &'a str {
    if random.below(3) > 0 { all[0] } else { all[random.below(all.len())] }
}

/// Pairs of an object: those that make it good, with others strewn in, some of them twice.
fn object(random: &mut Random, good: &[String], odd: &[&str]) -> String {
    let mut pairs = good.to_vec();
    for _ in 0..random.below(3) {
        pairs.push((*random.pick(odd)).to_owned());
    }
    let order = random.order(pairs.len());
    let pairs: Vec<&str> = order.into_iter().map(|at| pairs[at].as_str()).collect();
    format!("{{{}}}", pairs.join(mostly(random, &[",", " , ", ",\n"])))
}

fn message(random: &mut Random) -> String {
    let name =
        mostly(random, &[r#""erase""#, r#""add""#, r#""er\u0061se""#, r#""Erase""#, "null", r#"["erase"]"#, "1"]);
    let key = mostly(random, &["name", r"n\u0061me", "Name", "nam"]);
    let params = object(
        random,
        &[format!("\"{key}\":{name}")],
        &[
            r#""name":"add""#,
            r#""name":"erase""#,
            r#""NAME":"erase""#,
            r#""arguments":{"name":"add","name":"erase"}"#,
            r#""arguments":{}"#,
            r#""_meta":{"name":"add"}"#,
            r#""task":{}"#,
            r#""x":[[[{}]]]"#,
        ],
    );
    let params =
        mostly(random, &[&params, r#"["erase"]"#, r#"["erase",{}]"#, r#"[null,"erase",{}]"#, "null", "{}"]).to_owned();
    let method = mostly(
        random,
        &[
            r#""tools/call""#,
            r#""tools\/call""#,
            r#""tools/c\u0061ll""#,
            r#""Tools/Call""#,
            r#""ping""#,
            r#""tools/list""#,
        ],
    );
    let key = mostly(random, &["method", r"meth\u006fd", "Method"]);
    let params_key = mostly(random, &["params", r"par\u0061ms", "Params"]);
    let good = [
        r#""jsonrpc":"2.0""#.to_owned(),
        r#""id":1"#.to_owned(),
        format!("\"{key}\":{method}"),
        format!("\"{params_key}\":{params}"),
    ];
    let message = object(
        random,
        &good,
        &[
            r#""method":"ping""#,
            r#""method":"tools/call""#,
            r#""params":{"name":"add"}"#,
            r#""params":{"name":"erase"}"#,
            r#""params":{}"#,
            r#""id":2"#,
            r#""result":{"method":"tools/call"}"#,
            r#""extensions":{"method":"tools/call"}"#,
            r#""x":{"method":"tools/call","params":{"name":"erase"}}"#,
        ],
    );
    match random.below(20) {
        0 => format!("[{message}]"),
        1 => format!("\u{feff}{message}"),
        2 => format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}}{message}"),
        3 => format!("/**/{message}"),
        4 => format!(" \r\n\t{message}\n"),
        _ => message,
    }
}

/// The tool that the official server would call.
fn called(body: &[u8]) -> Option<String> {
    match serde_json::from_slice::<ClientJsonRpcMessage>(body).ok()? {
        JsonRpcMessage::Request(request) => match request.request {
            ClientRequest::CallToolRequest(call) => Some(call.params.name.to_string()),
            _ => None,
        },
        _ => None,
    }
}

#[tokio::test]
async fn no_message_calls_a_tool_behind_the_guards_back() {
    let test = TestEngine::new().await;
    let scopes = |name| ScopeSet::from_names([name]).unwrap();
    let ada = test.sign_in_for_tests(&Person::named("Ada"), Some(&scopes("mcp"))).await.unwrap();
    let seen: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let kept = seen.clone();
    let inner = service_fn(move |request: http::Request<InspectedBody<Body>>| {
        let kept = kept.clone();
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            *kept.lock().unwrap() = Some(body.to_vec());
            Ok::<_, Infallible>(http::Response::new(Body::empty()))
        }
    });
    let guarded = test.guard().tool("erase", scopes("mcp:admin")).layer(inner);

    let mut random = Random::new(20_260_728);
    let (mut would_erase, mut let_through, mut added) = (0, 0, 0);
    for round in 0..ROUNDS {
        let body = message(&mut random);
        let kind = mostly(&mut random, &["application/json", "text/plain", "application/json; charset=utf-8"]);
        let request =
            http::Request::post("/").header("content-type", kind).header("authorization", ada.authorization());
        let request = request.body(Body::from(body.clone())).unwrap();
        let answer = guarded.clone().oneshot(request).await.unwrap();
        let tool = called(body.as_bytes());
        would_erase += usize::from(tool.as_deref() == Some("erase"));
        match seen.lock().unwrap().take() {
            None => assert!(matches!(answer.status().as_u16(), 400 | 403), "{}", answer.status()),
            Some(handed_on) => {
                assert_eq!(handed_on, body.as_bytes(), "byte for byte");
                assert_ne!(tool.as_deref(), Some("erase"), "round {round}: {body}");
                let_through += 1;
                added += usize::from(tool.as_deref() == Some("add"));
            }
        }
    }
    // The search was not in vain.
    assert!(
        would_erase > ROUNDS / 20 && let_through > ROUNDS / 20 && added > 50,
        "{would_erase} {let_through} {added}"
    );
}
