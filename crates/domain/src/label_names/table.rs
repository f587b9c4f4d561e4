//! The names of labels in one language.

use std::collections::HashMap;

use thiserror::Error;

use crate::{Label, LabelError};

/// The names of labels in one language: one for a label at most, and none for two labels.
///
/// Names have the form of labels, and are compared by full case folding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameTable {
    names: HashMap<Label, Label>,
    /// The labels, by folded name.
    labels: HashMap<String, Label>,
}

/// Why a table cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {fault}")]
pub struct NameTableError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub fault: NameTableFault,
}

/// What is wrong with a line of a table.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameTableFault {
    /// It has more or fewer fields.
    #[error("a label and its name, separated by a tab, are expected")]
    Fields,
    /// The label or its name cannot be one.
    #[error(transparent)]
    Text(#[from] LabelError),
    /// The label has a name already.
    #[error("{0:?} has a second name")]
    Label(String),
    /// The name belongs to another label already.
    #[error("{name:?} is the name of {label:?} already")]
    Name {
        /// The name.
        name: String,
        /// The label that has it.
        label: String,
    },
    /// The table is too long.
    #[error("a table has at most {} names", NameTable::MAX_NAMES)]
    TooMany,
}

impl NameTable {
    /// The most names of a table.
    pub const MAX_NAMES: usize = 100_000;

    /// Reads lines of a label, a tab and its name. Empty lines, and those that begin with `#`, are comments.
    pub fn parse(text: &str) -> Result<Self, NameTableError> {
        let mut table = Self::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = (1..).zip(text.lines());
        for (line, text) in lines.filter(|(_, text)| !text.starts_with('#') && !text.is_empty()) {
            let added = table.read(text);
            added.map_err(|fault| NameTableError { line, fault })?;
        }
        Ok(table)
    }

    fn read(&mut self, line: &str) -> Result<(), NameTableFault> {
        let (label, name) = line.split_once('\t').ok_or(NameTableFault::Fields)?;
        if name.contains('\t') {
            return Err(NameTableFault::Fields);
        }
        self.add(Label::parse(label)?, Label::parse(name)?)
    }

    /// Adds the name of a label that has none yet.
    pub(crate) fn add(&mut self, label: Label, name: Label) -> Result<(), NameTableFault> {
        if self.names.contains_key(&label) {
            return Err(NameTableFault::Label(label.to_string()));
        }
        if let Some(other) = self.label(&name) {
            return Err(NameTableFault::Name {
                name: name.to_string(),
                label: other.to_string(),
            });
        }
        if self.names.len() == Self::MAX_NAMES {
            return Err(NameTableFault::TooMany);
        }
        self.insert(label, name);
        Ok(())
    }

    /// The name of a label.
    pub fn name(&self, label: &Label) -> Option<&Label> {
        self.names.get(label)
    }

    /// The label with a name.
    pub fn label(&self, name: &Label) -> Option<&Label> {
        self.labels.get(&name.folded())
    }

    /// Every label and its name, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&Label, &Label)> {
        self.names.iter()
    }

    /// This table with the names of another, which prevail: a name that the other gives to another label is
    /// taken from its label here.
    #[must_use]
    pub fn overridden_by(mut self, other: Self) -> Self {
        for (label, name) in other.names {
            if let Some(old) = self.names.remove(&label) {
                self.labels.remove(&old.folded());
            }
            if let Some(owner) = self.labels.remove(&name.folded()) {
                self.names.remove(&owner);
            }
            self.insert(label, name);
        }
        self
    }

    fn insert(&mut self, label: Label, name: Label) {
        self.labels.insert(name.folded(), label.clone());
        self.names.insert(label, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Label {
        Label::parse(text).unwrap()
    }

    #[test]
    fn names_are_found_both_ways() {
        let table = "\u{feff}# tag\tname\n\nDog\tPerro\nroad\tstraße\r\n";
        let table = NameTable::parse(table).unwrap();
        assert_eq!(table.name(&label("dog")), Some(&label("perro")));
        assert_eq!(table.label(&label("PERRO")), Some(&label("dog")));
        assert_eq!(table.label(&label("STRASSE")), Some(&label("road")));
        assert_eq!(table.name(&label("cat")), None);
        assert_eq!(table.iter().count(), 2);
    }

    #[rstest::rstest]
    #[case(
        "dog",
        "line 1: a label and its name, separated by a tab, are expected"
    )]
    #[case(
        "#\ndog\tperro\tcan",
        "line 2: a label and its name, separated by a tab, are expected"
    )]
    #[case("dog\t ", "line 1: a label cannot be empty")]
    #[case("dog\tperro\nDOG\tcan", r#"line 2: "dog" has a second name"#)]
    #[case(
        "road\tstraße\nstreet\tSTRASSE",
        r#"line 2: "strasse" is the name of "road" already"#
    )]
    fn a_line_that_is_wrong_is_reported(#[case] text: &str, #[case] expected: &str) {
        let error = NameTable::parse(text).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_table_has_a_most() {
        let lines = |count: usize| -> String {
            let lines = (0..count).map(|n| format!("l{n}\tn{n}\n"));
            lines.collect()
        };
        assert!(NameTable::parse(&lines(NameTable::MAX_NAMES)).is_ok());
        let error = NameTable::parse(&lines(NameTable::MAX_NAMES + 1)).unwrap_err();
        assert_eq!(error.fault, NameTableFault::TooMany);
    }

    #[test]
    fn a_name_belongs_to_one_label_after_an_override() {
        let table = NameTable::parse("bench\tbanco\nbank\tbanca\n").unwrap();
        let other = NameTable::parse("bank\tBanco\n").unwrap();
        let table = table.overridden_by(other);
        assert_eq!(table.name(&label("bank")), Some(&label("banco")));
        assert_eq!(table.name(&label("bench")), None);
        assert_eq!(table.label(&label("banco")), Some(&label("bank")));
        assert_eq!(table.label(&label("banca")), None);
    }

    #[test]
    fn names_may_be_swapped_by_an_override() {
        let table = NameTable::parse("a\tx\nb\ty\n").unwrap();
        let table = table.overridden_by(NameTable::parse("a\ty\nb\tx\n").unwrap());
        assert_eq!(table.name(&label("a")), Some(&label("y")));
        assert_eq!(table.name(&label("b")), Some(&label("x")));
        assert_eq!(table.label(&label("x")), Some(&label("b")));
        assert_eq!(table.label(&label("y")), Some(&label("a")));
    }
}
