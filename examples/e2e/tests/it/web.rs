//! Pages that people sign in to, on both servers and by the development provider: their own connections, and the console.

use dcr_e2e::{Browser, Client, Framework, Http, Landing, Tokens, World};
use reqwest::StatusCode;

const CLAUDE: &str = "https://claude.ai/api/mcp/auth_callback";

/// Presses the button, picks the account, and goes on from the page that the callback answers.
async fn sign_in(browser: &mut Browser, origin: &str, area: &str) -> Landing {
    let page = browser.open(&format!("{origin}{area}")).await.page();
    assert!(page.answer.body.contains("/sign-in\""), "{page:?}");
    let next = page.hidden("next");
    let accounts = browser.post(&format!("{origin}{area}/sign-in"), &[("next", &next)]).await.page();
    let back = browser.pick(&accounts).await.page();
    assert_eq!(back.answer.status, StatusCode::OK, "a page, so that the Strict cookie goes along: {back:?}");
    assert_eq!(back.answer.header("refresh"), Some(format!("0; url={area}").as_str()), "{back:?}");
    browser.open(&format!("{origin}{area}")).await
}

#[tokio::test]
async fn a_person_sees_which_apps_have_access_and_disconnects_one() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let client = Client::register(&world, &[CLAUDE]).await;
        let tokens = client.sign_in(&mut Browser::of("ada")).await;
        let refreshed = Tokens::from(client.refresh(&tokens.refresh).await);
        let bob = client.sign_in(&mut Browser::of("bob")).await;

        let (mut browser, origin) = (Browser::of("ada"), world.url(""));
        let page = sign_in(&mut browser, &origin, "/oauth/connections").await.page();
        assert!(page.answer.body.contains("<bdi>Claude</bdi>"), "{page:?}");
        let token = page.hidden("token");
        let html = &page.answer.body;
        let (_, connection) = html.split_once("name=\"connection\" value=\"").expect("a button");
        let connection = connection.split('"').next().expect("an id");
        let fields = [("token", token.as_str()), ("connection", connection)];
        let done = browser.post(&format!("{origin}/oauth/connections/disconnect"), &fields).await.page();
        assert!(done.answer.body.contains("Claude is disconnected: 1 sign-in ended."), "{done:?}");

        assert_eq!(client.refresh(&refreshed.refresh).await.oauth_error(), (400, "invalid_grant".to_owned()));
        let bearer = format!("Bearer {}", refreshed.access);
        let refused = Http::default().get(&world.url("/protected"), &[("authorization", &bearer)]).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        client.refresh(&bob.refresh).await.expect(200);
    }
}

#[tokio::test]
async fn an_administrator_signs_in_to_the_console_and_others_do_not() {
    for framework in Framework::ALL {
        let world = World::with(*framework, |options| options.admin_users = Some("ada@dev.example".to_owned())).await;
        let origin = world.url("");
        let page = sign_in(&mut Browser::of("ada"), &origin, "/oauth/admin").await.page();
        assert_eq!(page.answer.status, StatusCode::OK);
        assert!(page.answer.body.contains("ada@dev.example"), "{page:?}");

        let mut other = Browser::of("bob");
        let accounts = other.post(&format!("{origin}/oauth/admin/sign-in"), &[]).await.page();
        let refused = other.pick(&accounts).await.page();
        assert_eq!(refused.answer.status, StatusCode::FORBIDDEN);
        assert!(refused.answer.body.contains("admin_not_admitted"), "{refused:?}");
        // The API below it is of the same router, and asks for its own.
        let api = Http::default().get(&world.url("/oauth/admin/api/v1/users"), &[]).await;
        assert_eq!(api.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn the_console_has_an_address_of_its_own_if_that_is_said() {
    for framework in Framework::ALL {
        // Nobody else takes a port that was free a moment ago, as a rule.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let admin = format!("127.0.0.1:{port}");
        let world = World::with(*framework, |options| {
            options.admin_users = Some("ada@dev.example".to_owned());
            options.admin_bind = Some(admin.clone());
        })
        .await;
        let http = Http::default();
        assert_eq!(http.get(&world.url("/oauth/admin"), &[]).await.status, StatusCode::NOT_FOUND);
        let origin = format!("http://{admin}");
        let mut browser = Browser::of("ada");
        let page = sign_in(&mut browser, &origin, "/oauth/admin").await.page();
        assert!(page.answer.body.contains("ada@dev.example"), "{page:?}");
        // Nothing else is there.
        for path in ["/oauth/authorize", "/oauth/token", "/oauth/connections", "/mcp", "/.well-known/jwks.json"] {
            assert_eq!(http.get(&format!("{origin}{path}"), &[]).await.status, StatusCode::NOT_FOUND, "{path}");
        }
        let session = browser.cookie_names().into_iter().find(|name| name.starts_with("dcr-console-")).unwrap();
        assert_eq!(session, format!("dcr-console-{port}"), "the port of its own, since cookies know none");
    }
}
