//! The pages that ship: one card, readable without script, style sheet and colour.

use askama::Template;

use super::web::minute;
use super::{
    Brand, ConnectedApp, ConnectionsPage, ConsentPage, Language, PageError, Pages, Reconnecting, RefusalPage,
    SignInPage, Texts, WebTexts,
};
use crate::client::{Provenance, RedirectClass};

const STYLE: &str = include_str!("../../templates/style.css");

/// The pages that are served if nothing else is set. Pages of one's own may use them for what they leave as it is.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no settings: those are the theme's")]
pub struct StandardPages;

#[derive(Template)]
#[template(path = "consent.html")]
struct Consent<'a> {
    page: &'a ConsentPage,
    t: &'static Texts,
    title: String,
    question: String,
    warnings: Vec<&'static str>,
    started_in: Option<String>,
    registration: &'static str,
    remembered: Option<String>,
    local: bool,
    known: bool,
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct Refusal<'a> {
    page: &'a RefusalPage,
    t: &'static Texts,
    steps: Vec<Step>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    page: &'a SignInPage,
    button: String,
}

#[derive(Template)]
#[template(path = "connections.html")]
struct Connections<'a> {
    page: &'a ConnectionsPage,
    all: &'static Texts,
    t: &'static WebTexts,
    person: String,
    apps: Vec<App<'a>>,
    ended: Vec<String>,
}

/// An app in words.
struct App<'a> {
    id: &'a str,
    label: String,
    calls_itself: Option<&'a str>,
    document_host: Option<&'a str>,
    since: (String, String),
    last_used: (String, String),
    times: String,
    disconnect: String,
}

impl<'a> App<'a> {
    fn new(app: &'a ConnectedApp, t: &WebTexts, language: Language) -> Self {
        let label = app.label(language);
        Self {
            id: &app.id,
            calls_itself: app.calls_itself.as_deref(),
            document_host: app.document_host.as_deref(),
            since: (app.since.to_string(), minute(app.since)),
            last_used: (app.last_used.to_string(), minute(app.last_used)),
            times: (t.times)(app.sign_ins),
            disconnect: (t.disconnect_app)(&label),
            label,
        }
    }
}

/// The page on the way back from the login, which goes on by itself.
#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedIn<'a> {
    language: Language,
    brand: &'a Brand,
    style: &'a str,
    t: &'static WebTexts,
    next: &'a str,
}

/// The page on the way back from the login: with a link to `next`, for browsers that do not go there by themselves.
pub(super) fn signed_in(language: Language, brand: &Brand, style: &str, next: &str) -> Result<String, PageError> {
    Ok(SignedIn { language, brand, style, t: &language.texts().web, next }.render()?)
}

struct Step {
    app: &'static str,
    how: &'static str,
    commands: Vec<String>,
}

impl Step {
    fn new(step: &Reconnecting, server: &str) -> Self {
        let commands = step.commands.iter().map(|command| command.replace("URL", server)).collect();
        Self { app: step.app, how: step.how, commands }
    }
}

impl Pages for StandardPages {
    fn style(&self, brand: &Brand) -> String {
        format!("{STYLE}{}", brand.style)
    }

    fn consent(&self, page: &ConsentPage) -> Result<String, PageError> {
        let t = page.texts();
        let view = Consent {
            page,
            t,
            title: (t.consent_title)(&page.server),
            question: page.question(),
            warnings: page.warnings(),
            started_in: page.platform.as_deref().map(|platform| (t.only_if_started_in)(platform)),
            registration: match page.provenance {
                Provenance::PreRegistered => t.pre_registered,
                Provenance::Sealed | Provenance::MetadataDocument => t.self_registered,
                Provenance::Imported => t.imported,
                Provenance::Adopted => t.unregistered,
            },
            remembered: page.remembered_days.map(t.remembered),
            local: page.class == RedirectClass::Loopback,
            known: page.provenance == Provenance::PreRegistered,
        };
        Ok(view.render()?)
    }

    fn refusal(&self, page: &RefusalPage) -> Result<String, PageError> {
        let t = page.texts();
        let helps = page.kind.is_mended_by_reconnecting();
        let steps = t.reconnecting.iter().filter(|_| helps).map(|step| Step::new(step, &page.server)).collect();
        Ok(Refusal { page, t, steps }.render()?)
    }

    fn sign_in(&self, page: &SignInPage) -> Result<String, PageError> {
        let button = (page.texts().web.sign_in_with)(&page.login);
        Ok(SignIn { page, button }.render()?)
    }

    fn connections(&self, page: &ConnectionsPage) -> Result<String, PageError> {
        let t = page.words();
        let ended = |app: &ConnectedApp| (t.disconnected)(&app.label(page.language), app.sign_ins);
        let view = Connections {
            page,
            all: page.texts(),
            t,
            person: (t.signed_in_as)(&page.person),
            apps: page.apps.iter().map(|app| App::new(app, t, page.language)).collect(),
            ended: page.disconnected.iter().map(ended).collect(),
        };
        Ok(view.render()?)
    }
}
