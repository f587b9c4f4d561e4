use chrono::{DateTime, NaiveDate};
use domain::{
    CameraData, Confidence, ContentDigest, ImageId, ImageInfo, ImageTags, ImportedFile, Location,
    ProviderIdentity, SourcedTag, TagSource, TaggerVersion, Tagging, TaggingKey, Threshold,
    VocabularyEntry,
    ports::{StoredImage, TagsVersion},
};
use domain_testing::{at, image, label, tag, tags};
use rstest::rstest;

use super::*;

fn entry(tag: &str) -> VocabularyEntry {
    VocabularyEntry {
        aliases: ["kitty", "feline \"x\""].map(label).into(),
        parents: [label("animal")].into(),
        threshold: Some(Threshold::new(Confidence::new(100.0 / 3.0).unwrap())),
        is_blocked: true,
        names: [("es".to_owned(), label("gato"))].into(),
        ..VocabularyEntry::new(label(tag))
    }
}

fn provider(name: &str, version: Option<&str>) -> TagSource {
    TagSource::Provider(TaggerVersion {
        name: Some(name.to_owned()),
        version: version.map(ToOwned::to_owned),
    })
}

fn full() -> StoredImage {
    let image = image(b"full", at(5), &[]);
    let said = [
        ("cat", 91.234_567_890_123_4, provider("imagga", Some("v2"))),
        ("dog", 1.0 / 3.0, provider("imagga", Some("v2"))),
        ("cat", 100.0, TagSource::Person),
        ("\u{2028}\u{feff} 猫 \"\\", 5e-324, TagSource::File),
        ("old", 50.0, TagSource::Provider(TaggerVersion::default())),
    ];
    let said = said.map(|(text, confidence, source)| SourcedTag {
        tag: tag(text, confidence),
        source,
    });
    let local = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap();
    StoredImage {
        id: ImageId::from_bytes([1; 16]),
        registered_at: at(5) + chrono::TimeDelta::microseconds(1),
        digest: image.digest,
        facts: image.facts,
        info: ImageInfo {
            threshold: Some(Threshold::NONE),
            taggers: TaggerVersion::known("imagga", "v2").into(),
            file_name: Some("=\u{1}\n\r\t\u{2029}😀,\"';.jpg".to_owned()),
            camera: CameraData {
                taken_at: local.and_hms_opt(1, 2, 3),
                camera: Some("Ñ".to_owned()),
                location: Location::new(-0.0, 179.999_999_999_999_97),
            },
            registered_local: local.and_hms_micro_opt(23, 59, 59, 999_999),
            imported: Some(ImportedFile::new(&image.digest, b"/a/\xff\n.jpg")),
        },
        tags: ImageTags::new(said, ["no", "never"].map(label)),
        version: TagsVersion(3),
    }
}

fn bare() -> StoredImage {
    StoredImage {
        id: ImageId::from_bytes([0xff; 16]),
        registered_at: DateTime::from_timestamp_micros(-62_200_000_000_000_001).unwrap(),
        info: ImageInfo::default(),
        tags: ImageTags::default(),
        version: TagsVersion(0),
        ..full()
    }
}

fn answer(content: &[u8]) -> (TaggingKey, Tagging) {
    let key = TaggingKey {
        digest: ContentDigest::of(content),
        provider: ProviderIdentity::parse("imagga", "v2 \"\n", "en").unwrap(),
        max_side: 1024,
    };
    let tags = tags(&[("cat", 99.999_999_999_999_99), ("dog", 1.0 / 3.0)]);
    let tagged_at = at(1) + chrono::TimeDelta::microseconds(999_999);
    (key, Tagging { tags, tagged_at })
}

fn records() -> Vec<Record> {
    let mut answers = [answer(b"a"), answer(b"b")];
    answers.sort_unstable_by(|(a, _), (b, _)| a.position().cmp(&b.position()));
    let answers = answers.map(|(key, answer)| Record::Answer(key, answer));
    let plain = Record::Entry(VocabularyEntry::new(label("dog")));
    let records = [
        Record::Entry(entry("cat")),
        plain,
        Record::Image(bare().into()),
        Record::Image(full().into()),
    ];
    records.into_iter().chain(answers).collect()
}

fn written(records: &[Record]) -> String {
    let mut out = Vec::new();
    let mut writer = ExportWriter::begin(&mut out).unwrap();
    for record in records {
        match record {
            Record::Entry(entry) => writer.entry(entry).unwrap(),
            Record::Image(image) => writer.image(image).unwrap(),
            Record::Answer(key, answer) => writer.answer(key, answer).unwrap(),
        }
    }
    writer.end().unwrap();
    String::from_utf8(out).unwrap()
}

fn read(text: impl AsRef<[u8]>) -> Result<Vec<Record>, String> {
    let mut reader = ExportReader::begin(text.as_ref()).map_err(|error| error.to_string())?;
    let mut records = Vec::new();
    loop {
        match reader.next().map_err(|error| error.to_string())? {
            Some(numbered) => {
                records.push(numbered.record);
                assert_eq!(numbered.line, records.len() as u64 + 1);
            }
            None => return Ok(records),
        }
    }
}

/// Every number to the last bit, and every character.
#[test]
fn what_is_written_is_read_again() {
    let records = records();
    let text = written(&records);
    assert_eq!(text.lines().count(), records.len() + 2);
    let again = read(&text).unwrap();
    assert_eq!(again, records);
    assert_eq!(written(&again), text);
    assert_eq!(read(text.trim_end()).unwrap(), records, "no last line feed");
    assert_eq!(read(written(&[])).unwrap(), []);
}

#[test]
fn lines_have_a_documented_form() {
    let text = written(&[Record::Entry(VocabularyEntry::new(label("dog")))]);
    let sha256 = ContentDigest::of(
        b"{\"kind\":\"etiqueta-export\",\"version\":1}\n{\"kind\":\"vocabulary\",\"tag\":\"dog\"}\n",
    );
    let last = format!(
        "{{\"kind\":\"end\",\"vocabulary\":1,\"images\":0,\"answers\":0,\"sha256\":\"{sha256}\"}}\n"
    );
    assert!(text.ends_with(&last), "{text}");
    let text = written(&[Record::Image(full().into())]);
    let tags = "\"tags\":[{\"source\":\"provider\",\"tags\":[[\"old\",50.0]]},\
        {\"source\":\"provider\",\"provider\":\"imagga\",\"version\":\"v2\",\"tags\":\
        [[\"cat\",91.2345678901234],[\"dog\",0.3333333333333333]]},\
        {\"source\":\"person\",\"tags\":[[\"cat\",100.0]]},{\"source\":\"file\",";
    assert!(text.contains(tags), "{text}");
    assert!(
        text.contains("\"rejected\":[\"never\",\"no\"]}\n"),
        "{text}"
    );
    let time = "\"registered_at\":\"2024-01-01T00:00:05.000001Z\"";
    assert!(text.contains(time), "{text}");
}

/// Wherever it is cut, down to a byte, the reader says so.
#[test]
fn a_truncated_export_is_never_read_as_a_whole_one() {
    let text = written(&records());
    let whole = text.trim_end().len();
    for length in 0..whole {
        let cut = &text.as_bytes()[..length];
        let error = read(cut).unwrap_err();
        let first = text.find('\n').unwrap();
        let expected = if length == 0 {
            "empty"
        } else if length < first {
            "no export of Etiqueta"
        } else {
            "truncated"
        };
        assert!(error.contains(expected), "{length}: {error}");
    }
}

/// Any one changed byte is noticed, by its line or by the checksum.
#[test]
fn an_altered_export_is_never_read() {
    let text = written(&records());
    let end = text.find(",\"sha256\"").unwrap();
    for place in (0..end).step_by(7) {
        let mut bytes = text.clone().into_bytes();
        bytes[place] ^= 1;
        assert!(read(&bytes).is_err(), "byte {place}");
    }
}

/// Whoever edits an export takes the checksum out of its last line.
#[test]
fn an_edited_export_is_read_without_its_checksum() {
    let text = written(&records()).replace("\"gato\"", "\"gata\"");
    let error = read(&text).unwrap_err();
    assert!(
        error.contains("take `sha256` out of its last line"),
        "{error}"
    );
    let at = text.find(",\"sha256\"").unwrap();
    let edited = format!("{}}}\n", &text[..at]);
    assert_eq!(read(edited).unwrap().len(), records().len());
}

/// The lines of an export, without the checksum.
fn lines() -> Vec<String> {
    let text = written(&records());
    let at = text.find(",\"sha256\"").unwrap();
    let text = format!("{}}}", &text[..at]);
    text.lines().map(ToOwned::to_owned).collect()
}

#[rstest]
#[case("", "empty")]
#[case("\n", "no export of Etiqueta")]
#[case("PK\u{3}\u{4}", "no export of Etiqueta")]
#[case("{\"kind\":\"image\"}\n", "no export of Etiqueta")]
#[case("[1]\n", "no export of Etiqueta")]
#[case(
    "{\"kind\":\"etiqueta-export\",\"version\":2,\"new\":1}\n",
    "version 2 of the format"
)]
fn other_files_are_told(#[case] text: &str, #[case] expected: &str) {
    let error = read(text).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[rstest]
#[case(
    "\"id\":\"01010101",
    "\"id\":\"0101010",
    "line 5: an image id is a UUID"
)]
#[case(
    "image/jpeg",
    "image/avif",
    "line 4: \"image/avif\" is no known media type"
)]
#[case("\"dog\",0.3", "\"dog\",100.3", "line 5: 100.333")]
#[case(
    "\"width\":640",
    "\"width\":0",
    "line 4: a picture has a width and a height"
)]
#[case("\"width\":640", "\"width\":-1", "line 4: invalid value: integer `-1`")]
#[case(
    "\"bytes\":4",
    "\"bytes\":9223372036854775808",
    "line 4: `bytes` is too large"
)]
#[case(
    "\"bytes\":4",
    "\"bytes\":4,\"colour\":1",
    "line 4: unknown field `colour`"
)]
#[case(
    "\"bytes\":4",
    "\"bytes\":4,\"bytes\":4",
    "line 4: duplicate field `bytes`"
)]
#[case("\"bytes\":4,", "", "line 4: missing field `bytes`")]
#[case(
    "T00:00:05.000001Z",
    "T00:00:05.000001",
    "line 5: the time \"2024-01-01T00:00:05.000001\" does not end with Z"
)]
#[case("T00:00:05.000001Z", "T00:00:60.000001Z", "line 5: the time")]
#[case("T00:00:05.000001Z", "T00:00:05Z", "line 5: the time")]
#[case(
    "\"source\":\"person\"",
    "\"source\":\"cat\"",
    "line 5: \"cat\" is no source of tags"
)]
#[case(
    "\"source\":\"person\"",
    "\"source\":\"person\",\"provider\":\"x\"",
    "line 5: tags of a person have no provider"
)]
#[case("\"longitude\"", "\"longitud\"", "line 5: unknown field `longitud`")]
#[case("\"latitude\":-0.0", "\"latitude\":91", "line 5: 91, ")]
#[case(
    "\"latitude\":-0.0,",
    "",
    "line 5: `latitude` and `longitude` go together"
)]
#[case("\"max_side\":1024", "\"max_side\":\"x\"", "line 6: invalid type")]
#[case("\"kitty\"", "\" \"", "line 2: the tag \" \": a label cannot be empty")]
#[case(
    "\"kitty\"",
    "\"CAT\"",
    "line 2: two of its aliases are the same, or one is its tag"
)]
#[case("\"es\"", "\"spanish!\"", "line 2: ")]
#[case(
    "\"kind\":\"answer\"",
    "\"kind\":\"job\"",
    "line 6: unknown variant `job`"
)]
#[case(
    "\"kind\":\"answer\"",
    "\"kind\":\"etiqueta-export\"",
    "line 6: it is a first line"
)]
#[case("{\"kind\":\"answer\"", "\"kind\":\"answer\"", "line 6: ")]
#[case(
    "\"images\":2",
    "\"images\":3",
    "its last line counts 2 entries of the vocabulary, 3 images and 2 answers, but there are 2, 2 and 2"
)]
fn what_is_wrong_in_a_line_is_told(#[case] from: &str, #[case] to: &str, #[case] expected: &str) {
    let text = lines().join("\n");
    assert!(text.contains(from), "{from}");
    let error = read(text.replacen(from, to, 1)).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn long_texts_are_told() {
    for (from, to) in [
        (
            "\"camera\":\"Ñ\"",
            format!("\"camera\":\"{}\"", "x".repeat(256)),
        ),
        (
            "\"provider\":\"imagga\"",
            format!("\"provider\":\"{}\"", "x".repeat(65)),
        ),
        (
            "\"import_path\":\"",
            format!("\"import_path\":\"{}", "x".repeat(4097)),
        ),
    ] {
        let text = lines().join("\n");
        assert!(text.contains(from), "{from}");
        let error = read(text.replacen(from, &to, 1)).unwrap_err();
        assert!(error.contains("more than"), "{error}");
    }
}

#[test]
fn lines_are_in_order_and_none_is_repeated() {
    for (one, other) in [(1, 2), (2, 3), (3, 4), (4, 5), (5, 6)] {
        let mut lines = lines();
        lines.swap(one, other);
        let error = read(lines.join("\n")).unwrap_err();
        let expected = format!("line {}: it repeats the line before it", other + 1);
        assert!(error.contains(&expected), "{error}");
    }
    for place in 1..7 {
        let mut lines = lines();
        lines.insert(place, lines[place].clone());
        let error = read(lines.join("\n")).unwrap_err();
        assert!(error.contains("it repeats the line before it"), "{error}");
    }
    let more = [lines(), vec!["{}".to_owned()]].concat();
    let error = read(more.join("\n")).unwrap_err();
    assert!(
        error.contains("line 9: it is behind the last line"),
        "{error}"
    );
}

/// Nesting, and lines without an end, take no memory.
#[test]
fn hostile_lines_are_refused() {
    let first = &lines()[0];
    let deep = format!("{first}\n{}", "[".repeat(1_000_000));
    assert!(read(deep).is_err());
    let deep = format!(
        "{first}\n{{\"kind\":\"image\",\"id\":{}",
        "[".repeat(1_000_000)
    );
    assert!(read(deep).is_err());
    let endless = std::io::Read::chain(
        first.as_bytes(),
        std::io::Read::chain(&b"\n"[..], std::io::repeat(b'x')),
    );
    let mut reader = ExportReader::begin(std::io::BufReader::new(endless)).unwrap();
    let error = reader.next().unwrap_err().to_string();
    assert!(
        error.contains("line 2: it is longer than any line"),
        "{error}"
    );
}
