//! A [`Module`] to `.tflite` bytes.
//!
//! The flatbuffer is built without the constants; they are placed behind it, 16-byte aligned,
//! and the offsets to them are put in afterwards. In the usual, inline form each constant is a
//! vector of the flatbuffer like any other, only far from its table. Where the file would pass
//! 2 GiB, which 32-bit offsets cannot reach, `Buffer.offset` and `size` point behind the
//! flatbuffer instead.

mod plan;
mod room;
mod tables;
#[cfg(test)]
mod tests;

use crate::image::{Image, Piece};
use crate::scan::{field_at, u32_at};
use crate::trailer;
use bytes::Bytes;
use flatbuffers::FlatBufferBuilder;
use hashbrown::HashTable;
use plan::FilePlan;
use std::hash::BuildHasher;
use std::sync::Arc;
use tables::{Payloads, Writer};
use tfq_ir::maps::RandomState;
use tfq_ir::{Module, counted, relocated_trailer};

/// How a model is lowered.
#[derive(Clone, Copy, Debug, Default)]
pub struct LowerOptions {
    /// Where constants go.
    pub placement: Placement,
}

/// Where the constants of a file lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// As in the input; outside where the file would pass 2 GiB.
    #[default]
    Auto,
    /// Inside the flatbuffer.
    Inline,
    /// Behind the flatbuffer, reached by `Buffer.offset` and `size`.
    Outside,
}

/// Why a model could not be lowered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum LowerError {
    #[error(
        "the model would take {}, and constants inside the flatbuffer reach up to 2 GiB",
        counted(*bytes, "byte")
    )]
    TooLarge { bytes: u64 },
    #[error(
        "the model would take up to {} without its constants, and a flatbuffer ends at 2 GiB",
        counted(*bytes, "byte")
    )]
    SkeletonTooLarge { bytes: u64 },
}

/// Flatbuffer offsets are 32-bit and signed in places, so that the flatbuffer ends here.
const FLATBUFFER_LIMIT: u64 = i32::MAX as u64;
/// Constants below this need no more alignment than their elements.
const SMALL: usize = 64;
/// Below this many bytes of constants the model is one ordinary flatbuffer.
const SMALL_MODEL: u64 = 64 << 10;
/// A skeleton that is at most so large begins with this much room.
const SMALL_SKELETON: u64 = 8 << 20;
const FIRST_ROOM: u64 = 256 << 10;
/// XNNPACK may read this far past the end of a constant.
const OVER_READ: u64 = 16;

/// Lowers a model; constants are not copied.
pub fn lower(module: &Module, how: &LowerOptions) -> Result<Image, LowerError> {
    lower_within(module, how, FLATBUFFER_LIMIT)
}

/// Lowers a model whose flatbuffer may take so many bytes.
fn lower_within(module: &Module, how: &LowerOptions, limit: u64) -> Result<Image, LowerError> {
    let plan = FilePlan::new(module);
    let (payload, skeleton) = (plan.payload(), skeleton_at_most(module, &plan, limit)?);
    let outside = match how.placement {
        Placement::Inline => false,
        Placement::Outside => true,
        Placement::Auto => module.constants_outside() || payload > limit,
    };
    let large_options = module
        .subgraphs()
        .any(|(_, graph)| graph.ops().any(|op| graph.op(op).custom_options.large));
    let fits = payload < SMALL_MODEL && payload + skeleton <= limit;
    if fits && !outside && !large_options {
        let mut fbb = FlatBufferBuilder::with_capacity((payload + skeleton) as usize);
        Writer::new(module, &plan, Payloads::InBuilder).model(&mut fbb);
        let layout = Layout::behind(fbb.finished_data().len());
        let (built, head) = fbb.collapse();
        return Ok(layout.finish(module, Bytes::from(built).slice(head..)));
    }
    let placed = |outside| {
        // Most take less than half of what is enough for each, and small ones less than this; others
        // grow. What is not used would be zeroed all the same.
        let enough = if skeleton < SMALL_SKELETON { FIRST_ROOM } else { skeleton.div_ceil(2) };
        let mut fbb = FlatBufferBuilder::with_capacity(enough as usize);
        let mut writer = Writer::new(module, &plan, Payloads::Behind { outside });
        writer.model(&mut fbb);
        place(module, &plan, &writer, fbb.collapse(), limit)
    };
    // Only the finished flatbuffer tells how much room it leaves.
    match placed(outside) {
        Err(LowerError::TooLarge { .. }) if how.placement == Placement::Auto && !outside => {
            placed(true)
        }
        placed => placed,
    }
}

/// Lowers a model into a builder, constants included, and finishes it. The constants are
/// copied; bytes that follow the model in its file have no place in a flatbuffer and are left
/// out.
pub fn lower_into(module: &Module, fbb: &mut FlatBufferBuilder<'_>) -> Result<(), LowerError> {
    let plan = FilePlan::new(module);
    let custom = module.subgraphs().flat_map(|(_, graph)| {
        graph.ops().map(move |op| &graph.op(op).custom_options).filter(|custom| custom.large)
    });
    let large: usize = custom.flat_map(|custom| &custom.bytes).map(Bytes::len).sum();
    let skeleton = skeleton_at_most(module, &plan, FLATBUFFER_LIMIT)?;
    let bytes = plan.payload() + large as u64 + skeleton;
    if bytes > FLATBUFFER_LIMIT {
        return Err(LowerError::TooLarge { bytes });
    }
    Writer::new(module, &plan, Payloads::InBuilder).model(fbb);
    Ok(())
}

/// No less than the flatbuffer takes without the constants; an error where that is past the
/// limit, at which a builder panics.
fn skeleton_at_most(module: &Module, plan: &FilePlan<'_>, limit: u64) -> Result<u64, LowerError> {
    let bytes = room::needed(module, plan, limit);
    if bytes > limit { Err(LowerError::SkeletonTooLarge { bytes }) } else { Ok(bytes) }
}

/// Places the constants behind the finished skeleton and puts their offsets into it.
fn place(
    module: &Module,
    plan: &FilePlan<'_>,
    writer: &Writer<'_>,
    (mut built, head): (Vec<u8>, usize),
    limit: u64,
) -> Result<Image, LowerError> {
    let skeleton = &mut built[head..];
    let Payloads::Behind { outside } = writer.payloads else {
        unreachable!("a builder holds its constants itself")
    };
    let mut layout = Layout::behind(skeleton.len());
    layout.pieces.reserve_exact(plan.buffers.len());
    let root = u32_at(skeleton, 0);
    let model_slot = |slot| field_at(skeleton, root, slot).map(|at| at + u32_at(skeleton, at));
    const MODEL_BUFFERS: usize = 4;
    let buffers = model_slot(MODEL_BUFFERS).expect("a model has buffers");
    // What lies inside comes first: it must stay in reach of 32-bit offsets.
    for inside in [true, false] {
        for (n, bytes) in plan.buffers.iter().enumerate() {
            let Some(bytes) = bytes else { continue };
            if writer.is_inside(n, bytes, outside) != inside {
                continue;
            }
            let entry = buffers + 4 + 4 * n;
            let table = entry + u32_at(skeleton, entry);
            let data = layout.add(bytes, inside);
            if inside {
                let at = placeholder(skeleton, table, 0);
                let distance = (data - 4 - at as u64) as u32;
                skeleton[at..at + 4].copy_from_slice(&distance.to_le_bytes());
            } else {
                put_number(skeleton, table, 1, data);
                put_number(skeleton, table, 2, bytes.len() as u64);
            }
        }
        if inside && layout.end > limit {
            return Err(LowerError::TooLarge { bytes: layout.end });
        }
    }
    let constants_behind = !layout.pieces.is_empty();
    large_custom_options(module, skeleton, &mut layout);
    // A trailer is room enough to read past a constant.
    if constants_behind && module.trailer().is_empty() {
        layout.end += OVER_READ;
    }
    Ok(layout.finish(module, Bytes::from(built).slice(head..)))
}

/// Where the writer left room for a field of a table.
fn placeholder(skeleton: &[u8], table: usize, slot: usize) -> usize {
    field_at(skeleton, table, slot).expect("the writer sets a placeholder")
}

fn put_number(skeleton: &mut [u8], table: usize, slot: usize, number: u64) {
    let at = placeholder(skeleton, table, slot);
    skeleton[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

/// Payloads of custom ops that lay behind the flatbuffer go there again.
fn large_custom_options(module: &Module, skeleton: &mut [u8], layout: &mut Layout) {
    const MODEL_SUBGRAPHS: usize = 2;
    const SUBGRAPH_OPERATORS: usize = 3;
    const OFFSET: usize = 9;
    let follow = |skeleton: &[u8], at: usize| at + u32_at(skeleton, at);
    let vector = |skeleton: &[u8], table, slot| {
        field_at(skeleton, table, slot).map(|at| follow(skeleton, at))
    };
    let root = follow(skeleton, 0);
    let Some(subgraphs) = vector(skeleton, root, MODEL_SUBGRAPHS) else { return };
    for (id, graph) in module.subgraphs() {
        let mut ops = None;
        for (n, op) in graph.ops().enumerate() {
            let options = &graph.op(op).custom_options;
            let Some(bytes) = options.bytes.as_ref().filter(|_| options.large) else { continue };
            let ops = *ops.get_or_insert_with(|| {
                let subgraph = follow(skeleton, subgraphs + 4 + 4 * id.0 as usize);
                vector(skeleton, subgraph, SUBGRAPH_OPERATORS).expect("it has ops")
            });
            let table = follow(skeleton, ops + 4 + 4 * n);
            put_number(skeleton, table, OFFSET, layout.add(bytes, false));
        }
    }
}

/// The part of the file behind the skeleton.
struct Layout {
    end: u64,
    pieces: Vec<Piece>,
    /// The pieces by what is in them: buffers that shared their bytes still do.
    placed: HashTable<u32>,
    hasher: RandomState,
}

impl Layout {
    fn behind(skeleton: usize) -> Self {
        let (placed, hasher) = (HashTable::new(), RandomState::default());
        Self { end: skeleton as u64, pieces: Vec::new(), placed, hasher }
    }

    /// Adds what followed the model in its file.
    fn finish(mut self, module: &Module, skeleton: Bytes) -> Image {
        if !module.trailer().is_empty() {
            let at = self.end.next_multiple_of(trailer::ALIGN as u64);
            let piece = Piece { at, header: None, data: relocated_trailer(module.trailer(), at) };
            self.end = piece.end();
            self.pieces.push(piece);
        }
        Image { skeleton, pieces: Arc::new(self.pieces), len: self.end, sources: Vec::new() }
    }

    /// Places bytes, and returns the offset of the first of them.
    fn add(&mut self, bytes: &Bytes, header: bool) -> u64 {
        let key = (bytes.as_ptr() as usize, bytes.len(), header);
        let key_of = |piece: &Piece| {
            (piece.data.as_ptr() as usize, piece.data.len(), piece.header.is_some())
        };
        let hash = self.hasher.hash_one(key);
        let is_same = |n: &u32| key_of(&self.pieces[*n as usize]) == key;
        if let Some(n) = self.placed.find(hash, is_same).filter(|_| !bytes.is_empty()) {
            let piece = &self.pieces[*n as usize];
            return piece.at + if header { 4 } else { 0 };
        }
        // The schema asks for 16. Small constants get what their elements need, at most 8.
        let align = if bytes.len() < SMALL { 8 } else { 16 };
        let header_bytes = if header { 4 } else { 0 };
        let data = (self.end + header_bytes).next_multiple_of(align);
        self.pieces.push(Piece {
            at: data - header_bytes,
            header: header.then(|| (bytes.len() as u32).to_le_bytes()),
            data: bytes.clone(),
        });
        self.end = data + bytes.len() as u64;
        let placed = self.pieces.len() as u32 - 1;
        let hash_of = |n: &u32| self.hasher.hash_one(key_of(&self.pieces[*n as usize]));
        self.placed.insert_unique(hash, placed, hash_of);
        data
    }
}
