//! `etiqueta tag`: prints the tags of images, without storing anything.

mod files;
mod output;

use std::{
    io::{self, IsTerminal},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use domain::{
    Tag, Tags, Threshold,
    service::{Tagger, TaggerError},
};
use futures_util::{Stream, StreamExt, future::try_join_all, pin_mut, stream};
use indicatif::ProgressDrawTarget;
use support::ByteBudget;
use thiserror::Error;
use tokio::{sync::Semaphore, time::timeout};

use self::{files::Found, output::Output};
use super::{arguments::TagArguments, kind::LeftOut, progress::Progress};
use crate::{releases::Releases, settings::Settings, wiring};

/// How many pictures are processed concurrently per core: while one is decoded or tagged, the next is read.
const AT_A_TIME: usize = 2;

/// Time-out for removing hosted pictures at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// A picture and its tags, or the error.
#[derive(Debug)]
struct Outcome {
    file: PathBuf,
    tagged: Result<Tagged, FileError>,
}

/// The tags of a picture.
#[derive(Debug)]
struct Tagged {
    /// Those at or above the threshold.
    tags: Tags,
    /// The most confident tag, possibly below the threshold.
    best: Option<Tag>,
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
    #[error("left out: {0}")]
    LeftOut(LeftOut),
    #[error(transparent)]
    Tagging(#[from] TaggerError),
}

/// Some files were not tagged; each was reported.
#[derive(Debug, Error)]
#[error("{failed} of {all} files were not tagged")]
struct SomeFailed {
    failed: usize,
    all: usize,
}

#[derive(Debug, Clone)]
struct Wanted {
    threshold: Threshold,
    image_bytes: usize,
    /// Bounds the bytes of the files read; pixels have a budget of their own.
    budget: ByteBudget,
    /// Bounds how many pictures are decoded or tagged at a time. Others are read and wait.
    turns: Arc<Semaphore>,
}

/// How many pictures are processed concurrently. The local tagger keeps a core busy from decoding on, so
/// more would only occupy memory; with a remote tagger most of the time is spent waiting.
fn turns(is_local: bool, cores: usize) -> usize {
    if is_local { cores } else { AT_A_TIME * cores }
}

pub(super) async fn run(arguments: TagArguments, settings: &Settings) -> anyhow::Result<()> {
    let wiring::Tagging {
        taggers,
        is_local,
        releases,
    } = wiring::tagging(settings)?;
    let wanted = Wanted {
        threshold: arguments
            .min_confidence
            .unwrap_or(settings.tagging.min_confidence),
        image_bytes: settings.limits.image_bytes.get(),
        budget: ByteBudget::new(settings.limits.memory_bytes.get()),
        turns: Arc::new(Semaphore::new(turns(is_local, cores()))),
    };
    let output = Output::new(arguments.json, io::stdout().is_terminal());
    let progress = if io::stderr().is_terminal() {
        let found = arguments.files.clone().into_iter().flat_map(files::find);
        Progress::begin(found, ProgressDrawTarget::stderr)
    } else {
        Progress::hidden()
    };
    let interrupted = async {
        // Without a signal handler Ctrl-C ends the process anyway.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let outcome = tokio::select! {
        outcome = print_all(outcomes(arguments.files, taggers, wanted), output, &progress) => outcome,
        () = interrupted => Err(anyhow::anyhow!("interrupted")),
    };
    drop(progress);
    drain(releases).await;
    outcome
}

/// Removes pictures that were hosted for the provider, so that none stays public.
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
        if !outcome.is_left_out() {
            all += 1;
            failed += usize::from(outcome.tagged.is_err());
        }
        progress.advance(|| output.write(&outcome, &mut io::stdout(), &mut io::stderr()))?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(SomeFailed { failed, all }.into()),
    }
}

/// Tags files, and the pictures in folders: in the order of the names, several at a time.
fn outcomes(
    names: Vec<PathBuf>,
    taggers: Vec<Tagger>,
    wanted: Wanted,
) -> impl Stream<Item = Outcome> {
    stream::iter(names.into_iter().flat_map(files::find))
        .map(move |Found { file, problem }| {
            let (taggers, wanted) = (taggers.clone(), wanted.clone());
            async move {
                let outcome = match problem {
                    Some(problem) => Err(problem),
                    None => tag(&file, &taggers, &wanted).await,
                };
                Outcome {
                    file,
                    tagged: outcome,
                }
            }
        })
        .buffered(AT_A_TIME * cores())
}

async fn tag(file: &Path, taggers: &[Tagger], wanted: &Wanted) -> Result<Tagged, FileError> {
    let (bytes, _place) = files::read(file.to_owned(), wanted.image_bytes, &wanted.budget).await?;
    // Fails only if the semaphore is closed, which never happens.
    let _turn = wanted.turns.acquire().await.ok();
    let calls = taggers.iter().map(|tagger| tagger.tag_file(bytes.clone()));
    let answers = try_join_all(calls).await?;
    // Of two tags with one label the higher confidence counts.
    let tags: Tags = answers.iter().flatten().cloned().collect();
    Ok(Tagged {
        best: tags.iter().next().cloned(),
        tags: tags.at_least(wanted.threshold),
    })
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

impl Outcome {
    fn is_left_out(&self) -> bool {
        matches!(self.tagged, Err(FileError::LeftOut(_)))
    }
}

#[cfg(test)]
mod tests;
