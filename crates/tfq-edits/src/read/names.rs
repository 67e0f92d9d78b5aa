//! What edits name, in the model that they are for: subgraphs, handles, constants and bytes.

use super::path::{At, Read};
use crate::EditsError;
use crate::blobs::{Blobs, NoBlob};
use crate::handles::{BufferRef, Handle, New, OpHandle, OpRef, TensorHandle, TensorRef};
use crate::wire::{Blob, Operand, Patch};
use bytes::Bytes;
use data_encoding::BASE64;
use std::fmt;
use std::sync::Arc;
use tfq_ir::{BufferId, Module, OpId, Subgraph, SubgraphId, TensorId, counted};

/// Reads edits for a model, with the bytes that were sent along.
#[derive(Clone, Copy)]
pub(crate) struct EditReader<'a> {
    pub(crate) module: &'a Module,
    pub(crate) blobs: &'a Blobs,
}

/// Reads one patch.
pub(super) struct PatchReader<'a> {
    pub(super) of: EditReader<'a>,
    pub(super) graph: &'a Subgraph,
    pub(super) patch: &'a Patch,
}

impl EditReader<'_> {
    pub(super) fn subgraph(&self, number: u32, at: &At<'_>) -> Read<&Subgraph> {
        self.find_subgraph(number).ok_or_else(|| {
            let count = counted(self.module.subgraphs().len(), "subgraph");
            at.error(format!("there is no subgraph {number}: the model has {count}"))
        })
    }

    pub(super) fn find_subgraph(&self, number: u32) -> Option<&Subgraph> {
        let is_there = (number as usize) < self.module.subgraphs().len();
        is_there.then(|| self.module.subgraph(SubgraphId(number)))
    }

    pub(super) fn op_of(&self, graph: &Subgraph, Handle(id): OpHandle, at: &At<'_>) -> Read<OpId> {
        match graph.contains_op(id) {
            true => Ok(id),
            false => Err(self.no_handle(graph, "op", id.origin(), &id, at)),
        }
    }

    pub(super) fn tensor_of(
        &self,
        graph: &Subgraph,
        Handle(id): TensorHandle,
        at: &At<'_>,
    ) -> Read<TensorId> {
        match graph.contains_tensor(id) {
            true => Ok(id),
            false => Err(self.no_handle(graph, "tensor", id.origin(), &id, at)),
        }
    }

    fn no_handle(
        &self,
        graph: &Subgraph,
        kind: &str,
        origin: u32,
        handle: &dyn fmt::Display,
        at: &At<'_>,
    ) -> EditsError {
        let error = |what: &str, help: &str| {
            at.error(format!("{kind} `{handle}` {what}")).help(Some(help.to_owned()))
        };
        if origin == graph.origin() {
            let help = "handles are those of the model as the edits before this one left it";
            return error("does not exist: it was erased, or never was there", help);
        }
        match self.module.by_origin(origin) {
            Some(_) => {
                let own = graph.origin();
                let what = format!("is of subgraph @{origin}, where one of @{own} belongs");
                error(&what, "a patch changes one subgraph; send one for each")
            }
            None => error("is of a subgraph that does not exist", "send a handle of the model"),
        }
    }

    pub(super) fn buffer(&self, id: u32, at: &At<'_>) -> Read<BufferId> {
        let count = self.module.constants().len();
        match id == 0 || (id as usize) < count {
            true => Ok(BufferId(id)),
            false => {
                let what = format!(
                    "there is no constant {id}: the model has {}",
                    counted(count, "buffer")
                );
                let help = "where edits were taken out, those that add constants have to stay: \
                            later numbers count them";
                Err(at.error(what).help(Some(help.to_owned())))
            }
        }
    }

    pub(super) fn some_blob(&self, blob: &Option<Blob>, at: &At<'_>) -> Read<Option<Bytes>> {
        blob.as_ref().map(|blob| self.blob(blob, at)).transpose()
    }

    pub(super) fn blob(&self, blob: &Blob, at: &At<'_>) -> Read<Bytes> {
        match blob {
            Blob::Base64(text) => {
                BASE64.decode(text.as_bytes()).map(Bytes::from).map_err(|error| {
                    let help = "the alphabet is that of RFC 4648 with + and /, padded with =";
                    at.field("base64")
                        .error(format!("it is no base64: {error}"))
                        .help(Some(help.to_owned()))
                })
            }
            Blob::Buffer(id) => {
                let at = at.field("buffer");
                let bytes = self.module.constants().get(self.buffer(*id, &at)?).cloned();
                bytes.ok_or_else(|| at.error(format!("constant {id} has no bytes")))
            }
            Blob::New(_) => {
                let what = "only constants that the same patch adds can be named like this";
                Err(at.field("new").error(what))
            }
            Blob::Blake3(digits) => {
                let at = at.field("blake3");
                let is_lower = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                let hash = blake3::Hash::from_hex(digits).ok().filter(|_| is_lower);
                let hash = hash.ok_or_else(|| {
                    at.error("it is no hash: 64 hexadecimal digits in lower case are wanted")
                })?;
                self.blobs.get(&hash).map_err(|error| {
                    let help = match error {
                        NoBlob::TooManyCopies(_) => NoBlob::HELP_WITH_COPIES,
                        _ => "send them along, or in base64 where they are few",
                    };
                    let told = at.error(&error).help(Some(help.to_owned()));
                    match error {
                        NoBlob::Missing => told.of_missing_bytes(),
                        NoBlob::File(_) => told.of_wrong_bytes(),
                        NoBlob::TooManyCopies(_) => told,
                    }
                })
            }
        }
    }
}

impl PatchReader<'_> {
    pub(super) fn tensor_ref(&self, tensor: TensorRef, at: &At<'_>) -> Read<tfq_ir::TensorRef> {
        match tensor {
            TensorRef::Old(id) => self.of.tensor_of(self.graph, id, at).map(Into::into),
            TensorRef::New(New { new }) => {
                known(new, self.patch.add_tensors.len(), "add_tensors", at)?;
                Ok(tfq_ir::TensorRef::New(new))
            }
        }
    }

    pub(super) fn op_ref(&self, op: OpRef, at: &At<'_>) -> Read<tfq_ir::OpRef> {
        match op {
            OpRef::Old(id) => self.of.op_of(self.graph, id, at).map(Into::into),
            OpRef::New(New { new }) => {
                known(new, self.patch.add_ops.len(), "add_ops", at)?;
                Ok(tfq_ir::OpRef::New(new))
            }
        }
    }

    pub(super) fn buffer_ref(&self, buffer: BufferRef, at: &At<'_>) -> Read<tfq_ir::BufferRef> {
        match buffer {
            BufferRef::Old(id) => self.of.buffer(id, at).map(Into::into),
            BufferRef::New(New { new }) => {
                known(new, self.patch.add_constants.len(), "add_constants", at)?;
                Ok(tfq_ir::BufferRef::New(new))
            }
        }
    }

    pub(super) fn slot(
        &self,
        operand: &Operand,
        at: &At<'_>,
    ) -> Read<(tfq_ir::OpRef, Option<tfq_ir::TensorRef>)> {
        let op = self.op_ref(operand.op, &at.field("op"))?;
        let at = at.field("tensor");
        let tensor = operand.tensor.0.map(|tensor| self.tensor_ref(tensor, &at)).transpose()?;
        Ok((op, tensor))
    }
}

/// Whether the patch adds so many.
fn known(n: u32, count: usize, list: &str, at: &At<'_>) -> Read<()> {
    match (n as usize) < count {
        true => Ok(()),
        false => Err(at.error(format!("there is no new {n}: `{list}` has {count}"))),
    }
}

pub(super) fn shared(text: &Option<String>) -> Option<Arc<str>> {
    text.as_deref().map(Into::into)
}
