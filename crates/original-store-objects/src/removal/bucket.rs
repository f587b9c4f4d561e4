//! Setting aside in a bucket, which has no rename: a copy, and a deletion that may arrive late.
//!
//! A deletion in flight cannot be cancelled, and also hits bytes that were put in the meantime. So the copy
//! is read back before the original is deleted: the copy has the same bytes as whatever the deletion hits.
//! And the copy of an abandoned removal is kept for a day, so that it outlives every request that the
//! removal may have sent.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    ContentDigest,
    ports::{OriginalStoreError, SetAside, cause},
};
use futures_util::{StreamExt, TryStreamExt};
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};

use super::{LISTED, REMOVALS, is_of, name, parse};
use crate::{
    content::{self, unavailable},
    key::key,
};

/// How long an abandoned removal may still delete the original. A request is valid for fifteen minutes
/// after it was signed; the rest allows for a process that is stopped just before that.
const UNSETTLED: TimeDelta = TimeDelta::days(1);

/// The key of an original set aside.
pub(crate) fn aside(original: &SetAside) -> Path {
    Path::from_iter([REMOVALS, name(original).as_str()])
}

/// Copies an original aside and deletes it. `false` if it does not exist. The deletion is sent once: a
/// retry that succeeds proves nothing about the first one, which may still be in flight.
pub(crate) async fn set_aside(
    objects: &dyn ObjectStore,
    once: &dyn ObjectStore,
    original: &SetAside,
) -> Result<bool, OriginalStoreError> {
    let (home, aside) = (key(&original.digest), aside(original));
    match objects.copy(&home, &aside).await {
        Err(Error::NotFound { .. }) => return Ok(false),
        outcome => outcome.map_err(unavailable)?,
    }
    let copied = objects.get(&aside).await.map_err(unavailable)?;
    let copied = content::content(copied).fingerprint().await?;
    if copied.digest != original.digest {
        delete(objects, &aside).await?;
        return Err(OriginalStoreError::Altered(cause(
            "its bytes are damaged: they are left where they are",
        )));
    }
    delete(once, &home).await?;
    Ok(true)
}

/// Copies an original back, unless one exists.
pub(crate) async fn take_back(
    objects: &dyn ObjectStore,
    original: &SetAside,
) -> Result<(), OriginalStoreError> {
    let home = key(&original.digest);
    let aside = aside(original);
    if !is_there(objects, &home).await? {
        match objects.copy(&aside, &home).await {
            Err(Error::NotFound { .. }) => return Ok(()),
            outcome => outcome.map_err(unavailable)?,
        }
    }
    if original.is_settled {
        delete(objects, &aside).await?;
    }
    Ok(())
}

/// The originals set aside.
pub(crate) async fn list(
    objects: &dyn ObjectStore,
    now: DateTime<Utc>,
) -> Result<Vec<SetAside>, OriginalStoreError> {
    let set_aside = |found: ObjectMeta| {
        let is_settled = now - found.last_modified > UNSETTLED;
        parse(found.location.filename()?, is_settled)
    };
    let found = objects
        .list(Some(&Path::from(REMOVALS)))
        .map_err(unavailable)
        .try_filter_map(async |found| Ok(set_aside(found)));
    found.take(LISTED).try_collect().await
}

/// Finds an original among those set aside.
pub(crate) async fn find(
    objects: &dyn ObjectStore,
    digest: &ContentDigest,
) -> Result<Option<Path>, OriginalStoreError> {
    let found = objects
        .list(Some(&Path::from(REMOVALS)))
        .map_err(unavailable)
        .try_filter(|found| {
            let is_found = found
                .location
                .filename()
                .is_some_and(|name| is_of(name, digest));
            std::future::ready(is_found)
        });
    futures_util::pin_mut!(found);
    Ok(found.try_next().await?.map(|found| found.location))
}

pub(crate) async fn is_there(
    objects: &dyn ObjectStore,
    key: &Path,
) -> Result<bool, OriginalStoreError> {
    match objects.head(key).await {
        Ok(_) => Ok(true),
        Err(Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(unavailable(error)),
    }
}

/// Deletes an object. A missing one counts as deleted.
pub(crate) async fn delete(
    objects: &dyn ObjectStore,
    key: &Path,
) -> Result<(), OriginalStoreError> {
    match objects.delete(key).await {
        Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(unavailable(error)),
    }
}
