//! How ops and tensors are called when people are told about them.

use crate::{Module, OpId, SubgraphId, TensorId, visible};
use std::fmt::{self, Display};

impl Module {
    /// Names a tensor for a person, with its subgraph where there are several.
    pub fn tensor_place(&self, sg: SubgraphId, tensor: TensorId) -> impl Display + use<'_> {
        fmt::from_fn(move |f| {
            self.of_several(sg, f)?;
            write!(f, "`{}`", visible(self.subgraph(sg).tensor(tensor).label()))
        })
    }

    /// Names an op for a person: its kind and the tensor that it computes.
    pub fn op_place(&self, sg: SubgraphId, op: OpId) -> impl Display + use<'_> {
        fmt::from_fn(move |f| {
            let graph = self.subgraph(sg);
            let result = graph.results(op).first().map_or("?", |t| graph.tensor(*t).label());
            self.of_several(sg, f)?;
            write!(f, "{} `{}`", graph.op(op).kind, visible(result))
        })
    }

    fn of_several(&self, sg: SubgraphId, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.subgraphs().len() == 1 { Ok(()) } else { write!(f, "subgraph {}, ", sg.0) }
    }
}
