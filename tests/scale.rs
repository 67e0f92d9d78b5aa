//! Memory in proportion to the input: what a file may hold as often as it has bytes costs that
//! often, and not the square of it. Allocations are counted, which time would only guess at.

#[path = "common/large.rs"]
mod large;

use bytes::Bytes;
use large::Large;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use tfq_golden::{Golden, Header, Recording, blame, compare, record};
use tfq_opt::diff::{DiffOptions, Style, diff, html};
use tfq_opt::format::{LiftOptions, LowerOptions, lift, lower};
use tfq_opt::ir::text::{self, Level, ParseOptions};
use tfq_opt::ir::{Module, Patch, SubgraphId};
use tfq_opt::pass::Pipeline;
use tfq_opt::target::Target;
use tfq_opt::{Optimizer, builtin};

/// The system's allocator, which counts.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static TOTAL: AtomicUsize = AtomicUsize::new(0);

impl Counting {
    fn add(size: usize) {
        TOTAL.fetch_add(size, Relaxed);
        let live = LIVE.fetch_add(size, Relaxed) + size;
        PEAK.fetch_max(live, Relaxed);
    }
}

// SAFETY: everything is left to the system's allocator.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::add(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Held by whoever counts, since tests run side by side.
static COUNTED: Mutex<()> = Mutex::new(());

/// Bytes that something took.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// At the same time.
    peak: usize,
    /// One after the other.
    total: usize,
}

fn cost<T>(work: impl FnOnce() -> T) -> Cost {
    let (live, total) = (LIVE.load(Relaxed), TOTAL.load(Relaxed));
    PEAK.store(live, Relaxed);
    let done = work();
    let cost = Cost {
        peak: PEAK.load(Relaxed).saturating_sub(live),
        total: TOTAL.load(Relaxed).saturating_sub(total),
    };
    drop(done);
    cost
}

/// A model in all the forms that work begins with.
struct Input {
    module: Module,
    /// The same with one thing changed.
    other: Module,
    file: Bytes,
    golden: Golden,
    print: String,
}

impl Input {
    fn new(module: Module) -> Self {
        let file = Bytes::from(lowered(&module));
        let mut other = module.clone();
        let main = SubgraphId(0);
        let first = other.subgraph(main).tensors().next().expect("it has a tensor");
        let mut patch = Patch::new(main, "rename");
        patch.set_name(first, Some("another".into()));
        other.apply(patch).expect("a name may change");
        let golden = golden(&module);
        let print = golden.print();
        Self { module, other, file, golden, print }
    }
}

fn lowered(module: &Module) -> Vec<u8> {
    lower(module, &LowerOptions::default()).expect("it is far from 2 GiB").to_vec()
}

fn target() -> Arc<Target> {
    Target::named("litert").expect("it is shipped")
}

/// The default pipeline, for weights of any size.
const DEFAULT: &str = "quantize-weights{min-elements=1},insert-dequant,eliminate-dead-buffers,\
                       annotate-dequant-cache";

fn recording(module: &Module) -> Recording {
    record(module.clone(), &pipeline(), &target(), Level::Hash).expect("it runs")
}

fn pipeline() -> Pipeline {
    Pipeline::parse(&builtin(), DEFAULT).expect("these passes are there")
}

fn golden(module: &Module) -> Golden {
    let (pipeline, recording) = (pipeline(), recording(module));
    let header = Header::new("model.tflite", "blake3:0", &pipeline, "litert", Level::Hash);
    Golden::new(header, &recording)
}

/// What the commands do with a model.
type Work = fn(&Input) -> usize;

const WORK: [(&str, Work); 13] = [
    ("inspect", |input| {
        format!("{:?}", tfq_opt::describe::inspect(&input.module, &target())).len()
    }),
    ("read", |input| {
        let module = lift(&input.file, &LiftOptions::default()).expect("its own file is read");
        module.subgraphs().len()
    }),
    ("write", |input| lowered(&input.module).len()),
    ("print", |input| text::print(&input.module, Level::Hash).len()),
    ("read text", |input| {
        let (text, side) = text::print_with_side(&input.module);
        let options = ParseOptions { side: Some(side.into()), ..ParseOptions::default() };
        text::parse(&text, &options).expect("its own text is read").subgraphs().len()
    }),
    ("skeleton", |input| text::print_skeleton(&input.module).len()),
    ("graph", |input| {
        tfq_opt::describe::dot(&input.module).len()
            + tfq_opt::describe::graph_json(&input.module).to_string().len()
    }),
    ("cut", |input| {
        let graph = input.module.subgraph(SubgraphId(0));
        let ops = graph.ops().collect();
        input.module.extract(SubgraphId(0), &ops).map_or(0, |module| module.subgraphs().len())
    }),
    ("optimise", |input| {
        let float16 = "quantize-weights{type=float16 min-elements=1},insert-dequant";
        let float16 = Optimizer::parse(float16).expect("these passes are there");
        let pipelines = [Optimizer::new(pipeline()), Optimizer::default(), float16];
        let results = pipelines.map(|mut optimizer| {
            // Lists may be longer than the runtime takes.
            optimizer.allow_unloadable = true;
            optimizer.run(input.file.clone()).expect("it runs")
        });
        results.map(|result| result.to_vec().expect("it can be written").len())[0]
    }),
    ("tidy", |input| {
        let tidy = "until-stable(remove-identities,cancel-quantize-dequantize,eliminate-dead-ops),\
                    merge-equal-buffers,eliminate-dead-buffers";
        let mut tidy = Optimizer::parse(tidy).expect("these passes are there");
        tidy.allow_unloadable = true;
        tidy.run(input.module.clone()).expect("it runs").module.subgraphs().len()
    }),
    ("diff of itself", |input| {
        let copy = lift(&input.file, &LiftOptions::default()).expect("its own file is read");
        let diff = diff(&input.module, &copy, &DiffOptions::default());
        assert!(diff.is_identical(), "{}", diff.to_text(Style::Plain));
        0
    }),
    ("diff of another", |input| {
        let diff = diff(&input.module, &input.other, &DiffOptions::default());
        let page = html(&input.module, &input.other, &diff, ["a", "b"]);
        diff.to_text(Style::Plain).len() + diff.to_json().len() + page.len()
    }),
    ("golden", |input| {
        let now = golden(&input.module);
        let accepted = Golden::parse(&input.print).expect("its own golden is read");
        assert!(compare(&accepted, &now).is_same());
        input.golden.sections.len()
    }),
];

/// Three times as much of anything may cost three times as much, and a little more where tables
/// grow by doubling. What costs the square of it costs nine times as much.
#[test]
fn three_times_as_much_of_anything_costs_about_three_times_as_much() {
    const SOME: usize = 400;
    const MOST: f64 = 4.9;
    let _alone = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut wrong = String::new();
    for large in Large::ALL {
        let [small, big] = [SOME, 3 * SOME].map(|n| Input::new(large.model(n)));
        for (name, work) in WORK {
            let [small, big] = [&small, &big].map(|input| {
                // What is made once in a run counts for nobody.
                work(input);
                cost(|| work(input))
            });
            let ratio = |of: fn(Cost) -> usize| of(big) as f64 / of(small).max(1) as f64;
            let (peak, total) = (ratio(|cost| cost.peak), ratio(|cost| cost.total));
            if peak > MOST || total > MOST {
                _ = writeln!(wrong, "{large:?}, {name}: {small:?} became {big:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Recursion over as many calls needs more than this stack.
#[test]
fn calls_of_subgraphs_may_be_nested_as_deep_as_a_file_is_long() {
    const DEEP: usize = 8000;
    const STACK: usize = 256 << 10;
    let all = || {
        for large in [Large::CallChain, Large::CallRing, Large::CallMesh, Large::Links] {
            let input = Input::new(large.model(DEEP));
            WORK.iter().for_each(|(_, work)| _ = work(&input));
            input.module.verify().expect("it is well-formed");
        }
    };
    let _alone = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(all);
    thread.expect("a thread can be started").join().expect("every command works");
}

#[test]
fn a_diff_of_many_subgraphs_takes_memory_for_each_once() {
    const MANY: usize = 20_000;
    let _alone = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    let module = Large::EqualSubgraphs.model(MANY);
    let cost = cost(|| diff(&module, &module, &DiffOptions::default()));
    assert!(cost.peak < MANY * 10_000, "{cost:?}");
}

#[test]
fn a_golden_is_read_with_little_more_than_itself() {
    const LAYERS: usize = 3000;
    let _alone = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    let print = golden(&Large::Layers.model(LAYERS)).print();
    let cost = cost(|| Golden::parse(&print).expect("its own golden is read"));
    assert!(cost.peak < 2 * print.len(), "{cost:?} for {} bytes", print.len());
}

/// Blaming a patch looks at every line and every patch.
#[test]
fn a_golden_of_another_model_is_blamed_once_for_each_line() {
    let _alone = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    let costs = [300, 900].map(|layers| {
        let accepted = golden(&Large::Layers.model(layers));
        let recording = recording(&Large::SharedBuffer.model(layers));
        cost(|| blame(&accepted, &recording).expect("they differ"))
    });
    assert!(costs[1].total < 5 * costs[0].total, "{costs:?}");
}
