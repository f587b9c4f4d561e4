//! Logging: filters, formats, and a writer that never blocks.

use std::{
    io::{self, IsTerminal, Write},
    panic::{self, PanicHookInfo},
    sync::{Mutex, OnceLock, PoisonError},
};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use tracing_subscriber::{
    EnvFilter,
    fmt::{self, writer::BoxMakeWriter},
    layer::{Layer, SubscriberExt},
    util::SubscriberInitExt,
};

use crate::settings::{LogFormat, LogSettings};

/// Overly verbose libraries; a filter that names them wins.
const QUIETER: &str = "actix_http=off,actix_server=warn,h2=warn,hyper=warn,hyper_util=warn,mio=warn,\
    mysql_async=warn,object_store=warn,reqwest=warn,rustls=warn";

/// How many lines may wait for the reader of standard error. Further ones are dropped.
const WAITING_LINES: usize = 8192;

/// The thread that writes the lines of a server, until [`flush`].
static WRITING: Mutex<Option<WorkerGuard>> = Mutex::new(None);

/// Counts the lines that a server dropped.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The caller waits until its line is written.
    Direct,
    /// By a thread of its own: a reader of standard error that hangs blocks no caller, but lines are dropped.
    Queued,
}

/// Sets up logging to standard error for the whole process, panics included. `level` applies if the
/// settings leave the level to the command.
///
/// A logger that is already set stays.
pub fn init(settings: &LogSettings, level: &str, delivery: Delivery) {
    let writer = match delivery {
        Delivery::Direct => BoxMakeWriter::new(io::stderr),
        Delivery::Queued => {
            let (writer, guard) = queued(io::stderr());
            let _ = DROPPED.set(writer.error_counter());
            *WRITING.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
            BoxMakeWriter::new(writer)
        }
    };
    let registry = tracing_subscriber::registry();
    let lines = lines(settings.format, writer).with_filter(filter(settings, level));
    if registry.with(lines).try_init().is_ok() {
        panic::set_hook(Box::new(log_panic));
    }
}

/// Writes the queued lines, for about a second at most. Lines logged afterwards are lost.
pub fn flush() {
    let mut writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    drop(writing.take());
}

/// How many lines were dropped because the queue was full.
pub fn dropped_lines() -> u64 {
    let dropped = DROPPED.get().map_or(0, ErrorCounter::dropped_lines);
    dropped as u64
}

fn queued(to: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .thread_name("log")
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES)
        .finish(to)
}

fn filter(settings: &LogSettings, level: &str) -> EnvFilter {
    let wanted = settings.filter.as_deref().unwrap_or(level);
    EnvFilter::new(format!("{QUIETER},{wanted}"))
}

fn lines<S>(format: LogFormat, writer: BoxMakeWriter) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let terminal = io::stderr().is_terminal();
    let human = match format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    let lines = fmt::layer().with_writer(writer);
    if human {
        lines.with_ansi(terminal && wants_colour()).boxed()
    } else {
        lines.json().boxed()
    }
}

/// <https://no-color.org>
fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string);
    let message = info.payload_as_str().unwrap_or("a panic without a text");
    tracing::error!(place, panic = message, "a thread panicked");
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::mpsc::{Receiver, channel},
        time::{Duration, Instant},
    };

    use super::*;

    fn directives(filter: Option<&str>, level: &str) -> Vec<String> {
        let settings = LogSettings {
            format: LogFormat::Auto,
            filter: filter.map(str::to_owned),
        };
        let filter = super::filter(&settings, level).to_string();
        filter.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn libraries_are_quieter_than_we() {
        let directives = directives(None, "info");
        assert!(directives.contains(&"info".to_owned()), "{directives:?}");
        assert!(
            directives.contains(&"hyper=warn".to_owned()),
            "{directives:?}"
        );
    }

    #[test]
    fn filter_of_the_settings_wins() {
        let directives = directives(Some("debug,hyper=trace"), "info");
        assert!(directives.contains(&"debug".to_owned()), "{directives:?}");
        assert!(
            directives.contains(&"hyper=trace".to_owned()),
            "{directives:?}"
        );
        for lost in ["info", "hyper=warn"] {
            assert!(!directives.contains(&lost.to_owned()), "{directives:?}");
        }
    }

    /// A reader that takes nothing until its sender is gone.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_hangs_blocks_no_caller() {
        let (reading, stuck) = channel();
        let (writer, guard) = queued(Stuck(stuck));
        let dropped = writer.error_counter();
        let subscriber = fmt::fmt().with_writer(writer).finish();
        let began = Instant::now();
        let more = 100;
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..WAITING_LINES + more {
                tracing::info!(n, "a line");
            }
        });
        assert!(began.elapsed() < Duration::from_secs(10));
        // One line may be with the writer.
        let lost = dropped.dropped_lines();
        assert!((more - 1..=more).contains(&lost), "{lost}");
        drop(reading);
        drop(guard);
    }

    #[test]
    fn panics_are_logged() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let writer = Mutex::new(log.reopen().unwrap());
        let subscriber = fmt::fmt().json().with_writer(writer).finish();
        tracing::subscriber::with_default(subscriber, || {
            let before = panic::take_hook();
            panic::set_hook(Box::new(log_panic));
            let outcome = panic::catch_unwind(|| panic!("no {}", "more"));
            panic::set_hook(before);
            assert!(outcome.is_err());
        });
        let line = fs::read_to_string(log.path()).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["fields"]["panic"], "no more");
        assert!(
            line["fields"]["place"]
                .as_str()
                .unwrap()
                .contains("telemetry.rs:"),
            "{line}"
        );
    }
}
