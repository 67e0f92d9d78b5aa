#!/usr/bin/env bash
# Makes every model again in a throw-away virtual environment (Python 3.11) and checks the hand-made ones.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=${1:-$(mktemp -d)/venv}

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
"$venv/bin/python" "$here/train_digits.py"
"$venv/bin/python" "$here/make_ops.py" --check
