//! The whole model.

use crate::catalog::ops;
use crate::patch::{Applied, Patch, Rejected};
use crate::references::SignatureEnds;
use crate::words::counted;
use crate::{
    BufferId, ConstantPool, DEQUANT_CACHE_METADATA, Numbers, Op, OpId, OpKind, Subgraph, TensorId,
    TensorLink, numbering,
};
use bytes::Bytes;
use indexmap::IndexMap;
use std::hash::Hasher;
use std::sync::Arc;

/// A subgraph by its number; number 0 is the main one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubgraphId(pub u32);

/// A model: subgraphs, the constants they share, and everything the file says besides. Readers
/// make it from [`ModuleParts`].
#[derive(Clone, Debug, Default)]
pub struct Module {
    pub(crate) version: u32,
    pub(crate) description: Option<Arc<str>>,
    pub(crate) signatures: Vec<Signature>,
    pub(crate) signature_ends: SignatureEnds,
    pub(crate) metadata: Vec<Metadata>,
    pub(crate) metadata_buffer: Vec<i32>,
    pub(crate) external_buffer_groups: Vec<Option<Arc<str>>>,
    pub(crate) external_buffers: Vec<ExternalBuffer>,
    pub(crate) op_codes: Vec<OpCode>,
    pub(crate) trailer: Bytes,
    pub(crate) constants_outside: bool,
    pub(crate) dequant_cache: Option<DequantCache>,
    /// Behind `Arc`, like all that a snapshot shares until it changes.
    subgraphs: Vec<Arc<Subgraph>>,
    constants: Arc<ConstantPool>,
    journal: Arc<Vec<Arc<Applied>>>,
    changes: Arc<Vec<Change>>,
    pass: Option<Arc<str>>,
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
    pub dequant_cache: Option<DequantCache>,
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
            metadata: module.metadata.clone(),
            metadata_buffer: module.metadata_buffer.clone(),
            external_buffer_groups: module.external_buffer_groups.clone(),
            external_buffers: module.external_buffers.clone(),
            op_codes: module.op_codes.clone(),
            trailer: module.trailer.clone(),
            constants_outside: module.constants_outside,
            dequant_cache: module.dequant_cache.clone(),
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
            metadata: self.metadata,
            metadata_buffer: self.metadata_buffer,
            external_buffer_groups: self.external_buffer_groups,
            external_buffers: self.external_buffers,
            op_codes: self.op_codes,
            trailer: self.trailer,
            constants_outside: self.constants_outside,
            dequant_cache: self.dequant_cache,
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

/// A change of what a module computes, such that the same changes to the same module give the same module:
/// handles and buffer numbers come out alike.
#[derive(Clone, Debug)]
pub enum Change {
    /// A patch; shared, since every snapshot of the module holds all of them.
    Patch(Arc<Patch>),
    /// A constant was added.
    Constant(Bytes),
    /// A constant that nothing refers to was let go.
    Release(BufferId),
    /// An op got a version.
    Version(SubgraphId, OpId, i32),
    /// The description was set.
    Description(Option<Arc<str>>),
    /// A metadata entry was set.
    Metadata(String, Bytes),
    /// The record of cached Dequantize results was set or dropped.
    DequantCache(Option<DequantCache>),
    /// Buffers that nothing refers to were dropped.
    PruneBuffers,
    /// Operator codes that no op has were dropped.
    PruneOpCodes,
    /// Subgraphs that nothing calls were dropped.
    PruneSubgraphs,
}

/// An entry of the model's operator codes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct OpCode {
    pub builtin: i32,
    /// The one-byte field of old files; the larger of the two counts.
    pub deprecated_builtin: i8,
    pub custom: Option<Arc<str>>,
    pub version: i32,
}

impl OpCode {
    /// The entry that a writer makes for an op.
    pub fn for_kind(kind: &OpKind, version: i32) -> Self {
        let (builtin, custom) = match kind {
            OpKind::Builtin(code) => (*code, None),
            OpKind::Custom(name) => (crate::catalog::ops::CUSTOM, Some(name.clone())),
        };
        // Codes that one byte cannot hold leave the placeholder there.
        Self { builtin, deprecated_builtin: builtin.min(127) as i8, custom, version }
    }

    /// What ops with this code compute.
    pub fn kind(&self) -> OpKind {
        match self.builtin.max(i32::from(self.deprecated_builtin)) {
            crate::catalog::ops::CUSTOM => {
                OpKind::Custom(self.custom.clone().unwrap_or_else(|| Arc::from("")))
            }
            code => OpKind::Builtin(code),
        }
    }
}

/// A function that a caller can run by name. Numbers that name no tensor are kept.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Signature {
    pub key: Option<Arc<str>>,
    pub inputs: Vec<(Option<Arc<str>>, TensorLink)>,
    pub outputs: Vec<(Option<Arc<str>>, TensorLink)>,
    pub subgraph: u32,
    /// A field that the format gave up.
    pub deprecated_tag: Option<Arc<str>>,
}

/// A named buffer.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Metadata {
    pub name: Option<Arc<str>>,
    pub buffer: BufferId,
}

/// A constant in another file.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct ExternalBuffer {
    pub id: u32,
    pub group: u32,
    pub offset: u64,
    pub length: u64,
    pub packing: Option<Arc<str>>,
}

/// For each Dequantize of the model, whether the runtime computes its result once and keeps it.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct DequantCache {
    pub entries: Vec<DequantCacheEntry>,
}

impl DequantCache {
    /// RAM in bytes that the cached results hold for as long as the model is loaded.
    pub fn total_bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.bytes).sum()
    }
}

/// One Dequantize.
#[derive(Clone, Debug, PartialEq)]
pub struct DequantCacheEntry {
    /// Where the op is.
    pub subgraph: SubgraphId,
    /// The op.
    pub op: OpId,
    /// Why the result is cached or not.
    pub reason: CacheReason,
    /// RAM in bytes that the cached result holds; 0 where it is not cached.
    pub bytes: u64,
    /// Bytes that are computed anew at each run; 0 where it is cached.
    pub bytes_per_invoke: u64,
}

/// Why the runtime caches the result of a Dequantize, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheReason {
    /// The operand is a constant of the file: computed at the first run, then kept.
    CachedConstant,
    /// The operand is computed at run time.
    NotAConstant,
    /// The operand is a variable or an input.
    Variable,
    /// The operand is a constant of the caller, handed in as an argument.
    SubgraphArgument,
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

    /// What `annotate-dequant-cache` found, now or for the file; lowering writes it into the
    /// metadata.
    pub fn dequant_cache(&self) -> Option<&DequantCache> {
        self.dequant_cache.as_ref()
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

    /// Adds constant bytes, which changes nothing until a tensor refers to them.
    pub fn add_constant(&mut self, bytes: Bytes) -> BufferId {
        self.record(Change::Constant(bytes.clone()));
        Arc::make_mut(&mut self.constants).push(bytes)
    }

    /// How many tensors and metadata entries refer to a buffer. It looks at every tensor.
    pub fn buffer_uses(&self, id: BufferId) -> usize {
        let tensors = |graph: &Arc<Subgraph>| {
            graph.tensors().filter(|tensor| graph.tensor(*tensor).buffer == id).count()
        };
        self.metadata_uses(id) + self.subgraphs.iter().map(tensors).sum::<usize>()
    }

    /// How many metadata entries refer to a buffer, both lists of these counted.
    pub fn metadata_uses(&self, id: BufferId) -> usize {
        self.metadata.iter().filter(|entry| entry.buffer == id).count()
            + self.metadata_buffer.iter().filter(|n| u32::try_from(**n) == Ok(id.0)).count()
    }

    /// Lets go of those constant bytes among these that nothing refers to any more, and returns
    /// which they are. Their places stay, empty, so that no number changes. It looks at every
    /// tensor, so ask for many at a time.
    pub fn release_constants(&mut self, mut ids: Vec<BufferId>) -> Vec<BufferId> {
        let used = self.used_buffers();
        ids.retain(|id| used.get(id.0 as usize).is_some_and(|used| !used));
        for id in &ids {
            self.release(*id);
        }
        ids
    }

    fn release(&mut self, id: BufferId) {
        self.record(Change::Release(id));
        Arc::make_mut(&mut self.constants).release(id);
    }

    /// The metadata entry of this name.
    pub fn metadata_bytes(&self, name: &str) -> Option<&Bytes> {
        let entry = self.metadata.iter().find(|entry| entry.name.as_deref() == Some(name))?;
        self.constants.get(entry.buffer)
    }

    /// Sets the free text of the model.
    pub fn set_description(&mut self, text: Option<Arc<str>>) {
        self.record(Change::Description(text.clone()));
        self.description = text;
    }

    /// Sets the metadata entry of this name, adding it where there is none. The bytes take the
    /// place of the old ones unless something else refers to those.
    pub fn set_metadata(&mut self, name: &str, bytes: Bytes) {
        self.record(Change::Metadata(name.to_owned(), bytes.clone()));
        let Some(at) = self.metadata.iter().position(|e| e.name.as_deref() == Some(name)) else {
            let buffer = Arc::make_mut(&mut self.constants).push(bytes);
            self.metadata.push(Metadata { name: Some(name.into()), buffer });
            return;
        };
        let old = self.metadata[at].buffer;
        if old == BufferId::NONE || self.buffer_uses(old) > 1 {
            self.metadata[at].buffer = Arc::make_mut(&mut self.constants).push(bytes);
        } else {
            Arc::make_mut(&mut self.constants).replace(old, bytes);
        }
    }

    /// The module with what its file records of cached Dequantize results.
    #[must_use]
    pub fn with_dequant_cache(self, cache: Option<DequantCache>) -> Self {
        Self { dequant_cache: cache, ..self }
    }

    /// Sets what is known of cached Dequantize results. `None` drops the metadata entry of the
    /// file as well.
    pub fn set_dequant_cache(&mut self, cache: Option<DequantCache>) {
        let is_there = self.metadata.iter().any(is_dequant_cache);
        if self.dequant_cache == cache && (cache.is_some() || !is_there) {
            return;
        }
        self.record(Change::DequantCache(cache.clone()));
        match cache {
            Some(cache) => self.dequant_cache = Some(cache),
            None => self.drop_dequant_cache(),
        }
    }

    fn drop_dequant_cache(&mut self) {
        self.dequant_cache = None;
        while let Some(at) = self.metadata.iter().position(is_dequant_cache) {
            let buffer = self.metadata.remove(at).buffer;
            if buffer != BufferId::NONE && self.buffer_uses(buffer) == 0 {
                Arc::make_mut(&mut self.constants).release(buffer);
            }
        }
    }

    /// Drops the record of cached Dequantize results where the change just made leaves it untrue.
    /// Entries name ops by handles, which stay right as other ops come and go; a Dequantize that
    /// is new or reads something else is one that nobody has judged. A record of the file that
    /// could not be read has nothing but numbers.
    fn outdate_dequant_cache(&mut self, applied: &Applied) {
        let judged_anew = |sg| {
            let graph = self.subgraph(sg);
            let mut alive = applied.ops.iter().filter(|op| graph.contains_op(**op));
            alive.any(|op| graph.op(*op).kind.is(ops::DEQUANTIZE))
        };
        let outdated = match self.dequant_cache {
            Some(_) => applied.subgraph.is_some_and(judged_anew),
            None => numbering(DEQUANT_CACHE_METADATA)
                .is_some_and(|record| record.numbers.common(applied.renumbers()).is_some()),
        };
        if outdated {
            self.drop_dequant_cache();
        }
    }

    /// Checks a patch and applies it whole, or refuses it and leaves everything as it was.
    pub fn apply(&mut self, patch: Patch) -> Result<&Applied, Rejected> {
        let mut patch = patch;
        if patch.pass.is_none() {
            patch.pass.clone_from(&self.pass);
        }
        let applied = crate::patch::apply(self, patch.clone())?;
        self.record(Change::Patch(Arc::new(patch)));
        self.log(applied);
        Ok(&self.journal[self.journal.len() - 1])
    }

    /// Every patch that was applied, in order.
    pub fn journal(&self) -> &[Arc<Applied>] {
        &self.journal
    }

    /// Says which pass the patches to come are from; the journal keeps it with each.
    pub fn set_pass(&mut self, pass: Option<Arc<str>>) {
        self.pass = pass;
    }

    /// What made or last changed each op of a subgraph that a patch touched, oldest first: the
    /// provenance of the op. Those that are not named are as the file had them.
    pub fn op_origins(&self, sg: SubgraphId) -> IndexMap<OpId, Vec<&Applied>> {
        let graph = self.subgraph(sg);
        let mut origins: IndexMap<OpId, Vec<&Applied>> = IndexMap::new();
        for applied in self.journal.iter().filter(|applied| applied.subgraph == Some(sg)) {
            for op in applied.ops.iter().filter(|op| graph.contains_op(**op)) {
                origins.entry(*op).or_default().push(applied);
            }
        }
        origins
    }

    /// As [`Self::op_origins`], for tensors.
    pub fn tensor_origins(&self, sg: SubgraphId) -> IndexMap<TensorId, Vec<&Applied>> {
        let graph = self.subgraph(sg);
        let mut origins: IndexMap<TensorId, Vec<&Applied>> = IndexMap::new();
        for applied in self.journal.iter().filter(|applied| applied.subgraph == Some(sg)) {
            for id in applied.tensors.iter().filter(|id| graph.contains_tensor(**id)) {
                origins.entry(*id).or_default().push(applied);
            }
        }
        origins
    }

    fn record(&mut self, change: Change) {
        Arc::make_mut(&mut self.changes).push(change);
    }

    fn log(&mut self, applied: Applied) {
        self.outdate_dequant_cache(&applied);
        Arc::make_mut(&mut self.journal).push(Arc::new(applied));
    }

    /// Everything that was done to the module since it was made, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether nothing was done to the module since it was this one. Fields that a pass can set
    /// without a [`Change`] are compared.
    pub fn is_untouched_since(&self, before: &Self) -> bool {
        self.changes.len() == before.changes.len()
            && self.version == before.version
            && self.description == before.description
            && self.signatures == before.signatures
            && self.metadata == before.metadata
            && self.metadata_buffer == before.metadata_buffer
            && self.external_buffer_groups == before.external_buffer_groups
            && self.external_buffers == before.external_buffers
            && self.op_codes == before.op_codes
            && self.trailer == before.trailer
            && self.constants_outside == before.constants_outside
            && self.dequant_cache == before.dequant_cache
    }

    /// Does to this module what was done to one like it.
    pub fn replay(&mut self, changes: &[Change]) -> Result<(), Rejected> {
        for change in changes {
            match change.clone() {
                Change::Patch(patch) => {
                    self.apply(Arc::unwrap_or_clone(patch))?;
                }
                Change::Constant(bytes) => {
                    self.add_constant(bytes);
                }
                // That nothing refers to it was seen when it was recorded.
                Change::Release(id) => self.release(id),
                Change::Version(sg, op, version) => self.set_version(sg, op, version),
                Change::Description(text) => self.set_description(text),
                Change::Metadata(name, bytes) => self.set_metadata(&name, bytes),
                Change::DequantCache(cache) => self.set_dequant_cache(cache),
                Change::PruneBuffers => {
                    self.prune_buffers();
                }
                Change::PruneOpCodes => {
                    self.prune_op_codes();
                }
                Change::PruneSubgraphs => {
                    self.prune_subgraphs();
                }
            }
        }
        Ok(())
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
        edit(&mut self.subgraphs[id.0 as usize])
    }

    /// Sets the operator version that an op needs. Not a structural change.
    pub fn set_version(&mut self, subgraph: SubgraphId, op: OpId, version: i32) {
        self.record(Change::Version(subgraph, op, version));
        self.subgraph_mut(subgraph).op_mut(op).op.version = version;
    }

    /// The ops of a kind, anywhere in the model.
    pub fn ops_of_kind(&self, code: i32) -> impl Iterator<Item = (SubgraphId, OpId, &Op)> {
        self.subgraphs().flat_map(move |(id, sg)| {
            sg.ops().map(move |op| (id, op, sg.op(op))).filter(move |(_, _, op)| op.kind.is(code))
        })
    }
}

fn is_dequant_cache(entry: &Metadata) -> bool {
    entry.name.as_deref() == Some(DEQUANT_CACHE_METADATA)
}

/// Removing what nothing refers to. These are changes of the module's own lists, so they are
/// journalled like patches, and renumber what they must.
impl Module {
    /// How many buffers nothing refers to, but for metadata that numbers them.
    pub fn unused_buffers(&self) -> usize {
        self.used_buffers().iter().filter(|used| !**used).count()
    }

    /// How many subgraphs neither the main one nor a signature reaches.
    pub fn unused_subgraphs(&self) -> usize {
        self.reached_subgraphs().iter().filter(|used| !**used).count()
    }

    /// How many operator codes [`Self::prune_op_codes`] would drop.
    pub fn unused_op_codes(&self) -> usize {
        self.used_op_codes().iter().filter(|used| !**used).count()
    }

    fn used_buffers(&self) -> Vec<bool> {
        let mut used = vec![false; self.constants.len()];
        let mut mark = |id: u32| {
            if let Some(used) = used.get_mut(id as usize) {
                *used = true;
            }
        };
        mark(0);
        for sg in &self.subgraphs {
            sg.tensors().for_each(|t| mark(sg.tensor(t).buffer.0));
        }
        self.metadata.iter().for_each(|entry| mark(entry.buffer.0));
        self.metadata_buffer.iter().for_each(|id| mark(u32::try_from(*id).unwrap_or(u32::MAX)));
        used
    }

    fn used_op_codes(&self) -> Vec<bool> {
        let mut used = vec![false; self.op_codes.len()];
        for sg in &self.subgraphs {
            for code in sg.ops().filter_map(|op| sg.op(op).code) {
                if let Some(used) = used.get_mut(code as usize) {
                    *used = true;
                }
            }
        }
        used
    }

    /// For each subgraph, whether it is the main one or that of a signature, or one of those
    /// calls it.
    pub fn reached_subgraphs(&self) -> Vec<bool> {
        let count = self.subgraphs.len();
        let mut reached = vec![false; count];
        let mut todo: Vec<usize> = vec![0];
        todo.extend(self.signatures.iter().map(|s| s.subgraph as usize));
        while let Some(at) = todo.pop() {
            if at >= count || std::mem::replace(&mut reached[at], true) {
                continue;
            }
            let sg = &self.subgraphs[at];
            for op in sg.ops() {
                let refs = sg.op(op).subgraph_refs();
                todo.extend(refs.iter().filter_map(|(_, value)| usize::try_from(*value).ok()));
            }
        }
        reached
    }

    /// Drops buffers that no tensor and no metadata refers to, and returns how many and their
    /// bytes. Buffer 0 stays: the format needs it. All stay where metadata numbers them.
    pub fn prune_buffers(&mut self) -> (usize, u64) {
        let used = self.used_buffers();
        let dead: Vec<u64> = self
            .constants
            .iter()
            .filter(|(id, _)| !used[id.0 as usize])
            .map(|(_, bytes)| bytes.map_or(0, |bytes| bytes.len() as u64))
            .collect();
        let numbers = Numbers { buffers: true, ..Numbers::default() };
        if dead.is_empty() || self.numbered_by_metadata(numbers).is_some() {
            return (0, 0);
        }
        self.record(Change::PruneBuffers);
        let moved = Arc::make_mut(&mut self.constants).retain(|id| used[id.0 as usize]);
        let place = |id: BufferId| moved.get(id.0 as usize).copied().flatten();
        for sg in self.subgraphs.iter_mut().map(edit) {
            let tensors: Vec<TensorId> = sg.tensors().collect();
            for tensor in tensors {
                let old = sg.tensor(tensor).buffer;
                if let Some(new) = place(old).filter(|new| *new != old) {
                    sg.tensor_mut(tensor).buffer = new;
                }
            }
        }
        for entry in &mut self.metadata {
            entry.buffer = place(entry.buffer).unwrap_or(entry.buffer);
        }
        for id in &mut self.metadata_buffer {
            if let Some(new) = u32::try_from(*id).ok().and_then(|id| place(BufferId(id))) {
                *id = new.0 as i32;
            }
        }
        let bytes = dead.iter().sum();
        self.log(Applied {
            buffers_erased: dead.len(),
            bytes_dropped: bytes,
            ..Applied::pruned(counted(dead.len(), "buffer"))
        });
        (dead.len(), bytes)
    }

    /// Drops operator codes that no op has, and returns how many.
    pub fn prune_op_codes(&mut self) -> usize {
        let used = self.used_op_codes();
        let mut moved = Vec::with_capacity(used.len());
        let mut next = 0_u32;
        for used in &used {
            moved.push(next);
            next += u32::from(*used);
        }
        let dropped = used.len() - next as usize;
        if dropped == 0 {
            return 0;
        }
        self.record(Change::PruneOpCodes);
        let mut keep = used.iter();
        self.op_codes.retain(|_| *keep.next().expect("one flag per code"));
        for sg in self.subgraphs.iter_mut().map(edit) {
            let ops: Vec<OpId> = sg.ops().collect();
            for op in ops {
                if let Some(code) = sg.op(op).code {
                    sg.op_mut(op).op.code = moved.get(code as usize).copied();
                }
            }
        }
        self.log(Applied::pruned(format!("{dropped} operator codes")));
        dropped
    }

    /// Drops subgraphs that neither the main one nor a signature reaches, and returns how many.
    /// All stay where metadata numbers them.
    pub fn prune_subgraphs(&mut self) -> usize {
        let numbers = Numbers { subgraphs: true, ..Numbers::default() };
        if self.numbered_by_metadata(numbers).is_some() {
            return 0;
        }
        let reached = self.reached_subgraphs();
        let count = reached.len();
        let dropped = reached.iter().filter(|reached| !**reached).count();
        if dropped == 0 {
            return 0;
        }
        let mut moved = Vec::with_capacity(count);
        let mut next = 0_i64;
        for reached in &reached {
            moved.push(next);
            next += i64::from(*reached);
        }
        self.record(Change::PruneSubgraphs);
        let mut keep = reached.iter();
        self.subgraphs.retain(|_| *keep.next().expect("one flag per subgraph"));
        let place = |old: i64| usize::try_from(old).ok().and_then(|old| moved.get(old).copied());
        for sg in self.subgraphs.iter_mut().map(edit) {
            let ops: Vec<OpId> = sg.ops().collect();
            for op in ops {
                if !sg.op(op).subgraph_refs().is_empty() {
                    sg.op_mut(op).op.renumber_subgraphs(place);
                }
            }
        }
        for applied in Arc::make_mut(&mut self.journal) {
            let applied = Arc::make_mut(applied);
            let reached = applied.subgraph.filter(|sg| reached[sg.0 as usize]);
            applied.subgraph =
                reached.and_then(|sg| place(i64::from(sg.0))).map(|n| SubgraphId(n as u32));
        }
        for signature in &mut self.signatures {
            if let Some(new) = place(i64::from(signature.subgraph)) {
                signature.subgraph = new as u32;
            }
        }
        if let Some(cache) = &mut self.dequant_cache {
            cache.entries.retain(|entry| reached.get(entry.subgraph.0 as usize) == Some(&true));
            for entry in &mut cache.entries {
                entry.subgraph.0 = moved[entry.subgraph.0 as usize] as u32;
            }
        }
        self.log(Applied {
            subgraphs_erased: dropped,
            ..Applied::pruned(counted(dropped, "subgraph"))
        });
        dropped
    }
}

/// A subgraph to be changed, which makes it another for analyses.
fn edit(graph: &mut Arc<Subgraph>) -> &mut Subgraph {
    let graph = Arc::make_mut(graph);
    graph.new_epoch();
    graph
}

impl Op {
    fn renumber_subgraphs(&mut self, place: impl Fn(i64) -> Option<i64>) {
        use crate::Attr;
        for attrs in self.attrs.iter_mut().chain(self.extra_attrs.as_deref_mut()) {
            for info in attrs.options().attrs.iter().filter(|info| info.subgraph) {
                let new = match attrs.get(info.name) {
                    Some(Attr::Int(old)) => place(old).map(Attr::Int),
                    Some(Attr::Ints(old)) => Some(Attr::Ints(
                        old.iter().map(|old| place(*old).unwrap_or(*old)).collect(),
                    )),
                    _ => None,
                };
                if let Some(new) = new {
                    attrs.set(info.name, new).expect("subgraph numbers only shrink");
                }
            }
        }
    }
}
