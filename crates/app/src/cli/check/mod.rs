//! `etiqueta check`: verifies that all images and originals exist and are intact.
//!
//! Exit codes follow `fsck` where they can: 0 no findings, 1 all findings repaired, 4 findings left, 8 the
//! check could not be completed; 2 as for the other commands.

mod output;
mod progress;
mod settings;

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use domain::{
    DatabaseId,
    service::{
        Check, CheckError, CheckSettings, Depth, Event, Forgotten, Summary, UnknownOriginals,
    },
};
use futures_util::{Stream, StreamExt, pin_mut};
use indicatif::ProgressDrawTarget;

use self::{output::Output, progress::Progress};
use super::{
    arguments::CheckArguments,
    exit::{Unchecked, Usage},
};
use crate::{
    settings::{Settings, SettingsError},
    wiring::{self, Database},
};

/// Exit code: every finding was repaired.
const REPAIRED: u8 = 1;

/// Exit code: some findings are left.
const LEFT: u8 = 4;

pub(super) async fn run(
    arguments: CheckArguments,
    settings: &Settings,
) -> anyhow::Result<ExitCode> {
    if arguments.settings {
        let is_sound = settings::run(arguments.json, settings).await?;
        return Ok(if is_sound {
            ExitCode::SUCCESS
        } else {
            LEFT.into()
        });
    }
    let outcome = match arguments.forget_database {
        None => check(arguments, settings).await,
        Some(database) => forget(database, arguments, settings).await,
    };
    outcome.map_err(|error| {
        if error.is::<SettingsError>() || error.is::<Usage>() {
            error
        } else {
            error.context(Unchecked)
        }
    })
}

async fn prepare(arguments: CheckArguments, settings: &Settings) -> anyhow::Result<Check> {
    let database = Database::new(settings)?;
    // Before anything is opened: a check must create neither file nor folder.
    database.require_schema().await?;
    let ports = wiring::checking(settings, &database)?;
    Ok(Check::new(ports, wanted(arguments, settings)))
}

/// Removes the registered id of a database that is given up.
async fn forget(
    database: DatabaseId,
    arguments: CheckArguments,
    settings: &Settings,
) -> anyhow::Result<ExitCode> {
    let check = prepare(arguments, settings).await?;
    let refusal = match check.forget_database(&database).await? {
        Forgotten::Done => {
            writeln!(
                io::stderr(),
                "etiqueta: the database {database} is forgotten"
            )?;
            return Ok(ExitCode::SUCCESS);
        }
        Forgotten::Own => "is the database of these settings",
        Forgotten::Unknown => "keeps no originals here",
    };
    Err(Usage::because(format!("the database {database} {refusal}")).into())
}

async fn check(arguments: CheckArguments, settings: &Settings) -> anyhow::Result<ExitCode> {
    let check = prepare(arguments, settings).await?;
    let output = Output::new(arguments.json);
    let progress = if io::stderr().is_terminal() {
        Progress::shown(ProgressDrawTarget::stderr())
    } else {
        Progress::hidden()
    };
    let summary = tell_all(check.events(), output, &progress).await?;
    drop(progress);
    output.summary(&summary, &mut io::stdout(), &mut io::stderr())?;
    Ok(code(&summary))
}

fn wanted(arguments: CheckArguments, settings: &Settings) -> CheckSettings {
    CheckSettings {
        depth: if arguments.quick {
            Depth::Lengths
        } else {
            Depth::Digests
        },
        repair: arguments.repair,
        unknown_originals: if arguments.unknown {
            UnknownOriginals::Repair
        } else if arguments.shared {
            UnknownOriginals::PassOver
        } else {
            UnknownOriginals::Tell
        },
        original_age: wiring::delta(settings.upkeep.original_age),
    }
}

async fn tell_all(
    events: impl Stream<Item = Result<Event, CheckError>>,
    output: Output,
    progress: &Progress,
) -> anyhow::Result<Summary> {
    pin_mut!(events);
    let mut summary = Summary::default();
    while let Some(event) = events.next().await {
        let event = event?;
        summary.note(&event);
        match event {
            Event::Begun { part, length } => progress.begin(part, length),
            Event::Done { count, .. } => progress.advance(count),
            Event::Found(finding) => {
                progress.aside(|| output.finding(&finding, &mut io::stdout()))?;
            }
        }
    }
    Ok(summary)
}

fn code(summary: &Summary) -> ExitCode {
    match (summary.left, summary.repaired) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(REPAIRED),
        _ => ExitCode::from(LEFT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_fsck() {
        let ended = |left, repaired| {
            code(&Summary {
                left,
                repaired,
                ..Summary::default()
            })
        };
        assert_eq!(ended(0, 0), ExitCode::SUCCESS);
        assert_eq!(ended(0, 2), ExitCode::from(1));
        assert_eq!(ended(3, 2), ExitCode::from(4));
        assert_eq!(ended(3, 0), ExitCode::from(4));
    }
}
