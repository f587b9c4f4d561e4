//! What `ExifTool` reads in merged sidecars, and what is read in what it writes. `scripts/test` installs it.

use std::{fs, path::Path, process::Command};

use serde_json::{Map, Value};
use tempfile::TempDir;
use xmp::{Wanted, embedded, merge, read};

use super::{
    forms::{DARKTABLE, DIGIKAM, EXIFTOOL, LIGHTROOM, utf16},
    merging::wanted,
};

/// A JPEG without metadata: one grey block.
fn jpeg() -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut file, 90);
    encoder
        .encode(&[128; 64], 8, 8, jpeg_encoder::ColorType::Luma)
        .unwrap();
    file
}

fn exiftool(arguments: &[&str], file: &Path) -> String {
    let program = std::env::var("ETIQUETA_TEST_EXIFTOOL").unwrap_or("exiftool".to_owned());
    let output = Command::new(program).args(arguments).arg(file).output();
    let output = output.expect("exiftool is installed, as scripts/test does it");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

/// All properties of a sidecar, by group and name, and a warning if there is one.
fn properties(sidecar: &[u8]) -> Map<String, Value> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.xmp");
    fs::write(&file, sidecar).unwrap();
    let text = exiftool(&["-j", "-G1", "-struct", "-XMP:all", "-Warning"], &file);
    let all: Vec<Map<String, Value>> = serde_json::from_str(&text).unwrap();
    let mut all = all.into_iter().next().unwrap();
    all.remove("SourceFile");
    all
}

/// The values of a property; of a single one `ExifTool` makes no list.
fn list(properties: &Map<String, Value>, name: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    match properties.get(name) {
        None => Vec::new(),
        Some(Value::Array(values)) => values.iter().map(text).collect(),
        Some(value) => vec![text(value)],
    }
}

const KEYWORDS: [&str; 3] = [
    "XMP-dc:Subject",
    "XMP-lr:HierarchicalSubject",
    "XMP-digiKam:TagsList",
];

/// Nothing that others wrote is lost or altered, and the keywords are there.
#[test]
fn exiftool_reads_what_was_there_and_what_was_added() {
    let wanted = wanted(&["animal", "cat", "niño & <co>"], &["animal|cat"]);
    // It takes RDF in the default namespace for something else.
    for text in [DIGIKAM, LIGHTROOM, DARKTABLE, EXIFTOOL] {
        let before = properties(text.as_bytes());
        let merged = merge(Some(text.as_bytes()), &wanted).unwrap().unwrap();
        let after = properties(&merged);
        for (name, value) in &before {
            if KEYWORDS.contains(&name.as_str()) {
                let kept = list(&after, name);
                for value in list(&before, name) {
                    assert!(kept.contains(&value), "{name} {value}: {after:?}");
                }
            } else {
                assert_eq!(after.get(name), Some(value), "{name}");
            }
        }
        let added = [
            ["animal", "cat", "niño & <co>"].as_slice(),
            &["animal|cat", "niño & <co>"],
            &["animal/cat", "niño & <co>"],
        ];
        for (name, added) in KEYWORDS.iter().zip(added) {
            let found = list(&after, name);
            for value in added {
                assert!(
                    found.contains(&(*value).to_owned()),
                    "{name} {value}: {found:?}"
                );
            }
        }
        let back = merge(Some(&merged), &Wanted::default()).unwrap().unwrap();
        assert_eq!(properties(&back), before);
    }
}

#[test]
fn exiftool_reads_new_sidecars_and_utf_16() {
    let wanted = wanted(&["sea", "猫"], &[]);
    let new = merge(None, &wanted).unwrap().unwrap();
    let new = properties(&new);
    assert_eq!(list(&new, "XMP-dc:Subject"), ["sea", "猫"]);
    assert_eq!(new.get("ExifTool:Warning"), None, "{new:?}");
    for is_big_endian in [true, false] {
        let merged = merge(Some(&utf16(EXIFTOOL, is_big_endian)), &wanted);
        let merged = properties(&merged.unwrap().unwrap());
        assert_eq!(list(&merged, "XMP-dc:Subject"), ["sea", "猫"]);
    }
}

/// Another program writes the whole file anew, with keywords of its own: what is Etiqueta's is still known.
#[test]
fn what_exiftool_writes_anew_is_read_and_merged() {
    for text in [DIGIKAM, LIGHTROOM, DARKTABLE] {
        let merged = merge(
            Some(text.as_bytes()),
            &wanted(&["animal", "cat"], &["animal|cat"]),
        );
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("a.xmp");
        fs::write(&file, merged.unwrap().unwrap()).unwrap();
        let arguments = [
            "-overwrite_original",
            "-XMP-dc:Subject+=typed",
            "-XMP-lr:HierarchicalSubject+=Top|Below",
            "-XMP-xmp:Rating=2",
        ];
        exiftool(&arguments, &file);
        let names = read(&fs::read(&file).unwrap()).unwrap().names;
        let mut expected = read(text.as_bytes()).unwrap().names;
        expected.extend(["typed", "Top", "Below"].map(str::to_owned));
        for name in &expected {
            assert!(names.contains(name), "{name}: {names:?}");
        }
        assert_eq!(names.len(), expected.len(), "{names:?}");
        let back = merge(Some(&fs::read(&file).unwrap()), &Wanted::default());
        let back = properties(&back.unwrap().unwrap());
        let found = list(&back, "XMP-dc:Subject");
        assert!(found.contains(&"typed".to_owned()) && !found.contains(&"cat".to_owned()));
    }
}

/// XMP and IPTC in a picture, also where the XMP is too long for one segment.
#[test]
fn keywords_that_exiftool_embeds_are_read() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.jpg");
    fs::write(&file, jpeg()).unwrap();
    assert!(embedded(&jpeg()).keywords.is_empty());
    let arguments = [
        "-overwrite_original",
        "-XMP-dc:Subject=sea",
        "-XMP-dc:Subject=niño",
        "-XMP-lr:HierarchicalSubject=Vehicle|Boat",
        "-XMP-digiKam:TagsList=Places/Cádiz",
        "-IPTC:Keywords=plain",
        "-IPTC:Keywords=café",
        "-IPTC:CodedCharacterSet=UTF8",
    ];
    exiftool(&arguments, &file);
    let mut names = embedded(&fs::read(&file).unwrap()).keywords.names;
    names.sort();
    let expected = [
        "Boat", "Cádiz", "Places", "Vehicle", "café", "niño", "plain", "sea",
    ];
    assert_eq!(names, expected);
    let long: Vec<String> = (0..6000)
        .map(|n| format!("-XMP-dc:Subject+=keyword number {n}"))
        .collect();
    let options = folder.path().join("options");
    fs::write(&options, long.join("\n")).unwrap();
    let options = options.to_str().unwrap();
    exiftool(
        &[
            "-overwrite_original",
            "-api",
            "Compact=NoPadding",
            "-@",
            options,
        ],
        &file,
    );
    let found = embedded(&fs::read(&file).unwrap());
    assert_eq!(found.error, None);
    assert_eq!(found.keywords.names.len(), 6008);
}
