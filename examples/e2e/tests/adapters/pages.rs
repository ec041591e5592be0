//! The pages of both adapters, in every language, and the logo that they show.

use dcr_e2e::raw::Raw;

use crate::pair::{LOGO, Pair};
use crate::{LOOPBACK, PAGE, PLATFORM, authorize, report};

#[tokio::test]
async fn pages_in_every_language_with_their_logo() {
    let mut pair = Pair::start().await;
    for target in [
        authorize("an-id-from-another-life", PLATFORM),
        authorize("an-id-from-another-life", LOOPBACK),
        authorize("an-id-from-another-life", "https://evil.example/cb"),
        "/oauth/callback?state=x&code=y".to_owned(),
        "/oauth/consent".to_owned(),
    ] {
        for (language, tag) in [
            ("ko-KR,ko;q=0.9,en;q=0.8", "ko"),
            ("en-GB,en;q=0.9,ko;q=0.8", "en"),
            ("en;q=0,*", "ko"),
            ("ko;q=0", "en"),
            (";;,q=1,\u{e9}", "en"),
            ("", "en"),
        ] {
            let page = pair.ask(Raw::get(&target).header(PAGE.0, PAGE.1).header("Accept-Language", language)).await;
            assert_eq!(page.header("content-language"), Some(tag), "{language}: {page:?}");
            assert!(page.text().contains("<span>Example Corp</span>") && page.text().contains("--accent:#0b6e4f"));
            // JSON speaks one language.
            let json = Raw::get(&target).header("Accept", "application/json").header("Accept-Language", language);
            pair.ask(json).await;
        }
        let twice = Raw::get(&target).header(PAGE.0, PAGE.1).header("Accept-Language", "fr");
        let page = pair.ask(twice.header("Accept-Language", "ko;q=0.1")).await;
        assert_eq!(page.header("content-language"), Some("ko"), "one list in two lines");
    }

    let paths = pair.paths();
    let logo = paths.iter().find(|path| path.contains("/logo/")).unwrap();
    let picture = pair.ask(Raw::get(logo)).await;
    assert_eq!((picture.status(), picture.text().as_str()), (200, LOGO));
    assert_eq!(picture.header("content-type"), Some("image/svg+xml"));
    assert!(picture.header("content-security-policy").is_some_and(|policy| policy.contains("sandbox")));
    let head = pair.ask(Raw::new("HEAD", logo)).await;
    assert_eq!((head.status(), head.text().as_str()), (200, ""));
    for request in [
        Raw::get(&format!("{logo}?v=1")),
        Raw::get(logo).header("Range", "bytes=0-3"),
        Raw::get(logo).header("If-None-Match", "*"),
        Raw::get(logo).header("Accept-Encoding", "gzip"),
        Raw::new("POST", logo).body("x"),
        Raw::new("OPTIONS", logo),
        Raw::get(&logo.replace("logo/", "logo/0")),
    ] {
        pair.ask(request).await;
    }
    report(pair, 70);
}
