//! The vocabulary of the networks' outputs: classes, the nodes above them, and their tags.

use std::collections::BTreeSet;

use domain::Label;

use crate::{
    files::{ModelError, ModelFiles},
    heads::Heads,
    hierarchy::{Nodes, TagIndex, Thing},
    table::Table,
};

/// The vocabulary of a model.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// All tags, and the classes of the classifier below each.
    pub(crate) tags: Vec<VocabularyTag>,
    /// The meaning of each output of the detector.
    pub(crate) things: Vec<Thing>,
    /// How many classes the classifier has.
    pub(crate) classes: usize,
    /// Words computed from the classifier's features.
    pub(crate) heads: Option<Heads>,
    /// For each tag, those right above it.
    parents: Vec<BTreeSet<TagIndex>>,
    /// The tag of pictures of two people or more, if the model has it.
    pub(crate) people: Option<TagIndex>,
    /// The tag of pictures without colours, if the model has it.
    pub(crate) black_and_white: Option<TagIndex>,
}

/// A tag. Nodes with the same name share one.
#[derive(Debug)]
pub(crate) struct VocabularyTag {
    pub(crate) label: Label,
    /// The classes below it, each once. None if only the detector knows it.
    pub(crate) classes: Vec<usize>,
}

/// The detector's name of a person.
const PERSON: &str = "person";
/// Tags with a rule of their own.
const PEOPLE: &str = "people";
const BLACK_AND_WHITE: &str = "black and white";

impl Vocabulary {
    /// Reads the tables of a model.
    pub(crate) fn read(files: &ModelFiles) -> Result<Self, ModelError> {
        let mut nodes = Nodes::read(Table {
            file: "hierarchy.tsv",
            bytes: &files.hierarchy,
        })?;
        let classes = read_classes(&nodes, &files.labels)?;
        let things = read_things(&nodes, &files.detector_labels)?;
        let heads = files.heads.as_ref();
        let heads = heads.map(|heads| Heads::read(heads, &mut nodes, &things));
        let heads = heads.transpose()?;
        let mut beneath = vec![BTreeSet::new(); nodes.labels.len()];
        for (class, node) in classes.iter().enumerate() {
            for tag in nodes.tags_from(*node) {
                if let Some(beneath) = beneath.get_mut(tag) {
                    beneath.insert(class);
                }
            }
        }
        let parents = nodes.parents();
        let (people, black_and_white) = (nodes.find_tag(PEOPLE), nodes.find_tag(BLACK_AND_WHITE));
        let tags = nodes.labels.into_iter().zip(beneath);
        Ok(Self {
            heads,
            parents,
            people,
            black_and_white,
            tags: tags
                .map(|(label, classes)| VocabularyTag {
                    label,
                    classes: classes.into_iter().collect(),
                })
                .collect(),
            things,
            classes: classes.len(),
        })
    }
}

impl Vocabulary {
    /// Every tag, with the tags right above it.
    pub(crate) fn words(&self) -> Vec<(Label, Vec<Label>)> {
        let label = |tag: &TagIndex| Some(self.tags.get(*tag)?.label.clone());
        let words = self.tags.iter().zip(&self.parents);
        words
            .map(|(tag, above)| (tag.label.clone(), above.iter().filter_map(label).collect()))
            .collect()
    }
}

/// The tags of the embedded model, each with the tags right above it.
pub fn words() -> Result<Vec<(Label, Vec<Label>)>, ModelError> {
    Ok(Vocabulary::read(&ModelFiles::embedded())?.words())
}

fn read_classes(nodes: &Nodes<'_>, bytes: &[u8]) -> Result<Vec<usize>, ModelError> {
    let table = Table {
        file: "labels.tsv",
        bytes,
    };
    let rows = table.rows()?.into_iter().enumerate();
    rows.map(|(class, mut row)| {
        row.number("class", class)?;
        let name = row.field("node")?;
        nodes.find(name, &row)
    })
    .collect()
}

fn read_things(nodes: &Nodes<'_>, bytes: &[u8]) -> Result<Vec<Thing>, ModelError> {
    let table = Table {
        file: "detector_labels.tsv",
        bytes,
    };
    let rows = table.rows()?.into_iter().enumerate();
    rows.map(|(class, mut row)| {
        row.number("class", class)?;
        let is_person = row.field("name")? == PERSON;
        let name = row.field("node")?;
        let node = nodes.find(name, &row)?;
        let mut above = nodes.tags_from(node);
        let tag = nodes.tag_of(node);
        above.remove(&tag);
        Ok(Thing {
            is_person,
            tag,
            above: above.into_iter().collect(),
        })
    })
    .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{borrow::Cow, collections::HashMap};

    use super::*;

    pub(crate) fn files(hierarchy: &str, labels: &str, things: &str) -> ModelFiles {
        let own = |text: &str| Cow::Owned(text.as_bytes().to_vec());
        ModelFiles {
            hierarchy: own(hierarchy),
            labels: own(labels),
            detector_labels: own(things),
            heads: None,
            ..ModelFiles::embedded()
        }
    }

    /// Tags by name, with the classes below them.
    fn beneath(vocabulary: &Vocabulary) -> HashMap<&str, &[usize]> {
        let tags = vocabulary.tags.iter();
        tags.map(|tag| (tag.label.as_str(), tag.classes.as_slice()))
            .collect()
    }

    #[test]
    fn classes_are_below_all_their_ancestors() {
        let hierarchy = "t\tl\tc\ttabby\ne\tl\tc\tegyptian cat\nd\tl\ta,p\tdog\n\
            c\ti\ta,p\tCat\na\ti\t\tanimal\np\tx\t\tpet\nk\tc\ta\tcat\n";
        let labels = "0\tt\n1\te\n2\td\n";
        let vocabulary = Vocabulary::read(&files(hierarchy, labels, "0\tperson\ta\n")).unwrap();
        assert_eq!(vocabulary.classes, 3);
        let found = beneath(&vocabulary);
        assert_eq!(found.len(), 6, "nodes that are called alike share a tag");
        assert_eq!(found["cat"], [0, 1]);
        assert_eq!(found["animal"], [0, 1, 2]);
        assert_eq!(found["pet"], [0, 1, 2]);
        assert_eq!(found["tabby"], [0]);
    }

    #[test]
    fn cycle_terminates() {
        let vocabulary =
            Vocabulary::read(&files("a\tl\tb\ta\nb\ti\ta\tb\n", "0\ta\n", "0\tx\tb\n")).unwrap();
        assert_eq!(beneath(&vocabulary)["b"], [0]);
        assert_eq!(vocabulary.things[0].above.len(), 1);
    }

    #[test]
    fn the_model_in_the_program_is_whole() {
        let vocabulary = Vocabulary::read(&ModelFiles::embedded()).unwrap();
        assert_eq!((vocabulary.classes, vocabulary.things.len()), (1000, 80));
        let known = vocabulary.tags.iter().filter(|tag| !tag.classes.is_empty());
        assert_eq!(known.count(), 1355);
        let frog = vocabulary
            .tags
            .iter()
            .find(|tag| tag.label.as_str() == "frog");
        assert_eq!(frog.unwrap().classes, [30, 31, 32]);
        assert!(vocabulary.people.is_some() && vocabulary.black_and_white.is_some());
        let people = vocabulary.things.iter().filter(|thing| thing.is_person);
        assert_eq!(people.count(), 1);
    }

    #[rstest::rstest]
    #[case(
        "a\tl\t\ta\na\tl\t\tb",
        "0\ta",
        "0\tx\ta",
        r#"hierarchy.tsv, line 2: the node "a" is defined twice"#
    )]
    #[case(
        "a\tl\tz\ta",
        "0\ta",
        "0\tx\ta",
        r#"hierarchy.tsv, line 1: hierarchy.tsv has no node "z""#
    )]
    #[case(
        "a\tl\t",
        "0\ta",
        "0\tx\ta",
        r#"hierarchy.tsv, line 1: the field "tag" is missing"#
    )]
    #[case("a\tl\t\t ", "0\ta", "0\tx\ta", "hierarchy.tsv, line 1: the tag: ")]
    #[case(
        "a\tl\t\ta",
        "1\ta",
        "0\tx\ta",
        r#"labels.tsv, line 1: the class is "1" and should be 0"#
    )]
    #[case(
        "a\tl\t\ta",
        "0\tb",
        "0\tx\ta",
        r#"labels.tsv, line 1: hierarchy.tsv has no node "b""#
    )]
    #[case("a\tl\t\ta", "", "0\tx\ta", "labels.tsv has no entries")]
    #[case(
        "a\tl\t\ta",
        "0\ta",
        "0\tx\tb",
        r#"detector_labels.tsv, line 1: hierarchy.tsv has no node "b""#
    )]
    #[case(
        "a\tl\t\ta",
        "0\ta",
        "0\tx",
        r#"detector_labels.tsv, line 1: the field "node" is missing"#
    )]
    fn invalid_table_is_reported_by_its_line(
        #[case] hierarchy: &str,
        #[case] labels: &str,
        #[case] things: &str,
        #[case] expected: &str,
    ) {
        let error = Vocabulary::read(&files(hierarchy, labels, things)).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
