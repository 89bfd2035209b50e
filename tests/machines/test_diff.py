"""`diff` of two machines: what QEMU's stream names decides, what tables say is seen, functions are asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command import Run
from machines.test_shipped import MACHINES
from vpci_compile import api
from vpci_compile.diff import Kind

EIGHT = next(path for path in MACHINES if path.stem == "eight-h100")


def changed(folder: Path, *pairs: tuple[str, str]) -> Path:
    text = EIGHT.read_text(encoding="utf-8")
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "changed.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_a_machine_is_itself(path: Path) -> None:
    found = api.migration_of_machines(path, path)
    assert found.there.accepted
    assert not found.there.differences


CHANGES = [
    ("remote: 21", "remote: 31", Kind.VISIBLE, "distances.0-1"),
    ("clique: 0}, port: rp0", "clique: 3}, port: rp0", Kind.REJECTED, "devices.gpu0.gpudirect.p2p.clique"),
    ("cpus: 0-7, memory: 8G", "cpus: 0-7, memory: 9G", Kind.REJECTED, "nodes.0.memory"),
    ("number: 0x80", "number: 0x90", Kind.REJECTED, "buses.80"),
    ("rp3: {bus: socket0, io: false}", "rp3: {bus: socket0, io: false, window: 1T}", Kind.REJECTED, "ports.20:03.0"),
]


@pytest.mark.parametrize(("old", "new", "kind", "path"), CHANGES, ids=[row[3] for row in CHANGES])
def test_one_change(old: str, new: str, kind: Kind, path: str, tmp_path: Path) -> None:
    there = api.migration_of_machines(EIGHT, changed(tmp_path, (old, new))).there
    assert path in [one.difference.path for one in there.of(kind)]
    assert there.accepted is (kind is Kind.VISIBLE)


def test_names_do_not_count(tmp_path: Path) -> None:
    renamed = changed(tmp_path, ("  gpu5:", "  other:"))
    assert api.migration_of_machines(EIGHT, renamed).there.accepted


def test_the_command(tmp_path: Path, run: Run) -> None:
    other = changed(tmp_path, ("remote: 21", "remote: 31"))
    status, out, _ = run("diff", EIGHT, other, "--format", "json")
    document = json.loads(out)
    assert status == 0 and document["verdict"] == "can-migrate"
    paths = {one["path"] for one in document["there"]["findings"] if one["class"] == "guest-visible"}
    assert paths == {"distances.0-1", "distances.1-0", "tables.SLIT"}
    unlike = run("diff", EIGHT, "minimal")
    assert unlike.status == 2 and "one side is a machine layout" in unlike.err
