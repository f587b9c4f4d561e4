//! From the networks' outputs to tags.
//!
//! The classifier says of a thousand fine classes how probable each is. Summed up the hierarchy,
//! `tabby`, `tiger cat` and `egyptian cat`, each unsure of itself, become a sure `cat`. The detector
//! finds things anywhere in the picture, and people, whom the classifier does not know; where the
//! classifier sees nothing of the kind it is believed less, where both see it, more.

use domain::{Confidence, Tag, Tags};

use crate::vocabulary::{TagIndex, Thing, Vocabulary};

/// The classifier is too unsure of itself: its probabilities are raised to `1 / TEMPERATURE`.
const TEMPERATURE: f64 = 0.8;
/// No probability is lower, so that something is left to be normalised.
const LOWEST_PROBABILITY: f64 = 1e-9;
/// Scores of the detector below this one are noise.
const LOWEST_SCORE: f64 = 0.3;
/// A thing that the classifier gives less than this is doubted,
const GATE: f64 = 0.10;
/// and keeps at least this part of its score.
const DOUBT: f64 = 0.6;
/// From this score on the detector's word and the classifier's are put together.
const SURE: f64 = 0.6;
/// What is less than this, of 100, is no part of an answer.
const LOWEST_CONFIDENCE: f64 = 5.0;

/// The tags that the outputs of both networks come to.
pub(crate) fn tags(vocabulary: &Vocabulary, probabilities: &[f32], scores: &[f32]) -> Tags {
    let classified = classified(vocabulary, probabilities);
    let mut beliefs = classified.clone();
    for (thing, score) in vocabulary.things.iter().zip(scores) {
        let score = f64::from(*score);
        if score >= LOWEST_SCORE {
            let score = weighed(vocabulary, &classified, thing, score);
            for tag in thing.above.iter().chain([&thing.tag]) {
                if let Some(belief) = beliefs.get_mut(*tag) {
                    *belief = belief.max(score);
                }
            }
        }
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

/// The classifier's belief in each tag: that of all classes beneath it.
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

/// The detector's score of a thing, with what the classifier says of it.
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

/// A belief as a confidence with two decimals, if it is worth telling.
fn confidence(belief: f64) -> Option<Confidence> {
    let rounded = (belief * 10_000.0).round() / 100.0;
    let confidence = Confidence::new(rounded.min(100.0)).ok()?;
    (confidence.get() >= LOWEST_CONFIDENCE).then_some(confidence)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{files::ModelFiles, vocabulary::tests::files};

    /// Four classes: two cats, a dog, a cup. Things: person, cat, dog, a toy that only the detector
    /// knows.
    fn vocabulary() -> Vocabulary {
        let hierarchy = "tabby\tl\tcat\ttabby\nmanx\tl\tcat\tmanx\npug\tl\tdog\tpug\n\
            cup\tl\tware\tcup\nware\ti\t\tware\ncat\ti\tanimal\tcat\ndog\ti\tanimal\tdog\n\
            animal\ti\t\tanimal\nperson\tc\t\tperson\ntoy\tc\tware\ttoy\nalien\tc\t\talien\n";
        let labels = "0\ttabby\n1\tmanx\n2\tpug\n3\tcup\n";
        let things =
            "0\tperson\tperson\n1\tcat\tcat\n2\tdog\tdog\n3\tteddy\ttoy\n4\talien\talien\n";
        Vocabulary::read(&files(hierarchy, labels, things)).unwrap()
    }

    fn found(probabilities: [f32; 4], scores: [f32; 5]) -> Vec<(String, f64)> {
        let tags = tags(&vocabulary(), &probabilities, &scores);
        let pair = |tag: &Tag| (tag.label.as_str().to_owned(), tag.confidence.get());
        tags.iter().map(pair).collect()
    }

    fn of(found: &[(String, f64)], name: &str) -> Option<f64> {
        let tag = found.iter().find(|(label, _)| label == name);
        tag.map(|(_, confidence)| *confidence)
    }

    /// The probability that is worth `belief` among two after sharpening.
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
    fn a_person_is_taken_at_the_detectors_word() {
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
    fn what_the_classifier_does_not_see_is_doubted() {
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
    fn what_both_see_is_believed_more() {
        let [cat, cup] = split(0.5);
        let found_sure = found([cat, 0.0, 0.0, cup], [0.0, 0.6, 0.0, 0.0, 0.0]);
        assert_eq!(of(&found_sure, "cat"), Some(80.0), "1 - 0.4 x 0.5");
        let found_unsure = found([cat, 0.0, 0.0, cup], [0.0, 0.59, 0.0, 0.0, 0.0]);
        assert_eq!(of(&found_unsure, "cat"), Some(59.0));
    }

    #[test]
    fn a_thing_that_only_the_detector_knows_goes_by_what_is_above_it() {
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
    fn what_is_hardly_believed_is_left_out() {
        let [cat, cup] = split(0.049_94);
        assert_eq!(of(&found([cat, 0.0, 0.0, cup], [0.0; 5]), "cat"), None);
        let [cat, cup] = split(0.050_04);
        assert_eq!(of(&found([cat, 0.0, 0.0, cup], [0.0; 5]), "cat"), Some(5.0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Of the real model: what is above a thing is at least as sure as the thing.
        #[test]
        fn what_is_above_is_at_least_as_sure(
            peaks in prop::collection::vec((0..1000usize, 0.0..1.0f32), 1..12),
            scores in prop::collection::vec(0.0..1.0f32, 80),
        ) {
            let vocabulary = Vocabulary::read(&ModelFiles::embedded()).unwrap();
            let mut probabilities = vec![1e-6; 1000];
            for (class, probability) in peaks {
                probabilities[class] = probability;
            }
            let found = tags(&vocabulary, &probabilities, &scores);
            let of = |tag: usize| {
                let label = &vocabulary.tags[tag].label;
                found.iter().find(|tag| tag.label == *label).map_or(0.0, |tag| tag.confidence.get())
            };
            for thing in &vocabulary.things {
                for above in &thing.above {
                    prop_assert!(of(*above) >= of(thing.tag));
                }
            }
            // A tag whose classes are among another's is beneath it.
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
