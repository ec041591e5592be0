//! Everything that the pages say, one file for each language. A language that lacks something does not compile.

pub(super) mod en;
pub(super) mod ko;
mod web;

pub use self::web::WebTexts;
use super::RefusalKind;
use crate::error::Reason;

/// What the pages say, in one language. A page of one's own may use it, too: [`Language::texts`](super::Language::texts).
///
/// Functions take what is named in the sentence, as plain text; what they answer is plain text and to be escaped.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Texts {
    /// The title of the consent page: for which server.
    pub consent_title: fn(&str) -> String,
    /// The question of the consent page: which app asks, for which server.
    pub asks: fn(&str, &str) -> String,
    /// How a program on a computer is called, in that question.
    pub local_program: &'static str,
    /// How an app that nobody knows is called: the host that it belongs to.
    pub app_at: fn(&str) -> String,
    /// How an app is called that takes links of its own scheme: the scheme.
    pub app_of_scheme: fn(&str) -> String,
    /// Above the list of what it will be able to do.
    pub able_to: &'static str,
    /// At the end of that list, if the app gets refresh tokens.
    pub stay_connected: &'static str,
    /// The warning about local programs.
    pub warn_local: &'static str,
    /// The warning about apps at an address that nobody vouches for.
    pub warn_elsewhere: &'static str,
    /// The warning about ids that are not registered.
    pub warn_unregistered: &'static str,
    /// What every warning ends with.
    pub only_if_started: &'static str,
    /// The same, calmly: which platform.
    pub only_if_started_in: fn(&str) -> String,
    /// Heads the host and address that the code goes to.
    pub access_goes_to: &'static str,
    /// Heads the client's own name.
    pub calls_itself: &'static str,
    /// Beside that name.
    pub own_words: &'static str,
    /// Heads the name that the operator gave a client.
    pub known_as: &'static str,
    /// Heads how the client is known.
    pub registration: &'static str,
    /// It is registered by the operator.
    pub pre_registered: &'static str,
    /// It registered itself.
    pub self_registered: &'static str,
    /// It was registered with an older system.
    pub imported: &'static str,
    /// It is not registered.
    pub unregistered: &'static str,
    /// Heads the host of the document that describes it.
    pub described_at: &'static str,
    /// Beside that host, for a local program.
    pub anyone_can_say_so: &'static str,
    /// Heads the server's name and address.
    pub for_server: &'static str,
    /// Heads the company login.
    pub sign_in_with: &'static str,
    /// Before the buttons: for how many days an approval is remembered.
    pub remembered: fn(u64) -> String,
    /// The button that approves.
    pub allow: &'static str,
    /// The button that denies.
    pub cancel: &'static str,
    /// The title of a refusal.
    pub refusal_title: fn(RefusalKind) -> &'static str,
    /// What a person can do about a refusal.
    pub advice: fn(Reason) -> &'static str,
    /// Heads [`Texts::reconnecting`].
    pub how_to_reconnect: &'static str,
    /// How to remove a connector and add it again, by app.
    pub reconnecting: &'static [Reconnecting],
    /// The link that takes the error back to the app.
    pub back_to_app: &'static str,
    /// Heads the reference.
    pub reference: &'static str,
    /// What the reference is for.
    pub quote_reference: &'static str,
    /// Heads the stable reason.
    pub reason: &'static str,
    /// Heads what is for developers, in English.
    pub for_developers: &'static str,
    /// What the pages say that people sign in to.
    pub web: WebTexts,
}

/// How to remove a connector and add it again in one app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconnecting {
    /// The app.
    pub app: &'static str,
    /// What to do there.
    pub how: &'static str,
    /// What to type there, if it is done on a command line: `NAME` is the connector's, `URL` this server's address.
    pub commands: &'static [&'static str],
}

/// The same on every command line.
const CLAUDE_CODE: &[&str] = &["claude mcp remove NAME", "claude mcp add --transport http NAME URL"];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::{Language, RefusalKind};
    use crate::error::Reason;

    #[test]
    fn every_language_has_advice_for_every_reason_and_a_title_for_every_kind() {
        for language in Language::ALL {
            let texts = language.texts();
            let titles: HashSet<_> = RefusalKind::ALL.iter().map(|kind| (texts.refusal_title)(*kind)).collect();
            assert_eq!(titles.len(), RefusalKind::ALL.len(), "{language}: titles tell kinds apart");
            for reason in Reason::ALL {
                let advice = (texts.advice)(*reason);
                assert!(advice.chars().count() > 10, "{language}: {}", reason.as_str());
                // A page for persons: no parameter names, no protocol. Those are in the line for developers.
                for jargon in ["PKCE", "code_challenge", "redirect_uri", "invalid_", "scope"] {
                    assert!(!advice.contains(jargon), "{language}: {advice}");
                }
            }
        }
    }

    #[test]
    fn korean_is_polite_and_english_is_not_left_in_it() {
        let texts = Language::Korean.texts();
        let mut sentences: Vec<String> = Reason::ALL.iter().map(|reason| (texts.advice)(*reason).to_owned()).collect();
        sentences.extend([texts.warn_local, texts.warn_elsewhere, texts.warn_unregistered].map(str::to_owned));
        sentences.push((texts.asks)("Claude", "Tools"));
        for text in sentences {
            for sentence in text.split_terminator(". ").map(|sentence| sentence.trim_end_matches('.')) {
                assert!(sentence.ends_with("니다") || sentence.ends_with("세요"), "{sentence}");
            }
        }
    }

    #[test]
    fn every_language_names_what_it_is_told() {
        for texts in Language::ALL.iter().map(|language| language.texts()) {
            let asked = (texts.asks)("Claude", "Weather");
            assert!(asked.contains("Claude") && asked.contains("Weather"), "{asked}");
            for name in [texts.consent_title, texts.app_at, texts.app_of_scheme, texts.only_if_started_in] {
                assert!(name("a.example").contains("a.example"));
            }
            assert_eq!(texts.reconnecting.len(), 5);
        }
    }
}
