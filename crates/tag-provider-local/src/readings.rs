//! What is read off a picture, before the rule makes tags of it.

/// The numbers that the rule goes by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readings {
    /// Of each class of the classifier.
    pub(crate) probabilities: Vec<f32>,
    /// What the classifier computes before its last matrix: the input of the heads. Empty where a model
    /// does not name it.
    pub(crate) features: Vec<f32>,
    /// The best score of each thing that the detector knows.
    pub(crate) scores: Vec<f32>,
    /// The score of the second person, where the detector finds two.
    pub(crate) second_person: Option<f32>,
    pub(crate) is_black_and_white: bool,
}
