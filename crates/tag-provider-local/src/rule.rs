//! Computes tags from the networks' outputs.
//!
//! The classifier gives a probability for each of a thousand fine classes. Summed up the hierarchy,
//! `tabby`, `tiger cat` and `egyptian cat`, each uncertain, become a certain `cat`. The detector finds
//! objects anywhere in the picture, and people, for which the classifier has no class; if the classifier
//! sees nothing of the kind the score is lowered, if both see it, raised.
//!
//! Then come the heads, which know words without a class (`sky`, `room`): an animal vetoed by the
//! classifier's features is halved, and each word gets the higher of both confidences. Last, two people or
//! more are `people`, and pictures without colours are `black and white`.

use domain::{Confidence, Tag, Tags};

use crate::{
    hierarchy::{TagIndex, Thing, raise},
    readings::Readings,
    vocabulary::Vocabulary,
};

/// The classifier is underconfident: its probabilities are raised to `1 / TEMPERATURE`.
const TEMPERATURE: f64 = 0.8;
/// The lower bound of probabilities, so that something is left to be normalised.
const LOWEST_PROBABILITY: f64 = 1e-9;
/// Scores of the detector below this are noise.
const LOWEST_SCORE: f64 = 0.3;
/// An object whose classes have less than this is doubted,
const GATE: f64 = 0.10;
/// and keeps at least this fraction of its score.
const DOUBT: f64 = 0.6;
/// From this score on the detector's score and the classifier's are combined.
const SURE: f64 = 0.6;
/// The belief in a picture without colours: some are grey text.
const BLACK_AND_WHITE: f64 = 0.9;
/// The lowest confidence in an answer, of 100.
const LOWEST_CONFIDENCE: f64 = 5.0;

/// The tags of a picture's readings.
pub(crate) fn tags(vocabulary: &Vocabulary, readings: &Readings) -> Tags {
    let classified = classified(vocabulary, &readings.probabilities);
    let mut beliefs = with_things(vocabulary, &classified, &readings.scores);
    if let Some(heads) = &vocabulary.heads {
        heads.apply(&mut beliefs, &readings.features, &readings.scores);
    }
    if let (Some(people), Some(score)) = (vocabulary.people, readings.second_person) {
        raise(&mut beliefs, people, score.into());
    }
    if let (Some(tag), true) = (vocabulary.black_and_white, readings.is_black_and_white) {
        raise(&mut beliefs, tag, BLACK_AND_WHITE);
    }
    let tags = vocabulary.tags.iter().zip(beliefs);
    tags.filter_map(|(tag, belief)| {
        let confidence = confidence(belief)?;
        Some(Tag {
            label: tag.label.clone(),
            confidence,
        })
    })
    .collect()
}

/// The classifier's beliefs, raised by the detector's scores.
fn with_things(vocabulary: &Vocabulary, classified: &[f64], scores: &[f32]) -> Vec<f64> {
    let mut beliefs = classified.to_vec();
    for (thing, score) in vocabulary.things.iter().zip(scores) {
        let score = f64::from(*score);
        if score >= LOWEST_SCORE {
            let score = weighed(vocabulary, classified, thing, score);
            for tag in thing.above.iter().chain([&thing.tag]) {
                raise(&mut beliefs, *tag, score);
            }
        }
    }
    beliefs
}

/// The classifier's belief in each tag: the sum of all classes below it.
fn classified(vocabulary: &Vocabulary, probabilities: &[f32]) -> Vec<f64> {
    let sharpened = probabilities.iter().map(|probability| {
        let probability = f64::from(*probability).clamp(LOWEST_PROBABILITY, 1.0);
        probability.powf(1.0 / TEMPERATURE)
    });
    let sharpened: Vec<f64> = sharpened.collect();
    let whole: f64 = sharpened.iter().sum();
    let tags = vocabulary.tags.iter();
    tags.map(|tag| {
        let classes = tag.classes.iter().filter_map(|class| sharpened.get(*class));
        (classes.sum::<f64>() / whole).min(1.0)
    })
    .collect()
}

/// The detector's score of an object, adjusted by the classifier.
fn weighed(vocabulary: &Vocabulary, classified: &[f64], thing: &Thing, score: f64) -> f64 {
    if thing.is_person {
        return score;
    }
    let of_classifier = |tag: &TagIndex| {
        let tag_of = vocabulary.tags.get(*tag)?;
        let belief = classified.get(*tag).copied()?;
        (!tag_of.classes.is_empty()).then_some(belief)
    };
    let own = of_classifier(&thing.tag);
    let belief = own.unwrap_or_else(|| {
        let above = thing.above.iter().filter_map(of_classifier);
        above.max_by(f64::total_cmp).unwrap_or(1.0)
    });
    if belief < GATE {
        score * (DOUBT + (1.0 - DOUBT) * belief / GATE)
    } else if own.is_some() && score >= SURE {
        1.0 - (1.0 - score) * (1.0 - belief)
    } else {
        score
    }
}

/// A belief as a confidence with two decimals, if it is high enough.
fn confidence(belief: f64) -> Option<Confidence> {
    let rounded = (belief * 10_000.0).round() / 100.0;
    let confidence = Confidence::new(rounded.min(100.0)).ok()?;
    (confidence.get() >= LOWEST_CONFIDENCE).then_some(confidence)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::borrow::Cow;

    use super::*;
    use crate::{
        files::{HeadFiles, ModelFiles},
        heads::tests::stored,
        vocabulary::tests::files,
    };

    /// Four classes: two cats, a dog, a cup. Objects: person, cat, dog, a toy that only the detector knows.
    fn vocabulary() -> Vocabulary {
        vocabulary_with("", &[])
    }

    /// The same with heads of two features each.
    fn vocabulary_with(heads: &str, weights: &[f32]) -> Vocabulary {
        let hierarchy = "tabby\tl\tcat\ttabby\nmanx\tl\tcat\tmanx\npug\tl\tdog\tpug\n\
            cup\tl\tware\tcup\nware\ti\t\tware\ncat\ti\tanimal\tcat\ndog\ti\tanimal\tdog\n\
            animal\ti\t\tanimal\nperson\tc\t\tperson\ntoy\tc\tware\ttoy\nalien\tc\t\talien\n\
            crowd\tx\t\tpeople\ngrey\tx\t\tblack and white\n";
        let labels = "0\ttabby\n1\tmanx\n2\tpug\n3\tcup\n";
        let things =
            "0\tperson\tperson\n1\tcat\tcat\n2\tdog\tdog\n3\tteddy\ttoy\n4\talien\talien\n";
        let mut files = files(hierarchy, labels, things);
        files.heads = (!heads.is_empty()).then(|| HeadFiles {
            table: Cow::Owned(heads.as_bytes().to_vec()),
            weights: stored(weights),
        });
        Vocabulary::read(&files).unwrap()
    }

    fn readings(probabilities: [f32; 4], scores: [f32; 5]) -> Readings {
        Readings {
            probabilities: probabilities.to_vec(),
            scores: scores.to_vec(),
            ..Readings::default()
        }
    }

    fn found(probabilities: [f32; 4], scores: [f32; 5]) -> Vec<(String, f64)> {
        found_by(&vocabulary(), &readings(probabilities, scores))
    }

    fn found_by(vocabulary: &Vocabulary, readings: &Readings) -> Vec<(String, f64)> {
        let tags = tags(vocabulary, readings);
        let pair = |tag: &Tag| (tag.label.as_str().to_owned(), tag.confidence.get());
        tags.iter().map(pair).collect()
    }

    fn of(found: &[(String, f64)], name: &str) -> Option<f64> {
        let tag = found.iter().find(|(label, _)| label == name);
        tag.map(|(_, confidence)| *confidence)
    }

    /// The probability that amounts to `belief` among two after sharpening.
    fn split(belief: f64) -> [f32; 2] {
        #[expect(clippy::cast_possible_truncation, reason = "outputs are f32")]
        [belief, 1.0 - belief].map(|part| part.powf(TEMPERATURE) as f32)
    }

    #[test]
    fn classes_are_summed_up_the_hierarchy() {
        let found = found([0.4, 0.4, 0.1, 0.1], [0.0; 5]);
        let (sure, unsure) = (0.4f64.powf(1.25), 0.1f64.powf(1.25));
        let whole = 2.0 * (sure + unsure);
        let expected = |part: f64| (part / whole * 10_000.0).round() / 100.0;
        assert_eq!(of(&found, "tabby"), Some(expected(sure)));
        assert_eq!(of(&found, "cat"), Some(expected(2.0 * sure)));
        assert_eq!(of(&found, "animal"), Some(expected(2.0 * sure + unsure)));
        assert_eq!(of(&found, "person"), None);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "animal", "cat", "manx", "tabby", "cup", "dog", "pug", "ware"
            ],
            "by confidence, then by name"
        );
    }

    #[test]
    fn person_depends_on_the_detector_alone() {
        assert_eq!(
            of(
                &found([1.0, 0.0, 0.0, 0.0], [0.95, 0.0, 0.0, 0.0, 0.0]),
                "person"
            ),
            Some(95.0)
        );
        assert_eq!(
            of(
                &found([1.0, 0.0, 0.0, 0.0], [0.29, 0.0, 0.0, 0.0, 0.0]),
                "person"
            ),
            None
        );
    }

    #[test]
    fn object_unseen_by_the_classifier_is_lowered() {
        let [cat, cup] = split(0.05);
        let found = found([cat, 0.0, 0.0, cup], [0.0, 0.8, 0.5, 0.0, 0.0]);
        assert_eq!(
            of(&found, "cat"),
            Some(64.0),
            "0.8 x (0.6 + 0.4 x 0.05 / 0.1)"
        );
        assert_eq!(of(&found, "dog"), Some(30.0), "0.5 x 0.6");
        assert_eq!(
            of(&found, "animal"),
            Some(64.0),
            "what is above a thing is there, too"
        );
    }

    #[test]
    fn object_seen_by_both_is_raised() {
        let [cat, cup] = split(0.5);
        let found_sure = found([cat, 0.0, 0.0, cup], [0.0, 0.6, 0.0, 0.0, 0.0]);
        assert_eq!(of(&found_sure, "cat"), Some(80.0), "1 - 0.4 x 0.5");
        let found_unsure = found([cat, 0.0, 0.0, cup], [0.0, 0.59, 0.0, 0.0, 0.0]);
        assert_eq!(of(&found_unsure, "cat"), Some(59.0));
    }

    #[test]
    fn object_without_classes_is_judged_by_its_ancestors() {
        let [cat, cup] = split(0.95);
        let found_doubted = found([cat, 0.0, 0.0, cup], [0.0, 0.0, 0.0, 0.7, 0.7]);
        assert_eq!(
            of(&found_doubted, "toy"),
            Some(56.0),
            "0.7 x (0.6 + 0.4 x 0.05 / 0.1)"
        );
        assert_eq!(of(&found_doubted, "ware"), Some(56.0));
        assert_eq!(
            of(&found_doubted, "alien"),
            Some(70.0),
            "nothing is above it"
        );
        let [cat, cup] = split(0.5);
        let found = found([cat, 0.0, 0.0, cup], [0.0, 0.0, 0.0, 0.7, 0.0]);
        assert_eq!(of(&found, "toy"), Some(70.0), "it is not raised");
    }

    #[test]
    fn low_confidences_are_omitted() {
        let [cat, cup] = split(0.049_94);
        assert_eq!(of(&found([cat, 0.0, 0.0, cup], [0.0; 5]), "cat"), None);
        let [cat, cup] = split(0.050_04);
        assert_eq!(of(&found([cat, 0.0, 0.0, cup], [0.0; 5]), "cat"), Some(5.0));
    }

    /// The logit of a probability, inverse of a head's logistic function.
    fn logit(probability: f64) -> f64 {
        (probability / (1.0 - probability)).ln()
    }

    #[test]
    fn word_and_ancestors_get_the_higher_confidence() {
        let table = format!(
            "hut\th\tware,shelter\t{}\t0\ttag\ncup\tc\t\t{}\t1\ttag\n",
            logit(0.7),
            logit(0.2)
        );
        let vocabulary = vocabulary_with(&table, &[0.0; 4]);
        let [cat, cup] = split(0.5);
        let mut readings = readings([cat, 0.0, 0.0, cup], [0.0; 5]);
        readings.features = vec![0.0, 0.0];
        let found = found_by(&vocabulary, &readings);
        assert_eq!(of(&found, "hut"), Some(70.0));
        assert_eq!(of(&found, "shelter"), Some(70.0));
        assert_eq!(of(&found, "ware"), Some(70.0), "raised from 50");
        assert_eq!(of(&found, "cup"), Some(50.0), "a head lowers nothing");
        assert_eq!(of(&found, "tabby"), Some(50.0));
    }

    #[test]
    fn descendants_of_a_word_do_not_change() {
        let table = format!("cat\tcat\t\t{}\t0\ttag\n", logit(0.9));
        let mut readings = readings([0.0, 0.0, 0.0, 1.0], [0.0; 5]);
        readings.features = vec![0.0, 0.0];
        let found = found_by(&vocabulary_with(&table, &[0.0; 2]), &readings);
        assert_eq!(of(&found, "cat"), Some(90.0));
        assert_eq!(of(&found, "tabby"), None);
        assert_eq!(of(&found, "animal"), None, "only the ancestors it names");
    }

    /// An animal of confidence 64, with a veto whose probability is that of its bias.
    fn vetoed(probability: f64, animal_score: f32) -> Vec<(String, f64)> {
        let (veto, cat) = (logit(probability), logit(0.4));
        let table = format!("animal\tanimal\t\t{veto}\t0\tveto\ncat\tc\t\t{cat}\t1\ttag\n");
        let [cat, cup] = split(0.64);
        let scores = [0.9, 0.0, animal_score, 0.0, 0.0];
        let mut readings = readings([cat, 0.0, 0.0, cup], scores);
        readings.features = vec![0.0, 0.0];
        found_by(&vocabulary_with(&table, &[0.0; 4]), &readings)
    }

    #[test]
    fn veto_halves_its_subtree_before_words_apply() {
        let found = vetoed(0.0999, 0.0);
        assert_eq!(of(&found, "animal"), Some(32.0));
        assert_eq!(of(&found, "tabby"), Some(32.0));
        assert_eq!(of(&found, "cat"), Some(40.0), "its head raises it again");
        assert_eq!(of(&found, "cup"), Some(36.0));
        assert_eq!(of(&found, "person"), Some(90.0));
    }

    #[test]
    fn veto_needs_low_probability_and_no_detected_animal() {
        assert_eq!(of(&vetoed(0.1001, 0.0), "animal"), Some(64.0));
        assert_eq!(of(&vetoed(0.0999, 0.4501), "animal"), Some(64.0));
        assert_eq!(of(&vetoed(0.0999, 0.4499), "animal"), Some(32.0));
    }

    #[test]
    fn two_people_are_people() {
        let mut readings = readings([0.0, 0.0, 0.0, 1.0], [0.9, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(of(&found_by(&vocabulary(), &readings), "people"), None);
        readings.second_person = Some(0.625);
        assert_eq!(
            of(&found_by(&vocabulary(), &readings), "people"),
            Some(62.5)
        );
        let heads = |probability| format!("people\tx\tperson\t{}\t0\ttag\n", logit(probability));
        readings.features = vec![0.0, 0.0];
        for (probability, expected) in [(0.7, 70.0), (0.4, 62.5)] {
            let vocabulary = vocabulary_with(&heads(probability), &[0.0; 2]);
            assert_eq!(
                of(&found_by(&vocabulary, &readings), "people"),
                Some(expected)
            );
        }
    }

    #[test]
    fn a_picture_without_colours_is_black_and_white() {
        let mut readings = readings([0.0, 0.0, 0.0, 1.0], [0.0; 5]);
        let black_and_white =
            |readings: &Readings| of(&found_by(&vocabulary(), readings), "black and white");
        assert_eq!(black_and_white(&readings), None);
        readings.is_black_and_white = true;
        assert_eq!(black_and_white(&readings), Some(90.0));
    }

    #[test]
    fn a_model_without_these_tags_does_without() {
        let files = files("a\tl\t\ta\n", "0\ta\n", "0\tperson\ta\n");
        let vocabulary = Vocabulary::read(&files).unwrap();
        let readings = Readings {
            probabilities: vec![1.0],
            scores: vec![0.0],
            second_person: Some(0.9),
            is_black_and_white: true,
            ..Readings::default()
        };
        assert_eq!(found_by(&vocabulary, &readings), [("a".to_owned(), 100.0)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// In the embedded model: the ancestors of an object are at least as certain as the object.
        #[test]
        fn ancestors_are_at_least_as_certain(
            peaks in prop::collection::vec((0..1000usize, 0.0..1.0f32), 1..12),
            scores in prop::collection::vec(0.0..1.0f32, 80),
            features in prop::collection::vec(0.0..0.5f32, 1280),
        ) {
            let vocabulary = Vocabulary::read(&ModelFiles::embedded()).unwrap();
            let mut probabilities = vec![1e-6; 1000];
            for (class, probability) in peaks {
                probabilities[class] = probability;
            }
            let readings = Readings { probabilities, features, scores, ..Readings::default() };
            let found = tags(&vocabulary, &readings);
            let of = |tag: usize| {
                let label = &vocabulary.tags[tag].label;
                found.iter().find(|tag| tag.label == *label).map_or(0.0, |tag| tag.confidence.get())
            };
            for thing in &vocabulary.things {
                for above in &thing.above {
                    prop_assert!(of(*above) >= of(thing.tag));
                }
            }
            // A tag whose classes are a subset of another's is below it.
            for (below, tag) in vocabulary.tags.iter().enumerate().filter(|(_, tag)| tag.classes.len() == 1) {
                for (above, other) in vocabulary.tags.iter().enumerate() {
                    if other.classes.binary_search(&tag.classes[0]).is_ok()
                        && !vocabulary.things.iter().any(|thing| thing.tag == below || thing.above.contains(&below))
                    {
                        prop_assert!(of(above) >= of(below), "{:?} and {:?}", other.label, tag.label);
                    }
                }
            }
        }
    }
}
