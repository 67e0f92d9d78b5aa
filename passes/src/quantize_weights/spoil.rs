//! Whether one scale leaves anything of channels that are much smaller than the largest.

use super::form::{Form, WeightUse};
use super::options::ScalesPer;
use super::reading::Select;
use std::iter;
use tfq_ir::{SubgraphId, TensorId, counted, grouped};
use tfq_numeric::F32View;

/// A channel keeps less than about 10 dB of its numbers where their root mean square is below the
/// scale: the noise of rounding is the scale divided by the square root of 12.
const LEAST_RMS: f64 = 0.9;
/// Of so many channels, one may be that small. Filters of depthwise convolutions have many such:
/// each channel is trained for a normalisation of its own behind it.
const ONE_IN: usize = 8;

impl Select<'_> {
    /// Why the constant does not get one scale where the user asked for a scale per channel, if too
    /// little would be left.
    pub(super) fn spoiled(
        &self,
        uses: &[WeightUse],
        tensors: &[(SubgraphId, TensorId)],
        form: &Form,
    ) -> Option<String> {
        let asked = self.pass.granularity == ScalesPer::Channel;
        if !asked || !matches!(form, Form::PerTensor { .. }) {
            return None;
        }
        let axes = uses
            .iter()
            .filter_map(|u| self.target.channel_axis(self.module.subgraph(u.sg), u.op, u.slot));
        let mut axes: Vec<usize> = axes.collect();
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
        axes.into_iter().find_map(|axis| {
            let small = small_channels(&values, &shape, axis, LEAST_RMS * scale);
            (small * ONE_IN > shape[axis]).then(|| {
                format!(
                    "one scale would leave little of {} of its {}, which are much smaller than the largest",
                    grouped(small as u64),
                    counted(shape[axis], "channel")
                )
            })
        })
    }
}

/// How many channels that are not all 0 have a root mean square below this.
fn small_channels(values: &F32View<'_>, shape: &[usize], axis: usize, least: f64) -> usize {
    let channels = shape[axis];
    let inner: usize = shape[axis + 1..].iter().product();
    let mut squares = vec![0.0_f64; channels];
    let channel = (0..channels).flat_map(|n| iter::repeat_n(n, inner)).cycle();
    for (value, channel) in values.iter().zip(channel) {
        squares[channel] += f64::from(value) * f64::from(value);
    }
    let of_each = (shape.iter().product::<usize>() / channels.max(1)) as f64;
    let small = |sum: &&f64| **sum > 0.0 && (**sum / of_each).sqrt() < least;
    squares.iter().filter(small).count()
}
