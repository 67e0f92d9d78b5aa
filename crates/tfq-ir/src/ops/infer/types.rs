//! Types of results.

use super::cx::Cx;
use super::{InferError, TypeRule};
use crate::ElementType;
use smallvec::{SmallVec, smallvec};

pub(super) fn of(cx: &Cx<'_>, result: usize) -> Result<SmallVec<[ElementType; 2]>, InferError> {
    let of = |slot: u8| cx.ty(slot.into());
    let one = |ty: Option<ElementType>| ty.into_iter().collect();
    Ok(match cx.what.type_rule(result) {
        None | Some(TypeRule::Callee | TypeRule::Unknown) => SmallVec::new(),
        Some(TypeRule::Same(slot)) => one(of(slot)),
        Some(TypeRule::SameOr(slot, other, only)) => match of(slot) {
            Some(ty) if ty != other && (only.is_empty() || only.contains(&ty)) => {
                smallvec![ty, other]
            }
            ty => one(ty),
        },
        Some(TypeRule::Fixed(ty)) => one(Some(ty)),
        Some(TypeRule::Declared(types)) => types.iter().copied().collect(),
        Some(TypeRule::Part(slot)) => one(match of(slot) {
            Some(ElementType::Complex64) => Some(ElementType::Float32),
            Some(ElementType::Complex128) => Some(ElementType::Float64),
            _ => None,
        }),
        Some(TypeRule::Attribute(name)) => {
            let code = i8::try_from(cx.attr(name)).ok();
            match code.and_then(ElementType::from_code) {
                Some(ty @ (ElementType::Int32 | ElementType::Int64)) => one(Some(ty)),
                _ => return Err(cx.attribute(name, "neither INT32 nor INT64")),
            }
        }
    })
}
