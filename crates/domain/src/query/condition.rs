//! Conditions that a search combines from terms.

use std::collections::HashMap;

use crate::{
    Confidence, Image, Label, LocalWindow, MediaType, SourceKind, Tag, Threshold, TimeWindow,
};

/// A condition on an image. It is evaluated recursively, so callers that build one from input must bound
/// its depth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Every one of these holds; true of every image if empty.
    All(Vec<Self>),
    /// At least one of these holds; true of no image if empty.
    Any(Vec<Self>),
    /// This does not hold.
    Not(Box<Self>),
    /// The image carries a tag.
    Tag(TagCondition),
    /// The image has no tags.
    Untagged,
    /// The image was registered in a window.
    Registered(TimeWindow),
    /// The image was taken in a window, see [`Image::taken_order`].
    Taken(LocalWindow),
    /// The image shows a tag of such a source.
    Source(SourceKind),
    /// The original has that format.
    Type(MediaType),
    /// The width in pixels, after orientation.
    Width(Comparison<u32>),
    /// The height in pixels, after orientation.
    Height(Comparison<u32>),
}

/// A tag of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagCondition {
    /// Its label.
    pub label: Label,
    /// Its confidence. Without one, the threshold of the list decides whether a tag counts.
    pub confidence: Option<Comparison<Confidence>>,
}

/// A comparison with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison<T> {
    /// The operator.
    pub operator: Operator,
    /// The right-hand side.
    pub value: T,
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `=`
    Equal,
    /// `>=`
    AtLeast,
    /// `>`
    Above,
}

impl Operator {
    /// The operator in SQL and in searches.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
            Self::AtLeast => ">=",
            Self::Above => ">",
        }
    }
}

impl<T: Ord> Comparison<T> {
    /// Whether a value satisfies it.
    pub fn admits(&self, value: &T) -> bool {
        match self.operator {
            Operator::Below => *value < self.value,
            Operator::AtMost => *value <= self.value,
            Operator::Equal => *value == self.value,
            Operator::AtLeast => *value >= self.value,
            Operator::Above => *value > self.value,
        }
    }

    /// Whether every value that satisfies it is at least `lowest`.
    fn implies_at_least(&self, lowest: &T) -> bool {
        let is_lower_bound = !matches!(self.operator, Operator::Below | Operator::AtMost);
        is_lower_bound && self.value >= *lowest
    }
}

impl Condition {
    /// True of no image.
    pub const NEVER: Self = Self::Any(Vec::new());

    /// A tag with that name; no image carries a name that cannot be a label.
    pub fn tag(name: &str, confidence: Option<Comparison<Confidence>>) -> Self {
        Label::parse(name).map_or(Self::NEVER, |label| {
            Self::Tag(TagCondition { label, confidence })
        })
    }

    /// Whether an image satisfies it, if a provider gave all of its tags.
    pub fn holds(&self, image: &Image) -> bool {
        self.holds_of(image, sources_by_default(image))
    }

    /// Whether an image satisfies it whose shown tags are of those sources.
    pub fn holds_of(&self, image: &Image, sources: &[SourceKind]) -> bool {
        let holds = |condition: &Self| condition.holds_of(image, sources);
        match self {
            Self::All(all) => all.iter().all(holds),
            Self::Any(any) => any.iter().any(holds),
            Self::Not(condition) => !holds(condition),
            Self::Source(kind) => sources.contains(kind),
            Self::Tag(wanted) => image.tags.iter().any(|tag| wanted.holds(tag)),
            Self::Untagged => image.tags.iter().next().is_none(),
            Self::Registered(window) => window.contains(image.registered_at),
            Self::Taken(window) => window.contains(image.taken_order),
            Self::Type(kind) => image.facts.media_type == *kind,
            Self::Width(width) => width.admits(&image.facts.width),
            Self::Height(height) => height.admits(&image.facts.height),
        }
    }

    /// How many look-ups deciding it may take for one image.
    pub fn terms(&self) -> usize {
        match self {
            Self::All(some) | Self::Any(some) => some.iter().map(Self::terms).sum(),
            Self::Not(condition) => condition.terms(),
            Self::Registered(_) => 0,
            Self::Tag(_)
            | Self::Taken(_)
            | Self::Untagged
            | Self::Source(_)
            | Self::Type(_)
            | Self::Width(_)
            | Self::Height(_) => 1,
        }
    }

    /// The labels it mentions, each at least once.
    pub fn labels(&self) -> Vec<&Label> {
        match self {
            Self::All(some) | Self::Any(some) => some.iter().flat_map(Self::labels).collect(),
            Self::Not(condition) => condition.labels(),
            Self::Tag(wanted) => vec![&wanted.label],
            Self::Untagged
            | Self::Registered(_)
            | Self::Taken(_)
            | Self::Source(_)
            | Self::Type(_)
            | Self::Width(_)
            | Self::Height(_) => Vec::new(),
        }
    }

    /// Replaces labels by those that they map to.
    pub(super) fn with_labels(self, labels: &HashMap<Label, Label>) -> Self {
        let all = |all: Vec<Self>| {
            let each = all.into_iter();
            each.map(|condition| condition.with_labels(labels))
                .collect()
        };
        match self {
            Self::All(some) => Self::All(all(some)),
            Self::Any(some) => Self::Any(all(some)),
            Self::Not(condition) => Self::Not(Box::new(condition.with_labels(labels))),
            Self::Tag(mut wanted) => {
                if let Some(label) = labels.get(&wanted.label) {
                    wanted.label = label.clone();
                }
                Self::Tag(wanted)
            }
            other => other,
        }
    }

    /// Replaces each tag by several: one of them must be carried.
    pub(super) fn with_synonyms(self, synonyms: &HashMap<Label, Vec<Label>>) -> Self {
        let all = |all: Vec<Self>| {
            let each = all.into_iter();
            each.map(|condition| condition.with_synonyms(synonyms))
                .collect()
        };
        match self {
            Self::All(some) => Self::All(all(some)),
            Self::Any(some) => Self::Any(all(some)),
            Self::Not(condition) => Self::Not(Box::new(condition.with_synonyms(synonyms))),
            Self::Tag(wanted) => match synonyms.get(&wanted.label).map(Vec::as_slice) {
                None | Some([]) => Self::Tag(wanted),
                Some([label]) => Self::Tag(TagCondition {
                    label: label.clone(),
                    ..wanted
                }),
                Some(group) => {
                    let tags = group.iter().map(|label| {
                        Self::Tag(TagCondition {
                            label: label.clone(),
                            confidence: wanted.confidence,
                        })
                    });
                    Self::Any(tags.collect())
                }
            },
            other => other,
        }
    }

    /// Adds a threshold to each tag that has no comparison of its own.
    pub(super) fn with_threshold(self, threshold: Threshold) -> Self {
        match self {
            Self::All(all) => Self::All(with_threshold(all, threshold)),
            Self::Any(any) => Self::Any(with_threshold(any, threshold)),
            Self::Not(condition) => Self::Not(Box::new(condition.with_threshold(threshold))),
            Self::Tag(mut wanted) => {
                wanted.confidence.get_or_insert(Comparison {
                    operator: Operator::AtLeast,
                    value: threshold.lowest(),
                });
                Self::Tag(wanted)
            }
            other => other,
        }
    }
}

/// The sources of an image whose tags are all of a provider.
pub(super) fn sources_by_default(image: &Image) -> &'static [SourceKind] {
    if image.tags.is_empty() {
        &[]
    } else {
        &[SourceKind::Provider]
    }
}

fn with_threshold(conditions: Vec<Condition>, threshold: Threshold) -> Vec<Condition> {
    let each = conditions.into_iter();
    each.map(|condition| condition.with_threshold(threshold))
        .collect()
}

impl TagCondition {
    fn holds(&self, tag: &Tag) -> bool {
        let comparison = self.confidence.as_ref();
        tag.label == self.label && comparison.is_none_or(|wanted| wanted.admits(&tag.confidence))
    }

    /// Whether it implies that the image carries the label at or above the threshold of the list.
    fn implies(&self, threshold: Option<Threshold>) -> bool {
        match (&self.confidence, threshold) {
            (None, _) | (_, None) => true,
            (Some(wanted), Some(threshold)) => wanted.implies_at_least(&threshold.lowest()),
        }
    }
}

/// A condition, split into the parts that an index can answer and the rest.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Labels that the images must all carry.
    pub(super) all_of: Vec<Label>,
    /// Labels of which they must carry at least one, unless empty.
    pub(super) any_of: Vec<Label>,
    /// Labels that they must not carry.
    pub(super) none_of: Vec<Label>,
    /// When they must have been registered.
    pub(super) window: TimeWindow,
    /// When they must have been taken.
    pub(super) taken: LocalWindow,
    pub(super) rest: Vec<Condition>,
    /// Whether no image can match.
    pub(super) is_impossible: bool,
}

impl Parts {
    /// Splits a condition, for a list with that threshold.
    pub(super) fn of(condition: Condition, threshold: Option<Threshold>) -> Self {
        let mut parts = Self::default();
        let mut left = vec![condition];
        while let Some(condition) = left.pop() {
            match condition {
                Condition::All(all) => left.extend(all.into_iter().rev()),
                Condition::Not(condition) => parts.take_negated(*condition, &mut left),
                Condition::Any(mut any) if any.len() == 1 => left.append(&mut any),
                Condition::Any(any) => parts.take_any(any),
                Condition::Tag(wanted) => parts.take_tag(wanted, threshold),
                Condition::Registered(window) => parts.window = parts.window.and(window),
                Condition::Taken(window) => parts.taken = parts.taken.and(window),
                other => parts.rest.push(other),
            }
        }
        if let Some(threshold) = threshold {
            parts.rest = with_threshold(parts.rest, threshold);
        }
        parts
    }

    fn take_negated(&mut self, condition: Condition, left: &mut Vec<Condition>) {
        match condition {
            Condition::Not(condition) => left.push(*condition),
            Condition::Any(any) => {
                let each = any.into_iter().rev();
                left.extend(each.map(|condition| Condition::Not(Box::new(condition))));
            }
            Condition::Tag(TagCondition {
                label,
                confidence: None,
            }) => self.none_of.push(label),
            other => self.rest.push(Condition::Not(Box::new(other))),
        }
    }

    fn take_any(&mut self, any: Vec<Condition>) {
        self.is_impossible |= any.is_empty();
        match plain_labels(&any) {
            Some(labels) if self.any_of.is_empty() => self.any_of = labels,
            _ => self.rest.push(Condition::Any(any)),
        }
    }

    fn take_tag(&mut self, wanted: TagCondition, threshold: Option<Threshold>) {
        // The label's index finds the images; the comparison is evaluated for each.
        if wanted.implies(threshold) {
            self.all_of.push(wanted.label.clone());
        }
        if wanted.confidence.is_some() {
            self.rest.push(Condition::Tag(wanted));
        }
    }
}

/// The labels, if the conditions are nothing but tags without comparisons.
fn plain_labels(conditions: &[Condition]) -> Option<Vec<Label>> {
    let label = |condition: &Condition| match condition {
        Condition::Tag(TagCondition {
            label,
            confidence: None,
        }) => Some(label.clone()),
        _ => None,
    };
    conditions.iter().map(label).collect()
}
