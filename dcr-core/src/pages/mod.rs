//! The pages that people see: consent and refusal, and those that they sign in to. Their words ([`Texts`], in every [`Language`]), their looks
//! ([`Theme`]), and the trait by which an operator replaces them ([`Pages`]).
//!
//! The headers are the engine's, whoever makes the page: a content security policy that allows no script, nothing from
//! elsewhere and one style sheet, named by its hash; no framing, no caching, no referrer (CO-1, CO-3, CONS-03).
//!
//! Pages of one's own, for an organisation that has a design system:
//!
//! ```
//! use std::sync::Arc;
//! use dcr_core::pages::{Brand, ConsentPage, PageError, Pages, RefusalPage, StandardPages, escape};
//!
//! #[derive(Debug)]
//! struct Plain;
//!
//! impl Pages for Plain {
//!     fn style(&self, brand: &Brand) -> String {
//!         StandardPages.style(brand) + ".plain{max-width:40rem;margin:auto}"
//!     }
//!
//!     fn consent(&self, page: &ConsentPage) -> Result<String, PageError> {
//!         let texts = page.texts();
//!         let scopes: String = page.scopes.iter().map(|words| format!("<li>{}</li>", escape(words))).collect();
//!         let warnings: String = page.warnings().iter().map(|text| format!("<p>{}</p>", escape(text))).collect();
//!         Ok(format!(
//!             r#"<!doctype html><html lang="{lang}"><title>{title}</title><style>{style}</style>
//!             <main class="plain"><h1>{question}</h1>{warnings}
//!             <p>{goes_to}: <code>{redirect}</code></p><ul>{scopes}</ul>
//!             <form method="post" action="{action}"><input type="hidden" name="request" value="{request}">
//!             <button name="decision" value="approve">{allow}</button>
//!             <button name="decision" value="deny">{cancel}</button></form></main></html>"#,
//!             lang = page.language,
//!             title = escape(&(texts.consent_title)(&page.server)),
//!             style = page.style,
//!             question = escape(&page.question()),
//!             goes_to = texts.access_goes_to,
//!             redirect = escape(&page.redirect_uri),
//!             action = page.action,
//!             request = page.request,
//!             allow = texts.allow,
//!             cancel = texts.cancel,
//!         ))
//!     }
//!
//!     fn refusal(&self, page: &RefusalPage) -> Result<String, PageError> {
//!         StandardPages.refusal(page)
//!     }
//! }
//!
//! # let page = ConsentPage::sample(dcr_core::Language::Korean);
//! # assert!(Plain.consent(&page).unwrap().contains("lang=\"ko\""));
//! let builder = dcr_core::DcrEngine::builder("https://mcp.example").pages(Arc::new(Plain));
//! # let _ = builder;
//! ```

mod check;
mod colour;
mod kind;
mod language;
mod look;
mod standard;
mod texts;
mod theme;
mod web;
mod words;

use std::fmt;
use std::sync::Arc;

pub use self::kind::RefusalKind;
pub use self::language::Language;
pub(crate) use self::look::{Look, hash_source};
pub use self::standard::StandardPages;
pub use self::texts::{Reconnecting, Texts, WebTexts};
pub(crate) use self::theme::LogoFile;
pub use self::theme::{Brand, Theme};
pub use self::web::{Area, ConnectedApp, ConnectionsPage, SignInPage};
pub(crate) use self::words::Translations;
use crate::client::{Provenance, RedirectClass};
use crate::error::Reason;

/// Why a page could not be made, for the operator's log.
pub type PageError = Box<dyn std::error::Error + Send + Sync>;

/// Makes the pages. Implement it to replace them; [`DcrEngineBuilder::pages`](crate::DcrEngineBuilder::pages) takes it.
///
/// Whatever is put into a page must be escaped, also what seems harmless: names are chosen by strangers. The engine
/// tries the pages when it is built, in every language, and looks at each one before it serves it: a consent page has
/// one form that posts to [`ConsentPage::action`], with the field `request` and buttons `decision` for `approve` and
/// `deny`; a refusal shows its reference; both say their language; neither has a script, a style attribute or a `meta`
/// that stands for a header. One that does not is not served, and a line in the log says why.
pub trait Pages: fmt::Debug + Send + Sync {
    /// The style sheet of all pages: asked for once. Each page gets it as `style` and puts it, unchanged, into its one
    /// `style` element; no other style has an effect.
    fn style(&self, brand: &Brand) -> String;

    /// The page on which a person allows an app to act for them.
    ///
    /// # Errors
    /// [`PageError`], which is logged; the person gets a refusal ([`Reason::Internal`]).
    fn consent(&self, page: &ConsentPage) -> Result<String, PageError>;

    /// The page that says why something does not work, and what to do.
    ///
    /// # Errors
    /// [`PageError`], which is logged; the person gets the same as JSON.
    fn refusal(&self, page: &RefusalPage) -> Result<String, PageError>;

    /// The page from which a sign-in to one of our own pages begins: one form that posts to [`SignInPage::action`] with the
    /// field `next`. As shipped unless it is replaced; where [`Pages::style`] lacks the shipped style sheet, plain.
    ///
    /// # Errors
    /// [`PageError`], which is logged; the person gets a refusal ([`Reason::Internal`]).
    fn sign_in(&self, page: &SignInPage) -> Result<String, PageError> {
        StandardPages.sign_in(page)
    }

    /// The page of somebody's own connections: forms that post to [`ConnectionsPage::disconnect`], each with the field
    /// `connection` (the id of one, or `all`), and one that posts to [`ConnectionsPage::sign_out`]; the field `token` in every
    /// one of them. As shipped unless it is replaced; where [`Pages::style`] lacks the shipped style sheet, plain.
    ///
    /// # Errors
    /// [`PageError`], which is logged; the person gets a refusal ([`Reason::Internal`]).
    fn connections(&self, page: &ConnectionsPage) -> Result<String, PageError> {
        StandardPages.connections(page)
    }
}

/// What the consent page says (CO-6, spec rows 62, 64 and 78): who asks, by the redirect; where the code goes; for
/// which server, with which scopes; under which login. Texts are bounded, and not escaped.
#[derive(Clone)]
#[non_exhaustive]
pub struct ConsentPage {
    /// The language to speak.
    pub language: Language,
    /// Whose page it is.
    pub brand: Arc<Brand>,
    /// The style sheet, for the one `style` element.
    pub style: Arc<str>,
    /// The platform that the redirect proves, as people call it.
    pub platform: Option<String>,
    /// Which protections it gets: they follow the redirect.
    pub class: RedirectClass,
    /// The scheme with its colon, if the redirect is of a custom one.
    pub scheme: Option<String>,
    /// How the client id was resolved.
    pub provenance: Provenance,
    /// The client's name: the operator's word if it is [`Provenance::PreRegistered`], its own claim otherwise.
    pub name: Option<String>,
    /// The host of the document that describes the client, which is its id.
    pub document_host: Option<String>,
    /// Where the code goes: the host, and the port if there is one.
    pub redirect_host: String,
    /// Where the code goes, exactly. Visible ASCII, at most 2,000 characters.
    pub redirect_uri: String,
    /// The MCP server's name.
    pub server: String,
    /// The MCP server's address.
    pub resource: String,
    /// What is asked for, in words.
    pub scopes: Vec<String>,
    /// Whether the app stays connected, by refresh tokens.
    pub stays_connected: bool,
    /// The company login.
    pub login: String,
    /// For how many days an approval is remembered in this browser; only for clients that the operator pinned.
    pub remembered_days: Option<u64>,
    /// Where the form posts to: a path.
    pub action: String,
    /// The sealed request, for the form's field `request`: base64url.
    pub request: String,
    /// The path of the page on which a person sees which apps have access in their name, if there is one.
    pub connections: Option<String>,
}

impl ConsentPage {
    /// What the pages say in this page's language.
    #[must_use]
    pub const fn texts(&self) -> &'static Texts {
        self.language.texts()
    }

    /// Who asks, as far as this server knows (AD-6): by the redirect, never by the client's own claim.
    #[must_use]
    pub fn asker(&self) -> String {
        let (platform, name) = (self.platform.as_deref(), self.name.as_deref());
        asker(self.texts(), platform, self.class, self.scheme.as_deref(), name, self.provenance, &self.redirect_host)
    }

    /// The question that the page asks.
    #[must_use]
    pub fn question(&self) -> String {
        (self.texts().asks)(&self.asker(), &self.server)
    }

    /// What a person must be warned of, in full sentences; the last one says when to go on. Empty for registered
    /// clients of known platforms (spec row 62, SR-12).
    #[must_use]
    pub fn warnings(&self) -> Vec<&'static str> {
        let texts = self.texts();
        let unregistered = self.provenance == Provenance::Adopted;
        let unknown = self.class == RedirectClass::Other && self.provenance != Provenance::PreRegistered;
        if self.class == RedirectClass::Platform && !unregistered {
            return Vec::new();
        }
        [
            (self.class == RedirectClass::Loopback, texts.warn_local),
            (unknown, texts.warn_elsewhere),
            (unregistered, texts.warn_unregistered),
            (true, texts.only_if_started),
        ]
        .into_iter()
        .filter_map(|(applies, text)| applies.then_some(text))
        .collect()
    }

    /// An example, to try pages on: a local program that nobody knows, which is what needs the most words, with a name
    /// that must be escaped.
    #[must_use]
    pub fn sample(language: Language) -> Self {
        Self {
            language,
            brand: sample_brand(),
            style: Arc::from(""),
            platform: None,
            class: RedirectClass::Loopback,
            scheme: None,
            provenance: Provenance::Adopted,
            name: Some("Sample <script>app</script>".to_owned()),
            document_host: None,
            redirect_host: "localhost:3118".to_owned(),
            redirect_uri: "http://localhost:3118/callback".to_owned(),
            server: "Sample server".to_owned(),
            resource: "https://mcp.example/mcp".to_owned(),
            scopes: vec!["Use the tools of this server".to_owned()],
            stays_connected: true,
            login: "Company login".to_owned(),
            remembered_days: None,
            action: "/oauth/consent".to_owned(),
            request: "c2FtcGxl".to_owned(),
            connections: Some("/oauth/connections".to_owned()),
        }
    }
}

impl fmt::Debug for RefusalPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The way back carries the client's `state` (OP-5).
        f.debug_struct("RefusalPage")
            .field("language", &self.language)
            .field("reason", &self.reason)
            .field("kind", &self.kind)
            .field("detail", &self.detail)
            .field("reference", &self.reference)
            .field("has_way_back", &self.way_back.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ConsentPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The sealed request is this browser's alone.
        f.debug_struct("ConsentPage")
            .field("language", &self.language)
            .field("platform", &self.platform)
            .field("provenance", &self.provenance)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

/// What a refusal says: what happened, what a person can do, and a reference that finds the log line. Texts are not
/// escaped.
#[derive(Clone)]
#[non_exhaustive]
pub struct RefusalPage {
    /// The language to speak.
    pub language: Language,
    /// Whose page it is.
    pub brand: Arc<Brand>,
    /// The style sheet, for the one `style` element.
    pub style: Arc<str>,
    /// Why.
    pub reason: Reason,
    /// What that means for a person.
    pub kind: RefusalKind,
    /// What only developers want to know, in English. May be empty.
    pub detail: String,
    /// The reference, to show and to quote.
    pub reference: String,
    /// An address that takes the error back to the app, for a link; or back to the page that was to be signed in to.
    pub way_back: Option<String>,
    /// The address of the (first) MCP server, as it is given to apps.
    pub server: String,
    /// The path of the page on which a person sees which apps have access in their name, where that helps.
    pub connections: Option<String>,
}

impl RefusalPage {
    /// What the pages say in this page's language.
    #[must_use]
    pub const fn texts(&self) -> &'static Texts {
        self.language.texts()
    }

    /// The title.
    #[must_use]
    pub fn title(&self) -> &'static str {
        (self.texts().refusal_title)(self.kind)
    }

    /// What the link of [`RefusalPage::way_back`] says.
    #[must_use]
    pub const fn way_back_label(&self) -> &'static str {
        match self.kind {
            RefusalKind::SignInAgain => self.texts().web.sign_in_again,
            _ => self.texts().back_to_app,
        }
    }

    /// What a person can do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        (self.texts().advice)(self.reason)
    }

    /// An example, to try pages on.
    #[must_use]
    pub fn sample(language: Language, reason: Reason) -> Self {
        Self {
            language,
            brand: sample_brand(),
            style: Arc::from(""),
            reason,
            kind: RefusalKind::of(reason),
            detail: "a detail <script>for</script> developers".to_owned(),
            reference: "c2FtcGxl".to_owned(),
            way_back: Some("https://app.example/callback?error=access_denied&state=a".to_owned()),
            server: "https://mcp.example/mcp".to_owned(),
            connections: Some("/oauth/connections".to_owned()),
        }
    }
}

/// Who asks, as far as this server knows (AD-6): by the redirect, never by the client's own claim.
fn asker(
    texts: &Texts,
    platform: Option<&str>,
    class: RedirectClass,
    scheme: Option<&str>,
    name: Option<&str>,
    provenance: Provenance,
    host: &str,
) -> String {
    match (platform, class, scheme) {
        (Some(platform), _, _) => platform.to_owned(),
        (None, RedirectClass::Loopback, _) => texts.local_program.to_owned(),
        (None, _, scheme) => match (name, scheme) {
            (Some(name), _) if provenance == Provenance::PreRegistered => name.to_owned(),
            (_, Some(scheme)) => (texts.app_of_scheme)(scheme),
            (_, None) => (texts.app_at)(host),
        },
    }
}

fn sample_brand() -> Arc<Brand> {
    Arc::new(Brand { name: "Sample".to_owned(), logo: None, style: String::new() })
}

/// Text for an HTML page, as the content of an element or in a quoted attribute.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
