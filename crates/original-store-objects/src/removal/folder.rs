//! Setting aside in a folder: one rename, which moves whatever exists at that moment.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use domain::{
    ContentDigest,
    ports::{Fate, SetAside},
};

use super::{LISTED, REMOVALS, is_of, name, parse};
use crate::{
    directory::Directory,
    folder::{self, entries, is_gone},
    quarantine::QUARANTINE,
    shards,
};

/// The removals of a folder of originals. All methods block.
pub(crate) struct Removals<'a>(pub(crate) &'a Directory);

impl Removals<'_> {
    /// Moves an original aside. `false` if it does not exist.
    pub(crate) fn set_aside(&self, original: &SetAside) -> io::Result<bool> {
        self.relocate(&self.home(original), REMOVALS, &name(original))
    }

    /// The originals set aside.
    pub(crate) fn list(&self) -> io::Result<Vec<SetAside>> {
        let entries = entries(&self.root().join(REMOVALS))?;
        let names = entries.iter().map(fs::DirEntry::file_name);
        Ok(names
            .filter_map(|name| parse(&name.to_string_lossy(), true))
            .take(LISTED)
            .collect())
    }

    /// The paths of an original set aside, possibly several.
    pub(crate) fn find(&self, digest: &ContentDigest) -> io::Result<Vec<PathBuf>> {
        let entries = entries(&self.root().join(REMOVALS))?;
        let found = entries
            .iter()
            .filter(|entry| is_of(&entry.file_name().to_string_lossy(), digest));
        Ok(found.map(fs::DirEntry::path).collect())
    }

    /// Moves one back, unless an original exists.
    pub(crate) fn put_back(&self, original: &SetAside) -> io::Result<()> {
        let (aside, home) = (self.aside(original), self.home(original));
        if !exists(&aside)? {
            return Ok(());
        }
        self.0.shards.make(self.root(), &original.digest)?;
        match link(&aside, &home) {
            Err(error) if is_gone(&error) && !exists(&aside)? => return Ok(()),
            outcome => outcome?,
        }
        folder::sync(&shards::path(self.root(), &original.digest))?;
        self.remove(&aside)
    }

    /// Removes or quarantines one.
    pub(crate) fn finish(&self, original: &SetAside) -> io::Result<()> {
        let aside = self.aside(original);
        match original.fate {
            Fate::Removal => self.remove(&aside),
            Fate::Quarantine => self
                .relocate(&aside, QUARANTINE, &original.digest.to_string())
                .map(drop),
        }
    }

    fn root(&self) -> &Path {
        self.0.root.path()
    }

    fn home(&self, original: &SetAside) -> PathBuf {
        let name = original.digest.to_string();
        shards::path(self.root(), &original.digest).join(name)
    }

    fn aside(&self, original: &SetAside) -> PathBuf {
        self.root().join(REMOVALS).join(name(original))
    }

    fn remove(&self, aside: &Path) -> io::Result<()> {
        match fs::remove_file(aside) {
            Err(error) if !is_gone(&error) => return Err(error),
            _ => {}
        }
        folder::sync_removal(&self.root().join(REMOVALS))
    }

    /// Moves a file into a folder below the root, durably. `false` if it does not exist. The new name is
    /// synced before the old one's removal, so that a power cut leaves one of them, or both.
    fn relocate(&self, source: &Path, folder: &str, name: &str) -> io::Result<bool> {
        if !exists(source)? {
            return Ok(false);
        }
        let target = self.root().join(folder);
        match fs::create_dir(&target) {
            Ok(()) => folder::sync(self.root())?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        match fs::rename(source, target.join(name)) {
            Err(error) if is_gone(&error) && !exists(source)? => return Ok(false),
            outcome => outcome?,
        }
        folder::sync(&target)?;
        folder::sync_removal(source.parent().unwrap_or(self.root()))?;
        Ok(true)
    }
}

fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Hard-links a file, unless the target exists. Without hard links the file is renamed: between the check
/// and the rename only the same bytes can be put there.
fn link(source: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(source, target) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if is_unsupported(&error) => {
            if exists(target)? {
                Ok(())
            } else {
                fs::rename(source, target)
            }
        }
        outcome => outcome,
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
    )
}
