//! Step-up: a tool that needs more scope, the challenge that says so, a second sign-in, and the tool again.

use dcr_e2e::{Browser, Client, Framework, World, call};
use rmcp::ServiceExt as _;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;

const REDIRECT: &str = "http://127.0.0.1:49152/callback";

/// The parameter of a challenge.
fn parameter<'a>(challenge: &'a str, name: &str) -> &'a str {
    let start = challenge.find(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name}: {challenge}"));
    challenge[start..].split('"').nth(1).unwrap()
}

#[tokio::test]
async fn rows_31_to_35_a_client_in_plain_http_is_told_what_is_missing_and_gets_it() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let mut client = Client::register(&world, &[REDIRECT]).await;
        let mut browser = Browser::of("ada");
        let first = client.sign_in(&mut browser).await;
        let session = world.mcp_session(&first.access).await;

        let refused = world.mcp(&first.access, Some(&session), &call("erase")).await.expect(403);
        assert_eq!(refused.json()["error"], "insufficient_scope");
        let challenge = refused.header("www-authenticate").unwrap().to_owned();
        assert_eq!(parameter(&challenge, "error"), "insufficient_scope");
        assert_eq!(parameter(&challenge, "resource_metadata"), world.url("/.well-known/oauth-protected-resource/mcp"));
        assert_eq!(parameter(&challenge, "scope"), "mcp:erase");
        assert!(parameter(&challenge, "error_description").contains("mcp:erase"));

        // SEP-2350: the union of what it has and what it was told.
        client.scope = format!("{} {}", client.scope, parameter(&challenge, "scope"));
        let flow = client.authorize();
        let consent = browser.open(&flow.url).await.page();
        for words in ["Use the tools of this server", "Erase what the tools of this server keep"] {
            assert!(consent.answer.body.contains(words), "consent shows all: {words}");
        }
        let second = client.sign_in(&mut browser).await;
        let wide = world.mcp_session(&second.access).await;
        let erased = world.mcp(&second.access, Some(&wide), &call("erase")).await.expect(200);
        assert!(erased.body.contains("Erased"), "{}", erased.body);

        // The first session goes on as it was, and a refresh does not widen it.
        let (was, is) = (world.whoami(&first.access).await, world.whoami(&second.access).await);
        assert_ne!(was["session"], is["session"]);
        assert_eq!(was["connection"], is["connection"]);
        let refreshed = client.refresh(&first.refresh).await.expect(200).json();
        assert_eq!(refreshed["scope"], "mcp");
        let again = world.mcp(refreshed["access_token"].as_str().unwrap(), Some(&session), &call("erase")).await;
        again.expect(403);
    }
}

#[tokio::test]
async fn the_official_client_steps_up_by_the_challenge() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let url = world.url("/mcp");
        let mut browser = Browser::of("ada");

        let mut oauth = OAuthState::new(&url, None).await.unwrap();
        oauth
            .start_authorization(AuthorizationRequest::new(REDIRECT).with_client_name("Official client"))
            .await
            .unwrap();
        let authorize = oauth.get_authorization_url().await.unwrap();
        let landed = browser.sign_in(&authorize).await.client();
        oauth.handle_callback_url(landed.as_str()).await.unwrap();
        let (_, tokens) = oauth.get_credentials().await.unwrap();
        let token = serde_json::to_value(tokens).unwrap()["access_token"].as_str().unwrap().to_owned();

        // What its transport would have been told.
        let session = world.mcp_session(&token).await;
        let refused = world.mcp(&token, Some(&session), &call("erase")).await.expect(403);
        let needed = parameter(refused.header("www-authenticate").unwrap(), "scope").to_owned();

        let authorize = oauth.request_scope_upgrade(&needed, REDIRECT).await.unwrap();
        let landed = browser.sign_in(&authorize).await.client();
        oauth.handle_callback_url(landed.as_str()).await.unwrap();

        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let authorized = AuthClient::new(http, oauth.into_authorization_manager().unwrap());
        let config = StreamableHttpClientTransportConfig::with_uri(url.clone());
        let client = ().serve(StreamableHttpClientTransport::with_client(authorized, config)).await.unwrap();
        let erased = client.call_tool(CallToolRequestParams::new("erase")).await.unwrap();
        assert!(serde_json::to_string(&erased).unwrap().contains("Erased"));
        let who = serde_json::to_value(client.call_tool(CallToolRequestParams::new("whoami")).await.unwrap()).unwrap();
        let scopes = who["structuredContent"]["scopes"].to_string();
        assert!(scopes.contains("\"mcp\"") && scopes.contains("\"mcp:erase\""), "{scopes}");
        client.cancel().await.unwrap();
    }
}
