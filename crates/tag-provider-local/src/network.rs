//! Runs a network: one picture in, one row of numbers out, and optionally an inner tensor.

mod depthwise;
mod preparation;

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use tract_onnx::prelude::{
    Datum, Framework, InferenceModel, InferenceModelExt, IntoRunnable, IntoTValue, TValue, TVec,
    Tensor, TractResult, TypedFact, TypedModel, TypedRunnableModel, tvec,
};

use crate::files::ModelError;

/// The longest side of a network's input, in pixels.
const LONGEST_SIDE: usize = 4096;

/// A loaded network. Running it does not change it.
#[derive(Debug)]
pub(crate) struct Network {
    file: &'static str,
    plan: Arc<TypedRunnableModel>,
    /// Width and height of its input in pixels.
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// The shape of the inner tensor, if the network has it.
    pub(crate) inner: Option<Vec<usize>>,
}

/// The required shape of a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) outputs: usize,
    pub(crate) meaning: Outputs,
    /// Names of an inner tensor to extract; the first one that exists is used.
    pub(crate) inner: &'static [&'static str],
}

/// The results for one picture.
#[derive(Debug)]
pub(crate) struct Run(TVec<TValue>);

/// The meaning of a network's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outputs {
    /// Exclusive classes: numbers from 0 to 1 whose sum is 1.
    Probabilities,
    /// Independent: numbers from 0 to 1.
    Scores,
}

impl Outputs {
    /// Checks the outputs. The most common mistake is a network without its last layer.
    fn check(self, outputs: &[f32]) -> Result<(), String> {
        // Rounding may exceed the bounds a little.
        let slack = 1e-3;
        let is_wrong = |output: &&f32| !(-slack..=1.0 + slack).contains(*output);
        if let Some(wrong) = outputs.iter().find(is_wrong) {
            return Err(format!(
                "its outputs are not from 0 to 1: a grey picture gives {wrong}; \
                 does it end with a softmax or a sigmoid?"
            ));
        }
        let sum: f32 = outputs.iter().sum();
        if self == Self::Probabilities && (sum - 1.0).abs() > 0.01 {
            return Err(format!(
                "its outputs are not probabilities: their sum is {sum}, not 1; \
                 does it end with a softmax?"
            ));
        }
        Ok(())
    }
}

impl Network {
    /// Loads a network of that shape, and tries it on a grey picture.
    pub(crate) fn load(file: &'static str, bytes: &[u8], form: Form) -> Result<Self, ModelError> {
        // Some damaged files make the library panic.
        let trial = || {
            let network = Self::parse(file, bytes, form)?;
            let run = network.run(&vec![0.0; 3 * network.width * network.height])?;
            let checked = form.meaning.check(run.output());
            checked.map_err(|reason| ModelError::Network { file, reason })?;
            Ok(network)
        };
        panic::catch_unwind(AssertUnwindSafe(trial)).unwrap_or_else(|_| {
            let reason = "it is no network that can be run: it makes the program panic".to_owned();
            Err(ModelError::Network { file, reason })
        })
    }

    fn parse(file: &'static str, bytes: &[u8], form: Form) -> Result<Self, ModelError> {
        let refused = |reason: String| ModelError::Network { file, reason };
        let mut bytes = bytes;
        let model = tract_onnx::onnx()
            .model_for_read(&mut bytes)
            .and_then(|model| with_inner(model, form.inner))
            .and_then(InferenceModelExt::into_typed)
            .and_then(preparation::prepare)
            .and_then(TypedModel::into_optimized)
            .map_err(|error| refused(format!("it is no network that can be run: {error:#}")))?;
        let shape = |fact: TractResult<&TypedFact>| {
            let fact = fact
                .ok()
                .filter(|fact| fact.datum_type == f32::datum_type());
            fact.and_then(|fact| Some(fact.shape.as_concrete()?.to_vec()))
        };
        let input = shape(model.input_fact(0));
        let Some(&[1, 3, height, width]) = input.as_deref() else {
            let reason = format!("its input is not float[1,3,height,width] but {input:?}");
            return Err(refused(reason));
        };
        if !(1..=LONGEST_SIDE).contains(&width) || !(1..=LONGEST_SIDE).contains(&height) {
            return Err(refused(format!("its input has {width} x {height} pixels")));
        }
        let output = shape(model.output_fact(0));
        if output.as_deref() != Some(&[1, form.outputs]) {
            let outputs = form.outputs;
            let reason = format!("its output is not float[1,{outputs}] but {output:?}");
            return Err(refused(reason));
        }
        // `output_fact` panics if the index is out of range.
        let inner = model.outputs.get(1).copied();
        let inner = inner.and_then(|inner| shape(model.outlet_fact(inner)));
        let plan = model
            .into_runnable()
            .map_err(|error| refused(format!("it cannot be run: {error:#}")))?;
        Ok(Self {
            file,
            plan,
            width,
            height,
            inner,
        })
    }

    /// Runs it on a picture: three planes (red, green, blue) of rows from the top.
    pub(crate) fn run(&self, planes: &[f32]) -> Result<Run, ModelError> {
        self.try_run(planes).map_err(|error| ModelError::Network {
            file: self.file,
            reason: format!("it failed: {error:#}"),
        })
    }

    fn try_run(&self, planes: &[f32]) -> TractResult<Run> {
        let input = Tensor::from_shape(&[1, 3, self.height, self.width], planes)?;
        Ok(Run(self.plan.run(tvec!(input.into_tvalue()))?))
    }
}

impl Run {
    pub(crate) fn output(&self) -> &[f32] {
        self.numbers(0)
    }

    /// The inner tensor, row by row; empty if the network has none.
    pub(crate) fn inner(&self) -> &[f32] {
        self.numbers(1)
    }

    fn numbers(&self, slot: usize) -> &[f32] {
        let tensor = self.0.get(slot).map(|tensor| tensor.try_as_plain_ram());
        let numbers = tensor.and_then(|tensor| tensor.ok()?.as_slice().ok());
        numbers.unwrap_or_default()
    }
}

/// Makes the first of these tensors that exists a second output. Must come before any rewriting, which
/// preserves only outputs.
fn with_inner(mut model: InferenceModel, names: &[&str]) -> TractResult<InferenceModel> {
    let inner = names.iter().find_map(|name| model.find_outlet_label(name));
    let outputs = model.output_outlets()?.iter().copied().take(1);
    let outputs: Vec<_> = outputs.chain(inner).collect();
    model.select_output_outlets(&outputs)?;
    Ok(model)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::ModelFiles;

    const CLASSIFIER: Form = Form {
        outputs: 1000,
        meaning: Outputs::Probabilities,
        inner: &[],
    };
    const DETECTOR: Form = Form {
        outputs: 80,
        meaning: Outputs::Scores,
        inner: &[],
    };

    #[test]
    fn invalid_network_is_reported_by_its_file() {
        let error = Network::load("classifier.onnx", b"no network", CLASSIFIER).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("classifier.onnx: it is no network"),
            "{text}"
        );
    }

    #[test]
    fn a_network_has_as_many_outputs_as_there_are_labels() {
        let files = ModelFiles::embedded();
        let form = Form {
            outputs: 81,
            ..DETECTOR
        };
        let error = Network::load("detector.onnx", &files.detector, form).unwrap_err();
        assert_eq!(
            error.to_string(),
            "detector.onnx: its output is not float[1,81] but Some([1, 80])"
        );
    }

    /// Truncated or changed files are errors, or make no difference; they never crash the program.
    #[test]
    fn a_damaged_network_is_an_error() {
        let whole = ModelFiles::embedded().detector;
        let load = |bytes: &[u8]| Network::load("detector.onnx", bytes, DETECTOR);
        for parts in 1..8 {
            load(&whole[..whole.len() * parts / 8]).unwrap_err();
        }
        let mut refused = 0;
        // The first bytes and the last describe the graph; in between are mostly weights.
        for at in (0..400)
            .step_by(40)
            .chain(whole.len() - 400..whole.len())
            .step_by(40)
        {
            let mut damaged = whole.to_vec();
            damaged[at] ^= 0xff;
            refused += u32::from(load(&damaged).is_err());
        }
        assert!(refused > 0);
    }

    #[test]
    fn a_detector_is_no_classifier() {
        let files = ModelFiles::embedded();
        let form = Form {
            meaning: Outputs::Probabilities,
            ..DETECTOR
        };
        let error = Network::load("classifier.onnx", &files.detector, form);
        let text = error.unwrap_err().to_string();
        assert!(
            text.starts_with("classifier.onnx: its outputs are not probabilities: "),
            "{text}"
        );
    }

    /// The detector's own outputs are the maxima of the scores of the cells.
    #[test]
    fn an_inner_tensor_survives_the_preparation() {
        let detector = ModelFiles::embedded().detector;
        let form = Form {
            inner: &["no such tensor", "p2o.Concat.9"],
            ..DETECTOR
        };
        let network = Network::load("detector.onnx", &detector, form).unwrap();
        assert_eq!(network.inner.as_deref(), Some(&[1, 80, 3598][..]));
        let run = network.run(&vec![0.3; 3 * 416 * 416]).unwrap();
        assert_eq!(run.inner().len(), 80 * 3598);
        for (score, cells) in run.output().iter().zip(run.inner().chunks(3598)) {
            let best = cells.iter().copied().max_by(f32::total_cmp).unwrap();
            assert!((score - best).abs() < 1e-6, "{score} {best}");
        }
        let network = Network::load("detector.onnx", &detector, DETECTOR).unwrap();
        assert_eq!(network.inner, None);
        let run = network.run(&vec![0.3; 3 * 416 * 416]).unwrap();
        assert_eq!((run.output().len(), run.inner().len()), (80, 0));
    }

    #[test]
    fn outputs_are_checked_for_what_they_mean() {
        for (kind, outputs, is_right) in [
            (Outputs::Probabilities, &[0.25, 0.75][..], true),
            (Outputs::Probabilities, &[0.25, 0.25], false),
            (Outputs::Probabilities, &[-3.0, 4.0], false),
            (Outputs::Scores, &[0.9, 0.9], true),
            (Outputs::Scores, &[0.0, 7.5], false),
            (Outputs::Scores, &[f32::NAN, 0.5], false),
        ] {
            assert_eq!(
                kind.check(outputs).is_ok(),
                is_right,
                "{kind:?} {outputs:?}"
            );
        }
    }
}
