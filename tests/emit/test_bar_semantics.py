"""What a BAR means (enable bit, tail reads, caching, real length) is in every output, and the same in all of them."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

import cc
from vpci_compile import api
from vpci_compile.emit import image
from vpci_compile.emit.artifact import Options
from vpci_compile.emit.printed import bar_words
from vpci_compile.ir import Bar, BarKind, Beyond, Enable, Function, Origin
from vpci_compile.live.device import Device
from vpci_compile.live.protocol import ProtocolError

LAYOUTS = ("nvidia/gh200", "nvidia/gb300", "virtio/net-vf-transitional")
"""Each has BARs that no hardware has."""
_COMMAND = 0x04


@pytest.fixture(params=LAYOUTS)
def function(request: pytest.FixtureRequest) -> Function:
    return api.check(request.param).function


def enable_bit(bar: Bar) -> int:
    return 1 if bar.kind is BarKind.IO else 2


@cc.needed
def test_in_c(function: Function, tmp_path: Path) -> None:
    header, _ = cc.emit(function, tmp_path)
    name = next(word for line in header.read_text().split("\n") if "_bar {" in line for word in line.split()[1:2])
    prefix = name.removesuffix("_bar")
    program = tmp_path / "bars.c"
    program.write_text(
        f'#include "{header.name}"\n#include <stdio.h>\nint main(void)\n{{\n\tunsigned int i;\n'
        f"\tfor (i = 0; i < 8; i++) {{\n\t\tconst struct {name} *bar = {prefix}_find_bar(i);\n\t\tif (bar)\n"
        '\t\t\tprintf("%u %u %u %u %u %llu %llu\\n", bar->index, bar->enable_bit, bar->enable, bar->caching,\n'
        "\t\t\t       bar->beyond, (unsigned long long)bar->size, (unsigned long long)bar->length);\n"
        "\t}\n\treturn 0;\n}\n"
    )
    status, shown = cc.run(cc.build("c11", program))
    orders = [[*kind] for kind in (Enable, type(function.bars[0].caching), Beyond)]
    wanted = [
        [bar.index, enable_bit(bar), orders[0].index(bar.enable), orders[1].index(bar.caching),
         orders[2].index(bar.beyond), bar.size or 0, bar.length or 0]
        for bar in sorted(function.bars, key=lambda one: one.index)
    ]  # fmt: skip
    assert (status, [[int(word) for word in line.split()] for line in shown.splitlines()]) == (0, wanted)


def test_in_json(function: Function) -> None:
    document = json.loads(next(one.data for one in image.emit(function, Options()) if one.name.endswith(".json")))
    told = [(one["index"], one["size"], one["length"], one["caching"], one["beyond"], one["enable"])
            for one in document["bars"]]  # fmt: skip
    assert told == [(one.index, one.size, one.length, one.caching, one.beyond, one.enable) for one in function.bars]


def test_when_served(function: Function) -> None:
    """The enable bit lets an access through or not, and past the real length it comes to what the layout says."""
    for bar in function.bars:
        if not bar.size:
            continue
        device = Device(function)
        device.write(7, _COMMAND, bytes(2))
        if bar.enable is Enable.IGNORE:
            device.read(bar.index, 0, 1)
        else:
            with pytest.raises(ProtocolError) as refused:
                device.read(bar.index, 0, 1)
            assert refused.value.number == errno.EIO
        device.write(7, _COMMAND, enable_bit(bar).to_bytes(2, "little"))
        device.write(bar.index, 0, b"\x5a")
        assert device.read(bar.index, 0, 1) == b"\x5a"
        if bar.length is not None and bar.length < bar.size:
            device.write(bar.index, bar.length, b"\x5a")
            assert device.read(bar.index, bar.length, 1) == {Beyond.ONES: b"\xff", Beyond.ZEROS: b"\0"}[bar.beyond]
        device.write(7, _COMMAND, bytes(2))
        if bar.enable is Enable.FIRST_AFTER_RESET:  # once touched, the bit is ignored
            assert device.read(bar.index, 0, 1) == b"\x5a"


def test_in_words(function: Function) -> None:
    for bar, words in zip(function.bars, bar_words.every(function), strict=False):
        if bar.source is not Origin.SYNTHESIZED or bar.length == bar.size:
            continue
        assert bar.caching.replace("-", " ") in words.caching.replace("-", " ") and words.enable
        assert words.reality and words.beyond == "reads ones, drops writes"


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("bar4.length", "backing: {length: 64G}"),
        ("bar4.caching", "backing: {caching: uncached}"),
        ("bar4.beyond", "backing: {beyond: zeros}"),
        ("bar4.enable", "enable: enforce"),
    ],
)
def test_diff_tells_of_each(path: str, change: str, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    name = "vpci: 1\ndevice: nvidia-gh200\nversion: 1\nextends: nvidia/gh200\n"
    other.write_text(f"{name}bars: {{4: {{{change}}}}}\n", encoding="utf-8")
    found = {one.path for one in api.compare(api.check("nvidia/gh200").function, api.load(other).function)}
    assert found == {path}
    answer = api.migration(api.side("nvidia/gh200"), api.side(other)).there
    assert path in {one.difference.path for one in answer.findings}
