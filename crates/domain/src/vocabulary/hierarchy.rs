//! Whether parents form a hierarchy of bounded depth.

use std::collections::{HashMap, HashSet};

use super::{ConflictKind, MAX_DEPTH, Vocabulary, VocabularyConflict};
use crate::Label;

/// A tag that has parents.
struct Node<'v> {
    tag: &'v Label,
    /// The parents, folded, aliases replaced by their tags.
    parents: Vec<String>,
    /// How many of the parents are not yet known to lead to a root.
    open: usize,
    /// How many parents lie above it, as far as they are known.
    depth: usize,
}

/// Fails if a tag is its own ancestor, or more than [`MAX_DEPTH`] parents lie above it.
pub(super) fn check(vocabulary: &Vocabulary) -> Result<(), VocabularyConflict> {
    let mut nodes = nodes(vocabulary);
    let mut children: HashMap<String, Vec<String>> = HashMap::new();
    for (key, node) in &nodes {
        for parent in &node.parents {
            let of_parent = children.entry(parent.clone()).or_default();
            of_parent.push(key.clone());
        }
    }
    // From the roots downwards: what is never reached is part of a cycle, or below one.
    let roots = children.keys().filter(|tag| !nodes.contains_key(*tag));
    let mut reached: Vec<(String, usize)> = roots.map(|root| (root.clone(), 0)).collect();
    while let Some((parent, depth)) = reached.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            let Some(node) = nodes.get_mut(child) else {
                continue;
            };
            node.depth = node.depth.max(depth + 1);
            node.open -= 1;
            if node.depth > MAX_DEPTH {
                let tag = node.tag.clone();
                return Err(VocabularyConflict::new(tag, ConflictKind::TooDeep));
            }
            if node.open == 0 {
                reached.push((child.clone(), node.depth));
            }
        }
    }
    nodes.retain(|_, node| node.open > 0);
    match nodes.iter().min_by_key(|(key, _)| *key) {
        None => Ok(()),
        Some((key, node)) => Err(cycle(&nodes, key, node)),
    }
}

fn nodes(vocabulary: &Vocabulary) -> HashMap<String, Node<'_>> {
    let entries = vocabulary.entries.iter();
    let with_parents = entries.filter(|(_, entry)| !entry.parents.is_empty());
    let node = |entry: &'_ super::VocabularyEntry| -> Vec<String> {
        let mut parents: Vec<String> = entry
            .parents
            .iter()
            .map(|parent| vocabulary.tag_of(parent).folded())
            .collect();
        parents.sort_unstable();
        parents.dedup();
        parents
    };
    with_parents
        .map(|(key, entry)| {
            let parents = node(entry);
            let open = parents.len();
            let node = Node {
                tag: &entry.tag,
                parents,
                open,
                depth: 0,
            };
            (key.clone(), node)
        })
        .collect()
}

/// A cycle above a tag. Each of the nodes has a parent among them.
fn cycle(
    nodes: &HashMap<String, Node<'_>>,
    first: &String,
    below: &Node<'_>,
) -> VocabularyConflict {
    let above = |tag: &String| {
        let mut parents = nodes.get(tag)?.parents.iter();
        parents.find_map(|parent| nodes.get_key_value(parent))
    };
    let (mut seen, mut at) = (HashSet::new(), (first, below));
    while seen.insert(at.0) {
        let Some(next) = above(at.0) else { break };
        at = next;
    }
    // This one is on the cycle itself.
    let start = at;
    let mut path = vec![start.1.tag.clone()];
    while let Some(next) = above(at.0) {
        path.push(next.1.tag.clone());
        at = next;
        if at.0 == start.0 {
            break;
        }
    }
    VocabularyConflict::new(start.1.tag.clone(), ConflictKind::Cycle { path })
}
