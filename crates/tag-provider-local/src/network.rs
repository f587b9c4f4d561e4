//! A network: one picture in, one row of numbers out.

use std::sync::Arc;

use tract_onnx::prelude::{
    Datum, Framework, InferenceModelExt, IntoRunnable, IntoTValue, Tensor, TractResult, TypedFact,
    TypedRunnableModel, tvec,
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

impl Network {
    /// Loads a network of that many outputs.
    pub(crate) fn load(
        file: &'static str,
        bytes: &[u8],
        outputs: usize,
    ) -> Result<Self, ModelError> {
        let refused = |reason: String| ModelError::Network { file, reason };
        let mut bytes = bytes;
        let model = tract_onnx::onnx()
            .model_for_read(&mut bytes)
            .and_then(InferenceModelExt::into_optimized)
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
        let error = Network::load("classifier.onnx", b"no network", 1000).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("classifier.onnx: it is no network"),
            "{text}"
        );
    }

    #[test]
    fn a_network_has_as_many_outputs_as_there_are_labels() {
        let files = ModelFiles::embedded();
        let error = Network::load("detector.onnx", &files.detector, 81).unwrap_err();
        assert_eq!(
            error.to_string(),
            "detector.onnx: its output is not float[1,81] but Some([1, 80])"
        );
    }
}
