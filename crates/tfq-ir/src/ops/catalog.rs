//! The op catalogue: which operators there are, which options table each uses, and what attributes
//! are in it.
//!
//! Text form, verifier, plugins and the reading and writing of files all take names, types and
//! defaults from here. The data is generated from the schema (see `schema/README.md`), so that an
//! operator or attribute that the schema gains needs no code.

#[rustfmt::skip]
mod generated;
mod info;

pub use generated::ops;
pub use info::{
    AttrDefault, AttrInfo, AttrType, EnumInfo, ListType, OpInfo, OptionsInfo, OptionsUnion, Width,
};
use info::{attr, op};

/// All operators, in order of code.
pub fn all_ops() -> &'static [OpInfo] {
    &generated::OPS
}

/// All options tables, in order of name.
pub fn all_options() -> &'static [&'static OptionsInfo] {
    &generated::OPTIONS_BY_NAME
}

/// Looks an operator up by its code. There is none for the placeholder 127.
pub fn op_by_code(code: i32) -> Option<&'static OpInfo> {
    Some(&generated::OPS[index_by_code(code)?])
}

/// The place of an operator in [`all_ops`].
pub(crate) fn index_by_code(code: i32) -> Option<usize> {
    let index = *generated::OP_BY_CODE.get(usize::try_from(code).ok()?)?;
    index.map(usize::from)
}

/// Looks an operator up by its name in the schema.
pub fn op_by_name(name: &str) -> Option<&'static OpInfo> {
    let op = |index: u16| &generated::OPS[usize::from(index)];
    let found = generated::OP_BY_NAME.binary_search_by(|&index| op(index).name.cmp(name)).ok()?;
    Some(op(generated::OP_BY_NAME[found]))
}

/// Looks an options table up by its name in the schema.
pub fn options_by_name(name: &str) -> Option<&'static OptionsInfo> {
    let found =
        generated::OPTIONS_BY_NAME.binary_search_by(|options| options.name.cmp(name)).ok()?;
    Some(generated::OPTIONS_BY_NAME[found])
}

/// Looks an options table up by its tag. Tag 0, `NONE`, has no table.
pub fn options_by_tag(union: OptionsUnion, tag: u8) -> Option<&'static OptionsInfo> {
    let by_tag: &[Option<&OptionsInfo>] = match union {
        OptionsUnion::BuiltinOptions => &generated::BUILTIN_OPTIONS_BY_TAG,
        OptionsUnion::BuiltinOptions2 => &generated::BUILTIN_OPTIONS_2_BY_TAG,
    };
    by_tag.get(usize::from(tag)).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_op_is_found_by_code_and_by_name() {
        for op in all_ops() {
            assert!(std::ptr::eq(op_by_code(op.code).unwrap(), op));
            assert!(std::ptr::eq(op_by_name(op.name).unwrap(), op));
        }
        for code in [-1, 127, 9999, i32::MIN, i32::MAX] {
            assert_eq!(op_by_code(code), None);
        }
        assert_eq!(op_by_name("CONV_4D"), None);
        assert_eq!(op_by_name("PLACEHOLDER_FOR_GREATER_OP_CODES"), None);
    }

    #[test]
    fn every_options_table_is_found_by_name_and_by_tag() {
        for &options in all_options() {
            assert!(std::ptr::eq(options_by_name(options.name).unwrap(), options));
            assert!(std::ptr::eq(options_by_tag(options.union, options.tag).unwrap(), options));
        }
        for union in [OptionsUnion::BuiltinOptions, OptionsUnion::BuiltinOptions2] {
            assert_eq!(options_by_tag(union, 0), None);
            assert_eq!(options_by_tag(union, 255), None);
        }
        assert_eq!(options_by_name("Conv4DOptions"), None);
    }

    #[test]
    fn attributes_stand_at_their_slot_with_a_default_of_their_type() {
        for options in all_options() {
            for (index, attr) in options.attrs.iter().enumerate() {
                assert_eq!(usize::from(attr.id), index, "{}.{}", options.name, attr.name);
                assert_eq!(options.attr(attr.name).unwrap().0, index);
                let fits = match attr.ty {
                    AttrType::Bool => matches!(attr.default, AttrDefault::Bool(_)),
                    AttrType::F32 | AttrType::F64 => matches!(attr.default, AttrDefault::Float(_)),
                    AttrType::String | AttrType::Bytes | AttrType::List(_) => {
                        attr.default == AttrDefault::None
                    }
                    AttrType::Enum(info) => {
                        matches!(attr.default, AttrDefault::Int(value) if info.name_of(value).is_some())
                    }
                    _ => matches!(attr.default, AttrDefault::Int(_)),
                };
                assert!(fits, "{}.{}", options.name, attr.name);
            }
        }
    }

    #[test]
    fn ops_know_their_options() {
        let options = |code| op_by_code(code).unwrap().options.map(|options| options.name);
        assert_eq!(options(ops::CONV_2D), Some("Conv2DOptions"));
        assert_eq!(options(ops::MAX_POOL_2D), Some("Pool2DOptions"));
        assert_eq!(options(ops::CONV_3D_TRANSPOSE), Some("Conv3DOptions"));
        assert_eq!(options(ops::STABLEHLO_COMPOSITE), Some("StableHLOCompositeOptions"));
        assert_eq!(options(ops::LOGISTIC), None);
        assert_eq!(options(ops::CUSTOM), None);
        assert!(op_by_code(ops::REDUCE_WINDOW).unwrap().deprecated);
        assert!(!op_by_code(ops::STABLEHLO_REDUCE_WINDOW).unwrap().deprecated);
    }

    #[test]
    fn attributes_carry_types_defaults_and_subgraph_references() {
        let attr = |table, name| options_by_name(table).unwrap().attr(name).unwrap().1;
        assert_eq!(attr("Conv2DOptions", "dilation_w_factor").default, AttrDefault::Int(1));
        assert_eq!(attr("AddOptions", "pot_scale_int16").default, AttrDefault::Bool(true));
        assert_eq!(attr("UniqueOptions", "idx_out_type").default, AttrDefault::Int(2));
        assert_eq!(attr("SoftmaxOptions", "beta").ty, AttrType::F32);
        assert_eq!(attr("BucketizeOptions", "boundaries").ty, AttrType::List(ListType::F32));
        assert_eq!(attr("StableHLOCompositeOptions", "composite_attributes").ty, AttrType::Bytes);
        assert!(attr("StablehloCaseOptions", "branch_subgraph_indices").subgraph);
        assert!(!attr("StridedSliceOptions", "offset").subgraph);
        let AttrType::Enum(padding) = attr("Conv2DOptions", "padding").ty else {
            panic!("padding is an enum")
        };
        assert_eq!((padding.name, padding.width), ("Padding", Width::I8));
        assert_eq!(
            (padding.name_of(1), padding.name_of(2), padding.name_of(-1)),
            (Some("VALID"), None, None)
        );
        assert_eq!((padding.value_of("VALID"), padding.value_of("valid")), (Some(1), None));
    }
}
