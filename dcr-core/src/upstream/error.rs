//! What can go wrong upstream, and what of it is whose fault.

use crate::error::{Reason, Refusal};
use crate::text;

/// The kinds of upstream trouble that lead to different answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpstreamFault {
    /// The person cancelled.
    Denied,
    /// An administrator has to consent to the bridge's application.
    ConsentNeeded,
    /// The provider does not let this person in: assignment, account, conditional access.
    NotAllowed,
    /// Transient: time-out, 429, 5xx.
    Busy,
    /// The code was refused.
    CodeRefused,
    /// The answer or the ID token does not hold.
    Invalid,
    /// Our credentials, redirect or configuration are wrong.
    Configuration,
    /// At a refresh: what we hold of the person lapsed or was withdrawn.
    GrantDead,
    /// At a refresh: the person must meet the provider itself, for a second factor or a policy.
    InteractionNeeded,
    /// At a refresh: the person's account is disabled or gone (UP-7).
    UserGone,
}

/// An upstream failure: a kind, and a text for the operator's log. The text is ours, or codes and ids of the provider;
/// never a token, and never shown to a person (UP-10).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("upstream {fault:?}: {detail}")]
pub struct UpstreamError {
    fault: UpstreamFault,
    detail: String,
}

impl UpstreamError {
    /// An error of this kind. Of `detail` at most 512 visible characters are kept: it is for the log, and may repeat what
    /// the provider sent.
    #[must_use]
    pub fn new(fault: UpstreamFault, detail: impl Into<String>) -> Self {
        Self { fault, detail: text::bounded(&detail.into(), text::LOGGED) }
    }

    /// Its kind.
    #[must_use]
    pub const fn fault(&self) -> UpstreamFault {
        self.fault
    }

    pub(crate) const fn reason(&self) -> Reason {
        match self.fault {
            UpstreamFault::Denied => Reason::UpstreamDenied,
            UpstreamFault::ConsentNeeded => Reason::UpstreamConsent,
            UpstreamFault::NotAllowed => Reason::UpstreamNotAllowed,
            UpstreamFault::Busy => Reason::UpstreamBusy,
            UpstreamFault::CodeRefused => Reason::UpstreamCode,
            UpstreamFault::Invalid => Reason::UpstreamInvalid,
            UpstreamFault::Configuration => Reason::UpstreamConfiguration,
            UpstreamFault::GrantDead | UpstreamFault::InteractionNeeded => Reason::UpstreamSignInAgain,
            UpstreamFault::UserGone => Reason::UpstreamUserGone,
        }
    }
}

impl From<UpstreamError> for Refusal {
    fn from(error: UpstreamError) -> Self {
        match error.fault {
            UpstreamFault::Configuration => tracing::error!(target: "dcr", %error, "upstream refused us"),
            _ => tracing::warn!(target: "dcr", %error, "upstream refused"),
        }
        error.reason().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i_10_what_a_provider_sent_reaches_the_log_as_bounded_visible_text() {
        let error = UpstreamError::new(UpstreamFault::Invalid, format!("a\n\u{202e}b{}", "c".repeat(100_000)));
        let shown = error.to_string();
        assert!(shown.starts_with("upstream Invalid: a bccc") && shown.ends_with("c\u{2026}"), "{shown}");
        assert_eq!(shown.chars().count(), "upstream Invalid: ".len() + text::LOGGED);
    }
}
