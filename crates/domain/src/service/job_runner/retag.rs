//! The changes of a job that tags images again.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};

use super::{Prepared, faults::Fault};
use crate::{
    Image, ImageId, ImageInfo, ItemError, ProviderAnswers, Tagging, TaggingKey, Tags, Threshold,
    UntaggedImage, Vocabulary,
    ports::{CallContext, ImageChange, ImageStore, ImageStoreError, JobChange, TagChange},
    service::{Editing, RetagError, TaggerChoice, UnknownTagger},
};

/// How many images are tagged at a time. They wait for their turns behind those of clients.
const TAGGED: usize = 4;

/// The first pause while images cannot be tagged; each further one is twice as long.
const PAUSE: TimeDelta = TimeDelta::seconds(5);

/// The longest pause.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(10);

/// After so many pauses in a row, more than an hour, the first image is set aside: it may be the reason.
const PAUSES: u32 = 14;

/// Has images tagged again.
#[derive(Clone)]
pub(super) struct Retags {
    images: Arc<dyn ImageStore>,
    pub(super) editing: Editing,
    pub(super) default: Threshold,
}

/// An image, and the outcome of tagging it.
type Outcome = (UntaggedImage, Result<JobChange, Fault>);

impl Retags {
    pub(super) fn new(images: Arc<dyn ImageStore>, editing: Editing, default: Threshold) -> Self {
        Self {
            images,
            editing,
            default,
        }
    }

    /// Tags images by some providers, with a threshold if one is named, as far as that is possible. `pauses` is how often
    /// the job paused at the first of them.
    pub(super) async fn prepare(
        &self,
        images: &[UntaggedImage],
        (providers, threshold): (Option<&str>, Option<Threshold>),
        pauses: u32,
        context: &CallContext,
    ) -> Result<Prepared, ImageStoreError> {
        let choice = match self.editing.choose(providers) {
            Ok(choice) => choice,
            Err(unknown) => return Ok(no_tagger(images, &unknown)),
        };
        let thresholds = self.thresholds(images, threshold).await?;
        let vocabulary = self.editing.vocabulary().await?;
        let stored = match self.editing.stored_answers(images).await {
            // Looked up again one by one, so that it fails the image that it belongs to.
            Err(ImageStoreError::Corrupt(_)) => HashMap::new(),
            stored => stored?,
        };
        let mut outcomes: Vec<Option<Outcome>> = Vec::new();
        let mut missing = Vec::new();
        for (place, image) in images.iter().enumerate() {
            let threshold = thresholds.get(&image.id).copied().unwrap_or(self.default);
            let keys = self.editing.keys(image, &choice);
            let answers = stored.get(&image.digest).map(Vec::as_slice);
            let said = said(keys, answers.unwrap_or_default());
            if said.is_none() {
                missing.push((place, *image, threshold));
            }
            outcomes.push(said.map(|said| outcome(*image, threshold, Ok(said), &vocabulary)));
        }
        let called = self.call(missing, &choice, &vocabulary, context).await;
        let has_succeeded = called.iter().any(|(_, (_, outcome))| outcome.is_ok());
        for (place, outcome) in called {
            if let Some(slot) = outcomes.get_mut(place) {
                *slot = Some(outcome);
            }
        }
        let outcomes = outcomes.into_iter().flatten();
        let outcomes = outcomes.map(|(_, outcome)| outcome.map(Some));
        sort_out(outcomes, has_succeeded, pauses)
    }

    /// Has images tagged of which no answer is stored.
    async fn call(
        &self,
        missing: Vec<(usize, UntaggedImage, Threshold)>,
        choice: &TaggerChoice,
        vocabulary: &Arc<Vocabulary>,
        context: &CallContext,
    ) -> Vec<(usize, Outcome)> {
        let calls: Vec<BoxFuture<'_, _>> = missing
            .into_iter()
            .map(|(place, image, threshold)| {
                let tagged = self.tag((image, threshold), choice, vocabulary, context);
                async move { (place, tagged.await) }.boxed()
            })
            .collect();
        stream::iter(calls).buffered(TAGGED).collect().await
    }

    async fn tag(
        &self,
        (image, threshold): (UntaggedImage, Threshold),
        choice: &TaggerChoice,
        vocabulary: &Arc<Vocabulary>,
        context: &CallContext,
    ) -> Outcome {
        let untagged = image.with(Tags::default());
        let editing = &self.editing;
        let tagged = editing.answer(&untagged, threshold, choice, context.clone());
        let said = tagged.await.map(|tagged| tagged.answers);
        outcome(image, threshold, said, vocabulary)
    }

    /// The thresholds of images: the one that is asked for, or what is kept of each.
    async fn thresholds(
        &self,
        images: &[UntaggedImage],
        asked: Option<Threshold>,
    ) -> Result<HashMap<ImageId, Threshold>, ImageStoreError> {
        if let Some(asked) = asked {
            return Ok(images.iter().map(|image| (image.id, asked)).collect());
        }
        let ids: Vec<ImageId> = images.iter().map(|image| image.id).collect();
        let infos = self.editing.infos(&ids).await?;
        self.known_thresholds(images, &infos).await
    }

    /// The thresholds of images: what is kept of each, or else its lowest tag.
    pub(super) async fn known_thresholds(
        &self,
        images: &[UntaggedImage],
        infos: &HashMap<ImageId, ImageInfo>,
    ) -> Result<HashMap<ImageId, Threshold>, ImageStoreError> {
        let mut thresholds: HashMap<ImageId, Threshold> = infos
            .iter()
            .filter_map(|(id, info)| Some((*id, info.threshold?)))
            .collect();
        let unknown = images
            .iter()
            .filter(|image| !thresholds.contains_key(&image.id));
        let unknown: Vec<UntaggedImage> = unknown.copied().collect();
        if unknown.is_empty() {
            return Ok(thresholds);
        }
        for image in self.images.with_tags(&unknown).await? {
            thresholds.insert(image.id, self.lowest(&image));
        }
        Ok(thresholds)
    }

    fn lowest(&self, image: &Image) -> Threshold {
        ImageInfo::default().threshold_of(image, self.default)
    }
}

/// The stored answers under some keys. `None` if one is missing.
fn said(keys: Vec<TaggingKey>, stored: &[(TaggingKey, Tagging)]) -> Option<ProviderAnswers> {
    let answers = keys.into_iter().map(|key| {
        let (_, answer) = stored.iter().find(|(of, _)| *of == key)?;
        Some((key.provider, answer.tags.clone()))
    });
    ProviderAnswers::from_list(answers.collect::<Option<Vec<_>>>()?)
}

/// The settings of a server have changed since the job was made: the images stay as they are.
fn no_tagger(images: &[UntaggedImage], unknown: &UnknownTagger) -> Prepared {
    let error =
        |image: &UntaggedImage| ItemError::new(image.id, "invalid-parameter", &unknown.to_string());
    Prepared::Images {
        changes: Vec::new(),
        errors: images.iter().map(error).collect(),
        count: images.len(),
    }
}

fn outcome(
    image: UntaggedImage,
    threshold: Threshold,
    said: Result<ProviderAnswers, RetagError>,
    vocabulary: &Arc<Vocabulary>,
) -> Outcome {
    let change = said.map(|answers| JobChange {
        image,
        change: ImageChange::Tags(TagChange::Retag {
            answers,
            threshold,
            vocabulary: Arc::clone(vocabulary),
        }),
    });
    (image, change.map_err(|error| Fault::of(image.id, &error)))
}

/// What is done to the images, up to the first that must wait: a change of each, nothing, or why it failed.
pub(super) fn sort_out(
    outcomes: impl Iterator<Item = Result<Option<JobChange>, Fault>>,
    has_succeeded: bool,
    pauses: u32,
) -> Result<Prepared, ImageStoreError> {
    let (mut changes, mut errors, mut count) = (Vec::new(), Vec::new(), 0);
    for outcome in outcomes {
        match outcome {
            Ok(change) => changes.extend(change),
            Err(Fault::Image(error)) => errors.push(error),
            // The provider answered others.
            Err(Fault::Call(error)) if has_succeeded => errors.push(error),
            Err(Fault::Call(error) | Fault::Service(error, _))
                if count == 0 && pauses >= PAUSES =>
            {
                errors.push(error);
            }
            Err(Fault::Call(_) | Fault::Service(..) | Fault::Cancelled | Fault::Store(_))
                if count > 0 =>
            {
                break;
            }
            Err(Fault::Call(_)) => return Ok(Prepared::Pause(pause(pauses, None))),
            Err(Fault::Service(_, wait)) => return Ok(Prepared::Pause(pause(pauses, wait))),
            Err(Fault::Cancelled) => return Ok(Prepared::Cancelled),
            Err(Fault::Store(error)) => return Err(error),
        }
        count += 1;
    }
    Ok(Prepared::Images {
        changes,
        errors,
        count,
    })
}

fn pause(pauses: u32, asked: Option<Duration>) -> TimeDelta {
    let factor = 1_i32 << pauses.min(10);
    let pause = (PAUSE * factor).min(LONGEST_PAUSE);
    let asked = asked.and_then(|asked| TimeDelta::from_std(asked).ok());
    asked.map_or(pause, |asked| pause.max(asked.min(TimeDelta::hours(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_follow_the_provider() {
        let seconds: Vec<i64> = (0..9).map(|n| pause(n, None).num_seconds()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        let asked = |seconds| pause(1, Some(Duration::from_secs(seconds))).num_seconds();
        assert_eq!((asked(3), asked(30), asked(100_000)), (10, 30, 3600));
    }
}
