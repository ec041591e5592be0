//! What a case is.

use std::pin::Pin;

use crate::ground::Ground;

/// What runs a case: it panics if the server is wrong.
pub(crate) type Run = for<'a> fn(&'a Ground) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// One case of the catalogue.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// The ids that it shows, the most specific first: of cases, threats and advisories.
    pub(crate) ids: &'static [&'static str],
    /// What it shows, in one line.
    pub(crate) shows: &'static str,
    /// Whether two runs of it ask the same, in the same order, and may be compared (HTTP-01).
    pub(crate) comparable: bool,
    pub(crate) run: Run,
}

/// A place where a stranger, or somebody else's client, meets the server.
pub(crate) struct Surface {
    pub(crate) name: &'static str,
    pub(crate) cases: Vec<Case>,
}

impl Case {
    /// Its ids and what it shows, as the name of a test.
    pub(crate) fn name(&self) -> String {
        let ids: Vec<String> = self.ids.iter().map(|id| id.replace('-', "_")).collect();
        format!("{} {}", ids.join("+"), self.shows)
    }
}

/// Cases: `"ID" "ID"… function "what it shows";`, with `once` before those of which two runs cannot be compared.
macro_rules! cases {
    (@ $($id:literal)+, $run:ident, $shows:literal, $comparable:expr) => {
        $crate::case::Case {
            ids: &[$($id),+],
            shows: $shows,
            comparable: $comparable,
            run: |ground| Box::pin($run(ground)),
        }
    };
    ($($($id:literal)+ => $run:ident $($once:ident)?, $shows:literal;)*) => {
        vec![$(cases!(@ $($id)+, $run, $shows, { [$(stringify!($once),)? ""].len() == 1 })),*]
    };
}
pub(crate) use cases;
