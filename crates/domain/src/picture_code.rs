//! Compact codes of pictures, by which a million of them are searched in memory.

use std::fmt;

use thiserror::Error;

use crate::{FeatureModel, Features, ModelFeatures};

/// A code of some bits. How many of them differ tells how far two pictures are apart.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Code(Box<[u64]>);

/// A code has another length than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a code has 1 to {longest} words, not {0}", longest = Code::LONGEST)]
pub struct CodeLength(usize);

impl Code {
    /// The most words of 64 bits.
    pub const LONGEST: usize = 16;

    /// The code with these words.
    pub fn new(words: Vec<u64>) -> Result<Self, CodeLength> {
        match words.len() {
            1..=Self::LONGEST => Ok(Self(words.into())),
            length => Err(CodeLength(length)),
        }
    }

    /// Its words.
    pub fn words(&self) -> &[u64] {
        &self.0
    }

    /// In how many bits two codes differ (their Hamming distance). `None` if their lengths do.
    pub fn distance(&self, other: &Self) -> Option<u32> {
        let words = self.0.iter().zip(&other.0);
        let differing = words.map(|(one, other)| (one ^ other).count_ones()).sum();
        (self.0.len() == other.0.len()).then_some(differing)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(")?;
        self.0
            .iter()
            .try_for_each(|word| write!(f, "{word:016x}"))?;
        f.write_str(")")
    }
}

/// The words of the code of features: 832 bits. With the numbers of the rows, and with perceptual hashes, a million
/// pictures take 128 MB.
const WORDS: usize = 13;

/// How often the values are mixed. Three times is as good as a rotation drawn at random (Andoni et al., "Practical and
/// Optimal LSH for Angular Distance", 2015).
const ROUNDS: u64 = 3;

impl Features {
    /// The code of the features: on which side of random planes they lie, after the mean of their values is taken off.
    /// The share of bits in which two codes differ is, in the mean, their angle divided by 180 degrees.
    ///
    /// The planes are the same everywhere and always; codes of features of the same length can be compared.
    pub fn code(&self) -> Code {
        let mut mixed = centred(self.values());
        for round in 0..ROUNDS {
            flip(&mut mixed, round);
            transform(&mut mixed);
        }
        let bits = mixed.chunks(64).take(WORDS);
        Code(bits.map(signs).collect())
    }
}

/// The values times their number, less their sum, padded with zeros to a power of two that holds all bits.
fn centred(values: &[i8]) -> Vec<i64> {
    let size = values.len().max(WORDS * 64).next_power_of_two();
    let sum: i64 = values.iter().map(|value| i64::from(*value)).sum();
    let count = i64::try_from(values.len()).unwrap_or(i64::MAX);
    let centred = values.iter().map(|value| i64::from(*value) * count - sum);
    let padding = std::iter::repeat(0);
    centred.chain(padding).take(size).collect()
}

/// Changes the sign of about half of the values, always of the same ones.
fn flip(values: &mut [i64], round: u64) {
    for (place, values) in (0_u64..).zip(values.chunks_mut(64)) {
        let signs = scrambled(round << 32 | place);
        for (bit, value) in values.iter_mut().enumerate() {
            if signs >> bit & 1 == 1 {
                *value = -*value;
            }
        }
    }
}

/// Numbers that look random (`SplitMix64`).
fn scrambled(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// The Walsh-Hadamard transform. No sum overflows: values of less than 2^21 grow by at most 2^12 a round.
fn transform(values: &mut [i64]) {
    let mut half = 1;
    while half < values.len() {
        for block in values.chunks_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (one, other) in low.iter_mut().zip(high) {
                (*one, *other) = (*one + *other, *one - *other);
            }
        }
        half *= 2;
    }
}

fn signs(values: &[i64]) -> u64 {
    let bits = values.iter().enumerate();
    bits.fold(0, |word, (bit, value)| word | u64::from(*value > 0) << bit)
}

/// A perceptual hash: 64 bits that stay nearly the same when a picture is scaled or compressed again.
///
/// It is no digest: other pictures may have the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PerceptualHash(pub u64);

impl PerceptualHash {
    /// How many bits it has.
    pub const BITS: u32 = u64::BITS;

    /// The name under which hashes are kept. Another way to compute them has another one.
    const MODEL: &str = "perceptual-hash-v1";

    /// The model under which hashes are kept.
    pub fn model() -> FeatureModel {
        FeatureModel::of_domain(Self::MODEL)
    }
}

/// What is kept of an original under a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCode {
    /// The model.
    pub model: FeatureModel,
    /// The code; `None` if the original has none: it cannot be read any more, or has nothing to compute one from.
    pub code: Option<Code>,
    /// The features that the code stands for, if the model has features.
    pub features: Option<Features>,
}

impl ModelCode {
    /// That an original has no code under a model.
    pub fn none(model: FeatureModel) -> Self {
        Self {
            model,
            code: None,
            features: None,
        }
    }
}

impl From<ModelFeatures> for ModelCode {
    fn from(found: ModelFeatures) -> Self {
        Self {
            model: found.model,
            code: Some(found.features.code()),
            features: Some(found.features),
        }
    }
}

impl From<PerceptualHash> for ModelCode {
    fn from(hash: PerceptualHash) -> Self {
        Self {
            model: PerceptualHash::model(),
            code: Some(Code(Box::new([hash.0]))),
            features: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features that look random, as those of a network do: none is negative.
    fn features(seed: u64) -> Vec<f32> {
        (0..1280)
            .map(|place| {
                let byte = scrambled(seed << 32 | 1 << 20 | place).to_le_bytes()[0];
                f32::from(byte.saturating_sub(128))
            })
            .collect()
    }

    fn code(values: &[f32]) -> Code {
        Features::quantise(values).unwrap().code()
    }

    #[test]
    fn codes_differ_as_far_as_the_angle() {
        let (one, other) = (features(1), features(2));
        let bits = 64.0 * 13.0;
        for share in [0.0_f32, 0.1, 0.3, 0.5, 1.0] {
            let mixed: Vec<f32> = one
                .iter()
                .zip(&other)
                .map(|(one, other)| one * (1.0 - share) + other * share)
                .collect();
            let expected = angle(&one, &mixed) / std::f32::consts::PI * bits;
            let distance = code(&one).distance(&code(&mixed)).unwrap();
            let distance = f32::from(u16::try_from(distance).unwrap());
            assert!(
                (distance - expected).abs() < 50.0,
                "{share}: {distance} {expected}"
            );
        }
    }

    /// The angle between two vectors less their means.
    fn angle(one: &[f32], other: &[f32]) -> f32 {
        let centred = |values: &[f32]| -> Vec<f32> {
            let mean = values.iter().sum::<f32>() / 1280.0;
            values.iter().map(|value| value - mean).collect()
        };
        let (one, other) = (centred(one), centred(other));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let cosine = dot(&one, &other) / (dot(&one, &one) * dot(&other, &other)).sqrt();
        cosine.clamp(-1.0, 1.0).acos()
    }

    /// Codes are stored: this one may never change.
    #[test]
    fn the_code_is_always_the_same() {
        let code = code(&features(7));
        assert_eq!(code.words().len(), WORDS);
        assert_eq!(code.words()[0], FIRST_WORD, "{:016x}", code.words()[0]);
    }

    const FIRST_WORD: u64 = 0xb493_36e3_de66_69cd;

    #[test]
    fn features_of_every_length_have_a_code() {
        for length in [1, 2, 831, 832, 833, Features::LONGEST] {
            let values = (0..length).map(|place| if place % 3 == 0 { 127 } else { -128 });
            let features = Features::from_values(values.collect()).unwrap();
            assert_eq!(features.code().words().len(), WORDS);
        }
    }

    #[test]
    fn the_distance_is_the_number_of_differing_bits() {
        let code = |words: &[u64]| Code::new(words.to_vec()).unwrap();
        let distance = code(&[0b1011, u64::MAX]).distance(&code(&[0b0010, 0]));
        assert_eq!(distance, Some(66));
        assert_eq!(code(&[0]).distance(&code(&[0, 0])), None);
        assert_eq!(Code::new(vec![0; 17]), Err(CodeLength(17)));
        assert_eq!(Code::new(Vec::new()), Err(CodeLength(0)));
    }

    #[test]
    fn hashes_have_a_model() {
        let kept = ModelCode::from(PerceptualHash(5));
        assert_eq!(kept.model.as_str(), PerceptualHash::MODEL);
        assert_eq!(kept.code.unwrap().words(), [5]);
    }
}
