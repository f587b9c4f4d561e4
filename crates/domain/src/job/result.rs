//! What a job changed, and what it could not change.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use crate::{Confidence, ImageId, Label, Tags};

/// The most labels of a result.
pub const MAX_TALLIES: usize = 1000;

/// The most errors of a result.
pub const MAX_ITEM_ERRORS: usize = 100;

/// What a job changed, and what it could not change.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobResult {
    /// The labels that changed most, at most [`MAX_TALLIES`].
    pub tags: Vec<TagTally>,
    /// How many further labels changed.
    pub more: u64,
    /// The first errors, at most [`MAX_ITEM_ERRORS`].
    pub errors: Vec<ItemError>,
}

/// How one label changed in the images of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct TagTally {
    /// The label.
    pub label: Label,
    /// How many images show it that did not before.
    pub gained: u64,
    /// How many images do not show it any more.
    pub lost: u64,
    /// How many images show it with another confidence.
    pub moved: u64,
    /// By how much these confidences changed, added up: more is positive.
    pub sum_of_moves: f64,
}

impl TagTally {
    /// By how much confidences changed in the mean; 0 if none did.
    pub fn mean_move(&self) -> f64 {
        if self.moved == 0 {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let moved = self.moved as f64;
        self.sum_of_moves / moved
    }

    /// How many images changed in this label.
    pub fn changes(&self) -> u64 {
        self.gained + self.lost + self.moved
    }

    fn none(label: Label) -> Self {
        Self {
            label,
            gained: 0,
            lost: 0,
            moved: 0,
            sum_of_moves: 0.0,
        }
    }
}

/// An image that a job could not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemError {
    /// The image.
    pub image: ImageId,
    /// What went wrong, for programs: the code of a problem.
    pub code: String,
    /// What went wrong, in words.
    pub detail: String,
}

impl ItemError {
    /// The longest detail, in bytes.
    pub const LONGEST: usize = 500;

    /// An error; a long detail is cut.
    pub fn new(image: ImageId, code: &str, detail: &str) -> Self {
        Self {
            image,
            code: code.to_owned(),
            detail: crate::image_info::cut(detail, Self::LONGEST).to_owned(),
        }
    }
}

/// Counts how labels change in several images.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tallies(BTreeMap<Label, TagTally>);

impl Tallies {
    /// Counts an image that showed some tags before and shows others after.
    pub fn count(&mut self, before: &Tags, after: &Tags) {
        let mut lost: HashMap<&Label, Confidence> = before
            .iter()
            .map(|tag| (&tag.label, tag.confidence))
            .collect();
        for tag in after {
            match lost.remove(&tag.label) {
                None => self.of(&tag.label).gained += 1,
                Some(earlier) if earlier == tag.confidence => {}
                Some(earlier) => {
                    let tally = self.of(&tag.label);
                    tally.moved += 1;
                    tally.sum_of_moves += tag.confidence.get() - earlier.get();
                }
            }
        }
        for label in lost.into_keys() {
            self.of(label).lost += 1;
        }
    }

    /// Adds another count.
    pub fn add(&mut self, other: &TagTally) {
        let tally = self.of(&other.label);
        tally.gained += other.gained;
        tally.lost += other.lost;
        tally.moved += other.moved;
        tally.sum_of_moves += other.sum_of_moves;
    }

    /// The counts, by label.
    pub fn iter(&self) -> impl Iterator<Item = &TagTally> {
        self.0.values()
    }

    /// The labels that changed most, ties by label; and how many others there are.
    pub fn most_changed(&self) -> (Vec<TagTally>, u64) {
        let mut tallies: Vec<TagTally> = self.0.values().cloned().collect();
        tallies.sort_by_key(|tally| Reverse(tally.changes()));
        let more = tallies.len().saturating_sub(MAX_TALLIES);
        tallies.truncate(MAX_TALLIES);
        (tallies, more as u64)
    }

    fn of(&mut self, label: &Label) -> &mut TagTally {
        self.0
            .entry(label.clone())
            .or_insert_with(|| TagTally::none(label.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tag;

    fn tags(pairs: &[(&str, f64)]) -> Tags {
        let tag = |(name, confidence): &(&str, f64)| Tag {
            label: Label::parse(name).unwrap(),
            confidence: Confidence::new(*confidence).unwrap(),
        };
        pairs.iter().map(tag).collect()
    }

    #[test]
    fn labels_are_gained_lost_and_moved() {
        let mut tallies = Tallies::default();
        let before = tags(&[("kept", 90.0), ("lost", 80.0), ("moved", 70.0)]);
        let after = tags(&[("kept", 90.0), ("gained", 60.0), ("moved", 74.0)]);
        tallies.count(&before, &after);
        tallies.count(&after, &before);
        tallies.count(&tags(&[("moved", 70.0)]), &tags(&[("moved", 80.0)]));
        let counted: Vec<_> = tallies
            .iter()
            .map(|tally| {
                let name = tally.label.as_str();
                (name, tally.gained, tally.lost, tally.moved)
            })
            .collect();
        let expected = [("gained", 1, 1, 0), ("lost", 1, 1, 0), ("moved", 0, 0, 3)];
        assert_eq!(counted, expected);
        let (most, more) = tallies.most_changed();
        assert_eq!((most[0].label.as_str(), more), ("moved", 0));
        assert!((most[0].mean_move() - 10.0 / 3.0).abs() < 1e-9);
        assert!(most[1].mean_move().abs() < 1e-9);
    }

    #[test]
    fn a_result_has_a_bound_of_labels() {
        let mut tallies = Tallies::default();
        let names: Vec<String> = (0..1002).map(|number| format!("l{number:04}")).collect();
        let pairs: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 1.0)).collect();
        tallies.count(&Tags::default(), &tags(&pairs));
        tallies.count(&Tags::default(), &tags(&pairs[1001..]));
        let (most, more) = tallies.most_changed();
        assert_eq!((most.len(), more), (MAX_TALLIES, 2));
        assert_eq!(most[0].label.as_str(), "l1001");
        assert_eq!(most[1].label.as_str(), "l0000");
    }

    #[test]
    fn a_long_detail_is_cut() {
        let error = ItemError::new(ImageId::from_bytes([0; 16]), "internal", &"ñ".repeat(300));
        assert_eq!(error.detail, "ñ".repeat(250));
    }
}
