//! Numbers that a golden shows as a hash only.

use crate::common::{lifted, model, tensor, with_value};
use half::f16;
use libtest_mimic::{Failed, Trial};
use tfq_opt::Optimizer;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("values/float16_rounds_what_it_can_hold", float16_rounds),
        Trial::test("values/ties_go_to_the_even_code", || {
            ties("none", |tie| tie.round_ties_even())
        }),
        Trial::test("values/toco_ties_go_away_from_zero", || ties("toco", f32::round)),
        Trial::test("values/a_row_of_denormals_keeps_a_normal_scale", denormals),
        Trial::test("values/a_row_of_zeros_has_a_positive_scale", zeros),
    ]
}

/// The bytes and scales of the tensor `weights` after a pipeline.
fn weights(input: &[u8], passes: &str) -> Result<(Vec<u8>, Vec<f32>), Failed> {
    let output = Optimizer::parse(passes)?.run(input)?.to_vec()?;
    let module = lifted(&output);
    let (sg, id) = tensor(&module, "weights").ok_or("the weights are gone")?;
    let bytes = module.constant(sg, id).ok_or("they are no constant")?.to_vec();
    let quantization = module.subgraph(sg).tensor(id).quantization.clone();
    Ok((bytes, quantization.map_or_else(Vec::new, |q| q.scale.clone())))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn original(input: &[u8]) -> Vec<f32> {
    let module = lifted(input);
    let (sg, id) = tensor(&module, "weights").expect("it has weights");
    floats(module.constant(sg, id).expect("they are a constant"))
}

fn float16_rounds() -> Result<(), Failed> {
    let mut input = model("ops/fc_1024");
    let values = [65504.0, 65519.0, -65504.0, -65519.0, 6e-8, 1e-30];
    for (n, value) in values.into_iter().enumerate() {
        input = with_value(&input, "weights", n, value);
    }
    let (bytes, _) = weights(&input, "quantize-weights{type=float16},insert-dequant")?;
    let halves = bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32());
    let most = 65504.0;
    let wanted = [most, most, -most, -most, 2.0_f32.powi(-24), 0.0];
    assert_eq!(halves.take(wanted.len()).collect::<Vec<_>>(), wanted);
    Ok(())
}

/// All scales of this model are 1, so that the codes are the values, rounded.
fn ties(compat: &str, round: impl Fn(f32) -> f32) -> Result<(), Failed> {
    let input = model("ops/fc_ties");
    let (codes, scales) =
        weights(&input, &format!("quantize-weights{{compat={compat} exact-activations=off}}"))?;
    assert!(scales.iter().all(|scale| *scale == 1.0));
    let values = original(&input);
    assert!(values.iter().any(|value| value.fract().abs() == 0.5 && value.abs() < 127.0));
    for (value, code) in values.iter().zip(codes) {
        assert_eq!(f32::from(code as i8), round(*value).clamp(-127.0, 127.0), "{value}");
    }
    Ok(())
}

fn denormals() -> Result<(), Failed> {
    let input = model("ops/fc_denormal");
    let (_, scales) = weights(&input, "quantize-weights{exact-activations=off}")?;
    let rows = original(&input);
    let tiny = |row: &[f32]| row.iter().all(|value| !value.is_normal());
    assert_eq!(rows.chunks(32).filter(|row| tiny(row)).count(), 1);
    for (row, scale) in rows.chunks(32).zip(scales) {
        assert!(scale.is_normal() && scale > 0.0);
        assert_eq!(scale == f32::MIN_POSITIVE, tiny(row));
    }
    Ok(())
}

fn zeros() -> Result<(), Failed> {
    let input = model("ops/fc_zero_row");
    let (codes, scales) = weights(&input, "quantize-weights{exact-activations=off}")?;
    let rows = original(&input);
    let zero: Vec<usize> =
        (0..32).filter(|n| rows[32 * n..][..32].iter().all(|value| *value == 0.0)).collect();
    assert_eq!(zero.len(), 1);
    assert_eq!(scales[zero[0]], 1.0);
    assert!(codes[32 * zero[0]..][..32].iter().all(|code| *code == 0));
    Ok(())
}
