//! Whether the target's runtime loads a model: asked of the result before it is lowered, whoever
//! made it so.

use tfq_ir::Module;
use tfq_ir::visible;
use tfq_target::{About, Target};

/// Something for which the runtime refuses the model, or reads where nothing of it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Unloadable {
    /// The op, tensor, operator code or signature.
    pub place: String,
    /// What is wrong, and what happens.
    pub what: String,
}

/// Checks a model against what the target says of loading.
pub fn check_loadable(module: &Module, target: &Target) -> Vec<Unloadable> {
    let refusals = target.refusals(module).into_iter();
    refusals
        .map(|refusal| {
            let place = match refusal.about {
                About::OpCode(n) => format!("operator code {n}"),
                About::Signature(n) => format!("signature {n}"),
                About::Tensor(sg, id) => module.tensor_place(sg, id).to_string(),
                About::Op(sg, op) => module.op_place(sg, op).to_string(),
            };
            Unloadable { place, what: visible(&refusal.what).into_owned() }
        })
        .collect()
}
