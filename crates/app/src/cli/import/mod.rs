//! `etiqueta import`: pictures from folders, or from the Flask program, directly into the store.
//!
//! Each picture goes the way of an upload, by the same service. What was imported before is recognised by its content and
//! path, so that an import that was broken off goes on where it was, and a second one does nothing.

mod arguments;
mod flask;
mod keywords;
mod objects;
mod output;
pub(super) mod read;
mod restore;
pub(super) mod search;
mod store;

use std::{
    io::{self, IsTerminal},
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
    thread,
};

use domain::{
    ImportedFile, Threshold,
    ports::{CallContext, Cause, FileSource, FileSourceError, cause},
    service::{AdoptError, Imported, Importing, IngestError, Sidecars, TaggerChoice, Upload},
};
use futures_util::{Stream, StreamExt, pin_mut, stream, stream::BoxStream};
use indicatif::ProgressDrawTarget;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub(super) use self::arguments::ImportArguments;
use self::{
    objects::FoundObject,
    output::{Output, Summary},
    read::Reading,
    search::{Exclusion, Found},
    store::Store,
};
use super::{
    exit::Usage, kind::LeftOut, progress::Progress, sidecar_files, signals::stop_on_signal,
};
use crate::{settings::Settings, wiring};

/// How many files are under way per core: some are read, decoded or tagged while others are written.
const AT_A_TIME: usize = 4;

/// How many files in a row may fail for a reason that is not theirs before the import is given up.
const MOST_IN_A_ROW: usize = 20;

/// What became of a file.
#[derive(Debug)]
struct Outcome {
    /// The file, or the row of a picture.
    name: String,
    result: Result<Imported, Failure>,
    /// What was imported incompletely.
    notes: Vec<String>,
}

/// Why a file was not imported.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error("left out: {0}")]
    LeftOut(LeftOut),
    #[error("it cannot be read")]
    Unreadable(#[source] Cause),
    #[error("it has more than the {limit} bytes of `limits.image_bytes`")]
    TooLarge { limit: usize },
    /// The row of a picture of another program is wrong.
    #[error("{0}")]
    Row(String),
    /// An object of a bucket cannot be read.
    #[error(transparent)]
    Source(#[from] FileSourceError),
    #[error(transparent)]
    Adopting(#[from] AdoptError),
    #[error(transparent)]
    Importing(#[from] IngestError),
}

impl Failure {
    /// Whether what failed is needed by all files.
    fn is_of_service(&self) -> bool {
        match self {
            Self::Importing(error) => !error.is_of_picture(),
            Self::Adopting(error) => !error.is_of_picture(),
            Self::Source(error) => matches!(error, FileSourceError::Unavailable(_)),
            _ => false,
        }
    }
}

/// Some files were not imported; each was reported.
#[derive(Debug, Error)]
#[error("{failed} of {all} files were not imported")]
struct SomeFailed {
    failed: u64,
    all: u64,
}

/// The import was given up.
#[derive(Debug, Error)]
#[error("given up after {MOST_IN_A_ROW} failures in a row; start it again to go on")]
struct GivenUp(#[source] Cause);

/// The import was interrupted.
#[derive(Debug, Error)]
#[error("interrupted; start it again to go on")]
struct Interrupted;

pub(super) async fn run(arguments: ImportArguments, settings: &Settings) -> anyhow::Result<()> {
    let output = Output::new(arguments.json);
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone());
    if arguments.from_export.is_some() {
        return restore::run(arguments, settings, &stop).await;
    }
    if arguments.from_flask.is_some() {
        return flask::run(arguments, settings, output, &stop).await;
    }
    let places = arguments.paths.into_iter();
    let places = places.map(|path| Place::of(path, settings));
    let places: Vec<Place> = places.collect::<anyhow::Result<_>>()?;
    if arguments.tags_from_sidecars {
        no_bucket(&places)?;
    }
    let store = Store::open(settings).await?;
    let exclusion = Exclusion::new(arguments.exclude, store.originals.as_deref());
    let progress = progress(|| count(places.clone(), exclusion.clone()));
    let wanted = Wanted {
        threshold: arguments
            .min_confidence
            .unwrap_or(settings.tagging.min_confidence),
        reading: store.reading.clone(),
        exclusion,
        sidecars: arguments.tags_from_sidecars.then(|| store.sidecars.clone()),
    };
    let outcomes = outcomes(places, store.importing.clone(), wanted, stop.clone());
    let ended = report_all(outcomes, output, &progress, &stop).await;
    drop(progress);
    store.close().await;
    ended
}

/// Fails if something is to be imported from a bucket, where no sidecars are looked for.
fn no_bucket(places: &[Place]) -> anyhow::Result<()> {
    let buckets = places.iter().find_map(|place| match place {
        Place::Bucket { url, .. } => Some(url),
        Place::Path(_) => None,
    });
    buckets.map_or(Ok(()), |url| {
        let reason = format!("{url}: --tags-from-sidecars reads files and folders, not buckets");
        Err(Usage::because(reason).into())
    })
}

/// Progress, if standard error is a terminal.
pub(super) fn progress(begin: impl FnOnce() -> Progress) -> Progress {
    if io::stderr().is_terminal() {
        begin()
    } else {
        Progress::hidden()
    }
}

/// Progress over all files.
fn count(places: Vec<Place>, exclusion: Exclusion) -> Progress {
    let runtime = Handle::current();
    let places = places.into_iter();
    let files = places.flat_map(move |place| place.counted(&exclusion, &runtime));
    Progress::begin(files, ProgressDrawTarget::stderr)
}

#[derive(Clone)]
struct Wanted {
    threshold: Threshold,
    reading: Reading,
    exclusion: Exclusion,
    /// Takes the keywords of files along, if they are wanted.
    sidecars: Option<Sidecars>,
}

/// What the user named.
#[derive(Clone)]
enum Place {
    /// A file or a folder.
    Path(PathBuf),
    /// What is in a bucket.
    Bucket {
        url: String,
        source: Arc<dyn FileSource>,
    },
}

/// A file or an object to import.
enum Candidate {
    File(Found),
    Object(FoundObject),
}

impl Place {
    fn of(path: PathBuf, settings: &Settings) -> anyhow::Result<Self> {
        let Some(url) = path.to_str().filter(|it| it.starts_with("s3://")) else {
            return Ok(Self::Path(path));
        };
        let source = wiring::bucket_files(url, settings)
            .map_err(|error| Usage::because(format!("{url}: {error:#}")))?;
        let url = url.to_owned();
        Ok(Self::Bucket { url, source })
    }

    /// The files there, in the order of their names. Sidecars are none: they belong to their pictures.
    fn candidates(self, exclusion: &Exclusion) -> BoxStream<'static, Candidate> {
        match self {
            Self::Path(path) => {
                let found = search::find(path, exclusion.clone());
                let found = found.filter(|found| !sidecar_files::is_sidecar(&found.path));
                stream::iter(found.map(Candidate::File)).boxed()
            }
            Self::Bucket { url, source } => {
                let found = objects::find(source, &url);
                found.map(Candidate::Object).boxed()
            }
        }
    }

    /// As many items as there are files, for a thread that counts them.
    fn counted(
        self,
        exclusion: &Exclusion,
        runtime: &Handle,
    ) -> Box<dyn Iterator<Item = ()> + Send> {
        match self {
            Self::Path(path) => Box::new(search::find(path, exclusion.clone()).map(drop)),
            Self::Bucket { url, source } => {
                let found = objects::find(source, &url);
                Box::new(objects::count(found, runtime.clone()))
            }
        }
    }
}

/// Imports files, several at a time; no further ones once `stop` is cancelled.
fn outcomes(
    places: Vec<Place>,
    importing: Importing,
    wanted: Wanted,
    stop: CancellationToken,
) -> impl Stream<Item = Outcome> {
    let wanted = Arc::new(wanted);
    let exclusion = wanted.exclusion.clone();
    stream::iter(places)
        .flat_map(move |place| place.candidates(&exclusion))
        .take_until(stop.cancelled_owned())
        .map(move |found| {
            let (importing, wanted) = (importing.clone(), Arc::clone(&wanted));
            async move {
                let mut notes = Vec::new();
                let (name, result) = match found {
                    Candidate::File(found) => {
                        let name = found.shown.to_string_lossy().into_owned();
                        (name, import(found, &importing, &wanted, &mut notes).await)
                    }
                    Candidate::Object(found) => {
                        let name = found.url.clone();
                        (name, objects::import(found, &importing, &wanted).await)
                    }
                };
                Outcome {
                    name,
                    result,
                    notes,
                }
            }
        })
        .buffered(at_a_time())
}

async fn import(
    found: Found,
    importing: &Importing,
    wanted: &Wanted,
    notes: &mut Vec<String>,
) -> Result<Imported, Failure> {
    let Found {
        path,
        is_named,
        problem,
        ..
    } = found;
    if let Some(problem) = problem {
        return Err(problem);
    }
    let content = wanted.reading.read(path.clone(), !is_named).await?;
    let name = path.file_name().map(|name| name.to_string_lossy());
    let upload = Upload {
        bytes: content.bytes.clone(),
        digest: content.digest,
        threshold: wanted.threshold,
        taggers: TaggerChoice::default(),
        file_name: name.map(Into::into),
        imported: Some(ImportedFile::new(
            &content.digest,
            path.as_os_str().as_encoded_bytes(),
        )),
        request: None,
        context: CallContext::local(),
    };
    let imported = importing.import(upload).await?;
    if let Some(sidecars) = &wanted.sidecars {
        let (Imported::New(id) | Imported::Present(id)) = &imported;
        keywords::take(sidecars, id, (path, content.bytes), notes).await?;
    }
    Ok(imported)
}

/// Writes outcomes and what became of all. Gives up if files fail one after the other for a reason that is not theirs.
async fn report_all(
    outcomes: impl Stream<Item = Outcome>,
    output: Output,
    progress: &Progress,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    pin_mut!(outcomes);
    let (mut summary, mut in_a_row, mut given_up) = (Summary::default(), 0, None);
    while let Some(outcome) = outcomes.next().await {
        summary.note(&outcome);
        if output.is_silent(&outcome) {
            progress.pass();
        } else {
            progress.advance(|| output.write(&outcome, &mut io::stdout(), &mut io::stderr()))?;
        }
        match outcome.result {
            Err(error) if error.is_of_service() => {
                in_a_row += 1;
                if in_a_row >= MOST_IN_A_ROW {
                    given_up = Some(GivenUp(cause(error)));
                    break;
                }
            }
            Err(Failure::LeftOut(_)) => {}
            _ => in_a_row = 0,
        }
    }
    progress.aside(|| output.summary(&summary, &mut io::stdout(), &mut io::stderr()))?;
    if let Some(given_up) = given_up {
        return Err(given_up.into());
    }
    if stop.is_cancelled() {
        return Err(Interrupted.into());
    }
    match summary.failed {
        0 => Ok(()),
        failed => Err(SomeFailed {
            failed,
            all: summary.all(),
        }
        .into()),
    }
}

pub(super) fn at_a_time() -> usize {
    AT_A_TIME * thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

#[cfg(test)]
mod tests;
