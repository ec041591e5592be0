//! The official Rust client, with nothing of ours in it but a browser.

use std::time::Duration;

use dcr_e2e::{Browser, Framework, Http, World};
use rmcp::ServiceExt as _;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};

const REDIRECT: &str = "http://127.0.0.1:49152/callback";
const LIFE: Duration = Duration::from_secs(2);

async fn call(client: &RunningService<RoleClient, ()>, tool: &'static str, arguments: Value) -> Value {
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    let result = client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.unwrap();
    serde_json::to_value(result).unwrap()
}

#[tokio::test]
async fn the_official_client_registers_signs_in_calls_a_tool_outlives_its_access_token_and_calls_again() {
    for framework in Framework::ALL {
        let world =
            World::with(*framework, |options| options.access_token_ttl = Some(LIFE.as_secs().to_string())).await;
        let url = world.url("/mcp");

        let mut oauth = OAuthState::new(&url, None).await.unwrap();
        let request = AuthorizationRequest::new(REDIRECT).with_client_name("Official client");
        oauth.start_authorization(request).await.unwrap();
        let authorize = oauth.get_authorization_url().await.unwrap();
        let landed = Browser::of("ada").sign_in(&authorize).await.client();
        assert!(landed.as_str().starts_with(REDIRECT), "{landed}");
        oauth.handle_callback_url(landed.as_str()).await.unwrap();
        let (client_id, _) = oauth.get_credentials().await.unwrap();

        let authorized = AuthClient::new(reqwest_client(), oauth.into_authorization_manager().unwrap());
        let first_token = authorized.get_access_token().await.unwrap();
        let config = StreamableHttpClientTransportConfig::with_uri(url.clone());
        let client = ().serve(StreamableHttpClientTransport::with_client(authorized.clone(), config)).await.unwrap();

        let first = call(&client, "whoami", json!({})).await;
        let who = first["structuredContent"].clone();
        let text: Value = serde_json::from_str(first["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, who, "the text and the structured content say the same");
        let ada = world.idp().users().into_iter().find(|user| user.id == "ada").unwrap();
        assert_eq!(who["oid"], ada.oid.as_str());
        assert_eq!(who["tid"], world.idp().tenant_id());
        assert_eq!(who["name"], ada.name.as_str());
        assert_eq!(who["email"], ada.email.unwrap().as_str());
        assert_eq!(who["client_id"], client_id.as_str());
        assert_eq!(who["platform"], "loopback");
        assert!(who["connection"].as_str().unwrap().starts_with("con_"));
        assert!(who["session"].as_str().unwrap().starts_with("ses_"));
        assert!(who["scopes"].as_array().unwrap().contains(&json!("mcp")), "{who}");
        assert_eq!(who.as_object().unwrap().len(), 9);

        // The one wait of these tests: a real client reads a real clock.
        tokio::time::sleep(LIFE + Duration::from_millis(200)).await;
        let stale = format!("Bearer {first_token}");
        Http::default().get(&world.url("/protected"), &[("authorization", &stale)]).await.expect(401);

        let second = call(&client, "whoami", json!({})).await;
        assert_eq!(second["structuredContent"], who, "the same session after the refresh");
        assert_ne!(authorized.get_access_token().await.unwrap(), first_token);
        let sum = call(&client, "add", json!({"a": 2, "b": 40.5})).await;
        assert_eq!(sum["content"][0]["text"], "42.5");
        client.cancel().await.unwrap();
    }
}

fn reqwest_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}
