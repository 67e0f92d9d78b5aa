//! tfq-opt optimises `.tflite` models: a float model goes in, a model with 8-bit weights that
//! runs on the target comes out.
//!
//! [`quantize_weights`] does that in one call, on bytes or on a [`tflite::Model`], as the command
//! does by default:
//!
//! ```
//! # fn main() -> Result<(), tfq_opt::Error> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
//! let float_model = std::fs::read(path).unwrap();
//! let min_elements = tfq_opt::passes::MinElements::Number(512);
//! let options = tfq_opt::passes::QuantizeWeights { min_elements, ..Default::default() };
//! let small_model = tfq_opt::quantize_weights(&float_model[..], options)?;
//! assert!(small_model.len() < float_model.len() / 2);
//! # Ok(())
//! # }
//! ```
//!
//! [`Optimizer`] runs any pipeline for any target, as text or built in code, and reports what it
//! did and why:
//!
//! ```
//! use tfq_opt::{Optimizer, pass::Pipeline, passes, target::Target};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
//! # let float_model = std::fs::read(path)?;
//! let target = Target::named("tflite-2.17").ok_or("it is no target")?;
//! let as_text = Optimizer::parse("quantize-weights{type=float16},insert-dequant")?;
//! let result = as_text.for_target(target).run(&float_model[..])?;
//! assert!(result.report.statistic("dequantize-inserted") > 0);
//! for (pass, remark) in result.report.remarks() {
//!     println!("{pass}: {}: {}", remark.place, remark.message);
//! }
//! let bytes: Vec<u8> = result.to_vec()?;
//!
//! let quantizer = passes::QuantizeWeights { hybrid: false, ..Default::default() };
//! let pipeline = Pipeline::new().with(quantizer).with(passes::InsertDequant {});
//! let in_code = Optimizer::new(pipeline);
//! assert!(in_code.run(&bytes[..])?.to_vec()?.len() < bytes.len(), "float16 becomes int8");
//! # Ok(())
//! # }
//! ```
//!
//! # Passes of your own
//!
//! A pass is a struct that [`pass::declare_pass!`] describes, or a [`pass::PassInfo`] made at
//! run time. A [`pass::Registry`] holds it beside the built-in ones, and everything that looks up
//! passes by name takes a registry. The crate `tfq-cli` makes the whole command line of one.
//!
//! ```
//! use tfq_opt::pass::{Pass, PassDescriptor, PassError, PassInfo, Session};
//! use tfq_opt::{Optimizer, builtin};
//!
//! #[derive(Debug)]
//! struct CountOps;
//!
//! impl Pass for CountOps {
//!     fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
//!         for sg in session.subgraphs() {
//!             session.count("ops", session.model().subgraph(sg).op_count() as u64);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
//! # let float_model = std::fs::read(path)?;
//! let descriptor = PassDescriptor::new("acme.count-ops", "Counts the ops of a model.");
//! let count_ops = PassInfo::new(descriptor, |_| Ok(Box::new(CountOps)));
//! let registry = builtin().with_passes([count_ops])?;
//! let optimizer = Optimizer::parse_in(&registry, "acme.count-ops,default")?;
//! assert!(optimizer.run(&float_model[..])?.report.statistic("ops") > 3);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go next
//!
//! - [`quantize_weights`], then [`Optimizer`] for other pipelines and targets, and
//!   [`Optimized::report`] for what was done and why. [`load`] reads models in either form.
//! - [`passes`]: the built-in passes and their options. [`target`]: what runtimes can do.
//! - [`describe`]: what a model is, for people and scripts. [`diff`]: what differs between two.
//!   [`debug`]: which pass, patch, op or constant is to blame for a result.
//! - [`format`](mod@format): files, mapped and written whole. [`edits`]: what was done as JSON. [`ir`]: models in memory, patches, what
//!   ops mean, models as text.
//! - [`pass`]: what it takes to write a pass, a rule or a tool with passes of its own.
//!
//! Each of these modules passes on what its users need of the crate below it (`tfq-ir` and so on).
//!
//! # Features
//!
//! - `runtime`: a module `runtime` that runs models on LiteRT, and in [`debug`] the comparison of
//!   two models layer by layer. Off by default, since it loads a library at run time.

mod builtin;
pub mod debug;
pub mod describe;
mod load;
mod optimizer;
mod size;
mod start;

pub use builtin::{quantize_weights, quantize_weights_into};
pub use load::{LoadOptions, is_text, load};
pub use optimizer::{Error, Optimized, Optimizer, Source};

/// The crate of the buffers that models share with their files.
pub use bytes;
/// The crate whose builders [`quantize_weights_into`] fills.
pub use flatbuffers;
/// What was done to a model as JSON, to be replayed elsewhere, and what plugins in other languages
/// send. `docs/edits.md` describes the form.
///
/// ```
/// use tfq_opt::edits::{Blobs, Edits, file_hash};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
/// # let file = tfq_opt::bytes::Bytes::from(std::fs::read(path)?);
/// let mut optimizer = tfq_opt::Optimizer::default();
/// optimizer.run_options.keep_edits = true;
/// let done = optimizer.run(file.clone())?;
/// let mut blobs = Blobs::new();
/// let log = done.edits(&mut blobs).expect("they were kept").for_model(file_hash(&file)).to_json();
///
/// let mut module = tfq_opt::load(&file, &Default::default())?;
/// let edits = Edits::parse(&log)?;
/// edits.check_model(&file_hash(&file))?;
/// edits.apply(&mut module, &blobs)?;
/// assert_eq!(module.state_hash(), done.module.state_hash());
/// # Ok(())
/// # }
/// ```
pub use tfq_edits as edits;
/// The built-in passes and pipelines.
///
/// ```
/// let registry = tfq_opt::builtin();
/// let quantizer = registry.pass("quantize-weights").unwrap();
/// assert_eq!(quantizer.options[0].name, "min-elements");
/// assert_eq!(registry.pipeline("default").unwrap().steps[0].0, "fold-constants");
/// ```
pub use tfq_passes::builtin;
/// The generated code of the model format, for those who hold a model as a flatbuffer.
///
/// ```
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
/// # let file = std::fs::read(path).unwrap();
/// let model = tfq_opt::tflite::root_as_model(&file)?;
/// let smaller = tfq_opt::quantize_weights(model, Default::default()).unwrap();
/// assert!(smaller.len() < file.len());
/// # Ok::<(), tfq_opt::flatbuffers::InvalidFlatbuffer>(())
/// ```
pub use tfq_schema::tflite;

/// The intermediate representation: models, the edits that change them, what ops mean, and models
/// as text.
///
/// A model is read through [`Module`](ir::Module) and [`Subgraph`](ir::Subgraph), and changed by an
/// [`Edit`](ir::Edit), as a rule a [`Patch`](ir::Patch), which is applied whole or refused:
///
/// ```
/// use tfq_opt::ir::catalog::ops::{ABS, ADD, NEG};
/// use tfq_opt::ir::text::{Level, ParseOptions, parse, print};
/// use tfq_opt::ir::{Op, OpKind, Patch};
/// let text = "tfg 1 quant
/// subgraph @main {
///   %x = input : f32[2]
///   %y = NEG(%x) : f32[2]
///   output %y
/// }
/// ";
/// let mut model = parse(text, &ParseOptions::default())?;
/// let (sg, neg, _) = model.ops_of_kind(NEG).next().expect("the text has one");
/// let mut patch = Patch::new(sg, "take the absolute value");
/// patch.set_op(neg, Op::new(OpKind::Builtin(ABS)));
/// model.apply(patch)?;
/// assert!(print(&model, Level::Quant).contains("%y = ABS(%x) : f32[2]"));
///
/// // An op that cannot be is refused, and the model is as it was.
/// let mut patch = Patch::new(sg, "add tensors of one operand");
/// patch.set_op(neg, Op::new(OpKind::Builtin(ADD)));
/// let refused = model.apply(patch).unwrap_err();
/// assert!(refused.to_string().contains("it has 1 operand and takes 2"), "{refused}");
/// assert!(model.ops_of_kind(ABS).next().is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Readers of other formats make a model with a [`SubgraphBuilder`](ir::SubgraphBuilder):
///
/// ```
/// use tfq_opt::ir::catalog::ops::NEG;
/// use tfq_opt::ir::{ConstantPool, ElementType, Module, Op, OpKind, SubgraphBuilder, Tensor};
/// let mut builder = SubgraphBuilder::new(Some("main".into()));
/// let x = builder.tensor(Tensor::new("x", ElementType::Float32, [2]));
/// let y = builder.tensor(Tensor::new("y", ElementType::Float32, [2]));
/// builder.op(Op::new(OpKind::Builtin(NEG)), &[Some(x)], &[y]);
/// let model = Module::new(vec![builder.finish(vec![x], vec![y])], ConstantPool::default());
/// assert!(model.verify().is_ok());
/// ```
///
/// A [`Record`](ir::Record) says something of ops and tensors to later passes, and to readers of the
/// file:
///
/// ```
/// use tfq_opt::ir::{Edit, Record, RecordEntry, Recorded, is_record_key};
/// # let text = "tfg 1 quant\nsubgraph @main {\n  %x = input : f32[2]\n  %y = NEG(%x) : f32[2]\n  output %y\n}\n";
/// let mut model = tfq_opt::ir::text::parse(text, &Default::default())?;
/// let (_, graph) = model.subgraphs().next().expect("the text has one");
/// let of = Recorded::Tensor(graph.inputs()[0]);
/// let entries = vec![RecordEntry { of, bytes: "from 0 to 6".into() }];
/// // Whose it is stands in front.
/// assert!(is_record_key("acme.ranges") && !is_record_key("ranges"));
/// let record = Record { entries, about: Vec::new() };
/// model.apply(Edit::Record("acme.ranges".into(), Some(record.into())))?;
///
/// let record = model.record("acme.ranges").expect("it was made");
/// let (_, entry) = model.recorded(record).next().expect("the input is still there");
/// assert_eq!((entry.of, &entry.bytes[..]), (of, &b"from 0 to 6"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What was done since can be asked for, and before it is, whether metadata that nobody writes anew
/// would be wrong then:
///
/// ```
/// use tfq_opt::ir::{Edit, EditSummary, Numbering, Patch};
/// # let text = "tfg 1 quant\nsubgraph @main {\n  %x = input : f32[2]\n  %y = NEG(%x) : f32[2]\n  %z = ABS(%x) : f32[2]\n  output %y\n}\n";
/// let mut model = tfq_opt::ir::text::parse(text, &Default::default())?;
/// let (sg, graph) = model.subgraphs().next().expect("the text has one");
/// let last = graph.ops().last().expect("it has ops");
/// let mut patch = Patch::new(sg, "drop what nobody reads");
/// patch.erase_op(last);
///
/// let before = model.clone();
/// model.apply(Edit::Metadata("model_control_dependencies".into(), Some("0 1".into())))?;
/// let (entry, kind): (&Numbering, _) = model.numbered_by_metadata(patch.renumbers()).unwrap();
/// assert_eq!((entry.name, kind), ("model_control_dependencies", "ops"));
///
/// let annotated: EditSummary = model.summary_since(&before).unwrap().into_owned();
/// assert_eq!(annotated.beyond_annotations, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod ir {
    /// Which operators there are, and their attributes by the names of the schema.
    ///
    /// ```
    /// use tfq_opt::ir::catalog;
    /// let conv = catalog::op_by_code(catalog::ops::CONV_2D).unwrap();
    /// let options = conv.options.unwrap();
    /// assert_eq!((conv.name, options.name), ("CONV_2D", "Conv2DOptions"));
    /// assert!(options.attr("fused_activation_function").is_some());
    /// assert_eq!(catalog::options_by_name("Conv2DOptions"), Some(options));
    /// assert_eq!(catalog::options_by_tag(options.union, options.tag), Some(options));
    /// assert_eq!(catalog::op_by_name("CONV_2D"), Some(conv));
    /// assert!(catalog::all_ops().len() > 200 && catalog::all_options().len() > 100);
    /// ```
    pub use tfq_ir::catalog;
    /// What operators mean: operands by role, types and shapes of results, effects.
    ///
    /// ```
    /// use tfq_opt::ir::catalog::ops::{CONV_2D, RESHAPE};
    /// use tfq_opt::ir::ops::{CallEffects, OperandFacts, OperandRole, Shape};
    /// use tfq_opt::ir::ops::{aliased_operand, infer, infer_op, semantics, semantics_of};
    /// use tfq_opt::ir::{ElementType, Op, OpKind, Tensor};
    /// let conv = semantics(CONV_2D).unwrap();
    /// assert_eq!(conv.slots(OperandRole::Weight).collect::<Vec<_>>(), [1]);
    /// assert!(conv.channels_last && !conv.is_elementwise());
    ///
    /// // What an op gives, of facts about its operands.
    /// let x = Tensor::new("x", ElementType::Float32, [2, 3]);
    /// let shape = Tensor::new("shape", ElementType::Int32, [1]);
    /// let [x, shape] = [OperandFacts::of(&x, None), OperandFacts::of(&shape, Some(&[6, 0, 0, 0]))];
    /// let reshape = Op::new(OpKind::Builtin(RESHAPE));
    /// let given = infer(&reshape, &[Some(x), Some(shape)], &[None])?;
    /// assert_eq!(given[0].shape, Shape::of([Some(6)]));
    /// assert_eq!(aliased_operand(&reshape), Some(0));
    ///
    /// // The same of an op in a model.
    /// # let text = "tfg 1 quant\nsubgraph @main {\n  %x = input : f32[2]\n  %y = NEG(%x) : f32[2]\n  output %y\n}\n";
    /// let model = tfq_opt::ir::text::parse(text, &Default::default())?;
    /// let (sg, graph) = model.subgraphs().next().unwrap();
    /// let op = graph.ops().next().unwrap();
    /// assert_eq!(infer_op(&model, sg, op)?[0].shape.to_string(), "[2]");
    /// assert!(semantics_of(graph.op(op)).unwrap().is_elementwise());
    /// assert!(CallEffects::new(&model).of(&model, sg, op).is_pure());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub use tfq_ir::ops;
    pub use tfq_ir::{
        Applied, Attr, AttrError, Attributes, BufferId, BufferRef, CacheReason, ConstantPool,
        CustomOptions, DequantCache, DequantCacheEntry, DimensionMetadata, Edit, EditSummary,
        Effects, ElementType, ExternalBuffer, History, InsertionPoint, LoggedEdit, Metadata,
        Module, ModuleParts, Numbering, Numbers, Oddity, Op, OpChange, OpCode, OpId, OpKind, OpRef,
        Operands, Patch, Quantization, QuantizationDetails, Reason, Record, RecordEntry, Recorded,
        References, Rejected, Signature, SparseIndex, Sparsity, Subgraph, SubgraphBuilder,
        SubgraphId, Tensor, TensorChange, TensorId, TensorLink, TensorRef, Use, VariantSubType,
        VerifyError, effects, is_record_key,
    };

    /// Models as text, one line for each op.
    ///
    /// ```
    /// use tfq_opt::ir::text;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
    /// # let file = std::fs::read(path)?.into();
    /// let model = tfq_opt::load(&file, &Default::default())?;
    ///
    /// // A text and the constants that it has the hash of are the whole model.
    /// let (whole, side) = text::print_with_side(&model);
    /// let options = text::ParseOptions { side: Some(side.into()), ..Default::default() };
    /// let again = text::parse(&whole, &options)?;
    /// assert_eq!(text::print(&again, text::Level::Hash), text::print(&model, text::Level::Hash));
    ///
    /// // A skeleton has the structure and none of the weights.
    /// let skeleton = text::print_skeleton(&model);
    /// assert!(skeleton.len() < file.len() / 2);
    /// text::parse(&skeleton, &text::ParseOptions { fills: true, ..Default::default() })?;
    ///
    /// let (main, _) = model.subgraphs().next().unwrap();
    /// let ops = text::print_subgraph(&model, main, text::Level::Topology);
    /// assert!(ops.contains("CONV_2D("));
    /// # Ok(())
    /// # }
    /// ```
    pub mod text {
        pub use tfq_text::{
            Level, ParseError, ParseOptions, parse, print, print_skeleton, print_subgraph,
            print_with_side,
        };
    }
}

/// Passes, pipelines and registries: what it takes to write a pass.
///
/// Most passes are [rules](pass::rewrite) or a few of them. A pass sees a model through its
/// [`Session`](pass::Session), and can have the graph tidied:
///
/// ```
/// use tfq_opt::ir::catalog::ops::{ABS, NEG};
/// use tfq_opt::ir::text::parse;
/// use tfq_opt::pass::rewrite::{
///     Rule, any, apply_rules, canonicalize, custom_op, erase_dead_ops, merge_equal_ops, op, op_of, read_of,
/// };
/// use tfq_opt::pass::{Pipeline, check_runnable, pass_fn};
/// use tfq_opt::{Optimizer, target::Target};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = parse("tfg 1 types
/// subgraph @main {
///   %x = input : f32[2]
///   %a = NEG(%x) : f32[2]
///   %b = NEG(%a) : f32[2]
///   %y = ABS(%b) : f32[2]
///   %z = ABS(%b) : f32[2]
///   output %y
/// }
/// ", &Default::default())?;
/// let tidy = pass_fn(|session| {
///     let negated_twice = op(NEG).operand(0, op(NEG).operand(0, any("x")));
///     let drop_both = [Rule::new("drop a double negation", negated_twice).forward("x")];
///     for sg in session.subgraphs() {
///         apply_rules(session, sg, &drop_both)?;
///         let erased = merge_equal_ops(session, sg)? + erase_dead_ops(session, sg)?;
///         session.count("ops-erased", erased as u64);
///         // All three, until nothing changes.
///         assert_eq!(canonicalize(session, sg, &drop_both)?, 0);
///     }
///     Ok(())
/// });
/// let result = Optimizer::new(Pipeline::new().then("acme.tidy", tidy)).run(model)?;
/// assert_eq!(result.module.ops_of_kind(NEG).count(), 0);
/// assert_eq!(result.module.ops_of_kind(ABS).count(), 1);
/// assert!(check_runnable(&result.module, &Target::named("litert").unwrap()).is_empty());
///
/// // Rules match at ops of several kinds too, and at ops that read something, in any slot.
/// let _ = Rule::new("either", op_of(&[ABS, NEG]));
/// let _ = Rule::new("a custom op", custom_op("AcmeOp"));
/// let _ = Rule::new("a reader", read_of(op(NEG).operand(0, any("x"))));
/// # Ok(())
/// # }
/// ```
///
/// Options of a pass are the fields of its struct:
///
/// ```
/// use tfq_opt::pass::{Declared, Pass, PassError, Session, declare_pass, option_enum};
///
/// option_enum! {
///     /// How much is told.
///     pub enum Detail {
///         /// A sum.
///         Sum = "sum",
///         /// Each op.
///         Ops = "ops",
///     }
/// }
///
/// declare_pass! {
///     name: "acme.count-ops", contract: Annotation, scope: Module;
///     /// Counts the ops of a model.
///     pub struct CountOps {
///         /// How much is told.
///         pub detail: Detail = Detail::Sum,
///     }
/// }
///
/// impl Pass for CountOps {
///     fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
///         let ops = session.model().subgraphs().map(|(_, graph)| graph.op_count() as u64);
///         session.count(if self.detail == Detail::Sum { "all-ops" } else { "ops" }, ops.sum());
///         Ok(())
///     }
/// }
///
/// let registry = tfq_opt::builtin().with_passes([CountOps::info()])?;
/// tfq_opt::Optimizer::parse_in(&registry, "acme.count-ops{detail=ops},default")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An [`Optimizer`] asks of every result what the target would not run or not load. Whoever runs
/// pipelines without one asks as well:
///
/// ```
/// use tfq_opt::pass::{Pipeline, RunCheck, RunOptions, check_loadable, check_loadable_since, run};
/// use tfq_opt::{passes::QuantizeWeights, target::Target};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
/// # let file = std::fs::read(path)?.into();
/// let start = tfq_opt::load(&file, &Default::default())?;
/// let target = Target::named("litert").ok_or("it is no target")?;
/// assert!(check_loadable(&start, &target).is_empty());
///
/// let mut model = start.clone();
/// let pipeline = Pipeline::new().with(QuantizeWeights::default());
/// let report = run(&mut model, &pipeline, &target, &RunOptions::default(), |_| ())?;
/// // What came in is told apart from what was made of it, and what passes found out is not asked again.
/// let wrong = RunCheck::knowing(&model, &target, &report.verdicts).since(&start);
/// assert!(wrong.iter().all(|one| one.unmet.is_some()), "insert-dequant mends it");
/// let (_came, made) = check_loadable_since(&model, &start, &target);
/// assert!(made.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// [Analyses](pass::analysis) are kept until their subgraph changes; [invariants](pass::invariant)
/// say what passes need of a model and what they leave it with:
///
/// ```
/// use tfq_opt::pass::analysis::{ConstantStatistics, HybridVerdicts, OpEffects, UseLists};
/// use tfq_opt::pass::invariant::{COMPACT, SETTLED};
/// use tfq_opt::pass::{Pipeline, pass_fn};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
/// # let file = std::fs::read(path)?;
/// let look = pass_fn(|session| {
///     for sg in session.subgraphs() {
///         let (uses, effects) = (session.analysis::<UseLists>(sg), session.analysis::<OpEffects>(sg));
///         let verdicts = session.analysis::<HybridVerdicts>(sg);
///         let statistics = session.analysis::<ConstantStatistics>(sg);
///         let graph = session.model().subgraph(sg);
///         for op in graph.ops().filter(|op| effects.of(*op).is_pure()) {
///             let weights = verdicts.of_op(session.input(sg), op).len();
///             let result = graph.results(op)[0];
///             println!("{op:?}: {weights} weights, {} readers", uses.uses(result).len());
///         }
///         for tensor in graph.tensors().map(|id| graph.tensor(id)) {
///             if let Some(found) = statistics.of(tensor.buffer, tensor.ty) {
///                 println!("{}: {found:?}", tensor.label());
///             }
///         }
///     }
///     Ok(())
/// });
/// tfq_opt::Optimizer::new(Pipeline::new().then("acme.look", look)).run(&file[..])?;
///
/// let registry = tfq_opt::builtin();
/// assert!(registry.pass("insert-dequant").unwrap().ensures.contains(&SETTLED));
/// assert!(registry.pass("eliminate-dead-buffers").unwrap().ensures.contains(&COMPACT));
/// # Ok(())
/// # }
/// ```
pub mod pass {
    pub use tfq_pass::{
        Answer, AskedSize, Built, Declared, Eligibility, Event, Example, HeldVerdicts, Invariant,
        NamedPipeline, NearMiss, NeededSize, Node, NumericContract, OptionArg, OptionError,
        OptionInfo, OptionKind, OptionValue, OptionValues, Pass, PassDescriptor, PassError,
        PassInfo, PassReport, PassScope, Pipeline, PipelineError, RaisedRuntime, Registry,
        RegistryError, Remark, RemarkKind, Report, Room, RuleCount, RunCheck, RunError, RunOptions,
        Session, Span, SpanKind, Step, Timeline, Unloadable, Unrunnable, Values, Why, analysis,
        check_loadable, check_loadable_since, check_runnable, declare_pass, invariant, option_enum,
        pass_fn, rewrite, run,
    };
}

/// The built-in passes, as types whose fields are their options.
///
/// ```
/// use tfq_opt::{Optimizer, pass::Pipeline, passes::*};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
/// # let file = std::fs::read(path)?;
/// let halves = QuantizeWeights { r#type: WeightType::Float16, ..Default::default() };
/// let pipeline = Pipeline::new()
///     .with(FoldConstants::default())
///     .with(RemoveIdentities {})
///     .with(CancelQuantizeDequantize::default())
///     .with(DequantizeWeights::default())
///     .with(halves)
///     .with(MergeEqualBuffers {})
///     .with(HybridEligibility {})
///     .with(InsertDequant {})
///     .with(EliminateDeadOps {})
///     .with(EliminateDeadBuffers {})
///     .with(AnnotateDequantCache::default());
/// let mut optimizer = Optimizer::new(pipeline);
/// // The plan says how each weight is stored and read, and why.
/// optimizer.run_options.resources.insert(WantsPlan);
/// let optimized = optimizer.run(&file[..])?;
/// assert!(optimized.to_vec()?.len() < file.len());
/// let plan = optimized.report.products.get::<WeightPlan>().expect("a pass planned weights");
/// let weight: &PlannedConstant = &plan.constants[0];
/// let tensor: &PlannedTensor = &weight.tensors[0];
/// let reader: &PlannedReader = &weight.readers[0];
/// assert_eq!((tensor.subgraph, reader.reads), (0, Reads::Dequantize));
/// let why_not: Vec<&Alternative> = weight.alternatives.iter().collect();
/// assert!(why_not.is_empty());
///
/// // A plan that was kept is followed to the same bytes.
/// optimizer.run_options.resources.insert(plan.clone());
/// assert_eq!(optimizer.run(&file[..])?.to_vec()?, optimized.to_vec()?);
/// # Ok(())
/// # }
/// ```
pub mod passes {
    pub use tfq_passes::{
        Alternative, AnnotateDequantCache, CancelQuantizeDequantize, Compat, CustomOp, CustomOps,
        DequantizeReason, DequantizeReasons, DequantizeWeights, EliminateDeadBuffers,
        EliminateDeadOps, FoldConstants, Globs, HybridEligibility, IdlePattern, IdlePatterns,
        InsertDequant, MergeEqualBuffers, MinElements, OpList, PlannedConstant, PlannedReader,
        PlannedTensor, Priority, QuantizeWeights, QuantizedOperands, ReadBy, Reads,
        RemoveIdentities, ScalesPer, SparedSlowness, WantsPlan, WeightPlan, WeightType, Which, all,
        builtin,
    };
}

/// What runtimes can do.
///
/// ```
/// use tfq_opt::target::{Target, describe, max_runtime};
/// let file = r#"
///     summary = "The phones that our app runs on."
///     extends = "litert"
///     max_runtime = "2.14"
/// "#;
/// let phones = Target::parse("phones", file)?;
/// assert_eq!(phones.name(), "phones");
/// assert!(Target::names().any(|shipped| shipped == "tflm"));
/// assert!(describe(&phones).ops.iter().any(|op| op.name == "CONV_2D"));
/// // Releases are numbers with dots between them, and no decimal fractions.
/// assert_eq!(max_runtime(["2.9", "2.14"].into_iter()), Some("2.14"));
/// # Ok::<(), tfq_opt::target::TargetError>(())
/// ```
///
/// It answers for each weight of a model, in the form that it has or could get:
///
/// ```
/// use tfq_opt::ir::{ElementType, catalog::ops::FULLY_CONNECTED};
/// use tfq_opt::target::{Granularity, Spreaders, Target, WeightForm, WeightOperand};
/// let model = tfq_opt::ir::text::parse("tfg 1 types
/// subgraph @main {
///   %x = input : f32[1,2]
///   %w = const : f32[3,2]
///   %y = FULLY_CONNECTED(%x, %w, _) : f32[1,3]
///   output %y
/// }
/// ", &tfq_opt::ir::text::ParseOptions { fills: true, ..Default::default() })?;
/// let (sg, op, _) = model.ops_of_kind(FULLY_CONNECTED).next().expect("the text has one");
/// let weight = WeightOperand { module: &model, sg, op, slot: 1 };
/// let int8 = WeightForm::new(ElementType::Int8, Granularity::PerTensor);
/// let target = Target::named("litert").ok_or("it is no target")?;
/// assert!(target.hybrid(weight, &int8).is_hybrid());
/// // No other op reads the weight, whose kernel could change the scale that this one sees. One value
/// // remembers for all questions about a model which ops are such.
/// assert!(!target.is_disturbed(weight, &int8, &Spreaders::default()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod target {
    pub use tfq_target::{
        About, DelegateDescription, Delegation, DequantizeDescription, Description,
        FoldedDescription, Granularity, LoadDescription, Meant, MemoryDescription, Objective,
        OpDescription, OpFacts, OriginDescription, Partitions, Problem, Reading, Refusal,
        RowDescription, Section, SinceDescription, Spreaders, Target, TargetError,
        UnwrittenDescription, Verdict, VersionDescription, WeightForm, WeightOperand, describe,
        max_runtime,
    };
}

/// Reading and writing files.
///
/// ```
/// use tfq_opt::format::{LiftOptions, LowerOptions, Placement, lift, lower};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
/// # let file = tfq_opt::bytes::Bytes::from(std::fs::read(path)?);
/// // Constants behind the flatbuffer, as models over 2 GiB have them.
/// let options = LowerOptions { placement: Placement::Outside, ..LowerOptions::default() };
/// let outside = lower(&lift(&file, &LiftOptions::default())?, &options)?.to_vec();
/// let again = lift(&outside.into(), &LiftOptions::default())?;
/// assert_eq!(again.subgraphs().len(), 1);
/// # Ok(())
/// # }
/// ```
///
/// From file to file without a copy of the weights:
///
/// ```
/// use tfq_opt::format::{Access, check_inputs, end_on_lost_bytes, read, read_copy, write_atomically};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
/// # let input = std::path::Path::new(path);
/// # let output = std::env::temp_dir().join(format!("tfq-opt-example-{}.tflite", std::process::id()));
/// // Once in a program: what happens where others cut off a mapped file.
/// end_on_lost_bytes(|changed| {
///     eprintln!("{changed}");
///     1
/// })?;
/// let result = tfq_opt::Optimizer::default().run(read(input, Access::Whole)?)?;
/// write_atomically(&output, &result.image()?, |_| ())?;
/// // What was made of a file that others changed in the meantime is no result.
/// check_inputs()?;
/// assert!(read_copy(&output)?.len() < read_copy(input)?.len());
/// # std::fs::remove_file(&output)?;
/// # Ok(())
/// # }
/// ```
pub mod format {
    pub use tfq_tflite::{
        Access, Changed, Image, LiftError, LiftOptions, LowerError, LowerOptions, Placement,
        Unknown, check_inputs, end_on_lost_bytes, lift, lower, read, read_copy, write_atomically,
    };
}

/// What differs between two models.
///
/// ```
/// use tfq_opt::diff::{DiffOptions, SCHEMA, diff, html, pairs};
/// # fn main() -> Result<(), tfq_opt::Error> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
/// # let file = tfq_opt::bytes::Bytes::from(std::fs::read(path).unwrap());
/// let before = tfq_opt::load(&file, &Default::default())?;
/// let after = tfq_opt::Optimizer::default().run(file)?.module;
/// assert!(diff(&before, &before, &DiffOptions::default()).is_identical());
///
/// let found = diff(&before, &after, &DiffOptions::default());
/// assert!(!found.is_identical() && found.schema == SCHEMA);
/// println!("{}", found.headline());
/// let page = html(&before, &after, &found, ["before", "after"]);
/// assert!(page.contains("<html"));
///
/// // What is taken for the same op or tensor in both.
/// let main = &pairs(&before, &after)[0];
/// assert!(!main.ops.is_empty());
/// # Ok(())
/// # }
/// ```
pub mod diff {
    pub use tfq_diff::{
        Class, Classes, ConstantDiff, Diff, DiffOptions, FieldChange, OpCount, OpDiff, OpSide,
        Pairs, Rename, SCHEMA, Status, Style, SubgraphDiff, TensorDiff, TensorSide, Totals,
        WeightError, diff, html, pairs,
    };
}

/// Running models on LiteRT, and comparing what they compute.
///
/// ```no_run
/// use std::path::Path;
/// use tfq_opt::runtime::{self, Engine, Fill, Interface, Kernels, Runtime, RuntimeError, Worker};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // The one that TFQ_RUNTIME names, else that of the Python package.
/// assert_eq!(runtime::VARIABLE, "TFQ_RUNTIME");
/// let runtime = Runtime::find(None)?;
/// println!("{}", runtime.label());
///
/// // A model runs in a process of its own, which may crash: Python, or a program that calls
/// // `runtime::serve`.
/// let mut worker = Worker::python(&runtime.python, None)?;
/// let model = worker.load(Path::new("model.tflite"), Kernels::Xnnpack, 1)?;
/// let values = |signature: &Interface, _sample: usize| {
///     let random = Fill::Random { seed: 0 };
///     let value = |port: &runtime::Port| {
///         let shape = port.least_shape();
///         runtime::fill(&port.name, port.ty, &shape, random, runtime::Range::Bits)
///     };
///     let values: Result<Vec<_>, _> = signature.inputs.iter().map(value).collect();
///     Ok::<_, RuntimeError>(values.expect("they are numbers"))
/// };
/// let outputs = worker.run(&model, 0, values(&model.signatures[0], 0)?)?;
/// runtime::write_npy(std::fs::File::create("output.npy")?, &outputs[0])?;
/// assert_eq!(runtime::read_npy(std::fs::File::open("output.npy")?)?, outputs[0]);
/// let median = runtime::Spread::of(&worker.again(&model, 10)?).expect("it ran").median;
/// println!("{median} s");
///
/// // How far a second model is from the first.
/// let paths = ["model.tflite", "small.tflite"].map(Path::new);
/// let start = |engine: Engine| match engine {
///     Engine::Python => Worker::python(&runtime.python, None),
///     Engine::Library => Worker::start(std::process::Command::new("my-worker"), &runtime, None),
/// };
/// // The C API first, and Python where a model needs what only that has.
/// let answers = |engine| Ok::<_, RuntimeError>(start(engine)?.answers());
/// assert!(runtime::with_either(answers, |error| Some(error))?);
/// for case in runtime::compare(start, paths, &Kernels::ALL, None, 1, values)? {
///     println!("{}: {:?} dB", case.kernels, case.outcome.least_snr());
/// }
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "runtime")]
pub mod runtime {
    pub use tfq_runtime::{
        Case, CaseOutcome, Difference, Engine, Fill, Interface, Kernels, Loaded, Memory, Mismatch,
        NotFound, OfSignature, Output, Port, Range, Reference, Runtime, RuntimeError, Spread,
        Stage, Unfillable, VARIABLE, Value, Worker, bytes_of, compare, fill, read_npy, serve,
        with_either, write_npy,
    };
}
