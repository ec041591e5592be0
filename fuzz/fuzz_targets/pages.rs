//! Pages (CONS-09, I-10, CO-4): whatever a stranger is called and wherever it is, the page has the elements that it would have
//! for anybody, nothing runs or loads, and the text says what was said. In every language.

#![no_main]

use arbitrary::Arbitrary;
use dcr_core::pages::{ConsentPage, Pages as _, RefusalPage, StandardPages};
use dcr_core::{Language, Provenance, Reason, RedirectClass};
use dcr_fuzz::bounds;
use dcr_fuzz::html::Page;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    korean: bool,
    provenance: u8,
    class: u8,
    name: Option<String>,
    platform: Option<String>,
    document_host: Option<String>,
    scheme: Option<String>,
    redirect_host: String,
    redirect_uri: String,
    server: String,
    scopes: Vec<String>,
    login: String,
    days: Option<u16>,
    reason: u16,
    detail: String,
    reference: String,
    way_back: Option<String>,
}

impl Input {
    fn language(&self) -> Language {
        if self.korean { Language::Korean } else { Language::English }
    }

    fn consent(&self) -> ConsentPage {
        let mut page = ConsentPage::sample(self.language());
        page.provenance = [
            Provenance::PreRegistered,
            Provenance::Sealed,
            Provenance::MetadataDocument,
            Provenance::Imported,
            Provenance::Adopted,
        ][usize::from(self.provenance) % 5];
        page.class =
            [RedirectClass::Platform, RedirectClass::Loopback, RedirectClass::Other][usize::from(self.class) % 3];
        page.name.clone_from(&self.name);
        page.platform.clone_from(&self.platform);
        page.document_host.clone_from(&self.document_host);
        page.scheme.clone_from(&self.scheme);
        page.redirect_host.clone_from(&self.redirect_host);
        page.redirect_uri.clone_from(&self.redirect_uri);
        page.server.clone_from(&self.server);
        page.scopes = self.scopes.iter().take(8).cloned().collect();
        page.login.clone_from(&self.login);
        page.remembered_days = self.days.map(u64::from);
        page
    }

    /// The same page of somebody harmless: what is there is there, and as long.
    fn harmless(&self) -> ConsentPage {
        let mut page = self.consent();
        let plain = |text: &mut String| *text = "x".repeat(text.len());
        for text in
            [&mut page.name, &mut page.platform, &mut page.document_host, &mut page.scheme].into_iter().flatten()
        {
            plain(text);
        }
        for text in [&mut page.redirect_host, &mut page.redirect_uri, &mut page.server, &mut page.login] {
            plain(text);
        }
        page.scopes.iter_mut().for_each(plain);
        page
    }

    fn refusal(&self) -> RefusalPage {
        let reason = Reason::ALL[usize::from(self.reason) % Reason::ALL.len()];
        let mut page = RefusalPage::sample(self.language(), reason);
        page.detail.clone_from(&self.detail);
        page.reference.clone_from(&self.reference);
        // It is made of a redirect URI that passed, and of escaped parameters.
        let visible = |rest: &String| rest.chars().filter(char::is_ascii_graphic).collect::<String>();
        page.way_back = self.way_back.as_ref().map(|rest| format!("https://app.example/cb?{}", visible(rest)));
        page
    }
}

/// What HTML makes of a text by itself: line ends, and a character that no page has.
fn as_shown(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "")
}

fn shows(page: &Page, text: &str) {
    assert!(as_shown(&page.text).contains(&as_shown(text)), "{text:?}");
}

fuzz_target!(|input: Input| {
    let asked = input.consent();
    let size = 64 * 1024
        + 64 * (input.redirect_uri.len() + input.server.len() + asked.scopes.iter().map(String::len).sum::<usize>());
    let html = bounds::within(size * 8, || StandardPages.consent(&asked)).expect("a page");
    let page = Page::inert(&html);
    let plain = Page::inert(&StandardPages.consent(&input.harmless()).expect("a page"));
    assert_eq!(page.shape(), plain.shape());
    shows(&page, &asked.redirect_uri);
    shows(&page, &asked.redirect_host);
    asked.scopes.iter().for_each(|words| shows(&page, words));
    if let Some(name) = &asked.name {
        shows(&page, name);
    }
    assert_eq!(page.value("form", "action"), Some(asked.action.as_str()));
    assert_eq!(page.value("input", "value"), Some(asked.request.as_str()));
    // Its one link is ours.
    assert_eq!(page.links(), Vec::from_iter(asked.connections.as_deref()));

    let refused = input.refusal();
    let page = Page::inert(&StandardPages.refusal(&refused).expect("a page"));
    let mut plain = input.refusal();
    (plain.detail, plain.reference) = ("x".repeat(refused.detail.len()), "x".to_owned());
    plain.way_back = plain.way_back.map(|_| "https://app.example/cb".to_owned());
    let plain = Page::inert(&StandardPages.refusal(&plain).expect("a page"));
    assert_eq!(page.shape(), plain.shape());
    shows(&page, &refused.detail);
    let links: Vec<String> = page.links().into_iter().map(as_shown).collect();
    let expected = refused.way_back.iter().chain(&refused.connections);
    assert_eq!(links, expected.map(|link| as_shown(link)).collect::<Vec<_>>());
});
