//! Nothing makes the evaluator panic: ops of chance with operands, attributes and declarations of
//! chance.

use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;
use tfq_eval::{Budget, Declared, NotEvaluated, Value, evaluate_op};
use tfq_ir::catalog::{AttrType, ListType, OpInfo, all_ops};
use tfq_ir::{Attr, ElementType, Op, OpKind, Quantization};

/// Numbers that attributes and shapes tend to have, and some that they should not.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => -4_i64..8,
        1 => Just(i64::from(i32::MAX)),
        1 => Just(i64::from(i32::MIN)),
        1 => any::<i32>().prop_map(i64::from),
    ]
}

fn element() -> impl Strategy<Value = ElementType> {
    prop_oneof![
        3 => Just(ElementType::Float32),
        3 => Just(ElementType::Int32),
        2 => Just(ElementType::Int8),
        1 => (0_i8..23).prop_map(|code| ElementType::from_code(code).unwrap()),
    ]
}

fn quantization() -> impl Strategy<Value = Option<Arc<Quantization>>> {
    let scale = prop_oneof![
        6 => 1e-3_f32..4.0,
        1 => any::<f32>(),
    ];
    let all = (prop::collection::vec((scale, -300_i64..300), 0..3), -1_i32..3);
    prop::option::of(all.prop_map(|(all, axis)| {
        let (scale, points): (Vec<f32>, Vec<i64>) = all.into_iter().unzip();
        Arc::new(Quantization {
            scale,
            zero_point: points.into(),
            quantized_dimension: axis,
            ..Quantization::default()
        })
    }))
}

fn value() -> impl Strategy<Value = Option<Value>> {
    let dims = prop::collection::vec(0_usize..5, 0..5);
    let small = prop::collection::vec(-3_i32..5, 700);
    let wild = prop::collection::vec(any::<u8>(), 2800);
    let ones = prop_oneof![3 => small.prop_map(|all| {
        all.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>()
    }), 1 => wild];
    let made =
        (element(), dims, ones, quantization()).prop_map(|(ty, dims, bytes, quantization)| {
            Value::new(ty, &dims, Bytes::from(bytes)).map(|value| value.quantized(quantization))
        });
    prop_oneof![12 => made, 1 => Just(None)]
}

fn attribute(ty: AttrType, number: i64) -> Option<Attr> {
    Some(match ty {
        AttrType::Bool => Attr::Bool(number & 1 != 0),
        AttrType::F32 | AttrType::F64 => Attr::Float(number as f32),
        AttrType::Enum(_) => Attr::Int(number.rem_euclid(7)),
        AttrType::String | AttrType::Bytes => return None,
        AttrType::List(ListType::F32) => Attr::Floats([number as f32, 1.0].into()),
        AttrType::List(_) => Attr::Ints([number, 1].into()),
        _ => Attr::Int(number),
    })
}

/// `TFQ_EVAL_CASES` sets how many ops are tried.
fn cases() -> u32 {
    std::env::var("TFQ_EVAL_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(6000)
}

/// An op with these numbers for attributes, as far as they can be.
fn op_with(info: &OpInfo, numbers: &[i64]) -> Op {
    let mut op = Op::builtin(info.code);
    let (Some(options), Some(attrs)) = (info.options, &mut op.attrs) else { return op };
    for (info, number) in options.attrs.iter().zip(numbers.iter().cycle()) {
        if let Some(value) = attribute(info.ty, *number) {
            let _ = attrs.set(info.name, value);
        }
    }
    op
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_op_makes_it_panic(
        which in any::<prop::sample::Index>(),
        operands in prop::collection::vec(value(), 0..5),
        results in prop::collection::vec((element(), quantization()), 0..3),
        numbers in prop::collection::vec(number(), 12),
        work in prop_oneof![Just(0_u64), Just(100), Just(1 << 20)],
    ) {
        let op = op_with(&all_ops()[which.index(all_ops().len())], &numbers);
        let results: Vec<Declared> = results
            .into_iter()
            .map(|(ty, quantization)| Declared { ty, quantization })
            .collect();
        let mut budget = Budget::new(work, work);
        if let Ok(made) = evaluate_op(&op, &operands, &results, &mut budget) {
            prop_assert_eq!(made.values.len(), results.len());
            for (value, declared) in made.values.iter().zip(&results) {
                prop_assert_eq!(value.ty(), declared.ty);
                let needed = value.ty().bytes_for(value.elements() as u64);
                prop_assert!(needed.is_none_or(|needed| needed == value.bytes().len() as u64));
            }
        }
    }

    /// Operands that fit each other, so that kernels are reached.
    #[test]
    fn no_operand_of_a_known_shape_makes_it_panic(
        which in any::<prop::sample::Index>(),
        dims in prop::collection::vec(0_usize..4, 1..5),
        lists in prop::collection::vec(prop::collection::vec(-2_i32..4, 4), 4),
        numbers in prop::collection::vec(-1_i64..4, 12),
        quantized in quantization(),
        ty in element(),
        count in 1_usize..5,
    ) {
        let op = op_with(&all_ops()[which.index(all_ops().len())], &numbers);
        let zeros = || Bytes::from(vec![1_u8; 8192]);
        let operands: Vec<Option<Value>> = (0..count)
            .map(|n| {
                let list = &lists[n % lists.len()][..dims.len().min(4)];
                let bytes: Vec<u8> = list.iter().flat_map(|n| n.to_le_bytes()).collect();
                match (n + numbers.len() + dims[0]) % 2 {
                    0 => Value::new(ElementType::Int32, &[list.len()], bytes.into()),
                    _ => Value::new(ty, &dims, zeros()).map(|v| v.quantized(quantized.clone())),
                }
            })
            .collect();
        for result in [ty, ElementType::Bool, ElementType::Int32] {
            let results = [Declared { ty: result, quantization: quantized.clone() }];
            let _ = evaluate_op(&op, &operands, &results, &mut Budget::new(1 << 20, 1 << 20));
        }
    }
}

#[test]
fn a_budget_is_kept() {
    let mut op = Op::new(OpKind::Builtin(tfq_ir::catalog::ops::FILL));
    op.attrs = None;
    let shape = [1_i32 << 15, 1 << 15].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let shape = Value::new(ElementType::Int32, &[2], shape.into());
    let one = Value::new(ElementType::Float32, &[], Bytes::from_static(&[0, 0, 128, 63]));
    let operands = [shape, one];
    let results = [Declared::new(ElementType::Float32)];
    let made = evaluate_op(&op, &operands, &results, &mut Budget::new(1 << 40, 1 << 20));
    assert_eq!(made, Err(NotEvaluated::Budget));
    let made = evaluate_op(&op, &operands, &results, &mut Budget::new(1 << 20, 1 << 40));
    assert_eq!(made, Err(NotEvaluated::Budget));
}
