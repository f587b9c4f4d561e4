//! The tags of an image and who gave them, as they are written on the wire.

use domain::{ImageTags, ShownNames, SourcedTag, TagSource};
use serde::Serialize;
use utoipa::ToSchema;

/// The tags of an image, with who gave them.
#[derive(Serialize, ToSchema)]
#[schema(as = ImageTags)]
pub(crate) struct ImageTagsBody {
    /// The tags that the image shows, highest confidence first.
    tags: Vec<SourcedTagBody>,
    /// Names of tags that were removed, and that no tagging brings back.
    #[schema(example = json!(["dog"]))]
    rejected: Vec<String>,
    /// Everything that was said, by name, also what is not shown: several tag providers may have the same tag, each with
    /// a confidence of its own. Only where it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    said: Option<Vec<SourcedTagBody>>,
}

/// A tag, with who gave it.
#[derive(Serialize, ToSchema)]
#[schema(as = SourcedTag)]
pub(crate) struct SourcedTagBody {
    /// Its name.
    #[schema(example = "cat")]
    tag: String,
    /// The confidence that is shown.
    #[schema(minimum = 0, maximum = 100, example = 69.437_355_041_503_9)]
    confidence: f64,
    /// Who gave it: `provider`, `person` or `file`.
    #[schema(example = "provider")]
    source: &'static str,
    /// The name of the tag provider; null if another source gave it, or if it is unknown.
    #[schema(example = "imagga")]
    provider: Option<String>,
    /// The version of that provider; null as above.
    #[schema(example = "v2")]
    version: Option<String>,
}

impl ImageTagsBody {
    /// Writes tags under the names that are shown.
    pub(crate) fn new(tags: &ImageTags, names: &ShownNames) -> Self {
        let shown = tags.shown().into_iter();
        let name = |label| names.of(label).as_str().to_owned();
        Self {
            tags: shown.map(|tag| SourcedTagBody::new(tag, names)).collect(),
            rejected: tags.rejected().map(name).collect(),
            said: None,
        }
    }

    /// The same with everything that was said.
    pub(crate) fn with_said(self, tags: &ImageTags, names: &ShownNames) -> Self {
        let said = tags.said().map(|said| SourcedTagBody::new(said, names));
        Self {
            said: Some(said.collect()),
            ..self
        }
    }
}

impl SourcedTagBody {
    fn new(SourcedTag { tag, source }: SourcedTag, names: &ShownNames) -> Self {
        let kind = source.kind().as_str();
        let (provider, version) = match source {
            TagSource::Provider(tagger) => (tagger.name, tagger.version),
            TagSource::Person | TagSource::File => (None, None),
        };
        Self {
            tag: names.of(&tag.label).as_str().to_owned(),
            confidence: tag.confidence.get(),
            source: kind,
            provider,
            version,
        }
    }
}
