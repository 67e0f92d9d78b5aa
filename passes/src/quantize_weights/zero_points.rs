//! Zero points for int8 weights that no kernel reads but through a Dequantize.

use super::candidate::{Candidate, Chosen};
use super::form::{Form, WeightUse};
use super::reading::Select;
use super::weight_plan::Alternative;
use tfq_ir::{Module, SubgraphId, TensorId, counted};
use tfq_numeric::{
    ChannelLayout, ErrorStats, F32View, OffsetParams, ScaleRule, min_max_per_channel, offset_error,
    quantization_error, quantize_offset_i8, quantize_symmetric_i8,
};

/// What one bit more for each element of a weight is worth: its error is halved.
const DB_PER_BIT: f64 = 6.02;
/// A channel's zero point takes 64 bits of the file, which are to gain as much as they would in wider
/// elements.
const BITS: f64 = 64.0;
/// Most channels of some hundred numbers are a little off-centre by chance, which gains less.
const LEAST_DB: f64 = 1.0;

/// With zero points and without, of the same constant.
struct Compared {
    without: ErrorStats,
    with: ErrorStats,
}

impl Select<'_> {
    /// The same with zero points, where these are worth their bytes.
    pub(super) fn with_zero_points(
        &self,
        chosen: Chosen,
        uses: &[WeightUse],
        tensors: &[(SubgraphId, TensorId)],
    ) -> Chosen {
        let Chosen { plan, note, mut alternatives } = chosen;
        let Some((form, gain)) = self.zero_points(&plan, tensors) else {
            return Chosen { plan, note, alternatives };
        };
        if self.wants_plan {
            let form = plan.form.stored().to_string();
            let why_not = format!("without zero points {}", gain.why_not());
            alternatives.push(Alternative { form, why_not });
        }
        let told = format!("; zero points: {} (zero-points=off leaves them out)", gain.why());
        let note = Some(told + note.as_deref().unwrap_or_default());
        Chosen { plan: Candidate::chosen(form, vec![false; uses.len()]), note, alternatives }
    }

    fn zero_points(
        &self,
        plan: &Candidate,
        tensors: &[(SubgraphId, TensorId)],
    ) -> Option<(Form, Gain)> {
        let axis = match plan.form {
            Form::PerTensor { rule: ScaleRule::Divide } => None,
            Form::PerChannel { axis, rule: ScaleRule::Divide } => Some(axis),
            _ => return None,
        };
        // Kernels that read codes take a zero point to be 0.
        let behind = !plan.direct.contains(&true);
        let stored = plan.form.stored();
        if !self.pass.zero_points
            || !behind
            || !self.target.dequantize_reads_zero_points(stored.ty, stored.granularity)
        {
            return None;
        }
        let (view, layout) = values(self.module, tensors[0], axis)?;
        let worth = |db: f64| {
            let elements = layout.len() as f64;
            db >= LEAST_DB && db * elements >= DB_PER_BIT * BITS * layout.channels as f64
        };
        // No range gets narrower than by half.
        if layout.is_empty() || !worth(DB_PER_BIT + 0.1) {
            return None;
        }
        let extrema = min_max_per_channel(view, layout);
        if !extrema.min.iter().chain(&extrema.max).all(|end| end.is_finite()) {
            return None;
        }
        let params = OffsetParams::new(&extrema);
        if !worth(params.expected_gain_db(&extrema)) || params.scales.contains(&f32::MIN_POSITIVE) {
            return None;
        }
        let Compared { without, with } = compare(view, layout)?;
        let db = with.snr_db - without.snr_db;
        worth(db).then_some((Form::Offset { axis }, Gain { db, channels: layout.channels }))
    }
}

/// What zero points are worth.
struct Gain {
    /// Infinite where nothing is lost with them.
    db: f64,
    channels: usize,
}

impl Gain {
    fn why(&self) -> String {
        let bytes = counted(8 * self.channels, "byte");
        match self.db.is_finite() {
            true => format!("they keep {:.1} dB more of it for {bytes}", self.db),
            false => format!("with them nothing is lost, for {bytes}"),
        }
    }

    fn why_not(&self) -> String {
        match self.db.is_finite() {
            true => format!("it would keep {:.1} dB less", self.db),
            false => "something would be lost".to_owned(),
        }
    }
}

/// The float32 values of a constant, and its channels.
fn values(
    module: &Module,
    (sg, id): (SubgraphId, TensorId),
    axis: Option<usize>,
) -> Option<(F32View<'_>, ChannelLayout)> {
    let dims = module.subgraph(sg).tensor(id).shape.iter();
    let shape: Vec<usize> = dims.map(|dim| usize::try_from(*dim).ok()).collect::<Option<_>>()?;
    let elements = shape.iter().product();
    let layout = match axis {
        Some(axis) => ChannelLayout::new(&shape, axis)?,
        None => ChannelLayout::per_tensor(elements),
    };
    Some((F32View::new(module.constant(sg, id)?.get(..4 * elements)?)?, layout))
}

fn compare(view: F32View<'_>, layout: ChannelLayout) -> Option<Compared> {
    let symmetric = quantize_symmetric_i8(view, layout, ScaleRule::Divide).ok()?;
    let offset = quantize_offset_i8(view, layout).ok()?;
    Some(Compared {
        without: quantization_error(view, layout, &symmetric.data, &symmetric.scales),
        with: offset_error(view, layout, &offset.data, &offset.params),
    })
}
