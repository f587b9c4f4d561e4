//! The test's handle of the ImageKit fake.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::imagekit::library::{File, NewFile};
use crate::imagekit::state::State;
use crate::traffic::Traffic;

/// A running ImageKit fake.
#[derive(Debug, Clone)]
pub struct ImageKit {
    state: Arc<State>,
}

/// A file that exists before the test starts, as if left behind earlier.
#[derive(Debug, Clone)]
pub struct Seed {
    /// Name, used unchanged.
    pub name: String,
    /// Folder, as in `/tmp-tagging`.
    pub folder: String,
    /// The bytes, served unchanged.
    pub bytes: Bytes,
    /// Tags; may be empty.
    pub tags: Vec<String>,
    /// How long ago it was uploaded.
    pub age: Duration,
}

impl ImageKit {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// `http://127.0.0.1:port`: base of the upload endpoint, of the API and of all pictures.
    pub fn url(&self) -> &str {
        &self.state.origin
    }

    /// Base for `imagekit.upload_url`.
    pub fn upload_url(&self) -> &str {
        self.url()
    }

    /// Base for `imagekit.api_url`.
    pub fn api_url(&self) -> &str {
        self.url()
    }

    /// The private key that is accepted.
    pub fn private_key(&self) -> &str {
        &self.state.settings.private_key
    }

    /// Counters, recorded requests and faults.
    pub fn traffic(&self) -> &Traffic {
        &self.state.traffic
    }

    /// Turns the CDN on or off: with it a deleted picture stays readable until it is purged.
    pub fn set_cdn(&self, on: bool) {
        self.state.set_cdn(on);
    }

    /// Limits deletions, bulk deletions and purges together; `None` lifts the limit.
    pub fn set_writes_per_second(&self, limit: Option<u32>) {
        self.state.set_writes_per_second(limit);
    }

    /// Adds a file; returns its id.
    pub fn seed(&self, seed: Seed) -> String {
        let new = NewFile {
            name: seed.name,
            folder: seed.folder,
            bytes: seed.bytes,
            tags: (!seed.tags.is_empty()).then_some(seed.tags),
            private: false,
            published: true,
            age: seed.age,
        };
        self.state.library().store(new).id
    }

    /// Makes a file look as old as `age`. `false` if there is no such file.
    pub fn backdate(&self, id: &str, age: Duration) -> bool {
        self.state.library().backdate(id, age)
    }

    /// Removes a file without a call of the client. `false` if there is no such file.
    pub fn remove(&self, id: &str) -> bool {
        self.state.library().release(id, false)
    }

    /// Existing files, in the order of upload.
    pub fn files(&self) -> Vec<File> {
        self.state.library().files().into_iter().cloned().collect()
    }

    /// The number of existing files.
    pub fn alive(&self) -> usize {
        self.state.library().alive()
    }

    /// Most files that existed at once.
    pub fn peak_alive(&self) -> usize {
        self.state.library().peak_alive
    }

    /// Files ever stored, seeds included.
    pub fn uploads(&self) -> u64 {
        self.state.library().uploads
    }

    /// Files deleted.
    pub fn releases(&self) -> u64 {
        self.state.library().releases
    }

    /// Whether there is neither a file nor a copy in the CDN.
    pub fn all_released(&self) -> bool {
        let library = self.state.library();
        library.alive() == 0 && library.copies().is_empty()
    }

    /// Paths of deleted pictures that the CDN still shows.
    pub fn cdn_copies(&self) -> Vec<String> {
        self.state.library().copies()
    }

    /// The bytes of every picture as uploaded, in that order, including released ones (of these the last 64
    /// MiB).
    pub fn pictures(&self) -> Vec<Bytes> {
        self.state
            .library()
            .recall_all()
            .into_iter()
            .map(|file| file.bytes.clone())
            .collect()
    }
}
