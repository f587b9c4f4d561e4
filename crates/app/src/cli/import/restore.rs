//! `etiqueta import --from-export`: what `etiqueta export` wrote, with its ids, dates, tags and answers.
//!
//! A file is read twice: it is checked as a whole before anything is made. Standard input is checked as it comes.

mod batch;
mod checked;
mod report;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use domain::{
    ContentDigest, ImageFacts, VocabularyEntry,
    ports::{Cause, StoredImage, cause},
    service::{ReadOriginal, RestoreError, Restored, Restoring, VocabularyError},
};
use futures_util::FutureExt;
use indicatif::ProgressDrawTarget;
use support::ByteBudget;
use tokio::task;
use tokio_util::sync::CancellationToken;

use self::{
    batch::Batch,
    checked::Checked,
    report::{Report, Reporter},
};
use super::{
    Failure, ImportArguments, Interrupted,
    read::{Content, Reading},
};
use crate::{
    cli::{
        exit::{Usage, one_line},
        export::{
            format::{ExportReader, Numbered, ReadError, Record},
            originals,
        },
        progress::Progress,
    },
    settings::Settings,
    wiring,
};

/// The name of a file that stands for standard input.
const STANDARD: &str = "-";

/// The bytes that are read at once.
const BUFFER: usize = 256 << 10;

type Input = Box<dyn BufRead + Send>;

pub(super) async fn run(
    arguments: ImportArguments,
    settings: &Settings,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let path = arguments.from_export.unwrap_or_else(|| STANDARD.into());
    let shown = path.display().to_string();
    let folder = arguments.originals;
    if let Some(folder) = folder.as_ref().filter(|folder| !folder.is_dir()) {
        let reason = format!("--originals: there is no folder {}", folder.display());
        bail!(Usage::because(reason));
    }
    let is_file = path != Path::new(STANDARD);
    // Before anything is made here.
    let checked = if is_file {
        Some(check(path.clone(), stop.clone()).await?)
    } else {
        None
    };
    let restoring = wiring::restoring(settings).await?;
    if !arguments.merge {
        checked::require_own(&restoring, checked.as_ref(), &path).await?;
    }
    let records = checked.map(|checked| checked.counts.sum());
    let progress = match records {
        Some(records) if io::stderr().is_terminal() => {
            Progress::over(records, ProgressDrawTarget::stderr())
        }
        _ => Progress::hidden(),
    };
    let files = folder.map(|folder| OriginalFiles {
        folder,
        reading: Reading {
            limit: settings.limits.image_bytes.get(),
            budget: ByteBudget::new(settings.limits.memory_bytes.get()),
        },
    });
    let import = Import {
        restoring,
        files,
        progress,
        reporter: Reporter::new(arguments.json),
        report: Report::default(),
    };
    import.run(&path, stop).await.with_context(|| shown)
}

/// Opens an export and reads its first line.
fn open(path: &Path) -> Result<ExportReader<Input>, ReadError> {
    let input: Input = if path == Path::new(STANDARD) {
        Box::new(BufReader::with_capacity(BUFFER, io::stdin()))
    } else {
        Box::new(BufReader::with_capacity(BUFFER, File::open(path)?))
    };
    ExportReader::begin(input)
}

/// Reads a file to its end.
async fn check(path: PathBuf, stop: CancellationToken) -> anyhow::Result<Checked> {
    let shown = path.display().to_string();
    let checked = task::spawn_blocking(move || Checked::read(&path, &stop)).await?;
    checked.map_err(|error| {
        let reason = one_line(error.as_ref());
        anyhow!("{shown}: {reason}; nothing was imported")
    })
}

/// An import under way.
struct Import {
    restoring: Restoring,
    files: Option<OriginalFiles>,
    progress: Progress,
    reporter: Reporter,
    report: Report,
}

impl Import {
    async fn run(mut self, path: &Path, stop: &CancellationToken) -> anyhow::Result<()> {
        let ended = self.restore_all(path, stop).await;
        let Self {
            progress,
            reporter,
            report,
            ..
        } = self;
        drop(progress);
        // What was done stays done, however it ended.
        reporter.summary(&report)?;
        ended?;
        report.outcome()
    }

    async fn restore_all(&mut self, path: &Path, stop: &CancellationToken) -> anyhow::Result<()> {
        let mut batches = batch::in_background(open(path)?)?;
        loop {
            let batch = tokio::select! {
                batch = batches.recv() => batch,
                () = stop.cancelled() => bail!(Interrupted),
            };
            let Some(batch) = batch else {
                return Ok(());
            };
            let batch = batch.map_err(|error| {
                let reason = one_line(&error);
                anyhow!(
                    "{reason}; what came before it was imported, start again with a whole export"
                )
            })?;
            let restored = self.restore(batch).await;
            restored.context("restoring; start it again to go on")?;
        }
    }

    async fn restore(&mut self, batch: Batch) -> anyhow::Result<()> {
        let (mut lines, mut entries, mut images, mut answers) = (vec![], vec![], vec![], vec![]);
        for Numbered { line, record } in batch {
            lines.push((line, report::name(&record)));
            match record {
                Record::Entry(entry) => entries.push(entry),
                Record::Image(image) => images.push(*image),
                Record::Answer(key, answer) => answers.push((key, answer)),
            }
        }
        let (tally, outcomes) = if !entries.is_empty() {
            let restored = self.restore_vocabulary(&entries).await?;
            (&mut self.report.vocabulary, restored)
        } else if !images.is_empty() {
            let restored = self.restore_images(&images).await?;
            (&mut self.report.images, restored)
        } else {
            let restored = self.restoring.restore_answers(&answers).await?;
            (&mut self.report.answers, restored)
        };
        for ((line, name), outcome) in lines.into_iter().zip(outcomes) {
            tally.note(&outcome);
            if let Err(error) = outcome {
                let failure = report::Failed { line, name, error };
                let reporter = self.reporter;
                self.progress.advance(|| reporter.failed(&failure))?;
            } else {
                self.progress.pass();
            }
        }
        Ok(())
    }

    async fn restore_vocabulary(
        &self,
        entries: &[VocabularyEntry],
    ) -> anyhow::Result<Vec<Result<Restored, RestoreError>>> {
        let restored = self.restoring.restore_vocabulary(entries).await;
        match restored {
            Err(error @ VocabularyError::Conflict(_)) => {
                Err(error).context("the vocabulary does not fit to the one that is there")
            }
            restored => Ok(restored?),
        }
    }

    async fn restore_images(
        &self,
        images: &[StoredImage],
    ) -> anyhow::Result<Vec<Result<Restored, RestoreError>>> {
        let Some(files) = &self.files else {
            return Ok(self.restoring.restore_images(images, None).await?);
        };
        let read = |digest: ContentDigest, facts: ImageFacts| files.read(digest, facts).boxed();
        let read: &ReadOriginal<'_> = &read;
        Ok(self.restoring.restore_images(images, Some(read)).await?)
    }
}

/// The originals beside an export.
struct OriginalFiles {
    folder: PathBuf,
    reading: Reading,
}

impl OriginalFiles {
    async fn read(&self, digest: ContentDigest, facts: ImageFacts) -> Result<Option<Bytes>, Cause> {
        let path = originals::path(&self.folder, &digest, &facts);
        match self.reading.read(path, false).await {
            // With its share of the budget.
            Ok(content) => Ok(Some(Bytes::from_owner(content))),
            Err(Failure::Unreadable(error)) if is_not_found(&error) => Ok(None),
            Err(error) => Err(cause(error)),
        }
    }
}

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn is_not_found(error: &Cause) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}
