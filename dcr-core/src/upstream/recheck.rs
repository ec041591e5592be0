//! Whether a person who signed in is still one of the provider's: asked again when their client refreshes (UP-7).

use std::str::FromStr;
use std::time::Duration;

use super::UpstreamTokenError;
use super::sealed::Need;
use crate::clock::Timestamp;
use crate::config::UnknownPolicy;
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::session::Session;

/// While the provider does not answer, sessions go on for so long after the time at which it should have been asked again.
const SILENCE: Duration = Duration::from_secs(60 * 60);

/// Whether the provider is asked again, when a client refreshes, if the person's account is still good (`DCR_RECHECK`).
///
/// Whoever is disabled is out when the access token lapses that their client has then, at the latest, and the interval is
/// over: with access tokens of 15 minutes and [`Recheck::Refresh`] within those. Their sessions end, with the reason
/// `upstream_user_gone` on the record.
///
/// While the provider is down, sessions go on for an hour longer; after it clients get `503`, never `invalid_grant`. A
/// session from before this was switched on cannot be checked: its client signs in anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Recheck {
    /// It is not: a session lives as long as its lifetimes say. Then a login asks for no `offline_access` and nothing is kept.
    #[default]
    Never,
    /// At each refresh.
    Refresh,
    /// At a refresh, if it did not vouch for the person for so long.
    Every(Duration),
}

impl Recheck {
    pub(crate) const fn is_on(self) -> bool {
        !matches!(self, Self::Never)
    }

    /// At or after which time the provider must have vouched for a person who is let go on at `now`.
    fn since(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::Refresh => Some(now),
            Self::Every(interval) => Some(now - interval),
        }
    }
}

impl FromStr for Recheck {
    type Err = UnknownPolicy;

    /// `never`, `refresh`, or an interval in seconds.
    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        match text {
            "never" => Ok(Self::Never),
            "refresh" => Ok(Self::Refresh),
            seconds => match seconds.parse() {
                Ok(0) | Err(_) => Err(UnknownPolicy::new(text, "never, refresh, a number of seconds")),
                Ok(seconds) => Ok(Self::Every(Duration::from_secs(seconds))),
            },
        }
    }
}

impl Inner {
    /// Before a client's refresh moves anything.
    pub(crate) async fn recheck(&self, session: &Session) -> Result<(), Refusal> {
        let now = self.clock.now();
        let (Some(since), Some(name)) = (self.recheck.since(now), self.grant_name(&session.resource)) else {
            return Ok(());
        };
        let trouble = match self.fresh(&session.user, &name, Need::Word(since)).await {
            Ok(_) => return Ok(()),
            Err(UpstreamTokenError::UserGone) => return Err(Reason::UpstreamUserGone.into()),
            Err(UpstreamTokenError::Busy) => Reason::UpstreamBusy,
            Err(UpstreamTokenError::Unavailable) => Reason::StoreUnavailable,
            // An alarm for the operator, and nothing that the client could mend.
            Err(UpstreamTokenError::Refused) => Reason::UpstreamConfiguration,
            Err(_) => return Err(Reason::UpstreamSignInAgain.into()),
        };
        let row = self.store.upstream_token(&session.user, &name.key).await?.ok_or(Reason::UpstreamSignInAgain)?;
        if since.since(row.refreshed_at) <= SILENCE {
            tracing::warn!(
                target: "dcr", session = %session.id, reason = trouble.as_str(), last = %row.refreshed_at,
                "the provider could not be asked whether a user is still there; the session goes on"
            );
            return Ok(());
        }
        Err(trouble.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recheck_is_never_at_refresh_or_after_seconds() {
        for (text, recheck) in [
            ("never", Recheck::Never),
            ("refresh", Recheck::Refresh),
            ("3600", Recheck::Every(Duration::from_secs(3_600))),
        ] {
            assert_eq!(text.parse(), Ok(recheck));
        }
        for bad in ["", "0", "-1", "1h", "always", "Never"] {
            assert!(bad.parse::<Recheck>().is_err(), "{bad}");
        }
    }
}
