//! Who said what of an image, and what is shown of it.

mod filed;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use thiserror::Error;

pub use self::filed::FileTags;
use crate::{
    Confidence, Label, ProviderAnswers, ProviderIdentity, Tag, Tags, Threshold, Vocabulary,
};

/// The most labels that an edit may add, and the most that it may remove.
pub const MAX_EDITED: usize = 1000;

/// The most tags that an image may show after a change that gives it more.
pub const MAX_SHOWN: usize = 1000;

/// A kind of [`TagSource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// A tag provider.
    Provider,
    /// A person, by an edit.
    Person,
    /// The file of the image.
    File,
}

impl SourceKind {
    /// Its stable name in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Person => "person",
            Self::File => "file",
        }
    }

    /// The kind with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Provider, Self::Person, Self::File]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// Who gave a tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TagSource {
    /// A tag provider.
    Provider(TaggerVersion),
    /// A person, by an edit.
    Person,
    /// The file of the image.
    File,
}

/// A tag provider, as far as it is known: earlier versions did not keep it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TaggerVersion {
    /// Its name.
    pub name: Option<String>,
    /// The version of its model or interface.
    pub version: Option<String>,
}

impl TaggerVersion {
    /// A provider of which both is known.
    pub fn known(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            version: Some(version.into()),
        }
    }
}

impl From<&ProviderIdentity> for TaggerVersion {
    fn from(provider: &ProviderIdentity) -> Self {
        Self::known(provider.name(), provider.version())
    }
}

/// The tag providers that tagged an image last, each once. The first is the image's own: what it alone said needs no
/// note of who said it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taggers {
    own: TaggerVersion,
    further: Vec<TaggerVersion>,
}

impl Taggers {
    /// The most providers of one image.
    pub const MOST: usize = 8;

    /// Puts providers together. One that is there already is left out, and so are those beyond [`MOST`](Self::MOST).
    pub fn new(own: TaggerVersion, further: impl IntoIterator<Item = TaggerVersion>) -> Self {
        let mut taggers = Self {
            own,
            further: Vec::new(),
        };
        for tagger in further {
            if taggers.further.len() + 1 < Self::MOST && !taggers.contains(&tagger) {
                taggers.further.push(tagger);
            }
        }
        taggers
    }

    /// The image's own provider.
    pub fn own(&self) -> &TaggerVersion {
        &self.own
    }

    /// The others.
    pub fn further(&self) -> &[TaggerVersion] {
        &self.further
    }

    /// All of them, the image's own first.
    pub fn iter(&self) -> impl Iterator<Item = &TaggerVersion> {
        std::iter::once(&self.own).chain(&self.further)
    }

    /// Whether that provider is one of them.
    pub fn contains(&self, tagger: &TaggerVersion) -> bool {
        self.iter().any(|other| other == tagger)
    }

    /// Their names, as `local, openai`. `None` if none is known.
    pub fn names(&self) -> Option<String> {
        let names = self.iter().filter_map(|tagger| tagger.name.as_deref());
        let names: Vec<&str> = names.collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

impl From<TaggerVersion> for Taggers {
    fn from(own: TaggerVersion) -> Self {
        Self::new(own, [])
    }
}

impl TagSource {
    /// The kind of the source.
    pub fn kind(&self) -> SourceKind {
        match self {
            Self::Provider(_) => SourceKind::Provider,
            Self::Person => SourceKind::Person,
            Self::File => SourceKind::File,
        }
    }
}

/// A tag with who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcedTag {
    /// The tag.
    pub tag: Tag,
    /// Who gave it.
    pub source: TagSource,
}

/// All that was said of an image: for each label, by whom and with which confidence, and the labels that were
/// rejected.
///
/// One tag is shown for each label: a person's, else the one with the highest confidence, else none. What
/// providers and files say of a rejected label is kept, and not shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageTags {
    said: BTreeMap<Label, BTreeMap<TagSource, Confidence>>,
    rejected: BTreeSet<Label>,
}

/// The image would show more than [`MAX_SHOWN`] tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an image has at most {MAX_SHOWN} tags")]
pub struct TooManyTags;

impl ImageTags {
    /// Puts together what was said. Of two tags with one label and source, the higher confidence counts.
    pub fn new(
        said: impl IntoIterator<Item = SourcedTag>,
        rejected: impl IntoIterator<Item = Label>,
    ) -> Self {
        let mut tags = Self {
            said: BTreeMap::new(),
            rejected: rejected.into_iter().collect(),
        };
        for SourcedTag { tag, source } in said {
            tags.say(tag, source);
        }
        tags
    }

    /// The tags of one provider and nothing else, as when an image is registered.
    pub fn of_provider(provider: &TaggerVersion, tags: &Tags) -> Self {
        let said = tags.iter().map(|tag| SourcedTag {
            tag: tag.clone(),
            source: TagSource::Provider(provider.clone()),
        });
        Self::new(said, [])
    }

    fn say(&mut self, tag: Tag, source: TagSource) {
        let of_label = self.said.entry(tag.label).or_default();
        let confidence = of_label.entry(source).or_insert(tag.confidence);
        *confidence = (*confidence).max(tag.confidence);
    }

    /// Everything that was said, shown or not, by label.
    pub fn said(&self) -> impl Iterator<Item = SourcedTag> {
        self.said.iter().flat_map(|(label, of_label)| {
            of_label.iter().map(|(source, confidence)| SourcedTag {
                tag: Tag {
                    label: label.clone(),
                    confidence: *confidence,
                },
                source: source.clone(),
            })
        })
    }

    /// The labels that no provider and no file can give back.
    pub fn rejected(&self) -> impl Iterator<Item = &Label> {
        self.rejected.iter()
    }

    /// Whether no provider and no file can give that label back.
    pub fn is_rejected(&self, label: &Label) -> bool {
        self.rejected.contains(label)
    }

    /// The shown tags: highest confidence first, ties by label.
    pub fn shown(&self) -> Vec<SourcedTag> {
        let labels = self.said.keys();
        let mut shown: Vec<SourcedTag> = labels.filter_map(|label| self.shown_of(label)).collect();
        shown.sort_by(|a, b| {
            let by_confidence = b.tag.confidence.cmp(&a.tag.confidence);
            by_confidence.then_with(|| a.tag.label.cmp(&b.tag.label))
        });
        shown
    }

    /// The shown tags, without who gave them.
    pub fn tags(&self) -> Tags {
        self.shown().into_iter().map(|shown| shown.tag).collect()
    }

    /// The shown tag of a label.
    pub fn shown_of(&self, label: &Label) -> Option<SourcedTag> {
        let of_label = self.said.get(label)?;
        let (source, confidence) = match of_label.get_key_value(&TagSource::Person) {
            Some(person) => person,
            None if self.rejected.contains(label) => return None,
            // Of equals the first one.
            None => of_label
                .iter()
                .rev()
                .max_by_key(|(_, confidence)| **confidence)?,
        };
        let confidence = *confidence;
        Some(SourcedTag {
            tag: Tag {
                label: label.clone(),
                confidence,
            },
            source: source.clone(),
        })
    }

    /// What it becomes by an edit: added tags are a person's. A removed tag is a person's no longer, and
    /// rejected if a provider, a file or the vocabulary gives it; a label that is not shown cannot be removed. Adding it
    /// again ends the rejection.
    ///
    /// Under a vocabulary aliases are replaced by their tags, and added tags bring their parents.
    pub fn edited(&self, edit: &TagEdit) -> Result<Self, TooManyTags> {
        let mut edited = self.folded(&edit.vocabulary);
        let shown = edit.remove.iter();
        let shown: Vec<&Label> = shown
            .filter(|label| edited.shown_of(label).is_some())
            .collect();
        for label in &shown {
            let Some(of_label) = edited.said.get_mut(*label) else {
                continue;
            };
            of_label.remove(&TagSource::Person);
            if of_label.is_empty() {
                edited.said.remove(*label);
            } else {
                edited.rejected.insert(Label::clone(label));
            }
        }
        for (label, confidence) in &edit.add {
            let of_label = edited.said.entry(label.clone()).or_default();
            of_label.insert(TagSource::Person, *confidence);
            edited.rejected.remove(label);
        }
        let implied = edit.vocabulary.parents(&edited.tags());
        let implied = implied.into_iter().map(|tag| tag.label);
        let removed = implied.filter(|label| shown.contains(&label));
        edited.rejected.extend(removed);
        edited.imply(
            &edit.added().collect(),
            &TagSource::Person,
            &edit.vocabulary,
        );
        self.bounded(edited)
    }

    /// What is said of a new image by what is given of providers' answers.
    pub fn of_answers(
        answers: &ProviderAnswers,
        lowest: Threshold,
        vocabulary: &Vocabulary,
    ) -> Self {
        let mut tags = Self::default();
        tags.say_answers(answers, lowest, vocabulary);
        tags
    }

    /// What it becomes when providers tag the image again, by what is given of their answers: what providers said before
    /// is dropped.
    ///
    /// Under a vocabulary aliases are replaced by their tags, and parents are added to the tags of persons and files.
    pub fn retagged(
        &self,
        answers: &ProviderAnswers,
        lowest: Threshold,
        vocabulary: &Vocabulary,
    ) -> Result<Self, TooManyTags> {
        let kept = self
            .said()
            .filter(|said| said.source.kind() != SourceKind::Provider);
        let mut retagged = Self::new(kept, self.rejected.iter().cloned()).folded(vocabulary);
        retagged.say_answers(answers, lowest, vocabulary);
        retagged.imply_all(vocabulary);
        self.bounded(retagged)
    }

    /// What it becomes under another vocabulary, by the whole answers of providers, as far as they are known. Of the tags
    /// of other providers stays what the vocabulary [keeps](Vocabulary::kept_beside).
    pub fn revised(
        &self,
        answers: &[(TaggerVersion, Tags)],
        lowest: Threshold,
        vocabulary: &Vocabulary,
    ) -> Result<Self, TooManyTags> {
        let mut providers: BTreeMap<TaggerVersion, Vec<Tag>> = BTreeMap::new();
        let mut others = Vec::new();
        for said in self.said() {
            match said.source {
                TagSource::Provider(tagger) => {
                    providers.entry(tagger).or_default().push(said.tag);
                }
                TagSource::Person | TagSource::File => others.push(said),
            }
        }
        let mut revised = Self::new(others, self.rejected.iter().cloned()).folded(vocabulary);
        for (tagger, answer) in answers {
            providers.remove(tagger);
            let given = vocabulary.given_beside(&revised.rejected, answer, lowest);
            revised.say_all(&given, tagger);
        }
        for (tagger, tags) in providers {
            let tags: Tags = tags.into_iter().collect();
            let kept = vocabulary.kept_beside(&revised.rejected, &tags);
            revised.say_all(&kept, &tagger);
        }
        revised.imply_all(vocabulary);
        self.bounded(revised)
    }

    fn say_answers(
        &mut self,
        answers: &ProviderAnswers,
        lowest: Threshold,
        vocabulary: &Vocabulary,
    ) {
        for (provider, answer) in answers.iter() {
            let given = vocabulary.given_beside(&self.rejected, answer, lowest);
            self.say_all(&given, &provider.into());
        }
    }

    fn say_all(&mut self, tags: &Tags, tagger: &TaggerVersion) {
        for tag in tags {
            self.say(tag.clone(), TagSource::Provider(tagger.clone()));
        }
    }

    /// The same with aliases replaced by their tags.
    fn folded(&self, vocabulary: &Vocabulary) -> Self {
        if vocabulary.is_empty() {
            return self.clone();
        }
        let said = self.said().map(|SourcedTag { tag, source }| SourcedTag {
            tag: Tag {
                label: vocabulary.tag_of(&tag.label),
                confidence: tag.confidence,
            },
            source,
        });
        let rejected = self.rejected.iter().map(|label| vocabulary.tag_of(label));
        Self::new(said, rejected)
    }

    /// Adds the parents of what persons and files said.
    fn imply_all(&mut self, vocabulary: &Vocabulary) {
        if vocabulary.is_empty() {
            return;
        }
        for source in [TagSource::Person, TagSource::File] {
            let said = self.said().filter(|said| said.source == source);
            let tags: Tags = said.map(|said| said.tag).collect();
            self.imply(&tags, &source, vocabulary);
        }
    }

    /// Adds the parents of some tags, except where they are rejected, a person said otherwise, or as much is shown.
    fn imply(&mut self, tags: &Tags, source: &TagSource, vocabulary: &Vocabulary) {
        for parent in vocabulary.parents(tags) {
            let is_enough = self.shown_of(&parent.label).is_some_and(|shown| {
                shown.source == TagSource::Person || shown.tag.confidence >= parent.confidence
            });
            if !is_enough && !self.rejected.contains(&parent.label) {
                self.say(parent, source.clone());
            }
        }
    }

    fn bounded(&self, changed: Self) -> Result<Self, TooManyTags> {
        let count = changed.shown().len();
        if count > MAX_SHOWN && count > self.shown().len() {
            return Err(TooManyTags);
        }
        Ok(changed)
    }
}

/// Tags to add to an image and labels to remove from it, by a person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagEdit {
    add: BTreeMap<Label, Confidence>,
    remove: BTreeSet<Label>,
    /// What it is made under.
    vocabulary: Arc<Vocabulary>,
}

/// Why an edit is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TagEditError {
    /// More than [`MAX_EDITED`] labels to add, or to remove.
    #[error("`{list}` has more than {MAX_EDITED} tags")]
    TooMany {
        /// `add` or `remove`.
        list: &'static str,
    },
    /// A label is to be both added and removed.
    #[error("{0:?} is both in `add` and in `remove`")]
    Both(String),
}

impl TagEdit {
    /// An edit. Of a label that is added twice, the higher confidence counts.
    pub fn new(add: &[Tag], remove: &[Label]) -> Result<Self, TagEditError> {
        for (list, length) in [("add", add.len()), ("remove", remove.len())] {
            if length > MAX_EDITED {
                return Err(TagEditError::TooMany { list });
            }
        }
        let mut edit = Self {
            add: BTreeMap::new(),
            remove: remove.iter().cloned().collect(),
            vocabulary: Arc::default(),
        };
        for tag in add {
            if edit.remove.contains(&tag.label) {
                return Err(TagEditError::Both(tag.label.as_str().to_owned()));
            }
            let confidence = edit.add.entry(tag.label.clone()).or_insert(tag.confidence);
            *confidence = (*confidence).max(tag.confidence);
        }
        Ok(edit)
    }

    /// The tags to add, by label.
    pub fn added(&self) -> impl Iterator<Item = Tag> {
        self.add.iter().map(|(label, confidence)| Tag {
            label: label.clone(),
            confidence: *confidence,
        })
    }

    /// The labels to remove.
    pub fn removed(&self) -> impl Iterator<Item = &Label> {
        self.remove.iter()
    }

    /// Whether it does nothing.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }

    /// Replaces labels by those that they map to.
    pub fn with_labels(self, labels: &HashMap<Label, Label>) -> Result<Self, TagEditError> {
        let replaced = |label: Label| labels.get(&label).cloned().unwrap_or(label);
        let add = self.add.into_iter().map(|(label, confidence)| Tag {
            label: replaced(label),
            confidence,
        });
        let add: Vec<Tag> = add.collect();
        let remove: Vec<Label> = self.remove.into_iter().map(replaced).collect();
        Self::new(&add, &remove)
    }

    /// The edit under a vocabulary: aliases are replaced by their tags. What is then both added and removed is added.
    #[must_use]
    pub fn under(self, vocabulary: Arc<Vocabulary>) -> Self {
        if vocabulary.is_empty() {
            return Self { vocabulary, ..self };
        }
        let mut add: BTreeMap<Label, Confidence> = BTreeMap::new();
        for (label, confidence) in self.add {
            let highest = add.entry(vocabulary.tag_of(&label)).or_insert(confidence);
            *highest = (*highest).max(confidence);
        }
        let remove = self.remove.iter().map(|label| vocabulary.tag_of(label));
        let remove = remove.filter(|label| !add.contains_key(label)).collect();
        Self {
            add,
            remove,
            vocabulary,
        }
    }

    /// The labels that it may give an image that has only tags of the vocabulary.
    pub fn given(&self) -> BTreeSet<Label> {
        let parents = self.vocabulary.parents(&self.added().collect());
        let parents = parents.into_iter().map(|tag| tag.label);
        self.labels().cloned().chain(parents).collect()
    }

    /// The labels that it mentions.
    pub fn labels(&self) -> impl Iterator<Item = &Label> {
        self.add.keys().chain(&self.remove)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::VocabularyEntry;

    fn label(name: &str) -> Label {
        Label::parse(name).unwrap()
    }

    fn tag(name: &str, confidence: f64) -> Tag {
        Tag {
            label: label(name),
            confidence: Confidence::new(confidence).unwrap(),
        }
    }

    fn answer(provider: &str, tags: &Tags) -> ProviderAnswers {
        let provider = ProviderIdentity::parse(provider, "v1", "en").unwrap();
        ProviderAnswers::of(provider, tags.clone())
    }

    fn open() -> Vocabulary {
        Vocabulary::default()
    }

    fn tagger(name: &str) -> TaggerVersion {
        TaggerVersion {
            name: Some(name.to_owned()),
            version: Some("v1".to_owned()),
        }
    }

    fn given(tags: &[(&str, f64)]) -> ImageTags {
        let tags = tags.iter().map(|(name, value)| tag(name, *value)).collect();
        ImageTags::of_provider(&tagger("imagga"), &tags)
    }

    #[test]
    fn labels_of_an_edit_are_replaced() {
        let named = HashMap::from([
            (label("perro"), label("dog")),
            (label("gato"), label("cat")),
        ]);
        let asked = edit(&[("perro", 40.0), ("dog", 60.0), ("tree", 1.0)], &["gato"]);
        let expected = edit(&[("dog", 60.0), ("tree", 1.0)], &["cat"]);
        assert_eq!(asked.with_labels(&named), Ok(expected));
        let error = edit(&[("perro", 40.0)], &["dog"]).with_labels(&named);
        assert_eq!(error, Err(TagEditError::Both("dog".to_owned())));
    }

    fn edit(add: &[(&str, f64)], remove: &[&str]) -> TagEdit {
        let add: Vec<Tag> = add.iter().map(|(name, value)| tag(name, *value)).collect();
        let remove: Vec<Label> = remove.iter().map(|name| label(name)).collect();
        TagEdit::new(&add, &remove).unwrap()
    }

    fn shown(tags: &ImageTags) -> Vec<(String, f64, SourceKind)> {
        let shown = tags.shown().into_iter();
        let parts = shown.map(|SourcedTag { tag, source }| {
            (
                tag.label.as_str().to_owned(),
                tag.confidence.get(),
                source.kind(),
            )
        });
        parts.collect()
    }

    fn rejected(tags: &ImageTags) -> Vec<&str> {
        tags.rejected().map(Label::as_str).collect()
    }

    #[test]
    fn a_person_prevails_and_a_provider_is_kept_beside() {
        let tags = given(&[("cat", 85.0), ("dog", 90.0)]);
        let edited = tags.edited(&edit(&[("cat", 40.0)], &[])).unwrap();
        let expected = [
            ("dog".to_owned(), 90.0, SourceKind::Provider),
            ("cat".to_owned(), 40.0, SourceKind::Person),
        ];
        assert_eq!(shown(&edited), expected);
        assert_eq!(edited.said().count(), 3);
    }

    #[test]
    fn a_removed_tag_of_a_provider_is_rejected_until_it_is_added() {
        let tags = given(&[("cat", 85.0)]);
        let removed = tags.edited(&edit(&[], &["cat", "dog"])).unwrap();
        assert!(removed.shown().is_empty());
        assert_eq!(rejected(&removed), ["cat"]);
        let again: Tags = [tag("cat", 99.0), tag("dog", 80.0)].into_iter().collect();
        let retagged = removed
            .retagged(&answer("local", &again), Threshold::NONE, &open())
            .unwrap();
        let names: Vec<_> = shown(&retagged).into_iter().map(|shown| shown.0).collect();
        assert_eq!(names, ["dog"]);
        let added = retagged.edited(&edit(&[("cat", 100.0)], &[])).unwrap();
        assert!(rejected(&added).is_empty());
        assert_eq!(added.shown().len(), 2);
    }

    #[test]
    fn a_removed_tag_of_a_person_is_gone() {
        let tags = given(&[]).edited(&edit(&[("cat", 100.0)], &[])).unwrap();
        let removed = tags.edited(&edit(&[], &["cat"])).unwrap();
        assert_eq!(removed, ImageTags::default());
    }

    #[test]
    fn retagging_keeps_what_persons_and_files_said() {
        let file = SourcedTag {
            tag: tag("holiday", 100.0),
            source: TagSource::File,
        };
        let said = given(&[("cat", 85.0)])
            .said()
            .chain([file])
            .collect::<Vec<_>>();
        let tags = ImageTags::new(said, []);
        let tags = tags.edited(&edit(&[("mia", 100.0)], &[])).unwrap();
        let others: Tags = [tag("dog", 81.0)].into_iter().collect();
        let retagged = tags
            .retagged(&answer("local", &others), Threshold::NONE, &open())
            .unwrap();
        let expected = [
            ("holiday".to_owned(), 100.0, SourceKind::File),
            ("mia".to_owned(), 100.0, SourceKind::Person),
            ("dog".to_owned(), 81.0, SourceKind::Provider),
        ];
        assert_eq!(shown(&retagged), expected);
    }

    #[test]
    fn of_several_the_highest_is_shown() {
        let low = given(&[("cat", 60.0)]);
        let high: Tags = [tag("cat", 70.0)].into_iter().collect();
        let high = ImageTags::of_provider(&tagger("local"), &high);
        let both = ImageTags::new(low.said().chain(high.said()), []);
        let shown = both.shown();
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0].source, TagSource::Provider(tagger("local")));
    }

    #[test]
    fn edits_and_images_have_bounds() {
        let many: Vec<Tag> = (0..=MAX_EDITED).map(|n| tag(&n.to_string(), 1.0)).collect();
        let labels: Vec<Label> = many.iter().map(|tag| tag.label.clone()).collect();
        let refused = TagEdit::new(&many, &[]);
        assert_eq!(refused, Err(TagEditError::TooMany { list: "add" }));
        let refused = TagEdit::new(&[], &labels);
        assert_eq!(refused, Err(TagEditError::TooMany { list: "remove" }));
        let refused = TagEdit::new(&many[..1], &labels[..1]);
        assert_eq!(refused, Err(TagEditError::Both("0".to_owned())));

        let full = TagEdit::new(&many[..MAX_EDITED], &[]).unwrap();
        let full = ImageTags::default().edited(&full).unwrap();
        assert_eq!(full.edited(&edit(&[("x", 1.0)], &[])), Err(TooManyTags));
        assert!(full.edited(&edit(&[("x", 1.0)], &["0"])).is_ok());
        let beyond: Tags = many.iter().cloned().collect();
        let beyond = ImageTags::of_provider(&tagger("imagga"), &beyond);
        assert!(
            beyond.edited(&edit(&[], &["5"])).is_ok(),
            "it has fewer then"
        );
    }

    fn entry(name: &str, aliases: &[&str], parents: &[&str]) -> VocabularyEntry {
        VocabularyEntry {
            aliases: aliases.iter().map(|text| label(text)).collect(),
            parents: parents.iter().map(|text| label(text)).collect(),
            ..VocabularyEntry::new(label(name))
        }
    }

    proptest! {
        /// No alias is left, what is rejected is shown by nobody but a person, and a revision is made once.
        #[test]
        fn changes_under_a_vocabulary_follow_it(
            edits in prop::collection::vec((0..5_u8, 0..5_u8, 0..=100_u8), 0..30)
        ) {
            let blocked = VocabularyEntry { is_blocked: true, ..entry("l3", &[], &["l4"]) };
            let entries = [entry("l1", &["l0"], &["l2"]), entry("l2", &[], &["l3"]), blocked];
            let vocabulary = Arc::new(Vocabulary::new(entries).unwrap());
            let mut tags = given(&[("l0", 50.0), ("l3", 60.0)]);
            for (number, action, value) in edits {
                let (name, value) = (format!("l{number}"), f64::from(value));
                let answer: Tags = [tag(&name, value)].into_iter().collect();
                tags = match action {
                    0 | 1 => tags.edited(&edit(&[(&name, value)], &[]).under(vocabulary.clone())),
                    2 => tags.edited(&edit(&[], &[&name]).under(vocabulary.clone())),
                    3 => tags.retagged(&self::answer("local", &answer), Threshold::NONE, &vocabulary),
                    _ => tags.revised(&[(tagger("local"), answer)], Threshold::NONE, &vocabulary),
                }
                .unwrap();
                let shown = tags.shown();
                for SourcedTag { tag, source } in &shown {
                    prop_assert_eq!(&vocabulary.tag_of(&tag.label), &tag.label);
                    let is_of_person = *source == TagSource::Person;
                    prop_assert!(is_of_person || !tags.is_rejected(&tag.label));
                    let is_blocked = action > 2 && tag.label == label("l3");
                    prop_assert!(is_of_person || !is_blocked);
                }
                let meant = vocabulary.tag_of(&label(&name));
                let found = shown.iter().find(|shown| shown.tag.label == meant);
                if action < 2 {
                    let confidence = found.unwrap().tag.confidence.get();
                    prop_assert!((confidence - value).abs() < 1e-9);
                }
                if action == 2 {
                    prop_assert!(found.is_none(), "{name} is removed");
                }
                let revised = tags.revised(&[], Threshold::NONE, &vocabulary).unwrap();
                let again = revised.revised(&[], Threshold::NONE, &vocabulary).unwrap();
                prop_assert_eq!(again, revised);
            }
        }

        /// Each label is shown once at most, never when rejected, and a person's confidence counts.
        #[test]
        fn what_is_shown_follows_from_what_was_said(
            edits in prop::collection::vec((0..5_u8, 0..4_u8, 0..=100_u8), 0..30)
        ) {
            let mut tags = given(&[("l0", 50.0), ("l1", 60.0)]);
            for (number, action, value) in edits {
                let (name, value) = (format!("l{number}"), f64::from(value));
                tags = match action {
                    0 | 1 => tags.edited(&edit(&[(&name, value)], &[])).unwrap(),
                    2 => tags.edited(&edit(&[], &[&name])).unwrap(),
                    _ => {
                        let answer: Tags = [tag(&name, value)].into_iter().collect();
                        tags.retagged(&self::answer("local", &answer), Threshold::NONE, &open()).unwrap()
                    }
                };
                let shown = tags.tags();
                prop_assert_eq!(shown.len(), tags.shown().len());
                for label in tags.rejected() {
                    prop_assert!(shown.iter().all(|tag| tag.label != *label));
                }
                if action < 2 {
                    let added = shown.iter().find(|tag| tag.label.as_str() == name).unwrap();
                    prop_assert!((added.confidence.get() - value).abs() < 1e-9);
                }
            }
        }
    }
}
