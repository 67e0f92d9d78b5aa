//! What a model is and what passes do, for people, scripts and other tools.
//!
//! ```
//! use tfq_opt::{describe, target::Target};
//! # fn main() -> Result<(), tfq_opt::Error> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/models/digits/digits_cnn.tflite");
//! # let file = tfq_opt::bytes::Bytes::from(std::fs::read(path).unwrap());
//! let model = tfq_opt::load(&file, &Default::default())?;
//!
//! let inspection = describe::inspect(&model, &Target::named("litert").unwrap());
//! assert_eq!(inspection.quantization.scheme, describe::Scheme::Float);
//! let ops: Vec<&str> = inspection.ops.iter().map(|op| op.kind.as_str()).collect();
//! assert!(ops.contains(&"CONV_2D"));
//!
//! // For `dot -Tsvg`, and for scripts.
//! assert!(describe::dot(&model).starts_with("digraph model {"));
//! assert!(describe::graph_json(&model)["subgraphs"].is_array());
//!
//! let manual = describe::passes_markdown(&tfq_opt::builtin());
//! assert!(manual.contains("\n## quantize-weights\n"));
//! # Ok(())
//! # }
//! ```

mod graph;
mod inspect;
mod partitions;
mod passes;

pub use graph::{dot, graph_json};
pub use inspect::{
    ConstantInfo, ExternalInfo, Finding, Inspection, MetadataInfo, OpKindInfo, PortInfo,
    QuantizationState, Scheme, SignatureInfo, SizeInfo, SubgraphInfo, TrailerInfo, TypeInfo,
    inspect,
};
pub use partitions::{
    KindCount, LeftOps, PartitionedSubgraph, Partitioning, RunsOn, SectionInfo, partitions,
};
pub use passes::passes_markdown;
