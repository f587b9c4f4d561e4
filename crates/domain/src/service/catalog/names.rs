//! Names of labels in searches and edits.

use std::{collections::HashMap, sync::Arc};

use super::{Catalog, CatalogError};
use crate::{Label, LabelFilter, LabelNames, ShownNames};

impl Catalog {
    /// The service with names of labels. Without them, labels are their only names.
    #[must_use]
    pub fn with_names(self, names: LabelNames) -> Self {
        let names = Arc::new(names);
        Self { names, ..self }
    }

    /// The names of labels.
    pub fn names(&self) -> &LabelNames {
        &self.names
    }

    /// The filter with names replaced by the labels that have them; see [`Catalog::labels_named`].
    pub async fn resolve(
        &self,
        filter: LabelFilter,
        shown: &ShownNames,
    ) -> Result<LabelFilter, CatalogError> {
        let labels = self.labels_named(&filter.labels(), shown).await?;
        Ok(filter.with_labels(&labels))
    }

    /// Those of some texts that are names rather than labels, with their labels: no image carries the text, and it
    /// is a name of another label, in the language that is shown or else in any.
    ///
    /// The store is asked only where there is such a name, and once.
    pub async fn labels_named(
        &self,
        texts: &[&Label],
        shown: &ShownNames,
    ) -> Result<HashMap<Label, Label>, CatalogError> {
        let named = texts.iter().filter_map(|text| {
            let label = self.names.label_named(text, shown)?;
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
}
