//! What clients find out before they sign in.

use dcr_e2e::{Answer, Framework, Http, World};
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

#[tokio::test]
async fn meta_01_every_path_form_serves_the_same_bytes_and_the_issuer_is_one() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let server = same(
            &world,
            &[
                "/.well-known/oauth-authorization-server",
                "/.well-known/oauth-authorization-server/mcp",
                "/mcp/.well-known/oauth-authorization-server",
                "/.well-known/openid-configuration",
                "/.well-known/openid-configuration/mcp",
                "/mcp/.well-known/openid-configuration",
            ],
        )
        .await;
        let resource = same(
            &world,
            &[
                "/.well-known/oauth-protected-resource",
                "/.well-known/oauth-protected-resource/mcp",
                "/mcp/.well-known/oauth-protected-resource",
            ],
        )
        .await;
        let (server, resource) = (server.json(), resource.json());
        assert_eq!(server["issuer"], world.base());
        assert_eq!(resource["authorization_servers"], json!([world.base()]));
        assert_eq!(resource["resource"], world.url("/mcp"));
        assert_eq!(resource["scopes_supported"], json!(["mcp"]));
        assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]), "MD-5");
        for (name, path) in [
            ("authorization_endpoint", "/oauth/authorize"),
            ("token_endpoint", "/oauth/token"),
            ("registration_endpoint", "/oauth/register"),
            ("revocation_endpoint", "/oauth/revoke"),
            ("jwks_uri", "/.well-known/jwks.json"),
        ] {
            assert_eq!(server[name], world.url(path));
        }
    }
}

async fn same(world: &World, paths: &[&str]) -> Answer {
    let first = Http::default().get(&world.url(paths[0]), &[]).await.expect(200);
    for path in paths {
        let answer = Http::default().get(&world.url(path), &[]).await.expect(200);
        assert_eq!(answer.body, first.body, "MD-3: {path}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
    }
    first
}

#[tokio::test]
async fn meta_02_no_header_of_a_request_changes_what_is_published() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let url = world.url("/.well-known/oauth-authorization-server");
        let plain = Http::default().get(&url, &[]).await.expect(200);
        for header in [
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "host=evil.example;proto=https"),
        ] {
            let answer = Http::default().get(&url, &[header]).await.expect(200);
            assert_eq!(answer.body, plain.body, "MD-1: {header:?}");
        }
    }
}
