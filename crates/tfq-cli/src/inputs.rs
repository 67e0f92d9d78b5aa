//! What models are run on: values from files or made up, and samples of data.

mod data;
mod names;
mod sources;

pub(crate) use names::{plain, shortened};
pub(crate) use sources::Sources;

use super::diagnostics::Failure;
use super::subject::Subject;
use data::{Data, fits, misfit, read_npy};
use indexmap::IndexSet;
use sources::RANDOM;
use std::fs;
use std::path::{Path, PathBuf};
use tfq_ir::{counted, did_you_mean};
use tfq_runtime::{self as runtime, Fill, Interface, MAX_BYTES, Port, Value};
use tfq_text::visible;

/// What models are run on.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct InputArgs {
    /// An input: a .npy file, random, zeros, ones or ramp; without NAME for all others. May be
    /// given several times [default: random]
    #[arg(long = "input", value_name = "[NAME=]VALUE")]
    inputs: Vec<String>,

    /// Dimensions of an input whose shape is not fixed [default: 1 for each free dimension]
    #[arg(long = "shape", value_name = "NAME=1x8x8")]
    shapes: Vec<String>,

    /// Where random inputs start [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// The signature to run [default: all]
    #[arg(long, value_name = "KEY")]
    pub(crate) signature: Option<String>,
}

/// Samples that two models are compared on.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct DataArgs {
    /// Samples to run on: a folder with NAME.npy for each input, an .npz with an array for each,
    /// or a .npy for the only one. The first axis is that of samples
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
}

/// How many samples of random inputs tell two models apart: one of them on which they agree says
/// little.
pub(crate) const SAMPLES: u16 = 4;

/// What the inputs of a model get.
pub(crate) struct Inputs {
    given: Vec<(Option<String>, Given)>,
    shapes: Vec<(String, Vec<usize>)>,
    seed: u64,
    data: Option<Data>,
    /// How many samples are made up where inputs are random and there is no data.
    pub(crate) random_samples: usize,
}

enum Given {
    Fill(Fill),
    File { file: String, value: Value },
}

impl InputArgs {
    /// Whether nothing is given.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { inputs, shapes, seed, signature } = self;
        inputs.is_empty() && shapes.is_empty() && seed.is_none() && signature.is_none()
    }

    /// The files that are read.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let values =
            self.inputs.iter().map(|text| text.rsplit_once('=').map_or(&**text, |at| at.1));
        values.filter(|value| is_array(value)).map(PathBuf::from).collect()
    }

    /// Reads the files, so that they are read once.
    pub(crate) fn read(&self) -> Result<Inputs, Failure> {
        let (given, shapes, seed) = (Vec::new(), Vec::new(), self.seed.unwrap_or(0));
        let mut inputs = Inputs { given, shapes, seed, data: None, random_samples: 1 };
        for text in &self.inputs {
            let (name, value) = match text.rsplit_once('=') {
                Some((name, value)) => (Some(name.to_owned()), value),
                None => (None, text.as_str()),
            };
            let given = match value {
                "random" => Given::Fill(Fill::Random { seed: inputs.seed }),
                "zeros" => Given::Fill(Fill::Zeros),
                "ones" => Given::Fill(Fill::Ones),
                "ramp" => Given::Fill(Fill::Ramp),
                file if is_array(file) => {
                    Given::File { file: file.to_owned(), value: read_npy(Path::new(file))? }
                }
                _ => {
                    let message = format!("`{value}` is no value of an input");
                    let help = "give a .npy file, random, zeros, ones or ramp: --input=image=zeros";
                    return Err(Failure::usage(&message, help));
                }
            };
            inputs.given.push((name, given));
        }
        for text in &self.shapes {
            let parsed = text.rsplit_once('=').and_then(|(name, shape)| {
                let dimensions: Result<Vec<usize>, _> = shape.split('x').map(str::parse).collect();
                Some((name.to_owned(), dimensions.ok()?))
            });
            let Some(parsed) = parsed else {
                let help = "give a name and dimensions: --shape=image=1x224x224x3";
                return Err(Failure::usage(&format!("`{text}` is no shape of an input"), help));
            };
            inputs.shapes.push(parsed);
        }
        Ok(inputs)
    }

    /// As [`Self::read`], with samples.
    pub(crate) fn read_with(&self, data: &DataArgs) -> Result<Inputs, Failure> {
        let mut inputs = self.read()?;
        inputs.data = data.data.as_deref().map(Data::read).transpose()?;
        Ok(inputs)
    }
}

/// Whether the value of an input is the name of a file.
fn is_array(value: &str) -> bool {
    value.ends_with(".npy")
}

impl DataArgs {
    /// The files that may be read.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let Some(path) = &self.data else { return Vec::new() };
        match fs::read_dir(path) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(_) => vec![path.clone()],
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.data.is_none()
    }
}

impl Inputs {
    /// How often a signature is run, each time on other values.
    pub(crate) fn samples(&self) -> usize {
        self.data.as_ref().map_or(self.random_samples, Data::samples)
    }

    /// For each input of a signature its value in a sample.
    pub(crate) fn values(
        &self,
        subject: &Subject,
        signature: &Interface,
        sample: usize,
    ) -> Result<Vec<Value>, Failure> {
        let declared = |port: &Port| Port { shape: subject.shape(signature, port), ..port.clone() };
        let ports: Vec<Port> = signature.inputs.iter().map(declared).collect();
        self.check_size(subject, &ports)?;
        ports.iter().map(|port| self.value(subject, signature, port, sample)).collect()
    }

    /// An error where inputs take more than can be passed on, before the first is made up.
    fn check_size(&self, subject: &Subject, ports: &[Port]) -> Result<(), Failure> {
        let bytes = |port: &Port| match self.source(&port.name) {
            Source::Data(data, array) => {
                Some((data.arrays[array].1.data.len() / data.samples()) as u64)
            }
            Source::File(_, value) => Some(value.data.len() as u64),
            // What is of no fixed size cannot be made up either, as is said there.
            Source::Fill(_) if port.ty.bits().is_none() => Some(0),
            Source::Fill(_) => runtime::bytes_of(port.ty, &self.shape(port)),
        };
        let total = ports.iter().try_fold(0_u64, |sum, port| sum.checked_add(bytes(port)?));
        if total.is_some_and(|bytes| bytes <= MAX_BYTES) {
            return Ok(());
        }
        let form = |port: &Port| {
            format!("`{}` {}", visible(&port.name), runtime::form(port.ty, &self.shape(port)))
        };
        let forms: Vec<String> = ports.iter().map(form).collect();
        let (name, forms) = (&subject.name, forms.join(", "));
        let most = counted(MAX_BYTES, "byte");
        let message = format!("{name}: the inputs take more than {most}: {forms}");
        let help = "give smaller dimensions with --shape where the model takes them";
        Err(Failure::Model { message, help: Some(help.to_owned()) })
    }

    /// The shape of an input that is made up.
    fn shape(&self, port: &Port) -> Vec<usize> {
        let shape = self.shapes.iter().rfind(|(name, _)| *name == port.name);
        shape.map_or_else(|| port.least_shape(), |(_, shape)| shape.clone())
    }

    fn value(
        &self,
        subject: &Subject,
        signature: &Interface,
        port: &Port,
        sample: usize,
    ) -> Result<Value, Failure> {
        let fill = match self.source(&port.name) {
            Source::Data(data, array) => return data.sample(subject, port, array, sample),
            Source::File(file, value) => {
                self.check_file(subject, port, file, value)?;
                return Ok(value.clone());
            }
            Source::Fill(Fill::Random { seed }) if self.data.is_none() => {
                Fill::Random { seed: seed.wrapping_add(sample as u64) }
            }
            Source::Fill(fill) => fill,
        };
        let shape = self.shape(port);
        if shape.len() != port.shape.len() {
            let message = format!("{}: input `{}` is {}", subject.name, port.name, port.form());
            let help = "give as many dimensions with --shape";
            return Err(Failure::Model { message, help: Some(help.to_owned()) });
        }
        let range = subject.range(signature, port);
        runtime::fill(&port.name, port.ty, &shape, fill, range).map_err(|_| {
            let (name, form) = (&port.name, port.form());
            Failure::Model {
                message: format!(
                    "{}: input `{name}` is {form}, which no value can be made for",
                    subject.name
                ),
                help: None,
            }
        })
    }

    /// What an input of this name gets.
    fn source(&self, name: &str) -> Source<'_> {
        let named = self.given.iter().rfind(|(given, _)| given.as_deref() == Some(name));
        let given = match (named, &self.data) {
            (Some(given), _) => Some(given),
            (None, Some(data)) if data.of_input.contains_key(name) => {
                return Source::Data(data, data.of_input[name]);
            }
            (None, _) => self.given.iter().rfind(|(given, _)| given.is_none()),
        };
        match given {
            Some((_, Given::File { file, value })) => Source::File(file, value),
            Some((_, Given::Fill(fill))) => Source::Fill(*fill),
            None => Source::Fill(Fill::Random { seed: self.seed }),
        }
    }

    /// An error where a name is given that no input has, an input gets nothing from the data, or
    /// what it gets does not suit it.
    pub(crate) fn check(
        &mut self,
        subject: &Subject,
        signature: Option<&str>,
    ) -> Result<(), Failure> {
        let all = subject.interfaces(None);
        let ports = all.iter().flat_map(|signature| &signature.inputs);
        let names: IndexSet<&str> = ports.map(|port| &*port.name).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let given = self.given.iter().filter_map(|(name, _)| name.as_deref());
        let mut given = given.chain(self.shapes.iter().map(|(name, _)| name.as_str()));
        if let Some(unknown) = given.find(|name| !names.contains(name)) {
            let list = || format!("inputs are {}", names.join(", "));
            let help = did_you_mean(unknown, names.iter().copied()).unwrap_or_else(list);
            return Err(Failure::usage(&format!("there is no input `{unknown}`"), &help));
        }
        let interfaces = subject.interfaces(signature);
        if let Some(data) = &mut self.data {
            data.assign(&names, &interfaces)?;
            let twice = |name: &&str| {
                let named = self.given.iter().any(|(given, _)| given.as_deref() == Some(*name));
                named && data.of_input.contains_key(*name)
            };
            if let Some(name) = names.iter().find(|name| twice(name)) {
                let message =
                    format!("input `{name}` is given twice: with --input and in {}", data.place);
                return Err(Failure::usage(&message, "leave out --input"));
            }
        }
        let mut random = false;
        for interface in &interfaces {
            for port in interface.inputs.iter().filter(|port| !port.constant) {
                self.check_port(subject, interface, port)?;
                random |= matches!(self.source(&port.name), Source::Fill(Fill::Random { .. }));
            }
        }
        if !random {
            // They would all be the same.
            self.random_samples = 1;
        }
        Ok(())
    }

    fn check_port(
        &self,
        subject: &Subject,
        interface: &Interface,
        port: &Port,
    ) -> Result<(), Failure> {
        let from = match self.source(&port.name) {
            Source::Data(data, array) => {
                data.sample(subject, port, array, 0)?;
                &data.place
            }
            Source::File(file, value) => {
                self.check_file(subject, port, file, value)?;
                file
            }
            Source::Fill(_) => {
                let Some(data) = &self.data else { return Ok(()) };
                let somehow = self
                    .given
                    .iter()
                    .any(|(given, _)| given.as_deref().is_none_or(|given| *given == port.name));
                return if somehow { Ok(()) } else { Err(data.lacks(subject, interface, port)) };
            }
        };
        if self.shapes.iter().any(|(name, _)| *name == port.name) {
            let message = format!("input `{}` has its shape from {from}", port.name);
            return Err(Failure::usage(&message, "leave out its --shape"));
        }
        Ok(())
    }

    fn check_file(
        &self,
        subject: &Subject,
        port: &Port,
        file: &str,
        value: &Value,
    ) -> Result<(), Failure> {
        if fits(&value.shape, &port.shape) && value.ty == port.ty {
            return Ok(());
        }
        Err(misfit(subject, port, file, value, ""))
    }

    /// Where the values of inputs come from, to be told beside what is measured on them.
    pub(crate) fn sources(&self, subject: &Subject, signature: Option<&str>) -> Sources {
        let mut inputs: Vec<(String, String)> = Vec::new();
        for port in subject.interfaces(signature).iter().flat_map(|s| &s.inputs) {
            if port.constant || inputs.iter().any(|(name, _)| *name == port.name) {
                continue;
            }
            let from = match self.source(&port.name) {
                Source::Data(data, _) => &data.place,
                Source::File(file, _) => file,
                Source::Fill(Fill::Random { .. }) => RANDOM,
                Source::Fill(Fill::Zeros) => "zeros",
                Source::Fill(Fill::Ones) => "ones",
                Source::Fill(Fill::Ramp) => "a ramp",
            };
            inputs.push((port.name.clone(), from.to_owned()));
        }
        let seeds = if self.data.is_none() { self.random_samples as u64 } else { 1 };
        Sources { inputs, samples: self.samples(), seed: self.seed, seeds }
    }
}

enum Source<'a> {
    Data(&'a Data, usize),
    File(&'a str, &'a Value),
    Fill(Fill),
}
