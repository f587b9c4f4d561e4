//! A body as it comes in from the network, and how long that may take.

use std::time::Duration;

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout};

use super::pace::Pace;
use crate::{
    HttpSettings,
    problem::{Code, Problem},
};

/// A body that is read within limits of time. Only the time counts in which [`next`](Self::next) waits for the
/// client: while it is not called, the server makes the client wait.
pub(crate) struct Arriving<S> {
    pieces: S,
    pause: Duration,
    total: Duration,
    rate: u64,
    pace: Pace,
    /// How long the client has been waited for.
    spent: Duration,
    is_hurried: bool,
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Arriving<S> {
    pub(crate) fn new(pieces: S, settings: &HttpSettings) -> Self {
        Self {
            pieces,
            pause: settings.body_pause,
            total: settings.body_timeout,
            rate: settings.upload_rate,
            pace: Pace::new(settings.upload_rate),
            spent: Duration::ZERO,
            is_hurried: false,
        }
    }

    /// The next piece of the body. Once others wait for this upload, what came early does not count any more.
    pub(crate) async fn next(&mut self, is_waited_for: bool) -> Result<Option<Bytes>, Problem> {
        if is_waited_for && !self.is_hurried {
            self.is_hurried = true;
            self.pace.forget_lead(self.spent);
        }
        let patience = self.patience();
        let began = Instant::now();
        let piece = timeout(patience, self.pieces.next()).await;
        self.spent += began.elapsed();
        let piece = piece.map_err(|_| self.too_slow())?.transpose()?;
        if let Some(piece) = &piece {
            self.pace.received(piece.len(), self.spent);
        }
        Ok(piece)
    }

    /// How long the next piece may take.
    fn patience(&self) -> Duration {
        let end = self.total.min(self.pace.due());
        self.pause.min(end.saturating_sub(self.spent))
    }

    fn too_slow(&self) -> Problem {
        let detail = if self.spent >= self.pace.due() {
            format!(
                "the body arrives more slowly than {} bytes a second",
                self.rate
            )
        } else {
            "the body did not arrive in time".to_owned()
        };
        Problem::new(Code::RequestTimeout, detail)
    }
}

#[cfg(test)]
mod tests {
    use domain::{Confidence, Threshold};
    use futures_util::stream;
    use tokio::time::sleep;

    use super::*;

    const RATE: u64 = 1000;

    /// Pieces of that size, one each so many seconds, without end.
    fn drip(bytes: usize, seconds: u64) -> impl Stream<Item = Result<Bytes, PayloadError>> + Unpin {
        Box::pin(stream::repeat(()).then(move |()| async move {
            sleep(Duration::from_secs(seconds)).await;
            Ok(Bytes::from(vec![b'x'; bytes]))
        }))
    }

    fn arriving<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin>(pieces: S) -> Arriving<S> {
        let threshold = Threshold::new(Confidence::new(80.0).unwrap());
        let settings = HttpSettings {
            upload_rate: RATE,
            ..HttpSettings::new(chrono_tz::UTC, threshold, 1 << 20)
        };
        Arriving::new(pieces, &settings)
    }

    /// Reads until it takes too long: how long that was, in whole seconds.
    async fn seconds_until_too_slow(
        mut body: Arriving<impl Stream<Item = Result<Bytes, PayloadError>> + Unpin>,
    ) -> u64 {
        let began = Instant::now();
        let problem = loop {
            if let Err(problem) = body.next(false).await {
                break problem;
            }
        };
        assert_eq!(problem.code(), Code::RequestTimeout);
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_has_ten_seconds() {
        assert_eq!(seconds_until_too_slow(arriving(drip(1, 3))).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_at_the_lowest_rate_has_all_the_time_of_a_body() {
        let body = arriving(drip(1200, 1));
        let total = body.total.as_secs();
        assert_eq!(seconds_until_too_slow(body).await, total);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_does_not_pay_for_minutes_of_dripping() {
        let burst = stream::iter([Ok(Bytes::from(vec![0; 1 << 20]))]);
        let body = arriving(Box::pin(burst.chain(drip(1, 10))));
        assert_eq!(seconds_until_too_slow(body).await, 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_does_not_pay_once_others_wait() {
        let burst = stream::iter([Ok(Bytes::from(vec![0; 1 << 20]))]);
        let mut body = arriving(Box::pin(burst.chain(drip(1, 8))));
        assert!(body.next(false).await.unwrap().is_some());
        assert!(body.next(true).await.unwrap().is_some());
        let began = Instant::now();
        assert!(body.next(true).await.is_err());
        assert_eq!(began.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_the_server_does_not_read_does_not_count() {
        let mut body = arriving(drip(20_000, 8));
        for _ in 0..10 {
            assert!(body.next(false).await.unwrap().is_some());
            sleep(Duration::from_mins(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_rate_leaves_the_limits_of_pauses_and_of_the_whole() {
        let mut body = arriving(drip(1, 10));
        body.pace = Pace::new(0);
        let total = body.total.as_secs();
        assert_eq!(seconds_until_too_slow(body).await, total);
        let mut body = arriving(drip(1, 100));
        body.pace = Pace::new(0);
        let pause = body.pause.as_secs();
        assert_eq!(seconds_until_too_slow(body).await, pause);
    }
}
