//! Admission by groups and app roles, over sockets, with the claims that Entra ID sends.

use dcr_dev_idp::{DevIdp, MAX_GROUPS, User};
use dcr_e2e::{Browser, Client, Framework, Landing, World};

const REDIRECT: &str = "http://127.0.0.1/callback";
const STAFF: &str = "7d3c0e1a-5b2f-4f6e-9d8c-1a2b3c4d5e6f";

fn person(id: &str, groups: &[&str], roles: &[&str]) -> User {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let oid = format!("00000000-0000-4000-8000-{:012x}", id.len());
    User::new(id, id, oid).with_groups(list(groups)).with_roles(list(roles))
}

/// As many groups as Entra ID does not list any more, the right one among them.
fn in_too_many_groups(id: &str, roles: &[&str]) -> User {
    let groups: Vec<String> = (0..MAX_GROUPS).map(|n| format!("group-{n}")).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).chain([STAFF]).collect();
    person(id, &groups, roles)
}

/// Signs in, or answers what the page says.
async fn sign_in(world: &World, client: &Client, who: &str) -> Result<String, String> {
    let flow = client.authorize();
    match Browser::of(who).sign_in(&flow.url).await {
        Landing::Client(landed) => {
            let tokens = client.redeem(&client.code(&flow, &landed), &flow.verifier).await.expect(200).json();
            let access = tokens["access_token"].as_str().expect("a token").to_owned();
            Ok(world.whoami(&access).await["name"].as_str().expect("a name").to_owned())
        }
        Landing::Page(page) => {
            assert_eq!(page.answer.status, 403, "{page:?}");
            assert!(page.answer.body.contains("error=access_denied"), "a way back that says so: {page:?}");
            Err(page.answer.body)
        }
    }
}

#[tokio::test]
async fn who_is_in_a_listed_group_or_has_a_listed_role_comes_in_and_too_many_groups_are_told_apart() {
    for framework in Framework::ALL {
        let idp = DevIdp::builder().users([
            person("a", &[STAFF], &[]),
            person("bo", &["other"], &["Mcp.User"]),
            person("cal", &["other"], &["Other.Role"]),
            in_too_many_groups("dora", &[]),
            in_too_many_groups("emile", &["Mcp.User"]),
            person("fabian", &[], &[]),
        ]);
        let world = World::behind(*framework, idp, |options| {
            options.allowed_groups = Some(STAFF.to_uppercase());
            options.allowed_roles = Some("Mcp.User".to_owned());
        })
        .await;
        let client = Client::register(&world, &[REDIRECT]).await;
        for who in ["a", "bo", "emile"] {
            assert_eq!(sign_in(&world, &client, who).await.as_deref(), Ok(who));
        }
        for who in ["cal", "fabian"] {
            let page = sign_in(&world, &client, who).await.unwrap_err();
            assert!(page.contains("may not use this server"), "{page}");
        }
        let page = sign_in(&world, &client, "dora").await.unwrap_err();
        assert!(page.contains("which groups you are in"), "{page}");
        assert_eq!(world.counts().await.users, 3);
    }
}
