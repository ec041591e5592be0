//! Bodies that pass through the guard.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The body of a guarded request: what came, byte for byte, of which the guard may have read a part already.
pub struct InspectedBody<B> {
    /// What was read.
    frames: VecDeque<Frame<Bytes>>,
    /// What is still to come; nothing if all of it was read.
    rest: Option<B>,
}

impl<B> InspectedBody<B> {
    pub(super) const fn unread(body: B) -> Self {
        Self { frames: VecDeque::new(), rest: Some(body) }
    }

    pub(super) fn new(frames: Vec<Frame<Bytes>>, rest: Option<B>) -> Self {
        Self { frames: frames.into(), rest }
    }
}

impl<B> Body for InspectedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match (self.frames.pop_front(), &mut self.rest) {
            (Some(frame), _) => Poll::Ready(Some(Ok(frame))),
            (None, Some(rest)) => Pin::new(rest).poll_frame(cx),
            (None, None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let read: usize = self.frames.iter().filter_map(Frame::data_ref).map(Bytes::len).sum();
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint
    }
}

impl<B> fmt::Debug for InspectedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InspectedBody").field("is_read", &self.rest.is_none()).finish_non_exhaustive()
    }
}

/// The body of a guarded response: our refusal, or what the inner service answered.
#[derive(Debug)]
pub enum GuardBody<R> {
    /// Ours.
    Ours(Bytes),
    /// The inner service's.
    Inner(R),
}

impl<R> Body for GuardBody<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match self.get_mut() {
            Self::Ours(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Ours(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Inner(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Ours(bytes) => bytes.is_empty(),
            Self::Inner(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ours(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Inner(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    fn whole(text: &'static str) -> Full<Bytes> {
        Full::new(Bytes::from_static(text.as_bytes()))
    }

    /// A server that asks answers a request without a body without waiting for one, and never cuts one off.
    #[tokio::test]
    async fn a_body_is_over_when_nothing_more_comes_of_it() {
        let read = || vec![Frame::data(Bytes::from_static(b"read"))];
        assert!(InspectedBody::unread(whole("")).is_end_stream());
        assert!(!InspectedBody::unread(whole("rest")).is_end_stream());
        assert!(!InspectedBody::<Full<Bytes>>::new(read(), None).is_end_stream());
        assert!(!InspectedBody::new(read(), Some(whole(""))).is_end_stream());
        assert!(!InspectedBody::new(Vec::new(), Some(whole("rest"))).is_end_stream());
        assert!(InspectedBody::<Full<Bytes>>::new(Vec::new(), None).is_end_stream());
        let mut body = InspectedBody::new(read(), Some(whole("rest")));
        for part in ["read", "rest"] {
            assert!(!body.is_end_stream());
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), part);
        }
        assert!(body.is_end_stream() && body.frame().await.is_none());
    }
}
