//! Bytes of float32 read per second.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use tfq_numeric::{
    ChannelLayout, F32View, NonFinite, ScaleRule, quantization_error, quantize_symmetric_i8, range,
    to_f16,
};

fn main() {
    divan::main();
}

/// Elements of the large inputs: 256 MB, far beyond every cache.
const LARGE: usize = 64 << 20;

/// Shapes with the axis of the channels.
const LAYOUTS: [(&str, &[usize], usize); 7] = [
    ("rows of 4096", &[LARGE / 4096, 4096], 0),
    ("rows of 576", &[LARGE / 4096 * 64 / 9, 576], 0),
    ("rows of 27", &[LARGE / 27, 27], 0),
    ("middle axis, runs of 64", &[LARGE / 64 / 512, 512, 64], 1),
    ("last axis, 512 channels", &[LARGE / 512, 512], 1),
    ("last axis, 24 channels", &[LARGE / 24, 24], 1),
    ("one scale", &[1, LARGE], 0),
];

fn weights(len: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).flat_map(|_| next().to_le_bytes()).collect()
}

fn layouts() -> impl Iterator<Item = &'static str> {
    LAYOUTS.iter().map(|(name, ..)| *name)
}

fn layout(name: &str) -> ChannelLayout {
    let (_, shape, axis) =
        LAYOUTS.iter().find(|layout| layout.0 == name).expect("a name from the list");
    ChannelLayout::new(shape, *axis).expect("the axis exists")
}

fn bench(bencher: Bencher<'_, '_>, len: usize, work: impl Fn(F32View<'_>) + Sync) {
    let bytes = weights(len);
    let view = F32View::new(&bytes).expect("whole values");
    bencher.counter(BytesCount::new(bytes.len())).bench(|| work(black_box(view)));
}

#[divan::bench(args = layouts(), sample_count = 7)]
fn ranges(bencher: Bencher<'_, '_>, name: &str) {
    let layout = layout(name);
    bench(bencher, layout.len(), |view| {
        black_box(range(view, layout));
    });
}

#[divan::bench(args = layouts(), sample_count = 7)]
fn divide(bencher: Bencher<'_, '_>, name: &str) {
    let layout = layout(name);
    bench(bencher, layout.len(), |view| {
        black_box(quantize_symmetric_i8(view, layout, ScaleRule::Divide).expect("finite"));
    });
}

#[divan::bench(args = layouts(), sample_count = 7)]
fn legacy(bencher: Bencher<'_, '_>, name: &str) {
    let layout = layout(name);
    bench(bencher, layout.len(), |view| {
        black_box(quantize_symmetric_i8(view, layout, ScaleRule::LegacyPerTensor).expect("finite"));
    });
}

#[divan::bench(args = layouts(), sample_count = 7)]
fn extrema(bencher: Bencher<'_, '_>, name: &str) {
    let layout = layout(name);
    bench(bencher, layout.len(), |view| {
        black_box(tfq_numeric::min_max_per_channel(view, layout));
    });
}

#[divan::bench(args = layouts(), sample_count = 7)]
fn error(bencher: Bencher<'_, '_>, name: &str) {
    let layout = layout(name);
    let bytes = weights(layout.len());
    let view = F32View::new(&bytes).expect("whole values");
    let quantized = quantize_symmetric_i8(view, layout, ScaleRule::Divide).expect("finite");
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench(|| quantization_error(black_box(view), layout, &quantized.data, &quantized.scales));
}

#[divan::bench(sample_count = 7)]
fn float16(bencher: Bencher<'_, '_>) {
    bench(bencher, LARGE, |view| {
        black_box(to_f16(view, NonFinite::Refuse).expect("finite"));
    });
}

/// A constant of a small model, on one thread.
#[divan::bench(args = [256, 4096, 65536])]
fn small(bencher: Bencher<'_, '_>, len: usize) {
    let layout = ChannelLayout::new(&[len / 64, 64], 0).expect("the axis exists");
    bench(bencher, len, |view| {
        black_box(quantize_symmetric_i8(view, layout, ScaleRule::Divide).expect("finite"));
    });
}
