//! `etiqueta tag`: the tags of pictures, without storing anything.

mod files;
mod output;

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use domain::{
    Tags, Threshold,
    service::{Tagger, TaggerError},
};
use futures_util::{Stream, StreamExt, pin_mut, stream};
use thiserror::Error;
use tokio::time::timeout;

use self::{files::Found, output::Output};
use super::arguments::TagArguments;
use crate::{releases::Releases, settings::Settings, wiring};

/// How many pictures are worked at together; each is in memory as a whole.
const AT_A_TIME: usize = 4;

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
#[derive(Debug, Clone, Copy)]
struct Wanted {
    threshold: Threshold,
    image_bytes: usize,
}

pub(super) async fn run(arguments: TagArguments, settings: &Settings) -> anyhow::Result<()> {
    let wiring::Tagging { tagger, releases } = wiring::tagging(settings)?;
    let wanted = Wanted {
        threshold: arguments
            .min_confidence
            .unwrap_or(settings.tagging.min_confidence),
        image_bytes: settings.limits.image_bytes.get(),
    };
    let output = Output::new(arguments.json, io::stdout().is_terminal());
    let interrupted = async {
        // Without a signal handler Ctrl-C ends the process by itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let outcome = tokio::select! {
        outcome = print_all(outcomes(arguments.files, tagger, wanted), output) => outcome,
        () = interrupted => Err(anyhow::anyhow!("interrupted")),
    };
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

async fn print_all(outcomes: impl Stream<Item = Outcome>, output: Output) -> anyhow::Result<()> {
    pin_mut!(outcomes);
    let (mut failed, mut all) = (0, 0);
    while let Some(outcome) = outcomes.next().await {
        all += 1;
        failed += usize::from(outcome.tags.is_err());
        output.write(&outcome, &mut io::stdout(), &mut io::stderr())?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(SomeFailed { failed, all }.into()),
    }
}

/// Tags files, and the pictures in folders; in the order of the names, several at a time.
fn outcomes(names: Vec<PathBuf>, tagger: Tagger, wanted: Wanted) -> impl Stream<Item = Outcome> {
    stream::iter(names.into_iter().flat_map(files::find))
        .map(move |Found { file, problem }| {
            let tagger = tagger.clone();
            async move {
                let tags = match problem {
                    Some(problem) => Err(problem),
                    None => tag(&file, &tagger, wanted).await,
                };
                Outcome { file, tags }
            }
        })
        .buffered(AT_A_TIME)
}

async fn tag(file: &Path, tagger: &Tagger, wanted: Wanted) -> Result<Tags, FileError> {
    let bytes = files::read(file.to_owned(), wanted.image_bytes).await?;
    let tags = tagger.tag_file(bytes).await?;
    Ok(tags.at_least(wanted.threshold))
}

#[cfg(test)]
mod tests;
