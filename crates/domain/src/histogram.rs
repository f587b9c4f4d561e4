//! How the confidences of a tag are distributed.

use crate::Confidence;

/// How many bins there are.
const BINS: usize = 20;

/// Images by the confidence of one tag, in steps of 5: the first bin is 0 to less than 5, the last one 95 to
/// 100, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConfidenceHistogram([u64; BINS]);

impl ConfidenceHistogram {
    /// Counts an image.
    pub fn count(&mut self, confidence: Confidence) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a confidence is from 0 to 100"
        )]
        let bin = (confidence.get() / 5.0) as usize;
        if let Some(images) = self.0.get_mut(bin.min(BINS - 1)) {
            *images += 1;
        }
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (images, more) in self.0.iter_mut().zip(other.0) {
            *images += more;
        }
    }

    /// The numbers of images, by rising confidence.
    pub fn bins(&self) -> &[u64] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(confidences: &[f64]) -> ConfidenceHistogram {
        let mut histogram = ConfidenceHistogram::default();
        for confidence in confidences {
            histogram.count(Confidence::new(*confidence).unwrap());
        }
        histogram
    }

    #[rstest::rstest]
    #[case(0.0, 0)]
    #[case(4.999_999, 0)]
    #[case(5.0, 1)]
    #[case(94.999_999, 18)]
    #[case(95.0, 19)]
    #[case(100.0, 19)]
    fn a_bin_includes_its_lower_edge(#[case] confidence: f64, #[case] bin: usize) {
        let mut expected = [0; BINS];
        expected[bin] = 1;
        assert_eq!(histogram(&[confidence]).bins(), expected);
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let mut sum = histogram(&[1.0, 60.0]);
        sum.add(&histogram(&[61.0, 100.0]));
        assert_eq!(sum, histogram(&[1.0, 60.0, 61.0, 100.0]));
    }
}
