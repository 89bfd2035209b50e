"""The probe file: what a QEMU said comes back from it, its schema is the program's, and damage is said at its place."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from vpci_compile import api
from vpci_compile.diagnostics import Failed, Source
from vpci_compile.stack.emulated import probe_file
from vpci_compile.stack.emulated.probe_format import probe_schema
from vpci_compile.stack.emulated.verdict import unstable, verdict

from .rig import BACKENDS, migrate, probed, qemu, side

SCHEMA = Path(__file__).parents[2] / "schemas/probe.schema.json"
E1000E = side("root", "e1000e")


def test_the_schema_is_what_the_program_reads() -> None:
    made = probe_schema()
    if os.environ.get("VPCI_ACCEPT"):
        SCHEMA.write_text(made, encoding="utf-8")
    assert SCHEMA.read_text(encoding="utf-8") == made, "make schema"
    Draft202012Validator.check_schema(json.loads(made))


def test_every_key_is_in_the_documentation() -> None:
    text = (SCHEMA.parents[1] / "docs/probe.md").read_text(encoding="utf-8")
    keys = {key for part in parts(json.loads(probe_schema())) for key in part}
    assert len(keys) > 20
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []


def parts(schema: Any) -> list[dict[str, Any]]:
    """The keys of every mapping in a schema."""
    if isinstance(schema, list):
        return [part for entry in schema for part in parts(entry)]
    if not isinstance(schema, dict):
        return []
    own = [schema["properties"]] if schema.get("type") == "object" and "properties" in schema else []
    return [*own, *(part for value in schema.values() for part in parts(value))]


def test_what_was_said_comes_back_and_fits_the_schema() -> None:
    machine = probed(E1000E)
    text = probe_file.text(machine)
    assert probe_file.read(Source("x.json", text)) == machine
    Draft202012Validator(json.loads(probe_schema())).validate(json.loads(text))


def test_the_same_machine_gives_the_same_bytes() -> None:
    texts = {api.probe(qemu(), "q35", ["e1000e,romfile=,id=a"], BACKENDS, ()) for _ in range(2)}
    assert len(texts) == 1
    assert "/tmp" not in texts.pop()


WRONG: dict[str, Callable[[Any], None]] = {
    "unknown key": lambda d: d.update(colour="red"),
    "missing key": lambda d: d.pop("sections"),
    "a mapping for a property": lambda d: d["functions"][0]["properties"].update(mac={}),
    "a negative size": lambda d: d["blocks"][0].update(size=-1),
    "a row of words": lambda d: d["functions"][0]["check"]["cmask"].append("no bytes here"),
    "a mask that is too short": lambda d: d["functions"][0]["check"].update(cmask=["000: 00"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_said_once(name: str) -> None:
    document = json.loads(probe_file.text(probed(E1000E)))
    WRONG[name](document)
    with pytest.raises(Failed) as caught:
        probe_file.read(Source("x.json", json.dumps(document, indent=1)))
    (found,) = caught.value.diagnostics
    assert found.code == "VPCI1716" and found.span.line > 0


def test_a_smaller_bar_on_the_destination_is_unstable() -> None:
    """Facts of a device whose BAR grew: the guest's address decides. So it is named, whatever the verdict."""
    small = side("root", "nvme,serial=a,drive=disk")
    large = side("root", "nvme,serial=a,drive=disk,max_ioqpairs=512,msix_qsize=65")
    sizes = [probed(one).functions[0].bars[0].size for one in (small, large)]
    assert sizes[0] < sizes[1]
    named = {one.offset: one.bits for one in unstable(probed(small), probed(large))}
    assert named[0x11] & sizes[0] >> 8
    assert not {one.offset for one in unstable(probed(large), probed(small))} & {0x10, 0x11}


def test_a_machine_that_cannot_migrate_says_so_in_its_words() -> None:
    blocked = side("root", "rocker")
    found = verdict(probed(blocked), probed(blocked))
    assert (found.accepted, found.lines) == migrate(blocked, blocked)


def test_a_verdict_that_is_wrong_would_be_noticed() -> None:
    """The judge is no echo: with a byte of the probe changed, QEMU and the verdict part."""
    machine = probed(E1000E)
    (function,) = machine.functions
    assert function.check is not None
    config = bytearray(function.check.config)
    config[0x08] ^= 1
    changed = replace(function, check=function.check._replace(config=bytes(config)))
    found = verdict(replace(machine, functions=(changed,)), machine)
    assert found.accepted is False and migrate(E1000E, E1000E).accepted
