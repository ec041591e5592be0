//! What every page has around it: who is signed in, the navigation, the language, times.

use std::fmt;
use std::sync::Arc;

use askama::filters::HtmlSafe;

use super::texts::ConsoleTexts;
use super::{ConsoleRequest, PATH};
use crate::client::Platform;
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::http::Responder;
use crate::pages::{Brand, Language, escape};
use crate::text::bounded;

const STYLE: &str = include_str!("../../templates/console/console.css");
pub(super) const SCRIPT: &str = include_str!("../../templates/console/console.js");

/// The longest name or address that is shown.
const NAME: usize = 80;
/// The longest id that is shown whole.
const LONG: usize = 160;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    People,
    Clients,
    Blocks,
    Events,
    Health,
}

/// One link of the navigation.
pub(super) struct NavItem {
    pub(super) href: String,
    pub(super) label: &'static str,
    pub(super) current: bool,
}

/// What every page has around it.
pub(super) struct Frame {
    pub(super) t: &'static ConsoleTexts,
    pub(super) language: Language,
    pub(super) brand: Arc<Brand>,
    pub(super) style: String,
    pub(super) script: &'static str,
    pub(super) nav: Vec<NavItem>,
    /// Who is signed in, as they are called, and until when.
    pub(super) person: String,
    pub(super) until: When,
    /// For the field `token` of every form.
    pub(super) token: String,
    pub(super) now: When,
    base: String,
}

impl Frame {
    pub(super) fn new(engine: &Inner, request: &ConsoleRequest<'_>) -> Self {
        let language = Responder::new(engine, request.headers).language();
        let t = ConsoleTexts::of(language);
        let (brand, _) = engine.look.shared();
        let base = format!("{}{PATH}", engine.prefix);
        let here = Self::section(request.path);
        let nav = [
            (Section::Overview, "", t.overview),
            (Section::People, "/people", t.people),
            (Section::Clients, "/clients", t.clients),
            (Section::Blocks, "/blocks", t.blocks),
            (Section::Events, "/events", t.events),
            (Section::Health, "/health", t.health),
        ];
        let item =
            |(section, path, label)| NavItem { href: format!("{base}{path}"), label, current: here == Some(section) };
        Self {
            t,
            language,
            style: format!("{STYLE}{}", brand.style),
            brand,
            script: SCRIPT,
            nav: nav.into_iter().map(item).collect(),
            person: bounded(request.person.shown(), NAME),
            until: When(request.person.until()),
            token: request.person.form_token().to_owned(),
            now: When(engine.clock.now()),
            base,
        }
    }

    /// The path of a page, below the console's base.
    pub(super) fn link(&self, place: &str) -> String {
        if place.is_empty() { self.base.clone() } else { format!("{}/{place}", self.base) }
    }
}

/// Markup that this crate made: it is not escaped again.
pub(super) struct Html(pub(super) String);

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Html {}

/// A time, as an element of its own: digits only, so it needs no escaping.
#[derive(Clone, Copy)]
pub(super) struct When(pub(super) Timestamp);

impl When {
    /// `2026-11-26 12:30:05`.
    pub(super) fn plain(self) -> String {
        // Whole seconds: what is below is in the record.
        let text = Timestamp::from_unix_seconds(self.0.unix_seconds()).to_string();
        escape(&text.replace('T', " ").replace('Z', ""))
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let iso = Timestamp::from_unix_seconds(self.0.unix_seconds());
        write!(f, r#"<time datetime="{iso}">{}<span class="utc"> UTC</span></time>"#, self.plain())
    }
}

impl HtmlSafe for When {}

/// What somebody is called, of what a provider or a stranger said.
pub(super) fn name(text: &str) -> String {
    bounded(text, NAME)
}

/// An id or an address that is shown as code.
pub(super) fn long(text: &str) -> String {
    bounded(text, LONG)
}

/// 12,345.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// 97.2 %, of whole numbers. `None` of none.
pub(super) fn percent(part: u64, of: u64) -> Option<String> {
    let thousandths = part.saturating_mul(1_000).checked_div(of)?.min(1_000);
    Some(if thousandths == 1_000 { "100%".to_owned() } else { format!("{}.{}%", thousandths / 10, thousandths % 10) })
}

impl Inner {
    /// How people call a platform.
    pub(super) fn platform_label(&self, t: &ConsoleTexts, platform: &Platform) -> String {
        match platform.as_str() {
            "loopback" => t.loopback.to_owned(),
            "other" => t.other.to_owned(),
            own => bounded(self.rules.platforms.label(platform).unwrap_or(own), NAME),
        }
    }
}

#[cfg(test)]
mod frame_tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_written_for_people() {
        assert_eq!([count(0), count(999), count(1_000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(percent(0, 0), None);
        assert_eq!(percent(972, 1_000).as_deref(), Some("97.2%"));
        assert_eq!(percent(9_999, 10_000).as_deref(), Some("99.9%"), "what is not all is never shown as all");
        assert_eq!(percent(5, 5).as_deref(), Some("100%"));
        let when = When(Timestamp::from_unix_micros(1_790_000_000_123_456)).to_string();
        assert!(when.contains(r#"datetime="2026-09-21T14:13:20Z">2026-09-21 14:13:20<"#), "{when}");
    }
}
