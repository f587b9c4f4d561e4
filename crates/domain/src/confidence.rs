//! Confidence of a tag.

use std::cmp::Ordering;

use thiserror::Error;

/// The confidence of a tag, from 0 to 100.
///
/// The provider's number is kept exactly. It is always finite, so confidences have a total order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confidence(f64);

/// The number is not a confidence.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("{0} is not a number from 0 to 100")]
pub struct ConfidenceError(pub f64);

impl Confidence {
    /// Accepts a number from 0 to 100, both included.
    pub fn new(value: f64) -> Result<Self, ConfidenceError> {
        if (0.0..=100.0).contains(&value) {
            // `+ 0.0` turns negative zero, which would be written as `-0.0`, into positive zero.
            Ok(Self(value + 0.0))
        } else {
            Err(ConfidenceError(value))
        }
    }

    /// The number, from 0 to 100.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Eq for Confidence {}

impl PartialOrd for Confidence {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Confidence {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The lowest confidence to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threshold(Confidence);

impl Threshold {
    /// Admits every confidence.
    pub const NONE: Self = Self(Confidence(0.0));

    /// A threshold that admits `lowest` and above.
    pub fn new(lowest: Confidence) -> Self {
        Self(lowest)
    }

    /// Whether a confidence is at or above the threshold.
    pub fn admits(self, confidence: Confidence) -> bool {
        confidence >= self.0
    }

    /// The lowest confidence that is admitted.
    pub fn lowest(self) -> Confidence {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[rstest::rstest]
    #[case(-0.001)]
    #[case(100.000_001)]
    #[case(f64::NAN)]
    #[case(f64::INFINITY)]
    #[case(f64::NEG_INFINITY)]
    fn refuses_numbers_out_of_range(#[case] value: f64) {
        assert!(Confidence::new(value).is_err());
    }

    #[test]
    fn negative_zero_becomes_zero() {
        assert!(Confidence::new(-0.0).unwrap().get().is_sign_positive());
    }

    #[test]
    fn threshold_is_inclusive() {
        let threshold = Threshold::new(Confidence::new(80.0).unwrap());
        assert!(threshold.admits(Confidence::new(80.0).unwrap()));
        assert!(!threshold.admits(Confidence::new(79.999_999).unwrap()));
    }

    proptest! {
        #[test]
        fn keeps_the_number_as_it_is(value in 0.0..=100.0f64) {
            prop_assert_eq!(Confidence::new(value).unwrap().get().to_bits(), (value + 0.0).to_bits());
        }
    }
}
