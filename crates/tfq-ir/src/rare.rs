//! What is next to never said, and then takes no more than a pointer.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// A `T` that mostly is its default, which is not held.
#[derive(Clone)]
pub struct Rare<T>(Option<Box<T>>);

/// What can be [`Rare`].
pub trait Rarely: Default + PartialEq + 'static {
    /// The default.
    fn nothing() -> &'static Self;
}

impl<T> Rare<T> {
    /// What is said, where anything is.
    pub fn said(&self) -> Option<&T> {
        self.0.as_deref()
    }

    /// The same, to change it.
    pub fn said_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Rarely> From<T> for Rare<T> {
    fn from(value: T) -> Self {
        Self((value != *T::nothing()).then(|| Box::new(value)))
    }
}

impl<T: Rarely> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.said().unwrap_or_else(|| T::nothing())
    }
}

impl<T: Rarely> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: Rarely> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.0.is_none() && other.0.is_none()) || **self == **other
    }
}

impl<T: Rarely + fmt::Debug> fmt::Debug for Rare<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Makes a type [`Rarely`] said, and its fields reached as if they were those of the type that has it
/// in its field `rare`, where one is named.
macro_rules! rarely {
    ($of:ty, of $owner:ty) => {
        crate::rare::rarely!($of);

        impl std::ops::Deref for $owner {
            type Target = $of;

            fn deref(&self) -> &$of {
                &self.rare
            }
        }

        impl std::ops::DerefMut for $owner {
            fn deref_mut(&mut self) -> &mut $of {
                &mut self.rare
            }
        }
    };
    ($of:ty) => {
        impl crate::rare::Rarely for $of {
            fn nothing() -> &'static Self {
                static NOTHING: std::sync::LazyLock<$of> = std::sync::LazyLock::new(<$of>::default);
                &NOTHING
            }
        }
    };
}
pub(crate) use rarely;

#[cfg(test)]
mod tests {
    use super::Rare;

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Text {
        text: String,
    }
    rarely!(Text);

    #[test]
    fn a_default_is_not_held_and_is_equal_to_one_that_is() {
        let mut text = Rare::from(Text::default());
        assert!(text.said().is_none() && text.text.is_empty());
        text.text.push('a');
        assert_ne!(text, Rare::default());
        text.text.clear();
        assert!(text.said().is_some());
        assert_eq!(text, Rare::default());
        assert_eq!(format!("{text:?}"), "Text { text: \"\" }");
    }
}
