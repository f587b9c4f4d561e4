//! Finds and reads image files.

use std::{
    fs::File,
    io::{self, Read},
    iter,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use support::{ByteBudget, Reservation};
use tokio::task;
use walkdir::{DirEntry, WalkDir};

use super::FileError;
use crate::cli::kind::{Kind, LeftOut, PREFIX};

/// A file to tag, or why it is not.
pub(super) struct Found {
    pub(super) file: PathBuf,
    pub(super) problem: Option<FileError>,
}

/// A file as given, or all files below a folder, sorted by name. Files whose content is not a supported
/// image come with the reason for skipping them.
pub(super) fn find(name: PathBuf) -> Box<dyn Iterator<Item = Found> + Send> {
    if name.is_dir() {
        Box::new(Search::new(name))
    } else {
        Box::new(iter::once(Found {
            file: name,
            problem: None,
        }))
    }
}

/// Walks a folder; if it has no file to tag, yields the folder with that error.
struct Search {
    folder: PathBuf,
    walk: walkdir::IntoIter,
    is_answered: bool,
}

impl Search {
    fn new(folder: PathBuf) -> Self {
        Self {
            walk: WalkDir::new(&folder)
                .follow_links(true)
                .sort_by_file_name()
                .into_iter(),
            folder,
            is_answered: false,
        }
    }
}

impl Iterator for Search {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        if let Some(found) = self.walk.by_ref().find_map(found) {
            let is_left_out = matches!(found.problem, Some(FileError::LeftOut(_)));
            self.is_answered |= !is_left_out;
            return Some(found);
        }
        if self.is_answered {
            return None;
        }
        self.is_answered = true;
        Some(Found {
            file: self.folder.clone(),
            problem: Some(FileError::NoPictures),
        })
    }
}

/// Maps a directory entry to a file.
fn found(entry: walkdir::Result<DirEntry>) -> Option<Found> {
    match entry {
        Ok(entry) if entry.file_type().is_dir() => None,
        Ok(entry) => Some(Found {
            problem: examine(&entry).err(),
            file: entry.into_path(),
        }),
        Err(error) => Some(Found {
            file: error.path().unwrap_or(Path::new("")).to_owned(),
            problem: Some(FileError::Unreadable(error.into())),
        }),
    }
}

/// Why a file cannot be tagged.
fn examine(entry: &DirEntry) -> Result<(), FileError> {
    // Opening a pipe could block.
    if !entry.file_type().is_file() {
        return Err(FileError::LeftOut(LeftOut::NoFile));
    }
    let mut prefix = Vec::new();
    File::open(entry.path())
        .and_then(|file| file.take(PREFIX as u64).read_to_end(&mut prefix))
        .map_err(FileError::Unreadable)?;
    match Kind::sniff(&prefix) {
        Kind::Picture => Ok(()),
        Kind::Unread(format) => Err(FileError::LeftOut(LeftOut::Unread(format))),
        Kind::Other => Err(FileError::LeftOut(LeftOut::NoPicture)),
    }
}

/// Reads a file of at most `limit` bytes, once the budget has room for it.
pub(super) async fn read(
    path: PathBuf,
    limit: usize,
    budget: &ByteBudget,
) -> Result<(Bytes, Reservation), FileError> {
    let (file, length) = off_thread(move || open(&path, limit)).await?;
    let reserved = budget.reserve(length).await;
    let bytes = off_thread(move || read_at_most(file, length, limit)).await?;
    if bytes.len() > limit {
        return Err(FileError::TooLarge { limit });
    }
    Ok((bytes.into(), reserved))
}

/// Opens a file and says how many bytes to reserve for it. A pipe or a device may have any length.
fn open(path: &Path, limit: usize) -> io::Result<(File, usize)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let length = usize::try_from(metadata.len()).unwrap_or(limit);
    let length = if metadata.is_file() { length } else { limit };
    Ok((file, length.min(limit)))
}

/// Stops one byte after the limit, so that no file or device can exhaust memory.
fn read_at_most(file: File, length: usize, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length + 1);
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, FileError> {
    let done = task::spawn_blocking(work).await;
    let done = done.map_err(io::Error::other).flatten();
    done.map_err(FileError::Unreadable)
}
