//! Products of matrices.

use super::quantized_sums::{self, Factors};
use super::unary::multiplier;
use super::window::bias;
use crate::NotEvaluated;
use crate::call::{Call, Made, codes_of};
use crate::element::stored;
use crate::math::activation::{bounds, clamp};
use crate::walk::{Walk, broadcast_steps, product};
use tfq_ir::ElementType::{Float32, Int8, Int16, UInt8};

/// Rows of the first operand by rows of the second.
pub(crate) fn fully_connected(call: &mut Call<'_>) -> Made {
    let [outputs, depth] = *call.operand(1)?.shape() else {
        return Err(NotEvaluated::Operands { why: "the weights are no matrix" });
    };
    if call.attr("weights_format") != 0 {
        return Err(call.bad_attr("weights_format"));
    }
    let results = product(call.shape(0)?);
    let rows = results.checked_div(outputs).unwrap_or(0);
    if rows * depth != call.operand(0)?.elements() {
        return Err(NotEvaluated::Operands { why: "the elements fill no rows" });
    }
    let work = (results as u64).checked_mul(depth as u64).ok_or(NotEvaluated::Budget)?;
    call.budget.take_work(work)?;
    match (call.ty(0)?, call.ty(1)?) {
        (Float32, Float32) => {
            let (x, w) = (call.operand(0)?.view::<f32>(), call.operand(1)?.view::<f32>());
            let bias = bias(call, 2, outputs)?;
            let bounds = bounds(call.activation()?);
            let mut out = Vec::with_capacity(results);
            for row in 0..rows {
                for (channel, bias) in bias.iter().enumerate() {
                    let mut sum = 0.0;
                    for n in 0..depth {
                        sum += x.at(row * depth + n) * w.at(channel * depth + n);
                    }
                    out.push(clamp(sum + bias, bounds));
                }
            }
            call.made_of(out)
        }
        (Int8, Int8) | (UInt8, UInt8) | (Int16, Int8) => {
            let of = Factors::new(call, 0, 1)?;
            let mut sums = Vec::with_capacity(results);
            for row in 0..rows {
                for channel in 0..outputs {
                    let products =
                        (0..depth).map(|n| of.x(row * depth + n) * of.w(channel * depth + n));
                    sums.push(products.fold(0_i64, i64::wrapping_add));
                }
            }
            quantized_sums::of_rows(call, &of, sums, outputs)
        }
        _ => Err(call.bad_type(1)),
    }
}

/// Matrices of both operands by each other, after broadcasting of what stands before them.
pub(crate) fn batch_matmul(call: &mut Call<'_>) -> Made {
    let shape = call.shape(0)?;
    let [batches @ .., rows, columns] = shape else {
        return Err(NotEvaluated::Operands { why: "the result is no matrix" });
    };
    let (a, b) = (call.operand(0)?, call.operand(1)?);
    let ([lead_a @ .., a0, a1], [lead_b @ .., b0, b1]) = (a.shape(), b.shape()) else {
        return Err(NotEvaluated::Operands { why: "an operand is no matrix" });
    };
    let (turn_a, turn_b) = (call.flag("adj_x"), call.flag("adj_y"));
    let depth = if turn_a { *a0 } else { *a1 };
    if depth != if turn_b { *b1 } else { *b0 } || shape.len() > 5 {
        return Err(NotEvaluated::Operands { why: "the matrices do not fit" });
    }
    let work = (product(shape) as u64).checked_mul(depth as u64).ok_or(NotEvaluated::Budget)?;
    call.budget.take_work(work)?;
    let (size_a, size_b) = (a0 * a1, b0 * b1);
    // Where the factors of an element lie.
    let at_a = |n: usize, row: usize, k: usize| {
        n * size_a + if turn_a { k * a1 + row } else { row * a1 + k }
    };
    let at_b = |n: usize, k: usize, column: usize| {
        n * size_b + if turn_b { column * b1 + k } else { k * b1 + column }
    };
    let starts = || {
        let steps = [lead_a, lead_b].map(|lead| broadcast_steps(lead, batches));
        Walk::new(batches, [0; 2], steps)
    };
    match (a.ty(), b.ty()) {
        (Float32, Float32) => {
            let (x, y) = (a.view::<f32>(), b.view::<f32>());
            let mut out = Vec::with_capacity(product(shape));
            for [m, n] in starts() {
                for row in 0..*rows {
                    for column in 0..*columns {
                        let mut sum = 0.0_f32;
                        for k in 0..depth {
                            sum += x.at(at_a(m, row, k)) * y.at(at_b(n, k, column));
                        }
                        out.push(sum);
                    }
                }
            }
            call.made_of(out)
        }
        (ty @ (Int8 | Int16), other) if ty == other && call.results[0].ty == ty => {
            let (of_a, of_b, to) = (call.scale(0)?, call.scale(1)?, call.result_scale(0)?);
            let points = [of_a, of_b, to].map(|scale| scale.zero_point);
            if ty == Int16 && points != [0; 3] {
                return Err(NotEvaluated::Quantization {
                    why: "the zero point of 16 bits is not 0",
                });
            }
            let codes = codes_of(ty).expect("of both");
            let by = multiplier(f64::from(of_a.scale * of_b.scale) / f64::from(to.scale))?;
            if ty == Int16 && by.shift >= 8 {
                return Err(NotEvaluated::Quantization {
                    why: "the product of scales is too large",
                });
            }
            let (x, y) = (a.integers().expect("codes"), b.integers().expect("codes"));
            let mut out = Vec::with_capacity(product(shape));
            for [m, n] in starts() {
                for row in 0..*rows {
                    for column in 0..*columns {
                        let mut sum = 0_i64;
                        for k in 0..depth {
                            let x = x[at_a(m, row, k)] - i64::from(of_a.zero_point);
                            let y = y[at_b(n, k, column)] - i64::from(of_b.zero_point);
                            sum = sum.wrapping_add(x * y);
                        }
                        let scaled =
                            if ty == Int16 { by.times_wide(sum) } else { by.times(sum as i32) };
                        let code = scaled.wrapping_add(to.zero_point);
                        out.push(code.clamp(*codes.start(), *codes.end()));
                    }
                }
            }
            call.made(match ty {
                Int8 => stored(out.into_iter().map(|code| code as i8)),
                _ => stored(out.into_iter().map(|code| code as i16)),
            })
        }
        _ => Err(call.bad_type(1)),
    }
}
