//! Passes that a struct declares.

use crate::{Pass, PassInfo};

/// A pass that [`declare_pass!`](crate::declare_pass) declared.
pub trait Declared: Pass {
    /// Its description, for a registry.
    fn info() -> PassInfo
    where
        Self: Sized;

    /// Its options that differ from their defaults, as (name, value).
    fn option_texts(&self) -> Vec<(String, String)>;
}

/// Declares the pass of this module: its struct, whose fields are its options with their
/// defaults. The module's name with dashes is the pass's name, the doc comment the user's manual,
/// and [`Declared::info`] describes it. Another name stands in front, before `contract`, as in
/// `name: "acme.fold-gates",`: with whose pass it is before a dot, so that no later built-in one is
/// named alike.
///
/// `writes: [DEQUANTIZE]` behind the scope names operators that the pass may add, and whose attributes
/// it may set where it is exact; `requires: [SETTLED]` and `ensures: [SETTLED]` name invariants. The manager holds the pass to all.
/// `hidden: true` leaves it out of lists and documents.
#[macro_export]
macro_rules! declare_pass {
    (
        $(name: $name:literal,)? contract: $contract:ident, scope: $scope:ident
        $(, writes: [$($writes:ident),*])?
        $(, requires: [$($requires:ident),*])?
        $(, ensures: [$($ensures:ident),*])?
        $(, hidden: $hidden:literal)?;
        $(#[doc = $doc:literal])+
        $vis:vis struct $pass:ident {
            $( $(#[doc = $field_doc:literal])+ $field_vis:vis $field:ident : $ty:ty = $default:expr, )*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        $vis struct $pass {
            $( $(#[doc = $field_doc])+ $field_vis $field: $ty, )*
        }

        impl Default for $pass {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::Declared for $pass {
            fn info() -> $crate::PassInfo {
                static INFO: ::std::sync::LazyLock<$crate::PassInfo> = ::std::sync::LazyLock::new(|| {
                    let mut descriptor = $crate::PassDescriptor::new(
                        $crate::private::pass_name(module_path!(), &[$($name)?]),
                        concat!($($doc, "\n"),+),
                    );
                    descriptor.contract = $crate::NumericContract::$contract;
                    descriptor.scope = $crate::PassScope::$scope;
                    $(descriptor.writes = vec![
                        $($crate::private::OpKind::Builtin($crate::private::ops::$writes)),*
                    ];)?
                    $(descriptor.requires = vec![
                        $($crate::Invariant::clone(&$crate::invariant::$requires)),*
                    ];)?
                    $(descriptor.ensures = vec![
                        $($crate::Invariant::clone(&$crate::invariant::$ensures)),*
                    ];)?
                    $(descriptor.hidden = $hidden;)?
                    descriptor.origin = concat!(env!("CARGO_PKG_NAME"), " ", file!()).into();
                    #[allow(unused_variables)]
                    let defaults = <$pass>::default();
                    descriptor.options = vec![
                        $( $crate::private::option_info(
                            stringify!($field),
                            concat!($($field_doc, "\n"),+),
                            &defaults.$field,
                        ), )*
                    ];
                    $crate::PassInfo::with_factory(descriptor, |args| {
                        #[allow(unused_mut)]
                        let mut pass = <$pass>::default();
                        for arg in args {
                            $(
                                if $crate::private::set_option(stringify!($field), arg, &mut pass.$field)? {
                                    continue;
                                }
                            )*
                            return Err(arg.unknown());
                        }
                        let options = $crate::Declared::option_texts(&pass);
                        Ok((Box::new(pass), options))
                    })
                });
                $crate::PassInfo::clone(&INFO)
            }

            fn option_texts(&self) -> Vec<(String, String)> {
                #[allow(unused_mut)]
                let mut options = Vec::new();
                $( $crate::private::option_text(
                    stringify!($field),
                    &self.$field,
                    &Self::default().$field,
                    &mut options,
                ); )*
                options
            }
        }
    };
}

/// The name that was given, or else `some-pass` of `a::b::some_pass`.
pub fn pass_name(path: &str, given: &[&str]) -> String {
    match given {
        [given, ..] => (*given).to_owned(),
        [] => path.rsplit("::").next().unwrap_or(path).replace('_', "-"),
    }
}
