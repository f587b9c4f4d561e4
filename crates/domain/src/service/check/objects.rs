//! Checks the objects in the store of originals for orphans.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Check, CheckError, Event, Events, Finding, FindingKind, Part, UnknownOriginals};
use crate::{
    ContentDigest, DatabaseId, Fence,
    ports::{Fate, OriginalStoreError, RecordedOriginal, StoredObject, StoredOriginal},
    service::removal::{self, Outcome, RemovalError},
};

/// How many objects are processed in one batch.
const CHUNK: usize = 500;

impl Check {
    pub(super) fn objects(&self) -> Events {
        let check = self.clone();
        let prepared = stream::once(async move { check.prepare().await });
        let prepared = prepared.map_ok(|events| stream::iter(events.into_iter().map(Ok)));
        let check = self.clone();
        let chunks = self.ports.originals.list().try_chunks(CHUNK);
        let chunks = chunks
            .map_err(|broken| CheckError::from(broken.1))
            .and_then(move |objects| {
                let check = check.clone();
                async move { check.chunk(objects).await }
            })
            .try_flatten();
        prepared.try_flatten().chain(chunks).boxed()
    }

    /// Reports other databases, and recovers originals set aside by killed removals.
    async fn prepare(&self) -> Result<Vec<Event>, CheckError> {
        if self.settings.repair {
            let own = self.ports.removal.register().await?;
            let now = self.ports.clock.now();
            for original in self.ports.removal.originals.list_set_aside(now).await? {
                let now = self.ports.clock.now();
                self.ports.removal.recover(&original, &own, now).await?;
            }
        }
        let databases = self.ports.removal.registry.databases().await?;
        if databases.len() < 2 {
            return Ok(Vec::new());
        }
        let found = databases.iter().map(|id| Event::Found(neighbour(id)));
        Ok(found.collect())
    }

    async fn chunk(&self, objects: Vec<StoredObject>) -> Result<Events, CheckError> {
        let mut events = vec![Event::Done {
            part: Part::Objects,
            count: objects.len() as u64,
            bytes: 0,
        }];
        let youngest = self.ports.clock.now() - self.settings.original_age;
        let mut old = Vec::new();
        for object in objects {
            match object {
                StoredObject::Foreign(name) => events.push(Event::Found(foreign(name))),
                StoredObject::Original(original) if original.modified <= youngest => {
                    old.push(original);
                }
                // May belong to an upload in progress.
                StoredObject::Original(_) => {}
            }
        }
        let suspects = self.suspects(old).await?;
        let check = self.clone();
        let found = stream::iter(suspects)
            .then(move |suspect| {
                let check = check.clone();
                async move { check.resolve(suspect).await }
            })
            .try_filter_map(async |finding| Ok(finding.map(Event::Found)));
        Ok(stream::iter(events.into_iter().map(Ok))
            .chain(found)
            .boxed())
    }

    /// Originals that seem to be orphans.
    async fn suspects(
        &self,
        stored: Vec<StoredOriginal>,
    ) -> Result<Vec<StoredOriginal>, CheckError> {
        if stored.is_empty() {
            return Ok(Vec::new());
        }
        let digests: Vec<ContentDigest> = stored.iter().map(|original| original.digest).collect();
        let recorded = self.ports.inspector.recorded(&digests).await?;
        let recorded: HashMap<_, _> = recorded.iter().map(|known| (known.digest, known)).collect();
        let now = self.ports.clock.now();
        let is_suspect = |original: &StoredOriginal| {
            let known = recorded.get(&original.digest).copied();
            self.suspicion(known, now).is_some()
        };
        Ok(stored.into_iter().filter(is_suspect).collect())
    }

    /// Why an original seems to be an orphan, by its record.
    fn suspicion(
        &self,
        recorded: Option<&RecordedOriginal>,
        now: DateTime<Utc>,
    ) -> Option<FindingKind> {
        match recorded {
            None if self.settings.unknown_originals == UnknownOriginals::PassOver => None,
            None => Some(FindingKind::UnknownOriginal),
            Some(known) if known.is_used => None,
            Some(known) if known.claimed_until.is_some_and(|until| until > now) => None,
            Some(_) => Some(FindingKind::UnreferencedOriginal),
        }
    }

    /// Looks again: since it was listed, an original may have been removed, or uploaded again. An upload
    /// claims before it puts, so the store is asked first and the record second.
    async fn resolve(&self, stored: StoredOriginal) -> Result<Option<Finding>, CheckError> {
        let digest = stored.digest;
        if self.ports.originals.length(&digest).await?.is_none() {
            return Ok(None);
        }
        let recorded = self.ports.inspector.recorded(&[digest]).await?;
        let now = self.ports.clock.now();
        let Some(kind) = self.suspicion(recorded.first(), now) else {
            return Ok(None);
        };
        let mut finding = Finding {
            digest: Some(digest),
            ..Finding::new(kind, detail(kind, stored.len))
        };
        if self.is_repairable(kind) {
            match self.quarantine(&digest).await? {
                Moved::Away => finding.is_repaired = true,
                Moved::Needed => return Ok(None),
                Moved::Refused(why) => {
                    finding.detail = format!("{}; not moved: {why}", finding.detail);
                }
            }
        }
        Ok(Some(finding))
    }

    fn is_repairable(&self, kind: FindingKind) -> bool {
        let is_unknown = kind == FindingKind::UnknownOriginal;
        self.settings.repair
            && (!is_unknown || self.settings.unknown_originals == UnknownOriginals::Repair)
    }

    /// Moves an original to the quarantine.
    ///
    /// A crash in between leaves an original either in place, where the next check finds it again, or set
    /// aside, which the next check or upkeep recovers; the claim expires, and an upload of the bytes takes
    /// the row over.
    async fn quarantine(&self, digest: &ContentDigest) -> Result<Moved, CheckError> {
        let own = self.ports.removal.ledger.database_id().await?;
        if !self.ports.removal.is_alone(&own).await? {
            return Ok(Moved::Refused(SHARED.to_owned()));
        }
        let (now, fence) = (self.ports.clock.now(), Fence::random());
        let until = now + removal::CLAIM;
        if !self
            .ports
            .removal
            .claims
            .claim_orphan(digest, fence, now, until)
            .await?
        {
            return Ok(Moved::Needed);
        }
        match self
            .ports
            .removal
            .take_away(digest, fence, Fate::Quarantine, &own)
            .await
        {
            Ok(Outcome::Away) => Ok(Moved::Away),
            Ok(Outcome::Absent | Outcome::Kept) => Ok(Moved::Needed),
            Ok(Outcome::Shared) => Ok(Moved::Refused(SHARED.to_owned())),
            Err(RemovalError::Originals(OriginalStoreError::Altered(why))) => {
                Ok(Moved::Refused(why.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

const SHARED: &str = "another database keeps originals in the same place";

/// The result of moving an original away.
enum Moved {
    Away,
    /// It is needed after all, or no longer exists.
    Needed,
    Refused(String),
}

fn neighbour(database: &DatabaseId) -> Finding {
    Finding {
        file: Some(database.to_string()),
        ..Finding::new(
            FindingKind::SharedOriginals,
            "one of several databases that keep originals here: while there are several, none of them \
             removes or moves any",
        )
    }
}

fn foreign(name: String) -> Finding {
    Finding {
        file: Some(name),
        ..Finding::new(FindingKind::ForeignFile, "it is no original")
    }
}

fn detail(kind: FindingKind, len: u64) -> String {
    let why = if kind == FindingKind::UnknownOriginal {
        "this database never heard of it"
    } else {
        "no image refers to it"
    };
    format!("{why} ({len} bytes)")
}
