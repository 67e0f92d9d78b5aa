//! From names to a graph.

use super::{
    Content, Fail, Name, Parsed, Qualified, Raw, RawLayout, RawLink, RawOp, RawRecorded, RawShared,
    RawSlot, RawSubgraph, Span, fail, fail_with,
};
use crate::quote;
use bytes::Bytes;
use indexmap::{IndexMap, IndexSet};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tfq_ir::catalog::ops::DEQUANTIZE;
use tfq_ir::counted;
use tfq_ir::{
    BufferId, ConstantPool, DequantCache, DequantCacheEntry, Metadata, Module, ModuleParts, OpCode,
    OpId, OpKind, Quantization, QuantizationDetails, Record, RecordEntry, Recorded, Signature,
    Subgraph, SubgraphBuilder, SubgraphId, TensorId, TensorLink,
};

/// More buffers than this are a mistake.
const MOST_BUFFERS: u32 = 1 << 22;

pub(super) fn build(mut raw: Raw) -> Parsed<Module> {
    let order = apply_layouts(&mut raw)?;
    if raw.op_codes.is_empty() && raw.layouts.is_empty() {
        raw.op_codes = several_versions(&mut raw.subgraphs)?;
    }
    let (constants, metadata_buffers) = buffers(&mut raw, &order)?;
    let codes = Codes::new(&raw.op_codes);
    let mut subgraphs = Vec::new();
    let mut places = Vec::new();
    let debug: HashMap<usize, i32> = raw.layouts.iter().map(|l| (l.subgraph, l.debug)).collect();
    let real: HashMap<usize, Option<Arc<str>>> = raw
        .layouts
        .iter()
        .filter_map(|layout| Some((layout.subgraph, layout.name.clone()?)))
        .collect();
    for (n, subgraph) in raw.subgraphs.iter_mut().enumerate() {
        let name = match real.get(&n) {
            Some(name) => name.clone(),
            None => Some(subgraph.name.as_str().into()),
        };
        let debug = debug.get(&n).copied().unwrap_or(-1);
        let (graph, place) = build_subgraph(n, subgraph, &order[n], name, debug, &codes)?;
        subgraphs.push(graph);
        places.push(place);
    }
    let mut parts = ModuleParts { subgraphs, constants, ..ModuleParts::default() };
    parts.version = raw.version.unwrap_or(3);
    parts.description = raw.description.take();
    parts.op_codes = std::mem::take(&mut raw.op_codes);
    check_metadata(&raw)?;
    parts.metadata = raw
        .metadata
        .iter()
        .zip(metadata_buffers)
        .map(|(entry, buffer)| Metadata { name: entry.name.clone(), buffer })
        .collect();
    parts.metadata_buffer = std::mem::take(&mut raw.metadata_buffer);
    parts.external_buffer_groups = std::mem::take(&mut raw.external_groups);
    parts.external_buffers = std::mem::take(&mut raw.external_buffers);
    parts.trailer = std::mem::take(&mut raw.trailer);
    parts.constants_outside = raw.constants_outside;
    for signature in &raw.signatures {
        let at = signature.subgraph as usize;
        let links = |list: &[(Option<Arc<str>>, RawLink)]| {
            list.iter()
                .map(|(name, link)| {
                    let link = match (link, raw.subgraphs.get(at), places.get(at)) {
                        (link, Some(subgraph), Some(place)) => place.link(subgraph, link)?,
                        (RawLink::Raw(raw, _), ..) => TensorLink::Raw(*raw),
                        (RawLink::Name(tensor), ..) => {
                            let message = format!("there is no subgraph {at} with this tensor");
                            return fail(tensor.span.clone(), message);
                        }
                    };
                    Ok((name.clone(), link))
                })
                .collect::<Parsed<Vec<_>>>()
        };
        parts.signatures.push(Signature {
            key: signature.key.clone(),
            inputs: links(&signature.inputs)?,
            outputs: links(&signature.outputs)?,
            subgraph: signature.subgraph,
            deprecated_tag: signature.tag.clone(),
        });
    }
    if let Some(entries) = &raw.dequant_cache {
        let mut cache = DequantCache::default();
        for entry in entries {
            let subgraph = &raw.subgraphs[entry.subgraph];
            let tensor = places[entry.subgraph].find(subgraph, &entry.tensor)?;
            let id = SubgraphId(entry.subgraph as u32);
            let graph = &parts.subgraphs[entry.subgraph];
            let producer = graph.producer(tensor).map(|(op, _)| op);
            let Some(op) = producer.filter(|op| graph.op(*op).kind.is(DEQUANTIZE)) else {
                let name = quote::shown('%', &entry.tensor.name);
                let message = format!("no DEQUANTIZE computes `{name}`");
                return fail(entry.tensor.span.clone(), message);
            };
            cache.entries.push(DequantCacheEntry {
                subgraph: id,
                op,
                reason: entry.reason,
                bytes: entry.bytes,
                bytes_per_invoke: entry.bytes_per_invoke,
            });
        }
        parts.set_dequant_cache(Some(cache));
    }
    // A subgraph's ops are a list of links: to find each by its number would be quadratic.
    let mut orders: HashMap<usize, Vec<OpId>> = HashMap::new();
    for (key, record) in &raw.records {
        let mut entries = Vec::new();
        for entry in &record.entries {
            let (subgraph, place) = (&raw.subgraphs[entry.subgraph], &places[entry.subgraph]);
            let graph = &parts.subgraphs[entry.subgraph];
            let of = match &entry.of {
                RawRecorded::Tensor(name) => Recorded::Tensor(place.find(subgraph, name)?),
                RawRecorded::NthOp(n, span) => {
                    let order =
                        orders.entry(entry.subgraph).or_insert_with(|| graph.ops().collect());
                    match order.get(*n) {
                        Some(op) => Recorded::Op(*op),
                        None => {
                            let ops = counted(graph.op_count(), "op");
                            return fail(
                                span.clone(),
                                format!("there is no op {n}: there are {ops}"),
                            );
                        }
                    }
                }
                RawRecorded::Op(name) => match graph.producer(place.find(subgraph, name)?) {
                    Some((op, 0)) => Recorded::Op(op),
                    _ => {
                        let shown = quote::shown('%', &name.name);
                        let message = format!("`{shown}` is the first result of no op");
                        return fail(name.span.clone(), message);
                    }
                },
            };
            entries.push(RecordEntry { of, bytes: entry.bytes.clone() });
        }
        let record_of = Record { entries, about: record.about.clone() };
        parts.records.insert(key.clone(), Arc::new(record_of));
    }
    // What is declared and computed as well is meant so; other results come from a slip.
    let apart = |(place, raw): (&Handles, &RawSubgraph)| -> HashSet<TensorId> {
        let all = place.ids.iter().zip(raw.tensors.values());
        all.filter(|(_, raw)| raw.apart && raw.result).map(|(id, _)| *id).collect()
    };
    let apart: Vec<HashSet<TensorId>> = places.iter().zip(&raw.subgraphs).map(apart).collect();
    let module = parts.build();
    let module = module.with_oddities(|id, tensor| apart[id.0 as usize].contains(&tensor));
    verify(&module, &raw, &order)?;
    Ok(module)
}

/// Puts what layouts say into the tensors, and returns the order of each subgraph's tensors.
fn apply_layouts(raw: &mut Raw) -> Parsed<Vec<Vec<usize>>> {
    let mut order: Vec<Vec<usize>> =
        raw.subgraphs.iter().map(|subgraph| (0..subgraph.tensors.len()).collect()).collect();
    let mut done = vec![false; raw.subgraphs.len()];
    for layout in &raw.layouts {
        let subgraph = &mut raw.subgraphs[layout.subgraph];
        if std::mem::replace(&mut done[layout.subgraph], true) {
            return fail(layout.span.clone(), "this subgraph has a layout already");
        }
        let mut listed = Vec::with_capacity(layout.tensors.len());
        let mut seen = vec![false; subgraph.tensors.len()];
        for place in &layout.tensors {
            let at = index_of(subgraph, &place.tensor)?;
            if std::mem::replace(&mut seen[at], true) {
                let message = "is listed already";
                return about(&place.tensor, message);
            }
            listed.push(at);
            let described = subgraph.tensors[at].ranked;
            if described.is_some_and(|ranked| ranked != place.ranked) {
                let rank =
                    if place.ranked { "has dimensions `[*]`" } else { "has dimensions `[]`" };
                return about(&place.tensor, rank);
            }
            let tensor = &mut subgraph.tensors[at].tensor;
            if let Some(name) = &place.name {
                tensor.name = name.clone();
            }
            tensor.has_rank = place.ranked;
            if place.fixed {
                if !tensor.shape_signature.is_empty() {
                    return about(&place.tensor, "has a signature, and is not static");
                }
                tensor.shape_signature = tensor.shape.clone();
            }
            if place.empty_quantization {
                if tensor.quantization.is_some() {
                    return about(&place.tensor, "has a quantisation that is not empty");
                }
                tensor.quantization = Some(Arc::new(Quantization::default()));
            }
        }
        if let Some(missing) = seen.iter().position(|seen| !seen) {
            let (name, tensor) = subgraph.tensors.get_index(missing).expect("it is one of them");
            let (graph, name) = (quote::shown('@', &subgraph.name), quote::shown('%', name));
            let message = format!("the layout of `{graph}` does not list `{name}`");
            return fail(tensor.span.clone(), message);
        }
        order[layout.subgraph] = listed;
    }
    if let Some(missing) = done.iter().position(|done| !done)
        && !raw.layouts.is_empty()
    {
        let subgraph = &raw.subgraphs[missing];
        let name = quote::shown('@', &subgraph.name);
        return fail(subgraph.span.clone(), format!("`{name}` has no layout"));
    }
    Ok(order)
}

/// A record is written in the place of the first metadata of its key, so that what that holds has
/// no effect. In a layout it is a place; elsewhere it must say that it is no more than that.
fn check_metadata(raw: &Raw) -> Parsed<()> {
    let mut seen = HashSet::new();
    for entry in &raw.metadata {
        let has_record = entry.name.as_ref().is_some_and(|name| raw.records.contains_key(name));
        let is_its_place = has_record && seen.insert(&entry.name);
        match (entry.of_record, is_its_place) {
            (false, true) if !raw.layouts.is_empty() => (),
            (true, false) => {
                let message = "there is no record of this name, or an entry for it above";
                return fail_with(entry.span.clone(), message, "leave out `of record`");
            }
            (false, true) => {
                let message = "there is a record of this name, which is written in its place";
                let help = "write `of record` behind the name, where it is only the place of the \
                            record, or leave out one of both";
                return fail_with(entry.span.clone(), message, help);
            }
            _ => (),
        }
    }
    Ok(())
}

/// The constants, with their numbers put into tensors and returned for the metadata.
fn buffers(raw: &mut Raw, order: &[Vec<usize>]) -> Parsed<(ConstantPool, Vec<BufferId>)> {
    match &raw.numbers {
        Some(span) if raw.layouts.is_empty() => fail_with(
            span.clone(),
            "without layouts buffers have no numbers",
            "a text of level full has a layout for each subgraph",
        ),
        _ if raw.layouts.is_empty() => plain_buffers(raw, order),
        _ => laid_out_buffers(raw),
    }
}

/// Operator codes for kinds of which ops have several versions: where a text leaves out what only
/// the file needs, each version has a code of its own. Ops of other kinds get theirs when the
/// model is lowered.
fn several_versions(subgraphs: &mut [RawSubgraph]) -> Parsed<Vec<OpCode>> {
    let mut versions: IndexMap<OpKind, IndexSet<i32>> = IndexMap::new();
    for raw in subgraphs.iter().flat_map(|subgraph| &subgraph.ops) {
        if raw.nth_code > 0 {
            return no_code(raw, 0);
        }
        match versions.get_mut(&raw.op.kind) {
            Some(known) => _ = known.insert(raw.op.version),
            None => _ = versions.insert(raw.op.kind.clone(), [raw.op.version].into()),
        }
    }
    versions.retain(|_, known| known.len() > 1);
    for raw in subgraphs.iter_mut().flat_map(|subgraph| &mut subgraph.ops) {
        let Some(known) = versions.get(&raw.op.kind) else { continue };
        raw.nth_code = known.get_index_of(&raw.op.version).expect("they were counted");
    }
    let codes = versions.iter().flat_map(|(kind, versions)| {
        versions.iter().map(|version| OpCode::for_kind(kind, *version))
    });
    Ok(codes.collect())
}

fn no_code<T>(raw: &RawOp, found: usize) -> Parsed<T> {
    fail_with(
        raw.span.clone(),
        format!("there is no operator code {} of {}", raw.nth_code, raw.op.kind),
        format!("`opcodes` has {found} of this kind, counted from 0"),
    )
}

fn about<T>(name: &Name, what: &str) -> Parsed<T> {
    fail(name.span.clone(), format!("`{}` {what}", quote::shown('%', &name.name)))
}

/// Every constant gets a buffer.
fn plain_buffers(raw: &mut Raw, order: &[Vec<usize>]) -> Parsed<(ConstantPool, Vec<BufferId>)> {
    let mut entries: Vec<Option<Bytes>> = vec![None];
    for (subgraph, order) in raw.subgraphs.iter_mut().zip(order) {
        for at in order {
            let tensor = &mut subgraph.tensors[*at];
            if let Content::Bytes(bytes) = &tensor.content {
                entries.push(Some(bytes.clone()));
                tensor.tensor.buffer = BufferId(entries.len() as u32 - 1);
            }
        }
    }
    for n in 0..raw.subgraphs.len() {
        for at in 0..raw.subgraphs[n].tensors.len() {
            let Content::As(other) = &raw.subgraphs[n].tensors[at].content else { continue };
            let subgraph = &raw.subgraphs[other.subgraph.unwrap_or(n)];
            let found = &subgraph.tensors[index_of(subgraph, &other.tensor)?];
            if !matches!(found.content, Content::Bytes(_)) {
                return about(&other.tensor, "has no bytes of its own");
            }
            let buffer = found.tensor.buffer;
            raw.subgraphs[n].tensors[at].tensor.buffer = buffer;
        }
    }
    let metadata = raw.metadata.iter().map(|entry| {
        entries.push(entry.bytes.clone());
        BufferId(entries.len() as u32 - 1)
    });
    let metadata = metadata.collect();
    Ok((ConstantPool::new(entries), metadata))
}

/// Buffers have the numbers that the layouts say.
fn laid_out_buffers(raw: &mut Raw) -> Parsed<(ConstantPool, Vec<BufferId>)> {
    let mut next = 1_u32;
    let mut assigned: Vec<IndexMap<String, u32>> =
        raw.subgraphs.iter().map(|_| IndexMap::new()).collect();
    let mut in_order: Vec<&RawLayout> = raw.layouts.iter().collect();
    in_order.sort_by_key(|layout| layout.subgraph);
    for layout in in_order {
        for place in &layout.tensors {
            let number = match &place.buffer {
                RawSlot::None => 0,
                RawSlot::Next => next,
                RawSlot::Number(number) => *number,
                RawSlot::As(Qualified { subgraph, tensor }) => {
                    let other = &assigned[subgraph.unwrap_or(layout.subgraph)];
                    let Some(number) = other.get(&tensor.name) else {
                        return about(tensor, "is not listed above");
                    };
                    *number
                }
            };
            if matches!(place.buffer, RawSlot::Next | RawSlot::Number(_)) {
                next = number.saturating_add(1);
            }
            assigned[layout.subgraph].insert(place.tensor.name.clone(), number);
        }
    }
    let metadata: Vec<BufferId> = raw
        .metadata
        .iter()
        .map(|entry| {
            let number = entry.buffer.as_ref().map_or(next, |(number, _)| *number);
            next = number.saturating_add(1);
            BufferId(number)
        })
        .collect();
    let span = raw.buffers.as_ref().map_or(0..0, |buffers| buffers.span.clone());
    let count = raw.buffers.as_ref().and_then(|buffers| buffers.count).unwrap_or_else(|| {
        let tensors = assigned.iter().flat_map(|map| map.values().copied());
        let most = tensors.chain(metadata.iter().map(|id| id.0)).max().unwrap_or(0);
        most.saturating_add(1)
    });
    if count > MOST_BUFFERS {
        return fail(span, format!("{} are too many", counted(count, "buffer")));
    }
    let mut pool = Pool { entries: vec![None; count as usize], made_up: raw.made_up };
    for (n, subgraph) in raw.subgraphs.iter_mut().enumerate() {
        for (name, tensor) in &mut subgraph.tensors {
            let number = assigned[n].get(name).copied().unwrap_or(0);
            tensor.tensor.buffer = BufferId(number);
            if let Content::Bytes(bytes) = &tensor.content {
                if number == 0 {
                    let name = quote::shown('%', name);
                    let message = format!("`{name}` has bytes, but its layout has no buffer");
                    return fail(tensor.span.clone(), message);
                }
                pool.set(number, bytes, &tensor.span)?;
            }
            if let Content::As(Qualified { subgraph, tensor: other }) = &tensor.content
                && assigned[subgraph.unwrap_or(n)].get(&other.name) != Some(&number)
            {
                return about(other, "has another buffer in its layout");
            }
        }
    }
    for (entry, id) in raw.metadata.iter().zip(&metadata) {
        if let Some(bytes) = &entry.bytes {
            let span = entry.buffer.as_ref().map_or(0..0, |(_, span)| span.clone());
            pool.set(id.0, bytes, &span)?;
        }
    }
    if let Some(buffers) = &raw.buffers {
        for (number, span, bytes) in &buffers.bytes {
            pool.set(*number, bytes, span)?;
        }
        share(&buffers.shared, &mut raw.subgraphs, &mut pool)?;
    }
    Ok((ConstantPool::new(pool.entries), metadata))
}

/// Gives buffers and large options the same bytes in memory where they had those in the file.
fn share(groups: &[RawShared], subgraphs: &mut [RawSubgraph], pool: &mut Pool) -> Parsed<()> {
    let ops = subgraphs.iter_mut().flat_map(|subgraph| &mut subgraph.ops);
    let options = ops.map(|raw| &mut raw.op.custom_options).filter(|options| options.large);
    let mut options: Vec<&mut Bytes> =
        options.filter_map(|options| options.bytes.as_mut()).collect();
    for RawShared { span, buffers, options: large } in groups {
        let of_buffer = |n: &u32| pool.entries.get(*n as usize)?.clone();
        let first = match (buffers.first(), large.first()) {
            (Some(n), _) => of_buffer(n),
            (None, Some(n)) => options.get(*n).map(|bytes| (**bytes).clone()),
            (None, None) => None,
        };
        let Some(first) = first else {
            return fail(span.clone(), "there is nothing to share");
        };
        for number in buffers {
            match pool.entries.get_mut(*number as usize) {
                Some(Some(bytes)) if pool.made_up || *bytes == first => *bytes = first.clone(),
                _ => return fail(span.clone(), format!("buffer {number} holds other bytes")),
            }
        }
        for number in large {
            match options.get_mut(*number) {
                Some(bytes) if pool.made_up || **bytes == first => **bytes = first.clone(),
                Some(_) => return fail(span.clone(), format!("options {number} are other bytes")),
                None => {
                    let message = format!("there are no large options {number}");
                    return fail_with(span.clone(), message, "they are counted from 0");
                }
            }
        }
    }
    Ok(())
}

struct Pool {
    entries: Vec<Option<Bytes>>,
    /// The first one to say what a buffer holds is right then.
    made_up: bool,
}

impl Pool {
    fn set(&mut self, number: u32, bytes: &Bytes, span: &Span) -> Parsed<()> {
        let count = self.entries.len();
        match self.entries.get_mut(number as usize) {
            Some(entry @ None) => {
                *entry = Some(bytes.clone());
                Ok(())
            }
            Some(Some(other)) if self.made_up || other == bytes => Ok(()),
            Some(Some(_)) => fail(span.clone(), format!("buffer {number} holds other bytes")),
            None => fail(span.clone(), format!("there is no buffer {number}, only {count}")),
        }
    }
}

/// Where the tensors of a subgraph went.
struct Handles {
    /// By the order of the text.
    ids: Vec<TensorId>,
}

impl Handles {
    fn find(&self, subgraph: &RawSubgraph, name: &Name) -> Parsed<TensorId> {
        Ok(self.ids[index_of(subgraph, name)?])
    }

    /// A number must be that of no tensor: a text gives tensors no numbers that anybody could
    /// know, and what changes them would change what it means.
    fn link(&self, subgraph: &RawSubgraph, link: &RawLink) -> Parsed<TensorLink> {
        match link {
            RawLink::Name(name) => self.find(subgraph, name).map(TensorLink::Tensor),
            RawLink::Raw(raw, span) if usize::try_from(*raw).is_ok_and(|n| n < self.ids.len()) => {
                let message = format!("{raw} is the number of a tensor, which goes by name");
                fail_with(span.clone(), message, "write `%` and its name; -1 is for none")
            }
            RawLink::Raw(raw, _) => Ok(TensorLink::Raw(*raw)),
        }
    }
}

fn index_of(subgraph: &RawSubgraph, name: &Name) -> Parsed<usize> {
    if let Some(at) = subgraph.tensors.get_index_of(&name.name) {
        return Ok(at);
    }
    let near = tfq_ir::closest(&name.name, subgraph.tensors.keys().map(String::as_str));
    Err(Fail {
        span: name.span.clone(),
        message: format!(
            "there is no tensor `{}` in `{}`",
            quote::shown('%', &name.name),
            quote::shown('@', &subgraph.name)
        ),
        help: near.map(|near| format!("did you mean `{}`?", quote::shown('%', near))),
    })
}

/// The operator codes of each kind.
struct Codes {
    by_kind: HashMap<OpKind, Vec<u32>>,
}

impl Codes {
    fn new(codes: &[OpCode]) -> Self {
        let mut by_kind: HashMap<_, Vec<u32>> = HashMap::new();
        for (n, code) in codes.iter().enumerate() {
            by_kind.entry(code.kind()).or_default().push(n as u32);
        }
        Self { by_kind }
    }
}

fn build_subgraph(
    number: usize,
    raw: &mut RawSubgraph,
    order: &[usize],
    name: Option<Arc<str>>,
    debug: i32,
    codes: &Codes,
) -> Parsed<(Subgraph, Handles)> {
    let mut builder = SubgraphBuilder::numbered(SubgraphId(number as u32), name);
    builder.debug_metadata_index(debug);
    let mut ids: Vec<Option<TensorId>> = vec![None; raw.tensors.len()];
    for at in order {
        ids[*at] = Some(builder.tensor(raw.tensors[*at].tensor.clone()));
    }
    let ids = ids.into_iter().map(|id| id.expect("the order has all of them")).collect();
    let place = Handles { ids };
    for (at, tensor) in raw.tensors.values().enumerate() {
        let Some((scale_link, zero_link)) = &tensor.links else { continue };
        let (new_scales, new_zeros) = (place.link(raw, scale_link)?, place.link(raw, zero_link)?);
        let Some(q) = &mut builder.tensor_mut(place.ids[at]).quantization else { continue };
        match &mut Arc::make_mut(q).details {
            QuantizationDetails::Blockwise { scales, zero_points, .. }
            | QuantizationDetails::MultiAxis { scales, zero_points, .. } => {
                (*scales, *zero_points) = (new_scales, new_zeros);
            }
            QuantizationDetails::None | QuantizationDetails::Custom(_) => (),
        }
    }
    let find = |name: &Name| place.find(raw, name);
    let optional = |names: &[Option<Name>]| {
        names.iter().map(|name| name.as_ref().map(find).transpose()).collect::<Parsed<Vec<_>>>()
    };
    for raw_op in &raw.ops {
        let mut op = raw_op.op.clone();
        let of_kind = codes.by_kind.get(&op.kind);
        op.code = of_kind.and_then(|codes| codes.get(raw_op.nth_code)).copied();
        if op.code.is_none() && raw_op.nth_code > 0 {
            return no_code(raw_op, of_kind.map_or(0, Vec::len));
        }
        let operands = optional(&raw_op.operands)?;
        let results: Vec<TensorId> = raw_op.results.iter().map(find).collect::<Parsed<_>>()?;
        let scratch = optional(&raw_op.scratch)?;
        let id: OpId = builder.op(op, &operands, &results);
        builder.intermediates(id, &scratch);
    }
    let inputs = raw.inputs.iter().map(find).collect::<Parsed<Vec<_>>>()?;
    let outputs = raw.outputs.iter().map(find).collect::<Parsed<Vec<_>>>()?;
    Ok((builder.finish(inputs, outputs), place))
}

/// Finds the line that a broken rule is about.
fn verify(module: &Module, raw: &Raw, order: &[Vec<usize>]) -> Parsed<()> {
    let Err(errors) = module.verify() else { return Ok(()) };
    let error = &errors[0];
    let numbers: Vec<usize> =
        error.place.split([' ', ',']).take(5).filter_map(|part| part.parse().ok()).collect();
    let subgraph = numbers.first().and_then(|n| raw.subgraphs.get(*n));
    let span = match (subgraph, numbers.get(1)) {
        (Some(subgraph), Some(n)) if error.place.contains(", op ") => {
            subgraph.ops.get(*n).map(|op| op.span.clone())
        }
        (Some(subgraph), Some(n)) => {
            let at = order.get(numbers[0]).and_then(|order| order.get(*n));
            at.and_then(|at| subgraph.tensors.get_index(*at)).map(|(_, t)| t.span.clone())
        }
        (Some(subgraph), None) => Some(subgraph.span.clone()),
        _ => None,
    };
    fail(span.unwrap_or(0..0), format!("{}: {}", error.place, error.what))
}
