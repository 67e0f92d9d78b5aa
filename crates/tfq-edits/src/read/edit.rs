//! Edits.

use super::names::{EditReader, PatchReader, shared};
use super::path::{At, Read, each};
use super::value::builtin;
use crate::handles::Link;
use crate::wire::{Edit, ExternalBuffer, Patch, Port, Prune, Record, Recorded, Signature};
use std::sync::Arc;
use tfq_ir::{RecordEntry, SubgraphId, TensorLink};

impl EditReader<'_> {
    pub(crate) fn edit(&self, edit: &Edit, at: &At<'_>) -> Read<tfq_ir::Edit> {
        use tfq_ir::Edit as Ir;
        Ok(match edit {
            Edit::Patch(patch) => self.patch(patch, &at.field("patch"))?.into(),
            Edit::Versions { subgraph, versions } => {
                let at = at.field("versions");
                let graph = self.subgraph(*subgraph, &at.field("subgraph"))?;
                let place = at.field("versions");
                let versions = each(versions, &place, |one, at| {
                    Ok((self.op_of(graph, one.op, &at.field("op"))?, one.version))
                })?;
                Ir::Versions(SubgraphId(*subgraph), versions)
            }
            Edit::Constant(blob) => Ir::Constant(self.blob(blob, &at.field("constant"))?),
            Edit::Release(ids) => {
                Ir::Release(each(ids, &at.field("release"), |id, at| self.buffer(*id, at))?)
            }
            Edit::Metadata { name, content } => {
                let at = at.field("metadata");
                let content = self.some_blob(&content.0, &at.field("content"))?;
                Ir::Metadata(name.as_str().into(), content)
            }
            Edit::MetadataBuffers(list) => Ir::MetadataBuffers(list.clone()),
            Edit::Description(text) => Ir::Description(shared(&text.0)),
            Edit::Trailer(blob) => Ir::Trailer(self.blob(blob, &at.field("trailer"))?),
            Edit::External { groups, buffers } => {
                let buffer = |one: &ExternalBuffer| tfq_ir::ExternalBuffer {
                    id: one.id,
                    group: one.group,
                    offset: one.offset.0,
                    length: one.length.0,
                    packing: shared(&one.packing),
                };
                let groups = groups.iter().map(shared).collect();
                Ir::External(groups, buffers.iter().map(buffer).collect())
            }
            Edit::Signatures(all) => {
                let at = at.field("signatures");
                Ir::Signatures(each(all, &at, |one, at| self.signature(one, at))?)
            }
            Edit::Record { key, record } => {
                let at = at.field("record");
                let at = at.field("record");
                let record =
                    record.0.as_ref().map(|record| self.record(record, &at)).transpose()?;
                Ir::Record(key.as_str().into(), record.map(Arc::new))
            }
            Edit::Prune(Prune::Buffers) => Ir::PruneBuffers,
            Edit::Prune(Prune::OperatorCodes) => Ir::PruneOpCodes,
            Edit::Prune(Prune::Subgraphs) => Ir::PruneSubgraphs,
        })
    }

    fn patch(&self, patch: &Patch, at: &At<'_>) -> Read<tfq_ir::Patch> {
        let graph = self.subgraph(patch.subgraph, &at.field("subgraph"))?;
        PatchReader { of: *self, graph, patch }.read(at)
    }

    fn signature(&self, one: &Signature, at: &At<'_>) -> Read<tfq_ir::Signature> {
        let graph = self.find_subgraph(one.subgraph);
        let ports = |list: &[Port], at: At<'_>| {
            each(list, &at, |port, at| {
                let at = at.field("tensor");
                let link = match (port.tensor, graph) {
                    (Link::Raw(number), _) => TensorLink::Raw(number),
                    (Link::Old(id), Some(graph)) => {
                        TensorLink::Tensor(self.tensor_of(graph, id, &at)?)
                    }
                    (Link::Old(_), None) => {
                        let none = format!("there is no subgraph {}", one.subgraph);
                        return Err(at.error(none));
                    }
                    (Link::New(_), _) => {
                        let help = "send the patch first, and the handle that its tensor got";
                        return Err(at
                            .error("a signature adds no tensors")
                            .help(Some(help.to_owned())));
                    }
                };
                Ok((shared(&port.name), link))
            })
        };
        Ok(tfq_ir::Signature {
            key: shared(&one.key),
            inputs: ports(&one.inputs, at.field("inputs"))?,
            outputs: ports(&one.outputs, at.field("outputs"))?,
            subgraph: one.subgraph,
            deprecated_tag: shared(&one.deprecated_tag),
        })
    }

    fn record(&self, record: &Record, at: &At<'_>) -> Read<tfq_ir::Record> {
        // A record may tell of what is gone: readers skip it.
        let entries = each(&record.entries, &at.field("entries"), |entry, at| {
            let bytes = self.blob(&entry.content, &at.field("content"))?;
            let of = match entry.of {
                Recorded::Op(op) => tfq_ir::Recorded::Op(op.0),
                Recorded::Tensor(tensor) => tfq_ir::Recorded::Tensor(tensor.0),
            };
            Ok(RecordEntry { of, bytes })
        })?;
        let about = each(&record.about, &at.field("about"), builtin)?;
        Ok(tfq_ir::Record { entries, about })
    }
}
