//! What tract's own optimiser leaves undone, and what a picture would pay for each time.

use tract_onnx::{
    prelude::{IntoArcTensor, SpecialOps, Tensor, TractResult, TypedModel, TypedModelPatch, tvec},
    tract_core::ops::{
        cast::Cast,
        cnn::{Conv, KernelFormat},
        konst::Const,
        math,
        nn::{DataFormat, Reduce, Reducer},
    },
};

/// Rewrites a network before it is optimised; its outputs stay what they are.
pub(super) fn prepare(mut model: TypedModel) -> TractResult<TypedModel> {
    for node in 0..model.nodes().len() {
        let patch = match cast_of_constant(&model, node)? {
            Some(patch) => Some(patch),
            None => convolution_to_one_channel(&model, node)?,
        };
        if let Some(patch) = patch {
            patch.apply(&mut model)?;
        }
    }
    model.compact()?;
    Ok(model)
}

/// Weights are stored as 16-bit numbers. The optimiser makes 32-bit ones of the small tensors alone
/// and leaves the large ones, to be converted and packed anew for each picture.
fn cast_of_constant(model: &TypedModel, node: usize) -> TractResult<Option<TypedModelPatch>> {
    let Some(cast) = model.node(node).op_as::<Cast>() else {
        return Ok(None);
    };
    let Some(constant) = constant_input(model, node, 0) else {
        return Ok(None);
    };
    let value = constant.cast_to_dt(cast.to)?.into_owned();
    let mut patch = TypedModelPatch::default();
    let value = patch.add_const(&model.node(node).name, value.into_arc_tensor())?;
    patch.shunt_outside(model, node.into(), value)?;
    Ok(Some(patch))
}

/// A convolution of many channels to one is a sum of convolutions of one channel each. As a product
/// of matrices it would copy each sample once for every weight, for a product of a single row.
fn convolution_to_one_channel(
    model: &TypedModel,
    node: usize,
) -> TractResult<Option<TypedModelPatch>> {
    let convolution = model.node(node).op_as::<Conv>();
    let Some(convolution) = convolution.filter(|convolution| is_to_one(convolution)) else {
        return Ok(None);
    };
    let (Some(&input), Some(kernel), Some(bias)) = (
        model.node(node).inputs.first(),
        constant_input(model, node, 1),
        constant_input(model, node, 2),
    ) else {
        return Ok(None);
    };
    let name = &model.node(node).name;
    let channels = convolution.pool_spec.input_channels;
    let mut depthwise = convolution.clone();
    depthwise.group = channels;
    depthwise.pool_spec.output_channels = channels;
    let mut shape = kernel.shape().to_vec();
    shape.swap(0, 1);
    let kernel = kernel.clone().into_shape(&shape)?;
    let bias = bias.clone().into_shape(&[1, 1, 1, 1])?;

    let mut patch = TypedModelPatch::default();
    let input = patch.tap_model(model, input)?;
    let kernel = patch.add_const(format!("{name}.kernels"), kernel.into_arc_tensor())?;
    let no_bias = Tensor::zero::<f32>(&[])?.into_arc_tensor();
    let no_bias = patch.add_const(format!("{name}.no_bias"), no_bias)?;
    let apart = patch.wire_node(
        format!("{name}.apart"),
        depthwise,
        &[input, kernel, no_bias],
    )?;
    let sum = Reduce::new(tvec!(1), Reducer::Sum);
    let sum = patch.wire_node(format!("{name}.sum"), sum, &apart)?;
    let bias = patch.add_const(format!("{name}.bias"), bias.into_arc_tensor())?;
    let operands: Vec<_> = sum.into_iter().chain([bias]).collect();
    let output = patch.wire_node(name, math::add(), &operands)?;
    for output in output {
        patch.shunt_outside(model, node.into(), output)?;
    }
    Ok(Some(patch))
}

/// Whether it takes several channels of an area to one channel of 32-bit numbers.
fn is_to_one(convolution: &Conv) -> bool {
    let spec = &convolution.pool_spec;
    spec.data_format == DataFormat::NCHW
        && convolution.kernel_fmt == KernelFormat::OIHW
        && convolution.group == 1
        && convolution.q_params.is_none()
        && spec.input_channels > 1
        && spec.output_channels == 1
        && spec.kernel_shape.len() == 2
        && spec.kernel_shape.iter().product::<usize>() > 1
}

/// An input of a node, if it is a constant.
fn constant_input(model: &TypedModel, node: usize, slot: usize) -> Option<&Tensor> {
    let input = model.node(node).inputs.get(slot)?;
    let constant = model.node(input.node).op_as::<Const>()?;
    Some(constant.val())
}

#[cfg(test)]
mod tests {
    use tract_onnx::{
        prelude::{
            DatumType, Framework, InferenceModelExt, IntoRunnable, IntoTValue, TypedFact, f16,
        },
        tract_core::ops::{
            cast::cast,
            cnn::{PaddingSpec, PoolSpec},
        },
    };

    use super::*;

    fn numbers(shape: &[usize]) -> Tensor {
        let count: usize = shape.iter().product();
        let number = |at: usize| f32::from(u8::try_from(at * 37 % 101).unwrap()) / 50.0 - 1.0;
        let numbers: Vec<f32> = (0..count).map(number).collect();
        Tensor::from_shape(shape, &numbers).unwrap()
    }

    /// Three channels become one under a kernel of 5 x 5, whose weights have 16 bits.
    fn network() -> TypedModel {
        let mut model = TypedModel::default();
        let input = model
            .add_source("input", TypedFact::dt_shape(DatumType::F32, [1, 3, 9, 8]))
            .unwrap();
        let kernel = numbers(&[1, 3, 5, 5])
            .cast_to::<f16>()
            .unwrap()
            .into_owned();
        let kernel = model.add_const("kernel", kernel.into_arc_tensor()).unwrap();
        let kernel = model
            .wire_node("cast", cast(DatumType::F32), &[kernel])
            .unwrap()[0];
        let bias = model
            .add_const("bias", numbers(&[1]).into_arc_tensor())
            .unwrap();
        let spec = PoolSpec::new(
            DataFormat::NCHW,
            tvec!(5, 5),
            PaddingSpec::Explicit(tvec!(2, 2), tvec!(2, 2)),
            None,
            None,
            3,
            1,
        );
        let convolution = Conv::new(spec, KernelFormat::OIHW, 1, None);
        let output = model
            .wire_node("convolution", convolution, &[input, kernel, bias])
            .unwrap();
        model.select_output_outlets(&output).unwrap();
        model
    }

    fn run(model: TypedModel) -> Vec<f32> {
        let input = numbers(&[1, 3, 9, 8]).into_tvalue();
        let outputs = model.into_runnable().unwrap().run(tvec!(input)).unwrap();
        let view = outputs[0].to_plain_array_view::<f32>().unwrap();
        view.iter().copied().collect()
    }

    #[test]
    fn outputs_stay_what_they_are() {
        let prepared = prepare(network()).unwrap();
        assert!(prepared.nodes().iter().all(|node| !node.op_is::<Cast>()));
        let groups: Vec<_> = prepared
            .nodes()
            .iter()
            .filter_map(|node| Some(node.op_as::<Conv>()?.group))
            .collect();
        assert_eq!(groups, [3]);
        let (before, after) = (run(network()), run(prepared));
        assert_eq!(before.len(), 72);
        for (before, after) in before.iter().zip(&after) {
            assert!((before - after).abs() < 1e-4, "{before} {after}");
        }
    }

    #[test]
    fn nothing_is_left_in_the_models_of_the_program() {
        let files = crate::files::ModelFiles::embedded();
        for bytes in [&files.classifier, &files.detector] {
            let model = tract_onnx::onnx()
                .model_for_read(&mut bytes.as_ref())
                .and_then(InferenceModelExt::into_typed)
                .and_then(prepare)
                .unwrap();
            for node in model.nodes() {
                assert!(!node.op_is::<Cast>(), "{}", node.name);
                assert!(
                    !node.op_as::<Conv>().is_some_and(is_to_one),
                    "{}",
                    node.name
                );
            }
        }
    }
}
