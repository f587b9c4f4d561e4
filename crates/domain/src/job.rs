//! Jobs: changes of many images, carried out in the background.

mod request;
mod result;

use chrono::{DateTime, TimeDelta, Utc};

pub use self::{
    request::{JobAction, JobFilter, JobRequest, MAX_IDS},
    result::{ItemError, JobResult, MAX_ITEM_ERRORS, MAX_TALLIES, TagTally, Tallies},
};
use crate::JobId;

/// The most jobs that have not ended.
pub const MAX_JOBS: u32 = 1000;

/// How long a job that has ended is kept.
pub const JOB_KEPT: TimeDelta = TimeDelta::days(30);

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Has images tagged again.
    Retag,
    /// Adds and removes tags.
    Edit,
    /// Deletes images.
    Delete,
    /// Applies the vocabulary.
    Vocabulary,
    /// Computes what is needed to find look-alikes. Made by the server alone.
    Features,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Retag,
        Self::Edit,
        Self::Delete,
        Self::Vocabulary,
        Self::Features,
    ];

    /// Whether the server makes such jobs, and nobody else.
    pub const fn is_internal(self) -> bool {
        matches!(self, Self::Features)
    }

    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retag => "retag",
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::Vocabulary => "vocabulary",
            Self::Features => "features",
        }
    }

    /// The kind with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// It has not begun.
    Queued,
    /// It has begun.
    Running,
    /// It came to its end. Single images may have failed.
    Done,
    /// It could not go on.
    Failed,
    /// It was cancelled; what was done stays.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing will change any more.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// A job, without its request and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its place in the order in which jobs were made; the database counts.
    pub number: u64,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// Whether it only counts what it would do.
    pub dry_run: bool,
    /// How many images matched when it was made.
    pub total: u64,
    /// How many of them it is done with, failed ones included.
    pub done: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How many images it changed, or would change.
    pub changed: u64,
    /// When it was made, by the clock of the database, as the other times.
    pub created_at: DateTime<Utc>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for kind in JobKind::ALL {
            assert_eq!(JobKind::from_name(kind.as_str()), Some(kind));
        }
        for state in JobState::ALL {
            assert_eq!(JobState::from_name(state.as_str()), Some(state));
        }
        assert_eq!(JobKind::from_name("upload"), None);
        assert_eq!(JobState::from_name("Done"), None);
    }
}
