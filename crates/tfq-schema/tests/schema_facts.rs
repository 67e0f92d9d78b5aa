//! Numbers and defaults of the format that are easily got wrong, stated a second time.

use flatbuffers::FlatBufferBuilder;
use tfq_schema::reflection::{Default as FieldDefault, Element, Field, FieldType, Scalar, Table};
use tfq_schema::reflection::{
    enum_by_name, enums, root, table_by_name, tables, union_by_name, unions,
};
use tfq_schema::{annotations, tflite};

fn table(name: &str) -> &'static Table {
    table_by_name(name).unwrap_or_else(|| panic!("no table {name}")).get()
}

fn field(table_name: &str, name: &str) -> &'static Field {
    table(table_name).field_by_name(name).unwrap_or_else(|| panic!("no field {table_name}.{name}"))
}

#[test]
fn the_schema_is_complete() {
    assert_eq!((tables().len(), enums().len(), unions().len()), (170, 16, 4));
    assert_eq!(root().get().name, "Model");
    let slots: usize = tables().map(|id| id.get().fields.len()).sum();
    // 313 fields of the converter's schema, two that only the runtime's has, and five tags of
    // unions.
    assert_eq!(slots, 313 + 2 + 5);
}

#[test]
fn these_defaults_and_no_others_are_not_zero() {
    let mut found = Vec::new();
    for id in tables() {
        for field in id.get().fields {
            let zero = match field.default {
                FieldDefault::None => continue,
                FieldDefault::Int(value) => value == 0,
                FieldDefault::Float(value) => value == 0.0,
                FieldDefault::Bool(value) => !value,
            };
            if !zero {
                found.push((format!("{}.{}", id.get().name, field.name), field.id, field.default));
            }
        }
    }
    let found: Vec<_> =
        found.iter().map(|(name, id, default)| (name.as_str(), *id, *default)).collect();
    assert_eq!(
        found,
        [
            ("AddOptions.pot_scale_int16", 1, FieldDefault::Bool(true)),
            ("BidirectionalSequenceLSTMOptions.time_major", 4, FieldDefault::Bool(true)),
            ("Conv2DOptions.dilation_w_factor", 4, FieldDefault::Int(1)),
            ("Conv2DOptions.dilation_h_factor", 5, FieldDefault::Int(1)),
            ("Conv3DOptions.dilation_d_factor", 5, FieldDefault::Int(1)),
            ("Conv3DOptions.dilation_w_factor", 6, FieldDefault::Int(1)),
            ("Conv3DOptions.dilation_h_factor", 7, FieldDefault::Int(1)),
            ("DepthwiseConv2DOptions.dilation_w_factor", 5, FieldDefault::Int(1)),
            ("DepthwiseConv2DOptions.dilation_h_factor", 6, FieldDefault::Int(1)),
            ("Operator.debug_metadata_index", 13, FieldDefault::Int(-1)),
            ("OperatorCode.version", 2, FieldDefault::Int(1)),
            ("SubGraph.debug_metadata_index", 5, FieldDefault::Int(-1)),
            ("SubOptions.pot_scale_int16", 1, FieldDefault::Bool(true)),
            ("UniqueOptions.idx_out_type", 0, FieldDefault::Int(2)),
        ]
    );
}

#[test]
fn a_union_takes_the_slot_of_its_tag_and_the_next() {
    let cases = [
        ("QuantizationParameters", "details", 5, "QuantizationDetails"),
        ("DimensionMetadata", "array_segments", 3, "SparseIndexVector"),
        ("DimensionMetadata", "array_indices", 5, "SparseIndexVector"),
        ("Operator", "builtin_options", 4, "BuiltinOptions"),
        ("Operator", "builtin_options_2", 12, "BuiltinOptions2"),
    ];
    for (table_name, name, id, union) in cases {
        let union = union_by_name(union).unwrap();
        let value = field(table_name, name);
        assert_eq!((value.id, value.ty), (id, FieldType::Union(union)));
        let tag = table(table_name).field(usize::from(id) - 1).unwrap();
        assert_eq!(
            (tag.id, tag.ty, tag.default),
            (id - 1, FieldType::UnionTag(union), FieldDefault::Int(0))
        );
        assert_eq!(tag.ty.inline_size(), 1);
    }
    assert!(table("Operator").field(14).is_none());
}

#[test]
fn union_tags_lead_to_tables() {
    let member = |union, tag| {
        let member = union_by_name(union).unwrap().get().member(tag);
        member.map(|(name, table)| (name, table.map(|table| table.get().name)))
    };
    for id in unions() {
        for &(tag, name, table) in id.get().members {
            assert_eq!(id.get().tag_of(name), Some(tag));
            assert_eq!(table.map_or("NONE", |table| table.get().name), name);
        }
    }
    assert_eq!(member("BuiltinOptions", 0), Some(("NONE", None)));
    assert_eq!(member("BuiltinOptions", 1), Some(("Conv2DOptions", Some("Conv2DOptions"))));
    assert_eq!(member("BuiltinOptions", 126).unwrap().0, "RightShiftOptions");
    assert_eq!(member("BuiltinOptions", 127), None);
    assert_eq!(member("BuiltinOptions2", 21).unwrap().0, "StableHLOCompositeOptions");
    assert_eq!(member("BuiltinOptions2", 23).unwrap().0, "StablehloCaseOptions");
    assert_eq!(member("BuiltinOptions2", 24), None);
    assert_eq!(member("QuantizationDetails", 2).unwrap().0, "BlockwiseQuantization");
    assert_eq!(member("SparseIndexVector", 3).unwrap().0, "Uint8Vector");
}

#[test]
fn enum_values_are_found_both_ways() {
    for id in enums() {
        for &(name, value) in id.get().values {
            assert_eq!(id.get().name_of(value), Some(name));
            assert_eq!(id.get().value_of(name), Some(value));
        }
        assert_eq!(id.get().name_of(-1), None);
        assert_eq!(id.get().name_of(i64::MIN), None);
        assert_eq!(id.get().name_of(i64::MAX), None);
    }
    let value = |name, member| enum_by_name(name).unwrap().get().value_of(member);
    assert_eq!(value("BuiltinOperator", "PLACEHOLDER_FOR_GREATER_OP_CODES"), Some(127));
    assert_eq!(value("BuiltinOperator", "CUMSUM"), Some(128));
    assert_eq!(value("BuiltinOperator", "STABLEHLO_CASE"), Some(209));
    assert_eq!(value("TensorType", "INT2"), Some(19));
    assert_eq!(enum_by_name("TensorType").unwrap().get().name_of(23), None);
    assert_eq!(enum_by_name("BuiltinOperator").unwrap().get().underlying, Scalar::I32);
    assert_eq!(enum_by_name("StablehloPrecisionConfig").unwrap().get().underlying, Scalar::U32);
}

#[test]
fn types_and_sizes() {
    let tensor_type = enum_by_name("TensorType").unwrap();
    assert_eq!(field("Tensor", "type").ty, FieldType::Enum(tensor_type, Scalar::I8));
    assert_eq!(field("Tensor", "type").ty.inline_size(), 1);
    assert_eq!(field("Tensor", "name").ty, FieldType::String);
    assert_eq!(field("Buffer", "data").ty, FieldType::Vector(Element::Scalar(Scalar::U8)));
    assert_eq!(field("Buffer", "offset").ty, FieldType::Scalar(Scalar::U64));
    assert_eq!(
        field("QuantizationParameters", "zero_point").ty,
        FieldType::Vector(Element::Scalar(Scalar::I64))
    );
    assert_eq!(field("OperatorCode", "deprecated_builtin_code").ty, FieldType::Scalar(Scalar::I8));
    let tensor = table_by_name("Tensor").unwrap();
    assert_eq!(field("SubGraph", "tensors").ty, FieldType::Vector(Element::Table(tensor)));
    assert_eq!(Element::Table(tensor).size(), 4);
}

#[test]
fn deprecated_fields_keep_their_slots() {
    let mut deprecated = Vec::new();
    for id in tables() {
        deprecated.extend(
            id.get()
                .fields
                .iter()
                .filter(|field| field.deprecated)
                .map(|field| (field.name, field.id)),
        );
    }
    assert_eq!(deprecated, [("new_height", 0), ("new_width", 1), ("deprecated_tag", 3)]);
}

#[test]
fn accessors_agree_with_the_reflection_data() {
    assert_eq!(
        tflite::Model::VT_EXTERNAL_BUFFERS,
        field("Model", "external_buffers").vtable_offset()
    );
    assert_eq!(tflite::Operator::VT_BUILTIN_OPTIONS_2_TYPE, 26);
    assert_eq!(
        tflite::Operator::VT_BUILTIN_OPTIONS_2,
        field("Operator", "builtin_options_2").vtable_offset()
    );
    assert_eq!(tflite::Buffer::VT_OFFSET, field("Buffer", "offset").vtable_offset());
    assert_eq!(tflite::SignatureDef::VT_SUBGRAPH_INDEX, 12);
}

#[test]
fn an_empty_model_and_a_record_are_read_back() {
    let mut builder = FlatBufferBuilder::new();
    let code = tflite::OperatorCode::create(&mut builder, &Default::default());
    let codes = builder.create_vector(&[code]);
    let args = tflite::ModelArgs { version: 3, operator_codes: Some(codes), ..Default::default() };
    let model = tflite::Model::create(&mut builder, &args);
    tflite::finish_model_buffer(&mut builder, model);
    assert!(tflite::model_buffer_has_identifier(builder.finished_data()));
    let model = tflite::root_as_model(builder.finished_data()).unwrap();
    assert_eq!((model.version(), model.operator_codes().unwrap().get(0).version()), (3, 1));

    let mut builder = FlatBufferBuilder::new();
    let args = annotations::DequantCacheEntryArgs {
        cached: true,
        reason: annotations::CacheReason::CACHED_CONSTANT,
        bytes: 1 << 40,
        ..Default::default()
    };
    let entry = annotations::DequantCacheEntry::create(&mut builder, &args);
    let entries = builder.create_vector(&[entry]);
    let args = annotations::DequantCacheArgs { entries: Some(entries), ..Default::default() };
    let cache = annotations::DequantCache::create(&mut builder, &args);
    annotations::finish_dequant_cache_buffer(&mut builder, cache);
    assert_eq!(&builder.finished_data()[4..8], b"TFQD");
    let cache = annotations::root_as_dequant_cache(builder.finished_data()).unwrap();
    assert_eq!((cache.version(), cache.entries().unwrap().get(0).bytes()), (1, 1 << 40));
}
