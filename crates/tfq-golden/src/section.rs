//! What a golden tells of a pass.

/// What one pass did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// `2. insert-dequant`: number and name of the pass.
    pub title: String,
    /// Patches, numbers of ops, changed lines and errors, in lines; or `no change`.
    pub body: String,
}

impl Section {
    /// Whether both say the same, be it laid out in different ways.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let words = |section: &'_ Self| {
            let lines = section
                .body
                .lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            lines.filter(|line| !line.is_empty()).collect::<Vec<_>>()
        };
        self.title == other.title && (self.body == other.body || words(self) == words(other))
    }

    /// The name of the pass.
    pub fn pass(&self) -> &str {
        let numbered = self.title.split_once(". ");
        numbered.map_or(&self.title, |(_, pass)| pass)
    }
}

/// The place of the first section that differs.
pub(crate) fn first_difference(accepted: &[Section], new: &[Section]) -> Option<usize> {
    let same = |n: &usize| accepted.get(*n).zip(new.get(*n)).is_some_and(|(a, b)| a.same(b));
    (0..accepted.len().max(new.len())).find(|n| !same(n))
}
