//! Pages that people sign in to: what they say. Texts are bounded, and not escaped.

use std::fmt;
use std::sync::Arc;

use super::{Brand, Language, Texts, WebTexts};
use crate::client::{Provenance, RedirectClass};
use crate::clock::Timestamp;

/// What of this server people sign in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Area {
    /// The operator's console, at `/oauth/admin`.
    Console,
    /// The page of one's own connections, at `/oauth/connections`.
    Connections,
}

/// What the page says from which a sign-in to one of our own pages begins: with a button, so that no link of somebody else's
/// begins one (CB-1).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignInPage {
    /// The language to speak.
    pub language: Language,
    /// Whose page it is.
    pub brand: Arc<Brand>,
    /// The style sheet, for the one `style` element.
    pub style: Arc<str>,
    /// What is signed in to.
    pub area: Area,
    /// The company login.
    pub login: String,
    /// Where the form posts to: a path.
    pub action: String,
    /// Where the person wanted to: a path, for the form's field `next`. Visible ASCII.
    pub next: String,
}

impl SignInPage {
    /// What the pages say in this page's language.
    #[must_use]
    pub const fn texts(&self) -> &'static Texts {
        self.language.texts()
    }

    /// The title.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        let texts = &self.texts().web;
        match self.area {
            Area::Console => texts.console,
            Area::Connections => texts.connections,
        }
    }

    /// What it is that the person signs in to.
    #[must_use]
    pub const fn about(&self) -> &'static str {
        let texts = &self.texts().web;
        match self.area {
            Area::Console => texts.console_about,
            Area::Connections => texts.connections_about,
        }
    }

    /// An example, to try pages on.
    #[must_use]
    pub fn sample(language: Language) -> Self {
        Self {
            language,
            brand: super::sample_brand(),
            style: Arc::from(""),
            area: Area::Connections,
            login: "Company login".to_owned(),
            action: "/oauth/connections/sign-in".to_owned(),
            next: "/oauth/connections".to_owned(),
        }
    }
}

/// What the page says on which a person sees which apps have access in their name, and disconnects them.
#[derive(Clone)]
#[non_exhaustive]
pub struct ConnectionsPage {
    /// The language to speak.
    pub language: Language,
    /// Whose page it is.
    pub brand: Arc<Brand>,
    /// The style sheet, for the one `style` element.
    pub style: Arc<str>,
    /// Who is signed in: a name or an address, as the provider says it.
    pub person: String,
    /// The apps that have access, the one used last first.
    pub apps: Vec<ConnectedApp>,
    /// The apps that this person disconnected within the last minutes.
    pub disconnected: Vec<ConnectedApp>,
    /// For the field `token` of every form: base64url.
    pub token: String,
    /// Where a form with a field `connection` posts to that disconnects: a [`ConnectedApp::id`], or `all`.
    pub disconnect: String,
    /// Where a form posts to that signs out.
    pub sign_out: String,
}

/// An app, or what a person's computer runs of it, that has access in their name or had it a moment ago.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectedApp {
    /// The connection, for the form's field.
    pub id: String,
    /// The platform that the redirect proves, as people call it.
    pub platform: Option<String>,
    /// What kind of redirect it has.
    pub class: RedirectClass,
    /// The scheme with its colon, if the redirect is of a custom one.
    pub scheme: Option<String>,
    /// The host that codes went to, with its port.
    pub redirect_host: String,
    /// The operator's word for it, if they registered the client. Never its own.
    pub name: Option<String>,
    /// What it calls itself, which nobody has checked: to be shown as that and nothing more (I-10).
    pub calls_itself: Option<String>,
    /// The host of the document that describes it, which is its id.
    pub document_host: Option<String>,
    /// When it was connected first.
    pub since: Timestamp,
    /// When it was last used, as far as refreshing shows it.
    pub last_used: Timestamp,
    /// So many sign-ins of it are alive; of one that was disconnected, so many ended.
    pub sign_ins: usize,
}

impl ConnectedApp {
    /// How it is called: by the redirect, never by the client's own claim (AD-6, I-10).
    #[must_use]
    pub fn label(&self, language: Language) -> String {
        if self.platform.is_none() && self.class == RedirectClass::Loopback {
            // Not "this computer": the page may be open on another one.
            return language.texts().web.local_program.to_owned();
        }
        let provenance = if self.name.is_some() { Provenance::PreRegistered } else { Provenance::Adopted };
        let (platform, name) = (self.platform.as_deref(), self.name.as_deref());
        super::asker(
            language.texts(),
            platform,
            self.class,
            self.scheme.as_deref(),
            name,
            provenance,
            &self.redirect_host,
        )
    }
}

impl ConnectionsPage {
    /// What the pages say in this page's language.
    #[must_use]
    pub const fn texts(&self) -> &'static Texts {
        self.language.texts()
    }

    /// What this page says.
    #[must_use]
    pub const fn words(&self) -> &'static WebTexts {
        &self.texts().web
    }

    /// An example, to try pages on, with a name that must be escaped.
    #[must_use]
    pub fn sample(language: Language) -> Self {
        let app = |host: &str| ConnectedApp {
            id: "con_00000000000000000000000000000000".to_owned(),
            platform: None,
            class: RedirectClass::Other,
            scheme: None,
            redirect_host: host.to_owned(),
            name: None,
            calls_itself: Some("Sample <script>app</script>".to_owned()),
            document_host: None,
            since: Timestamp::from_unix_seconds(1_700_000_000),
            last_used: Timestamp::from_unix_seconds(1_700_000_600),
            sign_ins: 2,
        };
        Self {
            language,
            brand: super::sample_brand(),
            style: Arc::from(""),
            person: "Ada <b>Lovelace</b>".to_owned(),
            apps: vec![app("app.example")],
            disconnected: vec![app("gone.example")],
            token: "c2FtcGxl".to_owned(),
            disconnect: "/oauth/connections/disconnect".to_owned(),
            sign_out: "/oauth/connections/sign-out".to_owned(),
        }
    }
}

impl fmt::Debug for ConnectionsPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token is this browser's alone.
        f.debug_struct("ConnectionsPage")
            .field("language", &self.language)
            .field("apps", &self.apps)
            .field("disconnected", &self.disconnected)
            .finish_non_exhaustive()
    }
}

/// A time for people, in UTC: to the minute.
pub(super) fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}
