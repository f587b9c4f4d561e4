//! Both networks and the vocabulary: a picture in, tags out.

use domain::{FeatureModel, Features, FeaturesError, ModelFeatures, Picture, ports::Prediction};
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
    /// The identity of the classifier.
    feature_model: FeatureModel,
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
    #[error(transparent)]
    Features(#[from] FeaturesError),
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
            feature_model: files.feature_model()?,
            detector,
        })
    }

    /// Tags a picture. Takes some 0.06 s of one core.
    pub(crate) fn tag(&self, picture: &Picture) -> Result<Prediction, TaggingError> {
        let readings = self.read(picture)?;
        Ok(Prediction {
            tags: rule::tags(&self.vocabulary, &readings),
            features: self.model_features(&readings.features),
        })
    }

    /// The features of the classifier's pooling layer, from which it computes its classes. `None` if it does not
    /// name them, or they have no direction.
    fn model_features(&self, values: &[f32]) -> Option<ModelFeatures> {
        Some(ModelFeatures {
            model: self.feature_model.clone(),
            features: Features::quantise(values).ok()?,
        })
    }

    /// The features of a picture alone. Takes some 0.03 s of one core.
    pub(crate) fn features(&self, picture: &Picture) -> Result<Features, TaggingError> {
        let view = planes(picture, &self.classifier, View::Centre)?;
        let classified = self.classifier.run(&view)?;
        Ok(Features::quantise(classified.inner())?)
    }

    /// Whether the classifier names its features.
    pub(crate) fn has_features(&self) -> bool {
        self.classifier.inner.is_some()
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
    fn features_are_near_those_of_a_smaller_copy_and_far_from_those_of_another_picture() {
        let files = ModelFiles::embedded();
        let networks = Networks::load(&files, Vocabulary::read(&files).unwrap()).unwrap();
        let features = |picture: &Picture| networks.tag(picture).unwrap().features.unwrap();
        let (rocket, coffee) = (photo("rocket.jpg"), photo("coffee.jpg"));
        let small = smaller(&rocket);
        let [rocket, small, coffee] = [&rocket, &small, &coffee].map(features);
        assert_eq!(rocket.model, files.feature_model().unwrap());
        assert_eq!(rocket.features.values().len(), 1280);
        let near = rocket.features.cosine(&small.features);
        let far = rocket.features.cosine(&coffee.features);
        assert!(near > 0.8 && far < 0.5, "{near} {far}");
    }

    /// Parts of four photos: each is to be found by the others of its photo that show most of the same. How many of the
    /// ten nearest by the network's own numbers are among the ten nearest by what is kept of them; `--nocapture` prints it.
    #[test]
    fn quantised_features_and_codes_find_what_the_features_do() {
        let files = ModelFiles::embedded();
        let networks = Networks::load(&files, Vocabulary::read(&files).unwrap()).unwrap();
        let mut exact: Vec<Vec<f32>> = Vec::new();
        for name in ["astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg"] {
            for number in 0..24 {
                let part = part(&photo(name), number);
                let view = planes(&part, &networks.classifier, View::Centre).unwrap();
                let run = networks.classifier.run(&view).unwrap();
                exact.push(run.inner().to_vec());
            }
        }
        let kept = exact
            .iter()
            .map(|values| Features::quantise(values).unwrap());
        let kept: Vec<Features> = kept.collect();
        let codes: Vec<_> = kept.iter().map(Features::code).collect();
        let by_values = recall(&exact, |one, other| kept[one].cosine(&kept[other]));
        let by_codes = |count: usize| {
            recall_after(&exact, count, |one, other| {
                let distance = codes[one].distance(&codes[other]).unwrap();
                -f32::from(u16::try_from(distance).unwrap())
            })
        };
        let found = [10, 20, 30].map(by_codes);
        println!(
            "recall@10 of {}: quantised {by_values:.3}; of the best 10, 20, 30 codes {found:.3?}",
            exact.len()
        );
        assert!(
            by_values > 0.98 && found[0] > 0.7 && found[2] > 0.95,
            "{by_values} {found:?}"
        );
    }

    /// A part of a picture, mirrored every other time.
    fn part(picture: &Picture, number: u32) -> Picture {
        let whole =
            image::RgbImage::from_raw(picture.width, picture.height, picture.pixels.clone());
        let whole = whole.unwrap();
        let (width, height) = (
            picture.width * (5 + number % 4) / 10,
            picture.height * (5 + number % 5) / 10,
        );
        let (x, y) = (
            (picture.width - width) * (number % 7) / 6,
            (picture.height - height) * (number % 3) / 2,
        );
        let mut part = image::imageops::crop_imm(&whole, x, y, width, height).to_image();
        if number % 2 == 1 {
            image::imageops::flip_horizontal_in_place(&mut part);
        }
        Picture {
            width,
            height,
            scaled_width: width,
            scaled_height: height,
            pixels: part.into_raw(),
            ..picture.clone()
        }
    }

    /// The share of the ten nearest by the exact features that are among the ten nearest by another measure.
    fn recall(exact: &[Vec<f32>], measure: impl Fn(usize, usize) -> f32) -> f32 {
        recall_after(exact, 10, measure)
    }

    /// The same, for that many nearest by the other measure.
    fn recall_after(
        exact: &[Vec<f32>],
        count: usize,
        measure: impl Fn(usize, usize) -> f32,
    ) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let cosine = |one: usize, other: usize| {
            let (one, other) = (&exact[one], &exact[other]);
            dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
        };
        let nearest = |own: usize, measure: &dyn Fn(usize, usize) -> f32, count: usize| {
            let mut others: Vec<usize> = (0..exact.len()).filter(|other| *other != own).collect();
            others.sort_by(|one, other| measure(own, *other).total_cmp(&measure(own, *one)));
            others.truncate(count);
            others
        };
        let mut found = 0_u16;
        for own in 0..exact.len() {
            let expected = nearest(own, &cosine, 10);
            let others = nearest(own, &measure, count);
            let hits = expected
                .iter()
                .filter(|other| others.contains(other))
                .count();
            found += u16::try_from(hits).unwrap();
        }
        f32::from(found) / f32::from(u16::try_from(exact.len() * 10).unwrap())
    }

    /// Of half the width and height.
    fn smaller(picture: &Picture) -> Picture {
        let whole =
            image::RgbImage::from_raw(picture.width, picture.height, picture.pixels.clone());
        let (width, height) = (picture.width / 2, picture.height / 2);
        let filter = image::imageops::FilterType::Triangle;
        let half = image::imageops::resize(&whole.unwrap(), width, height, filter);
        Picture {
            width,
            height,
            scaled_width: width,
            scaled_height: height,
            pixels: half.into_raw(),
            ..picture.clone()
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
        let tags = networks.tag(&photo("rocket.jpg")).unwrap().tags;
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
