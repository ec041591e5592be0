//! The pages: consent and refusal. Templates escape by default; no script, nothing loaded, one style sheet that the
//! content security policy names by its hash.

use askama::Template;

use crate::client::{Provenance, RedirectClass, ResolvedClient, ValidRedirect};
use crate::config::ScopeText;
use crate::engine::Inner;
use crate::error::Refusal;
use crate::oauth::ScopeSet;
use crate::resource::ValidResource;
use crate::seal::sha256;
use crate::text::bounded;

const STYLE: &str = include_str!("../../templates/style.css");

/// The style sheet's source for `style-src`.
pub(crate) fn style_hash() -> String {
    use base64::Engine as _;
    format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(sha256(STYLE.as_bytes())))
}

/// What the consent page says (CO-6, spec rows 64 and 78): who asks, by the redirect; where the code goes; for which
/// server, with which scopes; under which login.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentView {
    style: &'static str,
    /// The platform by its redirect, or `None`.
    platform: Option<String>,
    /// The client's own claim.
    claimed_name: Option<String>,
    /// The host of the document that describes the client, which is its id.
    described_at: Option<String>,
    registered: bool,
    /// A program on this computer.
    local: bool,
    /// Neither a platform nor local.
    elsewhere: bool,
    redirect_host: String,
    redirect: String,
    server: String,
    resource: String,
    scopes: Vec<String>,
    offline: bool,
    provider: String,
    action: String,
    sealed: String,
    /// For the content security policy.
    form_target: String,
}

impl ConsentView {
    pub(crate) fn new(
        engine: &Inner,
        client: &ResolvedClient,
        redirect: &ValidRedirect,
        resource: &ValidResource,
        scope: &str,
        sealed: String,
    ) -> Self {
        let scope = ScopeSet::parse_lossy(scope);
        let words = |text: &&ScopeText| scope.contains(&text.name);
        let (host, form_target) = place(redirect.as_str());
        Self {
            style: STYLE,
            platform: redirect.platform_label().map(str::to_owned),
            claimed_name: client.name().map(|name| bounded(name, 64)).filter(|name| !name.is_empty()),
            described_at: client.document_host().map(str::to_owned),
            registered: client.provenance() != Provenance::Adopted,
            local: redirect.class() == RedirectClass::Loopback,
            elsewhere: redirect.class() == RedirectClass::Other,
            redirect_host: host,
            redirect: redirect.as_str().to_owned(),
            server: resource.name.clone(),
            resource: resource.uri.clone(),
            scopes: resource.scopes.iter().filter(words).map(|text| text.words.clone()).collect(),
            offline: client.refresh(),
            provider: engine.provider.name().to_owned(),
            action: format!("{}/consent", engine.prefix),
            sealed,
            form_target,
        }
    }

    pub(crate) fn page(&self) -> Option<String> {
        rendered(self)
    }

    /// `form-action`: Chromium checks every redirect that follows a form, so the whole way must be allowed: our own
    /// endpoint, the company login (any https: logins are federated to hosts that nobody here can list), and where the
    /// answer goes (CO-7, CONS-16).
    pub(crate) fn form_targets(&self, insecure_origins: &[String]) -> String {
        let mut targets = vec!["'self'", "https:", self.form_target.as_str()];
        targets.extend(insecure_origins.iter().map(String::as_str));
        targets.retain(|target| !target.is_empty());
        targets.join(" ")
    }
}

/// The host that a redirect goes to, and its source expression for the content security policy (none for https).
fn place(redirect: &str) -> (String, String) {
    let (scheme, rest) = redirect.split_once(':').unwrap_or((redirect, ""));
    let authority = rest.trim_start_matches('/').split(['/', '?']).next().unwrap_or("").to_owned();
    let source = match scheme {
        "https" => String::new(),
        // A source expression cannot hold an IPv6 address.
        "http" if authority.starts_with('[') => "http:".to_owned(),
        "http" => format!("http://{authority}"),
        custom => format!("{custom}:"),
    };
    (authority, source)
}

/// The page of a refusal: what happened is in the title, what to do is the text, and the reference finds the log line.
#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage<'a> {
    style: &'static str,
    title: &'static str,
    advice: &'a str,
    detail: &'a str,
    reason: &'a str,
    reference: &'a str,
    way_back: Option<&'a str>,
}

pub(crate) fn refusal(refusal: &Refusal, reference: &str, way_back: Option<&str>) -> Option<String> {
    let reason = refusal.reason();
    let title = match (reason.error(), reason.status()) {
        ("access_denied", _) => "Not connected",
        (_, 503) => "Please try again in a minute",
        (_, 500..) => "Something is wrong on our side",
        _ => "This sign-in cannot continue",
    };
    rendered(&RefusalPage {
        style: STYLE,
        title,
        advice: reason.advice(),
        detail: refusal.detail(),
        reason: reason.as_str(),
        reference,
        way_back,
    })
}

fn rendered(page: &impl Template) -> Option<String> {
    page.render().inspect_err(|error| tracing::error!(target: "dcr", %error, "a page could not be rendered")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_targets_name_the_place_that_the_answer_goes_to() {
        assert_eq!(place("https://claude.ai/cb"), ("claude.ai".to_owned(), String::new()));
        assert_eq!(
            place("http://localhost:3118/cb"),
            ("localhost:3118".to_owned(), "http://localhost:3118".to_owned())
        );
        assert_eq!(place("http://[::1]:8/cb").1, "http:");
        assert_eq!(place("cursor://a.b/cb"), ("a.b".to_owned(), "cursor:".to_owned()));
    }
}
