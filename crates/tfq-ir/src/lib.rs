//! The intermediate representation of tfq-opt: a model as subgraphs over petgraph, changed
//! through checked edits only.
//!
//! Internal crate: users import `tfq_opt`. It knows no flatbuffers, files or passes.

mod calls;
mod closest;
mod dequant_cache;
mod edit;
mod extract;
mod few;
mod foreign_text;
mod history;
mod labels;
pub mod maps;
mod model;
pub mod ops;
mod rare;
mod trailer;
mod verify;
mod visible;
mod words;

pub use closest::{closest, did_you_mean};
pub use dequant_cache::{CacheReason, DequantCache, DequantCacheEntry};
pub use edit::{
    Applied, BufferRef, Edit, EditSummary, InsertionPoint, LoggedEdit, OpChange, OpRef, Patch,
    PatchParts, Reason, Rejected, TensorChange, TensorRef,
};
pub use foreign_text::{bytes_of_text, foreign_byte, foreign_char, text_from_bytes};
pub use history::History;
pub use model::{
    Attr, AttrError, Attributes, BufferId, ConstantPool, CustomOptions, DEQUANT_CACHE_METADATA,
    DimensionMetadata, ElementType, ExternalBuffer, Metadata, Module, ModuleParts, NoHandle, Notes,
    Numbering, Numbers, Oddity, Op, OpCode, OpId, OpKind, OpRare, Operands, Quantization,
    QuantizationDetails, QuantizationRare, Record, RecordEntry, Recorded, References, SharedLists,
    Signature, SparseIndex, Sparsity, Subgraph, SubgraphBuilder, SubgraphId, Tensor, TensorId,
    TensorLink, TensorRare, Use, VariantSubType, is_record_key, numbering,
};
pub use ops::{CallEffects, Effects, aliased_operand, catalog, effects};
pub use rare::{Rare, Rarely};
pub use trailer::{is_zip, relocated_trailer};
pub use verify::{VerifyError, cut_label};
pub use visible::{
    is_hidden, quote_into, visible, visible_json, visible_lines, visible_path, visible_quoted,
};
pub use words::{counted, grouped, line_and_column, plural};
