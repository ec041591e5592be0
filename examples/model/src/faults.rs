//! A store that fails when it is told to: the n-th call from then on, before it has an effect or after it (a lost answer).

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use dcr_core::store::conformance::{Route, Routed};
use dcr_core::store::{Store, StoreError};

const OFF: u8 = 0;
const BEFORE: u8 = 1;
const AFTER: u8 = 2;
/// The call is on its way whose answer gets lost.
const LOSING: u8 = 3;

/// The real store behind a [`Switch`].
pub type FaultyStore = Routed<Switch>;

/// What makes the real store fail. It counts the calls that it lets through.
#[derive(Debug)]
pub struct Switch {
    store: Arc<dyn Store>,
    mode: AtomicU8,
    left: AtomicU64,
    fired: Mutex<Option<&'static str>>,
}

impl Switch {
    /// In front of `store`, switched off.
    #[must_use]
    pub fn in_front_of(store: Arc<dyn Store>) -> Arc<FaultyStore> {
        Arc::new(Routed(Self { store, mode: AtomicU8::new(OFF), left: AtomicU64::new(0), fired: Mutex::new(None) }))
    }

    /// The real store.
    #[must_use]
    pub fn real(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The call after `calls` others fails.
    pub fn arm(&self, calls: u8, after: bool) {
        *self.fired.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.left.store(u64::from(calls), Ordering::SeqCst);
        self.mode.store(if after { AFTER } else { BEFORE }, Ordering::SeqCst);
    }

    /// Switches it off; which call failed, if there were as many.
    pub fn disarm(&self) -> Option<&'static str> {
        self.mode.store(OFF, Ordering::SeqCst);
        self.fired.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl Route for Switch {
    fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    async fn before(&self, method: &'static str) -> Result<(), StoreError> {
        // A call that was to lose its answer had none: it failed by itself.
        let _ = self.mode.compare_exchange(LOSING, OFF, Ordering::SeqCst, Ordering::SeqCst);
        let mode = self.mode.load(Ordering::SeqCst);
        if mode == OFF {
            return Ok(());
        }
        if self.left.load(Ordering::SeqCst) > 0 {
            self.left.fetch_sub(1, Ordering::SeqCst);
            return Ok(());
        }
        *self.fired.lock().unwrap_or_else(PoisonError::into_inner) = Some(method);
        self.mode.store(if mode == AFTER { LOSING } else { OFF }, Ordering::SeqCst);
        if mode == AFTER { Ok(()) } else { Err(failure()) }
    }

    async fn after(&self, _: &'static str) -> Result<(), StoreError> {
        match self.mode.compare_exchange(LOSING, OFF, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => Err(failure()),
            Err(_) => Ok(()),
        }
    }
}

fn failure() -> StoreError {
    StoreError::Unavailable("the model said so".into())
}
