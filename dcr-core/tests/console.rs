//! The pages of the operator's console, as an adapter would hand their requests in, by somebody who signed in there.

mod support;

use bytes::Bytes;
use dcr_core::record::{Actor, Event, EventKind, RequestRecord};
use dcr_core::session::{RequestId, SessionId, UserId};
use dcr_core::store::{EventQuery, Store as _, Target};
use dcr_core::testing::Person;
use dcr_core::{AdminAccess, AdminPeople, ClientId, Clock as _, Platform, PlatformList};
use http::{Response, StatusCode};

use crate::support::*;

const CONSOLE: &str = "/oauth/admin";

/// A console, with somebody signed in to it.
struct Console {
    world: World,
    browser: Browser,
    token: String,
}

impl Console {
    async fn new() -> Self {
        let ada = AdminPeople::new().users(["ada@test.example".to_owned()]);
        let world = World::with(|builder| builder.admin(AdminAccess::people(ada).unwrap())).await;
        let mut browser = Browser::default();
        let sent = browser.post(&world, "/oauth/admin/sign-in", &[("next", CONSOLE)]).await;
        let state = query_of(&location(&sent))["state"].clone();
        let back = world.callback(&mut browser, &state, "Ada").await;
        assert_eq!(back.status(), StatusCode::OK, "{}", text(&back));
        let mut console = Self { world, browser, token: String::new() };
        let page = console.page("").await;
        let at = page.find("name=\"token\" value=\"").unwrap() + 20;
        console.token = page[at..].split('"').next().unwrap().to_owned();
        console
    }

    async fn get(&mut self, place: &str) -> Response<Bytes> {
        self.browser.visit(&self.world, &at(place)).await
    }

    async fn page(&mut self, place: &str) -> String {
        let page = self.get(place).await;
        assert_eq!(page.status(), StatusCode::OK, "{place}: {}", text(&page));
        text(&page)
    }

    /// The page in Korean.
    async fn korean(&self, place: &str) -> String {
        let cookies = self.browser.header();
        let page = self.world.get(&at(place), &[("cookie", &cookies), ("accept-language", "ko")]).await;
        assert_eq!(page.status(), StatusCode::OK, "{place}: {}", text(&page));
        assert_eq!(page.headers()["content-language"], "ko");
        text(&page)
    }

    async fn post(&mut self, place: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
        let token = self.token.clone();
        let fields: Vec<(&str, &str)> = [("token", token.as_str())].into_iter().chain(fields.iter().copied()).collect();
        self.browser.post(&self.world, &at(place), &fields).await
    }

    /// A change, and the page that follows it.
    async fn change(&mut self, place: &str, fields: &[(&str, &str)]) -> String {
        let done = self.post(place, fields).await;
        assert_eq!(done.status(), StatusCode::SEE_OTHER, "{place}: {}", text(&done));
        let next = location(&done);
        let next = next.strip_prefix("/oauth/admin").unwrap().trim_start_matches('/').to_owned();
        self.page(&next).await
    }

    async fn events(&self, kind: EventKind) -> Vec<Event> {
        let query = EventQuery { kind: Some(kind), limit: 100, ..EventQuery::default() };
        self.world.test.memory().events(&query).await.unwrap()
    }
}

fn at(place: &str) -> String {
    match place {
        "" => CONSOLE.to_owned(),
        query if query.starts_with('?') => format!("{CONSOLE}{query}"),
        place => format!("{CONSOLE}/{place}"),
    }
}

fn user(name: &str) -> UserId {
    UserId::derive("https://idp.example", "test-tenant", name)
}

/// Every element of a page is closed by its own end, every attribute is quoted, no id comes twice, and nothing of it is
/// script or style but the two elements that the policy names.
fn assert_well_formed(page: &str, place: &str) {
    const VOID: [&str; 4] = ["meta", "input", "img", "br"];
    let mut open: Vec<&str> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    let mut rest = page.strip_prefix("<!doctype html>").expect("a document");
    while let Some(at) = rest.find('<') {
        let tag = &rest[at + 1..];
        let end = tag.find('>').unwrap_or_else(|| panic!("{place}: a tag that does not end"));
        let inside = &tag[..end];
        rest = &tag[end + 1..];
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{place}: </{name}>");
            continue;
        }
        let name = inside.split([' ', '/', '\n']).next().unwrap();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{place}: <{inside}>");
        let outside: Vec<&str> = inside.split('"').step_by(2).collect();
        for before in &outside[..outside.len() - 1] {
            let attribute = before.rsplit(' ').next().and_then(|name| name.strip_suffix('='));
            let attribute = attribute.unwrap_or_else(|| panic!("{place}: a value of nothing: <{inside}>"));
            assert!(!attribute.starts_with("on") && attribute != "style", "{place}: <{inside}>");
        }
        for between in &outside[1..] {
            assert!(between.is_empty() || between.starts_with([' ', '/']), "{place}: <{inside}>");
        }
        if let Some(id) = inside.split(" id=\"").nth(1).and_then(|id| id.split('"').next()) {
            assert!(ids.insert(id.to_owned()), "{place}: {id} comes twice");
        }
        if name == "style" || name == "script" {
            assert_eq!(inside, name);
            rest = &rest[rest.find(&format!("</{name}>")).unwrap() + name.len() + 3..];
        } else if !VOID.contains(&name) && !inside.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{place}: {open:?}");
    for label in page.split("<label for=\"").skip(1) {
        let id = label.split('"').next().unwrap();
        assert!(ids.contains(id), "{place}: a label of nothing: {id}");
    }
    for form in page.split("<form ").skip(1) {
        let form = form.split("</form>").next().unwrap();
        let posts = form.split('>').next().unwrap().contains("method=\"post\"");
        assert_eq!(posts, form.contains("name=\"token\""), "{place}: a form that posts has the token: {form}");
    }
    assert_eq!(page.matches("<script").count(), 1, "{place}");
    assert_eq!((page.matches("<main").count(), page.matches("<h1").count()), (1, 1), "{place}");
    assert!(!page.contains("href=\"javascript:") && !page.contains("\"NaN"), "{place}");
}

#[tokio::test]
async fn every_page_is_well_formed_in_every_language_whatever_names_say() {
    let mut console = Console::new().await;
    let names =
        ["<script>alert(1)</script>", "\" onmouseover=\"x", "\u{202e}evil\u{0}", "a'&amp;<b", &"x".repeat(5_000)];
    for (n, hostile) in names.iter().enumerate() {
        let person = Person::named(hostile).object_id(format!("{n}<i>\"")).email(format!("{hostile}@x.example"));
        console.world.test.sign_in(&person).await;
    }
    let client = console.world.public_client(&[P]).await;
    console.world.sign_in(&client, P, "Bob").await;
    let bob = user("bob");
    let evil = user("0<i>\"");
    let request = RequestRecord {
        id: RequestId::from_bytes([1; 16]),
        user: evil.clone(),
        session: SessionId::from_bytes([1; 16]),
        at: console.world.test.clock().now(),
        method: "POST".to_owned(),
        tool: Some(names.concat()),
        status: 200,
        address: None,
    };
    console.world.test.memory().add_requests(&[request]).await.unwrap();
    let blocks = [
        Target::User(evil.clone()),
        Target::ClientId(ClientId::new("<script>alert(1)</script>\"'&").unwrap()),
        Target::Platform(Platform::named("<i>\"")),
        Target::Connection(console.world.test.memory().connections_of(&bob).await.unwrap()[0].id),
    ];
    for target in blocks {
        console.world.engine.operator().block(&target, "a test").await.unwrap();
    }
    let places = [
        String::new(),
        "?range=24h".to_owned(),
        "?range=30d".to_owned(),
        "people".to_owned(),
        "people?q=%3Cscript%3E".to_owned(),
        "people?q=nobody%22%3E%3Cb".to_owned(),
        format!("people/{bob}"),
        format!("people/{evil}"),
        format!("people/{evil}?done=ended"),
        "clients".to_owned(),
        format!("clients?client_id={client}"),
        "clients?client_id=%3Cscript%3E%22".to_owned(),
        "blocks".to_owned(),
        "blocks?kind=platform&done=unblocked".to_owned(),
        "events".to_owned(),
        "events?kind=signed_in&reason=&since=2020-01-01T00%3A00&until=".to_owned(),
        "events?reason=%22%3E%3Cscript%3E".to_owned(),
        "events?actor=admin_token".to_owned(),
        "references?reference=%3Cscript%3E".to_owned(),
        "references".to_owned(),
        "health".to_owned(),
        format!("people/{evil}/requests"),
        format!("people/{bob}/requests"),
        format!("sessions/{}/requests", SessionId::from_bytes([1; 16])),
    ];
    for place in places {
        let (english, korean) = (console.page(&place).await, console.korean(&place).await);
        assert_ne!(english, korean, "{place}");
        for page in [&english, &korean] {
            assert_well_formed(page, &place);
            assert!(!page.contains("alert(1)</script>") && !page.contains('\u{202e}'), "{place}");
            assert!(!page.contains(&"x".repeat(200)), "{place}: it is bounded");
        }
        assert!(english.contains("lang=\"en\"") && korean.contains("lang=\"ko\""), "{place}");
    }
}

#[tokio::test]
async fn co_03_the_policy_names_the_style_and_the_script_by_their_hashes_and_forms_say_where_they_come_from() {
    let mut console = Console::new().await;
    let page = console.get("people").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(policy.contains("script-src 'sha256-") && policy.contains("form-action 'self'"), "{policy}");
    assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.headers()["referrer-policy"], "same-origin");
    assert_eq!(
        (&page.headers()["cache-control"], &page.headers()["x-frame-options"]),
        (&"no-store".parse().unwrap(), &"DENY".parse().unwrap())
    );
}

#[tokio::test]
async fn op_01_what_is_not_there_is_a_page_and_says_the_same_of_every_id() {
    let mut console = Console::new().await;
    let nobody = user("nobody");
    for place in [
        "nothing",
        "people/x",
        "people/usr_x",
        &format!("people/{nobody}"),
        "sessions/ses_00000000000000000000000000000000",
        "connections/x",
        "people/",
        "overview/",
    ] {
        let page = console.get(place).await;
        assert_eq!(page.status(), StatusCode::NOT_FOUND, "{place}");
        assert_well_formed(&text(&page), place);
    }
    for place in
        ["?range=1y", "events?kind=nothing", "events?since=yesterday", "people?q=a&q=b", "clients?client_id=usr_x"]
    {
        assert_eq!(console.get(place).await.status(), StatusCode::BAD_REQUEST, "{place}");
    }
    assert_eq!(console.get("people?cursor=x").await.status(), StatusCode::NOT_FOUND);
    for place in ["nothing", "people", "people/x", "events", ""] {
        let page = console.post(place, &[("act", "revoke"), ("reason", "a")]).await;
        assert_eq!(page.status(), StatusCode::NOT_FOUND, "{place}");
    }
}

/// The incident: everything of one person ends, and the page shows that it did.
#[tokio::test]
async fn sign_out_everywhere_ends_what_the_person_has_and_shows_the_proof() {
    let mut console = Console::new().await;
    let (web, local) = (console.world.public_client(&[P]).await, console.world.public_client(&[L]).await);
    let first = console.world.sign_in(&web, P, "Bob").await;
    let second = console.world.sign_in(&local, L, "Bob").await;
    let other = console.world.sign_in(&web, P, "Eve").await;
    let person = format!("people/{}", user("bob"));
    let before = console.page(&person).await;
    assert!(before.contains("Live sessions: 2, in 2 of"), "{before}");
    assert!(console.world.accepts(&first.access).await);

    let after = console.change(&person, &[("act", "revoke"), ("reason", "laptop stolen, 4711")]).await;
    assert!(after.contains("No live session") && after.contains("no session of this person is live"), "{after}");
    assert!(after.contains("Sessions that ended: 2.") && after.contains("laptop stolen, 4711"), "{after}");
    for access in [&first.access, &second.access] {
        assert!(!console.world.accepts(access).await);
    }
    assert!(console.world.accepts(&other.access).await, "nobody else's");

    let events = console.events(EventKind::Revoked).await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((&event.actor, &event.user), (&Actor::Admin(user("ada")), &Some(user("bob"))));
    assert!(after.contains(&event.id.to_string()) && after.contains(&format!("admin:{}", user("ada"))), "{after}");
}

#[tokio::test]
async fn one_session_or_one_connection_ends_and_is_in_the_timeline_of_its_person() {
    let mut console = Console::new().await;
    let client = console.world.public_client(&[P]).await;
    let first = console.world.sign_in(&client, P, "Bob").await;
    let second = console.world.sign_in(&client, P, "Bob").await;
    let eve = console.world.sign_in(&client, P, "Eve").await;
    let person = format!("people/{}", user("bob"));
    let session = first_session(&first.access);
    let page = console.change(&person, &[("act", &format!("revoke {session}")), ("reason", "one")]).await;
    assert!(page.contains("Live sessions: 1, in 1 of"), "{page}");
    assert!(!console.world.accepts(&first.access).await && console.world.accepts(&second.access).await);
    let event = console.events(EventKind::Revoked).await.pop().unwrap();
    assert_eq!((event.user, event.session), (Some(user("bob")), session.parse::<SessionId>().ok()));
    assert!(page.contains(&event.id.to_string()), "it is in the timeline");

    // Somebody else's session is not this person's to end.
    let of_eve = first_session(&eve.access);
    let refused = console.post(&person, &[("act", &format!("revoke {of_eve}")), ("reason", "x")]).await;
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    assert!(console.world.accepts(&eve.access).await);

    let connections = console.world.test.memory().connections_of(&user("bob")).await.unwrap();
    let connection = connections[0].id;
    let page = console.change(&person, &[("act", &format!("block {connection}")), ("reason", "two")]).await;
    assert!(page.contains("No live session") && page.contains(&format!("unblock {connection}")), "{page}");
    let page = console.change(&person, &[("act", &format!("unblock {connection}")), ("reason", "three")]).await;
    assert!(page.contains(&format!("\"block {connection}\"")), "{page}");
    assert_eq!(console.events(EventKind::Unblocked).await[0].user, Some(user("bob")));
}

/// The session of an access token, as the principal has it.
fn first_session(access: &str) -> String {
    claims(access)["sid"].as_str().unwrap_or_else(|| panic!("{}", claims(access))).to_owned()
}

#[tokio::test]
async fn a_blocked_person_is_shown_as_blocked_until_the_block_is_lifted() {
    let mut console = Console::new().await;
    let client = console.world.public_client(&[P]).await;
    let bob = console.world.sign_in(&client, P, "Bob").await;
    let person = format!("people/{}", user("bob"));
    let page = console.change(&person, &[("act", "block"), ("reason", "left")]).await;
    assert!(page.contains("Blocked") && page.contains("value=\"unblock\""), "{page}");
    assert!(!console.world.accepts(&bob.access).await);
    let page = console.change(&person, &[("act", "unblock"), ("reason", "came back")]).await;
    assert!(page.contains("value=\"block\""), "{page}");
}

#[tokio::test]
async fn a_notice_is_a_code_and_a_link_that_lies_is_answered_by_the_facts() {
    let mut console = Console::new().await;
    let client = console.world.public_client(&[P]).await;
    console.world.sign_in(&client, P, "Bob").await;
    let person = format!("people/{}", user("bob"));
    let page = console.page(&format!("{person}?done=ended")).await;
    assert!(page.contains("What still has access is below") && page.contains("Live sessions: 1"), "{page}");
    assert!(!page.contains("no session of this person is live") && !page.contains("Last ended"), "{page}");
    let page = console.page(&format!("{person}?done=Call%20me%20at%20555")).await;
    assert!(!page.contains("555") && !page.contains("role=\"status\""), "{page}");
}

#[tokio::test]
async fn i_13_a_change_without_a_reason_an_act_or_the_token_changes_nothing() {
    let mut console = Console::new().await;
    let client = console.world.public_client(&[P]).await;
    let bob = console.world.sign_in(&client, P, "Bob").await;
    let person = format!("people/{}", user("bob"));
    for fields in [
        vec![("act", "revoke")],
        vec![("act", "revoke"), ("reason", "  ")],
        vec![("act", "revoke"), ("reason", "a\nb")],
        vec![("act", "erase"), ("reason", "a")],
        vec![("reason", "a")],
        vec![("act", "revoke"), ("act", "block"), ("reason", "a")],
    ] {
        let refused = console.post(&person, &fields).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{fields:?}");
        assert_well_formed(&text(&refused), &person);
    }
    let foreign =
        console.browser.clone().post(&console.world, &at(&person), &[("act", "revoke"), ("reason", "a")]).await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    assert!(console.world.accepts(&bob.access).await);
    assert!(console.events(EventKind::Revoked).await.is_empty());
}

#[tokio::test]
async fn who_is_erased_was_typed_and_the_receipt_is_shown_once() {
    let mut console = Console::new().await;
    let client = console.world.public_client(&[P]).await;
    let bob = console.world.sign_in(&client, P, "Bob").await;
    let person = format!("people/{}", user("bob"));
    let erase = format!("{person}/erase");
    let page = console.page(&person).await;
    assert!(page.contains("<code>bob@test.example</code>"), "{page}");
    let page = console.post(&erase, &[("confirm", "eve@test.example"), ("reason", "asked")]).await;
    assert!(location(&page).contains("done=confirm"));
    assert!(console.world.accepts(&bob.access).await);
    let receipt = console.post(&erase, &[("confirm", "Bob@test.example"), ("reason", "asked")]).await;
    assert_eq!(receipt.status(), StatusCode::OK);
    let event = console.events(EventKind::Erased).await.pop().unwrap();
    assert!(text(&receipt).contains(&event.id.to_string()), "{}", text(&receipt));
    assert_well_formed(&text(&receipt), &erase);
    assert!(!console.world.accepts(&bob.access).await);
    assert_eq!(console.get(&person).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(console.post(&erase, &[("confirm", "x"), ("reason", "y")]).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_person_is_found_by_whatever_an_operator_has_of_them() {
    let mut console = Console::new().await;
    let client = console.world.public_client(&[P]).await;
    let bob = console.world.sign_in(&client, P, "Bob").await;
    console.world.sign_in(&client, P, "Eve").await;
    let href = format!("people/{}", user("bob"));
    for q in ["bob", "BOB@test", "bob%40test.example", "+bob+"] {
        let page = console.page(&format!("people?q={q}")).await;
        assert!(page.contains(&href) && !page.contains(&user("eve").to_string()), "{q}: {page}");
    }
    let by_client = console.page(&format!("people?q={client}")).await;
    assert!(by_client.contains(&href) && by_client.contains(&user("eve").to_string()), "{by_client}");
    let connection = console.world.test.memory().connections_of(&user("bob")).await.unwrap()[0].id.to_string();
    for id in [user("bob").to_string(), first_session(&bob.access), connection] {
        let found = console.get(&format!("people?q={id}")).await;
        assert!(location(&found).contains(&href), "{id}");
    }
}

#[tokio::test]
async fn op_03_lists_go_on_by_a_cursor_and_every_row_comes_once() {
    let mut console = Console::new().await;
    for n in 0..120 {
        console.world.test.sign_in(&Person::named(&format!("person{n:03}"))).await;
    }
    for (list, row, total) in [("people", "<th scope=\"row\"><a href=", 120), ("events", "<tr id=\"evt_", 121)] {
        let (mut next, mut rows, mut pages) = (list.to_owned(), 0, 0);
        loop {
            let page = console.page(&next).await;
            (rows, pages) = (rows + page.matches(row).count(), pages + 1);
            let Some(link) = page.split("rel=\"next\" href=\"/oauth/admin/").nth(1) else { break };
            next = link.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
        }
        assert_eq!((rows, pages), (total, 3), "{list}");
    }
}

#[tokio::test]
async fn clients_are_pinned_blocked_and_unpinned_and_platforms_blocked() {
    let mut console = Console::new().await;
    let pin = r#"{"client_id":"tool","client_name":"A <b>tool</b>","redirect_uris":["https://tool.example/cb"]}"#;
    let page = console.change("clients/pin", &[("client", pin), ("reason", "wanted")]).await;
    assert!(page.contains("pinned") && page.contains("https://tool.example/cb"), "{page}");
    let event = console.events(EventKind::ClientPinned).await.pop().unwrap();
    assert_eq!(event.actor, Actor::Admin(user("ada")));
    let rows = console.page("clients").await;
    assert!(rows.contains("client_id=tool") && rows.contains("A &#60;b&#62;tool"), "{rows}");
    for broken in ["", "{", "{}", r#"{"client_id":"tool","redirect_uris":["ftp://x"]}"#] {
        let refused = console.post("clients/pin", &[("client", broken), ("reason", "wanted")]).await;
        assert!(refused.status().is_client_error(), "{broken}: {}", refused.status());
    }
    let of_tool = |act| [("client_id", "tool"), ("act", act), ("reason", "because")];
    let page = console.change("clients", &of_tool("block")).await;
    assert!(page.contains("value=\"unblock\""), "{page}");
    console.change("clients", &of_tool("unblock")).await;
    let page = console.change("clients", &of_tool("unpin")).await;
    assert!(!page.contains("https://tool.example/cb"), "{page}");
    assert_eq!(console.post("clients", &of_tool("unpin")).await.status(), StatusCode::NOT_FOUND);

    let platform = PlatformList::shipped().names().next().unwrap().to_string();
    let page = console.change("clients", &[("act", &format!("block {platform}")), ("reason", "incident")]).await;
    assert!(page.contains(&format!("unblock {platform}")), "{page}");
    let unknown = console.post("clients", &[("act", "block nothing"), ("reason", "x")]).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn clients_and_platforms_are_listed_with_how_many_use_them() {
    let mut console = Console::new().await;
    let client = console.world.public_client(&[P]).await;
    for name in ["Bob", "Eve"] {
        console.world.sign_in(&client, P, name).await;
    }
    console.world.sign_in(&client, P, "Bob").await;
    let page = console.page("clients").await;
    let numbers = "</td><td class=\"num\">2</td><td class=\"num\">3</td></tr>";
    assert!(page.contains(&format!("client_id={client}")) && page.contains(numbers), "{page}");
    let platform = "<code class=\"soft\">claude-web</code></th><td class=\"num\">2</td><td class=\"num\">3</td>";
    assert!(page.contains(platform), "{page}");
    let one = console.page(&format!("clients?client_id={client}")).await;
    assert!(one.contains("<dt>Live sessions</dt><dd>3</dd>") && one.contains("<dt>People</dt><dd>2"), "{one}");
}

#[tokio::test]
async fn blocks_are_listed_and_lifted() {
    let mut console = Console::new().await;
    let client = console.world.public_client(&[P]).await;
    console.world.sign_in(&client, P, "Bob").await;
    let person = format!("people/{}", user("bob"));
    assert!(console.page("blocks").await.contains("Nothing is blocked."));
    console.change(&person, &[("act", "block"), ("reason", "left")]).await;
    console.change("clients", &[("act", "block"), ("client_id", "a~b"), ("reason", "leaked")]).await;
    let page = console.page("blocks").await;
    let (of_bob, of_client) = (format!("unblock user {}", user("bob")), "unblock client_id a~b");
    assert!(
        page.contains(&format!("value=\"{of_bob}\"")) && page.contains(&format!("value=\"{of_client}\"")),
        "{page}"
    );
    assert!(page.contains(&format!("events?user_id={}&#38;kind=blocked", user("bob"))), "{page}");
    let of_kind = console.page("blocks?kind=user").await;
    assert!(of_kind.contains(&of_bob) && !of_kind.contains(of_client), "{of_kind}");
    for wrong in
        ["unblock", "unblock user", "unblock user ada", "block user x", "unblock session x", "revoke platform cursor"]
    {
        let refused = console.post("blocks", &[("act", wrong), ("reason", "x")]).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(console.post("blocks", &[("act", of_client)]).await.status(), StatusCode::BAD_REQUEST, "no reason");
    let page = console.change("blocks", &[("act", of_client), ("reason", "found again")]).await;
    assert!(!page.contains(of_client) && page.contains("role=\"status\""), "{page}");
    console.change("blocks", &[("act", &of_bob), ("reason", "came back")]).await;
    assert!(console.page("blocks").await.contains("Nothing is blocked."));
    let lifted = console.events(EventKind::Unblocked).await;
    assert!(lifted.len() == 2 && lifted.iter().all(|event| event.actor == Actor::Admin(user("ada"))), "{lifted:?}");
    let mine = console.page(&format!("events?actor=admin%3A{}&kind=unblocked", user("ada"))).await;
    assert_eq!(mine.matches("<tr id=\"evt_").count(), 2, "{mine}");
}

#[tokio::test]
async fn the_overview_names_the_step_that_loses_most_and_why() {
    let mut console = Console::new().await;
    let client = console.world.public_client(&[P]).await;
    console.world.sign_in(&client, P, "Bob").await;
    for _ in 0..3 {
        let fields = change(&request_for(&client, P), "code_challenge_method", "plain");
        console.world.authorize(&mut Browser::default(), &fields).await;
    }
    let page = console.page("?range=24h").await;
    assert!(
        page.contains("class=\"worst\"") && page.contains("Most are lost at “Client resolved”: 3 refused"),
        "{page}"
    );
    assert!(page.contains("<rect class=\"s0\"") && page.contains("role=\"img\" aria-labelledby="), "{page}");
    assert!(page.contains("25.0%"), "one of four: {page}");
}

#[tokio::test]
async fn a_reference_that_a_page_showed_is_looked_up_whoever_wrote_it_down() {
    let mut console = Console::new().await;
    let page = console.world.get("/oauth/authorize?client_id=nobody", &[("accept", "text/html")]).await;
    let shown =
        text(&page).split("Reference: <code lang=\"en\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let found = console.page(&format!("references?reference={}", shown.to_lowercase())).await;
    assert!(found.contains("authorize"), "{shown}: {found}");
    let none = console.page("references?reference=0000-0000").await;
    assert!(none.contains("Not found."), "{none}");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_a_page_and_never_an_empty_list() {
    let mut console = Console::new().await;
    console.world.test.memory().fail(true);
    for place in ["", "people", "events", "clients", "blocks"] {
        let page = console.get(place).await;
        assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE, "{place}");
    }
}
