//! The changes of a job that applies the vocabulary: from stored answers, without a call.

use std::collections::HashMap;

use super::{Prepared, Retags, faults};
use crate::{
    ContentDigest, ItemError, TaggerVersion, Tagging, TaggingKey, Tags, UntaggedImage,
    ports::{ImageChange, ImageStoreError, JobChange, Revision, TagChange},
    service::TaggerChoice,
};

/// Stored answers by the digest of their bytes.
type Answers = HashMap<ContentDigest, Vec<(TaggingKey, Tagging)>>;

impl Retags {
    /// Brings images in line with the vocabulary.
    pub(super) async fn revise(
        &self,
        images: &[UntaggedImage],
    ) -> Result<Prepared, ImageStoreError> {
        let vocabulary = self.editing.vocabulary().await?;
        let ids: Vec<_> = images.iter().map(|image| image.id).collect();
        let infos = self.editing.infos(&ids).await?;
        let thresholds = self.known_thresholds(images, &infos).await?;
        let (answers, errors) = self.answers(images).await?;
        let failed = |image: &UntaggedImage| errors.iter().any(|error| error.image == image.id);
        let change = |image: &UntaggedImage| {
            let info = infos.get(&image.id).cloned().unwrap_or_default();
            let of_image = answers.get(&image.digest).map(Vec::as_slice);
            let keys = self.editing.keys(image, &TaggerChoice::default());
            let of_image = of_image.unwrap_or_default();
            let answers = info.taggers.iter().filter_map(|tagger| {
                let answer = answer_of(tagger, of_image, &keys)?;
                Some((tagger.clone(), answer.clone()))
            });
            let lowest = thresholds.get(&image.id).copied().unwrap_or(self.default);
            let revision = Revision {
                vocabulary: vocabulary.clone(),
                answers: answers.collect(),
                lowest,
            };
            JobChange {
                image: *image,
                change: ImageChange::Tags(TagChange::Revise(revision)),
            }
        };
        let changed = images.iter().filter(|image| !failed(image));
        Ok(Prepared::Images {
            changes: changed.map(change).collect(),
            count: images.len(),
            errors,
        })
    }

    /// The stored answers for some images. One that cannot be read is the error of its images.
    async fn answers(
        &self,
        images: &[UntaggedImage],
    ) -> Result<(Answers, Vec<ItemError>), ImageStoreError> {
        match self.editing.stored_answers(images).await {
            Err(ImageStoreError::Corrupt(_)) => {}
            answers => return Ok((answers?, Vec::new())),
        }
        let (mut answers, mut errors) = (Answers::new(), Vec::new());
        for image in images {
            match self
                .editing
                .stored_answers(std::slice::from_ref(image))
                .await
            {
                Ok(of_image) => answers.extend(of_image),
                Err(error @ ImageStoreError::Corrupt(_)) => {
                    errors.push(faults::internal(image.id, &error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((answers, errors))
    }
}

/// The answer of a provider that tagged an image last: the one at the size and in the language that are set up, else
/// the newest. Where no version is known, it must be the only one.
fn answer_of<'a>(
    tagger: &TaggerVersion,
    answers: &'a [(TaggingKey, Tagging)],
    set_up: &[TaggingKey],
) -> Option<&'a Tags> {
    let is_same = |kept: &Option<String>, text: &str| kept.as_ref().is_none_or(|kept| kept == text);
    let of_provider = answers.iter().filter(|(key, _)| {
        is_same(&tagger.name, key.provider.name())
            && is_same(&tagger.version, key.provider.version())
    });
    let (first, _) = of_provider.clone().next()?;
    let is_sure = of_provider.clone().all(|(key, _)| {
        let (known, other) = (&first.provider, &key.provider);
        known.name() == other.name() && known.version() == other.version()
    });
    if !is_sure {
        return None;
    }
    let preferred = of_provider.clone().find(|(key, _)| set_up.contains(key));
    let newest = || {
        of_provider
            .clone()
            .max_by_key(|(_, answer)| answer.tagged_at)
    };
    let (_, answer) = preferred.or_else(newest)?;
    Some(&answer.tags)
}
