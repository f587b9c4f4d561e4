//! Namespace prefixes in scope.

use std::collections::HashMap;

use crate::field::Space;

/// The prefixes in scope. Looking one up takes the same time however many there are: the XML library's own resolver
/// searches them one by one.
#[derive(Default)]
pub(crate) struct Prefixes<'t> {
    /// For each prefix its meanings, the innermost last. The default namespace is that of the empty prefix.
    meanings: HashMap<&'t str, Vec<Option<Space>>>,
    /// At which depth each meaning was declared.
    declared: Vec<(usize, &'t str)>,
}

impl<'t> Prefixes<'t> {
    /// Declares a prefix on an element at that depth.
    pub(crate) fn declare(&mut self, depth: usize, prefix: &'t str, uri: &str) {
        let meanings = self.meanings.entry(prefix).or_default();
        meanings.push(Space::from_uri(uri));
        self.declared.push((depth, prefix));
    }

    /// Forgets what was declared on an element at that depth.
    pub(crate) fn leave(&mut self, depth: usize) {
        while let Some((_, prefix)) = self.declared.pop_if(|(at, _)| *at >= depth) {
            if let Some(meanings) = self.meanings.get_mut(prefix) {
                meanings.pop();
            }
        }
    }

    /// The namespace and local name of an element, if the namespace is one that is recognised.
    pub(crate) fn element<'n>(&self, name: &'n str) -> Option<(Space, &'n str)> {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let space = self.meanings.get(prefix)?.last().copied()??;
        Some((space, local))
    }

    /// The same of an attribute: without a prefix it has no namespace.
    pub(crate) fn attribute<'n>(&self, name: &'n str) -> Option<(Space, &'n str)> {
        name.contains(':').then(|| self.element(name)).flatten()
    }
}
