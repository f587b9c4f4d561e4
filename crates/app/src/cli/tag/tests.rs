//! Files and folders, tagged by fakes.

use std::{fs, os::unix::fs::symlink};

use domain::{
    Confidence,
    ports::{ImageAccess, UpstreamError},
    service::TaggerPorts,
    testing::{self, FakeImageCodec, FakeReleaseQueue, FakeTagProvider},
};
use serde_json::json;
use tempfile::TempDir;

use super::*;

const LIMIT: usize = 100;

/// A folder of pictures and a tagger.
struct Bench {
    folder: TempDir,
    provider: Arc<FakeTagProvider>,
}

impl Bench {
    fn new() -> Self {
        let tags = testing::tags(&[("cat", 90.5), ("feline", 70.0), ("dog", 20.0)]);
        let provider = FakeTagProvider::new(ImageAccess::Pixels).with_tags(tags);
        let folder = TempDir::new().unwrap();
        Self {
            folder,
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
        let tagger = Tagger::new(
            TaggerPorts {
                codec: Arc::new(FakeImageCodec::new(1024, 1_000_000)),
                provider: self.provider.clone(),
                host: None,
                releases: Arc::new(FakeReleaseQueue::default()),
            },
            1024,
        );
        let wanted = Wanted {
            threshold: Threshold::new(Confidence::new(lowest).unwrap()),
            image_bytes: LIMIT,
            room: Room::new(LIMIT),
        };
        let names = names
            .iter()
            .map(|name| self.folder.path().join(name))
            .collect();
        outcomes(names, tagger, wanted).collect().await
    }

    /// What is printed, and what is complained of; the folder is taken out of both.
    fn told(&self, outcomes: &[Outcome], output: Output) -> (String, String) {
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
    let bench = Bench::new()
        .picture("b.jpg")
        .picture("a.jpg")
        .file("bad.jpg", b"no picture");
    let names = ["b.jpg", "bad.jpg", "missing.jpg", "a.jpg"];
    let outcomes = bench.tag(&names, 70.0).await;
    let (out, errors) = bench.told(&outcomes, Output::Json);
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
    let bench = Bench::new()
        .picture("a.jpg")
        .file("large.jpg", &[b'x'; LIMIT + 1]);
    let outcomes = bench.tag(&["a.jpg", "large.jpg"], 0.0).await;
    let (out, errors) = bench.told(&outcomes, Output::Lines { bars: false });
    assert_eq!(
        out,
        "a.jpg\n   90.50  cat\n   70.00  feline\n   20.00  dog\n"
    );
    assert_eq!(errors, "etiqueta: large.jpg: it has more than 100 bytes\n");
    let (out, _) = bench.told(&outcomes, Output::Lines { bars: true });
    let bars = "a.jpg\n   90.50  ██████████████████    cat\n   \
        70.00  ██████████████        feline\n   20.00  ████                  dog\n";
    assert_eq!(out, bars);
}

#[tokio::test]
async fn folders_are_searched_for_pictures() {
    let bench = Bench::new()
        .picture("album/2/b.PNG")
        .picture("album/1.jpeg")
        .file("album/notes.txt", b"notes")
        .file("empty/notes.txt", b"notes");
    // A folder that holds itself is told of, and not searched for ever.
    symlink(
        bench.folder.path().join("album"),
        bench.folder.path().join("album/2/again"),
    )
    .unwrap();
    let outcomes = bench.tag(&["album", "empty"], 80.0).await;
    let (out, errors) = bench.told(&outcomes, Output::Lines { bars: false });
    assert_eq!(
        out,
        "album/1.jpeg\n   90.50  cat\nalbum/2/b.PNG\n   90.50  cat\n"
    );
    let mut errors = errors.lines();
    assert!(
        errors
            .next()
            .unwrap()
            .starts_with("etiqueta: album/2/again: it cannot be read: ")
    );
    assert_eq!(
        errors.next(),
        Some("etiqueta: empty: there is no picture in this folder")
    );
    assert_eq!(errors.next(), None);
}

#[tokio::test]
async fn a_provider_that_fails_is_told_of_with_its_cause() {
    let bench = Bench::new().picture("a.jpg");
    let why = domain::ports::cause("401: wrong key");
    bench.provider.fail_next(UpstreamError::Refused(why));
    let outcomes = bench.tag(&["a.jpg"], 0.0).await;
    let (_, errors) = bench.told(&outcomes, Output::Lines { bars: false });
    let line = "etiqueta: a.jpg: tagging failed: the upstream refused the call: 401: wrong key\n";
    assert_eq!(errors, line);
}
