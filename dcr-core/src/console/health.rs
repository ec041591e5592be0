//! Whether the server is well, as far as it can tell by itself.

use std::time::Duration;

use askama::Template;

use super::Answer;
use super::frame::{Frame, Html, When, count, name};
use crate::admin::Problem;
use crate::engine::Inner;
use crate::health::Health;
use crate::pages::escape;

/// A credential that lapses within this time is to be replaced now.
const SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The provider's tokens and ours are refused by clocks that are minutes apart.
const CLOCK: u64 = 60;

#[derive(Template)]
#[template(path = "console/health.html")]
struct HealthPage<'a> {
    f: &'a Frame,
    all_well: bool,
    checks: Vec<Check>,
    facts: Vec<(&'static str, Html)>,
    rows: Vec<(&'static str, String)>,
}

/// One thing that is looked at.
struct Check {
    label: &'static str,
    is_well: bool,
    detail: Html,
}

impl Check {
    fn new(label: &'static str, is_well: bool, detail: impl Into<String>) -> Self {
        Self { label, is_well, detail: Html(escape(&detail.into())) }
    }
}

impl Inner {
    /// Questions to the store: two, its row counts among them. To the provider one, if its documents are old.
    pub(super) async fn health_page(&self, f: &Frame) -> Result<Answer, Problem> {
        let health = self.health().await;
        let rows = match self.store.counts().await {
            Ok(counts) => vec![
                (f.t.people, count(counts.users)),
                (f.t.connections, count(counts.connections)),
                (f.t.client_ids, count(counts.aliases)),
                (f.t.sessions, count(counts.sessions)),
                (f.t.events, count(counts.events)),
            ],
            // The first line says it.
            Err(_) => Vec::new(),
        };
        let checks = checks(f, &health);
        let text = |text: &str| Html(escape(text));
        let page = HealthPage {
            f,
            all_well: checks.iter().all(|check| check.is_well),
            checks,
            facts: vec![
                (f.t.version, text(health.version)),
                (f.t.started, Html(When(health.started_at).to_string())),
                (f.t.issuer, text(self.issuer.as_str())),
                (f.t.login, text(&name(self.provider.name()))),
                (f.t.keys, text(&(f.t.keys_are)(health.active_secrets, health.retired_secrets))),
            ],
            rows,
        };
        Answer::page(&page)
    }
}

fn checks(f: &Frame, health: &Health) -> Vec<Check> {
    let t = f.t;
    let mut checks = vec![
        match &health.store {
            Ok(took) => Check::new(t.store, true, (t.answered_in)(&millis(*took))),
            Err(error) => Check::new(t.store, false, name(error)),
        },
        match &health.upstream {
            Ok(()) => Check::new(t.login, true, t.upstream_answers),
            Err(error) => Check::new(t.login, false, name(error)),
        },
    ];
    checks.push(match health.clock_ahead {
        None => Check::new(t.clock, true, t.clock_unknown),
        Some(ahead) => Check::new(t.clock, ahead.unsigned_abs() <= CLOCK, (t.clock_is)(ahead)),
    });
    checks.push(match health.credential_not_after {
        None => Check::new(t.credential, true, t.credential_unknown),
        Some(until) => Check {
            label: t.credential,
            is_well: until > health.asked_at + SOON,
            detail: Html(format!("{} {}", escape(t.credential_until), When(until))),
        },
    });
    checks.push(match health.recovery_until {
        None => Check::new(t.recovery, true, t.recovery_closed),
        Some(until) => Check::new(t.recovery, false, (t.recovery_open)(&When(until).plain())),
    });
    checks
}

fn millis(took: Duration) -> String {
    format!("{}.{}", took.as_millis(), took.subsec_micros() / 100 % 10)
}
