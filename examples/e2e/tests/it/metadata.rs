//! What clients find out before they sign in.

use dcr_e2e::{Framework, Http, World};
use serde_json::json;

#[tokio::test]
async fn a_request_without_a_token_is_told_where_to_get_one_and_for_which_scope() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let answer = Http::default().post_json(&world.url("/mcp"), &[], &json!({})).await.expect(401);
        let metadata = world.url("/.well-known/oauth-protected-resource/mcp");
        let challenge = format!("Bearer resource_metadata=\"{metadata}\", scope=\"mcp\"");
        assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
        assert_eq!(Http::default().get(&metadata, &[]).await.expect(200).json()["resource"], world.url("/mcp"));
    }
}
