//! What models are run on: values from files or made up, and samples of data.

use super::diagnostics::{Failure, named};
use super::running::Subject;
use indexmap::IndexSet;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use tfq_opt::ir::text::visible;
use tfq_opt::ir::{counted, did_you_mean};
use tfq_opt::runtime::{self, Fill, MAX_BYTES, Port, Signature, Value};

/// How many bytes of a tensor's name go into a file's.
const LONGEST_NAME: usize = 200;

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

/// What the inputs of a model get.
#[derive(Default)]
pub(crate) struct Inputs {
    given: Vec<(Option<String>, Given)>,
    shapes: Vec<(String, Vec<usize>)>,
    seed: u64,
    data: Option<Data>,
}

enum Given {
    Fill(Fill),
    File { file: String, value: Value },
}

/// Arrays of samples.
struct Data {
    place: String,
    arrays: Vec<(String, Value)>,
    /// Which array an input gets, once [`Inputs::check`] knows the model.
    of_input: BTreeMap<String, usize>,
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
        let mut inputs = Inputs { seed: self.seed.unwrap_or(0), ..Inputs::default() };
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
        self.data.as_ref().map_or(1, Data::samples)
    }

    /// For each input of a signature its value in a sample.
    pub(crate) fn values(
        &self,
        subject: &Subject,
        signature: &Signature,
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
        signature: &Signature,
        port: &Port,
        sample: usize,
    ) -> Result<Value, Failure> {
        let fill = match self.source(&port.name) {
            Source::Data(data, array) => return data.sample(subject, port, array, sample),
            Source::File(file, value) => {
                self.check_file(subject, port, file, value)?;
                return Ok(value.clone());
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
        for interface in &interfaces {
            for port in interface.inputs.iter().filter(|port| !port.constant) {
                self.check_port(subject, interface, port)?;
            }
        }
        Ok(())
    }

    fn check_port(
        &self,
        subject: &Subject,
        interface: &Signature,
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
        Sources { inputs, samples: self.samples(), seed: self.seed }
    }
}

enum Source<'a> {
    Data(&'a Data, usize),
    File(&'a str, &'a Value),
    Fill(Fill),
}

const RANDOM: &str = "random";

/// Where the values of inputs came from.
pub(crate) struct Sources {
    inputs: Vec<(String, String)>,
    samples: usize,
    seed: u64,
}

impl Sources {
    /// Whether some were made up at random, which tells little of real ones.
    pub(crate) fn random(&self) -> bool {
        self.inputs.iter().any(|(_, from)| from == RANDOM)
    }

    pub(crate) fn json(&self) -> Json {
        let inputs = self.inputs.iter().map(|(name, from)| json!({ "name": name, "from": from }));
        let inputs: Vec<Json> = inputs.collect();
        let mut object = json!({ "inputs": inputs, "samples": self.samples });
        object["random"] = self.random().into();
        if self.random() {
            object["seed"] = self.seed.into();
        }
        object
    }
}

impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phrase = |from: &str| match from {
            RANDOM => format!("random from seed {}", self.seed),
            from => from.to_owned(),
        };
        let mut by_source: Vec<(&str, Vec<&str>)> = Vec::new();
        for (name, from) in &self.inputs {
            match by_source.iter_mut().find(|(source, _)| source == from) {
                Some((_, names)) => names.push(name),
                None => by_source.push((from, vec![name])),
            }
        }
        match &by_source[..] {
            [] => f.write_str("none")?,
            [(from, _)] => f.write_str(&phrase(from))?,
            several => {
                for (n, (from, names)) in several.iter().enumerate() {
                    let names: Vec<String> =
                        names.iter().map(|name| format!("`{}`", visible(name))).collect();
                    let comma = if n > 0 { ", " } else { "" };
                    write!(f, "{comma}{} {}", names.join(" and "), phrase(from))?;
                }
            }
        }
        if self.samples > 1 { write!(f, ", {}", counted(self.samples, "sample")) } else { Ok(()) }
    }
}

impl Data {
    fn read(path: &Path) -> Result<Self, Failure> {
        let place = named(path);
        let failed = |error: &io::Error| Failure::file("cannot read", path, error);
        let ends = |ending: &str| path.as_os_str().as_encoded_bytes().ends_with(ending.as_bytes());
        let mut arrays = if path.is_dir() {
            let mut arrays = Vec::new();
            for entry in fs::read_dir(path).map_err(|error| failed(&error))? {
                let file = entry.map_err(|error| failed(&error))?.path();
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if let Some(name) = name.strip_suffix(".npy") {
                    arrays.push((name.to_owned(), read_npy(&file)?));
                }
            }
            arrays
        } else if ends(".npy") {
            vec![(String::new(), read_npy(path)?)]
        } else if ends(".npz") || !path.exists() {
            let open = File::open(path).map(BufReader::new);
            open.and_then(runtime::read_npz).map_err(|error| failed(&error))?
        } else {
            let help = "give a folder of .npy files, an .npz or a .npy";
            return Err(Failure::usage(&format!("{place} holds no samples"), help));
        };
        // Folders list their files in no defined order.
        arrays.sort_by(|(a, _), (b, _)| a.cmp(b));
        let data = Self { place, arrays, of_input: BTreeMap::new() };
        data.check_counts()?;
        Ok(data)
    }

    fn check_counts(&self) -> Result<(), Failure> {
        let failed = |message: String, help: &str| {
            let message = format!("{}: {message}", self.place);
            Err(Failure::Model { message, help: Some(help.to_owned()) })
        };
        let Some((first, value)) = self.arrays.first() else {
            return failed("there are no arrays".to_owned(), "put NAME.npy there for each input");
        };
        for (name, other) in &self.arrays {
            match other.shape.first() {
                None | Some(0) => {
                    let message = format!("{} holds no samples: it is {}", of(name), other.form());
                    return failed(message, "the first axis is that of samples");
                }
                count if count == value.shape.first() => (),
                Some(count) => {
                    let wanted = value.shape.first().unwrap_or(&0);
                    let (first, name) = (of(first), of(name));
                    let wanted = counted(*wanted, "sample");
                    let message = format!("{first} holds {wanted}, {name} {count}");
                    return failed(message, "the first axis of all arrays is that of samples");
                }
            }
        }
        Ok(())
    }

    fn samples(&self) -> usize {
        self.arrays.first().and_then(|(_, value)| value.shape.first()).map_or(1, |n| *n)
    }

    /// Finds out which input each array is for. A file's name cannot say all that an input's can,
    /// so the form that `run -o` gives it counts too.
    fn assign(&mut self, names: &[&str], interfaces: &[Signature]) -> Result<(), Failure> {
        let failed = |message: String, help: String| {
            Err(Failure::Model { message: format!("{}: {message}", self.place), help: Some(help) })
        };
        let names_help = format!("inputs are {}", names.join(", "));
        if let [(name, _)] = &self.arrays[..]
            && name.is_empty()
        {
            for interface in interfaces {
                let mut free = interface.inputs.iter().filter(|port| !port.constant);
                let (Some(port), None) = (free.next(), free.next()) else {
                    let message = "one array is for a model with one input".to_owned();
                    let help = format!("{names_help}; give a folder or an .npz with all");
                    return failed(message, help);
                };
                self.of_input.insert(port.name.clone(), 0);
            }
            return Ok(());
        }
        for (index, (array, _)) in self.arrays.iter().enumerate() {
            let same: Vec<&str> = names.iter().copied().filter(|name| *name == array).collect();
            let alike = || names.iter().copied().filter(|name| plain(name) == *array).collect();
            let found = if same.is_empty() { alike() } else { same };
            let [name] = found[..] else {
                let message = match found.len() {
                    0 => format!("{} is for no input", of(array)),
                    _ => format!("{} is for {}, which cannot be", of(array), found.join(" or ")),
                };
                return failed(message, names_help);
            };
            if self.of_input.insert(name.to_owned(), index).is_some() {
                return failed(format!("there are two arrays for input `{name}`"), names_help);
            }
        }
        Ok(())
    }

    fn lacks(&self, subject: &Subject, interface: &Signature, port: &Port) -> Failure {
        let names: Vec<&str> = self.arrays.iter().map(|(name, _)| name.as_str()).collect();
        let signature = match &interface.key {
            Some(key) => format!(" of `{key}`"),
            None => String::new(),
        };
        Failure::Model {
            message: format!(
                "{}: {} has no samples for input `{}`{signature}, only for {}",
                subject.name,
                self.place,
                port.name,
                names.join(", ")
            ),
            help: Some(format!(
                "add {}.npy, or say --input={}=zeros",
                plain(&port.name),
                port.name
            )),
        }
    }

    /// What an input gets in one sample. Where the first dimension of the input is 1 or free, an
    /// array may have rows in place of samples that have this dimension.
    fn sample(
        &self,
        subject: &Subject,
        port: &Port,
        array: usize,
        sample: usize,
    ) -> Result<Value, Failure> {
        let (name, value) = &self.arrays[array];
        let rest = &value.shape[1..];
        let row = matches!(port.shape.first(), Some(1 | -1)) && fits(rest, &port.shape[1..]);
        let whole = fits(rest, &port.shape);
        if value.ty != port.ty || !(row || whole) {
            let place = if name.is_empty() {
                self.place.clone()
            } else {
                format!("`{}` in {}", visible(name), self.place)
            };
            return Err(misfit(subject, port, &place, value, "one axis of samples and "));
        }
        let mut shape = rest.to_vec();
        if !whole {
            shape.insert(0, 1);
        }
        let bytes = value.data.len() / self.samples();
        let data = value.data[sample * bytes..][..bytes].to_vec();
        Ok(Value { ty: value.ty, shape, data })
    }
}

/// The name of an array, for messages.
fn of(name: &str) -> String {
    if name.is_empty() { "it".to_owned() } else { format!("`{}`", visible(name)) }
}

fn misfit(subject: &Subject, port: &Port, place: &str, value: &Value, beside: &str) -> Failure {
    let (name, wanted, found) = (&port.name, port.form(), value.form());
    let message =
        format!("{}: input `{name}` is {beside}{wanted}, {place} holds {found}", subject.name);
    let help = "convert it, for example with x.astype(np.float32).reshape(…)";
    Failure::Model { message, help: Some(help.to_owned()) }
}

fn read_npy(path: &Path) -> Result<Value, Failure> {
    let open = File::open(path).map(BufReader::new);
    open.and_then(runtime::read_npy).map_err(|error| Failure::file("cannot read", path, &error))
}

fn fits(have: &[usize], want: &[i32]) -> bool {
    let same = |(have, want): (&usize, &i32)| *want < 0 || *have as i64 == i64::from(*want);
    have.len() == want.len() && have.iter().zip(want).all(same)
}

/// A tensor's name, as the name of a file.
pub(crate) fn plain(name: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = name.chars().map(keep).collect();
    if name.trim_matches('.').is_empty() { "output".to_owned() } else { shortened(name) }
}

/// A name with room for a number and an ending in the 255 bytes that a file's name may have:
/// converters join the names of all ops that they fuse.
pub(crate) fn shortened(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(LONGEST_NAME));
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_names_of_files() {
        assert_eq!(plain("StatefulPartitionedCall:0"), "StatefulPartitionedCall_0");
        assert_eq!(plain("../../etc/x"), ".._.._etc_x");
        assert_eq!(plain(""), "output");
        assert_eq!(plain(".."), "output");
        assert_eq!(plain(&"é".repeat(300)), "é".repeat(100));
        assert_eq!(plain(&format!("x{}", "é".repeat(300))), format!("x{}", "é".repeat(99)));
    }

    fn sources(inputs: &[(&str, &str)], samples: usize) -> String {
        let inputs = inputs.iter().map(|(name, from)| ((*name).to_owned(), (*from).to_owned()));
        Sources { inputs: inputs.collect(), samples, seed: 7 }.to_string()
    }

    #[test]
    fn sources_are_told_once() {
        assert_eq!(sources(&[("x", RANDOM), ("y", RANDOM)], 1), "random from seed 7");
        assert_eq!(sources(&[("x", "d.npz"), ("y", "d.npz")], 9), "d.npz, 9 samples");
        let mixed = sources(&[("x", "d.npz"), ("y", RANDOM), ("z", "d.npz")], 2);
        assert_eq!(mixed, "`x` and `z` d.npz, `y` random from seed 7, 2 samples");
    }
}
