//! Finds the files to import.

use std::{
    fs::{self, Metadata},
    io, iter,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use domain::ports::cause;
use glob::{MatchOptions, Pattern};
use walkdir::{DirEntry, WalkDir};

use super::Failure;
use crate::cli::kind::LeftOut;

/// `*` stays within a folder, `**` does not.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// A file to import, or why it is not.
#[derive(Debug)]
pub(in crate::cli) struct Found {
    /// The path as the user would write it.
    pub(in crate::cli) shown: PathBuf,
    /// The absolute path, which is the same from whatever folder the command is run.
    pub(in crate::cli) path: PathBuf,
    /// Whether the user named the file, rather than a folder around it.
    pub(in crate::cli) is_named: bool,
    pub(in crate::cli) problem: Option<Failure>,
}

/// What is passed over.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Exclusion {
    patterns: Vec<Pattern>,
    /// Device and inode of the folder of the store's own originals.
    own: Option<(u64, u64)>,
}

impl Exclusion {
    /// `originals` is the folder of the store's own originals, if it is one.
    pub(in crate::cli) fn new(patterns: Vec<Pattern>, originals: Option<&Path>) -> Self {
        let metadata = originals.and_then(|folder| fs::metadata(folder).ok());
        Self {
            patterns,
            own: metadata.as_ref().map(identity),
        }
    }

    /// Whether the name of a file or folder, or its path below the one that was given, matches.
    fn matches(&self, below: &Path) -> bool {
        let name = below.file_name().map(Path::new);
        let matches = |pattern: &Pattern| {
            let is_match = |path: &Path| pattern.matches_path_with(path, MATCHING);
            is_match(below) || name.is_some_and(is_match)
        };
        self.patterns.iter().any(matches)
    }

    /// Whether a file, or a folder that it is in, matches.
    pub(in crate::cli) fn covers(&self, below: &Path) -> bool {
        let mut folders = below.ancestors();
        folders.any(|folder| folder.file_name().is_some() && self.matches(folder))
    }

    fn is_own(&self, folder: &Metadata) -> bool {
        self.own == Some(identity(folder))
    }

    /// Whether a folder is that of the store's own originals, or inside it.
    fn holds(&self, folder: &Path) -> bool {
        let is_own = |folder: &Path| fs::metadata(folder).is_ok_and(|it| self.is_own(&it));
        self.own.is_some() && folder.ancestors().any(is_own)
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// A file as given, or all files below a folder, sorted by name.
pub(in crate::cli) fn find(
    given: PathBuf,
    exclusion: Exclusion,
) -> Box<dyn Iterator<Item = Found> + Send> {
    if !given.is_dir() {
        return Box::new(iter::once(named(given)));
    }
    let absolute = match fs::canonicalize(&given) {
        Ok(absolute) => absolute,
        Err(error) => return Box::new(iter::once(failed(given, error))),
    };
    if exclusion.holds(&absolute) {
        let problem = Failure::LeftOut(LeftOut::Originals);
        return Box::new(iter::once(Found {
            problem: Some(problem),
            ..named(given)
        }));
    }
    Box::new(Search {
        walk: WalkDir::new(&given)
            .follow_links(true)
            .sort_by_file_name()
            .into_iter(),
        given,
        absolute,
        exclusion,
    })
}

/// A file that the user named.
fn named(given: PathBuf) -> Found {
    let folder = match given.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let path = match (fs::canonicalize(folder), given.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => given.clone(),
    };
    Found {
        shown: given,
        path,
        is_named: true,
        problem: None,
    }
}

fn failed(given: PathBuf, error: io::Error) -> Found {
    Found {
        problem: Some(Failure::unreadable(error)),
        ..named(given)
    }
}

/// Walks a folder.
struct Search {
    walk: walkdir::IntoIter,
    given: PathBuf,
    absolute: PathBuf,
    exclusion: Exclusion,
}

impl Iterator for Search {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let found = match self.walk.next()? {
                Ok(entry) => self.examine(&entry),
                Err(error) => Some(self.unreachable(error)),
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

impl Search {
    /// The file of an entry. None for a folder, and for what is to be passed over.
    fn examine(&mut self, entry: &DirEntry) -> Option<Found> {
        let is_folder = entry.file_type().is_dir();
        if entry.depth() > 0 && self.exclusion.matches(self.below(entry.path())) {
            if is_folder {
                self.walk.skip_current_dir();
            }
            return None;
        }
        if !is_folder {
            let problem = (!entry.file_type().is_file()).then_some(LeftOut::NoFile);
            return Some(self.found(entry.path(), problem.map(Failure::LeftOut)));
        }
        let metadata = entry.metadata().ok()?;
        if !self.exclusion.is_own(&metadata) {
            return None;
        }
        self.walk.skip_current_dir();
        let problem = Failure::LeftOut(LeftOut::Originals);
        Some(self.found(entry.path(), Some(problem)))
    }

    fn unreachable(&self, error: walkdir::Error) -> Found {
        let path = error.path().unwrap_or(&self.given).to_owned();
        let problem = if error.loop_ancestor().is_some() {
            Failure::LeftOut(LeftOut::Loop)
        } else {
            let error = error
                .into_io_error()
                .unwrap_or_else(|| io::Error::other("the folder cannot be read"));
            Failure::unreadable(error)
        };
        self.found(&path, Some(problem))
    }

    fn found(&self, path: &Path, problem: Option<Failure>) -> Found {
        Found {
            shown: path.to_owned(),
            path: self.absolute.join(self.below(path)),
            is_named: false,
            problem,
        }
    }

    fn below<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.given).unwrap_or(path)
    }
}

impl Failure {
    pub(in crate::cli) fn unreadable(error: io::Error) -> Self {
        Self::Unreadable(cause(error))
    }
}
