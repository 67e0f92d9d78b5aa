//! A diff for people.

mod html;
mod markdown;
mod pieces;
mod text;

pub use html::html;
pub use pieces::Style;

use crate::Diff;

impl Diff {
    /// What differs in one line: `2 ops added, 1 removed, 3 changed; 4 weights changed`.
    pub fn headline(&self) -> String {
        pieces::headline(self)
    }

    /// As plain text, or with colours for a terminal.
    pub fn to_text(&self, style: Style) -> String {
        text::text(self, style)
    }

    /// As Markdown, for a comment on a change.
    pub fn to_markdown(&self) -> String {
        markdown::markdown(self)
    }
}
