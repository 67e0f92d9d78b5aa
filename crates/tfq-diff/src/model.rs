//! What differs between two models as wholes.

use crate::compare::{self, DiffOptions, Pair, Sides, hashed};
use crate::diff::{
    Class, Classes, Diff, FieldChange, OpCount, Pairs, SCHEMA, Status, SubgraphDiff, Totals,
};
use crate::elided::Elided;
use crate::graph::Graph;
use crate::matching::matching;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use tfq_ir::visible_quoted;
use tfq_ir::{BufferId, Module, Signature, SubgraphId, TensorLink, counted};
use tfq_text::{Parts, quoted};

pub(crate) fn diff(sides: &mut Sides<'_, '_>, options: &DiffOptions) -> Diff {
    let found: Arc<[Option<u32>]> = match_subgraphs(sides.before, sides.after).into();
    let named: HashSet<u32> = sides.before.signatures().iter().map(|s| s.subgraph).collect();
    let mut moved = Classes::default();
    let mut subgraphs: Vec<SubgraphDiff> = Vec::new();
    let mut signatures = Vec::new();
    let mut back: Vec<Option<u32>> = vec![None; sides.after.subgraphs().len()];
    for (n, other) in found.iter().enumerate() {
        if let Some(other) = other {
            back[*other as usize] = Some(n as u32);
        }
    }
    let mut pairs: HashMap<u32, Pair<'_>> = HashMap::new();
    for (n, other) in back.iter().enumerate() {
        let id = SubgraphId(n as u32);
        let Some(other) = *other else {
            subgraphs.push(compare::alone(Status::Added, sides.after, sides.b, id));
            moved.note(Class::Structure);
            continue;
        };
        let pair = Pair::new(sides, SubgraphId(other), id, found.clone());
        let diff = pair.diff(sides, options, &mut moved);
        if differs(&diff) {
            subgraphs.push(diff);
        }
        // A pair is as large as its subgraphs; signatures ask for few of them.
        if named.contains(&other) {
            pairs.insert(other, pair);
        }
    }
    for (n, _) in found.iter().enumerate().filter(|(_, other)| other.is_none()) {
        let id = SubgraphId(n as u32);
        subgraphs.push(compare::alone(Status::Removed, sides.before, sides.a, id));
        moved.note(Class::Structure);
    }
    signatures.extend(self::signatures(sides, &found, &pairs));
    if !signatures.is_empty() {
        moved.note(Class::Structure);
    }
    let mut model = fields(sides.before, sides.after, &mut moved);
    model.extend(order(sides, &found, &mut moved));
    model.extend(signatures);
    Diff {
        schema: SCHEMA,
        class: moved.class(),
        moved,
        before: totals(sides.before),
        after: totals(sides.after),
        histogram: histogram(sides.before, sides.after),
        model,
        subgraphs,
    }
}

pub(crate) fn pairs(a: &Module, b: &Module) -> Vec<Pairs> {
    let all = Elided::default();
    let of = |(n, other): (usize, Option<u32>)| {
        let (before, after) = (SubgraphId(n as u32), SubgraphId(other?));
        let (a, b) = (Graph::new(a, &all, before), Graph::new(b, &all, after));
        let found = matching(&a, &b);
        let ops = found.ops.ab.iter().zip(&a.ops);
        let ops = ops.filter_map(|(other, op)| Some((op.id, b.ops[(*other)? as usize].id)));
        let tensors = found.tensors.ab.iter().zip(&a.tensors);
        let tensors = tensors.filter_map(|(other, id)| Some((*id, b.tensors[(*other)? as usize])));
        Some(Pairs { before, after, ops: ops.collect(), tensors: tensors.collect() })
    };
    match_subgraphs(a, b).into_iter().enumerate().filter_map(of).collect()
}

fn differs(diff: &SubgraphDiff) -> bool {
    diff.before != diff.after
        || !diff.fields.is_empty()
        || !diff.renamed.is_empty()
        || !diff.ops.is_empty()
        || !diff.tensors.is_empty()
        || diff.reordered > 0
}

/// In which subgraph of `b` each subgraph of `a` is found: by name where no other has it, then
/// by number. Those of number 0, which run, are the same unless both names say otherwise.
fn match_subgraphs(a: &Module, b: &Module) -> Vec<Option<u32>> {
    let names = |module: &Module| {
        let mut found: HashMap<_, Option<u32>> = HashMap::new();
        for (id, graph) in module.subgraphs() {
            if let Some(name) = graph.name.clone().filter(|name| !name.is_empty()) {
                found.entry(name).and_modify(|n| *n = None).or_insert(Some(id.0));
            }
        }
        found
    };
    let (in_a, in_b) = (names(a), names(b));
    let first = |module: &Module, other: &HashMap<_, Option<u32>>| {
        let name = module.subgraphs().next().and_then(|(_, graph)| graph.name.clone());
        name.and_then(|name| other.get(&name).copied().flatten())
    };
    let moved =
        matches!((first(a, &in_b), first(b, &in_a)), (Some(x), Some(y)) if x != 0 && y != 0);
    let mut taken = vec![false; b.subgraphs().len()];
    let mut found: Vec<Option<u32>> = a
        .subgraphs()
        .map(|(id, graph)| {
            // Number 0 is what runs, whatever its name.
            if id.0 == 0 && !moved {
                return (!taken.is_empty()).then_some(0);
            }
            let name = graph.name.as_ref()?;
            in_a.get(name).copied().flatten()?;
            in_b.get(name).copied().flatten().filter(|n| *n != 0 || moved)
        })
        .collect();
    found.iter().flatten().for_each(|n| taken[*n as usize] = true);
    for (n, place) in found.iter_mut().enumerate() {
        if place.is_none() && taken.get(n) == Some(&false) {
            taken[n] = true;
            *place = Some(n as u32);
        }
    }
    found
}

/// The order of subgraphs that both models have. The first is what runs where nothing else is
/// asked for.
fn order(sides: &Sides<'_, '_>, found: &[Option<u32>], moved: &mut Classes) -> Option<FieldChange> {
    let there: Vec<u32> = found.iter().filter_map(|other| *other).collect();
    if there.is_sorted() {
        return None;
    }
    let first = found.first().copied().flatten();
    moved.note(if first == Some(0) { Class::Formatting } else { Class::Structure });
    let list = |parts: &Parts<'_>, ids: &[u32]| {
        let names = ids.iter().map(|id| quoted('@', parts.subgraph_name(SubgraphId(*id))));
        Some(names.collect::<Vec<_>>().join(", "))
    };
    let here: Vec<u32> = (0..found.len() as u32).filter(|n| found[*n as usize].is_some()).collect();
    let mut sorted = there;
    sorted.sort_unstable();
    let (before, after) = (list(sides.a, &here), list(sides.b, &sorted));
    Some(FieldChange { what: "order of subgraphs".to_owned(), before, after })
}

fn totals(module: &Module) -> Totals {
    let mut totals = Totals { subgraphs: module.subgraphs().len(), ..Totals::default() };
    let mut seen = vec![false; module.constants().len()];
    for (_, graph) in module.subgraphs() {
        totals.ops += graph.op_count();
        totals.tensors += graph.tensor_count();
        for tensor in graph.tensors() {
            let BufferId(buffer) = graph.tensor(tensor).buffer;
            let Some(bytes) = module.constants().constant(BufferId(buffer)) else { continue };
            if !std::mem::replace(&mut seen[buffer as usize], true) {
                totals.constants += 1;
                totals.constant_bytes += bytes.len() as u64;
            }
        }
    }
    totals
}

fn histogram(a: &Module, b: &Module) -> Vec<OpCount> {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (module, after) in [(a, false), (b, true)] {
        for (_, graph) in module.subgraphs() {
            for op in graph.ops() {
                let name = graph.op(op).kind.name();
                if !counts.contains_key(name) {
                    counts.insert(name.to_owned(), (0, 0));
                }
                let count = counts.get_mut(name).expect("it was put there");
                *(if after { &mut count.1 } else { &mut count.0 }) += 1;
            }
        }
    }
    let differ = counts.into_iter().filter(|(_, (before, after))| before != after);
    differ.map(|(kind, (before, after))| OpCount { kind, before, after }).collect()
}

/// Everything besides subgraphs and signatures.
fn fields(a: &Module, b: &Module, moved: &mut Classes) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let mut compare = |class, what: String, before: Option<String>, after: Option<String>| {
        if before != after {
            changes.push(FieldChange { what, before, after });
            moved.note(class);
        }
    };
    let number = |n: u32| Some(n.to_string());
    compare(Class::Structure, "version".into(), number(a.version()), number(b.version()));
    let text = |text: Option<&Arc<str>>| text.map(|text| visible_quoted(text));
    compare(Class::Metadata, "description".into(), text(a.description()), text(b.description()));

    let entries = |module: &Module| {
        let mut entries: indexmap::IndexMap<String, Vec<Option<bytes::Bytes>>> =
            indexmap::IndexMap::new();
        for entry in module.metadata() {
            let name = text(entry.name.as_ref()).unwrap_or_else(|| "none".to_owned());
            let bytes = module.constants().get(entry.buffer).cloned();
            entries.entry(name).or_default().push(bytes);
        }
        entries
    };
    let (before, after) = (entries(a), entries(b));
    let added = after.keys().filter(|name| !before.contains_key(*name));
    for name in before.keys().chain(added) {
        let none = Vec::new();
        let (x, y) = (before.get(name).unwrap_or(&none), after.get(name).unwrap_or(&none));
        for n in 0..x.len().max(y.len()) {
            if x.get(n) != y.get(n) {
                let show = |list: &[Option<bytes::Bytes>]| {
                    list.get(n).map(|bytes| payload(bytes.as_deref().unwrap_or_default()))
                };
                compare(Class::Metadata, format!("metadata {name}"), show(x), show(y));
            }
        }
    }
    if before
        .keys()
        .filter(|name| after.contains_key(*name))
        .ne(after.keys().filter(|name| before.contains_key(*name)))
    {
        let order = |list: &indexmap::IndexMap<String, _>| {
            Some(list.keys().cloned().collect::<Vec<_>>().join(", "))
        };
        compare(Class::Formatting, "order of metadata".into(), order(&before), order(&after));
    }

    let groups = |module: &Module| {
        let names = module.external_buffer_groups().iter().map(|n| n.as_deref().unwrap_or("none"));
        (!module.external_buffer_groups().is_empty()).then(|| names.collect::<Vec<_>>().join(", "))
    };
    compare(Class::Structure, "external groups".into(), groups(a), groups(b));
    for n in 0..a.external_buffers().len().max(b.external_buffers().len()) {
        let show = |module: &Module| {
            module.external_buffers().get(n).map(|buffer| {
                let packing = buffer.packing.as_deref().unwrap_or("none");
                format!(
                    "{} group {} offset {} length {} packing {packing}",
                    buffer.id, buffer.group, buffer.offset, buffer.length
                )
            })
        };
        compare(Class::Structure, format!("external buffer {n}"), show(a), show(b));
    }
    let trailer =
        |module: &Module| (!module.trailer().is_empty()).then(|| payload(module.trailer()));
    // A zip counts from the start of the file, whose length is none of its contents.
    let place = |module: &Module| tfq_ir::relocated_trailer(module.trailer(), 0);
    if a.trailer() != b.trailer() && place(a) != place(b) {
        compare(Class::Metadata, "trailer".into(), trailer(a), trailer(b));
    }
    changes
}

/// Bytes as text where they are some, and their number and hash where not.
fn payload(bytes: &[u8]) -> String {
    // Padding of texts is no part of them.
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let printable = |text: &&str| text.chars().all(|c| !c.is_control());
    match std::str::from_utf8(&bytes[..end]).ok().filter(printable) {
        Some(text) if bytes.len() <= 64 && !text.is_empty() => {
            let padding = bytes.len() - end;
            let more = if padding > 0 {
                format!(" and {}", counted(padding, "zero"))
            } else {
                String::new()
            };
            format!("{}{more}", visible_quoted(text))
        }
        _ => hashed(bytes),
    }
}

/// Signatures by their keys.
fn signatures(
    sides: &Sides<'_, '_>,
    found: &[Option<u32>],
    pairs: &HashMap<u32, Pair<'_>>,
) -> Vec<FieldChange> {
    let (a, b) = (sides.before.signatures(), sides.after.signatures());
    let (in_a, in_b) = (places(a), places(b));
    let mut changes = Vec::new();
    let mut differ = |key: &Option<Arc<str>>, before, after| {
        let key = key.as_deref().map_or_else(|| "none".to_owned(), visible_quoted);
        changes.push(FieldChange { what: format!("signature {key}"), before, after });
    };
    for (n, first) in a.iter().enumerate() {
        // A key should be there once; a second one has only its place.
        let lone = in_a.get(&first.key) == Some(&n);
        let place = if lone { in_b.get(&first.key).copied() } else { Some(n) };
        let second = place.and_then(|n| b.get(n)).filter(|second| second.key == first.key);
        let same = second.is_some_and(|second| same_signature(first, second, found, pairs));
        if !same {
            let after = second.map(|second| show(sides.after, sides.b, second));
            differ(&first.key, Some(show(sides.before, sides.a, first)), after);
        }
    }
    for (n, second) in b.iter().enumerate() {
        let repeated = in_b.get(&second.key) != Some(&n);
        let missing = match repeated {
            true => a.get(n).is_none_or(|first| first.key != second.key),
            false => !in_a.contains_key(&second.key),
        };
        if missing {
            differ(&second.key, None, Some(show(sides.after, sides.b, second)));
        }
    }
    changes
}

/// Where each key is there first.
fn places(signatures: &[Signature]) -> HashMap<&Option<Arc<str>>, usize> {
    let mut places = HashMap::with_capacity(signatures.len());
    for (n, signature) in signatures.iter().enumerate() {
        places.entry(&signature.key).or_insert(n);
    }
    places
}

fn same_signature(
    a: &Signature,
    b: &Signature,
    found: &[Option<u32>],
    pairs: &HashMap<u32, Pair<'_>>,
) -> bool {
    let subgraphs = match found.get(a.subgraph as usize) {
        Some(place) => *place == Some(b.subgraph),
        None => a.subgraph == b.subgraph,
    };
    let same = |x: &TensorLink, y: &TensorLink| match (x, y) {
        (TensorLink::Tensor(x), TensorLink::Tensor(y)) => {
            // Without a subgraph there is nothing but the handles.
            pairs.get(&a.subgraph).map_or(x == y, |pair| pair.same(*x, *y))
        }
        (x, y) => x == y,
    };
    subgraphs
        && [(&a.inputs, &b.inputs), (&a.outputs, &b.outputs)].iter().all(|(x, y)| {
            x.len() == y.len()
                && x.iter().zip(y.iter()).all(|(x, y)| x.0 == y.0 && same(&x.1, &y.1))
        })
}

fn show(module: &Module, parts: &Parts<'_>, signature: &Signature) -> String {
    let id = SubgraphId(signature.subgraph);
    let known = (signature.subgraph as usize) < module.subgraphs().len();
    let list = |list: &[(Option<Arc<str>>, TensorLink)]| {
        let each = list.iter().map(|(name, link)| {
            let name = visible_quoted(name.as_deref().unwrap_or("none"));
            match link {
                TensorLink::Tensor(t) if known => {
                    format!("{name} = {}", quoted('%', parts.tensor_name(id, *t)))
                }
                TensorLink::Tensor(_) => format!("{name} = ?"),
                TensorLink::Raw(raw) => format!("{name} = {raw}"),
            }
        });
        each.collect::<Vec<_>>().join(", ")
    };
    let name =
        if known { quoted('@', parts.subgraph_name(id)) } else { signature.subgraph.to_string() };
    format!("{name}({}) -> ({})", list(&signature.inputs), list(&signature.outputs))
}
