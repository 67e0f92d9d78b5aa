//! The intermediate representation of tfq-opt: a model as subgraphs over petgraph, changed
//! through checked edits only.
//!
//! Internal crate: users import `tfq_opt`. It knows no flatbuffers, files or passes.

mod attributes;
mod calls;
mod closest;
mod constant;
mod dequant_cache;
mod edit;
mod element;
mod extract;
mod foreign_text;
mod history;
mod module;
mod numbering;
mod oddities;
mod op;
pub mod ops;
mod places;
mod references;
mod shuffle;
mod subgraph;
mod tensor;
mod trailer;
mod verify;
mod visible;
mod words;

pub use attributes::{Attr, AttrError, Attributes};
pub use closest::{closest, did_you_mean};
pub use constant::{BufferId, ConstantPool};
pub use dequant_cache::{CacheReason, DequantCache, DequantCacheEntry};
pub use edit::{
    Applied, BufferRef, Edit, LoggedEdit, OpChange, OpRef, Patch, Place, Reason, Record,
    RecordEntry, Rejected, TensorChange, TensorRef,
};
pub use element::ElementType;
pub use foreign_text::{bytes_of_text, foreign_byte, foreign_char, text_from_bytes};
pub use history::History;
pub use module::{ExternalBuffer, Metadata, Module, ModuleParts, OpCode, Signature, SubgraphId};
pub use numbering::{DEQUANT_CACHE_METADATA, Numbering, Numbers, numbering};
pub use oddities::Oddity;
pub use op::{CustomOptions, Op, OpKind};
pub use ops::{CallEffects, Effects, aliased_operand, catalog, effects};
pub use references::References;
pub use subgraph::{OpId, Operands, Subgraph, SubgraphBuilder, TensorId, Use};
pub use tensor::{
    DimensionMetadata, Quantization, QuantizationDetails, SparseIndex, Sparsity, Tensor,
    TensorLink, VariantSubType,
};
pub use trailer::{is_zip, relocated_trailer};
pub use verify::VerifyError;
pub use visible::{
    is_hidden, quote_into, visible, visible_json, visible_lines, visible_path, visible_quoted,
};
pub use words::{counted, grouped, line_and_column, plural};
