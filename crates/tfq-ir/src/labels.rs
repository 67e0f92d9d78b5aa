//! How ops and tensors are called when people are told about them.

use crate::{Module, OpId, SubgraphId, TensorId, visible};

impl Module {
    /// Names a tensor for a person, with its subgraph where there are several.
    pub fn tensor_place(&self, sg: SubgraphId, tensor: TensorId) -> String {
        let label = visible(self.subgraph(sg).tensor(tensor).label());
        if self.subgraphs().len() == 1 {
            format!("`{label}`")
        } else {
            format!("subgraph {}, `{label}`", sg.0)
        }
    }

    /// Names an op for a person: its kind and the tensor that it computes.
    pub fn op_place(&self, sg: SubgraphId, op: OpId) -> String {
        let graph = self.subgraph(sg);
        let kind = &graph.op(op).kind;
        let result = graph.results(op).first().map_or("?", |t| graph.tensor(*t).label());
        let result = visible(result);
        if self.subgraphs().len() == 1 {
            format!("{kind} `{result}`")
        } else {
            format!("subgraph {}, {kind} `{result}`", sg.0)
        }
    }
}
