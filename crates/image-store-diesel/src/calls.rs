//! Durations of calls, by the names of OpenTelemetry.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use domain::ports::ImageStoreError;
use metrics::{Histogram, histogram};

const DURATION: &str = "db_client_operation_duration_seconds";

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Read,
    Write,
}

/// How a call ended, as the label `error_type`. A call whose caller went away is `cancelled`.
const OUTCOMES: [&str; 8] = [
    "",
    "contended",
    "claim_lost",
    "lease_lost",
    "unavailable",
    "corrupt",
    "failed",
    CANCELLED,
];
const CANCELLED: &str = "cancelled";

/// Measures the calls of a store.
#[derive(Debug)]
pub(crate) struct Calls {
    system: &'static str,
    /// By operation and outcome.
    durations: [[OnceLock<Histogram>; OUTCOMES.len()]; 2],
}

/// A call, measured until it is dropped.
pub(crate) struct Call<'c> {
    calls: &'c Calls,
    operation: Operation,
    outcome: &'static str,
    began: Instant,
}

impl Calls {
    pub(crate) fn new(system: &'static str) -> Self {
        Self {
            system,
            durations: Default::default(),
        }
    }

    pub(crate) fn begin(&self, operation: Operation) -> Call<'_> {
        Call {
            calls: self,
            operation,
            outcome: CANCELLED,
            began: Instant::now(),
        }
    }

    fn record(&self, operation: Operation, outcome: &'static str, duration: Duration) {
        let (row, name) = match operation {
            Operation::Read => (&self.durations[0], "read"),
            Operation::Write => (&self.durations[1], "write"),
        };
        let Some(index) = OUTCOMES.iter().position(|known| *known == outcome) else {
            return;
        };
        let Some(cell) = row.get(index) else {
            return;
        };
        let histogram = cell.get_or_init(|| {
            histogram!(
                DURATION,
                "db_system_name" => self.system,
                "db_operation_name" => name,
                "error_type" => outcome,
            )
        });
        histogram.record(duration);
    }
}

impl Call<'_> {
    pub(crate) fn ended<T>(mut self, outcome: &Result<T, ImageStoreError>) {
        self.outcome = match outcome {
            Ok(_) => "",
            Err(ImageStoreError::Contended(_)) => "contended",
            Err(ImageStoreError::ClaimLost) => "claim_lost",
            Err(ImageStoreError::AlreadyImported) => "already_imported",
            Err(ImageStoreError::LeaseLost) => "lease_lost",
            Err(ImageStoreError::Unavailable(_)) => "unavailable",
            Err(ImageStoreError::Corrupt(_)) => "corrupt",
            Err(ImageStoreError::Failed(_)) => "failed",
        };
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
        self.calls.record(self.operation, self.outcome, duration);
    }
}

#[cfg(test)]
mod tests {
    use domain::ports::cause;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    /// Each call is one observation, whatever becomes of it, under a name that was decided here.
    #[test]
    fn calls_are_measured_by_operation_and_outcome() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let calls = Calls::new("sqlite");
            for _ in 0..2 {
                calls.begin(Operation::Read).ended(&Ok(()));
            }
            let away = ImageStoreError::Unavailable(cause("away"));
            calls.begin(Operation::Write).ended::<()>(&Err(away));
            drop(calls.begin(Operation::Write));
        });
        let text = handle.render();
        let count = |operation: &str, outcome: &str| {
            let labels = format!(
                "{DURATION}_count{{db_system_name=\"sqlite\",db_operation_name=\"{operation}\",error_type=\"{outcome}\"}} "
            );
            let line = text.lines().find_map(|line| line.strip_prefix(&labels));
            line.map(|count| count.parse::<u32>().unwrap())
        };
        assert_eq!(count("read", ""), Some(2), "{text}");
        assert_eq!(count("write", "unavailable"), Some(1), "{text}");
        assert_eq!(count("write", "cancelled"), Some(1), "{text}");
        assert_eq!(count("write", ""), None, "{text}");
    }
}
