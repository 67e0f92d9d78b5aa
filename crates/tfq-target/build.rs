//! Reads the shipped targets, so that no run has to.

#[allow(dead_code, unreachable_pub, reason = "what is made of the rows is the library's")]
#[path = "src/facts/file.rs"]
mod file;
#[allow(unreachable_pub)]
#[path = "src/facts/table.rs"]
mod table;

use serde::de::DeserializeOwned;
use std::fmt::Write;
use std::{env, fs, path::PathBuf};

const TABLES: [&str; 3] = ["op_versions", "op_runtime_versions", "op_reference_versions"];
const TARGETS: [&str; 6] = ["litert", "litert-cpu", "litert-xnnpack", "tflm", "gpu", "float-only"];

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-changed=src/facts/file.rs");
    let mut list = "&[\n".to_owned();
    for name in TARGETS {
        let path = format!("data/{name}.toml");
        let (text, mut file) = read::<file::File>(&path);
        let line_ends = file::line_ends(&text);
        // There are many of these, and few runs ask for them.
        let delegate = std::mem::take(&mut file.delegate);
        let write = |kind: &str, bytes: postcard::Result<Vec<u8>>| {
            let binary = out.join(format!("{name}{kind}.bin"));
            fs::write(&binary, bytes.expect(&path)).expect(&path);
            format!("include_bytes!({binary:?})")
        };
        let delegate = write(".delegate", postcard::to_allocvec(&(&line_ends, delegate)));
        let rest = write("", postcard::to_allocvec(&(&line_ends, file)));
        writeln!(list, "({name:?}, {rest}, {delegate}),").expect("it is a string");
    }
    list.push(']');
    fs::write(out.join("targets.rs"), list).expect("cargo made the folder");

    let (_, caps) = read::<file::Caps>("data/tflite.toml");
    let bytes = postcard::to_allocvec(&caps).expect("rows have a binary form");
    fs::write(out.join("caps.bin"), bytes).expect("cargo made the folder");

    println!("cargo::rerun-if-changed=src/facts/table.rs");
    for name in TABLES {
        let path = format!("data/{name}.csv");
        println!("cargo::rerun-if-changed={path}");
        let text = fs::read_to_string(&path).expect(&path);
        let table = table_of(&text).unwrap_or_else(|line| panic!("{path}: line {line}"));
        let bytes = postcard::to_allocvec(&table).expect("rows have a binary form");
        fs::write(out.join(format!("{name}.bin")), bytes).expect("cargo made the folder");
    }
}

/// The text of a data file, and its rows.
fn read<T: DeserializeOwned>(path: &str) -> (String, T) {
    println!("cargo::rerun-if-changed={path}");
    let text = fs::read_to_string(path).expect(path);
    let rows = toml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    (text, rows)
}

/// The rows of a text in which `#` begins a comment; the line of one that has not as many columns
/// as the header.
fn table_of(text: &str) -> Result<table::Table<String>, usize> {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut table = table::Table { columns: 0, lines: Vec::new(), cells: Vec::new() };
    for record in reader.records() {
        let record = record.expect("text in memory is UTF-8 and read without fail");
        let line = record.position().map_or(0, |position| position.line() as usize);
        if table.lines.is_empty() {
            table.columns = record.len();
        } else if record.len() != table.columns {
            return Err(line);
        }
        table.lines.push(line);
        table.cells.extend(record.iter().map(str::to_owned));
    }
    Ok(table)
}
