//! `etiqueta export`: everything that a store keeps, as lines of JSON, or its tags as a table.

mod csv;
pub(super) mod format;
pub(super) mod originals;
mod output;

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

use anyhow::bail;
use clap::Args;
use domain::{ContentDigest, ImageFacts, service::Exporting};
use futures_util::{StreamExt, pin_mut};
use indicatif::ProgressDrawTarget;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use self::{csv::CsvWriter, format::ExportWriter, originals::OriginalsFolder, output::Output};
use super::{exit::one_line, progress::Progress, signals::stop_on_signal};
use crate::{
    settings::Settings,
    wiring::{self, Database},
};

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct ExportArguments {
    /// Lines of JSON with everything, which `etiqueta import --from-export` reads: the default
    #[arg(long, conflicts_with = "csv")]
    jsonl: bool,

    /// A table of the tags that images show, for spreadsheets: with the image's id, date and file name, and
    /// confidence, source and provider of the tag
    #[arg(long)]
    csv: bool,

    /// The file to write, which is there once it is whole; else standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Also copy the originals into this folder, each once; what is there already stays
    #[arg(long, value_name = "FOLDER")]
    originals: Option<PathBuf>,
}

/// The export was interrupted.
#[derive(Debug, Error)]
#[error("interrupted")]
struct Interrupted;

/// Some originals were not copied; each was reported.
#[derive(Debug, Error)]
#[error("{0} originals were not copied; the rest of the export is whole")]
struct Incomplete(u64);

pub(super) async fn run(arguments: ExportArguments, settings: &Settings) -> anyhow::Result<()> {
    let database = Database::new(settings)?;
    // Before anything is opened: looking makes no file.
    database.require_schema().await?;
    let exporting = wiring::exporting(&database)?;
    let originals = arguments.originals.map(|folder| {
        let store = wiring::existing_originals(settings)?;
        OriginalsFolder::create(folder, store)
    });
    let mut originals = originals.transpose()?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone());
    let progress = progress(&exporting).await?;
    let mut output = Output::create(arguments.output)?;
    let mut copies = Copies {
        originals: originals.as_mut(),
        progress: &progress,
        stop: &stop,
        failed: 0,
    };
    if arguments.csv {
        let zone = settings.server.timezone;
        table(&exporting, &mut output, &mut copies, zone).await?;
    } else {
        lines(&exporting, &mut output, &mut copies).await?;
    }
    output.finish()?;
    match copies.failed {
        0 => Ok(()),
        failed => Err(Incomplete(failed).into()),
    }
}

/// Progress over all images, if standard error is a terminal.
async fn progress(exporting: &Exporting) -> anyhow::Result<Progress> {
    if io::stderr().is_terminal() {
        let images = exporting.count().await?;
        return Ok(Progress::over(images, ProgressDrawTarget::stderr()));
    }
    Ok(Progress::hidden())
}

/// Copies the originals of images that were written, if that was asked for.
struct Copies<'e> {
    originals: Option<&'e mut OriginalsFolder>,
    progress: &'e Progress,
    stop: &'e CancellationToken,
    failed: u64,
}

impl Copies<'_> {
    async fn written(&mut self, digest: &ContentDigest, facts: &ImageFacts) -> anyhow::Result<()> {
        if self.stop.is_cancelled() {
            bail!(Interrupted);
        }
        if let Some(originals) = &mut self.originals
            && let Err(error) = originals.copy(digest, facts).await?
        {
            self.failed += 1;
            let line = one_line(&error);
            self.progress
                .advance(|| writeln!(io::stderr(), "etiqueta: {line}"))?;
            return Ok(());
        }
        self.progress.pass();
        Ok(())
    }
}

/// Everything, as lines of JSON. Answers come last, so that none of an image is missing that was recorded meanwhile.
async fn lines(
    exporting: &Exporting,
    output: &mut Output,
    copies: &mut Copies<'_>,
) -> anyhow::Result<()> {
    let mut writer = ExportWriter::begin(output)?;
    for entry in exporting.vocabulary().await? {
        writer.entry(&entry)?;
    }
    let images = exporting.images();
    pin_mut!(images);
    while let Some(image) = images.next().await {
        let image = image?;
        writer.image(&image)?;
        copies.written(&image.digest, &image.facts).await?;
    }
    let answers = exporting.answers();
    pin_mut!(answers);
    while let Some(answer) = answers.next().await {
        let (key, answer) = answer?;
        writer.answer(&key, &answer)?;
        if copies.stop.is_cancelled() {
            bail!(Interrupted);
        }
    }
    writer.end()?;
    Ok(())
}

/// The tags that images show, as a table.
async fn table(
    exporting: &Exporting,
    output: &mut Output,
    copies: &mut Copies<'_>,
    zone: chrono_tz::Tz,
) -> anyhow::Result<()> {
    let mut writer = CsvWriter::begin(output, zone)?;
    let images = exporting.images();
    pin_mut!(images);
    while let Some(image) = images.next().await {
        let image = image?;
        writer.image(&image)?;
        copies.written(&image.digest, &image.facts).await?;
    }
    writer.end()?;
    Ok(())
}
