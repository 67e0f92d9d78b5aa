//! Models as files that the runtime can map, and what their inputs are.

use super::diagnostics::{Failure, named};
use super::model::{self, ReadArgs};
use bytes::Bytes;
use indexmap::IndexSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use tfq_ir::ops::semantics_of;
use tfq_ir::{ElementType, Module, SubgraphId, Tensor, TensorId, TensorLink};
use tfq_opt::{LoadOptions, Source};
use tfq_runtime::{Interface, Port, Range};
use tfq_tflite::{Access, Image, LiftOptions, LowerOptions, TemporaryFolder};

/// A model as a file that the runtime can map.
pub(crate) struct Subject {
    pub(crate) name: String,
    /// What inputs are made up by.
    module: Option<Module>,
    file: ModelFile,
}

/// The file of a model, for other processes, as long as this is there.
struct ModelFile {
    path: PathBuf,
    /// Keep it.
    _bytes: Option<Bytes>,
    _folder: Option<TemporaryFolder>,
}

impl ModelFile {
    /// Of a file that was read. The name under which that was done may be another file's by now,
    /// and what is run is what was read.
    fn of_bytes(bytes: &Bytes) -> Result<Self, Failure> {
        match tfq_tflite::name_of_open_file(bytes) {
            Some(path) => Ok(Self { path, _bytes: Some(bytes.clone()), _folder: None }),
            None => Self::of_image(&Image::of_file(bytes.clone())),
        }
    }

    /// Of a model that came as text, from a stream or from a pass.
    fn of_image(image: &Image) -> Result<Self, Failure> {
        let write = || {
            let folder = TemporaryFolder::new()?;
            let path = folder.path().join("model.tflite");
            image.write_to(&mut File::create(&path)?, |_| ())?;
            Ok(Self { path, _bytes: None, _folder: Some(folder) })
        };
        write().map_err(|error| Failure::file("cannot write", "a temporary file", &error))
    }
}

impl Subject {
    pub(crate) fn load(name: impl AsRef<Path>, reading: &ReadArgs) -> Result<Self, Failure> {
        let name = name.as_ref();
        let source = model::source(name, reading, Access::Parts)?.source;
        Self::of_source(name, &source, reading)
    }

    /// A model that was read from `name`.
    pub(crate) fn of_source(
        name: impl AsRef<Path>,
        source: &Source<'_>,
        reading: &ReadArgs,
    ) -> Result<Self, Failure> {
        let name = name.as_ref();
        let failed = |error| Failure::model(name, error);
        let (module, file) = match source {
            Source::Module(module) => {
                let image = tfq_tflite::lower(module, &LowerOptions::default())
                    .map_err(|error| failed(error.into()))?;
                (Module::clone(module), ModelFile::of_image(&image)?)
            }
            Source::Bytes(bytes) => {
                let lift = LiftOptions { drop_unknown: reading.drop_unknown };
                let options = LoadOptions { lift, ..LoadOptions::default() };
                let module = tfq_opt::load(bytes, &options).map_err(failed)?;
                (module, ModelFile::of_bytes(bytes)?)
            }
            Source::Model(_) => unreachable!("the command line reads files"),
        };
        let name = match model::is_standard(name) {
            true => "standard input".to_owned(),
            false => named(name),
        };
        Ok(Self { name, module: Some(module), file })
    }

    /// A model that is to be written.
    pub(crate) fn of_image(name: &str, image: &Image) -> Result<Self, Failure> {
        Ok(Self { name: name.to_owned(), module: None, file: ModelFile::of_image(image)? })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.file.path
    }

    /// What was read. A model that is to be written is only a file here.
    pub(crate) fn module(&self) -> Option<&Module> {
        self.module.as_ref()
    }

    /// The inputs of this signature or of all of them, as the file tells them.
    pub(crate) fn interfaces(&self, signature: Option<&str>) -> Vec<Interface> {
        let Some(module) = &self.module else { return Vec::new() };
        let port = |sg, name: &str, tensor: TensorId| {
            let described = module.subgraph(sg).tensor(tensor);
            Port {
                name: name.to_owned(),
                ty: described.ty,
                shape: free_shape(described).to_vec(),
                constant: module.constant(sg, tensor).is_some(),
            }
        };
        let of_signature = |s: &tfq_ir::Signature| {
            let sg = module.subgraph_ids().nth(s.subgraph as usize)?;
            let inputs = s.inputs.iter().filter_map(|(name, link)| {
                Some(port(sg, name.as_deref().unwrap_or_default(), link.tensor()?))
            });
            let key = s.key.as_deref().map(str::to_owned);
            Some(Interface { key, inputs: inputs.collect(), outputs: Vec::new() })
        };
        let mut all: Vec<Interface> = module.signatures().iter().filter_map(of_signature).collect();
        if let (true, Some((sg, graph))) = (all.is_empty(), module.subgraphs().next()) {
            let inputs = graph.inputs().iter();
            let inputs = inputs
                .map(|id| port(sg, graph.tensor(*id).name.as_deref().unwrap_or_default(), *id));
            all.push(Interface { key: None, inputs: inputs.collect(), outputs: Vec::new() });
        }
        all.retain(|found| signature.is_none_or(|key| found.label() == key));
        all
    }

    /// The tensor of the model that an input is.
    fn tensor(
        &self,
        signature: &Interface,
        port: &Port,
    ) -> Option<(&Module, SubgraphId, TensorId)> {
        let module = self.module.as_ref()?;
        let key = signature.key.as_deref();
        if let Some(described) = module.signatures().iter().find(|s| s.key.as_deref() == key) {
            let named = |(name, _): &&(Option<_>, _)| name.as_deref() == Some(&*port.name);
            let (_, link) = described.inputs.iter().find(named)?;
            let TensorLink::Tensor(tensor) = link else { return None };
            let sg = module.subgraph_ids().nth(described.subgraph as usize)?;
            return Some((module, sg, *tensor));
        }
        let (sg, graph) = module.subgraphs().next()?;
        let named = |id: &&TensorId| graph.tensor(**id).name.as_deref() == Some(&port.name);
        Some((module, sg, *graph.inputs().iter().find(named)?))
    }

    /// The dimensions of an input, -1 where the caller chooses. The C API tells a placeholder
    /// in its place.
    pub(crate) fn shape(&self, signature: &Interface, port: &Port) -> Vec<i32> {
        let signed = self
            .tensor(signature, port)
            .map(|(module, sg, tensor)| free_shape(module.subgraph(sg).tensor(tensor)).to_vec());
        signed.filter(|shape| shape.len() == port.shape.len()).unwrap_or_else(|| port.shape.clone())
    }

    /// The integers that suit an input: ids where it selects rows of tables, codes where it is
    /// quantised.
    pub(crate) fn range(&self, signature: &Interface, port: &Port) -> Range {
        let Some((module, sg, tensor)) = self.tensor(signature, port) else { return Range::Bits };
        if let Some(rows) = rows(module, sg, tensor) {
            return Range::Below(rows);
        }
        let tensor = module.subgraph(sg).tensor(tensor);
        let codes = tensor.scales() > 0 || tensor.ty == ElementType::UInt8;
        if codes { Range::All } else { Range::Bits }
    }
}

/// A tensor's dimensions, -1 where the caller chooses.
fn free_shape(tensor: &Tensor) -> &[i32] {
    let signed = &tensor.shape_signature;
    if signed.len() == tensor.shape.len() { signed } else { &tensor.shape }
}

/// How many rows the smallest table has in which a tensor selects some.
fn rows(module: &Module, sg: SubgraphId, tensor: TensorId) -> Option<u64> {
    let graph = module.subgraph(sg);
    // Tensors by which it is passed on.
    let mut passed = IndexSet::from([tensor]);
    let mut least: Option<u64> = None;
    let mut next = 0;
    while let Some(&tensor) = passed.get_index(next) {
        next += 1;
        for reader in graph.uses(tensor) {
            let op = graph.op(reader.op);
            let Some(what) = semantics_of(op) else { continue };
            let dimension = |slot, axis: i64| {
                let shape = &graph.tensor(graph.operand(reader.op, slot)?).shape;
                let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
                u64::try_from(*shape.get(usize::try_from(axis).ok()?)?).ok()
            };
            let selected = what.selected_by(op, reader.slot);
            let found = selected.and_then(|(table, axis)| dimension(table, axis));
            if what.passes_on(reader.slot) {
                let all = what.results.last().is_some_and(|last| last.variadic);
                let results = graph.results(reader.op);
                passed.extend(results.into_iter().take(if all { usize::MAX } else { 1 }));
            }
            least = least.into_iter().chain(found).min();
        }
    }
    least
}
