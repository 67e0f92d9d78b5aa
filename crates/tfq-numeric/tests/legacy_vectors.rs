//! Numbers of the legacy quantizer's own tests, and the corners of its arithmetic.

use tfq_numeric::{
    ChannelLayout, F32View, MinMax, NonFinite, QuantParams, ScaleRule, min_max_per_channel,
    quantize_i8_into, quantize_symmetric_i8, to_f16,
};

const THREE_CHANNELS: [f32; 24] = [
    3.0, 2.0, 5.0, -2.0, 3.0, 2.0, 5.0, -2.0, //
    1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, //
    1.0, 0.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0,
];

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn quantize(values: &[f32], shape: &[usize], axis: usize, rule: ScaleRule) -> (Vec<i8>, Vec<f32>) {
    let layout = ChannelLayout::new(shape, axis).unwrap();
    let quantized =
        quantize_symmetric_i8(F32View::new(&bytes(values)).unwrap(), layout, rule).unwrap();
    (codes(&quantized.data), quantized.scales)
}

fn codes(data: &[u8]) -> Vec<i8> {
    data.iter().map(|code| *code as i8).collect()
}

fn min_max(values: &[f32], shape: &[usize], axis: usize) -> (Vec<f32>, Vec<f32>) {
    let layout = ChannelLayout::new(shape, axis).unwrap();
    let MinMax { min, max } = min_max_per_channel(F32View::new(&bytes(values)).unwrap(), layout);
    (min, max)
}

#[test]
fn per_channel_along_the_first_axis() {
    let (codes, scales) = quantize(&THREE_CHANNELS, &[3, 2, 2, 2], 0, ScaleRule::LegacyPerChannel);
    assert_eq!(scales, [0.03937008, 0.062992126, 0.047244094]);
    let expected = [
        76, 51, 127, -51, 76, 51, 127, -51, //
        16, 32, 48, 64, 79, 95, 111, 127, //
        21, 0, -21, -42, -64, -85, -106, -127,
    ];
    assert_eq!(codes, expected);
    assert_eq!(
        min_max(&THREE_CHANNELS, &[3, 2, 2, 2], 0),
        (vec![-2.0, 1.0, -6.0], vec![5.0, 8.0, 1.0])
    );
}

#[test]
fn per_channel_along_the_last_axis() {
    let (codes, scales) = quantize(&THREE_CHANNELS, &[3, 8], 1, ScaleRule::LegacyPerChannel);
    let expected = [
        0.023622047,
        0.015748031,
        0.03937008,
        0.031496063,
        0.03937008,
        0.047244094,
        0.05511811,
        0.062992126,
    ];
    assert_eq!(scales, expected);
    let expected = [
        127, 127, 127, -64, 76, 42, 91, -32, //
        42, 127, 76, 127, 127, 127, 127, 127, //
        42, 0, -25, -64, -76, -85, -91, -95,
    ];
    assert_eq!(codes, expected);
    let min = vec![1.0, 0.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0];
    assert_eq!(
        min_max(&THREE_CHANNELS, &[3, 8], 1),
        (min, vec![3.0, 2.0, 5.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    );
}

#[test]
fn extrema_of_either_axis() {
    let first = [13.0, 21.0, 21.0, 22.0, 31.0, 40.0];
    assert_eq!(min_max(&first, &[3, 1, 1, 2], 0), (vec![13.0, 21.0, 31.0], vec![21.0, 22.0, 40.0]));
    assert_eq!(min_max(&first, &[3, 1, 1, 2], 3), (vec![13.0, 21.0], vec![31.0, 40.0]));
    assert_eq!(min_max(&first, &[3, 2], 1), (vec![13.0, 21.0], vec![31.0, 40.0]));
}

#[test]
fn halves_go_away_from_zero() {
    // An inverse of exactly 0.5: the legacy quantizer's SymmetricPerChannelQuantizeValues takes 21
    // * 0.5 to 11.
    let values = [21.0, -21.0, 254.0, 1.0, -1.0, 3.0];
    assert_eq!(
        quantize(&values, &[1, 6], 0, ScaleRule::LegacyPerChannel).0,
        [11, -11, 127, 1, -1, 2]
    );
    assert_eq!(
        quantize(&values, &[6, 1], 1, ScaleRule::LegacyPerTensor).0,
        [11, -11, 127, 1, -1, 2]
    );
    assert_eq!(quantize(&values, &[1, 6], 0, ScaleRule::Divide).0, [10, -10, 127, 0, 0, 2]);
}

#[test]
fn each_rule_has_its_scale_for_zeros() {
    assert_eq!(
        quantize(&[0.0, -0.0], &[2], 0, ScaleRule::LegacyPerChannel),
        (vec![0, 0], vec![0.0, 0.0])
    );
    assert_eq!(
        quantize(&[0.0, -0.0], &[2, 1], 1, ScaleRule::LegacyPerTensor),
        (vec![0, 0], vec![1.0])
    );
    assert_eq!(quantize(&[0.0, -0.0], &[2], 0, ScaleRule::Divide), (vec![0, 0], vec![1.0, 1.0]));
}

#[test]
fn a_range_whose_inverse_overflows() {
    // 127 / 1e-37 is infinite: every product is infinite or NaN, which x86 converts to the smallest
    // integer.
    let tiny = [1e-37, 0.0, -1e-38];
    let scale = 1e-37 / 127.0;
    assert_eq!(
        quantize(&tiny, &[1, 3], 0, ScaleRule::LegacyPerTensor),
        (vec![-127; 3], vec![scale])
    );
    assert_eq!(quantize(&tiny, &[1, 3], 0, ScaleRule::LegacyPerChannel), (vec![0; 3], vec![scale]));
    // Ours: the smallest scale that kernels take, and the nearest code.
    assert_eq!(
        quantize(&tiny, &[1, 3], 0, ScaleRule::Divide),
        (vec![9, 0, -1], vec![f32::MIN_POSITIVE])
    );
}

#[test]
fn stated_extrema_are_believed() {
    let values = [127.0, 128.0, 300.0, -128.0, -129.0, 3e9, -3e9, 1.5];
    let layout = ChannelLayout::per_tensor(values.len());
    let params = QuantParams::from_stated(&MinMax { min: vec![-127.0], max: vec![3.0] });
    let mut out = vec![0; values.len()];
    quantize_i8_into(F32View::new(&bytes(&values)).unwrap(), layout, &params, &mut out);
    assert_eq!(params.scales(), [1.0]);
    // 128 narrows to -128 and 300 to 44 before the clamp; what does not fit 32 bits narrows to 0.
    assert_eq!(codes(&out), [127, -127, 44, -127, 127, 0, 0, 2]);
}

#[test]
fn float16_is_clamped() {
    let values = [2.0, 1.0, 65504.0, 65505.0, -65504.0, -99999.0];
    let halves = to_f16(F32View::new(&bytes(&values)).unwrap(), NonFinite::Refuse).unwrap();
    let halves: Vec<f32> =
        halves.as_chunks().0.iter().map(|half| half::f16::from_le_bytes(*half).to_f32()).collect();
    assert_eq!(halves, [2.0, 1.0, 65504.0, 65504.0, -65504.0, -65504.0]);
}
