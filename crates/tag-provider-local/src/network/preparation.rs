//! Graph rewrites that tract's own optimiser lacks, and that would otherwise cost time for each picture.

use tract_onnx::{
    prelude::{IntoArcTensor, SpecialOps, Tensor, TractResult, TypedModel, TypedModelPatch, tvec},
    tract_core::{
        internal::anyhow,
        ops::{
            cast::Cast,
            cnn::{Conv, KernelFormat, PoolSpec},
            konst::Const,
            math,
            nn::{DataFormat, Reduce, Reducer},
        },
    },
};

use super::depthwise::{Depthwise, Direction};

/// Rewrites a network before it is optimised, without changing its outputs.
pub(super) fn prepare(model: TypedModel) -> TractResult<TypedModel> {
    let model = rewrite(model, |model, node| match cast_of_constant(model, node)? {
        Some(patch) => Ok(Some(patch)),
        None => convolution_to_one_channel(model, node),
    })?;
    rewrite(model.into_decluttered()?, convolution_of_each_channel)
}

fn rewrite(
    mut model: TypedModel,
    rule: impl Fn(&TypedModel, usize) -> TractResult<Option<TypedModelPatch>>,
) -> TractResult<TypedModel> {
    for node in 0..model.nodes().len() {
        if let Some(patch) = rule(&model, node)? {
            patch.apply(&mut model)?;
        }
    }
    model.compact()?;
    Ok(model)
}

/// Weights are stored as 16-bit numbers. The optimiser converts only small tensors to 32 bits, and leaves
/// the large ones to be converted and packed again for each picture.
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

/// A convolution of many channels to one is a sum of convolutions of one channel each. As a matrix product
/// it would copy each sample once for every weight, for a product of a single row.
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

/// Whether it is a two-dimensional convolution of several channels to one, of 32-bit numbers.
fn is_to_one(convolution: &Conv) -> bool {
    let spec = &convolution.pool_spec;
    is_of_areas(convolution)
        && spec.data_format == DataFormat::NCHW
        && convolution.group == 1
        && spec.input_channels > 1
        && spec.output_channels == 1
        && spec.kernel_shape.iter().product::<usize>() > 1
}

/// Replaces depthwise convolutions by our own.
fn convolution_of_each_channel(
    model: &TypedModel,
    node: usize,
) -> TractResult<Option<TypedModelPatch>> {
    let convolution = model.node(node).op_as::<Conv>();
    let Some(convolution) = convolution.filter(|convolution| is_depthwise(convolution)) else {
        return Ok(None);
    };
    let &[input, kernels, _] = model.node(node).inputs.as_slice() else {
        return Ok(None);
    };
    let from = model.outlet_fact(input)?.shape.as_concrete();
    let to = model.outlet_fact(node.into())?.shape.as_concrete();
    let (Some(from), Some(to), Some(bias)) = (from, to, constant_input(model, node, 2)) else {
        return Ok(None);
    };
    let Some(&[channels, height, width]) = from.last_chunk() else {
        return Ok(None);
    };
    if from.iter().product::<usize>() != channels * height * width {
        return Ok(None);
    }
    let bias = match bias.len() {
        1 => bias.clone().into_shape(&[])?,
        _ => bias.clone().into_shape(&[channels])?,
    };
    let rows = direction(&convolution.pool_spec, 0, height)?;
    let columns = direction(&convolution.pool_spec, 1, width)?;
    // With much more padding than samples, tract needs much less work and memory.
    if rows.padding > rows.kernel || columns.padding > columns.kernel {
        return Ok(None);
    }
    let depthwise = Depthwise {
        channels,
        rows,
        columns,
        shape: to.into(),
    };

    let name = &model.node(node).name;
    let mut patch = TypedModelPatch::default();
    let inputs = patch.taps(model, &[input, kernels])?;
    let bias = bias.broadcast_to_shape(&[channels])?.into_arc_tensor();
    let bias = patch.add_const(format!("{name}.biases"), bias)?;
    let inputs: Vec<_> = inputs.into_iter().chain([bias]).collect();
    for output in patch.wire_node(name, depthwise, &inputs)? {
        patch.shunt_outside(model, node.into(), output)?;
    }
    Ok(Some(patch))
}

/// Whether each channel of an area has its own kernel, of 32-bit numbers, with a stride of at most a few
/// samples.
fn is_depthwise(convolution: &Conv) -> bool {
    let spec = &convolution.pool_spec;
    is_of_areas(convolution)
        && matches!(spec.data_format, DataFormat::NCHW | DataFormat::CHW)
        && convolution.group == spec.input_channels
        && convolution.group == spec.output_channels
        && spec.dilations().iter().all(|dilation| *dilation == 1)
        && spec.strides().iter().all(|stride| (1..=4).contains(stride))
}

/// Whether it is two-dimensional, of 32-bit numbers, with kernels in ONNX layout.
fn is_of_areas(convolution: &Conv) -> bool {
    convolution.kernel_fmt == KernelFormat::OIHW
        && convolution.q_params.is_none()
        && convolution.pool_spec.kernel_shape.len() == 2
}

fn direction(spec: &PoolSpec, axis: usize, inputs: usize) -> TractResult<Direction> {
    let kernel = spec.kernel_shape.get(axis).copied();
    let kernel = kernel.ok_or_else(|| anyhow!("a kernel without axis {axis}"))?;
    let stride = spec.stride(axis);
    let padded = spec.padding.compute_one(axis, &inputs, kernel, 1, stride);
    Ok(Direction {
        inputs,
        outputs: padded.convoluted,
        kernel,
        stride,
        padding: padded.pad_before,
    })
}

/// An input of a node, if it is a constant.
fn constant_input(model: &TypedModel, node: usize, slot: usize) -> Option<&Tensor> {
    let input = model.node(node).inputs.get(slot)?;
    let constant = model.node(input.node).op_as::<Const>()?;
    Some(constant.val())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tract_onnx::{
        prelude::{
            DatumType, Framework, InferenceModelExt, IntoRunnable, IntoTValue, TypedFact,
            TypedNode, f16,
        },
        tract_core::ops::{
            cast::cast,
            cnn::{PaddingSpec, PoolSpec},
        },
    };

    use super::{super::depthwise, *};

    fn numbers(shape: &[usize]) -> Tensor {
        let numbers = depthwise::tests::numbers(shape.iter().product(), 0);
        Tensor::from_shape(shape, &numbers).unwrap()
    }

    /// A convolution of three channels with weights of 16 bits.
    fn network(
        input: &[usize],
        kernel: &[usize],
        stride: usize,
        group: usize,
        biases: &[usize],
    ) -> TypedModel {
        let mut model = TypedModel::default();
        let format = match input.len() {
            3 => DataFormat::CHW,
            _ => DataFormat::NCHW,
        };
        let source = TypedFact::dt_shape(DatumType::F32, input);
        let source = model.add_source("input", source).unwrap();
        let spec = PoolSpec::new(
            format,
            tvec!(kernel[2], kernel[3]),
            PaddingSpec::Explicit(tvec!(2, 1), tvec!(1, 2)),
            None,
            Some(tvec!(stride, stride)),
            3,
            kernel[0],
        );
        let kernel = numbers(kernel).cast_to::<f16>().unwrap().into_owned();
        let kernel = model.add_const("kernel", kernel.into_arc_tensor()).unwrap();
        let kernel = model
            .wire_node("cast", cast(DatumType::F32), &[kernel])
            .unwrap()[0];
        let bias = numbers(biases).into_arc_tensor();
        let bias = model.add_const("bias", bias).unwrap();
        let convolution = Conv::new(spec, KernelFormat::OIHW, group, None);
        let output = model
            .wire_node("convolution", convolution, &[source, kernel, bias])
            .unwrap();
        model.select_output_outlets(&output).unwrap();
        model
    }

    fn run(model: TypedModel) -> Vec<f32> {
        let input = model.input_fact(0).unwrap().shape.as_concrete().unwrap();
        let input = numbers(input).into_tvalue();
        let outputs = model.into_runnable().unwrap().run(tvec!(input)).unwrap();
        let view = outputs[0].to_plain_array_view::<f32>().unwrap();
        view.iter().copied().collect()
    }

    #[rstest]
    #[case::to_one_channel(&[1, 3, 9, 8], &[1, 3, 5, 5], 1, 1, &[1], 56)]
    #[case::each_channel(&[1, 3, 9, 8], &[3, 1, 3, 5], 1, 3, &[3], 210)]
    #[case::in_steps(&[1, 3, 9, 8], &[3, 1, 5, 3], 2, 3, &[3], 60)]
    #[case::without_samples_axis(&[3, 9, 8], &[3, 1, 3, 3], 2, 3, &[3], 75)]
    #[case::one_bias(&[1, 3, 9, 8], &[3, 1, 3, 3], 1, 3, &[], 270)]
    fn outputs_do_not_change(
        #[case] input: &[usize],
        #[case] kernel: &[usize],
        #[case] stride: usize,
        #[case] group: usize,
        #[case] biases: &[usize],
        #[case] outputs: usize,
    ) {
        let network = || network(input, kernel, stride, group, biases);
        let prepared = prepare(network()).unwrap();
        let is_left = |node: &TypedNode| node.op_is::<Cast>() || node.op_is::<Conv>();
        assert!(!prepared.nodes().iter().any(is_left), "{prepared:?}");
        let depthwise = |node: &TypedNode| Some(node.op_as::<Depthwise>()?.channels);
        let channels: Vec<_> = prepared.nodes().iter().filter_map(depthwise).collect();
        assert_eq!(channels, [3]);
        let (before, after) = (run(network()), run(prepared));
        assert_eq!((before.len(), after.len()), (outputs, outputs));
        for (before, after) in before.iter().zip(&after) {
            assert!((before - after).abs() < 1e-4, "{before} {after}");
        }
    }

    /// Batches of pictures, and kernels with several outputs, are left to tract.
    #[rstest]
    #[case::pictures(&[2, 3, 9, 8], &[3, 1, 3, 3], &[3])]
    #[case::kernels(&[1, 3, 9, 8], &[6, 1, 3, 3], &[6])]
    fn others_are_left(
        #[case] input: &[usize],
        #[case] kernel: &[usize],
        #[case] biases: &[usize],
    ) {
        let network = || network(input, kernel, 1, 3, biases);
        let prepared = prepare(network()).unwrap();
        assert!(prepared.nodes().iter().any(TypedNode::op_is::<Conv>));
        assert_eq!(run(network()), run(prepared));
    }

    #[test]
    fn embedded_model_is_rewritten_completely() {
        let files = crate::files::ModelFiles::embedded();
        for bytes in [&files.classifier, &files.detector] {
            let model = tract_onnx::onnx()
                .model_for_read(&mut bytes.as_ref())
                .and_then(InferenceModelExt::into_typed)
                .and_then(prepare)
                .unwrap();
            for node in model.nodes() {
                assert!(!node.op_is::<Cast>(), "{}", node.name);
                let is_left = |conv: &Conv| is_to_one(conv) || is_depthwise(conv);
                assert!(!node.op_as::<Conv>().is_some_and(is_left), "{}", node.name);
            }
        }
    }
}
