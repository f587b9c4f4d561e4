//! The hierarchy above classes and objects, and its tags.

use std::collections::{BTreeSet, HashMap};

use domain::Label;

use crate::{
    files::ModelError,
    table::{Row, Table},
};

/// The index of a tag in the vocabulary.
pub(crate) type TagIndex = usize;

/// A kind of object that the detector finds.
#[derive(Debug)]
pub(crate) struct Thing {
    /// Whether it is a person, for which the classifier has no class.
    pub(crate) is_person: bool,
    pub(crate) tag: TagIndex,
    /// The tags of the nodes above it, each once, without its own.
    pub(crate) above: Vec<TagIndex>,
}

/// The nodes of a hierarchy, each of which may have several parents.
#[derive(Debug)]
pub(crate) struct Nodes<'a> {
    by_name: HashMap<&'a str, usize>,
    all: Vec<Node>,
    /// All tags, by index.
    pub(crate) labels: Vec<Label>,
    by_label: HashMap<Label, TagIndex>,
}

#[derive(Debug)]
struct Node {
    parents: Vec<usize>,
    tag: TagIndex,
}

impl<'a> Nodes<'a> {
    pub(crate) fn read(table: Table<'a>) -> Result<Self, ModelError> {
        let mut nodes = Self {
            by_name: HashMap::new(),
            all: Vec::new(),
            labels: Vec::new(),
            by_label: HashMap::new(),
        };
        let mut parents = Vec::new();
        for mut row in table.rows()? {
            let name = row.field("node")?;
            let _kind = row.field("kind")?;
            let above = row.field("parents")?;
            let tag = row.field("tag")?;
            let tag = nodes.tag_named(tag, &row)?;
            if nodes.by_name.insert(name, nodes.all.len()).is_some() {
                return Err(row.wrong(format!("the node {name:?} is defined twice")));
            }
            nodes.all.push(Node {
                parents: Vec::new(),
                tag,
            });
            parents.push((row, above));
        }
        // Parents may be defined after their children.
        for (at, (row, above)) in parents.into_iter().enumerate() {
            let names = above.split(',').filter(|name| !name.is_empty());
            let found: Result<_, _> = names.map(|name| nodes.find(name, &row)).collect();
            let found = found?;
            if let Some(node) = nodes.all.get_mut(at) {
                node.parents = found;
            }
        }
        Ok(nodes)
    }

    /// The tag of that text, added if no node has it.
    pub(crate) fn tag_named(&mut self, text: &str, row: &Row<'_>) -> Result<TagIndex, ModelError> {
        let label = Label::parse(text).map_err(|error| row.wrong(format!("the tag: {error}")))?;
        let labels = &mut self.labels;
        let tag = self.by_label.entry(label).or_insert_with_key(|label| {
            labels.push(label.clone());
            labels.len() - 1
        });
        Ok(*tag)
    }

    pub(crate) fn find_tag(&self, text: &str) -> Option<TagIndex> {
        let label = Label::parse(text).ok()?;
        self.by_label.get(&label).copied()
    }

    pub(crate) fn find(&self, name: &str, row: &Row<'_>) -> Result<usize, ModelError> {
        let node = self.by_name.get(name).copied();
        node.ok_or_else(|| row.wrong(format!("hierarchy.tsv has no node {name:?}")))
    }

    pub(crate) fn tag_of(&self, node: usize) -> TagIndex {
        self.all.get(node).map_or(0, |node| node.tag)
    }

    /// The tags of a node and of all its ancestors.
    pub(crate) fn tags_from(&self, node: usize) -> BTreeSet<TagIndex> {
        let nodes = self.nodes_from(node).into_iter();
        nodes.map(|node| self.tag_of(node)).collect()
    }

    /// For each tag, those of the parents of its nodes, without itself.
    pub(crate) fn parents(&self) -> Vec<BTreeSet<TagIndex>> {
        let mut parents = vec![BTreeSet::new(); self.labels.len()];
        for node in &self.all {
            let above = node.parents.iter().map(|parent| self.tag_of(*parent));
            if let Some(of_tag) = parents.get_mut(node.tag) {
                of_tag.extend(above.filter(|tag| *tag != node.tag));
            }
        }
        parents
    }

    /// The tags of a node and of all its descendants.
    pub(crate) fn tags_below(&self, node: usize) -> BTreeSet<TagIndex> {
        let all = 0..self.all.len();
        let below = all.filter(|other| self.nodes_from(*other).contains(&node));
        below.map(|node| self.tag_of(node)).collect()
    }

    /// A node and all its ancestors.
    fn nodes_from(&self, node: usize) -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        let mut next = vec![node];
        while let Some(node) = next.pop() {
            if seen.insert(node) {
                let parents = self.all.get(node).map(|node| node.parents.as_slice());
                next.extend(parents.unwrap_or_default());
            }
        }
        seen
    }
}

/// Raises the belief in a tag to at least that much.
pub(crate) fn raise(beliefs: &mut [f64], tag: TagIndex, least: f64) {
    if let Some(belief) = beliefs.get_mut(tag) {
        *belief = belief.max(least);
    }
}
