//! Copies a database file while it is in use.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::{Builder, TempPath};
use thiserror::Error;
use tokio::task::spawn_blocking;

use crate::{
    sqlite::{self, CopyError},
    url::StoreUrl,
};

/// How the folders of copies are called that are not finished.
const UNFINISHED: &str = ".etiqueta-backup-";

/// The age from which such a folder is that of a backup that was killed.
const ABANDONED: Duration = Duration::from_hours(24);

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
    remove_unfinished(folder);
    // In a folder of its own, which takes along what SQLite writes beside it.
    let unfinished = Builder::new().prefix(UNFINISHED).tempdir_in(folder);
    let unfinished = unfinished.map_err(failed)?;
    let copy = TempPath::try_from_path(unfinished.path().join("copy.db")).map_err(failed)?;
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

/// Removes what backups left that were killed, a day later: they may run as long.
fn remove_unfinished(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        let age = entry.metadata().and_then(|facts| facts.modified());
        let age = age.ok().and_then(|modified| modified.elapsed().ok());
        if is_unfinished && age.is_some_and(|age| age > ABANDONED) {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn folder_of(target: &Path) -> &Path {
    let folder = target
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}
