//! The scan: the nearest codes of all.

use std::{cmp::Reverse, collections::BinaryHeap};

use domain::ports::{CodeNumber, Neighbour};
use multiversion::multiversion;

use crate::segments::{Segment, Segments};

/// A code that was found: its distance, and its number. The greatest is the worst.
type Candidate = (u32, Reverse<u64>);

/// The codes nearest to one, nearest first (ties: the greatest number first), at most `count`.
pub(crate) fn nearest(segments: &Segments, code: &[u64], count: usize) -> Vec<Neighbour> {
    let mut best = Best {
        heap: BinaryHeap::new(),
        count,
    };
    if code.len() != segments.width() {
        return Vec::new();
    }
    let mut distances = Vec::new();
    for segment in segments.iter() {
        distances.clear();
        distances.resize(segment.numbers().len(), 0);
        measure(segment, code, &mut distances);
        best.take(segment.numbers(), &distances);
    }
    let found = best.heap.into_sorted_vec().into_iter();
    found
        .map(|(distance, Reverse(number))| Neighbour {
            code: CodeNumber(number),
            distance,
        })
        .collect()
}

/// The nearest codes so far.
struct Best {
    heap: BinaryHeap<Candidate>,
    count: usize,
}

impl Best {
    fn take(&mut self, numbers: &[u64], distances: &[u32]) {
        let mut worst = self.worst();
        for (number, distance) in numbers.iter().zip(distances) {
            // At the same distance a later number is better.
            if *distance > worst {
                continue;
            }
            self.heap.push((*distance, Reverse(*number)));
            if self.heap.len() > self.count {
                self.heap.pop();
            }
            worst = self.worst();
        }
    }

    /// The greatest distance of a code that is taken.
    fn worst(&self) -> u32 {
        let is_full = self.heap.len() >= self.count;
        self.heap
            .peek()
            .filter(|_| is_full)
            .map_or(u32::MAX, |(distance, _)| *distance)
    }
}

/// The distance of each code of a segment. The common lengths are compiled for each, so that their loops have no end
/// to check.
fn measure(segment: &Segment, code: &[u64], distances: &mut [u32]) {
    if let Ok(code) = <&[u64; 13]>::try_from(code) {
        measure_13(segment.words(), code, distances);
    } else if let Ok(code) = <&[u64; 1]>::try_from(code) {
        measure_1(segment.words(), code, distances);
    } else {
        let codes = segment.words().chunks_exact(code.len().max(1));
        for (words, distance) in codes.zip(distances) {
            *distance = differing(words, code);
        }
    }
}

#[multiversion(targets("x86_64+avx2+popcnt", "x86_64+popcnt"))]
fn measure_13(words: &[u64], code: &[u64; 13], distances: &mut [u32]) {
    let (codes, _) = words.as_chunks::<13>();
    for (words, distance) in codes.iter().zip(distances) {
        *distance = differing(words, code);
    }
}

#[multiversion(targets("x86_64+avx2+popcnt", "x86_64+popcnt"))]
fn measure_1(words: &[u64], code: &[u64; 1], distances: &mut [u32]) {
    let (codes, _) = words.as_chunks::<1>();
    for (words, distance) in codes.iter().zip(distances) {
        *distance = differing(words, code);
    }
}

#[inline]
fn differing(words: &[u64], code: &[u64]) -> u32 {
    let words = words.iter().zip(code);
    words.map(|(one, other)| (one ^ other).count_ones()).sum()
}

#[cfg(test)]
mod tests {
    use domain::Code;

    use super::*;

    /// Numbers that look random.
    fn random(seed: u64) -> u64 {
        let mixed = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ mixed >> 17
    }

    fn code(width: u64, seed: u64) -> Code {
        Code::new((0..width).map(|word| random(seed << 8 | word)).collect()).unwrap()
    }

    #[test]
    fn the_nearest_are_those_of_a_full_sort() {
        for width in [1, 3, 13] {
            let mut segments = Segments::default();
            for number in 1..=10_000 {
                segments.insert(CodeNumber(number), &code(width, number));
            }
            let asked = code(width, 77);
            let mut expected: Vec<_> = (1..=10_000_u64)
                .map(|number| {
                    (
                        code(width, number).distance(&asked).unwrap(),
                        Reverse(number),
                    )
                })
                .collect();
            expected.sort_unstable();
            for count in [1, 50, 5000, 10_000, 20_000] {
                let found: Vec<_> = nearest(&segments, asked.words(), count)
                    .into_iter()
                    .map(|found| (found.distance, Reverse(found.code.0)))
                    .collect();
                let end = count.min(expected.len());
                assert_eq!(found, expected[..end], "{width} {count}");
            }
        }
    }

    #[test]
    fn a_code_of_another_length_finds_nothing() {
        let mut segments = Segments::default();
        segments.insert(CodeNumber(1), &code(13, 1));
        assert!(nearest(&segments, code(1, 1).words(), 5).is_empty());
        assert!(nearest(&Segments::default(), code(1, 1).words(), 5).is_empty());
    }
}
