//! What the targets share: an engine to ask, answers to judge, second readers, and an allocator that counts.

pub mod answer;
pub mod bounds;
pub mod html;
pub mod json;
pub mod query;
pub mod tokens;
pub mod urls;
pub mod web;
pub mod world;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The value of a future that has nothing to wait for: everything here is in memory. One that waits is a bug.
///
/// # Panics
/// If it waits.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("something waits, in memory"),
    }
}
