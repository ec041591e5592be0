//! Why a server does not start.

use std::io::{self, Write as _};
use std::process::ExitCode;

/// Why a server does not start, in one line that says what to change.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "the exit codes of a program are these two")]
pub enum Failure {
    /// The configuration is wrong: exit code 2.
    #[error("{0}")]
    Configuration(String),
    /// The configuration may be right, but something that it names does not work: exit code 1.
    #[error("{0}")]
    Start(String),
}

impl Failure {
    pub(crate) fn configuration(text: impl Into<String>) -> Self {
        Self::Configuration(text.into())
    }

    pub(crate) fn start(text: impl Into<String>) -> Self {
        Self::Start(text.into())
    }

    /// Prints the line and answers the exit code.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        // Nothing is left to do if standard error is closed.
        let _: io::Result<()> = writeln!(io::stderr(), "error: {self}");
        match self {
            Self::Configuration(_) => ExitCode::from(2),
            Self::Start(_) => ExitCode::FAILURE,
        }
    }
}
