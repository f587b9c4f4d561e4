//! The root folder of all originals, and how to tell that it is still the same one.
//!
//! The mount point of an unmounted disk is an empty folder, or missing. Taken for the store, every original
//! would seem missing, and new ones would be hidden once the disk is mounted again. So the folder has a
//! marker file: without it nothing is read, written or called missing.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::folder::{self, TRIAL};

/// The marker file, which distinguishes the folder from the mount point below it.
const MARK: &str = ".etiqueta-originals";

/// Its content, for human readers.
const MARK_TEXT: &str = "Etiqueta keeps the originals of its images in this folder. \
    Leave this file here: while it is missing, the server takes the disk for not mounted.\n";

#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    /// Whether the marker was ever seen. A folder that was never writable has none.
    is_marked: AtomicBool,
}

impl Root {
    /// Opens a folder, creates it if necessary, and marks it.
    pub(crate) fn make(path: &Path) -> io::Result<Self> {
        folder::make(path)?;
        let root = Self {
            path: path.canonicalize()?,
            is_marked: AtomicBool::new(false),
        };
        root.mark();
        root.check()?;
        Ok(root)
    }

    /// Opens an existing folder with its marker. Creates nothing.
    pub(crate) fn find(path: &Path) -> io::Result<Self> {
        let root = Self {
            path: path.canonicalize()?,
            is_marked: AtomicBool::new(true),
        };
        root.check()?;
        Ok(root)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails if the folder is gone.
    pub(crate) fn check(&self) -> io::Result<()> {
        match fs::metadata(self.path.join(MARK)) {
            Ok(_) => {
                self.is_marked.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) if !folder::is_gone(&error) => Err(error),
            Err(_) if self.path.is_dir() && !self.is_marked.load(Ordering::Relaxed) => Ok(()),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!(
                    "the folder {} with its file {MARK} is gone: is the disk mounted?",
                    self.path.display()
                ),
            )),
        }
    }

    /// Tests whether files can be created.
    pub(crate) fn try_out(&self) -> io::Result<()> {
        self.check()?;
        // A unique name: several servers may share the folder.
        let trial = self
            .path
            .join(format!("{TRIAL}-{:016x}", rand::random::<u64>()));
        let written = fs::write(&trial, b"x");
        // A full disk takes the name but not the content.
        match (written, fs::remove_file(&trial)) {
            (Ok(()), removed) => removed,
            (Err(error), _) => Err(error),
        }
    }

    /// Creates the marker. If that fails, because the disk is full or read-only, the originals can still be
    /// read; a later start creates it.
    fn mark(&self) {
        let mark = self.path.join(MARK);
        let made = OpenOptions::new().write(true).create_new(true).open(mark);
        if let Ok(mut file) = made {
            let _ = file.write_all(MARK_TEXT.as_bytes());
            let _ = file.sync_all();
            let _ = folder::sync(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwritable_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let root = Root::make(&path).unwrap();
        let names = || fs::read_dir(&path).unwrap().count();
        let before = names();
        root.try_out().unwrap();
        assert_eq!(names(), before, "nothing is left of the try");
        fs::remove_dir_all(&path).unwrap();
        fs::write(&path, b"x").unwrap();
        assert!(root.try_out().is_err());
    }

    #[test]
    fn a_folder_without_its_mark_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::make(folder.path()).unwrap();
        let mark = folder.path().join(MARK);
        fs::rename(&mark, folder.path().join("away")).unwrap();
        let refusal = root.check().unwrap_err().to_string();
        assert!(refusal.contains(MARK), "{refusal}");
        fs::rename(folder.path().join("away"), &mark).unwrap();
        root.check().unwrap();
    }

    #[test]
    fn folder_that_was_never_marked_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root {
            path: folder.path().to_owned(),
            is_marked: AtomicBool::new(false),
        };
        root.check().unwrap();
        root.mark();
        root.check().unwrap();
        fs::remove_file(folder.path().join(MARK)).unwrap();
        assert!(root.check().is_err(), "it was marked meanwhile");
    }

    #[test]
    fn a_folder_that_must_be_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Images");
        assert!(Root::find(&path).is_err());
        assert!(!path.exists());
        fs::create_dir(&path).unwrap();
        let refusal = Root::find(&path).unwrap_err().to_string();
        assert!(refusal.contains(MARK), "{refusal}");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "nor marked");
        Root::make(&path).unwrap();
        Root::find(&path).unwrap().check().unwrap();
    }

    #[test]
    fn a_second_start_leaves_the_mark_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(MARK), "mine").unwrap();
        Root::make(folder.path()).unwrap().check().unwrap();
        assert_eq!(fs::read(folder.path().join(MARK)).unwrap(), b"mine");
    }
}
