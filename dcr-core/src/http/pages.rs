//! From what was resolved and asked to what a page says. The pages themselves are in [`crate::pages`].

use crate::client::{RedirectClass, ResolvedClient, ValidRedirect};
use crate::config::ScopeText;
use crate::engine::Inner;
use crate::error::Refusal;
use crate::oauth::ScopeSet;
use crate::pages::{ConsentPage, Language, RefusalKind, RefusalPage, Translations};
use crate::resource::ValidResource;
use crate::text::bounded;

const DAY: u64 = 24 * 60 * 60;

/// A consent page, in whatever language it will be (CO-6, spec rows 62, 64 and 78).
pub(crate) struct ConsentView {
    page: ConsentPage,
    /// What is asked for, and what the operator calls it and the server in other languages.
    scopes: Vec<ScopeText>,
    translations: Translations,
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
        let place = RedirectPlace::of(redirect.as_str());
        let (brand, style) = engine.look.shared();
        let is_https = redirect.class() != RedirectClass::Loopback && place.scheme.is_none();
        let remembered_days = client.remembers().filter(|_| is_https).map(|long| long.as_secs().div_ceil(DAY));
        let page = ConsentPage {
            language: Language::English,
            brand,
            style,
            platform: redirect.platform_label().map(str::to_owned),
            class: redirect.class(),
            scheme: place.scheme,
            provenance: client.provenance(),
            name: client.name().map(|name| bounded(name, 64)).filter(|name| !name.is_empty()),
            document_host: client.document_host().map(str::to_owned),
            redirect_host: place.host,
            redirect_uri: redirect.as_str().to_owned(),
            server: resource.name.clone(),
            resource: resource.uri.clone(),
            scopes: Vec::new(),
            stays_connected: client.refresh(),
            login: engine.provider.name().to_owned(),
            remembered_days,
            action: format!("{}/consent", engine.prefix),
            request: sealed,
            connections: engine.connections_path(),
        };
        Self {
            page,
            scopes: resource.scopes.iter().filter(|text| scope.contains(&text.name)).cloned().collect(),
            translations: resource.translations.clone(),
            form_target: place.form_target,
        }
    }

    pub(crate) fn page(&self, language: Language) -> ConsentPage {
        let words = |text: &ScopeText| self.translations.scope(language, &text.name, &text.words).to_owned();
        ConsentPage {
            language,
            server: self.translations.name(language, &self.page.server).to_owned(),
            scopes: self.scopes.iter().map(words).collect(),
            ..self.page.clone()
        }
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

/// Where a redirect goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RedirectPlace {
    /// The host with its port; of a custom scheme that, with whatever stands for a host there.
    pub(crate) host: String,
    /// A custom scheme, with its colon.
    pub(crate) scheme: Option<String>,
    /// Its source expression for the content security policy (none for https).
    form_target: String,
}

impl RedirectPlace {
    pub(crate) fn of(redirect: &str) -> Self {
        let (scheme, rest) = redirect.split_once(':').unwrap_or((redirect, ""));
        let authority = rest.strip_prefix("//").map_or("", |rest| rest.split(['/', '?']).next().unwrap_or(""));
        let host = authority.to_owned();
        match scheme {
            "https" => Self { host, scheme: None, form_target: String::new() },
            // A source expression cannot hold an IPv6 address.
            "http" if host.starts_with('[') => Self { host, scheme: None, form_target: "http:".to_owned() },
            "http" => Self { form_target: format!("http://{host}"), host, scheme: None },
            custom => {
                let scheme = format!("{custom}:");
                let slashes = if host.is_empty() { "" } else { "//" };
                Self { host: format!("{scheme}{slashes}{host}"), form_target: scheme.clone(), scheme: Some(scheme) }
            }
        }
    }
}

/// The page of a refusal.
pub(crate) fn refusal(
    engine: &Inner,
    language: Language,
    refusal: &Refusal,
    reference: &str,
    way_back: Option<String>,
) -> Option<String> {
    let reason = refusal.reason();
    let kind = RefusalKind::of(reason);
    let (brand, style) = engine.look.shared();
    // Where only the app's makers can mend it, they want to know what. `description` is the detail, or else the advice
    // to them.
    let detail = if kind == RefusalKind::AppFault { refusal.description() } else { refusal.detail() };
    engine.look.refusal(&RefusalPage {
        language,
        brand,
        style,
        reason,
        kind,
        detail: bounded(detail, 300),
        reference: reference.to_owned(),
        way_back,
        server: engine.resource(None).map_or_else(String::new, |resource| resource.uri.clone()),
        connections: match kind {
            RefusalKind::Declined | RefusalKind::Reconnect | RefusalKind::StartAgain => engine.connections_path(),
            _ => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_what_the_answer_goes_to() {
        let place = |redirect: &str| {
            let RedirectPlace { host, scheme, form_target } = RedirectPlace::of(redirect);
            [host, scheme.unwrap_or_default(), form_target]
        };
        assert_eq!(place("https://claude.ai/cb"), ["claude.ai", "", ""]);
        assert_eq!(place("http://localhost:3118/cb"), ["localhost:3118", "", "http://localhost:3118"]);
        assert_eq!(place("http://[::1]:8/cb"), ["[::1]:8", "", "http:"]);
        assert_eq!(place("cursor://a.b/cb"), ["cursor://a.b", "cursor:", "cursor:"]);
        assert_eq!(place("com.example.app:/cb"), ["com.example.app:", "com.example.app:", "com.example.app:"]);
    }
}
