//! What a folder needs beyond what `object_store` does.

use std::{
    fs::{self, DirEntry, File},
    io,
    path::Path,
    time::SystemTime,
};

use domain::ContentDigest;

/// Where it is tried whether files can be made.
const TRIAL: &str = ".etiqueta-trial";

/// Makes a folder, durably, and all that lead to it.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    folder
        .ancestors()
        .skip(1)
        .find(|above| above.is_dir())
        .map_or(Ok(()), sync)
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes the name of a file durable: syncs its folder, and those above it up to the root.
pub(crate) fn sync_names(root: &Path, file: &Path) -> io::Result<()> {
    file.ancestors()
        .skip(1)
        .take_while(|folder| folder.starts_with(root))
        .try_for_each(sync)
}

/// Whether files can be made there. Makes the folder if it is not there (any more).
pub(crate) fn try_out(root: &Path) -> io::Result<()> {
    make(root)?;
    // A name for each try: several servers may share the folder.
    let trial = root.join(format!("{TRIAL}-{:016x}", rand::random::<u64>()));
    fs::write(&trial, b"x")?;
    fs::remove_file(&trial)
}

/// Removes what writes that were cut off before that time left behind. Says how much it was.
pub(crate) fn sweep(root: &Path, before: SystemTime) -> io::Result<u64> {
    let mut removed = 0;
    for entry in entries(root)? {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(TRIAL) {
            removed += u64::from(remove_if_older(&entry, before)?);
        } else if is_fan(&name) {
            for inner in entries(&entry.path())? {
                if is_fan(&inner.file_name().to_string_lossy()) {
                    removed += sweep_leaf(&inner.path(), before)?;
                }
            }
        }
    }
    Ok(removed)
}

fn sweep_leaf(folder: &Path, before: SystemTime) -> io::Result<u64> {
    let mut removed = 0;
    for entry in entries(folder)? {
        if is_remains(&entry.file_name().to_string_lossy()) {
            removed += u64::from(remove_if_older(&entry, before)?);
        }
    }
    Ok(removed)
}

/// What is in a folder; nothing if it is gone.
fn entries(folder: &Path) -> io::Result<Vec<DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if is_gone(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn remove_if_older(entry: &DirEntry, before: SystemTime) -> io::Result<bool> {
    let outcome = entry.metadata().and_then(|facts| {
        if !facts.is_file() || facts.modified()? >= before {
            return Ok(false);
        }
        fs::remove_file(entry.path()).map(|()| true)
    });
    match outcome {
        Err(error) if is_gone(&error) => Ok(false),
        outcome => outcome,
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Whether it is the name of a folder of the fan-out.
fn is_fan(name: &str) -> bool {
    name.len() == 2
        && name
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether it is the name that `object_store` gives a file before it is whole: `DIGEST#NUMBER`.
fn is_remains(name: &str) -> bool {
    name.split_once('#').is_some_and(|(digest, number)| {
        digest.parse::<ContentDigest>().is_ok() && number.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_remains_of_our_own_are_swept() {
        let root = tempfile::tempdir().unwrap();
        let leaf = root.path().join("ab/cd");
        fs::create_dir_all(&leaf).unwrap();
        let digest = ContentDigest::of(b"x").to_string();
        for name in [digest.as_str(), "notes#1", ".gitignore"] {
            fs::write(leaf.join(name), b"x").unwrap();
        }
        fs::write(leaf.join(format!("{digest}#1")), b"x").unwrap();
        fs::write(root.path().join(format!("{TRIAL}-1")), b"x").unwrap();
        fs::write(root.path().join("holiday.jpg"), b"x").unwrap();
        assert_eq!(
            sweep(root.path(), SystemTime::UNIX_EPOCH).unwrap(),
            0,
            "nothing is that old"
        );
        let later = SystemTime::now() + std::time::Duration::from_mins(1);
        assert_eq!(sweep(root.path(), later).unwrap(), 2);
        assert_eq!(fs::read_dir(leaf).unwrap().count(), 3);
        assert!(root.path().join("holiday.jpg").exists());
        assert_eq!(sweep(&root.path().join("gone"), later).unwrap(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_told() {
        let root = tempfile::tempdir().unwrap();
        try_out(&root.path().join("a/b")).unwrap();
        assert_eq!(fs::read_dir(root.path().join("a/b")).unwrap().count(), 0);
        let file = root.path().join("file");
        fs::write(&file, b"x").unwrap();
        assert!(try_out(&file.join("below")).is_err());
    }
}
