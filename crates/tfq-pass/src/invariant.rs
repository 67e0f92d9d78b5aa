//! What passes need of a model and what they leave it with.

use tfq_ir::{Module, Numbers, SubgraphId, counted};

/// A property of models that passes name in `requires` and `ensures`.
#[derive(Debug)]
pub struct Invariant {
    /// Its name: `settled`.
    pub name: &'static str,
    /// What it says, as part of a sentence.
    pub docs: &'static str,
    /// Where it does not hold in these subgraphs, in words; `None` where it does.
    pub broken: fn(&Module, &[SubgraphId]) -> Option<String>,
}

/// Every quantised constant is read by ops that take it as it is.
pub static SETTLED: Invariant = Invariant {
    name: "settled",
    docs: "no constant waits for a Dequantize",
    broken: |module, subgraphs| {
        subgraphs.iter().find_map(|sg| {
            let graph = module.subgraph(*sg);
            let waiting = graph.tensors().find(|id| graph.tensor(*id).expressed.is_some())?;
            let place = crate::Context::tensor_place(module, *sg, waiting);
            Some(format!("{place} waits for a Dequantize"))
        })
    },
};

/// Nothing in the file's lists of buffers and operator codes is unused, but for buffers that
/// metadata numbers.
pub static COMPACT: Invariant = Invariant {
    name: "compact",
    docs: "every buffer and operator code is in use",
    broken: |module, _| {
        let numbers = Numbers { buffers: true, ..Numbers::default() };
        let buffers = match module.numbered_by_metadata(numbers) {
            Some(_) => 0,
            None => module.unused_buffers(),
        };
        let codes = module.unused_op_codes();
        (buffers + codes > 0).then(|| {
            format!(
                "unused are {} and {}",
                counted(buffers, "buffer"),
                counted(codes, "operator code")
            )
        })
    },
};
