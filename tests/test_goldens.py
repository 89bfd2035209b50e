"""Every output of every shipped layout, byte for byte; and that only the layout decides about them.

The C self tests are left out: they say the image once more, and are compiled and run instead (tests/emit).

VPCI_ACCEPT=1 pytest tests/test_goldens.py      writes tests/goldens anew: read the difference before you commit it
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from compiling import LAYOUTS, ROOT, whole_layouts
from vpci_compile import api

GOLDENS = Path(__file__).resolve().parent / "goldens"
SHIPPED = whole_layouts()
ACCEPT = os.environ.get("VPCI_ACCEPT") == "1"


def name_of(layout: Path) -> str:
    """The folder of its goldens: `nvidia-gh200` for nvidia/gh200.yaml."""
    return "-".join(layout.relative_to(LAYOUTS).with_suffix("").parts)


def contents(folder: Path) -> dict[str, bytes]:
    """The files that have a golden form, by name."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path.read_bytes() for path in found if not path.name.endswith("_selftest.c")}


@pytest.mark.parametrize("layout", SHIPPED, ids=name_of)
def test_outputs(layout: Path, tmp_path: Path) -> None:
    golden = GOLDENS / name_of(layout)
    built = api.build(layout, tmp_path)
    made = contents(tmp_path)
    assert sorted([*made, f"{built.function.name}_selftest.c"]) == sorted(path.name for path in built.files)
    if ACCEPT:
        golden.mkdir(parents=True, exist_ok=True)
        for gone in set(contents(golden)) - set(made):
            (golden / gone).unlink()
        for name, octets in made.items():
            (golden / name).write_bytes(octets)
    wanted = contents(golden)
    assert sorted(made) == sorted(wanted), "VPCI_ACCEPT=1 takes over new outputs"
    different = [name for name in made if made[name] != wanted[name]]
    assert not different, _first_difference(different[0], made[different[0]], wanted[different[0]])


def _first_difference(name: str, made: bytes, wanted: bytes) -> str:
    rows = zip(made.split(b"\n"), wanted.split(b"\n"), strict=False)
    number, (new, old) = next(((n, row) for n, row in enumerate(rows, 1) if row[0] != row[1]), (0, (b"", b"")))
    return f"{name}:{number}\n  made:   {new[:200]!r}\n  golden: {old[:200]!r}\nVPCI_ACCEPT=1 takes it over"


def test_no_golden_is_left_over() -> None:
    assert sorted(path.name for path in GOLDENS.iterdir()) == sorted(map(name_of, SHIPPED))


_BUILD_ALL = """
import json, sys
from pathlib import Path
from vpci_compile import api
for layout, folder in json.loads(sys.argv[1]):
    api.build(layout, folder)
"""


@pytest.mark.parametrize(
    ("seed", "where", "relative"), [("0", "/", False), ("1", "layouts", True), ("4711", "tmp", True)]
)
def test_nothing_but_the_layout_decides(tmp_path: Path, seed: str, where: str, relative: bool) -> None:
    cwd = {"/": Path("/"), "layouts": LAYOUTS / "generic", "tmp": tmp_path}[where]
    jobs = [
        (os.path.relpath(layout, cwd) if relative else str(layout), str(tmp_path / name_of(layout)))
        for layout in SHIPPED
    ]
    subprocess.run(
        [sys.executable, "-c", _BUILD_ALL, json.dumps(jobs)],
        check=True,
        cwd=cwd,
        env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
    )
    for layout in SHIPPED:
        assert contents(tmp_path / name_of(layout)) == contents(GOLDENS / name_of(layout)), layout.name


def test_a_shipped_name_gives_the_same(tmp_path: Path) -> None:
    api.build("nvidia/gh200", tmp_path)
    assert contents(tmp_path) == contents(GOLDENS / "nvidia-gh200")


def test_no_output_says_where_or_when_it_was_made() -> None:
    for layout in SHIPPED:
        for name, octets in contents(GOLDENS / name_of(layout)).items():
            for word in (str(ROOT).encode(), b"/home/", b"/tmp/", b"/root/"):
                assert word not in octets, (name, word)
