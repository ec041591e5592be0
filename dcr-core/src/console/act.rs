//! What is changed from a page: each with a reason that is kept on the record, by whoever is signed in.

use askama::Template;

use super::Answer;
use super::frame::{Frame, count, name};
use super::person::confirmation;
use super::query::encoded;
use crate::admin::{Applied, Problem, Verb, checked_reason, named, pin_as_in_a_file};
use crate::client::{ClientId, Platform};
use crate::engine::Inner;
use crate::http::Params;
use crate::operator::Operator;
use crate::record::Actor;
use crate::session::{ConnectionId, SessionId, UserId};
use crate::store::Target;

/// A form that was sent, and by whom.
pub(super) struct Act<'a> {
    pub(super) f: &'a Frame,
    pub(super) user: &'a UserId,
    pub(super) form: &'a Params,
}

/// What an erasure did. Nothing keeps these figures, so they are shown at once and not after a redirect; the same form sent
/// once more finds nobody to erase.
#[derive(Template)]
#[template(path = "console/receipt.html")]
struct ReceiptPage<'a> {
    f: &'a Frame,
    event: String,
    marker: String,
    user: String,
    at: super::frame::When,
    reason: String,
    figures: [(&'static str, String); 4],
    blocked: bool,
}

impl Act<'_> {
    fn field(&self, name: &str) -> Result<&str, Problem> {
        let value = self.form.get(name).map(str::trim);
        value.filter(|value| !value.is_empty()).ok_or_else(|| Problem::parameter(name, "it must come once, as text"))
    }

    pub(super) fn reason(&self) -> Result<String, Problem> {
        checked_reason(self.field("reason")?.to_owned())
    }

    /// What the button says, and of what.
    pub(super) fn verb(&self) -> Result<(Verb, &str), Problem> {
        verb(self.field("act")?)
    }
}

/// `revoke`, `revoke ses_…`: what a button says.
fn verb(text: &str) -> Result<(Verb, &str), Problem> {
    let (verb, target) = text.split_once(' ').unwrap_or((text, ""));
    let verb = match verb {
        "revoke" => Verb::Revoke,
        "block" => Verb::Block,
        "unblock" => Verb::Unblock,
        _ => return Err(Problem::parameter("act", "it has no such value")),
    };
    Ok((verb, target))
}

/// For the notice of the page that follows.
const fn code(verb: Verb) -> &'static str {
    match verb {
        Verb::Revoke => "ended",
        Verb::Block => "blocked",
        Verb::Unblock => "unblocked",
    }
}

impl Inner {
    fn operator_for(&self, act: &Act<'_>) -> Operator {
        self.operator.clone().acting_as(Actor::Admin(act.user.clone()))
    }

    pub(super) async fn act(&self, act: &Act<'_>, verb: Verb, target: &Target, reason: &str) -> Result<(), Problem> {
        match self.apply(&self.operator_for(act), verb, target, reason).await? {
            Applied::Ended(sessions) => {
                tracing::info!(target: "dcr", actor = %act.user, ?target, ended = sessions.len(), "console");
            }
            Applied::Unblocked(was) => tracing::info!(target: "dcr", actor = %act.user, ?target, was, "console"),
        }
        Ok(())
    }

    /// Everything of a person, one of their connections, or one of their sessions; never somebody else's.
    pub(super) async fn act_on_person(&self, act: &Act<'_>, id: &str) -> Result<Answer, Problem> {
        let id: UserId = named(id)?;
        self.user_of(&id).await?;
        let (verb, target) = act.verb()?;
        let reason = act.reason()?;
        let target = if target.is_empty() {
            Target::User(id.clone())
        } else if let Ok(connection) = target.parse::<ConnectionId>() {
            let found = self.store.connection(connection).await?.filter(|found| found.user == id);
            Target::Connection(found.ok_or_else(Problem::not_found)?.id)
        } else {
            let found = self.store.session(named::<SessionId>(target)?).await?.filter(|found| found.user.id == id);
            Target::Session(found.ok_or_else(Problem::not_found)?.session.id)
        };
        self.act(act, verb, &target, &reason).await?;
        Ok(Answer::See(format!("people/{id}?done={}", code(verb))))
    }

    /// A client id or a platform.
    pub(super) async fn act_on_clients(&self, act: &Act<'_>) -> Result<Answer, Problem> {
        let word = act.field("act")?;
        let (verb, platform) = match word {
            "unpin" => return self.act_unpin(act).await,
            word => verb(word)?,
        };
        let reason = act.reason()?;
        if platform.is_empty() {
            let id = client_id(act)?;
            let place = encoded([("client_id", id.as_str()), ("done", code(verb))]);
            self.act(act, verb, &Target::ClientId(id), &reason).await?;
            return Ok(Answer::See(format!("clients?{place}")));
        }
        let classes = [Platform::loopback(), Platform::other()];
        let mut known = self.rules.platforms.names().cloned().chain(classes);
        let platform = known.find(|known| known.as_str() == platform).ok_or_else(Problem::not_found)?;
        self.act(act, verb, &Target::Platform(platform), &reason).await?;
        Ok(Answer::See(format!("clients?done={}", code(verb))))
    }

    async fn act_unpin(&self, act: &Act<'_>) -> Result<Answer, Problem> {
        let (id, reason) = (client_id(act)?, act.reason()?);
        let ended = self.unpin_noting(&self.operator_for(act), &id, &reason).await?;
        ended.ok_or_else(Problem::not_found)?;
        Ok(Answer::See(format!("clients?{}", encoded([("client_id", id.as_str()), ("done", "unpinned")]))))
    }

    pub(super) async fn act_pin(&self, act: &Act<'_>) -> Result<Answer, Problem> {
        let reason = act.reason()?;
        let client: serde_json::Value =
            serde_json::from_str(act.field("client")?).map_err(|fault| Problem::pin(&fault.to_string()))?;
        let id = client.get("client_id").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        pin_as_in_a_file(&self.operator_for(act), client, &reason).await?;
        Ok(Answer::See(format!("clients?{}", encoded([("client_id", id.as_str()), ("done", "pinned")]))))
    }

    /// Only if the person was typed as they are shown.
    pub(super) async fn act_erase(&self, act: &Act<'_>, id: &str) -> Result<Answer, Problem> {
        let id: UserId = named(id)?;
        let user = self.user_of(&id).await?;
        let reason = act.reason()?;
        if !act.field("confirm")?.eq_ignore_ascii_case(&confirmation(&user)) {
            return Ok(Answer::See(format!("people/{id}?done=confirm#erase")));
        }
        let Some(receipt) = self.erase_noting(&self.operator_for(act), &id, &reason).await? else {
            return Ok(Answer::See("people?done=unknown".to_owned()));
        };
        let t = act.f.t;
        let page = ReceiptPage {
            f: act.f,
            event: receipt.event.to_string(),
            marker: receipt.marker.to_string(),
            user: receipt.user.to_string(),
            at: super::frame::When(receipt.at),
            reason: name(&receipt.reason),
            figures: [
                (t.sessions, count(receipt.sessions)),
                (t.connections, count(receipt.connections)),
                (t.client_ids, count(receipt.client_ids)),
                (t.events, count(receipt.events)),
            ],
            blocked: receipt.blocked,
        };
        Answer::page(&page)
    }
}

fn client_id(act: &Act<'_>) -> Result<ClientId, Problem> {
    ClientId::new(act.field("client_id")?).map_err(|error| Problem::parameter("client_id", &error.to_string()))
}
