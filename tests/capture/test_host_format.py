"""The capture file: what does not fit is said at its place, and no damage to it brings us down."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hosts import Host, answering
from vpci_compile.capture import read, read_all
from vpci_compile.capture.host_format import capture_schema
from vpci_compile.diagnostics import Failed, render_text

from .host_files import E1000E, SERIAL, back, fails, write

SCHEMA = Path(__file__).parents[2] / "schemas/capture.schema.json"


def whole(host: Host) -> str:
    """A file that has something of everything."""
    host.add("0000:01:00.0", reset_method="flr bus", numa_node="1")
    host.bind("0000:01:00.0")
    host.add("0000:02:00.0", like="igb", sriov_totalvfs="8", sriov_numvfs="0")
    return host.take(vfio=answering(E1000E), redacted=True).text


def test_the_schema_is_what_the_program_reads() -> None:
    made = capture_schema()
    if os.environ.get("VPCI_ACCEPT"):
        SCHEMA.write_text(made, encoding="utf-8")
    assert SCHEMA.read_text(encoding="utf-8") == made, "make schema"
    Draft202012Validator.check_schema(json.loads(made))


def every_part(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [part for entry in schema for part in every_part(entry)]
    if not isinstance(schema, dict):
        return []
    return [*([schema] if "properties" in schema else []), *(p for value in schema.values() for p in every_part(value))]


def test_every_key_is_described() -> None:
    parts = every_part(json.loads(capture_schema()))
    assert len(parts) > 8
    for part in parts:
        assert part["description"] and all(entry.get("description") for entry in part["properties"].values())


def test_every_key_is_in_the_documentation() -> None:
    text = (SCHEMA.parents[1] / "docs/capture.md").read_text(encoding="utf-8")
    for part in every_part(json.loads(capture_schema())):
        for key in part["properties"]:
            assert re.search(rf"`{re.escape(key)}`|\"{re.escape(key)}\"", text), key


WRONG: dict[str, Callable[[Any], None]] = {
    "unknown key": lambda d: d["host"].update(colour="red"),
    "misspelt key": lambda d: d["functions"][0].update(slott=d["functions"][0].pop("slot")),
    "missing key": lambda d: d["functions"][1].pop("config"),
    "missing deep": lambda d: d["functions"][0]["vfio"]["iommu"].pop("type"),
    "text for a list": lambda d: d.update(functions="none"),
    "list for a mapping": lambda d: d.update(host=[]),
    "number for text": lambda d: d["functions"][0].update(vendor=0x8086),
    "text for a number": lambda d: d["functions"][0].update(numa_node="1"),
    "true for a number": lambda d: d["host"].update(page_size=True),
    "null for text": lambda d: d["functions"][0].update(slot=None),
    "a slot that is none": lambda d: d["functions"][0].update(slot="eth0"),
    "a newline after a slot": lambda d: d["functions"][0].update(slot="0000:01:00.0\n"),
    "a negative number": lambda d: d["functions"][0].update(iommu_group=-1),
    "an impossible BAR": lambda d: d["functions"][0]["resources"][0].update(index=7),
    "eight BARs": lambda d: d["functions"][0].update(resources=d["functions"][0]["resources"][:1] * 8),
    "a row of words": lambda d: d["functions"][0]["config"].append("no bytes here"),
    "a row beyond the end": lambda d: d["functions"][0]["config"].append("1000: 00"),
    "a row of 17 bytes": lambda d: d["functions"][0]["config"].append("000:" + " 00" * 17),
    "an odd row": lambda d: d["functions"][0]["config"].append("008: 00"),
    "a name of no parameter": lambda d: d["host"]["parameters"].update({"a b": "x"}),
    "a colour": lambda d: d["host"].update(kernel="\x1b[31m"),
    "half a character": lambda d: d["host"].update(kernel="\ud800"),
    "digits of another script": lambda d: d["functions"][0].update(vendor="0x\u0661\u0662"),
    "too many words": lambda d: d["functions"][0].update(reset_methods=["flr"] * 65),
    "a version as text": lambda d: d.update({"vpci-capture": "1"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_said_once_at_its_place(host: Host, name: str) -> None:
    document = json.loads(whole(host))
    WRONG[name](document)
    path = write(host.sysfs, json.dumps(document, indent=1))
    text = fails(path, "01:00.0")
    assert re.fullmatch(r"host\.capture:(\d+):(\d+): error\[VPCI1716\]: [^\n]+\n(?s:.*)", text), text
    assert text.count("error[") == 1 and "\x1b" not in text
    if "newline" not in name:  # Python's $ stands before one, that of JSON Schema does not
        assert not Draft202012Validator(json.loads(capture_schema())).is_valid(document)


def test_the_place_is_the_place(host: Host) -> None:
    text = whole(host).replace('"revision": "0x00"', '"revision": 0', 1)
    line = next(n for n, row in enumerate(text.splitlines(), 1) if '"revision": 0' in row)
    said = fails(write(host.sysfs, text), "01:00.0")
    place = f"host.capture:{line}:19: error[VPCI1716]: functions[0].revision"
    assert said.startswith(f'{place}: 0 where a number in hex, "0x00" is expected')


@pytest.mark.parametrize(("rows", "words"), [
    (["000:" + " 00" * 16, "000:" + " 00" * 16], "row 0x000 stands after byte 0x00f"),
    (["010..00f: 00"], "the row 010..00f ends before it begins"),
])  # fmt: skip
def test_rows_that_contradict_each_other(host: Host, rows: list[str], words: str) -> None:
    document = json.loads(whole(host))
    document["functions"][0]["config"] = rows
    said = fails(write(host.sysfs, json.dumps(document, indent=1)), "01:00.0")
    assert "error[VPCI1704]" in said and words in said


def test_rows_that_are_missing_are_a_gap(host: Host) -> None:
    document = json.loads(whole(host))
    rows = document["functions"][1]["config"]
    assert rows[8] == "080..09f: 00"
    del rows[8]
    capture = back(host, json.dumps(document, indent=1), "02:00.0")
    assert (0x80, 0xA0) in capture.missing
    assert "VPCI1705" in [d.code for d in capture.diagnostics]


def test_a_range_that_is_said_to_be_redacted_is_not_believed_to_be_there(host: Host) -> None:
    host.add("0000:01:00.0")
    document = json.loads(host.take().text)
    document["functions"][0]["redacted"] = [{"range": "0x144..0x14b", "what": "by-hand"}]
    capture = back(host, json.dumps(document))
    assert capture.missing == ((0x144, 0x14C),) and capture.data[SERIAL] == bytes(8)


def test_another_version(host: Host) -> None:
    path = write(host.sysfs, whole(host).replace('"vpci-capture": 1', '"vpci-capture": 2'))
    said = fails(path)
    assert said.startswith(
        "host.capture:2:19: error[VPCI1717]: capture file of version 2; this program reads version 1"
    )


@pytest.mark.parametrize("text", ["{}", '{"a": 1}', "{ }\n", '{"vpci": 1}'])
def test_another_json_document(tmp_path: Path, text: str) -> None:
    assert "error[VPCI1701]: a JSON document without the key 'vpci-capture'" in fails(write(tmp_path, text))


@pytest.mark.parametrize(("text", "code"), [
    ("{", "VPCI1715"), ('{"vpci-capture": 1', "VPCI1715"), ('{"vpci-capture": 1}\n{}', "VPCI1715"),
    ('{"vpci-capture": 1.0}', "VPCI1715"), ('{"vpci-capture": 1e3}', "VPCI1715"), ('{"vpci-capture": NaN}', "VPCI1715"),
    ('{"vpci-capture": 01}', "VPCI1715"), ('{"vpci-capture": ' + "9" * 5000 + "}", "VPCI1715"),
    ('{"vpci-capture": 1, "vpci-capture": 1}', "VPCI1003"), ('{"vpci-capture": 1,}', "VPCI1715"),
    ('{"a": "\\ud8', "VPCI1715"), ('{"a": "tab\there"}', "VPCI1715"),
    ('{"a" 1}', "VPCI1715"), ('{"a": tru}', "VPCI1715"),
    ('{"a": [1 2]}', "VPCI1715"), ('{"a": ]}', "VPCI1715"), ('{"a": ' + "[" * 100_000, "VPCI1710"),
    ('{"a": [' + "1," * 600_000 + "1]}", "VPCI1710"), ('{"vpci-capture": ' + "9" * 39 + "}", "VPCI1717"),
])  # fmt: skip
def test_broken_json(tmp_path: Path, text: str, code: str) -> None:
    said = fails(write(tmp_path, text))
    assert f"error[{code}]" in said and said.count("error[") == 1


def test_a_file_cut_anywhere(host: Host) -> None:
    text = whole(host)
    for cut in [*range(1, 200), *range(200, len(text) - 2, 37)]:
        said = fails(write(host.sysfs, text[:cut]))
        assert re.match(r"host\.capture:\d+:\d+: error\[VPCI17(15|01)\]", said), (cut, said)


@settings(max_examples=int(os.environ.get("VPCI_FUZZ", "1")) * 150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.data())
def test_any_damage_to_the_text_is_a_diagnostic(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("host")
    text = bytearray(whole(Host(folder / "sys")).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        how = data.draw(st.sampled_from(["set", "delete", "insert", "copy"]))
        if how == "set":
            text[at] = data.draw(st.integers(0, 255))
        elif how == "delete":
            del text[at : at + data.draw(st.integers(1, 400))]
        elif how == "insert":
            text[at:at] = data.draw(
                st.sampled_from([b'"', b"{", b"]", b",", b"null", b"\0", b"\xff", b"-", b"\\u0000"])
            )
        else:
            text[at:at] = text[at : at + 300]
    judge(write(folder, bytes(text)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=int(os.environ.get("VPCI_FUZZ", "1")) * 150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.data())
def test_program_and_schema_refuse_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("host")
    document = copy.deepcopy(json.loads(whole(Host(folder / "sys"))))
    place: Any = document
    while True:
        keys = [*place] if isinstance(place, dict) else [*range(len(place))]
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.integers(0, 4)):
            place = place[key]
            continue
        place[key] = data.draw(JSON)
        break
    codes = judge(write(folder, json.dumps(document)))
    valid = Draft202012Validator(json.loads(capture_schema())).is_valid(document)
    shape = {"VPCI1716", "VPCI1717", "VPCI1006"}
    assert valid == (not codes & shape), (valid, codes)


def judge(path: Path) -> set[str]:
    """Read a file in both ways; whatever is in it, only diagnostics come of it."""
    found = read_all(path)
    for capture in found.captures:
        assert 64 <= len(capture.data) <= 4096
    try:
        read(path, "01:00.0")
    except Failed as failed:
        assert all(d.span.line >= 1 for d in failed.diagnostics)
        assert render_text(failed.diagnostics)
    return {d.code for d in found.diagnostics}


def test_a_large_host_is_read_in_seconds(host: Host) -> None:
    import time

    entry = json.loads(whole(host))
    functions = []
    for number in range(1500):
        one = copy.deepcopy(entry["functions"][number % 2])
        one["slot"] = f"{number >> 8:04x}:{number & 0xFF:02x}:00.0"
        functions.append(one)
    path = write(host.sysfs, json.dumps({**entry, "functions": functions}, indent=1))
    start = time.process_time()
    assert len(read_all(path).captures) == 1500
    assert time.process_time() - start < 20
