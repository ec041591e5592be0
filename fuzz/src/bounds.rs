//! Bounds: how much memory one input may take. Time is bounded by libFuzzer (`-timeout`), the whole process by
//! `-rss_limit_mb`; `fuzz/run` sets both.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, with a count of the bytes that are held.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn grown(by: usize) {
    PEAK.fetch_max(LIVE.fetch_add(by, Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

#[allow(unsafe_code, reason = "an allocator cannot be written without; it hands everything on to the system's")]
// SAFETY: every call goes to `System` unchanged, whose contract is the same; counting touches no memory of theirs.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        grown(size);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Runs `work`, which may hold at most `bytes` more than are held already at any moment.
///
/// # Panics
/// If it holds more.
pub fn within<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let value = work();
    let most = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    assert!(most <= bytes, "{most} bytes were held at once, at most {bytes} are allowed");
    value
}
