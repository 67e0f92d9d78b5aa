//! What people are shown.

use std::io::{self, LineWriter, StderrLock, Write};
use tfq_text::visible_lines;

/// Writes text for people: what comes from a file and a terminal would obey, or would not show, is
/// escaped, whoever put it into the text. Lines stay lines. Colours are put around it, not through
/// it.
pub(crate) struct Shown<W>(pub(crate) W);

/// Standard error, locked, for a report of many lines. It has no buffer of its own, and whoever
/// reads it would be woken for every piece of a line.
pub(crate) fn standard_error() -> Shown<LineWriter<StderrLock<'static>>> {
    Shown(LineWriter::new(io::stderr().lock()))
}

impl<W: Write> Write for Shown<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for chunk in bytes.utf8_chunks() {
            self.0.write_all(visible_lines(chunk.valid()).as_bytes())?;
            for byte in chunk.invalid() {
                write!(self.0, "\\x{byte:02x}")?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_to_a_terminal_are_written_out() {
        let mut out = Shown(Vec::new());
        write!(out, "a\u{1b}[31mb\n\tc\u{9b}\u{202e}d ü").unwrap();
        out.write_all(b"\xff").unwrap();
        let text = String::from_utf8(out.0).unwrap();
        assert_eq!(text, "a\\u{1b}[31mb\n\\tc\\u{9b}\\u{202e}d ü\\xff");
    }
}
