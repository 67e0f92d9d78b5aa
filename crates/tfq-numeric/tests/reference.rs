//! Every function against the same arithmetic written one value at a time.

use proptest::prelude::*;
use tfq_numeric::{
    ChannelLayout, F32View, NonFinite, NotFinite, QMAX_INT2, QMAX_INT4, QMAX_INT8, QuantParams,
    ScaleRule, dequantize_i8, min_max_per_channel, quantization_error, quantize_i8_into,
    quantize_symmetric, quantize_symmetric_i8, range, to_f16,
};

const RULES: [ScaleRule; 3] =
    [ScaleRule::Divide, ScaleRule::LegacyPerTensor, ScaleRule::LegacyPerChannel];

/// The bytes of `values` behind `offset` others, so that they lie at any alignment.
fn bytes_at(offset: usize, values: &[f32]) -> Vec<u8> {
    let padding = std::iter::repeat_n(0xAA, offset);
    padding.chain(values.iter().flat_map(|value| value.to_le_bytes())).collect()
}

fn channel_of(layout: ChannelLayout, index: usize) -> usize {
    index / layout.inner % layout.channels
}

fn max_abs(values: &[f32], layout: ChannelLayout) -> Vec<f32> {
    let mut max = vec![0.0f32; layout.channels];
    for (index, value) in values.iter().enumerate() {
        let max = &mut max[channel_of(layout, index)];
        *max = max.max(value.abs());
    }
    max
}

fn scale(max_abs: f32, rule: ScaleRule, qmax: f32) -> f32 {
    match rule {
        ScaleRule::Divide | ScaleRule::LegacyPerTensor if max_abs == 0.0 => 1.0,
        ScaleRule::Divide => (max_abs / qmax).max(f32::MIN_POSITIVE),
        ScaleRule::LegacyPerTensor | ScaleRule::LegacyPerChannel => max_abs / qmax,
    }
}

fn code(x: f32, max_abs: f32, rule: ScaleRule, qmax: f32) -> i8 {
    if max_abs == 0.0 {
        return 0;
    }
    match rule {
        ScaleRule::Divide => {
            (x / scale(max_abs, rule, qmax)).round_ties_even().clamp(-qmax, qmax) as i8
        }
        _ => {
            let rounded = f64::from(x * (qmax / max_abs)).round();
            // Out of range and NaN as on x86.
            let int = if rounded.abs() < 2e9 { rounded as i32 } else { i32::MIN };
            let int = if rule == ScaleRule::LegacyPerChannel { i32::from(int as i8) } else { int };
            int.clamp(-qmax as i32, qmax as i32) as i8
        }
    }
}

fn check(values: &[f32], layout: ChannelLayout, offset: usize) {
    let bytes = bytes_at(offset, values);
    let view = F32View::new(&bytes[offset..]).unwrap();
    let max_abs = max_abs(values, layout);
    let ranges = range(view, layout);
    assert!(ranges.finite);
    assert_eq!(ranges.max_abs, max_abs, "{layout:?}");
    for (rule, qmax) in RULES
        .into_iter()
        .flat_map(|rule| [QMAX_INT8, QMAX_INT4, QMAX_INT2].map(|qmax| (rule, qmax)))
    {
        let limit = f32::from(qmax);
        let expected =
            |(index, x): (usize, &f32)| code(*x, max_abs[channel_of(layout, index)], rule, limit);
        let expected: Vec<i8> = values.iter().enumerate().map(expected).collect();
        let scales: Vec<f32> = max_abs.iter().map(|max| scale(*max, rule, limit)).collect();
        let quantized = quantize_symmetric(view, layout, rule, qmax).unwrap();
        let codes: Vec<i8> = quantized.data.iter().map(|code| *code as i8).collect();
        assert_eq!(codes, expected, "{layout:?} {rule:?} {qmax}");
        assert_eq!(quantized.scales, scales, "{layout:?} {rule:?} {qmax}");

        let mut out = vec![0xAA; values.len()];
        quantize_i8_into(view, layout, &QuantParams::new(rule, qmax, &max_abs), &mut out);
        let codes: Vec<i8> = out.into_iter().map(|code| code as i8).collect();
        assert_eq!(codes, expected, "{layout:?} {rule:?} {qmax}");
    }
    check_min_max(view, layout);
}

fn check_min_max(view: F32View<'_>, layout: ChannelLayout) {
    let mut extrema = vec![None::<(f32, f32)>; layout.channels];
    for (index, x) in view.iter().enumerate() {
        let (low, high) = extrema[channel_of(layout, index)].get_or_insert((x, x));
        if x < *low {
            *low = x;
        }
        if x > *high {
            *high = x;
        }
    }
    let found = min_max_per_channel(view, layout);
    for (channel, extrema) in extrema.into_iter().enumerate() {
        let (low, high) = extrema.unwrap_or_default();
        assert_eq!(found.min[channel].to_bits(), low.to_bits(), "min of {channel} in {layout:?}");
        assert_eq!(found.max[channel].to_bits(), high.to_bits(), "max of {channel} in {layout:?}");
    }
}

/// Finite values of every kind: ties of integer scales, denormals, extremes, both zeros, and any
/// bits.
fn weights(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    let kind = next() % 5;
    let value = move || {
        let random = next();
        let value = match kind {
            0 => f32::from_bits(random),
            1 => (random % 509) as f32 * 0.5 - 127.0,
            2 => f32::from_bits(random & 0x80ff_ffff),
            3 => [0.0, -0.0, 1.0, -1.0, 0.5, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45]
                [random as usize % 9],
            _ => (random as f32 / u32::MAX as f32 - 0.5) * 0.2,
        };
        if value.is_finite() { value } else { 126.5 }
    };
    std::iter::repeat_with(value).take(len).collect()
}

#[test]
fn all_layouts() {
    let layouts = [
        (1, 1, 0),
        (1, 0, 3),
        (0, 3, 2),
        (1, 1, 1),
        (1, 1, 1003),
        (1, 5, 27),
        (1, 64, 1),
        (9, 33, 1),
        (1000, 3, 1),
        (7, 5, 2),
        (301, 7, 15),
        (3, 5, 16),
        (2, 3, 65),
        (4, 1, 9),
        (2, 700, 1),
        (2, 1, 40),
        (3, 40, 3),
        // Beyond what runs on one thread, with ends that fall on no boundary.
        (1, 1, 150_001),
        (1, 3, 50_001),
        (1, 2, 70_001),
        (1, 2311, 65),
        (3, 7, 5003),
        (1501, 101, 1),
        (3, 50_001, 1),
        (70_001, 2, 1),
        (601, 37, 7),
    ];
    for (seed, (outer, channels, inner)) in layouts.into_iter().enumerate() {
        let layout = ChannelLayout { outer, channels, inner };
        let rounds = if layout.len() < 10_000 { 10 } else { 2 };
        for round in 0..rounds {
            check(&weights(layout.len(), (seed * 10 + round) as u64), layout, round % 4);
        }
    }
}

proptest! {
    #[test]
    fn any_layout(outer in 0usize..8, channels in 0usize..40, inner in 0usize..40, seed: u64, offset in 0usize..4) {
        let layout = ChannelLayout { outer, channels, inner };
        check(&weights(layout.len(), seed), layout, offset);
    }
}

#[test]
fn extrema_keep_the_first_zero_and_the_first_nan() {
    for layout in [(1, 2, 100), (50, 2, 1), (3, 2, 40), (40, 2, 3)] {
        let layout = ChannelLayout { outer: layout.0, channels: layout.1, inner: layout.2 };
        for special in [0.0, -0.0, f32::NAN, f32::INFINITY] {
            for place in 0..layout.len() {
                let mut values = vec![1.0; layout.len()];
                values[layout.len() - 1] = -special;
                values[layout.len() / 2] = special;
                values[place] = special;
                check_min_max(F32View::new(&bytes_at(1, &values)[1..]).unwrap(), layout);
            }
        }
    }
}

#[test]
fn the_first_value_that_is_not_finite_is_named() {
    for (outer, channels, inner) in
        [(1, 4, 50), (1, 1, 200), (40, 5, 1), (1, 300, 500), (1, 1, 150_000), (500, 300, 1)]
    {
        let layout = ChannelLayout { outer, channels, inner };
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for index in [0, layout.len() / 2 + 1, layout.len() - 2] {
                let mut values = vec![0.5; layout.len()];
                values[index] = bad;
                values[layout.len() - 1] = bad;
                let bytes = bytes_at(0, &values);
                let view = F32View::new(&bytes).unwrap();
                assert!(!range(view, layout).finite);
                for rule in RULES {
                    assert_eq!(
                        quantize_symmetric_i8(view, layout, rule).unwrap_err(),
                        NotFinite { index }
                    );
                }
                assert_eq!(to_f16(view, NonFinite::Refuse).unwrap_err(), NotFinite { index });
            }
        }
    }
}

fn check_f16(values: &[f32]) {
    let bytes = bytes_at(3, values);
    let halves = to_f16(F32View::new(&bytes[3..]).unwrap(), NonFinite::Legacy).unwrap();
    for (x, half) in values.iter().zip(halves.as_chunks().0) {
        let found = u16::from_le_bytes(*half);
        if x.is_nan() {
            assert_eq!(found, if x.is_sign_negative() { 0xfe00 } else { 0x7e00 });
        } else {
            assert_eq!(found, half::f16::from_f32(x.clamp(-65504.0, 65504.0)).to_bits(), "{x:e}");
        }
    }
}

#[test]
fn float16_around_every_half() {
    // Both neighbours, the middle between two halves and its neighbours, of every finite half, in
    // both signs.
    let steps = (0..0x7c00u16).flat_map(|bits| {
        let half = half::f16::from_bits(bits).to_f32();
        let next = half::f16::from_bits(bits + 1).to_f32().min(65520.0);
        let middle = (half + next) / 2.0;
        [half, middle].into_iter().flat_map(|x| [x.next_down(), x, x.next_up()])
    });
    let values: Vec<f32> = steps.flat_map(|x| [x, -x]).collect();
    check_f16(&values);
    // One in 4093 of all patterns, NaN and infinities among them.
    let values: Vec<f32> = (0..u32::MAX).step_by(4093).map(f32::from_bits).collect();
    check_f16(&values);
    check_f16(&[f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN, f32::MAX, f32::MIN]);
}

#[test]
fn errors_are_measured() {
    for (outer, channels, inner) in
        [(1, 3, 50_001), (1501, 101, 1), (601, 37, 7), (2, 3, 4), (1, 0, 3)]
    {
        let layout = ChannelLayout { outer, channels, inner };
        let values: Vec<f32> = (0..layout.len()).map(|index| (index as f32 * 0.37).sin()).collect();
        let bytes = bytes_at(2, &values);
        let view = F32View::new(&bytes[2..]).unwrap();
        let quantized = quantize_symmetric_i8(view, layout, ScaleRule::Divide).unwrap();
        let expanded = dequantize_i8(&quantized.data, layout, &quantized.scales);
        let (mut signal, mut noise, mut worst) = (0.0f64, 0.0f64, 0.0f64);
        for (index, (x, approximate)) in values.iter().zip(expanded).enumerate() {
            let expected = f32::from(quantized.data[index] as i8)
                * quantized.scales[channel_of(layout, index)];
            assert_eq!(approximate, expected);
            let error = f64::from(*x) - f64::from(approximate);
            signal += f64::from(*x).powi(2);
            noise += error * error;
            worst = worst.max(error.abs());
        }
        let stats = quantization_error(view, layout, &quantized.data, &quantized.scales);
        assert_eq!(stats.max_abs_error, worst);
        if layout.is_empty() {
            assert_eq!((stats.rms_error, stats.snr_db), (0.0, f64::INFINITY));
        } else {
            let rms = (noise / values.len() as f64).sqrt();
            assert!((stats.rms_error / rms - 1.0).abs() < 1e-9);
            assert!((stats.snr_db - 10.0 * (signal / noise).log10()).abs() < 1e-6);
            assert!(stats.snr_db > 30.0);
        }
    }
}

#[test]
fn threads_make_no_difference() {
    let layouts = [(1, 2311, 65), (3, 7, 5003), (1501, 101, 1), (1, 1, 150_001)];
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let results = layouts.map(|(outer, channels, inner)| {
                let layout = ChannelLayout { outer, channels, inner };
                // Small values whose sums depend on their order.
                let values: Vec<f32> =
                    (0..layout.len()).map(|index| (index as f32 * 0.37).sin()).collect();
                let bytes = bytes_at(0, &values);
                let view = F32View::new(&bytes).unwrap();
                let quantized = quantize_symmetric_i8(view, layout, ScaleRule::Divide).unwrap();
                let stats = quantization_error(view, layout, &quantized.data, &quantized.scales);
                let halves = to_f16(view, NonFinite::Refuse).unwrap();
                (
                    range(view, layout),
                    min_max_per_channel(view, layout),
                    quantized.data,
                    stats,
                    halves,
                )
            });
            results.to_vec()
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}
