//! Analyses: computed once for each state, carried over where the pass says so.

mod common;

use common::with_pass;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tfq_ir::{Edit, ElementType, InsertionPoint, Module, Op, Patch, SubgraphId, Tensor, TensorId};
use tfq_pass::analysis::{
    Analysis, AnalysisInput, ConstantStatistics, HybridVerdicts, OpEffects, UseLists,
};
use tfq_pass::{Eligibility, PassError, Session};
use tfq_text::{ParseOptions, parse};

const MAIN: SubgraphId = SubgraphId(0);

fn read(text: &str) -> Module {
    let options = ParseOptions { fills: true, ..ParseOptions::default() };
    parse(text, &options).unwrap_or_else(|error| panic!("{error}"))
}

fn tensor(module: &Module, name: &str) -> TensorId {
    let graph = module.subgraph(MAIN);
    graph.tensors().find(|id| graph.tensor(*id).label() == name).unwrap()
}

fn model() -> Module {
    read(
        "tfg 1 quant
        subgraph @main {
          %x = input : f32[1,4]
          %w = const : i8[2,4] q(0.5) = [1, -2, 3, 4, 0, 0, 7, 8]
          %f = const : f32[4] = [0.0, 1.0, nan, -3.0]
          %flat = const : i32[1] = [4]
          %a = RESHAPE(%x, %flat) : f32[4]
          %b = RESHAPE(%a, %flat) : f32[4]
          %c = ADD(%b, %f) : f32[4]
          %y = FULLY_CONNECTED.v3(%x, %w, _) : f32[1,2]
          output %c
          output %y
        }",
    )
}

#[test]
fn the_shipped_analyses_say_what_is_there() {
    let mut module = model();
    with_pass(&mut module, |session| {
        let module = session.model();
        let graph = module.subgraph(MAIN);
        let id = |name| tensor(module, name);

        let uses = session.analysis::<UseLists>(MAIN);
        for tensor in graph.tensors() {
            assert_eq!(uses.uses(tensor), &graph.uses(tensor)[..]);
            assert_eq!(uses.producer(tensor), graph.producer(tensor));
        }

        let effects = session.analysis::<OpEffects>(MAIN);
        assert!(graph.ops().all(|op| effects.of(op).is_pure()));
        assert_eq!(effects.storage(id("b")), id("x"), "two reshapes up");
        assert_eq!(effects.storage(id("c")), id("c"));

        let statistics = session.analysis::<ConstantStatistics>(MAIN);
        let of = |name| {
            let tensor = graph.tensor(id(name));
            statistics.of(tensor.buffer, tensor.ty)
        };
        let w = of("w").unwrap();
        assert_eq!((w.min, w.max, w.mean, w.zeros, w.nonfinite), (-2.0, 8.0, 2.625, 2, 0));
        let f = of("f").unwrap();
        assert_eq!((f.min, f.max, f.zeros, f.nonfinite), (-3.0, 1.0, 1, 1));
        assert_eq!(of("x"), None);

        let verdicts = session.analysis::<HybridVerdicts>(MAIN);
        let (fc, _) = graph.producer(id("y")).unwrap();
        let input = session.input(MAIN);
        let found =
            graph.ops().flat_map(|op| verdicts.of_op(input, op).into_iter().map(move |v| (op, v)));
        let found: Vec<_> = found.collect();
        let [(op, (slot, verdict))] = &found[..] else { panic!("{found:?}") };
        assert_eq!((*op, *slot), (fc, 1));
        assert!(matches!(**verdict, Eligibility::Hybrid { .. }));
        Ok(())
    });
}

#[test]
fn a_shape_is_sure_where_it_follows_from_what_cannot_change() {
    let mut module = read(
        "tfg 1 quant
        subgraph @main {
          %x = input : f32[2,4]
          %free = input : f32[?,4]
          %steer = input : i32[2]
          %c = input : bool[]
          %flat = const : i32[1] = [8]
          %zero = const : f32[] = 0.0
          %a = RESHAPE(%x, %flat) : f32[8]
          %wrong = RESHAPE(%x, %flat) : f32[4]
          %b = RESHAPE(%x, %steer) : f32[4,2]
          %d = NEG(%free) : f32[1,4]
          %e = NEG(%d) : f32[1,4]
          %above = GREATER(%a, %zero) : bool[8]
          %where = WHERE(%above) : i64[8,1]
          %f = IF(%c, %x) {then_subgraph_index = @same, else_subgraph_index = @same} : f32[2,4]
          %g = IF(%c, %free) {then_subgraph_index = @freed, else_subgraph_index = @freed} : f32[1,4]
          output %e
        }
        subgraph @same {
          %x = input : f32[2,4]
          %y = NEG(%x) : f32[2,4]
          output %y
        }
        subgraph @freed {
          %x = input : f32[1,4]
          %y = NEG(%x) : f32[1,4]
          output %y
        }",
    );
    with_pass(&mut module, |session| {
        let sure = |session: &Session<'_>, name| {
            session.has_sure_shape(MAIN, tensor(session.model(), name))
        };
        let all = ["x", "flat", "a", "above", "f"];
        assert_eq!(all.into_iter().find(|name| !sure(session, name)), None);
        let none = ["free", "wrong", "b", "d", "e", "where", "g"];
        assert_eq!(none.into_iter().find(|name| sure(session, name)), None);
        let of = |session: &Session<'_>, sg, name| {
            let graph = session.model().subgraph(sg);
            let id = graph.tensors().find(|id| graph.tensor(*id).label() == name).unwrap();
            session.has_sure_shape(sg, id)
        };
        assert!(of(session, SubgraphId(1), "y"));
        assert!(!of(session, SubgraphId(2), "y"));

        // What a patch adds, and what it leaves.
        let mut patch = Patch::new(MAIN, "negate");
        let [x, a, d] = ["x", "a", "d"].map(|name| tensor(session.model(), name));
        let negated = |of: TensorId, name: &str, patch: &mut Patch| {
            let shape = session.model().subgraph(MAIN).tensor(of).shape.clone();
            let new = patch.add_tensor(Tensor::new(name, ElementType::Float32, shape));
            let neg = Op::builtin(tfq_ir::catalog::ops::NEG);
            patch.add_op(neg, InsertionPoint::End, &[Some(of.into())], &[new]);
        };
        negated(x, "of x", &mut patch);
        negated(d, "of d", &mut patch);
        session.apply(patch)?;
        assert!(sure(session, "of x") && !sure(session, "of d"));
        assert!(session.has_sure_shape(MAIN, a) && !session.has_sure_shape(MAIN, d));
        Ok(())
    });
}

static COMPUTED: AtomicUsize = AtomicUsize::new(0);

/// Counts how often it is computed.
struct Counted;

impl Analysis for Counted {
    type Result = usize;
    const NAME: &'static str = "counted";

    fn compute(input: AnalysisInput<'_>, _: Option<&usize>) -> usize {
        COMPUTED.fetch_add(1, Ordering::Relaxed);
        input.module.subgraph(input.subgraph).op_count()
    }
}

fn rename(session: &mut Session<'_>, to: &str) -> Result<(), PassError> {
    let mut patch = Patch::new(MAIN, "rename a tensor");
    patch.set_name(session.model().subgraph(MAIN).outputs()[0], Some(to.into()));
    session.apply(patch).map(|_| ())
}

#[test]
fn results_are_kept_until_a_patch_that_does_not_preserve_them() {
    let mut module = model();
    let report = with_pass(&mut module, |session| {
        let times = || COMPUTED.load(Ordering::Relaxed);
        let first = session.analysis::<Counted>(MAIN);
        let again = session.analysis::<Counted>(MAIN);
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(times(), 1);

        rename(session, "first")?;
        session.analysis::<Counted>(MAIN);
        assert_eq!(times(), 2, "a patch makes it stale");

        session.preserve::<Counted>();
        rename(session, "second")?;
        session.analysis::<Counted>(MAIN);
        assert_eq!(times(), 2, "the pass says that its patches preserve it");

        let first = session.model().subgraph(MAIN).ops().next().unwrap();
        session.apply(Edit::Versions(MAIN, vec![(first, 1)]))?;
        session.analysis::<Counted>(MAIN);
        assert_eq!(times(), 3, "another edit than a patch that preserves it");
        Ok(())
    });
    let spans = report.timeline.totals();
    let counted = spans.iter().find(|(span, _)| span.name == "counted").unwrap();
    assert_eq!((counted.0.depth, counted.1), (2, 3), "it is timed inside its pass");
}
