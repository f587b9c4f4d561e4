//! The codes in memory: in the order of their numbers, in pieces that scans share.

use std::sync::Arc;

use domain::{Code, ports::CodeNumber};

/// The most codes of a segment: what is copied when one changes while it is scanned.
const FULL: usize = 4096;

/// Codes of one length, in the order of their numbers. A clone is a snapshot, and shares the memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segments {
    /// How many words each code has; 0 while there is none.
    width: usize,
    segments: Vec<Arc<Segment>>,
}

/// Some codes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segment {
    numbers: Vec<u64>,
    /// The words of each, one code after the other.
    words: Vec<u64>,
}

impl Segment {
    pub(crate) fn numbers(&self) -> &[u64] {
        &self.numbers
    }

    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    fn last(&self) -> u64 {
        self.numbers.last().copied().unwrap_or_default()
    }

    fn insert(&mut self, place: usize, number: u64, words: &[u64]) {
        self.numbers.insert(place, number);
        let at = place * words.len();
        self.words.splice(at..at, words.iter().copied());
        if self.numbers.len() == FULL {
            self.numbers.shrink_to_fit();
            self.words.shrink_to_fit();
        }
    }

    fn retain(&mut self, width: usize, is_kept: impl Fn(u64) -> bool) {
        let codes = self.numbers.iter().zip(self.words.chunks(width));
        let (mut numbers, mut words) = (Vec::new(), Vec::new());
        for (number, code) in codes.filter(|(number, _)| is_kept(**number)) {
            numbers.push(*number);
            words.extend_from_slice(code);
        }
        *self = Self { numbers, words };
    }
}

impl Segments {
    /// How many words each code has; 0 while there is none.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().map(AsRef::as_ref)
    }

    /// How many codes there are.
    pub(crate) fn len(&self) -> usize {
        self.iter().map(|segment| segment.numbers.len()).sum()
    }

    /// Adds a code in its place. Does nothing if it is there, or has another length than the others.
    pub(crate) fn insert(&mut self, number: CodeNumber, code: &Code) {
        let (number, words) = (number.0, code.words());
        if self.width == 0 {
            self.width = words.len();
        }
        if words.len() != self.width {
            return;
        }
        let behind = self
            .segments
            .partition_point(|segment| segment.last() < number);
        let at = behind.min(self.segments.len().saturating_sub(1));
        let is_full = |segment: &Arc<Segment>| segment.numbers.len() >= FULL;
        let is_last = behind == self.segments.len();
        if self
            .segments
            .get(at)
            .is_none_or(|segment| is_last && is_full(segment))
        {
            self.segments.push(Arc::default());
        }
        let at = if is_last { self.segments.len() - 1 } else { at };
        if let Some(segment) = self.segments.get_mut(at)
            && let Err(place) = segment.numbers.binary_search(&number)
        {
            Arc::make_mut(segment).insert(place, number, words);
        }
    }

    /// Drops the codes with numbers after `after`, up to `until`, that are not among `kept`, which are in order.
    /// Returns how many.
    pub(crate) fn sweep(
        &mut self,
        after: CodeNumber,
        until: CodeNumber,
        kept: &[CodeNumber],
    ) -> usize {
        let width = self.width;
        let is_gone = |number: u64| {
            let number = CodeNumber(number);
            after < number && number <= until && kept.binary_search(&number).is_err()
        };
        let mut dropped = 0;
        for segment in &mut self.segments {
            if segment.last() <= after.0 {
                continue;
            }
            if segment
                .numbers
                .first()
                .is_some_and(|first| *first > until.0)
            {
                break;
            }
            let gone = segment
                .numbers
                .iter()
                .filter(|number| is_gone(**number))
                .count();
            if gone > 0 {
                dropped += gone;
                Arc::make_mut(segment).retain(width, |number| !is_gone(number));
            }
        }
        self.segments.retain(|segment| !segment.numbers.is_empty());
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(word: u64) -> Code {
        Code::new(vec![word, !word]).unwrap()
    }

    fn numbers(segments: &Segments) -> Vec<u64> {
        let numbers = segments.iter().flat_map(|segment| segment.numbers.iter());
        numbers.copied().collect()
    }

    /// Whether each code is still that of its number.
    fn are_whole(segments: &Segments) -> bool {
        segments.iter().all(|segment| {
            let codes = segment.words.chunks(2);
            let pairs = segment.numbers.iter().zip(codes);
            pairs.len() == segment.numbers.len() && pairs.clone().all(|(n, code)| code == [*n, !n])
        })
    }

    #[test]
    fn codes_are_kept_in_order_whatever_the_order_they_come_in() {
        let mut segments = Segments::default();
        let all: Vec<u64> = (1..=9000).filter(|number| number % 10 != 0).collect();
        for number in &all {
            segments.insert(CodeNumber(*number), &code(*number));
        }
        let shared = segments.clone();
        for number in (10..=9010).step_by(10) {
            segments.insert(CodeNumber(number), &code(number));
            segments.insert(CodeNumber(number), &code(number));
        }
        assert_eq!(numbers(&shared), all);
        let expected: Vec<u64> = (1..=9000).chain([9010]).collect();
        assert_eq!(numbers(&segments), expected);
        assert!(are_whole(&segments) && are_whole(&shared));
        assert_eq!(segments.len(), 9001);
    }

    #[test]
    fn a_sweep_drops_what_is_gone_in_its_range() {
        let mut segments = Segments::default();
        for number in 1..=9000 {
            segments.insert(CodeNumber(number), &code(number));
        }
        let kept: Vec<CodeNumber> = (4000..=4200).step_by(2).map(CodeNumber).collect();
        let dropped = segments.sweep(CodeNumber(3999), CodeNumber(4200), &kept);
        assert_eq!(dropped, 100);
        assert_eq!(
            segments.sweep(CodeNumber(8999), CodeNumber(u64::MAX), &[]),
            1
        );
        assert_eq!(segments.sweep(CodeNumber(0), CodeNumber(3999), &[]), 3999);
        let expected: Vec<u64> = (4000..=4200).step_by(2).chain(4201..9000).collect();
        assert_eq!(numbers(&segments), expected);
        assert!(are_whole(&segments));
    }

    #[test]
    fn codes_of_another_length_are_left_out() {
        let mut segments = Segments::default();
        segments.insert(CodeNumber(1), &code(1));
        segments.insert(CodeNumber(2), &Code::new(vec![7]).unwrap());
        assert_eq!((numbers(&segments), segments.width()), (vec![1], 2));
    }
}
