//! Features of pictures: what a network sees in them, as numbers that are close for look-alikes.

use std::fmt;

use thiserror::Error;

/// The identity of a network that computes features. Only features of the same network can be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeatureModel(Box<str>);

/// The text does not identify a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the identity of a network is 1 to 64 visible ASCII characters")]
pub struct FeatureModelError;

impl FeatureModel {
    /// Most characters of an identity.
    pub const LONGEST: usize = 64;

    /// A network of this name and version or digest, such as `classifier-0123456789abcdef`.
    pub fn parse(text: &str) -> Result<Self, FeatureModelError> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > Self::LONGEST || !is_visible {
            return Err(FeatureModelError);
        }
        Ok(Self(text.into()))
    }

    /// A model of this crate, whose name is valid.
    pub(crate) fn of_domain(name: &str) -> Self {
        Self(name.into())
    }

    /// The identity as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FeatureModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A picture's features: a direction, quantised to 8 bits a value.
///
/// Their length is not kept, as only directions are compared. Cloning copies the values.
#[derive(Clone, PartialEq, Eq)]
pub struct Features(Box<[i8]>);

/// Why numbers are no features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FeaturesError {
    /// There are none, or too many.
    #[error("features have 1 to {longest} values, not {0}", longest = Features::LONGEST)]
    Length(usize),
    /// A value is not finite, or all are 0: they have no direction.
    #[error("features have a direction")]
    Directionless,
}

impl Features {
    /// Most values of a vector: what a store keeps of a picture is bounded by it.
    pub const LONGEST: usize = 4096;

    /// Quantises what a network computed: the greatest value becomes 127 or -127.
    pub fn quantise(values: &[f32]) -> Result<Self, FeaturesError> {
        check_length(values.len())?;
        let greatest = values
            .iter()
            .fold(0_f32, |most, value| most.max(value.abs()));
        // A maximum ignores what is not a number.
        if values.iter().any(|value| !value.is_finite()) || greatest < f32::MIN_POSITIVE {
            return Err(FeaturesError::Directionless);
        }
        let scaled = values.iter().map(|value| quantised(value / greatest));
        Ok(Self(scaled.collect()))
    }

    /// The features with these quantised values, as a store keeps them.
    pub fn from_values(values: Vec<i8>) -> Result<Self, FeaturesError> {
        check_length(values.len())?;
        if values.iter().all(|value| *value == 0) {
            return Err(FeaturesError::Directionless);
        }
        Ok(Self(values.into()))
    }

    /// The quantised values.
    pub fn values(&self) -> &[i8] {
        &self.0
    }

    /// The cosine of the angle to other features, from -1 to 1; 0 if they have another number of values.
    pub fn cosine(&self, other: &Self) -> f32 {
        if self.0.len() != other.0.len() {
            return 0.0;
        }
        let squares = dot(&self.0, &self.0) * dot(&other.0, &other.0);
        narrow(dot(&self.0, &other.0) / squares.sqrt())
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Features({} values)", self.0.len())
    }
}

fn check_length(length: usize) -> Result<(), FeaturesError> {
    if (1..=Features::LONGEST).contains(&length) {
        return Ok(());
    }
    Err(FeaturesError::Length(length))
}

/// A number from -1 to 1 as one from -127 to 127.
#[allow(clippy::cast_possible_truncation, reason = "its range is that of i8")]
fn quantised(value: f32) -> i8 {
    (value * 127.0).round() as i8
}

/// The scalar product. It fits: [`Features::LONGEST`] products of at most 2^14.
fn dot(one: &[i8], other: &[i8]) -> f64 {
    let products = one.iter().zip(other);
    let sum: i32 = products.map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
    f64::from(sum)
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a cosine needs no more digits"
)]
fn narrow(cosine: f64) -> f32 {
    cosine.clamp(-1.0, 1.0) as f32
}

/// What a network computed of a picture, and which network it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFeatures {
    /// The network.
    pub model: FeatureModel,
    /// What it computed.
    pub features: Features,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_keep_their_direction() {
        let features = Features::quantise(&[0.5, -1.0, 0.25, 0.0]).unwrap();
        assert_eq!(features.values(), [64, -127, 32, 0]);
        let longer = Features::quantise(&[5.0, -10.0, 2.5, 0.0]).unwrap();
        assert_eq!(features, longer);
        assert_eq!(
            Features::from_values(vec![64, -127, 32, 0]).unwrap(),
            longer
        );
    }

    #[test]
    fn numbers_without_direction_or_bound_are_refused() {
        for values in [
            &[0.0, 0.0][..],
            &[1.0, f32::NAN],
            &[f32::INFINITY, 1.0],
            &[1e-40],
        ] {
            let error = Features::quantise(values).unwrap_err();
            assert_eq!(error, FeaturesError::Directionless, "{values:?}");
        }
        for length in [0, Features::LONGEST + 1] {
            let error = Features::quantise(&vec![1.0; length]).unwrap_err();
            assert_eq!(error, FeaturesError::Length(length));
            let error = Features::from_values(vec![1; length]).unwrap_err();
            assert_eq!(error, FeaturesError::Length(length));
        }
        assert!(Features::from_values(vec![0; 4]).is_err());
    }

    #[test]
    fn the_cosine_is_that_of_the_angle() {
        let [one, other] = [[3.0, 4.0], [4.0, 3.0]].map(|of| Features::quantise(&of).unwrap());
        assert!((one.cosine(&one) - 1.0).abs() < 1e-6);
        assert!((one.cosine(&other) - 0.96).abs() < 0.01);
        let opposite = Features::quantise(&[-3.0, -4.0]).unwrap();
        assert!((one.cosine(&opposite) + 1.0).abs() < 1e-6);
        let longest = Features::from_values(vec![-128; Features::LONGEST]).unwrap();
        assert!((longest.cosine(&longest) - 1.0).abs() < 1e-6);
        assert!(one.cosine(&longest).abs() < f32::EPSILON);
    }

    #[test]
    fn the_identity_of_a_network_is_a_word() {
        let longest = "x".repeat(FeatureModel::LONGEST);
        assert_eq!(FeatureModel::parse(&longest).unwrap().as_str(), longest);
        for text in ["", "two words", "ñ", &"x".repeat(65)] {
            assert_eq!(FeatureModel::parse(text), Err(FeatureModelError), "{text}");
        }
    }
}
