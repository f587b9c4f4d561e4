//! Linear heads: words computed from the classifier's features rather than from its classes.

use std::collections::BTreeSet;

use crate::{
    files::{HeadFiles, ModelError},
    hierarchy::{Nodes, TagIndex, Thing, raise},
    table::{Row, Table},
};

const TABLE: &str = "heads/heads.tsv";
const WEIGHTS: &str = "heads/heads.f32";

/// Below this probability of the veto's word its tags are vetoed.
const VETO_PROBABILITY: f64 = 0.10;
/// From this score on, an object found by the detector overrules the veto.
const VETO_SCORE: f64 = 0.45;
/// The factor that a veto applies to a confidence.
const VETO_FACTOR: f64 = 0.5;

/// The heads of a model.
#[derive(Debug)]
pub(crate) struct Heads {
    /// How many features each head takes.
    pub(crate) features: usize,
    words: Vec<Word>,
    vetoes: Vec<Veto>,
}

/// A head that produces tags.
#[derive(Debug)]
struct Word {
    head: Head,
    /// Its own tag and those above it.
    tags: Vec<TagIndex>,
}

/// A head that produces no tag, but lowers others if it sees nothing of their kind.
#[derive(Debug)]
struct Veto {
    head: Head,
    /// The tags at and below its node.
    tags: BTreeSet<TagIndex>,
    /// The outputs of the detector that stand for one of these tags.
    things: Vec<usize>,
}

/// A logistic regression.
#[derive(Debug)]
struct Head {
    bias: f64,
    weights: Vec<f32>,
}

impl Head {
    /// The probability, from 0 to 1.
    fn probability(&self, features: &[f32]) -> f64 {
        let products = self.weights.iter().zip(features);
        let sum: f64 = products.map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
        1.0 / (1.0 + (-(sum + self.bias)).exp())
    }
}

impl Heads {
    /// Reads the heads; tags missing in the hierarchy are added to `nodes`.
    pub(crate) fn read(
        files: &HeadFiles,
        nodes: &mut Nodes<'_>,
        things: &[Thing],
    ) -> Result<Self, ModelError> {
        let table = Table {
            file: TABLE,
            bytes: &files.table,
        };
        let rows = table.rows()?;
        let weights = read_weights(&files.weights)?;
        let features = weights.len() / rows.len();
        if features == 0 || weights.len() != features * rows.len() {
            let (weights, rows) = (weights.len(), rows.len());
            return Err(wrong_weights(format!(
                "{weights} weights cannot be shared out evenly to the {rows} rows of {TABLE}"
            )));
        }
        let mut heads = Self {
            features,
            words: Vec::new(),
            vetoes: Vec::new(),
        };
        for (number, (row, weights)) in rows.into_iter().zip(weights.chunks(features)).enumerate() {
            heads.add(number, row, weights, nodes, things)?;
        }
        Ok(heads)
    }

    fn add(
        &mut self,
        number: usize,
        mut row: Row<'_>,
        weights: &[f32],
        nodes: &mut Nodes<'_>,
        things: &[Thing],
    ) -> Result<(), ModelError> {
        let tag = row.field("tag")?;
        let node = row.field("synset")?;
        let above = row.field("ancestors")?;
        let bias = row.finite("bias")?;
        row.number("row", number)?;
        let weights = weights.to_vec();
        let head = Head { bias, weights };
        match row.field("use")? {
            "tag" => {
                let above = above.split(',').filter(|above| !above.is_empty());
                let tags = [tag].into_iter().chain(above);
                let tags = tags.map(|tag| nodes.tag_named(tag, &row));
                let tags = tags.collect::<Result<_, _>>()?;
                self.words.push(Word { head, tags });
            }
            "veto" => {
                let tags = nodes.tags_below(nodes.find(node, &row)?);
                let things = things.iter().enumerate();
                let things = things.filter(|(_, thing)| tags.contains(&thing.tag));
                let things = things.map(|(number, _)| number).collect();
                self.vetoes.push(Veto { head, tags, things });
            }
            other => return Err(row.wrong(format!("the use is {other:?}, not tag or veto"))),
        }
        Ok(())
    }

    /// Applies vetoes, then words, to the belief in each tag. `scores` are the detector's.
    pub(crate) fn apply(&self, beliefs: &mut [f64], features: &[f32], scores: &[f32]) {
        for veto in &self.vetoes {
            if veto.holds(features, scores) {
                for tag in &veto.tags {
                    if let Some(belief) = beliefs.get_mut(*tag) {
                        *belief *= VETO_FACTOR;
                    }
                }
            }
        }
        for word in &self.words {
            let probability = word.head.probability(features);
            for tag in &word.tags {
                raise(beliefs, *tag, probability);
            }
        }
    }

    /// The words' own tags with their probabilities.
    #[cfg(test)]
    pub(crate) fn probabilities(&self, features: &[f32]) -> Vec<(TagIndex, f64)> {
        let words = self.words.iter();
        words
            .map(|word| (word.tags[0], word.head.probability(features)))
            .collect()
    }
}

impl Veto {
    fn holds(&self, features: &[f32], scores: &[f32]) -> bool {
        let scores = self.things.iter().filter_map(|thing| scores.get(*thing));
        let is_seen = scores.into_iter().any(|s| f64::from(*s) >= VETO_SCORE);
        !is_seen && self.head.probability(features) < VETO_PROBABILITY
    }
}

/// Checks that the classifier's features, by the shape of their tensor, match the heads.
pub(crate) fn check(heads: &Heads, features: Option<&[usize]>) -> Result<(), ModelError> {
    let expected = heads.features;
    match features {
        Some(shape) if shape == [1, expected] => Ok(()),
        Some(shape) => Err(wrong_weights(format!(
            "each head has {expected} weights, but the classifier's features are float{shape:?}"
        ))),
        None => Err(wrong_weights(
            "the classifier has no tensor that is called features".to_owned(),
        )),
    }
}

/// 32-bit floats, little endian.
fn read_weights(bytes: &[u8]) -> Result<Vec<f32>, ModelError> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        let reason = format!("{} bytes are no whole number of weights", bytes.len());
        return Err(wrong_weights(reason));
    }
    let weights: Vec<_> = numbers.iter().map(|n| f32::from_le_bytes(*n)).collect();
    if let Some(at) = weights.iter().position(|weight| !weight.is_finite()) {
        return Err(wrong_weights(format!("weight {at} is not finite")));
    }
    Ok(weights)
}

fn wrong_weights(reason: String) -> ModelError {
    ModelError::Weights {
        file: WEIGHTS,
        reason,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::borrow::Cow;

    use rstest::rstest;

    use super::*;
    use crate::{
        files::ModelFiles,
        vocabulary::{Vocabulary, tests::files},
    };

    /// The weights of the given rows, as stored.
    pub(crate) fn stored(weights: &[f32]) -> Cow<'static, [u8]> {
        let bytes = weights.iter().flat_map(|weight| weight.to_le_bytes());
        Cow::Owned(bytes.collect())
    }

    fn read(table: &str, weights: &[f32]) -> Result<Vocabulary, ModelError> {
        let hierarchy = "cat\tl\tanimal\tcat\nanimal\ti\t\tanimal\n";
        let mut files = files(hierarchy, "0\tcat\n", "0\tcat\tcat\n");
        files.heads = Some(HeadFiles {
            table: Cow::Owned(table.as_bytes().to_vec()),
            weights: stored(weights),
        });
        Vocabulary::read(&files)
    }

    #[test]
    fn words_join_the_vocabulary_by_their_tags() {
        let table = "Sky\ts\t\t0\t0\ttag\ncat\tc\tanimal,pet\t0\t1\ttag\n";
        let vocabulary = read(table, &[0.0; 4]).unwrap();
        let labels: Vec<_> = vocabulary.tags.iter().map(|t| t.label.as_str()).collect();
        assert_eq!(labels, ["cat", "animal", "sky", "pet"]);
        let heads = vocabulary.heads.unwrap();
        check(&heads, Some(&[1, 2])).unwrap();
        let error = check(&heads, Some(&[1, 3])).unwrap_err().to_string();
        let expected = "each head has 2 weights, but the classifier's features are float[1, 3]";
        assert_eq!(error, format!("heads/heads.f32: {expected}"));
        assert!(check(&heads, None).is_err());
    }

    #[test]
    fn a_head_is_a_logistic_regression() {
        let vocabulary = read("sky\ts\t\t-1\t0\ttag\n", &[0.5, -2.0]).unwrap();
        let heads = vocabulary.heads.unwrap();
        let probability = heads.probabilities(&[4.0, 0.25])[0].1;
        let expected = 1.0 / (1.0 + (-0.5_f64).exp());
        assert!((probability - expected).abs() < 1e-9, "{probability}");
    }

    #[rstest]
    #[case(
        "sky\ts\t\t0\t1\ttag",
        1,
        "heads/heads.tsv, line 1: the row is \"1\" and should be 0"
    )]
    #[case(
        "sky\ts\t\tNaN\t0\ttag",
        1,
        "heads/heads.tsv, line 1: the bias is \"NaN\""
    )]
    #[case(
        "sky\ts\t\t0\t0\tgate",
        1,
        "heads/heads.tsv, line 1: the use is \"gate\""
    )]
    #[case(
        "sky\ts\t\t0\t0",
        1,
        "heads/heads.tsv, line 1: the field \"use\" is missing"
    )]
    #[case(" \ts\t\t0\t0\ttag", 1, "heads/heads.tsv, line 1: the tag: ")]
    #[case(
        "animal\tx\t\t0\t0\tveto",
        1,
        "heads/heads.tsv, line 1: hierarchy.tsv has no node \"x\""
    )]
    #[case("", 1, "heads/heads.tsv has no entries")]
    #[case(
        "sky\ts\t\t0\t0\ttag\nsea\ts\t\t0\t1\ttag",
        3,
        "heads/heads.f32: 3 weights cannot"
    )]
    #[case("sky\ts\t\t0\t0\ttag", 0, "heads/heads.f32: 0 weights cannot")]
    fn mistakes_are_named(#[case] table: &str, #[case] weights: usize, #[case] expected: &str) {
        let error = read(table, &vec![0.0; weights]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn weights_are_finite_numbers() {
        let error = read_weights(&[0; 7]).unwrap_err().to_string();
        assert_eq!(
            error,
            "heads/heads.f32: 7 bytes are no whole number of weights"
        );
        let error = read_weights(&stored(&[0.0, f32::INFINITY])).unwrap_err();
        assert_eq!(error.to_string(), "heads/heads.f32: weight 1 is not finite");
    }

    #[test]
    fn the_models_veto_covers_all_animals() {
        let vocabulary = Vocabulary::read(&ModelFiles::embedded()).unwrap();
        let heads = vocabulary.heads.unwrap();
        assert_eq!((heads.words.len(), heads.features), (25, 1280));
        let [veto] = heads.vetoes.as_slice() else {
            panic!("{} vetoes", heads.vetoes.len());
        };
        assert_eq!(veto.things, (14..24).collect::<Vec<_>>(), "bird to giraffe");
        let label = |tag: &TagIndex| vocabulary.tags[*tag].label.as_str();
        let labels: BTreeSet<_> = veto.tags.iter().map(label).collect();
        for tag in ["animal", "frog", "tabby", "monarch", "coral"] {
            assert!(labels.contains(tag), "{tag}");
        }
        assert!(!labels.contains("person") && !labels.contains("flower"));
    }
}
