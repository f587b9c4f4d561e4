//! `etiqueta import --from-flask`: the pictures and tags of the Flask program that Etiqueta replaces.

use std::{
    num::NonZeroU32,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use chrono::{DateTime, MappedLocalTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use domain::{
    Confidence, ImageId, ImportedFile, Label, Tag, Tags,
    ports::{ArchiveError, ArchivedPicture, PictureArchive},
    service::{ForeignPicture, Imported, Importing},
};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use indicatif::ProgressDrawTarget;
use secrecy::ExposeSecret;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    Failure, ImportArguments, Outcome, at_a_time, output::Output, progress, read::Reading,
    report_all, store::Store,
};
use crate::{
    cli::{exit::Usage, progress::Progress},
    settings::Settings,
    wiring,
};

/// How many rows are read at a time.
const PAGE: NonZeroU32 = NonZeroU32::new(200).unwrap();

/// Time-out of the connection to the other program's database.
const CONNECT: Duration = Duration::from_secs(30);

/// Who gave that program's tags.
const PROVIDER: &str = "imagga";

/// Where that program's pictures are, and how its dates are read.
#[derive(Debug, Clone)]
struct Source {
    folder: PathBuf,
    zone: Tz,
    reading: Reading,
}

pub(super) async fn run(
    arguments: ImportArguments,
    settings: &Settings,
    output: Output,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (Some(url), Some(folder)) = (arguments.from_flask, arguments.images) else {
        bail!(Usage::because("--from-flask needs --images"));
    };
    let archive = wiring::flask_archive(url.0.expose_secret())
        .map_err(|error| Usage::because(format!("--from-flask: {error}")))?;
    if !folder.is_dir() {
        let reason = format!("--images: there is no folder {}", folder.display());
        bail!(Usage::because(reason));
    }
    // Before anything is made here.
    let pictures = timeout(CONNECT, archive.count()).await;
    let pictures = pictures
        .context("connecting to the Flask program's database")?
        .context("reading the Flask program's pictures")?;
    let store = Store::open(settings).await?;
    let source = Source {
        folder: folder.canonicalize()?,
        zone: arguments.timezone.unwrap_or(settings.server.timezone),
        reading: store.reading.clone(),
    };
    let progress = progress(|| Progress::over(pictures, ProgressDrawTarget::stderr()));
    let (broken, outcomes) = outcomes(archive, store.importing.clone(), source, stop.clone());
    let ended = report_all(outcomes, output, &progress, stop).await;
    drop(progress);
    store.close().await;
    if let Some(error) = broken.take() {
        return Err(error).context("reading the Flask program's pictures; start it again to go on");
    }
    ended
}

/// Why the rows ended early.
#[derive(Debug, Clone, Default)]
struct Broken(Arc<Mutex<Option<ArchiveError>>>);

impl Broken {
    fn note(&self, error: ArchiveError) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *noted = Some(error);
    }

    fn take(&self) -> Option<ArchiveError> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.take()
    }
}

/// Imports all pictures, several at a time; no further ones once `stop` is cancelled, or the archive fails.
fn outcomes(
    archive: Arc<dyn PictureArchive>,
    importing: Importing,
    source: Source,
    stop: CancellationToken,
) -> (Broken, impl Stream<Item = Outcome>) {
    let (broken, source) = (Broken::default(), Arc::new(source));
    let ended = broken.clone();
    let outcomes = rows(archive)
        .take_until(stop.cancelled_owned())
        .filter_map(move |row| {
            let row = row.map_err(|error| ended.note(error));
            std::future::ready(row.ok())
        })
        .map(move |row| {
            let (importing, source) = (importing.clone(), Arc::clone(&source));
            async move {
                let mut notes = Vec::new();
                let result = import(&row, &importing, &source, &mut notes).await;
                Outcome {
                    name: format!("picture {:?} ({})", row.id, row.path),
                    result,
                    notes,
                }
            }
        })
        .buffered(at_a_time());
    (broken, outcomes)
}

/// All rows, page by page; ends after an error.
fn rows(
    archive: Arc<dyn PictureArchive>,
) -> impl Stream<Item = Result<ArchivedPicture, ArchiveError>> {
    let pages = stream::try_unfold(Some(None::<String>), move |after| {
        let archive = Arc::clone(&archive);
        async move {
            let Some(after) = after else {
                return Ok(None);
            };
            let page = archive.page(after.as_deref(), PAGE).await?;
            let is_full = page.len() >= PAGE.get() as usize;
            let last = page.last().filter(|_| is_full).map(|row| row.id.clone());
            Ok(Some((
                stream::iter(page.into_iter().map(Ok)),
                last.map(Some),
            )))
        }
    });
    pages.try_flatten()
}

async fn import(
    row: &ArchivedPicture,
    importing: &Importing,
    source: &Source,
    notes: &mut Vec<String>,
) -> Result<Imported, Failure> {
    let id = row.id.parse::<ImageId>();
    let id = id.map_err(|error| Failure::Row(format!("its id cannot be kept: {error}")))?;
    let registered_at = moment(&row.date, source.zone).map_err(Failure::Row)?;
    let path = locate(&source.folder, &row.path);
    let path = path.ok_or_else(|| {
        let folder = source.folder.display();
        Failure::Row(format!("its file is not in {folder}"))
    })?;
    let content = source.reading.read(path.clone(), false).await?;
    let tags = tags(&row.tags, notes);
    let picture = ForeignPicture {
        id,
        registered_at,
        tags,
        provider: PROVIDER.to_owned(),
        bytes: content.bytes.clone(),
        digest: content.digest,
        file_name: row.path.clone(),
        imported: Some(ImportedFile::new(
            &content.digest,
            path.as_os_str().as_encoded_bytes(),
        )),
    };
    Ok(importing.adopt(picture).await?)
}

/// The tags that can be taken over. What is wrong with the others is noted.
fn tags(rows: &[(String, Option<f64>)], notes: &mut Vec<String>) -> Tags {
    let mut note = |name: &str, reason: String| {
        notes.push(format!("its tag {name:?} is left out: {reason}"));
        None
    };
    let tags = rows.iter().filter_map(|(name, confidence)| {
        let Some(confidence) = confidence else {
            return note(name, "its confidence is no number".to_owned());
        };
        match (Label::parse(name), Confidence::new(*confidence)) {
            (Ok(label), Ok(confidence)) => Some(Tag { label, confidence }),
            (Err(error), _) => note(name, error.to_string()),
            (_, Err(error)) => note(name, error.to_string()),
        }
    });
    tags.collect()
}

/// A date of that program, `YYYY-MM-DD HH:MM:SS`, by a clock in a zone. Of a time that the clock showed twice, the
/// first.
fn moment(text: &str, zone: Tz) -> Result<DateTime<Utc>, String> {
    let bad = || format!("its date {text:?} is not of the form YYYY-MM-DD HH:MM:SS");
    let (seconds, fraction) = text.split_at_checked(19).ok_or_else(bad)?;
    // Chrono takes shorter numbers, signs and leap seconds, too.
    let is_form = seconds.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b' ' || byte == b'T',
        13 | 16 => byte == b':',
        17 => (b'0'..=b'5').contains(&byte),
        _ => byte.is_ascii_digit(),
    });
    let is_fraction = fraction.is_empty()
        || fraction.strip_prefix('.').is_some_and(|digits| {
            (1..=6).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit())
        });
    if !is_form || !is_fraction {
        return Err(bad());
    }
    let text = text.replacen('T', " ", 1);
    let local = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f");
    let local = local.map_err(|_| format!("its date {text:?} does not exist"))?;
    let at = match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => at.to_utc(),
        MappedLocalTime::None => {
            return Err(format!(
                "its date {text:?} does not exist in {zone}; name another zone by --timezone"
            ));
        }
    };
    if at < DateTime::UNIX_EPOCH {
        return Err(format!("its date {text:?} is before 1970"));
    }
    Ok(at)
}

/// The file of a picture: its path as that program saw it, or as much of its end as there is below the folder. Never
/// one outside the folder.
fn locate(folder: &Path, path: &str) -> Option<PathBuf> {
    let parts: Option<Vec<_>> = Path::new(path)
        .components()
        .filter(|part| !matches!(part, Component::RootDir | Component::CurDir))
        .map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    let parts = parts?;
    let ends = (0..parts.len()).map(|from| {
        let end: PathBuf = parts.iter().skip(from).collect();
        folder.join(end)
    });
    ends.into_iter().find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2024-01-11 08:00:05", "2024-01-11T07:00:05+00:00")]
    #[case("2024-07-11 08:00:05", "2024-07-11T06:00:05+00:00")]
    #[case("2024-01-11T08:00:05.25", "2024-01-11T07:00:05.250+00:00")]
    #[case("2023-10-29 02:30:00", "2023-10-29T00:30:00+00:00")]
    fn dates_are_read_in_their_zone(#[case] text: &str, #[case] expected: &str) {
        let at = moment(text, chrono_tz::Europe::Madrid).unwrap();
        assert_eq!(at.to_rfc3339(), expected);
    }

    #[rstest]
    #[case("")]
    #[case("yesterday")]
    #[case("2024-1-11 8:00:00")]
    #[case("2024-01-11")]
    #[case("2024-01-11 08:00:60")]
    #[case("2024-01-11 08:00:00.1234567")]
    #[case("2024-01-11 08:00:00Z")]
    #[case("2024-13-11 08:00:00")]
    #[case("2024-02-30 08:00:00")]
    #[case("0000-00-00 00:00:00")]
    #[case("1969-12-31 08:00:00")]
    #[case("2024-03-31 02:30:00")]
    #[case("2024-01-11 08:00:0ñ")]
    fn other_dates_are_told(#[case] text: &str) {
        let error = moment(text, chrono_tz::Europe::Madrid).unwrap_err();
        assert!(error.starts_with("its date"), "{error}");
    }

    #[test]
    fn files_are_found_by_the_end_of_their_paths_and_inside_the_folder_alone() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("Images");
        std::fs::create_dir_all(folder.join("more")).unwrap();
        for file in ["img_1", "more/img_2"] {
            std::fs::write(folder.join(file), "x").unwrap();
        }
        std::fs::write(home.path().join("secret"), "x").unwrap();
        for (path, found) in [
            ("/app/Images/img_1", Some("img_1")),
            ("img_1", Some("img_1")),
            ("./img_1", Some("img_1")),
            ("/app/Images/more/img_2", Some("more/img_2")),
            ("/app/Images/img_2", None),
            ("../secret", None),
            ("/app/Images/../img_1", None),
            ("more", None),
            ("", None),
        ] {
            let expected = found.map(|file| folder.join(file));
            assert_eq!(locate(&folder, path), expected, "{path}");
        }
    }

    #[test]
    fn tags_are_folded_and_wrong_ones_noted() {
        let mut notes = Vec::new();
        let rows = [
            ("Car".to_owned(), Some(61.0)),
            (" car ".to_owned(), Some(70.0)),
            ("dog".to_owned(), Some(101.0)),
            ("cat".to_owned(), None),
            (" ".to_owned(), Some(50.0)),
        ];
        let tags = tags(&rows, &mut notes);
        assert_eq!(tags, domain_testing::tags(&[("car", 70.0)]));
        assert_eq!(notes.len(), 3, "{notes:?}");
    }
}
