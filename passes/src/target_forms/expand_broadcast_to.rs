use super::form;
use tfq_ir::catalog::ops::{BROADCAST_TO, CONCATENATION};
use tfq_ir::{Attr, Op};
use tfq_pass::rewrite::{Match, Rule, any, apply_rules, op};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Exact, scope: Subgraph, writes: [CONCATENATION];
    /// Writes a BROADCAST_TO of few copies as a CONCATENATION.
    ///
    /// ## What it does
    /// A BROADCAST_TO that repeats one dimension of 1 up to four times becomes a CONCATENATION of
    /// that many operands, all of them the same tensor. Only where the target says that this is sooner:
    /// LiteRT's kernel copies element by element, and XNNPACK leaves it. The attention of language
    /// models with grouped queries is where it is found.
    ///
    /// ## When it is safe
    /// Results are bit-identical: values are copied. The shape must be a constant, every dimension
    /// known, and operand and result stored alike.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[8,1,4]
    ///   %shape = const : i32[3] = [8, 2, 4]
    ///   %wide = BROADCAST_TO.v2(%x, %shape) : f32[8,2,4]
    ///   %y = NEG(%wide) : f32[8,2,4]
    ///   output %y
    /// }
    /// ```
    /// becomes with `expand-broadcast-to,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[8,1,4]
    ///   %wide = CONCATENATION(%x, %x) {axis = 1} : f32[8,2,4]
    ///   %y = NEG(%wide) : f32[8,2,4]
    ///   output %y
    /// }
    /// ```
    pub struct ExpandBroadcastTo {}
}

/// More copies than these are more work for a CONCATENATION than they are for a BROADCAST_TO, and
/// XNNPACK takes no CONCATENATION of more operands.
const MOST_COPIES: i32 = 4;

impl Pass for ExpandBroadcastTo {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        for sg in session.subgraphs() {
            apply_rules(session, sg, &[rule()])?;
        }
        Ok(())
    }
}

fn rule() -> Rule {
    let root = op(BROADCAST_TO).operand(0, any("x"));
    form("broadcast as a concatenation", "concatenation", "a CONCATENATION of copies", root)
        .guard("the shape is a constant", |m| {
            let shape = m.tensor("result").shape.iter().map(|dim| i64::from(*dim));
            m.operand_integers(1).is_some_and(|values| values.into_iter().eq(shape))
        })
        .guard("one dimension of 1 is repeated, at most four times", |m| repeated(m).is_some())
        .replace(|m, patch| {
            let Some((axis, copies)) = repeated(m) else { return };
            let new = Op::builtin(CONCATENATION).with("axis", Attr::Int(axis as i64));
            let operands = vec![Some(m.id("x").into()); copies];
            patch.replace_op(m.graph(), m.root(), new, &operands);
        })
}

/// The only dimension in which operand and result differ, and how often it is repeated.
fn repeated(m: &Match<'_>) -> Option<(usize, usize)> {
    let (x, result) = (&m.tensor("x").shape, &m.tensor("result").shape);
    if x.len() != result.len() {
        return None;
    }
    let mut differ = x.iter().zip(result.iter()).enumerate().filter(|(_, (from, to))| from != to);
    let (axis, (from, to)) = differ.next()?;
    let few = *from == 1 && (2..=MOST_COPIES).contains(to);
    (few && differ.next().is_none()).then_some((axis, *to as usize))
}
