//! Checks the rows, and the bytes that they refer to.

use std::{num::NonZeroU32, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};

use super::{Check, CheckError, Depth, Event, Events, Finding, FindingKind, Part};
use crate::{
    ContentDigest,
    ports::{
        Fingerprint, ImageStoreError, Inspected, OriginalStoreError, RecordedOriginal, Rows,
        UnreadableRow, in_words,
    },
};

/// How many rows are read in one batch.
const PAGE: NonZeroU32 = NonZeroU32::new(500).unwrap();

/// How many originals are read concurrently: enough to keep a disk and a few cores busy, and to leave some
/// of both to servers.
const AT_A_TIME: usize = 4;

/// What was found of an original.
enum Observed {
    Nothing,
    Length(u64),
    Content(Fingerprint),
    Unreadable(String),
    Unsteady(String),
}

impl Check {
    pub(super) fn rows(&self, rows: Rows) -> Events {
        let check = self.clone();
        self.pages(rows)
            .map_err(CheckError::from)
            .map_ok(move |page| check.page(rows, page))
            .try_flatten()
            .boxed()
    }

    fn pages(&self, rows: Rows) -> BoxStream<'static, Result<Inspected, ImageStoreError>> {
        let inspector = Arc::clone(&self.ports.inspector);
        stream::try_unfold(Some(None), move |place| {
            let inspector = Arc::clone(&inspector);
            async move {
                let Some(after) = place else { return Ok(None) };
                let page = inspector.inspect(rows, after, PAGE).await?;
                let next = page.next.clone().map(Some);
                Ok(Some((page, next)))
            }
        })
        .boxed()
    }

    fn page(&self, rows: Rows, page: Inspected) -> Events {
        let unreadable = page.unreadable.into_iter();
        let unreadable = stream::iter(unreadable.map(|row| Ok(Event::Found(unreadable_row(row)))));
        // Rows that cannot be read at all are done.
        let done = page.rows.saturating_sub(page.originals.len() as u64);
        let done = stream::once(async move { Ok(done_with(rows, done, 0)) });
        let check = self.clone();
        let originals = stream::iter(page.originals)
            .map(move |original| {
                let check = check.clone();
                async move { check.original(&original).await }
            })
            .buffer_unordered(AT_A_TIME)
            .map_ok(|events| stream::iter(events.into_iter().map(Ok)))
            .try_flatten();
        unreadable.chain(done).chain(originals).boxed()
    }

    async fn original(&self, original: &RecordedOriginal) -> Result<Vec<Event>, CheckError> {
        // Bytes that no image refers to need not exist.
        if !original.is_used {
            return Ok(vec![done_with(Rows::Originals, 1, 0)]);
        }
        let observed = self.observe(&original.digest).await?;
        let bytes = match &observed {
            Observed::Content(content) => content.len,
            _ => 0,
        };
        let mut events = vec![done_with(Rows::Originals, 1, bytes)];
        if let Some(finding) = judge(original, &observed) {
            self.note_damage(&original.digest, finding.kind).await;
            events.push(Event::Found(finding));
        }
        Ok(events)
    }

    /// Records damage with the original: the next upload of the same bytes replaces it.
    async fn note_damage(&self, digest: &ContentDigest, kind: FindingKind) {
        let now = self.ports.clock.now();
        if kind.is_damage()
            && let Err(error) = self.ports.removal.ledger.note_damage(digest, now).await
        {
            // A finding is worth reporting even if it cannot be recorded.
            tracing::warn!(%digest, cause = in_words(&error), "a damaged original could not be noted");
        }
    }

    async fn observe(&self, digest: &ContentDigest) -> Result<Observed, CheckError> {
        let originals = &self.ports.originals;
        let seen = match self.settings.depth {
            Depth::Lengths => originals
                .length(digest)
                .await
                .map(|l| l.map(Observed::Length)),
            Depth::Digests => originals
                .fingerprint(digest)
                .await
                .map(|content| content.map(Observed::Content)),
        };
        match seen {
            Ok(observed) => Ok(observed.unwrap_or(Observed::Nothing)),
            Err(OriginalStoreError::Altered(cause)) => Ok(Observed::Unsteady(in_words(&*cause))),
            Err(OriginalStoreError::Unavailable(cause)) => {
                self.is_reachable().await?;
                Ok(Observed::Unreadable(in_words(&*cause)))
            }
        }
    }

    /// Fails if the store of originals is unavailable as a whole, so that an outage is not reported as
    /// missing originals.
    async fn is_reachable(&self) -> Result<(), CheckError> {
        let nothing = ContentDigest::from_bytes([0; 32]);
        self.ports.originals.fingerprint(&nothing).await?;
        Ok(())
    }
}

fn done_with(rows: Rows, count: u64, bytes: u64) -> Event {
    Event::Done {
        part: Part::Rows(rows),
        count,
        bytes,
    }
}

fn unreadable_row(row: UnreadableRow) -> Finding {
    Finding {
        digest: row.digest,
        image: row.image,
        row: Some(row.name),
        ..Finding::new(FindingKind::UnreadableRow, in_words(&*row.reason))
    }
}

fn judge(original: &RecordedOriginal, observed: &Observed) -> Option<Finding> {
    let (kind, detail) = verdict(original, observed)?;
    Some(Finding {
        digest: Some(original.digest),
        image: original.image,
        ..Finding::new(kind, detail)
    })
}

fn verdict(original: &RecordedOriginal, observed: &Observed) -> Option<(FindingKind, String)> {
    let size = original.facts.map(|facts| facts.byte_size);
    let other = |len: u64| size.filter(|size| *size != len);
    match observed {
        Observed::Nothing => Some((
            FindingKind::MissingOriginal,
            "an image refers to it, and it is not there".to_owned(),
        )),
        Observed::Length(len) => other(*len).map(|size| truncated(size, *len)),
        Observed::Content(content) if content.digest == original.digest => {
            let len = content.len;
            other(len).map(|size| {
                let detail = format!("it is whole with {len} bytes, and {size} were recorded");
                (FindingKind::WrongSize, detail)
            })
        }
        Observed::Content(content) => Some(match other(content.len) {
            Some(size) => truncated(size, content.len),
            None => (
                FindingKind::AlteredOriginal,
                format!("its bytes are those of {}", content.digest),
            ),
        }),
        Observed::Unsteady(why) => Some((FindingKind::AlteredOriginal, why.clone())),
        Observed::Unreadable(why) => Some((FindingKind::UnreadableOriginal, why.clone())),
    }
}

fn truncated(size: u64, len: u64) -> (FindingKind, String) {
    let detail = format!("it has {len} bytes, and {size} were recorded");
    (FindingKind::TruncatedOriginal, detail)
}
