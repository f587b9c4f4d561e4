//! Names of labels in searches and edits.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{Catalog, CatalogError};
use crate::{Label, LabelFilter, LabelNames, ShownNames, Vocabulary, service::SharedVocabulary};

impl Catalog {
    /// The service with names of labels. Without them, labels are their only names.
    #[must_use]
    pub fn with_names(self, names: LabelNames) -> Self {
        self.with_vocabulary(SharedVocabulary::of_names(names))
    }

    /// The service with a vocabulary.
    #[must_use]
    pub fn with_vocabulary(self, vocabulary: SharedVocabulary) -> Self {
        Self { vocabulary, ..self }
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &SharedVocabulary {
        &self.vocabulary
    }

    /// The names of labels.
    pub async fn names(&self) -> LabelNames {
        self.vocabulary.names().await
    }

    /// The filter with names replaced by the labels that have them, see [`Catalog::labels_named`], and with each tag
    /// every label that stands for it: images that were tagged before the vocabulary was changed are found as well.
    pub async fn resolve(
        &self,
        filter: LabelFilter,
        shown: &ShownNames,
    ) -> Result<LabelFilter, CatalogError> {
        let labels = self.labels_named(&filter.labels(), shown).await?;
        let filter = filter.with_labels(&labels);
        let synonyms = self.synonyms(&filter.labels()).await?;
        Ok(filter.with_synonyms(&synonyms))
    }

    /// Those of some texts that are names rather than labels, with their labels: the vocabulary does not know the text,
    /// no image carries it, and it is a name of another label, in the language that is shown or else in any.
    ///
    /// The store is asked only where there is such a name, and once.
    pub async fn labels_named(
        &self,
        texts: &[&Label],
        shown: &ShownNames,
    ) -> Result<HashMap<Label, Label>, CatalogError> {
        let known = self.vocabulary.current().await?;
        let is_tag = |text: &Label| {
            let vocabulary = &known.vocabulary;
            vocabulary.entry(text).is_some() || vocabulary.alias(text).is_some()
        };
        let texts = texts.iter().filter(|text| !is_tag(text));
        let named = texts.filter_map(|text| {
            let label = known.names.label_named(text, shown)?;
            (label != *text).then(|| (Label::clone(text), label.clone()))
        });
        let mut named: HashMap<Label, Label> = named.collect();
        if named.is_empty() {
            return Ok(named);
        }
        let mut texts: Vec<Label> = named.keys().cloned().collect();
        texts.sort_unstable();
        let carried = self.ports.statistics.carried(&texts).await?;
        named.retain(|text, _| !carried.contains(text));
        Ok(named)
    }

    /// The tag of a label, and the labels that images carry instead.
    pub(super) async fn carried_synonyms(&self, label: &Label) -> Result<Vec<Label>, CatalogError> {
        let mut synonyms = self.synonyms(&[label]).await?;
        Ok(synonyms
            .remove(label)
            .unwrap_or_else(|| vec![label.clone()]))
    }

    /// For those of some labels that are tags or aliases of the vocabulary, the tag and the labels that images carry
    /// instead.
    async fn synonyms(
        &self,
        labels: &[&Label],
    ) -> Result<HashMap<Label, Vec<Label>>, CatalogError> {
        let vocabulary = Arc::clone(&self.vocabulary.current().await?.vocabulary);
        let mut synonyms = synonyms(&vocabulary, labels);
        let asked: BTreeSet<&Label> = synonyms.values().flatten().collect();
        let asked: Vec<Label> = asked.into_iter().cloned().collect();
        if asked.is_empty() {
            return Ok(synonyms);
        }
        let carried = self.ports.statistics.carried(&asked).await?;
        for (label, of_label) in &mut synonyms {
            let tag = vocabulary.tag_of(label);
            of_label.retain(|synonym| *synonym == tag || carried.contains(synonym));
        }
        Ok(synonyms)
    }
}

/// For each label that may be on images under another form, all of them.
fn synonyms(vocabulary: &Vocabulary, labels: &[&Label]) -> HashMap<Label, Vec<Label>> {
    let of = |label: &&Label| {
        let synonyms = vocabulary.synonyms(label);
        (synonyms.len() > 1).then(|| (Label::clone(label), synonyms))
    };
    labels.iter().filter_map(of).collect()
}
