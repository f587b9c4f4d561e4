//! The media library: existing files, copies left in the CDN, released files.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::{clock, picture};

/// Bytes of released pictures that stay readable for tests; a load test must not fill the memory.
const RELEASED_KEPT: usize = 64 * 1024 * 1024;

/// One file of the media library.
#[derive(Debug, Clone)]
pub struct File {
    /// Identifier: 24 hexadecimal digits.
    pub id: String,
    /// Position in the order of upload, from 0.
    pub number: u64,
    /// Name after cleaning, with its unique suffix.
    pub name: String,
    /// Folder with a leading and without a trailing slash; `/` is the root.
    pub folder: String,
    /// The bytes as they were uploaded.
    pub bytes: Bytes,
    /// Tags as sent; `None` if there were none.
    pub tags: Option<Vec<String>>,
    /// Media type by the first bytes; `None` if it is not a picture.
    pub media_type: Option<&'static str>,
    /// Width and height in pixels, for pictures.
    pub dimensions: Option<(u32, u32)>,
    /// Whether a signed URL would be needed to read it.
    pub private: bool,
    /// Whether it may be read at all.
    pub published: bool,
    /// Time of the upload.
    pub created_at: DateTime<Utc>,
    /// Time of the last change.
    pub updated_at: DateTime<Utc>,
    /// Whether the CDN holds a copy.
    pub(crate) cached: bool,
}

impl File {
    /// Path in the media library, from the root.
    pub fn path(&self) -> String {
        join(&self.folder, &self.name)
    }

    /// ImageKit's type of the file.
    pub(crate) fn file_type(&self) -> &'static str {
        if self.media_type.is_some() {
            "image"
        } else {
            "non-image"
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct NewFile {
    pub(crate) name: String,
    pub(crate) folder: String,
    pub(crate) bytes: Bytes,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) private: bool,
    pub(crate) published: bool,
    pub(crate) age: Duration,
}

/// Why a picture cannot be read by its URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Missing,
    Private,
}

#[derive(Debug, Default)]
pub(crate) struct Library {
    alive: HashMap<String, File>,
    ids_by_path: HashMap<String, String>,
    copies: HashMap<String, Bytes>,
    released: VecDeque<File>,
    released_bytes: usize,
    pub(crate) uploads: u64,
    pub(crate) releases: u64,
    pub(crate) peak_alive: usize,
}

impl Library {
    /// Stores a file; one with the same path is overwritten and keeps its id.
    pub(crate) fn store(&mut self, new: NewFile) -> File {
        let path = join(&new.folder, &new.name);
        let created_at = clock::ago(new.age);
        let file = File {
            id: self.ids_by_path.get(&path).cloned().unwrap_or_else(new_id),
            number: self.uploads,
            media_type: picture::media_type(&new.bytes),
            dimensions: picture::dimensions(&new.bytes),
            name: new.name,
            folder: new.folder,
            bytes: new.bytes,
            tags: new.tags,
            private: new.private,
            published: new.published,
            created_at,
            updated_at: created_at,
            cached: true,
        };
        self.uploads += 1;
        self.ids_by_path.insert(path, file.id.clone());
        self.alive.insert(file.id.clone(), file.clone());
        self.peak_alive = self.peak_alive.max(self.alive.len());
        file
    }

    pub(crate) fn has_path(&self, path: &str) -> bool {
        self.ids_by_path.contains_key(path)
    }

    pub(crate) fn get(&self, id: &str) -> Option<&File> {
        self.alive.get(id)
    }

    pub(crate) fn alive(&self) -> usize {
        self.alive.len()
    }

    /// Existing files in the order of upload.
    pub(crate) fn files(&self) -> Vec<&File> {
        let mut files: Vec<_> = self.alive.values().collect();
        files.sort_by_key(|file| file.number);
        files
    }

    /// An existing file, or a released one whose bytes are still kept.
    pub(crate) fn recall(&self, id: &str) -> Option<&File> {
        self.get(id)
            .or_else(|| self.released.iter().find(|file| file.id == id))
    }

    /// All files whose bytes are known, in the order of upload.
    pub(crate) fn recall_all(&self) -> Vec<&File> {
        let mut files: Vec<_> = self.alive.values().chain(&self.released).collect();
        files.sort_by_key(|file| file.number);
        files
    }

    /// Deletes a file; with a CDN its cached copy stays. `false` if there is none.
    pub(crate) fn release(&mut self, id: &str, cdn: bool) -> bool {
        let Some(file) = self.alive.remove(id) else {
            return false;
        };
        let path = file.path();
        self.ids_by_path.remove(&path);
        if cdn && file.cached && file.published && !file.private {
            self.copies.insert(path, file.bytes.clone());
        }
        self.releases += 1;
        self.keep_released(file);
        true
    }

    fn keep_released(&mut self, file: File) {
        self.released_bytes += file.bytes.len();
        self.released.push_back(file);
        while self.released_bytes > RELEASED_KEPT {
            let Some(oldest) = self.released.pop_front() else {
                break;
            };
            self.released_bytes -= oldest.bytes.len();
        }
    }

    /// The public content at a path.
    pub(crate) fn read(&mut self, path: &str) -> Result<Bytes, Unreadable> {
        if let Some(copy) = self.copies.get(path) {
            return Ok(copy.clone());
        }
        let id = self.ids_by_path.get(path).ok_or(Unreadable::Missing)?;
        let file = self.alive.get_mut(id).ok_or(Unreadable::Missing)?;
        if !file.published {
            return Err(Unreadable::Missing);
        }
        if file.private {
            return Err(Unreadable::Private);
        }
        file.cached = true;
        Ok(file.bytes.clone())
    }

    /// Drops the CDN's copies of all matching paths.
    pub(crate) fn purge(&mut self, matches: impl Fn(&str) -> bool) {
        self.copies.retain(|path, _| !matches(path));
        for file in self.alive.values_mut().filter(|file| matches(&file.path())) {
            file.cached = false;
        }
    }

    /// Paths of deleted files that the CDN still shows.
    pub(crate) fn copies(&self) -> Vec<String> {
        self.copies.keys().cloned().collect()
    }

    /// Makes a file look older by `age`. `false` if there is none.
    pub(crate) fn backdate(&mut self, id: &str, age: Duration) -> bool {
        let Some(file) = self.alive.get_mut(id) else {
            return false;
        };
        file.created_at = clock::ago(age);
        file.updated_at = file.created_at;
        true
    }
}

/// Path of a name in a folder.
pub(crate) fn join(folder: &str, name: &str) -> String {
    format!("{}/{name}", folder.trim_end_matches('/'))
}

fn new_id() -> String {
    let digits = uuid::Uuid::new_v4().simple().to_string();
    digits.chars().take(24).collect()
}
