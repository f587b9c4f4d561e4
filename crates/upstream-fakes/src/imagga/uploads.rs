//! Pictures uploaded to Imagga itself, which expire.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::clock;
use crate::imagga::errors::{self, ApiError};

#[derive(Debug)]
struct Upload {
    number: u64,
    at: DateTime<Utc>,
    bytes: Bytes,
}

/// The uploads by id, until they are deleted.
#[derive(Debug)]
pub(crate) struct Uploads {
    kept: HashMap<String, Upload>,
    pub(crate) lifetime: Duration,
    pub(crate) stored: u64,
    pub(crate) deleted: u64,
    pub(crate) peak_alive: usize,
}

impl Uploads {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self {
            kept: HashMap::new(),
            lifetime,
            stored: 0,
            deleted: 0,
            peak_alive: 0,
        }
    }

    /// Stores a picture; returns its id.
    pub(crate) fn store(&mut self, bytes: Bytes) -> String {
        let id = format!("i{}", &uuid::Uuid::new_v4().simple());
        let upload = Upload {
            number: self.stored,
            at: clock::now(),
            bytes,
        };
        self.kept.insert(id.clone(), upload);
        self.stored += 1;
        self.peak_alive = self.peak_alive.max(self.alive());
        id
    }

    /// The bytes of an upload that has not expired.
    pub(crate) fn get(&mut self, id: &str) -> Result<Bytes, ApiError> {
        let upload = self.kept.get_mut(id).ok_or(errors::NO_SUCH_UPLOAD)?;
        if clock::age(upload.at) >= self.lifetime {
            // The id is kept for the right error, the picture is not.
            upload.bytes = Bytes::new();
            return Err(errors::EXPIRED);
        }
        Ok(upload.bytes.clone())
    }

    pub(crate) fn delete(&mut self, id: &str) -> Result<(), ApiError> {
        self.get(id)?;
        self.kept.remove(id);
        self.deleted += 1;
        Ok(())
    }

    /// Uploads neither deleted nor expired.
    pub(crate) fn alive(&self) -> usize {
        let lifetime = self.lifetime;
        self.kept
            .values()
            .filter(|upload| clock::age(upload.at) < lifetime)
            .count()
    }

    /// Pictures not deleted yet, in the order of upload.
    pub(crate) fn pictures(&self) -> Vec<Bytes> {
        let mut uploads: Vec<_> = self.kept.values().collect();
        uploads.sort_by_key(|upload| upload.number);
        uploads
            .into_iter()
            .map(|upload| upload.bytes.clone())
            .collect()
    }
}
