//! What the store of originals holds, and whether anybody needs it.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Check, CheckError, Event, Events, Finding, FindingKind, Part, Strangers};
use crate::{
    ContentDigest,
    ports::{RecordedOriginal, StoredObject, StoredOriginal},
};

/// How many objects are asked for in one go.
const CHUNK: usize = 500;

/// For how long a check holds an original that it moves away. Uploads of the same bytes wait; if the
/// check is killed meanwhile, they wait as long as this at most. Must be longer than any move takes.
const REMOVAL_CLAIM: TimeDelta = TimeDelta::seconds(60);

impl Check {
    pub(super) fn objects(&self) -> Events {
        let check = self.clone();
        let chunks = self.ports.originals.list().try_chunks(CHUNK);
        chunks
            .map_err(|broken| CheckError::from(broken.1))
            .and_then(move |objects| {
                let check = check.clone();
                async move { check.chunk(objects).await }
            })
            .try_flatten()
            .boxed()
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
                // It may be the original of an upload under way.
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

    /// Those that nobody seems to need.
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

    /// Why nobody needs an original, by what is recorded of it.
    fn suspicion(
        &self,
        recorded: Option<&RecordedOriginal>,
        now: DateTime<Utc>,
    ) -> Option<FindingKind> {
        match recorded {
            None if self.settings.strangers == Strangers::PassOver => None,
            None => Some(FindingKind::UnknownOriginal),
            Some(known) if known.is_used => None,
            Some(known) if known.claimed_until.is_some_and(|until| until > now) => None,
            Some(_) => Some(FindingKind::UnreferencedOriginal),
        }
    }

    /// Looks again: since it was listed, an original may have been removed, or uploaded anew. An
    /// upload claims it before it puts it, so what is there is asked first, and what is recorded
    /// after that.
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
            if !self.quarantine(&digest).await? {
                return Ok(None);
            }
            finding.is_repaired = true;
        }
        Ok(Some(finding))
    }

    fn is_repairable(&self, kind: FindingKind) -> bool {
        let is_stranger = kind == FindingKind::UnknownOriginal;
        self.settings.repair && (!is_stranger || self.settings.strangers == Strangers::Repair)
    }

    /// Moves an original away. `false` if somebody needs it after all, or it is gone.
    ///
    /// Killed in between, this leaves an original that is still there, and found again by the next
    /// check, or one that has been moved; the claim runs out, and whoever uploads the bytes takes
    /// the row over.
    async fn quarantine(&self, digest: &ContentDigest) -> Result<bool, CheckError> {
        let now = self.ports.clock.now();
        let until = now + REMOVAL_CLAIM;
        let claimed = self.ports.inspector.claim_stray(digest, now, until).await?;
        if !claimed {
            return Ok(false);
        }
        let is_moved = self.ports.originals.quarantine(digest).await?;
        self.ports.store.forget(digest).await?;
        Ok(is_moved)
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
