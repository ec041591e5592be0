//! The query of a page. A form that is sent with GET sends its empty fields too, which the API would refuse; so what is
//! empty is dropped here, and the rest is read as strictly as there (I-13).

use percent_encoding::utf8_percent_encode;

use crate::admin::Problem;
use crate::http::{Params, UNRESERVED};

/// More than any page takes.
const LONGEST: usize = 2_000;

/// What was given.
pub(super) struct Given(Params);

impl Given {
    pub(super) fn read(query: &[u8]) -> Result<Self, Problem> {
        let params = Params::parse(query).map_err(|_| Problem::parameter("query", "it is malformed"))?;
        match params.unreadable() {
            Some(name) => Err(Problem::parameter(name, "it may come once, as text")),
            None => Ok(Self(params)),
        }
    }

    /// One value, without the white space around it: people paste.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(str::trim).filter(|value| !value.is_empty() && value.len() <= LONGEST)
    }

    /// As text for a field; empty if it was not given.
    pub(super) fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// A query of those that were given among `names`.
    pub(super) fn only(&self, names: &[&str]) -> String {
        encoded(names.iter().filter_map(|name| Some((*name, self.get(name)?))))
    }
}

/// A query.
pub(super) fn encoded<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs = pairs.into_iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, UNRESERVED)));
    pairs.collect::<Vec<_>>().join("&")
}
