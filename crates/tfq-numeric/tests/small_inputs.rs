//! A file of its own, because it counts the threads of the process.
#![cfg(target_os = "linux")]

use tfq_numeric::{
    ChannelLayout, F32View, NonFinite, ScaleRule, min_max_per_channel, quantize_symmetric_i8,
    to_f16,
};

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn do_not_start_the_thread_pool() {
    let before = threads();
    let bytes = vec![0; 256 * 1024];
    let view = F32View::new(&bytes).unwrap();
    for (shape, axis) in [([256, 256], 0), ([256, 256], 1), ([1, 65536], 0)] {
        let layout = ChannelLayout::new(&shape, axis).unwrap();
        quantize_symmetric_i8(view, layout, ScaleRule::Divide).unwrap();
        min_max_per_channel(view, layout);
    }
    to_f16(view, NonFinite::Refuse).unwrap();
    assert_eq!(threads(), before);
}
