//! What is changed. Each is one transaction of the store with an event that has its actor, and is true in this process at
//! once, in others within the bound of the revocation feed.

use ::http::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::input::{OfClient, OfPin, OfPlatform, Why};
use super::problem::Problem;
use super::read::{json, named};
use super::route::{Change, Verb};
use crate::client::{ClientId, PreRegistered};
use crate::engine::Inner;
use crate::erase::Receipt;
use crate::operator::{Operator, OperatorError};
use crate::record::Actor;
use crate::session::{SessionId, UserId};
use crate::store::Target;

impl Inner {
    pub(super) async fn admin_change(
        &self,
        change: Change,
        id: &str,
        body: &[u8],
        actor: Actor,
    ) -> Result<Response<Bytes>, Problem> {
        let operator = self.operator.clone().acting_as(actor);
        let answer = match change {
            Change::User(verb) => {
                let target = Target::User(named(id)?);
                self.do_to(&operator, verb, target, &Why::read(body)?).await?
            }
            Change::Connection(verb) => {
                let target = Target::Connection(named(id)?);
                self.do_to(&operator, verb, target, &Why::read(body)?).await?
            }
            Change::RevokeSession => {
                let target = Target::Session(named(id)?);
                self.do_to(&operator, Verb::Revoke, target, &Why::read(body)?).await?
            }
            Change::ClientId(verb) => {
                let (id, reason) = OfClient::read(body)?;
                self.do_to(&operator, verb, Target::ClientId(id), &reason).await?
            }
            Change::Platform(verb) => {
                let (platform, reason) = OfPlatform::read(body)?;
                self.do_to(&operator, verb, Target::Platform(platform), &reason).await?
            }
            Change::Erase => self.erase_for(&operator, &named(id)?, &Why::read(body)?).await?,
            Change::Pin => {
                let (pin, reason) = OfPin::read(body)?;
                json!({ "replaced": pin_as_in_a_file(&operator, Value::Object(pin.client), &reason).await? })
            }
            Change::Unpin => {
                let (id, reason) = OfClient::read(body)?;
                let ended = self.unpin_noting(&operator, &id, &reason).await?.ok_or_else(Problem::not_found)?;
                ended_sessions(&ended)
            }
        };
        json(&answer)
    }

    async fn do_to(&self, operator: &Operator, verb: Verb, target: Target, reason: &str) -> Result<Value, Problem> {
        Ok(match self.apply(operator, verb, &target, reason).await? {
            Applied::Ended(sessions) => ended_sessions(&sessions),
            Applied::Unblocked(was_blocked) => json!({ "unblocked": was_blocked }),
        })
    }

    /// Ends, blocks or unblocks, in this process at once.
    pub(crate) async fn apply(
        &self,
        operator: &Operator,
        verb: Verb,
        target: &Target,
        reason: &str,
    ) -> Result<Applied, OperatorError> {
        let ended = match verb {
            Verb::Revoke => operator.revoke(target, reason).await?,
            Verb::Block => operator.block(target, reason).await?,
            Verb::Unblock => return operator.unblock(target, reason).await.map(Applied::Unblocked),
        };
        self.liveness.note(&ended, self.clock.now());
        Ok(Applied::Ended(ended))
    }

    /// Takes a pin away. Answers which sessions ended; `None` if there was no pin.
    pub(crate) async fn unpin_noting(
        &self,
        operator: &Operator,
        id: &ClientId,
        reason: &str,
    ) -> Result<Option<Vec<SessionId>>, OperatorError> {
        let ended = operator.unpin(id, reason).await?;
        self.liveness.note(ended.as_deref().unwrap_or_default(), self.clock.now());
        Ok(ended)
    }

    /// The receipt; nothing is there to be erased of somebody who is not known.
    async fn erase_for(&self, operator: &Operator, user: &UserId, reason: &str) -> Result<Value, Problem> {
        let receipt = self.erase_noting(operator, user, reason).await?.ok_or_else(Problem::not_found)?;
        Ok(serde_json::from_str(&receipt.to_json()).unwrap_or_default())
    }

    /// Erases, in this process at once. `None` if nothing was known of them.
    pub(crate) async fn erase_noting(
        &self,
        operator: &Operator,
        user: &UserId,
        reason: &str,
    ) -> Result<Option<Receipt>, OperatorError> {
        let (receipt, gone) = operator.erase_telling(user, reason).await?;
        self.liveness.note(&gone, self.clock.now());
        Ok(receipt)
    }
}

/// What a change did.
pub(crate) enum Applied {
    /// These sessions ended.
    Ended(Vec<SessionId>),
    /// Whether there was a block.
    Unblocked(bool),
}

/// Pins a client that is given as in a file. Answers whether there was a pin of its id.
pub(crate) async fn pin_as_in_a_file(operator: &Operator, client: Value, reason: &str) -> Result<bool, Problem> {
    let client: PreRegistered = serde_json::from_value(client).map_err(|fault| Problem::pin(&fault.to_string()))?;
    Ok(operator.pin(client, reason).await?)
}

fn ended_sessions(sessions: &[SessionId]) -> Value {
    json!({ "ended_sessions": sessions.len() })
}
