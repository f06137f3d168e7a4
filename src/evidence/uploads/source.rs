//! The body of a request as it comes in: counted, and given up when it is silent or too slow.

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long a body may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// What a body must bring in that time, bytes: 1 KiB/s.
const LEAST: usize = 60 * 1024;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Some bytes.
    Bytes(Bytes),
    /// The body is complete.
    End,
    /// It broke off.
    Cut,
    /// It came too slowly, or not at all.
    Slow,
}

/// A body.
pub(super) struct Source<S> {
    stream: S,
    announced: Option<i64>,
    total: i64,
    heard: Instant,
    lately: usize,
    since: Instant,
    silence: Duration,
    again: Option<Next>,
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Source<S> {
    /// `announced` is the `Content-Length`; absent when chunked.
    pub(super) fn new(stream: S, announced: Option<i64>) -> Source<S> {
        let now = Instant::now();
        Source { stream, announced, total: 0, heard: now, lately: 0, since: now, silence: SILENCE, again: None }
    }

    /// Waits for what comes next. May be given up and called again: nothing is lost.
    pub(super) async fn next(&mut self) -> Next {
        if let Some(next) = self.again.take() {
            return next;
        }
        match timeout_at(self.heard + self.silence, self.stream.next()).await {
            Ok(Some(Ok(bytes))) => {
                self.heard = Instant::now();
                self.total = self.total.saturating_add(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
                self.lately += bytes.len();
                if self.heard - self.since >= self.silence {
                    if self.lately < LEAST {
                        return Next::Slow;
                    }
                    (self.lately, self.since) = (0, self.heard);
                }
                Next::Bytes(bytes)
            }
            // A body that is shorter than announced was cut, whatever the framework thinks.
            Ok(None) if self.announced.is_none_or(|announced| announced == self.total) => Next::End,
            Ok(None | Some(Err(_))) => Next::Cut,
            Err(_) => Next::Slow,
        }
    }

    /// Puts back what is not wanted yet.
    pub(super) fn put_back(&mut self, next: Next) {
        self.again = Some(next);
    }

    /// The reader was busy with the bytes it has: that is not the sender's silence.
    pub(super) fn paused(&mut self) {
        let now = Instant::now();
        self.since += now - self.heard;
        self.heard = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn bytes(length: usize) -> Result<Bytes, PayloadError> {
        Ok(Bytes::from(vec![1; length]))
    }

    #[tokio::test]
    async fn a_body_ends_as_announced_or_is_cut() {
        let pieces = || stream::iter([bytes(2), bytes(3)]);
        for (announced, end) in [(Some(5), Next::End), (None, Next::End), (Some(6), Next::Cut)] {
            let mut source = Source::new(pieces(), announced);
            assert!(matches!(source.next().await, Next::Bytes(b) if b.len() == 2));
            assert!(matches!(source.next().await, Next::Bytes(b) if b.len() == 3));
            assert_eq!(source.next().await, end);
        }
        let mut broken = Source::new(stream::iter([Err(PayloadError::Overflow)]), None);
        assert_eq!(broken.next().await, Next::Cut);
    }

    #[tokio::test]
    async fn silence_and_a_trickle_are_given_up() {
        let silence = Duration::from_millis(60);
        let mut silent = Source { silence, ..Source::new(stream::pending(), None) };
        assert_eq!(silent.next().await, Next::Slow);
        let trickle = Box::pin(stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((bytes(100), ()))
        }));
        let mut trickle = Source { silence, ..Source::new(trickle, None) };
        let mut pieces = 0;
        let end = loop {
            match trickle.next().await {
                Next::Bytes(_) => pieces += 1,
                end => break end,
            }
        };
        assert!(end == Next::Slow && pieces < 10, "{pieces}");
    }
}
