//! Several MCP servers behind one sign-in, from a configuration file.

use dcr_e2e::{Browser, Client, Directory, Framework, Http, Tokens, World, call};
use serde_json::json;

const REDIRECT: &str = "http://127.0.0.1:49152/callback";

const FILE: &str = r#"
[[resource]]
path = "/mcp"
name = "Tools"
scope = [{ name = "mcp", words = "Use the tools" }]

[[resource]]
path = "/mcp/notes"
name = "Notes"

[[resource.scope]]
name = "notes:read"
words = "Read your notes"

[[resource.scope]]
name = "notes:write"
words = "Change your notes"
default = false
implies = ["notes:read"]

[resource.tools]
erase = ["notes:write"]
add = ["notes:read"]

[[resource]]
path = ""
name = "Everything"
scope = [{ name = "all", words = "Use everything" }]
"#;

/// A world with these resources; the file lives as long as the directory.
async fn world(framework: Framework) -> (World, Directory) {
    let directory = Directory::new();
    let file = directory.path().join("dcr.toml");
    std::fs::write(&file, FILE).unwrap();
    let world = World::with(framework, |options| options.config = Some(file.display().to_string())).await;
    (world, directory)
}

async fn sign_in(world: &World, path: &str, scope: &str) -> (Client, Tokens) {
    let mut client = Client::register(world, &[REDIRECT]).await;
    (client.resource, client.scope) = (world.url(path), scope.to_owned());
    let tokens = client.sign_in(&mut Browser::of("ada")).await;
    (client, tokens)
}

const ALL: [(&str, &str); 3] = [("/mcp", "mcp"), ("/mcp/notes", "notes:read"), ("", "all")];

#[tokio::test]
async fn rs_01_each_server_takes_its_own_tokens_and_refuses_those_of_the_others() {
    for framework in Framework::ALL {
        let (world, _file) = world(*framework).await;
        for (own, scope) in ALL {
            let (client, tokens) = sign_in(&world, own, scope).await;
            for (at, _) in ALL {
                if at == own {
                    let session = world.mcp_session_at(at, &tokens.access).await;
                    let answer = world.mcp_at(at, &tokens.access, Some(&session), &call("whoami")).await.expect(200);
                    assert!(answer.body.contains("Ada Example"), "{}", answer.body);
                } else {
                    let answer = world.mcp_at(at, &tokens.access, None, &call("whoami")).await.expect(401);
                    let challenge = answer.header("www-authenticate").unwrap();
                    assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{challenge}");
                }
            }
            // RFC 8707 section 2.2: neither does a refresh lead to another server.
            let other = world.url(if own == "/mcp" { "/mcp/notes" } else { "/mcp" });
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh), ("resource", &other)];
            assert_eq!(client.token(&refresh).await.oauth_error(), (400, "invalid_target".to_owned()));
            client.refresh(&tokens.refresh).await.expect(200);
        }
    }
}

#[tokio::test]
async fn each_server_has_its_metadata_and_its_challenge_leads_there() {
    for framework in Framework::ALL {
        let (world, _file) = world(*framework).await;
        for (path, scope) in ALL {
            let answer = Http::default().post_json(&world.url(path), &[], &json!({})).await.expect(401);
            let metadata = world.url(&format!("/.well-known/oauth-protected-resource{path}"));
            let challenge = format!("Bearer resource_metadata=\"{metadata}\", scope=\"{scope}\"");
            assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
            let document = Http::default().get(&metadata, &[]).await.expect(200).json();
            assert_eq!(document["resource"], world.url(path));
            assert_eq!(document["scopes_supported"], json!([scope]));
        }
        let server =
            Http::default().get(&world.url("/.well-known/oauth-authorization-server"), &[]).await.expect(200).json();
        assert_eq!(server["protected_resources"], json!([world.url("/mcp"), world.url("/mcp/notes"), world.url("")]));
        assert_eq!(server["scopes_supported"], json!(["all", "mcp", "notes:read", "notes:write", "offline_access"]));
        Http::default().get(&world.url("/nothing"), &[]).await.expect(404);
    }
}

#[tokio::test]
async fn a_tool_demands_the_scopes_of_its_own_server_and_a_broad_one_satisfies_it() {
    for framework in Framework::ALL {
        let (world, _file) = world(*framework).await;
        let (_, tokens) = sign_in(&world, "/mcp/notes", "notes:read").await;
        let session = world.mcp_session_at("/mcp/notes", &tokens.access).await;
        let refused = world.mcp_at("/mcp/notes", &tokens.access, Some(&session), &call("erase")).await.expect(403);
        assert!(refused.header("www-authenticate").unwrap().ends_with("scope=\"notes:write\""));
        let sum = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add", "arguments": {"a": 1, "b": 2}}});
        let (_, broad) = sign_in(&world, "/mcp/notes", "notes:write").await;
        for token in [&tokens.access, &broad.access] {
            let session = world.mcp_session_at("/mcp/notes", token).await;
            let answer = world.mcp_at("/mcp/notes", token, Some(&session), &sum).await.expect(200);
            assert!(answer.body.contains("\"3\""), "{}", answer.body);
        }
        // The tool of the same name is nothing special elsewhere.
        let (_, tokens) = sign_in(&world, "/mcp", "mcp").await;
        let session = world.mcp_session(&tokens.access).await;
        world.mcp(&tokens.access, Some(&session), &call("erase")).await.expect(200);
    }
}
