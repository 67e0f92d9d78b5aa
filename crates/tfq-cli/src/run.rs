//! `tfq-opt run`.

use super::diagnostics::{Failure, named};
use super::inputs::{plain, shortened};
use super::model;
use super::outputs;
use super::running::{self, Error, RunArgs};
use super::shown::Shown;
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tfq_ir::ElementType;
use tfq_runtime::{self as runtime, Interface, Kernels, Value, write_npy};
use tfq_text::visible;
use tfq_tflite::{Image, Links, Together, WriteError};

/// Outputs of at most this many elements are printed whole.
const FEW: usize = 16;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model, as .tflite or as text; - reads standard input
    model: PathBuf,

    /// What computes: reference, optimized or xnnpack
    #[arg(long, value_name = "NAME", default_value = "xnnpack", value_parser = running::kernels)]
    kernels: Kernels,

    /// How many threads compute
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,

    /// Save each output as a .npy file in this folder
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,

    /// Print a description of the outputs as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    on: RunArgs,
}

/// One output, and where it was saved.
struct Output<'a> {
    signature: &'a Interface,
    name: &'a str,
    value: &'a Value,
    file: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut inputs = args.on.inputs.read()?;
    if let Some(folder) = &args.output {
        outputs::check_folder(folder)?;
    }
    let (subjects, running) = args.on.load(&[&args.model], &mut inputs)?;
    let subject = &subjects[0];
    let attempt = |engine| {
        let mut worker = running.worker(engine)?;
        let model = worker.load(subject.path(), args.kernels, args.threads)?;
        let chosen = match args.on.signature() {
            Some(key) => vec![model.position(key)?],
            None => (0..model.signatures.len()).collect(),
        };
        if let Some(folder) = &args.output {
            let outputs = chosen.iter().flat_map(|index| {
                let signature = &model.signatures[*index];
                signature.outputs.iter().map(move |port| (signature, &*port.name))
            });
            let constants = subject.module().map(model::external_groups).unwrap_or_default();
            let constants = outputs::constants_of(&args.model, &constants);
            let read =
                [args.on.reading.files(&args.model), args.on.inputs.files(), constants].concat();
            outputs::check_in_folder(&files(folder, outputs), &read).map_err(Error::Command)?;
        }
        let mut results = Vec::new();
        for index in chosen {
            let signature = model.signatures[index].clone();
            let values = inputs.values(subject, &signature, 0).map_err(Error::Command)?;
            results.push((worker.run(&model, index, values)?, signature));
        }
        Ok(results)
    };
    let results = runtime::with_either(attempt, Error::of_model)
        .map_err(|error: Error| error.on(&subject.name))?;
    let mut outputs = Vec::new();
    for (values, signature) in &results {
        for (port, value) in signature.outputs.iter().zip(values) {
            outputs.push(Output { signature, name: &port.name, value, file: None });
        }
    }
    if let Some(folder) = &args.output {
        save(folder, &mut outputs)?;
    }
    let mut out = Shown(io::stdout().lock());
    let printed =
        if args.json { print_json(&mut out, &outputs) } else { print(&mut out, &outputs) };
    printed.map_err(super::diagnostics::output_failure)
}

/// One file for each output, `NAME.npy`, or `SIGNATURE.NAME.npy` where there are several.
fn files<'a>(
    folder: &Path,
    outputs: impl Iterator<Item = (&'a Interface, &'a str)> + Clone,
) -> Vec<PathBuf> {
    let mut keys = outputs.clone().map(|(signature, _)| &signature.key);
    let first = keys.next();
    let several = keys.any(|key| Some(key) != first);
    let mut taken = BTreeSet::new();
    // From which number on one of a name is looked for.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let named = |(signature, name): (&Interface, &str)| {
        let mut name = plain(name);
        if several {
            name = shortened(format!("{}.{name}", plain(signature.label())));
        }
        let mut unique = name.clone();
        let number = numbers.entry(name.clone()).or_insert(2);
        while !taken.insert(unique.clone()) {
            unique = format!("{name}.{number}");
            *number += 1;
        }
        folder.join(format!("{unique}.npy"))
    };
    outputs.map(named).collect()
}

fn save(folder: &Path, outputs: &mut [Output<'_>]) -> Result<(), Failure> {
    let failed = |what: &Path, error: &io::Error| Failure::file("cannot write", what, error);
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let files = files(folder, outputs.iter().map(|output| (output.signature, output.name)));
    let mut together = Together::new(Links::Follow).without_waiting();
    for (output, file) in outputs.iter_mut().zip(files) {
        let mut bytes = Vec::new();
        write_npy(&mut bytes, output.value).map_err(|error| failed(&file, &error))?;
        let added = together.add(&file, &Image::of_file(bytes.into()), |_| ());
        added.map_err(|WriteError { path, error }| failed(&path, &error))?;
        output.file = Some(file);
    }
    together.commit().map_err(|WriteError { path, error }| failed(&path, &error))
}

fn print(out: &mut impl Write, outputs: &[Output<'_>]) -> io::Result<()> {
    let mut last = None;
    for output in outputs {
        if last != Some(output.signature.label()) {
            writeln!(out, "{}", visible(output.signature.label()))?;
            last = Some(output.signature.label());
        }
        writeln!(out, "  {} : {}", visible(output.name), output.value.form())?;
        let numbers = output.value.numbers().unwrap_or_default();
        if numbers.len() <= FEW {
            let shown: Vec<String> = numbers.iter().map(|x| number(output.value.ty, *x)).collect();
            writeln!(out, "    {}", shown.join(" "))?;
        } else if let Some((min, max, mean)) = summary(&numbers) {
            let ty = output.value.ty;
            let (min, max) = (number(ty, min), number(ty, max));
            writeln!(out, "    from {min} to {max}, mean {:?}", mean as f32)?;
        }
        if let Some(file) = &output.file {
            writeln!(out, "    saved to {}", named(file))?;
        }
    }
    Ok(())
}

fn number(ty: ElementType, x: f64) -> String {
    if ty.is_float() { format!("{:?}", x as f32) } else { format!("{x}") }
}

/// Least, greatest and mean; NaN where one is.
fn summary(numbers: &[f64]) -> Option<(f64, f64, f64)> {
    let first = *numbers.first()?;
    let min = numbers.iter().fold(first, |a, b| if b.is_nan() || *b < a { *b } else { a });
    let max = numbers.iter().fold(first, |a, b| if b.is_nan() || *b > a { *b } else { a });
    Some((min, max, numbers.iter().sum::<f64>() / numbers.len() as f64))
}

fn print_json(out: &mut impl Write, outputs: &[Output<'_>]) -> io::Result<()> {
    let list: Vec<serde_json::Value> = outputs
        .iter()
        .map(|output| {
            let numbers = output.value.numbers().unwrap_or_default();
            let (min, max, mean) = summary(&numbers).unwrap_or((f64::NAN, f64::NAN, f64::NAN));
            json!({
                "signature": output.signature.key,
                "name": output.name,
                "type": output.value.ty.name(),
                "shape": output.value.shape,
                "min": min,
                "max": max,
                "mean": mean,
                "file": output.file.as_ref().map(named),
            })
        })
        .collect();
    write!(out, "{}", super::json::json_text(&json!({ "outputs": list })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_shows_in_the_summary() {
        assert_eq!(summary(&[1.0, -2.0, 4.0]), Some((-2.0, 4.0, 1.0)));
        let (min, max, mean) = summary(&[1.0, f64::NAN]).unwrap();
        assert!(min.is_nan() && max.is_nan() && mean.is_nan());
        assert_eq!(summary(&[]), None);
    }
}
