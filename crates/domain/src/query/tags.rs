//! Which tags a list of tags shows.

use std::num::NonZeroU32;

use super::{TagSummary, TimeWindow};
use crate::Label;

/// Which tags to list, and in which order. The default is all of them, most used first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagQuery {
    /// Counts only images registered in it.
    pub window: TimeWindow,
    /// What the labels begin with, in the form of a label; see [`TagQuery::starting_with`].
    pub prefix: String,
    /// The order.
    pub order: TagOrder,
    /// The most tags of the answer; `None` is all.
    pub limit: Option<NonZeroU32>,
}

/// An order of tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TagOrder {
    /// Most used first, ties by name.
    #[default]
    Count,
    /// By name.
    Name,
}

impl TagQuery {
    /// Lists only labels that begin with a text. Case and Unicode form do not matter; blanks at its end do.
    #[must_use]
    pub fn starting_with(self, text: &str) -> Self {
        let prefix = Label::normal_prefix(text);
        Self { prefix, ..self }
    }

    /// Picks from all tags of the window, which come most used first, ties by name.
    pub(crate) fn pick(&self, mut tags: Vec<TagSummary>) -> Vec<TagSummary> {
        tags.retain(|tag| tag.label.as_str().starts_with(&self.prefix));
        if self.order == TagOrder::Name {
            tags.sort_unstable_by(|one, other| one.label.cmp(&other.label));
        }
        if let Some(limit) = self.limit {
            tags.truncate(limit.get() as usize);
        }
        tags
    }
}
