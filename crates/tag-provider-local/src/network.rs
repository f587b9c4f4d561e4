//! A network: one picture in, one row of numbers out.

mod depthwise;
mod preparation;

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use tract_onnx::prelude::{
    Datum, Framework, InferenceModelExt, IntoRunnable, IntoTValue, Tensor, TractResult, TypedFact,
    TypedModel, TypedRunnableModel, tvec,
};

use crate::files::ModelError;

/// The longest side of a network's input, in pixels.
const LONGEST_SIDE: usize = 4096;

/// A network that is ready to run. Running it changes nothing in it.
#[derive(Debug)]
pub(crate) struct Network {
    file: &'static str,
    plan: Arc<TypedRunnableModel>,
    /// Pixels across and down of its input.
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// What a network's outputs mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outputs {
    /// One of all classes: numbers from 0 to 1 whose sum is 1.
    Probabilities,
    /// Each for itself: numbers from 0 to 1.
    Scores,
}

impl Outputs {
    /// Why these are no such outputs. The most common mistake is a network without its last layer.
    fn check(self, outputs: &[f32]) -> Result<(), String> {
        // Rounding may carry a number a little beyond its bounds.
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
    /// Loads a network of that many outputs, and tries it on a grey picture.
    pub(crate) fn load(
        file: &'static str,
        bytes: &[u8],
        outputs: usize,
        kind: Outputs,
    ) -> Result<Self, ModelError> {
        // Files that are damaged in the right places make the library panic.
        let trial = || {
            let network = Self::parse(file, bytes, outputs)?;
            kind.check(&network.run(&vec![0.0; 3 * network.width * network.height])?)
                .map_err(|reason| ModelError::Network { file, reason })?;
            Ok(network)
        };
        panic::catch_unwind(AssertUnwindSafe(trial)).unwrap_or_else(|_| {
            let reason = "it is no network that can be run: it makes the program panic".to_owned();
            Err(ModelError::Network { file, reason })
        })
    }

    fn parse(file: &'static str, bytes: &[u8], outputs: usize) -> Result<Self, ModelError> {
        let refused = |reason: String| ModelError::Network { file, reason };
        let mut bytes = bytes;
        let model = tract_onnx::onnx()
            .model_for_read(&mut bytes)
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
        if output.as_deref() != Some(&[1, outputs]) {
            let reason = format!("its output is not float[1,{outputs}] but {output:?}");
            return Err(refused(reason));
        }
        let plan = model
            .into_runnable()
            .map_err(|error| refused(format!("it cannot be run: {error:#}")))?;
        Ok(Self {
            file,
            plan,
            width,
            height,
        })
    }

    /// Runs it on a picture: three planes (red, green, blue) of rows from the top.
    pub(crate) fn run(&self, planes: &[f32]) -> Result<Vec<f32>, ModelError> {
        self.try_run(planes).map_err(|error| ModelError::Network {
            file: self.file,
            reason: format!("it failed: {error:#}"),
        })
    }

    fn try_run(&self, planes: &[f32]) -> TractResult<Vec<f32>> {
        let input = Tensor::from_shape(&[1, 3, self.height, self.width], planes)?;
        let outputs = self.plan.run(tvec!(input.into_tvalue()))?;
        let numbers = outputs.iter().next().map(|output| {
            let view = output.to_plain_array_view::<f32>()?;
            TractResult::Ok(view.iter().copied().collect())
        });
        numbers.unwrap_or_else(|| Ok(Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::ModelFiles;

    #[test]
    fn what_is_no_network_is_told_by_its_file() {
        let error = Network::load(
            "classifier.onnx",
            b"no network",
            1000,
            Outputs::Probabilities,
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("classifier.onnx: it is no network"),
            "{text}"
        );
    }

    #[test]
    fn a_network_has_as_many_outputs_as_there_are_labels() {
        let files = ModelFiles::embedded();
        let error =
            Network::load("detector.onnx", &files.detector, 81, Outputs::Scores).unwrap_err();
        assert_eq!(
            error.to_string(),
            "detector.onnx: its output is not float[1,81] but Some([1, 80])"
        );
    }

    /// Files that are cut off or changed anywhere are told, or make no difference; they never end the
    /// program.
    #[test]
    fn a_damaged_network_is_an_error() {
        let whole = ModelFiles::embedded().detector;
        let load = |bytes: &[u8]| Network::load("detector.onnx", bytes, 80, Outputs::Scores);
        for parts in 1..8 {
            load(&whole[..whole.len() * parts / 8]).unwrap_err();
        }
        let mut refused = 0;
        // The first bytes and the last describe the graph, what is between are mostly weights.
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
        let error = Network::load(
            "classifier.onnx",
            &files.detector,
            80,
            Outputs::Probabilities,
        );
        let text = error.unwrap_err().to_string();
        assert!(
            text.starts_with("classifier.onnx: its outputs are not probabilities: "),
            "{text}"
        );
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
