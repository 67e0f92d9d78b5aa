//! Whether the target's runtime loads a model: asked of the result before it is lowered, whoever
//! made it so.

use tfq_ir::Module;
use tfq_ir::visible;
use tfq_target::{About, Refusal, Target};

/// Something for which the runtime refuses the model, or reads where nothing of it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Unloadable {
    /// The op, tensor, operator code or signature.
    pub place: String,
    /// What is wrong, and what happens.
    pub what: String,
    /// Whether only those meet it who call the model by a signature: it loads, and runs otherwise.
    pub by_signature_only: bool,
}

/// Checks a model against what the target says of loading.
pub fn check_loadable(module: &Module, target: &Target) -> Vec<Unloadable> {
    placed(module, target.refusals(module))
}

/// The same of a model that was made of another: what that has too, and the rest.
pub fn check_loadable_since(
    module: &Module,
    start: &Module,
    target: &Target,
) -> (Vec<Unloadable>, Vec<Unloadable>) {
    let (came, made) = target.refusals_since(module, start);
    (placed(module, came), placed(module, made))
}

fn placed(module: &Module, refusals: Vec<Refusal>) -> Vec<Unloadable> {
    let place = |about| match about {
        About::OpCode(n) => format!("operator code {n}"),
        About::Signature(n) => format!("signature {n}"),
        About::Tensor(sg, id) => module.tensor_place(sg, id).to_string(),
        About::Op(sg, op) => module.op_place(sg, op).to_string(),
    };
    let refusals = refusals.into_iter();
    refusals
        .map(|refusal| Unloadable {
            place: place(refusal.about),
            what: visible(&refusal.what).into_owned(),
            by_signature_only: refusal.by_signature_only,
        })
        .collect()
}
