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

use super::{
    FileError,
    room::{Place, Room},
};

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

/// Reads a file of at most so many bytes, once there is room for it.
pub(super) async fn read(
    path: PathBuf,
    limit: usize,
    room: &Room,
) -> Result<(Bytes, Place), FileError> {
    let (file, length) = off_thread(move || open(&path, limit)).await?;
    let place = room.place(length).await;
    let bytes = off_thread(move || read_at_most(file, length, limit)).await?;
    if bytes.len() > limit {
        return Err(FileError::TooLarge { limit });
    }
    Ok((bytes.into(), place))
}

/// Opens a file and says how much of it is going to be read. A pipe or a device may have any length.
fn open(path: &Path, limit: usize) -> io::Result<(File, usize)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let length = usize::try_from(metadata.len()).unwrap_or(limit);
    let length = if metadata.is_file() { length } else { limit };
    Ok((file, length.min(limit)))
}

/// Stops one byte after the limit, so that no file and no device fills the memory.
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

fn is_picture(file: &Path) -> bool {
    let ending = file.extension().and_then(OsStr::to_str).unwrap_or_default();
    ENDINGS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(ending))
}
