//! `etiqueta sidecar`: writes the tags of pictures into XMP sidecars beside them.
//!
//! A picture is recognised by its bytes, wherever it is and whatever it is called.

mod arguments;
mod output;
mod update;

use std::{io, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use domain::{
    Threshold,
    ports::ImageStoreError,
    service::{SidecarTags, Sidecars},
};
use futures_util::{Stream, StreamExt, pin_mut, stream};
use indicatif::ProgressDrawTarget;
use support::ByteBudget;
use thiserror::Error;
use tokio::task;
use tokio_util::sync::CancellationToken;
use xmp::Wanted;

pub(super) use self::arguments::SidecarArguments;
use self::{
    output::{Output, Summary},
    update::{UpdateError, Updated, sweep, update},
};
use super::{
    exit::Usage,
    import::{
        self,
        read::Reading,
        search::{self, Exclusion, Found},
    },
    progress::Progress,
    sidecar_files,
    signals::stop_on_signal,
};
use crate::{
    settings::Settings,
    wiring::{self, Database},
};

/// How many pictures in a row may fail because of the database before the command ends.
const MOST_IN_A_ROW: usize = 20;

/// What became of a picture.
struct Outcome {
    name: String,
    result: Result<Done, Failure>,
}

/// What was done for a picture.
enum Done {
    /// Its sidecar was written.
    Written(PathBuf),
    /// Its sidecar is as it should be.
    Unchanged,
    /// The store has no such picture.
    Unknown,
}

/// Why the sidecar of a picture is not as it should be.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Picture(#[from] import::Failure),
    #[error(transparent)]
    Sidecar(#[from] UpdateError),
    #[error(transparent)]
    Store(#[from] ImageStoreError),
    #[error("it could not be worked on")]
    Broken(#[from] task::JoinError),
}

/// Some sidecars are not as they should be; each was reported.
#[derive(Debug, Error)]
#[error("{failed} of {all} pictures failed")]
struct SomeFailed {
    failed: u64,
    all: u64,
}

/// What is to be written, and where it is known from.
struct Writing {
    sidecars: Sidecars,
    reading: Reading,
    root: Option<String>,
    lowest: Threshold,
}

pub(super) async fn run(arguments: SidecarArguments, settings: &Settings) -> anyhow::Result<()> {
    let is_bucket = |path: &&PathBuf| path.to_str().is_some_and(|it| it.starts_with("s3://"));
    if let Some(url) = arguments.paths.iter().find(is_bucket) {
        let url = url.display();
        let reason = format!("{url}: sidecars are written beside files, not into buckets");
        return Err(Usage::because(reason).into());
    }
    let output = Output::new(arguments.json);
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone());
    let database = Database::new(settings)?;
    // Before anything is opened: looking makes no file.
    database.require_schema().await?;
    let writing = Writing {
        sidecars: wiring::managing_sidecars(&database)?,
        reading: Reading {
            limit: settings.limits.image_bytes.get(),
            budget: ByteBudget::new(settings.limits.memory_bytes.get()),
        },
        root: arguments.root,
        lowest: arguments.min_confidence.unwrap_or(Threshold::NONE),
    };
    let originals = wiring::originals_folder(settings)?;
    let exclusion = Exclusion::new(arguments.exclude, originals.as_deref());
    let (paths, counted) = (arguments.paths, exclusion.clone());
    let progress = import::progress(|| {
        let files = find(paths.clone(), counted);
        Progress::begin(files, ProgressDrawTarget::stderr)
    });
    let outcomes = outcomes(find(paths, exclusion), Arc::new(writing), stop.clone());
    report_all(outcomes, output, &progress, &stop).await
}

/// The files that may be pictures, in the order of their names.
fn find(paths: Vec<PathBuf>, exclusion: Exclusion) -> impl Iterator<Item = Found> + Send + 'static {
    let found = paths.into_iter();
    let found = found.flat_map(move |path| search::find(path, exclusion.clone()));
    found.filter(|found| !sidecar_files::is_sidecar(&found.path))
}

/// Brings sidecars in line, several at a time; no further ones once `stop` is cancelled.
fn outcomes(
    found: impl Iterator<Item = Found>,
    writing: Arc<Writing>,
    stop: CancellationToken,
) -> impl Stream<Item = Option<Outcome>> {
    stream::iter(found)
        .take_until(stop.cancelled_owned())
        .map(move |found| {
            let writing = Arc::clone(&writing);
            async move {
                let name = found.shown.to_string_lossy().into_owned();
                match writing.write(found).await {
                    Ok(done) => done.map(|done| {
                        let result = Ok(done);
                        Outcome { name, result }
                    }),
                    Err(Failure::Picture(import::Failure::LeftOut(_))) => None,
                    Err(error) => Some(Outcome {
                        name,
                        result: Err(error),
                    }),
                }
            }
        })
        .buffered(import::at_a_time())
}

impl Writing {
    /// Brings the sidecar of a file in line. None if the file is not a picture's.
    async fn write(&self, found: Found) -> Result<Option<Done>, Failure> {
        if let Some(problem) = found.problem {
            return Err(problem.into());
        }
        let picture = found.path;
        if sweep(&picture) {
            return Ok(None);
        }
        let content = self.reading.read(picture.clone(), !found.is_named).await?;
        let digest = content.digest;
        drop(content);
        let Some(tags) = self.sidecars.tags_of(&digest, self.lowest).await? else {
            return Ok(Some(Done::Unknown));
        };
        let SidecarTags { tags, paths } = tags;
        let root = self.root.clone();
        let wanted = Wanted { root, tags, paths };
        let updated = task::spawn_blocking(move || update(&picture, &wanted)).await?;
        Ok(Some(match updated? {
            Updated::Written(path) => Done::Written(path),
            Updated::Unchanged => Done::Unchanged,
        }))
    }
}

/// Writes outcomes and what became of all. Ends early if the database fails for one picture after the other.
async fn report_all(
    outcomes: impl Stream<Item = Option<Outcome>>,
    output: Output,
    progress: &Progress,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    pin_mut!(outcomes);
    let (mut summary, mut in_a_row, mut given_up) = (Summary::default(), 0, None);
    while let Some(outcome) = outcomes.next().await {
        let Some(outcome) = outcome else {
            progress.pass();
            continue;
        };
        summary.note(&outcome);
        progress.advance(|| output.write(&outcome, &mut io::stdout(), &mut io::stderr()))?;
        in_a_row = match &outcome.result {
            Err(Failure::Store(_)) => in_a_row + 1,
            _ => 0,
        };
        if in_a_row >= MOST_IN_A_ROW {
            given_up = outcome.result.err();
            break;
        }
    }
    progress.aside(|| output.summary(summary, &mut io::stdout()))?;
    if let Some(error) = given_up {
        let reason = "given up after 20 failures in a row; start it again to go on";
        return Err(anyhow::Error::from(error)).context(reason);
    }
    if stop.is_cancelled() {
        anyhow::bail!("interrupted; start it again to go on");
    }
    match (summary.failed, summary.all()) {
        (0, _) => Ok(()),
        (failed, all) => Err(SomeFailed { failed, all }.into()),
    }
}
