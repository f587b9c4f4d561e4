//! Shard directories, and which of their names are durable.
//!
//! The name of a directory is durable once its parent was synced after the directory was created. An
//! existing directory may have been created by a process that has not synced yet: so the first put into
//! each directory also syncs its parents, and later ones need not. It is assumed that no other program
//! removes directories.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::ContentDigest;

use crate::folder;

/// A leaf directory: the first two bytes of the digests in it.
type Leaf = [u8; 2];

/// The shard directories known to be durable, with their parents.
#[derive(Debug, Default)]
pub(crate) struct ShardDirectories(Mutex<Durable>);

#[derive(Debug, Default)]
struct Durable {
    /// At most 256, by the first byte.
    outer: HashSet<u8>,
    /// At most 65 536.
    leaves: HashSet<Leaf>,
}

impl ShardDirectories {
    /// Creates the directory of an original, durably, unless it exists. The root must exist.
    pub(crate) fn make(&self, root: &Path, digest: &ContentDigest) -> io::Result<()> {
        self.make_with(root, digest, folder::sync)
    }

    fn make_with(
        &self,
        root: &Path,
        digest: &ContentDigest,
        sync: impl Fn(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let leaf = leaf(digest);
        let [first, _] = leaf;
        if self.durable().leaves.contains(&leaf) {
            return Ok(());
        }
        let folder = path(root, digest);
        let outer = folder.parent().unwrap_or(root);
        make(outer)?;
        make(&folder)?;
        let is_new = !self.durable().outer.contains(&first);
        if is_new {
            sync(root)?;
        }
        // One sync covers all entries by now. There are many only after a start.
        let there = if is_new {
            leaves(outer, first)?
        } else {
            vec![leaf]
        };
        sync(outer)?;
        let mut durable = self.durable();
        durable.outer.insert(first);
        durable.leaves.extend(there);
        Ok(())
    }

    fn durable(&self) -> MutexGuard<'_, Durable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The directory of an original.
pub(crate) fn path(root: &Path, digest: &ContentDigest) -> PathBuf {
    let [first, second] = leaf(digest);
    root.join(format!("{first:02x}/{second:02x}"))
}

fn leaf(digest: &ContentDigest) -> Leaf {
    let [first, second, ..] = *digest.as_bytes();
    [first, second]
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

/// The leaves in an outer directory.
fn leaves(outer: &Path, first: u8) -> io::Result<Vec<Leaf>> {
    let names = folder::entries(outer)?;
    let leaf = |name: &str| Some([first, folder::shard_byte(name)?]);
    Ok(names
        .iter()
        .filter_map(|entry| leaf(&entry.file_name().to_string_lossy()))
        .collect())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn digest(first: u8, second: u8) -> ContentDigest {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&[first, second]);
        ContentDigest::from_bytes(bytes)
    }

    #[test]
    fn durable_names_are_remembered() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("0a/02")).unwrap();
        fs::create_dir_all(root.path().join("0a/notes")).unwrap();
        let shards = ShardDirectories::default();
        shards.make(root.path(), &digest(10, 1)).unwrap();
        assert!(root.path().join("0a/01").is_dir());
        let leaves = || {
            let mut leaves: Vec<_> = shards.durable().leaves.iter().copied().collect();
            leaves.sort_unstable();
            leaves
        };
        assert_eq!(leaves(), [[10, 1], [10, 2]], "what was there as well");
        fs::create_dir_all(root.path().join("0a/03")).unwrap();
        shards.make(root.path(), &digest(10, 4)).unwrap();
        assert_eq!(leaves(), [[10, 1], [10, 2], [10, 4]]);
    }

    /// Creates a directory, and returns what was synced for it.
    fn synced(shards: &ShardDirectories, root: &Path, digest: &ContentDigest) -> Vec<PathBuf> {
        let synced = RefCell::new(Vec::new());
        let note = |folder: &Path| {
            synced
                .borrow_mut()
                .push(folder.strip_prefix(root).unwrap().to_owned());
            Ok(())
        };
        shards.make_with(root, digest, note).unwrap();
        synced.into_inner()
    }

    #[test]
    fn existing_names_are_synced_once() {
        let root = tempfile::tempdir().unwrap();
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        // As if by another put, or another server, that has not synced yet.
        fs::create_dir_all(root.path().join("0a/01")).unwrap();
        let shards = ShardDirectories::default();
        let synced = |first, second| synced(&shards, root.path(), &digest(first, second));
        assert_eq!(synced(10, 1), paths(&["", "0a"]));
        assert_eq!(synced(10, 1), paths(&[]));
        assert_eq!(synced(10, 2), paths(&["0a"]));
        assert_eq!(synced(11, 1), paths(&["", "0b"]));
    }

    #[test]
    fn unsynced_name_is_not_durable() {
        let root = tempfile::tempdir().unwrap();
        let shards = ShardDirectories::default();
        let failing = |_: &Path| Err(io::Error::other("no sync"));
        assert!(
            shards
                .make_with(root.path(), &digest(1, 2), failing)
                .is_err(),
            "the folders are there, and not durable"
        );
        assert_eq!(synced(&shards, root.path(), &digest(1, 2)).len(), 2);
    }

    #[test]
    fn no_root_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("gone");
        let error = ShardDirectories::default()
            .make(&root, &digest(1, 2))
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!root.exists());
    }

    #[test]
    fn failed_creation_is_not_durable() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("01"), b"in the way").unwrap();
        let shards = ShardDirectories::default();
        assert!(shards.make(root.path(), &digest(1, 2)).is_err());
        fs::remove_file(root.path().join("01")).unwrap();
        shards.make(root.path(), &digest(1, 2)).unwrap();
        assert!(root.path().join("01/02").is_dir());
    }
}
