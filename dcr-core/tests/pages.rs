//! The pages as people get them: language, words, theme, and pages of an operator's own.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use dcr_core::pages::{Brand, ConsentPage, PageError, Pages, RefusalPage, StandardPages};
use dcr_core::store::MemoryStore;
use dcr_core::testing::StubProvider;
use dcr_core::{
    AdoptionPolicy, ClientId, ConfigError, DcrEngine, DcrEngineBuilder, Language, PreRegistered, Resource, Theme,
};
use http::{Response, StatusCode};
use support::*;

const SVG: &str = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'><rect width='1' height='1'/></svg>";

async fn asked(world: &World, id: &str, redirect: &str, language: &str) -> Response<Bytes> {
    let path = format!("/oauth/authorize?{}", encode(&request_for(id, redirect)));
    world.get(&path, &[("accept", "text/html"), ("accept-language", language)]).await
}

fn header(response: &Response<Bytes>, name: &str) -> String {
    response.headers()[name].to_str().unwrap().to_owned()
}

/// The hash that the policy must have for the style sheet that is in the page.
fn style_source(page: &str) -> String {
    use base64::Engine as _;
    let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
    format!("style-src 'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(hash))
}

/// Why an engine with these settings is not built.
async fn refused(change: impl FnOnce(DcrEngineBuilder) -> DcrEngineBuilder) -> ConfigError {
    let builder = DcrEngine::builder(ISSUER)
        .resource(Resource::new("/mcp", "Test server").scope("mcp", "Use the tools"))
        .store(Arc::new(MemoryStore::new()))
        .provider(Arc::new(StubProvider))
        .secret_from_store();
    change(builder).build().await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn pages_speak_the_language_that_the_browser_prefers_and_say_which() {
    let world = World::new().await;
    for (wanted, tag, question, refusal) in [
        ("ko-KR,ko;q=0.9,en;q=0.8", "ko", "Test server 사용을 요청합니다", "다시 연결해야 합니다"),
        ("en-GB,en;q=0.9,ko;q=0.8", "en", "wants to use Test server", "connected again"),
        ("fr", "en", "wants to use Test server", "connected again"),
        ("ko;q=0, *", "en", "wants to use Test server", "connected again"),
        ("\u{e9}", "en", "wants to use Test server", "connected again"),
    ] {
        let page = asked(&world, U, P, wanted).await;
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(
            (header(&page, "content-language"), header(&page, "vary")),
            (tag.to_owned(), "accept-language".to_owned())
        );
        assert!(text(&page).contains(&format!("<html lang=\"{tag}\">")) && text(&page).contains(question), "{wanted}");
        let page = asked(&world, U, E, wanted).await;
        assert_page(&page);
        assert_eq!(header(&page, "content-language"), tag);
        assert_eq!(header(&page, "vary"), "accept, accept-language");
        assert!(text(&page).contains(&format!("<html lang=\"{tag}\">")) && text(&page).contains(refusal), "{wanted}");
    }
}

#[tokio::test]
async fn json_is_english_whatever_is_preferred() {
    let world = World::new().await;
    let path = format!("/oauth/authorize?{}", encode(&request_for(U, E)));
    let answer = world.get(&path, &[("accept", "application/json"), ("accept-language", "ko")]).await;
    assert_error(&answer, 400, "invalid_client");
    assert!(body(&answer)["error_description"].as_str().unwrap().is_ascii());
    assert!(!answer.headers().contains_key("content-language"));
}

#[tokio::test]
async fn an_operators_words_are_given_by_language() {
    let resource = Resource::new("/mcp", "Reports")
        .name_in(Language::Korean, "보고서")
        .scope("mcp", "Use the tools")
        .scope_words(Language::Korean, "mcp", "도구 사용")
        .scope("mcp:admin", "Change settings");
    let engine = DcrEngine::builder(ISSUER)
        .resource(resource)
        .store(Arc::new(MemoryStore::new()))
        .provider(Arc::new(StubProvider))
        .secret_from_store()
        .build()
        .await
        .unwrap();
    let world = World { engine, test: dcr_core::testing::TestEngine::new().await };
    let korean = text(&asked(&world, U, P, "ko").await);
    assert!(korean.contains("보고서 사용을") && korean.contains("<li>도구 사용</li>"), "{korean}");
    assert!(korean.contains("<li>Change settings</li>"), "without words of its own a scope has the first ones");
    let english = text(&asked(&world, U, P, "en").await);
    assert!(
        english.contains("use Reports") && english.contains("<li>Use the tools</li>") && !english.contains("보고서")
    );
}

/// Spec rows 62, 64 and 78, AD-6, AD-11: who asks by the redirect, what is known of it, and the warnings that follow
/// from both.
#[tokio::test]
async fn the_consent_page_says_who_asks_how_it_is_known_and_where_access_goes() {
    let client = PreRegistered::public(ClientId::new("reports").unwrap()).name("Reports by Example");
    let world = World::with(|builder| builder.client(client.redirect("https://reports.example/cb"))).await;
    let (sealed_p, sealed_l, sealed_e) =
        (world.public_client(&[P]).await, world.public_client(&[L]).await, world.public_client(&[E]).await);
    let warning = "Continue only if you started this yourself";
    let check = async |id: &str, redirect: &str, says: &[&str], not: &[&str]| {
        let page = text(&asked(&world, id, redirect, "en").await);
        for part in says {
            assert!(page.contains(part), "{id} at {redirect} lacks {part:?}: {page}");
        }
        for part in not {
            assert!(!page.contains(part), "{id} at {redirect} has {part:?}: {page}");
        }
        let host = redirect.split("//").nth(1).unwrap().split('/').next().unwrap();
        assert!(page.contains(&format!("<strong>{host}</strong><code>{redirect}</code>")), "{page}");
        assert!(page.contains(RESOURCE) && page.contains("Test login"), "for which server, under which login");
    };
    let own = "its own words, not checked";
    let started = "only if you started this in Claude";
    check(&sealed_p, P, &["<h1>Claude wants", "Registered itself", own, started], &[warning, "role=\"note\""]).await;
    check(&sealed_l, L, &["<h1>A program on this computer wants", "cannot tell which program", warning, own], &[])
        .await;
    check(&sealed_e, E, &["<h1>An app at evil.example wants", "not one that this server knows", warning], &[]).await;
    check(U, P, &["<h1>Claude wants", "not registered", warning, "does not know its id"], &["Calls itself"]).await;
    check(U, L, &["cannot tell which program", "not registered", warning], &[U]).await;
    let known = ["<h1>Reports by Example wants", "Registered by the administrator", "Known as", warning];
    check("reports", "https://reports.example/cb", &known, &[own, "not one that this server knows"]).await;
}

/// CO-5: what is not warned of is no trap either. The approval is only emphasised where there is nothing to warn of.
#[tokio::test]
async fn the_approval_is_only_emphasised_where_there_is_no_warning() {
    let world = World::new().await;
    let known = world.public_client(&[P]).await;
    assert!(text(&asked(&world, &known, P, "en").await).contains("<button class=\"primary\" type=\"submit\""));
    for (id, redirect) in [(U, P), (U, L)] {
        assert!(!text(&asked(&world, id, redirect, "en").await).contains("class=\"primary\""));
    }
}

/// CO-4, CONS-09: of the longest and oddest texts too.
#[tokio::test]
async fn long_texts_are_bounded_and_a_long_address_is_shown_whole_in_a_box() {
    let world = World::new().await;
    let redirect = format!("http://127.0.0.1:3118/{}", "a".repeat(1_970));
    let page = text(&asked(&world, U, &redirect, "ko").await);
    assert!(
        page.contains(&format!("tabindex=\"0\" role=\"group\" aria-label=\"권한을 받는 곳\">{redirect}</code>")),
        "{page}"
    );
}

#[tokio::test]
async fn refusals_say_what_to_do_and_show_a_reference_that_can_be_read_out() {
    let world = World::new().await;
    let page = text(&asked(&world, U, E, "en").await);
    assert!(page.contains("Remove the connector") && page.contains("<details>") && page.contains("claude mcp add"));
    assert!(page.contains(&format!("--transport http NAME {RESOURCE}")), "with the address to add");
    assert!(page.contains("<code lang=\"en\">client_not_accepted</code>"));
    let reference = page.split("Reference: <code lang=\"en\">").nth(1).unwrap().split('<').next().unwrap();
    let plain = |c: char| c == '-' || c.is_ascii_digit() || (c.is_ascii_uppercase() && !"ILOU".contains(c));
    assert!(reference.len() == 9 && reference.chars().all(plain), "{reference}");

    // What only the app's makers can mend is told to the person in words, and to them in theirs.
    let id = world.public_client(&[E]).await;
    let fields = change(&request_for(&id, E), "code_challenge_method", "plain");
    let page = world.get(&format!("/oauth/authorize?{}", encode(&fields)), &[("accept", "text/html")]).await;
    assert!(
        text(&page).contains("Update the app") && text(&page).contains("code_challenge_method=S256"),
        "{}",
        text(&page)
    );
    assert!(!text(&page).contains("<details>"), "adding it again would not help");
}

/// CONS-03, CO-3: pictures are only allowed where there is one, and then our own.
#[tokio::test]
async fn a_theme_changes_the_style_and_the_policy_with_it() {
    let plain = World::new().await;
    let page = asked(&plain, U, P, "en").await;
    let policy = header(&page, "content-security-policy");
    assert!(policy.contains(&style_source(&text(&page))) && !policy.contains("img-src"), "{policy}");
    assert!(text(&page).contains("<span>mcp.example</span>") && !text(&page).contains("<img"));

    let theme = Theme::new().name("Example <Corp>").logo(SVG).colour("#FFcc00");
    let themed = World::with(|builder| builder.theme(theme)).await;
    for page in [asked(&themed, U, P, "en").await, asked(&themed, U, E, "ko").await] {
        let policy = header(&page, "content-security-policy");
        let html = text(&page);
        assert!(policy.contains(&style_source(&html)) && policy.contains("; img-src 'self';"), "{policy}");
        assert!(html.contains("--accent:#ffcc00") && html.contains("<span>Example &#60;Corp&#62;</span>"), "{html}");
        assert!(html.contains("<img src=\"/oauth/logo/"));
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"));
    }
}

#[tokio::test]
async fn the_logo_is_served_at_the_path_that_the_pages_name() {
    let world = World::with(|builder| builder.theme(Theme::new().logo(SVG)).prefix("/sign-in")).await;
    let page = text(&world.get("/sign-in/authorize", &[("accept", "text/html")]).await);
    let path = page.split("<img src=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(path.starts_with("/sign-in/logo/") && world.engine.paths().iter().any(|known| known == path), "{path}");
    let logo = world.get(path, &[]).await;
    assert_eq!((logo.status(), text(&logo).as_str()), (StatusCode::OK, SVG));
    assert_eq!(header(&logo, "content-type"), "image/svg+xml");
    assert_eq!(header(&logo, "x-content-type-options"), "nosniff");
    assert_eq!(header(&logo, "cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(header(&logo, "content-security-policy"), "default-src 'none'; style-src 'unsafe-inline'; sandbox");
    assert!(!logo.headers().contains_key("access-control-allow-origin") && !logo.headers().contains_key("set-cookie"));
    assert_eq!(world.send(request("HEAD", path, &[], "")).await.status(), StatusCode::OK);
    let posted = world.send(request("POST", path, &[], "")).await;
    assert_eq!((posted.status(), header(&posted, "allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD".to_owned()));

    // A logo that the host serves is not ours to serve.
    let world = World::with(|builder| builder.theme(Theme::new().logo_path("/static/logo.png"))).await;
    assert!(text(&asked(&world, U, P, "en").await).contains("<img src=\"/static/logo.png\""));
    assert!(!world.engine.paths().iter().any(|path| path.contains("logo")));
}

#[tokio::test]
async fn a_theme_that_cannot_be_used_is_an_error_at_the_start() {
    for (theme, expected) in [
        (
            Theme::new().colour("green"),
            "the colour of the theme cannot be used: write a hash and six hexadecimal digits",
        ),
        (Theme::new().logo("GIF89a"), "convert it to one of them"),
        (Theme::new().logo_path("https://cdn.example/x.svg"), "such as /static/logo.svg"),
        (Theme::new().name("\u{202e}"), "write 1 to 80 visible characters"),
    ] {
        let error = refused(|builder| builder.theme(theme)).await;
        assert!(matches!(error, ConfigError::Theme { .. }) && error.to_string().contains(expected), "{error}");
    }
}

/// Pages of an operator's own: with everything they need, or without something.
#[derive(Debug, Clone, Copy)]
enum Own {
    Whole,
    WithoutDeny,
    WithoutLanguage,
    StyleThatEnds,
    /// It does not escape what a stranger named.
    Careless,
}

impl Pages for Own {
    fn style(&self, brand: &Brand) -> String {
        if matches!(self, Self::StyleThatEnds) {
            return "</style><script>".to_owned();
        }
        StandardPages.style(brand) + ".own{color:red}"
    }

    fn consent(&self, page: &ConsentPage) -> Result<String, PageError> {
        let html = StandardPages.consent(page)?.replace("<main", "<p class=\"own\">Our own page</p><main");
        Ok(match self {
            Self::WithoutDeny => html.replace("value=\"deny\"", "value=\"no\""),
            Self::WithoutLanguage => html.replace("<html lang", "<html data-lang"),
            Self::Careless if page.redirect_uri != "http://localhost:3118/callback" => {
                html + page.name.as_deref().unwrap_or_default()
            }
            _ => html,
        })
    }

    fn refusal(&self, page: &RefusalPage) -> Result<String, PageError> {
        StandardPages.refusal(page)
    }
}

#[tokio::test]
async fn pages_of_ones_own_are_served_under_our_headers_and_work() {
    let world = World::with(|builder| builder.pages(Arc::new(Own::Whole))).await;
    let page = asked(&world, U, P, "en").await;
    assert!(text(&page).contains("Our own page") && text(&page).contains(".own{color:red}"));
    let policy = header(&page, "content-security-policy");
    assert!(policy.contains(&style_source(&text(&page))), "{policy}");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self' https:"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert_eq!(header(&page, "x-frame-options"), "DENY");
    world.sign_in(U, P, "Ada").await;
}

#[tokio::test]
async fn pages_that_would_leave_people_stuck_are_an_error_at_the_start() {
    for (own, expected) in [
        (Own::WithoutDeny, "of the consent page in English: its form lacks a button `decision`"),
        (Own::WithoutLanguage, "no lang attribute"),
        (Own::StyleThatEnds, "its style ends its own element"),
    ] {
        let error = refused(|builder| builder.pages(Arc::new(own))).await;
        assert!(matches!(error, ConfigError::Pages(_)) && error.to_string().contains(expected), "{error}");
    }
}

/// CO-3, CONS-09: a template that forgets to escape serves no script; the person is told, and the log says why.
#[tokio::test]
async fn a_page_that_turns_out_to_have_a_script_is_not_served() {
    let world = World::with(|builder| builder.pages(Arc::new(Own::Careless)).adoption(AdoptionPolicy::Off)).await;
    let name = "<script>alert(1)</script>";
    let id = body(&world.register(&serde_json::json!({ "client_name": name, "redirect_uris": [P] })).await);
    let page = asked(&world, id["client_id"].as_str().unwrap(), P, "en").await;
    assert_eq!(page.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text(&page).contains("<code lang=\"en\">internal</code>") && !text(&page).contains("<script"));
}
