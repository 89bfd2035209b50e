"""Two devices that differ, made one function by `baseline`: a real QEMU shows a guest the same of both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from live.judging import qemu
from predict.crafting import Made
from predict.test_baseline import nic
from vpci_compile import api
from vpci_compile.live import Place, qtest, verify

STACK = "qemu-11.1"
CAPTURES = Path(__file__).parents[1] / "captures"
PAIRS = {
    "what hardware changes": (nic(), nic().put(0x72, "41 00").put(0x110, "01")),
    "serial numbers": (nic(), nic().put(0x154, "ff fe fd fc")),
    "a hidden structure of other contents": (nic(), nic().put(0x16C, "ff 01")),
    "bytes of no structure": (nic(), nic().put(0xC0, "77 66")),
    "ids": (nic(), nic().put(0x02, "02 00").put(0x2C, "86 80 07 00")),
}


def read_back(paths: Sequence[Path], options: Sequence[Mapping[str, str]]) -> list[bytes]:
    """What a guest of one QEMU reads of the devices, each told its options."""
    functions = [api.load(path).function for path in paths]
    with verify.served(functions, Place.PORT) as arguments:
        told = iter(options)
        for index, argument in enumerate(arguments):
            if argument.startswith("{"):
                extra = {key: int(word, 0) if key.startswith("x-pci-") else word for key, word in next(told).items()}
                arguments[index] = json.dumps({**json.loads(argument), **extra})
        with qtest.Machine(qemu(), arguments) as machine:
            machine.open_ecam()
            seats = [(1 + number, 0) for number in range(len(paths))]
            for bus, _ in seats:
                machine.number_bus(0, bus, bus, bus)
            return [machine.space(*seat, one.config.size) for seat, one in zip(seats, functions, strict=True)]


def outside_contract(paths: Sequence[Path], *, migratable: bool = False) -> tuple[list[int], list[int]]:
    """The bytes in which QEMU shows the devices otherwise than the baseline promises, and otherwise than each other."""
    answer = api.baseline(paths, STACK, migratable=migratable)
    assert answer.whole and answer.common is not None
    config = answer.common.function.config
    views = read_back(paths, [answer.realized[number].options for number in sorted(answer.names)])
    for view in views:
        assert [at for at in range(config.size) if (view[at] ^ config.value[at]) & config.compared[at]] == []
    differing = [at for at in range(config.size) if views[0][at] != views[1][at]]
    return [at for at in differing if config.compared[at]], differing


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_one_function_of_two_devices(tmp_path: Path, pair: tuple[Made, Made]) -> None:
    paths = [tmp_path / "one.bin", tmp_path / "other.bin"]
    for path, host in zip(paths, pair, strict=True):
        path.write_bytes(host.value)
    compared, differing = outside_contract(paths)
    assert compared == []
    assert differing or pair is PAIRS["ids"]  # else there was nothing to find out


def test_two_captures_of_one_model() -> None:
    assert outside_contract([CAPTURES / "igb.lspci", CAPTURES / "sysfs/igb"], migratable=True)[0] == []
