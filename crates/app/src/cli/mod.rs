//! The command line: parsing, running the command, exit codes.
//!
//! Exit codes: 0 success, 1 failure (of any file, for `tag`, `import`, `export` and `sidecar`), 2 wrong command line or settings. Those of
//! `check` follow `fsck`: see `check`. An error is one line on standard error.

mod arguments;
mod backup;
mod check;
mod exit;
mod export;
mod healthcheck;
mod import;
mod jobs;
mod key;
mod kind;
mod manual;
mod progress;
mod sidecar;
mod sidecar_files;
mod signals;
mod tag;
mod vocabulary;

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use tokio::runtime::Builder;

use self::{
    arguments::{Arguments, Command},
    exit::Usage,
};
use crate::{
    application::{self, ServeOptions},
    settings::{Environment, Loaded, Settings, SettingsError},
    telemetry::{self, Delivery},
    wiring::Database,
};

/// Runs the command named by the arguments; the first argument is the program itself.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: Environment) -> ExitCode {
    let outcome = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => start(arguments, environment),
        Err(error) if error.use_stderr() => Err(Usage::new(&error).into()),
        // Help and version, which were requested.
        Err(text) => done(text.print()),
    };
    telemetry::flush();
    exit::report(outcome, &mut io::stderr())
}

/// Runs a command on its own Tokio runtime.
fn start(arguments: Arguments, environment: Environment) -> anyhow::Result<ExitCode> {
    if matches!(
        arguments.command(),
        Command::Tag(_) | Command::Import(_) | Command::Export(_) | Command::Sidecar(_)
    ) {
        // Must come before the runtime, which starts threads.
        allocator::use_one_arena();
    }
    // Migrations block their thread, so the runtime needs several.
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(execute(arguments, environment))
}

async fn execute(arguments: Arguments, environment: Environment) -> anyhow::Result<ExitCode> {
    let command = arguments.command();
    let level = command.log_level();
    let delivery = match command {
        Command::Serve { .. } => Delivery::Queued,
        _ => Delivery::Direct,
    };
    let settings = || {
        let file = arguments.config;
        load(
            &Environment {
                file,
                ..environment
            },
            level,
            delivery,
        )
    };
    match command {
        Command::Serve { no_migrate } => {
            let migrate = !no_migrate;
            done(application::serve(settings()?, ServeOptions { migrate }).await)
        }
        Command::Migrate => done(migrate(&settings()?).await),
        Command::Config => done(print(&settings()?.to_toml())),
        Command::Openapi => done(print(&format!(
            "{}\n",
            http_api::openapi().to_pretty_json()?
        ))),
        Command::Tag(arguments) => done(tag::run(arguments, &settings()?).await),
        Command::Import(arguments) => done(import::run(arguments, &settings()?).await),
        Command::Export(arguments) => done(export::run(arguments, &settings()?).await),
        Command::Sidecar(arguments) => done(sidecar::run(arguments, &settings()?).await),
        Command::Key(command) => done(key::run(command, &settings()?).await),
        Command::Vocabulary(command) => done(vocabulary::run(command, &settings()?).await),
        Command::Jobs(command) => done(jobs::run(command, &settings()?).await),
        Command::Retag(arguments) => done(jobs::retag(arguments, &settings()?).await),
        Command::Edit(arguments) => done(jobs::edit(arguments, &settings()?).await),
        Command::Delete(arguments) => done(jobs::delete(arguments, &settings()?).await),
        Command::Check(arguments) => check::run(arguments, &settings()?).await,
        Command::Backup { file } => done(backup::run(&file, &settings()?).await),
        Command::Healthcheck => done(healthcheck::run(&settings()?).await),
        Command::Completions { shell } => done(manual::completions(shell)),
        Command::Man { folder } => done(manual::pages(&folder)),
    }
}

/// Exit code of a command that only succeeds or fails.
fn done<E: Into<anyhow::Error>>(outcome: Result<(), E>) -> anyhow::Result<ExitCode> {
    outcome.map(|()| ExitCode::SUCCESS).map_err(Into::into)
}

/// Loads the settings and sets up logging; `level` is the default level.
fn load(
    environment: &Environment,
    level: &str,
    delivery: Delivery,
) -> Result<Settings, SettingsError> {
    let Loaded { settings, warnings } = Settings::load(environment)?;
    telemetry::init(&settings.log, level, delivery);
    // Before any file is created.
    settings.server.umask.apply();
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(settings)
}

async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let applied = Database::new(settings)?.migrate().await?;
    print(&format!("{applied} migrations applied\n"))
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
