//! Whether the server is well, as far as it can tell by itself.

use askama::Template;

use super::Answer;
use super::frame::{Frame, When, count, name};
use crate::admin::Problem;
use crate::engine::Inner;

#[derive(Template)]
#[template(path = "console/health.html")]
struct HealthPage<'a> {
    f: &'a Frame,
    all_well: bool,
    checks: Vec<Check>,
    facts: Vec<(&'static str, String)>,
    rows: Vec<(&'static str, String)>,
}

/// One thing that is looked at.
struct Check {
    label: &'static str,
    is_well: bool,
    detail: String,
}

impl Inner {
    /// Questions to the store: its row counts, and until when the recovery window is open.
    pub(super) async fn health_page(&self, f: &Frame) -> Result<Answer, Problem> {
        let mut checks = Vec::new();
        let mut rows = Vec::new();
        match self.store.counts().await {
            Ok(counts) => {
                checks.push(Check { label: f.t.store, is_well: true, detail: f.t.store_answers.to_owned() });
                rows = vec![
                    (f.t.people, count(counts.users)),
                    (f.t.connections, count(counts.connections)),
                    (f.t.client_ids, count(counts.aliases)),
                    (f.t.sessions, count(counts.sessions)),
                    (f.t.events, count(counts.events)),
                ];
                let until = self.store.recovery_until().await?.filter(|until| *until > f.now.0);
                checks.push(Check {
                    label: f.t.recovery,
                    is_well: until.is_none(),
                    detail: until.map_or_else(
                        || f.t.recovery_closed.to_owned(),
                        |until| (f.t.recovery_open)(&When(until).plain()),
                    ),
                });
            }
            Err(error) => {
                tracing::warn!(target: "dcr", %error, "the console asked the store whether it is well");
                checks.push(Check { label: f.t.store, is_well: false, detail: f.t.store_silent.to_owned() });
            }
        }
        let page = HealthPage {
            f,
            all_well: checks.iter().all(|check| check.is_well),
            checks,
            facts: vec![
                (f.t.version, env!("CARGO_PKG_VERSION").to_owned()),
                (f.t.issuer, self.issuer.as_str().to_owned()),
                (f.t.login, name(self.provider.name())),
                (f.t.clock, f.now.plain() + " UTC"),
            ],
            rows,
        };
        Answer::page(&page)
    }
}
