//! Files and folders, imported into fakes.

use std::{
    fs,
    ops::Range,
    os::unix::{self, net::UnixListener},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use domain::{
    Confidence,
    ports::{CodecError, ImageInfoStore, SourceFile, UpstreamError},
    service::{Ingest, IngestPorts, IngestSettings},
};
use domain_testing::{
    FakeDatabase, FakeImageCodec, FakeOriginalStore, FakeReleaseQueue, FakeTagProvider, Pull,
};
use glob::Pattern;
use serde_json::{Value, json};
use support::ByteBudget;
use tempfile::TempDir;

use super::*;
use crate::clock::SystemClock;

const LIMIT: usize = 100;

/// A folder of files, and a store.
struct Fixture {
    folder: TempDir,
    database: Arc<FakeDatabase>,
    provider: Arc<FakeTagProvider>,
    originals: Option<PathBuf>,
    bucket: Option<Arc<dyn FileSource>>,
    stop: CancellationToken,
}

impl Fixture {
    fn new() -> Self {
        let tags = domain_testing::tags(&[("cat", 90.5), ("dog", 20.0)]);
        let provider = FakeTagProvider::new(Pull::Pixels(std::num::NonZeroU32::MIN));
        Self {
            folder: TempDir::new().unwrap(),
            database: Arc::default(),
            provider: Arc::new(provider.with_tags(tags)),
            originals: None,
            bucket: None,
            stop: CancellationToken::new(),
        }
    }

    /// A picture whose content is its name.
    fn picture(self, name: &str) -> Self {
        let bytes = FakeImageCodec::picture(8, 6, name);
        self.file(name, &bytes)
    }

    fn file(self, name: &str, bytes: &[u8]) -> Self {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    fn importing(&self) -> Importing {
        let ports = IngestPorts {
            images: self.database.clone(),
            taggings: self.database.clone(),
            ledger: self.database.clone(),
            originals: Arc::new(FakeOriginalStore::default()),
            codec: Arc::new(FakeImageCodec::new(1_000_000)),
            provider: self.provider.clone(),
            host: None,
            releases: Arc::new(FakeReleaseQueue::default()),
            clock: Arc::new(SystemClock),
        };
        let settings = IngestSettings {
            claim: TimeDelta::hours(1),
            store_bytes: None,
        };
        let ingest = Arc::new(Ingest::new(ports, settings));
        Importing::new(ingest, self.database.clone(), self.database.clone())
    }

    fn outcomes(&self, names: &[&str], exclude: &[&str]) -> impl Stream<Item = Outcome> + use<> {
        let patterns = exclude.iter().map(|it| Pattern::new(it).unwrap());
        let exclusion = Exclusion::new(patterns.collect(), self.originals.as_deref());
        let names = names.iter().map(|name| self.folder.path().join(name));
        let wanted = Wanted {
            threshold: Threshold::new(Confidence::new(80.0).unwrap()),
            reading: Reading {
                limit: LIMIT,
                budget: ByteBudget::new(1 << 20),
            },
            exclusion,
            sidecars: None,
        };
        let bucket = self.bucket.iter().map(|source| Place::Bucket {
            url: "s3://photos/".to_owned(),
            source: source.clone(),
        });
        let places = names.map(Place::Path).chain(bucket).collect();
        outcomes(places, self.importing(), wanted, self.stop.clone())
    }

    async fn import(&self, names: &[&str]) -> Vec<Outcome> {
        self.outcomes(names, &[]).collect().await
    }

    /// Each outcome as its JSON line, without the id and with the folder left out of the path.
    fn lines(&self, outcomes: &[Outcome]) -> Vec<(String, String)> {
        let folder = format!("{}/", self.folder.path().display());
        let line = |outcome: &Outcome| {
            let mut out = Vec::new();
            let written = Output::Json.write(outcome, &mut out, &mut Vec::new());
            written.unwrap();
            let line: Value = serde_json::from_slice(&out).unwrap();
            let text = |key: &str| line[key].as_str().unwrap_or_default().replace(&folder, "");
            assert_eq!(
                line["image"].is_string(),
                !line["error"].is_string(),
                "{line}"
            );
            let why = text("error");
            let why = if why.is_empty() { text("result") } else { why };
            (text("file"), why)
        };
        outcomes.iter().map(line).collect()
    }
}

fn pairs(lines: &[(String, String)]) -> Vec<(&str, &str)> {
    lines
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect()
}

#[tokio::test]
async fn a_folder_is_imported_in_order_and_the_second_time_left_alone() {
    let fixture = Fixture::new().picture("album/b.jpg").picture("album/a/1");
    let first = fixture.import(&["album"]).await;
    let lines = fixture.lines(&first);
    let expected = [("album/a/1", "imported"), ("album/b.jpg", "imported")];
    assert_eq!(pairs(&lines), expected);
    let images = fixture.database.images();
    let tags: Vec<_> = images.iter().map(|image| image.tags.len()).collect();
    assert_eq!(tags, [1, 1]);
    let Ok(Imported::New(id)) = first[0].result else {
        panic!("{first:?}")
    };
    let infos = fixture.database.infos(&[id]).await.unwrap();
    assert_eq!(infos[&id].file_name.as_deref(), Some("1"));
    let path = fixture.folder.path().canonicalize().unwrap();
    let path = path.join("album/a/1").to_str().unwrap().to_owned();
    assert_eq!(infos[&id].imported.as_ref().unwrap().path, path);

    // However the folder is written.
    for name in ["album", "./album/", "album/../album"] {
        let again = fixture.import(&[name]).await;
        let Ok(Imported::Present(same)) = again[0].result else {
            panic!("{again:?}")
        };
        assert_eq!(same, id);
    }
    let again = fixture.import(&["album/a/1"]).await;
    assert!(matches!(again[0].result, Ok(Imported::Present(_))));
    assert_eq!(fixture.database.images().len(), 2);
    assert_eq!(fixture.provider.calls(), 2);
}

#[tokio::test]
async fn the_same_bytes_elsewhere_are_another_image_without_a_call() {
    let bytes = FakeImageCodec::picture(8, 6, "same");
    let fixture = Fixture::new()
        .file("a.jpg", &bytes)
        .file("copy/a.jpg", &bytes);
    fixture.import(&["a.jpg"]).await;
    fixture.import(&["copy"]).await;
    assert_eq!(fixture.database.images().len(), 2);
    assert_eq!(fixture.provider.calls(), 1);
    let altered = FakeImageCodec::picture(8, 6, "altered");
    let fixture = fixture.file("a.jpg", &altered);
    fixture.import(&["a.jpg"]).await;
    assert_eq!(fixture.database.images().len(), 3);
}

#[tokio::test]
async fn what_is_no_picture_is_told_in_its_place() {
    let fixture = Fixture::new()
        .picture("album/a.jpg")
        .file("album/b.avif", b"\0\0\0\x18ftypavif\0\0\0\0avifmif1")
        .file("album/broken.jpg", b"\xFF\xD8\xFFbroken")
        .file(
            "album/huge.jpg",
            &[b"\xFF\xD8\xFF".as_slice(), &[0; LIMIT]].concat(),
        )
        .file("album/notes.txt", b"notes")
        .picture("album/z.jpg");
    let album = fixture.folder.path().join("album");
    unix::fs::symlink(&album, album.join("loop")).unwrap();
    unix::fs::symlink("nowhere", album.join("missing")).unwrap();
    let _socket = UnixListener::bind(album.join("socket")).unwrap();
    let pipe = album.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let outcomes = fixture.import(&["album", "album/pipe", "gone.jpg"]).await;
    let lines = fixture.lines(&outcomes);
    let no_file = "left out: it is not a regular file";
    assert_eq!(
        pairs(&lines),
        [
            ("album/a.jpg", "imported"),
            (
                "album/b.avif",
                "left out: AVIF pictures are not supported; convert it to JPEG"
            ),
            ("album/broken.jpg", "not a fake picture"),
            (
                "album/huge.jpg",
                "it has more than the 100 bytes of `limits.image_bytes`"
            ),
            (
                "album/loop",
                "left out: a symbolic link leads back to a folder around it"
            ),
            (
                "album/missing",
                "it cannot be read: No such file or directory (os error 2)"
            ),
            ("album/notes.txt", "left out: it is not a picture"),
            ("album/pipe", no_file),
            ("album/socket", no_file),
            ("album/z.jpg", "imported"),
            ("album/pipe", no_file),
            (
                "gone.jpg",
                "it cannot be read: No such file or directory (os error 2)"
            ),
        ]
    );
}

#[tokio::test]
async fn exclusions_match_names_and_paths_and_prune_folders() {
    let fixture = Fixture::new()
        .picture("album/a.png")
        .picture("album/b.jpg")
        .picture("album/@eaDir/c.jpg")
        .picture("album/2019/old/d.jpg")
        .picture("album/2020/2019/e.jpg");
    let exclude = ["*.png", "@eaDir", "2019/**"];
    let outcomes: Vec<_> = fixture.outcomes(&["album"], &exclude).collect().await;
    let lines = fixture.lines(&outcomes);
    let expected = [
        ("album/2020/2019/e.jpg", "imported"),
        ("album/b.jpg", "imported"),
    ];
    assert_eq!(pairs(&lines), expected);
}

#[tokio::test]
async fn the_folder_of_the_originals_is_left_out() {
    let mut fixture = Fixture::new()
        .picture("home/Images/ab/1")
        .picture("home/a.jpg");
    fixture.originals = Some(fixture.folder.path().join("home/Images"));
    let outcomes = fixture.import(&["home", "home/Images/ab"]).await;
    let lines = fixture.lines(&outcomes);
    let own = "left out: it is the folder of this store's originals";
    let expected = [
        ("home/Images", own),
        ("home/a.jpg", "imported"),
        ("home/Images/ab", own),
    ];
    assert_eq!(pairs(&lines), expected);
}

#[tokio::test]
async fn nothing_is_begun_after_a_stop() {
    let names: Vec<String> = (10..60).map(|number| format!("album/{number}")).collect();
    let fixture = names
        .iter()
        .fold(Fixture::new(), |fixture, name| fixture.picture(name));
    fixture.provider.hold();
    let outcomes = fixture.outcomes(&["album"], &[]);
    pin_mut!(outcomes);
    let stop = fixture.stop.clone();
    let provider = Arc::clone(&fixture.provider);
    let stopping = async {
        while provider.calls() == 0 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        provider.let_go();
    };
    let (finished, ()) = tokio::join!(outcomes.collect::<Vec<_>>(), stopping);
    assert!(!finished.is_empty() && finished.len() <= at_a_time());
    assert!(finished.iter().all(|outcome| outcome.result.is_ok()));
    assert_eq!(fixture.database.images().len(), finished.len());
}

/// A bucket of a few objects, one of which is gone, and then a listing that fails.
struct Bucket(Vec<(&'static str, Bytes)>);

#[async_trait]
impl FileSource for Bucket {
    fn list(&self) -> BoxStream<'static, Result<SourceFile, FileSourceError>> {
        let file = |(name, bytes): &(&str, Bytes)| {
            Ok(SourceFile {
                name: (*name).to_owned(),
                len: bytes.len() as u64,
            })
        };
        let files: Vec<_> = self.0.iter().map(file).collect();
        let failure = FileSourceError::Unavailable(cause("403"));
        stream::iter(files.into_iter().chain([Err(failure)])).boxed()
    }

    async fn read(&self, name: &str, range: Range<u64>) -> Result<Bytes, FileSourceError> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        let (name, bytes) = found.unwrap();
        if name.contains("gone") {
            return Err(FileSourceError::Missing);
        }
        let end = usize::try_from(range.end).unwrap().min(bytes.len());
        Ok(bytes.slice(..end))
    }
}

#[tokio::test]
async fn objects_of_a_bucket_are_imported_as_files() {
    let mut fixture = Fixture::new();
    let huge = |prefix: &[u8]| Bytes::from([prefix, &[0; LIMIT]].concat());
    fixture.bucket = Some(Arc::new(Bucket(vec![
        ("a/1.jpg", FakeImageCodec::picture(8, 6, "one")),
        ("a/", Bytes::new()),
        ("cache/2.jpg", FakeImageCodec::picture(8, 6, "two")),
        ("gone.jpg", FakeImageCodec::picture(8, 6, "gone")),
        ("film.mp4", huge(b"\0\0\0\x18ftypisom\0\0\0\0isomavc1")),
        ("huge.jpg", huge(b"\xFF\xD8\xFF")),
    ])));
    let outcomes: Vec<_> = fixture.outcomes(&[], &["cache"]).collect().await;
    let lines = fixture.lines(&outcomes);
    let no_picture = "left out: it is not a picture";
    assert_eq!(
        pairs(&lines),
        [
            ("s3://photos/a/1.jpg", "imported"),
            ("s3://photos/a/", no_picture),
            ("s3://photos/cache/2.jpg", "left out: it is excluded"),
            ("s3://photos/gone.jpg", "it is not there any more"),
            ("s3://photos/film.mp4", no_picture),
            (
                "s3://photos/huge.jpg",
                "it has more than the 100 bytes of `limits.image_bytes`"
            ),
            (
                "s3://photos",
                "the place that it is in is not available: 403"
            ),
        ]
    );
    assert!(outcomes[6].result.as_ref().unwrap_err().is_of_service());
    let again: Vec<_> = fixture.outcomes(&[], &[]).collect().await;
    assert!(matches!(again[0].result, Ok(Imported::Present(_))));
    let image = &fixture.database.images()[0];
    let infos = fixture.database.infos(&[image.id]).await.unwrap();
    let imported = infos[&image.id].imported.as_ref().unwrap();
    assert!(imported.path.starts_with("s3://photos/"), "{imported:?}");
    let found = objects::find(fixture.bucket.clone().unwrap(), "s3://photos");
    let runtime = Handle::current();
    let counting = std::thread::spawn(|| objects::count(found, runtime).count());
    assert_eq!(counting.join().unwrap(), 7);
}

fn outcome(result: Result<Imported, Failure>) -> Outcome {
    Outcome {
        name: "a.jpg".to_owned(),
        result,
        notes: Vec::new(),
    }
}

fn refused() -> Failure {
    let why = cause("401: wrong key");
    Failure::Importing(IngestError::Tagging(UpstreamError::Refused(why)))
}

fn not_an_image() -> Failure {
    let reason = "not a readable image".to_owned();
    Failure::Importing(IngestError::Picture(CodecError::NotAnImage { reason }))
}

async fn report(outcomes: Vec<Outcome>) -> String {
    let progress = Progress::hidden();
    let stop = CancellationToken::new();
    let reported = report_all(stream::iter(outcomes), Output::Json, &progress, &stop);
    reported.await.unwrap_err().to_string()
}

#[tokio::test]
async fn an_import_ends_when_nothing_can_be_imported_any_more() {
    let refusals = || (0..MOST_IN_A_ROW).map(|_| outcome(Err(refused())));
    let endless = refusals().chain([outcome(Err(not_an_image()))]);
    let error = report(endless.collect()).await;
    assert!(error.starts_with("given up after 20 failures"), "{error}");
    // One that went well, or that is to blame itself, in between.
    let others = refusals().skip(1);
    let interrupted = others.chain([outcome(Err(not_an_image()))]);
    let interrupted = interrupted.chain(refusals().skip(1));
    let error = report(interrupted.collect()).await;
    assert_eq!(error, "39 of 39 files were not imported");
}

#[test]
fn the_summary_repeats_failures() {
    let mut summary = Summary::default();
    let id = domain::ImageId::from_bytes([1; 16]);
    let outcomes = [
        outcome(Ok(Imported::New(id))),
        outcome(Ok(Imported::Present(id))),
        outcome(Err(Failure::LeftOut(LeftOut::NoPicture))),
        outcome(Err(refused())),
        outcome(Err(not_an_image())),
    ];
    for outcome in &outcomes {
        summary.note(outcome);
    }
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let written = Output::Lines.summary(&summary, &mut out, &mut errors);
    written.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let counts = "1 imported, 1 there already, 1 left out, 2 failed\n";
    assert_eq!(text(out), counts);
    let failures = "failed:\n  a.jpg: tagging failed: the upstream refused the call: 401: wrong key\n  \
        a.jpg: not a readable image\n";
    assert_eq!(text(errors), failures);
    let mut out = Vec::new();
    let written = Output::Json.summary(&summary, &mut out, &mut Vec::new());
    written.unwrap();
    let line: Value = serde_json::from_slice(&out).unwrap();
    let counted = &line["summary"];
    assert_eq!(counted["imported"], 1);
    assert_eq!(counted["left_out"], 1);
    assert_eq!(counted["failures"].as_array().unwrap().len(), 2);
    assert_eq!(counted["failed"], json!(2));
}
