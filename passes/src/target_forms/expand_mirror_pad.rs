use super::form;
use crate::vector::vector;
use tfq_ir::catalog::ops::{CONCATENATION, MIRROR_PAD, SLICE};
use tfq_ir::maps::HashMap;
use tfq_ir::{Attr, InsertionPoint, Op, Patch, Tensor, TensorRef};
use tfq_pass::rewrite::{Match, Rule, any, apply_rules, op};
use tfq_pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    contract: Exact, scope: Subgraph, writes: [CONCATENATION, SLICE];
    /// Writes a narrow MIRROR_PAD as SLICE and CONCATENATION ops.
    ///
    /// ## What it does
    /// A MIRROR_PAD by at most four on each side becomes, for each dimension that it pads, SLICE ops
    /// that take what is mirrored and CONCATENATION ops, of four operands at most, that put it around
    /// the rest. Only where the target says that this is sooner: LiteRT's kernel copies element by element, and
    /// XNNPACK leaves it and takes these. Networks of images that pad by reflection, such as style
    /// transfer, are where it is found.
    ///
    /// ## When it is safe
    /// Results are bit-identical: values are copied. The amounts must be constants, every dimension
    /// known, and operand and result stored alike. The constants that say what is sliced are shared by
    /// the ops that take the place of one; `merge-equal-buffers` stores those of several once.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,6]
    ///   %amounts = const : i32[2,2] = [0, 0, 1, 0]
    ///   %wide = MIRROR_PAD(%x, %amounts) : f32[1,7]
    ///   %y = NEG(%wide) : f32[1,7]
    ///   output %y
    /// }
    /// ```
    /// becomes with `expand-mirror-pad,eliminate-dead-buffers`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[1,6]
    ///   %"mirror_pad;at_0_1" = const : i32[2] = [0, 1]
    ///   %"mirror_pad;at_1_1" = const : i32[2] = [1, 1]
    ///   %"mirror_pad;1_1" = SLICE(%x, %"mirror_pad;at_0_1", %"mirror_pad;at_1_1") : f32[1,1]
    ///   %wide = CONCATENATION(%"mirror_pad;1_1", %x) {axis = 1} : f32[1,7]
    ///   %y = NEG(%wide) : f32[1,7]
    ///   output %y
    /// }
    /// ```
    pub struct ExpandMirrorPad {}
}

/// Wider ones take more ops than they save time.
const MOST: i64 = 4;
/// XNNPACK takes no CONCATENATION of more operands.
const MOST_OPERANDS: usize = 4;

impl Pass for ExpandMirrorPad {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        for sg in session.subgraphs() {
            apply_rules(session, sg, &[rule()])?;
        }
        Ok(())
    }
}

fn rule() -> Rule {
    let root = op(MIRROR_PAD).operand(0, any("x"));
    form("mirror pad as slices", "slices", "SLICE and CONCATENATION", root)
        .guard("the amounts are constants", |m| sides(m).is_some())
        .guard("it pads by four at most", |m| {
            sides(m).is_some_and(|sides| {
                sides.iter().flatten().all(|n| (0..=MOST).contains(n))
                    && sides.iter().flatten().any(|n| *n > 0)
            })
        })
        .guard("there is as much to mirror", |m| {
            let x = &m.tensor("x").shape;
            let reach = edge(m);
            sides(m).is_some_and(|sides| {
                let mut dims = sides.iter().zip(x.iter());
                dims.all(|(side, dim)| side.iter().all(|n| n + reach <= i64::from(*dim)))
            })
        })
        .replace(|m, patch| {
            let sides = sides(m).unwrap_or_default();
            Expansion { m, patch, constants: HashMap::default() }.write(&sides);
        })
}

/// By how much each dimension is padded before and behind.
fn sides(m: &Match<'_>) -> Option<Vec<[i64; 2]>> {
    let amounts = m.operand_integers(1)?;
    let (sides, rest) = amounts.as_chunks();
    let (x, result) = (&m.tensor("x").shape, &m.tensor("result").shape);
    let fits = sides.len() == x.len()
        && rest.is_empty()
        && x.len() == result.len()
        && sides.iter().zip(x.iter().zip(result.iter())).all(|([before, behind], (from, to))| {
            before.checked_add(*behind).and_then(|n| n.checked_add(i64::from(*from)))
                == Some(i64::from(*to))
        });
    fits.then(|| sides.to_vec())
}

/// How far from the edge the mirrored numbers begin: mode REFLECT leaves out the edge, SYMMETRIC does not.
fn edge(m: &Match<'_>) -> i64 {
    let symmetric = m.graph().op(m.root()).int("mode").unwrap_or(0) == 1;
    i64::from(!symmetric)
}

/// The ops in the place of one MIRROR_PAD.
struct Expansion<'m, 'p> {
    m: &'m Match<'m>,
    patch: &'p mut Patch,
    /// Vectors that say where a slice begins, and how large it is.
    constants: HashMap<Vec<i32>, TensorRef>,
}

impl Expansion<'_, '_> {
    fn write(mut self, sides: &[[i64; 2]]) {
        let m = self.m;
        let mut now: TensorRef = m.id("x").into();
        let mut shape = m.tensor("x").shape.to_vec();
        let last = sides.iter().rposition(|side| *side != [0, 0]);
        for (axis, [before, behind]) in sides.iter().enumerate() {
            if [*before, *behind] == [0, 0] {
                continue;
            }
            let (dim, edge) = (i64::from(shape[axis]), edge(m));
            let before = (0..*before).rev().map(|n| edge + n);
            let behind = (0..*behind).map(|n| dim - 1 - edge - n);
            let mut parts = Vec::new();
            let sliced = |this: &mut Self, at: Vec<i64>| -> Vec<TensorRef> {
                at.into_iter().map(|n| this.slice(now, &shape, axis, n as i32)).collect()
            };
            let sides = [sliced(&mut self, before.collect()), sliced(&mut self, behind.collect())];
            let many = sides.iter().map(Vec::len).sum::<usize>() + 1 > MOST_OPERANDS;
            let mut sides = sides.map(|side| match side.len() {
                n if many && n > 1 => vec![self.concatenate(&side, &shape, axis, n as i32, None)],
                _ => side,
            });
            parts.append(&mut sides[0]);
            parts.push(now);
            parts.append(&mut sides[1]);
            let whole = m.tensor("result").shape[axis];
            let result = (Some(axis) == last).then(|| TensorRef::from(m.id("result")));
            now = self.concatenate(&parts, &shape, axis, whole, result);
            shape[axis] = whole;
        }
        self.patch.erase_op(m.root());
    }

    /// One index of a dimension.
    fn slice(&mut self, of: TensorRef, shape: &[i32], axis: usize, at: i32) -> TensorRef {
        let mut begin = vec![0; shape.len()];
        let mut size = shape.to_vec();
        (begin[axis], size[axis]) = (at, 1);
        let sliced = self.tensor(&size, &format!("{axis}_{at}"));
        let operands = [of, self.constant(begin), self.constant(size)].map(Some);
        self.add(Op::builtin(SLICE), &operands, sliced);
        sliced
    }

    fn concatenate(
        &mut self,
        parts: &[TensorRef],
        shape: &[i32],
        axis: usize,
        dim: i32,
        result: Option<TensorRef>,
    ) -> TensorRef {
        let mut shape = shape.to_vec();
        shape[axis] = dim;
        let result = result.unwrap_or_else(|| self.tensor(&shape, &format!("{axis}")));
        let operands: Vec<_> = parts.iter().copied().map(Some).collect();
        self.add(
            Op::builtin(CONCATENATION).with("axis", Attr::Int(axis as i64)),
            &operands,
            result,
        );
        result
    }

    fn add(&mut self, op: Op, operands: &[Option<TensorRef>], result: TensorRef) {
        self.patch.add_op(op, InsertionPoint::Before(self.m.root()), operands, &[result]);
    }

    /// A tensor stored as the result is. Names of exporters are long, and there would be dozens of them.
    fn tensor(&mut self, shape: &[i32], what: &str) -> TensorRef {
        let result = self.m.tensor("result");
        self.patch.add_tensor(Tensor {
            quantization: result.quantization.clone(),
            ..Tensor::new(format!("mirror_pad;{what}"), result.ty, shape)
        })
    }

    fn constant(&mut self, values: Vec<i32>) -> TensorRef {
        if let Some(known) = self.constants.get(&values) {
            return *known;
        }
        let words: Vec<String> = values.iter().map(i32::to_string).collect();
        let name = format!("mirror_pad;at_{}", words.join("_"));
        let added = vector(self.patch, name, &values);
        self.constants.insert(values, added);
        added
    }
}
