"""The JSON Schema that editors use says what the language says."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from compiling import device_layouts
from judges import ROOT
from vpci_compile import pipeline, spec
from vpci_compile.diagnostics import Failed, Report, Source
from vpci_compile.loader import load, parse
from vpci_compile.spec.schema import device_schema

FILE = ROOT / "schemas/device.schema.json"
LAYOUTS = device_layouts()
SHAPE = ("VPCI1101", "VPCI1102", "VPCI1103")
Document = dict[str, Any]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(device_schema()))


def test_the_file_is_what_the_language_gives() -> None:
    kept, made = FILE.read_text(encoding="utf-8"), device_schema()
    names = capability_names(kept)
    assert set(names) <= set(capability_names(made))
    # A capability that somebody adds needs one file of the catalogue; the next 'make schema' completes it, too.
    assert without_names(kept) == without_names(made), "make schema"


def capability_names(text: str) -> list[str]:
    names: list[str] = json.loads(text)["$defs"]["CapabilityEntry"]["properties"]["cap"]["anyOf"][0]["enum"]
    return names


def without_names(text: str) -> Document:
    document: Document = json.loads(text)
    for part in ("CapabilityEntry", "CapabilityEntryChange"):
        document["$defs"][part]["properties"]["cap"]["anyOf"][0]["enum"] = []
    return document


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(json.loads(device_schema()))


def parts() -> dict[str, Document]:
    return {name: part for name, part in json.loads(device_schema())["$defs"].items() if "properties" in part}


@pytest.mark.parametrize("name", parts())
def test_every_part_and_every_key_is_described(name: str) -> None:
    part = parts()[name]
    assert part["additionalProperties"] is False
    for text in (part["description"], *(entry["description"] for entry in part["properties"].values())):
        assert text and text == text.strip() and "\n  " not in text


@pytest.mark.parametrize("path", LAYOUTS, ids=lambda path: path.stem)
def test_shipped_layouts_are_valid_as_written_and_as_resolved(path: Path, validator: Draft202012Validator) -> None:
    tree = load(path)
    assert list(validator.iter_errors(tree.plain())) == []
    whole = spec.resolve(tree, path, pipeline.find_layout, Report()).plain()
    whole.pop("extends", None)
    assert list(validator.iter_errors(whole)) == []


# -- documents -----------------------------------------------------------------------------------------------------

GOOD: Document = {
    "vpci": 1,
    "device": "nic",
    "about": "a function with one of each",
    "identity": {"vendor": 0x15B3, "device": 0x101E, "class": 0x020000, "subsystem": "15b3:0007"},
    "header": {"interrupt_pin": 1, "command": {"memory": 1}},
    "bars": {"0": {"kind": "mem64", "size": "1M", "source": "copied", "backing": {"length": "94.5K"}}},
    "capabilities": [{"cap": "pcie", "at": 0x60, "source": "copied", "fields": {"devcap.flr": True}}],
    "extended": [
        {"cap": 0x99, "at": 0x100, "source": "copied", "raw": {"0x08": "00 11"}},
        {"cap": "ats", "at": 0x140, "source": "hidden", "style": "unlinked", "volatile": ["ctrl"]},
    ],
    "bytes": [{"at": 0xE0, "hex": "5a", "source": "copied"}],
    "reserved": [{"range": "0xe8..0xff", "why": "known to be used"}],
    "physical": {"used": ["232..0xff"], "capabilities": {"0x60": "pcie"}},
    "guest": {"place": "port", "address": "0000:01:00.0"},
    "migration": {"migrates": False, "ignore": ["pcie.devsta"]},
    "accept": {"VPCI1304": "the device is so"},
    "targets": [],
}


def codes(document: Document) -> set[str]:
    """What the language alone says of a document."""
    report = Report()
    try:
        spec.device_layout(parse(Source("x", json.dumps(document))), report)
    except Failed as failed:
        return {d.code for d in failed.diagnostics}
    return set()


def test_a_good_document(validator: Draft202012Validator) -> None:
    assert list(validator.iter_errors(GOOD)) == [] and codes(GOOD) == set()


def changed(path: str, value: Any) -> Document:
    document = copy.deepcopy(GOOD)
    place: Any = document
    *way, last = (int(step) if step.isdigit() and step != "0:" else step for step in path.split("/"))
    for step in way:
        place = place[str(step) if isinstance(place, dict) else step]
    key = str(last) if isinstance(place, dict) else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return document


WRONG: list[tuple[str, Any]] = [
    ("vpci", 2),
    ("vpci", True),
    ("vpci", ...),
    ("device", "No Name"),
    ("device", "a" * 65),
    ("version", 0),
    ("about", 5),
    ("about", None),
    ("about", "x" * 4001),
    ("nosuch", 1),
    ("identity", ...),
    ("identity/vendor", 0x10000),
    ("identity/vendor", "15b3"),
    ("identity/vendor", -1),
    ("identity/class", ...),
    ("identity/subsystem", "15b3-0007"),
    ("identity/header_type", 3),
    ("identity/header_type", True),
    ("identity/multifunction", 1),
    ("config_size", 512),
    ("header/command/memory", [1]),
    ("bars/0/kind", "mem128"),
    ("bars/0/source", ...),
    ("bars/0/size", "1 mega"),
    ("bars/0/size", "1iB"),
    ("bars/0/size", 1 << 64),
    ("bars/0/backing/length", True),
    ("bars/0/backing/caching", "sometimes"),
    ("bars/6", {"kind": "io", "source": "copied"}),
    ("capabilities", {"cap": "pcie"}),
    ("capabilities", [{"cap": "pm", "source": "synthesized"}] * 65),
    ("capabilities/0/source", "shared"),
    ("capabilities/0/at", 0x1000),
    ("capabilities/0/at", "0x60"),
    ("capabilities/0/length", 1),
    ("capabilities/0/name", "Name"),
    ("capabilities/0/fields", ["flr"]),
    ("extended/0/raw/0x08", "0 11"),
    ("extended/0/raw/0x08", 11),
    ("extended/0/version", 16),
    ("extended/1/style", "gone"),
    ("extended/1/volatile", "ctrl"),
    ("extended/1/remove", True),
    ("bytes/0/hex", "5"),
    ("bytes/0/source", "hidden"),
    ("reserved/0/range", "0xe8-0xff"),
    ("reserved/0/range", "0e8..0xff"),
    ("reserved/0/range", "010..0xff"),
    ("reserved/0/why", ...),
    ("physical/slot", 3),
    ("guest/address", "1:0.0"),
    ("guest/address", "01:20.0"),
    ("guest/place", "slot"),
    ("initiators", 65),
    ("migration", ...),
    ("migration/migrates", "no"),
    ("accept", ["VPCI1304"]),
    ("targets", ["xen"]),
]


@pytest.mark.parametrize(("path", "value"), WRONG, ids=lambda value: str(value)[:20])
def test_a_wrong_shape_is_refused_by_schema_and_language(
    path: str, value: Any, validator: Draft202012Validator
) -> None:
    document = changed(path, value)
    assert list(validator.iter_errors(document)) != []
    assert codes(document) and codes(document) <= set(SHAPE)


@pytest.mark.parametrize("document", [[], "x", None, 1, [GOOD]])
def test_what_is_no_mapping_is_refused(document: Any, validator: Draft202012Validator) -> None:
    assert list(validator.iter_errors(document)) != []
    assert codes(document) == {"VPCI1103"}


RIGHT: list[tuple[str, Any]] = [
    ("about", ...),
    ("identity/vendor", 0xFFFF),
    ("bars/0/size", 0x100000),
    ("bars/0/size", "94.5 GiB"),
    ("bars/0/size", "16B"),
    ("bars/0/size", "1P"),
    ("bars/0/size", None),
    ("bars/rom", {"kind": "rom", "size": "64K", "source": "copied"}),
    ("capabilities/0/at", None),
    ("extended/0/raw/0x08", " 00:11\t22 "),
    ("reserved/0/range", "0 .. 0xfff"),
    ("guest/address", "01:1f.7"),
    ("physical", None),
    ("targets", ["qemu"]),
]


@pytest.mark.parametrize(("path", "value"), RIGHT, ids=lambda value: str(value)[:20])
def test_other_ways_to_write_are_right_for_both(path: str, value: Any, validator: Draft202012Validator) -> None:
    document = changed(path, value)
    assert list(validator.iter_errors(document)) == [] and codes(document) == set()


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("bars/0/size", 3, "VPCI1404"),
        ("capabilities/0/at", 0x61, "VPCI1301"),
        ("capabilities/0/fields", {"nosuch": 1}, "VPCI1107"),
        ("capabilities/0/source", "hidden", "VPCI1110"),
        ("extended/0/at", 0xFFE, "VPCI1303"),
        ("migration/ignore", ["nosuch"], "VPCI1607"),
        ("identity/vendor", "${vendor}", "VPCI1105"),
        ("reserved/0/range", "0xff..0xe8", "VPCI1103"),
    ],
)
def test_a_rule_that_needs_more_than_shape_is_not_the_schemas(
    path: str, value: Any, code: str, validator: Draft202012Validator
) -> None:
    document = changed(path, value)
    assert list(validator.iter_errors(document)) == []
    with pytest.raises(Failed, match=code):
        pipeline.compile_source(Source("x", json.dumps(document)), Path("x"))


def test_the_schema_offers_names_of_capabilities_and_the_language_knows_them(validator: Draft202012Validator) -> None:
    assert "pasid" in capability_names(FILE.read_text(encoding="utf-8"))
    document = changed("capabilities/0/cap", "nosuch")
    assert list(validator.iter_errors(document)) == []
    with pytest.raises(Failed, match="VPCI1106"):
        pipeline.compile_source(Source("x", json.dumps(document)), Path("x"))


# -- documents that change another one -----------------------------------------------------------------------------

Check = Callable[[Document], bool]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"identity": {"device": 0x2342}},
        {"bars": {"2": None}},
        {"capabilities": [{"cap": "vndr", "remove": True}, {"cap": "pm", "at": None}]},
        {"capabilities": [{"cap": "pm", "fields": {"pmc.version": None}}]},
        {"extends": {"layout": "nvidia/hopper-base", "with": {"x": 1}}},
        {"identity": {"vendor": "${vendor}"}, "parameters": {"vendor": 1}},
        {"physical": None, "targets": None},
    ],
)
def test_a_change_needs_nothing_and_takes_away(change: Document, validator: Draft202012Validator) -> None:
    document = {"vpci": 1, "device": "x", "extends": "nvidia/hopper-base", **change}
    assert list(validator.iter_errors(document)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"identity": {"vender": 1}},
        {"identity": {"vendor": "10de"}},
        {"bars": {"2": {"kind": "mem128"}}},
        {"capabilities": [{"cap": "vndr", "remove": "yes"}]},
        {"capabilities": [None]},
        {"extends": 5},
        {"targets": [None]},
    ],
)
def test_a_wrong_change_is_refused(change: Document, validator: Draft202012Validator) -> None:
    document = {"vpci": 1, "device": "x", "extends": "nvidia/hopper-base", **change}
    assert list(validator.iter_errors(document)) != []
    with pytest.raises(Failed):
        pipeline.compile_source(Source("x", json.dumps(document)), Path("x"))
