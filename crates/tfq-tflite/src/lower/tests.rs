//! The end of the flatbuffer, without files of 2 GiB.

use super::{FilePlan, LowerError, LowerOptions, Placement, lower, lower_within, room};
use crate::{Image, LiftOptions, lift};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use tfq_ir::catalog::ops;
use tfq_ir::{
    BufferId, ConstantPool, CustomOptions, ElementType, Metadata, Module, Op, OpKind, Quantization,
    SubgraphBuilder, Tensor,
};

fn within(module: &Module, placement: Placement, limit: u64) -> Result<Image, LowerError> {
    lower_within(module, &LowerOptions { placement }, limit)
}

/// A module of constants, each read by a custom op, that is mostly not constants.
fn heavy(constants: usize, channels: usize, large: bool) -> Module {
    let mut builder = SubgraphBuilder::new(None);
    let mut pool = vec![None];
    for n in 0..constants {
        let bytes: Vec<u8> = (0..channels * 8).map(|at| (at * 7 + n) as u8).collect();
        pool.push(Some(Bytes::from(bytes)));
        let shape = [channels as i32, 8];
        let mut tensor = Tensor::new(format!("w{n}"), ElementType::Int8, shape);
        tensor.buffer = BufferId(pool.len() as u32 - 1);
        let scale = (0..channels).map(|at| (at + n + 1) as f32).collect();
        tensor.quantization = Some(Arc::new(Quantization {
            zero_point: (0..channels).map(|at| (at + n) as i64).collect(),
            ..Quantization::symmetric(scale, 0)
        }));
        let w = builder.tensor(tensor);
        let y = builder.tensor(Tensor::new(format!("y{n}"), ElementType::Float32, [1]));
        let mut op = Op::new(OpKind::Custom("Mine".into()));
        let bytes = Some(vec![n as u8; 3000].into());
        op.custom_options = CustomOptions { bytes, format: 0, large };
        builder.op(op, &[Some(w)], &[y]);
    }
    let module = Module::new(vec![builder.finish(vec![], vec![])], ConstantPool::new(pool));
    module.rebuilt(|parts| parts.description = Some("heavy".into()))
}

#[test]
fn what_just_fits_stays_inside_and_the_rest_goes_outside() {
    let module = heavy(20, 600, false);
    let inside = within(&module, Placement::Inline, u64::MAX).unwrap();
    let ends = inside.len() - super::OVER_READ;
    let payload = FilePlan::new(&module).payload();
    assert!(payload < ends / 2, "scales and options take the most");
    for limit in [ends - payload / 2, ends - 1, ends, ends + 1] {
        let image = within(&module, Placement::Auto, limit).unwrap();
        let again = lift(&image.to_vec().into(), &LiftOptions::default()).unwrap();
        assert_eq!(again.constants_outside(), limit < ends, "{limit} of {ends}");
        assert_eq!(image.to_vec() == inside.to_vec(), limit >= ends, "{limit} of {ends}");
        for (id, bytes) in module.constants().iter() {
            assert_eq!(again.constants().constant(id), bytes);
        }
        let inline = within(&module, Placement::Inline, limit).err();
        let refused = LowerError::TooLarge { bytes: ends };
        assert_eq!(inline, (limit < ends).then_some(refused), "{limit} of {ends}");
    }
}

#[test]
fn what_no_flatbuffer_holds_is_refused_before_it_is_built() {
    let limit = 170_000;
    for placement in [Placement::Auto, Placement::Inline, Placement::Outside] {
        let error = within(&heavy(20, 600, false), placement, limit).unwrap_err();
        assert!(matches!(error, LowerError::SkeletonTooLarge { .. }), "{error}");
    }
    // Custom options that follow the flatbuffer take no room in it.
    assert!(within(&heavy(20, 600, true), Placement::Auto, limit).is_ok());
}

/// A model may have one name or one list of zero points for a great many tensors.
#[test]
fn what_is_written_once_takes_room_once() {
    let mut builder = SubgraphBuilder::new(None);
    for _ in 0..500 {
        let mut tensor = Tensor::new("n".repeat(2000), ElementType::Int8, [1, 1000]);
        let zero_point = vec![0; 1000].into();
        tensor.quantization =
            Some(Arc::new(Quantization { zero_point, ..Quantization::symmetric(Vec::new(), 0) }));
        builder.tensor(tensor);
    }
    let module = Module::new(vec![builder.finish(vec![], vec![])], ConstantPool::new(vec![None]));
    let limit = 300_000;
    assert!(room::needed(&module, &FilePlan::new(&module), u64::MAX) > 10 * limit);
    assert!(within(&module, Placement::Auto, limit).unwrap().len() < limit);
}

fn shipped() -> Vec<Module> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models");
    let mut found = Vec::new();
    for folder in ["digits", "ops", "odd"] {
        for entry in models.join(folder).read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "tflite") {
                let file = std::fs::read(path).unwrap().into();
                // Those with unknown fields are refused.
                found.extend(lift(&file, &LiftOptions::default()).ok());
            }
        }
    }
    assert!(found.len() > 60);
    found
}

#[test]
fn no_flatbuffer_takes_more_than_was_thought() {
    let metadata = heavy(3, 7, false).rebuilt(|parts| {
        let buffer = BufferId(1);
        parts.metadata = vec![Metadata { name: Some("m".repeat(70_000).into()), buffer }; 3];
    });
    let mut builder = SubgraphBuilder::new(None);
    for _ in 0..1000 {
        let t = builder.tensor(Tensor::new("", ElementType::Float32, []));
        builder.op(Op::new(OpKind::Builtin(ops::CUSTOM)), &[Some(t); 40], &[]);
    }
    let operands = Module::new(vec![builder.finish(vec![], vec![])], ConstantPool::new(vec![None]));
    for module in shipped().iter().chain([&heavy(30, 90, false), &metadata, &operands]) {
        let needed = room::needed(module, &FilePlan::new(module), u64::MAX);
        let image = within(module, Placement::Outside, u64::MAX).unwrap();
        assert!(image.skeleton.len() as u64 <= needed);
        assert!(needed < 10 * image.skeleton.len() as u64);
        assert!(lower(module, &LowerOptions::default()).is_ok());
    }
}
