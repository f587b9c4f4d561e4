//! Depthwise convolutions.
//!
//! On x86 tract vectorises only the inner part of long rows, and only with a stride of one; the rest,
//! computed sample by sample, took over 40 % of the time of a picture.

use multiversion::multiversion;
use tract_onnx::{
    prelude::{DatumExt, IntoTValue, TValue, TVec, Tensor, TractResult, TypedFact, tvec},
    tract_core::{
        as_op,
        internal::{EvalContext, EvalOp, Op, StaticName, Validation, anyhow},
        op_as_typed_op, op_out_of_plan,
        ops::TypedOp,
    },
};

/// How many sums are computed side by side: as many as keep the adders of a core busy and still fit its
/// vector registers.
const BLOCK: usize = 32;

/// A convolution with a separate kernel for each channel. Its inputs are the picture, the kernels, and a
/// bias for each channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Depthwise {
    pub(super) channels: usize,
    pub(super) rows: Direction,
    pub(super) columns: Direction,
    /// The shape of its output.
    pub(super) shape: TVec<usize>,
}

/// The parameters in one dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Direction {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// Zeros before the inputs.
    pub(super) padding: usize,
}

impl Direction {
    /// Samples covered by the kernel, with the padding on both sides.
    fn seen(&self) -> usize {
        self.outputs.saturating_sub(1) * self.stride + self.kernel
    }
}

impl Op for Depthwise {
    fn name(&self) -> StaticName {
        "Depthwise".into()
    }

    fn validation(&self) -> Validation {
        Validation::Rounding
    }

    op_as_typed_op!();
}

impl EvalOp for Depthwise {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let [planes, kernels, biases] = inputs.as_slice() else {
            return Err(anyhow!("a convolution of {} inputs", inputs.len()));
        };
        let mut outputs = Tensor::zero::<f32>(&self.shape)?;
        let done = self.convolve(
            planes.try_as_plain_ram()?.as_slice()?,
            kernels.try_as_plain_ram()?.as_slice()?,
            biases.try_as_plain_ram()?.as_slice()?,
            outputs.try_as_plain_ram_mut()?.as_slice_mut()?,
        );
        done.ok_or_else(|| anyhow!("{planes:?} does not fit {self:?}"))?;
        Ok(tvec!(outputs.into_tvalue()))
    }
}

impl TypedOp for Depthwise {
    as_op!();

    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }
}

impl Depthwise {
    /// Computes `outputs`; `None` if the lengths do not match.
    fn convolve(
        &self,
        planes: &[f32],
        kernels: &[f32],
        biases: &[f32],
        outputs: &mut [f32],
    ) -> Option<()> {
        let (rows, columns) = (&self.rows, &self.columns);
        let layout = Layout::of(rows, columns);
        let mut samples = vec![0.0; layout.samples];
        let mut sums = vec![0.0; layout.sums];
        let mut taps = Vec::with_capacity(layout.taps.len());
        let channels = planes
            .chunks_exact(rows.inputs * columns.inputs)
            .zip(kernels.chunks_exact(layout.taps.len()))
            .zip(biases)
            .zip(outputs.chunks_exact_mut(rows.outputs * columns.outputs));
        if channels.len() != self.channels {
            return None;
        }
        for (((plane, kernel), bias), output) in channels {
            for (row, at) in plane.chunks_exact(columns.inputs).zip(&layout.rows) {
                place(row, samples.get_mut(*at..)?, columns, layout.part)?;
            }
            taps.clear();
            taps.extend(layout.taps.iter().copied().zip(kernel.iter().copied()));
            add_up(&samples, &taps, *bias, &mut sums)?;
            let sums = sums.chunks(layout.pitch);
            for (output, sums) in output.chunks_exact_mut(columns.outputs).zip(sums) {
                output.copy_from_slice(sums.get(..columns.outputs)?);
            }
        }
        Some(())
    }
}

/// The arrangement of a plane's samples, such that each weight of the kernel meets all its samples in one
/// contiguous run, for any stride.
///
/// The plane is split into as many parts as the stride has steps, down and across. With a stride of two,
/// one part has the even samples of the even rows, the next the odd samples of these, and so on. In each
/// part the rows are consecutive. Sums across row boundaries are computed along the way and dropped.
#[derive(Debug)]
struct Layout {
    /// The distance between rows of a part. The zeros after a row serve as those before the next one.
    pitch: usize,
    /// The distance between parts.
    part: usize,
    /// Where each row of the plane starts, padding included.
    rows: Vec<usize>,
    /// Where the run of each weight starts.
    taps: Vec<usize>,
    samples: usize,
    sums: usize,
}

impl Layout {
    fn of(rows: &Direction, columns: &Direction) -> Self {
        let behind = columns
            .seen()
            .saturating_sub(columns.padding + columns.inputs);
        let pitch = (columns.inputs + columns.padding.max(behind)).div_ceil(columns.stride);
        let height = rows.seen().max(rows.padding + rows.inputs);
        // The last row has zeros after it too.
        let part = height.div_ceil(rows.stride) * pitch + columns.padding;
        let row = |row| (row % rows.stride) * columns.stride * part + row / rows.stride * pitch;
        let column = |column| (column % columns.stride) * part + column / columns.stride;
        let taps: Vec<_> = (0..rows.kernel)
            .flat_map(|down| (0..columns.kernel).map(move |across| row(down) + column(across)))
            .collect();
        let sums = rows.outputs.saturating_sub(1) * pitch + columns.outputs;
        let sums = sums.next_multiple_of(BLOCK);
        let last = taps.iter().max().copied().unwrap_or_default();
        Self {
            pitch,
            part,
            rows: (rows.padding..).take(rows.inputs).map(row).collect(),
            samples: (last + sums).max(part * rows.stride * columns.stride),
            taps,
            sums,
        }
    }
}

/// Distributes a row over the parts.
#[multiversion(targets("x86_64+avx2"))]
fn place(row: &[f32], parts: &mut [f32], columns: &Direction, part: usize) -> Option<()> {
    let stride = columns.stride;
    for (first, column) in (columns.padding..).take(stride).enumerate() {
        let Some(row) = row.get(first..) else {
            break;
        };
        let start = (column % stride) * part + column / stride;
        let part = parts.get_mut(start..start + row.len().div_ceil(stride))?;
        match stride {
            1 => part.copy_from_slice(row),
            2 => {
                let (pairs, rest) = row.as_chunks::<2>();
                let (part, last) = part.split_at_mut(pairs.len());
                for (to, [sample, _]) in part.iter_mut().zip(pairs) {
                    *to = *sample;
                }
                last.copy_from_slice(rest);
            }
            _ => {
                for (to, sample) in part.iter_mut().zip(row.iter().step_by(stride)) {
                    *to = *sample;
                }
            }
        }
    }
    Some(())
}

/// Adds up the samples, multiplied by their weights. Products and sums are not fused, which would round
/// differently on other machines.
#[multiversion(targets("x86_64+avx2"))]
fn add_up(samples: &[f32], taps: &[(usize, f32)], bias: f32, sums: &mut [f32]) -> Option<()> {
    for (block, output) in sums.chunks_exact_mut(BLOCK).enumerate() {
        let mut sums = [bias; BLOCK];
        for (offset, weight) in taps {
            let start = block * BLOCK + offset;
            let samples = samples.get(start..start + BLOCK)?;
            for (sum, sample) in sums.iter_mut().zip(samples) {
                *sum += weight * sample;
            }
        }
        output.copy_from_slice(&sums);
    }
    Some(())
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn direction()(inputs in 1_usize..40, kernel in 1_usize..=5)
            (
                inputs in Just(inputs),
                kernel in Just(kernel),
                stride in 1_usize..=3,
                padding in 0..kernel,
                behind in kernel.saturating_sub(inputs)..=kernel,
            )
        -> Direction {
            let outputs = (padding + inputs + behind - kernel) / stride + 1;
            Direction { inputs, outputs, kernel, stride, padding }
        }
    }

    impl Depthwise {
        /// The expected result, weight by weight.
        fn by_hand(&self, planes: &[f32], kernels: &[f32], biases: &[f32]) -> Vec<f32> {
            let (rows, columns) = (self.rows, self.columns);
            let at = |direction: Direction, output: usize, weight: usize| {
                let at = output * direction.stride + weight;
                at.checked_sub(direction.padding)
                    .filter(|at| *at < direction.inputs)
            };
            let mut outputs = Vec::new();
            for channel in 0..self.channels {
                for (y, x) in
                    (0..rows.outputs).flat_map(|y| (0..columns.outputs).map(move |x| (y, x)))
                {
                    let mut sum = biases[channel];
                    for (down, across) in (0..rows.kernel)
                        .flat_map(|down| (0..columns.kernel).map(move |across| (down, across)))
                    {
                        if let (Some(y), Some(x)) = (at(rows, y, down), at(columns, x, across)) {
                            sum += planes[(channel * rows.inputs + y) * columns.inputs + x]
                                * kernels[(channel * rows.kernel + down) * columns.kernel + across];
                        }
                    }
                    outputs.push(sum);
                }
            }
            outputs
        }
    }

    pub(in super::super) fn numbers(count: usize, seed: usize) -> Vec<f32> {
        let number = |at: usize| u8::try_from((at * 37 + seed) % 101).unwrap();
        (0..count)
            .map(|at| f32::from(number(at)) / 50.0 - 1.0)
            .collect()
    }

    proptest! {
        #[test]
        fn it_is_a_sum_over_the_kernel(
            channels in 1_usize..4,
            rows in direction(),
            columns in direction(),
            seed in 0_usize..101,
        ) {
            let shape = tvec!(channels, rows.outputs, columns.outputs);
            let depthwise = Depthwise { channels, rows, columns, shape };
            let planes = numbers(channels * rows.inputs * columns.inputs, seed);
            let kernels = numbers(channels * rows.kernel * columns.kernel, seed + 1);
            let biases = numbers(channels, seed + 2);
            let mut outputs = vec![f32::NAN; channels * rows.outputs * columns.outputs];
            depthwise.convolve(&planes, &kernels, &biases, &mut outputs).unwrap();
            let expected = depthwise.by_hand(&planes, &kernels, &biases);
            prop_assert_eq!(outputs.len(), expected.len());
            for (output, expected) in outputs.iter().zip(&expected) {
                prop_assert!((output - expected).abs() < 1e-4, "{outputs:?} {expected:?}");
            }
        }
    }

    #[test]
    fn mismatched_lengths_are_refused() {
        let direction = Direction {
            inputs: 4,
            outputs: 4,
            kernel: 3,
            stride: 1,
            padding: 1,
        };
        let depthwise = Depthwise {
            channels: 2,
            rows: direction,
            columns: direction,
            shape: tvec!(2, 4, 4),
        };
        let convolve = |planes: usize, kernels: usize, biases: usize| {
            let of = |count| vec![1.0; count];
            depthwise.convolve(&of(planes), &of(kernels), &of(biases), &mut [0.0; 32])
        };
        assert_eq!(convolve(32, 18, 2), Some(()));
        assert_eq!(convolve(16, 18, 2), None);
        assert_eq!(convolve(32, 9, 2), None);
        assert_eq!(convolve(32, 18, 1), None);
    }
}
