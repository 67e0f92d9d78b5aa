//! The built-in passes: one file each, file name = pass name. The first plugin: they use the
//! public API of `tfq-pass` and nothing else.
//!
//! Internal crate: users import `tfq_opt`.

mod annotate_dequant_cache;
mod cancel_quantize_dequantize;
mod cleanup;
mod costs;
mod dequantize_weights;
mod eliminate_dead_buffers;
mod eliminate_dead_ops;
mod fold_constants;
mod fuse;
mod hybrid_eligibility;
mod insert_dequant;
mod layout;
mod merge_equal_buffers;
mod numbered;
mod pipelines;
mod quantize_weights;
mod remove_identities;
mod reshape;
mod shapes;
mod stored;
mod surgery;
mod target_forms;
mod trigger_failure;
mod vector;

use tfq_pass::{Declared, PassInfo, Registry};

/// The built-in passes and pipelines.
pub fn builtin() -> Registry {
    Registry::default()
        .with_passes(all())
        .and_then(|registry| registry.with_pipelines(pipelines::all()))
        .expect("built-in names are distinct")
}

/// Every built-in pass, sorted by name.
pub fn all() -> Vec<PassInfo> {
    vec![
        annotate_dequant_cache::AnnotateDequantCache::info(),
        cancel_quantize_dequantize::CancelQuantizeDequantize::info(),
        target_forms::compute_in_float::ComputeInFloat::info(),
        target_forms::convert_batch_matmul::ConvertBatchMatmul::info(),
        cleanup::convert_to_reshape::ConvertToReshape::info(),
        cleanup::convert_to_slice::ConvertToSlice::info(),
        cleanup::convert_to_split::ConvertToSplit::info(),
        dequantize_weights::DequantizeWeights::info(),
        eliminate_dead_buffers::EliminateDeadBuffers::info(),
        eliminate_dead_ops::EliminateDeadOps::info(),
        target_forms::expand_broadcast_to::ExpandBroadcastTo::info(),
        target_forms::expand_mirror_pad::ExpandMirrorPad::info(),
        fold_constants::FoldConstants::info(),
        fuse::fuse_activation::FuseActivation::info(),
        fuse::fuse_affine::FuseAffine::info(),
        fuse::fuse_dilated_conv::FuseDilatedConv::info(),
        fuse::fuse_pad::FusePad::info(),
        hybrid_eligibility::HybridEligibility::info(),
        cleanup::infer_shapes::InferShapes::info(),
        insert_dequant::InsertDequant::info(),
        layout::keep_reduced_dims::KeepReducedDims::info(),
        merge_equal_buffers::MergeEqualBuffers::info(),
        cleanup::merge_equal_ops::MergeEqualOps::info(),
        quantize_weights::QuantizeWeights::info(),
        fuse::recognize_activations::RecognizeActivations::info(),
        remove_identities::RemoveIdentities::info(),
        surgery::set_batch::SetBatch::info(),
        surgery::set_shape::SetShape::info(),
        layout::simplify_views::SimplifyViews::info(),
        trigger_failure::TriggerFailure::info(),
    ]
}

/// The passes as types, for code that sets their options directly.
pub use annotate_dequant_cache::AnnotateDequantCache;
pub use cancel_quantize_dequantize::CancelQuantizeDequantize;
pub use cleanup::infer_shapes::InferShapes;
pub use dequantize_weights::{DequantizeWeights, Which};
pub use eliminate_dead_buffers::EliminateDeadBuffers;
pub use eliminate_dead_ops::EliminateDeadOps;
pub use fold_constants::FoldConstants;
pub use fuse::fuse_dilated_conv::FuseDilatedConv;
pub use hybrid_eligibility::HybridEligibility;
pub use insert_dequant::{DequantizeReason, DequantizeReasons, InsertDequant, ReadBy};
pub use merge_equal_buffers::MergeEqualBuffers;
pub use quantize_weights::{
    Alternative, Compat, CustomOp, CustomOps, Globs, IdlePattern, IdlePatterns, MinElements,
    OpList, PlannedConstant, PlannedReader, PlannedTensor, Priority, QuantizeWeights,
    QuantizedOperands, Reads, ScalesPer, SparedSlowness, WantsPlan, WeightPlan, WeightType,
};
pub use remove_identities::RemoveIdentities;
pub use surgery::set_batch::SetBatch;
pub use surgery::set_shape::{InputShapes, SetShape};
pub use target_forms::compute_in_float::ComputeInFloat;
pub use target_forms::expand_broadcast_to::ExpandBroadcastTo;
pub use target_forms::expand_mirror_pad::ExpandMirrorPad;
pub use trigger_failure::{FailureKind, TriggerFailure};

/// The code of the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/adding-a-pass.md")]
struct AddingAPass;
