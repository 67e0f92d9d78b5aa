//! What the runtime made of some of the models.

use crate::families::Family;
use crate::maker::{Made, element};
use crate::{by_name, evaluated, parsed, same, shown};
use libtest_mimic::Failed;
use std::fmt::Write as _;
use std::path::PathBuf;
use tfq_eval::Value;

/// So many models of each kind are recorded.
pub(crate) const EACH: u64 = 2;

const RECORDED: &str = include_str!("recorded.txt");

/// What a model is, in eight digits.
fn hash(made: &Made) -> String {
    let inputs = made.inputs.iter().flat_map(|value| value.bytes().to_vec());
    let all = made.text.bytes().chain(inputs);
    let hash = all.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:08x}", hash >> 32)
}

/// `ADD f32|0|1a2b3c4d|f32[2]=0000803f0000803f`
pub(crate) fn line(family: &Family, seed: u64, made: &Made, results: &[Value]) -> String {
    let mut line = format!("{}|{seed}|{}|", family.name(), hash(made));
    for (n, value) in results.iter().enumerate() {
        let dims: Vec<String> = value.shape().iter().map(usize::to_string).collect();
        let space = if n > 0 { " " } else { "" };
        write!(line, "{space}{}[{}]=", short(value), dims.join(",")).unwrap();
        value.bytes().iter().for_each(|byte| write!(line, "{byte:02x}").unwrap());
    }
    line
}

/// The name of a type in texts.
fn short(value: &Value) -> String {
    let name = value.ty().name().to_ascii_lowercase();
    let replaced = [("bfloat", "bf"), ("float", "f"), ("uint", "u"), ("int", "i")];
    let replaced = replaced.iter().find(|(long, _)| name.starts_with(long));
    replaced.map_or(name.clone(), |(long, short)| name.replacen(long, short, 1))
}

pub(crate) fn write(lines: &[String]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/runtime/recorded.txt");
    let head = "# What the reference kernels of LiteRT 2.3.0 (x86-64 Linux) made of models of one operator; main.rs \
                writes it.\n# kind | seed | hash of model and inputs | results\n";
    std::fs::write(path, format!("{head}{}\n", lines.join("\n"))).unwrap();
}

pub(crate) fn are_computed(families: &[Family]) -> Result<(), Failed> {
    let (families, mut told, mut count) = (by_name(families), String::new(), 0);
    for line in RECORDED.lines().filter(|line| !line.starts_with('#')) {
        let [name, seed, known, results] = line.split('|').collect::<Vec<_>>()[..] else {
            return Err(format!("no record: {line}").into());
        };
        let family = families.get(name).ok_or_else(|| format!("there are no models `{name}`"))?;
        let made = family.model(seed.parse()?);
        if hash(&made) != known {
            let again = "is another one now: record with TFQ_EVAL_RECORD=1";
            return Err(format!("model {seed} of `{name}` {again}").into());
        }
        let theirs: Vec<Value> = results.split(' ').map(value).collect();
        count += 1;
        match evaluated(&parsed(&made), &made) {
            Ok(ours) if ours.values.len() == theirs.len() => {
                let each = ours.values.iter().zip(&theirs);
                if let Some((ours, theirs)) = each.clone().find(|(a, b)| !same(a, b, ours.fidelity))
                {
                    let (ours, theirs) = (shown(ours), shown(theirs));
                    writeln!(told, "{name} {seed}\n{}{ours}\n{theirs}", made.text).unwrap();
                }
            }
            Ok(ours) => writeln!(told, "{name} {seed}: {} results", ours.values.len()).unwrap(),
            Err(why) => writeln!(told, "{name} {seed}: {why}\n{}", made.text).unwrap(),
        }
    }
    assert!(count >= families.len(), "{count} records of {} kinds", families.len());
    if told.is_empty() { Ok(()) } else { Err(told.into()) }
}

fn value(text: &str) -> Value {
    let (form, hex) = text.split_once('=').unwrap();
    let (ty, dims) = form.strip_suffix(']').unwrap().split_once('[').unwrap();
    let dims: Vec<usize> =
        dims.split(',').filter(|d| !d.is_empty()).map(|d| d.parse().unwrap()).collect();
    let bytes: Vec<u8> =
        (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..][..2], 16).unwrap()).collect();
    Value::new(element(ty), &dims, bytes.into()).unwrap()
}
