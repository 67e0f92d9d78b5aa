//! What is said of bytes that a text leaves out.

use super::{everything, some, with_fills, with_side};
use tfq_text as text;
use tfq_text::{Elision, Elisions, Level, name_len, quoted_len, same_tokens};

fn elisions(text: &str) -> Elisions {
    let read = text::parse_with_elisions(text, &with_fills());
    read.unwrap_or_else(|error| panic!("{error}\n{text}")).1
}

const TEXT: &str = "tfg 1 hash
metadata \"m\" = bytes(70) #aa000001
subgraph @\"the main\" {
  %x = input : f32[1,9]
  %w = const : i8[4,9] q([4 : 0.1..0.2 #bb000002], axis = 0) #CC000003 {min=-1 , max = 1, zeros = 4.17 %}
  %shown = const : f32[2] = [1.0, 2.0] {min = 1, max = 2}
  %made = const : f32[900] fill const(1)
  %same = const : i8[4,9] as %w
  %said = const : f32[900] {mean = 0.5}
  %y = custom \"A\"(%x, %w, %shown, %made, %same, %said) options(bytes(96) #dd000004) : f32[1]
  output %y
}
trailer = bytes(80) #aa000000
";

#[test]
fn a_text_tells_what_it_leaves_out_and_where() {
    let found = elisions(TEXT);
    assert_eq!(found.lists, ["bb000002"]);
    assert_eq!(found.payloads, ["dd000004"]);
    assert_eq!(found.model, ["aa000000", "aa000001"]);
    let statistics = |text: &str| Some(text.to_owned());
    let w = Elision {
        hash: Some("cc000003".to_owned()),
        statistics: statistics("min = -1, max = 1, zeros = 4.17 %"),
    };
    assert_eq!(found.constant("the main", "w"), Some(&w));
    let said = Elision { hash: None, statistics: statistics("mean = 0.5") };
    assert_eq!(found.constant("the main", "said"), Some(&said));
    for known in ["x", "shown", "made", "same", "y", "none"] {
        assert_eq!(found.constant("the main", known), None, "{known}");
    }
    // Without a subgraph of its own it is that of the model.
    let found = elisions("%w = const : f32[900] #cc000003\n%y = NEG(%w) : f32[900]");
    let hash = found.constant("main", "w").and_then(|said| said.hash.as_deref());
    assert_eq!(hash, Some("cc000003"));
}

/// Also where a side file has the bytes.
#[test]
fn a_text_tells_the_same_with_its_side_file() {
    let module = everything();
    let (text, side) = text::print_with_side(&module);
    let (_, found) = text::parse_with_elisions(&text, &with_side(side)).unwrap();
    assert_eq!(found, elisions(&text));
    assert!(!found.lists.is_empty() && !found.payloads.is_empty() && !found.model.is_empty());
    assert_eq!(elisions(&text::print(&module, Level::Topology)).lists, Vec::<String>::new());
}

#[test]
fn layout_and_comments_are_no_tokens() {
    let other = TEXT.replace(" = ", "=\n // a comment, \" and all\n");
    assert!(same_tokens(TEXT, &other));
    assert!(!same_tokens(TEXT, &TEXT.replace("0.1..", "0.2..")));
    assert!(!same_tokens(TEXT, &TEXT[..TEXT.len() - 20]));
    // What is not made of tokens is like nothing.
    assert!(!same_tokens("\"open", "\"open"));
}

#[test]
fn names_and_strings_end_where_the_parser_says() {
    for (text, length) in [
        ("x = 1", 1),
        ("a:0/b;c-d]", 9),
        ("w: [", 1),
        ("w//", 1),
        ("", 0),
        ("-]", 0),
        (r#""a \" b" c"#, 8),
        (r#""\\" c"#, 4),
        ("\"open", 5),
    ] {
        assert_eq!(name_len(text), length, "{text}");
    }
    let name = some("ä \"quoted\\\" name").unwrap();
    let quoted = text::quoted('%', &name);
    assert_eq!(quoted_len(&quoted[1..]), quoted.len() - 1);
}
