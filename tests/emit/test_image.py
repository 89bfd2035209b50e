"""NAME.bin, NAME.json and NAME.lspci say the same as the function that they are made from."""

from __future__ import annotations

import json
import random
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import factory
from judges import need
from vpci_compile.diagnostics import Source, Span
from vpci_compile.emit import image, lspci_text
from vpci_compile.emit.artifact import Options
from vpci_compile.ir import MASKS, Function, Guest, Kind

_SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _json(function: Function) -> dict[str, Any]:
    (_, document) = image.emit(function, Options())
    assert document.name == f"{function.name}.json"
    made: dict[str, Any] = json.loads(document.data)
    return made


# -- the image and its document ------------------------------------------------------------------------------------


@_SLOW
@given(factory.functions(), st.randoms(use_true_random=False))
def test_every_byte_has_one_owner_and_it_is_the_functions(function: Function, dice: random.Random) -> None:
    at = 0
    rows = _json(function)["provenance"]
    for row in rows:
        assert row["offset"] == at
        assert row["length"] > 0
        at += row["length"]
        owner = function.owner(row["offset"])
        assert row["structure"] == (owner.name if owner else None)
        assert function.owner(at - 1) is owner
    assert at == function.config.size
    for byte in dice.sample(range(at), 24):
        (row,) = (row for row in rows if row["offset"] <= byte < row["offset"] + row["length"])
        assert _names(row, byte) == {one.path.partition(".")[2] for one in function.fields_at(byte)}


def _names(row: dict[str, Any], byte: int) -> set[str]:
    """The fields of a row that have a bit in the byte."""
    low = 8 * (byte - row["offset"])
    bits = ((one["name"], _range(one["bits"])) for one in row["fields"])
    return {name for name, (first, last) in bits if first < low + 8 and last >= low}


def _range(bits: str) -> tuple[int, int]:
    high, _, low = bits.partition("..")
    return int(low or high), int(high)


@_SLOW
@given(factory.functions())
def test_document_holds_the_image(function: Function) -> None:
    bin_file, _ = image.emit(function, Options())
    made = _json(function)
    keys = "digest name version size value masks structures bars regions guest provenance"
    assert list(made) == keys.split()
    assert bin_file.data == function.config.value == bytes.fromhex(made["value"])
    assert {name: bytes.fromhex(text) for name, text in made["masks"].items()} == {
        name: getattr(function.config, name) for name in MASKS
    }
    assert (made["digest"], made["name"], made["version"]) == (function.digest, function.name, function.version)
    assert made["size"] == function.config.size
    assert len(made["structures"]) == len(function.structures)
    assert made["structures"] == sorted(made["structures"], key=lambda row: (row["offset"], row["length"]))
    for row in made["structures"]:
        assert ("version" in row) == (row["kind"] == "extended")
        assert ("style" in row) == (row["source"] == "hidden")


def test_fields_carry_their_own_line() -> None:
    rows = {row["offset"]: row for row in _json(factory.function())["provenance"]}
    assert rows[0] == {
        "offset": 0,
        "length": 2,
        "structure": "header",
        "source": "layout.yaml:4",
        "fields": [{"name": "vendor", "bits": "15..0", "source": "layout.yaml:4"}],
    }
    command = rows[4]
    assert command["source"] == "layout.yaml:5"
    assert command["fields"][:2] == [
        {"name": "command.io", "bits": "0", "source": "layout.yaml:6"},
        {"name": "command.memory", "bits": "1", "source": "layout.yaml:5"},
    ]
    assert rows[0x40]["structure"] == "vendor-bytes"
    assert rows[0x40]["fields"] == []
    assert rows[0x208] == {"offset": 0x208, "length": 0xDF0, "structure": None, "source": None, "fields": []}


def test_bars_and_regions_are_written_out() -> None:
    made = _json(factory.function(initiators=8, segment=1))
    assert made["bars"][2] == {
        "index": 2,
        "kind": "mem64",
        "prefetchable": True,
        "size": 1 << 37,
        "length": 0x17A0000000,
        "source": "synthesized",
        "caching": "write-back",
        "beyond": "error",
        "enable": "ignore-except-first-after-reset",
    }
    assert made["bars"][3]["size"] is None
    assert made["regions"] == [
        {
            "instead_of": 4,
            "type": 0x800010DE,
            "subtype": 1,
            "size": 0x17A0000000,
            "caching": "write-back",
            "enable": "ignore",
        }
    ]
    guest = {"place": "port", "segment": 1, "bus": 1, "device": 2, "function": 3, "initiators": 8, "first_node": 4}
    assert made["guest"] == guest


@pytest.mark.parametrize("module", [image, lspci_text])
def test_the_same_function_gives_the_same_bytes_wherever_it_lies(module: Any) -> None:
    here = factory.function()
    moved = {
        id(one): replace(one, origin=Span(Source("/home/somebody/layout.yaml", ""), one.origin.line, 1))
        for one in here.structures
    }
    there = replace(here, structures=tuple(replace(moved[id(one)], origins={}) for one in here.structures))
    plain = replace(here, structures=tuple(replace(one, origins={}) for one in here.structures))
    assert module.emit(plain, Options()) == module.emit(there, Options())
    for artifact in module.emit(there, Options()):
        assert b"/home" not in artifact.data


def test_hex_stands_on_one_line_and_text_ends_with_a_newline() -> None:
    function = factory.function()
    text = image.emit(function, Options())[1].data.decode()
    assert text.endswith("}\n")
    assert f'  "value": "{function.config.value.hex()}",\n' in text
    assert text.isascii()


def test_a_structure_that_sticks_out_of_the_space_is_cut() -> None:
    function = factory.function(structures=(factory.structure(Kind.BYTES, "tail", 4090, 100),))
    assert [(row["offset"], row["length"], row["structure"]) for row in _json(function)["provenance"]] == [
        (0, 4090, None),
        (4090, 6, "tail"),
    ]


# -- the dump ------------------------------------------------------------------------------------------------------


def _run_lspci(folder: Path, text: bytes, *flags: str) -> str:
    path = folder / "dump.lspci"
    path.write_bytes(text)
    program = need("VPCI_LSPCI", "lspci")
    done = subprocess.run([program, "-F", path, *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _bytes_shown(shown: str) -> bytes:
    rows = re.findall(r"^[0-9a-f]{2,3}: ((?:[0-9a-f]{2} ?)+)$", shown, re.MULTILINE)
    return bytes.fromhex(" ".join(rows))


@pytest.mark.parametrize("size", [64, 256, 4096])
def test_lspci_reads_the_dump_back(size: int, tmp_path: Path) -> None:
    for seed in range(4):
        function = factory.function(space=factory.config(size, seed), structures=())
        (dump,) = lspci_text.emit(function, Options())
        assert _bytes_shown(_run_lspci(tmp_path, dump.data, "-xxxx")) == function.config.value


def test_lspci_reads_two_dumps_from_one_file(tmp_path: Path) -> None:
    one = factory.function(space=factory.example_config(256), structures=())
    two = factory.function(segment=0x12)
    two = replace(two, guest=Guest("port", 0x12, 0xFE, 0x1F, 7, 0, None))
    text = b"".join(lspci_text.emit(function, Options())[0].data for function in (one, two))
    shown = _run_lspci(tmp_path, text, "-n", "-D", "-vv")
    assert "0000:01:02.3 0200: 15b3:101e" in shown
    assert "0012:fe:1f.7 0200: 15b3:101e" in shown
    assert "Capabilities: [60] MSI: Enable- Count=1/1 Maskable+ 64bit+" in shown


@pytest.mark.parametrize(
    ("segment", "head"), [(0, "01:02.3 Class 0200: 15b3:101e\n"), (0xABCD, "abcd:01:02.3 Class 0200: 15b3:101e\n")]
)
def test_first_line_names_the_place_in_the_guest(segment: int, head: str) -> None:
    (dump,) = lspci_text.emit(factory.function(segment=segment), Options())
    assert dump.name == "example-nic-vf.lspci"
    text = dump.data.decode()
    assert text.startswith(f"{head}\tRegion 0: Memory at <unassigned> (32-bit, non-prefetchable) [size=16K]\n")
    assert "\n00: b3 15 1e 10 06 00 10 00" in text
    assert text.endswith("ff0: 00 00 00 00 00 00 00 00 1b 00 01 00 06 14 00 00\n")
