//! What taggers make of some bytes.

use std::sync::Arc;

use super::Unsaved;
use crate::{
    CameraData, ImageFacts, ModelCode, ModelFeatures, PerceptualHash, ProviderAnswers, Tagging,
    TaggingKey, service::source::Decoded,
};

/// The facts and tags of some bytes, by one tagger.
pub(super) struct Analysis {
    pub(super) key: TaggingKey,
    pub(super) facts: ImageFacts,
    /// Empty if nothing was decoded.
    pub(super) codes: Vec<ModelCode>,
    pub(super) camera: CameraData,
    pub(super) tagging: Tagging,
    /// Present while the tagging is not stored yet.
    pub(super) unsaved: Option<Unsaved>,
}

/// What every chosen tagger made of some bytes, in the order in which they are set up.
pub(super) struct Analyses {
    pub(super) first: Arc<Analysis>,
    pub(super) further: Vec<Arc<Analysis>>,
}

impl Analyses {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Analysis>> {
        std::iter::once(&self.first).chain(&self.further)
    }

    pub(super) fn answers(&self) -> ProviderAnswers {
        let answer = |of: &Analysis| (of.key.provider.clone(), of.tagging.tags.clone());
        let (provider, tags) = answer(&self.first);
        let further = self.further.iter().map(|analysis| answer(analysis));
        further.fold(
            ProviderAnswers::of(provider, tags),
            |answers, (provider, tags)| answers.and(provider, tags),
        )
    }

    /// What is kept to find look-alikes: of each model once.
    pub(super) fn codes(&self) -> Vec<ModelCode> {
        let mut codes: Vec<ModelCode> = Vec::new();
        for code in self.iter().flat_map(|analysis| &analysis.codes) {
            if codes.iter().all(|other| other.model != code.model) {
                codes.push(code.clone());
            }
        }
        codes
    }

    /// The answers that are not stored yet.
    pub(super) fn unsaved(&self) -> Vec<(TaggingKey, Tagging)> {
        let unsaved = self.iter().filter(|analysis| analysis.unsaved.is_some());
        unsaved
            .map(|analysis| (analysis.key.clone(), analysis.tagging.clone()))
            .collect()
    }
}

/// What is kept to find look-alikes of a picture that was decoded, and maybe tagged.
pub(in crate::service) fn codes(
    decoded: &Decoded,
    features: Option<ModelFeatures>,
) -> Vec<ModelCode> {
    let features = features.map(ModelCode::from);
    let hash = match decoded.hash {
        Some(hash) => ModelCode::from(hash),
        None => ModelCode::none(PerceptualHash::model()),
    };
    features.into_iter().chain([hash]).collect()
}
