//! What is refused: where, why, and what to do about it.

use crate::{error, parse, with_fills, with_side};
use tfq_text as text;
use tfq_text::{Level, ParseOptions};

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
        ("%x = input\n%y = RELU(%x)\n%y = RELU(%x)", 3, 1, "there is a tensor `%y` already", ""),
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
        ("%x = input\n%y, %z = SPLIT(%x, %x) : f32[1]", 2, 24, "1 type for 2 results", ""),
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
        "%x = input : i8[251] q([251 * 0.5], [251 * 0])",
        "%x = input : i8[1] q(0.5, min = [251 * 0.5])",
        "%c = const : i8[2000] = [2000 * 1]",
        "%c = const : i4[4000] = [4000 * 1]",
        "%c = const : str[99] = [99 * \"abc\"]",
        "%x = input metadata_buffer [999 * 1]",
    ] {
        let refused = text::parse(source, &options).expect_err(source);
        assert!(refused.message.contains("too") || refused.message.contains("may"), "{refused}");
    }
    // The zero points that scales imply count as well.
    let source = "%x = input : i8[80] q([80 * 0.5], axis = 0)";
    assert!(text::parse(source, &options).is_ok());
    let source = "%x = input : i8[100] q([100 * 0.5], axis = 0)";
    assert!(text::parse(source, &options).is_err());
}

#[test]
fn a_side_file_is_not_copied_without_end() {
    let source = "%c = const : f32[250] fill gaussian()\noutput %c";
    let (_, side) = text::print_with_side(&parse(source));
    let hashed = text::print(&parse(source), Level::Hash);
    let line = hashed.lines().find(|line| line.contains("%c = ")).unwrap();
    let times = |n: usize| -> String {
        (0..n).map(|n| line.replace("%c", &format!("%c{n}")) + "\n").collect()
    };
    let options = ParseOptions { max_fill_bytes: 1000, ..with_side(side) };
    assert!(text::parse(&times(17), &options).is_ok());
    let refused = text::parse(&times(100), &options).unwrap_err();
    assert_eq!(refused.message, "the text asks for more bytes than it may");
}

/// However deep it nests.
#[test]
fn depth_is_an_error_and_no_overflow() {
    const DEPTH: usize = 1_000_000;
    for (source, message) in [
        (
            format!("%x = input\n%y = RELU(%x) notes(\"n\" = {}", "[".repeat(DEPTH)),
            "expected the value of a note, found `[`",
        ),
        (
            format!("%x = input\n%y = CONV_2D(%x) {}", "{".repeat(DEPTH)),
            "expected an attribute, found `{`",
        ),
        (
            format!("%x = input\n%y = RELU{}", "(".repeat(DEPTH)),
            "expected a tensor, or `_` where there is none, found `(`",
        ),
        (
            format!("%x = const : f32[1] = {}", "[".repeat(DEPTH)),
            "expected a value of type f32, found `[`",
        ),
        (
            format!("%x = const : c64[1] = [{}", "(".repeat(DEPTH)),
            "expected a value of type c64, found `(`",
        ),
        (format!("%x = input : f32{}", "[".repeat(DEPTH)), "expected a dimension, found `[`"),
        (
            format!("%x = input : f32[1] {}", "of (f32[1] ".repeat(DEPTH)),
            "expected `,` or `)`, found `of`",
        ),
        (
            format!("%x = input : f32[1] q({}", "blockwise(".repeat(DEPTH)),
            "expected `=`, found `(`",
        ),
        ("subgraph @a { ".repeat(DEPTH), "there is no operator `subgraph`"),
    ] {
        assert_eq!(error(&source).message, message);
    }
}

#[test]
fn messages_are_short_whatever_stands_in_the_text() {
    let long = "a".repeat(1 << 20);
    for source in [
        format!("%x = input\n%y = {long}(%x)"),
        format!("{long} %x"),
        format!("tfg 1 {long}"),
        format!("%x = input : {long}[1]"),
        format!("%x = input\n%y = RELU(%{long})"),
        format!("%{long} = input\n%{long} = RELU(%x)"),
        format!("%{long} = const : f32[9]"),
        format!("%x = input : f32[{}]", "9".repeat(1 << 20)),
        format!("%x = input\n%y = RELU(%x) {{{long} = 1}}"),
        format!("%x = input\n%y = CONV_2D(%x) {{{long} = 1}}"),
        format!("%x = input\n%y = CONV_2D(%x) {{padding = {long}}}"),
        format!("%x = input\n%y = IF(%x) {{then_subgraph_index = @{long}}}"),
        format!("%x = input : f32[1] q(0.5, {long} = 1)"),
        format!("%x = const : f32[9] fill {long}(seed = 1)"),
        format!("%x = const : f32[1] = 0x{}", "f".repeat(1 << 20)),
        format!("layout @{long} {{}}"),
    ] {
        let refused = error(&source);
        assert!(refused.message.len() < 300, "{} bytes", refused.message.len());
        assert!(refused.help.is_none_or(|help| help.len() < 1000));
    }
    // What a terminal would obey is escaped.
    let refused = error("%x = input\n%y = RELU(%\"\\u{1b}[31m\")");
    assert_eq!(refused.message, "there is no tensor `%\"\\u{1b}[31m\"` in `@main`");
}

/// What would count for nothing, or be read as something else.
#[test]
fn nothing_in_a_text_is_passed_over() {
    let mut wrong = Vec::new();
    for (source, line, column, message) in [
        ("description \"a\"\ndescription \"b\"\n%x = input", 2, 1, "`description` is set twice"),
        ("opcodes {}\n%x = input\nopcodes {}", 3, 1, "`opcodes` is set twice"),
        ("%x = input\n%y = RELU(%x) debug 1 debug 2", 2, 23, "`debug` is set twice"),
        ("%x = input : f32[1] q(0.5) q(0.25)", 1, 28, "`q` is set twice"),
        ("%x = input : f32[1] external 1 external 2", 1, 32, "`external` is set twice"),
        ("%x = input : f32[1] q(0.5, axis = 0, axis = 1)", 1, 38, "`axis` is set twice"),
        (
            "%x = input : f32[1] q(axis = 0, 3)",
            1,
            33,
            "expected `axis`, `min`, `max` or `)`, found `3`",
        ),
        (
            "%x = input : i8[1] q(custom(b\"\"), blockwise())",
            1,
            35,
            "of blockwise, multi_axis and custom a quantisation has one",
        ),
        (
            "%x = input : f32[?,2] signature [-1,2]",
            1,
            23,
            "what is unknown of the shape is said by `?` already",
        ),
        ("%x = const : f32[2] fill ramp(step = 1, step = 2)", 1, 41, "`step` is set twice"),
        ("external_buffer 1 {group = 0, group = 1}", 1, 31, "`group` is set twice"),
        (
            "%x = input\n%y = RELU(%x) notes(\"a\" = 1, \"a\" = 2)",
            2,
            30,
            "there is a note of this name already",
        ),
        (
            "%x = input\n%y = custom \"M\"(%x) options(none, large)",
            2,
            35,
            "only bytes can lie behind the flatbuffer",
        ),
        ("%x = input : f32[1] = 1.0", 1, 6, "a tensor with contents is `input const`, not `input`"),
        ("%x = tensor : f32[1] = 1.0", 1, 6, "a tensor with contents is `const`, not `tensor`"),
        // Numbers that name a tensor, and that are out of range.
        (
            "%x = input : i8[1] q(blockwise(scales = %s, zero_points = 1))\n%s = const : f32[1] = [1.0]",
            1,
            59,
            "1 is the number of a tensor, which goes by name",
        ),
        (
            "%x = input\nsignature \"k\" @main { input \"a\" = 0 }",
            2,
            35,
            "0 is the number of a tensor, which goes by name",
        ),
        ("%x = input : i8[1] q(1e99)", 1, 22, "`1e99` cannot be a number"),
        ("%x = input : i8[1] q(1e-99)", 1, 22, "`1e-99` cannot be a number"),
        ("%x = const : f16[1] = [70000]", 1, 24, "`70000` cannot be a value of type f16"),
        ("%x = const : f16[1] = [1e-9]", 1, 24, "`1e-9` cannot be a value of type f16"),
        ("%x = const : f16[9] fill const(70000)", 1, 26, "this value is too large for f16"),
        (
            "%x = const : f32[9] fill gaussian(std = 1e999)",
            1,
            41,
            "`1e999` cannot be a standard deviation",
        ),
        ("%x = input\n%y = SOFTMAX(%x) {beta = 1e99}", 2, 26, "`1e99` cannot be a number"),
        (
            "%x = input\n%y = RESHAPE(%x) {new_shape = [99999999999]}",
            2,
            31,
            "`new_shape` cannot hold this value",
        ),
        (
            "%x = input : variant[1] of (f32[?])",
            1,
            35,
            "an unknown dimension of an element is -1, not `?`",
        ),
        // Operators.
        ("%x = input\n%y = builtin 9999(%x)", 2, 14, "there is no builtin operator 9999"),
        (
            "%x = input\n%y = CUSTOM(%x)",
            2,
            6,
            "a custom op goes by the name that the runtime knows it by",
        ),
        (
            "%x = input\nopcodes { RELU builtin_code 98 }",
            2,
            11,
            "these numbers are those of LEAKY_RELU, not of RELU",
        ),
        ("%x = input\n%y = RELU(%x) code 1", 2, 6, "there is no operator code 1 of RELU"),
        (
            "%x = input\n%y = RELU(%x)\ndequant_cache { @main %y variable bytes 1 per_invoke 1 }",
            3,
            23,
            "no DEQUANTIZE computes `%y`",
        ),
        // Layouts.
        (
            "metadata \"a\" buffer 3 = b\"\"\n%x = input",
            1,
            21,
            "without layouts buffers have no numbers",
        ),
        ("%x = input\nbuffers 9", 2, 1, "without layouts buffers have no numbers"),
        ("%x = input\nlayout @main { %x none buffer 3 }", 2, 24, "`buffer` is set twice"),
        (
            "%x = input : f32[?]\nlayout @main { %x static }",
            2,
            16,
            "`%x` has a signature, and is not static",
        ),
        (
            "%x = input : f32[1] q(0.5)\nlayout @main { %x q() }",
            2,
            16,
            "`%x` has a quantisation that is not empty",
        ),
        ("%x = input : f32[*]\nlayout @main ranked { %x }", 2, 23, "`%x` has dimensions `[*]`"),
        ("%x = input : f32[]\nlayout @main { %x }", 2, 16, "`%x` has dimensions `[]`"),
        (
            "%x = const : f32[1] = [1.0]\n%y = const : f32[1] as %x\nlayout @main { %x %y }",
            2,
            24,
            "`%x` has another buffer in its layout",
        ),
        (
            "%y = custom \"M\"() options(b\"a\", large) : f32[1]\nlayout @main { %y }\nbuffers { shared options 0 1 }",
            3,
            11,
            "there are no large options 1",
        ),
    ] {
        let refused = error(source);
        let found = (refused.line, refused.column, refused.message);
        if found != (line, column, message.to_owned()) {
            wrong.push(format!("{source}\n  {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
