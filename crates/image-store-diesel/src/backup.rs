//! Copies a database file while it is in use.

use std::{
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use tempfile::{Builder, TempPath};
use thiserror::Error;
use tokio::task::spawn_blocking;

use crate::{
    sqlite::{self, CopyError},
    url::StoreUrl,
};

/// A finished copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// The number of images in it.
    pub images: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Why there is no copy.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The database is not a file.
    #[error(
        "the database is a server: back it up with its own tools, such as `mariadb-dump --single-transaction`"
    )]
    Server,
    /// Something has the name of the copy.
    #[error("{} is there already, and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// The copy cannot be written.
    #[error("writing {}", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// SQLite failed, or the copy is not sound.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

/// Copies a SQLite database as of one moment into a new file, and checks the copy; servers may go on meanwhile.
///
/// The file appears under its name once it is whole, checked and synced.
///
/// # Errors
/// See [`BackupError`]; no file of that name is left then.
pub async fn back_up(url: &StoreUrl, target: &Path) -> Result<Backup, BackupError> {
    let StoreUrl::Sqlite { path } = url else {
        return Err(BackupError::Server);
    };
    let (source, target) = (path.clone(), target.to_owned());
    let copied = spawn_blocking(move || copy(&source, &target)).await;
    copied.unwrap_or_else(|lost| {
        let (path, source) = (PathBuf::new(), io::Error::other(lost));
        Err(BackupError::Write { path, source })
    })
}

fn copy(source: &Path, target: &Path) -> Result<Backup, BackupError> {
    let failed = |source| BackupError::Write {
        path: target.to_owned(),
        source,
    };
    if target.try_exists().map_err(failed)? {
        return Err(BackupError::Exists(target.to_owned()));
    }
    let folder = folder_of(target);
    let copy = unfinished(folder, target).map_err(failed)?;
    sqlite::copy_into(source, &copy)?;
    let images = sqlite::verify(&copy)?;
    let file = File::open(&copy).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    copy.persist_noclobber(target)
        .map_err(|error| match error.error.kind() {
            ErrorKind::AlreadyExists => BackupError::Exists(target.to_owned()),
            _ => failed(error.error),
        })?;
    // Otherwise a power cut may take the name away again.
    let named = File::open(folder).and_then(|folder| folder.sync_all());
    named.map_err(failed)?;
    Ok(Backup { images, bytes })
}

fn folder_of(target: &Path) -> &Path {
    let folder = target
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// An empty file beside the target, which goes unless it gets its name.
fn unfinished(folder: &Path, target: &Path) -> io::Result<TempPath> {
    let name = target.file_name().unwrap_or_default();
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    let file = Builder::new()
        .prefix(&prefix)
        .suffix(".partial")
        .tempfile_in(folder)?;
    Ok(file.into_temp_path())
}
