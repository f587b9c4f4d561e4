//! Files and folders, tagged by fakes.

use std::{fs, num::NonZeroU32, os::unix::fs::symlink};

use domain::{Confidence, ports::UpstreamError, service::TaggerPorts};
use domain_testing::{FakeImageCodec, FakeReleaseQueue, FakeTagProvider, Pull};
use futures_util::FutureExt;
use serde_json::json;
use tempfile::TempDir;

use super::*;

const LIMIT: usize = 100;

const SIDE: NonZeroU32 = NonZeroU32::MIN;

/// A folder of pictures and a tagger.
struct Fixture {
    folder: TempDir,
    codec: Arc<FakeImageCodec>,
    provider: Arc<FakeTagProvider>,
}

impl Fixture {
    fn new() -> Self {
        let tags = domain_testing::tags(&[("cat", 90.5), ("feline", 70.0), ("dog", 20.0)]);
        let provider = FakeTagProvider::new(Pull::Pixels(SIDE)).with_tags(tags);
        let folder = TempDir::new().unwrap();
        Self {
            folder,
            codec: Arc::new(FakeImageCodec::new(1_000_000)),
            provider: Arc::new(provider),
        }
    }

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

    async fn tag(&self, names: &[&str], lowest: f64) -> Vec<Outcome> {
        self.outcomes(names, lowest, 1).collect().await
    }

    fn outcomes(
        &self,
        names: &[&str],
        lowest: f64,
        turns: usize,
    ) -> impl Stream<Item = Outcome> + use<> {
        let tagger = Tagger::new(TaggerPorts {
            codec: self.codec.clone(),
            provider: self.provider.clone(),
            host: None,
            releases: Arc::new(FakeReleaseQueue::default()),
        });
        let wanted = Wanted {
            threshold: Threshold::new(Confidence::new(lowest).unwrap()),
            image_bytes: LIMIT,
            budget: ByteBudget::new(1 << 20),
            turns: Arc::new(Semaphore::new(turns)),
        };
        let names = names
            .iter()
            .map(|name| self.folder.path().join(name))
            .collect();
        outcomes(names, vec![tagger], wanted)
    }

    /// Standard output and standard error, with the folder's path removed from both.
    fn print(&self, outcomes: &[Outcome], output: Output) -> (String, String) {
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            output.write(outcome, &mut out, &mut errors).unwrap();
        }
        let folder = format!("{}/", self.folder.path().display());
        [out, errors]
            .map(|text| String::from_utf8(text).unwrap().replace(&folder, ""))
            .into()
    }
}

#[tokio::test]
async fn json_has_a_line_for_each_file_in_order() {
    let fixture = Fixture::new()
        .picture("b.jpg")
        .picture("a.jpg")
        .file("bad.jpg", b"no picture");
    let names = ["b.jpg", "bad.jpg", "missing.jpg", "a.jpg"];
    let outcomes = fixture.tag(&names, 70.0).await;
    let (out, errors) = fixture.print(&outcomes, Output::Json);
    let tags = json!([{"tag": "cat", "confidence": 90.5}, {"tag": "feline", "confidence": 70.0}]);
    let lines: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4, "{out}");
    assert_eq!(lines[0], json!({"file": "b.jpg", "tags": tags}));
    assert_eq!(lines[1]["file"], "bad.jpg");
    assert_eq!(lines[1].as_object().unwrap().len(), 2);
    assert!(lines[1]["error"].is_string());
    let why = lines[2]["error"].as_str().unwrap();
    assert!(why.starts_with("it cannot be read: "), "{why}");
    assert_eq!(lines[3], json!({"file": "a.jpg", "tags": tags}));
    assert_eq!(errors, "");
}

#[tokio::test]
async fn lines_have_bars_on_a_terminal_alone() {
    let fixture = Fixture::new()
        .picture("a.jpg")
        .file("large.jpg", &[b'x'; LIMIT + 1]);
    let outcomes = fixture.tag(&["a.jpg", "large.jpg"], 0.0).await;
    let (out, errors) = fixture.print(&outcomes, Output::Lines { bars: false });
    assert_eq!(
        out,
        "a.jpg\n   90.50  cat\n   70.00  feline\n   20.00  dog\n"
    );
    assert_eq!(errors, "etiqueta: large.jpg: it has more than 100 bytes\n");
    let (out, _) = fixture.print(&outcomes, Output::Lines { bars: true });
    let bars = "a.jpg\n   90.50  ██████████████████    cat\n   \
        70.00  ██████████████        feline\n   20.00  ████                  dog\n";
    assert_eq!(out, bars);
}

#[tokio::test]
async fn folders_are_searched_by_content_not_by_name() {
    let fixture = Fixture::new()
        .picture("album/2/b.PNG")
        .picture("album/1.jfif")
        .picture("album/no-extension")
        .picture("album/scan.dib");
    let outcomes = fixture.tag(&["album"], 80.0).await;
    let (out, errors) = fixture.print(&outcomes, Output::Lines { bars: false });
    let files = ["1.jfif", "2/b.PNG", "no-extension", "scan.dib"];
    let expected = files.map(|file| format!("album/{file}\n   90.50  cat\n"));
    assert_eq!((out, errors), (expected.concat(), String::new()));
}

#[tokio::test]
async fn other_files_in_a_folder_are_named_without_failure() {
    let fixture = Fixture::new()
        .picture("album/a.jpg")
        .file("album/b.avif", b"\0\0\0\x18ftypavif\0\0\0\0avifmif1")
        .file("album/c.avif", b"\0\0\0\x1Cftypavif\0\0\0\0avifmif1")
        .file("album/empty.jpg", b"")
        .file("album/notes.jpg", b"notes");
    let socket = fixture.folder.path().join("album/socket");
    let _socket = std::os::unix::net::UnixListener::bind(socket).unwrap();
    let outcomes = fixture.tag(&["album"], 80.0).await;
    let expected = "etiqueta: album/b.avif: left out: AVIF pictures are not supported; convert it to JPEG\n\
        etiqueta: album/c.avif: left out: AVIF pictures are not supported; convert it to JPEG\n\
        etiqueta: album/empty.jpg: left out: it is not a picture\n\
        etiqueta: album/notes.jpg: left out: it is not a picture\n\
        etiqueta: album/socket: left out: it is not a regular file\n";
    for output in [Output::Json, Output::Lines { bars: false }] {
        let (out, errors) = fixture.print(&outcomes, output);
        assert!(
            out.contains("album/a.jpg") && !out.contains("b.avif"),
            "{out}"
        );
        assert_eq!(errors, expected);
    }
    let progress = Progress::hidden();
    let printed = print_all(stream::iter(outcomes), Output::Json, &progress);
    printed.await.unwrap();
}

#[tokio::test]
async fn empty_folder_and_symlink_loop_are_failures() {
    let fixture = Fixture::new()
        .picture("album/1.jpeg")
        .file("empty/notes.txt", b"notes");
    // A cycle: the search must end.
    symlink(
        fixture.folder.path().join("album"),
        fixture.folder.path().join("album/again"),
    )
    .unwrap();
    let outcomes = fixture.tag(&["album", "empty"], 80.0).await;
    let (out, errors) = fixture.print(&outcomes, Output::Lines { bars: false });
    assert_eq!(out, "album/1.jpeg\n   90.50  cat\n");
    let mut errors = errors.lines();
    let again = errors.next().unwrap();
    let expected = "etiqueta: album/again: it cannot be read: ";
    assert!(again.starts_with(expected), "{again}");
    let left_out = "etiqueta: empty/notes.txt: left out: it is not a picture";
    assert_eq!(errors.next(), Some(left_out));
    let none = "etiqueta: empty: there is no picture in this folder";
    assert_eq!(errors.next(), Some(none));
    assert_eq!(errors.next(), None);
    let progress = Progress::hidden();
    let printed = print_all(stream::iter(outcomes), Output::Json, &progress);
    let error = printed.await.unwrap_err().to_string();
    assert_eq!(error, "2 of 3 files were not tagged");
}

#[tokio::test]
async fn a_picture_without_tags_says_so_with_its_best_one() {
    let fixture = Fixture::new().picture("a.jpg");
    let outcomes = fixture.tag(&["a.jpg"], 95.0).await;
    let (out, errors) = fixture.print(&outcomes, Output::Lines { bars: true });
    let expected = "a.jpg\n  no tag above the threshold (best: cat 90.50)\n";
    assert_eq!((out.as_str(), errors.as_str()), (expected, ""));
    let (out, _) = fixture.print(&outcomes, Output::Json);
    assert_eq!(out, "{\"file\":\"a.jpg\",\"tags\":[]}\n");
    let outcome = Outcome {
        file: PathBuf::from("b.jpg"),
        tagged: Ok(Tagged {
            tags: Tags::default(),
            best: None,
        }),
    };
    let (out, _) = fixture.print(&[outcome], Output::Lines { bars: false });
    assert_eq!(out, "b.jpg\n  no tag above the threshold\n");
}

#[tokio::test]
async fn decoding_is_bounded_by_the_permits() {
    let names = ["1.jpg", "2.jpg", "3.jpg", "4.jpg"];
    let fixture = names.into_iter().fold(Fixture::new(), Fixture::picture);
    fixture.provider.hold();
    let outcomes = fixture.outcomes(&names, 0.0, 1);
    pin_mut!(outcomes);
    let mut first = outcomes.next();
    while fixture.provider.calls() == 0 {
        assert!((&mut first).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        assert!((&mut first).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.codec.decodes(), 1);
    fixture.provider.let_go();
    assert!(first.await.is_some());
    assert_eq!(outcomes.count().await, 3);
    assert_eq!(fixture.codec.decodes(), 4);
}

#[test]
fn remote_taggers_get_more_concurrency_than_cores() {
    assert_eq!(turns(true, 2), 2);
    assert_eq!(turns(false, 2), 4);
}

#[tokio::test]
async fn provider_failure_is_reported_with_its_cause() {
    let fixture = Fixture::new().picture("a.jpg");
    let why = domain::ports::cause("401: wrong key");
    fixture.provider.fail_next(UpstreamError::Refused(why));
    let outcomes = fixture.tag(&["a.jpg"], 0.0).await;
    let (_, errors) = fixture.print(&outcomes, Output::Lines { bars: false });
    let line = "etiqueta: a.jpg: tagging failed: the upstream refused the call: 401: wrong key\n";
    assert_eq!(errors, line);
}
