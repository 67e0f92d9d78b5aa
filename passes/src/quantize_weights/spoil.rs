//! Whether scales leave anything of what is much smaller than the largest: channels with one scale
//! for all, and the columns of a first layer.

use super::form::{Form, WeightUse};
use super::options::ScalesPer;
use super::reading::Select;
use std::iter;
use tfq_ir::{ElementType, SubgraphId, TensorId, counted, grouped};
use tfq_numeric::F32View;
use tfq_target::Front;

/// A channel keeps less than about 10 dB of its numbers where their root mean square is below the
/// scale: the noise of rounding is the scale divided by the square root of 12.
const LEAST_RMS: f64 = 0.9;
/// Of so many channels, one may be that small. Filters of depthwise convolutions have many such:
/// each channel is trained for a normalisation of its own behind it.
const ONE_IN: usize = 8;
/// Where channels have as few numbers as filters of depthwise convolutions, float16 takes few bytes
/// more, and they must keep so much on average. In 9 networks for faces, hands and poses they keep 37
/// to 48 dB with one scale for all, but 16 to 33 in pose_detection and hand_landmark: at 8, 5 and 4
/// such constants these lose 22, 10 and 9 dB, float16 costs 0.9 % of the file.
const FEW_NUMBERS: usize = 64;
const LEAST_MEAN_DB: f64 = 34.0;

/// The part of a column that rounding may take, and the part of the columns of which it may take
/// more. Of 922 dense layers that were looked at, two had more such columns: those with the scaling
/// of raw inputs folded in, of which int8 kept 1.3 and 3.0 dB, and float16 100 and 80 dB.
const MOST_OF_COLUMN: f64 = 0.5;
const LOST_COLUMNS_ONE_IN: usize = 20;

impl Select<'_> {
    /// Why int8 weights would leave too little, if they would.
    pub(super) fn spoiled(
        &self,
        uses: &[WeightUse],
        tensors: &[(SubgraphId, TensorId)],
        form: &Form,
    ) -> Option<String> {
        let asked = self.pass.granularity == ScalesPer::Channel;
        if !asked {
            return None;
        }
        match form {
            Form::PerTensor { .. } => {
                let lost = self.lost_channels(uses, tensors);
                lost.or_else(|| self.lost_columns(uses, tensors, true))
            }
            Form::PerChannel { axis: 0, .. } => self.lost_columns(uses, tensors, false),
            _ => None,
        }
    }

    /// Why columns of a first layer would be lost. They are as different in size as the inputs that
    /// they are multiplied with, where a scaling of raw inputs was folded into them; and then the
    /// small ones matter no less than the large ones.
    fn lost_columns(
        &self,
        uses: &[WeightUse],
        tensors: &[(SubgraphId, TensorId)],
        one_scale: bool,
    ) -> Option<String> {
        let (sg, id) = tensors[0];
        let [rows, columns] = *self.module.subgraph(sg).tensor(id).shape else { return None };
        let (rows, columns) = (usize::try_from(rows).ok()?, usize::try_from(columns).ok()?);
        let is_first_dense = |u: &WeightUse| {
            let graph = self.module.subgraph(u.sg);
            let facts = self.target.facts_of(graph, u.op);
            let activation = facts.and_then(|facts| graph.operand(u.op, facts.activation?));
            activation.is_some_and(|id| graph.tensor(id).ty == ElementType::Float32)
                && self.target.channel_axis(graph, u.op, u.slot) == Some(0)
                && !self.is_family(u.sg, u.op)
                && self.behind.front(self.module, self.target, u.sg, u.op) != Front::Layer
        };
        if rows == 0 || columns == 0 || !uses.iter().any(is_first_dense) {
            return None;
        }
        let bytes = self.module.constant(sg, id)?.get(..4 * rows * columns)?;
        let scale = |of: &F32View<'_>| of.iter().fold(0.0_f32, |most, w| most.max(w.abs())) / 127.0;
        let of_all = one_scale.then(|| F32View::new(bytes).map(|all| scale(&all))).flatten();
        let mut sums = vec![(0.0_f64, 0.0_f64); columns];
        for row in bytes.chunks_exact(4 * columns) {
            let row = F32View::new(row)?;
            let scale = f64::from(of_all.unwrap_or_else(|| scale(&row)));
            for (w, (squares, errors)) in row.iter().zip(&mut sums) {
                let w = f64::from(w);
                let error = if scale > 0.0 { w - (w / scale).round() * scale } else { 0.0 };
                *squares += w * w;
                *errors += error * error;
            }
        }
        let is_lost =
            |(squares, errors): &&(f64, f64)| *errors > MOST_OF_COLUMN * MOST_OF_COLUMN * *squares;
        let lost = sums.iter().filter(is_lost).count();
        (lost * LOST_COLUMNS_ONE_IN > columns).then(|| {
            format!(
                "int8 would lose over half of each of {} of its {}: they differ in size as much as \
                 the raw inputs that the layer reads",
                grouped(lost as u64),
                counted(columns, "column")
            )
        })
    }

    /// Why the constant does not get one scale where the user asked for a scale per channel, if too
    /// little would be left.
    fn lost_channels(
        &self,
        uses: &[WeightUse],
        tensors: &[(SubgraphId, TensorId)],
    ) -> Option<String> {
        let channels = |u: &WeightUse| {
            let graph = self.module.subgraph(u.sg);
            let axis = self.target.channel_axis(graph, u.op, u.slot);
            // What is looked up are rows of a table.
            let facts = self.target.facts_of(graph, u.op);
            let looks_up = facts.is_some_and(|facts| facts.pass_through);
            axis.map(|axis| (axis, "channel")).or(looks_up.then_some((0, "row")))
        };
        let mut axes: Vec<(usize, &str)> = uses.iter().filter_map(channels).collect();
        axes.dedup();
        let (sg, id) = tensors[0];
        let shape: Vec<usize> = {
            let shape = &self.module.subgraph(sg).tensor(id).shape;
            shape.iter().map(|dim| usize::try_from(*dim).unwrap_or(0)).collect()
        };
        let elements: usize = shape.iter().product();
        let bytes = self.module.constant(sg, id)?.get(..4 * elements)?;
        let values = F32View::new(bytes)?;
        let largest = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let scale = f64::from(largest) / 127.0;
        axes.retain(|(axis, _)| *axis < shape.len());
        axes.into_iter().find_map(|(axis, what)| {
            let (channels, of_each) = (shape[axis], elements / shape[axis].max(1));
            let sizes = channel_sizes(&values, &shape, axis);
            let small = sizes.iter().filter(|rms| **rms < LEAST_RMS * scale).count();
            if small * ONE_IN > channels {
                return Some(format!(
                    "one scale would leave little of {} of its {}, which are much smaller than the largest",
                    grouped(small as u64),
                    counted(channels, what)
                ));
            }
            let kept = sizes.iter().map(|rms| 20.0 * (rms * 12.0_f64.sqrt() / scale).log10());
            let mean = kept.sum::<f64>() / sizes.len().max(1) as f64;
            (what == "channel" && of_each <= FEW_NUMBERS && mean < LEAST_MEAN_DB).then(|| {
                format!(
                    "one scale would leave {mean:.1} dB of each of its {} on average, since they are of different size",
                    counted(channels, what)
                )
            })
        })
    }
}

/// The root mean squares of channels that are not all 0.
fn channel_sizes(values: &F32View<'_>, shape: &[usize], axis: usize) -> Vec<f64> {
    let channels = shape[axis];
    let inner: usize = shape[axis + 1..].iter().product();
    let mut squares = vec![0.0_f64; channels];
    let channel = (0..channels).flat_map(|n| iter::repeat_n(n, inner)).cycle();
    for (value, channel) in values.iter().zip(channel) {
        squares[channel] += f64::from(value) * f64::from(value);
    }
    let of_each = (shape.iter().product::<usize>() / channels.max(1)) as f64;
    squares.into_iter().filter(|sum| *sum > 0.0).map(|sum| (sum / of_each).sqrt()).collect()
}
