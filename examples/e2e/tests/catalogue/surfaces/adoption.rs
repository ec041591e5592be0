//! Ids that this server never gave out, or gave out before it lost its database.

use dcr_core::ClientId;
use dcr_core::store::Target;
use dcr_e2e::raw::exchange;
use dcr_e2e::{Answer, Browser, Client, Cluster, Directory, DocumentHost, Http, Tokens, World};
use reqwest::Method;
use serde_json::json;

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{
    Asking, E, L, P, U, bearer, claims, code_of, introspect, is_back, is_error, is_page, is_refusal, register, sent_to,
};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "ADOPT-01" => an_unknown_id_finishes_as_itself, "an unknown id finishes as itself, byte for byte";
        "ADOPT-02" => a_sealed_id_outlives_its_database, "a sealed id outlives its database, with its method and redirects";
        "ADOPT-03" "AD-1" "AD-2" => no_redirect_of_ones_own, "an unknown id with a redirect of its own choice gets a page, however often";
        "ADOPT-04" => a_restored_id_keeps_its_redirects, "a restored id is not adopted for another platform's redirect";
        "ADOPT-05" "AD-3" => a_broken_seal_is_not_adopted, "a sealed id with a broken MAC is not adopted";
        "ADOPT-07" => adoption_needs_pkce, "an unknown id without S256 gets nowhere near the login";
        "ADOPT-10" => what_one_person_did_binds_nobody_else, "what one person did with an id binds nobody else";
        "ADOPT-12" "CO-5" => consent_is_asked_every_time, "the same person is asked again every time";
        "ADOPT-14" "AD-9" "CVE-2026-110843" => ten_thousand_ids once, "10,000 authorize requests under fresh ids cost no row and no memory";
        "ADOPT-17" "AD-7" => a_url_is_never_adopted, "an id that is a URL is a document or refused, never adopted";
        "ADOPT-20" "AD-4" => a_secret_that_came_along, "a secret that came along with an adopted id is needed from then on";
        "ADOPT-22" => the_token_endpoint_never_adopts, "the token endpoint never adopts";
        "ADOPT-26" => adoption_can_be_switched_off, "adoption can be switched off, and sealed ids go on";
        "AD-5" => an_id_is_never_a_person, "an id that looks like a person, or is a person's object id, is nobody";
        "AD-6" => an_id_is_not_a_name, "an id that reads like a product is not shown as its name";
        "AD-8" => what_is_gone_stays_gone, "a deleted id and a blocked one do not come back by being used";
        "AD-10" => the_login_asks_for_the_account, "the login shows the accounts to whoever comes with an unknown id";
        "AD-11" => the_page_says_who_should_go_on, "the page says that only who started this should go on, and asks always";
        "AD-13" => unusual_branches_are_closed, "request objects, other modes and silent logins are closed to unknown ids";
        "AD-14" => refusals_look_alike, "nobody can tell from a refusal which ids exist";
        "AD-15" => no_more_scope_than_others, "an unknown id gets no scope and no resource that a registered one would not get";
        "AD-16" => the_upstream_id_is_an_id_like_others, "the upstream application's id is an unknown id like others";
    }
}

async fn an_unknown_id_finishes_as_itself(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::unregistered(&world, U, P);
    let tokens = client.sign_in(&mut Browser::of("ada")).await;
    assert_eq!(claims(&tokens.access)["client_id"], U);
    assert_eq!(introspect(&world, &tokens.access).await["client_id"], U);
    assert_eq!(introspect(&world, &tokens.refresh).await["client_id"], U);
    assert_eq!(world.whoami(&tokens.access).await["client_id"], U);
}

async fn a_sealed_id_outlives_its_database(ground: &Ground) {
    let world = ground.world().await;
    let public = Client::register(&world, &[L]).await;
    let confidential = Client::register_as(&world, &["https://app.example/cb"], "client_secret_post").await;
    let world = ground.reset(world).await;
    for client in [&public, &confidential] {
        let tokens = client.sign_in(&mut Browser::of("ada")).await;
        assert_eq!(claims(&tokens.access)["client_id"], client.id.as_str());
        is_page(&Asking::of(&client.id, P).get(&world).await);
    }
    // Its method is restored, too: without the secret there is nothing.
    let (code, verifier) = code_of(&confidential, &mut Browser::of("ada")).await;
    let mut public = confidential.clone();
    "none".clone_into(&mut public.auth_method);
    is_error(&public.redeem(&code, &verifier).await, 401, "invalid_client");
    confidential.redeem(&code, &verifier).await.expect(200);
}

async fn no_redirect_of_ones_own(ground: &Ground) {
    let world = ground.world().await;
    // Also after somebody used the id as it should be, and whatever the attacker tries first.
    for _ in 0..2 {
        for redirect in [E, "https://claude.ai.evil.example/api/mcp/auth_callback", "https://evil.example/?claude.ai"] {
            let asking = Asking::of(U, redirect);
            is_page(&asking.get(&world).await);
            let json = Http::default().get(&asking.url(&world), &[("accept", "application/json")]).await;
            is_page(&json);
            assert_eq!(json.json()["registration_endpoint"], world.url("/oauth/register"), "SR-19");
        }
        Client::unregistered(&world, U, P).sign_in(&mut Browser::of("ada")).await;
    }
    assert_eq!(world.idp().counters().authorize, 2, "nobody else was sent to the provider");
}

async fn a_restored_id_keeps_its_redirects(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::register(&world, &["https://chatgpt.com/connector_platform_oauth_redirect"]).await;
    let world = ground.reset(world).await;
    for redirect in [P, L, "https://chatgpt.com/connector/oauth/x"] {
        is_page(&Asking::of(&client.id, redirect).get(&world).await);
    }
    Asking::of(&client.id, &client.redirect).get(&world).await.expect(200);
}

async fn a_broken_seal_is_not_adopted(ground: &Ground) {
    let world = ground.world().await;
    let id = Client::register(&world, &[L]).await.id;
    for from_the_end in 1..=16 {
        let mut broken = id.clone().into_bytes();
        let at = broken.len() - from_the_end;
        broken[at] = if broken[at] == b'A' { b'B' } else { b'A' };
        let broken = String::from_utf8(broken).unwrap();
        is_page(&Asking::of(&broken, L).get(&world).await);
        is_page(&Asking::of(&broken, P).get(&world).await);
    }
    for cut in [&id[..id.len() - 1], &format!("{id}A"), &id[..id.len() / 2]] {
        is_page(&Asking::of(cut, L).get(&world).await);
    }
}

async fn adoption_needs_pkce(ground: &Ground) {
    let world = ground.world().await;
    let good = Asking::of(U, P);
    let plain = good.with("code_challenge_method", "plain");
    for asking in [good.without("code_challenge"), plain, good.without("code_challenge_method")] {
        is_back(&asking.get(&world).await, &world, P, "invalid_request");
    }
    assert_eq!(world.idp().counters().authorize, 0);
}

async fn what_one_person_did_binds_nobody_else(ground: &Ground) {
    let world = ground.world().await;
    let bobs = Client::unregistered(&world, U, L).sign_in(&mut Browser::of("bob")).await;
    let client = Client::unregistered(&world, U, P);
    let mut browser = Browser::of("ada");
    let consent = browser.open(&client.authorize().url).await.page();
    assert!(consent.answer.body.contains("claude.ai"), "a consent page of her own");
    let adas = client.sign_in(&mut browser).await;
    let (ada, bob) = (world.whoami(&adas.access).await, world.whoami(&bobs.access).await);
    for different in ["oid", "connection", "session", "platform"] {
        assert_ne!(ada[different], bob[different], "{different}");
    }
}

async fn consent_is_asked_every_time(ground: &Ground) {
    let world = ground.world().await;
    world.idp().set_auto_login(Some("ada"));
    let mut browser = Browser::of("ada");
    for (id, redirect) in [(U, P), (U, L)] {
        let client = Client::unregistered(&world, id, redirect);
        for _ in 0..2 {
            let before = world.idp().counters().authorize;
            let consent = browser.open(&client.authorize().url).await.page();
            assert!(consent.answer.body.contains("name=\"decision\""));
            assert_eq!(world.idp().counters().authorize, before, "not before a click");
            browser.decide(&consent, "approve").await.client();
        }
    }
}

/// The program of a server by itself, so that its memory is its own.
async fn ten_thousand_ids(ground: &Ground) {
    const REQUESTS: usize = 10_000;
    /// As many as one connection asks, one right after the other.
    const IN_A_ROW: usize = 250;
    /// Far less than anything would cost that is kept for each of them.
    const GROWTH: u64 = 16 * 1024 * 1024;

    let database = ground.fresh().await;
    let replica = dcr_e2e::Framework::ALL.iter().position(|framework| *framework == ground.framework()).unwrap();
    let cluster = Cluster::start(env!("CARGO_BIN_EXE_replica"), replica + 1, &database, 0).await;
    let site = cluster.replica(replica);
    let ask = async |from: usize| {
        let mut requests = String::new();
        for n in from..from + IN_A_ROW {
            let id = format!("{n:08x}-never-seen-{}", n * 7919);
            let url = Asking::of(&id, if n % 2 == 0 { P } else { L }).url(&site);
            let target = url.strip_prefix(site.base()).unwrap();
            let last = if n + 1 == from + IN_A_ROW { "Connection: close\r\n" } else { "" };
            requests.push_str(&format!("GET {target} HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n{last}\r\n"));
        }
        let answers = exchange(site.address(), requests.as_bytes(), false).await;
        let good = String::from_utf8_lossy(&answers).matches("HTTP/1.1 200 OK\r\n").count();
        assert_eq!(good, IN_A_ROW);
    };
    // Caches and pools are filled by the first ones.
    for n in 0..4 {
        ask(n * IN_A_ROW).await;
    }
    let before = resident(cluster.process(replica).await);
    for n in (4..REQUESTS / IN_A_ROW).step_by(2) {
        tokio::join!(ask(n * IN_A_ROW), ask((n + 1) * IN_A_ROW));
    }
    let grown = resident(cluster.process(replica).await).saturating_sub(before);
    assert!(grown < GROWTH, "{grown} bytes more");
    if database != "memory:" {
        let counts = dcr_sqlx::connect(&database).await.unwrap().counts().await.unwrap();
        assert_eq!(counts, dcr_core::store::Counts::default(), "I-1");
    }
    // A genuine sign-in works all the while: by the public address, which is the load balancer's.
    let client = Client::unregistered(cluster.site(), U, P);
    dcr_e2e::at(replica, client.sign_in(&mut Browser::of("ada"))).await;
}

/// The memory that a process holds, in bytes.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

async fn a_url_is_never_adopted(ground: &Ground) {
    let off = ground.world().await;
    let directory = Directory::new();
    let host = DocumentHost::start(directory.path()).await;
    let on = ground
        .world_with(|options| {
            options.cimd = Some("on".to_owned());
            options.cimd_test_ca_file = Some(host.ca().display().to_string());
            options.cimd_dangerously_allow_private_hosts = Some(DocumentHost::HOST.to_owned());
        })
        .await;
    for id in ["https://claude.ai/x", &host.url("/x"), "http://claude.ai/x", "urn:x:y", "javascript:alert(1)", "a:b"] {
        for redirect in [P, L] {
            is_page(&Asking::of(id, redirect).get(&off).await);
        }
    }
    // Nobody on the internet is asked: the host is here, and has no such document.
    is_page(&Asking::of(&host.url("/x"), P).get(&on).await);
    assert_eq!(host.asked(), 1);
    for id in ["http://claude.ai/x", "urn:x:y"] {
        is_page(&Asking::of(id, P).get(&on).await);
    }
}

async fn a_secret_that_came_along(ground: &Ground) {
    let world = ground.world().await;
    let mut client = Client::unregistered(&world, U, P);
    "client_secret_post".clone_into(&mut client.auth_method);
    client.secret = Some("s1".to_owned());
    let tokens = client.sign_in(&mut Browser::of("ada")).await;
    let tokens = Tokens::from(client.refresh(&tokens.refresh).await);
    let (mut without, mut wrong) = (client.clone(), client.clone());
    "none".clone_into(&mut without.auth_method);
    wrong.secret = Some("s2".to_owned());
    for other in [without, wrong] {
        is_error(&other.refresh(&tokens.refresh).await, 401, "invalid_client");
    }
    client.refresh(&tokens.refresh).await.expect(200);
    assert_eq!(bearer(&world, &tokens.access).await, 200, "the grant is unharmed");
}

async fn the_token_endpoint_never_adopts(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::unregistered(&world, U, P);
    for code in ["made-up", "dcrc1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        is_error(&client.redeem(code, &"v".repeat(43)).await, 401, "invalid_client");
    }
    is_error(&client.refresh("made-up").await, 401, "invalid_client");
    assert_eq!(world.counts().await, dcr_core::store::Counts::default());
}

async fn adoption_can_be_switched_off(ground: &Ground) {
    let world = ground.world_with(|options| options.adoption = Some("off".to_owned())).await;
    for redirect in [P, L] {
        is_page(&Asking::of(U, redirect).get(&world).await);
        Client::register(&world, &[redirect]).await.sign_in(&mut Browser::of("ada")).await;
    }
}

async fn an_id_is_never_a_person(ground: &Ground) {
    let world = ground.world().await;
    let oid = world.idp().users().iter().find(|user| user.id == "ada").unwrap().oid.clone();
    let client = Client::unregistered(&world, &oid, P);
    let tokens = client.sign_in(&mut Browser::of("bob")).await;
    let said = introspect(&world, &tokens.access).await;
    let user = said["sub"].as_str().unwrap();
    assert_eq!(said["client_id"], oid.as_str());
    assert!(user.starts_with("usr_") && user != oid, "{user}");
    assert_ne!(world.whoami(&tokens.access).await["oid"], oid.as_str(), "the person is Bob");
    for id in
        [user, "usr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "svc_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
    {
        is_page(&Asking::of(id, P).get(&world).await);
        let form = [("grant_type", "client_credentials"), ("client_secret", "x")];
        let refused = crate::support::under(&client, id).token(&form).await;
        assert!([400, 401].contains(&refused.status.as_u16()), "{refused:?}");
    }
    is_error(&client.token(&[("grant_type", "client_credentials")]).await, 400, "unsupported_grant_type");
}

async fn an_id_is_not_a_name(ground: &Ground) {
    let world = ground.world().await;
    for redirect in [P, L] {
        let page = Asking::of("claude-desktop-official", redirect).get(&world).await.expect(200);
        assert!(!page.body.contains("claude-desktop-official"), "{}", page.body);
        assert!(page.body.contains("not registered"), "{}", page.body);
    }
}

async fn what_is_gone_stays_gone(ground: &Ground) {
    let world = ground.world_with(|options| options.client_configuration = Some("on".to_owned())).await;
    let metadata = json!({"redirect_uris": [P], "token_endpoint_auth_method": "client_secret_post"});
    let registered = register(&world, &metadata).await.expect(201).json();
    let client = Client::registered(&world, &registered);
    let tokens = client.sign_in(&mut Browser::of("ada")).await;
    let token = format!("Bearer {}", registered["registration_access_token"].as_str().unwrap());
    let uri = registered["registration_client_uri"].as_str().unwrap();
    for status in [204, 401] {
        let deleted = Http::default().send(Method::DELETE, uri, &[("authorization", &token)], String::new()).await;
        deleted.expect(status);
    }
    for redirect in [P, L] {
        is_page(&Asking::of(&client.id, redirect).get(&world).await);
    }
    let refused = client.refresh(&tokens.refresh).await;
    assert!([400, 401].contains(&refused.status.as_u16()), "{refused:?}");
    assert_eq!(bearer(&world, &tokens.access).await, 401);

    let tokens = Client::unregistered(&world, U, P).sign_in(&mut Browser::of("ada")).await;
    world.engine().block(&Target::ClientId(ClientId::new(U).unwrap()), "test").await.unwrap();
    is_refusal(&Asking::of(U, P).get(&world).await, 403);
    assert_eq!(bearer(&world, &tokens.access).await, 401);
}

async fn the_login_asks_for_the_account(ground: &Ground) {
    let world = ground.world().await;
    for (client, asks) in [
        (Client::unregistered(&world, U, P), true),
        (Client::unregistered(&world, U, L), true),
        (Client::register(&world, &[L]).await, true),
        (Client::register(&world, &["https://app.example/cb"]).await, true),
        (Client::register(&world, &[P]).await, false),
    ] {
        client.sign_in(&mut Browser::of("ada")).await;
        let asked = world.idp().counters();
        assert_eq!(asked.authorize_param("prompt"), asks.then_some("select_account"), "{}", client.redirect);
    }
}

async fn the_page_says_who_should_go_on(ground: &Ground) {
    let world = ground.world().await;
    let mut browser = Browser::of("ada");
    for (id, redirect) in [(U, P), (U, L)] {
        let client = Client::unregistered(&world, id, redirect);
        client.sign_in(&mut browser).await;
        let page = browser.open(&client.authorize().url).await.page().answer.body;
        assert!(page.contains("only if you started this"), "{page}");
        assert!(page.contains(redirect.split('/').nth(2).unwrap()), "where the code goes: {page}");
    }
}

async fn unusual_branches_are_closed(ground: &Ground) {
    let world = ground.world().await;
    let good = Asking::of(U, P);
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("response_mode", "fragment", "invalid_request"),
        ("response_mode", "form_post", "invalid_request"),
        ("request", "eyJhbGciOiJub25lIn0.e30.", "request_not_supported"),
        ("request_uri", "https://evil.example/r", "request_uri_not_supported"),
        ("registration", "{}", "invalid_request"),
        ("claims", "{}", "invalid_request"),
        ("prompt", "none", "interaction_required"),
        ("prompt", "login none", "interaction_required"),
    ] {
        is_back(&good.with(name, value).get(&world).await, &world, P, error);
    }
    assert_eq!(world.idp().counters().authorize, 0);
}

async fn refusals_look_alike(ground: &Ground) {
    let world = ground.world().await;
    let id = Client::register(&world, &[L]).await.id;
    let broken = format!("{}{}", &id[..id.len() - 1], if id.ends_with('A') { 'B' } else { 'A' });
    let head = |answer: &Answer| {
        let mut names: Vec<_> = answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        names.retain(|line| !line.starts_with("date: ") && !line.starts_with("content-length: "));
        names.sort_unstable();
        names
    };
    let text = |answer: &Answer| answer.body.split("Reference").next().unwrap().to_owned();
    let known = Asking::of(&id, E).get(&world).await;
    is_page(&known);
    assert!(!known.body.contains("evil.example"));
    for (id, redirect) in [(U, E), (&id, P), (&broken, L), ("short", L), ("https://a.example/x", L)] {
        let other = Asking::of(id, redirect).get(&world).await;
        assert_eq!((head(&other), text(&other)), (head(&known), text(&known)), "{id} {redirect}");
    }
}

async fn no_more_scope_than_others(ground: &Ground) {
    async fn granted(world: &World, client: &Client, scope: &str) -> String {
        let asking = Asking::of(&client.id, &client.redirect).with("scope", scope);
        let landed = Browser::of("ada").sign_in(&asking.url(world)).await.client();
        let code = crate::support::parameters(landed.as_str(), &client.redirect);
        let code = crate::support::one(&code, "code").to_owned();
        let tokens = Tokens::from(client.redeem(&code, crate::support::VERIFIER).await);
        tokens.answer["scope"].as_str().unwrap().to_owned()
    }
    let world = ground.world().await;
    let (adopted, registered) = (Client::unregistered(&world, U, P), Client::register(&world, &[P]).await);
    for (scope, expected) in [("openid root admin", "mcp"), ("mcp mcp:admin *", "mcp"), ("mcp:erase", "mcp:erase")] {
        assert_eq!(granted(&world, &adopted, scope).await, expected);
        assert_eq!(granted(&world, &registered, scope).await, expected);
    }
    for resource in ["https://other.example/mcp", "https://graph.microsoft.com", "mcp"] {
        let refused = Asking::of(U, P).with("resource", resource).get(&world).await;
        is_back(&refused, &world, P, "invalid_target");
    }
}

async fn the_upstream_id_is_an_id_like_others(ground: &Ground) {
    let world = ground.world().await;
    let id = world.idp().client_id().to_owned();
    let tokens = Client::unregistered(&world, &id, P).sign_in(&mut Browser::of("ada")).await;
    assert_eq!(claims(&tokens.access)["client_id"], id.as_str());
    for redirect in [E, &world.url("/oauth/callback"), "https://login.microsoftonline.com/common/oauth2/nativeclient"] {
        let refused = Asking::of(&id, redirect).get(&world).await;
        if redirect.starts_with("http://127.0.0.1") {
            // A program on this computer, like any other: the page asks, and says where the code would go.
            assert!(refused.expect(200).body.contains("127.0.0.1"));
        } else {
            is_page(&refused);
        }
    }
    let denied = Asking::of(&id, P).with("prompt", "none").get(&world).await;
    assert_eq!(crate::support::one(&sent_to(&denied, P), "error"), "interaction_required");
}
