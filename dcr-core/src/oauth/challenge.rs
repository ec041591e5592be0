//! What RFC 6750 says of a request with a bearer token and of its refusal, alike for the server that issued the token and
//! for one that runs elsewhere.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::error::{Reason, Refusal};
use crate::oauth::ScopeSet;
use crate::oauth::scope::OFFLINE_ACCESS;

/// Exactly one `Authorization` header, and it is a bearer token (RS-8).
pub(crate) fn bearer_token(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let header = match (all.next(), all.next()) {
        (None, _) => return Err(Reason::TokenMissing.into()),
        (Some(header), None) => header,
        (Some(_), Some(_)) => return Err(Reason::TokenMalformed.into()),
    };
    let text = header.to_str().map_err(|_| Reason::TokenMalformed)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Reason::TokenMissing.into());
    }
    let token = token.trim_matches(' ');
    if token.is_empty() || token.contains(' ') { Err(Reason::TokenMalformed.into()) } else { Ok(token) }
}

/// Whether `effective` has everything of `needed`. The refusal names all of it (spec row 34).
pub(crate) fn check_scope(effective: &ScopeSet, needed: &ScopeSet) -> Result<(), Refusal> {
    if effective.includes(needed) {
        Ok(())
    } else {
        Err(Refusal::new(Reason::ScopeInsufficient, format!("this operation needs the scope {needed}")))
    }
}

/// The `WWW-Authenticate` header for a refusal (RFC 6750 section 3, RFC 9728 section 5.1): where the metadata is, and which
/// scopes to ask for: what the operation needs, or the defaults; never `offline_access` (spec row 28). `None` where a
/// challenge would be wrong: 503, and what is not about the token.
pub(crate) fn challenge(
    refusal: &Refusal,
    metadata_url: &str,
    needed: &ScopeSet,
    defaults: &ScopeSet,
) -> Option<String> {
    let reason = refusal.reason();
    let is_of_body = matches!(reason, Reason::ToolCallUnclear | Reason::BodyIncomplete);
    if !matches!(reason.status(), 400 | 401 | 403) || is_of_body {
        return None;
    }
    let mut challenge = "Bearer ".to_owned();
    if !reason.error().is_empty() {
        challenge.push_str(&format!(
            "error=\"{}\", error_description=\"{}\", ",
            reason.error(),
            quotable(refusal.description())
        ));
    }
    let needed = needed.without(OFFLINE_ACCESS);
    let scope = if needed.is_empty() { defaults } else { &needed };
    challenge.push_str(&format!("resource_metadata=\"{metadata_url}\", scope=\"{scope}\""));
    Some(challenge)
}

/// What RFC 6750 section 3 allows inside the quotes.
fn quotable(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect()
}

#[cfg(test)]
mod tests {
    use super::quotable;

    #[test]
    fn nothing_ends_the_quotes_or_the_header() {
        assert_eq!(quotable("a \"b\" \\c\r\n\u{7f}\u{e9}~"), "a b c~");
    }
}
