//! The identity of the database file.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use domain::ports::{ImageStoreError, cause};
use thiserror::Error;
use tokio::task::spawn_blocking;

/// A path, and the file that was first found there. Clones share them.
///
/// After the file is removed or replaced, open connections still use the old one: what they commit is lost
/// at the next start. So the file is checked after each commit, and before more connections are opened,
/// which would create a new file.
#[derive(Debug, Clone)]
pub(super) struct DatabaseFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    first: OnceLock<FileId>,
}

/// Identifies a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

#[derive(Debug, Error)]
#[error(
    "{} was removed or replaced while it was open: put the file back, or restart the server",
    .0.display()
)]
struct Exchanged(PathBuf);

impl DatabaseFile {
    pub(super) fn new(path: &Path) -> Self {
        Self(Arc::new(Inner {
            path: path.to_owned(),
            first: OnceLock::new(),
        }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Fails if the file was removed or replaced.
    pub(super) async fn check(&self) -> Result<(), ImageStoreError> {
        let file = self.clone();
        let looked = spawn_blocking(move || file.look()).await;
        let outcome = looked.unwrap_or_else(|lost| Err(io::Error::other(lost)));
        outcome.map_err(|error| ImageStoreError::Unavailable(cause(error)))
    }

    /// The blocking form of [`check`](Self::check). Before the first connection every file is accepted.
    pub(super) fn look(&self) -> io::Result<()> {
        match self.0.first.get() {
            None => Ok(()),
            Some(first) => self.compare(*first),
        }
    }

    /// Records the file that a connection has opened. Blocks.
    pub(super) fn opened(&self) -> io::Result<()> {
        let now = self.id()?;
        let first = *self.0.first.get_or_init(|| now);
        self.compare(first)
    }

    fn compare(&self, first: FileId) -> io::Result<()> {
        match self.id() {
            Ok(now) if now == first => Ok(()),
            Ok(_) => Err(self.exchanged()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.exchanged()),
            Err(error) => Err(error),
        }
    }

    fn id(&self) -> io::Result<FileId> {
        let facts = fs::metadata(self.path())?;
        Ok(FileId {
            device: facts.dev(),
            inode: facts.ino(),
        })
    }

    fn exchanged(&self) -> io::Error {
        io::Error::other(Exchanged(self.0.path.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_file_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let (path, away) = (folder.path().join("db"), folder.path().join("away"));
        let file = DatabaseFile::new(&path);
        file.look().unwrap();
        assert!(file.opened().is_err(), "there is none");
        fs::write(&path, "one").unwrap();
        file.opened().unwrap();
        fs::rename(&path, &away).unwrap();
        assert!(file.look().is_err());
        fs::write(&path, "another").unwrap();
        assert!(file.look().is_err());
        assert!(file.opened().is_err());
        fs::rename(&away, &path).unwrap();
        file.look().unwrap();
        file.opened().unwrap();
    }
}
