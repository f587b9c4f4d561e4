//! The tagger inside the binary, which needs no account and calls no service.

use std::{fs, io::Cursor, path::Path, process::Command};

use image::{
    DynamicImage, ImageEncoder, ImageFormat,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
    imageops::FilterType,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::{Process, binary, command, encode, prepared, run};

const PHOTOS: [(&str, &[u8]); 4] = [
    (
        "astronaut",
        include_bytes!("../../../image-codec/tests/photos/astronaut.jpg"),
    ),
    (
        "chelsea",
        include_bytes!("../../../image-codec/tests/photos/chelsea.jpg"),
    ),
    (
        "coffee",
        include_bytes!("../../../image-codec/tests/photos/coffee.jpg"),
    ),
    (
        "rocket",
        include_bytes!("../../../image-codec/tests/photos/rocket.jpg"),
    ),
];

/// One of the photos, decoded.
pub(super) fn photo(name: &str) -> DynamicImage {
    let (_, file) = PHOTOS.iter().find(|(known, _)| *known == name).unwrap();
    image::load_from_memory(file).unwrap()
}

type Found = Vec<(String, f64)>;

/// A file and its tags, or the error.
type Outcome = (String, Result<Found, String>);

/// The tags of the files in a folder, by file name; and the exit code.
fn tag(folder: &Path, lowest: &str) -> (Vec<Outcome>, i32) {
    let mut command = command(folder);
    command.args(["tag", "--json", "--min-confidence", lowest, "."]);
    let (code, output, _) = run(command);
    let file = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let name = Path::new(line["file"].as_str().unwrap());
        let name = name.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(tags) = line["tags"].as_array() else {
            return (name, Err(line["error"].as_str().unwrap().to_owned()));
        };
        let pair = |tag: &Value| {
            let name = tag["tag"].as_str().unwrap().to_owned();
            (name, tag["confidence"].as_f64().unwrap())
        };
        (name, Ok(tags.iter().map(pair).collect()))
    };
    (output.lines().map(file).collect(), code)
}

fn confidence(found: &Found, name: &str) -> f64 {
    let tag = found.iter().find(|(tag, _)| tag == name);
    tag.map_or(0.0, |(_, confidence)| *confidence)
}

fn written(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// EXIF data with one entry: the stored pixels are rotated left.
const TURNED: &[u8] = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

/// The photo rotated left, losslessly, with EXIF data that say so.
fn turned_png(photo: &DynamicImage) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    encoder.set_exif_metadata(TURNED.to_vec()).unwrap();
    photo.rotate270().write_with_encoder(encoder).unwrap();
    file
}

/// The same as a JPEG.
fn turned_jpeg(photo: &DynamicImage) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut file, 100);
    photo.rotate270().write_with_encoder(encoder).unwrap();
    let exif = [b"\xFF\xE1\0\x22Exif\0\0", TURNED].concat();
    [&file[..2], &exif, &file[2..]].concat()
}

#[tokio::test]
async fn a_photo_is_tagged_without_any_account() {
    let folder = TempDir::new().unwrap();
    let process = Process::start(command(folder.path()));
    let client = reqwest::Client::new();
    let body = json!({ "data": encode(PHOTOS[1].1) });
    // The model may still be loading: the post waits for it.
    let post = client.post(format!("{}/image", process.origin)).json(&body);
    let answer = post.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    let tags = answer["tags"].as_array().unwrap();
    assert!(tags.iter().any(|tag| tag["tag"] == "cat"), "{tags:?}");
    for tag in tags {
        let hundredths = tag["confidence"].as_f64().unwrap() * 100.0;
        assert!((hundredths - hundredths.round()).abs() < 1e-6, "{tag}");
    }
    let ready = client.get(format!("{}/readyz", process.origin)).send();
    let ready: Value = ready.await.unwrap().json().await.unwrap();
    assert_eq!(ready["checks"]["tag_provider"]["name"], "local");
    assert_eq!(ready["status"], "ready");
}

#[test]
fn photos_get_the_tags_that_they_deserve() {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in PHOTOS {
        fs::write(folder.path().join(format!("{name}.jpg")), bytes).unwrap();
    }
    let (files, code) = tag(folder.path(), "0");
    assert_eq!((files.len(), code), (4, 0));
    let of = |name: &str| {
        let name = format!("{name}.jpg");
        let (_, found) = files.iter().find(|(file, _)| *file == name).unwrap();
        found.as_ref().unwrap()
    };
    for name in ["cat", "feline", "mammal", "animal"] {
        assert!(
            confidence(of("chelsea"), name) >= 80.0,
            "{name}: {:?}",
            of("chelsea")
        );
    }
    assert!(confidence(of("chelsea"), "dog") < 5.0);
    let coffee = of("coffee");
    let best = confidence(coffee, "espresso").max(confidence(coffee, "coffee"));
    assert!(best >= 80.0, "{coffee:?}");
    assert!(confidence(of("astronaut"), "person") >= 80.0);
    assert!((confidence(of("rocket"), "sky") - 91.57).abs() <= 1.5);
    for photo in ["astronaut", "chelsea", "coffee"] {
        assert!(confidence(of(photo), "sky") < 20.0, "{photo}");
    }
    assert!(confidence(of("astronaut"), "black and white") < 5.0);
    for (file, found) in &files {
        let found = found.as_ref().unwrap();
        assert!(
            found.iter().all(|(_, confidence)| *confidence >= 5.0),
            "{file}"
        );
    }
}

#[test]
fn a_photo_has_the_same_tags_in_every_form() {
    for (name, bytes) in PHOTOS {
        let photo = image::load_from_memory(bytes).unwrap();
        let folder = TempDir::new().unwrap();
        let large = photo.resize_exact(photo.width() * 4, photo.height() * 4, FilterType::Lanczos3);
        for (file, bytes) in [
            ("a.jpg", bytes.to_vec()),
            ("b.png", written(&photo, ImageFormat::Png)),
            ("c.webp", written(&photo, ImageFormat::WebP)),
            ("d.tiff", written(&photo, ImageFormat::Tiff)),
            ("e.bmp", written(&photo, ImageFormat::Bmp)),
            ("turned.jpg", turned_jpeg(&photo)),
            ("turned.png", turned_png(&photo)),
            ("large.jpg", written(&large, ImageFormat::Jpeg)),
        ] {
            fs::write(folder.path().join(file), bytes).unwrap();
        }
        let (files, code) = tag(folder.path(), "0");
        assert_eq!((files.len(), code), (8, 0));
        let (_, first) = &files[0];
        let first = first.as_ref().unwrap();
        for (file, found) in &files {
            let found = found.as_ref().unwrap();
            let tolerance = if file == "turned.png" { 2.0 } else { 5.0 };
            for (tag, _) in first.iter().chain(found) {
                let (a, b) = (confidence(first, tag), confidence(found, tag));
                // Below the lowest confidence reported, a tag is absent.
                let (a, b) = (a.max(5.0), b.max(5.0));
                assert!(
                    (a - b).abs() <= tolerance,
                    "{name} as {file}: {tag} {a} {b}"
                );
            }
        }
    }
}

#[test]
fn odd_pictures_are_tagged_or_refused() {
    let folder = TempDir::new().unwrap();
    let grey = DynamicImage::new_luma16(3, 2);
    let line = DynamicImage::new_rgb8(1, 10_000);
    let dot = DynamicImage::new_rgba8(1, 1);
    for (file, bytes) in [
        ("dot.png", written(&dot, ImageFormat::Png)),
        ("grey.tiff", written(&grey, ImageFormat::Tiff)),
        ("line.png", written(&line, ImageFormat::Png)),
        ("truncated.jpg", PHOTOS[0].1[..9000].to_vec()),
    ] {
        fs::write(folder.path().join(file), bytes).unwrap();
    }
    let (files, code) = tag(folder.path(), "0");
    assert_eq!(code, 1, "one was refused");
    let refused: Vec<_> = files.iter().filter(|(_, found)| found.is_err()).collect();
    assert_eq!(files.len(), 4);
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].0, "truncated.jpg");
}

#[test]
fn tag_quality_is_measured_with_custom_ground_truth() {
    let folder = TempDir::new().unwrap();
    let photos = folder.path().join("photos");
    fs::create_dir_all(photos.join("more")).unwrap();
    for (name, bytes) in PHOTOS {
        fs::write(photos.join(format!("more/{name}.jpg")), bytes).unwrap();
    }
    fs::write(photos.join("notes.txt"), "not a picture").unwrap();
    let truth = "# photo\twords\tkind\n\
        more/astronaut.jpg\twoman,portrait,space?\tpeople\n\
        chelsea.jpg\tkitten\tanimals\n\
        coffee.jpg\tunicorn\tthings\n\
        rocket.jpg\tsky,rocket\tthings\n";
    fs::write(folder.path().join("truth.tsv"), truth).unwrap();
    let quality = |arguments: &[&str]| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/tag-quality");
        let mut quality = prepared(Command::new(script), folder.path());
        quality.env("ETIQUETA", binary());
        quality.env("PATH", std::env::var_os("PATH").unwrap());
        quality.args(arguments);
        run(quality)
    };
    let arguments = ["photos", "truth.tsv", "--provider", "local", "--mistakes"];
    let (code, output, errors) = quality(&arguments);
    assert_eq!(code, 0, "{output}{errors}");
    assert!(errors.contains("photos/notes.txt: left out"), "{errors}");
    let row = |begin: &str| {
        let line = output.lines().find(|line| line.starts_with(begin));
        let line = line.unwrap_or_else(|| panic!("{begin}: {output}"));
        line.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(output.lines().next(), Some("4 photos"));
    // The coffee has tags, and its truth is wrong; a synonym of the cat and an ancestor of the woman are
    // right.
    assert_eq!(
        row(">= 80")[3..6],
        ["3 of 4 (75.0 %)", "1", "0"],
        "{output}"
    );
    assert_eq!(row("animals")[1], "1");
    assert_eq!(row("things")[1], "2");
    assert_eq!(row("people")[4..], ["1", "0", "0"], "{output}");
    assert!(row("coffee.jpg: wrong: ")[0].contains("coffee"), "{output}");
    let (code, _, errors) = quality(&["photos", "nowhere.tsv"]);
    assert_eq!(code, 1);
    assert!(
        errors.starts_with("tag-quality: nowhere.tsv cannot be read"),
        "{errors}"
    );
    let (code, output, _) = quality(&["--help"]);
    assert!(code == 0 && output.contains("TRUTH.tsv"), "{output}");
}

/// The last line on standard error of a refused start.
fn refusal(folder: &Path, name: &str, value: &str) -> String {
    let mut command = command(folder);
    command.env(name, value);
    let (code, _, errors) = run(command);
    assert_eq!((code, errors.lines().count()), (2, 1), "{errors}");
    errors
}

#[test]
fn unsupported_settings_of_the_local_tagger_stop_the_start() {
    let folder = TempDir::new().unwrap();
    let line = refusal(folder.path(), "ETIQUETA__TAGGING__LANGUAGE", "es");
    assert!(
        line.contains("tagging.language") && line.contains("en alone"),
        "{line}"
    );
    let line = refusal(folder.path(), "ETIQUETA__TAGGING__MODEL", "nowhere");
    assert!(
        line.contains("tagging.model") && line.contains("classifier.onnx"),
        "{line}"
    );
    let line = refusal(folder.path(), "ETIQUETA__TAGGING__PROVIDER", "imagga");
    assert!(line.contains("imagga.api_key"), "{line}");
}

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tag-provider-local/model");

#[test]
fn a_model_of_ones_own_is_used_and_checked() {
    let folder = TempDir::new().unwrap();
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    for file in fs::read_dir(MODEL).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), model.join(file.file_name())).unwrap();
        }
    }
    let hierarchy = fs::read_to_string(model.join("hierarchy.tsv")).unwrap();
    fs::write(
        model.join("hierarchy.tsv"),
        hierarchy.replace("\tcat\n", "\thouse tiger\n"),
    )
    .unwrap();
    fs::write(folder.path().join("photo.jpg"), PHOTOS[1].1).unwrap();
    let mut own = command(folder.path());
    own.env("ETIQUETA__TAGGING__MODEL", "model");
    own.args(["tag", "--json", "photo.jpg"]);
    let (code, output, errors) = run(own);
    assert_eq!(code, 0, "{errors}");
    assert!(output.contains("house tiger"), "{output}");
    assert!(!output.contains("\"sky\""), "it has no heads: {output}");
    let heads = model.join("heads");
    fs::create_dir(&heads).unwrap();
    fs::copy(format!("{MODEL}/heads/heads.tsv"), heads.join("heads.tsv")).unwrap();
    let line = refusal(folder.path(), "ETIQUETA__TAGGING__MODEL", "model");
    assert!(line.contains("heads/heads.f32"), "{line}");
    fs::copy(format!("{MODEL}/heads/heads.f32"), heads.join("heads.f32")).unwrap();
    fs::write(
        model.join("hierarchy.tsv"),
        hierarchy.replace("\tcat\n", "\n"),
    )
    .unwrap();
    let line = refusal(folder.path(), "ETIQUETA__TAGGING__MODEL", "model");
    assert!(line.contains("hierarchy.tsv, line "), "{line}");
    fs::write(model.join("hierarchy.tsv"), &hierarchy).unwrap();
    fs::write(model.join("detector.onnx"), b"no network").unwrap();
    let line = refusal(folder.path(), "ETIQUETA__TAGGING__MODEL", "model");
    assert!(line.contains("detector.onnx"), "{line}");
}
