//! Finds images that look alike, and the same picture in other files.

use std::{
    collections::{HashMap, HashSet},
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
};

use thiserror::Error;

use super::{catalog::CatalogError, editing::RetagError, picture_codes::PictureCodes};
use crate::{
    Code, FeatureModel, Features, Image, ImageId, PerceptualHash, UntaggedImage,
    ports::{
        CallContext, CodeNumber, CodeStore, ImageStore, ImageStoreError, Neighbour, SimilarityIndex,
    },
};

/// How many of the nearest originals by their codes are ranked by their features.
const RANKED: usize = 200;

/// How many images are read at a time.
const IMAGES: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// In how many bits of 64 the perceptual hashes of one picture in two files may differ. Measured: see
/// `docs/decisions.md`.
pub const DUPLICATE_DISTANCE: u32 = 8;

/// The most images of an answer.
pub const MAX_MATCHES: NonZeroU32 = NonZeroU32::new(200).unwrap();

/// The ports of the search.
#[derive(Clone)]
pub struct LookAlikePorts {
    /// Finds codes.
    pub index: Arc<dyn SimilarityIndex>,
    /// Tells what codes stand for.
    pub codes: Arc<dyn CodeStore>,
    /// Reads images.
    pub images: Arc<dyn ImageStore>,
}

/// An image that looks like another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The image.
    pub image: Image,
    /// How much it looks like it, from 0 to 100.
    pub similarity: f64,
}

/// Why no look-alikes are found.
#[derive(Debug, Clone, Error)]
pub enum LookAlikesError {
    /// The tagger in use has no features.
    #[error("the tagger in use does not compute features of pictures")]
    NoModel,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
    /// The features of the image were not there, and could not be computed.
    #[error(transparent)]
    Computing(#[from] RetagError),
}

/// Finds look-alikes and duplicates. Clones share the work.
#[derive(Clone)]
pub struct LookAlikes {
    ports: LookAlikePorts,
    codes: PictureCodes,
}

/// An original that was found, and images of it.
struct Found {
    neighbour: Neighbour,
    images: Vec<UntaggedImage>,
}

impl LookAlikes {
    /// Creates the service on its ports, and on the one that computes codes.
    pub fn new(ports: LookAlikePorts, codes: PictureCodes) -> Self {
        Self { ports, codes }
    }

    /// The images that look like one, most alike first (then newest first), at most `limit` and without that image.
    /// `None` if there is no such image. Its features are computed if they are not there.
    ///
    /// Images without features are not found: a job computes those of images that were registered before.
    pub async fn similar(
        &self,
        id: &ImageId,
        limit: NonZeroU32,
        context: &CallContext,
    ) -> Result<Option<Vec<Match>>, LookAlikesError> {
        let model = self.codes.feature_model().ok_or(LookAlikesError::NoModel)?;
        let Some(image) = self.ports.images.find(id).await? else {
            return Ok(None);
        };
        let own = self.codes.code(&image, model, context).await?;
        let (Some(code), Some(features)) = (own.code, own.features) else {
            return Ok(Some(Vec::new()));
        };
        let found = self.nearest(id, model, &code, RANKED, u32::MAX).await?;
        let mut ranked = self.ranked(found, &features).await?;
        sort(&mut ranked);
        self.matches(ranked, limit).await.map(Some)
    }

    /// The images of the same picture, in whatever file, most alike first, as [`similar`](Self::similar).
    pub async fn duplicates(
        &self,
        id: &ImageId,
        limit: NonZeroU32,
        context: &CallContext,
    ) -> Result<Option<Vec<Match>>, LookAlikesError> {
        let Some(image) = self.ports.images.find(id).await? else {
            return Ok(None);
        };
        let model = PerceptualHash::model();
        let own = self.codes.code(&image, &model, context).await?;
        let Some(code) = own.code else {
            return Ok(Some(Vec::new()));
        };
        let count = limit.get() as usize;
        let found = self
            .nearest(id, &model, &code, count, DUPLICATE_DISTANCE)
            .await?;
        let mut alike: Vec<(f64, UntaggedImage)> = Vec::new();
        for Found { neighbour, images } in found {
            let differing = f64::from(neighbour.distance) / f64::from(PerceptualHash::BITS);
            let similarity = 100.0 * (1.0 - differing);
            alike.extend(images.into_iter().map(|image| (similarity, image)));
        }
        sort(&mut alike);
        self.matches(alike, limit).await.map(Some)
    }

    /// The originals nearest to a code of which there are images other than that one, at least `count` if there are
    /// as many within that distance.
    async fn nearest(
        &self,
        id: &ImageId,
        model: &FeatureModel,
        code: &Code,
        count: usize,
        distance: u32,
    ) -> Result<Vec<Found>, ImageStoreError> {
        let (mut alive, mut seen) = (Vec::new(), HashSet::new());
        // One more than the original itself.
        let mut asked = NonZeroUsize::MIN.saturating_add(count);
        loop {
            let all = self.ports.index.nearest(model, code, asked).await?;
            let is_all = all.len() < asked.get();
            let near: Vec<Neighbour> = all
                .into_iter()
                .filter(|neighbour| neighbour.distance <= distance && seen.insert(neighbour.code))
                .collect();
            let is_last = is_all || near.is_empty();
            for neighbours in near.chunks(RANKED) {
                alive.extend(self.alive(id, neighbours).await?);
                if alive.len() >= count {
                    return Ok(alive);
                }
            }
            if is_last {
                return Ok(alive);
            }
            // Codes of images that were deleted are among them.
            asked = asked.saturating_mul(NonZeroUsize::MIN.saturating_add(3));
        }
    }

    /// Those of these originals, nearest first, of which there are images other than that one.
    async fn alive(
        &self,
        id: &ImageId,
        neighbours: &[Neighbour],
    ) -> Result<Vec<Found>, ImageStoreError> {
        let mut images = self.images(neighbours).await?;
        let found = neighbours.iter().filter_map(|neighbour| {
            let mut images = images.remove(&neighbour.code)?;
            images.retain(|image| image.id != *id);
            (!images.is_empty()).then_some(Found {
                neighbour: *neighbour,
                images,
            })
        });
        Ok(found.collect())
    }

    /// The images of originals. Of one with very many some are left out.
    async fn images(
        &self,
        neighbours: &[Neighbour],
    ) -> Result<HashMap<CodeNumber, Vec<UntaggedImage>>, ImageStoreError> {
        let mut images: HashMap<CodeNumber, Vec<UntaggedImage>> = HashMap::new();
        let mut rest = neighbours;
        let mut taken = rest.len();
        while !rest.is_empty() {
            let (asked, later) = rest.split_at(taken.clamp(1, rest.len()));
            let codes: Vec<CodeNumber> = asked.iter().map(|neighbour| neighbour.code).collect();
            let found = self.ports.codes.coded_images(&codes, IMAGES).await?;
            if found.len() == IMAGES.get() as usize && codes.len() > 1 {
                // One that has very many must not hide the others.
                taken = codes.len() / 2;
                continue;
            }
            for (code, image) in found {
                images.entry(code).or_default().push(image);
            }
            rest = later;
        }
        Ok(images)
    }

    /// The images of originals, with how much these look like the one with those features.
    async fn ranked(
        &self,
        found: Vec<Found>,
        features: &Features,
    ) -> Result<Vec<(f64, UntaggedImage)>, ImageStoreError> {
        let mut ranked = Vec::new();
        for found in found.chunks(IMAGES.get() as usize) {
            let codes: Vec<CodeNumber> = found.iter().map(|found| found.neighbour.code).collect();
            let known = self.ports.codes.features(&codes).await?;
            for Found { neighbour, images } in found {
                let Some(theirs) = known.get(&neighbour.code) else {
                    continue;
                };
                let similarity = 100.0 * f64::from(features.cosine(theirs).max(0.0));
                ranked.extend(images.iter().map(|image| (similarity, *image)));
            }
        }
        Ok(ranked)
    }

    /// The first images with their tags. Those that were deleted in the meantime make room for others.
    async fn matches(
        &self,
        alike: Vec<(f64, UntaggedImage)>,
        limit: NonZeroU32,
    ) -> Result<Vec<Match>, LookAlikesError> {
        let limit = limit.get() as usize;
        let mut matches = Vec::new();
        for alike in alike.chunks(limit) {
            let images: Vec<UntaggedImage> = alike.iter().map(|(_, image)| *image).collect();
            let similarities: HashMap<ImageId, f64> = alike
                .iter()
                .map(|(similarity, image)| (image.id, *similarity))
                .collect();
            for image in self.ports.images.with_tags(&images).await? {
                let similarity = similarities.get(&image.id).copied().unwrap_or_default();
                matches.push(Match { image, similarity });
            }
            if matches.len() >= limit {
                break;
            }
        }
        matches.truncate(limit);
        Ok(matches)
    }
}

/// Most alike first, then newest first.
fn sort(alike: &mut [(f64, UntaggedImage)]) {
    alike.sort_unstable_by(|(one, image), (other, of)| {
        let newest = (of.registered_at, of.id).cmp(&(image.registered_at, image.id));
        other.total_cmp(one).then(newest)
    });
}

impl From<CatalogError> for LookAlikesError {
    fn from(error: CatalogError) -> Self {
        Self::Computing(error.into())
    }
}
