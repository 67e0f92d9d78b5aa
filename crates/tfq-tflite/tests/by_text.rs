//! By way of a text of level full a model becomes the same file as without.

mod common;

use bytes::Bytes;
use common::{float, lifted, lowered, models};
use tfq_ir::{ConstantPool, Module, Op, OpKind, SubgraphBuilder};
use tfq_text as text;
use tfq_text::ParseOptions;
use tfq_tflite::Placement;

fn parse(text: &str, side: Vec<u8>) -> Module {
    let options = ParseOptions { side: Some(side.into()), ..ParseOptions::default() };
    text::parse(text, &options).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[track_caller]
fn assert_same_file(name: &str, module: &Module) {
    let (text, side) = text::print_with_side(module);
    let back = parse(&text, side);
    for placement in [Placement::Auto, Placement::Inline, Placement::Outside] {
        let (direct, by_text) = (lowered(module, placement), lowered(&back, placement));
        assert!(direct == by_text, "{name}: {} and {} bytes", direct.len(), by_text.len());
    }
}

#[test]
fn every_model_becomes_the_same_file() {
    for (name, file) in models() {
        assert_same_file(&name, &lifted(&file));
    }
}

/// Options that lie behind the flatbuffer are there once, however many ops and buffers have them.
#[test]
fn what_shares_its_bytes_still_does() {
    let payload: Bytes = (0..100).map(|n| n as u8).collect::<Vec<u8>>().into();
    for payloads in [
        [payload.clone(), payload.clone(), payload.clone()],
        [payload.clone(), Bytes::copy_from_slice(&payload), payload.slice(..50)],
        [payload.clone(), payload.slice(..50), payload.slice(..50)],
        [Bytes::new(), Bytes::new(), payload.clone()],
    ] {
        let mut pool = ConstantPool::new(vec![None]);
        let mut b = SubgraphBuilder::new(Some("main".into()));
        let x = b.tensor(float("x", &[1]));
        let mut w = float("w", &[25]);
        w.buffer = pool.push(payload.clone());
        b.tensor(w);
        for (n, bytes) in payloads.into_iter().enumerate() {
            let mut op = Op::new(OpKind::Custom("Mine".into()));
            op.custom_options.bytes = Some(bytes);
            op.custom_options.large = true;
            let y = b.tensor(float(&format!("y{n}"), &[1]));
            b.op(op, &[Some(x)], &[y]);
        }
        let mut module = Module::new(vec![b.finish(vec![x], vec![])], pool);
        module = module.rebuilt(|parts| parts.constants_outside = true);
        assert_same_file("made", &module);
        // As it comes back from its file, too.
        assert_same_file("read again", &lifted(&lowered(&module, Placement::Auto)));
    }
}

/// An operator that occurs in two versions without a list of codes has both in the file.
#[test]
fn versions_of_one_operator_are_written_as_they_are() {
    let text = "tfg 1 quant
subgraph @main {
  %x = input : f32[1,64]
  %w = const : i8[64,64] q(0.01) fill const(1)
  %y = FULLY_CONNECTED.v9(%x, %w, _) : f32[1,64]
  %z = FULLY_CONNECTED.v14(%y, %w, _) : f32[1,64]
  output %z
}";
    let module = lifted(&lowered(
        &parse(text, text::print_with_side(&Module::default()).1),
        Placement::Auto,
    ));
    let graph = module.subgraph(tfq_ir::SubgraphId(0));
    let versions: Vec<i32> = graph.ops().map(|op| graph.op(op).version).collect();
    assert_eq!(versions, [9, 14]);
}
