//! Names of tags in other languages: those of the local tagger, then those of a folder, which prevail.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use domain::{LabelNames, LanguageError, NameTable, label_names::NameTableError};
#[cfg(feature = "local-tagger")]
use tag_provider_local::NAMES;
use thiserror::Error;

use crate::settings::Settings;

/// There is no built-in tagger whose words have names.
#[cfg(not(feature = "local-tagger"))]
const NAMES: &[(&str, &str)] = &[];

/// The largest file in bytes: a hundred thousand names of ordinary length.
const LONGEST: u64 = 16 << 20;

/// The extension of files with names.
const EXTENSION: &str = "tsv";

/// Why the names of a folder cannot be used.
#[derive(Debug, Error)]
enum NamesError {
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}, {source}", path.display())]
    Table {
        path: PathBuf,
        source: NameTableError,
    },
    #[error("{}: {source}", path.display())]
    Language {
        path: PathBuf,
        source: LanguageError,
    },
}

/// Reads all names. Files of the folder that cannot be used stop the start.
pub(super) fn names(settings: &Settings) -> anyhow::Result<LabelNames> {
    let names = built_in()?;
    match &settings.tagging.names {
        None => Ok(names),
        Some(folder) => with_folder(names, folder)
            .map_err(|error| settings.refuse("tagging.names", error).into()),
    }
}

fn built_in() -> anyhow::Result<LabelNames> {
    let mut names = LabelNames::default();
    for (language, table) in NAMES {
        let table = NameTable::parse(table).context("names inside the binary")?;
        names = names.with(language, table)?;
    }
    Ok(names)
}

/// Adds the files `LANGUAGE.tsv` of a folder; others in it are left alone.
fn with_folder(mut names: LabelNames, folder: &Path) -> Result<LabelNames, NamesError> {
    for path in files(folder).map_err(|source| unreadable(folder, source))? {
        let text = read(&path).map_err(|source| unreadable(&path, source))?;
        let table = NameTable::parse(&text).map_err(|source| NamesError::Table {
            path: path.clone(),
            source,
        })?;
        let language = path.file_stem().unwrap_or_default().to_string_lossy();
        names = names
            .with(&language, table)
            .map_err(|source| NamesError::Language { path, source })?;
    }
    Ok(names)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == EXTENSION) {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(LONGEST + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(text)
}

fn unreadable(path: &Path, source: io::Error) -> NamesError {
    NamesError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use domain::Label;

    use super::*;

    fn name_of(names: &LabelNames, language: &str, label: &str) -> String {
        let shown = names.shown_in(language).unwrap();
        shown.of(&Label::parse(label).unwrap()).to_string()
    }

    #[test]
    fn files_add_languages_and_prevail() {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("pt-br.tsv", "dog\tcachorro\n"),
            ("es.tsv", "dog\tcan\nmy word\tmi palabra\n"),
            ("README.md", "no table"),
        ] {
            fs::write(folder.path().join(file), text).unwrap();
        }
        let spanish = NameTable::parse("dog\tperro\ncat\tgato\n").unwrap();
        let names = LabelNames::default().with("es", spanish).unwrap();
        let names = with_folder(names, folder.path()).unwrap();
        assert_eq!(names.languages().collect::<Vec<_>>(), ["en", "es", "pt-br"]);
        assert_eq!(name_of(&names, "es", "dog"), "can");
        assert_eq!(name_of(&names, "es", "cat"), "gato");
        assert_eq!(name_of(&names, "es", "my word"), "mi palabra");
        assert_eq!(name_of(&names, "pt-br", "dog"), "cachorro");
        assert_eq!(name_of(&names, "pt-br", "cat"), "cat");
    }

    #[rstest::rstest]
    #[case("es.tsv", b"dog\tperro\ncat", "es.tsv, line 2: ")]
    #[case("en.tsv", b"dog\tdoggy\n", "en.tsv: labels are their own names in en")]
    #[case(
        "Spanish.tsv",
        b"",
        "Spanish.tsv: \"Spanish\" is not the code of a language"
    )]
    #[case("es.tsv", b"dog\t\xFF", "es.tsv cannot be read: ")]
    fn a_file_that_cannot_be_used_is_named(
        #[case] file: &str,
        #[case] bytes: &[u8],
        #[case] expected: &str,
    ) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(file), bytes).unwrap();
        let error = with_folder(LabelNames::default(), folder.path()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_folder_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("names");
        let error = with_folder(LabelNames::default(), &missing).unwrap_err();
        assert!(error.to_string().contains("names cannot be read: "));
    }

    #[cfg(feature = "local-tagger")]
    #[test]
    fn the_binary_has_spanish_names() {
        let names = built_in().unwrap();
        assert_eq!(name_of(&names, "es", "dog"), "perro");
    }
}
