//! Abuse limits: how often what costs something may be asked for. Why they are as they are:
//! [`manual::limits`](crate::manual::limits).

mod bucket;
mod caller;
mod meters;

use std::str::FromStr;

pub use self::bucket::Rate;
pub(crate) use self::caller::Caller;
pub use self::caller::{TrustedProxies, TrustedProxiesError};
pub(crate) use self::meters::{Asker, Endpoint, Meters};

/// How often what costs something may be asked for, in each server process (`DCR_LIMITS`). Beyond it the answer is `429`
/// with `Retry-After`, and nothing has happened.
///
/// ```
/// use dcr_core::{Limits, Rate};
///
/// let standard = Limits::default();
/// let for_a_large_company_behind_one_address = Limits::default().times(5);
/// let of_ones_own = Limits { register: Rate::new(10, 10), ..Limits::default() };
/// let none = Limits::off();
/// # let _ = (standard, for_a_large_company_behind_one_address, of_ones_own, none);
/// assert_eq!("5".parse(), Ok(Limits::default().times(5)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain settings, filled in with `..Limits::default()`")]
pub struct Limits {
    /// Whether there are any limits.
    pub enabled: bool,
    /// Registrations, and changes of one (RFC 7592), from one address: 300 at once, 300 a minute.
    pub register: Rate,
    /// Steps of a sign-in (authorize, consent, callback) from one address: 1,200 at once, 1,200 a minute, which is 400
    /// people who sign in within a minute behind one address.
    pub sign_in: Rate,
    /// Token, revocation and introspection requests from one address: 3,000 at once, 6,000 a minute. Hosted platforms ask
    /// for all of their users from a few addresses.
    pub token: Rate,
    /// As many of these is what a request costs that is refused through the fault of the client: 10. Zero counts as one.
    pub refused_costs: u32,
    /// Metadata documents and keys that requests from one address make this server fetch (CI-11): 20 at once, 20 a minute.
    /// What is known already is not fetched.
    pub fetch: Rate,
    /// Token requests of one session, by who holds a valid token of it: 200 at once, 300 a minute.
    pub session: Rate,
    /// Token and introspection requests of one client that authenticates as itself: 600 at once, 6,000 a minute.
    pub client: Rate,
    /// Registrations from everywhere: 3,000 at once, 30,000 a minute. This ceiling and the next two are
    /// not for addresses from which somebody signed in within the last day.
    pub all_register: Rate,
    /// Sign-ins that begin (authorize) from everywhere: 10,000 at once, 300,000 a minute.
    pub all_authorize: Rate,
    /// Token, revocation and introspection requests from everywhere: 10,000 at once, 300,000 a minute.
    pub all_token: Rate,
    /// Codes of the provider that are exchanged there: 500 at once, 3,000 a minute. A stranger's are refused there, but
    /// providers throttle who sends too many.
    pub upstream: Rate,
    /// Refusals that are logged one by one, where the client is to blame: 1,000 at once, 600 a minute. Of the others the log
    /// says how many there were.
    pub log: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            enabled: true,
            register: Rate::new(300, 300),
            sign_in: Rate::new(1_200, 1_200),
            token: Rate::new(3_000, 6_000),
            refused_costs: 10,
            fetch: Rate::new(20, 20),
            session: Rate::new(200, 300),
            client: Rate::new(600, 6_000),
            all_register: Rate::new(3_000, 30_000),
            all_authorize: Rate::new(10_000, 300_000),
            all_token: Rate::new(10_000, 300_000),
            upstream: Rate::new(500, 3_000),
            log: Rate::new(1_000, 600),
        }
    }
}

impl Limits {
    /// No limits: for measurements, and for servers behind something that limits already.
    #[must_use]
    pub fn off() -> Self {
        Self { enabled: false, ..Self::default() }
    }

    /// Every rate so many times as large.
    #[must_use]
    pub const fn times(self, factor: u32) -> Self {
        Self {
            enabled: self.enabled,
            register: self.register.times(factor),
            sign_in: self.sign_in.times(factor),
            token: self.token.times(factor),
            refused_costs: self.refused_costs,
            fetch: self.fetch.times(factor),
            session: self.session.times(factor),
            client: self.client.times(factor),
            all_register: self.all_register.times(factor),
            all_authorize: self.all_authorize.times(factor),
            all_token: self.all_token.times(factor),
            upstream: self.upstream.times(factor),
            log: self.log.times(factor),
        }
    }
}

/// The text is none of those that say what limits there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of on, off, or how many times the standard limits: a number from 1 to 1000")]
pub struct LimitsError(String);

impl FromStr for Limits {
    type Err = LimitsError;

    fn from_str(text: &str) -> Result<Self, LimitsError> {
        match (text, text.parse()) {
            ("on", _) => Ok(Self::default()),
            ("off", _) => Ok(Self::off()),
            (_, Ok(factor @ 1..=1_000)) => Ok(Self::default().times(factor)),
            _ => Err(LimitsError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_from_a_word_or_a_factor() {
        assert_eq!("on".parse(), Ok(Limits::default()));
        assert_eq!("off".parse(), Ok(Limits::off()));
        assert_eq!("3".parse::<Limits>().unwrap().sign_in, Rate::new(3_600, 3_600));
        for wrong in ["0", "-1", "1001", "OFF", "", "1.5"] {
            assert!(wrong.parse::<Limits>().is_err(), "{wrong}");
        }
    }
}
