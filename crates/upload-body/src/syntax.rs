//! What is wrong with a document that is not JSON, and where.

use std::{borrow::Cow, fmt};

/// How many places are remembered at which the skeleton leaves something out. A document with more of
/// them is refused without saying where it goes wrong.
const MOST_CUTS: usize = 64;

/// What is wrong with a document that is not JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    problem: Cow<'static, str>,
    /// The offset in the document, in bytes.
    at: Option<u64>,
}

impl SyntaxError {
    pub(crate) fn new(problem: impl Into<Cow<'static, str>>) -> Self {
        Self {
            problem: problem.into(),
            at: None,
        }
    }

    pub(crate) fn at(mut self, offset: u64) -> Self {
        self.at = Some(offset);
        self
    }

    /// What the parser says of a skeleton without line breaks, made from a document of that length.
    pub(crate) fn in_skeleton(error: &serde_json::Error, cuts: &Cuts, length: u64) -> Self {
        if error.is_eof() {
            return Self::new("it ends too early").at(length);
        }
        let text = error.to_string();
        let problem = match text.split(" at line ").next().unwrap_or_default() {
            "expected ident" => "expected `true`, `false` or `null`",
            problem => problem,
        };
        Self {
            problem: Cow::Owned(problem.to_owned()),
            at: place(error).and_then(|place| cuts.offset_of(place)),
        }
    }
}

/// The offset in the skeleton at which the parser stopped.
fn place(error: &serde_json::Error) -> Option<usize> {
    let is_first_line = error.line() == 1;
    is_first_line.then(|| error.column().checked_sub(1))?
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        match self.at {
            Some(offset) => write!(f, ", at offset {offset}"),
            None => Ok(()),
        }
    }
}

/// Where a skeleton leaves something out of its document.
#[derive(Debug, Default)]
pub(crate) struct Cuts {
    /// Offsets in the skeleton, and how much further in the document what follows stands.
    shifts: Vec<(usize, u64)>,
    is_full: bool,
}

impl Cuts {
    /// Notes that the skeleton goes on at `place` with what stands in the document at `offset`.
    pub(crate) fn note(&mut self, place: usize, offset: u64) {
        let shift = offset.saturating_sub(place as u64);
        if self.is_full || self.shifts.last().map_or(0, |(_, shift)| *shift) == shift {
            return;
        }
        if self.shifts.len() == MOST_CUTS {
            self.is_full = true;
        } else {
            self.shifts.push((place, shift));
        }
    }

    /// The offset in the document of a place in the skeleton. None if it is not known any more.
    fn offset_of(&self, place: usize) -> Option<u64> {
        if self.is_full {
            return None;
        }
        let before = self.shifts.iter().rfind(|(from, _)| *from <= place);
        Some(place as u64 + before.map_or(0, |(_, shift)| *shift))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_again_behind_what_was_cut() {
        let mut cuts = Cuts::default();
        for (place, offset) in [(0, 0), (1, 1), (2, 7), (3, 8), (4, 1009)] {
            cuts.note(place, offset);
        }
        for (place, offset) in [(0, 0), (1, 1), (2, 7), (3, 8), (4, 1009), (9, 1014)] {
            assert_eq!(cuts.offset_of(place), Some(offset));
        }
    }

    #[test]
    fn no_more_is_remembered_than_a_few_cuts() {
        let mut cuts = Cuts::default();
        for place in 1..1000 {
            cuts.note(place, 2 * place as u64);
        }
        assert_eq!(cuts.shifts.len(), MOST_CUTS);
        assert_eq!(cuts.offset_of(5), None);
    }
}
