//! What the files of an image say of it.

use std::collections::BTreeSet;

use super::{ImageTags, SourceKind, TagSource, TooManyTags};
use crate::{Label, Tag, Tags, Vocabulary};

/// The keywords of an image's files: of the picture, and of a sidecar beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileTags {
    /// What the files say.
    pub tags: Tags,
    /// Labels that stay if the files said them before, and are not given otherwise.
    pub kept: BTreeSet<Label>,
}

impl ImageTags {
    /// What it becomes by what its files say now, which takes the place of what they said before. Rejections count.
    ///
    /// Under a vocabulary aliases are replaced by their tags, and the tags bring their parents.
    pub fn filed(&self, file: &FileTags, vocabulary: &Vocabulary) -> Result<Self, TooManyTags> {
        let is_filed = |kind: SourceKind| kind == SourceKind::File;
        let mut said = self.said();
        if file.tags.is_empty() && !said.any(|said| is_filed(said.source.kind())) {
            return Ok(self.clone());
        }
        let kept = file.kept.iter().map(|label| vocabulary.tag_of(label));
        let kept: BTreeSet<Label> = kept.collect();
        let said = self.said().filter(|said| {
            !is_filed(said.source.kind()) || kept.contains(&vocabulary.tag_of(&said.tag.label))
        });
        let mut filed = Self::new(said, self.rejected.iter().cloned()).folded(vocabulary);
        for tag in &file.tags {
            let label = vocabulary.tag_of(&tag.label);
            let confidence = tag.confidence;
            filed.say(Tag { label, confidence }, TagSource::File);
        }
        filed.imply_all(vocabulary);
        self.bounded(filed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Confidence, SourcedTag, TagEdit, TaggerVersion, VocabularyEntry};

    fn label(name: &str) -> Label {
        Label::parse(name).unwrap()
    }

    fn tag(name: &str, confidence: f64) -> Tag {
        Tag {
            label: label(name),
            confidence: Confidence::new(confidence).unwrap(),
        }
    }

    fn file(names: &[&str], kept: &[&str]) -> FileTags {
        FileTags {
            tags: names.iter().map(|name| tag(name, 100.0)).collect(),
            kept: kept.iter().map(|name| label(name)).collect(),
        }
    }

    fn given(names: &[&str]) -> ImageTags {
        let tags = names.iter().map(|name| tag(name, 80.0)).collect();
        ImageTags::of_provider(&TaggerVersion::default(), &tags)
    }

    fn shown(tags: &ImageTags) -> Vec<(String, SourceKind)> {
        let shown = tags.shown().into_iter();
        let parts = shown.map(|shown| (shown.tag.label.as_str().to_owned(), shown.source.kind()));
        parts.collect()
    }

    fn of(pairs: &[(&str, SourceKind)]) -> Vec<(String, SourceKind)> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, kind)| ((*name).to_owned(), *kind))
            .collect()
    }

    #[test]
    fn files_say_what_they_say_now() {
        let none = Vocabulary::default();
        let tags = given(&["cat"])
            .filed(&file(&["sea", "boat"], &[]), &none)
            .unwrap();
        let expected = [
            ("boat", SourceKind::File),
            ("sea", SourceKind::File),
            ("cat", SourceKind::Provider),
        ];
        assert_eq!(shown(&tags), of(&expected));
        let tags = tags
            .filed(&file(&["mia"], &["boat", "house"]), &none)
            .unwrap();
        let expected = [
            ("boat", SourceKind::File),
            ("mia", SourceKind::File),
            ("cat", SourceKind::Provider),
        ];
        assert_eq!(shown(&tags), of(&expected));
        let tags = tags.filed(&file(&[], &[]), &none).unwrap();
        assert_eq!(tags, given(&["cat"]));
    }

    #[test]
    fn a_rejected_tag_does_not_come_back_by_a_file() {
        let none = Vocabulary::default();
        let tags = given(&["cat"]).filed(&file(&["sea"], &[]), &none).unwrap();
        let edit = TagEdit::new(&[], &[label("sea"), label("cat")]).unwrap();
        let tags = tags.edited(&edit).unwrap();
        let again = tags.filed(&file(&["sea", "cat"], &[]), &none).unwrap();
        assert_eq!(again.shown(), []);
        let gone = again.filed(&file(&[], &[]), &none).unwrap();
        assert!(gone.is_rejected(&label("sea")));
    }

    #[test]
    fn keywords_are_folded_and_bring_parents_and_no_more_than_a_bound() {
        let entry = VocabularyEntry {
            aliases: [label("moggy")].into(),
            parents: [label("animal")].into(),
            ..VocabularyEntry::new(label("cat"))
        };
        let vocabulary = Vocabulary::new([entry]).unwrap();
        let tags = given(&[])
            .filed(&file(&["Moggy"], &[]), &vocabulary)
            .unwrap();
        let expected = [("animal", SourceKind::File), ("cat", SourceKind::File)];
        assert_eq!(shown(&tags), of(&expected));
        let kept = tags
            .filed(&file(&["sea"], &["moggy"]), &vocabulary)
            .unwrap();
        assert!(kept.shown_of(&label("cat")).is_some());
        let many: Vec<String> = (0..=1000).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let refused = given(&[]).filed(&file(&many, &[]), &vocabulary);
        assert_eq!(refused, Err(TooManyTags));
    }

    proptest! {
        /// What the same files say again changes nothing, and nobody else is contradicted.
        #[test]
        fn the_same_files_say_the_same(
            names in prop::collection::vec("[a-f]", 0..6),
            kept in prop::collection::vec("[a-f]", 0..3),
            removed in prop::collection::vec("[a-f]", 0..3),
            added in prop::collection::vec("[g-i]", 0..3),
        ) {
            let parent = |child: &str, parent: &str| VocabularyEntry {
                parents: [label(parent)].into(),
                ..VocabularyEntry::new(label(child))
            };
            let vocabulary = Vocabulary::new([parent("a", "b"), parent("b", "z")]).unwrap();
            let labels = |names: &[String]| names.iter().map(|it| label(it)).collect::<Vec<_>>();
            let strings = |names: &'_ [String]| names.iter().map(|it| tag(it, 100.0)).collect::<Vec<_>>();
            let edit = TagEdit::new(&strings(&added), &labels(&removed)).unwrap();
            let before = given(&["a", "c", "x"]).edited(&edit).unwrap();
            let file = FileTags {
                tags: strings(&names).into_iter().collect(),
                kept: labels(&kept).into_iter().collect(),
            };
            let once = before.filed(&file, &vocabulary).unwrap();
            prop_assert_eq!(&once.filed(&file, &vocabulary).unwrap(), &once);
            for name in &names {
                let label = label(name);
                prop_assert!(once.is_rejected(&label) || once.shown_of(&label).is_some());
            }
            let others = |tags: &ImageTags| -> Vec<SourcedTag> {
                tags.said().filter(|it| it.source.kind() == SourceKind::Provider).collect()
            };
            prop_assert_eq!(others(&once), others(&before));
        }
    }
}
