//! Logging: filters and formats.

use std::{
    io::{self, IsTerminal},
    panic::{self, PanicHookInfo},
};

use tracing_subscriber::{
    EnvFilter, fmt,
    layer::{Layer, SubscriberExt},
    util::SubscriberInitExt,
};

use crate::settings::{LogFormat, LogSettings};

/// Overly verbose libraries; a filter that names them wins.
const QUIETER: &str = "actix_http=off,actix_server=warn,h2=warn,hyper=warn,hyper_util=warn,mio=warn,\
    mysql_async=warn,object_store=warn,reqwest=warn,rustls=warn";

/// Sets up logging to standard error for the whole process, panics included. `level` applies if the
/// settings leave the level to the command.
///
/// A logger that is already set stays.
pub fn init(settings: &LogSettings, level: &str) {
    let registry = tracing_subscriber::registry();
    let lines = lines(settings.format).with_filter(filter(settings, level));
    if registry.with(lines).try_init().is_ok() {
        panic::set_hook(Box::new(log_panic));
    }
}

fn filter(settings: &LogSettings, level: &str) -> EnvFilter {
    let wanted = settings.filter.as_deref().unwrap_or(level);
    EnvFilter::new(format!("{QUIETER},{wanted}"))
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let terminal = io::stderr().is_terminal();
    let human = match format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    let lines = fmt::layer().with_writer(io::stderr);
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
    use std::{fs, sync::Mutex};

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

    #[test]
    fn panics_are_logged() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let writer = Mutex::new(log.reopen().unwrap());
        let subscriber = fmt().json().with_writer(writer).finish();
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
