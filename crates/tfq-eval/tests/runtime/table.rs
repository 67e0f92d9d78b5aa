//! The table of operators and types in `docs/evaluation.md`.

use crate::families::Family;
use crate::{evaluated, parsed};
use libtest_mimic::Failed;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tfq_eval::Fidelity;

const BEGIN: &str = "<!-- table -->\n";
const END: &str = "<!-- end -->";

/// The highest fidelity of models of a kind; numbers that are special lower it.
fn fidelity(family: &Family) -> Fidelity {
    let of = |seed| {
        let made = family.model(seed);
        evaluated(&parsed(&made), &made).ok().map(|outputs| outputs.fidelity)
    };
    (0..24).filter_map(of).max().unwrap_or_else(|| panic!("{} is evaluated", family.name()))
}

fn table(families: &[Family]) -> String {
    let mut rows: BTreeMap<&str, BTreeMap<Fidelity, Vec<String>>> = BTreeMap::new();
    for family in families {
        // `BROADCAST_TO.v2`, `QUANTIZE codes`
        let (op, form) = family.op.split_once(' ').unwrap_or((family.op, ""));
        let op = op.split('.').next().expect("it has a name");
        let types = format!("{} {form}", family.types);
        let cells = rows.entry(op).or_default().entry(fidelity(family)).or_default();
        if !cells.iter().any(|cell| cell == types.trim()) {
            cells.push(types.trim().to_owned());
        }
    }
    let mut table =
        "| op | `Exact` | `Reference` | `Approximate` |\n|---|---|---|---|\n".to_owned();
    for (op, cells) in rows {
        let cell = |of| cells.get(&of).map_or(String::new(), |all| all.join(", "));
        let [exact, reference, approximate] =
            [Fidelity::Exact, Fidelity::Reference, Fidelity::Approximate].map(cell);
        table += &format!("| {op} | {exact} | {reference} | {approximate} |\n");
    }
    table
}

pub(crate) fn is_in_the_document(families: &[Family]) -> Result<(), Failed> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/evaluation.md");
    let text = std::fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("there is no place for the table")?;
    let (_, after) = rest.split_once(END).ok_or("the table has no end")?;
    let wanted = format!("{before}{BEGIN}{}{END}{after}", table(families));
    if text == wanted {
        return Ok(());
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted)?;
        return Ok(());
    }
    Err("the table of docs/evaluation.md is another one: UPDATE_DOCS=1 writes it".into())
}
