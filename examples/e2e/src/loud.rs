//! The loudest log: every event of every crate at every level, the fields of every span, and when spans begin and end.

use std::io::Write;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

/// The variable that makes the programs of the tests log like this, to standard error.
pub const LOUD: &str = "E2E_LOUD";

/// Logs everything to `writer` from now on, also what crates say through `log`. Once a process, and before any other log.
pub fn log_loudly<W>(writer: W)
where
    W: for<'a> MakeWriter<'a, Writer: Write> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(writer)
        .init();
}

/// [`log_loudly`] to standard error, if [`LOUD`] says so.
pub fn log_loudly_if_asked() {
    if std::env::var_os(LOUD).is_some() {
        log_loudly(std::io::stderr);
    }
}
