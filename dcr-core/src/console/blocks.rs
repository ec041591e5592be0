//! What is blocked, and lifting a block.

use askama::Template;

use super::Answer;
use super::act::Act;
use super::frame::{Frame, long};
use super::query::{Given, encoded};
use super::texts::ConsoleTexts;
use crate::admin::{Problem, Verb, target_of, target_text};
use crate::client::Platform;
use crate::engine::Inner;
use crate::store::{BlockKind, Target};

#[derive(Template)]
#[template(path = "console/blocks.html")]
struct BlocksPage<'a> {
    f: &'a Frame,
    notice: &'static str,
    kinds: Vec<(String, &'static str, bool)>,
    blocks: Vec<BlockRow>,
    next: Option<String>,
}

struct BlockRow {
    kind: &'static str,
    shown: String,
    /// A page about it; empty if there is none.
    href: String,
    /// The events that say who blocked it, when and why.
    events: String,
    /// What the button says.
    act: String,
}

const fn kind_words(t: &ConsoleTexts, kind: BlockKind) -> &'static str {
    match kind {
        BlockKind::Connection => t.connection,
        BlockKind::User => t.one_person,
        BlockKind::ClientId => t.client_id,
        BlockKind::Platform => t.platform,
    }
}

impl BlockRow {
    fn of(f: &Frame, platform: impl Fn(&Platform) -> String, target: &Target) -> Option<Self> {
        let (kind, _) = target.block_key()?;
        let text = target_text(target);
        let (shown, href, filter) = match target {
            Target::User(id) => (text.clone(), f.link(&format!("people/{id}")), "user_id"),
            Target::Connection(id) => (text.clone(), f.link(&format!("connections/{id}")), "connection_id"),
            Target::ClientId(id) => {
                let place = encoded([("client_id", id.as_str())]);
                (long(&text), f.link(&format!("clients?{place}")), "client_id")
            }
            Target::Platform(name) => (platform(name), String::new(), "platform"),
            Target::Session(_) => return None,
        };
        let events = encoded([(filter, text.as_str()), ("kind", "blocked")]);
        Some(Self {
            kind: kind_words(f.t, kind),
            shown,
            href,
            events: f.link(&format!("events?{events}")),
            act: format!("unblock {} {text}", kind.as_str()),
        })
    }
}

impl Inner {
    pub(super) async fn blocks_page(&self, f: &Frame, query: &Given) -> Result<Answer, Problem> {
        let (found, next) = self.find_blocks(&query.only(&["kind", "cursor"])).await?;
        let kind = query.text("kind");
        let kept = query.only(&["kind"]);
        let mut kinds = vec![(f.link("blocks"), f.t.any, kind.is_empty())];
        kinds.extend(BlockKind::ALL.map(|one| {
            let place = encoded([("kind", one.as_str())]);
            (f.link(&format!("blocks?{place}")), kind_words(f.t, one), one.as_str() == kind)
        }));
        let label = |platform: &Platform| self.platform_label(f.t, platform);
        let page = BlocksPage {
            f,
            notice: if query.get("done") == Some("unblocked") { f.t.unblock_requested } else { "" },
            kinds,
            blocks: found.iter().filter_map(|target| BlockRow::of(f, label, target)).collect(),
            next: next.map(|next| f.link(&format!("blocks?{kept}&{}", encoded([("cursor", next.as_str())])))),
        };
        Answer::page(&page)
    }

    /// Lifts a block of any kind, also of what is known no more: a person who never came, a platform that is listed no longer.
    pub(super) async fn act_on_blocks(&self, act: &Act<'_>) -> Result<Answer, Problem> {
        let wrong = || Problem::parameter("act", "it has no such value");
        let (verb, named) = act.verb()?;
        let (kind, text) = named.split_once(' ').ok_or_else(wrong)?;
        let target = BlockKind::from_name(kind).and_then(|kind| target_of(kind, text)).ok_or_else(wrong)?;
        if verb != Verb::Unblock {
            return Err(wrong());
        }
        self.act(act, verb, &target, &act.reason()?).await?;
        Ok(Answer::See("blocks?done=unblocked".to_owned()))
    }
}
