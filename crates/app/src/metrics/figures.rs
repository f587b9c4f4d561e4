//! What is read from the database.

use std::{sync::Arc, time::Duration};

use domain::{
    JobState,
    ports::{Figures, StoreFigures},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::page::{Page, float};

/// How long figures count as those of now.
const FRESH: Duration = Duration::from_secs(10);

/// How long the database may take. Shorter than Prometheus waits.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The figures of a database, read when they are asked for: one read at a time, and one in ten seconds.
pub struct StoredFigures {
    store: Arc<dyn StoreFigures>,
    last: Mutex<Option<Last>>,
}

struct Last {
    read_at: Instant,
    /// `None` if the database was away.
    figures: Option<Figures>,
}

impl StoredFigures {
    /// Reads from that database, once somebody asks.
    pub fn new(store: Arc<dyn StoreFigures>) -> Self {
        Self {
            store,
            last: Mutex::default(),
        }
    }

    /// Writes the figures, and whether there are any.
    pub(super) async fn write(&self, page: &mut Page) {
        let figures = self.figures().await;
        let is_up = if figures.is_some() { 1.0 } else { 0.0 };
        page.value("etiqueta_database_up", is_up);
        let Some(figures) = figures else {
            return;
        };
        let jobs = JobState::ALL.into_iter().zip(figures.jobs);
        let jobs = jobs.map(|(state, count)| (state.as_str(), f64::from(count)));
        page.labelled("etiqueta_jobs", "state", jobs);
        page.value(
            "etiqueta_rollup_pending_changes",
            float(figures.unrolled_changes.into()),
        );
        page.value(
            "etiqueta_webhook_deliveries_waiting",
            float(figures.waiting_deliveries.into()),
        );
    }

    async fn figures(&self) -> Option<Figures> {
        // Callers that come while they are read wait for them.
        let mut last = self.last.lock().await;
        if let Some(last) = last.as_ref().filter(|it| it.read_at.elapsed() < FRESH) {
            return last.figures.clone();
        }
        let figures = match timeout(TIMEOUT, self.store.figures()).await {
            Ok(Ok(figures)) => Some(figures),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the database gave no figures");
                None
            }
            Err(_) => None,
        };
        *last = Some(Last {
            read_at: Instant::now(),
            figures: figures.clone(),
        });
        figures
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use domain::ports::{ImageStoreError, cause};
    use tokio::time::{advance, sleep};

    use super::*;

    /// Takes a while, and fails or hangs when asked to.
    #[derive(Default)]
    struct Store {
        reads: AtomicU32,
        is_away: bool,
        hangs: bool,
    }

    #[async_trait]
    impl StoreFigures for Store {
        async fn figures(&self) -> Result<Figures, ImageStoreError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(100)).await;
            if self.hangs {
                std::future::pending::<()>().await;
            }
            if self.is_away {
                return Err(ImageStoreError::Unavailable(cause("away")));
            }
            Ok(Figures {
                jobs: [4, 1, 3, 0, 2],
                unrolled_changes: 7,
                waiting_deliveries: 5,
            })
        }
    }

    async fn written(figures: &StoredFigures) -> String {
        let mut page = Page::default();
        figures.write(&mut page).await;
        page.text().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn the_database_is_read_once_for_scrapes_that_come_together() {
        let store = Arc::<Store>::default();
        let figures = StoredFigures::new(store.clone());
        let (one, other) = tokio::join!(written(&figures), written(&figures));
        assert_eq!(one, other);
        for line in [
            "etiqueta_database_up 1",
            "etiqueta_jobs{state=\"queued\"} 4",
            "etiqueta_jobs{state=\"cancelled\"} 2",
            "etiqueta_rollup_pending_changes 7",
            "etiqueta_webhook_deliveries_waiting 5",
        ] {
            assert!(one.contains(&format!("\n{line}\n")), "{line} in {one}");
        }
        assert_eq!(store.reads.load(Ordering::Relaxed), 1);
        advance(FRESH).await;
        written(&figures).await;
        assert_eq!(store.reads.load(Ordering::Relaxed), 2);
    }

    #[rstest::rstest]
    #[case(true, false)]
    #[case(false, true)]
    #[tokio::test(start_paused = true)]
    async fn without_the_database_its_figures_are_absent(
        #[case] is_away: bool,
        #[case] hangs: bool,
    ) {
        let store = Store {
            is_away,
            hangs,
            ..Store::default()
        };
        let figures = StoredFigures::new(Arc::new(store));
        let began = Instant::now();
        let text = written(&figures).await;
        assert!(began.elapsed() <= TIMEOUT);
        assert!(text.contains("\netiqueta_database_up 0\n"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
    }
}
