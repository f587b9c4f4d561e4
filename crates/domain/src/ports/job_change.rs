//! What a job does to one image.

use chrono::{DateTime, Utc};

use super::TagChange;
use crate::{ImageQuery, ImageTags, SourceKind, Taggers, Threshold, UntaggedImage};

/// A change of one image, as a job makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobChange {
    /// The image.
    pub image: UntaggedImage,
    /// What is done to it.
    pub change: ImageChange,
}

/// What is done to an image.
#[derive(Debug, Clone, PartialEq)]
pub enum ImageChange {
    /// Its tags change.
    Tags(TagChange),
    /// It is deleted, at that time.
    Delete(DateTime<Utc>),
    /// Nothing: what the job did is kept elsewhere. It only counts.
    Nothing,
}

/// What is kept of an image's tags.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptTags {
    /// All that was said of it.
    pub tags: ImageTags,
    /// The providers that tagged it last.
    pub taggers: Taggers,
    /// The threshold it was tagged with last.
    pub threshold: Option<Threshold>,
}

/// What comes of a change of an image.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemOutcome {
    /// The image is left as it is: it does not match any more, or has it all already.
    Unchanged,
    /// It would show too many tags, and is left as it is.
    TooMany,
    /// Its tags become these.
    Tags(ImageTags),
    /// It is to be deleted.
    Delete,
}

impl JobChange {
    /// What comes of the change, for an image of which that is kept and that must match the query.
    pub fn outcome(&self, query: &ImageQuery, kept: &KeptTags) -> ItemOutcome {
        let shown = kept.tags.shown();
        let sources: Vec<SourceKind> = shown.iter().map(|tag| tag.source.kind()).collect();
        let image = self.image.with(kept.tags.tags());
        if !query.admits_of(&image, &sources) {
            return ItemOutcome::Unchanged;
        }
        let change = match &self.change {
            ImageChange::Delete(_) => return ItemOutcome::Delete,
            ImageChange::Nothing => return ItemOutcome::Unchanged,
            ImageChange::Tags(change) => change,
        };
        let changed = match change {
            TagChange::Revise(revision) => {
                revision.apply(&kept.tags, Some(&kept.taggers), kept.threshold)
            }
            change => change.apply(&kept.tags),
        };
        match changed {
            Err(_) => ItemOutcome::TooMany,
            Ok(tags) if tags == kept.tags && is_noted(change, kept) => ItemOutcome::Unchanged,
            Ok(tags) => ItemOutcome::Tags(tags),
        }
    }
}

/// Whether what a change says of providers is kept already.
fn is_noted(change: &TagChange, kept: &KeptTags) -> bool {
    match change {
        TagChange::Edit(_) | TagChange::File { .. } | TagChange::Revise(_) => true,
        TagChange::Retag {
            answers, threshold, ..
        } => kept.taggers == answers.taggers() && kept.threshold == Some(*threshold),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;

    use super::*;
    use crate::ports::Revision;
    use crate::{
        Confidence, ContentDigest, ImageFacts, ImageId, Label, MediaType, ProviderAnswers,
        ProviderIdentity, Tag, TagEdit, TaggerVersion, Tags,
    };

    fn threshold(lowest: f64) -> Threshold {
        Threshold::new(Confidence::new(lowest).unwrap())
    }

    fn label(name: &str) -> Label {
        Label::parse(name).unwrap()
    }

    fn tags(name: &str) -> Tags {
        let confidence = Confidence::new(90.0).unwrap();
        let tag = |label| Tag { label, confidence };
        [tag(label(name))].into_iter().collect()
    }

    fn provider(version: &str) -> ProviderIdentity {
        ProviderIdentity::parse("imagga", version, "en").unwrap()
    }

    fn change(change: ImageChange) -> JobChange {
        let image = UntaggedImage {
            id: ImageId::from_bytes([1; 16]),
            digest: ContentDigest::of(b""),
            facts: ImageFacts {
                media_type: MediaType::Jpeg,
                width: 1,
                height: 1,
                byte_size: 0,
            },
            registered_at: DateTime::UNIX_EPOCH,
            taken_order: DateTime::UNIX_EPOCH.naive_utc(),
        };
        JobChange { image, change }
    }

    fn retag(version: &str, lowest: f64) -> JobChange {
        change(ImageChange::Tags(TagChange::Retag {
            answers: ProviderAnswers::of(provider(version), tags("cat")),
            threshold: threshold(lowest),
            vocabulary: Arc::default(),
        }))
    }

    fn kept() -> KeptTags {
        let tagger = TaggerVersion::from(&provider("v1"));
        KeptTags {
            tags: ImageTags::of_provider(&tagger, &tags("cat")),
            taggers: tagger.into(),
            threshold: Some(threshold(50.0)),
        }
    }

    #[test]
    fn an_image_that_does_not_match_any_more_is_left_alone() {
        let wants = |name: &str| ImageQuery {
            all_of: vec![label(name)],
            ..ImageQuery::default()
        };
        let delete = change(ImageChange::Delete(DateTime::UNIX_EPOCH));
        assert_eq!(
            delete.outcome(&wants("dog"), &kept()),
            ItemOutcome::Unchanged
        );
        assert_eq!(delete.outcome(&wants("cat"), &kept()), ItemOutcome::Delete);
    }

    #[test]
    fn a_change_that_was_made_already_is_none() {
        let all = ImageQuery::default();
        assert_eq!(
            retag("v1", 50.0).outcome(&all, &kept()),
            ItemOutcome::Unchanged
        );
        for other in [retag("v2", 50.0), retag("v1", 40.0)] {
            let outcome = other.outcome(&all, &kept());
            assert!(matches!(outcome, ItemOutcome::Tags(_)), "{outcome:?}");
        }
        // Another provider tagged the image meanwhile: what this one said counts no more.
        let stale = Revision {
            vocabulary: Arc::default(),
            answers: vec![(TaggerVersion::known("other", "v1"), tags("moon"))],
            lowest: threshold(0.0),
        };
        let stale = change(ImageChange::Tags(TagChange::Revise(stale)));
        assert_eq!(stale.outcome(&all, &kept()), ItemOutcome::Unchanged);
        let edit = TagEdit::new(&[], &[label("dog")]).unwrap();
        let edit = change(ImageChange::Tags(TagChange::Edit(edit)));
        assert_eq!(edit.outcome(&all, &kept()), ItemOutcome::Unchanged);
    }
}
