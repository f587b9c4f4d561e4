//! Changes of registered images.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ImageStoreError;
use crate::{
    FileTags, ImageId, ImageTags, Label, ProviderAnswers, TagEdit, TaggerVersion, Taggers, Tags,
    Threshold, TooManyTags, Vocabulary, WebhookEvent,
};

/// Changes the tags of registered images, and deletes images.
///
/// Each method is one transaction. [`TagStatistics`](super::TagStatistics) counts what it changed at once.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ImageEdits: Send + Sync {
    /// All that was said of an image.
    async fn tags_of(&self, id: &ImageId) -> Result<Option<VersionedTags>, ImageStoreError>;

    /// Changes the tags of an image, if they have that version, or whatever version they have.
    ///
    /// A change that makes no difference leaves the version as it is.
    async fn change_tags(
        &self,
        id: &ImageId,
        change: &TagChange,
        version: Option<TagsVersion>,
    ) -> Result<TagsChanged, ImageStoreError>;

    /// Deletes an image with its tags. `false` if there is none.
    ///
    /// With the last image that refers to an original, the original is abandoned from `now` on: see
    /// [`RemovalLedger::abandoned`](super::RemovalLedger::abandoned).
    async fn delete(&self, id: &ImageId, now: DateTime<Utc>) -> Result<bool, ImageStoreError>;
}

/// The version of an image's tags: it grows with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TagsVersion(pub u64);

/// The tags of an image, with their version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionedTags {
    /// All that was said of it.
    pub tags: ImageTags,
    /// The version of that.
    pub version: TagsVersion,
}

/// A change of an image's tags.
#[derive(Debug, Clone, PartialEq)]
pub enum TagChange {
    /// A person adds and removes tags.
    Edit(TagEdit),
    /// The tags of providers take the place of those that providers gave before.
    Retag {
        /// The whole answers of the providers.
        answers: ProviderAnswers,
        /// The lowest confidence of the tags that are given, which is kept with the image.
        threshold: Threshold,
        /// The vocabulary by which they are given.
        vocabulary: Arc<Vocabulary>,
    },
    /// What the image's files say takes the place of what they said before.
    File {
        /// What they say.
        file: FileTags,
        /// The vocabulary by which it is taken.
        vocabulary: Arc<Vocabulary>,
    },
    /// The tags are brought in line with a vocabulary. Provider and threshold stay.
    Revise(Revision),
}

/// Brings the tags of an image in line with a vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// The vocabulary.
    pub vocabulary: Arc<Vocabulary>,
    /// The whole answers of the providers that tagged the image last, as far as they are known.
    pub answers: Vec<(TaggerVersion, Tags)>,
    /// The threshold of an image that has none.
    pub lowest: Threshold,
}

impl Revision {
    /// What tags become by it. Answers count only if they are of providers that tagged the image last.
    ///
    /// # Errors
    /// If the image would show too many tags.
    pub(super) fn apply(
        &self,
        tags: &ImageTags,
        taggers: Option<&Taggers>,
        lowest: Option<Threshold>,
    ) -> Result<ImageTags, TooManyTags> {
        let lowest = lowest.unwrap_or(self.lowest);
        let Some(taggers) = taggers else {
            return tags.revised(&self.answers, lowest, &self.vocabulary);
        };
        let answers = self.answers.iter().filter(|(of, _)| taggers.contains(of));
        let answers: Vec<_> = answers.cloned().collect();
        tags.revised(&answers, lowest, &self.vocabulary)
    }
}

impl TagChange {
    /// What some tags become by it.
    ///
    /// # Errors
    /// If the image would show too many tags.
    pub fn apply(&self, tags: &ImageTags) -> Result<ImageTags, TooManyTags> {
        match self {
            Self::Edit(edit) => tags.edited(edit),
            Self::Retag {
                answers,
                threshold,
                vocabulary,
            } => tags.retagged(answers, *threshold, vocabulary),
            Self::File { file, vocabulary } => tags.filed(file, vocabulary),
            Self::Revise(revision) => revision.apply(tags, None, None),
        }
    }

    /// Labels that it probably gives an image. A vocabulary may give others, for what the image has already.
    pub fn labels(&self) -> BTreeSet<Label> {
        let given = |vocabulary: &Vocabulary, answer: &Tags, lowest: Threshold| {
            let given = vocabulary.given(answer, lowest);
            let labels = given.iter().map(|tag| tag.label.clone());
            labels.collect::<Vec<Label>>()
        };
        match self {
            Self::Edit(edit) => edit.given(),
            Self::Retag {
                answers,
                threshold,
                vocabulary,
            } => {
                let answers = answers.iter();
                let given = answers.flat_map(|(_, answer)| given(vocabulary, answer, *threshold));
                given.collect()
            }
            Self::File { file, vocabulary } => {
                let tags = file.tags.iter().map(|tag| vocabulary.tag_of(&tag.label));
                let parents = vocabulary.parents(&file.tags).into_iter();
                tags.chain(parents.map(|tag| tag.label)).collect()
            }
            Self::Revise(revision) => {
                let answers = revision.answers.iter();
                let lowest = revision.lowest;
                let given =
                    answers.flat_map(|(_, answer)| given(&revision.vocabulary, answer, lowest));
                given.collect()
            }
        }
    }

    /// The event that tells of it.
    pub fn event(&self, image: ImageId) -> WebhookEvent {
        match self {
            Self::Retag { .. } => WebhookEvent::ImageTagged(image),
            Self::Edit(_) | Self::File { .. } | Self::Revise(_) => {
                WebhookEvent::ImageUpdated(image)
            }
        }
    }

    /// The taggers of the image from then on; `None` if it changes nothing but the tags themselves.
    pub fn taggers(&self) -> Option<Taggers> {
        match self {
            Self::Retag { answers, .. } => Some(answers.taggers()),
            Self::Edit(_) | Self::File { .. } | Self::Revise(_) => None,
        }
    }
}

/// The result of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagsChanged {
    /// The tags are these now.
    Done(VersionedTags),
    /// There is no such image.
    NotFound,
    /// The tags have another version: this one.
    Outdated(TagsVersion),
    /// The image would show too many tags. Nothing was changed.
    TooMany,
}
