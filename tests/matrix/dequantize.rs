//! The forms of weights that a Dequantize reads, as the target says, on the real runtime.

use crate::forms::{self, Form};
use crate::{parsed, runner};
use libtest_mimic::Failed;
use std::fmt::Write;
use tfq_opt::ir::{ElementType, TensorId};
use tfq_opt::runtime::{Kernels, Runtime};
use tfq_opt::target::{Target, WeightForm};

/// Codes times scales are exact in float32, or rounded once.
const EXACT_DB: f64 = 100.0;

/// A matrix, and a shape with an odd number of elements and its channels last.
const WEIGHTS: [&str; 2] = ["[8,64] axis 0", "[3,3,3,5] axis 3"];

/// A form, and the models that have a weight in it.
pub(crate) struct Check {
    form: Form,
    /// Whether the target says that a Dequantize reads it.
    pub(crate) supported: bool,
    /// With the Dequantize, and the float models that they stand for.
    models: Vec<[String; 2]>,
}

/// One for each form but float32.
pub(crate) fn all() -> Vec<Check> {
    let target = &*Target::named("litert").expect("it is shipped");
    let forms = forms::forms().into_iter().filter(|form| form.ty != ElementType::Float32);
    forms.filter_map(|form| check(target, form)).collect()
}

fn check(target: &Target, form: Form) -> Option<Check> {
    let models: Vec<[String; 2]> =
        WEIGHTS.iter().filter_map(|weight| model(weight, form)).collect();
    let module = parsed("a Dequantize", &models.first()?[0]);
    let (_, graph) = module.subgraphs().next()?;
    let is_weight = |id: &TensorId| graph.tensor(*id).name.as_deref() == Some("w");
    let weight = graph.tensor(graph.tensors().find(is_weight)?);
    let WeightForm { ty, granularity, .. } = WeightForm::of(weight);
    Some(Check { form, supported: target.dequantize_supports(ty, granularity), models })
}

fn model(weight: &str, form: Form) -> Option<[String; 2]> {
    let shape = weight.split(' ').next()?;
    let read = format!("%d = DEQUANTIZE.v7(%w) : f32{shape}\n");
    let case = format!(
        "subgraph @main {{
%x = input : f32{shape}
%w = WEIGHT {weight}
{read}%y = MUL(%x, %d) : f32{shape}
output %y
}}
"
    );
    let [stored, float] = forms::texts(&case, form)?;
    Some([stored, float.replace(&read, "").replace("%d", "%w")])
}

impl Check {
    pub(crate) fn name(&self) -> String {
        self.form.name()
    }

    pub(crate) fn test_name(&self) -> String {
        format!("dequantize/{}", self.name().replace(' ', "_"))
    }

    /// All kernels must widen what the target says that they do; of the rest some must not.
    pub(crate) fn run(&self, runtime: &Runtime) -> Result<(), Failed> {
        let (mut faults, mut failures) = (String::new(), 0);
        for texts in &self.models {
            let [stored, float] = texts.each_ref().map(|text| parsed(&self.name(), text));
            for kernels in Kernels::ALL {
                let wanted = runner::outputs(runtime, &float, kernels)?;
                let outcome = runner::outputs(runtime, &stored, kernels)
                    .map_err(|error| error.to_string())
                    .and_then(|found| runner::snr(&wanted, &found));
                let why = match outcome {
                    Ok(snr) if snr >= EXACT_DB => continue,
                    Ok(snr) => format!("{snr:.1} dB"),
                    Err(reason) => reason,
                };
                failures += 1;
                if self.supported {
                    writeln!(faults, "on {kernels}: {why}")?;
                }
            }
        }
        if !self.supported && failures == 0 {
            return Err("nothing fails, though the target says so: it is too careful".into());
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.into()) }
    }
}
