//! The readings of a picture, input of the rule.

/// The numbers that the rule uses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readings {
    /// The probability of each class of the classifier.
    pub(crate) probabilities: Vec<f32>,
    /// The input of the classifier's last matrix, and of the heads. Empty if the model does not name it.
    pub(crate) features: Vec<f32>,
    /// The best score of each object that the detector knows.
    pub(crate) scores: Vec<f32>,
    /// The score of the second person, if the detector finds two.
    pub(crate) second_person: Option<f32>,
    pub(crate) is_black_and_white: bool,
}
