//! What a runtime refuses of a model whatever its kernels can do.

use crate::facts::condition::Site;
use crate::facts::load_test::LoadTest;
use crate::facts::rows::{Asks, Load, Outcome};
use crate::facts::versions;
use crate::target::Target;
use std::cell::OnceCell;
use std::sync::Arc;
use tfq_ir::catalog::ops;
use tfq_ir::maps::{HashMap, HashSet, IndexSet};
use tfq_ir::{
    Module, Op, OpCode, OpId, OpKind, QuantizationDetails, Signature, SparseIndex, Sparsity,
    Subgraph, SubgraphId, Tensor, TensorId, TensorLink, Use, counted, grouped,
};

/// So many inputs that a signature lacks are told of by name.
const MOST_NAMED: usize = 3;

/// Something that the runtime refuses, or cannot read without harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is about.
    pub about: About,
    /// What is wrong with it, and what happens.
    pub what: String,
    /// Which of the target's `[[load]]` rows says so, from 0.
    pub row: usize,
    /// Whether only those meet it who call the model by the signature that it is about: it loads,
    /// and its subgraphs run.
    pub by_signature_only: bool,
}

/// A part of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    /// An operator code, by its number.
    OpCode(usize),
    /// A signature, by its number.
    Signature(usize),
    /// A tensor.
    Tensor(SubgraphId, TensorId),
    /// An op.
    Op(SubgraphId, OpId),
}

/// A part of a model by what it keeps when others go, which its number and its name are not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    /// Of which kind and version; also one that an op is yet to get.
    OpCode(OpKind, i32),
    /// By its key, and how many of that key come before it.
    Signature(Option<Arc<str>>, usize),
    Tensor(TensorId),
    Op(OpId),
}

/// Each row that refuses something.
struct Found {
    part: Part,
    refusal: Refusal,
}

impl Target {
    /// What the runtime refuses of a model whatever its kernels can do, and what makes them read
    /// or write where nothing of the model is. Each part is told of once, in the order of the
    /// model.
    pub fn refusals(&self, module: &Module) -> Vec<Refusal> {
        once(self.found(module))
    }

    /// The same of a model that was made of another: what it refuses of that by the same rows, and
    /// the rest.
    pub fn refusals_since(&self, module: &Module, start: &Module) -> (Vec<Refusal>, Vec<Refusal>) {
        let found = self.found(module);
        if found.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let before = self.found(start).into_iter().map(|one| (one.refusal.row, one.part));
        let before: HashSet<(usize, Part)> = before.collect();
        let came = |one: &Found| before.contains(&(one.refusal.row, one.part.clone()));
        let (came, made) = found.into_iter().partition(came);
        (once(came), once(made))
    }

    fn found(&self, module: &Module) -> Vec<Found> {
        let mut found = Vec::new();
        if self.load.is_empty() {
            return found;
        }
        for (n, code) in module.op_codes().iter().enumerate() {
            let part = || Part::OpCode(code.kind(), code.version);
            self.each(&mut found, About::OpCode(n), part, |test| self.op_code(test, code));
            found.extend(
                self.absent(About::OpCode(n), code).map(|refusal| Found { part: part(), refusal }),
            );
        }
        let whole = Whole::of(module);
        let mut keys: HashMap<Option<&str>, usize> = HashMap::default();
        for (n, one) in module.signatures().iter().enumerate() {
            let same = keys.entry(one.key.as_deref()).or_default();
            let part = || Part::Signature(one.key.clone(), *same);
            self.each(&mut found, About::Signature(n), part, |test| whole.signature(test, one));
            *same += 1;
        }
        let mut made = HashSet::default();
        for (sg, graph) in module.subgraphs() {
            for id in graph.tensors() {
                let loaded = |test| tensor(test, module, graph, id);
                let run = |test| whole.tensor(test, sg, id);
                let holds = |test| loaded(test).or_else(|| run(test));
                self.each(&mut found, About::Tensor(sg, id), || Part::Tensor(id), holds);
            }
            let reached = whole.reaches(sg);
            for op in graph.ops() {
                let node = graph.op(op);
                let about = About::Op(sg, op);
                let code = code_to_be(module, node);
                if let Some(code) = code.filter(|_| made.insert((&node.kind, node.version))) {
                    let part = || Part::OpCode(code.kind(), code.version);
                    self.each(&mut found, about, part, |test| self.op_code(test, &code));
                }
                self.refused_op(&mut found, module, sg, op, reached);
                self.each(&mut found, about, || Part::Op(op), |test| whole.op(test, sg, op));
            }
        }
        found
    }

    fn each(
        &self,
        found: &mut Vec<Found>,
        about: About,
        part: impl Fn() -> Part,
        holds: impl Fn(LoadTest) -> Option<String>,
    ) {
        found.extend(self.load.iter().enumerate().filter_map(|(n, row)| {
            let Asks::Test(test) = row.asks else { return None };
            let what = format!("{}: {}", holds(test)?, self.effect_of(|_| row.fails));
            let by_signature_only =
                matches!(about, About::Signature(_)) && row.fails != Outcome::Load;
            let refusal = Refusal { about, what, row: n, by_signature_only };
            Some(Found { part: part(), refusal })
        }));
    }

    fn op_code(&self, test: LoadTest, code: &OpCode) -> Option<String> {
        match (test, code.kind()) {
            (LoadTest::CustomWithoutName, OpKind::Custom(_)) if code.custom.is_none() => {
                Some("the custom operator has no name".to_owned())
            }
            (LoadTest::Unregistered, kind @ OpKind::Builtin(number))
                if versions::runtimes().knows(number) =>
            {
                let version = code.version;
                match self.registered_versions(&kind) {
                    None => Some(format!("the runtime has no {kind}")),
                    Some((min, max)) if (min..=max).contains(&version) => None,
                    Some((min, max)) => Some(format!(
                        "it is version {version} of {kind}, and the runtime has {min} to {max}"
                    )),
                }
            }
            _ => None,
        }
    }

    /// Rows without conditions are about operators that the runtime does not have, used or not.
    fn absent(&self, about: About, code: &OpCode) -> Option<Refusal> {
        let OpKind::Builtin(code) = code.kind() else { return None };
        let (n, row) = self.load.iter().enumerate().find(|(_, row)| match &row.asks {
            Asks::Ops(ops, when) => when.is_empty() && ops.contains(&code),
            Asks::Test(_) => false,
        })?;
        let what = format!("{}: {}", row.reason, self.effect_of(|_| row.fails));
        Some(Refusal { about, what, row: n, by_signature_only: false })
    }

    fn refused_op(
        &self,
        found: &mut Vec<Found>,
        module: &Module,
        sg: SubgraphId,
        op: OpId,
        reached: bool,
    ) {
        let graph = module.subgraph(sg);
        let OpKind::Builtin(code) = graph.op(op).kind else { return };
        let about = |(_, row): &(usize, &Load)| match &row.asks {
            // A subgraph that nothing runs is loaded, and its tensors are never allocated.
            Asks::Ops(ops, _) => ops.contains(&code) && (reached || row.fails == Outcome::Load),
            Asks::Test(_) => false,
        };
        let mut rows = self.load.iter().enumerate().filter(about).peekable();
        if rows.peek().is_none() {
            return;
        }
        let site = Site::new(module, sg, op);
        let refused = rows.filter(|(_, row)| match &row.asks {
            Asks::Ops(_, when) => when.iter().all(|condition| condition.holds(&site)),
            Asks::Test(_) => false,
        });
        found.extend(refused.map(|(n, row)| {
            let what = format!("{}: {}", row.reason, self.effect_of(|_| row.fails));
            let about = About::Op(sg, op);
            let refusal = Refusal { about, what, row: n, by_signature_only: false };
            Found { part: Part::Op(op), refusal }
        }));
    }
}

/// The first of each part.
fn once(found: Vec<Found>) -> Vec<Refusal> {
    let mut told = HashSet::default();
    let refusals = found.into_iter().map(|one| one.refusal);
    refusals.filter(|refusal| told.insert(refusal.about)).collect()
}

/// The operator code that lowering makes for an op which has none, or which needs a higher version
/// than its own has.
fn code_to_be(module: &Module, op: &Op) -> Option<OpCode> {
    let own = op.code.and_then(|n| module.op_codes().get(n as usize));
    match own.filter(|code| code.kind() == op.kind) {
        Some(own) if own.version >= op.version => None,
        Some(own) => Some(OpCode { version: op.version, ..own.clone() }),
        None => Some(OpCode::for_kind(&op.kind, op.version)),
    }
}

fn tensor(test: LoadTest, module: &Module, graph: &Subgraph, id: TensorId) -> Option<String> {
    let tensor = graph.tensor(id);
    let bytes = module.constants().constant(tensor.buffer);
    let sparse = || bytes.and(tensor.sparsity.as_deref());
    let sparse_and_read = || sparse().filter(|_| !graph.uses(id).is_empty());
    match test {
        LoadTest::UncountableShape => {
            let free = tensor.ty.bits().is_none() || sparse().is_some();
            (!free && is_uncountable(tensor))
                .then(|| format!("its shape {:?} has no number of elements", tensor.shape))
        }
        LoadTest::QuantizedDimension => quantized_dimension(tensor),
        LoadTest::SeveralAxes => several_axes(tensor),
        LoadTest::VariableWithData => (tensor.is_variable && bytes.is_some())
            .then(|| "it is a variable and has bytes in the file".to_owned()),
        LoadTest::StringVariable => {
            let is_string = tensor.ty == tfq_ir::ElementType::String;
            (tensor.is_variable && is_string && bytes.is_none())
                .then(|| "it is a variable of type STRING".to_owned())
        }
        LoadTest::SparsityIncomplete => {
            let sparsity = sparse_and_read()?;
            (sparsity.traversal_order.is_empty() || sparsity.dim_metadata.is_empty())
                .then(|| "its sparsity has no traversal order or no dimensions".to_owned())
        }
        LoadTest::SparseDimension => {
            let absent = |index: &SparseIndex| matches!(index, SparseIndex::None);
            let mut dims = sparse()?.dim_metadata.iter();
            let n = dims.position(|dim| {
                dim.format == COMPRESSED
                    && (absent(&dim.array_segments) || absent(&dim.array_indices))
            })?;
            Some(format!("dimension {n} of its sparsity has no segments or no indices"))
        }
        LoadTest::SparseFormat => {
            let mut dims = sparse()?.dim_metadata.iter().enumerate();
            let (n, dim) = dims.find(|(_, dim)| !matches!(dim.format, DENSE | COMPRESSED))?;
            Some(format!("dimension {n} of its sparsity has the unknown format {}", dim.format))
        }
        LoadTest::SparseOrder => sparse_order(sparse_and_read()?, tensor),
        LoadTest::SparseIndices => match stored_elements(sparse_and_read()?, tensor) {
            Stored::Beyond(what) => Some(what),
            Stored::Elements(_) => None,
        },
        LoadTest::SparseData => {
            let Stored::Elements(elements) = stored_elements(sparse_and_read()?, tensor) else {
                return None;
            };
            let there = bytes.map_or(0, |bytes| bytes.len() as u64);
            let needed = tensor.ty.bytes_for(elements)?;
            (needed > there).then(|| {
                format!(
                    "its indices tell of {} in {}, and its buffer has {}",
                    counted(elements, "element"),
                    counted(needed, "byte"),
                    grouped(there)
                )
            })
        }
        LoadTest::ExternalWithData => (tensor.external_buffer != 0 && bytes.is_some())
            .then(|| "it has bytes in the file and in an external buffer".to_owned()),
        _ => None,
    }
}

/// What only the whole model tells of its parts: asked where subgraphs are run.
struct Whole<'a> {
    module: &'a Module,
    reached: Vec<bool>,
    circles: Vec<usize>,
    /// The group of each external buffer.
    external: HashMap<u32, u32>,
    /// The inputs of each subgraph that a caller has to set, once a signature asks.
    wanted: Vec<OnceCell<IndexSet<TensorId>>>,
}

impl<'a> Whole<'a> {
    fn of(module: &'a Module) -> Self {
        let external = module.external_buffers().iter().map(|one| (one.id, one.group));
        Self {
            module,
            reached: module.run_subgraphs(),
            circles: module.call_circles(),
            external: external.collect(),
            wanted: vec![OnceCell::new(); module.subgraphs().len()],
        }
    }

    fn reaches(&self, sg: SubgraphId) -> bool {
        self.reached.get(sg.0 as usize) == Some(&true)
    }

    fn signature(&self, test: LoadTest, one: &Signature) -> Option<String> {
        let module = self.module;
        let sg = SubgraphId(one.subgraph);
        let graph = module.find_subgraph(sg);
        match test {
            LoadTest::SignatureWithoutKey => {
                one.key.is_none().then(|| "the signature has no name".to_owned())
            }
            LoadTest::SignatureSubgraph => graph.is_none().then(|| {
                let subgraphs = counted(module.subgraphs().len(), "subgraph");
                format!("the signature is of subgraph {}, of {subgraphs}", one.subgraph)
            }),
            LoadTest::SignatureConstant => {
                let graph = graph?;
                let constant = |id: &TensorId| {
                    graph.contains_tensor(*id)
                        && module.constants().constant(graph.tensor(*id).buffer).is_some()
                };
                let mut taken = one.inputs.iter().filter_map(|(_, link)| link.tensor());
                let tensor = graph.tensor(taken.find(constant)?);
                Some(format!("the signature takes the constant `{}`", tensor.label()))
            }
            LoadTest::SignatureInputs => {
                let graph = graph?;
                let wanted = self.wanted(sg);
                // Of two inputs of one name the runtime knows the last.
                let named = one.inputs.iter();
                let named: HashMap<_, _> = named
                    .filter_map(|(name, link)| Some((name.as_ref()?, link.tensor())))
                    .collect();
                let set: HashSet<TensorId> =
                    named.into_values().flatten().filter(|id| wanted.contains(id)).collect();
                let missing = wanted.len() - set.len();
                let labels = wanted.iter().filter(|id| !set.contains(*id));
                let labels = labels.take(MOST_NAMED.min(missing));
                let labels: Vec<String> =
                    labels.map(|id| format!("`{}`", graph.tensor(*id).label())).collect();
                let more = match missing - labels.len() {
                    0 => String::new(),
                    more => format!(" and {} more", grouped(more as u64)),
                };
                (missing > 0).then(|| {
                    let labels = labels.join(", ");
                    format!(
                        "the signature has no name for {labels}{more}, which its subgraph needs"
                    )
                })
            }
            _ => None,
        }
    }

    /// What a caller has to set of the inputs of a subgraph.
    fn wanted(&self, sg: SubgraphId) -> &IndexSet<TensorId> {
        let (module, graph) = (self.module, self.module.subgraph(sg));
        let set_by_callers = |id: &TensorId| {
            let used = graph.is_output(*id) || !graph.uses(*id).is_empty();
            used && !graph.tensor(*id).is_variable && module.constant(sg, *id).is_none()
        };
        let find = || graph.inputs().iter().copied().filter(set_by_callers).collect();
        self.wanted[sg.0 as usize].get_or_init(find)
    }

    fn op(&self, test: LoadTest, sg: SubgraphId, op: OpId) -> Option<String> {
        if test != LoadTest::RecursiveCall || !self.reaches(sg) {
            return None;
        }
        let node = self.module.subgraph(sg).op(op);
        if !node.kind.runs_subgraphs() {
            return None;
        }
        let circle = self.circles[sg.0 as usize];
        let called = node.subgraph_refs();
        let comes_back = |callee: i64| {
            let callee = usize::try_from(callee).ok().and_then(|at| self.circles.get(at));
            callee == Some(&circle)
        };
        let (name, callee) = called.into_iter().find(|(_, callee)| comes_back(*callee))?;
        Some(format!("{name} is {callee}, which calls subgraph {} in turn", sg.0))
    }

    fn tensor(&self, test: LoadTest, sg: SubgraphId, id: TensorId) -> Option<String> {
        let (module, graph) = (self.module, self.module.subgraph(sg));
        let tensor = graph.tensor(id);
        let bytes = || module.constants().constant(tensor.buffer);
        let used = || self.reaches(sg) && (!graph.uses(id).is_empty() || graph.is_output(id));
        match test {
            LoadTest::NoValue => {
                if module.has_value(sg, id) || !self.reaches(sg) {
                    return None;
                }
                let reader = graph.uses(id).into_iter().find(|of| wants_values(graph, tensor, of));
                let what = match reader {
                    Some(of) => format!("{} reads it", graph.op(of.op).kind),
                    None if sg.0 == 0 && graph.is_output(id) => "it is returned".to_owned(),
                    None => return None,
                };
                Some(format!("{what}, and nothing gives it a value"))
            }
            LoadTest::Blockwise => {
                let q = tensor.quantization.as_deref()?;
                bytes().filter(|_| used())?;
                blockwise(module, graph, tensor, &q.details)
            }
            LoadTest::ExternalAbsent => {
                let id = tensor.external_buffer;
                if id == 0 || !used() {
                    return None;
                }
                let Some(&group) = self.external.get(&id) else {
                    return Some(format!("there is no external buffer {id}"));
                };
                let groups = module.external_buffer_groups();
                let named = groups.get(group as usize).is_some_and(Option::is_some);
                (!named).then(|| {
                    format!("its external buffer {id} is in group {group}, which has no file")
                })
            }
            LoadTest::StringData => {
                let is_string = tensor.ty == tfq_ir::ElementType::String && !tensor.is_variable;
                strings(bytes().filter(|_| is_string && used())?, tensor.elements())
            }
            _ => None,
        }
    }
}

/// Custom ops know what they read, and RESHAPE passes over a second operand that is no list.
fn wants_values(graph: &Subgraph, tensor: &Tensor, r#use: &Use) -> bool {
    match graph.op(r#use.op).kind {
        OpKind::Custom(_) => false,
        OpKind::Builtin(code) => code != ops::RESHAPE || r#use.slot != 1 || tensor.shape.len() == 1,
    }
}

/// Kernels read a float16 scale for each block, whatever is there.
fn blockwise(
    module: &Module,
    graph: &Subgraph,
    tensor: &Tensor,
    details: &QuantizationDetails,
) -> Option<String> {
    let QuantizationDetails::Blockwise { scales, block_size, .. } = details else { return None };
    let Some(block) = u64::try_from(*block_size).ok().filter(|size| *size > 0) else {
        return Some(format!("its blocks have {}", counted(i64::from(*block_size), "element")));
    };
    let id = match scales {
        TensorLink::Tensor(id) if graph.contains_tensor(*id) => *id,
        TensorLink::Tensor(_) => return None,
        TensorLink::Raw(number) => return Some(format!("its scales are in tensor {number}")),
    };
    let label = graph.tensor(id).label();
    let Some(bytes) = module.constants().constant(graph.tensor(id).buffer) else {
        return Some(format!("its scales are in `{label}`, which is no constant"));
    };
    let needed = tensor.elements()?.div_ceil(block).saturating_mul(2);
    let there = bytes.len() as u64;
    (there < needed).then(|| {
        let needed = counted(needed, "byte");
        format!(
            "its scales in `{label}` have {} of the {needed} that its blocks need",
            grouped(there)
        )
    })
}

/// What is wrong with bytes that hold so many strings: their number, where each begins and the last
/// ends, and then the strings.
fn strings(bytes: &[u8], elements: Option<u64>) -> Option<String> {
    let mut numbers = bytes.chunks_exact(4).map(|four| {
        let four = four.try_into().expect("they are four");
        i64::from(i32::from_le_bytes(four))
    });
    let count = numbers.next().and_then(|count| u64::try_from(count).ok());
    let Some(count) = count else { return Some("it has no number of strings".to_owned()) };
    if let Some(elements) = elements
        && elements != count
    {
        let elements = counted(elements, "element");
        return Some(format!("it has {} for {elements}", counted(count, "string")));
    }
    let ends: Vec<i64> = numbers.take(count.saturating_add(1) as usize).collect();
    let inside = |at: &i64| (0..=bytes.len() as i64).contains(at);
    let sound = ends.len() as u64 == count + 1 && ends.iter().all(inside) && ends.is_sorted();
    (!sound).then(|| format!("its {} lead outside of its bytes", counted(count, "string")))
}

/// The runtime multiplies in 64 bits and refuses negative dimensions, other factors of 0 or not.
fn is_uncountable(tensor: &Tensor) -> bool {
    let elements =
        tensor.shape.iter().try_fold(1_u64, |n, dim| n.checked_mul(u64::try_from(*dim).ok()?));
    let bits = u64::from(tensor.ty.bits().unwrap_or(0));
    elements.and_then(|n| n.checked_mul(bits.div_ceil(8))).is_none()
}

fn quantized_dimension(tensor: &Tensor) -> Option<String> {
    let q = tensor.quantization.as_deref()?;
    let affine = matches!(q.details, QuantizationDetails::None | QuantizationDetails::Custom(_));
    if !affine || q.scale.is_empty() {
        return None;
    }
    let (dimension, rank, scales) = (q.quantized_dimension, tensor.shape.len(), q.scale.len());
    let at = usize::try_from(dimension).ok().filter(|at| rank == 0 || *at < rank);
    let Some(at) = at else {
        return Some(format!(
            "its quantised dimension is {dimension}, of {}",
            counted(rank, "dimension")
        ));
    };
    let indices = *tensor.shape.get(at)?;
    (scales != 1 && usize::try_from(indices) != Ok(scales)).then(|| {
        let (scales, indices) = (counted(scales, "scale"), counted(i64::from(indices), "element"));
        format!("it has {scales} for dimension {at} of {indices}")
    })
}

fn several_axes(tensor: &Tensor) -> Option<String> {
    let q = tensor.quantization.as_deref()?;
    let QuantizationDetails::MultiAxis { scales, zero_points, block_size, quantized_dimensions } =
        &q.details
    else {
        return None;
    };
    let rank = tensor.shape.len();
    let beyond = |axis: &&i32| usize::try_from(**axis).map_or(true, |axis| axis >= rank);
    if quantized_dimensions.is_empty() {
        return Some("it has scales along several axes, and names none".to_owned());
    }
    if let Some(axis) = quantized_dimensions.iter().find(beyond) {
        return Some(format!("it has scales along axis {axis}, of {rank} dimensions"));
    }
    if *block_size < 0 {
        return Some(format!("its block size is {block_size}"));
    }
    match (scales, zero_points) {
        (TensorLink::Raw(number), _) => Some(format!("its scales are in tensor {number}")),
        (_, TensorLink::Raw(number)) if *number != -1 => {
            Some(format!("its zero points are in tensor {number}"))
        }
        _ => None,
    }
}

const DENSE: i8 = 0;
const COMPRESSED: i8 = 1;

fn sparse_order(sparsity: &Sparsity, tensor: &Tensor) -> Option<String> {
    let levels = sparsity.traversal_order.len();
    if sparsity.dim_metadata.len() < levels {
        let dims = sparsity.dim_metadata.len();
        return Some(format!("its sparsity has {dims} of the {levels} dimensions of its order"));
    }
    let dims = tensor.shape.len() + sparsity.block_map.len();
    let beyond = |at: &&i32| usize::try_from(**at).map_or(true, |at| at >= dims);
    let at = sparsity.traversal_order.iter().find(beyond)?;
    Some(format!("its traversal order names dimension {at}, of {dims} with those of blocks"))
}

enum Stored {
    /// How many elements kernels read.
    Elements(u64),
    /// What lies beyond its list or the shape.
    Beyond(String),
}

/// Follows the levels as kernels do.
fn stored_elements(sparsity: &Sparsity, tensor: &Tensor) -> Stored {
    let mut elements = 1_u64;
    for (level, dim) in
        sparsity.dim_metadata.iter().take(sparsity.traversal_order.len()).enumerate()
    {
        if dim.format == DENSE {
            let size = u64::try_from(dim.dense_size).unwrap_or(0);
            elements = elements.saturating_mul(size);
            continue;
        }
        let (segments, indices) = (numbers(&dim.array_segments), numbers(&dim.array_indices));
        let beyond = |what: &str| Stored::Beyond(format!("{what} of its dimension {level}"));
        let used = usize::try_from(elements).ok().and_then(|n| segments.get(..n.checked_add(1)?));
        let Some(used) = used else { return beyond("there are too few segments") };
        let there = indices.len() as i64;
        if used.iter().any(|at| *at < 0 || *at > there) {
            return beyond("a segment lies beyond the indices");
        }
        if let Some(size) = indices_of(sparsity, tensor, level)
            && indices.iter().any(|at| *at < 0 || *at >= size)
        {
            return beyond(&format!("an index lies beyond the {size}"));
        }
        elements = used.last().map_or(0, |last| *last as u64);
    }
    Stored::Elements(elements)
}

/// How many indices the dimension of a level has, blocks taken for one; `None` for a dimension
/// of blocks, or one that is not there.
fn indices_of(sparsity: &Sparsity, tensor: &Tensor, level: usize) -> Option<i64> {
    let rank = tensor.shape.len();
    let at = usize::try_from(*sparsity.traversal_order.get(level)?).ok()?;
    let size = i64::from(*tensor.shape.get(at)?);
    let block = sparsity.block_map.iter().position(|dim| usize::try_from(*dim) == Ok(at));
    let Some(block) = block else { return Some(size) };
    let of_block = |dim: &i32| usize::try_from(*dim) == Ok(rank + block);
    let level = sparsity.traversal_order.iter().position(of_block)?;
    let block = i64::from(sparsity.dim_metadata.get(level)?.dense_size);
    (block > 0).then(|| size / block)
}

fn numbers(index: &SparseIndex) -> Vec<i64> {
    match index {
        SparseIndex::None => Vec::new(),
        SparseIndex::Int32(list) => list.iter().map(|n| i64::from(*n)).collect(),
        SparseIndex::Uint16(list) => list.iter().map(|n| i64::from(*n)).collect(),
        SparseIndex::Uint8(list) => list.iter().map(|n| i64::from(*n)).collect(),
    }
}
