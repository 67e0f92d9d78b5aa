//! What a way of reading a weight costs on a target.

use crate::facts::condition::Site;
use crate::facts::rows::{KernelSet, Reading};
use crate::facts::tensor_test::type_bit;
use crate::form::WeightForm;
use crate::query::question::{WeightOperand, all_hold};
use crate::target::Target;
use tfq_ir::{ElementType, OpId, Subgraph};

impl Target {
    /// Bytes that the runtime holds for a weight beside the file, in memory of its own: copies in
    /// another order, what a Dequantize keeps. The most that any of the target's kernels holds;
    /// `None` where nothing is known of the op, the operand is no weight, or its size is not known.
    ///
    /// `form` is how the weight is stored, `delegated` whether XNNPACK takes the op when it reads
    /// the codes; for other ways of reading the target knows.
    pub fn held_bytes(
        &self,
        weight: WeightOperand<'_>,
        reading: Reading,
        form: &WeightForm,
        delegated: bool,
    ) -> Option<u64> {
        let question = self.question(weight, form)?;
        let elements = question.tensor().elements()?;
        let delegated = match reading {
            Reading::Hybrid => delegated,
            Reading::Float32 | Reading::Dequantize => {
                self.takes_as_float(weight.module.subgraph(weight.sg), weight.op)
            }
        };
        let ty = match reading {
            Reading::Float32 => ElementType::Float32,
            Reading::Hybrid | Reading::Dequantize => form.ty,
        };
        let mut most: Option<f64> = None;
        for kernels in &self.kernels {
            let bytes = self.bytes_per_element(question.code, reading, ty, *kernels, delegated)?;
            most = Some(most.map_or(bytes, |most| most.max(bytes)));
        }
        most.map(|bytes| (bytes * elements as f64).ceil() as u64)
    }

    /// Whether XNNPACK takes the op with float32 weights, its own or dequantised ones.
    pub fn takes_as_float(&self, graph: &Subgraph, op: OpId) -> bool {
        if !self.kernels.contains(&KernelSet::Xnnpack) {
            return false;
        }
        let when = self.entry_of(graph, op).and_then(|entry| entry.delegated_as_float.as_deref());
        when.is_some_and(|when| all_hold(when, &Site::bare(graph, op)))
    }

    fn bytes_per_element(
        &self,
        code: i32,
        reading: Reading,
        ty: ElementType,
        kernels: KernelSet,
        delegated: bool,
    ) -> Option<f64> {
        let row = |kernels: KernelSet| {
            self.memory.iter().find(|row| {
                row.read == reading
                    && row.types & type_bit(ty) != 0
                    && (row.kernels.is_empty() || row.kernels.contains(&kernels))
                    && (row.ops.is_empty() || row.ops.contains(&code))
            })
        };
        // What XNNPACK does not take runs on the optimised kernels.
        let own = Some(kernels).filter(|kernels| *kernels != KernelSet::Xnnpack || delegated);
        let row = own.and_then(row).or_else(|| row(KernelSet::Optimized));
        row.map(|row| row.bytes)
    }
}
