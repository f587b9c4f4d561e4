//! Bounds how many stretches of statistics a job leaves to be counted by their rows.

use crate::{
    TimeWindow, UntaggedImage,
    ports::{ImageStoreError, TagStatistics},
};

/// The most stretches in which a job changes images before they are counted again.
const MOST: usize = 8;

/// The stretches in which a job changed images since the last rollup.
#[derive(Debug)]
pub(super) struct Stretches {
    /// Newest first, as the job walks.
    changed: Vec<TimeWindow>,
    are_full: bool,
    is_dry: bool,
}

impl Stretches {
    /// None yet. A dry run changes none.
    pub(super) fn new(is_dry: bool) -> Self {
        Self {
            changed: Vec::new(),
            are_full: false,
            is_dry,
        }
    }

    /// Whether they must be counted again before anything else changes.
    pub(super) fn are_full(&self) -> bool {
        self.are_full
    }

    /// They were counted again.
    pub(super) fn clear(&mut self) {
        self.changed.clear();
        self.are_full = false;
    }

    /// How many of these images, from the first on, may be changed now.
    pub(super) async fn admit(
        &mut self,
        statistics: &dyn TagStatistics,
        images: impl Iterator<Item = &UntaggedImage>,
    ) -> Result<usize, ImageStoreError> {
        let mut admitted = 0;
        for image in images {
            if !self.is_dry && !self.covers(image) {
                let stretch = statistics.stretch(image.registered_at).await?;
                if stretch.is_some() && self.changed.len() == MOST {
                    self.are_full = true;
                    break;
                }
                self.changed.extend(stretch);
            }
            admitted += 1;
        }
        Ok(admitted)
    }

    fn covers(&self, image: &UntaggedImage) -> bool {
        let mut changed = self.changed.iter().rev();
        changed.any(|stretch| stretch.contains(image.registered_at))
    }
}
