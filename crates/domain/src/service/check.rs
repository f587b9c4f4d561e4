//! Verifies rows, statistics and originals.
//!
//! It works beside servers that take uploads. The claims that keep uploads and upkeep apart also mark work
//! in progress, and originals are moved away only under such a claim.

mod finding;
mod objects;
mod rows;
mod statistics;

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::{StreamExt, stream, stream::BoxStream};
use thiserror::Error;

pub use self::finding::{Finding, FindingKind, Summary};
use super::removal::{RemovalError, RemovalPorts};
use crate::{
    DatabaseId,
    ports::{
        Clock, ImageStoreError, Inspector, OriginalStore, OriginalStoreError, Rows,
        StatisticsInspector,
    },
};

/// The ports of a check.
#[derive(Clone)]
pub struct CheckPorts {
    /// Moves orphans to the quarantine.
    pub removal: RemovalPorts,
    /// Scans the rows for unreadable ones.
    pub inspector: Arc<dyn Inspector>,
    /// Verifies and repairs rollup segments.
    pub statistics: Arc<dyn StatisticsInspector>,
    /// Reads and lists the originals.
    pub originals: Arc<dyn OriginalStore>,
    /// Tells which claims have expired.
    pub clock: Arc<dyn Clock>,
}

/// Options of a check.
#[derive(Debug, Clone, Copy)]
pub struct CheckSettings {
    /// How thoroughly originals are verified.
    pub depth: Depth,
    /// Whether unreferenced originals are moved to the quarantine, and wrong statistics recounted.
    pub repair: bool,
    /// What to do with originals unknown to this store.
    pub unknown_originals: UnknownOriginals,
    /// The minimum age of an unreferenced original: longer than any upload takes.
    pub original_age: TimeDelta,
}

/// How thoroughly originals are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Only their lengths, from metadata.
    Lengths,
    /// All their bytes, against the digest.
    Digests,
}

/// What to do with originals unknown to this store. Another database that shares the folder or bucket may
/// refer to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownOriginals {
    /// Ignore them: they belong to another database.
    PassOver,
    /// Report them, and leave them alone.
    Tell,
    /// Report them, and move them away if repairing: no other database shares the originals.
    Repair,
}

/// A phase of a check; phases run one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The rows of a kind; with those of originals also their bytes.
    Rows(Rows),
    /// The rollup segments.
    Statistics,
    /// The objects in the store of originals.
    Objects,
}

const PARTS: [Part; 6] = [
    Part::Rows(Rows::Labels),
    Part::Rows(Rows::Images),
    Part::Rows(Rows::Taggings),
    Part::Statistics,
    Part::Rows(Rows::Originals),
    Part::Objects,
];

/// A progress event of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A phase starts, with its approximate number of rows or objects if known.
    Begun {
        /// The phase.
        part: Part,
        /// Its approximate length, for a progress bar.
        length: Option<u64>,
    },
    /// Progress within a phase.
    Done {
        /// The phase.
        part: Part,
        /// Rows or objects done since the last event.
        count: u64,
        /// Bytes read since the last event.
        bytes: u64,
    },
    /// A problem was found, and possibly repaired.
    Found(Finding),
}

/// Why a check was aborted. Findings so far are valid, and repairs stay.
#[derive(Debug, Clone, Error)]
pub enum CheckError {
    /// The image store failed, or is unavailable.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
    /// The store of originals failed as a whole.
    #[error(transparent)]
    Originals(#[from] OriginalStoreError),
}

/// The result of unregistering a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// Its id was removed.
    Done,
    /// It is this database's own id, and stays.
    Own,
    /// Its id was not registered.
    Unknown,
}

type Events = BoxStream<'static, Result<Event, CheckError>>;

/// Checks rows, rollup segments and originals.
#[derive(Clone)]
pub struct Check {
    ports: CheckPorts,
    settings: CheckSettings,
}

impl From<RemovalError> for CheckError {
    fn from(error: RemovalError) -> Self {
        match error {
            RemovalError::Store(error) => Self::Store(error),
            RemovalError::Originals(error) => Self::Originals(error),
        }
    }
}

impl Check {
    /// Creates the service on its ports.
    pub fn new(ports: CheckPorts, settings: CheckSettings) -> Self {
        Self { ports, settings }
    }

    /// Checks everything, lazily as the events are polled. Memory use does not depend on the number of
    /// images. Events after an error are meaningless.
    pub fn events(&self) -> Events {
        let check = self.clone();
        stream::iter(PARTS)
            .flat_map(move |part| check.part(part))
            .boxed()
    }

    /// Unregisters another database from the originals. From then on nothing protects the originals that it
    /// needs.
    pub async fn forget_database(&self, database: &DatabaseId) -> Result<Forgotten, CheckError> {
        if self.ports.removal.ledger.database_id().await? == *database {
            return Ok(Forgotten::Own);
        }
        let was_there = self.ports.removal.registry.unregister(database).await?;
        Ok(if was_there {
            Forgotten::Done
        } else {
            Forgotten::Unknown
        })
    }

    /// Checks one phase, as [`events`](Self::events) checks all of them.
    pub fn part(&self, part: Part) -> Events {
        let check = self.clone();
        let begun = stream::once(async move { check.begin(part).await });
        let rest = match part {
            Part::Rows(rows) => self.rows(rows),
            Part::Statistics => self.statistics(),
            Part::Objects => self.objects(),
        };
        begun.chain(rest).boxed()
    }

    async fn begin(&self, part: Part) -> Result<Event, CheckError> {
        let length = match part {
            Part::Rows(rows) => Some(self.ports.inspector.count(rows).await?),
            Part::Statistics => Some(self.ports.statistics.count_segments().await?),
            Part::Objects => None,
        };
        Ok(Event::Begun { part, length })
    }
}
