//! What is refused: where, why, and what to do about it.

use crate::{error, parse, with_fills, with_side};
use tfq_ir::text::{self, Level, ParseOptions};

#[test]
fn what_is_left_out_must_come_from_somewhere() {
    let source =
        "%x = input : f32[9]\n%w = const : f32[3,3]\n%y = ADD(%x, %w) : f32[9]\noutput %y\n";
    let refused = error(source);
    assert_eq!((refused.line, refused.column), (2, 6));
    assert_eq!(refused.message, "the bytes of `%w` are not in the text");
    assert!(refused.help.unwrap().contains("side file"));
    let filled = text::parse(source, &with_fills()).unwrap();
    let hashed = text::print(&filled, Level::Hash);
    assert!(hashed.contains("%w = const : f32[3,3] #"), "{hashed}");
    assert!(error(&hashed).message.contains("not in the text"));
    let (full, side) = text::print_with_side(&filled);
    let back = text::parse(&hashed, &with_side(side.clone())).unwrap();
    assert_eq!(text::print(&back, Level::Hash), hashed);
    // Another model's side file does not do.
    let other = text::print_with_side(&parse("%x = input\noutput %x")).1;
    let refused = text::parse(&full, &with_side(other)).unwrap_err();
    assert_eq!(refused.message, "the side file has no bytes of this hash");
    let refused = text::parse(&full, &with_side(side[..40].to_vec())).unwrap_err();
    assert_eq!(refused.message, "the side file is cut off or damaged");
    let mut changed = side.clone();
    *changed.last_mut().unwrap() ^= 1;
    let refused = text::parse(&full, &with_side(changed)).unwrap_err();
    assert!(refused.message.contains("the bytes of this hash have another one"), "{refused}");
    let refused = text::parse(&full, &with_side(b"TFL3".to_vec())).unwrap_err();
    assert_eq!(refused.message, "the side file does not begin with TFGSIDE1");
}

#[test]
fn errors_say_where_and_what_to_do() {
    for (source, line, column, message, help) in [
        ("", 1, 1, "there is no subgraph", "a model begins with `subgraph @main {`"),
        ("tfg 2\n", 1, 5, "text format 2 is unknown, this is 1", ""),
        (
            "subgraf @main {}",
            1,
            1,
            "there is no section or operator `subgraf`",
            "did you mean `subgraph`?",
        ),
        (
            "%x = input\n%y = CONV2D(%x)",
            2,
            6,
            "there is no operator `CONV2D`",
            "did you mean `CONV_2D`?",
        ),
        ("%x = input\n%y = relu(%x)", 2, 6, "there is no operator `relu`", "did you mean `RELU`?"),
        ("%x = input\n%y = RELU(%w)", 2, 11, "there is no tensor `%w` in `@main`", ""),
        (
            "%image = input\n%y = RELU(%imag)",
            2,
            11,
            "there is no tensor `%imag` in `@main`",
            "did you mean `%image`?",
        ),
        ("%x = input\n%x = RELU(%x)\n%x = RELU(%x)", 3, 1, "there is a tensor `%x` already", ""),
        ("%x = input : f33[1]", 1, 14, "there is no type `f33`", "did you mean `f32`?"),
        ("%x = input : FLOAT32[1]", 1, 14, "there is no type `FLOAT32`", "did you mean `f32`?"),
        (
            "%x = input : f32[1;2]",
            1,
            19,
            "there is no place for `;` here",
            "comments begin with `//`",
        ),
        ("%x = input : f32[1 2]", 1, 20, "expected `,` or `]`, found `2`", ""),
        ("%x = input : f32[1.5]", 1, 18, "1.5 cannot be a dimension", ""),
        (
            "%x = input\n%y = CONV_2D(%x) {padding = SAMEE}",
            2,
            29,
            "Padding has no `SAMEE`",
            "did you mean `SAME`?",
        ),
        ("%x = input\n%y = CONV_2D(%x) {stride_w = 1.5}", 2, 30, "`1.5` cannot be an integer", ""),
        (
            "%x = input\n%y = CONV_2D(%x) {stride_w = 99999999999}",
            2,
            30,
            "`stride_w` cannot hold this value",
            "",
        ),
        ("%x = input\n%y = LOGISTIC(%x) {a = 1}", 2, 20, "LOGISTIC has no attributes", ""),
        (
            "%c = const : i32[2] = [1, 2, 3]",
            1,
            23,
            "3 values for 2 elements ([2])",
            "`fill const(x)` gives every element the same value",
        ),
        ("%c = const : i8[1] = [200]", 1, 23, "`200` cannot be a value of type i8", ""),
        ("%c = const : str[1] = [1]", 1, 24, "expected a string, found `1`", ""),
        (
            "%c = const : f32[2] fill gauss(seed = 1)",
            1,
            26,
            "there is no fill `gauss`",
            "fills are gaussian, uniform, ramp and const",
        ),
        (
            "%c = const : f32[2] fill gaussian(sd = 1)",
            1,
            35,
            "gaussian has no `sd`",
            "it has seed, mean, std, min, max, zeros and nonfinite",
        ),
        (
            "%c = const : f32[99999,99999] fill const(1)",
            1,
            36,
            "the text asks for more bytes than it may",
            "",
        ),
        ("description \"open\n", 1, 13, "the quote is not closed on its line", ""),
        (
            "description \"\\q\"",
            1,
            14,
            "there is no such escape",
            "escapes are \\\" \\\\ \\n \\r \\t \\0 \\xNN and \\u{…}",
        ),
        (
            "// ümläut\n  ü",
            2,
            3,
            "there is no place for `ü` here",
            "names like this are in quotes: `%\"...\"`",
        ),
        (
            "%x = input\n%y = RELU(%z)\n%z = RELU(%x)\n",
            2,
            6,
            "subgraph 0, op 0 (RELU): operand 0 (`z`) is computed later, by RELU",
            "",
        ),
        (
            "%x = input\n%y = IF(%x) {then_subgraph_index = @no}",
            2,
            36,
            "there is no subgraph `@no`",
            "",
        ),
        ("subgraph @a {}\nsubgraph @a {}", 2, 10, "there is a subgraph `@a` already", ""),
        ("%x = input\n%y = RELU.2(%x)", 2, 11, "expected a version (`v2`), found `2`", ""),
        ("%x = input\nlayout @main {}", 1, 1, "the layout of `@main` does not list `%x`", ""),
        ("%x = input\n%y, %z = SPLIT(%x, %x) : f32[1]", 2, 24, "1 types for 2 results", ""),
        (
            "%x = input : i8[1] q(0.5, 1, 2)",
            1,
            30,
            "expected `axis`, `min`, `max` or `)`, found `2`",
            "",
        ),
        ("tfg 1 qant\n%x = input", 1, 7, "there is no level `qant`", "did you mean `quant`?"),
        (
            "version 7\n%x = input",
            1,
            9,
            "a model of version 7 is no model that runs",
            "the version is 3",
        ),
        (
            "# a comment\n%x = input",
            1,
            1,
            "this is not a hash",
            "a hash has 8 to 64 hexadecimal digits; comments begin with `//`",
        ),
        (
            "%ü = input",
            1,
            2,
            "there is no place for `ü` here",
            "names like this are in quotes: `%\"...\"`",
        ),
        (
            "%x = input\n%y = RELU(%x) f32[1]",
            2,
            15,
            "there is no section or operator `f32`",
            "a type stands behind a `:`",
        ),
        ("subgraph @a {\n%x = input", 1, 10, "the `{` of this subgraph is never closed", ""),
        (
            "%x = input\n%y = CONV_2D(%x) {stride_w = 1, stride_w = 2}",
            2,
            33,
            "`stride_w` is set twice",
            "",
        ),
        ("%c = const : f32[1] = [1e400]", 1, 24, "`1e400` cannot be a value of type f32", ""),
        ("%c = const : f32[2] fill uniform(min = 3, max = 1)", 1, 26, "min 3 is above max 1", ""),
        (
            "%c = const : f32[2] fill gaussian(std = -1)",
            1,
            26,
            "a standard deviation is not below 0",
            "",
        ),
    ] {
        let refused = error(source);
        assert_eq!(
            (refused.message.as_str(), refused.line, refused.column),
            (message, line, column),
            "{source}"
        );
        assert_eq!(refused.help.as_deref().unwrap_or(""), help, "{source}");
        assert_eq!(refused.to_string(), format!("{line}:{column}: {message}"));
        assert!(source.get(refused.span.clone()).is_some(), "{source}");
    }
}

#[test]
fn what_a_text_may_ask_for_has_a_limit() {
    let options = ParseOptions { max_fill_bytes: 1000, ..ParseOptions::default() };
    assert!(text::parse("%c = const : f32[250] fill const(1)", &options).is_ok());
    for source in [
        "%c = const : f32[251] fill const(1)",
        "%c = const : f32[200] fill const(1) %d = const : f32[200] fill const(1)",
        "trailer = bytes(1001) fill %x = input",
        "%x = input : i8[1] q([99999999999 * 1])",
        "%x = input layout @main { %x buffer 4000000000 }",
        "%x = input layout @main { %x } buffers 4000000000",
    ] {
        assert!(text::parse(source, &options).is_err(), "{source}");
    }
}
