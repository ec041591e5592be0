//! The pages that ship: one card, readable without script, style sheet and colour.

use askama::Template;

use super::{Brand, ConsentPage, PageError, Pages, Reconnecting, RefusalPage, Texts};
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
}
