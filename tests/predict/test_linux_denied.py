"""Devices that vfio-pci does not take for their errata."""

from __future__ import annotations

import pytest

from vpci_compile import stack


@pytest.mark.parametrize(
    ("ids", "name", "refused"),
    [
        ((0x8086, 0x0B25), "linux-7.2", True),
        ((0x8086, 0x0B25), "linux-5.10", False),
        ((0x8086, 0x19E3), "linux-5.10", True),
        ((0x8086, 0x0B24), "linux-7.2", False),
        ((0x8086, 0x0B25), "qemu-11.1", False),
    ],
)
def test_the_denylist(ids: tuple[int, int], name: str, refused: bool) -> None:
    value = ids[0].to_bytes(2, "little") + ids[1].to_bytes(2, "little") + bytes(4092)
    prediction = stack.predict(stack.Hardware(value), name)
    assert bool(prediction.refusals) == refused


def test_a_variant_driver_takes_them() -> None:
    value = bytes.fromhex("8680250b") + bytes(4092)
    assert not stack.predict(stack.Hardware(value), "linux-7.2", options={"driver": "idxd-vfio-pci"}).refusals


def test_who_loads_it_so_has_the_device() -> None:
    value = bytes.fromhex("8680250b") + bytes(4092)
    (refusal,) = stack.predict(stack.Hardware(value), "linux-7.2").refusals
    assert "--option disable_denylist=1" in refusal.help
    assert not stack.predict(stack.Hardware(value), "linux-7.2", options={"disable_denylist": "1"}).refusals
    with pytest.raises(ValueError, match="disable_denylist=on: 0 or 1"):
        stack.predict(stack.Hardware(value), "linux-7.2", options={"disable_denylist": "on"})
