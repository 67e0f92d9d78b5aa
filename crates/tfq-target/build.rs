//! Reads the shipped targets, so that no run has to.

#[allow(dead_code, unreachable_pub, reason = "what is made of the rows is the library's")]
#[path = "src/facts/file.rs"]
mod file;

use std::fmt::Write;
use std::{env, fs, path::PathBuf};

const TARGETS: [&str; 6] = ["litert", "litert-cpu", "litert-xnnpack", "tflm", "gpu", "float-only"];

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-changed=src/facts/file.rs");
    let mut list = "&[\n".to_owned();
    for name in TARGETS {
        let path = format!("data/{name}.toml");
        println!("cargo::rerun-if-changed={path}");
        let text = fs::read_to_string(&path).expect(&path);
        let file: file::File =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let bytes = postcard::to_allocvec(&(file::line_ends(&text), file)).expect(&path);
        let binary = out.join(format!("{name}.bin"));
        fs::write(&binary, bytes).expect(&path);
        writeln!(list, "({name:?}, include_bytes!({binary:?})),").expect("it is a string");
    }
    list.push(']');
    fs::write(out.join("targets.rs"), list).expect("cargo made the folder");
}
