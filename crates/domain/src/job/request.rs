//! What a job is asked to do.

use sha2::{Digest, Sha256};

use super::JobKind;
use crate::{ImageId, ImageQuery, RequestFingerprint, TagEdit, Threshold};

/// The most ids that a filter names.
pub const MAX_IDS: usize = 10_000;

/// What a job is asked to do, and to which images.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRequest {
    /// What is done to each image.
    pub action: JobAction,
    /// The images.
    pub filter: JobFilter,
    /// Whether it only counts what it would do.
    pub dry_run: bool,
}

/// What is done to each image of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobAction {
    /// It is tagged again.
    Retag {
        /// The names of the providers, separated by commas; `None` is all that are set up.
        provider: Option<String>,
        /// The threshold; `None` is each image's own.
        threshold: Option<Threshold>,
    },
    /// Tags are added and removed.
    Edit(TagEdit),
    /// It is deleted.
    Delete,
    /// Its tags are brought in line with the vocabulary.
    Vocabulary,
    /// What is needed to find look-alikes is computed of it, if that is not there.
    Features,
}

impl JobAction {
    /// The kind of the job.
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::Retag { .. } => JobKind::Retag,
            Self::Edit(_) => JobKind::Edit,
            Self::Delete => JobKind::Delete,
            Self::Vocabulary => JobKind::Vocabulary,
            Self::Features => JobKind::Features,
        }
    }
}

/// Which images a job is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFilter {
    /// What they must match; `None` if no image can.
    pub query: Option<ImageQuery>,
    /// Their ids, newest first and without duplicates; `None` is all that match.
    pub ids: Option<Vec<ImageId>>,
}

impl JobFilter {
    /// The images that match a query, of those with these ids if there are any.
    pub fn new(query: Option<ImageQuery>, ids: Option<Vec<ImageId>>) -> Self {
        let ids = ids.map(|mut ids| {
            // Ids of our own sort by time.
            ids.sort_unstable_by(|a, b| b.cmp(a));
            ids.dedup();
            ids
        });
        Self { query, ids }
    }

    /// Whether it admits every image.
    pub fn is_everything(&self) -> bool {
        self.ids.is_none() && self.query.as_ref() == Some(&ImageQuery::default())
    }
}

impl RequestFingerprint {
    /// The fingerprint of the creation of a job, from the request as it was written.
    pub fn of_job(body: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"job\n");
        hasher.update(body);
        Self::from_bytes(hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sorted_newest_first() {
        let id = |number| ImageId::from_bytes([number; 16]);
        let filter = JobFilter::new(None, Some(vec![id(1), id(3), id(1), id(2)]));
        assert_eq!(filter.ids, Some(vec![id(3), id(2), id(1)]));
    }

    #[test]
    fn everything_is_a_filter_without_conditions() {
        let all = Some(ImageQuery::default());
        assert!(JobFilter::new(all.clone(), None).is_everything());
        assert!(!JobFilter::new(all, Some(Vec::new())).is_everything());
        assert!(!JobFilter::new(None, None).is_everything());
    }
}
