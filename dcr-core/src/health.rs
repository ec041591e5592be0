//! How a server is: for readiness probes, for the console's page and for whoever is called at night.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::engine::{DcrEngine, Inner};
use crate::error::Refusal;

/// How a server is. Nothing of it is secret, but an operator's own: a probe that anybody may ask answers no more than
/// [`Health::is_ready`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Health {
    /// How long the store took to answer, or that it did not, and why.
    pub store: Result<Duration, String>,
    /// Until when the store's recovery window is open, if it is.
    pub recovery_until: Option<Timestamp>,
    /// Whether the provider's documents could be had when they were last needed, or why not. While it does not answer nobody
    /// new signs in; whoever has a token goes on.
    pub upstream: Result<(), String>,
    /// How many seconds this machine's clock is ahead of the provider's (behind: negative), when that was last heard of it.
    /// Tokens of a clock that is minutes off are refused.
    pub clock_ahead: Option<i64>,
    /// When the credential at the provider lapses, as far as that is known.
    pub credential_not_after: Option<Timestamp>,
    /// How many secrets seal and open.
    pub active_secrets: usize,
    /// How many secrets only verify client ids and client secrets.
    pub retired_secrets: usize,
    /// Since when this engine runs.
    pub started_at: Timestamp,
    /// When this was asked.
    pub asked_at: Timestamp,
    /// The version of this crate.
    pub version: &'static str,
}

impl Health {
    /// Whether requests can be answered: the store is there. The provider may be away for a while: every replica would be,
    /// and those who have tokens need none of it.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.store.is_ok()
    }
}

impl DcrEngine {
    /// Asks the store, and the provider if its documents are older than an hour. Never fails: what is wrong is in the answer.
    pub async fn health(&self) -> Health {
        self.inner.health().await
    }

    /// Whether requests can be answered: [`Health::is_ready`] without asking the provider. For a probe.
    ///
    /// # Errors
    /// [`Refusal`] if the store does not answer.
    pub async fn ready(&self) -> Result<(), Refusal> {
        self.inner.store.recovery_until().await?;
        Ok(())
    }
}

impl Inner {
    /// See [`DcrEngine::health`].
    pub(crate) async fn health(&self) -> Health {
        let began = self.clock.now();
        // One row by its key: a probe costs no more than a token request.
        let recovery = self.store.recovery_until().await;
        let asked_at = self.clock.now();
        let (store, recovery_until) = match recovery {
            Ok(until) => (Ok(asked_at.since(began)), until.filter(|until| *until > asked_at)),
            Err(error) => (Err(error.to_string()), None),
        };
        Health {
            store,
            recovery_until,
            upstream: self.provider.check().await.map_err(|error| error.to_string()),
            clock_ahead: self.provider.clock_ahead(),
            credential_not_after: self.provider.credential_not_after(),
            active_secrets: self.ring.active().len(),
            retired_secrets: self.ring.retired().len(),
            started_at: self.started_at,
            asked_at,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
