//! Both networks and the vocabulary: a picture in, tags out.

use domain::{Picture, Tags};
use thiserror::Error;

use crate::{
    files::{ModelError, ModelFiles},
    input::{InputError, View, planes},
    network::{Network, Outputs},
    rule,
    vocabulary::Vocabulary,
};

/// A model that is loaded.
#[derive(Debug)]
pub(crate) struct Networks {
    vocabulary: Vocabulary,
    classifier: Network,
    detector: Network,
}

/// A picture was not tagged.
#[derive(Debug, Error)]
pub(crate) enum TaggingError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Network(#[from] ModelError),
}

impl Networks {
    /// Loads the networks, which takes a good part of a second.
    pub(crate) fn load(files: &ModelFiles, vocabulary: Vocabulary) -> Result<Self, ModelError> {
        let classes = vocabulary.classes;
        let things = vocabulary.things.len();
        Ok(Self {
            classifier: Network::load(
                "classifier.onnx",
                &files.classifier,
                classes,
                Outputs::Probabilities,
            )?,
            detector: Network::load("detector.onnx", &files.detector, things, Outputs::Scores)?,
            vocabulary,
        })
    }

    /// Tags a picture. Takes some 0.06 s of one core.
    pub(crate) fn tag(&self, picture: &Picture) -> Result<Tags, TaggingError> {
        let view = planes(picture, &self.classifier, View::Centre)?;
        let probabilities = self.classifier.run(&view)?;
        let view = planes(picture, &self.detector, View::Whole)?;
        let scores = self.detector.run(&view)?;
        Ok(rule::tags(&self.vocabulary, &probabilities, &scores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture that the golden values belong to: three bytes a pixel.
    fn synthetic(side: usize) -> Vec<f32> {
        let mean = [0.485, 0.456, 0.406];
        let deviation = [0.229, 0.224, 0.225];
        let mut planes = Vec::new();
        for colour in 0..3 {
            for y in 0..side {
                for x in 0..side {
                    let sample = u8::try_from((x * 7 + y * 13 + colour * 29) % 256).unwrap();
                    planes.push((f32::from(sample) / 255.0 - mean[colour]) / deviation[colour]);
                }
            }
        }
        planes
    }

    #[test]
    fn outputs_are_those_of_the_reference() {
        let files = ModelFiles::embedded();
        let networks = Networks::load(&files, Vocabulary::read(&files).unwrap()).unwrap();
        let golden = include_str!("../model/golden.tsv");
        let mut compared = 0;
        for line in golden.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<_> = line.split('\t').collect();
            let network = match fields[1] {
                "224x224" => &networks.classifier,
                _ => &networks.detector,
            };
            let outputs = network.run(&synthetic(network.width)).unwrap();
            for value in fields[2].split(' ') {
                let (class, value) = value.split_once(':').unwrap();
                let (class, value): (usize, f32) = (class.parse().unwrap(), value.parse().unwrap());
                assert!((outputs[class] - value).abs() < 1e-3, "{line}: {class}");
                compared += 1;
            }
        }
        assert_eq!(compared, 10);
    }
}
