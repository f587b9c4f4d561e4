//! The folder that all originals are in, and how to tell that it is still the same one.
//!
//! A disk that is not mounted shows an empty folder, or none. Taken for the store, it would answer that
//! nothing was ever kept, and what is put there would vanish below the disk when it is back. So the
//! folder bears a mark: without it nothing is read, written or called missing.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::folder::{self, TRIAL};

/// The file that tells the folder from the one below its disk.
const MARK: &str = ".etiqueta-originals";

/// What it says to people.
const MARK_TEXT: &str = "Etiqueta keeps the originals of its images in this folder. \
    Leave this file here: while it is missing, the server takes the disk for not mounted.\n";

/// A folder of originals.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    /// Whether the mark was ever seen. A folder that could not be written to has none.
    is_marked: AtomicBool,
}

impl Root {
    /// Takes a folder, which is made if it is not there, and marks it.
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

    /// Takes a folder that is there and bears the mark. Makes nothing.
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

    /// Fails if the folder is not there any more.
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

    /// Whether files can be made there.
    pub(crate) fn try_out(&self) -> io::Result<()> {
        self.check()?;
        // A name for each try: several servers may share the folder.
        let trial = self
            .path
            .join(format!("{TRIAL}-{:016x}", rand::random::<u64>()));
        let written = fs::write(&trial, b"x");
        // A full disk takes the name and not the content.
        match (written, fs::remove_file(&trial)) {
            (Ok(()), removed) => removed,
            (Err(error), _) => Err(error),
        }
    }

    /// Marks the folder. Where that is not possible, because the disk is full or read-only, what is
    /// there can be read all the same; another start makes up for it.
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
    fn a_folder_that_cannot_be_written_to_is_told() {
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
    fn a_folder_that_was_never_marked_will_do_until_it_is() {
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
