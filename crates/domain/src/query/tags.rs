//! Which tags a list of tags shows.

use std::num::NonZeroU32;

use super::{TagSummary, TimeWindow};
use crate::{Label, LabelNames, ShownNames};

/// Which tags to list, and in which order. The default is all of them, most used first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagQuery {
    /// Counts only images registered in it.
    pub window: TimeWindow,
    /// What the names begin with, in the form of a label; see [`TagQuery::starting_with`].
    pub prefix: String,
    /// The names that are shown, which the prefix is of.
    pub names: ShownNames,
    /// The order.
    pub order: TagOrder,
    /// The most tags of the answer; `None` is all.
    pub limit: Option<NonZeroU32>,
}

/// An order of tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TagOrder {
    /// Most used first, ties by label.
    #[default]
    Count,
    /// By the name that is shown.
    Name,
}

impl TagQuery {
    /// Lists only labels whose names begin with a text; where there are none, those that have such a name in any
    /// language. Case and Unicode form do not matter; blanks at its end do.
    #[must_use]
    pub fn starting_with(self, text: &str) -> Self {
        let prefix = Label::normal_prefix(text);
        Self { prefix, ..self }
    }

    /// Picks from all tags of the window, which come most used first, ties by name.
    pub(crate) fn pick(&self, mut tags: Vec<TagSummary>, names: &LabelNames) -> Vec<TagSummary> {
        let is_shown = |tag: &TagSummary| {
            let name = self.names.of(&tag.label);
            name.as_str().starts_with(&self.prefix)
        };
        if tags.iter().any(is_shown) {
            tags.retain(is_shown);
        } else {
            tags.retain(|tag| {
                tag.label.as_str().starts_with(&self.prefix)
                    || names.any_begins_with(&tag.label, &self.prefix)
            });
        }
        if self.order == TagOrder::Name {
            let name = |tag: &TagSummary| (self.names.of(&tag.label).clone(), tag.label.clone());
            tags.sort_by_cached_key(name);
        }
        if let Some(limit) = self.limit {
            tags.truncate(limit.get() as usize);
        }
        tags
    }
}
