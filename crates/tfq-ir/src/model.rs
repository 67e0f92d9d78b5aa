//! A model: subgraphs, the constants they share, and what its file says besides.

pub(crate) mod attributes;
pub(crate) mod buffer_uses;
mod calls;
mod constant;
mod element;
mod entries;
mod ids;
pub(crate) mod metadata;
pub(crate) mod module;
mod notes;
pub(crate) mod numbering;
mod oddities;
mod oddity;
mod op;
mod places;
mod record;
mod references;
mod shared_lists;
mod shuffle;
pub(crate) mod signature;
mod sparse;
pub(crate) mod subgraph;
mod tensor;

pub use attributes::{Attr, AttrError, Attributes};
pub use constant::{BufferId, ConstantPool};
pub use element::ElementType;
pub use entries::{ExternalBuffer, Metadata, OpCode};
pub use ids::{NoHandle, OpId, Operands, SubgraphId, TensorId, Use};
pub use module::{Module, ModuleParts};
pub use notes::Notes;
pub use numbering::{DEQUANT_CACHE_METADATA, Numbering, Numbers, numbering};
pub use oddity::Oddity;
pub use op::{CustomOptions, Op, OpKind, OpRare};
pub use record::{Record, RecordEntry, Recorded, is_record_key};
pub use references::References;
pub use shared_lists::SharedLists;
pub use signature::Signature;
pub use subgraph::{Subgraph, SubgraphBuilder};
pub use tensor::{
    DimensionMetadata, Quantization, QuantizationDetails, QuantizationRare, SparseIndex, Sparsity,
    Tensor, TensorLink, TensorRare, VariantSubType,
};
