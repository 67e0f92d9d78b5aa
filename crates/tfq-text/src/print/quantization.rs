//! Quantisation and sparsity.

use super::printer::{Printed, Printer};
use crate::Level;
use std::fmt::Write;
use tfq_ir::{Quantization, QuantizationDetails, SparseIndex, Sparsity, TensorLink};

impl Printer<'_> {
    pub(super) fn quantization(&mut self, place: &Printed<'_>, q: &Quantization) {
        let ranges = self.level >= Level::Hash && (!q.min.is_empty() || !q.max.is_empty());
        let nothing = q.scale.is_empty()
            && q.zero_point.is_empty()
            && q.details == QuantizationDetails::None
            && !ranges;
        // An empty table is noted where the layout is.
        if nothing && (self.level < Level::Full || q.quantized_dimension == 0) {
            return;
        }
        self.out.push_str(" q(");
        let mut items = 0;
        let plain = q.zero_point.len() == q.scale.len() && q.zero_point.iter().all(|z| *z == 0);
        if !q.scale.is_empty() || !plain {
            self.list(&q.scale);
            items += 1;
        }
        if !plain {
            self.out.push_str(", ");
            match q.zero_point[..] {
                // Without brackets it would count for all scales.
                [zero] if q.scale.len() != 1 => _ = write!(self.out, "[{zero}]"),
                _ => self.list(&q.zero_point),
            }
        }
        let mut item = |out: &mut String, name: &str| {
            if items > 0 {
                out.push_str(", ");
            }
            items += 1;
            out.push_str(name);
        };
        if q.quantized_dimension != 0 || q.scale.len() > 1 {
            item(&mut self.out, "axis = ");
            _ = write!(self.out, "{}", q.quantized_dimension);
        }
        match &q.details {
            QuantizationDetails::None => (),
            QuantizationDetails::Custom(bytes) => {
                item(&mut self.out, "custom(");
                self.blob(bytes);
                self.out.push(')');
            }
            QuantizationDetails::Blockwise { scales, zero_points, block_size, block_shape } => {
                item(&mut self.out, "blockwise(");
                self.linked(place, scales, zero_points, *block_size);
                if !block_shape.is_empty() {
                    self.out.push_str(", block_shape = ");
                    self.every(block_shape);
                }
                self.out.push(')');
            }
            QuantizationDetails::MultiAxis {
                scales,
                zero_points,
                block_size,
                quantized_dimensions,
            } => {
                item(&mut self.out, "multi_axis(");
                self.linked(place, scales, zero_points, *block_size);
                self.out.push_str(", axes = ");
                self.every(quantized_dimensions);
                self.out.push(')');
            }
        }
        if ranges {
            for (name, list) in [("min = ", &q.min), ("max = ", &q.max)] {
                if !list.is_empty() {
                    item(&mut self.out, name);
                    self.list(list);
                }
            }
        }
        self.out.push(')');
    }

    pub(super) fn linked(
        &mut self,
        place: &Printed<'_>,
        scales: &TensorLink,
        zeros: &TensorLink,
        size: i32,
    ) {
        self.out.push_str("scales = ");
        self.local_link(place, scales);
        self.out.push_str(", zero_points = ");
        self.local_link(place, zeros);
        if size != 0 {
            _ = write!(self.out, ", block_size = {size}");
        }
    }

    pub(super) fn sparsity(&mut self, sparsity: &Sparsity) {
        self.out.push_str(" sparse(order = ");
        self.every(&sparsity.traversal_order);
        if !sparsity.block_map.is_empty() {
            self.out.push_str(", blocks = ");
            self.every(&sparsity.block_map);
        }
        for dim in &sparsity.dim_metadata {
            self.out.push_str(", ");
            match dim.format {
                0 => self.out.push_str("dense("),
                1 => self.out.push_str("csr("),
                other => _ = write!(self.out, "dim({other}, "),
            }
            _ = write!(self.out, "{}", dim.dense_size);
            for (name, index) in
                [("segments", &dim.array_segments), ("indices", &dim.array_indices)]
            {
                if *index != SparseIndex::None {
                    _ = write!(self.out, ", {name} = ");
                }
                match index {
                    SparseIndex::None => (),
                    SparseIndex::Int32(list) => {
                        self.out.push_str("i32 ");
                        self.steering_list(list);
                    }
                    SparseIndex::Uint16(list) => {
                        self.out.push_str("u16 ");
                        self.steering_list(list);
                    }
                    SparseIndex::Uint8(list) => {
                        self.out.push_str("u8 ");
                        self.steering_list(list);
                    }
                }
            }
            self.out.push(')');
        }
        self.out.push(')');
    }
}
