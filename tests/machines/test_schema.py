"""What an editor's schema says of a machine is what the language says, whatever somebody writes."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from acpi.tables import ROOT
from vpci_compile import spec
from vpci_compile.diagnostics import Diagnostic, Failed, Report, Source
from vpci_compile.loader import load, parse
from vpci_compile.spec.schema import machine_schema

Document = dict[str, Any]
_ARITHMETIC = "whole number of bytes"
SHAPE = {"VPCI1101", "VPCI1102", "VPCI1103"}
FILE = ROOT / "schemas" / "machine.schema.json"
MACHINES = sorted((ROOT / "layouts" / "machines").glob("*.yaml"))
FULL: Document = {
    "vpci": 1,
    "machine": "full",
    "version": 2,
    "about": "one of each",
    "architecture": "x86-64",
    "vmm": {"name": "qemu", "release": "11.1", "type": "q35", "type_release": "9.0"},
    "cpus": 4,
    "processor": {"sockets": 2, "dies": 1, "clusters": 1, "cores": 1, "threads": 2, "vendor": "intel"},
    "nodes": [{"cpus": "0-3", "memory": "1G"}, {"memory": 1 << 30, "initiator": 0}],
    "hotplug": {"size": "2G", "slots": 2},
    "buses": {"b0": {"number": 9, "node": 1, "cxl": True, "viommu": {"type": "smmuv3", "accel": True}}},
    "ports": {"p0": {"bus": "b0", "slot": 3, "function": 1, "window": "auto", "io": False}},
    "viommu": {"type": "intel-iommu", "ats": True, "pasid_bits": 20},
    "devices": {
        "d0": {"layout": "minimal", "port": "p0", "with": {"x": 1}, "first_node": 2, "node": 1},
        "d1": {"layout": "minimal", "bus": "root", "slot": 4, "function": 0, "memory_base": 64 << 30},
    },
    "generic_ports": [{"bus": "b0", "node": 0}],
    "distances": {
        "remote": 20,
        "initiators": 40,
        "pairs": [{"from": 0, "to": 1, "value": 30, "both": False}],
        "matrix": [[10, 20], [20, 10]],
    },
    "latencies": [{"measure": "read-latency", "hierarchy": "memory", "from": 0, "to": 1, "value": "5"}],
    "caches": [{"node": 0, "size": "1M", "level": 1, "associativity": "direct", "policy": "none", "line": 64}],
    "guest_nodes": 64,
    "tables": "acpi-6.6",
}
VALIDATOR = Draft202012Validator(json.loads(machine_schema()))
_ANY = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 3, 7, 8, 9, 10, 11, 21, 31, 32, 255, 256, 4095, 4096, 4097, 1 << 32, 1 << 64, 1 << 70]),
    st.sampled_from(["", "0", "1", "10", "1G", "1.5G", "-1", "0x10", "0-3", "0-3,8", "3-", "a", "A", "none", "auto"]),
    st.sampled_from(["root", "qemu", "q35", "11.1", "11", "smmuv3", "x" * 33, "x" * 65, "a b", "ü", "1_000", "0b1"]),
    st.sampled_from([[], {}, [1], {"a": 1}, [[10]], {"memory": 1}, [{}], {"b": {}}]),
)


def test_the_file_is_what_the_language_gives() -> None:
    assert FILE.read_text(encoding="utf-8") == machine_schema(), "make schema"


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_machines_that_are_shipped(path: Path) -> None:
    assert list(VALIDATOR.iter_errors(load(path).plain())) == []


def refused(document: Document) -> list[Diagnostic]:
    """What the language alone finds wrong with the shape; but for what takes arithmetic to see."""
    report = Report()
    try:
        spec.machine_layout(parse(Source("x", json.dumps(document))), report)
    except Failed as failed:
        return [one for one in failed.diagnostics if not re.search(_ARITHMETIC, one.message)]
    return []


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every value of a document, by its path."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))][0 if path else 1 :]


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A full document with something exchanged, left out or put in, at one place or two."""
    made: Document = copy.deepcopy(FULL)
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(places(made)))
        place: Any = made
        for step in way:
            place = place[step]
        what = draw(st.sampled_from(["exchange", "exchange", "leave out", "put in"]))
        if what == "exchange":
            place[last] = copy.deepcopy(draw(_ANY))
        elif what == "leave out":
            del place[last]
        elif isinstance(place, dict):
            place[draw(st.sampled_from(["nosuch", "node", "memory", "b1", "Upper"]))] = copy.deepcopy(draw(_ANY))
        else:
            place.append(copy.deepcopy(draw(_ANY)))
    return made


@pytest.mark.parametrize(
    ("part", "name", "words"),
    [
        ("devices", "GPU0", "'GPU0' is no name"),
        ("ports", "0", "'0' is no name"),
        ("buses", "x" * 33, "33 characters, at most 32 are allowed"),
    ],
)
def test_names_of_parts(part: str, name: str, words: str) -> None:
    document = copy.deepcopy(FULL)
    document[part][name] = next(iter(document[part].values()))
    with pytest.raises(Failed) as failed:
        spec.machine_layout(parse(Source("x", json.dumps(document))), Report())
    (one,) = failed.value.diagnostics
    assert one.code == "VPCI1103" and words in one.message


def test_a_full_document_is_right_for_both() -> None:
    assert (list(VALIDATOR.iter_errors(FULL)), refused(FULL)) == ([], [])


@seed(1)
@settings(max_examples=400, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(document=documents())
def test_schema_and_language_agree(document: Document) -> None:
    found = refused(document)
    assert {one.code for one in found} <= SHAPE
    assert bool(found) == bool(list(VALIDATOR.iter_errors(document)))
