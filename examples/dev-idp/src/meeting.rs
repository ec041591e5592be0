//! Token requests that are held back until enough of them are there.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

/// So many requests, answered together.
pub(crate) struct Meeting {
    count: usize,
    came: AtomicUsize,
    complete: watch::Sender<bool>,
}

impl Meeting {
    pub(crate) fn of(count: usize) -> Self {
        Self { count, came: AtomicUsize::new(0), complete: watch::Sender::new(count == 0) }
    }

    /// Waits for the others. False, at once, for whoever comes when all have been there.
    pub(crate) async fn join(&self) -> bool {
        let came = self.came.fetch_add(1, Ordering::SeqCst) + 1;
        if came > self.count {
            return false;
        }
        if came == self.count {
            self.complete.send_replace(true);
        }
        // The sender lives as long as this.
        self.complete.subscribe().wait_for(|complete| *complete).await.is_ok()
    }
}
