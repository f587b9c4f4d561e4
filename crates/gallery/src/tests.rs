#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail loudly"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use super::*;

/// What a first visit transfers at most, compressed and without pictures.
const MOST_TRANSFERRED: usize = 150_000;

/// The hosts that texts and links may name. Nothing is requested from them.
const NAMED: [&str; 2] = [
    "http://www.w3.org/2000/svg",
    "https://www.openstreetmap.org/",
];

/// What browsers offer in secure contexts alone: most servers are reached by plain HTTP at an address of their network.
const SECURE_ONLY: [&str; 5] = [
    "randomUUID",
    "navigator.clipboard",
    "serviceWorker",
    "crypto.subtle",
    "caches.",
];

fn text(path: &str) -> &'static str {
    let (_, bytes) = SOURCES.iter().find(|(known, _)| *known == path).unwrap();
    std::str::from_utf8(bytes).unwrap()
}

fn own_modules() -> impl Iterator<Item = (&'static str, &'static str)> {
    SOURCES
        .iter()
        .filter(|(path, _)| extension(path) == Some("js") && !path.starts_with("vendor/"))
        .map(|(path, bytes)| (*path, std::str::from_utf8(bytes).unwrap()))
}

fn texts(language: &str) -> BTreeMap<String, String> {
    serde_json::from_str(text(&format!("text/{language}.json"))).unwrap()
}

fn placeholders(text: &str) -> BTreeSet<&str> {
    let parts = text.split('{').skip(1);
    parts.map(|part| part.split_once('}').unwrap().0).collect()
}

/// The first arguments of `t(…)`, where they are plain strings.
fn keys_used() -> BTreeSet<&'static str> {
    own_modules()
        .flat_map(|(_, code)| {
            code.split(" t('")
                .chain(code.split("(t('"))
                .chain(code.split("{t('"))
                .skip(1)
        })
        .filter_map(|rest| rest.split_once('\'').map(|(key, _)| key))
        .filter(|key| {
            key.chars()
                .all(|it| it.is_ascii_lowercase() || it == '.' || it == '-')
                && !key.is_empty()
        })
        .collect()
}

fn paths(folder: &Path, found: &mut BTreeSet<String>, root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            paths(&path, found, root)?;
        } else {
            found.insert(
                path.strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
            );
        }
    }
    Ok(())
}

#[test]
fn every_file_is_embedded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
    let mut found = BTreeSet::new();
    paths(&root, &mut found, &root).unwrap();
    assert!(found.remove("index.html"));
    let embedded: BTreeSet<_> = SOURCES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(embedded, found);
}

#[test]
fn every_import_leads_to_a_file() {
    for (path, bytes) in SOURCES
        .iter()
        .filter(|(path, _)| extension(path) == Some("js"))
    {
        let code = std::str::from_utf8(bytes).unwrap();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let found = code.split("from '").chain(code.split("from\"")).skip(1);
        for specifier in found.filter_map(|rest| rest.strip_prefix("./")?.split(['\'', '"']).next())
        {
            let target = Path::new(folder).join(specifier);
            let target = target.to_str().unwrap();
            assert!(
                SOURCES.iter().any(|(known, _)| *known == target),
                "{path}: {specifier}"
            );
        }
    }
}

#[test]
fn the_languages_have_the_same_texts() {
    let (english, spanish) = (texts("en"), texts("es"));
    assert_eq!(
        english.keys().collect::<Vec<_>>(),
        spanish.keys().collect::<Vec<_>>()
    );
    for (key, text) in &english {
        assert!(!text.is_empty() && !spanish[key].is_empty(), "{key}");
        assert_eq!(placeholders(text), placeholders(&spanish[key]), "{key}");
    }
}

#[test]
fn every_text_that_is_shown_exists() {
    let english = texts("en");
    let used = keys_used();
    assert!(used.len() > 150, "{}", used.len());
    for key in used {
        let exists = english.contains_key(key) || english.contains_key(&format!("{key}.other"));
        assert!(exists, "{key}");
    }
}

#[test]
fn a_first_visit_is_small() {
    let sent = |file: &File| file.gzip.as_ref().unwrap_or(&file.bytes).len();
    let gallery = Gallery::new();
    let files = gallery.files.iter();
    let needed = files.filter(|(path, _)| !path.contains("LICENSE") && **path != "text/es.json");
    let total = sent(&gallery.page) + needed.map(|(_, file)| sent(file)).sum::<usize>();
    assert!(total <= MOST_TRANSFERRED, "{total}");
}

#[test]
fn the_page_names_no_other_host() {
    for (path, bytes) in SOURCES
        .iter()
        .filter(|(path, _)| !path.starts_with("vendor/"))
    {
        let mut text = std::str::from_utf8(bytes).unwrap().to_owned();
        for named in NAMED {
            text = text.replace(named, "");
        }
        assert!(!text.contains("://"), "{path}");
    }
    assert!(!PAGE.contains("://") && !PAGE.contains("=\"/"));
}

#[test]
fn the_page_needs_no_secure_context() {
    for (path, code) in own_modules() {
        let code: String = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        for name in SECURE_ONLY {
            assert!(!code.contains(name), "{path}: {name}");
        }
    }
}

#[test]
fn files_of_another_version_are_not_found() {
    let version = &GALLERY.version;
    assert!(file(&format!("{version}/main.js")).is_some());
    for path in [
        "main.js",
        "0/main.js",
        "",
        "/",
        &format!("{version}/"),
        &format!("{version}/../main.js"),
    ] {
        assert!(file(path).is_none(), "{path}");
    }
}

#[test]
fn the_page_leads_to_its_files() {
    let html = std::str::from_utf8(&page().bytes).unwrap();
    assert!(!html.contains("{{"), "{html}");
    let links = html.split('"').filter_map(|part| part.strip_prefix("ui/"));
    let mut count = 0;
    for link in links {
        assert!(file(link).is_some(), "{link}");
        count += 1;
    }
    assert!(count > 20, "{count}");
}

#[test]
fn compressed_files_are_the_same() {
    use std::io::Read as _;
    for known in GALLERY.files.values() {
        let Some(gzip) = &known.gzip else { continue };
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(gzip.as_slice())
            .read_to_end(&mut bytes)
            .unwrap();
        assert!(bytes == known.bytes);
    }
}
