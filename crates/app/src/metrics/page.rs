//! Writes metrics as Prometheus' text.

use std::fmt::Write;

use super::names::{Kind, find};

/// Metrics that were written. Each name must be written once.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// The text so far.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Writes a metric without labels.
    pub(super) fn value(&mut self, name: &'static str, value: f64) {
        self.head(name);
        self.line(format_args!("{name} {value}"));
    }

    /// Writes a metric with one label; nothing if there are no values.
    pub(super) fn labelled<'l>(
        &mut self,
        name: &'static str,
        label: &str,
        values: impl IntoIterator<Item = (&'l str, f64)>,
    ) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return;
        }
        self.head(name);
        for (of, value) in values {
            self.line(format_args!(
                "{name}{{{label}=\"{}\"}} {value}",
                escaped(of)
            ));
        }
    }

    fn head(&mut self, name: &'static str) {
        let Some(row) = find(name) else {
            return;
        };
        let kind = match row.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {name} {}", row.help));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing into memory does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}

/// A number as metrics have it.
#[expect(
    clippy::cast_precision_loss,
    reason = "what is beyond 2^53 is rounded, as all values of Prometheus are"
)]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_help_and_type() {
        let mut page = Page::default();
        page.value("process_cpu_seconds_total", 0.25);
        page.labelled("etiqueta_breaker_state", "upstream", []);
        page.labelled("etiqueta_breaker_state", "upstream", [("a\"\\\n", 2.0)]);
        let expected = "# HELP process_cpu_seconds_total Processor time used, in seconds.\n\
            # TYPE process_cpu_seconds_total counter\n\
            process_cpu_seconds_total 0.25\n\
            # HELP etiqueta_breaker_state The circuit breaker of an upstream: 0 closed, 1 half-open, 2 open.\n\
            # TYPE etiqueta_breaker_state gauge\n\
            etiqueta_breaker_state{upstream=\"a\\\"\\\\\\n\"} 2\n";
        assert_eq!(page.text(), expected);
    }
}
