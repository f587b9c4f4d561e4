//! Finding and reading pictures.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use tokio::task;
use walkdir::WalkDir;

use super::FileError;

/// How the names of pictures end, where a folder is searched for them.
const ENDINGS: [&str; 9] = [
    "jpg", "jpeg", "jpe", "png", "webp", "gif", "bmp", "tif", "tiff",
];

/// A file to tag, or a place where there is none.
pub(super) struct Found {
    pub(super) file: PathBuf,
    pub(super) problem: Option<FileError>,
}

/// A file as it is; the pictures in a folder and in the folders in it, by name.
pub(super) fn find(name: PathBuf) -> Box<dyn Iterator<Item = Found> + Send> {
    if !name.is_dir() {
        return Box::new(std::iter::once(Found {
            file: name,
            problem: None,
        }));
    }
    let mut found = WalkDir::new(&name)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_map(|entry| match entry {
            Ok(entry) if entry.file_type().is_file() && is_picture(entry.path()) => Some(Found {
                file: entry.into_path(),
                problem: None,
            }),
            Ok(_) => None,
            Err(error) => {
                let file = error.path().unwrap_or(Path::new("")).to_owned();
                let problem = Some(FileError::Unreadable(error.into()));
                Some(Found { file, problem })
            }
        })
        .peekable();
    if found.peek().is_none() {
        let problem = Some(FileError::NoPictures);
        return Box::new(std::iter::once(Found {
            file: name,
            problem,
        }));
    }
    Box::new(found)
}

/// Reads a file of at most so many bytes.
pub(super) async fn read(file: PathBuf, limit: usize) -> Result<Bytes, FileError> {
    let read = task::spawn_blocking(move || read_at_most(&file, limit));
    let bytes = read.await.map_err(io::Error::other).flatten();
    let bytes = bytes.map_err(FileError::Unreadable)?;
    if bytes.len() > limit {
        return Err(FileError::TooLarge { limit });
    }
    Ok(bytes.into())
}

/// Stops one byte after the limit, so that no file and no device fills the memory.
fn read_at_most(file: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let one_more = limit as u64 + 1;
    File::open(file)?.take(one_more).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is_picture(file: &Path) -> bool {
    let ending = file.extension().and_then(OsStr::to_str).unwrap_or_default();
    ENDINGS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(ending))
}
