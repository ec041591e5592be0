//! The guard of single tools: what is buffered, streamed or refused is so on both adapters, byte for byte.

use dcr_e2e::raw::Raw;

use crate::pair::Pair;

const ERASE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"erase"}}"#;
const ADD: &str = "{\"jsonrpc\":\"2.0\", \"id\":1,\r\n\"method\":\"tools\\/call\",\"params\":{\"name\":\"add\"}} ";

#[tokio::test]
async fn calls_of_tools() {
    let mut pair = Pair::start().await;
    let narrow = pair.sign_in("Ada", &["mcp"]).await;
    let broad = pair.sign_in("Bob", &["mcp", "mcp:admin"]).await;
    let twice = r#"{"method":"ping","method":"tools/call","params":{"name":"erase"}}"#;
    let batch = format!("[{ADD},{ERASE}]");
    let long = format!("{{\"method\":\"ping\",\"x\":\"{}\"}}", "x".repeat(70_000));
    let too_long = format!("{{\"method\":\"ping\",\"x\":\"{}\"}}", "x".repeat(5 * 1024 * 1024));
    let upload = format!("--b\r\n{}", "x".repeat(70_000));
    for (body, status) in [
        (ERASE, 403),
        (ADD, 203),
        (twice, 400),
        (&batch, 403),
        ("", 203),
        ("nonsense", 400),
        (&long, 203),
        (&too_long, 413),
        (&upload, 400),
    ] {
        for kind in ["application/json", "application/json; charset=utf-8", "multipart/form-data; boundary=b"] {
            let request =
                |who: &str| Raw::new("POST", "/tools").header("Content-Type", kind).header("Authorization", who);
            let (ada, bob) = (format!("Bearer {}", narrow.token()), format!("Bearer {}", broad.token()));
            let answer = pair.ask(request(&ada).body(body)).await;
            // What is no message is handed on under a name that says so.
            let streamed = kind.starts_with("multipart") && matches!(body.as_bytes().first(), Some(b'n' | b'-'));
            let expected = if streamed { 203 } else { status };
            assert_eq!(answer.status(), expected, "{kind} {}", &body[..body.len().min(80)]);
            assert_eq!(pair.ask(request(&ada).chunked(body.as_bytes(), 1_000)).await.status(), expected);
            assert_eq!(pair.ask(request(&bob).body(body)).await.status(), 203);
            assert_eq!(pair.ask(request("Bearer x").body(body)).await.status(), 401);
        }
    }
    let ada = format!("Bearer {}", narrow.token());
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let request = Raw::new(method, "/tools").header("Content-Type", "application/json");
        assert_eq!(pair.ask(request.header("Authorization", &ada).body(ERASE)).await.status(), 203, "{method}");
    }
    let encoded = Raw::json("/tools", ADD).header("Authorization", &ada).header("Content-Encoding", "gzip");
    assert_eq!(pair.ask(encoded).await.status(), 415);
    // Headers that say something else than the body.
    let lying = Raw::json("/tools", ERASE).header("Authorization", &ada);
    let lying = lying.header("Mcp-Method", "tools/call").header("Mcp-Name", "add");
    assert_eq!(pair.ask(lying).await.status(), 403);
    let (compared, silent) = pair.finish();
    assert!(compared - silent >= 110, "only {compared}, {silent} of them with nothing");
}
