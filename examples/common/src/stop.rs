//! Stopping: asked for by a signal, polite for a while, then final.

use std::io;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::Failure;

/// A tool that is running may finish for this long; then the standing event streams of MCP end.
const STREAMS: Duration = Duration::from_secs(1);
/// After this long the server is over, whatever is still open.
const PATIENCE: Duration = Duration::from_secs(5);

/// The wish to stop. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    wanted: CancellationToken,
    streams: CancellationToken,
}

impl Stop {
    /// Stops when ctrl-c is pressed or the process gets SIGTERM.
    ///
    /// # Errors
    /// [`Failure::Start`] if the system lets us listen to no signals.
    pub fn on_signals(&self) -> Result<(), Failure> {
        let signals =
            Signals::listen().map_err(|error| Failure::start(format!("signals cannot be listened to: {error}")))?;
        let stop = self.clone();
        tokio::spawn(async move {
            signals.first().await;
            stop.request();
        });
        Ok(())
    }

    /// Asks to stop. Needs a tokio runtime.
    pub fn request(&self) {
        self.wanted.cancel();
        let streams = self.streams.clone();
        tokio::spawn(async move {
            sleep(STREAMS).await;
            streams.cancel();
        });
    }

    /// Waits until a stop is asked for: take no new connections then, and finish the requests that are running.
    pub async fn requested(&self) {
        self.wanted.cancelled().await;
    }

    /// Waits until a stop was asked for so long ago that whatever still runs is cut off.
    pub async fn overdue(&self) {
        self.wanted.cancelled().await;
        sleep(PATIENCE).await;
    }

    /// Ends the event streams of MCP, which would hold up a stop for ever.
    pub(crate) fn streams(&self) -> CancellationToken {
        self.streams.clone()
    }
}

/// ctrl-c and SIGTERM, caught from the moment that this is made.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn first(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// ctrl-c.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "the same shape as on Unix")]
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn first(self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
