//! Samples: arrays with one row for each run.

use super::names::plain;
use crate::diagnostics::{Failure, named};
use crate::subject::Subject;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;
use tfq_ir::counted;
use tfq_runtime::{self as runtime, Interface, Port, Value};
use tfq_text::visible;

/// Arrays of samples.
pub(super) struct Data {
    pub(super) place: String,
    pub(super) arrays: Vec<(String, Value)>,
    /// Which array an input gets, once [`super::Inputs::check`] knows the model.
    pub(super) of_input: BTreeMap<String, usize>,
}

impl Data {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
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

    pub(super) fn samples(&self) -> usize {
        self.arrays.first().and_then(|(_, value)| value.shape.first()).map_or(1, |n| *n)
    }

    /// Finds out which input each array is for. A file's name cannot say all that an input's can,
    /// so the form that `run -o` gives it counts too.
    pub(super) fn assign(
        &mut self,
        names: &[&str],
        interfaces: &[Interface],
    ) -> Result<(), Failure> {
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

    pub(super) fn lacks(&self, subject: &Subject, interface: &Interface, port: &Port) -> Failure {
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
    pub(super) fn sample(
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

pub(super) fn misfit(
    subject: &Subject,
    port: &Port,
    place: &str,
    value: &Value,
    beside: &str,
) -> Failure {
    let (name, wanted, found) = (&port.name, port.form(), value.form());
    let message =
        format!("{}: input `{name}` is {beside}{wanted}, {place} holds {found}", subject.name);
    let help = "convert it, for example with x.astype(np.float32).reshape(…)";
    Failure::Model { message, help: Some(help.to_owned()) }
}

pub(super) fn read_npy(path: &Path) -> Result<Value, Failure> {
    let open = File::open(path).map(BufReader::new);
    open.and_then(runtime::read_npy).map_err(|error| Failure::file("cannot read", path, &error))
}

pub(super) fn fits(have: &[usize], want: &[i32]) -> bool {
    let same = |(have, want): (&usize, &i32)| *want < 0 || *have as i64 == i64::from(*want);
    have.len() == want.len() && have.iter().zip(want).all(same)
}
