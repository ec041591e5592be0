//! What the pages of one engine look like: made once, from the operator's theme and pages, and tried before anything is
//! served.

use std::fmt;
use std::sync::Arc;

use super::check::{self, PageFault};
use super::{
    Brand, ConnectionsPage, ConsentPage, Language, LogoFile, PageError, Pages, RefusalPage, SignInPage, Theme, standard,
};
use crate::config::Issuer;
use crate::error::{ConfigError, Reason};
use crate::seal::sha256;

/// Pages, brand and style.
pub(crate) struct Look {
    pages: Arc<dyn Pages>,
    brand: Arc<Brand>,
    style: Arc<str>,
    /// The sources of styles and pictures, for the content security policy.
    sources: String,
    logo: Option<LogoFile>,
}

impl Look {
    /// Checks the theme, and tries the pages on a sample in every language.
    pub(crate) fn new(
        theme: &Theme,
        pages: Arc<dyn Pages>,
        issuer: &Issuer,
        prefix: &str,
    ) -> Result<Self, ConfigError> {
        let host = issuer.as_str().split_once("://").map_or(issuer.as_str(), |(_, host)| host);
        let (brand, logo) = theme.checked(host, prefix)?;
        let style = pages.style(&brand);
        if style.to_ascii_lowercase().contains("</style") {
            return Err(ConfigError::Pages("its style ends its own element".to_owned()));
        }
        let mut sources = format!("style-src {}", hash_source(&style));
        if brand.logo.is_some() {
            sources.push_str("; img-src 'self'");
        }
        let look = Self { pages, brand: Arc::new(brand), style: style.into(), sources, logo };
        look.try_all().map_err(ConfigError::Pages)?;
        Ok(look)
    }

    fn try_all(&self) -> Result<(), String> {
        for language in Language::ALL {
            let mut page = ConsentPage::sample(*language);
            (page.brand, page.style) = (Arc::clone(&self.brand), Arc::clone(&self.style));
            self.made_consent(&page).map_err(|fault| format!("of the consent page in {language:?}: {fault}"))?;
            for reason in [Reason::ClientNotAccepted, Reason::NotAdmitted] {
                let mut page = RefusalPage::sample(*language, reason);
                (page.brand, page.style) = (Arc::clone(&self.brand), Arc::clone(&self.style));
                self.made_refusal(&page).map_err(|fault| format!("of the refusal page in {language:?}: {fault}"))?;
            }
            let mut page = SignInPage::sample(*language);
            (page.brand, page.style) = (Arc::clone(&self.brand), Arc::clone(&self.style));
            self.made_sign_in(&page).map_err(|fault| format!("of the sign-in page in {language:?}: {fault}"))?;
            let mut page = ConnectionsPage::sample(*language);
            (page.brand, page.style) = (Arc::clone(&self.brand), Arc::clone(&self.style));
            self.made_connections(&page)
                .map_err(|fault| format!("of the connections page in {language:?}: {fault}"))?;
        }
        Ok(())
    }

    /// `None`, and a line in the log, if the page cannot be made or cannot be served.
    pub(crate) fn consent(&self, page: &ConsentPage) -> Option<String> {
        self.made_consent(page).inspect_err(failed).ok()
    }

    /// The same of a refusal.
    pub(crate) fn refusal(&self, page: &RefusalPage) -> Option<String> {
        self.made_refusal(page).inspect_err(failed).ok()
    }

    /// The same of a sign-in page.
    pub(crate) fn sign_in(&self, page: &SignInPage) -> Option<String> {
        self.made_sign_in(page).inspect_err(failed).ok()
    }

    /// The same of a page of connections.
    pub(crate) fn connections(&self, page: &ConnectionsPage) -> Option<String> {
        self.made_connections(page).inspect_err(failed).ok()
    }

    /// The page on the way back from the login: always as shipped, since nobody looks at it.
    pub(crate) fn signed_in(&self, language: Language, next: &str) -> Option<String> {
        let made = standard::signed_in(language, &self.brand, &self.style, next).map_err(Unserved::Unmade);
        made.inspect_err(failed).ok()
    }

    fn made_sign_in(&self, page: &SignInPage) -> Result<String, Unserved> {
        let html = self.pages.sign_in(page).map_err(Unserved::Unmade)?;
        check::sign_in(&html, page).map_err(Unserved::Faulty)?;
        Ok(html)
    }

    fn made_connections(&self, page: &ConnectionsPage) -> Result<String, Unserved> {
        let html = self.pages.connections(page).map_err(Unserved::Unmade)?;
        check::connections(&html, page).map_err(Unserved::Faulty)?;
        Ok(html)
    }

    fn made_consent(&self, page: &ConsentPage) -> Result<String, Unserved> {
        let html = self.pages.consent(page).map_err(Unserved::Unmade)?;
        check::consent(&html, page).map_err(Unserved::Faulty)?;
        Ok(html)
    }

    fn made_refusal(&self, page: &RefusalPage) -> Result<String, Unserved> {
        let html = self.pages.refusal(page).map_err(Unserved::Unmade)?;
        check::refusal(&html, page).map_err(Unserved::Faulty)?;
        Ok(html)
    }

    /// Brand and style, for a page to be.
    pub(crate) fn shared(&self) -> (Arc<Brand>, Arc<str>) {
        (Arc::clone(&self.brand), Arc::clone(&self.style))
    }

    /// `style-src`, and `img-src` if there is a logo.
    pub(crate) fn sources(&self) -> &str {
        &self.sources
    }

    /// The logo that the engine itself serves.
    pub(crate) const fn logo(&self) -> Option<&LogoFile> {
        self.logo.as_ref()
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Look").field("pages", &self.pages).field("brand", &self.brand).finish_non_exhaustive()
    }
}

/// Why a page is not served.
enum Unserved {
    Unmade(PageError),
    Faulty(PageFault),
}

impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmade(error) => write!(f, "it could not be made: {error}"),
            Self::Faulty(PageFault(why)) => f.write_str(why),
        }
    }
}

fn failed(why: &Unserved) {
    tracing::error!(target: "dcr", %why, "a page cannot be served");
}

/// A style sheet or script by its hash, for a content security policy (CO-3): nothing else of a page is one.
pub(crate) fn hash_source(style: &str) -> String {
    use base64::Engine as _;
    format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(sha256(style.as_bytes())))
}
