//! Looking whether everything is there and whole: rows, statistics and originals.
//!
//! It works beside servers that take uploads. What is under way is told by the same claims that hold
//! uploads and upkeep apart, and what is moved away is moved under such a claim.

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

/// What a check works with.
#[derive(Clone)]
pub struct CheckPorts {
    /// Moves originals away.
    pub removal: RemovalPorts,
    /// Has the rows.
    pub inspector: Arc<dyn Inspector>,
    /// Has the statistics.
    pub statistics: Arc<dyn StatisticsInspector>,
    /// Has the originals.
    pub originals: Arc<dyn OriginalStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// How to check.
#[derive(Debug, Clone, Copy)]
pub struct CheckSettings {
    /// What is looked at of each original.
    pub depth: Depth,
    /// Whether what no image refers to is moved out of the way, and wrong statistics are counted again.
    pub repair: bool,
    /// What becomes of originals that this store never heard of.
    pub unknown_originals: UnknownOriginals,
    /// How old an original must be to be called unreferenced: longer than any upload takes.
    pub original_age: TimeDelta,
}

/// What is looked at of each original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Its length.
    Lengths,
    /// All its bytes.
    Digests,
}

/// What becomes of originals that this store never heard of. Another database that uses the same
/// place may refer to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownOriginals {
    /// They are passed over: they are another database's.
    PassOver,
    /// They are told of, and left alone.
    Tell,
    /// They are told of, and moved away where that is wanted: no other database uses the place.
    Repair,
}

/// A part of a check; the parts come one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The rows of a kind; with those of originals the bytes that belong to them.
    Rows(Rows),
    /// What is counted once and kept.
    Statistics,
    /// Whatever the store of originals holds.
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

/// Something that happens while a check runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A part begins, which has about so many rows or objects, where that is known.
    Begun {
        /// The part.
        part: Part,
        /// Its length.
        length: Option<u64>,
    },
    /// A part got on.
    Done {
        /// The part.
        part: Part,
        /// By so many rows or objects.
        count: u64,
        /// By so many bytes that were read.
        bytes: u64,
    },
    /// Something is not as it should be.
    Found(Finding),
}

/// Why a check came to no end. What was found until then is so; what was moved away is away.
#[derive(Debug, Clone, Error)]
pub enum CheckError {
    /// The image store failed.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
    /// The store of originals failed as a whole.
    #[error(transparent)]
    Originals(#[from] OriginalStoreError),
}

/// What came of taking an id away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// It is away.
    Done,
    /// It is this database's own, and stays.
    Own,
    /// It was not there.
    Unknown,
}

type Events = BoxStream<'static, Result<Event, CheckError>>;

/// Checks rows and originals.
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
    /// Puts the service together.
    pub fn new(ports: CheckPorts, settings: CheckSettings) -> Self {
        Self { ports, settings }
    }

    /// Checks everything; the work is done as the events are asked for. Memory does not grow with
    /// the number of images. What follows an error means nothing.
    pub fn events(&self) -> Events {
        let check = self.clone();
        stream::iter(PARTS)
            .flat_map(move |part| check.part(part))
            .boxed()
    }

    /// Takes away the id that another database left with the originals. From then on nothing protects the
    /// originals that it needs.
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

    /// Checks one part, as [`events`](Self::events) checks all of them.
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
