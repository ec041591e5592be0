//! The history of requests, on both servers: from where a tool was called, and what became of it.

use dcr_core::store::{RequestQuery, RequestsOf};
use dcr_e2e::{Browser, Client, Framework, World};

const CLAUDE: &str = "https://claude.ai/api/mcp/auth_callback";

#[tokio::test]
async fn it_says_which_tools_a_session_called_from_where() {
    for framework in Framework::ALL {
        let world = World::with(*framework, |options| options.request_history = Some("30".to_owned())).await;
        let ada = Client::register(&world, &[CLAUDE]).await.sign_in(&mut Browser::of("ada")).await;
        assert_eq!(world.whoami(&ada.access).await["name"], "Ada Example");
        world.engine().flush().await.expect("a store that answers");

        let users = world.engine().store().users(&dcr_core::store::UserQuery::default()).await.expect("users");
        let of = RequestsOf::User(users[0].id.clone());
        let query = RequestQuery { of, before: None, limit: 100 };
        let found = world.engine().store().requests(&query).await.expect("requests");
        let called: Vec<_> = found.iter().filter_map(|request| request.tool.as_deref()).collect();
        assert_eq!(called, ["whoami"], "{framework:?}: {found:?}");
        for request in &found {
            assert!(request.address.is_some_and(|address| address.is_loopback()), "{framework:?}: {request:?}");
            assert_eq!(request.method, "POST", "{framework:?}: {request:?}");
            assert!((200..300).contains(&request.status), "{framework:?}: {request:?}");
        }
    }
}
