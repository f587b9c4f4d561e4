//! Both networks and the vocabulary: a picture in, tags out.

use domain::{Picture, Tags};
use thiserror::Error;

use crate::{
    files::{ModelError, ModelFiles},
    heads,
    input::{InputError, View, is_black_and_white, planes},
    network::{Form, Network, Outputs},
    peaks::Grids,
    readings::Readings,
    rule,
    vocabulary::Vocabulary,
};

/// Names of the input of a classifier's last matrix: in our model, and in others.
const FEATURES: &[&str] = &["flatten_1.tmp_0", "features"];
/// Names of a detector's scores before the maximum of each object is taken: in our model, and in others.
const CELLS: &[&str] = &["p2o.Concat.9", "cells"];

/// A loaded model.
#[derive(Debug)]
pub(crate) struct Networks {
    vocabulary: Vocabulary,
    classifier: Network,
    detector: Network,
    people: Option<People>,
}

/// The location of people in the detector's inner scores.
#[derive(Debug)]
struct People {
    grids: Grids,
    /// The output that stands for a person.
    thing: usize,
}

/// Why a picture was not tagged.
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
        let form = Form {
            outputs: vocabulary.classes,
            meaning: Outputs::Probabilities,
            inner: FEATURES,
        };
        let classifier = Network::load("classifier.onnx", &files.classifier, form)?;
        if let Some(heads) = &vocabulary.heads {
            heads::check(heads, classifier.inner.as_deref())?;
        }
        let form = Form {
            outputs: vocabulary.things.len(),
            meaning: Outputs::Scores,
            inner: CELLS,
        };
        let detector = Network::load("detector.onnx", &files.detector, form)?;
        Ok(Self {
            people: People::find(&detector, &vocabulary),
            vocabulary,
            classifier,
            detector,
        })
    }

    /// Tags a picture. Takes some 0.06 s of one core.
    pub(crate) fn tag(&self, picture: &Picture) -> Result<Tags, TaggingError> {
        Ok(rule::tags(&self.vocabulary, &self.read(picture)?))
    }

    /// Everything that the rule uses, and the classifier's features.
    fn read(&self, picture: &Picture) -> Result<Readings, TaggingError> {
        let view = planes(picture, &self.classifier, View::Centre)?;
        let classified = self.classifier.run(&view)?;
        let view = planes(picture, &self.detector, View::Whole)?;
        let detected = self.detector.run(&view)?;
        let people = self.people.as_ref();
        Ok(Readings {
            probabilities: classified.output().to_vec(),
            features: classified.inner().to_vec(),
            scores: detected.output().to_vec(),
            second_person: people.and_then(|people| people.second(detected.inner())),
            is_black_and_white: is_black_and_white(picture)?,
        })
    }
}

impl People {
    /// `None` if the detector has no person, or no inner scores of the right shape.
    fn find(detector: &Network, vocabulary: &Vocabulary) -> Option<Self> {
        let grids = Grids::new(detector.width, detector.height);
        let things = &vocabulary.things;
        let thing = things.iter().position(|thing| thing.is_person)?;
        let shape = [1, things.len(), grids.cells()];
        (detector.inner.as_deref() == Some(&shape)).then_some(Self { grids, thing })
    }

    /// The score of the second person.
    fn second(&self, scores: &[f32]) -> Option<f32> {
        let of_person = scores.chunks(self.grids.cells()).nth(self.thing)?;
        self.grids.second_peak(of_person)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::MediaType;

    use super::*;

    /// Decoded separately, at full size.
    fn photo(name: &str) -> Picture {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../image-codec/tests/photos");
        let photo = image::open(format!("{folder}/{name}")).unwrap().to_rgb8();
        let (width, height) = photo.dimensions();
        Picture {
            media_type: MediaType::Jpeg,
            width,
            height,
            scaled_width: width,
            scaled_height: height,
            pixels: photo.into_raw(),
            as_uploaded: None,
        }
    }

    #[test]
    fn heads_are_those_of_the_reference() {
        let files = ModelFiles::embedded();
        let networks = Networks::load(&files, Vocabulary::read(&files).unwrap()).unwrap();
        let heads = networks.vocabulary.heads.as_ref().unwrap();
        let mut golden: BTreeMap<(&str, &str), f64> = BTreeMap::new();
        let table = include_str!("../model/heads/golden.tsv").lines();
        for line in table.filter(|line| !line.starts_with('#')) {
            let fields: Vec<_> = line.split('\t').collect();
            golden.insert((fields[0], fields[1]), fields[2].parse().unwrap());
        }
        assert_eq!(golden.len(), 12);
        for name in ["astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg"] {
            let readings = networks.read(&photo(name)).unwrap();
            for (tag, probability) in heads.probabilities(&readings.features) {
                let tag = networks.vocabulary.tags[tag].label.as_str();
                let confidence = 100.0 * probability;
                // The table omits values below 5.
                let (least, most) = match golden.get(&(name, tag)) {
                    Some(expected) => (expected - 1.5, expected + 1.5),
                    None => (0.0, 6.5),
                };
                let is_right = (least..=most).contains(&confidence);
                assert!(is_right, "{name}: {tag} {confidence}");
            }
        }
    }

    #[test]
    fn heads_must_fit_the_features() {
        let mut files = ModelFiles::embedded();
        let heads = files.heads.as_mut().unwrap();
        heads.weights.to_mut().truncate(26 * 4);
        let error = Networks::load(&files, Vocabulary::read(&files).unwrap()).unwrap_err();
        let expected = "heads/heads.f32: each head has 1 weights";
        assert!(error.to_string().starts_with(expected), "{error}");
    }

    #[test]
    fn a_model_without_heads_has_its_classes_alone() {
        let files = ModelFiles {
            heads: None,
            ..ModelFiles::embedded()
        };
        let networks = Networks::load(&files, Vocabulary::read(&files).unwrap()).unwrap();
        let tags = networks.tag(&photo("rocket.jpg")).unwrap();
        assert!(tags.iter().all(|tag| tag.label.as_str() != "sky"));
        assert!(!tags.is_empty());
    }

    /// The picture of the golden values: three bytes a pixel.
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
            let run = network.run(&synthetic(network.width)).unwrap();
            let outputs = run.output();
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
