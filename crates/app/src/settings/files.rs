//! Reads settings files.

use std::{fs, io, path::Path, sync::Arc};

use super::error::{SettingsError, Warning};

/// What a path contains.
pub(super) enum Content {
    Missing,
    /// A folder, which is treated as missing.
    Folder(Warning),
    Text(String),
}

/// Reads a text file; `name` stands for its path in messages.
pub(super) fn read(path: &Path, name: &str) -> Result<Content, SettingsError> {
    if path.is_dir() {
        return Ok(Content::Folder(Warning::Folder {
            file: name.to_owned(),
        }));
    }
    match fs::read_to_string(path) {
        Ok(text) => Ok(Content::Text(without_bom(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Content::Missing),
        Err(error) => Err(SettingsError::Unreadable {
            file: name.to_owned(),
            source: Arc::new(error),
        }),
    }
}

/// Some editors put a byte order mark in front of UTF-8.
fn without_bom(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}
