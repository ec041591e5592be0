//! What is changed. Each is one transaction of the store with an event that has its actor, and is true in this process at
//! once, in others within the bound of the revocation feed.

use ::http::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::input::{OfClient, OfPin, OfPlatform, Why};
use super::problem::Problem;
use super::read::{json, named};
use super::route::{Change, Verb};
use crate::client::PreRegistered;
use crate::engine::Inner;
use crate::operator::Operator;
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
                let client = serde_json::from_value::<PreRegistered>(Value::Object(pin.client));
                let client = client.map_err(|fault| Problem::pin(&fault.to_string()))?;
                json!({ "replaced": operator.pin(client, &reason).await? })
            }
            Change::Unpin => {
                let (id, reason) = OfClient::read(body)?;
                let ended = operator.unpin(&id, &reason).await?.ok_or_else(Problem::not_found)?;
                self.ended(&ended)
            }
        };
        json(&answer)
    }

    async fn do_to(&self, operator: &Operator, verb: Verb, target: Target, reason: &str) -> Result<Value, Problem> {
        Ok(match verb {
            Verb::Revoke => self.ended(&operator.revoke(&target, reason).await?),
            Verb::Block => self.ended(&operator.block(&target, reason).await?),
            Verb::Unblock => json!({ "unblocked": operator.unblock(&target, reason).await? }),
        })
    }

    /// The receipt; nothing is there to be erased of somebody who is not known.
    async fn erase_for(&self, operator: &Operator, user: &UserId, reason: &str) -> Result<Value, Problem> {
        let (receipt, gone) = operator.erase_telling(user, reason).await?;
        self.liveness.note(&gone, self.clock.now());
        let receipt = receipt.ok_or_else(Problem::not_found)?;
        Ok(serde_json::from_str(&receipt.to_json()).unwrap_or_default())
    }

    fn ended(&self, sessions: &[SessionId]) -> Value {
        self.liveness.note(sessions, self.clock.now());
        json!({ "ended_sessions": sessions.len() })
    }
}
