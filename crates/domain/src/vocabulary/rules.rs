//! What the vocabulary makes of tags.

use std::collections::{BTreeSet, HashMap};

use super::Vocabulary;
use crate::{Confidence, Label, MAX_SHOWN, Tag, Tags, Threshold};

impl Vocabulary {
    /// What is given of a provider's answer, in this order: aliases become their tags, with the highest confidence;
    /// tags that are blocked, below their threshold, or without an entry in a closed vocabulary drop; parents are added
    /// with the highest confidence beneath them; blocked parents drop; so does all below `lowest`.
    ///
    /// Parents are added as long as there are no more than [`MAX_SHOWN`] tags.
    pub fn given(&self, answer: &Tags, lowest: Threshold) -> Tags {
        self.given_beside(&BTreeSet::new(), answer, lowest)
    }

    /// The same for an image on which some tags are rejected: these bring no parents.
    pub fn given_beside(
        &self,
        rejected: &BTreeSet<Label>,
        answer: &Tags,
        lowest: Threshold,
    ) -> Tags {
        if self.says_nothing() {
            return answer.at_least(lowest);
        }
        let folded = self.folded(answer);
        let admitted = folded.iter().filter(|tag| self.admits(tag));
        let admitted: Tags = admitted.cloned().collect();
        self.with_parents(&admitted, rejected).at_least(lowest)
    }

    /// What stays of a provider's tags whose whole answer is not known: aliases, parents and blocks count, thresholds
    /// and closedness do not.
    pub fn kept_beside(&self, rejected: &BTreeSet<Label>, tags: &Tags) -> Tags {
        if self.is_empty() {
            return tags.clone();
        }
        let folded = self.folded(tags);
        let admitted = folded.iter().filter(|tag| !self.is_blocked(&tag.label));
        let admitted: Tags = admitted.cloned().collect();
        self.with_parents(&admitted, rejected)
    }

    /// The ancestors of some tags, each with the highest confidence beneath it, without those that are blocked or that
    /// a closed vocabulary does not have. One of the tags is among them if others raise its confidence.
    pub fn parents(&self, tags: &Tags) -> Vec<Tag> {
        if self.is_empty() {
            return Vec::new();
        }
        let own: HashMap<&Label, Confidence> = tags
            .iter()
            .map(|tag| (&tag.label, tag.confidence))
            .collect();
        let mut found: HashMap<Label, Confidence> = HashMap::new();
        let room = MAX_SHOWN.saturating_sub(tags.len());
        let mut added = 0;
        // By falling confidence, so that the first to come to an ancestor is the highest beneath it.
        for tag in tags {
            let mut above = self.parents_of(&tag.label);
            while let Some(parent) = above.pop() {
                if found.contains_key(&parent) {
                    continue;
                }
                let is_own = own.contains_key(&parent);
                if !is_own && added == room {
                    continue;
                }
                added += usize::from(!is_own);
                above.extend(self.parents_of(&parent));
                found.insert(parent, tag.confidence);
            }
        }
        let is_raised = |(label, confidence): &(Label, Confidence)| {
            own.get(label).is_none_or(|own| own < confidence)
        };
        let found = found.into_iter().filter(is_raised);
        let found = found.filter(|(label, _)| {
            own.contains_key(label) || !self.is_blocked(label) && !self.is_unknown(label)
        });
        found
            .map(|(label, confidence)| Tag { label, confidence })
            .collect()
    }

    /// Whether it changes no answer.
    pub fn says_nothing(&self) -> bool {
        self.is_empty() && !self.is_closed
    }

    fn with_parents(&self, tags: &Tags, rejected: &BTreeSet<Label>) -> Tags {
        let others = tags.iter().filter(|tag| !rejected.contains(&tag.label));
        let parents = self.parents(&others.cloned().collect());
        tags.iter().cloned().chain(parents).collect()
    }

    /// The tags with aliases replaced.
    fn folded(&self, tags: &Tags) -> Tags {
        let fold = |tag: &Tag| Tag {
            label: self.tag_of(&tag.label),
            confidence: tag.confidence,
        };
        tags.iter().map(fold).collect()
    }

    fn admits(&self, tag: &Tag) -> bool {
        let Some(entry) = self.entry(&tag.label) else {
            return !self.is_closed;
        };
        let is_enough = |threshold: Threshold| threshold.admits(tag.confidence);
        !entry.is_blocked && entry.threshold.is_none_or(is_enough)
    }

    fn is_blocked(&self, label: &Label) -> bool {
        self.entry(label).is_some_and(|entry| entry.is_blocked)
    }

    fn is_unknown(&self, label: &Label) -> bool {
        self.is_closed && self.entry(label).is_none()
    }

    /// The tags right above a tag.
    pub fn parents_of(&self, label: &Label) -> Vec<Label> {
        let parents = self.entry(label).map(|entry| &entry.parents);
        let parents = parents.into_iter().flatten();
        parents.map(|parent| self.tag_of(parent)).collect()
    }
}
