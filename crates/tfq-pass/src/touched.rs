//! What the patches of a journal touched.

use fixedbitset::FixedBitSet;
use tfq_ir::{Module, Numbers, OpId, SubgraphId};

/// Ops, or tensors, of a module that were met: a bit each by their numbers, since there may be a
/// great many.
#[derive(Debug, Default)]
pub(crate) struct Marks(Vec<FixedBitSet>);

impl Marks {
    /// Marks one by its number in its subgraph, and tells whether it was not marked.
    pub(crate) fn insert(&mut self, sg: SubgraphId, number: u32) -> bool {
        let (sg, number) = (sg.0 as usize, number as usize);
        if sg >= self.0.len() {
            self.0.resize_with(sg + 1, FixedBitSet::new);
        }
        let of_graph = &mut self.0[sg];
        of_graph.grow(number + 1);
        !of_graph.put(number)
    }

    /// Whether it is marked.
    pub(crate) fn contains(&self, sg: SubgraphId, number: u32) -> bool {
        self.0.get(sg.0 as usize).is_some_and(|of_graph| of_graph.contains(number as usize))
    }
}

/// What patches did, as far as it is there still.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// Each op that one touched, itself or a tensor of it, in the order of the patches.
    pub(crate) ops: Vec<(SubgraphId, OpId)>,
    /// The same ops.
    pub(crate) marked: Marks,
    /// Tensors that were added, or got another type.
    pub(crate) retyped: Marks,
    /// What has another number.
    pub(crate) moved: Numbers,
}

impl Touched {
    /// By the patches from this place of the journal on.
    pub(crate) fn since(module: &Module, from: usize) -> Self {
        let mut touched = Self::default();
        // Most patches are of one subgraph. It may have been dropped since, or have another number.
        let mut last = (u32::MAX, None);
        let mut place = |origin| {
            if last.0 != origin {
                last = (origin, module.by_origin(origin));
            }
            last.1
        };
        for patch in &module.journal()[from..] {
            touched.moved = touched.moved.or(patch.renumbers());
            for op in &patch.ops {
                let Some(sg) = place(op.origin()) else { continue };
                if module.subgraph(sg).contains_op(*op) && touched.marked.insert(sg, op.number()) {
                    touched.ops.push((sg, *op));
                }
            }
            for id in patch.added_tensors().iter().chain(&patch.retyped) {
                if let Some(sg) = place(id.origin()) {
                    touched.retyped.insert(sg, id.number());
                }
            }
        }
        touched
    }
}
