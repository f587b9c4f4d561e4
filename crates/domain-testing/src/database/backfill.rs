//! The pass over images that earlier versions registered. Its clock is that of this machine.

use std::{num::NonZeroU32, time::SystemTime};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use domain::{
    Fence, ImageId,
    ports::{BackfillBegun, BackfillImage, FilledImage, ImageBackfill, ImageStoreError},
};

use super::{FakeDatabase, State};

#[derive(Debug, Default)]
pub(super) struct Pass {
    place: Option<ImageId>,
    begun_at: Option<DateTime<Utc>>,
    is_done: bool,
    lease: Option<(Fence, DateTime<Utc>)>,
}

fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

impl FakeDatabase {
    /// Lets the lease of the pass expire.
    pub fn expire_backfill(&self) {
        if let Some((_, until)) = &mut self.state().pass.lease {
            *until = now();
        }
    }
}

impl State {
    fn renew(&mut self, lease: Fence, duration: TimeDelta) -> bool {
        match &mut self.pass.lease {
            Some((fence, until)) if *fence == lease => {
                *until = now() + duration;
                true
            }
            _ => false,
        }
    }
}

#[async_trait]
impl ImageBackfill for FakeDatabase {
    async fn begin_backfill(&self, lease: TimeDelta) -> Result<BackfillBegun, ImageStoreError> {
        let pass = &mut self.call().await.pass;
        if pass.is_done {
            return Ok(BackfillBegun::Done);
        }
        if pass.lease.is_some_and(|(_, until)| until > now()) {
            return Ok(BackfillBegun::InProgress);
        }
        let fence = Fence::random();
        pass.lease = Some((fence, now() + lease));
        pass.begun_at.get_or_insert_with(now);
        let place = pass.place.unwrap_or(ImageId::from_bytes([0; 16]));
        Ok(BackfillBegun::Started(fence, place))
    }

    async fn backfill_images(
        &self,
        after: &ImageId,
        age: TimeDelta,
        limit: NonZeroU32,
    ) -> Result<Vec<BackfillImage>, ImageStoreError> {
        let state = self.call().await;
        let before = now() - age;
        let images = state.images.values();
        let mut found: Vec<BackfillImage> = images
            .filter(|image| image.id > *after && image.registered_at <= before)
            .map(|image| BackfillImage {
                image: (&state.read(image)).into(),
                is_filled: state.infos[&image.id].registered_local.is_some(),
            })
            .collect();
        found.sort_unstable_by_key(|found| found.image.id);
        found.truncate(limit.get() as usize);
        Ok(found)
    }

    async fn fill_images(
        &self,
        lease: Fence,
        filled: &[FilledImage],
        place: &ImageId,
        duration: TimeDelta,
    ) -> Result<bool, ImageStoreError> {
        let mut state = self.call().await;
        if !state.renew(lease, duration) {
            return Ok(false);
        }
        for filled in filled {
            let info = state.infos.get_mut(&filled.id);
            let Some(info) = info.filter(|info| info.registered_local.is_none()) else {
                continue;
            };
            info.registered_local = Some(filled.registered_local);
            let known = &mut info.camera;
            known.taken_at = known.taken_at.or(filled.camera.taken_at);
            known.camera = known.camera.take().or(filled.camera.camera.clone());
            known.location = known.location.or(filled.camera.location);
        }
        state.pass.place = Some(*place);
        Ok(true)
    }

    async fn end_backfill(&self, lease: Fence, age: TimeDelta) -> Result<bool, ImageStoreError> {
        let mut state = self.call().await;
        if !state.renew(lease, TimeDelta::zero()) {
            return Ok(false);
        }
        let pass = &mut state.pass;
        pass.is_done = pass
            .begun_at
            .is_some_and(|begun_at| begun_at <= now() - age);
        Ok(pass.is_done)
    }
}
