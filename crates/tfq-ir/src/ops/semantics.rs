//! What operators mean, as data: a row for each, generated from `schema/ops.toml`, so that a
//! question about an operator is a look into a table. `docs/op-semantics.md` tells the rules in
//! words.

#[rustfmt::skip]
mod generated;
mod row;

pub use row::{
    AxisRule, OpClass, OpSemantics, OperandInfo, OperandRole, Provenance, QuantizationRule,
    ResultInfo, ShapeRule, TypeRule,
};

use super::catalog;
use crate::{Op, OpKind};

/// What is known of an operator, by its code. Nothing is of codes that are none.
pub fn semantics(code: i32) -> Option<&'static OpSemantics> {
    Some(&generated::SEMANTICS[catalog::index_by_code(code)?])
}

/// What is known of an op. Nothing is of custom ops, and of those whose attributes make another
/// operator of theirs.
pub fn semantics_of(op: &Op) -> Option<&'static OpSemantics> {
    let OpKind::Builtin(code) = op.kind else { return None };
    semantics(code).filter(|what| !what.excepts(op))
}

/// The codes of the operators whose row says so.
pub fn operators_that(is: impl Fn(&OpSemantics) -> bool) -> impl Iterator<Item = i32> {
    let rows = catalog::all_ops().iter().zip(&generated::SEMANTICS);
    rows.filter(move |(_, what)| is(what)).map(|(op, _)| op.code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Activation;
    use catalog::{AttrType, all_ops, ops};

    fn of(code: i32) -> &'static OpSemantics {
        semantics(code).unwrap()
    }

    #[test]
    fn every_operator_has_a_row_that_holds_together() {
        for op in all_ops() {
            let what = of(op.code);
            let operands = what.operands.len();
            for (n, operand) in what.operands.iter().enumerate() {
                assert!(!operand.variadic || n + 1 == operands, "{}: {}", op.name, operand.name);
            }
            let trailing = what.operands.iter().skip_while(|operand| !operand.trailing);
            assert!(trailing.into_iter().all(|operand| operand.trailing), "{}", op.name);
            let variadic = what.operands.last().is_some_and(|operand| operand.variadic);
            assert_eq!(what.most_operands.is_none(), variadic, "{}", op.name);
            assert_eq!(what.results.is_empty(), what.types.is_empty(), "{}", op.name);
            assert_eq!(what.results.is_empty(), what.shape == ShapeRule::None, "{}", op.name);
            // A slot that a rule names is that of an operand.
            let named = match what.shape {
                ShapeRule::Same(slot) | ShapeRule::Contents(slot) => vec![slot],
                ShapeRule::Broadcast(slots) => slots.to_vec(),
                _ => Vec::new(),
            };
            let typed = what.types.iter().filter_map(|rule| match rule {
                TypeRule::Same(slot) | TypeRule::SameOr(slot, ..) | TypeRule::Part(slot) => {
                    Some(*slot)
                }
                _ => None,
            });
            for slot in named.into_iter().chain(typed).chain(what.shares_memory_with.to_vec()) {
                assert!(what.operand(slot.into()).is_some(), "{}: operand {slot}", op.name);
            }
            if let Some(mirror) = what.mirror {
                assert_eq!(of(mirror).mirror, Some(op.code), "{}", op.name);
                assert!(!what.commutative, "{}", op.name);
            }
            assert!(!what.view || what.shares_memory_with == [0], "{}", op.name);
            if let Some((index, table)) = what.selects {
                let role = |slot: u8| what.operand(slot.into()).map(|info| info.role);
                assert_eq!(role(index), Some(OperandRole::Index), "{}", op.name);
                assert!(role(table).is_some(), "{}", op.name);
            }
        }
    }

    #[test]
    fn rows_and_attributes_agree() {
        for op in all_ops() {
            let what = of(op.code);
            let attr = |name| op.options.and_then(|options| options.attr(name)).map(|(_, a)| a);
            // A shared table may have an attribute that only some of its operators read.
            if what.activations.is_some() {
                assert!(attr(Activation::ATTRIBUTE).is_some(), "{}", op.name);
            } else {
                assert!(attr(Activation::ATTRIBUTE).is_none(), "{}", op.name);
            }
            for rule in what.types {
                if let TypeRule::Attribute(name) = rule {
                    assert!(attr(name).is_some(), "{}: {name}", op.name);
                }
            }
            if let Some((name, value)) = what.except {
                let Some(AttrType::Enum(values)) = attr(name).map(|attr| attr.ty) else {
                    panic!("{}: {name}", op.name)
                };
                assert!(values.value_of(value).is_some(), "{}: {value}", op.name);
            }
            if let Some(AxisRule::Attributes(names)) = what.axis {
                assert!(names.iter().all(|name| attr(name).is_some()), "{}", op.name);
            }
        }
    }

    #[test]
    fn questions_are_answered() {
        assert_eq!(semantics(127).map(|_| ()), None);
        assert_eq!(of(ops::CONV_2D).slots(OperandRole::Weight).collect::<Vec<_>>(), [1]);
        assert_eq!(of(ops::PACK).operand(9).unwrap().name, "x");
        assert!(of(ops::CONV_2D).operand(3).is_none());
        assert!(of(ops::ADD).commutative && of(ops::ADD).is_elementwise());
        assert_eq!(of(ops::LESS).mirror, Some(ops::GREATER));
        let views: Vec<i32> = operators_that(|what| what.view).collect();
        assert_eq!(views, [ops::RESHAPE, ops::SQUEEZE, ops::EXPAND_DIMS, ops::BITCAST]);
        assert!(of(ops::ASSIGN_VARIABLE).effects.writes_state);
        assert!(of(ops::CAST).passes_on(0) && of(ops::CONCATENATION).passes_on(9));
        assert!(!of(ops::QUANTIZE).passes_on(0) && !of(ops::ADD).passes_on(0));
        assert!(of(ops::GATHER).passes_on(0) && !of(ops::GATHER).passes_on(1));
        let gather = Op::new(OpKind::Builtin(ops::GATHER));
        assert_eq!(of(ops::GATHER).selected_by(&gather, 1), Some((0, 0)));
        assert_eq!(of(ops::GATHER).selected_by(&gather, 0), None);
    }
}
