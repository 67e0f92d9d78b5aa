//! What a runtime refuses of a model whatever its kernels can do.

mod tensor;

use crate::facts::condition::{Condition, Site};
use crate::facts::load_test::{LoadTest, Subject};
use crate::facts::rows::{Asks, Load, Outcome};
use crate::facts::versions;
use crate::target::Target;
use std::cell::OnceCell;
use std::sync::Arc;
use tensor::{tensor, traits_of};
use tfq_ir::maps::{HashMap, HashSet, IndexSet};
use tfq_ir::ops::{ShapeRule, semantics_of};
use tfq_ir::{
    Module, Op, OpCode, OpId, OpKind, QuantizationDetails, Signature, Subgraph, SubgraphId, Tensor,
    TensorId, TensorLink, Use, counted, grouped,
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
        let mut rows = Rows::of(&self.load);
        for (n, code) in module.op_codes().iter().enumerate() {
            let part = || Part::OpCode(code.kind(), code.version);
            let holds = |test| self.op_code(test, code);
            self.each(&mut found, rows.about(Subject::OpCode), About::OpCode(n), part, holds);
            found.extend(
                self.absent(About::OpCode(n), code).map(|refusal| Found { part: part(), refusal }),
            );
        }
        let whole = Whole::of(module);
        let mut keys: HashMap<Option<&str>, usize> = HashMap::default();
        for (n, one) in module.signatures().iter().enumerate() {
            let same = keys.entry(one.key.as_deref()).or_default();
            let part = || Part::Signature(one.key.clone(), *same);
            let holds = |test| whole.signature(test, one);
            self.each(&mut found, rows.about(Subject::Signature), About::Signature(n), part, holds);
            *same += 1;
        }
        let mut made = HashSet::default();
        for (sg, graph) in module.subgraphs() {
            for id in graph.tensors() {
                let own = traits_of(module, sg, id);
                let holds =
                    |test| tensor(test, module, graph, id).or_else(|| whole.tensor(test, sg, id));
                debug_assert!(
                    rows.of_tensors(!own).all(|row| holds(row.test).is_none()),
                    "a test holds for a tensor without its trait"
                );
                if own != 0 {
                    let asked = rows.of_tensors(own);
                    self.each(&mut found, asked, About::Tensor(sg, id), || Part::Tensor(id), holds);
                }
            }
            let reached = whole.reaches(sg);
            for op in graph.ops() {
                let node = graph.op(op);
                let about = About::Op(sg, op);
                if !has_code(module, node) && made.insert((&node.kind, node.version)) {
                    let code = code_to_be(module, node);
                    let part = || Part::OpCode(code.kind(), code.version);
                    let holds = |test| self.op_code(test, &code);
                    self.each(&mut found, rows.about(Subject::OpCode), about, part, holds);
                }
                if let OpKind::Builtin(code) = node.kind {
                    self.refused_op(&mut found, rows.of_op(code), (module, sg, op), reached);
                }
                if node.kind.runs_subgraphs() {
                    let holds = |test| whole.call(test, sg, op);
                    self.each(&mut found, rows.about(Subject::Call), about, || Part::Op(op), holds);
                }
            }
        }
        found
    }

    fn each<'a>(
        &self,
        found: &mut Vec<Found>,
        rows: impl Iterator<Item = &'a TestRow>,
        about: About,
        part: impl Fn() -> Part,
        holds: impl Fn(LoadTest) -> Option<String>,
    ) {
        found.extend(rows.filter_map(|&TestRow { n, test, fails, .. }| {
            let what = format!("{}: {}", holds(test)?, self.effect_of(|_| fails));
            let by_signature_only = matches!(about, About::Signature(_)) && fails != Outcome::Load;
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

    /// `rows` are those about ops of its code.
    fn refused_op(
        &self,
        found: &mut Vec<Found>,
        rows: &[OpRow<'_>],
        (module, sg, op): (&Module, SubgraphId, OpId),
        reached: bool,
    ) {
        if rows.is_empty() {
            return;
        }
        let site = Site::new(module, sg, op);
        for (n, row, when) in rows {
            // A subgraph that nothing runs is loaded, and its tensors are never allocated.
            let asked = reached || row.fails == Outcome::Load;
            if asked && when.iter().all(|condition| condition.holds(&site)) {
                let what = format!("{}: {}", row.reason, self.effect_of(|_| row.fails));
                let about = About::Op(sg, op);
                let refusal = Refusal { about, what, row: *n, by_signature_only: false };
                found.push(Found { part: Part::Op(op), refusal });
            }
        }
    }
}

/// Rows by what they are about: a model has a great many ops and tensors.
struct Rows<'a> {
    tests: Vec<TestRow>,
    load: &'a [Load],
    /// By operator code, as far as ops of it were met.
    of_ops: HashMap<i32, Vec<OpRow<'a>>>,
}

/// A row about ops with its number and its conditions.
type OpRow<'a> = (usize, &'a Load, &'a [Condition]);

/// A row with a test, and its number.
struct TestRow {
    n: usize,
    test: LoadTest,
    subject: Subject,
    fails: Outcome,
}

impl<'a> Rows<'a> {
    fn of(load: &'a [Load]) -> Self {
        let tests = load.iter().enumerate().filter_map(|(n, row)| match row.asks {
            Asks::Test(test) => {
                Some(TestRow { n, test, subject: test.subject(), fails: row.fails })
            }
            Asks::Ops(..) => None,
        });
        Self { tests: tests.collect(), load, of_ops: HashMap::default() }
    }

    fn about(&self, subject: Subject) -> impl Iterator<Item = &TestRow> {
        self.tests.iter().filter(move |row| row.subject == subject)
    }

    /// Those about tensors with one of these traits.
    fn of_tensors(&self, traits: u8) -> impl Iterator<Item = &TestRow> {
        let asked = move |row: &&TestRow| matches!(row.subject, Subject::Tensor(needed) if needed & traits != 0);
        self.tests.iter().filter(asked)
    }

    fn of_op(&mut self, code: i32) -> &[OpRow<'a>] {
        let load = self.load;
        let find = || {
            let rows = load.iter().enumerate().filter_map(|(n, row)| match &row.asks {
                Asks::Ops(ops, when) if ops.contains(&code) => Some((n, row, &when[..])),
                Asks::Ops(..) | Asks::Test(_) => None,
            });
            rows.collect()
        };
        self.of_ops.entry(code).or_insert_with(find)
    }
}

/// The first of each part.
fn once(found: Vec<Found>) -> Vec<Refusal> {
    let mut told = HashSet::default();
    let refusals = found.into_iter().map(|one| one.refusal);
    refusals.filter(|refusal| told.insert(refusal.about)).collect()
}

/// Whether the model has the operator code that lowering gives an op.
fn has_code(module: &Module, op: &Op) -> bool {
    let own = op.code.and_then(|n| module.op_codes().get(n as usize));
    own.is_some_and(|own| own.version >= op.version && own.kind() == op.kind)
}

/// The operator code that lowering makes for an op which has none, or which needs a higher version
/// than its own has.
fn code_to_be(module: &Module, op: &Op) -> OpCode {
    let own = op.code.and_then(|n| module.op_codes().get(n as usize));
    match own.filter(|code| code.kind() == op.kind) {
        Some(own) => OpCode { version: op.version, ..own.clone() },
        None => OpCode::for_kind(&op.kind, op.version),
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
            let used = graph.is_output(*id) || graph.is_read(*id);
            used && !graph.tensor(*id).is_variable && module.constant(sg, *id).is_none()
        };
        let find = || graph.inputs().iter().copied().filter(set_by_callers).collect();
        self.wanted[sg.0 as usize].get_or_init(find)
    }

    /// Of an op that runs subgraphs.
    fn call(&self, test: LoadTest, sg: SubgraphId, op: OpId) -> Option<String> {
        if test != LoadTest::RecursiveCall || !self.reaches(sg) {
            return None;
        }
        let circle = self.circles[sg.0 as usize];
        let called = self.module.subgraph(sg).op(op).subgraph_refs();
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
        let used = || self.reaches(sg) && (graph.is_read(id) || graph.is_output(id));
        match test {
            LoadTest::NoValue => {
                if !self.reaches(sg) || module.has_value(sg, id) {
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

/// Custom ops know what they read. Those that give another shape pass over a second operand that is
/// no list of its dimensions.
fn wants_values(graph: &Subgraph, tensor: &Tensor, r#use: &Use) -> bool {
    let op = graph.op(r#use.op);
    let reshapes = || semantics_of(op).is_some_and(|what| what.shape == ShapeRule::Reshape);
    let is_passed_over = || r#use.slot == 1 && tensor.shape.len() != 1 && reshapes();
    matches!(op.kind, OpKind::Builtin(_)) && !is_passed_over()
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
