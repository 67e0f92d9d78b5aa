//! What a pass sees of a model while it changes it.

mod common;

use bytes::Bytes;
use common::with_pass;
use tfq_ir::{Edit, ElementType, Module, Patch, Reason, SubgraphId, Tensor, TensorId};
use tfq_pass::analysis::UseLists;
use tfq_pass::{PassError, RemarkKind, Session};
use tfq_text::{ParseOptions, parse};

const MAIN: SubgraphId = SubgraphId(0);

fn model() -> Module {
    let text = "tfg 1 quant
subgraph @main {
  %x = input : f32[2]
  %y = NEG(%x) : f32[2]
  output %y
}
subgraph @other {
  %a = input : f32[2]
  %b = NEG(%a) : f32[2]
  output %b
}
";
    parse(text, &ParseOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn output(session: &Session<'_>) -> TensorId {
    session.model().subgraph(MAIN).outputs()[0]
}

#[test]
fn an_edit_says_what_it_did_and_a_refused_one_does_nothing() {
    let mut module = model();
    let report = with_pass(&mut module, |session| {
        let mut patch = Patch::new(MAIN, "add a constant");
        let tensor = Tensor::new("c", ElementType::Float32, [2]);
        patch.new_constant(tensor, Bytes::from_static(&[0; 8]));
        let done = session.apply(patch)?;
        let [added] = done.added_tensors()[..] else { panic!("{done:?}") };
        let shown = session.model().subgraph(MAIN).tensor(added);
        assert_eq!((shown.label(), shown.buffer), ("c", done.constants().next().unwrap()));

        let (buffers, uses) =
            (session.model().constants().len(), session.analysis::<UseLists>(MAIN));
        let mut patch = Patch::new(MAIN, "erase what is in use");
        patch.add_constant(Bytes::from_static(&[0; 8]));
        patch.erase_tensor(output(session));
        let Err(PassError::Rejected(refused)) = session.apply(patch) else { panic!("it is wrong") };
        assert_eq!(refused.label, "erase what is in use");
        assert_eq!(refused.reason, Reason::ErasedInUse("y".into()));
        assert_eq!(session.model().constants().len(), buffers);
        let again = session.analysis::<UseLists>(MAIN);
        assert!(std::sync::Arc::ptr_eq(&uses, &again), "the model is in the same state");

        // Nothing to do is no edit.
        let nothing = session.apply(Patch::new(MAIN, "nothing"))?;
        assert!(nothing.tensors.is_empty() && nothing.label().is_empty());
        assert_eq!(session.apply(Edit::PruneOpCodes)?.op_codes_erased(), 0);
        Ok(())
    });
    assert_eq!((report.passes[0].patches, module.edit_count()), (1, 1));
}

#[test]
fn a_pass_tells_while_it_reads() {
    let report = with_pass(&mut model(), |session| {
        let graph = session.model().subgraph(MAIN);
        for op in graph.ops() {
            session.missed("first", session.model().op_place(MAIN, op), "it stays");
        }
        // What was told can be looked at while more is told.
        for told in session.remarks().take_while(|told| told.rule == "first") {
            session.note("second", told.place, "again");
            session.count("told", 1);
        }
        Ok(())
    });
    let told: Vec<_> =
        report.remarks().map(|(_, told)| (told.kind, &*told.rule, &*told.place)).collect();
    let place = "subgraph 0, NEG `y`";
    assert_eq!(told, [(RemarkKind::Missed, "first", place), (RemarkKind::Note, "second", place)]);
    assert_eq!(report.statistic("told"), 1);
}
