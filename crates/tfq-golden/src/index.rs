//! The text of an index, which people edit too.

use crate::entry::Entry;
use toml_edit::{DocumentMut, Item, Table, Value};

/// The name of the list of entries.
const LIST: &str = "golden";

/// The index with these entries in place of its own. What did not change stays as it was written.
///
/// # Panics
/// If `text` is no TOML.
pub(crate) fn with_entries(text: &str, entries: &[Entry]) -> String {
    let mut document: DocumentMut = text.parse().expect("the index was read before");
    let old = document.remove(LIST).and_then(|list| list.into_array_of_tables().ok());
    let mut list = old.unwrap_or_default();
    let name = |table: &Table| table.get("name").and_then(Item::as_str).map(str::to_owned);
    list.retain(|table| entries.iter().any(|entry| name(table).as_ref() == Some(&entry.name)));
    for entry in entries {
        let at = list.iter().position(|table| name(table).as_ref() == Some(&entry.name));
        let new = toml_edit::ser::to_document(entry).expect("plain data has a TOML form");
        match at.and_then(|at| list.get_mut(at)) {
            Some(table) => update(table, new.as_table()),
            None => {
                let mut table = new.as_table().clone();
                table.set_position(None);
                table.decor_mut().set_prefix("\n");
                list.push(table);
            }
        }
    }
    if !list.is_empty() {
        document.insert(LIST, Item::ArrayOfTables(list));
    }
    document.to_string()
}

/// Sets the values that differ, and leaves the comments beside them.
fn update(table: &mut Table, new: &Table) {
    let gone: Vec<String> =
        table.iter().map(|(key, _)| key.to_owned()).filter(|key| !new.contains_key(key)).collect();
    for key in gone {
        // `fills = false` says what its absence does.
        if table.get(&key).and_then(Item::as_bool) != Some(false) {
            table.remove(&key);
        }
    }
    for (key, value) in new {
        let Some(value) = value.as_value() else { continue };
        match table.get_mut(key).and_then(Item::as_value_mut) {
            Some(old) if same(old, value) => (),
            Some(old) => {
                let decor = old.decor().clone();
                *old = value.clone();
                *old.decor_mut() = decor;
            }
            None => _ = table.insert(key, Item::Value(value.clone())),
        }
    }
}

fn same(a: &Value, b: &Value) -> bool {
    if let (Some(a), Some(b)) = (a.as_array(), b.as_array()) {
        return a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    }
    match (a.as_str(), b.as_str()) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_bool().is_some() && a.as_bool() == b.as_bool(),
    }
}
