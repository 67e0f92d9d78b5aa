//! Metadata that refers to parts of the model by number: what passes say of it.

use tfq_ir::Numbers;
use tfq_pass::Session;
use tfq_pass::rewrite::FORBIDDEN;

/// Tells of metadata that would be wrong if these moved, and what follows; whether there is some.
pub(crate) fn tell_numbered(session: &Session<'_>, numbers: Numbers, so: &str) -> bool {
    let Some((metadata, what)) = session.model().numbered_by_metadata(numbers) else {
        return false;
    };
    let place = format!("metadata `{}`", metadata.name);
    session.missed(FORBIDDEN, place, format!("it names {what} by number, so {so}"));
    true
}
