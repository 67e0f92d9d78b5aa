//! The reader takes what the JSON Schema takes, and nothing else.

use crate::examples::{blocks, document};
use crate::is_valid;
use serde_json::{Map, Value, json};
use tfq_edits::{Blobs, Edits};

/// What the reader refuses although the schema takes it, with what no schema says.
const KNOWN: [(&str, &str); 3] = [
    // To JSON Schema a number is a whole one by its value. Writers that put a point there have
    // taken an integer for a float.
    ("1.0 for 1", "wanted, not the number `"),
    // A pattern with the bound would be a page long.
    ("@0%9999999999", "it is no handle of"),
    ("99999999999999999999", "an unsigned 64-bit integer (a"),
];

/// All examples as documents.
fn examples() -> Vec<Value> {
    let all = blocks(&document());
    let documents = all.iter().filter_map(|(kind, json)| match kind.as_str() {
        "json edit" => Some(crate::document(json)),
        "json document" => Some(json.clone()),
        _ => None,
    });
    let documents: Vec<Value> =
        documents.map(|json| serde_json::from_str(&json).unwrap()).collect();
    assert!(documents.len() >= 15, "{}", documents.len());
    documents
}

/// Adds the JSON pointer of each place in a value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(list) => {
            for (n, value) in list.iter().enumerate() {
                places(value, &format!("{at}/{n}"), found);
            }
        }
        _ => (),
    }
}

/// Keys of which two in one object are two kinds of something.
const KINDS: [&str; 12] = [
    "patch", "release", "name", "op", "version", "new", "buffer", "base64", "int", "custom",
    "before", "INT8",
];

/// What may stand in the place of a value.
fn others(value: &Value) -> Vec<Value> {
    let mut all = vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(-129),
        json!(256),
        json!(65_536),
        json!(4_294_967_296_u64),
        json!(-2_147_483_649_i64),
        json!(u64::MAX),
        json!(1e39),
        json!(""),
        json!("text"),
        json!("nan"),
        json!("0x7fc00001"),
        json!("-7"),
        json!("01"),
        json!("@0%1"),
        json!("@0#4"),
        json!("@00#4"),
        json!("end"),
        json!("FLOAT32"),
        json!("x".repeat(1000)),
        json!("x".repeat(1001)),
        json!([]),
        json!({}),
        json!([value]),
        json!([value, value]),
        json!({ "surplus": value }),
    ];
    match value {
        Value::Object(object) => {
            for key in object.keys() {
                let mut less = object.clone();
                less.remove(key);
                all.push(less.into());
            }
            for key in KINDS.iter().copied().chain(["surplus"]) {
                let mut more = object.clone();
                more.entry(key).or_insert(json!(0));
                all.push(more.into());
            }
            all.push(object.values().cloned().collect::<Vec<_>>().into());
            let pairs = object.iter().map(|(key, value)| json!([key, value]));
            all.push(pairs.collect::<Vec<_>>().into());
        }
        Value::Array(list) => {
            all.push([&list[..], &[Value::Null]].concat().into());
            all.push([&list[..], &[json!(0)]].concat().into());
            let object: Map<String, Value> =
                list.iter().enumerate().map(|(n, value)| (n.to_string(), value.clone())).collect();
            all.push(object.into());
        }
        Value::String(word) => {
            all.push(json!({ word: null }));
            all.push(json!({ word: {} }));
        }
        _ => (),
    }
    all
}

/// Every example with something else in one place, and where.
fn mutations() -> impl Iterator<Item = (String, Value)> {
    examples().into_iter().flat_map(|example| {
        let mut all = Vec::new();
        places(&example, "", &mut all);
        all.into_iter().flat_map(move |place| {
            let example = example.clone();
            let others = others(example.pointer(&place).unwrap()).into_iter();
            others.map(move |other| {
                let mut changed = example.clone();
                *changed.pointer_mut(&place).unwrap() = other;
                (place.clone(), changed)
            })
        })
    })
}

#[test]
fn the_reader_takes_what_the_schema_takes() {
    let (mut taken, mut refused) = (0, 0);
    for (place, changed) in mutations() {
        let json = changed.to_string();
        match (is_valid(&json), Edits::parse(&json)) {
            (Ok(()), Ok(_)) => taken += 1,
            (Err(_), Err(_)) => refused += 1,
            (valid, read) => panic!("{place}: {:?} {:?}\n{json}", valid.err(), read.err()),
        }
    }
    assert!(taken > 1000 && refused > 10_000, "{taken} {refused}");
}

/// A schema does not see them: readers of JSON that know no better take the last one.
#[test]
fn keys_that_are_said_twice_are_refused() {
    for example in examples() {
        let mut all = Vec::new();
        places(&example, "", &mut all);
        for place in &all {
            let mut changed = example.clone();
            let Value::Object(object) = changed.pointer_mut(place).unwrap() else { continue };
            let Some((key, value)) = object.iter().next() else { continue };
            let (key, value) = (key.clone(), value.clone());
            object.insert("twice".to_owned(), value);
            let json = changed.to_string().replace("\"twice\":", &format!("\"{key}\":"));
            let error = Edits::parse(&json).expect_err(&json).to_string();
            let said = ["duplicate field `", "as well", " is wanted"];
            assert!(said.iter().any(|said| error.contains(said)), "{place}: {error}\n{json}");
        }
    }
}

#[test]
fn what_no_schema_says_is_refused_by_the_reader() {
    let versions = |op: &str, version: &str| {
        crate::document(&format!(
            r#"{{"versions": {{"subgraph": 0, "versions": [{{"op": {op}, "version": {version}}}]}}}}"#
        ))
    };
    let length = |length: &str| {
        crate::document(&format!(
            r#"{{"external": {{"groups": [], "buffers": [{{"id": 1, "group": 0, "offset": 0, "length": {length}}}]}}}}"#
        ))
    };
    let documents = [
        versions("\"@0#4\"", "1.0"),
        versions("\"@0#9999999999\"", "1"),
        length("\"99999999999999999999\""),
    ];
    for (json, (what, wanted)) in documents.iter().zip(KNOWN) {
        is_valid(json).unwrap();
        let error = Edits::parse(json).expect_err(what).to_string();
        assert!(error.contains(wanted), "{what}: {error}");
    }
    for json in [versions("\"@0#4\"", "1"), length("\"18446744073709551615\"")] {
        is_valid(&json).unwrap();
        Edits::parse(&json).unwrap();
    }
}

/// Whatever is wrong, it is said in the words of JSON.
#[test]
fn errors_have_no_words_of_rust() {
    let rust = [
        "struct",
        "variant",
        "enum",
        "sequence",
        "u32",
        "i32",
        "i8",
        "u16",
        "u64",
        "i64",
        " map",
        "unit",
        "tuple",
        "newtype",
        "usize",
        "expected a",
        "floating point",
        "serde",
    ];
    let of_the_schema = ["variant_tensors", "\"enum\"", "`enum`", "`variant_tensors`"];
    for (place, changed) in mutations() {
        let Err(error) = Edits::parse(&changed.to_string()) else { continue };
        let said =
            of_the_schema.iter().fold(error.message.clone(), |text, name| text.replace(name, ""));
        let word = rust.iter().find(|word| said.contains(**word));
        assert_eq!(word, None, "{place}: {error}\n{changed}");
        let is_placed = error.message.contains(" at line 1 column ");
        assert!(is_placed || error.message.starts_with("version "), "{error}");
    }
}

#[test]
fn exactly_one_kind_is_asked_for() {
    let error = |edit: &str| Edits::parse(&crate::document(edit)).unwrap_err().to_string();
    let kinds = "edits[0].edit: exactly one of `patch`, `versions`, `constant`, `release`, ";
    let both = error(r#"{"release": [], "prune": "buffers"}"#);
    assert!(both.starts_with(kinds) && both.contains(" is wanted, not `prune` as well"), "{both}");
    let none = error("{}");
    assert!(none.starts_with(kinds) && none.contains(" is wanted, not none"), "{none}");
    let word = error(r#""patch""#);
    assert!(word.contains(r#"edit: `patch` has a value: {"patch": …} is wanted"#), "{word}");
    let prune = error(r#"{"prune": {"buffers": null}}"#);
    assert!(prune.contains("edit.prune: it has no value: its name as a string"), "{prune}");
    let list = error(r#"{"patch": [0, "label"]}"#);
    assert!(list.contains("edit.patch: an object is wanted, not a list at line 1"), "{list}");
    let version = Edits::parse("[2, []]").unwrap_err().to_string();
    assert!(version.starts_with("an object is wanted, not a list"), "{version}");
}

/// A file says how long they are, and somebody reads what is printed of them.
#[test]
fn what_is_long_is_cut() {
    let long = "x".repeat(100_000);
    let documents = [
        format!(r#"{{"patch": {{"subgraph": 0, "label": "{long}"}}}}"#),
        format!(r#"{{"patch": {{"subgraph": 0, "label": "test", "{long}": 0}}}}"#),
        format!(
            r#"{{"patch": {{"subgraph": 0, "label": "{}", "erase_ops": ["@0#4"]}}}}"#,
            &long[..1000]
        ),
        format!(r#"{{"{long}": 0}}"#),
        format!(r#"{{"prune": "{long}"}}"#),
        format!(r#"{{"release": ["{long}"]}}"#),
        format!(
            r#"{{"versions": {{"subgraph": 0, "versions": [{{"op": "{long}", "version": 1}}]}}}}"#
        ),
        format!(r#"{{"prune": "buffers", "{long}": 0}}"#),
        format!(r#"{{"record": {{"key": "{long}", "record": null}}}}"#),
    ];
    let (module, _) = crate::common::chain();
    for edit in documents {
        let edits = Edits::parse(&crate::document(&edit));
        let error = edits.and_then(|edits| edits.apply(&mut module.clone(), &Blobs::new()));
        let error = error.expect_err(&edit[..60]).to_string();
        assert!(error.len() < 2500, "{} of {}", error.len(), &edit[..60]);
    }
}
