//! Models of ops that move, look up and make elements.

use crate::families::Family;
use crate::maker::{Form, Maker, Numbers};

/// Types that ops take which look at no numbers.
const ANY: &[&str] = &["f32", "f16", "i8", "i16", "i32", "i64", "u8", "bool", "i8q", "i16q"];

fn form(m: &mut Maker, ty: &'static str, dims: &[usize]) -> Form {
    let base = ty.trim_end_matches('q');
    let q = if ty.ends_with('q') { m.scale(base) } else { String::new() };
    Form::new(base, dims).q(q)
}

pub(crate) fn families() -> Vec<Family> {
    let mut all = Vec::new();
    let mut add = |op: &'static str, types: &[&'static str], make: fn(&mut Maker, &'static str)| {
        for ty in types {
            let ty = *ty;
            all.push(Family::new(op, ty, move |m| make(m, ty)));
        }
    };
    add("RESHAPE", ANY, |m, ty| {
        let dims = m.dims(3);
        let x = form(m, ty, &dims);
        let (name, y) = (m.input(&x, Numbers::Any), x.clone());
        let to = m.ints("i32", &[-1, dims[1] as i64]);
        m.op("RESHAPE", &[&name, &to], "", &[y]);
    });
    add("SQUEEZE", &["f32", "i8q"], |m, ty| {
        let mut dims = m.dims(4);
        dims[1] = 1;
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let attrs = if m.rng.bool() { "squeeze_dims = [1]" } else { "" };
        m.op("SQUEEZE", &[&name], attrs, &[x]);
    });
    add("EXPAND_DIMS", ANY, |m, ty| {
        let dims = m.dims(2);
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let axis = m.rng.i64(-3..3);
        let axis = m.ints("i32", &[axis]);
        m.op("EXPAND_DIMS", &[&name, &axis], "", &[x]);
    });
    add("TRANSPOSE", ANY, |m, ty| {
        let rank = m.rng.usize(1..6);
        let dims = m.dims(rank);
        let mut order: Vec<i64> = (0..rank as i64).collect();
        m.rng.shuffle(&mut order);
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let order = m.ints("i32", &order);
        m.op("TRANSPOSE", &[&name, &order], "", &[x]);
    });
    add("SLICE", ANY, |m, ty| {
        let rank = m.rng.usize(1..5);
        let dims = m.dims(rank);
        let begin: Vec<i64> = dims.iter().map(|d| m.rng.i64(0..*d as i64)).collect();
        let size: Vec<i64> = dims
            .iter()
            .zip(&begin)
            .map(|(d, b)| if m.rng.bool() { -1 } else { m.rng.i64(0..=*d as i64 - b) })
            .collect();
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let index = m.pick(&["i32", "i64"]);
        let (begin, size) = (m.ints(index, &begin), m.ints(index, &size));
        m.op("SLICE", &[&name, &begin, &size], "", &[x]);
    });
    add("STRIDED_SLICE", ANY, |m, ty| {
        let rank = m.rng.usize(1..5);
        let dims = m.dims(rank);
        let entries = m.rng.usize(1..=rank);
        let (mut begin, mut end, mut strides) = (vec![], vec![], vec![]);
        let mut masks = [0_u32; 5];
        let ellipsis = m.chance(1, 5).then(|| m.rng.usize(..entries));
        let mut shrink = 0;
        for (n, d) in dims.iter().enumerate().take(entries) {
            let d = *d as i64;
            let stride = m.pick(&[1, 1, 2, -1, -2]);
            begin.push(m.rng.i64(-d..d));
            end.push(m.rng.i64(-d - 1..=d + 1));
            strides.push(stride);
            for mask in &mut masks[..2] {
                *mask |= u32::from(m.chance(1, 4)) << n;
            }
            if m.chance(1, 6) && ellipsis.is_none() && masks[0] >> n & 1 == 0 {
                shrink |= 1 << n;
            }
        }
        let new_axis = if m.chance(1, 5) { 1 << (entries - 1) } else { 0 };
        let ellipsis = ellipsis.map_or(0, |n| 1 << n);
        let attrs = format!(
            "begin_mask = {}, end_mask = {}, ellipsis_mask = {ellipsis}, new_axis_mask = {new_axis}, shrink_axis_mask = {shrink}",
            masks[0], masks[1]
        );
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let lists = [&begin, &end, &strides].map(|list| m.ints("i32", list));
        m.op("STRIDED_SLICE", &[&name, &lists[0], &lists[1], &lists[2]], &attrs, &[x]);
    });
    add("REVERSE_V2", ANY, |m, ty| {
        let dims = m.dims(3);
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let axis = m.rng.i64(-3..3);
        let axis = m.ints("i32", &[axis]);
        m.op("REVERSE_V2", &[&name, &axis], "", &[x]);
    });
    add("BROADCAST_TO.v2", ANY, |m, ty| {
        let mut dims = m.dims(3);
        let to: Vec<i64> = dims.iter().map(|d| *d as i64).collect();
        for dim in &mut dims {
            if m.rng.bool() {
                *dim = 1;
            }
        }
        let from = m.rng.usize(..3);
        let x = form(m, ty, &dims[from..]);
        let name = m.input(&x, Numbers::Any);
        let to = m.ints("i32", &to);
        m.op("BROADCAST_TO.v2", &[&name, &to], "", &[x]);
    });
    add("TILE", ANY, |m, ty| {
        let dims = m.dims(3);
        let times: Vec<i64> = (0..3).map(|_| m.rng.i64(0..4)).collect();
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let times = m.ints("i32", &times);
        m.op("TILE", &[&name, &times], "", &[x]);
    });
    add(
        "CONCATENATION",
        &["f32", "i8", "i16", "i32", "i64", "u8", "bool", "i8q", "u8q"],
        |m, ty| {
            let dims = m.dims(3);
            let axis = m.rng.i64(-3..3);
            let x = form(m, ty, &dims);
            let names: Vec<String> = (0..m.rng.usize(1..4))
                .map(|_| {
                    let mut other = x.clone();
                    other.dims[axis.rem_euclid(3) as usize] = m.rng.usize(1..4);
                    m.input(&other, Numbers::Any)
                })
                .collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            m.op("CONCATENATION", &names, &format!("axis = {axis}"), &[x]);
        },
    );
    add("PACK", &["f32", "i8", "i16", "i32", "i64", "u8", "u32", "i8q"], |m, ty| {
        let dims = m.dims(2);
        let x = form(m, ty, &dims);
        let names: Vec<String> =
            (0..m.rng.usize(1..4)).map(|_| m.input(&x, Numbers::Any)).collect();
        let (count, axis) = (names.len(), m.rng.i64(-3..3));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        m.op("PACK", &names, &format!("values_count = {count}, axis = {axis}"), &[x]);
    });
    add("UNPACK", &["f32", "i8", "i16", "i32", "u8", "bool", "i8q"], |m, ty| {
        let dims = m.dims(3);
        let axis = m.rng.i64(-3..3);
        let count = dims[axis.rem_euclid(3) as usize];
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let results = vec![x; count];
        m.op("UNPACK", &[&name], &format!("num = {count}, axis = {axis}"), &results);
    });
    add("SPLIT", &["f32", "i8", "i16", "i32", "i64", "u8", "i8q"], |m, ty| {
        let mut dims = m.dims(3);
        let axis = m.rng.i64(-3..3);
        let parts = m.rng.usize(1..4);
        dims[axis.rem_euclid(3) as usize] = parts * m.rng.usize(1..3);
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let axis = m.ints("i32", &[axis]);
        let results = vec![x; parts];
        m.op("SPLIT", &[&axis, &name], &format!("num_splits = {parts}"), &results);
    });
    add("SPLIT_V", &["f32", "i8", "i32", "i64", "i8q"], |m, ty| {
        let mut dims = m.dims(3);
        let axis = m.rng.i64(-3..3);
        let mut sizes: Vec<i64> = (0..m.rng.usize(1..4)).map(|_| m.rng.i64(0..3)).collect();
        dims[axis.rem_euclid(3) as usize] = sizes.iter().sum::<i64>() as usize;
        if m.rng.bool() {
            sizes[0] = -1;
        }
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let results = vec![x; sizes.len()];
        let (count, sizes) = (sizes.len(), m.ints("i32", &sizes));
        let axis = m.ints("i32", &[axis]);
        m.op("SPLIT_V", &[&name, &sizes, &axis], &format!("num_splits = {count}"), &results);
    });
    add("SPACE_TO_DEPTH", &["f32", "i8", "i32", "i64", "u8", "i8q"], |m, ty| {
        let (b, dims) = (m.rng.usize(1..4), m.dims(4));
        let dims = [dims[0], dims[1] * b, dims[2] * b, dims[3]];
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        m.op("SPACE_TO_DEPTH", &[&name], &format!("block_size = {b}"), &[x]);
    });
    add("DEPTH_TO_SPACE", &["f32", "i8", "i32", "i64", "u8", "i8q"], |m, ty| {
        let (b, dims) = (m.rng.usize(1..4), m.dims(4));
        let dims = [dims[0], dims[1], dims[2], dims[3] * b * b];
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        m.op("DEPTH_TO_SPACE", &[&name], &format!("block_size = {b}"), &[x]);
    });
    paddings(&mut add);
    lookups(&mut add);
    making(&mut add);
    all
}

type Add<'a> = &'a mut dyn FnMut(&'static str, &[&'static str], fn(&mut Maker, &'static str));

fn pads(m: &mut Maker, rank: usize, most: i64) -> String {
    let pads: Vec<i64> = (0..2 * rank).map(|_| m.rng.i64(0..=most)).collect();
    let values: Vec<String> = pads.iter().map(i64::to_string).collect();
    let ty = m.pick(&["i32", "i64"]);
    m.constant(&Form::new(ty, &[rank, 2]), &values)
}

fn paddings(add: Add<'_>) {
    add("PAD", ANY, |m, ty| {
        let rank = m.rng.usize(1..5);
        let dims = m.dims(rank);
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let pads = pads(m, rank, 2);
        m.op("PAD", &[&name, &pads], "", &[x]);
    });
    add("PADV2", ANY, |m, ty| {
        let rank = m.rng.usize(1..5);
        let dims = m.dims(rank);
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let pads = pads(m, rank, 2);
        let fill = m.input(&Form { dims: vec![1], ..x.clone() }, Numbers::Any);
        m.op("PADV2", &[&name, &pads, &fill], "", &[x]);
    });
    add("STABLEHLO_PAD", &["f32", "f16", "i8", "i32", "i64", "bool"], |m, ty| {
        let rank = m.rng.usize(1..4);
        let dims: Vec<usize> = m.dims(rank).iter().map(|d| d + 1).collect();
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let fill = m.input(&Form { dims: vec![], ..x.clone() }, Numbers::Any);
        let mut list = |low: i64, high: i64| {
            let all: Vec<String> = (0..rank).map(|_| m.rng.i64(low..high).to_string()).collect();
            all.join(", ")
        };
        let (low, high, interior) = (list(-1, 3), list(-1, 3), list(0, 3));
        let attrs = format!(
            "edge_padding_low = [{low}], edge_padding_high = [{high}], interior_padding = [{interior}]"
        );
        m.op("STABLEHLO_PAD", &[&name, &fill], &attrs, &[x]);
    });
    add("MIRROR_PAD", ANY, |m, ty| {
        let rank = m.rng.usize(1..4);
        let dims: Vec<usize> = m.dims(rank).iter().map(|d| d + 2).collect();
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let pads = pads(m, rank, 2);
        let mode = m.pick(&["mode = REFLECT", "mode = SYMMETRIC"]);
        m.op("MIRROR_PAD", &[&name, &pads], mode, &[x]);
    });
    add("SPACE_TO_BATCH_ND", &["f32", "i8", "i32", "i64", "u8", "i8q", "u8q"], |m, ty| {
        let spatial = m.rng.usize(1..3);
        let mut dims = m.dims(spatial + 2);
        let (mut block, mut pads) = (vec![], vec![]);
        for dim in &mut dims[1..=spatial] {
            let (b, before, after) = (m.rng.i64(1..4), m.rng.i64(0..2), m.rng.i64(0..2));
            *dim = (*dim as i64 * b + (before + after).rem_euclid(b)) as usize;
            let rest = (*dim as i64 + before + after).rem_euclid(b);
            let after = after + if rest == 0 { 0 } else { b - rest };
            block.push(b);
            pads.extend([before.to_string(), after.to_string()]);
        }
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let block = m.ints("i32", &block);
        let pads = m.constant(&Form::new("i32", &[spatial, 2]), &pads);
        m.op("SPACE_TO_BATCH_ND", &[&name, &block, &pads], "", &[x]);
    });
    add("BATCH_TO_SPACE_ND", &["f32", "i8", "i32", "i64", "u8", "i8q"], |m, ty| {
        let spatial = m.rng.usize(1..3);
        let mut dims = m.dims(spatial + 2);
        let (mut block, mut crops) = (vec![], vec![]);
        for n in 1..=spatial {
            let b = m.rng.i64(1..3);
            dims[0] *= b as usize;
            dims[n] += 1;
            block.push(b);
            crops.extend([m.rng.i64(0..2).to_string(), m.rng.i64(0..2).to_string()]);
        }
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let block = m.ints("i32", &block);
        let crops = m.constant(&Form::new("i32", &[spatial, 2]), &crops);
        m.op("BATCH_TO_SPACE_ND", &[&name, &block, &crops], "", &[x]);
    });
}

fn lookups(add: Add<'_>) {
    add("GATHER", &["f32", "f16", "i8", "i16", "i32", "i64", "u8", "bool", "i8q"], |m, ty| {
        let dims = m.dims(3);
        let axis = m.rng.usize(..3);
        let batch = m.rng.usize(..=axis);
        let mut shape = dims[..batch].to_vec();
        let more = m.rng.usize(..3);
        shape.extend(m.dims(more));
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let index = m.pick(&["i32", "i64"]);
        let at = m.input(&Form::new(index, &shape), Numbers::Below(dims[axis] as i64));
        let axis = if m.rng.bool() { axis as i64 } else { axis as i64 - 3 };
        m.op("GATHER", &[&name, &at], &format!("axis = {axis}, batch_dims = {batch}"), &[x]);
    });
    add("GATHER_ND", &["f32", "i8", "i16", "i32", "i64", "u8", "bool", "i8q"], |m, ty| {
        let dims = m.dims(3);
        let depth = m.rng.usize(1..4);
        let least = *dims[..depth].iter().min().unwrap();
        let (index, count) = (m.pick(&["i32", "i64"]), m.rng.usize(1..5));
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let at = m.input(&Form::new(index, &[count, depth]), Numbers::Below(least as i64));
        m.op("GATHER_ND", &[&name, &at], "", &[x]);
    });
    add("SCATTER_ND", &["f32", "i8", "i32", "i64", "u8", "bool"], |m, ty| {
        let dims = m.dims(3);
        let depth = m.rng.usize(1..4);
        let least = *dims[..depth].iter().min().unwrap();
        let count = m.rng.usize(1..5);
        let mut shape = vec![count];
        shape.extend_from_slice(&dims[depth..]);
        let at = m.input(&Form::new("i32", &[count, depth]), Numbers::Below(least as i64));
        let x = form(m, ty, &shape);
        let updates = m.input(&x, Numbers::Any);
        let shape: Vec<i64> = dims.iter().map(|d| *d as i64).collect();
        let shape = m.ints("i32", &shape);
        m.op("SCATTER_ND", &[&at, &updates, &shape], "", &[x]);
    });
    add("DYNAMIC_UPDATE_SLICE", &["f32", "f16", "i8", "i32", "i64", "bool", "i8q"], |m, ty| {
        let dims = m.dims(3);
        let part: Vec<usize> = dims.iter().map(|d| m.rng.usize(1..=*d)).collect();
        let x = form(m, ty, &dims);
        let part = Form { dims: part, ..x.clone() };
        let name = m.input(&x, Numbers::Any);
        let update = m.input(&part, Numbers::Any);
        let start = m.input(&Form::new("i32", &[3]), Numbers::Plain);
        m.op("DYNAMIC_UPDATE_SLICE", &[&name, &update, &start], "", &[x]);
    });
    add("EMBEDDING_LOOKUP", &["f32", "f16", "i32"], |m, ty| {
        let dims = m.dims(2);
        let count = m.rng.usize(1..5);
        let at = m.input(&Form::new("i32", &[count]), Numbers::Below(dims[0] as i64));
        let x = form(m, ty, &dims);
        let name = m.input(&x, Numbers::Any);
        m.op("EMBEDDING_LOOKUP", &[&at, &name], "", &[x]);
    });
    add("ONE_HOT", &["f32", "i8", "i32", "i64", "u8", "bool"], |m, ty| {
        let rank = m.rng.usize(..3);
        let dims = m.dims(rank);
        let index = m.pick(&["i32", "i64"]);
        let at = m.input(&Form::new(index, &dims), Numbers::Below(5));
        let depth = m.constant(&Form::new("i32", &[]), &["4".to_owned()]);
        let (on, off) = (form(m, ty, &[]), form(m, ty, &[]));
        let (a, b) = (m.input(&on, Numbers::Any), m.input(&off, Numbers::Any));
        let axis = m.rng.i64(-1..=rank as i64);
        m.op("ONE_HOT", &[&at, &depth, &a, &b], &format!("axis = {axis}"), &[on]);
    });
    add("WHERE", &["bool", "f32", "i8", "u8", "i32", "u32", "i64"], |m, ty| {
        let rank = m.rng.usize(1..4);
        let x = Form::new(ty, &m.dims(rank));
        let name = m.input(&x, Numbers::Below(2));
        m.op("WHERE", &[&name], "", &[Form::new("i64", &[])]);
    });
    add("UNIQUE", &["i8", "i16", "i32", "i64", "u8"], |m, ty| {
        let x = Form::new(ty, &m.dims(1));
        let name = m.input(&x, Numbers::Below(3));
        m.op("UNIQUE", &[&name], "idx_out_type = INT32", &[x, Form::new("i32", &[])]);
    });
    add("TOPK_V2", &["f32", "i8", "i16", "i32", "i64", "u8"], |m, ty| {
        let dims = m.dims(2);
        let x = Form::new(ty, &dims);
        let numbers = m.pick(&[Numbers::Any, Numbers::Below(4)]);
        let name = m.input(&x, numbers);
        let k = m.rng.usize(0..=dims[1]).to_string();
        let k = m.constant(&Form::new("i32", &[]), &[k]);
        m.op("TOPK_V2", &[&name, &k], "", &[x, Form::new("i32", &[])]);
    });
    fn arg(m: &mut Maker, op: &str, ty: &'static str) {
        let dims = m.dims(3);
        let x = form(m, ty, &dims);
        let numbers = m.pick(&[Numbers::Any, Numbers::Below(4)]);
        let name = m.input(&x, numbers);
        let axis = m.rng.i64(-3..3);
        let axis = m.ints("i32", &[axis]);
        let wide = m.rng.bool();
        let (attr, y) = if wide { ("INT64", "i64") } else { ("INT32", "i32") };
        m.op(op, &[&name, &axis], &format!("output_type = {attr}"), &[Form::new(y, &[])]);
    }
    add("ARG_MAX", &["f32", "i8", "u8", "i32", "bool", "i8q"], |m, ty| arg(m, "ARG_MAX", ty));
    add("ARG_MIN", &["f32", "i8", "u8", "i32", "bool", "i8q"], |m, ty| arg(m, "ARG_MIN", ty));
    add("CUMSUM", &["f32", "i32", "i64"], |m, ty| {
        let x = Form::new(ty, &m.dims(3));
        let name = m.input(&x, Numbers::Plain);
        let axis = m.rng.i64(-3..3).to_string();
        let axis = m.constant(&Form::new("i32", &[]), &[axis]);
        let (exclusive, reverse) = (m.rng.bool(), m.rng.bool());
        m.op(
            "CUMSUM",
            &[&name, &axis],
            &format!("exclusive = {exclusive}, reverse = {reverse}"),
            &[x],
        );
    });
    add("REVERSE_SEQUENCE", &["f32", "i16", "i32", "i64", "u8"], |m, ty| {
        let dims = m.dims(3);
        let x = Form::new(ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let (sequence, batch) = m.pick(&[(0, 1), (1, 0), (2, 0), (1, 2), (0, 2)]);
        let lengths: Vec<i64> =
            (0..dims[batch]).map(|_| m.rng.i64(0..=dims[sequence] as i64)).collect();
        let lengths = m.ints("i32", &lengths);
        m.op(
            "REVERSE_SEQUENCE",
            &[&name, &lengths],
            &format!("seq_dim = {sequence}, batch_dim = {batch}"),
            &[x],
        );
    });
    fn segments(m: &mut Maker, op: &str, ty: &'static str) {
        let dims = m.dims(2);
        let x = Form::new(ty, &dims);
        let name = m.input(&x, Numbers::Plain);
        let ids = m.input(&Form::new("i32", &[dims[0]]), Numbers::Below(3));
        let count = m.constant(&Form::new("i32", &[1]), &["3".to_owned()]);
        m.op(op, &[&name, &ids, &count], "", &[x]);
    }
    add("UNSORTED_SEGMENT_SUM", &["f32", "i32"], |m, ty| segments(m, "UNSORTED_SEGMENT_SUM", ty));
    add("UNSORTED_SEGMENT_PROD", &["f32", "i32"], |m, ty| segments(m, "UNSORTED_SEGMENT_PROD", ty));
    add("UNSORTED_SEGMENT_MAX", &["f32", "i32"], |m, ty| segments(m, "UNSORTED_SEGMENT_MAX", ty));
    add("UNSORTED_SEGMENT_MIN", &["f32", "i32"], |m, ty| segments(m, "UNSORTED_SEGMENT_MIN", ty));
    add("SPARSE_TO_DENSE", &["f32", "i8", "i32", "i64", "u8"], |m, ty| {
        let at = m.ints("i32", &[0, 2, 3]);
        let shape = m.ints("i32", &[5]);
        let x = Form::new(ty, &[3]);
        let values = m.input(&x, Numbers::Any);
        let fill = m.input(&Form::new(ty, &[]), Numbers::Any);
        m.op("SPARSE_TO_DENSE", &[&at, &shape, &values, &fill], "", &[x]);
    });
}

fn making(add: Add<'_>) {
    add("SHAPE", &["f32", "i8"], |m, ty| {
        let rank = m.rng.usize(1..4);
        let x = Form::new(ty, &m.dims(rank));
        let name = m.input(&x, Numbers::Any);
        let (attr, y) = m.pick(&[("INT32", "i32"), ("INT64", "i64")]);
        m.op("SHAPE", &[&name], &format!("out_type = {attr}"), &[Form::new(y, &[])]);
    });
    add("RANK", &["f32"], |m, ty| {
        let rank = m.rng.usize(..4);
        let x = Form::new(ty, &m.dims(rank));
        let name = m.input(&x, Numbers::Any);
        m.op("RANK", &[&name], "", &[Form::new("i32", &[])]);
    });
    add("FILL", &["f32", "i8", "i16", "i32", "i64", "bool"], |m, ty| {
        let dims: Vec<i64> = m.dims(2).iter().map(|d| *d as i64).collect();
        let shape = m.ints("i32", &dims);
        let x = Form::new(ty, &[]);
        let value = m.input(&x, Numbers::Any);
        m.op("FILL", &[&shape, &value], "", &[x]);
    });
    add("RANGE", &["f32", "i32", "i64"], |m, ty| {
        let x = Form::new(ty, &[]);
        let numbers = if ty == "f32" { ["0.1", "2.7", "0.3"] } else { ["-3", "8", "2"] };
        let [a, b, c] = numbers.map(|n| m.constant(&x, &[n.to_owned()]));
        m.op("RANGE", &[&a, &b, &c], "", &[x]);
    });
    // Where nothing has more than one element, the kernel keeps the shape that the file says.
    add("SELECT", ANY, |m, ty| {
        let dims: Vec<usize> = m.dims(2).iter().map(|d| d + 1).collect();
        let condition = m.pick(&[2, 1, 0]);
        let x = form(m, ty, &dims);
        let condition = m.input(&Form::new("bool", &dims[..condition]), Numbers::Any);
        let (a, b) = (m.input(&x, Numbers::Any), m.input(&x, Numbers::Any));
        m.op("SELECT", &[&condition, &a, &b], "", &[x]);
    });
    add("SELECT_V2", ANY, |m, ty| {
        let dims: Vec<usize> = m.dims(3).iter().map(|d| d + 1).collect();
        let broadcast = |m: &mut Maker| {
            let mut dims: Vec<usize> =
                dims.iter().map(|d| if m.chance(1, 3) { 1 } else { *d }).collect();
            dims.drain(..m.rng.usize(..3));
            dims
        };
        let (a, b, c) = (dims.clone(), broadcast(m), broadcast(m));
        let x = form(m, ty, &a);
        let condition = m.input(&Form::new("bool", &c), Numbers::Any);
        let other = Form { dims: b, ..x.clone() };
        let (a, b) = (m.input(&x, Numbers::Any), m.input(&other, Numbers::Any));
        m.op("SELECT_V2", &[&condition, &a, &b], "", &[x]);
    });
    add(
        "CAST",
        &["f32", "f16", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "bool"],
        |m, ty| {
            let x = Form::new(ty, &m.dims(2));
            let name = m.input(&x, Numbers::Any);
            for to in ["f32", "f16", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "bool"] {
                m.op("CAST", &[&name], "", &[Form::new(to, &[])]);
            }
        },
    );
    // The Python binding has no bfloat16, so it comes and goes by way of float32.
    add("CAST bf16", &["f32"], |m, ty| {
        let x = Form::new(ty, &m.dims(2));
        let name = m.input(&x, Numbers::Any);
        let [a, b] = [
            m.inside("CAST", &[&name], Form::new("bf16", &[])),
            m.inside("NEG", &[&name], x.clone()),
        ];
        let b = m.inside("CAST", &[&b], Form::new("bf16", &[]));
        for (op, operands) in [("FLOOR", &[&a][..]), ("MAXIMUM", &[&a, &b]), ("MINIMUM", &[&a, &b])]
        {
            let operands: Vec<&str> = operands.iter().map(|name| name.as_str()).collect();
            let made = m.inside(op, &operands, Form::new("bf16", &[]));
            m.op("CAST", &[&made], "", std::slice::from_ref(&x));
        }
        m.op("CAST", &[&a], "", &[Form::new("i32", &[])]);
    });
    add("BITCAST", &["f32", "i32"], |m, ty| {
        let x = Form::new(ty, &m.dims(2));
        let name = m.input(&x, Numbers::Any);
        for to in ["f32", "i32", "u32", "u8", "i16"] {
            m.op("BITCAST", &[&name], "", &[Form::new(to, &[])]);
        }
    });
    add("MATRIX_DIAG", &["f32", "i8", "i32"], |m, ty| {
        let x = Form::new(ty, &m.dims(2));
        let name = m.input(&x, Numbers::Any);
        m.op("MATRIX_DIAG", &[&name], "", &[x]);
    });
    add("MATRIX_SET_DIAG", &["f32", "i8", "i32"], |m, ty| {
        let dims = m.dims(3);
        let x = Form::new(ty, &dims);
        let name = m.input(&x, Numbers::Any);
        let diagonal = Form::new(ty, &[dims[0], dims[1].min(dims[2])]);
        let diagonal = m.input(&diagonal, Numbers::Any);
        m.op("MATRIX_SET_DIAG", &[&name, &diagonal], "", &[x]);
    });
    add("DILATE", &["f32", "i8", "i32"], |m, ty| {
        let x = Form::new(ty, &m.dims(2));
        let name = m.input(&x, Numbers::Any);
        let factors: Vec<i64> = (0..2).map(|_| m.rng.i64(1..4)).collect();
        let factors = m.ints("i32", &factors);
        let fill = m.input(&Form::new(ty, &[]), Numbers::Any);
        m.op("DILATE", &[&name, &factors, &fill], "", &[x]);
    });
    add("BUCKETIZE", &["f32", "f64", "i32", "i64"], |m, ty| {
        let x = Form::new(ty, &m.dims(2));
        let name = m.input(&x, Numbers::Any);
        m.op("BUCKETIZE", &[&name], "boundaries = [-1.0, 0.0, 0.5, 2.0]", &[Form::new("i32", &[])]);
    });
    add("BROADCAST_ARGS", &["i32", "i64"], |m, ty| {
        let (a, b) = (m.ints(ty, &[3, 1, 2]), m.ints(ty, &[4, 1]));
        m.op("BROADCAST_ARGS", &[&a, &b], "", &[Form::new(ty, &[])]);
    });
    add("QUANTIZE", &["i8", "u8", "i16"], |m, ty| {
        let x = Form::new("f32", &m.dims(2));
        let name = m.input(&x, Numbers::Plain);
        let scale = m.scale(ty);
        m.op("QUANTIZE", &[&name], "", &[Form::new(ty, &[]).q(scale)]);
        let columns = x.dims[1];
        let scales: Vec<String> =
            (0..columns).map(|n| format!("{}", 0.05 + 0.1 * n as f32)).collect();
        let scales = format!(" q([{}], axis = 1)", scales.join(", "));
        m.op("QUANTIZE", &[&name], "", &[Form::new(ty, &[]).q(scales)]);
    });
    add("QUANTIZE codes", &["i8", "u8", "i16"], |m, ty| {
        let dims = m.dims(2);
        let scale = m.scale(ty);
        let x = Form::new(ty, &dims).q(scale);
        let name = m.input(&x, Numbers::Any);
        let other = if ty == "i16" { "i16" } else { "u8" };
        for to in ["i8", other] {
            let scale = m.scale(to);
            m.op("QUANTIZE", &[&name], "", &[Form::new(to, &[]).q(scale)]);
        }
    });
    add("DEQUANTIZE", &["i8", "u8", "i16", "f16"], |m, ty| {
        let dims = m.dims(2);
        let scale = if ty == "f16" { String::new() } else { m.scale(ty) };
        let x = Form::new(ty, &dims).q(scale);
        let name = m.input(&x, Numbers::Any);
        m.op("DEQUANTIZE", &[&name], "", &[Form::new("f32", &[])]);
    });
    add("DEQUANTIZE channels", &["i8"], |m, ty| {
        let dims = m.dims(2);
        let scales: Vec<String> =
            (0..dims[1]).map(|n| format!("{}", 0.05 + 0.1 * n as f32)).collect();
        let x = Form::new(ty, &dims).q(format!(" q([{}], axis = 1)", scales.join(", ")));
        let name = m.input(&x, Numbers::Any);
        m.op("DEQUANTIZE", &[&name], "", &[Form::new("f32", &[])]);
    });
    add("FAKE_QUANT", &["f32"], |m, ty| {
        let x = Form::new(ty, &m.dims(2));
        let name = m.input(&x, Numbers::Plain);
        let (min, max) = (m.pick(&[-1.0_f32, -0.37, 0.0]), m.pick(&[1.0_f32, 6.3]));
        let bits = m.pick(&[8, 4, 16]);
        m.op(
            "FAKE_QUANT",
            &[&name],
            &format!("min = {min:?}, max = {max:?}, num_bits = {bits}"),
            &[x],
        );
    });
}
