//! Properties: invariants of design.md under inputs that nobody chose.

mod support;

use std::time::Duration;

use dcr_core::store::{Counts, Store as _};
use http::Request;
use proptest::collection::vec;
use proptest::prelude::*;
use support::*;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Text that looks a little like what belongs there, and often is not.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just(U.to_owned()),
        Just(P.to_owned()),
        Just(L.to_owned()),
        Just(E.to_owned()),
        Just(CHALLENGE.to_owned()),
        Just("S256".to_owned()),
        Just("code".to_owned()),
        Just("authorization_code".to_owned()),
        Just("refresh_token".to_owned()),
        "\\PC{0,40}",
        "[a-zA-Z0-9_-]{40,90}",
        "(dcr1_|dcrc1_|dcrr1_|usr_|https:|http:)[ -~]{0,60}",
    ]
}

fn field() -> impl Strategy<Value = (String, String)> {
    let name = prop::sample::select(vec![
        "client_id",
        "redirect_uri",
        "response_type",
        "code_challenge",
        "code_challenge_method",
        "state",
        "scope",
        "resource",
        "prompt",
        "request",
        "decision",
        "code",
        "code_verifier",
        "grant_type",
        "refresh_token",
        "token",
        "client_secret",
        "error",
        "iss",
        "x",
    ]);
    (name.prop_map(str::to_owned), value())
}

fn path() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "/oauth/authorize",
        "/oauth/consent",
        "/oauth/callback",
        "/oauth/azure_callback",
        "/oauth/token",
        "/oauth/revoke",
        "/oauth/introspect",
        "/oauth/register",
        "/authorize",
        "/token",
        "/register",
        "/.well-known/jwks.json",
        "/nowhere",
    ])
}

/// A redirect that is nearly one of the allowed ones.
fn nearly_a_redirect() -> impl Strategy<Value = String> {
    let base = prop::sample::select(vec![
        P,
        L,
        E,
        "https://chatgpt.com/connector/oauth/abc",
        "http://127.0.0.1:33418/",
        "http://[::1]:8080/cb",
        "https://vscode.dev/redirect",
        "javascript:alert(1)",
    ]);
    let glue = prop::sample::select(vec![
        "",
        "/",
        "?",
        "#",
        "@",
        "\\",
        "..",
        "/../",
        "%2e",
        ".",
        ":443",
        ":80",
        "evil.example",
        "&",
        "%00",
        "\t",
        "localhost",
        "?x=1",
        "?code=1",
        "//",
        " ",
    ]);
    (base, any::<prop::sample::Index>(), glue).prop_map(|(base, at, glue)| {
        let at = at.index(base.len() + 1);
        format!("{}{glue}{}", &base[..at], &base[at..])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// I-1, I-13, I-14: whatever a stranger sends, no row is written, nothing of ours breaks, and no browser is sent
    /// anywhere but to a redirect that passed.
    #[test]
    fn i_1_strangers_write_nothing_and_break_nothing(
        path in path(),
        post in any::<bool>(),
        fields in vec(field(), 0..12),
        cookie in "[ -~]{0,60}",
        json in any::<bool>(),
        accept_html in any::<bool>(),
    ) {
        run(async {
            let world = World::new().await;
            let encoded = encode(&fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>());
            let content_type = if json { "application/json" } else { "application/x-www-form-urlencoded" };
            let accept = if accept_html { "text/html" } else { "*/*" };
            let headers = [("content-type", content_type), ("accept", accept), ("cookie", cookie.as_str())];
            let answer = if post {
                world.send(request("POST", path, &headers, &encoded)).await
            } else {
                world.send(request("GET", &format!("{path}?{encoded}"), &headers, "")).await
            };
            prop_assert!(answer.status().as_u16() < 500, "{} {}", answer.status(), text(&answer));
            if let Some(target) = answer.headers().get("location") {
                let target = target.to_str().unwrap();
                let allowed = fields.iter().any(|(name, value)| {
                    name == "redirect_uri" && (value == P || value == L) && target.starts_with(value.as_str())
                });
                prop_assert!(allowed, "{target}");
            }
            prop_assert_eq!(world.test.memory().counts().await.unwrap(), Counts::default());
            Ok(())
        })?;
    }

    /// The same with bodies that are no forms at all.
    #[test]
    fn any_bytes_are_answered_politely(path in path(), body in vec(any::<u8>(), 0..300), json in any::<bool>()) {
        run(async {
            let world = World::new().await;
            let content_type = if json { "application/json" } else { "application/x-www-form-urlencoded" };
            let request = Request::post(path).header("content-type", content_type).body(body.into()).unwrap();
            prop_assert!(world.send(request).await.status().as_u16() < 500);
            Ok(())
        })?;
    }

    /// I-2, REDIR-20: what the gate lets through has, for a second parser too, the scheme and host that the policy meant,
    /// and what is emitted begins with the bytes that were compared.
    #[test]
    fn i_2_a_browser_is_sent_only_where_the_policy_meant(redirect in nearly_a_redirect()) {
        run(async {
            let world = World::new().await;
            let page = world.authorize(&mut Browser::default(), &change(&request_for(U, P), "redirect_uri", &redirect)).await;
            if page.status() != 200 {
                return Ok(());
            }
            // A second parser, by hand: scheme, then authority up to the first slash, question mark or hash.
            let (scheme, rest) = redirect.split_once("://").unwrap();
            let authority = rest.split(['/', '?', '#']).next().unwrap();
            let host = authority.strip_prefix("[::1]").map_or_else(|| authority.split(':').next().unwrap(), |_| "[::1]");
            let meant = match scheme {
                "https" => ["claude.ai", "chatgpt.com", "vscode.dev"].contains(&host),
                "http" => ["localhost", "127.0.0.1", "[::1]"].contains(&host),
                _ => false,
            };
            prop_assert!(meant && !authority.contains('@') && !redirect.contains('\\'), "{redirect}");
            let mut browser = Browser::default();
            let state = world.approve(&mut browser, &change(&request_for(U, P), "redirect_uri", &redirect)).await;
            let target = location(&world.callback(&mut browser, &state, "Ada").await);
            prop_assert!(target.starts_with(&redirect), "{target}");
            Ok(())
        })?;
    }

    /// I-4: of a good redemption with any one field changed, none succeeds, and the good one still does.
    #[test]
    fn i_4_a_code_is_bound_to_everything(
        name in prop::sample::select(vec!["client_id", "redirect_uri", "code", "code_verifier", "resource", "grant_type"]),
        value in "[ -~]{0,60}",
    ) {
        run(async {
            let world = World::new().await;
            let code = world.code(U, P, "Ada").await;
            let good = redemption(U, P, &code);
            let original = good.iter().find(|(n, _)| *n == name).unwrap().1;
            // `resource` may be left out or end in a slash; everything else is exact.
            prop_assume!(value != original && !(name == "resource" && (value.is_empty() || value.trim_end_matches('/').eq_ignore_ascii_case(RESOURCE))));
            prop_assert_ne!(world.token(&change(&good, name, &value)).await.status(), 200);
            prop_assert_eq!(world.token(&good).await.status(), 200);
            Ok(())
        })?;
    }
}

/// One thing that happens to a session.
#[derive(Debug, Clone)]
enum Move {
    /// Present the n-th newest refresh token.
    Refresh(usize),
    /// Present the newest with another client id.
    OtherClient,
    /// Redeem the code again.
    ReplayCode,
    /// Let so many seconds pass.
    Wait(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => Just(Move::Refresh(0)),
        2 => (1_usize..4).prop_map(Move::Refresh),
        1 => Just(Move::OtherClient),
        1 => Just(Move::ReplayCode),
        2 => prop::sample::select(vec![1, 9, 11, 29, 30, 31, 120]).prop_map(Move::Wait),
    ];
    vec(one, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// I-4, I-5, I-12: a session against a model of a few lines. There is one lineage; a replay out of its window ends it
    /// and nothing else does.
    #[test]
    fn i_5_a_session_has_one_lineage(moves in moves()) {
        run(async {
            let world = World::new().await;
            let code = world.code(U, P, "Ada").await;
            let first = tokens(&world.token(&redemption(U, P, &code)).await);
            let mut lineage = vec![first.refresh.clone()];
            let mut newest_access = first.access;
            // The model: seconds since the code was redeemed, and since the counter moved.
            let (mut since_code, mut since_move, mut alive) = (0, 0, true);
            for step in moves {
                match step {
                    Move::Wait(seconds) => {
                        world.test.clock().advance(Duration::from_secs(seconds));
                        since_code += seconds;
                        since_move += seconds;
                    }
                    Move::OtherClient => {
                        let answer = world.refresh("another-client-id", lineage.last().unwrap()).await;
                        assert_error(&answer, 400, "invalid_grant");
                    }
                    Move::ReplayCode => {
                        assert_error(&world.token(&redemption(U, P, &code)).await, 400, "invalid_grant");
                        alive &= since_code <= 10;
                    }
                    Move::Refresh(back) => {
                        let back = back.min(lineage.len() - 1);
                        let presented = lineage[lineage.len() - 1 - back].clone();
                        let answer = world.refresh(U, &presented).await;
                        let in_window = since_move <= 30;
                        if alive && (back == 0 || (back == 1 && in_window)) {
                            let answer = tokens(&answer);
                            newest_access = answer.access;
                            if back == 0 {
                                prop_assert!(!lineage.contains(&answer.refresh));
                                lineage.push(answer.refresh);
                                since_move = 0;
                            } else {
                                prop_assert_eq!(&answer.refresh, lineage.last().unwrap());
                            }
                        } else {
                            assert_error(&answer, 400, "invalid_grant");
                            alive &= back == 0 || in_window;
                        }
                    }
                }
            }
            let fresh = since_move < 900;
            prop_assert!(!alive || !fresh || world.accepts(&newest_access).await);
            prop_assert!(alive || !world.accepts(&newest_access).await);
            prop_assert_eq!(world.test.memory().counts().await.unwrap().sessions, 1);
            Ok(())
        })?;
    }

    /// I-16, MG-13: connections are one per person and software, whatever the order and the ids.
    #[test]
    fn i_16_one_connection_per_person_and_software(
        sign_ins in vec((prop::sample::select(vec!["Ada", "Bob", "Carol"]), 0_usize..5), 1..20),
    ) {
        run(async {
            let world = World::new().await;
            let registered = world.public_client(&[P]).await;
            let local = world.public_client(&[L]).await;
            let clients = [
                (U, P, "claude"),
                ("another-unknown-id", P, "claude"),
                (registered.as_str(), P, "claude"),
                (local.as_str(), L, "local"),
                (U, "https://chatgpt.com/connector/oauth/abc", "chatgpt"),
            ];
            let mut model = std::collections::BTreeSet::new();
            for (person, client) in &sign_ins {
                let (id, redirect, software) = clients[*client];
                world.sign_in(id, redirect, person).await;
                model.insert((*person, software));
            }
            let counts = world.test.memory().counts().await.unwrap();
            prop_assert_eq!(counts.connections, model.len() as u64);
            prop_assert_eq!(counts.sessions, sign_ins.len() as u64);
            prop_assert_eq!(counts.users as usize, model.iter().map(|(p, _)| p).collect::<std::collections::BTreeSet<_>>().len());
            Ok(())
        })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// I-3: a code exists only where the browser that approved a transaction finishes that transaction, once.
    #[test]
    fn i_3_only_the_browser_that_approved_finishes(
        approvals in vec(0_usize..3, 1..6),
        callbacks in vec((0_usize..3, any::<prop::sample::Index>()), 1..12),
    ) {
        run(async {
            let world = World::new().await;
            let mut browsers = [Browser::default(), Browser::default(), Browser::default()];
            let mut transactions = Vec::new();
            for owner in approvals {
                let state = world.approve(&mut browsers[owner], &request_for(U, P)).await;
                // At most four are open in one browser; the oldest make room.
                let open: Vec<_> = transactions.iter().enumerate().filter(|(_, (o, _, alive))| *o == owner && *alive).map(|(i, _)| i).collect();
                if open.len() == 4 {
                    let (owner, state, _) = transactions[open[0]].clone();
                    transactions[open[0]] = (owner, state, false);
                }
                transactions.push((owner, state, true));
                world.test.clock().advance(Duration::from_secs(1));
            }
            let mut sessions = 0;
            for (who, which) in callbacks {
                let index = which.index(transactions.len());
                let (owner, state, alive) = transactions[index].clone();
                let answer = world.callback(&mut browsers[who], &state, "Ada").await;
                let delivered = answer.headers().contains_key("location");
                prop_assert_eq!(delivered, alive && owner == who, "{}", text(&answer));
                if delivered {
                    sessions += 1;
                    transactions[index] = (owner, state, false);
                }
            }
            prop_assert_eq!(world.test.memory().counts().await.unwrap().sessions, sessions);
            Ok(())
        })?;
    }

    /// I-7, AD-5: no client id can be a user id, whoever the person is.
    #[test]
    fn i_7_client_ids_and_user_ids_share_no_namespace(issuer in "\\PC{0,20}", tenant in "\\PC{0,20}", object in "\\PC{0,20}") {
        let user = dcr_core::session::UserId::derive(&issuer, &tenant, &object);
        prop_assert!(dcr_core::ClientId::new(user.as_str()).is_err());
    }
}

/// I-14, UP-8: `Debug` of what holds a secret shows none of it.
#[test]
fn i_14_debug_shows_no_secret() {
    use dcr_core::upstream::{EntraConfig, LoginAnswer, LoginRequest, OidcConfig};
    use dcr_core::{AuthMethod, ClientId, PreRegistered, Secret};
    const HIDDEN: &str = "s3cr3t-value";
    run(async {
        let world = World::with(|b| b.resource_server("rs", HIDDEN)).await;
        let signed_in = world.test.sign_in(&dcr_core::testing::Person::named("Ada")).await;
        let shown = [
            format!("{:?}", EntraConfig::new("t", "c", HIDDEN)),
            format!("{:?}", OidcConfig::new("i", "c").secret(HIDDEN)),
            format!("{:?}", Secret::from_bytes(*b"s3cr3t-value-s3cr3t-value-s3cr3t")),
            format!(
                "{:?}",
                PreRegistered::confidential(ClientId::new("c").unwrap(), AuthMethod::ClientSecretPost, HIDDEN)
            ),
            format!(
                "{:?}",
                LoginRequest {
                    callback: "c",
                    state: HIDDEN,
                    nonce: HIDDEN,
                    verifier: HIDDEN,
                    select_account: true,
                    upstream_scopes: &[]
                }
            ),
            format!("{:?}", LoginAnswer { code: HIDDEN, issuer: None, callback: "c", nonce: HIDDEN, verifier: HIDDEN }),
            format!(
                "{:?} {:?}",
                world.engine,
                dcr_core::DcrEngine::builder("https://x.example").resource_server("rs", HIDDEN)
            ),
        ];
        for text in shown {
            assert!(!text.contains("s3cr3t"), "{text}");
        }
        assert!(!format!("{signed_in:?}").contains(signed_in.token()));
    });
}

/// I-9, RS-2, RS-5: nothing but our own access token is accepted by the resource, least of all what came from upstream.
#[test]
fn i_9_only_our_own_access_tokens_are_accepted() {
    run(async {
        let world = World::new().await;
        let tokens = world.sign_in(U, P, "Ada").await;
        let code = world.code(U, P, "Ada").await;
        let upstream = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lkcCJ9.c2ln";
        for other in [upstream, &tokens.refresh, &code, "", "null"] {
            assert!(!world.accepts(other).await, "{other}");
        }
        assert!(world.accepts(&tokens.access).await);
    });
}
