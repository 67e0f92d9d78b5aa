//! What a runtime refuses of a tensor, wherever its subgraph is run.

use crate::facts::load_test::{LoadTest, traits};
use tfq_ir::{
    Module, QuantizationDetails, SparseIndex, Sparsity, Subgraph, SubgraphId, Tensor, TensorId,
    TensorLink, counted, grouped,
};

/// What is out of the ordinary about a tensor.
pub(super) fn traits_of(module: &Module, sg: SubgraphId, id: TensorId) -> u8 {
    let tensor = module.subgraph(sg).tensor(id);
    let when = |holds, of| if holds { of } else { 0 };
    let mut all = when(is_uncountable(tensor), traits::UNCOUNTABLE)
        | when(tensor.is_variable, traits::VARIABLE)
        | when(tensor.sparsity.is_some(), traits::SPARSE)
        | when(tensor.external_buffer != 0, traits::EXTERNAL)
        | when(tensor.ty == tfq_ir::ElementType::String, traits::STRING)
        | when(!module.has_value(sg, id), traits::NO_VALUE);
    if let Some(q) = tensor.quantization.as_deref() {
        let links = q.details.scales_and_zero_points().is_some();
        all |= when(!q.scale.is_empty(), traits::SCALES) | when(links, traits::LINKS);
    }
    all
}

pub(super) fn tensor(
    test: LoadTest,
    module: &Module,
    graph: &Subgraph,
    id: TensorId,
) -> Option<String> {
    let tensor = graph.tensor(id);
    let bytes = module.constants().constant(tensor.buffer);
    let sparse = || bytes.and(tensor.sparsity.as_deref());
    let sparse_and_read = || sparse().filter(|_| graph.is_read(id));
    match test {
        LoadTest::UncountableShape => {
            let free = tensor.ty.bits().is_none() || sparse().is_some();
            (!free && is_uncountable(tensor))
                .then(|| format!("its shape {:?} has no number of elements", tensor.shape))
        }
        LoadTest::QuantizedDimension => quantized_dimension(tensor),
        LoadTest::SeveralAxes => several_axes(tensor),
        LoadTest::VariableWithData => (tensor.is_variable && bytes.is_some())
            .then(|| "it is a variable and has bytes in the file".to_owned()),
        LoadTest::StringVariable => {
            let is_string = tensor.ty == tfq_ir::ElementType::String;
            (tensor.is_variable && is_string && bytes.is_none())
                .then(|| "it is a variable of type STRING".to_owned())
        }
        LoadTest::SparsityIncomplete => {
            let sparsity = sparse_and_read()?;
            (sparsity.traversal_order.is_empty() || sparsity.dim_metadata.is_empty())
                .then(|| "its sparsity has no traversal order or no dimensions".to_owned())
        }
        LoadTest::SparseDimension => {
            let absent = |index: &SparseIndex| matches!(index, SparseIndex::None);
            let mut dims = sparse()?.dim_metadata.iter();
            let n = dims.position(|dim| {
                dim.format == COMPRESSED
                    && (absent(&dim.array_segments) || absent(&dim.array_indices))
            })?;
            Some(format!("dimension {n} of its sparsity has no segments or no indices"))
        }
        LoadTest::SparseFormat => {
            let mut dims = sparse()?.dim_metadata.iter().enumerate();
            let (n, dim) = dims.find(|(_, dim)| !matches!(dim.format, DENSE | COMPRESSED))?;
            Some(format!("dimension {n} of its sparsity has the unknown format {}", dim.format))
        }
        LoadTest::SparseOrder => sparse_order(sparse_and_read()?, tensor),
        LoadTest::SparseIndices => match stored_elements(sparse_and_read()?, tensor) {
            Stored::Beyond(what) => Some(what),
            Stored::Elements(_) => None,
        },
        LoadTest::SparseData => {
            let Stored::Elements(elements) = stored_elements(sparse_and_read()?, tensor) else {
                return None;
            };
            let there = bytes.map_or(0, |bytes| bytes.len() as u64);
            let needed = tensor.ty.bytes_for(elements)?;
            (needed > there).then(|| {
                format!(
                    "its indices tell of {} in {}, and its buffer has {}",
                    counted(elements, "element"),
                    counted(needed, "byte"),
                    grouped(there)
                )
            })
        }
        LoadTest::ExternalWithData => (tensor.external_buffer != 0 && bytes.is_some())
            .then(|| "it has bytes in the file and in an external buffer".to_owned()),
        _ => None,
    }
}

/// The runtime multiplies in 64 bits and refuses negative dimensions, other factors of 0 or not.
fn is_uncountable(tensor: &Tensor) -> bool {
    let elements =
        tensor.shape.iter().try_fold(1_u64, |n, dim| n.checked_mul(u64::try_from(*dim).ok()?));
    let bits = u64::from(tensor.ty.bits().unwrap_or(0));
    elements.and_then(|n| n.checked_mul(bits.div_ceil(8))).is_none()
}

fn quantized_dimension(tensor: &Tensor) -> Option<String> {
    let q = tensor.quantization.as_deref()?;
    let affine = matches!(q.details, QuantizationDetails::None | QuantizationDetails::Custom(_));
    if !affine || q.scale.is_empty() {
        return None;
    }
    let (dimension, rank, scales) = (q.quantized_dimension, tensor.shape.len(), q.scale.len());
    let at = usize::try_from(dimension).ok().filter(|at| rank == 0 || *at < rank);
    let Some(at) = at else {
        return Some(format!(
            "its quantised dimension is {dimension}, of {}",
            counted(rank, "dimension")
        ));
    };
    let indices = *tensor.shape.get(at)?;
    (scales != 1 && usize::try_from(indices) != Ok(scales)).then(|| {
        let (scales, indices) = (counted(scales, "scale"), counted(i64::from(indices), "element"));
        format!("it has {scales} for dimension {at} of {indices}")
    })
}

fn several_axes(tensor: &Tensor) -> Option<String> {
    let q = tensor.quantization.as_deref()?;
    let QuantizationDetails::MultiAxis { scales, zero_points, block_size, quantized_dimensions } =
        &q.details
    else {
        return None;
    };
    let rank = tensor.shape.len();
    let beyond = |axis: &&i32| usize::try_from(**axis).map_or(true, |axis| axis >= rank);
    if quantized_dimensions.is_empty() {
        return Some("it has scales along several axes, and names none".to_owned());
    }
    if let Some(axis) = quantized_dimensions.iter().find(beyond) {
        return Some(format!("it has scales along axis {axis}, of {rank} dimensions"));
    }
    if *block_size < 0 {
        return Some(format!("its block size is {block_size}"));
    }
    match (scales, zero_points) {
        (TensorLink::Raw(number), _) => Some(format!("its scales are in tensor {number}")),
        (_, TensorLink::Raw(number)) if *number != -1 => {
            Some(format!("its zero points are in tensor {number}"))
        }
        _ => None,
    }
}

const DENSE: i8 = 0;
const COMPRESSED: i8 = 1;

fn sparse_order(sparsity: &Sparsity, tensor: &Tensor) -> Option<String> {
    let levels = sparsity.traversal_order.len();
    if sparsity.dim_metadata.len() < levels {
        let dims = sparsity.dim_metadata.len();
        return Some(format!("its sparsity has {dims} of the {levels} dimensions of its order"));
    }
    let dims = tensor.shape.len() + sparsity.block_map.len();
    let beyond = |at: &&i32| usize::try_from(**at).map_or(true, |at| at >= dims);
    let at = sparsity.traversal_order.iter().find(beyond)?;
    Some(format!("its traversal order names dimension {at}, of {dims} with those of blocks"))
}

enum Stored {
    /// How many elements kernels read.
    Elements(u64),
    /// What lies beyond its list or the shape.
    Beyond(String),
}

/// Follows the levels as kernels do.
fn stored_elements(sparsity: &Sparsity, tensor: &Tensor) -> Stored {
    let mut elements = 1_u64;
    for (level, dim) in
        sparsity.dim_metadata.iter().take(sparsity.traversal_order.len()).enumerate()
    {
        if dim.format == DENSE {
            let size = u64::try_from(dim.dense_size).unwrap_or(0);
            elements = elements.saturating_mul(size);
            continue;
        }
        let (segments, indices) = (numbers(&dim.array_segments), numbers(&dim.array_indices));
        let beyond = |what: &str| Stored::Beyond(format!("{what} of its dimension {level}"));
        let used = usize::try_from(elements).ok().and_then(|n| segments.get(..n.checked_add(1)?));
        let Some(used) = used else { return beyond("there are too few segments") };
        let there = indices.len() as i64;
        if used.iter().any(|at| *at < 0 || *at > there) {
            return beyond("a segment lies beyond the indices");
        }
        if let Some(size) = indices_of(sparsity, tensor, level)
            && indices.iter().any(|at| *at < 0 || *at >= size)
        {
            return beyond(&format!("an index lies beyond the {size}"));
        }
        elements = used.last().map_or(0, |last| *last as u64);
    }
    Stored::Elements(elements)
}

/// How many indices the dimension of a level has, blocks taken for one; `None` for a dimension
/// of blocks, or one that is not there.
fn indices_of(sparsity: &Sparsity, tensor: &Tensor, level: usize) -> Option<i64> {
    let rank = tensor.shape.len();
    let at = usize::try_from(*sparsity.traversal_order.get(level)?).ok()?;
    let size = i64::from(*tensor.shape.get(at)?);
    let block = sparsity.block_map.iter().position(|dim| usize::try_from(*dim) == Ok(at));
    let Some(block) = block else { return Some(size) };
    let of_block = |dim: &i32| usize::try_from(*dim) == Ok(rank + block);
    let level = sparsity.traversal_order.iter().position(of_block)?;
    let block = i64::from(sparsity.dim_metadata.get(level)?.dense_size);
    (block > 0).then(|| size / block)
}

fn numbers(index: &SparseIndex) -> Vec<i64> {
    match index {
        SparseIndex::None => Vec::new(),
        SparseIndex::Int32(list) => list.iter().map(|n| i64::from(*n)).collect(),
        SparseIndex::Uint16(list) => list.iter().map(|n| i64::from(*n)).collect(),
        SparseIndex::Uint8(list) => list.iter().map(|n| i64::from(*n)).collect(),
    }
}
