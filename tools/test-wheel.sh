#!/bin/bash
# Builds the wheel and the sdist, installs the wheel into an environment of its own and uses it from another folder.
# Usage: tools/test-wheel.sh PYTHON (one that has `build` and `hatchling`)
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
case $1 in /*) python=$1 ;; *) python=$root/$1 ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# --no-isolation: the environment has what the build needs; an isolated one would be fetched again.
"$python" -m build --no-isolation --outdir "$work/dist" "$root" > "$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$work"/dist/*.whl

mkdir "$work/elsewhere"
cd "$work/elsewhere"
vpci=$work/venv/bin/vpci-compile
"$vpci" --version
"$vpci" check nvidia/gh200
"$vpci" build nvidia/gh200 -o out > /dev/null
"$vpci" explain VPCI1304 > /dev/null
"$vpci" report nvidia/gh200 -o gh200.html > /dev/null
"$vpci" schema > device.schema.json

# The wheel reads its packed catalogue and gives the bytes that the checkout gives.
"$python" -m vpci_compile build nvidia/gh200 -o checkout > /dev/null
diff -r out checkout
"$work/venv/bin/python" - <<'PY'
from pathlib import Path
import vpci_compile
from vpci_compile.catalog import quirks, store
from vpci_compile.spec import compiled
package = Path(vpci_compile.__file__).parent
assert "elsewhere" not in str(package) and "venv" in str(package), package
for name in (store.PACKED, quirks.PACKED, *(one.file for one in compiled.Language)):  # the forms that load fast
    assert (package / "_data/schemas" / name).is_file(), name
for name in ("py.typed", "_data/docs/errors/VPCI1304.md", "_data/templates", "_data/layouts/minimal.yaml"):
    assert (package / name).exists(), name
PY
tar tzf "$work"/dist/*.tar.gz > "$work/sdist"
grep -q '/LICENSE$' "$work/sdist"
echo "wheel: fine"
