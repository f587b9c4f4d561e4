//! `etiqueta tag`: the tags of pictures, without storing anything.

mod files;
mod output;
mod progress;
mod room;

use std::{
    io::{self, IsTerminal},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use domain::{
    Tags, Threshold,
    service::{Tagger, TaggerError},
};
use futures_util::{Stream, StreamExt, pin_mut, stream};
use indicatif::ProgressDrawTarget;
use thiserror::Error;
use tokio::time::timeout;

use self::{files::Found, output::Output, progress::Progress, room::Room};
use super::arguments::TagArguments;
use crate::{releases::Releases, settings::Settings, wiring};

/// How many pictures for each processor core are worked at together: while one is looked at, the
/// next is read.
const AT_A_TIME: usize = 2;

/// How long the removal of hosted pictures may take at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// A picture and its tags, or why it has none.
#[derive(Debug)]
struct Outcome {
    file: PathBuf,
    tags: Result<Tags, FileError>,
}

/// Why a file was not tagged.
#[derive(Debug, Error)]
enum FileError {
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    #[error("it has more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("there is no picture in this folder")]
    NoPictures,
    #[error(transparent)]
    Tagging(#[from] TaggerError),
}

/// Some files were not tagged; each was told of.
#[derive(Debug, Error)]
#[error("{failed} of {all} files were not tagged")]
struct SomeFailed {
    failed: usize,
    all: usize,
}

/// How to tag.
#[derive(Debug, Clone)]
struct Wanted {
    threshold: Threshold,
    image_bytes: usize,
    /// For the files that are read; their pixels have room of their own.
    room: Room,
}

pub(super) async fn run(arguments: TagArguments, settings: &Settings) -> anyhow::Result<()> {
    let wiring::Tagging { tagger, releases } = wiring::tagging(settings)?;
    let wanted = Wanted {
        threshold: arguments
            .min_confidence
            .unwrap_or(settings.tagging.min_confidence),
        image_bytes: settings.limits.image_bytes.get(),
        room: Room::new(settings.limits.memory_bytes.get()),
    };
    let output = Output::new(arguments.json, io::stdout().is_terminal());
    let progress = if io::stderr().is_terminal() {
        Progress::begin(arguments.files.clone(), ProgressDrawTarget::stderr)
    } else {
        Progress::hidden()
    };
    let interrupted = async {
        // Without a signal handler Ctrl-C ends the process by itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let outcome = tokio::select! {
        outcome = print_all(outcomes(arguments.files, tagger, wanted), output, &progress) => outcome,
        () = interrupted => Err(anyhow::anyhow!("interrupted")),
    };
    drop(progress);
    drain(releases).await;
    outcome
}

/// Pictures that were hosted for the provider are not left public.
async fn drain(releases: Option<Arc<Releases>>) {
    if let Some(releases) = releases
        && timeout(DRAIN, releases.drained()).await.is_err()
    {
        tracing::warn!("hosted pictures are left to the upkeep of a server");
    }
}

async fn print_all(
    outcomes: impl Stream<Item = Outcome>,
    output: Output,
    progress: &Progress,
) -> anyhow::Result<()> {
    pin_mut!(outcomes);
    let (mut failed, mut all) = (0, 0);
    while let Some(outcome) = outcomes.next().await {
        all += 1;
        failed += usize::from(outcome.tags.is_err());
        progress.tell(|| output.write(&outcome, &mut io::stdout(), &mut io::stderr()))?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(SomeFailed { failed, all }.into()),
    }
}

/// Tags files, and the pictures in folders; in the order of the names, several at a time.
fn outcomes(names: Vec<PathBuf>, tagger: Tagger, wanted: Wanted) -> impl Stream<Item = Outcome> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    stream::iter(names.into_iter().flat_map(files::find))
        .map(move |Found { file, problem }| {
            let (tagger, wanted) = (tagger.clone(), wanted.clone());
            async move {
                let tags = match problem {
                    Some(problem) => Err(problem),
                    None => tag(&file, &tagger, &wanted).await,
                };
                Outcome { file, tags }
            }
        })
        .buffered(AT_A_TIME * cores)
}

async fn tag(file: &Path, tagger: &Tagger, wanted: &Wanted) -> Result<Tags, FileError> {
    let (bytes, _place) = files::read(file.to_owned(), wanted.image_bytes, &wanted.room).await?;
    let tags = tagger.tag_file(bytes).await?;
    Ok(tags.at_least(wanted.threshold))
}

#[cfg(test)]
mod tests;
