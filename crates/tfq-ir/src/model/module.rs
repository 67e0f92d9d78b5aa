//! The whole model.

use super::buffer_uses::BufferUses;
use super::metadata::MetadataList;
use super::numbering::{Numbering, Numbers, numbering};
use super::signature::SignaturePorts;
use crate::edit::{Log, Pruned};
use crate::maps::IndexMap;
use crate::{
    BufferId, ConstantPool, ExternalBuffer, Metadata, Op, OpCode, OpId, Record, RecordEntry,
    Recorded, Signature, Subgraph, SubgraphId, TensorId,
};
use bytes::Bytes;
use std::hash::Hasher;
use std::sync::Arc;

/// A model: subgraphs, the constants they share, and everything the file says besides. Readers
/// make it from [`ModuleParts`].
#[derive(Clone, Debug, Default)]
pub struct Module {
    pub(crate) version: u32,
    pub(crate) description: Option<Arc<str>>,
    pub(crate) signatures: Vec<Signature>,
    pub(crate) signature_ports: SignaturePorts,
    pub(crate) metadata: MetadataList,
    pub(crate) metadata_buffer: Vec<i32>,
    pub(crate) buffer_uses: BufferUses,
    pub(crate) external_buffer_groups: Vec<Option<Arc<str>>>,
    pub(crate) external_buffers: Vec<ExternalBuffer>,
    pub(crate) op_codes: Vec<OpCode>,
    pub(crate) trailer: Bytes,
    pub(crate) constants_outside: bool,
    /// By key.
    pub(crate) records: IndexMap<Arc<str>, Arc<Record>>,
    /// Behind `Arc`, like all that a snapshot shares until it changes.
    pub(crate) subgraphs: Vec<Arc<Subgraph>>,
    pub(crate) constants: Arc<ConstantPool>,
    pub(crate) pruned: Pruned,
    pub(crate) log: Log,
}

/// What a model is made of: what readers fill in, and [`Self::build`] takes.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct ModuleParts {
    pub version: u32,
    pub description: Option<Arc<str>>,
    pub signatures: Vec<Signature>,
    pub metadata: Vec<Metadata>,
    pub metadata_buffer: Vec<i32>,
    pub external_buffer_groups: Vec<Option<Arc<str>>>,
    pub external_buffers: Vec<ExternalBuffer>,
    pub op_codes: Vec<OpCode>,
    pub trailer: Bytes,
    pub constants_outside: bool,
    pub records: IndexMap<Arc<str>, Arc<Record>>,
    /// Each built under a number of its own: that of its place, where it is new.
    pub subgraphs: Vec<Subgraph>,
    pub constants: ConstantPool,
}

impl Default for ModuleParts {
    fn default() -> Self {
        Self::of(&Module { version: 3, ..Module::default() })
    }
}

impl ModuleParts {
    /// What this model is made of.
    pub fn of(module: &Module) -> Self {
        Self {
            version: module.version,
            description: module.description.clone(),
            signatures: module.signatures.clone(),
            metadata: module.metadata.to_vec(),
            metadata_buffer: module.metadata_buffer.clone(),
            external_buffer_groups: module.external_buffer_groups.clone(),
            external_buffers: module.external_buffers.clone(),
            op_codes: module.op_codes.clone(),
            trailer: module.trailer.clone(),
            constants_outside: module.constants_outside,
            records: module.records.clone(),
            subgraphs: module.subgraphs.iter().map(|graph| Subgraph::clone(graph)).collect(),
            constants: ConstantPool::clone(&module.constants),
        }
    }

    /// The model.
    ///
    /// # Panics
    /// As [`Module::new`].
    pub fn build(self) -> Module {
        let mut module = Module {
            version: self.version,
            description: self.description,
            signatures: self.signatures,
            metadata: self.metadata.into(),
            metadata_buffer: self.metadata_buffer,
            external_buffer_groups: self.external_buffer_groups,
            external_buffers: self.external_buffers,
            op_codes: self.op_codes,
            trailer: self.trailer,
            constants_outside: self.constants_outside,
            records: self.records,
            constants: Arc::new(self.constants),
            ..Module::default()
        };
        let mut origins: Vec<u32> = self.subgraphs.iter().map(Subgraph::origin).collect();
        origins.sort_unstable();
        if let Some(pair) = origins.windows(2).find(|pair| pair[0] == pair[1]) {
            panic!("two subgraphs were built under the number {}", pair[0]);
        }
        module.set_subgraphs(self.subgraphs.into_iter());
        module
    }
}

impl Module {
    /// A model of these subgraphs and constants; everything else is empty.
    ///
    /// # Panics
    /// If two subgraphs were built under one number
    /// ([`SubgraphBuilder::numbered`](crate::SubgraphBuilder::numbered)): each would take the
    /// other's handles for its own.
    pub fn new(subgraphs: Vec<Subgraph>, constants: ConstantPool) -> Self {
        ModuleParts { subgraphs, constants, ..ModuleParts::default() }.build()
    }

    /// The model again with parts that are not as they were. It has no history.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn rebuilt(&self, change: impl FnOnce(&mut ModuleParts)) -> Self {
        let mut parts = ModuleParts::of(self);
        change(&mut parts);
        parts.build()
    }

    /// Version of the format; the runtime takes 3 only.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Free text.
    pub fn description(&self) -> Option<&Arc<str>> {
        self.description.as_ref()
    }

    /// Functions that a caller can run by name.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Named buffers that the runtime or a tool reads.
    pub fn metadata(&self) -> &[Metadata] {
        &self.metadata
    }

    /// The format's older list of metadata buffers.
    pub fn metadata_buffer(&self) -> &[i32] {
        &self.metadata_buffer
    }

    /// Names of files with constants outside the model.
    pub fn external_buffer_groups(&self) -> &[Option<Arc<str>>] {
        &self.external_buffer_groups
    }

    /// Constants outside the model.
    pub fn external_buffers(&self) -> &[ExternalBuffer] {
        &self.external_buffers
    }

    /// Operator codes of the file. Lowering raises their versions to what the ops need and adds
    /// what is missing.
    pub fn op_codes(&self) -> &[OpCode] {
        &self.op_codes
    }

    /// Bytes that followed the model in its file, for example a zip of associated files.
    pub fn trailer(&self) -> &Bytes {
        &self.trailer
    }

    /// Whether constants lay behind the flatbuffer.
    pub fn constants_outside(&self) -> bool {
        self.constants_outside
    }

    pub(crate) fn set_subgraphs(&mut self, subgraphs: impl Iterator<Item = Subgraph>) {
        self.subgraphs = subgraphs.map(Arc::new).collect();
    }

    /// Numbers of the subgraphs.
    pub fn subgraph_ids(&self) -> impl Iterator<Item = SubgraphId> + use<> {
        (0..self.subgraphs.len() as u32).map(SubgraphId)
    }

    /// Subgraphs with their numbers.
    pub fn subgraphs(&self) -> impl ExactSizeIterator<Item = (SubgraphId, &Subgraph)> {
        self.subgraphs.iter().enumerate().map(|(n, sg)| (SubgraphId(n as u32), &**sg))
    }

    /// A subgraph.
    ///
    /// # Panics
    /// If there is none of this number.
    pub fn subgraph(&self, id: SubgraphId) -> &Subgraph {
        &self.subgraphs[id.0 as usize]
    }

    /// A subgraph, where there is one of this number.
    pub fn find_subgraph(&self, id: SubgraphId) -> Option<&Subgraph> {
        self.subgraphs.get(id.0 as usize).map(|graph| &**graph)
    }

    /// The subgraph whose handles carry this number ([`Subgraph::origin`]); `None` once it was
    /// dropped.
    pub fn by_origin(&self, origin: u32) -> Option<SubgraphId> {
        // Where none was dropped, each has the number of its place.
        let there = |n: &usize| self.subgraphs[*n].origin() == origin;
        let at = Some(origin as usize).filter(|n| *n < self.subgraphs.len() && there(n));
        let at = at.or_else(|| (0..self.subgraphs.len()).find(there))?;
        Some(SubgraphId(at as u32))
    }

    /// The constants of all subgraphs.
    pub fn constants(&self) -> &ConstantPool {
        &self.constants
    }

    /// The bytes of a tensor that is a constant: its buffer has data, it is no variable, and no
    /// op computes it as well.
    pub fn constant(&self, subgraph: SubgraphId, tensor: TensorId) -> Option<&Bytes> {
        let graph = self.subgraph(subgraph);
        let buffer = Some(graph.tensor(tensor)).filter(|tensor| !tensor.is_variable)?.buffer;
        let odd = graph.oddity(tensor).is_some();
        if odd { None } else { self.constants.constant(buffer) }
    }

    /// How many tensors and metadata entries refer to a buffer.
    pub fn buffer_uses(&self, id: BufferId) -> usize {
        self.metadata_uses(id) + self.buffer_uses.tensors(&self.subgraphs, id)
    }

    /// How many metadata entries refer to a buffer, both lists of these counted.
    pub fn metadata_uses(&self, id: BufferId) -> usize {
        self.metadata.uses(id) + self.buffer_uses.listed(&self.metadata_buffer, id)
    }

    /// The metadata entry of this name.
    pub fn metadata_bytes(&self, name: &str) -> Option<&Bytes> {
        self.constants.get(self.metadata[self.metadata.find(name)?].buffer)
    }

    /// Metadata of the model that would be wrong if these moved, and a kind of them that it
    /// refers to by number.
    pub fn numbered_by_metadata(
        &self,
        numbers: Numbers,
    ) -> Option<(&'static Numbering, &'static str)> {
        self.metadata.iter().find_map(|entry| {
            let found = numbering(entry.name.as_deref()?).filter(|found| !found.kept_true)?;
            Some((found, found.numbers.common(numbers)?))
        })
    }

    /// The record of this key.
    pub fn record(&self, key: &str) -> Option<&Record> {
        self.records.get(key).map(|record| &**record)
    }

    /// All records with their keys.
    pub fn records(&self) -> impl Iterator<Item = (&Arc<str>, &Record)> {
        self.records.iter().map(|(key, record)| (key, &**record))
    }

    /// The module with these records too, which its file has. It is another one, which no edits
    /// lead to.
    #[must_use]
    pub fn with_records(mut self, records: IndexMap<Arc<str>, Arc<Record>>) -> Self {
        self.log.part();
        self.records.extend(records);
        self
    }

    /// The entries of a record about what the module still has, with their subgraphs.
    pub fn recorded<'a>(
        &'a self,
        record: &'a Record,
    ) -> impl Iterator<Item = (SubgraphId, &'a RecordEntry)> {
        record.entries.iter().filter_map(|entry| {
            let sg = self.by_origin(entry.of.origin())?;
            let graph = self.subgraph(sg);
            let is_there = match entry.of {
                Recorded::Op(op) => graph.contains_op(op),
                Recorded::Tensor(tensor) => graph.contains_tensor(tensor),
            };
            is_there.then_some((sg, entry))
        })
    }

    /// A hash of what the subgraphs compute and how: ops in order with their attributes, and
    /// tensors by type, shape, quantisation and constant, whatever their names and handles.
    /// Modules that differ in structure have different hashes, but for chance.
    pub fn structural_hash(&self) -> u64 {
        self.hash_subgraphs(false)
    }

    /// As [`Self::structural_hash`], but names, versions and notes count too: what any patch
    /// changes, changes it.
    pub fn state_hash(&self) -> u64 {
        self.hash_subgraphs(true)
    }

    fn hash_subgraphs(&self, annotations: bool) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        for graph in &self.subgraphs {
            graph.hash_structure(&mut hasher, annotations);
        }
        hasher.finish()
    }

    pub(crate) fn subgraph_mut(&mut self, id: SubgraphId) -> &mut Subgraph {
        to_change(&mut self.subgraphs[id.0 as usize])
    }

    /// The ops of a kind, anywhere in the model.
    pub fn ops_of_kind(&self, code: i32) -> impl Iterator<Item = (SubgraphId, OpId, &Op)> {
        self.subgraphs().flat_map(move |(id, sg)| {
            sg.ops().map(move |op| (id, op, sg.op(op))).filter(move |(_, _, op)| op.kind.is(code))
        })
    }
}

/// A subgraph to be changed, which makes it another for analyses.
pub(crate) fn to_change(graph: &mut Arc<Subgraph>) -> &mut Subgraph {
    let graph = Arc::make_mut(graph);
    graph.new_epoch();
    graph
}
