//! Questions that the catalog answers.

use chrono::{DateTime, Utc};

use crate::{Confidence, ImageId, Label};

/// A half-open interval of registration times: `from` is inside, `until` is the first one outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeWindow {
    /// The earliest time inside; none leaves the window open.
    pub from: Option<DateTime<Utc>>,
    /// The earliest time after the window; none leaves it open.
    pub until: Option<DateTime<Utc>>,
}

impl TimeWindow {
    /// Whether a time is inside.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    /// Whether no time can be inside.
    pub fn is_empty(&self) -> bool {
        matches!((self.from, self.until), (Some(from), Some(until)) if from >= until)
    }
}

/// Which labels an image must carry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LabelFilter {
    /// Any image will do.
    #[default]
    Any,
    /// It must carry all of these; sorted, each once, at least one.
    AllOf(Vec<Label>),
    /// No image will do: a label was asked for that cannot exist.
    Nothing,
}

impl LabelFilter {
    /// The filter for images that carry every one of these names.
    ///
    /// A name that cannot be a label (an empty one, say) is one that no image carries.
    pub fn all_of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let Ok(mut labels) = names
            .into_iter()
            .map(Label::parse)
            .collect::<Result<Vec<Label>, _>>()
        else {
            return Self::Nothing;
        };
        if labels.is_empty() {
            return Self::Nothing;
        }
        labels.sort_unstable();
        labels.dedup();
        Self::AllOf(labels)
    }
}

/// Which images a store shall list. Never one that is known to be empty: the catalog answers that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageQuery {
    /// When they were registered.
    pub window: TimeWindow,
    /// The labels they carry, all of them; sorted, each once.
    pub labels: Vec<Label>,
}

/// A place in a list that is sorted newest first: after this image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageKey {
    /// When the last image before this place was registered.
    pub registered_at: DateTime<Utc>,
    /// The id of that image.
    pub id: ImageId,
}

/// How one label is used by the images of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct TagSummary {
    /// The label.
    pub label: Label,
    /// How many images carry it; at least 1.
    pub images: u64,
    /// The lowest confidence among them.
    pub min_confidence: Confidence,
    /// The highest confidence among them.
    pub max_confidence: Confidence,
    /// The arithmetic mean of the confidences.
    pub mean_confidence: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn a_window_includes_its_start_and_not_its_end() {
        let window = TimeWindow {
            from: Some(at(10)),
            until: Some(at(20)),
        };
        assert!(!window.contains(at(9)));
        assert!(window.contains(at(10)));
        assert!(window.contains(at(19)));
        assert!(!window.contains(at(20)));
    }

    #[test]
    fn a_window_that_ends_before_it_starts_is_empty() {
        assert!(
            TimeWindow {
                from: Some(at(20)),
                until: Some(at(20))
            }
            .is_empty()
        );
        assert!(
            !TimeWindow {
                from: Some(at(20)),
                until: None
            }
            .is_empty()
        );
    }

    #[test]
    fn a_filter_is_sorted_and_folded() {
        let LabelFilter::AllOf(labels) = LabelFilter::all_of([" Cab", "car", "CAR"]) else {
            panic!("two labels expected");
        };
        let names: Vec<_> = labels.iter().map(Label::as_str).collect();
        assert_eq!(names, ["cab", "car"]);
    }

    #[rstest::rstest]
    #[case(&[""])]
    #[case(&["car", " ", "cab"])]
    #[case(&[])]
    fn an_empty_name_matches_nothing(#[case] names: &[&str]) {
        assert_eq!(
            LabelFilter::all_of(names.iter().copied()),
            LabelFilter::Nothing
        );
    }
}
