//! Names of labels in edits.

use std::collections::HashMap;

use super::Editing;
use crate::{
    ImageId, ImageTags, Label, ShownNames, TagEdit, ports::ImageStoreError, service::CatalogError,
};

impl Editing {
    /// The labels that texts of an edit name in the language that is shown: what a person sees on the image is meant
    /// first, then what a search finds; see [`Catalog::labels_named`](crate::service::Catalog::labels_named).
    pub async fn labels_named(
        &self,
        id: &ImageId,
        edit: &TagEdit,
        shown: &ShownNames,
    ) -> Result<HashMap<Label, Label>, CatalogError> {
        let known = self.ports.edits.tags_of(id).await?;
        let tags = known.map(|known| known.tags).unwrap_or_default();
        let mut labels = HashMap::new();
        let mut others = Vec::new();
        for text in edit.labels().filter(|text| !has(&tags, text)) {
            match shown.label(text).filter(|label| has(&tags, label)) {
                Some(label) => drop(labels.insert(text.clone(), label.clone())),
                None => others.push(text),
            }
        }
        labels.extend(self.catalog.labels_named(&others, shown).await?);
        Ok(labels)
    }
}

impl Editing {
    /// Those labels of an edit that are other tags under the vocabulary, with these tags.
    pub async fn tags_meant(
        &self,
        edit: &TagEdit,
    ) -> Result<HashMap<Label, Label>, ImageStoreError> {
        let vocabulary = self.vocabulary().await?;
        let meant = |label: &Label| {
            let tag = vocabulary.tag_of(label);
            (tag != *label).then(|| (label.clone(), tag))
        };
        Ok(edit.labels().filter_map(meant).collect())
    }
}

/// Whether the image shows a label, or it was rejected.
fn has(tags: &ImageTags, label: &Label) -> bool {
    tags.shown_of(label).is_some() || tags.is_rejected(label)
}
